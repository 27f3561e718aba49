import { BarChart, type BarSeriesOption, LineChart, type LineSeriesOption } from 'echarts/charts';
import {
  GridComponent,
  type GridComponentOption,
  LegendComponent,
  type LegendComponentOption,
  MarkLineComponent,
  TitleComponent,
  type TitleComponentOption,
} from 'echarts/components';
import { use } from 'echarts/core';
import type { Resource } from '../packaging.ts';
import type { Series } from '../region/cloudwatch/metrics.ts';
import { type Alarm, alarmsIn, answerTo, type Heard, isOn, seriesOfLine, type Widget, widgetsIn } from '../watching.ts';
import { svgOf, WIDTH } from './charts.ts';

/** A package's dashboard, drawn with what CloudWatch heard of a drill: an SVG file of its own, on white as CloudWatch's. */

use([BarChart, GridComponent, LegendComponent, LineChart, MarkLineComponent, TitleComponent]);

const COLUMN = WIDTH / 24;
const ROW = 34;
const INK = '#16191f';
const MUTED = '#545b64';
const EDGE = '#d5dbdb';
const PLOT = { left: 44, right: 18, top: 34, bottom: 48 };

/** A line that is drawn. */
interface Drawn {
  readonly label: string;
  readonly color: string;
  readonly series: Series;
}

/** The parts of ECharts' option that each widget adds to: one of each for each widget. */
interface Parts {
  readonly title: TitleComponentOption[];
  readonly grid: GridComponentOption[];
  readonly legend: LegendComponentOption[];
  readonly xAxis: object[];
  readonly yAxis: object[];
  readonly series: (BarSeriesOption | LineSeriesOption)[];
}

/** The text of the SVG file. The alarms are as they stand when the drill ends. */
export function dashboardOf(resources: Readonly<Record<string, Resource>>, heard: Heard, name: string): string {
  const parts: Parts = { title: [], grid: [], legend: [], xAxis: [], yAxis: [], series: [] };
  const widgets = widgetsIn(resources);
  for (const widget of widgets) {
    switch (widget.kind) {
      case 'alarms':
        addAlarms(parts, widget, alarmsIn(resources), heard);
        break;
      case 'query': {
        const { label, series } = answerTo(widget.query, heard);
        addGraph(parts, widget, [{ label, color: '#1f77b4', series }], heard);
        break;
      }
      case 'graph': {
        const drawn = widget.lines.map((line) => ({ ...line, series: seriesOfLine(line, heard) }));
        addGraph(parts, widget, drawn, heard);
        break;
      }
      default:
        widget satisfies never;
    }
  }
  const height = Math.max(...widgets.map((widget) => widget.y + widget.height)) * ROW + 8;
  const option = { animation: false, backgroundColor: '#fff', textStyle: { fontFamily: 'sans-serif' }, ...parts };
  const svg = svgOf(option, height, name).text;
  return `${svg.replace('<svg ', '<svg xmlns="http://www.w3.org/2000/svg" ')}\n`;
}

function addTitle({ title }: Parts, { x, y, title: text }: Widget): void {
  const textStyle = { color: INK, fontSize: 12, fontWeight: 'bold' } as const;
  title.push({ text, left: x * COLUMN + 6, top: y * ROW + 4, textStyle });
}

const ALARMS_A_ROW = 4;
/** Room for the fonts of Linux, in which text is wider than ECharts takes it to be. */
const WIDER_FONT = 36;

function addAlarms(parts: Parts, widget: Widget, alarms: readonly Alarm[], { datapoints, endMs }: Heard): void {
  addTitle(parts, widget);
  alarms.forEach((alarm, i) => {
    const on = isOn(alarm, datapoints, endMs);
    parts.title.push({
      text: `${on ? 'ALARM' : 'OK'}  ${alarm.name}`,
      left: (widget.x + ((i % ALARMS_A_ROW) * widget.width) / ALARMS_A_ROW) * COLUMN + 10,
      top: widget.y * ROW + 28 + 24 * Math.floor(i / ALARMS_A_ROW),
      backgroundColor: on ? '#d13212' : '#f2f8f0',
      borderColor: on ? '#d13212' : '#1d8102',
      borderWidth: 1,
      borderRadius: 3,
      padding: [5, WIDER_FONT, 5, 5],
      textStyle: { color: on ? '#fff' : '#1d6102', fontSize: 11, fontWeight: 'normal' },
    });
  });
}

function addGraph(parts: Parts, widget: Widget, lines: readonly Drawn[], { startMs, endMs }: Heard): void {
  addTitle(parts, widget);
  const { x, y, width, height } = widget;
  const index = parts.grid.length;
  const nameOf = (label: string) => `${index} ${label}`;
  parts.grid.push({
    left: x * COLUMN + PLOT.left,
    top: y * ROW + PLOT.top,
    width: width * COLUMN - PLOT.left - PLOT.right,
    height: height * ROW - PLOT.top - PLOT.bottom,
    outerBoundsMode: 'none',
  });
  parts.legend.push({
    left: x * COLUMN + 6,
    top: (y + height) * ROW - 22,
    itemWidth: 10,
    itemHeight: 8,
    itemGap: 10,
    icon: 'rect',
    selectedMode: false,
    textStyle: { color: MUTED, fontSize: 10 },
    formatter: (name) => name.slice(name.indexOf(' ') + 1),
    data: lines.map(({ label }) => nameOf(label)),
  });
  const axisLabel = { color: MUTED, fontSize: 10.5 };
  const minuteOf = (atMs: number) => (atMs - startMs) / 60_000;
  const splitLine = { lineStyle: { color: EDGE } };
  parts.xAxis.push({
    gridIndex: index,
    type: 'value',
    min: 0,
    max: Math.ceil(minuteOf(endMs) / 20) * 20,
    interval: 20,
    containShape: false,
    axisLabel: { ...axisLabel, formatter: (value: number) => `${value} min`, alignMaxLabel: 'right' },
    axisLine: { show: true, lineStyle: { color: EDGE } },
    splitLine: { show: false },
  });
  const stacked = widget.kind === 'graph' && widget.stacked;
  const thresholds = widget.kind === 'graph' ? widget.thresholds : [];
  const all = lines.flatMap(({ series }) => series.map(({ value }) => value));
  const top = Math.max(1, ...all, ...thresholds.map(({ value }) => value));
  parts.yAxis.push({
    gridIndex: index,
    type: 'value',
    ...axisTo(top),
    axisLabel,
    splitLine,
  });
  const instants = [...new Set(lines.flatMap(({ series }) => series.map(({ atMs }) => atMs)))].sort((a, b) => a - b);
  lines.forEach(({ label, color, series }, i) => {
    const values = new Map(series.map(({ atMs, value }) => [atMs, value]));
    // ECharts stacks by index: in a stack each has a value for each period. A period that began before is cut.
    const shown = stacked ? instants : [...values.keys()];
    const common = {
      name: nameOf(label),
      xAxisIndex: index,
      yAxisIndex: index,
      itemStyle: { color },
      data: shown.map((atMs) => [Math.max(0, minuteOf(atMs)), values.get(atMs) ?? 0]),
    };
    if (stacked) {
      parts.series.push({ ...common, type: 'bar', stack: `${index}`, barWidth: 9 });
      return;
    }
    const marks = i === 0 ? thresholds : [];
    parts.series.push({
      ...common,
      type: 'line',
      symbol: 'circle',
      symbolSize: 5,
      lineStyle: { color, width: 1.8 },
      ...(marks.length > 0 && {
        markLine: {
          silent: true,
          symbol: 'none',
          lineStyle: { type: 'dashed' },
          data: marks.map((mark) => ({
            yAxis: mark.value,
            lineStyle: { color: mark.color },
            label: { position: 'insideStartTop', formatter: mark.label, color: mark.color, fontSize: 10.5 },
          })),
        },
      }),
    });
  });
}

/** An axis from 0 that leaves the highest value some room, in a few whole steps that people count in. */
function axisTo(value: number) {
  const power = 10 ** Math.floor(Math.log10(value));
  const axes = AXES.filter(([end, steps]) => Number.isInteger((end * power) / steps));
  const [end, steps] = axes.find(([end]) => end * power > value) ?? [20, 4];
  return { min: 0, max: end * power, interval: (end * power) / steps };
}

const AXES = [
  [1.5, 3],
  [2, 2],
  [3, 3],
  [4, 4],
  [6, 3],
  [8, 4],
  [10, 4],
  [12, 4],
] as const;
