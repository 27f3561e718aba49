import type { Failure } from '@aws-sdk/client-ecs';
import { AwsError } from '../aws-error.ts';
import { type Kind, named } from './arns.ts';
import { invalid } from './errors.ts';
import type { EcsModel } from './model.ts';
import type { ClusterView, InstanceView, ServiceView, TaskDefinition, TaskView } from './views.ts';

/** What requests name: clusters and what is in them, by name or ARN. */

/** The most that one call describes (facts 13 counting-trap, 14 instance-lookup; ECS API reference). */
export const DESCRIBED_AT_ONCE = 100;

/** @throws AwsError if there is no such cluster. */
export function clusterIn(model: EcsModel, name = 'default'): ClusterView {
  const cluster = model.clusters.get(named('cluster', name, model.place).id);
  if (!cluster) throw new AwsError('ClusterNotFoundException', 'Cluster not found.');
  return cluster;
}

/** @throws AwsError if there is no such container instance. */
export function instanceIn(model: EcsModel, cluster: ClusterView, name: string): InstanceView {
  const instance = cluster.instances.get(idIn(model, cluster, 'container-instance', name));
  if (!instance) throw invalid('The referenced container instance was not found.');
  return instance;
}

/** @throws AwsError if there is no such service. */
export function serviceIn(model: EcsModel, cluster: ClusterView, name: string): ServiceView {
  const service = cluster.services.get(idIn(model, cluster, 'service', name));
  if (!service) throw new AwsError('ServiceNotFoundException', 'Service not found.');
  return service;
}

/** @throws AwsError if there is no such task. */
export function taskIn(model: EcsModel, cluster: ClusterView, name: string): TaskView {
  const task = cluster.tasks.get(idIn(model, cluster, 'task', name));
  if (!task) throw invalid('The referenced task was not found.');
  return task;
}

/** The named revision, or the latest of the family; undefined if it does not exist. */
export function definitionIn(model: EcsModel, name: string): TaskDefinition | undefined {
  const [family = '', revision] = named('task-definition', name, model.place).id.split(':');
  const revisions = model.revisionsOf(family);
  return revision === undefined ? revisions.at(-1) : revisions[Number(revision) - 1];
}

/** What a request names, each once; what does not exist is a failure inside a 200. */
export interface Picked<T> {
  readonly found: readonly T[];
  readonly failures: Failure[];
}

export function pickClusters(model: EcsModel, names: readonly string[]): Picked<ClusterView> {
  const idOf = (name: string) => named('cluster', name, model.place).id;
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
  const found = inCluster(model, cluster, 'container-instance', cluster.instances);
  return pick('Container instances', names, most, found);
}

export function pickTasks(
  model: EcsModel,
  cluster: ClusterView,
  names: readonly string[] | undefined,
  most = DESCRIBED_AT_ONCE,
): Picked<TaskView> {
  return pick('Tasks', names, most, inCluster(model, cluster, 'task', cluster.tasks));
}

export function pickServices(
  model: EcsModel,
  cluster: ClusterView,
  names: readonly string[] | undefined,
  most: number,
): Picked<ServiceView> {
  return pick('Services', names, most, inCluster(model, cluster, 'service', cluster.services));
}

interface Lookup<T> {
  readonly find: (name: string) => T | undefined;
  /** The ARN under which a failure names what does not exist. */
  readonly arnOf: (name: string) => string;
}

function inCluster<T>(model: EcsModel, cluster: ClusterView, kind: Kind, items: ReadonlyMap<string, T>): Lookup<T> {
  const idOf = (name: string) => idIn(model, cluster, kind, name);
  return {
    find: (name) => items.get(idOf(name)),
    arnOf: (name) => model.arnOf(kind, `${cluster.name}/${idOf(name)}`),
  };
}

export function pick<T>(
  what: string,
  names: readonly string[] | undefined,
  most: number,
  { find, arnOf }: Lookup<T>,
): Picked<T> {
  if (!names?.length) throw invalid(`${what} cannot be empty.`);
  if (names.length > most) throw invalid(`${what} can have at most ${most} items.`);
  const wanted = [...new Set(names)].map((name) => ({ name, item: find(name) }));
  return {
    found: [...new Set(wanted.flatMap(({ item }) => item ?? []))],
    failures: wanted.filter(({ item }) => !item).map(({ name }) => ({ arn: arnOf(name), reason: 'MISSING' })),
  };
}

/** @throws AwsError if the ARN is of another cluster. */
function idIn({ place }: EcsModel, { name }: ClusterView, kind: Kind, text: string): string {
  const { cluster, id } = named(kind, text, place);
  if (cluster !== undefined && cluster !== name) {
    throw invalid(`Invalid identifier: Identifier is for cluster ${cluster}. Your cluster is ${name}`);
  }
  return id;
}

export function arnsOf(items: readonly { readonly arn: string }[]): string[] {
  return items.map(({ arn }) => arn);
}

export function parted<T>(items: readonly T[], test: (item: T) => boolean): [yes: T[], no: T[]] {
  return [items.filter(test), items.filter((item) => !test(item))];
}
