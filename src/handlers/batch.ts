/** A batch of the queue: what Lambda reads from it and expects as an answer. */

import type { SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda';
import * as v from 'valibot';
import { type DeadLetter, errorOf, reasonOf } from '../domain/ports.ts';
import { receiveMessage } from './events/receive.ts';
import { drainSubjectOf } from './events/subject.ts';
import { type Handled, handleMessages, type Invocation } from './messages.ts';
import type { Settings } from './settings.ts';

/** Sends the body of a message to the dead-letter queue, with what is wrong with it. */
export type Reject = (body: string, error: Error) => Promise<void>;

const batch = v.looseObject({
  Records: v.array(v.looseObject({ eventSource: v.literal('aws:sqs'), body: v.string(), messageId: v.string() })),
});

/** A message that fails may be tried so often before the redrive policy of the queue moves it: deploy/queues.ts says five. */
const LEFT_AT_MOST = 2;

/** With which receive the redrive policy of the event queue moves a message that fails: deploy/queues.ts says the same. */
export const MOST_RECEIVES = 5;

/** Whether Lambda has read this from a queue; any other event was given to the function directly. */
export function isBatch(event: unknown): event is SQSEvent {
  return v.is(batch, event);
}

/**
 * Handles all messages in one round. A rejected one goes to the dead-letter queue at once. Lambda deletes all messages from the
 * queue but those that the answer names, which come again until the redrive policy of the queue moves them.
 */
export async function handleBatch(
  { Records: records }: SQSEvent,
  invocation: Invocation,
  reject: Reject,
): Promise<SQSBatchResponse> {
  const messages = records.map(({ messageId, body, attributes }) => ({
    id: messageId,
    comesAgain: Number(attributes?.ApproximateReceiveCount) <= LEFT_AT_MOST,
    read: () => receiveMessage(parsedJson(body), invocation.settings),
  }));
  const handled = await handleMessages(messages, invocation);
  const hasToComeAgain = async ({ messageId, body }: SQSRecord, outcome: Handled | undefined): Promise<boolean> => {
    if (outcome?.kind === 'handled') return outcome.results.some(({ kind }) => kind === 'left');
    if (outcome?.kind !== 'rejected') return outcome?.kind === 'failed';
    try {
      await reject(body, outcome.error);
      return false;
    } catch (error) {
      const sentence = 'A rejected event could not be sent to the dead-letter queue; it comes again';
      invocation.logger.error(sentence, { error: error as Error, messageId });
      return true;
    }
  };
  const comesAgain = await Promise.all(records.map((record, i) => hasToComeAgain(record, handled[i])));
  const letters = records.flatMap((record, i) => {
    const outcome = handled[i];
    const isLast = comesAgain[i] ? isLastReceive(record, invocation.settings) : outcome?.kind === 'rejected';
    return isLast ? deadLetterOf(record, outcome, invocation) : [];
  });
  await publishBestEffort(letters, invocation);
  const failed = records.filter((_, i) => comesAgain[i]);
  return { batchItemFailures: failed.map(({ messageId }) => ({ itemIdentifier: messageId })) };
}

/** Whether the event queue now moves a message that fails to the dead-letter queue; that of stopped tasks drops it. */
function isLastReceive({ attributes, eventSourceARN }: SQSRecord, { eventQueueUrl }: Settings): boolean {
  const isOfEventQueue = eventSourceARN?.split(':').at(-1) === eventQueueUrl.split('/').at(-1);
  return isOfEventQueue && Number(attributes?.ApproximateReceiveCount) >= MOST_RECEIVES;
}

function deadLetterOf(
  { messageId, body }: SQSRecord,
  outcome: Handled | undefined,
  { ports }: Invocation,
): DeadLetter[] {
  const subject = drainSubjectOf(parsedJson(body));
  if (!subject || (outcome?.kind !== 'rejected' && outcome?.kind !== 'failed')) return [];
  return [{ ...subject, reason: reasonOf(outcome.error), failedAtMs: ports.clock.nowMs(), messageId }];
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
