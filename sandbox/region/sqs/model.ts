import { idOf } from '../ids.ts';
import { inRound, nextRound } from '../lambda/recursion.ts';
import type { Place } from '../place.ts';
import type { Scheduled, VirtualTime } from '../time/virtual-time.ts';

/** A standard queue. */
export interface QueueSpec {
  readonly name: string;
  /** A message that was received and not deleted is seen again after this time. */
  readonly visibilityTimeoutSeconds: number;
  /** A message received so often goes to the dead-letter queue instead of being received again. */
  readonly maxReceiveCount: number;
  /** Where such messages go; if it is left out they are kept apart, where no call finds them. */
  readonly deadLetterQueue?: QueueModel;
  /** The key that its messages are encrypted with; they are plain here. */
  readonly kmsKey?: string;
}

/** An attribute of a message, as SQS writes it; binary data is text in base 64. */
export interface Attribute {
  readonly DataType: string;
  readonly StringValue?: string;
  readonly BinaryValue?: string;
}
export type Attributes = Readonly<Record<string, Attribute>>;

/** A message as its receiver gets it. */
export interface ReceivedMessage {
  readonly id: string;
  readonly body: string;
  readonly attributes: Attributes;
  readonly sentAtMs: number;
  readonly firstReceivedAtMs: number;
  readonly receives: number;
  /** Its place in a chain of requests, for Lambda's recursion detection. */
  readonly round: number;
  /** By which it can be deleted, until it is received again. */
  readonly receiptHandle: string;
}

/** What the model needs of the rest of the Region. */
export interface QueueOptions {
  readonly time: VirtualTime;
  readonly place: Place;
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
  /** What its receipt handles begin with. */
  readonly handle: string;
  readonly body: string;
  readonly attributes: Attributes;
  readonly sentAtMs: number;
  firstReceivedAtMs: number;
  /** Its place in a chain of requests, for Lambda's recursion detection. */
  readonly round: number;
  receives: number;
  deleted: boolean;
  /** When it becomes visible again; undefined if it is not in flight. */
  seenAgain: Scheduled | undefined;
}

const PURGE_INTERVAL_MS = 60_000;
/** An SQS standard queue in virtual time. */
export class QueueModel {
  readonly #options: QueueOptions;
  readonly #spec: QueueSpec;
  readonly #visible: Message[] = [];
  /** Long polls that wait for a message, the oldest first. */
  readonly #polls = new Set<Poll>();
  /** What was sent to be seen later. */
  readonly #delayed = new Set<Message>();
  /** Messages in flight, received and not deleted, by receipt handle. */
  readonly #inFlight = new Map<string, Message>();
  readonly createdAtMs: number;
  #messages = 0;
  #purgedAtMs: number | undefined;
  /** The bodies of the messages that were received too often. */
  readonly deadLetters: string[] = [];

  constructor(options: QueueOptions, spec: QueueSpec) {
    this.#options = options;
    this.#spec = spec;
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

  /** Takes a message, to be seen after a delay; returns its id. An attribute that is given as text is a `String`. */
  send(body: string, delaySeconds = 0, attributes: Readonly<Record<string, string | Attribute>> = {}): string {
    const { time } = this.#options;
    const number = ++this.#messages;
    const message: Message = {
      id: idOf(`${this.arn} message ${number}`),
      handle: `${this.#spec.name}-${number}`,
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

  /** How many messages are visible, and how many are in flight. */
  get counts(): { readonly visible: number; readonly inFlight: number } {
    return { visible: this.#visible.length, inFlight: this.#inFlight.size };
  }

  /**
   * How old the oldest message is that can be received or that someone has; 0 if there is none. As in the metric
   * ApproximateAgeOfOldestMessage a message that was received three times or more is left out (SQS developer guide,
   * available metrics). That one which is still delayed is left out as well is unverified.
   */
  get oldestAgeSeconds(): number {
    const active = [...this.#visible, ...this.#inFlight.values()].filter(({ receives }) => receives < 3);
    const nowMs = this.#options.time.nowMs();
    return (nowMs - Math.min(nowMs, ...active.map(({ sentAtMs }) => sentAtMs))) / 1000;
  }

  /** How many messages will be visible later. */
  get delayed(): number {
    return this.#delayed.size;
  }

  /** Hands out what can be seen, at once; the queue's own visibility timeout unless another is given. */
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

  /** Makes a message visible again after so many seconds from now; false if none is in flight under this handle. */
  changeVisibility(receiptHandle: string, seconds: number): boolean {
    const message = this.#inFlight.get(receiptHandle);
    if (!message) return false;
    if (message.seenAgain) this.#options.time.cancel(message.seenAgain);
    if (seconds === 0) this.#show(message);
    else message.seenAgain = this.#options.time.after(seconds, () => this.#show(message));
    return true;
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
    this.#hide(message, poll.visibilityTimeoutSeconds);
    poll.answer(message);
  }
}

function received(message: Message): ReceivedMessage {
  return { ...message, receiptHandle: handleOf(message) };
}

function attributeOf(value: string | Attribute): Attribute {
  return typeof value === 'string' ? { DataType: 'String', StringValue: value } : value;
}

/** A new one each time that the message is received. */
function handleOf({ handle, receives }: Message): string {
  return `${handle}/${receives}`;
}
