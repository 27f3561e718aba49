import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runOnEndpoint } from '../../../sandbox/facts/endpoint.ts';
import { EXPERIMENTS } from '../../../sandbox/facts/experiments/all.ts';
import { comparisonOf } from '../../../sandbox/facts/report.ts';
import type { Result } from '../../../sandbox/facts/run.ts';
import { createRegion } from '../../../sandbox/region/region.ts';
import { listen } from '../../../sandbox/region/wire/http.ts';

/** The local Region creates neither clusters nor groups over its API: to an emulator's experiments it lacks what they need. */
describe('on an endpoint that cannot create the resources', () => {
  let server: Awaited<ReturnType<typeof listen>>;
  beforeAll(async () => {
    server = await listen(createRegion({ startMs: Date.UTC(2026, 0, 1), seed: 1 }).answer);
  });
  afterAll(() => server.close());

  it('an experiment is not observable, and says which operation was missing', async () => {
    const needy = EXPERIMENTS.filter(({ facts }) => facts.includes(32));
    expect(await runOnEndpoint(needy, server.url)).toMatchObject([
      { verdict: 'not observable', saw: expect.stringMatching(/^there is no cluster \(.*CreateCluster of ECS/) },
    ]);
  });
});

describe('the comparison of emulators', () => {
  const result = (title: string, verdict: Result['verdict'], saw: string): Result => ({
    facts: [1, 2],
    title,
    verdict,
    saw,
  });
  const page = comparisonOf([
    ['One 1.0', [result('A.', 'agrees', '1 found'), result('B.', 'disagrees', 'a | b\nc')]],
    ['Two 2.0', [result('B.', 'not observable', 'there is no cluster'), result('A.', 'open', 'done')]],
  ]);

  it('has a row for each experiment, with what each emulator showed', () => {
    expect(page.split('\n').filter((line) => line.startsWith('| '))).toEqual([
      '| facts | experiment | One 1.0 | Two 2.0 |',
      '| 1, 2 | A. | agrees: 1 found | *open*: done |',
      '| 1, 2 | B. | **disagrees**: a \\| b c | not observable: there is no cluster |',
    ]);
  });

  it('counts how the experiments ended on each', () => {
    expect(page).toContain('- **One 1.0**: 2 experiments: 1 agree, 1 disagree, 0 failed, 0 open, 0 not observable.');
  });
});
