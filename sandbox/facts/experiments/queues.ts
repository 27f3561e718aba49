import {
  DeleteMessageCommand,
  type Message,
  PurgeQueueCommand,
  ReceiveMessageCommand,
  type ReceiveMessageCommandInput,
  SendMessageBatchCommand,
  type SendMessageBatchRequestEntry,
  SendMessageCommand,
} from '@aws-sdk/client-sqs';
import { type Experiment, use, type World } from '../experiment.ts';
import { described, refusalOf, seconds, until } from './look.ts';

const NOTHING = 'changes nothing';
const EMPTIED = 'deletes the messages';
const LARGEST_BYTES = 1_048_576;

/** What SQS takes, and in which words it refuses. */
export const queues: readonly Experiment[] = [
  {
    facts: [78],
    title: 'ReceiveMessage takes SentTimestamp, an attribute of a message, in its old parameter AttributeNames.',
    needs: ['queue'],
    minutes: 1,
    cents: 0,
    cleansUp: EMPTIED,
    async run(world) {
      const { url: QueueUrl } = use(world, 'queue');
      world.defer(() => emptied(world));
      const { MessageId } = await world.sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'facts' }));
      // The SDK has the type of AWS's model, which knows the attributes of a queue only.
      const AttributeNames = ['SentTimestamp'] as unknown as NonNullable<ReceiveMessageCommandInput['AttributeNames']>;
      const received = await until(world, 30, async () =>
        (await taken(world, { AttributeNames })).find((message) => message.MessageId === MessageId),
      );
      const { Attributes = {} } = received ?? {};
      const names = Object.keys(Attributes).join(', ');
      return {
        saw: received ? `Attributes: ${names || 'none'}` : 'the message does not come within 30 s',
        agrees: names === 'SentTimestamp' && /^\d{13}$/.test(Attributes.SentTimestamp ?? ''),
      };
    },
  },
  {
    facts: [81],
    title: 'SQS takes a message of 1 MiB, and refuses one that has a byte more.',
    needs: ['queue'],
    minutes: 1,
    cents: 0,
    cleansUp: EMPTIED,
    async run(world) {
      const { url: QueueUrl } = use(world, 'queue');
      world.defer(() => emptied(world));
      const send = (bytes: number) =>
        refusalOf(world.sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'x'.repeat(bytes) })));
      const largest = await send(LARGEST_BYTES);
      const larger = await send(LARGEST_BYTES + 1);
      return {
        saw: `1 MiB: ${described(largest)}; a byte more: ${described(larger)}`,
        agrees: largest === undefined && larger?.status === 400,
      };
    },
  },
  {
    facts: [81],
    title: 'SQS reports an invalid entry of a batch in Failed, inside a 200, and sends the others.',
    needs: ['queue'],
    minutes: 1,
    cents: 0,
    cleansUp: EMPTIED,
    async run(world) {
      world.defer(() => emptied(world));
      const {
        Successful = [],
        Failed = [],
        $metadata: { httpStatusCode },
      } = await sendBatch(world, [
        { Id: 'late', MessageBody: 'facts', DelaySeconds: 901 },
        { Id: 'good', MessageBody: 'facts' },
      ]);
      const ids = (rows: readonly { readonly Id: string | undefined }[]) =>
        rows.map(({ Id }) => Id).join(', ') || 'none';
      return {
        saw: `HTTP ${httpStatusCode}; Successful: ${ids(Successful)}; Failed: ${ids(Failed)}, ${Failed[0]?.Code}`,
        agrees: httpStatusCode === 200 && ids(Successful) === 'good' && ids(Failed) === 'late',
      };
    },
  },
  {
    facts: [81],
    title: 'SQS refuses as a whole a batch that is empty, is too large, or has more than ten entries or an id twice.',
    needs: ['queue'],
    minutes: 1,
    cents: 0,
    cleansUp: `${EMPTIED}, should they be accepted`,
    async run(world) {
      world.defer(() => emptied(world));
      const entries = (count: number, body: string) =>
        Array.from({ length: count }, (_, i) => ({ Id: `entry${i}`, MessageBody: body }));
      const refusals = [];
      for (const batch of [
        [],
        entries(2, 'x'.repeat(LARGEST_BYTES / 2 + 1)),
        entries(11, 'facts'),
        [...entries(1, 'facts'), ...entries(1, 'facts')],
      ]) {
        refusals.push(await refusalOf(sendBatch(world, batch)));
      }
      const codes = refusals.map((refusal) => refusal?.code ?? 'accepted').join(', ');
      return {
        saw: codes,
        agrees:
          codes === 'EmptyBatchRequest, BatchRequestTooLong, TooManyEntriesInBatchRequest, BatchEntryIdsNotDistinct',
      };
    },
  },
  {
    facts: [81],
    title: 'A long poll of an empty queue waits as long as it is asked to, and 21 s are refused.',
    needs: ['queue'],
    minutes: 1,
    cents: 0,
    cleansUp: NOTHING,
    async run(world) {
      await emptied(world);
      const askedAtMs = world.now();
      const messages = await received(world, { WaitTimeSeconds: 5 });
      const waitedMs = world.now() - askedAtMs;
      const refusal = await refusalOf(received(world, { WaitTimeSeconds: 21 }));
      return {
        saw: `${messages.length} messages after ${seconds(waitedMs)}, of 5 s; 21 s: ${described(refusal)}`,
        agrees: messages.length === 0 && waitedMs > 4_500 && waitedMs < 15_000 && refusal?.status === 400,
      };
    },
  },
  {
    facts: [81],
    title: 'PurgeQueue is refused within 60 s of the last one.',
    needs: ['queue'],
    minutes: 1,
    cents: 0,
    cleansUp: NOTHING,
    async run(world) {
      const purge = () => refusalOf(world.sqs.send(new PurgeQueueCommand({ QueueUrl: use(world, 'queue').url })));
      const first = await purge();
      const second = await purge();
      return {
        saw: `${described(first)}; again: ${described(second)}`,
        agrees: first === undefined && second?.code === 'PurgeQueueInProgress',
      };
    },
  },
  {
    facts: [82],
    title: 'A receipt handle that the queue has not given is refused in the documented words.',
    needs: ['queue'],
    minutes: 1,
    cents: 0,
    cleansUp: NOTHING,
    async run(world) {
      const { url: QueueUrl } = use(world, 'queue');
      const refusal = await refusalOf(world.sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: 'facts' })));
      return {
        saw: described(refusal),
        agrees:
          refusal?.code === 'ReceiptHandleIsInvalid' &&
          refusal.message === 'The input receipt handle "facts" is not a valid receipt handle.',
      };
    },
  },
  {
    facts: [82],
    title: 'An error of SQS over JSON has the code of the Query protocol in the header x-amzn-query-error.',
    needs: ['queue'],
    minutes: 1,
    cents: 0,
    cleansUp: NOTHING,
    async run(world) {
      const QueueUrl = `${use(world, 'queue').url}-that-is-not-there`;
      const { headers = {} } = (await refusalOf(world.sqs.send(new ReceiveMessageCommand({ QueueUrl })))) ?? {};
      const code = headers['x-amzn-query-error'];
      return {
        saw: code ?? 'there is no such header',
        agrees: code === 'AWS.SimpleQueueService.NonExistentQueue;Sender',
      };
    },
  },
];

async function sendBatch(world: World, Entries: SendMessageBatchRequestEntry[]) {
  return world.sqs.send(new SendMessageBatchCommand({ QueueUrl: use(world, 'queue').url, Entries }));
}

async function received(
  world: World,
  more: Omit<ReceiveMessageCommandInput, 'QueueUrl'> = {},
): Promise<readonly Message[]> {
  const { url: QueueUrl } = use(world, 'queue');
  const { Messages = [] } = await world.sqs.send(
    new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, ...more }),
  );
  return Messages;
}

/** What one call hands out, which is deleted at once. */
async function taken(world: World, more?: Omit<ReceiveMessageCommandInput, 'QueueUrl'>): Promise<readonly Message[]> {
  const messages = await received(world, more);
  for (const { ReceiptHandle } of messages)
    await world.sqs.send(new DeleteMessageCommand({ QueueUrl: use(world, 'queue').url, ReceiptHandle }));
  return messages;
}

/** Takes messages until there are none: only a long poll asks all servers of SQS. */
async function emptied(world: World): Promise<void> {
  while ((await taken(world, { WaitTimeSeconds: 1 })).length > 0);
}
