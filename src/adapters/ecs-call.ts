import type { ECSClient, Failure } from '@aws-sdk/client-ecs';
import { ClusterMissing } from '../domain/ports.ts';
import { AwsCallFailed, awsCall } from './aws-call.ts';

/** What a call needs. */
export interface Ecs {
  readonly client: ECSClient;
  readonly abortSignal: AbortSignal;
}

/**
 * Makes a call about one cluster.
 * @throws ClusterMissing if the account has no such cluster in this Region; else as `awsCall` does.
 */
export async function callInCluster<T>(attempted: string, call: () => Promise<T>): Promise<T> {
  try {
    return await awsCall(attempted, call);
  } catch (error) {
    if (!(error instanceof AwsCallFailed) || error.code !== 'ClusterNotFoundException') throw error;
    throw new ClusterMissing(error.message, { cause: error });
  }
}

/**
 * A failure in an answer of 200 is an error like any other (facts 11 set-draining), except for what ECS does not have: that
 * is absent from what it found as well.
 * @throws Error
 */
export function refuseFailures(failures: readonly Failure[] | undefined, attempted: string): void {
  for (const { arn = 'unnamed', reason, detail = '' } of failures ?? []) {
    if (reason !== 'MISSING') {
      throw new Error(`Could not ${attempted}: ECS failed ${arn} with ${reason}. ${detail}`.trim());
    }
  }
}
