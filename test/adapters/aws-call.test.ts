import { ECSClient, ListTasksCommand } from '@aws-sdk/client-ecs';
import { ConfiguredRetryStrategy } from '@smithy/core/retry';
import { describe, expect, it } from 'vitest';
import { AwsCallFailed, awsCall, HAND_OVER_BOUNDS, SDK_BOUNDS } from '../../src/adapters/aws-call.ts';
import { Unavailable } from '../../src/domain/ports.ts';
import { type AwsEndpoint, accessDenied, aws, badGateway, fault, hang, reset, stall, throttled } from './wire.ts';

/** The least that the setting `marginSeconds` may be. */
const SHORTEST_MARGIN_SECONDS = 20;

/** Lists tasks through `awsCall`, as the adapters do. */
function listTasks({ config }: AwsEndpoint, changes: object = {}, abortSignal?: AbortSignal) {
  const client = new ECSClient({ ...config, ...changes });
  const command = new ListTasksCommand({ cluster: 'prod' });
  return awsCall('list the tasks', () => client.send(command, abortSignal ? { abortSignal } : {}));
}

/** The error that a call ends with. */
async function errorOf(call: Promise<unknown>): Promise<Error> {
  const error = await call.then(
    () => new Error('the call succeeded'),
    (thrown: Error) => thrown,
  );
  return error;
}

/** The timeouts that the service ships, scaled to a test's patience. */
function shortened(bounds: Readonly<Record<string, number | boolean>>) {
  return Object.fromEntries(
    Object.entries(bounds).map(([name, bound]) => [name, typeof bound === 'number' ? bound / 20 : bound]),
  );
}

describe('a call that AWS cannot take now', () => {
  it.each([
    ['throttled', throttled, 'ThrottlingException: Rate exceeded', 'ThrottlingException'],
    [
      'an error inside the service',
      fault('ServerException', 'Service Unavailable. Please try again later.', 500),
      'ServerException',
      'ServerException',
    ],
    ['a gateway without a service', badGateway, '', expect.any(String)],
    ['a connection that breaks', reset, '', expect.any(String)],
  ])('is tried four times, then unavailable: %s', async (_, answer, reason, code) => {
    const endpoint = await aws({ ListTasks: answer });
    const error = await errorOf(listTasks(endpoint));
    expect(error).toBeInstanceOf(Unavailable);
    expect(error).toMatchObject({ name: 'Unavailable', attempted: 'list the tasks', code });
    expect(error.message).toContain('Could not list the tasks: ');
    expect(error.message).toContain(reason);
    expect(error.cause).toBeInstanceOf(Error);
    expect(endpoint.actions).toHaveLength(4);
  });

  it('is tried four times with the bounds that the service ships, the delays of the SDK between them', async () => {
    const endpoint = await aws({ ListTasks: fault('ServerException', 'Service Unavailable.', 500) });
    const { retryStrategy: _, ...asShipped } = endpoint.config;
    const error = await errorOf(listTasks({ ...endpoint, config: asShipped as AwsEndpoint['config'] }));
    expect(error).toBeInstanceOf(Unavailable);
    expect(endpoint.actions).toHaveLength(4);
  });

  it('is unavailable whatever the number of the server error, though the SDK does not try each again', async () => {
    const endpoint = await aws({ ListTasks: fault('ServerException', 'Insufficient storage.', 507) });
    expect(await errorOf(listTasks(endpoint))).toBeInstanceOf(Unavailable);
  });

  it('is unavailable when no one listens', async () => {
    const endpoint = await aws({});
    const error = await errorOf(listTasks(endpoint, { endpoint: 'http://127.0.0.1:1' }));
    expect(error).toBeInstanceOf(Unavailable);
    expect(error.message).toContain('ECONNREFUSED');
  });

  it.each([
    ['never comes', hang],
    ['stops half-way', stall],
  ])('does not wait forever for an answer that %s', async (_, answer) => {
    const endpoint = await aws({ ListTasks: answer });
    const requestHandler = shortened(SDK_BOUNDS.requestHandler);
    const retryStrategy = new ConfiguredRetryStrategy(1);
    const error = await errorOf(listTasks(endpoint, { requestHandler, retryStrategy }));
    expect(error).toBeInstanceOf(Unavailable);
    expect(error.message).toContain('TimeoutError');
  });

  it('passes when a later try succeeds', async () => {
    const endpoint = await aws({ ListTasks: [throttled, reset, badGateway, { taskArns: [] }] });
    await expect(listTasks(endpoint)).resolves.toMatchObject({ taskArns: [] });
  });

  it('keeps the error of a call inside it that has found AWS unavailable', async () => {
    const unavailable = new Unavailable('ECS lists a task but does not describe it.');
    expect(await errorOf(awsCall('list the tasks', () => Promise.reject(unavailable)))).toBe(unavailable);
  });

  it('to hand over is tried three times, in less than half of the shortest margin', async () => {
    const { maxAttempts, requestHandler } = HAND_OVER_BOUNDS;
    expect(maxAttempts * requestHandler.requestTimeout).toBeLessThan((1_000 * SHORTEST_MARGIN_SECONDS) / 2);
    const endpoint = await aws({ ListTasks: hang });
    const retryStrategy = new ConfiguredRetryStrategy(maxAttempts, () => 1);
    const error = await errorOf(listTasks(endpoint, { requestHandler: shortened(requestHandler), retryStrategy }));
    // By the client's count: on a busy machine a request may time out before the endpoint has seen it.
    expect(error.cause).toMatchObject({ $metadata: { attempts: 3 } });
  });
});

describe('a call whose time is up', () => {
  it('is not begun', async () => {
    const endpoint = await aws({ ListTasks: { taskArns: [] } });
    const error = await errorOf(listTasks(endpoint, {}, AbortSignal.abort()));
    expect(error).toBeInstanceOf(Unavailable);
    expect(endpoint.actions).toEqual([]);
  });

  it.each([
    ['no answer comes', hang],
    ['the answer stops half-way', stall],
  ])('ends there though %s', async (_, answer) => {
    const outOfTime = new AbortController();
    const endpoint = await aws({
      ListTasks: () => {
        setImmediate(() => outOfTime.abort());
        return answer;
      },
    });
    expect(await errorOf(listTasks(endpoint, {}, outOfTime.signal))).toBeInstanceOf(Unavailable);
    expect(endpoint.actions).toHaveLength(1);
  });

  it('ends there though a retry is due later', async () => {
    const outOfTime = new AbortController();
    const endpoint = await aws({
      ListTasks: () => {
        setImmediate(() => outOfTime.abort());
        return throttled;
      },
    });
    const retryStrategy = new ConfiguredRetryStrategy(SDK_BOUNDS.maxAttempts, () => 60_000);
    expect(await errorOf(listTasks(endpoint, { retryStrategy }, outOfTime.signal))).toBeInstanceOf(Unavailable);
    expect(endpoint.actions).toHaveLength(1);
  });
});

describe('a call that cannot succeed', () => {
  it.each([
    ['a mistake of ours', fault('InvalidParameterException', 'Invalid identifier: Identifier is for cluster staging.')],
    ['no such cluster', fault('ClusterNotFoundException', 'Cluster not found.')],
    ['no permission', accessDenied('ecs:ListTasks')],
  ])('is tried once, and does not become possible by waiting: %s', async (_, answer) => {
    const endpoint = await aws({ ListTasks: answer });
    const error = await errorOf(listTasks(endpoint));
    expect(error).not.toBeInstanceOf(Unavailable);
    expect(error).toBeInstanceOf(AwsCallFailed);
    expect(error.cause).toBeInstanceOf(Error);
    expect(endpoint.actions).toHaveLength(1);
  });

  it('says what was attempted and what AWS said, for people and as fields', async () => {
    const endpoint = await aws({ ListTasks: fault('InvalidParameterException', 'Invalid token: abc.') });
    expect(await errorOf(listTasks(endpoint))).toMatchObject({
      name: 'AwsCallFailed',
      message: 'Could not list the tasks: InvalidParameterException: Invalid token: abc.',
      attempted: 'list the tasks',
      code: 'InvalidParameterException',
    });
  });

  it('says where a permission is granted', async () => {
    const endpoint = await aws({ ListTasks: accessDenied('ecs:ListTasks') });
    const { message } = await errorOf(listTasks(endpoint));
    expect(message).toContain('is not authorized to perform: ecs:ListTasks');
    expect(message).toContain("allows the ecs:ListTasks action. Grant the function's role this action");
  });

  it.each(['AccessDenied', 'UnauthorizedOperation', 'NotAuthorizedForSourceException'])(
    'says so for every code that means it: %s',
    async (code) => {
      const endpoint = await aws({ ListTasks: fault(code, 'No.') });
      expect((await errorOf(listTasks(endpoint))).message).toContain('No. Grant the function');
    },
  );

  it('does not take another code that contains those words for a missing permission', async () => {
    const endpoint = await aws({ ListTasks: fault('NetworkAccessDenied', 'No.') });
    expect((await errorOf(listTasks(endpoint))).message).toBe('Could not list the tasks: NetworkAccessDenied: No.');
  });

  it('says where a cluster is named', async () => {
    const endpoint = await aws({ ListTasks: fault('ClusterNotFoundException', 'See v1.2. Cluster not found.') });
    const { message } = await errorOf(listTasks(endpoint));
    expect(message).toContain('ClusterNotFoundException: See v1.2. Cluster not found. Correct the setting `cluster`');
    expect(message).toContain('NotificationMetadata');
  });

  it('keeps the error of a call inside it that has failed', async () => {
    const failed = new AwsCallFailed('describe the tasks', new Error('No.'));
    expect(await errorOf(awsCall('list the tasks', () => Promise.reject(failed)))).toBe(failed);
  });

  it('passes on what is no error', async () => {
    await expect(awsCall('list the tasks', () => Promise.reject('a string'))).rejects.toBe('a string');
  });
});
