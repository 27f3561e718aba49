import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { explore, replayOf } from '../../sandbox/chaos/explore.ts';
import { fromSource, play } from '../../sandbox/chaos/play.ts';
import { PROPERTIES } from '../../sandbox/chaos/properties.ts';
import { anyJob, anyService, scenarioOf, type World, worldFrom } from '../../sandbox/chaos/world.ts';
import type { Build } from '../../sandbox/drainers/ecs-drain.ts';
import { rehearse } from '../../sandbox/rehearsal.ts';
import type { HandlerResult } from '../../src/handlers/drain-handler.ts';
import { CALM } from './samples.ts';
import { withBug } from './tampering.ts';
import { TIMEOUT_MS } from './worlds.ts';

/** Names are unique no more: each place is another. */
let places = 0;

/** A bug for each property, by the property's first words. */
const BUGS: readonly (readonly [property: string, bug: string, waiting: World['waiting'], Build])[] = [
  [
    'we let no instance go',
    'a task that is DEACTIVATING counts as stopped',
    'park',
    withBug(async ({ operation, carry }) => {
      const { status, body } = await carry();
      const believed = body.replaceAll('"lastStatus":"DEACTIVATING"', '"lastStatus":"STOPPED"');
      return { status, body: operation === 'DescribeTasks' ? believed : body };
    }),
  ],
  [
    'we complete every lifecycle action',
    'heartbeats are recorded nowhere',
    'watch',
    withBug(async ({ operation, carry }) => {
      if (operation !== 'RecordLifecycleActionHeartbeat') return carry();
      return { status: 200, body: `<${operation}Response><${operation}Result/></${operation}Response>` };
    }),
  ],
  [
    'a drain has one place',
    'each schedule has a name of its own',
    'park',
    withBug(({ operation, request, carry }) => {
      if (operation.startsWith('POST /schedules/')) request.path += `-${++places}`;
      return carry();
    }),
  ],
  [
    'nothing goes on',
    'a drain that is over already is handed over',
    'park',
    async (params) => {
      const { deployment, createDrainHandler } = await fromSource(params);
      const mistaken: typeof createDrainHandler = (...built) => {
        const handler = createDrainHandler(...built);
        const handle = async (...invoked: Parameters<typeof handler>) => {
          const result = (await handler(...invoked)) as HandlerResult;
          const isOver = result.kind === 'finished' && result.outcome.kind === 'already-completed';
          return isOver ? { kind: 'handed-over' } : result;
        };
        return handle as typeof handler;
      };
      return { deployment, createDrainHandler: mistaken };
    },
  ],
  [
    'calls are bounded',
    'it looks every two seconds',
    'watch',
    (params) => fromSource({ ...params, pollMaxSeconds: 2 }),
  ],
];

/** Each is a world to play: to see that it shrinks at all takes fewer than to reach the smallest. */
const MAX_SHRINKS = 30;

/** Worlds that excuse nothing, and cost little. */
function calm(waiting: World['waiting']): fc.Arbitrary<World> {
  const settings = { ...CALM.settings, deadlineSeconds: 420, heartbeatTimeoutSeconds: 300 };
  const deliveries = { ...CALM.deliveries, duplicated: waiting === 'park' ? 0.5 : 0 };
  const few = { maxLength: 2 };
  const drawn = fc.record({ seed: fc.nat(999), services: fc.array(anyService, few), jobs: fc.array(anyJob, few) });
  return fc.limitShrink(
    drawn.map((parts) => ({ ...CALM, waiting, settings, deliveries, ...parts })),
    MAX_SHRINKS,
  );
}

const sizeOf = ({ seed, services, jobs }: World) => 1_000 * (services.length + jobs.length) + seed;

it('there is a bug for every property', () => {
  const found = PROPERTIES.map(({ name }) => BUGS.find(([property]) => name.startsWith(property))?.[1]);
  expect(found).toEqual(BUGS.map(([, bug]) => bug));
});

/** That the properties can fail: each does with its bug. */
describe('with a bug', () => {
  it.each(BUGS)(
    '%s… does not hold where %s: that is found, shrunk, and found again in the world that is printed',
    async (start, _, waiting, build) => {
      const properties = PROPERTIES.filter(({ name }) => name.startsWith(start));
      const { breach } = await explore({ among: calm(waiting), worlds: 200, seed: 1, build, properties });
      expect(breach?.property).toMatch(start);
      const printed = replayOf(breach?.world as World).match(/^npm run drill -- --world '(.*)'$/)?.[1] ?? '';
      const world = worldFrom(JSON.parse(printed));
      expect(sizeOf(world)).toBeLessThanOrEqual(sizeOf(breach?.foundIn as World));
      const breachesWith = async (other?: Build) => {
        const played = await play(world, other);
        return properties.flatMap(({ breaches }) => breaches(played));
      };
      expect(await breachesWith(build)).not.toEqual([]);
      expect(await breachesWith()).toEqual([]);
    },
    TIMEOUT_MS,
  );
});

it(
  'the drill plays the same world, with what would be deployed',
  async () => {
    const world = CALM;
    const played = await play(world);
    const { drains } = await rehearse({
      scenario: 'world',
      variant: scenarioOf(world),
      drainer: 'ecs-drain',
      seed: world.seed,
    });
    const ends = played.held.map(({ instanceId, since, until = Infinity }) => ({ instanceId, seconds: until - since }));
    expect(drains.map(({ instanceId, seconds }) => ({ instanceId, seconds: seconds.toFixed(3) }))).toEqual(
      ends.map(({ instanceId, seconds }) => ({ instanceId, seconds: seconds.toFixed(3) })),
    );
  },
  TIMEOUT_MS,
);
