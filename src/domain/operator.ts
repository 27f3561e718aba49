/** The requests of operators about a drain in progress. They travel with the drain. */

/** What an operator asks of the drain of an instance. */
export interface OperatorRequest {
  readonly instanceId: string;
  /** The schedule that holds the state of the drain; undefined if the operator has found none. */
  readonly schedule?: string | undefined;
  /** The ARN of the operator. */
  readonly by: string;
  readonly message?: string | undefined;
  /** The deadline, counted from now; 0 is now. */
  readonly deadlineSeconds?: number | undefined;
}

/** What operators have asked of a drain so far. */
export interface OperatorRequests {
  /** The deadline that replaces the policy's; undefined if no operator has set one. */
  readonly deadlineAtMs?: number | undefined;
  /** The latest requests, the newest last. */
  readonly notes: readonly OperatorNote[];
}

/** One request of an operator, for the log and the event about the end. */
export interface OperatorNote {
  readonly atMs: number;
  /** The ARN of the operator, as the operator's command gave it. */
  readonly by: string;
  readonly message?: string | undefined;
  /** The deadline that the request has set, if it set one. */
  readonly deadlineAtMs?: number | undefined;
}

/** How many notes travel with a drain, so that its state still fits into a message. */
const MOST_NOTES = 10;

/**
 * How long after a request the drain is looked at again. A round that began before the request may write its state without it,
 * but has done so by then, and the look writes the request again.
 */
const SETTLES_SECONDS = 60;

/** The requests with one more. */
export function withNote(requests: OperatorRequests | undefined, note: OperatorNote): OperatorRequests {
  const { deadlineAtMs = requests?.deadlineAtMs } = note;
  const notes = [...(requests?.notes ?? []), note].slice(-MOST_NOTES);
  return { ...(deadlineAtMs !== undefined && { deadlineAtMs }), notes };
}

/** When another look makes sure that the latest request is kept; never if there is no request. */
export function requestSettlesAtMs(requests: OperatorRequests | undefined): number {
  return requests ? latestMs(requests) + SETTLES_SECONDS * 1000 : Number.POSITIVE_INFINITY;
}

/** The newer of the requests that two copies of one drain know; the first if both know the same. */
export function latestRequests(
  one: OperatorRequests | undefined,
  other: OperatorRequests | undefined,
): OperatorRequests | undefined {
  return latestMs(other) > latestMs(one) ? other : one;
}

function latestMs(requests: OperatorRequests | undefined): number {
  return requests?.notes.at(-1)?.atMs ?? Number.NEGATIVE_INFINITY;
}
