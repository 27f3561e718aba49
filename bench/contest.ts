import type { BookParams } from '../sandbox/drainers/book.ts';
import type { CdkParams } from '../sandbox/drainers/cdk.ts';
import type { WiddixParams } from '../sandbox/drainers/widdix.ts';
import { AwsError } from '../sandbox/region/aws-error.ts';
import { type Faults, NO_FAULTS } from '../sandbox/region/faults.ts';
import type { Region } from '../sandbox/region/region.ts';
import {
  CLUSTER,
  fleetOf,
  group,
  logRouter,
  type Params,
  replicas,
  SCENARIOS,
  type Scenario,
} from '../sandbox/scenarios.ts';

/** Who is compared with whom, and what each has to drain. */

/** What each drainer can be deployed with. */
interface ParamsOf {
  'ecs-drain': Params;
  book: BookParams;
  cdk: CdkParams;
  widdix: WiddixParams;
  getsocial: Record<string, never>;
  'managed-draining': Record<string, never>;
}

interface Deployed<D extends keyof ParamsOf> {
  readonly name: string;
  readonly drainer: D;
  readonly params: ParamsOf[D];
  /** How it hears of a lifecycle action; what AWS bills for it depends on that. */
  readonly notifiedBy: 'events' | 'events by way of a queue' | 'sns' | 'sqs' | 'ECS itself';
}

export type Contestant = { [D in keyof ParamsOf]: Deployed<D> }[keyof ParamsOf];

/** Each at its defaults, and each rival as its documentation says at best; one that is listed once has nothing more to set. */
export const CONTESTANTS: readonly Contestant[] = [
  { name: 'ecs-drain', drainer: 'ecs-drain', params: {}, notifiedBy: 'events by way of a queue' },
  {
    name: 'ecs-drain, watch',
    drainer: 'ecs-drain',
    params: { waiting: 'watch' },
    notifiedBy: 'events by way of a queue',
  },
  { name: 'book', drainer: 'book', params: {}, notifiedBy: 'sns' },
  { name: 'cdk', drainer: 'cdk', params: {}, notifiedBy: 'sns' },
  { name: 'cdk, 15 minutes', drainer: 'cdk', params: { drainTime: 900 }, notifiedBy: 'sns' },
  { name: 'widdix', drainer: 'widdix', params: {}, notifiedBy: 'sqs' },
  { name: 'widdix, 1 day', drainer: 'widdix', params: { DrainingTimeoutInSeconds: 86_400 }, notifiedBy: 'sqs' },
  { name: 'getsocial', drainer: 'getsocial', params: {}, notifiedBy: 'events' },
  { name: 'managed draining', drainer: 'managed-draining', params: {}, notifiedBy: 'ECS itself' },
];

/** Drainers in Python with boto3's older retry mode. Without throttling both modes behave alike. */
export const LEGACY_CONTESTANTS: readonly Contestant[] = [
  { name: 'book, legacy retries', drainer: 'book', params: { retries: 'legacy' }, notifiedBy: 'sns' },
  { name: 'cdk, legacy retries', drainer: 'cdk', params: { retries: 'legacy' }, notifiedBy: 'sns' },
  {
    name: 'cdk, 15 minutes, legacy retries',
    drainer: 'cdk',
    params: { drainTime: 900, retries: 'legacy' },
    notifiedBy: 'sns',
  },
];

const WITH_DAEMON = '6 minutes with a daemon';
/** The other reading of facts 12 draining-rules, which is unverified as well. */
const WITH_DAEMON_THAT_LEAVES = '6 minutes with a daemon that leaves at once';

/** One instance's drain: three lengths of it, one of them with a daemon service too. */
export const LONE_KINDS = ['30 seconds', '6 minutes', WITH_DAEMON, WITH_DAEMON_THAT_LEAVES, '40 minutes'] as const;

/** What the contestants drain. */
export interface Trial {
  readonly kind:
    | (typeof LONE_KINDS)[number]
    /** A fleet. */
    | 'at once'
    /** The scenario of that name: tasks hold the instance until the deadline. */
    | 'stuck'
    /** A fleet whose drains are longer than its hooks. */
    | 'short hooks'
    /** A fleet whose drains last longer than an outage of EventBridge Scheduler. */
    | 'Scheduler down'
    /** Nothing is drained; short tasks end by themselves. */
    | 'unrelated stops';
  /** How many are terminated. */
  readonly instances: number;
  readonly tasksAnInstance: number;
  /** Of short hooks: when they time out without a heartbeat. */
  readonly hookSeconds?: number;
}

/** As it is called in the tables. */
export function titleOf({ kind, instances, tasksAnInstance, hookSeconds }: Trial): string {
  if (kind === 'stuck') return `a drain that is stuck, ${STUCK_SECONDS / 60} minutes to its deadline`;
  if (kind === 'short hooks') return `${instances} instances at once, drains of 6 minutes, hooks of ${hookSeconds} s`;
  if (kind === 'Scheduler down') {
    return `${instances} instances at once, drains of 40 minutes, Scheduler down for the first ${OUTAGE_SECONDS / 60}`;
  }
  if (kind === 'unrelated stops') {
    return `a day without drains, ${STOPS_A_DAY.toLocaleString('en')} tasks end by themselves`;
  }
  if (kind === WITH_DAEMON) return `a drain of 6 minutes, ${tasksAnInstance} tasks and a daemon`;
  if (kind === WITH_DAEMON_THAT_LEAVES) {
    return `a drain of 6 minutes, ${tasksAnInstance} tasks and a daemon that leaves at once`;
  }
  if (kind !== 'at once') return `a drain of ${kind}, ${tasksAnInstance} tasks`;
  const what = instances === 1 ? '1 instance' : `${instances.toLocaleString('en')} instances at once`;
  return `${what}, ${tasksAnInstance} tasks on each`;
}

export function scenarioOf({ kind, instances, tasksAnInstance, hookSeconds = 600 }: Trial): Scenario {
  if (kind === 'stuck') return SCENARIOS.stuck;
  if (kind === 'short hooks') return longFleet({ instances, tasksAnInstance, hookSeconds });
  if (kind === 'Scheduler down') {
    const scenario = longFleet({ instances, tasksAnInstance: tasksAnInstance - 1, hookSeconds });
    return { ...scenario, jobs: Array.from({ length: instances }, (_, on) => ({ ...REPORT, on })), faults: outage };
  }
  if (kind === 'unrelated stops') return shortTasks;
  if (kind === 'at once') {
    // A sixth of the fleet stays.
    const all = Math.max(instances + 1, Math.ceil(instances * 1.2));
    return fleetOf({ instances: all, terminated: instances, tasks: all * tasksAnInstance });
  }
  return {
    ...LONE[kind](tasksAnInstance),
    description: `one of ${LONE_GROUP} instances is terminated: a drain of ${kind}`,
    group: group(LONE_GROUP),
    params: {},
    ...(kind === WITH_DAEMON_THAT_LEAVES && { faults: () => ({ ...NO_FAULTS, daemonsLeaveAtOnce: true }) }),
    begin: ({ autoScaling }, [first = '']) => autoScaling.terminateInstance(first),
  };
}

/** Two others take at once what one has to give away. */
const LONE_GROUP = 3;
/** Fifty of them, and half as many again, fit on an instance. */
const SMALL = { memoryMiB: 64, cpuUnits: 16 };
const LOAD_BALANCER = { loadBalancer: { deregistrationDelaySeconds: 300, requestsPerSecond: 50 } };

/** Work to finish that no one else does. */
const REPORT = { name: 'report', ...SMALL, runsForSeconds: 2_400, stopTimeoutSeconds: 30 };

/** As the drain of 6 minutes, and a daemon on each instance. */
const besideDaemon = (tasks: number) => ({
  services: [replicas('web', LONE_GROUP * tasks, { ...SMALL, ...LOAD_BALANCER }), logRouter],
  jobs: [],
});

const LONE = {
  /** No load balancer, and the service may do without them: ECS stops them at once. */
  '30 seconds': (tasks: number) => ({
    services: [
      replicas('worker', LONE_GROUP * tasks, {
        ...SMALL,
        minimumHealthyPercent: 50,
        stopTimeoutSeconds: 60,
        stopsAfterSeconds: 25,
      }),
    ],
    jobs: [],
  }),
  /** 40 s until the replacements serve, 5 minutes until the load balancer lets go, 10 s to stop. */
  '6 minutes': (tasks: number) => ({
    services: [replicas('web', LONE_GROUP * tasks, { ...SMALL, ...LOAD_BALANCER })],
    jobs: [],
  }),
  [WITH_DAEMON]: besideDaemon,
  [WITH_DAEMON_THAT_LEAVES]: besideDaemon,
  /** As that of 6 minutes, and one task that no one replaces, which has its work to finish. */
  '40 minutes': (tasks: number) => ({
    services: [replicas('web', LONE_GROUP * (tasks - 1), { ...SMALL, ...LOAD_BALANCER })],
    jobs: [{ ...REPORT, on: 0 }],
  }),
} as const satisfies Record<string, (tasks: number) => Pick<Scenario, 'services' | 'jobs'>>;

const STUCK_SECONDS = SCENARIOS.stuck.params.deadlineSeconds;

/** A fleet whose every drain takes as long as the lone one of 6 minutes; a sixth of it stays. */
function longFleet(size: { instances: number; tasksAnInstance: number; hookSeconds: number }): Scenario {
  const { instances, tasksAnInstance, hookSeconds } = size;
  const all = Math.ceil(instances * 1.2);
  return {
    description: `${instances} of ${all} instances are terminated at once, on hooks of ${hookSeconds} s`,
    group: group(all, 0),
    services: [replicas('web', all * tasksAnInstance, { ...SMALL, ...LOAD_BALANCER })],
    jobs: [],
    // Within what a hook allows however often it is kept (facts 18 hook-timeouts).
    params: { heartbeatTimeoutSeconds: hookSeconds, deadlineSeconds: Math.min(7_200, 90 * hookSeconds) },
    begin: ({ autoScaling }, instanceIds) => {
      for (const instanceId of instanceIds.slice(0, instances)) autoScaling.terminateInstance(instanceId);
    },
  };
}

const OUTAGE_SECONDS = 25 * 60;
const DOWN = new AwsError('ServiceUnavailableException', 'The service is unavailable.', 503);

function outage(second: () => number): Faults {
  const isDown = () => second() >= 0 && second() < OUTAGE_SECONDS;
  return { ...NO_FAULTS, failing: ({ service }) => (service === 'scheduler' && isDown() ? DOWN : undefined) };
}

const STOPS_A_DAY = 100_000;
/** A day takes minutes, and its tenth part is as good: nothing in it depends on the hour. */
export const PART_OF_DAY = 0.1;

/** A cluster of short tasks that end by themselves, none of them on an instance that is drained. */
const shortTasks: Scenario = {
  description: `${STOPS_A_DAY * PART_OF_DAY} short tasks end by themselves, evenly over ${24 * PART_OF_DAY} hours`,
  group: group(10),
  services: [],
  jobs: [],
  params: {},
  begin: (region, instanceIds) => {
    const stops = STOPS_A_DAY * PART_OF_DAY;
    const everySeconds = (24 * 3_600 * PART_OF_DAY) / stops;
    const start = (n: number) => {
      runShortTask(region, instanceIds[n % instanceIds.length] ?? '');
      if (n + 1 < stops) region.time.after(everySeconds, () => start(n + 1));
    };
    start(0);
  },
};

function runShortTask({ ecs }: Region, ec2InstanceId: string): void {
  ecs.runTask({ ...REPORT, name: 'short', cluster: CLUSTER, ec2InstanceId, runsForSeconds: 20 });
}
