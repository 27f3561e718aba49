import { defineConfig } from 'vitest/config';
import { TIME_LIMITS } from '../time-limits.ts';

/** `npm run test:package`: the package as npm installs it, on each version of Node that it is for. */
export default defineConfig({
  test: {
    include: ['test/package/**/*.check.ts'],
    globalSetup: ['test/package/installed.ts'],
    fileParallelism: false,
    ...TIME_LIMITS,
  },
});
