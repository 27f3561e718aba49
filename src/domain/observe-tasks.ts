/** The tasks on many drains' registrations: those that are known, or what ECS lists. */

import { type ByArn, byCluster, isValue } from './by-cluster.ts';
import type { Drain } from './drain.ts';
import type { Work } from './evolve.ts';
import type { ContainerInstance, EcsRef, Task, TasksSeen } from './observation.ts';
import { ClusterMissing, type ContainerInstances, errorOf, type TaskList, Unavailable } from './ports.ts';

/** A drain, and the registrations whose tasks are wanted. */
interface OnRegistrations {
  readonly work: Work;
  readonly on: readonly ContainerInstance[];
}

/** The tasks of each drain: those that are known, or what ECS lists now. */
export async function observeTasks(
  asks: readonly OnRegistrations[],
  refreshed: ReadonlyMap<Work, TasksSeen | Error>,
  ecs: ContainerInstances,
  listedAtMs: number,
): Promise<Map<Work, TasksSeen | Error>> {
  const known = new Map(
    asks.flatMap(({ work, on }) => {
      const tasks = refreshed.get(work);
      return tasks && isComplete(tasks, work.drain, on, listedAtMs) ? [[work, tasks]] : [];
    }),
  );
  const toList = asks.filter(({ work }) => !known.has(work));
  return new Map([...known, ...(await listTasks(toList, ecs, listedAtMs))]);
}

/** ECS's counts of tasks may be so much older than a list of them. */
const COUNTS_LAG_SECONDS = 60;

/**
 * Where ECS counts tasks that no one has listed, there must be others than those that are known: someone may have set the instance to
 * ACTIVE for a while. Counts that lag behind are no such sign, so a list that is newer than they can be is believed.
 */
function isComplete(tasks: TasksSeen | Error, drain: Drain, on: readonly ContainerInstance[], nowMs: number): boolean {
  if (!knowsTasksOf(drain, on)) return false;
  if (tasks instanceof Error) return true;
  const known = tasks.holding.filter(({ stopRequested }) => !stopRequested);
  const isJustListed = tasks.holding.length > 0 && nowMs < tasks.listedAtMs + COUNTS_LAG_SECONDS * 1000;
  return isJustListed || countedOn(on) <= known.length;
}

function knowsTasksOf({ known }: Drain, containerInstances: readonly ContainerInstance[]): boolean {
  const arns = known?.containerInstances.map(({ arn }) => arn) ?? [];
  return known?.tasks !== undefined && containerInstances.every(({ arn }) => arns.includes(arn));
}

function countedOn(containerInstances: readonly ContainerInstance[]): number {
  return containerInstances.reduce((sum, { countedTasks }) => sum + countedTasks, 0);
}

/** Describes the tasks that held the instances last, those of a cluster together. */
export async function refreshTasks(
  works: readonly Work[],
  ecs: ContainerInstances,
): Promise<Map<Work, TasksSeen | Error>> {
  const refs = works.flatMap(({ drain }) => drain.known?.tasks?.holding ?? []);
  const byArn = await byCluster(refs, (cluster, arns) => ecs.describeTasks(cluster, arns));
  return new Map(
    works.map((work) => {
      const { holding = [], listedAtMs = 0 } = work.drain.known?.tasks ?? {};
      const tasks = holding.map(({ arn }) => byArn(arn));
      const seen = tasksSeen(tasks, listedAtMs);
      return [work, seen instanceof Error ? seen : { ...seen, lost: tasks.filter(isLost).length }];
    }),
  );
}

/** Whether ECS does not say that the task stopped before its host. */
function isLost(task: Task | Error | undefined): boolean {
  if (!isValue(task)) return task === undefined;
  return task.kind === 'stopped' && task.isLostWithHost === true;
}

/** Lists the tasks of each drain's registrations, and describes those of a cluster together. */
async function listTasks(
  asks: readonly OnRegistrations[],
  ecs: ContainerInstances,
  listedAtMs: number,
): Promise<Map<Work, TasksSeen | Error>> {
  const lists = await Promise.all(
    asks.map(async ({ work, on }) => ({ work, on, lists: await Promise.all(on.map((each) => listOf(each, ecs))) })),
  );
  const refs = lists.flatMap(({ lists, on }) => lists.flatMap((list, i) => refsIn(list, on[i]?.cluster ?? '')));
  const byArn = await byCluster(refs, (cluster, arns) => ecs.describeTasks(cluster, arns));
  return new Map(lists.map(({ work, on, lists }) => [work, tasksOf(lists, on, byArn, listedAtMs)]));
}

async function listOf(containerInstance: EcsRef, ecs: ContainerInstances): Promise<TaskList | Error> {
  return ecs.listTasks(containerInstance).catch((error) => {
    return error instanceof ClusterMissing ? { running: [], stopped: [] } : errorOf(error);
  });
}

function refsIn(list: TaskList | Error, cluster: string): EcsRef[] {
  if (!isValue(list)) return [];
  return [...list.running, ...list.stopped].map((arn) => ({ arn, cluster }));
}

function tasksOf(
  lists: readonly (TaskList | Error)[],
  on: readonly ContainerInstance[],
  byArn: ByArn<Task>,
  listedAtMs: number,
): TasksSeen | Error {
  const error = lists.find((list): list is Error => list instanceof Error);
  if (error) return error;
  const complete = lists.filter(isValue);
  const unknown = complete.flatMap(({ running }) => running).filter((arn) => byArn(arn) === undefined);
  if (unknown.length > 0) return new Unavailable(`ECS lists ${unknown.join(', ')} but does not describe them.`);
  const arns = new Set(complete.flatMap(({ running, stopped }) => [...running, ...stopped]));
  const seen = tasksSeen([...arns].map(byArn), listedAtMs);
  if (seen instanceof Error || seen.holding.length > 0 || countedOn(on) === 0) return seen;
  return new Unavailable(
    'ECS counts tasks on the instance and lists none: its lists lag behind (facts 23 eventual-consistency).',
  );
}

function tasksSeen(tasks: readonly (Task | Error | undefined)[], listedAtMs: number): TasksSeen | Error {
  const error = tasks.find((task): task is Error => task instanceof Error);
  if (error) return error;
  const known = tasks.filter(isValue);
  const stopTimesMs = known.flatMap((task) => (task.kind === 'stopped' ? (task.stoppedAtMs ?? []) : []));
  return {
    holding: known.filter((task) => task.kind === 'holding'),
    lastStoppedAtMs: stopTimesMs.length > 0 ? Math.max(...stopTimesMs) : undefined,
    listedAtMs,
  };
}
