/** Looks again and again, and shows what has changed. */

import { createLogUpdate } from 'log-update';
import { type Page, sizeOf, wrapped } from '../terminal/layout.ts';
import { counted, type Deployment, isoTime, type Output } from './common.ts';
import { type DrainStatus, isStuck, presentTasksInLine, whereOf } from './drain-status.ts';
import { type Found, inPlace, type Place, throwIfAlone } from './places.ts';
import type { Session } from './session.ts';

const POLL_SECONDS = 5;

type Terminal = NonNullable<Session['terminal']>;

interface Whole {
  readonly deployment: Deployment;
  readonly drains: readonly DrainStatus[];
}

/**
 * Shows the status until the command is interrupted: in a terminal in place of the one before, elsewhere a line for each drain
 * that has changed, or as JSON the whole. A place that does not answer a later look stays as it was, with the failure.
 */
export async function watch<W extends Whole>(
  read: () => Promise<readonly Found<W>[]>,
  report: (all: readonly Found<W>[], output: Output) => void,
  { page, print, printJson, terminal, sleep, signal }: Session,
): Promise<number> {
  const redraw = terminal && createLogUpdate(screenOn(terminal) as NodeJS.WritableStream);
  let shown: Shown | undefined;
  const show = (all: readonly Found<W>[]) => {
    const lines: string[] = [];
    report(all, { page, print: (text) => void lines.push(wrapped(text, page)), printJson: () => {} });
    const nowMs = all.find(({ answer }) => answer)?.answer?.deployment.nowMs() ?? Date.now();
    const now = isoTime(nowMs);
    if (terminal) redraw?.(screenful(lines, all, `${now}, every ${POLL_SECONDS} s; Ctrl-C ends it`, terminal, page));
    const current = shownOf(all);
    const changes = shown ? changesBetween(shown, current) : current.drains.size > 0 ? firstLines(current) : lines;
    const isFirst = shown === undefined;
    shown = current;
    if (isFirst || changes.length > 0) report(all, { page, print: () => {}, printJson });
    if (!redraw) for (const line of changes) print(`${now} ${line}`);
  };
  let before = await read();
  throwIfAlone(before);
  show(before);
  for (;;) {
    await sleep(POLL_SECONDS * 1000);
    if (signal?.aborted) return 0;
    const now = await read();
    before = now.map((found, i) => ({ ...found, answer: found.answer ?? before[i]?.answer }));
    show(before);
  }
}

/** What has a line of its own where there is no terminal. */
interface Shown {
  readonly drains: ReadonlyMap<string, string>;
  readonly failures: ReadonlySet<string>;
}

function shownOf(all: readonly Found<Whole>[]): Shown {
  const drains = all.flatMap(({ place, answer }) =>
    (answer?.drains ?? []).map(
      (drain, _, own) => [keyOf(drain, place), inPlace(place, lineOn(drain, own), ' ')] as const,
    ),
  );
  const failures = all.flatMap(({ place, failure }) => (failure === undefined ? [] : inPlace(place, failure)));
  return { drains: new Map(drains), failures: new Set(failures) };
}

function firstLines({ drains, failures }: Shown): string[] {
  return [...drains.values(), ...failures];
}

/** What log-update needs of a terminal. */
function screenOn(terminal: Terminal): object {
  return {
    isTTY: true,
    get columns() {
      return sizeOf(terminal).columns;
    },
    get rows() {
      return sizeOf(terminal).rows;
    },
    write: (text: string) => terminal.write(text),
  };
}

/** The whole where it fits into the terminal; else a line for each drain, as many as fit. */
function screenful(
  lines: readonly string[],
  all: readonly Found<Whole>[],
  footer: string,
  terminal: Terminal,
  page: Page,
): string {
  const { rows } = sizeOf(terminal);
  const whole = [...lines, footer].join('\n');
  const short = all.flatMap(({ place, answer }) =>
    (answer?.drains ?? []).map((drain, _, own) => wrapped(inPlace(place, shortLineOn(drain, own), ' '), page)),
  );
  // The cursor stands in the line below.
  if (short.length === 0 || whole.split('\n').length < rows) return whole;
  const ending = (hidden: number) => {
    const more = hidden > 0 ? `and ${counted(hidden, 'more drain')}: --group and --instance show a part\n` : '';
    return wrapped(`${more}This terminal is too low for the whole: npx ecs-drain status shows it.\n${footer}`, page);
  };
  const failures = [...shownOf(all).failures].map((sentence) => wrapped(sentence, page));
  let shown = short.length;
  const text = () => [...failures, ...short.slice(0, shown), ending(short.length - shown)].join('\n');
  while (shown > 0 && text().split('\n').length >= rows) shown -= 1;
  return text();
}

function shortLineOn(drain: DrainStatus, all: readonly DrainStatus[]): string {
  const { instanceId, holdingTasks, deadlineAtMs } = drain;
  const tasks = holdingTasks ? counted(holdingTasks.length, 'task') : 'tasks not known';
  const deadline = deadlineAtMs === undefined ? '' : `, deadline ${isoTime(deadlineAtMs)}`;
  return `${instanceId}, ${whereOf(drain, all)}: ${stuckIn(drain)}${tasks}${deadline}`;
}

function stuckIn(drain: DrainStatus): string {
  return isStuck(drain) ? 'stuck, ' : '';
}

/** It begins with how the drain is named when it is over. */
function keyOf({ instanceId, notice, lifecycleHook }: DrainStatus, place: Place): string {
  return [inPlace(place, instanceId, ' '), notice, lifecycleHook].join('\n');
}

function lineOn(drain: DrainStatus, all: readonly DrainStatus[]): string {
  const { instanceId, holdingTasks, deadlineAtMs } = drain;
  const deadline = deadlineAtMs === undefined ? '' : `; deadline ${isoTime(deadlineAtMs)}`;
  return `${instanceId}, ${whereOf(drain, all)}: ${stuckIn(drain)}${presentTasksInLine(holdingTasks)}${deadline}`;
}

function changesBetween(before: Shown, now: Shown): string[] {
  const changed = [...now.drains].flatMap(([key, line]) => (before.drains.get(key) === line ? [] : line));
  const gone = [...before.drains.keys()].filter((key) => !now.drains.has(key));
  const failed = [...now.failures].filter((sentence) => !before.failures.has(sentence));
  return [...changed, ...gone.map((key) => `${key.split('\n')[0]} drains no more`), ...failed];
}
