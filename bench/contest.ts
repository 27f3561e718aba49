import type { BookParams } from '../sandbox/drainers/book.ts';
import type { CdkParams } from '../sandbox/drainers/cdk.ts';
import type { WiddixParams } from '../sandbox/drainers/widdix.ts';
import { NO_FAULTS } from '../sandbox/region/faults.ts';
import { fleetOf, group, logRouter, type Params, replicas, type Scenario } from '../sandbox/scenarios.ts';

/** Who is compared with whom, and what each has to drain. */

/** What each drainer can be deployed with. */
interface ParamsOf {
  'ecs-drain': Params;
  book: BookParams;
  cdk: CdkParams;
  widdix: WiddixParams;
  getsocial: Record<string, never>;
}

interface Deployed<D extends keyof ParamsOf> {
  readonly name: string;
  readonly drainer: D;
  readonly params: ParamsOf[D];
  /** How it hears of a lifecycle action; what AWS bills for it depends on that. */
  readonly notifiedBy: 'events' | 'sns' | 'sqs';
}

export type Contestant = { [D in keyof ParamsOf]: Deployed<D> }[keyof ParamsOf];

/** Each at its defaults, and each rival as its documentation says at best; one that is not here twice has no more to set. */
export const CONTESTANTS: readonly Contestant[] = [
  { name: 'ecs-drain', drainer: 'ecs-drain', params: {}, notifiedBy: 'events' },
  { name: 'ecs-drain, watch', drainer: 'ecs-drain', params: { waiting: 'watch' }, notifiedBy: 'events' },
  { name: 'book', drainer: 'book', params: {}, notifiedBy: 'sns' },
  { name: 'cdk', drainer: 'cdk', params: {}, notifiedBy: 'sns' },
  { name: 'cdk, 15 minutes', drainer: 'cdk', params: { drainTime: 900 }, notifiedBy: 'sns' },
  { name: 'widdix', drainer: 'widdix', params: {}, notifiedBy: 'sqs' },
  { name: 'widdix, 1 day', drainer: 'widdix', params: { DrainingTimeoutInSeconds: 86_400 }, notifiedBy: 'sqs' },
  { name: 'getsocial', drainer: 'getsocial', params: {}, notifiedBy: 'events' },
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

/** One instance's drain, three lengths of it, one of them with a daemon service too; or a fleet at once. */
export const KINDS = [
  '30 seconds',
  '6 minutes',
  WITH_DAEMON,
  WITH_DAEMON_THAT_LEAVES,
  '40 minutes',
  'at once',
] as const;

/** What is to be drained. */
export interface Trial {
  readonly kind: (typeof KINDS)[number];
  /** How many are terminated; 1 but for a fleet. */
  readonly instances: number;
  readonly tasksAnInstance: number;
}

/** As it is called in the tables. */
export function titleOf({ kind, instances, tasksAnInstance }: Trial): string {
  if (kind === WITH_DAEMON) return `a drain of 6 minutes, ${tasksAnInstance} tasks and a daemon`;
  if (kind === WITH_DAEMON_THAT_LEAVES) {
    return `a drain of 6 minutes, ${tasksAnInstance} tasks and a daemon that leaves at once`;
  }
  if (kind !== 'at once') return `a drain of ${kind}, ${tasksAnInstance} tasks`;
  const what = instances === 1 ? '1 instance' : `${instances.toLocaleString('en')} instances at once`;
  return `${what}, ${tasksAnInstance} tasks on each`;
}

export function scenarioOf({ kind, instances, tasksAnInstance }: Trial): Omit<Scenario, 'params'> {
  if (kind === 'at once') {
    // A sixth of the fleet stays.
    const all = Math.max(instances + 1, Math.ceil(instances * 1.2));
    return fleetOf({ instances: all, terminated: instances, tasks: all * tasksAnInstance });
  }
  return {
    ...LONE[kind](tasksAnInstance),
    description: `one of ${LONE_GROUP} instances is terminated: a drain of ${kind}`,
    group: group(LONE_GROUP),
    ...(kind === WITH_DAEMON_THAT_LEAVES && { faults: () => ({ ...NO_FAULTS, daemonsLeaveAtOnce: true }) }),
    begin: ({ autoScaling }, [first = '']) => autoScaling.terminateInstance(first),
  };
}

/** Two others take at once what one has to give away. */
const LONE_GROUP = 3;
/** Fifty of them, and half as many again, fit on an instance. */
const SMALL = { memoryMiB: 64, cpuUnits: 16 };
const LOAD_BALANCER = { loadBalancer: { deregistrationDelaySeconds: 300, requestsPerSecond: 50 } };

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
  /** As that of 6 minutes, and one task that nobody replaces, which has its work to finish. */
  '40 minutes': (tasks: number) => ({
    services: [replicas('web', LONE_GROUP * (tasks - 1), { ...SMALL, ...LOAD_BALANCER })],
    jobs: [{ name: 'report', on: 0, ...SMALL, runsForSeconds: 2_400, stopTimeoutSeconds: 30 }],
  }),
} as const satisfies Record<string, (tasks: number) => Pick<Scenario, 'services' | 'jobs'>>;
