/** How a drain goes from one round to the next. Pure. */

import type { Decision } from './decision.ts';
import { type Drain, instanceIdOf } from './drain.ts';
import { longerPollIntervalSeconds, type Policy, SAFETY_NET_SECONDS, SPARE_CONTINUATIONS } from './policy.ts';

/** The drain after a further invocation has received it. */
export function continued(drain: Drain, emptiedAtMs?: number): Drain {
  return { ...drain, continuations: drain.continuations + 1, ...(emptiedAtMs !== undefined && { emptiedAtMs }) };
}

/** @returns the sentence to fail with if the drain has been continued too often for its age. */
export function excessOf(drain: Drain, nowMs: number): string | undefined {
  const seconds = Math.max(0, Math.ceil((nowMs - drain.startedAtMs) / 1000));
  if (drain.continuations <= seconds + SPARE_CONTINUATIONS) return undefined;
  return `The drain of ${instanceIdOf(drain)} was continued ${drain.continuations} times in ${seconds} s, above the cap of one a second and ${SPARE_CONTINUATIONS} more: something continues it without waiting. Its hook now runs into its own timeout; complete the lifecycle action by hand or send the event again.`;
}

/** The drain as it is written into its schedule, or sent to the queue, for its next round. */
export function withPark(
  drain: Drain,
  { untilMs, on }: Extract<Decision, { kind: 'park' }>,
  schedule: string | undefined,
  policy: Policy,
  random: number,
  nowMs: number,
): Drain {
  // What comes after a wait that was longer than any poll begins with short ones again, unless AWS has refused for a while. A drain
  // that watches only polls.
  const isShort = untilMs <= nowMs + (1.5 * drain.pollIntervalSeconds + 1) * 1000;
  const isPoll =
    on !== 'schedule' && (isShort || policy.waiting === 'watch' || drain.pollIntervalSeconds >= policy.pollMaxSeconds);
  const pollIntervalSeconds = isPoll
    ? longerPollIntervalSeconds(drain.pollIntervalSeconds, policy)
    : policy.pollMinSeconds;
  const firesAtMs = on === 'both' ? untilMs + SAFETY_NET_SECONDS * 1000 : untilMs;
  if (schedule === undefined) return { ...drain, pollIntervalSeconds };
  // Until AWS confirms it, each attempt has the same turn: any of them may have been written.
  const turn = drain.unconfirmedTurn ?? random;
  return { ...drain, pollIntervalSeconds, parked: { schedule, untilMs, firesAtMs, turn }, unconfirmedTurn: undefined };
}
