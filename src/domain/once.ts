/** Work for one round: nothing continues it but the next sweep, so it adds no chain to a drain that may be alive. Pure. */

import type { Decision } from './decision.ts';
import type { Drain } from './drain.ts';
import { type Result, type Work, workOn } from './evolve.ts';
import { isAllFree } from './observation.ts';
import { settledAtMs } from './policy.ts';

/** The work on a drain whose schedule Scheduler refuses. The next sweep would repeat what it announces. */
export function workOnce(drain: Drain): Work {
  return {
    ...workOn({ ...drain, announced: 'stuck' }, { isScheduleRead: true }),
    refused: new Set(['park'] as const),
    isOnce: true,
  };
}

/** The tasks of an empty instance are listed before its drain would wait for lists to settle: it waits only if there are none. */
export function beforeWait({ isOnce, observation }: Work, decision: Decision): Decision {
  if (!isOnce || decision.kind !== 'park' || observation?.kind !== 'seen') return decision;
  if (observation.tasks || !isAllFree(observation)) return decision;
  return { kind: 'look', scope: { registrations: 'known', tasks: 'list' } };
}

/**
 * What comes of a wait. Instead of it, the work does what is due before the next sweep, as where the queue takes no messages, and ends.
 * Only where nothing holds an empty instance, and ECS's lists have yet to settle, the drain goes on: it ends within seconds.
 */
export function insteadOfWait(work: Work, { kind }: Decision, nowMs: number): Work | Result | undefined {
  const { drain, observation, refused, steps } = work;
  if (!work.isOnce) return undefined;
  if (kind === 'hand-over') return { kind: 'left', drain };
  if (kind !== 'park') return undefined;
  const isEmpty = observation?.kind === 'seen' && isAllFree(observation) && observation.tasks?.holding.length === 0;
  if (isEmpty && nowMs < settledAtMs(drain.closed)) return undefined;
  return { ...work, refused: new Set([...refused, 'queue'] as const), steps: steps + 1 };
}
