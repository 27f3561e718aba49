import { describe, expect, it } from 'vitest';
import type { ScalingSettings } from '../../../../sandbox/region/ecs/specs.ts';
import { pass, regionOfTest } from '../clients.ts';

/** A group of two full instances and a service that wants more tasks than they take; how many are desired after some minutes. */
async function desiredAfter(minutes: number, steps: ScalingSettings, { asks = true, desiredCount = 9 } = {}) {
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
    ...(asks && ASKS),
  });
  await pass(region, minutes * 60 + 30);
  return autoScaling.group('web').desiredCapacity;
}

const ASKS = { capacityProviders: [{ name: 'p', base: 0, weight: 1 }] };
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

  /** A group of four, whose only replica is on one of the youngest; a daemon is everywhere. */
  async function fourWithOneTask(settings: Partial<ScalingSettings> = {}, minSize = 0) {
    const region = regionOfTest();
    const { ecs, autoScaling } = region;
    ecs.createCluster('prod');
    const size = { memoryMiB: 4_000, cpuUnits: 4_000, maxSize: 6, desiredCapacity: 4, launchSeconds: 100 };
    const group = {
      ...size,
      minSize,
      name: 'web',
      cluster: 'prod',
      capacityProvider: 'p',
      newInstancesProtected: true,
    };
    const ids = autoScaling.createGroup(group, { running: true });
    if (!settings.protectsTasks) autoScaling.setInstanceProtection('web', ids, false);
    region.createCapacityProvider('p', 'web', { managedScaling: { ...STEPS, ...settings } });
    const service = { cluster: 'prod', startSeconds: 10, stopTimeoutSeconds: 10, cpuUnits: 100, memoryMiB: 1_000 };
    const percents = { minimumHealthyPercent: 100, maximumPercent: 200 };
    ecs.createService({ ...service, ...percents, name: 'logs', strategy: 'DAEMON', desiredCount: 0 });
    ecs.createService({ ...service, ...percents, name: 'web', strategy: 'REPLICA', desiredCount: 1, ...ASKS }, [
      { ec2InstanceId: ids[1] ?? '', phase: 'running' },
    ]);
    const desired = () => autoScaling.group('web').desiredCapacity;
    const remaining = () => autoScaling.instancesOf('web').map(({ instanceId }) => ids.indexOf(instanceId));
    return { region, desired, remaining };
  }

  it('removes instances without tasks after a quarter of an hour, half of the group a minute at most', async () => {
    const { region, desired } = await fourWithOneTask();
    await pass(region, 14 * 60 + 30);
    expect(desired()).toBe(4);
    await pass(region, 60);
    expect(desired()).toBe(2);
    await pass(region, 60);
    expect(desired()).toBe(1);
    await pass(region, 3_600);
    expect(desired()).toBe(1);
  });

  it('never goes below the minimum of the group', async () => {
    const { region, desired } = await fourWithOneTask({}, 3);
    await pass(region, 3_600);
    expect(desired()).toBe(3);
  });

  it('spares the instances with tasks where the capacity provider protects them, else takes the oldest', async () => {
    const [spared, taken] = [await fourWithOneTask({ protectsTasks: true }), await fourWithOneTask()];
    for (const { region } of [spared, taken]) await pass(region, 3_600);
    expect(spared.remaining()).toEqual([1]);
    expect(spared.region.killedTasks.filter(({ group }) => group === 'service:web')).toEqual([]);
    expect(taken.remaining()).toEqual([3]);
    expect(taken.region.killedTasks.filter(({ group }) => group === 'service:web').length).toBeGreaterThan(0);
  });

  it('keeps as many instances without tasks as the target capacity asks for, and adds them', async () => {
    const kept = await fourWithOneTask({ targetPercent: 50 });
    await pass(kept.region, 3_600);
    expect(kept.desired()).toBe(2);
    const added = await fourWithOneTask({ targetPercent: 20 });
    await pass(added.region, 90);
    expect(added.desired()).toBe(5);
  });

  it('begins its quarter of an hour again where tasks have found no room meanwhile', async () => {
    const { region, desired } = await fourWithOneTask();
    await pass(region, 10 * 60 + 30);
    const change = { cluster: 'prod', service: 'web' };
    region.ask('ecs', 'UpdateService', { ...change, desiredCount: 13 }); // Three on an instance, beside the daemon.
    await pass(region, 120);
    expect(desired()).toBe(5);
    region.ask('ecs', 'UpdateService', { ...change, desiredCount: 1 });
    await pass(region, 12 * 60);
    expect(desired()).toBe(5);
    await pass(region, 10 * 60);
    expect(desired()).toBeLessThan(5);
  });
});
