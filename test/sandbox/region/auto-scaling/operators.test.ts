import { describe, expect, it } from 'vitest';
import { A, type AutoScalingWorld, autoScalingWorld, B, C, D } from './world.ts';

describe('the history of a group', () => {
  const standing = ({ model }: AutoScalingWorld, id: string) => {
    const { status = '', progress = -1 } = model.lastActivityOf(id) ?? {};
    return [status, progress];
  };

  it('facts 42 scaling-activities: says how far a launch is', async () => {
    const world = autoScalingWorld();
    world.hook('warm-up', { transition: 'launching' });
    world.model.setDesiredCapacity('web', 3);
    expect(standing(world, C)).toEqual(['PreInService', 30]);
    await world.until(120);
    expect(standing(world, C)).toEqual(['MidLifecycleAction', 40]);
    world.complete('warm-up', C);
    expect(standing(world, C)).toEqual(['Successful', 100]);
  });

  it('facts 42 scaling-activities: says how far a termination is, and where', () => {
    const world = autoScalingWorld();
    world.hook('drain');
    world.model.terminateInstance(A);
    expect(standing(world, A)).toEqual(['MidTerminatingLifecycleAction', 60]);
    expect(JSON.parse(world.model.lastActivityOf(A)?.details ?? '')).toEqual({
      'Subnet ID': expect.stringMatching(/^subnet-/),
      'Availability Zone': 'eu-west-1a',
    });
    world.complete('drain', A);
    expect(standing(world, A)).toEqual(['Successful', 100]);
  });

  it('facts 65 activity-events: is published to EventBridge, launch by launch and termination by termination', async () => {
    const world = autoScalingWorld();
    world.hook('drain');
    world.model.terminateInstance(A);
    world.complete('drain', A);
    await world.until(200);
    const [terminated] = world.events('EC2 Instance Terminate Successful');
    const activity = world.model.lastActivityOf(A);
    expect(terminated).toMatchObject({
      source: 'aws.autoscaling',
      resources: [world.model.group('web').arn, `arn:aws:ec2:eu-west-1:123456789012:instance/${A}`],
      detail: {
        StatusCode: 'MidTerminatingLifecycleAction',
        Progress: 60,
        Description: `Terminating EC2 instance: ${A}`,
        ActivityId: activity?.id,
        RequestId: activity?.id,
        Cause: activity?.cause,
        EC2InstanceId: A,
        StartTime: '1970-01-01T00:00:00.000Z',
        Origin: 'AutoScalingGroup',
        Destination: 'EC2',
      },
    });
    expect(world.events('EC2 Instance Launch Successful')).toMatchObject([
      {
        detail: {
          EC2InstanceId: C,
          StatusCode: 'InProgress',
          Progress: 50,
          Origin: 'EC2',
          Destination: 'AutoScalingGroup',
        },
      },
    ]);
  });
});

describe('a change of a group', () => {
  it('takes a desired capacity into the new sizes', async () => {
    const { model, states } = autoScalingWorld();
    model.updateGroup('web', { minSize: 3 });
    expect(model.group('web')).toMatchObject({ minSize: 3, desiredCapacity: 3 });
    expect(states()).toEqual({ [A]: 'InService', [B]: 'InService', [C]: 'Pending' });
    model.updateGroup('web', { minSize: 0, maxSize: 1 });
    expect(states()).toEqual({ [C]: 'Pending' });
  });

  it('leaves alone what it does not name', () => {
    const { model } = autoScalingWorld({ retainOnAbandon: true });
    model.updateGroup('web', { maxSize: 5 });
    model.updateGroup('web', { capacityRebalance: true });
    expect(model.group('web')).toMatchObject({
      minSize: 0,
      maxSize: 5,
      desiredCapacity: 2,
      retainOnAbandon: true,
      capacityRebalance: true,
    });
  });

  it('refuses sizes that exclude each other or the desired capacity, and changes nothing', () => {
    const { model } = autoScalingWorld();
    expect(() => model.updateGroup('web', { minSize: 3, maxSize: 1 })).toThrow(
      'Max bound, 1, must be greater than or equal to min bound, 3',
    );
    expect(() => model.updateGroup('web', { desiredCapacity: 11 })).toThrow(
      'Desired capacity:11 must be between the specified min size:0 and max size:10',
    );
    expect(model.group('web')).toMatchObject({ minSize: 0, maxSize: 10, desiredCapacity: 2 });
  });
});

describe('a suspended process', () => {
  it('Launch: nothing is launched until it is resumed', () => {
    const { model, states } = autoScalingWorld();
    model.suspendProcesses('web', ['Launch']);
    model.setDesiredCapacity('web', 3);
    expect(Object.keys(states())).toEqual([A, B]);
    model.resumeProcesses('web', ['Launch']);
    expect(Object.keys(states())).toEqual([A, B, C]);
  });

  it('Terminate: nothing is scaled in until it is resumed', () => {
    const { model, states } = autoScalingWorld();
    model.suspendProcesses('web', ['Terminate']);
    model.setDesiredCapacity('web', 1);
    expect(Object.keys(states())).toEqual([A, B]);
    model.resumeProcesses('web', ['Terminate']);
    expect(Object.keys(states())).toEqual([B]);
  });

  it.each([['HealthCheck'], ['ReplaceUnhealthy'], ['Terminate']])(
    '%s: an instance that EC2 ended stays in its group, unhealthy, until it is resumed',
    (process) => {
      const { model, states, effects } = autoScalingWorld();
      model.suspendProcesses('web', [process]);
      model.terminateInstance(A, { skipHooks: true });
      expect(states()).toEqual({ [A]: 'InService', [B]: 'InService' });
      expect(model.instance(A)?.healthy).toBe(false);
      model.resumeProcesses('web', [process]);
      expect(states()).toEqual({ [B]: 'InService', [C]: 'Pending' });
      expect(effects).toEqual([`terminated ${A}`]);
    },
  );

  it('is each of them if none is named, and is described with its instant', async () => {
    const { model, until } = autoScalingWorld();
    await until(10);
    model.suspendProcesses('web', []);
    const { suspended } = model.group('web');
    expect([...suspended.keys()]).toEqual(expect.arrayContaining(['Launch', 'AZRebalance', 'InstanceRefresh']));
    expect(suspended.get('Launch')).toBe(10_000);
    expect(suspended.size).toBe(9);
    await until(20);
    model.suspendProcesses('web', ['Launch']);
    expect(model.group('web').suspended.get('Launch')).toBe(10_000);
    model.resumeProcesses('web', ['Launch']);
    expect(model.group('web').suspended.has('Launch')).toBe(false);
    expect(() => model.suspendProcesses('web', ['Tea'])).toThrow(/^Tea is not a process of Auto Scaling/);
  });
});

describe('an instance that is protected from scale-in', () => {
  it('is passed over by scale-in', () => {
    const { model, states } = autoScalingWorld();
    model.setInstanceProtection('web', [A], true);
    model.setDesiredCapacity('web', 1);
    expect(states()).toEqual({ [A]: 'InService' });
    expect(model.instance(A)?.protectedFromScaleIn).toBe(true);
  });

  it('keeps the group from its desired capacity where all are, which its history says once', () => {
    const { model, states } = autoScalingWorld();
    model.setInstanceProtection('web', [A, B], true);
    model.setDesiredCapacity('web', 1);
    model.resumeProcesses('web', []);
    expect(states()).toEqual({ [A]: 'InService', [B]: 'InService' });
    expect(model.activitiesOf('web')).toMatchObject([
      {
        description: 'Could not scale to desired capacity because all remaining instances are protected from scale-in.',
        status: 'Cancelled',
        progress: 100,
        details: '{}',
      },
    ]);
    model.setInstanceProtection('web', [B], false);
    expect(states()).toEqual({ [A]: 'InService' });
  });

  it('can be terminated by a user, and by EC2', () => {
    const { model, states } = autoScalingWorld();
    model.setInstanceProtection('web', [A, B], true);
    model.terminateInstance(A);
    model.terminateInstance(B, { skipHooks: true });
    expect(Object.keys(states())).toEqual([C, D]);
  });

  it('is one in service of this group', () => {
    const { model } = autoScalingWorld();
    model.setDesiredCapacity('web', 3);
    expect(() => model.setInstanceProtection('web', [A, C], true)).toThrow(
      `The instance ${C} is not in InService or EnteringStandby or Standby.`,
    );
    expect(model.instance(A)?.protectedFromScaleIn).toBe(false);
    model.terminateInstance(B, { skipHooks: true });
    const group = { cluster: 'prod', memoryMiB: 1, cpuUnits: 1, launchSeconds: 100 };
    const [others = ''] = model.createGroup(
      { ...group, name: 'workers', minSize: 0, maxSize: 1, desiredCapacity: 1 },
      { running: true },
    );
    for (const id of ['i-0', B, others]) {
      expect(() => model.setInstanceProtection('web', [id], true)).toThrow(
        `The instance ${id} is not part of Auto Scaling group web.`,
      );
    }
  });

  it('is each new one where the group says so', async () => {
    const { model, until } = autoScalingWorld();
    model.updateGroup('web', { newInstancesProtected: true, desiredCapacity: 3 });
    await until(120);
    expect([A, C].map((id) => model.instance(id)?.protectedFromScaleIn)).toEqual([false, true]);
  });
});

describe('facts 70 detach-instances: an instance that is detached', () => {
  it('runs on outside the group, without a hook, and is replaced', async () => {
    const { model, until, states, hook, effects, events } = autoScalingWorld();
    hook('drain');
    const [activity] = model.detachInstances('web', [A], false);
    expect(activity).toMatchObject({
      description: `Detaching EC2 instance: ${A}`,
      cause: `At 1970-01-01T00:00:00Z instance ${A} was detached in response to a user request.`,
      status: 'InProgress',
      progress: 50,
    });
    expect(states()).toEqual({ [A]: 'Detaching', [B]: 'InService', [C]: 'Pending' });
    await until(60);
    expect(states()).toEqual({ [B]: 'InService', [C]: 'Pending' });
    expect(effects).toEqual([]);
    expect(events('EC2 Instance Detach Successful')).toMatchObject([{ detail: { EC2InstanceId: A } }]);
    expect(() => model.terminateInstance(A)).toThrow(/No managed instance found/);
  });

  it('may be ended by EC2 before it has left', async () => {
    const { model, until, effects } = autoScalingWorld();
    model.detachInstances('web', [A], false);
    model.terminateInstance(A, { skipHooks: true });
    await until(60);
    expect(model.instance(A)?.state).toBe('Terminated');
    expect(effects).toEqual([`terminated ${A}`]);
  });

  it('is not replaced where the capacity is decremented, but not below the minimum', async () => {
    const { model, until, states } = autoScalingWorld({ minSize: 1 });
    const [activity] = model.detachInstances('web', [A], true);
    expect(activity?.cause).toMatch(/a user request, shrinking the capacity from 2 to 1\.$/);
    await until(60);
    expect(states()).toEqual({ [B]: 'InService' });
    expect(() => model.detachInstances('web', [B], true)).toThrow(/min-size=1, max-size=10, and desired-size=1/);
  });

  it('facts 97 attach-instances: that was retained joins its group again when it is attached, through the hooks on launch', async () => {
    const { model, hook, complete, until, states, pathOf } = autoScalingWorld({ retainOnAbandon: true, maxSize: 3 });
    hook('drain');
    hook('warm-up', { transition: 'launching' });
    model.terminateInstance(A);
    complete('drain', A, 'ABANDON');
    model.detachInstances('web', [A], false);
    await until(60);
    model.attachInstances('web', [A]);
    expect(model.group('web').desiredCapacity).toBe(3);
    expect(states()[A]).toBe('Pending:Wait');
    complete('warm-up', A);
    expect(pathOf(A).slice(-6)).toEqual([
      'Detaching',
      'Detached',
      'Pending',
      'Pending:Wait',
      'Pending:Proceed',
      'InService',
    ]);
    expect(() => model.attachInstances('web', [A])).toThrow(`attaches only what was detached from web and runs: ${A}`);
  });

  it('is not attached above the maximum of its group', async () => {
    const { model, until } = autoScalingWorld({ maxSize: 2 });
    model.detachInstances('web', [A], false);
    await until(60);
    expect(() => model.attachInstances('web', [A])).toThrow('max-size=2 and desired-size=2');
  });

  it('is in service; a retained one can be detached too, without decrementing', () => {
    const { model, hook, complete } = autoScalingWorld({ retainOnAbandon: true });
    hook('drain');
    model.terminateInstance(A);
    expect(() => model.detachInstances('web', [A], false)).toThrow(`The instance ${A} is not in InService or Standby.`);
    complete('drain', A, 'ABANDON');
    expect(() => model.detachInstances('web', [A], true)).toThrow(/is not in InService/);
    expect(model.detachInstances('web', [A], false)).toHaveLength(1);
  });
});

describe('an instance refresh', () => {
  const started = async (world: AutoScalingWorld, ...args: [object?]) => {
    const id = world.model.startInstanceRefresh('web', { minHealthyPercentage: 50, ...args[0] });
    await world.until(world.time.nowMs() / 1000 + 1);
    return id;
  };
  const latest = ({ model }: AutoScalingWorld) => model.refreshesOf('web')[0];
  const ended = (world: AutoScalingWorld) => world.time.runUntil(() => latest(world)?.ended === true);

  it('is Pending, then InProgress, and counts what is in service and warm', async () => {
    const world = autoScalingWorld();
    const id = world.model.startInstanceRefresh('web', { minHealthyPercentage: 50, instanceWarmupSeconds: 60 });
    expect(latest(world)).toMatchObject({ id, status: 'Pending', instancesToUpdate: 2, percentageComplete: 0 });
    await world.until(1);
    expect(latest(world)).toMatchObject({ status: 'InProgress', percentageComplete: 0 });
    await world.until(115);
    expect(latest(world)).toMatchObject({ instancesToUpdate: 2, percentageComplete: 0 });
    await world.until(180);
    expect(latest(world)).toMatchObject({ instancesToUpdate: 1, percentageComplete: 50 });
    await ended(world);
    expect(latest(world)).toMatchObject({ status: 'Successful', instancesToUpdate: 0, percentageComplete: 100 });
    expect(world.states()).toEqual({ [C]: 'InService', [D]: 'InService' });
  });

  it('facts 66 instance-refresh: is published to EventBridge from its start to its end', async () => {
    const world = autoScalingWorld();
    const id = await started(world);
    await ended(world);
    const detail = { InstanceRefreshId: id, AutoScalingGroupName: 'web' };
    expect(world.events('Instance Refresh Started')).toMatchObject([{ resources: [expect.any(String)], detail }]);
    expect(world.events('Instance Refresh Succeeded')).toMatchObject([{ detail }]);
  });

  it('has the group’s default warmup and 90 % where nothing is said', () => {
    const world = autoScalingWorld({ defaultInstanceWarmupSeconds: 40 });
    world.model.startInstanceRefresh('web');
    expect(latest(world)?.preferences).toEqual({
      minHealthyPercentage: 90,
      maxHealthyPercentage: 100,
      instanceWarmupSeconds: 40,
      protectedInstances: 'Wait',
    });
  });

  it.each([
    ['has no default warmup', { healthCheckGraceSeconds: 90 }, 90],
    ['has a default warmup of none', { healthCheckGraceSeconds: 90, defaultInstanceWarmupSeconds: 0 }, 0],
    ['has neither', {}, 0],
  ])('waits for the health check grace period of the group only where it %s', (_, settings, seconds) => {
    const world = autoScalingWorld(settings);
    world.model.startInstanceRefresh('web');
    expect(latest(world)?.preferences.instanceWarmupSeconds).toBe(seconds);
  });

  it('is one at a time', async () => {
    const world = autoScalingWorld();
    await started(world);
    expect(() => world.model.startInstanceRefresh('web')).toThrow(
      expect.objectContaining({
        code: 'InstanceRefreshInProgress',
        message: 'An Instance Refresh is already in progress and blocks the execution of this Instance Refresh.',
      }),
    );
    await ended(world);
    world.model.startInstanceRefresh('web');
    expect(world.model.refreshesOf('web').map(({ status }) => status)).toEqual(['Pending', 'Successful']);
  });

  it('that is cancelled finishes what is under way, and begins no more', async () => {
    const world = autoScalingWorld();
    const id = await started(world);
    expect(world.model.cancelInstanceRefresh('web')).toBe(id);
    expect(latest(world)?.status).toBe('Cancelling');
    await ended(world);
    expect(latest(world)).toMatchObject({ status: 'Cancelled', statusReason: 'Cancelled due to user request.' });
    expect(world.time.nowMs()).toBeGreaterThan(90_000);
    expect(world.states()).toEqual({ [B]: 'InService', [C]: 'InService' });
    expect(world.events('Instance Refresh Cancelled')).toHaveLength(1);
    expect(() => world.model.cancelInstanceRefresh('web')).toThrow(
      expect.objectContaining({ code: 'ActiveInstanceRefreshNotFound' }),
    );
  });

  it('that is cancelled without waiting is over at the next look, though a hook holds what it terminated', async () => {
    const world = autoScalingWorld();
    world.hook('drain');
    await started(world);
    world.model.cancelInstanceRefresh('web', false);
    await ended(world);
    expect(world.time.nowMs()).toBeLessThanOrEqual(6_000);
    expect(latest(world)?.status).toBe('Cancelled');
  });

  it('stands still while a process that it needs is suspended', async () => {
    const world = autoScalingWorld();
    world.model.suspendProcesses('web', ['InstanceRefresh']);
    await started(world);
    await world.until(600);
    expect(Object.keys(world.states())).toEqual([A, B]);
    world.model.resumeProcesses('web', ['InstanceRefresh']);
    await ended(world);
    expect(Object.keys(world.states())).toEqual([C, D]);
  });

  it.each([
    ['a process is suspended', ({ model }: AutoScalingWorld) => model.suspendProcesses('web', [])],
    ['instances are protected', ({ model }: AutoScalingWorld) => model.setInstanceProtection('web', [A, B], true)],
  ] as const)('is cancelled while it stands still because %s', async (_, prevent) => {
    const world = autoScalingWorld();
    prevent(world);
    await started(world);
    world.model.cancelInstanceRefresh('web');
    await ended(world);
    expect(latest(world)?.status).toBe('Cancelled');
    expect(world.time.nowMs()).toBeLessThanOrEqual(6_000);
    expect(Object.keys(world.states())).toEqual([A, B]);
  });

  it('of an empty group is successful at once', async () => {
    const world = autoScalingWorld({ desiredCapacity: 0 });
    await started(world);
    expect(latest(world)).toMatchObject({ status: 'Successful', instancesToUpdate: 0, percentageComplete: 100 });
  });

  it.each([
    ['Ignore', [A, C]],
    ['Refresh', [C, D]],
  ] as const)('with %s for protected instances leaves %j', async (protectedInstances, left) => {
    const world = autoScalingWorld();
    world.model.setInstanceProtection('web', [A], true);
    await started(world, { protectedInstances });
    await ended(world);
    expect(Object.keys(world.states()).toSorted()).toEqual(left);
  });

  it('waits an hour for the protection to end, and then fails', async () => {
    const world = autoScalingWorld();
    world.model.setInstanceProtection('web', [A], true);
    await started(world);
    await world.until(3_590);
    expect(latest(world)?.status).toBe('InProgress');
    await ended(world);
    expect(latest(world)?.status).toBe('Failed');
    expect(world.events('Instance Refresh Failed')).toHaveLength(1);
    await started(world);
    world.model.setInstanceProtection('web', [A], false);
    await ended(world);
    expect(latest(world)?.status).toBe('Successful');
    expect(Object.keys(world.states())).toEqual([C, D]);
  });
});

describe('the deletion of a group', () => {
  const error = (code: string, message: string) => expect.objectContaining({ code, message });

  it('facts 103 group-deletion: is refused while there are instances, and while the group changes', async () => {
    const { model, until } = autoScalingWorld();
    const deleting = () => model.deleteGroup('web', { force: false });
    const inUse = error(
      'ResourceInUse',
      'You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) still in the group.',
    );
    expect(deleting).toThrow(inUse);
    model.detachInstances('web', [A, B], true);
    expect(deleting).toThrow(inUse); // They are on their way out.
    await until(60);
    deleting();
    expect(model.groups()).toEqual([]);
    expect(deleting).toThrow(
      error('ValidationError', 'AutoScalingGroup name not found - AutoScalingGroup web not found'),
    );
    expect(model.instance(A)?.state).toBe('Detached');
  });

  it('facts 103 group-deletion: with force ends all instances, which asks no hook and drops what one holds', async () => {
    const { model, hook, until, effects, events, states } = autoScalingWorld({
      warmPool: { minSize: 1, poolState: 'Running', reuseOnScaleIn: false },
    });
    hook('drain');
    model.terminateInstance(A); // C replaces it, and is not up yet.
    model.deleteGroup('web', { force: true });
    expect(model.group('web')).toMatchObject({ isDeleted: true, minSize: 0, maxSize: 0, desiredCapacity: 0 });
    expect([states(), model.warmPoolOf('web'), model.pendingActions(), model.completions]).toEqual([{}, [], [], []]);
    expect(events('EC2 Instance-terminate Lifecycle Action')).toHaveLength(1); // of the first termination
    expect(effects.toSorted()).toEqual(effects.filter((effect) => effect.startsWith('terminated')).toSorted());
    expect(effects.length).toBeGreaterThanOrEqual(4);
    expect(() =>
      model.completeAction({ group: 'web', hook: 'drain', token: undefined, instanceId: A }, 'CONTINUE'),
    ).toThrow(error('ValidationError', `No active Lifecycle Action found with instance ID ${A}`));
    await until(600);
    expect(model.groups()).toEqual([]);
    expect(effects.filter((effect) => !effect.startsWith('terminated'))).toEqual([]); // Nothing boots afterwards.
    expect(model.groupOf(A)).toMatchObject({ name: 'web', cluster: 'prod' });
  });

  it('facts 103 group-deletion: nothing changes a group that is about to be gone', () => {
    const { model } = autoScalingWorld();
    model.deleteGroup('web', { force: true });
    model.deleteGroup('web', { force: true });
    const pending = error('ValidationError', 'The AutoScaling group may not be modified while it is pending delete');
    expect(() => model.updateGroup('web', { maxSize: 1 })).toThrow(pending);
    expect(() => model.setDesiredCapacity('web', 0)).toThrow(pending);
    expect(() => model.suspendProcesses('web', [])).toThrow(
      error('ValidationError', 'Processes may not be suspended while the AutoScaling group is pending delete'),
    );
  });

  it('facts 103 group-deletion: cancels an instance refresh, and is refused with force where instances are retained', async () => {
    const { model, until } = autoScalingWorld();
    model.startInstanceRefresh('web');
    await until(1);
    model.updateGroup('web', { retainOnAbandon: true });
    expect(() => model.deleteGroup('web', { force: true })).toThrow(/^You can't force delete this Auto Scaling group/);
    model.updateGroup('web', { retainOnAbandon: false });
    model.deleteGroup('web', { force: true });
    await until(60);
    expect(model.refreshesOf('web')).toMatchObject([{ status: 'Cancelled' }]);
  });
});
