import { describe, expect, it } from 'vitest';
import { mostCalls } from '../../sandbox/chaos/cost.ts';
import type { Asked, Held, Played, Serving, Victim, Work } from '../../sandbox/chaos/play.ts';
import { noticingSeconds, PROPERTIES, recoverySeconds } from '../../sandbox/chaos/properties.ts';
import type { World } from '../../sandbox/chaos/world.ts';
import { CALM } from './samples.ts';

/** A hold of ten seconds, over by us, with nothing on the instance. */
const HELD: Held = {
  instanceId: 'i-00000000000000001',
  since: 0,
  beats: [0],
  until: 10,
  endedBy: 'completion',
  victims: [],
  emptySince: 0,
  lookedAt: 9,
  outcomes: ['drained'],
  lastSeenTasks: undefined,
  tasks: 0,
  places: 0,
};

function playedOf(
  held: Partial<Held>,
  world: Partial<Played['world']> = {},
  works: readonly Work[] = [],
  asked: readonly Asked[] = [],
): Played {
  return {
    world: { ...CALM, ...world },
    held: [{ ...HELD, ...held }],
    works,
    calls: [],
    completionsAt: [],
    failedCalls: 0,
    stoppedTasks: 0,
    tasksDrainedByHand: 0,
    asked,
    deliveries: { lostAt: [], duplicatedAt: [], delayed: 0 },
    continuedAtMs: new Map(),
    schedulesLeft: [],
    serving: [],
    seconds: 400,
  };
}

function breachesOf(start: string, ...played: Parameters<typeof playedOf>): string[] {
  const property = PROPERTIES.find(({ name }) => name.startsWith(start));
  if (!property) throw new Error(`No property begins with ${start}.`);
  return property.breaches(playedOf(...played));
}

const work = (from: number, until: number, result = 'parked'): Work => ({
  ...{ from, until, result },
  about: HELD.instanceId,
});

describe('an instance that stays in service', () => {
  const left = (...serving: readonly Partial<Serving>[]) => {
    const usual = { instanceId: HELD.instanceId, status: 'DRAINING', agentConnected: true, drainedByHand: false };
    const property = PROPERTIES.find(({ name }) => name.startsWith('what stays in service'));
    return property?.breaches({ ...playedOf({}), serving: serving.map((each) => ({ ...usual, ...each })) });
  };

  it('is not left DRAINING, but where its agent is silent or a person has drained it', () => {
    expect(left({})).toEqual([`${HELD.instanceId} is InService and DRAINING when all is over.`]);
    expect(left({ agentConnected: false }, { drainedByHand: true }, { status: 'ACTIVE' })).toEqual([]);
  });

  it('is not set to ACTIVE where a person has drained it', () => {
    const breach = `${HELD.instanceId} is ACTIVE, which a person has drained.`;
    expect(left({ status: 'ACTIVE', drainedByHand: true })).toEqual([breach]);
  });
});

describe('a drain of ECS’s own', () => {
  const property = PROPERTIES.find(({ name }) => name.startsWith('a drain of ECS’s own'));
  const breaches = (
    managedDraining: 'none' | 'CONTINUE' | undefined,
    changes: Partial<Played>,
    held: Partial<Held> = {},
  ) => property?.breaches({ ...playedOf(held, managedDraining && { managedDraining }), ...changes });
  const callOf = (operation: string) =>
    ({ service: 'ecs', operation, atMs: 0, fiber: undefined, failedWith: undefined }) as const;

  it('is set to DRAINING by no one but ECS, nor kept open', () => {
    const calls = ['UpdateContainerInstancesState', 'RecordLifecycleActionHeartbeat', 'DescribeTasks'].map(callOf);
    expect(breaches('CONTINUE', { calls })).toHaveLength(2);
    expect(breaches(undefined, { calls })).toEqual([]);
  });

  it('is completed at its deadline at the earliest, and never without a result for it', () => {
    expect(breaches('CONTINUE', { completionsAt: [890] })).toEqual(["The function completed ECS's hook at 890 s."]);
    expect(breaches('CONTINUE', { completionsAt: [900] })).toEqual([]);
    expect(breaches('none', { completionsAt: [900] })).toEqual(["The function completed ECS's hook at 900 s."]);
  });

  it('that began after the last fault has its end reported', () => {
    const silent = { outcomes: [], until: 300 };
    const told = 'The end of the drain of i-00000000000000001 was never reported.';
    const endsFirst = { ...playedOf(silent).world, managedDraining: 'none', faultsEndAtSecond: 0 } as const;
    expect(breaches('none', { world: endsFirst }, silent)).toEqual([told]);
    expect(breaches('none', { world: { ...endsFirst, faultsEndAtSecond: 100 } }, silent)).toEqual([]);
    expect(breaches('none', { world: endsFirst })).toEqual([]);
  });
});

describe('an instance is let go early', () => {
  const victim: Victim = {
    group: 'service:web',
    status: 'RUNNING',
    placedAt: -100,
    registeredAt: -900,
    silence: undefined,
  };
  const early = (held: Partial<Held>) => breachesOf('we let no instance go', { until: 500, lookedAt: 499, ...held });

  it('over a task that was there when the last look began', () => {
    expect(early({ victims: [victim] })).toEqual([
      'i-00000000000000001 was let go at 500 s with a task of service:web RUNNING, placed at -100 s: its deadline was 900 s, and the last look began at 499 s.',
    ]);
    expect(early({ victims: [{ ...victim, placedAt: 498.9 }] })).toHaveLength(1);
  });

  it('not over one that was placed since: none can know', () => {
    expect(early({ victims: [{ ...victim, placedAt: 499.1 }] })).toEqual([]);
  });

  it('not over what is on a registration that ECS did not list yet when the last look began', () => {
    const [lag, seen] = [{ listLagSeconds: 10 }, { until: 500, lookedAt: 499 }];
    const registered = (registeredAt: number) => ({ ...seen, victims: [{ ...victim, registeredAt, placedAt: 495 }] });
    expect(breachesOf('we let no instance go', registered(490), lag)).toEqual([]);
    expect(breachesOf('we let no instance go', registered(488), lag)).toHaveLength(1);
    expect(breachesOf('we let no instance go', registered(490))).toHaveLength(1);
    expect(breachesOf('we let no instance go', registered(490), { ...lag, faultsEndAtSecond: 498 })).toHaveLength(1);
  });

  it('over one that was placed after a look that was old, or where no one looked', () => {
    expect(early({ lookedAt: 430, victims: [{ ...victim, placedAt: 431 }] })).toHaveLength(1);
    expect(early({ lookedAt: undefined, victims: [{ ...victim, placedAt: 430 }] })).toHaveLength(1);
  });

  it('not at its deadline, nor by others', () => {
    expect(early({ until: 900, lookedAt: 899, victims: [victim] })).toEqual([]);
    expect(early({ endedBy: 'timeout', victims: [victim] })).toEqual([]);
  });

  it('not at a deadline that was replaced, for as long as the last invocation with it may run', () => {
    const later = { ...CALM.settings, deadlineSeconds: 1_000 };
    const replacedAt = (atSecond: number) => ({
      releases: [{ atSecond, settings: later, continuations: 'of this version' as const }],
    });
    const atDeadline = { until: 900, lookedAt: 899, victims: [victim] };
    expect(breachesOf('we let no instance go', atDeadline, replacedAt(840))).toEqual([]);
    expect(breachesOf('we let no instance go', atDeadline, replacedAt(839))).toHaveLength(1);
  });

  it('not at a deadline that the function has confirmed, but at one that it may have at most', () => {
    const victims = [victim];
    const asked = { instanceId: HELD.instanceId, from: 100, deadlineSeconds: 1_000, isDone: true };
    const earlyAt = (until: number, change: Partial<Asked> = {}, world: Partial<World> = {}) =>
      breachesOf(
        'we let no instance go',
        { until, lookedAt: until - 1, victims },
        world,
        [],
        [{ ...asked, ...change }],
      );
    expect(earlyAt(1_100)).toEqual([]);
    expect(earlyAt(1_098)).toHaveLength(1);
    expect(earlyAt(1_098, { isDone: false })).toEqual([]);
    expect(earlyAt(400, { deadlineSeconds: 300 })).toEqual([]);
    expect(earlyAt(398, { deadlineSeconds: 300, isDone: false })).toHaveLength(1);
    expect(earlyAt(900, { deadlineSeconds: undefined })).toEqual([]);
    expect(earlyAt(900, { instanceId: 'i-another' })).toEqual([]);
    const isForgetful = { atSecond: 200, settings: CALM.settings, continuations: 'of a newer version' as const };
    expect(earlyAt(900, {}, { releases: [isForgetful] })).toEqual([]);
  });

  it('over an agent that was heard when the last look began, or not silent for its grace', () => {
    const silent = (since: number, heardAt?: number) => ({ ...victim, silence: { since, heardAt } });
    expect(early({ victims: [silent(260)] })).toEqual([]);
    expect(early({ victims: [silent(261)] })).toHaveLength(1);
    expect(early({ victims: [silent(100, 498)] })).toHaveLength(1);
    expect(early({ victims: [silent(100, 499.5)] })).toEqual([]);
  });
});

describe('a task that may be stopped', () => {
  const victim: Victim = {
    group: 'family:job',
    status: 'RUNNING',
    placedAt: 0,
    registeredAt: -900,
    silence: undefined,
  };
  const ends = { until: 900, outcomes: ['timed-out'] };
  const stops: Partial<World> = {
    settings: { ...CALM.settings, stopStragglers: 'standalone' },
    faultsEndAtSecond: 600,
  };
  const killed = (change: Partial<Victim> = {}, world: Partial<World> = {}, held: Partial<Held> = {}) =>
    breachesOf(
      'what may be stopped',
      { ...ends, victims: [{ ...victim, ...change }], ...held },
      { ...stops, ...world },
    );

  it('is not killed at a deadline unasked', () => {
    expect(killed()).toEqual([
      'A task of family:job was killed with i-00000000000000001 at 900 s, and no one had asked it to stop.',
    ]);
    expect(killed({ status: 'STOPPING' })).toEqual([]);
    expect(killed({ group: 'service:web' })).toEqual([]);
    expect(killed({ group: 'service:web' }, { settings: { ...CALM.settings, stopStragglers: 'all' } })).toHaveLength(1);
    expect(killed({}, { settings: CALM.settings })).toEqual([]);
  });

  it('may be where it was placed late, its agent was silent, faults lasted until then, or another ended the hold', () => {
    expect(killed({ placedAt: 600 })).toEqual([]);
    expect(killed({ silence: { since: 100, heardAt: 200 } })).toEqual([]);
    expect(killed({}, { faultsEndAtSecond: 601 })).toEqual([]);
    expect(killed({}, {}, { since: 601 })).toEqual([]);
    expect(killed({}, {}, { endedBy: 'loss' })).toEqual([]);
    expect(killed({}, {}, { outcomes: ['agent-lost'] })).toEqual([]);
  });
});

describe('a hold is late', () => {
  const ended = { ...CALM, faultsEndAtSecond: 100 };
  const recovery = recoverySeconds(ended);
  const late = (held: Partial<Held>, world: Partial<Played['world']> = ended) =>
    breachesOf('we complete every lifecycle action', held, world);

  it('where it never ends', () => {
    expect(late({ until: undefined, endedBy: undefined })).toHaveLength(1);
  });

  it('that began after the faults and timed out, or long enough before', () => {
    expect(late({ since: 100, until: 101, endedBy: 'timeout' })).toHaveLength(1);
    expect(late({ since: 99, until: 100 + recovery, endedBy: 'timeout' })).toEqual([]);
    expect(late({ since: 99, until: 101 + recovery, endedBy: 'timeout' })).toHaveLength(1);
  });

  it('that ends long after the faults, its last task or its deadline, whichever keeps it', () => {
    expect(late({ emptySince: 50, until: 100 + recovery })).toEqual([]);
    expect(late({ emptySince: 50, until: 101 + recovery })).toHaveLength(1);
    expect(late({ emptySince: 300, until: 300 + recovery })).toEqual([]);
    expect(late({ emptySince: undefined, until: 900 + recovery })).toEqual([]);
    expect(late({ emptySince: undefined, until: 901 + recovery })).toHaveLength(1);
  });

  it('where an operator has set an earlier deadline, or before one that may be later', () => {
    const asked = { instanceId: HELD.instanceId, from: 100, isDone: true };
    const lateAt = (until: number, deadlineSeconds: number, isDone = true) =>
      breachesOf(
        'we complete every',
        { emptySince: undefined, until },
        ended,
        [],
        [{ ...asked, deadlineSeconds, isDone }],
      );
    expect(lateAt(400 + recovery, 300)).toEqual([]);
    expect(lateAt(402 + recovery, 300)).toHaveLength(1);
    expect(lateAt(900 + recovery, 300, false)).toEqual([]);
    expect(lateAt(1_100 + recovery, 1_000)).toEqual([]);
    expect(lateAt(1_102 + recovery, 1_000)).toHaveLength(1);
  });

  it('that begins in the second phase, and does not notice in time that nothing keeps it', () => {
    const noticing = noticingSeconds(ended);
    expect(late({ since: 100, emptySince: 300, until: 300 + noticing })).toEqual([]);
    expect(late({ since: 100, emptySince: 300, until: 301 + noticing })).toHaveLength(1);
  });

  it('later where an invocation died, whose message has to come again', () => {
    const crashed = { ...ended, crashAtAwait: 1 };
    const until = 300 + noticingSeconds(crashed);
    expect(until).toBeGreaterThan(300 + noticingSeconds(ended));
    expect(late({ since: 100, emptySince: 300, until }, crashed)).toEqual([]);
    expect(late({ since: 100, emptySince: 300, until }, ended)).toHaveLength(1);
  });

  it('by nothing that happens while faults go on', () => {
    expect(late({ until: 5_000, endedBy: 'timeout' }, CALM)).toEqual([]);
  });

  it('if it takes longer than lists need to settle again after a version that it cannot go on from', () => {
    const { settings } = CALM;
    const releases = [
      { atSecond: 5, settings, continuations: 'of a newer version' as const },
      { atSecond: 310, settings, continuations: 'of this version' as const },
    ];
    const until = 300 + noticingSeconds(ended) + 11;
    expect(late({ since: 300, emptySince: 300, until }, { ...ended, releases })).toEqual([]);
    expect(late({ since: 300, emptySince: 300, until }, { ...ended, releases: releases.toReversed() })).toEqual([]);
    expect(late({ since: 300, emptySince: 300, until: until + 1 }, { ...ended, releases })).toHaveLength(1);
    expect(late({ since: 300, emptySince: 300, until }, { ...ended, releases: releases.slice(1) })).toHaveLength(1);
  });
});

describe('more than one chain', () => {
  const hasConcurrentChains = (
    works: Work[],
    held: Partial<Held> = {},
    world: Partial<Played['world']> = { faultsEndAtSecond: 0 },
  ) => breachesOf('a drain has one place', { until: 900, ...held }, world, works);

  it('waits at two places', () => {
    expect(hasConcurrentChains([], { places: 2 })).toHaveLength(1);
  });

  it('works side by side for longer than a round takes, once faults have ended', () => {
    const [short, long] = [
      [work(0, 10), work(0, 10)],
      [work(0, 11), work(0, 11)],
    ];
    expect(hasConcurrentChains(short)).toEqual([]);
    expect(hasConcurrentChains(long)).toHaveLength(1);
    expect(hasConcurrentChains(long, {}, { faultsEndAtSecond: 2 })).toEqual([]);
    expect(hasConcurrentChains(long, {}, {})).toEqual([]);
  });

  it('is more than a continuation and two kinds of wake-ups, or any other where drains watch', () => {
    const more = Array.from({ length: 3 }, () => work(0, 1));
    expect(hasConcurrentChains(more)).toEqual([]);
    expect(hasConcurrentChains([work(0, 1), ...more])).toHaveLength(1);
    const watched = { waiting: 'watch', faultsEndAtSecond: 0 } as const;
    expect(hasConcurrentChains([work(0, 1)], {}, watched)).toEqual([]);
    expect(hasConcurrentChains([work(0, 1), work(0, 1)], {}, watched)).toHaveLength(1);
  });
});

describe('a drain goes on after its end', () => {
  const continuesAfterEnd = (works: Work[], world: Partial<Played['world']> = { faultsEndAtSecond: 0 }) =>
    breachesOf('nothing goes on', {}, world, works);

  it('where an invocation that begins later parks it or hands it over, once faults have ended', () => {
    expect(continuesAfterEnd([work(9, 20), work(11, 12, 'finished')])).toEqual([]);
    for (const result of ['parked', 'handed-over']) expect(continuesAfterEnd([work(11, 12, result)])).toHaveLength(1);
    expect(continuesAfterEnd([work(11, 12)], { faultsEndAtSecond: 11 })).toEqual([]);
  });

  it('where its hook or group was deleted and a heartbeat from before is old', () => {
    const deleted = (works: Work[]) =>
      breachesOf('nothing goes on', { endedBy: 'deletion' }, { faultsEndAtSecond: 0 }, works);
    expect(deleted([work(20, 21)])).toEqual([]);
    expect(deleted([work(21, 22)])).toHaveLength(1);
  });

  it('where a schedule is left', () => {
    const [property] = PROPERTIES.filter(({ name }) => name.startsWith('nothing goes on'));
    expect(property?.breaches({ ...playedOf({}), schedulesLeft: ['one'] })).toHaveLength(1);
  });
});

describe('a copy of the event of a supervised drain', () => {
  const continuesAfterEnd = (managedDraining: 'none' | undefined, works: Work[]) =>
    breachesOf('nothing goes on', {}, { faultsEndAtSecond: 0, ...(managedDraining && { managedDraining }) }, works);

  it('may park it once more, if that ends when ECS’s lists have settled', () => {
    const ends = [work(20, 21), work(32, 33, 'finished')];
    expect(continuesAfterEnd('none', ends)).toEqual([]);
    expect(continuesAfterEnd(undefined, ends)).toHaveLength(1);
    expect(continuesAfterEnd('none', [work(20, 21), work(37, 38, 'finished')])).toHaveLength(1);
  });
});

describe('what ends and what fails', () => {
  const failsOrIsSilent = (...played: Parameters<typeof playedOf>) => breachesOf('what ends is reported', ...played);

  it('is a failure if an invocation fails once faults have ended, whatever it is about', () => {
    const failed = [work(11, 12, 'failed'), { ...work(13, 14, 'failed'), about: undefined }];
    expect(failsOrIsSilent({}, { faultsEndAtSecond: 10 }, failed)).toHaveLength(2);
    expect(failsOrIsSilent({}, { faultsEndAtSecond: 12 }, failed)).toHaveLength(1);
    expect(failsOrIsSilent({}, { faultsEndAtSecond: 0, crashAtAwait: 1 }, failed)).toEqual([]);
  });

  it('is reported, if it began once faults had ended or had a schedule', () => {
    const silent: Partial<Held> = { since: 5, outcomes: [], endedBy: 'deletion' };
    expect(failsOrIsSilent(silent, { faultsEndAtSecond: 5 })).toHaveLength(1);
    expect(failsOrIsSilent(silent, { faultsEndAtSecond: 6 })).toEqual([]);
    expect(failsOrIsSilent({ ...silent, places: 1 }, { faultsEndAtSecond: 6 })).toHaveLength(1);
    expect(failsOrIsSilent({ ...silent, until: undefined }, { faultsEndAtSecond: 5 })).toEqual([]);
  });
});

describe('what a world may cost', () => {
  const put = (atMs: number, failedWith: string | undefined, operation = 'PutEvents') =>
    ({ service: 'events', operation, atMs, fiber: undefined, failedWith }) as const;
  const most = (calls: Played['calls'], continuedAtMs: readonly number[] = []) =>
    mostCalls({ ...playedOf({}), calls, continuedAtMs: new Map(continuedAtMs.map((atMs) => [atMs, 1])) });

  it.each(['PutEvents', 'SendMessageBatch'])(
    'counts a continuation that %s put once more, because its answer was lost',
    (operation) => {
      const again = put(2, undefined, operation);
      expect(most([put(1.5, 'InternalFailure', operation), again], [1, 2])).toBeGreaterThan(most([again], [2]));
    },
  );

  it('counts a read that was made again because its answer was lost, and not one that was refused', () => {
    expect(most([put(1, 'InternalFailure', 'ListTasks')])).toBeGreaterThan(most([]));
    expect(most([put(1, 'ThrottlingException', 'ListTasks')])).toBe(most([]));
  });

  it('counts neither an announcement that was put once more, nor a continuation that did not come to the bus', () => {
    const twice = [put(1, 'InternalFailure'), put(2, undefined)];
    expect(most(twice)).toBe(most([]));
    expect(most(twice, [2])).toBe(most([]));
  });

  it('counts a failed invocation as a copy: its message comes again, and it may have continued the drain before', () => {
    const [well, failed] = (['parked', 'failed'] as const).map((result) => playedOf({}, {}, [work(0, 1, result)]));
    expect(mostCalls(failed as Played)).toBeGreaterThan(mostCalls(well as Played));
  });

  it('counts an agent that moves to the second cluster, and one that has left a registration there, as silent', () => {
    const both = { searchesEmptyCluster: true, faultsEndAtSecond: 10 };
    const costOf = (world: Partial<World>) => mostCalls(playedOf({ until: 300 }, { ...both, ...world }));
    const moves = { movesToSecondCluster: { on: 0, atSecond: 5 } };
    for (const world of [moves, { leftInSecondCluster: 0 }]) {
      expect(costOf(world)).toBeGreaterThan(costOf({}));
      const single = { searchesEmptyCluster: false };
      expect(costOf({ ...world, ...single })).toBe(costOf(single));
    }
  });

  it('counts an outage of SQS where drains watch: others have their schedules', () => {
    const outages: World['outages'] = [{ what: 'SQS is down', fromSecond: 0, forSeconds: 10 }];
    const costOf = (world: Partial<World>) => mostCalls(playedOf({}, world));
    expect(costOf({ waiting: 'watch', outages })).toBeGreaterThan(costOf({ waiting: 'watch' }));
    expect(costOf({ waiting: 'park', outages })).toBe(costOf({ waiting: 'park' }));
  });

  it('counts it for more where the hook would time out before a message comes again', () => {
    const outages: World['outages'] = [{ what: 'SQS is down', fromSecond: 0, forSeconds: 10 }];
    const costOf = (heartbeatTimeoutSeconds: number, functionTimeoutSeconds: number) => {
      const settings = { ...CALM.settings, heartbeatTimeoutSeconds, functionTimeoutSeconds };
      const of = (world: Partial<World>) =>
        mostCalls(playedOf({ since: 0, until: 90, emptySince: undefined }, { waiting: 'watch', settings, ...world }));
      return of({ outages }) - of({ outages: [] });
    };
    expect(costOf(120, 120)).toBeGreaterThan(costOf(120, 60));
    expect(costOf(135, 120)).toBeCloseTo(costOf(120, 60));
  });

  it('counts an outage of Auto Scaling after the action is over, for its drain and for an event that comes once more', () => {
    const outages: World['outages'] = [{ what: 'Auto Scaling is down', fromSecond: 200, forSeconds: 200 }];
    const costOf = (until: number, duplicatedAt: readonly number[] = [], waiting: World['waiting'] = 'park') => {
      const played = playedOf({ since: 0, until, emptySince: undefined }, { outages, waiting });
      return mostCalls({ ...played, deliveries: { ...played.deliveries, duplicatedAt } });
    };
    expect(costOf(220) - costOf(130)).toBeGreaterThan(costOf(520) - costOf(430));
    // The next look may come after the outage has begun.
    expect(costOf(190) - costOf(130)).toBeGreaterThan(costOf(490) - costOf(430));
    expect(costOf(90, [220])).toBeGreaterThan(costOf(90, [80]));
    expect(costOf(90, [80])).toBe(costOf(90, [410]));
    const copies = (until: number) => costOf(until, [80], 'watch') - costOf(until, [], 'watch');
    expect(copies(190) - copies(130)).toBeGreaterThan(copies(490) - copies(430));
  });
});
