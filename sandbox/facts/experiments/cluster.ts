import {
  type ContainerInstance,
  DescribeContainerInstancesCommand,
  DescribeServicesCommand,
  DescribeTasksCommand,
  type DesiredStatus,
  ListContainerInstancesCommand,
  ListTasksCommand,
  RunTaskCommand,
  StopTaskCommand,
  type Task,
  UpdateContainerInstancesStateCommand,
} from '@aws-sdk/client-ecs';
import { type ClusterResources, NotObservable, use, type World } from '../experiment.ts';
import { ready } from './look.ts';

/** How long a cluster may take to come to rest after an experiment: an instance is launched and its tasks start. */
const REST_SECONDS = 900;

/** Waits until two or more container instances are ACTIVE, and none is DRAINING. */
export async function withInstances(world: World): Promise<ClusterResources> {
  const open = await ready(world, REST_SECONDS, async () => {
    const instances = await instancesOf(world);
    const isOpen = instances.every(({ status, agentConnected }) => status === 'ACTIVE' && agentConnected);
    return isOpen && instances.length > 1;
  });
  if (!open) throw new NotObservable('the cluster lacks two ACTIVE container instances with a connected agent');
  return use(world, 'cluster');
}

/** Waits until every service has its tasks too. */
export async function atRest(world: World): Promise<ClusterResources> {
  const cluster = await withInstances(world);
  const rested = await ready(world, REST_SECONDS, async () => {
    const { services = [] } = await world.ecs.send(
      new DescribeServicesCommand({ cluster: cluster.name, services: Object.values(cluster.services) }),
    );
    const isStable = services.every(
      ({ desiredCount, runningCount, pendingCount }) => runningCount === desiredCount && pendingCount === 0,
    );
    return isStable && services.filter(({ runningCount = 0 }) => runningCount > 0).length > 3;
  });
  if (!rested) throw new NotObservable('the services of the cluster have no RUNNING tasks');
  return cluster;
}

/** The container instances of the cluster that are not INACTIVE. */
export async function instancesOf(world: World): Promise<readonly ContainerInstance[]> {
  const cluster = use(world, 'cluster').name;
  const { containerInstanceArns = [] } = await world.ecs.send(new ListContainerInstancesCommand({ cluster }));
  if (containerInstanceArns.length === 0) return [];
  const described = await world.ecs.send(
    new DescribeContainerInstancesCommand({ cluster, containerInstances: containerInstanceArns }),
  );
  return described.containerInstances ?? [];
}

/** The ARN of one of them. */
export async function anInstance(world: World): Promise<string> {
  const [first] = await instancesOf(world);
  if (!first?.containerInstanceArn) throw new NotObservable('the cluster has no container instance');
  return first.containerInstanceArn;
}

/** A container instance as it is now. */
export async function instance(world: World, arn: string): Promise<ContainerInstance> {
  const described = await world.ecs.send(
    new DescribeContainerInstancesCommand({ cluster: use(world, 'cluster').name, containerInstances: [arn] }),
  );
  const [found] = described.containerInstances ?? [];
  if (!found) throw new Error(`ECS does not describe the container instance ${arn}.`);
  return found;
}

/** The tasks of a service or of a container instance that ListTasks lists under the desired statuses. */
export async function tasksOf(
  world: World,
  of: { readonly serviceName: string } | { readonly containerInstance: string },
  desiredStatuses: readonly DesiredStatus[] = ['RUNNING', 'STOPPED'],
): Promise<readonly Task[]> {
  const cluster = use(world, 'cluster').name;
  const tasks: string[] = [];
  for (const desiredStatus of desiredStatuses) {
    const { taskArns = [] } = await world.ecs.send(new ListTasksCommand({ cluster, ...of, desiredStatus }));
    tasks.push(...taskArns);
  }
  if (tasks.length === 0) return [];
  const described = await world.ecs.send(new DescribeTasksCommand({ cluster, tasks: [...new Set(tasks)] }));
  return described.tasks ?? [];
}

/** A task as it is now. */
export async function task(world: World, arn: string): Promise<Task> {
  const described = await world.ecs.send(
    new DescribeTasksCommand({ cluster: use(world, 'cluster').name, tasks: [arn] }),
  );
  const [found] = described.tasks ?? [];
  if (!found) throw new Error(`ECS does not describe the task ${arn}.`);
  return found;
}

/** A task that certainly has an ARN and a container instance. */
export interface PlacedTask {
  readonly taskArn: string;
  readonly containerInstanceArn: string;
}

/** A RUNNING task of a service, and the instance that it is on. */
export async function placed(world: World, serviceName: string): Promise<PlacedTask> {
  const running = await tasksOf(world, { serviceName }, ['RUNNING']);
  const found = running.find(({ lastStatus }) => lastStatus === 'RUNNING');
  if (!found?.taskArn || !found.containerInstanceArn)
    throw new Error(`The service ${serviceName} has no RUNNING task.`);
  return { taskArn: found.taskArn, containerInstanceArn: found.containerInstanceArn };
}

/** Sets the status of a container instance. */
export async function setStatus(world: World, arn: string, status: 'ACTIVE' | 'DRAINING') {
  const cluster = use(world, 'cluster').name;
  return world.ecs.send(new UpdateContainerInstancesStateCommand({ cluster, containerInstances: [arn], status }));
}

/** Drains a container instance until the experiment is over. */
export async function drain(world: World, arn: string): Promise<void> {
  world.defer(() => setStatus(world, arn, 'ACTIVE'));
  await setStatus(world, arn, 'DRAINING');
}

/** Stops a task. */
export async function stop(world: World, arn: string): Promise<void> {
  await world.ecs.send(new StopTaskCommand({ cluster: use(world, 'cluster').name, task: arn, reason: 'facts' }));
}

/** Starts a standalone task, which is stopped when the experiment is over. */
export async function runJob(world: World): Promise<PlacedTask> {
  const { name: cluster, job: taskDefinition } = use(world, 'cluster');
  const { tasks: [started] = [] } = await world.ecs.send(new RunTaskCommand({ cluster, taskDefinition }));
  const { taskArn, containerInstanceArn } = started ?? {};
  if (!taskArn || !containerInstanceArn) throw new Error('RunTask starts no task.');
  world.defer(() => stop(world, taskArn));
  const running = await ready(world, 120, async () => (await task(world, taskArn)).lastStatus === 'RUNNING');
  if (!running) throw new NotObservable('a standalone task does not become RUNNING');
  return { taskArn, containerInstanceArn };
}

/** The instant of a date that an answer has. */
export function ms(date: Date | undefined): number | undefined {
  return date?.getTime();
}
