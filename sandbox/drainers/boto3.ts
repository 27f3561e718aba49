import { ConfiguredRetryStrategy } from '@smithy/core/retry';

/** Which of boto3's retry modes a program in Python has: that of AWS_RETRY_MODE, or of the version it runs with. */
export type RetryMode = 'standard' | 'legacy';

/**
 * How a client of the JavaScript SDK retries as boto3 does (facts 77 boto3-retries). In both, *standard* is the same
 * algorithm: three attempts in all, and a random part of 1, 2, … s between them when throttled.
 * With *legacy* there are five attempts, and a random part of 1, 2, 4 and 8 s between them.
 */
export function boto3Retries(mode: RetryMode) {
  if (mode === 'standard') return { maxAttempts: 3 };
  const waitMs = (retry: number) => Math.random() * 1_000 * 2 ** (retry - 1);
  return { retryStrategy: new ConfiguredRetryStrategy(5, waitMs) };
}
