import { describe, expect, it } from 'vitest';
import { MANAGED_DRAINING_HOOK } from '../../src/domain/drain.ts';
import { deployedRegion, WAKE_UPS } from './deployed-region.ts';

/** ECS drains a service that can never be drained, and ecs-drain supervises. */
async function supervised(
  params: Readonly<Record<string, unknown>> = {},
  rules = ['termination', 'continuation'] as const,
) {
  const deployed = await deployedRegion({
    params: { superviseManagedDraining: true, createLifecycleHooks: false, ...params },
    hooks: [],
    services: [{ name: 'web', maximumPercent: 100 }],
    rules: [...rules, 'sweep', ...WAKE_UPS],
    termination: [MANAGED_DRAINING_HOOK],
  });
  deployed.region.createCapacityProvider('web', 'web', { managedDraining: true });
  const [first = ''] = deployed.instanceIds;
  deployed.region.autoScaling.terminateInstance(first);
  return { ...deployed, first };
}

describe('a drain of ECS managed draining that is supervised', () => {
  it('is in status, with its tasks and the deadline that counts, and without a heartbeat of ours', async () => {
    const { first, pass, run, json } = await supervised();
    await pass(120);
    expect((await json('status')).answer.drains).toMatchObject([
      {
        instanceId: first,
        supervised: true,
        lifecycleHook: MANAGED_DRAINING_HOOK,
        deadlineAt: '2026-01-03T00:05:00Z',
        parked: true,
        holdingTasks: [{ group: 'service:web' }, { group: 'service:web' }],
        remarks: [
          'ECS managed draining drains it, and ecs-drain supervises: the deadline is that of Auto Scaling, because managedDrainingDeadline is none.',
        ],
      },
    ]);
    expect((await run('status')).stdout).toContain('none: ECS keeps its own hook open');
  });

  it('is explained, with what blocks it and what happens at the deadline', async () => {
    const { first, pass, run } = await supervised({ managedDrainingDeadline: 'ABANDON' });
    await pass(120);
    const { stdout } = await run('explain', first);
    expect(stdout).toContain(`the group web holds it on the hook ${MANAGED_DRAINING_HOOK}`);
    expect(stdout).toContain('at the deadline ecs-drain completes its hook with ABANDON.');
    expect(stdout).toMatch(/2 tasks of service:web, RUNNING for \d+ min \d+ s: the service cannot be drained/);
  });

  it('is in status before anything is known of it, and found by the sweep if its event was lost', async () => {
    const { pass, json } = await supervised({}, ['continuation'] as never);
    await pass(60);
    expect((await json('status')).answer.drains).toMatchObject([{ supervised: true, parked: false }]);
    await pass(300);
    expect((await json('status')).answer.drains).toMatchObject([{ supervised: true, parked: true }]);
  });

  it('is a finding of the doctor, which takes the missing hook for no error', async () => {
    const { json } = await supervised();
    const { answer } = await json('doctor');
    const ofGroup = answer.findings.filter(({ where }: { where: string }) => where.includes('group web'));
    expect(ofGroup).toEqual([
      {
        level: 'ok',
        where: 'group web',
        what: 'ECS managed draining drains its instances; ecs-drain reports it, and leaves the end to ECS.',
      },
    ]);
  });
});
