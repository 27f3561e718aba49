import type { Params } from '../scenarios.ts';
import type { Change } from './change.ts';
import type { Estimate, Estimates, Rate } from './estimates.ts';
import type { Prerequisite } from './hooks.ts';
import type { Snapshot } from './snapshot.ts';
import type { Bound, TrialResult } from './trial.ts';

/** What a plan says, and what it is made from. */

export interface Spread {
  readonly p50: number;
  readonly p95: number;
}

export interface Plan {
  readonly group: string;
  readonly cluster: string;
  readonly takenAt: string;
  readonly change: Change;
  readonly trials: number;
  /** Of the deployment, as far as they are not the defaults. */
  readonly params: Params;
  readonly verdict: string;
  /** Whether the change can be made now: every drain comes to its end, nothing has to be done first, and no limit is a risk. */
  readonly go: boolean;
  /** What has to be done before the change. The rehearsals show what comes then. */
  readonly prerequisites: readonly Prerequisite[];
  /** What is wrong with the group and its hooks. */
  readonly troubles: readonly string[];
  /** Whether every drain of every trial ended as drained, and the change came to its end. */
  readonly drainsAll: boolean;
  readonly seconds: Spread;
  readonly drains: readonly DrainForecast[];
  readonly services: readonly { readonly name: string; readonly desired: number; readonly fewestRunning: number }[];
  readonly lowestReservationPercent: number;
  readonly killed: { readonly withDrain: Kills; readonly withoutDrain: Kills };
  /** The tasks that ecs-drain itself stops ahead of a deadline, by group, in the trial with the most of them. */
  readonly stopped: Readonly<Record<string, number>>;
  /** Those of the services for which it is known how many requests come. */
  readonly requestsLost: RequestsLost;
  readonly stuck: readonly Obstacle[];
  /** Why the change itself failed. */
  readonly failures: readonly string[];
  readonly calls: Spread;
  readonly dollars: number;
  readonly times: readonly (Estimate & { readonly what: string })[];
  /** How many requests come, where that is known. */
  readonly rates: readonly (Rate & { readonly service: string })[];
  readonly limits: readonly Limit[];
}

export interface DrainForecast {
  readonly instanceId: string;
  readonly seconds: Spread;
  /** How often each outcome came. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** The most frequent. */
  readonly bound: Bound;
}

export interface RequestsLost {
  /** Undefined if none is counted. */
  readonly withDrain?: number;
  readonly withoutDrain?: number;
  /** How many services are counted, of how many behind a load balancer. */
  readonly counted: number;
  readonly services: number;
}

/** Tasks whose instance went before they had stopped: the most of any trial. */
export interface Kills {
  readonly tasks: number;
  readonly cutOff: number;
}

/** What holds instances, why, and what to do about it. */
export interface Obstacle {
  readonly group: string;
  readonly instances: readonly string[];
  readonly trials: number;
  readonly causes: readonly string[];
  readonly kinds: readonly string[];
  readonly fix: string;
}

export interface Findings {
  readonly snapshot: Snapshot;
  readonly change: Change;
  readonly params: Params;
  readonly estimates: Estimates;
  readonly limits: readonly Limit[];
  readonly prerequisites: readonly Prerequisite[];
  readonly troubles: readonly string[];
  readonly withDrain: readonly TrialResult[];
  readonly withoutDrain: readonly TrialResult[];
  /** Of what may come instead of the change, with a drain (leaving.ts, `otherChoices`). */
  readonly others: readonly TrialResult[];
}

/** Something of the snapshot that the plan does not model. */
export interface Limit {
  readonly what: string;
  /** What may be otherwise because of it. */
  readonly effect: string;
  /** Tasks may be killed because of it, a drain may get stuck, or the change may fail: then the verdict is not *Go*. */
  readonly isRisk?: true;
  /** What finds no room in the plan may find it because of this: a verdict that rests on that names it. */
  readonly mayMakeRoom?: true;
}

/** What a plan takes from elsewhere than the snapshot. */
export interface Given {
  readonly estimates: Estimates;
  /** Of the deployment. */
  readonly params: Params;
}
