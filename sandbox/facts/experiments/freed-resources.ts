import type { ContainerInstance, Resource } from '@aws-sdk/client-ecs';
import { type Experiment, use, type World } from '../experiment.ts';
import { atRest, instance, instancesOf, runJob, stop, task } from './cluster.ts';
import { type DeliveredEvent, receive, until } from './look.ts';

const STOPPED = 'the standalone task is stopped';

/** How the memory of an instance follows its tasks. */
export const freedResources: readonly Experiment[] = [
  {
    facts: [91],
    title: 'Does ECS free the memory of a task before the task has STOPPED?',
    open: true,
    needs: ['cluster'],
    minutes: 6,
    cents: 0,
    cleansUp: STOPPED,
    run: whenMemoryIsFreed,
  },
  {
    facts: [91],
    title:
      'Does ECS Container Instance State Change come with the freed memory after the stop of a task that ECS was asked to stop?',
    open: true,
    needs: ['cluster', 'events'],
    minutes: 8,
    cents: 0,
    cleansUp: STOPPED,
    run: whichEventTheStopSends,
  },
  {
    facts: [91],
    title: 'A task takes its memory from the remaining MEMORY of its instance.',
    needs: ['cluster'],
    minutes: 5,
    cents: 0,
    cleansUp: STOPPED,
    async run(world) {
      await atRest(world);
      const before = await instancesOf(world);
      const { containerInstanceArn } = await runJob(world);
      const earlier = before.find((each) => each.containerInstanceArn === containerInstanceArn);
      const [was, is] = [earlier, await instance(world, containerInstanceArn)].map((each) => remainingIn(each));
      const registered = memoryIn(earlier?.registeredResources);
      return {
        saw: `${was} MiB remain before the task and ${is} with it, of ${registered}`,
        agrees: was !== undefined && is !== undefined && registered !== undefined && is < was && was <= registered,
      };
    },
  },
];

async function whenMemoryIsFreed(world: World) {
  const { taskArn, containerInstanceArn, remaining } = await jobAtRest(world);
  await stop(world, taskArn);
  const isFree = async () => (remainingIn(await instance(world, containerInstanceArn)) ?? 0) > remaining;
  // The memory is read before the status: what is seen free beside another status than STOPPED was free before STOPPED.
  const look = async () => ((await isFree()) ? (await task(world, taskArn)).lastStatus : undefined);
  const status = await until(world, 180, look, 0.5);
  const saw = status
    ? `the memory is first seen free when the task is ${status}`
    : 'the memory is not free within 180 s';
  return { saw, agrees: 'open' as const };
}

async function whichEventTheStopSends(world: World) {
  const { taskArn, containerInstanceArn, remaining, version } = await jobAtRest(world);
  await stop(world, taskArn);
  const isOurs = ({ detail, ...event }: DeliveredEvent) =>
    event['detail-type'] === 'ECS Container Instance State Change' &&
    detail.containerInstanceArn === containerInstanceArn &&
    detail.version > version &&
    (remainingIn(detail) ?? 0) > remaining;
  const [event] = await receive(world, use(world, 'events').queueUrl, 180, isOurs);
  const { lastStatus, stoppedAt } = await task(world, taskArn);
  const saw = event
    ? `it comes, of ${event.time}; the task is ${lastStatus}, stopped at ${stoppedAt?.toISOString()}`
    : `no such event within 180 s; the task is ${lastStatus}`;
  return { saw, agrees: 'open' as const };
}

/** A standalone task in a cluster at rest, and what its instance has left. */
async function jobAtRest(world: World) {
  await atRest(world);
  const job = await runJob(world);
  const described = await instance(world, job.containerInstanceArn);
  return { ...job, remaining: remainingIn(described) ?? 0, version: described.version ?? 0 };
}

function remainingIn(described: Pick<ContainerInstance, 'remainingResources'> | undefined): number | undefined {
  return memoryIn(described?.remainingResources);
}

function memoryIn(resources: readonly Resource[] | undefined): number | undefined {
  return resources?.find(({ name }) => name === 'MEMORY')?.integerValue;
}
