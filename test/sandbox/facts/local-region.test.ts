import { beforeAll, describe, expect, it } from 'vitest';
import { EXPERIMENTS } from '../../../sandbox/facts/experiments/all.ts';
import { runOnLocalRegion } from '../../../sandbox/facts/local-region.ts';
import type { Result } from '../../../sandbox/facts/run.ts';

describe('the local Region', () => {
  let results: readonly Result[];
  beforeAll(async () => {
    results = await runOnLocalRegion(EXPERIMENTS);
  });

  it('agrees with every fact that can be observed on it', () => {
    expect(results.filter(({ verdict }) => verdict === 'disagrees' || verdict === 'failed')).toEqual([]);
    expect(results.filter(({ verdict }) => verdict === 'agrees').length).toBeGreaterThan(30);
  });

  it('lacks nothing that an experiment needs', () => {
    expect(results.filter(({ verdict }) => verdict === 'not observable')).toEqual([]);
  });

  it('answers every open question in one way or the other', () => {
    const open = EXPERIMENTS.filter((experiment) => experiment.open).map(({ title }) => title);
    expect(results.filter(({ verdict }) => verdict === 'open').map(({ title }) => title)).toEqual(open);
  });

  it('is left as it was by every experiment', () => {
    expect(results.filter(({ leftBehind }) => leftBehind)).toEqual([]);
  });

  it('shows the same observations in the same run', async () => {
    expect(await runOnLocalRegion(EXPERIMENTS)).toEqual(results);
  });
});

describe('every experiment', () => {
  it('has a title of its own, and observes a fact', () => {
    expect(new Set(EXPERIMENTS.map(({ title }) => title)).size).toBe(EXPERIMENTS.length);
    expect(EXPERIMENTS.filter(({ facts }) => facts.length === 0)).toEqual([]);
  });

  it('comes after all the open questions if it is none, and last if it disturbs others', () => {
    const ranks = EXPERIMENTS.map(({ open, disturbs }) => (disturbs ? 2 : open ? 0 : 1));
    expect(ranks).toEqual(ranks.toSorted());
    expect(new Set(ranks).size).toBe(3);
  });
});
