/** What a round works on: the drains that events begin, continue or wake. */

import { byCluster, isValue } from './by-cluster.ts';
import { type Drain, isOwnWait, isSameDrain, isWrittenSince, unreachable } from './drain.ts';
import { type Result, type Work, withHeartbeat, workOn } from './evolve.ts';
import { heldOpen } from './held-open.ts';
import { claimAgain, isPending, loadUntrusted } from './load-claim.ts';
import { continued, excessOf } from './next-round.ts';
import type { ContainerInstance, EcsRef } from './observation.ts';
import { mergedRequests, type OperatorRequest } from './operator.ts';
import { FEW_DRAINS, LEFT_AT_FIRST, type Policy } from './policy.ts';
import { type LifecycleActions, type Ports, Unavailable } from './ports.ts';
import { loadRequest } from './request.ts';
import { storedCopyOf, storedOf } from './stored-drain.ts';

/** What an event asks for. */
export type Arrival = Pick<Work, 'receives'> &
  (
    | /** A lifecycle action or a notice: a new drain. */
    { readonly kind: 'drain'; readonly drain: Drain }
    /** Trusted if only we can have sent it; whoever may put events on the bus can write the others. */
    | { readonly kind: 'continuation'; readonly drain: Drain; readonly isTrusted: boolean }
    /** The sweep found that nothing continues it. */
    | { readonly kind: 'lost'; readonly work: Work }
    /** Only who may invoke the function can send it. */
    | { readonly kind: 'request'; readonly request: OperatorRequest }
    | WakeUp
  );

/** An ECS event about a container instance: it describes the instance, or a task that has stopped there. */
export interface WakeUp {
  readonly kind: 'wake-up';
  readonly containerInstance: EcsRef;
  /** Undefined if the event is about a task. */
  readonly reported: ContainerInstance | undefined;
  /** When the event was sent: what it reports may have changed since. */
  readonly sentAtMs: number;
}

/**
 * How long what an event reports need not be asked for again. Someone may have set the instance to ACTIVE for a while since. In the
 * usual case the event takes two to four seconds: the bus, the window of the queue, a cold start, and its time has whole seconds.
 */
const REPORT_SECONDS = 5;

/** What an arrival leads to: work, or a result where there is nothing to do; none for a wake-up that no one awaits. */
export type Loaded = ReadonlyMap<Arrival, readonly (Work | Result)[]>;

/** @throws never: what fails is the result of its arrival. */
export async function load(arrivals: readonly Arrival[], policy: Policy, given: Ports): Promise<Loaded> {
  const bounded = heldOpen(arrivals.flatMap(trustedDrain), policy, given);
  const ports = { ...bounded, lifecycleActions: withSharedStarts(bounded.lifecycleActions) };
  const isFleet = arrivals.filter(({ kind }) => kind === 'drain').length > FEW_DRAINS;
  const woken = await loadWoken(
    arrivals.filter((arrival) => arrival.kind === 'wake-up'),
    ports,
  );
  const loaded = arrivals.map(async (arrival): Promise<[Arrival, readonly (Work | Result)[]]> => {
    switch (arrival.kind) {
      case 'drain':
        return [arrival, [await loadNew(arrival, isFleet, ports)]];
      case 'lost':
        return [arrival, [arrival.work]];
      case 'continuation':
        return [arrival, [await loadContinuation(arrival, policy, ports)]];
      case 'request':
        return [arrival, [await loadRequest(arrival.request, policy, ports)]];
      case 'wake-up':
        return [arrival, woken.get(arrival.containerInstance.arn) ?? []];
      default:
        return unreachable(arrival);
    }
  });
  return new Map(await Promise.all(loaded));
}

/** The drain of an arrival, where its state says when the next heartbeat is due. */
function trustedDrain(arrival: Arrival): Drain[] {
  switch (arrival.kind) {
    case 'drain':
      return [arrival.drain];
    case 'continuation':
      return arrival.isTrusted ? [arrival.drain] : [];
    default:
      return [];
  }
}

/** Asks since when a group's instances are terminated once for all of its drains. */
function withSharedStarts(lifecycleActions: LifecycleActions): LifecycleActions {
  const answers = new Map<string, ReturnType<LifecycleActions['terminatingSinceMs']>>();
  const terminatingSinceMs: LifecycleActions['terminatingSinceMs'] = (group) => {
    const answer = answers.get(group) ?? lifecycleActions.terminatingSinceMs(group);
    answers.set(group, answer);
    return answer;
  };
  return { ...lifecycleActions, terminatingSinceMs };
}

/** Where an event comes again, an earlier invocation may have begun its drain, and crashed before it had sent it on. */
async function loadNew(
  { drain, receives }: Extract<Arrival, { kind: 'drain' }>,
  isFleet: boolean,
  ports: Ports,
): Promise<Work> {
  const parked = comesAgain(receives) ? await storedCopyOf(drain, ports) : undefined;
  const work = workOn(parked ? continued(parked) : drain, { isFleet, isScheduleRead: parked !== undefined });
  return { ...work, receives };
}

/**
 * Whether the queue brings a message once more. The invocation that had it may have crashed after it wrote the drain's schedule
 * and before it sent the message for its next look. The schedule alone would be late for a short hook.
 */
function comesAgain(receives: number | undefined): boolean {
  return receives !== undefined && receives > 1;
}

async function loadContinuation(
  { drain, isTrusted, receives }: Extract<Arrival, { kind: 'continuation' }>,
  policy: Policy,
  ports: Ports,
): Promise<Work | Result> {
  try {
    const result = isTrusted
      ? await loadTrusted(drain, comesAgain(receives), ports)
      : await loadUntrusted(drain, policy, ports);
    if ('steps' in result) {
      const excess = excessOf(result.drain, ports.clock.nowMs());
      return excess ? { kind: 'failed', drain, error: new Error(excess) } : { ...result, receives };
    }
    return result;
  } catch (error) {
    if (isTrusted || !(error instanceof Unavailable)) return { kind: 'failed', drain, error };
    ports.telemetry.record(drain, { kind: 'refused', doing: 'load', reason: error.message });
    if (receives !== undefined && receives <= LEFT_AT_FIRST) return { kind: 'left', drain };
    const again = await claimAgain(drain, ports);
    const isRefused = again.kind === 'failed' && again.error instanceof Unavailable;
    return isRefused && receives !== undefined ? { kind: 'left', drain } : again;
  }
}

/**
 * A drain from the queue or from its schedule. Its schedule says whether it is still this one's turn: a wait that was written
 * since means that another delivery has continued the drain, and none at all that it has ended. A message that comes again goes on
 * from what is stored: of two chains, the one whose wait is not in the schedule ends at its next look.
 */
async function loadTrusted(drain: Drain, isAgain: boolean, ports: Ports): Promise<Work | Result> {
  const { parked } = drain;
  if (!parked || !ports.schedules) {
    const stored = isAgain ? await storedCopyOf(drain, ports) : undefined;
    return workOn(continued(stored ?? drain), { isScheduleRead: stored !== undefined });
  }
  const stored = await storedOf(drain, ports);
  if (stored instanceof Error) return workOn(continued(drain));
  if (!stored) return loadUnparked(drain, isAgain, ports);
  if (!isSameDrain(stored, drain)) return { kind: 'superseded', drain };
  const isElsewhere = isWrittenSince(stored, drain);
  const operator = mergedRequests(stored.operator, drain.operator);
  // A round that knew nothing of an operator's request has written the schedule after it.
  const isMissing = operator !== stored.operator;
  if (isElsewhere && !isMissing && !isAgain) return { kind: 'superseded', drain };
  const own = isOwnWait(stored, drain) ? { ...drain, parked: stored.parked, unconfirmedTurn: undefined } : drain;
  return workOn(continued({ ...(isElsewhere ? stored : own), operator }), { isScheduleRead: true });
}

/** The schedule is gone because the drain has ended, or because an invocation crashed while it wrote it again. */
async function loadUnparked(drain: Drain, isAgain: boolean, ports: Ports): Promise<Work | Result> {
  if (drain.kind === 'notice') {
    return isAgain ? workOn(continued({ ...drain, parked: undefined })) : { kind: 'superseded', drain };
  }
  const nowMs = ports.clock.nowMs();
  if (!(await isPending(drain, ports))) return { kind: 'superseded', drain };
  // Of two deliveries that find it gone, the one that makes it again knows its wait by the turn.
  const { unconfirmedTurn = drain.parked?.turn } = drain;
  return workOn(withHeartbeat(continued({ ...drain, parked: undefined, unconfirmedTurn }), nowMs));
}

/**
 * The parked drains of instances that have become empty. An event about the instance itself says so; where only a stopped
 * task was reported, ECS is asked once for all of them. What an older event reports is a reason to look, and the drain asks ECS.
 */
async function loadWoken(wakeUps: readonly WakeUp[], ports: Ports): Promise<Map<string, (Work | Result)[]>> {
  const freshSinceMs = ports.clock.nowMs() - REPORT_SECONDS * 1000;
  const late = new Set(wakeUps.filter(({ sentAtMs }) => sentAtMs < freshSinceMs).map(({ reported }) => reported));
  const reported = wakeUps
    .map((each) => each.reported)
    .filter(isValue)
    .filter(isEmptied);
  const arns = new Set(reported.map(({ arn }) => arn));
  const stops = wakeUps.filter((each) => !each.reported && !arns.has(each.containerInstance.arn));
  const onStops = stops.map(({ containerInstance }) => containerInstance);
  const emptied = [...reported, ...(await describeAll(onStops, ports)).filter(isEmptied)];
  const parked = [...Map.groupBy(emptied, ({ ec2InstanceId }) => ec2InstanceId)].map(async ([instanceId, own]) => {
    const fresh = own.filter((each) => !late.has(each));
    const works = await loadParkedOn(instanceId, fresh, ports);
    return own.map(({ arn }) => [arn, works] as const);
  });
  return new Map((await Promise.all(parked)).flat());
}

function isEmptied({ status, isEmpty }: ContainerInstance): boolean {
  return status === 'DRAINING' && isEmpty;
}

async function describeAll(
  refs: readonly EcsRef[],
  { containerInstances }: Ports,
): Promise<readonly ContainerInstance[]> {
  const byArn = await byCluster(refs, (cluster, arns) => containerInstances.describe(cluster, arns));
  // Without an answer the drains look for themselves when their schedules fire.
  return [...new Set(refs.map(({ arn }) => arn))].map(byArn).filter(isValue);
}

async function loadParkedOn(
  instanceId: string,
  reported: readonly ContainerInstance[],
  { schedules, clock }: Ports,
): Promise<(Work | Result)[]> {
  const parked = (await schedules?.parkedOn(instanceId)) ?? [];
  const drains = parked.filter(isValue);
  // A schedule that cannot be read must not keep the drains of other hooks asleep. Its own drain looks for itself when it fires.
  const error = parked.find((each) => each instanceof Error && !(each instanceof Unavailable));
  if (drains.length === 0 && error) return [{ kind: 'failed', error }];
  const asleep = drains.filter((drain) => !knowsEmptiness(drain));
  return asleep.map((drain) =>
    workOn(continued(drain, clock.nowMs()), { reported, isWoken: true, isScheduleRead: true }),
  );
}

/** Whether the drain only waits for ECS to complete its hook: that the instance is empty is no news to it. */
function knowsEmptiness(drain: Drain): boolean {
  return drain.kind === 'supervised' && drain.emptySinceMs !== undefined;
}
