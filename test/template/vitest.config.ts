import { defineConfig } from 'vitest/config';

/** `npm run test:template`: apart from `npm test`, which needs neither Python nor Java. */
export default defineConfig({
  test: {
    include: ['test/template/**/*.check.ts'],
    globalSetup: ['test/template/packages.ts'],
    fileParallelism: false,
    testTimeout: 60_000,
  },
});
