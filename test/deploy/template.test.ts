import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { SimulatePolicyResponse } from '@aws-sdk/client-iam';
import { beforeAll, describe, expect, it } from 'vitest';
import { needsOf } from '../../cli/doctor.ts';
import { deploymentIn, type Package, packaged, unpack } from '../../sandbox/packaging.ts';
import { matches } from '../../sandbox/region/event-bridge/event-pattern.ts';
import { iamService } from '../../sandbox/region/iam/api.ts';
import { callOperation } from '../../sandbox/region/wire/wire.ts';
import { CONTINUATION_DETAIL_TYPE, NEWS_DETAIL_TYPES } from '../../src/adapters/event-bridge.ts';
import { settingsFrom } from '../../src/handlers/settings.ts';
import { deployed } from './deployed.ts';
import { purposeOf, sampleEvents } from './sample-events.ts';

/** What a user types, with two groups. */
const TYPED = ['--param=cluster=prod', '--param=autoScalingGroups=web,workers'];

/** As typed; edited in the YAML, for another stage; with hooks that are managed elsewhere; without parking. */
let typical: Package;
let edited: Package;
let hookless: Package;
let watching: Package;

beforeAll(async () => {
  [typical, edited, hookless, watching] = await Promise.all([
    packaged({ args: TYPED }),
    packaged({
      args: ['--stage=blue-green'],
      edit: (yaml) =>
        yaml
          .replace('cluster: null', 'cluster: prod, staging')
          .replace('autoScalingGroups: null', 'autoScalingGroups: web')
          .replace('heartbeatTimeoutSeconds: 3600', 'heartbeatTimeoutSeconds: 1800')
          .replace('hookDefaultResult: CONTINUE', 'hookDefaultResult: ABANDON')
          .replace('functionTimeoutSeconds: 300', 'functionTimeoutSeconds: 900')
          .replace('stopStragglers: none', 'stopStragglers: all'),
    }),
    packaged({ args: [...TYPED, '--param=createLifecycleHooks=false', '--param=lifecycleHook=first,second'] }),
    packaged({ args: [...TYPED, '--param=waiting=watch'] }),
  ]);
});

describe('the rules', () => {
  it.each([
    ['as typed', () => typical],
    ['for another stage', () => edited],
    ['with hooks that are managed elsewhere', () => hookless],
    ['without parking', () => watching],
  ])('take each sample event or leave it, %s', async (_, from) => {
    const { rules, environment } = deploymentIn(from());
    const settings = settingsFrom(environment);
    const takersOf = (event: unknown) =>
      rules.filter(({ pattern }) => matches(pattern, event)).map(({ name }) => purposeOf(name, settings));
    const samples = await sampleEvents(settings);
    expect(samples.map(({ what, event }) => [what, takersOf(event)])).toEqual(
      samples.map(({ what, takenBy }) => [what, takenBy === undefined ? [] : [takenBy]]),
    );
  });
});

/** What IAM gives no resource. */
const UNSCOPED = [
  'autoscaling:DescribeAutoScalingGroups',
  'autoscaling:DescribeLifecycleHooks',
  'autoscaling:DescribeScalingActivities',
  'ecs:DescribeTaskDefinition',
  'scheduler:ListSchedules',
];

describe("the function's role", () => {
  it('allows exactly the actions that the adapters send, and to pass on what schedules run as', async () => {
    expect(actionsOf(edited).toSorted()).toEqual([...(await adapterActions()), 'iam:PassRole'].toSorted());
  });

  it.each([
    ['as typed', () => typical],
    ['for another stage', () => edited],
    ['without parking', () => watching],
  ])('allows exactly what the doctor has IAM simulate, %s', (_, from) => {
    const { environment, role, roles } = deploymentIn(from());
    const functionArn = 'arn:aws:lambda:eu-west-1:123456789012:function:drain';
    const needs = needsOf({ functionArn, settings: settingsFrom(environment) });
    const simulated = new Set(needs.flatMap(({ actions }) => actions));
    expect([...simulated].toSorted()).toEqual(actionsOf(from()).toSorted());

    const iam = iamService(roles);
    const decisions = needs.map(({ actions, resources, context }) => {
      const ContextEntries = Object.entries(context ?? {}).map(([ContextKeyName, value]) => ({
        ContextKeyName,
        ContextKeyValues: [value],
      }));
      const asked = {
        PolicySourceArn: `arn:aws:iam::123456789012:role/${role}`,
        ActionNames: actions,
        ResourceArns: resources,
        ContextEntries,
      };
      const answer = callOperation(iam, 'SimulatePrincipalPolicy', { ...asked }) as SimulatePolicyResponse;
      const { EvaluationResults: results = [] } = answer;
      return results.map(({ EvalDecision }) => EvalDecision);
    });
    expect(new Set(decisions.flat())).toEqual(new Set(['allowed']));
  });

  it('allows neither StopTask nor what only StopTask needs where no task is stopped', async () => {
    const stopping = ['ecs:DescribeTaskDefinition', 'ecs:StopTask'];
    const others = [...(await adapterActions()), 'iam:PassRole'].filter((action) => !stopping.includes(action));
    expect(actionsOf(typical).toSorted()).toEqual(others.toSorted());
    expect(actionsOf(hookless).toSorted()).toEqual(others.toSorted());
  });

  it.each<[action: string, resources: string[], condition: unknown]>([
    ['ecs:ListContainerInstances', [ecs('cluster/prod'), ecs('cluster/staging')], undefined],
    ['ecs:DescribeContainerInstances', ecsOf('container-instance'), inOurClusters()],
    ['ecs:UpdateContainerInstancesState', ecsOf('container-instance'), inOurClusters()],
    ['ecs:ListTasks', ecsOf('container-instance'), inOurClusters()],
    ['ecs:DescribeTasks', ecsOf('task'), inOurClusters()],
    ['ecs:GetTaskProtection', ecsOf('task'), inOurClusters()],
    ['ecs:StopTask', ecsOf('task'), inOurClusters()],
    ['ecs:DescribeServices', ecsOf('service'), inOurClusters()],
    ['autoscaling:CompleteLifecycleAction', [groupArn('web')], undefined],
    ['autoscaling:RecordLifecycleActionHeartbeat', [groupArn('web')], undefined],
    [
      'events:PutEvents',
      ['arn:aws:events:eu-west-1:123456789012:event-bus/default'],
      {
        StringEquals: {
          'events:source': 'ecs-drain.blue-green',
          'events:detail-type': [CONTINUATION_DETAIL_TYPE, ...Object.values(NEWS_DETAIL_TYPES)],
        },
      },
    ],
    ['scheduler:CreateSchedule', [schedules('ecs-drain-blue-green')], undefined],
    ['scheduler:UpdateSchedule', [schedules('ecs-drain-blue-green')], undefined],
    ['scheduler:GetSchedule', [schedules('ecs-drain-blue-green')], undefined],
    ['scheduler:DeleteSchedule', [schedules('ecs-drain-blue-green')], undefined],
    ['iam:PassRole', ['ParkingRole.Arn'], { StringEquals: { 'iam:PassedToService': 'scheduler.amazonaws.com' } }],
    ...UNSCOPED.map((action): [string, string[], undefined] => [action, ['*'], undefined]),
  ])('allows %s on what it needs alone', (action, resources, condition) => {
    const allowing = functionStatements(edited).filter(({ Action }) => Action.includes(action));
    expect(allowing.map(({ Resource }) => Resource)).toEqual([resources]);
    expect(allowing.map(({ Condition }) => Condition)).toEqual([condition]);
  });

  it("may, for Lambda's sake, write this function's logs and dead letters", () => {
    const logGroups = 'arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/ecs-drain-dev*:*';
    expect(functionStatements(typical).filter(isForLambda)).toEqual([
      statement(['logs:CreateLogStream', 'logs:CreateLogGroup', 'logs:TagResource'], logGroups),
      statement(['logs:PutLogEvents'], `${logGroups}:*`),
      statement(['sqs:SendMessage'], 'DeadLetterQueue.Arn'),
    ]);
  });

  it('allows nothing on every resource but what IAM gives none', () => {
    const unscoped = functionStatements(edited).filter(({ Resource }) => Resource.includes('*'));
    expect(unscoped.flatMap(({ Action }) => Action).toSorted()).toEqual(UNSCOPED);
  });

  it('knows nothing of SNS', () => {
    const packages = [typical, edited, hookless, watching];
    for (const { resources } of packages) expect(JSON.stringify(resources)).not.toMatch(/\bsns\b/i);
  });
});

describe('the sweep', () => {
  it('comes every minute, and is not tried again for long: the next one comes', () => {
    expect(deploymentIn(typical).scheduledRules).toEqual([
      {
        name: 'ecs-drain-dev-sweep',
        address: {
          arn: 'arn:aws:lambda:eu-west-1:123456789012:function:ecs-drain-dev-drain',
          id: 'ecs-drain-dev-sweep-target',
        },
        everySeconds: 60,
        retryPolicy: { maximumEventAgeSeconds: 60, maximumRetryAttempts: 1 },
      },
    ]);
  });

  it.each([
    [1, 'rate(1 minute)'],
    ['5', 'rate(5 minutes)'],
  ])('comes every so many minutes: %s', (sweepMinutes, rate) => {
    expect(deployed({ sweepMinutes }).sweepRate).toBe(rate);
  });
});

describe('the dead-letter queue', () => {
  it('is encrypted and keeps what it is given for 14 days', () => {
    const [queue] = ofType<{ SqsManagedSseEnabled: boolean; MessageRetentionPeriod: number }>('AWS::SQS::Queue');
    expect(queue).toEqual({ SqsManagedSseEnabled: true, MessageRetentionPeriod: 14 * 24 * 60 * 60 });
  });

  it('takes messages from the rules whose events must not be lost, and over TLS only', () => {
    const [policy] = ofType<{ PolicyDocument: { Statement: unknown[] } }>('AWS::SQS::QueuePolicy');
    expect(policy?.PolicyDocument.Statement).toEqual([
      {
        Sid: 'OnlyOurRules',
        Effect: 'Allow',
        Principal: { Service: 'events.amazonaws.com' },
        Action: 'sqs:SendMessage',
        Resource: 'DeadLetterQueue.Arn',
        Condition: { ArnEquals: { 'aws:SourceArn': ['termination', 'continuation'].map(ruleArn) } },
      },
      {
        Sid: 'OnlyOverTls',
        Effect: 'Deny',
        Principal: '*',
        Action: 'sqs:*',
        Resource: 'DeadLetterQueue.Arn',
        Condition: { Bool: { 'aws:SecureTransport': 'false' } },
      },
    ]);
  });

  it.each(['termination', 'continuation'])('gets what the %s rule could not deliver in two hours', (name) => {
    expect(rule(name).Targets).toMatchObject([
      {
        Arn: 'DrainLambdaFunction.Arn',
        RetryPolicy: { MaximumEventAgeInSeconds: 7_200, MaximumRetryAttempts: 185 },
        DeadLetterConfig: { Arn: 'DeadLetterQueue.Arn' },
      },
    ]);
  });

  it('gets the events with which the function failed three times', () => {
    const [invocation] = ofType('AWS::Lambda::EventInvokeConfig');
    expect(invocation).toMatchObject({
      FunctionName: 'DrainLambdaFunction',
      MaximumRetryAttempts: 2,
      MaximumEventAgeInSeconds: 7_200,
      DestinationConfig: { OnFailure: { Destination: 'DeadLetterQueue.Arn' } },
    });
  });
});

describe('the lifecycle hooks', () => {
  it('are one for each group, without a notification target', () => {
    expect(ofType('AWS::AutoScaling::LifecycleHook')).toEqual(
      ['web', 'workers'].map((AutoScalingGroupName) => ({
        AutoScalingGroupName,
        LifecycleHookName: 'ecs-drain',
        LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
        HeartbeatTimeout: 3_600,
        DefaultResult: 'CONTINUE',
      })),
    );
  });

  it('follow the params', () => {
    const hook = { HeartbeatTimeout: 1_800, DefaultResult: 'ABANDON' };
    expect(ofType('AWS::AutoScaling::LifecycleHook', edited)).toMatchObject([hook]);
  });

  it('are none where they are managed elsewhere', () => {
    expect(ofType('AWS::AutoScaling::LifecycleHook', hookless)).toEqual([]);
  });

  it.each([
    ['as typed', () => typical, 9],
    ['for another stage', () => edited, 9],
    ['without parking', () => watching, 6],
  ])('come after every rule, its permission, and the right to park, %s', (_, from, count) => {
    const { resources } = from();
    const types = ['AWS::Events::Rule', 'AWS::Lambda::Permission', 'AWS::IAM::Policy'];
    const listening = Object.keys(resources).filter((id) => types.includes(resources[id]?.Type ?? ''));
    const hooks = Object.values(resources).filter(({ Type }) => Type === 'AWS::AutoScaling::LifecycleHook');
    expect(listening).toHaveLength(count);
    expect(hooks).not.toEqual([]);
    for (const { DependsOn } of hooks) expect(DependsOn?.toSorted()).toEqual(listening.toSorted());
  });

  it('keep their logical ids when other groups come and go, and share none', () => {
    const idOf = (groups: string) => Object.keys(deployed({ autoScalingGroups: groups }).lifecycleHooks);
    const [ofWeb] = idOf('web');
    expect(idOf('workers,web')).toContain(ofWeb);
    expect(new Set(idOf('my-asg,my.asg,myasg')).size).toBe(3);
    for (const id of idOf('my asg/1,ü')) expect(id).toMatch(/^[A-Za-z0-9]+$/);
  });
});

describe('parking', () => {
  it('has a group of schedules that is the deployment’s own', () => {
    expect(ofType('AWS::Scheduler::ScheduleGroup')).toEqual([{ Name: 'ecs-drain-dev' }]);
    expect(ofType('AWS::Scheduler::ScheduleGroup', edited)).toEqual([{ Name: 'ecs-drain-blue-green' }]);
  });

  it('has a role that only the schedules of this group may assume', () => {
    expect(parkingRole(typical).AssumeRolePolicyDocument.Statement).toEqual([
      {
        Effect: 'Allow',
        Principal: { Service: 'scheduler.amazonaws.com' },
        Action: 'sts:AssumeRole',
        Condition: {
          StringEquals: { 'aws:SourceAccount': '123456789012' },
          ArnEquals: { 'aws:SourceArn': 'ScheduleGroup.Arn' },
        },
      },
    ]);
  });

  it('has a role that may continue drains of this deployment, and keep what it could not', () => {
    expect(inlineStatements(parkingRole(edited))).toEqual([
      {
        ...statement(['events:PutEvents'], 'arn:aws:events:eu-west-1:123456789012:event-bus/default'),
        Condition: {
          StringEquals: { 'events:source': 'ecs-drain.blue-green', 'events:detail-type': 'ECS Drain Continuation' },
        },
      },
      statement(['sqs:SendMessage'], 'DeadLetterQueue.Arn'),
    ]);
  });

  it('is woken by a rule whose news is dropped when a drain has looked for itself since', () => {
    expect(rule('wake-up').Targets).toEqual([
      {
        Id: 'drain',
        Arn: 'DrainLambdaFunction.Arn',
        RetryPolicy: { MaximumEventAgeInSeconds: 360, MaximumRetryAttempts: 185 },
      },
    ]);
  });

  it('lets EventBridge invoke the function by that rule', () => {
    expect(ofType('AWS::Lambda::Permission')).toContainEqual({
      FunctionName: 'DrainLambdaFunction.Arn',
      Action: 'lambda:InvokeFunction',
      Principal: 'events.amazonaws.com',
      SourceArn: 'WakeUpRule.Arn',
    });
  });

  it('is told to the function by its environment', () => {
    expect(settingsFrom(deploymentIn(edited).environment).parking).toEqual({
      scheduleGroup: 'ecs-drain-blue-green',
      scheduleRoleArn: 'arn:aws:iam::123456789012:role/ParkingRole',
      eventBusArn: 'arn:aws:events:eu-west-1:123456789012:event-bus/default',
      deadLetterQueueArn: 'arn:aws:sqs:eu-west-1:123456789012:DeadLetterQueue',
      eventSource: 'ecs-drain.blue-green',
    });
  });

  it('leaves no trace in a deployment whose drains are watched', async () => {
    expect(JSON.stringify(watching.template)).not.toMatch(/schedule(?!Expression)|park|wake|PassRole/i);
    const parking = /^scheduler:|^ecs:(StopTask|DescribeTaskDefinition)$/;
    const others = (await adapterActions()).filter((action) => !parking.test(action));
    expect(actionsOf(watching).toSorted()).toEqual(others);
    expect(ofType('AWS::IAM::Role', watching)).toHaveLength(1);
    expect(ofType('AWS::Events::Rule', watching)).toHaveLength(3);
    const { environment } = deploymentIn(watching);
    expect(environment).toMatchObject({ WAITING: 'watch' });
    expect(settingsFrom(environment).parking).toBeUndefined();
  });
});

describe('the function', () => {
  it('runs on Node 24, on arm64, untraced and unversioned', () => {
    const [lambda] = ofType('AWS::Lambda::Function');
    expect(lambda).toMatchObject({ Runtime: 'nodejs24.x', Architectures: ['arm64'], MemorySize: 256, Timeout: 300 });
    expect(lambda).not.toHaveProperty('TracingConfig');
    expect(ofType('AWS::Lambda::Version')).toEqual([]);
  });

  it('has as much time as its settings say', () => {
    expect(ofType('AWS::Lambda::Function', edited)).toMatchObject([
      { Timeout: 900, Environment: { Variables: { FUNCTION_TIMEOUT_SECONDS: '900' } } },
    ]);
  });

  it('has executions of its own where drains are parked, and takes what there is where they are watched', () => {
    expect(ofType('AWS::Lambda::Function')).toMatchObject([{ ReservedConcurrentExecutions: 50 }]);
    expect(ofType('AWS::Lambda::Function', watching)[0]).not.toHaveProperty('ReservedConcurrentExecutions');
  });

  it.each([
    ['park', 'auto', 50],
    ['watch', 'auto', null],
    ['park', 'none', null],
    ['watch', 'none', null],
    ['park', 10, 10],
    ['watch', '1000', 1_000],
  ])(
    'has, with waiting=%s and reservedConcurrency=%s, %s executions of its own',
    (waiting, reservedConcurrency, own) => {
      expect(deployed({ waiting, reservedConcurrency }).reservedConcurrency).toBe(own);
    },
  );

  it('has its logs kept for 7 days', () => {
    expect(ofType('AWS::Logs::LogGroup')).toEqual([
      { LogGroupName: '/aws/lambda/ecs-drain-dev-drain', RetentionInDays: 7 },
    ]);
  });

  it('is at most 200 KB to load, all of it one file', async () => {
    expect(typical.zip.length).toBeLessThanOrEqual(200 * 1024);
    const folder = await mkdtemp(join(tmpdir(), 'ecs-drain-function-'));
    try {
      await unpack(typical, folder);
      const files = (await readdir(folder, { recursive: true })).filter((path) => path.includes('.'));
      expect(files).toEqual(['src/handlers/lambda.mjs']);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('starts from the package with the environment that the template gives it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'ecs-drain-function-'));
    try {
      const module = await unpack(typical, folder);
      const [lambda] = ofType<{ Environment: { Variables: Record<string, string> } }>('AWS::Lambda::Function');
      const script = `console.log(typeof (await import('${module}')).handler)`;
      const args = ['--input-type=module', '--eval', script];
      const started = promisify(execFile)(process.execPath, args, { cwd: folder, env: lambda?.Environment.Variables });
      expect((await started).stdout).toBe('function\n');
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('is named in the outputs, and so is the dead-letter queue', () => {
    expect(typical.outputs).toMatchObject({
      FunctionName: { Value: 'DrainLambdaFunction' },
      DeadLetterQueueUrl: { Value: 'DeadLetterQueue' },
    });
  });
});

describe('params', () => {
  it.each([
    [{ cluster: undefined }, 'cluster is missing: expected names, separated by commas.'],
    [{ cluster: null }, 'cluster is missing: expected names, separated by commas.'],
    [{ autoScalingGroups: undefined }, 'autoScalingGroups is missing: expected names, separated by commas.'],
    [
      { cluster: 'arn:aws:ecs:eu-west-1:123456789012:cluster/prod' },
      'expected the name (not the ARN) of an ECS cluster',
    ],
    [{ autoScalingGroups: 'web,,workers' }, 'autoScalingGroups.1 is "": expected the name (not the ARN) of an Auto'],
    [{ autoScalingGroups: 'web*' }, 'autoScalingGroups.0 is "web*": expected the name (not the ARN) of an Auto'],
    [{ lifecycleHook: 'ecs drain' }, 'lifecycleHook.0 is "ecs drain": expected the name of a lifecycle hook.'],
    [{ createLifecycleHooks: 'yes' }, 'createLifecycleHooks names yes, which autoScalingGroups (web) does not have'],
    [{ createLifecycleHooks: 'a*' }, 'createLifecycleHooks is "a*": expected true, false, or the names of the groups'],
    [{ autoScalingGroups: 'web@prod,web@batch' }, 'expected each group once.'],
    [{ cluster: null, autoScalingGroups: 'web@prod,workers' }, 'cluster is missing'],
    [{ dryRun: true }, 'dryRun completes nothing, and createLifecycleHooks true would hold every instance for'],
    [{ stuckFraction: 0 }, 'stuckFraction is 0: expected a number from 0.05 to 1.'],
    [{ spotInterruptions: 'yes' }, 'spotInterruptions is "yes": expected one of true, false.'],
    [
      {
        autoScalingGroups: Array.from({ length: 12 }, (_, i) => `${'a-group-with-a-long-name-'.repeat(8)}${i}`).join(),
      },
      "autoScalingGroups has 12 groups: with them the rule's pattern is about",
    ],
    [
      { autoScalingGroups: Array.from({ length: 80 }, (_, i) => `g${i}`).join() },
      "autoScalingGroups has 80 groups: with them the role's policy is about",
    ],
    [
      { heartbeatTimeoutSeconds: 29 },
      'heartbeatTimeoutSeconds is 29: expected a whole number of seconds from 30 to 7200.',
    ],
    [{ heartbeatTimeoutSeconds: 7_201 }, 'expected a whole number of seconds from 30 to 7200.'],
    [{ hookDefaultResult: 'continue' }, 'hookDefaultResult is "continue": expected one of CONTINUE, ABANDON.'],
    [{ deadlineSeconds: '2h' }, 'deadlineSeconds is "2h": expected a whole number of seconds from 1 to 172800.'],
    [{ deadlineResult: 'STOP' }, 'deadlineResult is "STOP": expected one of CONTINUE, ABANDON.'],
    [{ stopStragglers: true }, 'stopStragglers is "true": expected one of none, standalone, all.'],
    [{ waiting: 'sleep' }, 'waiting is "sleep": expected one of park, watch.'],
    [{ waiting: true }, 'waiting is "true": expected one of park, watch.'],
    ...Object.entries({ 9: '9', 1001: '1001', 12.5: '"12.5"', all: '"all"' }).map(
      ([reservedConcurrency, shown]): [Record<string, unknown>, string] => [
        { reservedConcurrency },
        `reservedConcurrency is ${shown}: expected auto, none, or a whole number from 10 to 1000.`,
      ],
    ),
    [{ logLevel: 'LOUD' }, 'logLevel is "LOUD": expected one of DEBUG, INFO, WARN, ERROR.'],
    [{ clutser: 'prod' }, 'There is no param clutser; there are cluster, autoScalingGroups, '],
    [{ eventSource: 'mine' }, 'There is no param eventSource; there are cluster, autoScalingGroups, '],
    [{ lifecycleHook: 'first,second' }, 'lifecycleHook names 2 hooks (first, second), and createLifecycleHooks gives'],
    [{ heartbeatTimeoutSeconds: 60 }, 'deadlineSeconds 7200 is above the hook'],
    [{ functionTimeoutSeconds: 20 }, 'functionTimeoutSeconds 20 - marginSeconds 20 = 0 s leaves no room for one poll'],
    [{ heartbeatFraction: 1.5 }, 'heartbeatFraction 1.5 is not below 1'],
  ])('that cannot work are refused with a sentence: %j', (params, sentence) => {
    expect(() => deployed(params)).toThrow(sentence);
  });

  it('are text from the command line, and text, numbers or booleans from YAML', () => {
    const typed = deployed({ deadlineSeconds: '600', heartbeatFraction: '0.25', createLifecycleHooks: 'true' });
    const written = deployed({ deadlineSeconds: 600, heartbeatFraction: 0.25, createLifecycleHooks: true });
    expect(written).toEqual(typed);
  });

  it('name a cluster for each group, or one for those that have none', () => {
    const each = deployed({ cluster: null, autoScalingGroups: ['web@prod', 'workers@batch'] });
    expect(each.groups).toEqual(['web', 'workers']);
    expect(each.environment).toMatchObject({ CLUSTER: 'prod,batch', AUTO_SCALING_GROUPS: 'web@prod,workers@batch' });
    expect(JSON.stringify(each.clusterArns)).toMatch(/cluster\/prod.*cluster\/batch/);
    const some = deployed({ cluster: 'prod', autoScalingGroups: 'web,workers@batch' });
    expect(JSON.stringify(some.taskArns)).toMatch(/task\/prod.*task\/batch/);
  });

  it('may leave some groups the hooks they have', () => {
    const { lifecycleHooks } = deployed({ autoScalingGroups: 'web,workers', createLifecycleHooks: 'workers' });
    expect(Object.values(lifecycleHooks)).toMatchObject([{ Properties: { AutoScalingGroupName: 'workers' } }]);
  });

  it('switch each notice of EC2 on by itself', () => {
    expect(Object.keys(deployed({ spotInterruptions: true }).options)).toEqual([
      'SpotInterruptionRule',
      'SpotInterruptionPermission',
    ]);
    expect(deployed({ rebalanceRecommendations: true }).options).toMatchObject({
      RebalanceRecommendationRule: {
        Properties: {
          Name: 'ecs-drain-dev-rebalance-recommendation',
          EventPattern: { source: ['aws.ec2'], 'detail-type': ['EC2 Instance Rebalance Recommendation'] },
        },
      },
    });
    expect(deployed({}).options).toEqual({});
  });

  it('deny a dry run every change, and keep its metrics apart', () => {
    const dry = deployed({ dryRun: true, createLifecycleHooks: false, lifecycleHook: 'theirs' });
    expect(dry.environment).toMatchObject({ DRY_RUN: 'true', POWERTOOLS_METRICS_NAMESPACE: 'ECSDrainDryRun' });
    expect(dry.options).toMatchObject({
      DryRunGuard: {
        Properties: {
          PolicyDocument: {
            Statement: [
              {
                Effect: 'Deny',
                Action: [
                  'ecs:UpdateContainerInstancesState',
                  'ecs:StopTask',
                  'autoscaling:CompleteLifecycleAction',
                  'autoscaling:RecordLifecycleActionHeartbeat',
                ],
              },
            ],
          },
        },
      },
    });
  });

  it('may ask more of a hook that is managed elsewhere', () => {
    const params = { heartbeatTimeoutSeconds: 60, createLifecycleHooks: false };
    expect(deployed(params).lifecycleHooks).toEqual({});
  });

  it('that are misspelt fail the command with the sentence and no stack trace', async () => {
    const failure = await packaged({ args: [...TYPED, '--param=deadlineSecond=60'] }).catch((error) => error.message);
    expect(failure).toContain('There is no param deadlineSecond; there are cluster, ');
    expect(failure).not.toMatch(/^ +at /m);
  });

  it('that are missing fail the command with one sentence', async () => {
    const failure = await packaged({}).catch((error) => error.message);
    expect(failure).toContain('cluster is missing: expected names, separated by commas; autoScalingGroups is missing');
    expect(failure.match(/is missing/g)).toHaveLength(2);
  });
});

interface Rule {
  readonly Name: string;
  readonly EventPattern: unknown;
  readonly Targets: unknown[];
}

function rule(name: string, from = typical): Rule {
  const found = ofType<Rule>('AWS::Events::Rule', from).find(({ Name }) => Name.endsWith(`-${name}`));
  if (!found) throw new Error(`The template has no rule ${name}.`);
  return found;
}

function ofType<Properties>(type: string, { resources } = typical): Properties[] {
  const found = Object.values(resources).filter(({ Type }) => Type === type);
  return found.map(({ Properties }) => Properties as Properties);
}

interface Statement {
  readonly Effect: string;
  readonly Action: string[];
  readonly Resource: string[];
  readonly Condition?: unknown;
}

function statement(Action: string[], resource: string): Statement {
  return { Effect: 'Allow', Action, Resource: [resource] };
}

type Statements = { readonly Statement: readonly { Effect: string; Action: string; Resource: string }[] };

interface Role {
  readonly AssumeRolePolicyDocument: { readonly Statement: readonly unknown[] };
  readonly Policies: readonly { readonly PolicyDocument: Statements }[];
}

/** What the function may do: by its role, and by the policies that are put on it. */
function functionStatements(from: Package): Statement[] {
  const attached = ofType<{ Roles: string[]; PolicyDocument: Statements }>('AWS::IAM::Policy', from);
  expect(attached.flatMap(({ Roles }) => Roles)).toEqual(attached.map(() => 'IamRoleLambdaExecution'));
  return [...inlineStatements(roleOf('IamRoleLambdaExecution', from)), ...attached.flatMap(listsIn)];
}

/** What EventBridge Scheduler assumes. */
function parkingRole(from: Package): Role {
  return roleOf('ParkingRole', from);
}

function roleOf(id: string, { resources }: Package): Role {
  const properties: unknown = resources[id]?.Properties;
  return properties as Role;
}

function inlineStatements({ Policies }: Role): Statement[] {
  return Policies.flatMap(listsIn);
}

/** The statements, with a list wherever IAM takes one or a list. */
function listsIn({ PolicyDocument }: { readonly PolicyDocument: Statements }): Statement[] {
  return PolicyDocument.Statement.map((each) => ({
    ...each,
    Action: [each.Action].flat(),
    Resource: [each.Resource].flat(),
  }));
}

/** Lambda itself, not the adapters, sends these with the function's role. */
function isForLambda({ Action }: Statement): boolean {
  return Action.every((action) => /^(logs|sqs):/.test(action));
}

function actionsOf(from: Package): string[] {
  return functionStatements(from)
    .filter((each) => !isForLambda(each))
    .flatMap(({ Action }) => Action);
}

/** The actions that IAM asks for, for every command and paginator that an adapter imports of the AWS SDK. */
async function adapterActions(): Promise<string[]> {
  const prefixes: Record<string, string> = { ecs: 'ecs', 'auto-scaling': 'autoscaling', eventbridge: 'events' };
  const folder = join(import.meta.dirname, '../../src/adapters');
  const sources = await Promise.all((await readdir(folder)).map((name) => readFile(join(folder, name), 'utf8')));
  const imports = sources.flatMap((source) => [...source.matchAll(/import \{([^}]*)\} from '@aws-sdk\/client-(.+)'/g)]);
  const actions = imports.flatMap(([, names = '', service = '']) =>
    [...names.matchAll(/\b(?:paginate(\w+)|(\w+)Command)\b/g)].map(
      ([, paginated, sent]) => `${prefixes[service] ?? service}:${paginated ?? sent}`,
    ),
  );
  return [...new Set(actions)].sort();
}

function ecs(resource: string): string {
  return `arn:aws:ecs:eu-west-1:123456789012:${resource}`;
}

function ecsOf(type: string): string[] {
  return ['prod', 'staging'].map((cluster) => ecs(`${type}/${cluster}/*`));
}

function inOurClusters() {
  return { ArnEquals: { 'ecs:cluster': [ecs('cluster/prod'), ecs('cluster/staging')] } };
}

function schedules(group: string): string {
  return `arn:aws:scheduler:eu-west-1:123456789012:schedule/${group}/*`;
}

function groupArn(name: string): string {
  return `arn:aws:autoscaling:eu-west-1:123456789012:autoScalingGroup:*:autoScalingGroupName/${name}`;
}

function ruleArn(name: string): string {
  return `arn:aws:events:eu-west-1:123456789012:rule/ecs-drain-dev-${name}`;
}
