import { defineConfig } from 'vitest/config';
import { TIME_LIMITS } from '../time-limits.ts';

/** `npm run test:template`: apart from `npm test`, which needs neither Python nor Java. */
export default defineConfig({
  test: {
    include: ['test/template/**/*.check.ts'],
    globalSetup: ['test/template/packages.ts'],
    fileParallelism: false,
    ...TIME_LIMITS,
  },
});
