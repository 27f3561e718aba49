import { AutoScalingClient, CompleteLifecycleActionCommand } from '@aws-sdk/client-auto-scaling';
import { DescribeInstanceAttributeCommand, DescribeInstancesCommand, EC2Client } from '@aws-sdk/client-ec2';
import {
  type ContainerInstance,
  DescribeContainerInstancesCommand,
  DescribeTasksCommand,
  ECSClient,
  ListTasksCommand,
  paginateListContainerInstances,
  UpdateContainerInstancesStateCommand,
} from '@aws-sdk/client-ecs';
import { ConfiguredRetryStrategy } from '@smithy/core/retry';
import type { Clock } from '../region/time/virtual-time.ts';
import type { Transport } from '../region/wire/transport.ts';
import { GROUP } from '../scenarios.ts';
import type { Install } from './drainer.ts';

/** The detail of the event, field for field. */
interface Detail {
  readonly LifecycleActionToken: string;
  readonly AutoScalingGroupName: string;
  readonly LifecycleHookName: string;
  readonly EC2InstanceId: string;
}

/**
 * getsocial's ecs-drain-lambda in TypeScript: a function of fifteen minutes on the events of Auto Scaling itself. It reads the
 * cluster's name from the instance's user data, and looks through all container instances. Then it drains, lists the tasks
 * once and looks at those every ten seconds until all have stopped. One that finds the instance
 * DRAINING already has listed no task, and completes. The hook is that of its README. Its other trigger, Spot
 * interruptions, does not happen in the Region.
 *
 * Source: getsocial-rnd/ecs-drain-lambda, `ecs.go`, `handler.go` and `serverless.yml`.
 */
export const getsocial: Install = async (region) => {
  const lambda = region.deploy({
    name: 'ecs-drain-prod-main',
    timeoutSeconds: 900,
    memoryMb: 128,
    load: (clock) => handleRequest(clock, region.transport),
  });
  region.autoScaling.putLifecycleHook({
    name: 'ASGTerminateHook',
    group: GROUP,
    heartbeatTimeoutSeconds: 900,
    defaultResult: 'ABANDON',
  });
  region.eventBridge.putRule({
    name: 'ecs-drain-prod-main-rule-1',
    pattern: { source: ['aws.autoscaling'], 'detail-type': ['EC2 Instance-terminate Lifecycle Action'] },
    target: (event) => lambda.invokeAsync(event),
  });
  return { lambda, instancesOf: ({ event }) => [detailIn(event).EC2InstanceId] };
};

function detailIn(event: unknown): Detail {
  return (event as { detail: Detail }).detail;
}

function handleRequest(clock: Clock, requestHandler: Transport) {
  // The Go SDK's own default: three retries, after at least 0.5, 1 and 2 s and less than twice that when throttled.
  const waitMs = (retry: number) => (500 + Math.random() * 500) * 2 ** (retry - 1);
  const configuration = { retryStrategy: new ConfiguredRetryStrategy(4, waitMs), requestHandler };
  const ecs = new ECSClient(configuration);
  const autoScaling = new AutoScalingClient(configuration);
  const ec2 = new EC2Client(configuration);

  return async (event: unknown): Promise<void> => {
    const { LifecycleActionToken, AutoScalingGroupName, LifecycleHookName, EC2InstanceId } = detailIn(event);
    const cluster = await clusterOf(EC2InstanceId);
    // Of an instance that is gone the action is completed all the same: an error, if that is gone too.
    if (cluster !== undefined) await drain(cluster, EC2InstanceId);
    await autoScaling.send(
      new CompleteLifecycleActionCommand({
        InstanceId: EC2InstanceId,
        LifecycleHookName,
        LifecycleActionToken,
        AutoScalingGroupName,
        LifecycleActionResult: 'CONTINUE',
      }),
    );
  };

  /** By the instance's user data; undefined if EC2 has terminated it. */
  async function clusterOf(InstanceId: string): Promise<string | undefined> {
    const { Reservations } = await ec2.send(new DescribeInstancesCommand({ InstanceIds: [InstanceId] }));
    if (Reservations?.[0]?.Instances?.[0]?.State?.Name === 'terminated') return undefined;
    const { UserData } = await ec2.send(new DescribeInstanceAttributeCommand({ InstanceId, Attribute: 'userData' }));
    const userData = Buffer.from(UserData?.Value ?? '', 'base64').toString();
    return /ECS_CLUSTER=([\w-]*)/.exec(userData)?.[1];
  }

  async function drain(cluster: string, ec2InstanceId: string): Promise<void> {
    let instance = await containerInstanceOf(cluster, ec2InstanceId);
    let left = instance.runningTasksCount ?? 0;
    let tasks: string[] = [];
    while (left > 0) {
      const { containerInstanceArn: containerInstance = '' } = instance;
      if (instance.status !== 'DRAINING') {
        const containerInstances = [containerInstance];
        await ecs.send(new UpdateContainerInstancesStateCommand({ cluster, containerInstances, status: 'DRAINING' }));
        tasks = (await ecs.send(new ListTasksCommand({ cluster, containerInstance }))).taskArns ?? [];
        instance = await containerInstanceOf(cluster, ec2InstanceId);
      }
      if (tasks.length === 0) return;
      const described = await ecs.send(new DescribeTasksCommand({ cluster, tasks }));
      left = (described.tasks ?? []).filter(({ lastStatus }) => lastStatus && lastStatus !== 'STOPPED').length;
      await clock.sleepUntil(clock.nowMs() + 10_000);
    }
  }

  /** Every page of the cluster, described. A page that cannot be described ends the search as if it were the last. */
  async function containerInstanceOf(cluster: string, ec2InstanceId: string): Promise<ContainerInstance> {
    const all: ContainerInstance[] = [];
    for await (const { containerInstanceArns: containerInstances } of paginateListContainerInstances(
      { client: ecs },
      { cluster },
    )) {
      try {
        const page = await ecs.send(new DescribeContainerInstancesCommand({ cluster, containerInstances }));
        all.push(...(page.containerInstances ?? []));
      } catch {
        break;
      }
    }
    const found = all.find((instance) => instance.ec2InstanceId === ec2InstanceId);
    if (!found) throw new Error(`"${ec2InstanceId}" not found in the cluster "${cluster}"`);
    return found;
  }
}
