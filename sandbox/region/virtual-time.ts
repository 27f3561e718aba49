import TinyQueue from 'tinyqueue';

/** An event of the model: what happens, when, and in which order among those of the same instant. */
interface Scheduled {
  readonly atMs: number;
  readonly order: number;
  readonly happen: () => void;
}

/**
 * Time that passes only when nobody works: a discrete-event clock. Code under it runs at full speed, and an hour of
 * waiting costs nothing. The same events in the same order always give the same run.
 */
export class VirtualTime {
  #nowMs: number;
  #order = 0;
  #working = 0;
  #allIdle: (() => void) | undefined;
  readonly #queue = new TinyQueue<Scheduled>([], (a, b) => a.atMs - b.atMs || a.order - b.order);

  constructor(startMs: number) {
    this.#nowMs = startMs;
  }

  /** Epoch milliseconds. */
  nowMs(): number {
    return this.#nowMs;
  }

  /** Lets something happen later. */
  after(seconds: number, happen: () => void): void {
    this.#queue.push({ atMs: this.#nowMs + seconds * 1000, order: this.#order++, happen });
  }

  /** Waits without working. Only for code inside `work`. */
  sleepUntil(instantMs: number): Promise<void> {
    return new Promise((wake) => {
      this.after(Math.max(0, instantMs - this.#nowMs) / 1000, () => {
        this.#working += 1;
        wake();
      });
      this.#stopWorking();
    });
  }

  /** Runs code that does real input and output: time stands still until it ends or sleeps. */
  work(task: () => Promise<void>): void {
    this.#working += 1;
    task().finally(() => this.#stopWorking());
  }

  /** Lets events happen, one after the other, until `done` or until none is left. */
  async runUntil(done: () => boolean): Promise<void> {
    while (!done()) {
      if (this.#working > 0) {
        await new Promise<void>((resolve) => {
          this.#allIdle = resolve;
        });
        continue;
      }
      const next = this.#queue.pop();
      if (!next) return;
      this.#nowMs = next.atMs;
      next.happen();
    }
  }

  #stopWorking(): void {
    this.#working -= 1;
    if (this.#working === 0) this.#allIdle?.();
  }
}
