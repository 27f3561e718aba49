import { createHash } from 'node:crypto';
import type {
  ChangeMessageVisibilityRequest,
  DeleteMessageRequest,
  GetQueueAttributesRequest,
  GetQueueAttributesResult,
  GetQueueUrlRequest,
  GetQueueUrlResult,
  Message,
  ReceiveMessageRequest,
  ReceiveMessageResult,
} from '@aws-sdk/client-sqs';
import { AwsError } from './aws-error.ts';
import type { Place } from './place.ts';
import type { AskedOf, Service } from './service.ts';
import type { QueueModel, ReceivedMessage } from './sqs.ts';

/** What one call receives at most, and the longest visibility timeout (SQS API reference). */
const RECEIVED_AT_ONCE = { min: 1, max: 10 };
const VISIBILITY_SECONDS = { min: 0, max: 43_200 };

/** SQS's API over the queues. A long poll answers at once: what comes later is for the next. */
export function sqsService(queues: ReadonlyMap<string, QueueModel>, place: Place): Service {
  return { name: 'sqs', operations: operationsOf(queues, place) };
}

function operationsOf(queues: ReadonlyMap<string, QueueModel>, { account }: Place): Service['operations'] {
  const queueIn = ({ QueueUrl }: { readonly QueueUrl: string | undefined }): QueueModel =>
    queueNamed(QueueUrl?.split('/').at(-1));

  function queueNamed(name: string | undefined): QueueModel {
    const queue = queues.get(name ?? '');
    if (!queue) throw new AwsError('QueueDoesNotExist', 'The specified queue does not exist.');
    return queue;
  }

  return {
    GetQueueUrl: ({ QueueName }: GetQueueUrlRequest, { endpoint }: AskedOf): GetQueueUrlResult => {
      queueNamed(QueueName);
      return { QueueUrl: `${endpoint}/${account}/${QueueName}` };
    },

    GetQueueAttributes: (input: GetQueueAttributesRequest): GetQueueAttributesResult => {
      const { visible, inFlight } = queueIn(input).counts;
      const all = {
        ApproximateNumberOfMessages: String(visible),
        ApproximateNumberOfMessagesNotVisible: String(inFlight),
      };
      const names: readonly string[] = input.AttributeNames ?? [];
      const wanted = Object.entries(all).filter(([name]) => names.includes('All') || names.includes(name));
      return { Attributes: Object.fromEntries(wanted) };
    },

    ReceiveMessage: (input: ReceiveMessageRequest): ReceiveMessageResult => {
      const { MaxNumberOfMessages = 1, VisibilityTimeout } = input;
      inRange(MaxNumberOfMessages, 'MaxNumberOfMessages', RECEIVED_AT_ONCE);
      if (VisibilityTimeout !== undefined) inRange(VisibilityTimeout, 'VisibilityTimeout', VISIBILITY_SECONDS);
      const messages = queueIn(input).receive(MaxNumberOfMessages, VisibilityTimeout);
      return messages.length > 0 ? { Messages: messages.map((message) => described(message, input)) } : {};
    },

    DeleteMessage: (input: DeleteMessageRequest): object => {
      queueIn(input).delete(input.ReceiptHandle ?? '');
      return {};
    },

    ChangeMessageVisibility: (input: ChangeMessageVisibilityRequest): object => {
      const { ReceiptHandle = '', VisibilityTimeout = 0 } = input;
      inRange(VisibilityTimeout, 'VisibilityTimeout', VISIBILITY_SECONDS);
      if (queueIn(input).changeVisibility(ReceiptHandle, VisibilityTimeout)) return {};
      throw new AwsError('MessageNotInflight', 'The specified message is not in flight or is not available.');
    },
  };
}

function described(message: ReceivedMessage, input: ReceiveMessageRequest): Message {
  const { id, body, receiptHandle, attributes, receives, sentAtMs } = message;
  const { MessageAttributeNames: names = [], MessageSystemAttributeNames: systemNames = [] } = input;
  const wanted = Object.entries(attributes).filter(([name]) => names.includes('All') || names.includes(name));
  return {
    MessageId: id,
    ReceiptHandle: receiptHandle,
    Body: body,
    MD5OfBody: createHash('md5').update(body).digest('hex'),
    ...(wanted.length > 0 && {
      MessageAttributes: Object.fromEntries(
        wanted.map(([name, StringValue]) => [name, { DataType: 'String', StringValue }]),
      ),
    }),
    ...(systemNames.length > 0 && {
      Attributes: { SentTimestamp: String(Math.floor(sentAtMs)), ApproximateReceiveCount: String(receives) },
    }),
  };
}

function inRange(value: number, name: string, { min, max }: { readonly min: number; readonly max: number }): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw new AwsError(
    'InvalidParameterValue',
    `Value ${value} for parameter ${name} is invalid. Reason: Must be between ${min} and ${max}, if provided.`,
  );
}
