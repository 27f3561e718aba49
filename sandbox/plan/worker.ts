import { parentPort } from 'node:worker_threads';
import { type Build, fromPackage, installedFrom } from '../drainers/ecs-drain.ts';
import type { Drainer, DrillResult } from '../result.ts';
import { sweepingRarely } from './deployment.ts';
import { play, type Trial, type TrialResult } from './trial.ts';

/** A lane of play-all.ts: plays one trial after the other, with the packaged function. */

/** What a lane is asked to play. */
export type Task = Omit<Trial, 'install' | 'onDrill'> & { readonly drains: boolean; readonly reports: boolean };

/** What it answers. */
export interface Played {
  readonly result: TrialResult;
  /** The full record, where the task asks for it. */
  readonly drill: DrillResult<Drainer> | undefined;
}

const rehearsed = sweepingRarely(fromPackage);
/** The package is unpacked and loaded once, whatever it is played for. */
const builds = new Map<string, ReturnType<Build>>();
const install = installedFrom((params) => {
  const key = JSON.stringify(params);
  const build = builds.get(key) ?? rehearsed(params);
  builds.set(key, build);
  return build;
});

parentPort?.on('message', async ({ drains, reports, ...trial }: Task) => {
  try {
    let drill: Played['drill'];
    const onDrill = (record: DrillResult<Drainer>) => {
      if (reports) drill = record;
    };
    const result = await play({ ...trial, install: drains ? install : undefined, onDrill });
    parentPort?.postMessage({ result, drill } satisfies Played);
  } catch (error) {
    parentPort?.postMessage({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
});
