import { AutoScalingClient } from '@aws-sdk/client-auto-scaling';
import { describe, expect, it } from 'vitest';
import { autoScalingLifecycleActions, describeGroups } from '../../src/adapters/auto-scaling.ts';
import { groupNamed } from '../../src/domain/groups.ts';
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

/** A lifecycle hook as Auto Scaling describes it; `more` are further elements of it. */
function hook(name: string, more: string, transition = 'autoscaling:EC2_INSTANCE_TERMINATING') {
  return `<member>
    <AutoScalingGroupName>web</AutoScalingGroupName>
    <LifecycleHookName>${name}</LifecycleHookName>
    <LifecycleTransition>${transition}</LifecycleTransition>
    <DefaultResult>CONTINUE</DefaultResult>${more}
  </member>`;
}

const hooks = (...members: readonly string[]) =>
  document('DescribeLifecycleHooks', `<LifecycleHooks>${members.join('')}</LifecycleHooks>`);

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
  DescribeLifecycleHooks: hooks(
    hook('ecs-drain', '<HeartbeatTimeout>300</HeartbeatTimeout><GlobalTimeout>20000</GlobalTimeout>'),
  ),
};

/** What can be asked of the adapter, the action it sends for it, and what its errors say was attempted. */
const requests: [Action, (actions: LifecycleActions) => Promise<unknown>, attempted: string][] = [
  [
    'CompleteLifecycleAction',
    (actions) => actions.complete(action, 'CONTINUE'),
    `complete the lifecycle action of ${INSTANCE_ID} with CONTINUE`,
  ],
  [
    'RecordLifecycleActionHeartbeat',
    (actions) => actions.recordHeartbeat(action),
    `record a heartbeat for ${INSTANCE_ID}`,
  ],
  ['DescribeLifecycleHooks', (actions) => actions.hooksOf('web'), 'describe the hooks of web'],
  [
    'DescribeScalingActivities',
    (actions) => actions.terminatingSinceMs('web'),
    'describe the scaling activities of web',
  ],
  [
    'DescribeAutoScalingGroups',
    (actions) => actions.heldInstances([groupNamed('web'), groupNamed('workers')]),
    'describe the groups web, workers',
  ],
  ['DescribeAutoScalingInstances', (actions) => actions.placesOf(['i-1', 'i-2']), 'find the groups of i-1, i-2'],
];
const answering = requests.slice(0, 2);

describe('completing and heartbeats', () => {
  it.each(['CONTINUE', 'ABANDON'] as const)('completes the one action that it is given with %s', async (result) => {
    const endpoint = await aws(accepted);
    expect(await autoScalingAt(endpoint).complete(action, result)).toBe('accepted');
    expect(endpoint.inputsOf('CompleteLifecycleAction')).toEqual([{ ...FORM, LifecycleActionResult: result }]);
  });

  it('records a heartbeat for the one action that it is given', async () => {
    const endpoint = await aws(accepted);
    expect(await autoScalingAt(endpoint).recordHeartbeat(action)).toBe('accepted');
    expect(endpoint.inputsOf('RecordLifecycleActionHeartbeat')).toEqual([FORM]);
  });

  it('names an action whose token is not known by its instance', async () => {
    const endpoint = await aws(accepted);
    const { token: _, ...found } = action;
    const { LifecycleActionToken: __, ...form } = FORM;
    await autoScalingAt(endpoint).recordHeartbeat(found);
    expect(endpoint.inputsOf('RecordLifecycleActionHeartbeat')).toEqual([form]);
  });

  describe.each([
    `No active Lifecycle Action found with token ${action.token}`,
    `No active Lifecycle Action found with instance ID ${INSTANCE_ID}`,
    "No Lifecycle Hook found with name 'ecs-drain' for group 'web'",
    'AutoScalingGroup name not found - AutoScalingGroup web not found',
  ])('answered with "%s"', (message) => {
    it.each(answering)('means that no one waits for the action any more: %s', async (name, request) => {
      const endpoint = await aws({ [name]: fault('ValidationError', message) });
      expect(await request(autoScalingAt(endpoint))).toBe('already-completed');
      expect(endpoint.actions).toEqual([name]);
    });
  });

  it.each(answering)('fails when the mistake is ours: %s', async (name, request) => {
    const endpoint = await aws({ [name]: fault('ValidationError', "1 validation error: 'x' is too long") });
    const asked = request(autoScalingAt(endpoint));
    await expect(asked).rejects.toThrow(/^Could not .*: ValidationError: 1 validation error: 'x' is too long$/);
    await expect(asked).rejects.not.toThrow(Unavailable);
    expect(endpoint.actions).toEqual([name]);
  });

  it('does not take the words for an answer under another code', async () => {
    const message = `No active Lifecycle Action found with token ${action.token}`;
    const endpoint = await aws({ CompleteLifecycleAction: fault('InternalFailure', message, 500) });
    await expect(autoScalingAt(endpoint).complete(action, 'CONTINUE')).rejects.toThrow(Unavailable);
  });
});

describe('the terminating hooks of a group', () => {
  it('are read with their limits, their metadata and their default result, which is ABANDON unless Auto Scaling names another', async () => {
    const endpoint = await aws({
      DescribeLifecycleHooks: hooks(
        hook('ecs-drain', '<HeartbeatTimeout>300</HeartbeatTimeout><GlobalTimeout>20000</GlobalTimeout>'),
        hook('mine', '<HeartbeatTimeout>60</HeartbeatTimeout>').replace(/<DefaultResult>.*?<\/DefaultResult>/, ''),
        hook('logs', '<HeartbeatTimeout>60</HeartbeatTimeout><NotificationMetadata>for logs</NotificationMetadata>'),
      ),
    });
    expect(await autoScalingAt(endpoint).hooksOf('web')).toEqual([
      {
        name: 'ecs-drain',
        limits: { heartbeatTimeoutSeconds: 300, globalTimeoutSeconds: 20_000 },
        defaultResult: 'CONTINUE',
      },
      {
        name: 'mine',
        limits: { heartbeatTimeoutSeconds: 60, globalTimeoutSeconds: 6_000 },
        defaultResult: 'ABANDON',
      },
      {
        name: 'logs',
        limits: { heartbeatTimeoutSeconds: 60, globalTimeoutSeconds: 6_000 },
        defaultResult: 'CONTINUE',
        notificationMetadata: 'for logs',
      },
    ]);
    expect(endpoint.inputsOf('DescribeLifecycleHooks')).toEqual([{ AutoScalingGroupName: 'web' }]);
  });

  it.each([
    ['{"cluster":"prod","deadlineSeconds":900,"team":"blue"}', { deadlineSeconds: 900 }],
    ['{"deadlineResult":"ABANDON","stopStragglers":"none"}', { deadlineResult: 'ABANDON', stopStragglers: 'none' }],
    ['{"cluster":"prod"}', undefined],
    ['{"deadlineSeconds":"soon"}', undefined],
    ['{"cluster":5,"deadlineSeconds":900}', undefined],
    ['["prod"]', undefined],
    ['for logs', undefined],
    ['', undefined],
  ])('choose for their drains what their metadata says, if it can be understood: %s', async (metadata, choices) => {
    const text = metadata.replaceAll('"', '&quot;');
    const described = hooks(
      hook('ecs-drain', `<HeartbeatTimeout>60</HeartbeatTimeout><NotificationMetadata>${text}</NotificationMetadata>`),
    );
    const [found] = await autoScalingAt(await aws({ DescribeLifecycleHooks: described })).hooksOf('web');
    expect(found?.limits.choices).toEqual(choices);
  });

  it.each([
    ['a hundred heartbeat timeouts', 30, 3_000],
    ['48 hours', 7_200, 172_800],
  ])('hold for %s where Auto Scaling does not say', async (_, heartbeatTimeoutSeconds, globalTimeoutSeconds) => {
    const described = hooks(hook('ecs-drain', `<HeartbeatTimeout>${heartbeatTimeoutSeconds}</HeartbeatTimeout>`));
    expect(await autoScalingAt(await aws({ DescribeLifecycleHooks: described })).hooksOf('web')).toMatchObject([
      { limits: { heartbeatTimeoutSeconds, globalTimeoutSeconds } },
    ]);
  });

  it('do not include those of launches, nor those without a heartbeat timeout', async () => {
    const timeout = '<HeartbeatTimeout>60</HeartbeatTimeout>';
    const described = hooks(hook('warm-up', timeout, 'autoscaling:EC2_INSTANCE_LAUNCHING'), hook('unknown', ''));
    expect(await autoScalingAt(await aws({ DescribeLifecycleHooks: described })).hooksOf('web')).toEqual([]);
  });

  it.each(['<LifecycleHooks/>', ''])('are none where Auto Scaling lists none: "%s"', async (answer) => {
    const endpoint = await aws({ DescribeLifecycleHooks: document('DescribeLifecycleHooks', answer) });
    expect(await autoScalingAt(endpoint).hooksOf('web')).toEqual([]);
  });

  it('may have no name', async () => {
    const bare = hooks('<member><HeartbeatTimeout>60</HeartbeatTimeout></member>');
    expect(await autoScalingAt(await aws({ DescribeLifecycleHooks: bare })).hooksOf('web')).toMatchObject([
      { name: '' },
    ]);
  });
});

describe('the places of instances', () => {
  it('are their groups and states, asked for fifty at a time; one in no group is left out', async () => {
    const endpoint = await aws({
      DescribeAutoScalingInstances: ({ 'InstanceIds.member.1': id }) =>
        document(
          'DescribeAutoScalingInstances',
          `<AutoScalingInstances><member><InstanceId>${id}</InstanceId><AutoScalingGroupName>web</AutoScalingGroupName>
            <LifecycleState>InService</LifecycleState></member></AutoScalingInstances>`,
        ),
    });
    const ids = Array.from({ length: 51 }, (_, i) => `i-${i}`);
    const place = { autoScalingGroup: 'web', lifecycleState: 'InService' };
    expect(await autoScalingAt(endpoint).placesOf(ids)).toEqual(new Map(['i-0', 'i-50'].map((id) => [id, place])));
  });

  it.each(['', '<AutoScalingInstances/>'])('are none in an answer without instances: %j', async (result) => {
    const endpoint = await aws({ DescribeAutoScalingInstances: document('DescribeAutoScalingInstances', result) });
    expect(await autoScalingAt(endpoint).placesOf(['i-1'])).toEqual(new Map());
  });
});

describe('the instances that are held', () => {
  it('are those of the groups that wait for a terminating hook', async () => {
    const states = ['InService', 'Terminating:Wait', 'Terminating:Proceed', 'Pending:Wait', 'Terminating:Wait'];
    const endpoint = await aws({ DescribeAutoScalingGroups: groupWith(states) });
    expect(await autoScalingAt(endpoint).heldInstances([groupNamed('web'), groupNamed('workers')])).toEqual([
      { autoScalingGroup: 'web', instanceId: 'i-1' },
      { autoScalingGroup: 'web', instanceId: 'i-4' },
    ]);
    expect(endpoint.inputsOf('DescribeAutoScalingGroups')).toEqual([
      { 'AutoScalingGroupNames.member.1': 'web', 'AutoScalingGroupNames.member.2': 'workers', MaxRecords: '100' },
    ]);
  });

  it('are those of the groups that a pattern matches, which takes a look at every group', async () => {
    const groups = ['web-1', 'db', 'web-2', 'my-web-3']
      .map(
        (name, i) => `<member><AutoScalingGroupName>${name}</AutoScalingGroupName><Instances><member>
          <InstanceId>i-${i}</InstanceId><LifecycleState>Terminating:Wait</LifecycleState>
        </member></Instances></member>`,
      )
      .join('');
    const answer = document('DescribeAutoScalingGroups', `<AutoScalingGroups>${groups}</AutoScalingGroups>`);
    const endpoint = await aws({ DescribeAutoScalingGroups: answer });
    const choices = [{ text: 'web-*', parts: ['web-', ''], cluster: undefined }, groupNamed('workers')];
    expect(await autoScalingAt(endpoint).heldInstances(choices)).toEqual([
      { autoScalingGroup: 'web-1', instanceId: 'i-0' },
      { autoScalingGroup: 'web-2', instanceId: 'i-2' },
    ]);
    expect(endpoint.inputsOf('DescribeAutoScalingGroups')).toEqual([{ MaxRecords: '100' }]);
  });

  it('are those too whose root volume waits for its replacement', async () => {
    const states = ['Wait', 'Proceed'].map((step) => `ReplacingRootVolume:${step}`);
    const endpoint = await aws({ DescribeAutoScalingGroups: groupWith([...states, 'RootVolumeReplaced', 'Pending']) });
    expect(await autoScalingAt(endpoint).heldInstances([groupNamed('web')])).toEqual([
      { autoScalingGroup: 'web', instanceId: 'i-0', staysInGroup: true },
    ]);
  });

  it('are asked for in one call for every fifty groups, on every page', async () => {
    const page = (group: string, next = '') =>
      document(
        'DescribeAutoScalingGroups',
        `<AutoScalingGroups><member><AutoScalingGroupName>${group}</AutoScalingGroupName><Instances><member>
          <InstanceId>i-${group}</InstanceId><LifecycleState>Terminating:Wait</LifecycleState>
        </member></Instances></member></AutoScalingGroups>${next}`,
      );
    const endpoint = await aws({
      DescribeAutoScalingGroups: ({ NextToken, ...form }) => {
        if (form['AutoScalingGroupNames.member.1'] === 'g51') return page('c');
        return NextToken ? page('b') : page('a', '<NextToken>more</NextToken>');
      },
    });
    const groups = Array.from({ length: 51 }, (_, i) => groupNamed(`g${i + 1}`));
    expect(await autoScalingAt(endpoint).heldInstances(groups)).toEqual(
      ['a', 'b', 'c'].map((group) => ({ autoScalingGroup: group, instanceId: `i-${group}` })),
    );
    const names = endpoint
      .inputsOf('DescribeAutoScalingGroups')
      .map((form) => Object.keys(form).filter((key) => key.startsWith('AutoScalingGroupNames')).length);
    expect(names.toSorted()).toEqual([1, 50, 50]);
  });

  it.each([
    ['true', []],
    ['false', [{ autoScalingGroup: 'web', instanceId: 'i-1' }]],
  ])('may return to a warm pool that reuses them on scale-in, and are not held then: %s', async (reuses, held) => {
    const warmPool = `<WarmPoolConfiguration><InstanceReusePolicy><ReuseOnScaleIn>${reuses}</ReuseOnScaleIn></InstanceReusePolicy></WarmPoolConfiguration>`;
    const endpoint = await aws({ DescribeAutoScalingGroups: groupWith(['InService', 'Terminating:Wait'], warmPool) });
    expect(await autoScalingAt(endpoint).heldInstances([groupNamed('web')])).toEqual(held);
  });

  it('are held where a warm pool says nothing of reusing them', async () => {
    const warmPool = '<WarmPoolConfiguration><MinSize>1</MinSize></WarmPoolConfiguration>';
    const endpoint = await aws({ DescribeAutoScalingGroups: groupWith(['Terminating:Wait'], warmPool) });
    expect(await autoScalingAt(endpoint).heldInstances([groupNamed('web')])).toHaveLength(1);
  });

  const waiting = '<LifecycleState>Terminating:Wait</LifecycleState>';
  it.each([
    ['without groups', '', []],
    ['of no group', '<AutoScalingGroups/>', []],
    ['of a group without instances', '<AutoScalingGroups><member/></AutoScalingGroups>', []],
    [
      'of a group without its name',
      `<AutoScalingGroups><member><Instances><member><InstanceId>i-1</InstanceId>${waiting}</member></Instances></member></AutoScalingGroups>`,
      [{ autoScalingGroup: '', instanceId: 'i-1' }],
    ],
  ])('are read from an answer %s', async (_, result, held) => {
    const endpoint = await aws({ DescribeAutoScalingGroups: document('DescribeAutoScalingGroups', result) });
    expect(await autoScalingAt(endpoint).heldInstances([groupNamed('web')])).toEqual(held);
  });
});

describe('a described group', () => {
  it('has its instances with the states of their lives, including those that no hook holds', async () => {
    const { config } = await aws({ DescribeAutoScalingGroups: groupWith(['InService', 'Terminating:Wait']) });
    const { signal } = new AbortController();
    expect(await describeGroups(new AutoScalingClient(config), [groupNamed('web')], signal)).toEqual([
      {
        name: 'web',
        returnsToWarmPool: false,
        instances: [
          { instanceId: 'i-0', lifecycleState: 'InService' },
          { instanceId: 'i-1', lifecycleState: 'Terminating:Wait' },
        ],
      },
    ]);
  });
});

describe('since when instances are being terminated', () => {
  it.each([
    ['without activities', ''],
    ['of an activity that says nothing', '<Activities><member/></Activities>'],
    [
      'that does not say when it began',
      '<Activities><member><Description>Terminating EC2 instance: i-0123456789abcdef0</Description></member></Activities>',
    ],
    [
      'that only mentions it',
      '<Activities><member><Description>After Terminating EC2 instance: i-0123456789abcdef0</Description><StartTime>2026-03-01T09:00:00Z</StartTime></member></Activities>',
    ],
  ])('is not known from an answer %s', async (_, result) => {
    const endpoint = await aws({ DescribeScalingActivities: document('DescribeScalingActivities', result) });
    expect(await autoScalingAt(endpoint).terminatingSinceMs('web')).toEqual(new Map());
  });

  it('is not known of a group that was deleted, which terminates nothing any more', async () => {
    const message = 'AutoScalingGroup name not found - AutoScalingGroup web not found';
    const endpoint = await aws({ DescribeScalingActivities: fault('ValidationError', message) });
    expect(await autoScalingAt(endpoint).terminatingSinceMs('web')).toEqual(new Map());
  });

  const activity = (description: string, startedAt: string, endedAt?: string) =>
    `<member><ActivityId>1</ActivityId><AutoScalingGroupName>web</AutoScalingGroupName><Cause>x</Cause>
      <Description>${description}</Description><StartTime>${startedAt}</StartTime>
      ${endedAt ? `<EndTime>${endedAt}</EndTime>` : ''}<StatusCode>MidTerminatingLifecycleAction</StatusCode></member>`;
  const page = (activities: readonly string[], next = '') =>
    document('DescribeScalingActivities', `<Activities>${activities.join('')}</Activities>${next}`);

  it('is known from the activities in progress, which come first', async () => {
    const endpoint = await aws({
      DescribeScalingActivities: [
        page(
          [
            activity('Terminating EC2 instance: i-0123456789abcdef0', '2026-03-01T09:00:00Z'),
            activity('Replacing root volume of EC2 instance: i-0123456789abcdef3', '2026-03-01T09:05:00Z'),
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
        ['i-0123456789abcdef3', Date.UTC(2026, 2, 1, 9, 5)],
        ['i-0123456789abcdef1', Date.UTC(2026, 2, 1, 8)],
      ]),
    );
    expect(endpoint.inputsOf('DescribeScalingActivities')).toEqual([
      { AutoScalingGroupName: 'web', MaxRecords: '100' },
      { AutoScalingGroupName: 'web', MaxRecords: '100', NextToken: 'more' },
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

  it.each(requests)(
    'says what was attempted, and which permission is missing: %s',
    async (name, request, attempted) => {
      const endpoint = await aws({ [name]: accessDenied(`autoscaling:${name}`) });
      const asked = request(autoScalingAt(endpoint));
      await expect(asked).rejects.toThrow(`Could not ${attempted}: AccessDenied: `);
      await expect(asked).rejects.toThrow(`is not authorized to perform: autoscaling:${name}`);
      await expect(asked).rejects.toThrow("Grant the function's role this action");
      await expect(asked).rejects.not.toThrow(Unavailable);
    },
  );

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

  it('notices that an answer was lost: the retry finds the action completed', async () => {
    const message = `No active Lifecycle Action found with token ${action.token}`;
    const endpoint = await aws({ CompleteLifecycleAction: [reset, fault('ValidationError', message)] });
    expect(await autoScalingAt(endpoint).complete(action, 'CONTINUE')).toBe('already-completed');
  });
});
