import type { ContainerInstance } from '../domain/drain.ts';
import type { ContainerInstances, LifecycleActions } from '../domain/ports.ts';

/**
 * ECS as it would be: what takes tasks counts as DRAINING, so that a drain is observed to its end while somebody else
 * drains; nothing is set or stopped.
 */
export function dryContainerInstances(ecs: ContainerInstances): ContainerInstances {
  const asIfDraining = (instances: readonly ContainerInstance[]) =>
    instances.map((instance) => (instance.status === 'ACTIVE' ? { ...instance, status: 'DRAINING' } : instance));
  return {
    ...ecs,
    refresh: async (containerInstances) => asIfDraining(await ecs.refresh(containerInstances)),
    findActive: async () => [],
    setDraining: async (containerInstances) => ({
      draining: asIfDraining(await ecs.refresh(containerInstances)),
      refusal: undefined,
    }),
    stopTask: async () => {},
  };
}

/** Auto Scaling as it would be: it takes our word, and never hears it. */
export function dryLifecycleActions(lifecycleActions: LifecycleActions): LifecycleActions {
  return {
    ...lifecycleActions,
    heldInstances: async () => [],
    recordHeartbeat: async () => 'accepted',
    complete: async () => 'accepted',
  };
}
