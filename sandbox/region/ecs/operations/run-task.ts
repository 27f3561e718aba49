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
      const known = used.get(input.clientToken ?? '');
      if (known && !isDeepStrictEqual(known.input, input)) {
        throw new AwsError(
          'ConflictException',
          'The provided clientToken is already in use with a different RunTask request.',
        );
      }
      if (known) return { tasks: known.tasks.map(describeTask), failures: [] };
      const { tasks, failures } = run(model, input);
      if (input.clientToken !== undefined && tasks.length > 0) used.set(input.clientToken, { input, tasks });
      return { tasks: tasks.map(describeTask), failures };
    },
  };
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
