import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { XMLBuilder } from 'fast-xml-parser';
import { AwsError } from './aws-error.ts';
import { misfits, restCall } from './aws-models.ts';

/** The operations of one service, by name: input to answer, as AWS documents both. */
// biome-ignore lint/suspicious/noExplicitAny: what comes over the wire has the type its operation declares.
export type Operations = Readonly<Record<string, (input: any) => object>>;

/** The services behind the wire, under the names that their protocols use. */
export interface Services {
  /** JSON 1.1, `X-Amz-Target: AmazonEC2ContainerServiceV20141113.…` */
  readonly ecs: Operations;
  /** JSON 1.1, `X-Amz-Target: AWSEvents.…` */
  readonly events: Operations;
  /** Query with XML answers, `Action=…&Version=2011-01-01` */
  readonly autoScaling: Operations;
  /** REST with JSON bodies, `POST /schedules/{Name}` */
  readonly scheduler: Operations;
  /** The same, `POST /2015-03-31/functions/{FunctionName}/invocations` */
  readonly lambda: Operations;
  /** JSON 1.0, `X-Amz-Target: AmazonSQS.…` */
  readonly sqs: Operations;
  /** Query as well, `Version=2015-12-01` */
  readonly elasticLoadBalancing: Operations;
  /** Query as well, `Version=2010-05-08` */
  readonly iam: Operations;
}

export type ServiceName = keyof Services;

/** What is asked on the wire. */
export interface WireRequest {
  readonly method: string;
  /** Without the query, its escapes as they came. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** By their names in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** What is answered on the wire. */
export interface WireAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** A call that the wire has understood, for whoever admits it or counts it. */
export interface WireCall {
  readonly service: ServiceName;
  readonly operation: string;
}

/** Lets a call through, or throws what AWS answers instead. */
export type Admit = (call: WireCall) => void;

const JSON_TARGETS: Readonly<Record<string, ServiceName>> = {
  AmazonEC2ContainerServiceV20141113: 'ecs',
  AWSEvents: 'events',
  AmazonSQS: 'sqs',
};

/** Query names no service: each has the version of its API. */
const QUERY_VERSIONS: Readonly<Record<string, ServiceName>> = {
  '2011-01-01': 'autoScaling',
  '2015-12-01': 'elasticLoadBalancing',
  '2010-05-08': 'iam',
};

/** Answers one request in its own protocol; whatever goes wrong is answered as AWS would, never thrown. */
export function answerTo(request: WireRequest, services: Services, admit: Admit): WireAnswer {
  const speech = speechOf(request);
  const headers = { 'content-type': speech.contentType };
  try {
    const { service, operation, input } = speech.understood();
    const handle = Object.hasOwn(services[service], operation) ? services[service][operation] : undefined;
    if (!handle) {
      throw new AwsError(speech.unknownOperation, `The operation ${operation} is not one that the local Region knows.`);
    }
    if (!Object.values(QUERY_VERSIONS).includes(service)) refuseOtherTypes(service, operation, input);
    admit({ service, operation });
    const output = handle(input);
    return { status: speech.statusOf?.(output) ?? 200, headers, body: speech.success(output) };
  } catch (error) {
    const failure = error instanceof AwsError ? error : new AwsError('InternalFailure', String(error), 500);
    const { body, headers: more } = speech.failure(failure);
    return { status: failure.status, headers: { ...headers, ...more }, body };
  }
}

/** Each protocol is known by what only it has: a target, a path, or neither. */
function speechOf({ body, ...request }: WireRequest): Speech {
  const target = request.headers['x-amz-target'];
  if (typeof target === 'string') return json(target, body);
  return request.path === '/' ? queryAndXml(body) : restJson(request, body);
}

/** JSON has types, and AWS's models say which; a field that AWS does not know it overlooks. Query has text only. */
function refuseOtherTypes(service: ServiceName, operation: string, input: unknown): void {
  const misfit = misfits(service, operation, 'input', input).find(({ kind }) => kind === 'other type');
  if (misfit) throw new AwsError('SerializationException', `${misfit.sentence}.`);
}

/** The wire on HTTP, on 127.0.0.1: on the given port, or on a free one; its answers are dated by the clock. */
export async function listen(
  answer: (request: WireRequest) => WireAnswer,
  port = 0,
  nowMs = () => Date.now(),
): Promise<{ readonly url: string; close(): void }> {
  const server = createServer(async (request, response) => {
    const body = await text(request).catch(() => undefined);
    if (body === undefined) return; // the client has gone away in the middle
    const [path = '/', query = ''] = (request.url ?? '/').split(/\?(.*)/s);
    const answered = answer({
      method: request.method ?? 'GET',
      path,
      query: new URLSearchParams(query),
      headers: request.headers,
      body,
    });
    const date = new Date(nowMs()).toUTCString();
    response.writeHead(answered.status, { date, ...answered.headers }).end(answered.body);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const { port: actual } = server.address() as AddressInfo;
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://127.0.0.1:${actual}`, close };
}

/** A request in one of the protocols: what it asks, and how to write what comes of it. */
interface Speech {
  readonly contentType: string;
  readonly unknownOperation: string;
  understood(): WireCall & { readonly input: unknown };
  /** The HTTP status of a success, where it is not 200. */
  statusOf?(output: { readonly StatusCode?: number }): number | undefined;
  success(output: object): string;
  failure(error: AwsError): Pick<WireAnswer, 'body'> & Partial<Pick<WireAnswer, 'headers'>>;
}

function json(target: string, body: string): Speech {
  return {
    contentType: `application/x-amz-json-${target.startsWith('AmazonSQS.') ? '1.0' : '1.1'}`,
    unknownOperation: 'UnknownOperationException',
    understood: () => {
      const [prefix = '', operation = ''] = target.split('.');
      const service = Object.hasOwn(JSON_TARGETS, prefix) ? JSON_TARGETS[prefix] : undefined;
      if (!service) throw new AwsError('UnknownOperationException', `There is no service behind ${target}.`);
      return { service, operation, input: parsedJson(body) };
    },
    success: (output) => JSON.stringify(output, epochSeconds),
    failure: ({ code, message }) => ({ body: JSON.stringify({ __type: code, message }) }),
  };
}

function restJson(request: Omit<WireRequest, 'body'>, body: string): Speech {
  // The paths of Lambda's API begin with the date of a version.
  const service = /^\/\d{4}-/.test(request.path) ? 'lambda' : 'scheduler';
  return {
    contentType: 'application/json',
    unknownOperation: 'UnknownOperationException',
    understood: () => {
      const call = restCall(service, request, body, parsedJson);
      if (call) return { service, ...call };
      throw new AwsError('UnknownOperationException', `There is nothing at ${request.method} ${request.path}.`, 404);
    },
    statusOf: ({ StatusCode }) => StatusCode,
    success: (output) => JSON.stringify(output, epochSeconds),
    failure: ({ code, message }) => ({
      headers: { 'x-amzn-errortype': code },
      body: JSON.stringify({ Message: message }),
    }),
  };
}

function queryAndXml(body: string): Speech {
  const parameters = new URLSearchParams(body);
  const operation = parameters.get('Action') ?? '';
  const xml = new XMLBuilder();
  return {
    contentType: 'text/xml',
    unknownOperation: 'InvalidAction',
    understood: () => {
      const version = parameters.get('Version') ?? '';
      const service = Object.hasOwn(QUERY_VERSIONS, version) ? QUERY_VERSIONS[version] : undefined;
      if (!service) throw new AwsError('NoSuchVersion', `The API version ${version} is unknown.`);
      return { service, operation, input: fromQuery(parameters) };
    },
    success: (output) => xml.build({ [`${operation}Response`]: { [`${operation}Result`]: withMembers(output) } }),
    failure: ({ code, message, status }) => ({
      body: xml.build({
        ErrorResponse: { Error: { Type: status < 500 ? 'Sender' : 'Receiver', Code: code, Message: message } },
      }),
    }),
  };
}

function parsedJson(body: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    throw new AwsError('SerializationException', 'The request body is not JSON.');
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new AwsError('SerializationException', 'The request body is not a JSON object.');
}

/** JSON writes an instant as seconds since the epoch. */
function epochSeconds(this: Record<string, unknown>, key: string, value: unknown): unknown {
  const original = this[key];
  return original instanceof Date ? original.getTime() / 1000 : value;
}

/** A value of the Query protocol: text, a list, or a structure. */
type QueryValue = string | QueryValue[] | { [name: string]: QueryValue };

/** Query writes a list as `Name.member.1`, `Name.member.2`, …, and a field of a structure as `Name.Field`. */
function fromQuery(parameters: URLSearchParams): QueryValue {
  const root: { [name: string]: QueryValue } = {};
  for (const [key, value] of parameters) {
    const path = key.split('.');
    const last = path.pop() ?? '';
    let place = root;
    for (const name of path) {
      if (!Object.hasOwn(place, name)) place[name] = {};
      place = place[name] as typeof root;
    }
    place[last] = value;
  }
  return withoutMembers(root);
}

function withoutMembers(value: QueryValue): QueryValue {
  if (typeof value !== 'object' || Array.isArray(value)) return value;
  const { member } = value;
  if (member !== undefined) return Object.values(member).map(withoutMembers);
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, withoutMembers(inner)]));
}

/** Its XML wraps the items of a list in `member`, and writes an instant as ISO 8601. */
function withMembers(value: unknown): unknown {
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return { member: value.map(withMembers) };
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withMembers(item)]));
}
