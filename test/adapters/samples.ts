/** What AWS was recorded to answer, and a drain to go with it. */

import type { ContainerInstance as EcsContainerInstance, Service, Task } from '@aws-sdk/client-ecs';
import {
  type HeldDrain,
  MANAGED_DRAINING_HOOK,
  type NoticeDrain,
  type SupervisedDrain,
} from '../../src/domain/drain.ts';
import type { ContainerInstance, HoldingTask } from '../../src/domain/observation.ts';
import type { Wire } from './wire.ts';

export const INSTANCE_ID = 'i-0123456789abcdef0';
export const CLUSTER = 'prod';

const ECS = 'arn:aws:ecs:eu-west-1:123456789012';

export function containerInstanceArn(n = 1, cluster = CLUSTER) {
  return `${ECS}:container-instance/${cluster}/${hex(n)}`;
}

export function taskArn(n = 1, cluster = CLUSTER) {
  return `${ECS}:task/${cluster}/${hex(n)}`;
}

export function taskDefinitionArn(family: string) {
  return `${ECS}:task-definition/${family}:7`;
}

/** A registration as DescribeContainerInstances answers it. */
export function recordedInstance(changes: Partial<Wire<EcsContainerInstance>> = {}): Wire<EcsContainerInstance> {
  const resource = { type: 'INTEGER', doubleValue: 0, longValue: 0 };
  return {
    containerInstanceArn: containerInstanceArn(),
    ec2InstanceId: INSTANCE_ID,
    version: 42,
    versionInfo: { agentVersion: '1.97.1', agentHash: '4e5f4dd5', dockerVersion: 'DockerVersion: 25.0.8' },
    remainingResources: [
      { ...resource, name: 'CPU', integerValue: 1024 },
      { ...resource, name: 'MEMORY', integerValue: 3431 },
    ],
    registeredResources: [
      { ...resource, name: 'CPU', integerValue: 2048 },
      { ...resource, name: 'MEMORY', integerValue: 7687 },
    ],
    status: 'ACTIVE',
    agentConnected: true,
    runningTasksCount: 2,
    pendingTasksCount: 0,
    attributes: [{ name: 'ecs.instance-type', value: 'm6g.large' }],
    registeredAt: 1772355600.123,
    attachments: [],
    tags: [],
    ...changes,
  };
}

/** A task as DescribeTasks answers it: one of the service `web`, running. */
export function recordedTask(changes: Partial<Wire<Task>> = {}): Wire<Task> {
  const arn = changes.taskArn ?? taskArn();
  return {
    attachments: [],
    availabilityZone: 'eu-west-1a',
    clusterArn: `${ECS}:cluster/${CLUSTER}`,
    connectivity: 'CONNECTED',
    connectivityAt: 1772355700.1,
    containerInstanceArn: containerInstanceArn(),
    containers: [
      {
        containerArn: arn.replace(':task/', ':container/'),
        taskArn: arn,
        name: 'app',
        image: '123456789012.dkr.ecr.eu-west-1.amazonaws.com/web:1',
        lastStatus: 'RUNNING',
        healthStatus: 'UNKNOWN',
        cpu: '0',
      },
    ],
    cpu: '256',
    createdAt: 1772355699.2,
    desiredStatus: 'RUNNING',
    enableExecuteCommand: false,
    group: 'service:web',
    healthStatus: 'UNKNOWN',
    lastStatus: 'RUNNING',
    launchType: 'EC2',
    memory: '512',
    overrides: { containerOverrides: [{ name: 'app' }], inferenceAcceleratorOverrides: [] },
    startedAt: 1772355705.9,
    startedBy: 'ecs-svc/1234567890123456789',
    tags: [],
    taskArn: arn,
    taskDefinitionArn: taskDefinitionArn('web'),
    version: 3,
    ...changes,
  };
}

/** A service as DescribeServices answers it. */
export function recordedService(serviceName: string, changes: Partial<Wire<Service>> = {}): Wire<Service> {
  return {
    serviceArn: `${ECS}:service/${CLUSTER}/${serviceName}`,
    serviceName,
    clusterArn: `${ECS}:cluster/${CLUSTER}`,
    status: 'ACTIVE',
    desiredCount: 2,
    runningCount: 2,
    pendingCount: 0,
    launchType: 'EC2',
    taskDefinition: taskDefinitionArn(serviceName),
    schedulingStrategy: 'REPLICA',
    createdAt: 1772355600.5,
    deployments: [],
    events: [],
    ...changes,
  };
}

/** A drain under way, with all that it can carry. */
export const drain: HeldDrain = {
  kind: 'held',
  action: {
    autoScalingGroup: 'web',
    lifecycleHook: 'ecs-drain',
    instanceId: INSTANCE_ID,
    token: '87654321-4321-4321-4321-210987654321',
  },
  namedCluster: CLUSTER,
  cluster: CLUSTER,
  startedAtMs: Date.parse('2026-03-01T09:00:00Z'),
  hook: { heartbeatTimeoutSeconds: 300, globalTimeoutSeconds: 30_000, managedDraining: true },
  lastHeartbeatAtMs: Date.parse('2026-03-01T09:05:00Z'),
  heartbeats: 2,
  continuations: 1,
  pollIntervalSeconds: 7.5,
  agentSilence: {
    sinceMs: Date.parse('2026-03-01T09:06:00Z'),
    seenLastAtMs: Date.parse('2026-03-01T09:06:00Z'),
    containerInstances: [containerInstanceArn()],
  },
  closed: {
    sinceMs: Date.parse('2026-03-01T09:00:05Z'),
    containerInstances: [containerInstanceArn()],
    silent: [containerInstanceArn()],
  },
  announced: 'started',
  known: {
    containerInstances: [{ arn: containerInstanceArn(), cluster: CLUSTER }],
    tasks: { holding: [{ arn: taskArn(), cluster: CLUSTER }], listedAtMs: Date.parse('2026-03-01T09:00:20Z') },
  },
  emptiedAtMs: Date.parse('2026-03-01T09:06:30Z'),
  parked: {
    schedule: `${hex(1)}-c90eb692`,
    untilMs: Date.parse('2026-03-01T09:12:00Z'),
    firesAtMs: Date.parse('2026-03-01T09:14:00Z'),
    turn: 0.25,
  },
};

/** A drain of ECS managed draining, which is supervised. */
export const supervisedDrain: SupervisedDrain = {
  kind: 'supervised',
  action: { ...drain.action, lifecycleHook: MANAGED_DRAINING_HOOK },
  cluster: CLUSTER,
  startedAtMs: drain.startedAtMs,
  continuations: 1,
  pollIntervalSeconds: 2,
};

/** A drain on a notice. */
export const noticeDrain: NoticeDrain = {
  kind: 'notice',
  notice: {
    kind: 'spot-interruption',
    instanceId: INSTANCE_ID,
    token: '12345678-1234-1234-1234-123456789012',
  },
  cluster: CLUSTER,
  startedAtMs: drain.startedAtMs,
  continuations: 0,
  pollIntervalSeconds: 2,
};

/** A registration as the domain knows it: the recorded one. */
export function containerInstance(n = 1, changes: Partial<ContainerInstance> = {}): ContainerInstance {
  return {
    arn: containerInstanceArn(n),
    cluster: CLUSTER,
    ec2InstanceId: INSTANCE_ID,
    status: 'ACTIVE',
    agentConnected: true,
    registeredAtMs: 1772355600123,
    countedTasks: 2,
    isEmpty: false,
    ...changes,
  };
}

/** A task of the domain that holds the instance. */
export function holdingTask(changes: Partial<HoldingTask> = {}): HoldingTask {
  return {
    kind: 'holding',
    arn: taskArn(),
    cluster: CLUSTER,
    containerInstanceArn: containerInstanceArn(),
    class: 'service',
    group: 'service:web',
    lastStatus: 'RUNNING',
    stopRequested: false,
    stopTimeoutSeconds: undefined,
    statusSinceMs: 1772355705900,
    startedBy: 'ecs-svc/1234567890123456789',
    ...changes,
  };
}

function hex(n: number) {
  return n.toString(16).padStart(32, '0');
}
