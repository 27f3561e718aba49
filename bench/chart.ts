import { BarChart, type BarSeriesOption } from 'echarts/charts';
import { GridComponent, type GridComponentOption, TitleComponent, type TitleComponentOption } from 'echarts/components';
import { type ComposeOption, init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import { figure, type Summary } from './figures.ts';

use([BarChart, GridComponent, TitleComponent, SVGRenderer]);

type Option = ComposeOption<BarSeriesOption | GridComponentOption | TitleComponentOption>;

/** The colors of the drill's report, on a page's own background. */
const THEMES = {
  'benchmark.svg': { ink: '#15202b', muted: '#4a5868', ours: '#0a62c4', others: '#8592a1' },
  'benchmark-dark.svg': { ink: '#e8eef5', muted: '#a6b4c3', ours: '#6cb2ff', others: '#6b7c8e' },
} as const;

const NAME = 'The benchmark of ecs-drain, the book’s function and three rivals';
const WIDTH = 1080;
const PANEL = { top: 44, left: 128, height: 168, gap: 76, width: 310 } as const;
const HEIGHT = 2 * (PANEL.top + PANEL.height) + 28;

/** One figure of each contestant. */
interface Panel {
  readonly title: string;
  readonly value: (lone: Summary, fleet: Summary) => number;
}

const PANELS: readonly Panel[] = [
  { title: '6-minute drain: billed seconds', value: ({ billedSeconds }) => billedSeconds },
  { title: '6-minute drain: tasks killed of 10', value: ({ tasksKilledInAll, drains }) => tasksKilledInAll / drains },
  { title: '500 at once, 5,000 tasks: tasks killed', value: (_, { tasksKilledOfARun }) => tasksKilledOfARun.mean },
  { title: '500 at once: peak concurrent executions', value: (_, { peakConcurrency }) => peakConcurrency },
];

/** The SVG of each theme, by the name of its file. */
export function chartsOf(lone: readonly Summary[], fleet: readonly Summary[]): Record<keyof typeof THEMES, string> {
  const drawn = Object.entries(THEMES).map(([file, theme]) => [file, chart(lone, fleet, theme)]);
  return Object.fromEntries(drawn);
}

function chart(
  lone: readonly Summary[],
  fleet: readonly Summary[],
  { ink, muted, ours, others }: (typeof THEMES)[keyof typeof THEMES],
): string {
  const names = lone.map(({ contestant }) => contestant);
  const at = (index: number) => ({
    left: PANEL.left + (index % 2) * (WIDTH / 2),
    top: PANEL.top + Math.floor(index / 2) * (PANEL.top + PANEL.height),
  });
  const option: Option = {
    animation: false,
    textStyle: { fontFamily: 'system-ui, sans-serif' },
    title: PANELS.map(({ title }, index) => ({
      text: title,
      left: at(index).left - 8,
      top: at(index).top - 32,
      textStyle: { color: ink, fontSize: 15 },
    })),
    grid: PANELS.map((_, index) => ({
      ...at(index),
      width: PANEL.width,
      height: PANEL.height - PANEL.top / 4,
      outerBoundsMode: 'none' as const,
    })),
    xAxis: PANELS.map((_, gridIndex) => ({ gridIndex, type: 'value' as const, show: false })),
    yAxis: PANELS.map((_, gridIndex) => ({
      gridIndex,
      type: 'category' as const,
      data: names,
      inverse: true,
      axisLine: { show: false },
      axisTick: { show: false },
      axisLabel: { color: muted, fontSize: 13 },
    })),
    series: PANELS.map(({ value }, index) => ({
      type: 'bar' as const,
      xAxisIndex: index,
      yAxisIndex: index,
      barWidth: 14,
      silent: true,
      data: lone.map((summary, i) => {
        const number = value(summary, fleet[i] ?? summary);
        return {
          value: number,
          itemStyle: { color: summary.contestant.startsWith('ecs-drain') ? ours : others },
          label: { show: true, position: 'right' as const, formatter: figure(number), color: ink, fontSize: 13 },
        };
      }),
    })),
  };
  const drawing = init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height: HEIGHT });
  try {
    drawing.setOption(option);
    // Hover styles, clips and their marks are numbered by process: without them the same figures are the same bytes.
    return drawing
      .renderToSVGString({ useViewBox: true })
      .replace('<svg ', `<svg role="img" aria-label="${NAME}" `)
      .replace(/<(style|defs)[\s\S]*?<\/\1>/g, '')
      .replace(/ (class|clip-path|pointer-events|ecmeta_\w+)="[^"]*"/g, '');
  } finally {
    drawing.dispose();
  }
}
