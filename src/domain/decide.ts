/** What to do next. Pure: the same drain, observation, policy and instants always give the same decision. */

import type {
  ContainerInstance,
  Drain,
  DrainingObservation,
  HoldingTask,
  HookLimits,
  Observation,
  Verdict,
} from './drain.ts';
import { agentLostAtMs, deadlineAtMs, heartbeatDueAtMs, type Policy, stopDueAtMs } from './policy.ts';

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
  if (observation.kind === 'active') {
    const taking = observation.containerInstances.filter(({ status }) => status === 'ACTIVE');
    return { kind: 'set-draining', containerInstances: taking };
  }
  if (observation.kind === 'draining' && observation.holdingTasks.length === 0 && !observation.registering) {
    return { kind: 'complete', verdict: { kind: 'drained', lastTaskStoppedAtMs: observation.lastTaskStoppedAtMs } };
  }
  if (!drain.hook) return { kind: 'read-hook' };

  // An observation that could not be made is never a reason to let go: only heartbeats go on.
  const lastResort = observation.kind === 'draining' && lastResortFor(observation, drain, drain.hook, policy, nowMs);
  if (lastResort) return lastResort;
  if (nowMs >= heartbeatDueAtMs(drain, drain.hook, policy)) return { kind: 'heartbeat' };
  return watchOrHandOver(situation);
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
function nextLook({ drain, observation, policy, nowMs }: Situation): number {
  const pollAtMs = nowMs + drain.pollIntervalSeconds * 1000;
  if (!drain.hook) return pollAtMs;
  const deadlineMs = deadlineAtMs(drain, drain.hook, policy);
  const holding = observation.kind === 'draining' ? observation.holdingTasks : [];
  const silentSinceMs = drain.agentDisconnectedSinceMs;
  const dueAtMs = [
    deadlineMs,
    heartbeatDueAtMs(drain, drain.hook, policy),
    silentSinceMs === undefined ? Infinity : agentLostAtMs(silentSinceMs, policy),
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

  const disconnectedSinceMs = drain.agentDisconnectedSinceMs;
  if (disconnectedSinceMs !== undefined && nowMs >= agentLostAtMs(disconnectedSinceMs, policy)) {
    const verdict = { kind: 'agent-lost', disconnectedSinceMs, result, killedTasks: holdingTasks } as const;
    return { kind: 'complete', verdict };
  }

  const stragglers = holdingTasks.filter((task) => nowMs >= (stopDueAtMs(task, deadlineMs, policy) ?? Infinity));
  return stragglers.length > 0 ? { kind: 'stop-tasks', tasks: stragglers } : undefined;
}
