import { cbor, tag, tagSymbol } from '@smithy/core/cbor';
import type { AwsError } from '../aws-error.ts';
import { malformed, unknownOperation, unknownService } from './errors.ts';
import { epochSeconds, fromJson, mapped, parsedJson } from './json.ts';
import { textOf, type WireAnswer, type WireRequest } from './message.ts';
import { MODELS, type Operation, type Protocol, type ServiceModel, type ServiceName } from './models.ts';
import { queryInput, queryTree } from './query.ts';
import { restInput, restOperation, restParts } from './rest.ts';
import { scopeOf } from './signature.ts';
import { restXmlError, xmlError, xmlOf } from './xml.ts';

/** What a request asks for. */
export interface ParsedRequest {
  readonly service: ServiceName;
  readonly operation: string;
  /** Reads the input, instants as `Date`s; a value of another type than AWS has there is left as it came. */
  readonly input: () => Record<string, unknown>;
}

/** One protocol's way to read a request, and to write what comes of it. */
export interface WireProtocol {
  readonly contentType: string;
  /** @throws AwsError if there is no such service or operation, or the request cannot be read. */
  parsed(): ParsedRequest;
  success(parsed: ParsedRequest, output: Readonly<Record<string, unknown>>, requestId: string): Partial<WireAnswer>;
  failure(error: AwsError & { readonly status: number }, requestId: string): Partial<WireAnswer>;
}

/** Services that speak REST with XML, by the names that requests are signed for: the Region has none of them. */
const REST_XML = ['cloudfront', 'route53', 's3', 's3express'];

/** Each protocol is known by what only it has: a signature, a header, a path, or none of these. */
export function protocolOf(request: WireRequest): WireProtocol {
  if (REST_XML.includes(signedFor(request) ?? '')) return restXml(request);
  if (request.headers['smithy-protocol'] === 'rpc-v2-cbor') return rpcV2Cbor(request);
  const target = request.headers['x-amz-target'];
  if (typeof target === 'string') return json(request, target);
  return request.path === '/' ? query(request) : restJson(request);
}

/** The service that a signature is for. */
function signedFor(request: WireRequest): string | undefined {
  return scopeOf(request)?.service;
}

/** A service by something that its model says; the protocol is one that it speaks. */
function serviceWith(protocol: Protocol, test: (model: ServiceModel) => boolean): ServiceName | undefined {
  const entries = Object.entries(MODELS) as [ServiceName, ServiceModel][];
  return entries.find(([, model]) => model.protocols.includes(protocol) && test(model))?.[0];
}

/** @throws AwsError if AWS has no such operation, or the Region has no model of it. */
function operationOf(service: ServiceName, name: string): Operation {
  const { operations } = MODELS[service];
  const operation = Object.hasOwn(operations, name) ? operations[name] : undefined;
  if (!operation) throw unknownOperation(service, name);
  return operation;
}

// --- JSON: the operation stands in a header ---------------------------------------------------------------------------

function json(request: WireRequest, target: string): WireProtocol {
  const [prefix = '', operation = ''] = target.split('.');
  const service = serviceWith('json', ({ targetPrefix }) => targetPrefix === prefix);
  const { jsonVersion = '1.1', queryCompatible = false } = service === undefined ? {} : MODELS[service];
  return {
    contentType: `application/x-amz-json-${jsonVersion}`,
    parsed: () => {
      if (service === undefined) throw unknownService(signedFor(request), `the target ${target}`);
      const { input: shape } = operationOf(service, operation);
      return { service, operation, input: () => fromJson(MODELS[service], shape, parsedJson(textOf(request.body))) };
    },
    success: (_, output) => ({ body: JSON.stringify(output, epochSeconds) }),
    failure: ({ code, message, status }) => ({
      // What spoke Query before has its codes of then beside the new ones.
      ...(service && queryCompatible && { headers: { 'x-amzn-query-error': queryErrorOf(service, code, status) } }),
      body: JSON.stringify({ __type: queryCompatible ? `com.amazonaws.${service}#${code}` : code, message }),
    }),
  };
}

function queryErrorOf(service: ServiceName, code: string, status: number): string {
  return `${MODELS[service].errors[code]?.code ?? code};${status < 500 ? 'Sender' : 'Receiver'}`;
}

// --- RPC v2 with CBOR: CloudWatch's, as its newer clients speak -------------------------------------------------------

function rpcV2Cbor(request: WireRequest): WireProtocol {
  const [, target = '', operation = ''] = /^\/service\/([^/]+)\/operation\/([^/]+)$/.exec(request.path) ?? [];
  const service = serviceWith('smithy-rpc-v2-cbor', ({ targetPrefix }) => targetPrefix === target);
  const headers = { 'smithy-protocol': 'rpc-v2-cbor' };
  return {
    contentType: 'application/cbor',
    parsed: () => {
      if (service === undefined) throw unknownService(signedFor(request), `the path ${request.path}`);
      const { input: shape } = operationOf(service, operation);
      return { service, operation, input: () => fromJson(MODELS[service], shape, parsedCbor(request.body)) };
    },
    success: (_, output) => ({ headers, body: cbor.serialize(withCborDates(output)) }),
    failure: ({ code, message, status }) => ({
      headers: { ...headers, ...(service && { 'x-amzn-query-error': queryErrorOf(service, code, status) }) },
      body: cbor.serialize({ __type: service ? `com.amazonaws.${service}#${code}` : code, message }),
    }),
  };
}

function parsedCbor(body: string | Uint8Array): Record<string, unknown> {
  try {
    const value = cbor.deserialize(typeof body === 'string' ? Buffer.from(body) : body);
    return withDates(value) as Record<string, unknown>;
  } catch {
    throw malformed('The request body is not CBOR.');
  }
}

/** CBOR's tag of an instant, in seconds since the epoch. */
const INSTANT = 1;

function withDates(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withDates);
  if (typeof value !== 'object' || value === null) return value;
  const isInstant = tagSymbol in value && 'tag' in value && value.tag === INSTANT && 'value' in value;
  return isInstant ? new Date(Number(value.value) * 1000) : mapped(value, withDates);
}

function withCborDates(value: unknown): unknown {
  if (value instanceof Date) return tag({ tag: INSTANT, value: value.getTime() / 1000 });
  if (Array.isArray(value)) return value.map(withCborDates);
  return typeof value === 'object' && value !== null ? mapped(value, withCborDates) : value;
}

// --- Query, and EC2's kind of it: all in the body, and XML answers ----------------------------------------------------

function query(request: WireRequest): WireProtocol {
  const parameters = new URLSearchParams(textOf(request.body));
  for (const [name, value] of request.query) parameters.append(name, value);
  const operation = parameters.get('Action') ?? '';
  const version = parameters.get('Version') ?? '';
  const ofVersion = ({ apiVersion }: ServiceModel) => apiVersion === version;
  const service = serviceWith('query', ofVersion) ?? serviceWith('ec2', ofVersion);
  const model = service && MODELS[service];
  return {
    contentType: 'text/xml',
    parsed: () => {
      if (service === undefined || !model)
        throw unknownService(
          signedFor(request),
          version === '' ? 'a request without an API version' : `the API version ${version}`,
        );
      const { input } = operationOf(service, operation);
      return { service, operation, input: () => queryInput(model, input, queryTree(parameters)) };
    },
    success: (_, output, requestId) => ({
      body: xmlOf(model as ServiceModel, operation, output, requestId),
    }),
    failure: (error, requestId) => ({ body: xmlError(model, error, requestId) }),
  };
}

// --- REST with JSON: the operation stands in the method and the path --------------------------------------------------

function restJson(request: WireRequest): WireProtocol {
  return {
    contentType: 'application/json',
    parsed: () => {
      const found = restOperation(request);
      if (!found) throw unknownService(signedFor(request), `${request.method} ${request.path}`, 404);
      const { service, operation } = found;
      operationOf(service, operation);
      return { service, operation, input: () => restInput(found, request) };
    },
    success: ({ service, operation }, output) => restParts(MODELS[service], operation, output),
    failure: ({ code, message }) => ({
      headers: { 'x-amzn-errortype': code },
      body: JSON.stringify({ Message: message }),
    }),
  };
}

/** REST with XML: that there is no such service is all that is answered. */
function restXml(request: WireRequest): WireProtocol {
  return {
    contentType: 'application/xml',
    parsed: () => {
      throw unknownService(signedFor(request), `${request.method} ${request.path}`, 404);
    },
    success: () => ({}),
    failure: (error, requestId) => ({
      body: restXmlError(error, requestId, signedFor(request)?.startsWith('s3') ?? false),
    }),
  };
}
