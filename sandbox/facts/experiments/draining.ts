import { UpdateContainerInstancesStateCommand, UpdateTaskProtectionCommand } from '@aws-sdk/client-ecs';
import type { Experiment, World } from '../experiment.ts';
import {
  anInstance,
  atRest,
  drain,
  instance,
  ms,
  placed,
  runJob,
  setStatus,
  stop,
  task,
  tasksOf,
  withInstances,
} from './cluster.ts';
import { described, refusalOf, seconds, sleep, until } from './look.ts';

const SET_BACK = 'sets the instance ACTIVE again';

/** What setting an instance to DRAINING does. */
export const draining: readonly Experiment[] = [
  {
    facts: [11, 61],
    title: 'How does ECS answer DRAINING for an instance that is DRAINING?',
    open: true,
    needs: ['cluster'],
    minutes: 6,
    cents: 0,
    cleansUp: SET_BACK,
    async run(world) {
      await withInstances(world);
      const containerInstanceArn = await anInstance(world);
      await drain(world, containerInstanceArn);
      const { containerInstances = [], failures = [] } = await setStatus(world, containerInstanceArn, 'DRAINING');
      const [failure] = failures;
      const saw = failure
        ? `a row in failures: ${failure.reason}${failure.detail ? ` (${failure.detail})` : ''}`
        : `done: containerInstances has it as ${containerInstances[0]?.status}`;
      return { saw, agrees: 'open' };
    },
  },
  {
    facts: [12, 73],
    title: 'When is the task of a daemon asked to stop, while a replica is STOPPING?',
    open: true,
    needs: ['cluster'],
    minutes: 10,
    cents: 0,
    cleansUp: SET_BACK,
    run: whenDaemonsStop,
  },
  {
    facts: [39],
    title: 'Does draining stop a task that is protected from scale-in?',
    open: true,
    needs: ['cluster'],
    minutes: 12,
    cents: 0,
    cleansUp: `${SET_BACK} and switches the protection off`,
    run: whetherDrainingHonoursProtection,
  },
  {
    facts: [11],
    title: 'A container instance that does not exist is a row in failures, inside a 200.',
    needs: ['cluster'],
    minutes: 1,
    cents: 0,
    cleansUp: 'changes nothing',
    async run(world) {
      const { name: cluster } = await withInstances(world);
      const { containerInstances = [], failures = [] } = await world.ecs.send(
        new UpdateContainerInstancesStateCommand({ cluster, containerInstances: [NO_INSTANCE], status: 'DRAINING' }),
      );
      const reasons = failures.map(({ reason }) => reason).join(', ');
      return {
        saw: `${containerInstances.length} container instances, failures: ${reasons || 'none'}`,
        agrees: containerInstances.length === 0 && reasons === 'MISSING',
      };
    },
  },
  {
    facts: [11],
    title: 'UpdateContainerInstancesState refuses more than ten instances.',
    needs: ['cluster'],
    minutes: 1,
    cents: 0,
    cleansUp: 'changes nothing',
    async run(world) {
      const { name: cluster } = await withInstances(world);
      const containerInstances = Array.from({ length: 11 }, (_, i) => NO_INSTANCE.slice(0, -2) + String(i + 10));
      const command = new UpdateContainerInstancesStateCommand({ cluster, containerInstances, status: 'DRAINING' });
      const refusal = await refusalOf(world.ecs.send(command));
      return { saw: described(refusal), agrees: refusal?.code === 'InvalidParameterException' };
    },
  },
  {
    facts: [12],
    title: 'With minimumHealthyPercent 100 a replacement is RUNNING before the task is asked to stop.',
    needs: ['cluster'],
    minutes: 10,
    cents: 0,
    cleansUp: SET_BACK,
    run: whetherReplacementsComeFirst,
  },
  {
    facts: [12, 37],
    title:
      'With minimumHealthyPercent 50 and maximumPercent 100 the only task is not stopped, and the instance stays DRAINING.',
    needs: ['cluster'],
    minutes: 9,
    cents: 0,
    cleansUp: SET_BACK,
    async run(world) {
      const { services } = await atRest(world);
      const { taskArn, containerInstanceArn } = await placed(world, services.fixed);
      await drain(world, containerInstanceArn);
      await sleep(world, 240);
      const { lastStatus, desiredStatus } = await task(world, taskArn);
      const { status } = await instance(world, containerInstanceArn);
      return {
        saw: `after 240 s the task is ${lastStatus}, its desired status ${desiredStatus}, the instance ${status}`,
        agrees: lastStatus === 'RUNNING' && desiredStatus === 'RUNNING' && status === 'DRAINING',
      };
    },
  },
  {
    facts: [12],
    title: 'Draining does not stop a standalone task.',
    needs: ['cluster'],
    minutes: 9,
    cents: 0,
    cleansUp: `stops the task and ${SET_BACK}`,
    async run(world) {
      await atRest(world);
      const { taskArn, containerInstanceArn } = await runJob(world);
      await drain(world, containerInstanceArn);
      await sleep(world, 120);
      const { lastStatus, desiredStatus } = await task(world, taskArn);
      const { status } = await instance(world, containerInstanceArn);
      return {
        saw: `after 120 s the instance is ${status}, the task ${lastStatus}, its desired status ${desiredStatus}`,
        agrees: status === 'DRAINING' && lastStatus === 'RUNNING' && desiredStatus === 'RUNNING',
      };
    },
  },
  {
    facts: [12],
    title: 'A DRAINING instance can be set ACTIVE again.',
    needs: ['cluster'],
    minutes: 6,
    cents: 0,
    cleansUp: SET_BACK,
    async run(world) {
      await withInstances(world);
      const containerInstanceArn = await anInstance(world);
      await setStatus(world, containerInstanceArn, 'DRAINING');
      const { failures = [] } = await setStatus(world, containerInstanceArn, 'ACTIVE');
      const { status } = await instance(world, containerInstanceArn);
      return { saw: `${failures.length} failures, the instance is ${status}`, agrees: status === 'ACTIVE' };
    },
  },
];

/** The ID of a container instance that no cluster has. */
const NO_INSTANCE = '0123456789abcdef0123456789abcdef';

async function whenDaemonsStop(world: World) {
  const { services } = await atRest(world);
  const slow = await placed(world, services.slow);
  const here = await tasksOf(world, { containerInstance: slow.containerInstanceArn }, ['RUNNING']);
  const daemon = here.find(({ group }) => group === `service:${services.daemon}`)?.taskArn;
  if (!daemon) throw new Error('The daemon has no task on the instance of the slow service.');
  await drain(world, slow.containerInstanceArn);
  const drainedAtMs = world.now();
  // Draining never stops this one, and the daemon would wait for it.
  const fixed = here.find(({ group }) => group === `service:${services.fixed}`)?.taskArn;
  if (fixed) await stop(world, fixed);
  const ended = await until(world, 360, async () => {
    const { stoppingAt } = await task(world, daemon);
    const { stoppingAt: slowStoppingAt, stoppedAt: slowStoppedAt } = await task(world, slow.taskArn);
    return stoppingAt && slowStoppingAt && slowStoppedAt ? { stoppingAt, slowStoppingAt, slowStoppedAt } : undefined;
  });
  if (!ended) return { saw: 'the daemon is not asked to stop within 360 s', agrees: 'open' as const };
  const after = (date: Date) => seconds(date.getTime() - drainedAtMs);
  const saw = `the daemon is asked to stop ${after(ended.stoppingAt)} after DRAINING; the slow replica is asked to after ${after(ended.slowStoppingAt)} and has STOPPED after ${after(ended.slowStoppedAt)}`;
  return { saw, agrees: 'open' as const };
}

async function whetherDrainingHonoursProtection(world: World) {
  const { name: cluster, services } = await atRest(world);
  const { taskArn, containerInstanceArn } = await placed(world, services.web);
  const protect = (protectionEnabled: boolean) =>
    world.ecs.send(new UpdateTaskProtectionCommand({ cluster, tasks: [taskArn], protectionEnabled }));
  world.defer(() => protect(false));
  const { protectedTasks: [held] = [], failures = [] } = await protect(true);
  if (!held?.protectionEnabled) throw new Error(`The task cannot be protected: ${failures[0]?.reason}.`);
  await drain(world, containerInstanceArn);
  const drainedAtMs = world.now();
  const stoppingAt = await until(world, 300, async () => ms((await task(world, taskArn)).stoppingAt));
  const saw =
    stoppingAt === undefined
      ? 'a protected task is not asked to stop within 300 s of DRAINING'
      : `a protected task is asked to stop ${seconds(stoppingAt - drainedAtMs)} after DRAINING`;
  return { saw, agrees: 'open' as const };
}

async function whetherReplacementsComeFirst(world: World) {
  const { services } = await atRest(world);
  const { taskArn, containerInstanceArn } = await placed(world, services.web);
  await drain(world, containerInstanceArn);
  const stoppingMs = await until(world, 360, async () => ms((await task(world, taskArn)).stoppingAt));
  if (stoppingMs === undefined) return { saw: 'the task is not asked to stop within 360 s', agrees: false };
  // By the instants that ECS notes, because its lists may lag.
  const tasks = await tasksOf(world, { serviceName: services.web });
  const running = tasks.filter(
    ({ taskArn: arn, startedAt, stoppingAt }) =>
      arn !== taskArn &&
      startedAt !== undefined &&
      startedAt.getTime() <= stoppingMs &&
      (stoppingAt === undefined || stoppingAt.getTime() > stoppingMs),
  );
  return {
    saw: `of 2 desired tasks ${running.length} others are RUNNING when the task is asked to stop`,
    agrees: running.length >= 2,
  };
}
