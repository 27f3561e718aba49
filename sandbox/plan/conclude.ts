import { duration } from '../../src/adapters/duration.ts';
import {
  NO_CAUSE,
  REMEDIES,
  REMEDY_WITHOUT_CAUSE,
  remedyFor,
  sentenceOnCause,
  tasksOf,
} from '../../src/adapters/present-explanation.ts';
import type { Cause, CauseKind } from '../../src/domain/diagnose.ts';
import { percentile } from '../prices.ts';
import { SIGNAL_SECONDS } from '../region/auto-scaling/deployments.ts';
import type { Params } from '../scenarios.ts';
import { type Change, presentChange } from './change.ts';
import { presentNeed, TOO_SHORT_REMEDY } from './drain-time.ts';
import type { Estimate, Estimates, Rate } from './estimates.ts';
import { deadlineTimesOf, hookTimesOf, type Prerequisite, policiesOf } from './hooks.ts';
import { leavingIn, othersThatMayLeave } from './leaving.ts';
import type { Limit } from './limits.ts';
import { type Snapshot, serviceOf } from './snapshot.ts';
import { type Blocking, type Bound, countsOf, type TrialResult } from './trial.ts';

/** What the trials of a plan come to. */

export interface Spread {
  readonly p50: number;
  readonly p95: number;
}

export interface Plan {
  readonly group: string;
  readonly cluster: string;
  readonly takenAt: string;
  readonly change: Change;
  readonly trials: number;
  /** Of the deployment, as far as they are not the defaults. */
  readonly params: Params;
  readonly verdict: string;
  /** Whether the change can be made now: every drain comes to its end, nothing has to be done first, and no limit is a risk. */
  readonly go: boolean;
  /** What has to be done before the change. The rehearsals show what comes then. */
  readonly prerequisites: readonly Prerequisite[];
  /** What is wrong with the group and its hooks. */
  readonly troubles: readonly string[];
  /** Whether every drain of every trial ended as drained, and the change came to its end. */
  readonly drainsAll: boolean;
  readonly seconds: Spread;
  readonly drains: readonly DrainForecast[];
  readonly services: readonly { readonly name: string; readonly desired: number; readonly fewestRunning: number }[];
  readonly lowestReservationPercent: number;
  readonly killed: { readonly withDrain: Kills; readonly withoutDrain: Kills };
  /** The tasks that ecs-drain itself stops ahead of a deadline, by group, in the trial with the most of them. */
  readonly stopped: Readonly<Record<string, number>>;
  /** Those of the services for which it is known how many requests come. */
  readonly requestsLost: RequestsLost;
  readonly stuck: readonly Obstacle[];
  /** Why the change itself failed. */
  readonly failures: readonly string[];
  readonly calls: Spread;
  readonly dollars: number;
  readonly times: readonly (Estimate & { readonly what: string })[];
  /** How many requests come, where that is known. */
  readonly rates: readonly (Rate & { readonly service: string })[];
  readonly limits: readonly Limit[];
}

export interface DrainForecast {
  readonly instanceId: string;
  readonly seconds: Spread;
  /** How often each outcome came. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** The most frequent. */
  readonly bound: Bound;
}

export interface RequestsLost {
  /** Undefined if none is counted. */
  readonly withDrain?: number;
  readonly withoutDrain?: number;
  /** How many services are counted, of how many behind a load balancer. */
  readonly counted: number;
  readonly services: number;
}

/** Tasks whose instance went before they had stopped: the most of any trial. */
export interface Kills {
  readonly tasks: number;
  readonly cutOff: number;
}

/** What holds instances, why, and what to do about it. */
export interface Obstacle {
  readonly group: string;
  readonly instances: readonly string[];
  readonly trials: number;
  readonly causes: readonly string[];
  readonly kinds: readonly string[];
  readonly fix: string;
}

export interface Findings {
  readonly snapshot: Snapshot;
  readonly change: Change;
  readonly params: Params;
  readonly estimates: Estimates;
  readonly limits: readonly Limit[];
  readonly prerequisites: readonly Prerequisite[];
  readonly troubles: readonly string[];
  readonly withDrain: readonly TrialResult[];
  readonly withoutDrain: readonly TrialResult[];
  /** Of what may come instead of the change, with a drain (leaving.ts, `otherChoices`). */
  readonly others: readonly TrialResult[];
}

export function concluded(findings: Findings): Plan {
  const { snapshot, change, params, estimates, limits, prerequisites, troubles } = findings;
  const { withDrain, withoutDrain } = findings;
  const { group, cluster } = snapshot;
  const drains = forecasts(withDrain);
  const stuck = obstaclesIn(findings);
  const allLimits = [...limits, ...harderChoices(findings), ...unseenObstacles(snapshot, change, stuck)];
  const failures = [...new Set(withDrain.flatMap(({ failure, ended }) => failure ?? (ended ? [] : NEVER_ENDS)))];
  const rates = ratesOf(estimates);
  const most = (results: readonly TrialResult[], of: (result: TrialResult) => number) =>
    Math.max(0, ...results.map(of));
  const drainsAll =
    failures.length === 0 &&
    drains.length > 0 &&
    drains.every(({ outcomes }) => Object.keys(outcomes).every((outcome) => outcome === 'drained')) &&
    most(withDrain, killedIn) === 0;
  const plan = {
    group: group.name,
    cluster: cluster.name,
    takenAt: new Date(snapshot.takenAtMs).toISOString(),
    change,
    trials: withDrain.length,
    params,
    drainsAll,
    go: drainsAll && prerequisites.length === 0 && !allLimits.some(({ isRisk }) => isRisk),
    prerequisites,
    troubles,
    seconds: spread(withDrain.map(({ seconds }) => seconds)),
    drains,
    services: servicesOf(snapshot, withDrain),
    lowestReservationPercent: Math.min(...withDrain.map((each) => each.lowestReservationPercent)),
    killed: {
      withDrain: { tasks: most(withDrain, killedIn), cutOff: most(withDrain, ({ killed }) => killed['cut off']) },
      withoutDrain: {
        tasks: most(withoutDrain, killedIn),
        cutOff: most(withoutDrain, ({ killed }) => killed['cut off']),
      },
    },
    stopped: withDrain.map(({ stoppedOf }) => stoppedOf).toSorted((a, b) => sumOf(b) - sumOf(a))[0] ?? {},
    requestsLost: {
      ...(rates.length > 0 && {
        withDrain: most(withDrain, ({ requestsLost }) => requestsLost),
        withoutDrain: most(withoutDrain, ({ requestsLost }) => requestsLost),
      }),
      counted: rates.length,
      services: [...estimates.services.values()].filter(({ deregistration }) => deregistration).length,
    },
    stuck,
    failures: failures.map((failure) => presentFailure(failure, findings)),
    calls: spread(withDrain.map(({ calls }) => calls)),
    dollars: percentile(
      withDrain.map(({ dollars }) => dollars),
      50,
    ),
    times: [
      ...deadlineTimesOf(snapshot, params),
      ...hookTimesOf(snapshot, params),
      ...warmupsOf(change, snapshot),
      ...timesOf(estimates, change),
    ],
    rates,
    limits: allLimits,
  };
  return { ...plan, verdict: verdictOn(plan, snapshot) };
}

const NEVER_ENDS = 'It has not ended after two weeks.';

/** A sentence, with what to do about it. */
function presentFailure(failure: string, { snapshot: { group }, change }: Findings): string {
  const said = `${failure.charAt(0).toUpperCase()}${failure.slice(1).replace(/[.]$/, '')}.`;
  const kept = group.instances.flatMap(({ id, protectedFromScaleIn }) => (protectedFromScaleIn ? id : []));
  if (change.kind !== 'instance-refresh' || kept.length === 0) return said;
  const command = `aws autoscaling set-instance-protection --auto-scaling-group-name ${group.name} --no-protected-from-scale-in --instance-ids ${kept.join(' ')}`;
  return `${said} End their protection first (${command}).`;
}

function killedIn({ killed }: TrialResult): number {
  return killed['cut off'] + killed['delayed SIGTERM'] + killed.unharmed;
}

function sumOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

function spread(values: readonly number[]): Spread {
  const of = (percent: number) => Math.round(percentile(values, percent) * 10) / 10;
  return { p50: of(50), p95: of(95) };
}

/** In the order in which the drains begin. */
function forecasts(results: readonly TrialResult[]): DrainForecast[] {
  const drains = Map.groupBy(
    results.flatMap((result) => result.drains),
    ({ instanceId }) => instanceId,
  );
  return [...drains].map(([instanceId, each]) => {
    const outcomes = countsOf(each.map(({ outcome }) => outcome));
    const bounds = Object.entries(countsOf(each.map(({ bound }) => bound))).toSorted(([, a], [, b]) => b - a);
    return {
      instanceId,
      seconds: spread(each.map(({ seconds }) => seconds)),
      outcomes,
      bound: (bounds[0]?.[0] ?? 'nothing') as Bound,
    };
  });
}

function servicesOf({ cluster }: Snapshot, results: readonly TrialResult[]): Plan['services'] {
  return cluster.services.flatMap(({ name, desiredCount }) => {
    const fewest = results.flatMap(({ fewestRunning }) => fewestRunning[name] ?? []);
    return fewest.length === 0 ? [] : { name, desired: desiredCount, fewestRunning: Math.min(...fewest) };
  });
}

// --- What gets stuck --------------------------------------------------------------------------------------------------

/** Those that something can be done about first; daemons only wait for the others. */
function obstaclesIn({ snapshot, params, estimates, withDrain }: Findings): Obstacle[] {
  const deadlineSeconds = Math.min(...policiesOf(snapshot, params).map((policy) => policy.deadlineSeconds));
  const blocking = withDrain.flatMap(({ seed, blocking: all }) =>
    all.map((each) => ({ ...each, seed, lack: lackOfTime(each, estimates, deadlineSeconds) })),
  );
  const alike = Map.groupBy(blocking, ({ group, causes, lack }) =>
    JSON.stringify([group, lack ?? causes.map(({ cause }) => cause)]),
  );
  const known = new Set(snapshot.cluster.services.map(({ name }) => name));
  const isUnknown = (group: string) => serviceOf({ group }) !== undefined && !known.has(serviceOf({ group }) ?? '');
  const explained = new Set(blocking.flatMap(({ group, causes }) => (causes.length > 0 ? group : [])));
  return [...alike.values()]
    .filter(([first]) => first?.lack !== undefined || first?.causes.length || !explained.has(first?.group ?? ''))
    .map((each): Obstacle => {
      const { group = '', causes = [], lack } = each.at(-1) ?? {};
      const fixes = lack === undefined ? causes.map((cause) => fixFor(cause, group, snapshot)) : [TOO_SHORT_REMEDY];
      return {
        group,
        instances: [...new Set(each.map(({ instanceId }) => instanceId))],
        trials: new Set(each.map(({ seed }) => seed)).size,
        kinds: causes.map(({ cause }) => cause),
        causes: lack !== undefined ? [lack] : isUnknown(group) ? [NOT_IN_SNAPSHOT] : causes.map(sentenceOn),
        fix: fixes.length > 0 ? [...new Set(fixes)].join(' ') : sentence(REMEDY_WITHOUT_CAUSE),
      };
    })
    .toSorted((a, b) => Number(a.kinds.includes('daemon-last')) - Number(b.kinds.includes('daemon-last')));
}

const NOT_IN_SNAPSHOT = 'the snapshot does not have the service, so nothing replaces its tasks in the plan';

/** What only takes its time. */
const ON_ITS_WAY: readonly string[] = ['starting', 'deregistering', 'stopping', 'stop-timeout'] satisfies CauseKind[];

/** That a drain may end before a task has had the time to leave; undefined if it has the time, or something else is in the way. */
function lackOfTime({ group, causes }: Blocking, { services }: Estimates, deadlineSeconds: number): string | undefined {
  const times = services.get(serviceOf({ group }) ?? '');
  if (!times || !causes.every(({ cause }) => ON_ITS_WAY.includes(cause))) return undefined;
  const [deregistration, stop] = [times.deregistration?.seconds ?? 0, times.stopTimeout.seconds];
  const start = Math.round(times.start.seconds);
  const deadline = `a drain has ${deadlineSeconds} s to its deadline`;
  if (deregistration + stop >= deadlineSeconds) return `${presentNeed(deregistration, stop)}, and ${deadline}`;
  if (start + deregistration + stop < deadlineSeconds) return undefined;
  return `${presentNeed(deregistration, stop, start)}, and ${deadline}`;
}

/** That the change gets stuck if Auto Scaling chooses other instances than the plan. */
function* harderChoices(findings: Findings): Generator<Limit> {
  const planned = new Set(leavingIn(findings.snapshot, findings.change));
  const failing = findings.others.filter(
    (other) => killedIn(other) > 0 || other.drains.some(({ outcome }) => outcome !== 'drained'),
  );
  const drains = failing.flatMap((other) => other.drains.filter(({ instanceId }) => !planned.has(instanceId)));
  if (drains.length === 0) return;
  const ids = [...new Set(drains.map(({ instanceId }) => instanceId))];
  const which = ids.length > MOST_NAMED ? `one of ${ids.length} instances` : ids.join(' or ');
  const outcomes = [...new Set(drains.map(({ outcome }) => outcome))].join(' or ');
  const killed = Math.max(...failing.map(killedIn));
  const why = obstaclesIn({ ...findings, withDrain: failing })
    .filter(({ instances }) => instances.some((id) => ids.includes(id)))
    .map(({ group, causes }) => `${group} there: ${causes.join('; ') || NO_CAUSE}.`);
  yield {
    what: `If the scale-in takes ${which} instead, its drain may end as ${outcomes}, and ${presentMayBeKilled(killed)}.`,
    effect: `${why.join(' ')} --change terminate --decrement --instance ${ids[0]} plans that.`.trim(),
    isRisk: true,
  };
}

/** What ECS reported of services on instances that may leave when the snapshot was taken, and no rehearsal has met. */
function* unseenObstacles(snapshot: Snapshot, change: Change, stuck: readonly Obstacle[]): Generator<Limit> {
  const { services, tasks } = snapshot.cluster;
  const mayLeave = new Set([...leavingIn(snapshot, change), ...othersThatMayLeave(snapshot, change)]);
  const groups = new Set(tasks.flatMap(({ group, ec2InstanceId }) => (mayLeave.has(ec2InstanceId) ? group : [])));
  for (const { name, obstacles = [], deployments } of services.filter(({ name }) => groups.has(`service:${name}`))) {
    const met = new Set(stuck.flatMap(({ group, kinds }) => (group === `service:${name}` ? kinds : [])));
    // A deployment that has not ended is played.
    if (deployments.some(({ state }) => state !== 'COMPLETED')) met.add('deployment');
    for (const cause of obstacles.filter((each) => !met.has(each))) {
      yield {
        what: `The snapshot says of the service ${name}: ${sentenceOn({ cause })}.`,
        effect: 'No rehearsal meets that, so the cluster has what the plan does not know, and drains may get stuck.',
        isRisk: true,
      };
    }
  }
}

export type LoggedCause = { readonly cause: string } & Readonly<Record<string, unknown>>;

/** In the words of `explain`, without the instants of a rehearsal. */
export function sentenceOn(logged: LoggedCause): string {
  return sentenceOnCause({ ...logged, kind: logged.cause } as unknown as Cause);
}

/** What `explain` says to do, with the command where there is one. */
function fixFor({ cause, message }: LoggedCause, group: string, { cluster }: Snapshot): string {
  const kind = cause as CauseKind;
  const remedy = remedyFor({ kind, message: String(message) });
  // To run fewer tasks frees memory and CPU, and little else.
  const isUsual = remedy === REMEDIES[kind];
  const command = isUsual ? commandFor(kind, cluster.name, group.replace(/^service:/, '')) : undefined;
  return sentence(command === undefined ? remedy : `${remedy} (aws ecs ${command})`);
}

function commandFor(cause: CauseKind, cluster: string, service: string): string | undefined {
  const update = `update-service --cluster ${cluster} --service ${service}`;
  switch (cause) {
    case 'cannot-replace':
      return `${update} --deployment-configuration maximumPercent=200,minimumHealthyPercent=100`;
    case 'no-room':
      return `${update} --desired-count N`;
    case 'replacements-fail':
    case 'deployment':
      return `describe-services --cluster ${cluster} --services ${service}`;
    case 'standalone':
      return `stop-task --cluster ${cluster} --task ID`;
    default:
      return undefined;
  }
}

function sentence(words: string): string {
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}.`;
}

// --- In words ---------------------------------------------------------------------------------------------------------

function timesOf({ launch, services, standalone }: Estimates, change: Change): Plan['times'] {
  const signal = { seconds: SIGNAL_SECONDS, source: 'what its user data does is not known', assumed: true };
  return [
    ...(change.kind === 'rolling-update' && change.waitsForSignals
      ? [{ what: 'signal of a new instance after it is in service', ...signal }]
      : []),
    { what: 'launch of an instance until it registers with ECS', ...launch },
    ...[...services].flatMap(([name, { start, stop, stopTimeout, deregistration }]) => [
      { what: `start of a task of ${name}`, ...start },
      { what: `stop of a task of ${name}, from SIGTERM`, ...stop },
      { what: `stop timeout of ${name}`, ...stopTimeout },
      ...(deregistration ? [{ what: `deregistration delay of ${name}`, ...deregistration }] : []),
    ]),
    ...[...standalone].map(([group, runs]) => ({ what: `run of a standalone task of ${group}`, ...runs })),
  ];
}

/** How long an instance refresh waits once a new instance is in service (facts 66 instance-refresh). */
function warmupsOf(change: Change, { group }: Snapshot): Plan['times'] {
  if (change.kind !== 'instance-refresh') return [];
  const what = 'warmup of a new instance, for which the instance refresh waits';
  const { defaultInstanceWarmupSeconds, healthCheckGraceSeconds } = group;
  const known: readonly (readonly [number | undefined, string])[] = [
    [change.warmupSeconds, '--warmup'],
    [defaultInstanceWarmupSeconds, 'the default instance warmup of the group'],
    [healthCheckGraceSeconds, 'the health check grace period of the group, which has no default instance warmup'],
  ];
  for (const [seconds, source] of known) if (seconds !== undefined) return [{ what, seconds, source, assumed: false }];
  return [{ what, seconds: 0, source: 'the snapshot has no health check grace period of the group', assumed: true }];
}

function ratesOf({ services }: Estimates): Plan['rates'] {
  return [...services].flatMap(([service, { deregistration, requests }]) =>
    deregistration && requests ? { service, ...requests } : [],
  );
}

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
const IMPLIED = { createLifecycleHooks: true };

/** The figures of a plan, each with its name. */
export function presentFigures(plan: Plan) {
  const { seconds, lowestReservationPercent, killed, requestsLost, calls, dollars, params } = plan;
  const settings = Object.entries(params).flatMap(([name, value]) => (name in IMPLIED ? [] : `${name}=${value}`));
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
const MOST_NAMED = 3;

function verdictOn(plan: Omit<Plan, 'verdict'>, snapshot: Snapshot): string {
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
    ...(plan.drainsAll && risks.length > 0 ? [`But the plan does not model this: ${risks.join(' ')}`] : []),
    ...plan.troubles,
    ...failures.map((failure) => `The change itself fails: ${failure}`),
    ...weakPoints(limits.length, times.filter(({ assumed }) => assumed).length),
  ];
  return sentences.join(' ');
}

function presentMayBeKilled(tasks: number): string {
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
