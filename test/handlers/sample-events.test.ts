import { describe, expect, it } from 'vitest';
import { matches } from '../../sandbox/region/event-bridge/event-pattern.ts';
import { RejectedEvent } from '../../src/handlers/events/event.ts';
import { receiveMessage } from '../../src/handlers/events/receive.ts';
import { settingsFrom } from '../../src/handlers/settings.ts';
import { deployed } from '../deploy/deployed.ts';
import { OUR_HOOK } from './environment.ts';
import { ENVIRONMENT, type HostileWorld, inHostileWorld, misdeedsIn } from './hostile-world.ts';
import { changed, REMOVED } from './mutations.ts';

/**
 * The sample events of AWS's documentation, with the names of a test's Region in place of AWS's own. Each has every field that
 * AWS documents for it, so that a field which the function reads as another type than AWS sends shows here.
 */

type Json = Readonly<Record<string, unknown>>;

/** What the samples name. */
interface Names {
  readonly instanceId: string;
  readonly containerInstanceArn: string;
  readonly taskArn: string;
  readonly token: string;
}

interface Sample {
  readonly what: string;
  readonly event: (names: Names) => Json;
  /** The rule that takes it; undefined if none does. */
  readonly takenBy?: string;
  /** What becomes of a drain, where one begins. */
  readonly result?: 'parked';
  /** The fields that it cannot do without: those of the envelope, then those of the detail. The function ignores it if there are none. */
  readonly needs?: readonly string[];
}

const NAMES: Names = {
  instanceId: 'i-0123456789abcdef0',
  containerInstanceArn: 'arn:aws:ecs:eu-west-1:123456789012:container-instance/prod/0123456789abcdef0123456789abcdef',
  taskArn: 'arn:aws:ecs:eu-west-1:123456789012:task/prod/fedcba9876543210fedcba9876543210',
  token: '87654321-4321-4321-4321-210987654321',
};
const CLUSTER_ARN = 'arn:aws:ecs:eu-west-1:123456789012:cluster/prod';

function enveloped(source: string, detailType: string, resource: string, detail: Json): Json {
  return {
    version: '0',
    id: '12345678-1234-1234-1234-123456789012',
    'detail-type': detailType,
    source,
    account: '123456789012',
    time: '2026-01-01T00:00:10Z',
    region: 'eu-west-1',
    resources: [resource],
    detail,
  };
}

/** EC2 Auto Scaling user guide, event reference and warm pool example events. */
function lifecycleAction({ instanceId, token }: Names, transition: 'terminate' | 'launch', more: Json): Json {
  const group = 'arn:aws:autoscaling:eu-west-1:123456789012:autoScalingGroup:0123abcd:autoScalingGroupName/web';
  const isLaunch = transition === 'launch';
  return enveloped('aws.autoscaling', `EC2 Instance-${transition} Lifecycle Action`, group, {
    LifecycleActionToken: token,
    AutoScalingGroupName: 'web',
    LifecycleHookName: OUR_HOOK,
    EC2InstanceId: instanceId,
    LifecycleTransition: `autoscaling:EC2_INSTANCE_${isLaunch ? 'LAUNCHING' : 'TERMINATING'}`,
    NotificationMetadata: 'additional-info',
    ...more,
  });
}

/** EC2 user guide, Spot Instance interruption notices and rebalance recommendations. */
function notice({ instanceId }: Names, detailType: string, more: Json = {}): Json {
  const resource = `arn:aws:ec2:eu-west-1a:instance/${instanceId}`;
  return enveloped('aws.ec2', detailType, resource, { 'instance-id': instanceId, ...more });
}

/** ECS developer guide, task state change events; the fields of the event's schema in the CDK. */
function taskChange({ containerInstanceArn, taskArn }: Names, more: Json = {}): Json {
  return enveloped('aws.ecs', 'ECS Task State Change', taskArn, {
    attachments: [
      { id: '01234567', type: 'eni', status: 'DELETED', details: [{ name: 'privateIPv4Address', value: '' }] },
    ],
    attributes: [{ name: 'ecs.cpu-architecture', value: 'x86_64' }],
    availabilityZone: 'eu-west-1a',
    clusterArn: CLUSTER_ARN,
    connectivity: 'CONNECTED',
    connectivityAt: '2026-01-01T00:00:00.000Z',
    containerInstanceArn,
    containers: [
      { containerArn: `${taskArn}/1`, exitCode: 0, lastStatus: 'STOPPED', name: 'web', image: 'web', taskArn },
    ],
    cpu: '256',
    createdAt: '2026-01-01T00:00:00.000Z',
    desiredStatus: 'STOPPED',
    enableExecuteCommand: false,
    executionStoppedAt: '2026-01-01T00:00:09.000Z',
    group: 'service:web',
    lastStatus: 'STOPPED',
    launchType: 'EC2',
    memory: '512',
    overrides: { containerOverrides: [{ name: 'web' }] },
    pullStartedAt: '2026-01-01T00:00:01.000Z',
    pullStoppedAt: '2026-01-01T00:00:02.000Z',
    startedAt: '2026-01-01T00:00:03.000Z',
    startedBy: 'ecs-svc/0123456789012345678',
    stopCode: 'ServiceSchedulerInitiated',
    stoppedAt: '2026-01-01T00:00:10.000Z',
    stoppedReason: 'Scaling activity initiated by (deployment ecs-svc/0123456789012345678)',
    stoppingAt: '2026-01-01T00:00:05.000Z',
    taskArn,
    taskDefinitionArn: 'arn:aws:ecs:eu-west-1:123456789012:task-definition/web:1',
    updatedAt: '2026-01-01T00:00:10.000Z',
    version: 5,
    ...more,
  });
}

/** ECS developer guide, container instance state change events; the fields of the event's schema in the CDK. */
function instanceChange({ containerInstanceArn, instanceId }: Names, more: Json = {}): Json {
  const resources = [
    { name: 'CPU', type: 'INTEGER', integerValue: 2_048 },
    { name: 'MEMORY', type: 'INTEGER', integerValue: 4_096 },
    { name: 'PORTS', type: 'STRINGSET', stringSetValue: ['22', '2376', '2375', '51678', '51679'] },
  ];
  return enveloped('aws.ecs', 'ECS Container Instance State Change', containerInstanceArn, {
    accountType: 'standard',
    agentConnected: true,
    agentUpdateStatus: 'UPDATED',
    attachments: [],
    attributes: [{ name: 'com.amazonaws.ecs.capability.logging-driver.json-file' }],
    clusterArn: CLUSTER_ARN,
    containerInstanceArn,
    ec2InstanceId: instanceId,
    pendingTasksCount: 0,
    registeredAt: '2026-01-01T00:00:00.000Z',
    registeredResources: resources,
    remainingResources: resources,
    runningTasksCount: 0,
    status: 'DRAINING',
    statusReason: 'x',
    updatedAt: '2026-01-01T00:00:10.000Z',
    version: 14_801,
    versionInfo: { agentHash: 'aebcbca', agentVersion: '1.98.0', dockerVersion: 'DockerVersion: 25.0.8' },
    ...more,
  });
}

/** ECS developer guide, container instance health change events. */
function healthChange({ containerInstanceArn, instanceId }: Names, type: string, statusReason: string | null): Json {
  const status = statusReason === null ? 'OK' : 'IMPAIRED';
  const at = { lastStatusChange: '2026-01-01T00:00:09Z', lastUpdated: '2026-01-01T00:00:05Z' };
  return enveloped('aws.ecs', 'ECS Container Instance Health Change', containerInstanceArn, {
    clusterArn: CLUSTER_ARN,
    containerInstanceArn,
    capacityProviderName: null,
    ec2InstanceId: instanceId,
    overallStatus: status,
    healthChecks: [{ type, status, ...at, statusReason }],
  });
}

const ENVELOPE = ['detail-type', 'source', 'account', 'time'];
const ACTION = [
  'LifecycleActionToken',
  'AutoScalingGroupName',
  'LifecycleHookName',
  'EC2InstanceId',
  'LifecycleTransition',
];
const TERMINATION = { takenBy: 'termination', result: 'parked', needs: [...ENVELOPE, ...ACTION] } as const;
const INTERRUPTION = {
  takenBy: 'spot-interruption',
  result: 'parked',
  needs: ['id', ...ENVELOPE, 'instance-id'],
} as const;
const REPLACES_ROOT = { Origin: 'AutoScalingGroup', Destination: 'AutoScalingGroup', Action: 'ReplaceRootVolume' };

const SAMPLES: readonly Sample[] = [
  {
    what: 'a termination',
    event: (names) => lifecycleAction(names, 'terminate', { Origin: 'AutoScalingGroup', Destination: 'EC2' }),
    ...TERMINATION,
  },
  {
    what: 'a termination, its time with milliseconds as in the samples of warm pools',
    event: (names) => ({
      ...lifecycleAction(names, 'terminate', { Origin: 'AutoScalingGroup', Destination: 'EC2' }),
      time: '2026-01-01T00:00:10.214Z',
    }),
    ...TERMINATION,
  },
  {
    what: 'a termination out of the warm pool',
    event: (names) => lifecycleAction(names, 'terminate', { Origin: 'WarmPool', Destination: 'EC2' }),
    ...TERMINATION,
  },
  {
    what: 'the replacement of a root volume',
    event: (names) => lifecycleAction(names, 'terminate', REPLACES_ROOT),
    ...TERMINATION,
  },
  {
    what: 'a return to the warm pool',
    event: (names) => lifecycleAction(names, 'terminate', { Origin: 'AutoScalingGroup', Destination: 'WarmPool' }),
  },
  ...[
    ['EC2', 'AutoScalingGroup'],
    ['EC2', 'WarmPool'],
    ['WarmPool', 'AutoScalingGroup'],
  ].map(([Origin, Destination]) => ({
    what: `a launch, from ${Origin} to ${Destination}`,
    event: (names: Names) => lifecycleAction(names, 'launch', { Origin, Destination }),
  })),
  {
    what: 'the return of an instance whose root volume was replaced',
    event: (names) => lifecycleAction(names, 'launch', REPLACES_ROOT),
  },
  ...['terminate', 'stop', 'hibernate'].map((action) => ({
    what: `a Spot interruption that is to ${action}`,
    event: (names: Names) => notice(names, 'EC2 Spot Instance Interruption Warning', { 'instance-action': action }),
    ...INTERRUPTION,
  })),
  {
    what: 'a rebalance recommendation',
    event: (names) => notice(names, 'EC2 Instance Rebalance Recommendation'),
    ...INTERRUPTION,
    takenBy: 'rebalance-recommendation',
  },
  {
    what: 'a task that has stopped',
    event: (names) => taskChange(names),
    takenBy: 'task-stopped',
    needs: [...ENVELOPE, 'clusterArn', 'containerInstanceArn', 'lastStatus', 'taskArn'],
  },
  {
    what: 'a task that is being stopped',
    event: (names) => taskChange(names, { lastStatus: 'STOPPING', stoppedAt: undefined }),
  },
  {
    what: 'a container instance that drains and is empty',
    event: (names) => instanceChange(names),
    takenBy: 'instance-emptied',
    needs: [...ENVELOPE, 'agentConnected', 'clusterArn', 'containerInstanceArn', 'ec2InstanceId', 'status'],
  },
  {
    what: 'a host of ECS Anywhere that drains and is empty',
    event: (names) => instanceChange({ ...names, instanceId: 'mi-0123456789abcdef0' }),
    takenBy: 'instance-emptied',
  },
  {
    what: 'a container instance that is active',
    event: (names) => instanceChange(names, { status: 'ACTIVE' }),
  },
  ...(
    [
      ['CONTAINER_RUNTIME', null],
      ['AGENT_CONNECTIVITY', 'Agent disconnected since 2026-01-01T00:00:09Z'],
    ] as const
  ).map(([type, reason]) => ({
    what: `a change of health, of ${type}`,
    event: (names: Names) => healthChange(names, type, reason),
  })),
];

/** The patterns of the packaged rules, by what each is for, as CloudFormation gives them to EventBridge. */
const patterns: ReadonlyMap<string, unknown> = new Map(
  Object.values(
    deployed({ autoScalingGroups: 'web,workers', spotInterruptions: true, rebalanceRecommendations: true }).rules,
  ).flatMap(({ Properties }) => {
    const { Name, EventPattern } = filledIn(Properties) as { Name: string; EventPattern?: unknown };
    return EventPattern ? [[Name.replace('ecs-drain-main-', ''), EventPattern] as const] : [];
  }),
);

function filledIn(value: unknown): unknown {
  const of: Readonly<Record<string, string>> = { AccountId: '123456789012', Region: 'eu-west-1', Partition: 'aws' };
  return JSON.parse(JSON.stringify(value), (_, each) => {
    if (each?.Ref === 'AWS::AccountId') return of['AccountId'];
    return each?.['Fn::Sub']?.replace(/\$\{AWS::(\w+)\}/g, (_: string, name: string) => of[name]) ?? each;
  });
}

function takersOf(event: unknown): string[] {
  return [...patterns].filter(([, pattern]) => matches(pattern, event)).map(([purpose]) => purpose);
}

const settings = settingsFrom(ENVIRONMENT);

/** What the function reads an event as; the sentence, where it rejects it. */
function readingOf(event: unknown): string {
  try {
    const received = receiveMessage(event, settings);
    return received.kind === 'arrival' ? received.arrival.kind : received.kind;
  } catch (error) {
    if (!(error instanceof RejectedEvent)) throw error;
    return error.message;
  }
}

/** What becomes of an event without a field. */
function fateOf(event: unknown): string {
  return takersOf(event).length === 0 ? 'not taken' : readingOf(event);
}

/** Brings the function this event alone, about the instance that Auto Scaling holds, and lets all happen that comes of it. */
async function brought(world: HostileWorld, sample: Sample): Promise<string[]> {
  const { held, arns, token, service } = world;
  const names = { instanceId: held, containerInstanceArn: arns.held.instance, taskArn: arns.held.task, token };
  service.queue.send(JSON.stringify(sample.event(names)));
  await world.settle();
  return service.results.slice(0, 1).map(({ kind }) => kind);
}

const written = (event: Json) => JSON.parse(JSON.stringify(event));

describe("AWS's sample event", () => {
  it.each(SAMPLES)('of $what is taken by its rule and handled, or by none and ignored', async (sample) => {
    const { takenBy, result } = sample;
    const event = written(sample.event(NAMES));
    expect(takersOf(event)).toEqual(takenBy ? [takenBy] : []);
    if (!sample.needs) expect(readingOf(event)).toBe('ignored');
    await inHostileWorld({}, async (world) => {
      expect(await brought(world, sample)).toEqual(result ? [result] : []);
      expect(misdeedsIn(world, ['held'])).toEqual([]);
      if (result) return;
      expect(world.logs.filter(({ level }) => level === 'ERROR')).toEqual([]);
      expect(world.mutations).toEqual([]);
    });
  });

  it.each(SAMPLES.filter(({ needs }) => needs))(
    'of $what does without its optional fields, and is rejected by name without one that it needs',
    (sample) => {
      const { needs = [] } = sample;
      const event = written(sample.event(NAMES));
      const whole = fateOf(event);
      const paths = [
        ...Object.keys(event)
          .filter((name) => name !== 'detail')
          .map((name) => [name]),
        ...Object.keys(event.detail).map((name) => ['detail', name]),
      ];
      const missed = paths.flatMap((path) => {
        const fate = fateOf(changed(event, path, REMOVED));
        return fate === whole ? [] : [{ name: path.at(-1) ?? '', fate }];
      });
      expect(missed.map(({ name }) => name).toSorted()).toEqual(needs.toSorted());
      const rejected = missed.filter(({ fate }) => fate !== 'not taken');
      for (const { name, fate } of rejected) {
        expect(fate).toMatch(new RegExp(`^The .* cannot be understood: .*\\b${name} `));
      }
      const optional = paths.filter((path) => !needs.includes(path.at(-1) ?? ''));
      const bare = optional.reduce((rest: unknown, path) => changed(rest, path, REMOVED), event);
      expect(fateOf(bare)).toBe(whole);
    },
  );
});
