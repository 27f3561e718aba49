import type { Benchmarked, DrillEvent, DrillResult } from '../../sandbox/result.ts';

export type TaskEvent = Extract<DrillEvent, { kind: 'task' }>;

type Told = Pick<DrillResult<Benchmarked>, 'events'>;

export function tasksOf({ events }: Told, which: (task: TaskEvent) => boolean): TaskEvent[] {
  return events.filter((event): event is TaskEvent => event.kind === 'task' && which(event));
}

/** The status in which each killed task was caught. */
export function fatesOf(result: Told): string[] {
  const before = new Map<string, string>();
  const fates: string[] = [];
  for (const { taskId, status, killed } of tasksOf(result, () => true)) {
    if (killed) fates.push(before.get(taskId) ?? 'unknown');
    before.set(taskId, status);
  }
  return fates;
}
