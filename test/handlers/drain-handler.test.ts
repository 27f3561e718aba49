import type { Context } from 'aws-lambda';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LambdaModel } from '../../sandbox/region/lambda.ts';
import { captureLogs, type LogLine } from '../../sandbox/logs.ts';
import { type Region, startRegion } from '../../sandbox/region/region.ts';
import { createDrainHandler } from '../../src/handlers/drain-handler.ts';
import { START_MS } from '../fakes.ts';

const INSTANCE = 'i-0123456789abcdef0';
const OTHER_INSTANCE = 'i-0fedcba9876543210';

const ENVIRONMENT = {
  CLUSTER: 'prod',
  AUTO_SCALING_GROUPS: 'web,workers',
  LIFECYCLE_HOOK: 'ecs-drain',
  DEADLINE_SECONDS: '1800',
  DEADLINE_RESULT: 'CONTINUE',
  STOP_STRAGGLERS: 'none',
  DEREGISTRATION_DELAY_SECONDS: '300',
  AGENT_GRACE_SECONDS: '900',
  HEARTBEAT_FRACTION: '0.5',
  POLL_MIN_SECONDS: '2',
  POLL_MAX_SECONDS: '20',
  MARGIN_SECONDS: '20',
  FUNCTION_TIMEOUT_SECONDS: '300',
  EVENT_SOURCE: 'ecs-drain.test',
};

const WEB = {
  name: 'web',
  strategy: 'REPLICA',
  desiredCount: 2,
  deregistrationDelaySeconds: 300,
  startSeconds: 20,
  stopTimeoutSeconds: 30,
} as const;

const HOOK = { name: 'ecs-drain', group: 'web', heartbeatTimeoutSeconds: 3_600, defaultResult: 'CONTINUE' } as const;

let region: Region;
let lambda: LambdaModel;
let logs: LogLine[];
let stopCapture: () => void;

beforeEach(async () => {
  logs = [];
  region = await startRegion({ cluster: 'prod', startMs: START_MS, onHappening: () => {} });
  Object.assign(process.env, {
    AWS_ENDPOINT_URL: region.url,
    AWS_REGION: 'eu-west-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    POWERTOOLS_SERVICE_NAME: 'ecs-drain',
    POWERTOOLS_METRICS_NAMESPACE: 'ECSDrain',
  });
  stopCapture = captureLogs((line) => logs.push(line));
  region.ecs.registerInstance(INSTANCE);
  region.ecs.registerInstance(OTHER_INSTANCE);
  region.autoScaling.putLifecycleHook(HOOK);
  lambda = deploy(ENVIRONMENT);
  // A rule that lets everything through: what to do with it is the handler's to decide.
  const pattern = { source: ['aws.autoscaling', 'ecs-drain.test'] };
  region.eventBridge.putRule({ name: 'all', pattern, target: (event) => lambda.invokeAsync(event) });
});

afterEach(() => {
  stopCapture();
  region.close();
});

/** Loads the handler into a function of the Region. */
function deploy(environment: Record<string, string>): LambdaModel {
  return region.deploy({
    name: 'ecs-drain',
    timeoutSeconds: 300,
    load: (clock) => {
      const handler = createDrainHandler(environment, { clock });
      return (event: unknown, context: Context) => handler(event, context);
    },
  });
}

const settle = () => region.time.runUntil(() => false);
const callsNamed = (name: string) => region.calls.filter(({ operation }) => operation === name).length;

describe('the deployed handler, with its SDK clients, against a Region', () => {
  it('drains an instance behind a load balancer through a continuation, and kills no task', async () => {
    region.ecs.startService(WEB);
    region.autoScaling.terminateInstance('web', INSTANCE);
    await settle();
    expect(region.autoScaling.completions).toMatchObject([{ instanceId: INSTANCE, result: 'CONTINUE', by: 'us' }]);
    expect(region.killedTasks).toEqual([]);
    expect(lambda.invocations.map(({ result }) => result)).toMatchObject([
      { kind: 'handed-over' },
      { kind: 'finished', outcome: { kind: 'drained' } },
    ]);
    expect(lambda.invocations.every(({ billedSeconds }) => billedSeconds <= 300)).toBe(true);
  });

  it('spends at most seven calls on an instance whose tasks are gone, though ECS still lists them', async () => {
    region.ecs.runTask(INSTANCE, 'migration', 10);
    await region.time.runUntil(() => false);
    region.autoScaling.terminateInstance('web', INSTANCE);
    await settle();
    expect(lambda.invocations).toMatchObject([{ result: { kind: 'finished', outcome: { kind: 'drained' } } }]);
    expect(region.calls.map(({ operation }) => operation)).toEqual([
      'ListContainerInstances',
      'DescribeContainerInstances',
      'UpdateContainerInstancesState',
      'ListTasks',
      'ListTasks',
      'DescribeTasks',
      'CompleteLifecycleAction',
    ]);
  });

  it('heartbeats a hook that times out sooner than the tasks stop', async () => {
    region.autoScaling.putLifecycleHook({ ...HOOK, group: 'workers', heartbeatTimeoutSeconds: 60 });
    region.ecs.runTask(INSTANCE, 'report', 600);
    region.autoScaling.terminateInstance('workers', INSTANCE);
    await settle();
    expect(region.autoScaling.completions).toMatchObject([{ result: 'CONTINUE', by: 'us' }]);
    expect(region.killedTasks).toEqual([]);
    expect(callsNamed('RecordLifecycleActionHeartbeat')).toBe(20);
  });

  it('names the tasks it gives up at the deadline, in the log and in the metric', async () => {
    region.ecs.runTask(INSTANCE, 'endless', Infinity);
    region.autoScaling.terminateInstance('web', INSTANCE);
    await region.time.runUntil(() => region.terminated.has(INSTANCE));
    await region.time.runUntil(() => logs.some((line) => '_aws' in line));
    expect(region.killedTasks).toMatchObject([{ group: 'family:endless' }]);
    expect(logs).toContainEqual(
      expect.objectContaining({
        level: 'ERROR',
        outcome: 'timed-out',
        killedTasks: [expect.objectContaining({ group: 'family:endless', class: 'standalone', lastStatus: 'RUNNING' })],
      }),
    );
    expect(logs.find((line) => '_aws' in line)).toMatchObject({ outcome: 'timed-out', TasksKilledAtDeadline: 1 });
  });

  it('stops stragglers in time for their grace when the settings say so', async () => {
    lambda = deploy({ ...ENVIRONMENT, STOP_STRAGGLERS: 'standalone' });
    region.ecs.runTask(INSTANCE, 'endless', 1_000_000);
    region.autoScaling.terminateInstance('web', INSTANCE);
    await region.time.runUntil(() => region.terminated.has(INSTANCE));
    expect(region.killedTasks).toEqual([]);
    expect(callsNamed('StopTask')).toBe(1);
    expect(region.time.nowMs()).toBeLessThanOrEqual(START_MS + 1_800_000);
  });

  it('is harmless when the same event comes twice', async () => {
    region.ecs.startService(WEB);
    region.eventBridge.putRule({
      name: 'again',
      pattern: { source: ['aws.autoscaling'] },
      target: (event) => lambda.invokeAsync(event),
    });
    region.autoScaling.terminateInstance('web', INSTANCE);
    await settle();
    expect(region.killedTasks).toEqual([]);
    expect(region.autoScaling.completions).toHaveLength(1);
    const outcomes = lambda.invocations.map(({ result }) => (result as { outcome?: { kind: string } }).outcome?.kind);
    expect(outcomes.filter((kind) => kind !== undefined).sort()).toEqual(['already-completed', 'drained']);
    expect(lambda.deadLetters).toEqual([]);
  });

  it('says on every line which drain it speaks of', async () => {
    region.ecs.startService(WEB);
    region.autoScaling.terminateInstance('web', INSTANCE);
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
    region.autoScaling.terminateInstance('web', INSTANCE);
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
    region.autoScaling.terminateInstance('others', INSTANCE);
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
    region.autoScaling.terminateInstance('web', INSTANCE);
    await region.time.runUntil(() => lambda.invocations.length > 0);
    expect(lambda.invocations[0]?.error).toMatch(/Cluster not found.*Mend the setting `cluster`/);
    expect(callsNamed('CompleteLifecycleAction')).toBe(0);
  });
});

describe('settings that cannot be used', () => {
  it('fail before any event is taken', () => {
    expect(() => createDrainHandler({ ...ENVIRONMENT, MARGIN_SECONDS: '120', FUNCTION_TIMEOUT_SECONDS: '60' })).toThrow(
      /functionTimeoutSeconds 60 - marginSeconds 120 = -60 s/,
    );
  });
});
