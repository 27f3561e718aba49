import type { UpdateScheduleInput } from '@aws-sdk/client-scheduler';
import type { Context } from 'aws-lambda';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { captureLogs, type LogLine } from '../../sandbox/logs.ts';
import { AwsError } from '../../sandbox/region/aws-error.ts';
import { NO_FAULTS } from '../../sandbox/region/faults.ts';
import { roleFor } from '../../sandbox/region/iam/api.ts';
import type { LambdaModel } from '../../sandbox/region/lambda/model.ts';
import { createRegion, type Region } from '../../sandbox/region/region.ts';
import { playGlobals } from '../../sandbox/region/time/globals.ts';
import { listen } from '../../sandbox/region/wire/http.ts';
import type { WireCall } from '../../sandbox/region/wire/wire.ts';
import type { Drain } from '../../src/domain/drain.ts';
import { createDrainHandler, type Seams } from '../../src/handlers/drain-handler.ts';
import { START_MS } from '../fakes.ts';
import { PARKING, WATCHING } from './environment.ts';

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

const HOOK = { name: 'ecs-drain', group: 'web', heartbeatTimeoutSeconds: 3_600, defaultResult: 'CONTINUE' } as const;

let region: Region;
let lambda: LambdaModel;
let logs: LogLine[];
/** The instance to terminate, of the group web; and one of each other group. */
let INSTANCE: string;
let instanceOf: Record<string, string>;
let ends: (() => void)[];
/** What AWS refuses. */
let failing: (call: WireCall) => AwsError | undefined;
/** The share of Auto Scaling's events that get lost. */
let lostEvents: number;

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
  const faults = {
    ...NO_FAULTS,
    failing: (call: WireCall) => failing(call),
    get lostEvents() {
      return lostEvents;
    },
  };
  region = createRegion({ startMs: START_MS, seed: 1, faults });
  ends = [playGlobals(region.time, region.random), captureLogs((line) => logs.push(line))];
  region.ecs.createCluster('prod');
  const group = { minSize: 0, maxSize: 4, desiredCapacity: 2, cluster: 'prod', memoryMiB: 4_096, cpuUnits: 2_048 };
  instanceOf = {};
  for (const name of ['web', 'workers', 'others']) {
    const [first = ''] = region.autoScaling.createGroup({ ...group, name, launchSeconds: 60 }, { running: true });
    instanceOf[name] = first;
  }
  INSTANCE = instanceOf['web'] ?? '';
  region.autoScaling.putLifecycleHook(HOOK);
  lambda = deploy(WATCHING);
  // A rule that lets everything through: what to do with it is the handler's to decide.
  const pattern = {
    source: ['aws.autoscaling', 'ecs-drain.test'],
    'detail-type': ['EC2 Instance-terminate Lifecycle Action', 'ECS Drain Continuation'],
  };
  region.eventBridge.putRule({ name: 'all', pattern, target: (event) => lambda.invokeAsync(event) });
});

afterEach(() => {
  for (const end of ends) end();
});

/** Loads the handler into a function of the Region. */
function deploy(
  environment: Record<string, string>,
  seams: Seams = { sdk: { requestHandler: region.transport } },
): LambdaModel {
  return region.deploy({
    name: 'ecs-drain',
    timeoutSeconds: 300,
    load: (clock) => {
      const handler = createDrainHandler(environment, { clock, ...seams });
      return (event: unknown, context: Context) => handler(event, context);
    },
  });
}

/** A task that ends by itself. */
function runTask(name: string, runsForSeconds: number, ec2InstanceId = INSTANCE): void {
  region.ecs.runTask({ ...TASK, name, ec2InstanceId, runsForSeconds });
}

/** Lets the services come up. */
async function minutes(count: number): Promise<void> {
  const untilMs = region.time.nowMs() + count * 60_000;
  region.time.after(count * 60, () => {});
  await region.time.runUntil(() => region.time.nowMs() >= untilMs);
}

const settle = () => region.time.runUntil(() => false);
const terminate = () => region.autoScaling.terminateInstance(INSTANCE);
const callsNamed = (name: string) => region.calls.filter(({ operation }) => operation === name).length;

describe('the deployed handler, with its SDK clients, against a Region', () => {
  it('drains an instance behind a load balancer through a continuation, and kills no task', async () => {
    region.ecs.createService(WEB);
    await minutes(5);
    terminate();
    await settle();
    expect(region.autoScaling.completions).toMatchObject([
      { instanceId: INSTANCE, result: 'CONTINUE', by: 'completion' },
    ]);
    expect(region.killedTasks).toEqual([]);
    expect(lambda.invocations.map(({ result }) => result)).toMatchObject([
      { kind: 'handed-over' },
      { kind: 'finished', outcome: { kind: 'drained' } },
    ]);
    expect(lambda.invocations.every(({ billedSeconds }) => billedSeconds <= 300)).toBe(true);
  });

  it('spends at most nine calls on an instance whose tasks are gone, though ECS still lists them', async () => {
    runTask('migration', 10);
    await minutes(10);
    terminate();
    await settle();
    expect(lambda.invocations).toMatchObject([{ result: { kind: 'finished', outcome: { kind: 'drained' } } }]);
    expect(region.calls.map(({ operation }) => operation)).toEqual([
      'ListContainerInstances',
      'UpdateContainerInstancesState',
      'ListContainerInstances',
      'DescribeContainerInstances',
      'ListTasks',
      'ListTasks',
      'DescribeTasks',
      'CompleteLifecycleAction',
      'PutEvents', // the news that it has finished
    ]);
  });

  it('rejects an event of a time that is to come: its deadline would be as late', async () => {
    terminate();
    await settle();
    const event = lambda.invocations[0]?.event as { time: string };
    const before = region.calls.length;
    lambda.invokeAsync({ ...event, time: new Date(region.time.nowMs() + 600_000).toISOString() });
    await settle();
    expect(lambda.deadLetters).toHaveLength(1);
    expect(JSON.stringify(logs)).toContain('which is to come');
    expect(region.calls.length).toBe(before);
  });

  it('heartbeats a hook that times out sooner than the tasks stop', async () => {
    region.autoScaling.putLifecycleHook({ ...HOOK, group: 'workers', heartbeatTimeoutSeconds: 60 });
    runTask('report', 600, instanceOf['workers']);
    await minutes(1);
    region.autoScaling.terminateInstance(instanceOf['workers'] ?? '');
    await settle();
    expect(region.autoScaling.completions).toMatchObject([{ result: 'CONTINUE', by: 'completion', heartbeats: 18 }]);
    expect(region.killedTasks).toEqual([]);
  });

  it('names the tasks it gives up at the deadline, in the log and in the metric', async () => {
    runTask('endless', Infinity);
    await minutes(1);
    terminate();
    await region.time.runUntil(() => region.terminated.has(INSTANCE));
    await region.time.runUntil(() => logs.some((line) => 'Drains' in line));
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

  it('stops stragglers in time for their grace when the settings say so', async () => {
    lambda = deploy({ ...WATCHING, STOP_STRAGGLERS: 'standalone' });
    runTask('endless', 1_000_000);
    await minutes(1);
    terminate();
    await region.time.runUntil(() => region.terminated.has(INSTANCE));
    expect(region.killedTasks).toEqual([]);
    expect(callsNamed('StopTask')).toBe(1);
    const [{ atMs = 0, heldSinceMs = 0 } = {}] = region.autoScaling.completions;
    expect((atMs - heldSinceMs) / 1000).toBeLessThanOrEqual(1_800.1);
  });

  it('is harmless when the same event comes twice', async () => {
    region.ecs.createService(WEB);
    await minutes(5);
    region.eventBridge.putRule({
      name: 'again',
      pattern: { source: ['aws.autoscaling'] },
      target: (event) => lambda.invokeAsync(event),
    });
    terminate();
    await settle();
    expect(region.killedTasks).toEqual([]);
    expect(region.autoScaling.completions).toHaveLength(1);
    const outcomes = lambda.invocations.map(({ result }) => (result as { outcome?: { kind: string } }).outcome?.kind);
    expect(outcomes.filter((kind) => kind !== undefined).sort()).toEqual(['already-completed', 'drained']);
    expect(lambda.deadLetters).toEqual([]);
  });

  it('says on every line which drain it speaks of', async () => {
    region.ecs.createService(WEB);
    await minutes(5);
    terminate();
    await settle();
    const lines = logs.filter((line) => !('_aws' in line));
    expect(lines.length).toBeGreaterThan(5);
    for (const line of lines) {
      expect(line).toMatchObject({
        instanceId: INSTANCE,
        autoScalingGroup: 'web',
        lifecycleHook: 'ecs-drain',
        drainId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      });
      expect(line['cluster']).toBeDefined();
    }
    expect(lines.slice(1).every((line) => line['cluster'] === 'prod')).toBe(true);
  });

  it('does not carry the keys of one drain into the log of the next', async () => {
    terminate();
    await settle();
    lambda.invokeAsync({ Event: 'autoscaling:TEST_NOTIFICATION' });
    await settle();
    expect(logs.at(-1)).toMatchObject({ message: expect.stringMatching(/^Ignored/) });
    expect(logs.at(-1)).not.toHaveProperty('instanceId');
  });
});

describe('drains that are parked', () => {
  const GroupName = PARKING.SCHEDULE_GROUP;
  const schedules = () => region.scheduler.operations.ListSchedules({ GroupName }).Schedules ?? [];
  const theSchedule = () => region.scheduler.operations.GetSchedule({ GroupName, Name: schedules()[0]?.Name });
  const results = () => lambda.invocations.map(({ result }) => (result as { kind: string } | undefined)?.kind);
  const outcomes = () =>
    lambda.invocations.flatMap(({ result }) => (result as { outcome?: { kind: string } })?.outcome?.kind ?? []);
  /** The calls that invocations made. */
  const calls = () => region.calls.filter(({ fiber }) => fiber).map(({ operation }) => operation);
  const parked = () => region.time.runUntil(() => schedules().length > 0);

  beforeEach(() => {
    lambda = deploy(PARKING);
    region.scheduler.operations.CreateScheduleGroup({ Name: GroupName });
    const anything = { Effect: 'Allow', Action: '*', Resource: '*' };
    region.roles.set('parking', roleFor('scheduler.amazonaws.com', [anything]));
    const pattern = {
      source: ['aws.ecs'],
      'detail-type': ['ECS Task State Change'],
      detail: { lastStatus: ['STOPPED'], containerInstanceArn: [{ exists: true }] },
    };
    region.eventBridge.putRule({ name: 'wake-up', pattern, target: (event) => lambda.invokeAsync(event) });
  });

  it('cost at most 3 billed seconds and 40 calls with ten of 60 tasks behind a load balancer, and kill none', async () => {
    region.ecs.createService({ ...WEB, desiredCount: 60, memoryMiB: 128, cpuUnits: 64 });
    await minutes(5);
    terminate();
    await parked();
    expect(JSON.parse(theSchedule().Target?.Input ?? '').drain.parked.holdingTasks).toHaveLength(10);
    await settle();
    expect(outcomes()).toEqual(['drained']);
    expect(region.killedTasks).toEqual([]);
    expect(lambda.invocations.reduce((sum, { billedSeconds }) => sum + billedSeconds, 0)).toBeLessThanOrEqual(3);
    expect(calls().length).toBeLessThanOrEqual(40);
    expect(schedules()).toEqual([]);
  });

  describe('with a sweep', () => {
    beforeEach(() => {
      region.eventBridge.putScheduledRule({
        name: 'sweep',
        everySeconds: 60,
        target: (event) => lambda.invokeAsync(event),
      });
    });

    it('begin though the termination event is lost, and kill none', async () => {
      region.ecs.createService(WEB);
      await minutes(5);
      lostEvents = 1;
      terminate();
      await settle();
      expect(outcomes()).toEqual(['drained']);
      expect(region.killedTasks).toEqual([]);
      expect(region.autoScaling.completions).toMatchObject([{ by: 'completion' }]);
      expect(schedules()).toEqual([]);
      expect(logs.filter(({ lost }) => lost === 'event')).toHaveLength(1);
      expect(logs.filter(({ LostDrainsFound }) => LostDrainsFound === 1)).toHaveLength(1);
    });

    it('go on though what would have continued them is lost', async () => {
      runTask('import', 1_500);
      terminate();
      await parked();
      const Name = schedules()[0]?.Name;
      const { ScheduleExpression, FlexibleTimeWindow, Target } = theSchedule();
      const unarmed = { GroupName, Name, ScheduleExpression, FlexibleTimeWindow, Target } as const;
      region.scheduler.operations.UpdateSchedule({ ...unarmed, State: 'DISABLED' });
      await settle();
      expect(logs.filter(({ lost }) => lost === 'continuation')).toHaveLength(1);
      expect(outcomes()).toEqual(['drained']);
      expect(region.killedTasks).toEqual([]);
      expect(schedules()).toEqual([]);
    });

    it('are one though it comes every minute', async () => {
      runTask('import', 1_500);
      terminate();
      await settle();
      expect(logs.filter(({ lost }) => lost !== undefined)).toEqual([]);
      expect(outcomes()).toEqual(['drained']);
      const sweeps = lambda.invocations.filter(({ result }) => (result as { kind: string }).kind === 'swept');
      expect(sweeps.length).toBeGreaterThan(20);
      expect(callsNamed('ListSchedules') + callsNamed('DescribeScalingActivities')).toBeLessThanOrEqual(
        2 * sweeps.length,
      );
    });

    it('are not begun where their event was rejected for the metadata of the hook: the hook keeps the instance', async () => {
      region.autoScaling.putLifecycleHook({ ...HOOK, notificationMetadata: '{"cluster":"secret"}' });
      runTask('import', 3_000);
      terminate();
      await minutes(30);
      expect(region.autoScaling.completions).toEqual([]);
      expect(region.killedTasks).toEqual([]);
      expect(logs.map(({ message }) => message)).toContainEqual(
        expect.stringContaining('Held instances are left alone: The NotificationMetadata of hook ecs-drain names the'),
      );
    });

    it('are not looked for by a sweep that comes late: a newer one has come', async () => {
      await minutes(5);
      lambda.invokeAsync(lambda.invocations[0]?.event);
      await minutes(1);
      expect(results().filter((kind) => kind === 'ignored')).toHaveLength(1);
      expect(callsNamed('DescribeAutoScalingGroups')).toBe(results().filter((kind) => kind === 'swept').length);
    });

    it('are looked for again in the next sweep when AWS does not answer', async () => {
      failing = ({ operation }) =>
        operation === 'DescribeAutoScalingGroups' ? new AwsError('Throttling', 'Rate exceeded', 400) : undefined;
      await minutes(2);
      expect(results().every((kind) => kind === 'ignored')).toBe(true);
      expect(lambda.deadLetters).toEqual([]);
      expect(logs.map(({ message }) => message)).toContainEqual(
        expect.stringContaining('Looking for lost drains again in the next sweep: Could not describe group web'),
      );
    });
  });

  it('are one though the termination comes twice: the second delivery ends at once', async () => {
    region.ecs.createService(WEB);
    region.eventBridge.putRule({
      name: 'again',
      pattern: { source: ['aws.autoscaling'] },
      target: (event) => region.time.after(20, () => lambda.invokeAsync(event)),
    });
    await minutes(5);
    terminate();
    await settle();
    expect(results().filter((kind) => kind === 'superseded')).toHaveLength(1);
    expect(outcomes()).toEqual(['drained']);
    expect(region.killedTasks).toEqual([]);
    expect(lambda.deadLetters).toEqual([]);
    expect(schedules()).toEqual([]);
    expect(callsNamed('PutEvents')).toBe(3); // both say that it has started, one that it has finished
  });

  it('are one though both deliveries of the termination run side by side', async () => {
    region.ecs.createService(WEB);
    region.eventBridge.putRule({
      name: 'again',
      pattern: { source: ['aws.autoscaling'] },
      target: (event) => lambda.invokeAsync(event),
    });
    await minutes(5);
    terminate();
    await settle();
    expect(results().filter((kind) => kind === 'superseded')).toHaveLength(1);
    expect(outcomes()).toEqual(['drained']);
    expect(schedules()).toEqual([]);
  });

  it('are one though every event comes twice', async () => {
    region.ecs.createService(WEB);
    for (const source of ['aws.autoscaling', 'ecs-drain.test', 'aws.ecs']) {
      const detail = source === 'aws.ecs' ? { lastStatus: ['STOPPED'] } : {};
      const pattern = { source: [source], ...(source === 'aws.ecs' && { detail }) };
      region.eventBridge.putRule({ name: source, pattern, target: (event) => lambda.invokeAsync(event) });
    }
    await minutes(5);
    terminate();
    await settle();
    expect(outcomes().filter((kind) => kind !== 'already-completed')).toEqual(['drained']);
    expect(region.killedTasks).toEqual([]);
    expect(region.autoScaling.completions).toHaveLength(1);
    expect(schedules()).toEqual([]);
    expect(lambda.invocations.every(({ error }) => error === undefined)).toBe(true);
  });

  it('are not there for the stop of a task on an instance that goes on: one call', async () => {
    runTask('migration', 10);
    await settle();
    expect(lambda.invocations).toMatchObject([
      { result: { kind: 'ignored', reason: 'no drain is parked on its container instance' } },
    ]);
    expect(calls()).toEqual(['GetSchedule']);
    expect(logs).toEqual([]);
  });

  it('are not looked for when a task of another cluster stops: no call', async () => {
    const ecs = 'arn:aws:ecs:eu-west-1:123456789012';
    lambda.invokeAsync({
      source: 'aws.ecs',
      'detail-type': 'ECS Task State Change',
      account: '123456789012',
      time: '2026-01-01T00:00:00Z',
      detail: {
        clusterArn: `${ecs}:cluster/staging`,
        taskArn: `${ecs}:task/staging/1`,
        containerInstanceArn: `${ecs}:container-instance/staging/1`,
        lastStatus: 'STOPPED',
      },
    });
    await settle();
    expect(lambda.invocations).toMatchObject([
      { result: { kind: 'ignored', reason: 'the cluster staging is not among ours (cluster)' } },
    ]);
    expect(calls()).toEqual([]);
  });

  it.each([
    ['throttles', new AwsError('ThrottlingException', 'Rate exceeded', 429)],
    ['denies', new AwsError('AccessDeniedException', 'not authorized', 403)],
  ])('wait in their invocations where Scheduler %s everything', async (_, error) => {
    failing = ({ service }) => (service === 'scheduler' ? error : undefined);
    region.ecs.createService(WEB);
    await minutes(5);
    terminate();
    await settle();
    expect(outcomes()).toEqual(['drained']);
    expect(results()).toContain('handed-over');
    expect(region.killedTasks).toEqual([]);
    expect(logs.filter(({ level }) => level === 'WARN')[0]).toMatchObject({ decision: 'park' });
  });

  it.each([
    ['of version 1', ({ parked: _, containerInstance: __, ...drain }: Drain) => ({ version: 1, drain })],
    [
      'of a newer version',
      ({ action, startedAtMs, continuations }: Drain) => ({
        version: 5,
        drain: { action, startedAtMs, continuations, parked: ['otherwise'], mood: 'new' },
      }),
    ],
  ])('go on from a continuation %s that another deployment left in their schedule', async (_, rewritten) => {
    runTask('import', 900);
    await minutes(1);
    terminate();
    await parked();
    const { ScheduleExpression, FlexibleTimeWindow, ...schedule } = theSchedule();
    const { drain } = JSON.parse(schedule.Target?.Input ?? '');
    const Target = { ...schedule.Target, Input: JSON.stringify(rewritten(drain)) };
    const update = { GroupName, Name: schedule.Name, ScheduleExpression, FlexibleTimeWindow, Target };
    region.scheduler.operations.UpdateSchedule(update as UpdateScheduleInput);
    await settle();
    expect(outcomes()).toEqual(['drained']);
    expect(region.killedTasks).toEqual([]);
    expect(lambda.deadLetters).toEqual([]);
    expect(schedules()).toEqual([]);
  });

  it('go on in their invocations when their schedule comes to a deployment that watches', async () => {
    region.ecs.createService(WEB);
    await minutes(5);
    terminate();
    await parked();
    const { invocations } = lambda;
    lambda = deploy(WATCHING);
    await settle();
    expect(invocations).toMatchObject([{ result: { kind: 'parked' } }]);
    expect(outcomes()).toEqual(['drained']);
    expect(region.killedTasks).toEqual([]);
    expect(region.autoScaling.completions).toMatchObject([{ result: 'CONTINUE', by: 'completion' }]);
    expect(results()).toContain('ignored'); // the stops of its tasks
  });
});

describe('events', () => {
  it('that are not ours cost one log line at info, and no AWS call', async () => {
    region.autoScaling.putLifecycleHook({ ...HOOK, group: 'others' });
    region.autoScaling.terminateInstance(instanceOf['others'] ?? '');
    await region.time.runUntil(() => lambda.invocations.length > 0);
    expect(lambda.invocations).toMatchObject([{ result: { kind: 'ignored' }, error: undefined }]);
    expect(logs).toMatchObject([{ level: 'INFO', message: expect.stringContaining('the group others') }]);
    expect(region.calls).toEqual([]);
  });

  it.each<[string, unknown, RegExp]>([
    ['is not an event at all', 'drain it, please', /The event cannot be understood: it is "drain it, please"/],
    ['is a lifecycle event without an instance', { source: 'aws.autoscaling' }, /detail-type is missing/],
  ])(
    'that %s are rejected with a sentence, without an AWS call, and reach the dead-letter queue',
    async (_, event, why) => {
      lambda.invokeAsync(event);
      await settle();
      expect(lambda.invocations).toHaveLength(3); // Lambda's own two retries (facts 7 event-retries)
      expect(lambda.invocations.at(-1)?.error).toMatch(why);
      expect(lambda.deadLetters).toEqual([event]);
      expect(region.calls).toEqual([]);
      expect(logs).toContainEqual(expect.objectContaining({ level: 'ERROR' }));
    },
  );

  it('of an instance in a cluster that does not exist fail with the sentence that mends it', async () => {
    lambda = deploy({ ...WATCHING, CLUSTER: 'prd' });
    terminate();
    await region.time.runUntil(() => lambda.invocations.length > 0);
    expect(lambda.invocations[0]?.error).toMatch(/Cluster not found.*Mend the setting `cluster`/);
    expect(callsNamed('CompleteLifecycleAction')).toBe(0);
  });
});

describe('where AWS is', () => {
  it('is what the SDK’s own configuration says', async () => {
    ends.shift()?.(); // Real sockets have real time-outs.
    const { url, close } = await listen(region.answer);
    process.env['AWS_ENDPOINT_URL'] = url;
    ends.push(close, () => delete process.env['AWS_ENDPOINT_URL']);
    lambda = deploy(WATCHING, {});
    terminate();
    await region.time.runUntil(() => region.terminated.has(INSTANCE));
    expect(region.autoScaling.completions).toMatchObject([{ result: 'CONTINUE', by: 'completion' }]);
  });
});

describe('settings that cannot be used', () => {
  it('fail before any event is taken', () => {
    expect(() => createDrainHandler({ ...WATCHING, MARGIN_SECONDS: '120', FUNCTION_TIMEOUT_SECONDS: '60' })).toThrow(
      /functionTimeoutSeconds 60 - marginSeconds 120 = -60 s/,
    );
  });
});
