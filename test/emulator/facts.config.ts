import { defineConfig } from 'vitest/config';

/** `npm run facts:elsewhere`: emulators are asked in real time, which takes about 18 minutes. */
export default defineConfig({
  test: {
    include: ['test/emulator/**/*.facts.ts'],
    testTimeout: 3_600_000,
    hookTimeout: 600_000,
  },
});
