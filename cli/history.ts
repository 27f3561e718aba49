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
import { type Ended, type EndedDrain, readEnded } from './ended-drains.ts';
import { secondsIn } from './typed.ts';

/** What is typed after `ecs-drain history`. */
export interface HistoryOptions {
  readonly since: string;
}

/** So many drains are shown at most, the latest. */
const MOST_DRAINS = 500;

/** `ecs-drain history`: the drains that have ended recently, the latest first. */
export async function history({ since }: HistoryOptions, target: Target, output: Output): Promise<number> {
  const sinceSeconds = secondsIn('--since', since);
  const deployment = await deploymentOf(target);
  const sinceMs = deployment.nowMs() - sinceSeconds * 1000;
  const ended = await readEnded({ sinceMs, most: MOST_DRAINS }, deployment);
  report(ended, sinceMs, deployment, output);
  return 0;
}

function report(
  { drains, cutAtMs }: Ended,
  sinceMs: number,
  deployment: Deployment,
  { print, printJson, page }: Output,
): void {
  printJson({
    function: deployment.functionName,
    since: isoTime(cutAtMs ?? sinceMs),
    isCut: cutAtMs !== undefined,
    drains: drains.toReversed().map(presentEnded),
  });
  const nowMs = deployment.nowMs();
  const latestFirst = drains.toReversed();
  const rows = latestFirst.map((drain) => rowOf(drain, nowMs));
  if (rows.length > 0) print(tableOf(HEAD, rows, page));
  for (const drain of latestFirst) for (const sentence of sentencesOn(drain)) print(`${drain.instanceId}: ${sentence}`);
  print(summaryOf(drains, cutAtMs ?? sinceMs));
  if (cutAtMs !== undefined) {
    print(`The log has more: these are the latest, since ${isoTime(cutAtMs)}. Name a shorter time with --since.`);
  }
}

function presentEnded({ endedAtMs, killedTasks, message, ...drain }: EndedDrain) {
  const { drainId, instanceId, autoScalingGroup, notice, cluster, outcome, durationSeconds, slackSeconds, notes } =
    drain;
  return {
    drainId,
    instanceId,
    autoScalingGroup,
    notice,
    cluster,
    outcome,
    endedAt: isoTime(endedAtMs),
    durationSeconds,
    slackSeconds,
    killedTasks: killedTasks.length,
    lastSeenTasks: drain.lastSeenTasks?.length,
    reason: message,
    notes,
  };
}

const HEAD = ['instance', 'ended', 'outcome', 'slack', 'killed'];

function rowOf(drain: EndedDrain, nowMs: number): string[] {
  const { instanceId, autoScalingGroup, notice, outcome, durationSeconds, slackSeconds, killedTasks, endedAtMs } =
    drain;
  return [
    `${instanceId}\n${notice ? `on a ${notice}` : `group ${autoScalingGroup}`}`,
    `${isoTime(endedAtMs)}\n${relativeTo(Math.max(nowMs, endedAtMs), endedAtMs)}`,
    `${outcome}\nin ${duration(durationSeconds)}`,
    slackSeconds === undefined ? '-' : duration(slackSeconds),
    `${killedTasks.length}`,
  ];
}

/** What does not fit into a table: why a drain did not end well, and the notes of operators. */
function sentencesOn({ outcome, message: reason, notes = [] }: EndedDrain): string[] {
  return [
    ...(outcome === 'drained' ? [] : [reason]),
    ...notes.flatMap(({ by, message }) => (message === undefined ? [] : [`note of ${operatorName(by)}: ${message}`])),
  ];
}

function summaryOf(drains: readonly EndedDrain[], sinceMs: number): string {
  if (drains.length === 0) return `No drain has ended since ${isoTime(sinceMs)}, as far as the log goes back.`;
  const counts = Map.groupBy(drains, ({ outcome }) => outcome);
  const outcomes = [...counts].map(([outcome, each]) => `${each.length} ${outcome}`).join(', ');
  const killed = drains.reduce((sum, { killedTasks }) => sum + killedTasks.length, 0);
  return `${counted(drains.length, 'drain')} since ${isoTime(sinceMs)}: ${outcomes}; ${counted(killed, 'task')} killed.`;
}
