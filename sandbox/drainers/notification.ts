import type { HookSpec } from '../region/auto-scaling/model.ts';
import { roleFor } from '../region/iam/api.ts';
import { idOf } from '../region/ids.ts';
import type { Region } from '../region/region.ts';
import type { TopicModel } from '../region/sns/model.ts';
import type { QueueModel } from '../region/sqs/model.ts';

/** What every message of Auto Scaling to a notification target has (facts 106 hook-notifications). */
interface Envelope {
  readonly Service: 'AWS Auto Scaling';
  readonly Time: string;
  readonly AccountId: string;
  readonly RequestId: string;
  readonly AutoScalingGroupName: string;
}

/** What Auto Scaling sends to the notification target of a hook when it holds an instance. */
export interface Notification extends Envelope {
  readonly LifecycleTransition: string;
  readonly LifecycleActionToken: string;
  readonly LifecycleHookName: string;
  readonly EC2InstanceId: string;
  readonly Origin: string;
  readonly Destination: string;
  readonly NotificationMetadata?: string;
}

/** A new hook with a notification target tries that out, with a message which drain programs have to ignore (facts 2 test-notification). */
export interface TestNotification extends Envelope {
  readonly Event: 'autoscaling:TEST_NOTIFICATION';
  readonly AutoScalingGroupARN: string;
}

/** A topic or a queue that a hook notifies. */
export interface NotificationTarget {
  readonly arn: string;
  readonly action: 'sns:Publish' | 'sqs:SendMessage';
  /** The subject is that of a message of SNS. */
  readonly send: (notification: Notification | TestNotification, subject?: string) => void;
}

export function topicTarget(topic: TopicModel): NotificationTarget {
  const send: NotificationTarget['send'] = (notification, subject) =>
    topic.publish({ message: JSON.stringify(notification), subject });
  return { arn: topic.arn, action: 'sns:Publish', send };
}

export function queueTarget(queue: QueueModel): NotificationTarget {
  const send: NotificationTarget['send'] = (notification) => queue.send(JSON.stringify(notification));
  return { arn: queue.arn, action: 'sqs:SendMessage', send };
}

/**
 * A lifecycle hook with a notification target of SNS or SQS, as hooks had before EventBridge. Its notifications go by way
 * of the event bus, so that the faults of that strike them too.
 */
export function putNotifyingHook(region: Region, hook: HookSpec, target: NotificationTarget): void {
  const roleName = `${hook.name}-notifications`;
  const { account } = region.place;
  region.roles.set(
    roleName,
    roleFor('autoscaling.amazonaws.com', [{ Effect: 'Allow', Action: target.action, Resource: target.arn }]),
  );
  const notificationTarget = { arn: target.arn, roleArn: `arn:aws:iam::${account}:role/${roleName}` };
  region.autoScaling.putLifecycleHook({ ...hook, notificationTarget });
  region.eventBridge.putRule({
    name: `the notification target of ${hook.name}`,
    pattern: { source: ['aws.autoscaling'], detail: { LifecycleHookName: [hook.name] } },
    target: (event) => {
      const { time, detail } = event as {
        time: string;
        detail: Omit<Notification, keyof Envelope> & { AutoScalingGroupName: string };
      };
      const { EC2InstanceId, LifecycleActionToken, LifecycleTransition } = detail;
      const subject = `Auto Scaling:  Lifecycle action '${LifecycleTransition.split('_').at(-1)}' for instance ${EC2InstanceId} in progress.`;
      target.send({ ...envelope(region, time, LifecycleActionToken), ...detail }, subject);
    },
  });
}

export function testNotification(region: Region, hook: HookSpec): TestNotification {
  const { name, arn } = region.autoScaling.group(hook.group);
  return {
    ...envelope(region, new Date(region.time.nowMs()).toISOString(), `test of ${hook.name}`),
    AutoScalingGroupName: name,
    AutoScalingGroupARN: arn,
    Event: 'autoscaling:TEST_NOTIFICATION',
  };
}

/** The id of the request is of its own: which it is on AWS, no source says. */
function envelope({ place }: Region, time: string, of: string): Omit<Envelope, 'AutoScalingGroupName'> {
  return {
    Service: 'AWS Auto Scaling',
    Time: new Date(time).toISOString(),
    AccountId: place.account,
    RequestId: idOf(`notification of ${of}`),
  };
}
