import {
  DescribeContainerInstancesCommand,
  ListContainerInstancesCommand,
  ListTasksCommand,
  RunTaskCommand,
} from '@aws-sdk/client-ecs';
import { type Experiment, use, type World } from '../experiment.ts';
import { atRest, drain, type PlacedTask, placed, stop, task } from './cluster.ts';
import { until } from './look.ts';

const WAIT_SECONDS = 60;
/** ECS allows 20 reads a second (facts 17 ecs-throttling), and an experiment has four looks at most. */
const LOOK_EVERY_SECONDS = 0.5;

/** How long what was changed is missing in what ECS describes and lists. */
export const lags: readonly Experiment[] = [
  {
    facts: [23],
    title: 'How long after StopTask do DescribeTasks and ListTasks show that the task has to stop?',
    open: true,
    needs: ['cluster'],
    minutes: 5,
    cents: 0,
    cleansUp: 'the service replaces the task',
    async run(world) {
      const { services } = await atRest(world);
      const stopped = await placed(world, services.web);
      await stop(world, stopped.taskArn);
      return shownAfter(world, {
        described: async () => (await task(world, stopped.taskArn)).desiredStatus === 'STOPPED',
        'listed under STOPPED': () => isListed(world, stopped, 'STOPPED'),
        'gone from RUNNING': async () => !(await isListed(world, stopped, 'RUNNING')),
      });
    },
  },
  {
    facts: [23],
    title: 'How long after RunTask does ListTasks list the task?',
    open: true,
    needs: ['cluster'],
    minutes: 5,
    cents: 0,
    cleansUp: 'stops the task',
    async run(world) {
      const { name: cluster, job: taskDefinition } = await atRest(world);
      const { tasks: [started] = [] } = await world.ecs.send(new RunTaskCommand({ cluster, taskDefinition }));
      const { taskArn, containerInstanceArn } = started ?? {};
      if (!taskArn || !containerInstanceArn) throw new Error('RunTask starts no task.');
      world.defer(() => stop(world, taskArn));
      const job = { taskArn, containerInstanceArn };
      return shownAfter(world, { 'listed under RUNNING': () => isListed(world, job, 'RUNNING') });
    },
  },
  {
    facts: [23],
    title: 'How long after DRAINING do the instance and its tasks show it, described and listed?',
    open: true,
    needs: ['cluster'],
    minutes: 6,
    cents: 0,
    cleansUp: 'sets the instance ACTIVE again',
    async run(world) {
      const { name: cluster, services } = await atRest(world);
      const drained = await placed(world, services.slow);
      const { taskArn, containerInstanceArn } = drained;
      await drain(world, containerInstanceArn);
      return shownAfter(world, {
        'instance described': async () => {
          const { containerInstances: [found] = [] } = await world.ecs.send(
            new DescribeContainerInstancesCommand({ cluster, containerInstances: [containerInstanceArn] }),
          );
          return found?.status === 'DRAINING';
        },
        'instance listed': async () => {
          const { containerInstanceArns = [] } = await world.ecs.send(
            new ListContainerInstancesCommand({ cluster, status: 'DRAINING' }),
          );
          return containerInstanceArns.includes(containerInstanceArn);
        },
        'task described': async () => (await task(world, taskArn)).desiredStatus === 'STOPPED',
        'task listed under STOPPED': () => isListed(world, drained, 'STOPPED'),
      });
    },
  },
];

async function isListed(
  world: World,
  { taskArn, containerInstanceArn: containerInstance }: PlacedTask,
  desiredStatus: 'RUNNING' | 'STOPPED',
): Promise<boolean> {
  const { name: cluster } = use(world, 'cluster');
  const { taskArns = [] } = await world.ecs.send(new ListTasksCommand({ cluster, containerInstance, desiredStatus }));
  return taskArns.includes(taskArn);
}

/** When each look has first seen the change, which was answered just now. */
async function shownAfter(world: World, looks: Readonly<Record<string, () => Promise<boolean>>>) {
  const sinceMs = world.now();
  const seen = new Map<string, string>();
  const look = async () => {
    for (const [what, isSeen] of Object.entries(looks)) {
      if (!seen.has(what) && (await isSeen())) seen.set(what, `${((world.now() - sinceMs) / 1000).toFixed(1)} s`);
    }
    return seen.size === Object.keys(looks).length ? true : undefined;
  };
  await until(world, WAIT_SECONDS, look, LOOK_EVERY_SECONDS);
  const saw = Object.keys(looks).map((what) => `${what} after ${seen.get(what) ?? `more than ${WAIT_SECONDS} s`}`);
  return { saw: saw.join(', '), agrees: 'open' as const };
}
