/** What hangs must not outlast a hook: the calls of a round end in time for the next heartbeat. */

import type { Drain } from './drain.ts';
import { hookTimesOutAtMs, LONGEST_STEP_SECONDS, limitsOf, type Policy, SHORTEST_STEP_SECONDS } from './policy.ts';
import type { Ports } from './ports.ts';

/** For a heartbeat that is tried again, before the hook times out. */
const HEARTBEAT_RESERVE_SECONDS = 10;

/** The ports for what all of these drains wait for together. Heartbeats themselves are not cut short. */
export function heldOpen(drains: readonly Drain[], policy: Policy, ports: Ports): Ports {
  const nowMs = ports.clock.nowMs();
  const neededAtMs = Math.min(...drains.map((drain) => heartbeatNeededAtMs(drain, policy, nowMs)));
  if (neededAtMs >= nowMs + LONGEST_STEP_SECONDS * 1000) return ports;
  const endsAtMs = Math.max(neededAtMs, nowMs + SHORTEST_STEP_SECONDS * 1000);
  const until: Ports['until'] = (soonerMs) => ports.until(Math.min(endsAtMs, soonerMs));
  return { ...ports, ...ports.until(endsAtMs), until };
}

/**
 * When a heartbeat must be tried at the latest, whatever else hangs; never, where nothing is held. A hook that was not read yet
 * may be one of the shortest, unless such a one would have timed out already.
 */
function heartbeatNeededAtMs(drain: Drain, policy: Policy, nowMs: number): number {
  if (drain.kind !== 'held') return Number.POSITIVE_INFINITY;
  const soonestMs = hookTimesOutAtMs(drain);
  const assumedMs = drain.lastHeartbeatAtMs + limitsOf(drain, policy).heartbeatTimeoutSeconds * 1000;
  return (nowMs < soonestMs ? soonestMs : assumedMs) - HEARTBEAT_RESERVE_SECONDS * 1000;
}
