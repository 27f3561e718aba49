import { defineConfig } from 'vitest/config';
import { TIME_LIMITS } from '../time-limits.ts';

/** `npm run test:chaos`: that the properties of chaos can fail, apart from `npm test`, whose time they would take. */
export default defineConfig({ test: { include: ['test/chaos/**/*.check.ts'], ...TIME_LIMITS } });
