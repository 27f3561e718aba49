import { beforeEach, describe, expect, it } from 'vitest';
import { autoScalingService } from '../../../../sandbox/region/auto-scaling/api.ts';
import { AutoScalingModel, type GroupSpec } from '../../../../sandbox/region/auto-scaling/model.ts';
import { Random } from '../../../../sandbox/region/time/random.ts';
import { VirtualTime } from '../../../../sandbox/region/time/virtual-time.ts';
import { callOperation } from '../../../../sandbox/region/wire/wire.ts';

const START = Date.parse('2026-01-01T00:00:00Z');
const GROUP: GroupSpec = {
  name: 'web',
  minSize: 1,
  maxSize: 200,
  desiredCapacity: 2,
  cluster: 'prod',
  memoryMiB: 4_096,
  cpuUnits: 2_048,
  launchSeconds: 100,
};
const [A, B, C] = ['i-00000000000000001', 'i-00000000000000002', 'i-00000000000000003'] as const;
const WEB = { AutoScalingGroupName: 'web' };
const ON_A = { AutoScalingGroupName: 'web', LifecycleHookName: 'drain', InstanceId: A };

let time: VirtualTime;
let model: AutoScalingModel;

// biome-ignore lint/suspicious/noExplicitAny: each operation has its own answer.
const call = (operation: string, input: object = {}): any =>
  callOperation(autoScalingService(model), operation, { ...input });

const refusal = (message: string | RegExp) =>
  expect.objectContaining({
    code: 'ValidationError',
    message: typeof message === 'string' ? message : expect.stringMatching(message),
  });

beforeEach(() => {
  time = new VirtualTime(START);
  let ids = 0;
  model = new AutoScalingModel({
    time,
    place: { region: 'eu-west-1', account: '123456789012', newId: () => `uuid-${String(++ids).padStart(31, '0')}` },
    random: new Random(1),
    trace: () => {},
    publish: () => {},
    launched: () => {},
    terminate: () => {},
    stopped: () => {},
    restarted: () => {},
  });
  model.createGroup(GROUP, { running: true });
  model.putLifecycleHook({ name: 'drain', group: 'web', heartbeatTimeoutSeconds: 60, defaultResult: 'CONTINUE' });
});

describe('DescribeAutoScalingGroups', () => {
  it('describes a group with its instances, those that leave too, until they are terminated', () => {
    model.terminateInstance(A);
    model.terminateInstance(B, { skipHooks: true });
    const { AutoScalingGroups, ...rest } = call('DescribeAutoScalingGroups');
    expect(rest).toEqual({});
    expect(AutoScalingGroups).toEqual([
      {
        AutoScalingGroupName: 'web',
        AutoScalingGroupARN:
          'arn:aws:autoscaling:eu-west-1:123456789012:autoScalingGroup:uuid-0000000000000000000000000000001:autoScalingGroupName/web',
        MinSize: 1,
        MaxSize: 200,
        DesiredCapacity: 2,
        DefaultCooldown: 300,
        AvailabilityZones: ['eu-west-1a'],
        HealthCheckType: 'EC2',
        HealthCheckGracePeriod: 0,
        LoadBalancerNames: [],
        TargetGroupARNs: [],
        CreatedTime: new Date(START),
        SuspendedProcesses: [],
        EnabledMetrics: [],
        Tags: [],
        TerminationPolicies: ['OldestInstance'],
        NewInstancesProtectedFromScaleIn: false,
        TrafficSources: [],
        InstanceLifecyclePolicy: { RetentionTriggers: { TerminateHookAbandon: 'terminate' } },
        Instances: [
          [C, 'Pending'],
          ['i-00000000000000004', 'Pending'],
          [A, 'Terminating:Wait'],
        ].map(([InstanceId, LifecycleState]) => ({
          InstanceId,
          LifecycleState,
          AvailabilityZone: 'eu-west-1a',
          HealthStatus: 'Healthy',
          ProtectedFromScaleIn: false,
        })),
      },
    ]);
  });

  it('filters by name, passes over unknown names, and leaves the instances out when asked', () => {
    model.createGroup({ ...GROUP, name: 'workers' }, { running: true });
    const answer = call('DescribeAutoScalingGroups', {
      AutoScalingGroupNames: ['workers', 'missing'],
      IncludeInstances: false,
    });
    expect(answer.AutoScalingGroups).toMatchObject([{ AutoScalingGroupName: 'workers', Instances: [] }]);
  });

  it('answers in pages of 50, or of what is asked, up to 100', () => {
    for (let n = 0; n < 59; n++) model.createGroup({ ...GROUP, name: `group-${n}` }, { running: true });
    const first = call('DescribeAutoScalingGroups');
    expect(first.AutoScalingGroups).toHaveLength(50);
    const second = call('DescribeAutoScalingGroups', { NextToken: first.NextToken });
    expect(second.AutoScalingGroups).toHaveLength(10);
    expect(second).not.toHaveProperty('NextToken');
    expect(call('DescribeAutoScalingGroups', { MaxRecords: 60 })).not.toHaveProperty('NextToken');
    expect(() => call('DescribeAutoScalingGroups', { MaxRecords: 101 })).toThrow(refusal(/MaxRecords/));
    const AutoScalingGroupNames = Array.from({ length: 51 }, (_, i) => `group-${i}`);
    expect(() => call('DescribeAutoScalingGroups', { AutoScalingGroupNames })).toThrow(
      refusal(/AutoScalingGroupNames/),
    );
    expect(() => call('DescribeAutoScalingGroups', { AutoScalingGroupNames, MaxRecords: 51 })).not.toThrow();
    const InstanceIds = Array.from({ length: 51 }, (_, i) => `i-${`${i}`.padStart(17, '0')}`);
    expect(() => call('DescribeAutoScalingInstances', { InstanceIds })).toThrow(refusal(/InstanceIds/));
  });

  it('refuses an invalid token, and one of another operation', () => {
    model.setDesiredCapacity('web', 60);
    const { NextToken: another } = call('DescribeAutoScalingInstances');
    for (const NextToken of ['no', '50', another, `${another}=`]) {
      expect(() => call('DescribeAutoScalingGroups', { NextToken })).toThrow(
        expect.objectContaining({ code: 'InvalidNextToken' }),
      );
    }
  });

  it('facts 48 describe-filters: filters by tags', () => {
    model.createGroup({ ...GROUP, name: 'workers', tags: { team: 'payments', stage: 'prod' } }, { running: true });
    const found = (Name: string, ...Values: string[]) =>
      call('DescribeAutoScalingGroups', { Filters: [{ Name, Values }] }).AutoScalingGroups.map(
        (each: { AutoScalingGroupName: string }) => each.AutoScalingGroupName,
      );
    expect(found('tag:team', 'payments', 'search')).toEqual(['workers']);
    expect(found('tag:team', 'prod')).toEqual([]);
    expect(found('tag-key', 'stage')).toEqual(['workers']);
    expect(found('tag-value', 'prod')).toEqual(['workers']);
    expect(() => found('tags', 'prod')).toThrow(refusal(/^The filter name tags is not one/));
  });

  it('says what an operator has set', () => {
    call('UpdateAutoScalingGroup', {
      ...WEB,
      MaxSize: 9,
      CapacityRebalance: true,
      DefaultInstanceWarmup: 40,
      HealthCheckGracePeriod: 60,
      NewInstancesProtectedFromScaleIn: true,
      InstanceLifecyclePolicy: { RetentionTriggers: { TerminateHookAbandon: 'retain' } },
    });
    call('SuspendProcesses', { ...WEB, ScalingProcesses: ['AZRebalance'] });
    call('PutWarmPool', { ...WEB, MaxGroupPreparedCapacity: 3, InstanceReusePolicy: { ReuseOnScaleIn: true } });
    expect(call('DescribeAutoScalingGroups').AutoScalingGroups).toMatchObject([
      {
        MaxSize: 9,
        CapacityRebalance: true,
        DefaultInstanceWarmup: 40,
        HealthCheckGracePeriod: 60,
        NewInstancesProtectedFromScaleIn: true,
        InstanceLifecyclePolicy: { RetentionTriggers: { TerminateHookAbandon: 'retain' } },
        SuspendedProcesses: [
          { ProcessName: 'AZRebalance', SuspensionReason: 'User suspended at 2026-01-01T00:00:00Z' },
        ],
        WarmPoolConfiguration: {
          MinSize: 0,
          MaxGroupPreparedCapacity: 3,
          PoolState: 'Stopped',
          InstanceReusePolicy: { ReuseOnScaleIn: true },
        },
        WarmPoolSize: 1,
      },
    ]);
  });
});

describe('DescribeAutoScalingInstances', () => {
  it('describes the instances of all groups, or those that are asked for and exist', () => {
    model.createGroup({ ...GROUP, name: 'workers', desiredCapacity: 1 }, { running: true });
    model.terminateInstance(B, { skipHooks: true });
    const all = call('DescribeAutoScalingInstances').AutoScalingInstances;
    expect(all.map((each: { InstanceId: string }) => each.InstanceId)).toEqual([A, 'i-00000000000000004', C]);
    expect(call('DescribeAutoScalingInstances', { InstanceIds: [C, B, 'i-0'] })).toEqual({
      AutoScalingInstances: [
        {
          InstanceId: C,
          AutoScalingGroupName: 'workers',
          AvailabilityZone: 'eu-west-1a',
          LifecycleState: 'InService',
          HealthStatus: 'HEALTHY',
          ProtectedFromScaleIn: false,
        },
      ],
    });
  });

  it('answers in pages of 50', () => {
    model.setDesiredCapacity('web', 60);
    const first = call('DescribeAutoScalingInstances');
    expect(first.AutoScalingInstances).toHaveLength(50);
    const rest = call('DescribeAutoScalingInstances', { NextToken: first.NextToken });
    expect(rest.AutoScalingInstances).toHaveLength(10);
  });
});

describe('DescribeLifecycleHooks', () => {
  it('facts 18 hook-timeouts: says how long a hook can hold in all', () => {
    model.putLifecycleHook({
      name: 'other',
      group: 'web',
      heartbeatTimeoutSeconds: 7_200,
      defaultResult: 'ABANDON',
      notificationMetadata: 'blue',
    });
    const other = {
      LifecycleHookName: 'other',
      AutoScalingGroupName: 'web',
      LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
      HeartbeatTimeout: 7_200,
      GlobalTimeout: 172_800,
      DefaultResult: 'ABANDON',
      NotificationMetadata: 'blue',
    };
    const hooks = call('DescribeLifecycleHooks', { AutoScalingGroupName: 'web' }).LifecycleHooks;
    expect(hooks).toMatchObject([{ LifecycleHookName: 'drain', HeartbeatTimeout: 60, GlobalTimeout: 6_000 }, other]);
    const wanted = { AutoScalingGroupName: 'web', LifecycleHookNames: ['other', 'missing'] };
    expect(call('DescribeLifecycleHooks', wanted)).toEqual({ LifecycleHooks: [other] });
  });
});

describe('the lifecycle operations', () => {
  it('facts 43 action-by-instance: a heartbeat names its action by token or by instance', () => {
    model.terminateInstance(A);
    const [action] = model.pendingActions();
    expect(call('RecordLifecycleActionHeartbeat', ON_A)).toEqual({});
    const { InstanceId: _, ...byToken } = { ...ON_A, LifecycleActionToken: action?.token ?? '' };
    expect(call('RecordLifecycleActionHeartbeat', byToken)).toEqual({});
    expect(model.pendingActions()).toMatchObject([{ heartbeats: 2 }]);
  });

  it('facts 20 no-active-action: completes once, and words it as AWS does after that', () => {
    model.terminateInstance(A);
    const token = model.pendingActions()[0]?.token ?? '';
    const completing = { ...ON_A, LifecycleActionResult: 'CONTINUE' };
    expect(call('CompleteLifecycleAction', completing)).toEqual({});
    expect(model.completions).toMatchObject([{ instanceId: A, result: 'CONTINUE', by: 'completion' }]);
    expect(() => call('CompleteLifecycleAction', completing)).toThrow(
      refusal(`No active Lifecycle Action found with instance ID ${A}`),
    );
    expect(() => call('RecordLifecycleActionHeartbeat', { ...ON_A, LifecycleActionToken: token })).toThrow(
      refusal(`No active Lifecycle Action found with token ${token}`),
    );
  });

  it('refuses a result that is neither CONTINUE nor ABANDON, and goes on holding', () => {
    model.terminateInstance(A);
    expect(() => call('CompleteLifecycleAction', { ...ON_A, LifecycleActionResult: 'continue' })).toThrow(
      refusal('Invalid lifecycle action result: continue'),
    );
    expect(model.pendingActions()).toHaveLength(1);
  });

  it('refuses an invalid token for its length, which no completion reads as success', () => {
    model.terminateInstance(A);
    const { InstanceId: _, ...byToken } = { ...ON_A, LifecycleActionToken: 'none' };
    expect(() => call('CompleteLifecycleAction', { ...byToken, LifecycleActionResult: 'CONTINUE' })).toThrow(
      refusal(
        "1 validation error detected: Value 'none' at 'lifecycleActionToken' failed to satisfy constraint: Member must have length greater than or equal to 36",
      ),
    );
    expect(model.pendingActions()).toHaveLength(1);
  });

  it('refuses a group, a hook or a parameter that is not there', () => {
    const heartbeat = (input: Record<string, string>) => () => call('RecordLifecycleActionHeartbeat', input);
    expect(heartbeat({ ...ON_A, AutoScalingGroupName: 'missing' })).toThrow(
      refusal('AutoScalingGroup name not found - AutoScalingGroup missing not found'),
    );
    expect(heartbeat({ ...ON_A, LifecycleHookName: 'missing' })).toThrow(refusal(/^No Lifecycle Hook found/));
    expect(heartbeat({ LifecycleHookName: 'drain', InstanceId: A })).toThrow(
      refusal(
        "1 validation error detected: Value null at 'autoScalingGroupName' failed to satisfy constraint: Member must not be null",
      ),
    );
    expect(heartbeat({ AutoScalingGroupName: 'web', LifecycleHookName: 'drain' })).toThrow(refusal(/InstanceId/));
  });
});

describe('TerminateInstanceInAutoScalingGroup', () => {
  it('replaces the instance, and answers the activity', () => {
    const answer = call('TerminateInstanceInAutoScalingGroup', {
      InstanceId: A,
      ShouldDecrementDesiredCapacity: false,
    });
    expect(answer).toEqual({
      Activity: {
        ActivityId: expect.any(String),
        AutoScalingGroupName: 'web',
        AutoScalingGroupARN: expect.stringMatching(/autoScalingGroupName\/web$/),
        Description: `Terminating EC2 instance: ${A}`,
        Cause: `At 2026-01-01T00:00:00Z instance ${A} was taken out of service in response to a user request.`,
        StartTime: new Date(START),
        StatusCode: 'MidTerminatingLifecycleAction',
        Progress: 60,
        Details: '{"Subnet ID":"subnet-00000000000000001","Availability Zone":"eu-west-1a"}',
      },
    });
    expect(model.group('web').desiredCapacity).toBe(2);
    expect(model.instance(C)?.state).toBe('Pending');
  });

  it('decrements the desired capacity when asked, but not below the minimum', () => {
    const terminate = (InstanceId: string) =>
      call('TerminateInstanceInAutoScalingGroup', { InstanceId, ShouldDecrementDesiredCapacity: true });
    expect(terminate(A).Activity.Cause).toMatch(/a user request, shrinking the capacity from 2 to 1\.$/);
    expect(model.group('web').desiredCapacity).toBe(1);
    expect(() => terminate(B)).toThrow(refusal(/will violate group's min size constraint/));
    expect(model.instance(B)?.state).toBe('InService');
  });

  it('refuses an instance that no group has, and a request that does not say whether to decrement', () => {
    const unknown = { InstanceId: 'i-0', ShouldDecrementDesiredCapacity: true };
    expect(() => call('TerminateInstanceInAutoScalingGroup', unknown)).toThrow(
      refusal('Instance Id not found - No managed instance found for instance ID i-0'),
    );
    expect(() => call('TerminateInstanceInAutoScalingGroup', { InstanceId: A })).toThrow(
      refusal(/shouldDecrementDesiredCapacity/),
    );
  });
});

describe('SetDesiredCapacity', () => {
  it('launches what is missing', () => {
    expect(call('SetDesiredCapacity', { AutoScalingGroupName: 'web', DesiredCapacity: 3 })).toEqual({});
    expect(model.instance(C)?.state).toBe('Pending');
  });

  it.each([
    [201, /^New SetDesiredCapacity value 201 is above max value 200 for the AutoScalingGroup\.$/],
    [0, /^New SetDesiredCapacity value 0 is below min value 1 for the AutoScalingGroup\.$/],
  ])('refuses %s', (DesiredCapacity, message) => {
    expect(() => call('SetDesiredCapacity', { AutoScalingGroupName: 'web', DesiredCapacity })).toThrow(
      refusal(message),
    );
  });

  it('refuses what is no number', () => {
    expect(() => call('SetDesiredCapacity', { AutoScalingGroupName: 'web', DesiredCapacity: 'many' })).toThrow(
      expect.objectContaining({ code: 'MalformedInput' }),
    );
  });
});

describe('DescribeScalingActivities', () => {
  it('lists launches and terminations, the newest first, with the status that they have now', async () => {
    call('SetDesiredCapacity', { AutoScalingGroupName: 'web', DesiredCapacity: 3 });
    await time.runUntil(() => model.instance(C)?.state === 'InService');
    const servedAt = new Date(time.nowMs());
    model.setDesiredCapacity('web', 2);
    const { Activities } = call('DescribeScalingActivities', { AutoScalingGroupName: 'web' });
    expect(Activities).toMatchObject([
      {
        Description: `Terminating EC2 instance: ${A}`,
        Cause: expect.stringMatching(
          /^At (\S+) an instance was taken out of service in response to a difference between desired and actual capacity, shrinking the capacity from 3 to 2\. {2}At \1 instance i-00000000000000001 was selected for termination\.$/,
        ),
        StartTime: servedAt,
        StatusCode: 'MidTerminatingLifecycleAction',
      },
      {
        Description: `Launching a new EC2 instance: ${C}`,
        Cause:
          'At 2026-01-01T00:00:00Z an instance was started in response to a difference between desired and actual capacity, increasing the capacity from 2 to 3.',
        StartTime: new Date(START),
        EndTime: servedAt,
        StatusCode: 'Successful',
      },
    ]);
    expect(Activities[0]).not.toHaveProperty('EndTime');
    const wanted = call('DescribeScalingActivities', { ActivityIds: [Activities[1].ActivityId, 'missing'] });
    expect(wanted.Activities).toEqual([Activities[1]]);
  });

  it('lists those in progress first (facts 42 scaling-activities): a launch that is over comes after a termination that began before it', async () => {
    model.terminateInstance(A);
    time.after(50, () => call('RecordLifecycleActionHeartbeat', ON_A));
    await time.runUntil(() => model.instance(C)?.state === 'InService');
    const { Activities } = call('DescribeScalingActivities', { AutoScalingGroupName: 'web' });
    expect(Activities.map(({ Description }: Record<string, string>) => Description)).toEqual([
      `Terminating EC2 instance: ${A}`,
      `Launching a new EC2 instance: ${C}`,
    ]);
  });

  it('ends a termination when the instance is gone, and cancels a launch that is terminated', () => {
    model.launchInstance('web');
    model.terminateInstance(C, { skipHooks: true });
    const { Activities } = call('DescribeScalingActivities', { AutoScalingGroupName: 'web', MaxRecords: 3 });
    expect(Activities.map(({ Description, StatusCode }: Record<string, string>) => [Description, StatusCode])).toEqual([
      ['Launching a new EC2 instance: i-00000000000000004', 'PreInService'],
      [`Terminating EC2 instance: ${C}`, 'Successful'],
      [`Launching a new EC2 instance: ${C}`, 'Cancelled'],
    ]);
  });

  it('refuses a group that is not there', () => {
    expect(() => call('DescribeScalingActivities', { AutoScalingGroupName: 'missing' })).toThrow(
      refusal(/^AutoScalingGroup name not found/),
    );
  });
});

describe('the filters of DescribeScalingActivities (facts 48 describe-filters)', () => {
  const found = (...filters: [string, ...string[]][]) =>
    call('DescribeScalingActivities', {
      ...WEB,
      Filters: filters.map(([Name, ...Values]) => ({ Name, Values })),
    }).Activities.map(({ StartTime }: { StartTime: Date }) => (StartTime.getTime() - START) / 1000);

  beforeEach(async () => {
    model.terminateInstance(A); // held
    time.after(30, () => call('RecordLifecycleActionHeartbeat', ON_A));
    time.after(50, () => model.terminateInstance(B, { skipHooks: true }));
    await time.runUntil(() => model.instance(B)?.state === 'Terminated');
  });

  it('keep what has one of the statuses', () => {
    expect(found(['Status', 'Successful', 'Failed'])).toEqual([50]);
    expect(found(['Status', 'MidTerminatingLifecycleAction'])).toEqual([0]);
    expect(() => call('DescribeScalingActivities', { Filters: [{ Name: 'Status', Values: ['Successful'] }] })).toThrow(
      refusal('The filter Status needs the parameter AutoScalingGroupName.'),
    );
  });

  it('keep what began from one instant to another, both inclusive', () => {
    const at = (seconds: number) => new Date(START + seconds * 1000).toISOString();
    expect(found(['StartTimeLowerBound', at(50)])).toEqual([50, 50]);
    expect(found(['StartTimeLowerBound', at(50.001)])).toEqual([]);
    expect(found(['StartTimeUpperBound', at(0)])).toEqual([0, 0]);
    expect(found(['StartTimeLowerBound', at(1)], ['StartTimeUpperBound', at(49)])).toEqual([]);
    expect(found(['StartTimeLowerBound', '2026-01-01T01:00:50+01:00'])).toEqual([50, 50]);
  });

  it.each(['2026-01-01T00:00:00', 'yesterday', ''])('refuse the time %j, which has no zone or is none', (value) => {
    expect(() => found(['StartTimeLowerBound', value])).toThrow(refusal(/takes one time with its zone/));
  });

  it('refuse an unknown name', () => {
    expect(() => found(['StartTime', 'x'])).toThrow(refusal(/^The filter name StartTime is not one/));
  });
});

describe('PutLifecycleHook', () => {
  const put = (input: object) => call('PutLifecycleHook', { ...WEB, LifecycleHookName: 'warm-up', ...input });
  const described = () => call('DescribeLifecycleHooks', { ...WEB, LifecycleHookNames: ['warm-up'] }).LifecycleHooks;

  it('creates a hook with AWS’s defaults, and changes only what it is given', () => {
    put({ LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING', NotificationMetadata: 'blue' });
    const created = {
      LifecycleHookName: 'warm-up',
      AutoScalingGroupName: 'web',
      LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING',
      HeartbeatTimeout: 3_600,
      GlobalTimeout: 172_800,
      DefaultResult: 'ABANDON',
      NotificationMetadata: 'blue',
    };
    expect(described()).toEqual([created]);
    put({ HeartbeatTimeout: 60 });
    expect(described()).toEqual([{ ...created, HeartbeatTimeout: 60, GlobalTimeout: 6_000 }]);
    call('PutLifecycleHook', { ...WEB, LifecycleHookName: 'drain', HeartbeatTimeout: 30 });
    expect(model.hooksOf('web')).toMatchObject([
      { name: 'drain', heartbeatTimeoutSeconds: 30, defaultResult: 'CONTINUE', transition: 'terminating' },
      { name: 'warm-up' },
    ]);
    call('DeleteLifecycleHook', { ...WEB, LifecycleHookName: 'warm-up' });
    expect(described()).toEqual([]);
  });

  it.each([
    [{}, /^The LifecycleTransition of the hook warm-up has to be/],
    [{ LifecycleTransition: 'terminating' }, /^The LifecycleTransition of the hook warm-up has to be/],
    [{ LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING', HeartbeatTimeout: 29 }, /between 30 and 7200/],
    [{ LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING', DefaultResult: 'STAY' }, /STAY/],
  ])('refuses %j', (input, message) => {
    expect(() => put(input)).toThrow(refusal(message));
    expect(described()).toEqual([]);
  });

  it('allows fifty hooks in a group', () => {
    const LifecycleTransition = 'autoscaling:EC2_INSTANCE_TERMINATING';
    for (let n = 1; n < 50; n++) put({ LifecycleHookName: `hook-${n}`, LifecycleTransition });
    expect(() => put({ LifecycleTransition })).toThrow(expect.objectContaining({ code: 'LimitExceeded' }));
    put({ LifecycleHookName: 'hook-1', HeartbeatTimeout: 60 });
  });
});

describe('the operations of an instance refresh', () => {
  const configuration = { MixedInstancesPolicy: { LaunchTemplate: { Overrides: [{ ImageId: 'ami-1' }] } } };

  it('start one, describe it, and cancel it', async () => {
    const { InstanceRefreshId } = call('StartInstanceRefresh', {
      ...WEB,
      Preferences: { MinHealthyPercentage: 50, InstanceWarmup: 30, ScaleInProtectedInstances: 'Ignore' },
    });
    const pending = {
      InstanceRefreshId,
      AutoScalingGroupName: 'web',
      Strategy: 'Rolling',
      Status: 'Pending',
      PercentageComplete: 0,
      InstancesToUpdate: 2,
      Preferences: {
        MinHealthyPercentage: 50,
        InstanceWarmup: 30,
        ScaleInProtectedInstances: 'Ignore',
        SkipMatching: false,
        AutoRollback: false,
      },
    };
    expect(call('DescribeInstanceRefreshes', WEB)).toEqual({ InstanceRefreshes: [pending] });
    await time.runUntil(() => model.pendingActions().length > 0);
    const [going] = call('DescribeInstanceRefreshes', {
      ...WEB,
      InstanceRefreshIds: [InstanceRefreshId],
    }).InstanceRefreshes;
    expect(going).toEqual({ ...pending, Status: 'InProgress', StartTime: new Date(START) });
    expect(call('CancelInstanceRefresh', { ...WEB, WaitForTransitioningInstances: false })).toEqual({
      InstanceRefreshId,
    });
    await time.runUntil(() => model.refreshesOf('web')[0]?.ended === true);
    expect(call('DescribeInstanceRefreshes', WEB).InstanceRefreshes).toMatchObject([
      { Status: 'Cancelled', StatusReason: 'Cancelled due to user request.', EndTime: expect.any(Date) },
    ]);
    expect(call('DescribeInstanceRefreshes', { ...WEB, InstanceRefreshIds: ['another'] }).InstanceRefreshes).toEqual(
      [],
    );
  });

  it('facts 45 root-volume-replacement: replace root volumes with a desired configuration only', () => {
    const replacing = { ...WEB, Strategy: 'ReplaceRootVolume' };
    expect(() => call('StartInstanceRefresh', replacing)).toThrow(
      refusal(/The DesiredConfiguration parameter must be specified when using ReplaceRootVolume/),
    );
    call('StartInstanceRefresh', { ...replacing, DesiredConfiguration: configuration });
    expect(call('DescribeInstanceRefreshes', WEB).InstanceRefreshes).toMatchObject([
      { Strategy: 'ReplaceRootVolume', DesiredConfiguration: configuration },
    ]);
  });
});

describe('the operations on instances', () => {
  it('protect from scale-in, at most fifty at once', () => {
    call('SetInstanceProtection', { ...WEB, InstanceIds: [B], ProtectedFromScaleIn: true });
    const described = call('DescribeAutoScalingInstances').AutoScalingInstances;
    expect(described).toMatchObject([{ ProtectedFromScaleIn: false }, { ProtectedFromScaleIn: true }]);
    const many = Array.from({ length: 51 }, (_, n) => `i-${n}`);
    expect(() => call('SetInstanceProtection', { ...WEB, InstanceIds: many, ProtectedFromScaleIn: true })).toThrow(
      expect.objectContaining({ code: 'LimitExceeded' }),
    );
  });

  it('detach, and answer the activities', () => {
    const detached = call('DetachInstances', { ...WEB, InstanceIds: [A], ShouldDecrementDesiredCapacity: true });
    expect(detached.Activities).toMatchObject([
      { Description: `Detaching EC2 instance: ${A}`, StatusCode: 'InProgress', Progress: 50 },
    ]);
    expect(model.group('web').desiredCapacity).toBe(1);
  });

  it('describe a warm pool, whose instances are in DescribeAutoScalingInstances too', () => {
    expect(call('DescribeWarmPool', WEB)).toEqual({ Instances: [] });
    call('SuspendProcesses', { ...WEB, ScalingProcesses: ['Terminate'] });
    call('PutWarmPool', { ...WEB, MinSize: 1, MaxGroupPreparedCapacity: 2, PoolState: 'Running' });
    expect(call('DescribeWarmPool', WEB)).toMatchObject({
      WarmPoolConfiguration: { MinSize: 1, PoolState: 'Running', InstanceReusePolicy: { ReuseOnScaleIn: false } },
      Instances: [{ InstanceId: C, LifecycleState: 'Warmed:Pending' }],
    });
    const states = call('DescribeAutoScalingInstances').AutoScalingInstances.map(
      (each: { LifecycleState: string }) => each.LifecycleState,
    );
    expect(states).toEqual(['InService', 'InService', 'Warmed:Pending']);
    expect(call('DescribeAutoScalingGroups').AutoScalingGroups[0].Instances).toHaveLength(2);
  });
});

it('PutWarmPool changes only what it is given, and removes the limit with -1', () => {
  const pool = () => call('DescribeWarmPool', WEB).WarmPoolConfiguration;
  call('PutWarmPool', { ...WEB, MaxGroupPreparedCapacity: 3, InstanceReusePolicy: { ReuseOnScaleIn: true } });
  const first = { MinSize: 0, PoolState: 'Stopped', InstanceReusePolicy: { ReuseOnScaleIn: true } };
  expect(pool()).toEqual({ ...first, MaxGroupPreparedCapacity: 3 });
  call('PutWarmPool', { ...WEB, PoolState: 'Running', MinSize: 1 });
  expect(pool()).toEqual({ ...first, MaxGroupPreparedCapacity: 3, PoolState: 'Running', MinSize: 1 });
  call('PutWarmPool', { ...WEB, MaxGroupPreparedCapacity: -1 });
  expect(pool()).not.toHaveProperty('MaxGroupPreparedCapacity');
});

describe('DescribeTags', () => {
  beforeEach(() => {
    model.createGroup({ ...GROUP, name: 'workers', tags: { team: 'payments', stage: 'prod' } }, { running: true });
    model.createGroup({ ...GROUP, name: 'batch', tags: { team: 'search' } }, { running: true });
  });

  it('describes the tags of all groups', () => {
    expect(call('DescribeTags').Tags).toHaveLength(3);
    expect(call('DescribeTags', { MaxRecords: 1 }).Tags).toEqual([
      {
        ResourceId: 'workers',
        ResourceType: 'auto-scaling-group',
        Key: 'team',
        Value: 'payments',
        PropagateAtLaunch: false,
      },
    ]);
  });

  it.each([
    ['auto-scaling-group', 'batch', ['search']],
    ['key', 'team', ['payments', 'search']],
    ['value', 'prod', ['prod']],
    ['propagate-at-launch', 'true', []],
  ])('filters by %s', (Name, value, expected) => {
    const { Tags } = call('DescribeTags', { Filters: [{ Name, Values: [value] }] });
    expect(Tags.map(({ Value }: { Value: string }) => Value)).toEqual(expected);
  });
});

describe('a size that is negative', () => {
  it.each([
    ['SetDesiredCapacity', { DesiredCapacity: -1 }, /^New SetDesiredCapacity value -1 is below min value 1/],
    ['UpdateAutoScalingGroup', { DesiredCapacity: -1 }, /^Desired capacity:-1 must be between the specified min size/],
    ['UpdateAutoScalingGroup', { MinSize: -1 }, /^Min bound, -1, must be greater than or equal to zero\.$/],
    ['UpdateAutoScalingGroup', { MaxSize: -1 }, /^Max bound, -1, must be greater than or equal to min bound/],
    ['UpdateAutoScalingGroup', { MinSize: -2, MaxSize: -1, DesiredCapacity: -1 }, /^Min bound, -2,/],
    ['PutWarmPool', { MinSize: -1 }, /'minSize' failed to satisfy constraint: Member must have value greater than/],
    ['PutWarmPool', { MaxGroupPreparedCapacity: -2 }, /'maxGroupPreparedCapacity' failed to satisfy constraint/],
  ])('is refused by %s, and changes nothing: %j', (operation, input, message) => {
    const before = call('DescribeAutoScalingGroups');
    expect(() => call(operation, { ...WEB, ...input })).toThrow(
      expect.objectContaining({ code: 'ValidationError', message: expect.stringMatching(message) }),
    );
    expect(call('DescribeAutoScalingGroups')).toEqual(before);
  });
});

describe('what the model does not know', () => {
  it.each([
    ['UpdateAutoScalingGroup', { PlacementGroup: 'x' }, 'PlacementGroup'],
    ['StartInstanceRefresh', { Preferences: { CheckpointDelay: 60 } }, 'CheckpointDelay'],
    ['StartInstanceRefresh', { DesiredConfiguration: {} }, 'DesiredConfiguration'],
    ['PutLifecycleHook', { LifecycleHookName: 'a', RoleARN: 'arn:aws:iam::123456789012:role/a' }, 'RoleARN'],
    ['PutWarmPool', { PoolState: 'Hibernated' }, 'the PoolState Hibernated'],
  ])('%s refuses it by name: %j', (operation, input, name) => {
    expect(() => call(operation, { ...WEB, ...input })).toThrow(refusal(`The local Region does not know ${name}.`));
  });
});
