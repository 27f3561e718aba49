import { defineConfig } from 'vitest/config';
import { TIME_LIMITS } from '../time-limits.ts';

/** `npm run test:repository`: apart from `npm test`, which needs neither Python nor Go. */
export default defineConfig({
  test: { include: ['test/repository/**/*.check.ts'], ...TIME_LIMITS },
});
