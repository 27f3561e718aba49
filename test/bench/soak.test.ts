import { beforeAll, describe, expect, it } from 'vitest';
import { soak as soakCommand } from '../../bench/soak.ts';
import { type Soak, soaked } from '../../bench/soaked.ts';
import { failureOf } from '../../sandbox/command-line.ts';

const SHORT = { instances: 20, days: 1, seed: 1 } as const;

describe('a day of twenty instances', () => {
  let soak: Soak;
  beforeAll(async () => {
    soak = await soaked({ ...SHORT, drainer: 'ecs-drain' });
  });

  it('has every instance replaced, some scaled in, some taken by EC2, and faults all along', () => {
    expect(soak.held).toBeGreaterThanOrEqual(22);
    expect(soak.spot.interruptions).toBeGreaterThan(0);
    expect(soak.faults['agents silent']).toBeGreaterThan(50);
    expect(Object.keys(soak.faults).filter((fault) => fault.startsWith('calls refused')).length).toBeGreaterThan(0);
  });

  it('kills no task before a deadline, and completes every action that EC2 leaves it time for', () => {
    const { outcomes, held, takenWhileHeld } = soak;
    expect(soak.tasksKilled.early).toBe(0);
    expect(soak.leftToTimeout).toBe(0);
    expect(Object.values(outcomes).reduce((sum, count) => sum + count, 0) + takenWhileHeld).toBe(held);
    expect(Object.keys(outcomes)).toEqual(['drained']);
  });

  it('leaves nothing behind: no action, no schedule, no dead letter, no instance that drains', () => {
    expect(soak.leftBehind).toEqual({ lifecycleActions: 0, schedules: 0, deadLetters: 0, drainingInstances: 0 });
  });

  it('counts all that is billed', () => {
    const { invocations, messages, calls, billed } = soak;
    expect(billed.requests).toBe(invocations);
    expect(billed.gbSeconds).toBeCloseTo(soak.billedSeconds / 4); // 256 MB
    expect(billed.schedules).toBeGreaterThan(0);
    // Each call has up to ten events; one that is refused has none.
    expect(billed.customEvents).toBeGreaterThanOrEqual((calls['events PutEvents'] ?? 0) - soak.refusedCalls);
    const brought = Object.values(messages).reduce((sum, count) => sum + count, 0);
    expect(billed.sqsRequests).toBeGreaterThan(2 * brought);
    expect(soak.dollars).toBeGreaterThan(0);
  });
});

it('the same day with no one who drains kills what was on its instances', async () => {
  const soak = await soaked({ ...SHORT, drainer: 'none' });
  expect(soak.tasksKilled.early).toBeGreaterThan(50);
  expect(soak.tasksKilled.bySpot).toBeGreaterThan(0);
  expect(soak.requestsLost).toBeGreaterThan(0);
  expect(soak.dollars).toBe(0);
});

describe('npm run soak', () => {
  it.each([
    [['--days', '0'], '--days 0 is not a whole number from 1 to 366.'],
    [['--days', 'x'], '--days x is not a whole number from 1 to 366.'],
    [['--seed', '1.5'], '--seed 1.5 is not a whole number from 0 to 999999999.'],
    [['--hours', '1'], "Unknown option '--hours'"],
  ])('refuses %j in a sentence', async (args, sentence) => {
    const failure = await soakCommand(args).then(
      () => undefined,
      (error: unknown) => failureOf(error, ''),
    );
    expect(failure).toMatchObject({ status: 2, complaint: expect.stringContaining(sentence) });
  });
});
