import {
  GetFunctionCommand,
  GetFunctionConcurrencyCommand,
  GetFunctionConfigurationCommand,
  GetFunctionRecursionConfigCommand,
  InvokeCommand,
  type InvokeCommandInput,
  LambdaClient,
  ListEventSourceMappingsCommand,
  ListFunctionsCommand,
} from '@aws-sdk/client-lambda';
import { beforeEach, describe, expect, it } from 'vitest';
import type { FunctionSpec } from '../../../../sandbox/region/lambda/model.ts';
import type { Region } from '../../../../sandbox/region/region.ts';
import { clientOf, inRegion, pass, regionOfTest, seconds } from '../clients.ts';

const ARN = 'arn:aws:lambda:eu-west-1:123456789012:function:echo';

let region: Region;
let lambda: LambdaClient;
let events: unknown[];
beforeEach(() => {
  region = regionOfTest();
  lambda = new LambdaClient(clientOf(region));
  events = [];
  deploy({ name: 'echo', runtime: 'nodejs22.x', handler: 'src/echo.handler', reservedConcurrency: 1 });
});

/** A function that sleeps as long as its event says, and returns the event or throws what it says. */
function deploy(spec: Partial<FunctionSpec>) {
  return region.deploy({
    name: 'other',
    timeoutSeconds: 10,
    load: (clock) => async (event) => {
      events.push(event);
      const { sleep = 0, fail } = event as { sleep?: number; fail?: string };
      await clock.sleepUntil(clock.nowMs() + sleep * 1000);
      if (fail !== undefined) throw new Error(fail);
      return event;
    },
    ...spec,
  });
}

const invocation = (input: Partial<InvokeCommandInput>, event: unknown = {}) =>
  new InvokeCommand({ FunctionName: 'echo', Payload: JSON.stringify(event), ...input });
const invoke = async (event: unknown) => {
  const { Payload, $metadata, ...answer } = await inRegion(region, () => lambda.send(invocation({}, event)));
  return { ...answer, payload: JSON.parse(Payload?.transformToString() ?? '') };
};

describe('an invocation that is waited for', () => {
  it('runs in virtual time, and answers what the function returns', async () => {
    expect(await invoke({ sleep: 5, text: 'grüße' })).toEqual({
      StatusCode: 200,
      ExecutedVersion: '$LATEST',
      payload: { sleep: 5, text: 'grüße' },
    });
    expect(seconds(region)).toBeGreaterThan(5);
    expect(seconds(region)).toBeLessThan(6);
  });

  it('facts 85 invoke-answers: answers what the function throws with status 200, and says that it is an error', async () => {
    expect(await invoke({ fail: 'no' })).toEqual({
      StatusCode: 200,
      FunctionError: 'Unhandled',
      ExecutedVersion: '$LATEST',
      payload: { errorType: 'Error', errorMessage: 'no' },
    });
    expect(await invoke({ sleep: 60 })).toMatchObject({
      FunctionError: 'Unhandled',
      payload: { errorType: 'Sandbox.Timedout', errorMessage: 'Task timed out after 10 seconds' },
    });
    await pass(region, 600);
    expect(events).toHaveLength(2); // whoever waits tries again, not Lambda
  });

  it('is refused when no more may run at once', async () => {
    region.time.after(2, () => {
      region.time.start(async () => {
        await lambda.send(invocation({})).catch(({ name, message }) => events.push({ name, message }));
      });
    });
    await invoke({ sleep: 5 });
    expect(events).toMatchObject([{ sleep: 5 }, { name: 'TooManyRequestsException', message: 'Rate Exceeded.' }]);
  });

  it('may be of a function by another, which waits meanwhile', async () => {
    deploy({ name: 'caller', load: () => async () => (await lambda.send(invocation({}, { sleep: 3 }))).StatusCode });
    const { Payload } = await inRegion(region, () => lambda.send(invocation({ FunctionName: 'caller' })));
    expect(Payload?.transformToString()).toBe('200');
    expect(seconds(region)).toBeGreaterThan(3);
  });
});

describe('another invocation', () => {
  it('is answered at once and without a body for the types Event and DryRun', async () => {
    const answerTo = (type: string, n: number) =>
      region.answer({
        method: 'POST',
        path: '/2015-03-31/functions/echo/invocations',
        query: new URLSearchParams(),
        headers: { 'x-amz-invocation-type': type },
        body: JSON.stringify({ n }),
      });
    expect(answerTo('Event', 1)).toMatchObject({ status: 202, body: '' });
    expect(answerTo('DryRun', 2)).toMatchObject({ status: 204, body: '' });
    await pass(region, 5);
    expect(events).toEqual([{ n: 1 }]);
  });

  it.each([
    ['Event', 1_048_577, 'limit 1048576 bytes'],
    ['RequestResponse', 6_291_457, 'limit 6291456 bytes'],
  ] as const)('is refused if it is too large: %s', async (InvocationType, bytes, message) => {
    const Payload = JSON.stringify('x'.repeat(bytes - 2));
    await expect(lambda.send(invocation({ InvocationType, Payload }))).rejects.toMatchObject({
      name: 'RequestTooLargeException',
      message: expect.stringContaining(message),
      $metadata: { httpStatusCode: 413 },
    });
  });

  it('is refused if its payload is not JSON', async () => {
    await expect(lambda.send(invocation({ Payload: '{' }))).rejects.toMatchObject({
      name: 'InvalidRequestContentException',
    });
  });
});

describe('the name of a function', () => {
  const found = async (FunctionName: string, Qualifier?: string) =>
    (await lambda.send(new GetFunctionConfigurationCommand({ FunctionName, Qualifier }))).FunctionArn;

  it.each(['echo', 'echo:$LATEST', ARN, `${ARN}:$LATEST`, '123456789012:function:echo', '123456789012:echo'])(
    'may be %s',
    async (name) => expect(await found(name)).toBe(ARN),
  );

  it.each([
    ['none', undefined, `Function not found: ${ARN.replace('echo', 'none')}`],
    ['echo:live', undefined, `Function not found: ${ARN}:live`],
    ['echo', '7', `Function not found: ${ARN}:7`],
    [ARN.replace('eu-west-1', 'us-east-1'), undefined, /^Functions from 'us-east-1' are not reachable in this region/],
    [ARN.replace('123456789012', '210987654321'), undefined, /^Function not found: .*210987654321/],
    ['echo:$LATEST', '7', /^The derived qualifier from the function name does not match/],
  ])('is refused: %s %s', async (name, qualifier, message) => {
    await expect(found(name, qualifier)).rejects.toThrow(message);
  });
});

describe('what Lambda says about functions', () => {
  it('is the configuration with its runtime and handler, and the reserved concurrency', async () => {
    const { Configuration, Concurrency } = await lambda.send(new GetFunctionCommand({ FunctionName: 'echo' }));
    expect(Configuration).toMatchObject({
      FunctionName: 'echo',
      Runtime: 'nodejs22.x',
      Handler: 'src/echo.handler',
      Timeout: 10,
      LoggingConfig: { LogGroup: '/aws/lambda/echo' },
    });
    expect(Concurrency).toEqual({ ReservedConcurrentExecutions: 1 });
    const concurrency = await lambda.send(new GetFunctionConcurrencyCommand({ FunctionName: 'echo' }));
    expect(concurrency.ReservedConcurrentExecutions).toBe(1);
    deploy({});
    const none = await lambda.send(new GetFunctionConcurrencyCommand({ FunctionName: 'other' }));
    expect(none.ReservedConcurrentExecutions).toBeUndefined();
  });

  it('is whether it may invoke itself through a queue again and again', async () => {
    const read = async (FunctionName: string) =>
      (await lambda.send(new GetFunctionRecursionConfigCommand({ FunctionName }))).RecursiveLoop;
    deploy({ recursiveLoop: 'Allow' });
    expect([await read('other'), await read('echo')]).toEqual(['Allow', 'Terminate']);
  });

  it('is all functions in pages of fifty, each once', async () => {
    for (let i = 0; i < 50; i++) deploy({ name: `f${i}` });
    deploy({ name: 'f1', timeoutSeconds: 7 });
    const first = await lambda.send(new ListFunctionsCommand({}));
    const rest = await lambda.send(new ListFunctionsCommand({ Marker: first.NextMarker }));
    expect([first.Functions?.length, rest.Functions?.length, rest.NextMarker]).toEqual([50, 1, undefined]);
    expect(first.Functions?.find(({ FunctionName }) => FunctionName === 'f1')?.Timeout).toBe(7);
    await expect(lambda.send(new ListFunctionsCommand({ Marker: 'none' }))).rejects.toThrow('Invalid pagination token');
  });

  it('is the queues that are mapped to a function', async () => {
    const queue = region.createQueue({ name: 'work', visibilityTimeoutSeconds: 60, maxReceiveCount: 3 });
    const spec = { batchSize: 10, windowSeconds: 1, maximumConcurrency: 2, reportsItemFailures: true };
    region.mapQueue(queue, deploy({}), spec);
    const list = async (input: object) =>
      (await lambda.send(new ListEventSourceMappingsCommand(input))).EventSourceMappings;
    const mapping = {
      EventSourceArn: queue.arn,
      FunctionArn: ARN.replace('echo', 'other'),
      State: 'Enabled',
      BatchSize: 10,
      MaximumBatchingWindowInSeconds: 1,
      ScalingConfig: { MaximumConcurrency: 2 },
      FunctionResponseTypes: ['ReportBatchItemFailures'],
    };
    expect(await list({})).toMatchObject([mapping]);
    expect(await list({ FunctionName: 'other', EventSourceArn: queue.arn })).toMatchObject([mapping]);
    expect(await list({ FunctionName: 'echo' })).toEqual([]);
  });
});
