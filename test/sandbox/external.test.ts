import { AutoScalingClient, CompleteLifecycleActionCommand } from '@aws-sdk/client-auto-scaling';
import {
  DescribeTasksCommand,
  ECSClient,
  ListContainerInstancesCommand,
  ListTasksCommand,
  UpdateContainerInstancesStateCommand,
} from '@aws-sdk/client-ecs';
import { GetQueueUrlCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { describe, expect, it } from 'vitest';
import { RegionClock } from '../../sandbox/clock.ts';
import { type Channel, external, LIFECYCLE_EVENTS } from '../../sandbox/drainers/external.ts';
import { listenTo } from '../../sandbox/listening.ts';
import { rehearse } from '../../sandbox/rehearsal.ts';
import type { DrillResult } from '../../sandbox/result.ts';
import { CLUSTER, fleetOf, SCENARIOS, type Scenario } from '../../sandbox/scenarios.ts';
import { type ClockClient, callsOf, registered } from './clock-client.ts';

type Program = (url: string) => Promise<void>;

/** One instance of a few is terminated; half its tasks are behind a load balancer that takes two minutes. */
const oneInstance = fleetOf({ instances: 3, terminated: 1, tasks: 12 });

/** What comes of a scenario that this program drains, from outside, in the time of its clients. */
async function judged(variant: Scenario, channel: Channel, program: Program): Promise<DrillResult<'external'>> {
  let clock: RegionClock | undefined;
  let ended: Promise<void> | undefined;
  const result = await rehearse<'external'>({
    scenario: 'fleet',
    variant,
    drainer: 'external',
    seed: 1,
    install: external({ channel, heartbeatTimeoutSeconds: 900, works: () => clock?.works() ?? [] }),
    open: async (region) => {
      clock = new RegionClock(region);
      const { url, close } = await listenTo(region, clock, 0);
      ended = program(url);
      await clock.firstClient();
      return close;
    },
  });
  await ended;
  return result;
}

function sdk(endpoint: string, { id }: ClockClient) {
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
  const configuration = { endpoint, region: 'eu-west-1', credentials };
  const [ecs, autoScaling, sqs] = [
    new ECSClient(configuration),
    new AutoScalingClient(configuration),
    new SQSClient(configuration),
  ];
  for (const { middlewareStack } of [ecs, autoScaling, sqs]) middlewareStack.use(callsOf(id));
  return { ecs, autoScaling, sqs };
}

/** The lifecycle action that a message is about, whichever way it came; undefined for a test notification. */
function actionIn(body: string) {
  const outer = JSON.parse(body);
  const { EC2InstanceId, LifecycleActionToken, LifecycleHookName, AutoScalingGroupName } =
    outer.detail ?? (outer.Type === 'Notification' ? JSON.parse(outer.Message) : outer);
  return EC2InstanceId && { EC2InstanceId, LifecycleActionToken, LifecycleHookName, AutoScalingGroupName };
}

/** Waits for one message about a lifecycle action, drains by what ListTasks and DescribeTasks say, and completes. */
const careful: Program = async (url) => {
  const poller = await registered(url);
  const { sqs } = sdk(url, poller);
  const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName: LIFECYCLE_EVENTS }));
  let action: ReturnType<typeof actionIn>;
  while (!action) {
    const { Messages = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 20 }));
    action = actionIn(Messages[0]?.Body ?? '{}');
  }
  const { EC2InstanceId, ...token } = action;
  const worker = await registered(url, EC2InstanceId);
  poller.end();
  const { ecs, autoScaling } = sdk(url, worker);
  const cluster = CLUSTER;
  const filter = `ec2InstanceId == ${EC2InstanceId}`;
  const { containerInstanceArns = [] } = await ecs.send(new ListContainerInstancesCommand({ cluster, filter }));
  const { taskArns: tasks = [] } = await ecs.send(
    new ListTasksCommand({ cluster, containerInstance: containerInstanceArns[0] }),
  );
  await ecs.send(
    new UpdateContainerInstancesStateCommand({
      cluster,
      containerInstances: containerInstanceArns,
      status: 'DRAINING',
    }),
  );
  for (;;) {
    const described = await ecs.send(new DescribeTasksCommand({ cluster, tasks }));
    if (described.tasks?.every(({ lastStatus }) => lastStatus === 'STOPPED')) break;
    await worker.sleep({ seconds: 10 });
  }
  await autoScaling.send(new CompleteLifecycleActionCommand({ ...token, LifecycleActionResult: 'CONTINUE' }));
  worker.end();
};

describe('a drain program outside', () => {
  it.each(['events', 'sns', 'sqs'] as const)(
    'hears by %s, drains, and is judged as the others are',
    async (channel) => {
      const { drains, tasksKilled, instancesTerminated } = await judged(oneInstance, channel, careful);
      expect({ tasksKilled, instancesTerminated }).toEqual({ tasksKilled: 0, instancesTerminated: 1 });
      const [drain] = drains;
      expect(drain).toMatchObject({ outcome: 'CONTINUE', heartbeats: 0, continuations: 0 });
      // 40 s until replacements serve, 2 minutes of the load balancer, some seconds to stop; seen by a look each 10 s.
      expect(drain?.seconds).toBeGreaterThan(160);
      expect(drain?.seconds).toBeLessThan(200);
      expect(drain?.slackSeconds).toBeLessThan(11);
      expect(drain?.apiCalls).toBeGreaterThanOrEqual(4 + 16);
      expect(drain?.billedSeconds).toBeCloseTo(drain?.seconds ?? 0, -1);
    },
  );

  it('gives the same result again with the same seed number', async () => {
    const { wallSeconds: _, ...once } = await judged(oneInstance, 'sqs', careful);
    const { wallSeconds: __, ...again } = await judged(oneInstance, 'sqs', careful);
    expect(again).toEqual(once);
  });

  it('is judged by what happens without it, when it has gone in the middle', async () => {
    const result = await judged(SCENARIOS.book, 'sqs', async (url) => (await registered(url)).end());
    expect(result.drains).toMatchObject([{ outcome: 'left to the hook’s timeout', seconds: 900, apiCalls: 0 }]);
    expect(result.tasksKilled).toBeGreaterThan(0);
  });
});
