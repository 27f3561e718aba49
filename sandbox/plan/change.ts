import { rollingUpdate } from '../region/auto-scaling/deployments.ts';
import { NEEDED } from '../region/auto-scaling/instance-refresh.ts';
import type { Region } from '../region/region.ts';
import { hostsIn, membersOf, sizesOf } from './build.ts';
import { BadSnapshot, type Snapshot } from './snapshot.ts';

/** A change of the group. */
export type Change =
  | {
      readonly kind: 'rolling-update';
      readonly minInService: number;
      readonly maxBatchSize: number;
      readonly pauseSeconds: number;
      readonly waitsForSignals: boolean;
    }
  | {
      readonly kind: 'instance-refresh';
      readonly minHealthyPercent: number;
      /** Above 100 it launches instances before it terminates others. */
      readonly maxHealthyPercent: number;
      readonly warmupSeconds: number | undefined;
    }
  | { readonly kind: 'scale-in'; readonly count: number }
  | { readonly kind: 'terminate'; readonly instanceIds: readonly string[]; readonly shrinks: boolean };

/** @throws BadSnapshot with a sentence, if the group cannot be changed so. */
export function refuseImpossible(change: Change, snapshot: Snapshot): void {
  const complaint = complaintAbout(change, snapshot);
  if (complaint !== undefined) throw new BadSnapshot(complaint);
}

function complaintAbout(change: Change, snapshot: Snapshot): string | undefined {
  const { name } = snapshot.group;
  const { minSize, maxSize, away } = sizesOf(snapshot);
  const without =
    away === 0 ? '' : ` without the ${presentCount(away)} that ${away === 1 ? 'is' : 'are'} not in service`;
  const members = membersOf(snapshot);
  if (members.length === 0) {
    return `No instance of the group ${name} is InService, and ACTIVE or DRAINING, in the cluster ${snapshot.cluster.name}: there is nothing to drain.`;
  }
  switch (change.kind) {
    case 'rolling-update':
      if (change.minInService >= maxSize) {
        return `--min-in-service ${change.minInService} must be less than the maximum size of the group ${name}, which is ${maxSize}${without}: CloudFormation refuses the update.`;
      }
      return undefined;
    case 'instance-refresh':
      if (change.maxHealthyPercent - change.minHealthyPercent > 100) {
        return `--max-healthy-percent ${change.maxHealthyPercent} is more than 100 above --min-healthy-percent ${change.minHealthyPercent}: Auto Scaling refuses the instance refresh.`;
      }
      return undefined;
    case 'scale-in': {
      const isProtected = new Set(
        snapshot.group.instances.flatMap((each) => (each.protectedFromScaleIn ? each.id : [])),
      );
      const free = members.filter(({ instanceId }) => !isProtected.has(instanceId)).length;
      if (change.count > free) {
        return `--count ${change.count} is too many: ${free === 0 ? 'all instances' : `all but ${free} of the instances`} of the group ${name} are protected from scale-in, and Auto Scaling terminates none of these. End their protection first.`;
      }
      if (members.length - change.count < minSize) {
        return `--count ${change.count} leaves ${presentCount(members.length - change.count)}, fewer than the minimum size of the group ${name}, which is ${minSize}${without}.`;
      }
      return undefined;
    }
    case 'terminate': {
      const stranger = change.instanceIds.find((id) => !members.some(({ instanceId }) => instanceId === id));
      if (stranger !== undefined) return `--instance ${stranger} ${presentStranger(stranger, snapshot)}.`;
      if (change.shrinks && members.length - change.instanceIds.length < minSize) {
        return `--decrement leaves ${presentCount(members.length - change.instanceIds.length)}, fewer than the minimum size of the group ${name}, which is ${minSize}${without}.`;
      }
      return undefined;
    }
    default:
      return change satisfies never;
  }
}

/** What an instance is that is not in service in the group, or not in the cluster. */
function presentStranger(id: string, { group, cluster }: Snapshot): string {
  const state = group.instances.find((each) => each.id === id)?.state;
  if (state === undefined) return `is not an instance of the group ${group.name}`;
  const status = hostsIn(cluster).get(id)?.status ?? 'not registered';
  return `is ${state} in the group ${group.name} and ${status} in the cluster ${cluster.name}: a plan terminates what is InService, and ACTIVE or DRAINING`;
}

function presentCount(instances: number): string {
  return `${instances} ${instances === 1 ? 'instance' : 'instances'}`;
}

/** Begins the change. Returns a function that says whether the change is over: what leaves is gone, and what comes is in service. */
export function begin(change: Change, region: Region, group: string): () => boolean {
  const { autoScaling, time, trace } = region;
  const isSettled = () =>
    autoScaling.instancesOf(group).every(({ state }) => state === 'InService' || state.endsWith(':Retained')) &&
    autoScaling.pendingActions().length === 0;
  switch (change.kind) {
    case 'rolling-update': {
      const policy = {
        minInstancesInService: change.minInService,
        maxBatchSize: change.maxBatchSize,
        pauseTimeSeconds: change.pauseSeconds,
        waitForSignals: change.waitsForSignals,
      };
      const deployment = rollingUpdate(autoScaling, time, group, policy, trace);
      return () => deployment.ended && isSettled();
    }
    case 'instance-refresh': {
      autoScaling.startInstanceRefresh(group, {
        minHealthyPercentage: change.minHealthyPercent,
        maxHealthyPercentage: change.maxHealthyPercent,
        ...(change.warmupSeconds !== undefined && { instanceWarmupSeconds: change.warmupSeconds }),
      });
      return () => autoScaling.refreshesOf(group).every(({ ended }) => ended) && isSettled();
    }
    case 'scale-in': {
      autoScaling.setDesiredCapacity(group, autoScaling.group(group).desiredCapacity - change.count);
      return isSettled;
    }
    case 'terminate':
      for (const id of change.instanceIds) {
        autoScaling.terminateInstance(id, { decrementDesiredCapacity: change.shrinks });
      }
      return isSettled;
    default:
      return change satisfies never;
  }
}

/** Whether the change waits for what does not come in a plan, so that there is nothing to watch for two weeks. */
export function isEndless(change: Change, { autoScaling }: Region, group: string): boolean {
  const { suspended } = autoScaling.group(group);
  return change.kind === 'instance-refresh' && NEEDED.some((process) => suspended.has(process));
}

/** Whether the group launches instances for the change. */
export function launches(change: Change): boolean {
  return change.kind === 'terminate' ? !change.shrinks : change.kind !== 'scale-in';
}

/** The change in words. */
export function presentChange(change: Change): string {
  switch (change.kind) {
    case 'rolling-update':
      return `a rolling update in batches of ${change.maxBatchSize} with at least ${change.minInService} in service`;
    case 'instance-refresh':
      return `an instance refresh with ${change.minHealthyPercent} to ${change.maxHealthyPercent} % healthy`;
    case 'scale-in':
      return `a scale-in by ${change.count}`;
    case 'terminate':
      return `the termination of ${change.instanceIds.join(' and ')}`;
    default:
      return change satisfies never;
  }
}
