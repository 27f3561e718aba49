import {
  type EventBridgeClient,
  PutEventsCommand,
  type PutEventsRequestEntry,
  type PutEventsResultEntry,
} from '@aws-sdk/client-eventbridge';
import { batches } from '../domain/by-cluster.ts';
import type { Explanation } from '../domain/diagnose.ts';
import { type Drain, drainIdOf, instanceIdOf, type Outcome, unreachable } from '../domain/drain.ts';
import type { Returned } from '../domain/mark.ts';
import type { HoldingTask } from '../domain/observation.ts';
import { type Continuations, type DrainEvent, type EventPublisher, errorOf, type Failure } from '../domain/ports.ts';
import { awsCall, entryFailure, sendEntries } from './aws-call.ts';
import { CONTINUATION_DETAIL_TYPE, encode } from './continuation.ts';
import {
  type Advice,
  inSentences,
  presentExplanation,
  presentLastSeen,
  sentenceOnOutcome,
} from './present-explanation.ts';
import { visible } from './schemas.ts';

/** The `detail-type` of each event about a drain: docs/events.md describes them. */
export const DRAIN_EVENT_DETAIL_TYPES = {
  started: 'ECS Drain Started',
  stuck: 'ECS Drain Stuck',
  finished: 'ECS Drain Finished',
} as const satisfies Record<DrainEvent['kind'], string>;

/** The `detail-type` of the event about a drain whose event ends in the dead-letter queue. */
export const FAILED_DETAIL_TYPE = 'ECS Drain Failed';

/** The `detail-type` of the event about an instance that takes tasks again. */
export const RETURN_DETAIL_TYPE = 'ECS Drain Returned';

/** Raise it with every change of these events that would break a rule or a target of someone's. */
const DRAIN_EVENT_VERSION = 1;

/** What AWS says of a failure may be long. */
const LONGEST_REASON = 2_000;

/** PutEvents takes ten entries, and 1 MB in all of them (facts 7 event-retries). */
const ENTRIES_BATCH = 10;

/** Continues drains through events on the default bus; `source` distinguishes this deployment's events from another's. */
export function eventBridgeContinuations(client: EventBridgeClient, source: string): Continuations['continueNow'] {
  return (drains) =>
    putEvents(
      client,
      drains.map((drain) => ({
        attempted: `put the continuation of ${instanceIdOf(drain)} on the bus`,
        entry: { Source: source, DetailType: CONTINUATION_DETAIL_TYPE, Detail: encode(drain) },
      })),
    );
}

/** Publishes the course of drains on the default bus, for rules of the user's own. `dryRun` marks what was only rehearsed. */
export function eventBridgePublisher(client: EventBridgeClient, source: string, dryRun: boolean): EventPublisher {
  const detailOf = (drain: Drain, event: DrainEvent) => {
    const about = { version: DRAIN_EVENT_VERSION, ...aboutDrain(drain), ...(dryRun && { dryRun }) };
    return JSON.stringify({ ...about, ...aboutEvent(drain, event) });
  };
  return {
    publish: (events) =>
      putEvents(
        client,
        events.map(({ drain, event }) => ({
          attempted: `publish that the drain of ${instanceIdOf(drain)} has ${event.kind === 'stuck' ? 'got stuck' : event.kind}`,
          entry: { Source: source, DetailType: DRAIN_EVENT_DETAIL_TYPES[event.kind], Detail: detailOf(drain, event) },
        })),
      ),
    publishDeadLetters: (letters) =>
      putEvents(
        client,
        letters.map(({ failedAtMs, reason, ...letter }) => ({
          attempted: `publish that an event of the drain of ${letter.instanceId ?? 'an unknown instance'} could not be handled`,
          entry: {
            Source: source,
            DetailType: FAILED_DETAIL_TYPE,
            Detail: JSON.stringify({
              version: DRAIN_EVENT_VERSION,
              ...letter,
              reason: visible(reason).slice(0, LONGEST_REASON),
              failedAt: isoTime(failedAtMs),
              ...(dryRun && { dryRun }),
            }),
          },
        })),
      ),
    publishReturns: (returned) =>
      putEvents(
        client,
        returned.map((each) => ({
          attempted: `publish that ${each.instanceId} has returned to service`,
          entry: {
            Source: source,
            DetailType: RETURN_DETAIL_TYPE,
            Detail: JSON.stringify({ version: DRAIN_EVENT_VERSION, ...presentReturn(each) }),
          },
        })),
      ),
  };
}

/** An instance that takes tasks again, as logs and events show it. */
export function presentReturn({ drainingSinceMs, returnedAtMs, containerInstance, ...returned }: Returned) {
  const { instanceId, trigger, autoScalingGroup } = returned;
  return {
    instanceId,
    trigger,
    autoScalingGroup,
    cluster: containerInstance.cluster,
    containerInstance: containerInstance.arn.split('/').at(-1),
    drainingSince: isoTime(drainingSinceMs),
    returnedAt: isoTime(returnedAtMs),
  };
}

function aboutDrain(drain: Drain) {
  const { cluster, startedAtMs } = drain;
  const trigger =
    drain.kind === 'notice'
      ? { trigger: drain.notice.kind }
      : {
          trigger: drain.kind === 'supervised' ? 'managed-draining' : 'lifecycle-action',
          autoScalingGroup: drain.action.autoScalingGroup,
          lifecycleHook: drain.action.lifecycleHook,
        };
  const startedAt = isoTime(startedAtMs);
  return { drainId: drainIdOf(drain), instanceId: instanceIdOf(drain), ...trigger, cluster, startedAt };
}

function aboutEvent(drain: Drain, event: DrainEvent) {
  switch (event.kind) {
    case 'started':
      return { deadlineAt: isoTime(event.deadlineAtMs), ...aboutTasks(event.holdingTasks) };
    case 'stuck':
      return {
        deadlineAt: isoTime(event.deadlineAtMs),
        ...aboutTasks(event.holdingTasks),
        ...aboutExplanation(event.explanation),
      };
    case 'finished':
      return {
        finishedAt: isoTime(event.finishedAtMs),
        durationSeconds: Math.max(0, event.finishedAtMs - drain.startedAtMs) / 1000,
        continuations: drain.continuations,
        heartbeats: drain.kind === 'held' ? drain.heartbeats : 0,
        ...aboutOutcome(drain, event.outcome, event.finishedAtMs),
        ...(event.explanation && aboutExplanation(event.explanation, 'without advice')),
        ...presentNotes(drain),
      };
    default:
      return unreachable(event);
  }
}

/** Left out where the tasks are not known. */
function aboutTasks(holdingTasks: readonly HoldingTask[] | undefined) {
  return holdingTasks && { holdingTasks: holdingTasks.map(presentTask) };
}

function aboutExplanation(explanation: Explanation, advice?: Advice) {
  return { why: inSentences(explanation, advice), ...presentExplanation(explanation) };
}

function aboutOutcome(drain: Drain, outcome: Outcome, atMs: number) {
  const said = { outcome: outcome.kind, reason: sentenceOnOutcome(outcome, atMs, drain.kind) };
  switch (outcome.kind) {
    case 'drained':
      return { ...said, holdingTasks: [] };
    case 'timed-out':
    case 'agent-lost':
      return { ...said, ...aboutTasks(outcome.sparedTasks ?? outcome.killedTasks) };
    case 'gone':
    case 'already-completed':
      return { ...said, ...presentLastSeen(outcome.lastSeen) };
    default:
      return unreachable(outcome);
  }
}

/** A task as logs and events show it. */
export function presentTask({ arn, class: taskClass, group, lastStatus, stopRequested, ...task }: HoldingTask) {
  const { statusSinceMs } = task;
  const since = statusSinceMs === undefined ? undefined : isoTime(statusSinceMs);
  return { task: arn.split('/').at(-1), class: taskClass, group, lastStatus, since, stopRequested };
}

/** What operators have asked of the drain, as its log and the event about its end show it. */
export function presentNotes({ operator }: Drain) {
  const notes = operator?.notes.map(({ atMs, by, message, deadlineAtMs }) => ({
    at: isoTime(atMs),
    by,
    ...(message !== undefined && { message }),
    ...(deadlineAtMs !== undefined && { deadlineAt: isoTime(deadlineAtMs) }),
  }));
  return notes && { notes };
}

function isoTime(instantMs: number): string {
  return new Date(instantMs).toISOString();
}

interface Entry {
  readonly attempted: string;
  readonly entry: PutEventsRequestEntry;
}

/** Puts the entries on the bus, ten at a time. What became of each, in their order. */
async function putEvents(client: EventBridgeClient, entries: readonly Entry[]): Promise<Failure[]> {
  const calls = batches(entries, ENTRIES_BATCH).map((batch) => sendEntries(batch, (some) => putBatch(client, some)));
  return (await Promise.all(calls)).flat();
}

/** A refused entry is answered with 200 (facts 7 event-retries). */
async function putBatch(client: EventBridgeClient, batch: readonly Entry[]): Promise<Failure[]> {
  const [{ attempted } = { attempted: '' }] = batch;
  try {
    const Entries = batch.map(({ entry }) => entry);
    const answer = await awsCall(attempted, () => client.send(new PutEventsCommand({ Entries })));
    return batch.map((each, i) => failureIn(answer.Entries?.[i] ?? {}, each));
  } catch (error) {
    return batch.map(() => errorOf(error));
  }
}

function failureIn(answer: PutEventsResultEntry, { attempted }: Entry): Failure {
  // An entry that was taken has an id (EventBridge API reference, PutEvents).
  if (answer.EventId !== undefined) return undefined;
  const { ErrorCode: code = 'unknown error', ErrorMessage: message = 'EventBridge does not say why' } = answer;
  return entryFailure(attempted, code, message, /throttl|internal/i.test(code));
}
