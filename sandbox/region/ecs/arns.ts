import type { Place } from '../place.ts';
import { invalid } from './errors.ts';

/** What an ARN of ECS may name. */
export type Kind = 'cluster' | 'container-instance' | 'service' | 'task' | 'task-definition' | 'capacity-provider';

/** What a request names: by a name or id alone, or by an ARN, which may say the cluster too. */
export interface Named {
  /** The cluster that the ARN says; undefined if it says none. */
  readonly cluster: string | undefined;
  readonly id: string;
}

/**
 * Reads a name or an ARN.
 * @throws AwsError if the ARN is of another partition, Region, account, service or kind: it never stands for something here that has
 *   the same last part (facts 57 foreign-arns).
 */
export function named(kind: Kind, text: string, place: Pick<Place, 'region' | 'account'>): Named {
  if (!text.startsWith('arn:')) return partsOf(text);
  const [, partition, service, region, account, ...rest] = text.split(':');
  const resource = rest.join(':');
  if (partition !== 'aws') throw invalid(`Invalid identifier: ${text} is not an ARN of the partition aws`);
  if (service !== 'ecs') throw invalid(`Invalid identifier: ${text} is not an ARN of Amazon ECS`);
  if (region !== place.region) throw invalid('Invalid Region in ARN');
  if (account !== place.account) throw invalid('Invalid account in ARN');
  const [type] = resource.split('/', 1);
  if (type !== kind) throw invalid(`Invalid identifier: Unexpected resource type ${type}`);
  return partsOf(resource.slice(kind.length + 1));
}

/** `prod/0123…` or `0123…`: ARNs of the old format say no cluster. */
function partsOf(path: string): Named {
  const at = path.lastIndexOf('/');
  return { cluster: at < 0 ? undefined : path.slice(0, at), id: path.slice(at + 1) };
}
