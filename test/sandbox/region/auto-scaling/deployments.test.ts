import { beforeEach, describe, expect, it } from 'vitest';
import {
  type RollingUpdatePolicy,
  rollingUpdate,
  scaleIn,
} from '../../../../sandbox/region/auto-scaling/deployments.ts';
import { AutoScalingModel, type GroupSpec } from '../../../../sandbox/region/auto-scaling/model.ts';
import type { Deployment } from '../../../../sandbox/region/auto-scaling/steps.ts';
import { Random } from '../../../../sandbox/region/time/random.ts';
import { VirtualTime } from '../../../../sandbox/region/time/virtual-time.ts';
import type { Trace, UntimedTraceEvent } from '../../../../sandbox/region/trace.ts';

const GROUP: GroupSpec = {
  name: 'web',
  minSize: 1,
  maxSize: 20,
  desiredCapacity: 6,
  cluster: 'prod',
  memoryMiB: 4_096,
  cpuUnits: 2_048,
  launchSeconds: 100,
};
const POLICY: RollingUpdatePolicy = {
  minInstancesInService: 4,
  maxBatchSize: 2,
  pauseTimeSeconds: 300,
  waitForSignals: true,
};
const DRAIN_SECONDS = 240;

let time: VirtualTime;
let model: AutoScalingModel;
let messages: string[];
let batches: string[][];
let inService: number[];
let old: readonly string[];

/** A group whose hook holds every instance for the time of a drain. */
function start(group: Partial<GroupSpec> = {}): void {
  time = new VirtualTime(0);
  messages = [];
  batches = [];
  inService = [];
  let ids = 0;
  let lastAtMs = -1;
  const note = (event: UntimedTraceEvent) => {
    if (event.kind === 'deployment') messages.push(event.message);
    if (event.kind !== 'instance') return;
    inService.push(count('InService'));
    if (event.state !== 'Terminating:Wait') return;
    if (time.nowMs() !== lastAtMs) batches.push([]);
    lastAtMs = time.nowMs();
    batches.at(-1)?.push(event.instanceId);
    time.after(DRAIN_SECONDS, () =>
      model.completeAction({ group: 'web', hook: 'drain', token: undefined, instanceId: event.instanceId }, 'CONTINUE'),
    );
  };
  model = new AutoScalingModel({
    time,
    place: { region: 'eu-west-1', account: '123456789012', newId: () => `uuid-${++ids}` },
    random: new Random(1),
    trace: note,
    publish: () => {},
    launched: () => {},
    terminate: () => {},
    stopped: () => {},
    restarted: () => {},
  });
  old = model.createGroup({ ...GROUP, ...group }, { running: true });
  model.putLifecycleHook({ name: 'drain', group: 'web', heartbeatTimeoutSeconds: 600, defaultResult: 'CONTINUE' });
  inService.length = 0;
}

const trace: Trace = (event) => event.kind === 'deployment' && messages.push(event.message);
const count = (state: string) => model.instancesOf('web').filter((each) => each.state === state).length;
const seconds = () => time.nowMs() / 1000;
const ends = (deployment: Deployment) => time.runUntil(() => deployment.ended);
/** The refresh that the group has or had last. */
const theRefresh: Deployment = {
  get ended() {
    return model.refreshesOf('web')[0]?.ended === true;
  },
};
const isReplaced = () => model.instancesOf('web').every(({ instanceId }) => !old.includes(instanceId));

beforeEach(() => start());

describe('scale-in', () => {
  it('lets the oldest go, through their hooks, and replaces none', async () => {
    const deployment = scaleIn(model, 'web', 2);
    expect(batches).toEqual([old.slice(0, 2)]);
    expect(deployment.ended).toBe(false);
    await ends(deployment);
    expect(seconds()).toBe(DRAIN_SECONDS);
    expect(model.instancesOf('web').map(({ instanceId }) => instanceId)).toEqual(old.slice(2));
    expect(messages).toEqual(['desired capacity set from 6 to 4']);
  });

  it('does not go below the minimum', () => {
    expect(() => scaleIn(model, 'web', 6)).toThrow(/is below min value 1/);
  });
});

describe('instance refresh', () => {
  const refresh = (minHealthyPercentage: number, instanceWarmupSeconds = 30, maxHealthyPercentage = 100) => {
    model.startInstanceRefresh('web', { minHealthyPercentage, maxHealthyPercentage, instanceWarmupSeconds });
    return theRefresh;
  };

  it.each([
    [0, [6]],
    [50, [3, 3]],
    [60, [2, 2, 2]], // 3.6 of 6 are rounded up to 4.
    [90, [1, 1, 1, 1, 1, 1]],
    [100, [1, 1, 1, 1, 1, 1]],
  ])('with a minimum of %i %% healthy replaces %j at a time', async (minimum, sizes) => {
    await ends(refresh(minimum));
    expect(batches.map(({ length }) => length)).toEqual(sizes);
    expect(batches.flat()).toEqual(old);
    expect(isReplaced()).toBe(true);
    expect(count('InService')).toBe(6);
    expect(Math.min(...inService)).toBe(6 - (sizes[0] ?? 0));
    expect(messages.at(-1)).toBe('instance refresh successful: 6 instance(s) replaced');
  });

  it.each([
    [100, 110, [1, 1, 1, 1, 1, 1]], // 6.6 of 6 are rounded down, and one is launched all the same.
    [100, 150, [3, 3]],
    [100, 200, [6]],
    [50, 120, [4, 2]], // One comes first, then four of seven leave.
  ])('with %i to %i %% healthy launches first, and replaces %j at a time', async (minimum, maximum, sizes) => {
    await ends(refresh(minimum, 30, maximum));
    expect(batches.map(({ length }) => length)).toEqual(sizes);
    expect(batches.flat()).toEqual(old);
    expect(isReplaced()).toBe(true);
    expect(count('InService')).toBe(6);
    expect(Math.min(...inService)).toBe(Math.ceil((6 * minimum) / 100));
  });

  it('that launches first and is cancelled takes back what it launched', async () => {
    const deployment = refresh(100, 600, 200);
    await time.runUntil(() => seconds() > 300);
    expect(count('InService')).toBe(12);
    model.cancelInstanceRefresh('web');
    await ends(deployment);
    await time.runUntil(() => count('Terminating:Wait') === 0 && model.pendingActions().length === 0);
    expect(count('InService')).toBe(6);
  });

  it.each([
    [90, 99, /has to be from 100 to 200/],
    [90, 201, /has to be from 100 to 200/],
    [50, 160, /more than 100 above/],
  ])('is refused with %i to %i %% healthy', (minimum, maximum, words) => {
    expect(() => refresh(minimum, 30, maximum)).toThrow(words);
  });

  it('launches the replacement while it terminates, and moves on when that is in service and warm', async () => {
    const deployment = refresh(90, 60);
    await time.runUntil(() => batches.length === 1);
    expect([count('Terminating:Wait'), count('Pending'), count('InService')]).toEqual([1, 1, 5]);
    await time.runUntil(() => batches.length === 2);
    const [first] = model.instancesOf('web').filter(({ instanceId }) => !old.includes(instanceId));
    const warmAt = (first?.inServiceAtMs ?? 0) / 1000 + 60;
    expect(seconds()).toBeGreaterThanOrEqual(warmAt);
    expect(seconds()).toBeLessThanOrEqual(warmAt + 5);
    expect(deployment.ended).toBe(false);
  });

  it('ends when the last old instance is gone, however long its hook holds it', async () => {
    await ends(refresh(0, 0));
    expect(seconds()).toBe(DRAIN_SECONDS);
  });

  it('goes on when a replacement is lost meanwhile', async () => {
    const deployment = refresh(90);
    await time.runUntil(() => seconds() >= 50);
    model.terminateInstance('i-00000000000000007', { skipHooks: true });
    await ends(deployment);
    expect(isReplaced()).toBe(true);
  });

  it('refuses an invalid percentage', () => {
    expect(() => refresh(101)).toThrow(/from 0 to 100/);
    expect(() => refresh(Number.NaN)).toThrow(/from 0 to 100/);
  });
});

describe('a CloudFormation rolling update', () => {
  const update = (policy: Partial<RollingUpdatePolicy> = {}) =>
    rollingUpdate(model, time, 'web', { ...POLICY, ...policy }, trace);

  it('replaces batch by batch, and never has fewer in service than MinInstancesInService', async () => {
    await ends(update());
    expect(batches).toEqual([old.slice(0, 2), old.slice(2, 4), old.slice(4, 6)]);
    expect(Math.min(...inService)).toBe(4);
    expect(isReplaced()).toBe(true);
    expect(count('InService')).toBe(6);
    expect(messages.at(-1)).toBe('Rolling update complete: 6 instance(s) replaced.');
  });

  it('the seed: one instance is kept in service by a second, which signals before the old one goes', async () => {
    start({ desiredCapacity: 1, maxSize: 2 });
    const deployment = update({ minInstancesInService: 1, maxBatchSize: 1 });
    expect(model.group('web').desiredCapacity).toBe(2);
    expect(batches).toEqual([]);
    await time.runUntil(() => batches.length === 1);
    const { inServiceAtMs = 0 } = model.instance('i-00000000000000002') ?? {};
    expect(inServiceAtMs).toBeGreaterThan(90_000);
    expect(seconds()).toBeGreaterThanOrEqual(inServiceAtMs / 1000 + 5);
    await ends(deployment);
    expect(model.instancesOf('web')).toMatchObject([{ instanceId: 'i-00000000000000002', state: 'InService' }]);
    expect(model.group('web').desiredCapacity).toBe(1);
    expect(messages).toEqual([
      'Rolling update initiated. Terminating 1 obsolete instance(s) in batches of 1, while keeping at least 1 instance(s) in service.',
      'Temporarily setting autoscaling group DesiredCapacity to 2.',
      'desired capacity set from 1 to 2',
      'Terminating instance(s) [i-00000000000000001].',
      'Successfully terminated instance(s) [i-00000000000000001] (Progress 100%).',
      'Rolling update complete: 1 instance(s) replaced.',
    ]);
  });

  it('raises the group by what MinInstancesInService and a batch need, and launches no more than it replaces', async () => {
    start({ desiredCapacity: 3 });
    await ends(update({ minInstancesInService: 3, maxBatchSize: 1 }));
    expect(batches).toHaveLength(3);
    expect(Math.min(...inService)).toBe(3);
    // One more at first, and no replacement in the last batch: 3 old and 3 new.
    expect(model.instance('i-00000000000000006')?.state).toBe('InService');
    expect(model.instance('i-00000000000000007')).toBeUndefined();
    expect(model.group('web').desiredCapacity).toBe(3);
  });

  it('scales back what only a smaller last batch leaves over', async () => {
    start({ desiredCapacity: 5 });
    await ends(update({ minInstancesInService: 5, maxBatchSize: 2 }));
    expect(batches.map(({ length }) => length)).toEqual([2, 2, 1, 1]);
    expect(count('InService')).toBe(5);
    expect(isReplaced()).toBe(true);
    expect(model.instancesOf('web')).toHaveLength(5);
  });

  it('makes the batches smaller where MaxSize leaves no room, as with 6 to keep of at most 9', async () => {
    start({ maxSize: 9 });
    const deployment = update({ minInstancesInService: 6, maxBatchSize: 6 });
    expect(model.group('web').desiredCapacity).toBe(9);
    await ends(deployment);
    expect(batches.map(({ length }) => length)).toEqual([3, 3]);
  });

  it('waits for the old to be gone and the new to have signaled before the next batch', async () => {
    update();
    expect([count('Terminating:Wait'), count('Pending')]).toEqual([2, 2]);
    await time.runUntil(() => batches.length === 2);
    expect(seconds()).toBeGreaterThanOrEqual(DRAIN_SECONDS);
    expect(seconds()).toBeLessThanOrEqual(DRAIN_SECONDS + 5);
    start({ launchSeconds: 500 });
    update({ pauseTimeSeconds: 900 });
    await time.runUntil(() => batches.length === 2);
    const signalledAt = Math.max(...model.instancesOf('web').map(({ inServiceAtMs = 0 }) => inServiceAtMs / 1000)) + 5;
    expect(seconds()).toBeGreaterThanOrEqual(signalledAt);
    expect(seconds()).toBeLessThanOrEqual(signalledAt + 5);
  });

  it('fails when a signal does not come within the pause time, and terminates no more', async () => {
    start({ launchSeconds: 10_000 });
    const deployment = update({ pauseTimeSeconds: 300 });
    await ends(deployment);
    expect(seconds()).toBe(DRAIN_SECONDS + 300);
    expect(batches).toHaveLength(1);
    expect(messages.at(-1)).toBe(
      'Rolling update failed: Failed to receive 2 resource signal(s) for the current batch.',
    );
  });

  it('pauses after each batch where it does not wait for signals', async () => {
    update({ waitForSignals: false, pauseTimeSeconds: 1_000 });
    await time.runUntil(() => batches.length === 2);
    expect(seconds()).toBe(DRAIN_SECONDS + 1_000);
  });

  it('refuses to keep as many in service as the group can have', () => {
    expect(() => update({ minInstancesInService: 20 })).toThrow(/must be less than the group's MaxSize \(20\)/);
    expect(() => update({ maxBatchSize: 0 })).toThrow(/MaxBatchSize \(0\)/);
    expect(model.instancesOf('web')).toHaveLength(6);
  });
});

it('facts 21 when-hooks-run: each of them runs the hooks of what it terminates', async () => {
  for (const run of [
    () => scaleIn(model, 'web', 1),
    () => {
      model.startInstanceRefresh('web', { minHealthyPercentage: 50, instanceWarmupSeconds: 0 });
      return theRefresh;
    },
    () => rollingUpdate(model, time, 'web', POLICY, trace),
  ]) {
    start();
    await ends(run());
    const gone = old.filter((id) => model.instance(id)?.state === 'Terminated');
    expect(gone.length).toBeGreaterThan(0);
    expect(model.completions.map(({ instanceId }) => instanceId)).toEqual(gone);
  }
});

it('replaces a thousand instances in little time', async () => {
  start({ desiredCapacity: 1_000, maxSize: 2_000 });
  const started = process.cpuUsage();
  await ends(rollingUpdate(model, time, 'web', { ...POLICY, minInstancesInService: 900, maxBatchSize: 100 }, trace));
  expect(isReplaced()).toBe(true);
  expect(process.cpuUsage(started).user / 1000).toBeLessThan(5_000);
});
