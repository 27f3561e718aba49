import { duration } from '../../src/adapters/duration.ts';
import { tasksOf } from '../../src/adapters/present-explanation.ts';
import { presentChange } from './change.ts';
import { defaultOf } from './hooks.ts';
import type { Plan, RequestsLost } from './plan.ts';
import type { Snapshot } from './snapshot.ts';
import { sumOf } from './trial.ts';

/** A plan in words. */

/** How many tasks are killed, with a drain and without one. */
function presentKills({ withDrain, withoutDrain }: Plan['killed']): string {
  const cutOff = withoutDrain.cutOff > 0 ? `, ${withoutDrain.cutOff} of them before they could finish` : '';
  return `with ecs-drain ${withDrain.tasks}; without a drain ${withoutDrain.tasks}${cutOff}`;
}

/** How many requests are lost, and for which part of the services that is known. */
export function presentRequestsLost({ withDrain, withoutDrain, counted, services }: RequestsLost): string {
  if (services === 0) return 'none, because no service is behind a load balancer';
  const unknown = 'CloudWatch has no request count; give one with --assume';
  if (counted === 0) return `not known: ${unknown}`;
  const lost = `${withDrain} (${withoutDrain} without a drain)`;
  if (counted === services) return lost;
  const others = services - counted;
  return `${lost} of ${counted} of ${services} services; of the other ${others === 1 ? 'one' : others} not known: ${unknown}`;
}

/** A plan sets it where the group has a hook. */
const IMPLIED = 'createLifecycleHooks';

/** The figures of a plan, each with its name. */
export function presentFigures(plan: Plan) {
  const { seconds, lowestReservationPercent, killed, requestsLost, calls, dollars, params } = plan;
  const settings = Object.entries(params).flatMap(([name, value]) =>
    name === IMPLIED || String(value) === String(defaultOf(name)) ? [] : `${name}=${value}`,
  );
  return [
    ['settings', settings.length > 0 ? settings.join(', ') : 'the defaults'],
    ['the whole change', `${duration(seconds.p50)}, 95 % within ${duration(seconds.p95)}`],
    ['tasks killed at most', presentKills(killed)],
    ['requests lost', presentRequestsLost(requestsLost)],
    ['lowest memory reservation', `${lowestReservationPercent} %`],
    ['calls to AWS', `${calls.p50}`],
    ['cost of the drains', `$ ${dollars.toFixed(5)}`],
  ] as const;
}

/** That the drains stop tasks themselves, whatever becomes of their services and jobs; undefined if they stop none. */
export function presentStopped({ stopped, drains }: Pick<Plan, 'stopped' | 'drains'>): string | undefined {
  const count = sumOf(stopped);
  if (count === 0) return undefined;
  const of = Object.entries(stopped).map(([group, tasks]) => `${tasks} of ${group}`);
  const [who, whose] =
    drains.length === 1
      ? ['the drain itself stops', 'its deadline']
      : ['the drains themselves stop', 'their deadlines'];
  return `${who} ${tasksOf(count)} before ${whose} (${of.join(', ')})`;
}

/** The services that have no running task at some time of the change, and what that costs; undefined if there is none. */
function presentOutages({ services, requestsLost }: Pick<Plan, 'services' | 'requestsLost'>, snapshot: Snapshot) {
  const { tasks, services: all } = snapshot.cluster;
  const had = new Set(tasks.flatMap(({ group, lastStatus }) => (lastStatus === 'RUNNING' ? group : [])));
  const daemons = new Set(all.flatMap(({ name, strategy }) => (strategy === 'DAEMON' ? name : [])));
  const down = services.flatMap(({ name, desired, fewestRunning }) =>
    fewestRunning === 0 && desired > 0 && had.has(`service:${name}`) && !daemons.has(name) ? name : [],
  );
  if (down.length === 0) return undefined;
  const who = down.length > MOST_NAMED ? `${down.length} services` : down.join(' and ');
  const { withDrain: lost = 0 } = requestsLost;
  const requests = lost > 0 ? `, and ${lost} requests may be lost` : '';
  return `${who} ${down.length === 1 ? 'has' : 'have'} no running task for a while${requests}`;
}

/** More names than these are a number. */
export const MOST_NAMED = 3;

export function verdictOn(plan: Omit<Plan, 'verdict'>, snapshot: Snapshot): string {
  const { killed, seconds, limits, times, failures, prerequisites } = plan;
  const takes = `it takes ${duration(seconds.p50)}${seconds.p95 > seconds.p50 * 1.02 ? ` (95 %: ${duration(seconds.p95)})` : ''}`;
  const { withDrain, withoutDrain } = killed;
  const kills = presentMayBeKilled(withDrain.tasks);
  const without = withoutDrain.tasks > 0 ? `; without a drain, ${withoutDrain.tasks} would be` : '';
  const harms = [presentStopped(plan), presentOutages(plan, snapshot)].filter((each) => each !== undefined);
  const harm = harms.join('; ');
  const stopped = harm === '' || plan.go ? '' : `; ${harm}`;
  const comes = plan.drainsAll
    ? `${presentChange(plan.change)} ${presentDrains(plan)}; ${takes}, and ${kills}${without}${stopped}.`
    : `during ${presentChange(plan.change)}, ${presentDrains(plan)}, and ${kills}${without}${stopped}.`;
  const go = harm === '' ? 'Go' : `Go, but ${harm}`;
  const mayBe = plan.drainsAll && prerequisites.length === 0;
  const risks = limits.filter(({ isRisk }) => isRisk).map(({ what, effect }) => `${what} ${effect}`);
  const firstly = prerequisites.map(({ first, because }) => `${first}, because ${because}`).join('; and ');
  const sentences = [
    plan.go
      ? `${go}: ${comes}`
      : mayBe
        ? `Check first: ${comes}`
        : `Do not go ahead yet: ${firstly === '' ? comes : `first ${firstly}.`}`,
    ...(firstly === '' ? [] : [`${plan.drainsAll ? 'Then' : 'Even then,'} ${comes}`]),
    ...(plan.stuck.some(({ kinds }) => kinds.includes('no-room'))
      ? limits.flatMap(({ mayMakeRoom, what, effect }) => (mayMakeRoom ? `${what} ${effect}` : []))
      : []),
    // Of a change that does not drain they are beside the point.
    ...(plan.drainsAll && risks.length > 0 ? [`But check this: ${risks.join(' ')}`] : []),
    ...plan.troubles,
    ...failures.map((failure) => `The change itself fails: ${failure}`),
    ...weakPoints(limits.length, times.filter(({ assumed }) => assumed).length),
  ];
  return sentences.join(' ');
}

export function presentMayBeKilled(tasks: number): string {
  return tasks === 0 ? 'no task is killed' : `${tasksOf(tasks)} may be killed`;
}

function presentDrains({ drains, drainsAll, trials }: Omit<Plan, 'verdict'>): string {
  const count = drains.length;
  if (drainsAll) {
    const all = count === 1 ? 'its instance' : count === 2 ? 'both instances' : `all ${count} instances`;
    return `drains ${all} in ${trials === 1 ? 'the one rehearsal' : `each of ${trials} rehearsals`}`;
  }
  if (count === 0) return 'no drain ends';
  const others = drains.map(({ outcomes }) => Object.keys(outcomes).filter((outcome) => outcome !== 'drained'));
  const held = others.filter((each) => each.length > 0).length;
  if (held === 0) return count === 1 ? 'its drain ends as drained' : `all ${count} drains end as drained`;
  const outcomes = [...new Set(others.flat())].join(' or ');
  return `${count === 1 ? 'its drain' : `${held} of ${count} drains`} may end as ${outcomes}`;
}

function weakPoints(limits: number, assumed: number): string[] {
  const points = [
    ...(limits > 0 ? [`${limits} ${limits === 1 ? 'thing' : 'things'} that the plan does not model`] : []),
    ...(assumed > 0 ? [`${assumed} assumed ${assumed === 1 ? 'time' : 'times'}`] : []),
  ];
  return points.length > 0 ? [`This rests on ${points.join(' and ')}.`] : [];
}
