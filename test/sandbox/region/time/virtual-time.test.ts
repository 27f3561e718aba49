import { describe, expect, it } from 'vitest';
import { playGlobals } from '../../../../sandbox/region/time/globals.ts';
import { Random } from '../../../../sandbox/region/time/random.ts';
import { currentFiber, type Fiber, VirtualTime } from '../../../../sandbox/region/time/virtual-time.ts';

const never = () => false;
const fiber = () => currentFiber.getStore() as Fiber;

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

  it('stands still while a fiber works, whatever real time the work takes', async () => {
    const time = new VirtualTime(0);
    const seen: string[] = [];
    time.after(1, () => seen.push('event'));
    time.start(async () => {
      for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
      seen.push(`worked until ${time.nowMs()}`);
    });
    await time.runUntil(never);
    expect(seen).toEqual(['worked until 0', 'event']);
  });

  it('passes while all fibers wait, and wakes those of one instant in the order of their start', async () => {
    const time = new VirtualTime(0);
    const seen: string[] = [];
    for (const [name, realTurns, seconds] of [
      ['slow to ask', 20, 10],
      ['quick to ask', 0, 10],
      ['early', 5, 5],
    ] as const) {
      time.start(async () => {
        for (let i = 0; i < realTurns; i++) await new Promise((resolve) => setImmediate(resolve));
        await fiber().waitUntil(seconds * 1000);
        seen.push(`${name} ${time.nowMs()}`);
      });
    }
    await time.runUntil(never);
    expect(seen).toEqual(['early 5000', 'slow to ask 10000', 'quick to ask 10000']);
  });

  it('lets a fiber wait in two places at once', async () => {
    const time = new VirtualTime(0);
    const seen: number[] = [];
    time.start(async () => {
      const wait = async (ms: number) => {
        await fiber().waitUntil(ms);
        seen.push(time.nowMs());
      };
      await Promise.all([wait(2_000), wait(1_000)]);
      seen.push(time.nowMs());
    });
    await time.runUntil(never);
    expect(seen).toEqual([1_000, 2_000, 2_000]);
  });

  it('does not go back for a fiber that asks for the past', async () => {
    const time = new VirtualTime(5_000);
    time.start(() => fiber().waitUntil(1_000));
    await time.runUntil(never);
    expect(time.nowMs()).toBe(5_000);
  });

  it('stops on request, and goes on when asked again', async () => {
    const time = new VirtualTime(0);
    time.after(1, () => {});
    time.after(2, () => {});
    await time.runUntil(() => time.nowMs() === 1_000);
    expect(time.nowMs()).toBe(1_000);
    await time.runUntil(never);
    expect(time.nowMs()).toBe(2_000);
  });

  it('never comes back to a fiber that was ended, and goes on without it', async () => {
    const time = new VirtualTime(0);
    const seen: string[] = [];
    const ended = time.start(async () => {
      await fiber().waitUntil(10_000);
      seen.push('not reached');
    });
    time.after(5, () => ended.end());
    time.after(20, () => seen.push(`event ${time.nowMs()}`));
    await time.runUntil(never);
    expect(seen).toEqual(['event 20000']);
  });

  it('can keep pace with the wall clock', async () => {
    const time = new VirtualTime(0);
    const seen: number[] = [];
    time.after(1_000, () => seen.push(time.nowMs()));
    await time.runUntil(never, 1_000_000);
    expect(seen).toEqual([1_000_000]);
  });
});

describe('what the language offers, in a fiber', () => {
  it('is the Region’s time and chance, and the real ones outside', async () => {
    const time = new VirtualTime(Date.UTC(2030, 0, 1));
    const stop = playGlobals(time, new Random(1));
    try {
      const seen: unknown[] = [];
      time.start(async () => {
        await new Promise<void>((resolve) => setTimeout(resolve, 90_000));
        seen.push(
          new Date().toISOString(),
          Date.now(),
          new Date(0).getTime(),
          new Date() instanceof Date,
          Math.random(),
          crypto.randomUUID(),
        );
      });
      await time.runUntil(never);
      expect(seen).toEqual([
        '2030-01-01T00:01:30.000Z',
        Date.UTC(2030, 0, 1, 0, 1, 30),
        0,
        true,
        new Random(1).between(0, 1),
        expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/),
      ]);
      expect(Date.now()).not.toBe(time.nowMs());
    } finally {
      stop();
    }
  });

  it('lets a timer be cleared, and one that is unreferenced keep nothing going', async () => {
    const time = new VirtualTime(0);
    const stop = playGlobals(time, new Random(1));
    try {
      const seen: string[] = [];
      time.start(async () => {
        setTimeout(() => seen.push('unreferenced'), 60_000).unref();
        const cleared = setTimeout(() => seen.push('cleared'), 1_000);
        clearTimeout(cleared);
      });
      await time.runUntil(never);
      expect(seen).toEqual([]);
      expect(time.nowMs()).toBe(0);
    } finally {
      stop();
    }
  });
});
