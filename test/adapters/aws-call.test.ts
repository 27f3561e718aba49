import { ECSClient, ListTasksCommand } from '@aws-sdk/client-ecs';
import { ConfiguredRetryStrategy } from '@smithy/core/retry';
import { describe, expect, it } from 'vitest';
import { awsCall, SDK_BOUNDS } from '../../src/adapters/aws-call.ts';
import { Unavailable } from '../../src/domain/ports.ts';
import { type AwsEndpoint, accessDenied, aws, badGateway, fault, hang, reset, stall, throttled } from './wire.ts';

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
    ['throttled', throttled, 'ThrottlingException: Rate exceeded'],
    [
      'an error inside the service',
      fault('ServerException', 'Service Unavailable. Please try again later.', 500),
      'ServerException',
    ],
    ['a gateway without a service', badGateway, ''],
    ['a connection that breaks', reset, ''],
  ])('is tried four times, then unavailable: %s', async (_, answer, reason) => {
    const endpoint = await aws({ ListTasks: answer });
    const error = await errorOf(listTasks(endpoint));
    expect(error).toBeInstanceOf(Unavailable);
    expect(error.name).toBe('Unavailable');
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

  it('is unavailable when nobody listens', async () => {
    const endpoint = await aws({});
    // Port 1 is nobody's.
    const error = await errorOf(listTasks(endpoint, { endpoint: 'http://127.0.0.1:1' }));
    expect(error).toBeInstanceOf(Unavailable);
    expect(error.message).toContain('ECONNREFUSED');
  });

  it.each([
    ['never comes', hang],
    ['stops half-way', stall],
  ])('does not wait for ever for an answer that %s', async (_, answer) => {
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

  it('keeps its own word where a call has found AWS unavailable already', async () => {
    const unavailable = new Unavailable('ECS lists a task but does not describe it.');
    expect(await errorOf(awsCall('list the tasks', () => Promise.reject(unavailable)))).toBe(unavailable);
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
  ])('is tried once, and is no matter of waiting: %s', async (_, answer) => {
    const endpoint = await aws({ ListTasks: answer });
    const error = await errorOf(listTasks(endpoint));
    expect(error).not.toBeInstanceOf(Unavailable);
    expect(error.cause).toBeInstanceOf(Error);
    expect(endpoint.actions).toHaveLength(1);
  });

  it('says what was tried and what AWS said', async () => {
    const endpoint = await aws({ ListTasks: fault('InvalidParameterException', 'Invalid token: abc') });
    const { message } = await errorOf(listTasks(endpoint));
    expect(message).toBe('Could not list the tasks: InvalidParameterException: Invalid token: abc');
  });

  it('says where a permission is granted', async () => {
    const endpoint = await aws({ ListTasks: accessDenied('ecs:ListTasks') });
    const { message } = await errorOf(listTasks(endpoint));
    expect(message).toContain('is not authorized to perform: ecs:ListTasks');
    expect(message).toContain("allows the ecs:ListTasks action. Grant the function's role this action");
  });

  it('says where a cluster is named', async () => {
    const endpoint = await aws({ ListTasks: fault('ClusterNotFoundException', 'See v1.2. Cluster not found.') });
    const { message } = await errorOf(listTasks(endpoint));
    expect(message).toContain('ClusterNotFoundException: See v1.2. Cluster not found. Mend the setting `cluster`');
    expect(message).toContain('NotificationMetadata');
  });

  it('passes on what is no error of AWS', async () => {
    await expect(awsCall('list the tasks', () => Promise.reject('a string'))).rejects.toBe('a string');
  });
});
