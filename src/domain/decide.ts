/** What to do next. Pure: the same drain, observation, policy and instants always give the same decision. */

import {
  type ContainerInstance,
  type Drain,
  type DrainingObservation,
  type HoldingTask,
  type HookLimits,
  hookLimits,
  type Observation,
  type Verdict,
} from './drain.ts';
import {
  agentLostAtMs,
  deadlineAtMs,
  HAND_OVER_SECONDS,
  heartbeatDueAtMs,
  type Policy,
  stopDueAtMs,
} from './policy.ts';

export type Decision =
  | { readonly kind: 'complete'; readonly verdict: Verdict }
  | { readonly kind: 'set-draining'; readonly containerInstances: readonly ContainerInstance[] }
  /** Ask Auto Scaling how long the hook holds: there is something to wait for. */
  | { readonly kind: 'read-hook' }
  | { readonly kind: 'stop-tasks'; readonly tasks: readonly HoldingTask[] }
  | { readonly kind: 'heartbeat' }
  /** Stay in this invocation and look again then. */
  | { readonly kind: 'watch'; readonly untilMs: number }
  /** End this invocation and go on in the next. */
  | { readonly kind: 'hand-over' };

/** All that a decision depends on. */
export interface Situation {
  readonly drain: Drain;
  /** Auto Scaling was asked for the hook's limits just now and did not tell: go by those that the policy assumes. */
  readonly hookRefused?: boolean;
  readonly observation: Observation;
  readonly policy: Policy;
  readonly nowMs: number;
  readonly invocationEndsAtMs: number;
}

/** The first that applies, in the order of docs/decisions/0002. */
export function decide(situation: Situation): Decision {
  const { drain, observation, policy, nowMs } = situation;

  if (observation.kind === 'absent') {
    return { kind: 'complete', verdict: { kind: 'gone', clusters: observation.clusters } };
  }
  const beatIsDue = drain.hook !== undefined && nowMs >= heartbeatDueAtMs(drain, drain.hook, policy);
  if (observation.kind === 'active' && !beatIsDue) {
    const taking = observation.containerInstances.filter(({ status }) => status === 'ACTIVE');
    return { kind: 'set-draining', containerInstances: taking };
  }
  if (observation.kind === 'draining' && observation.holdingTasks.length === 0 && !observation.registering) {
    return { kind: 'complete', verdict: { kind: 'drained', lastTaskStoppedAtMs: observation.lastTaskStoppedAtMs } };
  }
  if (!drain.hook && !situation.hookRefused) return { kind: 'read-hook' };
  const hook = hookOf(situation);

  // An observation that could not be made is never a reason to let go: only heartbeats go on.
  const lastResort = observation.kind === 'draining' && lastResortFor(observation, drain, hook, policy, nowMs);
  if (lastResort) return lastResort;
  const waiting = watchOrHandOver(situation);
  const dueAtMs = heartbeatDueAtMs(drain, hook, policy);
  // What falls due on the way to the next invocation is done before it, once: a short timeout is soon due again.
  const justBeaten = nowMs - drain.lastHeartbeatAtMs < policy.pollMinSeconds * 1000;
  const dueOnTheWay = waiting.kind === 'hand-over' && !justBeaten && dueAtMs <= nowMs + HAND_OVER_SECONDS * 1000;
  return nowMs >= dueAtMs || dueOnTheWay ? { kind: 'heartbeat' } : waiting;
}

function hookOf({ drain, policy }: Situation): HookLimits {
  return drain.hook ?? hookLimits(policy.heartbeatTimeoutSeconds);
}

/**
 * The timeout decision: watch until the next look if the invocation lasts that long, else until its end if that is
 * worth a poll, else hand over.
 */
export function watchOrHandOver(situation: Situation): Decision {
  const { policy, nowMs, invocationEndsAtMs } = situation;
  const windowEndsAtMs = invocationEndsAtMs - policy.marginSeconds * 1000;
  const nextLookAtMs = nextLook(situation);
  if (nextLookAtMs <= windowEndsAtMs) return { kind: 'watch', untilMs: nextLookAtMs };
  if (nowMs + policy.pollMinSeconds * 1000 <= windowEndsAtMs) return { kind: 'watch', untilMs: windowEndsAtMs };
  return { kind: 'hand-over' };
}

/** The next poll, or what comes before it: nothing that falls due may be slept through. */
function nextLook(situation: Situation): number {
  const { drain, observation, policy, nowMs } = situation;
  const pollAtMs = nowMs + drain.pollIntervalSeconds * 1000;
  const hook = hookOf(situation);
  const deadlineMs = deadlineAtMs(drain, hook, policy);
  const holding = observation.kind === 'draining' ? observation.holdingTasks : [];
  const dueAtMs = [
    deadlineMs,
    heartbeatDueAtMs(drain, hook, policy),
    drain.agentSilence ? agentLostAtMs(drain.agentSilence, policy) : Infinity,
    ...holding.map((task) => stopDueAtMs(task, deadlineMs, policy) ?? Infinity),
  ];
  return Math.min(pollAtMs, ...dueAtMs.filter((instantMs) => instantMs > nowMs));
}

/** What the deadline, a silent agent or a straggler calls for, if anything yet. */
function lastResortFor(
  { holdingTasks }: DrainingObservation,
  drain: Drain,
  hook: HookLimits,
  policy: Policy,
  nowMs: number,
): Decision | undefined {
  const result = policy.deadlineResult;
  const deadlineMs = deadlineAtMs(drain, hook, policy);
  if (nowMs >= deadlineMs) {
    const verdict = { kind: 'timed-out', deadlineAtMs: deadlineMs, result, killedTasks: holdingTasks } as const;
    return { kind: 'complete', verdict };
  }

  const { agentSilence } = drain;
  if (agentSilence && nowMs >= agentLostAtMs(agentSilence, policy)) {
    const disconnectedSinceMs = agentSilence.sinceMs;
    const verdict = { kind: 'agent-lost', disconnectedSinceMs, result, killedTasks: holdingTasks } as const;
    return { kind: 'complete', verdict };
  }

  const stragglers = holdingTasks.filter((task) => nowMs >= (stopDueAtMs(task, deadlineMs, policy) ?? Infinity));
  return stragglers.length > 0 ? { kind: 'stop-tasks', tasks: stragglers } : undefined;
}
