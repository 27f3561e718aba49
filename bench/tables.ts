import Table from 'cli-table3';
import type { ColdStart, Start } from './cold-start.ts';
import { titleOf } from './contest.ts';
import { type Day, figure, type Goal, type Summary, spreadFigure } from './figures.ts';

/** The benchmark's figures as tables, for the terminal and for docs/benchmark.md. */

export interface FigureTable {
  readonly title: string;
  readonly head: readonly string[];
  /** Each begins with what the row is about. */
  readonly rows: readonly (readonly string[])[];
}

export function inTerminal({ title, head, rows }: FigureTable): string {
  const colAligns = head.map((_, i) => (i === 0 ? 'left' : 'right'));
  const table = new Table({ head: [...head], colAligns, style: { head: [], border: [], compact: true } });
  table.push(...rows.map((row) => [...row]));
  return `\n${title}\n${table}`;
}

export function inMarkdown({ title, head, rows }: FigureTable): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [`### ${title}`, '', line(head), line(head.map((_, i) => (i === 0 ? '---' : '--:'))), ...rows.map(line)].join(
    '\n',
  );
}

/** One trial: a row a contestant. */
export function contestTable(summaries: readonly Summary[]): FigureTable {
  return summaries[0]?.trial.instances === 1 ? loneTable(summaries) : fleetTable(summaries);
}

/** For one instance: each run has one drain, and there are many runs. */
function loneTable(summaries: readonly Summary[]): FigureTable {
  const [first] = summaries;
  if (!first) throw new Error('There is no one to compare.');
  return {
    title: sentence(titleOf(first.trial)),
    head: [
      'a drain',
      'billed s',
      'invocations',
      'AWS calls',
      'refused',
      'slack p50 s',
      'p99 s',
      'max s',
      '$ a 1,000',
      'in all: peak concurrency',
      'tasks killed',
      'of these cut off',
      'left to timeout',
    ],
    rows: summaries.map((summary) => {
      const { contestant, drains, slackSeconds: slack } = summary;
      return [
        contestant,
        figure(summary.billedSeconds),
        figure(summary.invocations),
        figure(summary.calls),
        figure(summary.refusedCalls),
        figure(slack.p50),
        figure(slack.p99),
        figure(slack.max),
        summary.dollarsAThousandDrains.toFixed(4),
        figure(summary.peakConcurrency),
        figure(summary.tasksKilledInAll),
        figure(summary.tasksCutOffInAll),
        `${figure(summary.leftToTimeoutInAll)} of ${figure(drains)}`,
      ];
    }),
  };
}

/** For a fleet: few runs of many drains, and chance differs from run to run. */
function fleetTable(summaries: readonly Summary[]): FigureTable {
  const [first] = summaries;
  if (!first) throw new Error('There is no one to compare.');
  return {
    title: `${sentence(titleOf(first.trial))}, ${first.runs} runs`,
    head: [
      'a drain',
      'billed s',
      'invocations',
      'AWS calls',
      'refused',
      'slack p50 s',
      'p99 s',
      'max s',
      '$ a 1,000',
      'peak concurrency',
      'a run: tasks killed',
      'of these cut off',
      'left to timeout',
    ],
    rows: summaries.map((summary) => {
      const { contestant, slackSeconds: slack } = summary;
      return [
        contestant,
        spreadFigure(summary.billedSecondsByRun),
        figure(summary.invocations),
        spreadFigure(summary.callsByRun),
        figure(summary.refusedCalls),
        figure(slack.p50),
        figure(slack.p99),
        figure(slack.max),
        summary.dollarsAThousandDrains.toFixed(4),
        figure(summary.peakConcurrency),
        spreadFigure(summary.tasksKilledOfARun),
        spreadFigure(summary.tasksCutOffOfARun),
        spreadFigure(summary.leftToTimeoutOfARun),
      ];
    }),
  };
}

/** A day without drains: a row a contestant. */
export function dayTable(days: readonly Day[]): FigureTable {
  const [first] = days;
  return {
    title: sentence(first ? titleOf(first.trial) : ''),
    head: ['a day', 'billed s', 'invocations', 'AWS calls', '$'],
    rows: days.map(({ contestant, billedSeconds, invocations, calls, dollars }) => [
      contestant,
      figure(billedSeconds),
      figure(invocations),
      figure(calls),
      dollars.toFixed(4),
    ]),
  };
}

/** AWS calls of a drain by kind: a row a kind, a column a contestant. */
export function callsTable(summaries: readonly Summary[]): FigureTable {
  const kinds = [...new Set(summaries.flatMap(({ callsByKind }) => Object.keys(callsByKind)))].sort();
  const [first] = summaries;
  return {
    title: `AWS calls by kind: ${first ? titleOf(first.trial) : ''}`,
    head: ['a drain', ...summaries.map(({ contestant }) => contestant)],
    rows: kinds.map((kind) => [kind, ...summaries.map(({ callsByKind }) => figure(callsByKind[kind] ?? 0))]),
  };
}

/** How figures grow with a size: each beside its ratio to the first. */
export function growthTable(by: 'tasks an instance' | 'instances at once', summaries: readonly Summary[]): FigureTable {
  const [first] = summaries;
  if (!first) throw new Error('There is nothing that could grow.');
  const sizeOf = ({ trial }: Summary) => (by === 'instances at once' ? trial.instances : trial.tasksAnInstance);
  const cells = (summary: Summary, of: (summary: Summary) => number) => [
    figure(of(summary)),
    figure(of(summary) / of(first)),
  ];
  return {
    title: `${first.contestant}: growth with ${by}`,
    head: [by, 'AWS calls a drain', 'ratio', 'billed s a drain', 'ratio', 'slack p99 s', 'ratio'],
    rows: summaries.map((summary) => [
      figure(sizeOf(summary)),
      ...cells(summary, ({ calls }) => calls),
      ...cells(summary, ({ billedSeconds }) => billedSeconds),
      ...cells(summary, ({ slackSeconds }) => slackSeconds.p99),
    ]),
  };
}

/** When the last instance of a fleet was DRAINING: a row a contestant, a column a fleet. */
export function drainingTable(fleets: readonly (readonly Summary[])[], bounds: readonly number[]): FigureTable {
  const contestants = fleets[0]?.map(({ contestant }) => contestant) ?? [];
  return {
    title: 'Seconds until the last instance is DRAINING',
    head: ['instances at once', ...fleets.map(([summary]) => figure(summary?.trial.instances ?? 0))],
    rows: [
      ['the bound', ...bounds.map(figure)],
      ...contestants.map((contestant, i) => [
        contestant,
        ...fleets.map((summaries) => {
          const seconds = summaries[i]?.allDrainingAfterSeconds;
          return seconds === null || seconds === undefined ? 'never all' : figure(seconds);
        }),
      ]),
    ],
  };
}

export function coldStartTable({ runs, zipBytes, ...starts }: ColdStart): FigureTable {
  const row = (what: string, { medianMs, leastMs, medianCpuMs }: Start) =>
    [what, ...[medianMs, leastMs, medianCpuMs].map(Math.round).map(String)] as const;
  return {
    title: `Cold start: import and initialization, ${runs} fresh processes each, Node ${process.versions.node}; the package has ${kilobytes(zipBytes)} KB zipped`,
    head: ['', 'median ms', 'least ms', 'median ms of CPU'],
    rows: [
      row('the package', starts.bundled),
      row('of it: Node’s own modules that it imports', starts.builtins),
      row('the package, if V8 had compiled it before', starts.precompiled),
      row('the same code unbundled', starts.unbundled),
      starts.book
        ? row('the book’s: boto3 and its three clients', starts.book)
        : ['the book’s: no python3 with boto3 here', '–', '–', '–'],
    ],
  };
}

export function goalsTable(goals: readonly Goal[]): FigureTable {
  return {
    title: 'Figures to reach, by ecs-drain',
    head: ['', 'to reach', 'seen', 'reached'],
    rows: goals.map(({ what, limit, seen, reached }) => [what, limit, seen, reached ? 'yes' : 'NO']),
  };
}

/** As AWS and disks count them: thousands of bytes. */
export function kilobytes(bytes: number): number {
  return Math.round(bytes / 1000);
}

function sentence(words: string): string {
  return words.charAt(0).toUpperCase() + words.slice(1);
}
