import { defineConfig } from 'vitest/config';
import { TIME_LIMITS } from '../time-limits.ts';
import { WHOLLY_EXHAUSTIVE } from './extent.ts';

/** `npm run test:exhaustive`: every case of the tests of which `npm test` tries a part. */
export default defineConfig({
  test: {
    include: [
      ...WHOLLY_EXHAUSTIVE,
      'test/chaos/park.test.ts',
      'test/docs/aws-calls.test.ts',
      'test/domain/properties.test.ts',
      'test/handlers/{forged,hostile}.test.ts',
      'test/sandbox/region/wire/fuzz.test.ts',
    ],
    env: { EXHAUSTIVE: 'true' },
    ...TIME_LIMITS,
    isolate: false,
    experimental: { viteModuleRunner: false },
  },
});
