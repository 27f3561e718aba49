import {
  AutoScalingClient,
  CompleteLifecycleActionCommand,
  DescribeLifecycleHooksCommand,
  RecordLifecycleActionHeartbeatCommand,
} from '@aws-sdk/client-auto-scaling';
import {
  DescribeContainerInstancesCommand,
  DescribeTasksCommand,
  ECSClient,
  ListContainerInstancesCommand,
  ListTasksCommand,
  paginateListTasks,
  StopTaskCommand,
  UpdateContainerInstancesStateCommand,
} from '@aws-sdk/client-ecs';
import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Region, startRegion } from '../../../sandbox/region/region.ts';
import { START_MS } from '../../fakes.ts';

const A = 'i-0aaaaaaaaaaaaaaaa';
const B = 'i-0bbbbbbbbbbbbbbbb';
const HOOK = { name: 'ecs-drain', group: 'web', heartbeatTimeoutSeconds: 60, defaultResult: 'CONTINUE' } as const;
const cluster = 'prod';

let region: Region;
let ecs: ECSClient;
let autoScaling: AutoScalingClient;
let events: EventBridgeClient;

beforeEach(async () => {
  region = await startRegion({ cluster, startMs: START_MS, onHappening: () => {} });
  const configuration = {
    endpoint: region.url,
    region: 'eu-west-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    maxAttempts: 1,
  };
  ecs = new ECSClient(configuration);
  autoScaling = new AutoScalingClient(configuration);
  events = new EventBridgeClient(configuration);
  region.ecs.registerInstance(A);
  region.ecs.registerInstance(B);
});

afterEach(() => region.close());

const nowSeconds = () => (region.time.nowMs() - START_MS) / 1000;
const until = (seconds: number) => {
  region.time.after(seconds - nowSeconds(), () => {});
  return region.time.runUntil(() => nowSeconds() >= seconds);
};

async function instanceArn(ec2InstanceId: string): Promise<string> {
  const filter = `ec2InstanceId == ${ec2InstanceId}`;
  const { containerInstanceArns } = await ecs.send(new ListContainerInstancesCommand({ cluster, filter }));
  return containerInstanceArns?.[0] ?? 'none';
}

async function drain(ec2InstanceId: string) {
  const containerInstances = [await instanceArn(ec2InstanceId)];
  return ecs.send(new UpdateContainerInstancesStateCommand({ cluster, containerInstances, status: 'DRAINING' }));
}

async function tasksOn(ec2InstanceId: string) {
  const containerInstance = await instanceArn(ec2InstanceId);
  const arns: string[] = [];
  for (const desiredStatus of ['RUNNING', 'STOPPED'] as const) {
    for await (const page of paginateListTasks({ client: ecs }, { cluster, containerInstance, desiredStatus })) {
      arns.push(...(page.taskArns ?? []));
    }
  }
  if (arns.length === 0) return [];
  const { tasks } = await ecs.send(new DescribeTasksCommand({ cluster, tasks: arns }));
  return (tasks ?? []).map(({ group, lastStatus, desiredStatus }) => `${group} ${lastStatus} ${desiredStatus}`);
}

const web = (deregistrationDelaySeconds: number, desiredCount = 2) =>
  ({
    name: 'web',
    strategy: 'REPLICA',
    desiredCount,
    deregistrationDelaySeconds,
    startSeconds: 20,
    stopTimeoutSeconds: 30,
  }) as const;

describe('ECS in the local Region', () => {
  it('finds one instance by the filter on its EC2 id (facts 14)', async () => {
    const all = await ecs.send(new ListContainerInstancesCommand({ cluster }));
    expect(all.containerInstanceArns).toHaveLength(2);
    const { containerInstances } = await ecs.send(
      new DescribeContainerInstancesCommand({ cluster, containerInstances: [await instanceArn(B)] }),
    );
    expect(containerInstances).toMatchObject([{ ec2InstanceId: B, status: 'ACTIVE', agentConnected: true }]);
  });

  it('pages through what it lists', async () => {
    region.ecs.startService(web(0, 250));
    const pages: number[] = [];
    for await (const page of paginateListTasks({ client: ecs, pageSize: 100 }, { cluster })) {
      pages.push(page.taskArns?.length ?? 0);
    }
    expect(pages).toEqual([100, 100, 50]);
  });

  it('sets only ACTIVE instances to DRAINING, and refuses the rest inside a 200 (facts 11)', async () => {
    expect((await drain(A)).containerInstances).toMatchObject([{ status: 'DRAINING' }]);
    const again = await drain(A);
    expect(again.containerInstances).toEqual([]);
    expect(again.failures).toMatchObject([{ reason: 'DRAINING' }]);
  });

  it('replaces a service’s tasks first, and stops the old ones through their whole lifecycle (facts 12, 13)', async () => {
    region.ecs.startService(web(300));
    await drain(A);
    expect(await tasksOn(A)).toEqual(['service:web RUNNING RUNNING']);
    await until(20);
    expect(await tasksOn(B)).toEqual(['service:web RUNNING RUNNING', 'service:web RUNNING RUNNING']);
    expect(await tasksOn(A)).toEqual(['service:web DEACTIVATING STOPPED']);
    await until(320);
    expect(await tasksOn(A)).toEqual(['service:web STOPPING STOPPED']);
    await until(350);
    expect(await tasksOn(A)).toEqual(['service:web DEPROVISIONING STOPPED']);
    await until(352);
    expect(await tasksOn(A)).toEqual(['service:web STOPPED STOPPED']);
  });

  it('sets the counting trap: a task that is leaving is in no count and not in the default list (facts 13)', async () => {
    region.ecs.startService(web(300));
    await drain(A);
    await until(30);
    const containerInstance = await instanceArn(A);
    const { containerInstances } = await ecs.send(
      new DescribeContainerInstancesCommand({ cluster, containerInstances: [containerInstance] }),
    );
    expect(containerInstances).toMatchObject([{ runningTasksCount: 0, pendingTasksCount: 0 }]);
    expect((await ecs.send(new ListTasksCommand({ cluster, containerInstance }))).taskArns).toEqual([]);
    expect(region.ecs.accountOf(A)).toEqual({ counted: 0, holding: 1 });
  });

  it('stops daemons after the replicas, and leaves standalone tasks alone (facts 12)', async () => {
    region.ecs.startService(web(60));
    region.ecs.startService({ ...web(0), name: 'logs', strategy: 'DAEMON' });
    region.ecs.runTask(A, 'job', 1_000);
    await drain(A);
    await until(100);
    expect(await tasksOn(A)).toContain('service:logs RUNNING RUNNING');
    await until(120);
    expect(await tasksOn(A)).toContain('service:logs STOPPING STOPPED');
    expect(await tasksOn(A)).toContain('family:job RUNNING RUNNING');
    await until(1_010);
    expect(await tasksOn(A)).toContain('family:job STOPPED STOPPED');
  });

  it('keeps a task where it is when no ACTIVE instance has room for its replacement', async () => {
    region.ecs.startService(web(0));
    await drain(A);
    await drain(B);
    await until(600);
    expect(await tasksOn(B)).toContain('service:web RUNNING RUNNING');
  });

  it('forgets a stopped task after an hour (facts 13)', async () => {
    region.ecs.runTask(A, 'job', 10);
    await until(3_600);
    expect(await tasksOn(A)).toEqual(['family:job STOPPED STOPPED']);
    await until(3_700);
    expect(await tasksOn(A)).toEqual([]);
  });

  it('stops a task with its grace when asked', async () => {
    region.ecs.runTask(A, 'job', 10_000);
    const { taskArns } = await ecs.send(new ListTasksCommand({ cluster }));
    await ecs.send(new StopTaskCommand({ cluster, task: taskArns?.[0] }));
    expect(await tasksOn(A)).toEqual(['family:job STOPPING STOPPED']);
    await until(33);
    expect(await tasksOn(A)).toEqual(['family:job STOPPED STOPPED']);
  });

  it('names what it does not have as MISSING inside a 200, and words its errors as AWS does', async () => {
    const { failures } = await ecs.send(new DescribeTasksCommand({ cluster, tasks: ['nope'] }));
    expect(failures).toMatchObject([{ reason: 'MISSING', arn: expect.stringContaining('task/prod/nope') }]);
    await expect(ecs.send(new ListTasksCommand({ cluster: 'other' }))).rejects.toMatchObject({
      name: 'ClusterNotFoundException',
      message: 'Cluster not found.',
      $metadata: { httpStatusCode: 400 },
    });
    await expect(ecs.send(new StopTaskCommand({ cluster, task: 'nope' }))).rejects.toMatchObject({
      name: 'InvalidParameterException',
      message: 'The referenced task was not found.',
    });
  });

  it('counts what still ran on an instance that EC2 terminates as killed', async () => {
    region.ecs.startService(web(300));
    region.autoScaling.terminateInstance('web', A);
    expect(region.killedTasks).toMatchObject([{ group: 'service:web', lastStatus: 'RUNNING' }]);
    expect(await instanceArn(A)).toBe('none');
  });
});

describe('Auto Scaling in the local Region', () => {
  let published: { detail: { LifecycleActionToken: string }; [field: string]: unknown }[];
  beforeEach(() => {
    published = [];
    const target = (event: unknown) => published.push(event as (typeof published)[number]);
    region.eventBridge.putRule({ name: 'all', pattern: { source: ['aws.autoscaling'] }, target });
    region.autoScaling.putLifecycleHook(HOOK);
    region.autoScaling.terminateInstance('web', A);
  });

  const action = () => ({
    AutoScalingGroupName: 'web',
    LifecycleHookName: 'ecs-drain',
    InstanceId: A,
    LifecycleActionToken: published[0]?.detail.LifecycleActionToken,
  });

  it('sends the event as AWS documents it (facts 1)', async () => {
    await until(1);
    expect(published).toEqual([
      {
        version: '0',
        id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        account: '123456789012',
        time: '2026-01-01T00:00:00Z',
        region: 'eu-west-1',
        source: 'aws.autoscaling',
        'detail-type': 'EC2 Instance-terminate Lifecycle Action',
        resources: [expect.stringMatching(/^arn:aws:autoscaling:.*:autoScalingGroupName\/web$/)],
        detail: {
          LifecycleActionToken: expect.stringMatching(/^[0-9a-f-]{36}$/),
          AutoScalingGroupName: 'web',
          LifecycleHookName: 'ecs-drain',
          EC2InstanceId: A,
          LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
          Origin: 'AutoScalingGroup',
          Destination: 'EC2',
        },
      },
    ]);
  });

  it('holds the instance until the action is completed, once (facts 20)', async () => {
    await until(10);
    expect(region.terminated.has(A)).toBe(false);
    const completing = { ...action(), LifecycleActionResult: 'CONTINUE' };
    await autoScaling.send(new CompleteLifecycleActionCommand(completing));
    expect(region.terminated.has(A)).toBe(true);
    const again = { name: 'ValidationError', $metadata: { httpStatusCode: 400 } };
    await expect(autoScaling.send(new CompleteLifecycleActionCommand(completing))).rejects.toMatchObject({
      ...again,
      message: `No active Lifecycle Action found with token ${action().LifecycleActionToken}`,
    });
    const { LifecycleActionToken: _, ...byInstance } = action();
    await expect(autoScaling.send(new RecordLifecycleActionHeartbeatCommand(byInstance))).rejects.toMatchObject({
      ...again,
      message: `No active Lifecycle Action found with instance ID ${A}`,
    });
  });

  it('decides by itself at the heartbeat timeout, which a heartbeat restarts (facts 18)', async () => {
    await until(50);
    await autoScaling.send(new RecordLifecycleActionHeartbeatCommand(action()));
    await until(109);
    expect(region.terminated.has(A)).toBe(false);
    await until(110);
    expect(region.autoScaling.completions).toMatchObject([{ result: 'CONTINUE', by: 'the hook’s timeout' }]);
  });

  it('ends the whole wait after a hundred heartbeat timeouts, whatever is beaten (facts 18)', async () => {
    await until(1);
    for (let at = 50; at < 6_000; at += 50) {
      await until(at);
      await autoScaling.send(new RecordLifecycleActionHeartbeatCommand(action()));
    }
    expect(region.terminated.has(A)).toBe(false);
    await until(6_000);
    expect(region.terminated.has(A)).toBe(true);
  });

  it('waits for every hook after CONTINUE, and for none after ABANDON (facts 19)', async () => {
    region.autoScaling.putLifecycleHook({ ...HOOK, name: 'other' });
    region.autoScaling.terminateInstance('web', B);
    const onB = { AutoScalingGroupName: 'web', InstanceId: B };
    const complete = (LifecycleHookName: string, LifecycleActionResult: string) =>
      autoScaling.send(new CompleteLifecycleActionCommand({ ...onB, LifecycleHookName, LifecycleActionResult }));
    await complete('other', 'CONTINUE');
    expect(region.terminated.has(B)).toBe(false);
    await complete('ecs-drain', 'ABANDON');
    expect(region.terminated.has(B)).toBe(true);
  });

  it('tells how long a hook holds', async () => {
    const answer = await autoScaling.send(
      new DescribeLifecycleHooksCommand({ AutoScalingGroupName: 'web', LifecycleHookNames: ['ecs-drain'] }),
    );
    expect(answer.LifecycleHooks).toMatchObject([
      { LifecycleHookName: 'ecs-drain', HeartbeatTimeout: 60, GlobalTimeout: 6_000, DefaultResult: 'CONTINUE' },
    ]);
  });
});

describe('EventBridge in the local Region', () => {
  it('delivers to the targets of the rules that match, and refuses a bad entry alone inside a 200 (facts 7)', async () => {
    const delivered: unknown[] = [];
    const rule = (source: string) => ({
      name: source,
      pattern: { source: [source] },
      target: (event: unknown) => delivered.push(event),
    });
    region.eventBridge.putRule(rule('mine'));
    region.eventBridge.putRule(rule('other'));
    const answer = await events.send(
      new PutEventsCommand({
        Entries: [
          { Source: 'mine', DetailType: 'Good', Detail: '{"n":1}' },
          { Source: 'mine', DetailType: 'Bad', Detail: '{' },
        ],
      }),
    );
    expect(answer).toMatchObject({
      FailedEntryCount: 1,
      Entries: [{ EventId: expect.any(String) }, { ErrorCode: 'MalformedDetail' }],
    });
    await until(1);
    expect(delivered).toMatchObject([{ source: 'mine', 'detail-type': 'Good', detail: { n: 1 } }]);
  });
});

describe('the wire', () => {
  const post = (headers: Record<string, string>, body: string) => fetch(region.url, { method: 'POST', headers, body });

  it('answers an operation it does not know as AWS does', async () => {
    const json = await post({ 'x-amz-target': 'AmazonEC2ContainerServiceV20141113.MakeTea' }, '{}');
    expect([json.status, await json.json()]).toMatchObject([400, { __type: 'UnknownOperationException' }]);
    const inherited = await post({ 'x-amz-target': 'AmazonEC2ContainerServiceV20141113.constructor' }, '{}');
    expect(inherited.status).toBe(400);
    const query = await post({}, 'Action=MakeTea&Version=2011-01-01');
    expect([query.status, await query.text()]).toEqual([400, expect.stringContaining('<Code>InvalidAction</Code>')]);
  });

  it('answers a malformed request, and goes on', async () => {
    const broken = await post({ 'x-amz-target': 'AWSEvents.PutEvents' }, '{');
    expect([broken.status, await broken.json()]).toMatchObject([400, { __type: 'SerializationException' }]);
    expect(await instanceArn(A)).toMatch(/^arn:/);
  });
});

describe('Lambda in the local Region', () => {
  it('retries a failed invocation after one and after two minutes, then gives the event up (facts 7)', async () => {
    const startedAt: number[] = [];
    const lambda = region.deploy({
      name: 'failing',
      timeoutSeconds: 10,
      load: () => async () => {
        startedAt.push(nowSeconds());
        throw new Error('no');
      },
    });
    lambda.invokeAsync({ n: 1 });
    await region.time.runUntil(() => false);
    expect(startedAt).toEqual([0, 60, 180]);
    expect(lambda.deadLetters).toEqual([{ n: 1 }]);
  });

  it('ends an invocation that outlasts its timeout as a failure, billed to the limit', async () => {
    const lambda = region.deploy({
      name: 'slow',
      timeoutSeconds: 10,
      load: (clock) => () => clock.sleepUntil(clock.nowMs() + 60_000),
    });
    lambda.invokeAsync({});
    await until(61);
    expect(lambda.invocations).toMatchObject([{ billedSeconds: 10, error: 'Task timed out after 10 seconds' }]);
  });

  it('gives the time that is left, and loads the code once for invocations that follow each other', async () => {
    const left: number[] = [];
    let loads = 0;
    const lambda = region.deploy({
      name: 'counting',
      timeoutSeconds: 10,
      load: (clock) => {
        loads += 1;
        return async (_event, context) => {
          left.push(context.getRemainingTimeInMillis());
          await clock.sleepUntil(clock.nowMs() + 4_000);
          left.push(context.getRemainingTimeInMillis());
        };
      },
    });
    lambda.invokeAsync({});
    await until(5);
    lambda.invokeAsync({});
    await until(10);
    expect(left).toEqual([10_000, 6_000, 10_000, 6_000]);
    expect(loads).toBe(1);
  });
});
