import { isHeld } from '../src/domain/group-place.ts';
import { type Aws, awsOf } from './aws.ts';
import { counted, type Deployment, deploymentOf, duration, isoTime, type Target } from './common.ts';
import { isParkedOn, readHoldingTasks, readParkedDrains, readRegistrations } from './drain-reads.ts';
import { presentTaskCounts } from './drain-status.ts';
import { type EndedDrain, equals, readEnded } from './ended-drains.ts';
import type { Session } from './session.ts';
import { instanceIdsIn, secondsIn } from './typed.ts';

/** What is typed after `ecs-drain wait INSTANCE…`. */
export interface WaitOptions {
  readonly timeout?: string;
}

/** How long it waits, unless something else is typed. */
export const USUAL_TIMEOUT = '30m';

/** The exit status if the time is over before the drains are. */
const TIMED_OUT = 3;

/** The longer it waits, the more seldom it looks. These are seconds of this machine, those of AWS in a Region may be shorter. */
const POLL_SECONDS = { first: 5, growth: 1.05, most: 30 };

/** A drain that ended before it was waited for has an outcome as well, if it ended in this time. */
const LOOK_BACK_SECONDS = 48 * 3_600;

/** How long the line about the end may be on its way to the log. */
const LOG_LATE_SECONDS = 90;

/** What came of the wait for one drain. */
export interface Waited {
  readonly instanceId: string;
  readonly state: 'finished' | 'draining' | 'not draining' | 'not known';
  readonly sentence: string;
  readonly ended?: EndedDrain;
}

/** `ecs-drain wait INSTANCE…`: until each drain has ended. The exit status is 0 if all are drained, and 3 after the timeout. */
export async function wait(
  typed: readonly string[],
  { timeout = USUAL_TIMEOUT }: WaitOptions,
  target: Target,
  session: Session,
) {
  const instanceIds = instanceIdsIn(typed);
  const timeoutSeconds = secondsIn('--timeout', timeout);
  const deployment = await deploymentOf(target);
  const waited = await waitForDrains(instanceIds, timeoutSeconds, deployment, awsOf(deployment), session);
  session.printJson({ function: deployment.functionName, drains: waited.map(presentWaited) });
  return statusOf(waited);
}

export function statusOf(waited: readonly Waited[]): number {
  if (waited.some(({ state }) => state === 'draining')) return TIMED_OUT;
  return waited.every(({ ended }) => ended?.outcome === 'drained') ? 0 : 1;
}

export function presentWaited({ ended, ...waited }: Waited) {
  return {
    ...waited,
    outcome: ended?.outcome,
    endedAt: ended && isoTime(ended.endedAtMs),
    durationSeconds: ended?.durationSeconds,
    slackSeconds: ended?.slackSeconds,
    killedTasks: ended?.killedTasks.length,
  };
}

/** What is remembered of an instance between two looks. */
interface Watch {
  readonly instanceId: string;
  hasDrained: boolean;
  /** Since when nothing drains it any more. */
  overSinceMs?: number;
  shown?: string;
}

/** Looks again and again, prints what changes, and returns what came of each in the order of the instances. */
export async function waitForDrains(
  instanceIds: readonly string[],
  timeoutSeconds: number,
  deployment: Deployment,
  aws: Aws,
  session: Session,
  /** The drains have only just been asked for, and may not have begun. */
  isExpected = false,
): Promise<Waited[]> {
  const begunAtMs = deployment.nowMs();
  const results = new Map<string, Waited>();
  let pollSeconds = POLL_SECONDS.first;
  let open = instanceIds.map((instanceId): Watch => ({ instanceId, hasDrained: isExpected }));
  for (;;) {
    const looks = await lookAt(open, deployment, aws);
    for (const watch of open) {
      const result = await resultOf(watch, looks.get(watch.instanceId), begunAtMs, deployment, session);
      if (!result) continue;
      session.print(`${isoTime(deployment.nowMs())} ${result.sentence}`);
      results.set(watch.instanceId, result);
    }
    open = open.filter(({ instanceId }) => !results.has(instanceId));
    const waitedSeconds = (deployment.nowMs() - begunAtMs) / 1000;
    if (open.length === 0 || waitedSeconds >= timeoutSeconds) break;
    await session.sleep(Math.min(pollSeconds, timeoutSeconds - waitedSeconds) * 1000);
    pollSeconds = Math.min(pollSeconds * POLL_SECONDS.growth, POLL_SECONDS.most);
  }
  for (const { instanceId } of open) {
    const sentence = `The drain of ${instanceId} goes on after ${duration(timeoutSeconds)} of waiting.`;
    session.print(sentence);
    results.set(instanceId, { instanceId, state: 'draining', sentence });
  }
  return instanceIds.flatMap((instanceId) => results.get(instanceId) ?? []);
}

/** What holds an instance whose drain goes on; undefined where none does. */
async function lookAt(open: readonly Watch[], deployment: Deployment, aws: Aws): Promise<Map<string, string>> {
  const ids = open.map(({ instanceId }) => instanceId);
  const places = await aws.lifecycleActions.placesOf(ids);
  const registrations = await readRegistrations(ids, deployment, aws);
  const parked = await readParkedDrains(deployment, aws, ids);
  const isParked = (id: string) => parked.all.some((each) => isParkedOn(id, each));
  const looks = new Map<string, string>();
  for (const id of ids) {
    const place = places.get(id);
    const isTerminating = place !== undefined && (isHeld(place) || place.lifecycleState === 'Terminating');
    if (!isTerminating && !isParked(id)) continue;
    const tasks = await readHoldingTasks(registrations.of(id), aws);
    looks.set(id, presentTaskCounts(tasks).replace('\n', ': ').replaceAll('\n', ', '));
  }
  return looks;
}

/** Undefined as long as the drain goes on. */
async function resultOf(
  watch: Watch,
  look: string | undefined,
  begunAtMs: number,
  deployment: Deployment,
  { print }: Session,
): Promise<Waited | undefined> {
  const { instanceId } = watch;
  const nowMs = deployment.nowMs();
  if (look !== undefined) {
    if (look !== watch.shown) print(`${isoTime(nowMs)} ${instanceId}: ${look}`);
    Object.assign(watch, { hasDrained: true, shown: look, overSinceMs: undefined });
    return undefined;
  }
  watch.overSinceMs ??= nowMs;
  const sinceMs = watch.hasDrained ? begunAtMs : nowMs - LOOK_BACK_SECONDS * 1000;
  const ended = (
    await readEnded({ sinceMs, most: 10, terms: [equals('instanceId', instanceId)] }, deployment)
  ).drains.at(-1);
  if (ended) return { instanceId, state: 'finished', ended, sentence: sentenceOnEnd(ended) };
  if (!watch.hasDrained)
    return {
      instanceId,
      state: 'not draining',
      sentence: `${instanceId} is not draining, and no drain of it has ended recently.`,
    };
  if (nowMs < watch.overSinceMs + LOG_LATE_SECONDS * 1000) return undefined;
  const sentence = `The drain of ${instanceId} is over, and the log does not say how: look for its events in the dead-letter queue.`;
  return { instanceId, state: 'not known', sentence };
}

/** `i-… drained in 6 min` and why it ended otherwise. */
export function sentenceOnEnd({ instanceId, outcome, durationSeconds, message, killedTasks }: EndedDrain): string {
  const time = duration(durationSeconds);
  if (outcome === 'drained') return `${instanceId} drained in ${time}.`;
  const killed = killedTasks.length > 0 ? ` with ${counted(killedTasks.length, 'task')} left` : '';
  return `${instanceId} ended after ${time} as ${outcome}${killed}: ${message}`;
}
