import { AwsError } from '../aws-error.ts';
import { Fleet, poolTarget } from './fleet.ts';
import { InstanceRefreshes } from './instance-refresh.ts';
import { type AutoScalingOptions, arnOf, type Group, type Instance, invalid, viewOf } from './state.ts';
import {
  type ActionName,
  type Completion,
  type GroupSettings,
  type GroupSpec,
  type GroupView,
  type HookSpec,
  type InstanceView,
  isGone,
  type LifecycleResult,
  type PendingAction,
  type RefreshPreferences,
  type RefreshView,
  SCALING_PROCESSES,
  type ScalingActivity,
  type ScalingProcess,
  type TerminateOptions,
  type WarmPoolSpec,
} from './views.ts';

export type { AutoScalingOptions } from './state.ts';
export type * from './views.ts';

/** Facts 18 hook-timeouts. */
const HEARTBEAT_TIMEOUT_SECONDS = { min: 30, max: 7_200 };

/** From the warning to the interruption (facts 6 ec2-notices). */
const SPOT_NOTICE_SECONDS = 120;

/** From the deletion with force until the group is gone: a few minutes, by the user guide. */
const DELETION_SECONDS = 120;

/** Auto Scaling in virtual time: groups that keep their desired capacity, and hooks that hold what enters or leaves them. */
export class AutoScalingModel {
  readonly #options: AutoScalingOptions;
  readonly #groups = new Map<string, Group>();
  readonly #fleet: Fleet;
  readonly #refreshes: InstanceRefreshes;
  readonly #interrupted = new Set<string>();

  constructor(options: AutoScalingOptions) {
    this.#options = options;
    this.#fleet = new Fleet(options);
    this.#refreshes = new InstanceRefreshes(options, this.#fleet);
  }

  // --- What operators do --------------------------------------------------------------------------------------------

  /** Creates a group whose instances are InService at once: the world before the drill begins. Returns their ids. */
  createGroup(spec: GroupSpec, _world: { readonly running: true }): readonly string[] {
    if (this.#groups.has(spec.name)) {
      throw new AwsError(
        'AlreadyExists',
        `AutoScalingGroup by this name already exists - A group with the name ${spec.name} already exists`,
      );
    }
    const { region, account, newId } = this.#options.place;
    const group: Group = {
      spec,
      arn: `arn:aws:autoscaling:${region}:${account}:autoScalingGroup:${newId()}:autoScalingGroupName/${spec.name}`,
      createdAtMs: this.#options.time.nowMs(),
      desiredCapacity: spec.desiredCapacity,
      hooks: new Map(),
      active: new Map(),
      leaving: new Map(),
      pool: new Map(),
      rebalancing: new Map(),
      surge: 0,
      suspended: new Map(),
      activities: [],
      unreachable: undefined,
      isDeleted: false,
    };
    checkCapacity(group, spec.desiredCapacity);
    this.#groups.set(spec.name, group);
    this.#fleet.populate(group);
    return [...group.active.keys()];
  }

  /** Changes what is given; the sizes first, and then the desired capacity that fits them. */
  updateGroup(name: string, changes: GroupSettings & Partial<Pick<GroupSpec, SizeName>>): void {
    const group = this.#groupToChange(name);
    const { desiredCapacity, ...spec } = { ...group.spec, ...changes };
    const { minSize, maxSize } = spec;
    if (maxSize < minSize) {
      throw invalid(`Max bound, ${maxSize}, must be greater than or equal to min bound, ${minSize}`);
    }
    const wanted = changes.desiredCapacity ?? Math.min(Math.max(group.desiredCapacity, minSize), maxSize);
    if (wanted < minSize || wanted > maxSize) {
      throw invalid(
        `Desired capacity:${wanted} must be between the specified min size:${minSize} and max size:${maxSize}`,
      );
    }
    refuseVastness({ spec: { ...spec, desiredCapacity }, desiredCapacity: wanted });
    group.spec = { ...spec, desiredCapacity };
    if (wanted !== group.desiredCapacity) this.#noteDesired(group, wanted);
    this.#fleet.keepCapacity(group);
  }

  /** Facts 103 group-deletion. Only an empty group can be deleted without force. */
  deleteGroup(name: string, { force }: { readonly force: boolean }): void {
    const group = this.#group(name);
    if (group.isDeleted) return;
    if (force) this.#forceDelete(group);
    else {
      refuseUse(group);
      this.#groups.delete(name);
    }
    this.#options.trace({ kind: 'deployment', group: name, message: 'the group is deleted' });
  }

  #forceDelete(group: Group): void {
    const { name, retainOnAbandon } = group.spec;
    if (retainOnAbandon) {
      throw invalid(
        "You can't force delete this Auto Scaling group because the TerminateHookAbandon retention trigger is set to retain. Change the retention trigger to terminate and try again",
      );
    }
    const { warmPool: _, ...spec } = group.spec;
    group.isDeleted = true;
    group.spec = { ...spec, minSize: 0, maxSize: 0, desiredCapacity: 0 };
    group.desiredCapacity = 0;
    if (this.#refreshes.of(group).some(({ ended }) => !ended)) this.#refreshes.cancel(group, false);
    this.#fleet.endAll(group);
    this.#options.time.after(DELETION_SECONDS, () => this.#groups.delete(name));
  }

  putLifecycleHook(hook: HookSpec): void {
    const { min, max } = HEARTBEAT_TIMEOUT_SECONDS;
    if (hook.heartbeatTimeoutSeconds < min || hook.heartbeatTimeoutSeconds > max) {
      throw invalid(`Heartbeat timeout must be between ${min} and ${max} seconds.`);
    }
    this.#fleet.lifecycle.putHook(this.#groupToChange(hook.group), hook);
  }

  deleteLifecycleHook(group: string, name: string): void {
    this.#fleet.lifecycle.deleteHook(this.#groupToChange(group), name);
  }

  /** Gives the group a warm pool, or changes the one it has. */
  putWarmPool(name: string, warmPool: WarmPoolSpec): void {
    const group = this.#groupToChange(name);
    if (this.#refreshes.of(group).some(({ ended, strategy }) => !ended && strategy === 'ReplaceRootVolume')) {
      throw invalid(`The group ${name} cannot get a warm pool while an instance refresh replaces its root volumes.`);
    }
    refuseVastness({ ...group, spec: { ...group.spec, warmPool } });
    group.spec = { ...group.spec, warmPool };
    this.#fleet.keepCapacity(group);
  }

  /** Raises the desired capacity by one; returns the id of the instance that is Pending now. */
  launchInstance(name: string): string {
    const group = this.#groupToChange(name);
    checkCapacity(group, group.desiredCapacity + 1);
    group.desiredCapacity += 1;
    return this.#fleet.launch(group).instanceId;
  }

  /** Launches what is missing, or scales in the oldest first that is not protected. */
  setDesiredCapacity(name: string, desiredCapacity: number): void {
    const group = this.#groupToChange(name);
    checkCapacity(group, desiredCapacity);
    this.#noteDesired(group, desiredCapacity);
    this.#fleet.keepCapacity(group);
  }

  /**
   * Terminates an instance: held in Terminating:Wait by the hooks of its group, and replaced at once. One that is
   * leaving already goes on, unless its hooks are skipped or it is retained.
   * @throws AwsError if no group has it, or its group cannot get smaller.
   */
  terminateInstance(instanceId: string, options: TerminateOptions = {}): void {
    const instance = this.#managedInstance(instanceId);
    const { group, state } = instance;
    const isRetained = state.endsWith(':Retained');
    if (options.skipHooks) {
      if (options.decrementDesiredCapacity && group.active.has(instanceId)) this.#decrement(group);
      this.#fleet.lose(instance);
    } else if (group.pool.has(instanceId) && !isRetained) {
      throw invalid(`The instance ${instanceId} is in the warm pool of ${group.spec.name}: it cannot be terminated.`);
    } else if (isRetained && options.decrementDesiredCapacity) {
      throw invalid(`The instance ${instanceId} is retained: it does not count towards the desired capacity.`);
    } else if (group.active.has(instanceId) || isRetained) {
      const decrements = options.decrementDesiredCapacity === true;
      if (decrements) this.#decrement(group);
      this.#fleet.terminate(instance, { response: `a user request${decrements ? shrinking(group) : ''}.` });
    }
    this.#fleet.keepCapacity(group);
  }

  /** The instances leave the group, and run on. No hook is asked. Returns the activities, in the order of the ids. */
  detachInstances(name: string, ids: readonly string[], decrementDesiredCapacity: boolean): readonly ScalingActivity[] {
    const group = this.#groupToChange(name);
    const instances = ids.map((id) => this.#memberOf(group, id));
    for (const { instanceId, state } of instances) {
      const isRetained = state === 'Terminating:Retained' && !decrementDesiredCapacity;
      if (state !== 'InService' && !isRetained)
        throw invalid(`The instance ${instanceId} is not in InService or Standby.`);
    }
    const { minSize, maxSize } = group.spec;
    const desired = group.desiredCapacity;
    if (decrementDesiredCapacity && desired - ids.length < minSize) {
      throw invalid(
        `AutoScalingGroup ${name} has min-size=${minSize}, max-size=${maxSize}, and desired-size=${desired}. To detach ${ids.length} instance(s), please update the AutoScalingGroup sizes appropriately.`,
      );
    }
    for (const instance of instances) {
      if (decrementDesiredCapacity) group.desiredCapacity -= 1;
      this.#fleet.detach(instance, `a user request${decrementDesiredCapacity ? shrinking(group) : ''}.`);
    }
    this.#fleet.keepCapacity(group);
    return instances.flatMap(({ activity }) => activity ?? []);
  }

  /** Instances that were detached join their group again, and its desired capacity grows by them. */
  attachInstances(name: string, ids: readonly string[]): void {
    const group = this.#groupToChange(name);
    const instances = ids.map((id) => {
      const instance = this.#fleet.instances.get(id);
      if (instance?.state === 'Detached' && instance.group === group) return instance;
      throw invalid(`The local Region attaches only what was detached from ${name} and runs: ${id} is not that.`);
    });
    const { maxSize } = group.spec;
    if (group.desiredCapacity + ids.length > maxSize) {
      throw invalid(
        `AutoScalingGroup ${name} has max-size=${maxSize} and desired-size=${group.desiredCapacity}. To attach ${ids.length} more instance(s), please update the AutoScalingGroup sizes appropriately.`,
      );
    }
    for (const instance of instances) {
      group.desiredCapacity += 1;
      this.#fleet.attach(instance);
    }
  }

  /** Scale-in passes over an instance that is protected. */
  setInstanceProtection(name: string, ids: readonly string[], protectedFromScaleIn: boolean): void {
    const group = this.#groupToChange(name);
    const instances = ids.map((id) => this.#memberOf(group, id));
    for (const { instanceId, state } of instances) {
      if (state !== 'InService') {
        throw invalid(`The instance ${instanceId} is not in InService or EnteringStandby or Standby.`);
      }
    }
    for (const instance of instances) instance.protectedFromScaleIn = protectedFromScaleIn;
    this.#fleet.keepCapacity(group);
  }

  /** Suspends processes of a group; all of them if none is named. */
  suspendProcesses(name: string, processes: readonly string[]): void {
    const refusal = 'Processes may not be suspended while the AutoScaling group is pending delete';
    const { suspended } = this.#groupToChange(name, refusal);
    for (const process of processesNamed(processes)) {
      if (!suspended.has(process)) suspended.set(process, this.#options.time.nowMs());
    }
  }

  /** Resumes them, and catches up on what they would have done. */
  resumeProcesses(name: string, processes: readonly string[]): void {
    const group = this.#groupToChange(name);
    for (const process of processesNamed(processes)) group.suspended.delete(process);
    this.#fleet.replaceUnhealthy(group);
    this.#fleet.keepCapacity(group);
  }

  /** Begins to replace every instance, or its root volume. Returns the id of the refresh. */
  startInstanceRefresh(
    name: string,
    preferences: Partial<RefreshPreferences> = {},
    strategy: RefreshView['strategy'] = 'Rolling',
    desiredConfiguration?: object,
  ): string {
    return this.#refreshes.start(this.#groupToChange(name), strategy, preferences, desiredConfiguration);
  }

  /** Returns the id of the refresh that is cancelled. */
  cancelInstanceRefresh(name: string, waitForTransitioningInstances = true): string {
    return this.#refreshes.cancel(this.#group(name), waitForTransitioningInstances);
  }

  /**
   * EC2 takes a Spot instance: it warns two minutes ahead (facts 6 ec2-notices), and then the instance goes, held or
   * not (facts 21 when-hooks-run). One that has gone by then was not taken.
   * @throws AwsError if no group has it.
   */
  interruptSpotInstance(instanceId: string): void {
    const instance = this.#managedInstance(instanceId);
    const { region } = this.#options.place;
    this.#options.publish({
      source: 'aws.ec2',
      'detail-type': 'EC2 Spot Instance Interruption Warning',
      resources: [`arn:aws:ec2:${region}a:instance/${instanceId}`],
      detail: { 'instance-id': instanceId, 'instance-action': 'terminate' },
    });
    this.#options.time.after(SPOT_NOTICE_SECONDS, () => {
      if (isGone(instance)) return;
      this.#interrupted.add(instanceId);
      this.terminateInstance(instanceId, { skipHooks: true });
    });
  }

  /**
   * EC2 recommends to replace a Spot instance (facts 6 ec2-notices); its group does so if Capacity Rebalancing is on.
   */
  recommendRebalance(instanceId: string): void {
    const instance = this.#managedInstance(instanceId);
    this.#options.publish({
      source: 'aws.ec2',
      'detail-type': 'EC2 Instance Rebalance Recommendation',
      resources: [arnOf(this.#options.place, instanceId)],
      detail: { 'instance-id': instanceId },
    });
    if (instance.group.spec.capacityRebalance) this.#fleet.rebalance(instance);
  }

  // --- What the owners of hooks do ----------------------------------------------------------------------------------

  /** @throws AwsError as Auto Scaling words it when there is no such action any more (facts 20 no-active-action). */
  recordHeartbeat(name: ActionName): void {
    this.#fleet.lifecycle.recordHeartbeat(this.#group(name.group), name);
  }

  /** @throws AwsError as Auto Scaling words it when there is no such action any more (facts 20 no-active-action). */
  completeAction(name: ActionName, result: LifecycleResult): void {
    this.#fleet.lifecycle.complete(this.#group(name.group), name, result);
  }

  // --- What there is ------------------------------------------------------------------------------------------------

  groups(): readonly GroupView[] {
    return [...this.#groups.keys()].map((name) => this.group(name));
  }

  /** @throws AwsError if there is no group of this name. */
  group(name: string): GroupView {
    return this.#viewOf(this.#group(name));
  }

  /** The group that has the instance or had it, even if that group is gone. */
  groupOf(instanceId: string): GroupView | undefined {
    const group = this.#fleet.instances.get(instanceId)?.group;
    return group && this.#viewOf(group);
  }

  /** Whether there is a group of this name that is not about to be gone. */
  hasGroup(name: string): boolean {
    return this.#groups.get(name)?.isDeleted === false;
  }

  #viewOf(group: Group): GroupView {
    const { spec, desiredCapacity, arn, createdAtMs, suspended, isDeleted } = group;
    const availabilityZone = `${this.#options.place.region}a`;
    return {
      ...spec,
      desiredCapacity,
      arn,
      createdAtMs,
      availabilityZone,
      suspended: new Map(suspended),
      warmPoolSize: warmPoolOf(group).length,
      isDeleted,
    };
  }

  hooksOf(group: string): readonly HookSpec[] {
    return [...this.#group(group).hooks.values()];
  }

  /**
   * The instances that a group has, the oldest first among those that stay and those that leave; those of its warm pool
   * are not among them.
   */
  instancesOf(group: string): readonly InstanceView[] {
    const { active, leaving } = this.#group(group);
    return [...active.values(), ...leaving.values()].filter((each) => !isWarmed(each)).map(viewOf);
  }

  /** The instances of a group's warm pool, on the way into it and out of it. */
  warmPoolOf(group: string): readonly InstanceView[] {
    return warmPoolOf(this.#group(group)).map(viewOf);
  }

  /** An instance that a group has or had. */
  instance(instanceId: string): InstanceView | undefined {
    const instance = this.#fleet.instances.get(instanceId);
    return instance && viewOf(instance);
  }

  /** Those in progress first (facts 42 scaling-activities), and of either the newest first. */
  activitiesOf(group: string): readonly ScalingActivity[] {
    return this.#fleet.activities.of(this.#group(group));
  }

  /** The change that an instance is in, or was in last. */
  lastActivityOf(instanceId: string): ScalingActivity | undefined {
    return this.#fleet.instances.get(instanceId)?.activity;
  }

  /** The instance refreshes of a group, the newest first. */
  refreshesOf(group: string): readonly RefreshView[] {
    return this.#refreshes.of(this.#group(group));
  }

  /** Every action that was completed or timed out, in order; one that is dropped with its instance is not here. */
  get completions(): readonly Completion[] {
    return this.#fleet.lifecycle.completions;
  }

  /** The Spot instances that EC2 has taken. */
  get interrupted(): ReadonlySet<string> {
    return this.#interrupted;
  }

  /** What waits. */
  pendingActions(): readonly PendingAction[] {
    return this.#fleet.lifecycle.pending();
  }

  // --- Small things -------------------------------------------------------------------------------------------------

  #noteDesired(group: Group, desiredCapacity: number): void {
    const message = `desired capacity set from ${group.desiredCapacity} to ${desiredCapacity}`;
    group.desiredCapacity = desiredCapacity;
    this.#options.trace({ kind: 'deployment', group: group.spec.name, message });
  }

  #decrement(group: Group): void {
    const { minSize } = group.spec;
    if (group.desiredCapacity <= minSize) {
      throw invalid(
        `Currently, desiredSize equals minSize (${minSize}). Terminating instance without replacement will violate group's min size constraint. Either set shouldDecrementDesiredCapacity flag to false or lower group's min size.`,
      );
    }
    group.desiredCapacity -= 1;
  }

  #group(name: string): Group {
    const group = this.#groups.get(name);
    if (!group) throw invalid(`AutoScalingGroup name not found - AutoScalingGroup ${name} not found`);
    return group;
  }

  /** @throws AwsError also if it is about to be gone. */
  #groupToChange(
    name: string,
    refusal = 'The AutoScaling group may not be modified while it is pending delete',
  ): Group {
    const group = this.#group(name);
    if (group.isDeleted) throw invalid(refusal);
    return group;
  }

  #managedInstance(instanceId: string): Instance {
    const instance = this.#fleet.instances.get(instanceId);
    if (instance && !isGone(instance)) return instance;
    throw invalid(`Instance Id not found - No managed instance found for instance ID ${instanceId}`);
  }

  #memberOf(group: Group, instanceId: string): Instance {
    const instance = this.#fleet.instances.get(instanceId);
    if (instance?.group === group && !isGone(instance)) return instance;
    throw invalid(`The instance ${instanceId} is not part of Auto Scaling group ${group.spec.name}.`);
  }
}

type SizeName = 'minSize' | 'maxSize' | 'desiredCapacity';

function warmPoolOf({ pool, leaving }: Group): Instance[] {
  return [...pool.values(), ...leaving.values()].filter(isWarmed);
}

/** @throws AwsError if the group has instances or is changing (facts 103 group-deletion). */
function refuseUse({ active, pool, leaving, activities }: Group): void {
  if (active.size + pool.size + leaving.size > 0) {
    const message =
      'You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) still in the group.';
    throw new AwsError('ResourceInUse', message);
  }
  if (activities.some(({ endedAtMs }) => endedAtMs === undefined)) {
    const message =
      'You cannot delete an AutoScalingGroup while there are scaling activities in progress for that group.';
    throw new AwsError('ScalingActivityInProgress', message);
  }
}

function isWarmed({ state }: Pick<InstanceView, 'state'>): boolean {
  return state.startsWith('Warmed:');
}

function checkCapacity({ spec }: Group, capacity: number): void {
  const { minSize, maxSize } = spec;
  const broken =
    capacity > maxSize ? `above max value ${maxSize}` : capacity < minSize ? `below min value ${minSize}` : undefined;
  if (broken) throw invalid(`New SetDesiredCapacity value ${capacity} is ${broken} for the AutoScalingGroup.`);
  refuseVastness({ spec, desiredCapacity: capacity });
}

/** AWS has quotas for what an account may run; the Region, a bound for what it can play. */
const MOST_INSTANCES = 20_000;

/** @throws AwsError if a size is negative, or the group and its warm pool together would have more instances than the Region can play. */
function refuseVastness(group: Pick<Group, 'spec' | 'desiredCapacity'>): void {
  const { minSize } = group.spec;
  if (minSize < 0) throw invalid(`Min bound, ${minSize}, must be greater than or equal to zero.`);
  const instances = group.desiredCapacity + poolTarget(group);
  if (instances <= MOST_INSTANCES) return;
  throw invalid(
    `The local Region plays ${MOST_INSTANCES} instances of a group at most, and this would be ${instances}.`,
  );
}

function shrinking({ active }: Group): string {
  return `, shrinking the capacity from ${active.size} to ${active.size - 1}`;
}

function processesNamed(names: readonly string[]): readonly ScalingProcess[] {
  const unknown = names.find((name) => !SCALING_PROCESSES.some((process) => process === name));
  if (unknown !== undefined) {
    throw invalid(`${unknown} is not a process of Auto Scaling; there are ${SCALING_PROCESSES.join(', ')}.`);
  }
  return SCALING_PROCESSES.filter((process) => names.length === 0 || names.includes(process));
}
