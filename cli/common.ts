import {
  GetFunctionConfigurationCommand,
  GetFunctionEventInvokeConfigCommand,
  LambdaClient,
} from '@aws-sdk/client-lambda';
import { GetQueueUrlCommand, SQSClient } from '@aws-sdk/client-sqs';
import { awsCall, SDK_BOUNDS } from '../src/adapters/aws-call.ts';
import { Unavailable } from '../src/domain/ports.ts';
import { type Settings, settingsFrom } from '../src/handlers/settings.ts';

/** What was typed cannot be understood; the message is the sentence that mends it, and the exit status is 2. */
export class UsageError extends Error {}

/** Which deployment is meant, and where AWS is. What is left out, the SDK finds in the environment and in profiles. */
export interface Target {
  readonly stage: string;
  readonly function?: string;
  readonly region?: string;
  readonly profile?: string;
  readonly endpointUrl?: string;
}

/** Where a command says what it found: to people in text, to programs as one JSON object. */
export interface Output {
  print(text: string): void;
  printJson(value: object): void;
}

/** A function that drains, as it is deployed. */
export interface Deployment {
  readonly target: Target;
  readonly functionName: string;
  readonly functionArn: string;
  readonly roleArn: string;
  readonly timeoutSeconds: number;
  readonly settings: Settings;
  /** For every client of an AWS service. */
  readonly config: ClientConfig;
  readonly lambda: LambdaClient;
  /** AWS's own time, as far as this machine's is off. */
  nowMs(): number;
}

type ClientConfig = typeof SDK_BOUNDS & {
  readonly region?: string;
  readonly profile?: string;
  readonly endpoint?: string;
};

/** Nothing of a command ends before the command does. */
export const NEVER = new AbortController().signal;

/** No answer, or a server's error; a call that is throttled is answered. */
function isSilence(error: unknown): boolean {
  if (!(error instanceof Unavailable)) return false;
  return (httpStatusOf(error.cause) ?? 500) >= 500;
}

/** What was answered, if anything was. */
export function httpStatusOf(error: unknown): number | undefined {
  return (error as { $metadata?: { httpStatusCode?: number } } | undefined)?.$metadata?.httpStatusCode;
}

/** Asks no more once there was no answer: each question more would be waited for as long. */
export function untilSilent<Q extends unknown[], A>(
  ask: (...question: Q) => Promise<A>,
): (...question: Q) => Promise<A> {
  let silence: unknown;
  return async (...question) => {
    if (silence) throw silence;
    try {
      return await ask(...question);
    } catch (error) {
      if (isSilence(error)) silence = error;
      throw error;
    }
  };
}

/** Reads how the function is configured: its settings are those that its drains go by. */
export async function deploymentOf(target: Target): Promise<Deployment> {
  checkTyped(target);
  const { stage, region, profile, endpointUrl } = target;
  const config = {
    ...SDK_BOUNDS,
    ...(region !== undefined && { region }),
    ...(profile !== undefined && { profile }),
    ...(endpointUrl !== undefined && { endpoint: endpointUrl }),
  };
  const functionName = target.function ?? `ecs-drain-${stage}-drain`;
  const lambda = new LambdaClient(config);
  const answer = await lambda.send(new GetFunctionConfigurationCommand({ FunctionName: functionName }));
  const { FunctionName, FunctionArn = '', Role = '', Timeout = 0, Environment } = answer;
  if (Environment?.Error) {
    throw new Error(
      `The environment of ${functionName} cannot be read: ${Environment.Error.Message} Ask for kms:Decrypt with its key.`,
    );
  }
  return {
    target,
    functionName: FunctionName ?? functionName,
    functionArn: FunctionArn,
    roleArn: Role,
    timeoutSeconds: Timeout,
    settings: settingsIn(functionName, Environment?.Variables ?? {}),
    config,
    lambda,
    nowMs: () => Date.now() + lambda.config.systemClockOffset,
  };
}

function checkTyped({ endpointUrl, region, ...names }: Target): void {
  for (const [option, value] of Object.entries({ region, ...names })) {
    if (value === '') throw new UsageError(`--${option} is empty: name one, or leave it out.`);
  }
  if (region !== undefined && !/^[a-z\d]+(-[a-z\d]+)*$/.test(region)) {
    throw new UsageError(`--region ${region} is not a Region of AWS such as eu-west-1.`);
  }
  const fromEnvironment = process.env['AWS_ENDPOINT_URL'] || undefined; // empty, the SDK takes it for unset
  const [from, url] =
    endpointUrl === undefined ? ['AWS_ENDPOINT_URL', fromEnvironment] : ['--endpoint-url', endpointUrl];
  if (url !== undefined && !/^https?:$/.test(URL.parse(url)?.protocol ?? '')) {
    throw new UsageError(`${from} ${url} is not a URL such as http://127.0.0.1:4566.`);
  }
}

function settingsIn(functionName: string, environment: Readonly<Record<string, string>>): Settings {
  try {
    return settingsFrom(environment);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new Error(
      `The function ${functionName} has settings that cannot be read: ${message} Deploy it again with this version, or name another with --stage or --function.`,
      { cause: error },
    );
  }
}

/** Where the events of a deployment end up that could not be handled. */
export interface DeadLetterQueue {
  readonly name: string;
  readonly url: string;
  readonly sqs: SQSClient;
}

export async function deadLetterQueueOf(deployment: Deployment): Promise<DeadLetterQueue> {
  const { settings, lambda, functionName, config } = deployment;
  const arn = settings.parking?.deadLetterQueueArn ?? (await onFailureOf(lambda, functionName));
  const [, , service, , account, name] = arn?.split(':') ?? [];
  if (service !== 'sqs' || name === undefined || account === undefined) {
    throw new Error(`The function ${functionName} has no dead-letter queue of SQS: deploy it again.`);
  }
  // The queue is asked for where all of AWS is, even if its URL says otherwise.
  const sqs = new SQSClient({ ...config, useQueueUrlAsEndpoint: false });
  const { QueueUrl: url = '' } = await awsCall(`find the queue ${name}`, () =>
    sqs.send(new GetQueueUrlCommand({ QueueName: name, QueueOwnerAWSAccountId: account })),
  );
  return { name, url, sqs };
}

async function onFailureOf(lambda: LambdaClient, functionName: string): Promise<string | undefined> {
  const { DestinationConfig } = await awsCall(`ask where the failures of ${functionName} go`, () =>
    lambda.send(new GetFunctionEventInvokeConfigCommand({ FunctionName: functionName })),
  );
  return DestinationConfig?.OnFailure?.Destination;
}

// --- What went wrong --------------------------------------------------------------------------------------------------

const REFUSED = /^(AccessDenied|UnauthorizedOperation|NotAuthorized|AuthorizationError)/;
const CREDENTIALS_REFUSED =
  /^(ExpiredToken|InvalidClientTokenId|UnrecognizedClient|SignatureDoesNotMatch|InvalidSignature|IncompleteSignature|InvalidAccessKeyId)/;
const UNREACHABLE = /^(ECONNREFUSED|ECONNRESET|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EPIPE)$/;
/** What the SDK makes of an answer that AWS never gives: a proxy's page, another server's error, no HTTP at all. */
const NOT_OF_AWS = /^Unknown(Error)?$|Deserialization error|EPROTO|^HPE_/;

/** A failure as one sentence or two that say what to do. */
export function sentenceOf(thrown: unknown, target: Target): string {
  if (!(thrown instanceof Error)) return String(thrown);
  // The adapters wrap what the SDK throws, with what they were trying.
  const error = thrown.cause instanceof Error ? thrown.cause : thrown;
  const [tried = ''] = thrown === error ? [] : thrown.message.split(`: ${error.name}: `, 1);
  const message = error.message.trim().replace(/([^.])$/, '$1.');
  const code = (error as { code?: string }).code ?? '';
  const endpoint = target.endpointUrl || process.env['AWS_ENDPOINT_URL'];

  if (error.name === 'CredentialsProviderError' || error.name === 'TokenProviderError') {
    const profile = target.profile ?? process.env['AWS_PROFILE'];
    if (profile) return `The profile ${profile} gives no credentials: is it in ~/.aws/config? ${message}`;
    return `There are no AWS credentials: ${message} Set AWS_PROFILE or --profile, sign in, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.`;
  }
  if (CREDENTIALS_REFUSED.test(error.name)) {
    return `AWS does not take these credentials: ${message} Sign in again, or use others with --profile.`;
  }
  if (error.message === 'Region is missing') {
    return 'No AWS Region is named: name it with --region, or set AWS_REGION.';
  }
  if (REFUSED.test(error.name)) {
    return `${tried === '' ? 'AWS refuses it' : tried}: ${message} docs/operations.md lists the permissions that the commands need.`;
  }
  if (error.name === 'ResourceNotFoundException' && /function/i.test(error.message)) {
    return `${message} Deploy it, or name another stage with --stage, another function with --function, or another Region with --region.`;
  }
  if (UNREACHABLE.test(code) || error.name === 'TimeoutError') {
    return `${endpoint || 'AWS'} does not answer (${code || error.message}): check --endpoint-url, --region and the network.`;
  }
  if ([error.name, error.message, code].some((word) => NOT_OF_AWS.test(word))) {
    const status = httpStatusOf(error);
    const how = status === undefined ? code : `HTTP ${status}`;
    return `${endpoint || "AWS's endpoint"} does not answer as AWS does (${how}): check --endpoint-url / AWS_ENDPOINT_URL and proxies.`;
  }
  return tried === '' ? message : thrown.message.replace(/([^.])$/, '$1.');
}

// --- For people -------------------------------------------------------------------------------------------------------

/** To the second, as AWS writes it. */
export function isoTime(instantMs: number): string {
  return `${new Date(instantMs).toISOString().slice(0, 19)}Z`;
}

/** `45 s`, `31 min`, `2 h 5 min`, `3 d 4 h`. */
export function duration(ms: number): string {
  const seconds = Math.round(Math.abs(ms) / 1000);
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** `31 min ago`, `in 4 min`. */
export function relativeTo(nowMs: number, instantMs: number): string {
  return instantMs > nowMs ? `in ${duration(instantMs - nowMs)}` : `${duration(nowMs - instantMs)} ago`;
}

/** `1 task`, `2 tasks`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
