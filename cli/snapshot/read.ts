/**
 * Reads AWS into a snapshot. Descriptions that the service reads too are read by its adapters. What is read here is read
 * otherwise: page by page, each page paced and counted, or with fields that the domain does not have.
 */

import {
  type AutoScalingClient,
  type AutoScalingGroup,
  DescribeAutoScalingGroupsCommand,
  DescribeLifecycleHooksCommand,
  DescribeScalingActivitiesCommand,
} from '@aws-sdk/client-auto-scaling';
import { type CloudWatchClient, GetMetricDataCommand } from '@aws-sdk/client-cloudwatch';
import {
  type ContainerInstance,
  DescribeCapacityProvidersCommand,
  DescribeTaskDefinitionCommand,
  type ECSClient,
  ListClustersCommand,
  ListContainerInstancesCommand,
  ListServicesCommand,
  ListTasksCommand,
  type Service,
  type Task,
} from '@aws-sdk/client-ecs';
import {
  DescribeTargetGroupAttributesCommand,
  DescribeTargetGroupsCommand,
  type ElasticLoadBalancingV2Client,
} from '@aws-sdk/client-elastic-load-balancing-v2';
import type { LambdaClient } from '@aws-sdk/client-lambda';
import { attributesNamedIn } from '../../sandbox/plan/placement-attributes.ts';
import { SNAPSHOT_VERSION, type Snapshot, serviceOf } from '../../sandbox/plan/snapshot.ts';
import { describedInstances, describedTasks } from '../../src/adapters/ecs.ts';
import type { Ecs } from '../../src/adapters/ecs-call.ts';
import { describedServices, PROTECTION_BATCH, protectionOf } from '../../src/adapters/ecs-services.ts';
import { nameInArn } from '../../src/adapters/schemas.ts';
import { batches } from '../../src/domain/by-cluster.ts';
import { loadBalancingOf, placementOf } from '../cluster.ts';
import { counted, hasCode, UsageError } from '../common.ts';
import { readDeployedSettings } from './deployed-settings.ts';
import type { PageLimit, Reader } from './reader.ts';
import {
  targetGroupName,
  toCapacityProvider,
  toContainerInstance,
  toGroup,
  toHook,
  toService,
  toStoppedTask,
  toTargetGroup,
  toTask,
  toTaskDefinition,
} from './translate.ts';

export interface SnapshotClients {
  readonly autoScaling: AutoScalingClient;
  readonly ecs: ECSClient;
  readonly loadBalancing: ElasticLoadBalancingV2Client;
  readonly lambda: LambdaClient;
  readonly cloudWatch: CloudWatchClient;
}

export interface SnapshotRequest {
  readonly group: string;
  /** Found by the instances of the group if it is left out. */
  readonly cluster: string | undefined;
  /** The function whose settings to read, if it is deployed. */
  readonly functionName: string;
  readonly withImages: boolean;
  nowMs(): number;
}

/** What one call takes (ECS API reference; facts 13 counting-trap, 14 instance-lookup). */
const PAGE = 100;
const SERVICES_AT_ONCE = 10;
const TARGET_GROUPS_AT_ONCE = 20;
/** So many pages of scaling activities are enough of the past. */
const PAST_PAGES = 2;
/**
 * Among stopped tasks are those that are still stopping, and hold their instance: as many pages are read as a quarter of the calls that
 * are left allows, with two calls for each.
 */
const STOPPED_PAGES = { least: 2, most: 10, share: 1 / 8 };
/** In an account with more clusters it has to be said which is meant. */
const MOST_CLUSTERS_SEARCHED = 20;

/** No invocation ends here, so nothing is cut short. */
function unhurried(client: ECSClient): Ecs {
  return { client, abortSignal: new AbortController().signal };
}

/** The account number is that of the ARNs. */
export async function readSnapshot(
  clients: SnapshotClients,
  request: SnapshotRequest,
  reader: Reader,
): Promise<{ readonly snapshot: Snapshot; readonly account: string }> {
  const group = await readGroup(clients, request.group, reader);
  const ids = (group.Instances ?? []).flatMap(({ InstanceId }) => InstanceId ?? []);
  if (ids.length === 0) throw new UsageError(noInstances(group));
  const cluster = await clusterOf(clients.ecs, ids, request, reader);
  const hosts = await readHosts(clients.ecs, cluster, reader).catch((error) => {
    if (!hasCode('ClusterNotFoundException', error)) throw error;
    throw new UsageError(
      `There is no cluster ${cluster} in this Region: correct --cluster, or name another Region with --region.`,
      { cause: error },
    );
  });
  refuseStrangers(group, ids, cluster, hosts);
  const all = await readServices(clients.ecs, cluster, reader);
  const services = all.filter((service) => service.status !== 'INACTIVE' && placementOf(service) !== 'elsewhere');
  const ec2IdOf = new Map(
    hosts.map(({ containerInstanceArn, ec2InstanceId }) => [containerInstanceArn, ec2InstanceId]),
  );
  const tasks = await readTasks(clients.ecs, cluster, 'RUNNING', reader);
  const leaving = await readLeaving(clients.ecs, cluster, reader);
  // What began to stop meanwhile is in both lists, and the later one counts.
  const latest = new Map([...tasks, ...leaving].map((task) => [task.taskArn, task]));
  const there = [...latest.values()].filter(
    ({ containerInstanceArn, lastStatus }) => ec2IdOf.get(containerInstanceArn) && lastStatus !== 'STOPPED',
  );
  const drain = await readDeployedSettings(
    clients.lambda,
    request.functionName,
    { group: request.group, cluster },
    reader,
  );
  const hooks = await readHooks(clients.autoScaling, request.group, reader);
  const launchSeconds = await readLaunchSeconds(clients.autoScaling, request.group, hosts, reader);
  const capacityProviders = await readCapacityProviders(clients.ecs, request, services, reader);
  const definitions = await readDefinitions(
    clients.ecs,
    services,
    there,
    request.withImages,
    reader,
    stopTimeoutSecondsIn(drain),
  );
  const targetGroups = await readTargetGroups(clients, services, request.nowMs(), reader);
  const protections = await readProtections(clients.ecs, cluster, there, reader);
  const described = services.map((service) => toService(service, protections, request.nowMs()));
  const named = attributesNamedIn({ services: described, taskDefinitions: definitions });
  const snapshot: Snapshot = {
    version: SNAPSHOT_VERSION,
    takenAtMs: request.nowMs(), // The answers of AWS have set the clock by now.
    group: { ...toGroup(group), ...(hooks && { hooks }), launchSeconds },
    cluster: {
      name: cluster,
      instances: hosts.map((host) => toContainerInstance(host, named)),
      capacityProviders,
      services: described,
      tasks: there.map((task) => toTask(task, ec2IdOf.get(task.containerInstanceArn) ?? '')),
      stoppedTasks: leaving.filter(({ lastStatus }) => lastStatus === 'STOPPED').map(toStoppedTask),
      taskDefinitions: definitions,
      targetGroups,
    },
    ...(drain && { drain }),
    unknown: reader.unknown,
  };
  return { snapshot, account: group.AutoScalingGroupARN?.split(':')[4] ?? '' };
}

// --- The group --------------------------------------------------------------------------------------------------------

async function readGroup({ autoScaling }: SnapshotClients, name: string, reader: Reader): Promise<AutoScalingGroup> {
  const { AutoScalingGroups: [group] = [] } = await reader.read(`describe the group ${name}`, () =>
    autoScaling.send(new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: [name] })),
  );
  if (group) return group;
  throw new UsageError(
    `Auto Scaling has no group ${name} in this Region: correct --group, or name another Region with --region.`,
  );
}

function noInstances({ AutoScalingGroupName: name, DesiredCapacity = 0 }: AutoScalingGroup): string {
  const why = DesiredCapacity === 0 ? 'its desired capacity is 0' : `it launches ${DesiredCapacity} at the moment`;
  return `The group ${name} has no instance, because ${why}: there is nothing to drain.`;
}

async function readHooks(autoScaling: AutoScalingClient, group: string, reader: Reader) {
  const hooks = await reader.tryTo('autoscaling:DescribeLifecycleHooks', 'the lifecycle hooks of the group', () =>
    reader.read(`describe the hooks of ${group}`, () =>
      autoScaling.send(new DescribeLifecycleHooksCommand({ AutoScalingGroupName: group })),
    ),
  );
  return hooks && (hooks.LifecycleHooks ?? []).map(toHook);
}

/** A registration that comes later is that of an agent that has registered again, and says nothing about the launch. */
const LONGEST_LAUNCH_SECONDS = 3_600;

/** From the start of a launch, as Auto Scaling has it, until the instance registered with ECS. */
async function readLaunchSeconds(
  autoScaling: AutoScalingClient,
  group: string,
  hosts: readonly ContainerInstance[],
  reader: Reader,
): Promise<number[]> {
  const missing = 'how long an instance takes from its launch until it registers with ECS';
  const activities = await reader.tryTo('autoscaling:DescribeScalingActivities', missing, () =>
    reader.readAll(
      `describe the scaling activities of ${group}`,
      (NextToken) =>
        autoScaling.send(
          new DescribeScalingActivitiesCommand({ AutoScalingGroupName: group, MaxRecords: PAGE, NextToken }),
        ),
      { items: (page) => page.Activities, next: (page) => page.NextToken },
      { mostPages: PAST_PAGES },
    ),
  );
  // An agent may have registered again long after the launch.
  const firstLast = hosts.toSorted((a, b) => (b.registeredAt?.getTime() ?? 0) - (a.registeredAt?.getTime() ?? 0));
  const registeredAt = new Map(firstLast.map(({ ec2InstanceId, registeredAt }) => [ec2InstanceId, registeredAt]));
  return (activities ?? []).flatMap(({ Description: description = '', StartTime: startedAt }) => {
    const [, id] = /^Launching a new EC2 instance: (i-\w+)/.exec(description) ?? [];
    const registered = registeredAt.get(id);
    if (!startedAt || !registered) return [];
    const seconds = (registered.getTime() - startedAt.getTime()) / 1000;
    return seconds >= 0 && seconds <= LONGEST_LAUNCH_SECONDS ? [seconds] : [];
  });
}

// --- The cluster ------------------------------------------------------------------------------------------------------

/** @throws UsageError if the instances are in no cluster, or in more than one. */
async function clusterOf(
  ecs: ECSClient,
  ids: readonly string[],
  { group, cluster }: SnapshotRequest,
  reader: Reader,
): Promise<string> {
  if (cluster !== undefined) return cluster;
  const arns = await reader.readAll(
    'list the clusters',
    (nextToken) => ecs.send(new ListClustersCommand({ maxResults: PAGE, nextToken })),
    { items: (page) => page.clusterArns, next: (page) => page.nextToken },
  );
  if (arns.length > MOST_CLUSTERS_SEARCHED) {
    throw new UsageError(`There are ${arns.length} clusters: name the one of the group ${group} with --cluster.`);
  }
  const filter = `ec2InstanceId in [${ids.slice(0, PAGE).join(', ')}]`;
  const found: string[] = [];
  for (const arn of arns) {
    const { containerInstanceArns = [] } = await reader.read(`find the instances of ${group} in ${arn}`, () =>
      ecs.send(new ListContainerInstancesCommand({ cluster: nameInArn(arn), filter })),
    );
    if (containerInstanceArns.length > 0) found.push(nameInArn(arn));
  }
  const [only] = found;
  if (only === undefined) {
    throw new UsageError(
      `No instance of the group ${group} is registered in a cluster of this account and Region: a drain would find nothing to do. Does the agent of its instances run, and does ECS_CLUSTER name a cluster?`,
    );
  }
  if (found.length === 1) return only;
  throw new UsageError(
    `The instances of the group ${group} are in ${found.length} clusters (${found.join(', ')}), and a plan is for one: name it with --cluster.`,
  );
}

/** The container instances that are not INACTIVE. */
async function readHosts(ecs: ECSClient, cluster: string, reader: Reader): Promise<ContainerInstance[]> {
  const arns = await reader.readAll(
    `list the container instances of cluster ${cluster}`,
    (nextToken) => ecs.send(new ListContainerInstancesCommand({ cluster, maxResults: PAGE, nextToken })),
    { items: (page) => page.containerInstanceArns, next: (page) => page.nextToken },
  );
  const hosts: ContainerInstance[] = [];
  for (const containerInstances of batches(arns, PAGE)) {
    hosts.push(...(await reader.make(() => describedInstances(unhurried(ecs), cluster, containerInstances))));
  }
  return hosts.filter(({ ec2InstanceId }) => ec2InstanceId?.startsWith('i-'));
}

/** @throws UsageError if no instance of the group is in the cluster. */
function refuseStrangers(
  { AutoScalingGroupName: group }: AutoScalingGroup,
  ids: readonly string[],
  cluster: string,
  hosts: readonly ContainerInstance[],
): void {
  if (hosts.some(({ ec2InstanceId = '' }) => ids.includes(ec2InstanceId))) return;
  throw new UsageError(
    `None of the ${counted(ids.length, 'instance')} of the group ${group} is registered in the cluster ${cluster}: correct --cluster.`,
  );
}

async function readServices(ecs: ECSClient, cluster: string, reader: Reader): Promise<Service[]> {
  const arns = await reader.readAll(
    `list the services of cluster ${cluster}`,
    (nextToken) => ecs.send(new ListServicesCommand({ cluster, maxResults: PAGE, nextToken })),
    { items: (page) => page.serviceArns, next: (page) => page.nextToken },
  );
  const services: Service[] = [];
  for (const some of batches(arns, SERVICES_AT_ONCE)) {
    services.push(...(await reader.make(() => describedServices(unhurried(ecs), cluster, some))));
  }
  return services;
}

async function readTasks(
  ecs: ECSClient,
  cluster: string,
  desiredStatus: 'RUNNING' | 'STOPPED',
  reader: Reader,
  limit?: PageLimit,
): Promise<Task[]> {
  const arns = await reader.readAll(
    `list the ${desiredStatus} tasks of cluster ${cluster}`,
    (nextToken) => ecs.send(new ListTasksCommand({ cluster, desiredStatus, maxResults: PAGE, nextToken })),
    { items: (page) => page.taskArns, next: (page) => page.nextToken },
    limit,
  );
  const tasks: Task[] = [];
  for (const some of batches(arns, PAGE)) {
    tasks.push(...(await reader.make(() => describedTasks(unhurried(ecs), cluster, some))));
  }
  return tasks;
}

/** Tasks with the desired status STOPPED: some have stopped within the last hour, others still hold their instance. */
async function readLeaving(ecs: ECSClient, cluster: string, reader: Reader): Promise<Task[]> {
  const call = 'ecs:ListTasks';
  const missing = 'tasks that are about to stop, and how long those took that have stopped within the last hour';
  const { least, most, share } = STOPPED_PAGES;
  const mostPages = Math.max(least, Math.min(most, Math.floor(reader.callsLeft * share)));
  const limit = {
    mostPages,
    onCut: () => {
      const why = `the snapshot has read ${mostPages * PAGE} of them${mostPages < most ? ', and --max-calls allows more' : ''}`;
      reader.note({ call, why, missing: `other ${missing}; one that is still about to stop holds its instance` });
    },
  };
  return (await reader.tryTo(call, missing, () => readTasks(ecs, cluster, 'STOPPED', reader, limit))) ?? [];
}

/** How many tasks of each service are protected from scale-in. */
async function readProtections(ecs: ECSClient, cluster: string, tasks: readonly Task[], reader: Reader) {
  const ofServices = tasks.filter(({ group = '' }) => serviceOf({ group }) !== undefined);
  const groupOf = new Map(ofServices.map(({ taskArn, group }) => [taskArn, group ?? '']));
  const counts = new Map<string, number>();
  for (const some of batches(ofServices, PROTECTION_BATCH)) {
    const arns = some.flatMap(({ taskArn }) => taskArn ?? []);
    const missing = `whether ${counted(arns.length, 'task')} of services are protected from scale-in`;
    const answer = await reader.tryTo('ecs:GetTaskProtection', missing, () =>
      reader.make(() => protectionOf(unhurried(ecs), cluster, arns)),
    );
    if (!answer) return counts;
    for (const [taskArn] of answer) {
      const group = groupOf.get(taskArn) ?? '';
      counts.set(group, (counts.get(group) ?? 0) + 1);
    }
  }
  return counts;
}

/** Those with the most tasks first: the calls may not be enough for all, and half of them are kept for target groups. */
async function readDefinitions(
  ecs: ECSClient,
  services: readonly Service[],
  tasks: readonly Task[],
  withImages: boolean,
  reader: Reader,
  stopTimeoutSeconds: number,
): Promise<Snapshot['cluster']['taskDefinitions']> {
  const uses = new Map<string, number>();
  const use = (arn: string | undefined, by: number) => arn && uses.set(arn, (uses.get(arn) ?? 0) + by);
  for (const { taskDefinition } of services) use(taskDefinition, 1);
  for (const { taskDefinitionArn } of tasks) use(taskDefinitionArn, 1);
  const found: Snapshot['cluster']['taskDefinitions'] = [];
  const hasTargets = services.some((service) => loadBalancingOf(service).targetGroups.length > 0);
  const reserved = hasTargets ? Math.floor(reader.callsLeft / 2) : 0;
  for (const [arn] of [...uses].toSorted(([, a], [, b]) => b - a)) {
    const missing = `the stop timeout, ports and constraints of ${nameInArn(arn)}`;
    const read = () =>
      reader.read(`describe the task definition ${nameInArn(arn)}`, () =>
        ecs.send(new DescribeTaskDefinitionCommand({ taskDefinition: arn })),
      );
    const answer = await reader.tryTo('ecs:DescribeTaskDefinition', missing, read, reserved);
    if (answer?.taskDefinition) found.push(toTaskDefinition(answer.taskDefinition, withImages, stopTimeoutSeconds));
  }
  return found;
}

/** Of a container whose definition says nothing: what the deployment's setting says of the agents, or what they have by default. */
function stopTimeoutSecondsIn(drain: Snapshot['drain']): number {
  return Number(drain?.params['containerStopTimeoutSeconds'] ?? 30);
}

/** Those of the group, and those that services ask for. */
async function readCapacityProviders(
  ecs: ECSClient,
  { group }: SnapshotRequest,
  services: readonly Service[],
  reader: Reader,
): Promise<Snapshot['cluster']['capacityProviders']> {
  const providers = await reader.tryTo('ecs:DescribeCapacityProviders', 'the capacity providers of the group', () =>
    reader.readAll(
      'describe the capacity providers',
      (nextToken) => ecs.send(new DescribeCapacityProvidersCommand({ nextToken })),
      { items: (page) => page.capacityProviders, next: (page) => page.nextToken },
    ),
  );
  const asked = services.flatMap(({ capacityProviderStrategy: strategy = [] }) => strategy);
  return (providers ?? [])
    .map(toCapacityProvider)
    .filter(
      ({ name, autoScalingGroup }) =>
        autoScalingGroup !== undefined &&
        (autoScalingGroup === group || asked.some(({ capacityProvider }) => capacityProvider === name)),
    );
}

async function readTargetGroups(
  { loadBalancing, cloudWatch }: SnapshotClients,
  services: readonly Service[],
  nowMs: number,
  reader: Reader,
): Promise<Snapshot['cluster']['targetGroups']> {
  const arns = [...new Set(services.flatMap((service) => loadBalancingOf(service).targetGroups))];
  const rates = await readRequestRates(cloudWatch, arns, nowMs, reader);
  const found: Snapshot['cluster']['targetGroups'] = [];
  for (const some of batches(arns, TARGET_GROUPS_AT_ONCE)) {
    const described = await reader.tryTo(
      'elasticloadbalancing:DescribeTargetGroups',
      `the health checks of ${counted(some.length, 'target group')}`,
      () =>
        reader.read('describe target groups', () =>
          loadBalancing.send(new DescribeTargetGroupsCommand({ TargetGroupArns: some })),
        ),
    );
    for (const arn of some) {
      const name = targetGroupName(arn);
      const attributes = await reader.tryTo(
        'elasticloadbalancing:DescribeTargetGroupAttributes',
        `the deregistration delay of the target group ${name}`,
        () =>
          reader.read(`describe the target group ${name}`, () =>
            loadBalancing.send(new DescribeTargetGroupAttributesCommand({ TargetGroupArn: arn })),
          ),
      );
      const group = described?.TargetGroups?.find(({ TargetGroupArn }) => TargetGroupArn === arn);
      found.push(toTargetGroup(name, group, attributes?.Attributes, rates.get(arn)));
    }
  }
  return found;
}

const HOUR_SECONDS = 3_600;
/** GetMetricData takes so many queries (CloudWatch API reference). */
const QUERIES_AT_ONCE = 500;

/** How many requests a target of each target group got in a second of the last hour. */
async function readRequestRates(
  cloudWatch: CloudWatchClient,
  targetGroups: readonly string[],
  nowMs: number,
  reader: Reader,
): Promise<ReadonlyMap<string, number>> {
  const asked = targetGroups.slice(0, QUERIES_AT_ONCE);
  if (asked.length === 0) return new Map();
  const input = {
    StartTime: new Date(nowMs - HOUR_SECONDS * 1000),
    EndTime: new Date(nowMs),
    MetricDataQueries: asked.map((arn, i) => ({ Id: `t${i}`, MetricStat: requestsOfTarget(arn) })),
  };
  const missing = `how many requests come to ${counted(asked.length, 'target group')}`;
  const answer = await reader.tryTo('cloudwatch:GetMetricData', missing, () =>
    reader.read('read how many requests come', () => cloudWatch.send(new GetMetricDataCommand(input))),
  );
  return new Map(
    asked.flatMap((arn, i) => {
      const { Values: values = [] } = answer?.MetricDataResults?.find(({ Id }) => Id === `t${i}`) ?? {};
      return values.length > 0 ? [[arn, values.reduce((sum, each) => sum + each, 0) / HOUR_SECONDS] as const] : [];
    }),
  );
}

/** The sum over the targets, divided by their number, is what CloudWatch calls the sum of this metric. */
function requestsOfTarget(targetGroupArn: string) {
  const TargetGroup = targetGroupArn.split(':').at(-1) ?? '';
  const Metric = {
    Namespace: 'AWS/ApplicationELB',
    MetricName: 'RequestCountPerTarget',
    Dimensions: [{ Name: 'TargetGroup', Value: TargetGroup }],
  };
  return { Metric, Period: 60, Stat: 'Sum' };
}
