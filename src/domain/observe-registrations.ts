/** The registrations of many drains' instances: those that are known, or what a search of the clusters finds. */

import { batches, byCluster, DESCRIBED_AT_ONCE, isValue } from './by-cluster.ts';
import { type Drain, instanceIdOf } from './drain.ts';
import type { Work } from './evolve.ts';
import { type ContainerInstance, isLive } from './observation.ts';
import { ClusterMissing, type ContainerInstances, errorOf, type Registrations, Unavailable } from './ports.ts';

/** The registrations of one drain's instance, or why they are not known. */
export type Found =
  | { readonly containerInstances: readonly ContainerInstance[]; readonly searchedAtMs: number | undefined }
  | { readonly error: unknown };

/** Describes registrations, except for those that an event has just described. */
export function describeUnreported(works: readonly Work[], ecs: ContainerInstances): Resolve {
  const reported = new Map(works.flatMap((work) => work.reported.map((each) => [each.arn, each])));
  return async (cluster, arns) => {
    const others = arns.filter((arn) => !reported.has(arn)).map((arn) => ({ arn, cluster }));
    const byArn = await byCluster(others, (_, some) => ecs.describe(cluster, some));
    const answers = arns.map((arn) => reported.get(arn) ?? byArn(arn));
    const error = answers.find((answer) => answer instanceof Error);
    if (error) throw error;
    return { found: answers.filter(isValue) };
  };
}

/** Describes registrations that are known, those of each cluster together. */
export async function describeKnown(works: readonly Work[], ecs: ContainerInstances): Promise<Map<Work, Found>> {
  const refs = works.flatMap(({ drain }) => drain.known?.containerInstances ?? []);
  const byArn = await byCluster(refs, (cluster, arns) => ecs.describe(cluster, arns));
  return new Map(
    works.map((work) => {
      const own = (work.drain.known?.containerInstances ?? []).map(({ arn }) => byArn(arn));
      const error = own.find((each) => each instanceof Error);
      return [work, error ? { error } : { containerInstances: own.filter(isValue), searchedAtMs: undefined }];
    }),
  );
}

/**
 * Whether the known registrations may be incomplete: one is gone, or the agent of one is disconnected. That agent may have
 * registered again, and take tasks under another registration (facts 14 instance-lookup).
 */
export function isInDoubt(found: Found | undefined, { known }: Drain): boolean {
  if (!found || 'error' in found) return false;
  const live = found.containerInstances.filter(isLive);
  return live.length < (known?.containerInstances.length ?? 0) || live.some(({ agentConnected }) => !agentConnected);
}

/** Whether a search has not found a registration that was known. */
export function lacksKnown(searched: Found | undefined, { known }: Drain): boolean {
  if (!searched || 'error' in searched) return false;
  const arns = new Set(searched.containerInstances.map(({ arn }) => arn));
  return known?.containerInstances.some(({ arn }) => !arns.has(arn)) ?? false;
}

/** What was searched, with the known registrations that ECS describes and does not list: lists may be incomplete for a moment. */
export function withKnown(searched: Found | undefined, known: Found | undefined): Found | undefined {
  if (!searched || !known || 'error' in searched) return searched;
  if ('error' in known) return known;
  const arns = new Set(searched.containerInstances.map(({ arn }) => arn));
  const unlisted = known.containerInstances.filter((each) => isLive(each) && !arns.has(each.arn));
  return { ...searched, containerInstances: [...searched.containerInstances, ...unlisted] };
}

export interface Searching {
  readonly clusters: readonly string[];
  readonly ecs: ContainerInstances;
  readonly nowMs: number;
  /** Whether registrations are of use though others of the same instances may be missing: those were set to DRAINING. */
  readonly takesParts?: boolean;
}

/** What a cluster says: registrations, and why there may be more. */
interface Searched extends Registrations {
  /** How many registrations ECS lists and does not describe, and so does not say of which instances they are. */
  readonly undescribed?: number;
}

/** The registrations as they are now; what could not be asked for is left out. */
export type Resolve = (cluster: string, arns: readonly string[]) => Promise<Registrations>;

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
    // A call that fails costs no drains but those that it was about.
    const searches = searching.clusters.flatMap((cluster) => {
      const own = left.filter((work) => clustersOf(work).includes(cluster));
      return batches(own, DESCRIBED_AT_ONCE).map((some) => searchApart(cluster, some, resolve, searching));
    });
    for (const [work, searched] of (await Promise.all(searches)).flat()) {
      found.set(work, merged(found.get(work), searched, work.drain, searching));
    }
  }
  return found;
}

/** To find more than this among a hundred would cost more calls than it saves. */
const FEW_UNDESCRIBED = 4;

/** Where ECS does not say of which instance a registration is, halves are searched, until only the drain of that one has to wait. */
async function searchApart(
  cluster: string,
  works: readonly Work[],
  resolve: Resolve,
  searching: Searching,
): Promise<(readonly [Work, Searched])[]> {
  const searched = await searchCluster(cluster, works, resolve, searching.ecs);
  const { undescribed = 0 } = searched;
  const isSplit = undescribed > 0 && undescribed <= FEW_UNDESCRIBED && works.length > 1 && !searching.takesParts;
  if (!isSplit) return works.map((work) => [work, searched]);
  const halves = batches(works, Math.ceil(works.length / 2));
  return (await Promise.all(halves.map((half) => searchApart(cluster, half, resolve, searching)))).flat();
}

async function searchCluster(
  cluster: string,
  works: readonly Work[],
  resolve: Resolve,
  ecs: ContainerInstances,
): Promise<Searched> {
  try {
    const ids = [...new Set(works.map(({ drain }) => instanceIdOf(drain)))];
    const arns = await ecs.list(cluster, ids);
    const searched = arns.length > 0 ? await resolve(cluster, arns) : { found: [] };
    const { found, error } = searched;
    if (error || found.length === arns.length) return searched;
    const reason = `ECS lists ${arns.length} registrations in cluster ${cluster} and describes ${found.length}.`;
    return { found, error: new Unavailable(reason), undescribed: arns.length - found.length };
  } catch (error) {
    return { found: [], error: errorOf(error) };
  }
}

function merged(
  before: Found | undefined,
  { found, error }: Searched,
  drain: Drain,
  { nowMs, takesParts = false }: Searching,
): Found {
  // A cluster that does not exist has no registrations, as long as another one answers.
  if (error instanceof ClusterMissing) return before ?? { error };
  const own = found.filter(({ ec2InstanceId }) => ec2InstanceId === instanceIdOf(drain));
  if (error && !(takesParts && own.length > 0)) return { error };
  if (before && 'error' in before && !(before.error instanceof ClusterMissing)) return before;
  const known = before && 'containerInstances' in before ? before.containerInstances : [];
  const isWhole = !error && !(before && 'containerInstances' in before && before.searchedAtMs === undefined);
  return { containerInstances: [...known, ...own], searchedAtMs: isWhole ? nowMs : undefined };
}

/** A registration whose agent is disconnected proves nothing: the agent may have joined another cluster since. */
function isFound(found: Found | undefined): boolean {
  if (!found) return false;
  if ('error' in found) return !(found.error instanceof ClusterMissing);
  return found.containerInstances.some((each) => isLive(each) && each.agentConnected);
}
