import type { Context } from 'aws-lambda';
import type { Clock } from '../../src/domain/ports.ts';
import type { Place } from './place.ts';
import type { VirtualTime } from './virtual-time.ts';

/** A handler as Lambda calls it. */
export type Handler = (event: unknown, context: Context) => Promise<unknown>;

/** A function to deploy. */
export interface FunctionSpec {
  readonly name: string;
  readonly timeoutSeconds: number;
  /** Loads the code into a new container, whose clock is the Region's. */
  readonly load: (clock: Clock) => Handler;
}

/** What became of one invocation. */
export interface Invocation {
  readonly startedAtMs: number;
  readonly billedSeconds: number;
  readonly result: unknown;
  readonly error: string | undefined;
}

/** Lambda's own retries of an asynchronous invocation that failed (facts 7). */
const RETRY_AFTER_SECONDS = [60, 120];

/** One Lambda function in virtual time. */
export class LambdaModel {
  readonly #time: VirtualTime;
  readonly #place: Place;
  readonly #spec: FunctionSpec;
  readonly #tell: (what: string) => void;
  /** Containers that wait, warm, for the next invocation. */
  readonly #idle: ((event: unknown) => Promise<Invocation>)[] = [];
  readonly invocations: Invocation[] = [];
  /** Events that failed for good. */
  readonly deadLetters: unknown[] = [];

  constructor(time: VirtualTime, place: Place, spec: FunctionSpec, tell: (what: string) => void) {
    this.#time = time;
    this.#place = place;
    this.#spec = spec;
    this.#tell = tell;
  }

  /** Invokes the function as EventBridge does: nobody waits for the answer, and a failure is tried again. */
  invokeAsync(event: unknown, attempt = 0): void {
    this.#time.work(async () => {
      const container = this.#idle.pop() ?? this.#newContainer();
      const invocation = await container(event);
      this.invocations.push(invocation);
      if (invocation.error === undefined) {
        this.#idle.push(container);
        return;
      }
      this.#tell(`the invocation failed: ${invocation.error}`);
      const retrySeconds = RETRY_AFTER_SECONDS[attempt];
      if (retrySeconds === undefined) this.deadLetters.push(event);
      else this.#time.after(retrySeconds, () => this.invokeAsync(event, attempt + 1));
    });
  }

  /** A container runs one invocation at a time; its code is loaded once. */
  #newContainer() {
    const handler = this.#spec.load({
      nowMs: () => this.#time.nowMs(),
      sleepUntil: (instantMs) => this.#time.sleepUntil(instantMs),
    });
    return async (event: unknown): Promise<Invocation> => {
      const startedAtMs = this.#time.nowMs();
      const endsAtMs = startedAtMs + this.#spec.timeoutSeconds * 1000;
      const ended = (result: unknown, error: string | undefined): Invocation => {
        const endedAtMs = Math.min(this.#time.nowMs(), endsAtMs);
        return { startedAtMs, billedSeconds: (endedAtMs - startedAtMs) / 1000, result, error };
      };
      try {
        const result = await handler(structuredClone(event), this.#contextUntil(endsAtMs));
        if (this.#time.nowMs() > endsAtMs)
          return ended(undefined, `Task timed out after ${this.#spec.timeoutSeconds} seconds`);
        return ended(result, undefined);
      } catch (error) {
        return ended(undefined, error instanceof Error ? error.message : String(error));
      }
    };
  }

  #contextUntil(endsAtMs: number): Context {
    const { name } = this.#spec;
    const { region, account } = this.#place;
    return {
      awsRequestId: this.#place.newId(),
      functionName: name,
      functionVersion: '$LATEST',
      invokedFunctionArn: `arn:aws:lambda:${region}:${account}:function:${name}`,
      memoryLimitInMB: '256',
      logGroupName: `/aws/lambda/${name}`,
      logStreamName: 'drill',
      callbackWaitsForEmptyEventLoop: true,
      getRemainingTimeInMillis: () => endsAtMs - this.#time.nowMs(),
      done: () => {},
      fail: () => {},
      succeed: () => {},
    };
  }
}
