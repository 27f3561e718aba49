/** What AWS knows of drains and their instances: each read once for many instances, and what fails apart from the rest. */

import { UnreadableSchedule } from '../src/adapters/scheduler.ts';
import { type Drain, instanceIdOf, type LifecycleHook } from '../src/domain/drain.ts';
import type { MarkedInstance } from '../src/domain/mark.ts';
import { type ContainerInstance, type HoldingTask, isLive } from '../src/domain/observation.ts';
import { ClusterMissing } from '../src/domain/ports.ts';
import type { Aws } from './aws.ts';
import { type Deployment, failedCallIn, sentenceOf } from './common.ts';

/** A schedule of the deployment, and what is in it. */
export interface ParkedDrain {
  readonly schedule: string;
  /** Undefined if it could not be read. */
  readonly drain: Drain | undefined;
  /** Why the schedule does not continue its drain: this version cannot understand what is in it. */
  readonly unreadable?: string;
  /** Why AWS did not give it. */
  readonly failure?: string;
}

export interface ParkedDrains {
  readonly all: readonly ParkedDrain[];
  /** Why the schedules could not be listed: then others may be parked. */
  readonly failure?: string;
}

/** The drains that are parked: all, or those of the instances. */
export async function readParkedDrains(
  { target }: Deployment,
  { schedules }: Aws,
  instanceIds?: readonly string[],
): Promise<ParkedDrains> {
  if (!schedules) return { all: [] };
  let names: string[];
  try {
    const all = [...(await schedules.writtenAtMs()).keys()];
    names = instanceIds ? all.filter((name) => instanceIds.some((id) => mayBeOn(id, name))) : all;
  } catch (error) {
    return { all: [], failure: sentenceOf(error, target) };
  }
  const read = names.map(async (schedule): Promise<ParkedDrain> => {
    try {
      return { schedule, drain: await schedules.get(schedule) };
    } catch (error) {
      const cause = failedCallIn(error)?.cause;
      if (cause instanceof UnreadableSchedule) return { schedule, drain: undefined, unreadable: cause.message };
      return { schedule, drain: undefined, failure: sentenceOf(error, target) };
    }
  });
  const all = await Promise.all(read);
  return { all: instanceIds ? all.filter((each) => instanceIds.some((id) => isParkedOn(id, each))) : all };
}

/** A schedule is named after its instance. Earlier versions named it after the container instance, which does not say of which. */
function mayBeOn(instanceId: string, schedule: string): boolean {
  return schedule.startsWith(`${instanceId}-`) || !schedule.startsWith('i-');
}

/** Whether the schedule is of a drain of the instance. */
export function isParkedOn(instanceId: string, { schedule, drain }: ParkedDrain): boolean {
  return drain ? instanceIdOf(drain) === instanceId : schedule.startsWith(`${instanceId}-`);
}

/** Where instances are registered, as far as the configured clusters could be searched. */
export interface Registrations {
  of(instanceId: string): readonly ContainerInstance[];
  /** Whether an instance that was not found is not registered: a cluster that does not exist has no registrations. */
  isKnown(instanceId: string): boolean;
  readonly searched: readonly string[];
  readonly failures: readonly string[];
}

/** Searches every configured cluster for the live registrations of the instances. */
export async function readRegistrations(
  instanceIds: readonly string[],
  { settings, target }: Deployment,
  { containerInstances: ecs }: Aws,
): Promise<Registrations> {
  const found: ContainerInstance[] = [];
  const searched: string[] = [];
  const failures: string[] = [];
  let isSearched = true;
  if (instanceIds.length > 0) {
    for (const cluster of settings.policy.clusters) {
      try {
        const arns = await ecs.list(cluster, instanceIds);
        if (arns.length > 0) found.push(...(await ecs.describe(cluster, arns)));
        searched.push(cluster);
      } catch (error) {
        failures.push(sentenceOf(error, target));
        isSearched &&= error instanceof ClusterMissing;
      }
    }
    isSearched &&= searched.length > 0;
  }
  const live = Map.groupBy(found.filter(isLive), ({ ec2InstanceId }) => ec2InstanceId);
  const isKnown = (instanceId: string) => isSearched || live.has(instanceId);
  return { of: (instanceId) => live.get(instanceId) ?? [], isKnown, searched, failures };
}

/** The sentence on an instance that we have set to DRAINING and that may stay in service. */
export const GIVEN_BACK =
  'ecs-drain has set it to DRAINING and marked it: the sweep sets it to ACTIVE when it is InService and its agent is connected.';

/** The registrations of a cluster that we have set to DRAINING and whose instances may stay in service. */
export async function readStaying(cluster: string, { containerInstances }: Aws): Promise<readonly MarkedInstance[]> {
  try {
    return (await containerInstances.marked(cluster)).filter(({ status }) => status === 'DRAINING');
  } catch (error) {
    if (error instanceof ClusterMissing) return [];
    throw error;
  }
}

/** What holds an instance, as far as ECS has answered. */
export interface Holding {
  /** The tasks that have not stopped; undefined where they are not known. */
  readonly holdingTasks: readonly HoldingTask[] | undefined;
  /** What ECS did not answer. */
  readonly failures: readonly string[];
}

/** The tasks on an instance. An answer that is missing is never "no task". */
export async function readHoldingTasks(
  instanceId: string,
  registrations: Registrations,
  { target }: Deployment,
  { containerInstances: ecs }: Aws,
): Promise<Holding> {
  const { failures } = registrations;
  if (!registrations.isKnown(instanceId)) return { holdingTasks: undefined, failures };
  try {
    const holdingTasks: HoldingTask[] = [];
    for (const registration of registrations.of(instanceId)) {
      const { running, stopped } = await ecs.listTasks(registration);
      const arns = [...running, ...stopped];
      const tasks = arns.length > 0 ? await ecs.describeTasks(registration.cluster, arns) : [];
      holdingTasks.push(...tasks.filter((task) => task.kind === 'holding'));
    }
    return { holdingTasks, failures };
  } catch (error) {
    return { holdingTasks: undefined, failures: [...failures, sentenceOf(error, target)] };
  }
}

/** What is the same for all instances that a group holds. */
export interface HoldingGroup {
  readonly name: string;
  readonly returnsToWarmPool: boolean;
  readonly hooks: readonly LifecycleHook[];
  /** Since when Auto Scaling terminates its instances. */
  readonly sinceMs: ReadonlyMap<string, number>;
}

export async function readHoldingGroup(
  group: Pick<HoldingGroup, 'name' | 'returnsToWarmPool'>,
  { lifecycleActions }: Aws,
): Promise<HoldingGroup> {
  const { name, returnsToWarmPool } = group;
  return {
    name,
    returnsToWarmPool,
    hooks: await lifecycleActions.hooksOf(name),
    sinceMs: await lifecycleActions.terminatingSinceMs(name),
  };
}
