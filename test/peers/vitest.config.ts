import { defineConfig } from 'vitest/config';
import { TIME_LIMITS } from '../time-limits.ts';

/** `npm run test:peers`: programs in Python on the local Region, apart from `npm test`, which needs neither Python nor PyPI. */
export default defineConfig({
  test: {
    include: ['test/peers/**/*.check.ts'],
    fileParallelism: false, // they share a virtual environment
    ...TIME_LIMITS,
  },
});
