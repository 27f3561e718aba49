import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { deploymentOf } from '../../deploy/template.ts';
import { type Deployment, deploymentIn, type Package, packaged, unpack } from '../../sandbox/packaging.ts';
import { matches } from '../../sandbox/region/event-pattern.ts';
import { settingsFrom } from '../../src/handlers/settings.ts';
import { sampleEvents } from './sample-events.ts';

/** What a user types, with two groups. */
const TYPED = ['--param=cluster=prod', '--param=autoScalingGroups=web,workers'];

/** As typed; edited in the YAML, for another stage; with hooks that are managed elsewhere. */
let typical: Package;
let edited: Package;
let hookless: Package;

beforeAll(async () => {
  [typical, edited, hookless] = await Promise.all([
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
  ]);
}, 60_000);

describe('the rules', () => {
  it.each([
    ['as typed', () => typical],
    ['for another stage', () => edited],
    ['with hooks that are managed elsewhere', () => hookless],
  ])('take each sample event or leave it, %s', async (_, from) => {
    const { rules, environment } = deploymentIn(from());
    const samples = await sampleEvents(settingsFrom(environment));
    expect(samples.map(({ what, event }) => [what, takersAmong(rules, event)])).toEqual(
      samples.map(({ what, takenBy }) => [what, takenBy === undefined ? [] : [takenBy]]),
    );
  });
});

describe('the role', () => {
  it('allows exactly the actions that the adapters send', async () => {
    expect(actionsOf(edited).toSorted()).toEqual(await adapterActions());
  });

  it('allows neither StopTask nor what only StopTask needs where no task is stopped', async () => {
    const stopping = ['ecs:DescribeTaskDefinition', 'ecs:StopTask'];
    const others = (await adapterActions()).filter((action) => !stopping.includes(action));
    expect(actionsOf(typical).toSorted()).toEqual(others);
    expect(actionsOf(hookless).toSorted()).toEqual(others);
  });

  it.each([
    ['ecs:ListContainerInstances', [ecs('cluster/prod'), ecs('cluster/staging')], undefined],
    ['ecs:DescribeContainerInstances', ecsOf('container-instance'), inOurClusters()],
    ['ecs:UpdateContainerInstancesState', ecsOf('container-instance'), inOurClusters()],
    ['ecs:ListTasks', ecsOf('container-instance'), inOurClusters()],
    ['ecs:DescribeTasks', ecsOf('task'), inOurClusters()],
    ['ecs:StopTask', ecsOf('task'), inOurClusters()],
    ['ecs:DescribeServices', ecsOf('service'), inOurClusters()],
    ['autoscaling:CompleteLifecycleAction', [groupArn('web')], undefined],
    ['autoscaling:RecordLifecycleActionHeartbeat', [groupArn('web')], undefined],
    [
      'events:PutEvents',
      ['arn:aws:events:eu-west-1:123456789012:event-bus/default'],
      { StringEquals: { 'events:source': 'ecs-drain.blue-green', 'events:detail-type': 'ECS Drain Continuation' } },
    ],
    // IAM gives these no resource.
    ['autoscaling:DescribeLifecycleHooks', ['*'], undefined],
    ['ecs:DescribeTaskDefinition', ['*'], undefined],
  ])('allows %s on what it needs alone', (action, resources, condition) => {
    const allowing = statementsOf(edited).filter(({ Action }) => Action.includes(action));
    expect(allowing.map(({ Resource }) => Resource)).toEqual([resources]);
    expect(allowing.map(({ Condition }) => Condition)).toEqual([condition]);
  });

  it("may, for Lambda's sake, write this function's logs and dead letters", () => {
    const logGroups = 'arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/ecs-drain-dev*:*';
    expect(statementsOf(typical).filter(isForLambda)).toEqual([
      statement(['logs:CreateLogStream', 'logs:CreateLogGroup', 'logs:TagResource'], logGroups),
      statement(['logs:PutLogEvents'], `${logGroups}:*`),
      statement(['sqs:SendMessage'], 'DeadLetterQueue.Arn'),
    ]);
  });

  it('knows nothing of SNS', () => {
    for (const { resources } of [typical, edited, hookless]) expect(JSON.stringify(resources)).not.toMatch(/\bsns\b/i);
  });
});

describe('the dead-letter queue', () => {
  it('is encrypted and keeps what it is given for 14 days', () => {
    const [queue] = ofType<{ SqsManagedSseEnabled: boolean; MessageRetentionPeriod: number }>('AWS::SQS::Queue');
    expect(queue).toEqual({ SqsManagedSseEnabled: true, MessageRetentionPeriod: 14 * 24 * 60 * 60 });
  });

  it('takes messages from the two rules only, and over TLS only', () => {
    const [policy] = ofType<{ PolicyDocument: { Statement: unknown[] } }>('AWS::SQS::QueuePolicy');
    expect(policy?.PolicyDocument.Statement).toEqual([
      {
        Sid: 'OnlyTheTwoRules',
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

  it.each(['dev', 'blue-green'])('come after both rules and their permissions in stage %s', (stage) => {
    const { resources } = stage === 'dev' ? typical : edited;
    const types = ['AWS::Events::Rule', 'AWS::Lambda::Permission'];
    const listening = Object.keys(resources).filter((id) => types.includes(resources[id]?.Type ?? ''));
    const hooks = Object.values(resources).filter(({ Type }) => Type === 'AWS::AutoScaling::LifecycleHook');
    expect(listening).toHaveLength(4);
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
    [{ createLifecycleHooks: 'yes' }, 'createLifecycleHooks is "yes": expected one of true, false.'],
    [
      { heartbeatTimeoutSeconds: 29 },
      'heartbeatTimeoutSeconds is 29: expected a whole number of seconds from 30 to 7200.',
    ],
    [{ heartbeatTimeoutSeconds: 7_201 }, 'expected a whole number of seconds from 30 to 7200.'],
    [{ hookDefaultResult: 'continue' }, 'hookDefaultResult is "continue": expected one of CONTINUE, ABANDON.'],
    [{ deadlineSeconds: '2h' }, 'deadlineSeconds is "2h": expected a whole number of seconds from 1 to 172800.'],
    [{ deadlineResult: 'STOP' }, 'deadlineResult is "STOP": expected one of CONTINUE, ABANDON.'],
    [{ stopStragglers: true }, 'stopStragglers is "true": expected one of none, standalone, all.'],
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

/** The last words of the names of the rules that take the event. */
function takersAmong(rules: Deployment['rules'], event: unknown): (string | undefined)[] {
  return rules.filter(({ pattern }) => matches(pattern, event)).map(({ name }) => name.split('-').at(-1));
}

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

/** The statements of the only role, with a list wherever IAM takes one or a list. */
function statementsOf(from: Package): Statement[] {
  type Policy = { PolicyDocument: { Statement: { Effect: string; Action: string; Resource: string }[] } };
  const policies = ofType<{ Policies: Policy[] }>('AWS::IAM::Role', from).flatMap(({ Policies }) => Policies);
  return policies
    .flatMap(({ PolicyDocument }) => PolicyDocument.Statement)
    .map((each) => ({ ...each, Action: [each.Action].flat(), Resource: [each.Resource].flat() }));
}

/** Lambda itself, not the adapters, sends these with the function's role. */
function isForLambda({ Action }: Statement): boolean {
  return Action.every((action) => /^(logs|sqs):/.test(action));
}

function actionsOf(from: Package): string[] {
  return statementsOf(from)
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

function groupArn(name: string): string {
  return `arn:aws:autoscaling:eu-west-1:123456789012:autoScalingGroup:*:autoScalingGroupName/${name}`;
}

function ruleArn(name: string): string {
  return `arn:aws:events:eu-west-1:123456789012:rule/ecs-drain-dev-${name}`;
}

/** The deployment of the defaults in serverless.yml with these params. */
function deployed(params: Record<string, unknown>) {
  const defaults = {
    cluster: 'prod',
    autoScalingGroups: 'web',
    lifecycleHook: 'ecs-drain',
    createLifecycleHooks: true,
    heartbeatTimeoutSeconds: 3_600,
    hookDefaultResult: 'CONTINUE',
    deadlineSeconds: 7_200,
    deadlineResult: 'CONTINUE',
    stopStragglers: 'none',
    deregistrationDelaySeconds: 300,
    agentGraceSeconds: 900,
    heartbeatFraction: 0.5,
    pollMinSeconds: 2,
    pollMaxSeconds: 20,
    marginSeconds: 20,
    functionTimeoutSeconds: 300,
    logLevel: 'INFO',
  };
  const surroundings = { eventSource: 'ecs-drain.dev', functionName: 'ecs-drain-dev-drain' };
  return deploymentOf({ ...defaults, ...params }, surroundings);
}
