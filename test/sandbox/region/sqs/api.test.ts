import {
  ChangeMessageVisibilityBatchCommand,
  ChangeMessageVisibilityCommand,
  DeleteMessageBatchCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ListQueuesCommand,
  PurgeQueueCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Region } from '../../../../sandbox/region/region.ts';
import type { QueueModel } from '../../../../sandbox/region/sqs/model.ts';
import { listen } from '../../../../sandbox/region/wire/http.ts';
import { clientOf, inRegion, pass, regionOfTest, seconds } from '../clients.ts';

const QueueUrl = 'https://sqs.eu-west-1.amazonaws.com/123456789012/work';

let region: Region;
let queue: QueueModel;
let sqs: SQSClient;
beforeEach(() => {
  region = regionOfTest();
  const deadLetterQueue = region.createQueue({
    name: 'dead-letters',
    visibilityTimeoutSeconds: 30,
    maxReceiveCount: Infinity,
  });
  queue = region.createQueue({ name: 'work', visibilityTimeoutSeconds: 60, maxReceiveCount: 2, deadLetterQueue });
  sqs = new SQSClient(clientOf(region));
});

const receive = (input: object = {}) => sqs.send(new ReceiveMessageCommand({ QueueUrl, ...input }));
const bodies = async (input: object = {}) => (await receive(input)).Messages?.map(({ Body }) => Body) ?? [];

describe('SQS on the wire', () => {
  it('lists queues by prefix, in pages, and refuses an invalid token', async () => {
    const names = async (input: object) => {
      const { QueueUrls = [], NextToken } = await sqs.send(new ListQueuesCommand(input));
      return { names: QueueUrls.map((url) => url.split('/').at(-1)), NextToken };
    };
    expect((await names({})).names).toEqual(['dead-letters', 'work']);
    expect((await names({ QueueNamePrefix: 'w' })).names).toEqual(['work']);
    const first = await names({ MaxResults: 1 });
    expect(await names({ MaxResults: 1, NextToken: first.NextToken })).toEqual({
      names: ['work'],
      NextToken: undefined,
    });
    await expect(names({ NextToken: 'none' })).rejects.toThrow('Invalid or expired next token.');
    for (const MaxResults of [0, 1_001]) {
      await expect(names({ MaxResults })).rejects.toThrow(
        `Value ${MaxResults} for parameter MaxResults is invalid. Reason: Must be between 1 and 1000, if provided.`,
      );
    }
  });

  it('takes the names of a message’s attributes in ReceiveMessage’s old parameter too (facts 78 receive-attributes)', async () => {
    await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'drain' }));
    await pass(region, 1);
    const { Messages } = await receive({ AttributeNames: ['SentTimestamp'] });
    expect(Messages).toMatchObject([{ Attributes: { SentTimestamp: String(Date.UTC(2026, 0, 1)) } }]);
  });

  it('sends a message that is received with what was asked for, its digests and its attributes', async () => {
    const MessageAttributes = {
      kind: { DataType: 'String', StringValue: 'drain' },
      'kind.more': { DataType: 'Number', StringValue: '5' },
      bytes: { DataType: 'Binary', BinaryValue: new Uint8Array([1, 2, 255]) },
    };
    const sent = await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'hello', MessageAttributes }));
    expect(sent.MD5OfMessageBody).toBe('5d41402abc4b2a76b9719d911017c592');
    await pass(region, 1);
    const { Messages: [message] = [] } = await receive({
      MessageAttributeNames: ['kind.*', 'bytes'],
      MessageSystemAttributeNames: ['ApproximateReceiveCount', 'SentTimestamp'],
    });
    expect(message).toMatchObject({
      MessageId: sent.MessageId,
      Body: 'hello',
      MessageAttributes,
      MD5OfMessageAttributes: sent.MD5OfMessageAttributes,
      Attributes: { ApproximateReceiveCount: '1', SentTimestamp: String(Date.UTC(2026, 0, 1)) },
    });
    expect(Object.keys(message?.Attributes ?? {})).toHaveLength(2);
  });

  it('computes the digest of attributes as AWS does', async () => {
    // The pair is in moto's tests.
    const MessageAttributes = { 'SOME_Valid.attribute-Name': { DataType: 'Number', StringValue: '1493147359900' } };
    const sent = await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'x', MessageAttributes }));
    expect(sent.MD5OfMessageAttributes).toBe('36655e7e9d7c0e8479fa3f3f42247ae7');
  });

  it('lets a message wait for its delay', async () => {
    await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'later', DelaySeconds: 60 }));
    await pass(region, 59);
    expect(await bodies()).toEqual([]);
    expect([queue.counts, queue.delayed]).toEqual([{ visible: 0, inFlight: 0 }, 1]);
    await pass(region, 2);
    expect(await bodies()).toEqual(['later']);
  });

  it.each([
    [{ MessageBody: '' }, 'MissingParameter', 'The request must contain the parameter MessageBody.'],
    [{ MessageBody: '\u0000' }, 'InvalidMessageContents', /^Invalid characters found/],
    [{ MessageBody: 'x'.repeat(1024 * 1024 + 1) }, 'InvalidParameterValue', /must be shorter than 1048576 bytes/],
    [{ MessageBody: 'x', DelaySeconds: 901 }, 'InvalidParameterValue', /DelaySeconds must be >= 0 and <= 900/],
    [{ MessageBody: 'x', MessageDeduplicationId: 'a' }, 'InvalidParameterValue', /not valid for this queue type/],
    [{ MessageBody: 'x', MessageAttributes: { a: { DataType: 'Text' } } }, 'InvalidParameterValue', /'a' is invalid/],
    [
      { MessageBody: 'x', MessageAttributes: { a: { DataType: 'String' } } },
      'InvalidParameterValue',
      /non-empty value/,
    ],
    [
      { MessageBody: 'x', MessageAttributes: { a: { DataType: 'Number', StringValue: 'abc' } } },
      'InvalidParameterValue',
      "Can't cast the value of message (user) attribute 'a' to a number.",
    ],
    [
      { MessageBody: 'x', MessageAttributes: { a: { DataType: 'Number.int', StringValue: '1,5' } } },
      'InvalidParameterValue',
      "Can't cast the value of message (user) attribute 'a' to a number.",
    ],
  ])('refuses to send what AWS refuses (%#)', async (input, name, message) => {
    await expect(sqs.send(new SendMessageCommand({ QueueUrl, ...input }))).rejects.toMatchObject({
      name,
      message: typeof message === 'string' ? message : expect.stringMatching(message),
    });
  });

  it('answers a batch entry by entry, with status 200', async () => {
    const Entries = [
      { Id: 'a', MessageBody: 'one' },
      { Id: 'b', MessageBody: 'two', DelaySeconds: 1_000 },
    ];
    const sent = await sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries }));
    expect(sent.Successful).toMatchObject([{ Id: 'a', MD5OfMessageBody: 'f97c5d29941bfb1b2fdab0874906ab82' }]);
    expect(sent.Failed).toMatchObject([{ Id: 'b', SenderFault: true, Code: 'InvalidParameterValue' }]);
    await pass(region, 1);

    const { Messages: [message] = [] } = await receive();
    const { ReceiptHandle } = message ?? {};
    const hidden = await sqs.send(
      new ChangeMessageVisibilityBatchCommand({
        QueueUrl,
        Entries: [{ Id: 'a', ReceiptHandle, VisibilityTimeout: 90 }],
      }),
    );
    expect(hidden.Successful).toEqual([{ Id: 'a' }]);
    const deletion = new DeleteMessageBatchCommand({
      QueueUrl,
      Entries: [
        { Id: 'a', ReceiptHandle },
        { Id: 'b', ReceiptHandle: 'nonsense' },
      ],
    });
    expect(await sqs.send(deletion)).toMatchObject({
      Successful: [{ Id: 'a' }],
      Failed: [{ Id: 'b', SenderFault: true, Code: 'ReceiptHandleIsInvalid' }],
    });
    await pass(region, 120);
    expect(await bodies()).toEqual([]);
  });

  it.each([
    [[], 'EmptyBatchRequest'],
    [Array.from({ length: 11 }, (_, i) => ({ Id: `${i}`, MessageBody: 'x' })), 'TooManyEntriesInBatchRequest'],
    [[{ Id: 'a b', MessageBody: 'x' }], 'InvalidBatchEntryId'],
    [['a', 'a'].map((Id) => ({ Id, MessageBody: 'x' })), 'BatchEntryIdsNotDistinct'],
    [['a', 'b'].map((Id) => ({ Id, MessageBody: 'x'.repeat(600_000) })), 'BatchRequestTooLong'],
  ])('refuses a batch as a whole (%#)', async (Entries, name) => {
    await expect(sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries }))).rejects.toMatchObject({ name });
    expect([queue.counts, queue.delayed]).toEqual([{ visible: 0, inFlight: 0 }, 0]);
  });

  it('refuses a receipt handle that the queue has not given, and takes an old one in silence', async () => {
    const remove = (ReceiptHandle?: string) => sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
    await expect(remove('nonsense')).rejects.toMatchObject({
      name: 'ReceiptHandleIsInvalid',
      message: 'The input receipt handle "nonsense" is not a valid receipt handle.',
      $metadata: { httpStatusCode: 404 },
    });
    queue.send('x');
    await pass(region, 1);
    const { Messages: [message] = [] } = await receive();
    await pass(region, 61);
    const again = await receive();
    await remove(message?.ReceiptHandle); // of the first receipt: the message stays
    expect(queue.counts.inFlight).toBe(1);
    await expect(
      sqs.send(
        new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle: message?.ReceiptHandle, VisibilityTimeout: 1 }),
      ),
    ).rejects.toMatchObject({ name: 'MessageNotInflight' });
    await remove(again.Messages?.[0]?.ReceiptHandle);
    expect(queue.counts.inFlight).toBe(0);
  });

  it('moves a message that was received too often to the dead-letter queue, which the attributes name', async () => {
    const AttributeNames = ['All' as const];
    const { Attributes } = await sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames }));
    expect(Attributes).toMatchObject({
      QueueArn: 'arn:aws:sqs:eu-west-1:123456789012:work',
      VisibilityTimeout: '60',
      RedrivePolicy: JSON.stringify({
        deadLetterTargetArn: 'arn:aws:sqs:eu-west-1:123456789012:dead-letters',
        maxReceiveCount: 2,
      }),
    });
    queue.send('poison', 0, { why: 'test' });
    for (const _ of [1, 2]) {
      await pass(region, 1);
      expect(await bodies({ VisibilityTimeout: 1 })).toEqual(['poison']);
    }
    await pass(region, 2);
    expect(await bodies()).toEqual([]);
    const dead = await receive({ QueueUrl: QueueUrl.replace('work', 'dead-letters'), MessageAttributeNames: ['All'] });
    expect(dead.Messages).toMatchObject([{ Body: 'poison', MessageAttributes: { why: { StringValue: 'test' } } }]);
  });

  it('purges once a minute, whatever state a message is in', async () => {
    const purge = () => sqs.send(new PurgeQueueCommand({ QueueUrl }));
    for (const body of ['seen', 'held']) queue.send(body);
    queue.send('delayed', 5);
    await pass(region, 1);
    await receive();
    await purge();
    await pass(region, 59);
    await expect(purge()).rejects.toMatchObject({ name: 'PurgeQueueInProgress' });
    await pass(region, 20);
    expect(await bodies({ MaxNumberOfMessages: 10 })).toEqual([]);
    await purge();
  });
});

describe('a long poll', () => {
  const poll = (input: object = {}) => receive({ WaitTimeSeconds: 20, ...input });

  it('answers as soon as a message comes, in virtual time', async () => {
    region.time.after(7, () => queue.send('at last'));
    const { Messages } = await inRegion(region, () => poll());
    expect(Messages).toMatchObject([{ Body: 'at last' }]);
    expect(seconds(region)).toBeGreaterThanOrEqual(7);
    expect(seconds(region)).toBeLessThan(7.2);
  });

  it('answers without a message when its time is over', async () => {
    expect((await inRegion(region, () => poll({ WaitTimeSeconds: 5 }))).Messages).toBeUndefined();
    expect(seconds(region)).toBeGreaterThan(5);
    expect(seconds(region)).toBeLessThan(5.2);
  });

  it('hides the message for the time that it asked for', async () => {
    region.time.after(1, () => queue.send('x'));
    await inRegion(region, () => poll({ VisibilityTimeout: 10 }));
    await pass(region, 9);
    expect(await bodies()).toEqual([]);
    await pass(region, 2);
    expect(await bodies()).toEqual(['x']);
  });

  it('takes what is there at once', async () => {
    queue.send('x');
    await pass(region, 1);
    expect((await inRegion(region, () => poll())).Messages).toHaveLength(1);
    expect(seconds(region)).toBeLessThan(1.2);
  });

  it('waits no longer than SQS lets it', async () => {
    await expect(receive({ WaitTimeSeconds: 21 })).rejects.toMatchObject({
      name: 'InvalidParameterValue',
      message: 'Value 21 for parameter WaitTimeSeconds is invalid. Reason: Must be between 0 and 20, if provided.',
    });
  });
});

describe('SQS over HTTP', () => {
  it('gives addresses of the Region itself, which the client goes on with', async () => {
    const { url, close } = await listen(region.answer);
    const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
    const client = new SQSClient({ endpoint: url, region: 'eu-west-1', credentials, maxAttempts: 1 });
    try {
      const found = await client.send(new GetQueueUrlCommand({ QueueName: 'work' }));
      expect(found.QueueUrl).toBe(`${url}/123456789012/work`);
      // The client sends to the address of the queue, whatever its endpoint is.
      await client.send(new SendMessageCommand({ QueueUrl: found.QueueUrl, MessageBody: 'here' }));
      expect(queue.delayed).toBe(1);
    } finally {
      client.destroy();
      close();
    }
  });

  it('has the code of the Query protocol beside the new one', async () => {
    const { url, close } = await listen(region.answer);
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'x-amz-target': 'AmazonSQS.GetQueueUrl', 'content-type': 'application/x-amz-json-1.0' },
        body: JSON.stringify({ QueueName: 'none' }),
      });
      expect(response.status).toBe(400);
      expect(response.headers.get('x-amzn-query-error')).toBe('AWS.SimpleQueueService.NonExistentQueue;Sender');
      expect(await response.json()).toEqual({
        __type: 'com.amazonaws.sqs#QueueDoesNotExist',
        message: 'The specified queue does not exist.',
      });
    } finally {
      close();
    }
  });
});
