import { expect, it } from 'vitest';
import { createRegion } from '../../../../sandbox/region/region.ts';
import { idOf } from '../auto-scaling/world.ts';
import { pass as passIn, WEB } from '../clients.ts';

const [A, B] = [idOf(1), idOf(2)];

async function regionWithPool() {
  const killed: string[] = [];
  const statuses: [string, string][] = [];
  const region = createRegion({
    startMs: 0,
    seed: 1,
    onTrace: (event) => {
      if (event.kind === 'task' && event.killed) killed.push(`${event.status}: ${event.reason}`);
      if (event.kind === 'task') statuses.push([event.taskId, event.status]);
    },
  });
  region.ecs.createCluster('prod');
  const size = { cluster: 'prod', memoryMiB: 4_096, cpuUnits: 2_048, launchSeconds: 60 };
  region.autoScaling.createGroup(
    {
      ...size,
      name: 'web',
      minSize: 0,
      maxSize: 2,
      desiredCapacity: 2,
      warmPool: { minSize: 0, poolState: 'Stopped', reuseOnScaleIn: true },
    },
    { running: true },
  );
  region.ecs.createService({
    ...WEB,
    memoryMiB: 3_000,
    cpuUnits: 256,
    startSeconds: 10,
    loadBalancer: { deregistrationDelaySeconds: 30, requestsPerSecond: 10 },
  });
  const pass = (seconds: number) => passIn(region, seconds);
  const standing = (id: string) =>
    region.ecs.registrationsOf(id).map(({ status, agentConnected }) => [status, agentConnected]);
  await pass(300);
  return { region, killed, statuses, pass, standing };
}

it('an instance that stops into a warm pool loses its tasks, and stays registered with a silent agent', async () => {
  const { region, killed, pass, standing } = await regionWithPool();
  region.autoScaling.setDesiredCapacity('web', 1);
  expect(killed).toEqual([`STOPPED: Host EC2 (instance ${A}) stopped.`]);
  expect(region.killedTasks).toMatchObject([{ ec2InstanceId: A, lastStatus: 'RUNNING', group: 'service:web' }]);
  expect(standing(A)).toEqual([['ACTIVE', false]]);
  expect(region.terminated.size).toBe(0);
  await pass(300);
  expect(region.ecs.requestsLost()).toBeGreaterThan(0);
  expect([region.ecs.accountOf(A).holding, region.ecs.accountOf(B).holding]).toEqual([0, 1]);
});

it('it takes tasks again, on the same registration, when the group has it back', async () => {
  const { region, pass, standing } = await regionWithPool();
  region.autoScaling.setDesiredCapacity('web', 1);
  await pass(60);
  region.autoScaling.setDesiredCapacity('web', 2);
  await pass(300);
  expect(standing(A)).toEqual([['ACTIVE', true]]);
  expect([region.ecs.accountOf(A).holding, region.ecs.accountOf(B).holding]).toEqual([1, 1]);
});

it('a task that was still starting there stays STOPPED when the agent is back', async () => {
  const { region, statuses, pass } = await regionWithPool();
  const job = {
    name: 'job',
    cluster: 'prod',
    memoryMiB: 256,
    cpuUnits: 64,
    runsForSeconds: 600,
    stopTimeoutSeconds: 30,
  };
  region.ecs.runTask({ ...job, ec2InstanceId: A });
  const [taskId] = statuses.at(-1) ?? [];
  region.autoScaling.setDesiredCapacity('web', 1);
  await pass(60);
  region.autoScaling.setDesiredCapacity('web', 2);
  await pass(300);
  expect(statuses.flatMap(([id, status]) => (id === taskId ? [status] : []))).toEqual(['PROVISIONING', 'STOPPED']);
});
