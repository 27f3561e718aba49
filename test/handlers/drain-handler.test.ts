import type { UpdateScheduleInput } from '@aws-sdk/client-scheduler';
import type { Context, SQSEvent } from 'aws-lambda';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { captureLogs, type LogLine } from '../../sandbox/logs.ts';
import { AwsError } from '../../sandbox/region/aws-error.ts';
import { NO_FAULTS } from '../../sandbox/region/faults.ts';
import { createRegion, type Region } from '../../sandbox/region/region.ts';
import { playGlobals } from '../../sandbox/region/time/globals.ts';
import { listen } from '../../sandbox/region/wire/http.ts';
import type { WireCall } from '../../sandbox/region/wire/wire.ts';
import { CONTINUATION_VERSION } from '../../src/adapters/continuation.ts';
import { type HeldDrain, newHeldDrain } from '../../src/domain/drain.ts';
import { MOST_CONTINUATIONS } from '../../src/domain/policy.ts';
import { createDrainHandler } from '../../src/handlers/drain-handler.ts';
import {
  DEADLINE_SECONDS,
  EVENT_QUEUE,
  EVENT_SOURCE,
  PARKING,
  SCHEDULE_GROUP,
  START_MS,
  WATCHING,
} from './environment.ts';
import { deadLettersIn, type Installed, type InstallOptions, installIn } from './installed.ts';

const TASK = { cluster: 'prod', memoryMiB: 512, cpuUnits: 128, stopTimeoutSeconds: 30 };

const WEB = {
  ...TASK,
  name: 'web',
  strategy: 'REPLICA',
  desiredCount: 2,
  minimumHealthyPercent: 100,
  maximumPercent: 200,
  startSeconds: 20,
  loadBalancer: { deregistrationDelaySeconds: 300, requestsPerSecond: 10 },
} as const;

const HOOK = { name: 'ecs-drain', heartbeatTimeoutSeconds: 3_600, defaultResult: 'CONTINUE' } as const;
const GroupName = SCHEDULE_GROUP;

let region: Region;
let service: Installed;
let logs: LogLine[];
/** The instance to terminate, of the group web; and one of each other group. */
let INSTANCE: string;
let instanceOf: Record<string, string>;
let ends: (() => void)[];
/** What AWS refuses. */
let failing: (call: WireCall) => AwsError | undefined;
/** The share of Auto Scaling's events that get lost. */
let lostEvents: number;
/** The share of AWS's answers that get lost. */
let lostAnswers: number;

beforeEach(() => {
  Object.assign(process.env, {
    AWS_REGION: 'eu-west-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    POWERTOOLS_SERVICE_NAME: 'ecs-drain',
    POWERTOOLS_METRICS_NAMESPACE: 'ECSDrain',
  });
  logs = [];
  failing = () => undefined;
  lostEvents = 0;
  lostAnswers = 0;
  const faults = {
    ...NO_FAULTS,
    failing: (call: WireCall) => failing(call),
    get lostEvents() {
      return lostEvents;
    },
    get lostAnswers() {
      return lostAnswers;
    },
  };
  region = createRegion({ startMs: START_MS, seed: 1, faults });
  ends = [playGlobals(region.time, region.random), captureLogs((line) => logs.push(line))];
  region.ecs.createCluster('prod');
  const group = { minSize: 0, maxSize: 9, desiredCapacity: 3, cluster: 'prod', memoryMiB: 4_096, cpuUnits: 2_048 };
  instanceOf = {};
  for (const name of ['web', 'workers', 'others']) {
    const [first = ''] = region.autoScaling.createGroup({ ...group, name, launchSeconds: 60 }, { running: true });
    instanceOf[name] = first;
    region.autoScaling.putLifecycleHook({ ...HOOK, group: name });
  }
  INSTANCE = instanceOf['web'] ?? '';
});

afterEach(() => {
  for (const end of ends) end();
});

function install(environment: Record<string, string> = PARKING, more: Partial<InstallOptions> = {}): void {
  service = installIn(region, { environment, sdk: { requestHandler: region.transport }, ...more });
}

/** A task that ends by itself. */
function runTask(name: string, runsForSeconds: number, ec2InstanceId = INSTANCE): void {
  region.ecs.runTask({ ...TASK, name, ec2InstanceId, runsForSeconds });
}

async function minutes(count: number): Promise<void> {
  const untilMs = region.time.nowMs() + count * 60_000;
  region.time.after(count * 60, () => {});
  await region.time.runUntil(() => region.time.nowMs() >= untilMs);
}

const terminate = (instanceId = INSTANCE) => region.autoScaling.terminateInstance(instanceId);
/** Until the instance is gone, and the invocation that let it go has ended. */
async function released(instanceId = INSTANCE): Promise<void> {
  await region.time.runUntil(() => region.terminated.has(instanceId));
  await minutes(0.1);
}
const bodyOf = (message: unknown) => (typeof message === 'string' ? message : JSON.stringify(message));
const send = (message: unknown) => service.queue.send(bodyOf(message));

/** Invokes the function, and waits until it has ended. */
async function invoke(event: unknown) {
  const { invocations } = service.lambda;
  const before = invocations.length;
  service.lambda.invokeAsync(event);
  await region.time.runUntil(() => invocations.length > before);
  return { result: invocations[before]?.result, error: invocations[before]?.error };
}

/** Brings the function all of these in one batch, as Lambda does from the queue. */
async function bring(...messages: unknown[]): Promise<unknown> {
  const record = (body: string, i: number) => ({ eventSource: 'aws:sqs', messageId: `message-${i + 1}`, body });
  return (await invoke({ Records: messages.map(bodyOf).map(record) })).result;
}

/** The calls that the function made. */
const calls = () => region.calls.filter(({ fiber }) => fiber).map(({ operation }) => operation);
const callsNamed = (name: string) => calls().filter((operation) => operation === name).length;
const messages = () => logs.map(({ message }) => message);
const kinds = () => service.results.map(({ kind }) => kind);
const outcomes = () => logs.flatMap((line) => (!('_aws' in line) && line['outcome'] ? [line['outcome']] : []));
const billedSeconds = () => service.lambda.invocations.reduce((sum, each) => sum + each.billedSeconds, 0);
const schedules = () => region.scheduler.operations.ListSchedules({ GroupName }).Schedules ?? [];
const theSchedule = () => region.scheduler.operations.GetSchedule({ GroupName, Name: schedules()[0]?.Name });
const parked = () => region.time.runUntil(() => schedules().length > 0);

function tokenOf(instanceId: string): string {
  const pending = region?.autoScaling.pendingActions().find((action) => action.instanceId === instanceId);
  return pending?.token ?? '87654321-4321-4321-4321-210987654321';
}

/** The termination event of an instance, which Auto Scaling may hold. */
function terminationOf(instanceId: string, group = 'web', atMs = START_MS) {
  return {
    source: 'aws.autoscaling',
    'detail-type': 'EC2 Instance-terminate Lifecycle Action',
    account: '123456789012',
    time: new Date(atMs).toISOString(),
    detail: {
      LifecycleActionToken: tokenOf(instanceId),
      AutoScalingGroupName: group,
      LifecycleHookName: 'ecs-drain',
      EC2InstanceId: instanceId,
      LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
    },
  };
}

function sweepNow() {
  const time = new Date(region.time.nowMs()).toISOString();
  return { ...terminationOf(''), source: 'aws.events', 'detail-type': 'Scheduled Event', time, detail: {} };
}

describe('a drain', () => {
  it.each([
    ['on schedules', PARKING, 3, 30],
    ['on the queue alone', WATCHING, 12, 160],
  ])('waits %s without holding an execution, and kills no task', async (_, environment, mostBilled, mostCalls) => {
    install(environment);
    region.ecs.createService({ ...WEB, desiredCount: 60, memoryMiB: 128, cpuUnits: 64 });
    await minutes(5);
    terminate();
    await released();
    expect(region.autoScaling.completions).toMatchObject([
      { instanceId: INSTANCE, result: 'CONTINUE', by: 'completion' },
    ]);
    expect(region.killedTasks).toEqual([]);
    expect(kinds()).not.toContain('handed-over');
    expect(billedSeconds()).toBeLessThanOrEqual(mostBilled);
    expect(calls().length).toBeLessThanOrEqual(mostCalls);
    expect(schedules()).toEqual([]);
  });

  it('heartbeats a hook that times out before the tasks stop', async () => {
    install();
    region.autoScaling.putLifecycleHook({ ...HOOK, group: 'web', heartbeatTimeoutSeconds: 60 });
    runTask('report', 600);
    terminate();
    await released();
    const [{ by, heartbeats = 0 } = {}] = region.autoScaling.completions;
    expect(by).toBe('completion');
    expect(heartbeats).toBeGreaterThanOrEqual(10);
    expect(region.killedTasks).toEqual([]);
  });

  it.each([0, 40])(
    'keeps a hook of a minute alive though the clock of its event is %i s ahead',
    async (aheadSeconds) => {
      install();
      region.autoScaling.putLifecycleHook({ ...HOOK, group: 'web', heartbeatTimeoutSeconds: 60 });
      runTask('report', 300);
      lostEvents = 1;
      terminate();
      await bring(terminationOf(INSTANCE, 'web', START_MS + aheadSeconds * 1000));
      await released();
      expect(region.autoScaling.completions).toMatchObject([{ by: 'completion' }]);
      expect(region.killedTasks).toEqual([]);
    },
  );

  it('names the tasks that it gives up at the deadline, in the log and in the metric', async () => {
    install();
    runTask('endless', 1_000_000);
    terminate();
    await released();
    expect(region.killedTasks).toMatchObject([{ group: 'family:endless' }]);
    expect(logs).toContainEqual(
      expect.objectContaining({
        level: 'ERROR',
        outcome: 'timed-out',
        killedTasks: [expect.objectContaining({ group: 'family:endless', class: 'standalone', lastStatus: 'RUNNING' })],
      }),
    );
    expect(logs.find((line) => 'Drains' in line)).toMatchObject({ outcome: 'timed-out', TasksKilledAtDeadline: 1 });
  });

  it('stops stragglers in time for their stop timeout when the settings say so', async () => {
    install({ ...PARKING, STOP_STRAGGLERS: 'standalone' });
    runTask('endless', 1_000_000);
    terminate();
    await released();
    expect(region.killedTasks).toEqual([]);
    expect(callsNamed('StopTask')).toBe(1);
    const [{ atMs = 0, heldSinceMs = 0 } = {}] = region.autoScaling.completions;
    expect((atMs - heldSinceMs) / 1000).toBeLessThanOrEqual(DEADLINE_SECONDS + 0.1);
  });

  it('changes nothing in a dry run, though it goes through all its steps', async () => {
    install({ ...PARKING, DRY_RUN: 'true' });
    terminate();
    await region.time.runUntil(() => kinds().includes('finished'));
    expect(callsNamed('UpdateContainerInstancesState') + callsNamed('CompleteLifecycleAction')).toBe(0);
    expect(logs.filter((line) => !('_aws' in line)).every(({ dryRun }) => dryRun === true)).toBe(true);
  });

  it.each([0, 20])('is one though its event comes twice, %i s apart', async (seconds) => {
    install();
    region.ecs.createService(WEB);
    region.eventBridge.putRule({
      name: 'again',
      pattern: { source: ['aws.autoscaling'] },
      target: (event) => region.time.after(seconds, () => send(event)),
    });
    await minutes(5);
    terminate();
    await released();
    await minutes(2);
    expect(outcomes().filter((kind) => kind !== 'already-completed')).toEqual(['drained']);
    expect(region.autoScaling.completions).toHaveLength(1);
    expect(region.killedTasks).toEqual([]);
    expect(deadLettersIn(service)).toEqual([]);
    expect(schedules()).toEqual([]);
  });

  it('has its keys on every line of the log about it, and on no other', async () => {
    install();
    region.ecs.createService(WEB);
    await minutes(5);
    terminate();
    await released();
    const lines = logs.filter((line) => !('_aws' in line));
    expect(lines.length).toBeGreaterThan(4);
    for (const line of lines) {
      expect(line).toMatchObject({
        instanceId: INSTANCE,
        autoScalingGroup: 'web',
        lifecycleHook: 'ecs-drain',
        drainId: expect.stringMatching(/^[0-9a-f-]{36}$/),
        cluster: expect.any(String),
      });
    }
    logs.length = 0;
    send({ Event: 'autoscaling:TEST_NOTIFICATION' });
    await minutes(1);
    expect(logs.map(({ level, message }) => [level, message])).toEqual([
      ['INFO', 'Ignored: it is the test notification of a new lifecycle hook'],
    ]);
    expect(logs[0]).not.toHaveProperty('instanceId');
  });

  it('whose completion is done though its answer is lost raises no alarm on tasks: every one had stopped', async () => {
    install();
    runTask('import', 100);
    terminate();
    let isFirst = true;
    failing = ({ operation }) => {
      lostAnswers = operation === 'CompleteLifecycleAction' && isFirst ? 1 : 0;
      if (lostAnswers) isFirst = false;
      return undefined;
    };
    await released();
    expect(isFirst).toBe(false);
    expect(outcomes()).toEqual(['already-completed']);
    expect(messages()).toContainEqual(expect.stringMatching(/no task held the instance when it was seen last/));
    expect(logs.filter((line) => 'TasksUnaccounted' in line)).toEqual([]);
  });

  it.each(
    ['CreateSchedule', 'UpdateSchedule'].flatMap((lost) => [60, 120, 240].map((seconds) => [lost, seconds] as const)),
  )(
    'takes its own wait for no other delivery’s where %s is done but not answered, and keeps a hook of %i s',
    async (...given) => {
      const [lost, heartbeatTimeoutSeconds] = given;
      install({ ...PARKING, DEADLINE_SECONDS: '1800' });
      region.autoScaling.putLifecycleHook({ ...HOOK, group: 'web', heartbeatTimeoutSeconds });
      runTask('import', 900);
      terminate();
      let lostUntilMs = 0;
      failing = ({ operation }) => {
        const nowMs = region.time.nowMs();
        if (operation === lost && lostUntilMs === 0) lostUntilMs = nowMs + 10_000;
        lostAnswers = operation === lost && nowMs < lostUntilMs ? 1 : 0;
        return undefined;
      };
      await released();
      expect(lostUntilMs).toBeGreaterThan(0);
      expect(region.killedTasks).toEqual([]);
      expect(outcomes()).toEqual(['drained']);
      expect(schedules()).toEqual([]);
    },
  );

  it('whose schedule was deleted and not made again reports its end where its instance has gone', async () => {
    install();
    runTask('import', 3_600);
    terminate();
    await parked();
    let deletedAtMs = 0;
    failing = ({ operation }) => {
      if (operation === 'DeleteSchedule' && deletedAtMs === 0) deletedAtMs = region.time.nowMs();
      const isRefused = operation === 'CreateSchedule' && deletedAtMs > 0;
      return isRefused ? new AwsError('ThrottlingException', 'Rate exceeded', 429) : undefined;
    };
    await region.time.runUntil(() => deletedAtMs > 0);
    await minutes(0.1);
    region.autoScaling.terminateInstance(INSTANCE, { skipHooks: true });
    await minutes(5);
    expect(outcomes()).toHaveLength(1);
  });

  it.each([
    ['throttles', new AwsError('ThrottlingException', 'Rate exceeded', 429)],
    ['denies', new AwsError('AccessDeniedException', 'not authorized', 403)],
  ])('waits on the queue where Scheduler %s everything', async (_, error) => {
    install();
    failing = ({ service }) => (service === 'scheduler' ? error : undefined);
    region.ecs.createService(WEB);
    await minutes(5);
    terminate();
    await released();
    expect(outcomes()).toEqual(['drained']);
    expect(region.killedTasks).toEqual([]);
    expect(logs.filter(({ level }) => level === 'WARN')[0]).toMatchObject({ decision: 'park' });
    expect(billedSeconds()).toBeLessThan(75);
  });

  it.each([
    [
      'of version 1',
      ({ action, startedAtMs, lastHeartbeatAtMs, heartbeats, continuations, pollIntervalSeconds }: HeldDrain) => ({
        version: 1,
        drain: { action, startedAtMs, lastHeartbeatAtMs, heartbeats, continuations, pollIntervalSeconds },
      }),
    ],
    [
      'of a later version',
      ({ action, startedAtMs, continuations }: HeldDrain) => ({
        version: CONTINUATION_VERSION + 1,
        drain: { action, startedAtMs, continuations, parked: ['otherwise'], mood: 'new' },
      }),
    ],
  ])('continues from a continuation %s that another release left in its schedule', async (_, rewritten) => {
    install();
    runTask('import', 900);
    terminate();
    await parked();
    const { ScheduleExpression, FlexibleTimeWindow, ...schedule } = theSchedule();
    const { drain } = JSON.parse(schedule.Target?.Input ?? '');
    const Target = { ...schedule.Target, Input: JSON.stringify(rewritten(drain)) };
    const update = { GroupName, Name: schedule.Name, ScheduleExpression, FlexibleTimeWindow, Target };
    region.scheduler.operations.UpdateSchedule(update as UpdateScheduleInput);
    await released();
    expect(outcomes()).toEqual(['drained']);
    expect(region.killedTasks).toEqual([]);
    expect(deadLettersIn(service)).toEqual([]);
  });

  it('continues on the queue when its schedule fires in a release with waiting=watch', async () => {
    install();
    runTask('import', 900);
    terminate();
    await parked();
    service.update(WATCHING);
    await released();
    expect(outcomes()).toEqual(['drained']);
    expect(region.autoScaling.completions).toMatchObject([{ result: 'CONTINUE', by: 'completion' }]);
    expect(region.killedTasks).toEqual([]);
  });
});

describe('an invocation whose time runs out', () => {
  it('hands its drains over in continuation events on the bus, and the next one continues them', async () => {
    install(PARKING, { timeoutSeconds: 20.1 }); // 0.1 s more than its margin
    const handedOver: unknown[] = [];
    region.eventBridge.putRule({
      name: 'seen',
      pattern: { source: [EVENT_SOURCE], 'detail-type': ['ECS Drain Continuation'] },
      target: (event) => handedOver.push((event as { detail: unknown }).detail),
    });
    runTask('import', 120);
    runTask('export', 120, instanceOf['workers']);
    lostEvents = 1;
    terminate();
    terminate(instanceOf['workers']);
    const answer = await bring(terminationOf(INSTANCE), terminationOf(instanceOf['workers'] ?? '', 'workers'));
    expect(answer).toEqual({ batchItemFailures: [] });
    expect(kinds()).toEqual(['handed-over', 'handed-over']);
    expect(callsNamed('PutEvents')).toBe(1);
    service.update(PARKING, { timeoutSeconds: 60 });
    await released();
    await released(instanceOf['workers']);
    expect(handedOver).toMatchObject([{ drain: { kind: 'held' } }, { drain: { kind: 'held' } }]);
    expect(outcomes().filter((kind) => kind !== 'already-completed')).toEqual(['drained', 'drained']);
    expect(region.killedTasks).toEqual([]);
  });
});

/** A continuation that has reached the cap. */
function looping() {
  const instanceId = instanceOf['workers'] ?? '';
  const action = { autoScalingGroup: 'workers', lifecycleHook: 'ecs-drain', instanceId };
  const drain = newHeldDrain(action, { startedAtMs: START_MS, pollIntervalSeconds: 2 });
  return { version: CONTINUATION_VERSION, drain: { ...drain, continuations: MOST_CONTINUATIONS } };
}

describe('a batch', () => {
  it('is one round, whose drains share their calls', async () => {
    install();
    lostEvents = 1;
    terminate();
    terminate(instanceOf['workers']);
    await bring(terminationOf(INSTANCE), terminationOf(instanceOf['workers'] ?? '', 'workers'));
    expect(calls()).toEqual([
      'ListContainerInstances',
      'UpdateContainerInstancesState',
      'SendMessageBatch', // Nothing can end before the lists of ECS have settled.
    ]);
    await released();
    await released(instanceOf['workers']);
    expect(outcomes()).toEqual(['drained', 'drained']);
  });

  it('does the work of good messages, ignores what is not ours and rejects the rest, at once and with a sentence', async () => {
    install();
    const ofOthers = terminationOf(instanceOf['others'] ?? '', 'others');
    const incomplete = { source: 'aws.autoscaling' };
    const fromTheFuture = terminationOf(INSTANCE, 'web', START_MS + 3_600_000);
    lostEvents = 1;
    terminate();
    const all = ['drain it, please', ofOthers, terminationOf(INSTANCE), incomplete, fromTheFuture];
    expect(await bring(...all)).toEqual({ batchItemFailures: [] });
    await minutes(0.1);
    const rejected = { code: 'RejectedEvent' };
    const letters = deadLettersIn(service).toSorted((a, b) => a.body.length - b.body.length);
    expect(letters).toMatchObject([
      { ...rejected, body: 'drain it, please', sentence: expect.stringMatching(/it is "drain it, please"/) },
      { ...rejected, body: JSON.stringify(incomplete), sentence: expect.stringMatching(/detail-type is missing/) },
      {
        ...rejected,
        body: JSON.stringify(fromTheFuture),
        sentence:
          'The event cannot be understood: the drain starts at 2026-01-01T01:00:00.000Z, which is in the future.',
      },
    ]);
    const errors = logs.filter(({ level }) => level === 'ERROR');
    expect(errors.map(({ message }) => message).toSorted()).toEqual(letters.map(({ sentence }) => sentence).toSorted());
    expect(errors.every(({ messageId }) => /^message-[145]$/.test(String(messageId)))).toBe(true);
    expect(messages()).toContainEqual('Ignored: the group others is not among autoScalingGroups');
    await released();
    expect(outcomes()).toEqual(['drained']);
    expect(service.results.every(({ instanceId }) => instanceId === INSTANCE)).toBe(true);
  });

  it('takes an event from a clock that is up to a minute ahead', async () => {
    install();
    lostEvents = 1;
    terminate();
    const nowMs = region.time.nowMs();
    await bring(terminationOf(INSTANCE, 'web', nowMs + 60_000), terminationOf(INSTANCE, 'web', nowMs + 63_000));
    expect(service.results.map(({ instanceId }) => instanceId)).toEqual([INSTANCE]);
    expect(logs.filter(({ level }) => level === 'ERROR')).toMatchObject([{ messageId: 'message-2' }]);
  });

  it('warns of metadata that names no cluster, with the id of the message', async () => {
    install();
    lostEvents = 1;
    terminate();
    const event = terminationOf(INSTANCE);
    await bring({ ...event, detail: { ...event.detail, NotificationMetadata: 'additional-info' } });
    expect(kinds()).toEqual(['parked']);
    expect(logs).toContainEqual(
      expect.objectContaining({
        level: 'WARN',
        messageId: 'message-1',
        message: expect.stringContaining('The NotificationMetadata of hook ecs-drain is ignored'),
      }),
    );
  });

  it('names in its answer only the messages whose drains failed', async () => {
    install();
    lostEvents = 1;
    terminate();
    const answer = await bring(terminationOf(INSTANCE), looping());
    expect(answer).toEqual({ batchItemFailures: [{ itemIdentifier: 'message-2' }] });
    expect(logs).toContainEqual(
      expect.objectContaining({
        level: 'ERROR',
        message: 'A drain failed; its event comes again',
        messageId: 'message-2',
        instanceId: instanceOf['workers'],
        error: expect.objectContaining({
          message: expect.stringContaining(`was continued ${MOST_CONTINUATIONS + 1} times`),
        }),
      }),
    );
    await released();
    expect(outcomes()).toEqual(['drained']);
  });

  it('goes to the dead-letter queue when it has failed five times, with the sentence', async () => {
    install();
    send(looping());
    await minutes(6);
    expect(kinds()).toEqual(Array(5).fill('failed'));
    const sentence = expect.stringContaining(`was continued ${MOST_CONTINUATIONS + 1} times`);
    expect(deadLettersIn(service)).toEqual([{ body: JSON.stringify(looping()), code: 'Error', sentence }]);
  });

  it.each([
    ['polls', WATCHING, ['sqs', 'events']],
    ['parks', PARKING, ['sqs', 'events', 'scheduler']],
  ])(
    'comes again for as long as nothing can be sent anywhere, where a drain %s: for half an hour here',
    async (_, environment, services) => {
      install(environment);
      region.autoScaling.putLifecycleHook({ ...HOOK, group: 'web', heartbeatTimeoutSeconds: 120 });
      runTask('report', 1_700);
      const downUntilMs = region.time.nowMs() + 1_600_000;
      failing = ({ service }) =>
        services.includes(service) && region.time.nowMs() < downUntilMs
          ? new AwsError('ServiceUnavailable', 'down', 503)
          : undefined;
      terminate();
      await released();
      expect(kinds().filter((kind) => kind === 'left').length).toBeGreaterThan(20);
      expect(kinds()).not.toContain('failed');
      expect(outcomes()).toEqual(['drained']);
      expect(region.killedTasks).toEqual([]);
      expect(deadLettersIn(service)).toEqual([]);
      expect(region.autoScaling.completions).toMatchObject([{ by: 'completion' }]);
    },
  );

  it('that was replayed is handed over instead of left for a queue that does not have it', async () => {
    install(WATCHING);
    lostEvents = 1;
    terminate();
    failing = ({ service }) => (service === 'sqs' ? new AwsError('ServiceUnavailable', 'down', 503) : undefined);
    expect(await bring(terminationOf(INSTANCE))).toEqual({ batchItemFailures: [] });
    expect(kinds()).toEqual(['handed-over']);
  });

  describe('that came too often without an answer', () => {
    const recordOf = (message: unknown, messageAttributes = {}) => ({
      eventSource: 'aws:sqs',
      eventSourceARN: service.queue.arn,
      messageId: 'suspect',
      body: bodyOf(message),
      attributes: { ApproximateReceiveCount: '6' },
      messageAttributes,
    });

    it('begins again as soon as the queue takes messages', async () => {
      install();
      lostEvents = 1;
      terminate();
      const { result } = await invoke({ Records: [recordOf(terminationOf(INSTANCE))] });
      expect(result).toEqual({ batchItemFailures: [] });
      expect(calls()).toEqual(['SendMessage']);
      await released();
      expect(outcomes()).toEqual(['drained']);
    });

    it('is handled while the queue takes none', async () => {
      install();
      lostEvents = 1;
      terminate();
      failing = ({ service }) => (service === 'sqs' ? new AwsError('ServiceUnavailable', 'down', 503) : undefined);
      await invoke({ Records: [recordOf(terminationOf(INSTANCE))] });
      expect(callsNamed('UpdateContainerInstancesState')).toBe(1);
    });

    const again = { SENT_AGAIN: { dataType: 'String', stringValue: 'true' } };

    it('is handled once more: Lambda may have throttled the function each time', async () => {
      install();
      terminate();
      await invoke({ Records: [recordOf(terminationOf(INSTANCE), again)] });
      expect(callsNamed('UpdateContainerInstancesState')).toBe(1);
      expect(deadLettersIn(service)).toEqual([]);
    });

    it('is a dead letter after that, and is not handled: it may crash the invocation', async () => {
      install();
      const record = { ...recordOf(terminationOf(INSTANCE), again), attributes: { ApproximateReceiveCount: '7' } };
      const { result } = await invoke({ Records: [record] });
      expect(result).toEqual({ batchItemFailures: [] });
      expect(calls()).toEqual(['SendMessage', 'PutEvents']);
      expect(deadLettersIn(service)).toMatchObject([
        { sentence: expect.stringContaining('crashed, or Lambda throttled them') },
      ]);
    });
  });

  it('leaves a message on its queue twice while nothing can be sent there, and hands it over the third time, without an error', async () => {
    install(WATCHING);
    terminate();
    failing = ({ operation }) =>
      operation === 'SendMessageBatch' ? new AwsError('ServiceUnavailable', 'down', 503) : undefined;
    await region.time.runUntil(() => kinds().includes('handed-over'));
    expect(kinds()).toEqual(['left', 'left', 'handed-over']);
    expect(logs.filter(({ level }) => level === 'ERROR')).toEqual([]);
    failing = () => undefined;
    await released();
    expect(outcomes()).toEqual(['drained']);
    expect(deadLettersIn(service)).toEqual([]);
  });

  it('keeps a rejected message that the dead-letter queue does not take', async () => {
    install();
    failing = ({ operation }) =>
      operation === 'SendMessage' ? new AwsError('AccessDenied', 'not authorized', 403) : undefined;
    const itemIdentifier = send('drain it, please');
    await minutes(8);
    expect(service.lambda.invocations[0]?.result).toEqual({ batchItemFailures: [{ itemIdentifier }] });
    expect(messages()).toContainEqual('An event could not be sent to the dead-letter queue; it comes again');
    expect(deadLettersIn(service)).toEqual([]);
    failing = () => undefined;
    await minutes(2);
    expect(deadLettersIn(service)).toMatchObject([{ body: 'drain it, please', code: 'RejectedEvent' }]);
  });

  it('fails with the sentence that fixes it where an instance is in a cluster that does not exist', async () => {
    install({ ...PARKING, CLUSTER: 'prd' });
    terminate();
    await region.time.runUntil(() => kinds().includes('failed'));
    expect(JSON.stringify(logs)).toMatch(/Cluster not found.*setting `cluster`/);
    expect(callsNamed('CompleteLifecycleAction')).toBe(0);
  });

  it('costs one call for the stops of tasks on instances that no drain is about, and not a line in the log', async () => {
    install();
    for (const name of ['first', 'second', 'third']) runTask(name, 10);
    runTask('fourth', 10, instanceOf['workers']);
    await region.time.runUntil(() => service.lambda.invocations.length > 0);
    expect(calls()).toEqual(['DescribeContainerInstances']);
    expect(logs).toEqual([]);
    expect(service.lambda.invocations).toMatchObject([{ result: { batchItemFailures: [] } }]);
  });
});

describe('an event of a drain that ends in the dead-letter queue', () => {
  /** What listeners on the bus hear of it. */
  function listening(): unknown[] {
    const told: unknown[] = [];
    region.eventBridge.putRule({
      name: 'failed',
      pattern: { source: [EVENT_SOURCE], 'detail-type': ['ECS Drain Failed'] },
      target: (event) => void told.push((event as { detail: unknown }).detail),
    });
    return told;
  }

  it('is published with its sentence and its drain, once it is rejected', async () => {
    install();
    const told = listening();
    lostEvents = 1;
    terminate();
    const event = terminationOf(INSTANCE) as { detail: object };
    const metadata = { NotificationMetadata: '{"cluster": "payments"}' };
    await bring({ ...event, detail: { ...event.detail, ...metadata } });
    await minutes(0.1);
    expect(told).toEqual([
      {
        version: 1,
        instanceId: INSTANCE,
        autoScalingGroup: 'web',
        lifecycleHook: 'ecs-drain',
        drainId: expect.stringMatching(/^[\w-]{36}$/),
        reason: expect.stringMatching(/^The NotificationMetadata of hook ecs-drain names the cluster payments/),
        messageId: 'message-1',
        failedAt: expect.stringMatching(/^2026-01-01T00:00:/),
      },
    ]);
  });

  it('is published as far as it can be read', async () => {
    install();
    const told = listening();
    const unreadable = { version: CONTINUATION_VERSION, drain: { notice: { instanceId: INSTANCE, kind: 'rain' } } };
    const event = { ...(terminationOf(INSTANCE) as object), detail: { EC2InstanceId: 'web-1' } };
    await bring(unreadable, event);
    await minutes(0.1);
    expect(told).toEqual([
      expect.objectContaining({ instanceId: INSTANCE, reason: expect.stringContaining('cannot be understood') }),
      expect.not.objectContaining({ instanceId: expect.anything() }),
    ]);
  });

  it('is published when it has failed for the last time, and not before', async () => {
    install();
    const told = listening();
    send(looping());
    await minutes(3.5);
    expect(kinds()).toHaveLength(4);
    expect(told).toEqual([]);
    await minutes(2);
    expect(deadLettersIn(service)).toHaveLength(1);
    expect(told).toEqual([
      expect.objectContaining({
        instanceId: instanceOf['workers'],
        autoScalingGroup: 'workers',
        reason: expect.stringContaining(`was continued ${MOST_CONTINUATIONS + 1} times`),
      }),
    ]);
  });

  it('is no event of a task, which only wakes a drain', async () => {
    install();
    const told = listening();
    const event = { ...(terminationOf(INSTANCE) as object), source: 'aws.ecs' };
    await bring({ ...event, 'detail-type': 'ECS Task State Change', detail: { lastStatus: 'STOPPED' } }, 'hello');
    await minutes(0.1);
    expect(deadLettersIn(service)).toHaveLength(2);
    expect(told).toEqual([]);
  });

  it('is in the log where the bus does not take the event about it', async () => {
    install();
    failing = ({ operation }) =>
      operation === 'PutEvents' ? new AwsError('AccessDeniedException', 'not authorized', 403) : undefined;
    expect(await bring({ version: CONTINUATION_VERSION, drain: {} })).toEqual({ batchItemFailures: [] });
    expect(messages()).toContainEqual('AWS did not publish that a drain has failed');
  });
});

describe('a continuation of a notice', () => {
  it('is ignored with a warning if it came over the bus and no schedule confirms it', async () => {
    install({ ...PARKING, SPOT_INTERRUPTIONS: 'true' });
    const notice = { kind: 'spot-interruption', instanceId: INSTANCE, token: 'an-event' };
    const drain = { kind: 'notice', notice, startedAtMs: START_MS, continuations: 0, pollIntervalSeconds: 2 };
    const messageId = send({
      ...terminationOf(INSTANCE),
      source: EVENT_SOURCE,
      'detail-type': 'ECS Drain Continuation',
      detail: { version: CONTINUATION_VERSION, drain },
    });
    await region.time.runUntil(() => service.results.length > 0);
    expect(logs).toMatchObject([
      {
        level: 'WARN',
        message: `Ignored: the continuation of a notice for ${INSTANCE} has no schedule, so nothing confirms it`,
        notice: 'spot-interruption',
        messageId,
      },
    ]);
    expect(calls()).toEqual(['GetSchedule']);
  });
});

describe('a notice', () => {
  it('empties its instance and completes nothing; the stop of the last task wakes it', async () => {
    install({ ...PARKING, SPOT_INTERRUPTIONS: 'true' });
    runTask('import', 100);
    const id = '12345678-1234-1234-1234-123456789012';
    const detail = { 'instance-id': INSTANCE, 'instance-action': 'terminate' };
    const detailType = 'EC2 Spot Instance Interruption Warning';
    send({ ...terminationOf(INSTANCE), id, source: 'aws.ec2', 'detail-type': detailType, detail });
    await minutes(2);
    expect(outcomes()).toEqual(['drained']);
    expect(callsNamed('CompleteLifecycleAction') + callsNamed('RecordLifecycleActionHeartbeat')).toBe(0);
    expect(schedules()).toEqual([]);
  });

  it.each([
    ['interruption', 'EC2 Spot Instance Interruption Warning', { 'instance-action': 'terminate' }, 60, 2],
    ['rebalance recommendation', 'EC2 Instance Rebalance Recommendation', {}, 1_500, 30],
  ])('outlasts an invocation that gets no answer from ECS until its time is over: %s', async (...given) => {
    const [, detailType, action, runsForSeconds, allowedMinutes] = given;
    const environment = {
      SPOT_INTERRUPTIONS: 'true',
      REBALANCE_RECOMMENDATIONS: 'true',
      FUNCTION_TIMEOUT_SECONDS: '25',
    };
    install({ ...PARKING, ...environment }, { timeoutSeconds: 25 });
    runTask('import', runsForSeconds);
    failing = ({ service }) =>
      service === 'ecs' && region.time.nowMs() < START_MS + 20_000
        ? new AwsError('ThrottlingException', 'Rate exceeded', 400)
        : undefined;
    const id = '12345678-1234-1234-1234-123456789012';
    const detail = { 'instance-id': INSTANCE, ...action };
    send({ ...terminationOf(INSTANCE), id, source: 'aws.ec2', 'detail-type': detailType, detail });
    await minutes(allowedMinutes);
    expect(outcomes()).toEqual(['drained']);
    expect(messages().filter((message) => /^Ignored/.test(String(message)))).toEqual([]);
  });

  it('goes on where Scheduler deletes its schedule and then makes no new one', async () => {
    install({ ...PARKING, REBALANCE_RECOMMENDATIONS: 'true', DEADLINE_SECONDS: '7200' });
    runTask('import', 1_800);
    let refusesUntilMs = 0;
    failing = ({ operation }) => {
      const nowMs = region.time.nowMs();
      if (operation === 'DeleteSchedule' && refusesUntilMs === 0) refusesUntilMs = nowMs + 20_000;
      const isRefused = operation === 'CreateSchedule' && nowMs < refusesUntilMs;
      return isRefused ? new AwsError('ThrottlingException', 'Rate exceeded', 429) : undefined;
    };
    const id = '12345678-1234-1234-1234-123456789012';
    const event = { source: 'aws.ec2', 'detail-type': 'EC2 Instance Rebalance Recommendation' };
    send({ ...terminationOf(INSTANCE), ...event, id, detail: { 'instance-id': INSTANCE } });
    await minutes(35);
    expect(refusesUntilMs).toBeGreaterThan(0);
    expect(outcomes()).toEqual(['drained']);
    expect(callsNamed('UpdateContainerInstancesState')).toBe(1);
  });

  it('for an instance in none of our clusters is ignored with a line in the log', async () => {
    install({ ...PARKING, SPOT_INTERRUPTIONS: 'true' });
    const id = '12345678-1234-1234-1234-123456789012';
    const detail = { 'instance-id': 'i-00000000000000000', 'instance-action': 'terminate' };
    const detailType = 'EC2 Spot Instance Interruption Warning';
    send({ ...terminationOf(INSTANCE), id, source: 'aws.ec2', 'detail-type': detailType, detail });
    await region.time.runUntil(() => service.results.length > 0);
    expect(kinds()).toEqual(['not-ours']);
    expect(messages()).toContainEqual('Ignored: i-00000000000000000 is in none of our clusters');
  });
});

describe.each(['first', 'last'])(
  'a drain of an instance with two registrations, of which the new one sorts %s',
  (place) => {
    const arns = () => region.ecs.registrationsOf(INSTANCE).map(({ arn }) => arn);
    const isInPlace = () =>
      arns()
        .toSorted()
        .at(place === 'first' ? 0 : -1) === arns().at(-1);

    beforeEach(async () => {
      install({ ...PARKING, REBALANCE_RECOMMENDATIONS: 'true' });
      region.eventBridge.putScheduledRule({ name: 'sweep', everySeconds: 60, target: (event) => send(event) });
      do region.ecs.reRegisterAgent(INSTANCE);
      while (!isInPlace());
      await minutes(1);
    });

    it('is woken by its last task, and is one drain though the old registration goes', async () => {
      runTask('import', 1_000);
      terminate();
      await parked();
      for (const old of region.ecs.registrationsOf(INSTANCE).slice(0, -1)) region.ecs.deregisterInstance(old);
      await region.time.runUntil(() => region.ecs.accountOf(INSTANCE).holding === 0);
      const emptyAtMs = region.time.nowMs();
      await released();
      expect(region.time.nowMs() - emptyAtMs).toBeLessThan(20_000);
      await minutes(5);
      expect(outcomes()).toEqual(['drained']);
      expect(schedules()).toEqual([]);
    });

    it('on a notice keeps its instance DRAINING until it ends', async () => {
      runTask('import', 1_600);
      const id = '12345678-1234-1234-1234-123456789012';
      const event = { source: 'aws.ec2', 'detail-type': 'EC2 Instance Rebalance Recommendation' };
      const atMs = region.time.nowMs();
      send({ ...terminationOf(INSTANCE, 'web', atMs), ...event, id, detail: { 'instance-id': INSTANCE } });
      await minutes(26);
      expect(callsNamed('UpdateContainerInstancesState')).toBe(1);
      expect(region.ecs.registrationsOf(INSTANCE).at(-1)?.status).toBe('DRAINING');
      await minutes(5);
      expect(outcomes()).toEqual(['drained']);
      expect(region.ecs.registrationsOf(INSTANCE).at(-1)?.status).toBe('ACTIVE');
    });
  },
);

describe('a sweep', () => {
  beforeEach(() => {
    install();
    region.eventBridge.putScheduledRule({ name: 'sweep', everySeconds: 60, target: (event) => send(event) });
  });

  it('begins a drain whose termination event was lost', async () => {
    region.ecs.createService(WEB);
    await minutes(5);
    lostEvents = 1;
    terminate();
    await released();
    expect(outcomes()).toEqual(['drained']);
    expect(region.killedTasks).toEqual([]);
    expect(region.autoScaling.completions).toMatchObject([{ by: 'completion' }]);
    expect(schedules()).toEqual([]);
    expect(logs.filter(({ lost }) => lost === 'event')).toHaveLength(1);
    expect(logs.filter(({ LostDrainsFound }) => LostDrainsFound === 1)).toHaveLength(1);
  });

  it('continues a drain whose schedule never fires', async () => {
    runTask('import', 1_500);
    terminate();
    await parked();
    const Name = schedules()[0]?.Name;
    const { ScheduleExpression, FlexibleTimeWindow, Target } = theSchedule();
    const unarmed = { GroupName, Name, ScheduleExpression, FlexibleTimeWindow, Target } as const;
    region.scheduler.operations.UpdateSchedule({ ...unarmed, State: 'DISABLED' });
    await released();
    expect(logs.filter(({ lost }) => lost === 'continuation')).toHaveLength(1);
    expect(outcomes()).toEqual(['drained']);
    expect(region.killedTasks).toEqual([]);
  });

  it('leaves a drain alone that goes on, for few calls', async () => {
    runTask('import', 1_500);
    terminate();
    await released();
    expect(logs.filter(({ lost }) => lost !== undefined)).toEqual([]);
    expect(outcomes()).toEqual(['drained']);
    expect(callsNamed('DescribeAutoScalingGroups')).toBeGreaterThan(20);
    expect(callsNamed('ListSchedules') + callsNamed('DescribeScalingActivities')).toBeLessThanOrEqual(
      2 * callsNamed('DescribeAutoScalingGroups'),
    );
  });

  it('skips the instances of a hook whose metadata rejects their events: the hook keeps them', async () => {
    region.autoScaling.putLifecycleHook({ ...HOOK, group: 'web', notificationMetadata: '{"cluster":"secret"}' });
    runTask('import', 3_000);
    terminate();
    await minutes(20);
    expect(region.autoScaling.completions).toEqual([]);
    expect(region.killedTasks).toEqual([]);
    expect(messages()).toContainEqual(
      expect.stringContaining(
        'The sweep skips the instances that hook ecs-drain holds: The NotificationMetadata of hook ecs-drain names the cluster secret',
      ),
    );
  });

  it('that comes late is skipped, because a newer one has come', async () => {
    await minutes(1.5);
    const [{ event } = { event: undefined }] = service.lambda.invocations;
    await minutes(3);
    const before = callsNamed('DescribeAutoScalingGroups');
    send((event as SQSEvent).Records[0]?.body);
    await region.time.runUntil(() => messages().includes('Ignored: a newer sweep has come'));
    expect(callsNamed('DescribeAutoScalingGroups')).toBe(before);
  });

  it('is made once for a batch, beside the work on its other messages', async () => {
    lostEvents = 1;
    terminate();
    expect(await bring(terminationOf(INSTANCE), sweepNow(), sweepNow())).toEqual({ batchItemFailures: [] });
    expect(callsNamed('DescribeAutoScalingGroups')).toBe(1);
    expect(kinds()).toEqual(['parked']);
  });

  it('looks at no instance that another message of its batch is about', async () => {
    runTask('import', 1_500);
    terminate();
    await minutes(4.5);
    const before = callsNamed('DescribeScalingActivities');
    await bring(terminationOf(INSTANCE), sweepNow());
    expect(callsNamed('DescribeScalingActivities')).toBe(before);
    await bring(sweepNow());
    expect(callsNamed('DescribeScalingActivities')).toBe(before + 1);
  });

  it.each([
    ['what is held', 'DescribeAutoScalingGroups'],
    ['since when', 'DescribeScalingActivities'],
    ['by which hook', 'DescribeLifecycleHooks'],
    ['what is parked', 'ListSchedules'],
  ])('leaves it to the next one when AWS does not answer, and says so: %s', async (_, unanswered) => {
    failing = ({ operation }) =>
      operation === unanswered ? new AwsError('Throttling', 'Rate exceeded', 400) : undefined;
    lostEvents = 1;
    terminate();
    await minutes(4.5);
    expect(
      service.lambda.invocations.every(({ result }) => JSON.stringify(result) === '{"batchItemFailures":[]}'),
    ).toBe(true);
    expect(messages()).toContainEqual(
      expect.stringMatching(/^The next sweep looks for lost drains again: Could not .*: Rate exceeded$/),
    );
  });

  it('fails with its invocation where AWS will not answer before someone fixes something: an alarm counts those', async () => {
    failing = ({ operation }) =>
      operation === 'DescribeAutoScalingGroups' ? new AwsError('AccessDenied', 'not authorized', 403) : undefined;
    await minutes(2);
    const [{ event } = { event: undefined }] = service.lambda.invocations;
    const itemIdentifier = (event as SQSEvent).Records[0]?.messageId;
    expect(service.lambda.invocations[0]?.error).toMatch(/not authorized/);
    await minutes(10);
    expect(deadLettersIn(service)).toEqual([]);
    expect(logs).toContainEqual(
      expect.objectContaining({
        level: 'ERROR',
        message: 'An event could not be handled; it comes again',
        messageId: itemIdentifier,
      }),
    );
  });

  it('continues what it found though it could not look at all instances', async () => {
    lostEvents = 1;
    terminate();
    terminate(instanceOf['workers']);
    let isFirst = true;
    failing = ({ operation }) => {
      if (operation !== 'DescribeLifecycleHooks' || !isFirst) return undefined;
      isFirst = false;
      return new AwsError('AccessDenied', 'not authorized', 403);
    };
    await released();
    await released(instanceOf['workers']);
    expect(outcomes()).toEqual(['drained', 'drained']);
    expect(messages()).toContainEqual('The sweep could not look at every held instance');
  });
});

describe('an event that is given to the function directly', () => {
  beforeEach(() => install());

  it('is answered with what became of its drain', async () => {
    lostEvents = 1;
    terminate();
    expect((await invoke(terminationOf(INSTANCE))).result).toMatchObject({ kind: 'parked', drain: { kind: 'held' } });
    await released();
    expect(outcomes()).toEqual(['drained']);
  });

  it.each<[string, unknown, object]>([
    [
      'is not ours',
      { Event: 'autoscaling:TEST_NOTIFICATION' },
      { kind: 'ignored', reason: 'it is the test notification of a new lifecycle hook' },
    ],
    [
      'wakes no drain',
      {
        ...terminationOf('i-00000000000000000'),
        source: 'aws.ecs',
        'detail-type': 'ECS Task State Change',
        detail: {
          clusterArn: 'arn:aws:ecs:eu-west-1:123456789012:cluster/prod',
          taskArn: 'arn:aws:ecs:eu-west-1:123456789012:task/prod/1',
          containerInstanceArn: 'arn:aws:ecs:eu-west-1:123456789012:container-instance/prod/1',
          lastStatus: 'STOPPED',
        },
      },
      { kind: 'ignored', reason: 'no drain waits for it' },
    ],
    [
      'is a sweep',
      { ...terminationOf(''), source: 'aws.events', 'detail-type': 'Scheduled Event', detail: {} },
      { kind: 'swept', reason: '0 lost drains continue' },
    ],
  ])('is answered with a reason if it %s', async (_, event, result) => {
    expect((await invoke(event)).result).toEqual(result);
  });

  it.each<[string, object]>([
    ['an incomplete event', { source: 'aws.autoscaling' }],
    ['a batch of another service', { Records: [{ eventSource: 'aws:sns', messageId: 'one', body: '{}' }] }],
    ['a bare continuation', { version: CONTINUATION_VERSION, drain: {} }],
  ])('fails with the sentence of its rejection, and sends nothing to the queue: %s', async (_, event) => {
    const { error } = await invoke(event);
    expect(error).toMatch(/detail-type is missing/);
    expect(calls()).toEqual([]);
    expect(messages()).toContainEqual('The invocation failed; its events come again');
  });

  it('fails with the error of its drain', async () => {
    failing = ({ service }) =>
      service === 'ecs' ? new AwsError('AccessDeniedException', 'not authorized', 400) : undefined;
    expect((await invoke(terminationOf(INSTANCE))).error).toMatch(/not authorized/);
  });
});

describe('where AWS is', () => {
  it('is what the SDK’s own configuration says', async () => {
    ends.shift()?.(); // Real sockets have real time-outs.
    const { url, close } = await listen(region.answer);
    process.env['AWS_ENDPOINT_URL'] = url;
    ends.push(close, () => delete process.env['AWS_ENDPOINT_URL']);
    region.createQueue({ name: EVENT_QUEUE, visibilityTimeoutSeconds: 60, maxReceiveCount: 5 });
    terminate();
    const context = { getRemainingTimeInMillis: () => 60_000 } as Context;
    const event = terminationOf(INSTANCE, 'web', Date.now());
    expect(
      await createDrainHandler({ ...WATCHING, EVENT_QUEUE_URL: `${url}/123456789012/${EVENT_QUEUE}` })(event, context),
    ).toMatchObject({ kind: 'parked' });
    expect(region.calls.map(({ operation }) => operation)).toContain('UpdateContainerInstancesState');
  });
});

describe('settings that cannot be used', () => {
  it('fail before any event is taken', () => {
    expect(() => createDrainHandler({ ...WATCHING, MARGIN_SECONDS: '120', FUNCTION_TIMEOUT_SECONDS: '60' })).toThrow(
      /functionTimeoutSeconds 60/,
    );
  });
});
