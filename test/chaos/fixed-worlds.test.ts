import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Held, play } from '../../sandbox/chaos/play.ts';
import { PROPERTIES } from '../../sandbox/chaos/properties.ts';
import { type Outage, type World, worldFrom } from '../../sandbox/chaos/world.ts';
import { CALM, SERVICE } from './samples.ts';
import { TIMEOUT_MS } from './worlds.ts';

/** A world that random exploration has found, or one that was made of it. */
function fixedWorld(name: string): World {
  return worldFrom(JSON.parse(readFileSync(new URL(`fixed-worlds/${name}.json`, import.meta.url), 'utf8')));
}

/** Plays a world in which one instance is held, and everything that is claimed must hold. */
async function heldIn(world: World) {
  const played = await play(world);
  expect(PROPERTIES.flatMap(({ breaches }) => breaches(played))).toEqual([]);
  const [held, ...others] = played.held;
  if (!held || others.length > 0) throw new Error('The world must hold exactly one instance.');
  return held;
}

describe('in a world in which copies of an event found two registrations in another order', () => {
  it('they park in one schedule, though both do so at the same time', async () => {
    const { places } = await heldIn(fixedWorld('parked-twice-at-the-same-time'));
    expect(places).toBe(1);
  });
});

describe('in a world in which stops on two registrations of an instance wake its drain in two invocations at once', () => {
  it('the drain goes on once, though both park until the same second: its calls keep to their budget', async () => {
    const { outcomes } = await heldIn(fixedWorld('woken-twice-at-the-same-time'));
    expect(outcomes).toEqual(['agent-lost']);
  });
});

describe('in a world in which a drain that polls is begun twice, and Auto Scaling goes down after its hook was deleted', () => {
  it('neither copy learns that the hook is gone: their calls keep to their budget', async () => {
    const held = await heldIn(fixedWorld('polled-twice-after-its-end'));
    expect(held).toMatchObject({ endedBy: 'deletion', outcomes: ['already-completed', 'already-completed'] });
  });
});

describe('in a world in which an agent moves to the second cluster while its instance is drained', () => {
  it('each look asks about both registrations: its calls keep to their budget', async () => {
    const held = await heldIn(fixedWorld('moved-while-drained'));
    expect(held).toMatchObject({ endedBy: 'completion', outcomes: ['agent-lost'] });
  });
});

describe('in a world in which two copies of an event list tasks that may be stopped', () => {
  it('each copy asks for the stop timeouts: their calls keep to their budget', async () => {
    const held = await heldIn(fixedWorld('begun-twice-where-tasks-are-stopped'));
    expect(held).toMatchObject({ endedBy: 'completion', outcomes: ['drained', 'already-completed'] });
  });
});

describe('in a world in which copies of a drain that polls look just after one of them has let its silent instance go', () => {
  it('they wait until the lists of ECS have settled, and end', async () => {
    const { outcomes } = await heldIn(fixedWorld('polled-just-after-its-end'));
    expect(outcomes).toEqual(['timed-out', ...Array(4).fill('already-completed')]);
  });
});

describe('in a world in which Auto Scaling is down before the hook of a drain was read', () => {
  it('heartbeats are tried again in time for the shortest hook: its calls keep to their budget', async () => {
    const held = await heldIn(fixedWorld('begun-while-auto-scaling-is-down'));
    expect(held).toMatchObject({ endedBy: 'completion', outcomes: ['drained'] });
  });
});

describe('in a world in which EC2 takes an instance while Auto Scaling is down', () => {
  it('its drain has nothing left to wait for, and tries to end until Auto Scaling answers: its calls keep to their budget', async () => {
    const held = await heldIn(fixedWorld('taken-while-auto-scaling-is-down'));
    expect(held).toMatchObject({ endedBy: 'loss', outcomes: ['already-completed'] });
  });
});

describe('in a world in which a person drains an instance', () => {
  it('each stop of its tasks is looked into, and nothing is changed', async () => {
    const world = {
      ...CALM,
      instances: 2,
      services: [SERVICE],
      terminations: [],
      drainedByHand: { on: 0, atSecond: 10 },
    };
    const played = await play(world);
    expect(PROPERTIES.flatMap(({ breaches }) => breaches(played))).toEqual([]);
    expect(played.tasksDrainedByHand).toBeGreaterThan(0);
    const reads = /^(?:Describe|List|Get)/;
    expect(played.calls.filter(({ operation }) => !reads.test(operation))).toEqual([]);
    expect(played.calls.filter(({ operation }) => operation === 'GetSchedule')).not.toEqual([]);
  });
});

describe('in a world in which the group is deleted with force', () => {
  it.each(['park', 'watch'] as const)('a drain ends, and reports the tasks that it saw last (%s)', async (waiting) => {
    const groupDeletedAtSecond = 45;
    const held = await heldIn({ ...CALM, waiting, groupDeletedAtSecond });
    expect(held).toMatchObject({ endedBy: 'deletion', until: groupDeletedAtSecond, outcomes: ['already-completed'] });
    expect(held.lastSeenTasks).toBe(1);
  });
});

describe('in worlds in which an instance is registered in two clusters', () => {
  const inBoth: World = { ...CALM, searchesEmptyCluster: true };

  it('a registration that the agent has left in the other cluster does not end the drain (K5)', async () => {
    const { victims, outcomes, until } = await heldIn({ ...inBoth, leftInSecondCluster: 0 });
    expect({ victims, outcomes }).toEqual({ victims: [], outcomes: ['drained'] });
    expect(until).toBeGreaterThan(60); // The load balancer deregisters its tasks for so long.
  });

  it('an event that comes when its action is over finds only that registration, and its drain ends at once', async () => {
    const over = { ...inBoth, instances: 1, services: [], hookDeletedAtSecond: 0, faultsEndAtSecond: 0 };
    const { outcomes, places } = await heldIn({ ...over, leftInSecondCluster: 0 });
    expect({ outcomes, places }).toEqual({ outcomes: ['already-completed'], places: 0 });
  });

  it('a job that starts after the agent has moved to the other cluster is waited for', async () => {
    const job = { on: 0, atSecond: 5, runsForSeconds: 200, stopTimeoutSeconds: 10 };
    const moved = { ...inBoth, services: [], jobs: [job], movesToSecondCluster: { on: 0, atSecond: 3 } };
    const { victims, outcomes, tasks, until } = await heldIn(moved);
    expect({ victims, outcomes, tasks }).toEqual({ victims: [], outcomes: ['drained'], tasks: 1 });
    expect(until).toBeGreaterThan(200);
  });
});

describe('in worlds in which a task was killed early once', () => {
  it('a job that starts on a registration which the agent made just after the draining is waited for', async () => {
    const { victims, outcomes, tasks } = await heldIn(fixedWorld('registered-again-just-after-the-draining'));
    expect({ victims, outcomes, tasks }).toEqual({ victims: [], outcomes: ['drained'], tasks: 1 });
  });

  it('an agent that is heard again while it is given up is not: the drain ends at its deadline', async () => {
    const world = fixedWorld('heard-again-as-its-agent-is-given-up');
    const silent = await heldIn(world);
    expect(silent.outcomes).toEqual(['agent-lost']);
    // Calls are slow: Auto Scaling is still being asked for the start, and the last look comes after that.
    const [silence] = world.silences;
    const heardAt = (silent.lookedAt ?? 0) - 0.1;
    const silences = world.silences.map((each) => ({ ...each, forSeconds: heardAt - each.atSecond }));
    const { victims, outcomes, since, until } = await heldIn({ ...world, silences });
    expect(heardAt - (silence?.atSecond ?? 0)).toBeGreaterThan(world.settings.agentGraceSeconds);
    expect({ outcomes, victims: victims.length }).toEqual({ outcomes: ['timed-out'], victims: 1 });
    expect(until).toBeGreaterThanOrEqual(since + world.settings.deadlineSeconds);
  });

  it('an agent that falls silent on a second registration has its whole grace, though the first was silent before', async () => {
    const { victims, outcomes, until } = await heldIn(fixedWorld('silent-on-its-second-registration'));
    expect(outcomes[0]).toBe('timed-out');
    expect(victims.map(({ silence }) => silence?.since)).toContain(21);
    expect(until).toBeGreaterThanOrEqual(21 + 240);
  });

  describe.each([
    ['agent-lost', 'registered-again-as-its-agent-is-given-up', 'began'],
    ['drained', 'registered-again-during-the-last-look', 'saw its agent'],
  ])('%s is said of an instance whose agent registers again', (outcome, name, since) => {
    /** The same world up to that moment, which is reckoned from the last look and the end as they are without it. */
    const registeredAnew = async (momentOf: (lookedAt: number, until: number) => number) => {
      const world = fixedWorld(name);
      const { lookedAt = 0, until = 0, outcomes } = await heldIn({ ...world, registrations: [] });
      expect(outcomes[0]).toBe(outcome);
      return heldIn({ ...world, registrations: [{ on: 0, atSecond: momentOf(lookedAt, until) }] });
    };
    const isUnknown = ({ silence }: Held['victims'][number]) => silence === undefined;

    it(`after the last look ${since}: none can know`, async () => {
      const isGivenUp = outcome === 'agent-lost'; // Its silence shows nothing new.
      const held = await registeredAnew((lookedAt, until) => (isGivenUp ? lookedAt + 0.1 : (lookedAt + until) / 2));
      const { victims, outcomes, lookedAt = Infinity, until = 0 } = held;
      expect(outcomes[0]).toBe(outcome);
      expect(victims.filter(isUnknown).map(({ placedAt }) => placedAt > lookedAt && placedAt < until)).toEqual([true]);
    });

    it('but not before: what is placed there is waited for', async () => {
      const { victims, lookedAt = 0, until = 0 } = await registeredAnew((lookedAt) => lookedAt - 0.1);
      expect(victims.filter(isUnknown)).toEqual([]);
      expect(until).toBeGreaterThan(lookedAt);
    });
  });
});

describe('in worlds in which ECS drains by itself', () => {
  const never = [{ ...SERVICE, desiredCount: 1, stopping: 'never' as const }];

  it('we watch it to its end', async () => {
    const { outcomes, endedBy } = await heldIn({ ...CALM, managedDraining: 'CONTINUE' });
    expect({ outcomes, endedBy }).toEqual({ outcomes: ['drained'], endedBy: 'completion' });
  });

  it('we end it at its deadline, though its event was lost', async () => {
    const deliveries = { ...CALM.deliveries, lostTerminations: 1 };
    const held = await heldIn({ ...CALM, managedDraining: 'CONTINUE', services: never, deliveries });
    expect(held).toMatchObject({ outcomes: ['timed-out'], endedBy: 'completion' });
    expect(held.until).toBeGreaterThanOrEqual(900);
    expect(held.until).toBeLessThan(900 + 90);
  });
});

describe(
  'between two outages a drain is not late',
  () => {
    const outage = (what: Outage['what'], fromSecond: number, forSeconds: number) => ({ what, fromSecond, forSeconds });
    const never = [{ ...SERVICE, desiredCount: 1, stopping: 'never' as const }];
    const shortHook = { ...CALM.settings, heartbeatTimeoutSeconds: 300 };

    // Its tasks stop at 93 s if ECS has begun to stop them by then.
    it.each<[string, number, Partial<World>]>([
      [
        'whose tasks stop while ECS is down: it looks again two minutes later at most',
        200 + 120 + 75,
        { outages: [outage('ECS is down', 5, 195), outage('Auto Scaling is down', 400, 400)] },
      ],
      [
        'whose wake-ups are lost: it looks by itself',
        93 + 540 + 75,
        {
          settings: { ...CALM.settings, heartbeatTimeoutSeconds: 3_600 },
          deliveries: { ...CALM.deliveries, lostOthers: 1 },
          outages: [outage('Auto Scaling is down', 710, 400)],
        },
      ],
      [
        'that cannot be parked at first',
        93 + 5,
        { outages: [outage('Scheduler is down', 0, 90), outage('invocations crash', 100, 400)] },
      ],
      [
        'that cannot wait on the queue at first',
        93 + 5 + 30 + 75,
        { outages: [outage('SQS is down', 0, 60), outage('invocations crash', 210, 400)] },
      ],
      [
        'that polls, and began late',
        60 + 64 + 95,
        {
          waiting: 'watch',
          outages: [outage('deliveries are refused', 0, 60), outage('Auto Scaling is down', 220, 400)],
        },
      ],
      [
        'whose event fails for three minutes: the queue brings it again a minute later, and its tasks have their time',
        190 + 60 + 95,
        { outages: [outage('containers fail to start', 0, 190), outage('EventBridge is down', 350, 400)] },
      ],
      [
        'whose event is lost: the sweep finds it in the fourth minute',
        180 + 60 + 5 + 95,
        {
          deliveries: { ...CALM.deliveries, lostTerminations: 1 },
          outages: [outage('EventBridge is down', 350, 400)],
        },
      ],
    ])('%s', async (_, bySecond, change) => {
      const { endedBy, until, victims } = await heldIn({ ...CALM, ...change });
      expect({ endedBy, victims }).toEqual({ endedBy: 'completion', victims: [] });
      expect(until).toBeLessThanOrEqual(bySecond);
      expect(bySecond).toBeLessThan(change.outages?.at(-1)?.fromSecond ?? 0);
    });

    it('and sends heartbeats in time for a hook of five minutes, regardless of outages before and after', async () => {
      const outages = [
        outage('Auto Scaling is down', 100, 60),
        outage('Auto Scaling is down', 400, 60),
        outage('ECS is down', 600, 200),
      ];
      const { endedBy, until = 0, beats } = await heldIn({ ...CALM, settings: shortHook, services: never, outages });
      expect(endedBy).toBe('completion');
      expect(until).toBeGreaterThanOrEqual(900);
      expect(until).toBeLessThan(900 + 5);
      expect(Math.max(...beats.map((beat, i) => (beats[i + 1] ?? until) - beat))).toBeLessThanOrEqual(150 + 60);
    });
  },
  TIMEOUT_MS,
);
