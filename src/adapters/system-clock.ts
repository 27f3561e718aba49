import type { Clock } from '../domain/ports.ts';

/** The time of the machine. */
export const systemClock: Clock = { nowMs: () => Date.now() };

/** Aborts after so many milliseconds. By `setTimeout`, which a rehearsal in virtual time can play. */
export function abortAfter(ms: number): AbortSignal {
  const controller = new AbortController();
  setTimeout(() => controller.abort(), Math.max(0, ms)).unref();
  return controller.signal;
}
