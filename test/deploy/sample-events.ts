import type { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import { eventBridgeContinuations } from '../../src/adapters/event-bridge.ts';
import { newHeldDrain } from '../../src/domain/drain.ts';
import type { GroupChoice } from '../../src/domain/groups.ts';
import type { Settings } from '../../src/handlers/settings.ts';

/** What a rule is for: the part of its name after the deployment's own. */
export type Purpose = 'termination' | 'continuation' | 'task-stopped' | 'instance-emptied';

/** An event on the bus of the account and Region that packaging.ts fills in. */
export interface SampleEvent {
  readonly what: string;
  /** The rule that takes it; `undefined` is none. */
  readonly takenBy: Purpose | undefined;
  readonly event: Readonly<Record<string, unknown>>;
}

type Fields = Readonly<Record<string, unknown>>;
type Row = [what: string, takenBy: Purpose | undefined, event: Fields];

const INSTANCE = 'i-1234567890abcdef0';
const TOKEN = '87654321-4321-4321-4321-210987654321';
const ENVELOPE = {
  version: '0',
  id: '12345678-1234-1234-1234-123456789012',
  account: '123456789012',
  time: '2026-01-01T00:00:00Z',
  region: 'eu-west-1',
};

/** Names of groups that the setting chooses. */
function namesOf({ parts }: GroupChoice): string[] {
  return parts.length === 1 ? [...parts] : ['', '-1', '*\\a'].map((any) => parts.join(any));
}

/** What AWS documents and what a deployment of these settings sends, each with its near misses. A new rule adds its rows. */
export async function sampleEvents(settings: Settings): Promise<SampleEvent[]> {
  const { autoScalingGroups, lifecycleHooks, superviseManagedDraining, eventSource, policy } = settings;
  const names = autoScalingGroups.flatMap(namesOf);
  const [group = '', hook = '', cluster = ''] = [names[0], lifecycleHooks[0], policy.clusters[0]];
  const termination = (envelope: Fields = {}, detail: Fields = {}) =>
    lifecycleEvent(envelope, { AutoScalingGroupName: group, LifecycleHookName: hook, ...detail });
  const continuation = await continuationEvent(settings);
  const taskStopped = settings.scheduler && 'task-stopped';
  const instanceEmptied = settings.scheduler && 'instance-emptied';

  const rows: Row[] = [
    ...names.flatMap((AutoScalingGroupName) =>
      lifecycleHooks.map(
        (LifecycleHookName): Row => [
          `a termination in ${AutoScalingGroupName} that ${LifecycleHookName} holds`,
          'termination',
          termination({}, { AutoScalingGroupName, LifecycleHookName }),
        ],
      ),
    ),
    ...['Origin', 'Destination', 'NotificationMetadata'].map(
      (field): Row => [
        `a termination without the optional ${field}`,
        'termination',
        termination({}, { [field]: undefined }),
      ],
    ),
    ['a termination out of the warm pool', 'termination', termination({}, { Origin: 'WarmPool' })],
    [
      'a replacement of a root volume',
      'termination',
      termination({}, { Origin: 'AutoScalingGroup', Destination: 'AutoScalingGroup', Action: 'ReplaceRootVolume' }),
    ],
    ['a return to the warm pool', undefined, termination({}, { Destination: 'WarmPool' })],
    ['a launch', undefined, launchEvent({ AutoScalingGroupName: group, LifecycleHookName: hook })],
    [
      "a launch's transition",
      undefined,
      termination({}, { LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING' }),
    ],
    ["a launch's detail-type", undefined, termination({ 'detail-type': 'EC2 Instance-launch Lifecycle Action' })],
    ['a success', undefined, termination({ 'detail-type': 'EC2 Instance Terminate Successful' })],
    ['a termination from another source', undefined, termination({ source: 'aws.ec2' })],
    ['a termination in another account', undefined, termination({ account: '210987654321' })],
    ['a termination in another group', undefined, termination({}, { AutoScalingGroupName: `${group}-2` })],
    ['a termination in a part of a name', undefined, termination({}, { AutoScalingGroupName: group.slice(0, -1) })],
    ['a termination in another case', undefined, termination({}, { AutoScalingGroupName: otherCase(group) })],
    ['a termination that another hook holds', undefined, termination({}, { LifecycleHookName: 'my-hook' })],
    [
      "a termination that ECS's managed draining holds",
      superviseManagedDraining ? 'termination' : undefined,
      termination({}, { LifecycleHookName: 'ecs-managed-draining-termination-hook' }),
    ],
    [
      'the test notification of a new hook',
      undefined,
      { ...termination(), detail: { Event: 'autoscaling:TEST_NOTIFICATION', AutoScalingGroupName: group } },
    ],

    ['a continuation', 'continuation', continuation],
    [
      'a continuation of another version, for the function to reject it into the dead-letter queue',
      'continuation',
      { ...continuation, detail: { version: 999 } },
    ],
    ["another account's continuation", undefined, { ...continuation, account: '210987654321' }],
    ["another stage's continuation", undefined, { ...continuation, source: `${eventSource}-2` }],
    ['another event of ours', undefined, { ...continuation, 'detail-type': 'ECS Drain Ended' }],

    ...policy.clusters.map((name): Row => [`a task that was stopped in ${name}`, taskStopped, taskEvent(name)]),
    ...['UserInitiated', 'TaskFailedToStart', 'SpotInterruption', 'TerminationNotice', undefined].map(
      (stopCode): Row => [
        `a task that has stopped with ${stopCode ?? 'no stop code'}`,
        taskStopped,
        taskEvent(cluster, { stopCode }),
      ],
    ),
    ['a task that has ended by itself', undefined, taskEvent(cluster, { stopCode: 'EssentialContainerExited' })],
    ['a task that was stopped on Fargate', undefined, taskEvent(cluster, { containerInstanceArn: undefined })],
    ['a task that was stopped in another cluster', undefined, taskEvent(`${cluster}-2`)],
    ['a task that was stopped in a part of a name', undefined, taskEvent(cluster.slice(0, -1))],
    [
      'a task that was stopped in a cluster of that name in another Region',
      undefined,
      taskEvent(cluster, { clusterArn: `arn:aws:ecs:eu-west-2:123456789012:cluster/${cluster}` }),
    ],
    ["another account's task that was stopped", undefined, { ...taskEvent(cluster), account: '210987654321' }],
    ['a task that was stopped, by another source', undefined, { ...taskEvent(cluster), source: 'my.ecs' }],
    ...['RUNNING', 'STOPPING', 'DEPROVISIONING', 'DELETED'].map(
      (lastStatus): Row => [`a task that is ${lastStatus}`, undefined, taskEvent(cluster, { lastStatus })],
    ),

    ...policy.clusters.map(
      (name): Row => [`a draining instance without tasks in ${name}`, instanceEmptied, instanceEvent(name)],
    ),
    ...['runningTasksCount', 'pendingTasksCount'].flatMap((count): Row[] => [
      [`a draining instance without ${count}`, instanceEmptied, instanceEvent(cluster, { [count]: undefined })],
      [`a draining instance with ${count} 1`, undefined, instanceEvent(cluster, { [count]: 1 })],
    ]),
    ...['ACTIVE', 'INACTIVE', 'DEREGISTERING', undefined].map(
      (status): Row => [`an instance that is ${status}`, undefined, instanceEvent(cluster, { status })],
    ),
    ['a draining instance in another cluster', undefined, instanceEvent(`${cluster}-2`)],
    ["another account's draining instance", undefined, { ...instanceEvent(cluster), account: '210987654321' }],
    ['a draining instance, by another source', undefined, { ...instanceEvent(cluster), source: 'my.ecs' }],
  ];
  // As JSON carries it: without what is undefined.
  return rows.map(([what, takenBy, event]) => ({ what, takenBy, event: JSON.parse(JSON.stringify(event)) }));
}

/** A scale-in, from the event reference of the EC2 Auto Scaling user guide. */
function lifecycleEvent(envelope: Fields, detail: Fields): Fields {
  return {
    ...ENVELOPE,
    'detail-type': 'EC2 Instance-terminate Lifecycle Action',
    source: 'aws.autoscaling',
    resources: ['arn:aws:autoscaling:eu-west-1:123456789012:autoScalingGroup:11111111:autoScalingGroupName/my-asg'],
    ...envelope,
    detail: {
      LifecycleActionToken: TOKEN,
      EC2InstanceId: INSTANCE,
      LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
      NotificationMetadata: 'additional-info',
      Origin: 'AutoScalingGroup',
      Destination: 'EC2',
      ...detail,
    },
  };
}

/** A scale-out, from the same page. */
function launchEvent(detail: Fields): Fields {
  return lifecycleEvent(
    { 'detail-type': 'EC2 Instance-launch Lifecycle Action' },
    {
      LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING',
      Origin: 'EC2',
      Destination: 'AutoScalingGroup',
      ...detail,
    },
  );
}

/** A task that was stopped on a container instance (facts 4 task-event). */
function taskEvent(cluster: string, detail: Fields = {}): Fields {
  const stopped = {
    group: 'service:web',
    desiredStatus: 'STOPPED',
    lastStatus: 'STOPPED',
    stopCode: 'ServiceSchedulerInitiated',
    version: 8,
  };
  return ecsEvent('ECS Task State Change', cluster, { taskArn: ecsArn(`task/${cluster}/1`), ...stopped, ...detail });
}

/** A container instance that drains and has neither a running nor a pending task (facts 5 container-instance-event). */
function instanceEvent(cluster: string, detail: Fields = {}): Fields {
  const empty = { status: 'DRAINING', runningTasksCount: 0, pendingTasksCount: 0, version: 8 };
  return ecsEvent('ECS Container Instance State Change', cluster, { ec2InstanceId: INSTANCE, ...empty, ...detail });
}

/** The fields that matter of ECS's event reference (facts 4 task-event and 5 container-instance-event). */
function ecsEvent(detailType: string, cluster: string, detail: Fields): Fields {
  return {
    ...ENVELOPE,
    'detail-type': detailType,
    source: 'aws.ecs',
    resources: [],
    detail: {
      clusterArn: ecsArn(`cluster/${cluster}`),
      containerInstanceArn: ecsArn(`container-instance/${cluster}/1`),
      ...detail,
    },
  };
}

function ecsArn(resource: string): string {
  return `arn:aws:ecs:eu-west-1:123456789012:${resource}`;
}

/** What the adapter of the deployed function sends, in the envelope that EventBridge puts around it. */
async function continuationEvent({ autoScalingGroups, lifecycleHooks, eventSource }: Settings): Promise<Fields> {
  const sent: PutEventsCommand['input'][] = [];
  const send = async ({ input }: PutEventsCommand) => {
    sent.push(input);
    return { FailedEntryCount: 0 };
  };
  const action = {
    autoScalingGroup: autoScalingGroups.flatMap(namesOf)[0] ?? '',
    lifecycleHook: lifecycleHooks[0] ?? '',
    instanceId: INSTANCE,
    token: TOKEN,
  };
  const drain = newHeldDrain(action, { startedAtMs: 0, pollIntervalSeconds: 2 });
  await eventBridgeContinuations({ send } as unknown as EventBridgeClient, eventSource)([drain]);
  const [entry] = sent[0]?.Entries ?? [];
  return {
    ...ENVELOPE,
    resources: [],
    source: entry?.Source,
    'detail-type': entry?.DetailType,
    detail: JSON.parse(entry?.Detail ?? ''),
  };
}

function otherCase(text: string): string {
  return text === text.toUpperCase() ? text.toLowerCase() : text.toUpperCase();
}

/** The purpose of a rule of the deployment that has this event source; all of its name, if it is not one of those. */
export function purposeOf(ruleName: string, { eventSource }: Settings): string {
  const prefix = `${eventSource.replace('.', '-')}-`;
  return ruleName.startsWith(prefix) ? ruleName.slice(prefix.length) : ruleName;
}
