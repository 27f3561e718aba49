import fc from 'fast-check';
import type { Build } from '../drainers/ecs-drain.ts';
import { mostCalls } from './cost.ts';
import { type Played, play } from './play.ts';
import { PROPERTIES, type Property } from './properties.ts';
import { OUTAGES, type World } from './world.ts';

/** Which worlds to play. */
export interface Exploration {
  readonly among: fc.Arbitrary<World>;
  readonly worlds: number;
  readonly seed: number;
  /** Another function than this repository's. */
  readonly build?: Build;
  readonly properties?: readonly Property[];
  readonly onWorld?: (played: Played) => void;
}

/** The smallest world that was found in which a property does not hold. */
export interface Breach {
  readonly property: string;
  readonly world: World;
  readonly sentence: string;
  /** The world in which it was found first. */
  readonly foundIn: World;
}

/** How much was played: worlds, what went on in them, and what went wrong. */
export type Tally = Readonly<Record<string, number>>;

/** What of the bound on calls the world used that used most of its own, in percent. */
const DEAREST_WORLD = '% of its bound on calls in the dearest world';

/** Shrinking goes on as long as there is a smaller world, or so many have been tried. */
const MOST_SHRINKS = 50;

/** Plays random worlds until a property does not hold in one, which is shrunk then. The same seed number gives the same worlds. */
export async function explore({
  among,
  worlds: numRuns,
  seed,
  build,
  properties = PROPERTIES,
  onWorld = () => {},
}: Exploration): Promise<{ readonly tally: Tally; readonly breach: Breach | undefined }> {
  const tally: Record<string, number> = {};
  let breach: Breach | undefined;
  let shrinks = 0;
  const holds = async (world: World) => {
    const found = breach;
    if (found && ++shrinks > MOST_SHRINKS) return true;
    const played = await play(world, build);
    if (!found) {
      countIn(tally, played);
      onWorld(played);
    }
    for (const { name, breaches } of properties) {
      // While it shrinks, the world is not to become one of another problem.
      const [sentence] = found && found.property !== name ? [] : breaches(played);
      if (sentence !== undefined) {
        breach = { property: name, world, sentence, foundIn: found?.foundIn ?? world };
        return false;
      }
    }
    return true;
  };
  const details = await fc.check(fc.asyncProperty(among, holds), { numRuns, seed });
  // What is thrown is not a property that fails.
  const { errorInstance } = details as { readonly errorInstance?: unknown };
  if (details.failed && !breach) throw errorInstance;
  return { tally, breach };
}

/** The arguments with which the drill plays the world. */
export function replayOf(world: World): string {
  return `npm run drill -- --world '${JSON.stringify(world)}'`;
}

export function sentenceOfBreach({ property, world, sentence }: Breach): string {
  return `It does not hold that ${property}: ${sentence}\n${replayOf(world)}`;
}

/** As lines: what was counted, what goes together side by side. */
export function linesOf(tally: Tally): string {
  return Object.entries(tally)
    .map(([what, count]) => `${String(count).padStart(8)} ${what}`)
    .join('\n');
}

function countIn(tally: Record<string, number>, played: Played): void {
  const { world, held, works, asked, calls, failedCalls, deliveries } = played;
  const add = (what: string, count: number) => {
    tally[what] = (tally[what] ?? 0) + count;
  };
  add('worlds', 1);
  add('drains', held.length);
  add('invocations', works.length);
  const most = mostCalls(played);
  add('calls', calls.length);
  add('calls at most', Math.round(most));
  tally[DEAREST_WORLD] = Math.max(tally[DEAREST_WORLD] ?? 0, Math.ceil((100 * calls.length) / most));
  add('calls refused or unheard', failedCalls);
  add('invocations that failed', works.filter(({ result }) => result === 'failed').length);
  add('events lost', deliveries.lostAt.length);
  add('events duplicated', deliveries.duplicatedAt.length);
  add('events delayed', deliveries.delayed);
  for (const what of OUTAGES) add(`outages: ${what}`, world.outages.filter((outage) => outage.what === what).length);
  add('agents silent', world.silences.length);
  add('agents registered again', world.registrations.length);
  add('instances taken by EC2', world.losses.length);
  add('deployments mid-drain', world.releases.length);
  add('requests of operators', asked.filter(({ isDone }) => isDone).length);
  add('clusters deleted', world.searchesEmptyCluster && world.clusterVanishesAtSecond !== undefined ? 1 : 0);
  add('groups deleted', world.groupDeletedAtSecond !== undefined ? 1 : 0);
  const { movesToSecondCluster, leftInSecondCluster } = world;
  const inBoth = movesToSecondCluster !== undefined || leftInSecondCluster !== undefined;
  add('instances in two clusters', world.searchesEmptyCluster && inBoth ? 1 : 0);
  for (const end of ['completion', 'timeout', 'loss', 'deletion'] as const) {
    add(`ended by ${end}`, held.filter(({ endedBy }) => endedBy === end).length);
  }
}
