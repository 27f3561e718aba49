import {
  ListSubscriptionsByTopicCommand,
  ListTopicsCommand,
  PublishCommand,
  SNSClient,
  SubscribeCommand,
  UnsubscribeCommand,
} from '@aws-sdk/client-sns';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Region } from '../../../../sandbox/region/region.ts';
import type { QueueModel } from '../../../../sandbox/region/sqs/model.ts';
import { clientOf, pass, regionOfTest } from '../clients.ts';

const TopicArn = 'arn:aws:sns:eu-west-1:123456789012:hooks';
const QUEUE = 'arn:aws:sqs:eu-west-1:123456789012:work';
const FUNCTION = 'arn:aws:lambda:eu-west-1:123456789012:function:worker';

let region: Region;
let queue: QueueModel;
let events: unknown[];
let sns: SNSClient;
beforeEach(() => {
  region = regionOfTest();
  events = [];
  queue = region.createQueue({ name: 'work', visibilityTimeoutSeconds: 60, maxReceiveCount: 3 });
  region.deploy({ name: 'worker', timeoutSeconds: 30, load: () => async (event) => events.push(event) });
  region.createTopic('hooks');
  sns = new SNSClient(clientOf(region));
});

const subscribe = (input: object) => sns.send(new SubscribeCommand({ TopicArn, Protocol: 'sqs', ...input }));
const publish = (input: object) => sns.send(new PublishCommand({ TopicArn, Message: 'hello', ...input }));
const bodies = () => queue.receive(10).map(({ body }) => body);

describe('SNS on the wire', () => {
  it('brings a message to a function, as Lambda has it', async () => {
    const { SubscriptionArn } = await subscribe({ Protocol: 'lambda', Endpoint: FUNCTION });
    const MessageAttributes = { kind: { DataType: 'String', StringValue: 'drain' } };
    const { MessageId } = await publish({ Subject: 'greeting', MessageAttributes });
    await pass(region, 2);
    expect(events).toEqual([
      {
        Records: [
          {
            EventSource: 'aws:sns',
            EventVersion: '1.0',
            EventSubscriptionArn: SubscriptionArn,
            Sns: {
              Type: 'Notification',
              MessageId,
              TopicArn,
              Subject: 'greeting',
              Message: 'hello',
              Timestamp: '2026-01-01T00:00:00.000Z',
              MessageAttributes: { kind: { Type: 'String', Value: 'drain' } },
            },
          },
        ],
      },
    ]);
  });

  it('brings a message to a queue in its envelope, or as it is where raw delivery is asked for', async () => {
    await subscribe({ Endpoint: QUEUE });
    const { MessageId } = await publish({});
    await pass(region, 1);
    expect(bodies().map((body) => JSON.parse(body))).toEqual([
      { Type: 'Notification', MessageId, TopicArn, Message: 'hello', Timestamp: '2026-01-01T00:00:00.000Z' },
    ]);

    region.createTopic('raw');
    const raw = { TopicArn: TopicArn.replace('hooks', 'raw') };
    await subscribe({ ...raw, Endpoint: QUEUE, Attributes: { RawMessageDelivery: 'true' } });
    await publish(raw);
    await pass(region, 1);
    expect(bodies()).toEqual(['hello']);
  });

  it('gives each protocol its own text, where the message is JSON that says so', async () => {
    await subscribe({ Endpoint: QUEUE });
    await publish({ MessageStructure: 'json', Message: JSON.stringify({ default: 'd', sqs: 'for queues' }) });
    await publish({ MessageStructure: 'json', Message: JSON.stringify({ default: 'd', lambda: 'for functions' }) });
    await pass(region, 1);
    expect(bodies().map((body) => JSON.parse(body).Message)).toEqual(['for queues', 'd']);
  });

  it('lists topics and subscriptions in pages, and ends a subscription', async () => {
    for (let i = 0; i < 100; i++) region.createTopic(`topic-${i}`);
    const first = await sns.send(new ListTopicsCommand({}));
    const second = await sns.send(new ListTopicsCommand({ NextToken: first.NextToken }));
    expect([first.Topics?.length, second.Topics?.length, second.NextToken]).toEqual([100, 1, undefined]);
    await expect(sns.send(new ListTopicsCommand({ NextToken: 'none' }))).rejects.toMatchObject({
      name: 'InvalidParameterException',
      message: 'Invalid parameter: NextToken',
    });

    const { SubscriptionArn } = await subscribe({ Endpoint: QUEUE });
    expect((await subscribe({ Endpoint: QUEUE })).SubscriptionArn).toBe(SubscriptionArn);
    const list = async () => (await sns.send(new ListSubscriptionsByTopicCommand({ TopicArn }))).Subscriptions;
    expect(await list()).toEqual([
      { SubscriptionArn, Owner: '123456789012', Protocol: 'sqs', Endpoint: QUEUE, TopicArn },
    ]);
    await sns.send(new UnsubscribeCommand({ SubscriptionArn }));
    expect(await list()).toEqual([]);
  });

  it.each([
    [{ TopicArn: TopicArn.replace('hooks', 'none') }, 'NotFoundException', 'Topic does not exist'],
    [{ TopicArn: 'hooks' }, 'InvalidParameterException', 'Invalid parameter: TopicArn'],
    [{ Message: '' }, 'InvalidParameterException', 'Invalid parameter: Empty message'],
    [{ Message: 'x'.repeat(262_145) }, 'InvalidParameterException', 'Invalid parameter: Message too long'],
    [{ PhoneNumber: '+1', TopicArn: undefined }, 'InvalidParameterException', /phone number: name a TopicArn/],
    [{ MessageStructure: 'json' }, 'InvalidParameterException', /JSON message body failed to parse$/],
    [{ MessageStructure: 'json', Message: '{"sqs":"x"}' }, 'InvalidParameterException', /No default entry in JSON/],
    [
      { MessageAttributes: { a: { DataType: 'String' } } },
      'InvalidParameterValueException',
      /attribute 'a' must contain/,
    ],
  ])('refuses to publish what SNS refuses (%#)', async (input, name, message) => {
    await expect(publish(input)).rejects.toMatchObject({
      name,
      message: typeof message === 'string' ? message : expect.stringMatching(message),
    });
  });

  it.each([
    [
      { Protocol: 'email', Endpoint: 'a@b.example' },
      /does not know subscriptions of the protocol email: only lambda and sqs/,
    ],
    [{ Endpoint: `${QUEUE}-2` }, /does not know the endpoint .*work-2: no queue has this ARN/],
    [{ Endpoint: QUEUE, Attributes: { FilterPolicy: '{}' } }, /does not know the attribute FilterPolicy/],
  ])('says what it does not know of subscriptions (%#)', async (input, message) => {
    await expect(subscribe(input)).rejects.toThrow(message);
  });
});
