import { describe, expect, it } from 'vitest';
import { type HeldDrain, MANAGED_DRAINING_HOOK } from '../../../src/domain/drain.ts';
import { receive } from '../../../src/handlers/events/receive.ts';
import {
  eventBridgeEvent,
  INSTANCE_ID,
  rejectionOf,
  SENT_AT_MS,
  settings,
  TOKEN,
  termination,
  terminationDetail,
  without,
} from './samples.ts';

const withMetadata = (NotificationMetadata: unknown) => termination({ NotificationMetadata });

/** The drain that begins with the event. */
function begun(event: unknown) {
  return expect(receive(event, settings));
}

describe('a termination', () => {
  it('begins a drain of the instance, from the moment Auto Scaling began to hold it', () => {
    begun(termination()).toEqual({
      kind: 'arrival',
      arrival: {
        kind: 'drain',
        drain: {
          kind: 'held',
          action: { autoScalingGroup: 'web', lifecycleHook: 'ecs-drain', instanceId: INSTANCE_ID, token: TOKEN },
          startedAtMs: SENT_AT_MS,
          lastHeartbeatAtMs: SENT_AT_MS,
          heartbeats: 0,
          continuations: 0,
          pollIntervalSeconds: settings.policy.pollMinSeconds,
        },
      },
    });
  });

  it('may have the optional fields, and fields that AWS adds', () => {
    const optional = { Origin: 'AutoScalingGroup', Destination: 'EC2', LifecycleActionReason: { code: 1 } };
    begun(termination(optional, { 'replay-name': 'again' })).toMatchObject({ arrival: { kind: 'drain' } });
  });

  it.each([
    ['stays in its group', { Destination: 'AutoScalingGroup' }, true],
    ['gets a new root volume', { Action: 'ReplaceRootVolume' }, true],
    [
      'is documented',
      { Origin: 'AutoScalingGroup', Destination: 'AutoScalingGroup', Action: 'ReplaceRootVolume' },
      true,
    ],
    ['is terminated', { Origin: 'AutoScalingGroup', Destination: 'EC2', Action: 'Something' }, undefined],
  ])('says whether the instance is in service afterwards: one that %s', (_, detail, staysInGroup) => {
    const received = receive(termination(detail), settings);
    expect(received).toMatchObject({ arrival: { drain: { action: { instanceId: INSTANCE_ID } } } });
    expect((received as { arrival: { drain: HeldDrain } }).arrival.drain.staysInGroup).toBe(staysInGroup);
  });

  it.each(['i-1234abcd', INSTANCE_ID])('may name the instance in both forms of an id: %s', (instanceId) => {
    begun(termination({ EC2InstanceId: instanceId })).toMatchObject({ arrival: { drain: { action: { instanceId } } } });
  });

  it('begins a drain in every group and for every hook of the settings', () => {
    const event = termination({ AutoScalingGroupName: 'My Workers/2', LifecycleHookName: 'team/old_hook' });
    begun(event).toMatchObject({ arrival: { kind: 'drain' } });
  });

  it('that the hook of ECS managed draining holds begins a drain to watch, where that is asked for', () => {
    const event = termination({ LifecycleHookName: MANAGED_DRAINING_HOOK, NotificationMetadata: '{"cluster": 5}' });
    expect(receive(event, { ...settings, superviseManagedDraining: true })).toMatchObject({
      arrival: { kind: 'drain', drain: { kind: 'supervised', action: { instanceId: INSTANCE_ID, token: TOKEN } } },
    });
    begun(event).toEqual({
      kind: 'ignored',
      reason: `ECS completes the hook ${MANAGED_DRAINING_HOOK} itself (superviseManagedDraining)`,
    });
  });

  it.each([
    ['of another group', { AutoScalingGroupName: 'db' }, 'the group db is not among autoScalingGroups'],
    ['for another hook', { LifecycleHookName: 'backup' }, 'the hook backup is not ours (lifecycleHook)'],
    [
      'for another hook, whose metadata is not read',
      { LifecycleHookName: 'backup', NotificationMetadata: '{"cluster": 5}' },
      'the hook backup is not ours (lifecycleHook)',
    ],
    [
      'with the transition of a launch',
      { LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING' },
      'the transition is autoscaling:EC2_INSTANCE_LAUNCHING, not autoscaling:EC2_INSTANCE_TERMINATING',
    ],
    [
      'of an instance that returns to its warm pool',
      { Origin: 'AutoScalingGroup', Destination: 'WarmPool' },
      'the instance returns to its warm pool',
    ],
    [
      'that is only the test notification of a hook',
      { Event: 'autoscaling:TEST_NOTIFICATION' },
      'it is the test notification of a new lifecycle hook',
    ],
  ])('is ignored with a reason: %s', (_, detail, reason) => {
    begun(termination(detail)).toEqual({ kind: 'ignored', reason });
  });

  it.each(Object.keys(terminationDetail))('is rejected if it lacks a field, which is named: %s', (field) => {
    expect(rejectionOf(eventBridgeEvent({}, without(terminationDetail, field)))).toBe(
      `The lifecycle event cannot be understood: detail.${field} is missing.`,
    );
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
  ])('is rejected with the field, its value and what is expected: %s %j', (field, value, expected) => {
    expect(rejectionOf(termination({ [field]: value }))).toContain(
      `The lifecycle event cannot be understood: detail.${field} is ${JSON.stringify(value)}: expected ${expected}`,
    );
  });
});

describe('the cluster of a drain', () => {
  it('is the one that the metadata of the hook names, else the one of its group', () => {
    begun(withMetadata(' {"cluster": "staging", "team": "blue"} ')).toMatchObject({
      arrival: { drain: { namedCluster: 'staging', cluster: 'staging' } },
    });
    const ofGroup = { AutoScalingGroupName: 'jobs' };
    begun(termination(ofGroup)).toMatchObject({ arrival: { drain: { namedCluster: 'staging' } } });
    begun(termination({ ...ofGroup, NotificationMetadata: '{"cluster": "prod"}' })).toMatchObject({
      arrival: { drain: { namedCluster: 'prod' } },
    });
  });

  it.each([
    ['nothing', ''],
    ['blanks', '  '],
    ['an empty object', '{}'],
    ['keys for another program', '{"Cluster":"staging","team":{"cluster":"staging"}}'],
  ])('is not named by metadata that is %s, without a warning', (_, metadata) => {
    begun(withMetadata(metadata)).not.toHaveProperty('arrival.drain.namedCluster', expect.anything());
    begun(withMetadata(metadata)).toMatchObject({ kind: 'arrival', warning: undefined });
  });

  it.each([
    ['additional-info', '"additional-info"'],
    ['{"cluster": "prod"', '"{\\"cluster\\": \\"prod\\""'],
  ])('is not named by metadata that is not JSON: the drain begins with a warning: %s', (metadata, words) => {
    begun(withMetadata(metadata)).toMatchObject({
      arrival: { kind: 'drain', drain: { namedCluster: undefined } },
      warning: `The NotificationMetadata of hook ecs-drain is ignored: it is ${words}, not JSON such as {"cluster": "prod"}.`,
    });
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
  ])('cannot be named by JSON of another form: the event is rejected: %s', (metadata, words) => {
    expect(rejectionOf(withMetadata(metadata))).toBe(
      `The NotificationMetadata of hook ecs-drain cannot be understood: ${words}.`,
    );
  });

  it.each([
    ['{"deadlineSeconds": "900"}', 'deadlineSeconds is "900": expected a whole number of seconds from 1 to 172800'],
    ['{"deadlineSeconds": 0}', 'deadlineSeconds is 0: expected a whole number of seconds from 1 to 172800'],
    ['{"deadlineSeconds": 9.5}', 'deadlineSeconds is 9.5: expected a whole number of seconds from 1 to 172800'],
    ['{"deadlineResult": "abandon"}', 'deadlineResult is "abandon": expected one of CONTINUE, ABANDON'],
    ['{"stopStragglers": true}', 'stopStragglers is true: expected one of none, standalone, all'],
    [
      '{"deregistrationDelaySeconds": -1}',
      'deregistrationDelaySeconds is -1: expected a whole number of seconds from 0 to 3600',
    ],
  ])('cannot come with a choice of another form: the event is rejected: %s', (metadata, words) => {
    expect(rejectionOf(withMetadata(metadata))).toBe(
      `The NotificationMetadata of hook ecs-drain cannot be understood: ${words}.`,
    );
  });

  it.each([
    [
      '{"deadlineSeconds": 1801}',
      "deadlineSeconds 1801 is above the stack's own deadlineSeconds 1800, which holds instead: lower it, or raise the setting and deploy again.",
    ],
    [
      '{"deregistrationDelaySeconds": 301}',
      "deregistrationDelaySeconds 301 is above the stack's own deregistrationDelaySeconds 300, which holds instead: lower it, or raise the setting and deploy again.",
    ],
    [
      '{"stopStragglers": "standalone"}',
      "stopStragglers standalone would stop more than the stack's own stopStragglers none, which holds instead: choose that or less, or change the setting and deploy again.",
    ],
  ])('may come with a choice beyond the settings, which may have been lowered since: %s', (metadata, words) => {
    begun(withMetadata(metadata)).toMatchObject({
      arrival: { kind: 'drain' },
      warning: `The NotificationMetadata of hook ecs-drain: ${words}`,
    });
  });

  it('cannot come with a choice that cannot work: the event is rejected', () => {
    expect(rejectionOf(withMetadata('{"deadlineSeconds": 1}'))).toContain(
      'The NotificationMetadata of hook ecs-drain cannot be used: deadlineSeconds 1 is below one poll of pollMinSeconds 2',
    );
  });

  it('says whether the group may retain the instance, which is marked then', () => {
    const drainOf = (metadata: string) =>
      (receive(withMetadata(metadata), settings) as { arrival: { drain: HeldDrain } }).arrival.drain;
    expect(drainOf('{"deadlineResult":"ABANDON"}').mayBeRetained).toBe(true);
    expect(drainOf('{"deadlineResult":"CONTINUE"}')).not.toHaveProperty('mayBeRetained');
  });

  it('may come with choices within the settings, which are read with the hook', () => {
    const metadata = '{"cluster":"staging","deadlineSeconds":900,"deadlineResult":"ABANDON","stopStragglers":"none"}';
    begun(withMetadata(metadata)).toMatchObject({
      arrival: { drain: { namedCluster: 'staging' } },
      warning: undefined,
    });
    begun(withMetadata(metadata)).not.toHaveProperty('arrival.drain.hook');
  });

  it('cannot be one that the settings do not allow', () => {
    expect(rejectionOf(withMetadata('{"cluster":"db"}'))).toBe(
      'The NotificationMetadata of hook ecs-drain names the cluster db, and the setting cluster allows only prod, staging: add it there and deploy again.',
    );
  });
});
