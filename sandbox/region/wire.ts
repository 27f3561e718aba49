import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { XMLBuilder } from 'fast-xml-parser';
import { AwsError } from './aws-error.ts';

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
}

/** One call that came over the wire. */
export interface WireCall {
  readonly operation: string;
  readonly failedWith: string | undefined;
}

const JSON_TARGETS: Readonly<Record<string, 'ecs' | 'events'>> = {
  AmazonEC2ContainerServiceV20141113: 'ecs',
  AWSEvents: 'events',
};

/** The AWS protocols on a free port of 127.0.0.1, in front of the models. */
export async function listen(
  services: Services,
  onCall: (call: WireCall) => void,
): Promise<{ url: string; close: () => void }> {
  const server: Server = createServer((request, response) => {
    text(request).then((body) => answer(request, body, response, services, onCall));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://127.0.0.1:${port}`, close };
}

function answer(
  request: IncomingMessage,
  body: string,
  response: ServerResponse,
  services: Services,
  onCall: (call: WireCall) => void,
): void {
  const target = request.headers['x-amz-target'];
  const speak = typeof target === 'string' ? jsonCall(target, body, services) : queryCall(body, services.autoScaling);
  let failure: AwsError | undefined;
  try {
    const output = speak.call();
    response.writeHead(200, { 'content-type': speak.contentType }).end(speak.success(output));
  } catch (error) {
    failure = error instanceof AwsError ? error : new AwsError('InternalFailure', String(error), 500);
    response.writeHead(failure.status, { 'content-type': speak.contentType }).end(speak.failure(failure));
  }
  onCall({ operation: speak.operation, failedWith: failure?.code });
}

/** A call in one of the protocols: how to make it, and how to write what came of it. */
interface Speech {
  readonly operation: string;
  readonly contentType: string;
  readonly call: () => object;
  readonly success: (output: object) => string;
  readonly failure: (error: AwsError) => string;
}

function jsonCall(target: string, body: string, services: Services): Speech {
  const [service = '', operation = ''] = target.split('.');
  const operations = services[JSON_TARGETS[service] ?? 'ecs'];
  return {
    operation,
    contentType: 'application/x-amz-json-1.1',
    call: () => {
      if (!JSON_TARGETS[service]) throw new AwsError('UnknownOperationException', `Unknown target ${target}`);
      return named(operations, operation, 'UnknownOperationException')(parsedJson(body));
    },
    success: (output) => JSON.stringify(output, epochSeconds),
    failure: ({ code, message }) => JSON.stringify({ __type: code, message }),
  };
}

function queryCall(body: string, operations: Operations): Speech {
  const parameters = new URLSearchParams(body);
  const operation = parameters.get('Action') ?? '';
  const xml = new XMLBuilder();
  return {
    operation,
    contentType: 'text/xml',
    call: () => named(operations, operation, 'InvalidAction')(fromQuery(parameters)),
    success: (output) => xml.build({ [`${operation}Response`]: { [`${operation}Result`]: withMembers(output) } }),
    failure: ({ code, message, status }) =>
      xml.build({
        ErrorResponse: { Error: { Type: status < 500 ? 'Sender' : 'Receiver', Code: code, Message: message } },
      }),
  };
}

function named(operations: Operations, operation: string, code: string) {
  const found = Object.hasOwn(operations, operation) ? operations[operation] : undefined;
  if (!found) throw new AwsError(code, `The operation ${operation} is not one that the local Region knows.`);
  return found;
}

function parsedJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    throw new AwsError('SerializationException', 'The request body is not JSON.');
  }
}

/** JSON 1.1 writes an instant as seconds since the epoch. */
function epochSeconds(this: Record<string, unknown>, key: string, value: unknown): unknown {
  const original = this[key];
  return original instanceof Date ? original.getTime() / 1000 : value;
}

/** Query writes a list as `Name.member.1`, `Name.member.2`, … */
function fromQuery(parameters: URLSearchParams): Record<string, string | string[]> {
  const input: Record<string, string | string[]> = {};
  for (const [key, value] of parameters) {
    const [name = '', member] = key.split('.');
    if (member === undefined) input[name] = value;
    else input[name] = [...(input[name] ?? []), value];
  }
  return input;
}

/** Its XML wraps the items of a list in `member`. */
function withMembers(value: unknown): unknown {
  if (Array.isArray(value)) return { member: value.map(withMembers) };
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withMembers(item)]));
}
