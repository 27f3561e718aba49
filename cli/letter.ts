/** Events to replay: out of a file or of the dead-letter queue, and what the function would do with each. */

import * as v from 'valibot';
import { CONTINUATION_DETAIL_TYPE } from '../src/adapters/continuation.ts';
import { type Drain, instanceIdOf, unreachable } from '../src/domain/drain.ts';
import type { Arrival } from '../src/domain/load.ts';
import { type Received, RejectedEvent } from '../src/handlers/events/event.ts';
import { receive } from '../src/handlers/events/receive.ts';
import { type Deployment, isoTime } from './common.ts';

/** An event to replay. */
export interface Letter {
  /** Unique in its batch. */
  readonly id: string;
  /** Where it was found. */
  readonly from: string;
  /** Why it is a dead letter, where that is known. */
  readonly reason: string | undefined;
  readonly event: unknown;
  readonly verdict: Arrival['kind'] | 'sweep' | 'ignored' | 'rejected';
  /** What the function would do with it, or why it cannot be understood. */
  readonly sentence: string;
}

/** A message as SQS gives it. */
const sqsMessage = v.looseObject({
  MessageId: v.string(),
  Body: v.string(),
  MessageAttributes: v.optional(v.record(v.string(), v.looseObject({ StringValue: v.optional(v.string()) }))),
});

/** What `aws sqs receive-message` prints. */
const sqsMessages = v.looseObject({ Messages: v.pipe(v.array(sqsMessage), v.minLength(1)) });

/** The messages in a file, if it has messages of SQS and no event. */
export function messagesIn(content: unknown): v.InferOutput<typeof sqsMessage>[] | undefined {
  if (v.is(sqsMessages, content)) return content.Messages;
  return v.is(sqsMessage, content) ? [content] : undefined;
}

/**
 * Version 0.1.0 had Lambda's record of an event with which the function failed in its dead-letter queue (Lambda developer
 * guide, "Asynchronous invocation"); messages stay there for 14 days.
 */
const failureRecord = v.looseObject({
  requestContext: v.looseObject({ condition: v.optional(v.string()) }),
  requestPayload: v.unknown(),
  responsePayload: v.optional(v.unknown()),
});

/** A continuation as schedules and the function send it to the queue. */
const continuation = v.strictObject({ version: v.number(), drain: v.looseObject({}) });

/** Why a message is a dead letter, as EventBridge, EventBridge Scheduler and the function write it into attributes. */
interface Attributed {
  readonly MessageAttributes?: Readonly<Record<string, { readonly StringValue?: string | undefined }>> | undefined;
}

export function letterOf(
  { id, from }: Pick<Letter, 'id' | 'from'>,
  text: string,
  deployment: Deployment,
  message?: Attributed,
): Letter {
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    return { id, from, reason: reasonIn(message), event: text, verdict: 'rejected', sentence: 'it is not JSON.' };
  }
  const event = eventIn(found, deployment);
  return { id, from, reason: reasonIn(message, found), event, ...judged(event, deployment) };
}

/**
 * The event of EventBridge. A bare continuation is put into one: the function trusts it without, and anybody who may write to
 * the dead-letter queue can have forged it. In an event it says only whose turn it is (docs/decisions/0016).
 */
function eventIn(found: unknown, { settings, functionArn, nowMs }: Deployment): unknown {
  if (v.is(failureRecord, found)) return found.requestPayload;
  if (!v.is(continuation, found)) return found;
  return {
    source: settings.eventSource,
    'detail-type': CONTINUATION_DETAIL_TYPE,
    account: functionArn.split(':')[4],
    time: isoTime(nowMs()),
    detail: found,
  };
}

function reasonIn(message: Attributed | undefined, found?: unknown): string | undefined {
  if (v.is(failureRecord, found)) {
    const { errorMessage } = (found.responsePayload ?? {}) as { errorMessage?: string };
    return errorMessage ?? found.requestContext.condition;
  }
  const { ERROR_CODE: code, ERROR_MESSAGE: words } = message?.MessageAttributes ?? {};
  return words?.StringValue ?? code?.StringValue;
}

/** What the deployed function would do with the event, by its own code and settings. */
function judged(event: unknown, { settings }: Deployment): Pick<Letter, 'verdict' | 'sentence'> {
  try {
    return judgedAs(receive(event, settings));
  } catch (error) {
    if (!(error instanceof RejectedEvent)) throw error;
    return { verdict: 'rejected', sentence: error.message };
  }
}

function judgedAs(received: Received): Pick<Letter, 'verdict' | 'sentence'> {
  switch (received.kind) {
    case 'arrival':
      return { verdict: received.arrival.kind, sentence: sentenceOn(received.arrival) };
    case 'sweep':
      return { verdict: 'sweep', sentence: 'look for drains that were lost.' };
    case 'ignored':
      return { verdict: 'ignored', sentence: `ignore it: ${received.reason}.` };
    default:
      return unreachable(received);
  }
}

function sentenceOn(arrival: Arrival): string {
  switch (arrival.kind) {
    case 'drain':
      return `begin the drain of ${named(arrival.drain)}.`;
    case 'continuation':
      return `continue the drain of ${named(arrival.drain)}.`;
    case 'lost':
      return `continue the drain of ${named(arrival.work.drain)}.`;
    case 'request':
      return `do what an operator asks of the drain of ${arrival.request.instanceId}.`;
    case 'wake-up':
      return `wake the drain that waits on ${arrival.containerInstance.arn}, if there is one.`;
    default:
      return unreachable(arrival);
  }
}

function named(drain: Drain): string {
  const where = drain.kind === 'notice' ? `on a ${drain.notice.kind}` : `of group ${drain.action.autoScalingGroup}`;
  return `${instanceIdOf(drain)} ${where}`;
}

/** `EC2 Instance-terminate Lifecycle Action from aws.autoscaling, 2026-01-01T00:05:00Z`. */
export function titleOf({ event }: Letter): string {
  const { source, 'detail-type': type, time } = (event ?? {}) as Record<string, unknown>;
  return typeof source === 'string'
    ? `${type} from ${source}${typeof time === 'string' ? `, ${time}` : ''}`
    : 'no event';
}
