/**
 * Finds the drains that nothing continues: Auto Scaling's events are best effort (facts 3 event-delivery), and an
 * invocation may crash.
 */

import { beginDrain, type HookMetadata } from './begin-drain.ts';
import { batches, isValue } from './by-cluster.ts';
import { decideOnHold, decideUnwritten, type HoldSituation, looksDrained } from './decide-hold.ts';
import {
  type ActionDrain,
  type Drain,
  isSameDrain,
  type LifecycleHook,
  MANAGED_DRAINING_HOOK,
  unreachable,
} from './drain.ts';
import { type Work, withHeartbeat, withHook, workOn } from './evolve.ts';
import { choiceOf, type GroupChoice } from './groups.ts';
import { continued } from './next-round.ts';
import { type ContainerInstance, isLive } from './observation.ts';
import { workOnce } from './once.ts';
import { ON_THE_WAY_SECONDS, type Policy, wholeSecond } from './policy.ts';
import { ClusterMissing, errorOf, type HeldInstance, type Ports, Unavailable } from './ports.ts';
import { storedIn } from './stored-drain.ts';
import { waiting, writeSchedule } from './write-schedule.ts';

/** The groups and hooks whose instances we drain. */
export interface SweepScope {
  readonly autoScalingGroups: readonly GroupChoice[];
  readonly lifecycleHooks: readonly string[];
  /** Whether drains of ECS managed draining are supervised. */
  readonly superviseManagedDraining: boolean;
  /** What the metadata of a hook names; undefined if its events are rejected because of it. */
  readonly readMetadata: (hook: LifecycleHook) => HookMetadata | undefined;
  /** The EC2 ids of the instances that other events of the same batch are about: the next sweep looks at those. */
  readonly attended: ReadonlySet<string>;
}

/** The result of a sweep. */
export interface Swept {
  /** How many instances a terminating hook holds. */
  readonly held: number;
  /** Drains that nothing continued, to continue now. */
  readonly found: readonly Work[];
  /** What kept some of the held instances from being looked at; the others were. */
  readonly failures: readonly unknown[];
}

/** A hold that is old enough for its event to have arrived. */
interface OverdueHold extends HeldInstance {
  readonly sinceMs: number;
  readonly registrations: readonly ContainerInstance[];
}

/** A hold, and the terminating hooks of its group. */
interface Suspect {
  readonly hold: OverdueHold;
  readonly hooks: readonly LifecycleHook[];
}

interface Sweep {
  readonly scope: SweepScope;
  readonly policy: Policy;
  readonly ports: Ports;
  /** When each schedule was written last, by name. */
  readonly writtenAtMs: ReadonlyMap<string, number>;
  /** What Scheduler has answered so far in this sweep. */
  readonly puts: { refused: number; accepted: number };
}

/**
 * Looks for instances that our hooks hold and no one drains. One call where nothing is held; a parked drain is known to be
 * alive by when its schedule was written last.
 * @throws Unavailable if AWS does not say what is held.
 */
export async function findLostDrains(scope: SweepScope, policy: Policy, ports: Ports): Promise<Swept> {
  const held = await ports.lifecycleActions.heldInstances(scope.autoScalingGroups);
  const unattended = held.filter(({ instanceId }) => !scope.attended.has(instanceId));
  const failures: unknown[] = [];
  // What fails for one group or instance must not cost the others their drains.
  const apart = async <T>(task: Promise<T>): Promise<T | undefined> => {
    try {
      return await task;
    } catch (error) {
      failures.push(error);
      return undefined;
    }
  };
  const tenAtOnce = async <T, R extends object>(items: readonly T[], task: (item: T) => Promise<R | undefined>) => {
    const answers: R[] = [];
    for (const some of batches(items, AT_ONCE)) {
      const each = await Promise.all(some.map((item) => apart(task(item))));
      answers.push(...each.filter((answer) => answer !== undefined));
    }
    return answers;
  };
  const groups = [...Map.groupBy(unattended, ({ autoScalingGroup }) => autoScalingGroup)];
  const suspects = (await tenAtOnce(groups, (group) => suspectsIn(group, scope, policy, ports))).flat();
  const { schedules } = ports;
  const writtenAtMs = schedules && suspects.length > 0 ? await apart(schedules.writtenAtMs()) : new Map();
  if (!writtenAtMs) return { held: held.length, found: [], failures };
  const sweep = { scope, policy, ports, writtenAtMs, puts: { refused: 0, accepted: 0 } };
  const urgentFirst = byUrgency(suspects, ports.clock.nowMs());
  const found = await tenAtOnce(urgentFirst, (suspect) => resumeIfLost(suspect, sweep));
  return { held: held.length, found, failures };
}

/** Of a thousand drains that cannot be parked, or of hundreds of groups, a sweep must get to the last in time. */
const AT_ONCE = 10;

/** First what no one drains for certain, then what only has to end, then what is held longest: its deadline comes first. */
function byUrgency(suspects: readonly Suspect[], nowMs: number): Suspect[] {
  const rankOf = ({ registrations }: OverdueHold) => {
    if (!looksDrained(registrations, nowMs)) return 0;
    return registrations.every(({ isEmpty }) => isEmpty) ? 1 : 2;
  };
  return suspects.toSorted(({ hold: a }, { hold: b }) => rankOf(a) - rankOf(b) || a.sinceMs - b.sinceMs);
}

/** The error that a sweep fails with; undefined if every failure passes by itself. */
export function lastingFailureIn({ failures }: Swept): unknown {
  return failures.find((error) => !(error instanceof Unavailable));
}

async function suspectsIn(
  [group, instances]: readonly [string, readonly HeldInstance[]],
  scope: SweepScope,
  policy: Policy,
  ports: Ports,
): Promise<Suspect[]> {
  const holds = await overdueHolds(group, instances, scope, policy, ports);
  const hooks = holds.length > 0 ? await ports.lifecycleActions.hooksOf(group) : [];
  return holds.map((hold) => ({ hold, hooks }));
}

async function overdueHolds(
  group: string,
  instances: readonly HeldInstance[],
  scope: SweepScope,
  policy: Policy,
  { lifecycleActions, containerInstances: ecs, clock }: Ports,
): Promise<OverdueHold[]> {
  const since = await lifecycleActions.terminatingSinceMs(group);
  const nowMs = clock.nowMs();
  const isOverdue = ({ instanceId }: HeldInstance) => nowMs - (since.get(instanceId) ?? 0) >= ON_THE_WAY_SECONDS * 1000;
  const overdue = instances.filter(isOverdue);
  const named = choiceOf(scope.autoScalingGroups, group)?.cluster;
  const registered: ContainerInstance[] = [];
  // An instance may be in another cluster than its group names, so the named cluster is only searched first.
  for (const isNamed of [true, false]) {
    const known = new Set(registered.map(({ ec2InstanceId }) => ec2InstanceId));
    const ids = overdue.map(({ instanceId }) => instanceId).filter((id) => !known.has(id));
    const clusters = policy.clusters.filter((cluster) => (cluster === named) === isNamed);
    if (ids.length > 0) registered.push(...(await liveIn(clusters, ids, ecs)));
  }
  return overdue.map((hold) => ({
    ...hold,
    sinceMs: since.get(hold.instanceId) ?? nowMs,
    registrations: registered.filter(({ ec2InstanceId }) => ec2InstanceId === hold.instanceId),
  }));
}

async function liveIn(clusters: readonly string[], ids: readonly string[], ecs: Ports['containerInstances']) {
  const inEach = clusters.map(async (cluster) => {
    try {
      const arns = await ecs.list(cluster, ids);
      return arns.length > 0 ? await ecs.describe(cluster, arns) : [];
    } catch (error) {
      if (error instanceof ClusterMissing) return [];
      throw error;
    }
  });
  return (await Promise.all(inEach)).flat().filter(isLive);
}

/** The drain of an overdue hold, if nothing continues it. */
async function resumeIfLost({ hold, hooks }: Suspect, sweep: Sweep): Promise<Work | undefined> {
  const { scope, policy, ports, writtenAtMs } = sweep;
  const { registrations } = hold;
  for (const hook of hooks) {
    const fresh = freshDrain(hold, hook, scope, policy);
    if (!fresh) continue;
    const schedule = scheduleOf(hold, fresh, writtenAtMs, ports);
    const nowMs = ports.clock.nowMs();
    const isOnlyHook = hooks.length === 1;
    const situation = { hook, isOnlyHook, registrations, writtenAtMs: schedule?.writtenAtMs, policy, nowMs };
    // Most drains are alive: their schedules are not read.
    if (decideOnHold({ ...situation, drain: fresh }) === 'leave') continue;
    const stored = schedule && (await storedFor(fresh, schedule.name, ports));
    const drain = stored ?? fresh;
    const decision = decideOnHold({ ...situation, drain });
    if (decision === 'leave' || decision === 'give-up') continue;
    // Another hook may hold the instance long after ours was completed. The heartbeat shows whether ours does, and gives time.
    if (drain.kind === 'held' && (await ports.lifecycleActions.recordHeartbeat(drain.action)) !== 'accepted') continue;
    const next = withHeartbeat(stored ? continued(stored) : fresh, nowMs);
    switch (decision) {
      case 'send':
        return send(next, ports);
      case 'write-schedule':
        return writeFirst(next, { ...situation, drain }, sweep);
      case 'resume':
        ports.telemetry.record(next, { kind: 'found', lost: stored ? 'continuation' : 'event' });
        return workOn(next);
      default:
        return unreachable(decision);
    }
  }
  return undefined;
}

async function send(drain: Drain, { continuations, telemetry, clock }: Ports): Promise<undefined> {
  const [failure] = await continuations.continueAt([{ drain, atMs: clock.nowMs() }]).catch((error) => [errorOf(error)]);
  if (failure) telemetry.record(drain, { kind: 'refused', doing: 'park', reason: failure.message });
  else telemetry.record(drain, { kind: 'found', lost: 'event' });
}

async function writeFirst(
  drain: Drain,
  situation: HoldSituation,
  { policy, ports, puts }: Sweep,
): Promise<Work | undefined> {
  if (!ports.schedules) return undefined;
  // Its round goes by the hook that the sweep has read: it may have no second attempt before tasks are stopped.
  const once = (state: Drain) => workOnce(withHook(state, situation.hook.limits));
  const unwritten = (state = drain) => (decideUnwritten(situation) === 'once' ? once(state) : undefined);
  // What Scheduler refuses of one drain, it refuses of the others, and each attempt takes seconds.
  if (puts.refused >= AT_ONCE && puts.accepted === 0) return unwritten();
  const now = { kind: 'park', untilMs: wholeSecond(ports.clock.nowMs()), on: 'both' } as const;
  const answer = await writeSchedule(drain, waiting(drain, now, policy, ports), now, ports);
  puts[answer.kind === 'refused' ? 'refused' : 'accepted'] += 1;
  if (answer.kind === 'refused') {
    ports.telemetry.record(drain, { kind: 'refused', doing: 'park', reason: answer.reason });
    // One that has fired may be deleted by now, also if it cannot be read. Then its state is here alone.
    const isThere = !drain.parked || isValue(await storedIn(drain.parked.schedule, drain, ports));
    // AWS may have written it all the same: whoever ends the drain deletes it.
    if (isThere) return unwritten({ ...drain, unconfirmedTurn: answer.drain?.unconfirmedTurn });
  } else if (answer.kind !== 'parked') return undefined;
  // Where ECS drains, an instance that takes no more tasks does not mean that a drain of ours is alive.
  const isEvent = drain.kind === 'supervised' && !drain.parked;
  ports.telemetry.record(drain, { kind: 'found', lost: isEvent ? 'event' : 'continuation' });
  return workOn(answer.drain ?? drain);
}

function freshDrain(
  hold: OverdueHold,
  hook: LifecycleHook,
  scope: SweepScope,
  policy: Policy,
): ActionDrain | undefined {
  const metadata = metadataOf(hook, scope);
  if (!metadata) return undefined;
  const { autoScalingGroup, instanceId, sinceMs: startedAtMs, staysInGroup } = hold;
  const action = { autoScalingGroup, lifecycleHook: hook.name, instanceId };
  return beginDrain(action, { startedAtMs, staysInGroup }, metadata, { ...scope, policy });
}

/** ECS's hook has no metadata of ours. */
function metadataOf(hook: LifecycleHook, scope: SweepScope): HookMetadata | undefined {
  if (hook.name === MANAGED_DRAINING_HOOK) return scope.superviseManagedDraining ? {} : undefined;
  return scope.lifecycleHooks.includes(hook.name) ? scope.readMetadata(hook) : undefined;
}

function scheduleOf(
  { registrations }: OverdueHold,
  drain: ActionDrain,
  writtenAtMs: ReadonlyMap<string, number>,
  { schedules }: Ports,
): { readonly name: string; readonly writtenAtMs: number } | undefined {
  if (!schedules) return undefined;
  // A drain that an earlier version has parked is alive as well.
  const earlier = registrations.flatMap(({ arn }) => schedules.earlierNamesOf(drain, arn));
  for (const name of [schedules.nameOf(drain), ...earlier]) {
    const atMs = writtenAtMs.get(name);
    if (atMs !== undefined) return { name, writtenAtMs: atMs };
  }
  return undefined;
}

/** The state in the schedule; undefined if there is none or it cannot be understood. */
async function storedFor(fresh: ActionDrain, schedule: string, ports: Ports): Promise<ActionDrain | undefined> {
  const stored = await storedIn(schedule, fresh, ports);
  if (stored instanceof Unavailable) throw stored;
  return stored && !(stored instanceof Error) && stored.kind !== 'notice' && isSameDrain(stored, fresh)
    ? stored
    : undefined;
}
