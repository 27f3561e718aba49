import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { GRAFANA_FILE, grafanaDashboard } from '../../build/grafana.ts';
import { templateOf } from '../../deploy/template.ts';
import { widgetsIn } from '../../sandbox/watching.ts';

/** What is used of a panel. */
interface Panel {
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets: readonly {
    readonly metricName?: string;
    readonly dimensions?: object;
    readonly statistic?: string;
    readonly expression?: string;
    readonly label?: string;
  }[];
}

const { panels } = grafanaDashboard() as { panels: readonly Panel[] };

/** CloudWatch's own dashboard, with the names that Grafana's page asks for. */
function widgets() {
  const { Resources } = templateOf({ cluster: 'prod', autoScalingGroups: 'web' }, 'main');
  const named = JSON.stringify(Resources['Dashboard']?.Properties['DashboardBody'])
    .replaceAll('ecs-drain-main', 'ecs-drain-$stage')
    .replace(/\$\{DeadLetterQueue\.QueueName\}/g, '$$dead_letter_queue')
    .replace(/\$\{EventQueue\.QueueName\}/g, '$$event_queue');
  const Properties = { DashboardBody: JSON.parse(named)['Fn::Sub'] };
  return widgetsIn({ Dashboard: { Type: 'AWS::CloudWatch::Dashboard', Properties } });
}

describe('the dashboard for Grafana', () => {
  it('is the file that npm run grafana writes', async () => {
    expect(JSON.parse(await readFile(GRAFANA_FILE, 'utf8'))).toEqual(grafanaDashboard());
  });

  it('shows what the dashboard of CloudWatch shows, line by line', () => {
    const expected = widgets().flatMap((widget): unknown[] => {
      if (widget.kind === 'alarms') return [];
      if (widget.kind === 'query') return [[widget.title, [widget.query.replace(/^SOURCE '[^']+' \| /, '')]]];
      const lines = widget.lines.map(({ label, metric, stat }) => [label, metric.name, metric.dimensions, stat]);
      return [[widget.title, lines]];
    });
    const shown = panels.map(({ title, targets }) => [
      title,
      targets.map(({ expression, label, metricName, dimensions, statistic }) =>
        expression === undefined ? [label, metricName, dimensions, statistic] : expression,
      ),
    ]);
    expect(shown).toEqual(expected);
  });

  it('has no panel upon another, or beyond the 24 columns, and names no deployment', () => {
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) => {
      expect(x + w).toBeLessThanOrEqual(24);
      return Array.from({ length: w * h }, (_, i) => `${x + (i % w)},${y + Math.floor(i / w)}`);
    });
    expect(new Set(cells).size).toBe(cells.length);
    expect(JSON.stringify(panels)).not.toMatch(/\$\{(AWS::|Stage|\w+Queue\.)|ecs-drain-main/);
  });
});
