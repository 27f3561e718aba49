import { describe, expect, it } from 'vitest';
import { type Drain, hookLimits, keyOf, type NoticeDrain } from '../../src/domain/drain.ts';
import { workOn } from '../../src/domain/evolve.ts';
import { type Arrival, load, type WakeUp } from '../../src/domain/load.ts';
import { FEW_DRAINS, SPARE_CONTINUATIONS } from '../../src/domain/policy.ts';
import { type Ports, Unavailable } from '../../src/domain/ports.ts';
import { type FakeInstance, fakeAws, type World } from '../fakes.ts';
import {
  ACTION,
  at,
  containerInstanceOf,
  drainOf,
  HOOK,
  INSTANCE_ID,
  knownOf,
  noticeDrainOf,
  POLICY,
} from './samples.ts';

type Aws = ReturnType<typeof fakeAws>;

/** What each arrival leads to, in the order of the arrivals. */
async function loaded(aws: Aws, arrivals: readonly Arrival[], ports = (own: Ports) => own, policy = POLICY) {
  const all = await aws.inInvocation((own) => load(arrivals, policy, ports(own)));
  return arrivals.map((arrival) => all.get(arrival));
}

const trusted = (drain: Drain): Arrival => ({ kind: 'continuation', drain, isTrusted: true });
const untrusted = (drain: Drain): Arrival => ({ kind: 'continuation', drain, isTrusted: false });
/** As the queue brings it for the first time. */
const brought = <T extends object>(what: T) => ({ ...what, receives: 1 });
/** A round on what the schedule of the drain holds. */
const workOnStored = (drain: Drain, given: Parameters<typeof workOn>[1] = {}) =>
  workOn(drain, { ...given, isScheduleRead: true });
const namesOf = (aws: Aws) => aws.calls.map(({ name }) => name);
const withSchedules =
  (schedules: Partial<NonNullable<Ports['schedules']>> | undefined) =>
  (own: Ports): Ports => ({
    ...own,
    schedules: schedules && own.schedules && { ...own.schedules, ...schedules },
  });

const SCHEDULE = `${INSTANCE_ID}-ecs-drain`;
const OTHER = 'i-00000000000000001';
const known = knownOf();
/** A drain that waits on its schedule until the 60th second. */
const wait = { schedule: SCHEDULE, untilMs: at(60), firesAtMs: at(60), turn: 0.3 };
const parked = drainOf({ known, hook: HOOK, parked: wait });
const parkedUntil = (seconds: number): Drain => ({
  ...parked,
  parked: { schedule: SCHEDULE, untilMs: at(seconds), firesAtMs: at(seconds) },
});

/** A world in which that schedule holds this drain. */
async function storing(stored: Drain | undefined, world: World = {}): Promise<Aws> {
  const aws = fakeAws(world);
  const name = stored?.parked?.schedule ?? SCHEDULE;
  if (stored) aws.schedules.set(name, { drain: stored, firesAtMs: at(60), writtenAtMs: at(0), hasFired: true });
  return aws;
}

const unread = [
  ['passes', new Unavailable('throttled'), 'throttled'],
  ['does not pass', new Error('The schedule cannot be understood'), 'The schedule cannot be understood'],
] as const;

describe('new drains', () => {
  it.each([
    [FEW_DRAINS, false],
    [FEW_DRAINS + 1, true],
  ])('are as the event has them; %i of them are a fleet: %s', async (count, isFleet) => {
    const drains = Array.from({ length: count }, (_, i) => drainOf({ action: { ...ACTION, instanceId: `i-${i}` } }));
    const aws = fakeAws();
    const works = await loaded(aws, [
      trusted(drainOf()),
      ...drains.map((drain): Arrival => brought({ kind: 'drain', drain })),
    ]);
    expect(works.slice(1)).toEqual(drains.map((drain) => [brought(workOn(drain, { isFleet }))]));
    expect(works[0]).toMatchObject([{ isFleet: false }]);
    expect(aws.calls).toEqual([]);
  });

  it('go on from their schedules where the queue brings their events again: an invocation may have crashed', async () => {
    const arrivalOf = (receives: number): Arrival => ({ kind: 'drain', drain: drainOf(), receives });
    const again = await storing(parked);
    const work = { ...workOnStored({ ...parked, continuations: 1 }), receives: 2 };
    expect(await loaded(again, [arrivalOf(2)])).toEqual([[work]]);
    const first = await storing(parked);
    expect(await loaded(first, [arrivalOf(1)])).toEqual([[{ ...workOn(drainOf()), receives: 1 }]]);
    expect(namesOf(first)).toEqual([]);
  });

  it('that a sweep has found go on as it found them', async () => {
    const work = workOn(drainOf({ heartbeats: 7 }));
    expect(await loaded(fakeAws(), [{ kind: 'lost', work }])).toMatchObject([[work]]);
  });
});

describe('a continuation from the queue or a schedule', () => {
  it('goes on with the next round', async () => {
    const aws = await storing(parked);
    expect(await loaded(aws, [brought(trusted(parked))])).toEqual([
      [brought(workOnStored({ ...parked, continuations: 1 }))],
    ]);
    expect(namesOf(aws)).toEqual(['get']);
  });

  it('needs no look at a schedule where it has none', async () => {
    const aws = fakeAws();
    expect(await loaded(aws, [brought(trusted(drainOf()))])).toEqual([
      [brought(workOn(drainOf({ continuations: 1 })))],
    ]);
    const watching = await storing(undefined);
    expect(await loaded(watching, [trusted(parked)], withSchedules(undefined))).toMatchObject([[{ steps: 0 }]]);
    expect([...namesOf(aws), ...namesOf(watching)]).toEqual([]);
  });

  it.each([
    ['has parked it until later', parkedUntil(60.001)],
    ['has parked it until the same second', drainOf({ ...parked, parked: { ...wait, turn: 0.7 } })],
    ['is of the next hold of the instance', drainOf({ ...parked, action: { ...ACTION, token: 'another' } })],
  ])('is over where another delivery %s', async (_, stored) => {
    const aws = await storing(stored);
    expect(await loaded(aws, [trusted(parked)])).toEqual([[{ kind: 'superseded', drain: parked }]]);
  });

  it.each([
    ['its wait', parked],
    ['none, because its drain had yet to park', drainOf()],
  ])('goes on from the later wait where the queue brings it again, with %s', async (_, drain) => {
    const later = parkedUntil(90);
    const aws = await storing(later);
    const again = { ...trusted(drain), receives: 2 };
    expect(await loaded(aws, [again])).toEqual([[{ ...workOnStored({ ...later, continuations: 1 }), receives: 2 }]]);
  });

  describe('that an earlier version has parked under another name', () => {
    const earlier = { ...parked, parked: { schedule: 'one', untilMs: at(60), firesAtMs: at(60) } };

    it('goes on from that schedule', async () => {
      const stored = { ...earlier, announced: 'started' } as const;
      for (const arrival of [trusted(stored), untrusted(earlier)]) {
        const aws = await storing(stored);
        await aws.waitUntil(60);
        expect(await loaded(aws, [arrival])).toMatchObject([[{ drain: { ...stored, continuations: 1 } }]]);
      }
    });

    it('is over where another delivery has moved it, though its schedule was not deleted', async () => {
      for (const left of [undefined, earlier]) {
        const aws = await storing(left);
        const drain = parkedUntil(90);
        aws.schedules.set(SCHEDULE, { drain, firesAtMs: at(90), writtenAtMs: at(60), hasFired: false });
        expect(await loaded(aws, [trusted(earlier)])).toEqual([[{ kind: 'superseded', drain: earlier }]]);
      }
    });

    it('goes on as it says where the schedule of today’s name cannot be read: it may know more than the earlier one', async () => {
      const fault: World['fault'] = ({ name, args }) =>
        name === 'get' && args[0] === SCHEDULE ? new Unavailable('throttled') : undefined;
      const aws = fakeAws({ fault });
      aws.schedules.set('one', { drain: earlier, firesAtMs: at(60), writtenAtMs: at(0), hasFired: true });
      await aws.waitUntil(60);
      expect(await loaded(aws, [trusted(earlier)])).toMatchObject([[{ isScheduleRead: false }]]);
    });

    it('goes on though an earlier drain of the instance has left its schedule', async () => {
      const aws = await storing(earlier);
      const drain = drainOf({ known, action: { ...ACTION, token: 'another' } });
      aws.schedules.set(SCHEDULE, { drain, firesAtMs: at(90), writtenAtMs: at(60), hasFired: true });
      expect(await loaded(aws, [trusted(earlier)])).toMatchObject([[{ drain: { continuations: 1 } }]]);
    });
  });

  it('goes on where its schedule has an earlier wait, or none', async () => {
    for (const stored of [parkedUntil(59), drainOf({ known })]) {
      const aws = await storing(undefined);
      aws.schedules.set(SCHEDULE, { drain: stored, firesAtMs: 0, writtenAtMs: 0, hasFired: true });
      expect(await loaded(aws, [trusted(parked)])).toMatchObject([[{ drain: { continuations: 1 } }]]);
    }
  });

  it('whose schedule is gone goes on without it if its action is pending: an invocation crashed as it wrote it again', async () => {
    const aws = fakeAws({ callSeconds: 5 });
    await aws.waitUntil(25);
    const [works] = await loaded(aws, [brought(trusted(parked))]);
    // The hook’s timeout may run since the heartbeat was asked for.
    const beaten = { lastHeartbeatAtMs: at(30), heartbeats: 1 };
    const unconfirmed = { parked: undefined, unconfirmedTurn: parked.parked?.turn };
    expect(works).toEqual([brought(workOn({ ...parked, ...unconfirmed, continuations: 1, ...beaten }))]);
    expect(namesOf(aws)).toEqual(['get', 'recordHeartbeat']);
  });

  it('whose schedule is gone is over if its action is not pending, or it is of a notice', async () => {
    const aws = fakeAws({ holds: [] });
    const notice = noticeDrainOf('spot-interruption', parked.parked ? { parked: parked.parked } : {});
    expect(await loaded(aws, [trusted(parked), trusted(notice)])).toEqual([
      [{ kind: 'superseded', drain: parked }],
      [{ kind: 'superseded', drain: notice }],
    ]);
  });

  it.each(unread)(
    'goes on as it says where its schedule cannot be read for a reason that %s',
    async (_, error, reason) => {
      const aws = fakeAws({ fault: () => error });
      expect(await loaded(aws, [trusted(parked)])).toMatchObject([
        [{ drain: { ...parked, continuations: 1 }, isScheduleRead: false }],
      ]);
      expect(aws.refusals()).toEqual([{ doing: 'load', reason }]);
    },
  );

  it('fails where Auto Scaling does not say whether its action is pending, and does not affect the others', async () => {
    const error = new Unavailable('throttled');
    const aws = fakeAws({ fault: ({ name }) => (name === 'recordHeartbeat' ? error : undefined) });
    expect(await loaded(aws, [trusted(parked), trusted(drainOf())])).toMatchObject([
      [{ kind: 'failed', drain: parked, error }],
      [{ steps: 0 }],
    ]);
  });

  it.each([0, 1, 172_800])(
    'goes on once a second, and as often again as the cap allows: after %i s',
    async (seconds) => {
      const most = SPARE_CONTINUATIONS + seconds;
      const started = { startedAtMs: at(-seconds) };
      const drain = drainOf({ ...started, continuations: most });
      const [allowed, refused] = await loaded(fakeAws(), [
        trusted(drainOf({ ...started, continuations: most - 1 })),
        trusted(drain),
      ]);
      expect(allowed).toMatchObject([{ drain: { continuations: most } }]);
      expect(refused).toMatchObject([{ kind: 'failed', drain }]);
    },
  );

  it('whose schedule says that another has it is over, however often it was continued', async () => {
    const aws = await storing(parkedUntil(99));
    const drain = { ...parked, continuations: SPARE_CONTINUATIONS };
    expect(await loaded(aws, [trusted(drain)])).toEqual([[{ kind: 'superseded', drain }]]);
  });
});

describe('a continuation from the bus', () => {
  const forged = drainOf({
    startedAtMs: 0,
    continuations: 19_000,
    heartbeats: 77,
    pollIntervalSeconds: 10,
    lastHeartbeatAtMs: at(9_999),
  });

  it('only says whose turn it is: its state is what its schedule holds', async () => {
    const stored = { ...parked, announced: 'started', continuations: 3 } as const;
    const aws = await storing(stored);
    const claims = { ...forged, parked: parked.parked };
    expect(await loaded(aws, [brought(untrusted(claims))])).toEqual([
      [brought(workOnStored({ ...stored, pollIntervalSeconds: 10 }))],
    ]);
    expect(namesOf(aws)).toEqual(['get']);
  });

  it('counts only when it is due: whoever repeats it must not use up what the drain may be continued', async () => {
    const countedAt = async (seconds: number, stored: Drain = parked) => {
      const aws = await storing(stored);
      await aws.waitUntil(seconds);
      const [works] = await loaded(aws, [untrusted({ ...forged, known })]);
      return works?.[0]?.drain?.continuations;
    };
    expect(await countedAt(59.999)).toBe(0);
    expect(await countedAt(60)).toBe(1);
    expect(await countedAt(0, drainOf({ known }))).toBe(1);
  });

  it('finds its schedule by the instance and the hook', async () => {
    const aws = await storing(parked);
    expect(await loaded(aws, [untrusted(forged)])).toMatchObject([[{ drain: { startedAtMs: at(0) } }]]);
    expect(aws.callsNamed('get').map(({ args }) => args)).toEqual([[SCHEDULE]]);
  });

  it.each([
    [0, 2],
    [300, 20],
  ])('looks at a pace within the policy: %i s becomes %i s', async (pollIntervalSeconds, within) => {
    for (const aws of [await storing(parked), fakeAws()]) {
      const claims = { ...forged, known, pollIntervalSeconds };
      expect(await loaded(aws, [untrusted(claims)])).toMatchObject([[{ drain: { pollIntervalSeconds: within } }]]);
    }
  });

  it.each([
    [3_599.9, 'stuck', 'started'],
    [3_600, 'stuck', 'stuck'],
    [3_600, 'started', 'started'],
  ] as const)('after %d s that claims %s leaves the drain %s', async (seconds, announced, result) => {
    const aws = await storing(parked);
    await aws.waitUntil(seconds);
    const [works] = await loaded(aws, [untrusted({ ...forged, known, announced })]);
    expect(works).toMatchObject([{ drain: { announced: result } }]);
  });

  it.each([
    [3_599.9, 'started'],
    [3_600, 'stuck'],
  ] as const)('after %d s that claims stuck, without a schedule, leaves the drain %s', async (seconds, result) => {
    const aws = fakeAws({ hook: hookLimits(7_200) });
    await aws.waitUntil(seconds);
    const [works] = await loaded(aws, [untrusted({ ...forged, announced: 'stuck' })]);
    expect(works).toMatchObject([{ drain: { announced: result } }]);
  });

  it('cannot take back what was published', async () => {
    const aws = await storing({ ...parked, announced: 'stuck' });
    const [works] = await loaded(aws, [untrusted({ ...forged, known, announced: 'started' })]);
    expect(works).toMatchObject([{ drain: { announced: 'stuck' } }]);
  });

  it('without a schedule is believed as far as Auto Scaling confirms it', async () => {
    const aws = fakeAws({ callSeconds: 5 });
    await aws.waitUntil(990);
    const silence = { sinceMs: at(0), seenLastAtMs: at(0) };
    const closed = { sinceMs: at(0), containerInstances: [], silent: [] };
    const claims = {
      ...forged,
      known,
      agentSilence: silence,
      closed,
      unconfirmedTurn: 0.5,
      isOnce: true as const,
      hook: { ...hookLimits(7_200), choices: { deadlineSeconds: 1 } },
    };
    const [works] = await loaded(aws, [
      brought(untrusted({ ...claims, parked: { ...parkedUntil(1).parked, schedule: 'none' } as Drain['parked'] })),
    ]);
    expect(works).toEqual([
      brought(
        workOn(
          {
            ...claims,
            known: undefined,
            parked: undefined,
            unconfirmedTurn: undefined,
            isOnce: undefined,
            closed: undefined,
            agentSilence: undefined,
            hook: undefined,
            startedAtMs: at(0),
            // It may have been continued once a second.
            continuations: 1_000,
            lastHeartbeatAtMs: at(1_000),
            heartbeats: 78,
          },
          { isClaimed: true },
        ),
      ),
    ]);
    expect(namesOf(aws)).toEqual(['get', 'get', 'recordHeartbeat', 'terminatingSinceMs']);
    expect(aws.telemetry).toMatchObject([{ entry: { kind: 'corrected', claimedStartAtMs: 0 } }]);
  });

  it('asks for no schedule where there are none', async () => {
    const watching = fakeAws();
    await loaded(watching, [untrusted({ ...forged, known })], withSchedules(undefined));
    expect(namesOf(watching)).toEqual(['recordHeartbeat', 'terminatingSinceMs']);
  });

  it('shares with the others of its group the question since when their instances are terminated', async () => {
    const ids = ['i-0', 'i-1', 'i-2'];
    const groupOf = (instanceId: string) => (instanceId === 'i-2' ? 'batch' : 'web');
    const holds = ids.map((instanceId) => ({ instanceId, autoScalingGroup: groupOf(instanceId) }));
    const aws = fakeAws({ holds });
    const drains = holds.map((hold) => ({ ...forged, action: { ...ACTION, ...hold } }));
    const works = await loaded(aws, drains.map(untrusted));
    expect(works).toMatchObject(ids.map(() => [{ drain: { startedAtMs: at(0) } }]));
    expect(aws.callsNamed('terminatingSinceMs').map(({ args }) => args)).toEqual([['web'], ['batch']]);
  });

  it('keeps its start where Auto Scaling’s history allows it, or says nothing', async () => {
    const plausible = drainOf({ startedAtMs: at(-30) });
    const aws = fakeAws();
    expect(await loaded(aws, [untrusted(plausible)])).toMatchObject([[{ drain: { startedAtMs: at(-30) } }]]);
    const silent = (own: Ports): Ports => ({
      ...own,
      lifecycleActions: { ...own.lifecycleActions, terminatingSinceMs: async () => new Map() },
    });
    expect(await loaded(aws, [untrusted(forged)], silent)).toMatchObject([[{ drain: { startedAtMs: 0 } }]]);
    expect(aws.telemetry).toEqual([]);
  });

  it('touches nothing of an instance that is not held on this hook', async () => {
    const aws = fakeAws({ holds: [] });
    expect(await loaded(aws, [untrusted(forged)])).toMatchObject([
      [{ kind: 'finished', outcome: { kind: 'already-completed', lastSeen: undefined } }],
    ]);
    expect(namesOf(aws)).toEqual(['get', 'recordHeartbeat']);
  });

  it('is not helped by naming the schedule of another drain', async () => {
    const aws = await storing({ ...parked, action: { ...ACTION, lifecycleHook: 'another' } } as Drain, { holds: [] });
    expect(await loaded(aws, [untrusted({ ...forged, known, parked: parked.parked })])).toMatchObject([
      [{ kind: 'finished', outcome: { kind: 'already-completed' } }],
    ]);
  });

  it.each(unread)(
    'asks Auto Scaling where its schedule cannot be read for a reason that %s',
    async (_, error, reason) => {
      const aws = fakeAws({ fault: ({ name }) => (name === 'get' ? error : undefined) });
      expect(await loaded(aws, [untrusted({ ...forged, known })])).toMatchObject([[{ drain: { startedAtMs: at(0) } }]]);
      expect(aws.refusals()).toEqual([{ doing: 'load', reason }]);
    },
  );

  it.each(['recordHeartbeat', 'terminatingSinceMs'])(
    'comes again where %s gives no answer: from the queue twice, then over the bus as it came',
    async (call) => {
      const error = new Unavailable('throttled');
      const aws = fakeAws({ fault: ({ name }) => (name === call ? error : undefined) });
      const arrival = untrusted(forged);
      expect(await loaded(aws, [{ ...arrival, receives: 2 }])).toEqual([[{ kind: 'left', drain: forged }]]);
      expect(aws.callsNamed('continueNow')).toEqual([]);
      const again = { ...forged, continuations: forged.continuations + 1 };
      expect(await loaded(aws, [{ ...arrival, receives: 3 }])).toEqual([[{ kind: 'handed-over', drain: again }]]);
      expect(aws.callsNamed('continueNow').map(({ args }) => args)).toEqual([[[again]]]);
    },
  );

  it('fails where neither Auto Scaling nor the bus give an answer', async () => {
    const aws = fakeAws({
      outages: [
        { of: 'auto-scaling', span: [0, 9] },
        { of: 'bus', span: [0, 9] },
      ],
    });
    expect(await loaded(aws, [untrusted(forged)])).toMatchObject([[{ kind: 'failed' }]]);
  });

  it('on a notice goes on from its schedule, or as it says where there are no schedules; else it touches nothing', async () => {
    const claims: NoticeDrain = noticeDrainOf('spot-interruption', { known, startedAtMs: 0 });
    const stored = noticeDrainOf('spot-interruption', {
      known,
      parked: { schedule: `${INSTANCE_ID}-spot-interruption`, untilMs: 0, firesAtMs: 0 },
    });
    expect(await loaded(await storing(stored), [untrusted(claims)])).toMatchObject([
      [{ drain: { startedAtMs: at(0) } }],
    ]);
    const bare = { ...claims, continuations: 1, known: undefined };
    expect(await loaded(fakeAws(), [untrusted(claims)])).toMatchObject([[{ kind: 'unconfirmed', drain: bare }]]);
    const watching = fakeAws();
    expect(await loaded(watching, [untrusted(claims)], withSchedules(undefined))).toMatchObject([
      [{ drain: bare, steps: 0 }],
    ]);
    expect(watching.calls).toEqual([]);
  });
});

describe('an ECS event about a container instance', () => {
  const two: FakeInstance = { id: 'two', ec2InstanceId: OTHER, status: 'DRAINING' };
  const one: FakeInstance = { id: 'one', status: 'DRAINING' };
  const refOf = (id: string) => ({ arn: containerInstanceOf().arn.replace('one', id), cluster: 'prod' });
  const stopOn = (id: string): WakeUp => ({
    kind: 'wake-up',
    containerInstance: refOf(id),
    reported: undefined,
    sentAtMs: at(0),
  });
  const changeOf = (aws: Aws, id: string, overrides = {}): WakeUp => {
    const reported = { ...aws.containerInstance(id), ...overrides };
    return { kind: 'wake-up', containerInstance: refOf(id), reported, sentAtMs: at(0) };
  };

  it('that describes it as empty wakes what is parked there, without a question to ECS', async () => {
    const aws = await storing(parked, { instances: [one] });
    await aws.waitUntil(5);
    const event = changeOf(aws, 'one');
    const drain = { ...parked, continuations: 1, emptiedAtMs: at(5) };
    const reported = [aws.containerInstance('one')];
    expect(await loaded(aws, [event])).toEqual([[workOnStored(drain, { reported, isWoken: true })]]);
    expect(new Set(namesOf(aws))).toEqual(new Set(['parkedOn']));
  });

  it('that is more than five seconds old is a reason to look and says no more', async () => {
    const aws = await storing(parked, { instances: [one] });
    await aws.waitUntil(6);
    const drain = { ...parked, continuations: 1, emptiedAtMs: at(6) };
    expect(await loaded(aws, [changeOf(aws, 'one')])).toEqual([[workOnStored(drain, { isWoken: true })]]);
    expect(namesOf(aws)).toEqual(['parkedOn']);
  });

  it('says what the newest of several does, whichever comes first', async () => {
    const aws = await storing(parked, { instances: [one] });
    await aws.waitUntil(6);
    const newer = { ...changeOf(aws, 'one'), sentAtMs: at(5) };
    for (const events of [
      [changeOf(aws, 'one'), newer],
      [newer, changeOf(aws, 'one'), stopOn('one')],
    ]) {
      const [works] = await loaded(aws, events);
      expect(works).toMatchObject([{ isWoken: true, reported: [{ arn: refOf('one').arn }] }]);
    }
    expect(namesOf(aws)).not.toContain('describe');
  });

  it.each<[string, Partial<ReturnType<Aws['containerInstance']>>]>([
    ['has not released everything', { isEmpty: false }],
    ['is not DRAINING', { status: 'ACTIVE' }],
  ])('that %s wakes nothing', async (_, overrides) => {
    const aws = await storing(parked, { instances: [one] });
    expect(await loaded(aws, [changeOf(aws, 'one', overrides)])).toEqual([[]]);
    expect(aws.calls).toEqual([]);
  });

  it('about a stopped task asks ECS once for all instances of a cluster, and for none twice', async () => {
    const there = { ...one, id: 'there', cluster: 'batch' };
    const busy = { ...one, id: 'busy' };
    const tasks = [{ id: 'web', stopsAtSeconds: 99, on: 'busy' }];
    const aws = await storing(parked, { instances: [one, two, there, busy], tasks });
    const inBatch = { ...stopOn('there'), containerInstance: { ...refOf('there'), cluster: 'batch' } };
    const stops = [stopOn('one'), stopOn('one'), stopOn('busy'), changeOf(aws, 'two'), stopOn('two'), inBatch];
    const works = await loaded(aws, stops);
    expect(aws.callsNamed('describe').map(({ args }) => args)).toEqual([
      ['prod', [refOf('one').arn, refOf('busy').arn]],
      ['batch', [refOf('there').arn]],
    ]);
    expect(aws.callsNamed('parkedOn').map(({ args }) => args)).toEqual([[OTHER], [INSTANCE_ID]]);
    expect(works.map((each) => each?.length)).toEqual([1, 1, 0, 0, 0, 1]);
  });

  it('wakes the drain of the instance by any of its registrations', async () => {
    const again: FakeInstance = { id: 'again', status: 'DRAINING' };
    for (const id of ['one', 'again']) {
      const aws = await storing(parked, { instances: [one, again] });
      expect(await loaded(aws, [stopOn(id)])).toMatchObject([[{ isWoken: true, drain: { action: ACTION } }]]);
    }
  });

  it('wakes the drains of every hook on the instance', async () => {
    const aws = await storing(parked, { instances: [one] });
    const other = drainOf({ action: { ...ACTION, lifecycleHook: 'another' }, known });
    aws.schedules.set(`${INSTANCE_ID}-another`, { drain: other, firesAtMs: 0, writtenAtMs: 0, hasFired: false });
    const [works] = await loaded(aws, [stopOn('one')]);
    expect(works).toMatchObject([
      { drain: { action: { lifecycleHook: 'ecs-drain' } } },
      { drain: { action: { lifecycleHook: 'another' } } },
    ]);
  });

  it('wakes nothing where ECS or the Scheduler give no answer: the drain looks when its schedule fires', async () => {
    for (const down of ['ecs-reads', 'scheduler'] as const) {
      const aws = await storing(parked, { instances: [one], outages: [{ of: down, span: [0, 1] }] });
      expect(await loaded(aws, [stopOn('one')])).toEqual([[]]);
    }
  });

  it('fails where the schedules may not be read, and comes again', async () => {
    const aws = fakeAws({ instances: [one], outages: [{ of: 'scheduler', span: [0, 1], denied: true }] });
    const error = new Error('parkedOn: not authorized');
    expect(await loaded(aws, [stopOn('one')])).toEqual([[{ kind: 'failed', error }]]);
  });

  it.each([new Unavailable('throttled'), new Error('unreadable')])(
    'wakes a drain though the schedule of another hook cannot be read: %s',
    async (error) => {
      const aws = fakeAws({ instances: [one] });
      const ports = withSchedules({ parkedOn: async () => [error, parked] });
      expect(await loaded(aws, [stopOn('one')], ports)).toMatchObject([[{ isWoken: true, drain: { action: ACTION } }]]);
    },
  );

  it('wakes nothing where drains are not parked', async () => {
    const aws = fakeAws({ instances: [one] });
    expect(await loaded(aws, [stopOn('one')], withSchedules(undefined))).toEqual([[]]);
  });
});

describe('the key of a drain', () => {
  it('distinguishes lifecycle actions and notices, and is the same where the token is not known', () => {
    const keys = [
      drainOf(),
      drainOf({ action: { ...ACTION, autoScalingGroup: 'batch' } }),
      drainOf({ action: { ...ACTION, lifecycleHook: 'another' } }),
      drainOf({ action: { ...ACTION, instanceId: 'i-1' } }),
      noticeDrainOf(),
      noticeDrainOf('spot-interruption', { notice: { token: 'another' } }),
      noticeDrainOf('spot-interruption', { notice: { instanceId: 'i-1' } }),
    ].map(keyOf);
    expect(new Set(keys).size).toBe(keys.length);
    expect(keyOf(drainOf({ action: { ...ACTION, token: undefined }, heartbeats: 9 }))).toBe(keyOf(drainOf()));
    expect(keys[0]).toContain(INSTANCE_ID);
  });
});
