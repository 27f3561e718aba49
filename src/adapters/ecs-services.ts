/** What ECS knows of services and task definitions: for stopping tasks in time, and for explaining why they stay. */

import {
  type ContainerDefinition,
  DescribeServicesCommand,
  DescribeTaskDefinitionCommand,
  type Service as EcsService,
  type Task as EcsTask,
  GetTaskProtectionCommand,
} from '@aws-sdk/client-ecs';
import { batches } from '../domain/by-cluster.ts';
import type { Diagnostics, Service } from '../domain/diagnose.ts';
import type { HoldingTask, TaskClass } from '../domain/observation.ts';
import { awsCall } from './aws-call.ts';
import { type Ecs, refuseFailures } from './ecs-call.ts';
import { abortAfter } from './system-clock.ts';

/** The most that one call takes (ECS API reference, DescribeServices; facts 39 task-protection). */
const SERVICES_BATCH = 10;
export const PROTECTION_BATCH = 100;

/** How long ECS may take to explain. A person can wait for it; a drain must go on. */
const DIAGNOSIS_SECONDS = 5;

export interface EcsOptions {
  /** Whether to read services and task definitions, for how and when tasks are stopped ahead of the deadline. */
  readonly readStopTimeouts: boolean;
  /** The stop timeout of a container whose task definition sets none. */
  readonly containerStopTimeoutSeconds: number;
  /** Hears once in a warm container of each read that failed, and what is assumed instead. */
  readonly onAssumption?: (sentence: string) => void;
}

/** What never changes, and is read once in a warm container. */
interface WarmCache {
  /** By cluster and service. */
  readonly strategies: Map<string, string>;
  /** By task definition. */
  readonly stopTimeoutsSeconds: Map<string, number>;
}

/** What drains that stop tasks have to know about them. */
export interface EcsLookups {
  /** Reads what is not known yet of these tasks; what ECS does not answer is assumed. */
  learn(cluster: string, tasks: readonly EcsTask[]): Promise<void>;
  classOf(cluster: string, group: string | undefined): TaskClass;
  /** Undefined where stop timeouts are not read. */
  stopTimeoutSecondsOf(task: EcsTask): number | undefined;
}

/** The lookups of each invocation, over what earlier ones have read. */
export function ecsLookups(
  client: Ecs['client'],
  { readStopTimeouts, containerStopTimeoutSeconds, onAssumption = () => {} }: EcsOptions,
): (abortSignal: AbortSignal) => EcsLookups {
  const cache: WarmCache = { strategies: new Map(), stopTimeoutsSeconds: new Map() };
  const reported = new Set<string>();
  const assume = (assumption: string) => (error: Error) => {
    if (reported.has(assumption)) return;
    reported.add(assumption);
    onAssumption(`${error.message.replace(/\.$/, '')}. Until it is known, ${assumption}.`);
  };
  return (abortSignal) => ({
    async learn(cluster, tasks) {
      if (!readStopTimeouts) return;
      const ecs = { client, abortSignal };
      // A drain waits for neither: a service is a replica service, and a stop timeout the default, until ECS says otherwise.
      const untilKnown = `stop timeouts count as ${containerStopTimeoutSeconds} s`;
      await Promise.all([
        learnStrategies(ecs, cluster, tasks, cache).catch(assume('every service counts as a replica service')),
        learnStopTimeouts(ecs, tasks, cache, containerStopTimeoutSeconds).catch(assume(untilKnown)),
      ]);
    },
    classOf(cluster, group) {
      const strategy = cache.strategies.get(`${cluster}/${serviceIn(group)}`);
      return strategy === 'DAEMON' ? 'daemon' : 'service';
    },
    stopTimeoutSecondsOf: ({ taskDefinitionArn = '' }) => cache.stopTimeoutsSeconds.get(taskDefinitionArn),
  });
}

/** The service that a task's group names (ECS API reference: `service:` and the service's name). */
export function serviceIn(group: string | undefined): string | undefined {
  return group?.startsWith('service:') ? group.slice('service:'.length) : undefined;
}

async function learnStrategies(ecs: Ecs, cluster: string, tasks: readonly EcsTask[], { strategies }: WarmCache) {
  const names = new Set(tasks.flatMap(({ group }) => serviceIn(group) ?? []));
  const unknown = [...names].filter((name) => !strategies.has(`${cluster}/${name}`));
  for (const services of batches(unknown, SERVICES_BATCH)) {
    const described = await describedServices(ecs, cluster, services);
    for (const name of services) {
      const service = described.find(({ serviceName }) => serviceName === name);
      // A service that was deleted while its last tasks stop is missing here.
      strategies.set(`${cluster}/${name}`, service?.schedulingStrategy ?? 'REPLICA');
    }
  }
}

async function learnStopTimeouts(
  ecs: Ecs,
  tasks: readonly EcsTask[],
  { stopTimeoutsSeconds }: WarmCache,
  defaultSeconds: number,
) {
  for (const taskDefinition of new Set(tasks.flatMap(({ taskDefinitionArn }) => taskDefinitionArn ?? []))) {
    if (stopTimeoutsSeconds.has(taskDefinition)) continue;
    stopTimeoutsSeconds.set(taskDefinition, await readStopTimeoutSeconds(ecs, taskDefinition, defaultSeconds));
  }
}

/** The time from the first SIGTERM to the last SIGKILL in a task of the task definition. */
export async function readStopTimeoutSeconds(
  { client, abortSignal }: Ecs,
  taskDefinition: string,
  defaultSeconds: number,
): Promise<number> {
  const answer = await awsCall(`describe the task definition ${taskDefinition}`, () =>
    client.send(new DescribeTaskDefinitionCommand({ taskDefinition }), { abortSignal }),
  );
  return longestStopSeconds(answer.taskDefinition?.containerDefinitions ?? [], defaultSeconds);
}

/**
 * The longest chain of stop timeouts. ECS stops a container only when those that depend on it have stopped, and all others
 * at the same time (facts 51 default-stop-timeout).
 */
export function longestStopSeconds(containers: readonly ContainerDefinition[], defaultSeconds: number): number {
  const byName = new Map(containers.map((container) => [container.name, container]));
  const secondsOf = (container: ContainerDefinition, dependents: readonly ContainerDefinition[]): number => {
    const path = [...dependents, container];
    const dependencies = dependenciesOf(container).flatMap((name) => byName.get(name) ?? []);
    // ECS refuses circles; whoever answers in its place must not make us run in them.
    const next = dependencies.filter((each) => !path.includes(each)).map((each) => secondsOf(each, path));
    return (container.stopTimeout ?? defaultSeconds) + Math.max(0, ...next);
  };
  return Math.max(0, ...containers.map((container) => secondsOf(container, [])));
}

/** The containers that must still run when this one stops: not those that had to end before it started. */
function dependenciesOf({ dependsOn = [], links = [], volumesFrom = [] }: ContainerDefinition): string[] {
  return [
    ...dependsOn.flatMap(({ condition, containerName }) =>
      condition === 'COMPLETE' || condition === 'SUCCESS' ? [] : (containerName ?? []),
    ),
    ...links.flatMap((link) => link.split(':')[0] ?? []),
    ...volumesFrom.flatMap(({ sourceContainer }) => sourceContainer ?? []),
  ];
}

/** Services as ECS describes them. */
export async function describedServices(
  { client, abortSignal }: Ecs,
  cluster: string,
  services: string[],
): Promise<EcsService[]> {
  const attempted = `describe the services ${services.join(', ')} of cluster ${cluster}`;
  const answer = await awsCall(attempted, () =>
    client.send(new DescribeServicesCommand({ cluster, services }), { abortSignal }),
  );
  refuseFailures(answer.failures, attempted);
  return answer.services ?? [];
}

/** Asks for everything at once, each apart from the others: one answer does not depend on another. */
export function ecsDiagnosis({ client, abortSignal }: Ecs): (tasks: readonly HoldingTask[]) => Promise<Diagnostics> {
  return async (tasks) => {
    const ecs = { client, abortSignal: AbortSignal.any([abortSignal, abortAfter(DIAGNOSIS_SECONDS * 1000)]) };
    const clusters = [...Map.groupBy(tasks, ({ cluster }) => cluster)];
    const described = clusters.flatMap(([cluster, group]) =>
      batches([...new Set(group.flatMap((task) => serviceIn(task.group) ?? []))], SERVICES_BATCH).map(async (names) =>
        (await describedServices(ecs, cluster, names)).map((service) => toService(cluster, service)),
      ),
    );
    const protection = clusters.flatMap(([cluster, group]) =>
      batches(
        group.filter((task) => task.class !== 'standalone').map(({ arn }) => arn),
        PROTECTION_BATCH,
      ).map((arns) => protectionOf(ecs, cluster, arns)),
    );
    const [services, protectedTasks] = await Promise.all([
      Promise.allSettled(described),
      Promise.allSettled(protection),
    ]);
    return {
      services: services.flatMap((each) => (each.status === 'fulfilled' ? each.value : [])),
      protectedTasks: new Map(protectedTasks.flatMap((each) => (each.status === 'fulfilled' ? each.value : []))),
      unknown: [...services, ...protectedTasks].flatMap((each) =>
        each.status === 'rejected' ? (each.reason as Error).message : [],
      ),
    };
  };
}

/** Until when which of the tasks are protected: a hundred at most. Only tasks of services can be; ECS fails others. */
export async function protectionOf({ client, abortSignal }: Ecs, cluster: string, tasks: string[]) {
  const attempted = `ask for the scale-in protection of ${tasks.length} tasks of cluster ${cluster}`;
  const answer = await awsCall(attempted, () =>
    client.send(new GetTaskProtectionCommand({ cluster, tasks }), { abortSignal }),
  );
  refuseFailures(
    answer.failures?.filter(({ reason }) => reason !== 'TASK_NOT_VALID'),
    attempted,
  );
  return (answer.protectedTasks ?? [])
    .filter(({ protectionEnabled }) => protectionEnabled)
    .map(({ taskArn = '', expirationDate }) => [taskArn, expirationDate?.getTime()] as const);
}

/** What ECS says of a service. */
export function toService(cluster: string, service: EcsService): Service {
  const { serviceName: name = '', desiredCount = 0, deploymentConfiguration = {}, events = [] } = service;
  const isDaemon = service.schedulingStrategy === 'DAEMON';
  // What ECS assumes where a service says nothing (ECS API reference, DeploymentConfiguration).
  const { minimumHealthyPercent = isDaemon ? 0 : 100, maximumPercent = isDaemon ? 100 : 200 } = deploymentConfiguration;
  const newest = service.deployments?.find(({ status }) => status === 'PRIMARY');
  const state = newest?.rolloutState;
  return {
    cluster,
    name,
    isDaemon,
    desiredCount,
    minimumHealthyPercent,
    maximumPercent,
    events: events.map(({ createdAt, message = '' }) => ({ atMs: createdAt?.getTime() ?? 0, message })),
    deployment:
      state === 'IN_PROGRESS' || state === 'FAILED' ? { state, sinceMs: newest?.createdAt?.getTime() ?? 0 } : undefined,
  };
}
