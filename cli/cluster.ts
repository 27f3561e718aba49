/** What operators ask about a whole cluster; drains never do. */

import {
  DescribeCapacityProvidersCommand,
  type ContainerInstance as EcsContainerInstance,
  type Service as EcsService,
  paginateListContainerInstances,
  paginateListServices,
  paginateListTasks,
} from '@aws-sdk/client-ecs';
import { awsCall } from '../src/adapters/aws-call.ts';
import { describedInstances, describedTasks, listTasks, toContainerInstance } from '../src/adapters/ecs.ts';
import { callInCluster, type Ecs } from '../src/adapters/ecs-call.ts';
import { describedServices, serviceIn, toService } from '../src/adapters/ecs-services.ts';
import { batches } from '../src/domain/by-cluster.ts';
import type { Service } from '../src/domain/diagnose.ts';
import type { ContainerInstance } from '../src/domain/observation.ts';

/** A service whose tasks may run on container instances. */
export interface ClusterService extends Service {
  readonly runningCount: number;
  /** Undefined for a service of an external deployment. */
  readonly taskDefinition: string | undefined;
  readonly loadBalancing: LoadBalancing;
  readonly placement: Placement;
}

/** What lets go of the tasks of a service before they stop. */
export interface LoadBalancing {
  /** The ARNs of the target groups, in every place where the service names one. */
  readonly targetGroups: readonly string[];
  /** What else there is, of which no delay is read: Classic Load Balancers, VPC Lattice. */
  readonly unread: readonly string[];
}

/** Where the tasks of a service are placed: by these capacity providers, on any EC2 instance, or on no EC2 instance of ours. */
export type Placement = readonly string[] | 'any-instance' | 'elsewhere';

/** DescribeServices takes ten services, DescribeCapacityProviders a hundred (ECS API reference). */
const SERVICES_PAGE = 10;
const PROVIDERS_BATCH = 100;

/**
 * The active services of the cluster that may run on container instances of Auto Scaling groups.
 * @throws ClusterMissing
 */
export async function servicesIn(ecs: Ecs, cluster: string): Promise<ClusterService[]> {
  return callInCluster(`list the services of cluster ${cluster}`, async () => {
    const services: EcsService[] = [];
    const { client, abortSignal } = ecs;
    const pages = paginateListServices({ client, pageSize: SERVICES_PAGE }, { cluster }, { abortSignal });
    for await (const { serviceArns = [] } of pages) {
      if (serviceArns.length > 0) services.push(...(await describedServices(ecs, cluster, serviceArns)));
    }
    return services
      .filter((service) => service.status === 'ACTIVE' && placementOf(service) !== 'elsewhere')
      .map((service) => ({
        ...toService(cluster, service),
        runningCount: service.runningCount ?? 0,
        taskDefinition: service.taskDefinition,
        loadBalancing: loadBalancingOf(service),
        placement: placementOf(service),
      }));
  });
}

/** A service of an external deployment has task sets, each with load balancers and a placement of its own. */
export function loadBalancingOf({ loadBalancers = [], taskSets = [], deployments = [] }: EcsService): LoadBalancing {
  const all = [...loadBalancers, ...taskSets.flatMap((taskSet) => taskSet.loadBalancers ?? [])];
  const targetGroups = all.flatMap(({ targetGroupArn, advancedConfiguration }) => [
    ...(targetGroupArn ? [targetGroupArn] : []),
    // A blue/green deployment moves the tasks from one to the other, and back.
    ...(advancedConfiguration?.alternateTargetGroupArn ? [advancedConfiguration.alternateTargetGroupArn] : []),
  ]);
  const classic = all.flatMap(({ loadBalancerName: name }) => (name ? [`Classic Load Balancer ${name}`] : []));
  const lattice = deployments.flatMap(({ vpcLatticeConfigurations = [] }) =>
    vpcLatticeConfigurations.map(({ targetGroupArn }) => `VPC Lattice target group ${targetGroupArn}`),
  );
  return { targetGroups: [...new Set(targetGroups)], unread: [...new Set([...classic, ...lattice])] };
}

/** Placement by capacity providers of Fargate is placement elsewhere. A service with a strategy has no launch type. */
export function placementOf({ launchType, capacityProviderStrategy = [], taskSets = [] }: EcsService): Placement {
  if (launchType === undefined && capacityProviderStrategy.length === 0 && taskSets.length > 0) {
    const each = taskSets.map((taskSet) => placementOf({ ...taskSet, taskSets: [] }));
    if (each.includes('any-instance')) return 'any-instance';
    const providers = each.flatMap((placement) => (typeof placement === 'string' ? [] : placement));
    return providers.length > 0 ? [...new Set(providers)] : 'elsewhere';
  }
  if (capacityProviderStrategy.length === 0) {
    return launchType === undefined || launchType === 'EC2' ? 'any-instance' : 'elsewhere';
  }
  const providers = capacityProviderStrategy.flatMap(({ capacityProvider: name }) =>
    name && name !== 'FARGATE' && name !== 'FARGATE_SPOT' ? [name] : [],
  );
  return providers.length > 0 ? providers : 'elsewhere';
}

/** The Auto Scaling group of each capacity provider; undefined for one of ECS Managed Instances, which has none. */
export type Providers = ReadonlyMap<string, string | undefined>;

/** The capacity providers with these names. */
export async function providersNamed(ecs: Ecs, names: readonly string[]): Promise<Providers> {
  const { client, abortSignal } = ecs;
  const providers = new Map<string, string | undefined>();
  for (const capacityProviders of batches([...new Set(names)], PROVIDERS_BATCH)) {
    let nextToken: string | undefined;
    do {
      const answer = await awsCall(`describe the capacity providers ${capacityProviders.join(', ')}`, () =>
        client.send(new DescribeCapacityProvidersCommand({ capacityProviders, nextToken }), { abortSignal }),
      );
      for (const { name = '', autoScalingGroupProvider } of answer.capacityProviders ?? []) {
        providers.set(name, autoScalingGroupProvider?.autoScalingGroupArn?.split('autoScalingGroupName/')[1]);
      }
      nextToken = answer.nextToken;
    } while (nextToken !== undefined);
  }
  return providers;
}

/** The ARNs of the running tasks of a service. */
export async function tasksOf(ecs: Ecs, { cluster, name }: Service): Promise<string[]> {
  const { client, abortSignal } = ecs;
  return awsCall(`list the tasks of service ${name} of cluster ${cluster}`, async () => {
    const input = { cluster, serviceName: name, desiredStatus: 'RUNNING' } as const;
    const pages = paginateListTasks({ client, pageSize: 100 }, input, { abortSignal });
    return (await Array.fromAsync(pages)).flatMap((page) => page.taskArns ?? []);
  });
}

/** The container instances that are DRAINING, except for these. */
export async function otherDrainingIn(
  ecs: Ecs,
  cluster: string,
  except: ReadonlySet<string>,
): Promise<ContainerInstance[]> {
  const others = (await instancesIn(ecs, cluster, 'DRAINING')).filter((arn) => !except.has(arn));
  return (await describedInstances(ecs, cluster, others)).map((instance) => toContainerInstance(cluster, instance));
}

async function instancesIn({ client, abortSignal }: Ecs, cluster: string, status: 'ACTIVE' | 'DRAINING') {
  return callInCluster(`list the container instances of cluster ${cluster} that are ${status}`, async () => {
    const pages = paginateListContainerInstances({ client, pageSize: 100 }, { cluster, status }, { abortSignal });
    return (await Array.fromAsync(pages)).flatMap((page) => page.containerInstanceArns ?? []);
  });
}

export interface Size {
  readonly cpuUnits: number;
  readonly memoryMiB: number;
}

/** A container instance that ECS places tasks on. */
export interface Host extends ContainerInstance {
  /** Undefined where no capacity provider has it. */
  readonly capacityProvider: string | undefined;
  readonly free: Size;
  readonly used: Size;
}

/**
 * The ACTIVE container instances of the cluster whose agents are connected. ECS places nothing on the others, and their EC2
 * instances may be gone (facts 15 agent-connection).
 */
export async function hostsIn(ecs: Ecs, cluster: string): Promise<Host[]> {
  const instances = await describedInstances(ecs, cluster, await instancesIn(ecs, cluster, 'ACTIVE'));
  return instances.map((instance) => toHost(cluster, instance)).filter(({ agentConnected }) => agentConnected);
}

function toHost(cluster: string, instance: EcsContainerInstance): Host {
  const [all, free] = [sizeIn(instance.registeredResources), sizeIn(instance.remainingResources)];
  const used = { cpuUnits: all.cpuUnits - free.cpuUnits, memoryMiB: all.memoryMiB - free.memoryMiB };
  const { capacityProviderName: capacityProvider } = instance;
  return { ...toContainerInstance(cluster, instance), capacityProvider, free, used };
}

function sizeIn(resources: EcsContainerInstance['remainingResources']): Size {
  const amount = (wanted: string) => resources?.find(({ name }) => name === wanted)?.integerValue ?? 0;
  return { cpuUnits: amount('CPU'), memoryMiB: amount('MEMORY') };
}

/** A task that has to find a place. */
export interface Homeless extends Size {
  /** What places it; undefined where any EC2 instance will do. */
  readonly capacityProvider: string | undefined;
}

/** The tasks of these services on a container instance, the largest first, each with the name of its service. */
export async function tasksOn(
  ecs: Ecs,
  host: Host,
  services: readonly Service[],
): Promise<(Homeless & { readonly service: string })[]> {
  const names = new Set(services.map(({ name }) => name));
  const { running } = await listTasks(ecs, host);
  const tasks = running.length > 0 ? await describedTasks(ecs, host.cluster, running) : [];
  return tasks
    .filter(({ group }) => names.has(serviceIn(group) ?? ''))
    .map(({ group, cpu, memory, capacityProviderName: capacityProvider }) => ({
      cpuUnits: Number(cpu ?? 0),
      memoryMiB: Number(memory ?? 0),
      capacityProvider,
      service: serviceIn(group) ?? '',
    }))
    .toSorted((a, b) => b.memoryMiB - a.memoryMiB);
}
