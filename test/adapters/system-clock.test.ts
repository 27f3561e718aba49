import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { abortAfter, systemClock } from '../../src/adapters/system-clock.ts';

beforeEach(() => {
  vi.useFakeTimers({ now: 1_767_225_600_000 });
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

it('the clock of the machine gives epoch milliseconds', () => {
  expect(systemClock.nowMs()).toBe(1_767_225_600_000);
});

it('a signal aborts after its time', () => {
  const signal = abortAfter(10);
  vi.advanceTimersByTime(9);
  expect(signal.aborted).toBe(false);
  vi.advanceTimersByTime(1);
  expect(signal.aborted).toBe(true);
});

it('a signal whose time is past aborts at once, without a warning of Node.js about negative timeouts', () => {
  const timeout = vi.spyOn(globalThis, 'setTimeout');
  const signal = abortAfter(-1);
  expect(timeout).toHaveBeenCalledWith(expect.any(Function), 0);
  vi.advanceTimersByTime(0);
  expect(signal.aborted).toBe(true);
});

it('a signal keeps no process alive', () => {
  vi.useRealTimers();
  const before = process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  abortAfter(60_000);
  expect(process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout')).toHaveLength(before);
});
