import { parentPort } from 'node:worker_threads';
import { type Build, fromPackage, installedFrom } from '../drainers/ecs-drain.ts';
import { play, type Trial } from './trial.ts';

/** A lane of play-all.ts: plays one trial after the other, with the packaged function. */

/** What a lane is asked to play. */
export type Task = Omit<Trial, 'install'> & { readonly drains: boolean };

/** The package is unpacked and loaded once, whatever it is played for. */
const builds = new Map<string, ReturnType<Build>>();
const install = installedFrom((params) => {
  const key = JSON.stringify(params);
  const build = builds.get(key) ?? fromPackage(params);
  builds.set(key, build);
  return build;
});

parentPort?.on('message', async ({ drains, ...trial }: Task) => {
  try {
    parentPort?.postMessage({ result: await play({ ...trial, install: drains ? install : undefined }) });
  } catch (error) {
    parentPort?.postMessage({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
});
