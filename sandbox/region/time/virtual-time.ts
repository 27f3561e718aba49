import { AsyncLocalStorage } from 'node:async_hooks';
import TinyQueue from 'tinyqueue';

/** A future event. Events of one instant happen by fiber, and within a fiber as they were made. */
export interface Scheduled {
  readonly atMs: number;
  /** The fiber that made it; the models' own events are fiber 0. */
  readonly fiber: number;
  readonly order: number;
  readonly happen: () => void;
  cancelled: boolean;
  /** Alone it keeps no run going. */
  background: boolean;
}

/** Time as the code of a function has it. */
export interface Clock {
  /** Epoch milliseconds. */
  nowMs(): number;
  sleepUntil(instantMs: number): Promise<void>;
}

/**
 * Time that passes only while no fiber works: a discrete-event clock. An hour of waiting costs nothing, and the same code
 * with the same chance always gives the same run, however the machine interleaves what happens at one instant.
 */
export class VirtualTime {
  #nowMs: number;
  #order = 0;
  #fibers = 0;
  #running = 0;
  #foreground = 0;
  /** Fibers may have run since the last event: all of them must wait before the next. */
  #stirred = false;
  #allAtRest: (() => void) | undefined;
  readonly #queue = new TinyQueue<Scheduled>([], (a, b) => a.atMs - b.atMs || a.fiber - b.fiber || a.order - b.order);

  constructor(startMs: number) {
    this.#nowMs = startMs;
  }

  /** Epoch milliseconds. */
  nowMs(): number {
    return this.#nowMs;
  }

  /** Lets something happen later, unless what it returns is cancelled before. */
  after(seconds: number, happen: () => void): Scheduled {
    return this.schedule(this.#nowMs + seconds * 1000, 0, happen);
  }

  /** Runs code in a fiber of its own: time stands still while it works, and passes while it waits. */
  start(task: () => Promise<void>): Fiber {
    this.#fibers += 1;
    const fiber = new Fiber(this, this.#fibers);
    this.noteRunning(1);
    currentFiber.run(fiber, task).finally(() => fiber.end());
    return fiber;
  }

  /**
   * Lets events happen, one after the other, until `done` or until nothing is left to happen: as fast as the machine can,
   * or so many virtual seconds in each second of the wall clock.
   */
  async runUntil(done: () => boolean, speed = Number.POSITIVE_INFINITY): Promise<void> {
    const paced = { fromMs: this.#nowMs, sinceMs: performance.now() };
    for (;;) {
      await this.#settled();
      if (done() || this.#foreground === 0) return;
      const dueMs = paced.fromMs + (performance.now() - paced.sinceMs) * speed;
      if (speed === Number.POSITIVE_INFINITY || (this.#queue.peek()?.atMs ?? 0) <= dueMs) this.#happenNext();
      else {
        this.#nowMs = Math.max(this.#nowMs, dueMs);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }

  #happenNext(): void {
    const next = this.#queue.pop();
    if (!next) return;
    if (!next.background && !next.cancelled) this.#foreground -= 1;
    if (next.cancelled) return;
    next.cancelled = true; // It has happened: cancelling it later changes nothing.
    this.#nowMs = Math.max(this.#nowMs, next.atMs);
    next.happen();
  }

  /** For fibers: an event that keeps its place among those of the same instant. */
  schedule(atMs: number, fiber: number, happen: () => void): Scheduled {
    const scheduled = { atMs, fiber, order: this.#order++, happen, cancelled: false, background: false };
    this.#queue.push(scheduled);
    this.#foreground += 1;
    return scheduled;
  }

  cancel(scheduled: Scheduled): void {
    if (!scheduled.cancelled && !scheduled.background) this.#foreground -= 1;
    scheduled.cancelled = true;
  }

  toBackground(scheduled: Scheduled): void {
    if (!scheduled.cancelled && !scheduled.background) this.#foreground -= 1;
    scheduled.background = true;
  }

  /** Something has happened that code waits for with a promise: it gets its turn before the next event. */
  stir(): void {
    this.#stirred = true;
  }

  noteRunning(change: 1 | -1): void {
    this.#running += change;
    this.#stirred = true;
    if (this.#running === 0) this.#allAtRest?.();
  }

  /** Until every fiber waits. A fiber may go on in several places: each gets its turn to reach its own wait. */
  async #settled(): Promise<void> {
    while (this.#stirred || this.#running > 0) {
      this.#stirred = false;
      if (this.#running > 0) {
        await new Promise<void>((resolve) => {
          this.#allAtRest = resolve;
        });
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

/** A fiber of code in virtual time, such as one invocation. */
export class Fiber {
  readonly #time: VirtualTime;
  readonly #number: number;
  #waits = 0;
  #ended = false;

  constructor(time: VirtualTime, number: number) {
    this.#time = time;
    this.#number = number;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Waits without working; never comes back if the fiber is ended meanwhile. */
  waitUntil(instantMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.timer(instantMs, resolve);
    });
  }

  /**
   * Waits for a promise that an event of the Region resolves; that event has to call `stir` of the time. Never comes
   * back if the fiber is ended meanwhile.
   */
  async waitFor<T>(promise: Promise<T>): Promise<T> {
    this.#waitMore();
    const settled = await promise.then(
      (value) => () => value,
      (error) => () => {
        throw error;
      },
    );
    if (this.#ended) await new Promise(() => {});
    this.#waitLess();
    return settled();
  }

  /** Calls back at an instant, in this fiber, which waits for it unless the timer is unreferenced. */
  timer(instantMs: number, callback: () => void): Timer {
    if (this.#ended) return { cancel: () => {}, unref: () => {} };
    this.#waitMore();
    let counts = true;
    const waitLess = () => {
      if (counts) this.#waitLess();
      counts = false;
    };
    const scheduled = this.#time.schedule(Math.max(instantMs, this.#time.nowMs()), this.#number, () => {
      if (this.#ended) return;
      waitLess();
      currentFiber.run(this, callback);
    });
    return {
      cancel: () => {
        this.#time.cancel(scheduled);
        waitLess();
      },
      unref: () => {
        this.#time.toBackground(scheduled);
        waitLess();
      },
    };
  }

  /** Ends it permanently, done or not: what it waits for never comes. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#waits === 0) this.#time.noteRunning(-1);
  }

  #waitMore(): void {
    this.#waits += 1;
    if (this.#waits === 1) this.#time.noteRunning(-1);
  }

  #waitLess(): void {
    if (this.#ended) return;
    this.#waits -= 1;
    if (this.#waits === 0) this.#time.noteRunning(1);
  }
}

/** A pending callback of a fiber. */
export interface Timer {
  cancel(): void;
  /** The fiber and the run do not wait for it. */
  unref(): void;
}

/** The fiber that the running code belongs to. */
export const currentFiber = new AsyncLocalStorage<Fiber>();
