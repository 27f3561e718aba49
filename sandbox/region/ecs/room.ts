import type { ClusterView, InstanceView, Resources, TaskDefinition } from './views.ts';

/** Which container instance has room for a task, and how ECS says that none has. */

/** Whether it takes new tasks. */
export function isOpen({ status, agentConnected }: InstanceView): boolean {
  return status === 'ACTIVE' && agentConnected;
}

/** What its tasks have not reserved. */
export function freeOf({ capacity, reserved }: InstanceView): Resources {
  return { memoryMiB: capacity.memoryMiB - reserved.memoryMiB, cpuUnits: capacity.cpuUnits - reserved.cpuUnits };
}

/** What a task needs of an instance. */
type Needs = Resources & {
  readonly [K in 'hostPorts' | 'gpus' | 'networkMode']?: TaskDefinition[K] | undefined;
};

export function hasRoom(instance: InstanceView, needs: Needs): boolean {
  const { memoryMiB, cpuUnits, hostPorts = [] } = needs;
  const free = freeOf(instance);
  const fits = isOpen(instance) && free.memoryMiB >= memoryMiB && free.cpuUnits >= cpuUnits;
  return fits && !usesPort(instance, hostPorts) && hasInterface(instance, needs) && hasGpus(instance, needs);
}

/** Facts 100 task-interfaces: a task gives its network interface back when it has stopped. */
function hasInterface({ holding, taskInterfaces }: InstanceView, { networkMode }: Needs): boolean {
  if (networkMode !== 'awsvpc' || taskInterfaces === undefined) return true;
  return [...holding].filter(({ definition }) => definition.networkMode === 'awsvpc').length < taskInterfaces;
}

/** A task gives back its ports when it has stopped, as it does with what else it reserves. */
export function portsInUseOf({ holding }: InstanceView): number[] {
  return [...holding].flatMap(({ definition }) => definition.hostPorts);
}

function usesPort(instance: InstanceView, ports: readonly number[]): boolean {
  if (ports.length === 0) return false;
  return [...(instance.ports ?? []), ...portsInUseOf(instance)].some((port) => ports.includes(port));
}

/** A task gives back its GPUs when it has stopped. */
export function freeGpusOf({ holding, gpus }: InstanceView): number {
  return gpus ? [...holding].reduce((left, { definition }) => left - (definition.gpus ?? 0), gpus) : 0;
}

function hasGpus(instance: InstanceView, { gpus = 0 }: Needs): boolean {
  return gpus === 0 || freeGpusOf(instance) >= gpus;
}

/** Orders the instance with the most memory free first, then the eldest. */
export function byFreeMemory(a: InstanceView, b: InstanceView): number {
  return freeOf(b).memoryMiB - freeOf(a).memoryMiB || a.number - b.number;
}

export function roomiest<T extends InstanceView>(instances: Iterable<T>, task: Needs): T | undefined {
  return [...instances].filter((instance) => hasRoom(instance, task)).sort(byFreeMemory)[0];
}

/** Why the instance does not take the task, in ECS's words (facts 62 run-task); undefined if it does. */
export function refusalOf(instance: InstanceView, needs: Needs): string | undefined {
  const { memoryMiB, cpuUnits, hostPorts = [] } = needs;
  const free = freeOf(instance);
  if (!instance.agentConnected) return 'AGENT';
  if (free.memoryMiB < memoryMiB) return 'RESOURCE:MEMORY';
  if (free.cpuUnits < cpuUnits) return 'RESOURCE:CPU';
  if (usesPort(instance, hostPorts)) return 'RESOURCE:PORTS';
  if (!hasInterface(instance, needs)) return 'RESOURCE:ENI';
  return hasGpus(instance, needs) ? undefined : 'RESOURCE:GPU';
}

/**
 * Of the open instances, the one with most memory free, and what it lacks; nothing where there is none
 * (facts 38 service-events).
 */
export function closestMatch({ registered }: ClusterView, wanted: Needs): string {
  const [closest] = [...registered].filter(isOpen).sort(byFreeMemory);
  if (!closest) return '';
  const free = freeOf(closest);
  const what =
    free.memoryMiB < wanted.memoryMiB
      ? 'has insufficient memory available'
      : free.cpuUnits < wanted.cpuUnits
        ? 'has insufficient CPU units available'
        : usesPort(closest, wanted.hostPorts ?? [])
          ? 'is already using a port required by your task'
          : hasInterface(closest, wanted)
            ? hasGpus(closest, wanted)
              ? "does not satisfy the task's placement constraints"
              : 'encountered error "RESOURCE:GPU"'
            : 'encountered error "RESOURCE:ENI"';
  return ` The closest matching (container-instance ${closest.id}) ${what}. For more information, see the Troubleshooting section of the Amazon ECS Developer Guide.`;
}
