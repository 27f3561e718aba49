import { CloudWatchClient, GetMetricDataCommand, ListMetricsCommand } from '@aws-sdk/client-cloudwatch';
import { cbor, tag } from '@smithy/core/cbor';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Region } from '../../../../sandbox/region/region.ts';
import { START_MS } from '../../start.ts';
import { clientOf, pass, regionOfTest } from '../clients.ts';

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
      ['Errors', 'worker'],
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
