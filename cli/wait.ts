import { type GroupPlace, isHeld } from '../src/domain/group-place.ts';
import { choiceOf } from '../src/domain/groups.ts';
import { Unavailable } from '../src/domain/ports.ts';
import { hooksOf } from '../src/handlers/settings.ts';
import { type Aws, awsOf } from './aws.ts';
import { counted, type Deployment, deploymentOf, duration, isoTime, sentenceOf, type Target } from './common.ts';
import { isParkedOn, readHoldingTasks, readParkedDrains, readRegistrations } from './drain-reads.ts';
import { presentTasksInLine } from './drain-status.ts';
import { type EndedDrain, equals, killedIn, readEnded } from './ended-drains.ts';
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
  const waited = await waitForDrains(instanceIds, { timeoutSeconds }, deployment, awsOf(deployment), session);
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
    killedTasks: ended && killedIn(ended),
  };
}

/** What is remembered of an instance between two looks. */
interface Watch {
  readonly instanceId: string;
  /** Since when its drain may have ended; undefined if it may have ended before it was waited for. */
  sinceMs: number | undefined;
  /** Since when nothing drains it any more. */
  overSinceMs?: number;
  shown?: string;
}

/** What one look has found of an instance. */
interface Look {
  readonly place: GroupPlace | undefined;
  /** Whether a schedule holds its drain. */
  readonly isParked: boolean;
  /** The tasks that hold it; undefined where neither Auto Scaling nor a drain does. */
  readonly tasks: string | undefined;
  /** Why it is not known whether a schedule holds its drain. */
  readonly failure: string | undefined;
}

/** How long drains are waited for, and since when they may have ended if they have only just been asked for. */
interface Wait {
  readonly timeoutSeconds: number;
  readonly expectedSinceMs?: number;
}

/**
 * Looks again and again, prints what changes, and returns what came of each in the order of the instances. A call that may
 * succeed later is made again with the next look.
 */
export async function waitForDrains(
  instanceIds: readonly string[],
  { timeoutSeconds, expectedSinceMs: sinceMs }: Wait,
  deployment: Deployment,
  aws: Aws,
  session: Session,
): Promise<Waited[]> {
  const begunAtMs = deployment.nowMs();
  const results = new Map<string, Waited>();
  const conclude = (result: Waited) => {
    session.print(`${isoTime(deployment.nowMs())} ${result.sentence}`);
    results.set(result.instanceId, result);
  };
  let pollSeconds = POLL_SECONDS.first;
  let open = instanceIds.map((instanceId): Watch => ({ instanceId, sinceMs }));
  let failure: string | undefined;
  for (;;) {
    try {
      const looks = await lookAt(open, deployment, aws);
      for (const [watch, look] of looks) {
        const result = await resultOf(watch, look, begunAtMs, deployment, aws, session);
        if (result) conclude(result);
      }
      failure = undefined;
    } catch (error) {
      failure = sentenceOf(error, deployment.target);
      if (!(error instanceof Unavailable)) break;
      session.print(`${isoTime(deployment.nowMs())} ${failure}`);
    }
    open = open.filter(({ instanceId }) => !results.has(instanceId));
    const waitedSeconds = (deployment.nowMs() - begunAtMs) / 1000;
    if (open.length === 0 || waitedSeconds >= timeoutSeconds) break;
    await session.sleep(Math.min(pollSeconds, timeoutSeconds - waitedSeconds) * 1000);
    pollSeconds = Math.min(pollSeconds * POLL_SECONDS.growth, POLL_SECONDS.most);
  }
  for (const { instanceId } of open)
    if (!results.has(instanceId)) conclude(unfinished(instanceId, timeoutSeconds, failure));
  return instanceIds.flatMap((instanceId) => results.get(instanceId) ?? []);
}

/** What came of a drain whose end was not seen. */
function unfinished(instanceId: string, timeoutSeconds: number, failure: string | undefined): Waited {
  return failure === undefined
    ? {
        instanceId,
        state: 'draining',
        sentence: `The drain of ${instanceId} is still in progress after ${duration(timeoutSeconds)}.`,
      }
    : { instanceId, state: 'not known', sentence: notKnownSentence(instanceId, failure) };
}

function notKnownSentence(instanceId: string, failure: string): string {
  return `How the drain of ${instanceId} stands is not known: ${failure}`;
}

async function lookAt(open: readonly Watch[], deployment: Deployment, aws: Aws): Promise<Map<Watch, Look>> {
  const ids = open.map(({ instanceId }) => instanceId);
  const places = await aws.lifecycleActions.placesOf(ids);
  const registrations = await readRegistrations(ids, deployment, aws);
  const parked = await readParkedDrains(deployment, aws, ids);
  const looks = new Map<Watch, Look>();
  for (const watch of open) {
    const { instanceId } = watch;
    const place = places.get(instanceId);
    const isParked = parked.all.some((each) => isParkedOn(instanceId, each));
    const isTerminating = place !== undefined && (isHeld(place) || place.lifecycleState === 'Terminating');
    const isHolding = isTerminating || isParked;
    const holding = isHolding ? await readHoldingTasks(instanceId, registrations, deployment, aws) : undefined;
    const tasks = holding && presentTasksInLine(holding.holdingTasks);
    looks.set(watch, { place, isParked, tasks, failure: parked.failure });
  }
  return looks;
}

/** Undefined as long as the drain goes on. */
async function resultOf(
  watch: Watch,
  { place, isParked, tasks, failure }: Look,
  begunAtMs: number,
  deployment: Deployment,
  aws: Aws,
  { print }: Session,
): Promise<Waited | undefined> {
  const { instanceId } = watch;
  const isNew = watch.sinceMs === undefined && !isParked;
  const notOurs =
    isNew && place ? await whyNotOurs(instanceId, place, tasks !== undefined, deployment, aws) : undefined;
  if (tasks === undefined) return notOurs ?? resultOfOver(watch, failure, deployment);
  if (!notOurs && tasks !== watch.shown) print(`${isoTime(deployment.nowMs())} ${instanceId}: ${tasks}`);
  watch.shown = tasks;
  delete watch.overSinceMs;
  if (isParked || !place) {
    watch.sinceMs ??= begunAtMs;
    return undefined;
  }
  watch.sinceMs ??=
    (await aws.lifecycleActions.terminatingSinceMs(place.autoScalingGroup)).get(instanceId) ?? begunAtMs;
  // Another hook may hold the instance when our drain has ended. A log that cannot be read now is read again later.
  const ended = await endSince(watch.sinceMs, instanceId, deployment).catch(() => undefined);
  return ended ? finished(ended) : notOurs;
}

/** Why no drain of the deployment is on the instance. */
async function whyNotOurs(
  instanceId: string,
  { autoScalingGroup: group }: GroupPlace,
  isTerminating: boolean,
  { settings }: Deployment,
  { lifecycleActions }: Aws,
): Promise<Waited | undefined> {
  const notDraining = (sentence: string): Waited => ({ instanceId, state: 'not draining', sentence });
  if (!choiceOf(settings.autoScalingGroups, group)) {
    const names = settings.autoScalingGroups.map(({ text }) => text).join(', ');
    return notDraining(
      `${instanceId} is in the group ${group}, which is not among autoScalingGroups (${names}): ecs-drain does not drain it.`,
    );
  }
  if (!isTerminating) return undefined;
  const ours = hooksOf(settings);
  const hooks = (await lifecycleActions.hooksOf(group)).map(({ name }) => name);
  if (hooks.length === 0 || hooks.some((name) => ours.includes(name))) return undefined;
  return notDraining(
    `None of our hooks (${ours.join(', ')}) is on group ${group}: another hook holds ${instanceId} (${hooks.join(', ')}).`,
  );
}

/** What came of a drain that is over; undefined as long as the line about its end may be on its way. */
async function resultOfOver(
  watch: Watch,
  schedulesFailure: string | undefined,
  deployment: Deployment,
): Promise<Waited | undefined> {
  const { instanceId, sinceMs } = watch;
  const nowMs = deployment.nowMs();
  watch.overSinceMs ??= nowMs;
  const isLate = nowMs >= watch.overSinceMs + LOG_LATE_SECONDS * 1000;
  const notKnown = (sentence: string): Waited => ({ instanceId, state: 'not known', sentence });
  try {
    const ended = await endSince(sinceMs ?? nowMs - LOOK_BACK_SECONDS * 1000, instanceId, deployment);
    if (ended) return finished(ended);
  } catch (error) {
    if (error instanceof Unavailable && !isLate) throw error;
    const failure = sentenceOf(error, deployment.target);
    return notKnown(`No drain of ${instanceId} goes on, and how it ended is not known: ${failure}`);
  }
  if (sinceMs === undefined && schedulesFailure === undefined) {
    const sentence = `${instanceId} is not draining, and no drain of it has ended recently.`;
    return { instanceId, state: 'not draining', sentence };
  }
  if (!isLate) return undefined;
  if (schedulesFailure !== undefined) return notKnown(notKnownSentence(instanceId, schedulesFailure));
  return notKnown(
    `The drain of ${instanceId} is over, and the log does not say how: look for its events in the dead-letter queue.`,
  );
}

async function endSince(sinceMs: number, instanceId: string, deployment: Deployment): Promise<EndedDrain | undefined> {
  const { drains } = await readEnded({ sinceMs, most: 10, terms: [equals('instanceId', instanceId)] }, deployment);
  return drains.at(-1);
}

function finished(ended: EndedDrain): Waited {
  return { instanceId: ended.instanceId, state: 'finished', ended, sentence: sentenceOnEnd(ended) };
}

/** `i-… drained in 6 min` and why it ended otherwise. */
export function sentenceOnEnd({ instanceId, outcome, durationSeconds, message, killedTasks = [] }: EndedDrain): string {
  const time = duration(durationSeconds);
  if (outcome === 'drained') return `${instanceId} drained in ${time}.`;
  const killed = killedTasks.length > 0 ? ` with ${counted(killedTasks.length, 'task')} left` : '';
  return `${instanceId} ended after ${time} as ${outcome}${killed}: ${message}`;
}
