import { PublishCommand, SNSClient } from '@aws-sdk/client-sns';
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Handler } from '../../../../sandbox/region/lambda/model.ts';
import type { Region } from '../../../../sandbox/region/region.ts';
import { currentFiber, type Fiber } from '../../../../sandbox/region/time/virtual-time.ts';
import { START_MS } from '../../start.ts';
import { clientOf, pass as passIn, regionOfTest } from '../clients.ts';

let region: Region;
beforeEach(() => {
  region = regionOfTest();
});

const nowSeconds = () => (region.time.nowMs() - START_MS) / 1000;
const pass = (seconds: number) => passIn(region, seconds);
const sleep = (seconds: number) => (currentFiber.getStore() as Fiber).waitUntil(region.time.nowMs() + seconds * 1000);
const bodyIn = (event: unknown) => (event as { Records: [{ body: string }] }).Records[0].body;

function queueTo(handler: Handler, reservedConcurrency = 1) {
  const queue = region.createQueue({ name: 'work', visibilityTimeoutSeconds: 60, maxReceiveCount: 3 });
  const lambda = region.deploy({ name: 'worker', timeoutSeconds: 30, reservedConcurrency, load: () => handler });
  region.mapQueue(queue, lambda, { batchSize: 1, windowSeconds: 0, reportsItemFailures: false });
  return { queue, lambda };
}

const counted = () => Map.groupBy(region.calls, ({ operation }) => operation);

describe('an SQS queue', () => {
  it('reports the age of its oldest message, without those that are delayed or keep failing', async () => {
    const queue = region.createQueue({ name: 'work', visibilityTimeoutSeconds: 60, maxReceiveCount: 5 });
    expect(queue.oldestAgeSeconds).toBe(0);
    queue.send('first');
    queue.send('delayed', 600);
    await pass(50);
    expect(queue.oldestAgeSeconds).toBe(50);
    for (const seconds of [0, 60, 60]) {
      await pass(seconds);
      expect(queue.receive(10)).toMatchObject([{ body: 'first' }]);
    }
    queue.send('second');
    await pass(20);
    expect(queue.oldestAgeSeconds).toBe(20);
  });
});

describe('an SQS queue mapped to a function', () => {
  it('brings a message as soon as it can be seen, and deletes it when the function has succeeded', async () => {
    const seen: [second: number, body: string][] = [];
    const { queue } = queueTo(async (event) => seen.push([Math.floor(nowSeconds()), bodyIn(event)]));
    queue.send('now');
    queue.send('later', 60);
    await pass(300);
    expect(seen).toEqual([
      [0, 'now'],
      [60, 'later'],
    ]);
    expect(counted().get('DeleteMessage')).toHaveLength(2);
  });

  it('is polled all the time, in long polls that are calls too', async () => {
    queueTo(async () => {});
    await pass(59);
    expect(counted().get('ReceiveMessage')).toHaveLength(5 * 3);
  });

  it('shows a message again after its visibility timeout when the function fails, and at last puts it aside', async () => {
    const seconds: number[] = [];
    const { queue, lambda } = queueTo(async () => {
      seconds.push(Math.floor(nowSeconds()));
      throw new Error('broken');
    });
    queue.send('poison');
    await pass(600);
    expect(seconds).toEqual([0, 60, 120]);
    expect(queue.deadLetters).toEqual(['poison']);
    expect(lambda.deadLetters).toEqual([]); // Lambda's own retries are for those who do not wait
    expect(counted().get('DeleteMessage')).toBeUndefined();
  });

  it('waits for a function of reserved concurrency, and loses no message that fits into the visibility timeout', async () => {
    const { queue, lambda } = queueTo(() => sleep(2));
    for (let i = 0; i < 10; i++) queue.send(`${i}`);
    await pass(120);
    expect(lambda.peakConcurrency).toBe(1);
    expect(lambda.invocations.map(({ event }) => bodyIn(event)).sort()).toEqual([...'0123456789']);
  });

  it('puts messages aside that were throttled too often, though nothing is wrong with them', async () => {
    const { queue, lambda } = queueTo(() => sleep(29));
    for (let i = 0; i < 12; i++) queue.send(`${i}`);
    await pass(900);
    expect(queue.deadLetters.length).toBeGreaterThan(0);
    const handled = lambda.invocations.map(({ event }) => bodyIn(event));
    expect(new Set([...handled, ...queue.deadLetters]).size).toBe(12);
  });

  it('facts 8 loop-detection: is stopped when the function has sent its own next message 16 times, though each body is another', async () => {
    const { queue, lambda } = queueTo((event) => {
      const MessageBody = `${Number(bodyIn(event)) + 1}`;
      return sqs.send(new SendMessageCommand({ QueueUrl: queue.url, MessageBody, DelaySeconds: 60 }));
    });
    const sqs = new SQSClient(clientOf(region));
    queue.send('1');
    await pass(3_600);
    expect(lambda.invocations).toHaveLength(16);
    expect(queue.deadLetters).toEqual(['17']);
  });
});

describe('an SNS topic with a function', () => {
  it('facts 8 loop-detection: is stopped when the function has published its own next message 16 times', async () => {
    const lambda = region.deploy({
      name: 'worker',
      timeoutSeconds: 30,
      load: () => () => sns.send(new PublishCommand({ TopicArn: topic.arn, Message: 'again' })),
    });
    const sns = new SNSClient(clientOf(region));
    const topic = region.createTopic('work');
    topic.subscribe({ protocol: 'lambda', lambda });
    topic.publish({ message: 'first' });
    await pass(600);
    expect(lambda.invocations).toHaveLength(16);
    expect(counted().get('Publish')).toHaveLength(16);
  });
});
