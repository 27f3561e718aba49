import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';

/** Chance that repeats itself: the same seed number gives the same numbers in the same order. */
export class Random {
  readonly #seed: number;
  readonly #generator: ReturnType<typeof xoroshiro128plus>;

  constructor(seed: number) {
    this.#seed = seed;
    this.#generator = xoroshiro128plus(seed);
  }

  /** A source of its own for one part of the model: what the other parts draw does not change its numbers. */
  fork(name: string): Random {
    let hash = this.#seed | 0;
    for (const character of name) hash = (Math.imul(hash, 31) + (character.codePointAt(0) ?? 0)) | 0;
    return new Random(hash);
  }

  /** A number from `min` up to, but not including, `max`. */
  between(min: number, max: number): number {
    return min + uniformFloat64(this.#generator) * (max - min);
  }

  /** True with the given probability, 0 to 1. */
  chance(probability: number): boolean {
    return uniformFloat64(this.#generator) < probability;
  }
}
