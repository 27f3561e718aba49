import { describe, expect, it } from 'vitest';
import type { ScalingSteps } from '../../../../sandbox/region/ecs/specs.ts';
import { pass, regionOfTest } from '../clients.ts';

/** A group of two full instances and a service that wants more tasks than they take; how many are desired after some minutes. */
async function desiredAfter(minutes: number, steps: ScalingSteps, { asks = true, desiredCount = 9 } = {}) {
  const region = regionOfTest();
  const { ecs, autoScaling } = region;
  ecs.createCluster('prod');
  const size = { memoryMiB: 4_000, cpuUnits: 4_000, minSize: 0, maxSize: 6, desiredCapacity: 2, launchSeconds: 100 };
  const group = { ...size, name: 'web', cluster: 'prod', capacityProvider: 'p' };
  autoScaling.createGroup(group, { running: true });
  region.createCapacityProvider('p', 'web', { managedScaling: steps });
  ecs.createService({
    cluster: 'prod',
    name: 'web',
    strategy: 'REPLICA',
    desiredCount,
    minimumHealthyPercent: 100,
    maximumPercent: 200,
    memoryMiB: 1_000,
    cpuUnits: 100,
    startSeconds: 10,
    stopTimeoutSeconds: 10,
    ...(asks && { capacityProviders: ['p'] }),
  });
  await pass(region, minutes * 60 + 30);
  return autoScaling.group('web').desiredCapacity;
}

const STEPS = { minimumStep: 1, maximumStep: 10_000 };

describe('managed scaling (facts 101 managed-scaling)', () => {
  it('adds the instances that tasks wait for, once', async () => {
    expect(await desiredAfter(1, STEPS)).toBe(3); // Nine tasks, four on an instance.
    expect(await desiredAfter(10, STEPS)).toBe(3);
  });

  it('adds at least the minimum and at most the maximum at once, and never exceeds the group', async () => {
    expect(await desiredAfter(1, { ...STEPS, minimumStep: 3 })).toBe(5);
    expect(await desiredAfter(1, { ...STEPS, maximumStep: 2 }, { desiredCount: 24 })).toBe(4);
    expect(await desiredAfter(10, STEPS, { desiredCount: 90 })).toBe(6);
  });

  it('adds nothing for a service that does not ask for the capacity provider', async () => {
    expect(await desiredAfter(10, STEPS, { asks: false })).toBe(2);
  });
});
