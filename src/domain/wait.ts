/** The ways in which a drain waits, and what it does where they are refused. Pure. */

import type { Decision, Situation } from './decision.ts';
import type { Drain, HeldDrain } from './drain.ts';
import {
  deadlineAtMs,
  HAND_OVER_SECONDS,
  heartbeatTimeoutSeconds,
  hookTimesOutAtMs,
  maxSilenceGapSeconds,
  parkedLookAtMs,
  SCHEDULE_LATE_SECONDS,
  SCHEDULE_MIN_SECONDS,
  wholeSecond,
} from './policy.ts';
import { latestStopsAtMs } from './stragglers.ts';

/** An action is not verified again within one round. */
const VERIFIED_SECONDS = 10;

/** Whether Auto Scaling has just said that the hook holds the instance: in its event, or in the answer to a heartbeat. */
export function isJustVerified({ lastHeartbeatAtMs }: HeldDrain, nowMs: number): boolean {
  return nowMs < lastHeartbeatAtMs + VERIFIED_SECONDS * 1000;
}

export function mayUseSchedule({ policy, drain, refused }: Situation<Drain>): boolean {
  return policy.waiting === 'park' && drain.known !== undefined && !refused.has('park');
}

export function waitUntil(instantMs: number, on: 'schedule' | 'queue' | 'both'): Decision {
  return { kind: 'park', untilMs: wholeSecond(instantMs), on };
}

/**
 * When what AWS has refused is tried again: drains that it throttles together do not ask again together. It is no later than after
 * half of the time that is left until something is lost, so that several attempts fit before.
 */
export function retryAtMs(situation: Situation<Drain>): number {
  const { drain, nowMs, random } = situation;
  // With the longest draw, a third of the time is half of it.
  const thirdSeconds = (lossAtMs(situation) - nowMs) / 3000;
  const seconds = Math.min(drain.pollIntervalSeconds, Math.max(SHORTEST_RETRY_SECONDS, thirdSeconds));
  return nowMs + seconds * (0.5 + random) * 1000;
}

/** Queues and schedules know no fractions of it. */
const SHORTEST_RETRY_SECONDS = 1;

/** What is lost next if AWS goes on to refuse: the hold, where no heartbeat is accepted, the grace of a task, or a silence. */
function lossAtMs(situation: Situation<Drain>): number {
  const { drain, policy, nowMs, refused } = situation;
  const holds = refused.has('heartbeat') ? [hookTimesOutAtMs(drain, policy, nowMs)] : [];
  const losses = [...holds, ...latestStops(situation), silenceBreaksAtMs(situation)];
  return Math.min(...losses.filter((instantMs) => instantMs > nowMs));
}

/** When the silence of the agents counts no more, unless a look comes before; never, where there is none. */
function silenceBreaksAtMs({ drain: { agentSilence }, policy, nowMs }: Situation<Drain>): number {
  const breaksAtMs = agentSilence ? agentSilence.seenLastAtMs + maxSilenceGapSeconds(policy) * 1000 : 0;
  return breaksAtMs > nowMs ? breaksAtMs : Number.POSITIVE_INFINITY;
}

function latestStops({ drain, observation, policy }: Situation<Drain>): number[] {
  return latestStopsAtMs(observation, deadlineAtMs(drain, policy), policy);
}

/** Whether the first list of a drain's tasks waits, because many drains begin together: if no task may have to be stopped soon. */
export function isListedLater(situation: Situation<Drain>): boolean {
  const earliestMs = parkedLookAtMs('listing', situation.nowMs, 0);
  return situation.isFleet && halfwayMs(situation) >= earliestMs;
}

/** Whether the next look at an ECS that does not answer is spread in the same way: after some refusals, many drains may meet them. */
export function isRetriedLater(situation: Situation<Drain>): boolean {
  const { drain, policy, isFleet } = situation;
  return isListedLater({ ...situation, isFleet: isFleet || drain.pollIntervalSeconds >= policy.pollMaxSeconds });
}

/** When one of many drains has its tasks listed. */
export function listingAtMs(situation: Situation<Drain>): number {
  return parkedLookAtMs('listing', situation.nowMs, situation.random, halfwayMs(situation));
}

/** The middle of the time that is left to stop the first task with its whole grace, or until a silence of the agents breaks. */
function halfwayMs(situation: Situation<Drain>): number {
  return (situation.nowMs + Math.min(...latestStops(situation), silenceBreaksAtMs(situation))) / 2;
}

/** The longest wait where the queue takes no messages. */
export const WAIT_WITHOUT_QUEUE_SECONDS = SCHEDULE_MIN_SECONDS + SCHEDULE_LATE_SECONDS;

/** Whether a task that was not listed yet may have to be stopped before such a wait ends. */
export function mustStopSoon(situation: Situation<Drain>): boolean {
  return Math.min(...latestStops(situation)) < situation.nowMs + WAIT_WITHOUT_QUEUE_SECONDS * 1000;
}

/**
 * Waits on a schedule alone, or for the queue to bring the message again. Both may be late, but while the queue takes no
 * messages, handing over would run one invocation after another. Only a drain that can do neither, or whose hook would time
 * out first, hands over.
 */
export function withoutQueue(situation: Situation<Drain>): Decision {
  const { drain, policy, nowMs, refused, comesAgainAtMs, wasLeft } = situation;
  const untilMs = nowMs + SCHEDULE_MIN_SECONDS * 1000;
  const waits: { readonly decision: Decision; readonly endsByMs: number }[] = [];
  if (mayUseSchedule(situation)) {
    waits.push({ decision: waitUntil(untilMs, 'schedule'), endsByMs: untilMs + SCHEDULE_LATE_SECONDS * 1000 });
  }
  if (comesAgainAtMs !== undefined && (!wasLeft || refused.has('hand-over'))) {
    waits.push({ decision: { kind: 'leave' }, endsByMs: comesAgainAtMs + HAND_OVER_SECONDS * 1000 });
  }
  const inTime = waits.filter(({ endsByMs }) => drain.kind !== 'notice' || endsByMs <= deadlineAtMs(drain, policy));
  const wait = inTime.find(({ endsByMs }) => endsByMs <= hookTimesOutAtMs(drain, policy, nowMs));
  if (wait) return wait.decision;
  if (drain.kind !== 'held' || isJustVerified(drain, nowMs) || refused.has('heartbeat')) return handOver(situation);
  // A heartbeat gives the hook its whole time again.
  const isLongEnough = inTime.some(({ endsByMs }) => endsByMs - nowMs <= heartbeatTimeoutSeconds(drain) * 1000);
  return isLongEnough ? { kind: 'heartbeat' } : handOver(situation);
}

/** A drain without a schedule or a lifecycle action: nothing confirms what comes through the bus (`loadUntrusted`). */
function isUnconfirmable({ kind, parked }: Drain): boolean {
  return kind === 'notice' && parked === undefined;
}

/** Through the bus. If the bus refuses it, the queue brings the message again, after a heartbeat that gives the hook its time. */
export function handOver({ drain, nowMs, refused, comesAgainAtMs }: Situation<Drain>): Decision {
  if (isUnconfirmable(drain)) {
    if (!refused.has('queue')) return waitUntil(nowMs + 1, 'queue');
    if (comesAgainAtMs !== undefined) return { kind: 'leave' };
  }
  if (!refused.has('hand-over') || comesAgainAtMs === undefined) return { kind: 'hand-over' };
  const isFresh = drain.kind !== 'held' || isJustVerified(drain, nowMs);
  return isFresh || refused.has('heartbeat') ? { kind: 'leave' } : { kind: 'heartbeat' };
}
