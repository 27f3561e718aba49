import type {
  Deployment,
  DescribeClustersRequest,
  DescribeClustersResponse,
  DescribeContainerInstancesRequest,
  DescribeContainerInstancesResponse,
  DescribeServicesRequest,
  DescribeServicesResponse,
  DescribeTaskDefinitionRequest,
  DescribeTaskDefinitionResponse,
  DescribeTasksRequest,
  DescribeTasksResponse,
  Cluster as EcsCluster,
  Service as EcsService,
  Failure,
  GetTaskProtectionRequest,
  GetTaskProtectionResponse,
  ListClustersRequest,
  ListClustersResponse,
  ListContainerInstancesRequest,
  ListContainerInstancesResponse,
  ListServicesRequest,
  ListServicesResponse,
  ListTasksRequest,
  ListTasksResponse,
  ProtectedTask,
  StopTaskRequest,
  StopTaskResponse,
  UpdateContainerInstancesStateRequest,
  UpdateContainerInstancesStateResponse,
  UpdateTaskProtectionRequest,
  UpdateTaskProtectionResponse,
} from '@aws-sdk/client-ecs';
import { AwsError } from './aws-error.ts';
import {
  type Cluster,
  type ContainerInstance,
  describeInstance,
  describeTask,
  type EcsModel,
  type Service,
  type Task,
  type TaskDefinition,
} from './ecs.ts';
import { type Faults, NO_FAULTS } from './faults.ts';
import type { Operations, Service as RegionService } from './service.ts';
import type { Misfit } from './wire/shapes.ts';

/** The most that one call takes (facts 11, 13, 14; ECS API reference). */
const DESCRIBED_AT_ONCE = 100;
const SERVICES_DESCRIBED_AT_ONCE = 10;
const INSTANCES_UPDATED_AT_ONCE = 10;
const LARGEST_PAGE = 100;
const USUAL_PAGE_OF_SERVICES = 10;

const PROTECTED_AT_ONCE = 10;
const LONGEST_PROTECTION_MINUTES = 2_880;

/** ECS's API over the model. */
export function ecsService(model: EcsModel, faults: Pick<Faults, 'listLagSeconds'> = NO_FAULTS): RegionService {
  return { name: 'ecs', operations: ecsOperations(model, faults), refusal };
}

/** ECS asks for what must not be left out, and names what it takes, in words of its own. */
function refusal({ kind, member }: Misfit): AwsError | undefined {
  const words = member.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  const what = words.charAt(0).toUpperCase() + words.slice(1);
  if (kind === 'required') return invalid(`${what} cannot be empty.`);
  if (kind === 'enum' && member === 'status') {
    return invalid('Container instance status should be one of [ACTIVE, DRAINING].');
  }
  return undefined;
}

/** The operations of the ECS API over the model, by name. */
function ecsOperations(model: EcsModel, faults: Pick<Faults, 'listLagSeconds'>): Operations {
  return {
    ListClusters: (input: ListClustersRequest): ListClustersResponse => {
      const { page, nextToken } = paged([...model.clusters.values()], ({ name }) => name, input);
      return { clusterArns: arnsOf(page), ...nextToken };
    },

    DescribeClusters: (input: DescribeClustersRequest): DescribeClustersResponse => {
      const names = input.clusters?.length ? input.clusters : ['default'];
      const { found, failures } = pick('Clusters', names, DESCRIBED_AT_ONCE, {
        find: (name) => model.clusters.get(idOf(name)),
        arnOf: (name) => model.arnOf('cluster', idOf(name)),
      });
      return { clusters: found.map(describeCluster), failures };
    },

    ListContainerInstances: (input: ListContainerInstancesRequest): ListContainerInstancesResponse => {
      const cluster = clusterIn(model, input.cluster);
      const { ec2InstanceIds, agentConnected } = filterIn(input.filter);
      // Facts 14: one EC2 instance costs one look, and may have more than one registration.
      const candidates = ec2InstanceIds?.flatMap((id) => model.registrationsOf(id)) ?? cluster.registered;
      const matching = [...candidates].filter(
        (instance) =>
          instance.cluster === cluster &&
          (agentConnected === undefined || instance.agentConnected === agentConnected) &&
          // Facts 14: every state except INACTIVE.
          (input.status ? instance.status === input.status : instance.status !== 'INACTIVE'),
      );
      const { page, nextToken } = paged(matching, ({ id }) => id, input);
      return { containerInstanceArns: arnsOf(page), ...nextToken };
    },

    DescribeContainerInstances: (input: DescribeContainerInstancesRequest): DescribeContainerInstancesResponse => {
      const cluster = clusterIn(model, input.cluster);
      const { found, failures } = pickInstances(model, cluster, input.containerInstances, DESCRIBED_AT_ONCE);
      return { containerInstances: found.map(describeInstance), failures };
    },

    UpdateContainerInstancesState: (
      input: UpdateContainerInstancesStateRequest,
    ): UpdateContainerInstancesStateResponse => {
      const cluster = clusterIn(model, input.cluster);
      const { status } = input;
      if (status !== 'ACTIVE' && status !== 'DRAINING') {
        throw invalid('Container instance status should be one of [ACTIVE, DRAINING].');
      }
      const { found, failures } = pickInstances(model, cluster, input.containerInstances, INSTANCES_UPDATED_AT_ONCE);
      // Facts 11: only from the one to the other; anything else is a row in `failures`, inside a 200.
      const changeable = status === 'DRAINING' ? 'ACTIVE' : 'DRAINING';
      const [accepted, refused] = parted(found, (instance) => instance.status === changeable);
      for (const instance of accepted) model.setInstanceStatus(instance, status);
      return {
        containerInstances: accepted.map(describeInstance),
        failures: [...failures, ...refused.map(({ arn, status: reason }) => ({ arn, reason }))],
      };
    },

    ListTasks: (input: ListTasksRequest): ListTasksResponse => {
      const cluster = clusterIn(model, input.cluster);
      const { family, startedBy, launchType = 'EC2' } = input;
      // Facts 13: the default hides the tasks that are leaving.
      const desiredStatus = input.desiredStatus ?? 'RUNNING';
      const listedAsOfMs = model.nowMs() - faults.listLagSeconds * 1000;
      const matching = narrowest(cluster, input).filter(
        (task) =>
          task.createdAtMs <= listedAsOfMs &&
          (task.stoppingAtMs !== undefined && task.stoppingAtMs <= listedAsOfMs ? 'STOPPED' : 'RUNNING') ===
            desiredStatus &&
          launchType === 'EC2' &&
          (family === undefined || task.definition.family === family) &&
          (startedBy === undefined || task.startedBy === startedBy),
      );
      const { page, nextToken } = paged(matching, ({ id }) => id, input);
      return { taskArns: arnsOf(page), ...nextToken };
    },

    DescribeTasks: (input: DescribeTasksRequest): DescribeTasksResponse => {
      const cluster = clusterIn(model, input.cluster);
      const { found, failures } = pickTasks(model, cluster, input.tasks);
      return { tasks: found.map(describeTask), failures };
    },

    StopTask: (input: StopTaskRequest): StopTaskResponse => {
      const cluster = clusterIn(model, input.cluster);
      const task = cluster.tasks.get(idIn(cluster, input.task ?? ''));
      if (!task) throw invalid('The referenced task was not found.');
      model.stopTask(task, input.reason ?? 'Task stopped by user');
      return { task: describeTask(task) };
    },

    GetTaskProtection: (input: GetTaskProtectionRequest): GetTaskProtectionResponse => {
      const cluster = clusterIn(model, input.cluster);
      const { found, failures } = pickTasks(model, cluster, input.tasks);
      const [ofServices, others] = parted(found, ({ service }) => service !== undefined);
      return {
        protectedTasks: ofServices.map((task) => describeProtection(model, task)),
        failures: [...failures, ...others.map(({ arn }) => ({ arn, reason: 'TASK_NOT_VALID' }))],
      };
    },

    UpdateTaskProtection: (input: UpdateTaskProtectionRequest): UpdateTaskProtectionResponse => {
      const cluster = clusterIn(model, input.cluster);
      const { protectionEnabled = false, expiresInMinutes = 120 } = input;
      if (expiresInMinutes < 1 || expiresInMinutes > LONGEST_PROTECTION_MINUTES) {
        throw invalid(`expiresInMinutes must be between 1 and ${LONGEST_PROTECTION_MINUTES}.`);
      }
      const { found, failures } = pickTasks(model, cluster, input.tasks, PROTECTED_AT_ONCE);
      const [ofServices, others] = parted(found, ({ service }) => service !== undefined);
      for (const task of ofServices) model.setTaskProtection(task, protectionEnabled, expiresInMinutes * 60);
      return {
        protectedTasks: ofServices.map((task) => describeProtection(model, task)),
        failures: [...failures, ...others.map(({ arn }) => ({ arn, reason: 'TASK_NOT_VALID' }))],
      };
    },

    ListServices: (input: ListServicesRequest): ListServicesResponse => {
      const cluster = clusterIn(model, input.cluster);
      const { schedulingStrategy, launchType = 'EC2' } = input;
      const matching = [...cluster.services.values()].filter(
        ({ spec }) => launchType === 'EC2' && (!schedulingStrategy || spec.strategy === schedulingStrategy),
      );
      const { page, nextToken } = paged(matching, ({ spec }) => spec.name, input, USUAL_PAGE_OF_SERVICES);
      return { serviceArns: arnsOf(page), ...nextToken };
    },

    DescribeServices: (input: DescribeServicesRequest): DescribeServicesResponse => {
      const cluster = clusterIn(model, input.cluster);
      const { found, failures } = pick('Services', input.services, SERVICES_DESCRIBED_AT_ONCE, {
        find: (name) => cluster.services.get(idIn(cluster, name)),
        arnOf: (name) => model.arnOf('service', `${cluster.name}/${idOf(name)}`),
      });
      return { services: found.map(describeService), failures };
    },

    DescribeTaskDefinition: (input: DescribeTaskDefinitionRequest): DescribeTaskDefinitionResponse => {
      const [family = '', revision] = idOf(input.taskDefinition ?? '').split(':');
      const revisions = model.revisionsOf(family);
      const definition = revision === undefined ? revisions.at(-1) : revisions[Number(revision) - 1];
      if (!definition) throw new AwsError('ClientException', 'Unable to describe task definition.');
      return { taskDefinition: describeTaskDefinition(definition), tags: [] };
    },
  };
}

// --- As AWS describes them --------------------------------------------------------------------------------------------

function describeCluster({ name, arn, registered, services, tally }: Cluster): EcsCluster {
  return {
    clusterName: name,
    clusterArn: arn,
    status: 'ACTIVE',
    registeredContainerInstancesCount: registered.size,
    runningTasksCount: tally.running,
    pendingTasksCount: tally.pending,
    activeServicesCount: services.size,
    statistics: [],
    settings: [],
    capacityProviders: [],
    defaultCapacityProviderStrategy: [],
    tags: [],
  };
}

function describeService(service: Service): EcsService {
  const { spec, cluster, tally, definition } = service;
  const createdAt = new Date(service.createdAtMs);
  const counts = {
    desiredCount: spec.strategy === 'DAEMON' ? hostsOfDaemons(cluster) : service.desiredCount,
    runningCount: tally.running,
    pendingCount: tally.pending,
  };
  const deployment: Deployment = {
    id: service.deploymentId,
    status: 'PRIMARY',
    taskDefinition: definition.arn,
    ...counts,
    failedTasks: 0,
    createdAt,
    updatedAt: createdAt,
    launchType: 'EC2',
    rolloutState: 'COMPLETED',
  };
  return {
    serviceName: spec.name,
    serviceArn: service.arn,
    clusterArn: cluster.arn,
    status: 'ACTIVE',
    schedulingStrategy: spec.strategy,
    launchType: 'EC2',
    taskDefinition: definition.arn,
    ...counts,
    deploymentConfiguration: {
      minimumHealthyPercent: spec.minimumHealthyPercent,
      maximumPercent: spec.maximumPercent,
    },
    deployments: [deployment],
    loadBalancers: spec.loadBalancer
      ? [{ targetGroupArn: targetGroupArn(service), containerName: spec.name, containerPort: 80 }]
      : [],
    serviceRegistries: [],
    events: service.events.map(({ id, createdAtMs, message }) => ({ id, createdAt: new Date(createdAtMs), message })),
    createdAt,
    placementConstraints: [],
    placementStrategy: spec.strategy === 'REPLICA' ? [{ type: 'spread', field: 'instanceId' }] : [],
  };
}

/** A daemon is desired on every ACTIVE instance. */
function hostsOfDaemons({ registered }: Cluster): number {
  return [...registered].filter(({ status }) => status === 'ACTIVE').length;
}

/** The target group of a service behind a load balancer. */
export function targetGroupArn({ arn, spec }: Service): string {
  const [, , , region, account] = arn.split(':');
  return `arn:aws:elasticloadbalancing:${region}:${account}:targetgroup/${spec.name}/0000000000000001`;
}

function describeTaskDefinition(definition: TaskDefinition): DescribeTaskDefinitionResponse['taskDefinition'] {
  const { arn, family, revision, memoryMiB, cpuUnits, stopTimeoutSeconds, registeredAtMs } = definition;
  return {
    taskDefinitionArn: arn,
    family,
    revision,
    status: 'ACTIVE',
    cpu: String(cpuUnits),
    memory: String(memoryMiB),
    compatibilities: ['EC2'],
    requiresCompatibilities: ['EC2'],
    containerDefinitions: [
      {
        name: family,
        image: `${family}:latest`,
        essential: true,
        cpu: cpuUnits,
        memory: memoryMiB,
        stopTimeout: stopTimeoutSeconds,
        environment: [],
        mountPoints: [],
        portMappings: [],
        volumesFrom: [],
      },
    ],
    volumes: [],
    placementConstraints: [],
    registeredAt: new Date(registeredAtMs),
  };
}

function describeProtection(model: EcsModel, task: Task): ProtectedTask {
  const untilMs = model.protectedUntilMs(task);
  if (untilMs === undefined) return { taskArn: task.arn, protectionEnabled: false };
  return { taskArn: task.arn, protectionEnabled: true, expirationDate: new Date(untilMs) };
}

// --- What requests name -----------------------------------------------------------------------------------------------

/** @throws AwsError if there is no such cluster. */
function clusterIn(model: EcsModel, name = 'default'): Cluster {
  const cluster = model.clusters.get(idOf(name));
  if (!cluster) throw new AwsError('ClusterNotFoundException', 'Cluster not found.');
  return cluster;
}

/** The listed tasks of the smallest index that the request names. */
function narrowest(cluster: Cluster, { serviceName, containerInstance }: ListTasksRequest): Task[] {
  const instance = containerInstance === undefined ? undefined : instanceIn(cluster, containerInstance);
  const service = serviceName === undefined ? undefined : serviceIn(cluster, serviceName);
  if (!instance) return [...(service?.tasks ?? cluster.tasks.values())];
  return [...instance.tasks].filter((task) => !service || task.service === service);
}

function instanceIn(cluster: Cluster, name: string): ContainerInstance {
  const instance = cluster.instances.get(idIn(cluster, name));
  if (!instance) throw invalid('The referenced container instance was not found.');
  return instance;
}

function serviceIn(cluster: Cluster, name: string): Service {
  const service = cluster.services.get(idIn(cluster, name));
  if (!service) throw new AwsError('ServiceNotFoundException', 'Service not found.');
  return service;
}

function pickInstances(model: EcsModel, cluster: Cluster, names: readonly string[] | undefined, most: number) {
  return pick('Container instances', names, most, {
    find: (name) => cluster.instances.get(idIn(cluster, name)),
    arnOf: (name) => model.arnOf('container-instance', `${cluster.name}/${idOf(name)}`),
  });
}

function pickTasks(model: EcsModel, cluster: Cluster, names: readonly string[] | undefined, most = DESCRIBED_AT_ONCE) {
  return pick('Tasks', names, most, {
    find: (name) => cluster.tasks.get(idIn(cluster, name)),
    arnOf: (name) => model.arnOf('task', `${cluster.name}/${idOf(name)}`),
  });
}

/** What a request names, each once; what there is not of it is a failure inside a 200. */
function pick<T>(
  what: string,
  names: readonly string[] | undefined,
  most: number,
  { find, arnOf }: { readonly find: (name: string) => T | undefined; readonly arnOf: (name: string) => string },
): { readonly found: readonly T[]; readonly failures: Failure[] } {
  if (!names?.length) throw invalid(`${what} cannot be empty.`);
  if (names.length > most) throw invalid(`${what} can have at most ${most} items.`);
  const wanted = [...new Set(names)].map((name) => ({ name, item: find(name) }));
  return {
    found: [...new Set(wanted.flatMap(({ item }) => item ?? []))],
    failures: wanted.filter(({ item }) => !item).map(({ name }) => ({ arn: arnOf(name), reason: 'MISSING' })),
  };
}

/** The last part of an ARN, which ECS takes in its place. */
function idOf(arn: string): string {
  return arn.slice(arn.lastIndexOf('/') + 1);
}

/** @throws AwsError if the ARN is of another cluster. */
function idIn({ name }: Cluster, arn: string): string {
  const [, cluster, id] = arn.split('/');
  if (id !== undefined && cluster !== name) {
    throw invalid(`Identifier is for cluster ${cluster}. Your cluster is ${name}`);
  }
  return idOf(arn);
}

/** The part of ECS's cluster query language that asks for these two; values may stand in quotes. */
function filterIn(filter: string | undefined): { ec2InstanceIds?: string[]; agentConnected?: boolean } {
  const wanted: { ec2InstanceIds?: string[]; agentConnected?: boolean } = {};
  if (!filter) return wanted;
  for (const clause of filter.split(/\s+and\s+/i)) {
    const [, key, value = '', list] = /^\s*(\w+)\s*(?:==\s*(\S+)|in\s*\[(.*)\])\s*$/i.exec(clause) ?? [];
    const values = (list?.split(',') ?? [value]).map((each) => each.trim().replace(/^(['"])(.*)\1$/, '$2'));
    if (key === 'ec2InstanceId' && values.every(Boolean)) wanted.ec2InstanceIds = values;
    else if (key === 'agentConnected' && /^(true|false)$/.test(value)) wanted.agentConnected = value === 'true';
    else throw invalid(`Invalid filter: ${filter}`);
  }
  return wanted;
}

/** One page, and the token of the next: the key of the last item, so that what comes and goes meanwhile skips nothing. */
function paged<T>(
  items: readonly T[],
  keyOf: (item: T) => string,
  request: { readonly nextToken?: string | undefined; readonly maxResults?: number | undefined },
  usualPage = LARGEST_PAGE,
): { readonly page: readonly T[]; readonly nextToken: { readonly nextToken?: string } } {
  const { maxResults = usualPage } = request;
  if (maxResults < 1 || maxResults > LARGEST_PAGE) {
    throw invalid(`maxResults must be between 1 and ${LARGEST_PAGE}.`);
  }
  const after = request.nextToken === undefined ? undefined : keyIn(request.nextToken);
  const left = items
    .filter((item) => after === undefined || keyOf(item) > after)
    .sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  const page = left.slice(0, maxResults);
  const last = page.at(-1);
  const isEnd = last === undefined || page.length === left.length;
  return { page, nextToken: isEnd ? {} : { nextToken: tokenOf(keyOf(last)) } };
}

const TOKEN_MARK = 'after ';

function tokenOf(key: string): string {
  return Buffer.from(TOKEN_MARK + key).toString('base64');
}

function keyIn(token: string): string {
  const text = Buffer.from(token, 'base64').toString();
  if (!text.startsWith(TOKEN_MARK)) throw invalid('Invalid token.');
  return text.slice(TOKEN_MARK.length);
}

function invalid(message: string): AwsError {
  return new AwsError('InvalidParameterException', message);
}

function arnsOf(items: readonly { readonly arn: string }[]): string[] {
  return items.map(({ arn }) => arn);
}

function parted<T>(items: readonly T[], test: (item: T) => boolean): [yes: T[], no: T[]] {
  return [items.filter(test), items.filter((item) => !test(item))];
}
