import { setTimeout } from 'node:timers/promises';
import type { Clock } from '../domain/ports.ts';

/** The time of the machine. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  sleepUntil: (instantMs) => setTimeout(Math.max(0, instantMs - Date.now())),
};
