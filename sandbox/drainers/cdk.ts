import { AutoScalingClient, CompleteLifecycleActionCommand } from '@aws-sdk/client-auto-scaling';
import {
  DescribeContainerInstancesCommand,
  DescribeTasksCommand,
  ECSClient,
  ListContainerInstancesCommand,
  ListTasksCommand,
  UpdateContainerInstancesStateCommand,
} from '@aws-sdk/client-ecs';
import type { Clock } from '../region/time/virtual-time.ts';
import type { Transport } from '../region/wire/transport.ts';
import { CLUSTER, GROUP } from '../scenarios.ts';
import { boto3Retries, type RetryMode } from './boto3.ts';
import type { Install } from './drainer.ts';
import { type Notification, putNotifyingHook, topicTarget } from './notification.ts';

/** What the construct is deployed with. */
export type CdkParams = {
  /** In seconds. The construct's code sets it to 5 minutes; its documentation says 15. */
  readonly drainTime?: number;
  readonly retries?: RetryMode;
};

/**
 * The AWS CDK's `InstanceDrainHook` in TypeScript: a hook with an SNS topic, and a function. The function lists the instance's
 * tasks once, before it drains, and looks at those every ten seconds until all have stopped. It sends no heartbeat, and its
 * time limit is that of the hook.
 *
 * Source: aws/aws-cdk, `packages/aws-cdk-lib/aws-ecs/lib/drain-hook/instance-drain-hook.ts` and
 * `packages/@aws-cdk/custom-resource-handlers/lib/aws-ecs/lambda-source/index.py`.
 */
export const cdk: Install = async (region, { params }) => {
  const { drainTime = 300, retries = 'standard' } = params as CdkParams;
  const lambda = region.deploy({
    name: 'InstanceDrainHook',
    timeoutSeconds: Math.min(drainTime + 10, 900),
    load: (clock) => drainHook(clock, { ...boto3Retries(retries), requestHandler: region.transport }),
  });
  const topic = region.createTopic('DrainHookTopic');
  topic.subscribe({ protocol: 'lambda', lambda });
  const hook = {
    name: 'DrainHook',
    group: GROUP,
    heartbeatTimeoutSeconds: drainTime,
    defaultResult: 'CONTINUE',
  } as const;
  putNotifyingHook(region, hook, topicTarget(topic));
  return { lambda, instancesOf: ({ event }) => [messageIn(event).EC2InstanceId] };
};

function messageIn(event: unknown): Notification {
  const { Records } = event as { Records: [{ Sns: { Message: string } }] };
  return JSON.parse(Records[0].Sns.Message);
}

function drainHook(clock: Clock, configuration: ReturnType<typeof boto3Retries> & { requestHandler: Transport }) {
  const ecs = new ECSClient(configuration);
  const autoScaling = new AutoScalingClient(configuration);
  const cluster = CLUSTER;

  return async (event: unknown): Promise<void> => {
    const { EC2InstanceId, ...action } = messageIn(event);
    if (!EC2InstanceId) return;
    const filter = `ec2InstanceId==${EC2InstanceId}`;
    const registered = await ecs.send(new ListContainerInstancesCommand({ cluster, filter }));
    const instance = registered.containerInstanceArns?.[0];
    if (!instance) return; // the hook is left to its timeout
    // One page of the tasks with desired status RUNNING: tasks that are stopping already are missing.
    const listed = await ecs.send(new ListTasksCommand({ cluster, containerInstance: instance }));
    const tasks = listed.taskArns ?? [];
    while (await hasTasks(instance, tasks)) await clock.sleepUntil(clock.nowMs() + 10_000);
    try {
      const { LifecycleHookName, LifecycleActionToken, AutoScalingGroupName } = action;
      await autoScaling.send(
        new CompleteLifecycleActionCommand({
          LifecycleHookName,
          LifecycleActionToken,
          AutoScalingGroupName,
          LifecycleActionResult: 'CONTINUE',
        }),
      );
    } catch {
      // The hook may have timed out; the function says no more of it.
    }
  };

  async function hasTasks(arn: string, tasks: string[]): Promise<boolean> {
    const containerInstances = [arn];
    const described = await ecs.send(new DescribeContainerInstancesCommand({ cluster, containerInstances }));
    const instance = described.containerInstances?.[0];
    if (!instance) return false;
    if (instance.status === 'ACTIVE') {
      await ecs.send(new UpdateContainerInstancesStateCommand({ cluster, containerInstances, status: 'DRAINING' }));
      return true;
    }
    const { runningTasksCount = 0, pendingTasksCount = 0 } = instance;
    const known = tasks.length > 0 ? (await ecs.send(new DescribeTasksCommand({ cluster, tasks }))).tasks : undefined;
    const notStopped = known?.filter(({ lastStatus }) => lastStatus !== 'STOPPED').length ?? 0;
    const fromTasks = known?.length ? notStopped + pendingTasksCount : 0;
    return (fromTasks || runningTasksCount + pendingTasksCount) > 0;
  }
}
