import type { Random } from './random.ts';
import { currentFiber, type Timer, type VirtualTime } from './virtual-time.ts';

/**
 * Gives the code of fibers the Region's time and chance where it asks the language for them. The SDK's backoff sleeps
 * with `setTimeout`, and draws its jitter from `Math.random` and its tokens from `crypto.randomUUID`. Loggers write
 * `new Date()`. All other code keeps the real ones. Returns how to end it.
 */
export function playGlobals(time: VirtualTime, random: Random): () => void {
  const real = {
    setTimeout,
    clearTimeout,
    Date,
    mathRandom: Math.random,
    randomUUID: crypto.randomUUID.bind(crypto),
  };
  const uuids = random.fork('uuids');
  const inFiber = () => currentFiber.getStore() !== undefined;

  const virtualSetTimeout = (callback: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) => {
    const fiber = currentFiber.getStore();
    if (!fiber) return real.setTimeout(callback, ms, ...args);
    return new VirtualTimeout(fiber.timer(time.nowMs() + ms, () => callback(...args)));
  };
  const virtualClearTimeout = (timeout: unknown) => {
    if (timeout instanceof VirtualTimeout) timeout.timer.cancel();
    else real.clearTimeout(timeout as Parameters<typeof clearTimeout>[0]);
  };
  class FiberDate extends real.Date {
    constructor(...args: [] | [string | number | Date]) {
      if (args.length === 0) super(FiberDate.now());
      else super(...(args as [string]));
    }
    static override now(): number {
      return inFiber() ? Math.floor(time.nowMs()) : real.Date.now();
    }
  }

  globalThis.setTimeout = virtualSetTimeout as unknown as typeof setTimeout;
  globalThis.clearTimeout = virtualClearTimeout;
  globalThis.Date = FiberDate as DateConstructor;
  Math.random = () => (inFiber() ? random.between(0, 1) : real.mathRandom());
  crypto.randomUUID = () => (inFiber() ? uuidFrom(uuids) : real.randomUUID());
  return () => {
    globalThis.setTimeout = real.setTimeout;
    globalThis.clearTimeout = real.clearTimeout;
    globalThis.Date = real.Date;
    Math.random = real.mathRandom;
    crypto.randomUUID = real.randomUUID;
  };
}

/** Of version 4, as `crypto.randomUUID` gives them. */
function uuidFrom(random: Random): ReturnType<typeof crypto.randomUUID> {
  const hex = (digits: number) => {
    const number = Math.floor(random.between(0, 16 ** digits));
    return number.toString(16).padStart(digits, '0');
  };
  return `${hex(8)}-${hex(4)}-4${hex(3)}-8${hex(3)}-${hex(12)}`;
}

/** What Node's own timers offer, as far as libraries use it. */
class VirtualTimeout {
  readonly timer: Timer;

  constructor(timer: Timer) {
    this.timer = timer;
  }

  unref(): this {
    this.timer.unref();
    return this;
  }

  ref(): this {
    return this;
  }

  hasRef(): boolean {
    return true;
  }
}
