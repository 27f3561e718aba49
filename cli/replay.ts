import { readFile } from 'node:fs/promises';
import { InvokeCommand } from '@aws-sdk/client-lambda';
import {
  ChangeMessageVisibilityCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  type Message,
  ReceiveMessageCommand,
} from '@aws-sdk/client-sqs';
import * as v from 'valibot';
import { awsCall } from '../src/adapters/aws-call.ts';
import { CONTINUATION_DETAIL_TYPE } from '../src/adapters/event-bridge.ts';
import { unreachable } from '../src/domain/drain.ts';
import { type Received, RejectedEvent, receive } from '../src/handlers/events.ts';
import {
  counted,
  type DeadLetterQueue,
  type Deployment,
  deadLetterQueueOf,
  deploymentOf,
  duration,
  isoTime,
  type Output,
  sentenceOf,
  type Target,
  UsageError,
} from './common.ts';

interface Options {
  readonly deadLetter?: boolean;
  readonly yes?: boolean;
}

/** `ecs-drain replay`: tells what would be sent and what the function would make of it; with `--yes`, sends it. */
export async function replay(
  file: string | undefined,
  { deadLetter = false, yes = false }: Options,
  target: Target,
  output: Output,
): Promise<number> {
  if ((file !== undefined) === deadLetter) throw new UsageError('Name a FILE, or --dead-letter, and not both.');
  // Before anything is asked of AWS.
  const text = file === undefined ? undefined : await textIn(file);
  const deployment = await deploymentOf(target);
  if (file !== undefined && text !== undefined) {
    const messages = messagesOf(JSON.parse(text));
    const letters = messages?.map((message) =>
      letterOf(`${file}, message ${message.MessageId}`, message.Body, deployment, message),
    ) ?? [letterOf(file, text, deployment)];
    return replayed(letters, yes, deployment, target, output);
  }

  const queue = await deadLetterQueueOf(deployment);
  const kept = new Set<Message>();
  const showKept = () => showAgain(queue, [...kept]);
  const interrupted = (signal: NodeJS.Signals) => void showKept().finally(() => process.kill(process.pid, signal));
  for (const signal of INTERRUPTIONS) process.once(signal, interrupted);
  try {
    await receiveInto(kept, queue);
    if (kept.size === 0) return await nothingToReplay(queue, deployment, output);
    const letters = [...kept].map((message) => ({
      ...letterOf(`message ${message.MessageId}`, message.Body ?? '', deployment, message),
      sent: async () => {
        await awsCall(`delete message ${message.MessageId} from ${queue.name}`, () =>
          queue.sqs.send(new DeleteMessageCommand({ QueueUrl: queue.url, ReceiptHandle: message.ReceiptHandle })),
        );
        kept.delete(message);
      },
    }));
    return await replayed(letters, yes, deployment, target, output);
  } finally {
    await showKept();
    for (const signal of INTERRUPTIONS) process.off(signal, interrupted);
  }
}

/** What is to be sent, and what the function would make of it. */
interface Letter {
  readonly from: string;
  /** Why it is a dead letter, as far as it says. */
  readonly reason: string | undefined;
  readonly event: unknown;
  readonly verdict: Received['kind'] | 'rejected';
  readonly sentence: string;
  /** What is to be done once it is sent. */
  readonly sent?: () => Promise<void>;
}

type Fate = 'would be sent' | 'sent' | 'sent, and not deleted' | 'not sent';

/** One by one: a failure ends it, and what was sent is told with what was not. */
async function replayed(
  letters: readonly Letter[],
  yes: boolean,
  deployment: Deployment,
  target: Target,
  { print, printJson }: Output,
): Promise<number> {
  const { functionName, settings } = deployment;
  /** A dead letter is the last trace of its event: it is given up only for something that is done. */
  const isKept = ({ verdict, sent }: Letter) =>
    sent !== undefined && verdict !== 'rejected' && (verdict === 'ignored' || settings.dryRun);
  if (settings.dryRun) print(`The function ${functionName} is in a dry run: it would change nothing.`);
  for (const { from, reason, event, verdict, sentence } of letters) {
    print(`${from}: ${titleOf(event)}`);
    if (reason !== undefined) print(`  it failed with: ${reason}`);
    print(`  ${verdict === 'rejected' ? 'it is never sent' : 'the function would'}: ${sentence}`);
  }
  const fates: Fate[] = [];
  let failure: string | undefined;
  for (const letter of letters) {
    if (letter.verdict === 'rejected' || isKept(letter) || failure !== undefined) {
      fates.push('not sent');
    } else if (!yes) {
      fates.push('would be sent');
    } else {
      const { fate, error } = await send(letter, deployment);
      fates.push(fate);
      if (error !== undefined) failure = sentenceOf(error, target);
    }
  }

  const count = (fate: Fate) => fates.filter((each) => each === fate).length;
  const rejected = letters.filter(({ verdict }) => verdict === 'rejected').length;
  const kept = letters.filter(isKept).length;
  printJson({
    function: functionName,
    ...(settings.dryRun && { dryRun: true }),
    events: letters.map(({ sent: _, ...letter }, i) => ({ ...letter, fate: fates[i] })),
    ...(failure !== undefined && { failure }),
  });
  if (letters.length > 0) print('');
  if (count('would be sent') > 0) {
    print(
      `${counted(count('would be sent'), 'event')} would be sent to ${functionName}. Nothing was: add --yes to send.`,
    );
  }
  if (count('sent') > 0)
    print(`${counted(count('sent'), 'event')} sent to ${functionName}; its log tells what became of it.`);
  if (count('sent, and not deleted') > 0)
    print('1 event was sent and is still in the queue: to send it again is harmless.');
  if (rejected > 0)
    print(`${counted(rejected, 'event')} cannot be understood and ${rejected === 1 ? 'is' : 'are'} never sent.`);
  if (kept > 0)
    print(
      `${counted(kept, 'event')} would drain nothing and ${kept === 1 ? 'is' : 'are'} kept: not sent, not deleted.`,
    );
  const ignored = letters.filter((letter) => letter.verdict === 'ignored' && !isKept(letter)).length;
  if (ignored > 0) print(`The function ignores ${counted(ignored, 'event')}: nothing is drained by that.`);
  const left = count('not sent') - rejected - kept;
  if (failure !== undefined) print(`${left > 0 ? `${counted(left, 'event')} not sent. ` : ''}${failure}`);
  return failure !== undefined || rejected + kept > 0 ? 1 : 0;
}

/** Sends a letter, and then does what is to be done once it is sent. */
async function send(
  letter: Letter,
  deployment: Deployment,
): Promise<{ readonly fate: Fate; readonly error?: unknown }> {
  try {
    await invoke(letter.event, deployment);
  } catch (error) {
    return { fate: 'not sent', error };
  }
  try {
    await letter.sent?.();
    return { fate: 'sent' };
  } catch (error) {
    return { fate: 'sent, and not deleted', error };
  }
}

/** As EventBridge invokes it: Lambda tries it again, and what fails for good is a dead letter again. */
async function invoke(event: unknown, { lambda, functionName }: Deployment): Promise<void> {
  await awsCall(`invoke ${functionName}`, () =>
    lambda.send(
      new InvokeCommand({
        FunctionName: functionName,
        InvocationType: 'Event',
        Payload: new TextEncoder().encode(JSON.stringify(event)),
      }),
    ),
  );
}

// --- What there is to send --------------------------------------------------------------------------------------------

async function textIn(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(
      `${file} cannot be read: ${error.code === 'ENOENT' ? 'there is no such file' : error.message}.`,
    );
  });
  parsedIn(file, text);
  return text;
}

function parsedIn(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UsageError(`${file} is not JSON: ${(error as Error).message}`);
  }
}

/** Lambda's record of an event with which the function failed (Lambda developer guide, "Asynchronous invocation"). */
const record = v.looseObject({
  requestContext: v.looseObject({ condition: v.optional(v.string()) }),
  requestPayload: v.unknown(),
  responsePayload: v.optional(v.unknown()),
});

/** A message as SQS gives it. */
const sqsMessage = v.looseObject({
  MessageId: v.string(),
  Body: v.string(),
  MessageAttributes: v.optional(v.record(v.string(), v.looseObject({ StringValue: v.optional(v.string()) }))),
});

/** What `aws sqs receive-message` prints. */
const sqsMessages = v.looseObject({ Messages: v.pipe(v.array(sqsMessage), v.minLength(1)) });

function messagesOf(found: unknown): v.InferOutput<typeof sqsMessage>[] | undefined {
  if (v.is(sqsMessages, found)) return found.Messages;
  return v.is(sqsMessage, found) ? [found] : undefined;
}

/** What a schedule puts on the bus is the detail alone, and so is its dead letter. */
const continuation = v.strictObject({ version: v.number(), drain: v.looseObject({}) });

function letterOf(from: string, text: string, deployment: Deployment, message?: Attributed): Letter {
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    return { from, reason: reasonIn(message), event: text, verdict: 'rejected', sentence: 'it is not JSON.' };
  }
  const reason = reasonIn(message, found);
  const event = eventIn(found, deployment);
  return { from, reason, event, ...judged(event, deployment) };
}

/** The event itself, out of whatever it was put into. */
function eventIn(found: unknown, { settings, functionArn, nowMs }: Deployment): unknown {
  if (v.is(record, found)) return found.requestPayload;
  if (!v.is(continuation, found)) return found;
  return {
    source: settings.eventSource,
    'detail-type': CONTINUATION_DETAIL_TYPE,
    account: functionArn.split(':')[4],
    time: isoTime(nowMs()),
    detail: found,
  };
}

/** What EventBridge says of a dead letter is in its attributes. */
interface Attributed {
  readonly MessageAttributes?: Readonly<Record<string, { readonly StringValue?: string | undefined }>> | undefined;
}

function reasonIn(message: Attributed | undefined, found?: unknown): string | undefined {
  if (v.is(record, found)) {
    const { errorMessage } = (found.responsePayload ?? {}) as { errorMessage?: string };
    return errorMessage ?? found.requestContext.condition;
  }
  const { ERROR_CODE: code, ERROR_MESSAGE: words } = message?.MessageAttributes ?? {};
  return words?.StringValue ?? code?.StringValue;
}

/** What the deployed function would make of the event, as its own code and settings say. */
function judged(event: unknown, { settings }: Deployment): Pick<Letter, 'verdict' | 'sentence'> {
  try {
    const received = receive(event, settings);
    switch (received.kind) {
      case 'drain':
      case 'continuation': {
        const { action } = received.drain;
        const where = 'notice' in action ? `on a ${action.notice}` : `of group ${action.autoScalingGroup}`;
        const course = received.kind === 'drain' ? 'begin the drain' : 'go on with the drain';
        return { verdict: received.kind, sentence: `${course} of ${action.instanceId} ${where}.` };
      }
      case 'sweep':
        return { verdict: 'sweep', sentence: 'look for drains that were lost.' };
      case 'wake-up':
        return {
          verdict: 'wake-up',
          sentence: `wake the drain that waits on ${received.wakeUp.containerInstanceArn}, if there is one.`,
        };
      case 'ignored':
        return { verdict: 'ignored', sentence: `ignore it: ${received.reason}.` };
      default:
        return unreachable(received);
    }
  } catch (error) {
    if (!(error instanceof RejectedEvent)) throw error;
    return { verdict: 'rejected', sentence: error.message };
  }
}

function titleOf(event: unknown): string {
  const { source, 'detail-type': type, time } = (event ?? {}) as Record<string, unknown>;
  return typeof source === 'string'
    ? `${type} from ${source}${typeof time === 'string' ? `, ${time}` : ''}`
    : 'no event';
}

// --- The dead-letter queue --------------------------------------------------------------------------------------------

/** What is received stays hidden for so long: from the commands of others, until it is sent or shown again. */
const HIDDEN_SECONDS = 120;
const RECEIVED_AT_ONCE = 10;

const INTERRUPTIONS = ['SIGINT', 'SIGTERM'] as const;

/** All messages that can be seen. */
async function receiveInto(messages: Set<Message>, { sqs, url, name }: DeadLetterQueue): Promise<void> {
  for (;;) {
    const { Messages: some = [] } = await awsCall(`receive from ${name}`, () =>
      sqs.send(
        new ReceiveMessageCommand({
          QueueUrl: url,
          MaxNumberOfMessages: RECEIVED_AT_ONCE,
          VisibilityTimeout: HIDDEN_SECONDS,
          WaitTimeSeconds: 1, // a long poll asks every server of SQS
          MessageAttributeNames: ['All'],
        }),
      ),
    );
    if (some.length === 0) return;
    for (const message of some) messages.add(message);
  }
}

/** A queue of which nothing can be seen is not empty while somebody has received from it. */
async function nothingToReplay(
  { sqs, url, name }: DeadLetterQueue,
  { functionName }: Deployment,
  { print, printJson }: Output,
): Promise<number> {
  const { Attributes: attributes } = await awsCall(`ask how full ${name} is`, () =>
    sqs.send(
      new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ['ApproximateNumberOfMessagesNotVisible'] }),
    ),
  );
  const hidden = Number(attributes?.ApproximateNumberOfMessagesNotVisible ?? 0);
  printJson({ function: functionName, events: [], ...(hidden > 0 && { hidden }) });
  if (hidden === 0) {
    print(`The dead-letter queue ${name} is empty.`);
    return 0;
  }
  const are = hidden === 1 ? 'message is' : 'messages are';
  print(
    `No message of the dead-letter queue ${name} can be seen, and ${hidden} ${are} hidden for up to ${duration(HIDDEN_SECONDS * 1000)}: somebody else is looking, or was interrupted. Try again then.`,
  );
  return 1;
}

/** Where this cannot be done, they are seen again by themselves. */
async function showAgain({ sqs, url }: DeadLetterQueue, messages: readonly Message[]): Promise<void> {
  await Promise.allSettled(
    messages.map(({ ReceiptHandle }) =>
      sqs.send(new ChangeMessageVisibilityCommand({ QueueUrl: url, ReceiptHandle, VisibilityTimeout: 0 })),
    ),
  );
}
