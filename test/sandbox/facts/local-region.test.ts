import { beforeAll, describe, expect, it } from 'vitest';
import { EXPERIMENTS } from '../../../sandbox/facts/experiments/all.ts';
import { runOnLocalRegion } from '../../../sandbox/facts/local-region.ts';
import type { Result } from '../../../sandbox/facts/run.ts';
import { NO_FAULTS } from '../../../sandbox/region/faults.ts';

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

describe('facts 23 eventual-consistency: where lists lag', () => {
  const lags = EXPERIMENTS.filter(({ facts }) => facts.includes(23));
  /** By what is looked at, the seconds until it showed. */
  const secondsIn = (results: readonly Result[]) =>
    Object.fromEntries(
      results.flatMap(({ saw }) =>
        [...saw.matchAll(/([A-Za-z ]+) after ([\d.]+) s/g)].map(([, a, b]) => [a?.trim(), Number(b)]),
      ),
    );

  it('the experiments measure by how much, after StopTask, RunTask and DRAINING', async () => {
    const prompt = secondsIn(await runOnLocalRegion(lags));
    const late = secondsIn(await runOnLocalRegion(lags, undefined, { ...NO_FAULTS, listLagSeconds: 7 }));
    const listed = ['listed under STOPPED', 'gone from RUNNING', 'listed under RUNNING', 'task listed under STOPPED'];
    const described = ['described', 'instance described', 'instance listed', 'task described'];
    expect(Object.keys(prompt).toSorted()).toEqual([...listed, ...described].toSorted());
    for (const what of [...listed, ...described]) expect(prompt[what]).toBeLessThan(2);
    for (const what of described) expect(late[what]).toBeLessThan(2);
    for (const what of listed) {
      expect(late[what]).toBeGreaterThan(6.9);
      expect(late[what]).toBeLessThan(9.5);
    }
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
