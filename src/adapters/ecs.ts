import {
  DescribeContainerInstancesCommand,
  DescribeTasksCommand,
  type ECSClient,
  type ContainerInstance as EcsContainerInstance,
  type Task as EcsTask,
  paginateListContainerInstances,
  paginateListTasks,
  type Resource,
  StopTaskCommand,
  UpdateContainerInstancesStateCommand,
} from '@aws-sdk/client-ecs';
import { batches } from '../domain/by-cluster.ts';
import {
  CONTAINER_INSTANCE_STATUSES,
  type ContainerInstance,
  type EcsRef,
  holdsInstance,
  STAGES,
  type Task,
} from '../domain/observation.ts';
import { type ContainerInstances, errorOf, type Registrations, type TaskList } from '../domain/ports.ts';
import { awsCall } from './aws-call.ts';
import { callInCluster, type Ecs, refuseFailures } from './ecs-call.ts';
import { ecsMarks } from './ecs-marks.ts';
import { type EcsLookups, type EcsOptions, ecsDiagnosis, ecsLookups, serviceIn } from './ecs-services.ts';

/** The most that one call takes (facts 11 set-draining, 13 counting-trap, 14 instance-lookup). */
const DESCRIBE_BATCH = 100;
const UPDATE_BATCH = 10;

/**
 * Container instances and their tasks as ECS has them. Build it once. It gives each invocation an adapter whose calls all
 * end with the signal, when the invocation's time for looking is up. `markName` is the attribute that marks what we have set
 * to DRAINING: each deployment has its own.
 */
export function ecsContainerInstances(
  client: ECSClient,
  { markName, ...options }: EcsOptions & { readonly markName: string },
): (signal: AbortSignal) => ContainerInstances {
  const lookups = ecsLookups(client, options);
  return (abortSignal) => {
    const ecs = { client, abortSignal };
    return {
      list: (cluster, ec2InstanceIds) => listRegistrations(ecs, cluster, ec2InstanceIds),
      describe: (cluster, arns) => describeRegistrations(ecs, cluster, arns),
      setDraining: (cluster, arns) => setDraining(ecs, cluster, arns),
      ...ecsMarks(ecs, markName, async (cluster, arns) => {
        const described = await describedInstances(ecs, cluster, arns);
        return described.map((each) => ({ instance: toContainerInstance(cluster, each), attributes: each.attributes }));
      }),
      listTasks: (containerInstance) => listTasks(ecs, containerInstance),
      describeTasks: (cluster, arns) => describeTasks(ecs, cluster, arns, lookups(abortSignal)),
      diagnose: ecsDiagnosis(ecs),
      stopTask: (task, reason) => stopTask(ecs, task, reason),
    };
  };
}

async function listRegistrations({ client, abortSignal }: Ecs, cluster: string, ec2InstanceIds: readonly string[]) {
  const arns: string[] = [];
  for (const ids of batches(ec2InstanceIds, DESCRIBE_BATCH)) {
    const filter = ids.length === 1 ? `ec2InstanceId == ${ids[0]}` : `ec2InstanceId in [${ids.join(', ')}]`;
    await callInCluster(
      `find ${ids.length === 1 ? ids[0] : `${ids.length} instances`} in cluster ${cluster}`,
      async () => {
        const pages = paginateListContainerInstances({ client, pageSize: 100 }, { cluster, filter }, { abortSignal });
        for await (const page of pages) arns.push(...(page.containerInstanceArns ?? []));
      },
    );
  }
  return arns;
}

async function describeRegistrations(ecs: Ecs, cluster: string, arns: readonly string[]) {
  return (await describedInstances(ecs, cluster, arns)).map((instance) => toContainerInstance(cluster, instance));
}

/** Container instances as ECS describes them. */
export async function describedInstances(
  { client, abortSignal }: Ecs,
  cluster: string,
  arns: readonly string[],
): Promise<EcsContainerInstance[]> {
  const calls = batches(arns, DESCRIBE_BATCH).map(async (containerInstances) => {
    const attempted = `describe ${containerInstances.length} container instances of cluster ${cluster}`;
    const answer = await callInCluster(attempted, () =>
      client.send(new DescribeContainerInstancesCommand({ cluster, containerInstances }), { abortSignal }),
    );
    refuseFailures(answer.failures, attempted);
    return answer.containerInstances ?? [];
  });
  return (await Promise.all(calls)).flat();
}

/**
 * What ECS refuses is described: it may be DRAINING already, or still REGISTERING. Because of it ECS may have refused the
 * others of its call too: they are set without it. A call that fails costs the others nothing.
 */
async function setDraining(ecs: Ecs, cluster: string, arns: readonly string[]): Promise<Registrations> {
  const calls = batches(arns, UPDATE_BATCH).map(async (containerInstances) => {
    const update = { cluster, containerInstances, status: 'DRAINING' } as const;
    // The error is that of drains whose instance is in another batch as well.
    const attempted = `set ${containerInstances.length} container instances of cluster ${cluster} to DRAINING`;
    const answer = await callInCluster(attempted, () =>
      ecs.client
        .send(new UpdateContainerInstancesStateCommand(update), { abortSignal: ecs.abortSignal })
        .catch((error: Error) => {
          // One of them is in another state than ACTIVE (facts 11 set-draining).
          if (!['InvalidParameterException', 'ClientException'].includes(error.name)) throw error;
          return { containerInstances: [] };
        }),
    );
    return (answer.containerInstances ?? []).map((instance) => toContainerInstance(cluster, instance));
  });
  const answers = await Promise.allSettled(calls);
  const answered = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  if (answered.length === 0) await Promise.all(calls);
  const updated = answered.flat().filter(({ status }) => status !== 'ACTIVE');
  const failed = batches(arns, UPDATE_BATCH).flatMap((batch, i) => (answers[i]?.status === 'rejected' ? batch : []));
  const failure = answers.find((answer) => answer.status === 'rejected');
  const error = failure && errorOf(failure.reason);
  const others = arns.filter((arn) => !failed.includes(arn) && updated.every((instance) => instance.arn !== arn));
  if (others.length === 0) return { found: updated, error };
  const rest = await setRefused(ecs, cluster, others).catch((thrown) => {
    if (updated.length === 0) throw thrown;
    return { found: [], error: errorOf(thrown) };
  });
  return { found: [...updated, ...rest.found], error: error ?? rest.error };
}

async function setRefused(ecs: Ecs, cluster: string, arns: readonly string[]): Promise<Registrations> {
  const described = await describeRegistrations(ecs, cluster, arns);
  const active = described.filter(({ status }) => status === 'ACTIVE').map(({ arn }) => arn);
  if (active.length === 0 || active.length === arns.length) return { found: described };
  const settled = described.filter(({ status }) => status !== 'ACTIVE');
  const { found, error } = await setDraining(ecs, cluster, active).catch((thrown): Registrations => {
    return { found: [], error: errorOf(thrown) };
  });
  return { found: [...settled, ...found], error };
}

/** The ARNs of the tasks on a container instance. */
export async function listTasks(
  { client, abortSignal }: Ecs,
  { arn: containerInstance, cluster }: EcsRef,
): Promise<TaskList> {
  const list = async (desiredStatus: 'RUNNING' | 'STOPPED') => {
    const arns: string[] = [];
    await callInCluster(`list the ${desiredStatus} tasks on ${containerInstance}`, async () => {
      const input = { cluster, containerInstance, desiredStatus };
      for await (const page of paginateListTasks({ client, pageSize: 100 }, input, { abortSignal })) {
        arns.push(...(page.taskArns ?? []));
      }
    });
    return arns;
  };
  // In this order, one after the other: a task that ECS stops meanwhile leaves the first list for the second. Both, whatever
  // the counts say: these may be newer than the lists.
  const running = await list('RUNNING');
  const stopped = await list('STOPPED');
  return { running: running.filter((arn) => !stopped.includes(arn)), stopped };
}

async function describeTasks(ecs: Ecs, cluster: string, arns: readonly string[], lookups: EcsLookups): Promise<Task[]> {
  const described = await describedTasks(ecs, cluster, arns);
  const holding = described.filter(({ lastStatus = '' }) => holdsInstance(lastStatus));
  await lookups.learn(cluster, holding);
  return described.map((task) => toTask(cluster, task, lookups));
}

/** Tasks as ECS describes them. */
export async function describedTasks(
  { client, abortSignal }: Ecs,
  cluster: string,
  arns: readonly string[],
): Promise<EcsTask[]> {
  const calls = batches(arns, DESCRIBE_BATCH).map(async (tasks) => {
    const attempted = `describe ${tasks.length} tasks of cluster ${cluster}`;
    const answer = await callInCluster(attempted, () =>
      client.send(new DescribeTasksCommand({ cluster, tasks }), { abortSignal }),
    );
    refuseFailures(answer.failures, attempted);
    return answer.tasks ?? [];
  });
  return (await Promise.all(calls)).flat();
}

async function stopTask({ client, abortSignal }: Ecs, { cluster, arn: task }: EcsRef, reason: string): Promise<void> {
  await awsCall(`stop task ${task}`, async () => {
    try {
      await client.send(new StopTaskCommand({ cluster, task, reason }), { abortSignal });
    } catch (error) {
      // It is gone already, which is what we wanted.
      if (error instanceof Error && /referenced task was not found/i.test(error.message)) return;
      throw error;
    }
  });
}

/** A container instance as ECS describes it; its events describe it in the same way. */
export function toContainerInstance(cluster: string, instance: EcsContainerInstance): ContainerInstance {
  const { containerInstanceArn = '', status = '', agentConnected = false, ec2InstanceId = '' } = instance;
  const { registeredAt } = instance;
  const countedTasks = (instance.runningTasksCount ?? 0) + (instance.pendingTasksCount ?? 0);
  return {
    arn: containerInstanceArn,
    cluster,
    ec2InstanceId,
    status: CONTAINER_INSTANCE_STATUSES.find((known) => known === status) ?? 'UNKNOWN',
    agentConnected,
    registeredAtMs: registeredAt instanceof Date ? registeredAt.getTime() : undefined, // In an event it is text.
    countedTasks,
    isEmpty: countedTasks === 0 && isAllFree(instance),
  };
}

/**
 * Whether no task holds memory: every task on EC2 reserves some (ECS developer guide, task definition parameters). When ECS
 * frees it again is unverified, so this is a sign and no proof (facts 91 freed-resources).
 */
function isAllFree({ registeredResources, remainingResources }: EcsContainerInstance): boolean {
  const memoryIn = (resources: readonly Resource[] | undefined) =>
    resources?.find(({ name }) => name === 'MEMORY')?.integerValue;
  const registered = memoryIn(registeredResources);
  return registered !== undefined && memoryIn(remainingResources) === registered;
}

/** The reason that ECS gives for tasks that ended with their EC2 instance (facts 99 lost-with-host). */
const HOST_ENDED = /^Host EC2 \(instance/;

function toTask(cluster: string, task: EcsTask, { classOf, stopTimeoutSecondsOf }: EcsLookups): Task {
  const { taskArn = '', containerInstanceArn = '', group, lastStatus = '', desiredStatus } = task;
  if (!holdsInstance(lastStatus)) {
    const isLostWithHost = HOST_ENDED.test(task.stoppedReason ?? '');
    const stoppedAtMs = task.stoppedAt?.getTime();
    return {
      kind: 'stopped',
      arn: taskArn,
      containerInstanceArn,
      stoppedAtMs,
      ...(isLostWithHost && { isLostWithHost }),
    };
  }
  return {
    kind: 'holding',
    arn: taskArn,
    cluster,
    containerInstanceArn,
    class: serviceIn(group) === undefined ? 'standalone' : classOf(cluster, group),
    group: group ?? 'no group',
    lastStatus: STAGES.find((known) => known === lastStatus) ?? 'UNKNOWN',
    stopRequested: desiredStatus === 'STOPPED',
    stopTimeoutSeconds: stopTimeoutSecondsOf(task),
    statusSinceMs: statusSinceMs(task),
    startedBy: task.startedBy,
  };
}

/** `stoppingAt` is when ECS began to stop the task (ECS API reference, Task). */
function statusSinceMs({ lastStatus, ...task }: EcsTask): number | undefined {
  const ended = lastStatus === 'DEPROVISIONING' ? task.executionStoppedAt : undefined;
  return (ended ?? task.stoppingAt ?? task.startedAt ?? task.createdAt)?.getTime();
}
