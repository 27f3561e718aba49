import { isDeepStrictEqual } from 'node:util';
import { LoadBalancer } from '../elastic-load-balancing/load-balancer.ts';
import type { Place } from '../place.ts';
import type { Random } from '../time/random.ts';
import type { VirtualTime } from '../time/virtual-time.ts';
import {
  type Behavior,
  behaviorOf,
  type CircuitBreaker,
  type ServiceSpec,
  type StandaloneTaskSpec,
  type StandingDeployment,
} from './specs.ts';
import type {
  CapacityProvider,
  ClusterView,
  Deployment,
  InstanceView,
  Resources,
  ServiceEvent,
  ServiceView,
  Stop,
  Tally,
  TaskDefinition,
  TaskStatus,
  TaskView,
} from './views.ts';

/** What ECS keeps, and the indexes over it: everything that is counted is counted where it changes. */

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export interface Cluster extends ClusterView {
  readonly instances: Map<string, ContainerInstance>;
  readonly registered: Set<ContainerInstance>;
  readonly services: Map<string, Service>;
  readonly daemons: Set<Service>;
  /** Services that wait for room. */
  readonly stuck: Set<Service>;
  readonly tasks: Map<string, Task>;
  readonly tally: Mutable<Tally>;
  readonly capacity: Mutable<Resources>;
  /** By tasks that have started and not stopped. */
  readonly reserved: Mutable<Resources>;
}

export interface ContainerInstance extends InstanceView {
  readonly cluster: Cluster;
  readonly attributes: Map<string, string | undefined>;
  readonly reserved: Mutable<Resources>;
  readonly tasks: Set<Task>;
  readonly holding: Set<Task>;
  readonly tally: Mutable<Tally>;
  /** What passes between ECS and the agent when the agent is connected again. */
  readonly undelivered: (() => void)[];
  status: InstanceView['status'];
  agentConnected: boolean;
  version: number;
}

export interface Service extends ServiceView {
  readonly cluster: Cluster;
  readonly loadBalancer: LoadBalancer | undefined;
  readonly tasks: Set<Task>;
  /** The tasks with the desired status RUNNING. */
  readonly wanted: Set<Task>;
  /** Those of the wanted tasks that will be replaced: on a DRAINING instance, or of an earlier deployment. */
  readonly leaving: Set<Task>;
  /** How many of the wanted tasks are on an instance. */
  readonly spread: Map<ContainerInstance, number>;
  readonly tally: Mutable<Tally>;
  readonly events: ServiceEvent[];
  status: ServiceView['status'];
  deployments: ServiceView['deployments'];
  desiredCount: number;
  minimumHealthyPercent: number;
  maximumPercent: number;
  circuitBreaker: CircuitBreaker | undefined;
  holding: number;
  /** How many tasks of each capacity provider found no room when the scheduler looked last; undefined is any instance. */
  readonly unplaced: Map<string | undefined, number>;
  /** The scheduler is about to look at the service. */
  due: boolean;
}

/** A status and how long it lasts. */
export type Stage = readonly [status: TaskStatus, seconds: number];

export interface Task extends TaskView {
  readonly instance: ContainerInstance;
  readonly service: Service | undefined;
  readonly behavior: Behavior;
  lastStatus: TaskStatus;
  desiredStatus: TaskView['desiredStatus'];
  version: number;
  /** What it goes through next. */
  route: readonly Stage[];
  /** When its containers end, since ECS sent them SIGTERM. */
  endsAtMs: number | undefined;
  startedAtMs: number | undefined;
  stoppingAtMs: number | undefined;
  executionStoppedAtMs: number | undefined;
  stoppedAtMs: number | undefined;
  protectedUntilMs: number | undefined;
  stop: Stop | undefined;
}

/** What registers as a container instance. */
export type Host = Pick<
  InstanceView,
  'ec2InstanceId' | 'capacity' | 'attributes' | 'taskInterfaces' | 'gpus' | 'ports' | 'capacityProvider'
>;

/** What a task is started with. */
export type Launch = Pick<Task, 'service' | 'group' | 'startedBy' | 'definition' | 'behavior'>;

export interface StateOptions {
  readonly time: Pick<VirtualTime, 'nowMs' | 'after'>;
  readonly place: Place;
  readonly random: Random;
}

const AGENT_VERSION = '1.90.0';

/** The clusters of an account in a Region, with everything in them. */
export class EcsState {
  readonly #options: StateOptions;
  /** All of them, by name. */
  readonly clusters = new Map<string, Cluster>();
  /** By name. Fargate's are there in every account. */
  readonly capacityProviders = new Map<string, CapacityProvider>();
  readonly loadBalancers: LoadBalancer[] = [];
  /** The container instances of an EC2 instance, the newest last (facts 14 instance-lookup). */
  readonly #registrations = new Map<string, ContainerInstance[]>();
  /** The revisions of each family. */
  readonly #definitions = new Map<string, TaskDefinition[]>();
  #ids = 0;

  constructor(options: StateOptions) {
    this.#options = options;
    for (const name of ['FARGATE', 'FARGATE_SPOT']) this.createCapacityProvider(name);
  }

  // --- Clusters, services and task definitions ------------------------------------------------------------------------

  deleteCluster(name: string): void {
    const { instances, services } = this.clusters.get(name) ?? {};
    if (instances?.size || services?.size) throw new Error(`The cluster ${name} is not empty.`);
    this.clusters.delete(name);
  }

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

  createCapacityProvider(
    name: string,
    autoScalingGroupArn?: string,
    { managedDraining = false, managedScaling }: Partial<CapacityProvider> = {},
  ): void {
    const arn = this.arnOf('capacity-provider', name);
    this.capacityProviders.set(name, { name, arn, autoScalingGroupArn, managedDraining, managedScaling });
  }

  /** @throws Error if there is none. */
  cluster(name: string): Cluster {
    const cluster = this.clusters.get(name);
    if (!cluster) throw new Error(`There is no cluster ${name}.`);
    return cluster;
  }

  createService(spec: ServiceSpec, standing: readonly StandingDeployment[] = []): Service {
    const cluster = this.cluster(spec.cluster);
    const service: Service = {
      arn: this.arnOf('service', `${cluster.name}/${spec.name}`),
      deployments: this.#deploymentsOf(spec, standing),
      status: 'ACTIVE',
      spec,
      cluster,
      loadBalancer: this.#balance(spec.loadBalancer),
      createdAtMs: this.nowMs(),
      tasks: new Set(),
      wanted: new Set(),
      leaving: new Set(),
      spread: new Map(),
      tally: { running: 0, pending: 0 },
      events: [],
      desiredCount: spec.desiredCount,
      minimumHealthyPercent: spec.minimumHealthyPercent,
      maximumPercent: spec.maximumPercent,
      circuitBreaker: spec.circuitBreaker,
      holding: 0,
      unplaced: new Map(),
      due: false,
    };
    cluster.services.set(spec.name, service);
    if (spec.strategy === 'DAEMON') cluster.daemons.add(service);
    return service;
  }

  /** The eldest first, so that it has the first revision of the task definition. */
  #deploymentsOf(spec: ServiceSpec, standing: readonly StandingDeployment[]): ServiceView['deployments'] {
    const deployment = ({ rolloutState, failedTasks, ...own }: StandingDeployment) => {
      const definition = this.define({ ...spec, ...own });
      return this.newDeployment(definition, { behavior: behaviorOf({ ...spec, ...own }), rolloutState, failedTasks });
    };
    const [newest = { rolloutState: 'COMPLETED', failedTasks: 0 } as const, ...earlier] = standing;
    const before = earlier.toReversed().map(deployment).reverse();
    return [deployment(newest), ...before];
  }

  newDeployment(
    definition: TaskDefinition,
    {
      behavior,
      rolloutState = 'IN_PROGRESS',
      failedTasks = 0,
    }: Pick<Deployment, 'behavior'> & Partial<Pick<Deployment, 'rolloutState' | 'failedTasks'>>,
  ): Deployment {
    const id = `ecs-svc/${String(++this.#ids).padStart(19, '0')}`;
    const [createdAtMs, updatedAtMs] = [this.nowMs(), this.nowMs()];
    const reason = `ECS deployment ${id} ${rolloutState === 'COMPLETED' ? 'completed' : 'in progress'}.`;
    return { id, definition, behavior, createdAtMs, rolloutState, reason, failedTasks, updatedAtMs };
  }

  /** @throws Error if there is none. */
  service(cluster: string, name: string): Service {
    const service = this.cluster(cluster).services.get(name);
    if (!service) throw new Error(`There is no service ${name} in cluster ${cluster}.`);
    return service;
  }

  /** A new revision of the family, unless the last one is the same. */
  define(spec: ServiceSpec | StandaloneTaskSpec): TaskDefinition {
    const { name, memoryMiB, cpuUnits, stopTimeoutSeconds, hostPorts = [], gpus } = spec;
    const { networkMode = 'bridge' as const } = spec;
    const defined = { memoryMiB, cpuUnits, stopTimeoutSeconds, hostPorts, gpus, networkMode };
    const revisions = this.revisionsOf(name);
    const last = revisions.at(-1);
    if (last && isDeepStrictEqual({ ...last, ...defined }, last)) return last;
    const revision = revisions.length + 1;
    const arn = this.arnOf('task-definition', `${name}:${revision}`);
    const definition: TaskDefinition = {
      arn,
      family: name,
      revision,
      ...defined,
      registeredAtMs: this.nowMs(),
      behavior: behaviorOf(spec),
    };
    this.#definitions.set(name, [...revisions, definition]);
    return definition;
  }

  /** The revisions of a family, in order. */
  revisionsOf(family: string): readonly TaskDefinition[] {
    return this.#definitions.get(family) ?? [];
  }

  #balance(spec: ServiceSpec['loadBalancer']): LoadBalancer | undefined {
    if (!spec) return undefined;
    const loadBalancer = new LoadBalancer({ time: this.#options.time, ...spec });
    this.loadBalancers.push(loadBalancer);
    return loadBalancer;
  }

  // --- Container instances --------------------------------------------------------------------------------------------

  addInstance(cluster: Cluster, host: Host, registeredAtMs = this.nowMs()): ContainerInstance {
    const { ec2InstanceId, capacity, attributes, taskInterfaces, gpus, ports, capacityProvider } = host;
    const id = this.#drawnId();
    const instance: ContainerInstance = {
      id,
      number: ++this.#ids,
      arn: this.arnOf('container-instance', `${cluster.name}/${id}`),
      ec2InstanceId,
      cluster,
      capacity,
      taskInterfaces,
      gpus,
      ports,
      capacityProvider,
      reserved: { memoryMiB: 0, cpuUnits: 0 },
      registeredAtMs,
      agentVersion: AGENT_VERSION,
      attributes: new Map(attributes),
      agentAttributes: attributes,
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
    const registrations = [...this.registrationsOf(ec2InstanceId), instance];
    const inOrder = registrations.toSorted((a, b) => a.registeredAtMs - b.registeredAtMs);
    this.#registrations.set(ec2InstanceId, inOrder);
    return instance;
  }

  /** @throws Error if there is none. */
  instance(cluster: string, id: string): ContainerInstance {
    const instance = this.cluster(cluster).instances.get(id);
    if (!instance) throw new Error(`There is no container instance ${id} in cluster ${cluster}.`);
    return instance;
  }

  /** It is INACTIVE from now on. */
  retireInstance(instance: ContainerInstance): void {
    instance.status = 'INACTIVE';
    instance.agentConnected = false;
    instance.cluster.registered.delete(instance);
    add(instance.cluster.capacity, instance.capacity, -1);
  }

  /** The container instances of an EC2 instance, in every cluster and state, the newest last. */
  registrationsOf(ec2InstanceId: string): readonly ContainerInstance[] {
    return this.#registrations.get(ec2InstanceId) ?? [];
  }

  /** @throws Error if there is none. */
  newestRegistration(ec2InstanceId: string): ContainerInstance {
    const instance = this.registrationsOf(ec2InstanceId).at(-1);
    if (!instance) throw new Error(`No container instance is on ${ec2InstanceId}.`);
    return instance;
  }

  // --- Tasks ----------------------------------------------------------------------------------------------------------

  /** A new task on the instance, in every index. */
  addTask(instance: ContainerInstance, launch: Launch): Task {
    const id = this.newId();
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
      endsAtMs: undefined,
      startedAtMs: undefined,
      stoppingAtMs: undefined,
      executionStoppedAtMs: undefined,
      stoppedAtMs: undefined,
      protectedUntilMs: undefined,
      stop: undefined,
    };
    const { service, definition } = task;
    instance.cluster.tasks.set(task.id, task);
    instance.tasks.add(task);
    instance.holding.add(task);
    add(instance.reserved, definition, 1);
    count(task, 1);
    if (!service) return task;
    service.tasks.add(task);
    service.holding += 1;
    service.wanted.add(task);
    service.spread.set(instance, (service.spread.get(instance) ?? 0) + 1);
    return task;
  }

  /** @throws Error if it is not listed, or not any more. */
  task(cluster: string, id: string): Task {
    const task = this.cluster(cluster).tasks.get(id);
    if (!task) throw new Error(`There is no task ${id} in cluster ${cluster}.`);
    return task;
  }

  /** The task is no longer to run. Returns whether that is new. */
  dismiss(task: Task, stop: Stop): boolean {
    task.stop = stop;
    if (task.desiredStatus === 'STOPPED') return false;
    recount(task, () => {
      task.desiredStatus = 'STOPPED';
    });
    task.stoppingAtMs = this.nowMs();
    const { instance, service } = task;
    if (!service) return true;
    service.wanted.delete(task);
    service.leaving.delete(task);
    service.spread.set(instance, (service.spread.get(instance) ?? 0) - 1);
    return true;
  }

  setStatus(task: Task, status: TaskStatus): void {
    recount(task, () => {
      task.lastStatus = status;
    });
    if (status === 'DEPROVISIONING') task.executionStoppedAtMs = this.nowMs();
    if (status === 'STOPPED') task.stoppedAtMs = this.nowMs();
    if (status !== 'RUNNING') return;
    task.startedAtMs = this.nowMs();
    add(task.instance.cluster.reserved, task.definition, 1);
  }

  /** A stopped task gives back what it had reserved. */
  release(task: Task): void {
    const { instance, service, definition } = task;
    if (service) service.holding -= 1;
    instance.holding.delete(task);
    add(instance.reserved, definition, -1);
    if (task.startedAtMs !== undefined) add(instance.cluster.reserved, definition, -1);
  }

  /** A stopped task is listed no longer. */
  forget(task: Task): void {
    task.instance.cluster.tasks.delete(task.id);
    task.instance.tasks.delete(task);
    task.service?.tasks.delete(task);
  }

  // --- Names and time -------------------------------------------------------------------------------------------------

  newId(): string {
    return (++this.#ids).toString(16).padStart(32, '0');
  }

  /** Of the registrations of one EC2 instance, any may sort first. */
  #drawnId(): string {
    const digits = () =>
      Math.floor(this.#options.random.between(0, 16 ** 8))
        .toString(16)
        .padStart(8, '0');
    return Array.from({ length: 4 }, digits).join('');
  }

  arnOf(type: string, name: string): string {
    const { region, account } = this.place;
    return `arn:aws:ecs:${region}:${account}:${type}/${name}`;
  }

  get place(): Place {
    return this.#options.place;
  }

  /** Epoch milliseconds. */
  nowMs(): number {
    return this.#options.time.nowMs();
  }
}

/** How many tasks a service should have: a daemon, one on every ACTIVE instance. */
export function desiredCountOf({ spec, cluster, desiredCount }: ServiceView): number {
  if (spec.strategy === 'REPLICA') return desiredCount;
  return [...cluster.registered].filter(({ status }) => status === 'ACTIVE').length;
}

function recount(task: Task, change: () => void): void {
  count(task, -1);
  change();
  count(task, 1);
}

function count(task: Task, by: 1 | -1): void {
  if (task.desiredStatus === 'STOPPED') return;
  const which = task.lastStatus === 'RUNNING' ? 'running' : 'pending';
  task.instance.tally[which] += by;
  task.instance.cluster.tally[which] += by;
  if (task.service) task.service.tally[which] += by;
}

function add(to: Mutable<Resources>, amount: Resources, sign: 1 | -1): void {
  to.memoryMiB += sign * amount.memoryMiB;
  to.cpuUnits += sign * amount.cpuUnits;
}
