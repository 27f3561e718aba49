import { describe, expect, it } from 'vitest';
import { createRegion } from '../../../../sandbox/region/region.ts';
import type { TraceEvent } from '../../../../sandbox/region/trace.ts';
import { CLUSTER, GROUP, group, logRouter, replicas } from '../../../../sandbox/scenarios.ts';
import { START_MS } from '../../start.ts';
import { pass } from '../clients.ts';

const HOOK = 'ecs-managed-draining-termination-hook';

/** Two instances in the group of a capacity provider, a minute after its services were created. */
async function regionWith(...services: ReturnType<typeof replicas>[]) {
  const traced: TraceEvent[] = [];
  const region = createRegion({ startMs: START_MS, seed: 1, onTrace: (event) => traced.push(event) });
  region.ecs.createCluster(CLUSTER);
  const [first = ''] = region.autoScaling.createGroup(group(2), { running: true });
  region.createCapacityProvider(GROUP, GROUP, { managedDraining: true });
  for (const service of services) region.ecs.createService(service);
  await pass(region, 120);
  return { region, first, traced };
}

describe('ECS managed draining', () => {
  it('facts 95 managed-hook-values: puts its own hook on the group, which DescribeCapacityProviders and Auto Scaling show', async () => {
    const { region } = await regionWith();
    expect(region.autoScaling.hooksOf(GROUP)).toEqual([
      { name: HOOK, group: GROUP, heartbeatTimeoutSeconds: 3_600, defaultResult: 'CONTINUE' },
    ]);
    expect(region.ask('ecs', 'DescribeCapacityProviders', { capacityProviders: [GROUP] })).toMatchObject({
      capacityProviders: [{ autoScalingGroupProvider: { managedDraining: 'ENABLED' } }],
    });
    region.createCapacityProvider('other', GROUP, { managedDraining: false });
    expect(region.ask('ecs', 'DescribeCapacityProviders', { capacityProviders: ['other'] })).toMatchObject({
      capacityProviders: [{ autoScalingGroupProvider: { managedDraining: 'DISABLED' } }],
    });
  });

  it('facts 22 managed-draining-hook, 73 daemon-stop-order: sets the instance to DRAINING, and completes when all tasks have stopped, daemons last', async () => {
    const { region, first } = await regionWith(replicas('web', 4), logRouter);
    region.autoScaling.terminateInstance(first);
    await pass(region, 5);
    expect(region.ecs.registrationsOf(first)).toMatchObject([{ status: 'DRAINING' }]);
    await pass(region, 600);
    expect(region.killedTasks).toEqual([]);
    expect(region.autoScaling.completions).toMatchObject([{ hook: HOOK, result: 'CONTINUE', by: 'completion' }]);
    expect(region.terminated).toContain(first);
  });

  it('facts 52 managed-draining-scope: drains on a Spot interruption too', async () => {
    const { region, first } = await regionWith();
    region.autoScaling.interruptSpotInstance(first);
    await pass(region, 5);
    expect(region.ecs.registrationsOf(first)).toMatchObject([{ status: 'DRAINING' }]);
  });

  it('facts 98 managed-draining-hangs: heartbeats for 48 hours over a service that can never be drained, and then its tasks die', async () => {
    const { region, first } = await regionWith(replicas('web', 4, { maximumPercent: 100 }));
    region.autoScaling.terminateInstance(first);
    await pass(region, 47.9 * 3_600);
    expect(region.terminated).not.toContain(first);
    await pass(region, 3_600);
    expect(region.autoScaling.completions).toMatchObject([{ by: 'timeout', heartbeats: 95, atMs: expect.any(Number) }]);
    expect(region.killedTasks).toHaveLength(2);
  });

  it('facts 98 managed-draining-hangs: leaves an action alone that someone else has completed', async () => {
    const { region, first } = await regionWith(replicas('web', 4, { maximumPercent: 100 }));
    region.autoScaling.terminateInstance(first);
    await pass(region, 3_600);
    region.autoScaling.completeAction({ group: GROUP, hook: HOOK, instanceId: first, token: undefined }, 'CONTINUE');
    await pass(region, 7_200);
    expect(region.autoScaling.completions).toHaveLength(1);
    expect(region.autoScaling.pendingActions()).toEqual([]);
  });
});
