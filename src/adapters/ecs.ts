import {
  DescribeContainerInstancesCommand,
  DescribeServicesCommand,
  DescribeTaskDefinitionCommand,
  DescribeTasksCommand,
  type ECSClient,
  type ContainerInstance as EcsContainerInstance,
  type Service as EcsService,
  type Task as EcsTask,
  type Failure,
  GetTaskProtectionCommand,
  paginateListContainerInstances,
  paginateListTasks,
  StopTaskCommand,
  UpdateContainerInstancesStateCommand,
} from '@aws-sdk/client-ecs';
import type { Service } from '../domain/blockers.ts';
import {
  type ContainerInstance,
  type HoldingTask,
  holdsInstance,
  type Registration,
  type Task,
  type TaskClass,
} from '../domain/drain.ts';
import { DEFAULT_STOP_TIMEOUT_SECONDS } from '../domain/policy.ts';
import { type ContainerInstances, Unavailable } from '../domain/ports.ts';
import { awsCall } from './aws-call.ts';
import { abortAfter } from './system-clock.ts';

/**
 * The most that one call takes (facts 11 set-draining, 13 counting-trap, 14 instance-lookup; DescribeServices: ECS API
 * reference).
 */
const DESCRIBE_BATCH = 100;
const UPDATE_BATCH = 10;
const SERVICES_BATCH = 10;

export interface EcsOptions {
  /** Whether to read task definitions for their stop timeouts: needless where the policy stops nothing. */
  readonly readStopTimeouts: boolean;
}

/** What one invocation leaves to the next. */
interface Lore {
  /** What never changes, and so is asked once: by cluster and service, and by task definition. */
  readonly strategies: Map<string, string>;
  readonly stopTimeoutsSeconds: Map<string, number>;
  readonly isBusy: () => boolean;
}

/** How long ECS may take to tell why tasks stay: people wait for it, a drain does not. */
const FACTS_SECONDS = 5;

/** How long after a call that had to be tried again ECS counts as busy. */
const BUSY_SECONDS = 30;

/**
 * Container instances and their tasks as ECS has them. Build it once; it gives what one invocation uses, whose calls all
 * end with the signal: when the invocation's time for looking is up.
 */
export function ecsContainerInstances(
  client: ECSClient,
  options: EcsOptions,
): (signal: AbortSignal) => ContainerInstances {
  const lore = { strategies: new Map(), stopTimeoutsSeconds: new Map(), isBusy: noticingRetries(client) };
  return (signal) => containerInstancesUntil(signal, client, options, lore);
}

function containerInstancesUntil(
  signal: AbortSignal,
  client: ECSClient,
  { readStopTimeouts }: EcsOptions,
  { strategies, stopTimeoutsSeconds, isBusy }: Lore,
): ContainerInstances {
  const sending = { abortSignal: signal };

  async function describeInstances(cluster: string, arns: readonly string[]) {
    const found: Registration[] = [];
    for (const batch of batches(arns, DESCRIBE_BATCH)) {
      const what = `describe ${batch.length} container instances of cluster ${cluster}`;
      const answer = await awsCall(what, () =>
        client.send(new DescribeContainerInstancesCommand({ cluster, containerInstances: batch }), sending),
      );
      found.push(...(answer.containerInstances ?? []).map((instance) => toContainerInstance(cluster, instance)));
      refuseFailures(answer.failures, what);
    }
    return { found, missing: absentFrom(arns, found) };
  }

  function listRegistrations(
    cluster: string,
    ec2InstanceIds: readonly string[],
    only: { readonly status?: 'ACTIVE' } = {},
  ): Promise<string[]> {
    return awsCall(`find ${ec2InstanceIds.length} instances in cluster ${cluster}`, async () => {
      const filter = `ec2InstanceId in [${ec2InstanceIds.join(', ')}]`;
      const pages = paginateListContainerInstances({ client, pageSize: 100 }, { cluster, filter, ...only }, sending);
      return (await Array.fromAsync(pages)).flatMap((page) => page.containerInstanceArns ?? []);
    });
  }

  async function describeTasks(cluster: string, arns: readonly string[]) {
    const found: EcsTask[] = [];
    for (const batch of batches(arns, DESCRIBE_BATCH)) {
      const what = `describe ${batch.length} tasks of cluster ${cluster}`;
      const answer = await awsCall(what, () =>
        client.send(new DescribeTasksCommand({ cluster, tasks: batch }), sending),
      );
      found.push(...(answer.tasks ?? []));
      refuseFailures(answer.failures, what);
    }
    const holding = found.filter(({ lastStatus = '' }) => holdsInstance(lastStatus));
    await learnStrategies(cluster, holding);
    if (readStopTimeouts) await learnStopTimeouts(holding);
    const tasks = found.map((task) => toTask(cluster, task));
    return { found: tasks, missing: absentFrom(arns, tasks) };
  }

  async function learnStrategies(cluster: string, tasks: readonly EcsTask[]) {
    const names = new Set(tasks.flatMap(({ group }) => serviceOf(group) ?? []));
    const unknown = [...names].filter((name) => !strategies.has(`${cluster}/${name}`));
    for (const services of batches(unknown, SERVICES_BATCH)) {
      const what = `describe the services ${services.join(', ')} of cluster ${cluster}`;
      const answer = await awsCall(what, () =>
        client.send(new DescribeServicesCommand({ cluster, services }), sending),
      );
      refuseFailures(answer.failures, what);
      for (const name of services) {
        const service = answer.services?.find(({ serviceName }) => serviceName === name);
        // A service deleted while its last tasks stop is missing here; they were a service's all the same.
        strategies.set(`${cluster}/${name}`, service?.schedulingStrategy ?? 'REPLICA');
      }
    }
  }

  async function learnStopTimeouts(tasks: readonly EcsTask[]) {
    for (const taskDefinition of new Set(tasks.flatMap(({ taskDefinitionArn }) => taskDefinitionArn ?? []))) {
      if (stopTimeoutsSeconds.has(taskDefinition)) continue;
      const answer = await awsCall(`describe the task definition ${taskDefinition}`, () =>
        client.send(new DescribeTaskDefinitionCommand({ taskDefinition }), sending),
      );
      const timeouts = (answer.taskDefinition?.containerDefinitions ?? []).map(
        ({ stopTimeout }) => stopTimeout ?? DEFAULT_STOP_TIMEOUT_SECONDS,
      );
      stopTimeoutsSeconds.set(taskDefinition, Math.max(0, ...timeouts));
    }
  }

  function classOf(cluster: string, group: string | undefined): TaskClass {
    const service = serviceOf(group);
    if (service === undefined) return 'standalone';
    return strategies.get(`${cluster}/${service}`) === 'DAEMON' ? 'daemon' : 'service';
  }

  function toTask(cluster: string, task: EcsTask): Task {
    const { taskArn = '', containerInstanceArn = '', group, lastStatus = '', desiredStatus, taskDefinitionArn } = task;
    if (!holdsInstance(lastStatus)) return { kind: 'stopped', arn: taskArn, stoppedAtMs: task.stoppedAt?.getTime() };
    return {
      kind: 'holding',
      arn: taskArn,
      cluster,
      containerInstanceArn,
      class: classOf(cluster, group),
      group: group ?? 'no group',
      lastStatus,
      stopRequested: desiredStatus === 'STOPPED',
      stopTimeoutSeconds: stopTimeoutsSeconds.get(taskDefinitionArn ?? ''),
      statusSinceMs: statusSinceMs(task),
      startedBy: task.startedBy,
    };
  }

  async function describeServices(cluster: string, services: string[], abortSignal: AbortSignal) {
    const what = `describe the services ${services.join(', ')} of cluster ${cluster}`;
    const answer = await awsCall(what, () =>
      client.send(new DescribeServicesCommand({ cluster, services }), { abortSignal }),
    );
    refuseFailures(answer.failures, what);
    return (answer.services ?? []).map((service) => toService(cluster, service));
  }

  /** Only a service's tasks have any; ECS fails others. */
  async function protectionOf(cluster: string, tasks: string[], abortSignal: AbortSignal) {
    const what = `ask for the scale-in protection of ${tasks.length} tasks of cluster ${cluster}`;
    const answer = await awsCall(what, () =>
      client.send(new GetTaskProtectionCommand({ cluster, tasks }), { abortSignal }),
    );
    refuseFailures(
      answer.failures?.filter(({ reason }) => reason !== 'TASK_NOT_VALID'),
      what,
    );
    return (answer.protectedTasks ?? [])
      .filter(({ protectionEnabled }) => protectionEnabled)
      .map(({ taskArn = '', expirationDate }) => [taskArn, expirationDate?.getTime()] as const);
  }

  /** Everything at once, each apart from the others: what one call does not tell another may. */
  async function factsAbout(tasks: readonly HoldingTask[]) {
    const abortSignal = AbortSignal.any([signal, abortAfter(FACTS_SECONDS * 1000)]);
    const clusters = [...Map.groupBy(tasks, ({ cluster }) => cluster)];
    const described = clusters.flatMap(([cluster, group]) =>
      batches([...new Set(group.flatMap((task) => serviceOf(task.group) ?? []))], SERVICES_BATCH).map((names) =>
        describeServices(cluster, names, abortSignal),
      ),
    );
    const protection = clusters.flatMap(([cluster, group]) =>
      batches(
        group.filter((task) => task.class === 'service').map(({ arn }) => arn),
        DESCRIBE_BATCH,
      ).map((arns) => protectionOf(cluster, arns, abortSignal)),
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
  }

  return {
    async find(cluster, ec2InstanceId) {
      const arns = await awsCall(`find ${ec2InstanceId} in cluster ${cluster}`, async () => {
        const filter = `ec2InstanceId == ${ec2InstanceId}`;
        const pages = paginateListContainerInstances({ client, pageSize: 100 }, { cluster, filter }, sending);
        return (await Array.fromAsync(pages)).flatMap((page) => page.containerInstanceArns ?? []);
      });
      return arns.map((arn) => ({ arn, cluster }));
    },

    refresh: (containerInstances) => foundPerCluster(containerInstances, describeInstances),

    async registrations(cluster, ec2InstanceIds) {
      const found: Registration[] = [];
      for (const batch of batches(ec2InstanceIds, DESCRIBE_BATCH)) {
        const arns = await listRegistrations(cluster, batch);
        found.push(...(await describeInstances(cluster, arns)).found);
      }
      return found;
    },

    async findActive(cluster, ec2InstanceIds) {
      const arns = await listRegistrations(cluster, ec2InstanceIds, { status: 'ACTIVE' });
      return arns.map((arn) => ({ arn, cluster }));
    },

    async setDraining(containerInstances) {
      const draining: ContainerInstance[] = [];
      const refusals: string[] = [];
      for (const [cluster, instances] of Map.groupBy(containerInstances, (instance) => instance.cluster)) {
        for (const batch of batches(instances, UPDATE_BATCH)) {
          const arns = batch.map(({ arn }) => arn);
          const what = `set ${arns.join(', ')} to DRAINING`;
          const update = { cluster, containerInstances: arns, status: 'DRAINING' } as const;
          const answer = await awsCall(what, () =>
            client.send(new UpdateContainerInstancesStateCommand(update), sending).catch((error: Error) => {
              // Not the state to be set to DRAINING from: another delivery of the event may have been faster, or the
              // instance deregistered.
              if (!['InvalidParameterException', 'ClientException'].includes(error.name)) throw error;
              return { containerInstances: [], failures: arns.map((arn) => ({ arn, reason: error.message })) };
            }),
          );
          const now = (answer.containerInstances ?? []).map((instance) => toContainerInstance(cluster, instance));
          const followed = now.filter(({ status }) => status !== 'ACTIVE');
          draining.push(...followed);
          const others = absentFrom(arns, followed);
          if (others.length > 0) {
            const reasons = (answer.failures ?? []).map(({ arn, reason }) => `${arn} ${reason}`).join(', ');
            refusals.push(`Could not ${what}: ${others.join(', ')} did not follow. ${reasons}`.trim());
          }
        }
      }
      return { draining, refusal: refusals.length > 0 ? refusals.join(' ') : undefined };
    },

    async listTasks(containerInstances) {
      const tasks: Task[] = [];
      for (const { arn: containerInstance, cluster } of containerInstances) {
        const arns = { RUNNING: new Set<string>(), STOPPED: new Set<string>() };
        // In this order, one after the other: a task that ECS stops meanwhile leaves the first list for the second.
        for (const desiredStatus of ['RUNNING', 'STOPPED'] as const) {
          await awsCall(`list the ${desiredStatus} tasks on ${containerInstance}`, async () => {
            const input = { cluster, containerInstance, desiredStatus };
            for await (const page of paginateListTasks({ client, pageSize: 100 }, input, sending)) {
              for (const arn of page.taskArns ?? []) arns[desiredStatus].add(arn);
            }
          });
        }
        const { found, missing } = await describeTasks(cluster, [...arns.RUNNING.union(arns.STOPPED)]);
        // One that was to stop and is forgotten since it was listed has stopped; one that is to run is not known yet.
        const unknown = missing.filter((arn) => arns.RUNNING.has(arn));
        if (unknown.length > 0) throw new Unavailable(`ECS lists ${unknown.join(', ')} but does not describe them.`);
        tasks.push(...found);
      }
      return tasks;
    },

    refreshTasks: (holding) => foundPerCluster(holding, describeTasks),

    factsAbout,

    isBusy,

    async stopTask({ cluster, arn: task }, reason) {
      await awsCall(`stop task ${task}`, async () => {
        try {
          await client.send(new StopTaskCommand({ cluster, task, reason }), sending);
        } catch (error) {
          // It is gone already, which is what we wanted.
          if (error instanceof Error && /referenced task was not found/i.test(error.message)) return;
          throw error;
        }
      });
    },
  };
}

/** Tells whether the client had to try a call again lately. */
function noticingRetries(client: ECSClient): () => boolean {
  let busyUntilMs = 0;
  const note = (attempts = 1) => {
    if (attempts > 1) busyUntilMs = Date.now() + BUSY_SECONDS * 1000;
  };
  client.middlewareStack.add(
    (next) => async (args) => {
      try {
        const result = await next(args);
        note(result.output.$metadata.attempts);
        return result;
      } catch (error) {
        note((error as { $metadata?: { attempts?: number } }).$metadata?.attempts);
        throw error;
      }
    },
    { step: 'initialize', name: 'noticingRetries' },
  );
  return () => Date.now() < busyUntilMs;
}

/** What ECS still has of the items, described cluster by cluster. */
async function foundPerCluster<T>(
  items: readonly { readonly arn: string; readonly cluster: string }[],
  describe: (cluster: string, arns: readonly string[]) => Promise<{ readonly found: readonly T[] }>,
): Promise<T[]> {
  const clusters = Map.groupBy(items, ({ cluster }) => cluster);
  const described = [...clusters].map(([cluster, group]) =>
    describe(
      cluster,
      group.map(({ arn }) => arn),
    ),
  );
  return (await Promise.all(described)).flatMap(({ found }) => found);
}

/**
 * A failure in an answer of 200 is an error like any other (facts 11 set-draining), but for what ECS does not have:
 * that is absent from what it found as well.
 */
function refuseFailures(failures: readonly Failure[] | undefined, what: string): void {
  for (const { arn = 'unnamed', reason, detail = '' } of failures ?? []) {
    if (reason !== 'MISSING') throw new Error(`Could not ${what}: ECS failed ${arn} with ${reason}. ${detail}`.trim());
  }
}

/** What was asked for and not found, whether or not ECS says so. */
function absentFrom(asked: readonly string[], found: readonly { readonly arn: string }[]): string[] {
  const arns = new Set(found.map(({ arn }) => arn));
  return asked.filter((arn) => !arns.has(arn));
}

function toContainerInstance(cluster: string, instance: EcsContainerInstance): Registration {
  const { containerInstanceArn = '', status = '', agentConnected = false, ec2InstanceId = '' } = instance;
  const countedTasks = (instance.runningTasksCount ?? 0) + (instance.pendingTasksCount ?? 0);
  return { arn: containerInstanceArn, cluster, ec2InstanceId, status, agentConnected, countedTasks };
}

/** What comes first, a task has been since then: `stoppingAt` is when it was told to stop (ECS API reference, Task). */
function statusSinceMs({ lastStatus, ...task }: EcsTask): number | undefined {
  const ended = lastStatus === 'DEPROVISIONING' ? task.executionStoppedAt : undefined;
  return (ended ?? task.stoppingAt ?? task.startedAt ?? task.createdAt)?.getTime();
}

function toService(cluster: string, service: EcsService): Service {
  const { serviceName: name = '', desiredCount = 0, deploymentConfiguration = {}, events = [] } = service;
  const isDaemon = service.schedulingStrategy === 'DAEMON';
  // What ECS assumes where a service says nothing (ECS API reference, DeploymentConfiguration).
  const { minimumHealthyPercent = isDaemon ? 0 : 100, maximumPercent = isDaemon ? 100 : 200 } = deploymentConfiguration;
  const newest = service.deployments?.find(({ status }) => status === 'PRIMARY');
  const state = newest?.rolloutState;
  return {
    cluster,
    name,
    desiredCount,
    minimumHealthyPercent,
    maximumPercent,
    events: events.map(({ createdAt, message = '' }) => ({ atMs: createdAt?.getTime() ?? 0, message })),
    deployment:
      state === 'IN_PROGRESS' || state === 'FAILED' ? { state, sinceMs: newest?.createdAt?.getTime() ?? 0 } : undefined,
  };
}

/** The service that a task's group names (ECS API reference: `service:` and the service's name). */
function serviceOf(group: string | undefined): string | undefined {
  return group?.startsWith('service:') ? group.slice('service:'.length) : undefined;
}

function batches<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
}
