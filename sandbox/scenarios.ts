import { rollingUpdate, scaleIn } from './region/auto-scaling/deployments.ts';
import type { GroupSpec } from './region/auto-scaling/model.ts';
import type { ScalingSettings, ServiceSpec, StandaloneTaskSpec } from './region/ecs/specs.ts';
import type { Faults } from './region/faults.ts';
import type { Region } from './region/region.ts';

export type Params = Readonly<Record<string, string | number>>;

/** Another version of ecs-drain that is deployed. */
export interface Release {
  readonly atSecond: number;
  /** What it is deployed with, beyond the cluster and the group. */
  readonly params: Params;
  /** The version of continuations that it writes, where that is another than this repository's. */
  readonly continuationVersion?: number | undefined;
}

/** A cluster, what runs on it, and what happens to it. */
export interface Scenario {
  readonly description: string;
  readonly group: GroupSpec;
  /** The group is that of a capacity provider with ECS managed draining: ECS drains too, whoever else does. */
  readonly managedDraining?: boolean;
  /** ECS adds instances to the group, by a capacity provider of its name. */
  readonly managedScaling?: ScalingSettings;
  /** Hooks of the group that no drainer knows: what holds an instance by them is no drain. */
  readonly foreignHooks?: readonly string[];
  readonly services: readonly ServiceSpec[];
  /** Standalone tasks, by the place in the group of the instance they are put on. */
  readonly jobs: readonly (Omit<StandaloneTaskSpec, 'cluster'> & { readonly on: number })[];
  /** What to deploy the drainer with, beyond the cluster and the group; each takes of them what it knows. */
  readonly params: Params;
  /** Deployments of ecs-drain while it goes on. */
  readonly releases?: readonly Release[];
  /** What goes wrong, by the seconds since it was set going; nothing where it is left out. */
  readonly faults?: (second: () => number) => Faults;
  /** Builds what is there, in place of the group, services and jobs above; returns the instances of the group. */
  readonly build?: (region: Region) => readonly string[];
  /** What happens before it is set going: its past. */
  readonly before?: (region: Region, instanceIds: readonly string[]) => Promise<void>;
  /** Sets it going. */
  readonly begin: (region: Region, instanceIds: readonly string[]) => void;
}

export const CLUSTER = 'prod';
export const GROUP = 'web';

/** A group of small instances, with room for so many more. */
export const group = (desiredCapacity: number, spare = 1): GroupSpec => ({
  name: GROUP,
  minSize: 0,
  maxSize: desiredCapacity + spare,
  desiredCapacity,
  cluster: CLUSTER,
  memoryMiB: 7_680,
  cpuUnits: 2_048,
  launchSeconds: 90,
});

/** A service that replaces its tasks before it stops them, unless it is set otherwise. */
export const replicas = (name: string, desiredCount: number, more: Partial<ServiceSpec> = {}): ServiceSpec => ({
  cluster: CLUSTER,
  name,
  strategy: 'REPLICA',
  desiredCount,
  minimumHealthyPercent: 100,
  maximumPercent: 200,
  memoryMiB: 1_024,
  cpuUnits: 256,
  startSeconds: 40,
  stopTimeoutSeconds: 30,
  ...more,
});

const behindLoadBalancer = { loadBalancer: { deregistrationDelaySeconds: 300, requestsPerSecond: 50 } };

export const logRouter: ServiceSpec = {
  ...replicas('log-router', 0),
  strategy: 'DAEMON',
  minimumHealthyPercent: 0, // ECS's own defaults for daemons (facts 37 undrainable-services)
  maximumPercent: 100,
  memoryMiB: 256,
  cpuUnits: 64,
  startSeconds: 10,
  stopTimeoutSeconds: 10,
};

/** Its tasks leave their load balancer in 30 s, so a replacement decides how long they stay. */
const quickToLeave = replicas('web', 6, { loadBalancer: { deregistrationDelaySeconds: 30, requestsPerSecond: 50 } });

const threeServices = [
  replicas('web', 8, behindLoadBalancer),
  replicas('api', 6, { loadBalancer: { deregistrationDelaySeconds: 120, requestsPerSecond: 100 } }),
  replicas('worker', 4, { stopTimeoutSeconds: 120, stopsAfterSeconds: 90 }),
];

/** A fleet that loses most of its instances, as large as one likes: all at once, or one every so many seconds. */
export function fleetOf(size: {
  readonly instances: number;
  readonly terminated: number;
  readonly tasks: number;
  readonly everySeconds?: number;
}): Scenario {
  const { instances, terminated, tasks, everySeconds } = size;
  const small = { memoryMiB: 128, cpuUnits: 32 };
  const loadBalancer = { deregistrationDelaySeconds: 120, requestsPerSecond: 10_000 };
  return {
    description: everySeconds
      ? `${terminated} of ${instances} instances are terminated, one every ${everySeconds} s`
      : `${terminated} of ${instances} instances are terminated at once, under the real throttling limits`,
    group: group(instances, 0),
    services: [replicas('web', tasks / 2, { ...small, loadBalancer }), replicas('worker', tasks / 2, small)],
    jobs: [],
    params: {},
    begin: ({ autoScaling, time }, instanceIds) =>
      instanceIds.slice(0, terminated).forEach((instanceId, i) => {
        if (everySeconds) time.after(i * everySeconds, () => autoScaling.terminateInstance(instanceId));
        else autoScaling.terminateInstance(instanceId);
      }),
  };
}

/** CloudFormation replaces one instance after the other, and keeps as many in service. */
const byRollingUpdate =
  (minInstancesInService: number, pauseTimeSeconds: number): Scenario['begin'] =>
  ({ autoScaling, time, trace }) => {
    const policy = { minInstancesInService, maxBatchSize: 1, pauseTimeSeconds, waitForSignals: true };
    rollingUpdate(autoScaling, time, GROUP, policy, trace);
  };

/** Six instances with all kinds of services. */
const sixInstances = { group: group(6), services: [...threeServices, logRouter], jobs: [], params: {} };

const terminateFirst: Scenario['begin'] = ({ autoScaling }, [first = '']) => autoScaling.terminateInstance(first);

export const SCENARIOS = {
  book: {
    description: 'the book’s: the one instance of a cluster is replaced by a CloudFormation rolling update',
    group: group(1),
    // The image is pulled again on the new instance: a minute passes before the replacement runs.
    services: [
      replicas('todobackend', 2, {
        ...behindLoadBalancer,
        memoryMiB: 3_072,
        startSeconds: 100,
        minimumHealthyPercent: 50,
      }),
    ],
    jobs: [],
    params: {},
    begin: byRollingUpdate(1, 900),
  },
  'rolling-update': {
    description: 'a CloudFormation rolling update of 6 instances with 24 tasks of 4 services, one a daemon',
    ...sixInstances,
    begin: byRollingUpdate(6, 300),
  },
  'scale-in': {
    description: 'a group of 6 instances scales in to 4',
    ...sixInstances,
    begin: ({ autoScaling }) => scaleIn(autoScaling, GROUP, 2),
  },
  'instance-refresh': {
    description: 'an instance refresh of 6 instances, at least 66 % of them healthy at any time',
    ...sixInstances,
    begin: ({ autoScaling }) => {
      autoScaling.startInstanceRefresh(GROUP, { minHealthyPercentage: 66, instanceWarmupSeconds: 60 });
    },
  },
  'long-drain': {
    description: 'a drain of 40 minutes, on a hook that times out after 5 without a heartbeat',
    group: group(2),
    services: [replicas('web', 4, behindLoadBalancer)],
    jobs: [{ name: 'report', on: 0, memoryMiB: 1_024, cpuUnits: 256, runsForSeconds: 2_400, stopTimeoutSeconds: 30 }],
    params: { heartbeatTimeoutSeconds: 300 },
    begin: terminateFirst,
  },
  stuck: {
    description: 'tasks stay, each for a reason of its own: the deadline decides',
    group: group(2),
    services: [
      replicas('web', 4, { ...behindLoadBalancer, maximumPercent: 110 }), // It can never be drained.
      replicas('search', 2, { memoryMiB: 4_096, protectedFromScaleIn: true }), // There is no room for another.
      logRouter,
    ],
    jobs: [
      {
        name: 'report',
        on: 0,
        memoryMiB: 1_024,
        cpuUnits: 256,
        runsForSeconds: 7_200,
        stopTimeoutSeconds: 120,
        startedBy: 'nightly-reports',
      },
    ],
    params: { deadlineSeconds: 1_800 },
    begin: ({ autoScaling }) => scaleIn(autoScaling, GROUP, 1), // Nothing replaces the instance.
  },
  'managed-draining': {
    description: 'ECS drains by itself (managed draining), and a service can never be drained',
    group: group(2),
    managedDraining: true,
    services: [
      replicas('web', 4, behindLoadBalancer),
      replicas('search', 2, { maximumPercent: 110 }), // It can never be drained.
      logRouter,
    ],
    jobs: [],
    params: {
      superviseManagedDraining: 'true',
      createLifecycleHooks: 'false',
      managedDrainingDeadline: 'CONTINUE',
    },
    begin: ({ autoScaling }) => scaleIn(autoScaling, GROUP, 1), // Nothing replaces the instance.
  },
  standalone: {
    description: 'a RunTask job of an hour is left to finish',
    group: group(2),
    services: [replicas('web', 4, behindLoadBalancer)],
    jobs: [{ name: 'import', on: 0, memoryMiB: 2_048, cpuUnits: 512, runsForSeconds: 3_600, stopTimeoutSeconds: 120 }],
    params: {},
    begin: terminateFirst,
  },
  'agent-lost': {
    description: 'the instance’s agent goes silent a minute into the drain and never comes back',
    group: group(2),
    services: [replicas('web', 4, behindLoadBalancer)],
    jobs: [],
    params: {},
    begin: (region, [first = '']) => {
      region.autoScaling.terminateInstance(first);
      region.time.after(60, () => region.ecs.setAgentConnected(first, false));
    },
  },
  'spot-interruption': {
    description: 'EC2 takes a Spot instance two minutes after its warning, while one of its services leaves slowly',
    group: group(3),
    services: [quickToLeave, replicas('api', 3, behindLoadBalancer)],
    jobs: [],
    params: { spotInterruptions: 'true' },
    begin: ({ autoScaling }, [first = '']) => autoScaling.interruptSpotInstance(first),
  },
  rebalance: {
    description:
      'EC2 recommends to rebalance two Spot instances, the first with Capacity Rebalancing, the second without',
    group: { ...group(3), capacityRebalance: true },
    services: [quickToLeave],
    jobs: [],
    params: { rebalanceRecommendations: 'true' },
    begin: ({ autoScaling, time }, [first = '', second = '']) => {
      autoScaling.recommendRebalance(first);
      time.after(400, () => {
        autoScaling.updateGroup(GROUP, { capacityRebalance: false });
        autoScaling.recommendRebalance(second);
      });
    },
  },
  'root-volume': {
    description: 'an instance refresh replaces the root volumes of 3 instances, one after the other',
    group: group(3),
    services: [quickToLeave, logRouter],
    jobs: [],
    params: {},
    begin: ({ autoScaling }) => {
      autoScaling.startInstanceRefresh(GROUP, { minHealthyPercentage: 66 }, 'ReplaceRootVolume');
    },
  },
  retained: {
    description:
      'a drain is abandoned at its deadline, and the group’s lifecycle policy keeps the instance and its job',
    group: { ...group(2), retainOnAbandon: true },
    services: [quickToLeave],
    jobs: [{ name: 'import', on: 0, memoryMiB: 2_048, cpuUnits: 512, runsForSeconds: 1_800, stopTimeoutSeconds: 120 }],
    params: { deadlineSeconds: 1_600, deadlineResult: 'ABANDON' },
    begin: terminateFirst,
  },
  'warm-pool': {
    description: 'a group scales in, and the instance returns to its warm pool',
    group: {
      ...group(3),
      warmPool: { minSize: 1, maxGroupPreparedCapacity: 4, poolState: 'Stopped', reuseOnScaleIn: true },
    },
    services: [quickToLeave],
    jobs: [],
    params: { heartbeatTimeoutSeconds: 600 },
    begin: ({ autoScaling }) => scaleIn(autoScaling, GROUP, 1),
  },
  fleet: fleetOf({ instances: 360, terminated: 300, tasks: 3_000 }),
} as const satisfies Readonly<Record<string, Scenario>>;

export type ScenarioName = keyof typeof SCENARIOS;
