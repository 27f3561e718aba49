import { createHash } from 'node:crypto';
import { AwsError } from '../aws-error.ts';
import type { Faults } from '../faults.ts';
import { idOf } from '../ids.ts';
import type { Place } from '../place.ts';
import type { QueueModel, ReceivedMessage } from '../sqs/model.ts';
import type { Random } from '../time/random.ts';
import type { VirtualTime } from '../time/virtual-time.ts';
import type { Trace } from '../trace.ts';
import type { LambdaModel } from './model.ts';
import { inRound, isStopped } from './recursion.ts';

/** How Lambda brings the messages of a standard queue to a function (facts 89 queue-reading). */
export interface MappingSpec {
  /** Messages in an invocation at most: 1 to 10,000, and more than 10 only with a window. */
  readonly batchSize: number;
  /** How long a batch may wait for further messages: 0 to 300. */
  readonly windowSeconds: number;
  /** Invocations at once, at most: 2 to 1,000; those that the account allows unless set. */
  readonly maximumConcurrency?: number;
  /** Whether the function's answer says which messages failed; without it all of a batch fail together. */
  readonly reportsItemFailures: boolean;
}

/** What the model needs of the rest of the Region. */
export interface MappingOptions {
  readonly time: VirtualTime;
  readonly place: Place;
  readonly random: Random;
  readonly trace: Trace;
  readonly faults: Pick<Faults, 'repeatedMessages'>;
  /** Counts a call that Lambda makes by itself. */
  readonly count: (service: 'sqs', operation: string) => void;
}

const LARGEST_BATCH = 10_000;
const LONGEST_WINDOW_SECONDS = 300;
/** What one call of SQS takes or gives. */
const MESSAGES_A_CALL = 10;
/** The payload of an invocation. */
const MOST_BYTES = 6 * 1024 * 1024;
/** Facts 89 queue-reading: it begins with five batches at once, and reads more as long as there are messages. */
const POLLERS = { first: 5, moreAMinute: 300, most: 1_000 };
/** One long poll (SQS developer guide). */
const LONG_POLL_SECONDS = 20;
/** From a message that can be seen to the poller that has it. */
const RECEIVE_SECONDS = { min: 0.01, max: 0.05 };
/** A poller whose invocation is throttled tries again, ever more seldom; AWS does not say how seldom. */
const THROTTLE_RETRY_SECONDS = { first: 0.1, longest: 5 };

/** Lambda's event source mapping of an SQS queue, in virtual time. */
export class EventSourceMapping {
  readonly spec: MappingSpec;
  readonly queue: QueueModel;
  readonly lambda: LambdaModel;
  readonly createdAtMs: number;
  readonly #options: MappingOptions;
  readonly #random: Random;
  #pollers = 0;

  /** @throws AwsError if Lambda would refuse it. */
  constructor(options: MappingOptions, queue: QueueModel, lambda: LambdaModel, spec: MappingSpec) {
    check(spec, queue, lambda);
    this.#options = options;
    this.#random = options.random.fork(queue.name);
    this.spec = spec;
    this.queue = queue;
    this.lambda = lambda;
    this.createdAtMs = options.time.nowMs();
    this.#add(POLLERS.first);
    this.#scaleByTheMinute();
  }

  /** The same in every run. */
  get id(): string {
    return idOf(`${this.queue.arn} ${this.lambda.name}`);
  }

  #add(count: number): void {
    const most = this.spec.maximumConcurrency ?? POLLERS.most;
    for (let left = Math.min(count, most - this.#pollers); left > 0; left--) {
      this.#pollers += 1;
      this.#poll();
    }
  }

  #scaleByTheMinute(): void {
    const { time } = this.#options;
    const scale = () => {
      // Where the function's concurrency is the bound, more pollers would only be throttled more.
      if (this.queue.counts.visible > 0 && this.lambda.spec.reservedConcurrency === undefined) {
        this.#add(POLLERS.moreAMinute);
      }
      this.#scaleByTheMinute();
    };
    time.toBackground(time.after(60, scale));
  }

  /** One batch after the other. Each long poll is a call that AWS bills, and so is each deletion. */
  #poll(): void {
    this.#receive(this.spec.batchSize, LONG_POLL_SECONDS, (messages) => {
      if (messages.length === 0) this.#next();
      else this.#gather(messages, this.#options.time.nowMs() + this.spec.windowSeconds * 1000);
    });
  }

  /** A poller that was added for a backlog ends with the backlog. */
  #next(): void {
    const isSpare = this.#pollers > POLLERS.first && this.queue.counts.visible === 0;
    if (isSpare) this.#pollers -= 1;
    else this.#poll();
  }

  /** Lets a batch wait for further messages, until it is full or its window is over. */
  #gather(batch: readonly ReceivedMessage[], untilMs: number): void {
    const room = this.spec.batchSize - batch.length;
    const leftSeconds = (untilMs - this.#options.time.nowMs()) / 1000;
    const bytes = batch.reduce((sum, { body }) => sum + Buffer.byteLength(body), 0);
    if (room <= 0 || leftSeconds <= 0 || bytes >= MOST_BYTES) this.#bring(batch);
    else this.#receive(room, leftSeconds, (more) => this.#gather([...batch, ...more], untilMs));
  }

  #receive(most: number, waitSeconds: number, answer: (messages: readonly ReceivedMessage[]) => void): void {
    const { time, count } = this.#options;
    count('sqs', 'ReceiveMessage');
    this.queue.poll({ most: Math.min(most, MESSAGES_A_CALL), waitSeconds }, (messages) => {
      if (messages.length === 0) answer(messages);
      else time.after(this.#random.between(RECEIVE_SECONDS.min, RECEIVE_SECONDS.max), () => answer(messages));
    });
  }

  /** Invokes the function with a batch; a message that is not deleted in the end is seen again in its time. */
  #bring(batch: readonly ReceivedMessage[]): void {
    const { time, trace } = this.#options;
    // Recursion detection goes by the message: the others of the batch are brought (unverified).
    const messages = batch.filter(({ round }) => !isStopped(round, this.lambda, trace));
    if (messages.length === 0) {
      this.#next();
      return;
    }
    const event = { Records: messages.map((message) => this.#recordOf(message)) };
    const round = Math.max(...messages.map((message) => message.round));
    const seenAgainAtMs = time.nowMs() + this.queue.spec.visibilityTimeoutSeconds * 1000;
    const attempt = (waitSeconds: number): void => {
      if (time.nowMs() >= seenAgainAtMs) {
        this.#next();
        return;
      }
      const started = inRound(round, () =>
        this.lambda.invoke(event, (error, result) => {
          if (error === undefined) this.#delete(messages, result);
          this.#next();
        }),
      );
      if (started) return;
      const { longest } = THROTTLE_RETRY_SECONDS;
      time.after(waitSeconds * this.#random.between(0.5, 1), () => attempt(Math.min(longest, waitSeconds * 2)));
    };
    attempt(THROTTLE_RETRY_SECONDS.first);
  }

  #delete(messages: readonly ReceivedMessage[], result: unknown): void {
    const failed = this.spec.reportsItemFailures ? failuresIn(result, messages) : new Set();
    const done = messages.filter(({ id }) => !failed.has(id));
    const calls = Math.ceil(done.length / MESSAGES_A_CALL);
    const operation = this.spec.batchSize === 1 ? 'DeleteMessage' : 'DeleteMessageBatch';
    for (let call = 0; call < calls; call++) this.#options.count('sqs', operation);
    for (const { receiptHandle } of done) {
      if (!this.#random.chance(this.#options.faults.repeatedMessages)) this.queue.delete(receiptHandle);
    }
  }

  /** Lambda developer guide, "Using Lambda with Amazon SQS": a record of the event. */
  #recordOf({ id, body, receiptHandle, receives, sentAtMs, firstReceivedAtMs, attributes }: ReceivedMessage) {
    const { account, region } = this.#options.place;
    const given = Object.entries(attributes).map(([name, { DataType, StringValue, BinaryValue }]) => [
      name,
      {
        dataType: DataType,
        ...(StringValue !== undefined && { stringValue: StringValue }),
        ...(BinaryValue !== undefined && { binaryValue: BinaryValue }),
        stringListValues: [],
        binaryListValues: [],
      },
    ]);
    return {
      messageId: id,
      receiptHandle,
      body,
      attributes: {
        ApproximateReceiveCount: String(receives),
        SentTimestamp: String(Math.floor(sentAtMs)),
        SenderId: account,
        ApproximateFirstReceiveTimestamp: String(Math.floor(firstReceivedAtMs)),
      },
      messageAttributes: Object.fromEntries(given),
      md5OfBody: createHash('md5').update(body).digest('hex'),
      eventSource: 'aws:sqs',
      eventSourceARN: this.queue.arn,
      awsRegion: region,
    };
  }
}

/**
 * The ids of the messages that have failed, by the function's answer. All of them, where the answer cannot be understood or
 * names a message that is not there (facts 89 queue-reading).
 */
function failuresIn(result: unknown, messages: readonly ReceivedMessage[]): ReadonlySet<string> {
  const ids = new Set(messages.map(({ id }) => id));
  if (result === undefined || result === null) return new Set();
  const { batchItemFailures } = result as { readonly batchItemFailures?: unknown };
  if (batchItemFailures === undefined || batchItemFailures === null) {
    return typeof result === 'object' && Object.keys(result).length === 0 ? new Set() : ids;
  }
  if (!Array.isArray(batchItemFailures)) return ids;
  const named = batchItemFailures.map((failure) => (failure as { itemIdentifier?: unknown } | null)?.itemIdentifier);
  return named.every((id) => typeof id === 'string' && ids.has(id)) ? new Set(named as string[]) : ids;
}

function check(
  spec: MappingSpec,
  { spec: { visibilityTimeoutSeconds } }: QueueModel,
  { spec: { timeoutSeconds } }: LambdaModel,
): void {
  const { batchSize, windowSeconds, maximumConcurrency = POLLERS.most } = spec;
  const why =
    visibilityTimeoutSeconds < timeoutSeconds
      ? `Queue visibility timeout: ${visibilityTimeoutSeconds} seconds is less than Function timeout: ${timeoutSeconds} seconds`
      : batchSize < 1 || batchSize > LARGEST_BATCH
        ? `Batch size must be between 1 and ${LARGEST_BATCH}, not ${batchSize}.`
        : windowSeconds < 0 || windowSeconds > LONGEST_WINDOW_SECONDS
          ? `Maximum batching window must be between 0 and ${LONGEST_WINDOW_SECONDS} seconds, not ${windowSeconds}.`
          : batchSize > MESSAGES_A_CALL && windowSeconds < 1
            ? `Maximum batching window must be at least 1 second for a batch size of more than ${MESSAGES_A_CALL}.`
            : maximumConcurrency < 2 || maximumConcurrency > POLLERS.most
              ? `Maximum concurrency must be between 2 and ${POLLERS.most}, not ${maximumConcurrency}.`
              : undefined;
  if (why !== undefined) throw new AwsError('InvalidParameterValueException', why);
}
