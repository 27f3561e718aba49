import { AutoScalingClient } from '@aws-sdk/client-auto-scaling';
import { describe, expect, it } from 'vitest';
import { autoScalingLifecycleActions } from '../../src/adapters/auto-scaling.ts';
import { type LifecycleActions, Unavailable } from '../../src/domain/ports.ts';
import { drain, INSTANCE_ID } from './samples.ts';
import { type Action, type AwsEndpoint, accessDenied, aws, badGateway, fault, reset, throttledQuery } from './wire.ts';

const { action } = drain;

/** The lifecycle action as a Query form names it. */
const FORM = {
  AutoScalingGroupName: action.autoScalingGroup,
  LifecycleHookName: action.lifecycleHook,
  InstanceId: action.instanceId,
  LifecycleActionToken: action.token,
};

/** The adapter of one invocation, talking to the endpoint through the real SDK client. */
function autoScalingAt({ config }: AwsEndpoint, signal = new AbortController().signal) {
  return autoScalingLifecycleActions(new AutoScalingClient(config), signal);
}

/** An answer of Auto Scaling as it was recorded. */
function document(name: string, result: string) {
  return `<${name}Response xmlns="http://autoscaling.amazonaws.com/doc/2011-01-01/">
  <${name}Result>${result}</${name}Result>
  <ResponseMetadata>
    <RequestId>7c6e177f-f082-11e1-ac58-3714bEXAMPLE</RequestId>
  </ResponseMetadata>
</${name}Response>`;
}

/** DescribeLifecycleHooks that answers with our hook; `timeouts` are its elements. */
function hookWith(timeouts: string) {
  return document(
    'DescribeLifecycleHooks',
    `<LifecycleHooks>
      <member>
        <AutoScalingGroupName>web</AutoScalingGroupName>
        <LifecycleHookName>ecs-drain</LifecycleHookName>
        <LifecycleTransition>autoscaling:EC2_INSTANCE_TERMINATING</LifecycleTransition>
        ${timeouts}
        <DefaultResult>CONTINUE</DefaultResult>
      </member>
    </LifecycleHooks>`,
  );
}

/** DescribeAutoScalingGroups that answers with the group; `more` are further elements of it. */
function groupWith(states: readonly string[], more = '') {
  const members = states.map(
    (state, i) => `<member><InstanceId>i-${i}</InstanceId><LifecycleState>${state}</LifecycleState></member>`,
  );
  return document(
    'DescribeAutoScalingGroups',
    `<AutoScalingGroups><member>
      <AutoScalingGroupName>web</AutoScalingGroupName>
      <Instances>${members.join('')}</Instances>${more}
    </member></AutoScalingGroups>`,
  );
}

const accepted = {
  DescribeScalingActivities: document('DescribeScalingActivities', '<Activities/>'),
  DescribeAutoScalingGroups: groupWith(['InService']),
  CompleteLifecycleAction: document('CompleteLifecycleAction', ''),
  RecordLifecycleActionHeartbeat: document('RecordLifecycleActionHeartbeat', ''),
  DescribeLifecycleHooks: hookWith('<HeartbeatTimeout>300</HeartbeatTimeout><GlobalTimeout>20000</GlobalTimeout>'),
};

/** What can be asked of the adapter, and the action it sends for it. */
const requests: [Action, (actions: LifecycleActions) => Promise<unknown>][] = [
  ['CompleteLifecycleAction', (actions) => actions.complete(action, 'CONTINUE')],
  ['RecordLifecycleActionHeartbeat', (actions) => actions.recordHeartbeat(action)],
  ['DescribeLifecycleHooks', (actions) => actions.hookLimits(action)],
  ['DescribeScalingActivities', (actions) => actions.terminatingSinceMs('web')],
  ['DescribeAutoScalingGroups', (actions) => actions.heldInstances(['web'])],
];
const answering = requests.slice(0, 2);

describe('completing and heartbeats', () => {
  it.each(['CONTINUE', 'ABANDON'] as const)('completes the one action it is told of with %s', async (result) => {
    const endpoint = await aws(accepted);
    expect(await autoScalingAt(endpoint).complete(action, result)).toBe('accepted');
    expect(endpoint.inputsOf('CompleteLifecycleAction')).toEqual([{ ...FORM, LifecycleActionResult: result }]);
  });

  it('records a heartbeat for the one action it is told of', async () => {
    const endpoint = await aws(accepted);
    expect(await autoScalingAt(endpoint).recordHeartbeat(action)).toBe('accepted');
    expect(endpoint.inputsOf('RecordLifecycleActionHeartbeat')).toEqual([FORM]);
  });

  describe.each([
    `No active Lifecycle Action found with token ${action.token}`,
    `No active Lifecycle Action found with instance ID ${INSTANCE_ID}`,
  ])('answered with "%s"', (message) => {
    it.each(answering)('is success, somebody else’s: %s', async (name, request) => {
      const endpoint = await aws({ [name]: fault('ValidationError', message) });
      expect(await request(autoScalingAt(endpoint))).toBe('already-completed');
      expect(endpoint.actions).toEqual([name]);
    });
  });

  it.each(answering)('is no success when the mistake is ours: %s', async (name, request) => {
    const endpoint = await aws({ [name]: fault('ValidationError', 'AutoScalingGroup name not found - null') });
    const asked = request(autoScalingAt(endpoint));
    await expect(asked).rejects.toThrow(/^Could not .*ValidationError: AutoScalingGroup name not found - null$/);
    await expect(asked).rejects.not.toThrow(Unavailable);
    expect(endpoint.actions).toEqual([name]);
  });

  it('does not believe the words of success under another code', async () => {
    const message = `No active Lifecycle Action found with token ${action.token}`;
    const endpoint = await aws({ CompleteLifecycleAction: fault('InternalFailure', message, 500) });
    await expect(autoScalingAt(endpoint).complete(action, 'CONTINUE')).rejects.toThrow(Unavailable);
  });

  it('says what it tried', async () => {
    const endpoint = await aws({ CompleteLifecycleAction: fault('ValidationError', 'No.') });
    await expect(autoScalingAt(endpoint).complete(action, 'ABANDON')).rejects.toThrow(
      `Could not complete the lifecycle action of ${INSTANCE_ID} with ABANDON: ValidationError: No.`,
    );
  });
});

describe('how long the hook holds', () => {
  it('is what Auto Scaling says of the one hook of the group, and not what we would reckon', async () => {
    const endpoint = await aws(accepted);
    expect(await autoScalingAt(endpoint).hookLimits(action)).toEqual({
      heartbeatTimeoutSeconds: 300,
      globalTimeoutSeconds: 20_000,
    });
    expect(endpoint.inputsOf('DescribeLifecycleHooks')).toEqual([{ AutoScalingGroupName: 'web' }]);
  });

  it('is that of our hook, whatever others hold, and tells if ECS drains the group as well', async () => {
    const others = (name: string) => `<member>
      <LifecycleHookName>${name}</LifecycleHookName><HeartbeatTimeout>60</HeartbeatTimeout>
    </member>`;
    const withOthers = (...names: string[]) =>
      accepted.DescribeLifecycleHooks.replace('<LifecycleHooks>', `<LifecycleHooks>${names.map(others).join('')}`);
    const limits = { heartbeatTimeoutSeconds: 300, globalTimeoutSeconds: 20_000 };
    const plain = await aws({ DescribeLifecycleHooks: withOthers('logs', 'archive') });
    expect(await autoScalingAt(plain).hookLimits(action)).toEqual(limits);
    const managed = await aws({ DescribeLifecycleHooks: withOthers('ecs-managed-draining-termination-hook') });
    expect(await autoScalingAt(managed).hookLimits(action)).toEqual({ ...limits, managedDraining: true });
  });

  it.each([
    ['a hundred heartbeat timeouts', 30, 3_000],
    ['48 hours', 7_200, 172_800],
  ])('is %s where Auto Scaling does not say', async (_, heartbeatTimeoutSeconds, globalTimeoutSeconds) => {
    const timeouts = `<HeartbeatTimeout>${heartbeatTimeoutSeconds}</HeartbeatTimeout>`;
    const endpoint = await aws({ DescribeLifecycleHooks: hookWith(timeouts) });
    expect(await autoScalingAt(endpoint).hookLimits(action)).toEqual({ heartbeatTimeoutSeconds, globalTimeoutSeconds });
  });

  it('is asked in vain of a hook that somebody deleted', async () => {
    const endpoint = await aws({ DescribeLifecycleHooks: document('DescribeLifecycleHooks', '<LifecycleHooks/>') });
    const asked = autoScalingAt(endpoint).hookLimits(action);
    await expect(asked).rejects.toThrow(
      'Auto Scaling has no hook ecs-drain on group web, though it sent its event: somebody deleted the hook.',
    );
    await expect(asked).rejects.not.toThrow(Unavailable);
  });
});

describe('the instances that are held', () => {
  it('are those of the groups that wait for a terminating hook', async () => {
    const states = ['InService', 'Terminating:Wait', 'Terminating:Proceed', 'Pending:Wait', 'Terminating:Wait'];
    const endpoint = await aws({ DescribeAutoScalingGroups: groupWith(states) });
    expect(await autoScalingAt(endpoint).heldInstances(['web', 'workers'])).toEqual([
      { autoScalingGroup: 'web', instanceId: 'i-1' },
      { autoScalingGroup: 'web', instanceId: 'i-4' },
    ]);
    expect(endpoint.inputsOf('DescribeAutoScalingGroups')).toMatchObject([
      { 'AutoScalingGroupNames.member.1': 'web', 'AutoScalingGroupNames.member.2': 'workers' },
    ]);
  });

  it('are none where a warm pool may take them back', async () => {
    const warmPool = '<WarmPoolConfiguration><MinSize>1</MinSize></WarmPoolConfiguration>';
    const endpoint = await aws({ DescribeAutoScalingGroups: groupWith(['Terminating:Wait'], warmPool) });
    expect(await autoScalingAt(endpoint).heldInstances(['web'])).toEqual([]);
  });

  it('are none of a group that is gone', async () => {
    const endpoint = await aws({
      DescribeAutoScalingGroups: document('DescribeAutoScalingGroups', '<AutoScalingGroups/>'),
    });
    expect(await autoScalingAt(endpoint).heldInstances(['web'])).toEqual([]);
  });
});

describe('since when instances are being terminated', () => {
  const activity = (description: string, startedAt: string, endedAt?: string) =>
    `<member><ActivityId>1</ActivityId><AutoScalingGroupName>web</AutoScalingGroupName><Cause>x</Cause>
      <Description>${description}</Description><StartTime>${startedAt}</StartTime>
      ${endedAt ? `<EndTime>${endedAt}</EndTime>` : ''}<StatusCode>MidTerminatingLifecycleAction</StatusCode></member>`;
  const page = (activities: readonly string[], next = '') =>
    document('DescribeScalingActivities', `<Activities>${activities.join('')}</Activities>${next}`);

  it('is told by the activities in progress, which come first', async () => {
    const endpoint = await aws({
      DescribeScalingActivities: [
        page(
          [
            activity('Terminating EC2 instance: i-0123456789abcdef0', '2026-03-01T09:00:00Z'),
            activity('Launching a new EC2 instance: i-0123456789abcdef9', '2026-03-01T09:01:00Z'),
          ],
          '<NextToken>more</NextToken>',
        ),
        page(
          [
            activity(
              'Terminating EC2 instance: i-0123456789abcdef1 - WaitingForLifecycleAction',
              '2026-03-01T08:00:00Z',
            ),
            activity('Terminating EC2 instance: i-0123456789abcdef2', '2026-03-01T07:00:00Z', '2026-03-01T07:05:00Z'),
          ],
          '<NextToken>old</NextToken>',
        ),
      ],
    });
    expect(await autoScalingAt(endpoint).terminatingSinceMs('web')).toEqual(
      new Map([
        ['i-0123456789abcdef0', Date.UTC(2026, 2, 1, 9)],
        ['i-0123456789abcdef1', Date.UTC(2026, 2, 1, 8)],
      ]),
    );
    expect(endpoint.inputsOf('DescribeScalingActivities')).toMatchObject([
      { AutoScalingGroupName: 'web' },
      { AutoScalingGroupName: 'web', NextToken: 'more' },
    ]);
  });
});

describe('each call of Auto Scaling', () => {
  it.each(requests)('is tried again, then unavailable, when throttled: %s', async (name, request) => {
    const endpoint = await aws({ [name]: throttledQuery });
    const asked = request(autoScalingAt(endpoint));
    await expect(asked).rejects.toThrow(Unavailable);
    await expect(asked).rejects.toThrow('Throttling: Rate exceeded');
    expect(endpoint.actions).toHaveLength(4);
  });

  it.each(requests)('says which permission it lacks: %s', async (name, request) => {
    const endpoint = await aws({ [name]: accessDenied(`autoscaling:${name}`) });
    const asked = request(autoScalingAt(endpoint));
    await expect(asked).rejects.toThrow(`is not authorized to perform: autoscaling:${name}`);
    await expect(asked).rejects.toThrow("Grant the function's role this action");
    await expect(asked).rejects.not.toThrow(Unavailable);
  });

  it.each(requests)('is not sent when the invocation’s time is up: %s', async (_, request) => {
    const endpoint = await aws(accepted);
    await expect(request(autoScalingAt(endpoint, AbortSignal.abort()))).rejects.toThrow(Unavailable);
    expect(endpoint.actions).toEqual([]);
  });

  it.each([
    [
      'two updates of one group at once',
      fault('ResourceContention', 'You already have a pending update to an Amazon EC2 Auto Scaling resource.', 500),
    ],
    ['a gateway without a service', badGateway],
    ['a connection that breaks', reset],
  ])('is tried again, then unavailable: %s', async (_, answer) => {
    const endpoint = await aws({ CompleteLifecycleAction: answer });
    await expect(autoScalingAt(endpoint).complete(action, 'CONTINUE')).rejects.toThrow(Unavailable);
    expect(endpoint.actions).toHaveLength(4);
  });

  it('learns that an answer was lost: the retry finds the action completed', async () => {
    const message = `No active Lifecycle Action found with token ${action.token}`;
    const endpoint = await aws({ CompleteLifecycleAction: [reset, fault('ValidationError', message)] });
    expect(await autoScalingAt(endpoint).complete(action, 'CONTINUE')).toBe('already-completed');
  });
});
