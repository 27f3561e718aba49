import { AwsError } from '../aws-error.ts';
import type { RequestContext, Service } from '../service.ts';
import { refusalOf, statusOf, unknownOperation } from './errors.ts';
import type { WireAnswer, WireRequest } from './message.ts';
import { MODELS, type ServiceName } from './models.ts';
import { withPageTokens } from './page-tokens.ts';
import { type ParsedRequest, protocolOf } from './protocols.ts';
import { violationsOf } from './shapes.ts';
import { refuseForeignSignature } from './signature.ts';

export type { WireAnswer, WireRequest } from './message.ts';

/** A call that the wire has parsed, as it is throttled and counted. */
export interface WireCall {
  readonly service: ServiceName;
  readonly operation: string;
}

/** Lets a call through, or throws what AWS answers instead. */
export type Admit = (call: WireCall) => void;

/** Answers one request in its own protocol; whatever goes wrong is answered as AWS would, never thrown. */
export function answerTo(
  request: WireRequest,
  services: ReadonlyMap<ServiceName, Service>,
  admit: Admit,
  { region, requestId }: { readonly region: string; readonly requestId: string },
): WireAnswer | Promise<WireAnswer> {
  const protocol = protocolOf(request);
  const written = (part: Partial<WireAnswer>, status = 200): WireAnswer => ({
    status,
    body: '',
    ...part,
    headers: { 'content-type': protocol.contentType, 'x-amzn-requestid': requestId, ...part.headers },
  });
  let parsed: ParsedRequest | undefined;
  const failed = (error: unknown): WireAnswer => {
    const failure = error instanceof AwsError ? error : new AwsError('InternalFailure', String(error), 500);
    const status = statusOf(parsed?.service, failure);
    return written(protocol.failure(Object.assign(failure, { status }), requestId), status);
  };
  const succeeded = (output: object): WireAnswer =>
    written(protocol.success(parsed as ParsedRequest, output as Record<string, unknown>, requestId));
  try {
    parsed = protocol.parsed();
    refuseForeignSignature(request, parsed.service, region);
    const output = perform(parsed, services, admit, { endpoint: endpointOf(request) });
    return output instanceof Promise ? output.then(succeeded).catch(failed) : succeeded(output);
  } catch (error) {
    return failed(error);
  }
}

function perform(
  { service: name, operation, input }: ParsedRequest,
  services: ReadonlyMap<ServiceName, Service>,
  admit: Admit,
  context: RequestContext,
) {
  const service = services.get(name);
  if (!service || !Object.hasOwn(service.operations, operation)) throw unknownOperation(name, operation);
  admit({ service: name, operation });
  return callOperation(service, operation, input(), context);
}

/**
 * Performs an operation, if its input meets AWS's model.
 * @throws AwsError as the service answers it.
 */
export function callOperation(
  service: Service,
  operation: string,
  input: Readonly<Record<string, unknown>>,
  context: RequestContext = { endpoint: 'http://localhost' },
): object | Promise<object> {
  const handle = Object.hasOwn(service.operations, operation) ? service.operations[operation] : undefined;
  if (!handle) throw unknownOperation(service.name, operation);
  refuseViolations(service, operation, input);
  return withPageTokens(service.name, operation, input, (opened) => handle(opened, context));
}

/** AWS's own words where they are known, else the service's usual ones. */
function refuseViolations(
  { name, refusal }: Service,
  operation: string,
  input: Readonly<Record<string, unknown>>,
): void {
  const shape = MODELS[name].operations[operation]?.input;
  const found = shape === undefined ? [] : violationsOf(MODELS[name], shape, input);
  if (found.length === 0) return;
  for (const each of found) {
    const own = refusal?.(each, operation);
    if (own) throw own;
  }
  throw refusalOf(name, found);
}

function endpointOf({ headers }: WireRequest): string {
  const host = String(headers['host'] ?? 'localhost');
  return `${/^(127\.0\.0\.1|localhost)(:|$)/.test(host) ? 'http' : 'https'}://${host}`;
}
