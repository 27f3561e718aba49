/** What hangs must not outlast a hook: the calls of a round end in time for the next heartbeat. */

import type { Drain } from './drain.ts';
import { hookTimesOutAtMs, LONGEST_STEP_SECONDS, type Policy, SHORTEST_STEP_SECONDS } from './policy.ts';
import type { Ports } from './ports.ts';

/** For a heartbeat that is tried again, before the hook times out. */
const HEARTBEAT_RESERVE_SECONDS = 10;

/** The ports for what all of these drains wait for together. Heartbeats themselves are not cut short. */
export function heldOpen(drains: readonly Drain[], policy: Policy, ports: Ports): Ports {
  const nowMs = ports.clock.nowMs();
  const timesOutAtMs = Math.min(...drains.map((drain) => hookTimesOutAtMs(drain, policy, nowMs)));
  const neededAtMs = timesOutAtMs - HEARTBEAT_RESERVE_SECONDS * 1000;
  if (neededAtMs >= nowMs + LONGEST_STEP_SECONDS * 1000) return ports;
  const endsAtMs = Math.max(neededAtMs, nowMs + SHORTEST_STEP_SECONDS * 1000);
  const until: Ports['until'] = (soonerMs) => ports.until(Math.min(endsAtMs, soonerMs));
  return { ...ports, ...ports.until(endsAtMs), until };
}
