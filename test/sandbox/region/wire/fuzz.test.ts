import { AutoScalingClient, DescribeAutoScalingGroupsCommand } from '@aws-sdk/client-auto-scaling';
import { CloudWatchClient, ListMetricsCommand } from '@aws-sdk/client-cloudwatch';
import { CloudWatchLogsClient, DescribeLogGroupsCommand } from '@aws-sdk/client-cloudwatch-logs';
import { DescribeInstancesCommand, EC2Client } from '@aws-sdk/client-ec2';
import { ECSClient, ListClustersCommand } from '@aws-sdk/client-ecs';
import { DescribeTargetGroupsCommand, ElasticLoadBalancingV2Client } from '@aws-sdk/client-elastic-load-balancing-v2';
import { EventBridgeClient, ListRulesCommand } from '@aws-sdk/client-eventbridge';
import { IAMClient, SimulatePrincipalPolicyCommand } from '@aws-sdk/client-iam';
import { LambdaClient, ListFunctionsCommand } from '@aws-sdk/client-lambda';
import { ListSchedulesCommand, SchedulerClient } from '@aws-sdk/client-scheduler';
import { ListTopicsCommand, SNSClient } from '@aws-sdk/client-sns';
import { ListQueuesCommand, SQSClient } from '@aws-sdk/client-sqs';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { cbor } from '@smithy/core/cbor';
import { HttpResponse } from '@smithy/core/transport';
import fc from 'fast-check';
import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { roleFor } from '../../../../sandbox/region/iam/api.ts';
import { createRegion, type Region } from '../../../../sandbox/region/region.ts';
import { listen } from '../../../../sandbox/region/wire/http.ts';
import { textOf, type WireAnswer, type WireRequest } from '../../../../sandbox/region/wire/message.ts';
import {
  MODELS,
  type Protocol,
  type ServiceModel,
  type ServiceName,
  shapeIn,
} from '../../../../sandbox/region/wire/models.ts';
import { anyCodePoint } from '../../../any-text.ts';
import { casesOf, IS_EXHAUSTIVE } from '../../../exhaustive/extent.ts';
import { START_MS } from '../../start.ts';
import { answeringInTime, WEB } from '../clients.ts';

const QUEUE_URL = 'https://sqs.eu-west-1.amazonaws.com/123456789012/work';

/** What is there, so that not every request ends at the first name. */
const NAMES = [
  'prod',
  'web',
  'worker',
  'work',
  'topic',
  'rule',
  'i-00000000000000001',
  'arn:aws:ecs:eu-west-1:123456789012:cluster/prod',
  'arn:aws:sns:eu-west-1:123456789012:topic',
  'arn:aws:lambda:eu-west-1:123456789012:function:worker',
  'arn:aws:sqs:eu-west-1:123456789012:work',
  'arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/web/0000000000000001',
  'arn:aws:iam::123456789012:role/scheduler',
  'arn:aws:events:eu-west-1:123456789012:event-bus/default',
  '/aws/lambda/worker',
  'at(2026-02-01T00:00:00)',
  'work-1/1',
  QUEUE_URL,
];

function busyRegion(): Region {
  const region = createRegion({ startMs: START_MS, seed: 1 });
  region.ecs.createCluster('prod');
  const group = { minSize: 0, maxSize: 5, cluster: 'prod', memoryMiB: 4_096, cpuUnits: 2_048, launchSeconds: 60 };
  region.autoScaling.createGroup({ ...group, name: 'web', desiredCapacity: 2 }, { running: true });
  region.ecs.createService(WEB);
  region.createQueue({ name: 'work', visibilityTimeoutSeconds: 30, maxReceiveCount: 3 }).send('x');
  region.createTopic('topic');
  region.deploy({ name: 'worker', timeoutSeconds: 30, load: () => async (event) => event });
  region.eventBridge.putRule({ name: 'rule', pattern: { source: ['none'] }, target: () => {} });
  region.roles.set('scheduler', roleFor('scheduler.amazonaws.com'));
  return region;
}

// --- What is sent -----------------------------------------------------------------------------------------------------

const HUGE = 'x'.repeat(100_000);
/** As text: to write or to show what is nested more deeply than this is too much for other tools. */
const nestedJson = (levels: number) => `${'[{"a":'.repeat(levels)}"deep"${'}]'.repeat(levels)}`;

const NO_JSON_NOR_QUERY = [
  ...['', '{', '[]', 'null', '5', '\u0000', '{"a":1', '%zz=%', '&&=&a..b=1'],
  HUGE,
  '['.repeat(200_000),
];
/** A break, half of a map, a text, nothing in 200,000 lists. */
const NO_CBOR = [[], [0xff], [0xa1, 0x61, 0x61], [0x61, 0x61], Array.from({ length: 200_000 }, () => 0x81)].map(
  (bytes) => Uint8Array.from(bytes),
);

/** What may stand in the place of anything. */
const odd = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    0,
    -1,
    1e21,
    0.5,
    '',
    HUGE,
    [],
    {},
    [null],
    ['x', null],
    JSON.parse(nestedJson(50)),
  ),
  fc.jsonValue({ maxDepth: 3 }),
);

const texts = (values: readonly string[] = []): fc.Arbitrary<string> =>
  fc.oneof(
    fc.constantFrom(...NAMES, ...values),
    fc.constantFrom(...NAMES, ...values),
    fc.string({ unit: anyCodePoint }),
  );

const numbers = fc.oneof(fc.nat({ max: 100 }), fc.constantFrom(-1, 0, 0.5, 2 ** 31, 2 ** 53, 1e308), fc.integer());

/** Values as AWS's model has them; here and there something else. */
function inputValue(model: ServiceModel, name: string, depth = 0): fc.Arbitrary<unknown> {
  const { type, members = {}, required = [], member, value, enum: values } = shapeIn(model, name);
  const fitting = ((): fc.Arbitrary<unknown> => {
    if (depth > 6) return fc.constant({});
    switch (type) {
      case 'structure': {
        const entries = Object.entries(members).map(([key, { shape }]) => [key, inputValue(model, shape, depth + 1)]);
        return fc.record(Object.fromEntries(entries), { requiredKeys: required as never[] });
      }
      case 'list':
        return fc.array(inputValue(model, member?.shape ?? '', depth + 1), { maxLength: 4 });
      case 'map':
        return fc.dictionary(texts(), inputValue(model, value?.shape ?? '', depth + 1), { maxKeys: 3 });
      case 'boolean':
        return fc.boolean();
      case 'integer':
      case 'long':
      case 'float':
      case 'double':
      case 'timestamp':
        return numbers;
      default:
        return texts(values);
    }
  })();
  return fc.oneof({ arbitrary: fitting, weight: 15 }, { arbitrary: odd, weight: 1 });
}

/** Members that do not fit, and those that AWS does not have. */
function inputOf(model: ServiceModel, operation: string): fc.Arbitrary<unknown> {
  const shape = model.operations[operation]?.input;
  const fitting = shape === undefined ? fc.constant({}) : inputValue(model, shape);
  return fc.oneof({ arbitrary: fitting, weight: 8 }, { arbitrary: odd, weight: 1 });
}

type Head = Omit<WireRequest, 'body' | 'query'> & { readonly query?: URLSearchParams };

/** One way to speak to a service. */
interface Spoken {
  readonly service: ServiceName;
  readonly protocol: Protocol;
}

function requestFor({ service, protocol }: Spoken, operation: string, input: unknown): WireRequest {
  const model = MODELS[service];
  const json = JSON.stringify(input) ?? '';
  const post = (head: Partial<Head>, body: string | Uint8Array): WireRequest => ({
    method: 'POST',
    path: '/',
    query: new URLSearchParams(),
    headers: {},
    ...head,
    body,
  });
  switch (protocol) {
    case 'json':
      return post({ headers: { 'x-amz-target': `${model.targetPrefix}.${operation}` } }, json);
    case 'smithy-rpc-v2-cbor': {
      const path = `/service/${model.targetPrefix}/operation/${operation}`;
      return post({ path, headers: { 'smithy-protocol': 'rpc-v2-cbor' } }, cbor.serialize(input));
    }
    case 'rest-json': {
      const { method, requestUri } = model.operations[operation]?.http ?? {
        method: 'GET',
        requestUri: `/nothing/${operation}`,
      };
      const said = Object(input) as Record<string, unknown>;
      const path = requestUri.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(scalarText(said[name])));
      const query = new URLSearchParams(
        Object.entries(said).map(([name, value]): [string, string] => [name, scalarText(value)]),
      );
      return post({ method, path, query }, method === 'GET' ? '' : json);
    }
    default:
      return post({}, `Action=${operation}&Version=${model.apiVersion}&${new URLSearchParams(flattened(input))}`);
  }
}

function scalarText(value: unknown): string {
  return (typeof value === 'object' ? JSON.stringify(value) : String(value)).toWellFormed();
}

/** As Query writes it, near enough: what does not fit its rules must be refused as well. */
function flattened(value: unknown, path = ''): [string, string][] {
  if (typeof value !== 'object' || value === null) return [[path || 'x', scalarText(value)]];
  const at = (name: string) => (path === '' ? name : `${path}.${name}`);
  if (Array.isArray(value)) return value.slice(0, 5).flatMap((item, i) => flattened(item, at(`member.${i + 1}`)));
  return Object.entries(value).flatMap(([name, item]) => flattened(item, at(name)));
}

/** A body whose member is nested 5,000 levels deep. */
function deepBody(protocol: Protocol, empty: string, member: string): string | Uint8Array {
  switch (protocol) {
    case 'query':
    case 'ec2':
      return `${empty}&${member}${'.member.1'.repeat(5_000)}=x`;
    case 'smithy-rpc-v2-cbor': {
      const name = cbor.serialize(member);
      return Uint8Array.from([0xa1, ...name, ...Array.from({ length: 5_000 }, () => 0x81), 0]);
    }
    default:
      return `{${JSON.stringify(member)}:${nestedJson(2_500)}}`;
  }
}

// --- What is answered -------------------------------------------------------------------------------------------------

const xml = new XMLParser();

/** The code and the message of a refusal in the form of the protocol; throws if the answer is not of that form. */
function refusalIn(protocol: Protocol, { headers, body }: WireAnswer): { code: string; message: string } {
  switch (protocol) {
    case 'json': {
      const { __type: code, message } = JSON.parse(textOf(body));
      return { code, message };
    }
    case 'smithy-rpc-v2-cbor': {
      const { __type: code, message } = cbor.deserialize(body as Uint8Array);
      return { code, message };
    }
    case 'rest-json':
      return { code: headers['x-amzn-errortype'] ?? '', message: JSON.parse(textOf(body)).Message };
    default: {
      expect(XMLValidator.validate(textOf(body))).toBe(true);
      const { ErrorResponse, Response } = xml.parse(textOf(body));
      const { Code, Message } = ErrorResponse?.Error ?? Response.Errors.Error;
      return { code: Code, message: Message };
    }
  }
}

/** The SDK's own clients, each fed with an answer in place of one of HTTP. */
const ASKS: Readonly<Record<ServiceName, (client: never) => Promise<unknown>>> = {
  autoscaling: (client) => new AutoScalingClient(client).send(new DescribeAutoScalingGroupsCommand({})),
  cloudwatch: (client) => new CloudWatchClient(client).send(new ListMetricsCommand({})),
  ec2: (client) => new EC2Client(client).send(new DescribeInstancesCommand({})),
  ecs: (client) => new ECSClient(client).send(new ListClustersCommand({})),
  elbv2: (client) => new ElasticLoadBalancingV2Client(client).send(new DescribeTargetGroupsCommand({})),
  events: (client) => new EventBridgeClient(client).send(new ListRulesCommand({})),
  iam: (client) =>
    new IAMClient(client).send(new SimulatePrincipalPolicyCommand({ PolicySourceArn: 'a', ActionNames: [] })),
  lambda: (client) => new LambdaClient(client).send(new ListFunctionsCommand({})),
  logs: (client) => new CloudWatchLogsClient(client).send(new DescribeLogGroupsCommand({})),
  scheduler: (client) => new SchedulerClient(client).send(new ListSchedulesCommand({})),
  sns: (client) => new SNSClient(client).send(new ListTopicsCommand({})),
  sqs: (client) => new SQSClient(client).send(new ListQueuesCommand({})),
  sts: (client) => new STSClient(client).send(new GetCallerIdentityCommand({})),
};

/** What the SDK's client speaks, of a service that is spoken to in several ways. */
const SPOKEN_BY_SDK: Partial<Record<ServiceName, Protocol>> = { cloudwatch: 'json' };

async function heardBySdk(service: ServiceName, { status, headers, body }: WireAnswer): Promise<Error> {
  const response = new HttpResponse({ statusCode: status, headers: { ...headers }, body: Buffer.from(body) });
  const client = {
    region: 'eu-west-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    maxAttempts: 1,
    requestHandler: { handle: async () => ({ response }) },
  };
  return ASKS[service](client as never).then(
    () => new Error(''),
    (error) => error,
  );
}

// ----------------------------------------------------------------------------------------------------------------------

const SERVICES = Object.keys(MODELS) as ServiceName[];
const ALL: readonly Spoken[] = SERVICES.flatMap((service) =>
  MODELS[service].protocols
    .filter((protocol) => protocol !== 'query' || service !== 'sqs')
    .map((protocol) => ({ service, protocol })),
);

let region: Region;
beforeAll(() => {
  region = busyRegion();
});

async function expectGoodForm({ service, protocol }: Spoken, request: WireRequest): Promise<void> {
  const answer = await answeringInTime(region)(request);
  expect(answer.status === 500 ? textOf(answer.body) : '').toBe('');
  if (answer.status < 300) return;
  const { code, message } = refusalIn(protocol, answer);
  expect([typeof code, typeof message]).toEqual(['string', 'string']);
  expect(message.length).toBeGreaterThan(0);
  if (protocol !== (SPOKEN_BY_SDK[service] ?? protocol)) return;
  const error = await heardBySdk(service, answer);
  expect(error.message.length).toBeGreaterThan(0);
  expect(code).toContain(error.name.replace(/(Exception|Fault)$/, ''));
}

/** The same requests in every run; another number draws others. */
const SEED = 6;

// A busy machine takes its time for some thousand requests.
vi.setConfig({ testTimeout: 60_000 });

describe('the Region answers every request in the form of its protocol, and never with status 500', () => {
  it.each(ALL)('$service in $protocol', async (spoken) => {
    const model = MODELS[spoken.service];
    const operations = Object.keys(region.services.get(spoken.service)?.operations ?? {});
    const requests = fc.constantFrom(...operations).chain((operation) => {
      return inputOf(model, operation).map((input) => ({ operation, input }));
    });
    await fc.assert(
      fc.asyncProperty(requests, ({ operation, input }) =>
        expectGoodForm(spoken, requestFor(spoken, operation, input)),
      ),
      { numRuns: (IS_EXHAUSTIVE ? 5 : 2) * operations.length, seed: SEED },
    );
  });

  it.each(ALL)(
    '$service in $protocol, of the target or action of another service, or with an unreadable body',
    async (spoken) => {
      const others = SERVICES.flatMap((other) => Object.keys(MODELS[other].operations));
      for (const operation of [...casesOf(others, 4), '', 'constructor', '__proto__', 'toString']) {
        await expectGoodForm(spoken, requestFor(spoken, operation, {}));
      }
      const bodies = spoken.protocol === 'smithy-rpc-v2-cbor' ? NO_CBOR : NO_JSON_NOR_QUERY;
      const [operation = ''] = Object.keys(MODELS[spoken.service].operations);
      for (const body of bodies) await expectGoodForm(spoken, { ...requestFor(spoken, operation, {}), body });
    },
  );

  it.each(ALL)('$service in $protocol, with each member nested deeply', async (spoken) => {
    const { operations, shapes } = MODELS[spoken.service];
    for (const [operation, { input = '' }] of Object.entries(operations)) {
      for (const member of Object.keys(shapes[input]?.members ?? {})) {
        const request = requestFor(spoken, operation, {});
        await expectGoodForm(spoken, { ...request, body: deepBody(spoken.protocol, textOf(request.body), member) });
      }
    }
  });

  const megabytes = IS_EXHAUSTIVE ? 30 : 3;
  it(`a body of ${megabytes} MB, over HTTP`, async () => {
    const { url, close } = await listen(region.answer);
    try {
      const cluster = 'x'.repeat(megabytes * 1024 * 1024);
      for (const [headers, body] of [
        [{ 'x-amz-target': 'AmazonEC2ContainerServiceV20141113.ListTasks' }, JSON.stringify({ cluster })],
        [{ 'x-amz-target': 'AmazonSQS.SendMessage' }, JSON.stringify({ QueueUrl: QUEUE_URL, MessageBody: cluster })],
        [{}, `Action=DescribeAutoScalingInstances&Version=2011-01-01&InstanceIds.member.1=${cluster}`],
      ] as const) {
        const response = await fetch(url, { method: 'POST', headers, body });
        expect(response.status).toBe(400);
        expect((await response.text()).length).toBeLessThan(2_000);
      }
    } finally {
      close();
    }
  });
});
