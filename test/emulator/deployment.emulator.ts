import { afterAll, beforeAll, describe, expect, it, onTestFailed, vi } from 'vitest';
import type { Region } from '../../sandbox/region/region.ts';
import { listen } from '../../sandbox/region/wire.ts';
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
 * - What the Region puts on its bus is put on the emulator's, which takes events of `aws.…` from nobody: see emulator.py.
 *
 * What the emulator leaves undone, and this test so cannot see: it does not ask IAM (its AUTH=true does not know the
 * condition keys events:source and events:detail-type), and it never repeats a delivery that failed nor sends it to a
 * dead-letter queue.
 */

/** Invocations end soon: a drain of half a minute takes several. */
const PARAMS = {
  cluster: CLUSTER,
  autoScalingGroups: OURS,
  functionTimeoutSeconds: 30,
  marginSeconds: 20,
  pollMinSeconds: 1,
  pollMaxSeconds: 2,
};
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

    await serverless('deploy', emulator);
    await bringHooks(region, emulator);
  });

  afterAll(() => started.disposeAsync());

  it('is all there', async () => {
    const resource = '{type: ResourceType, id: PhysicalResourceId}';
    const [resources = []] = await emulator.ask<{ type: string; id: string }[]>([
      ['cloudformation', 'list_stack_resources', { StackName: STACK }, `StackResourceSummaries[].${resource}`],
    ]);
    const inventory = await inventoryOf(emulator);
    expect(inventory['AWS::CloudFormation::Stack']).toContain(STACK);
    expect(resources.length).toBeGreaterThan(10);
    for (const { type, id } of resources.filter((resource) => !PARTS.includes(resource.type))) {
      expect(Object.keys(LISTS), 'LISTS or PARTS needs it').toContain(type);
      expect(inventory[type]).toContain(id);
    }
  });

  it('drains an instance of its group to CONTINUE, and is not invoked for another group', async () => {
    const [instanceId = ''] = ours;
    const [other = ''] = anothers;
    region.autoScaling.terminateInstance(other);
    region.autoScaling.terminateInstance(instanceId);

    const log = await drained(instanceId);
    expect(log.invocations).toEqual(invocationsFor(instanceId, log));
    expect(region.autoScaling.instance(other)?.state).toBe('Terminating:Wait');
  });

  it('hands a drain over from invocation to invocation', async () => {
    const [, instanceId = ''] = ours;
    const job = { cluster: CLUSTER, name: 'report', memoryMiB: 256, cpuUnits: 64, stopTimeoutSeconds: 30 };
    region.ecs.runTask({ ...job, ec2InstanceId: instanceId, runsForSeconds: 25 });
    region.autoScaling.terminateInstance(instanceId);

    const log = await drained(instanceId);
    expect(invocationsFor(instanceId, log).length).toBeGreaterThan(1);
  });

  it('leaves nothing behind when it is removed', async () => {
    await serverless('remove', emulator);
    expect(await inventoryOf(emulator)).toEqual(before);
  });

  /** Waits until Auto Scaling has let the instance go, which must be because we told it, and until the log says so. */
  async function drained(instanceId: string): Promise<FunctionLog> {
    onTestFailed(async () => console.error(emulator.log(), await logOf(emulator)));
    await vi.waitFor(() => expect(region.terminated).toContain(instanceId), { timeout: 120_000, interval: 200 });
    const completions = region.autoScaling.completions.filter((completion) => completion.instanceId === instanceId);
    expect(completions).toMatchObject([{ hook: 'ecs-drain', result: 'CONTINUE', by: 'completion' }]);
    expect(region.killedTasks).toEqual([]);
    return vi.waitFor(
      async () => {
        const log = await logOf(emulator);
        expect(log.lines).toContainEqual(expect.objectContaining({ instanceId, outcome: 'drained' }));
        return log;
      },
      { timeout: 30_000, interval: 500 },
    );
  }
});

async function serverless(command: 'deploy' | 'remove', { env }: Emulator): Promise<void> {
  const params = Object.entries(PARAMS).map(([name, value]) => `--param=${name}=${value}`);
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
