import { defineConfig } from 'vitest/config';

export default defineConfig({ test: { include: ['test/domain/*.test.ts'], exclude: ['test/domain/properties.test.ts', 'test/domain/purity.test.ts'] } });
