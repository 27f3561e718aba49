/** What the sweep decides about an instance that a hook holds: whether nothing continues its drain, and what then does. Pure. */

import type { ActionDrain, LifecycleHook } from './drain.ts';
import type { ContainerInstance } from './observation.ts';
import { deadlineAtMs, givenUpAtMs, lostAtMs, ON_THE_WAY_SECONDS, type Policy, policyOf } from './policy.ts';
import { latestStopsAtMs } from './stragglers.ts';

export type HoldDecision =
  /** Something continues its drain, or may. */
  | 'leave'
  /** The hook's own timeout ends it. */
  | 'give-up'
  /**
   * Send a message. Without schedules nothing else continues a drain. While the queue takes none, the instance is not touched: the
   * next sweep would believe that the drain is alive once the instance is DRAINING.
   */
  | 'send'
  /**
   * Write its schedule before anything else. A drain that cannot be parked waits on the queue, where nothing shows that it is alive.
   * If it is after all, one of the two is superseded. Where Scheduler refuses, see `decideUnwritten`.
   */
  | 'write-schedule'
  /** Go on with it in this round. */
  | 'resume';

/** Everything that the decision depends on. */
export interface HoldSituation {
  /** As its schedule has it, or as its event would begin it. */
  readonly drain: ActionDrain;
  readonly hook: LifecycleHook;
  readonly isOnlyHook: boolean;
  /** The live registrations of the instance. */
  readonly registrations: readonly ContainerInstance[];
  /** When its schedule was written last; undefined if it has none. */
  readonly writtenAtMs: number | undefined;
  readonly policy: Policy;
  readonly nowMs: number;
}

export function decideOnHold(situation: HoldSituation): HoldDecision {
  const { drain, hook, registrations, policy, nowMs } = situation;
  if (isContinued(situation) || isAnothers(situation)) return 'leave';
  if (nowMs >= givenUpAtMs({ ...drain, hook: drain.hook ?? hook.limits }, policy)) return 'give-up';
  if (policy.waiting === 'watch') return 'send';
  return looksDrained(registrations, nowMs) ? 'write-schedule' : 'resume';
}

/** Two sweeps, of one a minute. */
const BEFORE_END_SECONDS = 120;

/**
 * What becomes of a drain whose schedule Scheduler does not take, so that nothing shows whether it is alive. If each sweep began a chain,
 * they would grow in number without end. So the sweep leaves the drain alone until something cannot wait, and then works on it for one
 * round. That is where the instance is empty, a task may have to be stopped, or the deadline comes.
 */
export function decideUnwritten({
  drain: stored,
  hook,
  registrations,
  policy,
  nowMs,
}: HoldSituation): 'leave' | 'once' {
  const drain = { ...stored, hook: stored.hook ?? hook.limits };
  // ECS itself completes the hook of a supervised drain.
  if (drain.kind === 'held' && registrations.every(({ isEmpty }) => isEmpty)) return 'once';
  const deadlineMs = deadlineAtMs(drain, policy);
  const endMs = Math.min(deadlineMs, ...latestStopsAtMs(undefined, deadlineMs, policyOf(drain, policy)));
  return nowMs >= endMs - BEFORE_END_SECONDS * 1000 ? 'once' : 'leave';
}

function isContinued(situation: HoldSituation): boolean {
  const { drain, hook, registrations, writtenAtMs, policy, nowMs } = situation;
  if (writtenAtMs !== undefined) return nowMs < lostAtMs(writtenAtMs, drain.hook ?? hook.limits, policy, drain.kind);
  if (policy.waiting !== 'watch') return false;
  return drain.kind === 'supervised' || looksDrained(registrations, nowMs); // Nothing shows that a drain that polls is lost.
}

/** If ECS's hook is not the only one, it is not known which hook holds the instance: only the event can start the drain. */
function isAnothers({ drain, isOnlyHook, registrations }: HoldSituation): boolean {
  return drain.kind === 'supervised' && (!isOnlyHook || registrations.length === 0);
}

/**
 * Whether the instance looks as if someone drained it: it takes no more tasks, except for a registration that the agent has just
 * made. Without a schedule, nothing else shows that a drain is alive.
 */
export function looksDrained(registrations: readonly ContainerInstance[], nowMs: number): boolean {
  const isNew = ({ registeredAtMs = 0 }: ContainerInstance) => nowMs - registeredAtMs < ON_THE_WAY_SECONDS * 1000;
  const isClosed = ({ status }: ContainerInstance) => status !== 'ACTIVE';
  return registrations.some(isClosed) && registrations.every((each) => isClosed(each) || isNew(each));
}
