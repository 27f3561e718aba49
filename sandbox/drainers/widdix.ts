import {
  AutoScalingClient,
  CompleteLifecycleActionCommand,
  RecordLifecycleActionHeartbeatCommand,
} from '@aws-sdk/client-auto-scaling';
import {
  ECSClient,
  ListContainerInstancesCommand,
  ListTasksCommand,
  UpdateContainerInstancesStateCommand,
} from '@aws-sdk/client-ecs';
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import type { Clock } from '../region/time/virtual-time.ts';
import type { Transport } from '../region/wire/transport.ts';
import { CLUSTER, GROUP } from '../scenarios.ts';
import type { Install } from './drainer.ts';
import { type Notification, putNotifyingHook, queueTarget } from './notification.ts';

/** The template's parameters, as far as they are of the drain. */
export type WiddixParams = {
  /** From 60 to 86,400; 600 unless set. */
  readonly DrainingTimeoutInSeconds?: number;
};

/** Between two looks. */
const REQUEUE_SECONDS = 60;

/** What the function sends to its own queue until its next look. */
interface Wait {
  readonly Service: 'DrainInstance';
  readonly ContainerInstanceArn: string;
  readonly AutoScalingGroupName: string;
  readonly LifecycleHookName: string;
  readonly LifecycleActionToken: string;
  readonly TerminateTime: string;
}

/**
 * The drain of widdix's ECS cluster template in TypeScript: a hook with an SQS queue, whose messages a function takes one at a
 * time. It drains, and sends a message to its own queue to look again a minute later, with a heartbeat. It does so for
 * `DrainingTimeoutInSeconds` at most, and believes the list of tasks with desired status RUNNING.
 *
 * Source: widdix/aws-cf-templates, `ecs/cluster.yaml` (`DrainInstanceLambda` and what is around it).
 */
export const widdix: Install = async (region, { params }) => {
  const { DrainingTimeoutInSeconds = 600 } = params as WiddixParams;
  const queue = region.createQueue({ name: 'lifecycle-hook', visibilityTimeoutSeconds: 60, maxReceiveCount: 5 });
  const lambda = region.deploy({
    name: 'DrainInstanceLambda',
    timeoutSeconds: 30,
    memoryMb: 128,
    reservedConcurrency: 1,
    load: (clock) => drainInstance(clock, region.transport, queue.url, DrainingTimeoutInSeconds),
  });
  region.mapQueue(queue, lambda, { batchSize: 1, windowSeconds: 0, reportsItemFailures: false });
  const hook = { name: 'terminating', group: GROUP, heartbeatTimeoutSeconds: 600, defaultResult: 'CONTINUE' } as const;
  const instances = new Map<string, string>();
  const { send, ...target } = queueTarget(queue);
  putNotifyingHook(region, hook, {
    ...target,
    send: (notification) => {
      if ('EC2InstanceId' in notification) {
        instances.set(notification.LifecycleActionToken, notification.EC2InstanceId);
      }
      send(notification);
    },
  });
  return { lambda, instancesOf: ({ event }) => [instances.get(messageIn(event).LifecycleActionToken) ?? []].flat() };
};

function messageIn(event: unknown): Notification | Wait {
  const { Records } = event as { Records: [{ body: string }] };
  return JSON.parse(Records[0].body);
}

function drainInstance(clock: Clock, requestHandler: Transport, QueueUrl: string, timeoutSeconds: number) {
  // The default of the JavaScript SDK: three attempts in all.
  const configuration = { requestHandler };
  const ecs = new ECSClient(configuration);
  const autoScaling = new AutoScalingClient(configuration);
  const sqs = new SQSClient(configuration);
  const cluster = CLUSTER;

  return async (event: unknown): Promise<void> => {
    const message = messageIn(event);
    const { AutoScalingGroupName, LifecycleHookName, LifecycleActionToken } = message;
    const action = { AutoScalingGroupName, LifecycleHookName, LifecycleActionToken };
    const complete = () =>
      autoScaling.send(new CompleteLifecycleActionCommand({ ...action, LifecycleActionResult: 'CONTINUE' }));
    const lookLater = (ContainerInstanceArn: string, TerminateTime: string) => {
      const wait: Wait = { Service: 'DrainInstance', ContainerInstanceArn, ...action, TerminateTime };
      const MessageBody = JSON.stringify(wait);
      return sqs.send(new SendMessageCommand({ QueueUrl, MessageBody, DelaySeconds: REQUEUE_SECONDS }));
    };

    if (message.Service === 'AWS Auto Scaling') {
      const filter = `ec2InstanceId == '${message.EC2InstanceId}'`;
      const { containerInstanceArns } = await ecs.send(new ListContainerInstancesCommand({ cluster, filter }));
      // An instance that is not registered has none: ECS refuses that, and the message fails.
      const arn = containerInstanceArns?.[0] as string;
      await ecs.send(
        new UpdateContainerInstancesStateCommand({ cluster, containerInstances: [arn], status: 'DRAINING' }),
      );
      await lookLater(arn, message.Time);
      return;
    }
    const { ContainerInstanceArn, TerminateTime } = message;
    const { taskArns } = await ecs.send(new ListTasksCommand({ cluster, containerInstance: ContainerInstanceArn }));
    const waitedSeconds = (clock.nowMs() - Date.parse(TerminateTime)) / 1000;
    if (taskArns?.length === 0 || waitedSeconds >= timeoutSeconds) {
      await complete();
      return;
    }
    await autoScaling.send(new RecordLifecycleActionHeartbeatCommand(action));
    await lookLater(ContainerInstanceArn, TerminateTime);
  };
}
