/** The messages of the dead-letter queue. While one reader has received them, they are hidden from all others. */

import {
  ChangeMessageVisibilityCommand,
  DeleteMessageCommand,
  type Message,
  ReceiveMessageCommand,
} from '@aws-sdk/client-sqs';
import { awsCall } from '../src/adapters/aws-call.ts';
import { queueNameIn, queueStateOf, sqsOf } from './aws.ts';
import type { Deployment } from './common.ts';

/** How long a message that was received stays hidden, unless it is shown again before. */
export const HIDDEN_SECONDS = 120;
const RECEIVED_AT_ONCE = 10;

export interface DeadLetterQueue {
  readonly name: string;
  /** Receives all messages that can be seen; adds each batch to the set at once, so that a failure forgets none. */
  receiveInto(messages: Set<Message>): Promise<void>;
  /** How many messages a reader has received, this one or another. */
  countHidden(): Promise<number>;
  delete(message: Message): Promise<void>;
  /** Shows messages to everybody again. Best effort: without it they appear when their time is over. */
  show(messages: Iterable<Message>): Promise<void>;
}

export function deadLetterQueueOf(deployment: Deployment): DeadLetterQueue {
  const sqs = sqsOf(deployment);
  const { deadLetterQueueUrl: QueueUrl } = deployment.settings;
  const name = queueNameIn(QueueUrl);
  return {
    name,
    async receiveInto(messages) {
      for (;;) {
        const { Messages: some = [] } = await awsCall(`receive from ${name}`, () =>
          sqs.send(
            new ReceiveMessageCommand({
              QueueUrl,
              MaxNumberOfMessages: RECEIVED_AT_ONCE,
              VisibilityTimeout: HIDDEN_SECONDS,
              WaitTimeSeconds: 1, // a long poll asks every server of SQS
              MessageAttributeNames: ['All'],
            }),
          ),
        );
        if (some.length === 0) return;
        for (const message of some) messages.add(message);
      }
    },
    countHidden: async () => (await queueStateOf(sqs, QueueUrl)).received,
    async delete({ MessageId, ReceiptHandle }) {
      await awsCall(`delete message ${MessageId} from ${name}`, () =>
        sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle })),
      );
    },
    async show(messages) {
      await Promise.allSettled(
        [...messages].map(({ ReceiptHandle }) =>
          sqs.send(new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout: 0 })),
        ),
      );
    },
  };
}
