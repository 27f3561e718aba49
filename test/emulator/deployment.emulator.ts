import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Region } from '../../sandbox/region/region.ts';
import { type Emulator, install, type Question, run } from './ministack.ts';
import { bringHooks, CLUSTER, type Forwarding, OURS, startBoth } from './region.ts';
import { begunBefore, handOverOf, scheduleOf } from './version-0.1.0.ts';

/**
 * The real `serverless deploy` of this repository on an emulator, whose CloudFormation, EventBridge, SQS and Lambda do what
 * AWS's do. Amazon ECS and Auto Scaling are our Region's, because no emulator drains an instance. The product knows of neither.
 * What is missing between them is bridged here:
 *
 * - The function's calls to ECS and Auto Scaling go to the Region, by endpoints in the environment that the emulator
 *   gives to functions. Its other calls go to the emulator.
 * - The hooks of the stack come into being in the emulator's Auto Scaling, and are put on the Region's groups.
 * - What the Region puts on its bus, ECS's events too, is put on the emulator's, which refuses events of `aws.…` from
 *   outside: see emulator.py.
 * - Drains are parked in the emulator's own EventBridge Scheduler, which looks every ten seconds for schedules that are due.
 *   The event of a schedule has neither the source nor the type that the schedule names. A schedule that was created again
 *   under the name of one that has fired does not fire. See emulator.py for both.
 *
 * What this test cannot see:
 *
 * - The emulator evaluates neither roles nor the policies of queues: its AUTH=true does not know the condition keys
 *   events:source and events:detail-type.
 * - Its event source mappings invoke the function with ten messages at most and do not wait for more.
 * - Its EventBridge never repeats a delivery that failed, nor sends it to a dead-letter queue.
 */

/** Drains are parked, by default. */
const PARKING = { cluster: CLUSTER, autoScalingGroups: OURS, pollMinSeconds: 1, pollMaxSeconds: 2 };
/** Drains wait on the queue. No sweep comes meanwhile. */
const WATCHING = { ...PARKING, waiting: 'watch', sweepMinutes: 60 };
/** A task that no service replaces, and that ECS leaves alone on a draining instance. */
const JOB = { cluster: CLUSTER, name: 'report', memoryMiB: 256, cpuUnits: 64, stopTimeoutSeconds: 30 };
const STACK = 'ecs-drain-main';
const FUNCTION = `${STACK}-drain`;

/** How to list what there is of each type of resource, by CloudFormation's ids. */
const LISTS: Readonly<Record<string, Question>> = {
  'AWS::AutoScaling::LifecycleHook': [
    'autoscaling',
    'describe_lifecycle_hooks',
    { AutoScalingGroupName: OURS },
    'LifecycleHooks[].LifecycleHookName',
  ],
  'AWS::CloudFormation::Stack': [
    'cloudformation',
    'list_stacks',
    {},
    "StackSummaries[?StackStatus != 'DELETE_COMPLETE'].StackName",
  ],
  'AWS::CloudWatch::Alarm': ['cloudwatch', 'describe_alarms', {}, 'MetricAlarms[].AlarmName'],
  'AWS::CloudWatch::Dashboard': ['cloudwatch', 'list_dashboards', {}, 'DashboardEntries[].DashboardName'],
  'AWS::Events::Rule': ['events', 'list_rules', {}, 'Rules[].Name'],
  'AWS::IAM::Role': ['iam', 'list_roles', {}, 'Roles[].RoleName'],
  'AWS::Lambda::EventSourceMapping': ['lambda', 'list_event_source_mappings', {}, 'EventSourceMappings[].UUID'],
  'AWS::Lambda::Function': ['lambda', 'list_functions', {}, 'Functions[].FunctionName'],
  'AWS::Logs::LogGroup': ['logs', 'describe_log_groups', {}, 'logGroups[].logGroupName'],
  'AWS::S3::Bucket': ['s3', 'list_buckets', {}, 'Buckets[].Name'],
  'AWS::SQS::Queue': ['sqs', 'list_queues', {}, 'QueueUrls'],
  'AWS::Scheduler::Schedule': ['scheduler', 'list_schedules', {}, 'Schedules[].Name'],
  'AWS::Scheduler::ScheduleGroup': ['scheduler', 'list_schedule_groups', {}, 'ScheduleGroups[].Name'],
};
/** Types that exist as a part of another only. */
const PARTS = ['AWS::IAM::Policy', 'AWS::S3::BucketPolicy', 'AWS::SQS::QueuePolicy'];

const missing = await install();
if (missing) console.warn(`Skipped: ${missing}.`);

describe.skipIf(missing)('the deployed stack', () => {
  const started = new AsyncDisposableStack();
  let emulator: Emulator;
  let region: Region;
  let regionUrl: string;
  let forwarding: Forwarding;
  let ours: readonly string[];
  let anothers: readonly string[];
  let before: Inventory;

  beforeAll(async () => {
    ({ region, ours, anothers, regionUrl, emulator, forwarding } = await startBoth(started));
    before = await inventoryOf(emulator);

    await serverless('deploy', emulator, PARKING);
    await bringHooks(region, emulator);
  });

  afterAll(() => started.disposeAsync());

  beforeEach(({ onTestFailed }) => onTestFailed(async () => console.error(emulator.log(), await linesOf(emulator))));

  it('is all there', async () => {
    const types = await typesThatAreThere();
    expect(types.length).toBeGreaterThan(15);
    expect(types).toContain('AWS::Scheduler::ScheduleGroup');
    expect((await inventoryOf(emulator))['AWS::Lambda::EventSourceMapping']).toHaveLength(2);
  });

  describe.concurrent('while drains are parked', () => {
    it('goes on when ECS reports that the instance is empty, and begins no drain for another group', async () => {
      const [instanceId = ''] = ours;
      const [other = ''] = anothers;
      // It ends by itself, so that no rule takes the event about its stop.
      region.ecs.runTask({ ...JOB, ec2InstanceId: instanceId, runsForSeconds: 45 });
      region.autoScaling.terminateInstance(other);
      region.autoScaling.terminateInstance(instanceId);

      const lines = await drained(instanceId);
      const parking = parkingsOf(instanceId, lines).at(-1);
      expect(parking?.untilMs).toBeGreaterThan((parking?.wentOnAtMs ?? 0) + 300_000);
      expect(lines).not.toContainEqual(expect.objectContaining({ instanceId: other }));
      expect(region.autoScaling.instance(other)?.state).toBe('Terminating:Wait');
    });

    it('goes on when the schedule fires, and by the stop of a task when the report of ECS is lost', async () => {
      const [, instanceId = ''] = ours;
      const job = await runningJobOn(instanceId);
      void forwarding.lose('ECS Container Instance State Change', instanceId);
      // ECS hears nothing of its tasks: no stop of one can wake the drain.
      region.ecs.setAgentConnected(instanceId, false);
      region.autoScaling.terminateInstance(instanceId);
      const onSchedules = ({ untilMs, parkedAtMs }: Parking) => untilMs - parkedAtMs > 30_000;
      const parkings = await parkedUntil(instanceId, (all) => all.filter(onSchedules).length === 2);
      const [first] = parkings.filter(onSchedules);
      expect(first?.wentOnAtMs).toBeGreaterThanOrEqual(first?.untilMs ?? 0);

      region.ecs.setAgentConnected(instanceId, true);
      region.ecs.stopTask(job, 'The report is not needed any more');
      const last = parkingsOf(instanceId, await drained(instanceId)).at(-1);
      expect(last?.wentOnAtMs).toBeLessThan(last?.untilMs ?? 0);
    });

    it('goes on with what version 0.1.0 has parked, and parks it under its own name', async () => {
      const [, , instanceId = ''] = ours;
      const job = await runningJobOn(instanceId);
      region.ecs.setAgentConnected(instanceId, false);
      const drain = await begunBefore(instanceId, { region, regionUrl, forwarding, emulator });
      const environment = await environmentOf(emulator);
      const schedule = scheduleOf(drain, Date.now() + 15_000, [job.arn], environment);
      await emulator.ask([['scheduler', 'create_schedule', schedule, 'ScheduleArn']]);

      await parkedUntil(instanceId, (all) => all.length === 1);
      const { GroupName } = schedule;
      const named: Question = [
        'scheduler',
        'list_schedules',
        { GroupName, NamePrefix: instanceId },
        'Schedules[].Name',
      ];
      const [[name = ''] = []] = await emulator.ask<[string[]]>([named]);
      const target: Question = ['scheduler', 'get_schedule', { GroupName, Name: name }, 'Target.Arn'];
      expect(await emulator.ask([target])).toEqual([environment['EVENT_QUEUE_ARN']]);
      const all: Question = ['scheduler', 'list_schedules', { GroupName }, 'Schedules[].Name'];
      expect((await emulator.ask<[string[]]>([all]))[0]).not.toContain(schedule.Name);
      region.ecs.setAgentConnected(instanceId, true);
      region.ecs.stopTask(job, 'The report is not needed any more');
      await drained(instanceId);
    });

    it('goes on with what version 0.1.0 has handed over', async () => {
      const [, , , instanceId = ''] = ours;
      const drain = await begunBefore(instanceId, { region, regionUrl, forwarding, emulator });
      await putEvent(handOverOf(drain, await environmentOf(emulator)));
      const lines = await drained(instanceId);
      const [end] = lines.filter((line) => line['instanceId'] === instanceId && 'outcome' in line);
      // What an event on the bus claims counts for no more than one a second.
      expect(end?.['continuations']).toBeGreaterThan(0);
    });

    it('sends what it rejects to the dead-letter queue, with the sentence that says why', async () => {
      const { EVENT_SOURCE, DEAD_LETTER_QUEUE_URL } = await environmentOf(emulator);
      const detail = { version: 5, drain: { kind: 'held', startedAtMs: 'yesterday' } };
      await putEvent({ Source: EVENT_SOURCE, DetailType: 'ECS Drain Continuation', Detail: JSON.stringify(detail) });

      const receive = { QueueUrl: DEAD_LETTER_QUEUE_URL, MessageAttributeNames: ['All'] };
      const letter = '{body: Body, code: MessageAttributes.ERROR_CODE, sentence: MessageAttributes.ERROR_MESSAGE}';
      const received = await vi.waitFor(
        async () => {
          const [[first] = []] = await emulator.ask<Letter[] | undefined>([
            ['sqs', 'receive_message', receive, `Messages[].${letter}`],
          ]);
          if (!first) throw new Error('The dead-letter queue is empty.');
          return first;
        },
        { timeout: 60_000, interval: 1_000 },
      );
      expect(JSON.parse(received.body)).toMatchObject({ source: EVENT_SOURCE, detail });
      expect(received.code.StringValue).toBe('RejectedEvent');
      const sentence = expect.stringMatching(/^The continuation event cannot be understood: detail\.drain\./);
      expect(received.sentence.StringValue).toEqual(sentence);
      expect(await linesOf(emulator)).toContainEqual(
        expect.objectContaining({ level: 'ERROR', message: received.sentence.StringValue }),
      );
    });
  });

  it('has nothing of parking left when it is deployed again without', async () => {
    await serverless('deploy', emulator, WATCHING);
    expect(await typesThatAreThere()).not.toContain('AWS::Scheduler::ScheduleGroup');
    const inventory = await inventoryOf(emulator);
    expect(inventory['AWS::Events::Rule']).toHaveLength(3);
    expect(inventory['AWS::Lambda::EventSourceMapping']).toHaveLength(1);
  });

  it('then has a drain wait on the queue, and is invoked for nothing else', async () => {
    const [, , , , instanceId = ''] = ours;
    const earlier = await invocationsOf(emulator);
    region.ecs.runTask({ ...JOB, ec2InstanceId: instanceId, runsForSeconds: 25 });
    region.autoScaling.terminateInstance(instanceId);

    const lines = await drained(instanceId);
    const parkings = parkingsOf(instanceId, lines);
    expect(parkings.length).toBeGreaterThan(3);
    for (const { untilMs, wentOnAtMs } of parkings) expect(wentOnAtMs).toBeGreaterThanOrEqual(untilMs);
    const about = lines.filter((line) => line['instanceId'] === instanceId);
    const itsOwn = new Set(about.map((line) => line['function_request_id']));
    expect(new Set(await invocationsOf(emulator)).difference(new Set(earlier))).toEqual(itsOwn);
  });

  it('leaves nothing behind when it is removed', async () => {
    await serverless('remove', emulator, WATCHING);
    expect(await inventoryOf(emulator)).toEqual(before);
  });

  it('is not deployed beside the stack of the former default stage, which it would be an upgrade of', async () => {
    const TemplateBody = JSON.stringify({ Resources: { Topic: { Type: 'AWS::SNS::Topic' } } });
    await emulator.ask([['cloudformation', 'create_stack', { StackName: 'ecs-drain-dev', TemplateBody }, 'StackId']]);
    await expect(serverless('deploy', emulator, PARKING)).rejects.toThrow('There is a stack ecs-drain-dev');
    const { 'AWS::CloudFormation::Stack': stacks } = await inventoryOf(emulator);
    expect(stacks).toEqual(['ecs-drain-dev']);
  });

  /** The types of the resources that CloudFormation reports, each of which must be found. */
  async function typesThatAreThere(): Promise<string[]> {
    const resource = '{type: ResourceType, id: PhysicalResourceId}';
    const [resources = []] = await emulator.ask<{ type: string; id: string }[]>([
      ['cloudformation', 'list_stack_resources', { StackName: STACK }, `StackResourceSummaries[].${resource}`],
    ]);
    const inventory = await inventoryOf(emulator);
    expect(inventory['AWS::CloudFormation::Stack']).toContain(STACK);
    for (const { type, id } of resources.filter((resource) => !PARTS.includes(resource.type))) {
      expect(Object.keys(LISTS), 'LISTS or PARTS needs it').toContain(type);
      expect(inventory[type]).toContain(id);
    }
    return resources.map(({ type }) => type);
  }

  /** A job that runs there until it is stopped. */
  async function runningJobOn(instanceId: string) {
    region.ecs.runTask({ ...JOB, ec2InstanceId: instanceId, runsForSeconds: 3_600 });
    return vi.waitFor(
      () => {
        const tasks = region.ecs.registrationsOf(instanceId).flatMap(({ holding }) => [...holding]);
        const job = tasks.find(({ group, lastStatus }) => group === `family:${JOB.name}` && lastStatus === 'RUNNING');
        if (!job) throw new Error(`The job on ${instanceId} does not run yet.`);
        return job;
      },
      { timeout: 20_000 },
    );
  }

  async function putEvent(entry: object): Promise<void> {
    const failed = await emulator.ask([['events', 'put_events', { Entries: [entry] }, 'FailedEntryCount']]);
    expect(failed).toEqual([0]);
  }

  /** Waits until the drain has been parked in the way that `isSo` accepts. */
  function parkedUntil(instanceId: string, isSo: (parkings: readonly Parking[]) => boolean): Promise<Parking[]> {
    return vi.waitFor(
      async () => {
        const parkings = parkingsOf(instanceId, await linesOf(emulator));
        if (!isSo(parkings)) throw new Error(`The drain of ${instanceId} was parked ${parkings.length} times.`);
        return parkings;
      },
      { timeout: 180_000, interval: 1_000 },
    );
  }

  /**
   * Waits until the instance is terminated and the log reports the drain. The function must have completed the lifecycle
   * action, and no schedule of the drain may be left.
   */
  async function drained(instanceId: string): Promise<readonly Line[]> {
    await vi.waitFor(() => expect(region.terminated).toContain(instanceId), { timeout: 120_000, interval: 200 });
    const completions = region.autoScaling.completions.filter((completion) => completion.instanceId === instanceId);
    expect(completions).toMatchObject([{ hook: 'ecs-drain', result: 'CONTINUE', by: 'completion' }]);
    expect(region.killedTasks).toEqual([]);
    const lines = await vi.waitFor(
      async () => {
        const lines = await linesOf(emulator);
        expect(lines).toContainEqual(expect.objectContaining({ instanceId, outcome: 'drained' }));
        return lines;
      },
      { timeout: 30_000, interval: 1_000 },
    );
    const schedules = (await inventoryOf(emulator))['AWS::Scheduler::Schedule'] ?? [];
    expect(schedules.filter((name) => name.startsWith(instanceId))).toEqual([]);
    return lines;
  }
});

async function serverless(
  command: 'deploy' | 'remove',
  { env }: Emulator,
  given: typeof PARKING | typeof WATCHING,
): Promise<void> {
  const params = Object.entries(given).map(([name, value]) => `--param=${name}=${value}`);
  await run('npx', ['serverless', command, ...params], env);
}

/** What there is, by type. */
type Inventory = Readonly<Record<string, readonly string[]>>;

async function inventoryOf(emulator: Emulator): Promise<Inventory> {
  const answers = await emulator.ask<string[] | null>(Object.values(LISTS));
  return Object.fromEntries(Object.keys(LISTS).map((type, i) => [type, (answers[i] ?? []).toSorted()]));
}

/** A message of the dead-letter queue. */
interface Letter {
  readonly body: string;
  readonly code: { readonly StringValue: string };
  readonly sentence: { readonly StringValue: string };
}

/** The variables of the deployed function. */
async function environmentOf(emulator: Emulator): Promise<Readonly<Record<string, string>>> {
  const [variables = {}] = await emulator.ask<Readonly<Record<string, string>>>([
    ['lambda', 'get_function_configuration', { FunctionName: FUNCTION }, 'Environment.Variables'],
  ]);
  return variables;
}

/** What CloudWatch Logs has of the deployed function: the lines of an invocation appear when it has ended. */
async function messagesOf(emulator: Emulator): Promise<readonly string[]> {
  const logGroup = { logGroupName: `/aws/lambda/${FUNCTION}` };
  const [messages = []] = await emulator.ask<string[]>([['logs', 'filter_log_events', logGroup, 'events[].message']]);
  return messages;
}

/** The id of each invocation. */
async function invocationsOf(emulator: Emulator): Promise<readonly unknown[]> {
  return (await messagesOf(emulator)).flatMap((message) => /^START RequestId: (\S+)/.exec(message)?.[1] ?? []);
}

/** What the function itself wrote. */
type Line = Readonly<Record<string, unknown>>;

async function linesOf(emulator: Emulator): Promise<readonly Line[]> {
  return (await messagesOf(emulator)).filter((text) => text.startsWith('{"level"')).map((text) => JSON.parse(text));
}

/** One wait of a drain: since when and until when, in whole seconds as delays are, and when it really went on. */
interface Parking {
  readonly parkedAtMs: number;
  readonly untilMs: number;
  /** NaN until it has gone on. */
  readonly wentOnAtMs: number;
}

function parkingsOf(instanceId: string, lines: readonly Line[]): Parking[] {
  const about = lines.filter((line) => line['instanceId'] === instanceId);
  const atMs = (line: Line | undefined) => Date.parse(String(line?.['timestamp']));
  return about.flatMap((line, i) => {
    const [, until] = /^Parking until (\S+) /.exec(String(line['message'])) ?? [];
    if (until === undefined) return [];
    return [{ parkedAtMs: atMs(line), untilMs: Date.parse(until), wentOnAtMs: atMs(about[i + 1]) }];
  });
}
