import { idOf } from '../ids.ts';
import type { LambdaModel } from '../lambda/model.ts';
import { inRound, isStopped, nextRound } from '../lambda/recursion.ts';
import type { Place } from '../place.ts';
import type { QueueModel } from '../sqs/model.ts';
import type { VirtualTime } from '../time/virtual-time.ts';
import type { Trace } from '../trace.ts';

/** From a publish to the invocation of the function that subscribed. */
const DELIVERY_SECONDS = 0.3;

/** What the model needs of the rest of the Region. */
export interface TopicOptions {
  readonly time: VirtualTime;
  readonly place: Place;
  readonly trace: Trace;
}

/** What a publisher gives. */
export interface Publication {
  readonly message: string;
  readonly subject?: string | undefined;
  /** Of a publication that has another text for some protocols: by the name of the protocol. */
  readonly messages?: Readonly<Record<string, string>>;
  readonly attributes?: Readonly<Record<string, MessageAttribute>>;
}

/** As a notification has it. */
export interface MessageAttribute {
  readonly Type: string;
  readonly Value: string;
}

/** Who gets what is published. */
export type Subscriber =
  | { readonly protocol: 'lambda'; readonly lambda: LambdaModel }
  | { readonly protocol: 'sqs'; readonly queue: QueueModel; readonly raw?: boolean };

export interface Subscription {
  readonly arn: string;
  readonly subscriber: Subscriber;
}

/** An SNS topic in virtual time, whose subscribers are functions and queues. */
export class TopicModel {
  readonly #options: TopicOptions;
  readonly name: string;
  readonly #subscriptions: Subscription[] = [];
  #messages = 0;
  #subscribed = 0;

  constructor(options: TopicOptions, name: string) {
    this.#options = options;
    this.name = name;
  }

  get arn(): string {
    return topicArn(this.#options.place, this.name);
  }

  get subscriptions(): readonly Subscription[] {
    return this.#subscriptions;
  }

  subscribe(subscriber: Subscriber): Subscription {
    const subscription = { arn: `${this.arn}:${idOf(`${this.arn} subscription ${++this.#subscribed}`)}`, subscriber };
    this.#subscriptions.push(subscription);
    return subscription;
  }

  /** False if it has no such subscription. */
  unsubscribe(arn: string): boolean {
    const place = this.#subscriptions.findIndex((each) => each.arn === arn);
    return place >= 0 && this.#subscriptions.splice(place, 1).length > 0;
  }

  /** Takes a message, and returns its id. */
  publish(publication: Publication): string {
    const messageId = idOf(`${this.arn} message ${++this.#messages}`);
    const round = nextRound();
    for (const subscription of this.#subscriptions) this.#deliver(subscription, publication, messageId, round);
    return messageId;
  }

  /** Lambda stops a loop of a function and its own topic (facts 8 loop-detection). */
  #deliver({ arn, subscriber }: Subscription, publication: Publication, messageId: string, round: number): void {
    const { time, trace } = this.#options;
    const { protocol } = subscriber;
    const { subject, attributes = {} } = publication;
    const message = publication.messages?.[protocol] ?? publication.message;
    const notification = {
      Type: 'Notification',
      MessageId: messageId,
      TopicArn: this.arn,
      Message: message,
      Timestamp: new Date(time.nowMs()).toISOString(),
    };
    if (protocol === 'lambda') {
      const { lambda } = subscriber;
      if (isStopped(round, lambda, trace)) return;
      const Sns = { ...notification, Subject: subject ?? null, MessageAttributes: attributes };
      const event = { Records: [{ EventSource: 'aws:sns', EventVersion: '1.0', EventSubscriptionArn: arn, Sns }] };
      time.after(DELIVERY_SECONDS, () => inRound(round, () => lambda.invokeAsync(event)));
      return;
    }
    const { queue, raw = false } = subscriber;
    const body = {
      ...notification,
      ...(subject !== undefined && { Subject: subject }),
      ...(Object.keys(attributes).length > 0 && { MessageAttributes: attributes }),
    };
    // The queue's message is the same link of the chain: a queue is no function.
    const send = () => inRound(round - 1, () => queue.send(raw ? message : JSON.stringify(body)));
    time.after(DELIVERY_SECONDS, send);
  }
}

export function topicArn({ region, account }: Place, name: string): string {
  return `arn:aws:sns:${region}:${account}:${name}`;
}
