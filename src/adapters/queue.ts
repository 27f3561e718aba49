import { SendMessageBatchCommand, SendMessageCommand, type SQSClient } from '@aws-sdk/client-sqs';
import { batches } from '../domain/by-cluster.ts';
import { instanceIdOf } from '../domain/drain.ts';
import { type Clock, type Continuations, errorOf, type Failure } from '../domain/ports.ts';
import { awsCall, entryFailure, sendEntries } from './aws-call.ts';
import { encode } from './continuation.ts';

/** SendMessageBatch takes ten messages (facts 81 sqs-messages). */
const MESSAGES_BATCH = 10;

type Wait = Parameters<Continuations['continueAt']>[0][number];

/** Continues drains when they are due, through the queue that the function reads. */
export function queueContinuations(
  client: SQSClient,
  queueUrl: string,
  clock: Clock,
): (abortSignal: AbortSignal) => Continuations['continueAt'] {
  return (abortSignal) => async (waits) => {
    const send = async (batch: readonly Wait[]): Promise<Failure[]> => {
      const Entries = batch.map(({ drain, atMs }, i) => ({
        Id: String(i),
        MessageBody: encode(drain),
        DelaySeconds: delaySeconds(atMs, clock.nowMs()),
      }));
      try {
        const answer = await awsCall(attemptedFor(batch), () =>
          client.send(new SendMessageBatchCommand({ QueueUrl: queueUrl, Entries }), { abortSignal }),
        );
        return batch.map((wait, i) => {
          const failed = answer.Failed?.find(({ Id }) => Id === String(i));
          return (
            failed && entryFailure(attemptedFor([wait]), `${failed.Code}`, `${failed.Message}`, !failed.SenderFault)
          );
        });
      } catch (error) {
        return batch.map(() => errorOf(error));
      }
    };
    const calls = batches(waits, MESSAGES_BATCH).map((batch) => sendEntries(batch, send));
    return (await Promise.all(calls)).flat();
  };
}

function attemptedFor(waits: readonly Wait[]): string {
  const [first, ...more] = waits;
  if (!first) return 'send nothing to the queue';
  const others = more.length > 0 ? ` and ${more.length} others` : '';
  return `send the continuation of ${instanceIdOf(first.drain)}${others} to the queue`;
}

/** SQS: whole seconds, 900 at most. */
function delaySeconds(atMs: number, nowMs: number): number {
  return Math.min(900, Math.max(0, Math.ceil((atMs - nowMs) / 1000)));
}

/** Sends messages of the event queue on as they came. */
export interface QueueMessages {
  /** To the dead-letter queue, with the sentence that says why. */
  toDeadLetters(body: string, error: Error): Promise<void>;
  /** To the event queue once more, marked as such: a new message, which has been received by no one. */
  again(body: string): Promise<void>;
}

/** The most of a message, its attributes among it (facts 81 sqs-messages). */
const MOST_BYTES = 1_048_576;

/** The attribute of a message that was sent once more. */
export const SENT_AGAIN = 'SENT_AGAIN';

export function queueMessages(
  client: SQSClient,
  { eventQueueUrl, deadLetterQueueUrl }: { readonly eventQueueUrl: string; readonly deadLetterQueueUrl: string },
): QueueMessages {
  const text = (StringValue: string) => ({ DataType: 'String', StringValue });
  const send = async (attempted: string, input: ConstructorParameters<typeof SendMessageCommand>[0]) => {
    await awsCall(attempted, () => client.send(new SendMessageCommand(input)));
  };
  return {
    toDeadLetters: (MessageBody, { name, message }) => {
      const attributes = { ERROR_CODE: text(name), ERROR_MESSAGE: text(message) };
      // The body comes first: without its sentence it can be sent again, and the log has the sentence.
      const fits = Buffer.byteLength(MessageBody + JSON.stringify(attributes)) <= MOST_BYTES;
      return send('send an event to the dead-letter queue', {
        QueueUrl: deadLetterQueueUrl,
        MessageBody,
        ...(fits && { MessageAttributes: attributes }),
      });
    },
    again: (MessageBody) =>
      send('send an event to the event queue once more', {
        QueueUrl: eventQueueUrl,
        MessageBody,
        MessageAttributes: { [SENT_AGAIN]: text('true') },
      }),
  };
}
