import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { SimulatePolicyResponse } from '@aws-sdk/client-iam';
import { beforeAll, describe, expect, it } from 'vitest';
import { queueNameIn } from '../../cli/aws.ts';
import { needsOf } from '../../cli/doctor.ts';
import type { Template } from '../../deploy/cloudformation.ts';
import { LIMITS, limitsExceeded } from '../../deploy/limits.ts';
import { PARAMS, paramsOf, warningsIn } from '../../deploy/params.ts';
import { templateOf, withCode } from '../../deploy/template.ts';
import { deploymentIn, type Package, packaged, unpack } from '../../sandbox/packaging.ts';
import { matches } from '../../sandbox/region/event-bridge/event-pattern.ts';
import { iamService } from '../../sandbox/region/iam/api.ts';
import { callOperation } from '../../sandbox/region/wire/wire.ts';
import { CONTINUATION_DETAIL_TYPE } from '../../src/adapters/continuation.ts';
import { DRAIN_EVENT_DETAIL_TYPES, FAILED_DETAIL_TYPE, RETURN_DETAIL_TYPE } from '../../src/adapters/event-bridge.ts';
import { choiceOf } from '../../src/domain/groups.ts';
import { settingsFrom } from '../../src/handlers/settings.ts';
import { deployed } from './deployed.ts';
import { purposeOf, sampleEvents } from './sample-events.ts';

/** What a user types, with two groups. */
const TYPED = ['--param=cluster=prod', '--param=autoScalingGroups=web,workers'];

/** With one group: the same words as those of chaos, so that they are packaged once. */
const WATCHING = ['--param=cluster=prod', '--param=autoScalingGroups=web', '--param=waiting=watch'];

/** As many groups as are accepted, and everything that makes the role and the environment larger. */
const LARGEST = [
  '--param=cluster=prod',
  `--param=autoScalingGroups=${Array.from({ length: 55 }, (_, index) => `workers-${index}`)}`,
  ...['stopStragglers=all', 'createLifecycleHooks=false', 'dryRun=true'].map((param) => `--param=${param}`),
  ...['spotInterruptions=true', 'rebalanceRecommendations=true'].map((param) => `--param=${param}`),
];

/** As typed; edited in the YAML, for another stage; with hooks that are managed elsewhere and options; without parking. */
let typical: Package;
let edited: Package;
let hookless: Package;
let watching: Package;
/** As many groups as are accepted, and everything that makes the role and the environment larger. */
let largest: Package;

/** Of a stack `ecs-drain-main` with two groups, as CloudFormation knows them since version 0.1.0 and the first queue. */
const IDS_IN_THE_FIELD = [
  ...['ServerlessDeploymentBucket', 'ServerlessDeploymentBucketPolicy', 'DrainLogGroup', 'IamRoleLambdaExecution'],
  ...['DrainLambdaFunction', 'DrainEventSourceMappingSQSEventQueue'],
  ...['EventQueue', 'EventQueuePolicy', 'DeadLetterQueue', 'DeadLetterQueuePolicy'],
  ...[1, 2, 3].map((index) => `Ecsdrainmaindrainrule${index}EventBridgeRule`),
  ...['TaskStoppedRule', 'InstanceEmptiedRule', 'ScheduleGroup', 'ParkingRole', 'ParkingPolicy'],
  ...['TaskStopQueue', 'TaskStopQueuePolicy', 'TaskStopMapping'],
  ...['DeadLettersAlarm', 'TimedOutAlarm', 'AgentLostAlarm', 'TasksUnaccountedAlarm', 'NearDeadlineAlarm'],
  ...['FunctionErrorsAlarm', 'EventsWaitingAlarm', 'Dashboard'],
  ...['LifecycleHookweb4b5e57f6', 'LifecycleHookworkersed574aa7'],
];

const FUNCTION_ARN = `arn:\${AWS::Partition}:lambda:\${AWS::Region}:\${AWS::AccountId}:function:ecs-drain-main-drain`;

/** What an account may ask of every resource. */
const OPTIONS = [
  '--param=permissionsBoundaryArn=arn:aws:iam::123456789012:policy/boundary',
  '--param=rolePath=/teams/web/',
  '--param=tags=team=web, cost-center=a=b',
  '--param=logRetentionDays=30',
  '--param=logKmsKeyArn=arn:aws:kms:eu-west-1:123456789012:key/11112222-3333-4444-5555-666677778888',
];

/** Groups whose names change, and names with what else means something to ecs-drain, EventBridge, IAM or CloudFormation. */
const PATTERNS = 'app-*,*-spot,a*z@batch';
const ODD_NAMES = `all\\*@batch,me\\@home,one\\,two,back\\\\slash,what?,\${cash},größe "1"`;

beforeAll(async () => {
  [typical, edited, hookless, watching, largest] = await Promise.all([
    packaged({ args: TYPED }),
    packaged({
      args: ['--stage=blue-green'],
      edit: (yaml) =>
        yaml
          .replace('cluster: null', 'cluster: prod, staging')
          .replace('autoScalingGroups: null', 'autoScalingGroups: web')
          .replace('heartbeatTimeoutSeconds: 3600', 'heartbeatTimeoutSeconds: 1800')
          .replace('hookDefaultResult: CONTINUE', 'hookDefaultResult: ABANDON')
          .replace('functionTimeoutSeconds: 60', 'functionTimeoutSeconds: 900')
          .replace('stopStragglers: none', 'stopStragglers: all'),
    }),
    packaged({
      args: [
        ...['--param=cluster=prod', `--param=autoScalingGroups=web,workers,${PATTERNS},${ODD_NAMES}`],
        ...['--param=createLifecycleHooks=false', '--param=lifecycleHook=first,second', ...OPTIONS],
        '--param=superviseManagedDraining=true',
      ],
    }),
    packaged({ args: WATCHING }),
    packaged({ args: LARGEST }),
  ]);
});

/** What IAM gives no resource. */
const UNSCOPED = [
  'autoscaling:DescribeAutoScalingGroups',
  'autoscaling:DescribeAutoScalingInstances',
  'autoscaling:DescribeLifecycleHooks',
  'autoscaling:DescribeScalingActivities',
  'ecs:DescribeTaskDefinition',
  'scheduler:ListSchedules',
];

describe('what the Serverless Framework uploads', () => {
  it.each([
    ['as typed', () => typical, { autoScalingGroups: 'web,workers' }, 'main'],
    ['without parking', () => watching, { autoScalingGroups: 'web', waiting: 'watch' }, 'main'],
    [
      'edited, for another stage',
      () => edited,
      {
        ...{ cluster: ['prod', 'staging'], autoScalingGroups: 'web', heartbeatTimeoutSeconds: 1_800 },
        ...{ hookDefaultResult: 'ABANDON', functionTimeoutSeconds: 900, stopStragglers: 'all' },
      },
      'blue-green',
    ],
  ])('is the template of deploy/template.ts, the place of the code and a bucket, %s', (_, from, params, stage) => {
    const { Resources, Outputs } = from().template as Template;
    const { ServerlessDeploymentBucket, ServerlessDeploymentBucketPolicy, ...others } = Resources;
    expect(ServerlessDeploymentBucket?.Type).toBe('AWS::S3::Bucket');
    expect(ServerlessDeploymentBucketPolicy?.Type).toBe('AWS::S3::BucketPolicy');
    const { Code } = Resources['DrainLambdaFunction']?.Properties ?? {};
    expect(Code).toEqual({
      S3Bucket: { Ref: 'ServerlessDeploymentBucket' },
      S3Key: expect.stringMatching(/\/ecs-drain\.zip$/),
    });
    const defined = templateOf({ cluster: 'prod', ...params }, stage);
    expect(textOf(others)).toEqual(textOf(withCode(defined, Code).Resources));
    expect(Outputs).toMatchObject(defined.Outputs ?? {});
  });

  it('keeps the logical ids of the stacks in the field, whose resources an upgrade changes in place', () => {
    expect(Object.keys(typical.resources).toSorted()).toEqual(IDS_IN_THE_FIELD.toSorted());
  });

  it('shows in serverless.yml each param with its default and what it is', async () => {
    const yaml = await readFile(join(import.meta.dirname, '../../serverless.yml'), 'utf8');
    const params = yaml.slice(yaml.indexOf('\nparams:'), yaml.indexOf('\nprovider:'));
    const shown = [...params.matchAll(/^ {4}(\w+): (\S+) # (.+)$/gm)].map(([, name, value, what]) => [
      name,
      value,
      what,
    ]);
    expect(shown).toEqual(
      Object.entries(PARAMS).map(([name, { default: usual = 'null', description }]) => [name, usual, description]),
    );
  });
});

/** `prod, staging` is the same list as `prod,staging`. */
function textOf(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value).replaceAll('prod, staging', 'prod,staging'));
}

describe("the function's role", () => {
  it('allows exactly the actions that the adapters send, and to pass on what schedules run as', async () => {
    expect(actionsOf(edited).toSorted()).toEqual([...(await adapterActions()), 'iam:PassRole'].toSorted());
  });

  it('may send to the event queue and to the dead-letter queue, and to no other', () => {
    for (const from of [typical, edited, watching]) {
      const sending = functionStatements(from).filter(({ Action }) => Action.includes('sqs:SendMessage'));
      expect(sending).toEqual([
        { Effect: 'Allow', Action: ['sqs:SendMessage'], Resource: ['EventQueue.Arn', 'DeadLetterQueue.Arn'] },
      ]);
    }
  });

  it.each([
    ['as typed', () => typical],
    ['for another stage', () => edited],
    ['without parking', () => watching],
  ])('allows exactly what the doctor has IAM simulate, %s', (_, from) => {
    const { environment, role, roles, mappings } = deploymentIn(from());
    const functionArn = 'arn:aws:lambda:eu-west-1:123456789012:function:drain';
    const settings = settingsFrom(environment);
    const taskStops = mappings.find(
      ({ queueArn }) => queueArn.split(':').at(-1) !== queueNameIn(settings.eventQueueUrl),
    );
    expect(taskStops === undefined).toBe(settings.scheduler === undefined);
    const needs = needsOf({ functionArn, settings }, taskStops?.queueArn);
    const simulated = new Set(needs.flatMap(({ actions }) => actions));
    const others = (actions: Iterable<string>) =>
      [...actions].filter((action) => !action.startsWith('sqs:')).toSorted();
    expect(others(simulated)).toEqual(others(actionsOf(from())));

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
    ['ecs:PutAttributes', ecsOf('container-instance'), inOurClusters()],
    ['ecs:DeleteAttributes', ecsOf('container-instance'), inOurClusters()],
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
          'events:detail-type': [
            CONTINUATION_DETAIL_TYPE,
            ...Object.values(DRAIN_EVENT_DETAIL_TYPES),
            FAILED_DETAIL_TYPE,
            RETURN_DETAIL_TYPE,
          ],
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

  it('lets Lambda write the logs of this function and take messages from its queues', () => {
    const logGroups = 'arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/ecs-drain-main-drain:*';
    expect(functionStatements(typical).filter(isForLambda)).toEqual([
      statement(['logs:CreateLogStream', 'logs:CreateLogGroup', 'logs:TagResource'], logGroups),
      statement(['logs:PutLogEvents'], logGroups),
      statement(['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes'], 'EventQueue.Arn'),
      statement(['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes'], 'TaskStopQueue.Arn'),
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

describe('the rules', () => {
  it.each([
    ['as typed', () => typical, ['termination', 'continuation', 'sweep', 'task-stopped', 'instance-emptied']],
    ['without parking', () => watching, ['termination', 'continuation', 'sweep']],
  ])('send task stops to a queue of their own and every other event to the event queue, %s', (_, from, purposes) => {
    const rules = ofType<Rule>('AWS::Events::Rule', from());
    expect(rules.map(({ Name }) => Name)).toEqual(purposes.map((purpose) => `ecs-drain-main-${purpose}`));
    for (const { Name, Targets } of rules) expect(Targets).toMatchObject([{ Arn: `${queueFor(Name)}.Arn` }]);
  });

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

  it('need no permission to invoke the function', () => {
    for (const from of [typical, edited, watching, largest])
      expect(ofType('AWS::Lambda::Permission', from)).toEqual([]);
  });

  it('come after the policies of their queues, because EventBridge does not retry what a policy denies', () => {
    for (const { Type, DependsOn, Properties } of Object.values(largest.resources)) {
      if (Type !== 'AWS::Events::Rule') continue;
      expect(DependsOn).toContain(`${queueFor(String(Properties['Name']))}Policy`);
      if (JSON.stringify(Properties).includes('DeadLetterConfig')) expect(DependsOn).toContain('DeadLetterQueuePolicy');
    }
  });

  it('keep the logical ids and target ids of version 0.1.0, so that an upgrade changes them in place', () => {
    const target = (id: string) => {
      const targets = edited.resources[id]?.Properties['Targets'] as { Id: string }[] | undefined;
      return targets?.map(({ Id }) => Id);
    };
    expect(target('Ecsdrainbluegreendrainrule1EventBridgeRule')).toEqual(['ecs-drain-blue-green-termination-target']);
    expect(target('Ecsdrainbluegreendrainrule2EventBridgeRule')).toEqual(['ecs-drain-blue-green-continuation-target']);
    expect(target('Ecsdrainbluegreendrainrule3EventBridgeRule')).toEqual(['ecs-drain-blue-green-sweep-target']);
  });

  it.each([
    ['termination', 7_200, 185],
    ['continuation', 7_200, 185],
    ['sweep', 60, 1],
    ['task-stopped', 600, 185],
    ['instance-emptied', 600, 185],
    ['spot-interruption', 120, 185],
    ['rebalance-recommendation', 600, 185],
  ])('are tried again while the event is worth it: %s for %d s', (name, age, attempts) => {
    expect(rule(name, largest).Targets).toMatchObject([
      { RetryPolicy: { MaximumEventAgeInSeconds: age, MaximumRetryAttempts: attempts } },
    ]);
  });

  it.each([
    [1, 'rate(1 minute)'],
    ['5', 'rate(5 minutes)'],
  ])('sweep every so many minutes: %s', (sweepMinutes, rate) => {
    const sweeps = Object.values(deployed({ sweepMinutes }).rules).filter(
      ({ Properties }) => Properties['ScheduleExpression'] === rate,
    );
    expect(sweeps).toHaveLength(1);
  });
});

describe('the event queue', () => {
  it('is encrypted, and brings an event as often as SQS allows, each time when an invocation must have ended', () => {
    for (const [from, seconds] of [[typical, 60] as const, [edited, 900] as const]) {
      expect(from.resources['EventQueue']?.Properties).toEqual({
        SqsManagedSseEnabled: true,
        VisibilityTimeout: seconds,
        RedrivePolicy: { deadLetterTargetArn: 'DeadLetterQueue.Arn', maxReceiveCount: 1_000 },
      });
      expect(ofType('AWS::Lambda::Function', from)).toMatchObject([{ Timeout: seconds }]);
    }
  });

  it.each([
    ['as typed', () => typical, ['termination', 'continuation', 'sweep', 'instance-emptied']],
    ['without parking', () => watching, ['termination', 'continuation', 'sweep']],
    [
      'with notices',
      () => largest,
      [
        ...['termination', 'continuation', 'sweep', 'instance-emptied'],
        ...['spot-interruption', 'rebalance-recommendation'],
      ],
    ],
  ])('takes messages from the rules of this deployment, %s', (_, from, purposes) => {
    const [allowed] = queuePolicy('EventQueuePolicy', from());
    expect(allowed).toEqual({
      Sid: 'OnlyOurRules',
      Effect: 'Allow',
      Principal: { Service: 'events.amazonaws.com' },
      Action: 'sqs:SendMessage',
      Resource: 'EventQueue.Arn',
      Condition: { ArnEquals: { 'aws:SourceArn': purposes.map(ruleArn) } },
    });
  });

  it.each([
    ['as typed', () => typical, ['IamRoleLambdaExecution.Arn', 'ParkingRole.Arn']],
    ['without parking', () => watching, ['IamRoleLambdaExecution.Arn']],
  ])('takes messages from no principal but the roles of this deployment, over TLS only, %s', (_, from, roles) => {
    const [, ...denied] = queuePolicy('EventQueuePolicy', from());
    expect(denied).toEqual([
      {
        Sid: 'OnlyOurRoles',
        Effect: 'Deny',
        Principal: '*',
        Action: 'sqs:SendMessage',
        Resource: 'EventQueue.Arn',
        Condition: {
          ArnNotEquals: { 'aws:PrincipalArn': roles },
          Bool: { 'aws:PrincipalIsAWSService': 'false' },
        },
      },
      onlyOverTls('EventQueue'),
    ]);
  });

  it('is read by the function in batches of a second, and only what failed comes again', () => {
    expect(ofType('AWS::Lambda::EventSourceMapping', watching)).toEqual([
      {
        EventSourceArn: 'EventQueue.Arn',
        FunctionName: 'DrainLambdaFunction.Arn',
        Enabled: true,
        BatchSize: 500,
        MaximumBatchingWindowInSeconds: 1,
        FunctionResponseTypes: ['ReportBatchItemFailures'],
        ScalingConfig: { MaximumConcurrency: 5 },
      },
    ]);
  });

  it.each([[2, 2] as const, ['1000', 1_000] as const])(
    'is read by as many executions at once as maximumConcurrency %s allows',
    (maximumConcurrency, most) => {
      expect(deployed({ maximumConcurrency }).maximumConcurrency).toBe(most);
    },
  );
});

describe('the queue of task stops', () => {
  it('is encrypted, and keeps no stop for longer than a drain waits to look for itself', () => {
    for (const [from, seconds] of [[typical, 60] as const, [edited, 900] as const]) {
      expect(from.resources['TaskStopQueue']?.Properties).toEqual({
        SqsManagedSseEnabled: true,
        VisibilityTimeout: seconds,
        MessageRetentionPeriod: 600,
      });
    }
    expect(watching.resources['TaskStopQueue']).toBeUndefined();
  });

  it('takes messages from its rule only, because the function would trust a continuation here too', () => {
    expect(queuePolicy('TaskStopQueuePolicy', typical)).toEqual([
      {
        Sid: 'OnlyOurRules',
        Effect: 'Allow',
        Principal: { Service: 'events.amazonaws.com' },
        Action: 'sqs:SendMessage',
        Resource: 'TaskStopQueue.Arn',
        Condition: { ArnEquals: { 'aws:SourceArn': [ruleArn('task-stopped')] } },
      },
      {
        Sid: 'OnlyServices',
        Effect: 'Deny',
        Principal: '*',
        Action: 'sqs:SendMessage',
        Resource: 'TaskStopQueue.Arn',
        Condition: { Bool: { 'aws:PrincipalIsAWSService': 'false' } },
      },
      onlyOverTls('TaskStopQueue'),
    ]);
  });

  it('is read in batches of ten seconds, by two executions at once', () => {
    const [, mapping] = ofType('AWS::Lambda::EventSourceMapping');
    expect(mapping).toEqual({
      EventSourceArn: 'TaskStopQueue.Arn',
      FunctionName: 'DrainLambdaFunction.Arn',
      BatchSize: 500,
      MaximumBatchingWindowInSeconds: 10,
      FunctionResponseTypes: ['ReportBatchItemFailures'],
      ScalingConfig: { MaximumConcurrency: 2 },
    });
  });
});

describe('the dead-letter queue', () => {
  it('is encrypted and keeps what it is given for 14 days', () => {
    const { Properties } = typical.resources['DeadLetterQueue'] ?? {};
    expect(Properties).toEqual({ SqsManagedSseEnabled: true, MessageRetentionPeriod: 14 * 24 * 60 * 60 });
  });

  it('takes messages from the rules whose events must not be lost, and over TLS only', () => {
    expect(queuePolicy('DeadLetterQueuePolicy', typical)).toEqual([
      {
        Sid: 'OnlyOurRules',
        Effect: 'Allow',
        Principal: { Service: 'events.amazonaws.com' },
        Action: 'sqs:SendMessage',
        Resource: 'DeadLetterQueue.Arn',
        Condition: { ArnEquals: { 'aws:SourceArn': ['termination', 'continuation'].map(ruleArn) } },
      },
      onlyOverTls('DeadLetterQueue'),
    ]);
  });

  it('gets what those rules could not deliver to the event queue', () => {
    for (const { Name, Targets } of ofType<Rule>('AWS::Events::Rule', largest)) {
      const [target] = Targets as { DeadLetterConfig?: unknown }[];
      const keeps = ['ecs-drain-main-termination', 'ecs-drain-main-continuation'].includes(Name);
      expect(target?.DeadLetterConfig).toEqual(keeps ? { Arn: 'DeadLetterQueue.Arn' } : undefined);
    }
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
    ['as typed', () => typical, 10],
    ['for another stage', () => edited, 10],
    ['without parking', () => watching, 5],
  ])(
    'come after every rule, the queues that take events, their readers, and the right to park, %s',
    (_, from, count) => {
      const { resources } = from();
      const types = ['AWS::Events::Rule', 'AWS::Lambda::EventSourceMapping', 'AWS::IAM::Policy'];
      const listening = Object.keys(resources).filter(
        (id) => types.includes(resources[id]?.Type ?? '') || ['EventQueuePolicy', 'TaskStopQueuePolicy'].includes(id),
      );
      const hooks = Object.values(resources).filter(({ Type }) => Type === 'AWS::AutoScaling::LifecycleHook');
      expect(listening).toHaveLength(count);
      expect(hooks).not.toEqual([]);
      for (const { DependsOn } of hooks) expect(DependsOn?.toSorted()).toEqual(listening.toSorted());
    },
  );

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
    expect(ofType('AWS::Scheduler::ScheduleGroup')).toEqual([{ Name: 'ecs-drain-main' }]);
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

  it('has a role that may send to the event queue and to the dead-letter queue', () => {
    const [first] = inlineStatements(parkingRole(edited));
    expect(first).toEqual({
      Effect: 'Allow',
      Action: ['sqs:SendMessage'],
      Resource: ['EventQueue.Arn', 'DeadLetterQueue.Arn'],
    });
  });

  it('lets schedules that version 0.1.0 created continue their drains after an upgrade', () => {
    const [, ...others] = inlineStatements(parkingRole(edited));
    expect(others).toEqual([
      {
        ...statement(['events:PutEvents'], 'arn:aws:events:eu-west-1:123456789012:event-bus/default'),
        Condition: {
          StringEquals: { 'events:source': 'ecs-drain.blue-green', 'events:detail-type': 'ECS Drain Continuation' },
        },
      },
    ]);
  });

  it('is in the environment of the function', () => {
    expect(variablesOf(edited)).toMatchObject({
      SCHEDULE_GROUP: { Ref: 'ScheduleGroup' },
      SCHEDULE_ROLE_ARN: { 'Fn::GetAtt': ['ParkingRole', 'Arn'] },
      EVENT_QUEUE_ARN: { 'Fn::GetAtt': ['EventQueue', 'Arn'] },
      DEAD_LETTER_QUEUE_ARN: { 'Fn::GetAtt': ['DeadLetterQueue', 'Arn'] },
    });
  });

  it('leaves no trace in a deployment whose drains poll', async () => {
    expect(JSON.stringify(watching.template)).not.toMatch(/schedule(?!Expression)|park|wake|PassRole/i);
    const parking = /^scheduler:|^ecs:(StopTask|DescribeTaskDefinition)$/;
    const others = (await adapterActions()).filter((action) => !parking.test(action));
    expect(actionsOf(watching).toSorted()).toEqual(others.toSorted());
    expect(ofType('AWS::IAM::Role', watching)).toHaveLength(1);
    expect(ofType('AWS::Events::Rule', watching)).toHaveLength(3);
    expect(variablesOf(watching)).toMatchObject({ WAITING: 'watch' });
    expect(settingsFrom(deploymentIn(watching).environment).scheduler).toBeUndefined();
  });
});

describe('the function', () => {
  it('runs on Node 24, on arm64, untraced and unversioned', () => {
    const [lambda] = ofType('AWS::Lambda::Function');
    expect(lambda).toMatchObject({ Runtime: 'nodejs24.x', Architectures: ['arm64'], MemorySize: 256, Timeout: 60 });
    expect(lambda).not.toHaveProperty('TracingConfig');
    expect(ofType('AWS::Lambda::Version')).toEqual([]);
  });

  it('has as much time as its settings say', () => {
    expect(ofType('AWS::Lambda::Function', edited)).toMatchObject([
      { Timeout: 900, Environment: { Variables: { FUNCTION_TIMEOUT_SECONDS: '900' } } },
    ]);
  });

  it('reserves no executions, so that it deploys in an account whose limit is 10 (facts 33 reserved-concurrency, 53 unreserved-concurrency)', () => {
    for (const { resources } of [typical, edited, hookless, watching, largest]) {
      expect(JSON.stringify(resources)).not.toContain('ReservedConcurrentExecutions');
      expect(JSON.stringify(resources)).not.toContain('ProvisionedConcurrencyConfig');
    }
  });

  it('may send to the queue that it reads, again and again', () => {
    expect(ofType('AWS::Lambda::Function')).toMatchObject([{ RecursiveLoop: 'Allow' }]);
  });

  it('knows both queues, however drains wait', () => {
    for (const from of [typical, edited, watching]) {
      expect(variablesOf(from)).toMatchObject({
        EVENT_QUEUE_URL: { Ref: 'EventQueue' },
        DEAD_LETTER_QUEUE_URL: { Ref: 'DeadLetterQueue' },
      });
    }
  });

  it('is not invoked asynchronously, so that nothing says what becomes of such an invocation', () => {
    expect(ofType('AWS::Lambda::EventInvokeConfig')).toEqual([]);
  });

  it('has its logs kept for 7 days', () => {
    expect(ofType('AWS::Logs::LogGroup')).toEqual([
      { LogGroupName: '/aws/lambda/ecs-drain-main-drain', RetentionInDays: 7 },
    ]);
  });

  it('is as large as docs/benchmark.md says, within 5 %', async () => {
    const page = await readFile(join(import.meta.dirname, '../../docs/benchmark.md'), 'utf8');
    const said = Number(/the package has (\d+) KB zipped/.exec(page)?.[1]) * 1_000;
    expect(Math.abs(typical.zip.length / said - 1)).toBeLessThan(0.05);
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
      const script = `console.log(typeof (await import('${module}')).handler)`;
      const args = ['--input-type=module', '--eval', script];
      const { environment: env } = deploymentIn(typical);
      const started = promisify(execFile)(process.execPath, args, { cwd: folder, env });
      expect((await started).stdout).toBe('function\n');
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('is named in the outputs, and so are the queues', () => {
    expect((typical.template as { Outputs: unknown }).Outputs).toMatchObject({
      FunctionName: { Value: { Ref: 'DrainLambdaFunction' } },
      EventQueueUrl: { Value: { Ref: 'EventQueue' } },
      DeadLetterQueueUrl: { Value: { Ref: 'DeadLetterQueue' } },
    });
  });
});

describe('the groups', () => {
  const ours = ['web', 'app-', 'app-2', 'one-spot', '-spot', 'az', 'a-to-z', 'all*', 'me@home', 'one,two'];
  const oddOnes = ['back\\slash', 'what?', `\${cash}`, 'größe "1"', 'app-*', 'app-\\'];
  const others = [
    'web-1',
    'Web',
    'my-app-2',
    'one-spot-2',
    'a',
    'z',
    'all',
    'alles',
    'me',
    'one',
    'two',
    'whatx',
    'cash',
  ];

  it.each([
    ...ours.map((name) => [name, true] as const),
    ...oddOnes.map((name) => [name, true] as const),
    ...others.map((name) => [name, false] as const),
  ])('are the same to the rule, to the role and to the function: %s is ours: %s', (name, isOurs) => {
    const { rules, roles, role, environment } = deploymentIn(hookless);
    const settings = settingsFrom(environment);
    const pattern = rules.find((rule) => rule.name.endsWith('-termination'))?.pattern;
    const detail = {
      LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
      AutoScalingGroupName: name,
      LifecycleHookName: 'first',
    };
    const event = {
      source: 'aws.autoscaling',
      'detail-type': 'EC2 Instance-terminate Lifecycle Action',
      account: '123456789012',
      detail,
    };
    const { EvaluationResults: [result] = [] } = callOperation(iamService(roles), 'SimulatePrincipalPolicy', {
      PolicySourceArn: `arn:aws:iam::123456789012:role/${role}`,
      ActionNames: ['autoscaling:CompleteLifecycleAction'],
      ResourceArns: [groupArn(name).replace('*', 'uuid')],
    }) as SimulatePolicyResponse;
    expect({
      rule: matches(pattern, event),
      role: result?.EvalDecision === 'allowed',
      function: choiceOf(settings.autoScalingGroups, name) !== undefined,
    }).toEqual({ rule: isOurs, role: isOurs, function: isOurs });
  });

  it('are tested by prefix, suffix or wildcard, as EventBridge has them (facts 92 pattern-wildcards)', () => {
    const { rules } = deployed({ autoScalingGroups: 'web,app-*,*-spot,a*z,\\**\\\\,*', createLifecycleHooks: false });
    expect(JSON.stringify(rules)).toContain(
      JSON.stringify([
        'web',
        { prefix: 'app-' },
        { suffix: '-spot' },
        { wildcard: 'a*z' },
        { wildcard: '\\**\\\\' },
        { prefix: '' },
      ]),
    );
  });
});

describe('what AWS allows', () => {
  const packages = () => [typical, edited, hookless, watching, largest];
  const place = { stackName: 'ecs-drain-main', region: 'us-east-1' };
  /** Names of other things. */
  const references = ['AWS::CloudWatch::Alarm.MetricName'];

  it('has every type of resource of the packaged templates, so that none is forgotten', () => {
    const types = packages().flatMap((from) => Object.values(from.resources).map(({ Type }) => Type));
    expect([...new Set(types)].toSorted()).toEqual(Object.keys(LIMITS).toSorted());
  });

  it('has a limit for every name and description in them', () => {
    for (const from of packages()) {
      for (const { Type, Properties } of Object.values(from.resources)) {
        const named = Object.keys(Properties).filter((property) => /(?<!Function)Name$|Description$/.test(property));
        const own = named.filter((property) => !references.includes(`${Type}.${property}`));
        expect(LIMITS[Type]?.map(({ path }) => path)).toEqual(expect.arrayContaining(own));
      }
    }
  });

  it('accepts the packaged templates', () => {
    for (const from of packages()) expect(limitsExceeded(from.template as Template, place)).toEqual([]);
  });

  it('refuses, with all sentences at once, a long stage in a long Region and more groups than fit', async () => {
    const groups = Array.from({ length: 40 }, (_, i) => `${`g${i}`.padEnd(30, '-')}@${`c${i}`.padEnd(28, '-')}`);
    const failure = await packaged({
      args: [
        ...['--stage=feature-JIRA-12345-drain-spot-nodes', '--region=ap-southeast-2'],
        `--param=autoScalingGroups=${groups}`,
      ],
    }).catch((error) => error.message);
    for (const sentence of [
      'the name ecs-drain-feature-JIRA-12345-drain-spot-nodes-ap-southeast-2-lambdaRole has 71 characters, and AWS allows 64 (IAM user guide, IAM and STS quotas): choose a shorter stage or roleNamePrefix.',
      'the id of a target ecs-drain-feature-JIRA-12345-drain-spot-nodes-continuation-target has 65 characters, and AWS allows 64',
      'AWS::Lambda::Function DrainLambdaFunction: the environment has ',
      'AWS::IAM::Role IamRoleLambdaExecution: the sum of the inline policies has ',
      'AWS::Events::Rule TaskStoppedRule: the event pattern has ',
      'AWS::Events::Rule InstanceEmptiedRule: the event pattern has ',
    ]) {
      expect(failure).toContain(sentence);
    }
    expect(failure).not.toMatch(/^ +at /m);
  });
});

describe('what an account asks of every resource', () => {
  it('is on every resource that can have it, and on no other', () => {
    const options = Object.entries(hookless.resources).map(([id, { Type, Properties }]) => {
      const { PermissionsBoundary, Path, Tags, RetentionInDays, KmsKeyId } = Properties;
      return [id, Type, { PermissionsBoundary, Path, Tags, RetentionInDays, KmsKeyId }] as const;
    });
    const Tags = [
      { Key: 'team', Value: 'web' },
      { Key: 'cost-center', Value: 'a=b' },
    ];
    const roleOptions = { PermissionsBoundary: 'arn:aws:iam::123456789012:policy/boundary', Path: '/teams/web/' };
    const KmsKeyId = 'arn:aws:kms:eu-west-1:123456789012:key/11112222-3333-4444-5555-666677778888';
    const expected: Readonly<Record<string, object>> = {
      'AWS::CloudWatch::Alarm': { Tags },
      'AWS::CloudWatch::Dashboard': { Tags },
      'AWS::Events::Rule': { Tags },
      'AWS::IAM::Role': { ...roleOptions, Tags },
      'AWS::Lambda::EventSourceMapping': { Tags },
      'AWS::Lambda::Function': { Tags },
      'AWS::Logs::LogGroup': { RetentionInDays: 30, KmsKeyId, Tags },
      'AWS::S3::Bucket': { Tags },
      'AWS::SQS::Queue': { Tags },
      'AWS::Scheduler::ScheduleGroup': { Tags },
      // CloudFormation has none of the options for these.
      'AWS::IAM::Policy': {},
      'AWS::S3::BucketPolicy': {},
      'AWS::SQS::QueuePolicy': {},
    };
    for (const [id, type, found] of options) expect([id, found]).toEqual([id, expected[type]]);
  });

  it('is nothing by default, except for the days that logs are kept', () => {
    expect(JSON.stringify(typical.resources)).not.toMatch(/PermissionsBoundary|"Tags"|Kms/);
    // The first is the framework's. A path that appears would make CloudFormation replace the role in an upgrade.
    expect(ofType<{ Path?: string }>('AWS::IAM::Role').map(({ Path }) => Path)).toEqual(['/', undefined]);
  });

  it('may be a key for the queues, which the function and Scheduler may use', () => {
    const queueKmsKeyArn = 'arn:aws:kms:eu-west-1:123456789012:key/mrk-1234abcd12ab34cd56ef1234567890ab';
    const { options, template, lifecycleHooks } = deployed({ queueKmsKeyArn });
    const queues = Object.values(template.Resources).filter(({ Type }) => Type === 'AWS::SQS::Queue');
    expect(queues).toHaveLength(3);
    for (const { Properties } of queues) {
      expect(Properties).toMatchObject({ KmsMasterKeyId: queueKmsKeyArn });
      expect(Properties).not.toHaveProperty('SqsManagedSseEnabled');
    }
    expect(options).toMatchObject({
      QueueKeyPolicy: {
        Properties: {
          Roles: [{ Ref: 'IamRoleLambdaExecution' }, { Ref: 'ParkingRole' }],
          PolicyDocument: {
            Statement: [{ Effect: 'Allow', Action: ['kms:Decrypt', 'kms:GenerateDataKey'], Resource: queueKmsKeyArn }],
          },
        },
      },
    });
    for (const { DependsOn } of Object.values(lifecycleHooks)) expect(DependsOn).toContain('QueueKeyPolicy');
    expect(deployed({ queueKmsKeyArn, waiting: 'watch' }).options).toMatchObject({
      QueueKeyPolicy: { Properties: { Roles: [{ Ref: 'IamRoleLambdaExecution' }] } },
    });
  });

  it.each([
    [
      { permissionsBoundaryArn: 'boundary' },
      'permissionsBoundaryArn is "boundary": expected none, or the ARN of an IAM',
    ],
    [{ rolePath: 'teams/web' }, 'rolePath is "teams/web": expected / or the path of a role, such as /teams/web/.'],
    [
      { tags: 'team' },
      'tags.0 is "team": expected none, or key=value, separated by commas, with a key that does not begin with aws:',
    ],
    [{ tags: 'aws:team=web' }, 'tags.0 is "aws:team=web": expected none, or key=value'],
    [{ tags: 'team=web,team=db' }, 'expected each key once'],
    [{ subnetIds: 'subnet-0a1b2c3d' }, 'subnetIds needs securityGroupIds, because Lambda takes both or neither'],
    [{ securityGroupIds: 'sg-0a1b2c3d' }, 'securityGroupIds needs subnetIds, because Lambda takes both or neither'],
    [{ securityGroupIds: 'default' }, 'expected none, or ids such as sg-0a1b2c3d4e5f60718, separated by commas'],
    [{ roleNamePrefix: 'team/' }, 'roleNamePrefix is "team/": expected none, or how the names of roles begin'],
    [
      { deadLetterQueueArn: 'letters' },
      'deadLetterQueueArn is "letters": expected none, or the ARN of a standard queue',
    ],
    [
      { eventBusArn: 'central' },
      'eventBusArn is "central": expected none, or the ARN of an event bus that is no default',
    ],
    [
      { eventBusArn: 'arn:aws:events:eu-west-1:123456789012:event-bus/default' },
      'expected none, or the ARN of an event bus that is no default one',
    ],
    [{ logRetentionDays: 8 }, 'logRetentionDays is "8": expected one of 1, 3, 5, 7, 14, '],
    [{ logKmsKeyArn: 'alias/logs' }, 'logKmsKeyArn is "alias/logs": expected none, or the ARN of a KMS key'],
    [
      { queueKmsKeyArn: 'arn:aws:kms:eu-west-1:123456789012:alias/aws/sqs' },
      'queueKmsKeyArn is "arn:aws:kms:eu-west-1:123456789012:alias/aws/sqs": expected none, or the ARN of a KMS key (not of an alias)',
    ],
  ])('is refused with a sentence where AWS would refuse it: %j', (params, sentence) => {
    expect(() => deployed(params)).toThrow(sentence);
  });
});

describe('a strict account', () => {
  const statementsOf = ({ template }: ReturnType<typeof deployed>): readonly Statement[] => {
    const role = template.Resources['IamRoleLambdaExecution']?.Properties as unknown as Role;
    return inlineStatements(role);
  };

  it('may say how the names of roles begin', () => {
    const params = {
      roleNamePrefix: 'team-web-',
      eventBusArn: 'arn:aws:events:eu-west-1:123456789012:event-bus/central',
    };
    const { Resources } = deployed(params).template;
    const roles = Object.values(Resources).filter(({ Type }) => Type === 'AWS::IAM::Role');
    expect(roles.map(({ Properties }) => Properties['RoleName'])).toEqual([
      { 'Fn::Sub': `team-web-ecs-drain-main-\${AWS::Region}-lambdaRole` },
      { 'Fn::Sub': `team-web-ecs-drain-main-\${AWS::Region}-parking` },
      { 'Fn::Sub': `team-web-ecs-drain-main-\${AWS::Region}-bus` },
    ]);
  });

  it('may have the function in its VPC, where Lambda and not its code handles the network interfaces', () => {
    const subnetIds = ['subnet-0a1b2c3d', 'subnet-0a1b2c3d4e5f60718'];
    const inVpc = deployed({ subnetIds, securityGroupIds: 'sg-0a1b2c3d' });
    expect(inVpc.template.Resources['DrainLambdaFunction']?.Properties['VpcConfig']).toEqual({
      SubnetIds: subnetIds,
      SecurityGroupIds: ['sg-0a1b2c3d'],
    });
    const network = statementsOf(inVpc).filter(({ Action }) => Action.some((action) => action.startsWith('ec2:')));
    expect(network.map(({ Effect, Condition }) => [Effect, Condition])).toEqual([
      ['Allow', undefined],
      ['Deny', { ArnEquals: { 'lambda:SourceFunctionArn': { 'Fn::Sub': FUNCTION_ARN } } }],
    ]);
    expect(network[0]?.Action).toEqual(network[1]?.Action);
    expect(JSON.stringify(deployed({}).template)).not.toMatch(/VpcConfig|"ec2:/);
  });

  it('may have a dead-letter queue already, which then everything sends to and watches', () => {
    const deadLetterQueueArn = 'arn:aws:sqs:eu-west-1:123456789012:letters';
    const { template, environment } = deployed({ deadLetterQueueArn });
    const text = JSON.stringify(template);
    expect(text).not.toMatch(/"DeadLetterQueue"|DeadLetterQueuePolicy|\{DeadLetterQueue/);
    expect(text.split(deadLetterQueueArn).length - 1).toBeGreaterThanOrEqual(6);
    const url = { 'Fn::Sub': `https://sqs.\${AWS::Region}.\${AWS::URLSuffix}/\${AWS::AccountId}/letters` };
    expect(environment['DEAD_LETTER_QUEUE_URL']).toEqual(url);
    expect(template.Outputs?.['DeadLetterQueueUrl']).toMatchObject({ Value: url });
    expect(template.Resources['DeadLettersAlarm']?.Properties['Dimensions']).toEqual([
      { Name: 'QueueName', Value: 'letters' },
    ]);
  });
});

describe('a bus for all accounts', () => {
  const PUBLISHED = [...Object.values(DRAIN_EVENT_DETAIL_TYPES), FAILED_DETAIL_TYPE, RETURN_DETAIL_TYPE];
  const eventBusArn = 'arn:aws:events:eu-central-1:210987654321:event-bus/central';

  it('gets every event that a drain publishes, and no continuation', () => {
    const { Properties = {} } = deployed({ eventBusArn }).rules['EventBusRule'] ?? {};
    expect(Properties).toMatchObject({
      Targets: [{ Arn: eventBusArn, RoleArn: { 'Fn::GetAtt': ['EventBusRole', 'Arn'] } }],
    });
    const pattern = { ...(Properties['EventPattern'] as object), account: ['123456789012'] };
    const taken = [CONTINUATION_DETAIL_TYPE, ...PUBLISHED].filter((type) =>
      matches(pattern, { source: 'ecs-drain.main', 'detail-type': type, account: '123456789012' }),
    );
    expect(taken).toEqual(PUBLISHED);
  });

  it('gets them by a role that may do nothing else, and that only this rule can use', () => {
    const role = deployed({ eventBusArn }).template.Resources['EventBusRole']?.Properties as unknown as Role;
    expect(inlineStatements(role)).toEqual([statement(['events:PutEvents'], eventBusArn)]);
    expect(role.AssumeRolePolicyDocument.Statement).toMatchObject([
      {
        Principal: { Service: 'events.amazonaws.com' },
        Condition: { ArnEquals: { 'aws:SourceArn': expect.anything() } },
      },
    ]);
  });

  it('is not there by default', () => {
    expect(Object.keys(deployed({}).template.Resources).join()).not.toContain('EventBus');
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
    [{ autoScalingGroups: 'web**' }, 'autoScalingGroups.0 is "web**": expected a pattern without ** in it'],
    [
      { autoScalingGroups: 'web-*' },
      'createLifecycleHooks cannot create a hook for web-*, because CloudFormation has to',
    ],
    [
      { autoScalingGroups: 'web-*', createLifecycleHooks: 'web-*' },
      'createLifecycleHooks cannot create a hook for web-*',
    ],
    [
      { autoScalingGroups: 'web-*', createLifecycleHooks: 'db' },
      'names db, which autoScalingGroups (web-*) does not have',
    ],
    [{ lifecycleHook: 'ecs drain' }, 'lifecycleHook.0 is "ecs drain": expected the name of a lifecycle hook.'],
    [{ createLifecycleHooks: 'yes' }, 'createLifecycleHooks names yes, which autoScalingGroups (web) does not have'],
    [
      { createLifecycleHooks: 'a:b' },
      'createLifecycleHooks is "a:b": expected true, false, or the names of the groups',
    ],
    [{ autoScalingGroups: 'web@prod,web@batch' }, 'expected each group once.'],
    [{ cluster: null, autoScalingGroups: 'web@prod,workers' }, 'cluster is missing'],
    [{ dryRun: true }, 'dryRun completes nothing, and createLifecycleHooks true would hold every instance for'],
    [{ stuckFraction: 0 }, 'stuckFraction is 0: expected a number from 0.05 to 1.'],
    [{ spotInterruptions: 'yes' }, 'spotInterruptions is "yes": expected one of true, false.'],
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
    ...Object.entries({ 1: '1', 1001: '1001', 12.5: '"12.5"', none: '"none"' }).map(
      ([maximumConcurrency, shown]): [Record<string, unknown>, string] => [
        { maximumConcurrency },
        `maximumConcurrency is ${shown}: expected a whole number from 2 to 1000.`,
      ],
    ),
    ...[50, 'none', 'auto'].map((reservedConcurrency): [Record<string, unknown>, string] => [
      { reservedConcurrency },
      'There is no setting reservedConcurrency any more, because the function no longer needs executions of its own: events wait in a queue. Remove it. To bound how many executions run at once, set maximumConcurrency (2 to 1000, default 5).',
    ]),
    [{ logLevel: 'LOUD' }, 'logLevel is "LOUD": expected one of DEBUG, INFO, WARN, ERROR.'],
    [{ clutser: 'prod' }, 'There is no setting clutser: did you mean cluster?'],
    [{ autoscalinggroups: 'web' }, 'There is no setting autoscalinggroups: did you mean autoScalingGroups?'],
    [{ bucket: 'mine' }, 'There is no setting bucket; there are cluster, autoScalingGroups, '],
    [{ eventSource: 'mine' }, 'There is no setting eventSource; there are cluster, autoScalingGroups, '],
    [{ lifecycleHook: 'first,second' }, 'lifecycleHook names 2 hooks (first, second), and createLifecycleHooks gives'],
    [{ heartbeatTimeoutSeconds: 60 }, 'deadlineSeconds 7200 is above the hook'],
    [
      { functionTimeoutSeconds: 24 },
      'functionTimeoutSeconds is 24: expected a whole number of seconds from 25 to 900.',
    ],
    [
      { functionTimeoutSeconds: 25, marginSeconds: 25 },
      'functionTimeoutSeconds 25 - marginSeconds 25 = 0 s, less than the',
    ],
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
    expect(JSON.stringify(each.rules)).toContain('"AutoScalingGroupName":["web","workers"]');
    expect(each.environment).toMatchObject({ CLUSTER: 'prod,batch', AUTO_SCALING_GROUPS: 'web@prod,workers@batch' });
    expect(JSON.stringify(each.clusterArns)).toMatch(/cluster\/prod.*cluster\/batch/);
    const some = deployed({ cluster: 'prod', autoScalingGroups: 'web,workers@batch' });
    expect(JSON.stringify(some.taskArns)).toMatch(/task\/prod.*task\/batch/);
  });

  it('create hooks for groups that a pattern chooses, where they are named', () => {
    const { lifecycleHooks } = deployed({ autoScalingGroups: 'web-*', createLifecycleHooks: 'web-1' });
    expect(Object.values(lifecycleHooks)).toMatchObject([{ Properties: { AutoScalingGroupName: 'web-1' } }]);
  });

  it('may leave some groups the hooks they have', () => {
    const { lifecycleHooks } = deployed({ autoScalingGroups: 'web,workers', createLifecycleHooks: 'workers' });
    expect(Object.values(lifecycleHooks)).toMatchObject([{ Properties: { AutoScalingGroupName: 'workers' } }]);
  });

  it('switch each notice of EC2 on by itself', () => {
    const usual = Object.keys(deployed({}).rules);
    const { rules: withSpot } = deployed({ spotInterruptions: true });
    expect(Object.keys(withSpot)).toEqual([...usual, 'SpotInterruptionRule']);
    const { rules } = deployed({ rebalanceRecommendations: true });
    expect(Object.keys(rules)).toEqual([...usual, 'RebalanceRecommendationRule']);
    expect(rules['RebalanceRecommendationRule']).toMatchObject({
      Properties: {
        Name: 'ecs-drain-main-rebalance-recommendation',
        EventPattern: { source: ['aws.ec2'], 'detail-type': ['EC2 Instance Rebalance Recommendation'] },
      },
    });
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
                  'ecs:PutAttributes',
                  'ecs:DeleteAttributes',
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

  it('that are misspelled fail the command with the sentence and no stack trace', async () => {
    const failure = await packaged({ args: [...TYPED, '--param=deadlineSecond=60'] }).catch((error) => error.message);
    const sentence = 'There is no setting deadlineSecond: did you mean deadlineSeconds?';
    expect(failure.split('\n').filter((line: string) => line.includes('deadlineSecond'))).toEqual([
      expect.stringMatching(new RegExp(`^(Error: |✖ )?${RegExp.escape(sentence)}$`)),
    ]);
    expect(failure).not.toMatch(/^ +at /m);
  });

  it('that are options of the command say so, and a stage that cannot be part of a name is refused', () => {
    expect(() => deployed({ stage: 'x' })).toThrow(
      'There is no setting stage: the stage is an option of its own, --stage.',
    );
    expect(() => deployed({ region: 'x' })).toThrow(/^There is no setting region: .* --region\.$/);
    for (const stage of ['', 'a_b']) {
      expect(() => deployed({}, stage)).toThrow(
        `stage is ${JSON.stringify(stage)}: expected letters, digits and hyphens.`,
      );
    }
  });

  it('that name something twice are shown as they were given', () => {
    const twice = () => deployed({ autoScalingGroups: 'web@prod,web@batch', tags: 'a=1, a=2' });
    expect(twice).toThrow(
      'autoScalingGroups is "web@prod,web@batch": expected each group once; tags is "a=1,a=2": expected each key once.',
    );
  });

  it('that are hardly meant are warned of: one group whose name has a space', () => {
    const warnings = (autoScalingGroups: string) =>
      warningsIn(paramsOf({ cluster: 'prod', autoScalingGroups }, 'main'));
    expect(warnings('web web2,workers')).toEqual([
      'autoScalingGroups has one group of the name "web web2": if these are 2 groups, separate them by commas, web,web2.',
    ]);
    expect(warnings('web, web2')).toEqual([]);
  });

  it('that are missing are all named in one sentence', () => {
    expect(() => deployed({ cluster: null, autoScalingGroups: null })).toThrow(
      'cluster is missing: expected names, separated by commas; autoScalingGroups is missing',
    );
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

/** The environment of the function as CloudFormation gets it, with what it has to fill in. */
function variablesOf({ template }: Package): unknown {
  interface Lambda {
    readonly Properties: { readonly Environment: { readonly Variables: unknown } };
  }
  const { Resources } = template as { readonly Resources: { readonly DrainLambdaFunction: Lambda } };
  return Resources.DrainLambdaFunction.Properties.Environment.Variables;
}

function queuePolicy(id: string, { resources }: Package): unknown[] {
  const policy = resources[id]?.Properties['PolicyDocument'] as { Statement: unknown[] } | undefined;
  return policy?.Statement ?? [];
}

function onlyOverTls(queue: string) {
  return {
    Sid: 'OnlyOverTls',
    Effect: 'Deny',
    Principal: '*',
    Action: 'sqs:*',
    Resource: `${queue}.Arn`,
    Condition: { Bool: { 'aws:SecureTransport': 'false' } },
  };
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
  return Action.every((action) => /^logs:|^sqs:(Receive|Delete|GetQueue)/.test(action));
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
  // IAM has no action for batches of messages.
  return [...new Set([...actions.map((action) => action.replace(/^(sqs:.*)Batch$/, '$1')), 'sqs:SendMessage'])];
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

/** The queue that the events of a rule go to, by the rule's name. */
function queueFor(ruleName: string): 'EventQueue' | 'TaskStopQueue' {
  return ruleName.endsWith('-task-stopped') ? 'TaskStopQueue' : 'EventQueue';
}

function ruleArn(name: string): string {
  return `arn:aws:events:eu-west-1:123456789012:rule/ecs-drain-main-${name}`;
}
