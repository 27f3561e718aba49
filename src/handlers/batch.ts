/** A batch of the queue: what Lambda reads from it and expects as an answer. */

import type { SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda';
import * as v from 'valibot';
import { receiveMessage } from './events/receive.ts';
import { type Handled, handleMessages, type Invocation } from './messages.ts';

/** Sends the body of a message to the dead-letter queue, with what is wrong with it. */
export type Reject = (body: string, error: Error) => Promise<void>;

const batch = v.looseObject({
  Records: v.array(v.looseObject({ eventSource: v.literal('aws:sqs'), body: v.string(), messageId: v.string() })),
});

/** A message that fails may be tried so often before the redrive policy of the queue moves it: deploy/queues.ts says five. */
const LEFT_AT_MOST = 2;

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
  const failed = records.filter((_, i) => comesAgain[i]);
  return { batchItemFailures: failed.map(({ messageId }) => ({ itemIdentifier: messageId })) };
}

/** The text itself where it is not JSON: then it is not an event either, and the rejection shows it. */
function parsedJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return body;
  }
}
