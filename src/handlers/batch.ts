/** A batch of the queue: what Lambda reads from it and expects as an answer. */

import type { SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda';
import * as v from 'valibot';
import { type QueueMessages, SENT_AGAIN } from '../adapters/queue.ts';
import { type DeadLetter, errorOf } from '../domain/ports.ts';
import { receiveMessage } from './events/receive.ts';
import { drainSubjectOf } from './events/subject.ts';
import { type Handled, handleMessages, type Invocation } from './messages.ts';
import type { Settings } from './settings.ts';

const batch = v.looseObject({
  Records: v.array(v.looseObject({ eventSource: v.literal('aws:sqs'), body: v.string(), messageId: v.string() })),
});

/** A message with which the function fails so often goes to the dead-letter queue. */
export const MOST_FAILURES = 5;

/** So often a message comes that is sent once more: SQS also counts what Lambda could not give to the function. */
export const MOST_RECEIVES_AGAIN = MOST_FAILURES + 1;

/** Whether Lambda has read this from a queue; any other event was given to the function directly. */
export function isBatch(event: unknown): event is SQSEvent {
  return v.is(batch, event);
}

/**
 * Handles all messages in one round. What is rejected goes to the dead-letter queue at once, and what fails when it has failed
 * five times. Lambda deletes all messages from the queue but those that the answer names, which come again: those that fail, and
 * those that are left there, however often.
 * @throws what a sweep fails with that has a batch of its own.
 */
export async function handleBatch(
  { Records: records }: SQSEvent,
  invocation: Invocation,
  send: QueueMessages,
): Promise<SQSBatchResponse> {
  const suspects = await Promise.all(records.map((record) => settleSuspect(record, invocation, send)));
  const messages = records.flatMap((record, i) =>
    suspects[i]
      ? []
      : {
          id: record.messageId,
          receives: receivesOf(record),
          read: () => receiveMessage(parsedJson(record.body), invocation.settings),
        },
  );
  const handled = new Map(
    (await handleMessages(messages, invocation)).map((outcome, i) => [messages[i]?.id, outcome] as const),
  );
  const [swept] = handled.values();
  // Nothing else shows that no sweep works: another one comes in a minute, and Lambda counts the invocation among its errors.
  if (swept?.kind === 'sweep-failed' && records.length === 1) throw swept.error;
  const fates = await Promise.all(
    records.map((record, i) => suspects[i] ?? fateOf(record, handled.get(record.messageId), invocation, send)),
  );
  await publishBestEffort(
    fates.flatMap(({ letter }) => letter ?? []),
    invocation,
  );
  const failed = records.filter((_, i) => fates[i]?.comesAgain);
  return { batchItemFailures: failed.map(({ messageId }) => ({ itemIdentifier: messageId })) };
}

/** What becomes of a message. */
interface Fate {
  readonly comesAgain: boolean;
  /** Where it ends as a dead letter. */
  readonly letter?: DeadLetter | undefined;
}

/**
 * A message that came more often than a failure does was left on the queue, or crashes the invocations that handle it: the count
 * is the same. If the queue takes messages, nothing has to be left any more. Then the message is sent once more, and is a dead
 * letter if it comes too often again. If the queue takes none, it is handled as usual.
 */
async function settleSuspect(
  record: SQSRecord,
  invocation: Invocation,
  send: QueueMessages,
): Promise<Fate | undefined> {
  const { messageId, body, messageAttributes } = record;
  const receives = receivesOf(record) ?? 0;
  if (!isOfEventQueue(record, invocation.settings) || receives <= MOST_FAILURES) return undefined;
  try {
    if (messageAttributes?.[SENT_AGAIN]) {
      if (receives <= MOST_RECEIVES_AGAIN) return undefined;
      const sentence = `The event was received ${receives} times without an answer, and more than ${MOST_FAILURES} times before: the invocations that handled it crashed, or Lambda throttled them.`;
      return await deadLetter(record, new Error(sentence), invocation, send);
    }
    await send.again(body);
    invocation.logger.warn('An event came too often and is sent to the queue once more', { messageId });
    return { comesAgain: false };
  } catch {
    return undefined;
  }
}

async function fateOf(
  record: SQSRecord,
  outcome: Handled | undefined,
  invocation: Invocation,
  send: QueueMessages,
): Promise<Fate> {
  if (outcome?.kind === 'handled') return { comesAgain: outcome.results.some(({ kind }) => kind === 'left') };
  if (outcome?.kind !== 'rejected' && outcome?.kind !== 'failed') return { comesAgain: false };
  // The queue of stopped tasks drops what fails.
  const isLast = isOfEventQueue(record, invocation.settings) && (receivesOf(record) ?? 0) >= MOST_FAILURES;
  if (outcome.kind === 'failed' && !isLast) return { comesAgain: true };
  try {
    return await deadLetter(record, errorOf(outcome.error), invocation, send);
  } catch (error) {
    const sentence = 'An event could not be sent to the dead-letter queue; it comes again';
    invocation.logger.error(sentence, { error: error as Error, messageId: record.messageId });
    return { comesAgain: true };
  }
}

async function deadLetter(
  { messageId, body }: SQSRecord,
  error: Error,
  { ports }: Invocation,
  send: QueueMessages,
): Promise<Fate> {
  await send.toDeadLetters(body, error);
  const subject = drainSubjectOf(parsedJson(body));
  const letter = { ...subject, reason: error.message, failedAtMs: ports.clock.nowMs(), messageId };
  return { comesAgain: false, letter: subject && letter };
}

/** How often the queue has brought the message; undefined where `replay` gave it to the function, which nothing brings again. */
function receivesOf({ attributes }: { readonly attributes?: SQSRecord['attributes'] }): number | undefined {
  return attributes && Number(attributes.ApproximateReceiveCount);
}

function isOfEventQueue({ eventSourceARN }: SQSRecord, { eventQueueUrl }: Settings): boolean {
  return eventSourceARN?.split(':').at(-1) === eventQueueUrl.split('/').at(-1);
}

/** A failure is logged: the dead letter has its alarm in any case. */
async function publishBestEffort(letters: readonly DeadLetter[], { ports, logger }: Invocation): Promise<void> {
  if (letters.length === 0) return;
  const failures = await ports.events.publishDeadLetters(letters).catch((error) => letters.map(() => errorOf(error)));
  for (const [i, { messageId, instanceId }] of letters.entries()) {
    const reason = failures[i]?.message;
    if (reason !== undefined)
      logger.warn('AWS did not publish that a drain has failed', { messageId, instanceId, reason });
  }
}

/** The text itself where it is not JSON: then it is not an event either, and the rejection shows it. */
function parsedJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return body;
  }
}
