import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  atMost,
  dayOf,
  drainGoals,
  drainingBoundSeconds,
  figure,
  type Run,
  spreadFigure,
  spreadOf,
  summaryOf,
} from '../../bench/figures.ts';
import { dollarsFor, percentile, type Quantities } from '../../sandbox/prices.ts';

const NOTHING: Quantities = {
  requests: 0,
  gbSeconds: 0,
  customEvents: 0,
  schedules: 0,
  sqsRequests: 0,
  snsPublishes: 0,
};

const RUN: Run = {
  trial: { kind: '6 minutes', instances: 1, tasksAnInstance: 10 },
  contestant: 'ecs-drain',
  drainer: 'ecs-drain',
  params: {},
  seed: 1,
  held: 1,
  leftToTimeout: 0,
  lost: 0,
  tasksKilled: 0,
  tasksCutOff: 0,
  killedBeforeDeadline: 0,
  drainSeconds: [360],
  slackSeconds: [1],
  allDrainingAfterSeconds: 2,
  invocations: 10,
  throttledInvocations: 0,
  peakConcurrency: 2,
  billedSeconds: 2,
  calls: { 'ecs ListTasks': { made: 4, refused: 1 }, 'scheduler GetSchedule': { made: 10, refused: 0 } },
  polls: {},
  billed: { ...NOTHING, requests: 10 },
};

describe('a percentile', () => {
  it('is the nearest rank: of a hundred values the 99th, not one between two', () => {
    const values = Array.from({ length: 100 }, (_, i) => 100 - i);
    expect([50, 99, 100].map((percent) => percentile(values, percent))).toEqual([50, 99, 100]);
  });

  it('is one of the values, and no more than so many percent are below it', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(), { minLength: 1 }), fc.integer({ min: 0, max: 100 }), (values, percent) => {
        const found = percentile(values, percent);
        expect(values).toContain(found);
        expect(values.filter((value) => value < found).length).toBeLessThanOrEqual((percent / 100) * values.length);
      }),
    );
  });

  it('of nothing is no number', () => {
    expect(percentile([], 99)).toBeNaN();
  });
});

describe('the dollars', () => {
  it.each([
    ['a million requests of Lambda', { requests: 1e6 }, 0.2],
    ['a million GB-seconds on arm64', { gbSeconds: 1e6 }, 13.3334],
    ['a million custom events', { customEvents: 1e6 }, 1],
    ['a million schedules, from the first on', { schedules: 1e6 }, 1],
    ['a million requests of SQS', { sqsRequests: 1e6 }, 0.4],
    ['a million publishes to SNS', { snsPublishes: 1e6 }, 0.5],
  ])('for %s', (_, quantities, dollars) => {
    expect(dollarsFor({ ...NOTHING, ...quantities })).toBeCloseTo(dollars);
  });
});

describe('the bound of DRAINING', () => {
  it('is no time at all while the burst lasts, then a second for each 20 reads', () => {
    expect([1, 100, 120, 500, 1_000].map(drainingBoundSeconds)).toEqual([0, 0, 1, 20, 45]);
  });
});

describe('the sum of several runs', () => {
  const other: Run = {
    ...RUN,
    seed: 2,
    held: 3,
    lost: 2,
    leftToTimeout: 1,
    tasksKilled: 5,
    tasksCutOff: 3,
    slackSeconds: [3],
    billedSeconds: 6,
    peakConcurrency: 1,
    calls: { 'ecs ListTasks': { made: 6, refused: 3 } },
    billed: { ...NOTHING, requests: 30 },
  };
  const both = summaryOf([RUN, other]);

  it('is a mean a drain, however many drains each run had', () => {
    expect(both).toMatchObject({ runs: 2, drains: 4, billedSeconds: 2, invocations: 5, calls: 5, refusedCalls: 1 });
    expect(both.callsByKind).toEqual({ 'ecs ListTasks': 2.5, 'scheduler GetSchedule': 2.5 });
    expect(both.dollarsAThousandDrains).toBeCloseTo(10 * 1000 * 0.2e-6);
  });

  it('adds up what must not happen, and keeps the worst run', () => {
    expect(both).toMatchObject({ tasksKilledInAll: 5, tasksCutOffInAll: 3, lostInAll: 2, leftToTimeoutInAll: 1 });
    expect(both).toMatchObject({ peakConcurrency: 2, mostBilledSecondsOfARun: 6, mostCallsOfARun: 14 });
  });

  it('says how far the runs lie apart, by drain and by run', () => {
    expect(both.tasksKilledOfARun).toEqual({ mean: 2.5, least: 0, most: 5 });
    expect(both.tasksCutOffOfARun).toEqual({ mean: 1.5, least: 0, most: 3 });
    expect(both.leftToTimeoutOfARun).toEqual({ mean: 0.5, least: 0, most: 1 });
    expect(both.billedSecondsByRun).toEqual({ mean: 2, least: 2, most: 2 });
    expect(both.callsByRun).toEqual({ mean: 8, least: 2, most: 14 });
  });

  it('has the slack of the drains that have one', () => {
    expect(both.slackSeconds).toEqual({ of: 2, p50: 1, p99: 3, max: 3 });
  });

  it('says when all were DRAINING only if they were in every run', () => {
    expect(summaryOf([RUN, { ...RUN, allDrainingAfterSeconds: 7 }]).allDrainingAfterSeconds).toBe(7);
    expect(summaryOf([RUN, { ...RUN, allDrainingAfterSeconds: null }]).allDrainingAfterSeconds).toBeNull();
  });
});

describe('the figures to reach', () => {
  it('are reached up to the limit, and never by what did not happen', () => {
    expect(atMost('slack', 2, 2, ' s')).toEqual({ what: 'slack', limit: '≤ 2 s', seen: '2 s', reached: true });
    expect(atMost('slack', 2.001, 2, ' s').reached).toBe(false);
    expect(atMost('slack', null, 2, ' s')).toMatchObject({ seen: 'never', reached: false });
    expect(atMost('slack', Number.NaN, 2, ' s').reached).toBe(false);
  });

  it('name each that is missed', () => {
    const good = summaryOf([{ ...RUN, billedSeconds: 1.5 }]);
    const unrelatedStops = dayOf({ ...RUN, held: 0, billedSeconds: 0 });
    const judged = { sixMinutes: good, halfAMinute: good, stuck: good, unparked: [good], unrelatedStops, all: [good] };
    const missedBy = (more: object) =>
      drainGoals({ ...judged, fleets: [good, good], ...more })
        .filter(({ reached }) => !reached)
        .map(({ what }) => what);
    // 14 calls, and a quarter of those to ECS refused.
    expect(missedBy({})).toEqual(['500 at once: AWS calls a drain', '500 at once: ECS reads refused']);
    const bad = summaryOf([{ ...RUN, calls: {}, slackSeconds: [5], leftToTimeout: 1, lost: 1, billedSeconds: 3.5 }]);
    expect(missedBy({ fleets: [bad, good], all: [good, bad], unparked: [bad] })).toEqual([
      '500 at once: slack, p50',
      '500 at once: ECS reads refused',
      '500 at once: billed seconds a drain',
      'everywhere: drains lost',
      'left to timeout: a drain of 6 minutes, 10 tasks',
    ]);
  });
});

describe('a day without drains', () => {
  it('is ten times its tenth part', () => {
    const day = dayOf({ ...RUN, held: 0, billedSeconds: 3, billed: { ...NOTHING, sqsRequests: 1e5 } });
    expect(day).toMatchObject({ invocations: 100, billedSeconds: 30, calls: 140 });
    expect(day.dollars).toBeCloseTo(0.4);
  });
});

describe('a spread', () => {
  it('is the mean with the least and the most, and one number where all runs have the same', () => {
    expect(spreadFigure(spreadOf([44, 0, 22]))).toBe('22 (0 to 44)');
    expect(spreadFigure(spreadOf([1_000, 1_000]))).toBe('1,000');
  });

  it('of one run is that run', () => {
    expect(spreadFigure(spreadOf([7]))).toBe('7');
  });
});

describe('a figure', () => {
  it('has three digits that count, and no more than there are', () => {
    expect([0, 1 / 3, 12.345, 1234.5, Number.NaN].map(figure)).toEqual(['0', '0.333', '12.3', '1,235', '–']);
  });
});
