import type { Behavior, CircuitBreaker, ScalingSettings, ServiceSpec } from './specs.ts';

/** The state as it is seen from outside of this folder: it can be read, and not be changed. */

/** Memory and CPU, of an instance or of a task. */
export interface Resources {
  readonly memoryMiB: number;
  readonly cpuUnits: number;
}

/** Facts 13 counting-trap: only tasks whose desired status is RUNNING are counted, so the counts leave out tasks that stop. */
export interface Tally {
  /** Tasks that are RUNNING. */
  readonly running: number;
  /** Tasks that are not RUNNING yet. */
  readonly pending: number;
}

export interface ClusterView {
  readonly name: string;
  readonly arn: string;
  /** By id, INACTIVE ones too. */
  readonly instances: ReadonlyMap<string, InstanceView>;
  /** The instances that are not INACTIVE. */
  readonly registered: ReadonlySet<InstanceView>;
  readonly services: ReadonlyMap<string, ServiceView>;
  /** The tasks that are listed, by id. */
  readonly tasks: ReadonlyMap<string, TaskView>;
  readonly tally: Tally;
}

export interface InstanceView {
  readonly id: string;
  /** Grows with each registration. */
  readonly number: number;
  readonly arn: string;
  readonly ec2InstanceId: string;
  readonly cluster: ClusterView;
  readonly capacity: Resources;
  /** How many tasks in the network mode awsvpc it takes; any number if undefined. */
  readonly taskInterfaces?: number | undefined;
  /** None if undefined. */
  readonly gpus?: number | undefined;
  /** Ports that its agent keeps from tasks. */
  readonly ports?: readonly number[] | undefined;
  readonly capacityProvider?: string | undefined;
  /** By tasks that have not stopped. */
  readonly reserved: Resources;
  readonly registeredAtMs: number;
  readonly agentVersion: string;
  /** Custom attributes; some have no value. */
  readonly attributes: ReadonlyMap<string, string | undefined>;
  /** Those of them that its agent registered it with. */
  readonly agentAttributes: ReadonlyMap<string, string | undefined>;
  /** The tasks that are listed. */
  readonly tasks: ReadonlySet<TaskView>;
  /** The tasks that have not stopped. */
  readonly holding: ReadonlySet<TaskView>;
  readonly tally: Tally;
  readonly status: 'ACTIVE' | 'DRAINING' | 'INACTIVE';
  readonly agentConnected: boolean;
  readonly version: number;
}

/** Where tasks may be placed: Fargate, or the instances of an Auto Scaling group. */
export interface CapacityProvider {
  readonly name: string;
  readonly arn: string;
  readonly autoScalingGroupArn: string | undefined;
  readonly managedDraining: boolean;
  /** Undefined without managed scaling. */
  readonly managedScaling: ScalingSettings | undefined;
}

export interface ServiceView {
  readonly arn: string;
  /** DRAINING after DeleteService while tasks run, INACTIVE then. */
  readonly status: 'ACTIVE' | 'DRAINING' | 'INACTIVE';
  readonly spec: ServiceSpec;
  readonly cluster: ClusterView;
  /** The newest, the PRIMARY one, first; never empty. */
  readonly deployments: readonly [Deployment, ...Deployment[]];
  readonly createdAtMs: number;
  /** The tasks that are listed. */
  readonly tasks: ReadonlySet<TaskView>;
  readonly tally: Tally;
  /** The newest first. */
  readonly events: readonly ServiceEvent[];
  readonly desiredCount: number;
  readonly minimumHealthyPercent: number;
  readonly maximumPercent: number;
  readonly circuitBreaker: CircuitBreaker | undefined;
  /** How many tasks have not stopped. */
  readonly holding: number;
}

/** A version of a service that its tasks are replaced by; it is `startedBy` of its tasks. */
export interface Deployment {
  readonly id: string;
  readonly definition: TaskDefinition;
  /** What the containers of its tasks do. */
  readonly behavior: Behavior;
  readonly createdAtMs: number;
  /** A failed one starts no task. */
  readonly rolloutState: 'IN_PROGRESS' | 'COMPLETED' | 'FAILED';
  readonly reason: string;
  /** How many of its tasks have failed to start, one after the other. */
  readonly failedTasks: number;
  readonly updatedAtMs: number;
}

export interface ServiceEvent {
  readonly id: string;
  readonly createdAtMs: number;
  readonly message: string;
}

export interface TaskDefinition extends Resources {
  readonly arn: string;
  readonly family: string;
  readonly revision: number;
  readonly stopTimeoutSeconds: number;
  /** Of its instance. */
  readonly hostPorts: readonly number[];
  /** Of its instance; none if undefined. */
  readonly gpus?: number | undefined;
  readonly networkMode: 'awsvpc' | 'bridge';
  readonly registeredAtMs: number;
  /** What its containers do, as far as no spec says otherwise. */
  readonly behavior: Behavior;
}

/** Facts 13 counting-trap, in their order. */
export type TaskStatus =
  | 'PROVISIONING'
  | 'PENDING'
  | 'ACTIVATING'
  | 'RUNNING'
  | 'DEACTIVATING'
  | 'STOPPING'
  | 'DEPROVISIONING'
  | 'STOPPED';

export interface TaskView {
  readonly id: string;
  readonly arn: string;
  readonly instance: InstanceView;
  readonly service: ServiceView | undefined;
  readonly group: string;
  readonly startedBy: string | undefined;
  readonly definition: TaskDefinition;
  readonly createdAtMs: number;
  readonly lastStatus: TaskStatus;
  readonly desiredStatus: 'RUNNING' | 'STOPPED';
  readonly version: number;
  readonly startedAtMs: number | undefined;
  readonly stoppingAtMs: number | undefined;
  readonly executionStoppedAtMs: number | undefined;
  readonly stoppedAtMs: number | undefined;
  /** Its scale-in protection, if UpdateTaskProtection has set it. */
  readonly protectedUntilMs: number | undefined;
  readonly stop: Stop | undefined;
}

/** Why a task stops. */
export interface Stop {
  readonly code:
    | 'EssentialContainerExited'
    | 'ServiceSchedulerInitiated'
    | 'TaskFailedToStart'
    | 'TerminationNotice'
    | 'UserInitiated';
  readonly reason: string;
}
