/**
 * What happens next to a drain of ECS managed draining. ECS drains; we watch it, report it, and end it at the deadline only if
 * the policy says so. Pure, as `decide`.
 */

import { firstScope, readHook, stopStragglers } from './decide.ts';
import type { Decision, DecisionKind, Situation } from './decision.ts';
import type { SupervisedDrain } from './drain.ts';
import { activeIn, isWithoutAgent, type Observation, partlySeenIn, type Seen } from './observation.ts';
import {
  deadlineAtMs,
  limitsOf,
  managedResult,
  nearDeadlineAtMs,
  type ParkedLook,
  parkedLookAtMs,
  QUEUE_WAIT_SECONDS,
  SCHEDULE_LATE_SECONDS,
  SCHEDULE_MIN_SECONDS,
  settledAtMs,
  stuckAtMs,
} from './policy.ts';
import { stopDueAtMs } from './stragglers.ts';
import {
  handOver,
  isListedLater,
  isRetriedLater,
  listingAtMs,
  mayUseSchedule,
  retryAtMs,
  waitUntil,
  withoutQueue,
} from './wait.ts';

type Supervision = Situation<SupervisedDrain>;

/** What ends the drain at its deadline, and the stops before it. */
const RETRIED: readonly DecisionKind[] = ['stop-tasks', 'verify-start', 'complete'];

/** How long ECS may take to complete its hook once no task is left. */
const COMPLETION_SECONDS = 300;

/** How long after its start ECS sets the instance to DRAINING at the latest, which takes it a minute. */
const SET_DRAINING_SECONDS = 600;

/** How long the instance may be in its cluster after Auto Scaling has let it go. */
const GONE_SECONDS = 1_800;

/** The first step that applies (docs/decisions/0024). None sets the instance to DRAINING, and none is a heartbeat. */
export function supervise(situation: Supervision): Decision {
  const { observation, drain, isOutOfTime, refused } = situation;
  if (isOutOfTime) return handOver(situation);
  if (refused.has('queue')) return (observation && atDeadline(observation, situation)) ?? withoutQueue(situation);
  if (!observation) {
    if (drain.known) return { kind: 'look', scope: firstScope(situation) };
    // The first looks at a fleet are spread over time.
    if (isListedLater(situation)) return waitUntil(listingAtMs(situation), 'queue');
    return { kind: 'look', scope: { registrations: 'search', tasks: 'list' } };
  }
  if (observation.kind === 'absent') return afterwards(observation, drain);
  const seen = partlySeenIn(observation);
  return (
    readHook(situation) ??
    afterItsTime(observation, situation) ??
    atDeadline(observation, situation) ??
    (seen && announcement(seen, situation)) ??
    waitFor(observation, situation)
  );
}

/** How it ended, now that the instance has left its cluster: by ECS if every task that was known had stopped before. */
function afterwards({ clusters, tasks }: Extract<Observation, { kind: 'absent' }>, drain: SupervisedDrain): Decision {
  const { known, closed } = drain;
  if (!known) return { kind: 'finish', ending: { kind: 'gone', clusters } };
  if (!known.tasks || known.tasks.listedAtMs < settledAtMs(closed))
    return { kind: 'finish', ending: 'already-completed' };
  if (known.tasks.holding.length > 0 && !tasks) {
    return { kind: 'look', scope: { registrations: 'known', tasks: 'known' } };
  }
  const haveStopped = !tasks || (tasks.holding.length === 0 && !tasks.lost);
  const ending = { kind: 'drained', lastTaskStoppedAtMs: tasks?.lastStoppedAtMs } as const;
  return { kind: 'finish', ending: haveStopped ? ending : 'already-completed' };
}

/**
 * What shows that the drain is over though the instance is still in its cluster: Auto Scaling holds it no longer than its hook
 * allows. An instance that takes tasks is not drained, or is back in service. One that has been empty for a while, or whose
 * agent is disconnected, may be terminated. Auto Scaling says which.
 */
function afterItsTime(seen: Observation, situation: Supervision): Decision | undefined {
  if (seen.kind !== 'seen') return undefined;
  const { drain, policy, nowMs, isStartVerified, refused } = situation;
  const heldUntilMs = drain.startedAtMs + limitsOf(drain, policy).globalTimeoutSeconds * 1000;
  if (nowMs >= heldUntilMs + GONE_SECONDS * 1000) return { kind: 'finish', ending: 'already-completed' };
  const isLate = nowMs >= drain.startedAtMs + SET_DRAINING_SECONDS * 1000;
  const mayVerify = !isStartVerified && !refused.has('verify-start');
  const isDoubtful = activeIn(seen).length > 0 || (drain.emptySinceMs !== undefined && !isCompleting(seen, situation));
  const isLeftBehind = isWithoutAgent(seen) && seen.tasks?.holding.length === 0;
  return mayVerify && ((isLate && isDoubtful) || isLeftBehind) ? { kind: 'verify-start' } : undefined;
}

/** The stops before the deadline, where the policy has a result for it and the instance takes no tasks. */
function stopsIn(observation: Observation, situation: Supervision): Decision | undefined {
  const { drain, policy } = situation;
  const seen = partlySeenIn(observation);
  if (!seen?.tasks || activeIn(seen).length > 0 || managedResult(drain, policy) === 'none') return undefined;
  return stopStragglers(seen.tasks.holding, deadlineAtMs(drain, policy), situation);
}

/**
 * What the deadline calls for, where the policy has a result for it. Not knowing all tasks is never a reason to end the drain with them,
 * but those that are known are stopped.
 */
function atDeadline(seen: Observation, situation: Supervision): Decision | undefined {
  const { drain, policy, nowMs, isStartVerified, refused } = situation;
  if (seen.kind !== 'seen') return stopsIn(seen, situation);
  const result = managedResult(drain, policy);
  if (result === 'none' || refused.has('complete')) return undefined;
  const deadlineMs = deadlineAtMs(drain, policy);
  const holding = seen.tasks?.holding ?? [];
  if (nowMs < deadlineMs) return stopsIn(seen, situation);
  const isClosed = activeIn(seen).length === 0;
  if (!isStartVerified) return refused.has('verify-start') ? undefined : { kind: 'verify-start' };
  if (isClosed && seen.tasks && holding.length === 0 && seen.tasks.listedAtMs >= settledAtMs(drain.closed)) {
    const { lastStoppedAtMs } = seen.tasks;
    return { kind: 'complete', verdict: { kind: 'drained', lastTaskStoppedAtMs: lastStoppedAtMs } };
  }
  const verdict = { kind: 'timed-out', deadlineAtMs: deadlineMs, result, killedTasks: holding } as const;
  return { kind: 'complete', verdict };
}

function announcement(seen: Seen, situation: Supervision): Decision | undefined {
  const { drain, policy, nowMs } = situation;
  const deadlineMs = deadlineAtMs(drain, policy);
  if (drain.announced === undefined) return { kind: 'announce', event: 'started', deadlineAtMs: deadlineMs };
  if (drain.announced === 'stuck' || nowMs < stuckAtMs(drain, policy) || isCompleting(seen, situation))
    return undefined;
  return { kind: 'announce', event: 'stuck', deadlineAtMs: deadlineMs };
}

/** Whether ECS may be about to complete its hook, because no task has been left for a short while only. */
function isCompleting({ tasks }: Seen, { drain, nowMs }: Supervision): boolean {
  const isEmpty = tasks?.holding.length === 0 && drain.emptySinceMs !== undefined;
  return isEmpty && nowMs < drain.emptySinceMs + COMPLETION_SECONDS * 1000;
}

/** A schedule may come a minute late: it brings looks and reports, and no instant that tasks depend on. */
function waitFor(observation: Exclude<Observation, { kind: 'absent' }>, situation: Supervision): Decision {
  const { drain, policy, nowMs } = situation;
  const reports = [stuckAtMs(drain, policy), nearDeadlineAtMs(drain, policy)].filter((instantMs) => instantMs > nowMs);
  const softMs = Math.min(lookAtMs(observation, situation), ...reports);
  const dueMs = Math.min(...dueInstants(observation, situation).filter((instantMs) => instantMs > nowMs));
  const untilMs = Math.min(softMs, dueMs);
  if (!mayUseSchedule(situation)) return waitUntil(Math.min(untilMs, nowMs + QUEUE_WAIT_SECONDS * 1000), 'queue');
  const roughMs = Math.min(softMs, dueMs - SCHEDULE_LATE_SECONDS * 1000);
  const isFar = roughMs >= nowMs + SCHEDULE_MIN_SECONDS * 1000;
  const isForQueue = untilMs <= nowMs + QUEUE_WAIT_SECONDS * 1000 && roughMs < softMs;
  return isFar && !isForQueue ? waitUntil(roughMs, 'schedule') : waitUntil(untilMs, 'both');
}

/** What must not be late: the deadline and the stops before it, if we end the drain, and the first list that proves something. */
function dueInstants(observation: Exclude<Observation, { kind: 'absent' }>, situation: Supervision): number[] {
  const { drain, policy, random } = situation;
  const tasks = partlySeenIn(observation)?.tasks;
  const settledMs = settledAtMs(drain.closed);
  // ECS may complete its hook as soon as the last task has stopped: how the drain ended is only known of tasks that are listed.
  const lists = !isListedLater(situation) && tasks && tasks.listedAtMs < settledMs ? [settledMs] : [];
  if (managedResult(drain, policy) === 'none') return lists;
  const deadlineMs = deadlineAtMs(drain, policy);
  return [...lists, deadlineMs, ...(tasks?.holding ?? []).map((task) => stopDueAtMs(task, deadlineMs, policy, random))];
}

/** What AWS refuses is tried again within seconds; the first looks at many drains are spread over time. */
function lookAtMs(observation: Exclude<Observation, { kind: 'absent' }>, situation: Supervision): number {
  const { nowMs, random, refused } = situation;
  if (RETRIED.some((kind) => refused.has(kind))) return retryAtMs(situation);
  if (observation.kind === 'seen') return parkedLookAtMs(nextLook(observation, situation), nowMs, random);
  return isRetriedLater(situation) ? listingAtMs(situation) : retryAtMs(situation);
}

/** ECS may take two days, and an event reports an instance that has become empty, so most looks are rare. */
function nextLook(observation: Seen, situation: Supervision): ParkedLook {
  const { drain, policy, nowMs } = situation;
  if (isCompleting(observation, situation)) return 'closely';
  // ECS should set the instance to DRAINING within a minute.
  return activeIn(observation).length > 0 && nowMs < stuckAtMs(drain, policy) ? 'closely' : 'rarely';
}
