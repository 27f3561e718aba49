import {
  AutoScalingClient,
  DescribeLifecycleHooksCommand,
  PutLifecycleHookCommand,
} from '@aws-sdk/client-auto-scaling';
import { beforeEach, describe, expect, it } from 'vitest';
import { external } from '../../sandbox/drainers/external.ts';
import type { Region } from '../../sandbox/region/region.ts';
import type { QueueModel } from '../../sandbox/region/sqs/model.ts';
import { CLUSTER, GROUP, SCENARIOS } from '../../sandbox/scenarios.ts';
import { clientOf, pass, regionOfTest } from './region/clients.ts';

let region: Region;
let queues: Map<string, QueueModel>;
let instanceId: string;
beforeEach(() => {
  region = regionOfTest();
  queues = new Map();
  region.ecs.createCluster(CLUSTER);
  [instanceId = ''] = region.autoScaling.createGroup(
    { ...SCENARIOS.book.group, minSize: 0, maxSize: 2, desiredCapacity: 1, launchSeconds: 60 },
    { running: true },
  );
});

/** Connects a drain program by this channel; returns what waits in its queue. */
async function connected(channel: 'events' | 'sns' | 'sqs') {
  const noting: Region = {
    ...region,
    createQueue: (spec) => {
      const queue = region.createQueue(spec);
      queues.set(spec.name, queue);
      return queue;
    },
  };
  await external({ channel, heartbeatTimeoutSeconds: 900, works: () => [] })(noting, SCENARIOS.book);
  return async () => {
    await pass(region, 5);
    return (
      queues
        .get('lifecycle-events')
        ?.receive(10)
        .map(({ body }) => JSON.parse(body)) ?? []
    );
  };
}

const hooks = async () => {
  const { LifecycleHooks } = await new AutoScalingClient(clientOf(region)).send(
    new DescribeLifecycleHooksCommand({ AutoScalingGroupName: GROUP }),
  );
  return LifecycleHooks;
};

const UUID = expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
const ENVELOPE = {
  Service: 'AWS Auto Scaling',
  Time: expect.stringMatching(/^2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
  AccountId: '123456789012',
  RequestId: UUID,
  AutoScalingGroupName: GROUP,
};

describe('facts 106 hook-notifications: a hook with a notification target', () => {
  it.each(['sns', 'sqs'] as const)('sends %s a test, and each action, with all that AWS has there', async (channel) => {
    const received = await connected(channel);
    const tested = await received();
    region.autoScaling.terminateInstance(instanceId);
    const told = await received();
    const inner = (messages: { Message?: string }[]) =>
      channel === 'sns' ? messages.map(({ Message = '' }) => JSON.parse(Message)) : messages;
    expect(inner(tested)).toEqual([
      {
        ...ENVELOPE,
        Event: 'autoscaling:TEST_NOTIFICATION',
        AutoScalingGroupARN: region.autoScaling.group(GROUP).arn,
      },
    ]);
    expect(inner(told)).toEqual([
      {
        ...ENVELOPE,
        LifecycleHookName: 'drain',
        LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
        LifecycleActionToken: region.autoScaling.pendingActions()[0]?.token,
        EC2InstanceId: instanceId,
        Origin: 'AutoScalingGroup',
        Destination: 'EC2',
      },
    ]);
    if (channel === 'sns') {
      expect(told).toMatchObject([
        { Subject: `Auto Scaling:  Lifecycle action 'TERMINATING' for instance ${instanceId} in progress.` },
      ]);
    }
    expect(inner(tested)[0].RequestId).not.toBe(inner(told)[0].RequestId);
  });

  it.each([
    ['sns', 'arn:aws:sns:eu-west-1:123456789012:lifecycle-events', 'sns:Publish'],
    ['sqs', 'arn:aws:sqs:eu-west-1:123456789012:lifecycle-events', 'sqs:SendMessage'],
  ] as const)('is described with its target and role, also when it was changed: %s', async (channel, arn, action) => {
    await connected(channel);
    const RoleARN = 'arn:aws:iam::123456789012:role/drain-notifications';
    expect(await hooks()).toMatchObject([{ LifecycleHookName: 'drain', NotificationTargetARN: arn, RoleARN }]);
    expect(region.roles.permits(RoleARN, 'autoscaling.amazonaws.com', {}, action, arn)).toBe(true);
    const input = { AutoScalingGroupName: GROUP, LifecycleHookName: 'drain', HeartbeatTimeout: 60 };
    await new AutoScalingClient(clientOf(region)).send(new PutLifecycleHookCommand(input));
    expect(await hooks()).toMatchObject([{ HeartbeatTimeout: 60, NotificationTargetARN: arn, RoleARN }]);
  });

  it('is described without either where it has none', async () => {
    await connected('events');
    const [hook] = (await hooks()) ?? [];
    expect(hook).toMatchObject({ LifecycleHookName: 'drain' });
    expect(hook?.NotificationTargetARN).toBeUndefined();
    expect(hook?.RoleARN).toBeUndefined();
  });
});
