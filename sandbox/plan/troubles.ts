import { MANAGED_DRAINING, WARM_POOL_REUSE } from '../../src/adapters/present-explanation.ts';
import { MANAGED_DRAINING_HOOK } from '../../src/domain/drain.ts';
import type { ScalingProcess } from '../region/auto-scaling/views.ts';
import type { Params } from '../scenarios.ts';
import { hostsInService, suspendedIn } from './build.ts';
import { hookTroublesOf, isDrainedByEcs } from './hooks.ts';
import type { Snapshot } from './snapshot.ts';

/** What is wrong with a group before anything changes it. The rehearsals have it, and the verdict names it. */
export interface Trouble {
  readonly level: 'error' | 'warning';
  /** A sentence, as is the fix. */
  readonly what: string;
  readonly fix: string;
}

/**
 * What is wrong with the group and its hooks, in sentences.
 * @throws BadSnapshot if the settings cannot work
 */
export function troublesOf(snapshot: Snapshot, params: Params): string[] {
  const troubles = [...managedDraining(snapshot, params), ...groupTroubles(snapshot)];
  return [...hookTroublesOf(snapshot, params), ...troubles.map(({ what, fix }) => `${what} ${fix}`)];
}

/** What `doctor` says of the hooks. */
function* managedDraining(snapshot: Snapshot, params: Params): Generator<Trouble> {
  const { group, drain } = snapshot;
  if (!group.hooks?.some(({ name }) => name === MANAGED_DRAINING_HOOK)) return;
  const isWatched = drain?.params['superviseManagedDraining'] === 'true';
  if (!isDrainedByEcs(snapshot, params)) yield { level: 'warning', ...MANAGED_DRAINING.besideOurs };
  else if (!isWatched) yield { level: 'warning', ...MANAGED_DRAINING.unwatched };
}

export function groupTroubles(snapshot: Snapshot): Trouble[] {
  return [...agentTroubles(snapshot), ...drainedByHand(snapshot), ...suspensions(snapshot), ...poolReuse(snapshot)];
}

function* agentTroubles(snapshot: Snapshot): Generator<Trouble> {
  for (const { ec2InstanceId } of hostsInService(snapshot).filter(({ agentConnected }) => !agentConnected)) {
    yield {
      level: 'error',
      what: `The agent of ${ec2InstanceId} is disconnected: ECS starts and stops no task there, so a drain of it ends as agent-lost.`,
      fix: 'Check the ECS agent on the instance.',
    };
  }
}

function* drainedByHand(snapshot: Snapshot): Generator<Trouble> {
  const { name: cluster } = snapshot.cluster;
  for (const { ec2InstanceId, id = 'ID' } of hostsInService(snapshot).filter(({ status }) => status === 'DRAINING')) {
    const command = `aws ecs update-container-instances-state --cluster ${cluster} --container-instances ${id} --status ACTIVE`;
    yield {
      level: 'warning',
      what: `${ec2InstanceId} is DRAINING, although it is in service: ECS starts no task there.`,
      fix: `Terminate it, or set it to ACTIVE again (${command}).`,
    };
  }
}

/** What a change waits for, or does without, while a process is suspended; the others have no part in it. */
const WITHOUT: Partial<Record<ScalingProcess, string>> = {
  Launch: 'no new instance is launched, and an instance refresh waits',
  Terminate: 'a lower desired capacity terminates no instance, and an instance refresh waits',
  InstanceRefresh: 'an instance refresh waits',
};

function* suspensions(snapshot: Snapshot): Generator<Trouble> {
  const { name } = snapshot.group;
  for (const process of suspendedIn(snapshot)) {
    const effect = WITHOUT[process];
    if (effect === undefined) continue;
    const command = `aws autoscaling resume-processes --auto-scaling-group-name ${name} --scaling-processes ${process}`;
    yield {
      level: 'warning',
      what: `The process ${process} of the group ${name} is suspended: ${effect}.`,
      fix: `Resume it (${command}).`,
    };
  }
}

function* poolReuse({ group }: Snapshot): Generator<Trouble> {
  if (group.warmPool?.reuseOnScaleIn) yield { level: 'warning', ...WARM_POOL_REUSE };
}
