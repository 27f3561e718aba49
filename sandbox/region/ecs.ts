import type {
  ContainerInstance,
  DescribeContainerInstancesRequest,
  DescribeContainerInstancesResponse,
  DescribeServicesRequest,
  DescribeServicesResponse,
  DescribeTaskDefinitionRequest,
  DescribeTaskDefinitionResponse,
  DescribeTasksRequest,
  DescribeTasksResponse,
  Failure,
  ListContainerInstancesRequest,
  ListContainerInstancesResponse,
  ListTasksRequest,
  ListTasksResponse,
  StopTaskRequest,
  StopTaskResponse,
  Task,
  UpdateContainerInstancesStateRequest,
  UpdateContainerInstancesStateResponse,
} from '@aws-sdk/client-ecs';
import { AwsError } from './aws-error.ts';
import type { Place } from './place.ts';
import type { VirtualTime } from './virtual-time.ts';

/** A service to run: replicas spread over the ACTIVE instances, or a daemon on each. */
export interface ServiceSpec {
  readonly name: string;
  readonly strategy: 'REPLICA' | 'DAEMON';
  readonly desiredCount: number;
  /** How long the load balancer goes on sending requests to a task it deregisters; 0 without a load balancer. */
  readonly deregistrationDelaySeconds: number;
  readonly startSeconds: number;
  readonly stopTimeoutSeconds: number;
}

interface ModelInstance {
  readonly arn: string;
  readonly ec2InstanceId: string;
  status: 'ACTIVE' | 'DRAINING' | 'INACTIVE';
  agentConnected: boolean;
}

interface ModelTask {
  readonly arn: string;
  readonly instance: ModelInstance;
  readonly group: string;
  readonly service: ServiceSpec | undefined;
  readonly stopTimeoutSeconds: number;
  lastStatus: string;
  desiredStatus: 'RUNNING' | 'STOPPED';
  stoppedAtMs: number | undefined;
  stoppedReason: string | undefined;
}

/** Stopped tasks stay listed for about an hour (facts 13). */
const STOPPED_TASKS_LISTED_SECONDS = 3_600;
const PAGE_SIZE = 100;

/** One ECS cluster in virtual time: what the service scheduler and the agents do, and the API to ask and change it. */
export class EcsModel {
  readonly #time: VirtualTime;
  readonly #place: Place;
  readonly #cluster: string;
  readonly #instances: ModelInstance[] = [];
  readonly #services: ServiceSpec[] = [];
  readonly #tasks: ModelTask[] = [];
  readonly #tell: (what: string) => void;
  #ids = 0;

  constructor(time: VirtualTime, place: Place, cluster: string, tell: (what: string) => void) {
    this.#time = time;
    this.#place = place;
    this.#cluster = cluster;
    this.#tell = tell;
  }

  // --- The world: what operators, agents and EC2 do -----------------------------------------------------------------

  registerInstance(ec2InstanceId: string): void {
    const arn = this.#arn('container-instance');
    this.#instances.push({ arn, ec2InstanceId, status: 'ACTIVE', agentConnected: true });
  }

  /** Starts a service with its tasks running already: replicas round robin, daemons on every instance. */
  startService(service: ServiceSpec): void {
    this.#services.push(service);
    const hosts = service.strategy === 'DAEMON' ? this.#active() : this.#roundRobin(service.desiredCount);
    for (const host of hosts) this.#addTask(host, service, 'RUNNING');
  }

  /** Runs a standalone task that ends by itself. */
  runTask(ec2InstanceId: string, name: string, runsForSeconds: number): void {
    const host = this.#instances.find((instance) => instance.ec2InstanceId === ec2InstanceId);
    if (!host) throw new Error(`No container instance is on ${ec2InstanceId}.`);
    const task = this.#addTask(host, undefined, 'RUNNING', `family:${name}`);
    this.#time.after(runsForSeconds, () => this.#stop(task, 'Essential container in task exited', 0));
  }

  /** EC2 terminates the instance: whatever runs on it is gone at once. Returns the tasks that had not stopped. */
  terminateInstance(ec2InstanceId: string): readonly { arn: string; group: string; lastStatus: string }[] {
    const gone = this.#instances.filter((instance) => instance.ec2InstanceId === ec2InstanceId);
    const killed = this.#tasks.filter((task) => gone.includes(task.instance) && task.lastStatus !== 'STOPPED');
    const victims = killed.map(({ arn, group, lastStatus }) => ({ arn, group, lastStatus }));
    for (const instance of gone) instance.status = 'INACTIVE';
    for (const task of killed) this.#becomes(task, 'STOPPED', `Host EC2 (instance ${ec2InstanceId}) terminated.`);
    return victims;
  }

  /** What holds the instance, beside what the API's counts say of it. */
  accountOf(ec2InstanceId: string): { readonly counted: number; readonly holding: number } {
    const instances = this.#instances.filter((instance) => instance.ec2InstanceId === ec2InstanceId);
    const described = instances.map((instance) => this.#describedInstance(instance));
    return {
      counted: described.reduce((sum, d) => sum + (d.runningTasksCount ?? 0) + (d.pendingTasksCount ?? 0), 0),
      holding: instances.reduce((sum, instance) => sum + this.#holding(instance).length, 0),
    };
  }

  // --- The scheduler and the agent ----------------------------------------------------------------------------------

  /** Facts 12: replicas are replaced first and stopped then; daemons follow the replicas; standalone tasks are left alone. */
  #drain(instance: ModelInstance): void {
    for (const task of this.#holding(instance)) {
      if (task.service?.strategy !== 'REPLICA') continue;
      const host = this.#roundRobin(1)[0];
      if (!host) continue; // No capacity for the replacement: the task stays.
      const replacement = this.#addTask(host, task.service, 'PROVISIONING');
      this.#time.after(task.service.startSeconds / 2, () => this.#becomes(replacement, 'PENDING'));
      this.#time.after(task.service.startSeconds, () => {
        this.#becomes(replacement, 'RUNNING');
        this.#stop(task, `(service ${task.service?.name}) was drained from its instance`);
      });
    }
    this.#stopDaemonsWhenAlone(instance);
  }

  #stopDaemonsWhenAlone(instance: ModelInstance): void {
    if (instance.status !== 'DRAINING') return;
    const holding = this.#holding(instance);
    if (holding.some(({ service }) => service?.strategy === 'REPLICA')) return;
    for (const task of holding) if (task.service) this.#stop(task, 'The instance is draining');
  }

  /** Facts 13: out of the running count at once, serving until the load balancer lets go, stopped after SIGTERM's grace. */
  #stop(task: ModelTask, reason: string, stopSeconds = task.stopTimeoutSeconds): void {
    if (task.desiredStatus === 'STOPPED') return;
    task.desiredStatus = 'STOPPED';
    const deregistrationSeconds = task.service?.deregistrationDelaySeconds ?? 0;
    const stages: [string, number][] = [
      ['DEACTIVATING', deregistrationSeconds],
      ['STOPPING', stopSeconds],
      ['DEPROVISIONING', 2],
      ['STOPPED', 0],
    ];
    const next = () => {
      const stage = stages.shift();
      if (!stage || task.lastStatus === 'STOPPED') return;
      const [status, seconds] = stage;
      if (status === 'DEACTIVATING' && seconds === 0) return next();
      this.#becomes(task, status, reason);
      this.#time.after(seconds, next);
    };
    next();
  }

  #becomes(task: ModelTask, status: string, reason?: string): void {
    if (task.lastStatus === 'STOPPED') return;
    task.lastStatus = status;
    this.#tell(`task ${idOf(task.arn)} of ${task.group} on ${task.instance.ec2InstanceId} is ${status}`);
    if (status !== 'STOPPED') return;
    task.desiredStatus = 'STOPPED';
    task.stoppedAtMs = this.#time.nowMs();
    task.stoppedReason = reason;
    this.#stopDaemonsWhenAlone(task.instance);
  }

  #addTask(instance: ModelInstance, service: ServiceSpec | undefined, lastStatus: string, group?: string): ModelTask {
    const task: ModelTask = {
      arn: this.#arn('task'),
      instance,
      service,
      group: group ?? `service:${service?.name}`,
      stopTimeoutSeconds: service?.stopTimeoutSeconds ?? 30,
      lastStatus,
      desiredStatus: 'RUNNING',
      stoppedAtMs: undefined,
      stoppedReason: undefined,
    };
    this.#tasks.push(task);
    return task;
  }

  #active(): ModelInstance[] {
    return this.#instances.filter(({ status }) => status === 'ACTIVE');
  }

  /** The ACTIVE instances with the fewest tasks, one for each task to place. */
  #roundRobin(count: number): ModelInstance[] {
    const load = new Map(this.#active().map((instance) => [instance, this.#holding(instance).length]));
    return Array.from({ length: count }, () => {
      const [least] = [...load].sort(([, a], [, b]) => a - b);
      if (least) load.set(least[0], least[1] + 1);
      return least?.[0];
    }).filter((instance) => instance !== undefined);
  }

  #holding(instance: ModelInstance): ModelTask[] {
    return this.#tasks.filter((task) => task.instance === instance && task.lastStatus !== 'STOPPED');
  }

  // --- The API --------------------------------------------------------------------------------------------------------

  /** The operations of the ECS API that this model answers, by name. */
  readonly operations = {
    ListContainerInstances: (input: ListContainerInstancesRequest): ListContainerInstancesResponse => {
      this.#requireCluster(input.cluster);
      const wanted = /^\s*ec2InstanceId\s*==\s*(\S+)\s*$/.exec(input.filter ?? '')?.[1];
      if (input.filter && !wanted) throw new AwsError('InvalidParameterException', `Invalid filter: ${input.filter}`);
      const matching = this.#instances.filter(
        ({ ec2InstanceId, status }) =>
          (wanted === undefined || wanted === ec2InstanceId) &&
          (input.status ? status === input.status : status !== 'INACTIVE'), // Facts 14.
      );
      const { page, nextToken } = paged(matching, input);
      return { containerInstanceArns: page.map(({ arn }) => arn), ...nextToken };
    },

    DescribeContainerInstances: (input: DescribeContainerInstancesRequest): DescribeContainerInstancesResponse => {
      this.#requireCluster(input.cluster);
      const { found, failures } = this.#pick(this.#instances, input.containerInstances, 'container-instance');
      return { containerInstances: found.map((instance) => this.#describedInstance(instance)), failures };
    },

    UpdateContainerInstancesState: (
      input: UpdateContainerInstancesStateRequest,
    ): UpdateContainerInstancesStateResponse => {
      this.#requireCluster(input.cluster);
      if (input.status !== 'DRAINING')
        throw new AwsError('InvalidParameterException', 'Container instance status should be one of [DRAINING].');
      const { found, failures } = this.#pick(this.#instances, input.containerInstances, 'container-instance');
      const refused = found.filter(({ status }) => status !== 'ACTIVE'); // Facts 11.
      const accepted = found.filter(({ status }) => status === 'ACTIVE');
      for (const instance of accepted) {
        instance.status = 'DRAINING';
        this.#tell(`container instance ${idOf(instance.arn)} on ${instance.ec2InstanceId} is DRAINING`);
      }
      for (const instance of accepted) this.#drain(instance);
      return {
        containerInstances: accepted.map((instance) => this.#describedInstance(instance)),
        failures: [...failures, ...refused.map(({ arn, status }) => ({ arn, reason: status }))],
      };
    },

    ListTasks: (input: ListTasksRequest): ListTasksResponse => {
      this.#requireCluster(input.cluster);
      const desiredStatus = input.desiredStatus ?? 'RUNNING'; // Facts 13: the default hides the tasks that are stopping.
      const forgottenBeforeMs = this.#time.nowMs() - STOPPED_TASKS_LISTED_SECONDS * 1000;
      const matching = this.#tasks.filter(
        (task) =>
          (!input.containerInstance || idOf(task.instance.arn) === idOf(input.containerInstance)) &&
          task.desiredStatus === desiredStatus &&
          (task.stoppedAtMs ?? Infinity) > forgottenBeforeMs,
      );
      const { page, nextToken } = paged(matching, input);
      return { taskArns: page.map(({ arn }) => arn), ...nextToken };
    },

    DescribeTasks: (input: DescribeTasksRequest): DescribeTasksResponse => {
      this.#requireCluster(input.cluster);
      const { found, failures } = this.#pick(this.#tasks, input.tasks, 'task');
      return { tasks: found.map((task) => this.#describedTask(task)), failures };
    },

    DescribeServices: (input: DescribeServicesRequest): DescribeServicesResponse => {
      this.#requireCluster(input.cluster);
      const names = (input.services ?? []).map(idOf);
      return {
        services: this.#services
          .filter(({ name }) => names.includes(name))
          .map(({ name, strategy, desiredCount }) => ({
            serviceName: name,
            serviceArn: this.#arnOf('service', name),
            clusterArn: this.#clusterArn(),
            schedulingStrategy: strategy,
            status: 'ACTIVE',
            desiredCount,
          })),
        failures: names
          .filter((name) => !this.#services.some((service) => service.name === name))
          .map((name) => ({ arn: this.#arnOf('service', name), reason: 'MISSING' })),
      };
    },

    DescribeTaskDefinition: (input: DescribeTaskDefinitionRequest): DescribeTaskDefinitionResponse => {
      const family = idOf(input.taskDefinition ?? '').split(':')[0] ?? '';
      const service = this.#services.find(({ name }) => name === family);
      const stopTimeout = service && { stopTimeout: service.stopTimeoutSeconds };
      return {
        taskDefinition: {
          taskDefinitionArn: this.#taskDefinitionArn(family),
          family,
          revision: 1,
          containerDefinitions: [{ name: family, essential: true, ...stopTimeout }],
        },
      };
    },

    StopTask: (input: StopTaskRequest): StopTaskResponse => {
      this.#requireCluster(input.cluster);
      const task = this.#tasks.find(({ arn }) => idOf(arn) === idOf(input.task ?? ''));
      if (!task) throw new AwsError('InvalidParameterException', 'The referenced task was not found.');
      this.#stop(task, input.reason ?? 'Task stopped by user');
      return { task: this.#describedTask(task) };
    },
  };

  #requireCluster(cluster = 'default'): void {
    if (idOf(cluster) !== this.#cluster) throw new AwsError('ClusterNotFoundException', 'Cluster not found.');
  }

  #pick<T extends { arn: string }>(items: readonly T[], wanted: readonly string[] | undefined, type: string) {
    if (!wanted?.length) throw new AwsError('InvalidParameterException', `No ${type} was named.`);
    if (wanted.length > PAGE_SIZE)
      throw new AwsError('InvalidParameterException', `At most ${PAGE_SIZE} can be named.`);
    const found: T[] = [];
    const failures: Failure[] = [];
    for (const name of wanted) {
      const item = items.find(({ arn }) => idOf(arn) === idOf(name));
      if (item) found.push(item);
      else failures.push({ arn: this.#arnOf(type, `${this.#cluster}/${idOf(name)}`), reason: 'MISSING' });
    }
    return { found, failures };
  }

  #describedInstance(instance: ModelInstance): ContainerInstance {
    const { arn, ec2InstanceId, status, agentConnected } = instance;
    const tasks = this.#tasks.filter((task) => task.instance === instance);
    return {
      containerInstanceArn: arn,
      ec2InstanceId,
      status,
      agentConnected,
      // Facts 13, the counting trap: by desired status, so tasks that are leaving do not count.
      runningTasksCount: tasks.filter((t) => t.desiredStatus === 'RUNNING' && t.lastStatus === 'RUNNING').length,
      pendingTasksCount: tasks.filter((t) => t.desiredStatus === 'RUNNING' && t.lastStatus !== 'RUNNING').length,
    };
  }

  #describedTask(task: ModelTask): Task {
    const { arn, instance, group, service, lastStatus, desiredStatus, stoppedAtMs, stoppedReason } = task;
    return {
      taskArn: arn,
      clusterArn: this.#clusterArn(),
      containerInstanceArn: instance.arn,
      taskDefinitionArn: this.#taskDefinitionArn(group.split(':')[1] ?? group),
      group,
      lastStatus,
      desiredStatus,
      launchType: 'EC2',
      ...(service && { startedBy: `ecs-svc/${service.name}` }),
      ...(stoppedAtMs !== undefined && { stoppedAt: new Date(stoppedAtMs) }),
      ...(stoppedReason !== undefined && { stoppedReason }),
    };
  }

  #arn(type: string): string {
    this.#ids += 1;
    return this.#arnOf(type, `${this.#cluster}/${this.#ids.toString(16).padStart(32, '0')}`);
  }

  #clusterArn(): string {
    return this.#arnOf('cluster', this.#cluster);
  }

  #taskDefinitionArn(family: string): string {
    return this.#arnOf('task-definition', `${family}:1`);
  }

  #arnOf(type: string, name: string): string {
    return `arn:aws:ecs:${this.#place.region}:${this.#place.account}:${type}/${name}`;
  }
}

/** The last part of an ARN, which ECS takes in its place. */
function idOf(arn: string): string {
  return arn.split('/').at(-1) ?? arn;
}

function paged<T>(
  items: readonly T[],
  { nextToken = '0', maxResults = PAGE_SIZE }: { nextToken?: string | undefined; maxResults?: number | undefined },
) {
  const from = Number(nextToken);
  if (!Number.isInteger(from)) throw new AwsError('InvalidParameterException', 'Invalid token.');
  const to = from + Math.min(maxResults, PAGE_SIZE);
  return { page: items.slice(from, to), nextToken: to < items.length ? { nextToken: String(to) } : {} };
}
