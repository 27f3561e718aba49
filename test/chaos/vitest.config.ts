import { defineConfig } from 'vitest/config';

/** `npm run test:chaos`: that the properties of chaos can fail, apart from `npm test`, whose time they would take. */
export default defineConfig({ test: { include: ['test/chaos/**/*.check.ts'] } });
