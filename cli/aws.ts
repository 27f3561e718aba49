/** What the commands ask of AWS: the ports of the service, and the reads that only operators need. */

import { AutoScalingClient, DescribeAutoScalingInstancesCommand } from '@aws-sdk/client-auto-scaling';
import { ECSClient } from '@aws-sdk/client-ecs';
import { SchedulerClient } from '@aws-sdk/client-scheduler';
import { GetQueueAttributesCommand, SQSClient } from '@aws-sdk/client-sqs';
import {
  autoScalingLifecycleActions,
  describeGroups,
  type Group,
  type GroupInstance,
} from '../src/adapters/auto-scaling.ts';
import { awsCall } from '../src/adapters/aws-call.ts';
import { ecsContainerInstances } from '../src/adapters/ecs.ts';
import type { Ecs } from '../src/adapters/ecs-call.ts';
import { drainSchedules } from '../src/adapters/scheduler.ts';
import type { GroupChoice } from '../src/domain/groups.ts';
import type { ContainerInstances, DrainSchedules, LifecycleActions } from '../src/domain/ports.ts';
import { hooksOf } from '../src/handlers/settings.ts';
import { type Deployment, untilSilent } from './common.ts';

/** A command ends its calls itself. */
const NEVER = new AbortController().signal;

export interface Aws {
  readonly lifecycleActions: Pick<LifecycleActions, 'complete' | 'hooksOf' | 'placesOf' | 'terminatingSinceMs'>;
  readonly containerInstances: Omit<ContainerInstances, 'setDraining' | 'stopTask'>;
  /** Undefined with `waiting: watch`. */
  readonly schedules: Pick<DrainSchedules, 'get' | 'writtenAtMs'> | undefined;
  readonly ecs: Ecs;
  readonly autoScaling: AutoScalingClient;
  /** The chosen groups that exist. */
  groups(choices: readonly GroupChoice[]): Promise<Group[]>;
  /** Where the instance is; undefined if it is in no group. */
  groupOf(instanceId: string): Promise<(GroupInstance & { readonly autoScalingGroup: string }) | undefined>;
}

/** Task definitions are read only for a command that shows stop timeouts. */
export function awsOf({ config, settings, nowMs }: Deployment, readStopTimeouts = false): Aws {
  const { scheduler, notices, policy, eventSource: markName } = settings;
  const autoScaling = new AutoScalingClient(config);
  const ecs = { client: new ECSClient(config), abortSignal: NEVER };
  const { containerStopTimeoutSeconds } = policy;
  const containerInstances = ecsContainerInstances(ecs.client, {
    readStopTimeouts,
    containerStopTimeoutSeconds,
    markName,
  })(NEVER);
  const schedules =
    scheduler &&
    drainSchedules({
      client: new SchedulerClient(config),
      settings: scheduler,
      clock: { nowMs },
      lifecycleHooks: hooksOf(settings),
      notices,
    })(NEVER);
  return {
    lifecycleActions: autoScalingLifecycleActions(autoScaling, NEVER),
    containerInstances: { ...containerInstances, list: untilSilent(containerInstances.list) },
    schedules: schedules && { writtenAtMs: schedules.writtenAtMs, get: untilSilent(schedules.get) },
    ecs,
    autoScaling,
    groups: (choices) => describeGroups(autoScaling, choices, NEVER),
    groupOf: (instanceId) =>
      awsCall(`find the group of ${instanceId}`, async () => {
        const command = new DescribeAutoScalingInstancesCommand({ InstanceIds: [instanceId] });
        const { AutoScalingInstances: [found] = [] } = await autoScaling.send(command);
        if (found?.AutoScalingGroupName === undefined) return undefined;
        const { AutoScalingGroupName: autoScalingGroup, LifecycleState: lifecycleState = '' } = found;
        return { autoScalingGroup, instanceId, lifecycleState };
      }),
  };
}

/** SQS, at the endpoint of all other calls, whatever the URL of a queue says. */
export function sqsOf({ config }: Pick<Deployment, 'config'>): SQSClient {
  return new SQSClient({ ...config, useQueueUrlAsEndpoint: false });
}

/** How many messages a queue has, as far as SQS knows, and how it is set up. */
export interface QueueState {
  /** Messages that no one has received yet. */
  readonly waiting: number;
  /** Messages that were received and are not deleted yet. */
  readonly received: number;
  /** Messages that can be received later: continuations of drains that are due within 15 minutes. */
  readonly delayed: number;
  readonly visibilityTimeoutSeconds: number;
  /** The KMS key that the messages are encrypted with, as the queue names it; undefined with a key of SQS. */
  readonly kmsKey: string | undefined;
  /** The name of the queue that takes what was received too often. */
  readonly deadLetterQueue: string | undefined;
}

export async function queueStateOf(sqs: SQSClient, queueUrl: string): Promise<QueueState> {
  const { Attributes: attributes = {} } = await awsCall(
    `read the attributes of the queue ${queueNameIn(queueUrl)}`,
    () =>
      sqs.send(
        new GetQueueAttributesCommand({
          QueueUrl: queueUrl,
          AttributeNames: [
            'ApproximateNumberOfMessages',
            'ApproximateNumberOfMessagesDelayed',
            'ApproximateNumberOfMessagesNotVisible',
            'KmsMasterKeyId',
            'RedrivePolicy',
            'VisibilityTimeout',
          ],
        }),
      ),
  );
  const { RedrivePolicy: redrive } = attributes;
  const { deadLetterTargetArn } = JSON.parse(redrive ?? '{}') as { readonly deadLetterTargetArn?: string };
  return {
    waiting: Number(attributes.ApproximateNumberOfMessages ?? 0),
    received: Number(attributes.ApproximateNumberOfMessagesNotVisible ?? 0),
    delayed: Number(attributes.ApproximateNumberOfMessagesDelayed ?? 0),
    visibilityTimeoutSeconds: Number(attributes.VisibilityTimeout ?? 0),
    kmsKey: attributes.KmsMasterKeyId,
    deadLetterQueue: deadLetterTargetArn?.split(':').at(-1),
  };
}

/** The last part of a queue's URL. */
export function queueNameIn(queueUrl: string): string {
  return queueUrl.split('/').at(-1) ?? queueUrl;
}
