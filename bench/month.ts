import { rollingUpdate } from '../sandbox/region/auto-scaling/deployments.ts';
import { AwsError } from '../sandbox/region/aws-error.ts';
import { type Faults, NO_FAULTS } from '../sandbox/region/faults.ts';
import type { Region } from '../sandbox/region/region.ts';
import { CLUSTER, GROUP, group, logRouter, replicas, type Scenario } from '../sandbox/scenarios.ts';

/** What a cluster goes through in a month: the world of the soak. docs/soak.md says how realistic that is. */

export interface Span {
  readonly instances: number;
  readonly days: number;
}

const HOUR = 3_600;
const DAY = 24 * HOUR;

/** How often things happen that no one plans, on average. */
export const RATES = {
  /** An instance's agent is silent for 5 to 60 s. */
  agentFlapsAnInstanceADay: 6,
  /** Of the instances so many are Spot; EC2 takes each of those once in so many days. */
  spotShare: 0.25,
  spotLifeDays: 20,
  /** A job of 2 to 30 minutes is started. */
  jobsAnInstanceADay: 1.5,
} as const;

/** What goes wrong all the time. */
export const FAULTS: Faults = {
  ...NO_FAULTS,
  lostEvents: 0.002,
  duplicatedEvents: 0.002,
  delayedEvents: 0.002,
  delaySeconds: 120,
  repeatedMessages: 0.001,
  refusedDeliveries: 0.001,
  throttles: 0.002,
  serverErrors: 0.0005,
  crashes: 0.00002,
};

/** Every tenth day, while the instances are being replaced, ECS answers nothing. */
const OUTAGE = { everyDays: 10, atSecond: 2 * HOUR, seconds: 20 * 60 };

function isOut(second: number): boolean {
  const sinceMidnight = second % DAY;
  const isTheDay = Math.floor(second / DAY) % OUTAGE.everyDays === OUTAGE.everyDays - 1;
  return isTheDay && sinceMidnight >= OUTAGE.atSecond && sinceMidnight < OUTAGE.atSecond + OUTAGE.seconds;
}

/** A Spot instance that EC2 warned of, and how many tasks had not stopped on it then. */
export interface Warned {
  readonly instanceId: string;
  readonly tasks: number;
}

/** The cluster, and what happens to it. It begins at midnight. */
export function month({ instances, days }: Span, onWarning: (warned: Warned) => void): Scenario {
  const tenth = Math.max(1, Math.round(instances / 10));
  const batch = Math.max(1, Math.round(instances / 20));
  const behind = (deregistrationDelaySeconds: number) => ({
    loadBalancer: { deregistrationDelaySeconds, requestsPerSecond: instances },
  });
  return {
    description: `${instances} instances for ${days} days`,
    group: group(instances, tenth + batch),
    services: [
      replicas('web', instances * 2, { ...behind(60), memoryMiB: 768 }),
      replicas('api', instances, { ...behind(120), memoryMiB: 768 }),
      replicas('legacy', Math.round(instances / 2), { ...behind(300), memoryMiB: 768 }),
      replicas('worker', instances, { memoryMiB: 512, stopTimeoutSeconds: 120, stopsAfterSeconds: 90 }),
      logRouter,
    ],
    jobs: [],
    params: { spotInterruptions: 'true' },
    faults: (second) => ({
      ...FAULTS,
      failing: ({ service }) =>
        service === 'ecs' && isOut(second()) ? new AwsError('ServerException', 'Service Unavailable.', 500) : undefined,
    }),
    begin: (region) => {
      const { autoScaling, time, trace } = region;
      const chance = region.random.fork('month');
      const endMs = time.nowMs() + days * DAY * 1000;

      /** Again and again until the end: every so many seconds, or so many on average. */
      const every = (seconds: number, happen: () => void, spread: () => number = () => 1) =>
        time.after(seconds * spread(), () => {
          if (time.nowMs() >= endMs) return;
          happen();
          every(seconds, happen, spread);
        });
      const nowAndThen = (perDay: number, happen: () => void) =>
        every(DAY / perDay, happen, () => -Math.log(1 - chance.between(0, 1)));
      const daily = (atHour: number, happen: () => void) =>
        time.after(atHour * HOUR, () => {
          happen();
          every(DAY, happen);
        });

      daily(0.5, () => run(region, { name: 'export', runsForSeconds: 3 * HOUR }));
      daily(1, () => {
        const minInstancesInService = autoScaling.group(GROUP).desiredCapacity - batch;
        const policy = { minInstancesInService, maxBatchSize: batch, pauseTimeSeconds: 900, waitForSignals: true };
        rollingUpdate(autoScaling, time, GROUP, policy, trace);
      });
      const resize = (by: number) =>
        autoScaling.setDesiredCapacity(GROUP, autoScaling.group(GROUP).desiredCapacity + by);
      daily(8, () => resize(tenth));
      daily(20, () => resize(-tenth));

      const anyOf = (states: readonly string[]) => {
        const all = autoScaling.instancesOf(GROUP).filter(({ state }) => states.includes(state));
        return all[Math.floor(chance.between(0, all.length))]?.instanceId;
      };
      const { spotShare, spotLifeDays, agentFlapsAnInstanceADay, jobsAnInstanceADay } = RATES;
      nowAndThen((instances * spotShare) / spotLifeDays, () => {
        const instanceId = anyOf(['InService', 'Terminating:Wait']);
        if (!instanceId) return;
        onWarning({ instanceId, tasks: region.ecs.accountOf(instanceId).holding });
        autoScaling.interruptSpotInstance(instanceId);
      });
      nowAndThen(instances * agentFlapsAnInstanceADay, () => {
        const silent = anyOf(['InService', 'Terminating:Wait']);
        if (!silent) return;
        region.ecs.setAgentConnected(silent, false);
        time.after(chance.between(5, 60), () => region.ecs.setAgentConnected(silent, true));
      });
      nowAndThen(instances * jobsAnInstanceADay, () =>
        run(region, { name: 'job', runsForSeconds: chance.between(120, 1_800) }),
      );
    },
  };
}

/** Starts a job where there is room. */
function run({ ecs }: Region, job: { readonly name: string; readonly runsForSeconds: number }): void {
  ecs.runTask({ ...job, cluster: CLUSTER, memoryMiB: 256, cpuUnits: 64, stopTimeoutSeconds: 30 });
}
