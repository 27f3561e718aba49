/** What operators have asked of a drain under way: it travels with the drain. */

export interface OperatorRequests {
  /** The deadline in place of the policy's; undefined if no one has set one. */
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
  /** The deadline that it has set, if it was about one. */
  readonly deadlineAtMs?: number | undefined;
}

/** So many notes travel with a drain: they must not make its state too large for a message. */
const MOST_NOTES = 10;

/**
 * When a drain is looked at again after a request. A round that began before the request and knows nothing of it has written its
 * state by then, and the look writes the request again.
 */
const SETTLES_SECONDS = 60;

/** The requests with one more. */
export function withNote(requests: OperatorRequests | undefined, note: OperatorNote): OperatorRequests {
  const { deadlineAtMs = requests?.deadlineAtMs } = note;
  const notes = [...(requests?.notes ?? []), note].slice(-MOST_NOTES);
  return { ...(deadlineAtMs !== undefined && { deadlineAtMs }), notes };
}

/** When a further look makes sure of the latest request; never, where no one has asked for anything. */
export function requestSettlesAtMs(requests: OperatorRequests | undefined): number {
  return requests ? latestMs(requests) + SETTLES_SECONDS * 1000 : Number.POSITIVE_INFINITY;
}

/** Of what two copies of one drain know of its requests, the newer; the first if they know the same. */
export function latestRequests(
  one: OperatorRequests | undefined,
  other: OperatorRequests | undefined,
): OperatorRequests | undefined {
  return latestMs(other) > latestMs(one) ? other : one;
}

function latestMs(requests: OperatorRequests | undefined): number {
  return requests?.notes.at(-1)?.atMs ?? Number.NEGATIVE_INFINITY;
}
