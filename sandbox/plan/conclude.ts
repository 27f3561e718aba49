import { percentile } from '../prices.ts';
import { SIGNAL_SECONDS } from '../region/auto-scaling/deployments.ts';
import type { Change } from './change.ts';
import type { Estimates } from './estimates.ts';
import { deadlineTimesOf, hookTimesOf } from './hooks.ts';
import { harderChoices, obstaclesIn, unplayedKinds, unseenObstacles } from './obstacles.ts';
import type { DrainForecast, Findings, Plan, Spread } from './plan.ts';
import type { Snapshot } from './snapshot.ts';
import { type Bound, countsOf, killedIn, sumOf, type TrialResult } from './trial.ts';
import { verdictOn } from './verdict.ts';

/** What the trials of a plan come to. */

export function concluded(findings: Findings): Plan {
  const { snapshot, change, params, estimates, limits, prerequisites, troubles } = findings;
  const { withDrain, withoutDrain } = findings;
  const { group, cluster } = snapshot;
  const drains = forecasts(withDrain);
  const stuck = obstaclesIn(findings);
  const allLimits = [
    ...limits,
    ...unplayedKinds(findings),
    ...harderChoices(findings),
    ...unseenObstacles(snapshot, change, stuck),
  ];
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
