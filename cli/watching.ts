/** Looks again and again, and shows what has changed. */

import { createLogUpdate } from 'log-update';
import { wrapped } from '../terminal/layout.ts';
import { type Deployment, isoTime, type Output, sentenceOf } from './common.ts';
import { type DrainStatus, presentTaskCounts } from './drain-status.ts';
import type { Session } from './session.ts';

const POLL_SECONDS = 5;

interface Whole {
  readonly drains: readonly DrainStatus[];
}

/**
 * Shows the status until the command is interrupted: in a terminal in place of the one before, elsewhere a line for each drain
 * that has changed, or as JSON the whole. What fails after the first look is shown, and the next look comes all the same.
 */
export async function watch<W extends Whole>(
  read: () => Promise<W>,
  report: (whole: W, output: Output) => void,
  deployment: Deployment,
  { page, print, printJson, terminal, sleep, signal }: Session,
): Promise<number> {
  const redraw = terminal && createLogUpdate(terminal as NodeJS.WritableStream);
  const now = () => isoTime(deployment.nowMs());
  let shown: ReadonlyMap<string, string> | undefined;
  const show = (whole: W) => {
    const lines: string[] = [];
    report(whole, { page, print: (text) => void lines.push(wrapped(text, page)), printJson: () => {} });
    // A terminal that is too low shows the end.
    redraw?.([...lines, `${now()}, every ${POLL_SECONDS} s; Ctrl-C ends it`].join('\n'));
    const current = new Map(whole.drains.map((drain) => [keyOf(drain), lineOn(drain)]));
    const changes = shown ? changesBetween(shown, current) : current.size > 0 ? [...current.values()] : lines;
    const isFirst = shown === undefined;
    shown = current;
    if (isFirst || changes.length > 0) report(whole, { page, print: () => {}, printJson });
    if (!redraw) for (const line of changes) print(`${now()} ${line}`);
  };
  show(await read());
  for (;;) {
    await sleep(POLL_SECONDS * 1000);
    if (signal?.aborted) return 0;
    try {
      show(await read());
    } catch (error) {
      (redraw ?? print)(`${now()} ${sentenceOf(error, deployment.target)}`);
    }
  }
}

function keyOf({ instanceId, notice, lifecycleHook }: DrainStatus): string {
  return [instanceId, notice, lifecycleHook].join(' ');
}

function lineOn({ instanceId, autoScalingGroup, notice, holdingTasks, deadlineAtMs }: DrainStatus): string {
  const tasks = presentTaskCounts(holdingTasks).replace('\n', ': ').replaceAll('\n', ', ');
  const deadline = deadlineAtMs === undefined ? '' : `; deadline ${isoTime(deadlineAtMs)}`;
  return `${instanceId}, ${notice ? `on a ${notice}` : `group ${autoScalingGroup}`}: ${tasks}${deadline}`;
}

function changesBetween(before: ReadonlyMap<string, string>, now: ReadonlyMap<string, string>): string[] {
  const changed = [...now].flatMap(([key, line]) => (before.get(key) === line ? [] : line));
  const gone = [...before.keys()].filter((key) => !now.has(key));
  return [...changed, ...gone.map((key) => `${key.split(' ')[0]} drains no more`)];
}
