/**
 * The second use case: finds the drains that nobody goes on with. Events are best effort (facts 3 event-delivery), and
 * queues have ends.
 */

import {
  type Drain,
  type HeldInstance,
  type HookLimits,
  hookLimits,
  type LifecycleAction,
  type LifecycleHook,
  newDrain,
  type Registration,
} from './drain.ts';
import { givenUpAtMs, lostAtMs, ON_THE_WAY_SECONDS, type Policy, parksBetweenHeartbeats } from './policy.ts';
import { type Ports, Unavailable } from './ports.ts';

/** Where we drain. */
export interface Territory {
  readonly autoScalingGroups: readonly string[];
  /** The cluster of a group, where it was said; the others' instances may be in any. */
  readonly clusterOfGroup: ReadonlyMap<string, string>;
  readonly lifecycleHooks: readonly string[];
  /** What the metadata of a hook says; undefined if its events are rejected for it. */
  readonly readMetadata: (hook: LifecycleHook) => { readonly cluster?: string | undefined } | undefined;
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
  const failures: unknown[] = [];
  // What fails of one must not cost the others their drains.
  const attempted = async <T>(what: () => Promise<T>): Promise<T | undefined> => what().catch(noted);
  const noted = (error: unknown) => {
    failures.push(error);
    return undefined;
  };

  const suspects: Suspect[] = [];
  for (const [group, instances] of Map.groupBy(held, ({ autoScalingGroup }) => autoScalingGroup)) {
    suspects.push(...((await attempted(() => suspectsAmong(group, instances, territory, policy, ports))) ?? []));
  }
  const found: Drain[] = [];
  if (suspects.length > 0) {
    const parkedAtMs = (await ports.parkingPlaces?.parkedAtMs()) ?? (() => undefined);
    const hooksOf = oncePerGroup(ports.lifecycleActions.hooksOf);
    for (const suspect of suspects) {
      const drain = await attempted(() => rescued(suspect, parkedAtMs, hooksOf, territory, policy, ports));
      if (drain) found.push(drain);
    }
  }
  if (failures.length > 0) throw failures.find((error) => !(error instanceof Unavailable)) ?? failures[0];
  return { kind: 'swept', held: held.length, found };
}

function oncePerGroup<T>(ask: (group: string) => Promise<T>): (group: string) => Promise<T> {
  const answers = new Map<string, Promise<T>>();
  return (group) => {
    const answer = answers.get(group) ?? ask(group);
    answers.set(group, answer);
    return answer;
  };
}

async function suspectsAmong(
  group: string,
  instances: readonly HeldInstance[],
  { clusterOfGroup }: Territory,
  policy: Policy,
  { lifecycleActions, containerInstances, clock }: SweepPorts,
): Promise<Suspect[]> {
  const since = await lifecycleActions.terminatingSinceMs(group);
  const nowMs = clock.nowMs();
  const isOld = (sinceMs: number) => nowMs - sinceMs >= ON_THE_WAY_SECONDS * 1000;
  const old = instances.filter(({ instanceId }) => isOld(since.get(instanceId) ?? 0));

  const registrationsOf = new Map<string, Registration[]>();
  const named = clusterOfGroup.get(group);
  // An instance may be elsewhere than its group: the cluster that was said is only where it is looked for first.
  const searches =
    named === undefined ? [policy.clusters] : [[named], policy.clusters.filter((each) => each !== named)];
  for (const clusters of searches) {
    const ids = old.map(({ instanceId }) => instanceId).filter((id) => !registrationsOf.has(id));
    if (ids.length === 0) break;
    const registered = await Promise.all(clusters.map((cluster) => containerInstances.registrations(cluster, ids)));
    const live = registered.flat().filter(({ status }) => ['REGISTERING', 'ACTIVE', 'DRAINING'].includes(status));
    for (const [id, own] of Map.groupBy(live, ({ ec2InstanceId }) => ec2InstanceId)) registrationsOf.set(id, own);
  }
  return old.map((instance) => ({
    ...instance,
    sinceMs: since.get(instance.instanceId) ?? nowMs,
    registrations: registrationsOf.get(instance.instanceId) ?? [],
  }));
}

/** The suspect's drain, if nobody went on with it: it goes on now. */
async function rescued(
  suspect: Suspect,
  parkedAtMs: (containerInstanceArn: string) => number | undefined,
  hooksOf: (autoScalingGroup: string) => Promise<readonly LifecycleHook[]>,
  territory: Territory,
  policy: Policy,
  ports: SweepPorts,
): Promise<Drain | undefined> {
  const { instanceId, autoScalingGroup, registrations, sinceMs } = suspect;
  const { parkingPlaces, lifecycleActions, continuations, clock, journal } = ports;
  const nowMs = clock.nowMs();

  const place = registrations.find(({ arn }) => parkedAtMs(arn) !== undefined);
  const placeSinceMs = place && parkedAtMs(place.arn);
  const isTaken = registrations.length > 0 && registrations.every(({ status }) => status !== 'ACTIVE');
  const isAlive = (hook: HookLimits) => placeSinceMs !== undefined && nowMs < lostAtMs(placeSinceMs, hook, policy);
  // Where drains wait within their invocations nothing shows that one is alive, but that its instance takes no more tasks.
  if (isAlive(hookLimits(policy.heartbeatTimeoutSeconds)) || (isTaken && !parkingPlaces)) return undefined;

  const parked = place && (await parkedOn(place.arn, ports));
  const own = parked?.action.instanceId === instanceId ? parked : undefined;
  for (const hook of await hooksOf(autoScalingGroup)) {
    const lost = own ? asOwn(own, hook) : asNew(hook);
    if (!lost || 'notice' in lost.action || isAlive(hook.limits)) continue;
    if (isTaken && !parksBetweenHeartbeats(hook.limits, policy)) continue;
    if (nowMs >= givenUpAtMs(lost, hook.limits, policy)) continue;
    // The hook that holds the instance may be another's, long after ours was completed. A heartbeat tells, and gives time.
    if ((await lifecycleActions.recordHeartbeat(lost.action)) === 'already-completed') continue;
    const beaten = { ...lost, lastHeartbeatAtMs: nowMs, heartbeats: lost.heartbeats + 1 };
    const next = await started(beaten, place ?? registrations[0], place !== undefined);
    if (next) journal.record(next, { kind: 'found', lost: own ? 'continuation' : 'event' });
    return next;
  }
  return undefined;

  function asOwn(drain: Drain, { name }: LifecycleHook): Drain | undefined {
    return 'lifecycleHook' in drain.action && drain.action.lifecycleHook === name ? drain : undefined;
  }

  function asNew(hook: LifecycleHook): Drain | undefined {
    if (!territory.lifecycleHooks.includes(hook.name)) return undefined;
    const metadata = territory.readMetadata(hook);
    if (!metadata) return undefined;
    const action: LifecycleAction = { autoScalingGroup, lifecycleHook: hook.name, instanceId };
    const cluster = metadata.cluster ?? territory.clusterOfGroup.get(autoScalingGroup);
    return newDrain(action, sinceMs, cluster, policy.pollMinSeconds);
  }

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
