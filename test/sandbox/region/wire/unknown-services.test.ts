import { cbor } from '@smithy/core/cbor';
import { describe, expect, it } from 'vitest';
import type { WireRequest } from '../../../../sandbox/region/wire/message.ts';
import { textOf } from '../../../../sandbox/region/wire/message.ts';
import { regionOfTest } from '../clients.ts';

const signed = (service: string) => ({
  authorization: `AWS4-HMAC-SHA256 Credential=local/20260101/eu-west-1/${service}/aws4_request, SignedHeaders=host, Signature=0`,
});

async function answerTo(request: Partial<WireRequest>) {
  const { status, headers, body } = await regionOfTest().answer({
    method: 'POST',
    path: '/',
    query: new URLSearchParams(),
    headers: {},
    body: '',
    ...request,
  });
  return { status, type: headers['content-type'], body };
}

const LISTED = 'docs/rehearsal.md lists what is.';

describe('what is not part of the Region is refused by its name', () => {
  it.each([
    [signed('dynamodb'), 'The service dynamodb (the target DynamoDB_20120810.ListTables)'],
    [{}, 'What the target DynamoDB_20120810.ListTables belongs to'],
    [signed('ecs'), 'What the target DynamoDB_20120810.ListTables asks of the service ecs'],
  ])('a service that speaks JSON (%#)', async (headers, what) => {
    const { status, body } = await answerTo({
      headers: { ...headers, 'x-amz-target': 'DynamoDB_20120810.ListTables' },
      body: '{}',
    });
    expect([status, JSON.parse(textOf(body))]).toEqual([
      400,
      { __type: 'UnknownOperationException', message: `${what} is not part of the local Region. ${LISTED}` },
    ]);
  });

  it.each([
    [
      'ECS',
      'AmazonEC2ContainerServiceV20141113.CreateCluster',
      'CreateCluster of ECS is not part of the local Region.',
    ],
    ['EventBridge', 'AWSEvents.PutRule', 'PutRule of EventBridge is not part of the local Region.'],
    ['SQS', 'AmazonSQS.CreateQueue', 'CreateQueue of SQS is not part of the local Region.'],
    ['ECS', 'AmazonEC2ContainerServiceV20141113.MakeTea', 'MakeTea of ECS is not one that AWS has.'],
  ])('an operation of %s, which speaks JSON: %s', async (_, target, sentence) => {
    for (const headers of [{}, signed('any')]) {
      const { status, body } = await answerTo({ headers: { ...headers, 'x-amz-target': target }, body: '{}' });
      expect([status, JSON.parse(textOf(body)).message]).toEqual([400, `${sentence} ${LISTED}`]);
    }
  });

  it.each([
    [signed('rds'), 'The service rds (the API version 2014-10-31)'],
    [{}, 'What the API version 2014-10-31 belongs to'],
  ])('a service that speaks Query (%#)', async (headers, what) => {
    const { status, type, body } = await answerTo({ headers, body: 'Action=DescribeDBInstances&Version=2014-10-31' });
    expect([status, type]).toEqual([400, 'text/xml']);
    expect(body).toContain(`<Message>${what} is not part of the local Region. ${LISTED}</Message>`);
  });

  it.each([
    ['2011-01-01', 'CreateAutoScalingGroup', 'CreateAutoScalingGroup of Auto Scaling'],
    ['2011-06-15', 'AssumeRole', 'AssumeRole of STS'],
    ['2016-11-15', 'RunInstances', 'RunInstances of EC2'],
  ])('an operation of version %s, which is of Query: %s', async (Version, Action, what) => {
    for (const headers of [{}, signed('any')]) {
      const { status, body } = await answerTo({ headers, body: `${new URLSearchParams({ Action, Version })}` });
      expect([status, body]).toEqual([400, expect.stringContaining('<Code>InvalidAction</Code>')]);
      expect(body).toContain(`<Message>${what} is not part of the local Region. ${LISTED}</Message>`);
    }
  });

  it.each([
    [signed('apigateway'), 404, 'The service apigateway (GET /restapis)', '/restapis'],
    [{}, 404, 'What GET /restapis belongs to', '/restapis'],
    [signed('scheduler'), 404, 'What GET /tea asks of the service scheduler', '/tea'],
    [signed('scheduler'), 400, 'ListTagsForResource of Scheduler', '/tags/arn'],
    [{}, 400, 'ListLayers of Lambda', '/2018-10-31/layers'],
  ])('what speaks REST (%#)', async (headers, status, what, path) => {
    const answered = await answerTo({ method: 'GET', headers, path });
    expect([answered.status, JSON.parse(textOf(answered.body))]).toEqual([
      status,
      { Message: `${what} is not part of the local Region. ${LISTED}` },
    ]);
  });

  it.each([
    ['s3', /^<Error><Code>UnknownOperationException<\/Code><Message>The service s3 \(GET \/bucket\) is not part/],
    ['route53', /^<ErrorResponse><Error><Code>UnknownOperationException<\/Code><Message>The service route53 /],
  ])('what speaks REST with XML: %s', async (service, expected) => {
    const { status, type, body } = await answerTo({ method: 'GET', path: '/bucket', headers: signed(service) });
    expect([status, type, body]).toEqual([404, 'application/xml', expect.stringMatching(expected)]);
  });

  it.each([
    ['GraniteServiceVersion20100801', 'PutDashboard', /#UnknownOperationException$/, 'PutDashboard of CloudWatch'],
    ['No one', 'Nothing', /^UnknownOperationException$/, 'What the path /service/No one/operation/Nothing belongs to'],
  ])('what speaks CBOR: %s', async (service, operation, type, what) => {
    const { status, body } = await answerTo({
      path: `/service/${service}/operation/${operation}`,
      headers: { 'smithy-protocol': 'rpc-v2-cbor' },
      body: cbor.serialize({}),
    });
    expect([status, cbor.deserialize(body as Uint8Array)]).toEqual([
      400,
      { __type: expect.stringMatching(type), message: `${what} is not part of the local Region. ${LISTED}` },
    ]);
  });
});
