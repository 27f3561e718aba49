import { AutoScalingClient } from '@aws-sdk/client-auto-scaling';
import { CloudWatchClient } from '@aws-sdk/client-cloudwatch';
import { ECSClient } from '@aws-sdk/client-ecs';
import { ElasticLoadBalancingV2Client } from '@aws-sdk/client-elastic-load-balancing-v2';
import { LambdaClient } from '@aws-sdk/client-lambda';
import { readSnapshot } from '../../cli/snapshot/read.ts';
import { Reader } from '../../cli/snapshot/reader.ts';
import { fromSource } from '../../sandbox/chaos/play.ts';
import type { Install } from '../../sandbox/drainers/drainer.ts';
import { type Build, installedFrom } from '../../sandbox/drainers/ecs-drain.ts';
import { blueprintOf } from '../../sandbox/plan/build.ts';
import type { Change } from '../../sandbox/plan/change.ts';
import { concluded } from '../../sandbox/plan/conclude.ts';
import { sweepingRarely } from '../../sandbox/plan/deployment.ts';
import { type Assumptions, estimatesOf } from '../../sandbox/plan/estimates.ts';
import { rehearsedParams } from '../../sandbox/plan/hooks.ts';
import type { Plan } from '../../sandbox/plan/plan.ts';
import { checkedSnapshot, type Snapshot } from '../../sandbox/plan/snapshot.ts';
import { play, playChange, type TrialResult } from '../../sandbox/plan/trial.ts';
import type { Region } from '../../sandbox/region/region.ts';
import { UNSIGNED } from '../../sandbox/region/wire/transport.ts';
import type { DrillResult } from '../../sandbox/result.ts';
import type { Scenario } from '../../sandbox/scenarios.ts';

/** The proof of a plan: the local Region is the only world whose truth is known. */

/** A cluster, and the change to it. */
export interface Case {
  readonly name: string;
  readonly scenario: Scenario;
  readonly change: (instanceIds: readonly string[]) => Change;
  readonly seed: number;
  /** What happens shortly before the snapshot, and for how many seconds. */
  readonly past?: { readonly begin: (region: Region) => void; readonly seconds: number };
}

/** What was planned from a snapshot, and what then came. */
export interface Proof {
  readonly name: string;
  readonly seed: number;
  readonly plan: Plan;
  readonly actual: TrialResult;
  readonly actualWithoutDrain: TrialResult;
  /** The whole of the first rehearsal, with and without a drain. */
  readonly drills: readonly DrillResult[];
}

/** A deregistration, a stop and a start of a replacement. */
const PAST_SECONDS = 900;

/** With hooks for the group as the params have it, which the package of `fromSource` creates whatever they say. */
export const fromSourceForGroup: Build = async (params) => {
  const { deployment, createDrainHandler } = await fromSource(params);
  const hooks = params['createLifecycleHooks'] === 'false' ? [] : deployment.hooks;
  return { deployment: { ...deployment, hooks }, createDrainHandler };
};

const install = installedFrom(fromSource);
/** As a plan does. */
const rehearsed = installedFrom(sweepingRarely(fromSourceForGroup));

/** Gives a cluster a past, takes its snapshot over the wire, plans the change, and makes it. */
export async function prove({ name, scenario, change, seed, past }: Case, trials: number): Promise<Proof> {
  let snapshot: Snapshot | undefined;
  let planned: Change | undefined;
  const real = (drainer: Install | undefined) => {
    const before = async (region: Region, instanceIds: readonly string[]) => {
      await givePast(region, scenario, instanceIds);
      past?.begin(region);
      if (past) await pass(region, past.seconds);
      planned ??= change(instanceIds);
      snapshot ??= await snapshotOver(region, scenario);
    };
    return playChange({ ...scenario, jobs: [], before }, planned ?? change(idsOf(scenario)), {
      seed,
      install: drainer,
    });
  };
  const actual = await real(install);
  const actualWithoutDrain = await real(undefined);
  if (!snapshot || !planned) throw new Error('No snapshot was taken.');

  const estimates = estimatesOf(snapshot, assumptionsFor(scenario));
  const params = rehearsedParams(snapshot, snapshot.drain?.params ?? {});
  const trial = { blueprint: blueprintOf(snapshot, estimates, params), change: planned, params };
  const withDrain: TrialResult[] = [];
  const withoutDrain: TrialResult[] = [];
  const drills: DrillResult[] = [];
  for (let i = 1; i <= trials; i++) {
    const onDrill = i === 1 ? (drill: DrillResult) => void drills.push(drill) : undefined;
    withDrain.push(await play({ ...trial, seed: seed + 1_000 + i, install: rehearsed, onDrill }));
    withoutDrain.push(await play({ ...trial, seed: seed + 1_000 + i, install: undefined, onDrill }));
  }
  const given = {
    snapshot,
    change: planned,
    params,
    estimates,
    limits: [],
    prerequisites: [],
    troubles: [],
    others: [],
  };
  const plan = concluded({ ...given, withDrain, withoutDrain });
  return { name, seed, plan, actual, actualWithoutDrain, drills };
}

/** The snapshot of a cluster in which nothing has happened yet. */
export async function snapshotBefore({ scenario, seed }: Case): Promise<Snapshot> {
  let snapshot: Snapshot | undefined;
  const before = async (region: Region) => {
    snapshot = await snapshotOver(region, scenario);
  };
  const change: Change = { kind: 'scale-in', count: 1 };
  await playChange({ ...scenario, jobs: [], before }, change, { seed, install: undefined });
  if (!snapshot) throw new Error('No snapshot was taken.');
  return snapshot;
}

/** The Region names the instances of its first group so. */
function idsOf({ group }: Scenario): string[] {
  return Array.from({ length: group.desiredCapacity }, (_, i) => `i-${(i + 1).toString(16).padStart(17, '0')}`);
}

/** One task of each service has been stopped recently, and standalone tasks run. */
async function givePast(region: Region, { group, jobs }: Scenario, instanceIds: readonly string[]): Promise<void> {
  const { ecs, time } = region;
  for (const { tasks } of ecs.clusters.get(group.cluster)?.services.values() ?? []) {
    const [task] = tasks;
    if (task) ecs.stopTask(task, 'to see how long it takes');
  }
  await pass(region, PAST_SECONDS);
  for (const { on, ...job } of jobs) {
    ecs.runTask({ ...job, cluster: group.cluster, ec2InstanceId: instanceIds[on] ?? '' });
  }
  if (jobs.length > 0) await pass(region, 60);
  time.stir();
}

async function pass({ time }: Region, seconds: number): Promise<void> {
  const untilMs = time.nowMs() + seconds * 1000;
  time.after(seconds, () => {});
  await time.runUntil(() => time.nowMs() >= untilMs);
}

/** As `ecs-drain snapshot` takes it, byte for byte. */
async function snapshotOver(region: Region, { group }: Scenario): Promise<Snapshot> {
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
  const config = { requestHandler: region.transport, signer: UNSIGNED, region: 'eu-west-1', credentials };
  const clients = {
    autoScaling: new AutoScalingClient(config),
    ecs: new ECSClient(config),
    loadBalancing: new ElasticLoadBalancingV2Client(config),
    lambda: new LambdaClient(config),
    cloudWatch: new CloudWatchClient(config),
  };
  const pace = { nowMs: () => region.time.nowMs(), wait: (ms: number) => new Promise((done) => setTimeout(done, ms)) };
  const request = {
    group: group.name,
    cluster: undefined,
    withImages: false,
    functionName: 'ecs-drain-main-drain',
    nowMs: () => region.time.nowMs(),
  };
  const reader = new Reader(1_000, pace);
  let taken: Promise<Snapshot> | undefined;
  let isOver = false;
  region.time.start(async () => {
    taken = readSnapshot(clients, request, reader).then(({ snapshot }) =>
      checkedSnapshot(JSON.parse(JSON.stringify(snapshot)), 'The snapshot'),
    );
    await taken.catch(() => {});
    isOver = true;
  });
  await region.time.runUntil(() => isOver);
  if (!taken) throw new Error('The snapshot was not begun.');
  return taken;
}

/** What cannot be seen from outside: launch times where nothing was launched, how long jobs run, and request rates. */
function assumptionsFor({ group, jobs, services }: Scenario): Assumptions {
  return {
    launchSeconds: group.launchSeconds,
    services: Object.fromEntries(
      services.flatMap(({ name, loadBalancer }) =>
        loadBalancer ? [[name, { requestsPerSecond: loadBalancer.requestsPerSecond }]] : [],
      ),
    ),
    standaloneTasks: Object.fromEntries(jobs.map(({ name, runsForSeconds }) => [`family:${name}`, { runsForSeconds }])),
  };
}

// --- How good it was --------------------------------------------------------------------------------------------------

export interface Errors {
  readonly outcomes: readonly string[];
  readonly killed: readonly string[];
  /** How far a duration was from the range of the plan, as a share of it: 0 within. */
  readonly drains: readonly number[];
  readonly whole: number;
}

/** Where what came differs from what was planned. */
export function errorsOf({ plan, actual, actualWithoutDrain }: Proof): Errors {
  const planned = new Map(plan.drains.map((drain) => [drain.instanceId, drain]));
  const outcomes = actual.drains.flatMap(({ instanceId, outcome }) => {
    const forecast = Object.keys(planned.get(instanceId)?.outcomes ?? {});
    return forecast.length === 1 && forecast[0] === outcome
      ? []
      : `${instanceId}: planned ${forecast.join(' or ') || 'no drain'}, came ${outcome}`;
  });
  const kills = ({ killed }: TrialResult) => killed['cut off'] + killed['delayed SIGTERM'] + killed.unharmed;
  const killed = [
    ...differing('with ecs-drain', plan.killed.withDrain.tasks, kills(actual)),
    ...differing('without a drain', plan.killed.withoutDrain.tasks, kills(actualWithoutDrain)),
  ];
  return {
    outcomes: actual.drains.length === plan.drains.length ? outcomes : [...outcomes, 'another number of drains'],
    killed,
    drains: actual.drains.map(({ instanceId, seconds }) => beyond(seconds, planned.get(instanceId)?.seconds)),
    whole: beyond(actual.seconds, plan.seconds),
  };
}

function differing(who: string, planned: number, came: number): string[] {
  return planned === came ? [] : [`${who}: planned ${planned}, came ${came}`];
}

function beyond(seconds: number, range: { readonly p50: number; readonly p95: number } | undefined): number {
  if (!range) return Number.POSITIVE_INFINITY;
  const { p50, p95 } = range;
  if (seconds < p50) return (p50 - seconds) / p50;
  return seconds > p95 ? (seconds - p95) / p95 : 0;
}
