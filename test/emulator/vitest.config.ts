import { defineConfig } from 'vitest/config';
import { TIME_LIMITS } from '../time-limits.ts';

/** `npm run test:deploy`: apart from `npm test`, which needs neither Python nor PyPI. */
export default defineConfig({
  test: {
    include: ['test/emulator/**/*.emulator.ts'],
    bail: 1, // each step stands on the one before
    ...TIME_LIMITS,
  },
});
