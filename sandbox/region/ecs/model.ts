import type { BusEvent } from '../event-bridge/model.ts';
import { NO_FAULTS } from '../faults.ts';
import type { Place } from '../place.ts';
import type { Random } from '../time/random.ts';
import type { VirtualTime } from '../time/virtual-time.ts';
import type { Trace } from '../trace.ts';
import { Agents } from './agents.ts';
import { Announcements } from './announcements.ts';
import { roomiest } from './room.ts';
import { type Readings, type ServiceChange, ServiceScheduler } from './service-scheduler.ts';
import {
  behaviorOf,
  type InstanceSpec,
  type KilledTask,
  NOW,
  type ServiceSpec,
  type StandaloneTaskSpec,
  type StandingDeployment,
  type StandingTask,
} from './specs.ts';
import { type ContainerInstance, EcsState, type Service, type Task } from './state.ts';
import { TaskLifecycle } from './task-lifecycle.ts';
import type { CapacityProvider, ClusterView, InstanceView, Resources, TaskDefinition, TaskView } from './views.ts';

export interface EcsOptions {
  readonly time: Pick<VirtualTime, 'nowMs' | 'after'>;
  readonly place: Place;
  readonly random: Random;
  readonly trace: Trace;
  /** Puts an event on the default bus. */
  readonly publish: (event: BusEvent) => void;
  /** How the model reads what AWS leaves open; by default as docs/aws-facts.md does. */
  readonly readings?: Readings;
}

/** Protection lasts two hours, unless its duration is given. */
const PROTECTION_SECONDS = 2 * 60 * 60;
/** How long an agent had been in the cluster that it has left. */
const LEFT_EARLIER_SECONDS = 3_600;
const SWITCHED_OFF = Number.NEGATIVE_INFINITY;

/**
 * Amazon ECS in virtual time: what the service scheduler, the agents and the load balancers do. The operations of its
 * API are in api.ts.
 */
export class EcsModel {
  readonly #time: EcsOptions['time'];
  readonly #state: EcsState;
  readonly #announcements: Announcements;
  readonly #agents: Agents;
  readonly #tasks: TaskLifecycle;
  readonly #scheduler: ServiceScheduler;
  /** The EC2 instances that were terminated. */
  readonly #terminated = new Set<string>();

  constructor({ time, place, random, trace, publish, readings = NO_FAULTS }: EcsOptions) {
    const state = new EcsState({ time, place, random: random.fork('container-instances') });
    const announcements = new Announcements({ nowMs: () => time.nowMs(), place, trace, publish });
    const offerRoom = (instance: ContainerInstance) => this.#scheduler.offerRoom(instance);
    const serviceChanged = (service: Service) => this.#scheduler.lookSoon(service);
    const agents = new Agents({ state, announcements, offerRoom });
    const hasTried = (task: Task, succeeded: boolean) => this.#scheduler.hasTried(task, succeeded);
    const tasks = new TaskLifecycle({
      time,
      random,
      state,
      agents,
      announcements,
      serviceChanged,
      hasTried,
      offerRoom,
    });
    const isProtected = (task: Task) => this.protectedUntilMs(task) !== undefined;
    this.#scheduler = new ServiceScheduler({ time, state, tasks, announcements, isProtected, readings });
    this.#time = time;
    this.#state = state;
    this.#announcements = announcements;
    this.#agents = agents;
    this.#tasks = tasks;
  }

  // --- The world: what operators, agents and EC2 do -------------------------------------------------------------------

  createCluster(name: string): void {
    this.#state.createCluster(name);
  }

  /** Only an empty cluster can be deleted (ECS API reference, DeleteCluster). */
  deleteCluster(name: string): void {
    this.#state.deleteCluster(name);
  }

  /** The instances of an Auto Scaling group, as a place for tasks. */
  createCapacityProvider(
    name: string,
    autoScalingGroupArn: string,
    managed: Partial<Pick<CapacityProvider, 'managedDraining' | 'managedScaling'>> = {},
  ): void {
    this.#state.createCapacityProvider(name, autoScalingGroupArn, managed);
  }

  /** The tasks that find no room, of services that ask for the capacity provider. */
  unplacedOf(cluster: string, provider: string): (Resources & { readonly count: number })[] {
    return [...this.#state.cluster(cluster).stuck].flatMap(({ deployments, unplaced }) => {
      const { memoryMiB, cpuUnits } = deployments[0].definition;
      const count = unplaced.get(provider) ?? 0;
      return count > 0 ? { memoryMiB, cpuUnits, count } : [];
    });
  }

  /** The agent of an EC2 instance registers it. Returns the container instance's ARN. */
  registerInstance(instance: InstanceSpec): string {
    const { cluster, ec2InstanceId, memoryMiB, cpuUnits, attributes = {}, ...more } = instance;
    const { taskInterfaces, gpus, ports, capacityProvider, registeredSecondsAgo = 0 } = more;
    const capacity = { memoryMiB, cpuUnits };
    const host = {
      ec2InstanceId,
      capacity,
      attributes: new Map(Object.entries(attributes)),
      taskInterfaces,
      gpus,
      ports,
      capacityProvider,
    };
    const registeredAtMs = this.nowMs() - registeredSecondsAgo * 1000;
    return this.#agents.register(this.#state.cluster(cluster), host, registeredAtMs);
  }

  /**
   * The agent lost its state and registers again. The old registration stays as it was and disconnected, with its tasks
   * (facts 14 instance-lookup) and with the attributes that were put on it (facts 96 container-instance-attributes). It may
   * register with another cluster.
   */
  reRegisterAgent(ec2InstanceId: string, cluster?: string): string {
    const old = this.#state.newestRegistration(ec2InstanceId);
    this.#agents.connect(old, false);
    const joined = cluster === undefined ? old.cluster : this.#state.cluster(cluster);
    return this.#agents.register(joined, { ...old, attributes: old.agentAttributes });
  }

  /** An earlier registration of the instance, in a cluster that its agent has left: empty and disconnected. */
  leaveRegistration(ec2InstanceId: string, cluster: string): void {
    const { agentAttributes: attributes, registeredAtMs, ...host } = this.#state.newestRegistration(ec2InstanceId);
    const earlierMs = registeredAtMs - LEFT_EARLIER_SECONDS * 1000;
    const left = this.#state.addInstance(this.#state.cluster(cluster), { ...host, attributes }, earlierMs);
    this.#agents.connect(left, false);
  }

  /** Facts 15 agent-connection: an agent's connection comes and goes; its tasks go on. A terminated instance has no agent. */
  setAgentConnected(ec2InstanceId: string, connected: boolean, containerInstance?: string): void {
    if (this.#terminated.has(ec2InstanceId)) return;
    this.#agents.connect(this.#registration({ ec2InstanceId, containerInstance }), connected);
  }

  #registration({ ec2InstanceId, containerInstance }: Pick<StandingTask, 'ec2InstanceId' | 'containerInstance'>) {
    const named = this.#state.registrationsOf(ec2InstanceId).find(({ arn }) => arn === containerInstance);
    return named ?? this.#state.newestRegistration(ec2InstanceId);
  }

  /** With the deployments and tasks that are there from the start; without deployments, its only one is complete. */
  createService(
    spec: ServiceSpec,
    standing: readonly StandingTask[] = [],
    deployments: readonly StandingDeployment[] = [],
  ): void {
    const tasks = standing.map((task) => ({ ...task, instance: this.#registration(task) }));
    this.#scheduler.begin(this.#state.createService(spec, deployments), tasks);
  }

  updateService(cluster: string, name: string, change: ServiceChange): void {
    this.#scheduler.update(this.#state.service(cluster, name), change);
  }

  /** Stops the tasks of a service; it is INACTIVE when they have stopped. */
  deleteService(cluster: string, name: string): void {
    this.#scheduler.end(this.#state.service(cluster, name));
  }

  /** A standalone task that is there from the start; it runs for as long from now on as the spec says. */
  standTask(spec: StandaloneTaskSpec, group: string, standing: StandingTask): void {
    const { phase, progress } = standing;
    const instance = this.#registration(standing);
    const definition = this.#state.define(spec);
    const { startedBy } = spec;
    const launch = { service: undefined, group, startedBy, definition, behavior: behaviorOf(spec) };
    if (phase === 'starting') this.#tasks.start(instance, launch, progress);
    else if (phase === 'running') this.#tasks.stand(instance, launch);
    else {
      const stop = { code: 'UserInitiated', reason: 'Task stopped by user' } as const;
      this.#tasks.standStopping(instance, launch, stop, progress ?? NOW);
    }
  }

  /** @throws Error if there is no room for it. */
  runTask(spec: StandaloneTaskSpec): void {
    const { name, startedBy, ec2InstanceId } = spec;
    const hosts = ec2InstanceId
      ? [this.#state.newestRegistration(ec2InstanceId)]
      : this.#state.cluster(spec.cluster).registered;
    const host = roomiest(hosts, spec);
    if (!host) throw new Error(`No container instance of cluster ${spec.cluster} has room for the task ${name}.`);
    const definition = this.#state.define(spec);
    const group = `family:${name}`;
    this.#tasks.start(host, { service: undefined, group, startedBy, definition, behavior: behaviorOf(spec) });
  }

  /**
   * EC2 terminates the instance. It is deregistered where its agent is connected, and stays registered where it is not
   * (facts 15 agent-connection). Either way what had not STOPPED on it ends (facts 64 termination-time).
   */
  terminateInstance(ec2InstanceId: string): readonly KilledTask[] {
    this.#terminated.add(ec2InstanceId);
    return this.#endHost(ec2InstanceId, 'terminated', (instance) => {
      if (instance.agentConnected) this.#agents.deregister(instance);
    });
  }

  /**
   * EC2 stops the instance: it stays registered (facts 15 agent-connection), its agent is silent, and so ends what had
   * not STOPPED on it.
   */
  stopHost(ec2InstanceId: string): readonly KilledTask[] {
    return this.#endHost(ec2InstanceId, 'stopped', (instance) => this.#agents.connect(instance, false));
  }

  #endHost(
    ec2InstanceId: string,
    how: 'terminated' | 'stopped',
    endRegistration: (instance: ContainerInstance) => void,
  ): readonly KilledTask[] {
    const hosts = this.#state.registrationsOf(ec2InstanceId).filter(({ status }) => status !== 'INACTIVE');
    const killed = hosts.flatMap(({ holding }) => [...holding]);
    for (const host of hosts) endRegistration(host);
    return killed.map((task) => {
      const { arn, group, lastStatus } = task;
      return { arn, group, lastStatus, ec2InstanceId, fate: this.#tasks.kill(task, how) };
    });
  }

  // --- What can be seen -----------------------------------------------------------------------------------------------

  /** All clusters, by name. */
  get clusters(): ReadonlyMap<string, ClusterView> {
    return this.#state.clusters;
  }

  /**
   * What running tasks reserve of what the instances have: CloudWatch's MemoryReservation and CPUReservation (ECS
   * developer guide, "available metrics"). A task that is still starting is in neither.
   */
  reservation(cluster: string): { readonly memoryPercent: number; readonly cpuPercent: number } {
    const { reserved, capacity } = this.#state.cluster(cluster);
    return {
      memoryPercent: percentOf(reserved.memoryMiB, capacity.memoryMiB),
      cpuPercent: percentOf(reserved.cpuUnits, capacity.cpuUnits),
    };
  }

  /** How many tasks are on the instance as the API counts them, and how many really (facts 13 counting-trap). */
  accountOf(ec2InstanceId: string): { readonly counted: number; readonly holding: number } {
    const account = { counted: 0, holding: 0 };
    for (const { tally, holding } of this.#state.registrationsOf(ec2InstanceId)) {
      account.counted += tally.running + tally.pending;
      account.holding += holding.size;
    }
    return account;
  }

  /** By all services behind a load balancer, so far. */
  requestsLost(): number {
    return this.#state.loadBalancers.reduce((sum, loadBalancer) => sum + loadBalancer.requestsLost(), 0);
  }

  /** The container instances of an EC2 instance, in every cluster and state, the newest last. */
  registrationsOf(ec2InstanceId: string): readonly InstanceView[] {
    return this.#state.registrationsOf(ec2InstanceId);
  }

  /** The revisions of a family, in order. */
  revisionsOf(family: string): readonly TaskDefinition[] {
    return this.#state.revisionsOf(family);
  }

  /** By name, Fargate's among them. */
  get capacityProviders(): ReadonlyMap<string, CapacityProvider> {
    return this.#state.capacityProviders;
  }

  /** Epoch milliseconds. */
  nowMs(): number {
    return this.#state.nowMs();
  }

  /** The Region and the account that its ARNs say. */
  get place(): Pick<Place, 'region' | 'account'> {
    return this.#state.place;
  }

  arnOf(type: string, name: string): string {
    return this.#state.arnOf(type, name);
  }

  // --- What the API changes -------------------------------------------------------------------------------------------

  setInstanceStatus({ id, cluster }: InstanceView, status: 'ACTIVE' | 'DRAINING'): void {
    const instance = this.#state.instance(cluster.name, id);
    instance.status = status;
    this.#announcements.tellInstance(instance); // Facts 5 container-instance-event: no event.
    this.#scheduler.statusChanged(instance);
  }

  /** A value for each name, in place of an earlier one. */
  putAttributes({ id, cluster }: InstanceView, attributes: ReadonlyMap<string, string | undefined>): void {
    const instance = this.#state.instance(cluster.name, id);
    for (const [name, value] of attributes) instance.attributes.set(name, value);
  }

  deleteAttributes({ id, cluster }: InstanceView, names: readonly string[]): void {
    const instance = this.#state.instance(cluster.name, id);
    for (const name of names) instance.attributes.delete(name);
  }

  /** Starts a task of no service on the instance. */
  startTask(
    { id, cluster }: InstanceView,
    definition: TaskDefinition,
    { group, startedBy }: Pick<TaskView, 'group' | 'startedBy'>,
  ): TaskView {
    const instance = this.#state.instance(cluster.name, id);
    const { behavior } = definition;
    return this.#tasks.start(instance, { service: undefined, group, startedBy, definition, behavior });
  }

  /** The instance is INACTIVE permanently. ECS forgets the tasks that it still has, and replaces those of services. */
  deregisterInstance({ id, cluster }: InstanceView): void {
    const instance = this.#state.instance(cluster.name, id);
    const orphans = [...instance.holding];
    this.#agents.deregister(instance);
    for (const task of orphans) this.#tasks.orphan(task);
  }

  /** Stops a task on request. */
  stopTask({ id, instance }: TaskView, reason: string): void {
    this.#tasks.stop(this.#state.task(instance.cluster.name, id), { code: 'UserInitiated', reason });
  }

  /**
   * Until when a task is spared when its service scales in or is deployed; undefined if it is not
   * (facts 39 task-protection).
   */
  protectedUntilMs({ service, protectedUntilMs = 0 }: TaskView): number | undefined {
    if (protectedUntilMs === SWITCHED_OFF) return undefined;
    const renewedMs = service?.spec.protectedFromScaleIn ? this.nowMs() + PROTECTION_SECONDS * 1000 : 0;
    const untilMs = Math.max(protectedUntilMs, renewedMs);
    return untilMs > this.nowMs() ? untilMs : undefined;
  }

  /** Protects a task for so long, or no longer: once it is switched off, the task does not renew it by itself. */
  setTaskProtection({ id, instance }: TaskView, enabled: boolean, seconds = PROTECTION_SECONDS): void {
    const task = this.#state.task(instance.cluster.name, id);
    task.protectedUntilMs = enabled ? this.nowMs() + seconds * 1000 : SWITCHED_OFF;
    const { service } = task;
    if (!service) return;
    if (enabled) this.#time.after(seconds, () => this.#scheduler.lookSoon(service));
    else this.#scheduler.lookSoon(service);
  }
}

function percentOf(part: number, whole: number): number {
  return whole === 0 ? 0 : (100 * part) / whole;
}
