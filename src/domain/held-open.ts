/** What hangs must not outlast a hook: the calls of a round end in time for the next heartbeat. */

import type { Drain } from './drain.ts';
import { heartbeatNeededAtMs, LONGEST_STEP_SECONDS, type Policy, SHORTEST_STEP_SECONDS } from './policy.ts';
import type { Ports } from './ports.ts';

/** The ports for what all of these drains wait for together. Heartbeats themselves are not cut short. */
export function heldOpen(drains: readonly Drain[], policy: Policy, ports: Ports): Ports {
  const nowMs = ports.clock.nowMs();
  const neededAtMs = Math.min(...drains.map((drain) => heartbeatNeededAtMs(drain, policy, nowMs)));
  if (neededAtMs >= nowMs + LONGEST_STEP_SECONDS * 1000) return ports;
  const endsAtMs = Math.max(neededAtMs, nowMs + SHORTEST_STEP_SECONDS * 1000);
  const until: Ports['until'] = (soonerMs) => ports.until(Math.min(endsAtMs, soonerMs));
  return { ...ports, ...ports.until(endsAtMs), until };
}
