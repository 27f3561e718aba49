import type { InstanceState } from '../trace.ts';

/** An Auto Scaling group of instances that are all alike. */
export interface GroupSpec extends GroupSettings {
  readonly name: string;
  readonly minSize: number;
  readonly maxSize: number;
  readonly desiredCapacity: number;
  readonly cluster: string;
  readonly memoryMiB: number;
  readonly cpuUnits: number;
  /** From the launch until the instance registers with ECS, give or take a tenth. */
  readonly launchSeconds: number;
  /** Attributes of the container instances that it launches. */
  readonly attributes?: Readonly<Record<string, string>>;
  /** How many tasks in the network mode awsvpc each of them takes; any number if left out. */
  readonly taskInterfaces?: number | undefined;
  readonly gpus?: number | undefined;
  /** Ports that the agent keeps from tasks. */
  readonly ports?: readonly number[] | undefined;
  readonly capacityProvider?: string | undefined;
  /** Availability Zones to launch into, each with as many instances as the others; all in one if it is left out. */
  readonly zones?: readonly string[];
  /** Attributes of the container instances that it launches into a zone, by the zone. */
  readonly zoneAttributes?: Readonly<Record<string, Readonly<Record<string, string>>>> | undefined;
  /** Its instances, where they are given; else there are as many as are desired, all alike. */
  readonly members?: readonly Member[];
  readonly warmPool?: WarmPoolSpec;
  /** How many instances its warm pool has from the start; as many as it prepares if it is left out. */
  readonly warmPoolSize?: number | undefined;
  readonly tags?: Readonly<Record<string, string>>;
  /** Its instances are Spot instances. */
  readonly spot?: boolean;
  /** The agent's data is on a volume of its own: after a root volume replacement the agent keeps its registration. */
  readonly agentDataSurvives?: boolean;
}

/** An instance that a group has from the start. */
export interface Member {
  readonly instanceId: string;
  readonly memoryMiB: number;
  readonly cpuUnits: number;
  readonly attributes: Readonly<Record<string, string>>;
  readonly taskInterfaces?: number | undefined;
  readonly gpus?: number | undefined;
  /** Ports that the agent keeps from tasks. */
  readonly ports?: readonly number[] | undefined;
  readonly capacityProvider?: string | undefined;
  readonly protectedFromScaleIn: boolean;
}

/** What UpdateAutoScalingGroup changes besides the sizes. */
export interface GroupSettings {
  /**
   * The instance lifecycle policy (facts 46 instance-lifecycle-policy): an instance whose termination is abandoned is
   * kept.
   */
  readonly retainOnAbandon?: boolean;
  /** The group replaces a Spot instance as soon as EC2 recommends it. */
  readonly capacityRebalance?: boolean;
  readonly newInstancesProtected?: boolean;
  readonly defaultInstanceWarmupSeconds?: number;
  /** 0 where it is left out (API reference, CreateAutoScalingGroup). An instance refresh waits for it without a default warmup. */
  readonly healthCheckGraceSeconds?: number;
}

/** Instances that have booted once and wait, stopped or running, until the group needs them. */
export interface WarmPoolSpec {
  readonly minSize: number;
  /** The group and its pool have at most so many instances together; the group's maximum if it is left out. */
  readonly maxGroupPreparedCapacity?: number;
  readonly poolState: 'Stopped' | 'Running';
  /** An instance that is scaled in returns to the pool; otherwise it is terminated. */
  readonly reuseOnScaleIn: boolean;
}

/** A lifecycle hook on the launch or the termination of a group's instances. */
export interface HookSpec {
  readonly name: string;
  readonly group: string;
  /** Terminating if it is left out. */
  readonly transition?: Transition;
  readonly heartbeatTimeoutSeconds: number;
  readonly defaultResult: 'CONTINUE' | 'ABANDON';
  readonly notificationMetadata?: string;
  /** The topic or queue that it notifies beside the event bus, and the role that may send there. */
  readonly notificationTarget?: { readonly arn: string; readonly roleArn: string };
}

export type Transition = 'launching' | 'terminating';
export type LifecycleResult = HookSpec['defaultResult'];

/** Where an instance comes from or goes to when a hook holds it (facts 1 terminate-event). */
export type Whereabouts = 'EC2' | 'AutoScalingGroup' | 'WarmPool';

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
  /** As a direct EC2 terminate and a Spot interruption do (facts 21 when-hooks-run). */
  readonly skipHooks?: boolean;
  /** The group gets smaller instead of launching a replacement. */
  readonly decrementDesiredCapacity?: boolean;
}

/** What a group is now. */
export interface GroupView extends GroupSpec {
  readonly arn: string;
  readonly availabilityZone: string;
  readonly createdAtMs: number;
  /** The processes that are suspended, and since when. */
  readonly suspended: ReadonlyMap<ScalingProcess, number>;
  /** How many instances its warm pool has. */
  readonly warmPoolSize: number;
  /** It is about to be gone. */
  readonly isDeleted: boolean;
}

/** What an instance is now. */
export interface InstanceView {
  readonly instanceId: string;
  readonly group: string;
  readonly state: InstanceState;
  readonly launchedAtMs: number;
  readonly inServiceAtMs: number | undefined;
  readonly healthy: boolean;
  readonly protectedFromScaleIn: boolean;
}

/** What an instance waits for, for one hook. */
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

/** A change of a group, in its history. */
export interface ScalingActivity {
  readonly id: string;
  readonly group: string;
  readonly description: string;
  readonly cause: string;
  readonly startedAtMs: number;
  readonly endedAtMs: number | undefined;
  readonly status: ActivityStatus;
  /** In percent. */
  readonly progress: number;
  /** JSON, as AWS has it. */
  readonly details: string;
}

export type ActivityStatus =
  | 'PreInService'
  | 'InProgress'
  | 'MidLifecycleAction'
  /** AWS answers it for a termination, though its own model does not list it (facts 42 scaling-activities). */
  | 'MidTerminatingLifecycleAction'
  | 'WaitingForInPlaceUpdateToStart'
  | 'InPlaceUpdateInProgress'
  | 'WaitingForInPlaceUpdateToFinalize'
  | 'Successful'
  | 'Cancelled';

/** What SuspendProcesses can suspend (API reference, ScalingProcessQuery). */
export const SCALING_PROCESSES = [
  'Launch',
  'Terminate',
  'AddToLoadBalancer',
  'AlarmNotification',
  'AZRebalance',
  'HealthCheck',
  'InstanceRefresh',
  'ReplaceUnhealthy',
  'ScheduledActions',
] as const;

export type ScalingProcess = (typeof SCALING_PROCESSES)[number];

export type RefreshStatus = 'Pending' | 'InProgress' | 'Cancelling' | 'Cancelled' | 'Successful' | 'Failed';

/** How an instance refresh goes on. */
export interface RefreshPreferences {
  readonly minHealthyPercentage: number;
  /** Above 100 it launches instances before it terminates others. */
  readonly maxHealthyPercentage: number;
  readonly instanceWarmupSeconds: number;
  /** What becomes of instances that are protected from scale-in. */
  readonly protectedInstances: 'Refresh' | 'Ignore' | 'Wait';
}

/** An instance refresh, as it is now. */
export interface RefreshView {
  readonly id: string;
  readonly group: string;
  readonly strategy: 'Rolling' | 'ReplaceRootVolume';
  readonly preferences: RefreshPreferences;
  /** As it was given. It does not change the model's instances. */
  readonly desiredConfiguration: object | undefined;
  readonly status: RefreshStatus;
  readonly statusReason: string | undefined;
  readonly startedAtMs: number;
  readonly endedAtMs: number | undefined;
  readonly instancesToUpdate: number;
  readonly percentageComplete: number;
  /** It has done, or given up, all it set out to do; what it terminated has gone. */
  readonly ended: boolean;
}

/** No group has it any more. */
export function isGone({ state }: Pick<InstanceView, 'state'>): boolean {
  return state === 'Terminated' || state === 'Warmed:Terminated' || state === 'Detached';
}

/** It counts towards the desired capacity, and will serve or does. */
export function isActive(state: InstanceState | undefined): boolean {
  return state === 'InService' || state?.startsWith('Pending') === true;
}
