import { expect, it } from 'vitest';
import { play } from '../../sandbox/chaos/play.ts';
import type { World } from '../../sandbox/chaos/world.ts';
import { CALLS_OF_CALM, CALM, callsOf, SERVICE } from './samples.ts';
import { describeCrashes, describeDeliveries, describeWorlds } from './worlds.ts';

describeWorlds('park', { all: 100, few: 10 });
describeDeliveries('park', { all: 8, few: 2 });

const brief = { ...CALM.settings, deadlineSeconds: 120, agentGraceSeconds: 60 };
const never = [{ ...SERVICE, desiredCount: 1, stopping: 'never' as const }];
describeCrashes('a drain that is parked, and woken by its last task', CALM);
describeCrashes('a drain that ends at its deadline', { ...CALM, settings: brief, services: never });
describeCrashes('a drain whose agent is silent', {
  ...CALM,
  settings: brief,
  silences: [{ on: 0, atSecond: 0, forSeconds: null }],
});

describeCrashes('a drain whose hook holds for three minutes', {
  ...CALM,
  settings: { ...CALM.settings, heartbeatTimeoutSeconds: 180 },
  services: [{ ...SERVICE, stopTimeoutSeconds: 200, stopping: 'on SIGKILL' }],
});

const { heartbeatTimeoutSeconds: _, ...later } = CALM.settings;
const eventful: World = {
  ...CALM,
  deliveries: { ...CALM.deliveries, duplicated: 0.2, delayed: 0.3, delaySeconds: 20, lostOthers: 0.1 },
  outages: [{ what: 'ECS throttles', fromSecond: 10, forSeconds: 60 }],
  releases: [
    { atSecond: 40, settings: later, continuations: 'of a newer version' },
    { atSecond: 80, settings: later, continuations: 'of this version' },
  ],
};

it('the same world gives the same again', async () => {
  expect(JSON.stringify(await play(eventful))).toBe(JSON.stringify(await play(eventful)));
});

it('a drain to which nothing happens makes these calls and no others', async () => {
  expect(callsOf(await play(CALM))).toEqual(CALLS_OF_CALM);
});
