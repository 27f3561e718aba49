import { tableOf } from '../terminal/layout.ts';
import {
  counted,
  type Deployment,
  deploymentOf,
  duration,
  isoTime,
  type Output,
  operatorName,
  relativeTo,
  type Target,
} from './common.ts';
import { type Ended, type EndedDrain, killedIn, listOf, presentKilled, readEnded } from './ended-drains.ts';
import { type Found, inPlace, lookEverywhere, type Place, placesIn, presentPlace, throwIfAlone } from './places.ts';
import { secondsIn } from './typed.ts';

/** What is typed after `ecs-drain history`. */
export interface HistoryOptions {
  readonly since: string;
}

/** So many drains are shown at most, the latest. */
const MOST_DRAINS = 500;

/** What was found in one place. */
interface Look extends Ended {
  readonly deployment: Deployment;
  readonly sinceMs: number;
}

/** A drain, and where it was. */
interface PlacedDrain extends EndedDrain {
  readonly place: Place;
  readonly deployment: Deployment;
  /** The hook, where several hooks held the instance and each had a drain. */
  readonly hook?: string | undefined;
}

/** `ecs-drain history`: the drains that have ended recently, the latest first. */
export async function history({ since }: HistoryOptions, target: Target, output: Output): Promise<number> {
  const sinceSeconds = secondsIn('--since', since);
  const all = await lookEverywhere(placesIn(target), async (place): Promise<Look> => {
    const deployment = await deploymentOf(place.target);
    const sinceMs = deployment.nowMs() - sinceSeconds * 1000;
    return { deployment, sinceMs, ...(await readEnded({ sinceMs, most: MOST_DRAINS }, deployment)) };
  });
  throwIfAlone(all);
  report(all, output);
  return all.every(({ failure }) => failure === undefined) ? 0 : 1;
}

function report(all: readonly Found<Look>[], { print, printJson, page }: Output): void {
  const answered = all.flatMap(({ place, answer }) => (answer ? { place, ...answer } : []));
  const failures = all.flatMap(({ place, failure }) => (failure === undefined ? [] : inPlace(place, failure)));
  const [first] = answered;
  // Of every place, all drains since then are there.
  const sinceMs = Math.max(...answered.map(({ cutAtMs, sinceMs }) => cutAtMs ?? sinceMs));
  const isCut = answered.some(({ cutAtMs }) => cutAtMs !== undefined);
  const latestFirst = answered
    .flatMap(({ place, deployment, drains }) =>
      withHooks(drains).map((drain): PlacedDrain => ({ ...drain, place, deployment })),
    )
    .filter(({ endedAtMs }) => !isCut || endedAtMs >= sinceMs)
    .toReversed()
    .toSorted((a, b) => b.endedAtMs - a.endedAtMs);
  printJson({
    function: first?.deployment.functionName,
    since: first && isoTime(sinceMs),
    isCut,
    failures,
    drains: latestFirst.map(presentEnded),
  });
  if (latestFirst.length > 0) {
    const [title = '', ...others] = HEAD;
    const head = [title, ...Object.keys(all[0]?.place.labels ?? {}), ...others];
    print(tableOf(head, latestFirst.map(rowOf), page));
  }
  for (const drain of latestFirst) {
    const { instanceId, place, hook } = drain;
    const which = hook === undefined ? instanceId : `${instanceId}, hook ${hook}`;
    for (const sentence of sentencesOn(drain)) print(inPlace(place, `${which}: ${sentence}`, ' '));
  }
  if (first) print(summaryOf(latestFirst.toReversed(), sinceMs));
  if (isCut) {
    print(`The log has more: these are the latest, since ${isoTime(sinceMs)}. Name a shorter time with --since.`);
  }
  for (const sentence of failures) print(sentence);
}

/** Names the hook of a drain where an instance had drains for several. */
function withHooks(drains: readonly EndedDrain[]) {
  const ofInstance = Map.groupBy(drains, ({ instanceId }) => instanceId);
  return drains.map((drain) => {
    const { instanceId, lifecycleHook } = drain;
    const isOfOther = (other: EndedDrain) => other.lifecycleHook !== lifecycleHook;
    return { ...drain, hook: ofInstance.get(instanceId)?.some(isOfOther) ? lifecycleHook : undefined };
  });
}

function presentEnded({ endedAtMs, message, place, deployment, ...drain }: PlacedDrain) {
  const { drainId, instanceId, autoScalingGroup, lifecycleHook, notice, cluster } = drain;
  const { outcome, durationSeconds, slackSeconds, notes } = drain;
  return {
    ...presentPlace(place, deployment),
    drainId,
    instanceId,
    autoScalingGroup,
    lifecycleHook,
    notice,
    cluster,
    outcome,
    endedAt: isoTime(endedAtMs),
    durationSeconds,
    slackSeconds,
    killedTasks: killedIn(drain),
    lastSeenTasks: drain.lastSeenTasks?.length,
    reason: message,
    notes,
  };
}

const HEAD = ['instance', 'ended', 'outcome', 'slack', 'killed'];

function rowOf({ place, deployment, ...drain }: PlacedDrain): string[] {
  const nowMs = deployment.nowMs();
  const { instanceId, autoScalingGroup, hook, notice, outcome, durationSeconds, slackSeconds, lastSeenTasks } = drain;
  const { endedAtMs } = drain;
  const lastSeen = lastSeenTasks ? `\n${lastSeenTasks.length} last seen` : '';
  return [
    `${instanceId}\n${notice ? `on a ${notice}` : `group ${autoScalingGroup}${hook === undefined ? '' : `, hook ${hook}`}`}`,
    ...Object.values(place.labels),
    `${isoTime(endedAtMs)}\n${relativeTo(Math.max(nowMs, endedAtMs), endedAtMs)}`,
    `${outcome}\nin ${duration(durationSeconds)}`,
    slackSeconds === undefined ? '-' : duration(slackSeconds),
    `${killedIn(drain) ?? `not known${lastSeen}`}`,
  ];
}

/** What does not fit into a table: why a drain did not end well, and the notes of operators. */
function sentencesOn({ outcome, message: reason, notes = [] }: EndedDrain): string[] {
  return [
    ...(outcome === 'drained' ? [] : [listOf(reason)]),
    ...notes.flatMap(({ by, message }) => (message === undefined ? [] : [`note of ${operatorName(by)}: ${message}`])),
  ];
}

function summaryOf(drains: readonly EndedDrain[], sinceMs: number): string {
  if (drains.length === 0) return `No drain has ended since ${isoTime(sinceMs)}, as far as the log goes back.`;
  const counts = Map.groupBy(drains, ({ outcome }) => outcome);
  const outcomes = [...counts].map(([outcome, each]) => `${each.length} ${outcome}`).join(', ');
  const lastSeen = drains.flatMap((drain) => (killedIn(drain) === undefined ? (drain.lastSeenTasks ?? []) : [])).length;
  const seen = lastSeen > 0 ? ` (${lastSeen} last seen)` : '';
  return `${counted(drains.length, 'drain')} since ${isoTime(sinceMs)}: ${outcomes}; tasks killed: ${presentKilled(drains.map(killedIn))}${seen}.`;
}
