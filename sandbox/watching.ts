import type { Resource } from './packaging.ts';
import {
  type Datapoint,
  type Metric,
  ofMetric,
  type Series,
  seriesOf,
  statisticOf,
} from './region/cloudwatch/metrics.ts';
import { type Rehearsal, stage } from './rehearsal.ts';

/** The dashboard and the alarms of a package, as CloudWatch would have them while a drill goes on. */

type Resources = Readonly<Record<string, Resource>>;

/** An alarm on one metric: on when the statistic of the last period reaches the threshold. */
export interface Alarm {
  /** Its logical id. */
  readonly id: string;
  readonly name: string;
  readonly metric: Metric;
  readonly stat: string;
  readonly periodSeconds: number;
  readonly threshold: number;
}

/** Where a widget is on the dashboard, whose grid has 24 columns. */
interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** A line of a graph. */
export interface Line {
  readonly label: string;
  readonly color: string;
  readonly metric: Metric;
  readonly stat: string;
  readonly periodSeconds: number;
}

export type Widget = Box & { readonly title: string } & (
    | { readonly kind: 'alarms'; readonly alarms: readonly string[] }
    | { readonly kind: 'query'; readonly query: string }
    | {
        readonly kind: 'graph';
        readonly stacked: boolean;
        readonly lines: readonly Line[];
        readonly thresholds: readonly { readonly label: string; readonly value: number; readonly color: string }[];
      }
  );

/**
 * The alarms of a package.
 * @throws Error for one that works in another way than ours do.
 */
export function alarmsIn(resources: Resources): Alarm[] {
  return Object.entries(resources).flatMap(([id, { Type, Properties }]) => {
    if (Type !== 'AWS::CloudWatch::Alarm') return [];
    // biome-ignore lint/suspicious/noExplicitAny: the properties of CloudFormation's type.
    const alarm = Properties as any;
    const { EvaluationPeriods, ComparisonOperator, TreatMissingData } = alarm;
    const manner = [EvaluationPeriods, ComparisonOperator, TreatMissingData].join();
    if (manner !== '1,GreaterThanOrEqualToThreshold,notBreaching')
      throw new Error(`${id} is not known here: ${manner}`);
    const pairs = alarm.Dimensions.map(({ Name, Value }: Record<string, string>) => [Name, Value]);
    const metric = { namespace: alarm.Namespace, name: alarm.MetricName, dimensions: Object.fromEntries(pairs) };
    const { AlarmName: name, Statistic: stat, Period: periodSeconds, Threshold: threshold } = alarm;
    return [{ id, name, metric, stat, periodSeconds, threshold }];
  });
}

/** Whether an alarm is on at that instant. */
export function isOn(
  { metric, stat, periodSeconds, threshold }: Alarm,
  given: readonly Datapoint[],
  atMs: number,
): boolean {
  const last = ofMetric(given, metric).filter((each) => each.atMs > atMs - periodSeconds * 1000 && each.atMs <= atMs);
  return last.length > 0 && statisticOf(last, stat) >= threshold;
}

/**
 * The widgets of a package's one dashboard.
 * @throws Error for a widget of a type that our dashboard does not use.
 */
export function widgetsIn(resources: Resources): Widget[] {
  const dashboard = Object.values(resources).find(({ Type }) => Type === 'AWS::CloudWatch::Dashboard');
  const { widgets } = JSON.parse(String(dashboard?.Properties['DashboardBody']));
  // biome-ignore lint/suspicious/noExplicitAny: the dashboard's JSON, which CloudWatch documents.
  return widgets.map(({ type, properties, ...box }: any): Widget => {
    const { title, alarms, query, metrics, stacked = false, annotations } = properties;
    if (type === 'alarm') return { ...box, title, kind: 'alarms', alarms };
    if (type === 'log') return { ...box, title, kind: 'query', query };
    if (type !== 'metric') throw new Error(`The dashboard has a widget of type ${type}, which is not known here.`);
    const lines = metrics.map((metric: unknown[]) => lineOf(metric, properties));
    return { ...box, title, kind: 'graph', stacked, lines, thresholds: annotations?.horizontal ?? [] };
  });
}

/** `[namespace, name, dimension, value, …, options]`, where the widget's own options stand in for what is left out. */
function lineOf(metric: readonly unknown[], { stat: usualStat, period }: { stat?: string; period: number }): Line {
  const [namespace, name, ...pairs] = metric.slice(0, -1) as string[];
  const { label, color, stat = usualStat } = metric.at(-1) as { label: string; color: string; stat?: string };
  const dimensions = Object.fromEntries(
    pairs.flatMap((each, i) => (i % 2 === 0 ? [[each, pairs[i + 1] ?? '']] : [])),
  ) as Metric['dimensions'];
  if (!namespace || !name || !stat) throw new Error(`A widget's metric lacks something: ${JSON.stringify(metric)}`);
  return { label, color, metric: { namespace, name, dimensions }, stat, periodSeconds: period };
}

/** What CloudWatch heard of a drill. */
export interface Heard {
  readonly startMs: number;
  readonly endMs: number;
  readonly datapoints: readonly Datapoint[];
  /** The function's log. */
  readonly log: readonly { readonly atMs: number; readonly line: Readonly<Record<string, unknown>> }[];
}

/** Plays a drill of ecs-drain for so many seconds. `meddle` may do something to the Region when it begins. */
export async function hear(
  rehearsal: Pick<Rehearsal, 'scenario' | 'variant' | 'seed'>,
  seconds: number,
  meddle: (played: Awaited<ReturnType<typeof stage>>) => void = () => {},
): Promise<Heard> {
  const log: { atMs: number; line: Readonly<Record<string, unknown>> }[] = [];
  const played = await stage({ ...rehearsal, drainer: 'ecs-drain' }, (event) => {
    if (event.kind === 'log') log.push({ atMs: played.region.time.nowMs(), line: event.line });
  });
  const { region, startMs, begin, close } = played;
  const endMs = startMs + seconds * 1000;
  try {
    begin();
    meddle(played);
    region.time.after(seconds, () => {});
    await region.time.runUntil(() => region.time.nowMs() >= endMs);
  } finally {
    close();
  }
  const datapoints = region.metrics.filter(({ atMs }) => atMs >= startMs && atMs <= endMs);
  return { startMs, endMs, datapoints, log };
}

/** What a line of a graph shows. */
export function seriesOfLine({ metric, stat, periodSeconds }: Line, { datapoints }: Heard): Series {
  return seriesOf(datapoints, metric, stat, periodSeconds);
}

const COUNTING =
  /^SOURCE '[^']+' \| filter ispresent\((\w+)\) \| stats count_distinct\((\w+)\) as (\w+) by bin\((\d+)m\)$/;

/**
 * What Logs Insights answers to a query that counts by the period.
 * @throws Error for another query.
 */
export function answerTo(query: string, { log }: Heard): { readonly label: string; readonly series: Series } {
  const [, present = '', counted = '', label = '', minutes] = COUNTING.exec(query) ?? [];
  if (minutes === undefined) throw new Error(`This query is not known here: ${query}`);
  const binMs = Number(minutes) * 60_000;
  const bins = Map.groupBy(
    log.filter(({ line }) => present in line),
    ({ atMs }) => Math.floor(atMs / binMs) * binMs,
  );
  const series = [...bins].map(([atMs, lines]) => ({
    atMs,
    value: new Set(lines.map(({ line }) => line[counted])).size,
  }));
  return { label, series };
}
