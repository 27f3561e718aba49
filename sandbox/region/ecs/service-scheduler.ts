import TinyQueue from 'tinyqueue';
import type { Faults } from '../faults.ts';
import type { VirtualTime } from '../time/virtual-time.ts';
import type { Announcements } from './announcements.ts';
import { Deployments, isOutdated, isRolling, scaling } from './deployments.ts';
import { constraintOf, isMutual, preferenceOf, preferred, sharesOf } from './placement.ts';
import { closestMatch, hasRoom, isOpen } from './room.ts';
import { type CircuitBreaker, NOW, type Progress, type StandingTask } from './specs.ts';
import type { ContainerInstance, EcsState, Launch, Service, Task } from './state.ts';
import type { TaskLifecycle } from './task-lifecycle.ts';
import type { Deployment, TaskDefinition } from './views.ts';

export interface ServiceSchedulerOptions {
  readonly time: Pick<VirtualTime, 'nowMs' | 'after'>;
  readonly state: EcsState;
  readonly tasks: TaskLifecycle;
  readonly announcements: Announcements;
  /** Whether a task is spared when its service scales in or is deployed. */
  readonly isProtected: (task: Task) => boolean;
  readonly readings: Readings;
}

/** How the scheduler reads what AWS leaves open. */
export type Readings = Pick<Faults, 'daemonsLeaveAtOnce' | 'protectionHoldsDraining'>;

/** What UpdateService changes; what is left out stays. */
export interface ServiceChange {
  readonly desiredCount?: number | undefined;
  readonly minimumHealthyPercent?: number | undefined;
  readonly maximumPercent?: number | undefined;
  /** Null switches it off. */
  readonly circuitBreaker?: CircuitBreaker | null | undefined;
  /** A new task definition is a new deployment. */
  readonly definition?: TaskDefinition | undefined;
  readonly forceNewDeployment?: boolean | undefined;
}

/** A task of a service that is there from the start. */
export interface Standing extends Pick<StandingTask, 'phase' | 'progress' | 'deployment'> {
  readonly instance: ContainerInstance;
}

/** The scheduler looks at a service this long after something changed. */
const SCHEDULER_SECONDS = 1;

/** The service scheduler: which tasks of services start and stop, where and when. */
export class ServiceScheduler {
  readonly #options: ServiceSchedulerOptions;
  readonly #deployments: Deployments;
  /** Services whose tasks never start. */
  readonly #failing = new WeakSet<Service>();

  constructor(options: ServiceSchedulerOptions) {
    this.#options = options;
    this.#deployments = new Deployments({ ...options, look: (service) => this.#look(service) });
  }

  /** Starts the first tasks of a service, beside those that are there. */
  begin(service: Service, standing: readonly Standing[] = []): void {
    const { tasks } = this.#options;
    for (const { instance, phase, progress, deployment: i = 0 } of standing) {
      const launch = launchOf(service, service.deployments[i]);
      if (phase === 'starting' && i === 0) this.#start(service, instance, progress);
      else if (phase === 'stopping') tasks.standStopping(instance, launch, scaling(service), progress ?? NOW);
      else {
        const task = tasks.stand(instance, launch);
        if (phase === 'starting') tasks.stop(task, scaling(service));
        else if (isOutdated(task)) service.leaving.add(task);
      }
    }
    if (service.spec.strategy === 'REPLICA' || isRolling(service)) this.lookSoon(service);
    else for (const instance of service.cluster.registered) this.#reconcileDaemons(instance);
  }

  update(service: Service, change: ServiceChange): void {
    const { definition = service.deployments[0].definition, forceNewDeployment = false } = change;
    service.desiredCount = change.desiredCount ?? service.desiredCount;
    service.minimumHealthyPercent = change.minimumHealthyPercent ?? service.minimumHealthyPercent;
    service.maximumPercent = change.maximumPercent ?? service.maximumPercent;
    if (change.circuitBreaker !== undefined) service.circuitBreaker = change.circuitBreaker ?? undefined;
    if (forceNewDeployment || definition !== service.deployments[0].definition) {
      this.#deployments.begin(service, definition);
    }
    this.lookSoon(service);
  }

  /** Stops every task of a service permanently, protected ones too. */
  end(service: Service): void {
    service.status = 'DRAINING';
    service.desiredCount = 0;
    service.cluster.daemons.delete(service);
    service.cluster.stuck.delete(service);
    for (const task of [...service.wanted]) this.#options.tasks.stop(task, scaling(service));
    this.lookSoon(service);
  }

  /** A task of a service runs, or it ended before it ran. */
  hasTried(task: Task, succeeded: boolean): void {
    if (!succeeded && task.service) this.#cannotStart(task.service);
    this.#deployments.hasTried(task, succeeded);
  }

  /** Lets the scheduler look at a service, once for everything that changes until then. Daemons go by their instances. */
  lookSoon(service: Service): void {
    const { spec, status } = service;
    if (service.due || (spec.strategy === 'DAEMON' && status === 'ACTIVE' && !isRolling(service))) return;
    service.due = true;
    this.#options.time.after(SCHEDULER_SECONDS, () => {
      service.due = false;
      this.#look(service);
    });
  }

  #look(service: Service): void {
    if (service.status !== 'ACTIVE') {
      if (service.holding === 0) service.status = 'INACTIVE';
      return;
    }
    if (service.spec.strategy === 'REPLICA') this.#reconcileReplicas(service);
    else for (const instance of service.cluster.registered) this.#reconcileDaemons(instance);
    if (isRolling(service)) this.#deployments.finish(service);
  }

  /** There may be room on the instance: for its daemons first, then for the services that wait. */
  offerRoom(instance: ContainerInstance): void {
    this.#reconcileDaemons(instance);
    if (!isOpen(instance)) return;
    for (const service of instance.cluster.stuck) this.lookSoon(service);
  }

  /**
   * Facts 12 draining-rules: pending tasks of services are stopped at once; the others are replaced within the
   * service's bounds.
   */
  statusChanged(instance: ContainerInstance): void {
    for (const task of instance.holding) {
      const { service } = task;
      if (!service?.wanted.has(task)) continue;
      if (instance.status === 'ACTIVE') {
        if (!isOutdated(task)) service.leaving.delete(task);
      } else if (task.lastStatus === 'RUNNING') service.leaving.add(task);
      else this.#options.tasks.stop(task, scaling(service));
      this.lookSoon(service);
    }
    this.offerRoom(instance);
  }

  // --- Replicas -------------------------------------------------------------------------------------------------------

  /**
   * Facts 12 draining-rules. Tasks on DRAINING instances and of earlier deployments are replaced within two bounds:
   * never fewer than the minimum that are RUNNING, never more than the maximum that have not stopped.
   */
  #reconcileReplicas(service: Service): void {
    const { desiredCount, minimumHealthyPercent, maximumPercent, tally, wanted, leaving } = service;
    const fewestRunning = Math.ceil((desiredCount * minimumHealthyPercent) / 100);
    const mostHolding = Math.floor((desiredCount * maximumPercent) / 100);
    const missing = desiredCount - (wanted.size - leaving.size);
    if (missing < 0) this.#scaleIn(service, -missing);
    this.#stopLeaving(service, tally.running - fewestRunning);
    const startable = Math.min(missing, mostHolding - service.holding);
    if (startable > 0) this.#startReplicas(service, startable);
    else this.#hasPlaced(service);
  }

  #scaleIn(service: Service, count: number): void {
    const { tasks, isProtected } = this.#options;
    const crowd = (task: Task) => service.spread.get(task.instance) ?? 0;
    const staying = [...service.wanted].filter((task) => !service.leaving.has(task) && !isProtected(task));
    // First those that do not run yet, then those of the instance that has most, the newest first.
    const order = (a: Task, b: Task) => isRunning(a) - isRunning(b) || crowd(b) - crowd(a) || (a.id < b.id ? 1 : -1);
    for (const task of staying.sort(order).slice(0, count)) tasks.stop(task, scaling(service));
  }

  #stopLeaving(service: Service, count: number): void {
    let left = count;
    for (const task of service.leaving) {
      if (left <= 0) return;
      if (this.#isSpared(task)) continue;
      left -= 1;
      this.#options.tasks.stop(task, scaling(service));
    }
  }

  /**
   * Facts 39 task-protection: protection keeps a task from a deployment; from draining, only if it is read so
   * (unverified). A failed deployment stops no task of an earlier one.
   */
  #isSpared(task: Task): boolean {
    const { isProtected, readings } = this.#options;
    const hasNoSuccessor = task.service?.deployments[0].rolloutState === 'FAILED';
    if (hasNoSuccessor && task.instance.status !== 'DRAINING') return true;
    const mayBeSpared = task.instance.status !== 'DRAINING' || readings.protectionHoldsDraining;
    return mayBeSpared && isProtected(task);
  }

  /** Each on an instance of the capacity provider whose turn it is. */
  #startReplicas(service: Service, count: number): void {
    if (!this.#deployments.mayStart(service)) return;
    const { spec, unplaced } = service;
    unplaced.clear();
    for (const [provider, share] of sharesOf(spec, count, () => stayingByProvider(service))) {
      const left = this.#startOn(service, provider, share);
      if (left > 0) unplaced.set(provider, left);
    }
    if (unplaced.size === 0) return;
    this.#cannotPlace(service);
    this.#deployments.hasNoRoom(service);
  }

  /** Each where the service's constraints let it be, as its strategies prefer. Returns how many find no room. */
  #startOn(service: Service, provider: string | undefined, count: number): number {
    const { cluster, deployments, spec } = service;
    const [{ definition }] = deployments;
    const mayBeOn = constraintOf(service);
    const isOfProvider = ({ capacityProvider }: ContainerInstance) =>
      provider === undefined || capacityProvider === provider;
    const takes = (instance: ContainerInstance) =>
      isOfProvider(instance) && hasRoom(instance, definition) && mayBeOn(instance);
    const open = [...cluster.registered].filter(takes);
    const hosts = new TinyQueue(isMutual(spec) ? [] : open, preferenceOf(service));
    for (let left = count; left > 0; left--) {
      const host = isMutual(spec) ? preferred(open.filter(takes), preferenceOf(service)) : hosts.pop();
      if (!host) return left;
      this.#start(service, host);
      if (!isMutual(spec) && takes(host)) hosts.push(host);
    }
    return 0;
  }

  // --- Daemons --------------------------------------------------------------------------------------------------------

  /**
   * Daemons are the first on an instance, before the scheduler looks for replicas. They are the last to leave it, after the
   * replicas have STOPPED; or together with them, if facts 12 draining-rules are read so (unverified).
   */
  #reconcileDaemons(instance: ContainerInstance): void {
    const { cluster, holding } = instance;
    const { tasks, readings } = this.#options;
    if (cluster.daemons.size === 0 || instance.status === 'INACTIVE') return;
    const present = [...holding];
    const hasReplicas = present.some(({ service }) => service?.spec.strategy === 'REPLICA');
    for (const daemon of cluster.daemons) {
      const task = present.find(({ service }) => service === daemon);
      if (instance.status === 'DRAINING') {
        if (task && (!hasReplicas || readings.daemonsLeaveAtOnce)) tasks.stop(task, scaling(daemon));
      } else if (task && isOutdated(task)) this.#replaceDaemon(daemon, task);
      else if (!task && instance.agentConnected) this.#startDaemon(daemon, instance);
    }
  }

  /** The old task stops before the new one starts: there is one of a daemon on an instance. */
  #replaceDaemon(daemon: Service, task: Task): void {
    const { wanted, tally, minimumHealthyPercent } = daemon;
    const fewestRunning = Math.ceil((wanted.size * minimumHealthyPercent) / 100);
    if (tally.running <= fewestRunning || this.#isSpared(task)) return;
    this.#options.tasks.stop(task, scaling(daemon));
  }

  #startDaemon(daemon: Service, instance: ContainerInstance): void {
    if (!this.#deployments.mayStart(daemon)) return;
    if (!constraintOf(daemon)(instance)) return; // It is not for this instance.
    if (hasRoom(instance, daemon.deployments[0].definition)) {
      this.#hasPlaced(daemon);
      this.#start(daemon, instance);
    } else this.#cannotPlace(daemon);
  }

  // --- Both -----------------------------------------------------------------------------------------------------------

  #start(service: Service, instance: ContainerInstance, progress?: Progress): void {
    const launch = launchOf(service);
    this.#options.tasks.start(instance, launch, progress);
    if (launch.behavior.startSeconds === Number.POSITIVE_INFINITY) this.#cannotStart(service);
  }

  /** Said once: here the cause is never resolved (facts 38 service-events). */
  #cannotStart(service: Service): void {
    if (this.#failing.has(service)) return;
    this.#failing.add(service);
    this.#options.announcements.tellService(service, 'is unable to consistently start tasks successfully.');
  }

  /** Said once, until all have found a place (facts 38 service-events). */
  #cannotPlace(service: Service): void {
    const { cluster, deployments } = service;
    if (cluster.stuck.has(service)) return;
    cluster.stuck.add(service);
    const why = 'no container instance met all of its requirements';
    const what = `was unable to place a task because ${why}.${closestMatch(cluster, deployments[0].definition)}`;
    this.#options.announcements.tellService(service, what);
  }

  /** All have found a place. */
  #hasPlaced(service: Service): void {
    if (!service.cluster.stuck.delete(service)) return;
    this.#options.announcements.tellService(service, 'has reached a steady state.');
  }
}

/** What a task of a deployment is started with; of the newest, if none is given. */
function launchOf(service: Service, { id, definition, behavior }: Deployment = service.deployments[0]): Launch {
  return { service, group: `service:${service.spec.name}`, startedBy: id, definition, behavior };
}

/** How many tasks each capacity provider has that will not be replaced. */
function stayingByProvider({ wanted, leaving }: Service): ReadonlyMap<string | undefined, number> {
  const staying = [...wanted].filter((task) => !leaving.has(task));
  const byProvider = Map.groupBy(staying, ({ instance }) => instance.capacityProvider);
  return new Map([...byProvider].map(([provider, { length }]) => [provider, length]));
}

function isRunning({ lastStatus }: Task): number {
  return lastStatus === 'RUNNING' ? 1 : 0;
}
