/** The second use case: finds the drains that nobody goes on with. Events are best effort (facts 3), and queues have ends. */

import { type Drain, type HeldInstance, type LifecycleAction, newDrain, type Registration } from './drain.ts';
import { lostAtMs, ON_THE_WAY_SECONDS, type Policy, parksBetweenHeartbeats } from './policy.ts';
import { type Ports, Unavailable } from './ports.ts';

/** Where we drain. */
export interface Territory {
  readonly autoScalingGroups: readonly string[];
  /** The cluster of a group, where it was said; the others' instances may be in any. */
  readonly clusterOfGroup: ReadonlyMap<string, string>;
  readonly lifecycleHooks: readonly string[];
}

/** What a sweep came to. */
export interface SweepResult {
  readonly kind: 'swept';
  /** How many instances a terminating hook held. */
  readonly held: number;
  /** The drains that nobody went on with, and that go on now. */
  readonly found: readonly Drain[];
}

/** What a sweep needs of the ports: it decides nothing about a drain itself. */
export type SweepPorts = Omit<Ports, 'announcements' | 'random' | 'invocation'>;

/** A held instance whose event must have come by now. */
interface Suspect extends HeldInstance {
  readonly sinceMs: number;
  /** Its live registrations. */
  readonly registrations: readonly Registration[];
}

/** From its parking to the start of a drain that was found: the drain's place sees to it that there is never a second. */
const STARTS_IN_SECONDS = 5;

/**
 * Finds instances that our hooks hold and nobody drains, and lets their drains start, or go on, by the same path as an
 * event would. One call where nothing is held, and two where that is new; a drain that is parked is known to be alive by
 * when it was parked last.
 * @throws Unavailable if AWS did not answer; whatever else a port throws, when all the other instances were swept.
 */
export async function sweep(territory: Territory, policy: Policy, ports: SweepPorts): Promise<SweepResult> {
  const held = await ports.lifecycleActions.heldInstances(territory.autoScalingGroups);
  const suspects = await suspectsAmong(held, territory, policy, ports);
  if (suspects.length === 0) return { kind: 'swept', held: held.length, found: [] };

  const parkedAtMs = (await ports.parkingPlaces?.parkedAtMs()) ?? (() => undefined);
  const found: Drain[] = [];
  const failures: unknown[] = [];
  for (const suspect of suspects) {
    try {
      const drain = await rescued(suspect, parkedAtMs, territory, policy, ports);
      if (drain) found.push(drain);
    } catch (error) {
      failures.push(error); // What fails of one must not cost the others their drains.
    }
  }
  if (failures.length > 0) throw failures.find((error) => !(error instanceof Unavailable)) ?? failures[0];
  return { kind: 'swept', held: held.length, found };
}

async function suspectsAmong(
  held: readonly HeldInstance[],
  { clusterOfGroup }: Territory,
  policy: Policy,
  { lifecycleActions, containerInstances, clock }: SweepPorts,
): Promise<Suspect[]> {
  const suspects: Suspect[] = [];
  for (const [group, instances] of Map.groupBy(held, ({ autoScalingGroup }) => autoScalingGroup)) {
    const since = await lifecycleActions.terminatingSinceMs(group);
    const nowMs = clock.nowMs();
    const isOld = (sinceMs: number) => nowMs - sinceMs >= ON_THE_WAY_SECONDS * 1000;
    const old = instances.filter(({ instanceId }) => isOld(since.get(instanceId) ?? 0));
    if (old.length === 0) continue;
    const named = clusterOfGroup.get(group);
    const ids = old.map(({ instanceId }) => instanceId);
    const clusters = named === undefined ? policy.clusters : [named];
    const registered = await Promise.all(clusters.map((cluster) => containerInstances.registrations(cluster, ids)));
    const live = registered.flat().filter(({ status }) => ['REGISTERING', 'ACTIVE', 'DRAINING'].includes(status));
    const registrationsOf = Map.groupBy(live, ({ ec2InstanceId }) => ec2InstanceId);
    for (const instance of old) {
      const { instanceId } = instance;
      const registrations = registrationsOf.get(instanceId) ?? [];
      suspects.push({ ...instance, sinceMs: since.get(instanceId) ?? nowMs, registrations });
    }
  }
  return suspects;
}

/** The suspect's drain, if nobody went on with it: it goes on now. */
async function rescued(
  suspect: Suspect,
  parkedAtMs: (containerInstanceArn: string) => number | undefined,
  { clusterOfGroup, lifecycleHooks }: Territory,
  policy: Policy,
  ports: SweepPorts,
): Promise<Drain | undefined> {
  const { instanceId, autoScalingGroup, registrations, sinceMs } = suspect;
  const { parkingPlaces, lifecycleActions, continuations, clock, journal } = ports;
  const nowMs = clock.nowMs();

  const place = registrations.find(({ arn }) => parkedAtMs(arn) !== undefined);
  if (place && nowMs < lostAtMs(parkedAtMs(place.arn) ?? nowMs, policy)) return undefined;
  // Where drains wait within their invocations nothing shows that one is alive, but that its instance takes no more tasks.
  const isTaken = registrations.length > 0 && registrations.every(({ status }) => status !== 'ACTIVE');
  const leaveTraces = parkingPlaces !== undefined && parksBetweenHeartbeats(policy);
  if (!leaveTraces && isTaken) return undefined;

  const parked = place && (await parkedOn(place.arn, ports));
  const isItsOwn = parked !== undefined && parked.action.instanceId === instanceId;
  const actions = isItsOwn
    ? [parked.action]
    : lifecycleHooks.map((lifecycleHook) => ({ autoScalingGroup, lifecycleHook, instanceId }));
  const action = await pendingAmong(actions, lifecycleActions);
  if (!action) return undefined;

  const begun = newDrain(action, sinceMs, clusterOfGroup.get(autoScalingGroup), policy.pollMinSeconds);
  const drain = isItsOwn ? parked : begun;
  const beaten = { ...drain, lastHeartbeatAtMs: nowMs, heartbeats: drain.heartbeats + 1 };
  const next = await started(beaten, place ?? registrations[0], place !== undefined);
  if (next) journal.record(next, { kind: 'found', lost: isItsOwn ? 'continuation' : 'event' });
  return next;

  async function started(drain: Drain, on: Registration | undefined, hasPlace: boolean): Promise<Drain | undefined> {
    if (!parkingPlaces || !on) {
      await continuations.continueNow(drain);
      return drain;
    }
    const untilMs = nowMs + STARTS_IN_SECONDS * 1000;
    const known = drain.parked ?? { containerInstances: [{ arn: on.arn, cluster: on.cluster }], holdingTasks: [] };
    const next = { ...drain, cluster: on.cluster, containerInstance: on.arn, parked: { ...known, untilMs } };
    const answer = await parkingPlaces.park(next, untilMs, hasPlace ? 'spent' : 'new');
    return answer === 'parked' ? next : undefined;
  }
}

/** What cannot be understood is of no more use than what is not there. */
async function parkedOn(containerInstanceArn: string, { parkingPlaces }: SweepPorts): Promise<Drain | undefined> {
  try {
    return await parkingPlaces?.parkedOn(containerInstanceArn);
  } catch (error) {
    if (error instanceof Unavailable) throw error;
    return undefined;
  }
}

/**
 * The first of the actions that Auto Scaling waits for: a heartbeat tells, and gives the drain time. The hook that holds
 * the instance may be another's, long after ours was completed.
 */
async function pendingAmong(
  actions: readonly Drain['action'][],
  { recordHeartbeat }: SweepPorts['lifecycleActions'],
): Promise<LifecycleAction | undefined> {
  for (const action of actions) {
    if (!('notice' in action) && (await recordHeartbeat(action)) === 'accepted') return action;
  }
  return undefined;
}
