import { DeleteMessageCommand, type Message, ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import { NotObservable, type World } from '../experiment.ts';

/** How often a world is looked at while something is awaited. */
const LOOK_EVERY_SECONDS = 3;

/** What an operation was refused with. */
export interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, string>>;
}

/** What an SDK adds to an error that a service has answered. */
interface Answered {
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> };
}

/** What a call is refused with; undefined if it is taken. A world that lacks the operation makes the experiment not observable. */
export async function refusalOf(call: Promise<unknown>): Promise<Refusal | undefined> {
  try {
    await call;
    return undefined;
  } catch (error) {
    const { name, message, $metadata, $response } = error as Error & Answered;
    if (!$metadata || isMissingOperation(error)) throw error;
    return { code: name, message, status: $metadata.httpStatusCode, headers: $response?.headers ?? {} };
  }
}

/** Undoes what may be undone already, or was never done: a refusal is as good. */
export async function undo(call: Promise<unknown>): Promise<void> {
  await call.catch((error) => {
    if (!error.$metadata) throw error;
  });
}

/** Whether an error says that the world has no such operation, in the words of the Region and of the emulators. */
export function isMissingOperation(error: unknown): boolean {
  const { name, message, $metadata } = error as Error & Answered;
  const codes = ['UnknownOperationException', 'InvalidAction', 'NoSuchVersion', 'NotImplemented', 'UnknownOperation'];
  // moto answers with a page of HTML.
  return codes.includes(name) || $metadata?.httpStatusCode === 501 || /Deserialization error/.test(message);
}

/** A refusal as a sentence of a report. */
export function described(refusal: Refusal | undefined): string {
  return refusal ? `${refusal.code}, HTTP ${refusal.status}: ${refusal.message}` : 'the call is accepted';
}

/**
 * Looks again and again until there is an answer; undefined if there is none in so many seconds. A world that does not wait so
 * long makes the experiment not observable.
 */
export async function until<T>(
  world: World,
  seconds: number,
  look: () => Promise<T | undefined>,
  everySeconds = LOOK_EVERY_SECONDS,
): Promise<T | undefined> {
  const seen = await poll(world, Math.min(seconds, world.longestWaitSeconds), look, everySeconds);
  if (seen !== undefined || seconds <= world.longestWaitSeconds) return seen;
  throw new NotObservable(`nothing happens within ${world.longestWaitSeconds} s, of ${seconds} s that it may take`);
}

/** Looks until a world is ready for an experiment; false if it is not in time. */
export async function ready(world: World, seconds: number, look: () => Promise<boolean>): Promise<boolean> {
  const most = Math.min(seconds, world.longestRestSeconds);
  return (await poll(world, most, async () => ((await look()) ? true : undefined), LOOK_EVERY_SECONDS)) === true;
}

async function poll<T>(
  world: World,
  seconds: number,
  look: () => Promise<T | undefined>,
  everySeconds: number,
): Promise<T | undefined> {
  const endMs = world.now() + seconds * 1000;
  for (;;) {
    const seen = await look();
    if (seen !== undefined || world.now() >= endMs) return seen;
    await world.sleepUntil(Math.min(endMs, world.now() + everySeconds * 1000));
  }
}

/** Lets time pass. */
export async function sleep(world: World, seconds: number): Promise<void> {
  if (seconds > world.longestWaitSeconds) throw new NotObservable(`it takes ${seconds} s of waiting`);
  await world.sleepUntil(world.now() + seconds * 1000);
}

/** An event as EventBridge delivers it. */
export interface DeliveredEvent {
  readonly source: string;
  readonly 'detail-type': string;
  readonly id: string;
  readonly time: string;
  readonly resources: readonly string[];
  // biome-ignore lint/suspicious/noExplicitAny: each kind of event has a detail of its own.
  readonly detail: any;
}

/**
 * Takes messages from a queue until the wanted ones are there, and returns all that are of interest. Every other message is
 * deleted: experiments run one after the other, and no message is of interest to two of them.
 */
export async function receive<T>(
  world: World,
  queueUrl: string,
  seconds: number,
  isOfInterest: (body: T) => boolean,
  isEnough: (bodies: readonly T[]) => boolean = (bodies) => bodies.length > 0,
): Promise<readonly T[]> {
  const bodies: T[] = [];
  await until(world, seconds, async () => {
    for (const { Body = '' } of await takeAll(world, queueUrl)) {
      const body: T = JSON.parse(Body);
      if (isOfInterest(body)) bodies.push(body);
    }
    return isEnough(bodies) ? true : undefined;
  });
  return bodies;
}

/** Every message that the queue hands out now. */
async function takeAll(world: World, QueueUrl: string): Promise<readonly Message[]> {
  const taken: Message[] = [];
  for (;;) {
    const { Messages = [] } = await world.sqs.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }));
    if (Messages.length === 0) return taken;
    taken.push(...Messages);
    for (const { ReceiptHandle } of Messages)
      await world.sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
  }
}

/** A duration as a report shows it. */
export function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`;
}
