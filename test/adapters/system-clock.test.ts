import { describe, expect, it } from 'vitest';
import { abortAfter, systemClock } from '../../src/adapters/system-clock.ts';

it('a signal aborts after its time, at once if that is past', async () => {
  for (const ms of [10, -1]) {
    const signal = abortAfter(ms);
    expect(signal.aborted).toBe(false);
    const aborted = new Promise((resolve) => signal.addEventListener('abort', resolve));
    // The signal's own timer keeps no process alive.
    const alive = setInterval(() => {}, 1_000);
    await aborted;
    clearInterval(alive);
    expect(signal.aborted).toBe(true);
  }
});

describe('the clock of the machine', () => {
  it('tells epoch milliseconds', () => {
    const before = Date.now();
    const now = systemClock.nowMs();
    expect(now).toBeGreaterThanOrEqual(before);
    expect(now).toBeLessThanOrEqual(Date.now());
  });

  it('sleeps until an instant that is ahead, and not at all for one that is past', async () => {
    const woken: string[] = [];
    const ahead = systemClock.sleepUntil(Date.now() + 30).then(() => woken.push('ahead'));
    const past = systemClock.sleepUntil(Date.now() - 60_000).then(() => woken.push('past'));
    await Promise.all([ahead, past]);
    expect(woken).toEqual(['past', 'ahead']);
  });
});
