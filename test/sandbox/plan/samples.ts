import type { Snapshot, SnapshotService, SnapshotTask } from '../../../sandbox/plan/snapshot.ts';
import { START_MS } from '../start.ts';

export const INSTANCES = ['i-0000000000000000a', 'i-0000000000000000b'] as const;

/** Some fields, at any depth of the sample that a test needs to change. */
export interface Changes {
  readonly group?: Partial<Snapshot['group']>;
  readonly cluster?: Partial<Snapshot['cluster']>;
  readonly service?: Partial<SnapshotService>;
  readonly drain?: Snapshot['drain'];
  readonly unknown?: Snapshot['unknown'];
}

/** A group of two instances, with two tasks each of a service behind a load balancer. */
export function aSnapshot({ group = {}, cluster = {}, service = {}, drain, unknown = [] }: Changes = {}): Snapshot {
  return {
    version: 1,
    takenAtMs: START_MS + 3_600_000,
    group: {
      name: 'web',
      minSize: 0,
      maxSize: 4,
      desiredCapacity: 2,
      capacityRebalance: false,
      newInstancesProtected: false,
      retainOnAbandon: false,
      suspendedProcesses: [],
      loadBalancers: [],
      instances: INSTANCES.map((id) => ({ id, state: 'InService', zone: 'eu-west-1a', protectedFromScaleIn: false })),
      hooks: [],
      launchSeconds: [],
      ...group,
    },
    cluster: {
      name: 'prod',
      instances: INSTANCES.map((ec2InstanceId) => ({
        ec2InstanceId,
        status: 'ACTIVE',
        agentConnected: true,
        registeredAtMs: START_MS,
        cpuUnits: 2_048,
        memoryMiB: 7_680,
        ports: [22],
        attributes: { 'ecs.availability-zone': 'eu-west-1a', 'ecs.instance-type': 'm5.large' },
      })),
      capacityProviders: [],
      services: [{ ...WEB, ...service }],
      tasks: INSTANCES.flatMap((ec2InstanceId, i) => [aTask(`${i}a`, ec2InstanceId), aTask(`${i}b`, ec2InstanceId)]),
      stoppedTasks: [],
      taskDefinitions: [
        {
          name: 'web:1',
          cpuUnits: 256,
          memoryMiB: 1_024,
          stopTimeoutSeconds: 30,
          hostPorts: [],
          placementConstraints: [],
          dependsOn: false,
        },
      ],
      targetGroups: [{ name: 'web', deregistrationDelaySeconds: 120 }],
      ...cluster,
    },
    ...(drain && { drain }),
    unknown,
  };
}

export const WEB: SnapshotService = {
  name: 'web',
  strategy: 'REPLICA',
  desiredCount: 4,
  minimumHealthyPercent: 100,
  maximumPercent: 200,
  taskDefinition: 'web:1',
  circuitBreaker: false,
  deploymentController: 'ECS',
  deployments: 1,
  placementConstraints: [],
  placementStrategies: [],
  targetGroups: ['web'],
  classicLoadBalancers: 0,
  capacityProviders: [],
  zoneRebalancing: false,
};

export function aTask(id: string, ec2InstanceId: string, more: Partial<SnapshotTask> = {}): SnapshotTask {
  return {
    id,
    group: 'service:web',
    taskDefinition: 'web:1',
    ec2InstanceId,
    lastStatus: 'RUNNING',
    desiredStatus: 'RUNNING',
    cpuUnits: 256,
    memoryMiB: 1_024,
    hostPorts: [],
    createdAtMs: START_MS,
    startedAtMs: START_MS + 40_000,
    ...more,
  };
}
