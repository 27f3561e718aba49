import { describe, expect, it } from 'vitest';
import type { Drain } from '../../src/domain/drain.ts';
import { type Mark, markOf, type Trigger } from '../../src/domain/mark.ts';
import type { Policy } from '../../src/domain/policy.ts';
import { type Ports, Unavailable } from '../../src/domain/ports.ts';
import { fakeAws, type World } from '../fakes.ts';
import { at, containerInstanceOf, drainOf, INSTANCE_ID, noticeDrainOf, POLICY } from './samples.ts';

const ARN = containerInstanceOf().arn;
const WATCH: Policy = { ...POLICY, waiting: 'watch' };
const mark = (trigger: Trigger = 'lifecycle-action'): Mark => ({ trigger, atMs: at(0) });

/** One marked registration that is DRAINING and that nothing holds. */
const staying = (world: World = {}, trigger?: Trigger) =>
  fakeAws({ instances: [{ id: 'one', status: 'DRAINING', mark: mark(trigger) }], holds: [], events: 'none', ...world });

type Aws = ReturnType<typeof fakeAws>;

async function sweptAt(aws: Aws, seconds: number, options: Parameters<Aws['giveBack']>[0] = {}) {
  await aws.waitUntil(seconds);
  return aws.giveBack(options);
}

const statusIn = (aws: Aws) => aws.containerInstance('one').status;

describe('the mark of a drain', () => {
  it.each<[string, Drain, Partial<Policy>, Trigger | undefined]>([
    ['none, where Auto Scaling terminates the instance', drainOf(), {}, undefined],
    [
      'of the lifecycle action, where the root volume is replaced',
      drainOf({ staysInGroup: true }),
      {},
      'lifecycle-action',
    ],
    [
      'of the lifecycle action, where it may be abandoned and retained',
      drainOf(),
      { deadlineResult: 'ABANDON' },
      'lifecycle-action',
    ],
    [
      'of the lifecycle action, where the metadata of the hook chooses to abandon it',
      drainOf({ mayBeRetained: true }),
      {},
      'lifecycle-action',
    ],
    ['of a rebalance recommendation', noticeDrainOf('rebalance-recommendation'), {}, 'rebalance-recommendation'],
    ['of a Spot interruption, which may only stop the instance', noticeDrainOf(), {}, 'spot-interruption'],
  ])('is %s', (_, drain, policy, trigger) => {
    expect(markOf(drain, { ...POLICY, ...policy })).toBe(trigger);
  });
});

describe('an instance that stays in service', () => {
  it('is ACTIVE again, its mark is gone, and log, metric and bus say so', async () => {
    const aws = staying();
    const { returned, failures } = await sweptAt(aws, 60);
    expect(failures).toEqual([]);
    expect(returned).toEqual([
      {
        instanceId: INSTANCE_ID,
        containerInstance: { arn: ARN, cluster: 'prod' },
        autoScalingGroup: 'web',
        trigger: 'lifecycle-action',
        drainingSinceMs: at(0),
        returnedAtMs: at(60),
      },
    ]);
    expect([statusIn(aws), aws.marks.size]).toEqual(['ACTIVE', 0]);
    expect(aws.publishedReturns).toEqual(returned);
    expect(aws.returns).toMatchObject([{ returned: returned[0] }]);
    expect(aws.calls.map(({ name }) => name)).toEqual([
      'marked',
      'placesOf',
      'parkedOn',
      'placesOf',
      'setActive',
      'unmark',
      'publishReturns',
    ]);
    expect((await aws.giveBack()).returned).toEqual([]); // once
  });

  it.each([
    'Terminating:Wait',
    'ReplacingRootVolume:Wait',
    'RootVolumeReplaced',
    'Pending',
    'Standby',
    'Terminating:Retained',
    'Warmed:Stopped',
  ])('is not one that is %s', async (state) => {
    const aws = staying({ lifecycleState: () => state });
    expect((await sweptAt(aws, 10_000)).returned).toEqual([]);
    expect([statusIn(aws), aws.marks.size]).toEqual(['DRAINING', 1]);
  });

  it('is returned once it has been launched from a warm pool', async () => {
    const lifecycleState = (_: string, seconds: number) => (seconds < 5_000 ? 'Warmed:Stopped' : 'InService');
    const aws = staying({ lifecycleState }, 'rebalance-recommendation');
    expect((await sweptAt(aws, 4_000)).returned).toEqual([]);
    expect((await sweptAt(aws, 5_000)).returned).toMatchObject([{ instanceId: INSTANCE_ID }]);
  });

  it('is not returned while the answer of Auto Scaling may be out of date', async () => {
    const aws = staying();
    expect((await sweptAt(aws, 59)).returned).toEqual([]);
    expect(aws.calls.map(({ name }) => name)).toEqual(['marked']);
  });

  it('is returned once its agent is connected, and an old registration that the reboot left behind never', async () => {
    const aws = staying({
      instances: [
        { id: 'old', status: 'DRAINING', mark: mark(), silences: [[0, Infinity]] },
        { id: 'one', status: 'DRAINING', mark: mark(), silences: [[0, 300]] },
      ],
    });
    expect((await sweptAt(aws, 299)).returned).toEqual([]);
    expect((await sweptAt(aws, 300)).returned).toMatchObject([{ containerInstance: { arn: ARN } }]);
    expect((await sweptAt(aws, 9_000)).returned).toEqual([]);
    expect(aws.containerInstance('old').status).toBe('DRAINING');
  });

  it('is not one that Auto Scaling begins to terminate while the sweep asks whether its drain has ended', async () => {
    const aws = staying({
      callSeconds: 2,
      lifecycleState: (_, seconds) => (seconds < 65 ? 'InService' : 'Terminating:Wait'),
    });
    expect((await sweptAt(aws, 60)).returned).toEqual([]);
    expect(statusIn(aws)).toBe('DRAINING');
  });

  it('is not one that a person has set to DRAINING', async () => {
    const aws = staying({ instances: [{ id: 'one', status: 'DRAINING' }] });
    expect((await sweptAt(aws, 10_000)).returned).toEqual([]);
    expect(aws.calls.map(({ name }) => name)).toEqual(['marked']);
  });

  it.each<[Trigger, string]>([
    ['rebalance-recommendation', 'ACTIVE'],
    ['spot-interruption', 'ACTIVE'],
    ['lifecycle-action', 'DRAINING'], // someone has detached it
  ])('is ACTIVE again outside of every group only after a notice: %s', async (trigger, status) => {
    const aws = staying({ lifecycleState: () => undefined }, trigger);
    await sweptAt(aws, 900);
    expect(statusIn(aws)).toBe(status);
  });
});

describe('an instance that EC2 gave notice of', () => {
  const notice = noticeDrainOf('rebalance-recommendation');

  it('is left to be replaced for a quarter of an hour', async () => {
    const aws = staying({}, 'rebalance-recommendation');
    expect((await sweptAt(aws, 899)).returned).toEqual([]);
    expect((await sweptAt(aws, 900)).returned).toMatchObject([{ trigger: 'rebalance-recommendation' }]);
  });

  it('is not returned while its drain goes on', async () => {
    const aws = fakeAws({ holds: [], events: 'none', tasks: [{ id: 'job', stopsAtSeconds: 2_000 }] });
    aws.send(() => ({ kind: 'drain', drain: notice }), at(0));
    expect((await sweptAt(aws, 1_500)).returned).toEqual([]);
    expect(statusIn(aws)).toBe('DRAINING');
    await aws.run(() => aws.finished().length === 1);
    expect((await aws.giveBack()).returned).toHaveLength(1);
  });

  it('is not returned while its drain goes on, though a lifecycle action that is over had set it to DRAINING', async () => {
    const aws = staying({ tasks: [{ id: 'job', stopsAtSeconds: 2_000 }] });
    aws.send(() => ({ kind: 'drain', drain: notice }), at(0));
    expect((await sweptAt(aws, 60)).returned).toEqual([]);
    await aws.run(() => aws.finished().length === 1);
    expect((await aws.giveBack()).returned).toHaveLength(1);
  });

  it('is not returned while its drain goes on, whichever of its registrations sorts first', async () => {
    for (const id of ['a', 'z']) {
      const old: World = { instances: [{ id, silences: [[0, Infinity]] }, { id: 'one' }] };
      const aws = fakeAws({
        ...old,
        holds: [],
        events: 'none',
        tasks: [{ id: 'job', on: 'one', stopsAtSeconds: 2_000 }],
      });
      aws.send(() => ({ kind: 'drain', drain: notice }), at(0));
      expect(await sweptAt(aws, 1_500)).toEqual({ returned: [], failures: [] });
      expect(statusIn(aws)).toBe('DRAINING');
    }
  });

  it('is returned after its deadline though its drain was lost and has left its schedule', async () => {
    const aws = fakeAws({ holds: [], events: 'none', tasks: [{ id: 'job', stopsAtSeconds: Infinity }] });
    await aws.round([{ kind: 'drain', drain: notice }]);
    const [name = ''] = aws.schedules.keys();
    const left = aws.schedules.get(name);
    if (left) aws.schedules.set(name, { ...left }); // The fakes do not fire a copy.
    expect((await sweptAt(aws, POLICY.deadlineSeconds)).returned).toEqual([]);
    expect((await sweptAt(aws, POLICY.deadlineSeconds + 300)).returned).toHaveLength(1);
  });

  it('is not returned before its deadline where nothing shows whether its drain goes on', async () => {
    const aws = staying({}, 'rebalance-recommendation');
    expect((await sweptAt(aws, POLICY.deadlineSeconds - 1, { policy: WATCH })).returned).toEqual([]);
    expect((await sweptAt(aws, POLICY.deadlineSeconds, { policy: WATCH })).returned).toHaveLength(1);
  });

  it('is left alone for now where one of its schedules cannot be read, which may hold a drain', async () => {
    const aws = staying({});
    const unread = new Unavailable('throttled');
    // The drain of the lifecycle action that is over left its schedule.
    const ports = (own: Ports): Ports => ({
      ...own,
      schedules: own.schedules && { ...own.schedules, parkedOn: async () => [drainOf(), unread] },
    });
    expect(await sweptAt(aws, 940, { ports })).toEqual({ returned: [], failures: [unread] });
    expect(statusIn(aws)).toBe('DRAINING');
    expect((await sweptAt(aws, 960, { ports: (own) => own })).returned).toHaveLength(1);
  });

  it('is left alone for now where the schedules do not answer', async () => {
    const aws = staying({ outages: [{ of: 'scheduler', span: [0, 950] }] }, 'rebalance-recommendation');
    expect(await sweptAt(aws, 940)).toMatchObject({ returned: [], failures: [{ message: 'parkedOn: throttled' }] });
    expect((await sweptAt(aws, 960)).returned).toHaveLength(1);
  });
});

describe('a mark on an instance that takes tasks', () => {
  const active = () => staying({ instances: [{ id: 'one', mark: mark() }] });

  it('is removed, so that a later DRAINING of a person’s is not taken for ours', async () => {
    const aws = active();
    await sweptAt(aws, 180);
    expect(aws.marks.size).toBe(0);
    expect(aws.calls.map(({ name }) => name)).toEqual(['marked', 'unmark']);
  });

  it('stays while the invocation that has set it may be about to set DRAINING', async () => {
    const aws = active();
    await sweptAt(aws, 179);
    expect(aws.marks.size).toBe(1);
  });
});

describe('what fails while instances are returned', () => {
  const two: World = {
    instances: ['prod', 'staging'].map((cluster) => ({ id: cluster, cluster, status: 'DRAINING', mark: mark() })),
  };
  const policy = { ...POLICY, clusters: ['prod', 'staging'] };

  it.each(['marked', 'setActive', 'unmark'])(
    'is reported, and does not affect the other clusters: %s',
    async (name) => {
      const aws = staying({
        ...two,
        fault: (call) => (call.name === name && call.args[0] === 'prod' ? new Error(`no ${name}`) : undefined),
      });
      const { returned, failures } = await sweptAt(aws, 60, { policy });
      expect(failures).toMatchObject([{ message: `no ${name}` }]);
      expect(returned.map(({ containerInstance: { cluster } }) => cluster)).toContain('staging');
      expect(aws.containerInstance('staging').status).toBe('ACTIVE');
    },
  );

  it('affects at most ten instances of a cluster, and the others are reported', async () => {
    const instances = Array.from({ length: 12 }, (_, i) => ({ id: `ci${i}`, ec2InstanceId: `i-${i}` }));
    const aws = staying({
      instances: instances.map((each) => ({ ...each, status: 'DRAINING', mark: mark() })),
      fault: (call) =>
        call.name === 'setActive' && (call.args[1] as string[]).some((arn) => arn.endsWith('ci0'))
          ? new Error('no setActive')
          : undefined,
    });
    const { returned, failures } = await sweptAt(aws, 60);
    expect(failures).toMatchObject([{ message: 'no setActive' }]);
    expect(returned.map(({ instanceId }) => instanceId)).toEqual(['i-10', 'i-11']);
    expect(aws.marks.size).toBe(10);
  });

  it('is nothing where a cluster does not exist', async () => {
    const aws = staying({ instances: [], missingClusters: ['staging'] });
    expect(await sweptAt(aws, 60, { policy })).toEqual({ returned: [], failures: [] });
  });

  it('is the state of the instances: none is touched', async () => {
    const aws = staying({ outages: [{ of: 'auto-scaling', span: [0, 100] }] });
    expect(await sweptAt(aws, 60)).toMatchObject({ returned: [], failures: [{ message: 'placesOf: throttled' }] });
    expect(statusIn(aws)).toBe('DRAINING');
  });

  it('is an event that the bus does not take: it is recorded, and the instance serves', async () => {
    const aws = staying({ outages: [{ of: 'bus', span: [0, 100] }] });
    expect((await sweptAt(aws, 60)).returned).toHaveLength(1);
    expect(aws.returns.map(({ unpublished }) => unpublished)).toEqual([undefined, 'publishReturns: throttled']);

    const partly = staying();
    const publishReturns = async () => [new Error('too large')];
    const ports = (own: Ports) => ({ ...own, events: { ...own.events, publishReturns } });
    await sweptAt(partly, 60, { ports });
    expect(partly.returns.at(-1)?.unpublished).toBe('too large');
  });

  it('is a crash after ECS has set the instance to ACTIVE: the mark that is left goes with a later sweep', async () => {
    const aws = staying({ crashes: [5] });
    await sweptAt(aws, 60);
    expect([statusIn(aws), aws.marks.size]).toEqual(['ACTIVE', 1]);
    await sweptAt(aws, 200);
    expect([statusIn(aws), aws.marks.size]).toEqual(['ACTIVE', 0]);
  });
});

describe('a drain whose instance may stay', () => {
  const [root, ordinary] = [drainOf({ staysInGroup: true }), drainOf()];
  const begun = async (drain: Drain, world: World = {}, policy: Policy = POLICY) => {
    const aws = fakeAws({ tasks: [{ id: 'web', stopsAtSeconds: 1_000 }], ...world });
    await aws.round([{ kind: 'drain', drain }], { policy });
    return aws;
  };
  const namesIn = (aws: Aws) => aws.calls.slice(0, 5).map(({ name }) => name);

  it('marks it right before it is set to DRAINING', async () => {
    const aws = await begun(root);
    expect(namesIn(aws).slice(0, 4)).toEqual(['list', 'describe', 'mark', 'setDraining']);
    expect(aws.marks).toEqual(new Map([['one', { trigger: 'lifecycle-action', atMs: at(0) }]]));
  });

  it('is not marked, and asks ECS nothing more, where Auto Scaling terminates it', async () => {
    const aws = await begun(ordinary);
    expect(namesIn(aws).slice(0, 2)).toEqual(['list', 'setDraining']);
    expect(aws.callsNamed('mark')).toEqual([]);
  });

  it('does not mark what someone else has set to DRAINING', async () => {
    const instances = [{ id: 'theirs', status: 'DRAINING' as const }, { id: 'ours' }];
    const aws = await begun(root, { instances });
    expect([...aws.marks.keys()]).toEqual(['ours']);
    expect(aws.callsNamed('setDraining').map(({ args }) => args[1])).toEqual([[ARN.replace('one', 'ours')]]);
    const settled = await begun(root, { instances: instances.slice(0, 1) });
    expect(settled.callsNamed('mark')).toEqual([]);
    expect(settled.callsNamed('setDraining')).toEqual([]);
  });

  it('shares its calls with the others of its round, each with its own mark', async () => {
    const aws = fakeAws({ instances: [1, 2, 3].map((n) => ({ id: `ci${n}`, ec2InstanceId: `i-0000000${n}` })) });
    const held = (n: number, stays: boolean) =>
      drainOf({ action: { ...root.action, instanceId: `i-0000000${n}` }, ...(stays && { staysInGroup: true }) });
    await aws.round([held(1, true), held(2, true), held(3, false)].map((drain) => ({ kind: 'drain', drain })));
    expect(aws.callsNamed('mark').map(({ args }) => (args[1] as string[]).length)).toEqual([2]);
    expect(
      aws
        .callsNamed('setDraining')
        .map(({ args }) => (args[1] as string[]).length)
        .toSorted(),
    ).toEqual([1, 2]);
  });

  it('is not set to DRAINING while ECS does not take the mark', async () => {
    const fault = ({ name, atSeconds }: { name: string; atSeconds: number }) => name === 'mark' && atSeconds < 1;
    const { Unavailable } = await import('../../src/domain/ports.ts');
    const aws = await begun(root, { fault: (call) => (fault(call) ? new Unavailable('mark: throttled') : undefined) });
    expect([statusIn(aws), aws.marks.size]).toEqual(['ACTIVE', 0]);
    await aws.next();
    expect([statusIn(aws), aws.marks.size]).toEqual(['DRAINING', 1]);
  });

  it('is drained without a mark where the role may not set it, which is reported', async () => {
    const aws = await begun(root, {
      fault: ({ name }) => (name === 'mark' ? new Error('mark: not authorized') : undefined),
    });
    expect(statusIn(aws)).toBe('DRAINING');
    expect(aws.refusals()).toContainEqual({ doing: 'mark', reason: 'mark: not authorized' });
  });

  it('reports that only of its own mark, not of that of another drain of the round', async () => {
    const instances = [1, 2].map((n) => ({ id: `ci${n}`, ec2InstanceId: `i-0000000${n}` }));
    const aws = fakeAws({
      instances: instances.map((each, i) => (i === 0 ? each : { ...each, status: 'DRAINING' })),
      fault: ({ name }) => (name === 'mark' ? new Error('mark: not authorized') : undefined),
    });
    const drains = [1, 2].map((n) => ({ ...root, action: { ...root.action, instanceId: `i-0000000${n}` } }));
    await aws.round(drains.map((drain) => ({ kind: 'drain', drain })));
    const refusals = aws.telemetry.filter(({ entry }) => entry.kind === 'refused' && entry.doing === 'mark');
    expect(refusals.map(({ drain }) => drain)).toMatchObject([{ action: { instanceId: 'i-00000001' } }]);
  });

  it('is not drained again when someone else has completed its action and it serves again', async () => {
    const aws = await begun(root, { events: 'none', holds: [{ instanceId: INSTANCE_ID, completedAtSeconds: 100 }] });
    await aws.waitUntil(200);
    expect((await aws.giveBack()).returned).toHaveLength(1);
    await aws.run(() => aws.finished().length === 1);
    expect(aws.finished()).toMatchObject([{ outcome: { kind: 'already-completed' } }]);
    expect(aws.callsNamed('setDraining')).toHaveLength(1);
    expect(statusIn(aws)).toBe('ACTIVE');
  });

  it('is not drained by an event that comes again when all is over and it serves again', async () => {
    const aws = await begun(root, { tasks: [] });
    await aws.run(() => aws.finished().length === 1);
    await aws.waitUntil(100);
    await aws.giveBack();
    expect(await aws.round([{ kind: 'drain', drain: root }])).toMatchObject([
      { outcome: { kind: 'already-completed' } },
    ]);
    expect([statusIn(aws), aws.callsNamed('setDraining').length]).toEqual(['ACTIVE', 1]);
  });

  it('is set to DRAINING again while its action is pending, though someone has set it to ACTIVE', async () => {
    const aws = await begun(root, { events: 'none' });
    await aws.waitUntil(100);
    await aws.inInvocation(({ containerInstances }) => containerInstances.setActive('prod', [ARN]));
    await aws.run(() => aws.callsNamed('setDraining').length === 2);
    expect(statusIn(aws)).toBe('DRAINING');
  });
});
