import { isDeepStrictEqual } from 'node:util';
import {
  type GroupSpec,
  type HookSpec,
  type Member,
  SCALING_PROCESSES,
  type ScalingProcess,
} from '../region/auto-scaling/views.ts';
import { AwsError } from '../region/aws-error.ts';
import { clusterQuery } from '../region/ecs/cluster-query.ts';
import type {
  Placement,
  ServiceSpec,
  StandaloneTaskSpec,
  StandingDeployment,
  StandingTask,
} from '../region/ecs/specs.ts';
import type { CapacityProvider } from '../region/ecs/views.ts';
import type { Region } from '../region/region.ts';
import type { Params } from '../scenarios.ts';
import type { Estimates } from './estimates.ts';
import { foreignHookSpecsOf, hookSpecsOf } from './hooks.ts';
import { attributesIn, isRarelyAsked } from './placement-attributes.ts';
import {
  type Snapshot,
  type SnapshotInstance,
  type SnapshotService,
  type SnapshotTask,
  type SnapshotTaskDefinition,
  serviceOf,
} from './snapshot.ts';
import { taskInterfacesOf } from './task-interfaces.ts';

/** What the instances that a group launches have. */
type Kind = Omit<Member, 'instanceId' | 'protectedFromScaleIn'>;

/** A cluster as the local Region can build it. */
export interface Blueprint {
  readonly group: GroupSpec;
  /** What a new instance may be like, the smallest first: a rehearsal launches one of them, by its seed number. */
  readonly kinds: readonly Kind[];
  /** The processes of the group that are suspended, and stay so. */
  readonly suspended: readonly ScalingProcess[];
  /** Its instances whose agents are disconnected, and stay so. */
  readonly silent: readonly string[];
  /** Its instances that are DRAINING already. */
  readonly draining: readonly string[];
  /** The hooks of ecs-drain that the group has: without any, the deployment creates one. */
  readonly hooks: readonly HookSpec[];
  /** The terminating hooks of others: an instance is held by them with and without ecs-drain. */
  readonly foreignHooks: readonly HookSpec[];
  /** The capacity provider of the group, and what ECS manages by it. */
  readonly provider:
    | ({ readonly name: string } & Pick<CapacityProvider, 'managedDraining' | 'managedScaling'>)
    | undefined;
  /** Container instances that are not in service in the group: of other groups, on their way out, or earlier registrations. */
  readonly others: readonly (SnapshotInstance & { readonly registeredSecondsAgo: number })[];
  readonly services: readonly {
    readonly spec: ServiceSpec;
    readonly standing: readonly StandingTask[];
    readonly deployments: readonly StandingDeployment[];
  }[];
  readonly standalone: readonly {
    readonly spec: StandaloneTaskSpec;
    /** What RunTask was given. */
    readonly group: string;
    readonly standing: StandingTask;
  }[];
}

/** What the Region builds of a snapshot, with what is known or assumed of time, and for a deployment with these params. */
export function blueprintOf(snapshot: Snapshot, estimates: Estimates, params: Params): Blueprint {
  const { cluster, takenAtMs } = snapshot;
  const members = new Set(hostsInService(snapshot));
  const kinds = kindsIn(snapshot);
  const others = cluster.instances
    .filter((host) => !members.has(host))
    .map((host) => ({
      ...host,
      status: isLeaving(host.ec2InstanceId, snapshot) ? 'DRAINING' : host.status,
      registeredSecondsAgo: Math.max(1, (takenAtMs - host.registeredAtMs) / 1000),
    }));
  return {
    group: groupOf(snapshot, estimates, kinds[0]),
    kinds,
    suspended: suspendedIn(snapshot),
    silent: [...members].flatMap(({ ec2InstanceId, agentConnected }) => (agentConnected ? [] : ec2InstanceId)),
    draining: [...members].flatMap(({ ec2InstanceId, status }) => (status === 'DRAINING' ? ec2InstanceId : [])),
    hooks: hookSpecsOf(snapshot, params),
    foreignHooks: foreignHookSpecsOf(snapshot, params),
    provider: providerOf(snapshot),
    others,
    services: servicesOf(snapshot, estimates),
    standalone: standaloneTasksOf(snapshot, estimates),
  };
}

/** Whether an instance is on its way out of the group: until it is DRAINING, ECS starts tasks there that end with it. */
export function isLeaving(id: string, { group }: Snapshot): boolean {
  return group.instances.some((each) => each.id === id && /^(Warmed:)?(Terminat|Detach)/.test(each.state));
}

function providerOf({ cluster, group }: Snapshot): Blueprint['provider'] {
  const own = cluster.capacityProviders.find(({ autoScalingGroup }) => autoScalingGroup === group.name);
  if (!own) return undefined;
  const { name, managedDraining, managedScaling, minimumStep = 1, maximumStep = 10_000 } = own;
  const settings = {
    minimumStep,
    maximumStep,
    targetPercent: own.targetCapacityPercent,
    protectsTasks: own.managedTerminationProtection,
  };
  return { name, managedDraining, managedScaling: managedScaling ? settings : undefined };
}

/**
 * The container instance of each EC2 instance: where an agent has registered more than once (facts 14 instance-lookup), the one whose
 * agent is connected, and of several the newest.
 */
export function hostsIn({ instances }: Snapshot['cluster']): ReadonlyMap<string, SnapshotInstance> {
  const bestLast = instances.toSorted(
    (a, b) => Number(a.agentConnected) - Number(b.agentConnected) || a.registeredAtMs - b.registeredAtMs,
  );
  return new Map(bestLast.map((host) => [host.ec2InstanceId, host]));
}

export function suspendedIn({ group }: Pick<Snapshot, 'group'>): ScalingProcess[] {
  return SCALING_PROCESSES.filter((process) => group.suspendedProcesses.includes(process));
}

/**
 * The container instances of the group's instances that are in service: ACTIVE, or DRAINING because someone has set them so. In the order
 * in which a scale-in takes them: AWS lists them in any order, and their registrations show their age.
 */
export function hostsInService({ group, cluster }: Snapshot): SnapshotInstance[] {
  const hosts = hostsIn(cluster);
  const newestFirst = cluster.instances.toSorted((a, b) => b.registeredAtMs - a.registeredAtMs);
  // An agent may have registered again.
  const first = new Map(newestFirst.map(({ ec2InstanceId, registeredAtMs }) => [ec2InstanceId, registeredAtMs]));
  const oldestFirst = group.instances.toSorted((a, b) => (first.get(a.id) ?? 0) - (first.get(b.id) ?? 0));
  const byAge = group.terminationPolicies?.[0] === 'NewestInstance' ? oldestFirst.toReversed() : oldestFirst;
  return fullestZoneFirst(byAge).flatMap(({ id, state }) => {
    const host = hosts.get(id);
    return state === 'InService' && host && SERVING.has(host.status) ? host : [];
  });
}

/** Auto Scaling takes an instance of the zone that has most of them (facts 108 termination-policies). */
function fullestZoneFirst<Of extends { readonly zone?: string | undefined }>(instances: readonly Of[]): Of[] {
  const zones = [...Map.groupBy(instances, ({ zone }) => zone).values()];
  const place = new Map(instances.map((each, i) => [each, i]));
  const first = ([each]: readonly Of[]) => (each ? (place.get(each) ?? 0) : 0);
  return instances.flatMap(() => zones.sort((a, b) => b.length - a.length || first(a) - first(b))[0]?.shift() ?? []);
}

const SERVING: ReadonlySet<string> = new Set(['ACTIVE', 'DRAINING']);

export function membersOf(snapshot: Snapshot): Member[] {
  const isProtected = new Map(snapshot.group.instances.map((each) => [each.id, each.protectedFromScaleIn]));
  return hostsInService(snapshot).map((host) => {
    const { ec2InstanceId: instanceId } = host;
    return { instanceId, ...registeredWith(host), protectedFromScaleIn: isProtected.get(instanceId) ?? false };
  });
}

/** What an instance of the snapshot registers with. */
function registeredWith(host: SnapshotInstance) {
  const { memoryMiB, cpuUnits, gpus, capacityProvider, attributes } = host;
  const ports = portsOf(host.ports, host.udpPorts);
  return { memoryMiB, cpuUnits, gpus, ports, attributes, capacityProvider, taskInterfaces: taskInterfacesOf(host) };
}

/** The Region knows no protocols: in a plan, the ports of UDP have numbers of their own. */
function portsOf(tcp: readonly number[], udp: readonly number[] = []): number[] {
  return [...tcp, ...udp.map((port) => 65_536 + port)];
}

/** A group has no reason to grow to more in a rehearsal, and the Region plays no more than twice as many. */
const MOST_PLAYED = 10_000;

/** The sizes of the group in a rehearsal. Instances that are not in service do not count: the sizes shrink with them. */
export function sizesOf(snapshot: Snapshot) {
  const { minSize, maxSize, desiredCapacity } = snapshot.group;
  const inService = membersOf(snapshot).length;
  const away = Math.max(0, desiredCapacity - inService);
  return {
    minSize: Math.max(0, Math.min(inService, minSize - away)),
    maxSize: Math.max(inService, Math.min(maxSize - away, MOST_PLAYED)),
    desiredCapacity: inService,
    away,
  };
}

const NOTHING: Kind = { memoryMiB: 0, cpuUnits: 0, attributes: {} };

function groupOf(snapshot: Snapshot, { launch }: Estimates, kind: Kind = NOTHING): GroupSpec {
  const { group, cluster } = snapshot;
  const members = membersOf(snapshot);
  const { minSize, maxSize, desiredCapacity } = sizesOf(snapshot);
  const inUse = new Set(members.flatMap(({ attributes }) => attributes[ZONE] ?? []));
  const zones = inUse.size > 0 ? (group.zones ?? [...inUse]) : [];
  const { warmPool } = group;
  const reuses = warmPool?.reuseOnScaleIn ?? false;
  return {
    name: group.name,
    cluster: cluster.name,
    minSize,
    maxSize,
    desiredCapacity,
    members,
    ...kind,
    ...(zones.length > 0 && { zones, zoneAttributes: subnetsOf(members) }),
    launchSeconds: launch.seconds,
    capacityRebalance: group.capacityRebalance,
    retainOnAbandon: group.retainOnAbandon,
    newInstancesProtected: group.newInstancesProtected,
    ...(group.defaultInstanceWarmupSeconds !== undefined && {
      defaultInstanceWarmupSeconds: group.defaultInstanceWarmupSeconds,
    }),
    ...(group.healthCheckGraceSeconds !== undefined && { healthCheckGraceSeconds: group.healthCheckGraceSeconds }),
    ...(warmPool && {
      // To a pool that has room, an instance returns, and is not drained: where the size is not known, the plan expects that.
      warmPoolSize: warmPool.size === undefined ? (reuses ? 0 : undefined) : Math.min(warmPool.size, MOST_PLAYED),
      warmPool: {
        minSize: Math.min(warmPool.minSize, MOST_PLAYED),
        poolState: warmPool.poolState === 'Running' ? 'Running' : 'Stopped',
        reuseOnScaleIn: reuses,
        ...(warmPool.maxGroupPreparedCapacity !== undefined && {
          maxGroupPreparedCapacity: Math.min(warmPool.maxGroupPreparedCapacity, MOST_PLAYED),
        }),
      },
    }),
  };
}

/** The subnet of an instance goes with its zone. */
function subnetsOf(members: readonly Member[]): GroupSpec['zoneAttributes'] {
  return Object.fromEntries(
    members.flatMap(({ attributes: { [ZONE]: zone, [SUBNET]: subnet } }) =>
      zone !== undefined && subnet !== undefined ? [[zone, { [SUBNET]: subnet }]] : [],
    ),
  );
}

/** No one knows which of its types Auto Scaling launches: a new instance is like one of the members, in any zone. */
export function kindsIn(snapshot: Snapshot): Kind[] {
  const members = membersOf(snapshot);
  const isLaunched = launchedAttributes(members);
  const provider = providerOf(snapshot);
  const smallestFirst = members.toSorted((a, b) => a.memoryMiB - b.memoryMiB || a.cpuUnits - b.cpuUnits);
  const kinds = smallestFirst.map(({ instanceId, protectedFromScaleIn, attributes, ...kind }): Kind => {
    const launched = Object.fromEntries(Object.entries(attributes).filter(([name]) => isLaunched(name)));
    // Instances that registered before the group had a provider are without it.
    return { ...kind, attributes: launched, ...(provider && { capacityProvider: provider.name }) };
  });
  return kinds.filter((kind, i) => kinds.findIndex((other) => isDeepStrictEqual(kind, other)) === i);
}

/**
 * Which attributes a new instance has. One of the cluster's own that some instances lack may have been set by hand, and new ones do not
 * have it. Their zone and subnet are the group's choice.
 */
function launchedAttributes(members: readonly Member[]): (name: string) => boolean {
  const all = Object.entries(members[0]?.attributes ?? {}).filter(([name, value]) =>
    members.every(({ attributes }) => attributes[name] === value),
  );
  const ofAll = new Map(all);
  return (name) => name !== ZONE && name !== SUBNET && (name.startsWith('ecs.') || ofAll.has(name));
}

function servicesOf(snapshot: Snapshot, estimates: Estimates): Blueprint['services'] {
  const { cluster } = snapshot;
  const tasksOf = Map.groupBy(cluster.tasks, serviceOf);
  return cluster.services.flatMap((service) => {
    const times = estimates.services.get(service.name);
    if (!times) return [];
    const tasks = tasksOf.get(service.name) ?? [];
    const definition = cluster.taskDefinitions.find(({ name }) => name === service.taskDefinition);
    const fails = newTasksFail(service, tasks);
    // A deployment ends when enough tasks have failed; without one they are taken to get nowhere.
    const startFails = fails && service.circuitBreaker !== undefined && isDeployed(service);
    const spec: ServiceSpec = {
      cluster: cluster.name,
      name: service.name,
      strategy: service.strategy,
      desiredCount: service.desiredCount,
      minimumHealthyPercent: service.minimumHealthyPercent,
      maximumPercent: service.maximumPercent,
      ...sizeOf(service.taskDefinition, cluster, tasks),
      placement: placementOf(service, definition, cluster.instances),
      ...(service.capacityProviders.length > 0 && { capacityProviders: service.capacityProviders }),
      startSeconds: fails && !startFails ? Number.POSITIVE_INFINITY : times.start.seconds,
      startFails,
      ...(service.circuitBreaker && { circuitBreaker: service.circuitBreaker }),
      stopTimeoutSeconds: times.stopTimeout.seconds,
      stopsAfterSeconds: times.stop.seconds,
      ...(times.deregistration && {
        loadBalancer: {
          deregistrationDelaySeconds: times.deregistration.seconds,
          requestsPerSecond: times.requests?.perSecond ?? 0,
        },
      }),
      ...((service.protectedTasks ?? 0) > 0 && { protectedFromScaleIn: true }),
    };
    return {
      spec,
      standing: tasks.map((task) => ({
        ...standingOf(task, snapshot, estimates),
        deployment: deploymentOf(task, service),
      })),
      deployments: deploymentsOf(service, cluster, tasks, startFails),
    };
  });
}

/** Whether the service is in the middle of a deployment that ECS makes. */
function isDeployed({ deployments, deploymentController }: SnapshotService): boolean {
  return deploymentController === 'ECS' && deployments[0]?.state === 'IN_PROGRESS';
}

/** Whether tasks that the service starts now do not come to run. */
export function newTasksFail(service: SnapshotService, tasks: readonly SnapshotTask[]): boolean {
  const [newest] = service.deployments;
  const isRunning = ({ startedBy, lastStatus }: SnapshotTask) => startedBy === newest?.id && lastStatus === 'RUNNING';
  const haveFailed = isDeployed(service) && (newest?.failedTasks ?? 0) > 0 && !tasks.some(isRunning);
  return haveFailed || (service.obstacles?.includes('replacements-fail') ?? false);
}

/** What a task of the task definition needs; like the tasks that run, where the definition was not read. */
function sizeOf(name: string | undefined, cluster: Snapshot['cluster'], tasks: readonly SnapshotTask[]) {
  const definition = cluster.taskDefinitions.find((each) => each.name === name);
  const alike = tasks.find(({ taskDefinition }) => taskDefinition === name) ?? tasks[0];
  const { memoryMiB, cpuUnits } = definition ?? alike ?? { memoryMiB: 0, cpuUnits: 0 };
  const networkMode = definition?.networkMode === 'awsvpc' ? ('awsvpc' as const) : undefined;
  const hostPorts = definition
    ? portsOf(definition.hostPorts, definition.udpHostPorts)
    : (alike?.hostPorts.filter((port) => port < FIRST_DYNAMIC_PORT) ?? []);
  return { memoryMiB, cpuUnits, hostPorts, gpus: definition?.gpus, networkMode };
}

/** Docker gives a container that asks for any port one from here on (ECS API reference, PortMapping). */
const FIRST_DYNAMIC_PORT = 32_768;

/** None where the service has one that is complete, or where not ECS deploys it. */
function deploymentsOf(
  service: SnapshotService,
  cluster: Snapshot['cluster'],
  tasks: readonly SnapshotTask[],
  startFails: boolean,
): StandingDeployment[] {
  if (service.deploymentController !== 'ECS') return [];
  return service.deployments.map(({ taskDefinition, state, failedTasks }, i) => ({
    ...sizeOf(taskDefinition, cluster, tasks),
    startFails: i === 0 && startFails,
    rolloutState: state,
    failedTasks,
  }));
}

/** By what started the task, else by its task definition. */
function deploymentOf({ startedBy, taskDefinition }: SnapshotTask, { deployments }: SnapshotService): number {
  const started = deployments.findIndex(({ id }) => id === startedBy);
  return Math.max(0, started < 0 ? deployments.findIndex((each) => each.taskDefinition === taskDefinition) : started);
}

/** The group gives these to each of its new instances. */
const ZONE = 'ecs.availability-zone';
const SUBNET = 'ecs.subnet-id';

/** Without a strategy ECS spreads a service over the zones (ECS developer guide, task placement strategies). */
const DEFAULT_STRATEGIES: Placement['strategies'] = [
  { type: 'spread', field: 'attribute:ecs.availability-zone' },
  { type: 'spread', field: 'instanceId' },
];

function placementOf(
  { placementConstraints, placementStrategies }: SnapshotService,
  definition: SnapshotTaskDefinition | undefined,
  instances: readonly SnapshotInstance[],
): Placement {
  const constraints = [...placementConstraints, ...(definition?.placementConstraints ?? [])];
  return {
    constraints: constraints.filter((each) => isUnderstood(each, instances)),
    strategies: placementStrategies.length > 0 ? placementStrategies : DEFAULT_STRATEGIES,
  };
}

/** Whether the Region knows which instances a constraint allows. An older snapshot may lack the attribute that it names. */
export function isUnderstood(
  { type, expression = '' }: Placement['constraints'][number],
  instances: readonly SnapshotInstance[],
): boolean {
  if (type === 'distinctInstance') return true;
  if (type !== 'memberOf') return false;
  const lacks = (name: string) => isRarelyAsked(name) && !instances.some(({ attributes }) => name in attributes);
  if (attributesIn(expression).some(lacks)) return false;
  try {
    clusterQuery(expression);
    return true;
  } catch (error) {
    if (error instanceof AwsError) return false;
    throw error;
  }
}

/** Those of services that the snapshot does not have are among them: nothing replaces them, and no one knows when they end. */
function standaloneTasksOf(snapshot: Snapshot, estimates: Estimates): Blueprint['standalone'] {
  const { cluster, takenAtMs } = snapshot;
  const definitions = new Map(cluster.taskDefinitions.map((each) => [each.name, each]));
  return cluster.tasks.flatMap((task) => {
    const service = serviceOf(task);
    if (service !== undefined && estimates.services.has(service)) return [];
    const runs =
      service === undefined ? (estimates.standalone.get(task.group)?.seconds ?? 0) : Number.POSITIVE_INFINITY;
    const sinceSeconds = task.startedAtMs === undefined ? 0 : (takenAtMs - task.startedAtMs) / 1000;
    const definition = definitions.get(task.taskDefinition);
    const spec: StandaloneTaskSpec = {
      cluster: cluster.name,
      name: task.taskDefinition.replace(/:\d+$/, ''),
      ...sizeOf(task.taskDefinition, cluster, [task]),
      // No one knows when a task ends that has run for longer than the others: it begins again in the plan.
      runsForSeconds: sinceSeconds < runs ? runs - Math.max(0, sinceSeconds) : runs,
      stopTimeoutSeconds: definition?.stopTimeoutSeconds ?? 30,
      ...(task.startedBy !== undefined && { startedBy: task.startedBy }),
    };
    return { spec, group: task.group, standing: standingOf(task, snapshot, estimates) };
  });
}

/** What a task goes through before it runs. */
const STARTING: ReadonlySet<string> = new Set(['PROVISIONING', 'PENDING', 'ACTIVATING']);

/** What takes so much longer than it should has another cause than chance. */
const OVERDUE_SECONDS = 60;

/** Whether a task has been stopping for longer than its deregistration and its stop timeout allow: who knows what it waits for. */
export function hangsInStopping(
  task: SnapshotTask,
  { cluster, takenAtMs }: Snapshot,
  { services }: Estimates,
): boolean {
  const { desiredStatus, stoppingAtMs = takenAtMs, taskDefinition } = task;
  const times = services.get(serviceOf(task) ?? '');
  const stopTimeoutSeconds =
    cluster.taskDefinitions.find(({ name }) => name === taskDefinition)?.stopTimeoutSeconds ?? 30;
  const stops = (times?.deregistration?.seconds ?? 0) + Math.max(stopTimeoutSeconds, times?.stop.seconds ?? 0);
  return desiredStatus === 'STOPPED' && (takenAtMs - stoppingAtMs) / 1000 > stops + OVERDUE_SECONDS;
}

/** Whether a task has been starting for longer than others of its service do. */
export function hangsInStarting(task: SnapshotTask, { takenAtMs }: Snapshot, { services }: Estimates): boolean {
  const { desiredStatus, lastStatus, createdAtMs } = task;
  const times = services.get(serviceOf(task) ?? '');
  if (!times || desiredStatus === 'STOPPED' || !STARTING.has(lastStatus)) return false;
  return (takenAtMs - createdAtMs) / 1000 > 2 * times.start.seconds + OVERDUE_SECONDS;
}

/** Its container instance is by the id that the snapshot has. */
function standingOf(task: SnapshotTask, snapshot: Snapshot, estimates: Estimates): StandingTask {
  const { takenAtMs } = snapshot;
  const { ec2InstanceId, containerInstance, lastStatus, desiredStatus, createdAtMs, stoppingAtMs = takenAtMs } = task;
  const on = { ec2InstanceId, containerInstance };
  const since = (atMs: number) => Math.max(0, takenAtMs - atMs) / 1000;
  if (desiredStatus === 'STOPPED') {
    // What has never run has nothing to stop.
    const reached = STARTING.has(lastStatus) ? 'DEPROVISIONING' : lastStatus;
    const hangs = hangsInStopping(task, snapshot, estimates);
    return { ...on, phase: 'stopping', progress: { lastStatus: reached, seconds: since(stoppingAtMs), hangs } };
  }
  if (!STARTING.has(lastStatus)) return { ...on, phase: 'running' };
  return { ...on, phase: 'starting', progress: { lastStatus, seconds: since(createdAtMs) } };
}

/** Builds it, at the beginning of the Region's time. Returns the instances that are in service. */
export function build(region: Region, blueprint: Blueprint): readonly string[] {
  const { group, suspended, silent, draining, hooks, foreignHooks, provider, others, services, standalone } = blueprint;
  const { ecs, autoScaling } = region;
  ecs.createCluster(group.cluster);
  const ids = autoScaling.createGroup(group, { running: true });
  // Without a name all of them would be.
  if (suspended.length > 0) autoScaling.suspendProcesses(group.name, suspended);
  for (const id of silent) ecs.setAgentConnected(id, false);
  for (const hook of [...hooks, ...foreignHooks]) autoScaling.putLifecycleHook(hook);
  if (provider) region.createCapacityProvider(provider.name, group.name, provider);
  const registered = others.map((host) => {
    const { ec2InstanceId, registeredSecondsAgo, agentConnected } = host;
    const spec = { cluster: group.cluster, ec2InstanceId, ...registeredWith(host), registeredSecondsAgo };
    const arn = ecs.registerInstance(spec);
    if (!agentConnected) ecs.setAgentConnected(ec2InstanceId, false, arn);
    return { ...host, arn };
  });
  const arns = new Map(registered.map(({ id, arn }) => [id, arn]));
  const placed = ({ containerInstance, ...task }: StandingTask) => {
    return { ...task, containerInstance: containerInstance && arns.get(containerInstance) };
  };
  for (const { spec, standing, deployments } of services) ecs.createService(spec, standing.map(placed), deployments);
  for (const { spec, group, standing } of standalone) ecs.standTask(spec, group, placed(standing));
  const own = draining.flatMap((id) => ecs.registrationsOf(id).at(-1) ?? []);
  const away = registered.flatMap(({ ec2InstanceId, status, arn }) =>
    status === 'ACTIVE' ? [] : ecs.registrationsOf(ec2InstanceId).filter((each) => each.arn === arn),
  );
  for (const registration of [...own, ...away]) ecs.setInstanceStatus(registration, 'DRAINING');
  return ids;
}
