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

/** Those that may leave instead, because the plan does not know how Auto Scaling chooses. */
export function othersThatMayLeave(snapshot: Snapshot, change: Change): string[] {
  if (change.kind !== 'scale-in' || (isChosenByAge(snapshot) && isInOneZone(snapshot))) return [];
  return unprotectedIn(snapshot).slice(change.count);
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
 * The same with one of the others, to be rehearsed as well: first those with a service, a job or a lost agent that no rehearsal before has,
 * then the fullest.
 */
export function otherChoices(snapshot: Snapshot, change: Change): Extract<Change, { kind: 'terminate' }>[] {
  const [, ...rest] = leavingIn(snapshot, change);
  const met = new Set(leavingIn(snapshot, change).flatMap((id) => featuresOf(id, snapshot)));
  const fullestFirst = othersThatMayLeave(snapshot, change).toSorted(
    (a, b) => memoryOn(b, snapshot) - memoryOn(a, snapshot),
  );
  const isNew = (id: string) => {
    const features = featuresOf(id, snapshot).filter((feature) => !met.has(feature));
    for (const feature of features) met.add(feature);
    return features.length > 0;
  };
  const inOrder = new Set([...fullestFirst.filter(isNew), ...fullestFirst]);
  return [...inOrder].slice(0, MOST_REHEARSED).map((id) => {
    return { kind: 'terminate', instanceIds: [...rest, id], shrinks: true };
  });
}

/** What may make one instance harder to drain than another. */
function featuresOf(instanceId: string, snapshot: Snapshot): string[] {
  const { agentConnected } = hostsIn(snapshot.cluster).get(instanceId) ?? {};
  return [...tasksOn(instanceId, snapshot).map(({ group }) => group), ...(agentConnected ? [] : ['no agent'])];
}

function memoryOn(instanceId: string, snapshot: Snapshot): number {
  return tasksOn(instanceId, snapshot).reduce((sum, { memoryMiB }) => sum + memoryMiB, 0);
}

function tasksOn(instanceId: string, { cluster }: Snapshot) {
  return cluster.tasks.filter(({ ec2InstanceId }) => ec2InstanceId === instanceId);
}
