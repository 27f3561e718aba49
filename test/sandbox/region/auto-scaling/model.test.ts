import { beforeEach, describe, expect, it } from 'vitest';
import { AutoScalingModel, type HookSpec } from '../../../../sandbox/region/auto-scaling/model.ts';
import type { BusEvent } from '../../../../sandbox/region/event-bridge/model.ts';
import { Random } from '../../../../sandbox/region/time/random.ts';
import { VirtualTime } from '../../../../sandbox/region/time/virtual-time.ts';
import type { UntimedTraceEvent } from '../../../../sandbox/region/trace.ts';
import { A, B, C, GROUP } from './world.ts';

const HOOK: HookSpec = { name: 'drain', group: 'web', heartbeatTimeoutSeconds: 60, defaultResult: 'CONTINUE' };

let time: VirtualTime;
let model: AutoScalingModel;
let traced: UntimedTraceEvent[];
let published: BusEvent[];
let launched: string[];
let ended: string[];

function newModel(seed = 1): AutoScalingModel {
  time = new VirtualTime(0);
  traced = [];
  published = [];
  launched = [];
  ended = [];
  let ids = 0;
  return new AutoScalingModel({
    time,
    place: { region: 'eu-west-1', account: '123456789012', newId: () => `uuid-${++ids}` },
    random: new Random(seed),
    trace: (event) => traced.push(event),
    publish: (event) => published.push(event),
    launched: (id, group) => launched.push(`${id} in ${group.cluster}`),
    terminate: (id) => ended.push(id),
    stopped: () => {},
    restarted: () => {},
  });
}

/** Lets time pass to an instant, in seconds since the start. */
async function until(seconds: number): Promise<void> {
  let reached = false;
  time.after(seconds - time.nowMs() / 1000, () => {
    reached = true;
  });
  await time.runUntil(() => reached);
}

const states = () => Object.fromEntries(model.instancesOf('web').map(({ instanceId, state }) => [instanceId, state]));
/** The events of hooks; those of launches and terminations that succeeded are tested by themselves. */
const held = () => published.filter((event) => event['detail-type'].endsWith('Lifecycle Action'));
const statesTold = (id: string) =>
  traced.flatMap((event) => (event.kind === 'instance' && event.instanceId === id ? [event.state] : []));
const onA = (hook = 'drain') => ({ group: 'web', hook, token: undefined, instanceId: A });

beforeEach(() => {
  model = newModel();
});

describe('a group', () => {
  it('starts in the middle of things: its instances are InService, and registered', () => {
    expect(model.createGroup(GROUP, { running: true })).toEqual([A, B]);
    expect(states()).toEqual({ [A]: 'InService', [B]: 'InService' });
    expect(launched).toEqual([`${A} in prod`, `${B} in prod`]);
  });

  it('keeps its desired capacity: what leaves is replaced at once, even while a hook holds it', () => {
    model.createGroup(GROUP, { running: true });
    model.putLifecycleHook(HOOK);
    model.terminateInstance(A);
    expect(states()).toEqual({ [A]: 'Terminating:Wait', [B]: 'InService', [C]: 'Pending' });
  });

  it('gets smaller instead when asked to decrement, but not below its minimum', () => {
    model.createGroup({ ...GROUP, minSize: 1 }, { running: true });
    model.terminateInstance(A, { decrementDesiredCapacity: true });
    expect(states()).toEqual({ [B]: 'InService' });
    expect(() => model.terminateInstance(B, { decrementDesiredCapacity: true })).toThrow(
      /^Currently, desiredSize equals minSize \(1\)\./,
    );
    expect(states()).toEqual({ [B]: 'InService' });
  });

  it('launches an instance in its launch time, give or take a tenth', async () => {
    model.createGroup({ ...GROUP, desiredCapacity: 0, maxSize: 100 }, { running: true });
    model.setDesiredCapacity('web', 50);
    await until(89);
    expect(launched).toEqual([]);
    await until(111);
    expect(launched).toHaveLength(50);
    const seconds = model.instancesOf('web').map(({ inServiceAtMs = 0 }) => inServiceAtMs / 1000);
    expect(new Set(seconds).size).toBeGreaterThan(40);
    expect(statesTold(A)).toEqual(['Pending', 'InService']);
  });

  it('launches one more when asked', () => {
    model.createGroup(GROUP, { running: true });
    expect(model.launchInstance('web')).toBe(C);
    expect(states()).toEqual({ [A]: 'InService', [B]: 'InService', [C]: 'Pending' });
  });

  it('never brings into service an instance that was terminated while it booted', async () => {
    model.createGroup({ ...GROUP, desiredCapacity: 0 }, { running: true });
    model.launchInstance('web');
    model.putLifecycleHook({ ...HOOK, heartbeatTimeoutSeconds: 600 });
    await until(50);
    model.terminateInstance(A);
    await until(200);
    expect(statesTold(A)).toEqual(['Pending', 'Terminating', 'Terminating:Wait']);
    expect(launched).toEqual([`${B} in prod`]);
  });

  it('scales in the oldest first, and refuses what its sizes do not allow', () => {
    model.createGroup({ ...GROUP, minSize: 1 }, { running: true });
    model.setDesiredCapacity('web', 1);
    expect(states()).toEqual({ [B]: 'InService' });
    expect(ended).toEqual([A]);
    expect(() => model.setDesiredCapacity('web', 11)).toThrow(
      'New SetDesiredCapacity value 11 is above max value 10 for the AutoScalingGroup.',
    );
    expect(() => model.setDesiredCapacity('web', 0)).toThrow(
      'New SetDesiredCapacity value 0 is below min value 1 for the AutoScalingGroup.',
    );
  });

  it('without hooks terminates at once', () => {
    model.createGroup(GROUP, { running: true });
    model.terminateInstance(A);
    expect(ended).toEqual([A]);
    expect(statesTold(A)).toEqual(['InService', 'Terminating', 'Terminated']);
    expect(held()).toEqual([]);
    expect(() => model.terminateInstance(A)).toThrow(
      `Instance Id not found - No managed instance found for instance ID ${A}`,
    );
  });
});

describe('a lifecycle hook', () => {
  beforeEach(() => {
    model.createGroup(GROUP, { running: true });
    model.putLifecycleHook(HOOK);
  });

  it('facts 1 terminate-event: is published as an event with these fields', () => {
    model.terminateInstance(A);
    expect(published).toEqual([
      {
        source: 'aws.autoscaling',
        'detail-type': 'EC2 Instance-terminate Lifecycle Action',
        resources: ['arn:aws:autoscaling:eu-west-1:123456789012:autoScalingGroup:uuid-1:autoScalingGroupName/web'],
        detail: {
          LifecycleActionToken: model.pendingActions()[0]?.token,
          AutoScalingGroupName: 'web',
          LifecycleHookName: 'drain',
          EC2InstanceId: A,
          LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
          Origin: 'AutoScalingGroup',
          Destination: 'EC2',
        },
      },
    ]);
  });

  it('facts 1 terminate-event: the event says where the instance comes from and goes to, and the metadata if the hook has some', () => {
    model.putLifecycleHook({ ...HOOK, notificationMetadata: 'blue' });
    model.terminateInstance(A);
    const expected = { NotificationMetadata: 'blue', Origin: 'AutoScalingGroup', Destination: 'EC2' };
    expect(published).toMatchObject([{ detail: expected }]);
  });

  it('holds in Terminating:Wait until it is completed; then the instance proceeds and is terminated', async () => {
    model.terminateInstance(A);
    await until(30);
    expect(ended).toEqual([]);
    model.completeAction(onA(), 'CONTINUE');
    expect(ended).toEqual([A]);
    expect(statesTold(A)).toEqual([
      'InService',
      'Terminating',
      'Terminating:Wait',
      'Terminating:Proceed',
      'Terminated',
    ]);
    expect(states()).not.toHaveProperty(A);
  });

  it('reports each step', async () => {
    model.terminateInstance(A);
    model.recordHeartbeat(onA());
    model.completeAction(onA(), 'ABANDON');
    model.terminateInstance(B);
    await until(60);
    const lifecycle = traced.filter(({ kind }) => kind === 'lifecycle');
    expect(lifecycle).toEqual([
      { kind: 'lifecycle', instanceId: A, hook: 'drain', what: 'held' },
      { kind: 'lifecycle', instanceId: A, hook: 'drain', what: 'heartbeat' },
      { kind: 'lifecycle', instanceId: A, hook: 'drain', what: 'completed', result: 'ABANDON' },
      { kind: 'lifecycle', instanceId: B, hook: 'drain', what: 'held' },
      { kind: 'lifecycle', instanceId: B, hook: 'drain', what: 'timed out', result: 'CONTINUE' },
    ]);
  });

  it('facts 18 hook-timeouts: its timeout is from 30 to 7200 s', () => {
    for (const heartbeatTimeoutSeconds of [29, 7_201]) {
      expect(() => model.putLifecycleHook({ ...HOOK, heartbeatTimeoutSeconds })).toThrow(/between 30 and 7200/);
    }
  });

  it('facts 18 hook-timeouts: decides by its default result when the heartbeat timeout is over', async () => {
    model.putLifecycleHook({ ...HOOK, defaultResult: 'ABANDON' });
    model.terminateInstance(A);
    await until(59.999);
    expect(model.completions).toEqual([]);
    await until(60);
    expect(model.completions).toEqual([
      {
        instanceId: A,
        hook: 'drain',
        result: 'ABANDON',
        by: 'timeout',
        atMs: 60_000,
        heldSinceMs: 0,
        heartbeats: 0,
      },
    ]);
    expect(ended).toEqual([A]);
  });

  it('facts 18 hook-timeouts: a heartbeat restarts the timeout', async () => {
    model.terminateInstance(A);
    await until(50);
    model.recordHeartbeat(onA());
    await until(109.999);
    expect(ended).toEqual([]);
    await until(110);
    expect(model.completions).toMatchObject([{ by: 'timeout', atMs: 110_000, heartbeats: 1 }]);
  });

  it('facts 18 hook-timeouts: the whole wait ends after a hundred heartbeat timeouts, regardless of heartbeats', async () => {
    model.terminateInstance(A);
    for (let at = 50; at < 6_000; at += 50) {
      await until(at);
      model.recordHeartbeat(onA());
    }
    await until(5_999.999);
    expect(ended).toEqual([]);
    await until(6_000);
    expect(model.completions).toMatchObject([{ by: 'timeout', atMs: 6_000_000, heartbeats: 119 }]);
  });

  it('facts 18 hook-timeouts: the whole wait ends after 48 hours where a hundred timeouts are longer', async () => {
    model.putLifecycleHook({ ...HOOK, heartbeatTimeoutSeconds: 7_200 });
    model.terminateInstance(A);
    for (let at = 7_000; at < 48 * 3_600; at += 7_000) {
      await until(at);
      model.recordHeartbeat(onA());
    }
    await until(48 * 3_600);
    expect(model.completions).toMatchObject([{ by: 'timeout', atMs: 48 * 3_600_000 }]);
  });

  it('facts 19 hook-results: CONTINUE lets the other hooks finish', () => {
    model.putLifecycleHook({ ...HOOK, name: 'other' });
    model.terminateInstance(A);
    model.completeAction(onA('other'), 'CONTINUE');
    expect(states()[A]).toBe('Terminating:Wait');
    model.completeAction(onA('drain'), 'CONTINUE');
    expect(ended).toEqual([A]);
  });

  it('facts 19 hook-results: ABANDON stops the other hooks, by a timeout too', async () => {
    model.putLifecycleHook({ ...HOOK, name: 'other', heartbeatTimeoutSeconds: 30, defaultResult: 'ABANDON' });
    model.terminateInstance(A);
    await until(30);
    expect(ended).toEqual([A]);
    expect(() => model.completeAction(onA('drain'), 'CONTINUE')).toThrow(/No active Lifecycle Action/);
    await until(100);
    expect(model.completions).toMatchObject([{ hook: 'other', result: 'ABANDON' }]);
  });

  it('facts 20 no-active-action: is completed once; then there is no active action with that token or that instance', () => {
    model.terminateInstance(A);
    const token = model.pendingActions()[0]?.token;
    const byToken = { ...onA(), token, instanceId: undefined };
    model.completeAction(byToken, 'CONTINUE');
    for (const again of [() => model.completeAction(byToken, 'CONTINUE'), () => model.recordHeartbeat(byToken)]) {
      expect(again).toThrow(
        expect.objectContaining({
          code: 'ValidationError',
          message: `No active Lifecycle Action found with token ${token}`,
        }),
      );
    }
    for (const again of [() => model.completeAction(onA(), 'CONTINUE'), () => model.recordHeartbeat(onA())]) {
      expect(again).toThrow(`No active Lifecycle Action found with instance ID ${A}`);
    }
    expect(model.completions).toHaveLength(1);
  });

  it('facts 20 no-active-action: a token is good for its own group, hook and instance only', () => {
    model.createGroup({ ...GROUP, name: 'workers' }, { running: true });
    model.putLifecycleHook({ ...HOOK, group: 'workers' });
    model.putLifecycleHook({ ...HOOK, name: 'other' });
    model.terminateInstance(A);
    const token = model.pendingActions()[0]?.token;
    const none = `No active Lifecycle Action found with token ${token}`;
    expect(() => model.recordHeartbeat({ ...onA('other'), token })).toThrow(none);
    expect(() => model.recordHeartbeat({ ...onA(), group: 'workers', token })).toThrow(none);
    expect(() => model.recordHeartbeat({ ...onA(), token, instanceId: B })).toThrow(none);
    model.recordHeartbeat({ ...onA(), token });
  });

  it('facts 21 when-hooks-run: several run side by side, each with a token and an event of its own', () => {
    model.putLifecycleHook({ ...HOOK, name: 'other' });
    model.terminateInstance(A);
    const tokens = model.pendingActions().map(({ hook, token }) => ({ hook: hook.name, token }));
    expect(tokens.map(({ hook }) => hook)).toEqual(['drain', 'other']);
    expect(new Set(tokens.map(({ token }) => token)).size).toBe(2);
    const detail = ({ hook, token }: (typeof tokens)[number]) => ({
      LifecycleHookName: hook,
      LifecycleActionToken: token,
    });
    expect(published).toMatchObject(tokens.map((each) => ({ detail: detail(each) })));
  });

  it('facts 21 when-hooks-run: is run by scale-in too', () => {
    model.setDesiredCapacity('web', 1);
    expect(states()).toEqual({ [A]: 'Terminating:Wait', [B]: 'InService' });
  });

  it('facts 21 when-hooks-run: a direct EC2 terminate and a Spot interruption go past it, also while it holds', async () => {
    model.terminateInstance(A, { skipHooks: true });
    model.terminateInstance(B);
    model.terminateInstance(B, { skipHooks: true });
    expect(ended).toEqual([A, B]);
    expect(held()).toMatchObject([{ detail: { EC2InstanceId: B } }]);
    expect(() => model.completeAction({ ...onA(), instanceId: B }, 'CONTINUE')).toThrow(/No active Lifecycle Action/);
    await until(200);
    expect(ended).toEqual([A, B]);
    expect(model.completions).toEqual([]);
    expect(Object.values(states())).toEqual(['InService', 'InService']);
  });

  it('holds once, however often the instance is terminated', () => {
    model.terminateInstance(A);
    model.terminateInstance(A);
    expect(published).toHaveLength(1);
    expect(states()).toEqual({ [A]: 'Terminating:Wait', [B]: 'InService', [C]: 'Pending' });
  });

  it('that is deleted lets go of what it held with CONTINUE', () => {
    model.putLifecycleHook({ ...HOOK, name: 'other' });
    model.terminateInstance(A);
    model.deleteLifecycleHook('web', 'other');
    expect(states()[A]).toBe('Terminating:Wait');
    model.deleteLifecycleHook('web', 'drain');
    expect(ended).toEqual([A]);
    model.terminateInstance(B);
    expect(ended).toEqual([A, B]);
    expect(() => model.deleteLifecycleHook('web', 'drain')).toThrow(/No Lifecycle Hook found/);
  });
});

describe('the model', () => {
  async function fleet(size: number, seed: number): Promise<string> {
    model = newModel(seed);
    model.createGroup({ ...GROUP, desiredCapacity: size, maxSize: size }, { running: true });
    model.putLifecycleHook(HOOK);
    for (const { instanceId } of model.instancesOf('web')) model.terminateInstance(instanceId);
    for (const { token } of model.pendingActions()) {
      model.recordHeartbeat({ group: 'web', hook: 'drain', token, instanceId: undefined });
    }
    await time.runUntil(() => false);
    return JSON.stringify([traced, published, model.instancesOf('web')]);
  }

  it('gives the same run for the same seed number, and another for another', async () => {
    expect(await fleet(20, 7)).toBe(await fleet(20, 7));
    expect(await fleet(20, 7)).not.toBe(await fleet(20, 8));
  });

  it('lets ten thousand instances go at once without their number making each one slower', async () => {
    const started = process.cpuUsage();
    await fleet(10_000, 1);
    expect(ended).toHaveLength(10_000);
    // A cost that grew with the number would be 10,000 × 10,000 steps, and minutes.
    expect(process.cpuUsage(started).user / 1000).toBeLessThan(5_000);
  });
});

describe('the activities of a group', () => {
  it('are those in progress first, though others are newer (facts 42 scaling-activities)', async () => {
    model.createGroup(GROUP, { running: true });
    model.putLifecycleHook({ ...HOOK, heartbeatTimeoutSeconds: 7_200 });
    model.terminateInstance(A);
    await until(10);
    model.setDesiredCapacity('web', 3);
    model.terminateInstance('i-00000000000000004'); // still Pending
    await until(300);
    expect(model.activitiesOf('web').map(({ description, status }) => [description.split(' ')[0], status])).toEqual([
      ['Terminating', 'MidTerminatingLifecycleAction'], // the second, held
      ['Terminating', 'MidTerminatingLifecycleAction'],
      ['Launching', 'Successful'],
      ['Launching', 'Cancelled'],
      ['Launching', 'Successful'],
    ]);
  });
});

describe('a Spot instance that EC2 takes', () => {
  beforeEach(() => {
    model.createGroup(GROUP, { running: true });
    model.putLifecycleHook(HOOK);
  });

  it('is warned of two minutes ahead, then goes without asking a hook, and is replaced', async () => {
    model.interruptSpotInstance(A);
    expect(published).toEqual([
      {
        source: 'aws.ec2',
        'detail-type': 'EC2 Spot Instance Interruption Warning',
        resources: [`arn:aws:ec2:eu-west-1a:instance/${A}`],
        detail: { 'instance-id': A, 'instance-action': 'terminate' },
      },
    ]);
    await until(119);
    expect(states()).toEqual({ [A]: 'InService', [B]: 'InService' });
    await until(121);
    expect(states()).toEqual({ [B]: 'InService', [C]: 'Pending' });
    expect(ended).toEqual([A]);
    expect([...model.interrupted]).toEqual([A]);
  });

  it('goes though a hook holds it', async () => {
    model.terminateInstance(A);
    model.interruptSpotInstance(A);
    model.recordHeartbeat(onA());
    await until(59);
    model.recordHeartbeat(onA());
    await until(118);
    model.recordHeartbeat(onA());
    await until(121);
    expect(ended).toEqual([A]);
    expect(model.pendingActions()).toEqual([]);
    expect(model.completions).toEqual([]);
  });

  it('was not taken if it has gone by then', async () => {
    model.terminateInstance(A);
    model.interruptSpotInstance(A);
    model.completeAction(onA(), 'CONTINUE');
    await until(121);
    expect(ended).toEqual([A]);
    expect(model.interrupted.size).toBe(0);
  });
});
