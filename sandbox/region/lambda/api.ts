import type {
  Concurrency,
  EventSourceMappingConfiguration,
  FunctionConfiguration,
  FunctionEventInvokeConfig,
  GetFunctionRecursionConfigResponse,
  GetFunctionResponse,
  InvocationResponse,
  ListEventSourceMappingsRequest,
  ListEventSourceMappingsResponse,
  ListFunctionsRequest,
  ListFunctionsResponse,
} from '@aws-sdk/client-lambda';
import { AwsError } from '../aws-error.ts';
import { pageOf } from '../pages.ts';
import type { Place } from '../place.ts';
import type { Service } from '../service.ts';
import type { VirtualTime } from '../time/virtual-time.ts';
import type { EventSourceMapping } from './event-source-mapping.ts';
import { LARGEST_EVENT_AGE_SECONDS, type LambdaModel, logGroupOf } from './model.ts';

/** What the API needs of the rest of the Region. */
export interface LambdaApiOptions {
  readonly place: Place;
  readonly functions: readonly LambdaModel[];
  readonly mappings: readonly EventSourceMapping[];
  readonly time: Pick<VirtualTime, 'stir'>;
}

/** The largest payload of an invocation, by its type (Lambda quotas). */
const LARGEST_PAYLOAD_BYTES = { Event: 1024 * 1024, RequestResponse: 6 * 1024 * 1024 };
const LARGEST_PAGE = { functions: 50, mappings: 100 };
/** The one version that there is. */
const VERSION = '$LATEST';

/** Which function is asked for. */
interface Named {
  readonly FunctionName?: string | undefined;
  readonly Qualifier?: string | undefined;
}

/** An Invoke as the wire reads it: the payload is the body's text. */
interface InvokeInput extends Named {
  readonly InvocationType?: string;
  readonly Payload?: string;
}

/** Lambda's API over the deployed functions. */
export function lambdaService(options: LambdaApiOptions): Service {
  const functionIn = (input: Named) => functionNamed(input, options);
  return {
    name: 'lambda',
    operations: { ...aboutFunctions(options, functionIn), ...invoking(options, functionIn) },
  };
}

type FunctionIn = (input: Named) => LambdaModel;

function aboutFunctions(
  { place, functions, mappings }: LambdaApiOptions,
  functionIn: FunctionIn,
): Service['operations'] {
  const concurrencyOf = ({ spec: { reservedConcurrency } }: LambdaModel): Concurrency =>
    reservedConcurrency === undefined ? {} : { ReservedConcurrentExecutions: reservedConcurrency };

  return {
    GetFunction: (input: Named): GetFunctionResponse => {
      const found = functionIn(input);
      const Concurrency = concurrencyOf(found);
      return {
        Configuration: configurationOf(found, place),
        Code: { RepositoryType: 'S3' },
        ...('ReservedConcurrentExecutions' in Concurrency && { Concurrency }),
      };
    },

    ListFunctions: ({ Marker, MaxItems = LARGEST_PAGE.functions }: ListFunctionsRequest): ListFunctionsResponse => {
      const names = [...new Set(functions.map(({ name }) => name))].toSorted();
      const { items, next } = pageOf(names, { size: Math.min(MaxItems, LARGEST_PAGE.functions), token: Marker });
      return {
        Functions: items.map((FunctionName) => configurationOf(functionIn({ FunctionName }), place)),
        ...(next !== undefined && { NextMarker: next }),
      };
    },

    GetFunctionConfiguration: (input: Named): FunctionConfiguration => configurationOf(functionIn(input), place),

    GetFunctionConcurrency: (input: Named): Concurrency => concurrencyOf(functionIn(input)),

    GetFunctionEventInvokeConfig: (input: Named): FunctionEventInvokeConfig => {
      const { name, maximumEventAgeSeconds, onFailure } = functionIn(input).spec;
      const arn = `${functionArn(place, name)}:${VERSION}`;
      if (maximumEventAgeSeconds === undefined && !onFailure) {
        throw notFound(`The function ${arn} doesn't have an EventInvokeConfig`);
      }
      return {
        FunctionArn: arn,
        MaximumRetryAttempts: 2,
        MaximumEventAgeInSeconds: maximumEventAgeSeconds ?? LARGEST_EVENT_AGE_SECONDS,
        DestinationConfig: { OnSuccess: {}, OnFailure: onFailure ? { Destination: onFailure.arn } : {} },
      };
    },

    GetFunctionRecursionConfig: (input: Named): GetFunctionRecursionConfigResponse => ({
      RecursiveLoop: functionIn(input).spec.recursiveLoop ?? 'Terminate',
    }),

    ListEventSourceMappings: (input: ListEventSourceMappingsRequest): ListEventSourceMappingsResponse => {
      const { FunctionName, EventSourceArn, Marker, MaxItems = LARGEST_PAGE.mappings } = input;
      const wanted = FunctionName === undefined ? undefined : functionIn({ FunctionName });
      const { items, next } = pageOf(
        mappings
          .filter(({ queue }) => EventSourceArn === undefined || queue.arn === EventSourceArn)
          .filter(({ lambda }) => wanted === undefined || lambda === wanted)
          .map((mapping) => mappingOf(mapping, place)),
        { size: Math.min(MaxItems, LARGEST_PAGE.mappings), token: Marker },
      );
      return { EventSourceMappings: [...items], ...(next !== undefined && { NextMarker: next }) };
    },
  };
}

function invoking({ time }: LambdaApiOptions, functionIn: FunctionIn): Service['operations'] {
  return {
    Invoke: (input: InvokeInput): InvocationResponse | Promise<InvocationResponse> => {
      const invoked = functionIn(input);
      const { InvocationType = 'RequestResponse', Payload = '' } = input;
      if (InvocationType === 'DryRun') return { StatusCode: 204 };
      const type = InvocationType === 'Event' ? 'Event' : 'RequestResponse';
      const bytes = Buffer.byteLength(Payload);
      const largest = LARGEST_PAYLOAD_BYTES[type];
      if (bytes > largest) {
        const message = `${bytes} byte payload is too large for the ${type} invocation type (limit ${largest} bytes)`;
        throw new AwsError('RequestTooLargeException', message);
      }
      const event = eventIn(Payload);
      if (type === 'RequestResponse') return waitedFor(invoked, event, time);
      invoked.invokeAsync(event);
      return { StatusCode: 202 };
    },
  };
}

/**
 * Runs a function for a caller who waits; what the function throws is an answer of status 200
 * (facts 85 invoke-answers).
 */
function waitedFor(lambda: LambdaModel, event: unknown, time: Pick<VirtualTime, 'stir'>): Promise<InvocationResponse> {
  const { promise, resolve } = Promise.withResolvers<InvocationResponse>();
  const started = lambda.invoke(event, (error, result) => {
    time.stir();
    const answer = { StatusCode: 200, ExecutedVersion: VERSION };
    resolve(
      error === undefined
        ? { ...answer, Payload: payloadOf(result) }
        : { ...answer, FunctionError: 'Unhandled', Payload: payloadOf(errorOf(error)) },
    );
  });
  if (!started) throw new AwsError('TooManyRequestsException', 'Rate Exceeded.');
  return promise;
}

/** The SDK's type is of bytes; the wire writes the text. */
function payloadOf(value: unknown): NonNullable<InvocationResponse['Payload']> {
  return (JSON.stringify(value) ?? 'null') as unknown as NonNullable<InvocationResponse['Payload']>;
}

/** The types of what Lambda itself reports; of what a function throws the model keeps the message alone. */
function errorOf(errorMessage: string) {
  const ofLambda = /^Task timed out/.test(errorMessage) ? 'Sandbox.Timedout' : 'Runtime.ExitError';
  const errorType = /^(Task timed out|Runtime exited|Runtime\.ExitError)/.test(errorMessage) ? ofLambda : 'Error';
  return { errorType, errorMessage };
}

function eventIn(payload: string): unknown {
  try {
    return JSON.parse(payload || '{}');
  } catch {
    throw new AwsError('InvalidRequestContentException', 'Could not parse request body into json.');
  }
}

/** A name, `name:qualifier`, an ARN, or an ARN from the account on (Lambda API reference). */
const FUNCTION_NAME =
  /^(?:arn:aws:lambda:(?<region>[^:]*):)?(?:(?<account>\d{12}):)?(?:function:)?(?<name>[\w-]+)(?::(?<qualifier>[\w$-]+))?$/;

/** @throws AwsError if there is no such function, or it is of another Region or account. */
function functionNamed({ FunctionName = '', Qualifier }: Named, { place, functions }: LambdaApiOptions): LambdaModel {
  const { region, account, name = FunctionName, qualifier } = FUNCTION_NAME.exec(FunctionName)?.groups ?? {};
  if (region !== undefined && region !== place.region) {
    throw notFound(`Functions from '${region}' are not reachable in this region ('${place.region}')`);
  }
  if (qualifier !== undefined && Qualifier !== undefined && qualifier !== Qualifier) {
    const message = 'The derived qualifier from the function name does not match the specified qualifier.';
    throw new AwsError('InvalidParameterValueException', message);
  }
  const version = qualifier ?? Qualifier ?? VERSION;
  const isOurs = (account === undefined || account === place.account) && version === VERSION;
  const found = isOurs ? functions.findLast((each) => each.name === name) : undefined;
  if (found) return found;
  const arn = functionArn({ ...place, account: account ?? place.account }, name);
  throw notFound(`Function not found: ${version === VERSION ? arn : `${arn}:${version}`}`);
}

function configurationOf({ spec }: LambdaModel, place: Place): FunctionConfiguration {
  const { name, timeoutSeconds, memoryMb = 128, environment, roleArn } = spec;
  const { runtime = 'nodejs24.x', handler = 'index.handler' } = spec;
  return {
    FunctionName: name,
    FunctionArn: functionArn(place, name),
    Runtime: runtime as NonNullable<FunctionConfiguration['Runtime']>,
    Role: roleArn ?? `arn:aws:iam::${place.account}:role/${name}`,
    Handler: handler,
    Timeout: timeoutSeconds,
    MemorySize: memoryMb,
    ...(environment && { Environment: { Variables: { ...environment } } }),
    State: 'Active',
    LastUpdateStatus: 'Successful',
    Version: VERSION,
    PackageType: 'Zip',
    LoggingConfig: { LogGroup: logGroupOf(name) },
  };
}

function mappingOf(mapping: EventSourceMapping, place: Place): EventSourceMappingConfiguration {
  const { spec, queue, lambda } = mapping;
  const { maximumConcurrency } = spec;
  return {
    UUID: mapping.id,
    BatchSize: spec.batchSize,
    MaximumBatchingWindowInSeconds: spec.windowSeconds,
    EventSourceArn: queue.arn,
    FunctionArn: functionArn(place, lambda.name),
    LastModified: new Date(mapping.createdAtMs),
    State: 'Enabled',
    StateTransitionReason: 'USER_INITIATED',
    FunctionResponseTypes: spec.reportsItemFailures ? ['ReportBatchItemFailures'] : [],
    ...(maximumConcurrency !== undefined && { ScalingConfig: { MaximumConcurrency: maximumConcurrency } }),
  };
}

function functionArn({ region, account }: Place, name: string): string {
  return `arn:aws:lambda:${region}:${account}:function:${name}`;
}

function notFound(message: string): AwsError {
  return new AwsError('ResourceNotFoundException', message);
}
