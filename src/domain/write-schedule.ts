/** The state of a drain that parks, in its schedule. */

import type { Decision } from './decide.ts';
import { type Drain, isSameDrain, type Parked } from './drain.ts';
import { type Answer, withPark } from './evolve.ts';
import type { Known } from './observation.ts';
import { LONGEST_CALL_SECONDS, type Policy } from './policy.ts';
import { type DrainSchedules, type Ports, reasonOf } from './ports.ts';

/** Writes the drain's state into its schedule, where it must have one. */
export async function writeSchedule(
  drain: Drain,
  decision: Extract<Decision, { kind: 'park' }>,
  policy: Policy,
  ports: Ports,
): Promise<Answer> {
  const { schedules, clock } = ports;
  if (decision.on === 'queue' || !schedules || !drain.known) {
    return { kind: 'parked', drain: withPark(drain, decision, undefined, policy) };
  }
  try {
    const schedule = drain.parked?.schedule ?? (await firstScheduleOf(drain, drain.known, schedules));
    const next = withPark(drain, decision, schedule, policy);
    const before = !drain.parked ? 'absent' : mayFireBefore(drain.parked, clock.nowMs()) ? 'fired' : 'pending';
    const { firesAtMs = decision.untilMs } = next.parked ?? {};
    const answer = await schedules.put(next, schedule, firesAtMs, before);
    return answer === 'taken' ? { kind: 'taken' } : { kind: 'parked', drain: next };
  } catch (error) {
    // Whatever the reason: without a schedule the drain waits on the queue, as it would in a Region that has none.
    return { kind: 'refused', reason: reasonOf(error) };
  }
}

/** Whether the schedule has fired, or may fire while a call is on its way: an update may then come too late. */
function mayFireBefore({ firesAtMs }: Parked, nowMs: number): boolean {
  return firesAtMs <= nowMs + LONGEST_CALL_SECONDS * 1000;
}

/**
 * The schedule of a drain that was not parked yet. Copies of one event have to meet at one schedule, and may have found several
 * registrations in another order.
 */
async function firstScheduleOf(
  drain: Drain,
  { containerInstances }: Known,
  schedules: DrainSchedules,
): Promise<string> {
  // Sorted, because copies that park at the same time do not see each other's schedule.
  const [first = '', ...others] = containerInstances.map(({ arn }) => schedules.nameOf(arn, drain)).toSorted();
  if (others.length === 0) return first;
  for (const name of [first, ...others]) {
    const stored = await schedules.get(name);
    if (stored && isSameDrain(stored, drain)) return name;
  }
  return first;
}
