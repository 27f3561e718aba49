import type { Plan } from '../../../sandbox/plan/plan.ts';
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

export const DEPLOYED = { function: 'ecs-drain-main-drain', params: {}, drainsGroup: true };

export const HOOK = {
  name: 'ecs-drain',
  transition: 'terminating',
  heartbeatTimeoutSeconds: 3_600,
  defaultResult: 'CONTINUE',
} as const;

/** A group of two instances that ecs-drain drains, with two tasks each of a service behind a load balancer. */
export function aSnapshot(changes: Changes = {}): Snapshot {
  const { group = {}, cluster = {}, service = {}, unknown = [] } = changes;
  const drain = 'drain' in changes ? changes.drain : DEPLOYED;
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
      terminationPolicies: ['OldestInstance'],
      loadBalancers: [],
      instances: INSTANCES.map((id) => ({ id, state: 'InService', zone: 'eu-west-1a', protectedFromScaleIn: false })),
      hooks: [HOOK],
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
  deploymentController: 'ECS',
  deployments: [{ id: 'ecs-svc/1', taskDefinition: 'web:1', state: 'COMPLETED', failedTasks: 0 }],
  placementConstraints: [],
  placementStrategies: [],
  targetGroups: ['web'],
  otherLoadBalancers: [],
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

/** A plan in which one of two drains gets stuck. */
export function aPlan(more: Partial<Plan> = {}): Plan {
  return {
    group: 'web',
    cluster: 'prod',
    takenAt: '2026-01-01T01:00:00.000Z',
    change: { kind: 'scale-in', count: 2 },
    trials: 20,
    params: {},
    verdict: 'Do not go ahead yet: during a scale-in by 2, 1 of 2 drains may end as timed-out.',
    drainsAll: false,
    go: false,
    prerequisites: [],
    troubles: [],
    seconds: { p50: 1_800, p95: 1_810 },
    drains: [
      {
        instanceId: INSTANCES[0],
        seconds: { p50: 200, p95: 210 },
        outcomes: { drained: 20 },
        bound: 'start of replacements',
      },
      {
        instanceId: INSTANCES[1],
        seconds: { p50: 1_800, p95: 1_801 },
        outcomes: { drained: 3, 'timed-out': 17 },
        bound: 'its deadline',
      },
    ],
    services: [
      { name: 'web', desired: 9, fewestRunning: 7 },
      { name: 'api', desired: 6, fewestRunning: 6 },
    ],
    lowestReservationPercent: 40,
    killed: { withDrain: { tasks: 2, cutOff: 1 }, withoutDrain: { tasks: 6, cutOff: 6 } },
    stopped: {},
    requestsLost: { withDrain: 10, withoutDrain: 900, counted: 1, services: 2 },
    stuck: [
      {
        group: 'service:web',
        instances: [INSTANCES[1]],
        trials: 17,
        kinds: ['no-room'],
        causes: ['ECS finds no room for a replacement'],
        fix: 'Add an instance, or free resources on the others.',
      },
      {
        group: 'service:<b>',
        instances: [INSTANCES[1]],
        trials: 17,
        kinds: ['daemon-last'],
        causes: [],
        fix: 'Check the events of the service and the health of its tasks.',
      },
    ],
    failures: [],
    calls: { p50: 60, p95: 64 },
    dollars: 0.0001,
    times: [{ what: 'start of a task of web', seconds: 40, source: 'no start is known', assumed: true }],
    rates: [{ service: 'web', perSecond: 12, source: 'the mean of the last hour, from CloudWatch' }],
    limits: [{ what: 'The service web rebalances Availability Zones.', effect: 'ECS may move its tasks.' }],
    ...more,
  };
}
