import { styleText } from 'node:util';
import Table from 'cli-table3';
import { createLogUpdate } from 'log-update';
import { duration } from '../src/adapters/duration.ts';
import { NO_TERMINAL, type Page, pageOf, sizeOf, wrapped } from '../terminal/layout.ts';
import type { Benchmarked, DrainResult, DrillEvent, DrillResult, Judged } from './result.ts';
import { clockFace, headlineOf, paceOf, reportsIn, sentenceOf, type Where } from './sentences.ts';

/** Shows a drill as it goes on. */
export interface View {
  /** Shows an event; one that only says how things stood when the drill began is worth no line. */
  show(event: DrillEvent, stood: boolean, atMs: number): void;
  end(): void;
}

type Write = (text: string) => unknown;

const COLORS = { ec2: 'red', ecs: 'cyan', autoscaling: 'yellow', eventbridge: 'magenta', lambda: 'green' } as const;
const FRAME_MS = 50;
const MOST_INSTANCES = 20;
const MOST_LINES = 12;
/** A table without lines: it fits a terminal of 80 columns by 24 rows. */
const PLAIN_TABLE = {
  style: { head: [], border: [], 'padding-left': 0, 'padding-right': 2 },
  chars: Object.fromEntries(
    'top top-mid top-left top-right bottom bottom-mid bottom-left bottom-right left left-mid mid mid-mid right right-mid middle'
      .split(' ')
      .map((name) => [name, '']),
  ),
};

export const NO_VIEW: View = { show: () => {}, end: () => {} };

/** What is played, and how to stop it. */
export function titleOf(drill: {
  readonly scenario: string;
  readonly description: string;
  readonly drainer: string;
  readonly seed: number;
  readonly speed: number | undefined;
}): string {
  const { scenario, description, drainer, seed, speed } = drill;
  const pace = speed === undefined ? 'as fast as this machine can' : paceOf(speed);
  return `${scenario}: ${description}\ndrainer ${drainer}, seed number ${seed}, ${pace}; Ctrl-C stops it`;
}

/** One line for each thing worth one. */
export function linesView(write: Write, page: Page = NO_TERMINAL): View {
  return {
    show: (event, stood, atMs) => {
      const line = stood ? undefined : lineOf(event, atMs);
      if (line !== undefined) write(`${wrapped(colored(line), page)}\n`);
    },
    end: () => {},
  };
}

/** The same in a terminal, with a line that stays at its foot. */
export function footedView(stream: NodeJS.WriteStream, foot: () => string): View {
  const update = createLogUpdate(stream);
  const above = linesView((text) => update.persist(text.trimEnd()), pageOf(stream));
  return {
    show: (...event) => {
      above.show(...event);
      update(styleText('bold', cut(foot(), sizeOf(stream).columns)));
    },
    end: update.done,
  };
}

/** A screen that redraws itself: every instance with its tasks, and what happened last. Its clock runs at the drill's speed. */
export function liveView(stream: NodeJS.WriteStream, speed: number, title: string): View {
  const update = createLogUpdate(stream);
  const instances = new Map<string, { state: string; status: string; tasks: Map<string, string> }>();
  const last: Line[] = [];
  let latest = { virtualMs: 0, atMs: performance.now() };

  const of = (instanceId: string) => {
    const known = instances.get(instanceId) ?? { state: '', status: '', tasks: new Map() };
    instances.set(instanceId, known);
    return known;
  };
  const draw = () => {
    if (instances.size === 0) return update('The function is being packaged and deployed …');
    const { columns, rows } = sizeOf(stream);
    const titles = wrapped(title, { columns, hasColor: false }).split('\n');
    const room = rows - 4 - titles.length;
    const there = [...instances].filter(([, { state }]) => state !== 'Terminated');
    // Those that leave are what to look at.
    const [leaving, staying] = [true, false].map((leaves) =>
      there.filter(([, { state }]) => state.startsWith('Terminating') === leaves),
    );
    const shown = [...(leaving ?? []), ...(staying ?? [])].slice(0, Math.min(MOST_INSTANCES, Math.ceil(room / 2)));
    const table = new Table({ ...PLAIN_TABLE, head: ['instance', 'Auto Scaling', 'ECS', 'tasks'] });
    for (const [instanceId, { state, status, tasks }] of shown) {
      const counts = Object.entries(Object.groupBy(tasks.values(), (each) => each));
      table.push([
        shortIds(instanceId),
        state,
        status,
        counts.map(([each, all]) => `${all?.length} ${each}`).join(', '),
      ]);
    }
    const virtualMs = latest.virtualMs + (performance.now() - latest.atMs) * speed;
    const head = `${clockFace(virtualMs)}   ${instances.size - there.length} terminated, ${there.length - shown.length} not shown`;
    const lines = last.slice(-Math.min(MOST_LINES, room - shown.length));
    update(
      [
        ...titles,
        styleText('bold', cut(head, columns)),
        ...rowsOf(table).map((row) => cut(row, columns)),
        '',
        ...lines.map(({ what, ...line }) => colored({ ...line, what: cut(shortIds(what), columns - 22) })),
      ].join('\n'),
    );
  };
  const frames = setInterval(draw, FRAME_MS);

  return {
    show: (event, stood, atMs) => {
      latest = { virtualMs: atMs, atMs: performance.now() };
      if (event.kind === 'instance') of(event.instanceId).state = event.state;
      if (event.kind === 'container-instance') of(event.instanceId).status = event.status;
      if (event.kind === 'task') {
        const { tasks } = of(event.instanceId);
        if (event.status === 'STOPPED') tasks.delete(event.taskId);
        else tasks.set(event.taskId, event.status);
      }
      const line = stood ? undefined : lineOf(event, atMs);
      if (line !== undefined) last.push(line);
      if (last.length > MOST_LINES) last.shift();
    },
    end: () => {
      clearInterval(frames);
      draw();
      update.done();
    },
  };
}

/** The cells are padded, which would wrap in a narrow terminal. */
function rowsOf(table: { toString(): string }): string[] {
  return table
    .toString()
    .split('\n')
    .map((row) => row.trimEnd());
}

/** As much of a text as there are columns for. */
function cut(text: string, columns: number): string {
  return text.length <= columns ? text : `${text.slice(0, columns - 1)}…`;
}

/** The ids of EC2 instances differ most at their ends. */
function shortIds(text: string): string {
  return text.replace(/\bi-[0-9a-f]{12}(?=[0-9a-f]{5}\b)/g, 'i-…');
}

const COLUMNS = `took       from Auto Scaling's hold, or from EC2's notice, to the end of the drain
slack      of this after the last task had stopped: short is good; 0 s if tasks were killed
billed     time of Lambda, shared among the instances of an invocation
calls      to AWS
beats      heartbeats of the hook
turns      later invocations that went on with the drain`;

/** What came of it: the headline, a row for each drain, and why tasks stayed. */
export function summaryOf(result: DrillResult<Benchmarked | Judged>, page: Page): string {
  const { drains } = result;
  const shown = drains.slice(0, MOST_INSTANCES);
  const whole = rowsOn(shown);
  const isWide = Math.max(...whole.map(({ length }) => length)) > page.columns;
  const rows = isWide ? rowsOn(shown.map((drain) => ({ ...drain, instanceId: shortIds(drain.instanceId) }))) : whole;
  const more =
    drains.length > MOST_INSTANCES ? `\nand ${drains.length - MOST_INSTANCES} more drains: --json has them all` : '';
  const why = whyTasksStayed(result);
  return [
    `${wrapped(headlineOf(result), page)}\n`,
    ...(drains.length > 0 ? [`${rows.join('\n')}${more}\n`, `${wrapped(COLUMNS, page)}\n`] : []),
    ...(why.length > 0
      ? ['Why tasks stayed, as the drainer first logged it:', `${wrapped(why.join('\n'), page)}\n`]
      : []),
    `${clockFace(result.virtualSeconds * 1000)} of virtual time in ${result.wallSeconds.toFixed(1)} s`,
  ].join('\n');
}

function rowsOn(drains: readonly DrainResult[]): string[] {
  const table = new Table({
    ...PLAIN_TABLE,
    head: ['instance', 'outcome', 'took', 'slack', 'billed', 'calls', 'beats', 'turns'],
    colAligns: ['left', 'left', 'right', 'right', 'right', 'right', 'right', 'right'],
  });
  for (const drain of drains) {
    const { instanceId, notice, seconds, slackSeconds, billedSeconds, apiCalls, heartbeats, continuations } = drain;
    const outcome = notice === undefined ? drain.outcome : `${drain.outcome}, on a ${notice}`;
    const times = [seconds, slackSeconds, billedSeconds].map(duration);
    table.push([instanceId, outcome, ...times, apiCalls, heartbeats, continuations]);
  }
  return rowsOf(table);
}

/** What the log said of each instance first, when there was still time to help: a line for each group of tasks. */
function whyTasksStayed(result: DrillResult<Benchmarked | Judged>): string[] {
  const first = Map.groupBy(reportsIn(result), ({ instanceId }) => instanceId);
  return [...first.values()].slice(0, MOST_INSTANCES).flatMap(([report]) => {
    if (!report) return [];
    const [what = '', ...groups] = report.why.split(
      / (?=\d+ tasks? of \S+, |And \d+ more\.|Not everything is known\.)/,
    );
    return [
      `${report.instanceId} after ${duration(Math.round(report.second))}: ${what}`,
      ...groups.map((line) => `- ${line}`),
    ];
  });
}

interface Line {
  readonly clock: string;
  readonly where: Where;
  readonly what: string;
}

function lineOf(event: DrillEvent, atMs: number): Line | undefined {
  const told = sentenceOf(event);
  return told && { clock: clockFace(atMs), ...told };
}

function colored({ clock, where, what }: Line): string {
  return `${clock}  ${styleText(COLORS[where], where.padEnd(11))} ${what}`;
}
