import { afterAll, beforeAll, describe, expect, it, onTestFailed, vi } from 'vitest';
import type { Region } from '../../sandbox/region/region.ts';
import { listen } from '../../sandbox/region/wire/http.ts';
import { type Emulator, install, type Question, run, start } from './ministack.ts';
import { bringHooks, CLUSTER, forwardEvents, goOn, OURS, settledRegion } from './region.ts';

/**
 * The real `serverless deploy` of this repository on an emulator, whose CloudFormation, EventBridge and Lambda do what AWS's
 * do. Amazon ECS and Auto Scaling are our Region's, for no emulator drains an instance. The product knows of neither; what
 * is missing between them is bridged here:
 *
 * - The function's calls to ECS and Auto Scaling go to the Region, by endpoints in the environment that the emulator
 *   gives to functions. Its other calls go to the emulator.
 * - The hooks of the stack come into being in the emulator's Auto Scaling, and are put on the Region's groups.
 * - What the Region puts on its bus, ECS's changes of tasks too, is put on the emulator's, which takes events of `aws.…`
 *   from nobody: see emulator.py.
 * - Drains are parked in the emulator's own EventBridge Scheduler, which looks every ten seconds for schedules whose time
 *   has come. Of a schedule's event it knows neither source nor type, and one that has come is not updated to come again:
 *   see emulator.py.
 *
 * What the emulator leaves undone, and this test so cannot see: it does not ask IAM (its AUTH=true does not know the
 * condition keys events:source and events:detail-type), and it never repeats a delivery that failed nor sends it to a
 * dead-letter queue.
 */

/** Drains are parked, by default. The log tells of every wake-up, also of those that no drain awaits. */
const PARKING = {
  cluster: CLUSTER,
  autoScalingGroups: OURS,
  pollMinSeconds: 1,
  pollMaxSeconds: 2,
  logLevel: 'DEBUG',
};
/** Drains are watched, and invocations end soon: a drain of half a minute takes several. No sweep comes meanwhile. */
const WATCHING = { ...PARKING, waiting: 'watch', functionTimeoutSeconds: 30, marginSeconds: 20, sweepMinutes: 60 };
/** What no service replaces, and ECS leaves alone on a draining instance. */
const JOB = { cluster: CLUSTER, name: 'report', memoryMiB: 256, cpuUnits: 64, stopTimeoutSeconds: 30 };
const STACK = 'ecs-drain-dev';

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
  'AWS::Lambda::Function': ['lambda', 'list_functions', {}, 'Functions[].FunctionName'],
  'AWS::Logs::LogGroup': ['logs', 'describe_log_groups', {}, 'logGroups[].logGroupName'],
  'AWS::S3::Bucket': ['s3', 'list_buckets', {}, 'Buckets[].Name'],
  'AWS::SQS::Queue': ['sqs', 'list_queues', {}, 'QueueUrls'],
  'AWS::Scheduler::Schedule': ['scheduler', 'list_schedules', {}, 'Schedules[].Name'],
  'AWS::Scheduler::ScheduleGroup': ['scheduler', 'list_schedule_groups', {}, 'ScheduleGroups[].Name'],
};
/** Types that exist as a part of another only. */
const PARTS = [
  'AWS::IAM::Policy',
  'AWS::Lambda::EventInvokeConfig',
  'AWS::Lambda::Permission',
  'AWS::S3::BucketPolicy',
  'AWS::SQS::QueuePolicy',
];

const missing = await install();
if (missing) console.warn(`Skipped: ${missing}.`);

describe.skipIf(missing)('the deployed stack', () => {
  const started = new AsyncDisposableStack();
  let emulator: Emulator;
  let region: Region;
  let ours: readonly string[];
  let anothers: readonly string[];
  let before: Inventory;

  beforeAll(async () => {
    ({ region, ours, anothers } = await settledRegion());
    started.defer(goOn(region));
    const wire = await listen(region.answer);
    started.defer(wire.close);
    emulator = await start({ AWS_ENDPOINT_URL_ECS: wire.url, AWS_ENDPOINT_URL_AUTO_SCALING: wire.url });
    started.defer(emulator.stop);
    started.defer(forwardEvents(region, emulator));
    before = await inventoryOf(emulator);

    await serverless('deploy', emulator, PARKING);
    await bringHooks(region, emulator);
  });

  afterAll(() => started.disposeAsync());

  it('is all there', async () => {
    const types = await typesThatAreThere();
    expect(types.length).toBeGreaterThan(15);
    expect(types).toContain('AWS::Scheduler::ScheduleGroup');
  });

  it('parks a drain of its group until the tasks that it awaits stop, and begins none for another group', async () => {
    const [instanceId = ''] = ours;
    const [other = ''] = anothers;
    region.autoScaling.terminateInstance(other);
    region.autoScaling.terminateInstance(instanceId);

    const log = await drained(instanceId);
    const parkings = parkingsOf(instanceId, log);
    expect(parkings).not.toEqual([]);
    for (const { untilMs, wentOnAtMs } of parkings) expect(wentOnAtMs).toBeLessThan(untilMs);
    expect(new Set(log.invocations)).toEqual(new Set([...invocationsFor(instanceId, log), ...vainWakeUps(log)]));
    expect(region.autoScaling.instance(other)?.state).toBe('Terminating:Wait');
  });

  it('lets a parked drain go on each time that its schedule comes', async () => {
    const [, instanceId = ''] = ours;
    region.ecs.runTask({ ...JOB, ec2InstanceId: instanceId, runsForSeconds: 3_600 });
    const [registration] = region.ecs.registrationsOf(instanceId);
    const running = [...(registration?.holding ?? [])].find(({ group }) => group === 'family:report');
    await vi.waitFor(() => expect(running?.lastStatus).toBe('RUNNING'), { timeout: 20_000 });

    // ECS hears nothing of its tasks: no stop of one can wake the drain.
    region.ecs.setAgentConnected(instanceId, false);
    region.autoScaling.terminateInstance(instanceId);
    await vi.waitFor(async () => expect(parkingsOf(instanceId, await logOf(emulator))).toHaveLength(3), {
      timeout: 180_000,
      interval: 1_000,
    });
    expect((await inventoryOf(emulator))['AWS::Scheduler::Schedule']).toEqual([registration?.id]);
    region.ecs.setAgentConnected(instanceId, true);
    if (running) region.ecs.stopTask(running, 'The report is not needed any more');

    const parkings = parkingsOf(instanceId, await drained(instanceId));
    for (const { untilMs, wentOnAtMs } of parkings.slice(0, 2)) expect(wentOnAtMs).toBeGreaterThanOrEqual(untilMs);
  });

  it('has nothing of parking left when it is deployed again without', async () => {
    await serverless('deploy', emulator, WATCHING);
    expect(await typesThatAreThere()).not.toContain('AWS::Scheduler::ScheduleGroup');
    expect((await inventoryOf(emulator))['AWS::Events::Rule']).toHaveLength(3);
  });

  it('then hands a drain over from invocation to invocation, and is invoked for nothing else', async () => {
    const [, , instanceId = ''] = ours;
    const { invocations: earlier } = await logOf(emulator);
    region.ecs.runTask({ ...JOB, ec2InstanceId: instanceId, runsForSeconds: 25 });
    region.autoScaling.terminateInstance(instanceId);

    const log = await drained(instanceId);
    expect(invocationsFor(instanceId, log).length).toBeGreaterThan(1);
    expect(parkingsOf(instanceId, log)).toEqual([]);
    expect(log.invocations.filter((id) => !earlier.includes(id))).toEqual(invocationsFor(instanceId, log));
  });

  it('leaves nothing behind when it is removed', async () => {
    await serverless('remove', emulator, WATCHING);
    expect(await inventoryOf(emulator)).toEqual(before);
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

  /**
   * Waits until Auto Scaling has let the instance go, which must be because we told it, and until the log says so. Nothing
   * is parked any more then.
   */
  async function drained(instanceId: string): Promise<FunctionLog> {
    onTestFailed(async () => console.error(emulator.log(), await logOf(emulator)));
    await vi.waitFor(() => expect(region.terminated).toContain(instanceId), { timeout: 120_000, interval: 200 });
    const completions = region.autoScaling.completions.filter((completion) => completion.instanceId === instanceId);
    expect(completions).toMatchObject([{ hook: 'ecs-drain', result: 'CONTINUE', by: 'completion' }]);
    expect(region.killedTasks).toEqual([]);
    const log = await vi.waitFor(
      async () => {
        const log = await logOf(emulator);
        expect(log.lines).toContainEqual(expect.objectContaining({ instanceId, outcome: 'drained' }));
        return log;
      },
      { timeout: 30_000, interval: 500 },
    );
    expect((await inventoryOf(emulator))['AWS::Scheduler::Schedule']).toEqual([]);
    return log;
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

/** What CloudWatch Logs has of the deployed function: of each invocation all, once it has ended. */
interface FunctionLog {
  /** The id of each invocation. */
  readonly invocations: readonly unknown[];
  /** What the function itself wrote. */
  readonly lines: readonly Readonly<Record<string, unknown>>[];
}

async function logOf(emulator: Emulator): Promise<FunctionLog> {
  const logGroup = { logGroupName: `/aws/lambda/${STACK}-drain` };
  const [messages = []] = await emulator.ask<string[]>([['logs', 'filter_log_events', logGroup, 'events[].message']]);
  return {
    invocations: messages.flatMap((message) => /^START RequestId: (\S+)/.exec(message)?.[1] ?? []),
    lines: messages.filter((message) => message.startsWith('{"level"')).map((message) => JSON.parse(message)),
  };
}

/** The invocations that wrote of an instance. */
function invocationsFor(instanceId: string, { lines }: FunctionLog): unknown[] {
  const about = lines.filter((line) => line['instanceId'] === instanceId);
  return [...new Set(about.map((line) => line['function_request_id']))];
}

/** The invocations whose task no drain awaited. */
function vainWakeUps({ lines }: FunctionLog): unknown[] {
  const ignored = lines.filter(({ level, taskArn }) => level === 'DEBUG' && taskArn !== undefined);
  return ignored.map((line) => line['function_request_id']);
}

/** How the drain of an instance was parked: until when, in whole seconds as schedules are, and when it went on. */
function parkingsOf(instanceId: string, { lines }: FunctionLog) {
  const about = lines.filter((line) => line['instanceId'] === instanceId);
  return about.flatMap(({ message }, i) => {
    const [, until] = /^Parking until (\S+)\.\d+Z /.exec(String(message)) ?? [];
    if (until === undefined) return [];
    return [{ untilMs: Date.parse(`${until}Z`), wentOnAtMs: Date.parse(String(about[i + 1]?.['timestamp'])) }];
  });
}
