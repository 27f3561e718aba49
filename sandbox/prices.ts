/** What AWS bills. */
export interface Quantities {
  /** Of Lambda. */
  readonly requests: number;
  readonly gbSeconds: number;
  /** Put on the bus by the function or by a schedule. */
  readonly customEvents: number;
  /** Invocations of EventBridge Scheduler. */
  readonly schedules: number;
  readonly sqsRequests: number;
  readonly snsPublishes: number;
}

/**
 * Dollars for one of each, us-east-1 on arm64 (docs/aws-facts.md); free quotas are left out. SQS and SNS are assumptions:
 * the list prices of a standard queue's request and of a publish, whose delivery to Lambda is free.
 */
export const PRICES: Quantities = {
  requests: 0.2e-6,
  gbSeconds: 0.0000133334,
  customEvents: 1e-6,
  schedules: 1e-6,
  sqsRequests: 0.4e-6,
  snsPublishes: 0.5e-6,
};

export function dollarsFor(quantities: Quantities): number {
  return (Object.keys(PRICES) as (keyof Quantities)[]).reduce((sum, what) => sum + quantities[what] * PRICES[what], 0);
}

/** The smallest of the values that so many percent do not exceed (nearest rank); NaN of none. */
export function percentile(values: readonly number[], percent: number): number {
  const rank = Math.max(1, Math.ceil((percent / 100) * values.length));
  return values.toSorted((a, b) => a - b)[rank - 1] ?? Number.NaN;
}
