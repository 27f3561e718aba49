import type { DrillEvent, DrillResult } from '../result.ts';

/** The phases of a task's life as people distinguish them; ECS has more words for them. */
export const PHASES = ['starting', 'running', 'deactivating', 'stopping'] as const;
export type Phase = (typeof PHASES)[number];

/** What is marked on an instance's row. */
export const MARKS = ['held', 'heartbeat', 'continuation', 'completed', 'timed out', 'terminated'] as const;
export type Mark = (typeof MARKS)[number];

/** A task's life on one instance, in seconds of the drill. */
export interface TaskLife {
  readonly taskId: string;
  readonly group: string;
  readonly stretches: { readonly phase: Phase; readonly from: number; to: number }[];
  /** When it had stopped or was killed; unless it is still there at the end. */
  endedAt?: number;
  killed: boolean;
}

/** An instance's life, in seconds of the drill. */
export interface InstanceLife {
  readonly instanceId: string;
  readonly from: number;
  /** It was launched during the drill. */
  readonly isNew: boolean;
  terminatingAt?: number;
  terminatedAt?: number;
  readonly tasks: TaskLife[];
  /** From each hold of a hook to its end. */
  readonly holds: { readonly from: number; to?: number }[];
  readonly marks: { readonly mark: Mark; readonly second: number; readonly what: string }[];
}

/** A drill's events by instance: first those that terminate, in that order, then the others as they came. */
export function timelineOf({ events, virtualSeconds }: DrillResult): readonly InstanceLife[] {
  const instances = new Map<string, InstanceLife>();
  const tasks = new Map<string, TaskLife>();
  for (const event of events) {
    const instanceId = instanceIn(event);
    if (!instanceId) continue;
    let instance = instances.get(instanceId);
    if (!instance) {
      const isNew = event.kind === 'instance' && event.state === 'Pending';
      instance = { instanceId, from: event.second, isNew, tasks: [], holds: [], marks: [] };
      instances.set(instanceId, instance);
    }
    if (event.kind === 'task') tellOfTask(instance, tasks, event);
    else tellOfInstance(instance, event);
  }
  for (const { stretches, endedAt } of tasks.values()) {
    const last = stretches.at(-1);
    if (last) last.to = endedAt ?? virtualSeconds;
  }
  const rank = ({ terminatingAt = Number.POSITIVE_INFINITY }: InstanceLife) => terminatingAt;
  return [...instances.values()].sort((a, b) => compare(rank(a), rank(b)) || a.from - b.from);
}

/** Each task's sub-row, so that no two overlap; as few as can be. */
export function laneOfEach(tasks: readonly TaskLife[]): ReadonlyMap<TaskLife, number> {
  const lanes = new Map<TaskLife, number>();
  const freeFrom: number[] = [];
  const start = ({ stretches }: TaskLife) => stretches[0]?.from ?? 0;
  for (const task of [...tasks].sort((a, b) => start(a) - start(b) || compare(a.group, b.group))) {
    const found = freeFrom.findIndex((second) => second <= start(task));
    const lane = found < 0 ? freeFrom.length : found;
    freeFrom[lane] = task.stretches.at(-1)?.to ?? start(task);
    lanes.set(task, lane);
  }
  return lanes;
}

function compare<T extends number | string>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function instanceIn(event: DrillEvent): string | undefined {
  if (event.kind === 'log') {
    const { instanceId } = event.line;
    // Only the hand-over is drawn, and nothing else reports it by instance.
    return event.line['decision'] === 'hand-over' && typeof instanceId === 'string' ? instanceId : undefined;
  }
  return 'instanceId' in event ? event.instanceId : undefined;
}

function tellOfInstance(instance: InstanceLife, event: DrillEvent): void {
  const { second } = event;
  const mark = (mark: Mark, what: string) => instance.marks.push({ mark, second, what });
  if (event.kind === 'log') {
    mark('continuation', 'the function hands over to its next invocation');
  } else if (event.kind === 'lifecycle') {
    const result = event.result ? ` with ${event.result}` : '';
    mark(event.what, `hook ${event.hook} ${event.what}${result}`);
    if (event.what === 'held') {
      instance.holds.push({ from: second });
      instance.terminatingAt ??= second;
    } else if (event.what !== 'heartbeat') {
      const hold = instance.holds.find(({ to }) => to === undefined);
      if (hold) hold.to = second;
    }
  } else if (event.kind === 'instance' && event.state.startsWith('Terminat')) {
    instance.terminatingAt ??= second;
    if (event.state !== 'Terminated') return;
    instance.terminatedAt ??= second;
    mark('terminated', 'instance terminated');
  }
}

function tellOfTask(
  instance: InstanceLife,
  tasks: Map<string, TaskLife>,
  { taskId, group, status, killed = false, second }: Extract<DrillEvent, { kind: 'task' }>,
): void {
  let task = tasks.get(taskId);
  if (!task) {
    task = { taskId, group, stretches: [], killed: false };
    tasks.set(taskId, task);
    instance.tasks.push(task);
  }
  if (task.endedAt !== undefined) return;
  const phase = phaseOf(status);
  if (killed || !phase) {
    task.endedAt = second;
    task.killed = killed;
    return;
  }
  const last = task.stretches.at(-1);
  if (last?.phase === phase) return;
  if (last) last.to = second;
  // A phase that was over in the instant it began is nothing to draw.
  if (last?.from === second) task.stretches.pop();
  task.stretches.push({ phase, from: second, to: second });
}

/** The phase of a task with this status; none once it has stopped. */
function phaseOf(status: string): Phase | undefined {
  switch (status) {
    case 'PROVISIONING':
    case 'PENDING':
    case 'ACTIVATING':
      return 'starting';
    case 'RUNNING':
      return 'running';
    case 'DEACTIVATING':
      return 'deactivating';
    case 'STOPPING':
    case 'DEPROVISIONING':
      return 'stopping';
    default:
      return undefined;
  }
}
