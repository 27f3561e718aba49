import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { eventBridgeContinuations } from '../../src/adapters/event-bridge.ts';
import { type Drain, newDrain } from '../../src/domain/drain.ts';
import { RejectedEvent, receive } from '../../src/handlers/events.ts';
import type { Settings } from '../../src/handlers/settings.ts';
import { containerInstanceArn, drain, taskArn } from '../adapters/samples.ts';
import { aws } from '../adapters/wire.ts';

const settings: Settings = {
  policy: {
    clusters: ['prod', 'staging'],
    deadlineSeconds: 3600,
    deadlineResult: 'CONTINUE',
    stuckFraction: 0.5,
    stopStragglers: 'none',
    deregistrationDelaySeconds: 300,
    agentGraceSeconds: 600,
    heartbeatTimeoutSeconds: 3_600,
    heartbeatFraction: 0.5,
    pollMinSeconds: 5,
    pollMaxSeconds: 30,
    marginSeconds: 20,
  },
  autoScalingGroups: ['web', 'My Workers/2'],
  clusterOfGroup: new Map(),
  notices: [],
  dryRun: false,
  lifecycleHooks: ['ecs-drain', 'team/old_hook'],
  eventSource: 'ecs-drain.blue',
  parking: {
    scheduleGroup: 'ecs-drain-blue',
    scheduleRoleArn: 'arn:aws:iam::123456789012:role/parking',
    eventBusArn: 'arn:aws:events:eu-west-1:123456789012:event-bus/default',
    deadLetterQueueArn: 'arn:aws:sqs:eu-west-1:123456789012:dead-letters',
    eventSource: 'ecs-drain.blue',
  },
};

type Json = Record<string, unknown>;

/** An event as EventBridge delivers it: the documented sample, with some fields otherwise. */
function eventBridgeEvent(envelope: Json, detail: Json): Json {
  return {
    version: '0',
    id: '12345678-1234-1234-1234-123456789012',
    'detail-type': 'EC2 Instance-terminate Lifecycle Action',
    source: 'aws.autoscaling',
    account: '123456789012',
    time: '2026-03-01T09:00:00Z',
    region: 'eu-west-1',
    resources: [
      'arn:aws:autoscaling:eu-west-1:123456789012:autoScalingGroup:f9d5f9d5-1234-1234-1234-123456789012:autoScalingGroupName/web',
    ],
    ...envelope,
    detail,
  };
}

/** The detail that is documented, without its optional fields (facts 1 terminate-event). */
const terminationDetail = {
  LifecycleActionToken: '87654321-4321-4321-4321-210987654321',
  AutoScalingGroupName: 'web',
  LifecycleHookName: 'ecs-drain',
  EC2InstanceId: 'i-0123456789abcdef0',
  LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
};

function termination(detail: Json = {}, envelope: Json = {}) {
  return eventBridgeEvent(envelope, { ...terminationDetail, ...detail });
}

/** Our own event, as the adapter writes it, with some fields of the drain otherwise. */
function continuation(changes: Json = {}, detail: Json = {}, envelope: Json = {}) {
  return eventBridgeEvent(
    {
      source: 'ecs-drain.blue',
      'detail-type': 'ECS Drain Continuation',
      resources: [],
      time: '2026-03-01T12:00:00Z',
      ...envelope,
    },
    { version: 4, drain: { ...drain, ...changes }, ...detail },
  );
}

/** A task's change of state, as ECS sends it (facts 4 task-event), with some fields otherwise. */
function taskEvent(changes: Json = {}) {
  return eventBridgeEvent(
    { source: 'aws.ecs', 'detail-type': 'ECS Task State Change', resources: [taskArn()] },
    {
      clusterArn: 'arn:aws:ecs:eu-west-1:123456789012:cluster/prod',
      containerInstanceArn: containerInstanceArn(),
      taskArn: taskArn(),
      lastStatus: 'STOPPED',
      desiredStatus: 'STOPPED',
      group: 'service:web',
      stopCode: 'ServiceSchedulerInitiated',
      version: 7,
      ...changes,
    },
  );
}

/** The same value without one key. */
function without(value: object, key: string): Json {
  return Object.fromEntries(Object.entries(value).filter(([name]) => name !== key));
}

/** The sentence with which an event is rejected. */
function rejectionOf(event: unknown): string {
  try {
    return `not rejected: ${JSON.stringify(receive(event, settings))}`;
  } catch (error) {
    expect(error).toBeInstanceOf(RejectedEvent);
    return (error as RejectedEvent).message;
  }
}

const withMetadata = (NotificationMetadata: unknown) => termination({ NotificationMetadata });

describe('a termination', () => {
  it('begins a drain of the instance, from the moment Auto Scaling began to hold it', () => {
    expect(receive(termination(), settings)).toEqual({
      kind: 'drain',
      drain: {
        action: {
          autoScalingGroup: 'web',
          lifecycleHook: 'ecs-drain',
          instanceId: 'i-0123456789abcdef0',
          token: '87654321-4321-4321-4321-210987654321',
        },
        startedAtMs: Date.UTC(2026, 2, 1, 9),
        lastHeartbeatAtMs: Date.UTC(2026, 2, 1, 9),
        heartbeats: 0,
        continuations: 0,
        pollIntervalSeconds: settings.policy.pollMinSeconds,
      },
    });
  });

  it.each([
    [
      'the optional fields',
      { NotificationMetadata: '{"cluster":"staging"}', Origin: 'AutoScalingGroup', Destination: 'EC2' },
    ],
    [
      'a field that AWS adds',
      { NotificationMetadata: ' { "cluster": "staging" } ', LifecycleActionReason: { code: 1 } },
    ],
  ])('begins it with %s too', (_, fields) => {
    expect(receive(termination(fields, { 'replay-name': 'again' }), settings)).toMatchObject({
      kind: 'drain',
      drain: { namedCluster: 'staging', cluster: 'staging' },
    });
  });

  it.each(['i-1234abcd', 'i-0123456789abcdef0'])('takes both forms of an instance id: %s', (instanceId) => {
    expect(receive(termination({ EC2InstanceId: instanceId }), settings)).toMatchObject({
      drain: { action: { instanceId } },
    });
  });

  it('is ours in every group and with every hook of the settings', () => {
    const event = termination({ AutoScalingGroupName: 'My Workers/2', LifecycleHookName: 'team/old_hook' });
    expect(receive(event, settings)).toMatchObject({ kind: 'drain' });
  });
});

describe('an event that is not ours', () => {
  it.each<[string, unknown, string]>([
    ['another group', termination({ AutoScalingGroupName: 'db' }), 'the group db is not among autoScalingGroups'],
    ['another hook', termination({ LifecycleHookName: 'backup' }), 'the hook backup is not ours'],
    [
      'the hook of managed draining',
      termination({ LifecycleHookName: 'ecs-managed-draining-termination-hook' }),
      'the hook ecs-managed-draining-termination-hook is not ours',
    ],
    [
      'another hook with metadata of its own',
      termination({ LifecycleHookName: 'backup', NotificationMetadata: 'additional-info' }),
      'the hook backup is not ours',
    ],
    [
      'a launch',
      termination(
        { LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING' },
        { 'detail-type': 'EC2 Instance-launch Lifecycle Action' },
      ),
      'nobody here waits for EC2 Instance-launch Lifecycle Action',
    ],
    [
      'a launch under the wrong name',
      termination({ LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING' }),
      'the transition is autoscaling:EC2_INSTANCE_LAUNCHING',
    ],
    [
      'an instance that returns to its warm pool',
      termination({ Origin: 'AutoScalingGroup', Destination: 'WarmPool' }),
      'returns to its warm pool',
    ],
    [
      'a test notification',
      {
        AccountId: '123456789012',
        RequestId: '5f9c6a8e-1111-2222-3333-444455556666',
        AutoScalingGroupARN:
          'arn:aws:autoscaling:eu-west-1:123456789012:autoScalingGroup:f9d5:autoScalingGroupName/web',
        AutoScalingGroupName: 'web',
        Service: 'AWS Auto Scaling',
        Event: 'autoscaling:TEST_NOTIFICATION',
        Time: '2026-03-01T09:00:00.000Z',
      },
      'test notification',
    ],
    [
      'a test notification in an envelope',
      eventBridgeEvent({}, { AutoScalingGroupName: 'web', Event: 'autoscaling:TEST_NOTIFICATION' }),
      'test notification',
    ],
    [
      'a state change of ECS',
      eventBridgeEvent({ source: 'aws.ecs', 'detail-type': 'ECS Container Instance State Change' }, {}),
      'nobody here waits for ECS Container Instance State Change from aws.ecs',
    ],
    [
      'the continuation of another deployment',
      continuation({}, {}, { source: 'ecs-drain.green' }),
      'nobody here waits for ECS Drain Continuation from ecs-drain.green',
    ],
    [
      'the continuation of a newer deployment beside ours',
      continuation({}, { version: 2 }, { source: 'ecs-drain.green' }),
      'nobody here waits for ECS Drain Continuation from ecs-drain.green',
    ],
    [
      'a termination under our own name',
      termination({}, { source: 'ecs-drain.blue' }),
      'nobody here waits for EC2 Instance-terminate Lifecycle Action from ecs-drain.blue',
    ],
  ])('is ignored, and the reason is told: %s', (_, event, reason) => {
    const received = receive(event, settings);
    expect(received).toEqual({ kind: 'ignored', reason: expect.stringContaining(reason) });
  });
});

describe('an event that cannot be understood', () => {
  it.each<[unknown, string]>([
    ['not JSON', 'it is "not JSON"'],
    [null, 'it is null'],
    [42, 'it is 42'],
    [true, 'it is true'],
    [undefined, 'it is missing'],
  ])('is rejected: %j', (event, words) => {
    expect(rejectionOf(event)).toBe(`The event cannot be understood: ${words}: expected an EventBridge event.`);
  });

  it.each([
    ['an array', []],
    ['an object without a field', {}],
  ])('is rejected with all that it lacks: %s', (_, event) => {
    const rejection = rejectionOf(event);
    for (const field of ['source', 'detail-type', 'account', 'time', 'detail']) {
      expect(rejection).toContain(`${field} is missing`);
    }
  });

  it.each(['source', 'detail-type', 'account', 'time', 'detail'])('names the field that is missing: %s', (field) => {
    expect(rejectionOf(without(termination(), field))).toContain(`${field} is missing`);
  });

  it.each(Object.keys(terminationDetail))('names the field that is missing: detail.%s', (field) => {
    const rejection = rejectionOf(eventBridgeEvent({}, without(terminationDetail, field)));
    expect(rejection).toContain(`The lifecycle event cannot be understood: detail.${field} is missing`);
  });

  it('says no more of a field that is missing', () => {
    expect(rejectionOf(eventBridgeEvent({}, without(terminationDetail, 'EC2InstanceId')))).toBe(
      'The lifecycle event cannot be understood: detail.EC2InstanceId is missing.',
    );
  });

  it.each<[string, unknown, string]>([
    ['account', '12345678901', 'an AWS account id of 12 digits'],
    ['account', 123456789012, 'an AWS account id of 12 digits'],
    ['account', 'arn:aws:iam::123456789012:root', 'an AWS account id of 12 digits'],
    ['time', 'yesterday', 'an ISO 8601 time'],
    ['time', '2026-13-01T09:00:00Z', 'an ISO 8601 time'],
    ['time', 1772355600, 'an ISO 8601 time'],
    ['source', 7, 'the source of an EventBridge event'],
    ['detail-type', '', 'the detail-type of an EventBridge event'],
  ])('names the field, the value and what is expected: %s %j', (field, value, expected) => {
    expect(rejectionOf(termination({}, { [field]: value }))).toContain(
      `The event cannot be understood: ${field} is ${JSON.stringify(value)}: expected ${expected}`,
    );
  });

  it.each(['text', 5, null])('needs a detail that is an object: %j', (detail) => {
    const event = { ...termination(), detail };
    expect(rejectionOf(event)).toContain(`detail is ${JSON.stringify(detail)}: expected an object`);
  });

  it.each<[string, unknown, string]>([
    ['EC2InstanceId', 'web-1', 'an EC2 instance id'],
    ['EC2InstanceId', 'i-0123456789ABCDEF0', 'an EC2 instance id'],
    ['EC2InstanceId', 'i-0123456789abcdef', 'an EC2 instance id'],
    ['EC2InstanceId', 'i-0123456789abcdef0 || true', 'an EC2 instance id'],
    ['EC2InstanceId', 'i-0123456789abcdef0\n', 'an EC2 instance id'],
    ['EC2InstanceId', ['i-0123456789abcdef0'], 'an EC2 instance id'],
    ['LifecycleActionToken', '87654321', 'a lifecycle action token of 36 characters'],
    ['LifecycleActionToken', '8765432143214321432121098765432100000', 'a lifecycle action token of 36 characters'],
    ['AutoScalingGroupName', '', 'the name of an Auto Scaling group'],
    ['AutoScalingGroupName', { name: 'web' }, 'the name of an Auto Scaling group'],
    ['LifecycleHookName', null, 'the name of a lifecycle hook'],
    ['LifecycleTransition', 5, 'a lifecycle transition'],
    ['NotificationMetadata', { cluster: 'prod' }, 'text'],
    ['Destination', 5, 'EC2, AutoScalingGroup or WarmPool'],
  ])('names the field, the value and what is expected: detail.%s %j', (field, value, expected) => {
    expect(rejectionOf(termination({ [field]: value }))).toContain(
      `The lifecycle event cannot be understood: detail.${field} is ${JSON.stringify(value)}: expected ${expected}`,
    );
  });

  it.each(['2026-03-01T10:00:00+01', '1969-12-31T23:59:59Z'])(
    'is never a drain that began at no instant a continuation could carry: %s',
    (time) => {
      const began = rejectionOf(termination({}, { time }));
      expect(began).not.toMatch(/"startedAtMs":(null|-)/);
    },
  );
});

describe('the metadata of our hook', () => {
  it.each([
    ['nothing', ''],
    ['blanks', '  '],
    ['an empty object', '{}'],
    ['keys for somebody else', '{"Cluster":"staging","team":{"cluster":"staging"}}'],
  ])('may name no cluster: %s', (_, metadata) => {
    const received = receive(withMetadata(metadata), settings);
    expect(received).toMatchObject({ kind: 'drain' });
    expect(received).not.toHaveProperty('drain.namedCluster', expect.anything());
  });

  it('may have other keys beside the cluster', () => {
    const metadata = JSON.stringify({ cluster: 'staging', team: 'blue', cluster2: ['x'] });
    expect(receive(withMetadata(metadata), settings)).toMatchObject({ drain: { namedCluster: 'staging' } });
  });

  it.each([
    ['["prod"]', 'it is ["prod"]: expected a JSON object such as {"cluster": "prod"}'],
    ['"prod"', 'it is "prod": expected a JSON object such as {"cluster": "prod"}'],
    ['null', 'it is null: expected a JSON object such as {"cluster": "prod"}'],
    ['{"cluster": 5}', 'cluster is 5: expected the name (not the ARN) of an ECS cluster'],
    ['{"cluster": ""}', 'cluster is "": expected the name (not the ARN) of an ECS cluster'],
    ['{"cluster": null}', 'cluster is null: expected the name (not the ARN) of an ECS cluster'],
    [
      '{"cluster": "arn:aws:ecs:eu-west-1:123456789012:cluster/prod"}',
      'cluster is "arn:aws:ecs:eu-west-1:123456789012:cluster/prod": expected the name (not the ARN) of an ECS cluster',
    ],
  ])('is rejected, and told what it should be: %s', (metadata, words) => {
    expect(rejectionOf(withMetadata(metadata))).toBe(
      `The NotificationMetadata of hook ecs-drain cannot be understood: ${words}.`,
    );
  });

  it.each([
    ['additional-info', '"additional-info"'],
    ['{"cluster": "prod"', '"{\\"cluster\\": \\"prod\\""'],
  ])(
    'that is not JSON is somebody else’s: told in a warning, and no reason to leave the instance undrained: %s',
    (metadata, words) => {
      const received = receive(withMetadata(metadata), settings);
      expect(received).toMatchObject({
        kind: 'drain',
        warning: `The NotificationMetadata of hook ecs-drain is ignored: it is ${words}, not JSON such as {"cluster": "prod"}.`,
      });
      expect(received).not.toHaveProperty('drain.namedCluster', expect.anything());
    },
  );

  it('cannot name a cluster that the settings do not allow', () => {
    expect(rejectionOf(withMetadata('{"cluster":"db"}'))).toBe(
      'The NotificationMetadata of hook ecs-drain names the cluster db, and the setting cluster allows only prod, staging: add it there and deploy again.',
    );
  });
});

describe('a scheduled event', () => {
  const scheduled = eventBridgeEvent({ source: 'aws.events', 'detail-type': 'Scheduled Event' }, {});

  it('is the time to look for lost drains, but in a dry run', () => {
    expect(receive(scheduled, settings)).toEqual({
      kind: 'sweep',
      scheduledAtMs: Date.parse(String(scheduled['time'])),
    });
    expect(receive(scheduled, { ...settings, dryRun: true })).toEqual({
      kind: 'ignored',
      reason: 'a dry run looks for no lost drains',
    });
  });
});

describe('a notice of EC2', () => {
  const notice = (detailType: string, detail: Json = { 'instance-id': 'i-0123456789abcdef0' }) =>
    eventBridgeEvent({ source: 'aws.ec2', 'detail-type': detailType, resources: [] }, detail);
  const SPOT = 'EC2 Spot Instance Interruption Warning';
  const REBALANCE = 'EC2 Instance Rebalance Recommendation';
  const acting: Settings = { ...settings, notices: ['spot-interruption', 'rebalance-recommendation'] };

  it.each([
    [SPOT, 'spot-interruption'],
    [REBALANCE, 'rebalance-recommendation'],
  ])('drains the instance where that is switched on: %s', (detailType, kind) => {
    expect(receive(notice(detailType), acting)).toMatchObject({
      kind: 'drain',
      drain: {
        action: { notice: kind, instanceId: 'i-0123456789abcdef0', token: '12345678-1234-1234-1234-123456789012' },
        startedAtMs: Date.parse('2026-03-01T09:00:00Z'),
      },
    });
    expect(receive(notice(detailType), settings)).toEqual({
      kind: 'ignored',
      reason: `no ${kind} is acted on here`,
    });
  });

  it('is rejected if it does not say of which instance', () => {
    try {
      receive(notice(SPOT, { 'instance-id': 'mine' }), acting);
      expect.unreachable();
    } catch (error) {
      expect((error as Error).message).toBe(
        'The notice of EC2 cannot be understood: detail.instance-id is "mine": expected an EC2 instance id such as i-0123456789abcdef0.',
      );
    }
  });

  it('goes on in a continuation like any drain, and nowhere once it is switched off', () => {
    const action = { notice: 'spot-interruption', instanceId: 'i-0123456789abcdef0', token: 'an-event' };
    expect(receive(continuation({ action }), acting)).toMatchObject({ kind: 'continuation', drain: { action } });
    expect(rejectionOf(continuation({ action }))).toContain('no spot-interruption is acted on here any more');
    expect(rejectionOf(continuation({ action: { ...action, notice: 'retirement' } }))).toContain(
      'detail.drain.action.notice is "retirement": expected one of spot-interruption, rebalance-recommendation',
    );
  });
});

describe('the stop of a task', () => {
  it('is a wake-up for whatever is parked on its container instance', () => {
    expect(receive(taskEvent(), settings)).toEqual({
      kind: 'wake-up',
      wakeUp: { containerInstanceArn: containerInstanceArn(), taskArn: taskArn() },
    });
  });

  it.each([
    ['in a cluster that is not ours', { clusterArn: 'arn:aws:ecs:eu-west-1:123456789012:cluster/other' }, 'other'],
    ['that has not come yet', { lastStatus: 'STOPPING' }, 'the task is STOPPING, not STOPPED'],
    ['on Fargate', { containerInstanceArn: undefined }, 'was not on a container instance'],
  ])('is ignored %s', (_, changes, reason) => {
    const received = receive(taskEvent(changes), settings);
    expect(received).toEqual({ kind: 'ignored', reason: expect.stringContaining(reason) });
  });

  it('is ignored where no drain is ever parked', () => {
    expect(receive(taskEvent(), { ...settings, parking: undefined })).toMatchObject({ kind: 'ignored' });
  });

  it.each([
    'here',
    'arn:aws:ecs:eu-west-1:123456789012:container-instance/',
    'arn:aws:ecs:eu-west-1:123456789012:container-instance/prod/..',
    'arn:aws:ecs:eu-west-1:123456789012:container-instance/prod/a/b',
    'arn:aws:ecs:eu-west-1:123456789012:task/prod/one',
    'arn:aws:ecs:eu\n:123456789012:container-instance/prod/one',
  ])('is rejected if it does not say where it was: %j', (containerInstanceArn) => {
    expect(rejectionOf(taskEvent({ containerInstanceArn }))).toBe(
      `The task event cannot be understood: detail.containerInstanceArn is ${JSON.stringify(containerInstanceArn)}: expected the ARN of a container instance.`,
    );
  });

  it('may say it as ECS did before clusters were in its ARNs', () => {
    const old = 'arn:aws-us-gov:ecs:us-gov-west-1:123456789012:container-instance/4c8ac2a4-1e9a-4e0e-b3a5-1d2f5f3f9a11';
    expect(receive(taskEvent({ containerInstanceArn: old }), settings)).toMatchObject({
      wakeUp: { containerInstanceArn: old },
    });
  });
});

describe('a continuation', () => {
  it('goes on with the drain that it carries, whenever it comes', () => {
    expect(receive(continuation({}, {}, { time: '2026-03-01T11:11:11Z' }), settings)).toEqual({
      kind: 'continuation',
      drain,
    });
  });

  it('goes on with a drain that knows little yet', () => {
    const { action, startedAtMs, lastHeartbeatAtMs, heartbeats, continuations, pollIntervalSeconds } = drain;
    const young = { action, startedAtMs, lastHeartbeatAtMs, heartbeats, continuations, pollIntervalSeconds };
    expect(receive(continuation({}, { drain: young }), settings)).toEqual({ kind: 'continuation', drain: young });
  });

  it.each(['startedAtMs', 'lastHeartbeatAtMs'])(
    'cannot come from the future, or it would have no deadline: %s',
    (field) => {
      const sentAtMs = Date.UTC(2026, 2, 1, 12);
      expect(receive(continuation({ [field]: sentAtMs + 60_000 }), settings)).toMatchObject({ kind: 'continuation' });
      expect(rejectionOf(continuation({ [field]: sentAtMs + 60_001 }))).toBe(
        `The continuation event cannot be understood: detail.drain.${field} is after it was sent.`,
      );
    },
  );

  it.each([
    ['group', { autoScalingGroup: 'db' }, 'the group db is not among autoScalingGroups any more'],
    ['hook', { lifecycleHook: 'other' }, 'the hook other is not ours (lifecycleHook) any more'],
  ])('for a %s that the settings have lost does not end in silence', (_, action, why) => {
    expect(rejectionOf(continuation({ action: { ...drain.action, ...action } }))).toBe(
      `The drain of ${drain.action.instanceId} cannot go on: ${why}.`,
    );
  });

  it.each([0, '1', null])('of a version that never was is rejected: %j', (version) => {
    expect(rejectionOf(continuation({}, { version }))).toBe(
      `The continuation event cannot be understood: detail.version is ${JSON.stringify(version)}: expected version 1 to 4, which this function speaks.`,
    );
  });

  it('of a drain that was found goes on, though nobody knows the token of its action', () => {
    const action = without(drain.action, 'token');
    expect(receive(continuation({ action }), settings)).toMatchObject({ kind: 'continuation', drain: { action } });
  });

  it('of version 1, which knew nothing of parking, goes on', () => {
    const old = without(without(drain, 'parked'), 'containerInstance');
    expect(receive(continuation({}, { version: 1, drain: old }), settings)).toEqual({
      kind: 'continuation',
      drain: old,
    });
  });

  it('of a newer version, sent before a deployment was rolled back, begins the drain anew and says so', () => {
    const { action, startedAtMs, continuations } = drain;
    const newer = { version: 5, drain: { action, startedAtMs, continuations, moods: ['new'] }, more: true };
    expect(receive(continuation({}, newer), settings)).toEqual({
      kind: 'continuation',
      drain: { ...newDrain(action, startedAtMs, undefined, settings.policy.pollMinSeconds), continuations },
      warning: expect.stringContaining('The continuation is of version 5, which this function does not speak'),
    });
  });

  it('of a newer version that does not even say whose drain it is, is rejected', () => {
    expect(rejectionOf(continuation({ action: 'web' }, { version: 5 }))).toContain('detail.version is 5');
  });

  it('of no version is rejected', () => {
    expect(
      rejectionOf(eventBridgeEvent({ source: 'ecs-drain.blue', 'detail-type': 'ECS Drain Continuation' }, { drain })),
    ).toContain('detail.version is missing');
  });

  it('is rejected that was handed over ten thousand times', () => {
    expect(rejectionOf(continuation({ continuations: 10_000 }))).toBe(
      'The continuation event cannot be understood: detail.drain.continuations is 10000: expected 2000 at most: something sends the drain round in a loop.',
    );
    expect(rejectionOf(continuation({ continuations: 2_001 }))).toContain('detail.drain.continuations is 2001');
    expect(receive(continuation({ continuations: 2_000 }), settings)).toMatchObject({ kind: 'continuation' });
  });

  it.each([
    ...['action', 'startedAtMs', 'lastHeartbeatAtMs', 'heartbeats', 'continuations', 'pollIntervalSeconds'].map(
      (field): [string, Json] => [`detail.drain.${field}`, without(drain, field)],
    ),
    ...['autoScalingGroup', 'lifecycleHook', 'instanceId'].map((field): [string, Json] => [
      `detail.drain.action.${field}`,
      { ...drain, action: without(drain.action, field) },
    ]),
    ...Object.keys(drain.hook ?? {}).map((field): [string, Json] => [
      `detail.drain.hook.${field}`,
      { ...drain, hook: without(drain.hook ?? {}, field) },
    ]),
  ])('names the field that is missing: %s', (field, drainWithout) => {
    expect(rejectionOf(continuation({}, { drain: drainWithout }))).toContain(`${field} is missing`);
  });

  it.each<[string, Json]>([
    ['detail.drain is null', { drain: null }],
    ['detail.drain is "later"', { drain: 'later' }],
    ['detail.drain.action is "i-0123456789abcdef0"', { drain: { ...drain, action: 'i-0123456789abcdef0' } }],
    ...(
      [
        ['action', 'instanceId', 'web-1'],
        ['action', 'token', ''],
        ['action', 'autoScalingGroup', ''],
        ['action', 'lifecycleHook', 5],
        ['hook', 'heartbeatTimeoutSeconds', 29],
        ['hook', 'heartbeatTimeoutSeconds', 7201],
        ['hook', 'globalTimeoutSeconds', 172801],
        ['hook', 'globalTimeoutSeconds', 0.5],
        ['agentSilence', 'sinceMs', -1],
        ['agentSilence', 'seenLastAtMs', 'now'],
      ] as const
    ).map(([part, field, value]): [string, Json] => [
      `detail.drain.${part}.${field} is ${JSON.stringify(value)}`,
      { drain: { ...drain, [part]: { ...drain[part], [field]: value } } },
    ]),
    ...Object.entries({
      startedAtMs: ['2026-03-01T09:00:00Z', -1, 9e15, null],
      lastHeartbeatAtMs: [-1, '1'],
      heartbeats: [-1, 1.5, '2', null],
      continuations: [-1, 0.5, '1'],
      pollIntervalSeconds: [-1, 301, '5', null],
      agentSilence: ['now', null],
      cluster: ['', 'arn:aws:ecs:eu-west-1:123456789012:cluster/prod', 5],
      namedCluster: ['a b', null],
    }).flatMap(([field, values]) =>
      values.map((value): [string, Json] => [
        `detail.drain.${field} is ${JSON.stringify(value)}`,
        { drain: { ...drain, [field]: value } },
      ]),
    ),
  ])('names the field and the value that cannot be: %s', (words, detail) => {
    expect(rejectionOf(continuation({}, detail))).toContain(`The continuation event cannot be understood: ${words}: `);
  });

  it.each<[string, Json]>([
    ['detail.extra', { extra: 7 }],
    ['detail.drain.extra', { drain: { ...drain, extra: 7 } }],
    ['detail.drain.action.extra', { drain: { ...drain, action: { ...drain.action, extra: 7 } } }],
    ['detail.drain.hook.extra', { drain: { ...drain, hook: { ...drain.hook, extra: 7 } } }],
  ])('may carry nothing that we did not write: %s', (field, detail) => {
    expect(rejectionOf(continuation({}, detail))).toBe(
      `The continuation event cannot be understood: ${field} is not a field that is known here.`,
    );
  });

  it('shows a number as large as it is, though JSON cannot write it', () => {
    expect(rejectionOf(continuation({ heartbeats: JSON.parse('1e999') }))).toContain(
      'detail.drain.heartbeats is Infinity',
    );
  });
});

describe('the sentence of a rejection', () => {
  const huge = 'x'.repeat(200_000);

  it.each<[string, unknown]>([
    ['text in place of an event', huge],
    ['a field of the envelope', termination({}, { account: huge })],
    ['a field of the detail', termination({ EC2InstanceId: { nested: [huge] } })],
    ['a cluster in metadata', withMetadata(JSON.stringify({ cluster: huge }))],
    ['a field of a continuation', continuation({ heartbeats: huge })],
    ['the name of a field', continuation({ [huge]: 1 })],
    ['many fields', continuation({}, { drain: Object.fromEntries(Object.keys(drain).map((key) => [key, huge])) })],
  ])('stays short, however much there was: %s', (_, event) => {
    const rejection = rejectionOf(event);
    expect(rejection).toContain('cannot be understood');
    expect(rejection).toContain('…');
    expect(rejection.length).toBeLessThan(1_500);
  });

  it('shows what cannot be seen, and does not do it', () => {
    expect(rejectionOf(continuation({ 'a\nb\u202Ec\uD800': 1 }))).toContain(
      'detail.drain.a\\u{a}b\\u{202e}c\\u{d800} is not',
    );
    expect(receive(termination({ LifecycleTransition: 'a\u001B[31m\u2028b' }), settings)).toEqual({
      kind: 'ignored',
      reason: 'the transition is a\\u{1b}[31m\\u{2028}b, not autoscaling:EC2_INSTANCE_TERMINATING',
    });
  });

  it('counts what it does not tell', () => {
    expect(rejectionOf(continuation({}, { drain: {} }))).toMatch(/; and 1 more\.$/);
  });

  it('can be made of the deepest nesting', () => {
    const deep = JSON.parse('['.repeat(50_000) + ']'.repeat(50_000));
    expect(() => receive(termination({ EC2InstanceId: deep }), settings)).toThrow(RejectedEvent);
  });
});

describe('keys that reach for the prototype', () => {
  const poison = '"__proto__":{"polluted":true,"cluster":"staging"},"constructor":{"prototype":{"polluted":true}}';

  /** The event with the keys at the beginning of the object under `field`; JSON.parse makes them the object's own. */
  function poisoned(event: unknown, field?: string) {
    const before = field ? `"${field}":{` : '{';
    return JSON.parse(JSON.stringify(event).replace(before, `${before}${poison},`));
  }

  it.each<[string, unknown, unknown]>([
    ['the envelope of a termination', poisoned(termination()), termination()],
    ['its detail', poisoned(termination(), 'detail'), termination()],
    ['its metadata', withMetadata(`{${poison}}`), termination()],
    ['the envelope of a continuation', poisoned(continuation()), continuation()],
    ['its detail', poisoned(continuation(), 'detail'), continuation()],
  ])('do nothing in %s', (_, event, clean) => {
    expect(receive(event, settings)).toEqual(receive(clean, settings));
    expect(Reflect.get({}, 'polluted')).toBeUndefined();
  });

  it.each(['drain', 'action', 'hook'])('are nothing that we wrote: in the %s of a continuation', (part) => {
    expect(rejectionOf(poisoned(continuation(), part))).toContain('The continuation event cannot be understood');
    expect(Reflect.get({}, 'polluted')).toBeUndefined();
  });

  it('do not stand in for fields that are missing', () => {
    const detail = JSON.parse(`{"__proto__":${JSON.stringify(terminationDetail)}}`);
    expect(rejectionOf(eventBridgeEvent({}, detail))).toContain('detail.EC2InstanceId is missing');
  });
});

describe('whatever comes', () => {
  const instantMs = fc.double({ min: 0, max: Date.UTC(2100, 0), noNaN: true });
  const clusterName = fc.stringMatching(/^[A-Za-z0-9_-]{1,255}$/);
  const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });

  /** Every drain that the service can have. */
  const drains: fc.Arbitrary<Drain> = fc.record({
    action: fc.record({
      autoScalingGroup: fc.constantFrom(...settings.autoScalingGroups),
      lifecycleHook: fc.constantFrom(...settings.lifecycleHooks),
      instanceId: fc.stringMatching(/^i-([0-9a-f]{8}|[0-9a-f]{17})$/),
      token: fc.uuid(),
    }),
    namedCluster: maybe(clusterName),
    cluster: maybe(clusterName),
    startedAtMs: instantMs,
    hook: maybe(
      fc.record({
        heartbeatTimeoutSeconds: fc.integer({ min: 30, max: 7_200 }),
        globalTimeoutSeconds: fc.integer({ min: 3_000, max: 172_800 }),
      }),
    ),
    lastHeartbeatAtMs: instantMs,
    heartbeats: fc.nat(),
    continuations: fc.integer({ min: 0, max: 2_000 }),
    pollIntervalSeconds: fc.double({ min: 1, max: 300, noNaN: true }),
    agentSilence: maybe(fc.record({ sinceMs: instantMs, seenLastAtMs: instantMs })),
  });

  it('any drain that we hand over, we take up again as it was', async () => {
    const endpoint = await aws({ PutEvents: () => ({ FailedEntryCount: 0, Entries: [{ EventId: '1' }] }) });
    const { continueNow } = eventBridgeContinuations(new EventBridgeClient(endpoint.config), settings.eventSource);
    await fc.assert(
      fc.asyncProperty(drains, async (handedOver) => {
        await continueNow(handedOver);
        const { Source, DetailType, Detail = '' } = endpoint.inputsOf('PutEvents').at(-1)?.Entries?.[0] ?? {};
        const envelope = { source: Source, 'detail-type': DetailType, time: '2100-01-01T00:00:00Z' };
        const event = eventBridgeEvent(envelope, JSON.parse(Detail));
        expect(receive(event, settings)).toEqual({ kind: 'continuation', drain: handedOver });
      }),
    );
  });

  const REMOVED = Symbol('removed');

  /** Where the fields of a value are, at any depth. */
  function pathsIn(value: unknown, path: readonly string[] = []): (readonly string[])[] {
    if (typeof value !== 'object' || value === null) return [path];
    return [path, ...Object.entries(value).flatMap(([key, inner]) => pathsIn(inner, [...path, key]))];
  }

  /** A copy with the field at the path set, or removed. */
  function changed(value: unknown, [key, ...rest]: readonly string[], to: unknown): unknown {
    if (key === undefined) return to;
    const fields = Object(value) as Json;
    const inner = changed(fields[key], rest, to);
    return inner === REMOVED ? without(fields, key) : { ...fields, [key]: inner };
  }

  /** One of our events, changed in a place or two. */
  const ours = fc.constantFrom(withMetadata('{"cluster":"prod"}'), continuation(), taskEvent());
  const almostOurs = ours.chain((event) => {
    const path = fc.oneof(
      fc.constantFrom(...pathsIn(event)),
      fc.tuple(fc.constantFrom(...pathsIn(event)), fc.string()).map(([parent, key]) => [...parent, key]),
    );
    const value = fc.oneof(
      fc.jsonValue(),
      fc.constantFrom(REMOVED, 0, -1, 1e308, '', 'x'.repeat(1_000), { Event: 'autoscaling:TEST_NOTIFICATION' }),
    );
    return fc
      .array(fc.tuple(path, value), { minLength: 1, maxLength: 2 })
      .map((changes) => changes.reduce<unknown>((before, [at, to]) => changed(before, at, to), event));
  });

  it('it is a drain of ours, ignored, or rejected in a sentence: nothing else', () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(fc.oneof({ weight: 1, arbitrary: fc.jsonValue() }, { weight: 9, arbitrary: almostOurs }), (event) => {
        try {
          const received = receive(event, settings);
          seen.add(received.kind);
          if (received.kind === 'drain' || received.kind === 'continuation') {
            const { action } = received.drain;
            expect(settings.autoScalingGroups).toContain('autoScalingGroup' in action && action.autoScalingGroup);
            expect(settings.lifecycleHooks).toContain('lifecycleHook' in action && action.lifecycleHook);
            expect(action.instanceId).toMatch(/^i-[0-9a-f]+$/);
          }
          if (received.kind === 'wake-up') expect(received.wakeUp.containerInstanceArn).toMatch(/^arn:/);
        } catch (error) {
          seen.add('rejected');
          expect(error).toBeInstanceOf(RejectedEvent);
          expect((error as RejectedEvent).message).toContain('The ');
        }
      }),
      { numRuns: 2_000 },
    );
    expect([...seen].toSorted()).toEqual(['continuation', 'drain', 'ignored', 'rejected', 'wake-up']);
  });
});
