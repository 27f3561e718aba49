/** What the operator wants of a drain, and the instants that follow from it. */

import {
  type ActionDrain,
  type Drain,
  type HeldDrain,
  type HookChoices,
  type HookLimits,
  hookLimits,
  isOnlyRecommended,
  type LifecycleResult,
  STRAGGLERS,
  type Stragglers,
  type SupervisedDrain,
} from './drain.ts';
import type { AgentSilence, Closed } from './observation.ts';

/** The operator's choices for every drain. */
export interface Policy {
  /** Every cluster an instance may be in; each is searched before the instance counts as gone. */
  readonly clusters: readonly string[];
  /** `park`: on a schedule, woken by ECS events. `watch`: without EventBridge Scheduler, by polling through the queue. */
  readonly waiting: 'park' | 'watch';
  /** The longest a drain may take, from the moment Auto Scaling began to hold the instance. */
  readonly deadlineSeconds: number;
  /** The result for Auto Scaling when tasks still hold the instance at the deadline. */
  readonly deadlineResult: LifecycleResult;
  /** The same where ECS managed draining drains and we only watch; `none` leaves the end to ECS. */
  readonly managedDrainingDeadline: LifecycleResult | 'none';
  /** After which share of the time to the deadline a drain that still waits counts as stuck. */
  readonly stuckFraction: number;
  /** Which tasks are stopped ahead of the deadline rather than killed at it. */
  readonly stopStragglers: Stragglers;
  /** What a service's task needs before its stop timeout begins: the load balancer's deregistration delay. */
  readonly deregistrationDelaySeconds: number;
  /** The stop timeout of a container whose task definition sets none: what the agents use (facts 51 default-stop-timeout). */
  readonly containerStopTimeoutSeconds: number;
  /** How long the agent may be disconnected before the drain gives up on it. */
  readonly agentGraceSeconds: number;
  /** The heartbeat timeout that is assumed of a hook which Auto Scaling does not describe. */
  readonly heartbeatTimeoutSeconds: number;
  /** When a heartbeat is due, as a share of the hook's heartbeat timeout. */
  readonly heartbeatFraction: number;
  readonly pollMinSeconds: number;
  readonly pollMaxSeconds: number;
  /** Kept free at the end of an invocation: half for a call that is late, half to hand over. */
  readonly marginSeconds: number;
}

/**
 * Kept between our deadline and the hook's global timeout: a crashed invocation comes again when the queue's visibility
 * timeout ends, and a second time, before Auto Scaling decides.
 */
export const COMPLETION_RESERVE_SECONDS = 240;

/** From the warning to the interruption (facts 6 ec2-notices), less some seconds for a late queue, so that the end is reported. */
const SPOT_NOTICE_SECONDS = 120 - 5;

/** From a continuation on the bus to the look that it causes: the bus, the queue and its window, a cold start. */
export const HAND_OVER_SECONDS = 15;

/** A schedule fires within the minute after its time (facts 10 one-time-schedules), and its message takes some seconds more. */
export const SCHEDULE_LATE_SECONDS = 60 + HAND_OVER_SECONDS;

/** How long an event may be on its way: a crashed invocation comes again after a minute or two. */
export const ON_THE_WAY_SECONDS = 180;

/** How long a drain goes on after its deadline while Scheduler does not say whether an operator has set a later one. */
export const UNREAD_DEADLINE_SECONDS = 900;

/** The shortest wait on a schedule: a shorter one is imprecise by more than its length. */
export const SCHEDULE_MIN_SECONDS = 30;

/** The longest that a call takes with all of its attempts. A time that it sends to AWS must still be ahead by then. */
export const LONGEST_CALL_SECONDS = 20;

/** The longest that the calls of one step of a round take, one after the other... */
export const LONGEST_STEP_SECONDS = 5 * LONGEST_CALL_SECONDS;

/** ...and the shortest time that they get, however soon a hook times out: a call that works is done by then. */
export const SHORTEST_STEP_SECONDS = 5;

/** While nothing can be sent to the queue, a message is left there so often. After that the bus is tried first. */
export const LEFT_AT_FIRST = 2;

/** The longest wait on the queue (facts 81 sqs-messages). */
export const QUEUE_WAIT_SECONDS = 900;

/** How long after a wait on the queue the schedule fires in case the message is lost. */
export const SAFETY_NET_SECONDS = 120;

/**
 * How much more often than once a second a drain may be continued, since its start: a bound on what nothing in AWS bounds
 * (facts 8 loop-detection). No wait is shorter than a second, so only what goes on without waiting comes to it, however long
 * the drain takes.
 */
export const SPARE_CONTINUATIONS = 20_000;

/** How often a drain of 48 hours may be continued, the longest that a hook allows (facts 18 hook-timeouts). */
export const MOST_CONTINUATIONS = 48 * 3_600 + SPARE_CONTINUATIONS;

/**
 * How long ECS's lists may lack what was placed before an instance was closed. AWS only says that its API is eventually
 * consistent and advises to wait a few seconds (facts 23 eventual-consistency).
 */
export const LISTS_SETTLE_SECONDS = 10;

/** With more new drains in one round than this, ECS would throttle their first listings: they are spread over time. */
export const FEW_DRAINS = 10;

/** How long an ECS event about an empty instance may be ahead of ECS's answers. */
const EMPTIED_SECONDS = 60;

const POLL_BACKOFF_FACTOR = 1.5;

/**
 * When to look at a parked drain that no event wakes:
 * - `listing`: its tasks are not listed yet, spread over two minutes for a fleet.
 * - `closely`: what may happen next sends no event.
 * - `safely`: useful only after a lost event.
 * - `rarely`: the same where ECS drains by itself, perhaps for 48 hours.
 */
const PARKED_LOOKS_SECONDS = {
  listing: { from: 15, spread: 120 },
  closely: { from: 45, spread: 0 },
  safely: { from: 480, spread: 60 },
  rarely: { from: 1_800, spread: 300 },
} as const;

/** Which of the looks at a parked drain comes next. */
export type ParkedLook = keyof typeof PARKED_LOOKS_SECONDS;

/**
 * When that look is due; `random` (from 0 to 1, without 1) spreads the looks of many drains, as far as `beforeMs` leaves time for
 * that.
 */
export function parkedLookAtMs(
  look: ParkedLook,
  nowMs: number,
  random: number,
  beforeMs = Number.POSITIVE_INFINITY,
): number {
  const { from, spread } = PARKED_LOOKS_SECONDS[look];
  const shorterSpread = Math.max(0, Math.min(spread, (beforeMs - nowMs) / 1000 - from));
  return nowMs + Math.round((from + shorterSpread * random) * 1000);
}

/** The instant in whole seconds, never earlier: schedules and delays have no fractions. */
export function wholeSecond(instantMs: number): number {
  return Math.ceil(instantMs / 1000) * 1000;
}

/** ECS holds an instance for 48 hours, the longest that a hook allows (facts 52 managed-draining-scope). */
const MANAGED_HEARTBEAT_TIMEOUT_SECONDS = 3_600;

/** The limits of the drain's hook, or assumed ones while they are not known: those of ECS's hook or of the policy. */
export function limitsOf(drain: Drain, policy: Policy): HookLimits {
  if (drain.kind !== 'notice' && drain.hook) return drain.hook;
  return hookLimits(drain.kind === 'supervised' ? MANAGED_HEARTBEAT_TIMEOUT_SECONDS : policy.heartbeatTimeoutSeconds);
}

/** The policy for the drain: what its hook chooses, as far as the policy of the stack allows it. */
export function policyOf(drain: Drain, policy: Policy): Policy {
  if (isOnlyRecommended(drain)) return { ...policy, stopStragglers: 'none' }; // Its deadline kills no task.
  return policyWith(drain.kind === 'held' ? drain.hook?.choices : undefined, policy);
}

/** A redeployment may have lowered the bounds since the hook was read, so they hold here too. */
export function policyWith(choices: HookChoices | undefined, policy: Policy): Policy {
  if (!choices) return policy;
  const { deadlineSeconds, stopStragglers, deregistrationDelaySeconds } = policy;
  const chosenStragglers = choices.stopStragglers ?? stopStragglers;
  return {
    ...policy,
    deadlineSeconds: Math.min(choices.deadlineSeconds ?? deadlineSeconds, deadlineSeconds),
    deadlineResult: choices.deadlineResult ?? policy.deadlineResult,
    stopStragglers: stopsMore(chosenStragglers, stopStragglers) ? stopStragglers : chosenStragglers,
    deregistrationDelaySeconds: Math.min(
      choices.deregistrationDelaySeconds ?? deregistrationDelaySeconds,
      deregistrationDelaySeconds,
    ),
  };
}

/** Whether the first would stop tasks that the other leaves alone. */
export function stopsMore(one: Stragglers, other: Stragglers): boolean {
  return STRAGGLERS.indexOf(one) > STRAGGLERS.indexOf(other);
}

/**
 * When the drain ends regardless of what holds the instance: by the policy, and early enough that the hook does not end it
 * first. A Spot interruption ends it after two minutes, less some seconds.
 */
export function deadlineAtMs(drain: Drain, policy: Policy): number {
  if (drain.kind === 'supervised' && managedResult(drain, policy) === 'none') {
    return drain.startedAtMs + limitsOf(drain, policy).globalTimeoutSeconds * 1000; // Auto Scaling then decides.
  }
  return drain.startedAtMs + allowedSeconds(drain, policy) * 1000;
}

/** The result with which we end a supervised drain at its deadline, if any. */
export function managedResult({ isCompletionDenied }: SupervisedDrain, policy: Policy): LifecycleResult | 'none' {
  return isCompletionDenied ? 'none' : policy.managedDrainingDeadline;
}

/** The latest deadline that an operator may set: then the drain still ends before its hook does. */
export function latestDeadlineAtMs(drain: Drain, policy: Policy): number {
  return drain.startedAtMs + longestSeconds(drain, policy) * 1000;
}

function allowedSeconds(drain: Drain, policy: Policy): number {
  const chosenAtMs = drain.operator?.deadlineAtMs;
  const wantedSeconds =
    chosenAtMs === undefined
      ? policyOf(drain, policy).deadlineSeconds
      : Math.max(0, chosenAtMs - drain.startedAtMs) / 1000;
  return Math.min(wantedSeconds, longestSeconds(drain, policy));
}

function longestSeconds(drain: Drain, policy: Policy): number {
  if (drain.kind !== 'notice') return limitsOf(drain, policy).globalTimeoutSeconds - COMPLETION_RESERVE_SECONDS;
  return drain.notice.kind === 'spot-interruption' ? SPOT_NOTICE_SECONDS : Number.POSITIVE_INFINITY;
}

/** When a drain whose schedule was not changed since that instant must have lost what would have continued it. */
export function lostAtMs(
  parkedAtMs: number,
  hook: HookLimits,
  { heartbeatFraction }: Policy,
  kind: ActionDrain['kind'] = 'held',
): number {
  const isHeld = kind === 'held';
  const { from, spread } = PARKED_LOOKS_SECONDS[isHeld ? 'safely' : 'rarely'];
  const heartbeatSeconds = isHeld ? hook.heartbeatTimeoutSeconds * heartbeatFraction : Number.POSITIVE_INFINITY;
  const longestWaitSeconds = Math.min(from + spread, heartbeatSeconds);
  const netSeconds = SAFETY_NET_SECONDS + SCHEDULE_LATE_SECONDS + ON_THE_WAY_SECONDS;
  return parkedAtMs + (longestWaitSeconds + netSeconds) * 1000;
}

/**
 * When a drain is left to the hook's own timeout: had only an outage kept it from ending at its deadline, it would have been
 * found and ended since. A drain that fails whenever it is tried must not be kept alive forever.
 */
export function givenUpAtMs(drain: ActionDrain, policy: Policy): number {
  const hook = limitsOf(drain, policy);
  return lostAtMs(deadlineAtMs(drain, policy), hook, policy, drain.kind) + hook.heartbeatTimeoutSeconds * 1000;
}

/** How much of the time to its deadline a drain has used; above 100 where AWS keeps it from ending. */
export function deadlineUsedPercent(drain: Drain, policy: Policy, nowMs: number): number {
  const usedMs = Math.max(0, nowMs - drain.startedAtMs);
  // An operator may have set the deadline to the start.
  return (100 * usedMs) / Math.max(1, deadlineAtMs(drain, policy) - drain.startedAtMs);
}

/** When a drain that still waits is reported as stuck. */
export function stuckAtMs(drain: Drain, policy: Policy): number {
  return drain.startedAtMs + allowedSeconds(drain, policy) * 1000 * policy.stuckFraction;
}

/** The share of the time to its deadline at which the alarm on drains near their deadline comes on (deploy/watching.ts). */
export const NEAR_DEADLINE = 0.8;

/** When a drain counts as near its deadline: it is looked at then, so that its metric says so in time. */
export function nearDeadlineAtMs(drain: Drain, policy: Policy): number {
  return drain.startedAtMs + (deadlineAtMs(drain, policy) - drain.startedAtMs) * NEAR_DEADLINE;
}

/** When the next heartbeat is due; never, where nothing is held, or ECS keeps its own hook open. */
export function heartbeatDueAtMs(drain: Drain, policy: Policy): number {
  if (drain.kind !== 'held') return Number.POSITIVE_INFINITY;
  return drain.lastHeartbeatAtMs + heartbeatTimeoutSeconds(drain) * policy.heartbeatFraction * 1000;
}

/**
 * When Auto Scaling decides without us, unless a heartbeat of ours comes first; never, where we send none. A hook that was not read
 * yet may be one of the shortest, unless such a one would have timed out already.
 */
export function hookTimesOutAtMs(drain: Drain, policy: Policy, nowMs: number): number {
  if (drain.kind !== 'held') return Number.POSITIVE_INFINITY;
  const soonestMs = drain.lastHeartbeatAtMs + heartbeatTimeoutSeconds(drain) * 1000;
  const assumedMs = drain.lastHeartbeatAtMs + limitsOf(drain, policy).heartbeatTimeoutSeconds * 1000;
  return nowMs < soonestMs ? soonestMs : assumedMs;
}

/** How long the hook holds the instance after a heartbeat. One that is not read yet may be one of the shortest. */
export function heartbeatTimeoutSeconds({ hook = SHORTEST_HOOK }: HeldDrain): number {
  return hook.heartbeatTimeoutSeconds;
}

/** A hook is never shorter (facts 18 hook-timeouts). */
export const SHORTEST_HOOK: HookLimits = hookLimits(30);

/** When the agents count as lost: after the policy's grace, and not before a new registration would be listed. */
export function agentLostAtMs(silence: AgentSilence, closed: Closed | undefined, policy: Policy): number {
  return Math.max(silence.sinceMs + policy.agentGraceSeconds * 1000, settledAtMs(closed));
}

/** When ECS lists everything that is on registrations which take no tasks; never, while one may take some. */
export function settledAtMs(closed: Closed | undefined): number {
  return closed ? closed.sinceMs + LISTS_SETTLE_SECONDS * 1000 : Number.POSITIVE_INFINITY;
}

/** Whether ECS may still answer with tasks of an instance that an event has called empty. */
export function isJustEmptied({ emptiedAtMs }: Drain, nowMs: number): boolean {
  return emptiedAtMs !== undefined && nowMs < emptiedAtMs + EMPTIED_SECONDS * 1000;
}

/** The longest that agents may go unobserved for their silence to count as one. */
export function maxSilenceGapSeconds(policy: Policy): number {
  return Math.max(2 * policy.pollMaxSeconds + 60, PARKED_LOOKS_SECONDS.closely.from + SCHEDULE_LATE_SECONDS + 30);
}

/** The poll interval after a look at which nothing had changed. */
export function longerPollIntervalSeconds(currentSeconds: number, policy: Policy): number {
  return pollIntervalWithin(policy, currentSeconds * POLL_BACKOFF_FACTOR);
}

/** The nearest interval that the policy allows. */
export function pollIntervalWithin({ pollMinSeconds, pollMaxSeconds }: Policy, intervalSeconds: number): number {
  return Math.min(pollMaxSeconds, Math.max(pollMinSeconds, intervalSeconds));
}
