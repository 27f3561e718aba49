import * as v from 'valibot';
import { sentenceOf } from '../src/adapters/schemas.ts';
import { type Page, tableOf } from '../terminal/layout.ts';
import { counted, deploymentOf, duration, type Output, type Target, UsageError } from './common.ts';
import { equals, killedIn, presentKilled, readEnded } from './ended-drains.ts';
import { secondsIn, textIn } from './typed.ts';

/** What is typed after `ecs-drain compare`. */
export interface CompareOptions {
  readonly since: string;
}

const forecast = v.object(
  { p50: v.number('expected seconds'), p95: v.number('expected seconds') },
  'expected an object',
);
/** What a comparison needs of a plan. */
const planSchema = v.object(
  {
    group: v.string('expected the name of a group'),
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

/** How a drain really ended, from the log of the function. */
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
  const sinceSeconds = secondsIn('--since', options.since);
  const ended = await endedDrains(plan.group, sinceSeconds, target);
  const rows = rowsOf(plan, ended);
  const isAsPlanned = rows.every(
    ({ planned, came, error = 1 }) => came && planned && came.outcome in planned.outcomes && error <= TOLERANCE,
  );
  output.printJson({ group: plan.group, asPlanned: isAsPlanned, drains: rows });
  output.print(present(rows, plan, isAsPlanned, output.page));
  return isAsPlanned ? 0 : 1;
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

/** The last end of each drain of the group in that time, by instance. */
async function endedDrains(group: string, sinceSeconds: number, target: Target): Promise<Map<string, Came>> {
  const deployment = await deploymentOf(target);
  const sinceMs = deployment.nowMs() - sinceSeconds * 1000;
  const terms = [equals('autoScalingGroup', group)];
  const { drains } = await readEnded({ sinceMs, most: Number.POSITIVE_INFINITY, terms }, deployment);
  return new Map(
    drains.map((drain) => {
      const { instanceId, outcome, durationSeconds: seconds, endedAtMs: atMs } = drain;
      return [instanceId, { outcome, seconds, killedTasks: killedIn(drain), atMs }];
    }),
  );
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

function present(rows: readonly Row[], plan: PlanFile, isAsPlanned: boolean, page: Page): string {
  const ended = rows.flatMap(({ came }) => came ?? []);
  const left = rows.filter(({ came }) => !came).length;
  const killed = presentKilled(ended.map(({ killedTasks }) => killedTasks));
  const table = tableOf(
    ['instance', 'planned', 'came', 'off by'],
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
  const verdict = isAsPlanned
    ? `As planned: ${counted(ended.length, 'drain')} of the group ${plan.group}, each with its outcome and within 10 % of its time.`
    : `Not as planned${left > 0 ? `, or not over: ${counted(left, 'drain')} of the plan ${left === 1 ? 'has' : 'have'} not ended` : ''}.`;
  return `${verdict}\n\n${table}\n\ntasks killed: ${killed}; planned: ${plan.killed.withDrain.tasks}`;
}
