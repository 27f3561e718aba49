/** What operators ask about a whole cluster; drains never do. */

import {
  type ContainerInstance as EcsContainerInstance,
  type Service as EcsService,
  paginateListContainerInstances,
  paginateListServices,
} from '@aws-sdk/client-ecs';
import { describedInstances, describedTasks, listTasks, toContainerInstance } from '../src/adapters/ecs.ts';
import { callInCluster, type Ecs } from '../src/adapters/ecs-call.ts';
import { describedServices, serviceIn, toService } from '../src/adapters/ecs-services.ts';
import type { Service } from '../src/domain/diagnose.ts';
import type { ContainerInstance } from '../src/domain/observation.ts';

/** A service whose tasks run on container instances. */
export interface ClusterService extends Service {
  /** Undefined for a service of an external deployment. */
  readonly taskDefinition: string | undefined;
  /** The ARNs of its target groups. */
  readonly targetGroups: readonly string[];
}

/** DescribeServices takes ten services (ECS API reference). */
const SERVICES_PAGE = 10;

/**
 * The active services of the cluster that run on container instances.
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
      .filter((service) => service.status === 'ACTIVE' && runsOnContainerInstances(service))
      .map((service) => ({
        ...toService(cluster, service),
        taskDefinition: service.taskDefinition,
        targetGroups: (service.loadBalancers ?? []).flatMap(({ targetGroupArn }) => targetGroupArn ?? []),
      }));
  });
}

/** A service with a strategy has no launch type: it is Fargate's if all its capacity providers are. */
export function runsOnContainerInstances({ launchType, capacityProviderStrategy: strategy = [] }: EcsService): boolean {
  if (strategy.length === 0) return launchType !== 'FARGATE' && launchType !== 'EXTERNAL';
  return strategy.some(({ capacityProvider }) => capacityProvider !== 'FARGATE' && capacityProvider !== 'FARGATE_SPOT');
}

/** The ARNs of the container instances that are DRAINING. */
export async function drainingIn(ecs: Ecs, cluster: string): Promise<string[]> {
  return instancesIn(ecs, cluster, 'DRAINING');
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
  readonly free: Size;
  readonly used: Size;
}

/** The ACTIVE container instances of the cluster. */
export async function hostsIn(ecs: Ecs, cluster: string): Promise<Host[]> {
  const instances = await describedInstances(ecs, cluster, await instancesIn(ecs, cluster, 'ACTIVE'));
  return instances.map((instance) => toHost(cluster, instance));
}

function toHost(cluster: string, instance: EcsContainerInstance): Host {
  const [all, free] = [sizeIn(instance.registeredResources), sizeIn(instance.remainingResources)];
  const used = { cpuUnits: all.cpuUnits - free.cpuUnits, memoryMiB: all.memoryMiB - free.memoryMiB };
  return { ...toContainerInstance(cluster, instance), free, used };
}

function sizeIn(resources: EcsContainerInstance['remainingResources']): Size {
  const amount = (wanted: string) => resources?.find(({ name }) => name === wanted)?.integerValue ?? 0;
  return { cpuUnits: amount('CPU'), memoryMiB: amount('MEMORY') };
}

/** The sizes of the tasks of these services on a container instance, the largest first. */
export async function taskSizesOn(ecs: Ecs, host: Host, services: readonly Service[]): Promise<Size[]> {
  const names = new Set(services.map(({ name }) => name));
  const { running } = await listTasks(ecs, host);
  const tasks = running.length > 0 ? await describedTasks(ecs, host.cluster, running) : [];
  return tasks
    .filter(({ group }) => names.has(serviceIn(group) ?? ''))
    .map(({ cpu, memory }) => ({ cpuUnits: Number(cpu ?? 0), memoryMiB: Number(memory ?? 0) }))
    .toSorted((a, b) => b.memoryMiB - a.memoryMiB);
}
