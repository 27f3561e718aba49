/** What may be decided about a drain, and what a decision depends on. */

import type { Drain, LethalVerdict, SupervisedDrain, Verdict } from './drain.ts';
import type { Trigger } from './mark.ts';
import type { HoldingTask, Observation, Scope } from './observation.ts';
import type { Policy } from './policy.ts';

export type Decision =
  /** The invocation ends: the next one goes on at once. */
  | { readonly kind: 'hand-over' }
  /** The message is left on the queue, which brings it again: the way to wait where nothing can be sent to the queue. */
  | { readonly kind: 'leave' }
  /** Find the instance and set it to DRAINING; it may be DRAINING already. It is marked as ours if it may stay in service. */
  | { readonly kind: 'set-draining'; readonly mark?: Trigger | undefined }
  | { readonly kind: 'look'; readonly scope: Scope }
  /** Ask Auto Scaling how long the hook holds: there is something to wait for. */
  | { readonly kind: 'read-hook' }
  /** What comes next kills tasks and depends on times that may be wrong: ask Auto Scaling for the start, and the schedule for the deadline. */
  | { readonly kind: 'verify-start' }
  | { readonly kind: 'stop-tasks'; readonly tasks: readonly HoldingTask[] }
  | { readonly kind: 'heartbeat' }
  /** Publish that the drain has begun to wait, or that it waits for too long. */
  | { readonly kind: 'announce'; readonly event: 'started' | 'stuck'; readonly deadlineAtMs: number }
  | { readonly kind: 'complete'; readonly verdict: Verdict }
  /** The supervised drain has ended: there is nothing to complete. */
  | { readonly kind: 'finish'; readonly ending: Exclude<Verdict, LethalVerdict> | 'already-completed' }
  /**
   * End the work on the drain until then. A schedule holds its state where ECS events find it, and is late by up to a minute;
   * the queue is on time. With both, the schedule also continues the drain if the message is lost.
   */
  | { readonly kind: 'park'; readonly untilMs: number; readonly on: 'schedule' | 'queue' | 'both' };

export type DecisionKind = Decision['kind'];

/** A drain that is ours to carry out; `supervise` decides about the others. */
export type OurDrain = Exclude<Drain, SupervisedDrain>;

/** Everything that a decision depends on. */
export interface Situation<D extends Drain = OurDrain> {
  readonly drain: D;
  /** Undefined before the first look of this round. */
  readonly observation: Observation | undefined;
  /** What AWS did not accept or answer in this round. Of parking, the schedule and the queue are separate. */
  readonly refused: ReadonlySet<DecisionKind | 'queue'>;
  /** Whether Auto Scaling has confirmed or corrected the start in this round. */
  readonly isStartVerified: boolean;
  /** Whether this round has read the drain's schedule: an operator may have set another deadline there. */
  readonly isScheduleRead: boolean;
  /** Whether a heartbeat was accepted in this round: AWS may count by what the hook is now, which may have been edited. */
  readonly isHookStale: boolean;
  /** Whether an ECS event woke the drain. */
  readonly isWoken: boolean;
  /** Whether many drains begin in this round. */
  readonly isFleet: boolean;
  readonly isOutOfTime: boolean;
  /** When the queue brings its message again if it is left there; undefined if it must not be left. */
  readonly comesAgainAtMs: number | undefined;
  /** Whether it was left there before, so that the bus is tried first. */
  readonly wasLeft: boolean;
  readonly policy: Policy;
  readonly nowMs: number;
  /** At least 0, and less than 1. */
  readonly random: number;
}
