import type { Benchmarked } from '../sandbox/result.ts';
import { fleetOf, group, replicas, type Scenario } from '../sandbox/scenarios.ts';

/** Who is compared with whom, and what each has to drain. */

export interface Contestant {
  readonly name: string;
  readonly drainer: Benchmarked;
  /** What it is deployed with. */
  readonly params: Scenario['params'];
  /** How it hears of a lifecycle action; what AWS bills for it depends on that. */
  readonly notifiedBy: 'events' | 'sns' | 'sqs';
}

export const CONTESTANTS: readonly Contestant[] = [
  { name: 'ecs-drain', drainer: 'ecs-drain', params: {}, notifiedBy: 'events' },
  { name: 'ecs-drain, watch', drainer: 'ecs-drain', params: { waiting: 'watch' }, notifiedBy: 'events' },
  { name: 'book', drainer: 'book', params: {}, notifiedBy: 'sns' },
  { name: 'cdk', drainer: 'cdk', params: {}, notifiedBy: 'sns' },
  { name: 'widdix', drainer: 'widdix', params: {}, notifiedBy: 'sqs' },
  { name: 'getsocial', drainer: 'getsocial', params: {}, notifiedBy: 'events' },
];

/** One instance's drain, three lengths of it; or a fleet at once. */
export const KINDS = ['30 seconds', '6 minutes', '40 minutes', 'at once'] as const;

/** What is to be drained. */
export interface Trial {
  readonly kind: (typeof KINDS)[number];
  /** How many are terminated; 1 but for a fleet. */
  readonly instances: number;
  readonly tasksAnInstance: number;
}

/** As it is called in the tables. */
export function titleOf({ kind, instances, tasksAnInstance }: Trial): string {
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
    begin: ({ autoScaling }, [first = '']) => autoScaling.terminateInstance(first),
  };
}

/** Two others take at once what one has to give away. */
const LONE_GROUP = 3;
/** Fifty of them, and half as many again, fit on an instance. */
const SMALL = { memoryMiB: 64, cpuUnits: 16 };
const LOAD_BALANCER = { loadBalancer: { deregistrationDelaySeconds: 300, requestsPerSecond: 50 } };

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
  /** As above, and one task that nobody replaces, which has its work to finish. */
  '40 minutes': (tasks: number) => ({
    services: [replicas('web', LONE_GROUP * (tasks - 1), { ...SMALL, ...LOAD_BALANCER })],
    jobs: [{ name: 'report', on: 0, ...SMALL, runsForSeconds: 2_400, stopTimeoutSeconds: 30 }],
  }),
} as const satisfies Record<string, (tasks: number) => Pick<Scenario, 'services' | 'jobs'>>;
