import { defineConfig } from 'vitest/config';
import { TIME_LIMITS } from '../time-limits.ts';

/** `npm run test:terraform`: apart from `npm test`, which needs neither Terraform nor Go. */
export default defineConfig({
  test: { include: ['test/terraform/**/*.check.ts'], ...TIME_LIMITS },
});
