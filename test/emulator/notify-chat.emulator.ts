import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  CloudFormationClient,
  CreateStackCommand,
  DescribeStacksCommand,
  waitUntilStackCreateComplete,
} from '@aws-sdk/client-cloudformation';
import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import { SNSClient, SubscribeCommand } from '@aws-sdk/client-sns';
import { CreateQueueCommand, GetQueueAttributesCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { eventBridgePublisher } from '../../src/adapters/event-bridge.ts';
import { drain, noticeDrain, supervisedDrain } from '../adapters/samples.ts';
import { EVENTS, LETTERS, notificationSchema, OUTCOMES } from '../deploy/notifications.ts';
import { type Emulator, install, start } from './ministack.ts';

const TEMPLATE = join(import.meta.dirname, '../../examples/notify-chat/template.yaml');
const StackName = 'drain-chat';

const missing = await install();
if (missing) console.warn(`Skipped: ${missing}.`);

describe.skipIf(missing)('the stack of examples/notify-chat', () => {
  let emulator: Emulator;
  beforeAll(async () => {
    emulator = await start({}, { asItIs: true });
  });
  afterAll(() => emulator.stop());

  it('makes notifications of what the service publishes: a thread for each drain', async () => {
    const config = {
      region: 'eu-west-1',
      endpoint: emulator.env.AWS_ENDPOINT_URL,
      credentials: { accessKeyId: '123456789012', secretAccessKey: 'local' },
    };
    const QueueUrl = await queueOfTopic(config, await createdTopic(config));

    const publisher = eventBridgePublisher(new EventBridgeClient(config), 'ecs-drain.main', false);
    const failures = [await publisher.publish(EVENTS), await publisher.publishDeadLetters(LETTERS)].flat();
    expect(failures.filter(Boolean)).toEqual([]);

    const threadIds = [drain.action.token, supervisedDrain.action.token, noticeDrain.notice.token].flatMap((id) =>
      Array(1 + OUTCOMES.length).fill(id),
    );
    const expected = [...threadIds, 'drain-1', 'drain-1', 'message-1', 'message-1'];
    const sqs = new SQSClient(config);
    const bodies: string[] = [];
    await vi.waitFor(
      async () => {
        const { Messages = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }));
        bodies.push(...Messages.map(({ Body = '' }) => Body));
        expect(bodies.length).toBeGreaterThanOrEqual(expected.length);
      },
      { timeout: 20_000, interval: 50 },
    );
    const threads = bodies.map((body) => v.parse(notificationSchema, JSON.parse(body)).metadata?.threadId);
    expect(threads.toSorted()).toEqual(expected.toSorted());
  });
});

type Config = ConstructorParameters<typeof SQSClient>[0] & object;

/** The topic of the stack, without a channel: the emulator has no chat. */
async function createdTopic(config: Config): Promise<string> {
  const client = new CloudFormationClient(config);
  const TemplateBody = readFileSync(TEMPLATE, 'utf8');
  await client.send(new CreateStackCommand({ StackName, TemplateBody, Capabilities: ['CAPABILITY_IAM'] }));
  await waitUntilStackCreateComplete({ client, maxWaitTime: 60, minDelay: 1, maxDelay: 1 }, { StackName });
  const { Stacks: [stack] = [] } = await client.send(new DescribeStacksCommand({ StackName }));
  const topic = stack?.Outputs?.find(({ OutputKey }) => OutputKey === 'TopicArn')?.OutputValue;
  if (!topic) throw new Error(`The stack has no output TopicArn: ${JSON.stringify(stack)}`);
  return topic;
}

/** A queue that gets the topic's messages as they are. */
async function queueOfTopic(config: Config, TopicArn: string): Promise<string> {
  const sqs = new SQSClient(config);
  const { QueueUrl = '' } = await sqs.send(new CreateQueueCommand({ QueueName: 'chat' }));
  const { Attributes } = await sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['QueueArn'] }));
  await new SNSClient(config).send(
    new SubscribeCommand({
      TopicArn,
      Protocol: 'sqs',
      Endpoint: Attributes?.['QueueArn'],
      Attributes: { RawMessageDelivery: 'true' },
    }),
  );
  return QueueUrl;
}
