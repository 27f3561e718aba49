/** The registrations of many drains' instances: those that are known, or what a search of the clusters finds. */

import { byCluster, isValue } from './by-cluster.ts';
import { type Drain, instanceIdOf } from './drain.ts';
import type { Work } from './evolve.ts';
import { type ContainerInstance, isLive } from './observation.ts';
import { ClusterMissing, type ContainerInstances, reasonOf, Unavailable } from './ports.ts';

/** The registrations of one drain's instance, or why they are not known. */
export type Found =
  | { readonly containerInstances: readonly ContainerInstance[]; readonly searchedAtMs: number | undefined }
  | { readonly error: unknown };

/** Describes registrations, except for those that an event has just described. */
export function describeUnreported(works: readonly Work[], ecs: ContainerInstances): Resolve {
  const reported = new Map(works.flatMap((work) => work.reported.map((each) => [each.arn, each])));
  return async (cluster, arns) => {
    const others = arns.filter((arn) => !reported.has(arn));
    const described = others.length > 0 ? await ecs.describe(cluster, others) : [];
    return [...arns.flatMap((arn) => reported.get(arn) ?? []), ...described];
  };
}

/** Describes registrations that are known, those of each cluster together. */
export async function describeKnown(works: readonly Work[], ecs: ContainerInstances): Promise<Map<Work, Found>> {
  const refs = works.flatMap(({ drain }) => drain.known?.containerInstances ?? []);
  const byArn = await byCluster(refs, (cluster, arns) => ecs.describe(cluster, arns));
  return new Map(
    works.map((work) => {
      const own = (work.drain.known?.containerInstances ?? []).map(({ arn }) => byArn(arn));
      const error = own.find((each) => each instanceof Error && !(each instanceof ClusterMissing));
      return [work, error ? { error } : { containerInstances: own.filter(isValue), searchedAtMs: undefined }];
    }),
  );
}

/**
 * Whether known registrations do not tell everything: one is gone, or an agent is disconnected, which may have registered
 * again and take tasks under another registration (facts 14 instance-lookup).
 */
export function isInDoubt(found: Found | undefined, { known }: Drain): boolean {
  if (!found || 'error' in found) return false;
  const live = found.containerInstances.filter(isLive);
  return live.length < (known?.containerInstances.length ?? 0) || live.some(({ agentConnected }) => !agentConnected);
}

interface Searching {
  readonly clusters: readonly string[];
  readonly ecs: ContainerInstances;
  readonly nowMs: number;
}

type Resolve = (cluster: string, arns: readonly string[]) => Promise<readonly ContainerInstance[]>;

/**
 * Searches the clusters for the registrations of the drains' instances, and resolves each. The named cluster of a drain comes
 * first; the others are searched where it has no registration that proves that the instance is there.
 */
export async function search(
  works: readonly Work[],
  resolve: Resolve,
  searching: Searching,
): Promise<Map<Work, Found>> {
  const found = new Map<Work, Found>();
  if (works.length === 0) return found;
  for (const pass of ['named', 'others'] as const) {
    const left = works.filter((work) => !isFound(found.get(work)));
    const clustersOf = ({ drain }: Work) =>
      searching.clusters.filter((cluster) => (cluster === drain.namedCluster) === (pass === 'named'));
    const inCluster = searching.clusters.map(async (cluster) => {
      const own = left.filter((work) => clustersOf(work).includes(cluster));
      return { own, answer: own.length > 0 ? await searchCluster(cluster, own, resolve, searching.ecs) : [] };
    });
    for (const { own, answer } of await Promise.all(inCluster)) {
      for (const work of own) found.set(work, merged(found.get(work), answer, work.drain, searching.nowMs));
    }
  }
  return found;
}

async function searchCluster(cluster: string, works: readonly Work[], resolve: Resolve, ecs: ContainerInstances) {
  try {
    const ids = [...new Set(works.map(({ drain }) => instanceIdOf(drain)))];
    const arns = await ecs.list(cluster, ids);
    if (arns.length === 0) return [];
    const resolved = await resolve(cluster, arns);
    if (resolved.length === arns.length) return resolved;
    return new Unavailable(
      `ECS lists ${arns.length} registrations in cluster ${cluster} and describes ${resolved.length}.`,
    );
  } catch (error) {
    return error instanceof Error ? error : new Error(reasonOf(error));
  }
}

function merged(
  before: Found | undefined,
  answer: readonly ContainerInstance[] | Error,
  drain: Drain,
  searchedAtMs: number,
): Found {
  // A cluster that does not exist has no registrations, as long as another one answers.
  if (answer instanceof ClusterMissing) return before ?? { error: answer };
  if (answer instanceof Error) return { error: answer };
  if (before && 'error' in before && !(before.error instanceof ClusterMissing)) return before;
  const known = before && 'containerInstances' in before ? before.containerInstances : [];
  const own = answer.filter(({ ec2InstanceId }) => ec2InstanceId === instanceIdOf(drain));
  return { containerInstances: [...known, ...own], searchedAtMs };
}

/** An empty registration whose agent is disconnected proves nothing: the agent may have joined another cluster. */
function isFound(found: Found | undefined): boolean {
  if (!found) return false;
  if ('error' in found) return !(found.error instanceof ClusterMissing);
  return found.containerInstances.some((each) => isLive(each) && (each.agentConnected || each.countedTasks > 0));
}
