import { beforeEach, describe, expect, it } from 'vitest';
import { AutoScalingModel, type GroupSpec } from '../../../sandbox/region/auto-scaling.ts';
import { autoScalingService } from '../../../sandbox/region/auto-scaling-api.ts';
import { Random } from '../../../sandbox/region/random.ts';
import { VirtualTime } from '../../../sandbox/region/virtual-time.ts';
import { called } from '../../../sandbox/region/wire/wire.ts';

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
const ON_A = { AutoScalingGroupName: 'web', LifecycleHookName: 'drain', InstanceId: A };

let time: VirtualTime;
let model: AutoScalingModel;

// biome-ignore lint/suspicious/noExplicitAny: each operation has its own answer.
const call = (operation: string, input: object = {}): any => called(autoScalingService(model), operation, { ...input });

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
    tell: () => {},
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
        CreatedTime: new Date(START),
        TerminationPolicies: ['OldestInstance'],
        NewInstancesProtectedFromScaleIn: false,
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
      AutoScalingGroupNames: ['workers', 'nobody'],
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
    expect(() => call('DescribeAutoScalingGroups', { NextToken: 'no' })).toThrow(
      expect.objectContaining({ code: 'InvalidNextToken' }),
    );
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
  it('facts 18: tells how long a hook can hold in all', () => {
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
    const wanted = { AutoScalingGroupName: 'web', LifecycleHookNames: ['other', 'nobody'] };
    expect(call('DescribeLifecycleHooks', wanted)).toEqual({ LifecycleHooks: [other] });
  });
});

describe('the lifecycle operations', () => {
  it('facts 43: a heartbeat names its action by token or by instance', () => {
    model.terminateInstance(A);
    const [action] = model.pendingActions();
    expect(call('RecordLifecycleActionHeartbeat', ON_A)).toEqual({});
    const { InstanceId: _, ...byToken } = { ...ON_A, LifecycleActionToken: action?.token ?? '' };
    expect(call('RecordLifecycleActionHeartbeat', byToken)).toEqual({});
    expect(model.pendingActions()).toMatchObject([{ heartbeats: 2 }]);
  });

  it('facts 20: completes once, and words it as AWS does after that', () => {
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

  it('refuses a group, a hook or a parameter that is not there', () => {
    const heartbeat = (input: Record<string, string>) => () => call('RecordLifecycleActionHeartbeat', input);
    expect(heartbeat({ ...ON_A, AutoScalingGroupName: 'nobody' })).toThrow(
      refusal('AutoScalingGroup name not found - AutoScalingGroup nobody not found'),
    );
    expect(heartbeat({ ...ON_A, LifecycleHookName: 'nobody' })).toThrow(refusal(/^No Lifecycle Hook found/));
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
    const wanted = call('DescribeScalingActivities', { ActivityIds: [Activities[1].ActivityId, 'nobody'] });
    expect(wanted.Activities).toEqual([Activities[1]]);
  });

  it('lists those in progress first (facts 42): a launch that is over comes after a termination that began before it', async () => {
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
    expect(() => call('DescribeScalingActivities', { AutoScalingGroupName: 'nobody' })).toThrow(
      refusal(/^AutoScalingGroup name not found/),
    );
  });
});

it('refuses a parameter that it does not know, instead of answering another question', () => {
  expect(() => call('DescribeAutoScalingGroups', { Filters: [{ Name: 'tag-key', Values: ['x'] }] })).toThrow(
    refusal(/Filters/),
  );
});
