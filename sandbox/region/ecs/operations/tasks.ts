import type {
  DescribeTasksRequest,
  DescribeTasksResponse,
  GetTaskProtectionRequest,
  GetTaskProtectionResponse,
  ListTasksRequest,
  ListTasksResponse,
  ProtectedTask,
  StopTaskRequest,
  StopTaskResponse,
  UpdateTaskProtectionRequest,
  UpdateTaskProtectionResponse,
} from '@aws-sdk/client-ecs';
import type { Faults } from '../../faults.ts';
import type { Operations } from '../../service.ts';
import { describeTask } from '../describe.ts';
import { invalid } from '../errors.ts';
import type { EcsModel } from '../model.ts';
import { paged } from '../pages.ts';
import { arnsOf, clusterIn, instanceIn, parted, pickTasks, serviceIn, taskIn } from '../requests.ts';
import type { ClusterView, TaskView } from '../views.ts';

const PROTECTED_AT_ONCE = 10;
const LONGEST_PROTECTION_MINUTES = 2_880;

export function taskOperations(model: EcsModel, faults: Pick<Faults, 'listLagSeconds'>): Operations {
  return {
    ListTasks: (input: ListTasksRequest): ListTasksResponse => {
      const cluster = clusterIn(model, input.cluster);
      const { family, startedBy, launchType = 'EC2' } = input;
      refuseFilters(input);
      // Facts 13 counting-trap: the default hides the tasks that are leaving.
      const desiredStatus = input.desiredStatus ?? 'RUNNING';
      const listedAsOfMs = model.nowMs() - faults.listLagSeconds * 1000;
      const matching = narrowest(model, cluster, input).filter(
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
      const task = taskIn(model, clusterIn(model, input.cluster), input.task ?? '');
      model.stopTask(task, input.reason ?? 'Task stopped by user');
      return { task: describeTask(task) };
    },
  };
}

/** Facts 39 task-protection. */
export function protectionOperations(model: EcsModel): Operations {
  return {
    GetTaskProtection: (input: GetTaskProtectionRequest): GetTaskProtectionResponse => {
      const { found, failures } = pickTasks(model, clusterIn(model, input.cluster), input.tasks);
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
  };
}

/** @throws AwsError for filters that ECS does not combine. */
function refuseFilters({ startedBy, family, serviceName, containerInstance, launchType }: ListTasksRequest): void {
  // ECS API reference, ListTasks: startedBy must be the only filter, in the words of aws/aws-sdk-go-v2 issue 1893. Clients in use ask
  // for a desiredStatus beside it, and are answered.
  const others = [family, serviceName, containerInstance, launchType];
  if (startedBy !== undefined && others.some((filter) => filter !== undefined)) {
    throw invalid('cannot specify startedBy with other arguments');
  }
  // fujiwara/ecsta pull request 119, which does not have ECS's words.
  if (family !== undefined && serviceName !== undefined) {
    throw invalid('cannot specify both family and serviceName');
  }
}

/** The listed tasks of the smallest index that the request names. */
function narrowest(
  model: EcsModel,
  cluster: ClusterView,
  { serviceName, containerInstance }: ListTasksRequest,
): TaskView[] {
  const instance = containerInstance === undefined ? undefined : instanceIn(model, cluster, containerInstance);
  const service = serviceName === undefined ? undefined : serviceIn(model, cluster, serviceName);
  if (!instance) return [...(service?.tasks ?? cluster.tasks.values())];
  return [...instance.tasks].filter((task) => !service || task.service === service);
}

function describeProtection(model: EcsModel, task: TaskView): ProtectedTask {
  const untilMs = model.protectedUntilMs(task);
  if (untilMs === undefined) return { taskArn: task.arn, protectionEnabled: false };
  return { taskArn: task.arn, protectionEnabled: true, expirationDate: new Date(untilMs) };
}
