import { ECSClient, ListClustersCommand, ListTasksCommand } from '@aws-sdk/client-ecs';
import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import { CreateScheduleGroupCommand, GetScheduleGroupCommand, SchedulerClient } from '@aws-sdk/client-scheduler';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AwsError } from '../../../sandbox/region/aws-error.ts';
import { datapointsIn, sampleByTheMinute, seriesOf } from '../../../sandbox/region/cloudwatch/metrics.ts';
import type { RetryPolicy } from '../../../sandbox/region/event-bridge/model.ts';
import { type Faults, NO_FAULTS } from '../../../sandbox/region/faults.ts';
import { createRegion, type Region } from '../../../sandbox/region/region.ts';
import { playGlobals } from '../../../sandbox/region/time/globals.ts';
import { currentFiber, type Fiber } from '../../../sandbox/region/time/virtual-time.ts';
import type { TraceEvent } from '../../../sandbox/region/trace.ts';
import { START_MS } from '../start.ts';

const cluster = 'prod';
let traced: TraceEvent[];
let ends: (() => void)[];

beforeEach(() => {
  traced = [];
  ends = [];
});
afterEach(() => {
  for (const end of ends) end();
});

function regionWith(faults: Partial<Faults> = {}, options: { seed?: number; concurrencyLimit?: number } = {}): Region {
  const region = createRegion({
    startMs: START_MS,
    seed: 1,
    // A fault may be a getter.
    faults: Object.defineProperties({ ...NO_FAULTS }, Object.getOwnPropertyDescriptors(faults)),
    onTrace: (event) => traced.push(event),
    ...options,
  });
  ends.push(playGlobals(region.time, region.random.fork('globals')));
  region.ecs.createCluster(cluster);
  return region;
}

const nowSeconds = (region: Region) => (region.time.nowMs() - START_MS) / 1000;
const settle = (region: Region) => region.time.runUntil(() => false);
const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
const ecsOf = (region: Region, maxAttempts = 1) =>
  new ECSClient({ requestHandler: region.transport, region: 'eu-west-1', credentials, maxAttempts });
const sleepUntil = (ms: number) => (currentFiber.getStore() as Fiber).waitUntil(ms);

describe('EventBridge in the local Region', () => {
  const rule = (source: string, delivered: unknown[]) => ({
    name: source,
    pattern: { source: [source] },
    target: (event: unknown) => delivered.push(event),
  });
  const event = (source: string) => ({ source, 'detail-type': 'Test', resources: [], detail: { n: 1 } });

  it('delivers to the targets of the rules that match', async () => {
    const region = regionWith();
    const [mine, others]: [unknown[], unknown[]] = [[], []];
    region.eventBridge.putRule(rule('mine', mine));
    region.eventBridge.putRule(rule('others', others));
    region.eventBridge.publish(event('mine'));
    await settle(region);
    expect(mine).toMatchObject([
      { version: '0', source: 'mine', 'detail-type': 'Test', account: '123456789012', detail: { n: 1 } },
    ]);
    expect(others).toEqual([]);
  });

  it('facts 7 event-retries: refuses a bad entry alone, inside a 200', async () => {
    const region = regionWith();
    const delivered: unknown[] = [];
    region.eventBridge.putRule(rule('mine', delivered));
    const client = new EventBridgeClient({ requestHandler: region.transport, region: 'eu-west-1', credentials });
    const entries = ['{"n":1}', '{', '[]'].map((Detail) => ({ Source: 'mine', DetailType: 'Test', Detail }));
    const answer = await client.send(new PutEventsCommand({ Entries: entries }));
    expect(answer).toMatchObject({
      FailedEntryCount: 2,
      Entries: [{ EventId: expect.any(String) }, { ErrorCode: 'MalformedDetail' }, { ErrorCode: 'MalformedDetail' }],
    });
    await settle(region);
    expect(delivered).toHaveLength(1);
  });

  it('facts 3 event-delivery: may lose the events of Auto Scaling, and no others', async () => {
    const region = regionWith({ lostEvents: 1 });
    const delivered: unknown[] = [];
    region.eventBridge.putRule(rule('aws.autoscaling', delivered));
    region.eventBridge.putRule(rule('aws.ecs', delivered));
    region.eventBridge.publish(event('aws.autoscaling'));
    region.eventBridge.publish(event('aws.ecs'));
    await settle(region);
    expect(delivered).toMatchObject([{ source: 'aws.ecs' }]);
    expect(traced).toContainEqual(expect.objectContaining({ kind: 'event', fate: 'lost' }));
  });

  it('facts 3 event-delivery: may deliver twice, late and out of order', async () => {
    const region = regionWith({ duplicatedEvents: 1, delayedEvents: 1, delaySeconds: 600 });
    const delivered: { n: number; at: number }[] = [];
    region.eventBridge.putRule({
      name: 'all',
      pattern: { source: ['mine'] },
      target: (each) => delivered.push({ n: (each as { detail: { n: number } }).detail.n, at: nowSeconds(region) }),
    });
    for (let n = 0; n < 10; n++) region.eventBridge.publish({ ...event('mine'), detail: { n } });
    await settle(region);
    const order = delivered.map(({ n }) => n);
    expect(order).toHaveLength(20);
    expect(order).not.toEqual(order.toSorted((a, b) => a - b));
    expect(Math.max(...delivered.map(({ at }) => at))).toBeGreaterThan(60);
  });
});

describe('a target that refuses what EventBridge brings', () => {
  const refused = (refusedDeliveries: number, retryPolicy?: RetryPolicy) => {
    const region = regionWith({ refusedDeliveries });
    const delivered: unknown[] = [];
    region.eventBridge.putRule({
      name: 'mine',
      pattern: { source: ['mine'] },
      target: (event) => delivered.push(event),
      ...(retryPolicy && { retryPolicy }),
    });
    for (let n = 0; n < 20; n++) {
      region.eventBridge.publish({ source: 'mine', 'detail-type': 'Test', resources: [], detail: { n } });
    }
    return { region, delivered };
  };

  it('facts 7 event-retries: is tried again until it takes it', async () => {
    const { region, delivered } = refused(0.8);
    await settle(region);
    expect(delivered).toHaveLength(20);
    expect(region.eventBridge.deadLetters).toEqual([]);
  });

  it('facts 7 event-retries: is given up after the attempts and the age of its rule, and the event kept in the dead-letter queue', async () => {
    const few = refused(1, { maximumEventAgeSeconds: 86_400, maximumRetryAttempts: 3 });
    await settle(few.region);
    expect(few.region.eventBridge.deadLetters).toHaveLength(20);
    expect(nowSeconds(few.region)).toBeLessThan(20);

    const old = refused(1, { maximumEventAgeSeconds: 7_200, maximumRetryAttempts: 185 });
    await settle(old.region);
    expect(old.region.eventBridge.deadLetters).toHaveLength(20);
    expect(nowSeconds(old.region)).toBeGreaterThan(5_000);
    expect(nowSeconds(old.region)).toBeLessThan(7_201);
  });
});

describe('Lambda in the local Region', () => {
  it('facts 7 event-retries: tries a failed invocation again after one and after two minutes, then gives the event up', async () => {
    const region = regionWith();
    const startedAt: number[] = [];
    const lambda = region.deploy({
      name: 'failing',
      timeoutSeconds: 10,
      load: () => async () => {
        startedAt.push(Math.floor(nowSeconds(region)));
        throw new Error('no');
      },
    });
    lambda.invokeAsync({ n: 1 });
    await settle(region);
    expect(startedAt).toEqual([0, 60, 180]);
    expect(lambda.deadLetters).toEqual([{ n: 1 }]);
  });

  it('ends an invocation that outlasts its timeout, bills it to the limit, and lets it do no more', async () => {
    const region = regionWith();
    const reached: string[] = [];
    const lambda = region.deploy({
      name: 'slow',
      timeoutSeconds: 10,
      load: () => async () => {
        await sleepUntil(region.time.nowMs() + 60_000);
        reached.push('the end');
      },
    });
    lambda.invokeAsync({});
    await region.time.runUntil(() => lambda.invocations.length > 0);
    expect(lambda.invocations).toMatchObject([{ billedSeconds: 10, error: 'Task timed out after 10 seconds' }]);
    await settle(region);
    expect(reached).toEqual([]);
  });

  it('gives the time that is left, and loads the code once for invocations that follow each other', async () => {
    const region = regionWith();
    const left: number[] = [];
    let loads = 0;
    const lambda = region.deploy({
      name: 'counting',
      timeoutSeconds: 10,
      load: (clock) => {
        loads += 1;
        return async (_event, context) => {
          await clock.sleepUntil(clock.nowMs() + 4_000);
          left.push(Math.round(context.getRemainingTimeInMillis()));
        };
      },
    });
    lambda.invokeAsync({});
    await settle(region);
    lambda.invokeAsync({});
    await settle(region);
    expect(left).toEqual([5_650, 6_000]); // the first start was cold
    expect(lambda.invocations.map(({ coldStart }) => coldStart)).toEqual([true, false]);
    expect(loads).toBe(1);
  });

  it('facts 9 lambda-limits: runs no more at once than the account may, and takes the rest later', async () => {
    const region = regionWith({}, { concurrencyLimit: 2 });
    const lambda = region.deploy({
      name: 'busy',
      timeoutSeconds: 60,
      load: (clock) => () => clock.sleepUntil(clock.nowMs() + 10_000),
    });
    for (let n = 0; n < 6; n++) lambda.invokeAsync({ n });
    await settle(region);
    expect(lambda.peakConcurrency).toBe(2);
    expect(lambda.invocations.filter(({ error }) => error === undefined)).toHaveLength(6);
  });

  it('runs no more at once than is reserved for the function', async () => {
    const region = regionWith();
    const lambda = region.deploy({
      name: 'reserved',
      timeoutSeconds: 60,
      reservedConcurrency: 3,
      load: (clock) => () => clock.sleepUntil(clock.nowMs() + 10_000),
    });
    for (let n = 0; n < 6; n++) lambda.invokeAsync({ n });
    await settle(region);
    expect(lambda.peakConcurrency).toBe(3);
    expect(lambda.invocations).toHaveLength(6);
  });

  it('facts 31 throttled-invocations: tries a throttled event again after about a second, then at twice the interval each time, up to 5 minutes', async () => {
    const region = regionWith();
    const throttledAt = () =>
      traced
        .filter((event) => event.kind === 'invocation' && event.what === 'throttled')
        .map(({ atMs }) => (atMs - START_MS) / 1000);
    region
      .deploy({ name: 'throttled', timeoutSeconds: 10, reservedConcurrency: 0, load: () => async () => {} })
      .invokeAsync({});
    await region.time.runUntil(() => throttledAt().length === 13);
    const waits = throttledAt().map((second, i, all) => second - (all[i - 1] ?? 0));
    // That they vary, by half at most, is ours: many events do not all come back in the same moment.
    [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300].forEach((seconds, i) => {
      expect(waits[i]).toBeGreaterThanOrEqual(0.5 * seconds);
      expect(waits[i]).toBeLessThanOrEqual(1.5 * seconds);
    });
    expect(waits.slice(-3)).not.toEqual([300, 300, 300]);
  });

  it.each([
    ['six hours', {}, 21_600],
    ['the age that is set for the function', { maximumEventAgeSeconds: 3_600 }, 3_600],
  ])('gives a throttled event up after %s', async (_, settings, ageSeconds) => {
    const region = regionWith();
    const lambda = region.deploy({
      name: 'throttled',
      timeoutSeconds: 10,
      reservedConcurrency: 0,
      load: () => async () => {},
      ...settings,
    });
    lambda.invokeAsync({ n: 1 });
    await settle(region);
    expect(lambda.deadLetters).toEqual([{ n: 1 }]);
    expect(nowSeconds(region)).toBeLessThanOrEqual(ageSeconds);
    expect(nowSeconds(region)).toBeGreaterThan(ageSeconds - 300);
  });

  it('tries a failed event no more that is too old by then', async () => {
    const region = regionWith();
    let runs = 0;
    const lambda = region.deploy({
      name: 'failing',
      timeoutSeconds: 10,
      maximumEventAgeSeconds: 120,
      load: () => async () => {
        runs += 1;
        throw new Error('no');
      },
    });
    lambda.invokeAsync({ n: 1 });
    await settle(region);
    expect(runs).toBe(2); // the third would come after 180 s
    expect(lambda.deadLetters).toEqual([{ n: 1 }]);
  });

  it('can crash at any await, before AWS did what was asked or after', async () => {
    const ends = new Set<string>();
    for (let seed = 0; seed < 40; seed++) {
      const region = regionWith({ crashes: 0.3 }, { seed });
      const ecs = ecsOf(region);
      const reached: string[] = [];
      const lambda = region.deploy({
        name: 'crashing',
        timeoutSeconds: 60,
        load: () => async () => {
          await ecs.send(new ListClustersCommand({}));
          reached.push('answered');
        },
      });
      lambda.invokeAsync({});
      await region.time.runUntil(() => lambda.invocations.length > 0);
      const [invocation] = lambda.invocations;
      ends.add(`${region.calls.length} calls, ${reached.length} answered, ${invocation?.error ?? 'well'}`);
    }
    expect([...ends].toSorted()).toEqual([
      '0 calls, 0 answered, Runtime exited with error: signal: killed',
      '1 calls, 0 answered, Runtime exited with error: signal: killed',
      '1 calls, 1 answered, well',
    ]);
  });
});

describe('an invocation that sleeps', () => {
  it('can crash there, and is then tried again', async () => {
    const region = regionWith({ crashes: 0.5 });
    const reached: number[] = [];
    const lambda = region.deploy({
      name: 'sleeping',
      timeoutSeconds: 60,
      load: (clock) => async () => {
        await clock.sleepUntil(clock.nowMs() + 1_000);
        reached.push(1);
      },
    });
    for (let n = 0; n < 40; n++) lambda.invokeAsync({ n });
    await settle(region);
    const crashed = lambda.invocations.filter(({ error }) => error?.includes('Runtime exited'));
    expect(crashed.length).toBeGreaterThan(10);
    expect(reached.length).toBe(lambda.invocations.length - crashed.length);
    expect(reached.length + lambda.deadLetters.length).toBe(40);
  });
});

describe('the limits of ECS', () => {
  it('facts 17 ecs-throttling: reads share a burst of 100, then 20 a second', async () => {
    const region = regionWith();
    const ecs = ecsOf(region);
    let refused = 0;
    const read = () =>
      ecs.send(new ListTasksCommand({ cluster })).catch((error) => {
        expect(error).toMatchObject({
          name: 'ThrottlingException',
          message: 'Rate exceeded',
          $metadata: { httpStatusCode: 400 },
        });
        refused += 1;
      });
    for (let n = 0; n < 110; n++) await read();
    expect(refused).toBe(10);
    region.time.after(1, () => {});
    await settle(region);
    for (let n = 0; n < 30; n++) await read();
    expect(refused).toBe(20);
  });

  it('are waited out by the SDK’s own backoff, in virtual time', async () => {
    const region = regionWith({ throttles: 0.5 });
    const ecs = ecsOf(region, 10);
    let answered = 0;
    region.time.start(async () => {
      for (let n = 0; n < 20; n++) await ecs.send(new ListTasksCommand({ cluster }));
      answered = 20;
    });
    await settle(region);
    expect(answered).toBe(20);
    expect(nowSeconds(region)).toBeGreaterThan(2);
  });
});

describe('a fault that picks its calls', () => {
  it('refuses them, as the test has it, and no others', async () => {
    const denied = new AwsError('AccessDeniedException', 'User is not authorized', 403);
    const region = regionWith({ failing: ({ service }) => (service === 'scheduler' ? denied : undefined) });
    const { transport: requestHandler } = region;
    const scheduler = new SchedulerClient({ requestHandler, region: 'eu-west-1', credentials, maxAttempts: 1 });
    await expect(scheduler.send(new GetScheduleGroupCommand({ Name: 'default' }))).rejects.toMatchObject({
      name: 'AccessDeniedException',
      message: 'User is not authorized',
      $metadata: { httpStatusCode: 403 },
    });
    await ecsOf(region).send(new ListClustersCommand({}));
    expect(region.calls.map(({ operation, failedWith }) => [operation, failedWith])).toEqual([
      ['GetScheduleGroup', 'AccessDeniedException'],
      ['ListClusters', undefined],
    ]);
  });

  it.each([
    ['throttles', { throttles: 1 }, { name: 'ThrottlingException', $metadata: { httpStatusCode: 429 } }],
    ['serverErrors', { serverErrors: 1 }, { name: 'InternalFailure', $metadata: { httpStatusCode: 500 } }],
  ])(
    'is not needed for %s: they befall EventBridge Scheduler too (facts 28 scheduler-limits)',
    async (_, faults, error) => {
      const { transport: requestHandler } = regionWith(faults);
      const scheduler = new SchedulerClient({ requestHandler, region: 'eu-west-1', credentials, maxAttempts: 1 });
      await expect(scheduler.send(new GetScheduleGroupCommand({ Name: 'default' }))).rejects.toMatchObject(error);
    },
  );
});

describe('worse faults', () => {
  const calls = async (region: Region) => {
    const answer = await ecsOf(region)
      .send(new ListClustersCommand({}))
      .catch((error: Error) => error.name);
    return { answer, failedWith: region.calls.map(({ failedWith }) => failedWith) };
  };

  it('answers are lost: what was asked is done, and HTTP 500 arrives', async () => {
    const region = regionWith({ lostAnswers: 1 });
    const scheduler = new SchedulerClient({ requestHandler: region.transport, region: 'eu-west-1', credentials });
    await expect(scheduler.send(new CreateScheduleGroupCommand({ Name: 'ours' }))).rejects.toThrow();
    expect(() => region.scheduler.operations.GetScheduleGroup({ Name: 'ours' })).not.toThrow();
    expect(region.calls[0]).toMatchObject({ operation: 'CreateScheduleGroup', failedWith: 'InternalFailure' });
  });

  it('a fault is read each time again: it may be one of an hour', async () => {
    let share = 1;
    const region = regionWith({
      get serverErrors() {
        return share;
      },
    });
    expect((await calls(region)).answer).toBe('InternalFailure');
    share = 0;
    expect((await calls(region)).failedWith).toEqual(['InternalFailure', undefined]);
  });

  it('calls are slow by so much at most', async () => {
    const region = regionWith({ slownessSeconds: 3 });
    const seconds: number[] = [];
    region.time.start(async () => {
      for (let i = 0; i < 20; i++) {
        const before = nowSeconds(region);
        await ecsOf(region).send(new ListClustersCommand({}));
        seconds.push(nowSeconds(region) - before);
      }
    });
    await settle(region);
    expect(Math.max(...seconds)).toBeGreaterThan(1);
    expect(Math.max(...seconds)).toBeLessThan(3.1);
  });

  it('an event that should be durable is lost, while an Auto Scaling event arrives', async () => {
    const region = regionWith({ lostDurableEvents: 1 });
    const delivered: unknown[] = [];
    for (const source of ['mine', 'aws.autoscaling']) {
      region.eventBridge.putRule({ name: source, pattern: { source: [source] }, target: () => delivered.push(source) });
      region.eventBridge.publish({ source, 'detail-type': 'Test', resources: [], detail: {} });
    }
    await settle(region);
    expect(delivered).toEqual(['aws.autoscaling']);
  });

  it('a container does not start: the event is tried again', async () => {
    let share = 1;
    const region = regionWith({
      get failedStarts() {
        return share;
      },
    });
    const lambda = region.deploy({ name: 'drain', timeoutSeconds: 60, load: () => async () => 'done' });
    lambda.invokeAsync({});
    region.time.after(30, () => {
      share = 0;
    });
    await settle(region);
    expect(lambda.invocations.map(({ result, error }) => error ?? result)).toEqual([
      'Runtime.ExitError: the container did not start',
      'done',
    ]);
  });

  it('ListTasks lists how things were', async () => {
    const region = regionWith({ listLagSeconds: 3 });
    const ec2InstanceId = 'i-00000000000000001';
    region.ecs.registerInstance({ cluster, ec2InstanceId, memoryMiB: 1_000, cpuUnits: 1_000 });
    const sizes = { memoryMiB: 1, cpuUnits: 1, stopTimeoutSeconds: 1 };
    region.ecs.runTask({ cluster, name: 'job', ec2InstanceId, runsForSeconds: 10, ...sizes });
    const [task] = region.ecs.clusters.get(cluster)?.tasks.values() ?? [];
    const listed = (desiredStatus: string) =>
      (region.ask('ecs', 'ListTasks', { cluster, desiredStatus }) as { taskArns?: string[] })?.taskArns?.length ?? 0;
    const seen: number[][] = [];
    if (task) region.time.after(5, () => region.ecs.stopTask(task, 'enough'));
    for (const second of [1, 4, 6, 9]) {
      region.time.after(second, () => seen.push([second, listed('RUNNING'), listed('STOPPED')]));
    }
    await settle(region);
    expect(seen).toEqual([
      [1, 0, 0],
      [4, 1, 0],
      [6, 1, 0],
      [9, 0, 1],
    ]);
  });
});

describe('another version of a function', () => {
  it('takes the events from then on; what runs goes on to its end as it was', async () => {
    const region = regionWith();
    const version = (name: string) => ({
      name: 'drain',
      timeoutSeconds: 60,
      load: () => async () => {
        await sleepUntil(region.time.nowMs() + 10_000);
        return name;
      },
    });
    const lambda = region.deploy(version('first'));
    lambda.invokeAsync({});
    region.time.after(5, () => lambda.update(version('second')));
    for (const second of [6, 30]) region.time.after(second, () => lambda.invokeAsync({}));
    await settle(region);
    expect(lambda.invocations.map(({ result }) => result)).toEqual(['first', 'second', 'second']);
  });
});

describe('CloudWatch in the local Region', () => {
  it('takes the metrics out of a line in the embedded metric format, and none out of another', () => {
    const line = {
      _aws: {
        Timestamp: 1,
        CloudWatchMetrics: [
          { Namespace: 'N', Dimensions: [['service', 'outcome']], Metrics: [{ Name: 'Drains', Unit: 'Count' }] },
        ],
      },
      service: 's',
      outcome: 'drained',
      Drains: 1,
      other: 2,
    };
    expect(datapointsIn(line)).toEqual([
      {
        namespace: 'N',
        name: 'Drains',
        unit: 'Count',
        value: 1,
        dimensions: { service: 's', outcome: 'drained' },
        atMs: 1,
      },
    ]);
    expect(datapointsIn({ message: 'Drained' })).toEqual([]);
  });

  it('keeps the metrics of what the functions log', () => {
    const region = regionWith();
    const CloudWatchMetrics = [{ Namespace: 'N', Dimensions: [[]], Metrics: [{ Name: 'Drains', Unit: 'Count' }] }];
    region.log({ message: 'Drained' });
    region.log({ _aws: { CloudWatchMetrics }, Drains: 1 });
    expect(region.metrics).toMatchObject([{ name: 'Drains', value: 1 }]);
    expect(traced.filter(({ kind }) => kind === 'log')).toHaveLength(2);
  });

  it('shows a statistic of each period that has values, of the metric with exactly these dimensions', () => {
    const metric = { namespace: 'N', name: 'Slack', dimensions: { a: '1', b: '2' } };
    const given = [
      [0, 5],
      [59, 1],
      [60, 3],
      [200, 7],
    ].map(([second = 0, value = 0]) => ({
      ...metric,
      dimensions: { b: '2', a: '1' },
      unit: 'Seconds',
      value,
      atMs: second * 1000,
    }));
    const others = [{ a: '1' }, { a: '1', b: '3' }, { a: '1', b: '2', c: '3' }].map((dimensions) => ({
      ...metric,
      dimensions,
      unit: 'Seconds',
      value: 100,
      atMs: 0,
    }));
    const shown = (stat: string, periodSeconds: number) =>
      seriesOf([...others, ...given], metric, stat, periodSeconds).map(({ atMs, value }) => [atMs / 1000, value]);
    expect(shown('Sum', 60)).toEqual([
      [0, 6],
      [60, 3],
      [180, 7],
    ]);
    expect(shown('Maximum', 120)).toEqual([
      [0, 5],
      [120, 7],
    ]);
    expect(shown('p50', 300)).toEqual([[0, 3]]);
    expect(shown('p90', 300)).toEqual([[0, 7]]);
    expect(() => shown('Median', 300)).toThrow('knows no statistic Median');
  });

  it('hears of each invocation, as Lambda reports it: how many ran at once, failed and were throttled', async () => {
    const region = regionWith();
    const lambda = region.deploy({
      name: 'twice',
      timeoutSeconds: 10,
      reservedConcurrency: 1,
      load: () => async (event) => {
        if (event === 'bad') throw new Error('bad');
      },
    });
    lambda.invoke('good', () => {});
    expect(lambda.invoke('refused', () => {})).toBe(false);
    await region.time.runUntil(() => lambda.invocations.length === 1);
    lambda.invoke('bad', () => {});
    await region.time.runUntil(() => lambda.invocations.length === 2);
    const sums = Object.fromEntries(
      ['Errors', 'Throttles', 'ConcurrentExecutions'].map((name) => {
        const metric = { namespace: 'AWS/Lambda', name, dimensions: { FunctionName: 'twice' } };
        return [name, seriesOf(region.metrics, metric, 'Sum', 1e9).map(({ value }) => value)];
      }),
    );
    expect(sums).toEqual({ Errors: [1], Throttles: [1], ConcurrentExecutions: [2] });
  });

  it('samples by the minute', async () => {
    const region = regionWith();
    const samples = sampleByTheMinute(region.time, () => nowSeconds(region));
    await region.time.runUntil(() => samples.length === 4);
    expect(samples).toEqual([0, 1, 2, 3].map((minute) => ({ minute, value: minute * 60 })));
  });
});
