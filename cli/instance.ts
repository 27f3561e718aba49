/** What AWS knows of one instance and its drain. */

import { isHeld } from '../src/domain/group-place.ts';
import { choiceOf, groupNamed } from '../src/domain/groups.ts';
import type { Aws } from './aws.ts';
import type { Deployment } from './common.ts';
import {
  type ParkedDrain,
  type ParkedDrains,
  type Registrations,
  readHoldingGroup,
  readParkedDrains,
  readRegistrations,
} from './drain-reads.ts';
import { type DrainStatus, heldStatuses, noticeStatus } from './drain-status.ts';

export interface InstanceState {
  readonly instanceId: string;
  /** Undefined if it is in no group. */
  readonly place: Awaited<ReturnType<Aws['groupOf']>>;
  readonly registrations: Registrations;
  readonly parked: ParkedDrains;
  /** None if nothing of ours holds it and it is drained on no notice. Of drains on notices, the most urgent is first. */
  readonly drains: readonly DrainStatus[];
}

export async function readInstance(instanceId: string, deployment: Deployment, aws: Aws): Promise<InstanceState> {
  const place = await aws.groupOf(instanceId);
  const registrations = await readRegistrations([instanceId], deployment, aws);
  const parked = await readParkedDrains(deployment, aws, [instanceId]);
  const state = { instanceId, place, registrations, parked };
  if (place && isHeld(place) && choiceOf(deployment.settings.autoScalingGroups, place.autoScalingGroup)) {
    const [group = { name: place.autoScalingGroup, returnsToWarmPool: false }] = await aws.groups([
      groupNamed(place.autoScalingGroup),
    ]);
    const holder = await readHoldingGroup(group, aws);
    return { ...state, drains: await heldStatuses(instanceId, holder, registrations, parked, deployment, aws) };
  }
  const onNotices = parked.all.flatMap(({ drain }) => (drain?.kind === 'notice' ? drain : []));
  const drains = await Promise.all(onNotices.map((drain) => noticeStatus(drain, registrations, deployment, aws)));
  return { ...state, drains: drains.toSorted((a, b) => (a.deadlineAtMs ?? 0) - (b.deadlineAtMs ?? 0)) };
}

/** The schedule of a drain that is parked. */
export function scheduleOf({ parked }: InstanceState, { drain }: DrainStatus): ParkedDrain['schedule'] | undefined {
  return parked.all.find((each) => drain !== undefined && each.drain === drain)?.schedule;
}

/** The schedules of its drains, with those that could not be read here: the function may read them. */
export function schedulesOf({ parked, drains }: InstanceState): string[] {
  const ofDrains = new Set(drains.map(({ drain }) => drain));
  return parked.all.flatMap(({ schedule, drain, failure }) =>
    failure !== undefined || (drain && ofDrains.has(drain)) ? schedule : [],
  );
}
