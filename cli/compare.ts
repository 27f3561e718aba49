import * as v from 'valibot';
import { sentenceOf } from '../src/adapters/schemas.ts';
import { type Page, tableOf } from '../terminal/layout.ts';
import {
  connectionTo,
  counted,
  deploymentOf,
  duration,
  functionNameOf,
  isoTime,
  type Output,
  type Target,
  UsageError,
} from './common.ts';
import { equals, type FinishedDrain, killedIn, presentKilled, readEnded, readFinished } from './ended-drains.ts';
import { secondsIn, textIn } from './typed.ts';

/** What is typed after `ecs-drain compare`. */
export interface CompareOptions {
  readonly since?: string;
  readonly logGroup?: string;
}

const forecast = v.object(
  { p50: v.number('expected seconds'), p95: v.number('expected seconds') },
  'expected an object',
);
/** What a comparison needs of a plan. */
const planSchema = v.object(
  {
    group: v.string('expected the name of a group'),
    cluster: v.string('expected the name of a cluster'),
    takenAt: v.pipe(
      v.string('expected a time'),
      v.isoTimestamp('expected a time'),
      v.transform((time) => Date.parse(time)),
    ),
    drains: v.array(
      v.object(
        {
          instanceId: v.string('expected the id of an instance'),
          seconds: forecast,
          outcomes: v.record(v.string(), v.number('expected a count'), 'expected an object'),
        },
        'expected an object',
      ),
      'expected a list',
    ),
    killed: v.object(
      { withDrain: v.object({ tasks: v.number('expected a count') }, 'expected an object') },
      'expected an object',
    ),
  },
  'expected an object',
);
type PlanFile = v.InferOutput<typeof planSchema>;

/** How a drain really ended. */
interface Came {
  readonly outcome: string;
  readonly seconds: number;
  /** Undefined where it is not known. */
  readonly killedTasks: number | undefined;
  readonly atMs: number;
}

interface Row {
  readonly instanceId: string;
  readonly planned: PlanFile['drains'][number] | undefined;
  readonly came: Came | undefined;
  /** How far the duration was from the range of the plan, as a share of it: 0 within. */
  readonly error: number | undefined;
}

/** What a duration may be beyond what was planned. */
const TOLERANCE = 0.1;

/** `ecs-drain compare`: what was planned beside what came. */
export async function compare(file: string, options: CompareOptions, target: Target, output: Output): Promise<number> {
  const plan = await planIn(file);
  const ended = await endedDrains(plan, options, target);
  const rows = rowsOf(plan, ended);
  const reasons = differences(rows, plan, options);
  output.printJson({ group: plan.group, asPlanned: reasons.length === 0, drains: rows });
  output.print(present(rows, plan, reasons, output.page));
  return reasons.length === 0 ? 0 : 1;
}

function isRowAsPlanned({ planned, came, error = 1 }: Row): boolean {
  return came !== undefined && planned !== undefined && came.outcome in planned.outcomes && error <= TOLERANCE;
}

async function planIn(file: string): Promise<PlanFile> {
  const text = await textIn(file);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new UsageError(`${file} is not whole JSON. Write it with npx ecs-drain plan … --json > ${file}.`);
  }
  const result = v.safeParse(planSchema, json, { abortPipeEarly: true });
  if (result.success) return result.output;
  throw new UsageError(
    `${file} is not a plan: ${sentenceOf(result.issues)} Write it with npx ecs-drain plan … --json > ${file}.`,
  );
}

/**
 * The last end of each drain of the group since the snapshot was taken, by instance. A drain of another instance that had begun
 * before is no part of the change.
 */
async function endedDrains(plan: PlanFile, options: CompareOptions, target: Target): Promise<Map<string, Came>> {
  const sinceSeconds = options.since === undefined ? Number.POSITIVE_INFINITY : secondsIn('--since', options.since);
  const sinceMs = (nowMs: number) => Math.max(plan.takenAt, nowMs - sinceSeconds * 1000);
  const planned = new Set(plan.drains.map(({ instanceId }) => instanceId));
  const { drains, cutAtMs } =
    options.logGroup === undefined
      ? await readLogOf(plan, sinceMs, target)
      : await readEventsIn(options.logGroup, plan, sinceMs, target);
  if (cutAtMs !== undefined) {
    throw new Error(
      `There are too many drains to read them all: name a later time than ${isoTime(cutAtMs)} with --since.`,
    );
  }
  const isOfChange = ({ instanceId, endedAtMs, durationSeconds }: Omit<FinishedDrain, 'place'>) =>
    endedAtMs >= plan.takenAt && (planned.has(instanceId) || endedAtMs - durationSeconds * 1000 >= plan.takenAt);
  return new Map(
    drains.filter(isOfChange).map((drain) => {
      const { instanceId, outcome, durationSeconds: seconds, endedAtMs: atMs } = drain;
      return [instanceId, { outcome, seconds, killedTasks: killedIn(drain), atMs }];
    }),
  );
}

async function readLogOf({ group }: PlanFile, sinceMs: (nowMs: number) => number, target: Target) {
  const deployment = await deploymentOf(target);
  const terms = [equals('autoScalingGroup', group)];
  return readEnded({ sinceMs: sinceMs(deployment.nowMs()), most: Number.POSITIVE_INFINITY, terms }, deployment);
}

/** A log group may have the events of several accounts and Regions, with a group of this name in more than one. */
async function readEventsIn(
  logGroup: string,
  { group, cluster, drains: planned }: PlanFile,
  sinceMs: (nowMs: number) => number,
  target: Target,
) {
  const { config, nowMs } = connectionTo(target);
  const terms = [
    equals('source', `ecs-drain.${target.stage}`),
    equals('detail.autoScalingGroup', group),
    equals('detail.cluster', cluster),
  ];
  const query = { logGroup, sinceMs: sinceMs(nowMs()), most: Number.POSITIVE_INFINITY, terms };
  const { drains, cutAtMs } = await readFinished(query, { config, functionName: functionNameOf(target) });
  const own = drains.find(({ instanceId }) => planned.some((each) => each.instanceId === instanceId))?.place;
  return { drains: drains.filter(({ place }) => own === undefined || place === own), cutAtMs };
}

function rowsOf({ drains }: PlanFile, ended: ReadonlyMap<string, Came>): Row[] {
  const planned = new Map(drains.map((drain) => [drain.instanceId, drain]));
  return [...new Set([...planned.keys(), ...ended.keys()])].map((instanceId) => {
    const [forecast, came] = [planned.get(instanceId), ended.get(instanceId)];
    return { instanceId, planned: forecast, came, error: forecast && came && errorOf(came.seconds, forecast.seconds) };
  });
}

/** How far it is from the range of the plan, as a share of it: 0 within. */
function errorOf(seconds: number, { p50, p95 }: { readonly p50: number; readonly p95: number }): number {
  if (seconds < p50) return p50 === 0 ? 0 : (p50 - seconds) / p50;
  return seconds <= p95 ? 0 : p95 === 0 ? 1 : (seconds - p95) / p95;
}

function present(rows: readonly Row[], plan: PlanFile, reasons: readonly string[], page: Page): string {
  const killed = presentKilled(rows.flatMap(({ came }) => (came ? [came.killedTasks] : [])));
  const table = tableOf(
    ['instance', 'planned', 'actual', 'off by'],
    rows.map(({ instanceId, planned, came, error }) => [
      instanceId,
      planned
        ? `${Object.keys(planned.outcomes).join(' or ')}, ${duration(planned.seconds.p50)} to ${duration(planned.seconds.p95)}`
        : 'no drain',
      came ? `${came.outcome}, ${duration(came.seconds)}` : 'not ended',
      error === undefined ? '' : `${Math.round(error * 100)} %`,
    ]),
    page,
  );
  const verdict = reasons.length > 0 ? `Not as planned: ${reasons.join('; ')}.` : presentAsPlanned(rows.length, plan);
  return `${verdict}\n\n${table}\n\nTasks killed: ${killed}; planned: ${plan.killed.withDrain.tasks} at most.`;
}

function presentAsPlanned(drains: number, { group }: PlanFile): string {
  if (drains === 0) return `As planned: no instance of the group ${group} was drained.`;
  return `As planned: ${counted(drains, 'drain')} of the group ${group}${drains > 1 ? ', each' : ''} with its outcome and within 10 % of its time.`;
}

/** What did not come as planned, in words. */
function differences(rows: readonly Row[], { killed }: PlanFile, { since }: CompareOptions): string[] {
  const open = rows.filter(({ came }) => !came).length;
  const unplanned = rows.filter(({ planned }) => !planned).length;
  const other = rows.filter((row) => row.came && row.planned && !isRowAsPlanned(row)).length;
  const kills = rows.reduce((sum, { came }) => sum + (came?.killedTasks ?? 0), 0);
  const most = killed.withDrain.tasks;
  const within = since === undefined ? '' : ` within the last ${since} (--since)`;
  return [
    ...(open > 0
      ? [
          `${counted(open, 'drain')} of the plan ${open === 1 ? 'has not ended' : 'have not ended'}${within}, or ${open === 1 ? 'has' : 'have'} not begun`,
        ]
      : []),
    ...(unplanned > 0 ? [`${counted(unplanned, 'drain')} ${unplanned === 1 ? 'was' : 'were'} not in the plan`] : []),
    ...(other > 0 ? [`${counted(other, 'drain')} ended with another outcome or after another time`] : []),
    ...(kills > most
      ? [`${counted(kills, 'task')} ${kills === 1 ? 'was' : 'were'} killed, and the plan had ${most} at most`]
      : []),
  ];
}
