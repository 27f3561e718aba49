import { availableParallelism } from 'node:os';

/** What mutation testing mutates, and with which tests: docs/mutation.md. */

/** @type {import('@stryker-mutator/api/core').PartialStrykerOptions} */
export default {
  mutate: ['src/domain/*.ts', 'src/adapters/*.ts'],
  testRunner: 'vitest',
  plugins: ['@stryker-mutator/vitest-runner'],
  vitest: { configFile: 'test/mutation/vitest.config.ts', related: false },
  coverageAnalysis: 'perTest',
  tsconfigFile: 'none', // TypeScript 7 has no compiler API to read one by.
  thresholds: { high: 95, low: 90, break: 90 },
  reporters: ['clear-text', 'progress'],
  clearTextReporter: { allowColor: false, reportTests: false, logTests: false },
  concurrency: availableParallelism(),
  timeoutMS: 15_000, // A busy machine is slow, and what never ends is mostly noticed by its hits.
  tempDirName: 'node_modules/.cache/stryker',
};
