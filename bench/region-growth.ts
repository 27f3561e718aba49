import { rehearse } from '../sandbox/rehearsal.ts';
import type { Drainer } from '../sandbox/result.ts';
import { fleetOf } from '../sandbox/scenarios.ts';

/**
 * `npm run bench:region`: how the cost of the local Region grows. Linear growth is a ratio per unit that stays at 1 or falls.
 * One instance after the other is drained, so that throttling adds no work.
 */

const INSTANCES = [30, 60, 120, 300];
const TASKS_AN_INSTANCE = [2, 5, 10, 20];
const RUNS = 3;
const EVERY_SECONDS = 10;

async function cpuMs(drainer: Drainer, instances: number, tasksAnInstance: number): Promise<number> {
  const variant = fleetOf({
    instances,
    terminated: instances,
    tasks: instances * tasksAnInstance,
    everySeconds: EVERY_SECONDS,
  });
  const before = process.cpuUsage();
  const { tasksKilled, instancesTerminated } = await rehearse({ scenario: 'fleet', variant, drainer, seed: 1 });
  const { user, system } = process.cpuUsage(before);
  if (instancesTerminated !== instances)
    throw new Error(`Only ${instancesTerminated} of ${instances} were terminated.`);
  if (drainer === 'ecs-drain' && tasksKilled > 0) throw new Error(`${tasksKilled} tasks were killed.`);
  return (user + system) / 1000;
}

/** The least of several measurements, because disturbances only add. */
async function leastCpuMs(drainer: Drainer, instances: number, tasksAnInstance: number): Promise<number> {
  const all: number[] = [];
  for (let run = 0; run < RUNS; run++) all.push(await cpuMs(drainer, instances, tasksAnInstance));
  return Math.min(...all);
}

for (const drainer of ['none', 'ecs-drain'] as const) {
  await cpuMs(drainer, INSTANCES[0] ?? 1, TASKS_AN_INSTANCE[0] ?? 1); // packages, and warms up the machine code

  const byInstances: number[] = [];
  for (const instances of INSTANCES) byInstances.push(await leastCpuMs(drainer, instances, 10));
  console.log(`\n${drainer}: by instances, 10 tasks on each`);
  console.table(rowsOf('instances', INSTANCES, byInstances));

  const byTasks: number[] = [];
  for (const tasks of TASKS_AN_INSTANCE) byTasks.push(await leastCpuMs(drainer, 60, tasks));
  console.log(`\n${drainer}: by tasks an instance, 60 instances`);
  console.table(rowsOf('tasks an instance', TASKS_AN_INSTANCE, byTasks));
}

console.log('\nScenarios whole, with ecs-drain');
const wall = [];
for (const scenario of ['rolling-update', 'fleet'] as const) {
  const { wallSeconds, virtualSeconds } = await rehearse({ scenario, drainer: 'ecs-drain', seed: 1 });
  wall.push({ scenario, 'virtual seconds': virtualSeconds, 'wall seconds': rounded(wallSeconds) });
}
console.table(wall);

function rowsOf(unit: string, sizes: readonly number[], costs: readonly number[]) {
  const perUnit = costs.map((cost, i) => cost / (sizes[i] ?? 1));
  return sizes.map((size, i) => ({
    [unit]: size,
    'CPU ms': rounded(costs[i]),
    'CPU ms a unit': rounded(perUnit[i]),
    'ratio to the first': rounded((perUnit[i] ?? 0) / (perUnit[0] ?? 1)),
  }));
}

function rounded(value = Number.NaN): number {
  return Number(value.toFixed(2));
}
