import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Drain } from '../../src/domain/drain.ts';
import { Unavailable } from '../../src/domain/ports.ts';
import { continueDrain, runDrain } from '../../src/domain/run-drain.ts';
import { containerInstanceOf, drainOf, fakeAws, HOOK, POLICY, START_MS } from '../fakes.ts';

const endless = { id: 'job', stopsAtSeconds: Infinity };
const parking = { lateSeconds: 0, wakeUps: false };
const AT_MS = START_MS + 1_000_000;
const [one] = [containerInstanceOf().arn];

/** What an honest drain would say of itself after 1,000 seconds. */
const handedOver = drainOf({ continuations: 3, announced: 'started', hook: HOOK, lastHeartbeatAtMs: AT_MS - 1 });

const notice = { notice: 'rebalance-recommendation', instanceId: 'i-0123456789abcdef0', token: 'event-1' } as const;

const refusalsIn = ({ journal }: ReturnType<typeof fakeAws>) =>
  journal.flatMap(({ entry: { kind, ...refused } }) => (kind === 'refused' ? [refused] : []));

/** A world in which 1,000 seconds have passed. */
async function later(world: Parameters<typeof fakeAws>[0]) {
  const aws = fakeAws({ instances: [{ id: 'one', status: 'DRAINING' }], ...world });
  await aws.ports(1).clock.sleepUntil(AT_MS);
  return aws;
}

/** Auto Scaling, where nothing is pending. */
function completedActions(aws: ReturnType<typeof fakeAws>) {
  const { lifecycleActions } = aws.ports(300);
  return { ...lifecycleActions, recordHeartbeat: async () => 'already-completed' as const };
}

describe('a continuation of a drain that left itself at its place', () => {
  it('only says whose turn it is: the drain goes on as it left itself', async () => {
    const aws = fakeAws({ parking, tasks: [endless] });
    const parked = await runDrain(drainOf(), POLICY, aws.ports(300));
    const kept = parked.kind === 'parked' ? parked.drain : drainOf();
    const forged = { ...kept, startedAtMs: 0, continuations: 1_999, heartbeats: 77, parked: undefined };
    const result = await continueDrain(forged, POLICY, aws.ports(300));
    expect(result).toMatchObject({ kind: 'parked', drain: { startedAtMs: START_MS, continuations: 1, heartbeats: 0 } });
    expect(aws.completion()).toBeUndefined();
  });

  it('looks at the pace that it had reached, within the bounds of the policy', async () => {
    const looksAfter = async (pollIntervalSeconds: number) => {
      const aws = fakeAws({ parking, tasks: [endless], outages: [{ of: 'auto-scaling', span: [880, 9_999] }] });
      const parked = await runDrain(drainOf(), POLICY, aws.ports(300));
      const kept = parked.kind === 'parked' ? parked.drain : drainOf();
      await aws.ports(1).clock.sleepUntil(AT_MS);
      const before = aws.calls.length;
      await continueDrain({ ...kept, pollIntervalSeconds }, { ...POLICY, deadlineSeconds: 900 }, aws.ports(300));
      return aws.calls.slice(before).filter(({ name }) => name === 'refreshTasks').length;
    };
    expect(await looksAfter(POLICY.pollMinSeconds)).toBeGreaterThan(await looksAfter(POLICY.pollMaxSeconds));
    expect(await looksAfter(300)).toBe(await looksAfter(POLICY.pollMaxSeconds));
    expect(await looksAfter(0)).toBe(await looksAfter(POLICY.pollMinSeconds));
  });

  it('does not use up the rounds of its drain, however often it is repeated', async () => {
    const aws = fakeAws({ parking, tasks: [endless] });
    const parked = await runDrain(drainOf(), POLICY, aws.ports(300));
    let kept = parked.kind === 'parked' ? parked.drain : drainOf();
    for (let i = 0; i < 2_500; i++) {
      const again = await continueDrain(kept, POLICY, aws.ports(300));
      if (again.kind === 'parked') kept = again.drain;
    }
    expect(kept.continuations).toBe(1);
  });

  it.each([
    [1_000, 'started', 'not believed before that can be true'],
    [3_000, 'stuck', 'believed when it can'],
  ])(
    'that claims after %i s that the bus was told of a stuck drain leaves it %s: it is %s',
    async (second, announced) => {
      const aws = fakeAws({ parking, tasks: [endless] });
      const parked = await runDrain(drainOf(), POLICY, aws.ports(300));
      const kept = parked.kind === 'parked' ? parked.drain : drainOf();
      await aws.ports(1).clock.sleepUntil(START_MS + second * 1000);
      const told = aws.announced.length;
      const claimed = { ...kept, announced: 'stuck' } as const;
      expect(await continueDrain(claimed, { ...POLICY, deadlineSeconds: 5_000 }, aws.ports(300))).toMatchObject({
        kind: 'parked',
        drain: { announced },
      });
      expect(aws.announced).toHaveLength(told);
    },
  );

  it('does not keep the bus from being told that its drain is stuck, nor tells it twice that it has begun', async () => {
    const aws = await later({ tasks: [endless] });
    await aws.ports(1).clock.sleepUntil(START_MS + 3_000_000);
    await continueDrain({ ...handedOver, announced: 'started' }, { ...POLICY, deadlineSeconds: 6_000 }, aws.ports(300));
    expect(aws.announced.map(({ news }) => news.kind)).toEqual(['stuck']);
    const again = { ...handedOver, announced: 'stuck' } as const;
    await continueDrain(again, { ...POLICY, deadlineSeconds: 6_000 }, aws.ports(300));
    expect(aws.announced).toHaveLength(1);
  });

  it('is not helped by naming the place of another drain', async () => {
    const aws = fakeAws({ parking, tasks: [endless] });
    await runDrain(drainOf(), POLICY, aws.ports(300));
    const other = { ...drainOf().action, lifecycleHook: 'somebody-elses' };
    const forged = drainOf({ action: other, continuations: 1, containerInstance: one, startedAtMs: 0 });
    expect(await continueDrain(forged, POLICY, aws.ports(300))).toMatchObject({
      kind: 'finished',
      outcome: { kind: 'already-completed' },
    });
    expect(aws.places()).toHaveLength(1);
    expect(aws.callsNamed('complete')).toEqual([]);
  });

  it('does not give up the place of another drain, whatever it claims to have parked', async () => {
    const aws = fakeAws({ parking, tasks: [endless] });
    const parked = await runDrain(drainOf(), POLICY, aws.ports(300));
    const kept = parked.kind === 'parked' ? parked.drain : drainOf();
    const other = { ...drainOf().action, token: '00000000-0000-4000-8000-000000000000' };
    const over = { ...aws.ports(300), lifecycleActions: completedActions(aws) };
    const result = await continueDrain({ ...kept, action: other }, POLICY, over);
    expect(result).toMatchObject({ kind: 'finished', outcome: { kind: 'already-completed' } });
    expect(aws.callsNamed('release')).toEqual([]);
    expect(aws.places()).toHaveLength(1);
  });

  it('goes on with what Auto Scaling confirms while the place cannot be read', async () => {
    const aws = fakeAws({ parking, tasks: [endless], outages: [{ of: 'scheduler', span: [200, 9_999] }] });
    const parked = await runDrain(drainOf(), POLICY, aws.ports(300));
    const kept = parked.kind === 'parked' ? parked.drain : drainOf();
    await aws.ports(1).clock.sleepUntil(AT_MS);
    const result = await continueDrain({ ...kept, heartbeats: 50 }, POLICY, aws.ports(300));
    expect(result).toMatchObject({ kind: 'handed-over', drain: { heartbeats: 51, startedAtMs: START_MS } });
    expect(refusalsIn(aws)[0]).toEqual({ doing: 'park', reason: 'parkedOn: throttled' });
  });
});

describe('a continuation of a drain on a notice', () => {
  it('finds what it left at a place of its own, which is not the place of a lifecycle action', async () => {
    const aws = fakeAws({ parking, tasks: [endless] });
    const parked = await runDrain(drainOf({ action: notice }), POLICY, aws.ports(300));
    await runDrain(drainOf(), POLICY, aws.ports(300));
    if (parked.kind !== 'parked') throw new Error(`It is ${parked.kind}.`);
    const forged = { ...parked.drain, startedAtMs: 0, continuations: 1_000 };
    const result = await continueDrain(forged, POLICY, aws.ports(300));
    expect(result).toMatchObject({
      kind: 'parked',
      drain: { action: notice, startedAtMs: START_MS, continuations: 1 },
    });
  });
});

describe('a continuation of a drain that has no place', () => {
  it.each([
    ['where there are none', undefined, one],
    ['of a container instance that was never found', parking, undefined],
  ])('does not ask for one %s', async (_, parking, containerInstance) => {
    const aws = await later({ tasks: [endless], ...(parking && { parking }) });
    await continueDrain({ ...handedOver, containerInstance }, POLICY, aws.ports(300));
    expect(aws.callsNamed('parkedOn')).toEqual([]);
    expect(refusalsIn(aws)).toEqual([]);
  });

  it('is believed only as far as Auto Scaling confirms it: the hook is read, and a heartbeat recorded', async () => {
    const aws = await later({ tasks: [endless] });
    const forged = { ...handedOver, hook: { heartbeatTimeoutSeconds: 7_200, globalTimeoutSeconds: 172_800 } };
    expect(await continueDrain(forged, POLICY, aws.ports(300))).toMatchObject({
      kind: 'handed-over',
      drain: { hook: HOOK, lastHeartbeatAtMs: AT_MS, heartbeats: 1, startedAtMs: START_MS },
    });
    expect(aws.calls.slice(0, 2).map(({ name }) => name)).toEqual(['recordHeartbeat', 'terminatingSinceMs']);
  });

  it('counts its rounds anew when it parks, so that a claim cannot use up all that there may be', async () => {
    const aws = await later({ tasks: [endless], parking });
    expect(await continueDrain({ ...handedOver, continuations: 2_000 }, POLICY, aws.ports(300))).toMatchObject({
      kind: 'parked',
      drain: { continuations: 1 },
    });
  });

  it('touches nothing of an instance that Auto Scaling does not hold on this hook', async () => {
    const aws = fakeAws({ completedAtSeconds: 0, tasks: [endless] });
    expect(await continueDrain(handedOver, POLICY, aws.ports(300))).toMatchObject({
      kind: 'finished',
      outcome: { kind: 'already-completed', holdingTasks: [] },
    });
    expect(aws.journal.at(-1)?.drain).toEqual({ ...handedOver, parked: undefined });
    expect(aws.callsNamed('setDraining')).toEqual([]);
    expect(aws.callsNamed('complete')).toEqual([]);
  });

  it('waits where Auto Scaling cannot be asked, and goes on with what it says then', async () => {
    const aws = await later({ tasks: [endless], outages: [{ of: 'auto-scaling', span: [1_000, 1_100] }] });
    const forged = { ...handedOver, startedAtMs: 0 };
    const result = await continueDrain(forged, POLICY, aws.ports(300));
    expect(result).toMatchObject({ kind: 'handed-over', drain: { startedAtMs: START_MS } });
    expect(aws.completion()).toBeUndefined();
    expect(aws.journal.some(({ entry }) => entry.kind === 'corrected')).toBe(true);
    expect(refusalsIn(aws)).toEqual([{ doing: 'heartbeat', reason: 'recordHeartbeat: throttled' }]);
    expect(aws.callsNamed('recordHeartbeat').length).toBeLessThan(15);
    expect(aws.calls.find(({ name }) => name === 'refresh')?.atSeconds).toBeGreaterThanOrEqual(1_100);
  });

  it('is handed on at once where its invocation has no time left to wait for Auto Scaling', async () => {
    const aws = await later({ tasks: [endless], outages: [{ of: 'auto-scaling', span: [0, 9_999] }] });
    const result = await continueDrain(handedOver, POLICY, aws.ports(POLICY.marginSeconds));
    expect(result).toMatchObject({ kind: 'handed-over' });
    expect(aws.now()).toBe(1_000);
  });

  it.each([['recordHeartbeat'], ['terminatingSinceMs']] as const)(
    'touches nothing of an instance as long as Auto Scaling does not tell whether and since when it holds it: %s',
    async (call) => {
      const aws = await later({ tasks: [endless], instances: [{ id: 'one' }], parking });
      const ports = aws.ports(300);
      const silent = async () => {
        throw new Unavailable('throttled');
      };
      const forged = { ...handedOver, startedAtMs: 0, continuations: 7 };
      const policy = { ...POLICY, stopStragglers: 'all' } as const;
      const lifecycleActions = { ...ports.lifecycleActions, [call]: silent };
      const result = await continueDrain(forged, policy, { ...ports, lifecycleActions });
      expect(result).toEqual({ kind: 'handed-over', drain: { ...forged, continuations: 8 } });
      const changes = ['setDraining', 'stopTask', 'complete', 'park'];
      expect(aws.calls.filter(({ name }) => changes.includes(name))).toEqual([]);
      expect(aws.now()).toBe(1_300 - POLICY.marginSeconds);
    },
  );

  it('ends at once where Auto Scaling may not be asked: that is a mistake to mend', async () => {
    const aws = await later({ tasks: [endless], outages: [{ of: 'auto-scaling', span: [0, 9_999], denied: true }] });
    await expect(continueDrain(handedOver, POLICY, aws.ports(300))).rejects.toThrow('not authorized');
    expect(aws.calls.map(({ name }) => name)).toEqual(['recordHeartbeat']);
  });

  it('goes on by its own start where Auto Scaling holds the instance and its history does not tell since when', async () => {
    const aws = await later({ tasks: [endless] });
    const ports = aws.ports(300);
    const lifecycleActions = { ...ports.lifecycleActions, terminatingSinceMs: async () => new Map() };
    const result = await continueDrain(handedOver, POLICY, { ...ports, lifecycleActions });
    expect(result).toMatchObject({ kind: 'handed-over', drain: { startedAtMs: START_MS } });
    expect(aws.journal.some(({ entry }) => entry.kind === 'corrected')).toBe(false);
  });

  it.each([
    [-60_001, START_MS],
    [-60_000, START_MS - 60_000],
    [3_600_000, START_MS + 3_600_000],
    [3_600_001, START_MS],
  ])(
    'began %i ms after its hold, which is believed from a minute before it to an hour after',
    async (ms, startedAtMs) => {
      const aws = await later({ tasks: [endless] });
      const claimed = { ...handedOver, startedAtMs: START_MS + ms };
      expect(await continueDrain(claimed, POLICY, aws.ports(300))).toMatchObject({ drain: { startedAtMs } });
    },
  );

  it('keeps the silence of an agent where nobody else can remember it', async () => {
    const world = { tasks: [endless], instances: [{ id: 'one', status: 'DRAINING', silences: [[0, 9_999]] as const }] };
    const containerInstances = [containerInstanceOf().arn];
    const agentSilence = { sinceMs: AT_MS - 890_000, seenLastAtMs: AT_MS, containerInstances };
    const inInvocations = await later(world);
    expect(await continueDrain({ ...handedOver, agentSilence }, POLICY, inInvocations.ports(300))).toMatchObject({
      outcome: { kind: 'agent-lost' },
    });
    const parked = await later({ ...world, parking });
    expect(await continueDrain({ ...handedOver, agentSilence }, POLICY, parked.ports(300))).toMatchObject({
      kind: 'parked',
    });
    const neverParked = await later({ ...world, parking });
    const policy = { ...POLICY, heartbeatTimeoutSeconds: 210 };
    expect(await continueDrain({ ...handedOver, agentSilence }, policy, neverParked.ports(300))).toMatchObject({
      outcome: { kind: 'agent-lost' },
    });
  });

  const action = { notice: 'spot-interruption', instanceId: 'i-0123456789abcdef0', token: 'event-1' } as const;

  it('on a notice ends, where drains have places: nobody can confirm it, and it touches nothing', async () => {
    const aws = fakeAws({ parking, tasks: [endless] });
    const forged = drainOf({ action, continuations: 1, containerInstance: one });
    const result = await continueDrain(forged, { ...POLICY, stopStragglers: 'all' }, aws.ports(300));
    expect(result).toEqual({ kind: 'unconfirmed' });
    expect(aws.calls.map(({ name }) => name)).toEqual(['parkedOn']);
  });

  it('on a notice goes on as it says, where there are none: nothing is held, and nothing can be completed', async () => {
    const aws = fakeAws({ instances: [{ id: 'one', status: 'DRAINING' }], tasks: [{ id: 'web', stopsAtSeconds: 10 }] });
    const result = await continueDrain(drainOf({ action, continuations: 1 }), POLICY, aws.ports(300));
    expect(result).toMatchObject({ kind: 'finished', outcome: { kind: 'drained' } });
    expect(aws.callsNamed('recordHeartbeat')).toEqual([]);
  });
});

it('no claim of a continuation ends a drain before its deadline while a task runs', async () => {
  const instantMs = fc.integer({ min: 0, max: AT_MS + 10_000_000 });
  const located = fc.constantFrom([], [{ arn: one, cluster: 'prod' }], [{ arn: `${one}-forged`, cluster: 'prod' }]);
  const claims: fc.Arbitrary<Partial<Drain>> = fc.record(
    {
      startedAtMs: instantMs,
      lastHeartbeatAtMs: instantMs,
      heartbeats: fc.nat(),
      continuations: fc.nat(1_900),
      pollIntervalSeconds: fc.integer({ min: 0, max: 300 }),
      containerInstance: fc.constantFrom(one, `${one}-forged`),
      cluster: fc.constantFrom('prod', 'other'),
      namedCluster: fc.constantFrom('prod', 'other'),
      announced: fc.constantFrom('started' as const, 'stuck' as const),
      hook: fc.record({
        heartbeatTimeoutSeconds: fc.integer({ min: 30, max: 7_200 }),
        globalTimeoutSeconds: fc.integer({ min: 1, max: 172_800 }),
      }),
      agentSilence: fc.record({ sinceMs: instantMs, seenLastAtMs: instantMs }),
      parked: fc.record({ untilMs: instantMs, containerInstances: located, holdingTasks: located }),
    },
    { requiredKeys: [] },
  );
  await fc.assert(
    fc.asyncProperty(claims, fc.boolean(), fc.boolean(), async (claimed, mayPark, wasParked) => {
      const aws = await later({ tasks: [endless], ...(mayPark && { parking }) });
      if (mayPark && wasParked) await runDrain(drainOf(), POLICY, aws.ports(300));
      const forged = { ...drainOf({ continuations: 1 }), ...claimed };
      await continueDrain(forged, { ...POLICY, stopStragglers: 'all' }, aws.ports(300));
      expect(aws.completion()).toBeUndefined();
      expect(aws.callsNamed('stopTask')).toEqual([]);
    }),
    { numRuns: 300 },
  );
});
