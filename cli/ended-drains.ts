/** How drains ended, from the log of the function, or from the events about their ends in a log group that keeps them. */

import { CloudWatchLogsClient, type FilteredLogEvent, paginateFilterLogEvents } from '@aws-sdk/client-cloudwatch-logs';
import * as v from 'valibot';
import { awsCall } from '../src/adapters/aws-call.ts';
import { DRAIN_EVENT_DETAIL_TYPES } from '../src/adapters/event-bridge.ts';
import { jsonIn } from '../src/adapters/schemas.ts';
import { counted, type Deployment } from './common.ts';

/** Measured seconds, without digits that mean nothing. */
const tenths = v.pipe(
  v.number(),
  v.transform((seconds) => Math.round(seconds * 10) / 10),
);

const lineSchema = v.looseObject({
  drainId: v.string(),
  instanceId: v.string(),
  autoScalingGroup: v.optional(v.string()),
  lifecycleHook: v.optional(v.string()),
  notice: v.optional(v.string()),
  cluster: v.optional(v.string()),
  outcome: v.string(),
  durationSeconds: tenths,
  slackSeconds: v.optional(tenths),
  message: v.string(),
  killedTasks: v.optional(v.array(v.looseObject({}))),
  lastSeenTasks: v.optional(v.array(v.looseObject({}))),
  notes: v.optional(v.array(v.looseObject({ by: v.string(), message: v.optional(v.string()) }))),
});

export interface EndedDrain extends v.InferOutput<typeof lineSchema> {
  readonly endedAtMs: number;
}

/** What the function says of the tasks of an ended drain. */
interface TasksAtEnd {
  readonly outcome: string;
  readonly killedTasks?: readonly unknown[] | undefined;
  readonly lastSeenTasks?: readonly unknown[] | undefined;
}

/** How many tasks the drain killed; undefined where someone else let the instance go, and tasks may have been on it. */
export function killedIn({ outcome, killedTasks, lastSeenTasks }: TasksAtEnd): number | undefined {
  return killedTasks?.length ?? (outcome === 'drained' || lastSeenTasks?.length === 0 ? 0 : undefined);
}

/** `2`; `2 in 3 drains, not known of 1 drain`. */
export function presentKilled(counts: readonly (number | undefined)[]): string {
  const known = counts.filter((count) => count !== undefined);
  const killed = known.reduce((sum, count) => sum + count, 0);
  const missing = counts.length - known.length;
  if (missing === 0) return `${killed}`;
  return `${known.length > 0 ? `${killed} in ${counted(known.length, 'drain')}, ` : ''}not known of ${counted(missing, 'drain')}`;
}

/** The sentences of a log line as a list: what happened, and one for each blocker. */
export function listOf(message: string): string {
  return message.replace(/(?<=\.) (?=\d+ tasks? of |And \d+ more\.|Not everything is known\.)/g, '\n  - ');
}

export interface Ended<D = EndedDrain> {
  /** The oldest first. */
  readonly drains: readonly D[];
  /** The start of the time of which all are there, if the log has more. */
  readonly cutAtMs: number | undefined;
}

/** What to read of the log: the lines since then that match the pattern, and the latest of them where there are more. */
export interface LogQuery {
  /** That of the function, if it is left out. */
  readonly logGroup?: string;
  readonly sinceMs: number;
  readonly filterPattern: string;
  readonly most: number;
}

/** CloudWatch reads from the end only what is not older; no function here was. */
const FROM_END_MS = Date.UTC(2024, 0, 1);

/** So many pages are read at most: CloudWatch may search long, and answer with an empty page meanwhile. */
const MOST_PAGES = 200;

export interface LogLines {
  /** The oldest first. */
  readonly events: readonly FilteredLogEvent[];
  readonly isCut: boolean;
}

/** The latest lines of a log group that match. */
export async function readLog(
  { logGroup, sinceMs, filterPattern, most }: LogQuery,
  { config, functionName }: Pick<Deployment, 'config' | 'functionName'>,
): Promise<LogLines> {
  const client = new CloudWatchLogsClient(config);
  const logGroupName = logGroup ?? `/aws/lambda/${functionName}`;
  return awsCall(`read the log group ${logGroupName}`, async () => {
    const input = {
      logGroupName,
      filterPattern,
      startTime: Math.max(FROM_END_MS, Math.floor(sinceMs)),
      startFromHead: false,
    };
    const events: FilteredLogEvent[] = [];
    let pages = 0;
    let isCut = false;
    for await (const page of paginateFilterLogEvents({ client }, input)) {
      events.push(...(page.events ?? []));
      pages += 1;
      isCut = page.nextToken !== undefined && (events.length >= most || pages >= MOST_PAGES);
      if (isCut) break;
    }
    const latest = events.toSorted((a, b) => (b.timestamp ?? 0) - (a.timestamp ?? 0)).slice(0, most);
    return { events: latest.toReversed(), isCut: isCut || events.length > most };
  });
}

/** A term of a filter pattern that a field has this value. */
export function equals(field: string, value: string): string {
  return `$.${field} = "${value.replace(/["\\]/g, '\\$&')}"`;
}

/** The drains that have ended since then; of two copies of one drain the one that knows how. */
export async function readEnded(
  {
    sinceMs,
    most,
    terms = [],
  }: { readonly sinceMs: number; readonly most: number; readonly terms?: readonly string[] },
  deployment: Deployment,
): Promise<Ended> {
  const filterPattern = `{ ${[...terms, '$.outcome = "*"', '$.durationSeconds >= 0'].join(' && ')} }`;
  const { events, isCut } = await readLog({ sinceMs, filterPattern, most }, deployment);
  const drains = events.flatMap(({ message, timestamp: endedAtMs = 0 }) => {
    const line = v.safeParse(lineSchema, jsonIn(message));
    return line.success ? [{ ...line.output, endedAtMs }] : [];
  });
  return { drains: withoutCopies(drains), cutAtMs: isCut ? events[0]?.timestamp : undefined };
}

const finishedSchema = v.looseObject({
  account: v.optional(v.string()),
  region: v.optional(v.string()),
  detail: v.looseObject({
    drainId: v.string(),
    instanceId: v.string(),
    outcome: v.string(),
    durationSeconds: tenths,
    finishedAt: v.pipe(v.string(), v.isoTimestamp()),
    holdingTasks: v.optional(v.array(v.looseObject({}))),
    lastSeenTasks: v.optional(v.array(v.looseObject({}))),
  }),
});

/** A drain as the event `ECS Drain Finished` describes it. */
export interface FinishedDrain extends TasksAtEnd {
  readonly drainId: string;
  readonly instanceId: string;
  readonly durationSeconds: number;
  readonly endedAtMs: number;
  /** The account and the Region that the event came from. */
  readonly place: string;
}

/** The drains of which the log group has the event: what a rule for the events of ecs-drain writes there. */
export async function readFinished(
  query: Omit<LogQuery, 'filterPattern'> & { readonly terms: readonly string[] },
  deployment: Pick<Deployment, 'config' | 'functionName'>,
): Promise<Ended<FinishedDrain>> {
  const terms = [equals('detail-type', DRAIN_EVENT_DETAIL_TYPES.finished), ...query.terms];
  const { events, isCut } = await readLog({ ...query, filterPattern: `{ ${terms.join(' && ')} }` }, deployment);
  const drains = events.flatMap(({ message }): FinishedDrain[] => {
    const event = v.safeParse(finishedSchema, jsonIn(message));
    if (!event.success) return [];
    const { account, region, detail } = event.output;
    const { drainId, instanceId, outcome, durationSeconds, finishedAt, holdingTasks, lastSeenTasks } = detail;
    const tasks = { killedTasks: holdingTasks, lastSeenTasks };
    const endedAtMs = Date.parse(finishedAt);
    return [{ drainId, instanceId, outcome, durationSeconds, ...tasks, endedAtMs, place: `${account}/${region}` }];
  });
  return { drains: withoutCopies(drains), cutAtMs: isCut ? events[0]?.timestamp : undefined };
}

/** Of two copies of one drain the one that knows how it ended. */
function withoutCopies<D extends Pick<FinishedDrain, 'drainId' | 'instanceId' | 'outcome'>>(all: readonly D[]): D[] {
  const drains = new Map<string, D>();
  for (const drain of all) {
    const key = `${drain.drainId} ${drain.instanceId}`;
    if (drains.has(key) && drain.outcome === 'already-completed') continue;
    drains.set(key, drain);
  }
  return [...drains.values()];
}
