import { once } from 'node:events';
import { connect } from 'node:net';
import { AutoScalingClient, CompleteLifecycleActionCommand } from '@aws-sdk/client-auto-scaling';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createRegion, type Region } from '../../../../sandbox/region/region.ts';
import { listen } from '../../../../sandbox/region/wire/http.ts';
import { START_MS } from '../../start.ts';

let ends: (() => void)[];
beforeEach(() => {
  ends = [];
});
afterEach(() => {
  for (const end of ends) end();
});

function regionWith(): Region {
  const region = createRegion({ startMs: START_MS, seed: 1 });
  region.ecs.createCluster('prod');
  return region;
}

describe('the wire', () => {
  const posted = async (region: Region, headers: Record<string, string>, body: string) => {
    const { url, close } = await listen(region.answer);
    ends.push(close);
    return fetch(url, { method: 'POST', headers, body });
  };
  const target = (name: string) => ({ 'x-amz-target': name });

  it.each([
    [
      'an operation that ECS does not have',
      target('AmazonEC2ContainerServiceV20141113.MakeTea'),
      '{}',
      'UnknownOperationException',
    ],
    [
      'an operation that JavaScript has',
      target('AmazonEC2ContainerServiceV20141113.constructor'),
      '{}',
      'UnknownOperationException',
    ],
    ['a service that is not there', target('DynamoDB_20120810.ListTables'), '{}', 'UnknownOperationException'],
    ['a body that is not JSON', target('AWSEvents.PutEvents'), '{', 'SerializationException'],
    ['a body that is no object', target('AWSEvents.PutEvents'), '[]', 'SerializationException'],
    [
      'a value of another type than AWS has there',
      target('AmazonEC2ContainerServiceV20141113.ListTasks'),
      '{"cluster":{"a":1}}',
      'SerializationException',
    ],
    [
      'a text in place of a list',
      target('AmazonEC2ContainerServiceV20141113.DescribeTasks'),
      '{"cluster":"prod","tasks":"all"}',
      'SerializationException',
    ],
  ])('answers %s as AWS does', async (_, headers, body, type) => {
    const response = await posted(regionWith(), headers, body);
    expect([response.status, await response.json()]).toMatchObject([400, { __type: type }]);
  });

  it.each([
    ['names.member.x', 'DescribeAutoScalingGroups', 'AutoScalingGroupNames.member.x=web', 'x is not a valid index'],
    ['names.member.0', 'DescribeAutoScalingGroups', 'AutoScalingGroupNames.member.0=web', '0 is not a valid index'],
    ['names.member.01', 'DescribeAutoScalingGroups', 'AutoScalingGroupNames.member.01=web', '01 is not a valid index'],
    ['names.1', 'DescribeAutoScalingGroups', 'AutoScalingGroupNames.1=web', 'Top level element may not be treated as'],
    ['filters', 'DescribeTags', 'Filters.member.1.Values.member.x=web', 'x is not a valid index'],
  ])('facts 107 query-lists: refuses a list whose items have no numbers: %s', async (_, action, list, message) => {
    const ask = async (parameters: string) => {
      const response = await posted(regionWith(), {}, `Action=${action}&Version=2011-01-01&${parameters}`);
      return [response.status, await response.text()];
    };
    const refused = [400, expect.stringContaining(`<Code>MalformedInput</Code><Message>${message}`)];
    expect(await ask(list)).toEqual(refused);
    expect(await ask('')).toEqual([200, expect.any(String)]);
  });

  it('facts 107 query-lists: does so in maps, and in the flat lists of EC2', async () => {
    const sns = 'Action=Publish&Version=2010-03-31&TopicArn=a&Message=b&MessageAttributes.entry.x.Name=n';
    const ec2 = 'Action=DescribeInstances&Version=2016-11-15&InstanceId.x=i-00000000000000001';
    for (const body of [sns, ec2]) {
      const response = await posted(regionWith(), {}, body);
      expect([response.status, await response.text()]).toEqual([
        400,
        expect.stringContaining('x is not a valid index'),
      ]);
    }
  });

  it('answers an action that Auto Scaling does not have as AWS does', async () => {
    const response = await posted(regionWith(), {}, 'Action=MakeTea&Version=2011-01-01');
    expect([response.status, await response.text()]).toEqual([
      400,
      expect.stringContaining('<Code>InvalidAction</Code>'),
    ]);
  });

  it.each([
    ['a path that EventBridge Scheduler does not have', 'GET', '/tea', undefined, 404, 'UnknownOperationException'],
    ['a method that the path does not have', 'DELETE', '/schedules', undefined, 404, 'UnknownOperationException'],
    ['a path that is no URL', 'GET', '//', undefined, 404, 'UnknownOperationException'],
    ['an operation that the Region does not know', 'GET', '/tags/arn', undefined, 400, 'UnknownOperationException'],
    ['a name that is not there', 'POST', '/schedules/', '{}', 400, 'ValidationException'],
    ['an invalid escape', 'GET', '/schedules/%zz', undefined, 400, 'ValidationException'],
    ['a REST body that is not JSON', 'POST', '/schedules/a', '{', 400, 'SerializationException'],
    ['a REST value of another type', 'POST', '/schedules/a', '{"Target":1}', 400, 'SerializationException'],
    ['a query of another type', 'GET', '/schedules?MaxResults=many', undefined, 400, 'SerializationException'],
    ['a query out of its range', 'GET', '/schedules?MaxResults=101', undefined, 400, 'ValidationException'],
  ])('answers %s as AWS does', async (_, method, path, body, status, type) => {
    const { url, close } = await listen(regionWith().answer);
    ends.push(close);
    const response = await fetch(`${url}${path}`, { method, ...(body !== undefined && { body }) });
    expect([response.status, response.headers.get('x-amzn-errortype'), await response.json()]).toEqual([
      status,
      type,
      { Message: expect.any(String) },
    ]);
  });

  it('goes on after a client that went away in the middle of its request', async () => {
    const region = regionWith();
    const { url, close } = await listen(region.answer);
    ends.push(close);
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname);
    socket.write('POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\n{"cluster":');
    await once(socket, 'ready');
    socket.destroy();
    const headers = target('AmazonEC2ContainerServiceV20141113.ListClusters');
    expect((await fetch(url, { method: 'POST', headers, body: '{}' })).status).toBe(200);
  });

  it('goes on after a request that made no sense', async () => {
    const region = regionWith();
    await posted(
      region,
      target('AmazonEC2ContainerServiceV20141113.ListTasks'),
      '{"cluster":{"a":1},"maxResults":"x"}',
    );
    const response = await posted(region, target('AmazonEC2ContainerServiceV20141113.ListClusters'), '{}');
    expect(await response.json()).toEqual({ clusterArns: ['arn:aws:ecs:eu-west-1:123456789012:cluster/prod'] });
  });
});

describe('what the Region is asked', () => {
  const ECS = 'AmazonEC2ContainerServiceV20141113';
  const asked = async (headers: Record<string, string>, body: string, path = '') => {
    const { url, close } = await listen(regionWith().answer);
    ends.push(close);
    return fetch(`${url}${path}`, { method: 'POST', headers, body });
  };

  it.each([
    ['a service and its operation', 'AmazonSQS.AddPermission', 'AddPermission of SQS is not part of the local Region'],
    ['an operation that AWS does not have', `${ECS}.MakeTea`, 'MakeTea of ECS is not one that AWS has'],
    ['a target of another service', 'DynamoDB_20120810.ListTables', 'the target DynamoDB_20120810.ListTables'],
  ])('names %s that it lacks', async (_, target, words) => {
    const answer = await asked({ 'x-amz-target': target }, '{}');
    expect(await answer.json()).toMatchObject({ message: expect.stringContaining(words) });
  });

  it('names the service that a signature is for', async () => {
    const authorization = 'AWS4-HMAC-SHA256 Credential=local/20260101/eu-west-1/rds/aws4_request, SignedHeaders=host';
    const answer = await asked({ authorization }, 'Action=DescribeDBInstances&Version=2014-10-31');
    expect(await answer.text()).toContain(
      'The service rds (the API version 2014-10-31) is not part of the local Region',
    );
  });

  it.each([
    ['ListTasks', { desiredStatus: 'running' }, 'enum value set: [RUNNING, PENDING, STOPPED]'],
    ['StopTask', {}, 'Task cannot be empty.'],
    ['UpdateContainerInstancesState', { containerInstances: ['a'], status: 'GONE' }, 'one of [ACTIVE, DRAINING]'],
    ['ListTasks', { desiredState: 'RUNNING' }, "AWS has no member 'desiredState' there"],
  ])('ECS refuses in its own manner: %s with %j', async (operation, input, words) => {
    const answer = await asked(
      { 'x-amz-target': `${ECS}.${operation}` },
      JSON.stringify({ cluster: 'prod', ...input }),
    );
    expect([answer.status, await answer.json()]).toEqual([
      400,
      { __type: 'InvalidParameterException', message: expect.stringContaining(words) },
    ]);
  });

  it('Auto Scaling refuses an invalid token for its length, and does not answer that the action is over', async () => {
    const { transport: requestHandler } = regionWith();
    const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
    const client = new AutoScalingClient({ region: 'eu-west-1', credentials, requestHandler, maxAttempts: 1 });
    const action = { AutoScalingGroupName: 'web', LifecycleHookName: 'drain', LifecycleActionResult: 'CONTINUE' };
    const complete = client.send(new CompleteLifecycleActionCommand({ ...action, LifecycleActionToken: 'none' }));
    await expect(complete).rejects.toMatchObject({
      name: 'ValidationError',
      message:
        "1 validation error detected: Value 'none' at 'lifecycleActionToken' failed to satisfy constraint: Member must have length greater than or equal to 36",
    });
  });

  it('lists all that is wrong, as AWS does', async () => {
    const complete = await asked(
      {},
      'Action=CompleteLifecycleAction&Version=2011-01-01&LifecycleActionResult=CONTINUE',
    );
    expect(await complete.text()).toContain(
      '2 validation errors detected: Value null at &apos;lifecycleHookName&apos; failed to satisfy constraint: Member must not be null; Value null at &apos;autoScalingGroupName&apos;',
    );
  });
});

describe('every answer', () => {
  it.each([
    ['JSON', { 'x-amz-target': 'AmazonEC2ContainerServiceV20141113.ListClusters' }, '{}'],
    ['a refusal in JSON', { 'x-amz-target': 'AmazonEC2ContainerServiceV20141113.MakeTea' }, '{}'],
    ['XML', {}, 'Action=DescribeAutoScalingGroups&Version=2011-01-01'],
    ['a refusal in XML', {}, 'Action=MakeTea&Version=2011-01-01'],
  ])('has an id of its request, in %s', async (_, headers, body) => {
    const { url, close } = await listen(regionWith().answer);
    ends.push(close);
    const answer = await fetch(url, { method: 'POST', headers, body });
    const id = answer.headers.get('x-amzn-requestid') ?? '';
    expect(id).toMatch(/^[0-9a-f-]{36}$/);
    if (body !== '{}') expect(await answer.text()).toContain(`<RequestId>${id}</RequestId>`);
  });
});
