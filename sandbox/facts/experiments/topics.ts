import { PublishCommand, type PublishInput, SubscribeCommand, UnsubscribeCommand } from '@aws-sdk/client-sns';
import { type Experiment, use, type World } from '../experiment.ts';
import { described, refusalOf, undo } from './look.ts';

const NOTHING = 'changes nothing';
const LARGEST_BYTES = 262_144;

/** What SNS takes, and in which words it refuses. */
export const topics: readonly Experiment[] = [
  {
    facts: [83],
    title: 'SNS takes a message of 256 KiB, and refuses one that has a byte more.',
    needs: ['topic'],
    minutes: 1,
    cents: 0,
    cleansUp: NOTHING,
    async run(world) {
      const largest = await refusalOf(publish(world, { Message: 'x'.repeat(LARGEST_BYTES) }));
      const larger = await refusalOf(publish(world, { Message: 'x'.repeat(LARGEST_BYTES + 1) }));
      return {
        saw: `256 KiB: ${described(largest)}; a byte more: ${described(larger)}`,
        agrees: largest === undefined && larger?.status === 400,
      };
    },
  },
  {
    facts: [83],
    title: 'A topic that does not exist is not found, HTTP 404, in the documented words.',
    needs: ['topic'],
    minutes: 1,
    cents: 0,
    cleansUp: NOTHING,
    async run(world) {
      const TopicArn = `${use(world, 'topic').arn}-that-is-not-there`;
      const refusal = await refusalOf(publish(world, { TopicArn, Message: 'facts' }));
      return {
        saw: described(refusal),
        // The SDK names the error by its shape.
        agrees:
          refusal?.code === 'NotFoundException' && refusal.status === 404 && refusal.message === 'Topic does not exist',
      };
    },
  },
  {
    facts: [83],
    title: 'A message with MessageStructure json is refused in the documented words if it lacks a default.',
    needs: ['topic'],
    minutes: 1,
    cents: 0,
    cleansUp: NOTHING,
    async run(world) {
      const Message = JSON.stringify({ sqs: 'facts' });
      const refusal = await refusalOf(publish(world, { Message, MessageStructure: 'json' }));
      return {
        saw: described(refusal),
        agrees: refusal?.message === 'Invalid parameter: Message Structure - No default entry in JSON message body',
      };
    },
  },
  {
    facts: [83],
    title: 'Subscribing again returns the same subscription.',
    needs: ['topic', 'queue'],
    minutes: 1,
    cents: 0,
    cleansUp: 'ends the subscription',
    async run(world) {
      const arns = new Set([await subscribed(world), await subscribed(world)]);
      return {
        saw: arns.size === 1 ? 'both have the same ARN' : 'each has an ARN of its own',
        agrees: arns.size === 1 && !arns.has(undefined),
      };
    },
  },
];

async function publish(world: World, message: PublishInput) {
  return world.sns.send(new PublishCommand({ TopicArn: use(world, 'topic').arn, ...message }));
}

/** Subscribes the queue to the topic until the experiment is over. */
async function subscribed(world: World): Promise<string | undefined> {
  const { arn: TopicArn } = use(world, 'topic');
  const { arn: Endpoint } = use(world, 'queue');
  const { SubscriptionArn } = await world.sns.send(new SubscribeCommand({ TopicArn, Protocol: 'sqs', Endpoint }));
  // Of one subscription there is nothing left for the second to end.
  world.defer(() => undo(world.sns.send(new UnsubscribeCommand({ SubscriptionArn }))));
  return SubscriptionArn;
}
