import { canReplace } from '../../src/domain/diagnose.ts';
import { hostsInService, membersOf } from './build.ts';
import type { Change } from './change.ts';
import { type Snapshot, type SnapshotService, serviceOf } from './snapshot.ts';

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

/** Those of the others that may be harder to drain than the instances of the plan, and what on them may be the cause. */
export function harderToDrain(snapshot: Snapshot, change: Change) {
  const { services, tasks } = snapshot.cluster;
  const known = new Map(services.map((service) => [service.name, service]));
  const planned = new Set(leavingIn(snapshot, change));
  const rehearsed = new Set(tasks.flatMap(({ group, ec2InstanceId }) => (planned.has(ec2InstanceId) ? group : [])));
  const others = new Set(othersThatMayLeave(snapshot, change));
  const hard = tasks.filter((task) => {
    const service = known.get(serviceOf(task) ?? '');
    return !service || (!rehearsed.has(task.group) && isDelicate(service, snapshot.cluster));
  });
  const found = [
    ...hard.map(({ ec2InstanceId, group }) => ({ ec2InstanceId, why: group })),
    ...hostsInService(snapshot)
      .filter(({ agentConnected }) => !agentConnected)
      .map(({ ec2InstanceId }) => ({ ec2InstanceId, why: 'a disconnected agent' })),
  ].filter(({ ec2InstanceId }) => others.has(ec2InstanceId));
  const there = new Set(found.map(({ ec2InstanceId }) => ec2InstanceId));
  return { instanceIds: [...others].filter((id) => there.has(id)), causes: [...new Set(found.map(({ why }) => why))] };
}

/** Whether it takes more than memory and CPU to replace a task of the service. */
function isDelicate(service: SnapshotService, { taskDefinitions }: Snapshot['cluster']): boolean {
  if (service.strategy === 'DAEMON') return false;
  const definition = taskDefinitions.find(({ name }) => name === service.taskDefinition);
  const constraints = [...service.placementConstraints, ...(definition?.placementConstraints ?? [])];
  return !canReplace(service) || constraints.length > 0 || (definition?.hostPorts.length ?? 0) > 0;
}
