/** What the operator wants of a drain, and the instants that follow from it. */

import type { AgentSilence, Closed, Drain, HoldingTask, HookLimits, LifecycleResult } from './drain.ts';

/** The operator's choices for every drain. */
export interface Policy {
  /** Every cluster an instance may be in; each is searched before it is called gone. */
  readonly clusters: readonly string[];
  /** The longest a drain may take, from the moment Auto Scaling began to hold the instance. */
  readonly deadlineSeconds: number;
  /** What Auto Scaling is told when tasks still hold the instance at the deadline. */
  readonly deadlineResult: LifecycleResult;
  /** After which share of the time to the deadline a drain that still waits counts as stuck. */
  readonly stuckFraction: number;
  /** Which tasks are stopped ahead of the deadline rather than killed at it. */
  readonly stopStragglers: 'none' | 'standalone' | 'all';
  /** What a service's task needs before its stop timeout begins: the load balancer's deregistration delay. */
  readonly deregistrationDelaySeconds: number;
  /** How long the agent may be silent before the drain gives up on it. */
  readonly agentGraceSeconds: number;
  /** What is assumed of a hook that Auto Scaling does not describe just now: its heartbeat timeout. */
  readonly heartbeatTimeoutSeconds: number;
  /** When a heartbeat is due, as a share of the hook's heartbeat timeout. */
  readonly heartbeatFraction: number;
  readonly pollMinSeconds: number;
  readonly pollMaxSeconds: number;
  /** Kept free at the end of an invocation: half for a look that was late, half to hand over. */
  readonly marginSeconds: number;
}

/**
 * Kept between our deadline and the hook's global timeout. Lambda retries a crashed invocation after one minute and after
 * two more (facts 7 event-retries): both retries come, and have a minute to work, before Auto Scaling decides.
 */
const COMPLETION_RESERVE_SECONDS = 240;

/** From the warning to the interruption (facts 6 ec2-notices). */
const SPOT_NOTICE_SECONDS = 120;

/** From the last look of one invocation to the first of the next: PutEvents, the way over the bus, a cold start. */
export const HAND_OVER_SECONDS = 15;

/** A schedule comes within the minute after its time (facts 10 one-time-schedules), and then has the same way to go. */
export const PARKED_LATE_SECONDS = 60 + HAND_OVER_SECONDS;

/**
 * How long an event may be on its way: Lambda tries a crashed invocation again after one minute and after two more
 * (facts 7 event-retries).
 */
export const ON_THE_WAY_SECONDS = 180;

/** Parking for less than this is not worth the calls. */
export const PARK_MIN_SECONDS = 30;

/** Kept between StopTask and the task's stop timeout: for the agent to hear of it, and for us to see it stopped. */
const STOP_RESERVE_SECONDS = 10;

/** The agent's own stop timeout where the task definition names none (facts 13 counting-trap). */
export const DEFAULT_STOP_TIMEOUT_SECONDS = 30;

/**
 * Nothing in AWS stops a PutEvents loop (facts 8 loop-detection). Enough for 48 hours in invocations of two minutes.
 */
export const MAX_CONTINUATIONS = 2_000;

/**
 * How long after an instance takes no more tasks ECS's lists may lack one that it was given before. AWS only says that its API is
 * eventually consistent and advises to wait a few seconds (facts 23 eventual-consistency).
 */
export const LISTS_SETTLE_SECONDS = 10;

const POLL_BACKOFF_FACTOR = 1.5;

/**
 * When to look at a parked drain that nothing has woken. `listing`: its tasks were not listed yet; that is spread over a
 * minute, for a fleet has as many drains at once. `closely`: what may happen now sends no event, or a task is about to
 * stop. `safely`: only a lost event makes it useful.
 */
const PARKED_LOOKS_SECONDS = {
  listing: { from: 60, spread: 60 },
  closely: { from: 45, spread: 0 },
  safely: { from: 300, spread: 60 },
} as const;

/** Which of the looks at a parked drain comes next. */
export type ParkedLook = keyof typeof PARKED_LOOKS_SECONDS;

/** When that look is due; `random` spreads the looks of many drains. */
export function parkedLookAtMs(look: ParkedLook, nowMs: number, random: number): number {
  const { from, spread } = PARKED_LOOKS_SECONDS[look];
  return nowMs + Math.round((from + spread * random) * 1000);
}

/** Whether there is time to park between two heartbeats of the hook. */
export function parksBetweenHeartbeats(
  { heartbeatTimeoutSeconds }: HookLimits,
  { heartbeatFraction }: Policy,
): boolean {
  return heartbeatTimeoutSeconds * heartbeatFraction > PARK_MIN_SECONDS + PARKED_LATE_SECONDS;
}

/** When a drain that was parked at that instant, and not since, must have lost what would have continued it. */
export function lostAtMs(
  parkedAtMs: number,
  { heartbeatTimeoutSeconds }: HookLimits,
  { heartbeatFraction }: Policy,
): number {
  const { from, spread } = PARKED_LOOKS_SECONDS.safely;
  const longestSeconds = Math.min(from + spread, heartbeatTimeoutSeconds * heartbeatFraction);
  return parkedAtMs + (longestSeconds + PARKED_LATE_SECONDS + ON_THE_WAY_SECONDS) * 1000;
}

/**
 * When the drain ends whatever holds the instance: by the policy, or early enough that the hook does not end it first; a
 * Spot interruption ends it after two minutes.
 */
export function deadlineAtMs(drain: Drain, hook: HookLimits, policy: Policy): number {
  if ('notice' in drain.action) {
    const allowedSeconds = drain.action.notice === 'spot-interruption' ? SPOT_NOTICE_SECONDS : Infinity;
    return drain.startedAtMs + Math.min(policy.deadlineSeconds, allowedSeconds) * 1000;
  }
  const hookAllowsSeconds = hook.globalTimeoutSeconds - COMPLETION_RESERVE_SECONDS;
  return drain.startedAtMs + Math.min(policy.deadlineSeconds, hookAllowsSeconds) * 1000;
}

/**
 * When a drain is left to the hook's own timeout: had nothing but an outage kept it from ending at its deadline, it would have
 * been found and ended since. One that fails whenever it is tried must not be kept for ever.
 */
export function givenUpAtMs(drain: Drain, hook: HookLimits, policy: Policy): number {
  return lostAtMs(deadlineAtMs(drain, hook, policy), hook, policy) + hook.heartbeatTimeoutSeconds * 1000;
}

/** How much of the time to its deadline a drain has used; above 100 where AWS keeps it from ending. */
export function deadlineUsedPercent(drain: Drain, hook: HookLimits, policy: Policy, nowMs: number): number {
  const usedMs = Math.max(0, nowMs - drain.startedAtMs);
  return (100 * usedMs) / (deadlineAtMs(drain, hook, policy) - drain.startedAtMs);
}

/** When a drain that still waits is told to be stuck. */
export function stuckAtMs(drain: Drain, hook: HookLimits, policy: Policy): number {
  const wholeMs = deadlineAtMs(drain, hook, policy) - drain.startedAtMs;
  return drain.startedAtMs + wholeMs * policy.stuckFraction;
}

/** When the next heartbeat is due; never, where nothing is held. */
export function heartbeatDueAtMs(drain: Drain, hook: HookLimits, policy: Policy): number {
  if ('notice' in drain.action) return Infinity;
  return drain.lastHeartbeatAtMs + hook.heartbeatTimeoutSeconds * policy.heartbeatFraction * 1000;
}

/** When the silence of the agents outlasts the policy's grace. */
export function agentLostAtMs({ sinceMs }: AgentSilence, policy: Policy): number {
  return sinceMs + policy.agentGraceSeconds * 1000;
}

/** When ECS's lists tell all that is on registrations which take no tasks; never, while one may. */
export function settledAtMs(closed: Closed | undefined): number {
  return closed ? closed.sinceMs + LISTS_SETTLE_SECONDS * 1000 : Infinity;
}

/** The longest that agents may go unwatched for their silence to count as one. */
export function maxSilenceGapSeconds(policy: Policy): number {
  return Math.max(2 * policy.pollMaxSeconds + 60, PARKED_LOOKS_SECONDS.closely.from + PARKED_LATE_SECONDS + 30);
}

/** When the task must be told to stop to have its whole grace before the deadline; undefined if the policy leaves it alone. */
export function stopDueAtMs(task: HoldingTask, deadlineMs: number, policy: Policy): number | undefined {
  if (policy.stopStragglers === 'none' || task.stopRequested) return undefined;
  if (policy.stopStragglers === 'standalone' && task.class !== 'standalone') return undefined;
  const deregistrationSeconds = task.class === 'service' ? policy.deregistrationDelaySeconds : 0;
  const stopTimeoutSeconds = task.stopTimeoutSeconds ?? DEFAULT_STOP_TIMEOUT_SECONDS;
  return deadlineMs - (deregistrationSeconds + stopTimeoutSeconds + STOP_RESERVE_SECONDS) * 1000;
}

/** The interval after one look at which nothing had changed. */
export function longerPollIntervalSeconds(currentSeconds: number, policy: Policy): number {
  return pollIntervalWithin(policy, currentSeconds * POLL_BACKOFF_FACTOR);
}

/** The nearest to it that the policy allows. */
export function pollIntervalWithin({ pollMinSeconds, pollMaxSeconds }: Policy, intervalSeconds: number): number {
  return Math.min(pollMaxSeconds, Math.max(pollMinSeconds, intervalSeconds));
}

/** What a policy has to work with: the invocation, and the hook where it is ours to create. */
export interface Surroundings {
  readonly functionTimeoutSeconds: number;
  readonly hook: HookLimits | undefined;
}

/** A sentence for each pair of settings that cannot work together, with the arithmetic; none when all is well. */
export function conflictsIn(policy: Policy, { functionTimeoutSeconds, hook }: Surroundings): string[] {
  const conflicts: string[] = [];
  const { deadlineSeconds, pollMinSeconds, pollMaxSeconds, marginSeconds, heartbeatFraction } = policy;

  if (pollMinSeconds > pollMaxSeconds) {
    conflicts.push(
      `pollMinSeconds ${pollMinSeconds} is above pollMaxSeconds ${pollMaxSeconds}: lower the first or raise the second.`,
    );
  }
  if (deadlineSeconds < pollMinSeconds) {
    conflicts.push(
      `deadlineSeconds ${deadlineSeconds} is below one poll of pollMinSeconds ${pollMinSeconds}: the drain would end before it looked twice; raise deadlineSeconds.`,
    );
  }

  const watchSeconds = functionTimeoutSeconds - marginSeconds;
  if (watchSeconds < pollMinSeconds) {
    conflicts.push(
      `functionTimeoutSeconds ${functionTimeoutSeconds} - marginSeconds ${marginSeconds} = ${watchSeconds} s leaves no room for one poll of pollMinSeconds ${pollMinSeconds}; lower marginSeconds or raise functionTimeoutSeconds.`,
    );
  } else {
    const continuations = Math.ceil(deadlineSeconds / watchSeconds);
    if (continuations > MAX_CONTINUATIONS) {
      conflicts.push(
        `deadlineSeconds ${deadlineSeconds} / (functionTimeoutSeconds ${functionTimeoutSeconds} - marginSeconds ${marginSeconds}) = ${continuations} continuations, above the cap of ${MAX_CONTINUATIONS}; raise functionTimeoutSeconds or lower deadlineSeconds.`,
      );
    }
  }

  if (heartbeatFraction >= 1) {
    conflicts.push(
      `heartbeatFraction ${heartbeatFraction} is not below 1: ${hook ? `heartbeatFraction ${heartbeatFraction} × heartbeatTimeoutSeconds ${hook.heartbeatTimeoutSeconds} = a heartbeat every ${heartbeatFraction * hook.heartbeatTimeoutSeconds} s, and the hook times out after ${hook.heartbeatTimeoutSeconds} s` : 'every heartbeat would come after the timeout of its hook'}; set it to 0.5, say.`,
    );
  } else if (hook) {
    const slackSeconds = Math.round(hook.heartbeatTimeoutSeconds * (1 - heartbeatFraction) * 10) / 10;
    if (slackSeconds < HAND_OVER_SECONDS) {
      conflicts.push(
        `heartbeatTimeoutSeconds ${hook.heartbeatTimeoutSeconds} × (1 - heartbeatFraction ${heartbeatFraction}) = ${slackSeconds} s from a heartbeat that is due to the hook's timeout, less than the ${HAND_OVER_SECONDS} s that handing over may take; lower heartbeatFraction or raise heartbeatTimeoutSeconds.`,
      );
    }
  }
  if (hook) {
    const allowedSeconds = hook.globalTimeoutSeconds - COMPLETION_RESERVE_SECONDS;
    if (deadlineSeconds > allowedSeconds) {
      conflicts.push(
        `deadlineSeconds ${deadlineSeconds} is above the hook's global timeout ${hook.globalTimeoutSeconds} s (the lesser of 48 hours and 100 × heartbeatTimeoutSeconds ${hook.heartbeatTimeoutSeconds}) - ${COMPLETION_RESERVE_SECONDS} s of reserve = ${allowedSeconds} s; lower deadlineSeconds or raise heartbeatTimeoutSeconds.`,
      );
    }
  }

  if (policy.stopStragglers !== 'none') {
    const delaySeconds = policy.stopStragglers === 'all' ? policy.deregistrationDelaySeconds : 0;
    const graceSeconds = delaySeconds + DEFAULT_STOP_TIMEOUT_SECONDS + STOP_RESERVE_SECONDS;
    if (graceSeconds >= deadlineSeconds) {
      conflicts.push(
        `stopStragglers ${policy.stopStragglers} would stop tasks at once: deregistrationDelaySeconds ${delaySeconds} + the default stop timeout ${DEFAULT_STOP_TIMEOUT_SECONDS} + ${STOP_RESERVE_SECONDS} s of reserve = ${graceSeconds} s, not below deadlineSeconds ${deadlineSeconds}; raise deadlineSeconds.`,
      );
    }
  }
  return conflicts;
}
