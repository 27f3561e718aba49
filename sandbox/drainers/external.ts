import type { HookSpec } from '../region/auto-scaling/model.ts';
import type { Region } from '../region/region.ts';
import type { QueueModel } from '../region/sqs/model.ts';
import { GROUP } from '../scenarios.ts';
import type { Install, Work } from './drainer.ts';
import {
  type NotificationTarget,
  putNotifyingHook,
  queueTarget,
  testNotification,
  topicTarget,
} from './notification.ts';

/** How a drain program outside hears of a lifecycle action; whichever it is, the messages wait in one queue. */
export const CHANNELS = ['events', 'sns', 'sqs'] as const;
export type Channel = (typeof CHANNELS)[number];

/** The queue, and the topic or the rule before it. */
export const LIFECYCLE_EVENTS = 'lifecycle-events';
const HOOK = 'drain';

/** What is set up for a drain program outside. */
export interface ExternalOptions {
  readonly channel: Channel;
  readonly heartbeatTimeoutSeconds: number;
  /** What its clients have done until now. */
  readonly works: () => readonly Work[];
}

/** No one of ours drains: there is a hook, and a queue whose messages a program outside takes. */
export const external =
  ({ channel, heartbeatTimeoutSeconds, works }: ExternalOptions): Install =>
  async (region) => {
    const queue = region.createQueue({
      name: LIFECYCLE_EVENTS,
      visibilityTimeoutSeconds: 30,
      maxReceiveCount: Number.POSITIVE_INFINITY,
    });
    const hook = { name: HOOK, group: GROUP, heartbeatTimeoutSeconds, defaultResult: 'CONTINUE' } as const;
    CONNECT[channel](region, hook, queue);
    return { lambda: undefined, instancesOf: () => [], works };
  };

type Connect = (region: Region, hook: HookSpec, queue: QueueModel) => void;

const CONNECT: Readonly<Record<Channel, Connect>> = {
  /** A rule brings the whole event. */
  events: ({ autoScaling, eventBridge }, hook, queue) => {
    autoScaling.putLifecycleHook(hook);
    eventBridge.putRule({
      name: LIFECYCLE_EVENTS,
      pattern: { source: ['aws.autoscaling'], 'detail-type': ['EC2 Instance-terminate Lifecycle Action'] },
      target: (event) => queue.send(JSON.stringify(event)),
    });
  },
  /** The hook notifies a topic, to which the queue has subscribed. */
  sns: (region, hook, queue) => {
    const topic = region.createTopic(LIFECYCLE_EVENTS);
    topic.subscribe({ protocol: 'sqs', queue });
    notify(region, hook, topicTarget(topic));
  },
  /** The hook notifies the queue. */
  sqs: (region, hook, queue) => notify(region, hook, queueTarget(queue)),
};

function notify(region: Region, hook: HookSpec, target: NotificationTarget): void {
  putNotifyingHook(region, hook, target);
  target.send(testNotification(region, hook));
}
