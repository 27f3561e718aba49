/** What to do next. Pure: the same drain, observation, policy and instants always give the same decision. */

import {
  type AgentSilence,
  type Drain,
  type DrainingObservation,
  type HoldingTask,
  type HookLimits,
  hookLimits,
  isEnding,
  type Located,
  type Observation,
  unreachable,
  type Verdict,
} from './drain.ts';
import {
  agentLostAtMs,
  deadlineAtMs,
  HAND_OVER_SECONDS,
  heartbeatDueAtMs,
  PARK_MIN_SECONDS,
  PARKED_LATE_SECONDS,
  type ParkedLook,
  type Policy,
  parkedLookAtMs,
  settledAtMs,
  stopDueAtMs,
  stuckAtMs,
} from './policy.ts';

export type Decision =
  | { readonly kind: 'complete'; readonly verdict: Verdict }
  | { readonly kind: 'set-draining'; readonly containerInstances: readonly Located[] }
  /** Ask Auto Scaling how long the hook holds: there is something to wait for. */
  | { readonly kind: 'read-hook' }
  | { readonly kind: 'stop-tasks'; readonly tasks: readonly HoldingTask[] }
  /** Tell the bus that the drain has begun to wait, or that it waits for too long. */
  | { readonly kind: 'announce'; readonly news: 'started' | 'stuck'; readonly deadlineAtMs: number }
  | { readonly kind: 'heartbeat' }
  /** Stay in this invocation and look again then. */
  | { readonly kind: 'watch'; readonly untilMs: number }
  /** End this invocation and go on in the next, at once. */
  | { readonly kind: 'hand-over' }
  /** End this invocation and go on then, or when a task's stop wakes the drain. */
  | { readonly kind: 'park'; readonly untilMs: number };

/** All that a decision depends on. */
export interface Situation {
  readonly drain: Drain;
  /** Auto Scaling was asked for the hook's limits just now and did not tell: go by those that the policy assumes. */
  readonly hookRefused?: boolean;
  /** Whether there is somewhere to wait outside an invocation, and it did not refuse just now. */
  readonly mayPark: boolean;
  /** The task whose stop woke the drain; what ECS says of it may be older. */
  readonly stoppedTask?: string | undefined;
  readonly observation: Observation;
  readonly policy: Policy;
  readonly nowMs: number;
  readonly invocationEndsAtMs: number;
  /** From 0 to 1, without 1. */
  readonly random: number;
}

/** The first that applies, in the order of docs/decisions/0002. */
export function decide(situation: Situation): Decision {
  const { drain, observation, policy, nowMs } = situation;

  if (observation.kind === 'absent') {
    return { kind: 'complete', verdict: { kind: 'gone', clusters: observation.clusters } };
  }
  const beatIsDue = drain.hook !== undefined && nowMs >= heartbeatDueAtMs(drain, drain.hook, policy);
  if (observation.kind === 'listed' && !beatIsDue) {
    return { kind: 'set-draining', containerInstances: observation.containerInstances };
  }
  if (observation.kind === 'active' && !beatIsDue) {
    const taking = observation.containerInstances.filter(({ status }) => status === 'ACTIVE');
    return { kind: 'set-draining', containerInstances: taking };
  }
  if (observation.kind === 'draining' && observation.holdingTasks.length === 0 && !observation.registering) {
    const settledMs = settledAtMs(drain.closed);
    if ((observation.scannedAtMs ?? Number.NEGATIVE_INFINITY) >= settledMs) {
      return { kind: 'complete', verdict: { kind: 'drained', lastTaskStoppedAtMs: observation.lastTaskStoppedAtMs } };
    }
    // An empty list is believed only where it was asked for when ECS had time to settle, and of every registration.
    const untilMs = Math.max(nowMs, settledMs);
    const beatMs = heartbeatDueAtMs(drain, hookOf(situation), policy);
    if (untilMs <= Math.min(beatMs, windowEndsAtMs(situation))) return { kind: 'watch', untilMs };
  }
  if (!drain.hook && !situation.hookRefused && !('notice' in drain.action)) return { kind: 'read-hook' };
  const hook = hookOf(situation);

  // An observation that could not be made is never a reason to let go: only heartbeats go on.
  const lastResort = observation.kind === 'draining' && lastResortFor(observation, situation, hook);
  if (lastResort) return lastResort;
  const waiting = waitingFor(situation);
  if (nowMs >= beatByMs(situation, hook, waiting)) return { kind: 'heartbeat' };
  const news = newsOf(situation, hook);
  return news ? { kind: 'announce', news, deadlineAtMs: deadlineAtMs(drain, hook, policy) } : waiting;
}

function newsOf({ drain, policy, nowMs }: Situation, hook: HookLimits): 'started' | 'stuck' | undefined {
  if (drain.announced === undefined) return 'started';
  return drain.announced === 'started' && nowMs >= stuckAtMs(drain, hook, policy) ? 'stuck' : undefined;
}

/** The hook's limits, or those that the policy assumes while they are not known. */
export function hookOf({ drain, policy }: Pick<Situation, 'drain' | 'policy'>): HookLimits {
  return drain.hook ?? hookLimits(policy.heartbeatTimeoutSeconds);
}

/**
 * When the next heartbeat is recorded: when it is due, or so much before that it does not fall due on the way to the next
 * invocation. Once: where heartbeats are due more often than that, they come when they are due.
 */
function beatByMs({ drain, policy, mayPark }: Situation, hook: HookLimits, waiting: Decision): number {
  const dueAtMs = heartbeatDueAtMs(drain, hook, policy);
  const parkedMs = (PARK_MIN_SECONDS + PARKED_LATE_SECONDS) * 1000;
  if (mayPark && dueAtMs - drain.lastHeartbeatAtMs > parkedMs) return dueAtMs - parkedMs;
  const onTheWayMs = waiting.kind === 'hand-over' ? HAND_OVER_SECONDS * 1000 : 0;
  return Math.max(dueAtMs - onTheWayMs, Math.min(dueAtMs, drain.lastHeartbeatAtMs + policy.pollMinSeconds * 1000));
}

/**
 * The timeout decision. Park, if the next useful moment is far. Otherwise watch until the next look if the invocation
 * lasts that long, else until its end if that is worth a poll, else hand over.
 */
export function waitingFor(situation: Situation): Decision {
  const { policy, nowMs } = situation;
  const parked = parkedFor(situation);
  if (parked) return parked;

  const windowEndMs = windowEndsAtMs(situation);
  const nextLookAtMs = Math.min(pollAtMs(situation), stuckNewsAtMs(situation), ...whatFallsDue(situation));
  if (nextLookAtMs <= windowEndMs) return { kind: 'watch', untilMs: nextLookAtMs };
  if (nowMs + policy.pollMinSeconds * 1000 <= windowEndMs) return { kind: 'watch', untilMs: windowEndMs };
  return { kind: 'hand-over' };
}

/** The last instant for a look in this invocation. */
function windowEndsAtMs({ invocationEndsAtMs, policy }: Situation): number {
  return invocationEndsAtMs - policy.marginSeconds * 1000;
}

function parkedFor(situation: Situation): Decision | undefined {
  const { nowMs, random } = situation;
  const look = situation.mayPark ? parkedLookIn(situation) : undefined;
  if (look === undefined) return undefined;
  // What falls due must not come while the schedule is late; the news that a drain is stuck may.
  const inTimeMs = whatFallsDue(situation).map((instantMs) => instantMs - PARKED_LATE_SECONDS * 1000);
  const untilMs = Math.min(parkedLookAtMs(look, nowMs, random), stuckNewsAtMs(situation), ...inTimeMs);
  return untilMs >= nowMs + PARK_MIN_SECONDS * 1000 ? { kind: 'park', untilMs } : undefined;
}

/** As long as the polls of an invocation have not grown beyond this, it waits for ECS to answer: about 20 s. */
const PATIENCE_SECONDS = 8;

/** What the next look at the drain would be, were it parked; undefined where it must not be. */
function parkedLookIn({ drain, observation, stoppedTask }: Situation): ParkedLook | undefined {
  switch (observation.kind) {
    case 'leaving':
      return 'listing';
    case 'unavailable': {
      // The task that was awaited has stopped: it may be over, and is worth some patience.
      const isNear = stoppedTask !== undefined && drain.pollIntervalSeconds <= PATIENCE_SECONDS;
      // Never parked means never yet DRAINING: an instance that may be given tasks still is not left alone.
      return drain.parked && !isNear ? 'listing' : undefined;
    }
    case 'draining': {
      const { holdingTasks, registering } = observation;
      // ECS tells of its stop before its answers do: it will not be told again.
      if (holdingTasks.length > 0 && holdingTasks.every(({ arn }) => arn === stoppedTask)) return undefined;
      return registering || drain.agentSilence || holdingTasks.every(isEnding) ? 'closely' : 'safely';
    }
    case 'listed':
    case 'active':
    case 'absent':
      return undefined;
    default:
      return unreachable(observation);
  }
}

/** Nothing that falls due may be slept through. */
function whatFallsDue(situation: Situation): number[] {
  const { drain, observation, policy, nowMs } = situation;
  const hook = hookOf(situation);
  const deadlineMs = deadlineAtMs(drain, hook, policy);
  const holding = observation.kind === 'draining' ? observation.holdingTasks : [];
  const dueAtMs = [
    deadlineMs,
    heartbeatDueAtMs(drain, hook, policy),
    drain.agentSilence ? lostForGoodAtMs(drain.agentSilence, situation) : Infinity,
    ...holding.map((task) => stopDueAtMs(task, deadlineMs, policy) ?? Infinity),
  ];
  return dueAtMs.filter((instantMs) => instantMs > nowMs);
}

function stuckNewsAtMs(situation: Situation): number {
  const { drain, policy, nowMs } = situation;
  const atMs = stuckAtMs(drain, hookOf(situation), policy);
  return atMs > nowMs ? atMs : Infinity;
}

/** Drains that AWS throttles together do not ask again together. */
function pollAtMs({ drain, observation, nowMs, random }: Situation): number {
  const jitter = observation.kind === 'unavailable' ? 0.5 + random : 1;
  return nowMs + Math.round(drain.pollIntervalSeconds * jitter * 1000);
}

/** When the agents count as lost: those of a registration that is new may yet tell of tasks that are not listed. */
function lostForGoodAtMs(silence: AgentSilence, { policy, drain }: Pick<Situation, 'policy' | 'drain'>): number {
  return Math.max(agentLostAtMs(silence, policy), settledAtMs(drain.closed));
}

/** What the deadline, a silent agent or a straggler calls for, if anything yet. */
function lastResortFor(
  { holdingTasks }: DrainingObservation,
  situation: Situation,
  hook: HookLimits,
): Decision | undefined {
  const { drain, policy, nowMs } = situation;
  const result = policy.deadlineResult;
  const deadlineMs = deadlineAtMs(drain, hook, policy);
  if (nowMs >= deadlineMs) {
    const verdict = { kind: 'timed-out', deadlineAtMs: deadlineMs, result, killedTasks: holdingTasks } as const;
    return { kind: 'complete', verdict };
  }

  const { agentSilence } = drain;
  if (agentSilence && nowMs >= lostForGoodAtMs(agentSilence, situation)) {
    const disconnectedSinceMs = agentSilence.sinceMs;
    const verdict = { kind: 'agent-lost', disconnectedSinceMs, result, killedTasks: holdingTasks } as const;
    return { kind: 'complete', verdict };
  }

  const stragglers = holdingTasks.filter((task) => nowMs >= (stopDueAtMs(task, deadlineMs, policy) ?? Infinity));
  return stragglers.length > 0 ? { kind: 'stop-tasks', tasks: stragglers } : undefined;
}
