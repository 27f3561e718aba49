import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import type { Message } from '@aws-sdk/client-sqs';
import * as v from 'valibot';
import { awsCall } from '../src/adapters/aws-call.ts';
import { batches } from '../src/domain/by-cluster.ts';
import {
  counted,
  type Deployment,
  deploymentOf,
  duration,
  type Output,
  sentenceOf,
  type Target,
  UsageError,
} from './common.ts';
import { type DeadLetterQueue, deadLetterQueueOf, HIDDEN_SECONDS } from './dead-letter-queue.ts';
import { type Letter, letterOf, messagesIn, titleOf } from './letter.ts';
import { textIn } from './typed.ts';

interface Options {
  readonly deadLetter?: boolean;
  readonly yes?: boolean;
}

/** `ecs-drain replay`: shows what would be sent and what the function would do with it; with `--yes`, sends it. */
export async function replay(
  file: string | undefined,
  { deadLetter = false, yes = false }: Options,
  target: Target,
  output: Output,
): Promise<number> {
  if ((file !== undefined) === deadLetter) throw new UsageError('Name a FILE, or --dead-letter, and not both.');
  // Before anything is asked of AWS.
  const text = file === undefined ? undefined : await jsonTextIn(file);
  const deployment = await deploymentOf(target);
  if (file === undefined || text === undefined) return replayDeadLetters(yes, deployment, output);
  const letters = messagesIn(JSON.parse(text))?.map((message) =>
    letterOf(
      { id: message.MessageId, from: `${file}, message ${message.MessageId}` },
      message.Body,
      deployment,
      message,
    ),
  ) ?? [letterOf({ id: 'replayed', from: file }, text, deployment)];
  return replayLetters(letters, { yes, deployment, output });
}

async function jsonTextIn(file: string): Promise<string> {
  const text = await textIn(file);
  try {
    JSON.parse(text);
    return text;
  } catch (error) {
    throw new UsageError(`${file} is not JSON: ${(error as Error).message}.`);
  }
}

const INTERRUPTIONS = ['SIGINT', 'SIGTERM'] as const;

async function replayDeadLetters(yes: boolean, deployment: Deployment, output: Output): Promise<number> {
  const queue = deadLetterQueueOf(deployment);
  const received = new Set<Message>();
  const interrupted = (signal: NodeJS.Signals) =>
    void queue.show(received).finally(() => process.kill(process.pid, signal));
  for (const signal of INTERRUPTIONS) process.once(signal, interrupted);
  try {
    await queue.receiveInto(received);
    if (received.size === 0) return await reportNothing(queue, deployment, output);
    const messages = new Map<Letter, Message>();
    for (const message of received) {
      const { MessageId: id = '', Body = '' } = message;
      messages.set(letterOf({ id, from: `message ${id}` }, Body, deployment, message), message);
    }
    const remove = async (letter: Letter) => {
      const message = messages.get(letter);
      if (!message) return;
      await queue.delete(message);
      received.delete(message);
    };
    return await replayLetters([...messages.keys()], { yes, deployment, output, remove });
  } finally {
    await queue.show(received);
    for (const signal of INTERRUPTIONS) process.off(signal, interrupted);
  }
}

/** A queue of which nothing can be seen is not empty while a reader has received messages from it. */
async function reportNothing(
  queue: DeadLetterQueue,
  { functionName }: Deployment,
  { print, printJson }: Output,
): Promise<number> {
  const hidden = await queue.countHidden();
  printJson({ function: functionName, events: [], ...(hidden > 0 && { hidden }) });
  if (hidden === 0) {
    print(`The dead-letter queue ${queue.name} is empty.`);
    return 0;
  }
  const are = hidden === 1 ? 'message is' : 'messages are';
  print(
    `No message of the dead-letter queue ${queue.name} can be seen, and ${hidden} ${are} hidden for up to ${duration(HIDDEN_SECONDS)}: another reader has them, or was interrupted. Try again then.`,
  );
  return 1;
}

// --- Sending ----------------------------------------------------------------------------------------------------------

type Fate = 'would be sent' | 'sent' | 'sent, and not deleted' | 'failed' | 'not sent';

interface Sending {
  readonly yes: boolean;
  readonly deployment: Deployment;
  readonly output: Output;
  /** Removes a letter from its queue once the function has handled it; undefined for letters of a file. */
  readonly remove?: (letter: Letter) => Promise<void>;
}

/** What became of the letters, and what ended the sending early. */
interface Sent {
  readonly fates: ReadonlyMap<Letter, Fate>;
  readonly failure: string | undefined;
}

async function replayLetters(letters: readonly Letter[], sending: Sending): Promise<number> {
  const { yes, deployment, output, remove } = sending;
  /** A dead letter is the last trace of its event: it is deleted only for something that is done. */
  const isKept = ({ verdict }: Letter) =>
    remove !== undefined && verdict !== 'rejected' && (verdict === 'ignored' || deployment.settings.dryRun);
  const sendable = letters.filter((letter) => letter.verdict !== 'rejected' && !isKept(letter));
  if (deployment.settings.dryRun) {
    output.print(`The function ${deployment.functionName} is in a dry run: it would change nothing.`);
  }
  for (const letter of letters) announce(letter, output);
  const sent: Sent = yes
    ? await sendAll(sendable, sending)
    : { fates: new Map(sendable.map((letter) => [letter, 'would be sent'])), failure: undefined };
  const fateOf = (letter: Letter): Fate => sent.fates.get(letter) ?? 'not sent';
  output.printJson({
    function: deployment.functionName,
    ...(deployment.settings.dryRun && { dryRun: true }),
    events: letters.map((letter) => ({ ...withoutId(letter), fate: fateOf(letter) })),
    ...(sent.failure !== undefined && { failure: sent.failure }),
  });
  if (letters.length > 0) output.print('');
  const rejected = letters.filter(({ verdict }) => verdict === 'rejected');
  const kept = letters.filter(isKept);
  for (const sentence of summaryOf({ letters, sendable, rejected, kept, fateOf, sent, deployment })) {
    output.print(sentence);
  }
  const isFailed = sendable.some((letter) => fateOf(letter) === 'failed');
  return sent.failure !== undefined || isFailed || rejected.length + kept.length > 0 ? 1 : 0;
}

function announce(letter: Letter, { print }: Output): void {
  const { from, reason, verdict, sentence } = letter;
  print(`${from}: ${titleOf(letter)}`);
  if (reason !== undefined) print(`  it failed with: ${reason}`);
  print(`  ${verdict === 'rejected' ? 'it is never sent' : 'the function would'}: ${sentence}`);
}

function withoutId({ id: _, ...letter }: Letter) {
  return letter;
}

/** So many letters are one round of the function, which works on all of them with shared calls to AWS. */
const LETTERS_BATCH = 100;

/** Batch after batch: a failure ends it, and the report has what was sent and what is left. */
async function sendAll(letters: readonly Letter[], { deployment, remove }: Sending): Promise<Sent> {
  const fates = new Map<Letter, Fate>();
  const send = senderTo(deployment);
  for (const batch of batches(letters, LETTERS_BATCH)) {
    try {
      const failed = await send(batch);
      for (const letter of batch) fates.set(letter, failed.has(letter.id) ? 'failed' : 'sent, and not deleted');
      for (const letter of batch) {
        if (failed.has(letter.id)) continue;
        await remove?.(letter);
        fates.set(letter, 'sent');
      }
    } catch (error) {
      return { fates, failure: sentenceOf(error, deployment.target) };
    }
  }
  return { fates, failure: undefined };
}

/** What the function answers to a batch of messages. */
const batchResponse = v.object({ batchItemFailures: v.array(v.object({ itemIdentifier: v.string() })) });

/** What Lambda answers where the function has thrown (facts 85 invoke-answers). */
const thrownAnswer = v.looseObject({ errorMessage: v.string() });

/**
 * Gives letters to the function as Lambda gives it messages of the event queue, and returns the ids of those with which it
 * failed. They do not go through the event queue, because its policy lets only the rules and the roles of the
 * deployment, and because the answer says what may be deleted (docs/decisions/0013).
 */
function senderTo({ config, functionName, timeoutSeconds }: Deployment) {
  // The answer comes when the function has ended.
  const timeout = (timeoutSeconds + 10) * 1000;
  const requestHandler = { ...config.requestHandler, requestTimeout: timeout, socketTimeout: timeout };
  const lambda = new LambdaClient({ ...config, requestHandler });
  return async (letters: readonly Letter[]): Promise<ReadonlySet<string>> => {
    const Records = letters.map(({ id, event }) => ({
      messageId: id,
      body: JSON.stringify(event),
      eventSource: 'aws:sqs',
    }));
    const { FunctionError, Payload } = await awsCall(`invoke ${functionName}`, () =>
      lambda.send(
        new InvokeCommand({
          FunctionName: functionName,
          InvocationType: 'RequestResponse',
          Payload: new TextEncoder().encode(JSON.stringify({ Records })),
        }),
      ),
    );
    const answer: unknown = JSON.parse(Payload?.transformToString() || 'null');
    if (FunctionError === undefined && v.is(batchResponse, answer)) {
      return new Set(answer.batchItemFailures.map(({ itemIdentifier }) => itemIdentifier));
    }
    const reason = v.is(thrownAnswer, answer) ? answer.errorMessage : 'its answer cannot be understood.';
    throw new Error(`The function ${functionName} failed: ${reason} Its log says more.`);
  };
}

// --- Presenting -------------------------------------------------------------------------------------------------------

interface Replayed {
  readonly letters: readonly Letter[];
  /** Those that are sent with `--yes`. */
  readonly sendable: readonly Letter[];
  readonly rejected: readonly Letter[];
  readonly kept: readonly Letter[];
  readonly fateOf: (letter: Letter) => Fate;
  readonly sent: Sent;
  readonly deployment: Deployment;
}

function* summaryOf({ letters, sendable, rejected, kept, fateOf, sent, deployment }: Replayed): Generator<string> {
  const { functionName } = deployment;
  const count = (fate: Fate) => letters.filter((letter) => fateOf(letter) === fate).length;
  const events = (number: number) => counted(number, 'event');
  if (count('would be sent') > 0) {
    yield `${events(count('would be sent'))} would be sent to ${functionName}. Nothing was sent: add --yes to send.`;
  }
  if (count('sent') > 0) yield `${events(count('sent'))} sent to ${functionName}; its log says what became of each.`;
  if (count('failed') > 0) {
    yield `The function failed with ${events(count('failed'))}: its log says why. Not deleted.`;
  }
  if (count('sent, and not deleted') > 0) {
    yield `${events(count('sent, and not deleted'))} sent and still in the queue: to send them again is harmless.`;
  }
  if (rejected.length > 0) yield `${events(rejected.length)} cannot be understood: never sent.`;
  if (kept.length > 0) yield `${events(kept.length)} would drain nothing: kept, neither sent nor deleted.`;
  const ignored = sendable.filter(({ verdict }) => verdict === 'ignored').length;
  if (ignored > 0) yield `The function ignores ${events(ignored)}: nothing is drained because of that.`;
  if (sent.failure !== undefined) {
    const left = sendable.filter((letter) => fateOf(letter) === 'not sent').length;
    yield `${left > 0 ? `${events(left)} not sent. ` : ''}${sent.failure}`;
  }
}
