/** Calls that many drains share: as few for each cluster as AWS allows, with the answer about each ARN. */

import type { EcsRef } from './observation.ts';
import { ClusterMissing, errorOf } from './ports.ts';

/** What ECS said of an ARN; the error of the call where it failed, undefined where ECS does not know it. */
export type ByArn<T> = (arn: string) => T | Error | undefined;

/** The most items that one call lists or describes (facts 13 counting-trap, 14 instance-lookup). */
export const DESCRIBED_AT_ONCE = 100;

/** The items in groups of at most this size. */
export function batches<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
}

export function isValue<T extends object>(value: T | Error | undefined): value is Exclude<T, Error> {
  return value !== undefined && !(value instanceof Error);
}

/** Describes the items of each cluster together. A call that fails affects only its own items. */
export async function byCluster<T extends { readonly arn: string }>(
  refs: readonly EcsRef[],
  describe: (cluster: string, arns: readonly string[]) => Promise<readonly T[]>,
): Promise<ByArn<T>> {
  const answers = new Map<string, T | Error>();
  const calls = [...Map.groupBy(refs, ({ cluster }) => cluster)].flatMap(([cluster, own]) =>
    batches([...new Set(own.map(({ arn }) => arn))], DESCRIBED_AT_ONCE).map(async (arns) => {
      try {
        for (const each of await describe(cluster, arns)) answers.set(each.arn, each);
      } catch (error) {
        if (error instanceof ClusterMissing) return; // What was in a deleted cluster is gone with it.
        for (const arn of arns) answers.set(arn, errorOf(error));
      }
    }),
  );
  await Promise.all(calls);
  return (arn) => answers.get(arn);
}
