import type { ClusterView, InstanceView, Resources } from './views.ts';

/** Which container instance has room for a task, and how ECS says that none has. */

/** Whether it takes new tasks. */
export function isOpen({ status, agentConnected }: InstanceView): boolean {
  return status === 'ACTIVE' && agentConnected;
}

/** What its tasks have not reserved. */
export function freeOf({ capacity, reserved }: InstanceView): Resources {
  return { memoryMiB: capacity.memoryMiB - reserved.memoryMiB, cpuUnits: capacity.cpuUnits - reserved.cpuUnits };
}

export function hasRoom(instance: InstanceView, { memoryMiB, cpuUnits }: Resources): boolean {
  const free = freeOf(instance);
  return isOpen(instance) && free.memoryMiB >= memoryMiB && free.cpuUnits >= cpuUnits;
}

/** Orders the instance with the most memory free first, then the eldest. */
export function byFreeMemory(a: InstanceView, b: InstanceView): number {
  return freeOf(b).memoryMiB - freeOf(a).memoryMiB || (a.id < b.id ? -1 : 1);
}

export function roomiest<T extends InstanceView>(instances: Iterable<T>, task: Resources): T | undefined {
  return [...instances].filter((instance) => hasRoom(instance, task)).sort(byFreeMemory)[0];
}

/** Why the instance does not take the task, in ECS's words (facts 62 run-task); undefined if it does. */
export function refusalOf(instance: InstanceView, { memoryMiB, cpuUnits }: Resources): string | undefined {
  const free = freeOf(instance);
  if (!instance.agentConnected) return 'AGENT';
  if (free.memoryMiB < memoryMiB) return 'RESOURCE:MEMORY';
  return free.cpuUnits < cpuUnits ? 'RESOURCE:CPU' : undefined;
}

/**
 * Of the open instances, the one with most memory free, and what it lacks; nothing where there is none
 * (facts 38 service-events).
 */
export function closestMatch({ registered }: ClusterView, wanted: Resources): string {
  const [closest] = [...registered].filter(isOpen).sort(byFreeMemory);
  if (!closest) return '';
  const lacks = freeOf(closest).memoryMiB < wanted.memoryMiB ? 'memory' : 'CPU units';
  return ` The closest matching (container-instance ${closest.id}) has insufficient ${lacks} available. For more information, see the Troubleshooting section of the Amazon ECS Developer Guide.`;
}
