/** A drain from the bus: whoever may put events there can claim anything, so its state comes from elsewhere. */

import type { ActionDrain, Drain } from './drain.ts';
import { correctedStart, type Result, type Work, withHeartbeat, workOn } from './evolve.ts';
import { isHeld } from './group-place.ts';
import { heldOpen } from './held-open.ts';
import { continued, excessOf } from './next-round.ts';
import { type Policy, pollIntervalWithin, stuckAtMs } from './policy.ts';
import { errorOf, type Ports } from './ports.ts';
import { storedCopyOf } from './stored-drain.ts';

/**
 * A drain from the bus says only whose turn it is. Its state is what its schedule holds, which only the function may write;
 * without a schedule, only what Auto Scaling confirms.
 * @throws Unavailable if Auto Scaling does not answer: until then nothing is touched, because the hold may be over.
 */
export async function loadUntrusted(untrusted: Drain, policy: Policy, ports: Ports): Promise<Work | Result> {
  const stored = await storedCopyOf(untrusted, heldOpen([untrusted], policy, ports));
  const pollIntervalSeconds = pollIntervalWithin(policy, untrusted.pollIntervalSeconds);
  if (stored) {
    const nowMs = ports.clock.nowMs();
    // Whoever repeats a continuation before it is due must not use up what the drain may be continued.
    const isDue = stored.parked === undefined || stored.parked.untilMs <= nowMs;
    const announced = plausiblyAnnounced(stored, untrusted, policy, nowMs);
    const drain = { ...(isDue ? continued(stored) : stored), pollIntervalSeconds, announced };
    return workOn(drain, { isScheduleRead: true });
  }
  const sanitized = { ...continued(untrusted), pollIntervalSeconds, ...NOTHING_KNOWN };
  if (sanitized.kind === 'notice') {
    return ports.schedules ? { kind: 'unconfirmed', drain: sanitized } : workOn(sanitized, { isClaimed: true });
  }
  return confirm(
    sanitized.kind === 'held' ? { ...sanitized, hook: undefined } : { ...sanitized, ...NOTHING_BEGUN },
    policy,
    ports,
  );
}

const NOTHING_KNOWN = {
  known: undefined,
  parked: undefined,
  unconfirmedTurn: undefined,
  closed: undefined,
  agentSilence: undefined,
  operator: undefined,
  isOnce: undefined,
};
const NOTHING_BEGUN = { hook: undefined, emptySinceMs: undefined, isCompletionDenied: undefined };

/** Puts the claim on the bus again, as it came. */
export async function claimAgain(untrusted: Drain, { continuations, clock }: Ports): Promise<Result> {
  const drain = continued(untrusted);
  const excess = excessOf(drain, clock.nowMs());
  if (excess) return { kind: 'failed', drain, error: new Error(excess) };
  const [error] = await continuations.continueNow([drain]).catch((thrown) => [errorOf(thrown)]);
  return error ? { kind: 'failed', drain, error } : { kind: 'handed-over', drain };
}

/** Whether Auto Scaling still waits. Our hook takes a heartbeat then, which gives it time; ECS's hook is left alone. */
export async function isPending({ kind, action }: ActionDrain, { lifecycleActions }: Ports): Promise<boolean> {
  if (kind === 'held') return (await lifecycleActions.recordHeartbeat(action)) === 'accepted';
  // Not `heldInstances`: that leaves out groups whose instances may return to a warm pool.
  const place = (await lifecycleActions.placesOf([action.instanceId])).get(action.instanceId);
  return place?.autoScalingGroup === action.autoScalingGroup && isHeld(place);
}

/** A claim must not keep the bus from hearing that a drain is stuck. */
function plausiblyAnnounced(drain: Drain, untrusted: Drain, policy: Policy, nowMs: number): Drain['announced'] {
  if (untrusted.announced !== 'stuck') return drain.announced ?? untrusted.announced;
  return nowMs >= stuckAtMs(drain, policy) ? 'stuck' : 'started';
}

async function confirm(untrusted: ActionDrain, policy: Policy, ports: Ports): Promise<Work | Result> {
  const { lifecycleActions, clock, telemetry } = ports;
  const nowMs = clock.nowMs();
  // The answer shows whether the action is pending.
  if (!(await isPending(untrusted, ports))) {
    return { kind: 'finished', drain: untrusted, outcome: { kind: 'already-completed', lastSeen: undefined } };
  }
  const { autoScalingGroup, instanceId } = untrusted.action;
  const since = await lifecycleActions.terminatingSinceMs(autoScalingGroup);
  const drain = correctedStart(untrusted, since.get(instanceId));
  if (drain !== untrusted) telemetry.record(drain, { kind: 'corrected', claimedStartAtMs: untrusted.startedAtMs });
  const continuations = Math.min(drain.continuations, mostContinuations(drain, nowMs));
  const announced = plausiblyAnnounced({ ...drain, announced: undefined }, drain, policy, nowMs);
  return workOn({ ...withHeartbeat(drain, nowMs), continuations, announced }, { isClaimed: true });
}

/** The queue continues a drain once a second at most. A claim must not use up what the drain may be continued. */
function mostContinuations({ startedAtMs }: Drain, nowMs: number): number {
  return Math.max(1, Math.ceil((nowMs - startedAtMs) / 1000));
}
