import { AwsError } from '../aws-error.ts';
import type { WireRequest } from './message.ts';
import { MODELS, type ServiceName } from './models.ts';

/** Where a signature is valid: its credential scope. */
interface Scope {
  readonly region: string;
  readonly service: string;
}

/** Services that requests are signed for under another name than their model has. */
const SIGNING_NAMES: Partial<Record<ServiceName, string>> = { cloudwatch: 'monitoring', elbv2: 'elasticloadbalancing' };
/** They have endpoints for all Regions, whose signatures are of us-east-1 (AWS General Reference, service endpoints). */
const GLOBAL: readonly ServiceName[] = ['iam', 'sts'];
const GLOBAL_REGION = 'us-east-1';

/** The name that requests to a service are signed for. */
export function signingNameOf(service: ServiceName): string {
  return SIGNING_NAMES[service] ?? service;
}

/** Whether requests that are signed for this are for a service that the Region has. */
export function isOfRegion(signingName: string): boolean {
  return Object.keys(MODELS).some((service) => signingNameOf(service as ServiceName) === signingName);
}

/** The scope of a request's signature, in its header or its address; undefined if it is not signed. */
export function scopeOf({ headers, query }: Pick<WireRequest, 'headers' | 'query'>): Scope | undefined {
  const credential =
    /Credential=([^,\s]+)/.exec(String(headers['authorization'] ?? ''))?.[1] ?? query.get('X-Amz-Credential') ?? '';
  const [, region, service] = /^[^/]*\/\d+\/([^/]*)\/([^/]+)\/aws4_request$/.exec(credential) ?? [];
  return region === undefined || service === undefined ? undefined : { region, service };
}

/**
 * AWS refuses a signature that is valid elsewhere (facts 104 credential-scope). Whether it is a true one is not checked, and a
 * request without one is taken.
 */
export function refuseForeignSignature(request: WireRequest, service: ServiceName, region: string): void {
  const scope = scopeOf(request);
  if (!scope) return;
  const regions = GLOBAL.includes(service) ? [region, GLOBAL_REGION] : [region];
  const wrong = [
    ...(regions.includes(scope.region)
      ? []
      : [`Credential should be scoped to a valid region, not '${scope.region}'.`]),
    ...(scope.service === signingNameOf(service)
      ? []
      : [`Credential should be scoped to correct service: '${signingNameOf(service)}'.`]),
  ];
  if (wrong.length === 0) return;
  const message = wrong.join(' ');
  switch (MODELS[service].protocol) {
    case 'ec2':
      throw new AwsError('AuthFailure', 'AWS was not able to validate the provided access credentials', 401);
    case 'query':
      throw new AwsError('SignatureDoesNotMatch', message, 403);
    case 'rest-json':
      throw new AwsError('InvalidSignatureException', message, 403);
    default:
      throw new AwsError('InvalidSignatureException', message, 400);
  }
}
