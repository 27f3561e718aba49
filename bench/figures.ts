import { dollarsFor, percentile, type Quantities } from '../sandbox/prices.ts';
import { type Contestant, PART_OF_DAY, type Trial, titleOf } from './contest.ts';

/** What the benchmark computes from its runs. */

/** Calls by kind, such as `ecs ListTasks`; those that AWS refused, nearly all throttled, are among those made. */
export type CallCounts = Readonly<Record<string, { readonly made: number; readonly refused: number }>>;

/** One run: a trial of one contestant with one seed number. */
export interface Run {
  readonly trial: Trial;
  readonly contestant: string;
  readonly drainer: Contestant['drainer'];
  readonly params: Contestant['params'];
  readonly seed: number;
  /** Lifecycle actions: a drain each. */
  readonly held: number;
  /** How many of them no one completed before the hook timed out. */
  readonly leftToTimeout: number;
  /** Those, and drains that never ended. */
  readonly lost: number;
  /** Tasks whose instance was terminated before they had stopped. */
  readonly tasksKilled: number;
  /** Those of them that the shutdown cut off; the shutdown alone asked the others to stop, and they ended in time. */
  readonly tasksCutOff: number;
  /** Killed tasks whose drain had not reached a deadline that its drainer sets and reports. */
  readonly killedBeforeDeadline: number;
  /** From hold to completion, a figure a drain. */
  readonly drainSeconds: readonly number[];
  /** From the last task's stop to the completion, of the drains of which no task was killed. */
  readonly slackSeconds: readonly number[];
  /** From the terminations to the last instance's DRAINING; null if not all were set to it. */
  readonly allDrainingAfterSeconds: number | null;
  readonly invocations: number;
  /** How often there was no room for one. */
  readonly throttledInvocations: number;
  readonly peakConcurrency: number;
  readonly billedSeconds: number;
  /** Made by the function. */
  readonly calls: CallCounts;
  /** Made by an event source mapping, day and night. */
  readonly polls: CallCounts;
  readonly billed: Quantities;
}

/**
 * Within how many seconds so many instances can be DRAINING at best, by the buckets of the ECS API (facts 17 ecs-throttling).
 * Each instance needs one read and one change: 100 at once, then 20 reads and 40 changes a second.
 * Calls for several instances at a time, which the API has, can beat it.
 */
export function drainingBoundSeconds(instances: number): number {
  const beyondBurst = Math.max(0, instances - 100);
  return Math.max(beyondBurst / 20, beyondBurst / 40);
}

/** How a figure of a run differs from run to run. */
export interface Spread {
  readonly mean: number;
  readonly least: number;
  readonly most: number;
}

export function spreadOf(values: readonly number[]): Spread {
  return { mean: sum(values) / values.length, least: Math.min(...values), most: Math.max(...values) };
}

/** The runs of one trial of one contestant, in all. Figures that are not of a drain say so in their names. */
export interface Summary {
  readonly trial: Trial;
  readonly contestant: string;
  readonly runs: number;
  readonly drains: number;
  readonly billedSeconds: number;
  /** Of a drain, from run to run. */
  readonly billedSecondsByRun: Spread;
  readonly mostBilledSecondsOfARun: number;
  readonly invocations: number;
  readonly peakConcurrency: number;
  readonly calls: number;
  /** Of a drain, from run to run. */
  readonly callsByRun: Spread;
  readonly refusedCalls: number;
  /** Of all reads of ECS, from 0 to 1. */
  readonly refusedEcsReads: number;
  readonly mostCallsOfARun: number;
  readonly callsByKind: Readonly<Record<string, number>>;
  /** Of how many drains, because one with a killed task has no slack. */
  readonly slackSeconds: { readonly of: number; readonly p50: number; readonly p99: number; readonly max: number };
  readonly tasksKilledInAll: number;
  readonly tasksKilledOfARun: Spread;
  readonly tasksCutOffInAll: number;
  readonly tasksCutOffOfARun: Spread;
  readonly killedBeforeDeadlineInAll: number;
  readonly leftToTimeoutInAll: number;
  readonly leftToTimeoutOfARun: Spread;
  readonly lostInAll: number;
  /** Null if not all were set to it in each run. */
  readonly allDrainingAfterSeconds: number | null;
  readonly dollarsAThousandDrains: number;
}

/** Sums up runs of one trial of one contestant. */
export function summaryOf(runs: readonly Run[]): Summary {
  const [first] = runs;
  if (!first) throw new Error('There are no runs to sum up.');
  const total = (figure: (run: Run) => number) => sum(runs.map(figure));
  const drains = total(({ held }) => held);
  const slack = runs.flatMap(({ slackSeconds }) => slackSeconds);
  const kinds = [...new Set(runs.flatMap(({ calls }) => Object.keys(calls)))].sort();
  const draining = runs.map(({ allDrainingAfterSeconds }) => allDrainingAfterSeconds ?? Number.NaN);
  const slowest = Math.max(...draining);
  return {
    trial: first.trial,
    contestant: first.contestant,
    runs: runs.length,
    drains,
    billedSeconds: total(({ billedSeconds }) => billedSeconds) / drains,
    billedSecondsByRun: spreadOf(runs.map(({ billedSeconds, held }) => billedSeconds / held)),
    mostBilledSecondsOfARun: Math.max(...runs.map(({ billedSeconds }) => billedSeconds)),
    invocations: total(({ invocations }) => invocations) / drains,
    peakConcurrency: Math.max(...runs.map(({ peakConcurrency }) => peakConcurrency)),
    calls: total(callsOf) / drains,
    callsByRun: spreadOf(runs.map((run) => callsOf(run) / run.held)),
    refusedCalls: total(({ calls }) => sum(Object.values(calls).map(({ refused }) => refused))) / drains,
    refusedEcsReads: total((run) => ecsReadsOf(run).refused) / total((run) => ecsReadsOf(run).made),
    mostCallsOfARun: Math.max(...runs.map(callsOf)),
    callsByKind: Object.fromEntries(
      kinds.map((kind) => [kind, total(({ calls }) => calls[kind]?.made ?? 0) / drains] as const),
    ),
    slackSeconds: {
      of: slack.length,
      p50: percentile(slack, 50),
      p99: percentile(slack, 99),
      max: percentile(slack, 100),
    },
    tasksKilledInAll: total(({ tasksKilled }) => tasksKilled),
    tasksKilledOfARun: spreadOf(runs.map(({ tasksKilled }) => tasksKilled)),
    tasksCutOffInAll: total(({ tasksCutOff }) => tasksCutOff),
    tasksCutOffOfARun: spreadOf(runs.map(({ tasksCutOff }) => tasksCutOff)),
    killedBeforeDeadlineInAll: total(({ killedBeforeDeadline }) => killedBeforeDeadline),
    leftToTimeoutInAll: total(({ leftToTimeout }) => leftToTimeout),
    leftToTimeoutOfARun: spreadOf(runs.map(({ leftToTimeout }) => leftToTimeout)),
    lostInAll: total(({ lost }) => lost),
    allDrainingAfterSeconds: Number.isNaN(slowest) ? null : slowest,
    dollarsAThousandDrains: (total(({ billed }) => dollarsFor(billed)) / drains) * 1000,
  };
}

/** Every call that a run's function made, including those that AWS refused. */
function callsOf({ calls }: Run): number {
  return sum(Object.values(calls).map(({ made }) => made));
}

/** The reads of ECS that share its bucket (facts 17 ecs-throttling). */
function ecsReadsOf({ calls }: Run): { readonly made: number; readonly refused: number } {
  const reads = Object.entries(calls).flatMap(([kind, counts]) => (/^ecs (List|Describe)/.test(kind) ? counts : []));
  return { made: sum(reads.map(({ made }) => made)), refused: sum(reads.map(({ refused }) => refused)) };
}

/** What a day costs on which nothing is drained; the sweeps, and the polls of an empty queue, are left out. */
export interface Day {
  readonly trial: Trial;
  readonly contestant: string;
  readonly invocations: number;
  readonly billedSeconds: number;
  readonly calls: number;
  /** Of Lambda, SQS and EventBridge. */
  readonly dollars: number;
}

export function dayOf(run: Run): Day {
  const { trial, contestant, invocations, billedSeconds, billed } = run;
  return {
    trial,
    contestant,
    invocations: invocations / PART_OF_DAY,
    billedSeconds: billedSeconds / PART_OF_DAY,
    calls: callsOf(run) / PART_OF_DAY,
    dollars: dollarsFor(billed) / PART_OF_DAY,
  };
}

/** What a day of unrelated stops cost with version 0.1.0: an invocation, and a call of Scheduler, for each of them. */
const DAY_BEFORE: Pick<Day, 'billedSeconds' | 'dollars'> = { billedSeconds: 4_050, dollars: 0.0335 };

/** A figure to reach. */
export interface Goal {
  readonly what: string;
  readonly limit: string;
  readonly seen: string;
  readonly reached: boolean;
}

/** A figure to stay under, with its unit. */
export function atMost(what: string, seen: number | null, limit: number, unit: string): Goal {
  return {
    what,
    limit: limit === 0 ? '0' : `≤ ${figure(limit)}${unit}`,
    seen: seen === null ? 'never' : `${figure(seen)}${unit}`,
    reached: seen !== null && seen <= limit,
  };
}

/** The runs by which the drains of ecs-drain are judged, all but the last at its defaults. */
export interface Judged {
  readonly sixMinutes: Summary;
  readonly halfAMinute: Summary;
  readonly stuck: Summary;
  /** Of 500 and of 1,000 instances at once. */
  readonly fleets: readonly [Summary, Summary];
  /** Short hooks, and Scheduler down: drains that cannot park. */
  readonly unparked: readonly Summary[];
  readonly unrelatedStops: Day;
  /** Every trial, and both ways to wait. */
  readonly all: readonly Summary[];
}

/** The goals for the drains of ecs-drain. */
export function drainGoals(judged: Judged): Goal[] {
  const { sixMinutes, halfAMinute, stuck, fleets, unparked, unrelatedStops, all } = judged;
  const [of500, of1000] = fleets;
  const inAll = (figure: (summary: Summary) => number) => sum(all.map(figure));
  return [
    atMost('6-minute drain: AWS calls, mean', sixMinutes.calls, 20, ''),
    atMost('6-minute drain: AWS calls, most', sixMinutes.mostCallsOfARun, 24, ''),
    atMost('6-minute drain: billed seconds, mean', sixMinutes.billedSeconds, 1.5, ' s'),
    atMost('6-minute drain: slack, p99', sixMinutes.slackSeconds.p99, 2, ' s'),
    atMost('30-second drain: billed seconds, mean', halfAMinute.billedSeconds, 2, ' s'),
    atMost('stuck drain, 30 minutes to its deadline: billed seconds, mean', stuck.billedSeconds, 3, ' s'),
    atMost('500 at once: slack, p50', of500.slackSeconds.p50, 4, ' s'),
    atMost('500 at once: slack, p99', of500.slackSeconds.p99, 10, ' s'),
    atMost('500 at once: AWS calls a drain', of500.calls, 12, ''),
    atMost('500 at once: ECS reads refused', 100 * of500.refusedEcsReads, 5, ' %'),
    atMost('500 at once: billed seconds a drain', of500.billedSeconds, 1.5, ' s'),
    atMost('1,000 at once: slack, p99', of1000.slackSeconds.p99, 20, ' s'),
    atMost('1,000 at once: all DRAINING', of1000.allDrainingAfterSeconds, 15, ' s'),
    atMost(
      'everywhere: tasks killed before a deadline',
      inAll(({ killedBeforeDeadlineInAll }) => killedBeforeDeadlineInAll),
      0,
      '',
    ),
    atMost(
      'everywhere: drains lost',
      inAll(({ lostInAll }) => lostInAll),
      0,
      '',
    ),
    ...unparked.map((summary) =>
      atMost(`left to timeout: ${titleOf(summary.trial)}`, summary.leftToTimeoutInAll, 0, ''),
    ),
    atMost(
      '100,000 unrelated stops: billed seconds a day',
      unrelatedStops.billedSeconds,
      DAY_BEFORE.billedSeconds / 10,
      ' s',
    ),
    atMost('100,000 unrelated stops: dollars a day', unrelatedStops.dollars, DAY_BEFORE.dollars / 10, ' $'),
  ];
}

/** The mean of a figure and the least and the most of it, such as `22 (0 to 44)`; one number where all runs have the same. */
export function spreadFigure({ mean, least, most }: Spread): string {
  if (least === most) return figure(mean);
  return `${figure(mean)} (${figure(least)} to ${figure(most)})`;
}

/** A number as the tables have it: three digits that count, thousands set apart; a dash where there is none. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return '–';
  const digits = Math.abs(value) >= 100 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 3 };
  return value.toLocaleString('en', digits);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
