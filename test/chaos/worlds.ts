import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Breach, explore, linesOf, sentenceOfBreach, type Tally } from '../../sandbox/chaos/explore.ts';
import { type Held, play } from '../../sandbox/chaos/play.ts';
import { PROPERTIES } from '../../sandbox/chaos/properties.ts';
import { type World, worlds } from '../../sandbox/chaos/world.ts';
import { IS_EXHAUSTIVE } from '../exhaustive/extent.ts';

/** Another gives other worlds: `npm run chaos` takes any. */
const SEED = 3;

/** What all worlds of that seed number use of their bounds on calls, and a twentieth more. */
const SHARE_OF_CALLS = { park: 0.388, watch: 0.4 };

/** Worlds play in virtual time; a machine that is busy takes its own. */
export const TIMEOUT_MS = 600_000;

/** In how many worlds something is tried: by `npm run test:exhaustive`, and by `npm test`. */
interface Counts {
  readonly all: number;
  readonly few: number;
}

/** So many worlds in which drains wait so, and what holds in each. */
export function describeWorlds(waiting: World['waiting'], { all, few }: Counts): void {
  const count = IS_EXHAUSTIVE ? all : few;
  describe(`in ${count} worlds in which drains ${waiting}`, () => {
    let breach: Breach | undefined;
    let tally: Tally = {};

    beforeAll(async () => {
      ({ tally, breach } = await explore({ among: worlds(waiting), worlds: count, seed: SEED }));
    }, TIMEOUT_MS);
    afterAll(() => console.log(`Drains ${waiting}, seed number ${SEED}:\n${linesOf(tally)}`));

    it.each(PROPERTIES)('$name', ({ name }) => {
      expect(breach?.property === name ? sentenceOfBreach(breach) : undefined).toBeUndefined();
    });

    if (!IS_EXHAUSTIVE) return; // A few worlds do not have every fault.

    it('drains, faults of every kind and ends of every kind are among them', () => {
      const impossible = waiting === 'park' ? [] : ['events lost', 'requests of operators'];
      const possible = Object.entries(tally).filter(([what]) => !impossible.includes(what));
      expect(possible.filter(([, number]) => number === 0)).toEqual([]);
      expect(tally['worlds']).toBe(count);
    });

    it('all together they cost no more than they did', () => {
      const { calls = Infinity, 'calls at most': most = 0 } = tally;
      expect(calls / most).toBeLessThanOrEqual(SHARE_OF_CALLS[waiting]);
    });
  });
}

/** Worlds whose drains end so whenever their events come, if they come within a minute. */
function clearCut(waiting: World['waiting']): fc.Arbitrary<World> {
  return worlds(waiting).map((world) => ({
    ...world,
    settings: {
      ...world.settings,
      deadlineSeconds: 3_000,
      heartbeatTimeoutSeconds: 3_600,
      agentGraceSeconds: 240,
      functionTimeoutSeconds: 60,
      pollMaxSeconds: 60,
    },
    losses: [],
    registrations: [],
    movesToSecondCluster: undefined,
    groupDeletedAtSecond: undefined,
    outages: [],
    releases: [],
    managedDraining: undefined, // When ECS ends its drain does not depend on when we hear of it.
    // Never heard at all, or silent for less than its grace.
    silences: world.silences.map(({ on, forSeconds }) => ({
      on,
      atSecond: 0,
      forSeconds: forSeconds !== null && forSeconds < 300 ? 20 : null,
    })),
    deliveries: { lostTerminations: 0, lostOthers: 0, duplicated: 0, delayed: 0, delaySeconds: 0 },
  }));
}

/** The same worlds twice: as they are, and with deliveries that come twice, late and in another order. */
export function describeDeliveries(waiting: World['waiting'], { all, few }: Counts): void {
  const count = IS_EXHAUSTIVE ? all : few;
  it(
    `duplicated, reordered and delayed deliveries change no outcome, in ${count} worlds in which drains ${waiting}`,
    async () => {
      const outcomes = new Map<string, number>();
      const property = fc.asyncProperty(
        clearCut(waiting),
        fc.integer({ min: 1, max: 60 }),
        async (world, delaySeconds) => {
          const duplicated = waiting === 'park' ? 1 : 0.1;
          const deliveries = { ...world.deliveries, duplicated, delayed: 0.5, delaySeconds };
          const undisturbed = outcomesOf((await play(world)).held);
          const disturbed = outcomesOf((await play({ ...world, deliveries })).held);
          for (const [, outcome] of undisturbed) outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
          expect(disturbed).toEqual(undisturbed);
        },
      );
      await fc.assert(property, { numRuns: count, seed: SEED });
      console.log(
        `Drains ${waiting}, deliveries disturbed in ${count} worlds, outcomes: ${JSON.stringify([...outcomes])}`,
      );
      const expected = IS_EXHAUSTIVE ? ['drained', 'timed-out', 'agent-lost'] : ['drained'];
      for (const outcome of expected) expect(outcomes.get(outcome)).toBeGreaterThan(0);
    },
    TIMEOUT_MS,
  );
}

/** How each instance was let go, by what its drain said first. */
function outcomesOf(held: readonly Held[]): [instanceId: string, outcome: string][] {
  return held.map(({ instanceId, outcomes, endedBy }): [string, string] => {
    const verdict = outcomes.find((outcome) => outcome !== 'already-completed');
    return [instanceId, verdict ?? `ended by ${endedBy}`];
  });
}

/**
 * Plays the world again and again, and lets an invocation die at one await after the other, or at some: before and after
 * each call. It is the only fault, so that everything is claimed of a hold that begins when others have ended.
 */
export function describeCrashes(name: string, given: World): void {
  const world: World = { ...given, faultsEndAtSecond: 1, terminations: [{ on: 0, atSecond: 1, shrinks: false }] };
  const [step, which] = IS_EXHAUSTIVE ? [1, 'every single'] : [10, 'every tenth'];
  it(
    `a crash at ${which} await is survived: ${name}`,
    async () => {
      const undisturbed = await play(world);
      let awaits = 0;
      for (;;) {
        const crashed = await play({ ...world, crashAtAwait: awaits + step });
        if (!crashed.works.some(({ result }) => result === 'failed')) break;
        awaits += step;
        const at = { crashAtAwait: awaits };
        const breaches = PROPERTIES.flatMap(({ breaches }) => breaches(crashed));
        expect({ ...at, breaches }).toEqual({ ...at, breaches: [] });
        expect({ ...at, ends: endsOf(crashed.held) }).toEqual({ ...at, ends: endsOf(undisturbed.held) });
      }
      console.log(`${name}: a crash at ${which} await of ${awaits}`);
      expect(awaits).toBeGreaterThan(20);
    },
    TIMEOUT_MS,
  );
}

/** Who let each instance go, and over how many tasks: what the drain said may have died with it. */
function endsOf(held: readonly Held[]) {
  return held.map(({ instanceId, endedBy, victims }) => ({ instanceId, endedBy, victims: victims.length }));
}
