import { AwsError } from './aws-error.ts';
import type { BusEvent } from './event-bridge.ts';
import type { InstanceState, Tell } from './happenings.ts';
import type { Place } from './place.ts';
import type { Random } from './random.ts';
import type { VirtualTime } from './virtual-time.ts';

/** What this model needs of the rest of the Region. */
export interface AutoScalingOptions {
  readonly time: Pick<VirtualTime, 'nowMs' | 'after'>;
  readonly place: Place;
  readonly random: Random;
  readonly tell: Tell;
  readonly publish: (event: BusEvent) => void;
  /** The instance has booted: it registers with ECS. Called for the instances of a new, running group too. */
  readonly launched: (ec2InstanceId: string, group: GroupSpec) => void;
  /** EC2 ends the instance; one that never booted was never `launched`. */
  readonly terminate: (ec2InstanceId: string) => void;
}

/** An Auto Scaling group of instances that are all alike. */
export interface GroupSpec {
  readonly name: string;
  readonly minSize: number;
  readonly maxSize: number;
  readonly desiredCapacity: number;
  readonly cluster: string;
  readonly memoryMiB: number;
  readonly cpuUnits: number;
  /** From the launch until the instance registers with ECS, give or take a tenth. */
  readonly launchSeconds: number;
}

/** A lifecycle hook on the termination of a group's instances. */
export interface HookSpec {
  readonly name: string;
  readonly group: string;
  readonly heartbeatTimeoutSeconds: number;
  readonly defaultResult: 'CONTINUE' | 'ABANDON';
  readonly notificationMetadata?: string;
}

export type LifecycleResult = HookSpec['defaultResult'];

/** How a lifecycle action ended. */
export interface Completion {
  readonly instanceId: string;
  readonly hook: string;
  readonly result: LifecycleResult;
  readonly by: 'completion' | 'timeout';
  readonly atMs: number;
  readonly heldSinceMs: number;
  readonly heartbeats: number;
}

export interface TerminateOptions {
  /** As a direct EC2 terminate and a Spot interruption do (facts 21). */
  readonly skipHooks?: boolean;
  /** The group gets smaller instead of launching a replacement. */
  readonly decrementDesiredCapacity?: boolean;
  readonly origin?: 'EC2' | 'AutoScalingGroup' | 'WarmPool';
  /** Only the event tells: an instance that is stopped into a warm pool loses its tasks as a terminated one does. */
  readonly destination?: 'EC2' | 'WarmPool';
}

/** What a group is now. */
export interface GroupView extends GroupSpec {
  readonly arn: string;
  readonly availabilityZone: string;
  readonly createdAtMs: number;
}

/** What an instance is now. */
export interface InstanceView {
  readonly instanceId: string;
  readonly group: string;
  readonly state: InstanceState;
  readonly launchedAtMs: number;
  readonly inServiceAtMs: number | undefined;
}

/** What a terminating instance waits for, for one hook. */
export interface PendingAction {
  readonly token: string;
  readonly hook: HookSpec;
  readonly instanceId: string;
  readonly heldSinceMs: number;
  readonly timesOutAtMs: number;
  readonly heartbeats: number;
}

/** Names a lifecycle action as the API does: by its token, or by its instance. */
export interface ActionName {
  readonly group: string;
  readonly hook: string;
  readonly token: string | undefined;
  readonly instanceId: string | undefined;
}

/** A launch or a termination, in the history of its group. */
export interface ScalingActivity {
  readonly id: string;
  readonly group: string;
  readonly description: string;
  readonly cause: string;
  readonly startedAtMs: number;
  readonly endedAtMs: number | undefined;
  readonly status: ActivityStatus;
}

type ActivityStatus = 'PreInService' | 'InProgress' | 'MidLifecycleAction' | 'Successful' | 'Cancelled';
type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type Activity = Mutable<ScalingActivity>;

interface Action extends Mutable<PendingAction> {
  readonly instance: Instance;
}

interface Instance extends Omit<Mutable<InstanceView>, 'group'> {
  readonly group: Group;
  /** By the name of the hook. */
  readonly actions: Map<string, Action>;
  activity: Activity | undefined;
}

interface Group {
  readonly spec: GroupSpec;
  readonly arn: string;
  readonly createdAtMs: number;
  desiredCapacity: number;
  readonly hooks: Map<string, HookSpec>;
  /** Pending or InService: what counts towards the desired capacity. The oldest comes first. */
  readonly active: Map<string, Instance>;
  /** On the way out. */
  readonly leaving: Map<string, Instance>;
  readonly activities: Activity[];
}

/** Facts 18. */
const HEARTBEAT_TIMEOUT_SECONDS = { min: 30, max: 7_200 };
const MAX_HEARTBEAT_TIMEOUTS = 100;
const MAX_WAIT_SECONDS = 48 * 60 * 60;

/** From the warning to the interruption (facts 6). */
const SPOT_NOTICE_SECONDS = 120;

/** The status of the activity that brought an instance into its state (API reference, Activity). */
const ACTIVITY_STATUS: Readonly<Record<InstanceState, ActivityStatus>> = {
  Pending: 'PreInService',
  InService: 'Successful',
  Terminating: 'InProgress',
  'Terminating:Wait': 'MidLifecycleAction',
  'Terminating:Proceed': 'InProgress',
  Terminated: 'Successful',
};

/** Auto Scaling in virtual time: groups that keep their desired capacity, and hooks that hold what leaves them. */
export class AutoScalingModel {
  readonly #options: AutoScalingOptions;
  readonly #groups = new Map<string, Group>();
  readonly #instances = new Map<string, Instance>();
  readonly #actionsByToken = new Map<string, Action>();
  readonly #completions: Completion[] = [];
  readonly #interrupted = new Set<string>();

  constructor(options: AutoScalingOptions) {
    this.#options = options;
  }

  // --- What operators do --------------------------------------------------------------------------------------------

  /** Creates a group whose instances are InService at once: the world before the drill begins. Returns their ids. */
  createGroup(spec: GroupSpec, _world: { readonly running: true }): readonly string[] {
    if (this.#groups.has(spec.name))
      throw new AwsError('AlreadyExists', `AutoScalingGroup ${spec.name} exists already`);
    const { region, account, newId } = this.#options.place;
    const group: Group = {
      spec,
      arn: `arn:aws:autoscaling:${region}:${account}:autoScalingGroup:${newId()}:autoScalingGroupName/${spec.name}`,
      createdAtMs: this.#nowMs(),
      desiredCapacity: spec.desiredCapacity,
      hooks: new Map(),
      active: new Map(),
      leaving: new Map(),
      activities: [],
    };
    checkCapacity(group, spec.desiredCapacity);
    this.#groups.set(spec.name, group);
    const instances = Array.from({ length: spec.desiredCapacity }, () => this.#newInstance(group));
    for (const instance of instances) this.#enterService(instance);
    return instances.map(({ instanceId }) => instanceId);
  }

  putLifecycleHook(hook: HookSpec): void {
    const { min, max } = HEARTBEAT_TIMEOUT_SECONDS;
    if (hook.heartbeatTimeoutSeconds < min || hook.heartbeatTimeoutSeconds > max) {
      throw invalid(`Heartbeat timeout must be between ${min} and ${max} seconds.`);
    }
    this.#group(hook.group).hooks.set(hook.name, hook);
  }

  /** What it still holds is completed with CONTINUE first (API reference, DeleteLifecycleHook). */
  deleteLifecycleHook(group: string, name: string): void {
    const { hooks, leaving } = this.#group(group);
    if (!hooks.delete(name)) throw hookNotFound(group, name);
    for (const { actions } of [...leaving.values()]) {
      const action = actions.get(name);
      if (action) this.#complete(action, 'CONTINUE', 'completion');
    }
  }

  /** Raises the desired capacity by one; returns the id of the instance that is Pending now. */
  launchInstance(name: string): string {
    const group = this.#group(name);
    checkCapacity(group, group.desiredCapacity + 1);
    group.desiredCapacity += 1;
    return this.#launch(group).instanceId;
  }

  /** Launches what is missing, or scales in the oldest first. */
  setDesiredCapacity(name: string, desiredCapacity: number): void {
    const group = this.#group(name);
    checkCapacity(group, desiredCapacity);
    const message = `desired capacity set from ${group.desiredCapacity} to ${desiredCapacity}`;
    group.desiredCapacity = desiredCapacity;
    this.#options.tell({ kind: 'deployment', group: name, message });
    this.#keepDesiredCapacity(group);
  }

  /**
   * Terminates an instance: held in Terminating:Wait by the hooks of its group, and replaced at once. One that is
   * leaving already is left to it, unless hooks are to be skipped.
   * @throws AwsError if no group has it, or its group cannot get smaller.
   */
  terminateInstance(instanceId: string, options: TerminateOptions = {}): void {
    const instance = this.#managedInstance(instanceId);
    const { group } = instance;
    const leaves = group.active.has(instanceId);
    if (leaves && options.decrementDesiredCapacity) decrementDesiredCapacity(group);
    const reason = options.skipHooks
      ? 'an EC2 health check indicating it has been terminated or stopped.'
      : `a user request${options.decrementDesiredCapacity ? `, ${shrinking(group)}` : '.'}`;
    if (leaves) this.#startTerminating(instance, reason);
    if (options.skipHooks) this.#end(instance);
    else if (leaves) this.#hold(instance, options);
    this.#keepDesiredCapacity(group);
  }

  /**
   * EC2 takes a Spot instance: it warns two minutes ahead (facts 6), and then the instance goes, held or not (facts 21). One
   * that has gone by then was not taken.
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
      if (instance.state === 'Terminated') return;
      this.#interrupted.add(instanceId);
      this.terminateInstance(instanceId, { skipHooks: true });
    });
  }

  // --- What the owners of hooks do ----------------------------------------------------------------------------------

  /** @throws AwsError as Auto Scaling words it when there is no such action any more (facts 20). */
  recordHeartbeat(name: ActionName): void {
    const action = this.#pendingAction(name);
    action.heartbeats += 1;
    const { instanceId, hook } = action;
    this.#options.tell({ kind: 'lifecycle', instanceId, hook: hook.name, what: 'heartbeat' });
    this.#restartTimeout(action);
  }

  /** @throws AwsError as Auto Scaling words it when there is no such action any more (facts 20). */
  completeAction(name: ActionName, result: LifecycleResult): void {
    this.#complete(this.#pendingAction(name), result, 'completion');
  }

  // --- What there is ------------------------------------------------------------------------------------------------

  groups(): readonly GroupView[] {
    return [...this.#groups.keys()].map((name) => this.group(name));
  }

  /** @throws AwsError if there is none of this name. */
  group(name: string): GroupView {
    const { spec, desiredCapacity, arn, createdAtMs } = this.#group(name);
    return { ...spec, desiredCapacity, arn, createdAtMs, availabilityZone: `${this.#options.place.region}a` };
  }

  hooksOf(group: string): readonly HookSpec[] {
    return [...this.#group(group).hooks.values()];
  }

  /** The instances that a group has, the oldest first among those that stay and those that leave. */
  instancesOf(group: string): readonly InstanceView[] {
    const { active, leaving } = this.#group(group);
    return [...active.values(), ...leaving.values()].map(viewOf);
  }

  /** An instance that a group has or had. */
  instance(instanceId: string): InstanceView | undefined {
    const instance = this.#instances.get(instanceId);
    return instance && viewOf(instance);
  }

  /** Those in progress first (facts 37), and of either the newest first. */
  activitiesOf(group: string): readonly ScalingActivity[] {
    const { over = [], going = [] } = Object.groupBy(this.#group(group).activities.toReversed(), ({ endedAtMs }) =>
      endedAtMs === undefined ? 'going' : 'over',
    );
    return [...going, ...over];
  }

  /** The launch or termination that an instance is in, or was in last. */
  lastActivityOf(instanceId: string): ScalingActivity | undefined {
    return this.#instances.get(instanceId)?.activity;
  }

  /** Every action that was completed or timed out, in order; one that is dropped with its instance is not here. */
  get completions(): readonly Completion[] {
    return this.#completions;
  }

  /** The Spot instances that EC2 has taken. */
  get interrupted(): ReadonlySet<string> {
    return this.#interrupted;
  }

  /** What waits. */
  pendingActions(): readonly PendingAction[] {
    return [...this.#actionsByToken.values()].map(({ instance: _, ...action }) => action);
  }

  // --- Launching ----------------------------------------------------------------------------------------------------

  #keepDesiredCapacity(group: Group): void {
    while (group.active.size < group.desiredCapacity) this.#launch(group);
    while (group.active.size > group.desiredCapacity) this.#scaleInOldest(group);
  }

  #scaleInOldest(group: Group): void {
    const [oldest] = group.active.values();
    if (!oldest) return;
    this.#startTerminating(oldest, `a difference between desired and actual capacity, ${shrinking(group)}`);
    this.#hold(oldest, {});
  }

  #launch(group: Group): Instance {
    const instance = this.#newInstance(group);
    const size = group.active.size;
    const why = `an instance was started in response to a difference between desired and actual capacity, increasing the capacity from ${size - 1} to ${size}.`;
    this.#startActivity(instance, `Launching a new EC2 instance: ${instance.instanceId}`, why);
    this.#become(instance, 'Pending');
    const launchMs = Math.round(group.spec.launchSeconds * 1000 * this.#options.random.between(0.9, 1.1));
    this.#options.time.after(launchMs / 1000, () => {
      if (instance.state === 'Pending') this.#enterService(instance);
    });
    return instance;
  }

  #newInstance(group: Group): Instance {
    const instance: Instance = {
      instanceId: `i-${(this.#instances.size + 1).toString(16).padStart(17, '0')}`,
      group,
      state: 'Pending',
      launchedAtMs: this.#nowMs(),
      inServiceAtMs: undefined,
      actions: new Map(),
      activity: undefined,
    };
    this.#instances.set(instance.instanceId, instance);
    group.active.set(instance.instanceId, instance);
    return instance;
  }

  #enterService(instance: Instance): void {
    instance.inServiceAtMs = this.#nowMs();
    this.#options.launched(instance.instanceId, instance.group.spec);
    this.#become(instance, 'InService');
  }

  // --- Terminating --------------------------------------------------------------------------------------------------

  /** It counts no more towards the desired capacity, whatever holds it. */
  #startTerminating(instance: Instance, reason: string): void {
    const { instanceId, group, activity } = instance;
    if (instance.state === 'Pending' && activity) {
      activity.status = 'Cancelled';
      activity.endedAtMs = this.#nowMs();
    }
    group.active.delete(instanceId);
    group.leaving.set(instanceId, instance);
    const why = `instance ${instanceId} was taken out of service in response to ${reason}`;
    this.#startActivity(instance, `Terminating EC2 instance: ${instanceId}`, why);
    this.#become(instance, 'Terminating');
  }

  /** Facts 21: its hooks hold it side by side, each with a token of its own; a group without hooks holds nothing. */
  #hold(instance: Instance, { origin = 'AutoScalingGroup', destination = 'EC2' }: TerminateOptions): void {
    const hooks = [...instance.group.hooks.values()];
    if (hooks.length === 0) {
      this.#end(instance);
      return;
    }
    this.#become(instance, 'Terminating:Wait');
    const actions = hooks.map((hook) => this.#newAction(instance, hook));
    for (const action of actions) this.#options.publish(this.#eventOf(action, origin, destination));
  }

  #newAction(instance: Instance, hook: HookSpec): Action {
    const { instanceId } = instance;
    const token = this.#options.place.newId();
    const heldSinceMs = this.#nowMs();
    const action: Action = { token, hook, instance, instanceId, heldSinceMs, timesOutAtMs: heldSinceMs, heartbeats: 0 };
    this.#actionsByToken.set(token, action);
    instance.actions.set(hook.name, action);
    this.#options.tell({ kind: 'lifecycle', instanceId, hook: hook.name, what: 'held' });
    this.#restartTimeout(action);
    return action;
  }

  /** Facts 1, field by field. */
  #eventOf({ hook, instance, token }: Action, origin: string, destination: string): BusEvent {
    return {
      source: 'aws.autoscaling',
      'detail-type': 'EC2 Instance-terminate Lifecycle Action',
      resources: [instance.group.arn],
      detail: {
        LifecycleActionToken: token,
        AutoScalingGroupName: hook.group,
        LifecycleHookName: hook.name,
        EC2InstanceId: instance.instanceId,
        LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
        ...(hook.notificationMetadata !== undefined && { NotificationMetadata: hook.notificationMetadata }),
        Origin: origin,
        Destination: destination,
      },
    };
  }

  /** Facts 18: a heartbeat restarts the timeout, but the whole wait has an end of its own. */
  #restartTimeout(action: Action): void {
    const { hook, heldSinceMs, token } = action;
    const nowMs = this.#nowMs();
    const globalEndMs = heldSinceMs + globalTimeoutSeconds(hook) * 1000;
    const timesOutAtMs = Math.min(nowMs + hook.heartbeatTimeoutSeconds * 1000, globalEndMs);
    action.timesOutAtMs = timesOutAtMs;
    this.#options.time.after((timesOutAtMs - nowMs) / 1000, () => {
      const overtaken = !this.#actionsByToken.has(token) || action.timesOutAtMs !== timesOutAtMs;
      if (!overtaken) this.#complete(action, hook.defaultResult, 'timeout');
    });
  }

  /** Facts 19: CONTINUE lets the other hooks finish, ABANDON stops them; the instance ends either way. */
  #complete(action: Action, result: LifecycleResult, by: Completion['by']): void {
    const { instance, instanceId, hook, heldSinceMs, heartbeats } = action;
    this.#drop(action);
    this.#completions.push({ instanceId, hook: hook.name, result, by, atMs: this.#nowMs(), heldSinceMs, heartbeats });
    const what = by === 'timeout' ? 'timed out' : 'completed';
    this.#options.tell({ kind: 'lifecycle', instanceId, hook: hook.name, what, result });
    if (result === 'ABANDON') for (const other of [...instance.actions.values()]) this.#drop(other);
    if (instance.actions.size > 0) return;
    this.#become(instance, 'Terminating:Proceed');
    this.#end(instance);
  }

  #drop({ token, hook, instance }: Action): void {
    this.#actionsByToken.delete(token);
    instance.actions.delete(hook.name);
  }

  #end(instance: Instance): void {
    for (const action of [...instance.actions.values()]) this.#drop(action);
    instance.group.leaving.delete(instance.instanceId);
    this.#options.terminate(instance.instanceId);
    this.#become(instance, 'Terminated');
  }

  // --- Small things -------------------------------------------------------------------------------------------------

  #nowMs(): number {
    return this.#options.time.nowMs();
  }

  #become(instance: Instance, state: InstanceState): void {
    const { instanceId, group, activity } = instance;
    instance.state = state;
    if (activity) {
      activity.status = ACTIVITY_STATUS[state];
      if (activity.status === 'Successful') activity.endedAtMs = this.#nowMs();
    }
    this.#options.tell({ kind: 'instance', instanceId, group: group.spec.name, state });
  }

  #startActivity(instance: Instance, description: string, why: string): void {
    const startedAtMs = this.#nowMs();
    instance.activity = {
      id: this.#options.place.newId(),
      group: instance.group.spec.name,
      description,
      cause: `At ${new Date(startedAtMs).toISOString().slice(0, 19)}Z ${why}`,
      startedAtMs,
      endedAtMs: undefined,
      status: 'InProgress',
    };
    instance.group.activities.push(instance.activity);
  }

  #group(name: string): Group {
    const group = this.#groups.get(name);
    if (!group) throw invalid(`AutoScalingGroup name not found - AutoScalingGroup ${name} not found`);
    return group;
  }

  #managedInstance(instanceId: string): Instance {
    const instance = this.#instances.get(instanceId);
    if (instance && instance.state !== 'Terminated') return instance;
    throw invalid(`Instance Id not found - No managed instance found for instance ID ${instanceId}`);
  }

  #pendingAction({ group, hook, token, instanceId }: ActionName): Action {
    if (!this.#group(group).hooks.has(hook)) throw hookNotFound(group, hook);
    const action =
      token !== undefined ? this.#actionsByToken.get(token) : this.#instances.get(instanceId ?? '')?.actions.get(hook);
    const isMeant =
      action?.hook.group === group &&
      action.hook.name === hook &&
      (instanceId === undefined || action.instanceId === instanceId);
    if (action && isMeant) return action;
    const named = token !== undefined ? `token ${token}` : `instance ID ${instanceId}`;
    throw invalid(`No active Lifecycle Action found with ${named}`);
  }
}

/** How long a hook can hold an instance, whatever is beaten (facts 18). */
export function globalTimeoutSeconds({ heartbeatTimeoutSeconds }: HookSpec): number {
  return Math.min(MAX_WAIT_SECONDS, MAX_HEARTBEAT_TIMEOUTS * heartbeatTimeoutSeconds);
}

function viewOf({ instanceId, group, state, launchedAtMs, inServiceAtMs }: Instance): InstanceView {
  return { instanceId, group: group.spec.name, state, launchedAtMs, inServiceAtMs };
}

function checkCapacity({ spec: { minSize, maxSize } }: Group, capacity: number): void {
  const broken =
    capacity > maxSize ? `above max value ${maxSize}` : capacity < minSize ? `below min value ${minSize}` : undefined;
  if (broken) throw invalid(`New SetDesiredCapacity value ${capacity} is ${broken} for the AutoScalingGroup.`);
}

function decrementDesiredCapacity(group: Group): void {
  const { minSize } = group.spec;
  if (group.desiredCapacity <= minSize) {
    throw invalid(
      `Currently, desiredSize equals minSize (${minSize}). Terminating instance without replacement will violate group's min size constraint. Either set shouldDecrementDesiredCapacity flag to false or lower group's min size.`,
    );
  }
  group.desiredCapacity -= 1;
}

function shrinking({ active }: Group): string {
  return `shrinking the capacity from ${active.size} to ${active.size - 1}.`;
}

function hookNotFound(group: string, name: string): AwsError {
  return invalid(`No Lifecycle Hook found with name '${name}' for group '${group}'`);
}

function invalid(message: string): AwsError {
  return new AwsError('ValidationError', message);
}
