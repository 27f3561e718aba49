import { type EventBridgeClient, PutEventsCommand, type PutEventsRequestEntry } from '@aws-sdk/client-eventbridge';
import type { Explanation } from '../domain/blockers.ts';
import { type Drain, drainIdOf, type HoldingTask, type Outcome, unreachable } from '../domain/drain.ts';
import { type Announcements, type Continuations, type News, Unavailable } from '../domain/ports.ts';
import { awsCall } from './aws-call.ts';
import { explanationForPeople, inSentences } from './blockers-for-people.ts';

export const CONTINUATION_DETAIL_TYPE = 'ECS Drain Continuation';

/** Raise it with every change of `Drain` that an older function could not read. */
export const CONTINUATION_VERSION = 4;

/** The `detail` of a continuation event, as JSON. */
export function continuationDetail(drain: Drain): string {
  return JSON.stringify({ version: CONTINUATION_VERSION, drain });
}

/** The `detail-type` of each kind of news: docs/events.md describes them. */
export const NEWS_DETAIL_TYPES = {
  started: 'ECS Drain Started',
  stuck: 'ECS Drain Stuck',
  finished: 'ECS Drain Finished',
} as const satisfies Record<News['kind'], string>;

/** Raise it with every change of the news that would break a rule or a target of somebody's. */
const NEWS_VERSION = 1;

/** Continues drains through events on the default bus; `source` tells this deployment's events from another's. */
export function eventBridgeContinuations(client: EventBridgeClient, source: string): Continuations {
  return {
    continueNow: (drain) =>
      putEvent(client, `put the continuation of ${drain.action.instanceId} on the bus`, {
        Source: source,
        DetailType: CONTINUATION_DETAIL_TYPE,
        Detail: continuationDetail(drain),
      }),
  };
}

/** Tells the default bus of drains, for rules of the user's own. `dryRun` marks what only would have been done. */
export function eventBridgeAnnouncements(client: EventBridgeClient, source: string, dryRun: boolean): Announcements {
  return {
    announce: (drain, news) =>
      putEvent(client, `tell the bus that the drain of ${drain.action.instanceId} is ${news.kind}`, {
        Source: source,
        DetailType: NEWS_DETAIL_TYPES[news.kind],
        Detail: JSON.stringify({
          version: NEWS_VERSION,
          ...aboutDrain(drain),
          ...(dryRun && { dryRun }),
          ...aboutNews(drain, news),
        }),
      }),
  };
}

function aboutDrain(drain: Drain) {
  const { action, cluster, startedAtMs } = drain;
  const { instanceId } = action;
  const trigger =
    'notice' in action
      ? { trigger: action.notice }
      : { trigger: 'lifecycle-action', autoScalingGroup: action.autoScalingGroup, lifecycleHook: action.lifecycleHook };
  return { drainId: drainIdOf(drain), instanceId, ...trigger, cluster, startedAt: isoTime(startedAtMs) };
}

function aboutNews(drain: Drain, news: News) {
  switch (news.kind) {
    case 'started':
      return { deadlineAt: isoTime(news.deadlineAtMs), holdingTasks: news.holdingTasks.map(taskForPeople) };
    case 'stuck':
      return {
        deadlineAt: isoTime(news.deadlineAtMs),
        holdingTasks: news.holdingTasks.map(taskForPeople),
        ...aboutExplanation(news.explanation),
      };
    case 'finished':
      return {
        finishedAt: isoTime(news.finishedAtMs),
        durationSeconds: Math.max(0, news.finishedAtMs - drain.startedAtMs) / 1000,
        continuations: drain.continuations,
        heartbeats: drain.heartbeats,
        ...aboutOutcome(news.outcome),
        ...(news.explanation && aboutExplanation(news.explanation)),
      };
    default:
      return unreachable(news);
  }
}

function aboutExplanation(explanation: Explanation) {
  return { why: inSentences(explanation), ...explanationForPeople(explanation) };
}

function aboutOutcome(outcome: Outcome) {
  switch (outcome.kind) {
    case 'drained':
      return { outcome: outcome.kind, reason: 'every task has stopped', holdingTasks: [] };
    case 'gone':
      return {
        outcome: outcome.kind,
        reason: `no live registration in ${outcome.clusters.join(', ')}`,
        holdingTasks: [],
      };
    case 'timed-out':
      return {
        outcome: outcome.kind,
        reason: `tasks still held the instance at the deadline, ${isoTime(outcome.deadlineAtMs)}`,
        holdingTasks: outcome.killedTasks.map(taskForPeople),
      };
    case 'agent-lost':
      return {
        outcome: outcome.kind,
        reason: `the instance's ECS agent has been silent since ${isoTime(outcome.disconnectedSinceMs)}`,
        holdingTasks: outcome.killedTasks.map(taskForPeople),
      };
    case 'already-completed':
      return {
        outcome: outcome.kind,
        reason: 'the lifecycle action was completed by somebody else, or the hook timed out',
        holdingTasks: outcome.holdingTasks.map(taskForPeople),
      };
    default:
      return unreachable(outcome);
  }
}

/** A task as logs and events show it. */
export function taskForPeople({ arn, class: taskClass, group, lastStatus, stopRequested, ...task }: HoldingTask) {
  const { statusSinceMs } = task;
  const since = statusSinceMs === undefined ? undefined : isoTime(statusSinceMs);
  return { task: arn.split('/').at(-1), class: taskClass, group, lastStatus, since, stopRequested };
}

function isoTime(instantMs: number): string {
  return new Date(instantMs).toISOString();
}

/** A refused entry is answered with 200 (facts 7 event-retries). */
async function putEvent(client: EventBridgeClient, what: string, entry: PutEventsRequestEntry): Promise<void> {
  const answer = await awsCall(what, () => client.send(new PutEventsCommand({ Entries: [entry] })));
  if (!answer.FailedEntryCount) return;
  const { ErrorCode, ErrorMessage } = answer.Entries?.[0] ?? {};
  const sentence = `Could not ${what}: ${ErrorCode}: ${ErrorMessage}`;
  throw /throttl|internal/i.test(ErrorCode ?? '') ? new Unavailable(sentence) : new Error(sentence);
}
