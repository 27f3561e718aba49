/** The state of drains in their schedules. */

import { type Drain, isSameDrain } from './drain.ts';
import { errorOf, type Ports, reasonOf } from './ports.ts';

/** The state of the drain in its schedule, which has the name of an earlier version until the drain has parked under today's. */
export async function storedOf(drain: Drain, ports: Ports): Promise<Drain | undefined | Error> {
  const name = ports.schedules?.nameOf(drain) ?? '';
  const named = drain.parked?.schedule ?? name;
  if (named !== name) {
    const moved = await storedIn(name, drain, ports);
    // One that cannot be read now may be there, and knows more than the earlier one.
    if (moved instanceof Error || (moved && isSameDrain(moved, drain))) return moved;
  }
  return storedIn(named, drain, ports);
}

/** The state of this very drain in its schedule, if it is parked. */
export async function storedCopyOf(drain: Drain, ports: Ports): Promise<Drain | undefined> {
  if (!ports.schedules) return undefined;
  const stored = await storedOf(drain, ports);
  return stored && !(stored instanceof Error) && isSameDrain(stored, drain) ? stored : undefined;
}

/** The state in the schedule; the error, which is recorded, if it cannot be read. */
export async function storedIn(
  schedule: string,
  drain: Drain,
  { schedules, telemetry }: Ports,
): Promise<Drain | undefined | Error> {
  try {
    return await schedules?.get(schedule);
  } catch (error) {
    telemetry.record(drain, { kind: 'refused', doing: 'load', reason: reasonOf(error) });
    return errorOf(error);
  }
}
