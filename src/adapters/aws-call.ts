import { isServerError, isThrottlingError, isTransientError } from '@smithy/core/retry';
import { Unavailable } from '../domain/ports.ts';

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

/**
 * Makes one AWS call for the domain; `what` says what is being tried, for people.
 * @throws Unavailable when the same call may succeed later: throttled, overloaded, timed out or out of time.
 * @throws Error with what to mend otherwise.
 */
export async function awsCall<T>(what: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof Unavailable || !(error instanceof Error)) throw error;
    const sentence = `Could not ${what}: ${error.name}: ${error.message}`;
    if (passes(error)) throw new Unavailable(sentence, { cause: error });
    const mend = mendOf(error);
    throw new Error(mend ? `${sentence.replace(/\.$/, '')}. ${mend}` : sentence, { cause: error });
  }
}

function passes(error: Error): boolean {
  // An abort is ours: the invocation's time for looking was up.
  if (error.name === 'AbortError') return true;
  const sdkError = error as Parameters<typeof isThrottlingError>[0];
  return isThrottlingError(sdkError) || isTransientError(sdkError) || isServerError(sdkError);
}

/** What an operator can do about it, where the error's name tells. */
function mendOf({ name }: Error): string | undefined {
  if (/^(AccessDenied|UnauthorizedOperation|NotAuthorized)/.test(name)) {
    return "Grant the function's role this action on this resource; serverless.yml lists what it needs.";
  }
  if (name === 'ClusterNotFoundException') {
    return 'Mend the setting `cluster`, or the NotificationMetadata of the lifecycle hook: it names a cluster that this account and Region do not have.';
  }
  return undefined;
}
