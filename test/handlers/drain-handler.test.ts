import type { Context } from 'aws-lambda';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { captureLogs, type LogLine } from '../../sandbox/logs.ts';
import { playGlobals } from '../../sandbox/region/globals.ts';
import type { LambdaModel } from '../../sandbox/region/lambda.ts';
import { createRegion, type Region } from '../../sandbox/region/region.ts';
import { listen } from '../../sandbox/region/wire.ts';
import { createDrainHandler, type Seams } from '../../src/handlers/drain-handler.ts';
import { START_MS } from '../fakes.ts';

const ENVIRONMENT = {
  CLUSTER: 'prod',
  AUTO_SCALING_GROUPS: 'web,workers',
  LIFECYCLE_HOOK: 'ecs-drain',
  DEADLINE_SECONDS: '1800',
  DEADLINE_RESULT: 'CONTINUE',
  STOP_STRAGGLERS: 'none',
  DEREGISTRATION_DELAY_SECONDS: '300',
  AGENT_GRACE_SECONDS: '900',
  HEARTBEAT_TIMEOUT_SECONDS: '3600',
  HEARTBEAT_FRACTION: '0.5',
  POLL_MIN_SECONDS: '2',
  POLL_MAX_SECONDS: '20',
  MARGIN_SECONDS: '20',
  FUNCTION_TIMEOUT_SECONDS: '300',
  EVENT_SOURCE: 'ecs-drain.test',
  WAITING: 'watch',
};

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

beforeEach(() => {
  Object.assign(process.env, {
    AWS_REGION: 'eu-west-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    POWERTOOLS_SERVICE_NAME: 'ecs-drain',
    POWERTOOLS_METRICS_NAMESPACE: 'ECSDrain',
  });
  logs = [];
  region = createRegion({ startMs: START_MS, seed: 1 });
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
  lambda = deploy(ENVIRONMENT);
  // A rule that lets everything through: what to do with it is the handler's to decide.
  const pattern = { source: ['aws.autoscaling', 'ecs-drain.test'] };
  region.eventBridge.putRule({ name: 'all', pattern, target: (event) => lambda.invokeAsync(event) });
});

afterEach(() => {
  for (const end of ends) end();
});

/** Loads the handler into a function of the Region. */
function deploy(environment: Record<string, string>, seams: Seams = { transport: region.transport }): LambdaModel {
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

  it('spends at most seven calls on an instance whose tasks are gone, though ECS still lists them', async () => {
    runTask('migration', 10);
    await minutes(10);
    terminate();
    await settle();
    expect(lambda.invocations).toMatchObject([{ result: { kind: 'finished', outcome: { kind: 'drained' } } }]);
    expect(region.calls.map(({ operation }) => operation)).toEqual([
      'ListContainerInstances',
      'UpdateContainerInstancesState',
      'DescribeAutoScalingGroups',
      'ListTasks',
      'ListTasks',
      'DescribeTasks',
      'CompleteLifecycleAction',
    ]);
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
    lambda = deploy({ ...ENVIRONMENT, STOP_STRAGGLERS: 'standalone' });
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
      expect(lambda.invocations).toHaveLength(3); // Lambda's own two retries (facts 7)
      expect(lambda.invocations.at(-1)?.error).toMatch(why);
      expect(lambda.deadLetters).toEqual([event]);
      expect(region.calls).toEqual([]);
      expect(logs).toContainEqual(expect.objectContaining({ level: 'ERROR' }));
    },
  );

  it('of an instance in a cluster that does not exist fail with the sentence that mends it', async () => {
    lambda = deploy({ ...ENVIRONMENT, CLUSTER: 'prd' });
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
    lambda = deploy(ENVIRONMENT, {});
    terminate();
    await region.time.runUntil(() => region.terminated.has(INSTANCE));
    expect(region.autoScaling.completions).toMatchObject([{ result: 'CONTINUE', by: 'completion' }]);
  });
});

describe('settings that cannot be used', () => {
  it('fail before any event is taken', () => {
    expect(() => createDrainHandler({ ...ENVIRONMENT, MARGIN_SECONDS: '120', FUNCTION_TIMEOUT_SECONDS: '60' })).toThrow(
      /functionTimeoutSeconds 60 - marginSeconds 120 = -60 s/,
    );
  });
});
