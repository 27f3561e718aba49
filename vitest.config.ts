import { resolve } from 'node:path';
import { configDefaults, defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { WHOLLY_EXHAUSTIVE } from './test/exhaustive/extent.ts';
import { TIME_LIMITS } from './test/time-limits.ts';

/**
 * The longest first, or one worker is left alone with the last: how long each takes vitest knows only from a run before. Two that
 * need the same package do not begin together, or both make it.
 */
const LONGEST = [
  'docs/aws-calls',
  'chaos/park',
  'deploy/template',
  'sandbox/drill',
  'cli/doctor-group',
  'sandbox/auto-scaling-scenarios',
  'sandbox/digests',
  'wire/fuzz',
  'deploy/watching',
  'cli/doctor',
  'handlers/hostile',
  'domain/properties',
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) =>
      LONGEST.findIndex((name) => moduleId.endsWith(`${name}.test.ts`));
    const rank = (file: TestSpecification) => (place(file) + LONGEST.length + 1) % (LONGEST.length + 1);
    return files.toSorted((a, b) => rank(a) - rank(b));
  }
}

/** What Node has compiled; `npm ci` empties it. */
const COMPILED = resolve(import.meta.dirname, 'node_modules/.cache/compiled');

/** `npm test`; what needs more than Node has a config of its own, in test/. */
export default defineConfig({
  test: {
    exclude: [...configDefaults.exclude, 'test/bench/**', ...WHOLLY_EXHAUSTIVE],
    ...TIME_LIMITS,
    env: { NODE_COMPILE_CACHE: COMPILED }, // For the commands that tests start: a third of their time goes into compiling.
    isolate: false, // Loading the SDK anew for each file would take a fifth of the time.
    experimental: { viteModuleRunner: false }, // Node runs TypeScript itself, as in every command here, and faster.
    sequence: { sequencer: LongestFirst },
  },
});
