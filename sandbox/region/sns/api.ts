import type {
  ListSubscriptionsByTopicInput,
  ListSubscriptionsByTopicResponse,
  ListTopicsInput,
  ListTopicsResponse,
  MessageAttributeValue,
  PublishInput,
  PublishResponse,
  SubscribeInput,
  SubscribeResponse,
  UnsubscribeInput,
} from '@aws-sdk/client-sns';
import { AwsError } from '../aws-error.ts';
import type { LambdaModel } from '../lambda/model.ts';
import { pageOf } from '../pages.ts';
import type { Place } from '../place.ts';
import type { Service } from '../service.ts';
import type { QueueModel } from '../sqs/model.ts';
import { type MessageAttribute, type Publication, type Subscriber, type TopicModel, topicArn } from './model.ts';

/** What the API needs of the rest of the Region. */
export interface SnsOptions {
  readonly place: Place;
  readonly topics: ReadonlyMap<string, TopicModel>;
  readonly queues: ReadonlyMap<string, QueueModel>;
  readonly functions: readonly LambdaModel[];
}

/** Of subscriptions and of topics (SNS API reference). */
const PAGE_SIZE = 100;
const LARGEST_MESSAGE_BYTES = 256 * 1024;

/** SNS's API over the topics. */
export function snsService(options: SnsOptions): Service {
  return { name: 'sns', operations: operationsOf(options) };
}

function operationsOf(options: SnsOptions): Service['operations'] {
  const { topics, place } = options;
  const topicIn = (arn: string | undefined): TopicModel => {
    const topic = [...topics.values()].find((each) => each.arn === arn);
    if (topic) return topic;
    if (arn?.startsWith(topicArn(place, ''))) throw new AwsError('NotFound', 'Topic does not exist');
    throw invalid('TopicArn');
  };
  const page = <T>(items: readonly T[], token: string | undefined) => pageOf(items, { size: PAGE_SIZE, token });

  return {
    ListTopics: ({ NextToken }: ListTopicsInput): ListTopicsResponse => {
      const { items, next } = page([...topics.values()], NextToken);
      return { Topics: items.map(({ arn }) => ({ TopicArn: arn })), ...(next !== undefined && { NextToken: next }) };
    },

    ListSubscriptionsByTopic: (input: ListSubscriptionsByTopicInput): ListSubscriptionsByTopicResponse => {
      const topic = topicIn(input.TopicArn);
      const { items, next } = page(topic.subscriptions, input.NextToken);
      return {
        Subscriptions: items.map(({ arn, subscriber }) => ({
          SubscriptionArn: arn,
          Owner: place.account,
          Protocol: subscriber.protocol,
          Endpoint: endpointOf(subscriber, place),
          TopicArn: topic.arn,
        })),
        ...(next !== undefined && { NextToken: next }),
      };
    },

    Subscribe: (input: SubscribeInput): SubscribeResponse => {
      const topic = topicIn(input.TopicArn);
      const subscriber = subscriberIn(input, options);
      // The same subscriber again is the same subscription.
      const endpoint = endpointOf(subscriber, place);
      const existing = topic.subscriptions.find((each) => endpointOf(each.subscriber, place) === endpoint);
      return { SubscriptionArn: (existing ?? topic.subscribe(subscriber)).arn };
    },

    Unsubscribe: ({ SubscriptionArn = '' }: UnsubscribeInput): object => {
      // One that is gone is no error.
      for (const topic of topics.values()) topic.unsubscribe(SubscriptionArn);
      return {};
    },

    Publish: (input: PublishInput): PublishResponse => {
      const { TopicArn, TargetArn = TopicArn, PhoneNumber } = input;
      if (PhoneNumber !== undefined) throw notHere('publishing to a phone number: name a TopicArn');
      const topic = topicIn(TargetArn);
      return { MessageId: topic.publish(publicationIn(input)) };
    },
  };
}

function endpointOf(subscriber: Subscriber, { region, account }: Place): string {
  return subscriber.protocol === 'lambda'
    ? `arn:aws:lambda:${region}:${account}:function:${subscriber.lambda.name}`
    : subscriber.queue.arn;
}

function subscriberIn({ Protocol, Endpoint, Attributes = {} }: SubscribeInput, options: SnsOptions): Subscriber {
  const { place, queues, functions } = options;
  const { RawMessageDelivery = 'false', ...others } = Attributes;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw notHere(`the attribute ${unknown} of a subscription: only RawMessageDelivery`);
  const candidates: Subscriber[] =
    Protocol === 'lambda'
      ? functions.map((lambda) => ({ protocol: 'lambda', lambda }))
      : [...queues.values()].map((queue) => ({ protocol: 'sqs', queue, raw: RawMessageDelivery === 'true' }));
  if (Protocol !== 'lambda' && Protocol !== 'sqs') {
    throw notHere(`subscriptions of the protocol ${Protocol}: only lambda and sqs`);
  }
  // AWS accepts the ARN of a queue that does not exist, and delivers nothing. The Region refuses it, because it would hide a mistake.
  const found = candidates.findLast((each) => endpointOf(each, place) === Endpoint);
  if (!found) throw notHere(`the endpoint ${Endpoint}: no ${Protocol === 'sqs' ? 'queue' : 'function'} has this ARN`);
  return found;
}

function publicationIn({ Message = '', Subject, MessageStructure, MessageAttributes = {} }: PublishInput): Publication {
  if (Message === '') throw new AwsError('InvalidParameter', 'Invalid parameter: Empty message');
  if (Buffer.byteLength(Message) > LARGEST_MESSAGE_BYTES) {
    throw new AwsError('InvalidParameter', 'Invalid parameter: Message too long');
  }
  const attributes = Object.fromEntries(
    Object.entries(MessageAttributes).map(([name, value]) => [name, attributeIn(name, value)]),
  );
  if (MessageStructure === undefined) return { message: Message, subject: Subject, attributes };
  if (MessageStructure !== 'json') throw invalid('MessageStructure');
  const messages = messagesIn(Message);
  return { message: messages['default'] ?? '', messages, subject: Subject, attributes };
}

function messagesIn(message: string): Readonly<Record<string, string>> {
  const refusal = (why: string) => new AwsError('InvalidParameter', `Invalid parameter: Message Structure - ${why}`);
  let parsed: unknown;
  try {
    parsed = JSON.parse(message);
  } catch {
    throw refusal('JSON message body failed to parse');
  }
  const texts = Object.entries(Object(parsed)).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  );
  if (!texts.some(([protocol]) => protocol === 'default')) throw refusal('No default entry in JSON message body');
  return Object.fromEntries(texts);
}

function attributeIn(
  name: string,
  { DataType = '', StringValue, BinaryValue }: MessageAttributeValue,
): MessageAttribute {
  // The wire hands binary data over as its text in base 64.
  const value = DataType.startsWith('Binary') ? (BinaryValue as unknown as string | undefined) : StringValue;
  if (value) return { Type: DataType, Value: value };
  const message = `The message attribute '${name}' must contain non-empty message attribute value for message attribute type '${DataType}'.`;
  throw new AwsError('ParameterValueInvalid', message);
}

function invalid(parameter: string): AwsError {
  return new AwsError('InvalidParameter', `Invalid parameter: ${parameter}`);
}

function notHere(what: string): AwsError {
  return new AwsError('InvalidParameter', `The local Region does not know ${what}.`);
}
