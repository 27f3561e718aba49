/** Work for one round: nothing continues it but the next sweep, so it adds no chain to a drain that may be alive. Pure. */

import type { Decision, Situation } from './decision.ts';
import type { Drain } from './drain.ts';
import { type Work, workOn } from './evolve.ts';
import { isAllFree, isRegistering } from './observation.ts';
import { settledAtMs } from './policy.ts';

/** The work on a drain whose schedule Scheduler refuses. The next sweep would repeat what it announces. */
export function workOnce(drain: Drain): Work {
  return workOn({ ...drain, announced: 'stuck', isOnce: true }, { isScheduleRead: true });
}

/**
 * The decision, given those where AWS refuses such waits. Instead of a wait, the round does what is due before the next sweep, as where the
 * queue takes no messages, and ends. Only where nothing holds an empty instance, it waits for seconds, until ECS's lists have settled.
 */
export function decideOnce(
  { drain, observation, nowMs }: Situation<Drain>,
  decideWithout: (...refused: ('park' | 'queue')[]) => Decision,
): Decision {
  const decision = decideWithout('park');
  if (decision.kind !== 'park') return decision;
  if (observation?.kind === 'seen' && isAllFree(observation) && !isRegistering(observation)) {
    if (!observation.tasks) return { kind: 'look', scope: { registrations: 'known', tasks: 'list' } };
    if (observation.tasks.holding.length === 0 && nowMs < settledAtMs(drain.closed)) return decision;
  }
  return decideWithout('park', 'queue');
}
