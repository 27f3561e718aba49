import { availableParallelism } from 'node:os';
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { groupsSetting, packagedOnce } from '../drainers/ecs-drain.ts';
import type { Drainer, DrillResult } from '../result.ts';
import type { Params } from '../scenarios.ts';
import type { Blueprint } from './build.ts';
import type { Change } from './change.ts';
import { hasFailed, type TrialResult } from './trial.ts';
import type { Played, Task } from './worker.ts';

/** Without a drain the tasks end nearly alike in every rehearsal. */
const MOST_WITHOUT_DRAIN = 5;

/** A lane takes as long to begin as so many small rehearsals. */
const WORTH_A_LANE = 4;

export interface Rehearsals {
  readonly blueprint: Blueprint;
  readonly change: Change;
  /** What may come instead of the change: each is played once with ecs-drain. */
  readonly others: readonly Change[];
  readonly params: Params;
  readonly seeds: readonly number[];
  /** Whether to return the full record of a trial: of the first that fails, else of the first. */
  readonly reports?: boolean;
  /** Called after each trial with the number of trials done. */
  readonly onProgress?: (done: number, all: number) => void;
}

/** Plays the change once for each seed number with ecs-drain, and for the first of them without, on all cores of the machine. */
export async function playAll(rehearsals: Rehearsals): Promise<{
  readonly withDrain: TrialResult[];
  readonly withoutDrain: TrialResult[];
  /** In the order of the others. */
  readonly others: TrialResult[];
  readonly drill: DrillResult<Drainer> | undefined;
}> {
  const { blueprint, change, others, params, seeds, reports = false, onProgress } = rehearsals;
  const { cluster, name } = blueprint.group;
  // Once, before several lanes would each do it.
  await packagedOnce({ cluster, autoScalingGroups: groupsSetting(name), ...params });
  const task =
    (drains: boolean, played = change, reports = false) =>
    (seed: number): Task => ({ blueprint, change: played, params, seed, drains, reports });
  const without = seeds.slice(0, MOST_WITHOUT_DRAIN);
  const tasks = [
    ...seeds.map(task(true)),
    ...without.map(task(false)),
    ...others.flatMap((other) => seeds.slice(0, 1).map(task(true, other))),
  ];
  const played = await inLanes(tasks, (done) => onProgress?.(done, tasks.length));
  const results = played.map(({ result }) => result);
  const withDrain = results.slice(0, seeds.length);
  const shown = reports ? (withDrain.find(hasFailed) ?? withDrain[0]) : undefined;
  const [again] = shown ? await inLanes([task(true, change, true)(shown.seed)], () => {}) : [];
  return {
    withDrain,
    withoutDrain: results.slice(seeds.length, seeds.length + without.length),
    others: results.slice(seeds.length + without.length),
    drill: again?.drill,
  };
}

/** The results, in the order of the tasks. */
async function inLanes(tasks: readonly Task[], onDone: (done: number) => void): Promise<Played[]> {
  const results: Played[] = [];
  const left = tasks.entries();
  let done = 0;
  const lanes = Array.from(
    { length: Math.min(availableParallelism(), Math.ceil(tasks.length / WORTH_A_LANE)) },
    async () => {
      const worker = new Worker(new URL(`./worker${extname(import.meta.url)}`, import.meta.url));
      try {
        for (const [i, task] of left) {
          results[i] = await played(worker, task);
          onDone(++done);
        }
      } finally {
        await worker.terminate();
      }
    },
  );
  await Promise.all(lanes);
  return results;
}

function played(worker: Worker, task: Task): Promise<Played> {
  const { promise, resolve, reject } = Promise.withResolvers<Played>();
  worker.once('error', reject);
  worker.once('message', ({ error, ...answer }: Played & { readonly error?: string }) => {
    worker.off('error', reject);
    if (error === undefined) resolve(answer);
    else reject(new Error(error));
  });
  worker.postMessage(task);
  return promise;
}
