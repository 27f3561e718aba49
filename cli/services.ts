/** Whether the services of a cluster can be drained in time, and whether their replacements have room. */

import {
  DescribeTargetGroupAttributesCommand,
  ElasticLoadBalancingV2Client,
} from '@aws-sdk/client-elastic-load-balancing-v2';
import { presentNeed, TOO_SHORT_REMEDY } from '../sandbox/plan/drain-time.ts';
import { awsCall } from '../src/adapters/aws-call.ts';
import type { Ecs } from '../src/adapters/ecs-call.ts';
import { PROTECTION_BATCH, protectionOf, readStopTimeoutSeconds } from '../src/adapters/ecs-services.ts';
import { remedyFor, sentenceOnCause } from '../src/adapters/present-explanation.ts';
import { batches } from '../src/domain/by-cluster.ts';
import { obstaclesOf } from '../src/domain/diagnose.ts';
import { choiceOf, type GroupChoice } from '../src/domain/groups.ts';
import { ClusterMissing } from '../src/domain/ports.ts';
import {
  type ClusterService,
  type Homeless,
  type Host,
  hostsIn,
  type Providers,
  providersNamed,
  servicesIn,
  tasksOf,
  tasksOn,
} from './cluster.ts';
import { counted, type Deployment, documentAt, sentenceOf, untilSilent } from './common.ts';
import type { Check, Finding } from './finding.ts';

/** What a judgment needs of the deployment, or of a planned one. */
export type Judge = Pick<Deployment, 'settings' | 'target' | 'nowMs'>;

/** How long a drain may take, in the group that allows least. */
export interface Time {
  readonly deadlineSeconds: number;
  readonly heartbeatSeconds: number;
}

/** What is ours in a cluster that others may share. */
export interface Ours extends Time {
  readonly autoScalingGroups: readonly GroupChoice[];
  /** The EC2 instances of the groups. */
  readonly instanceIds: ReadonlySet<string>;
}

/** What is asked of AWS about each service. */
export interface Ask {
  stopTimeoutSeconds(taskDefinition: string, defaultSeconds: number): Promise<number>;
  delaySeconds(targetGroups: readonly string[]): Promise<number>;
  /** Until when its tasks are protected from scale-in. */
  protection(service: ClusterService): Promise<readonly (number | undefined)[]>;
}

export async function clusterFindings(
  cluster: string,
  groups: Promise<Ours>,
  deployment: Deployment,
  ecs: Ecs,
  check: Check,
): Promise<Finding[]> {
  const where = `cluster ${cluster}`;
  let all: ClusterService[];
  try {
    all = await servicesIn(ecs, cluster);
  } catch (error) {
    if (!(error instanceof ClusterMissing)) throw error;
    const fix = 'Fix its name in cluster or in autoScalingGroups, and deploy again.';
    return [{ level: 'error', where, what: 'ECS has no such cluster.', fix }];
  }
  const ours = await groups;
  let providers: Providers = new Map();
  const findings: Finding[] = [
    ...(await check(`${where}: capacity providers`, async () => {
      providers = await providersNamed(
        ecs,
        all.flatMap(({ placement }) => (typeof placement === 'string' ? [] : placement)),
      );
      return [];
    })),
  ];
  const services = all.filter((service) => mayRunOnOurs(service, providers, ours));
  const ask = asking(deployment, ecs);
  for (const service of services) findings.push(...(await serviceFindings(service, ours, deployment, ask)));
  const room = await check(`${where}: room for replacements`, async () => {
    const hosts = await hostsIn(ecs, cluster);
    const known = await providersNamed(
      ecs,
      hosts.flatMap(({ capacityProvider }) => capacityProvider ?? []),
    );
    return [await roomFinding(cluster, hosts, known, ours, services, ecs)];
  });
  return [...findings, ...room];
}

function asking({ config }: Deployment, ecs: Ecs): Ask {
  const loadBalancing = new ElasticLoadBalancingV2Client(config);
  return {
    stopTimeoutSeconds: untilSilent((taskDefinition: string, defaultSeconds: number) =>
      readStopTimeoutSeconds(ecs, taskDefinition, defaultSeconds),
    ),
    delaySeconds: untilSilent((targetGroups: readonly string[]) => deregistrationDelayOf(loadBalancing, targetGroups)),
    protection: untilSilent(async (service: ClusterService) => {
      const protectedTasks = batches(await tasksOf(ecs, service), PROTECTION_BATCH).map((arns) =>
        protectionOf(ecs, service.cluster, arns),
      );
      return (await Promise.all(protectedTasks)).flat().map(([, untilMs]) => untilMs);
    }),
  };
}

/** Whether its tasks may be on an instance of our groups. What a provider that is not known places may be. */
export function mayRunOnOurs(
  { placement }: Pick<ClusterService, 'placement'>,
  providers: Providers,
  { autoScalingGroups }: Pick<Ours, 'autoScalingGroups'>,
): boolean {
  if (typeof placement === 'string') return placement === 'any-instance';
  return placement.some(
    (name) => !providers.has(name) || choiceOf(autoScalingGroups, providers.get(name) ?? '') !== undefined,
  );
}

export async function serviceFindings(
  service: ClusterService,
  time: Time,
  deployment: Judge,
  ask: Ask,
): Promise<Finding[]> {
  const { settings, target, nowMs } = deployment;
  const where = `service ${service.name} of cluster ${service.cluster}`;
  const findings: Finding[] = [];
  /** Continues with what is assumed, and says so. */
  const assuming = (seconds: number, what: string) => (error: unknown) => {
    const reason = sentenceOf(error, target);
    findings.push({ level: 'unchecked', where, what: `${reason} A ${what} of ${seconds} s is assumed.` });
    return seconds;
  };
  const { taskDefinition, loadBalancing, isDaemon } = service;
  const { deregistrationDelaySeconds: assumedSeconds, containerStopTimeoutSeconds, stopStragglers } = settings.policy;
  if (!isDaemon) {
    findings.push(...obstacleFindings(service, where, nowMs()));
    findings.push(...(await protectionFindings(service, where, deployment, ask)));
  }
  const stopSeconds =
    taskDefinition === undefined
      ? containerStopTimeoutSeconds
      : await ask
          .stopTimeoutSeconds(taskDefinition, containerStopTimeoutSeconds)
          .catch(assuming(containerStopTimeoutSeconds, 'stop timeout'));
  const readSeconds = await ask
    .delaySeconds(loadBalancing.targetGroups)
    .catch(assuming(assumedSeconds, 'deregistration delay'));
  for (const name of loadBalancing.unread) {
    const what = `how long its ${name} takes to let go of a task is not read. A deregistration delay of ${assumedSeconds} s is assumed.`;
    findings.push({ level: 'unchecked', where, what, isOptional: true });
  }
  const delaySeconds = loadBalancing.unread.length > 0 ? Math.max(readSeconds, assumedSeconds) : readSeconds;

  const neededSeconds = delaySeconds + stopSeconds;
  const arithmetic = presentNeed(delaySeconds, stopSeconds);
  findings.push(...timeFindings(where, arithmetic, neededSeconds, time));
  if (stopStragglers === 'all' && delaySeconds > assumedSeconds) {
    findings.push({
      level: 'warning',
      where,
      what: `its deregistration delay is ${delaySeconds} s, and the setting deregistrationDelaySeconds is ${assumedSeconds}: its stragglers would be stopped too late.`,
      fix: `Deploy with deregistrationDelaySeconds=${delaySeconds}.`,
    });
  }
  if (findings.length > 0) return findings;
  const checked = isDaemon ? 'its time' : 'its percents, events, deployment and scale-in protection, and its time';
  return [{ level: 'ok', where, what: `checked ${checked}: ${arithmetic}, of ${time.deadlineSeconds} s.` }];
}

/** What ECS reports of the service now, in the words with which a drain reports it. */
function* obstacleFindings(service: ClusterService, where: string, nowMs: number): Generator<Finding> {
  for (const cause of obstaclesOf(service, nowMs, nowMs)) {
    const level = cause.kind === 'cannot-replace' ? 'error' : 'warning';
    yield { level, where, what: `${sentenceOnCause(cause, nowMs)}.`, fix: fixFor(cause) };
  }
}

/** What to do about a cause, and where more is said about it. */
export function fixFor(cause: Parameters<typeof remedyFor>[0]): string {
  const remedy = remedyFor(cause);
  return `${remedy.charAt(0).toUpperCase()}${remedy.slice(1)}: ${documentAt('operations.md#why-a-drain-is-stuck')}`;
}

async function protectionFindings(
  service: ClusterService,
  where: string,
  { target, nowMs }: Judge,
  ask: Ask,
): Promise<Finding[]> {
  try {
    const protection = await ask.protection(service);
    if (protection.length === 0) return [];
    const untilMs = protection.includes(undefined) ? undefined : Math.max(...protection.map(Number));
    const sentence = sentenceOnCause({ kind: 'protected', untilMs }, nowMs());
    return [
      {
        level: 'warning',
        where,
        what: `${counted(protection.length, 'task')}: ${sentence}.`,
        fix: fixFor({ kind: 'protected' }),
      },
    ];
  } catch (error) {
    const what = `${sentenceOf(error, target)} Its tasks may be protected from scale-in.`;
    return [{ level: 'unchecked', where, what }];
  }
}

function* timeFindings(
  where: string,
  arithmetic: string,
  neededSeconds: number,
  { deadlineSeconds, heartbeatSeconds }: Time,
): Generator<Finding> {
  if (neededSeconds >= deadlineSeconds) {
    yield {
      level: 'error',
      where,
      what: `${arithmetic}, and a drain has ${deadlineSeconds} s to its deadline: they are killed.`,
      fix: TOO_SHORT_REMEDY,
    };
  } else if (neededSeconds >= heartbeatSeconds) {
    yield {
      level: 'warning',
      where,
      what: `${arithmetic}, and a hook times out after ${heartbeatSeconds} s without a heartbeat: an outage of that length would end the drain.`,
      fix: "Raise the hook's heartbeat timeout.",
    };
  }
}

/** The longest of the target groups; 0 where there is none. */
async function deregistrationDelayOf(
  loadBalancing: ElasticLoadBalancingV2Client,
  targetGroups: readonly string[],
): Promise<number> {
  const delays = targetGroups.map(async (TargetGroupArn) => {
    const { Attributes: attributes = [] } = await awsCall(`describe the target group ${TargetGroupArn}`, () =>
      loadBalancing.send(new DescribeTargetGroupAttributesCommand({ TargetGroupArn })),
    );
    // 300 s unless it was changed (Elastic Load Balancing user guide, "Deregistration delay").
    return Number(attributes.find(({ Key }) => Key === 'deregistration_delay.timeout_seconds')?.Value ?? 300);
  });
  return Math.max(0, ...(await Promise.all(delays)));
}

/** Whether the service tasks of our fullest instance find room on the others. */
async function roomFinding(
  cluster: string,
  hosts: readonly Host[],
  providers: Providers,
  { instanceIds }: Ours,
  services: readonly ClusterService[],
  ecs: Ecs,
): Promise<Finding> {
  const where = `cluster ${cluster}`;
  const [fullest] = hosts
    .filter(({ ec2InstanceId }) => instanceIds.has(ec2InstanceId))
    .toSorted((a, b) => b.used.memoryMiB - a.used.memoryMiB);
  if (!fullest) {
    const what = 'it has no ACTIVE container instance of the groups whose agent is connected.';
    return { level: 'warning', where, what };
  }
  const replicas = services.filter(({ isDaemon }) => !isDaemon);
  // ECS replaces only so many tasks that as many run as are desired.
  const above = new Map(replicas.map(({ name, desiredCount, runningCount }) => [name, runningCount - desiredCount]));
  const standing = await tasksOn(ecs, fullest, replicas);
  const tasks = standing.filter(({ service }) => {
    const tasksAbove = above.get(service) ?? 0;
    above.set(service, tasksAbove - 1);
    return tasksAbove <= 0;
  });
  const others = hosts.filter((host) => host !== fullest && tasks.some((task) => takes(host, task, providers)));
  const homeless = homelessOf(tasks, others, providers);
  const surplus = standing.length - tasks.length;
  const without = surplus > 0 ? `, without ${surplus} above the desired counts` : '';
  const tasksOfFullest = `the ${counted(tasks.length, 'service task')} of its fullest instance, ${fullest.ec2InstanceId}${without}`;
  if (homeless.length === 0) {
    const what = `the other instances have CPU and memory for ${tasksOfFullest}; ports and constraints are not checked.`;
    return { level: 'ok', where, what };
  }
  const missing =
    homeless.length === tasks.length
      ? `no other instance has room for ${tasksOfFullest}`
      : `the other instances have room for ${tasks.length - homeless.length} of ${tasksOfFullest}`;
  return {
    level: 'warning',
    where,
    what: `${missing}, so a drain has to wait for a new instance.`,
    fix: 'Keep room for the tasks of one instance, or let the group launch before it terminates.',
  };
}

/** The tasks that find no room on the hosts: the largest first, each where it fits first. */
export function homelessOf(
  tasks: readonly Homeless[],
  hosts: readonly Pick<Host, 'free' | 'capacityProvider' | 'ec2InstanceId'>[],
  providers: Providers,
): Homeless[] {
  const free = hosts.map((host) => ({ host, ...host.free }));
  return tasks.filter((task) => {
    const room = free.find(
      (each) => takes(each.host, task, providers) && each.cpuUnits >= task.cpuUnits && each.memoryMiB >= task.memoryMiB,
    );
    if (!room) return true;
    room.cpuUnits -= task.cpuUnits;
    room.memoryMiB -= task.memoryMiB;
    return false;
  });
}

/** Whether ECS may place the task there: by its capacity provider, or on an EC2 instance that is not one of ECS's own. */
function takes(
  { capacityProvider, ec2InstanceId }: Pick<Host, 'capacityProvider' | 'ec2InstanceId'>,
  task: Homeless,
  providers: Providers,
): boolean {
  if (task.capacityProvider !== undefined) return capacityProvider === task.capacityProvider;
  const isManaged =
    capacityProvider !== undefined && providers.has(capacityProvider) && !providers.get(capacityProvider);
  return ec2InstanceId.startsWith('i-') && !isManaged; // a host of ECS Anywhere is called mi-…
}
