import { AutoScalingClient, CompleteLifecycleActionCommand } from '@aws-sdk/client-auto-scaling';
import {
  DescribeContainerInstancesCommand,
  ECSClient,
  ListContainerInstancesCommand,
  UpdateContainerInstancesStateCommand,
} from '@aws-sdk/client-ecs';
import { PublishCommand, SNSClient } from '@aws-sdk/client-sns';
import type { Context } from 'aws-lambda';
import type { Clock } from '../region/time/virtual-time.ts';
import type { Transport } from '../region/wire/transport.ts';
import { CLUSTER, GROUP } from '../scenarios.ts';
import { boto3Retries, type RetryMode } from './boto3.ts';
import type { Install } from './drainer.ts';
import { type Notification, putNotifyingHook, topicTarget } from './notification.ts';

/** What the function runs with. */
export type BookParams = {
  readonly retries?: RetryMode;
};

/**
 * The book's function ("Docker on Amazon Web Services", chapter on ECS auto scaling) in TypeScript, with its errors. It
 * lists the first page only, believes the running count and never heartbeats. It answers any error with ABANDON, and
 * republishes itself to SNS when time runs out.
 */
export const book: Install = async (region, { params }) => {
  const { retries = 'standard' } = params as BookParams;
  const hook = {
    name: 'lifecycle-hook',
    group: GROUP,
    heartbeatTimeoutSeconds: 900,
    defaultResult: 'CONTINUE',
  } as const;
  const topic = region.createTopic('lifecycle-hook');
  const lambda = region.deploy({
    name: 'lifecycleHooks',
    timeoutSeconds: 300,
    load: (clock) => bookHandler(clock, { ...boto3Retries(retries), requestHandler: region.transport }, topic.arn),
  });
  topic.subscribe({ protocol: 'lambda', lambda });
  putNotifyingHook(region, hook, topicTarget(topic));
  return { lambda, instancesOf: ({ event }) => messagesIn(event).map(({ EC2InstanceId }) => EC2InstanceId) };
};

function messagesIn(event: unknown): Notification[] {
  const { Records } = event as { Records: { Sns: { Message: string } }[] };
  return Records.map(({ Sns }) => JSON.parse(Sns.Message));
}

function bookHandler(
  clock: Clock,
  configuration: ReturnType<typeof boto3Retries> & { requestHandler: Transport },
  TopicArn: string,
) {
  const ecs = new ECSClient(configuration);
  const autoScaling = new AutoScalingClient(configuration);
  const sns = new SNSClient(configuration);

  return async (event: unknown, context: Context): Promise<void> => {
    for (const message of messagesIn(event)) {
      if (message.LifecycleTransition !== 'autoscaling:EC2_INSTANCE_TERMINATING') return;
      const complete = (LifecycleActionResult: string) =>
        autoScaling.send(
          new CompleteLifecycleActionCommand({
            LifecycleHookName: message.LifecycleHookName,
            AutoScalingGroupName: message.AutoScalingGroupName,
            InstanceId: message.EC2InstanceId,
            LifecycleActionResult,
          }),
        );
      try {
        const listed = await ecs.send(new ListContainerInstancesCommand({ cluster: CLUSTER }));
        const described = await ecs.send(
          new DescribeContainerInstancesCommand({ cluster: CLUSTER, containerInstances: listed.containerInstanceArns }),
        );
        const instance = described.containerInstances?.find(
          ({ ec2InstanceId }) => ec2InstanceId === message.EC2InstanceId,
        );
        if (!instance?.containerInstanceArn) throw new Error('Could not locate ECS instance');
        const containerInstances = [instance.containerInstanceArn];
        await ecs.send(
          new UpdateContainerInstancesStateCommand({ cluster: CLUSTER, containerInstances, status: 'DRAINING' }),
        );
        let count = 1;
        while (count > 0 && context.getRemainingTimeInMillis() > 10_000) {
          const status = await ecs.send(
            new DescribeContainerInstancesCommand({ cluster: CLUSTER, containerInstances }),
          );
          count = status.containerInstances?.[0]?.runningTasksCount ?? 0;
          await clock.sleepUntil(clock.nowMs() + 5_000);
        }
        if (count === 0) await complete('CONTINUE');
        else await sns.send(new PublishCommand({ TopicArn, Message: JSON.stringify(message) }));
      } catch {
        await complete('ABANDON');
      }
    }
  };
}
