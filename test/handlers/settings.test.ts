import { describe, expect, it } from 'vitest';
import { HAND_OVER_BOUNDS } from '../../src/adapters/aws-call.ts';
import { groupNamed } from '../../src/domain/groups.ts';
import { InvalidSettings, settingsFrom } from '../../src/handlers/settings.ts';

/** The choices of the operator in the environment of a function that can run. */
const choices = {
  CLUSTER: 'prod',
  AUTO_SCALING_GROUPS: 'web',
  LIFECYCLE_HOOK: 'ecs-drain',
  DEADLINE_SECONDS: '3600',
  DEADLINE_RESULT: 'CONTINUE',
  STOP_STRAGGLERS: 'none',
  DEREGISTRATION_DELAY_SECONDS: '300',
  CONTAINER_STOP_TIMEOUT_SECONDS: '30',
  AGENT_GRACE_SECONDS: '600',
  HEARTBEAT_TIMEOUT_SECONDS: '3600',
  HEARTBEAT_FRACTION: '0.5',
  POLL_MIN_SECONDS: '5',
  POLL_MAX_SECONDS: '30',
  MARGIN_SECONDS: '20',
  FUNCTION_TIMEOUT_SECONDS: '900',
  EVENT_SOURCE: 'ecs-drain.blue',
  WAITING: 'watch',
  SUPERVISE_MANAGED_DRAINING: 'false',
  MANAGED_DRAINING_DEADLINE: 'none',
  STUCK_FRACTION: '0.5',
  SPOT_INTERRUPTIONS: 'false',
  REBALANCE_RECOMMENDATIONS: 'false',
  DRY_RUN: 'false',
};

/** What the deployment adds. */
const queueEnv = {
  EVENT_QUEUE_URL: 'https://sqs.eu-west-1.amazonaws.com/123456789012/events',
  DEAD_LETTER_QUEUE_URL: 'https://sqs.eu-west-1.amazonaws.com/123456789012/dead-letters',
};

/** What it adds where drains wait on schedules. */
const parkingEnv = {
  SCHEDULE_GROUP: 'ecs-drain-blue',
  SCHEDULE_ROLE_ARN: 'arn:aws:iam::123456789012:role/parking',
  EVENT_QUEUE_ARN: 'arn:aws:sqs:eu-west-1:123456789012:events',
  DEAD_LETTER_QUEUE_ARN: 'arn:aws:sqs:eu-west-1:123456789012:dead-letters',
};

type Choice = keyof typeof choices;
const env = { ...choices, ...queueEnv };

/** What is wrong with the environment when these variables are set otherwise, or not at all. */
function complaintOf(changes: Partial<Record<keyof typeof env | keyof typeof parkingEnv, string | undefined>>): string {
  try {
    settingsFrom({ ...env, ...changes });
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidSettings);
    return (error as InvalidSettings).message;
  }
  return 'none';
}

/** The param of serverless.yml that a variable carries. */
const settingIn: Record<Choice, string> = {
  CLUSTER: 'cluster',
  AUTO_SCALING_GROUPS: 'autoScalingGroups',
  LIFECYCLE_HOOK: 'lifecycleHook',
  DEADLINE_SECONDS: 'deadlineSeconds',
  DEADLINE_RESULT: 'deadlineResult',
  STOP_STRAGGLERS: 'stopStragglers',
  SUPERVISE_MANAGED_DRAINING: 'superviseManagedDraining',
  MANAGED_DRAINING_DEADLINE: 'managedDrainingDeadline',
  DEREGISTRATION_DELAY_SECONDS: 'deregistrationDelaySeconds',
  CONTAINER_STOP_TIMEOUT_SECONDS: 'containerStopTimeoutSeconds',
  AGENT_GRACE_SECONDS: 'agentGraceSeconds',
  HEARTBEAT_TIMEOUT_SECONDS: 'heartbeatTimeoutSeconds',
  HEARTBEAT_FRACTION: 'heartbeatFraction',
  POLL_MIN_SECONDS: 'pollMinSeconds',
  POLL_MAX_SECONDS: 'pollMaxSeconds',
  MARGIN_SECONDS: 'marginSeconds',
  FUNCTION_TIMEOUT_SECONDS: 'functionTimeoutSeconds',
  EVENT_SOURCE: 'eventSource',
  WAITING: 'waiting',
  STUCK_FRACTION: 'stuckFraction',
  SPOT_INTERRUPTIONS: 'spotInterruptions',
  REBALANCE_RECOMMENDATIONS: 'rebalanceRecommendations',
  DRY_RUN: 'dryRun',
};
const everySetting = Object.entries(settingIn) as [Choice, string][];

describe('settings that can be used', () => {
  it('are read from the environment', () => {
    expect(settingsFrom(env)).toEqual({
      policy: expect.objectContaining({
        clusters: ['prod'],
        deadlineSeconds: 3600,
        deadlineResult: 'CONTINUE',
        stopStragglers: 'none',
        deregistrationDelaySeconds: 300,
        containerStopTimeoutSeconds: 30,
        agentGraceSeconds: 600,
        heartbeatTimeoutSeconds: 3600,
        heartbeatFraction: 0.5,
        pollMinSeconds: 5,
        pollMaxSeconds: 30,
        marginSeconds: 20,
      }),
      autoScalingGroups: [groupNamed('web')],
      notices: [],
      dryRun: false,
      lifecycleHooks: ['ecs-drain'],
      superviseManagedDraining: false,
      eventSource: 'ecs-drain.blue',
      eventQueueUrl: 'https://sqs.eu-west-1.amazonaws.com/123456789012/events',
      deadLetterQueueUrl: 'https://sqs.eu-west-1.amazonaws.com/123456789012/dead-letters',
      scheduler: undefined,
    });
  });

  it('say of which notices of EC2, and whether AWS is only looked at', () => {
    const switched = { ...env, SPOT_INTERRUPTIONS: 'true', REBALANCE_RECOMMENDATIONS: 'true', DRY_RUN: 'true' };
    expect(settingsFrom(switched)).toMatchObject({
      notices: ['spot-interruption', 'rebalance-recommendation'],
      dryRun: true,
    });
  });

  it('give a group a cluster of its own, which is searched like the others', () => {
    const { autoScalingGroups, policy } = settingsFrom({
      ...env,
      AUTO_SCALING_GROUPS: 'web, jobs@batch',
    });
    expect(autoScalingGroups).toEqual([groupNamed('web'), groupNamed('jobs', 'batch')]);
    expect(policy.clusters).toEqual(['prod', 'batch']);
  });

  it('take a pattern beside the group whose name reads like it', () => {
    const { autoScalingGroups } = settingsFrom({ ...env, AUTO_SCALING_GROUPS: 'web*,web\\*@batch' });
    expect(autoScalingGroups.map(({ parts, cluster }) => [parts, cluster])).toEqual([
      [['web', ''], undefined],
      [['web*'], 'batch'],
    ]);
  });

  it('choose groups by patterns, each with a cluster of its own if one likes', () => {
    const { autoScalingGroups, policy } = settingsFrom({ ...env, AUTO_SCALING_GROUPS: 'web-*, *-spot@batch ,a*z' });
    expect(autoScalingGroups).toEqual([
      { text: 'web-*', parts: ['web-', ''], cluster: undefined },
      { text: '*-spot', parts: ['', '-spot'], cluster: 'batch' },
      { text: 'a*z', parts: ['a', 'z'], cluster: undefined },
    ]);
    expect(policy.clusters).toEqual(['prod', 'batch']);
  });

  it.each([
    ['a\\,b', 'a,b'],
    ['web\\@prod', 'web@prod'],
    ['web\\*', 'web*'],
    ['a\\\\b', 'a\\b'],
    ['\\ web\\ ', ' web '],
    [`web?[1]$\{x}"'`, `web?[1]$\{x}"'`],
    ['größe 🚢', 'größe 🚢'],
    ['x'.repeat(255), 'x'.repeat(255)],
  ])('can name every group that Auto Scaling allows: %s', (written, name) => {
    const groups = `first,${written},\\last@batch`;
    const [, group, last] = settingsFrom({ ...env, AUTO_SCALING_GROUPS: groups }).autoScalingGroups;
    expect(group).toEqual(groupNamed(name));
    expect(last).toEqual(groupNamed('last', 'batch'));
  });

  it('say which schedules drains wait on, if they do', () => {
    expect(settingsFrom({ ...env, ...parkingEnv, WAITING: 'park' }).scheduler).toEqual({
      scheduleGroup: 'ecs-drain-blue',
      scheduleRoleArn: 'arn:aws:iam::123456789012:role/parking',
      eventQueueArn: 'arn:aws:sqs:eu-west-1:123456789012:events',
      deadLetterQueueArn: 'arn:aws:sqs:eu-west-1:123456789012:dead-letters',
    });
    expect(settingsFrom({ ...env, ...parkingEnv, WAITING: 'watch' }).scheduler).toBeUndefined();
  });

  it('list names with commas, and with spaces if one likes', () => {
    const settings = settingsFrom({
      ...env,
      CLUSTER: 'prod, staging',
      AUTO_SCALING_GROUPS: ' web ,My Workers/2',
      LIFECYCLE_HOOK: 'ecs-drain,\tteam/old_hook',
    });
    expect(settings.policy.clusters).toEqual(['prod', 'staging']);
    expect(settings.autoScalingGroups).toEqual([groupNamed('web'), groupNamed('My Workers/2')]);
    expect(settings.lifecycleHooks).toEqual(['ecs-drain', 'team/old_hook']);
  });

  it('count a name that is given twice once', () => {
    expect(settingsFrom({ ...env, CLUSTER: 'prod,batch, prod' }).policy.clusters).toEqual(['prod', 'batch']);
  });

  it.each([
    ['DEADLINE_SECONDS', ['172800']],
    ['DEREGISTRATION_DELAY_SECONDS', ['0', '3600']],
    ['AGENT_GRACE_SECONDS', ['60', '172800']],
    ['HEARTBEAT_FRACTION', ['0.1', '0.99']],
    ['POLL_MIN_SECONDS', ['1', '30']],
    ['POLL_MAX_SECONDS', ['5', '300']],
    ['MARGIN_SECONDS', ['20', '120']],
    ['HEARTBEAT_TIMEOUT_SECONDS', ['30', '7200']],
    ['DEADLINE_RESULT', ['CONTINUE', 'ABANDON']],
    ['STOP_STRAGGLERS', ['none', 'standalone', 'all']],
    ['CLUSTER', ['a', 'A_b-1', 'c'.repeat(255)]],
    ['EVENT_SOURCE', ['ecs-drain', 'com.example/drain_1', 'awsome.drain']],
  ] as const)('reach to their bounds: %s', (variable, values) => {
    expect(values.map((value) => complaintOf({ [variable]: value }))).toEqual(values.map(() => 'none'));
  });
});

describe('settings that cannot be used', () => {
  it.each(everySetting)('are refused when one is missing: %s', (variable, setting) => {
    expect(complaintOf({ [variable]: undefined })).toMatch(new RegExp(`^${setting} is missing: expected `));
  });

  it.each(everySetting)('are refused when one is empty: %s', (variable, setting) => {
    expect(complaintOf({ [variable]: '' })).toMatch(new RegExp(`^${setting}(\\.0)? is "": expected `));
  });

  it.each([
    [
      'DEADLINE_SECONDS',
      ['0', '172801', '-1', '1.5', '1e3', '0x10', ' 60', '60s'],
      'a whole number of seconds from 1 to 172800',
    ],
    ['DEREGISTRATION_DELAY_SECONDS', ['3601', 'none'], 'a whole number of seconds from 0 to 3600'],
    ['AGENT_GRACE_SECONDS', ['59', '172801', 'five'], 'a whole number of seconds from 60 to 172800'],
    ['HEARTBEAT_FRACTION', ['0', '0.05', '10.1', '.5', '50%', 'half'], 'a number from 0.1 to 10'],
    ['POLL_MIN_SECONDS', ['0', '61', 'x'], 'a whole number of seconds from 1 to 60'],
    ['POLL_MAX_SECONDS', ['0', '301', 'x'], 'a whole number of seconds from 1 to 300'],
    ['MARGIN_SECONDS', ['19', '121', 'x'], 'a whole number of seconds from 20 to 120'],
    ['HEARTBEAT_TIMEOUT_SECONDS', ['29', '7201', ''], 'a whole number of seconds from 30 to 7200'],
    ['FUNCTION_TIMEOUT_SECONDS', ['24', '901', 'x'], 'a whole number of seconds from 25 to 900'],
    ['DEADLINE_RESULT', ['continue', 'RETRY'], 'one of CONTINUE, ABANDON'],
    ['STOP_STRAGGLERS', ['true', 'ALL', 'daemon'], 'one of none, standalone, all'],
    ['WAITING', ['Park', 'true', 'none'], 'one of park, watch'],
    ['EVENT_SOURCE', ['aws.ecs', 'a b', 'x'.repeat(257)], 'an event source that does not begin with aws.'],
  ] as const)('are refused with the value and what is expected: %s', (variable, values, expected) => {
    for (const value of values) {
      const complaint = complaintOf({ [variable]: value });
      expect(complaint).toMatch(new RegExp(`^${settingIn[variable]} is `));
      expect(complaint).toContain(value.slice(0, 70));
      expect(complaint).toContain(`: expected ${expected}`);
    }
  });

  it.each([
    ['CLUSTER', 'arn:aws:ecs:eu-west-1:123456789012:cluster/prod', 'the name (not the ARN) of an ECS cluster'],
    [
      'AUTO_SCALING_GROUPS',
      'arn:aws:autoscaling:eu-west-1:123456789012:autoScalingGroup:f9d5:autoScalingGroupName/web',
      'the name (not the ARN) of an Auto Scaling group, a pattern such as web-*, or either with @cluster',
    ],
    ['LIFECYCLE_HOOK', 'ecs drain', 'the name of a lifecycle hook'],
    ['CLUSTER', 'c'.repeat(256), 'the name (not the ARN) of an ECS cluster'],
  ] as const)('are refused with the one name in a list that is none: %s', (variable, value, expected) => {
    const complaint = complaintOf({ [variable]: `${env[variable]}, ${value}` });
    expect(complaint).toMatch(new RegExp(`^${settingIn[variable]}\\.1 is "`));
    expect(complaint).toContain(value.slice(0, 70));
    expect(complaint).toContain(`: expected ${expected}.`);
  });

  it.each(['CLUSTER', 'AUTO_SCALING_GROUPS', 'LIFECYCLE_HOOK'] as const)(
    'are refused when a list has a name too few: %s',
    (variable) => {
      const setting = settingIn[variable];
      expect(complaintOf({ [variable]: 'web,' })).toContain(`${setting}.1 is "": expected the name`);
      expect(complaintOf({ [variable]: ',web' })).toContain(`${setting}.0 is "": expected the name`);
    },
  );

  it.each([
    ['EVENT_QUEUE_URL', 'eventQueueUrl'],
    ['DEAD_LETTER_QUEUE_URL', 'deadLetterQueueUrl'],
    ['SCHEDULE_GROUP', 'scheduleGroup'],
    ['SCHEDULE_ROLE_ARN', 'scheduleRoleArn'],
    ['EVENT_QUEUE_ARN', 'eventQueueArn'],
    ['DEAD_LETTER_QUEUE_ARN', 'deadLetterQueueArn'],
  ] as const)('are refused when the deployment does not set what it has to: %s', (variable, setting) => {
    const parking = { ...parkingEnv, WAITING: 'park' };
    expect(complaintOf(parking)).toBe('none');
    expect(complaintOf({ ...parking, [variable]: undefined })).toBe(
      `${setting} is missing: expected what the deployment sets.`,
    );
    expect(complaintOf({ ...parking, [variable]: '' })).toBe(`${setting} is "": expected what the deployment sets.`);
  });

  it('leave, with the shortest margin, half of it to every attempt at handing over', () => {
    const { maxAttempts, requestHandler } = HAND_OVER_BOUNDS;
    const longestMs = maxAttempts * (requestHandler.connectionTimeout + requestHandler.requestTimeout);
    const shortestMarginSeconds = [...Array(121).keys()].find(
      (s) => complaintOf({ MARGIN_SECONDS: `${s}` }) === 'none',
    );
    expect(longestMs).toBeLessThan(((shortestMarginSeconds ?? 0) * 1000) / 2);
  });

  it('are refused when they name the hook of ECS’s own managed draining (facts 22 managed-draining-hook)', () => {
    expect(complaintOf({ LIFECYCLE_HOOK: 'ecs-drain,ecs-managed-draining-termination-hook' })).toBe(
      'lifecycleHook.1 is "ecs-managed-draining-termination-hook": expected a hook of ours: this one ECS completes itself (facts 22 managed-draining-hook); superviseManagedDraining supervises it.',
    );
  });

  it('are refused when a group is named twice, even with two clusters', () => {
    expect(complaintOf({ AUTO_SCALING_GROUPS: 'web,jobs,web@batch' })).toMatch(
      /^autoScalingGroups is .*: expected each group once\.$/,
    );
  });

  it.each(['web:1', 'web@', '@batch', 'web@batch@prod', 'web@a b', 'web\\', 'a\tb', 'x'.repeat(256)])(
    'are refused when Auto Scaling would not have such a group: %s',
    (group) => {
      expect(complaintOf({ AUTO_SCALING_GROUPS: group })).toContain(
        'expected the name (not the ARN) of an Auto Scaling group, a pattern such as web-*, or either with @cluster',
      );
    },
  );

  it.each([
    ['web-**', 'expected a pattern without ** in it'],
    ['a*b*c*', 'expected a pattern with 2 * at most'],
  ])('are refused when EventBridge would refuse the pattern: %s', (group, sentence) => {
    expect(complaintOf({ AUTO_SCALING_GROUPS: group })).toContain(sentence);
  });

  it('are all named at once', () => {
    const complaint = complaintOf({ CLUSTER: undefined, DEADLINE_SECONDS: 'soon', STOP_STRAGGLERS: 'some' });
    expect(complaint).toBe(
      'cluster is missing: expected names, separated by commas; ' +
        'deadlineSeconds is "soon": expected a whole number of seconds from 1 to 172800; ' +
        'stopStragglers is "some": expected one of none, standalone, all.',
    );
  });

  it('are shown cut short where they are long', () => {
    const complaint = complaintOf({ CLUSTER: 'x'.repeat(100_000) });
    expect(complaint.length).toBeLessThan(300);
    expect(complaint).toContain('…');
  });

  it('are shown as they were given, though no number of JSON is as large', () => {
    expect(complaintOf({ DEADLINE_SECONDS: '9'.repeat(400) })).not.toContain('null');
  });
});

describe('settings that cannot work together', () => {
  it.each([
    ['a shortest poll above the longest', { POLL_MIN_SECONDS: '60' }, 'pollMinSeconds 60 is above pollMaxSeconds 30'],
    ['a deadline below one poll', { DEADLINE_SECONDS: '4' }, 'deadlineSeconds 4 is below one poll of pollMinSeconds 5'],
    [
      'a margin that leaves no room',
      { FUNCTION_TIMEOUT_SECONDS: '25', MARGIN_SECONDS: '21' },
      'functionTimeoutSeconds 25 - marginSeconds 21 = 4 s, less than the 5 s that a round of calls needs',
    ],
    ['a heartbeat after the timeout', { HEARTBEAT_FRACTION: '1' }, 'heartbeatFraction 1 is not below 1'],
    [
      'stragglers stopped at once',
      { STOP_STRAGGLERS: 'all', DEADLINE_SECONDS: '360' },
      'deregistrationDelaySeconds 300 + containerStopTimeoutSeconds 30 + 30 s of reserve = 360 s, not below deadlineSeconds 360',
    ],
  ])('are refused with the arithmetic: %s', (_, changes, arithmetic) => {
    expect(complaintOf(changes)).toContain(arithmetic);
  });

  it('are all named at once', () => {
    const complaint = complaintOf({ POLL_MIN_SECONDS: '60', HEARTBEAT_FRACTION: '2' });
    expect(complaint).toContain('pollMinSeconds 60 is above pollMaxSeconds 30');
    expect(complaint).toContain('heartbeatFraction 2 is not below 1');
  });
});
