import { EventBridgeClient, PutEventsCommand, type PutEventsRequestEntry } from '@aws-sdk/client-eventbridge';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { createRegion, type Region } from '../../../../sandbox/region/region.ts';
import { listen } from '../../../../sandbox/region/wire/http.ts';
import { START_MS } from '../../start.ts';

const ENTRY = { Source: 'my.app', DetailType: 'Hello', Detail: '{"n":1}' };

let region: Region;
let client: EventBridgeClient;
let delivered: Record<string, unknown>[];

beforeEach(() => {
  region = createRegion({ startMs: START_MS, seed: 1 });
  client = new EventBridgeClient({
    region: 'eu-west-1',
    requestHandler: region.transport,
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    maxAttempts: 1,
  });
  delivered = [];
  region.eventBridge.putRule({
    name: 'all',
    pattern: { source: ['my.app', 'aws.autoscaling'] },
    target: (event) => delivered.push(event as Record<string, unknown>),
  });
});

const put = (...Entries: PutEventsRequestEntry[]) => client.send(new PutEventsCommand({ Entries }));

async function arrived() {
  region.time.after(10, () => {});
  await region.time.runUntil(() => region.time.nowMs() >= START_MS + 10_000);
  return delivered;
}

describe('PutEvents', () => {
  it('gives the event the id that it answers, and keeps its time', async () => {
    const Time = new Date('2026-01-01T12:34:56.789Z');
    const { Entries, FailedEntryCount } = await put({ ...ENTRY, Time }, ENTRY);
    expect(FailedEntryCount).toBe(0);
    const events = new Map((await arrived()).map((event) => [event['id'], event]));
    expect(Entries?.map(({ EventId }) => events.get(EventId)?.['time'])).toEqual([
      '2026-01-01T12:34:56Z',
      '2026-01-01T00:00:00Z',
    ]);
  });

  it('does so over HTTP too, as a queue behind a rule shows', async () => {
    const { url, close } = await listen(region.answer);
    onTestFinished(close);
    const queue = region.createQueue({ name: 'events', visibilityTimeoutSeconds: 30, maxReceiveCount: 3 });
    const target = (event: unknown) => queue.send(JSON.stringify(event));
    region.eventBridge.putRule({ name: 'to-queue', pattern: { source: ['my.app'] }, target });
    // biome-ignore lint/suspicious/noExplicitAny: each operation has an answer of its own.
    const post = async (operation: string, input: object): Promise<any> => {
      const headers = { 'x-amz-target': operation };
      return (await fetch(url, { method: 'POST', headers, body: JSON.stringify(input) })).json();
    };
    const Time = Date.parse('2025-12-31T23:00:00Z') / 1000;
    const { Entries } = await post('AWSEvents.PutEvents', { Entries: [{ ...ENTRY, Time }] });
    await arrived();
    const QueueUrl = 'https://sqs.eu-west-1.amazonaws.com/123456789012/events';
    const { Messages } = await post('AmazonSQS.ReceiveMessage', { QueueUrl });
    expect(Messages.map(({ Body }: { Body: string }) => JSON.parse(Body))).toEqual([
      expect.objectContaining({ id: Entries[0].EventId, time: '2025-12-31T23:00:00Z', source: 'my.app' }),
    ]);
  });

  it.each([
    ['Source', { ...ENTRY, Source: undefined }],
    ['Source', { ...ENTRY, Source: '' }],
    ['DetailType', { ...ENTRY, DetailType: undefined }],
    ['Detail', { ...ENTRY, Detail: undefined }],
  ])('refuses an entry without %s, and takes the others', async (name, entry) => {
    const { Entries, FailedEntryCount } = await put(entry, ENTRY);
    expect(FailedEntryCount).toBe(1);
    expect(Entries).toEqual([
      {
        ErrorCode: 'InvalidArgument',
        ErrorMessage: `Parameter ${name} is not valid. Reason: ${name} is a required argument.`,
      },
      { EventId: expect.any(String) },
    ]);
    expect(await arrived()).toHaveLength(1);
  });

  it('refuses an entry whose DetailType has more than 128 characters, and takes the others', async () => {
    const { Entries, FailedEntryCount } = await put({ ...ENTRY, DetailType: 'x'.repeat(129) }, ENTRY);
    expect(FailedEntryCount).toBe(1);
    expect(Entries).toEqual([
      {
        ErrorCode: 'InvalidArgument',
        ErrorMessage: 'Parameter DetailType is not valid. Reason: DetailType must be 128 characters or less.',
      },
      { EventId: expect.any(String) },
    ]);
    expect(await put({ ...ENTRY, DetailType: 'x'.repeat(128) })).toMatchObject({ FailedEntryCount: 0 });
    expect(await arrived()).toHaveLength(2);
  });

  it('facts 26 aws-source-refused: refuses an event from AWS', async () => {
    const { Entries } = await put({ ...ENTRY, Source: 'aws.autoscaling' });
    expect(Entries).toMatchObject([{ ErrorCode: 'NotAuthorizedForSourceException' }]);
    expect(await arrived()).toEqual([]);
  });

  it.each([
    ['no JSON', '{'],
    ['no object', '[1]'],
    ['nested without end', `${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}`],
  ])('refuses a detail that is %s', async (_, Detail) => {
    const { Entries } = await put({ ...ENTRY, Detail });
    expect(Entries).toEqual([{ ErrorCode: 'MalformedDetail', ErrorMessage: 'Detail is malformed.' }]);
  });

  it('facts 7 event-retries: publishes nothing of eleven entries, or of more than a megabyte', async () => {
    await expect(put(...Array.from({ length: 11 }, () => ENTRY))).rejects.toMatchObject({
      name: 'ValidationException',
      message: expect.stringMatching(
        /at 'entries' failed to satisfy constraint: Member must have length less than or equal to 10$/,
      ),
      $metadata: { httpStatusCode: 400 },
    });
    const Detail = JSON.stringify({ text: 'x'.repeat(600_000) });
    await expect(put({ ...ENTRY, Detail }, { ...ENTRY, Detail })).rejects.toMatchObject({
      name: 'ValidationException',
    });
    expect(await arrived()).toEqual([]);
  });

  it('drops what is meant for a bus that is not there, and says nothing of it', async () => {
    const answer = await put({ ...ENTRY, EventBusName: 'payments' });
    expect(answer).toMatchObject({ FailedEntryCount: 0, Entries: [{ EventId: expect.any(String) }] });
    expect(await arrived()).toEqual([]);
  });

  it('knows the default bus by its ARN, too', async () => {
    await put({ ...ENTRY, EventBusName: 'arn:aws:events:eu-west-1:123456789012:event-bus/default' });
    expect(await arrived()).toHaveLength(1);
  });
});
