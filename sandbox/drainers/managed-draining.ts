import { GROUP } from '../scenarios.ts';
import type { Install } from './drainer.ts';

/**
 * ECS managed draining alone: a capacity provider has it on, and no function runs. What AWS does not document of it is assumed
 * in `sandbox/region/ecs/managed-draining.ts`.
 */
export const managedDraining: Install = async (region) => {
  region.createCapacityProvider(GROUP, GROUP, { managedDraining: true });
  return { lambda: undefined, instancesOf: () => [] };
};
