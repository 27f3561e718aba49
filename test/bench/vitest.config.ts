import { defineConfig } from 'vitest/config';
import { TIME_LIMITS } from '../time-limits.ts';

/** `npm run test:bench`: the benchmark, the soak and the proof of plans, which measure the service and are no part of it. */
export default defineConfig({
  test: {
    include: ['test/bench/**/*.test.ts'],
    ...TIME_LIMITS,
    isolate: false,
    experimental: { viteModuleRunner: false },
  },
});
