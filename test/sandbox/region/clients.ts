import { onTestFinished } from 'vitest';
import type { ServiceSpec } from '../../../sandbox/region/ecs/specs.ts';
import { createRegion, type Region, type RegionOptions } from '../../../sandbox/region/region.ts';
import { playGlobals } from '../../../sandbox/region/time/globals.ts';
import type { WireAnswer, WireRequest } from '../../../sandbox/region/wire/message.ts';
import { START_MS } from '../start.ts';

/** A service behind a load balancer that lets go after five minutes. */
export const WEB: ServiceSpec = {
  cluster: 'prod',
  name: 'web',
  strategy: 'REPLICA',
  desiredCount: 2,
  minimumHealthyPercent: 100,
  maximumPercent: 200,
  memoryMiB: 512,
  cpuUnits: 128,
  startSeconds: 20,
  stopTimeoutSeconds: 30,
  loadBalancer: { deregistrationDelaySeconds: 300, requestsPerSecond: 10 },
};

/** A Region for one test, whose time and chance the code of its functions has. */
export function regionOfTest(options: Partial<RegionOptions> = {}): Region {
  const region = createRegion({ startMs: START_MS, seed: 1, ...options });
  onTestFinished(playGlobals(region.time, region.random.fork('globals')));
  return region;
}

/** What makes a client of the SDK call this Region, and take its first answer. */
export function clientOf({ transport }: Region) {
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
  return { requestHandler: transport, region: 'eu-west-1', credentials, maxAttempts: 1 };
}

/** Lets so many seconds pass. */
export async function pass({ time }: Region, seconds: number): Promise<void> {
  const untilMs = time.nowMs() + seconds * 1000;
  time.after(seconds, () => {});
  await time.runUntil(() => time.nowMs() >= untilMs);
}

/** Runs code in virtual time, where its calls take their time; returns what it returns, or throws what it throws. */
export async function inRegion<T>({ time }: Region, task: () => Promise<T>): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  let over = false;
  time.start(async () => {
    await task().then(resolve, reject);
    over = true;
  });
  await time.runUntil(() => over);
  return promise;
}

/** Seconds since the Region began. */
export function seconds({ time }: Region): number {
  return (time.nowMs() - START_MS) / 1000;
}

/** Answers requests of clients outside of virtual time, which passes while an answer is waited for, such as a long poll's. */
export function answeringInTime({ answer, time }: Region): (request: WireRequest) => Promise<WireAnswer> {
  return async (request) => {
    const answered = answer(request);
    if (!(answered instanceof Promise)) return answered;
    let over = false;
    const waited = answered.finally(() => {
      over = true;
      time.stir();
    });
    await time.runUntil(() => over);
    return waited;
  };
}
