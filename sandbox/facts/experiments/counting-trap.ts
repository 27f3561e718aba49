import { ListTasksCommand } from '@aws-sdk/client-ecs';
import type { Experiment, World } from '../experiment.ts';
import { atRest, instance, ms, placed, stop, task, tasksOf } from './cluster.ts';
import { seconds, until } from './look.ts';

const REPLACED = 'the service replaces the task';

/** What ECS counts and lists of tasks that are leaving. */
export const countingTrap: readonly Experiment[] = [
  {
    facts: [13],
    title: 'runningTasksCount and pendingTasksCount leave out a task that is STOPPING.',
    needs: ['cluster'],
    minutes: 6,
    cents: 0,
    cleansUp: REPLACED,
    run: whatIsCounted,
  },
  {
    facts: [13],
    title: 'ListTasks hides a task that is STOPPING unless it is asked for desiredStatus STOPPED.',
    needs: ['cluster'],
    minutes: 6,
    cents: 0,
    cleansUp: REPLACED,
    async run(world) {
      const { services } = await atRest(world);
      const { taskArn } = await placed(world, services.slow);
      await stop(world, taskArn);
      const seen = await until(world, 50, async () => {
        const { lastStatus } = await task(world, taskArn);
        if (lastStatus !== 'STOPPING') return undefined;
        const byDefault = (await listed(world, services.slow)).includes(taskArn);
        const asStopped = (await listed(world, services.slow, 'STOPPED')).includes(taskArn);
        return !byDefault && asStopped ? { byDefault, asStopped } : undefined;
      });
      return {
        saw: seen ? 'listed under STOPPED only' : 'at no look listed under STOPPED only while it is STOPPING',
        agrees: seen !== undefined,
      };
    },
  },
  {
    facts: [13],
    title: 'A task that has STOPPED is still listed under desiredStatus STOPPED, and described.',
    needs: ['cluster'],
    minutes: 6,
    cents: 0,
    cleansUp: REPLACED,
    async run(world) {
      const { services } = await atRest(world);
      const { taskArn } = await placed(world, services.web);
      await stop(world, taskArn);
      const stopped = await until(world, 180, async () => ms((await task(world, taskArn)).stoppedAt));
      const isListed = (await listed(world, services.web, 'STOPPED')).includes(taskArn);
      const { lastStatus } = await task(world, taskArn);
      return {
        saw: `${isListed ? 'listed' : 'not listed'}, described as ${lastStatus}`,
        agrees: stopped !== undefined && isListed && lastStatus === 'STOPPED',
      };
    },
  },
  {
    facts: [13, 51],
    title:
      'SIGKILL comes 30 s after SIGTERM where the task definition has no stopTimeout, and after its stopTimeout where it has one.',
    needs: ['cluster'],
    minutes: 9,
    cents: 0,
    cleansUp: REPLACED,
    async run(world) {
      const { services } = await atRest(world);
      const byDefault = await stopSeconds(world, services.web);
      const ofSixty = await stopSeconds(world, services.slow);
      const isNear = (ms: number | undefined, s: number) => ms !== undefined && ms >= s * 1000 && ms < (s + 25) * 1000;
      return {
        saw: `stoppingAt to executionStoppedAt: ${shown(byDefault)} without a stopTimeout, ${shown(ofSixty)} with one of 60 s`,
        agrees: isNear(byDefault, 30) && isNear(ofSixty, 60),
      };
    },
  },
  {
    facts: [40],
    title: 'stoppingAt is when the task was asked to stop, and not when it had stopped.',
    needs: ['cluster'],
    minutes: 5,
    cents: 0,
    cleansUp: REPLACED,
    async run(world) {
      const { services } = await atRest(world);
      const { taskArn } = await placed(world, services.slow);
      const askedAtMs = world.now();
      await stop(world, taskArn);
      const stoppingAt = await until(world, 60, async () => ms((await task(world, taskArn)).stoppingAt));
      const lateMs = stoppingAt === undefined ? undefined : stoppingAt - askedAtMs;
      return {
        saw: lateMs === undefined ? 'no stoppingAt within 60 s' : `stoppingAt is ${seconds(lateMs)} after StopTask`,
        agrees: lateMs !== undefined && lateMs > -5_000 && lateMs < 10_000,
      };
    },
  },
];

async function listed(world: World, serviceName: string, desiredStatus?: 'STOPPED'): Promise<readonly string[]> {
  const cluster = world.resources.cluster?.name;
  const { taskArns = [] } = await world.ecs.send(
    new ListTasksCommand({ cluster, serviceName, ...(desiredStatus && { desiredStatus }) }),
  );
  return taskArns;
}

/** Looks until one look finds the slow task STOPPING: what is listed and what is counted come from separate calls. */
async function whatIsCounted(world: World) {
  const { services } = await atRest(world);
  const { taskArn, containerInstanceArn } = await placed(world, services.slow);
  await stop(world, taskArn);
  let last = 'at no look is the task STOPPING';
  const seen = await until(world, 50, async () => {
    const { runningTasksCount = 0, pendingTasksCount = 0 } = await instance(world, containerInstanceArn);
    const tasks = await tasksOf(world, { containerInstance: containerInstanceArn });
    if (tasks.find((each) => each.taskArn === taskArn)?.lastStatus !== 'STOPPING') return undefined;
    const holding = tasks.filter(({ lastStatus }) => lastStatus !== 'STOPPED');
    const wanted = holding.filter(({ desiredStatus }) => desiredStatus === 'RUNNING');
    const counted = runningTasksCount + pendingTasksCount;
    last = `${holding.length} tasks have not stopped, ${wanted.length} of them have the desired status RUNNING, ${counted} are counted`;
    return counted === wanted.length && counted < holding.length ? true : undefined;
  });
  return { saw: last, agrees: seen === true };
}

/** From the instant that a task of a service is asked to stop to the end of its containers, in milliseconds. */
async function stopSeconds(world: World, service: string): Promise<number | undefined> {
  const { taskArn } = await placed(world, service);
  await stop(world, taskArn);
  return until(world, 180, async () => {
    const { stoppingAt, executionStoppedAt } = await task(world, taskArn);
    return stoppingAt && executionStoppedAt ? executionStoppedAt.getTime() - stoppingAt.getTime() : undefined;
  });
}

function shown(durationMs: number | undefined): string {
  return durationMs === undefined ? 'not within 180 s' : seconds(durationMs);
}
