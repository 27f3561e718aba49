import { describe, expect, it } from 'vitest';
import { dryContainerInstances, dryLifecycleActions } from '../../src/adapters/dry-run.ts';
import { type Drain, newDrain } from '../../src/domain/drain.ts';
import { runDrain } from '../../src/domain/run-drain.ts';
import { fakeAws, POLICY, START_MS, type World } from '../fakes.ts';

const CHANGES = ['setDraining', 'stopTask', 'recordHeartbeat', 'complete', 'heldInstances', 'findActive'];

/** A drain of which AWS hears nothing, in invocations long enough for it. */
async function dryRunIn(world: World, policy = POLICY) {
  const aws = fakeAws(world);
  const ports = aws.ports(10_000);
  const action = { autoScalingGroup: 'web', lifecycleHook: 'theirs', instanceId: 'i-1', token: 'their-action' };
  const drain: Drain = newDrain(action, START_MS, undefined, policy.pollMinSeconds);
  const result = await runDrain(drain, policy, {
    ...ports,
    containerInstances: dryContainerInstances(ports.containerInstances),
    lifecycleActions: dryLifecycleActions(ports.lifecycleActions),
  });
  return { aws, result, changes: aws.calls.filter(({ name }) => CHANGES.includes(name)) };
}

describe('a dry run', () => {
  it('shows an instance that takes tasks as DRAINING, and any other as it is', async () => {
    const instances = ['ACTIVE', 'REGISTERING', 'DRAINING'].map((status) => ({ id: status, status }));
    const ecs = dryContainerInstances(fakeAws({ instances }).ports(300).containerInstances);
    const registered = await ecs.refresh(await ecs.find('prod', 'i-1'));
    expect(registered.map(({ status }) => status)).toEqual(['DRAINING', 'REGISTERING', 'DRAINING']);
  });

  it('leaves the others of the group alone, and says of everything that it was done', async () => {
    const { containerInstances, lifecycleActions } = fakeAws({ heldInstances: ['i-2'] }).ports(300);
    const dryEcs = dryContainerInstances(containerInstances);
    const dryAutoScaling = dryLifecycleActions(lifecycleActions);
    const action = { autoScalingGroup: 'web', lifecycleHook: 'theirs', instanceId: 'i-1' };
    expect(await dryAutoScaling.heldInstances(['web'])).toEqual([]);
    expect(await dryEcs.findActive('prod', ['i-2'])).toEqual([]);
    expect(await dryAutoScaling.recordHeartbeat(action)).toBe('accepted');
    expect(await dryAutoScaling.complete(action, 'CONTINUE')).toBe('accepted');
  });

  it('follows the drain of somebody else to its end, and changes nothing', async () => {
    const { aws, result, changes } = await dryRunIn({ tasks: [{ id: 'web', stopsAtSeconds: 300 }] });
    expect(result).toEqual({
      kind: 'finished',
      outcome: { kind: 'drained', lastTaskStoppedAtMs: START_MS + 300_000 },
    });
    expect(aws.now()).toBeGreaterThanOrEqual(300);
    expect(changes).toEqual([]);
  });

  it('decides at the deadline as a drain would: heartbeats, stragglers and the end are only thought', async () => {
    const policy = { ...POLICY, stopStragglers: 'all' as const, deadlineSeconds: 4_000 };
    const { aws, result, changes } = await dryRunIn({ tasks: [{ id: 'job', stopsAtSeconds: Infinity }] }, policy);
    expect(result).toMatchObject({ kind: 'finished', outcome: { kind: 'timed-out', killedTasks: [{ arn: 'job' }] } });
    const decisions = aws.journal.flatMap(({ entry }) => (entry.kind === 'decided' ? entry.decision.kind : []));
    expect(decisions).toEqual(expect.arrayContaining(['set-draining', 'heartbeat', 'stop-tasks', 'complete']));
    expect(changes).toEqual([]);
  });
});
