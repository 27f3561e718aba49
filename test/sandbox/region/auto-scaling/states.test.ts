import { describe, expect, it } from 'vitest';
import type { WarmPoolSpec } from '../../../../sandbox/region/auto-scaling/model.ts';
import { A, type AutoScalingWorld, autoScalingWorld, B, C, D, idOf } from './world.ts';

describe('a hook on the launch', () => {
  it('holds a new instance in Pending:Wait, registered with ECS already, until it is completed', async () => {
    const { model, until, states, events, hook, complete, pathOf, effects } = autoScalingWorld();
    hook('warm-up', { transition: 'launching' });
    model.setDesiredCapacity('web', 3);
    await until(120);
    expect(states()[C]).toBe('Pending:Wait');
    expect(effects).toEqual([`launched ${C}`]);
    expect(events('EC2 Instance-launch Lifecycle Action')).toMatchObject([
      {
        detail: {
          EC2InstanceId: C,
          LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING',
          Origin: 'EC2',
          Destination: 'AutoScalingGroup',
        },
      },
    ]);
    complete('warm-up', C);
    expect(pathOf(C)).toEqual(['Pending', 'Pending:Wait', 'Pending:Proceed', 'InService']);
  });

  it('that is abandoned ends the instance, and another is launched', async () => {
    const { model, until, states, hook, complete, effects } = autoScalingWorld();
    hook('warm-up', { transition: 'launching' });
    model.setDesiredCapacity('web', 3);
    await until(120);
    complete('warm-up', C, 'ABANDON');
    expect(effects.at(-1)).toBe(`terminated ${C}`);
    expect(states()).toEqual({ [A]: 'InService', [B]: 'InService', [D]: 'Pending' });
  });

  it('of one group that is deleted lets the hook of the same name in another group hold on', () => {
    const { model, hook, states } = autoScalingWorld();
    const group = { cluster: 'prod', memoryMiB: 1, cpuUnits: 1, launchSeconds: 100 };
    model.createGroup({ ...group, name: 'workers', minSize: 0, maxSize: 1, desiredCapacity: 1 }, { running: true });
    hook('drain');
    hook('drain', { group: 'workers' });
    model.terminateInstance(A);
    model.terminateInstance(C);
    model.deleteLifecycleHook('workers', 'drain');
    expect(states()[A]).toBe('Terminating:Wait');
    expect(model.instance(C)?.state).toBe('Terminated');
  });

  it('facts 24 delete-hook: that is deleted abandons what it holds', async () => {
    const { model, until, states, hook } = autoScalingWorld();
    hook('warm-up', { transition: 'launching' });
    model.setDesiredCapacity('web', 3);
    await until(120);
    model.deleteLifecycleHook('web', 'warm-up');
    expect(states()).toEqual({ [A]: 'InService', [B]: 'InService', [D]: 'Pending' });
  });

  it('does not hold what leaves, and a hook on the termination does not hold what comes', async () => {
    const { model, until, states, hook } = autoScalingWorld();
    hook('warm-up', { transition: 'launching' });
    model.terminateInstance(A);
    expect(states()).not.toHaveProperty(A);
    await until(120);
    expect(states()[C]).toBe('Pending:Wait');
    model.deleteLifecycleHook('web', 'warm-up');
    hook('drain');
    await until(300);
    expect(states()[D]).toBe('InService');
  });
});

describe('facts 46 instance-lifecycle-policy: the instance lifecycle policy', () => {
  it('keeps an instance whose termination is abandoned, beside the replacement that the group launched', async () => {
    const { model, until, states, hook, complete, effects } = autoScalingWorld({ retainOnAbandon: true });
    hook('drain');
    model.terminateInstance(A);
    complete('drain', A, 'ABANDON');
    await until(200);
    expect(states()).toEqual({ [A]: 'Terminating:Retained', [B]: 'InService', [C]: 'InService' });
    expect(effects).toEqual([`launched ${C}`]);
    expect(model.lastActivityOf(A)).toMatchObject({ status: 'Cancelled', progress: 100 });
  });

  it.each([
    ['the heartbeat timeout', 'ABANDON', 'Terminating:Retained'],
    ['the heartbeat timeout', 'CONTINUE', undefined],
  ] as const)('after %s with the default result %s leaves it %s', async (_, defaultResult, state) => {
    const { model, until, states, hook } = autoScalingWorld({ retainOnAbandon: true });
    hook('drain', { defaultResult, heartbeatTimeoutSeconds: 60 });
    model.terminateInstance(A);
    await until(61);
    expect(states()[A]).toBe(state);
  });

  it('does not keep what continues, nor what EC2 ends, nor anything where the group does not retain', () => {
    for (const retainOnAbandon of [true, false]) {
      const { model, states, hook, complete } = autoScalingWorld({ retainOnAbandon });
      hook('drain');
      model.terminateInstance(A);
      complete('drain', A, retainOnAbandon ? 'CONTINUE' : 'ABANDON');
      model.terminateInstance(B, { skipHooks: true });
      expect(Object.keys(states())).toEqual([C, D]);
    }
  });

  it('does not keep EC2 from ending a retained instance', () => {
    const { model, states, hook, complete, effects } = autoScalingWorld({ retainOnAbandon: true });
    hook('drain');
    model.terminateInstance(A);
    complete('drain', A, 'ABANDON');
    model.terminateInstance(A, { skipHooks: true });
    expect(states()).not.toHaveProperty(A);
    expect(effects).toEqual([`terminated ${A}`]);
    expect(model.lastActivityOf(A)).toMatchObject({ status: 'Cancelled' });
  });

  it('lets a retained instance be terminated again: a new activity, a new token, and the hook decides again', () => {
    const { model, states, hook, complete, events } = autoScalingWorld({ retainOnAbandon: true });
    hook('drain');
    model.terminateInstance(A);
    complete('drain', A, 'ABANDON');
    expect(() => model.terminateInstance(A, { decrementDesiredCapacity: true })).toThrow(/is retained/);
    model.terminateInstance(A);
    expect(states()[A]).toBe('Terminating:Wait');
    const tokens = events('Lifecycle Action').map(
      ({ detail }) => (detail as Record<string, string>)['LifecycleActionToken'],
    );
    expect(new Set(tokens).size).toBe(2);
    complete('drain', A, 'CONTINUE');
    expect(states()).not.toHaveProperty(A);
  });
});

describe('facts 45 root-volume-replacement: the replacement of a root volume', () => {
  const ACTION = { Origin: 'AutoScalingGroup', Destination: 'AutoScalingGroup', Action: 'ReplaceRootVolume' };
  const start = async (world: AutoScalingWorld) => {
    world.hook('drain');
    world.model.startInstanceRefresh('web', { minHealthyPercentage: 50 }, 'ReplaceRootVolume');
    await world.time.runUntil(() => world.model.pendingActions().length > 0);
  };

  it('asks the hook on the termination, reboots the instance, and brings the same instance back to service', async () => {
    const world = autoScalingWorld();
    await start(world);
    expect(world.states()).toEqual({ [A]: 'ReplacingRootVolume:Wait', [B]: 'InService' });
    expect(world.events('EC2 Instance-terminate Lifecycle Action')).toMatchObject([
      { detail: { ...ACTION, EC2InstanceId: A, LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING' } },
    ]);
    expect(world.effects).toEqual([]);
    world.complete('drain', A);
    await world.until(200);
    expect(world.pathOf(A)).toEqual([
      'InService',
      'ReplacingRootVolume',
      'ReplacingRootVolume:Wait',
      'ReplacingRootVolume:Proceed',
      'RootVolumeReplaced',
      'Pending',
      'InService',
    ]);
    expect(world.effects).toEqual([`stopped ${A}`, `restarted ${A}, its agent registers`]);
    expect(world.states()).toEqual({ [A]: 'InService', [B]: 'ReplacingRootVolume:Wait' });
  });

  it('leaves the agent its registration where its data is on another volume', async () => {
    const world = autoScalingWorld({ agentDataSurvives: true });
    await start(world);
    world.complete('drain', A);
    await world.until(200);
    expect(world.effects).toEqual([`stopped ${A}`, `restarted ${A}, its agent reconnects`]);
  });

  it('asks the hook on the launch when the instance has booted', async () => {
    const world = autoScalingWorld();
    world.hook('warm-up', { transition: 'launching' });
    await start(world);
    world.complete('drain', A);
    await world.until(200);
    expect(world.states()[A]).toBe('Pending:Wait');
    expect(world.events('EC2 Instance-launch Lifecycle Action')).toMatchObject([{ detail: ACTION }]);
  });

  it('goes on when the hook is abandoned, though the group retains', async () => {
    const world = autoScalingWorld({ retainOnAbandon: true });
    await start(world);
    world.complete('drain', A, 'ABANDON');
    expect(world.states()[A]).toBe('ReplacingRootVolume:Proceed');
  });

  it('ends with each instance replaced in place, and none launched', async () => {
    const world = autoScalingWorld();
    world.model.startInstanceRefresh('web', { minHealthyPercentage: 50 }, 'ReplaceRootVolume');
    await world.time.runUntil(() => world.model.refreshesOf('web')[0]?.ended === true);
    expect(world.states()).toEqual({ [A]: 'InService', [B]: 'InService' });
    expect(world.model.refreshesOf('web')).toMatchObject([{ status: 'Successful', strategy: 'ReplaceRootVolume' }]);
  });

  it('is not for a group with a warm pool, and no group gets one meanwhile', async () => {
    const world = autoScalingWorld();
    const pool: WarmPoolSpec = { minSize: 0, poolState: 'Stopped', reuseOnScaleIn: true };
    world.model.startInstanceRefresh('web', { minHealthyPercentage: 50 }, 'ReplaceRootVolume');
    expect(() => world.model.putWarmPool('web', pool)).toThrow(/cannot get a warm pool/);
    await world.time.runUntil(() => world.model.refreshesOf('web')[0]?.ended === true);
    world.model.putWarmPool('web', pool);
    expect(() => world.model.startInstanceRefresh('web', {}, 'ReplaceRootVolume')).toThrow(/warm pool/);
    world.model.startInstanceRefresh('web');
    world.model.putWarmPool('web', { ...pool, minSize: 1 });
  });
});

describe('facts 67 warm-pools: a warm pool', () => {
  const POOL: WarmPoolSpec = { minSize: 0, maxGroupPreparedCapacity: 4, poolState: 'Stopped', reuseOnScaleIn: true };
  const warm = (world: AutoScalingWorld) =>
    Object.fromEntries(world.model.warmPoolOf('web').map(({ instanceId, state }) => [instanceId, state]));

  it('is refused where it would have more instances than the Region can play, and so is such a capacity', () => {
    const world = autoScalingWorld();
    const refused = /plays 20000 instances of a group at most/;
    expect(() => world.model.putWarmPool('web', { ...POOL, minSize: 2 ** 31 - 1 })).toThrow(refused);
    expect(() => world.model.updateGroup('web', { maxSize: 1e9, desiredCapacity: 1e9 })).toThrow(refused);
    expect(world.model.group('web').maxSize).toBeLessThan(1_000);
  });

  it('has as many instances as the group may still need, and they are not among those of the group', () => {
    const world = autoScalingWorld({ warmPool: POOL });
    expect(warm(world)).toEqual({ [C]: 'Warmed:Stopped', [D]: 'Warmed:Stopped' });
    expect(world.states()).toEqual({ [A]: 'InService', [B]: 'InService' });
  });

  it('gives the group an instance sooner than a launch does, and is not filled beyond its capacity', async () => {
    const world = autoScalingWorld({ warmPool: POOL });
    world.hook('warm-up', { transition: 'launching' });
    world.model.setDesiredCapacity('web', 3);
    await world.until(40);
    expect(world.states()[C]).toBe('Pending:Wait');
    expect(world.events('EC2 Instance-launch Lifecycle Action')).toMatchObject([
      { detail: { Origin: 'WarmPool', Destination: 'AutoScalingGroup' } },
    ]);
    expect(world.model.lastActivityOf(C)?.description).toBe(`Launching a new EC2 instance from warm pool: ${C}`);
    await world.until(300);
    expect(warm(world)).toEqual({ [D]: 'Warmed:Stopped' });
  });

  it('takes back an instance that is scaled in, through the hook on the termination, and stops it', async () => {
    const world = autoScalingWorld({ warmPool: POOL });
    world.hook('drain');
    world.model.setDesiredCapacity('web', 1);
    expect(warm(world)).toEqual({ [A]: 'Warmed:Pending:Wait', [C]: 'Warmed:Stopped', [D]: 'Warmed:Stopped' });
    expect(world.states()).toEqual({ [B]: 'InService' });
    expect(world.events('EC2 Instance-terminate Lifecycle Action')).toMatchObject([
      { detail: { EC2InstanceId: A, Origin: 'AutoScalingGroup', Destination: 'WarmPool' } },
    ]);
    expect(world.effects).toEqual([]);
    world.complete('drain', A);
    expect(warm(world)[A]).toBe('Warmed:Stopped');
    expect(world.effects).toEqual([`stopped ${A}`]);
  });

  it('lets the agent of an instance that comes back from it go on with its registration', async () => {
    const world = autoScalingWorld({ warmPool: { ...POOL, maxGroupPreparedCapacity: 2 } });
    world.model.setDesiredCapacity('web', 1);
    expect(warm(world)).toEqual({ [A]: 'Warmed:Stopped' });
    world.model.setDesiredCapacity('web', 2);
    await world.until(60);
    expect(world.states()).toEqual({ [A]: 'InService', [B]: 'InService' });
    expect(world.effects).toEqual([`stopped ${A}`, `restarted ${A}, its agent reconnects`]);
  });

  it('without reuse, terminates what is scaled in', () => {
    const world = autoScalingWorld({ warmPool: { ...POOL, reuseOnScaleIn: false } });
    world.hook('drain');
    world.model.setDesiredCapacity('web', 1);
    expect(world.states()).toEqual({ [A]: 'Terminating:Wait', [B]: 'InService' });
    expect(world.events('EC2 Instance-terminate Lifecycle Action')).toMatchObject([{ detail: { Destination: 'EC2' } }]);
  });

  it('does not take back what a user terminates, nor is asked to terminate what it has', () => {
    const world = autoScalingWorld({ warmPool: POOL });
    world.hook('drain');
    world.model.terminateInstance(A);
    expect(world.states()[A]).toBe('Terminating:Wait');
    expect(() => world.model.terminateInstance(D)).toThrow(/in the warm pool/);
  });

  it('facts 46 instance-lifecycle-policy: keeps apart what is abandoned on its way back, where the group retains', () => {
    const world = autoScalingWorld({ warmPool: POOL, retainOnAbandon: true });
    world.hook('drain');
    world.model.setDesiredCapacity('web', 1);
    world.complete('drain', A, 'ABANDON');
    expect(warm(world)).toEqual({
      [A]: 'Warmed:Pending:Retained',
      [C]: 'Warmed:Stopped',
      [D]: 'Warmed:Stopped',
      [idOf(5)]: 'Warmed:Pending',
    });
  });

  it('launches another where a hook abandons a launch into it', async () => {
    const world = autoScalingWorld();
    world.hook('warm-up', { transition: 'launching' });
    world.model.putWarmPool('web', { ...POOL, maxGroupPreparedCapacity: 3 });
    await world.until(120);
    world.complete('warm-up', C, 'ABANDON');
    expect(world.effects).toEqual([`terminated ${C}`]);
    expect(warm(world)).toEqual({ [D]: 'Warmed:Pending' });
  });

  it('stops only what has run its agent, and nothing where it keeps its instances running', async () => {
    const world = autoScalingWorld();
    world.model.putWarmPool('web', { ...POOL, maxGroupPreparedCapacity: 3 });
    await world.until(120);
    expect(warm(world)).toEqual({ [C]: 'Warmed:Stopped' });
    world.model.putWarmPool('web', { ...POOL, poolState: 'Running' });
    world.model.setDesiredCapacity('web', 1);
    expect(warm(world)[A]).toBe('Warmed:Running');
    expect(world.effects).toEqual([]);
  });

  it('that is full takes no instance back', () => {
    const world = autoScalingWorld({ warmPool: { ...POOL, minSize: 2, maxGroupPreparedCapacity: 2 } });
    world.model.setDesiredCapacity('web', 1);
    expect(world.effects).toEqual([`terminated ${A}`]);
    expect(Object.keys(warm(world))).toEqual([C, D]);
  });

  it('gives an instance that it had back in the meantime the whole time to start again', async () => {
    const world = autoScalingWorld({ warmPool: { ...POOL, maxGroupPreparedCapacity: 3 } });
    world.model.setInstanceProtection('web', [A, B], true);
    world.model.setDesiredCapacity('web', 3);
    await world.until(20);
    world.model.setDesiredCapacity('web', 2);
    expect(warm(world)).toEqual({ [C]: 'Warmed:Stopped' });
    world.model.setDesiredCapacity('web', 3);
    await world.until(40);
    expect(world.states()[C]).toBe('Pending');
    await world.until(60);
    expect(world.states()[C]).toBe('InService');
  });

  it('that is made smaller while it fills itself ends what it has too much when that is ready', async () => {
    const world = autoScalingWorld();
    world.model.putWarmPool('web', { ...POOL, maxGroupPreparedCapacity: 3 });
    world.model.putWarmPool('web', { ...POOL, maxGroupPreparedCapacity: 2 });
    expect(warm(world)).toEqual({ [C]: 'Warmed:Pending' });
    await world.until(120);
    expect(warm(world)).toEqual({});
    expect(world.effects).toEqual([`terminated ${C}`]);
  });

  it('keeps what it has too much while Terminate is suspended', () => {
    const world = autoScalingWorld({ warmPool: POOL });
    world.model.suspendProcesses('web', ['Terminate']);
    world.model.putWarmPool('web', { ...POOL, maxGroupPreparedCapacity: 2 });
    expect(Object.keys(warm(world))).toEqual([C, D]);
    world.model.resumeProcesses('web', ['Terminate']);
    expect(warm(world)).toEqual({});
  });

  it('gives the group no instance that EC2 has terminated, though the health check was suspended', () => {
    const world = autoScalingWorld({ warmPool: POOL });
    world.model.suspendProcesses('web', ['HealthCheck']);
    world.model.terminateInstance(C, { skipHooks: true });
    world.model.setDesiredCapacity('web', 3);
    expect(Object.keys(world.states())).toEqual([A, B, D]);
  });

  it('that runs keeps its instances running, and fills itself through the hook on the launch', async () => {
    const world = autoScalingWorld();
    world.hook('warm-up', { transition: 'launching' });
    world.model.putWarmPool('web', {
      minSize: 1,
      maxGroupPreparedCapacity: 2,
      poolState: 'Running',
      reuseOnScaleIn: true,
    });
    await world.until(120);
    expect(warm(world)).toEqual({ [C]: 'Warmed:Pending:Wait' });
    expect(world.events('EC2 Instance-launch Lifecycle Action')).toMatchObject([
      { detail: { Origin: 'EC2', Destination: 'WarmPool' } },
    ]);
    world.complete('warm-up', C);
    expect(warm(world)).toEqual({ [C]: 'Warmed:Running' });
    expect(world.effects).toEqual([]);
  });

  it('terminates what it has too many of, through the hook on the termination', () => {
    const world = autoScalingWorld({ warmPool: POOL });
    world.hook('drain');
    world.model.putWarmPool('web', { ...POOL, maxGroupPreparedCapacity: 3 });
    expect(warm(world)).toEqual({ [C]: 'Warmed:Terminating:Wait', [D]: 'Warmed:Stopped' });
    expect(world.events('EC2 Instance-terminate Lifecycle Action')).toMatchObject([
      { detail: { EC2InstanceId: C, Origin: 'WarmPool', Destination: 'EC2' } },
    ]);
    world.complete('drain', C);
    expect(warm(world)).toEqual({ [D]: 'Warmed:Stopped' });
    expect(world.effects).toEqual([`terminated ${C}`]);
  });
});

describe('facts 71 capacity-rebalancing: a rebalance recommendation', () => {
  it('is published, and changes nothing where the group does not rebalance', async () => {
    const { model, until, states, events } = autoScalingWorld();
    model.recommendRebalance(A);
    await until(300);
    expect(events('EC2 Instance Rebalance Recommendation')).toEqual([
      {
        source: 'aws.ec2',
        'detail-type': 'EC2 Instance Rebalance Recommendation',
        resources: [`arn:aws:ec2:eu-west-1:123456789012:instance/${A}`],
        detail: { 'instance-id': A },
      },
    ]);
    expect(states()).toEqual({ [A]: 'InService', [B]: 'InService' });
  });

  it('with Capacity Rebalancing launches a replacement, and lets the instance go, held, when that is in service', async () => {
    const { model, until, states, hook, complete } = autoScalingWorld({ capacityRebalance: true });
    hook('drain');
    model.recommendRebalance(A);
    model.recommendRebalance(A);
    expect(states()).toEqual({ [A]: 'InService', [B]: 'InService', [C]: 'Pending' });
    await until(120);
    expect(states()).toEqual({ [A]: 'Terminating:Wait', [B]: 'InService', [C]: 'InService' });
    complete('drain', A);
    await until(300);
    expect(states()).toEqual({ [B]: 'InService', [C]: 'InService' });
  });

  it('keeps the replacement and the instance while the one starts, whatever else happens in the group', () => {
    const { model, states } = autoScalingWorld({ capacityRebalance: true });
    model.recommendRebalance(A);
    model.terminateInstance(B);
    expect(states()).toEqual({ [A]: 'InService', [C]: 'Pending', [D]: 'Pending' });
  });

  it('launches no second replacement when the instance is taken before the first is there', async () => {
    const { model, until, states } = autoScalingWorld({ capacityRebalance: true });
    model.recommendRebalance(A);
    await until(50);
    model.terminateInstance(A, { skipHooks: true });
    await until(300);
    expect(states()).toEqual({ [B]: 'InService', [C]: 'InService' });
    expect(model.instance(idOf(4))).toBeUndefined();
  });
});
