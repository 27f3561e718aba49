/** The tasks that are stopped ahead of the deadline. Pure. */

import { type EcsRef, type HoldingTask, type Observation, partlySeenIn } from './observation.ts';
import type { Policy } from './policy.ts';

/** Between StopTask and the task's stop timeout: for the agent to act on it, and for us to see it stopped. */
export const STOP_RESERVE_SECONDS = 10;

/**
 * How much earlier than necessary StopTask may come: of many drains with one deadline, ECS would throttle the calls
 * (facts 17 ecs-throttling).
 */
export const STOP_SPREAD_SECONDS = 20;

/** The stop timeout that a task may have which was not seen yet: few have a longer one, and Fargate allows none. */
const UNSEEN_STOP_TIMEOUT_SECONDS = 120;

/**
 * When the task is stopped, to have its whole grace before the deadline; never, if the policy leaves it alone. `random` (from 0, the
 * earliest, to 1, without 1) spreads the stops of many drains.
 */
export function stopDueAtMs(
  task: Pick<HoldingTask, 'class' | 'stopRequested' | 'stopTimeoutSeconds'>,
  deadlineMs: number,
  policy: Policy,
  random: number,
): number {
  if (policy.stopStragglers === 'none' || task.stopRequested) return Number.POSITIVE_INFINITY;
  if (policy.stopStragglers === 'standalone' && task.class !== 'standalone') return Number.POSITIVE_INFINITY;
  const deregistrationSeconds = task.class === 'service' ? policy.deregistrationDelaySeconds : 0;
  const stopTimeoutSeconds = task.stopTimeoutSeconds ?? policy.containerStopTimeoutSeconds;
  const graceSeconds = deregistrationSeconds + stopTimeoutSeconds + STOP_RESERVE_SECONDS;
  return deadlineMs - Math.round((graceSeconds + STOP_SPREAD_SECONDS * (1 - random)) * 1000);
}

/** The tasks that are known to hold the instance: there may be others. */
export function holdingIn(observation: Observation | undefined): readonly HoldingTask[] {
  return partlySeenIn(observation)?.tasks?.holding ?? [];
}

/** The latest instant at which each task is stopped, if at all. Where others may be there than are known, also that of any such. */
export function latestStopsAtMs(observation: Observation | undefined, deadlineMs: number, policy: Policy): number[] {
  const stopTimeoutSeconds = Math.max(UNSEEN_STOP_TIMEOUT_SECONDS, policy.containerStopTimeoutSeconds);
  const taskClass = policy.stopStragglers === 'all' ? 'service' : 'standalone';
  const unseen = { class: taskClass, stopRequested: false, stopTimeoutSeconds } as const;
  const areListed = observation?.kind === 'seen' && observation.tasks;
  const tasks = [...holdingIn(observation), ...(areListed ? [] : [unseen])];
  return tasks.map((task) => stopDueAtMs(task, deadlineMs, policy, 1));
}

/** The tasks that may be stopped now, or those that cannot wait any longer. */
export function stragglersIn(
  holding: readonly HoldingTask[],
  deadlineMs: number,
  policy: Policy,
  nowMs: number,
  when: 'at the earliest' | 'at the latest' = 'at the earliest',
): readonly HoldingTask[] {
  const random = when === 'at the earliest' ? 0 : 1;
  return holding.filter((task) => nowMs >= stopDueAtMs(task, deadlineMs, policy, random));
}

/** The observation after ECS was asked to stop these tasks. It may take a moment to show it, and to ask again would not hurry it. */
export function withStops(observation: Observation | undefined, tasks: readonly EcsRef[]): Observation | undefined {
  if (observation?.kind === 'unavailable') {
    const partial = withStops(observation.partial, tasks);
    return partial?.kind === 'seen' ? { ...observation, partial } : observation;
  }
  if (observation?.kind !== 'seen' || !observation.tasks) return observation;
  const stopped = new Set(tasks.map(({ arn }) => arn));
  const holding = observation.tasks.holding.map((task) =>
    stopped.has(task.arn) ? { ...task, stopRequested: true } : task,
  );
  return { ...observation, tasks: { ...observation.tasks, holding } };
}
