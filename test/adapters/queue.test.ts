import { createHash } from 'node:crypto';
import { SQSClient } from '@aws-sdk/client-sqs';
import { describe, expect, it } from 'vitest';
import { queueContinuations, queueMessages, SENT_AGAIN } from '../../src/adapters/queue.ts';
import type { HeldDrain } from '../../src/domain/drain.ts';
import { Unavailable } from '../../src/domain/ports.ts';
import { drain, INSTANCE_ID, noticeDrain } from './samples.ts';
import { type AwsEndpoint, accessDenied, aws, fault, hang, type Script, throttled } from './wire.ts';

const QUEUE_URL = 'https://sqs.eu-west-1.amazonaws.com/123456789012/ecs-drain-events';
const EVENT_QUEUE_URL = 'https://sqs.eu-west-1.amazonaws.com/123456789012/events';
const NOW_MS = drain.startedAtMs;

/** What the SDK compares with what it has sent. */
const md5 = (text: string) => createHash('md5').update(text).digest('hex');

/** SendMessageBatch that takes every message but those with these ids. */
function taking(refused: Readonly<Record<string, object>> = {}): Script {
  return {
    SendMessageBatch: ({ Entries: entries = [] }) => ({
      Successful: entries
        .filter(({ Id = '' }) => !(Id in refused))
        .map(({ Id, MessageBody = '' }) => ({ Id, MessageId: `message-${Id}`, MD5OfMessageBody: md5(MessageBody) })),
      Failed: entries
        .filter(({ Id = '' }) => Id in refused)
        .map(({ Id = '' }) => ({ Id, Code: 'Refused', SenderFault: true, ...refused[Id] })),
    }),
  };
}

/** Continues drains through the real SDK client. */
function continuationsAt({ config }: AwsEndpoint, signal = new AbortController().signal) {
  return queueContinuations(new SQSClient(config), QUEUE_URL, { nowMs: () => NOW_MS })(signal);
}

/** A wait of the drain of the nth instance. */
function wait(n = 0, seconds = 10) {
  const instanceId = n === 0 ? INSTANCE_ID : `i-${String(n).padStart(17, '0')}`;
  const waiting: HeldDrain = { ...drain, action: { ...drain.action, instanceId } };
  return { drain: waiting, atMs: NOW_MS + seconds * 1000 };
}

describe('a drain that waits on the queue', () => {
  it('is a message with the bare continuation, delayed until it is due', async () => {
    const endpoint = await aws(taking());
    const waits = [wait(), { drain: noticeDrain, atMs: NOW_MS + 11_000 }];
    expect(await continuationsAt(endpoint)(waits)).toEqual([undefined, undefined]);
    const [{ QueueUrl, Entries = [] } = {}] = endpoint.inputsOf('SendMessageBatch');
    expect(QueueUrl).toBe(QUEUE_URL);
    expect(Entries.map(({ Id, DelaySeconds }) => [Id, DelaySeconds])).toEqual([
      ['0', 10],
      ['1', 11],
    ]);
    expect(Entries.map(({ MessageBody = '' }) => JSON.parse(MessageBody))).toEqual([
      { version: 8, drain: waits[0]?.drain },
      { version: 8, drain: noticeDrain },
    ]);
  });

  it.each([
    [0.001, 1],
    [10, 10],
    [10.2, 11],
    [0, 0],
    [-5, 0],
    [900, 900],
    [1_000, 900],
  ])('due in %f s is delayed by %i s: whole seconds, never early, as far as SQS allows', async (seconds, delay) => {
    const endpoint = await aws(taking());
    await continuationsAt(endpoint)([wait(0, seconds)]);
    expect(endpoint.inputsOf('SendMessageBatch')[0]?.Entries).toMatchObject([{ DelaySeconds: delay }]);
  });

  it('shares its call with nine others', async () => {
    const endpoint = await aws(taking());
    const waits = Array.from({ length: 25 }, (_, n) => wait(n + 1));
    expect(await continuationsAt(endpoint)(waits)).toEqual(Array(25).fill(undefined));
    expect(endpoint.inputsOf('SendMessageBatch').map(({ Entries }) => Entries?.length)).toEqual([10, 10, 5]);
    const sent = endpoint.inputsOf('SendMessageBatch').flatMap(({ Entries = [] }) => Entries);
    expect(sent.map(({ MessageBody = '' }) => JSON.parse(MessageBody).drain.action.instanceId)).toEqual(
      waits.map((each) => each.drain.action.instanceId),
    );
  });

  it('is not sent for where nothing waits', async () => {
    const endpoint = await aws({});
    expect(await continuationsAt(endpoint)([])).toEqual([]);
    expect(endpoint.actions).toEqual([]);
  });

  it('fails by whose fault it is, where SQS refuses it in a 200', async () => {
    const [odd, unexpected] = [
      { Code: 'InvalidMessageContents', Message: 'Too odd.', SenderFault: true },
      { Code: 'InternalError', Message: 'Unexpected.', SenderFault: false },
    ];
    const endpoint = await aws({
      SendMessageBatch: ({ Entries = [] }) => ({
        Successful: [],
        Failed: Entries.flatMap(({ Id, MessageBody = '' }) => {
          if (MessageBody.includes('i-00000000000000001')) return [{ Id, ...odd }];
          return MessageBody.includes('i-00000000000000002') ? [{ Id, ...unexpected }] : [];
        }),
      }),
    });
    const [fine, ours, theirs] = await continuationsAt(endpoint)([wait(), wait(1), wait(2)]);
    expect(fine).toBeUndefined();
    expect(ours).not.toBeInstanceOf(Unavailable);
    expect(ours?.message).toBe(
      'Could not send the continuation of i-00000000000000001 to the queue: InvalidMessageContents: Too odd.',
    );
    expect(theirs).toBeInstanceOf(Unavailable);
    expect(theirs?.message).toBe(
      'Could not send the continuation of i-00000000000000002 to the queue: InternalError: Unexpected.',
    );
  });

  it('is sent again where SQS refuses it for now, in a 200, and alone', async () => {
    const refused = { Id: '1', Code: 'ServiceUnavailable', Message: 'Later.', SenderFault: false };
    const endpoint = await aws({
      SendMessageBatch: [
        { Successful: [], Failed: [refused] },
        { Successful: [], Failed: [] },
      ],
    });
    expect(await continuationsAt(endpoint)([wait(), wait(1)])).toEqual([undefined, undefined]);
    expect(endpoint.inputsOf('SendMessageBatch').map(({ Entries }) => Entries?.length)).toEqual([2, 1]);
  });

  it('fails with its batch alone', async () => {
    const endpoint = await aws({
      SendMessageBatch: ({ Entries: entries = [] }) =>
        entries.length < 10 ? throttled : { Successful: [], Failed: [] },
    });
    const failures = await continuationsAt(endpoint)(Array.from({ length: 12 }, (_, n) => wait(n)));
    expect(failures.slice(0, 10)).toEqual(Array(10).fill(undefined));
    expect(failures.slice(10)).toEqual([expect.any(Unavailable), expect.any(Unavailable)]);
    expect(failures[10]?.message).toBe(
      'Could not send the continuation of i-00000000000000010 and 1 others to the queue: ThrottlingException: Rate exceeded',
    );
  });

  it('says which permission is missing', async () => {
    const endpoint = await aws({ SendMessageBatch: accessDenied('sqs:SendMessage') });
    const [failure] = await continuationsAt(endpoint)([wait()]);
    expect(failure?.message).toContain(
      `Could not send the continuation of ${INSTANCE_ID} to the queue: AccessDeniedException`,
    );
    expect(failure).not.toBeInstanceOf(Unavailable);
  });

  it('is not sent any more when the time of the invocation is up', async () => {
    const outOfTime = new AbortController();
    const endpoint = await aws({
      SendMessageBatch: () => {
        setImmediate(() => outOfTime.abort());
        return hang;
      },
    });
    expect(await continuationsAt(endpoint, outOfTime.signal)([wait()])).toEqual([expect.any(Unavailable)]);
    expect(endpoint.actions).toHaveLength(1);
  });
});

describe('an event that can never be handled', () => {
  const body = '{"source":"someone"}';
  const rejected = Object.assign(new Error('The event cannot be understood: detail is missing.'), {
    name: 'RejectedEvent',
  });
  const messages = ({ config }: AwsEndpoint) =>
    queueMessages(new SQSClient(config), { eventQueueUrl: EVENT_QUEUE_URL, deadLetterQueueUrl: QUEUE_URL });
  const reject = (endpoint: AwsEndpoint) => messages(endpoint).toDeadLetters(body, rejected);

  it('goes to the event queue once more as it came, marked as such', async () => {
    const endpoint = await aws({ SendMessage: { MessageId: '1', MD5OfMessageBody: md5(body) } });
    await messages(endpoint).again(body);
    const MessageAttributes = { [SENT_AGAIN]: { DataType: 'String', StringValue: 'true' } };
    expect(endpoint.inputsOf('SendMessage')).toEqual([
      { QueueUrl: EVENT_QUEUE_URL, MessageBody: body, MessageAttributes },
    ]);
  });

  it('goes to the dead-letter queue as it came, with the sentence that says why', async () => {
    const endpoint = await aws({ SendMessage: { MessageId: '1', MD5OfMessageBody: md5(body) } });
    await reject(endpoint);
    expect(endpoint.inputsOf('SendMessage')).toEqual([
      {
        QueueUrl: QUEUE_URL,
        MessageBody: body,
        MessageAttributes: {
          ERROR_CODE: { DataType: 'String', StringValue: 'RejectedEvent' },
          ERROR_MESSAGE: { DataType: 'String', StringValue: rejected.message },
        },
      },
    ]);
  });

  it('goes there without its sentence where SQS would not take both, facts 81 sqs-messages', async () => {
    const largest = 'x'.repeat(1_048_576);
    const endpoint = await aws({ SendMessage: { MessageId: '1', MD5OfMessageBody: md5(largest) } });
    await messages(endpoint).toDeadLetters(largest, rejected);
    expect(endpoint.inputsOf('SendMessage')).toEqual([{ QueueUrl: QUEUE_URL, MessageBody: largest }]);
  });

  it('is not lost in silence where the queue refuses it', async () => {
    const asked = reject(
      await aws({ SendMessage: fault('AWS.SimpleQueueService.NonExistentQueue', 'No such queue.') }),
    );
    await expect(asked).rejects.toThrow(/^Could not send an event to the dead-letter queue: /);
    await expect(reject(await aws({ SendMessage: throttled }))).rejects.toThrow(Unavailable);
  });
});
