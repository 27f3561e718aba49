/** What the domain needs from outside. Adapters implement these; tests fake them. */

import type { Explanation, Facts } from './blockers.ts';
import type { Decision } from './decide.ts';
import type {
  ContainerInstance,
  Drain,
  HeldInstance,
  HoldingTask,
  HookLimits,
  LifecycleAction,
  LifecycleHook,
  LifecycleResult,
  Located,
  Observation,
  Outcome,
  Registration,
  Task,
} from './drain.ts';

/**
 * The outside cannot answer now, and may later: throttled, overloaded, timed out. Every port but the clock, chance
 * and the journal may throw it; the drain waits and asks again. Any other error ends the invocation.
 */
export class Unavailable extends Error {
  override readonly name = 'Unavailable';
}

/** What ECS knows of one EC2 instance, and the two things we may ask of it. */
export interface ContainerInstances {
  /** Every registration of the EC2 instance in the cluster that ECS lists; empty if there is none. */
  find(cluster: string, ec2InstanceId: string): Promise<readonly Located[]>;
  /** The registrations as they are now; one that ECS has forgotten is left out. */
  refresh(containerInstances: readonly Located[]): Promise<readonly ContainerInstance[]>;
  /** Those of the EC2 instances that take tasks in the cluster, found together. */
  findActive(cluster: string, ec2InstanceIds: readonly string[]): Promise<readonly Located[]>;
  /** Every registration of the EC2 instances in the cluster as it is now, found together. */
  registrations(cluster: string, ec2InstanceIds: readonly string[]): Promise<readonly Registration[]>;
  /** Sets ACTIVE ones to DRAINING; others, such as one that is DRAINING already, ECS refuses. */
  setDraining(containerInstances: readonly Located[]): Promise<DrainingAnswer>;
  /** Every task ECS still lists for them, whatever its desired status. */
  listTasks(containerInstances: readonly ContainerInstance[]): Promise<readonly Task[]>;
  /** The same tasks as they are now; one that ECS has forgotten is left out. */
  refreshTasks(tasks: readonly Located[]): Promise<readonly Task[]>;
  /**
   * What ECS knows of why the tasks stay. It takes a few seconds at most, and what ECS does not tell is among the unknown.
   */
  factsAbout(tasks: readonly HoldingTask[]): Promise<Facts>;
  /** Asks ECS to stop the task with its usual grace; `reason` is shown to whoever looks at the task. */
  stopTask(task: HoldingTask, reason: string): Promise<void>;
  /** Whether ECS did not answer at the first attempt lately: then it is asked for nothing that can wait. */
  isBusy(): boolean;
}

/** What ECS made of setting container instances to DRAINING. */
export interface DrainingAnswer {
  /** Those that take no tasks now. */
  readonly draining: readonly ContainerInstance[];
  /** Why not the others; undefined if there are none. */
  readonly refusal: string | undefined;
}

/** Whether Auto Scaling took our word, or had no such action pending any more (facts 20 no-active-action). */
export type ActionAnswer = 'accepted' | 'already-completed';

/** The lifecycle actions of Auto Scaling. */
export interface LifecycleActions {
  hookLimits(action: LifecycleAction): Promise<HookLimits>;
  hooksOf(autoScalingGroup: string): Promise<readonly LifecycleHook[]>;
  /**
   * The EC2 instances of the groups that a terminating hook holds; none of a group with a warm pool, for Auto Scaling may
   * hold one there only to put it back.
   */
  heldInstances(autoScalingGroups: readonly string[]): Promise<readonly HeldInstance[]>;
  /** Since when Auto Scaling is terminating those of the group's instances that it is terminating now, in epoch milliseconds. */
  terminatingSinceMs(autoScalingGroup: string): Promise<ReadonlyMap<string, number>>;
  recordHeartbeat(action: LifecycleAction): Promise<ActionAnswer>;
  complete(action: LifecycleAction, result: LifecycleResult): Promise<ActionAnswer>;
}

/** Where a drain goes on when this invocation cannot. */
export interface Continuations {
  continueNow(drain: Drain): Promise<void>;
}

/** Where a drain waits outside any invocation: one place for each container instance, so that no drain waits twice. */
export interface ParkingPlaces {
  /**
   * Lets the drain go on at that instant or up to a minute later (facts 10 one-time-schedules), unless it is woken
   * before: on a place that is new to it, on its own again, or on its own whose schedule has come. `taken`: another
   * delivery of the same event has parked it on the new place already.
   */
  park(drain: Drain, untilMs: number, place: 'new' | 'own' | 'spent'): Promise<'parked' | 'taken'>;
  /**
   * The drain of a lifecycle action that waits on this container instance, or that on a notice, as it was parked.
   * @throws Error if what is there cannot be understood.
   */
  parkedOn(containerInstanceArn: string, on?: 'lifecycle-action' | 'notice'): Promise<Drain | undefined>;
  /** When each container instance's place was taken or changed last, in epoch milliseconds; undefined where there is none. */
  parkedAtMs(): Promise<(containerInstanceArn: string) => number | undefined>;
  /** Gives the place up; that it is empty already is no error. */
  release(drain: Drain): Promise<void>;
}

/** News of a drain, for whoever listens on the bus. */
export type News =
  | { readonly kind: 'started'; readonly deadlineAtMs: number; readonly holdingTasks: readonly HoldingTask[] }
  | {
      readonly kind: 'stuck';
      readonly deadlineAtMs: number;
      readonly holdingTasks: readonly HoldingTask[];
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

export interface Announcements {
  announce(drain: Drain, news: News): Promise<void>;
}

export interface Clock {
  nowMs(): number;
  sleepUntil(instantMs: number): Promise<void>;
}

/** The invocation we run in. */
export interface Invocation {
  /** When the platform ends it, done or not. */
  readonly endsAtMs: number;
}

/** What is worth telling: a change of mind, a sign of life, a failure that passes, the end. */
export type JournalEntry =
  | { readonly kind: 'decided'; readonly decision: Decision; readonly observation: Observation }
  /** A sign of life, of a drain that goes on and of one that ends: how near it is to its deadline. */
  | { readonly kind: 'looked'; readonly atMs: number; readonly deadlineUsedPercent: number }
  /** An action that AWS did not take. */
  | { readonly kind: 'refused'; readonly doing: Decision['kind'] | 'release'; readonly reason: string }
  /** Another delivery of the same event has this drain. */
  | { readonly kind: 'superseded' }
  /** A continuation that is at no place of ours claims what Auto Scaling does not say. */
  | { readonly kind: 'corrected'; readonly claimedStartAtMs: number }
  /** The sweep found that nobody goes on with it. */
  | { readonly kind: 'found'; readonly lost: 'event' | 'continuation' }
  /** ECS drains the instances of this group as well. */
  | { readonly kind: 'managed-draining' }
  /** What holds the instance for so long, and why. */
  | { readonly kind: 'stuck'; readonly deadlineAtMs: number; readonly explanation: Explanation }
  | ({ readonly kind: 'finished' } & Ending);

/** Logs and metrics. */
export interface Journal {
  record(drain: Drain, entry: JournalEntry): void;
}

export interface Ports {
  readonly containerInstances: ContainerInstances;
  readonly lifecycleActions: LifecycleActions;
  readonly continuations: Continuations;
  readonly announcements: Announcements;
  /** Undefined where drains wait within their invocations. */
  readonly parkingPlaces: ParkingPlaces | undefined;
  readonly clock: Clock;
  /** From 0 to 1, without 1: so that many drains do not do the same at the same time. */
  readonly random: () => number;
  readonly invocation: Invocation;
  readonly journal: Journal;
}
