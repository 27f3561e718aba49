/** What the domain needs from outside. Adapters implement these; tests fake them. */

import type { Decision } from './decide.ts';
import type {
  ContainerInstance,
  Drain,
  HoldingTask,
  HookLimits,
  LifecycleAction,
  LifecycleResult,
  Observation,
  Outcome,
  Task,
} from './drain.ts';

/**
 * The outside cannot answer now, and may later: throttled, overloaded, timed out. Every port but the clock and the
 * journal may throw it; the drain waits and asks again. Any other error ends the invocation.
 */
export class Unavailable extends Error {
  override readonly name = 'Unavailable';
}

/** What ECS knows of one EC2 instance, and the two things we may ask of it. */
export interface ContainerInstances {
  /** Every registration of the EC2 instance in the cluster that ECS lists; empty if there is none. */
  find(cluster: string, ec2InstanceId: string): Promise<readonly ContainerInstance[]>;
  /** The same registrations as they are now; one that ECS has forgotten is left out. */
  refresh(containerInstances: readonly ContainerInstance[]): Promise<readonly ContainerInstance[]>;
  /** Sets ACTIVE ones to DRAINING and returns them as ECS answers. */
  setDraining(containerInstances: readonly ContainerInstance[]): Promise<readonly ContainerInstance[]>;
  /** Every task ECS still lists for them, whatever its desired status. */
  listTasks(containerInstances: readonly ContainerInstance[]): Promise<readonly Task[]>;
  /** The same tasks as they are now; one that ECS has forgotten is left out. */
  refreshTasks(tasks: readonly HoldingTask[]): Promise<readonly Task[]>;
  /** Asks ECS to stop the task with its usual grace; `reason` is shown to whoever looks at the task. */
  stopTask(task: HoldingTask, reason: string): Promise<void>;
}

/** Whether Auto Scaling took our word, or had no such action pending any more (facts 20). */
export type ActionAnswer = 'accepted' | 'already-completed';

/** The lifecycle actions of Auto Scaling. */
export interface LifecycleActions {
  hookLimits(action: LifecycleAction): Promise<HookLimits>;
  recordHeartbeat(action: LifecycleAction): Promise<ActionAnswer>;
  complete(action: LifecycleAction, result: LifecycleResult): Promise<ActionAnswer>;
}

/** Where a drain goes on when this invocation cannot. */
export interface Continuations {
  continueNow(drain: Drain): Promise<void>;
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

/** What is worth telling: a change of mind, a failure that passes, the end. */
export type JournalEntry =
  | { readonly kind: 'decided'; readonly decision: Decision; readonly observation: Observation }
  /** An action that AWS did not take. */
  | { readonly kind: 'refused'; readonly doing: Decision['kind']; readonly reason: string }
  | { readonly kind: 'finished'; readonly outcome: Outcome; readonly finishedAtMs: number };

/** Logs and metrics. */
export interface Journal {
  record(drain: Drain, entry: JournalEntry): void;
}

export interface Ports {
  readonly containerInstances: ContainerInstances;
  readonly lifecycleActions: LifecycleActions;
  readonly continuations: Continuations;
  readonly clock: Clock;
  readonly invocation: Invocation;
  readonly journal: Journal;
}
