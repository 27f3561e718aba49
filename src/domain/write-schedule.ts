/** The state of a drain that parks, in its schedule. */

import type { Decision } from './decision.ts';
import { type Drain, isSameDrain } from './drain.ts';
import type { Answer } from './evolve.ts';
import { withPark } from './next-round.ts';
import { LONGEST_CALL_SECONDS, type Policy } from './policy.ts';
import { type DrainSchedules, type Ports, reasonOf } from './ports.ts';

type Park = Extract<Decision, { kind: 'park' }>;

/** The state of the drain while it waits: on the queue alone it has no schedule, or keeps the one of an earlier wait. */
export function waiting(drain: Drain, decision: Park, policy: Policy, { schedules, random, clock }: Ports): Drain {
  const schedule = decision.on === 'queue' ? undefined : schedules?.nameOf(drain);
  return withPark(drain, decision, schedule, policy, random(), clock.nowMs());
}

/** Writes the next state of the drain into its schedule, where it must have one. */
export async function writeSchedule(drain: Drain, next: Drain, { on, untilMs }: Park, ports: Ports): Promise<Answer> {
  const { schedules, clock } = ports;
  if (on === 'queue' || !schedules) return { kind: 'parked', drain: next };
  const schedule = schedules.nameOf(drain);
  const before = stateOf(schedule, drain, clock.nowMs());
  try {
    const { firesAtMs = untilMs } = next.parked ?? {};
    const answer = await schedules.put(next, schedule, firesAtMs, before);
    // An earlier version named it otherwise. It goes last, so that the drain has a schedule at any time.
    if (drain.parked && drain.parked.schedule !== schedule) await deleteSchedule(drain, ports);
    return answer === 'taken' ? { kind: 'taken' } : { kind: 'parked', drain: next };
  } catch (error) {
    // Whatever the reason: without a schedule the drain waits on the queue, as it would in a Region that has none.
    // A schedule that has fired may be deleted by now, and not made again. That one is missing means that its drain has ended.
    const parked = before === 'fired' ? undefined : drain.parked;
    const unconfirmed = { ...drain, parked, unconfirmedTurn: next.parked?.turn };
    return { kind: 'refused', reason: reasonOf(error), drain: unconfirmed };
  }
}

function stateOf(schedule: string, { parked }: Drain, nowMs: number): Parameters<DrainSchedules['put']>[3] {
  if (parked?.schedule !== schedule) return 'absent';
  // One that may fire while a call is on its way has fired: an update may come too late.
  return parked.firesAtMs <= nowMs + LONGEST_CALL_SECONDS * 1000 ? 'fired' : 'pending';
}

/** Best effort: a schedule that stays continues a drain that has ended or goes on elsewhere, which is harmless. */
export async function deleteSchedule(drain: Drain, { schedules, telemetry }: Ports): Promise<void> {
  try {
    const schedule = drain.parked?.schedule ?? (await unconfirmedOf(drain, schedules));
    if (schedule !== undefined) await schedules?.delete(schedule);
  } catch (error) {
    telemetry.record(drain, { kind: 'refused', doing: 'delete-schedule', reason: reasonOf(error) });
  }
}

/** Of a drain that AWS has refused a wait: the one before may still be there, or the refused one after all. */
async function unconfirmedOf(drain: Drain, schedules: Ports['schedules']): Promise<string | undefined> {
  if (drain.unconfirmedTurn === undefined || !schedules) return undefined;
  const schedule = schedules.nameOf(drain);
  const stored = await schedules.get(schedule);
  return stored && isSameDrain(stored, drain) ? schedule : undefined;
}
