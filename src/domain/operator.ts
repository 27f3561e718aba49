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
  return requestsWith([...(requests?.notes ?? []), note], requests?.deadlineAtMs);
}

/** The deadline is that of the newest note that has one. The note stays among those that are kept, so that copies can be merged. */
function requestsWith(notes: readonly OperatorNote[], earlierAtMs: number | undefined): OperatorRequests {
  const newest = notes.findLast((note) => note.deadlineAtMs !== undefined);
  const { deadlineAtMs = earlierAtMs } = newest ?? {};
  const kept = notes.slice(-MOST_NOTES);
  const isLeftOut = newest !== undefined && !kept.includes(newest);
  return {
    ...(deadlineAtMs !== undefined && { deadlineAtMs }),
    notes: isLeftOut ? [newest, ...kept.slice(1)] : kept,
  };
}

/** When another look makes sure that the latest request is kept; never if there is no request. */
export function requestSettlesAtMs(requests: OperatorRequests | undefined): number {
  return requests ? latestMs(requests) + SETTLES_SECONDS * 1000 : Number.POSITIVE_INFINITY;
}

/** The requests of two copies of one drain. It is the copy itself that knows them all, the first if both do. */
export function mergedRequests(
  one: OperatorRequests | undefined,
  other: OperatorRequests | undefined,
): OperatorRequests | undefined {
  if (!one || !other) return one ?? other;
  const isIn = ({ notes }: OperatorRequests) => {
    return (note: OperatorNote) => notes.some((each) => isSameNote(each, note));
  };
  const further = other.notes.filter((note) => !isIn(one)(note));
  const notes = [...one.notes, ...further].toSorted((a, b) => a.atMs - b.atMs);
  const merged = requestsWith(notes, one.deadlineAtMs ?? other.deadlineAtMs);
  return [one, other].find((copy) => merged.notes.every(isIn(copy))) ?? merged;
}

function isSameNote(one: OperatorNote, other: OperatorNote): boolean {
  return (
    one.atMs === other.atMs &&
    one.by === other.by &&
    one.message === other.message &&
    one.deadlineAtMs === other.deadlineAtMs
  );
}

function latestMs(requests: OperatorRequests | undefined): number {
  return requests?.notes.at(-1)?.atMs ?? Number.NEGATIVE_INFINITY;
}
