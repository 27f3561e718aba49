/** What the domain needs from outside. Adapters implement these; tests fake them. */

import type { Decision, DecisionKind } from './decision.ts';
import type { Diagnostics, Explanation } from './diagnose.ts';
import type { ActionDrain, Drain, LifecycleAction, LifecycleHook, LifecycleResult, Outcome } from './drain.ts';
import type { GroupPlace } from './group-place.ts';
import type { GroupChoice } from './groups.ts';
import type { Mark, MarkedInstance, Returned } from './mark.ts';
import type { ContainerInstance, EcsRef, HoldingTask, Observation, Task } from './observation.ts';
import type { OperatorNote } from './operator.ts';

/**
 * AWS cannot answer now and may later: throttled, overloaded, timed out. Every port but the clock, chance and telemetry may
 * throw it; the drain waits and asks again. Any other error means that someone has to fix something.
 */
export class Unavailable extends Error {
  override readonly name: string = 'Unavailable';
}

/** The account has no such cluster in this Region. */
export class ClusterMissing extends Error {
  override readonly name: string = 'ClusterMissing';
}

/** What ECS knows of EC2 instances, and the few things that we ask of it. Each call is for many drains of a cluster. */
export interface ContainerInstances {
  /**
   * The ARNs of all registrations of the EC2 instances in the cluster.
   * @throws ClusterMissing
   */
  list(cluster: string, ec2InstanceIds: readonly string[]): Promise<readonly string[]>;
  /** The registrations as they are now; one that ECS has forgotten is left out. */
  describe(cluster: string, arns: readonly string[]): Promise<readonly ContainerInstance[]>;
  /**
   * Sets registrations to DRAINING, and returns them as they are now: ECS refuses those that are not ACTIVE, such as one that
   * is DRAINING already (facts 11 set-draining). What a call failed for is left out.
   * @throws if no call was answered.
   */
  setDraining(cluster: string, arns: readonly string[]): Promise<Registrations>;
  /**
   * Writes our mark on registrations. It stays with the registration, and so ends with it
   * (facts 96 container-instance-attributes).
   */
  mark(cluster: string, arns: readonly string[], mark: Mark): Promise<void>;
  /**
   * The registrations that have our mark and whose agent is connected: not the old one of an agent that registered again.
   * @throws ClusterMissing
   */
  marked(cluster: string): Promise<readonly MarkedInstance[]>;
  /** Removes our mark from registrations. */
  unmark(cluster: string, arns: readonly string[]): Promise<void>;
  /** Sets registrations from DRAINING to ACTIVE. The ARNs of those that are ACTIVE now. */
  setActive(cluster: string, arns: readonly string[]): Promise<readonly string[]>;
  /** The ARNs of the tasks that ECS lists for a registration, by their desired status. */
  listTasks(containerInstance: EcsRef): Promise<TaskList>;
  /** The tasks as they are now; one that ECS has forgotten is left out. */
  describeTasks(cluster: string, arns: readonly string[]): Promise<readonly Task[]>;
  /**
   * What ECS knows about why the tasks hold the instance. It takes a few seconds at most and never throws: what ECS does not
   * say is among the unknown.
   */
  diagnose(tasks: readonly HoldingTask[]): Promise<Diagnostics>;
  /** Asks ECS to stop the task with its usual grace; `reason` is shown with the task. */
  stopTask(task: EcsRef, reason: string): Promise<void>;
}

export interface Registrations {
  readonly found: readonly ContainerInstance[];
  /** Why others are left out. */
  readonly error?: Error | undefined;
}

export interface TaskList {
  /** Desired status RUNNING: ECS must be able to describe these. */
  readonly running: readonly string[];
  /** Desired status STOPPED: one of these that ECS has forgotten has stopped. */
  readonly stopped: readonly string[];
}

/** An instance that a terminating hook of its group holds: ours, or another's. */
export interface HeldInstance {
  readonly autoScalingGroup: string;
  readonly instanceId: string;
  /** Auto Scaling is replacing its root volume. */
  readonly staysInGroup?: true;
}

/** Whether Auto Scaling accepted it, or no one waits for it any more (facts 20 no-active-action). */
export type ActionAnswer = 'accepted' | 'already-completed';

/** The lifecycle actions of Auto Scaling. */
export interface LifecycleActions {
  /** The terminating hooks of the group. */
  hooksOf(autoScalingGroup: string): Promise<readonly LifecycleHook[]>;
  /** The EC2 instances of the groups that a terminating hook holds; none that may return to a warm pool. */
  heldInstances(autoScalingGroups: readonly GroupChoice[]): Promise<readonly HeldInstance[]>;
  /** Where Auto Scaling has the instances, of whatever group; one that is in none is left out. */
  placesOf(instanceIds: readonly string[]): Promise<ReadonlyMap<string, GroupPlace>>;
  /** Since when Auto Scaling terminates the group's instances that it terminates now, in epoch milliseconds. */
  terminatingSinceMs(autoScalingGroup: string): Promise<ReadonlyMap<string, number>>;
  recordHeartbeat(action: LifecycleAction): Promise<ActionAnswer>;
  complete(action: LifecycleAction, result: LifecycleResult): Promise<ActionAnswer>;
}

/** What became of one of many things that were asked for together; undefined where it was done. */
export type Failure = Error | undefined;

/** Where drains wait and go on outside an invocation. */
export interface Continuations {
  /** Continues each drain in the next invocation, through the bus. In the order of the drains. */
  continueNow(drains: readonly Drain[]): Promise<readonly Failure[]>;
  /** Continues each drain when it is due, through the queue: 900 s ahead at most. In the order of the waits. */
  continueAt(waits: readonly { readonly drain: Drain; readonly atMs: number }[]): Promise<readonly Failure[]>;
}

/**
 * One-time schedules that hold the state of parked drains: one for each lifecycle action or notice, named after the EC2
 * instance, because its registrations in ECS come and go.
 */
export interface DrainSchedules {
  /** The name of the drain's schedule. */
  nameOf(drain: Drain): string;
  /** The names that earlier versions gave to the drain's schedule, after a registration of the instance. */
  earlierNamesOf(drain: ActionDrain, containerInstanceArn: string): readonly string[];
  /**
   * Writes the drain's state into its schedule, to fire at that instant or up to a minute later, and never in the past.
   * - `absent`: the drain has no schedule yet.
   * - `pending`: it has one that has yet to fire.
   * - `fired`: its schedule has fired, or is about to, and is made again (facts 36 schedule-update).
   * - `taken`: another delivery of the same event parks the same drain already.
   */
  put(
    drain: Drain,
    schedule: string,
    firesAtMs: number,
    before: 'absent' | 'pending' | 'fired',
  ): Promise<'parked' | 'taken'>;
  /**
   * The drain whose state the schedule holds; undefined if there is no such schedule.
   * @throws Error if what is there cannot be understood.
   */
  get(schedule: string): Promise<Drain | undefined>;
  /**
   * The drains of any of our hooks, or on notices, that are parked on the EC2 instance; an error for each schedule that cannot be read,
   * and that may hold another.
   */
  parkedOn(instanceId: string): Promise<readonly (Drain | Error)[]>;
  /** When each schedule was written last, by name, in epoch milliseconds. */
  writtenAtMs(): Promise<ReadonlyMap<string, number>>;
  /** Deletes the schedule; that there is none is no error. */
  delete(schedule: string): Promise<void>;
}

/** An event about a drain's course, for whoever listens on the bus. */
export type DrainEvent =
  | {
      readonly kind: 'started';
      readonly deadlineAtMs: number;
      /** Undefined where the tasks were not listed yet. */
      readonly holdingTasks: readonly HoldingTask[] | undefined;
    }
  | {
      readonly kind: 'stuck';
      readonly deadlineAtMs: number;
      readonly holdingTasks: readonly HoldingTask[] | undefined;
      readonly explanation: Explanation;
    }
  | ({ readonly kind: 'finished' } & Ending);

/** How a drain ended, and when. */
export interface Ending {
  readonly outcome: Outcome;
  readonly finishedAtMs: number;
  /** Of an end that let tasks die. */
  readonly explanation?: Explanation | undefined;
}

/** Which drain an event is about, as far as it can be read. */
export interface DrainSubject {
  readonly drainId?: string | undefined;
  readonly instanceId?: string | undefined;
  readonly autoScalingGroup?: string | undefined;
  readonly lifecycleHook?: string | undefined;
}

/** An event of a drain that ends in the dead-letter queue. */
export interface DeadLetter extends DrainSubject {
  readonly reason: string;
  readonly failedAtMs: number;
  /** The id of its message in the log. */
  readonly messageId: string;
}

export interface EventPublisher {
  /** Publishes the events together. In their order. */
  publish(events: readonly { readonly drain: Drain; readonly event: DrainEvent }[]): Promise<readonly Failure[]>;
  /** Publishes that events of drains could not be handled. In their order. */
  publishDeadLetters(letters: readonly DeadLetter[]): Promise<readonly Failure[]>;
  /** Publishes that instances are in service again. In their order. */
  publishReturns(returned: readonly Returned[]): Promise<readonly Failure[]>;
}

export interface Clock {
  nowMs(): number;
}

/** What is worth recording: a decision, a sign of life, a failure that passes, the end. */
export type TelemetryEntry =
  | { readonly kind: 'decided'; readonly decision: Decision; readonly observation: Observation | undefined }
  /** How much of the time to its deadline the drain has used. */
  | { readonly kind: 'looked'; readonly deadlineUsedPercent: number }
  /** Something that AWS did not do. */
  | {
      readonly kind: 'refused';
      readonly doing: DecisionKind | 'load' | 'mark' | 'delete-schedule';
      readonly reason: string;
    }
  /** Another delivery of the same event has parked this drain, or has ended it. */
  | { readonly kind: 'superseded' }
  /** The start that an event claimed is not the one that Auto Scaling knows. */
  | { readonly kind: 'corrected'; readonly claimedStartAtMs: number }
  /** The sweep found that nothing continues it. */
  | { readonly kind: 'found'; readonly lost: 'event' | 'continuation' }
  /** ECS managed draining is on for this group as well. */
  | { readonly kind: 'managed-draining' }
  | { readonly kind: 'stuck'; readonly deadlineAtMs: number; readonly explanation: Explanation }
  | { readonly kind: 'requested'; readonly note: OperatorNote }
  | ({ readonly kind: 'finished' } & Ending);

/** Logs and metrics. */
export interface Telemetry {
  record(drain: Drain, entry: TelemetryEntry): void;
  /** An instance takes tasks again; `unpublished` is why the bus has no event of it. */
  recordReturn(returned: Returned, unpublished?: string): void;
}

export interface Ports {
  readonly containerInstances: ContainerInstances;
  readonly lifecycleActions: LifecycleActions;
  readonly continuations: Continuations;
  readonly events: EventPublisher;
  /** Undefined with `waiting: watch`. */
  readonly schedules: DrainSchedules | undefined;
  /** The same, whose calls end by that instant, except heartbeats: what hangs is Unavailable then. */
  readonly until: (endsAtMs: number) => Pick<Ports, 'containerInstances' | 'lifecycleActions' | 'schedules'>;
  readonly clock: Clock;
  /** From 0 to 1, without 1: keeps many drains from doing the same at the same time. */
  readonly random: () => number;
  readonly invocation: {
    /** When the platform ends this invocation, even one that is not done. */
    readonly endsAtMs: number;
  };
  readonly telemetry: Telemetry;
}

/** What was thrown, as an error. */
export function errorOf(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

/** What went wrong, as a sentence. */
export function reasonOf(error: unknown): string {
  return errorOf(error).message;
}
