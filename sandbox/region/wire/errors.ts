import { AwsError } from '../aws-error.ts';
import { MODELS, type ServiceName } from './models.ts';
import type { Violation } from './shapes.ts';
import { isOfRegion } from './signature.ts';

/** What the service would say of an operation that AWS does not have, or that the Region lacks. */
export function unknownOperation(service: ServiceName, operation: string): AwsError {
  const { protocol, serviceId, operations, otherOperations } = MODELS[service];
  const code = protocol === 'query' || protocol === 'ec2' ? 'InvalidAction' : 'UnknownOperationException';
  const ofAws = otherOperations.includes(operation) || Object.hasOwn(operations, operation);
  const why = ofAws ? 'is not part of the local Region' : 'is not one that AWS has';
  const what = operation === '' ? `A request of ${serviceId} without an operation` : `${operation} of ${serviceId}`;
  return new AwsError(code, `${what} ${why}. docs/rehearsal.md lists what is.`);
}

/** A service is named by the scope of the request's signature; one that is not signed, by what was found. */
export function unknownService(signedFor: string | undefined, found: string, status = 400): AwsError {
  const what =
    signedFor === undefined
      ? `What ${found} belongs to`
      : isOfRegion(signedFor)
        ? `What ${found} asks of the service ${signedFor}`
        : `The service ${signedFor} (${found})`;
  return new AwsError(
    'UnknownOperationException',
    `${what} is not part of the local Region. docs/rehearsal.md lists what is.`,
    status,
  );
}

/** A body that cannot be parsed. */
export function malformed(sentence: string): AwsError {
  return new AwsError('SerializationException', sentence);
}

/** The code of each service for a request that does not meet its model. */
const VALIDATION_CODES: Readonly<Record<ServiceName, string>> = {
  autoscaling: 'ValidationError',
  cloudwatch: 'ValidationError',
  ec2: 'InvalidParameterValue',
  ecs: 'InvalidParameterException',
  elbv2: 'ValidationError',
  events: 'ValidationException',
  iam: 'ValidationError',
  lambda: 'ValidationException',
  logs: 'InvalidParameterException',
  scheduler: 'ValidationException',
  sns: 'ValidationError',
  sqs: 'InvalidParameterValue',
  sts: 'ValidationError',
};

/** How each service answers a page token that it has not given for the request. */
const INVALID_TOKENS: Readonly<Record<ServiceName, (token: string) => readonly [code: string, message: string]>> = {
  autoscaling: () => ['InvalidNextToken', 'The NextToken value is not valid.'],
  cloudwatch: () => ['InvalidParameterValue', 'The value for parameter NextToken is invalid.'],
  ec2: (token) => ['InvalidParameterValue', `The token '${token}' is invalid`],
  // Facts 58 invalid-token.
  ecs: (token) => ['InvalidParameterException', `Invalid token ${token}`],
  elbv2: () => ['ValidationError', 'The Marker is invalid'],
  events: () => ['ValidationException', 'NextToken is not a valid token.'],
  iam: () => ['ValidationError', 'Invalid Marker.'],
  lambda: () => ['InvalidParameterValueException', 'Invalid pagination token'],
  logs: () => ['InvalidParameterException', 'The specified nextToken is invalid.'],
  scheduler: () => ['ValidationException', 'Invalid NextToken.'],
  sns: () => ['InvalidParameter', 'Invalid parameter: NextToken'],
  sqs: () => ['InvalidParameterValue', 'Invalid or expired next token.'],
  sts: () => ['ValidationError', 'Invalid token.'],
};

export function invalidToken(service: ServiceName, token: string): AwsError {
  return new AwsError(...INVALID_TOKENS[service](token));
}

/** Services that ask for a parameter by name in words of their own. */
const ASKS_FOR_PARAMETER: Partial<Record<ServiceName, string>> = { ec2: 'MissingParameter', sqs: 'MissingParameter' };

/** The service's usual refusal of a request that does not fit its model: all that is wrong, as AWS's framework lists it. */
export function refusalOf(service: ServiceName, found: readonly Violation[]): AwsError {
  const { protocol } = MODELS[service];
  const type = found.find(({ kind }) => kind === 'type');
  // The parser comes before the checks. Query has text only, which a check refuses.
  if (type && protocol !== 'query' && protocol !== 'ec2') {
    return new AwsError('SerializationException', `${type.sentence}.`);
  }
  const [missing] = found.filter(({ kind }) => kind === 'required');
  const code = ASKS_FOR_PARAMETER[service];
  if (missing && code !== undefined) {
    return new AwsError(code, `The request must contain the parameter ${missing.member}.`);
  }
  if (type) return new AwsError('MalformedInput', `${type.sentence}.`);
  const errors = found.length === 1 ? '1 validation error' : `${found.length} validation errors`;
  const sentences = found.map(({ sentence }) => sentence).join('; ');
  return new AwsError(VALIDATION_CODES[service], `${errors} detected: ${sentences}`);
}

/** The HTTP status of an error: its own, what AWS's model has, or that of a mistake of the caller. */
export function statusOf(service: ServiceName | undefined, { code, status }: AwsError): number {
  const known = service && MODELS[service].errors;
  const ofModel = known?.[code]?.status ?? Object.values(known ?? {}).find((error) => error.code === code)?.status;
  return status ?? ofModel ?? 400;
}
