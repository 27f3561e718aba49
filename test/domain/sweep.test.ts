import { describe, expect, it } from 'vitest';
import type { Drain } from '../../src/domain/drain.ts';
import { lostAtMs, ON_THE_WAY_SECONDS } from '../../src/domain/policy.ts';
import { Unavailable } from '../../src/domain/ports.ts';
import { continueDrain, runDrain } from '../../src/domain/run-drain.ts';
import { sweep, type Territory } from '../../src/domain/sweep.ts';
import { containerInstanceOf, drainOf, fakeAws, POLICY, START_MS, type World } from '../fakes.ts';

const { instanceId } = drainOf().action;
const TERRITORY: Territory = {
  autoScalingGroups: ['web'],
  lifecycleHooks: ['another-of-ours', 'ecs-drain'],
  clusterOfGroup: new Map(),
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
    const [result] = [await aws.goOn()];
    expect(result).toMatchObject({ kind: 'parked' });
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
    expect(found).toMatchObject([{ namedCluster: 'batch', cluster: 'batch' }]);
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
  const lost = lostAtMs(0, POLICY) / 1000;

  async function parkedAndForgotten(world: World = {}) {
    const aws = forgotten({ tasks: [endless], ...world });
    await runDrain(drainOf({ heartbeats: 1 }), POLICY, aws.ports(300));
    for (const place of aws.places()) place.hasCome = true;
    return aws;
  }

  it('is alive until whatever would have continued it must have come', async () => {
    const aws = await parkedAndForgotten();
    expect((await sweepAt(aws, lost - 1)).found).toEqual([]);
  });

  it('goes on from where it was, at its own place', async () => {
    const aws = await parkedAndForgotten();
    const { found } = await sweepAt(aws, lost + 1);
    expect(found).toMatchObject([{ action: drainOf().action, startedAtMs: START_MS, heartbeats: 2, continuations: 1 }]);
    expect(aws.journal.at(-1)?.entry).toEqual({ kind: 'found', lost: 'continuation' });
    expect(aws.places()).toMatchObject([{ hasCome: false }]);
    expect(await aws.goOn()).toMatchObject({ kind: 'parked', drain: { parked: { awaitedTask: 'job' } } });
  });

  it('begins anew where what it left cannot be read', async () => {
    const aws = await parkedAndForgotten();
    const { parkingPlaces, ...ports } = aws.ports(300);
    if (!parkingPlaces) throw new Error('There is nowhere to park.');
    await ports.clock.sleepUntil(START_MS + (lost + 1) * 1000);
    const parkedOn = async () => {
      throw new Error('The continuation event cannot be understood');
    };
    const { found } = await sweep(TERRITORY, POLICY, { ...ports, parkingPlaces: { ...parkingPlaces, parkedOn } });
    expect(found).toMatchObject([{ continuations: 0, containerInstance: containerInstanceOf().arn }]);
    expect(found[0]?.action.token).toBeUndefined();
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

  it('an instance that takes none may have a drain that waits: nothing tells', async () => {
    const aws = forgotten({ ...watching, instances: [{ id: 'one', status: 'DRAINING' }] });
    expect((await sweepAt(aws, 1_000)).found).toEqual([]);
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

  it('for one instance costs the others nothing, and is told when they are done', async () => {
    const others = ['i-00000000000000001', 'i-00000000000000002'];
    const aws = forgotten({ heldInstances: [...others, instanceId] });
    const ports = aws.ports(300);
    await ports.clock.sleepUntil(START_MS + 200_000);
    const { recordHeartbeat } = ports.lifecycleActions;
    const failing = async (action: Parameters<typeof recordHeartbeat>[0]) => {
      if (action.instanceId === others[0]) throw new Error('not authorized');
      if (action.instanceId === others[1]) throw new Unavailable('throttled');
      return recordHeartbeat(action);
    };
    const lifecycleActions = { ...ports.lifecycleActions, recordHeartbeat: failing };
    await expect(sweep(TERRITORY, POLICY, { ...ports, lifecycleActions })).rejects.toThrow('not authorized');
    expect(aws.places()).toHaveLength(1);
  });
});
