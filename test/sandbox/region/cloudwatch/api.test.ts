import { CloudWatchClient, GetMetricDataCommand, ListMetricsCommand } from '@aws-sdk/client-cloudwatch';
import { cbor, tag } from '@smithy/core/cbor';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Region } from '../../../../sandbox/region/region.ts';
import type { Clock } from '../../../../sandbox/region/time/virtual-time.ts';
import { START_MS } from '../../start.ts';
import { clientOf, pass, regionOfTest, WEB } from '../clients.ts';

let region: Region;
let cloudWatch: CloudWatchClient;
beforeEach(() => {
  region = regionOfTest();
  cloudWatch = new CloudWatchClient(clientOf(region));
  const put = (second: number, value: number, dimensions: Record<string, string> = { Group: 'web', Stage: 'dev' }) =>
    region.measure({
      namespace: 'Drains',
      name: 'Seconds',
      dimensions,
      unit: 'Seconds',
      value,
      atMs: START_MS + second * 1000,
    });
  for (const [second, value] of [
    [5, 1],
    [10, 4],
    [59, 1],
    [60, 10],
    [200, 7],
  ] as const)
    put(second, value);
  put(5, 1_000, { Group: 'other' });
});

const DIMENSIONS = [
  { Name: 'Stage', Value: 'dev' },
  { Name: 'Group', Value: 'web' },
];
const query = (more: object = {}, stat: object = {}) => ({
  Id: 'a',
  MetricStat: {
    Metric: { Namespace: 'Drains', MetricName: 'Seconds', Dimensions: DIMENSIONS },
    Period: 60,
    Stat: 'Sum',
    ...stat,
  },
  ...more,
});
const get = (
  MetricDataQueries: object[],
  { seconds = 300, ...more }: { seconds?: number; [member: string]: unknown } = {},
) =>
  cloudWatch.send(
    new GetMetricDataCommand({
      MetricDataQueries: MetricDataQueries as [],
      StartTime: new Date(START_MS),
      EndTime: new Date(START_MS + seconds * 1000),
      ScanBy: 'TimestampAscending',
      ...more,
    }),
  );
const values = async (stat: object, more: Parameters<typeof get>[1] = {}) =>
  (await get([query({}, stat)], more)).MetricDataResults?.[0]?.Values;

describe('GetMetricData', () => {
  it('gives a metric’s statistic by the period, in either order', async () => {
    const { MetricDataResults } = await get([query(), query({ Id: 'b', Label: 'mine', ReturnData: true })]);
    expect(MetricDataResults).toEqual([
      {
        Id: 'a',
        Label: 'Seconds',
        Timestamps: [0, 60, 180].map((second) => new Date(START_MS + second * 1000)),
        Values: [6, 10, 7],
        StatusCode: 'Complete',
      },
      expect.objectContaining({ Id: 'b', Label: 'mine', Values: [6, 10, 7] }),
    ]);
    expect(await values({}, { ScanBy: undefined })).toEqual([7, 10, 6]);
    expect(await values({ Period: 300 })).toEqual([23]);
  });

  it.each([
    ['Average', [2, 10, 7]],
    ['Minimum', [1, 10, 7]],
    ['Maximum', [4, 10, 7]],
    ['SampleCount', [3, 1, 1]],
    ['p50', [1, 10, 7]],
    ['p99.9', [4, 10, 7]],
  ])('knows the statistic %s', async (Stat, expected) => {
    expect(await values({ Stat })).toEqual(expected);
  });

  it('counts whole periods from the one of the start, up to the end, of the unit that is asked for', async () => {
    expect(await values({}, { StartTime: new Date(START_MS + 30_000) })).toEqual([6, 10, 7]);
    expect(await values({}, { seconds: 60 })).toEqual([6]);
    expect(await values({ Unit: 'Seconds' })).toEqual([6, 10, 7]);
    expect(await values({ Unit: 'Count' })).toEqual([]);
  });

  it('is of all dimensions of a metric, no more and no fewer', async () => {
    const Metric = { Namespace: 'Drains', MetricName: 'Seconds', Dimensions: DIMENSIONS.slice(1) };
    expect(await values({ Metric })).toEqual([]);
  });

  it.each([
    [[query({ MetricStat: undefined, Expression: 'a+b' })], {}, /knows no metric math, such as the Expression of a/],
    [[query({ MetricStat: undefined })], {}, /Either MetricStat or Expression/],
    [[query({ Id: '1' })], {}, /value 1 for parameter MetricDataQueries.member.Id is not matching/],
    [[query(), query()], {}, /not unique: a\./],
    [[query({}, { Period: 45 })], {}, /The Period 45 of a must be 1, 5, 10, 20, 30 or a multiple of 60/],
    [[query({}, { Stat: 'IQM' })], {}, /knows no statistic IQM/],
    [[query()], { seconds: 0 }, /StartTime must be less than the parameter EndTime/],
    [[query()], { MaxDatapoints: 2 }, /There are 3 values, more than 2/],
  ])('refuses what it cannot answer (%#)', async (queries, more, message) => {
    await expect(get(queries, more)).rejects.toThrow(message);
  });
});

describe('the metrics of AWS’s own services', () => {
  const ask = async (Namespace: string, MetricName: string, dimensions: Record<string, string>, Stat = 'Sum') => {
    const Dimensions = Object.entries(dimensions).map(([Name, Value]) => ({ Name, Value }));
    return values({ Metric: { Namespace, MetricName, Dimensions }, Stat, Period: 300 });
  };

  it('has how often a function ran, and how long without the start of its container', async () => {
    const load = (clock: Clock) => async (event: unknown) => {
      await clock.sleepUntil(clock.nowMs() + 2_000);
      if (event === 'bad') throw new Error('bad');
    };
    const worker = region.deploy({ name: 'worker', timeoutSeconds: 30, load });
    worker.invoke('good', () => {});
    await pass(region, 5);
    worker.invoke('bad', () => {});
    await pass(region, 5);
    const dimensions = { FunctionName: 'worker' };
    expect(await ask('AWS/Lambda', 'Invocations', dimensions)).toEqual([2]);
    expect(await ask('AWS/Lambda', 'Errors', dimensions)).toEqual([1]);
    expect(await ask('AWS/Lambda', 'Duration', dimensions, 'Minimum')).toEqual([2_000]);
    expect(await ask('AWS/Lambda', 'Duration', dimensions, 'Maximum')).toEqual([2_000]);
  });

  it('has no negative duration of an invocation that ends while its container starts', async () => {
    region.deploy({ name: 'early', timeoutSeconds: 0.1, load: () => async () => {} }).invoke({}, () => {});
    await pass(region, 5);
    expect(await ask('AWS/Lambda', 'Duration', { FunctionName: 'early' })).toEqual([0]);
  });

  it('has what the running tasks of a cluster reserve, at every full minute', async () => {
    region.ecs.createCluster('prod');
    region.ecs.registerInstance({ cluster: 'prod', ec2InstanceId: 'i-1', memoryMiB: 4_096, cpuUnits: 2_048 });
    region.ecs.createService({ ...WEB, startSeconds: 5 });
    await pass(region, 61);
    const dimensions = { ClusterName: 'prod' };
    expect(await ask('AWS/ECS', 'MemoryReservation', dimensions, 'Average')).toEqual([25]);
    expect(await ask('AWS/ECS', 'CPUReservation', dimensions, 'Average')).toEqual([12.5]);
  });

  it('has what is in a queue, by its name', async () => {
    const queue = region.createQueue({ name: 'work', visibilityTimeoutSeconds: 600, maxReceiveCount: 3 });
    for (const body of ['a', 'b', 'c']) queue.send(body);
    queue.send('d', 300);
    await pass(region, 10);
    queue.receive(1);
    await pass(region, 50);
    const dimensions = { QueueName: 'work' };
    expect(await ask('AWS/SQS', 'ApproximateNumberOfMessagesVisible', dimensions)).toEqual([2]);
    expect(await ask('AWS/SQS', 'ApproximateNumberOfMessagesNotVisible', dimensions)).toEqual([1]);
    expect(await ask('AWS/SQS', 'ApproximateNumberOfMessagesDelayed', dimensions)).toEqual([1]);
    expect(await ask('AWS/SQS', 'ApproximateAgeOfOldestMessage', dimensions)).toEqual([30]);
  });

  it.each([
    ['AWS/ECS', 'MemoryUtilization', { ClusterName: 'prod' }, 'MemoryUtilization of AWS/ECS is not recorded'],
    ['AWS/SQS', 'NumberOfMessagesSent', { QueueName: 'work' }, 'NumberOfMessagesSent of AWS/SQS is not recorded'],
    ['AWS/EC2', 'CPUUtilization', { InstanceId: 'i-1' }, 'CPUUtilization of AWS/EC2 is not recorded'],
    ['ECS/ContainerInsights', 'TaskCount', {}, 'TaskCount of ECS/ContainerInsights is not recorded'],
    ['AWS/Lambda', 'Errors', {}, 'Errors of AWS/Lambda is recorded by the local Region with the one dimension'],
    ['AWS/Lambda', 'Errors', { Resource: 'worker' }, 'with the one dimension FunctionName'],
  ] as const)('refuses by name what it does not record: %s %s of %o', async (namespace, name, dimensions, message) => {
    await expect(ask(namespace, name, dimensions)).rejects.toThrow(message);
  });

  it('refuses to list what it does not record, and lists what it records though nothing has happened yet', async () => {
    const list = (input: object) => cloudWatch.send(new ListMetricsCommand(input));
    await expect(list({ Namespace: 'AWS/EC2' })).rejects.toThrow(
      'No metric of AWS/EC2 is recorded by the local Region',
    );
    await expect(list({ Namespace: 'AWS/SQS', MetricName: 'NumberOfMessagesSent' })).rejects.toThrow('is not recorded');
    expect((await list({ Namespace: 'AWS/SQS' })).Metrics).toEqual([]);
    expect((await list({ Namespace: 'Mine', MetricName: 'Drains' })).Metrics).toEqual([]);
  });

  it('has what someone has given it of a service that the Region lacks', async () => {
    const metric = {
      namespace: 'AWS/ApplicationELB',
      name: 'RequestCountPerTarget',
      dimensions: { TargetGroup: 'web' },
    };
    region.measure({ ...metric, unit: 'Count', value: 60, atMs: START_MS });
    expect(await ask('AWS/ApplicationELB', 'RequestCountPerTarget', { TargetGroup: 'web' })).toEqual([60]);
  });
});

describe('CloudWatch in CBOR', () => {
  it('reads and writes instants by their tag', async () => {
    const instant = (second: number) => tag({ tag: 1, value: START_MS / 1000 + second });
    const asked = { MetricDataQueries: [query()], StartTime: instant(0), EndTime: instant(60) };
    const { status, body } = await region.answer({
      method: 'POST',
      path: '/service/GraniteServiceVersion20100801/operation/GetMetricData',
      query: new URLSearchParams(),
      headers: { 'smithy-protocol': 'rpc-v2-cbor' },
      body: cbor.serialize(asked),
    });
    expect(status).toBe(200);
    expect(cbor.deserialize(body as Uint8Array).MetricDataResults[0]).toMatchObject({
      Timestamps: [{ tag: 1, value: START_MS / 1000 }],
      Values: [6],
    });
  });
});

describe('ListMetrics', () => {
  const list = async (input: object = {}) => {
    const { Metrics = [] } = await cloudWatch.send(new ListMetricsCommand(input));
    return Metrics.map(({ MetricName, Dimensions = [] }) => [MetricName, ...Dimensions.map(({ Value }) => Value)]);
  };

  it('gives each metric once, by namespace, name, dimensions and whether it is recent', async () => {
    expect(await list()).toEqual([
      ['Seconds', 'other'],
      ['Seconds', 'web', 'dev'],
    ]);
    expect(await list({ Namespace: 'AWS/Lambda' })).toEqual([]);
    expect(await list({ MetricName: 'Seconds', Dimensions: [{ Name: 'Stage' }] })).toEqual([['Seconds', 'web', 'dev']]);
    expect(await list({ Dimensions: [{ Name: 'Group', Value: 'x' }] })).toEqual([]);
    await pass(region, 10_900);
    expect(await list({ RecentlyActive: 'PT3H' })).toEqual([['Seconds', 'web', 'dev']]);
  });

  it('has what Lambda says of its functions', async () => {
    region.deploy({ name: 'worker', timeoutSeconds: 30, load: () => async () => {} }).invokeAsync({});
    await pass(region, 5);
    expect(await list({ Namespace: 'AWS/Lambda' })).toEqual([
      ['ConcurrentExecutions', 'worker'],
      ['Duration', 'worker'],
      ['Errors', 'worker'],
      ['Invocations', 'worker'],
      ['Throttles', 'worker'],
    ]);
  });

  it('comes in pages of 500', async () => {
    for (let i = 0; i < 499; i++) {
      const dimensions = { Group: `g${i}` };
      region.measure({ namespace: 'Many', name: 'N', dimensions, unit: 'Count', value: 1, atMs: START_MS });
    }
    const first = await cloudWatch.send(new ListMetricsCommand({}));
    const rest = await cloudWatch.send(new ListMetricsCommand({ NextToken: first.NextToken }));
    expect([first.Metrics?.length, rest.Metrics?.length, rest.NextToken]).toEqual([500, 1, undefined]);
    await expect(cloudWatch.send(new ListMetricsCommand({ NextToken: 'none' }))).rejects.toThrow(
      /NextToken is invalid/,
    );
  });
});
