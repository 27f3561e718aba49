import { isDeepStrictEqual } from 'node:util';
import type { Failure, PlacementConstraint, RunTaskRequest, RunTaskResponse } from '@aws-sdk/client-ecs';
import { AwsError } from '../../aws-error.ts';
import type { Operations } from '../../service.ts';
import { clusterQuery } from '../cluster-query.ts';
import { describeTask } from '../describe.ts';
import { invalid } from '../errors.ts';
import type { EcsModel } from '../model.ts';
import { clusterIn, definitionIn } from '../requests.ts';
import { refusalOf, roomiest } from '../room.ts';
import type { InstanceView, TaskView } from '../views.ts';

const TASKS_RUN_AT_ONCE = 10;
/** What the model can do of RunTask. */
const UNDERSTOOD = [
  'cluster',
  'taskDefinition',
  'count',
  'group',
  'startedBy',
  'launchType',
  'placementConstraints',
  'clientToken',
];

/** Placement of standalone tasks: each where most memory is free. */
export function runTaskOperations(model: EcsModel): Operations {
  /** What each client token has been used for (facts 62 run-task). */
  const used = new Map<string, { readonly input: RunTaskRequest; readonly tasks: readonly TaskView[] }>();
  return {
    RunTask: (input: RunTaskRequest): RunTaskResponse => {
      refuseBadMembers(input);
      const { clientToken } = input;
      // A token is of one cluster: another cluster may be asked with it as well.
      const key = JSON.stringify([clusterIn(model, input.cluster).arn, clientToken]);
      const known = used.get(key);
      if (known && !isDeepStrictEqual(known.input, input)) {
        throw new AwsError(
          'ConflictException',
          'The provided clientToken is already in use with a different RunTask request.',
        );
      }
      if (known && known.tasks.length > 0) return { tasks: known.tasks.map(describeTask), failures: [] };
      const { tasks, failures } = run(model, input);
      if (clientToken !== undefined) used.set(key, { input, tasks });
      return { tasks: tasks.map(describeTask), failures };
    },
  };
}

/** The most characters that ECS takes (ECS API reference, RunTask; ECS developer guide, task groups). */
const LONGEST = { startedBy: 128, clientToken: 64, group: 255 };

/** @throws AwsError for members that fit AWS's model, which has no bounds for them, and that ECS refuses. */
function refuseBadMembers(input: RunTaskRequest): void {
  for (const [name, most] of Object.entries(LONGEST)) {
    const { length } = input[name as keyof typeof LONGEST] ?? '';
    // As ECS has worded the bound of startedBy, when that was 36.
    if (length > most) throw invalid(`${name} longer than ${most}.`);
  }
  const { clientToken = '!', group = '' } = input;
  if (!/^[!-~]+$/.test(clientToken)) throw invalid('clientToken has to consist of the ASCII characters 33 to 126.');
  // ECS names the groups of services and families so. That it refuses them of a caller is unverified.
  if (/^(service|family):/.test(group))
    throw invalid(`group must not begin with service: or family:, as ${group} does.`);
}

/** Starts as many of the tasks as find a place. */
function run(model: EcsModel, input: RunTaskRequest): { readonly tasks: TaskView[]; readonly failures: Failure[] } {
  const cluster = clusterIn(model, input.cluster);
  const { count = 1, startedBy, launchType = 'EC2', placementConstraints = [] } = input;
  const unknown = Object.keys(input).find((name) => !UNDERSTOOD.includes(name));
  if (unknown) throw invalid(`The local Region cannot run a task with ${unknown}.`);
  if (launchType !== 'EC2') throw invalid(`The local Region runs tasks on EC2, not on ${launchType}.`);
  if (count < 1 || count > TASKS_RUN_AT_ONCE) throw invalid(`count must be between 1 and ${TASKS_RUN_AT_ONCE}.`);
  const definition = definitionIn(model, input.taskDefinition ?? '');
  if (!definition) throw new AwsError('ClientException', 'TaskDefinition not found.');
  const group = input.group ?? `family:${definition.family}`;
  const active = [...cluster.registered].filter(({ status }) => status === 'ACTIVE');
  if (active.length === 0) throw invalid('No Container Instances were found in your cluster.');
  const meets = constraintOf(placementConstraints, group);
  const tasks: TaskView[] = [];
  while (tasks.length < count) {
    const host = roomiest(active.filter(meets), definition);
    if (!host) break;
    tasks.push(model.startTask(host, definition, { group, startedBy }));
  }
  const failure = (instance: InstanceView): Failure => {
    const reason = meets(instance) ? refusalOf(instance, definition) : 'MemberOf placement constraint unsatisfied.';
    return { arn: instance.arn, reason };
  };
  return { tasks, failures: tasks.length < count ? active.map(failure) : [] };
}

/** Whether an instance meets every constraint. */
function constraintOf(constraints: readonly PlacementConstraint[], group: string): (instance: InstanceView) => boolean {
  const tests = constraints.map(({ type, expression = '' }) => {
    if (type === 'memberOf') return clusterQuery(expression).matches;
    return ({ holding }: InstanceView) => ![...holding].some((task) => task.group === group);
  });
  return (instance) => tests.every((test) => test(instance));
}
