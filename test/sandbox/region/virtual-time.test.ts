import { describe, expect, it } from 'vitest';
import { VirtualTime } from '../../../sandbox/region/virtual-time.ts';

const never = () => false;

describe('virtual time', () => {
  it('passes from event to event, in the order of their instants and then of their making', async () => {
    const time = new VirtualTime(0);
    const seen: string[] = [];
    const note = (name: string) => () => seen.push(`${name} ${time.nowMs()}`);
    time.after(3_600, note('late'));
    time.after(1, note('first'));
    time.after(1, note('second'));
    time.after(0.5, () => time.after(0.25, note('nested')));
    await time.runUntil(never);
    expect(seen).toEqual(['nested 750', 'first 1000', 'second 1000', 'late 3600000']);
  });

  it('stands still while somebody works, whatever real time the work takes', async () => {
    const time = new VirtualTime(0);
    const seen: string[] = [];
    time.after(1, () => seen.push('event'));
    time.work(async () => {
      for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
      seen.push(`worked until ${time.nowMs()}`);
    });
    await time.runUntil(never);
    expect(seen).toEqual(['worked until 0', 'event']);
  });

  it('passes while all who work sleep', async () => {
    const time = new VirtualTime(0);
    const seen: string[] = [];
    for (const [name, seconds] of [
      ['a', 30],
      ['b', 10],
    ] as const) {
      time.work(async () => {
        await time.sleepUntil(seconds * 1000);
        seen.push(`${name} ${time.nowMs()}`);
      });
    }
    await time.runUntil(never);
    expect(seen).toEqual(['b 10000', 'a 30000']);
  });

  it('does not go back for a sleeper who asks for the past', async () => {
    const time = new VirtualTime(5_000);
    time.work(() => time.sleepUntil(1_000));
    await time.runUntil(never);
    expect(time.nowMs()).toBe(5_000);
  });

  it('stops when it is told to, and goes on when asked again', async () => {
    const time = new VirtualTime(0);
    time.after(1, () => {});
    time.after(2, () => {});
    await time.runUntil(() => time.nowMs() === 1_000);
    expect(time.nowMs()).toBe(1_000);
    await time.runUntil(never);
    expect(time.nowMs()).toBe(2_000);
  });
});
