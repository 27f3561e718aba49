import type { AutoScalingGroup, LifecycleHook } from '@aws-sdk/client-auto-scaling';
import type {
  CapacityProvider,
  ContainerInstance,
  Deployment,
  DeploymentCircuitBreaker,
  Service,
  Task,
  TaskDefinition,
} from '@aws-sdk/client-ecs';
import type { TargetGroup, TargetGroupAttribute } from '@aws-sdk/client-elastic-load-balancing-v2';
import { isRarelyAsked } from '../../sandbox/plan/placement-attributes.ts';
import {
  OBSTACLES,
  type Snapshot,
  type SnapshotInstance,
  type SnapshotService,
  type SnapshotTask,
  type SnapshotTaskDefinition,
  type StoppedTask,
} from '../../sandbox/plan/snapshot.ts';
import { longestStopSeconds, toService as toDomainService } from '../../src/adapters/ecs-services.ts';
import { choicesIn, isRejected } from '../../src/adapters/hook-metadata.ts';
import { nameInArn } from '../../src/adapters/schemas.ts';
import { obstaclesOf } from '../../src/domain/diagnose.ts';
import { loadBalancingOf } from '../cluster.ts';

/** AWS's answers in the words of a snapshot. What is undefined is left out, so that the file is small. */

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> };

function defined<T extends object>(object: T): Defined<T> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as Defined<T>;
}

export function toGroup(group: AutoScalingGroup): Omit<Snapshot['group'], 'hooks' | 'launchSeconds'> {
  const { Instances = [], WarmPoolConfiguration: pool } = group;
  const overrides = group.MixedInstancesPolicy?.LaunchTemplate?.Overrides;
  const unitsPerInstance = unitsPerInstanceOf(Instances);
  const desiredCapacity = Math.ceil((group.DesiredCapacity ?? 0) / unitsPerInstance);
  return defined({
    name: group.AutoScalingGroupName ?? '',
    minSize: Math.ceil((group.MinSize ?? 0) / unitsPerInstance),
    // A group of different instances may have one more than its maximum in units.
    maxSize: Math.max(desiredCapacity, Math.floor((group.MaxSize ?? 0) / unitsPerInstance)),
    desiredCapacity,
    unitsPerInstance: unitsPerInstance === 1 ? undefined : unitsPerInstance,
    capacityRebalance: group.CapacityRebalance ?? false,
    newInstancesProtected: group.NewInstancesProtectedFromScaleIn ?? false,
    defaultInstanceWarmupSeconds: group.DefaultInstanceWarmup,
    healthCheckGraceSeconds: group.HealthCheckGracePeriod,
    retainOnAbandon: group.InstanceLifecyclePolicy?.RetentionTriggers?.TerminateHookAbandon === 'retain',
    maintenance: maintenanceOf(group),
    suspendedProcesses: (group.SuspendedProcesses ?? []).flatMap(({ ProcessName }) => ProcessName ?? []),
    terminationPolicies: group.TerminationPolicies,
    zones: group.AvailabilityZones,
    instanceTypes: overrides?.flatMap(({ InstanceType }) => InstanceType ?? []),
    typesByRequirements: overrides?.some(({ InstanceRequirements }) => InstanceRequirements) || undefined,
    loadBalancers: [
      ...(group.LoadBalancerNames ?? []),
      ...(group.TargetGroupARNs ?? []).map(targetGroupName),
      ...(group.TrafficSources ?? []).flatMap(({ Identifier }) => (Identifier ? lastPart(Identifier) : [])),
    ].filter((name, i, all) => all.indexOf(name) === i),
    warmPool:
      pool &&
      defined({
        minSize: pool.MinSize ?? 0,
        // -1 stands for the maximum of the group (API reference, WarmPoolConfiguration).
        maxGroupPreparedCapacity: (pool.MaxGroupPreparedCapacity ?? -1) < 0 ? undefined : pool.MaxGroupPreparedCapacity,
        poolState: pool.PoolState ?? 'Stopped',
        reuseOnScaleIn: pool.InstanceReusePolicy?.ReuseOnScaleIn ?? false,
        size: group.WarmPoolSize,
      }),
    instances: Instances.map((each) =>
      defined({
        id: each.InstanceId ?? '',
        state: each.LifecycleState ?? '',
        zone: each.AvailabilityZone,
        type: each.InstanceType,
        protectedFromScaleIn: each.ProtectedFromScaleIn ?? false,
      }),
    ),
  }) as Omit<Snapshot['group'], 'hooks' | 'launchSeconds'>;
}

/** A group with weights counts its capacity in units; each of its instances says how many it is (facts 109 capacity-units). */
function unitsPerInstanceOf(instances: NonNullable<AutoScalingGroup['Instances']>): number {
  const units = instances.map(({ WeightedCapacity }) => Number(WeightedCapacity ?? 1));
  return units.length === 0 ? 1 : units.reduce((sum, each) => sum + each, 0) / units.length;
}

/** `web` in `arn:…:targetgroup/web/0123456789abcdef`, and `tg-01` in `arn:…:targetgroup/tg-01` of VPC Lattice, which has no name. */
export function targetGroupName(arn: string): string {
  return arn.split('/')[1] ?? arn;
}

function lastPart(identifier: string): string {
  return identifier.startsWith('arn:') ? targetGroupName(identifier) : identifier;
}

/** -1 stands for a percentage that is not set (API reference, InstanceMaintenancePolicy). */
function maintenanceOf({ InstanceMaintenancePolicy: policy = {} }: AutoScalingGroup): Snapshot['group']['maintenance'] {
  const { MinHealthyPercentage: minHealthyPercent = -1, MaxHealthyPercentage: maxHealthyPercent = -1 } = policy;
  return minHealthyPercent < 0 || maxHealthyPercent < 0 ? undefined : { minHealthyPercent, maxHealthyPercent };
}

/** Auto Scaling always says how long a hook holds (facts 18 hook-timeouts). */
export function toHook(hook: LifecycleHook): NonNullable<Snapshot['group']['hooks']>[number] {
  const metadata = hook.NotificationMetadata;
  const choices = choicesIn(metadata);
  return {
    name: hook.LifecycleHookName ?? '',
    transition: hook.LifecycleTransition === 'autoscaling:EC2_INSTANCE_LAUNCHING' ? 'launching' : 'terminating',
    heartbeatTimeoutSeconds: hook.HeartbeatTimeout ?? 3_600,
    defaultResult: hook.DefaultResult === 'CONTINUE' ? 'CONTINUE' : 'ABANDON',
    ...(choices && {
      settings: Object.fromEntries(Object.entries(choices).map(([name, value]) => [name, String(value)])),
    }),
    ...(isRejected(metadata) && { rejected: true }),
  };
}

const TRUNK = 'ecs.awsvpc-trunk-id';

/** With those of its attributes by which tasks are placed; `named` are those that a constraint or a strategy names. */
export function toContainerInstance(instance: ContainerInstance, named: ReadonlySet<string>): SnapshotInstance {
  const amount = (wanted: string) => instance.registeredResources?.find(({ name }) => name === wanted);
  const ports = (wanted: string) => (amount(wanted)?.stringSetValue ?? []).map(Number);
  const udpPorts = ports('PORTS_UDP');
  const all = instance.attributes ?? [];
  const attributes = all.filter(({ name = '' }) => named.has(name) || !isRarelyAsked(name));
  return defined({
    id: instance.containerInstanceArn && nameInArn(instance.containerInstanceArn),
    ec2InstanceId: instance.ec2InstanceId ?? '',
    status: instance.status ?? '',
    agentConnected: instance.agentConnected ?? false,
    registeredAtMs: instance.registeredAt?.getTime() ?? 0,
    cpuUnits: amount('CPU')?.integerValue ?? 0,
    memoryMiB: amount('MEMORY')?.integerValue ?? 0,
    gpus: amount('GPU')?.stringSetValue?.length,
    ports: ports('PORTS'),
    udpPorts: udpPorts.length > 0 ? udpPorts : undefined,
    attributes: Object.fromEntries(attributes.map(({ name = '', value = '' }) => [name, value])),
    capacityProvider: instance.capacityProviderName,
    trunk: all.some(({ name }) => name === TRUNK) || undefined,
  });
}

export function toService(service: Service, protections: ReadonlyMap<string, number>, nowMs: number): SnapshotService {
  const { serviceName: name = '', deploymentConfiguration = {} } = service;
  const { targetGroups, unread } = loadBalancingOf(service);
  const isDaemon = service.schedulingStrategy === 'DAEMON';
  const reported = obstaclesOf(toDomainService('', service), nowMs, nowMs).map(({ kind }) => kind);
  const obstacles = OBSTACLES.filter((kind) => reported.includes(kind));
  return defined({
    name,
    strategy: isDaemon ? ('DAEMON' as const) : ('REPLICA' as const),
    desiredCount: service.desiredCount ?? 0,
    // What ECS assumes where a service says nothing (ECS API reference, DeploymentConfiguration).
    minimumHealthyPercent: deploymentConfiguration.minimumHealthyPercent ?? (isDaemon ? 0 : 100),
    maximumPercent: deploymentConfiguration.maximumPercent ?? (isDaemon ? 100 : 200),
    taskDefinition: service.taskDefinition && nameInArn(service.taskDefinition),
    circuitBreaker: toCircuitBreaker(deploymentConfiguration.deploymentCircuitBreaker),
    deploymentController: service.deploymentController?.type ?? 'ECS',
    deploymentStrategy: deploymentConfiguration.strategy === 'ROLLING' ? undefined : deploymentConfiguration.strategy,
    deployments: toDeployments(service.deployments),
    placementConstraints: (service.placementConstraints ?? []).map(toConstraint),
    placementStrategies: (service.placementStrategy ?? []).map(({ type = '', field }) => defined({ type, field })),
    targetGroups: targetGroups.map(targetGroupName),
    otherLoadBalancers: unread.map(nameInArn),
    healthCheckGraceSeconds: service.healthCheckGracePeriodSeconds,
    capacityProviders: (service.capacityProviderStrategy ?? []).map(
      ({ capacityProvider = '', base = 0, weight = 0 }) => ({ name: capacityProvider, base, weight }),
    ),
    zoneRebalancing: service.availabilityZoneRebalancing === 'ENABLED',
    protectedTasks: protections.get(`service:${name}`),
    obstacles: obstacles.length > 0 ? obstacles : undefined,
  });
}

/** With the defaults of what it does not say (ECS API reference, DeploymentCircuitBreaker). */
function toCircuitBreaker(breaker: DeploymentCircuitBreaker | undefined): SnapshotService['circuitBreaker'] {
  if (!breaker?.enable) return undefined;
  const { rollback = false, resetOnHealthyTask = true, thresholdConfiguration } = breaker;
  const { type = 'BOUNDED_PERCENT', value = 50 } = thresholdConfiguration ?? {};
  return { rollback, resetOnHealthyTask, threshold: { type, value } };
}

/** A service behind a Classic Load Balancer has no rollout states: what is not the only deployment is under way then. */
function toDeployments(deployments: readonly Deployment[] = []): SnapshotService['deployments'] {
  const newestFirst = deployments.toSorted((a, b) => Number(b.status === 'PRIMARY') - Number(a.status === 'PRIMARY'));
  return newestFirst.map(({ id = '', taskDefinition, rolloutState, failedTasks = 0 }, i) =>
    defined({
      id,
      taskDefinition: taskDefinition && nameInArn(taskDefinition),
      state: rolloutState ?? (i > 0 || deployments.length === 1 ? 'COMPLETED' : 'IN_PROGRESS'),
      failedTasks,
    }),
  );
}

function toConstraint({ type = '', expression }: { type?: string | undefined; expression?: string | undefined }) {
  return defined({ type, expression });
}

export function toTask(task: Task, ec2InstanceId: string): SnapshotTask {
  const ports = (task.containers ?? []).flatMap(({ networkBindings = [] }) =>
    networkBindings.flatMap(({ hostPort }) => hostPort ?? []),
  );
  return defined({
    id: nameInArn(task.taskArn ?? ''),
    group: task.group ?? 'no group',
    startedBy: task.startedBy,
    taskDefinition: nameInArn(task.taskDefinitionArn ?? ''),
    ec2InstanceId,
    containerInstance: task.containerInstanceArn && nameInArn(task.containerInstanceArn),
    lastStatus: task.lastStatus ?? '',
    desiredStatus: task.desiredStatus ?? '',
    cpuUnits: Number(task.cpu ?? 0),
    memoryMiB: Number(task.memory ?? 0),
    hostPorts: [...new Set(ports)],
    createdAtMs: task.createdAt?.getTime() ?? 0,
    startedAtMs: task.startedAt?.getTime(),
    stoppingAtMs: task.stoppingAt?.getTime(),
  });
}

export function toStoppedTask(task: Task): StoppedTask {
  return defined({
    group: task.group ?? 'no group',
    taskDefinition: nameInArn(task.taskDefinitionArn ?? ''),
    stopCode: task.stopCode,
    createdAtMs: task.createdAt?.getTime() ?? 0,
    startedAtMs: task.startedAt?.getTime(),
    stoppingAtMs: task.stoppingAt?.getTime(),
    executionStoppedAtMs: task.executionStoppedAt?.getTime(),
  });
}

/** `stopTimeoutSeconds` is what the agent gives a container whose definition says nothing (facts 51 default-stop-timeout). */
export function toTaskDefinition(
  definition: TaskDefinition,
  withImages: boolean,
  stopTimeoutSeconds: number,
): SnapshotTaskDefinition {
  const { containerDefinitions: containers = [], networkMode } = definition;
  const total = (of: (container: (typeof containers)[number]) => number | undefined) =>
    containers.reduce((sum, container) => sum + (of(container) ?? 0), 0);
  const ports = containers.flatMap(({ portMappings = [] }) => portMappings);
  // In the mode host a container has the ports of its instance; in awsvpc, those of its own interface.
  const hostPorts = (wanted: 'tcp' | 'udp') => {
    const ofProtocol = ports.filter(({ protocol = 'tcp' }) => protocol === wanted);
    const found = ofProtocol.flatMap(({ hostPort, containerPort }) =>
      networkMode === 'awsvpc' ? [] : networkMode === 'host' ? (hostPort ?? containerPort ?? []) : (hostPort ?? []),
    );
    return [...new Set(found.filter((port) => port > 0))];
  };
  const udpHostPorts = hostPorts('udp');
  const gpus = total((each) =>
    each.resourceRequirements?.reduce((sum, { type, value }) => sum + (type === 'GPU' ? Number(value) : 0), 0),
  );
  return defined({
    name: nameInArn(definition.taskDefinitionArn ?? ''),
    cpuUnits: Number(definition.cpu ?? total(({ cpu }) => cpu)),
    memoryMiB: Number(definition.memory ?? total(({ memoryReservation, memory }) => memoryReservation ?? memory)),
    networkMode,
    stopTimeoutSeconds: longestStopSeconds(containers, stopTimeoutSeconds),
    hostPorts: hostPorts('tcp'),
    udpHostPorts: udpHostPorts.length > 0 ? udpHostPorts : undefined,
    gpus: gpus > 0 ? gpus : undefined,
    placementConstraints: (definition.placementConstraints ?? []).map(toConstraint),
    dependsOn: containers.some(({ dependsOn = [] }) => dependsOn.length > 0),
    images: withImages ? containers.flatMap(({ image }) => image ?? []) : undefined,
  });
}

export function toTargetGroup(
  name: string,
  group: TargetGroup | undefined,
  attributes: readonly TargetGroupAttribute[] | undefined,
  requestsPerTargetPerSecond?: number,
): Snapshot['cluster']['targetGroups'][number] {
  const seconds = (key: string) => {
    const value = attributes?.find(({ Key }) => Key === key)?.Value;
    return value === undefined ? undefined : Number(value);
  };
  return defined({
    name,
    // 300 s unless it was changed (Elastic Load Balancing user guide, "Deregistration delay").
    deregistrationDelaySeconds: attributes && (seconds('deregistration_delay.timeout_seconds') ?? 300),
    healthCheckIntervalSeconds: group?.HealthCheckIntervalSeconds,
    slowStartSeconds: seconds('slow_start.duration_seconds'),
    requestsPerTargetPerSecond,
  });
}

export function toCapacityProvider(provider: CapacityProvider): Snapshot['cluster']['capacityProviders'][number] {
  const { autoScalingGroupProvider: own } = provider;
  return defined({
    name: provider.name ?? '',
    autoScalingGroup: own?.autoScalingGroupArn?.split('autoScalingGroupName/').at(-1),
    managedScaling: own?.managedScaling?.status === 'ENABLED',
    targetCapacityPercent: own?.managedScaling?.targetCapacity,
    minimumStep: own?.managedScaling?.minimumScalingStepSize,
    maximumStep: own?.managedScaling?.maximumScalingStepSize,
    managedTerminationProtection: own?.managedTerminationProtection === 'ENABLED',
    managedDraining: own?.managedDraining === 'ENABLED',
  });
}
