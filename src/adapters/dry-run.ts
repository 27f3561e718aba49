import type { ContainerInstance } from '../domain/observation.ts';
import type { ContainerInstances, LifecycleActions } from '../domain/ports.ts';

/**
 * ECS as it would be: what is ACTIVE counts as DRAINING, so that a drain is observed to its end while something else drains
 * the instance. Nothing is set or stopped.
 */
export function dryContainerInstances(ecs: ContainerInstances): ContainerInstances {
  const asIfDraining = (instances: readonly ContainerInstance[]) =>
    instances.map((instance) =>
      instance.status === 'ACTIVE' ? { ...instance, status: 'DRAINING' as const } : instance,
    );
  const describe = async (cluster: string, arns: readonly string[]) => asIfDraining(await ecs.describe(cluster, arns));
  const nothing = async () => {};
  return {
    ...ecs,
    describe,
    setDraining: async (cluster, arns) => ({ found: await describe(cluster, arns) }),
    mark: nothing,
    unmark: nothing,
    setActive: async () => [],
    stopTask: nothing,
  };
}

/** Stands for Auto Scaling: it accepts every call and passes none on. */
export function dryLifecycleActions(lifecycleActions: LifecycleActions): LifecycleActions {
  return {
    ...lifecycleActions,
    heldInstances: async () => [],
    recordHeartbeat: async () => 'accepted',
    complete: async () => 'accepted',
  };
}
