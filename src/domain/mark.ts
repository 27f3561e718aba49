/** How we distinguish the instances that we have set to DRAINING from those that a person has (docs/decisions/0023). */

import { type Drain, type NoticeKind, unreachable } from './drain.ts';
import type { ContainerInstance, EcsRef } from './observation.ts';
import type { Policy } from './policy.ts';

/** What made us set an instance to DRAINING. */
export type Trigger = 'lifecycle-action' | NoticeKind;

/** What we write on a registration right before we set it to DRAINING, where its instance may stay in service. */
export interface Mark {
  readonly trigger: Trigger;
  readonly atMs: number;
}

/** A registration that has our mark and whose agent is connected. */
export interface MarkedInstance extends ContainerInstance {
  readonly mark: Mark;
}

/** An instance that takes tasks again. */
export interface Returned {
  readonly instanceId: string;
  readonly containerInstance: EcsRef;
  /** Undefined if it is in no group. */
  readonly autoScalingGroup: string | undefined;
  readonly trigger: Trigger;
  readonly drainingSinceMs: number;
  readonly returnedAtMs: number;
}

/**
 * What the mark of this drain's instance names; undefined if Auto Scaling terminates the instance whatever comes of the drain,
 * which is the usual case and must cost no call. An instance that is abandoned may be retained
 * (facts 46 instance-lifecycle-policy).
 */
export function markOf(drain: Drain, { deadlineResult }: Policy): Trigger | undefined {
  switch (drain.kind) {
    case 'notice':
      return drain.notice.kind;
    case 'supervised':
      return undefined; // ECS sets it to DRAINING.
    case 'held':
      return drain.staysInGroup || drain.mayBeRetained || deadlineResult === 'ABANDON' ? 'lifecycle-action' : undefined;
    default:
      return unreachable(drain);
  }
}
