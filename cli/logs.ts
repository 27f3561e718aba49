import * as v from 'valibot';
import { jsonIn } from '../src/adapters/schemas.ts';
import { Unavailable } from '../src/domain/ports.ts';
import { type Deployment, deploymentOf, duration, isoTime, sentenceOf, type Target } from './common.ts';
import { equals, listOf, readLog } from './ended-drains.ts';
import type { Session } from './session.ts';
import { instanceIdsIn, secondsIn } from './typed.ts';

/** What is typed after `ecs-drain logs INSTANCE`. */
export interface LogsOptions {
  readonly follow?: boolean;
  readonly since: string;
}

/** So many lines are shown at once at most, the latest. */
const MOST_LINES = 5_000;

const POLL_SECONDS = 3;

/** A line may be so late in the log: it is looked for again. */
const LATE_SECONDS = 60;

const lineSchema = v.looseObject({
  level: v.string(),
  message: v.string(),
  drainId: v.optional(v.string()),
  outcome: v.optional(v.string()),
});

interface Line extends v.InferOutput<typeof lineSchema> {
  readonly id: string;
  readonly atMs: number;
}

/** `ecs-drain logs INSTANCE`: the lines about its drain, of all invocations, in their order. */
export async function logs(typed: string, options: LogsOptions, target: Target, session: Session): Promise<number> {
  const [instanceId = ''] = instanceIdsIn([typed]);
  const sinceSeconds = secondsIn('--since', options.since);
  const deployment = await deploymentOf(target);
  const { lines, isCut } = await linesSince(deployment.nowMs() - sinceSeconds * 1000, instanceId, deployment);
  if (options.follow) return follow(lines, instanceId, deployment, session);
  session.printJson({ function: deployment.functionName, instanceId, isCut, lines: lines.map(presentLine) });
  if (isCut)
    session.print(`The log has more: these are the latest ${lines.length} lines. Name a shorter time with --since.`);
  for (const line of lines) session.print(textOf(line));
  if (lines.length === 0) {
    session.print(
      `The log has no line about ${instanceId} in the last ${duration(sinceSeconds)}: check the id; its event may not have been delivered or understood, or it may still wait.`,
    );
  }
  return lines.length > 0 ? 0 : 1;
}

async function linesSince(sinceMs: number, instanceId: string, deployment: Deployment) {
  const filterPattern = `{ ${equals('instanceId', instanceId)} && $.message = "*" }`;
  const { events, isCut } = await readLog({ sinceMs, filterPattern, most: MOST_LINES }, deployment);
  const lines = events.flatMap(({ eventId: id = '', message = '', timestamp: atMs = 0 }): Line[] => {
    const line = v.safeParse(lineSchema, jsonIn(message));
    return line.success ? [{ ...line.output, id, atMs }] : [];
  });
  return { lines, isCut };
}

/** Prints each line once, until one says how the drain has ended. A call that may succeed later is made again. */
async function follow(first: readonly Line[], instanceId: string, deployment: Deployment, session: Session) {
  const shown = new Set<string>();
  const ended = new Set<string>();
  let latest: string | undefined;
  let lines = first;
  let readAtMs = deployment.nowMs();
  // A drain that has ended before is shown, and the next one waited for only if there is no such end.
  for (;;) {
    const fresh = lines.filter(({ id }) => !shown.has(id));
    for (const line of fresh) {
      shown.add(line.id);
      latest = line.drainId ?? latest;
      if (line.outcome !== undefined && line.drainId !== undefined) ended.add(line.drainId);
      session.print(textOf(line));
      session.printJson(presentLine(line));
    }
    // The end need not be the last line: a message that comes later logs one more.
    if (latest !== undefined && ended.has(latest)) return 0;
    await session.sleep(POLL_SECONDS * 1000);
    try {
      const nowMs = deployment.nowMs();
      ({ lines } = await linesSince(readAtMs - LATE_SECONDS * 1000, instanceId, deployment));
      readAtMs = nowMs;
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      lines = [];
      session.print(`${isoTime(deployment.nowMs())} ${sentenceOf(error, deployment.target)}`);
    }
  }
}

/** The line as the function wrote it, without what is the same in all of them. */
function presentLine({ id: _, atMs, ...line }: Line) {
  const { cold_start: __, sampling_rate: ___, service: ____, timestamp: _____, ...rest } = line;
  return { at: isoTime(atMs), ...rest };
}

function textOf({ atMs, level, message, operator, reason, note }: Line): string {
  const who = typeof operator === 'string' ? ` (${operator})` : '';
  const more = [reason, note].filter((each) => typeof each === 'string').map((each) => `: ${each}`);
  return `${isoTime(atMs)} ${level === 'INFO' ? '' : `${level} `}${listOf(message)}${who}${more.join('')}`;
}
