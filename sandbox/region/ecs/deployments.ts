import type { VirtualTime } from '../time/virtual-time.ts';
import type { Announcements } from './announcements.ts';
import { behaviorOf, type CircuitBreaker } from './specs.ts';
import { desiredCountOf, type EcsState, type Service, type Task } from './state.ts';
import type { TaskLifecycle } from './task-lifecycle.ts';
import type { Deployment, Stop, TaskDefinition } from './views.ts';

export interface DeploymentOptions {
  readonly time: Pick<VirtualTime, 'nowMs' | 'after'>;
  readonly state: EcsState;
  readonly tasks: TaskLifecycle;
  readonly announcements: Announcements;
  /** Lets the scheduler look at the service now. */
  readonly look: (service: Service) => void;
}

/** ECS waits longer after each task that fails to start (ECS developer guide, service throttle logic); the steps are assumed. */
const RETRY_SECONDS = { first: 10, most: 27 * 60 };
/** How often a task that finds no room counts as one that failed: assumed. */
const NO_ROOM_SECONDS = 60;

const FAILED = 'ECS deployment circuit breaker: tasks failed to start.';

/** Deployments of services: how they begin, and end as completed or as failed (facts 60 update-service, 102 circuit-breaker). */
export class Deployments {
  readonly #options: DeploymentOptions;
  /** When the next task of a service may start, and how long the wait before that is. */
  readonly #retries = new WeakMap<Service, { readonly atMs: number; readonly seconds: number }>();
  readonly #withoutRoom = new WeakSet<Service>();

  constructor(options: DeploymentOptions) {
    this.#options = options;
  }

  /** Every task will be replaced, within the service's bounds. Tasks that do not run yet are stopped at once. */
  begin(service: Service, definition: TaskDefinition): void {
    const { state, announcements } = this.#options;
    const behavior = definition.family === service.spec.name ? behaviorOf(service.spec) : definition.behavior;
    const deployment = state.newDeployment(definition, { behavior });
    service.deployments = [deployment, ...service.deployments];
    announcements.publishDeployment(service, deployment);
    this.#replaceTasks(service);
  }

  /** It is complete when its tasks run, and no other task is left. */
  finish(service: Service): void {
    const { state, announcements } = this.#options;
    const [primary] = service.deployments;
    if ([...service.wanted].some(isOutdated)) return;
    if (service.tally.running < desiredCountOf(service) || service.holding > service.wanted.size) return;
    const reason = `ECS deployment ${primary.id} completed.`;
    const completed = { ...primary, rolloutState: 'COMPLETED', reason, updatedAtMs: state.nowMs() } as const;
    service.deployments = [completed];
    announcements.publishDeployment(service, completed);
    announcements.tellService(service, 'has reached a steady state.');
  }

  /** A failed deployment starts no task; others wait after a task that failed to start. */
  mayStart(service: Service): boolean {
    const { rolloutState } = service.deployments[0];
    return rolloutState !== 'FAILED' && this.#options.time.nowMs() >= (this.#retries.get(service)?.atMs ?? 0);
  }

  /** A task of the newest deployment runs, or it ended before it ran. */
  hasTried(task: Task, succeeded: boolean): void {
    const { service } = task;
    if (!service || isOutdated(task)) return;
    if (!succeeded) {
      this.#waitToRetry(service);
      this.#count(service);
      return;
    }
    this.#retries.delete(service);
    if (service.circuitBreaker?.resetOnHealthyTask !== false) this.#setFailedTasks(service, 0);
  }

  /** A task of the newest deployment that finds no room has failed, too (ECS API reference, Deployment). */
  hasNoRoom(service: Service): void {
    if (!service.circuitBreaker || !isRolling(service) || this.#withoutRoom.has(service)) return;
    const { time, look } = this.#options;
    this.#withoutRoom.add(service);
    time.after(NO_ROOM_SECONDS, () => {
      this.#withoutRoom.delete(service);
      if (!service.cluster.stuck.has(service) || !isRolling(service)) return;
      this.#count(service);
      look(service);
    });
  }

  #waitToRetry(service: Service): void {
    const { time, look } = this.#options;
    const last = this.#retries.get(service);
    if (last && time.nowMs() < last.atMs) return; // One of several tasks that started together.
    const seconds = last ? Math.min(last.seconds * 2, RETRY_SECONDS.most) : RETRY_SECONDS.first;
    this.#retries.set(service, { atMs: time.nowMs() + seconds * 1000, seconds });
    time.after(seconds, () => look(service));
  }

  #count(service: Service): void {
    if (!isRolling(service)) return;
    const { circuitBreaker, deployments } = service;
    this.#setFailedTasks(service, deployments[0].failedTasks + 1);
    if (!circuitBreaker) return;
    if (service.deployments[0].failedTasks >= thresholdOf(circuitBreaker, desiredCountOf(service))) {
      this.#fail(service, circuitBreaker);
    }
  }

  #setFailedTasks(service: Service, failedTasks: number): void {
    const [primary, ...earlier] = service.deployments;
    if (primary.failedTasks !== failedTasks) service.deployments = [{ ...primary, failedTasks }, ...earlier];
  }

  /** With a rollback the service returns to its last completed deployment. Without one it starts no more tasks. */
  #fail(service: Service, { rollback }: CircuitBreaker): void {
    const { state, announcements, look } = this.#options;
    const [primary, ...earlier] = service.deployments;
    const updatedAtMs = state.nowMs();
    const failed: Deployment = { ...primary, rolloutState: 'FAILED', reason: FAILED, updatedAtMs };
    announcements.tellService(service, `(deployment ${failed.id}) deployment failed: tasks failed to start.`);
    announcements.publishDeployment(service, failed);
    const last = earlier.find(({ rolloutState }) => rolloutState === 'COMPLETED');
    if (!rollback || !last) {
      service.deployments = [failed, ...earlier];
      return;
    }
    const reason = `ECS deployment circuit breaker: rolling back to deploymentId ${last.id}.`;
    const back: Deployment = { ...last, rolloutState: 'IN_PROGRESS', reason, failedTasks: 0, updatedAtMs };
    service.deployments = [back, failed, ...earlier.filter((each) => each !== last)];
    this.#retries.delete(service);
    announcements.tellService(service, `rolling back to deployment ${back.id}.`);
    announcements.publishDeployment(service, back);
    this.#replaceTasks(service);
    look(service);
  }

  /** By tasks of the newest deployment. */
  #replaceTasks(service: Service): void {
    for (const task of [...service.wanted]) {
      if (!isOutdated(task)) {
        if (task.instance.status === 'ACTIVE') service.leaving.delete(task);
      } else if (task.lastStatus === 'RUNNING') service.leaving.add(task);
      else this.#options.tasks.stop(task, scaling(service));
    }
  }
}

/** How many tasks may fail (ECS developer guide, how the deployment circuit breaker detects failures). */
function thresholdOf({ threshold: { type, value } }: CircuitBreaker, desiredCount: number): number {
  if (type === 'COUNT') return value;
  const share = Math.ceil((desiredCount * value) / 100);
  return type === 'BOUNDED_PERCENT' ? Math.min(200, Math.max(3, share)) : share;
}

/** As ECS words it. */
export function scaling({ deployments }: Service): Stop {
  return {
    code: 'ServiceSchedulerInitiated',
    reason: `Scaling activity initiated by (deployment ${deployments[0].id})`,
  };
}

/** Of an earlier deployment than the service's newest. */
export function isOutdated({ service, startedBy }: Task): boolean {
  return service !== undefined && startedBy !== service.deployments[0].id;
}

export function isRolling({ deployments }: Service): boolean {
  return deployments[0].rolloutState === 'IN_PROGRESS';
}
