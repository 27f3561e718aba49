import type {
  Metric as AskedMetric,
  GetMetricDataInput,
  GetMetricDataOutput,
  ListMetricsInput,
  ListMetricsOutput,
  MetricDataQuery,
  MetricDataResult,
} from '@aws-sdk/client-cloudwatch';
import { AwsError } from '../aws-error.ts';
import { pageOf } from '../pages.ts';
import type { Service } from '../service.ts';
import { type Datapoint, keyOf, type Metric, ofMetric, RECORDED, STATISTIC, seriesOf } from './metrics.ts';

/** What the API needs of the rest of the Region. */
export interface CloudWatchOptions {
  readonly metrics: readonly Datapoint[];
  readonly nowMs: () => number;
}

/** Of ListMetrics; and the most values that GetMetricData gives at once (CloudWatch API reference). */
const PAGE_SIZE = 500;
const MOST_DATAPOINTS = 100_800;
const RECENTLY_MS = 3 * 60 * 60 * 1000;
/** Periods of less than a minute (CloudWatch API reference, MetricStat). */
const SHORT_PERIODS = [1, 5, 10, 20, 30];

/** CloudWatch's API over every value that the functions and AWS itself have given it. */
export function cloudWatchService(options: CloudWatchOptions): Service {
  return { name: 'cloudwatch', operations: operationsOf(options) };
}

function operationsOf({ metrics, nowMs }: CloudWatchOptions): Service['operations'] {
  return {
    ListMetrics: (input: ListMetricsInput): ListMetricsOutput => {
      const { Namespace, MetricName, Dimensions = [], RecentlyActive, NextToken } = input;
      if (Namespace !== undefined) refuseUnrecorded(metrics, Namespace, MetricName);
      const sinceMs = RecentlyActive === undefined ? -Infinity : nowMs() - RECENTLY_MS;
      const wanted = metrics
        .filter(({ atMs }) => atMs >= sinceMs)
        .filter(({ namespace, name }) => namespace === (Namespace ?? namespace) && name === (MetricName ?? name))
        .filter(({ dimensions }) =>
          Dimensions.every(({ Name = '', Value }) => {
            return Object.hasOwn(dimensions, Name) && (Value === undefined || dimensions[Name] === Value);
          }),
        );
      const distinct = [...new Map(wanted.map((datapoint) => [keyOf(datapoint), datapoint])).entries()].toSorted();
      const { items, next } = pageOf(distinct, { size: PAGE_SIZE, token: NextToken });
      return {
        Metrics: items.map(([, { namespace, name, dimensions }]) => ({
          Namespace: namespace,
          MetricName: name,
          Dimensions: Object.entries(dimensions).map(([Name, Value]) => ({ Name, Value })),
        })),
        ...(next !== undefined && { NextToken: next }),
      };
    },

    GetMetricData: (input: GetMetricDataInput): GetMetricDataOutput => {
      const { MetricDataQueries = [], ScanBy = 'TimestampDescending', MaxDatapoints = MOST_DATAPOINTS } = input;
      const [startMs, endMs] = [input.StartTime?.getTime() ?? 0, input.EndTime?.getTime() ?? 0];
      if (startMs >= endMs) throw invalid('The parameter StartTime must be less than the parameter EndTime.');
      for (const query of MetricDataQueries) refuseQuery(query);
      refuseRepeatedId(MetricDataQueries);
      for (const { MetricStat } of MetricDataQueries) refuseUnrecordedMetric(metrics, MetricStat?.Metric);
      const results = MetricDataQueries.filter(({ ReturnData = true }) => ReturnData).map((query) => {
        const result = resultOf(query, metrics, startMs, endMs);
        return ScanBy === 'TimestampDescending'
          ? { ...result, Timestamps: result.Timestamps?.toReversed(), Values: result.Values?.toReversed() }
          : result;
      });
      const count = results.reduce((sum, { Values = [] }) => sum + Values.length, 0);
      if (count > MaxDatapoints) {
        const message = `There are ${count} values, more than ${MaxDatapoints}, and the local Region has no pages of them: ask for less time or a longer Period.`;
        throw invalid(message);
      }
      return { MetricDataResults: results, Messages: [] };
    },
  };
}

function resultOf(
  { Id, Label, MetricStat }: MetricDataQuery,
  metrics: readonly Datapoint[],
  startMs: number,
  endMs: number,
): MetricDataResult {
  const { Metric: asked = {}, Period = 60, Stat = '', Unit } = MetricStat ?? {};
  const metric = metricOf(asked);
  // CloudWatch counts the values of the whole period that the start is in.
  const fromMs = Math.floor(startMs / (Period * 1000)) * Period * 1000;
  const within = ofMetric(metrics, metric)
    .filter(({ atMs }) => atMs >= fromMs && atMs < endMs)
    .filter(({ unit }) => Unit === undefined || unit === Unit);
  const series = seriesOf(within, metric, Stat, Period);
  return {
    Id,
    Label: Label ?? metric.name,
    Timestamps: series.map(({ atMs }) => new Date(atMs)),
    Values: series.map(({ value }) => value),
    StatusCode: 'Complete',
  };
}

function metricOf({ Namespace = '', MetricName = '', Dimensions = [] }: AskedMetric): Metric {
  const dimensions = Dimensions.map(({ Name = '', Value = '' }) => [Name, Value]);
  return { namespace: Namespace, name: MetricName, dimensions: Object.fromEntries(dimensions) };
}

/** Services of AWS report there, and no one else. */
const OF_AWS = /^(AWS|ECS)\//;

/**
 * An empty answer about a metric of AWS would say that nothing has happened.
 * @throws AwsError if the Region does not record it.
 */
function refuseUnrecorded(metrics: readonly Datapoint[], namespace: string, name?: string): void {
  if (!OF_AWS.test(namespace)) return;
  const known: readonly string[] = recordedOf(namespace)?.names ?? [];
  if (name === undefined ? known.length > 0 : known.includes(name)) return;
  const isThere = (each: Datapoint) => each.namespace === namespace && each.name === (name ?? each.name);
  if (metrics.some(isThere)) return;
  const sentence =
    name === undefined
      ? `No metric of ${namespace} is recorded by the local Region.`
      : `${name} of ${namespace} is not recorded by the local Region.`;
  throw invalid(`${sentence} docs/rehearsal.md lists what is.`);
}

function refuseUnrecordedMetric(metrics: readonly Datapoint[], asked: AskedMetric = {}): void {
  const { namespace, name, dimensions } = metricOf(asked);
  refuseUnrecorded(metrics, namespace, name);
  const dimension = recordedOf(namespace)?.dimension;
  if (dimension === undefined || Object.keys(dimensions).join() === dimension) return;
  throw invalid(`${name} of ${namespace} is recorded by the local Region with the one dimension ${dimension}.`);
}

function recordedOf(namespace: string): (typeof RECORDED)[keyof typeof RECORDED] | undefined {
  return Object.hasOwn(RECORDED, namespace) ? RECORDED[namespace as keyof typeof RECORDED] : undefined;
}

/** What CloudWatch refuses, and what it knows and the Region lacks. */
function refuseQuery({ Id = '', MetricStat, Expression }: MetricDataQuery): void {
  if (!/^[a-z][a-zA-Z0-9_]*$/.test(Id)) {
    const pattern = '^[a-z][a-zA-Z0-9_]*$';
    throw invalid(
      `The value ${Id} for parameter MetricDataQueries.member.Id is not matching the expected pattern ${pattern}.`,
    );
  }
  if (Expression !== undefined) {
    const advice = 'ask for its metrics by MetricStat, and compute from their values';
    throw invalid(`The local Region knows no metric math, such as the Expression of ${Id}: ${advice}.`);
  }
  if (!MetricStat) throw invalid(`Either MetricStat or Expression must be given for the query ${Id}.`);
  const { Period = 60, Stat = '' } = MetricStat;
  if (Period % 60 !== 0 && !SHORT_PERIODS.includes(Period)) {
    throw invalid(`The Period ${Period} of ${Id} must be ${SHORT_PERIODS.join(', ')} or a multiple of 60.`);
  }
  if (!STATISTIC.test(Stat)) {
    throw invalid(
      `The local Region knows no statistic ${Stat}: only Average, Maximum, Minimum, SampleCount, Sum and pNN.`,
    );
  }
}

function refuseRepeatedId(queries: readonly MetricDataQuery[]): void {
  const ids = queries.map(({ Id }) => Id);
  const repeated = ids.find((id, i) => ids.indexOf(id) < i);
  if (repeated !== undefined)
    throw invalid(`The values for parameter id in MetricDataQueries are not unique: ${repeated}.`);
}

function invalid(message: string): AwsError {
  return new AwsError('ValidationError', message);
}
