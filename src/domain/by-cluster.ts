/** Calls that many drains share: one for each cluster, and what it answers about each ARN. */

import type { EcsRef } from './observation.ts';
import { reasonOf } from './ports.ts';

/** What ECS said of an ARN; the error of the call where it failed, undefined where ECS does not know it. */
export type ByArn<T> = (arn: string) => T | Error | undefined;

export function isValue<T extends object>(value: T | Error | undefined): value is Exclude<T, Error> {
  return value !== undefined && !(value instanceof Error);
}

/** Describes the items of each cluster in one go. */
export async function byCluster<T extends { readonly arn: string }>(
  refs: readonly EcsRef[],
  describe: (cluster: string, arns: readonly string[]) => Promise<readonly T[]>,
): Promise<ByArn<T>> {
  const answers = new Map<string, T | Error>();
  const clusters = [...Map.groupBy(refs, ({ cluster }) => cluster)].map(async ([cluster, own]) => {
    const arns = [...new Set(own.map(({ arn }) => arn))];
    try {
      for (const each of await describe(cluster, arns)) answers.set(each.arn, each);
    } catch (error) {
      for (const arn of arns) answers.set(arn, error instanceof Error ? error : new Error(reasonOf(error)));
    }
  });
  await Promise.all(clusters);
  return (arn) => answers.get(arn);
}
