import { describe, expect, it } from 'vitest';
import {
  type Drain,
  hookLimits,
  instanceIdOf,
  type LifecycleAction,
  MANAGED_DRAINING_HOOK,
} from '../../src/domain/drain.ts';
import { workOn } from '../../src/domain/evolve.ts';
import { groupNamed } from '../../src/domain/groups.ts';
import { lastingFailureIn, type SweepScope, type Swept } from '../../src/domain/lost-drains.ts';
import type { ContainerInstanceStatus } from '../../src/domain/observation.ts';
import { lostAtMs, ON_THE_WAY_SECONDS } from '../../src/domain/policy.ts';
import { type Ports, Unavailable } from '../../src/domain/ports.ts';
import { type Call, fakeAws, SCOPE, type World } from '../fakes.ts';
import { ACTION, at, containerInstanceOf, drainOf, HOOK, INSTANCE_ID, POLICY } from './samples.ts';

const OTHER = 'i-00000000000000001';
const SCHEDULE = `${INSTANCE_ID}-ecs-drain`;

/** Our one instance is held, and nothing drains it. */
const forgotten = (world: World = {}) =>
  fakeAws({ events: 'none', tasks: [{ id: 'web', stopsAtSeconds: 9_000 }], ...world });

type Aws = ReturnType<typeof fakeAws>;

async function sweptAt(aws: Aws, seconds: number, options: Parameters<Aws['sweep']>[0] = {}): Promise<Swept> {
  await aws.waitUntil(seconds);
  return aws.sweep(options);
}

const callsOfLast = (aws: Aws) => aws.invocations.at(-1)?.calls;
const drainsIn = ({ found }: Swept) => found.map(({ drain }) => drain);

describe('a sweep', () => {
  it('is one call where no instance is held', async () => {
    const aws = forgotten({ holds: [] });
    expect(await sweptAt(aws, 1_000)).toEqual({ held: 0, found: [], failures: [] });
    expect(aws.calls).toMatchObject([{ name: 'heldInstances', args: [SCOPE.autoScalingGroups] }]);
  });

  it('is two calls where the event may still be on its way', async () => {
    const aws = forgotten();
    expect(await sweptAt(aws, ON_THE_WAY_SECONDS - 1)).toEqual({ held: 1, found: [], failures: [] });
    expect(callsOfLast(aws)).toEqual(['heldInstances', 'terminatingSinceMs']);
  });

  it('leaves the instances that other events of its batch are about to the next one, for one call', async () => {
    const aws = forgotten();
    const scope = { ...SCOPE, attended: new Set([INSTANCE_ID]) };
    expect(await sweptAt(aws, 1_000, { scope })).toEqual({ held: 1, found: [], failures: [] });
    expect(callsOfLast(aws)).toEqual(['heldInstances']);
    expect(drainsIn(await sweptAt(aws, 1_060))).toMatchObject([{ action: { instanceId: INSTANCE_ID } }]);
  });

  it('needs no call for each of the drains that are parked', async () => {
    const instances = [INSTANCE_ID, OTHER].map((ec2InstanceId, i) => ({ id: `ci${i}`, ec2InstanceId }));
    const aws = forgotten({ instances, tasks: instances.map(({ id }) => ({ id, on: id, stopsAtSeconds: 9_000 })) });
    await aws.round();
    await aws.next();
    expect(await sweptAt(aws, 400)).toEqual({ held: 2, found: [], failures: [] });
    expect(callsOfLast(aws)).toEqual([
      'heldInstances',
      'terminatingSinceMs',
      'list',
      'describe',
      'hooksOf',
      'writtenAtMs',
    ]);
  });

  it('does not count a drain as alive because that of another instance is', async () => {
    const instances = [INSTANCE_ID, OTHER].map((ec2InstanceId, i) => ({ id: `ci${i}`, ec2InstanceId }));
    const aws = forgotten({ instances, tasks: [] });
    await aws.waitUntil(200);
    aws.schedules.set(`${OTHER}-ecs-drain`, {
      drain: drainOf(),
      firesAtMs: at(0),
      writtenAtMs: at(200),
      hasFired: false,
    });
    expect(drainsIn(await aws.sweep())).toMatchObject([{ action: { instanceId: INSTANCE_ID } }]);
  });

  it('asks for each group separately, and for its instances together', async () => {
    const holds = [
      { instanceId: INSTANCE_ID },
      { instanceId: OTHER, autoScalingGroup: 'batch' },
      { instanceId: 'i-2' },
    ];
    const aws = forgotten({ holds, instances: [] });
    expect((await sweptAt(aws, 200)).found).toHaveLength(3);
    expect(aws.callsNamed('list').map(({ args }) => args)).toEqual([
      ['prod', [INSTANCE_ID, 'i-2']],
      ['prod', [OTHER]],
    ]);
    expect(aws.callsNamed('hooksOf').map(({ args }) => args)).toEqual([['web'], ['batch']]);
    expect(aws.callsNamed('writtenAtMs')).toHaveLength(1); // the schedules of all groups
  });

  it('gets to the first lost drain of many groups long before its invocation ends', async () => {
    const numbers = Array.from({ length: 150 }, (_, i) => i);
    const aws = forgotten({
      instances: numbers.map((i) => ({ id: `one${i}`, ec2InstanceId: `i-${i}` })),
      holds: numbers.map((i) => ({ instanceId: `i-${i}`, autoScalingGroup: `group-${i}` })),
      callSeconds: 0.1,
    });
    const scope = { ...SCOPE, autoScalingGroups: numbers.map((i) => groupNamed(`group-${i}`)) };
    expect((await sweptAt(aws, 200, { scope })).found).toHaveLength(150);
    expect(aws.secondsOf('recordHeartbeat')[0]).toBeLessThan(200 + 20);
  });

  it('searches the cluster of the group first, and the others only for what is not there', async () => {
    const instances = [
      { id: 'one', cluster: 'batch' },
      { id: 'two', cluster: 'prod', ec2InstanceId: OTHER },
    ];
    const aws = forgotten({ instances, missingClusters: ['edge'] });
    const scope = { ...SCOPE, autoScalingGroups: [groupNamed('web', 'batch')] };
    const { found, failures } = await sweptAt(aws, 200, {
      scope,
      policy: { ...POLICY, clusters: ['prod', 'batch', 'edge'] },
    });
    expect(aws.callsNamed('list').map(({ args }) => args)).toEqual([
      ['batch', [INSTANCE_ID, OTHER]],
      ['prod', [OTHER]],
      ['edge', [OTHER]],
    ]);
    expect(found.map(({ drain }) => drain.namedCluster)).toEqual(['batch', 'batch']);
    expect(failures).toEqual([]);
  });

  it('describes nothing where nothing is registered', async () => {
    const aws = forgotten({ instances: [] });
    await sweptAt(aws, 200);
    expect(callsOfLast(aws)).not.toContain('describe');
  });
});

describe('an instance whose event was lost', () => {
  it('gets its drain, as of when Auto Scaling began to hold it', async () => {
    const aws = forgotten();
    const { found } = await sweptAt(aws, ON_THE_WAY_SECONDS);
    const action: LifecycleAction = { autoScalingGroup: 'web', lifecycleHook: 'ecs-drain', instanceId: INSTANCE_ID };
    const afterHeartbeat = { lastHeartbeatAtMs: at(ON_THE_WAY_SECONDS), heartbeats: 1 };
    expect(found).toEqual([workOn(drainOf({ action, ...afterHeartbeat }))]);
    expect(aws.telemetry).toMatchObject([{ entry: { kind: 'found', lost: 'event' } }]);
  });

  it('is drained like any other, and found once', async () => {
    const aws = forgotten({ tasks: [{ id: 'web', stopsAtSeconds: 1_000 }], events: 'all' });
    await sweptAt(aws, 200, { isContinued: true });
    await aws.waitUntil(400);
    expect((await aws.sweep()).found).toEqual([]);
    await aws.run();
    expect(aws.completion()).toMatchObject({ atSeconds: 1_000.5, holding: [] });
    expect(aws.schedules.size).toBe(0);
  });

  it('gets no second chain when its event comes after all', async () => {
    const aws = forgotten();
    await sweptAt(aws, 200, { isContinued: true });
    await aws.waitUntil(300);
    const [result] = await aws.round();
    expect(result?.kind).toBe('parked');
    await aws.next();
    expect(aws.invocations.at(-1)?.results.map(({ kind }) => kind)).toEqual(['superseded']);
    expect([...aws.schedules.keys()]).toEqual([SCHEDULE]);
  });

  it('that ECS does not know, or knows no longer, is found as well', async () => {
    for (const status of ['INACTIVE', 'DEREGISTERING'] as ContainerInstanceStatus[]) {
      expect((await sweptAt(forgotten({ instances: [{ id: 'one', status }] }), 200)).found).toHaveLength(1);
    }
    const aws = forgotten({ instances: [] });
    await sweptAt(aws, 200, { isContinued: true });
    await aws.next();
    expect(aws.finished()).toMatchObject([{ outcome: { kind: 'gone' } }]);
  });

  it('is found though Auto Scaling’s history does not have it, as of now', async () => {
    const ports = (own: Ports): Ports => ({
      ...own,
      lifecycleActions: { ...own.lifecycleActions, terminatingSinceMs: async () => new Map() },
    });
    expect(drainsIn(await sweptAt(forgotten(), 200, { ports }))).toMatchObject([{ startedAtMs: at(200) }]);
  });

  it('is asked about on our hooks alone, until one holds it', async () => {
    const hooks = ['someone-elses', 'another-of-ours', 'ecs-drain'].map((name) => ({ name }));
    const aws = forgotten({ hooks });
    expect(drainsIn(await sweptAt(aws, 200))).toMatchObject([{ action: { lifecycleHook: 'ecs-drain' } }]);
    const asked = aws
      .callsNamed('recordHeartbeat')
      .map(({ args: [action] }) => (action as LifecycleAction).lifecycleHook);
    expect(asked).toEqual(['another-of-ours', 'ecs-drain']);
  });

  it('is drained in the cluster that its hook’s metadata names, as its event would have been', async () => {
    const readMetadata: SweepScope['readMetadata'] = ({ notificationMetadata = '{}' }) =>
      JSON.parse(notificationMetadata);
    const scope = { ...SCOPE, readMetadata, autoScalingGroups: [groupNamed('web', 'batch')] };
    const named = forgotten({ hooks: [{ notificationMetadata: '{"cluster":"prod"}' }] });
    expect(drainsIn(await sweptAt(named, 200, { scope }))).toMatchObject([{ namedCluster: 'prod' }]);
    expect(drainsIn(await sweptAt(forgotten(), 200, { scope }))).toMatchObject([{ namedCluster: 'batch' }]);
  });

  it('is marked where its hook chooses ABANDON, as by its event: the group may retain it', async () => {
    const aws = forgotten();
    const scope: SweepScope = { ...SCOPE, readMetadata: () => ({ deadlineResult: 'ABANDON' }) };
    await aws.waitUntil(200);
    await aws.sweep({ scope, isContinued: true });
    await aws.next();
    expect([...aws.marks.keys()]).toEqual(['one']);
  });

  it('is left alone where its event would have been rejected for the metadata of its hook', async () => {
    const aws = forgotten();
    const scope = { ...SCOPE, readMetadata: () => undefined };
    expect((await sweptAt(aws, 200, { scope })).found).toEqual([]);
    expect(callsOfLast(aws)).not.toContain('recordHeartbeat');
  });

  it('is left alone where another’s hook holds it, long after ours was completed', async () => {
    const aws = forgotten({ holds: [{ instanceId: INSTANCE_ID, lifecycleHook: 'another' }] });
    expect((await sweptAt(aws, 1_000)).found).toEqual([]);
    expect(callsOfLast(aws)?.at(-1)).toBe('recordHeartbeat');
    expect(aws.telemetry).toEqual([]);
  });

  it('is left to its hook’s own timeout when a drain would have ended long ago', async () => {
    const policy = { ...POLICY, deadlineSeconds: 500 };
    // The deadline, the longest wait, the net under it, the way, and the hook's own timeout.
    const overSeconds = 500 + 300 + 120 + 75 + 180 + 600;
    for (const [seconds, found] of [
      [overSeconds - 0.001, 1],
      [overSeconds, 0],
    ] as const) {
      const aws = forgotten({ hook: hookLimits(600) });
      for (const second of [500, 1_000, 1_500]) {
        await aws.waitUntil(second);
        await aws.inInvocation((ports) => ports.lifecycleActions.recordHeartbeat(drainOf().action));
      }
      expect((await sweptAt(aws, seconds, { policy })).found).toHaveLength(found);
    }
  });
});

describe('a drain whose continuation was lost', () => {
  const lostSeconds = lostAtMs(at(0), HOOK, POLICY) / 1000 - at(0) / 1000;

  /** It has parked at second 0, and its schedule has fired for nothing. */
  async function parkedAndForgotten(world: World = {}, schedule = SCHEDULE) {
    const aws = forgotten(world);
    const known = { containerInstances: [{ arn: containerInstanceOf().arn, cluster: 'prod' }] };
    const parked = { schedule, untilMs: at(60), firesAtMs: at(60) };
    const drain = drainOf({ action: { ...ACTION, token: 'token' }, heartbeats: 4, continuations: 2, known, parked });
    aws.schedules.set(schedule, { drain, firesAtMs: at(60), writtenAtMs: at(0), hasFired: true });
    return { aws, drain };
  }

  it('is alive until whatever would have continued it must have come', async () => {
    expect((await sweptAt((await parkedAndForgotten()).aws, lostSeconds - 0.001)).found).toEqual([]);
    expect((await sweptAt((await parkedAndForgotten()).aws, lostSeconds)).found).toHaveLength(1);
  });

  it.each<[string, World['instances']]>([
    ['has registered again', [{ id: 'again', status: 'DRAINING' }]],
    ['is registered no more', []],
  ])('is alive as long though its instance %s', async (_, instances = []) => {
    const swept = async (seconds: number) => sweptAt((await parkedAndForgotten({ instances })).aws, seconds);
    expect((await swept(lostSeconds - 0.001)).found).toEqual([]);
    expect((await swept(lostSeconds)).found).toMatchObject([{ drain: { parked: { schedule: SCHEDULE } } }]);
  });

  it('is alive as long where an earlier version named its schedule after the registration, and moves when it goes on', async () => {
    const sweeping = async (seconds: number) => {
      const { aws } = await parkedAndForgotten({ instances: [{ id: 'one', status: 'DRAINING' }] }, 'one-ecs-drain');
      return { aws, ...(await sweptAt(aws, seconds, { isContinued: true })) };
    };
    expect((await sweeping(lostSeconds - 0.001)).found).toEqual([]);
    const { aws, found } = await sweeping(lostSeconds);
    expect(found).toMatchObject([{ drain: { continuations: 3, parked: { schedule: SCHEDULE } } }]);
    await aws.next();
    expect([...aws.schedules.keys()]).toEqual([SCHEDULE]);
  });

  it('goes on from where it was, on its own schedule', async () => {
    const { aws, drain } = await parkedAndForgotten();
    const { found } = await sweptAt(aws, lostSeconds, { isContinued: true });
    const afterHeartbeat = { lastHeartbeatAtMs: at(lostSeconds), heartbeats: 5 };
    expect(found).toEqual([workOn({ ...drain, continuations: 3, ...afterHeartbeat })]);
    expect(aws.telemetry).toMatchObject([{ entry: { kind: 'found', lost: 'continuation' } }]);
    await aws.next();
    await aws.next();
    expect(aws.callsNamed('put').map(({ args }) => args)).toEqual([[SCHEDULE, 'fired']]);
  });

  it('goes on, on its own hook alone, though another of ours is on the group', async () => {
    const { aws } = await parkedAndForgotten({ hooks: [{}, { name: 'another-of-ours' }] });
    expect((await sweptAt(aws, lostSeconds)).found).toHaveLength(1);
    expect(aws.callsNamed('recordHeartbeat')).toHaveLength(1);
  });

  it.each<[string, (aws: Aws) => Ports['schedules'] | object]>([
    ['cannot be understood', () => ({ get: () => Promise.reject(new Error('The schedule cannot be understood')) })],
    ['is of another instance', () => ({ get: async () => drainOf({ action: { ...ACTION, instanceId: OTHER } }) })],
    ['is gone', () => ({ get: async () => undefined })],
  ])('begins again where what its schedule holds %s', async (what, schedules) => {
    const { aws } = await parkedAndForgotten();
    const ports = (own: Ports) => ({ ...own, schedules: { ...own.schedules, ...schedules(aws) } }) as Ports;
    const afterHeartbeat = { lastHeartbeatAtMs: at(lostSeconds), heartbeats: 1 };
    const { token: _, ...action } = ACTION;
    expect(drainsIn(await sweptAt(aws, lostSeconds, { ports }))).toEqual([drainOf({ action, ...afterHeartbeat })]);
    const reason = 'The schedule cannot be understood';
    expect(aws.refusals()).toEqual(what === 'cannot be understood' ? [{ doing: 'load', reason }] : []);
  });

  it('is left for the next sweep where its schedule cannot be read now', async () => {
    const { aws } = await parkedAndForgotten({
      fault: ({ name }) => (name === 'get' ? new Unavailable('throttled') : undefined),
    });
    const swept = await sweptAt(aws, lostSeconds);
    expect(swept).toEqual({ held: 1, found: [], failures: [new Unavailable('throttled')] });
    expect(lastingFailureIn(swept)).toBeUndefined();
  });
});

describe('while Scheduler creates no schedules and lists them', () => {
  /** Its schedule has fired at second 60, and the message was lost. */
  function parkedBefore(broken: World) {
    const aws = forgotten({ ...broken, instances: [{ id: 'one', status: 'DRAINING' }] });
    const parked = { schedule: SCHEDULE, untilMs: at(60), firesAtMs: at(60) };
    const drain = drainOf({ hook: HOOK, parked, operator: { deadlineAtMs: at(7_200), notes: [] } });
    aws.schedules.set(SCHEDULE, { drain, firesAtMs: at(60), writtenAtMs: at(0), hasFired: true });
    return aws;
  }

  const world = (until: number): World => ({
    fault: ({ name, atSeconds }) => (name === 'put' && atSeconds < until ? new Unavailable('throttled') : undefined),
  });

  it('a drain that waits on the queue gets no second chain, sweep after sweep', async () => {
    const aws = forgotten({ ...world(1_000), tasks: [{ id: 'web', stopsAtSeconds: 900 }] });
    const ended = aws.runToEnd();
    aws.sweepEvery(60);
    expect(await ended).toMatchObject([{ kind: 'drained' }]);
    expect(aws.telemetry.filter(({ entry }) => entry.kind === 'found')).toEqual([]);
    expect(aws.completion()?.holding).toEqual([]);
  });

  it.each(['denied', 'throttled'])('a drain that was parked before gets no second chain either: %s', async (reason) => {
    const error = reason === 'denied' ? new Error(reason) : new Unavailable(reason);
    const broken = {
      tasks: [{ id: 'web', stopsAtSeconds: 3_030 }],
      fault: ({ name, atSeconds }: Call) => (name === 'put' && atSeconds > 100 ? error : undefined),
    };
    const alone = fakeAws(broken);
    await alone.runToEnd();
    const aws = fakeAws(broken);
    const ended = aws.runToEnd();
    aws.sweepEvery(60);
    expect(await ended).toMatchObject([{ kind: 'drained' }]);
    expect(aws.telemetry.filter(({ entry }) => entry.kind === 'found')).toEqual([]);
    const looks = (of: Aws) => of.callsNamed('describeTasks').length;
    expect(looks(aws)).toBe(looks(alone));
  });

  it('a drain that was parked before and is lost is found as soon as it can be parked', async () => {
    const aws = parkedBefore(world(2_000));
    expect((await sweptAt(aws, 1_999)).found).toEqual([]);
    const [found] = drainsIn(await sweptAt(aws, 2_000));
    expect(found).toMatchObject({ continuations: 1, parked: { schedule: SCHEDULE, firesAtMs: at(2_120) } });
    expect(aws.schedules.get(SCHEDULE)?.firesAtMs).toBe(at(2_120));
  });

  it.each([
    ['', undefined],
    [', also if Scheduler does not say that it is gone', new Unavailable('throttled')],
  ])('a drain whose schedule was deleted to be made again goes on with what it held%s', async (_, afterwards) => {
    const aws = parkedBefore({});
    let isDeleted = false;
    const ports = (own: Ports): Ports => {
      const put = async (_: Drain, name: string) => {
        await own.schedules?.delete(name);
        isDeleted = true;
        throw new Unavailable('throttled');
      };
      const get = async (name: string) => {
        if (isDeleted && afterwards) throw afterwards;
        return own.schedules?.get(name);
      };
      return { ...own, schedules: own.schedules && { ...own.schedules, put, get } };
    };
    expect(drainsIn(await sweptAt(aws, 2_000, { ports }))).toMatchObject([{ operator: { deadlineAtMs: at(7_200) } }]);
    expect((await sweptAt(aws, 2_060, { ports })).found).toEqual([]);
  });

  it('a drain that is lost is found as soon as it can be parked, and has a schedule from then on', async () => {
    const aws = forgotten({ ...world(400), instances: [{ id: 'one', status: 'DRAINING' }] });
    expect((await sweptAt(aws, 399)).found).toEqual([]);
    const [found] = drainsIn(await sweptAt(aws, 400));
    expect(found).toMatchObject({ heartbeats: 1, parked: { schedule: SCHEDULE } });
    expect(aws.schedules.get(SCHEDULE)?.firesAtMs).toBeGreaterThan(at(400));
    await aws.sweep();
    expect(aws.telemetry.filter(({ entry }) => entry.kind === 'found')).toHaveLength(1);
  });

  describe('a drain that is alive gets no further chain', () => {
    const refusedAfter = (seconds: number): World => ({
      fault: ({ name, atSeconds }) =>
        name === 'put' && atSeconds > seconds ? new Unavailable('throttled') : undefined,
    });
    const found = (aws: Aws) => aws.telemetry.filter(({ entry }) => entry.kind === 'found');
    /** How many messages its chains have sent until the end, beside a sweep a minute and alone. */
    async function messagesOf(world: World, options: Parameters<Aws['round']>[1] = {}, seconds = 7_300) {
      const run = async (isSwept: boolean) => {
        const aws = fakeAws(world);
        for (const drain of aws.heldDrains()) aws.send(() => ({ kind: 'drain', drain }), at(0));
        if (isSwept) aws.sweepEvery(60);
        await aws.round([], options);
        await aws.waitUntil(seconds);
        expect(found(aws)).toEqual([]);
        return aws.callsNamed('continueAt').length;
      };
      return { swept: await run(true), alone: await run(false) };
    }

    it.each([300, 3_600])('while it stops its tasks, with a deregistration delay of %i s', async (delay) => {
      const policy = { ...POLICY, stopStragglers: 'all', deregistrationDelaySeconds: delay } as const;
      const tasks = [{ id: 'web', class: 'service', stopsAtSeconds: Infinity, stopTimeoutSeconds: delay } as const];
      const { swept, alone } = await messagesOf({ ...refusedAfter(100), tasks }, { policy });
      expect(swept).toBeLessThanOrEqual(alone);
    });

    it('while ECS does not complete its own hook', async () => {
      const managed = {
        hooks: [{ name: MANAGED_DRAINING_HOOK }],
        holds: [{ instanceId: INSTANCE_ID, lifecycleHook: MANAGED_DRAINING_HOOK }],
        instances: [{ id: 'one', activeSpans: [[0, 30]] as const }],
        tasks: [{ id: 'web', stopsAtSeconds: 300 }],
      };
      const { swept, alone } = await messagesOf({ ...refusedAfter(400), ...managed });
      expect(swept).toBe(alone);
    });

    it('while a task that has freed its memory does not stop', async () => {
      const ports = (own: Ports): Ports => ({
        ...own,
        containerInstances: {
          ...own.containerInstances,
          describe: async (...given) =>
            (await own.containerInstances.describe(...given)).map((each) => ({ ...each, isEmpty: true })),
        },
      });
      const tasks = [{ id: 'web', deactivatesAtSeconds: 20, stopsAtSeconds: Infinity }];
      const { swept, alone } = await messagesOf({ ...refusedAfter(0), tasks }, { ports }, 3_000);
      expect(swept).toBe(alone);
    });

    it.each<[string, World['instances']]>([
      [
        'an instance that has drained goes on registering',
        [
          { id: 'old', status: 'DRAINING' },
          { id: 'new', status: 'REGISTERING' },
        ],
      ],
      ['an instance goes on registering', [{ id: 'new', status: 'REGISTERING' }]],
    ])('while %s', async (_, instances = []) => {
      const { swept, alone } = await messagesOf({ ...refusedAfter(-1), instances, tasks: [] }, {}, 3_600);
      expect(swept).toBe(alone);
    });

    it('while Auto Scaling refuses to complete its action: each sweep sends one message at most', async () => {
      const world: World = {
        tasks: [{ id: 'web', stopsAtSeconds: 300 }],
        fault: ({ name }) => (name === 'put' || name === 'complete' ? new Unavailable('throttled') : undefined),
      };
      const { swept, alone } = await messagesOf(world, {}, 3_600);
      // Two messages of one second arrive together, and go on as one.
      expect(swept).toBeLessThanOrEqual(alone + 60);
    });

    it('nor is it reported as lost where the sweep ends it', async () => {
      const tasks = [{ id: 'web', stopsAtSeconds: 2_999 }];
      const { swept, alone } = await messagesOf({ ...refusedAfter(250), events: 'none', tasks }, {}, 4_000);
      expect(swept).toBeLessThanOrEqual(alone);
    });
  });

  describe('a drain that is lost and never had one', () => {
    const unwritten = (tasks: NonNullable<World['tasks']>, options: Parameters<Aws['round']>[1] = {}) => {
      const aws = forgotten({ ...world(Infinity), tasks, instances: [{ id: 'one', status: 'DRAINING' }] });
      aws.sweepEvery(60);
      return aws.round([], options).then(() => aws);
    };

    it('ends when its instance is empty', async () => {
      const aws = await unwritten([{ id: 'web', stopsAtSeconds: 400 }]);
      await aws.waitUntil(500);
      expect(aws.completion()).toMatchObject({ atSeconds: 430, holding: [] });
    });

    it('has its tasks stopped with their whole grace', async () => {
      const policy = { ...POLICY, stopStragglers: 'standalone' } as const;
      const aws = await unwritten([{ id: 'job', class: 'standalone', stopsAtSeconds: Infinity }], { policy });
      await aws.waitUntil(8_000);
      const [stoppedAt = 0] = aws.secondsOf('stopTask');
      expect(aws.secondsOf('stopTask')).toHaveLength(1);
      expect(stoppedAt).toBeGreaterThanOrEqual(7_200 - 30 - 10 - 105);
      expect(stoppedAt).toBeLessThanOrEqual(7_200 - 30 - 10);
      expect(aws.completion()?.holding).toEqual([]);
    });

    it('has its tasks stopped in time where ECS drains as well', async () => {
      const aws = forgotten({
        ...world(Infinity),
        hooks: [{ name: MANAGED_DRAINING_HOOK }],
        holds: [{ instanceId: INSTANCE_ID, lifecycleHook: MANAGED_DRAINING_HOOK }],
        instances: [{ id: 'one', status: 'DRAINING' }],
        tasks: [{ id: 'job', class: 'standalone', stopsAtSeconds: Infinity, stopTimeoutSeconds: 60 }],
      });
      aws.sweepEvery(60);
      await aws.round([], { policy: { ...POLICY, stopStragglers: 'standalone', managedDrainingDeadline: 'CONTINUE' } });
      await aws.waitUntil(8_000);
      expect(aws.secondsOf('stopTask')).toHaveLength(1);
      expect(aws.secondsOf('stopTask')[0]).toBeLessThanOrEqual(7_200 - 60 - 10);
    });

    it('stops no task that its hook spares, though the round of the sweep cannot read the hook again', async () => {
      let readAt = -1;
      const isReadAgain = (atSeconds: number) => {
        const isAgain = atSeconds < readAt + 1;
        readAt = atSeconds;
        return isAgain;
      };
      const aws = forgotten({
        instances: [{ id: 'one', status: 'DRAINING' }],
        hooks: [{ limits: { ...HOOK, choices: { stopStragglers: 'none' } } }],
        tasks: [{ id: 'web', stopsAtSeconds: 9_000 }],
        fault: ({ name, atSeconds }) =>
          name === 'put' || (name === 'hooksOf' && isReadAgain(atSeconds)) ? new Unavailable('throttled') : undefined,
      });
      aws.sweepEvery(60);
      await aws.round([], { policy: { ...POLICY, stopStragglers: 'all' } });
      await aws.waitUntil(7_300);
      expect(aws.callsNamed('stopTask')).toEqual([]);
      expect(aws.completion()?.holding).toEqual(['web']);
    });

    it('ends at its deadline, within a sweep', async () => {
      const aws = await unwritten([{ id: 'web', stopsAtSeconds: Infinity }]);
      await aws.waitUntil(8_000);
      expect(aws.completion()?.atSeconds).toBeLessThanOrEqual(7_260);
      expect(aws.published.filter(({ event }) => event.kind !== 'finished')).toEqual([]);
    });
  });

  describe('a fleet that drains', () => {
    /** All are on the queue since Scheduler refuses, and each call takes 50 ms. */
    async function fleetOf(size: number, others: World['instances'] = []) {
      const drained = Array.from({ length: size }, (_, i) => ({ id: `one${i}`, ec2InstanceId: `i-${1_000 + i}` }));
      const instances = [...drained.map((each) => ({ ...each, status: 'DRAINING' }) as const), ...others];
      const aws = forgotten({
        instances,
        holds: instances.map(({ ec2InstanceId = INSTANCE_ID }) => ({ instanceId: ec2InstanceId })),
        tasks: drained.map(({ id }) => ({ id: `task-${id}`, on: id, stopsAtSeconds: 9_000 })),
        fault: ({ name }) => (name === 'put' ? new Unavailable('throttled') : undefined),
        callSeconds: 0.05,
      });
      for (const { ec2InstanceId } of drained) {
        const schedule = `${ec2InstanceId}-ecs-drain`;
        const parked = { schedule, untilMs: at(60), firesAtMs: at(60) };
        const drain = drainOf({ action: { ...ACTION, instanceId: ec2InstanceId }, hook: HOOK, parked });
        aws.schedules.set(schedule, { drain, firesAtMs: at(60), writtenAtMs: at(0), hasFired: true });
      }
      await aws.waitUntil(1_500);
      return aws;
    }

    it('is asked about in time, and Scheduler is not asked about each', async () => {
      const aws = await fleetOf(1_000);
      await aws.sweep();
      expect(aws.callsNamed('recordHeartbeat')).toHaveLength(1_000);
      expect(aws.secondsOf('recordHeartbeat').at(-1)).toBeLessThan(1_500 + 30);
      expect(aws.callsNamed('put').length).toBeLessThanOrEqual(10);
      expect(aws.refusals().length).toBeLessThanOrEqual(10);
    });

    it('comes after an instance that no one drains, and one that is empty', async () => {
      const aws = await fleetOf(20, [
        { id: 'empty', ec2InstanceId: 'i-empty', status: 'DRAINING' },
        { id: 'active', ec2InstanceId: 'i-active' },
      ]);
      const { found } = await aws.sweep();
      const first = aws.callsNamed('recordHeartbeat').slice(0, 2);
      expect(first.map(({ args: [action] }) => (action as LifecycleAction).instanceId).toSorted()).toEqual([
        'i-active',
        'i-empty',
      ]);
      expect(found).toHaveLength(2);
    });

    it('is asked about in the order of the deadlines', async () => {
      const aws = await fleetOf(30);
      const since = new Map(aws.heldDrains().map((drain, i) => [instanceIdOf(drain), at(i === 29 ? -60 : 0)]));
      const ports = (own: Ports): Ports => ({
        ...own,
        lifecycleActions: { ...own.lifecycleActions, terminatingSinceMs: async () => since },
      });
      await aws.sweep({ ports });
      const [first] = aws.callsNamed('recordHeartbeat');
      expect(first?.args).toMatchObject([{ instanceId: 'i-1029' }]);
    });
  });

  it('one that it makes and does not confirm is deleted with the drain that the sweep ends', async () => {
    const aws = fakeAws({
      events: 'none',
      instances: [{ id: 'one', status: 'DRAINING' }],
      tasks: [],
      random: [0.13, 0.71, 0.42, 0.93],
    });
    let puts = 0;
    const ports = (own: Ports): Ports => {
      const schedules = own.schedules as NonNullable<Ports['schedules']>;
      const put: typeof schedules.put = async (...args) => {
        const answer = await schedules.put(...args);
        if (puts++ === 0) throw new Unavailable('not heard');
        return answer;
      };
      return { ...own, schedules: { ...schedules, put } };
    };
    await aws.round([], { ports });
    aws.sweepEvery(60);
    await aws.waitUntil(4_000);
    expect(aws.finished().map(({ outcome }) => outcome.kind)).toEqual(['drained']);
    expect(aws.schedules.size).toBe(0);
  });

  it('one that it refuses keeps no other lost drain from being found', async () => {
    const ids = Array.from({ length: 12 }, (_, i) => `i-${String(i).padStart(2, '0')}`);
    let refusals = 1;
    const aws = fakeAws({
      events: 'none',
      instances: ids.map((id) => ({ id, ec2InstanceId: id, status: 'DRAINING' as const })),
      tasks: ids.map((id) => ({ id: `t${id}`, on: id, stopsAtSeconds: 6_000 })),
      fault: ({ name }: Call) => (name === 'put' && refusals-- > 0 ? new Unavailable('throttled') : undefined),
    });
    await aws.waitUntil(2_000);
    const lost = ['i-00', 'i-11'];
    for (const instanceId of ids) {
      const schedule = `${instanceId}-ecs-drain`;
      const [firesAtMs, writtenAtMs] = lost.includes(instanceId) ? [at(60), at(0)] : [at(2_500), at(1_950)];
      const parked = { schedule, untilMs: firesAtMs, firesAtMs, turn: 0.3 };
      const known = {
        containerInstances: [{ arn: containerInstanceOf().arn.replace('one', instanceId), cluster: 'prod' }],
      };
      const drain = drainOf({ action: { ...ACTION, instanceId }, hook: HOOK, known, parked });
      aws.schedules.set(schedule, { drain, firesAtMs, writtenAtMs, hasFired: lost.includes(instanceId) });
    }
    const { found } = await aws.sweep();
    expect(found.map(({ drain }) => instanceIdOf(drain))).toContain('i-11');
  });

  it('an instance that takes tasks is drained all the same: no one else does', async () => {
    expect((await sweptAt(forgotten(world(1_000)), 200)).found).toHaveLength(1);
  });
});

describe('where drains are not parked', () => {
  const policy = { ...POLICY, waiting: 'watch' } as const;
  const foundWith = async (statuses: readonly ContainerInstanceStatus[], registeredLastAt = 0) => {
    const comesAt = (i: number) => (i === statuses.length - 1 ? registeredLastAt : 0);
    const instances = statuses.map((status, i) => ({ id: `ci${i}`, status, comesAtSeconds: comesAt(i) }));
    const aws = forgotten({ instances });
    await sweptAt(aws, 200, { policy });
    return aws.callsNamed('continueAt').length;
  };

  it.each<[string, ContainerInstanceStatus[], number]>([
    ['still takes tasks', ['ACTIVE'], 1],
    ['takes tasks on one of its registrations', ['DRAINING', 'ACTIVE'], 1],
    ['is not known to ECS', [], 1],
    ['takes no tasks: it may have a drain that waits', ['DRAINING', 'REGISTERING'], 0],
  ])('an instance has lost its drain or not if it %s', async (_, statuses, found) => {
    expect(await foundWith(statuses)).toBe(found);
  });

  it.each<[string, ContainerInstanceStatus[], number, number]>([
    ['is alive: it looks for new registrations', ['DRAINING', 'ACTIVE'], 20.001, 0],
    ['is lost if it had three minutes to find it', ['DRAINING', 'ACTIVE'], 20, 1],
    ['is lost if no registration takes no tasks', ['ACTIVE'], 199, 1],
  ])('the drain of an instance that its agent has registered again %s', async (_, statuses, registeredAt, found) => {
    expect(await foundWith(statuses, registeredAt)).toBe(found);
  });
});

it('a lost drain begins with its message where drains are not parked, and not before the queue takes it', async () => {
  const policy = { ...POLICY, waiting: 'watch' } as const;
  const tasks = [{ id: 'web', stopsAtSeconds: 2_000 }];
  const aws = forgotten({ tasks, outages: [{ of: 'queue', span: [0, 250] }] });
  await sweptAt(aws, 200, { policy });
  expect(aws.callsNamed('setDraining')).toEqual([]);
  expect(aws.refusals()).toMatchObject([{ doing: 'park' }]);
  await sweptAt(aws, 260, { policy });
  await aws.run(() => aws.finished().length === 1);
  expect(aws.finished()).toMatchObject([{ outcome: { kind: 'drained' } }]);
});

describe('an AWS that does not answer', () => {
  it('fails the sweep where Auto Scaling does not say what is held', async () => {
    await expect(sweptAt(forgotten({ outages: [{ of: 'auto-scaling', span: [0, 999] }] }), 200)).rejects.toThrow(
      Unavailable,
    );
  });

  it.each([
    ['terminatingSinceMs', 0],
    ['list', 0],
    ['hooksOf', 0],
    ['recordHeartbeat', 0],
  ])('to %s costs one group its sweep, and the others nothing', async (call) => {
    const holds = [{ instanceId: INSTANCE_ID }, { instanceId: OTHER, autoScalingGroup: 'batch' }];
    let failures = 0;
    const fault: World['fault'] = ({ name }) =>
      name === call && failures++ === 0 ? new Unavailable('throttled') : undefined;
    const swept = await sweptAt(forgotten({ holds, fault }), 200);
    expect(swept.found).toHaveLength(1);
    expect(swept.failures).toEqual([new Unavailable('throttled')]);
  });

  it('about schedules leaves everything to the next sweep: nothing else shows which drains are alive', async () => {
    const outages: World['outages'] = [{ of: 'scheduler', span: [0, 300] }];
    const swept = await sweptAt(forgotten({ outages }), 200);
    expect(swept).toEqual({ held: 1, found: [], failures: [new Unavailable('writtenAtMs: throttled')] });
  });

  it('about one instance does not affect the others; the sweep fails with the error that does not pass', async () => {
    const denied = new Error('not authorized');
    const fault: World['fault'] = ({ name, args: [action] }) => {
      if (name !== 'recordHeartbeat') return undefined;
      const { instanceId } = action as LifecycleAction;
      return instanceId === 'i-a' ? new Unavailable('throttled') : instanceId === 'i-b' ? denied : undefined;
    };
    const holds = ['i-a', 'i-b', INSTANCE_ID].map((instanceId) => ({ instanceId }));
    const swept = await sweptAt(forgotten({ holds, fault }), 200);
    expect(drainsIn(swept)).toMatchObject([{ action: { instanceId: INSTANCE_ID } }]);
    expect(lastingFailureIn(swept)).toBe(denied);
  });

  it('fails for a cluster where ECS denies the look', async () => {
    const fault: World['fault'] = ({ name }) => (name === 'describe' ? new Error('not authorized') : undefined);
    const swept = await sweptAt(forgotten({ fault }), 200);
    expect(swept.found).toEqual([]);
    expect(lastingFailureIn(swept)).toEqual(new Error('not authorized'));
  });
});
