import type { Service as EcsService } from '@aws-sdk/client-ecs';
import { describe, expect, it } from 'vitest';
import { loadBalancingOf, placementOf } from '../../cli/cluster.ts';
import { mappingTroubles, reportFindings } from '../../cli/doctor.ts';
import type { Finding } from '../../cli/finding.ts';
import { homelessOf, mayRunOnOurs } from '../../cli/services.ts';
import packageJson from '../../package.json' with { type: 'json' };
import { AwsError } from '../../sandbox/region/aws-error.ts';
import type { WireCall } from '../../sandbox/region/wire/wire.ts';
import { SDK_BOUNDS } from '../../src/adapters/aws-call.ts';
import { groupNamed } from '../../src/domain/groups.ts';
import { NO_TERMINAL } from '../../terminal/layout.ts';
import { deployed } from '../deploy/deployed.ts';
import { deployedRegion, type World } from './deployed-region.ts';

/** What the doctor finds except the checks that passed. */
async function troublesIn(world: World) {
  const { json } = await deployedRegion(world);
  const { status, answer } = await json('doctor');
  const findings: Finding[] = answer.findings;
  return { status, healthy: answer.healthy, troubles: findings.filter(({ level }) => level !== 'ok') };
}

/** Lets its targets go at once. */
const QUICK = { deregistrationDelaySeconds: 0, requestsPerSecond: 1 };

const CHANGED: [name: string, world: World, trouble: Partial<Finding>][] = [
  [
    'a group that does not exist',
    { params: { autoScalingGroups: 'web,workers' } },
    { level: 'error', where: 'group workers', what: 'Auto Scaling has no such group.' },
  ],
  [
    'a pattern that no group matches',
    { params: { autoScalingGroups: 'w*,db-*', createLifecycleHooks: false } },
    { level: 'warning', where: 'group db-*', what: 'Auto Scaling has no group that the pattern matches.' },
  ],
  [
    'a group without our hook',
    { hooks: [{ name: 'another' }] },
    {
      level: 'error',
      where: 'group web',
      what: 'it has no terminating hook ecs-drain: its instances are terminated without a drain.',
    },
  ],
  [
    'managed draining',
    { hooks: [{}, { name: 'ecs-managed-draining-termination-hook' }] },
    { level: 'warning', where: 'group web', what: 'ECS managed draining holds the instances of the group as well.' },
  ],
  [
    'a hook whose metadata chooses more than the stack allows',
    { hooks: [{ notificationMetadata: '{"deadlineSeconds": 7201}' }] },
    {
      level: 'warning',
      where: 'hook ecs-drain of group web',
      what: expect.stringContaining("deadlineSeconds 7201 is above the stack's own deadlineSeconds 7200"),
    },
  ],
  [
    'a deadline that the metadata of the hook chooses and that is too short for the service',
    { hooks: [{ notificationMetadata: '{"deadlineSeconds": 330}' }] },
    { level: 'error', where: 'service web of cluster prod', what: expect.stringContaining('a drain has 330 s to') },
  ],
  [
    'managed draining that nothing supervises',
    { hooks: [{ name: 'ecs-managed-draining-termination-hook' }] },
    {
      level: 'warning',
      where: 'group web',
      what: 'ECS managed draining drains the instances of the group, for up to 48 hours each, and nothing reports it.',
    },
  ],
  [
    'a hook whose global timeout ends before the deadline',
    { hooks: [{ heartbeatTimeoutSeconds: 60 }], services: [{ name: 'web', loadBalancer: QUICK }] },
    { level: 'warning', where: 'hook ecs-drain of group web', what: expect.stringContaining('global timeout 6000 s') },
  ],
  [
    'a hook whose heartbeat timeout is shorter than a drain of the service',
    { hooks: [{ heartbeatTimeoutSeconds: 300 }] },
    {
      level: 'warning',
      where: 'service web of cluster prod',
      what: expect.stringContaining(
        '300 s of deregistration + 30 s of stop timeout = 330 s, and a hook times out after 300 s',
      ),
    },
  ],
  [
    'a deadline that is too short for the service',
    { params: { deadlineSeconds: 330 } },
    {
      level: 'error',
      where: 'service web of cluster prod',
      what: expect.stringContaining('= 330 s, and a drain has 330 s to its deadline'),
    },
  ],
  [
    'stragglers that would be stopped too late',
    { params: { stopStragglers: 'all', deregistrationDelaySeconds: 60 } },
    {
      level: 'warning',
      where: 'service web of cluster prod',
      what: expect.stringContaining('setting deregistrationDelaySeconds is 60'),
    },
  ],
  [
    'a service that can never drain',
    { services: [{ name: 'web', maximumPercent: 100 }] },
    {
      level: 'error',
      where: 'service web of cluster prod',
      what: expect.stringContaining('the service cannot be drained: with 4 tasks'),
    },
  ],
  [
    'a service of one task whose maximum allows no second',
    { services: [{ name: 'web', desiredCount: 1, maximumPercent: 150 }] },
    {
      level: 'error',
      where: 'service web of cluster prod',
      what: expect.stringContaining('the service cannot be drained: with 1 task'),
    },
  ],
  [
    'no room for replacements',
    { services: [{ name: 'web', memoryMiB: 1_500 }] },
    {
      level: 'warning',
      where: 'cluster prod',
      what: expect.stringContaining('no other instance has room for the 2 service tasks of its fullest instance'),
    },
  ],
  [
    'a rule that is missing',
    { rules: ['termination', 'continuation', 'sweep', 'task-stopped'] },
    {
      level: 'error',
      where: 'rule ecs-drain-main-instance-emptied',
      what: 'EventBridge has no such rule on the default bus.',
    },
  ],
  [
    'an event queue without a redrive policy',
    { eventQueue: { deadLetterQueue: undefined } },
    {
      level: 'error',
      where: 'event queue events',
      what: expect.stringContaining('its redrive policy does not name dead-letters'),
    },
  ],
  [
    'an event queue that nothing reads',
    { mapping: null, taskStopMapping: {} },
    { level: 'error', where: 'event source mapping of events', what: 'there is none: Lambda does not read the queue.' },
  ],
  [
    'a mapping without partial batch responses',
    { mapping: { reportsItemFailures: false } },
    {
      level: 'error',
      where: 'event source mapping of events',
      what: expect.stringContaining('it does not take partial batch responses'),
    },
  ],
  [
    'a mapping without a bound of executions',
    { mapping: { maximumConcurrency: undefined } },
    {
      level: 'warning',
      where: 'event source mapping of events',
      what: expect.stringContaining('it has no MaximumConcurrency'),
    },
  ],
  [
    'a queue of stopped tasks that nothing reads',
    { taskStopMapping: null },
    {
      level: 'warning',
      where: 'event source mapping of the task stop queue',
      what: expect.stringContaining('stops of tasks wake no drain'),
    },
  ],
  [
    'a mapping of the task stop queue without partial batch responses',
    { taskStopMapping: { reportsItemFailures: false } },
    {
      level: 'error',
      where: 'event source mapping of task-stops',
      what: expect.stringContaining('it does not take partial batch responses'),
    },
  ],
  [
    'a role that may not read the task stop queue',
    {
      statements: [
        { Effect: 'Allow', Action: '*', Resource: '*' },
        { Effect: 'Deny', Action: 'sqs:DeleteMessage', Resource: 'arn:aws:sqs:eu-west-1:123456789012:task-stops' },
      ],
    },
    {
      level: 'error',
      where: 'role drain',
      what: 'sqs:DeleteMessage is not allowed on arn:aws:sqs:eu-west-1:123456789012:task-stops.',
    },
  ],
  [
    'a hook of someone else whose timeout and default result end a drain early',
    { hooks: [{}, { name: 'another', heartbeatTimeoutSeconds: 600, defaultResult: 'ABANDON' }] },
    {
      level: 'warning',
      where: 'hook another of group web',
      what: 'The hook another, which is not ours, times out after 600 s without a heartbeat, and its default result ABANDON ends the wait of every hook: a drain may need up to 7200 s.',
    },
  ],
  ...(
    [
      [
        'a cluster that is not configured',
        '{"cluster":"payments"}',
        'names the cluster payments, and the setting cluster allows only prod',
      ],
      [
        'a text in JSON',
        '"prod"',
        'cannot be understood: it is "prod": expected a JSON object such as {"cluster": "prod"}',
      ],
      [
        'a list',
        '["prod"]',
        'cannot be understood: it is ["prod"]: expected a JSON object such as {"cluster": "prod"}',
      ],
    ] as const
  ).map(([name, notificationMetadata, what]): [string, World, Partial<Finding>] => [
    `metadata of our hook with which its events are rejected: ${name}`,
    { hooks: [{ notificationMetadata }] },
    { level: 'error', where: 'hook ecs-drain of group web', what: expect.stringContaining(what) },
  ]),
  [
    'metadata of our hook that is ignored',
    { hooks: [{ notificationMetadata: 'prod' }] },
    {
      level: 'warning',
      where: 'hook ecs-drain of group web',
      what: 'The NotificationMetadata of hook ecs-drain is ignored: it is "prod", not JSON such as {"cluster": "prod"}.',
    },
  ],
  [
    'a recursion detection that would stop drains',
    { lambda: { recursiveLoop: 'Terminate' } },
    {
      level: 'error',
      where: 'recursion detection of ecs-drain-main-drain',
      what: expect.stringContaining('RecursiveLoop is Terminate'),
    },
  ],
  [
    'a dry run',
    { params: { dryRun: true, createLifecycleHooks: false } },
    { level: 'warning', where: 'function ecs-drain-main-drain', what: 'it is in a dry run: it drains nothing.' },
  ],
  [
    'a permission that a boundary takes away',
    {
      statements: [
        { Effect: 'Allow', Action: '*', Resource: '*' },
        { Effect: 'Deny', Action: 'ecs:UpdateContainerInstancesState', Resource: '*' },
      ],
    },
    {
      level: 'error',
      where: 'role drain',
      what: 'ecs:UpdateContainerInstancesState is not allowed on arn:aws:ecs:eu-west-1:123456789012:container-instance/prod/any.',
    },
  ],
];

describe('ecs-drain doctor', () => {
  it('names the other stage that drains the same groups by the same hook', async () => {
    const { region, json } = await deployedRegion();
    const putRule = (stage: string, AutoScalingGroupName: unknown[], LifecycleHookName = ['ecs-drain']) =>
      region.eventBridge.putRule({
        name: `ecs-drain-${stage}-termination`,
        pattern: { source: ['aws.autoscaling'], detail: { AutoScalingGroupName, LifecycleHookName } },
        target: () => {},
      });
    putRule('dev', ['web']);
    putRule('pattern', [{ wildcard: 'w*b' }]);
    putRule('others', ['batch', { prefix: 'app-' }]);
    putRule('hook', ['web'], ['theirs']);
    const { status, answer } = await json('doctor');
    expect(status).toBe(0);
    const warnings = answer.findings.filter(({ where }: Finding) => /-(dev|pattern|others|hook)-/.test(where));
    expect(warnings).toEqual(
      ['dev', 'pattern'].map((stage) => ({
        level: 'warning',
        where: `rule ecs-drain-${stage}-termination`,
        what: `the deployment of stage ${stage} drains web by the hook ecs-drain, too: each drain is done twice, unless it is a dry run.`,
        fix: `Remove stage ${stage}, or take the groups out of one.`,
      })),
    );
  });

  it('finds nothing in a healthy deployment', async () => {
    const { run, json } = await deployedRegion();
    const { status, answer } = await json('doctor');
    expect(status).toBe(0);
    expect(answer.healthy).toBe(true);
    expect(answer.findings.map(({ level, where }: Finding) => [level, where])).toEqual([
      ['ok', 'function ecs-drain-main-drain'],
      ['ok', 'role drain'],
      ['ok', 'your own permissions'],
      ['ok', 'rule ecs-drain-main-termination'],
      ['ok', 'rule ecs-drain-main-continuation'],
      ['ok', 'rule ecs-drain-main-sweep'],
      ['ok', 'rule ecs-drain-main-task-stopped'],
      ['ok', 'rule ecs-drain-main-instance-emptied'],
      ['ok', 'event queue events'],
      ['ok', 'event source mapping of events'],
      ['ok', 'event source mapping of task-stops'],
      ['ok', 'task stop queue task-stops'],
      ['ok', 'recursion detection of ecs-drain-main-drain'],
      ['ok', 'dead-letter queue dead-letters'],
      ['ok', 'hook ecs-drain of group web'],
      ['ok', 'service web of cluster prod'],
      ['ok', 'cluster prod'],
    ]);
    expect((await run('doctor')).stdout).toBe(
      'Nothing was found that would prevent the next drain: all 17 checks passed. --verbose lists them.\n',
    );
    expect((await run('doctor', '--verbose')).stdout.split('\n').filter((line) => line.startsWith('ok '))).toHaveLength(
      17,
    );
  });

  it.each(CHANGED)('finds %s, and nothing else', async (_, world, trouble) => {
    const { status, healthy, troubles } = await troublesIn(world);
    expect(troubles).toEqual([expect.objectContaining(trouble)]);
    expect({ status, healthy }).toEqual(
      trouble.level === 'error' ? { status: 1, healthy: false } : { status: 0, healthy: true },
    );
  });

  it('uses the global timeout of the hook where that ends before the deadline', async () => {
    const { status, troubles } = await troublesIn({
      hooks: [{ heartbeatTimeoutSeconds: 30 }],
      services: [{ name: 'web', stopTimeoutSeconds: 2_600 }],
    });
    expect(status).toBe(1);
    expect(troubles).toMatchObject([
      { level: 'warning', where: 'hook ecs-drain of group web' },
      {
        level: 'error',
        where: 'service web of cluster prod',
        what: expect.stringContaining('= 2900 s, and a drain has 2760 s to its deadline'),
      },
    ]);
  });

  it('says what it has checked in a healthy deployment', async () => {
    const { json } = await deployedRegion();
    const { answer } = await json('doctor');
    const web = answer.findings.find(({ where }: Finding) => where === 'service web of cluster prod');
    expect(web.what).toBe(
      'checked its percents, events, deployment and scale-in protection, and its time: its tasks may need 300 s of deregistration + 30 s of stop timeout = 330 s, of 7200 s.',
    );
  });

  it('says the same as explain of a service in the middle of a drain: no room, and protection from scale-in', async () => {
    const services = [{ name: 'web', memoryMiB: 1_500, protectedFromScaleIn: true }];
    const { region, instanceIds, pass, json } = await deployedRegion({ services });
    region.autoScaling.terminateInstance(instanceIds[0] ?? '');
    await pass(45); // before the group has launched another instance
    const explained = await json('explain', instanceIds[0] ?? '');
    const kinds = explained.answer.blockers.flatMap(({ causes }: { causes: { cause: string }[] }) =>
      causes.map(({ cause }) => cause),
    );
    expect(new Set(kinds)).toEqual(new Set(['no-room', 'protected']));
    const { answer } = await json('doctor');
    const onWeb = answer.findings.filter(({ where }: Finding) => where === 'service web of cluster prod');
    expect(onWeb).toMatchObject([
      {
        level: 'warning',
        what: expect.stringMatching(/^ECS finds no room for a replacement \(reported .* ago: “.*”\)\.$/),
      },
      { level: 'warning', what: expect.stringMatching(/^4 tasks: scale-in protection is on until .*\.$/) },
    ]);
  });

  it('says in status and explain as well that our hook’s events are rejected, and that another hook may end the wait', async () => {
    const hooks = [
      { notificationMetadata: '["prod"]' },
      { name: 'another', heartbeatTimeoutSeconds: 600, defaultResult: 'ABANDON' as const },
    ];
    const { region, instanceIds, pass, json } = await deployedRegion({ hooks });
    region.autoScaling.terminateInstance(instanceIds[0] ?? '');
    await pass(60);
    const { answer } = await json('doctor');
    const told = answer.findings.flatMap(({ where, what }: Finding) => (where.startsWith('hook ') ? [what] : []));
    expect(told).toHaveLength(2);
    for (const command of [['status'], ['explain', instanceIds[0] ?? '']]) {
      expect(JSON.stringify((await json(...command)).answer)).toContain(JSON.stringify(told[0]).slice(1, -1));
      expect(JSON.stringify((await json(...command)).answer)).toContain(JSON.stringify(told[1]).slice(1, -1));
    }
  });

  it('reads more than 50 groups, as status does', async () => {
    const names = Array.from({ length: 56 }, (_, i) => `group-${i}`);
    const params = { autoScalingGroups: ['web', ...names].join(), createLifecycleHooks: false };
    const { region, json } = await deployedRegion({ params });
    const group = {
      cluster: 'prod',
      minSize: 0,
      maxSize: 1,
      desiredCapacity: 0,
      memoryMiB: 1,
      cpuUnits: 1,
      launchSeconds: 1,
    };
    for (const name of names) {
      region.autoScaling.createGroup({ ...group, name }, { running: true });
      region.autoScaling.putLifecycleHook({
        name: 'ecs-drain',
        group: name,
        heartbeatTimeoutSeconds: 3_600,
        defaultResult: 'CONTINUE',
      });
    }
    const { status, answer } = await json('doctor');
    expect({ status, healthy: answer.healthy }).toEqual({ status: 0, healthy: true });
    expect(answer.findings.filter(({ where }: Finding) => where.startsWith('hook '))).toHaveLength(57);
    expect(await json('status')).toMatchObject({ status: 0, answer: { missingGroups: [], failures: [] } });
  });

  it('says of each error and warning how to fix it, in text as well', async () => {
    const { run } = await deployedRegion({ hooks: [] });
    const { status, stdout } = await run('doctor');
    expect(status).toBe(1);
    expect(stdout).toContain(
      'ERROR        group web: it has no terminating hook ecs-drain: its instances are terminated without a drain.\n             -> Deploy with',
    );
  });

  it('looks for the rules by the names that they are deployed with', async () => {
    const params = { spotInterruptions: true, rebalanceRecommendations: true };
    const { region, json } = await deployedRegion({ params, rules: [] });
    const names = Object.values(deployed(params).rules).map(({ Properties }) => String(Properties['Name']));
    expect(names).toHaveLength(7);
    const missing = await json('doctor');
    expect(missing.status).toBe(1);
    const troubles = missing.answer.findings.filter(({ level }: Finding) => level !== 'ok');
    expect(troubles.map(({ where }: Finding) => where).toSorted()).toEqual(
      names.map((name) => `rule ${name}`).toSorted(),
    );

    for (const name of names) {
      region.eventBridge.putRule({ name, pattern: { source: ['aws.ec2'] }, target: () => undefined });
    }
    expect(await json('doctor')).toMatchObject({ status: 0, answer: { healthy: true } });
  });

  it('finds a visibility timeout that is shorter than the function may take', async () => {
    const world = { lambda: { timeoutSeconds: 90 }, eventQueue: { visibilityTimeoutSeconds: 30 }, mapping: null };
    const { troubles } = await troublesIn(world);
    const what = expect.stringContaining("30 s is shorter than the function's timeout of 90 s");
    expect(troubles).toContainEqual(expect.objectContaining({ level: 'warning', where: 'event queue events', what }));
  });

  it('finds queues that do not exist', async () => {
    const { json, fail } = await deployedRegion();
    fail(({ operation }) =>
      operation === 'GetQueueAttributes'
        ? new AwsError('QueueDoesNotExist', 'The specified queue does not exist.')
        : undefined,
    );
    const { answer } = await json('doctor');
    expect(answer.findings.filter(({ level }: Finding) => level !== 'ok')).toMatchObject([
      { level: 'error', where: 'event queue events', what: 'SQS has no such queue: no event arrives.' },
      {
        level: 'warning',
        where: 'task stop queue task-stops',
        what: 'SQS has no such queue: stops of tasks wake no drain.',
      },
      { level: 'error', where: 'dead-letter queue dead-letters', what: 'SQS has no such queue.' },
    ]);
  });

  it('finds messages in the dead-letter queue', async () => {
    const { deadLetters, pass, json } = await deployedRegion();
    deadLetters.send('{}');
    await pass(1);
    const { status, answer } = await json('doctor');
    expect(status).toBe(1);
    expect(answer.findings).toContainEqual(
      expect.objectContaining({ level: 'error', what: expect.stringContaining('it has 1 message') }),
    );
  });

  it('finds a cluster that does not exist, and checks the rest', async () => {
    const { status, troubles } = await troublesIn({ params: { cluster: 'prod,gone' } });
    expect(status).toBe(1);
    expect(troubles).toMatchObject([{ level: 'error', where: 'cluster gone', what: 'ECS has no such cluster.' }]);
  });

  it('says which commands whoever runs it may not use', async () => {
    const { region, json } = await deployedRegion();
    const statements = [
      { Effect: 'Allow', Action: '*', Resource: '*' },
      { Effect: 'Deny', Action: 'lambda:InvokeFunction', Resource: '*' },
      { Effect: 'Deny', Action: 'autoscaling:Terminate*', Resource: '*' },
    ];
    region.roles.set('user/local', { statements, trust: [] });
    const { status, answer } = await json('doctor');
    expect(status).toBe(0);
    const group = 'arn:aws:autoscaling:eu-west-1:123456789012:autoScalingGroup:any:autoScalingGroupName/web';
    expect(answer.findings.filter(({ level }: Finding) => level !== 'ok').map(({ what }: Finding) => what)).toEqual([
      `drain will not work for you: autoscaling:TerminateInstanceInAutoScalingGroup is not allowed on ${group}.`,
      'extend, replay --yes, drain --message and release --message will not work for you: lambda:InvokeFunction is not allowed on arn:aws:lambda:eu-west-1:123456789012:function:ecs-drain-main-drain.',
    ]);
  });

  it('is content where nothing but the simulation of policies is not permitted', async () => {
    const { fail, json } = await deployedRegion();
    fail((call) => (call.service === 'iam' ? denied(call) : undefined));
    const { status, answer } = await json('doctor');
    expect({ status, healthy: answer.healthy }).toEqual({ status: 0, healthy: true });
    expect(answer.findings.filter(({ level }: Finding) => level === 'unchecked')).toEqual([
      {
        level: 'unchecked',
        isOptional: true,
        where: "the function's role",
        what: `Could not simulate what role drain may do: User: me is not authorized to perform: iam:SimulatePrincipalPolicy. The commands need these permissions: https://github.com/ecs-drain/ecs-drain/blob/v${packageJson.version}/docs/operations.md#permissions`,
      },
      {
        level: 'unchecked',
        isOptional: true,
        where: 'your own permissions',
        what: `Could not simulate what you may do: User: me is not authorized to perform: iam:SimulatePrincipalPolicy. The commands need these permissions: https://github.com/ecs-drain/ecs-drain/blob/v${packageJson.version}/docs/operations.md#permissions`,
      },
    ]);
  });

  it('simulates that the role may use the key of the queues, and says that it does not read the policy of the key', async () => {
    const kmsKey = 'arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab';
    const well = await troublesIn({ eventQueue: { kmsKey } });
    expect(well).toMatchObject({
      status: 0,
      healthy: true,
      troubles: [
        {
          level: 'unchecked',
          where: 'KMS key 1234abcd-12ab-34cd-56ef-1234567890ab',
          what: expect.stringContaining('Whether it is enabled is not read'),
        },
      ],
    });
    const statements = [
      { Effect: 'Allow', Action: '*', Resource: '*' },
      { Effect: 'Deny', Action: 'kms:*', Resource: '*' },
    ] as const;
    const { status, troubles } = await troublesIn({ eventQueue: { kmsKey }, statements });
    expect(status).toBe(1);
    expect(troubles.map(({ what }) => what)).toEqual([
      `kms:Decrypt is not allowed on ${kmsKey}.`,
      `kms:GenerateDataKey is not allowed on ${kmsKey}.`,
      expect.any(String),
    ]);
  });

  it('goes on without what else it may not ask, assumes the setting for it, and calls that not healthy', async () => {
    const { fail, json } = await deployedRegion();
    fail((call) => (call.service === 'elbv2' ? denied(call) : undefined));
    const { status, answer } = await json('doctor');
    expect({ status, healthy: answer.healthy }).toEqual({ status: 3, healthy: false });
    expect(answer.findings.filter(({ level }: Finding) => level !== 'ok')).toEqual([
      {
        level: 'unchecked',
        where: 'service web of cluster prod',
        what: expect.stringMatching(
          /elbv2:DescribeTargetGroupAttributes.*A deregistration delay of 300 s is assumed\.$/,
        ),
      },
    ]);
  });

  it('does not call a Region healthy in which it may ask nothing but how the function is configured', async () => {
    const { fail, json, run } = await deployedRegion();
    fail((call) => (call.operation === 'GetFunctionConfiguration' ? undefined : denied(call)));
    const { status, answer } = await json('doctor');
    expect({ status, healthy: answer.healthy }).toEqual({ status: 3, healthy: false });
    expect((await run('doctor')).stdout).toMatch(
      /15 not checked, 1 passed\. --verbose lists all\.\nWhat was not checked may prevent drains as well\.\n$/,
    );
  });

  it('asks what does not answer only once, however many services there are', async () => {
    const { fail, json } = await deployedRegion({ services: [{ name: 'web' }, { name: 'api' }] });
    let asked = 0;
    fail(({ service }) => {
      if (service !== 'elbv2') return undefined;
      asked += 1;
      return new AwsError('InvalidTargetGroup', 'It will never answer', 503);
    });
    const { status, answer } = await json('doctor');
    expect(status).toBe(3);
    expect(answer.findings.filter(({ level }: Finding) => level === 'unchecked')).toHaveLength(2);
    expect(asked).toBe(SDK_BOUNDS.maxAttempts);
  });
});

describe('what the doctor finds', () => {
  const LEVELS = ['ok', 'warning', 'unchecked', 'error', 'note', 'ok'] as const;
  const FINDINGS = LEVELS.map((level, index) => ({ level, where: `check ${index}`, what: 'it is so.' }));
  const reported = (findings: readonly Finding[], verbose?: boolean) => {
    const lines: string[] = [];
    const output = { page: NO_TERMINAL, print: (text: string) => void lines.push(text), printJson: () => {} };
    return { status: reportFindings(findings, {}, output, verbose), lines };
  };

  it('shows the worst first, and what passed only if that is asked for', () => {
    const worst = [
      'ERROR        check 3: it is so.',
      'warning      check 1: it is so.',
      'not checked  check 2: it is so.',
      'note         check 4: it is so.',
    ];
    const late = 'What was not checked may prevent drains as well.';
    expect(reported(FINDINGS).lines).toEqual([
      ...worst,
      '\n1 error, 1 warning, 1 not checked, 2 passed. --verbose lists all.',
      late,
    ]);
    expect(reported(FINDINGS, true).lines).toEqual([
      ...worst,
      ...['check 0', 'check 5'].map((where) => `${'ok'.padEnd(13)}${where}: it is so.`),
      '\n1 error, 1 warning, 1 not checked, 2 passed.',
      late,
    ]);
  });

  it.each<[status: number, levels: Finding['level'][], isOptional?: true]>([
    [0, ['ok', 'note', 'warning']],
    [0, ['ok', 'unchecked'], true],
    [3, ['ok', 'unchecked']],
    [1, ['unchecked', 'error']],
    [1, ['unchecked', 'error'], true],
  ])('makes the exit status %i of %j', (status, levels, isOptional) => {
    const findings = levels.map((level) => ({ level, where: 'it', what: 'so', ...(isOptional && { isOptional }) }));
    expect(reported(findings).status).toBe(status);
  });
});

describe('the event source mapping that the doctor judges', () => {
  const well = {
    UUID: 'a-mapping',
    State: 'Enabled',
    LastProcessingResult: 'OK',
    FunctionResponseTypes: ['ReportBatchItemFailures' as const],
    ScalingConfig: { MaximumConcurrency: 5 },
  };

  it.each([
    [
      'is disabled',
      { State: 'Disabled', StateTransitionReason: 'USER_INITIATED' },
      'it is Disabled (USER_INITIATED): Lambda does not read the queue.',
    ],
    [
      'Lambda cannot read with',
      { LastProcessingResult: 'PROBLEM: Lambda cannot access the queue.' },
      'Lambda has a problem with the queue: PROBLEM: Lambda cannot access the queue.',
    ],
  ])('is an error if it %s', (_, change, what) => {
    expect([...mappingTroubles(well, 'it')]).toEqual([]);
    expect([...mappingTroubles({ ...well, ...change }, 'it')]).toMatchObject([{ level: 'error', where: 'it', what }]);
  });
});

describe('the services that the doctor judges', () => {
  const by = (...providers: string[]) => ({
    capacityProviderStrategy: providers.map((capacityProvider) => ({ capacityProvider })),
  });
  const providers = new Map([
    ['web', 'web'],
    ['theirs', 'another-group'],
    ['managed', undefined],
  ]);

  it.each([
    ['launched on EC2', { launchType: 'EC2' }, true],
    ['launched on Fargate', { launchType: 'FARGATE' }, false],
    ['launched on ECS Anywhere', { launchType: 'EXTERNAL' }, false],
    ['launched on ECS Managed Instances', { launchType: 'MANAGED_INSTANCES' }, false],
    ['of an external deployment, without a launch type or a task set', {}, true],
    ['placed by the capacity provider of our group', by('web'), true],
    ['placed by ours and by Fargate', by('FARGATE', 'web'), true],
    ['placed by the capacity provider of another group', by('theirs'), false],
    ['placed by ECS Managed Instances', by('managed'), false],
    ['placed by a capacity provider that ECS does not describe', by('unknown'), true],
    ['placed by Fargate', by('FARGATE'), false],
    ['placed by both of Fargate', by('FARGATE', 'FARGATE_SPOT'), false],
    ['whose task set is placed by ours', { taskSets: [by('FARGATE'), by('web')] }, true],
    ['whose task sets are launched on EC2', { taskSets: [{ launchType: 'EC2' }] }, true],
    ['whose task sets are placed elsewhere', { taskSets: [by('FARGATE'), by('theirs')] }, false],
  ] as const)('are those that can be on our instances, as one %s', (_, service, isJudged) => {
    const placement = placementOf(service as EcsService);
    expect(mayRunOnOurs({ placement }, providers, { autoScalingGroups: [groupNamed('web')] })).toBe(isJudged);
  });

  it('find room only where ECS may place their tasks', () => {
    const size = { cpuUnits: 100, memoryMiB: 100 };
    const host = (ec2InstanceId: string, capacityProvider?: string) => ({
      ec2InstanceId,
      capacityProvider,
      free: size,
    });
    const task = (capacityProvider?: string) => ({ ...size, capacityProvider });
    const homeless = (tasks: ReturnType<typeof task>[], ...hosts: ReturnType<typeof host>[]) =>
      homelessOf(tasks, hosts, providers).length;
    expect(homeless([task()], host('i-1'))).toBe(0);
    expect(homeless([task(), task()], host('i-1'))).toBe(1);
    expect(homeless([task()], host('i-1', 'theirs'))).toBe(0); // the launch type EC2 asks for no provider
    expect(homeless([task()], host('mi-1'))).toBe(1);
    expect(homeless([task()], host('i-1', 'managed'))).toBe(1);
    expect(homeless([task('web')], host('i-1'), host('i-2', 'theirs'), host('mi-1'))).toBe(1);
    expect(homeless([task('web')], host('i-1'), host('i-2', 'web'))).toBe(0);
  });
});

describe('the load balancing that the doctor reads', () => {
  const alternating = { targetGroupArn: 'blue', advancedConfiguration: { alternateTargetGroupArn: 'green' } };

  it.each<[string, EcsService, readonly string[], readonly string[]]>([
    ['a service', { loadBalancers: [{ targetGroupArn: 'blue' }, { targetGroupArn: 'blue' }] }, ['blue'], []],
    ['its alternate', { loadBalancers: [alternating] }, ['blue', 'green'], []],
    [
      'its task sets',
      { taskSets: [{ loadBalancers: [{ targetGroupArn: 'blue' }] }, { loadBalancers: [alternating] }] },
      ['blue', 'green'],
      [],
    ],
    ['nothing', {}, [], []],
    ['a Classic Load Balancer', { loadBalancers: [{ loadBalancerName: 'old' }] }, [], ['Classic Load Balancer old']],
    [
      'VPC Lattice',
      {
        deployments: [{ vpcLatticeConfigurations: [{ targetGroupArn: 'tg', roleArn: 'role', portName: 'http' }] }],
      },
      [],
      ['VPC Lattice target group tg'],
    ],
  ])('is in every place where a target group can stand: %s', (_, service, targetGroups, unread) => {
    expect(loadBalancingOf(service)).toEqual({ targetGroups, unread });
  });
});

function denied({ service, operation }: WireCall): AwsError {
  return new AwsError('AccessDenied', `User: me is not authorized to perform: ${service}:${operation}`, 403);
}
