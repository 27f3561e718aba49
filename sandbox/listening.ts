import type { RegionClock } from './clock.ts';
import { UsageError } from './command-line.ts';
import type { Region } from './region/region.ts';
import { listen } from './region/wire/http.ts';
import { CLUSTER, GROUP } from './scenarios.ts';

/** How a Region is put behind HTTP, and what a user reads about it. */

/** @throws UsageError if the port is someone else's. */
export function listenTo(region: Region, clock: RegionClock, port: number): ReturnType<typeof listen> {
  const nowMs = () => region.time.nowMs();
  const take: RegionClock['take'] = (request, response) => clock.take(request, response);
  return listen((request) => clock.answer(request), port, nowMs, take).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EADDRINUSE') throw error;
    throw new UsageError(`Port ${port} is in use: name another with --port, or leave it out for a free one.`);
  });
}

export function welcome(url: string, pace: string): string {
  return `The Region listens on ${url}, ${pace}. Ctrl-C ends it. Look into it in another terminal:

  export AWS_ENDPOINT_URL=${url}
  export AWS_REGION=eu-west-1 AWS_DEFAULT_REGION=eu-west-1
  export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local
  aws ecs list-container-instances --cluster ${CLUSTER}
  aws autoscaling describe-auto-scaling-groups --auto-scaling-group-names ${GROUP}
  npx ecs-drain status

`;
}

/** Whether someone has ended this process with Ctrl-C or a signal, or has ended npm, which does not pass signals on. */
export function untilStopped(): () => boolean {
  let stopped = false;
  const stop = () => {
    stopped = true;
  };
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  const shellOfNpm = process.env['npm_lifecycle_event'] === undefined ? undefined : process.ppid;
  return () => stopped || (shellOfNpm !== undefined && process.ppid !== shellOfNpm);
}
