import type { TraceEvent } from './region/trace.ts';

/** Who drains: this service, no one (a group without a hook), or the book's function. */
export const DRAINERS = ['ecs-drain', 'none', 'book'] as const;
export type Drainer = (typeof DRAINERS)[number];

/** A drain program outside this process, which can be judged like them and not be run again. */
export const EXTERNAL = 'external';
/** Who a report can be about. */
export type Judged = Drainer | typeof EXTERNAL;

/** Who can be rehearsed: these, and the rivals that only a benchmark compares them with (docs/rivals.md). */
export const BENCHMARKED = [...DRAINERS, 'cdk', 'widdix', 'getsocial', 'managed-draining'] as const;
export type Benchmarked = (typeof BENCHMARKED)[number];

/** What became of one drain: of an instance's lifecycle action, or of a notice of EC2. */
export interface DrainResult {
  readonly instanceId: string;
  /** The notice of EC2 on which it drained; nothing was held then. */
  readonly notice?: string;
  /** The hook that held it. */
  readonly hook?: string;
  /** The drainer's own word where it has one (`drained`, `timed-out`, …), else how the action ended. */
  readonly outcome: string;
  /** From the hold to the completion; from the notice to the drain's end. */
  readonly seconds: number;
  /** From the last task's stop to that end; 0 if tasks were killed. */
  readonly slackSeconds: number;
  readonly billedSeconds: number;
  readonly apiCalls: number;
  readonly heartbeats: number;
  readonly continuations: number;
}

/** An event on the drill's own clock. */
export type DrillEvent = TraceEvent extends infer H
  ? H extends { atMs: number }
    ? Omit<H, 'atMs'> & { readonly second: number }
    : never
  : never;

/** One drill, whole: what `--json` prints and what the report draws. The same scenario, drainer and seed number give the same, except for `wallSeconds`. */
export interface DrillResult<D extends Benchmarked | Judged = Judged> {
  readonly scenario: string;
  readonly seed: number;
  readonly drainer: D;
  readonly instancesTerminated: number;
  /** Tasks whose instance was terminated before they had STOPPED. */
  readonly tasksKilled: number;
  /** Those of them that the shutdown cut off, in the middle of their work or of their stop. */
  readonly tasksCutOff: number;
  /** Those of them that got their SIGTERM only from the shutdown, and ended in time. */
  readonly tasksDelayedSigterm: number;
  readonly requestsLost: number;
  /** The cluster's MemoryReservation by the minute, as CloudWatch has it. */
  readonly memoryReservation: {
    readonly min: number;
    readonly series: readonly { readonly minute: number; readonly percent: number }[];
  };
  readonly drains: readonly DrainResult[];
  readonly events: readonly DrillEvent[];
  readonly virtualSeconds: number;
  readonly wallSeconds: number;
}
