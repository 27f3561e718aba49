import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    setupFiles: ['test/mutation/fixed-seed.ts'],
    include: ['test/{domain,adapters}/*.test.ts'],
    // The first draws other cases in each run, so its kills are luck; the second reads the sources, which are mutated here.
    exclude: ['test/domain/properties.test.ts', 'test/domain/purity.test.ts'],
  },
});
