import type {
  Deployment,
  Cluster as EcsCluster,
  ContainerInstance as EcsContainerInstance,
  Service as EcsService,
  Task as EcsTask,
  TaskDefinition as EcsTaskDefinition,
  Resource,
} from '@aws-sdk/client-ecs';
import { freeOf } from './room.ts';
import type { ClusterView, InstanceView, Resources, ServiceView, TaskDefinition, TaskView } from './views.ts';

/** Everything as AWS describes it, in answers and in events. */

export function describeCluster({ name, arn, registered, services, tally }: ClusterView): EcsCluster {
  return {
    clusterName: name,
    clusterArn: arn,
    status: 'ACTIVE',
    registeredContainerInstancesCount: registered.size,
    runningTasksCount: tally.running,
    pendingTasksCount: tally.pending,
    activeServicesCount: services.size,
    statistics: [],
    settings: [],
    capacityProviders: [],
    defaultCapacityProviderStrategy: [],
    tags: [],
  };
}

export function describeService(service: ServiceView): EcsService {
  const { spec, cluster, tally, definition } = service;
  const createdAt = new Date(service.createdAtMs);
  const counts = {
    desiredCount: spec.strategy === 'DAEMON' ? hostsOfDaemons(cluster) : service.desiredCount,
    runningCount: tally.running,
    pendingCount: tally.pending,
  };
  const deployment: Deployment = {
    id: service.deploymentId,
    status: 'PRIMARY',
    taskDefinition: definition.arn,
    ...counts,
    failedTasks: 0,
    createdAt,
    updatedAt: createdAt,
    launchType: 'EC2',
    rolloutState: 'COMPLETED',
  };
  return {
    serviceName: spec.name,
    serviceArn: service.arn,
    clusterArn: cluster.arn,
    status: 'ACTIVE',
    schedulingStrategy: spec.strategy,
    launchType: 'EC2',
    taskDefinition: definition.arn,
    ...counts,
    deploymentConfiguration: {
      minimumHealthyPercent: spec.minimumHealthyPercent,
      maximumPercent: spec.maximumPercent,
    },
    deployments: [deployment],
    loadBalancers: spec.loadBalancer
      ? [{ targetGroupArn: targetGroupArn(service), containerName: spec.name, containerPort: 80 }]
      : [],
    serviceRegistries: [],
    events: service.events.map(({ id, createdAtMs, message }) => ({ id, createdAt: new Date(createdAtMs), message })),
    createdAt,
    placementConstraints: [],
    placementStrategy: spec.strategy === 'REPLICA' ? [{ type: 'spread', field: 'instanceId' }] : [],
  };
}

/** A daemon is desired on every ACTIVE instance. */
function hostsOfDaemons({ registered }: ClusterView): number {
  return [...registered].filter(({ status }) => status === 'ACTIVE').length;
}

/** The target group of a service behind a load balancer. */
export function targetGroupArn({ arn, spec }: ServiceView): string {
  const [, , , region, account] = arn.split(':');
  return `arn:aws:elasticloadbalancing:${region}:${account}:targetgroup/${spec.name}/0000000000000001`;
}

export function describeTaskDefinition(definition: TaskDefinition): EcsTaskDefinition {
  const { arn, family, revision, memoryMiB, cpuUnits, stopTimeoutSeconds, registeredAtMs } = definition;
  return {
    taskDefinitionArn: arn,
    family,
    revision,
    status: 'ACTIVE',
    cpu: String(cpuUnits),
    memory: String(memoryMiB),
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
        portMappings: [],
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
    status: instance.status,
    agentConnected: instance.agentConnected,
    version: instance.version,
    versionInfo: { agentVersion: instance.agentVersion, agentHash: '00000000', dockerVersion: 'DockerVersion: 25.0.8' },
    registeredResources: describeResources(capacity),
    remainingResources: describeResources(freeOf(instance)),
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
