import type { Tell } from './happenings.ts';
import type { LambdaModel } from './lambda.ts';
import type { Place } from './place.ts';
import type { Random } from './random.ts';
import { inRound, isStopped, nextRound } from './recursion.ts';
import type { Scheduled, VirtualTime } from './virtual-time.ts';

/** A standard queue. */
export interface QueueSpec {
  readonly name: string;
  /** A message that was received and not deleted is seen again after this time. */
  readonly visibilityTimeoutSeconds: number;
  /** A message received so often goes to the dead-letter queue instead of being received again. */
  readonly maxReceiveCount: number;
  /** Where such messages go; if it is left out they are kept apart, where no call finds them. */
  readonly deadLetterQueue?: QueueModel;
}

/** An attribute of a message, as SQS writes it; binary data is text in base 64. */
export interface Attribute {
  readonly DataType: string;
  readonly StringValue?: string;
  readonly BinaryValue?: string;
}
export type Attributes = Readonly<Record<string, Attribute>>;

/** A message as whoever receives it has it. */
export interface ReceivedMessage {
  readonly id: string;
  readonly body: string;
  readonly attributes: Attributes;
  readonly sentAtMs: number;
  readonly firstReceivedAtMs: number;
  readonly receives: number;
  /** By which it can be deleted, until it is received again. */
  readonly receiptHandle: string;
}

/** What the model needs of the rest of the Region. */
export interface QueueOptions {
  readonly time: VirtualTime;
  readonly place: Place;
  readonly random: Random;
  readonly tell: Tell;
  /** Counts a call that AWS makes by itself. */
  readonly count: (service: 'sqs', operation: string) => void;
}

/** A long poll of the API. */
export interface LongPoll {
  readonly most: number;
  readonly waitSeconds: number;
  /** The queue's own unless set. */
  readonly visibilityTimeoutSeconds?: number | undefined;
}

/** A poll that waits for a message. */
interface Poll {
  readonly visibilityTimeoutSeconds: number;
  answer(message: Message | undefined): void;
}

interface Message {
  readonly id: string;
  readonly body: string;
  readonly attributes: Attributes;
  readonly sentAtMs: number;
  firstReceivedAtMs: number;
  /** Its place in a chain of requests, for Lambda's recursion detection. */
  readonly round: number;
  receives: number;
  deleted: boolean;
  /** When it is seen again; undefined if nobody has it. */
  seenAgain: Scheduled | undefined;
}

/** An event source mapping of a standard queue begins with five pollers (Lambda developer guide, "SQS scaling"). */
const POLLERS = 5;
/** One long poll (SQS developer guide). */
const LONG_POLL_SECONDS = 20;
/** From a message that can be seen to the poller that has it. */
const RECEIVE_SECONDS = { min: 0.01, max: 0.05 };
const PURGE_INTERVAL_MS = 60_000;
/** A poller whose invocation is throttled tries again, ever more seldom; AWS does not say how seldom. */
const THROTTLE_RETRY_SECONDS = { first: 0.1, longest: 5 };

/** An SQS standard queue in virtual time, and the event source mapping that brings its messages to a function. */
export class QueueModel {
  readonly #options: QueueOptions;
  readonly #spec: QueueSpec;
  readonly #random: QueueOptions['random'];
  readonly #visible: Message[] = [];
  /** Long polls that wait for a message, the oldest first. */
  readonly #polls = new Set<Poll>();
  /** What was sent to be seen later. */
  readonly #delayed = new Set<Message>();
  /** What somebody has received and not deleted, by receipt handle. */
  readonly #inFlight = new Map<string, Message>();
  readonly #mappings: LambdaModel[] = [];
  readonly createdAtMs: number;
  #messages = 0;
  #purgedAtMs: number | undefined;
  /** The bodies of the messages that were received too often. */
  readonly deadLetters: string[] = [];

  constructor(options: QueueOptions, spec: QueueSpec) {
    this.#options = options;
    this.#spec = spec;
    this.#random = options.random.fork(spec.name);
    this.createdAtMs = options.time.nowMs();
  }

  get name(): string {
    return this.#spec.name;
  }

  /** As the API has it. Clients send to the address of a queue; within the Region any address is the Region's. */
  get url(): string {
    const { region, account } = this.#options.place;
    return `https://sqs.${region}.amazonaws.com/${account}/${this.#spec.name}`;
  }

  get arn(): string {
    const { region, account } = this.#options.place;
    return `arn:aws:sqs:${region}:${account}:${this.#spec.name}`;
  }

  get spec(): QueueSpec {
    return this.#spec;
  }

  /** The functions that its messages are brought to. */
  get mappings(): readonly LambdaModel[] {
    return this.#mappings;
  }

  /** Takes a message, to be seen after a delay; returns its id. An attribute that is given as text is a `String`. */
  send(body: string, delaySeconds = 0, attributes: Readonly<Record<string, string | Attribute>> = {}): string {
    const { time } = this.#options;
    const message: Message = {
      id: `${this.#spec.name}-${++this.#messages}`,
      body,
      attributes: Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, attributeOf(value)])),
      sentAtMs: time.nowMs(),
      firstReceivedAtMs: 0,
      round: nextRound(),
      receives: 0,
      deleted: false,
      seenAgain: undefined,
    };
    this.#delayed.add(message);
    time.after(delaySeconds, () => this.#show(message));
    return message.id;
  }

  /** How many messages can be received, how many somebody has, and how many are to be seen later. */
  get counts(): { readonly visible: number; readonly inFlight: number; readonly delayed: number } {
    return { visible: this.#visible.length, inFlight: this.#inFlight.size, delayed: this.#delayed.size };
  }

  /** Hands out what can be seen, at once; the queue's own visibility timeout unless told otherwise. */
  receive(most: number, visibilityTimeoutSeconds = this.#spec.visibilityTimeoutSeconds): ReceivedMessage[] {
    const messages = this.#visible.splice(0, most);
    return messages.map((message) => {
      this.#hide(message, visibilityTimeoutSeconds);
      return received(message);
    });
  }

  /** Hands out what can be seen; if that is nothing, the first message that comes within the time. */
  poll(
    { most, waitSeconds, visibilityTimeoutSeconds = this.#spec.visibilityTimeoutSeconds }: LongPoll,
    answer: (messages: ReceivedMessage[]) => void,
  ): void {
    const messages = this.receive(most, visibilityTimeoutSeconds);
    if (messages.length > 0) answer(messages);
    else {
      const handOut = (message: Message | undefined) => answer(message ? [received(message)] : []);
      this.#wait({ visibilityTimeoutSeconds, answer: handOut }, waitSeconds);
    }
  }

  /** Deletes all messages; false if that has been done within a minute (SQS API reference). */
  purge(): boolean {
    const nowMs = this.#options.time.nowMs();
    if (this.#purgedAtMs !== undefined && nowMs - this.#purgedAtMs < PURGE_INTERVAL_MS) return false;
    this.#purgedAtMs = nowMs;
    for (const message of [...this.#visible, ...this.#delayed, ...this.#inFlight.values()]) message.deleted = true;
    this.#visible.length = 0;
    this.#delayed.clear();
    this.#inFlight.clear();
    return true;
  }

  /** Whether it has ever given out this receipt handle. */
  hasGiven(receiptHandle: string): boolean {
    const [, number, receives] = new RegExp(`^${this.#spec.name}-([0-9]+)/([0-9]+)$`).exec(receiptHandle) ?? [];
    return number !== undefined && Number(number) <= this.#messages && Number(receives) >= 1;
  }

  /** Deletes a message; that its handle is an old one is no error, and nothing happens. */
  delete(receiptHandle: string): void {
    const message = this.#inFlight.get(receiptHandle);
    if (message) this.#delete(message);
  }

  /** Lets a message be seen again after so many seconds from now; false if nobody has it by this handle. */
  changeVisibility(receiptHandle: string, seconds: number): boolean {
    const message = this.#inFlight.get(receiptHandle);
    if (!message) return false;
    if (message.seenAgain) this.#options.time.cancel(message.seenAgain);
    if (seconds === 0) this.#show(message);
    else message.seenAgain = this.#options.time.after(seconds, () => this.#show(message));
    return true;
  }

  /**
   * An event source mapping with a batch size of 1. Its number of pollers stays what AWS begins with: with more of them a
   * function of little concurrency would only be throttled more.
   */
  mapTo(lambda: LambdaModel): void {
    this.#mappings.push(lambda);
    for (let poller = 0; poller < POLLERS; poller++) this.#poll(lambda);
  }

  /** One long poll after the other. Each is a call that AWS bills, and so is each deletion. */
  #poll(lambda: LambdaModel): void {
    this.#options.count('sqs', 'ReceiveMessage');
    this.#receive((message) => {
      if (message) this.#bring(message, lambda, () => this.#poll(lambda));
      else this.#poll(lambda);
    });
  }

  #receive(answer: (message: Message | undefined) => void): void {
    const { visibilityTimeoutSeconds } = this.#spec;
    const message = this.#visible.shift();
    if (message) {
      this.#hand(message, { visibilityTimeoutSeconds, answer });
      return;
    }
    this.#wait({ visibilityTimeoutSeconds, answer }, LONG_POLL_SECONDS);
  }

  #wait(poll: Poll, seconds: number): void {
    this.#polls.add(poll);
    this.#options.time.after(seconds, () => {
      if (this.#polls.delete(poll)) poll.answer(undefined);
    });
  }

  #hide(message: Message, seconds: number): void {
    message.receives += 1;
    if (message.receives === 1) message.firstReceivedAtMs = this.#options.time.nowMs();
    this.#inFlight.set(handleOf(message), message);
    message.seenAgain = this.#options.time.after(seconds, () => this.#show(message));
  }

  #delete(message: Message): void {
    this.#inFlight.delete(handleOf(message));
    message.deleted = true;
  }

  #show(message: Message): void {
    this.#inFlight.delete(handleOf(message));
    this.#delayed.delete(message);
    if (message.deleted) return;
    if (message.receives >= this.#spec.maxReceiveCount) {
      this.deadLetters.push(message.body);
      // No function has sent it there: it is the same link of the chain.
      inRound(message.round - 1, () => this.#spec.deadLetterQueue?.send(message.body, 0, message.attributes));
      return;
    }
    const [waiting] = this.#polls;
    if (!waiting) {
      this.#visible.push(message);
      return;
    }
    this.#polls.delete(waiting);
    this.#hand(message, waiting);
  }

  #hand(message: Message, poll: Poll): void {
    const { time } = this.#options;
    this.#hide(message, poll.visibilityTimeoutSeconds);
    time.after(this.#random.between(RECEIVE_SECONDS.min, RECEIVE_SECONDS.max), () => poll.answer(message));
  }

  /** Invokes the function with a message; one that is not deleted in the end is seen again in its time. */
  #bring(message: Message, lambda: LambdaModel, done: () => void): void {
    const { time, tell, count } = this.#options;
    const { id, body, round, receives } = message;
    if (isStopped(round, lambda.name, tell)) {
      done();
      return;
    }
    const event = {
      Records: [
        {
          messageId: id,
          body,
          attributes: { ApproximateReceiveCount: String(receives) },
          eventSource: 'aws:sqs',
          eventSourceARN: this.#spec.name,
        },
      ],
    };
    const seenAgainAtMs = time.nowMs() + this.#spec.visibilityTimeoutSeconds * 1000;
    const attempt = (waitSeconds: number): void => {
      if (time.nowMs() >= seenAgainAtMs) {
        done();
        return;
      }
      const started = inRound(round, () =>
        lambda.invoke(event, (error) => {
          if (error === undefined) {
            count('sqs', 'DeleteMessage');
            this.#delete(message);
          }
          done();
        }),
      );
      if (started) return;
      const { longest } = THROTTLE_RETRY_SECONDS;
      time.after(waitSeconds * this.#random.between(0.5, 1), () => attempt(Math.min(longest, waitSeconds * 2)));
    };
    attempt(THROTTLE_RETRY_SECONDS.first);
  }
}

function received(message: Message): ReceivedMessage {
  return { ...message, receiptHandle: handleOf(message) };
}

function attributeOf(value: string | Attribute): Attribute {
  return typeof value === 'string' ? { DataType: 'String', StringValue: value } : value;
}

/** A new one each time that the message is received. */
function handleOf({ id, receives }: Message): string {
  return `${id}/${receives}`;
}
