import { expect } from 'vitest';
import { CONTINUATION_VERSION } from '../../../src/adapters/continuation.ts';
import type { HeldDrain } from '../../../src/domain/drain.ts';
import { type Received, RejectedEvent } from '../../../src/handlers/events/event.ts';
import { receive } from '../../../src/handlers/events/receive.ts';
import { type Settings, settingsFrom } from '../../../src/handlers/settings.ts';
import { EVENT_SOURCE, PARKING, WATCHING } from '../environment.ts';

export type Json = Record<string, unknown>;

/** Of a deployment that drains two groups, by two hooks, in two clusters. */
export const settings: Settings = settingsFrom({
  ...PARKING,
  CLUSTER: 'prod,staging',
  AUTO_SCALING_GROUPS: 'web,My Workers/2,jobs@staging',
  LIFECYCLE_HOOK: 'ecs-drain,team/old_hook',
});
export const watching: Settings = settingsFrom(WATCHING);
export const withNotices: Settings = { ...settings, notices: ['spot-interruption', 'rebalance-recommendation'] };

export const INSTANCE_ID = 'i-0123456789abcdef0';
export const TOKEN = '87654321-4321-4321-4321-210987654321';
export const SENT_AT_MS = Date.parse('2026-03-01T09:00:00Z');

const ECS = 'arn:aws:ecs:eu-west-1:123456789012';
export const CLUSTER_ARN = `${ECS}:cluster/prod`;
export const CONTAINER_INSTANCE_ARN = `${ECS}:container-instance/prod/00000000000000000000000000000001`;
export const TASK_ARN = `${ECS}:task/prod/00000000000000000000000000000002`;

/** An event as EventBridge delivers it; an undefined field is left out. */
export function eventBridgeEvent(envelope: Json, detail: unknown): Json {
  return asJson({
    version: '0',
    id: '12345678-1234-1234-1234-123456789012',
    'detail-type': 'EC2 Instance-terminate Lifecycle Action',
    source: 'aws.autoscaling',
    account: '123456789012',
    time: '2026-03-01T09:00:00Z',
    region: 'eu-west-1',
    resources: [],
    ...envelope,
    detail,
  });
}

/** Without its optional fields (facts 1 terminate-event). */
export const terminationDetail = {
  LifecycleActionToken: TOKEN,
  AutoScalingGroupName: 'web',
  LifecycleHookName: 'ecs-drain',
  EC2InstanceId: INSTANCE_ID,
  LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
};

export function termination(detail: Json = {}, envelope: Json = {}): Json {
  return eventBridgeEvent(envelope, { ...terminationDetail, ...detail });
}

/** A drain that a continuation carries. */
export const drain: HeldDrain = {
  kind: 'held',
  action: { autoScalingGroup: 'web', lifecycleHook: 'ecs-drain', instanceId: INSTANCE_ID, token: TOKEN },
  namedCluster: 'prod',
  cluster: 'prod',
  startedAtMs: SENT_AT_MS - 600_000,
  hook: { heartbeatTimeoutSeconds: 300, globalTimeoutSeconds: 30_000 },
  lastHeartbeatAtMs: SENT_AT_MS - 60_000,
  heartbeats: 2,
  continuations: 1,
  pollIntervalSeconds: 7.5,
  closed: { sinceMs: SENT_AT_MS - 590_000, containerInstances: [CONTAINER_INSTANCE_ARN], silent: [] },
  announced: 'started',
  known: {
    containerInstances: [{ arn: CONTAINER_INSTANCE_ARN, cluster: 'prod' }],
    tasks: { holding: [{ arn: TASK_ARN, cluster: 'prod' }], listedAtMs: SENT_AT_MS - 580_000 },
  },
};

/** A continuation as it travels in any envelope. */
export function bareContinuation(changes: Json = {}, more: Json = {}): Json {
  return asJson({ version: CONTINUATION_VERSION, drain: { ...drain, ...changes }, ...more });
}

/** A continuation that came over the bus. */
export function continuation(changes: Json = {}, more: Json = {}, envelope: Json = {}): Json {
  const ours = { source: EVENT_SOURCE, 'detail-type': 'ECS Drain Continuation' };
  return eventBridgeEvent({ ...ours, ...envelope }, bareContinuation(changes, more));
}

/** A stop of a task on a container instance (facts 4 task-event). */
export function taskStop(changes: Json = {}): Json {
  return eventBridgeEvent(
    { source: 'aws.ecs', 'detail-type': 'ECS Task State Change' },
    {
      clusterArn: CLUSTER_ARN,
      containerInstanceArn: CONTAINER_INSTANCE_ARN,
      taskArn: TASK_ARN,
      lastStatus: 'STOPPED',
      desiredStatus: 'STOPPED',
      group: 'service:web',
      stopCode: 'ServiceSchedulerInitiated',
      version: 8,
      ...changes,
    },
  );
}

/** A container instance that drains and has become empty (facts 5 container-instance-event). */
export function instanceChange(changes: Json = {}): Json {
  const resources = [
    { name: 'CPU', type: 'INTEGER', doubleValue: 0, longValue: 0, integerValue: 2_048 },
    { name: 'MEMORY', type: 'INTEGER', doubleValue: 0, longValue: 0, integerValue: 4_096 },
  ];
  return eventBridgeEvent(
    { source: 'aws.ecs', 'detail-type': 'ECS Container Instance State Change' },
    {
      clusterArn: CLUSTER_ARN,
      containerInstanceArn: CONTAINER_INSTANCE_ARN,
      ec2InstanceId: INSTANCE_ID,
      agentConnected: true,
      status: 'DRAINING',
      runningTasksCount: 0,
      pendingTasksCount: 0,
      registeredResources: resources,
      remainingResources: resources,
      version: 8,
      ...changes,
    },
  );
}

/** A notice of EC2 (facts 6 ec2-notices). */
export function notice(detailType: string, detail: Json = {}): Json {
  return eventBridgeEvent(
    { source: 'aws.ec2', 'detail-type': detailType },
    { 'instance-id': INSTANCE_ID, 'instance-action': 'terminate', ...detail },
  );
}

/** The same value without one key. */
export function without(value: object, key: string): Json {
  return Object.fromEntries(Object.entries(value).filter(([name]) => name !== key));
}

/** As it is after a journey: without what is undefined. */
function asJson(value: Json): Json {
  return JSON.parse(JSON.stringify(value));
}

/** The sentence with which reading is rejected. */
export function rejectionOf(read: (() => Received) | Json): string {
  try {
    return `not rejected: ${JSON.stringify(typeof read === 'function' ? read() : receive(read, settings))}`;
  } catch (error) {
    expect(error).toBeInstanceOf(RejectedEvent);
    return (error as RejectedEvent).message;
  }
}
