import type {
  FunctionConfiguration,
  FunctionEventInvokeConfig,
  GetFunctionConfigurationRequest,
  GetFunctionEventInvokeConfigRequest,
  InvocationResponse,
} from '@aws-sdk/client-lambda';
import { AwsError } from './aws-error.ts';
import { LARGEST_EVENT_AGE_SECONDS, type LambdaModel } from './lambda.ts';
import type { Place } from './place.ts';
import type { Service } from './service.ts';

/** The largest event of an asynchronous invocation (Lambda quotas). */
const LARGEST_EVENT_BYTES = 1024 * 1024;

/** An Invoke as the wire reads it: the payload is the body's text. */
interface InvokeInput {
  readonly FunctionName?: string;
  readonly InvocationType?: string;
  readonly Payload?: string;
}

/** Lambda's API over the deployed functions. */
export function lambdaService(functions: readonly LambdaModel[], place: Place): Service {
  return { name: 'lambda', operations: operationsOf(functions, place) };
}

function operationsOf(functions: readonly LambdaModel[], { region, account }: Place): Service['operations'] {
  const arnOf = (name: string) => `arn:aws:lambda:${region}:${account}:function:${name}`;

  const functionIn = ({ FunctionName = '' }: { readonly FunctionName?: string | undefined }): LambdaModel => {
    const name = FunctionName.split(':').at(-1) ?? '';
    const found = functions.findLast((each) => each.name === name);
    if (!found) throw new AwsError('ResourceNotFoundException', `Function not found: ${arnOf(name)}`);
    return found;
  };

  return {
    GetFunctionConfiguration: (input: GetFunctionConfigurationRequest): FunctionConfiguration => {
      const { name, timeoutSeconds, memoryMb = 128, environment, roleArn } = functionIn(input).spec;
      return {
        FunctionName: name,
        FunctionArn: arnOf(name),
        Role: roleArn ?? `arn:aws:iam::${account}:role/${name}`,
        Timeout: timeoutSeconds,
        MemorySize: memoryMb,
        ...(environment && { Environment: { Variables: { ...environment } } }),
        State: 'Active',
        LastUpdateStatus: 'Successful',
        Version: '$LATEST',
        PackageType: 'Zip',
      };
    },

    GetFunctionEventInvokeConfig: (input: GetFunctionEventInvokeConfigRequest): FunctionEventInvokeConfig => {
      const { name, maximumEventAgeSeconds, onFailure } = functionIn(input).spec;
      if (maximumEventAgeSeconds === undefined && !onFailure) {
        const message = `The function ${arnOf(name)}:$LATEST doesn't have an EventInvokeConfig`;
        throw new AwsError('ResourceNotFoundException', message);
      }
      return {
        FunctionArn: `${arnOf(name)}:$LATEST`,
        MaximumRetryAttempts: 2,
        MaximumEventAgeInSeconds: maximumEventAgeSeconds ?? LARGEST_EVENT_AGE_SECONDS,
        DestinationConfig: { OnSuccess: {}, OnFailure: onFailure ? { Destination: onFailure.arn } : {} },
      };
    },

    Invoke: (input: InvokeInput): InvocationResponse => {
      const invoked = functionIn(input);
      const { InvocationType = 'RequestResponse', Payload = '' } = input;
      if (InvocationType !== 'Event') {
        const message = `The local Region does not know the invocation type ${InvocationType}.`;
        throw new AwsError('InvalidParameterValueException', message);
      }
      const bytes = Buffer.byteLength(Payload);
      if (bytes > LARGEST_EVENT_BYTES) {
        const message = `${bytes} byte payload is too large for the Event invocation type (limit ${LARGEST_EVENT_BYTES} bytes)`;
        throw new AwsError('RequestTooLargeException', message);
      }
      invoked.invokeAsync(eventIn(Payload));
      return { StatusCode: 202 };
    },
  };
}

function eventIn(payload: string): unknown {
  try {
    return JSON.parse(payload || '{}');
  } catch {
    throw new AwsError('InvalidRequestContentException', 'Could not parse request body into json.');
  }
}
