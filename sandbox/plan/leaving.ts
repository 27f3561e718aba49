import { hostsIn, membersOf } from './build.ts';
import type { Change } from './change.ts';
import type { Snapshot } from './snapshot.ts';

/** Which instances leave in a change. */

/** Those by which the plan knows which instance a scale-in takes. */
const BY_AGE = ['OldestInstance', 'NewestInstance'];

export function isChosenByAge({ group }: Snapshot): boolean {
  return BY_AGE.includes(group.terminationPolicies?.[0] ?? '');
}

export function isInOneZone({ group }: Snapshot): boolean {
  return new Set(group.instances.map(({ zone }) => zone)).size <= 1;
}

/** Those that leave in a plan. */
export function leavingIn(snapshot: Snapshot, change: Change): string[] {
  if (change.kind === 'terminate') return [...change.instanceIds];
  if (change.kind === 'scale-in') return unprotectedIn(snapshot).slice(0, change.count);
  return membersOf(snapshot).map(({ instanceId }) => instanceId);
}

/** Those that may leave instead, because the plan does not know how Auto Scaling chooses within the fullest zones, or of two that are alike. */
export function othersThatMayLeave(snapshot: Snapshot, change: Change): string[] {
  if (change.kind !== 'scale-in' || (isChosenByAge(snapshot) && isInOneZone(snapshot))) return [];
  const zoneOf = new Map(snapshot.group.instances.map(({ id, zone }) => [id, zone]));
  const sizes = Map.groupBy(snapshot.group.instances, ({ zone }) => zone);
  const fullest = Math.max(...[...sizes.values()].map(({ length }) => length));
  const mayLose = (zone: string | undefined) => (sizes.get(zone)?.length ?? 0) > fullest - change.count;
  return unprotectedIn(snapshot)
    .slice(change.count)
    .filter((id) => mayLose(zoneOf.get(id)));
}

/** In the order in which a scale-in takes them in a plan. */
function unprotectedIn(snapshot: Snapshot): string[] {
  return membersOf(snapshot).flatMap(({ instanceId, protectedFromScaleIn }) =>
    protectedFromScaleIn ? [] : instanceId,
  );
}

/** One rehearsal each of so many. */
const MOST_REHEARSED = 20;

/**
 * The same with others in their place, to be rehearsed as well. First come those with a service, a job, an attribute or a lost agent that
 * no rehearsal before has, then the fullest. Where several leave, those that share what few have leave together.
 */
export function otherChoices(snapshot: Snapshot, change: Change): Extract<Change, { kind: 'terminate' }>[] {
  const planned = leavingIn(snapshot, change);
  const others = othersThatMayLeave(snapshot, change);
  if (others.length === 0) return [];
  const candidates = [...planned, ...others];
  const swaps = newFirst(others, planned, snapshot).map((id) => [...planned.slice(1), id]);
  // Of more candidates there are too many combinations.
  const all =
    candidates.length <= MOST_REHEARSED + 1
      ? [...combinations(candidates, planned.length).take(MOST_REHEARSED + 2)]
      : [];
  const alike = rarestFirst(candidates, snapshot);
  const groups = planned.length < 2 ? [] : others.map((_, i) => alike.slice(i, i + planned.length));
  const some = [...groups.slice(0, MOST_REHEARSED / 2), ...swaps];
  const choices = all.length > 0 && all.length <= MOST_REHEARSED + 1 ? all : some;
  return choices
    .filter((instanceIds) => instanceIds.some((id) => others.includes(id)))
    .slice(0, MOST_REHEARSED)
    .map((instanceIds) => ({ kind: 'terminate', instanceIds, shrinks: true }));
}

/** Each choice of so many. */
function* combinations(of: readonly string[], size: number): Generator<string[]> {
  if (size === 0) return yield [];
  for (const [i, first] of of.entries()) {
    for (const rest of combinations(of.slice(i + 1), size - 1)) yield [first, ...rest];
  }
}

function newFirst(instanceIds: readonly string[], before: readonly string[], snapshot: Snapshot): string[] {
  const met = new Set(before.flatMap((id) => featuresOf(id, snapshot)));
  const fullestFirst = instanceIds.toSorted((a, b) => memoryOn(b, snapshot) - memoryOn(a, snapshot));
  const isNew = (id: string) => {
    const features = featuresOf(id, snapshot).filter((feature) => !met.has(feature));
    for (const feature of features) met.add(feature);
    return features.length > 0;
  };
  return [...new Set([...fullestFirst.filter(isNew), ...fullestFirst])];
}

function rarestFirst(instanceIds: readonly string[], snapshot: Snapshot): string[] {
  const features = new Map(instanceIds.map((id) => [id, new Set(featuresOf(id, snapshot))]));
  const having = Map.groupBy(
    [...features.values()].flatMap((each) => [...each]),
    (feature) => feature,
  );
  const rarityOf = (id: string) =>
    Math.min(...[...(features.get(id) ?? [])].map((each) => having.get(each)?.length ?? 0));
  return instanceIds.toSorted((a, b) => rarityOf(a) - rarityOf(b) || memoryOn(b, snapshot) - memoryOn(a, snapshot));
}

/** What may make one instance harder to drain than another: what runs there, and what others may lack. */
function featuresOf(instanceId: string, snapshot: Snapshot): string[] {
  const { agentConnected, attributes = {}, gpus = 0 } = hostsIn(snapshot.cluster).get(instanceId) ?? {};
  return [
    ...tasksOn(instanceId, snapshot).map(({ group }) => group),
    ...(agentConnected ? [] : ['no agent']),
    ...(gpus > 0 ? ['GPUs'] : []),
    ...Object.entries(attributes).map(([name, value]) => `${name}=${value}`),
  ];
}

function memoryOn(instanceId: string, snapshot: Snapshot): number {
  return tasksOn(instanceId, snapshot).reduce((sum, { memoryMiB }) => sum + memoryMiB, 0);
}

function tasksOn(instanceId: string, { cluster }: Snapshot) {
  return cluster.tasks.filter(({ ec2InstanceId }) => ec2InstanceId === instanceId);
}
