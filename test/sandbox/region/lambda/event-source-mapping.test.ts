import { beforeEach, describe, expect, it } from 'vitest';
import { NO_FAULTS } from '../../../../sandbox/region/faults.ts';
import type { MappingSpec } from '../../../../sandbox/region/lambda/event-source-mapping.ts';
import type { FunctionSpec, Handler } from '../../../../sandbox/region/lambda/model.ts';
import type { Region } from '../../../../sandbox/region/region.ts';
import { currentFiber, type Fiber } from '../../../../sandbox/region/time/virtual-time.ts';
import { START_MS } from '../../start.ts';
import { pass as passIn, regionOfTest } from '../clients.ts';

let region: Region;
let repeatedMessages: number;
beforeEach(() => {
  repeatedMessages = 0;
  const faults = {
    ...NO_FAULTS,
    get repeatedMessages() {
      return repeatedMessages;
    },
  };
  region = regionOfTest({ faults });
});

const nowSeconds = () => (region.time.nowMs() - START_MS) / 1000;
const pass = (seconds: number) => passIn(region, seconds);
const sleep = (seconds: number) => (currentFiber.getStore() as Fiber).waitUntil(region.time.nowMs() + seconds * 1000);

interface Record {
  readonly messageId: string;
  readonly body: string;
}
const recordsIn = (event: unknown) => (event as { Records: Record[] }).Records;

const BATCHES: MappingSpec = { batchSize: 100, windowSeconds: 1, maximumConcurrency: 10, reportsItemFailures: true };

function mapped(handler: Handler, spec: Partial<MappingSpec> = {}, more: Partial<FunctionSpec> = {}) {
  const deadLetterQueue = region.createQueue({ name: 'dead', visibilityTimeoutSeconds: 30, maxReceiveCount: 1_000 });
  const queue = region.createQueue({
    name: 'work',
    visibilityTimeoutSeconds: 60,
    maxReceiveCount: 3,
    deadLetterQueue,
  });
  const lambda = region.deploy({ name: 'worker', timeoutSeconds: 30, load: () => handler, ...more });
  region.mapQueue(queue, lambda, { ...BATCHES, ...spec });
  return { queue, lambda, deadLetterQueue };
}

const send = (queue: ReturnType<typeof mapped>['queue'], count: number) => {
  for (let i = 0; i < count; i++) queue.send(`${i}`);
};

/** SQS's ids are UUIDs. */
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe('facts 89 queue-reading: messages of a queue', () => {
  it('come in batches: as many as arrive within the window', async () => {
    const batches: [second: number, size: number][] = [];
    const { queue } = mapped(async (event) => {
      batches.push([nowSeconds(), recordsIn(event).length]);
    });
    for (let i = 0; i < 40; i++) region.time.after(i * 0.02, () => void queue.send(`${i}`));
    await pass(60);
    expect(batches.length).toBeLessThanOrEqual(5);
    expect(batches.reduce((sum, [, size]) => sum + size, 0)).toBe(40);
    for (const [second] of batches) expect(second).toBeLessThan(2.2);
  });

  it('come at once where there is no window, and in batches that are full', async () => {
    const seconds: number[] = [];
    const { queue } = mapped(async () => void seconds.push(nowSeconds()), { batchSize: 1, windowSeconds: 0 });
    send(queue, 3);
    await pass(5);
    expect(seconds).toHaveLength(3);
    expect(Math.max(...seconds)).toBeLessThan(0.5);
  });

  it('have the fields that Lambda gives them', async () => {
    let event: unknown;
    const { queue } = mapped(async (each) => {
      event = each;
    });
    queue.send('hello', 0, { kind: 'greeting' });
    await pass(5);
    expect(recordsIn(event)).toEqual([
      {
        messageId: expect.stringMatching(UUID),
        receiptHandle: 'work-1/1',
        body: 'hello',
        attributes: {
          ApproximateReceiveCount: '1',
          SentTimestamp: String(START_MS),
          SenderId: '123456789012',
          ApproximateFirstReceiveTimestamp: String(START_MS),
        },
        messageAttributes: {
          kind: { dataType: 'String', stringValue: 'greeting', stringListValues: [], binaryListValues: [] },
        },
        md5OfBody: '5d41402abc4b2a76b9719d911017c592',
        eventSource: 'aws:sqs',
        eventSourceARN: 'arn:aws:sqs:eu-west-1:123456789012:work',
        awsRegion: 'eu-west-1',
      },
    ]);
  });

  it('run no more invocations than the maximum concurrency, and are throttled by nothing', async () => {
    const { queue, lambda } = mapped(() => sleep(5), { batchSize: 1, windowSeconds: 0, maximumConcurrency: 3 });
    send(queue, 30);
    await pass(300);
    expect(lambda.peakConcurrency).toBe(3);
    expect(lambda.invocations).toHaveLength(30);
  });

  it('are read by more pollers after a minute of backlog', async () => {
    const { queue, lambda } = mapped(() => sleep(25), { batchSize: 1, windowSeconds: 0, maximumConcurrency: 200 });
    send(queue, 400);
    await pass(59);
    expect(lambda.peakConcurrency).toBe(5);
    await pass(60);
    expect(lambda.peakConcurrency).toBe(200);
  });
});

describe('facts 89 queue-reading: of a batch', () => {
  it('only those come again that the function says have failed, and at last they are put aside', async () => {
    const seen: string[] = [];
    const { queue, deadLetterQueue } = mapped(async (event) => {
      seen.push(...recordsIn(event).map(({ body }) => body));
      const failed = recordsIn(event).filter(({ body }) => body === '1');
      return { batchItemFailures: failed.map(({ messageId }) => ({ itemIdentifier: messageId })) };
    });
    send(queue, 3);
    await pass(600);
    expect(seen.toSorted()).toEqual(['0', '1', '1', '1', '2']);
    expect(deadLetterQueue.receive(10).map(({ body }) => body)).toEqual(['1']);
  });

  it.each([
    ['an empty list', { batchItemFailures: [] }, 1],
    ['nothing', undefined, 1],
    ['an empty answer', {}, 1],
    ['a message that is not there', { batchItemFailures: [{ itemIdentifier: 'other' }] }, 3],
    ['a message without id', { batchItemFailures: [{ itemIdentifier: '' }] }, 3],
    ['no list', { batchItemFailures: 'all' }, 3],
    ['another answer', { failures: [] }, 3],
  ])('%s in the answer means that each is brought %#', async (_, answer, times) => {
    const { queue, lambda } = mapped(async () => answer);
    queue.send('one');
    await pass(600);
    expect(lambda.invocations).toHaveLength(times);
  });

  it('all come again where the function fails, or does not report its failures', async () => {
    let answers = 0;
    const { queue, lambda } = mapped(
      async (event) => {
        if (++answers <= 2) throw new Error('broken'); // one poller has the first message, another the second
        return { batchItemFailures: recordsIn(event).map(({ messageId }) => ({ itemIdentifier: messageId })) };
      },
      { reportsItemFailures: false },
    );
    send(queue, 2);
    await pass(300);
    expect(lambda.invocations.flatMap(({ event }) => recordsIn(event)).length).toBe(4);
  });
});

describe('facts 90 loops-allowed: a function that sends its own next message', () => {
  const looping = (recursiveLoop?: 'Allow') => {
    const { queue, lambda } = mapped(
      async () => void queue.send('again', 60),
      {},
      recursiveLoop === undefined ? {} : { recursiveLoop },
    );
    queue.send('first');
    return lambda;
  };

  it('is stopped after sixteen rounds', async () => {
    const lambda = looping();
    await pass(3_600);
    expect(lambda.invocations).toHaveLength(16);
  });

  it('goes on where its loops are allowed', async () => {
    const lambda = looping('Allow');
    await pass(3_600);
    expect(lambda.invocations.length).toBeGreaterThan(50);
  });
});

it.each([
  [
    'a queue whose messages are seen again before the function has ended',
    {},
    61,
    /visibility timeout: 60 .* 61 seconds$/,
  ],
  ['a batch of none', { batchSize: 0 }, 30, /between 1 and 10000/],
  ['a large batch without a window', { batchSize: 11, windowSeconds: 0 }, 30, /at least 1 second/],
  ['a window of more than five minutes', { windowSeconds: 301 }, 30, /between 0 and 300/],
  ['a concurrency of one', { maximumConcurrency: 1 }, 30, /between 2 and 1000/],
])('Lambda refuses %s', (_, spec, timeoutSeconds, message) => {
  expect(() => mapped(async () => {}, spec, { timeoutSeconds })).toThrow(message);
});

describe('a message that is delivered at least once', () => {
  it('comes again when its visibility timeout ends, though Lambda has deleted it', async () => {
    const seconds: number[] = [];
    const { queue, deadLetterQueue } = mapped(async () => {
      repeatedMessages = seconds.length === 0 ? 1 : 0;
      seconds.push(Math.floor(nowSeconds()));
    });
    send(queue, 1);
    await pass(200);
    expect(seconds).toHaveLength(2);
    expect(seconds[1]).toBeGreaterThanOrEqual(60);
    expect([queue.counts, deadLetterQueue.counts]).toEqual([EMPTY, EMPTY]);
  });

  const EMPTY = { visible: 0, inFlight: 0 };
});
