import TinyQueue from 'tinyqueue';
import type { VirtualTime } from '../virtual-time.ts';
import type { Announcements } from './announcements.ts';
import { byFreeMemory, closestMatch, hasRoom, isOpen } from './room.ts';
import type { ContainerInstance, Service, Task } from './state.ts';
import { stopSecondsOf, type TaskLifecycle } from './task-lifecycle.ts';
import type { Stop } from './views.ts';

export interface ServiceSchedulerOptions {
  readonly time: Pick<VirtualTime, 'nowMs' | 'after'>;
  readonly tasks: TaskLifecycle;
  readonly announcements: Announcements;
  /** Whether a task is spared when its service scales in. */
  readonly isProtected: (task: Task) => boolean;
}

/** The scheduler looks at a service this long after something changed. */
const SCHEDULER_SECONDS = 1;

/** The service scheduler: which tasks of services start and stop, where and when. */
export class ServiceScheduler {
  readonly #options: ServiceSchedulerOptions;

  constructor(options: ServiceSchedulerOptions) {
    this.#options = options;
  }

  /** Starts the first tasks of a service. */
  begin(service: Service): void {
    if (service.spec.strategy === 'REPLICA') this.lookSoon(service);
    else for (const instance of service.cluster.registered) this.#reconcileDaemons(instance);
  }

  /** Lets the scheduler look at a service of replicas, once for everything that changes until then. */
  lookSoon(service: Service): void {
    if (service.due || service.spec.strategy === 'DAEMON') return;
    service.due = true;
    this.#options.time.after(SCHEDULER_SECONDS, () => {
      service.due = false;
      this.#reconcileReplicas(service);
    });
  }

  /** There may be room on the instance: for its daemons first, then for the services that wait. */
  offerRoom(instance: ContainerInstance): void {
    this.#reconcileDaemons(instance);
    if (!isOpen(instance)) return;
    for (const service of instance.cluster.stuck) this.lookSoon(service);
  }

  /** Facts 12: pending tasks of services are stopped at once; the others are replaced within the service's bounds. */
  statusChanged(instance: ContainerInstance): void {
    for (const task of instance.holding) {
      const { service } = task;
      if (!service?.wanted.has(task)) continue;
      if (instance.status === 'ACTIVE') service.leaving.delete(task);
      else if (task.lastStatus === 'RUNNING') service.leaving.add(task);
      else this.#options.tasks.stop(task, scaling(service));
      this.lookSoon(service);
    }
    this.offerRoom(instance);
  }

  // --- Replicas -------------------------------------------------------------------------------------------------------

  /**
   * Facts 12. Tasks on DRAINING instances are to be replaced, within two bounds: never fewer than the minimum that are
   * RUNNING, never more than the maximum that have not stopped.
   */
  #reconcileReplicas(service: Service): void {
    const { desiredCount, spec, tally, wanted, leaving } = service;
    const fewestRunning = Math.ceil((desiredCount * spec.minimumHealthyPercent) / 100);
    const mostHolding = Math.floor((desiredCount * spec.maximumPercent) / 100);
    const missing = desiredCount - (wanted.size - leaving.size);
    if (missing < 0) this.#scaleIn(service, -missing);
    this.#stopLeaving(service, tally.running - fewestRunning);
    const startable = Math.min(missing, mostHolding - service.holding);
    if (startable > 0) this.#startReplicas(service, startable);
    else this.#hasPlaced(service);
  }

  /** Facts 39: protection keeps a task from scaling in, but here not from draining (unverified). */
  #scaleIn(service: Service, count: number): void {
    const crowd = (task: Task) => service.spread.get(task.instance) ?? 0;
    const staying = [...service.wanted].filter(
      (task) => !service.leaving.has(task) && !this.#options.isProtected(task),
    );
    // First those that do not run yet, then those of the instance that has most, the newest first.
    const order = (a: Task, b: Task) => isRunning(a) - isRunning(b) || crowd(b) - crowd(a) || (a.id < b.id ? 1 : -1);
    for (const task of staying.sort(order).slice(0, count)) this.#options.tasks.stop(task, scaling(service));
  }

  #stopLeaving(service: Service, count: number): void {
    let left = count;
    for (const task of service.leaving) {
      if (left-- <= 0) return;
      this.#options.tasks.stop(task, scaling(service));
    }
  }

  /** Spread: each on the instance with the fewest tasks of the service, then with the most memory free. */
  #startReplicas(service: Service, count: number): void {
    const { cluster, spread, spec } = service;
    const crowd = (instance: ContainerInstance) => spread.get(instance) ?? 0;
    const hosts = new TinyQueue(
      [...cluster.registered].filter((instance) => hasRoom(instance, spec)),
      (a, b) => crowd(a) - crowd(b) || byFreeMemory(a, b),
    );
    for (let left = count; left > 0; left--) {
      const host = hosts.pop();
      if (!host) {
        this.#cannotPlace(service);
        return;
      }
      this.#start(service, host);
      if (hasRoom(host, spec)) hosts.push(host);
    }
  }

  // --- Daemons --------------------------------------------------------------------------------------------------------

  /** Daemons are the first on an instance, before the scheduler looks for replicas, and the last to leave it (facts 12). */
  #reconcileDaemons(instance: ContainerInstance): void {
    const { cluster, holding } = instance;
    if (cluster.daemons.size === 0 || instance.status === 'INACTIVE') return;
    const tasks = [...holding];
    const hasReplicas = tasks.some(({ service }) => service?.spec.strategy === 'REPLICA');
    for (const daemon of cluster.daemons) {
      const task = tasks.find(({ service }) => service === daemon);
      if (instance.status === 'DRAINING') {
        if (task && !hasReplicas) this.#options.tasks.stop(task, scaling(daemon));
      } else if (!task && instance.agentConnected) this.#startDaemon(daemon, instance);
    }
  }

  #startDaemon(daemon: Service, instance: ContainerInstance): void {
    if (hasRoom(instance, daemon.spec)) {
      this.#hasPlaced(daemon);
      this.#start(daemon, instance);
    } else this.#cannotPlace(daemon);
  }

  // --- Both -----------------------------------------------------------------------------------------------------------

  #start(service: Service, instance: ContainerInstance): void {
    const { spec, definition, deploymentId } = service;
    const launch = {
      service,
      group: `service:${spec.name}`,
      startedBy: deploymentId,
      definition,
      stopSeconds: stopSecondsOf(spec),
      runsForSeconds: Number.POSITIVE_INFINITY,
    };
    this.#options.tasks.start(instance, launch, spec.startSeconds);
  }

  /** Said once, until all have found a place (facts 38). */
  #cannotPlace(service: Service): void {
    const { cluster, spec } = service;
    if (cluster.stuck.has(service)) return;
    cluster.stuck.add(service);
    const why = 'no container instance met all of its requirements';
    const what = `was unable to place a task because ${why}.${closestMatch(cluster, spec)}`;
    this.#options.announcements.tellService(service, what);
  }

  /** All have found a place. */
  #hasPlaced(service: Service): void {
    if (!service.cluster.stuck.delete(service)) return;
    this.#options.announcements.tellService(service, 'has reached a steady state.');
  }
}

/** As ECS words it. */
function scaling({ deploymentId }: Service): Stop {
  return { code: 'ServiceSchedulerInitiated', reason: `Scaling activity initiated by (deployment ${deploymentId})` };
}

function isRunning({ lastStatus }: Task): number {
  return lastStatus === 'RUNNING' ? 1 : 0;
}
