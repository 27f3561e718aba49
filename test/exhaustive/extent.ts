/**
 * Whether the tests that try case after case try them all, as `npm run test:exhaustive` does. `npm test` tries a part of them,
 * because it must not take long.
 */
export const IS_EXHAUSTIVE = process.env['EXHAUSTIVE'] === 'true';

/** All cases, or only the first of each group of so many. */
export function casesOf<T>(all: readonly T[], everyNth: number): T[] {
  return IS_EXHAUSTIVE ? [...all] : all.filter((_, i) => i % everyNth === 0);
}

/** Tests that `npm test` leaves out: what they claim, others claim of a smaller part. */
export const WHOLLY_EXHAUSTIVE = [
  'test/chaos/watch.test.ts',
  'test/sandbox/facts/disagreement.test.ts',
  'test/sandbox/rehearsal.test.ts',
];
