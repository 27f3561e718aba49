import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { DEFAULT_STAGE } from '../deploy/params.ts';
import { dashboard } from '../deploy/watching.ts';

/** `npm run grafana`: the dashboard for Grafana's CloudWatch data source, from the definition of CloudWatch's own. */

export const GRAFANA_FILE = join(resolve(import.meta.dirname, '..'), 'examples/grafana/ecs-drain.json');

const SOURCE = { type: 'cloudwatch', uid: '$datasource' };

/** What CloudFormation fills in for CloudWatch is chosen on Grafana's page. */
const VARIABLES: Readonly<Record<string, string>> = {
  '${Stage}': '$stage',
  '${AWS::Region}': '$region',
  '${EventQueue.QueueName}': '$event_queue',
  '${DeadLetterQueueName}': '$dead_letter_queue',
};

/** Columns are the same in both; a row of Grafana's grid is lower. */
const ROW = 1.5;

type Widget = ReturnType<typeof dashboard>['widgets'][number];

/** The dashboard as Grafana imports it. */
export function grafanaDashboard(): object {
  const widgets = dashboard([]).widgets.filter(({ type }) => type !== 'alarm');
  const [{ y: top = 0 } = {}] = widgets;
  const panels = widgets.map((widget, i) => panelOf(widget, i + 1, top));
  return {
    title: 'ecs-drain',
    uid: 'ecs-drain',
    schemaVersion: 39,
    editable: true,
    time: { from: 'now-12h', to: 'now' },
    templating: { list: variables() },
    annotations: { list: [alarms()] },
    panels: JSON.parse(JSON.stringify(panels), (_, value) =>
      typeof value === 'string' ? value.replace(/\$\{[\w:.]+\}/g, (name) => VARIABLES[name] ?? name) : value,
    ),
  };
}

function panelOf({ type, x, y, width, height, properties }: Widget, id: number, top: number): object {
  // biome-ignore lint/suspicious/noExplicitAny: the properties of CloudWatch's widgets, which their documentation lists.
  const widget = properties as any;
  const lines = type === 'metric' ? widget.metrics.map((metric: unknown[]) => lineOf(metric, widget)) : [];
  const thresholds = widget.annotations?.horizontal ?? [];
  return {
    id,
    type: 'timeseries',
    title: widget.title,
    datasource: SOURCE,
    gridPos: { x, y: (y - top) * ROW, w: width, h: height * ROW },
    targets: type === 'log' ? [queryOf(widget.query)] : lines.map(targetOf),
    fieldConfig: {
      defaults: {
        min: 0,
        custom: {
          stacking: { mode: widget.stacked ? 'normal' : 'none' },
          ...(thresholds.length > 0 && { thresholdsStyle: { mode: 'line' } }),
        },
        thresholds: {
          mode: 'absolute',
          steps: [
            { color: 'transparent', value: null },
            ...thresholds.map(({ value, color }: Line & { value: number }) => ({ value, color })),
          ],
        },
      },
      overrides: lines.map(({ label, color }: Line) => ({
        matcher: { id: 'byName', options: label },
        properties: [{ id: 'color', value: { mode: 'fixed', fixedColor: color } }],
      })),
    },
  };
}

interface Line {
  readonly namespace: string;
  readonly metricName: string;
  readonly dimensions: Readonly<Record<string, string>>;
  readonly statistic: string;
  readonly period: string;
  readonly label: string;
  readonly color: string;
}

/** `[namespace, name, dimension, value, …, options]`, where the widget's own options stand in for what is left out. */
function lineOf(metric: readonly unknown[], { stat: usual, period }: { stat?: string; period: number }): Line {
  const [namespace = '', metricName = '', ...pairs] = metric.slice(0, -1) as string[];
  const { label, color, stat = usual ?? '' } = metric.at(-1) as { label: string; color: string; stat?: string };
  const names = pairs.filter((_, i) => i % 2 === 0);
  const dimensions = Object.fromEntries(names.map((name, i) => [name, pairs[2 * i + 1] ?? '']));
  return { namespace, metricName, dimensions, statistic: stat, period: String(period), label, color };
}

function targetOf({ color: _, ...line }: Line, i: number): object {
  return {
    refId: String.fromCharCode('A'.charCodeAt(0) + i),
    datasource: SOURCE,
    queryMode: 'Metrics',
    metricQueryType: 0,
    metricEditorMode: 0,
    matchExact: true,
    region: '$region',
    ...line,
  };
}

/** A query of Logs Insights, for which Grafana names the log group separately. */
function queryOf(query: string): object {
  const [, group = '', expression = ''] = /^SOURCE '([^']+)' \| (.*)$/.exec(query) ?? [];
  const bins = /by (bin\(\w+\))$/.exec(expression)?.slice(1) ?? [];
  const place = { queryMode: 'Logs', region: '$region', logGroupNames: [group] };
  return { refId: 'A', datasource: SOURCE, ...place, expression, statsGroups: bins };
}

/** When an alarm of the deployment comes on or goes off. */
function alarms(): object {
  const target = { queryMode: 'Annotations', prefixMatching: true, alarmNamePrefix: 'ecs-drain-$stage-' };
  return {
    name: 'Alarms',
    datasource: SOURCE,
    enable: true,
    iconColor: 'red',
    target: { refId: 'Alarms', region: '$region', ...target },
  };
}

function variables(): object[] {
  const queue = (name: string, logicalId: string) => ({
    name,
    type: 'query',
    datasource: SOURCE,
    query: 'dimension_values($region, AWS/SQS, ApproximateNumberOfMessagesVisible, QueueName)',
    regex: `/ecs-drain-$stage-${logicalId}-.*/`,
    refresh: 1,
  });
  return [
    { name: 'datasource', type: 'datasource', query: 'cloudwatch' },
    { name: 'region', type: 'query', datasource: SOURCE, query: 'regions()', refresh: 1 },
    { name: 'stage', type: 'textbox', query: DEFAULT_STAGE, current: { text: DEFAULT_STAGE, value: DEFAULT_STAGE } },
    queue('event_queue', 'EventQueue'),
    queue('dead_letter_queue', 'DeadLetterQueue'),
  ];
}

if (import.meta.main) {
  await writeFile(GRAFANA_FILE, `${JSON.stringify(grafanaDashboard(), null, 2)}\n`);
  console.log(`The dashboard is in ${GRAFANA_FILE}.`);
}
