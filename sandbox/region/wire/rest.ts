import { malformed } from './errors.ts';
import { epochSeconds, fromJson, parsedJson } from './json.ts';
import { textOf, type WireAnswer, type WireRequest } from './message.ts';
import { MODELS, type ServiceModel, type ServiceName, type Shape, shapeIn } from './models.ts';
import { scalar } from './query.ts';

/** An operation of AWS that a request's method and path ask for, with what the path says; the Region may lack it. */
export interface RestOperation {
  readonly service: ServiceName;
  readonly operation: string;
  readonly labels: ReadonlyMap<string, string>;
}

/** Undefined if there is none. */
export function restOperation({ method, path, query }: WireRequest): RestOperation | undefined {
  for (const [service, model] of Object.entries(MODELS) as [ServiceName, ServiceModel][]) {
    if (model.protocol !== 'rest-json') continue;
    const known = Object.entries(model.operations).map(([operation, { http }]) => [operation, http] as const);
    for (const [operation, http] of [...known, ...Object.entries(model.otherPaths ?? {})]) {
      const [pattern = '', constants] = http.requestUri.split('?');
      const fits = http.method === method && [...new URLSearchParams(constants)].every(([k, v]) => query.get(k) === v);
      const labels = fits ? labelsIn(pattern, path) : undefined;
      if (labels) return { service, operation, labels };
    }
  }
  return undefined;
}

/** What the path has in place of a pattern's `{Name}`; undefined if it is another path. */
function labelsIn(pattern: string, path: string): ReadonlyMap<string, string> | undefined {
  const [expected, found] = [pattern.split('/'), path.split('/')];
  // AWS's models end some paths in a slash, which clients leave out.
  if (expected.at(-1) === '' && found.at(-1) !== '') expected.pop();
  if (expected.length !== found.length) return undefined;
  const labels = new Map<string, string>();
  for (const [i, part] of expected.entries()) {
    const label = /^\{(\w+)\}$/.exec(part)?.[1];
    if (label !== undefined) labels.set(label, decoded(found[i] ?? ''));
    else if (part !== found[i]) return undefined;
  }
  return labels;
}

/** Text whose `%` begins no valid escape stays as it is: the service refuses it. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** AWS's model says which member travels where, and whether the body is JSON or a member itself. */
export function restInput(
  { service, operation, labels }: RestOperation,
  { query, headers, body }: WireRequest,
): Record<string, unknown> {
  const model = MODELS[service];
  const name = model.operations[operation]?.input;
  if (name === undefined) return {};
  const shape = shapeIn(model, name);
  const text = textOf(body);
  const said = shape.payload === undefined ? inBody(model, name, text) : { [shape.payload]: text };
  const elsewhere = Object.entries(shape.members ?? {}).flatMap(
    ([member, { location, locationName = member, shape }]) => {
      if (location === 'uri') return [[member, labels.get(locationName)] as const];
      const sent =
        location === 'querystring' ? query.getAll(locationName) : [headers[locationName.toLowerCase()]].flat();
      if ((location !== 'querystring' && location !== 'header') || sent[0] === undefined) return [];
      const { type, member: item } = shapeIn(model, shape);
      return [[member, type === 'list' && item ? sent : scalar(type, sent[0])] as const];
    },
  );
  return { ...said, ...Object.fromEntries(elsewhere) };
}

function inBody(model: ServiceModel, name: string, text: string): Record<string, unknown> {
  const said = text === '' ? {} : parsedJson(text);
  const located = Object.entries(shapeIn(model, name).members ?? {}).filter(
    ([, { location }]) => location !== undefined,
  );
  for (const [member] of located) if (member in said) throw malformed(`${member} does not belong into the body.`);
  return fromJson(model, name, said);
}

/** Takes an answer apart: what is the status, a header, or the body. */
export function restParts(
  model: ServiceModel,
  operation: string,
  output: Readonly<Record<string, unknown>>,
): Partial<WireAnswer> {
  const { http, output: name } = model.operations[operation] ?? {};
  const shape: Shape = name === undefined ? { type: 'structure' } : shapeIn(model, name);
  const headers: Record<string, string> = {};
  const said: Record<string, unknown> = {};
  let status = http?.responseCode ?? 200;
  for (const [key, value] of Object.entries(output)) {
    const { location, locationName = key } = shape.members?.[key] ?? {};
    if (value === undefined) continue;
    if (location === 'statusCode') status = Number(value);
    else if (location === 'header') headers[locationName.toLowerCase()] = String(value);
    else said[key] = value;
  }
  const body = shape.payload === undefined ? JSON.stringify(said, epochSeconds) : String(said[shape.payload] ?? '');
  return { status, headers, body };
}
