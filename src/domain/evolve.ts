/**
 * What becomes of a drain after a decision and its answer. Pure. Apart from this, a drain changes in a round as it is written into its
 * schedule (`withPark`, `writeSchedule`), and as the copies of one drain that arrive together are merged (`mergedWork`).
 */

import type { Decision, DecisionKind, Situation } from './decision.ts';
import { type Drain, type HookLimits, type Outcome, type SupervisedDrain, unreachable } from './drain.ts';
import {
  activeIn,
  agentSilenceIn,
  type ContainerInstance,
  closedIn,
  type EcsRef,
  knownFrom,
  type LastSeen,
  lastSeenAfter,
  lastSeenIn,
  type Observation,
  type Seen,
} from './observation.ts';
import type { OperatorRequest, OperatorRequests } from './operator.ts';
import { maxSilenceGapSeconds, type Policy, SHORTEST_HOOK, settledAtMs } from './policy.ts';
import { withStops } from './stragglers.ts';

/** A drain in a round, and what the round has found out about it. */
export interface Work
  extends Pick<
    Situation,
    'observation' | 'isStartVerified' | 'isScheduleRead' | 'isHookStale' | 'isWoken' | 'isFleet' | 'refused'
  > {
  readonly drain: Drain;
  /** Whether its state comes from a continuation on the bus: any other copy of the drain is more reliable. */
  readonly isClaimed: boolean;
  /** Registrations that an ECS event has just described: they need not be described again. */
  readonly reported: readonly ContainerInstance[];
  readonly lastSeen: LastSeen | undefined;
  readonly steps: number;
  /** How often the queue has brought its message, which may be left there; undefined if there is none, or only a wake-up. */
  readonly receives?: number | undefined;
}

/** The result of a decision. */
export type Answer =
  /** AWS cannot do it now. With the drain where that has changed, the tasks that ECS was asked to stop, and what it said in part. */
  | {
      readonly kind: 'refused';
      readonly reason: string;
      readonly drain?: Drain;
      readonly stopped?: readonly EcsRef[];
      readonly partial?: Seen | undefined;
    }
  /** The queue took no message. */
  | { readonly kind: 'queue-refused'; readonly drain: Drain; readonly reason: string }
  /** It fails until someone fixes something. */
  | { readonly kind: 'failed'; readonly error: unknown }
  /** AWS does not let us complete ECS's own hook (facts 56 managed-hook-ownership). */
  | { readonly kind: 'denied'; readonly reason: string }
  | { readonly kind: 'observed'; readonly observation: Observation }
  /** Undefined if the group has no such hook any more. */
  | { readonly kind: 'hook'; readonly limits: HookLimits | undefined }
  | Start
  /** By Auto Scaling, some time after it was asked. */
  | { readonly kind: 'accepted'; readonly askedAtMs: number }
  | { readonly kind: 'already-completed' | 'done' | 'taken' | 'handed-over' | 'left' }
  | { readonly kind: 'parked'; readonly drain: Drain };

/** What a drain that is about to kill tasks must know. */
export interface Start {
  readonly kind: 'start';
  /** Undefined if Auto Scaling does not say. */
  readonly startedAtMs: number | undefined;
  /** What operators ask of the drain, by its schedule as well; `unread` while Scheduler does not answer. */
  readonly operator: OperatorRequests | undefined | 'unread';
}

/** How a round's work on a drain ended. */
export type Result =
  | { readonly kind: 'finished'; readonly drain: Drain; readonly outcome: Outcome }
  | { readonly kind: 'parked'; readonly drain: Drain; readonly untilMs: number }
  | { readonly kind: 'handed-over'; readonly drain: Drain }
  /** The queue must bring its message again. */
  | { readonly kind: 'left'; readonly drain: Drain }
  /** Another delivery of the same event continues this drain, or has ended it. */
  | { readonly kind: 'superseded'; readonly drain: Drain }
  /** A notice for an instance that is in none of the clusters. */
  | { readonly kind: 'not-ours'; readonly drain: Drain }
  /** A continuation of a notice that has no schedule: no one can confirm it, and nothing is held for it. */
  | { readonly kind: 'unconfirmed'; readonly drain: Drain }
  /** What an operator asks is not possible. */
  | { readonly kind: 'refused'; readonly drain?: Drain; readonly request: OperatorRequest; readonly reason: string }
  /** Without a drain where it is not known which one. */
  | { readonly kind: 'failed'; readonly drain?: Drain; readonly error: unknown };

/** A drain at the beginning of a round. */
export function workOn(
  drain: Drain,
  given: Partial<Pick<Work, 'reported' | 'isWoken' | 'isFleet' | 'isClaimed' | 'isScheduleRead'>> = {},
): Work {
  const { reported = [], isWoken = false, isFleet = false, isClaimed = false, isScheduleRead = false } = given;
  const nothing = { observation: undefined, refused: new Set<never>(), isStartVerified: false, isHookStale: false };
  const known = { isScheduleRead, lastSeen: lastSeenIn(drain.known) };
  return { drain, isClaimed, ...nothing, ...known, reported, isWoken, isFleet, steps: 0 };
}

/** The next state of the work, or its result. */
export function evolve(work: Work, decision: Decision, answer: Answer, policy: Policy, nowMs: number): Work | Result {
  const { drain } = work;
  switch (answer.kind) {
    case 'refused':
      return decision.kind === 'hand-over' && work.receives === undefined
        ? { kind: 'failed', drain, error: new Error(answer.reason) }
        : withRefusal(work, decision, answer, policy, nowMs);
    case 'queue-refused':
      return { ...work, drain: answer.drain, refused: new Set([...work.refused, 'queue'] as const) };
    case 'failed':
      return { kind: 'failed', drain, error: answer.error };
    case 'denied':
      return { ...work, drain: drain.kind === 'supervised' ? { ...drain, isCompletionDenied: true } : drain };
    case 'observed':
      return withObservation(work, answer.observation, policy, nowMs);
    case 'hook':
      // One that has just accepted a heartbeat was there: the next heartbeat shows whether it still is.
      if (!answer.limits) return work.isHookStale ? { ...work, isHookStale: false } : alreadyCompleted(work);
      return { ...work, isHookStale: false, drain: withHook(drain, answer.limits) };
    case 'start':
      return (answer.startedAtMs === undefined && noLongerHeld(work)) || withStart(work, answer);
    case 'already-completed':
      return finishAlreadyCompleted(work, decision, nowMs);
    case 'accepted':
      return afterAcceptance(work, decision, answer.askedAtMs);
    case 'done':
      return decision.kind === 'finish' ? finished(work, decision.ending) : afterDone(work, decision);
    case 'taken':
      return { kind: 'superseded', drain };
    case 'handed-over':
    case 'left':
      return { kind: answer.kind, drain };
    case 'parked':
      return { kind: 'parked', drain: answer.drain, untilMs: decision.kind === 'park' ? decision.untilMs : nowMs };
    default:
      return unreachable(answer);
  }
}

function finished(work: Work, ending: Extract<Decision, { kind: 'finish' }>['ending']): Result {
  const { drain, lastSeen } = work;
  if (ending === 'already-completed') return alreadyCompleted(work);
  return { kind: 'finished', drain, outcome: ending.kind === 'gone' ? { ...ending, lastSeen } : ending };
}

function alreadyCompleted({ drain, lastSeen }: Work): Result {
  return { kind: 'finished', drain, outcome: { kind: 'already-completed', lastSeen } };
}

/**
 * That every task had stopped is known, whoever completed the hook before. Of a drain of ours that was another delivery, which
 * has reported that it is drained, or this one's call, whose answer was lost.
 */
function finishAlreadyCompleted(work: Work, decision: Decision, nowMs: number): Result {
  if (decision.kind !== 'complete' || decision.verdict.kind !== 'drained') return alreadyCompleted(work);
  if (work.drain.kind === 'supervised') return finished(work, decision.verdict);
  return alreadyCompleted({ ...work, lastSeen: { tasks: [], atMs: nowMs, haveStopped: true } });
}

/** Of a hook that is read again only the timeout counts: a drain under way keeps its deadline and its choices. */
export function withHook(drain: Drain, limits: HookLimits): Drain {
  if (drain.kind === 'notice') return drain;
  const { heartbeatTimeoutSeconds } = limits;
  return { ...drain, hook: drain.hook ? { ...drain.hook, heartbeatTimeoutSeconds } : limits };
}

/** A refusal of these says nothing about the instance. After any other, its state is not known any more. */
const KEEPS_OBSERVATION: readonly DecisionKind[] = [
  'heartbeat',
  'verify-start',
  'stop-tasks',
  'announce',
  'park',
  'hand-over',
];

type Refusal = Extract<Answer, { kind: 'refused' }>;

function withRefusal(before: Work, decision: Decision, refusal: Refusal, policy: Policy, nowMs: number): Work {
  const { reason, drain = before.drain, stopped = [], partial } = refusal;
  const work = { ...before, drain, observation: withStops(before.observation, stopped) };
  const refused = new Set([...work.refused, decision.kind]);
  if (decision.kind === 'read-hook') {
    // A hook that cannot be read again may be one of the shortest by now.
    return { ...work, refused, drain: work.isHookStale ? withHook(work.drain, SHORTEST_HOOK) : work.drain };
  }
  if (KEEPS_OBSERVATION.includes(decision.kind)) return { ...work, refused };
  const observation = { kind: 'unavailable', reason, partial } as const;
  return {
    ...work,
    refused,
    observation,
    drain: { ...drain, agentSilence: silenceAfter(work, observation, policy, nowMs) },
  };
}

function silenceAfter({ drain }: Work, observation: Observation, policy: Policy, nowMs: number) {
  return agentSilenceIn(observation, drain.agentSilence, nowMs, maxSilenceGapSeconds(policy));
}

function withObservation(work: Work, observed: Observation, policy: Policy, nowMs: number): Work {
  const observation = withLastStop(observed, work.observation);
  const next = { ...work, observation, reported: [] };
  // What was known of a supervised drain still says how it ended.
  if (observation.kind === 'absent' && work.drain.kind === 'supervised') return next;
  const closed = closedIn(observation, work.drain.closed, nowMs);
  if (observation.kind !== 'seen') return { ...next, drain: { ...work.drain, closed } };
  const { known, pollIntervalSeconds } = work.drain;
  const { tasks, containerInstances } = observation;
  const hasChanged = tasks && known?.tasks && tasks.holding.length !== known.tasks.holding.length;
  const drain: Drain = {
    ...work.drain,
    closed,
    cluster: containerInstances[0]?.cluster ?? work.drain.cluster,
    known: knownFrom(observation, known, nowMs),
    agentSilence: silenceAfter(work, observation, policy, nowMs),
    pollIntervalSeconds: hasChanged ? policy.pollMinSeconds : pollIntervalSeconds,
    ...(work.drain.kind === 'supervised' && { emptySinceMs: emptySinceMs(observation, work.drain, nowMs) }),
  };
  return { ...next, drain, lastSeen: lastSeenAfter(observation, work.lastSeen, nowMs) };
}

function emptySinceMs(seen: Seen, drain: SupervisedDrain, nowMs: number): number | undefined {
  const isEmpty = activeIn(seen).length === 0 && seen.tasks?.holding.length === 0;
  return isEmpty ? (drain.emptySinceMs ?? nowMs) : undefined;
}

/** A task that has stopped is described once: the observations after it in the round keep when it stopped. */
function withLastStop(observation: Observation, before: Observation | undefined): Observation {
  const known = before?.kind === 'seen' ? before.tasks?.lastStoppedAtMs : undefined;
  if (observation.kind !== 'seen' || !observation.tasks || known === undefined) return observation;
  const lastStoppedAtMs = Math.max(known, observation.tasks.lastStoppedAtMs ?? known);
  return { ...observation, tasks: { ...observation.tasks, lastStoppedAtMs } };
}

/** An event may come from a clock that is ahead... */
const START_TOO_EARLY_SECONDS = 60;
/** ...and a load balancer of the group may deregister the instance before its hook holds it, for an hour at most. */
const START_TOO_LATE_SECONDS = 3_600;

/** How a drain of ECS's own ended whose instance Auto Scaling does not hold any more, if what is seen of it shows that. */
function noLongerHeld(work: Work): Result | undefined {
  const { drain, observation } = work;
  if (drain.kind !== 'supervised' || observation?.kind !== 'seen') return undefined;
  // Where the instance is back in service, its tasks are no tasks of the drain.
  if (activeIn(observation).length > 0) {
    return { kind: 'finished', drain, outcome: { kind: 'already-completed', lastSeen: undefined } };
  }
  const { tasks } = observation;
  if (!tasks || tasks.holding.length > 0 || tasks.listedAtMs < settledAtMs(drain.closed)) return undefined;
  return { kind: 'finished', drain, outcome: { kind: 'drained', lastTaskStoppedAtMs: tasks.lastStoppedAtMs } };
}

/**
 * The start that Auto Scaling knows, where the two cannot both be true, and what operators ask by the schedule. A search that was
 * made before must be made again.
 */
function withStart(work: Work, { startedAtMs, operator }: Start): Work {
  const { observation } = work;
  const verified: Work = {
    ...work,
    isStartVerified: true,
    observation: observation?.kind === 'seen' ? { ...observation, searchedAtMs: undefined } : observation,
  };
  const drain = correctedStart(work.drain, startedAtMs);
  // It is asked again within seconds.
  if (operator === 'unread')
    return { ...verified, drain, refused: new Set([...work.refused, 'verify-start'] as const) };
  return { ...verified, drain: { ...drain, operator }, isScheduleRead: true };
}

/** The drain with the start that Auto Scaling knows, where an event's cannot be true. */
export function correctedStart(drain: Drain, startedAtMs: number | undefined): Drain {
  if (startedAtMs === undefined) return drain;
  const laterBySeconds = (drain.startedAtMs - startedAtMs) / 1000;
  const isPlausible = laterBySeconds >= -START_TOO_EARLY_SECONDS && laterBySeconds <= START_TOO_LATE_SECONDS;
  return isPlausible ? drain : { ...drain, startedAtMs, agentSilence: undefined };
}

function afterAcceptance(work: Work, decision: Decision, askedAtMs: number): Work | Result {
  const { drain, lastSeen } = work;
  if (decision.kind === 'complete') {
    const { verdict } = decision;
    if (verdict.kind !== 'gone') return { kind: 'finished', drain, outcome: verdict };
    // The cluster of a drain on a notice is where its instance was found: without one it never was in any of ours.
    const isForeign = drain.kind === 'notice' && drain.cluster === undefined;
    return isForeign ? { kind: 'not-ours', drain } : { kind: 'finished', drain, outcome: { ...verdict, lastSeen } };
  }
  return { ...work, isHookStale: drain.kind === 'held', drain: withHeartbeat(drain, askedAtMs) };
}

/** The drain after Auto Scaling has accepted a heartbeat that was asked for then: the timeout may run since that instant. */
export function withHeartbeat(drain: Drain, askedAtMs: number): Drain {
  return drain.kind === 'held' ? { ...drain, lastHeartbeatAtMs: askedAtMs, heartbeats: drain.heartbeats + 1 } : drain;
}

function afterDone(work: Work, decision: Decision): Work {
  if (decision.kind === 'announce') return { ...work, drain: { ...work.drain, announced: decision.event } };
  if (decision.kind !== 'stop-tasks') return work;
  return { ...work, observation: withStops(work.observation, decision.tasks) };
}
