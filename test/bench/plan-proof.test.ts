import { describe, expect, it } from 'vitest';
import { placementCase, scenarioCases, worldCases } from '../../bench/plan/cases.ts';
import { errorsOf, prove } from '../../bench/plan/prove.ts';

/** docs/plan.md has the same for all scenarios and 300 worlds: `npm run bench:plan`. */

const CHEAP = ['book', 'scale-in', 'stuck', 'retained', 'warm-pool'];
const CASES = [...scenarioCases(2).filter(({ name }) => CHEAP.includes(name)), placementCase(2), ...worldCases(6, 11)];
const TRIALS = 3;

describe('a plan, made from a snapshot over the wire', () => {
  it.each(CASES.map((each) => [each.name, each] as const))('says of %s what then comes', async (_, each) => {
    const proof = await prove(each, TRIALS);
    const { outcomes, killed, drains, whole } = errorsOf(proof);
    expect(proof.actual.drains.length).toBeGreaterThan(0);
    expect(outcomes).toEqual([]);
    expect(killed, 'with every drainer').toEqual([]);
    for (const error of drains) expect(error).toBeLessThanOrEqual(0.1);
    expect(whole).toBeLessThanOrEqual(0.1);
  });
});
