import type {
  Cluster as EcsCluster,
  ContainerInstance as EcsContainerInstance,
  Deployment as EcsDeployment,
  Service as EcsService,
  Task as EcsTask,
  TaskDefinition as EcsTaskDefinition,
  PlacementConstraintType,
  PlacementStrategyType,
  Resource,
} from '@aws-sdk/client-ecs';
import { freeGpusOf, freeOf, portsInUseOf } from './room.ts';
import type { CircuitBreaker } from './specs.ts';
import { desiredCountOf } from './state.ts';
import type {
  ClusterView,
  Deployment,
  InstanceView,
  Resources,
  ServiceView,
  TaskDefinition,
  TaskView,
} from './views.ts';

/** Everything as AWS describes it, in answers and in events. */

export function describeCluster({ name, arn, registered, services, tally }: ClusterView): EcsCluster {
  return {
    clusterName: name,
    clusterArn: arn,
    status: 'ACTIVE',
    registeredContainerInstancesCount: registered.size,
    runningTasksCount: tally.running,
    pendingTasksCount: tally.pending,
    activeServicesCount: [...services.values()].filter(({ status }) => status === 'ACTIVE').length,
    statistics: [],
    settings: [],
    capacityProviders: [],
    defaultCapacityProviderStrategy: [],
    tags: [],
  };
}

export function describeService(service: ServiceView): EcsService {
  const { spec, cluster, deployments } = service;
  const [primary] = deployments;
  return {
    serviceName: spec.name,
    serviceArn: service.arn,
    clusterArn: cluster.arn,
    status: service.status,
    schedulingStrategy: spec.strategy,
    ...(spec.capacityProviders
      ? {
          capacityProviderStrategy: spec.capacityProviders.map(({ name, base, weight }) => ({
            capacityProvider: name,
            base,
            weight,
          })),
        }
      : { launchType: 'EC2' as const }),
    taskDefinition: primary.definition.arn,
    desiredCount: desiredCountOf(service),
    runningCount: service.tally.running,
    pendingCount: service.tally.pending,
    deploymentConfiguration: {
      minimumHealthyPercent: service.minimumHealthyPercent,
      maximumPercent: service.maximumPercent,
      ...(service.circuitBreaker && { deploymentCircuitBreaker: describeCircuitBreaker(service.circuitBreaker) }),
    },
    deployments: deployments.map((deployment) => describeDeployment(service, deployment)),
    loadBalancers: spec.loadBalancer
      ? [{ targetGroupArn: targetGroupArn(service), containerName: spec.name, containerPort: 80 }]
      : [],
    serviceRegistries: [],
    events: service.events.map(({ id, createdAtMs, message }) => ({ id, createdAt: new Date(createdAtMs), message })),
    createdAt: new Date(service.createdAtMs),
    placementConstraints: (spec.placement?.constraints ?? []).map(({ type, expression }) => ({
      type: type as PlacementConstraintType,
      ...(expression !== undefined && { expression }),
    })),
    placementStrategy:
      spec.strategy === 'DAEMON'
        ? []
        : (spec.placement?.strategies ?? [{ type: 'spread', field: 'instanceId' }]).map(({ type, field }) => ({
            type: type as PlacementStrategyType,
            ...(field !== undefined && { field }),
          })),
  };
}

function describeCircuitBreaker({ rollback, resetOnHealthyTask, threshold }: CircuitBreaker) {
  return { enable: true, rollback, resetOnHealthyTask, thresholdConfiguration: threshold };
}

function describeDeployment(service: ServiceView, deployment: Deployment): EcsDeployment {
  const tasks = [...service.tasks].filter(
    ({ startedBy, desiredStatus }) => startedBy === deployment.id && desiredStatus === 'RUNNING',
  );
  const runningCount = tasks.filter(({ lastStatus }) => lastStatus === 'RUNNING').length;
  const isPrimary = deployment === service.deployments[0];
  return {
    id: deployment.id,
    status: isPrimary ? 'PRIMARY' : 'ACTIVE',
    taskDefinition: deployment.definition.arn,
    desiredCount: isPrimary ? desiredCountOf(service) : tasks.length,
    runningCount,
    pendingCount: tasks.length - runningCount,
    failedTasks: deployment.failedTasks,
    createdAt: new Date(deployment.createdAtMs),
    updatedAt: new Date(deployment.updatedAtMs),
    launchType: 'EC2',
    rolloutState: deployment.rolloutState,
    rolloutStateReason: deployment.reason,
  };
}

/** The target group of a service behind a load balancer. */
export function targetGroupArn({ arn, spec }: ServiceView): string {
  const [, , , region, account] = arn.split(':');
  return `arn:aws:elasticloadbalancing:${region}:${account}:targetgroup/${spec.name}/0000000000000001`;
}

export function describeTaskDefinition(definition: TaskDefinition): EcsTaskDefinition {
  const { arn, family, revision, memoryMiB, cpuUnits, stopTimeoutSeconds, networkMode, registeredAtMs } = definition;
  return {
    taskDefinitionArn: arn,
    family,
    revision,
    status: 'ACTIVE',
    cpu: String(cpuUnits),
    memory: String(memoryMiB),
    ...(networkMode === 'awsvpc' && { networkMode }),
    compatibilities: ['EC2'],
    requiresCompatibilities: ['EC2'],
    containerDefinitions: [
      {
        name: family,
        image: `${family}:latest`,
        essential: true,
        cpu: cpuUnits,
        memory: memoryMiB,
        stopTimeout: stopTimeoutSeconds,
        environment: [],
        mountPoints: [],
        ...(definition.gpus && { resourceRequirements: [{ type: 'GPU' as const, value: String(definition.gpus) }] }),
        portMappings: definition.hostPorts.map((hostPort) => ({ containerPort: hostPort, hostPort, protocol: 'tcp' })),
        volumesFrom: [],
      },
    ],
    volumes: [],
    placementConstraints: [],
    registeredAt: new Date(registeredAtMs),
  };
}

export function describeTask(task: TaskView): EcsTask {
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

export function describeInstance(instance: InstanceView): EcsContainerInstance {
  const { capacity, tally } = instance;
  return {
    containerInstanceArn: instance.arn,
    ec2InstanceId: instance.ec2InstanceId,
    ...(instance.capacityProvider !== undefined && { capacityProviderName: instance.capacityProvider }),
    status: instance.status,
    agentConnected: instance.agentConnected,
    version: instance.version,
    versionInfo: { agentVersion: instance.agentVersion, agentHash: '00000000', dockerVersion: 'DockerVersion: 25.0.8' },
    registeredResources: [
      ...describeResources(capacity),
      ...describePorts(instance),
      ...describeGpus(instance, instance.gpus),
    ],
    remainingResources: [
      ...describeResources(freeOf(instance)),
      ...describePorts(instance, portsInUseOf(instance)),
      ...describeGpus(instance, freeGpusOf(instance)),
    ],
    runningTasksCount: tally.running,
    pendingTasksCount: tally.pending,
    registeredAt: new Date(instance.registeredAtMs),
    attributes: [...instance.attributes].map(([name, value]) => ({ name, ...(value !== undefined && { value }) })),
    attachments: [],
  };
}

function describeResources({ memoryMiB, cpuUnits }: Resources): Resource[] {
  const integer = { type: 'INTEGER', doubleValue: 0, longValue: 0 };
  return [
    { name: 'CPU', ...integer, integerValue: cpuUnits },
    { name: 'MEMORY', ...integer, integerValue: memoryMiB },
  ];
}

/** Those that its agent keeps, and those in use. */
function describePorts({ ports }: InstanceView, inUse: readonly number[] = []): Resource[] {
  if (!ports) return [];
  const stringSetValue = [...ports, ...inUse].map(String);
  return [{ name: 'PORTS', type: 'STRINGSET', doubleValue: 0, longValue: 0, integerValue: 0, stringSetValue }];
}

/** So many of its GPUs, by their ids: only an instance that has some has the resource. */
function describeGpus({ gpus }: InstanceView, count = 0): Resource[] {
  if (!gpus) return [];
  const ids = Array.from({ length: count }, (_, i) => `GPU-${i + 1}`);
  return [{ name: 'GPU', type: 'STRINGSET', doubleValue: 0, longValue: 0, integerValue: 0, stringSetValue: ids }];
}
