import type { Failure } from '@aws-sdk/client-ecs';
import { AwsError } from '../aws-error.ts';
import type { EcsModel } from './model.ts';
import type { ClusterView, InstanceView, ServiceView, TaskView } from './views.ts';

/** What requests name: clusters, container instances, tasks and services, by name or ARN. */

/** The most that one call describes (facts 13, 14; ECS API reference). */
export const DESCRIBED_AT_ONCE = 100;

/** @throws AwsError if there is no such cluster. */
export function clusterIn(model: EcsModel, name = 'default'): ClusterView {
  const cluster = model.clusters.get(idOf(name));
  if (!cluster) throw new AwsError('ClusterNotFoundException', 'Cluster not found.');
  return cluster;
}

/** @throws AwsError if there is no such container instance. */
export function instanceIn(cluster: ClusterView, name: string): InstanceView {
  const instance = cluster.instances.get(idIn(cluster, name));
  if (!instance) throw invalid('The referenced container instance was not found.');
  return instance;
}

/** @throws AwsError if there is no such service. */
export function serviceIn(cluster: ClusterView, name: string): ServiceView {
  const service = cluster.services.get(idIn(cluster, name));
  if (!service) throw new AwsError('ServiceNotFoundException', 'Service not found.');
  return service;
}

/** @throws AwsError if there is no such task. */
export function taskIn(cluster: ClusterView, name: string): TaskView {
  const task = cluster.tasks.get(idIn(cluster, name));
  if (!task) throw invalid('The referenced task was not found.');
  return task;
}

/** What a request names, each once; what does not exist is a failure inside a 200. */
export interface Picked<T> {
  readonly found: readonly T[];
  readonly failures: Failure[];
}

export function pickClusters(model: EcsModel, names: readonly string[]): Picked<ClusterView> {
  return pick('Clusters', names, DESCRIBED_AT_ONCE, {
    find: (name) => model.clusters.get(idOf(name)),
    arnOf: (name) => model.arnOf('cluster', idOf(name)),
  });
}

export function pickInstances(
  model: EcsModel,
  cluster: ClusterView,
  names: readonly string[] | undefined,
  most: number,
): Picked<InstanceView> {
  return pick('Container instances', names, most, {
    find: (name) => cluster.instances.get(idIn(cluster, name)),
    arnOf: (name) => model.arnOf('container-instance', `${cluster.name}/${idOf(name)}`),
  });
}

export function pickTasks(
  model: EcsModel,
  cluster: ClusterView,
  names: readonly string[] | undefined,
  most = DESCRIBED_AT_ONCE,
): Picked<TaskView> {
  return pick('Tasks', names, most, {
    find: (name) => cluster.tasks.get(idIn(cluster, name)),
    arnOf: (name) => model.arnOf('task', `${cluster.name}/${idOf(name)}`),
  });
}

export function pickServices(
  model: EcsModel,
  cluster: ClusterView,
  names: readonly string[] | undefined,
  most: number,
): Picked<ServiceView> {
  return pick('Services', names, most, {
    find: (name) => cluster.services.get(idIn(cluster, name)),
    arnOf: (name) => model.arnOf('service', `${cluster.name}/${idOf(name)}`),
  });
}

function pick<T>(
  what: string,
  names: readonly string[] | undefined,
  most: number,
  { find, arnOf }: { readonly find: (name: string) => T | undefined; readonly arnOf: (name: string) => string },
): Picked<T> {
  if (!names?.length) throw invalid(`${what} cannot be empty.`);
  if (names.length > most) throw invalid(`${what} can have at most ${most} items.`);
  const wanted = [...new Set(names)].map((name) => ({ name, item: find(name) }));
  return {
    found: [...new Set(wanted.flatMap(({ item }) => item ?? []))],
    failures: wanted.filter(({ item }) => !item).map(({ name }) => ({ arn: arnOf(name), reason: 'MISSING' })),
  };
}

/** The last part of an ARN, which ECS takes in its place. */
export function idOf(arn: string): string {
  return arn.slice(arn.lastIndexOf('/') + 1);
}

/** @throws AwsError if the ARN is of another cluster. */
function idIn({ name }: ClusterView, arn: string): string {
  const [, cluster, id] = arn.split('/');
  if (id !== undefined && cluster !== name) {
    throw invalid(`Identifier is for cluster ${cluster}. Your cluster is ${name}`);
  }
  return idOf(arn);
}

export function invalid(message: string): AwsError {
  return new AwsError('InvalidParameterException', message);
}

export function arnsOf(items: readonly { readonly arn: string }[]): string[] {
  return items.map(({ arn }) => arn);
}

export function parted<T>(items: readonly T[], test: (item: T) => boolean): [yes: T[], no: T[]] {
  return [items.filter(test), items.filter((item) => !test(item))];
}
