import type { AwsError } from './aws-error.ts';
import type { WireCall } from './wire/wire.ts';

/**
 * What can be made to go wrong; each is a probability from 0 to 1 where nothing else is said. The Region reads them each time
 * again: a getter makes a fault of an hour.
 */
export interface Faults {
  /**
   * An event of Auto Scaling, or a notice of EC2, never arrives: its delivery is best effort (facts 3 event-delivery).
   */
  readonly lostEvents: number;
  /** Any other event never arrives: worse than what EventBridge promises (facts 3 event-delivery). */
  readonly lostDurableEvents: number;
  /** An event arrives twice (facts 3 event-delivery). */
  readonly duplicatedEvents: number;
  /** An event arrives up to `delaySeconds` late, and so out of order. */
  readonly delayedEvents: number;
  readonly delaySeconds: number;
  /** A message that Lambda has deleted is seen again in its time: a queue delivers at least once (SQS developer guide). */
  readonly repeatedMessages: number;
  /** A target does not take what EventBridge brings, and is tried again. */
  readonly refusedDeliveries: number;
  /** A call is throttled whatever its bucket says. */
  readonly throttles: number;
  /** A call is answered with HTTP 500. */
  readonly serverErrors: number;
  /** A call is done, and its answer never arrives: HTTP 500 comes instead. */
  readonly lostAnswers: number;
  /** Every call takes up to so much longer. */
  readonly slownessSeconds: number;
  /**
   * What ListTasks lists is how things were so many seconds ago, and ListContainerInstances lacks what is newer
   * (facts 23 eventual-consistency).
   */
  readonly listLagSeconds: number;
  /**
   * A task with scale-in protection stays on a DRAINING instance too: the other reading of facts 39 task-protection,
   * which is unverified.
   */
  readonly protectionHoldsDraining: boolean;
  /**
   * Daemons stop together with the replicas, not after them: the other reading of facts 12 draining-rules, which is
   * unverified.
   */
  readonly daemonsLeaveAtOnce: boolean;
  /**
   * DRAINING an instance that is DRAINING is done, not refused in `failures`: the other reading of
   * facts 61 draining-twice.
   */
  readonly repeatedDrainingIsDone: boolean;
  /** An invocation dies at an await: with this probability at each. */
  readonly crashes: number;
  /** A new container of a function fails to start. */
  readonly failedStarts: number;
  /** What a call is refused with, such as every call of one service; undefined lets it through. */
  readonly failing: (call: WireCall) => AwsError | undefined;
}

/** Nothing goes wrong. */
export const NO_FAULTS: Faults = {
  lostEvents: 0,
  lostDurableEvents: 0,
  duplicatedEvents: 0,
  delayedEvents: 0,
  delaySeconds: 0,
  repeatedMessages: 0,
  refusedDeliveries: 0,
  throttles: 0,
  serverErrors: 0,
  lostAnswers: 0,
  slownessSeconds: 0,
  listLagSeconds: 0,
  protectionHoldsDraining: false,
  daemonsLeaveAtOnce: false,
  repeatedDrainingIsDone: false,
  crashes: 0,
  failedStarts: 0,
  failing: () => undefined,
};
