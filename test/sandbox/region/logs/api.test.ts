import {
  CloudWatchLogsClient,
  DescribeLogGroupsCommand,
  DescribeLogStreamsCommand,
  FilterLogEventsCommand,
  GetLogEventsCommand,
} from '@aws-sdk/client-cloudwatch-logs';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { captureLogs } from '../../../../sandbox/logs.ts';
import type { LambdaModel } from '../../../../sandbox/region/lambda/model.ts';
import type { Region } from '../../../../sandbox/region/region.ts';
import { START_MS } from '../../start.ts';
import { clientOf, pass, regionOfTest } from '../clients.ts';

const logGroupName = '/aws/lambda/worker';

let region: Region;
let logs: CloudWatchLogsClient;
let worker: LambdaModel;
beforeEach(async () => {
  region = regionOfTest();
  onTestFinished(captureLogs(region.log));
  const load = () => async (event: unknown) => {
    process.stdout.write(`${(event as { line: string }).line}\n`);
  };
  worker = region.deploy({ name: 'worker', timeoutSeconds: 30, load });
  region.deploy({ name: 'idle', timeoutSeconds: 30, load });
  logs = new CloudWatchLogsClient(clientOf(region));
  for (const line of ['plain words', '{"level":"WARN","n":1}', '{"level":"INFO","n":2}']) {
    worker.invokeAsync({ line });
    await pass(region, 10);
  }
});

const filtered = async (input: object) => {
  const { events = [], nextToken } = await logs.send(new FilterLogEventsCommand({ logGroupName, ...input }));
  return { messages: events.map(({ message }) => message), nextToken };
};
const messages = async (input: object) => (await filtered(input)).messages;
const streams = async () => {
  const { logStreams = [] } = await logs.send(new DescribeLogStreamsCommand({ logGroupName }));
  return logStreams.map(({ logStreamName = '' }) => logStreamName);
};

describe('the logs of functions', () => {
  it('are found by pattern, time and stream, as they were written', async () => {
    expect(await messages({})).toEqual(['plain words', '{"level":"WARN","n":1}', '{"level":"INFO","n":2}']);
    expect(await messages({ filterPattern: '{ $.level = "WARN" }' })).toEqual(['{"level":"WARN","n":1}']);
    expect(await messages({ startTime: START_MS + 5_000, endTime: START_MS + 15_000 })).toHaveLength(1);
    expect(await messages({ logStreamNamePrefix: '2025' })).toEqual([]);
    expect(await messages({ logStreamNames: await streams() })).toHaveLength(3);
    const { events: [event] = [] } = await logs.send(new FilterLogEventsCommand({ logGroupName }));
    expect(event).toMatchObject({
      logStreamName: '2026/01/01/[$LATEST]00000000000000000000000000000001',
      timestamp: START_MS + 350, // the start was cold
      ingestionTime: START_MS + 350,
      eventId: expect.stringMatching(/^\d{56}$/),
    });
  });

  it('come in pages', async () => {
    const first = await filtered({ limit: 2 });
    expect(first.messages).toHaveLength(2);
    const rest = await filtered({ limit: 2, nextToken: first.nextToken });
    expect(rest).toEqual({ messages: ['{"level":"INFO","n":2}'], nextToken: undefined });
  });

  it('come the latest first, where that is asked for', async () => {
    const fromEnd = { startFromHead: false, startTime: START_MS };
    const first = await filtered({ ...fromEnd, limit: 2 });
    expect(first.messages).toEqual(['{"level":"INFO","n":2}', '{"level":"WARN","n":1}']);
    const rest = await filtered({ ...fromEnd, limit: 2, nextToken: first.nextToken });
    expect(rest).toEqual({ messages: ['plain words'], nextToken: undefined });
    await expect(filtered({ startFromHead: false })).rejects.toMatchObject({ name: 'InvalidParameterException' });
  });

  it('are in a stream for each container', async () => {
    expect(await streams()).toHaveLength(1);
    for (const line of ['a', 'b']) worker.invokeAsync({ line });
    await pass(region, 1);
    expect(await streams()).toHaveLength(2);
    const { logStreams = [] } = await logs.send(
      new DescribeLogStreamsCommand({ logGroupName, orderBy: 'LastEventTime', descending: true, limit: 1 }),
    );
    expect(logStreams).toMatchObject([
      { firstEventTimestamp: START_MS + 30_350, lastEventTimestamp: START_MS + 30_350 },
    ]);
  });

  it('are read from either end of a stream, page by page until the token stays', async () => {
    const [logStreamName = ''] = await streams();
    const get = async (input: object) => {
      const answer = await logs.send(new GetLogEventsCommand({ logGroupName, logStreamName, limit: 2, ...input }));
      return { ...answer, messages: answer.events?.map(({ message }) => message) };
    };
    const last = await get({});
    expect(last.messages).toEqual(['{"level":"WARN","n":1}', '{"level":"INFO","n":2}']);
    expect((await get({ nextToken: last.nextBackwardToken })).messages).toEqual(['plain words']);
    const first = await get({ startFromHead: true });
    expect(first.messages).toEqual(['plain words', '{"level":"WARN","n":1}']);
    const second = await get({ nextToken: first.nextForwardToken });
    expect(second.messages).toEqual(['{"level":"INFO","n":2}']);
    const end = await get({ nextToken: second.nextForwardToken });
    expect([end.messages, end.nextForwardToken]).toEqual([[], second.nextForwardToken]);
    expect((await get({ startTime: START_MS + 15_000, endTime: START_MS + 20_000 })).messages).toEqual([]);
    expect((await get({ startTime: START_MS + 15_000, endTime: START_MS + 20_001 })).messages).toHaveLength(1);
  });

  it('have a group each, which is there before the first line', async () => {
    const groups = async (input: object) =>
      (await logs.send(new DescribeLogGroupsCommand(input))).logGroups?.map(({ logGroupName }) => logGroupName);
    expect(await groups({})).toEqual(['/aws/lambda/idle', logGroupName]);
    expect(await groups({ logGroupNamePrefix: '/aws/lambda/w' })).toEqual([logGroupName]);
    expect(await groups({ logGroupNamePattern: 'IDL' })).toEqual(['/aws/lambda/idle']);
    const { logGroups } = await logs.send(new DescribeLogGroupsCommand({ logGroupNamePrefix: logGroupName }));
    const logGroupIdentifier = `arn:aws:logs:eu-west-1:123456789012:log-group:${logGroupName}`;
    expect(logGroups).toMatchObject([{ logGroupArn: logGroupIdentifier, creationTime: START_MS }]);
    const { events } = await logs.send(new FilterLogEventsCommand({ logGroupIdentifier }));
    expect(events).toHaveLength(3);
  });

  it('are forgotten with the other records', async () => {
    region.takeRecords();
    expect(await messages({})).toEqual([]);
  });

  it.each([
    [{ logGroupName: 'none' }, 'ResourceNotFoundException', 'The specified log group does not exist.'],
    [{ logStreamNames: ['none'] }, 'ResourceNotFoundException', 'The specified log stream does not exist.'],
    [{ logGroupIdentifier: 'x' }, 'InvalidParameterException', /^Exactly one of logGroupName/],
    [{ logStreamNames: ['a'], logStreamNamePrefix: 'a' }, 'InvalidParameterException', /mutually exclusive/],
    [{ filterPattern: 'a:b' }, 'InvalidParameterException', "Invalid character(s) in term ':'"],
    [{ nextToken: 'none' }, 'InvalidParameterException', 'The specified nextToken is invalid.'],
  ])('are refused for %j', async (input, name, message) => {
    await expect(messages(input)).rejects.toMatchObject({
      name,
      message: typeof message === 'string' ? message : expect.stringMatching(message),
    });
  });
});
