import * as autoScaling from '@aws-sdk/client-auto-scaling';
import * as ecs from '@aws-sdk/client-ecs';
import * as elasticLoadBalancing from '@aws-sdk/client-elastic-load-balancing-v2';
import * as events from '@aws-sdk/client-eventbridge';
import * as iam from '@aws-sdk/client-iam';
import * as lambda from '@aws-sdk/client-lambda';
import * as scheduler from '@aws-sdk/client-scheduler';
import * as sqs from '@aws-sdk/client-sqs';
import { NormalizedSchema } from '@smithy/core/schema';

/** AWS's own models of its services, as the SDK's packages ship them. */
const MODELS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  ecs,
  autoScaling,
  events,
  scheduler,
  lambda,
  sqs,
  elasticLoadBalancing,
  iam,
};

/** The static schema of an operation: kind, namespace, name, traits, input and output. */
type OperationSchema = readonly [number, string, string, OperationTraits, () => never, () => never];

/** Where a REST protocol puts an operation: its method, the pattern of its path, and the status of its answer. */
type OperationTraits = number | { readonly http?: readonly [string, string, number] };

/** The kind of schema that an operation is. */
const OPERATION = 9;

/** A value that does not fit: a field that AWS does not have, or a value of another type than AWS has there. */
export interface Misfit {
  readonly kind: 'unknown field' | 'other type';
  readonly sentence: string;
}

/**
 * What in a value does not fit AWS's model of an operation's input or output; empty if all is well.
 * @throws Error if AWS has no such operation.
 */
export function misfits(service: string, operation: string, side: 'input' | 'output', value: unknown): Misfit[] {
  const schema = MODELS[service]?.[`${operation}$`] as OperationSchema | undefined;
  if (!schema) throw new Error(`AWS has no operation ${operation} in ${service}.`);
  return misfitsIn(NormalizedSchema.of(schema[side === 'input' ? 4 : 5]), value, `${operation} ${side}`, side);
}

function misfitsIn(schema: NormalizedSchema, value: unknown, path: string, side: 'input' | 'output'): Misfit[] {
  if (value === undefined || value === null) return []; // JSON 1.1 takes null for a field that is left out
  if (schema.isUnitSchema() || schema.isStructSchema()) {
    if (typeof value !== 'object' || Array.isArray(value)) return [otherType(path, value)];
    const members = schema.isUnitSchema() ? new Map<string, NormalizedSchema>() : new Map(schema.structIterator());
    return Object.entries(value).flatMap(([name, inner]): Misfit[] => {
      const member = members.get(name);
      if (member) return misfitsIn(member, inner, `${path}.${name}`, side);
      return [{ kind: 'unknown field', sentence: `${path}.${name} is not a field that AWS has` }];
    });
  }
  if (schema.isListSchema()) {
    if (!Array.isArray(value)) return [otherType(path, value)];
    return value.flatMap((item, i) => misfitsIn(schema.getValueSchema(), item, `${path}[${i}]`, side));
  }
  if (schema.isMapSchema()) {
    if (typeof value !== 'object') return [otherType(path, value)];
    const items = Object.entries(value);
    return items.flatMap(([key, item]) => misfitsIn(schema.getValueSchema(), item, `${path}.${key}`, side));
  }
  const fits =
    // JSON carries an instant as seconds since the epoch; what answers becomes that on the wire.
    (schema.isTimestampSchema() && (side === 'input' ? typeof value === 'number' : value instanceof Date)) ||
    (schema.isBooleanSchema() && typeof value === 'boolean') ||
    (schema.isNumericSchema() && typeof value === 'number') ||
    // What travels as the body itself is text here.
    ((schema.isStringSchema() || schema.isBlobSchema()) && typeof value === 'string');
  return fits ? [] : [otherType(path, value)];
}

function otherType(path: string, value: unknown): Misfit {
  const type = value instanceof Date ? 'a date' : Array.isArray(value) ? 'a list' : typeof value;
  return { kind: 'other type', sentence: `${path} is ${type}, not what AWS has there` };
}

/** A request of a REST protocol: what it asks stands in its method and path, what it says there and in all the rest. */
export interface RestRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/**
 * The operation that a REST request asks for, and its input: AWS's model says which member travels where, and whether the
 * body is JSON or a member itself.
 * Undefined if the service has no operation there.
 */
export function restCall(
  service: string,
  request: RestRequest,
  body: string,
  parsed: (json: string) => Readonly<Record<string, unknown>>,
): { readonly operation: string; readonly input: Readonly<Record<string, unknown>> } | undefined {
  for (const schema of Object.values(MODELS[service] ?? {}) as OperationSchema[]) {
    if (schema[0] !== OPERATION || typeof schema[3] !== 'object' || !schema[3].http) continue;
    const [method, pattern] = schema[3].http;
    const labels = method === request.method ? labelsIn(pattern, request.path) : undefined;
    if (!labels) continue;
    const members = [...NormalizedSchema.of(schema[4]).structIterator()];
    const payload = members.find(([, member]) => member.getMergedTraits().httpPayload)?.[0];
    const said = payload === undefined ? (body === '' ? {} : parsed(body)) : { [payload]: body };
    return {
      operation: schema[2],
      input: Object.fromEntries(members.flatMap((member) => bound(member, labels, request, said))),
    };
  }
  return undefined;
}

/** What the path has in place of a pattern's `{Name}`; undefined if it is another path. */
function labelsIn(pattern: string, path: string): ReadonlyMap<string, string> | undefined {
  const [expected, found] = [pattern.split('/'), path.split('/')];
  if (expected.length !== found.length) return undefined;
  const labels = new Map<string, string>();
  for (const [i, part] of expected.entries()) {
    const label = /^\{(\w+)\}$/.exec(part)?.[1];
    if (label !== undefined) labels.set(label, decoded(found[i] ?? ''));
    else if (part !== found[i]) return undefined;
  }
  return labels;
}

/** Text in which no `%` is an escape stays as it is: whoever reads it will refuse it. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A member of an input, as an entry of it; none if the request does not have it. */
function bound(
  [name, schema]: [string, NormalizedSchema],
  labels: ReadonlyMap<string, string>,
  { query, headers }: RestRequest,
  said: Readonly<Record<string, unknown>>,
): [string, unknown][] {
  const { httpLabel, httpQuery, httpHeader } = schema.getMergedTraits();
  if (httpLabel) return [[name, labels.get(name)]];
  if (httpHeader !== undefined) {
    const header = headers[httpHeader.toLowerCase()];
    return header === undefined ? [] : [[name, header]];
  }
  if (httpQuery === undefined) return name in said ? [[name, said[name]]] : [];
  const text = query.get(httpQuery);
  if (text === null) return [];
  // A query is text: what is no number stays text, and does not fit.
  return [[name, schema.isNumericSchema() && /^-?\d+$/.test(text) ? Number(text) : text]];
}
