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
const UNDERSTOOD = ['cluster', 'taskDefinition', 'count', 'group', 'startedBy', 'launchType', 'placementConstraints'];

/** Placement of standalone tasks: each where most memory is free. */
export function runTaskOperations(model: EcsModel): Operations {
  return {
    RunTask: (input: RunTaskRequest): RunTaskResponse => {
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
      const failures = (instance: InstanceView): Failure => ({
        arn: instance.arn,
        reason: meets(instance)
          ? (refusalOf(instance, definition) as string)
          : 'MemberOf placement constraint unsatisfied.',
      });
      return { tasks: tasks.map(describeTask), failures: tasks.length < count ? active.map(failures) : [] };
    },
  };
}

/** Whether an instance meets every constraint. */
function constraintOf(constraints: readonly PlacementConstraint[], group: string): (instance: InstanceView) => boolean {
  const tests = constraints.map(({ type, expression = '' }) => {
    if (type === 'memberOf') return clusterQuery(expression).matches;
    return ({ holding }: InstanceView) => ![...holding].some((task) => task.group === group);
  });
  return (instance) => tests.every((test) => test(instance));
}
