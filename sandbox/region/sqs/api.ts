import { createHash } from 'node:crypto';
import type {
  BatchResultErrorEntry,
  ChangeMessageVisibilityBatchRequest,
  ChangeMessageVisibilityBatchResult,
  ChangeMessageVisibilityRequest,
  DeleteMessageBatchRequest,
  DeleteMessageBatchResult,
  DeleteMessageRequest,
  GetQueueAttributesRequest,
  GetQueueAttributesResult,
  GetQueueUrlRequest,
  GetQueueUrlResult,
  ListQueuesRequest,
  ListQueuesResult,
  Message,
  PurgeQueueRequest,
  ReceiveMessageRequest,
  ReceiveMessageResult,
  SendMessageBatchRequest,
  SendMessageBatchResult,
  SendMessageRequest,
  SendMessageResult,
} from '@aws-sdk/client-sqs';
import { AwsError } from '../aws-error.ts';
import { pageOf } from '../pages.ts';
import type { Place } from '../place.ts';
import type { RequestContext, Service } from '../service.ts';
import type { VirtualTime } from '../time/virtual-time.ts';
import type { Attribute, Attributes, QueueModel, ReceivedMessage } from './model.ts';

/** What the API needs of the rest of the Region. */
export interface SqsOptions {
  readonly place: Place;
  readonly queues: ReadonlyMap<string, QueueModel>;
  readonly time: Pick<VirtualTime, 'stir'>;
}

/** Bounds of what is asked (SQS API reference). */
const RECEIVED_AT_ONCE = { min: 1, max: 10 };
const VISIBILITY_SECONDS = { min: 0, max: 43_200 };
const WAIT_SECONDS = { min: 0, max: 20 };
const DELAY_SECONDS = { min: 0, max: 900 };
const MOST_IN_BATCH = 10;
/** Facts 81 sqs-messages: of one message, and of all messages of a batch. */
const LARGEST_BYTES = 1024 * 1024;
const PAGE = { min: 1, max: 1_000 };

/** SQS's API over the queues. */
export function sqsService(options: SqsOptions): Service {
  const queueIn = queuesOf(options);
  return { name: 'sqs', operations: { ...aboutQueues(options, queueIn), ...aboutMessages(options, queueIn) } };
}

type QueueIn = (input: { readonly QueueUrl: string | undefined }) => QueueModel;

/** A queue is named by its address, whose path has the account: another account's is not here. */
function queuesOf({ queues, place }: SqsOptions): QueueIn {
  return ({ QueueUrl = '' }) => {
    const [name, account] = QueueUrl.split('/').reverse();
    return named(queues, account === place.account ? name : undefined);
  };
}

function named(queues: SqsOptions['queues'], name: string | undefined): QueueModel {
  const queue = queues.get(name ?? '');
  if (!queue) throw new AwsError('QueueDoesNotExist', 'The specified queue does not exist.');
  return queue;
}

function aboutQueues({ place, queues }: SqsOptions, queueIn: QueueIn): Service['operations'] {
  const { account } = place;
  const urlOf = (name: string, { endpoint }: RequestContext) => `${endpoint}/${account}/${name}`;

  return {
    ListQueues: (input: ListQueuesRequest, context: RequestContext): ListQueuesResult => {
      const { QueueNamePrefix = '', MaxResults = PAGE.max, NextToken } = input;
      inRange(MaxResults, 'MaxResults', PAGE);
      const names = [...queues.keys()].filter((name) => name.startsWith(QueueNamePrefix)).toSorted();
      const { items, next } = pageOf(names, { size: MaxResults, token: NextToken });
      // SQS gives a token only to those who ask for pages.
      const more = next !== undefined && input.MaxResults !== undefined && { NextToken: next };
      return items.length > 0 ? { QueueUrls: items.map((name) => urlOf(name, context)), ...more } : {};
    },

    GetQueueUrl: (input: GetQueueUrlRequest, context: RequestContext): GetQueueUrlResult => {
      const { QueueName, QueueOwnerAWSAccountId: owner = account } = input;
      return { QueueUrl: urlOf(named(queues, owner === account ? QueueName : undefined).name, context) };
    },

    GetQueueAttributes: (input: GetQueueAttributesRequest): GetQueueAttributesResult => {
      const queue = queueIn(input);
      const { counts, delayed, createdAtMs, spec } = queue;
      const { deadLetterQueue, maxReceiveCount, kmsKey } = spec;
      const created = String(Math.floor(createdAtMs / 1000));
      const all = {
        ApproximateNumberOfMessages: String(counts.visible),
        ApproximateNumberOfMessagesDelayed: String(delayed),
        ApproximateNumberOfMessagesNotVisible: String(counts.inFlight),
        CreatedTimestamp: created,
        LastModifiedTimestamp: created,
        DelaySeconds: '0',
        MaximumMessageSize: String(LARGEST_BYTES),
        QueueArn: queue.arn,
        ReceiveMessageWaitTimeSeconds: '0',
        VisibilityTimeout: String(spec.visibilityTimeoutSeconds),
        ...(kmsKey !== undefined && { KmsMasterKeyId: kmsKey }),
        ...(deadLetterQueue && {
          RedrivePolicy: JSON.stringify({ deadLetterTargetArn: deadLetterQueue.arn, maxReceiveCount }),
        }),
      };
      const names: readonly string[] = input.AttributeNames ?? [];
      const wanted = Object.entries(all).filter(([name]) => names.includes('All') || names.includes(name));
      return wanted.length > 0 ? { Attributes: Object.fromEntries(wanted) } : {};
    },

    PurgeQueue: (input: PurgeQueueRequest): object => {
      const queue = queueIn(input);
      if (queue.purge()) return {};
      const message = `Only one PurgeQueue operation on ${queue.name} is allowed every 60 seconds.`;
      throw new AwsError('PurgeQueueInProgress', message);
    },
  };
}

function aboutMessages({ time }: SqsOptions, queueIn: QueueIn): Service['operations'] {
  return {
    SendMessage: (input: SendMessageRequest): SendMessageResult => sendMessage(queueIn(input), input),

    SendMessageBatch: (input: SendMessageBatchRequest): SendMessageBatchResult => {
      const queue = queueIn(input);
      const { Entries = [] } = input;
      const bytes = Entries.reduce((sum, { MessageBody = '' }) => sum + Buffer.byteLength(MessageBody), 0);
      if (bytes > LARGEST_BYTES) {
        const message = `Batch requests cannot be longer than ${LARGEST_BYTES} bytes. You have sent ${bytes} bytes.`;
        throw new AwsError('BatchRequestTooLong', message);
      }
      const { done, Failed } = inBatch('SendMessageBatch', Entries, (entry) => sendMessage(queue, entry));
      return { Successful: done.map(({ Id, result }) => ({ Id, ...result })), Failed };
    },

    ReceiveMessage: (input: ReceiveMessageRequest): ReceiveMessageResult | Promise<ReceiveMessageResult> => {
      const { MaxNumberOfMessages = 1, VisibilityTimeout, WaitTimeSeconds = 0 } = input;
      inRange(MaxNumberOfMessages, 'MaxNumberOfMessages', RECEIVED_AT_ONCE);
      inRange(WaitTimeSeconds, 'WaitTimeSeconds', WAIT_SECONDS);
      if (VisibilityTimeout !== undefined) inRange(VisibilityTimeout, 'VisibilityTimeout', VISIBILITY_SECONDS);
      const queue = queueIn(input);
      const answer = (messages: readonly ReceivedMessage[]): ReceiveMessageResult =>
        messages.length > 0 ? { Messages: messages.map((message) => described(message, input)) } : {};
      if (WaitTimeSeconds === 0) return answer(queue.receive(MaxNumberOfMessages, VisibilityTimeout));
      return new Promise((resolve) => {
        const poll = {
          most: MaxNumberOfMessages,
          waitSeconds: WaitTimeSeconds,
          visibilityTimeoutSeconds: VisibilityTimeout,
        };
        queue.poll(poll, (messages) => {
          time.stir();
          resolve(answer(messages));
        });
      });
    },

    DeleteMessage: (input: DeleteMessageRequest): object => {
      deleteMessage(queueIn(input), input);
      return {};
    },

    DeleteMessageBatch: (input: DeleteMessageBatchRequest): DeleteMessageBatchResult => {
      const queue = queueIn(input);
      const { done, Failed } = inBatch('DeleteMessageBatch', input.Entries ?? [], (entry) =>
        deleteMessage(queue, entry),
      );
      return { Successful: done.map(({ Id }) => ({ Id })), Failed };
    },

    ChangeMessageVisibility: (input: ChangeMessageVisibilityRequest): object => {
      changeVisibility(queueIn(input), input);
      return {};
    },

    ChangeMessageVisibilityBatch: (input: ChangeMessageVisibilityBatchRequest): ChangeMessageVisibilityBatchResult => {
      const queue = queueIn(input);
      const { Entries = [] } = input;
      const { done, Failed } = inBatch('ChangeMessageVisibilityBatch', Entries, (entry) =>
        changeVisibility(queue, entry),
      );
      return { Successful: done.map(({ Id }) => ({ Id })), Failed };
    },
  };
}

type NewMessage = Pick<
  SendMessageRequest,
  'MessageBody' | 'DelaySeconds' | 'MessageAttributes' | 'MessageDeduplicationId'
>;

/** What SQS takes in a body: the characters of XML 1.0 (SQS API reference, SendMessage). */
const TAKEN = /^[\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]*$/u;

function sendMessage(queue: QueueModel, input: NewMessage) {
  const { MessageBody = '', DelaySeconds = 0, MessageAttributes = {}, MessageDeduplicationId } = input;
  if (MessageBody === '') {
    throw new AwsError('MissingParameter', 'The request must contain the parameter MessageBody.');
  }
  if (Buffer.byteLength(MessageBody) > LARGEST_BYTES) {
    throw invalidValue(
      `One or more parameters are invalid. Reason: Message must be shorter than ${LARGEST_BYTES} bytes.`,
    );
  }
  if (!TAKEN.test(MessageBody)) {
    const message =
      'Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF';
    throw new AwsError('InvalidMessageContents', message);
  }
  const { min, max } = DELAY_SECONDS;
  if (DelaySeconds < min || DelaySeconds > max) {
    const reason = `DelaySeconds must be >= ${min} and <= ${max}.`;
    throw invalidValue(`Value ${DelaySeconds} for parameter DelaySeconds is invalid. Reason: ${reason}`);
  }
  if (MessageDeduplicationId !== undefined) {
    throw invalidValue('The request include parameter that is not valid for this queue type');
  }
  const attributes = attributesIn(MessageAttributes);
  return {
    MessageId: queue.send(MessageBody, DelaySeconds, attributes),
    MD5OfMessageBody: md5(MessageBody),
    ...(Object.keys(attributes).length > 0 && { MD5OfMessageAttributes: md5OfAttributes(attributes) }),
  };
}

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

function attributesIn(given: NonNullable<SendMessageRequest['MessageAttributes']>): Attributes {
  const entries = Object.entries(given).map(([name, value]): [string, Attribute] => {
    // The wire hands binary data over as its text in base 64.
    const { DataType = '', StringValue, BinaryValue } = value as unknown as Partial<Attribute>;
    if (!/^(String|Number|Binary)(\..+)?$/s.test(DataType)) {
      const reason = 'The type of message (user) attribute has to be String, Number or Binary, as its DataType says';
      throw invalidValue(`The message (user) attribute '${name}' is invalid. ${reason}.`);
    }
    if (DataType.startsWith('Number') && StringValue && !NUMBER.test(StringValue)) {
      throw invalidValue(`Can't cast the value of message (user) attribute '${name}' to a number.`);
    }
    if (DataType.startsWith('Binary') && BinaryValue) return [name, { DataType, BinaryValue }];
    if (!DataType.startsWith('Binary') && StringValue) return [name, { DataType, StringValue }];
    const message = `The message (user) attribute '${name}' must contain a non-empty value of type '${DataType}'.`;
    throw invalidValue(message);
  });
  return Object.fromEntries(entries);
}

/** @throws AwsError if the queue has never given out such a handle. */
function refuseForeignHandle(queue: QueueModel, handle: string): void {
  if (queue.hasGiven(handle)) return;
  throw new AwsError('ReceiptHandleIsInvalid', `The input receipt handle "${handle}" is not a valid receipt handle.`);
}

function deleteMessage(queue: QueueModel, { ReceiptHandle = '' }: Pick<DeleteMessageRequest, 'ReceiptHandle'>): void {
  refuseForeignHandle(queue, ReceiptHandle);
  queue.delete(ReceiptHandle);
}

type VisibilityChange = Pick<ChangeMessageVisibilityRequest, 'ReceiptHandle' | 'VisibilityTimeout'>;

function changeVisibility(
  queue: QueueModel,
  { ReceiptHandle = '', VisibilityTimeout = 0 }: Partial<VisibilityChange>,
): void {
  inRange(VisibilityTimeout, 'VisibilityTimeout', VISIBILITY_SECONDS);
  refuseForeignHandle(queue, ReceiptHandle);
  if (queue.changeVisibility(ReceiptHandle, VisibilityTimeout)) return;
  throw new AwsError('MessageNotInflight', 'The specified message is not in flight or is not available.');
}

/** Does each entry of a batch; one that is refused is a row in the answer, whose status is 200. */
function inBatch<E extends { readonly Id?: string | undefined }, R>(
  operation: string,
  entries: readonly E[],
  perform: (entry: E) => R,
) {
  refuseBatch(operation, entries);
  const done: { readonly Id: string; readonly result: R }[] = [];
  const failed: BatchResultErrorEntry[] = [];
  for (const entry of entries) {
    const Id = entry.Id ?? '';
    try {
      done.push({ Id, result: perform(entry) });
    } catch (error) {
      if (!(error instanceof AwsError)) throw error;
      failed.push({ Id, SenderFault: true, Code: error.code, Message: error.message });
    }
  }
  return { done, Failed: failed.length > 0 ? failed : undefined };
}

/** What is wrong with the whole batch. */
function refuseBatch(operation: string, entries: readonly { readonly Id?: string | undefined }[]): void {
  if (entries.length === 0) {
    const message = `There should be at least one ${operation}RequestEntry in the request.`;
    throw new AwsError('EmptyBatchRequest', message);
  }
  if (entries.length > MOST_IN_BATCH) {
    const message = `Maximum number of entries per request are ${MOST_IN_BATCH}. You have sent ${entries.length}.`;
    throw new AwsError('TooManyEntriesInBatchRequest', message);
  }
  const ids = entries.map(({ Id = '' }) => Id);
  if (!ids.every((id) => /^[\w-]{1,80}$/.test(id))) {
    const message =
      'A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.';
    throw new AwsError('InvalidBatchEntryId', message);
  }
  const repeated = ids.find((id, i) => ids.indexOf(id) < i);
  if (repeated !== undefined) throw new AwsError('BatchEntryIdsNotDistinct', `Id ${repeated} repeated.`);
}

function described(message: ReceivedMessage, input: ReceiveMessageRequest): Message {
  const { id, body, receiptHandle, attributes } = message;
  const { MessageAttributeNames = [], MessageSystemAttributeNames = [], AttributeNames = [] } = input;
  const wanted = Object.fromEntries(
    Object.entries(attributes).filter(([name]) => MessageAttributeNames.some((each) => names(each, name))),
  );
  const system = {
    SenderId: 'AIDALOCALREGION000000',
    SentTimestamp: String(Math.floor(message.sentAtMs)),
    ApproximateReceiveCount: String(message.receives),
    ApproximateFirstReceiveTimestamp: String(Math.floor(message.firstReceivedAtMs)),
  };
  const asked: readonly string[] = [...MessageSystemAttributeNames, ...AttributeNames];
  const Attributes = Object.fromEntries(
    Object.entries(system).filter(([name]) => asked.includes('All') || asked.includes(name)),
  );
  return {
    MessageId: id,
    ReceiptHandle: receiptHandle,
    Body: body,
    MD5OfBody: md5(body),
    ...(Object.keys(wanted).length > 0 && {
      // Binary data stays text in base 64, which is how the wire writes it.
      MessageAttributes: wanted as unknown as NonNullable<Message['MessageAttributes']>,
      MD5OfMessageAttributes: md5OfAttributes(wanted),
    }),
    ...(Object.keys(Attributes).length > 0 && { Attributes }),
  };
}

/** Whether what was asked for is an attribute: by its name, as one of all, or by how it begins. */
function names(asked: string, name: string): boolean {
  return (
    asked === 'All' || asked === '.*' || asked === name || (asked.endsWith('.*') && name.startsWith(asked.slice(0, -2)))
  );
}

function md5(text: string | Buffer): string {
  return createHash('md5').update(text).digest('hex');
}

/** SQS developer guide, "Calculating the MD5 message digest for message attributes". */
function md5OfAttributes(attributes: Attributes): string {
  const withLength = (bytes: Buffer) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    return Buffer.concat([length, bytes]);
  };
  const STRING = Buffer.of(1);
  const BINARY = Buffer.of(2);
  const parts = Object.entries(attributes)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, { DataType, StringValue, BinaryValue }]) => [
      withLength(Buffer.from(name)),
      withLength(Buffer.from(DataType)),
      BinaryValue === undefined ? STRING : BINARY,
      withLength(BinaryValue === undefined ? Buffer.from(StringValue ?? '') : Buffer.from(BinaryValue, 'base64')),
    ]);
  return md5(Buffer.concat(parts));
}

function inRange(value: number, name: string, { min, max }: { readonly min: number; readonly max: number }): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw invalidValue(
    `Value ${value} for parameter ${name} is invalid. Reason: Must be between ${min} and ${max}, if provided.`,
  );
}

function invalidValue(message: string): AwsError {
  return new AwsError('InvalidParameterValue', message);
}
