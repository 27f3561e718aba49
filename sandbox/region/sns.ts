import type { LambdaModel } from './lambda.ts';
import { inRound, isStopped, nextRound } from './recursion.ts';
import type { Region } from './region.ts';

/** From a publish to the invocation of the function that subscribed. */
const DELIVERY_SECONDS = 0.3;

/** An SNS topic to which one function has subscribed. */
export class TopicModel {
  readonly #region: Pick<Region, 'time' | 'tell'>;
  readonly #name: string;
  readonly #lambda: LambdaModel;

  constructor(region: Pick<Region, 'time' | 'tell'>, name: string, lambda: LambdaModel) {
    this.#region = region;
    this.#name = name;
    this.#lambda = lambda;
  }

  /** Takes a message; Lambda stops a loop of the function and its own topic (facts 8). */
  publish(message: string): void {
    const { time, tell } = this.#region;
    const round = nextRound();
    if (isStopped(round, this.#lambda.name, tell)) return;
    const event = { Records: [{ EventSource: 'aws:sns', Sns: { TopicArn: this.#name, Message: message } }] };
    time.after(DELIVERY_SECONDS, () => inRound(round, () => this.#lambda.invokeAsync(event)));
  }
}
