import { beforeEach, describe, expect, it } from 'vitest';
import { NO_FAULTS } from '../../../../sandbox/region/faults.ts';
import type { Region } from '../../../../sandbox/region/region.ts';
import type { QueueModel } from '../../../../sandbox/region/sqs/model.ts';
import { pass as passIn, regionOfTest } from '../clients.ts';

const QueueUrl = 'https://sqs.eu-west-1.amazonaws.com/123456789012/dead-letters';

interface Received {
  readonly Messages?: { readonly Body: string; readonly ReceiptHandle: string; readonly MessageAttributes?: object }[];
}

let region: Region;
let queue: QueueModel;
let refusedDeliveries: number;

beforeEach(() => {
  refusedDeliveries = 0;
  const faults = {
    ...NO_FAULTS,
    get refusedDeliveries() {
      return refusedDeliveries;
    },
  };
  region = regionOfTest({ faults });
  queue = region.createQueue({ name: 'dead-letters', visibilityTimeoutSeconds: 30, maxReceiveCount: Infinity });
});

const pass = (seconds: number) => passIn(region, seconds);
const ask = (operation: string, input: object) => region.ask('sqs', operation, { QueueUrl, ...input });
const receive = (input: object = {}) =>
  (ask('ReceiveMessage', { MaxNumberOfMessages: 10, ...input }) as Received).Messages ?? [];
const AttributeNames = ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'];
const counts = () => (ask('GetQueueAttributes', { AttributeNames }) as { Attributes: object }).Attributes;

describe('a dead letter', () => {
  it('of Lambda is a record with the event, and how and how often it failed', async () => {
    const onFailure = { arn: 'arn', send: (record: object) => queue.send(JSON.stringify(record)) };
    const fail = async () => {
      throw new Error('broken');
    };
    region.deploy({ name: 'drain', timeoutSeconds: 30, onFailure, load: () => fail }).invokeAsync({ n: 1 });
    await pass(600);
    expect(receive().map(({ Body }) => JSON.parse(Body))).toMatchObject([
      {
        requestContext: {
          condition: 'RetriesExhausted',
          approximateInvokeCount: 3,
          functionArn: 'arn:aws:lambda:eu-west-1:123456789012:function:drain:$LATEST',
        },
        requestPayload: { n: 1 },
        responseContext: { functionError: 'Unhandled' },
        responsePayload: { errorMessage: 'broken' },
      },
    ]);
  });

  it('of EventBridge is the event itself, and why it was not delivered is in the attributes', async () => {
    refusedDeliveries = 1;
    region.eventBridge.putRule({
      name: 'all',
      pattern: { source: ['mine'] },
      target: () => {},
      retryPolicy: { maximumEventAgeSeconds: 3_600, maximumRetryAttempts: 2 },
      deadLetterQueue: (event, attributes) => queue.send(JSON.stringify(event), 0, attributes),
    });
    region.eventBridge.publish({ source: 'mine', 'detail-type': 'News', resources: [], detail: { n: 1 } });
    await pass(600);
    const [message] = receive({ MessageAttributeNames: ['All'] });
    expect(JSON.parse(message?.Body ?? '')).toMatchObject({ source: 'mine', detail: { n: 1 } });
    expect(message?.MessageAttributes).toMatchObject({
      RULE_ARN: { StringValue: 'arn:aws:events:eu-west-1:123456789012:rule/all' },
      EXHAUSTED_RETRY_CONDITION: { StringValue: 'MaximumRetryAttempts' },
      RETRY_ATTEMPTS: { StringValue: '2' },
    });
  });
});

describe('the SQS API', () => {
  beforeEach(async () => {
    queue.send('one');
    await pass(1);
  });

  it('hides what it hands out, and shows it again after the time that was asked for', async () => {
    expect(receive({ VisibilityTimeout: 60 })).toMatchObject([{ Body: 'one' }]);
    expect(receive()).toEqual([]);
    expect(counts()).toEqual({ ApproximateNumberOfMessages: '0', ApproximateNumberOfMessagesNotVisible: '1' });
    await pass(59);
    expect(receive()).toEqual([]);
    await pass(2);
    expect(receive()).toMatchObject([{ Body: 'one' }]);
  });

  it('shows a message at once whose visibility timeout is set to 0', () => {
    const [{ ReceiptHandle } = { ReceiptHandle: '' }] = receive();
    ask('ChangeMessageVisibility', { ReceiptHandle, VisibilityTimeout: 0 });
    expect(receive()).toMatchObject([{ Body: 'one' }]);
    expect(() => ask('ChangeMessageVisibility', { ReceiptHandle, VisibilityTimeout: 0 })).toThrow('not in flight');
  });

  it('deletes by the newest receipt handle alone', async () => {
    const [{ ReceiptHandle: old } = { ReceiptHandle: '' }] = receive();
    await pass(31);
    const [{ ReceiptHandle } = { ReceiptHandle: '' }] = receive();
    ask('DeleteMessage', { ReceiptHandle: old });
    expect(counts()).toMatchObject({ ApproximateNumberOfMessagesNotVisible: '1' });
    ask('DeleteMessage', { ReceiptHandle });
    await pass(60);
    expect(counts()).toEqual({ ApproximateNumberOfMessages: '0', ApproximateNumberOfMessagesNotVisible: '0' });
  });

  it('refuses what SQS refuses', () => {
    expect(() => receive({ MaxNumberOfMessages: 11 })).toThrow('Must be between 1 and 10');
    expect(() => receive({ QueueUrl: 'https://sqs/none' })).toThrow('The specified queue does not exist.');
  });
});

describe('the Lambda API', () => {
  const ask = (operation: string, input: object) => region.ask('lambda', operation, input);

  it('says of a function without a destination that it has no configuration of its failures', () => {
    region.deploy({ name: 'drain', timeoutSeconds: 30, load: () => async () => {} });
    expect(() => ask('GetFunctionEventInvokeConfig', { FunctionName: 'drain' })).toThrow(
      "doesn't have an EventInvokeConfig",
    );
  });

  it('refuses what Lambda refuses', () => {
    region.deploy({ name: 'drain', timeoutSeconds: 30, load: () => async () => {} });
    const invoke = (Payload: string) => ask('Invoke', { FunctionName: 'drain', InvocationType: 'Event', Payload });
    expect(() => invoke('{')).toThrow('Could not parse request body into json.');
    expect(() => invoke(JSON.stringify('x'.repeat(1024 * 1024)))).toThrow('payload is too large');
    expect(() => ask('Invoke', { FunctionName: 'none', InvocationType: 'Event' })).toThrow('Function not found');
  });
});
