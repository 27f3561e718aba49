import { isServerError, isThrottlingError, isTransientError } from '@smithy/core/retry';
import { type Failure, Unavailable } from '../domain/ports.ts';

/** Bounds of every call: the SDK retries with jittered backoff, and a hanging endpoint cannot use up an invocation. */
export const SDK_BOUNDS = {
  retryMode: 'standard',
  maxAttempts: 4,
  requestHandler: {
    connectionTimeout: 1_000,
    requestTimeout: 4_000,
    socketTimeout: 4_000,
    throwOnRequestTimeout: true,
  },
} as const;

/** Tighter for PutEvents: three attempts fit into the half of the shortest margin that is kept for handing over. */
export const HAND_OVER_BOUNDS = {
  ...SDK_BOUNDS,
  maxAttempts: 3,
  requestHandler: {
    connectionTimeout: 1_000,
    requestTimeout: 2_000,
    socketTimeout: 2_000,
    throwOnRequestTimeout: true,
  },
} as const;

/** A call that fails until someone fixes something. */
export class AwsCallFailed extends Error {
  override readonly name = 'AwsCallFailed';
  /** What was being tried, such as `describe the hooks of web`. */
  readonly attempted: string;
  /** AWS's error code, such as `AccessDeniedException`. */
  readonly code: string;

  constructor(attempted: string, cause: Error) {
    const fix = fixFor(cause);
    const sentence = sentenceOn(attempted, cause);
    super(fix ? `${sentence.replace(/\.$/, '')}. ${fix}` : sentence, { cause });
    this.attempted = attempted;
    this.code = cause.name;
  }
}

/** A call that may succeed later. */
export class AwsUnavailable extends Unavailable {
  readonly attempted: string;
  /** AWS's error code, or the SDK's where AWS did not answer. */
  readonly code: string;

  constructor(attempted: string, cause: Error) {
    super(sentenceOn(attempted, cause), { cause });
    this.attempted = attempted;
    this.code = cause.name;
  }
}

/**
 * Makes one AWS call for the domain; `attempted` says what is being tried.
 * @throws Unavailable when the same call may succeed later: throttled, overloaded, timed out or out of time.
 * @throws AwsCallFailed with how to fix it otherwise.
 */
export async function awsCall<T>(attempted: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof Unavailable || error instanceof AwsCallFailed || !(error instanceof Error)) throw error;
    throw maySucceedLater(error) ? new AwsUnavailable(attempted, error) : new AwsCallFailed(attempted, error);
  }
}

function sentenceOn(attempted: string, { name, message }: Error): string {
  return `Could not ${attempted}: ${name}: ${message}`;
}

function maySucceedLater(error: Error): boolean {
  // An abort is ours: the invocation's time for looking was up.
  if (error.name === 'AbortError') return true;
  const sdkError = error as Parameters<typeof isThrottlingError>[0];
  return isThrottlingError(sdkError) || isTransientError(sdkError) || isServerError(sdkError);
}

/** What an operator can do about it, where the error's name shows it. */
function fixFor({ name }: Error): string | undefined {
  if (/^(AccessDenied|UnauthorizedOperation|NotAuthorized)/.test(name)) {
    return "Grant the function's role this action on this resource; serverless.yml lists what it needs.";
  }
  if (name === 'ClusterNotFoundException') {
    return 'Correct the setting `cluster`, or the NotificationMetadata of the lifecycle hook: it names a cluster that this account and Region do not have.';
  }
  return undefined;
}

/** What AWS refused of one entry of a batch, inside an answer of 200. */
export function entryFailure(attempted: string, code: string, message: string, maySucceedLater: boolean): Error {
  const sentence = `Could not ${attempted}: ${code}: ${message}`;
  return maySucceedLater ? new EntryUnavailable(sentence) : new Error(sentence);
}

class EntryUnavailable extends Unavailable {}

/** When what AWS has refused inside an answer of 200 is tried again: the SDK takes such an answer for a success. */
const ENTRY_RETRIES_MS = [100, 400];

/** Sends the entries of a batch, those that AWS refuses for now once more and once more. In their order. */
export async function sendEntries<T>(
  entries: readonly T[],
  send: (entries: readonly T[]) => Promise<readonly Failure[]>,
): Promise<Failure[]> {
  const failures = [...(await send(entries))];
  for (const waitMs of ENTRY_RETRIES_MS) {
    const refused = [...failures.entries()].flatMap(([i, each]) => (each instanceof EntryUnavailable ? [i] : []));
    if (refused.length === 0) break;
    await new Promise((resolve) => setTimeout(resolve, waitMs));
    const again = await send(refused.flatMap((i) => entries[i] ?? []));
    for (const [n, i] of refused.entries()) failures[i] = again[n];
  }
  return failures;
}
