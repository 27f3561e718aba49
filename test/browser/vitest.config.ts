import { defineConfig } from 'vitest/config';

/** `npm run test:browser`: apart from `npm test`, which needs no browser. */
export default defineConfig({
  test: { include: ['test/browser/**/*.browser.ts'], testTimeout: 60_000, hookTimeout: 60_000 },
});
