import { describe, expect, it } from 'vitest';
import { type Drain, hookLimits, type LifecycleAction } from '../../src/domain/drain.ts';
import { lostAtMs, ON_THE_WAY_SECONDS } from '../../src/domain/policy.ts';
import { type ParkingPlaces, Unavailable } from '../../src/domain/ports.ts';
import { continueDrain, runDrain } from '../../src/domain/run-drain.ts';
import { sweep, type Territory } from '../../src/domain/sweep.ts';
import { containerInstanceOf, drainOf, fakeAws, HOOK, POLICY, START_MS, type World } from '../fakes.ts';

const { instanceId } = drainOf().action;
const TERRITORY: Territory = {
  autoScalingGroups: ['web'],
  lifecycleHooks: ['another-of-ours', 'ecs-drain'],
  clusterOfGroup: new Map(),
  readMetadata: () => ({}),
};
const endless = { id: 'job', stopsAtSeconds: Infinity };
const parking = { lateSeconds: 0, wakeUps: false };

/** A world in which our one instance is held, and nobody has heard of it. */
const forgotten = (world: World = {}) =>
  fakeAws({ heldInstances: [instanceId], parking, tasks: [{ id: 'web', stopsAtSeconds: 1_000 }], ...world });

type Aws = ReturnType<typeof fakeAws>;

async function sweepAt(aws: Aws, seconds: number, territory = TERRITORY) {
  if (aws.now() < seconds) await aws.ports(1).clock.sleepUntil(START_MS + seconds * 1000);
  const before = aws.calls.length;
  const result = await sweep(territory, POLICY, aws.ports(300));
  return { ...result, calls: aws.calls.slice(before).map(({ name }) => name) };
}

/** A sweep after so many seconds, where the parking places do something else. */
async function sweepWith(aws: Aws, places: Partial<ParkingPlaces>, seconds = 200) {
  const { parkingPlaces, ...ports } = aws.ports(300);
  if (!parkingPlaces) throw new Error('There is nowhere to park.');
  await ports.clock.sleepUntil(START_MS + seconds * 1000);
  return sweep(TERRITORY, POLICY, { ...ports, parkingPlaces: { ...parkingPlaces, ...places } });
}

describe('a sweep', () => {
  it('is one call where no instance is held', async () => {
    const { calls, ...result } = await sweepAt(forgotten({ heldInstances: [] }), 1_000);
    expect(calls).toEqual(['heldInstances']);
    expect(result).toEqual({ kind: 'swept', held: 0, found: [] });
  });

  it('is two calls where the event may still be on its way', async () => {
    const { calls, found } = await sweepAt(forgotten(), ON_THE_WAY_SECONDS - 1);
    expect(calls).toEqual(['heldInstances', 'terminatingSinceMs']);
    expect(found).toEqual([]);
  });

  it('is four calls where every drain is parked, however many they are', async () => {
    const aws = forgotten();
    await runDrain(drainOf(), POLICY, aws.ports(300));
    const { calls, found } = await sweepAt(aws, 300);
    expect(calls).toEqual(['heldInstances', 'terminatingSinceMs', 'registrations', 'parkedAtMs']);
    expect(found).toEqual([]);
  });
});

describe('the groups', () => {
  it('are asked together for what they hold, and each for its history', async () => {
    const aws = forgotten();
    const ports = aws.ports(300);
    await ports.clock.sleepUntil(START_MS + 200_000);
    const held = [
      { autoScalingGroup: 'web', instanceId },
      { autoScalingGroup: 'batch', instanceId: 'i-00000000000000001' },
      { autoScalingGroup: 'web', instanceId: 'i-00000000000000002' },
    ];
    const lifecycleActions = { ...ports.lifecycleActions, heldInstances: async () => held };
    const result = await sweep(TERRITORY, POLICY, { ...ports, lifecycleActions });
    expect(aws.callsNamed('terminatingSinceMs').map(({ detail }) => detail)).toEqual(['web', 'batch']);
    expect(aws.callsNamed('registrations').map(({ detail }) => detail)).toEqual([
      [instanceId, 'i-00000000000000002'],
      ['i-00000000000000001'],
    ]);
    expect(result).toMatchObject({ kind: 'swept', held: 3 });
  });
});

describe('an instance whose event was lost', () => {
  it('is drained by the same path, as of when Auto Scaling began to hold it', async () => {
    const aws = forgotten();
    const { found } = await sweepAt(aws, ON_THE_WAY_SECONDS);
    expect(found).toMatchObject([
      {
        action: { instanceId, autoScalingGroup: 'web', lifecycleHook: 'ecs-drain' },
        startedAtMs: START_MS,
        continuations: 0,
      },
    ]);
    expect(aws.journal.at(-1)?.entry).toEqual({ kind: 'found', lost: 'event' });
    expect(aws.places()).toMatchObject([{ untilMs: START_MS + (ON_THE_WAY_SECONDS + 5) * 1000 }]);
    expect(aws.places()[0]?.drain.parked).toEqual({
      untilMs: START_MS + (ON_THE_WAY_SECONDS + 5) * 1000,
      containerInstances: [{ arn: containerInstanceOf().arn, cluster: 'prod' }],
      holdingTasks: [],
    });
    expect(await aws.goOn()).toMatchObject({ kind: 'parked' });
    expect(aws.callsNamed('setDraining')).toHaveLength(1);
  });

  it('has its heartbeat timeout begun anew by the one call that tells whose hook holds it', async () => {
    const aws = forgotten();
    const { found, calls } = await sweepAt(aws, 200);
    expect(calls.filter((name) => name === 'recordHeartbeat')).toHaveLength(2); // one of each hook of ours
    expect(found).toMatchObject([{ lastHeartbeatAtMs: START_MS + 200_000, heartbeats: 1 }]);
  });

  it('is found once: the next sweeps see it parked', async () => {
    const aws = forgotten();
    expect((await sweepAt(aws, 200)).found).toHaveLength(1);
    expect((await sweepAt(aws, 260)).found).toHaveLength(0);
    expect(aws.places()).toHaveLength(1);
  });

  it('gets no second drain when its event comes after all', async () => {
    const aws = forgotten();
    await sweepAt(aws, 200);
    expect(await runDrain(drainOf(), POLICY, aws.ports(300))).toEqual({ kind: 'superseded' });
    expect(aws.places()).toHaveLength(1);
  });

  it('leaves no schedule behind when it had no task', async () => {
    const aws = forgotten({ tasks: [] });
    await sweepAt(aws, 200);
    expect(await aws.goOn()).toMatchObject({ kind: 'finished', outcome: { kind: 'drained' } });
    expect(aws.places()).toEqual([]);
  });

  it('is drained in the group’s own cluster, where that was said', async () => {
    const aws = forgotten({ instances: [{ id: 'one', cluster: 'batch' }] });
    const { found } = await sweepAt(aws, 200, { ...TERRITORY, clusterOfGroup: new Map([['web', 'batch']]) });
    expect(found).toMatchObject([
      { namedCluster: 'batch', cluster: 'batch', containerInstance: containerInstanceOf().arn },
    ]);
  });

  it('is found in another cluster than its group’s own too, and its drain there is seen to be alive', async () => {
    const territory = { ...TERRITORY, clusterOfGroup: new Map([['web', 'batch']]) };
    const policy = { ...POLICY, clusters: ['batch', 'prod'] };
    const aws = forgotten();
    await runDrain(drainOf({ namedCluster: 'batch' }), policy, aws.ports(300));
    await aws.ports(1).clock.sleepUntil(START_MS + 300_000);
    expect((await sweep(territory, policy, aws.ports(300))).found).toEqual([]);
  });

  it('is looked for once in each cluster, and its group’s hooks are asked for once', async () => {
    const aws = forgotten({ heldInstances: [instanceId, 'i-00000000000000001'], parking: undefined });
    const territory = { ...TERRITORY, clusterOfGroup: new Map([['web', 'prod']]) };
    await aws.ports(1).clock.sleepUntil(START_MS + 300_000);
    await sweep(territory, { ...POLICY, clusters: ['prod', 'batch'] }, aws.ports(300));
    expect(aws.callsNamed('hooksOf')).toHaveLength(1);
    expect(aws.callsNamed('registrations').map(({ detail }) => detail)).toEqual([
      [instanceId, 'i-00000000000000001'],
      ['i-00000000000000001'],
    ]);
  });

  it('is asked for on hooks of ours alone', async () => {
    const { calls } = await sweepAt(forgotten(), 200, { ...TERRITORY, lifecycleHooks: ['ecs-drain'] });
    expect(calls.filter((name) => name === 'recordHeartbeat')).toHaveLength(1);
  });

  it('is drained in the cluster that its hook’s metadata names, as its event would have been', async () => {
    const readMetadata: Territory['readMetadata'] = ({ notificationMetadata = '{}' }) =>
      JSON.parse(notificationMetadata);
    const aws = forgotten({ hooks: { notificationMetadata: '{"cluster":"prod"}' } });
    const territory = { ...TERRITORY, readMetadata, clusterOfGroup: new Map([['web', 'batch']]) };
    expect((await sweepAt(aws, 200, territory)).found).toMatchObject([{ namedCluster: 'prod' }]);
  });

  it('is left alone where its event would have been rejected for the metadata of its hook', async () => {
    const { found, calls } = await sweepAt(forgotten(), 200, { ...TERRITORY, readMetadata: () => undefined });
    expect(found).toEqual([]);
    expect(calls).not.toContain('recordHeartbeat');
  });

  it('is left to its hook’s own timeout one such after a drain that was lost would have ended', async () => {
    const policy = { ...POLICY, deadlineSeconds: 500 };
    const hook = hookLimits(600);
    const foundAt = async (instantMs: number) => {
      const aws = forgotten({ hook });
      for (let second = 500; second <= 1_500; second += 500) {
        await aws.ports(1).clock.sleepUntil(START_MS + second * 1000);
        await aws.ports(1).lifecycleActions.recordHeartbeat(drainOf().action as LifecycleAction);
      }
      await aws.ports(1).clock.sleepUntil(instantMs);
      return (await sweep(TERRITORY, policy, aws.ports(300))).found;
    };
    const overMs = START_MS + (500 + 300 + 75 + 180 + 600) * 1000;
    expect(await foundAt(overMs)).toEqual([]);
    expect(await foundAt(overMs - 1)).toHaveLength(1);
  });

  it.each([
    ['REGISTERING', 'park'],
    ['INACTIVE', 'continueNow'],
    ['DEREGISTERING', 'continueNow'],
  ])('waits at the place of a registration that is alive: one that is %s is a reason to %s', async (status, call) => {
    const { calls } = await sweepAt(forgotten({ instances: [{ id: 'one', status }] }), 200);
    expect(calls.at(-1)).toBe(call);
  });

  it('and that ECS does not know is let go at once, without a place to wait', async () => {
    const aws = forgotten({ instances: [] });
    const { found, calls } = await sweepAt(aws, 200);
    expect(calls.at(-1)).toBe('continueNow');
    const [drain] = found;
    const result = await continueDrain(drain as Drain, POLICY, aws.ports(300));
    expect(result).toMatchObject({ outcome: { kind: 'gone' } });
  });

  it('is drained although Auto Scaling’s history does not have it', async () => {
    const aws = forgotten();
    const ports = aws.ports(300);
    const terminatingSinceMs = async () => new Map<string, number>();
    const lifecycleActions = { ...ports.lifecycleActions, terminatingSinceMs };
    const { found } = await sweep(TERRITORY, POLICY, { ...ports, lifecycleActions });
    expect(found).toMatchObject([{ startedAtMs: START_MS }]);
  });

  it('is not found where its event came at the same moment, and took the place', async () => {
    const aws = forgotten();
    const { found } = await sweepWith(aws, { park: async () => 'taken' });
    expect(found).toEqual([]);
    expect(aws.journal).toEqual([]);
  });
});

describe('an instance that another’s hook holds', () => {
  it('is left alone, however long that takes', async () => {
    const aws = forgotten({ completedAtSeconds: 100 });
    const { found, calls } = await sweepAt(aws, 1_000);
    expect(found).toEqual([]);
    expect(calls).not.toContain('park');
    expect(calls).not.toContain('continueNow');
  });
});

describe('a drain whose continuation was lost', () => {
  const lost = lostAtMs(0, HOOK, POLICY) / 1000;

  async function parkedAndForgotten(world: World = {}) {
    const aws = forgotten({ tasks: [endless], ...world });
    await runDrain(drainOf({ heartbeats: 1 }), POLICY, aws.ports(300));
    for (const place of aws.places()) place.hasCome = true;
    return aws;
  }

  it('is alive until whatever would have continued it must have come', async () => {
    const aws = await parkedAndForgotten();
    expect((await sweepAt(aws, lost - 0.001)).found).toEqual([]);
    expect((await sweepAt(aws, lost)).found).toHaveLength(1);
  });

  it('goes on from where it was, at its own place', async () => {
    const aws = await parkedAndForgotten();
    const { found } = await sweepAt(aws, lost + 1);
    expect(found).toMatchObject([{ action: drainOf().action, startedAtMs: START_MS, heartbeats: 2, continuations: 1 }]);
    expect(aws.journal.at(-1)?.entry).toEqual({ kind: 'found', lost: 'continuation' });
    expect(aws.places()).toMatchObject([{ hasCome: false, drain: { parked: { holdingTasks: [{ arn: 'job' }] } } }]);
    expect(await aws.goOn()).toMatchObject({ kind: 'parked', drain: { parked: { awaitedTask: 'job' } } });
  });

  it('goes on on its own hook alone, though another of ours is on the group', async () => {
    const { calls } = await sweepAt(await parkedAndForgotten(), lost + 1);
    expect(calls.filter((name) => name === 'recordHeartbeat')).toHaveLength(1);
  });

  it('begins anew where what it left cannot be read', async () => {
    const parkedOn = async () => {
      throw new Error('The continuation event cannot be understood');
    };
    const { found } = await sweepWith(await parkedAndForgotten(), { parkedOn }, lost + 1);
    expect(found).toMatchObject([{ continuations: 0, containerInstance: containerInstanceOf().arn }]);
    expect(found[0]?.action.token).toBeUndefined();
  });

  it('is left for the next sweep where what it left cannot be read now', async () => {
    const parkedOn = async () => {
      throw new Unavailable('throttled');
    };
    await expect(sweepWith(await parkedAndForgotten(), { parkedOn }, lost + 1)).rejects.toThrow(Unavailable);
  });

  it('begins anew where another instance’s drain is at its place', async () => {
    const other = drainOf({ action: { ...drainOf().action, instanceId: 'i-00000000000000001' }, continuations: 7 });
    const { found } = await sweepWith(await parkedAndForgotten(), { parkedOn: async () => other }, lost + 1);
    expect(found).toMatchObject([{ action: { instanceId }, continuations: 0 }]);
  });

  it('takes its own place again, whose schedule has come; one whose event was lost takes a new one', async () => {
    const taken: string[] = [];
    const park: ParkingPlaces['park'] = async (_drain, _untilMs, place) => {
      taken.push(place);
      return 'parked';
    };
    await sweepWith(await parkedAndForgotten(), { park }, lost + 1);
    await sweepWith(forgotten(), { park });
    expect(taken).toEqual(['spent', 'new']);
  });
});

describe('where drains wait within their invocations', () => {
  const watching = { parking: undefined };

  it('an instance that still takes tasks has lost its event', async () => {
    const aws = forgotten(watching);
    const { found, calls } = await sweepAt(aws, 200);
    expect(found).toMatchObject([{ continuations: 0 }]);
    expect(calls.at(-1)).toBe('continueNow');
  });

  it('an instance that ECS does not know has lost its event as well', async () => {
    const { found } = await sweepAt(forgotten({ ...watching, instances: [] }), 200);
    expect(found).toHaveLength(1);
  });

  it('an instance of which one registration still takes tasks has lost its event', async () => {
    const aws = forgotten({ ...watching, instances: [{ id: 'old', status: 'DRAINING' }, { id: 'one' }] });
    expect((await sweepAt(aws, 200)).found).toHaveLength(1);
  });

  it('an instance that takes none may have a drain that waits: nothing tells', async () => {
    const aws = forgotten({ ...watching, instances: [{ id: 'one', status: 'DRAINING' }] });
    expect((await sweepAt(aws, 1_000)).found).toEqual([]);
  });
});

describe('where heartbeats are due too often to park between them', () => {
  it('an instance that takes no tasks may have a drain that waits: nothing tells', async () => {
    const foundWith = async (heartbeatTimeoutSeconds: number) => {
      const hook = hookLimits(heartbeatTimeoutSeconds);
      return sweepAt(forgotten({ hook, instances: [{ id: 'one', status: 'DRAINING' }] }), 200);
    };
    expect((await foundWith(210)).found).toEqual([]);
    expect((await foundWith(212)).found).toHaveLength(1);
  });

  it('that is so of the hook itself, whatever the settings assume of it', async () => {
    const aws = forgotten({ hook: hookLimits(3_600), instances: [{ id: 'one', status: 'DRAINING' }] });
    await aws.ports(1).clock.sleepUntil(START_MS + 200_000);
    const { found } = await sweep(TERRITORY, { ...POLICY, heartbeatTimeoutSeconds: 210 }, aws.ports(300));
    expect(found).toHaveLength(1);
  });
});

describe('an AWS that does not answer', () => {
  it.each(['auto-scaling', 'ecs-reads', 'scheduler'] as const)(
    '(%s) ends the sweep, and starts nothing',
    async (of) => {
      const aws = forgotten({ outages: [{ of, span: [0, 9_999] }] });
      await expect(sweepAt(aws, 200)).rejects.toThrow(Unavailable);
      expect(aws.places()).toEqual([]);
    },
  );

  it('about one group costs the others nothing', async () => {
    const aws = forgotten();
    const ports = aws.ports(300);
    await ports.clock.sleepUntil(START_MS + 200_000);
    const lifecycleActions = {
      ...ports.lifecycleActions,
      heldInstances: async () => [
        { autoScalingGroup: 'batch', instanceId: 'i-00000000000000001' },
        { autoScalingGroup: 'web', instanceId },
      ],
    };
    const { registrations } = ports.containerInstances;
    const containerInstances = {
      ...ports.containerInstances,
      registrations: async (cluster: string, ids: readonly string[]) => {
        if (!ids.includes(instanceId)) throw new Error('ClusterNotFoundException');
        return registrations(cluster, ids);
      },
    };
    const swept = sweep(TERRITORY, POLICY, { ...ports, lifecycleActions, containerInstances });
    await expect(swept).rejects.toThrow('ClusterNotFound');
    expect(aws.places()).toMatchObject([{ drain: { action: { instanceId } } }]);
  });

  it.each([
    ['the failure that does not pass before one that does', new Error('not authorized'), 'not authorized'],
    ['one that passes where all do', new Unavailable('throttled too'), 'throttled'],
  ])('for one instance costs the others nothing, and is told when they are done: %s', async (_, failure, told) => {
    const others = ['i-00000000000000001', 'i-00000000000000002'];
    const aws = forgotten({ heldInstances: [...others, instanceId] });
    const ports = aws.ports(300);
    await ports.clock.sleepUntil(START_MS + 200_000);
    const { recordHeartbeat } = ports.lifecycleActions;
    const failing = async (action: Parameters<typeof recordHeartbeat>[0]) => {
      if (action.instanceId === others[0]) throw new Unavailable('throttled');
      if (action.instanceId === others[1]) throw failure;
      return recordHeartbeat(action);
    };
    const lifecycleActions = { ...ports.lifecycleActions, recordHeartbeat: failing };
    await expect(sweep(TERRITORY, POLICY, { ...ports, lifecycleActions })).rejects.toThrow(told);
    expect(aws.places()).toHaveLength(1);
  });
});
