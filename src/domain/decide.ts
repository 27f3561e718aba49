/** What happens to a drain next. Pure: the same situation always gives the same decision. */

import type { Decision, DecisionKind, Situation } from './decision.ts';
import { type Drain, isOnlyRecommended, type LethalVerdict, unreachable } from './drain.ts';
import { markOf } from './mark.ts';
import {
  activeIn,
  type HoldingTask,
  isAllFree,
  isEnding,
  isListedWithSearch,
  isRegistering,
  isWithoutAgent,
  type Observation,
  type Scope,
  type Seen,
} from './observation.ts';
import { requestSettlesAtMs } from './operator.ts';
import {
  agentLostAtMs,
  deadlineAtMs,
  heartbeatDueAtMs,
  isJustEmptied,
  latestDeadlineAtMs,
  nearDeadlineAtMs,
  type ParkedLook,
  parkedLookAtMs,
  policyOf,
  SCHEDULE_LATE_SECONDS,
  SCHEDULE_MIN_SECONDS,
  settledAtMs,
  stuckAtMs,
  UNREAD_DEADLINE_SECONDS,
} from './policy.ts';
import { holdingIn, stopDueAtMs, stragglersIn } from './stragglers.ts';
import {
  handOver,
  isJustVerified,
  isListedLater,
  isRetriedLater,
  listingAtMs,
  mayUseSchedule,
  mustStopSoon,
  retryAtMs,
  WAIT_WITHOUT_QUEUE_SECONDS,
  waitUntil,
  withoutQueue,
} from './wait.ts';

/** An observation to go on from: ECS knows the instance, or does not answer. */
type Usable = Exclude<Observation, { kind: 'absent' }>;

/** The first step that applies, in the order of docs/decisions/0002. */
export function decide(given: Situation): Decision {
  const situation = { ...given, policy: policyOf(given.drain, given.policy) };
  const { observation, drain, isOutOfTime, refused } = situation;
  if (isOutOfTime) return handOver(situation);
  if (refused.has('queue')) return readHook(situation) ?? dueWithoutQueue(situation) ?? withoutQueue(situation);
  if (!observation) {
    if (drain.known) return { kind: 'look', scope: firstScope(situation) };
    return canBeat(situation) || mayBeOver(situation) ? { kind: 'heartbeat' } : setDraining(situation);
  }
  switch (observation.kind) {
    case 'absent':
      return { kind: 'complete', verdict: { kind: 'gone', clusters: observation.clusters } };
    case 'unavailable':
      return readHook(situation) ?? lastResort(observation, situation) ?? keepAlive(observation, situation);
    case 'seen':
      return (
        closeOrEnd(observation, situation) ??
        readHook(situation) ??
        lastResort(observation, situation) ??
        keepAlive(observation, situation)
      );
    default:
      return unreachable(observation);
  }
}

/** Where the drain continues: at what it knew, or at a search when an event says that the instance is empty. */
export function firstScope({ drain, isWoken }: Situation<Drain>): Scope {
  const isListed = drain.known?.tasks !== undefined && drain.known.tasks.listedAtMs >= settledAtMs(drain.closed);
  return { registrations: isWoken ? 'search' : 'known', tasks: isListed ? 'known' : 'list' };
}

/** What closes the instance to new tasks, or proves that no task holds it, regardless of time limits. */
function closeOrEnd(seen: Seen, situation: Situation): Decision | undefined {
  const { drain, nowMs } = situation;
  const { tasks, searchedAtMs = Number.NEGATIVE_INFINITY } = seen;
  if (activeIn(seen).length > 0) {
    return canBeat(situation) || mayBeOver(situation) ? { kind: 'heartbeat' } : setDraining(situation);
  }
  const hasToWait = tasks ? tasks.holding.length > 0 : isListedLater(situation);
  if (isRegistering(seen) || hasToWait) return undefined;
  const settledMs = settledAtMs(drain.closed);
  // Before ECS's lists have settled, a list of tasks proves nothing.
  if (nowMs < settledMs) {
    if (canBeat(situation) || mayBeOver(situation, seen)) return { kind: 'heartbeat' };
    // A hook that is read needs no heartbeat so soon, unless it is one of the shortest.
    const hookFirst = heartbeatDueAtMs(drain, situation.policy) < settledMs ? readHook(situation) : undefined;
    return hookFirst ?? waitUntil(Math.min(settledMs, ...dueInstants(seen, situation)), 'queue');
  }
  if (!tasks) return { kind: 'look', scope: { registrations: 'known', tasks: 'list' } };
  // Someone may have made the instance ACTIVE for a while after the tasks were listed. Memory in use is a sign of further tasks.
  const isListed = tasks.listedAtMs >= settledMs && (isAllFree(seen) || isListedWithSearch(seen));
  if (isListed && searchedAtMs >= settledMs) {
    return { kind: 'complete', verdict: { kind: 'drained', lastTaskStoppedAtMs: tasks.lastStoppedAtMs } };
  }
  return { kind: 'look', scope: { registrations: 'search', tasks: isListed ? 'known' : 'list' } };
}

function setDraining({ drain, policy }: Situation): Decision {
  return { kind: 'set-draining', mark: markOf(drain, policy) };
}

/**
 * Whether the lifecycle action may be over: its event comes late or again, or someone else has completed it. An instance that
 * stays in its group takes tasks again afterwards, and must not be drained a second time; of one that was terminated, a
 * registration without an agent may be left. The heartbeat shows which it is.
 */
function mayBeOver({ drain, nowMs, refused }: Situation, seen?: Seen): boolean {
  if (drain.kind === 'notice' || refused.has('heartbeat')) return false;
  const mayBeTerminated = seen !== undefined && isWithoutAgent(seen);
  if (mayBeTerminated && drain.heartbeats === 0) return true;
  return (mayBeTerminated || drain.staysInGroup === true) && !isJustVerified(drain, nowMs);
}

/**
 * Whether a heartbeat is due and Auto Scaling may accept it: the hook must survive before an instance is set to DRAINING, or ECS's lists
 * settle. A drain that knows its instance looks there first.
 */
function canBeat({ drain, policy, nowMs, refused, isHookStale }: Situation): boolean {
  return !isHookStale && nowMs >= heartbeatDueAtMs(drain, policy) && !refused.has('heartbeat');
}

export function readHook({ drain, isHookStale, refused }: Situation<Drain>): Decision | undefined {
  if (drain.kind === 'notice' || (drain.hook && !isHookStale) || refused.has('read-hook')) return undefined;
  return { kind: 'read-hook' };
}

/**
 * The deadline does not wait for the queue to take messages again, and neither do the stops before it. It waits for a list that can
 * be believed.
 */
function dueWithoutQueue(situation: Situation): Decision | undefined {
  const { observation, drain } = situation;
  if (observation?.kind === 'unavailable') return lastResort(observation, situation);
  if (observation?.kind !== 'seen' || activeIn(observation).length > 0) return undefined;
  const { tasks } = observation;
  if (!tasks && mustStopSoon(situation)) return { kind: 'look', scope: { registrations: 'known', tasks: 'list' } };
  const saysTooLittle = tasks?.holding.length === 0 && tasks.listedAtMs < settledAtMs(drain.closed);
  return saysTooLittle ? undefined : lastResort(observation, situation);
}

/** What the deadline, a silent agent or a straggler calls for, if anything yet. */
function lastResort(observation: Usable, situation: Situation): Decision | undefined {
  const { drain, policy, nowMs, isStartVerified, refused } = situation;
  const deadlineMs = deadlineAtMs(drain, policy);
  const due = dueBy(deadlineMs, observation, situation);
  if (!due || drain.kind !== 'held') return due;
  const mayBeMoved = policy.waiting === 'park' && !situation.isScheduleRead;
  if (!isStartVerified && (due.kind !== 'stop-tasks' || mayBeMoved)) {
    if (!refused.has('verify-start')) return { kind: 'verify-start' };
    if (due.kind !== 'stop-tasks') return undefined;
  }
  if (!mayBeMoved) return due;
  // The end waits for Scheduler. Tasks are stopped without its answer rather than killed without their grace.
  const late = stragglersIn(holdingIn(observation), deadlineMs, policy, nowMs, 'at the latest');
  if (late.length > 0 && !refused.has('stop-tasks')) return { kind: 'stop-tasks', tasks: late };
  const movedMs = Math.min(latestDeadlineAtMs(drain, policy), deadlineMs + UNREAD_DEADLINE_SECONDS * 1000);
  return dueBy(movedMs, observation, situation);
}

/** What they call for if this is the deadline. Not knowing all tasks is never a reason to let an instance go with them. */
function dueBy(deadlineMs: number, observation: Usable, situation: Situation): Decision | undefined {
  const end = observation.kind === 'seen' ? endBy(deadlineMs, observation, situation) : undefined;
  return end ?? stopStragglers(holdingIn(observation), deadlineMs, situation);
}

function endBy(deadlineMs: number, seen: Seen, situation: Situation): Decision | undefined {
  const verdict = lethalVerdict(seen.tasks?.holding ?? [], deadlineMs, situation);
  if (!verdict) return undefined;
  // A lost agent may have registered again and run tasks: a search comes right before the end.
  const isSearched = verdict.kind === 'timed-out' || seen.searchedAtMs !== undefined;
  if (!seen.tasks || !isSearched) return { kind: 'look', scope: { registrations: 'search', tasks: 'list' } };
  return { kind: 'complete', verdict };
}

/** Without the queue, the next round may be too late for what is due before it. */
export function stopStragglers(
  holding: readonly HoldingTask[],
  deadlineMs: number,
  { policy, nowMs, refused }: Situation<Drain>,
): Decision | undefined {
  const stragglers = refused.has('queue')
    ? stragglersIn(holding, deadlineMs, policy, nowMs + WAIT_WITHOUT_QUEUE_SECONDS * 1000, 'at the latest')
    : stragglersIn(holding, deadlineMs, policy, nowMs);
  return stragglers.length > 0 && !refused.has('stop-tasks') ? { kind: 'stop-tasks', tasks: stragglers } : undefined;
}

/** The verdict that lets the instance go with its tasks, if it is due. */
function lethalVerdict(
  holding: readonly HoldingTask[],
  deadlineMs: number,
  { drain, policy, nowMs }: Situation,
): LethalVerdict | undefined {
  const result = policy.deadlineResult;
  if (nowMs >= deadlineMs) {
    const left = isOnlyRecommended(drain) ? { killedTasks: [], sparedTasks: holding } : { killedTasks: holding };
    return { kind: 'timed-out', deadlineAtMs: deadlineMs, result, ...left };
  }
  const { agentSilence, closed } = drain;
  if (!agentSilence || nowMs < agentLostAtMs(agentSilence, closed, policy)) return undefined;
  // EC2 may have taken the instance, whatever it was that began the drain.
  return { kind: 'agent-lost', disconnectedSinceMs: agentSilence.sinceMs, result, killedTasks: holding };
}

/** What remains: a heartbeat, an event for the bus, and the wait. */
function keepAlive(observation: Usable, situation: Situation): Decision {
  const { drain, policy, nowMs, refused } = situation;
  if (nowMs >= heartbeatByMs(situation) && !refused.has('heartbeat')) return { kind: 'heartbeat' };
  const deadlineMs = deadlineAtMs(drain, policy);
  if (drain.announced === undefined) return { kind: 'announce', event: 'started', deadlineAtMs: deadlineMs };
  const isStuck = drain.announced === 'started' && nowMs >= stuckAtMs(drain, policy);
  if (isStuck) return { kind: 'announce', event: 'stuck', deadlineAtMs: deadlineMs };
  return waitFor(observation, situation);
}

/** Heartbeats that are rarer than a wait on a schedule come early enough not to fall due within the next one. */
function heartbeatByMs(situation: Situation): number {
  const { drain, policy } = situation;
  const dueMs = heartbeatDueAtMs(drain, policy);
  if (drain.kind !== 'held' || !mayUseSchedule(situation)) return dueMs;
  const scheduleMs = (SCHEDULE_MIN_SECONDS + SCHEDULE_LATE_SECONDS) * 1000;
  const intervalMs = dueMs - drain.lastHeartbeatAtMs;
  // The next heartbeat must not be due before the round of this one has ended.
  return intervalMs > scheduleMs ? dueMs - Math.min(scheduleMs, intervalMs / 2) : dueMs;
}

/**
 * The wait until the earliest of what may come next. It is on a schedule if it may be a minute late and is longer than that;
 * otherwise it is on the queue.
 */
function waitFor(observation: Usable, situation: Situation): Decision {
  const { drain, policy, nowMs } = situation;
  const dueMs = Math.min(...dueInstants(observation, situation));
  const look = nextLook(observation, situation);
  const reports = [stuckAtMs(drain, policy), nearDeadlineAtMs(drain, policy)].filter((instantMs) => instantMs > nowMs);
  const softMs = Math.min(lookAtMs(look, observation, situation), ...reports);
  if (!mayUseSchedule(situation)) return waitUntil(Math.min(softMs, dueMs), 'queue');
  const isRough = look === 'closely' || look === 'safely';
  const isFar = softMs >= nowMs + SCHEDULE_MIN_SECONDS * 1000;
  if (isRough && isFar && softMs + SCHEDULE_LATE_SECONDS * 1000 <= dueMs) return waitUntil(softMs, 'schedule');
  return waitUntil(Math.min(softMs, dueMs), 'both');
}

/** What cannot wait: when AWS refuses it, it is tried again within seconds, and soon enough for several attempts. */
const URGENT: readonly DecisionKind[] = ['set-draining', 'heartbeat', 'verify-start', 'stop-tasks', 'complete'];

function isUrgent({ refused }: Situation): boolean {
  return URGENT.some((kind) => refused.has(kind));
}

/** The next look: a poll within seconds, or one of those at a parked drain. */
function nextLook(observation: Usable, situation: Situation): ParkedLook | 'poll' {
  const { drain, policy, nowMs, refused } = situation;
  // Without a schedule, the queue brings the next look.
  if (policy.waiting === 'watch' || refused.has('park') || isUrgent(situation)) return 'poll';
  if (observation.kind === 'unavailable' || !observation.tasks) {
    // An instance that may be given tasks is not left alone.
    const isSpread = observation.kind === 'unavailable' ? isRetriedLater(situation) : isListedLater(situation);
    return drain.closed && !isJustEmptied(drain, nowMs) && isSpread ? 'listing' : 'poll';
  }
  const isOnlyEnding = observation.tasks.holding.every(isEnding);
  if (isOnlyEnding && isJustEmptied(drain, nowMs)) return 'poll';
  return isOnlyEnding || isRegistering(observation) || drain.agentSilence ? 'closely' : 'safely';
}

function lookAtMs(look: ParkedLook | 'poll', observation: Usable, situation: Situation): number {
  const { drain, nowMs, random } = situation;
  if (look === 'listing') return listingAtMs(situation);
  if (look !== 'poll') return parkedLookAtMs(look, nowMs, random);
  const isRefused = observation.kind === 'unavailable' || isUrgent(situation);
  return isRefused ? retryAtMs(situation) : nowMs + drain.pollIntervalSeconds * 1000;
}

/** What must not be missed, as far as it is still to come. */
function dueInstants(observation: Usable, { drain, policy, nowMs, random }: Situation): number[] {
  const deadlineMs = deadlineAtMs(drain, policy);
  const { agentSilence, closed } = drain;
  const instants = [
    deadlineMs,
    heartbeatDueAtMs(drain, policy),
    requestSettlesAtMs(drain.operator),
    ...(agentSilence ? [agentLostAtMs(agentSilence, closed, policy)] : []),
    ...holdingIn(observation).map((task) => stopDueAtMs(task, deadlineMs, policy, random)),
  ];
  return instants.filter((instantMs) => instantMs > nowMs);
}
