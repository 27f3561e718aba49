import type { EcsModel } from '../ecs/model.ts';
import type { QueueModel } from '../sqs/model.ts';
import type { VirtualTime } from '../time/virtual-time.ts';

/** What CloudWatch distinguishes metrics by. */
export interface Metric {
  readonly namespace: string;
  readonly name: string;
  readonly dimensions: Readonly<Record<string, string>>;
}

/** One value of a metric. */
export interface Datapoint extends Metric {
  readonly unit: string;
  readonly value: number;
  readonly atMs: number;
}

/** What AWS itself reports here: each namespace has one dimension, and these metrics of it. */
export const RECORDED = {
  'AWS/ECS': { dimension: 'ClusterName', names: ['CPUReservation', 'MemoryReservation'] },
  'AWS/Lambda': {
    dimension: 'FunctionName',
    names: ['ConcurrentExecutions', 'Duration', 'Errors', 'Invocations', 'Throttles'],
  },
  'AWS/SQS': {
    dimension: 'QueueName',
    names: [
      'ApproximateAgeOfOldestMessage',
      'ApproximateNumberOfMessagesDelayed',
      'ApproximateNumberOfMessagesNotVisible',
      'ApproximateNumberOfMessagesVisible',
    ],
  },
} as const;

/** The part of an EMF line that says what of it is a metric. */
interface Emf {
  readonly _aws: {
    readonly Timestamp: number;
    readonly CloudWatchMetrics: readonly {
      readonly Namespace: string;
      readonly Dimensions: readonly (readonly string[])[];
      readonly Metrics: readonly { readonly Name: string; readonly Unit: string }[];
    }[];
  };
  readonly [key: string]: unknown;
}

/** The metrics in a log line; none if it is not in the embedded metric format. */
export function datapointsIn(line: Readonly<Record<string, unknown>>): Datapoint[] {
  if (!('_aws' in line)) return [];
  const emf = line as unknown as Emf;
  return emf._aws.CloudWatchMetrics.flatMap(({ Namespace, Dimensions, Metrics }) =>
    Dimensions.flatMap((names) => {
      const dimensions = Object.fromEntries(names.map((name) => [name, String(emf[name])]));
      return Metrics.map(({ Name, Unit }) => ({
        namespace: Namespace,
        name: Name,
        unit: Unit,
        value: Number(emf[Name]),
        dimensions,
        atMs: emf._aws.Timestamp,
      }));
    }),
  );
}

/** A metric by the period: the start of each period that has values, and their statistic. */
export type Series = readonly { readonly atMs: number; readonly value: number }[];

/** What CloudWatch shows of a metric; periods are counted from the epoch. */
export function seriesOf(
  datapoints: readonly Datapoint[],
  metric: Metric,
  stat: string,
  periodSeconds: number,
): Series {
  const periodMs = periodSeconds * 1000;
  const periods = Map.groupBy(ofMetric(datapoints, metric), ({ atMs }) => Math.floor(atMs / periodMs) * periodMs);
  const series = [...periods].map(([atMs, within]) => ({ atMs, value: statisticOf(within, stat) }));
  return series.sort((a, b) => a.atMs - b.atMs);
}

/** The values of one metric, which has exactly these dimensions. */
export function ofMetric(datapoints: readonly Datapoint[], metric: Metric): Datapoint[] {
  const key = keyOf(metric);
  return datapoints.filter((datapoint) => keyOf(datapoint) === key);
}

/** The same for the same metric, in whatever order its dimensions are. */
export function keyOf({ namespace, name, dimensions }: Metric): string {
  return JSON.stringify([namespace, name, Object.entries(dimensions).sort()]);
}

/** The statistics that there are: those of CloudWatch except for trimmed means and ranks. */
export const STATISTIC = /^(Average|Maximum|Minimum|SampleCount|Sum|p\d{1,2}(\.\d+)?|p100)$/;

/**
 * A statistic of datapoints, of which there is one at least.
 * @throws Error for one that is not there.
 */
export function statisticOf(datapoints: readonly Datapoint[], stat: string): number {
  if (!STATISTIC.test(stat)) throw new Error(`The local Region knows no statistic ${stat}.`);
  const values = datapoints.map(({ value }) => value).sort((a, b) => a - b);
  const sum = values.reduce((sum, value) => sum + value, 0);
  if (stat === 'Sum') return sum;
  if (stat === 'SampleCount') return values.length;
  if (stat === 'Average') return sum / values.length;
  const percent = { Minimum: 0, Maximum: 100 }[stat] ?? Number(stat.slice(1));
  return values[Math.max(0, Math.ceil((percent / 100) * values.length) - 1)] as number;
}

/** What ECS and SQS report of their clusters and queues. */
export interface Reporting {
  readonly time: VirtualTime;
  readonly ecs: Pick<EcsModel, 'clusters' | 'reservation'>;
  readonly queues: ReadonlyMap<string, QueueModel>;
  readonly measure: (datapoint: Datapoint) => void;
}

/** Reports each cluster at every full minute, and each queue half a minute later: a drill may end with either. */
export function reportByTheMinute({ time, ecs, queues, measure }: Reporting): void {
  const everyMinute = (afterSeconds: number, report: () => void) => {
    const next = () => {
      report();
      time.toBackground(time.after(60, next));
    };
    time.toBackground(time.after(afterSeconds, next));
  };
  const reporterOf = (namespace: keyof typeof RECORDED, resource: string) => {
    const datum = { namespace, dimensions: { [RECORDED[namespace].dimension]: resource }, atMs: time.nowMs() };
    return (name: string, unit: string, value: number) => measure({ ...datum, name, unit, value });
  };
  everyMinute(60, () => {
    for (const cluster of ecs.clusters.keys()) {
      const report = reporterOf('AWS/ECS', cluster);
      const { cpuPercent, memoryPercent } = ecs.reservation(cluster);
      report('CPUReservation', 'Percent', cpuPercent);
      report('MemoryReservation', 'Percent', memoryPercent);
    }
  });
  everyMinute(30, () => {
    for (const queue of queues.values()) {
      const report = reporterOf('AWS/SQS', queue.name);
      report('ApproximateNumberOfMessagesVisible', 'Count', queue.counts.visible);
      report('ApproximateNumberOfMessagesNotVisible', 'Count', queue.counts.inFlight);
      report('ApproximateNumberOfMessagesDelayed', 'Count', queue.delayed);
      report('ApproximateAgeOfOldestMessage', 'Seconds', queue.oldestAgeSeconds);
    }
  });
}

/** Samples a value now and at every full minute from now on, as ECS reports its reservations. */
export function sampleByTheMinute(
  time: VirtualTime,
  value: () => number,
): { readonly minute: number; readonly value: number }[] {
  const samples: { minute: number; value: number }[] = [];
  const sample = () => {
    samples.push({ minute: samples.length, value: value() });
    time.after(60, sample);
  };
  sample();
  return samples;
}
