import { expect, it } from 'vitest';
import { play } from '../../sandbox/chaos/play.ts';
import { CALM } from './samples.ts';
import { TIMEOUT_MS } from './worlds.ts';

const INSTANCES = 60;
const JOBS = 480;

it('a fleet of stragglers with one deadline is stopped in time, although ECS takes 40 stops a second', {
  timeout: TIMEOUT_MS,
}, async () => {
  const instances = Array.from({ length: INSTANCES }, (_, i) => i);
  const { calls, held } = await play({
    ...CALM,
    instances: INSTANCES,
    services: [],
    settings: { ...CALM.settings, deadlineSeconds: 400, stopStragglers: 'standalone' },
    jobs: Array.from({ length: JOBS }, (_, i) => ({
      on: i % INSTANCES,
      atSecond: 0,
      runsForSeconds: 100_000,
      stopTimeoutSeconds: 10,
    })),
    terminations: instances.map((on) => ({ on, atSecond: 60, shrinks: false })),
  });
  const stops = calls.filter(({ operation }) => operation === 'StopTask');
  expect(stops.filter(({ failedWith }) => failedWith === undefined)).toHaveLength(JOBS);
  expect(stops.length).toBeLessThan(1.1 * JOBS);
  expect(held.map(({ outcomes, victims }) => [outcomes, victims])).toEqual(instances.map(() => [['drained'], []]));
});
