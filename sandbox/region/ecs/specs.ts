import type { Fate } from '../trace.ts';

/** What a scenario runs on the model. */

const STANDALONE_START_SECONDS = 5;

interface Size {
  readonly memoryMiB: number;
  readonly cpuUnits: number;
}

interface TaskSize extends Size {
  /** In the network mode awsvpc each task has a network interface of its own. */
  readonly networkMode?: 'awsvpc' | undefined;
  /** Ports of the instance that each task takes. */
  readonly hostPorts?: readonly number[];
  /** GPUs of the instance that each task takes. */
  readonly gpus?: number | undefined;
}

/** An EC2 instance whose agent registers it. */
export interface InstanceSpec extends Size {
  readonly cluster: string;
  readonly ec2InstanceId: string;
  /** Custom attributes, as `ECS_INSTANCE_ATTRIBUTES` of the agent has them. */
  readonly attributes?: Readonly<Record<string, string>>;
  /** How many tasks in the network mode awsvpc it takes; any number if left out (facts 100 task-interfaces). */
  readonly taskInterfaces?: number | undefined;
  readonly gpus?: number | undefined;
  /** Ports that its agent keeps from tasks. */
  readonly ports?: readonly number[] | undefined;
  /** The capacity provider of its group. */
  readonly capacityProvider?: string | undefined;
  /** How long ago it registered; now if it is left out. */
  readonly registeredSecondsAgo?: number;
}

/** How a capacity provider scales its group (ECS API reference, ManagedScaling). */
export interface ScalingSettings {
  /** How many instances it adds at once. */
  readonly minimumStep: number;
  readonly maximumStep: number;
  /** Which share of the instances has tasks; 100 if it is left out. */
  readonly targetPercent?: number | undefined;
  /** Managed termination protection: only instances without tasks leave. */
  readonly protectsTasks?: boolean | undefined;
}

/** A capacity provider of a service (ECS API reference, CapacityProviderStrategyItem). */
export interface ProviderShare {
  readonly name: string;
  /** How many tasks it gets first, at a minimum. */
  readonly base: number;
  /** Its share of the other tasks, in proportion to the weights of all. */
  readonly weight: number;
}

/** When a deployment has failed, and whether the service then goes back to the one before (facts 102 circuit-breaker). */
export interface CircuitBreaker {
  readonly rollback: boolean;
  /** Whether a task that runs sets the number of failed tasks back to 0. */
  readonly resetOnHealthyTask: boolean;
  readonly threshold: { readonly type: 'BOUNDED_PERCENT' | 'UNBOUNDED_PERCENT' | 'COUNT'; readonly value: number };
}

/** A deployment that is there from the start, with what its tasks have in place of what the service says. */
export interface StandingDeployment
  extends Partial<Pick<ServiceSpec, 'memoryMiB' | 'cpuUnits' | 'hostPorts' | 'gpus' | 'networkMode' | 'startFails'>> {
  readonly rolloutState: 'IN_PROGRESS' | 'COMPLETED' | 'FAILED';
  readonly failedTasks: number;
}

/** Where ECS may place the tasks of a service, and what it prefers. */
export interface Placement {
  readonly constraints: readonly { readonly type: string; readonly expression?: string | undefined }[];
  /** In order: an earlier one decides before a later one. */
  readonly strategies: readonly { readonly type: string; readonly field?: string | undefined }[];
}

/** A service to keep running: replicas spread over the instances, or a daemon on each. */
export interface ServiceSpec extends TaskSize {
  readonly cluster: string;
  readonly name: string;
  readonly strategy: 'REPLICA' | 'DAEMON';
  /** Of replicas; daemons go by the instances. */
  readonly desiredCount: number;
  readonly minimumHealthyPercent: number;
  readonly maximumPercent: number;
  /** From PROVISIONING to RUNNING, give or take a tenth; forever, if its new tasks fail to start. */
  readonly startSeconds: number;
  /** A fault: its new tasks end after that time, and never run. */
  readonly startFails?: boolean;
  /** From SIGTERM to SIGKILL. */
  readonly stopTimeoutSeconds: number;
  /** How long its tasks take to end after SIGTERM, if SIGKILL does not come first. Default: a third of the timeout. */
  readonly stopsAfterSeconds?: number;
  /** A fault: not even SIGKILL ends its tasks. */
  readonly neverStops?: boolean;
  readonly loadBalancer?: { readonly deregistrationDelaySeconds: number; readonly requestsPerSecond: number };
  /** The capacity providers whose instances its tasks are placed on; any instance if left out. */
  readonly capacityProviders?: readonly ProviderShare[];
  readonly circuitBreaker?: CircuitBreaker;
  /** Spread over the instances, unless it is said. */
  readonly placement?: Placement;
  /** Its tasks ask for protection from scale-in, and renew it all the time. */
  readonly protectedFromScaleIn?: boolean;
}

/** A standalone task, which ends by itself. */
export interface StandaloneTaskSpec extends TaskSize {
  readonly cluster: string;
  readonly name: string;
  /** Where to run it; without it, where most memory is free. */
  readonly ec2InstanceId?: string;
  readonly runsForSeconds: number;
  readonly stopTimeoutSeconds: number;
  readonly startedBy?: string;
}

/** The status that a task has got to, and how long it has been on its way. */
export interface Progress {
  readonly lastStatus: string;
  readonly seconds: number;
  /** A fault: it gets no further. */
  readonly hangs?: boolean;
}

/** It is at the beginning of its way. */
export const NOW: Progress = { lastStatus: '', seconds: 0 };

/** A task that is there from the start: on its way up, running, or about to stop. */
export interface StandingTask {
  readonly ec2InstanceId: string;
  /** The ARN of its container instance, where the EC2 instance has more than one; the newest if it is left out. */
  readonly containerInstance?: string | undefined;
  readonly phase: 'starting' | 'running' | 'stopping';
  /** How far it is on its way up or down; at the beginning if it is left out. */
  readonly progress?: Progress | undefined;
  /** Of a task of a service: which of its deployments started it, the newest first; that one if it is left out. */
  readonly deployment?: number;
}

/** What the containers of a task do, in seconds. */
export interface Behavior {
  /** From PROVISIONING to RUNNING, give or take a tenth. */
  readonly startSeconds: number;
  /** Whether it ends then, and never runs. */
  readonly startFails: boolean;
  /** From RUNNING until it ends by itself. */
  readonly runsForSeconds: number;
  /** From SIGTERM until it ends by itself. */
  readonly endsAfterSeconds: number;
  /** From ECS's SIGTERM until it ends, by itself or by SIGKILL. */
  readonly stopSeconds: number;
}

/** What the containers do that a spec describes. */
export function behaviorOf(spec: ServiceSpec | StandaloneTaskSpec): Behavior {
  const { stopTimeoutSeconds } = spec;
  if (!('startSeconds' in spec)) {
    const { runsForSeconds } = spec;
    const endsAfterSeconds = stopTimeoutSeconds / 3;
    return {
      startSeconds: STANDALONE_START_SECONDS,
      startFails: false,
      runsForSeconds,
      endsAfterSeconds,
      stopSeconds: endsAfterSeconds,
    };
  }
  const { startSeconds, startFails = false, stopsAfterSeconds = stopTimeoutSeconds / 3, neverStops } = spec;
  const endsAfterSeconds = neverStops ? Number.POSITIVE_INFINITY : stopsAfterSeconds;
  const stopSeconds = neverStops ? Number.POSITIVE_INFINITY : Math.min(stopsAfterSeconds, stopTimeoutSeconds);
  return { startSeconds, startFails, runsForSeconds: Number.POSITIVE_INFINITY, endsAfterSeconds, stopSeconds };
}

/** A task whose instance was terminated before it had STOPPED. */
export interface KilledTask {
  readonly arn: string;
  readonly group: string;
  readonly lastStatus: string;
  readonly ec2InstanceId: string;
  readonly fate: Fate;
}
