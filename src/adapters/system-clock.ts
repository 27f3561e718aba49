import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../domain/ports.ts';

/** The time of the machine. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  sleepUntil: (instantMs) => sleep(Math.max(0, instantMs - Date.now())),
};

/** Aborts after so many milliseconds. By `setTimeout`, for that is what a rehearsal in virtual time can play. */
export function abortAfter(ms: number): AbortSignal {
  const controller = new AbortController();
  setTimeout(() => controller.abort(), Math.max(0, ms)).unref();
  return controller.signal;
}
