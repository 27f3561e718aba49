import type { Random } from '../time/random.ts';
import type { VirtualTime } from '../time/virtual-time.ts';
import type { Fate } from '../trace.ts';
import type { Agents } from './agents.ts';
import type { Announcements } from './announcements.ts';
import type { Progress } from './specs.ts';
import type { ContainerInstance, EcsState, Launch, Service, Stage, Task } from './state.ts';
import type { Stop, TaskStatus } from './views.ts';

export interface TaskLifecycleOptions {
  readonly time: Pick<VirtualTime, 'nowMs' | 'after'>;
  readonly random: Random;
  readonly state: EcsState;
  readonly agents: Agents;
  readonly announcements: Announcements;
  /** Notifies the scheduler of a change of the service. */
  readonly serviceChanged: (service: Service) => void;
  /** Notifies the scheduler that a task of a service runs, or that it ended before it ran. */
  readonly hasTried: (task: Task, succeeded: boolean) => void;
  /** Notifies the scheduler that the instance may have room. */
  readonly offerRoom: (instance: ContainerInstance) => void;
}

/** Detaching what a task held, network and volumes. */
const DEPROVISIONING_SECONDS = 2;
/**
 * What Docker gives a container between SIGTERM and SIGKILL when the machine shuts down (facts 64 termination-time).
 */
const SHUTDOWN_GRACE_SECONDS = 10;
/** Stopped tasks stay listed for about an hour (facts 13 counting-trap). */
const STOPPED_TASKS_LISTED_SECONDS = 3_600;

/** The way of a task through its statuses (facts 13 counting-trap). */
export class TaskLifecycle {
  readonly #options: TaskLifecycleOptions;

  constructor(options: TaskLifecycleOptions) {
    this.#options = options;
  }

  /** `progress` is how far a task is that has begun to start before. */
  start(instance: ContainerInstance, launch: Launch, progress?: Progress): Task {
    const { state, announcements, random } = this.#options;
    const task = state.addTask(instance, launch);
    announcements.publishInstance(instance);
    const isTarget = launch.service?.loadBalancer !== undefined;
    const seconds = launch.behavior.startSeconds * random.between(0.9, 1.1);
    if (launch.behavior.startFails) this.#failLater(task, Math.max(0, seconds - (progress?.seconds ?? 0)));
    else this.#send(task, restOf(startingRoute(seconds, isTarget), progress));
    return task;
  }

  #failLater(task: Task, seconds: number): void {
    this.#send(task, startingRoute(seconds, false).slice(0, 2));
    this.#options.time.after(seconds, () => {
      if (task.desiredStatus === 'STOPPED') return; // It was stopped before.
      this.stop(task, { code: 'TaskFailedToStart', reason: 'CannotPullContainerError: the image was not found' }, 0);
      this.#options.hasTried(task, false);
    });
  }

  /** A task that has been running since before the Region's time began. */
  stand(instance: ContainerInstance, launch: Launch): Task {
    const task = this.#options.state.addTask(instance, launch);
    this.#become(task, 'RUNNING');
    return task;
  }

  /** Facts 13 counting-trap: the task leaves every count now, and its instance much later. */
  stop(task: Task, stop: Stop, stopSeconds = task.behavior.stopSeconds): void {
    if (task.desiredStatus === 'STOPPED') return;
    const { agents, announcements } = this.#options;
    this.#dismiss(task, stop);
    announcements.publishInstance(task.instance);
    agents.deliver(task.instance, () => this.#send(task, stoppingRoute(task, stopSeconds)));
  }

  /**
   * A task that has begun to stop before the Region's time began: what takes longer than usual ends with SIGKILL, unless it
   * hangs.
   */
  standStopping(instance: ContainerInstance, launch: Launch, stop: Stop, progress: Progress): void {
    const { agents, time } = this.#options;
    const task = this.stand(instance, launch);
    this.#dismiss(task, stop);
    task.stoppingAtMs = time.nowMs() - progress.seconds * 1000;
    const { stopSeconds } = task.behavior;
    const usual = restOf(stoppingRoute(task, stopSeconds), progress);
    const isSlow =
      progress.lastStatus === 'STOPPING' && usual.some(([status, left]) => status === 'STOPPING' && left === 0);
    const killSeconds = Math.max(stopSeconds, launch.definition.stopTimeoutSeconds);
    const route = isSlow ? restOf(stoppingRoute(task, killSeconds), progress) : usual;
    agents.deliver(instance, () => this.#send(task, route));
  }

  /**
   * The task's host ends, and with it the agent that would report on the task. So ECS says STOPPED, even where the agent of a
   * stopped host returns. Its containers go on until the shutdown has ended them, or cuts them off
   * (facts 64 termination-time).
   */
  kill(task: Task, host: 'terminated' | 'stopped'): Fate {
    task.route = [];
    const { fate, afterSeconds } = endOf(task, this.#options.time.nowMs());
    this.#dismiss(task, {
      code: 'TerminationNotice',
      reason: `Host EC2 (instance ${task.instance.ec2InstanceId}) ${host}.`,
    });
    const loadBalancer = task.service?.loadBalancer;
    const end = () => (fate === 'cut off' ? loadBalancer?.kill(task.id) : loadBalancer?.vanish(task.id));
    this.#options.time.after(afterSeconds, end);
    this.#become(task, 'STOPPED', fate);
    return fate;
  }

  /** ECS forgets the task, whose containers run on (facts 62 run-task); its load balancer sends it nothing more. */
  orphan(task: Task): void {
    this.#dismiss(task, { code: 'UserInitiated', reason: 'Container instance deregistration forced by user' });
    task.service?.loadBalancer?.deregister(task.id);
    this.#become(task, 'STOPPED');
  }

  #dismiss(task: Task, stop: Stop): void {
    const { state, serviceChanged } = this.#options;
    if (state.dismiss(task, stop) && task.service) serviceChanged(task.service);
  }

  /** Sends a task through the stages of a route. It leaves the route that it was on. */
  #send(task: Task, route: readonly Stage[]): void {
    const [stage, ...later] = route;
    if (!stage) return;
    const [status, seconds] = stage;
    task.route = later;
    if (status === 'STOPPING') task.endsAtMs = this.#options.time.nowMs() + seconds * 1000;
    this.#become(task, status);
    if (status === 'RUNNING') this.#options.hasTried(task, true);
    if (later.length === 0 || seconds === Number.POSITIVE_INFINITY) return;
    this.#options.time.after(seconds, () => {
      const goOn = () => task.route === later && this.#send(task, later);
      this.#options.agents.deliver(task.instance, goOn);
    });
  }

  #become(task: Task, status: TaskStatus, fate?: Fate): void {
    const { state, announcements, serviceChanged } = this.#options;
    state.setStatus(task, status);
    const { service } = task;
    if (status === 'RUNNING') this.#hasStarted(task);
    if (status === 'DEACTIVATING') service?.loadBalancer?.deregister(task.id);
    announcements.tellTask(task, fate);
    announcements.publishTask(task);
    if (status === 'STOPPED') {
      if (fate === undefined) service?.loadBalancer?.release(task.id);
      this.#hasStopped(task);
    }
    if (service) serviceChanged(service);
  }

  #hasStarted(task: Task): void {
    const { time, agents } = this.#options;
    task.service?.loadBalancer?.register(task.id);
    const { runsForSeconds } = task.behavior;
    if (runsForSeconds === Number.POSITIVE_INFINITY) return;
    const exit: Stop = { code: 'EssentialContainerExited', reason: 'Essential container in task exited' };
    time.after(runsForSeconds, () => agents.deliver(task.instance, () => this.stop(task, exit, 0)));
  }

  #hasStopped(task: Task): void {
    const { time, state, announcements, offerRoom } = this.#options;
    const { instance } = task;
    state.release(task);
    time.after(STOPPED_TASKS_LISTED_SECONDS, () => state.forget(task));
    if (instance.status === 'INACTIVE') return;
    announcements.publishInstance(instance);
    offerRoom(instance);
  }
}

/** What is left of the route of a task that is on its way already: the stages behind it take no time. */
function restOf(route: readonly Stage[], progress: Progress | undefined): readonly Stage[] {
  if (!progress) return route;
  const at = Math.max(
    0,
    route.findIndex(([status]) => status === progress.lastStatus),
  );
  if (progress.hangs) return route.slice(at, at + 1).map(([status]): Stage => [status, Number.POSITIVE_INFINITY]);
  let { seconds } = progress;
  return route.map(([status, lasts], i): Stage => {
    if (i > at) return [status, lasts];
    const left = i < at ? 0 : Math.max(0, lasts - seconds);
    seconds = Math.max(0, seconds - lasts);
    return [status, left];
  });
}

/** What becomes of the containers of a task whose machine shuts down, and when. */
function endOf(task: Task, nowMs: number): { readonly fate: Fate; readonly afterSeconds: number } {
  const { lastStatus, endsAtMs, behavior } = task;
  const startedAtMs = task.startedAtMs ?? nowMs;
  const runs = !['PROVISIONING', 'PENDING', 'DEPROVISIONING'].includes(lastStatus);
  if (!runs || startedAtMs + behavior.runsForSeconds * 1000 <= nowMs) return { fate: 'unharmed', afterSeconds: 0 };
  const leftSeconds = endsAtMs === undefined ? behavior.endsAfterSeconds : Math.max(0, endsAtMs - nowMs) / 1000;
  if (leftSeconds > SHUTDOWN_GRACE_SECONDS) return { fate: 'cut off', afterSeconds: SHUTDOWN_GRACE_SECONDS };
  return { fate: endsAtMs === undefined ? 'delayed SIGTERM' : 'unharmed', afterSeconds: leftSeconds };
}

/** A task behind a load balancer is ACTIVATING, which makes it a target, before it is RUNNING (ECS developer guide, task lifecycle). */
function startingRoute(seconds: number, isTarget: boolean): readonly Stage[] {
  const activating: Stage[] = isTarget ? [['ACTIVATING', seconds * 0.3]] : [];
  const pendingSeconds = seconds * (isTarget ? 0.6 : 0.9);
  return [['PROVISIONING', seconds * 0.1], ['PENDING', pendingSeconds], ...activating, ['RUNNING', 0]];
}

/** Facts 13 counting-trap: serving until the load balancer lets go, then SIGTERM; what never ran just goes. */
function stoppingRoute(task: Task, stopSeconds: number): readonly Stage[] {
  const { lastStatus, service } = task;
  const end: Stage[] = [
    ['DEPROVISIONING', DEPROVISIONING_SECONDS],
    ['STOPPED', 0],
  ];
  if (lastStatus === 'PROVISIONING' || lastStatus === 'PENDING') return end;
  const delaySeconds = service?.spec.loadBalancer?.deregistrationDelaySeconds;
  const isTarget = lastStatus === 'RUNNING' && delaySeconds !== undefined;
  const deactivating: Stage[] = isTarget ? [['DEACTIVATING', delaySeconds]] : [];
  return [...deactivating, ['STOPPING', stopSeconds], ...end];
}
