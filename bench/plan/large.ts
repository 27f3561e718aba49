import { blueprintOf } from '../../sandbox/plan/build.ts';
import type { Change } from '../../sandbox/plan/change.ts';
import { estimatesOf } from '../../sandbox/plan/estimates.ts';
import { playAll } from '../../sandbox/plan/play-all.ts';
import { group, replicas, type Scenario } from '../../sandbox/scenarios.ts';
import { snapshotBefore } from './prove.ts';

/** `npm run bench:plan:large [-- TRIALS]`: what the plan of a large cluster takes, whose every instance is replaced. */

const [INSTANCES, SERVICES, TASKS] = [200, 100, 3_000];
const TRIALS = Number(process.argv[2] ?? 20);

const scenario: Scenario = {
  description: 'a large cluster',
  group: group(INSTANCES),
  services: Array.from({ length: SERVICES }, (_, i) =>
    replicas(`service-${i + 1}`, TASKS / SERVICES, { memoryMiB: 256, cpuUnits: 64 }),
  ),
  jobs: [],
  params: {},
  begin: () => {},
};
const change: Change = {
  kind: 'rolling-update',
  minInService: INSTANCES - 20,
  maxBatchSize: 20,
  pauseSeconds: 900,
  waitsForSignals: true,
};

const snapshot = await snapshotBefore({ name: 'large', scenario, change: () => change, seed: 1 });
const { instances, services, tasks } = snapshot.cluster;
console.log(`${instances.length} instances, ${services.length} services, ${tasks.length} tasks`);
const startedAtMs = Date.now();
const cpuBefore = process.cpuUsage();
const { withDrain } = await playAll({
  blueprint: blueprintOf(snapshot, estimatesOf(snapshot), {}),
  change,
  others: [],
  params: {},
  seeds: Array.from({ length: TRIALS }, (_, i) => i + 1),
});
const { user, system } = process.cpuUsage(cpuBefore);
const drains = withDrain.reduce((sum, { drains: { length } }) => sum + length, 0);
console.log(
  `${withDrain.length} rehearsals with ${drains} drains: ${Math.round((Date.now() - startedAtMs) / 1000)} s, ${Math.round((user + system) / 1e6)} s of CPU`,
);
