import type { Context } from 'aws-lambda';
import type { Datapoint, RECORDED } from '../cloudwatch/metrics.ts';
import type { Place } from '../place.ts';
import type { Random } from '../time/random.ts';
import { type Clock, currentFiber, type Fiber, type Scheduled, type VirtualTime } from '../time/virtual-time.ts';
import type { Trace } from '../trace.ts';

/** A handler as Lambda calls it. */
export type Handler = (event: unknown, context: Context) => Promise<unknown>;

/** A function to deploy. */
export interface FunctionSpec {
  readonly name: string;
  readonly timeoutSeconds: number;
  /** Of its code, such as `nodejs24.x`, which is what it is unless set. */
  readonly runtime?: string;
  /** Where its code begins: `index.handler` unless set. */
  readonly handler?: string;
  /** 128 unless set. */
  readonly memoryMb?: number;
  /** How many of its invocations may run at once, where that is fewer than the account may run. */
  readonly reservedConcurrency?: number;
  /** How long an event may wait for an invocation that succeeds, 60 s to 6 hours; 6 hours unless set. */
  readonly maximumEventAgeSeconds?: number;
  readonly environment?: Readonly<Record<string, string>>;
  /** What the function runs as. */
  readonly roleArn?: string;
  /**
   * Whether Lambda lets it invoke itself through a queue or topic again and again (facts 90 loops-allowed); it does not
   * unless set.
   */
  readonly recursiveLoop?: 'Allow' | 'Terminate';
  /** Where the record of an asynchronous invocation goes that failed permanently. */
  readonly onFailure?: { readonly arn: string; readonly send: (record: object) => void };
  /** Loads the code into a new container, whose clock is the Region's. */
  readonly load: (clock: Clock) => Handler;
}

/** What became of one invocation. */
export interface Invocation {
  readonly event: unknown;
  /** It distinguishes its calls from others'. */
  readonly fiber: Fiber;
  readonly startedAtMs: number;
  readonly billedSeconds: number;
  /** It ran in a new container. */
  readonly coldStart: boolean;
  readonly result: unknown;
  readonly error: string | undefined;
}

/** What the model needs of the rest of the Region. */
export interface LambdaOptions {
  readonly time: VirtualTime;
  readonly place: Place;
  readonly random: Random;
  readonly trace: Trace;
  /** The account's concurrent executions; 1,000 unless AWS gave it fewer (facts 9 lambda-limits). */
  readonly concurrencyLimit: number;
  /** Called around each await of a function: its invocation may die there. */
  readonly mayCrash: () => void;
  /** Called for each new container: whether it starts. */
  readonly starts: () => boolean;
  readonly measure: (datapoint: Datapoint) => void;
}

/** Lambda's own retries of an asynchronous invocation that failed (facts 7 event-retries). */
const RETRY_AFTER_SECONDS = [60, 120];
/**
 * A throttled asynchronous invocation is tried again after a second, then ever more seldom
 * (facts 31 throttled-invocations).
 */
const THROTTLE_RETRY_SECONDS = { first: 1, longest: 300 };
export const LARGEST_EVENT_AGE_SECONDS = 6 * 60 * 60;
/** From a new container to its first invocation: start, import and initialization; billed like the rest. */
const COLD_START_SECONDS = 0.35;

/** Who waits for an invocation hears its error, or that it has none, and what the function has returned. */
export type Ended = (error: string | undefined, result: unknown) => void;

/** Where the code of a function runs, one invocation after the other. */
interface Container {
  readonly handler: Handler;
  readonly logStream: string;
}

/** An event in the queue of asynchronous invocations. */
interface Queued {
  readonly event: unknown;
  readonly queuedAtMs: number;
  /** How often the function has failed with it. */
  readonly failures: number;
  /** How often in succession there was no room to run it. */
  readonly throttles: number;
}

/** One Lambda function in virtual time. */
export class LambdaModel {
  readonly #options: LambdaOptions;
  #spec: FunctionSpec;
  /** Containers that wait, warm, for the next invocation. */
  #idle: Container[] = [];
  /** With the log stream of the container that each runs in. */
  readonly #running = new Map<Fiber, string>();
  #containers = 0;
  /** What to do about an invocation that dies. */
  readonly #crashes = new WeakMap<Fiber, (error: string) => void>();
  readonly invocations: Invocation[] = [];
  /** Events that failed permanently. */
  readonly deadLetters: unknown[] = [];
  peakConcurrency = 0;

  constructor(options: LambdaOptions, spec: FunctionSpec) {
    this.#options = options;
    this.#spec = spec;
  }

  get name(): string {
    return this.#spec.name;
  }

  get spec(): FunctionSpec {
    return this.#spec;
  }

  /** Where an invocation of it writes its log; undefined if it is not one that runs now. */
  logStreamOf(fiber: Fiber): string | undefined {
    return this.#running.get(fiber);
  }

  /** What each second of it is billed by. */
  get memoryMb(): number {
    return this.#spec.memoryMb ?? 128;
  }

  /** Deploys another version: what runs goes on to its end as it was. */
  update(spec: FunctionSpec): void {
    this.#spec = spec;
    this.#idle = [];
  }

  /** Invokes the function as EventBridge does: asynchronously, with retries after a failure. */
  invokeAsync(event: unknown): void {
    this.#attempt({ event, queuedAtMs: this.#options.time.nowMs(), failures: 0, throttles: 0 });
  }

  #attempt(queued: Queued): void {
    const started = this.invoke(queued.event, (error) => {
      if (error !== undefined) this.#failed(queued, error);
    });
    if (!started) this.#throttled(queued);
  }

  /** Invokes the function synchronously; false if it is throttled. */
  invoke(event: unknown, ended: Ended): boolean {
    const { time, concurrencyLimit } = this.#options;
    if (this.#running.size >= Math.min(concurrencyLimit, this.#spec.reservedConcurrency ?? concurrencyLimit)) {
      this.#trace('throttled');
      this.#measure('Throttles', 1);
      return false;
    }
    const startedAtMs = time.nowMs();
    const spec = this.#spec;
    this.#trace('started');
    this.#measure('Invocations', 1);

    let over = false;
    let coldStart = false;
    let timeout: Scheduled | undefined;
    const end = (fiber: Fiber, result: unknown, error: string | undefined, container?: Container) => {
      if (over) return;
      over = true;
      if (timeout) time.cancel(timeout);
      this.#running.delete(fiber);
      const durationMs = time.nowMs() - startedAtMs;
      const billedSeconds = Math.ceil(durationMs) / 1000;
      this.#measure('Errors', error === undefined ? 0 : 1, startedAtMs);
      // Lambda does not count the start of a new container, in which an invocation may die.
      const startMs = coldStart ? COLD_START_SECONDS * 1000 : 0;
      this.#measure('Duration', Math.max(0, durationMs - startMs), startedAtMs);
      this.invocations.push({ event, fiber, startedAtMs, billedSeconds, coldStart, result, error });
      // A container outlives an error of its code, not a crash.
      if (container && spec === this.#spec) this.#idle.push(container);
      if (error === undefined) {
        this.#trace('ended');
      } else {
        this.#trace('failed', error);
      }
      ended(error, result);
    };

    const fiber = time.start(async () => {
      const self = currentFiber.getStore() as Fiber;
      let container = this.#idle.pop();
      const logStream = container?.logStream ?? this.#newLogStream();
      this.#running.set(self, logStream);
      this.#crashes.set(self, (error) => end(self, undefined, error));
      if (!container) {
        coldStart = true;
        await self.waitUntil(time.nowMs() + COLD_START_SECONDS * 1000);
      }
      try {
        container ??= { handler: this.#load(spec), logStream };
        const endsAtMs = startedAtMs + spec.timeoutSeconds * 1000;
        const result = await container.handler(structuredClone(event), this.#contextUntil(endsAtMs, logStream));
        if (!self.ended) end(self, result, undefined, container);
      } catch (error) {
        if (!self.ended) end(self, undefined, error instanceof Error ? error.message : String(error), container);
      }
    });
    this.peakConcurrency = Math.max(this.peakConcurrency, this.#running.size);
    this.#measure('Throttles', 0);
    this.#measure('ConcurrentExecutions', this.#running.size);
    if (!over) {
      timeout = time.after(spec.timeoutSeconds, () => {
        fiber.end();
        end(fiber, undefined, `Task timed out after ${spec.timeoutSeconds} seconds`);
      });
    }
    return true;
  }

  /** Ends the invocation that calls this, as a crash of its container would. */
  crash(fiber: Fiber): void {
    fiber.end();
    this.#crashes.get(fiber)?.('Runtime exited with error: signal: killed');
  }

  /** Each container has a stream of its own, named by the day and the version. */
  #newLogStream(): string {
    const day = new Date(this.#options.time.nowMs()).toISOString().slice(0, 10).replaceAll('-', '/');
    return `${day}/[$LATEST]${(++this.#containers).toString(16).padStart(32, '0')}`;
  }

  #load({ load }: FunctionSpec): Handler {
    const { time, mayCrash, starts } = this.#options;
    if (!starts()) throw new Error('Runtime.ExitError: the container did not start');
    return load({
      nowMs: () => time.nowMs(),
      sleepUntil: (instantMs) => {
        const fiber = currentFiber.getStore() as Fiber;
        mayCrash();
        return fiber.waitUntil(instantMs); // never comes back to one that has died
      },
    });
  }

  #failed(queued: Queued, error: string): void {
    const seconds = RETRY_AFTER_SECONDS[queued.failures];
    if (seconds === undefined) this.#giveUp(queued, 'RetriesExhausted', error);
    else this.#retryAfter(seconds, { ...queued, failures: queued.failures + 1, throttles: 0 });
  }

  #throttled(queued: Queued): void {
    const { first, longest } = THROTTLE_RETRY_SECONDS;
    // AWS documents the interval; that many events do not all come back in the same moment is ours (unverified).
    const seconds = Math.min(longest, first * 2 ** queued.throttles) * this.#options.random.between(0.5, 1.5);
    this.#retryAfter(seconds, { ...queued, throttles: queued.throttles + 1 });
  }

  /** Lets an event wait in the queue for its next attempt; one that would be too old by then is given up. */
  #retryAfter(seconds: number, queued: Queued): void {
    const { time } = this.#options;
    const { maximumEventAgeSeconds = LARGEST_EVENT_AGE_SECONDS } = this.#spec;
    const ageSeconds = (time.nowMs() - queued.queuedAtMs) / 1000 + seconds;
    if (ageSeconds > maximumEventAgeSeconds) this.#giveUp(queued, 'EventAgeExceeded');
    else time.after(seconds, () => this.#attempt(queued));
  }

  /** Lambda developer guide, "Capturing records of Lambda asynchronous invocations": the record of a failure. */
  #giveUp({ event, failures }: Queued, condition: string, error?: string): void {
    const { time, place } = this.#options;
    this.deadLetters.push(event);
    this.#spec.onFailure?.send({
      version: '1.0',
      timestamp: new Date(time.nowMs()).toISOString(),
      requestContext: {
        requestId: place.newId(),
        functionArn: `arn:aws:lambda:${place.region}:${place.account}:function:${this.name}:$LATEST`,
        condition,
        approximateInvokeCount: failures + 1,
      },
      requestPayload: event,
      ...(error !== undefined && {
        responseContext: { statusCode: 200, executedVersion: '$LATEST', functionError: 'Unhandled' },
        responsePayload: { errorType: 'Error', errorMessage: error },
      }),
    });
  }

  #trace(what: 'started' | 'ended' | 'failed' | 'throttled', message?: string): void {
    const functionName = this.#spec.name;
    this.#options.trace({ kind: 'invocation', functionName, what, ...(message !== undefined && { message }) });
  }

  /** Lambda dates a metric by when the function was invoked (Lambda developer guide, "Types of metrics"). */
  #measure(
    name: (typeof RECORDED)['AWS/Lambda']['names'][number],
    value: number,
    atMs = this.#options.time.nowMs(),
  ): void {
    const dimensions = { FunctionName: this.#spec.name };
    const unit = name === 'Duration' ? 'Milliseconds' : 'Count';
    this.#options.measure({ namespace: 'AWS/Lambda', name, dimensions, unit, value, atMs });
  }

  #contextUntil(endsAtMs: number, logStreamName: string): Context {
    const { name } = this.#spec;
    const { time, place } = this.#options;
    return {
      awsRequestId: place.newId(),
      functionName: name,
      functionVersion: '$LATEST',
      invokedFunctionArn: `arn:aws:lambda:${place.region}:${place.account}:function:${name}`,
      memoryLimitInMB: String(this.memoryMb),
      logGroupName: logGroupOf(name),
      logStreamName,
      callbackWaitsForEmptyEventLoop: true,
      getRemainingTimeInMillis: () => endsAtMs - time.nowMs(),
      done: () => {},
      fail: () => {},
      succeed: () => {},
    };
  }
}

/** Where a function's log goes (Lambda developer guide). */
export function logGroupOf(functionName: string): string {
  return `/aws/lambda/${functionName}`;
}
