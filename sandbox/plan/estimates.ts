import * as v from 'valibot';
import { name, numberBetween, record, sentenceOf } from '../../src/adapters/schemas.ts';
import { BadSnapshot, type Snapshot, type SnapshotService, serviceOf } from './snapshot.ts';

/** How long things take, each with its source: the cluster's own past, what the user assumes, or a default. */

export interface Estimate {
  readonly seconds: number;
  /** Where it comes from, for people. */
  readonly source: string;
  /** True if no one has observed or configured it. */
  readonly assumed: boolean;
  /** The longest of those observed, where they differ. */
  readonly longestSeconds?: number;
}

/** How many requests come to a service. */
export interface Rate {
  readonly perSecond: number;
  readonly source: string;
}

export interface ServiceEstimates {
  /** From PROVISIONING until the task is RUNNING, and healthy behind its load balancer. */
  readonly start: Estimate;
  /** From SIGTERM until its containers have ended. */
  readonly stop: Estimate;
  readonly stopTimeout: Estimate;
  /** Undefined without a load balancer. */
  readonly deregistration: Estimate | undefined;
  readonly requests: Rate | undefined;
}

export interface Estimates {
  /** From the launch of an instance until it registers with ECS. */
  readonly launch: Estimate;
  readonly services: ReadonlyMap<string, ServiceEstimates>;
  /** How long the standalone tasks of a group run in all. */
  readonly standalone: ReadonlyMap<string, Estimate>;
}

// What is assumed where nothing is known.
const START_SECONDS = 40;
const LAUNCH_SECONDS = 120;
const STOP_TIMEOUT_SECONDS = 30;
const DEREGISTRATION_SECONDS = 300;
/** Not half of the default deadline: the report of a stuck drain would meet the task as it stops. */
const STANDALONE_SECONDS = 2_700;
/** An image that was pulled for an hour says nothing about the next start. */
const LONGEST_START_SECONDS = 3_600;

/** The longest that a target group may have (Elastic Load Balancing user guide, deregistration delay). */
export const LONGEST_DEREGISTRATION_SECONDS = 3_600;

const seconds = numberBetween(0, 172_800, 'seconds');
const optional = v.optional;

/** A file of `plan --assume`. */
const assumptionsSchema = record({
  launchSeconds: optional(seconds),
  services: optional(
    v.record(
      name('the name of a service'),
      record({
        startSeconds: optional(seconds),
        stopSeconds: optional(seconds),
        stopTimeoutSeconds: optional(seconds),
        deregistrationDelaySeconds: optional(numberBetween(0, LONGEST_DEREGISTRATION_SECONDS, 'seconds')),
        requestsPerSecond: optional(numberBetween(0, 1e9, 'requests a second')),
      }),
      'expected an object',
    ),
    {},
  ),
  /** By what RunTask was given as the group, such as `family:report`. */
  standaloneTasks: optional(
    v.record(name('the group of a task'), record({ runsForSeconds: seconds }), 'expected an object'),
    {},
  ),
});

export type Assumptions = v.InferInput<typeof assumptionsSchema>;

/**
 * Reads assumptions that replace what the snapshot says; `where` is what the sentences call it.
 * @throws BadSnapshot if it is no such file, or names what the snapshot does not have
 */
export function assumptionsFrom(text: string, where: string, { cluster }: Snapshot): Assumptions {
  let json: unknown;
  let hasList = false;
  try {
    json = JSON.parse(text, (_, value) => {
      hasList ||= Array.isArray(value);
      return value;
    });
  } catch {
    throw new BadSnapshot(`${where} is not JSON.`);
  }
  if (hasList) throw new BadSnapshot(`${where} is no file for --assume: it has a list, and none is expected.`);
  const result = v.safeParse(assumptionsSchema, json, { abortPipeEarly: true });
  if (!result.success) throw new BadSnapshot(`${where} is no file for --assume: ${sentenceOf(result.issues)}`);
  const idle = idleIn(result.output, cluster);
  if (idle !== undefined) throw new BadSnapshot(`${where} assumes ${idle}.`);
  return result.output;
}

/** What of the assumptions would change nothing. */
function idleIn({ services, standaloneTasks }: v.InferOutput<typeof assumptionsSchema>, cluster: Snapshot['cluster']) {
  for (const [name, given] of Object.entries(services)) {
    const service = cluster.services.find((each) => each.name === name);
    if (!service) return `something of ${name}, which the snapshot does not have`;
    const ofLoadBalancer = (['deregistrationDelaySeconds', 'requestsPerSecond'] as const).find((each) => each in given);
    if (ofLoadBalancer && !isBalanced(service)) return `${ofLoadBalancer} of ${name}, which is behind no load balancer`;
    const stopTimeout = stopTimeoutOf(service, cluster, given.stopTimeoutSeconds).seconds;
    if (given.stopSeconds !== undefined && given.stopSeconds > stopTimeout) {
      return `that a task of ${name} stops in ${given.stopSeconds} s, and ECS ends it after its stop timeout of ${stopTimeout} s: give stopTimeoutSeconds as well`;
    }
  }
  const groups = new Set(cluster.tasks.filter((task) => serviceOf(task) === undefined).map(({ group }) => group));
  const stranger = Object.keys(standaloneTasks).find((each) => !groups.has(each));
  return stranger && `how long ${stranger} runs, which is no standalone task of the snapshot`;
}

function isBalanced({ targetGroups, otherLoadBalancers }: SnapshotService): boolean {
  return targetGroups.length + otherLoadBalancers.length > 0;
}

/** All that a rehearsal of the snapshot has to know of time. */
export function estimatesOf(snapshot: Snapshot, assumptions: Assumptions = {}): Estimates {
  const { cluster, group } = snapshot;
  const standalone = new Set(cluster.tasks.flatMap((task) => (serviceOf(task) === undefined ? task.group : [])));
  return {
    launch:
      assumed(assumptions.launchSeconds) ??
      median(group.launchSeconds, 'launch', 'of the group') ??
      guess(LAUNCH_SECONDS, 'no recent launch of the group is known'),
    services: new Map(
      cluster.services.map((service) => [service.name, estimatesOfService(service, snapshot, assumptions)]),
    ),
    standalone: new Map([...standalone].map((each) => [each, runtimeOf(each, snapshot, assumptions)])),
  };
}

function estimatesOfService(service: SnapshotService, snapshot: Snapshot, assumptions: Assumptions): ServiceEstimates {
  const given = assumptions.services?.[service.name] ?? {};
  const stopTimeout = stopTimeoutOf(service, snapshot.cluster, given.stopTimeoutSeconds);
  const deregistration = deregistrationOf(service, snapshot, given.deregistrationDelaySeconds);
  return {
    start: assumed(given.startSeconds) ?? startOf(service, snapshot),
    stop: assumed(given.stopSeconds) ?? stopOf(service, snapshot, stopTimeout, deregistration?.seconds ?? 0),
    stopTimeout,
    deregistration,
    requests: requestsOf(service, snapshot, given.requestsPerSecond),
  };
}

function stopTimeoutOf(
  { taskDefinition }: SnapshotService,
  { taskDefinitions }: Snapshot['cluster'],
  given: number | undefined,
): Estimate {
  if (given !== undefined) return { seconds: given, source: '--assume', assumed: false };
  const definition = taskDefinitions.find((each) => each.name === taskDefinition);
  if (!definition) return guess(STOP_TIMEOUT_SECONDS, 'its task definition could not be read');
  return { seconds: definition.stopTimeoutSeconds, source: 'its task definition', assumed: false };
}

/** The time of the tasks that run, and what the load balancer takes to find them healthy. */
function startOf(service: SnapshotService, { cluster }: Snapshot): Estimate {
  const starts = [...cluster.tasks, ...cluster.stoppedTasks]
    .filter((task) => serviceOf(task) === service.name && task.startedAtMs !== undefined)
    .map(({ createdAtMs, startedAtMs = 0 }) => (startedAtMs - createdAtMs) / 1000)
    .filter((each) => each >= 0 && each < LONGEST_START_SECONDS);
  const start =
    median(starts, 'task', 'of the service') ?? guess(START_SECONDS, 'no start of a task of the service is known');
  // A new target is healthy after its first health check (Elastic Load Balancing user guide, target group health checks).
  const health = Math.max(
    0,
    ...targetGroupsOf(service, cluster).map(({ healthCheckIntervalSeconds = 0 }) => healthCheckIntervalSeconds),
  );
  if (health === 0) return start;
  return {
    ...start,
    seconds: start.seconds + health,
    ...(start.longestSeconds !== undefined && { longestSeconds: start.longestSeconds + health }),
    source: `${start.source}, and ${health} s to its first health check`,
  };
}

/** What is left of the time from `stoppingAt` until the containers have ended, when the load balancer has let go. */
function stopOf(
  service: SnapshotService,
  { cluster }: Snapshot,
  stopTimeout: Estimate,
  deregistrationSeconds: number,
): Estimate {
  const stops = cluster.stoppedTasks
    .filter((task) => serviceOf(task) === service.name && task.stopCode !== 'EssentialContainerExited')
    .flatMap(({ stoppingAtMs, executionStoppedAtMs, startedAtMs }) => {
      if (stoppingAtMs === undefined || executionStoppedAtMs === undefined || startedAtMs === undefined) return [];
      return (executionStoppedAtMs - stoppingAtMs) / 1000 - deregistrationSeconds;
    })
    .filter((each) => each >= 0);
  const stop = median(stops, 'task', 'of the service that stopped recently');
  if (!stop) return guess(stopTimeout.seconds, 'its stop timeout, because no task of the service stopped recently');
  if (stop.seconds <= stopTimeout.seconds) return stop;
  return { ...stop, seconds: stopTimeout.seconds, source: `its stop timeout, which ${stop.source} is above` };
}

function deregistrationOf(
  service: SnapshotService,
  { cluster }: Snapshot,
  given: number | undefined,
): Estimate | undefined {
  if (!isBalanced(service)) return undefined;
  const delays = targetGroupsOf(service, cluster).map(({ deregistrationDelaySeconds }) => deregistrationDelaySeconds);
  const known = delays.filter((each) => each !== undefined);
  if (given !== undefined) return assumed(given);
  if (known.length < service.targetGroups.length || service.otherLoadBalancers.length > 0) {
    return guess(Math.max(DEREGISTRATION_SECONDS, ...known), 'the attributes of a load balancer are not known');
  }
  return { seconds: Math.max(...known), source: 'its target group', assumed: false };
}

/** CloudWatch counts the requests of one target, on average. It is not known if it lacks any of the load balancers. */
function requestsOf(service: SnapshotService, { cluster }: Snapshot, given: number | undefined): Rate | undefined {
  if (given !== undefined) return { perSecond: given, source: '--assume' };
  const { targetGroups, otherLoadBalancers } = service;
  const known = targetGroupsOf(service, cluster).flatMap((each) => each.requestsPerTargetPerSecond ?? []);
  if (known.length === 0 || known.length < targetGroups.length + otherLoadBalancers.length) return undefined;
  const targets = cluster.tasks.filter((task) => serviceOf(task) === service.name && task.lastStatus === 'RUNNING');
  const perSecond = known.reduce((sum, each) => sum + each, 0) * targets.length;
  return { perSecond: Math.round(perSecond * 10) / 10, source: 'the mean of the last hour, from CloudWatch' };
}

function targetGroupsOf({ targetGroups }: SnapshotService, cluster: Snapshot['cluster']) {
  return cluster.targetGroups.filter((each) => targetGroups.includes(each.name));
}

function runtimeOf(group: string, { cluster }: Snapshot, assumptions: Assumptions): Estimate {
  const runs = cluster.stoppedTasks
    .filter((task) => task.group === group && task.stopCode === 'EssentialContainerExited')
    .flatMap(({ startedAtMs, executionStoppedAtMs }) =>
      startedAtMs === undefined || executionStoppedAtMs === undefined
        ? []
        : (executionStoppedAtMs - startedAtMs) / 1000,
    );
  return (
    assumed(assumptions.standaloneTasks?.[group]?.runsForSeconds) ??
    median(runs, 'task', `of ${group} that ended recently`) ??
    guess(STANDALONE_SECONDS, `no task of ${group} ended recently`)
  );
}

function assumed(seconds: number | undefined): Estimate | undefined {
  return seconds === undefined ? undefined : { seconds, source: '--assume', assumed: false };
}

function guess(seconds: number, why: string): Estimate {
  return { seconds, source: why, assumed: true };
}

/** The median of what was observed; undefined where nothing was. */
function median(values: readonly number[], noun: string, of: string): Estimate | undefined {
  if (values.length === 0) return undefined;
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
  const count = `${values.length} ${noun}${values.length === 1 ? '' : noun.endsWith('ch') ? 'es' : 's'}`;
  const longest = sorted.at(-1) ?? 0;
  return {
    seconds: Math.round(middle * 10) / 10,
    source: `the median of ${count} ${of}`,
    assumed: false,
    ...(longest > middle && { longestSeconds: longest }),
  };
}
