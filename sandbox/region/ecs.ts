import type { ContainerInstance as EcsContainerInstance, Task as EcsTask, Resource } from '@aws-sdk/client-ecs';
import TinyQueue from 'tinyqueue';
import type { BusEvent } from './event-bridge.ts';
import type { Tell } from './happenings.ts';
import { LoadBalancer } from './load-balancer.ts';
import type { Place } from './place.ts';
import type { Random } from './random.ts';
import type { VirtualTime } from './virtual-time.ts';

export interface EcsOptions {
  readonly time: Pick<VirtualTime, 'nowMs' | 'after'>;
  readonly place: Place;
  readonly random: Random;
  readonly tell: Tell;
  /** Puts an event on the default bus. */
  readonly publish: (event: BusEvent) => void;
}

/** A service to keep running: replicas spread over the instances, or a daemon on each. */
export interface ServiceSpec extends Readonly<Resources> {
  readonly cluster: string;
  readonly name: string;
  readonly strategy: 'REPLICA' | 'DAEMON';
  /** Of replicas; daemons go by the instances. */
  readonly desiredCount: number;
  readonly minimumHealthyPercent: number;
  readonly maximumPercent: number;
  /** From PROVISIONING to RUNNING, give or take a tenth. */
  readonly startSeconds: number;
  /** From SIGTERM to SIGKILL. */
  readonly stopTimeoutSeconds: number;
  /** How long its tasks take to end after SIGTERM, if SIGKILL does not come first. Default: a third of the timeout. */
  readonly stopsAfterSeconds?: number;
  /** A fault: not even SIGKILL ends its tasks. */
  readonly neverStops?: boolean;
  readonly loadBalancer?: { readonly deregistrationDelaySeconds: number; readonly requestsPerSecond: number };
  /** Its tasks ask for protection from scale-in, and renew it all the time. */
  readonly protectedFromScaleIn?: boolean;
}

/** A task of no service, which ends by itself. */
export interface StandaloneTaskSpec extends Readonly<Resources> {
  readonly cluster: string;
  readonly name: string;
  /** Where to run it; without it, where most memory is free. */
  readonly ec2InstanceId?: string;
  readonly runsForSeconds: number;
  readonly stopTimeoutSeconds: number;
  readonly startedBy?: string;
}

/** A task whose instance was terminated before it had stopped. */
export interface KilledTask {
  readonly arn: string;
  readonly group: string;
  readonly lastStatus: string;
  readonly ec2InstanceId: string;
}

// --- What the model keeps ---------------------------------------------------------------------------------------------

export interface Resources {
  memoryMiB: number;
  cpuUnits: number;
}

/** Facts 13, the counting trap: only tasks whose desired status is RUNNING are counted, so those that leave are not. */
export interface Tally {
  /** RUNNING already. */
  running: number;
  /** Not yet RUNNING. */
  pending: number;
}

export interface Cluster {
  readonly name: string;
  readonly arn: string;
  /** By id, INACTIVE ones too. */
  readonly instances: Map<string, ContainerInstance>;
  /** Those that are not INACTIVE. */
  readonly registered: Set<ContainerInstance>;
  readonly services: Map<string, Service>;
  readonly daemons: Set<Service>;
  /** Services that wait for room. */
  readonly stuck: Set<Service>;
  /** Those that are listed, by id. */
  readonly tasks: Map<string, Task>;
  readonly tally: Tally;
  readonly capacity: Resources;
  /** By tasks that have started and not stopped. */
  readonly reserved: Resources;
}

export interface ContainerInstance {
  readonly id: string;
  readonly arn: string;
  readonly ec2InstanceId: string;
  readonly cluster: Cluster;
  readonly capacity: Readonly<Resources>;
  readonly reserved: Resources;
  readonly registeredAtMs: number;
  /** Those that are listed. */
  readonly tasks: Set<Task>;
  /** Those that have not stopped. */
  readonly holding: Set<Task>;
  readonly tally: Tally;
  /** What passes between ECS and the agent when it is connected again. */
  readonly undelivered: (() => void)[];
  status: 'ACTIVE' | 'DRAINING' | 'INACTIVE';
  agentConnected: boolean;
  version: number;
}

export interface Service {
  readonly arn: string;
  readonly deploymentId: string;
  readonly spec: ServiceSpec;
  readonly cluster: Cluster;
  readonly definition: TaskDefinition;
  readonly loadBalancer: LoadBalancer | undefined;
  readonly createdAtMs: number;
  /** Those that are listed. */
  readonly tasks: Set<Task>;
  /** Those that are to run. */
  readonly wanted: Set<Task>;
  /** Those of them that are on a DRAINING instance. */
  readonly leaving: Set<Task>;
  /** How many of them are on an instance. */
  readonly spread: Map<ContainerInstance, number>;
  readonly tally: Tally;
  /** The newest first. */
  readonly events: { readonly id: string; readonly createdAtMs: number; readonly message: string }[];
  desiredCount: number;
  /** How many tasks have not stopped. */
  holding: number;
  /** The scheduler is about to look at it. */
  due: boolean;
}

export interface TaskDefinition extends Readonly<Resources> {
  readonly arn: string;
  readonly family: string;
  readonly revision: number;
  readonly stopTimeoutSeconds: number;
  readonly registeredAtMs: number;
}

/** Facts 13, in their order. */
export type TaskStatus =
  | 'PROVISIONING'
  | 'PENDING'
  | 'ACTIVATING'
  | 'RUNNING'
  | 'DEACTIVATING'
  | 'STOPPING'
  | 'DEPROVISIONING'
  | 'STOPPED';

/** A status and how long it lasts. */
type Stage = readonly [status: TaskStatus, seconds: number];

export interface Task {
  readonly id: string;
  readonly arn: string;
  readonly instance: ContainerInstance;
  readonly service: Service | undefined;
  readonly group: string;
  readonly startedBy: string | undefined;
  readonly definition: TaskDefinition;
  /** From SIGTERM to the end of its containers. */
  readonly stopSeconds: number;
  readonly runsForSeconds: number;
  readonly createdAtMs: number;
  lastStatus: TaskStatus;
  desiredStatus: 'RUNNING' | 'STOPPED';
  version: number;
  /** What it goes through next. */
  route: readonly Stage[];
  startedAtMs: number | undefined;
  stoppingAtMs: number | undefined;
  executionStoppedAtMs: number | undefined;
  stoppedAtMs: number | undefined;
  /** Scale-in protection that somebody has given it. */
  protectedUntilMs: number | undefined;
  stop: Stop | undefined;
}

/** Why a task stops. */
export interface Stop {
  readonly code: 'EssentialContainerExited' | 'ServiceSchedulerInitiated' | 'TerminationNotice' | 'UserInitiated';
  readonly reason: string;
}

/** What a task is started with. */
type Launch = Pick<Task, 'service' | 'group' | 'startedBy' | 'definition' | 'stopSeconds' | 'runsForSeconds'>;

/** The scheduler looks at a service this long after something changed. */
const SCHEDULER_SECONDS = 1;
const STANDALONE_START_SECONDS = 5;
/** Detaching what a task held, network and volumes. */
const DEPROVISIONING_SECONDS = 2;
/** Stopped tasks stay listed for about an hour (facts 13). */
const STOPPED_TASKS_LISTED_SECONDS = 3_600;
/** Protection lasts two hours, unless its duration is told. */
const PROTECTION_SECONDS = 2 * 60 * 60;
/** DescribeServices shows the last hundred. */
const SERVICE_EVENTS_KEPT = 100;

/**
 * Amazon ECS in virtual time: what the service scheduler, the agents and the load balancers do. The operations of its
 * API are in ecs-api.ts.
 */
export class EcsModel {
  readonly #options: EcsOptions;
  /** All of them, by name. */
  readonly clusters = new Map<string, Cluster>();
  /** The container instances of an EC2 instance, the newest last (facts 14). */
  readonly #registrations = new Map<string, ContainerInstance[]>();
  /** The revisions of each family. */
  readonly #definitions = new Map<string, TaskDefinition[]>();
  readonly #loadBalancers: LoadBalancer[] = [];
  #ids = 0;

  constructor(options: EcsOptions) {
    this.#options = options;
  }

  // --- The world: what operators, agents and EC2 do -------------------------------------------------------------------

  createCluster(name: string): void {
    this.clusters.set(name, {
      name,
      arn: this.arnOf('cluster', name),
      instances: new Map(),
      registered: new Set(),
      services: new Map(),
      daemons: new Set(),
      stuck: new Set(),
      tasks: new Map(),
      tally: { running: 0, pending: 0 },
      capacity: { memoryMiB: 0, cpuUnits: 0 },
      reserved: { memoryMiB: 0, cpuUnits: 0 },
    });
  }

  /** The agent of an EC2 instance registers it. Returns the container instance's ARN. */
  registerInstance(instance: Resources & { readonly cluster: string; readonly ec2InstanceId: string }): string {
    const { ec2InstanceId, memoryMiB, cpuUnits } = instance;
    return this.#register(this.#cluster(instance.cluster), ec2InstanceId, { memoryMiB, cpuUnits });
  }

  /** The agent lost its state and registers anew: what was, stays, ACTIVE and disconnected, with its tasks (facts 14). */
  reRegisterAgent(ec2InstanceId: string): string {
    const old = this.#newestRegistration(ec2InstanceId);
    this.#connect(old, false);
    return this.#register(old.cluster, ec2InstanceId, old.capacity);
  }

  /** Facts 15: an agent's connection comes and goes; its tasks go on. */
  setAgentConnected(ec2InstanceId: string, connected: boolean): void {
    this.#connect(this.#newestRegistration(ec2InstanceId), connected);
  }

  createService(spec: ServiceSpec): void {
    const cluster = this.#cluster(spec.cluster);
    const service: Service = {
      arn: this.arnOf('service', `${cluster.name}/${spec.name}`),
      deploymentId: `ecs-svc/${String(++this.#ids).padStart(19, '0')}`,
      spec,
      cluster,
      definition: this.#define(spec),
      loadBalancer: this.#balance(spec.loadBalancer),
      createdAtMs: this.nowMs(),
      tasks: new Set(),
      wanted: new Set(),
      leaving: new Set(),
      spread: new Map(),
      tally: { running: 0, pending: 0 },
      events: [],
      desiredCount: spec.desiredCount,
      holding: 0,
      due: false,
    };
    cluster.services.set(spec.name, service);
    if (spec.strategy === 'REPLICA') this.#lookSoon(service);
    else {
      cluster.daemons.add(service);
      for (const instance of cluster.registered) this.#reconcileDaemons(instance);
    }
  }

  updateService(cluster: string, name: string, { desiredCount }: { readonly desiredCount: number }): void {
    const service = this.#cluster(cluster).services.get(name);
    if (!service) throw new Error(`There is no service ${name} in cluster ${cluster}.`);
    service.desiredCount = desiredCount;
    this.#lookSoon(service);
  }

  /** @throws Error if there is no room for it. */
  runTask(spec: StandaloneTaskSpec): void {
    const { name, startedBy, ec2InstanceId, runsForSeconds } = spec;
    const hosts = ec2InstanceId ? [this.#newestRegistration(ec2InstanceId)] : this.#cluster(spec.cluster).registered;
    const host = roomiest(hosts, spec);
    if (!host) throw new Error(`No container instance of cluster ${spec.cluster} has room for the task ${name}.`);
    const definition = this.#define(spec);
    const stopSeconds = stopSecondsOf(spec);
    const launch = { service: undefined, group: `family:${name}`, startedBy, definition, stopSeconds, runsForSeconds };
    this.#start(host, launch, STANDALONE_START_SECONDS);
  }

  /** EC2 terminates the instance: it is deregistered (facts 15), and what had not stopped on it is killed. */
  terminateInstance(ec2InstanceId: string): readonly KilledTask[] {
    const gone = (this.#registrations.get(ec2InstanceId) ?? []).filter(({ status }) => status !== 'INACTIVE');
    const killed = gone.flatMap((instance) => [...instance.holding]);
    const victims = killed.map(({ arn, group, lastStatus }) => ({ arn, group, lastStatus, ec2InstanceId }));
    for (const instance of gone) this.#deregister(instance);
    for (const task of killed) this.#kill(task);
    return victims;
  }

  // --- What there is to see -------------------------------------------------------------------------------------------

  /**
   * What running tasks reserve of what the instances have: CloudWatch's MemoryReservation and CPUReservation (ECS
   * developer guide, "available metrics"). A task that is still starting is in neither.
   */
  reservation(cluster: string): { readonly memoryPercent: number; readonly cpuPercent: number } {
    const { reserved, capacity } = this.#cluster(cluster);
    return {
      memoryPercent: percentOf(reserved.memoryMiB, capacity.memoryMiB),
      cpuPercent: percentOf(reserved.cpuUnits, capacity.cpuUnits),
    };
  }

  /** How many tasks are on the instance as the API counts them, and how many really (facts 13). */
  accountOf(ec2InstanceId: string): { readonly counted: number; readonly holding: number } {
    const account = { counted: 0, holding: 0 };
    for (const { tally, holding } of this.registrationsOf(ec2InstanceId)) {
      account.counted += tally.running + tally.pending;
      account.holding += holding.size;
    }
    return account;
  }

  /** By all services behind a load balancer, so far. */
  requestsLost(): number {
    return this.#loadBalancers.reduce((sum, loadBalancer) => sum + loadBalancer.requestsLost(), 0);
  }

  /** The container instances of an EC2 instance, in every cluster and state. */
  registrationsOf(ec2InstanceId: string): readonly ContainerInstance[] {
    return this.#registrations.get(ec2InstanceId) ?? [];
  }

  /** The revisions of a family, in order. */
  revisionsOf(family: string): readonly TaskDefinition[] {
    return this.#definitions.get(family) ?? [];
  }

  /** Epoch milliseconds. */
  nowMs(): number {
    return this.#options.time.nowMs();
  }

  // --- What the API changes -------------------------------------------------------------------------------------------

  /** Facts 12: pending tasks of services are stopped at once; the scheduler sees to the others. */
  setInstanceStatus(instance: ContainerInstance, status: 'ACTIVE' | 'DRAINING'): void {
    instance.status = status;
    this.#tellInstance(instance); // Facts 5: no event.
    for (const task of instance.holding) {
      const { service } = task;
      if (!service?.wanted.has(task)) continue;
      if (status === 'ACTIVE') service.leaving.delete(task);
      else if (task.lastStatus === 'RUNNING') service.leaving.add(task);
      else this.#stop(task, scaling(service));
      this.#lookSoon(service);
    }
    this.#offerRoom(instance);
  }

  /** Stops a task because somebody asks for it. */
  stopTask(task: Task, reason: string): void {
    this.#stop(task, { code: 'UserInitiated', reason });
  }

  /** Until when a task is spared when its service scales in or is deployed; undefined if it is not (facts 16). */
  protectedUntilMs({ service, protectedUntilMs = 0 }: Task): number | undefined {
    const renewedMs = service?.spec.protectedFromScaleIn ? this.nowMs() + PROTECTION_SECONDS * 1000 : 0;
    const untilMs = Math.max(protectedUntilMs, renewedMs);
    return untilMs > this.nowMs() ? untilMs : undefined;
  }

  /** Protects a task for so long, or no longer. */
  setTaskProtection(task: Task, enabled: boolean, seconds = PROTECTION_SECONDS): void {
    task.protectedUntilMs = enabled ? this.nowMs() + seconds * 1000 : undefined;
  }

  // --- The service scheduler ------------------------------------------------------------------------------------------

  /** Lets the scheduler look at a service of replicas, once for all that changes until then. */
  #lookSoon(service: Service): void {
    if (service.due || service.spec.strategy === 'DAEMON') return;
    service.due = true;
    this.#options.time.after(SCHEDULER_SECONDS, () => {
      service.due = false;
      this.#reconcileReplicas(service);
    });
  }

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
      (task) => !service.leaving.has(task) && this.protectedUntilMs(task) === undefined,
    );
    // First those that do not run yet, then those of the instance that has most, the newest first.
    const order = (a: Task, b: Task) => isRunning(a) - isRunning(b) || crowd(b) - crowd(a) || (a.id < b.id ? 1 : -1);
    for (const task of staying.sort(order).slice(0, count)) this.#stop(task, scaling(service));
  }

  #stopLeaving(service: Service, count: number): void {
    let left = count;
    for (const task of service.leaving) {
      if (left-- <= 0) return;
      this.#stop(task, scaling(service));
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
      this.#startOf(service, host);
      if (hasRoom(host, spec)) hosts.push(host);
    }
  }

  /** Told once, until all have found a place (facts 38). */
  #cannotPlace(service: Service): void {
    const { cluster, spec } = service;
    if (cluster.stuck.has(service)) return;
    cluster.stuck.add(service);
    const why = 'no container instance met all of its requirements';
    this.#tellService(service, `was unable to place a task because ${why}.${closestMatch(cluster, spec)}`);
  }

  /** All have found a place. */
  #hasPlaced(service: Service): void {
    if (service.cluster.stuck.delete(service)) this.#tellService(service, 'has reached a steady state.');
  }

  #tellService({ spec, events }: Service, what: string): void {
    const message = `(service ${spec.name}) ${what}`;
    events.unshift({ id: this.#options.place.newId(), createdAtMs: this.nowMs(), message });
    events.splice(SERVICE_EVENTS_KEPT);
    this.#options.tell({ kind: 'service', service: spec.name, message });
  }

  /** Daemons are the first on an instance, before the scheduler looks for replicas, and the last to leave it (facts 12). */
  #reconcileDaemons(instance: ContainerInstance): void {
    const { cluster, holding } = instance;
    if (cluster.daemons.size === 0 || instance.status === 'INACTIVE') return;
    const tasks = [...holding];
    const hasReplicas = tasks.some(({ service }) => service?.spec.strategy === 'REPLICA');
    for (const daemon of cluster.daemons) {
      const task = tasks.find(({ service }) => service === daemon);
      if (instance.status === 'DRAINING') {
        if (task && !hasReplicas) this.#stop(task, scaling(daemon));
      } else if (!task && instance.agentConnected) this.#startDaemon(daemon, instance);
    }
  }

  #startDaemon(daemon: Service, instance: ContainerInstance): void {
    if (hasRoom(instance, daemon.spec)) {
      this.#hasPlaced(daemon);
      this.#startOf(daemon, instance);
    } else this.#cannotPlace(daemon);
  }

  #startOf(service: Service, instance: ContainerInstance): void {
    const { spec, definition, deploymentId } = service;
    this.#start(
      instance,
      {
        service,
        group: `service:${spec.name}`,
        startedBy: deploymentId,
        definition,
        stopSeconds: stopSecondsOf(spec),
        runsForSeconds: Number.POSITIVE_INFINITY,
      },
      spec.startSeconds,
    );
  }

  /** There may be room on the instance: for its daemons first, then for the services that wait. */
  #offerRoom(instance: ContainerInstance): void {
    this.#reconcileDaemons(instance);
    if (!isOpen(instance)) return;
    for (const service of instance.cluster.stuck) this.#lookSoon(service);
  }

  // --- Container instances and their agents ---------------------------------------------------------------------------

  #register(cluster: Cluster, ec2InstanceId: string, capacity: Readonly<Resources>): string {
    const id = this.#newId();
    const instance: ContainerInstance = {
      id,
      arn: this.arnOf('container-instance', `${cluster.name}/${id}`),
      ec2InstanceId,
      cluster,
      capacity,
      reserved: { memoryMiB: 0, cpuUnits: 0 },
      registeredAtMs: this.nowMs(),
      tasks: new Set(),
      holding: new Set(),
      tally: { running: 0, pending: 0 },
      undelivered: [],
      status: 'ACTIVE',
      agentConnected: true,
      version: 0,
    };
    cluster.instances.set(id, instance);
    cluster.registered.add(instance);
    add(cluster.capacity, capacity, 1);
    this.#registrations.set(ec2InstanceId, [...this.registrationsOf(ec2InstanceId), instance]);
    this.#tellInstance(instance);
    this.#publishInstance(instance);
    this.#offerRoom(instance);
    return instance.arn;
  }

  #deregister(instance: ContainerInstance): void {
    instance.status = 'INACTIVE';
    instance.agentConnected = false;
    instance.cluster.registered.delete(instance);
    add(instance.cluster.capacity, instance.capacity, -1);
    this.#tellInstance(instance);
    this.#publishInstance(instance);
  }

  #connect(instance: ContainerInstance, connected: boolean): void {
    if (instance.status === 'INACTIVE' || instance.agentConnected === connected) return;
    instance.agentConnected = connected;
    this.#tellInstance(instance);
    this.#publishInstance(instance);
    if (!connected) return;
    for (const deliver of instance.undelivered.splice(0)) deliver();
    this.#offerRoom(instance);
  }

  /** Facts 15: nothing passes between ECS and an agent that is not connected; all of it does when it is again. */
  #throughAgent(instance: ContainerInstance, deliver: () => void): void {
    if (instance.agentConnected) deliver();
    else instance.undelivered.push(deliver);
  }

  // --- Tasks ----------------------------------------------------------------------------------------------------------

  #start(instance: ContainerInstance, launch: Launch, startSeconds: number): void {
    const id = this.#newId();
    const task: Task = {
      ...launch,
      id,
      arn: this.arnOf('task', `${instance.cluster.name}/${id}`),
      instance,
      createdAtMs: this.nowMs(),
      lastStatus: 'PROVISIONING',
      desiredStatus: 'RUNNING',
      version: 0,
      route: [],
      startedAtMs: undefined,
      stoppingAtMs: undefined,
      executionStoppedAtMs: undefined,
      stoppedAtMs: undefined,
      protectedUntilMs: undefined,
      stop: undefined,
    };
    this.#admit(task);
    this.#publishInstance(instance);
    const isTarget = launch.service?.loadBalancer !== undefined;
    this.#send(task, startingRoute(startSeconds * this.#options.random.between(0.9, 1.1), isTarget));
  }

  /** Facts 13: it leaves every count now, and its instance much later. */
  #stop(task: Task, stop: Stop, stopSeconds = task.stopSeconds): void {
    if (task.desiredStatus === 'STOPPED') return;
    this.#dismiss(task, stop);
    this.#publishInstance(task.instance);
    this.#throughAgent(task.instance, () => this.#send(task, stoppingRoute(task, stopSeconds)));
  }

  /** Its host is gone, and with it the agent that would tell more of it. */
  #kill(task: Task): void {
    this.#dismiss(task, {
      code: 'TerminationNotice',
      reason: `Host EC2 (instance ${task.instance.ec2InstanceId}) terminated.`,
    });
    task.service?.loadBalancer?.kill(task.id);
    this.#becomes(task, 'STOPPED', true);
  }

  /** Sends a task through the stages of a route, whatever it was on before. */
  #send(task: Task, route: readonly Stage[]): void {
    const [stage, ...later] = route;
    if (!stage) return;
    const [status, seconds] = stage;
    task.route = later;
    this.#becomes(task, status);
    if (later.length === 0 || seconds === Number.POSITIVE_INFINITY) return;
    this.#options.time.after(seconds, () => {
      const goOn = () => task.route === later && this.#send(task, later);
      this.#throughAgent(task.instance, goOn);
    });
  }

  #becomes(task: Task, status: TaskStatus, killed = false): void {
    this.#recount(task, () => {
      task.lastStatus = status;
    });
    const { service } = task;
    if (status === 'RUNNING') this.#hasStarted(task);
    if (status === 'DEACTIVATING') service?.loadBalancer?.deregister(task.id);
    if (status === 'DEPROVISIONING') task.executionStoppedAtMs = this.nowMs();
    if (status === 'STOPPED') task.stoppedAtMs = this.nowMs();
    this.#tellTask(task, killed);
    this.#publishTask(task);
    if (status === 'STOPPED') this.#hasStopped(task);
    if (service) this.#lookSoon(service);
  }

  #hasStarted(task: Task): void {
    task.startedAtMs = this.nowMs();
    add(task.instance.cluster.reserved, task.definition, 1);
    task.service?.loadBalancer?.register(task.id);
    if (task.runsForSeconds === Number.POSITIVE_INFINITY) return;
    const exit: Stop = { code: 'EssentialContainerExited', reason: 'Essential container in task exited' };
    this.#options.time.after(task.runsForSeconds, () =>
      this.#throughAgent(task.instance, () => this.#stop(task, exit, 0)),
    );
  }

  #hasStopped(task: Task): void {
    const { instance, service, definition } = task;
    service?.loadBalancer?.release(task.id);
    if (service) service.holding -= 1;
    instance.holding.delete(task);
    add(instance.reserved, definition, -1);
    if (task.startedAtMs !== undefined) add(instance.cluster.reserved, definition, -1);
    this.#options.time.after(STOPPED_TASKS_LISTED_SECONDS, () => this.#forget(task));
    if (instance.status === 'INACTIVE') return;
    this.#publishInstance(instance);
    this.#offerRoom(instance);
  }

  // --- The indexes: all that is counted is counted where it changes ---------------------------------------------------

  #admit(task: Task): void {
    const { instance, service, definition } = task;
    instance.cluster.tasks.set(task.id, task);
    instance.tasks.add(task);
    instance.holding.add(task);
    add(instance.reserved, definition, 1);
    count(task, 1);
    if (!service) return;
    service.tasks.add(task);
    service.holding += 1;
    service.wanted.add(task);
    service.spread.set(instance, (service.spread.get(instance) ?? 0) + 1);
  }

  /** It is no longer to run. */
  #dismiss(task: Task, stop: Stop): void {
    task.stop = stop;
    if (task.desiredStatus === 'STOPPED') return;
    this.#recount(task, () => {
      task.desiredStatus = 'STOPPED';
    });
    task.stoppingAtMs = this.nowMs();
    const { instance, service } = task;
    if (!service) return;
    service.wanted.delete(task);
    service.leaving.delete(task);
    service.spread.set(instance, (service.spread.get(instance) ?? 0) - 1);
    this.#lookSoon(service);
  }

  #forget(task: Task): void {
    task.instance.cluster.tasks.delete(task.id);
    task.instance.tasks.delete(task);
    task.service?.tasks.delete(task);
  }

  #recount(task: Task, change: () => void): void {
    count(task, -1);
    change();
    count(task, 1);
  }

  // --- News and events ------------------------------------------------------------------------------------------------

  #tellInstance({ ec2InstanceId, status, agentConnected }: ContainerInstance): void {
    this.#options.tell({ kind: 'container-instance', instanceId: ec2InstanceId, status, agentConnected });
  }

  #tellTask({ id, instance, group, lastStatus, stop }: Task, killed: boolean): void {
    this.#options.tell({
      kind: 'task',
      taskId: id,
      instanceId: instance.ec2InstanceId,
      group,
      status: lastStatus,
      ...(stop && { reason: stop.reason }),
      ...(killed && { killed }),
    });
  }

  /** Facts 4. */
  #publishTask(task: Task): void {
    task.version += 1;
    this.#publish('ECS Task State Change', task.arn, describeTask(task));
  }

  /** Facts 5: when tasks start or stop, when the agent connects or disconnects, on (de)registration. */
  #publishInstance(instance: ContainerInstance): void {
    instance.version += 1;
    const detail = { clusterArn: instance.cluster.arn, ...describeInstance(instance) };
    this.#publish('ECS Container Instance State Change', instance.arn, detail);
  }

  #publish(detailType: string, resource: string, description: object): void {
    const detail = withIsoDates({ ...description, updatedAt: new Date(this.nowMs()) });
    this.#options.publish({ source: 'aws.ecs', 'detail-type': detailType, resources: [resource], detail });
  }

  // --- Names ----------------------------------------------------------------------------------------------------------

  /** A new revision of the family, unless the last one is the same. */
  #define({ name, memoryMiB, cpuUnits, stopTimeoutSeconds }: ServiceSpec | StandaloneTaskSpec): TaskDefinition {
    const revisions = this.revisionsOf(name);
    const last = revisions.at(-1);
    const same = last?.memoryMiB === memoryMiB && last.cpuUnits === cpuUnits;
    if (same && last.stopTimeoutSeconds === stopTimeoutSeconds) return last;
    const revision = revisions.length + 1;
    const arn = this.arnOf('task-definition', `${name}:${revision}`);
    const registeredAtMs = this.nowMs();
    const definition = { arn, family: name, revision, memoryMiB, cpuUnits, stopTimeoutSeconds, registeredAtMs };
    this.#definitions.set(name, [...revisions, definition]);
    return definition;
  }

  #balance(spec: ServiceSpec['loadBalancer']): LoadBalancer | undefined {
    if (!spec) return undefined;
    const loadBalancer = new LoadBalancer({ time: this.#options.time, ...spec });
    this.#loadBalancers.push(loadBalancer);
    return loadBalancer;
  }

  #cluster(name: string): Cluster {
    const cluster = this.clusters.get(name);
    if (!cluster) throw new Error(`There is no cluster ${name}.`);
    return cluster;
  }

  #newestRegistration(ec2InstanceId: string): ContainerInstance {
    const instance = this.registrationsOf(ec2InstanceId).at(-1);
    if (!instance) throw new Error(`No container instance is on ${ec2InstanceId}.`);
    return instance;
  }

  #newId(): string {
    return (++this.#ids).toString(16).padStart(32, '0');
  }

  arnOf(type: string, name: string): string {
    const { region, account } = this.#options.place;
    return `arn:aws:ecs:${region}:${account}:${type}/${name}`;
  }
}

// --- As AWS describes them, in answers and in events ------------------------------------------------------------------

export function describeTask(task: Task): EcsTask {
  const { instance, definition, lastStatus, startedBy, stop } = task;
  const isOver = lastStatus === 'DEPROVISIONING' || lastStatus === 'STOPPED';
  return {
    taskArn: task.arn,
    clusterArn: instance.cluster.arn,
    containerInstanceArn: instance.arn,
    taskDefinitionArn: definition.arn,
    group: task.group,
    launchType: 'EC2',
    lastStatus,
    desiredStatus: task.desiredStatus,
    cpu: String(definition.cpuUnits),
    memory: String(definition.memoryMiB),
    containers: [
      {
        taskArn: task.arn,
        name: definition.family,
        lastStatus: isOver ? 'STOPPED' : task.startedAtMs === undefined ? 'PENDING' : 'RUNNING',
        cpu: String(definition.cpuUnits),
        memory: String(definition.memoryMiB),
      },
    ],
    version: task.version,
    createdAt: new Date(task.createdAtMs),
    ...(startedBy !== undefined && { startedBy }),
    ...(task.startedAtMs !== undefined && { startedAt: new Date(task.startedAtMs) }),
    ...(task.stoppingAtMs !== undefined && { stoppingAt: new Date(task.stoppingAtMs) }),
    ...(task.executionStoppedAtMs !== undefined && { executionStoppedAt: new Date(task.executionStoppedAtMs) }),
    ...(task.stoppedAtMs !== undefined && { stoppedAt: new Date(task.stoppedAtMs) }),
    ...(stop && { stopCode: stop.code, stoppedReason: stop.reason }),
  };
}

export function describeInstance(instance: ContainerInstance): EcsContainerInstance {
  const { capacity, tally } = instance;
  return {
    containerInstanceArn: instance.arn,
    ec2InstanceId: instance.ec2InstanceId,
    status: instance.status,
    agentConnected: instance.agentConnected,
    version: instance.version,
    versionInfo: { agentVersion: '1.90.0', agentHash: '00000000', dockerVersion: 'DockerVersion: 25.0.8' },
    registeredResources: describeResources(capacity),
    remainingResources: describeResources(freeOf(instance)),
    runningTasksCount: tally.running,
    pendingTasksCount: tally.pending,
    registeredAt: new Date(instance.registeredAtMs),
    attributes: [],
    attachments: [],
  };
}

function describeResources({ memoryMiB, cpuUnits }: Readonly<Resources>): Resource[] {
  const integer = { type: 'INTEGER', doubleValue: 0, longValue: 0 };
  return [
    { name: 'CPU', ...integer, integerValue: cpuUnits },
    { name: 'MEMORY', ...integer, integerValue: memoryMiB },
  ];
}

/** Events write instants as ISO 8601. */
function withIsoDates(detail: object): object {
  const entries = Object.entries(detail);
  return Object.fromEntries(entries.map(([key, value]) => [key, value instanceof Date ? value.toISOString() : value]));
}

// --- Small things -----------------------------------------------------------------------------------------------------

/** Facts 13: a task behind a load balancer becomes its target before it is RUNNING. */
function startingRoute(seconds: number, isTarget: boolean): readonly Stage[] {
  const activating: Stage[] = isTarget ? [['ACTIVATING', seconds * 0.3]] : [];
  const pendingSeconds = seconds * (isTarget ? 0.6 : 0.9);
  return [['PROVISIONING', seconds * 0.1], ['PENDING', pendingSeconds], ...activating, ['RUNNING', 0]];
}

/** Facts 13: serving until the load balancer lets go, then SIGTERM; what never ran just goes. */
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

/** SIGKILL comes at the timeout. */
function stopSecondsOf(spec: Partial<ServiceSpec> & { readonly stopTimeoutSeconds: number }): number {
  if (spec.neverStops) return Number.POSITIVE_INFINITY;
  return Math.min(spec.stopsAfterSeconds ?? spec.stopTimeoutSeconds / 3, spec.stopTimeoutSeconds);
}

/** Of the open instances, the one with most memory free, and what it lacks; nothing where there is none (facts 38). */
function closestMatch({ registered }: Cluster, wanted: Readonly<Resources>): string {
  const [closest] = [...registered].filter(isOpen).sort(byFreeMemory);
  if (!closest) return '';
  const lacks = freeOf(closest).memoryMiB < wanted.memoryMiB ? 'memory' : 'CPU units';
  return ` The closest matching (container-instance ${closest.id}) has insufficient ${lacks} available. For more information, see the Troubleshooting section of the Amazon ECS Developer Guide.`;
}

/** As ECS words it. */
function scaling({ deploymentId }: Service): Stop {
  return { code: 'ServiceSchedulerInitiated', reason: `Scaling activity initiated by (deployment ${deploymentId})` };
}

function count(task: Task, by: 1 | -1): void {
  if (task.desiredStatus === 'STOPPED') return;
  const which = task.lastStatus === 'RUNNING' ? 'running' : 'pending';
  task.instance.tally[which] += by;
  task.instance.cluster.tally[which] += by;
  if (task.service) task.service.tally[which] += by;
}

function isRunning({ lastStatus }: Task): number {
  return lastStatus === 'RUNNING' ? 1 : 0;
}

/** Takes new tasks. */
function isOpen({ status, agentConnected }: ContainerInstance): boolean {
  return status === 'ACTIVE' && agentConnected;
}

function hasRoom(instance: ContainerInstance, { memoryMiB, cpuUnits }: Readonly<Resources>): boolean {
  const free = freeOf(instance);
  return isOpen(instance) && free.memoryMiB >= memoryMiB && free.cpuUnits >= cpuUnits;
}

function freeOf({ capacity, reserved }: ContainerInstance): Resources {
  return { memoryMiB: capacity.memoryMiB - reserved.memoryMiB, cpuUnits: capacity.cpuUnits - reserved.cpuUnits };
}

/** The one with the most memory free first, then the eldest. */
function byFreeMemory(a: ContainerInstance, b: ContainerInstance): number {
  return freeOf(b).memoryMiB - freeOf(a).memoryMiB || (a.id < b.id ? -1 : 1);
}

function roomiest(instances: Iterable<ContainerInstance>, task: Readonly<Resources>): ContainerInstance | undefined {
  return [...instances].filter((instance) => hasRoom(instance, task)).sort(byFreeMemory)[0];
}

function add(to: Resources, amount: Readonly<Resources>, sign: 1 | -1): void {
  to.memoryMiB += sign * amount.memoryMiB;
  to.cpuUnits += sign * amount.cpuUnits;
}

function percentOf(part: number, whole: number): number {
  return whole === 0 ? 0 : (100 * part) / whole;
}
