import { defineConfig } from 'vitest/config';

/** `npm run test:deploy`: apart from `npm test`, which needs neither Python nor PyPI. */
export default defineConfig({
  test: {
    include: ['test/emulator/**/*.emulator.ts'],
    testTimeout: 300_000,
    hookTimeout: 300_000,
    bail: 1, // each step stands on the one before
  },
});
