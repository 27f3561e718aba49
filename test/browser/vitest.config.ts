import { defineConfig } from 'vitest/config';
import { TIME_LIMITS } from '../time-limits.ts';

/** `npm run test:browser`: apart from `npm test`, which needs no browser. */
export default defineConfig({
  test: { include: ['test/browser/**/*.browser.ts'], ...TIME_LIMITS },
});
