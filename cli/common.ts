import { GetFunctionConfigurationCommand, LambdaClient } from '@aws-sdk/client-lambda';
import packageJson from '../package.json' with { type: 'json' };
import { AwsCallFailed, AwsUnavailable, awsCall, SDK_BOUNDS } from '../src/adapters/aws-call.ts';
import { duration } from '../src/adapters/duration.ts';
import { reasonOf } from '../src/domain/ports.ts';
import { type Settings, settingsFrom } from '../src/handlers/settings.ts';
import { UsageError } from '../terminal/command-line.ts';
import type { Page } from '../terminal/layout.ts';
import { type AwsClock, awsClock } from './aws-clock.ts';

export { duration, UsageError };

/** Which deployment is meant, and where AWS is. The SDK finds the rest in the environment and in profiles. */
export interface Target {
  readonly stage: string;
  readonly function?: string;
  readonly region?: string;
  readonly profile?: string;
  readonly endpointUrl?: string;
}

/** Where a command prints what it found: text for people, or one JSON object for programs. */
export interface Output {
  readonly page: Page;
  print(text: string): void;
  printJson(value: object): void;
}

/** The deployed function, and how to call the AWS services around it. */
export interface Deployment {
  readonly target: Target;
  readonly functionName: string;
  readonly functionArn: string;
  readonly roleArn: string;
  readonly timeoutSeconds: number;
  readonly settings: Settings;
  /** The configuration of every AWS client. */
  readonly config: ClientConfig;
  readonly lambda: LambdaClient;
  /** The time of AWS, whatever this machine's clock says. */
  nowMs(): number;
}

export type ClientConfig = typeof SDK_BOUNDS & {
  readonly region?: string;
  readonly profile?: string;
  readonly endpoint?: string;
  readonly extensions: AwsClock['extension'][];
};

/** The name of the deployed function. */
export function functionNameOf({ stage, function: name }: Target): string {
  return name ?? `ecs-drain-${stage}-drain`;
}

/**
 * The configuration of every AWS client, and the time of AWS.
 * @throws UsageError for what cannot be a Region or a URL.
 */
export function connectionTo(target: Target): Pick<Deployment, 'config' | 'nowMs'> {
  checkTyped(target);
  const { region, profile, endpointUrl } = target;
  const { nowMs, extension } = awsClock();
  const config = {
    ...SDK_BOUNDS,
    extensions: [extension],
    ...(region !== undefined && { region }),
    ...(profile !== undefined && { profile }),
    ...(endpointUrl !== undefined && { endpoint: endpointUrl }),
  };
  return { config, nowMs };
}

/** Reads how the function is configured: its drains follow the settings in its environment. */
export async function deploymentOf(target: Target): Promise<Deployment> {
  const { config, nowMs } = connectionTo(target);
  const functionName = functionNameOf(target);
  const lambda = new LambdaClient(config);
  const answer = await awsCall(`read the configuration of ${functionName}`, () =>
    lambda.send(new GetFunctionConfigurationCommand({ FunctionName: functionName })),
  );
  const { FunctionName, FunctionArn = '', Role = '', Timeout = 0, Environment } = answer;
  if (Environment?.Error) {
    throw new Error(
      `The environment of ${functionName} cannot be read: ${Environment.Error.Message} You need kms:Decrypt with its key.`,
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
    nowMs,
  };
}

/** @throws UsageError for what cannot be a name, a Region or a URL. */
export function checkTyped({ endpointUrl, region, ...names }: Target): void {
  for (const [option, value] of Object.entries({ region, ...names })) {
    if (value === '') throw new UsageError(`--${option} is empty: name one, or leave it out.`);
  }
  for (const [option, value] of Object.entries({ region, profile: names.profile })) {
    if (value?.includes(',')) {
      throw new UsageError(`--${option} ${value} is a list, which only status and history take.`);
    }
  }
  if (region !== undefined && !/^[a-z\d]+(-[a-z\d]+)*$/.test(region)) {
    throw new UsageError(`--region ${region} is not a Region of AWS such as eu-west-1.`);
  }
  const fromEnvironment = process.env['AWS_ENDPOINT_URL'] || undefined; // the SDK ignores an empty one, too
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
    throw new Error(
      `The function ${functionName} has settings that cannot be read: ${reasonOf(error)} Deploy it again with this version, or name another with --stage or --function.`,
      { cause: error },
    );
  }
}

// --- Failures ---------------------------------------------------------------------------------------------------------

/** The call to AWS that failed, if the failure is one. */
export function failedCallIn(thrown: unknown): AwsCallFailed | AwsUnavailable | undefined {
  if (thrown instanceof AwsCallFailed || thrown instanceof AwsUnavailable) return thrown;
  return thrown instanceof Error ? failedCallIn(thrown.cause) : undefined;
}

/** Whether AWS refused the call with this error code. */
export function hasCode(code: string, thrown: unknown): boolean {
  return failedCallIn(thrown)?.code === code;
}

/**
 * Asks no more once there was no answer, because each further question would wait as long. Questions that are asked
 * together wait for the answer to the first.
 */
export function untilSilent<Q extends unknown[], A>(
  ask: (...question: Q) => Promise<A>,
): (...question: Q) => Promise<A> {
  let first: Promise<unknown> | undefined;
  let silence: unknown;
  return async (...question) => {
    if (first) await first.catch(() => {});
    if (silence) throw silence;
    const asked = ask(...question);
    first ??= asked;
    try {
      return await asked;
    } catch (error) {
      if (isSilence(error)) silence = error;
      throw error;
    }
  };
}

/** No answer, or a server error; a throttled call was answered. */
function isSilence(thrown: unknown): boolean {
  const call = failedCallIn(thrown);
  return call instanceof AwsUnavailable && (httpStatusOf(call.cause) ?? 500) >= 500;
}

function httpStatusOf(error: unknown): number | undefined {
  return (error as { $metadata?: { httpStatusCode?: number } } | undefined)?.$metadata?.httpStatusCode;
}

const REFUSED = /^(AccessDenied|UnauthorizedOperation|NotAuthorized|AuthorizationError)/;
const CREDENTIALS_REFUSED =
  /^(ExpiredToken|InvalidClientTokenId|UnrecognizedClient|SignatureDoesNotMatch|InvalidSignature|IncompleteSignature|InvalidAccessKeyId)/;
const UNREACHABLE = /^(ECONNREFUSED|ECONNRESET|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EPIPE)$/;
/** What the SDK reports of an answer that AWS never gives: a proxy's page, another server's error, no HTTP at all. */
const NOT_OF_AWS = /^Unknown(Error)?$|Deserialization error|EPROTO|^HPE_/;

/** A failure in a sentence or two that say what to do. */
export function sentenceOf(thrown: unknown, target: Target): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const call = failedCallIn(thrown);
  const error = call?.cause instanceof Error ? call.cause : thrown;
  const message = withFullStop(error.message);
  const code = (error as { code?: string }).code ?? '';
  const endpoint = target.endpointUrl || process.env['AWS_ENDPOINT_URL'];

  if (error.name === 'CredentialsProviderError' || error.name === 'TokenProviderError') {
    const profile = target.profile ?? process.env['AWS_PROFILE'];
    if (profile) return `The profile ${profile} gives no credentials: is it in ~/.aws/config? ${message}`;
    return `There are no AWS credentials: ${message} Set AWS_PROFILE or --profile, sign in, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.`;
  }
  if (CREDENTIALS_REFUSED.test(error.name)) {
    return `AWS does not accept these credentials: ${message} Sign in again, or use others with --profile.`;
  }
  if (/^Region is missing|^Region not accepted: region=""/.test(error.message)) {
    return 'No AWS Region is set: set AWS_REGION, or use --region.';
  }
  if (error.message.startsWith('Region not accepted')) {
    return `${message} Correct AWS_REGION or the profile, or name a Region with --region.`;
  }
  if (REFUSED.test(error.name)) {
    return `Could not ${call?.attempted ?? 'do this'}: ${message} The commands need these permissions: ${documentAt('operations.md#permissions')}`;
  }
  if (error.name === 'ResourceNotFoundException' && /function not found/i.test(error.message)) {
    const earlier = target.stage === 'main' ? ' (until 0.1.0 the default was dev)' : '';
    return `${message} Deploy it, or name another stage with --stage${earlier}, another function with --function, or another Region with --region.`;
  }
  if (UNREACHABLE.test(code) || error.name === 'TimeoutError') {
    return `${endpoint || 'AWS'} does not answer (${code || error.message}): check --endpoint-url, --region and the network.`;
  }
  if ([error.name, error.message, code].some((word) => NOT_OF_AWS.test(word))) {
    const status = httpStatusOf(error);
    const how = status === undefined ? code : `HTTP ${status}`;
    return `${endpoint || "AWS's endpoint"} does not answer as AWS does (${how}): check --endpoint-url / AWS_ENDPOINT_URL and proxies.`;
  }
  return withFullStop(thrown.message);
}

function withFullStop(sentence: string): string {
  return sentence.trim().replace(/([^.])$/, '$1.');
}

// --- Text -------------------------------------------------------------------------------------------------------------

/** Where a page of the documents is, for people without a clone. */
export function documentAt(page: string): string {
  return `${packageJson.repository.url.replace(/^git\+|\.git$/g, '')}/blob/v${packageJson.version}/docs/${page}`;
}

/** To the second, as AWS writes it. */
export function isoTime(instantMs: number): string {
  return `${new Date(instantMs).toISOString().slice(0, 19)}Z`;
}

/** `in 4 min 10 s`, `now`: when something is due that may be late. */
export function dueAt(nowMs: number, instantMs: number): string {
  return instantMs > nowMs ? `in ${between(nowMs, instantMs)}` : 'now';
}

/** `31 min ago`, `in 4 min 10 s`. */
export function relativeTo(nowMs: number, instantMs: number): string {
  return instantMs > nowMs ? `in ${between(nowMs, instantMs)}` : `${between(nowMs, instantMs)} ago`;
}

/** To the second, because AWS dates its answers so. */
export function between(oneMs: number, otherMs: number): string {
  return duration(Math.round(Math.abs(otherMs - oneMs) / 1000));
}

/** `local` of `arn:aws:iam::123456789012:user/local`. */
export function operatorName(arn: string): string {
  return arn.split('/').at(-1) ?? arn;
}

/** `1 task`, `2 tasks`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** Without a comma before *and*. */
const LIST = new Intl.ListFormat('en-GB', { style: 'long', type: 'conjunction' });

/** `the hook a`, `the hooks a, b and c`. */
export function hooksNamed(names: readonly string[]): string {
  return `the hook${names.length === 1 ? '' : 's'} ${LIST.format(names)}`;
}

/** `The hook a lets`, `The hooks a and b let`: the verb for one hook, then that for several. */
export function hooksThat([one, several]: readonly [string, string], names: readonly string[]): string {
  return `T${hooksNamed(names).slice(1)} ${names.length === 1 ? one : several}`;
}
