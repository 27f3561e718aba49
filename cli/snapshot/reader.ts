import type { Snapshot } from '../../sandbox/plan/snapshot.ts';
import { AwsCallFailed, AwsUnavailable, awsCall } from '../../src/adapters/aws-call.ts';

/** How a reader waits between its calls. */
export interface Pace {
  nowMs(): number;
  wait(ms: number): Promise<unknown>;
}

export const REAL_PACE: Pace = {
  nowMs: () => performance.now(),
  wait: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
};

/** Less than half of what ECS allows an account for reads, 100 at once and 20 a second (facts 17 ecs-throttling). */
export const BURST = 40;
export const PER_SECOND = 8;

/** How many pages are enough, and what to do where there are more. */
export interface PageLimit {
  readonly mostPages?: number;
  readonly onCut?: () => void;
}

/** Makes the calls of one snapshot: paced, counted, and with a note of what AWS does not permit. */
export class Reader {
  readonly unknown: Snapshot['unknown'] = [];
  readonly #pace: Pace;
  readonly #maxCalls: number;
  #calls = 0;
  #tokens = BURST;
  #refilledAtMs: number;

  constructor(maxCalls: number, pace: Pace = REAL_PACE) {
    this.#maxCalls = maxCalls;
    this.#pace = pace;
    this.#refilledAtMs = pace.nowMs();
  }

  get calls(): number {
    return this.#calls;
  }

  /** How many calls may still be made for what is not vital. */
  get callsLeft(): number {
    return Math.max(0, this.#maxCalls - this.#calls);
  }

  /** Makes a call without which there is no snapshot. */
  async read<T>(attempted: string, call: () => Promise<T>): Promise<T> {
    return this.make(() => awsCall(attempted, call));
  }

  /** Makes a call of an adapter, which says itself what it attempts. */
  async make<T>(call: () => Promise<T>): Promise<T> {
    await this.#turn();
    this.#calls += 1;
    return call();
  }

  /** Reads all pages, or as many as are enough: `next` gives the token of the page that follows. */
  async readAll<P, T>(
    attempted: string,
    page: (token: string | undefined) => Promise<P>,
    {
      items,
      next,
    }: { readonly items: (page: P) => readonly T[] | undefined; readonly next: (page: P) => string | undefined },
    { mostPages = Number.POSITIVE_INFINITY, onCut = () => {} }: PageLimit = {},
  ): Promise<T[]> {
    const all: T[] = [];
    let token: string | undefined;
    for (let pages = 0; pages < mostPages; pages++) {
      const answer = await this.read(attempted, () => page(token));
      all.push(...(items(answer) ?? []));
      token = next(answer);
      if (!token) return all;
    }
    onCut();
    return all;
  }

  /**
   * Reads what a snapshot can do without: what AWS refuses, or what is beyond the most calls, is noted as not known.
   * `reserved` calls are kept for what is read later.
   */
  async tryTo<T>(call: string, missing: string, read: () => Promise<T>, reserved = 0): Promise<T | undefined> {
    if (this.callsLeft <= reserved) {
      this.note({ call, why: `the snapshot may make ${this.#maxCalls} calls, and --max-calls allows more`, missing });
      return undefined;
    }
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof AwsCallFailed || error instanceof AwsUnavailable)) throw error;
      this.note({ call, why: error.code, missing });
      return undefined;
    }
  }

  note(note: Snapshot['unknown'][number]): void {
    this.unknown.push(note);
  }

  /** Waits until the bucket has a token for one more call. */
  async #turn(): Promise<void> {
    const nowMs = this.#pace.nowMs();
    this.#tokens = Math.min(BURST, this.#tokens + ((nowMs - this.#refilledAtMs) / 1000) * PER_SECOND) - 1;
    this.#refilledAtMs = nowMs;
    if (this.#tokens < 0) await this.#pace.wait((-this.#tokens / PER_SECOND) * 1000);
  }
}
