import { CustomChart, type CustomSeriesOption, LineChart, type LineSeriesOption } from 'echarts/charts';
import { GridComponent, type GridComponentOption, MarkPointComponent } from 'echarts/components';
import { type ComposeOption, type EChartsCoreOption, init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import type { DrillResult, Judged } from '../result.ts';
import { escaped, Html, html } from './html.ts';
import { type InstanceLife, laneOfEach, type Mark, type Phase, type TaskLife } from './timeline.ts';
import { count, duration, minute, percent } from './words.ts';

/**
 * The report's charts, by Apache ECharts: it renders SVG without a browser, so the page needs no script. Colors are the
 * page's CSS variables, which follow light and dark; patterns, dashes and shapes say the same without color.
 */

use([CustomChart, GridComponent, LineChart, MarkPointComponent, SVGRenderer]);

type Option = ComposeOption<LineSeriesOption | CustomSeriesOption | GridComponentOption>;

export const WIDTH = 1080;

/** How each drainer's line is drawn. */
const LINES = {
  'ecs-drain': { dash: [], width: 3, symbol: 'circle' },
  none: { dash: [9, 5], width: 2, symbol: 'rect' },
  book: { dash: [2, 4], width: 2.5, symbol: 'triangle' },
  external: { dash: [12, 3, 3, 3], width: 2.5, symbol: 'diamond' },
} as const satisfies Record<Judged, unknown>;

/** The signs in the timeline, each in a box of 16 by 16. */
const SIGNS = {
  held: 'M4 2h3v12h-3zM9 2h3v12h-3z',
  heartbeat: 'M8 14L2.2 8.2A3.6 3.6 0 0 1 8 4.2A3.6 3.6 0 0 1 13.8 8.2z',
  continuation: 'M2 2L8 8L2 14zM8 2L14 8L8 14z',
  completed: 'M1.5 8.5L4 6L6.5 8.7L12.3 2.5L14.8 5L6.5 13.7z',
  'timed out': 'M2 1H14V3.5L9.5 8L14 12.5V15H2V12.5L6.5 8L2 3.5z',
  terminated: 'M3 3H13V13H3z',
  killed: 'M3.5 1L8 5.5L12.5 1L15 3.5L10.5 8L15 12.5L12.5 15L8 10.5L3.5 15L1 12.5L5.5 8L1 3.5z',
} as const satisfies Record<Mark | 'killed', string>;

/** The fills of a task's phases, to be once in the page; bars and legend refer to them. */
export const PATTERNS = new Html(
  `<svg class="patterns" width="0" height="0" aria-hidden="true" focusable="false"><defs>${[
    pattern('starting', 8, '<path d="M-2 2L2 -2M0 8L8 0M6 10L10 6"/>'),
    pattern('running', 8, ''),
    pattern('deactivating', 6, '<circle cx="3" cy="3" r="1.2"/>'),
    pattern('stopping', 5, '<path d="M1.5 0V5"/>'),
  ].join('')}</defs></svg>`,
);

function pattern(phase: Phase, size: number, ink: string): string {
  return `<pattern id="${phase}" width="${size}" height="${size}" patternUnits="userSpaceOnUse"><rect width="${size}" height="${size}" fill="var(--${phase})"/><g class="pattern-ink ${phase}">${ink}</g></pattern>`;
}

/** A phase's fill or a mark's sign, as the timeline draws it. */
export function swatchOf(name: Phase | keyof typeof SIGNS): Html {
  const shape =
    name in SIGNS
      ? `<path d="${SIGNS[name as keyof typeof SIGNS]}" fill="${signColor(name as keyof typeof SIGNS)}"/>`
      : `<rect x="0.5" y="1.5" width="27" height="13" fill="url(#${name})" stroke="var(--${name}-edge)"/>`;
  const width = name in SIGNS ? 16 : 28;
  return new Html(
    `<svg viewBox="0 0 ${width} 16" width="${width}" height="16" aria-hidden="true" focusable="false">${shape}</svg>`,
  );
}

/** A drainer's line, as the chart draws it. */
export function lineSwatchOf(drainer: Judged): Html {
  const { dash, width } = LINES[drainer];
  return html`<svg viewBox="0 0 36 16" width="36" height="16" aria-hidden="true" focusable="false"><path d="M0 8H36" fill="none" stroke="${colorOf(drainer)}" stroke-width="${width}" stroke-dasharray="${dash.join(' ')}"/></svg>`;
}

function colorOf(drainer: Judged): string {
  return `var(--${drainer})`;
}

function signColor(sign: keyof typeof SIGNS): string {
  return sign === 'killed' || sign === 'timed out' ? 'var(--danger)' : 'var(--ink)';
}

/** The first of the lowest points of a run's MemoryReservation. */
export function lowest({ memoryReservation: { series } }: DrillResult) {
  return series.reduce<(typeof series)[number] | undefined>(
    (low, point) => (low && low.percent <= point.percent ? low : point),
    undefined,
  );
}

const MEMORY = { left: 52, right: 28, top: 16, bottom: 48, height: 360 } as const;

/** MemoryReservation over time, a line a run. */
export function memoryChart(runs: readonly DrillResult[], name: string): Html {
  const { height, ...grid } = MEMORY;
  const points = runs.flatMap(({ memoryReservation: { series } }) => series);
  const minutes = minutesAxis(Math.max(1, ...points.map((point) => point.minute)));
  const percents = { min: 0, max: Math.ceil(Math.max(100, ...points.map((point) => point.percent)) / 20) * 20 };
  const labelled = lowestLabels(runs, minutes.max, percents.max);
  const option: Option = {
    animation: false,
    textStyle: { fontFamily: 'inherit' },
    grid: { ...grid, outerBoundsMode: 'none' },
    xAxis: { ...minutes, ...MINUTES },
    yAxis: {
      type: 'value',
      ...percents,
      interval: 20,
      axisLabel: { ...TEXT, formatter: '{value} %' },
      axisLine: { show: false },
      axisTick: { show: false },
      splitLine: GRID_LINE,
    },
    series: runs.map((run, index) => memoryLine(run, labelled[index])),
  };
  return svgOf(option, height, name);
}

/** Counts that change now and then, in steps: a line for each, four at most. */
export interface Steps {
  readonly name: string;
  /** Second and count. */
  readonly points: readonly (readonly [second: number, count: number])[];
}

/** How many tasks run, over time. */
export function stepsChart(lines: readonly Steps[], seconds: number, name: string): Html {
  const { height, ...grid } = MEMORY;
  const most = Math.max(1, ...lines.flatMap(({ points }) => points.map(([, count]) => count)));
  const minutes = minutesAxis(Math.max(1, Math.ceil(seconds / 60)));
  const styles = Object.entries(LINES);
  const option: Option = {
    animation: false,
    textStyle: { fontFamily: 'inherit' },
    grid: { ...grid, outerBoundsMode: 'none' },
    xAxis: { ...minutes, ...MINUTES },
    yAxis: {
      type: 'value',
      min: 0,
      max: most + 1,
      minInterval: 1,
      axisLabel: TEXT,
      axisLine: { show: false },
      axisTick: { show: false },
      splitLine: GRID_LINE,
    },
    series: lines.map(({ points }, i): LineSeriesOption => {
      const [key = '', { dash, width }] = styles[i % styles.length] ?? styles[0] ?? ['', { dash: [], width: 2 }];
      const end = points.at(-1)?.[1] ?? 0;
      return {
        type: 'line',
        step: 'end',
        silent: true,
        clip: false,
        showSymbol: false,
        data: [...points.map(([second, count]) => [second / 60, count]), [seconds / 60, end]],
        lineStyle: { color: `var(--${key})`, width, ...(dash.length && { type: [...dash] }) },
      };
    }),
  };
  return svgOf(option, height, name);
}

/** The sign of a line of that chart, by its place. */
export function stepsSwatchOf(i: number): Html {
  const drainers = Object.keys(LINES) as Judged[];
  return lineSwatchOf(drainers[i % drainers.length] ?? 'ecs-drain');
}

/** The label of a run's lowest point, and how far from the point it stands. */
interface LowestLabel {
  readonly text: string;
  readonly coord: [number, number];
  readonly offset: [number, number];
}

/** Where the labels of the lowest points stand: under them, over them near the axis, and never on each other. */
function lowestLabels(runs: readonly DrillResult[], maxMinute: number, maxPercent: number) {
  const labels: { x: number; y: number; halfWidth: number }[] = [];
  const plot = { width: WIDTH - MEMORY.left - MEMORY.right, height: MEMORY.height - MEMORY.top - MEMORY.bottom };
  return runs.map((run): LowestLabel | undefined => {
    const low = lowest(run);
    if (!low) return undefined;
    const text = `${run.drainer}: lowest ${percent(low.percent)}`;
    const halfWidth = text.length * 4;
    const pointX = (low.minute / maxMinute) * plot.width;
    const pointY = (1 - low.percent / maxPercent) * plot.height;
    const x = Math.min(Math.max(pointX, halfWidth), plot.width - halfWidth);
    const step = pointY > plot.height - 70 ? -18 : 18;
    let y = pointY + step;
    while (labels.some((other) => Math.abs(other.y - y) < 18 && Math.abs(other.x - x) < other.halfWidth + halfWidth)) {
      y += step;
    }
    labels.push({ x, y, halfWidth });
    return { text, coord: [low.minute, low.percent], offset: [x - pointX, y - pointY] };
  });
}

function memoryLine({ drainer, memoryReservation }: DrillResult, label: LowestLabel | undefined): LineSeriesOption {
  const { dash, width, symbol } = LINES[drainer];
  const color = colorOf(drainer);
  return {
    type: 'line',
    silent: true,
    clip: false,
    showSymbol: false,
    data: memoryReservation.series.map((point) => [point.minute, point.percent]),
    lineStyle: { color, width, ...(dash.length && { type: [...dash] }) },
    ...(label && {
      markPoint: {
        silent: true,
        data: [{ name: label.text, coord: label.coord }],
        symbol,
        symbolSize: 11,
        itemStyle: { color, borderColor: 'var(--surface)', borderWidth: 2 },
        label: {
          position: 'inside',
          offset: label.offset,
          formatter: label.text,
          color,
          fontSize: 13,
          fontWeight: 'bold',
          // A line that passes behind the words would strike them through.
          backgroundColor: 'var(--surface)',
          padding: [2, 3],
        },
      },
    }),
  };
}

/** A shape of the timeline, and what a pointer on it shows, if anything. */
interface Shape {
  readonly from: number;
  readonly to?: number;
  readonly y: number;
  readonly height: number;
  readonly draw: 'life' | 'hold' | Phase | keyof typeof SIGNS | 'cut';
  readonly title?: string;
  readonly label?: string;
}

interface Caption {
  readonly y: number;
  readonly text: string;
  readonly style: 'heading' | 'instance' | 'detail' | 'danger';
}

const TOP = 34;
const LEFT = 178;
const RIGHT = 28;
const HOOK_LANE = 18;
/** More sub-rows than these in an instance's row are not drawn; more than those in all are drawn narrow. */
const MAX_LANES = 24;
const MANY_LANES = 120;

/** A row an instance: its life, its tasks through their phases, the marks of its hook. `detailOf` is the row's second line. */
export function timelineChart(
  instances: readonly InstanceLife[],
  endSecond: number,
  name: string,
  detailOf: (instance: InstanceLife) => string,
): Html {
  const axis = minutesAxis(Math.max(endSecond / 60, 1));
  const secondsPerPixel = (axis.max * 60) / (WIDTH - LEFT - RIGHT);
  const { shapes, captions, height } = layOut(instances, endSecond, secondsPerPixel, detailOf);
  const option: Option = {
    animation: false,
    textStyle: { fontFamily: 'inherit' },
    grid: { left: LEFT, right: RIGHT, top: TOP, bottom: 48, outerBoundsMode: 'none' },
    xAxis: [
      { ...axis, position: 'top' },
      { ...axis, ...MINUTES, position: 'bottom' },
    ],
    yAxis: { type: 'value', min: 0, max: 1, show: false },
    series: [
      {
        type: 'custom',
        clip: false,
        data: shapes.map(() => [0, 0]),
        renderItem: ({ dataIndex }, api) => {
          const x = (second: number) => api.coord([second / 60, 0])[0] ?? 0;
          const shape = shapes[dataIndex];
          return shape ? drawn(shape, x(shape.from), x(shape.to ?? shape.from)) : null;
        },
      },
      {
        type: 'custom',
        clip: false,
        silent: true,
        data: captions.map(() => [0, 0]),
        renderItem: ({ dataIndex }) => {
          const caption = captions[dataIndex];
          return caption ? drawnCaption(caption) : null;
        },
      },
    ],
  };
  return svgOf(option, TOP + height + 48, name, (index) => shapes[index]?.title);
}

/** Places every row, from the top down, in pixels. */
function layOut(
  instances: readonly InstanceLife[],
  endSecond: number,
  secondsPerPixel: number,
  detailOf: (instance: InstanceLife) => string,
) {
  const shapes: Shape[] = [];
  const captions: Caption[] = [];
  const rows = instances.map((instance) => {
    const lanes = [...laneOfEach(instance.tasks)].filter(([, lane]) => lane < MAX_LANES);
    return { instance, lanes, laneCount: Math.max(0, ...lanes.map(([, lane]) => lane + 1)) };
  });
  const laneHeight = rows.reduce((sum, { laneCount }) => sum + laneCount, 0) > MANY_LANES ? 7 : 14;
  const leaving = ({ terminatingAt }: InstanceLife) => terminatingAt !== undefined;
  let y = TOP;
  for (const [index, { instance, lanes, laneCount }] of rows.entries()) {
    const before = instances[index - 1];
    if (!before || leaving(before) !== leaving(instance)) {
      captions.push({ y: y + 16, text: leaving(instance) ? 'Terminating' : 'Staying or new', style: 'heading' });
      y += 30;
    }
    const marksHeight = instance.marks.length ? HOOK_LANE : 3;
    const height = Math.max(marksHeight + laneCount * (laneHeight + 2) + 2, 36);
    const killed = instance.tasks.filter((task) => task.killed).length;
    captions.push({ y: y + 11, text: instance.instanceId, style: 'instance' });
    captions.push({ y: y + 26, text: detailOf(instance), style: killed ? 'danger' : 'detail' });
    const hidden = instance.tasks.length - lanes.length;
    if (hidden) captions.push({ y: y + 41, text: `and ${count(hidden, 'more task')}`, style: 'detail' });
    const { instanceId, from, terminatedAt: to = endSecond } = instance;
    shapes.push({ draw: 'life', from, to, y, height, title: `${instanceId}: ${minute(from)} to ${minute(to)}` });
    for (const hold of instance.holds) {
      const title = `${instanceId}: hook holds for ${duration((hold.to ?? endSecond) - hold.from)}`;
      shapes.push({ draw: 'hold', from: hold.from, to: hold.to ?? endSecond, y: y + 1, height: HOOK_LANE - 2, title });
    }
    for (const [task, lane] of lanes) {
      shapes.push(...taskShapes(task, y + marksHeight + lane * (laneHeight + 2), laneHeight));
    }
    if (killed) shapes.push({ draw: 'cut', from: to, y, height });
    let freeFrom = Number.NEGATIVE_INFINITY;
    const lesser = ({ mark }: InstanceLife['marks'][number]) => Number(mark === 'heartbeat');
    for (const { mark, second, what } of instance.marks.toSorted((a, b) => lesser(b) - lesser(a))) {
      // A hook's completion and the termination are seconds apart: the later sign gives way. Heartbeats are too many to.
      const from = mark === 'heartbeat' ? second : Math.max(second, freeFrom);
      if (mark !== 'heartbeat') freeFrom = from + 14 * secondsPerPixel;
      shapes.push({ draw: mark, from, y: y + 4, height: 11, title: `${instanceId}, ${minute(second)}: ${what}` });
    }
    y += height + 8;
  }
  return { shapes, captions, height: y - TOP };
}

function taskShapes(task: TaskLife, y: number, height: number): Shape[] {
  const group = task.group.replace(/^service:/, '');
  const longest = task.stretches
    .filter(({ phase }) => phase === 'running')
    .sort((a, b) => b.to - b.from - (a.to - a.from))[0];
  const bars = task.stretches.map((stretch): Shape => {
    const { phase, from, to } = stretch;
    const title = `${group}, task ${task.taskId}: ${phase} from ${minute(from)} to ${minute(to)} (${duration(to - from)})`;
    return { draw: phase, from, to, y, height, title, ...(stretch === longest && height > 10 && { label: group }) };
  });
  if (!task.killed || task.endedAt === undefined) return bars;
  const title = `${group}, task ${task.taskId}: killed at ${minute(task.endedAt)}`;
  return [...bars, { draw: 'killed', from: task.endedAt, y: y - 1, height: Math.min(height + 2, 13), title }];
}

type Drawn = ReturnType<NonNullable<CustomSeriesOption['renderItem']>>;

function drawn({ draw, y, height, label }: Shape, x: number, xEnd: number): Drawn {
  const box = { x, y, width: Math.max(xEnd - x, 1), height };
  switch (draw) {
    case 'life':
      return { type: 'rect', shape: { ...box, r: 3 }, style: { fill: 'var(--life)' } };
    case 'hold':
      return { type: 'rect', shape: { ...box, r: 3 }, style: { fill: 'var(--hold)', stroke: 'var(--hold-edge)' } };
    case 'cut':
      return { type: 'rect', shape: { ...box, x: x - 1, width: 2 }, style: { fill: 'var(--danger)' } };
    case 'starting':
    case 'running':
    case 'deactivating':
    case 'stopping': {
      const fits = label && label.length * 6.2 + 8 < box.width;
      return {
        type: 'rect',
        shape: { x: x + 0.5, y: y + 0.5, width: Math.max(box.width - 1, 0.5), height: height - 1 },
        style: { fill: `url(#${draw})`, stroke: `var(--${draw}-edge)`, lineWidth: 1 },
        ...(fits && {
          textContent: {
            type: 'text',
            style: {
              text: label,
              fill: 'var(--on-running)',
              font: '11px inherit',
              fontSize: 11,
              fontFamily: 'inherit',
            },
          },
          textConfig: { position: 'insideLeft', distance: 4 },
        }),
      };
    }
    default:
      return {
        type: 'path',
        shape: { pathData: SIGNS[draw], x: x - height / 2, y, width: height, height, layout: 'center' },
        style: { fill: signColor(draw), stroke: 'var(--surface)', lineWidth: 2, strokeFirst: true },
      };
  }
}

const CAPTION_STYLES = {
  heading: { fill: 'var(--ink)', fontSize: 13, fontWeight: 'bold', fontFamily: 'inherit' },
  instance: { fill: 'var(--ink)', fontSize: 11.5, fontFamily: 'var(--mono)' },
  detail: { fill: 'var(--muted)', fontSize: 11.5, fontFamily: 'inherit' },
  danger: { fill: 'var(--danger)', fontSize: 11.5, fontWeight: 'bold', fontFamily: 'inherit' },
} as const satisfies Record<Caption['style'], unknown>;

function drawnCaption({ y, text, style }: Caption): Drawn {
  return { type: 'text', style: { x: 2, y, text, verticalAlign: 'middle', ...CAPTION_STYLES[style] } };
}

const TEXT = { color: 'var(--muted)', fontSize: 12 } as const;
const GRID_LINE = { lineStyle: { color: 'var(--grid)' } } as const;

const MINUTES = { name: 'minutes', nameLocation: 'middle', nameGap: 30, nameTextStyle: TEXT } as const;

/** An axis of minutes that ends on a tick. */
function minutesAxis(end: number) {
  const interval = [1, 2, 5, 10, 15, 30, 60, 120].find((step) => end / step <= 13) ?? 240;
  return {
    type: 'value' as const,
    min: 0,
    max: Math.ceil(end / interval) * interval,
    interval,
    axisLabel: TEXT,
    axisLine: { show: true, onZero: false, lineStyle: { color: 'var(--grid-edge)' } },
    axisTick: { show: true, lineStyle: { color: 'var(--grid-edge)' } },
    splitLine: GRID_LINE,
  };
}

/** Renders to SVG: an image of that name for a screen reader, and a tooltip on each shape that has a title. */
export function svgOf(
  option: EChartsCoreOption,
  height: number,
  name: string,
  titleOf?: (index: number) => string | undefined,
): Html {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height });
  try {
    chart.setOption(option);
    return new Html(
      chart
        .renderToSVGString({ useViewBox: true })
        .replace(/^<svg[^>]*>/, `<svg role="img" aria-label="${escaped(name)}" viewBox="0 0 ${WIDTH} ${height}">`)
        // Hover styles, for a page with a script, and the clips of an animation: numbered by process, so that the same
        // run would not be the same bytes.
        .replace(/<(style|defs)[\s\S]*?<\/\1>/g, '')
        .replace(/ (class|clip-path|pointer-events|ecmeta_s(sr_type|ilent))="[^"]*"/g, '')
        .replace(/ ecmeta_series_index="(\d+)" ecmeta_data_index="(\d+)"([^>]*>)/g, (_, series, index, rest) => {
          const title = series === '0' && titleOf?.(Number(index));
          return title ? `${rest}<title>${escaped(title)}</title>` : rest;
        })
        .replaceAll('\n', ''),
    );
  } finally {
    chart.dispose();
  }
}
