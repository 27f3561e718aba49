import type { Played } from '../../sandbox/chaos/play.ts';
import type { World } from '../../sandbox/chaos/world.ts';

export const SERVICE: World['services'][number] = {
  strategy: 'REPLICA',
  desiredCount: 2,
  percents: [100, 200],
  startSeconds: 20,
  stopTimeoutSeconds: 30,
  stopping: 'on SIGTERM',
  deregistrationDelaySeconds: 60,
};

/** One instance of two is terminated, and nothing goes wrong. */
export const CALM: World = {
  seed: 1,
  waiting: 'park',
  instances: 2,
  searchesEmptyCluster: false,
  settings: {
    deadlineSeconds: 900,
    heartbeatTimeoutSeconds: 600,
    stopStragglers: 'none',
    agentGraceSeconds: 240,
    functionTimeoutSeconds: 60,
    pollMaxSeconds: 60,
  },
  services: [SERVICE],
  jobs: [],
  terminations: [{ on: 0, atSecond: 0, shrinks: false }],
  losses: [],
  registrations: [],
  silences: [],
  outages: [],
  deliveries: { lostTerminations: 0, lostOthers: 0, duplicated: 0, delayed: 0, delaySeconds: 0 },
  listLagSeconds: 0,
  readsOtherwise: false,
  releases: [],
};

/** All calls that the drain of `CALM` makes: a look that lists tasks twice, or a call that is made at every step, shows here. */
export const CALLS_OF_CALM = {
  // Set to DRAINING, and a message for when ECS's lists have settled.
  ListContainerInstances: 2,
  UpdateContainerInstancesState: 1,
  SendMessageBatch: 2,
  // The first look, and how long the hook holds.
  DescribeContainerInstances: 2,
  ListTasks: 2,
  DescribeTasks: 2,
  DescribeLifecycleHooks: 1,
  // It waits, and the bus hears of its beginning and its end.
  CreateSchedule: 1,
  PutEvents: 2,
  // The event about the empty instance, and a last look; a message and the hints come when all is over.
  GetSchedule: 2,
  CompleteLifecycleAction: 1,
  DeleteSchedule: 1,
  RecordLifecycleActionHeartbeat: 1,
};

/** How often each operation was called, except for those with which a sweep asks what is held and what stays in service. */
export function callsOf({ calls }: Played): Record<string, number> {
  const ofDrains = calls.filter(({ operation }) => !SWEPT.includes(operation));
  const byOperation = Map.groupBy(ofDrains, ({ operation }) => operation);
  const sweeps = calls.filter(({ operation }) => operation === 'DescribeAutoScalingGroups').length;
  const made = ([operation, each]: [string, readonly unknown[]]) =>
    [operation, each.length - (operation === 'ListContainerInstances' ? sweeps : 0)] as const;
  return Object.fromEntries([...byOperation].map(made));
}

const SWEPT = ['DescribeAutoScalingGroups', 'DescribeScalingActivities'];
