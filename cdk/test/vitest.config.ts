import { defineConfig } from 'vitest/config';
import { TIME_LIMITS } from '../../test/time-limits.ts';

/** `npm run test:cdk`: apart from `npm test`, because the CDK takes 190 MB. */
export default defineConfig({
  test: {
    include: ['cdk/test/**/*.check.ts'],
    globalSetup: ['cdk/test/built.ts'],
    experimental: { viteModuleRunner: false }, // As its users do, Node itself loads the construct and the CDK.
    ...TIME_LIMITS,
  },
});
