import { AutoScalingClient, CompleteLifecycleActionCommand } from '@aws-sdk/client-auto-scaling';
import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import { CreateScheduleCommand, SchedulerClient } from '@aws-sdk/client-scheduler';
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { describe, expect, it } from 'vitest';
import type { Install, Installed } from '../../sandbox/drainers/drainer.ts';
import { type Build, installedFrom } from '../../sandbox/drainers/ecs-drain.ts';
import { deploymentIn, type Resource } from '../../sandbox/packaging.ts';
import { currentFiber, type Fiber } from '../../sandbox/region/time/virtual-time.ts';
import { rehearse, type Stage, stage } from '../../sandbox/rehearsal.ts';
import { fleetOf, GROUP, type Release } from '../../sandbox/scenarios.ts';
import { CONTINUATION_VERSION, decode, encode } from '../../src/adapters/continuation.ts';
import { newHeldDrain, newNoticeDrain } from '../../src/domain/drain.ts';

const START_MS = Date.UTC(2026, 0, 1);
const QUEUE_ARN = 'arn:aws:sqs:eu-west-1:123456789012:Events';
const QUEUE_URL = 'https://sqs.eu-west-1.amazonaws.com/123456789012/Events';

/** The resources of a deployment that matter here, as the template has them. */
const resources: Record<string, Resource> = {
  Drain: {
    Type: 'AWS::Lambda::Function',
    Properties: { FunctionName: 'drain', Timeout: 60, Role: 'Role.Arn', Environment: { Variables: {} } },
  },
  Role: {
    Type: 'AWS::IAM::Role',
    Properties: {
      AssumeRolePolicyDocument: trusting('lambda.amazonaws.com', 'scheduler.amazonaws.com'),
      Policies: [all()],
    },
  },
  Events: {
    Type: 'AWS::SQS::Queue',
    Properties: { VisibilityTimeout: 60, RedrivePolicy: { deadLetterTargetArn: 'Dead.Arn', maxReceiveCount: 2 } },
  },
  Dead: { Type: 'AWS::SQS::Queue', Properties: {} },
  Mapping: {
    Type: 'AWS::Lambda::EventSourceMapping',
    Properties: {
      EventSourceArn: 'Events.Arn',
      BatchSize: 500,
      MaximumBatchingWindowInSeconds: 1,
      FunctionResponseTypes: ['ReportBatchItemFailures'],
    },
  },
  Termination: {
    Type: 'AWS::Events::Rule',
    Properties: {
      Name: 'termination',
      EventPattern: { source: ['aws.autoscaling'], 'detail-type': ['EC2 Instance-terminate Lifecycle Action'] },
      Targets: [{ Id: 'drain', Arn: 'Events.Arn' }],
    },
  },
  Sweep: {
    Type: 'AWS::Events::Rule',
    Properties: { Name: 'sweep', ScheduleExpression: 'rate(1 minute)', Targets: [{ Id: 'drain', Arn: 'Events.Arn' }] },
  },
  Hook: {
    Type: 'AWS::AutoScaling::LifecycleHook',
    Properties: {
      LifecycleHookName: 'drain',
      AutoScalingGroupName: GROUP,
      HeartbeatTimeout: 600,
      DefaultResult: 'CONTINUE',
    },
  },
};

function trusting(...Service: string[]) {
  return { Statement: [{ Effect: 'Allow', Action: 'sts:AssumeRole', Principal: { Service } }] };
}

function all() {
  return { PolicyDocument: { Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }] } };
}

interface Batch {
  readonly Records: readonly { readonly messageId: string; readonly body: string }[];
}
type Seams = Parameters<Awaited<ReturnType<Build>>['createDrainHandler']>[1] & {
  readonly onResult: (instanceId: string, kind: string) => void;
};

/** Deploys a function that does this with each batch. */
function deploying(work: (batch: Batch, seams: Seams) => Promise<unknown>): Build {
  const createDrainHandler = (_: unknown, seams: Seams) => (event: Batch) => work(event, seams);
  return async () => ({ deployment: deploymentIn({ resources }), createDrainHandler: createDrainHandler as never });
}

/** More than there are pollers, each of which begins a batch. */
const TERMINATED = 8;
const fleet = fleetOf({ instances: 10, terminated: TERMINATED, tasks: 20 });
const idsUpTo = (count: number) => Array.from({ length: count }, (_, i) => `i-${String(i + 1).padStart(17, '0')}`);

/** Goes on until so many seconds after the terminations, with what the function did. */
async function staged(
  work: (batch: Batch, seams: Seams) => Promise<unknown>,
  seconds: number,
  releases: Release[] = [],
): Promise<Stage> {
  const variant = { ...fleet, releases };
  const install = installedFrom(deploying(work));
  const set = await stage({ scenario: 'fleet', variant, drainer: 'ecs-drain', seed: 1, install }, () => {});
  set.begin();
  set.region.time.after(seconds, () => {});
  await set.region.time.runUntil(() => set.region.time.nowMs() >= set.startMs + seconds * 1000);
  set.close();
  return set;
}

const isHeld = ({ EC2InstanceId }: { EC2InstanceId?: string }) => EC2InstanceId !== undefined;
const detailsIn = ({ Records }: Batch) => Records.map(({ body }) => JSON.parse(body).detail);

describe('the deployment on the local Region', () => {
  it('brings the events of a rule through the queue to the function, in batches that are about all their instances', async () => {
    const { installed } = await staged(async () => ({ batchItemFailures: [] }), 10);
    const batches = (installed.lambda?.invocations ?? []).map((invocation) => installed.instancesOf(invocation));
    expect(batches.flat().toSorted()).toEqual(idsUpTo(TERMINATED));
    expect(batches.length).toBeLessThan(TERMINATED);
  });

  it('keeps what fails too often in the dead-letter queue, which CloudWatch counts', async () => {
    const failing = async ({ Records }: Batch) => ({
      batchItemFailures: Records.filter(({ body }) => body.includes('aws.autoscaling')).map(({ messageId }) => ({
        itemIdentifier: messageId,
      })),
    });
    const { region, installed } = await staged(failing, 240);
    expect(installed.deadLetters?.()).toBe(TERMINATED);
    const values = region.metrics
      .filter(({ name, dimensions }) => {
        return name === 'ApproximateNumberOfMessagesVisible' && dimensions['QueueName'] === 'Dead';
      })
      .map(({ value }) => value);
    expect(values).toEqual([0, 0, TERMINATED, TERMINATED]);
  });

  it('reports what became of each drain of an invocation, also of those that its events do not name', async () => {
    const { installed } = await staged(async (_, { onResult }) => {
      onResult('i-1', 'parked');
      onResult('i-2', 'handed-over');
      onResult('i-1', 'finished');
    }, 70);
    const sweep = installed.lambda?.invocations.find(({ event }) => JSON.stringify(event).includes('aws.events'));
    if (!sweep) throw new Error('There was no sweep.');
    expect(installed.instancesOf(sweep)).toEqual(['i-1', 'i-2']);
    expect(installed.resultsOf?.(sweep.fiber)).toEqual(
      new Map([
        ['i-1', 'finished'],
        ['i-2', 'handed-over'],
      ]),
    );
  });

  const NOTICE = 'EC2 Spot Instance Interruption Warning';
  it.each<[string, (instanceId: string, containerInstanceArn: string) => object]>([
    [
      'a continuation that came straight to the queue',
      (instanceId) => ({ version: 5, drain: { action: { instanceId } } }),
    ],
    ['one that came over the bus', (instanceId) => ({ source: 'me', detail: { drain: { action: { instanceId } } } })],
    ['a notice of EC2', (instanceId) => ({ 'detail-type': NOTICE, detail: { 'instance-id': instanceId } })],
    [
      'a task’s change of state',
      (_, containerInstanceArn) => ({ detail: { containerInstanceArn, lastStatus: 'STOPPED' } }),
    ],
    ['a container instance’s', (ec2InstanceId) => ({ detail: { ec2InstanceId, status: 'DRAINING' } })],
  ])('knows the instance of %s', async (_, messageOf) => {
    const { region, installed } = await staged(async () => {}, 0);
    const [[id, { ec2InstanceId }] = ['', { ec2InstanceId: '' }]] = region.ecs.clusters.get('prod')?.instances ?? [];
    const message = messageOf(ec2InstanceId, `arn:aws:ecs:eu-west-1:123456789012:container-instance/prod/${id}`);
    const fiber = {} as never;
    expect(installed.instancesOf({ event: { Records: [{ body: JSON.stringify(message) }] }, fiber })).toEqual([
      ec2InstanceId,
    ]);
    expect(installed.instancesOf({ event: message, fiber })).toEqual([ec2InstanceId]);
  });

  it('shares the billed seconds and the calls of an invocation among its instances', async () => {
    const build = deploying(async (batch, { clock, sdk }) => {
      const autoScaling = new AutoScalingClient({ region: 'eu-west-1', ...sdk } as never);
      const held = detailsIn(batch).filter(isHeld);
      if (held.length > 0) await (currentFiber.getStore() as Fiber).waitUntil((clock?.nowMs() ?? 0) + 5_000);
      for (const { EC2InstanceId: InstanceId, LifecycleHookName, AutoScalingGroupName } of held) {
        const LifecycleActionResult = 'CONTINUE';
        const action = { InstanceId, LifecycleHookName, AutoScalingGroupName, LifecycleActionResult };
        await autoScaling.send(new CompleteLifecycleActionCommand(action));
      }
    });
    let lambda: Installed['lambda'];
    const install: Install = async (...scenario) => {
      const installed = await installedFrom(build)(...scenario);
      lambda = installed.lambda;
      return installed;
    };
    const { drains } = await rehearse({ scenario: 'fleet', variant: fleet, drainer: 'ecs-drain', seed: 1, install });
    expect(drains.map(({ apiCalls }) => apiCalls)).toEqual(drains.map(() => 1));
    const working = (lambda?.invocations ?? []).filter(({ event }) => detailsIn(event as Batch).some(isHeld));
    const sumOf = (all: readonly { readonly billedSeconds: number }[]) =>
      all.reduce((sum, { billedSeconds }) => sum + billedSeconds, 0);
    expect(drains).toHaveLength(TERMINATED);
    expect(sumOf(drains)).toBeCloseTo(sumOf(working), 2);
  });

  it.each([
    ['an older version', 4, {}], // of 0.1.0
    ['a newer version', CONTINUATION_VERSION + 1, { novelty: true }],
  ])('lets a release write all continuations of %s', async (_, version, novelty) => {
    const written = (n: number) => JSON.stringify({ version: CONTINUATION_VERSION, drain: { n } });
    const read: unknown[] = [];
    let hasWritten = false;
    const work = async ({ Records }: Batch, { sdk }: Seams) => {
      read.push(...Records.map(({ body }) => JSON.parse(body)).filter(({ drain }) => drain));
      if (hasWritten) return;
      hasWritten = true;
      const config = { region: 'eu-west-1', ...sdk } as never;
      await new SQSClient(config).send(new SendMessageCommand({ QueueUrl: QUEUE_URL, MessageBody: written(1) }));
      await new SchedulerClient(config).send(
        new CreateScheduleCommand({
          Name: 'drain',
          ScheduleExpression: 'at(2026-12-31T00:00:00)',
          FlexibleTimeWindow: { Mode: 'OFF' },
          Target: { Arn: QUEUE_ARN, RoleArn: 'arn:aws:iam::123456789012:role/Role', Input: written(2) },
        }),
      );
      const entry = (n: number) => ({ Source: 'aws-free', DetailType: 'Continuation', Detail: written(n) });
      await new EventBridgeClient(config).send(new PutEventsCommand({ Entries: [entry(3), entry(4)] }));
    };
    const seen: unknown[] = [];
    const listening = { ...fleet, releases: [{ atSecond: 1, params: {}, continuationVersion: version }] };
    const set = await stage(
      { scenario: 'fleet', variant: listening, drainer: 'ecs-drain', seed: 1, install: installedFrom(deploying(work)) },
      () => {},
    );
    const { region } = set;
    region.eventBridge.putRule({
      name: 'bus',
      pattern: { source: ['aws-free'] },
      target: (event) => seen.push((event as { detail: unknown }).detail),
    });
    region.time.after(70, () => {});
    await region.time.runUntil(() => region.time.nowMs() >= set.startMs + 70_000);
    set.close();
    const theirs = (n: number) => ({ version, drain: { ...novelty, n } });
    const bodies = (set.installed.lambda?.invocations ?? []).flatMap(({ event }) => (event as Batch).Records);
    expect(bodies.map(({ body }) => JSON.parse(body)).filter(({ drain }) => drain)).toEqual([theirs(1)]);
    // The code is this version's: what it wrote as a later one it can read.
    expect(read).toEqual([version > CONTINUATION_VERSION ? JSON.parse(written(1)) : theirs(1)]);
    expect([...region.scheduler.pending().values()].map((input) => JSON.parse(input))).toEqual([theirs(2)]);
    expect(seen).toHaveLength(2);
    expect(seen).toEqual(expect.arrayContaining([theirs(3), theirs(4)]));
  });

  const beginning = { startedAtMs: START_MS, pollIntervalSeconds: 2 };
  const action = { autoScalingGroup: GROUP, lifecycleHook: 'drain', instanceId: 'i-00000000000000001' };
  const notice = { kind: 'spot-interruption', instanceId: 'i-00000000000000001', token: 'an-event' } as const;
  it.each([
    ['a lifecycle action', newHeldDrain(action, beginning)],
    ['a notice', newNoticeDrain(notice, beginning)],
  ])('lets a release write the drain of %s as version 4 did, which can be read', async (_, drain) => {
    const bodies: string[] = [];
    let hasWritten = false;
    const work = async ({ Records }: Batch, { sdk }: Seams) => {
      bodies.push(...Records.map(({ body }) => body).filter((body) => body.startsWith('{"version":4,')));
      if (hasWritten) return;
      hasWritten = true;
      const config = { region: 'eu-west-1', ...sdk } as never;
      await new SQSClient(config).send(new SendMessageCommand({ QueueUrl: QUEUE_URL, MessageBody: encode(drain) }));
    };
    const releases = [{ atSecond: 0, params: {}, continuationVersion: 4 }];
    await staged(work, 70, releases);
    expect(bodies.map((body) => decode(JSON.parse(body), 'body'))).toEqual([
      { kind: 'drain', drain: JSON.parse(JSON.stringify(drain)) },
    ]);
  });
});
