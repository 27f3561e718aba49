import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { App, type CfnElement, Duration, Stack, Tags } from 'aws-cdk-lib';
import { Annotations, Match, Template as Synthesized } from 'aws-cdk-lib/assertions';
import { AutoScalingGroup } from 'aws-cdk-lib/aws-autoscaling';
import { InstanceType, MachineImage, SecurityGroup, Vpc } from 'aws-cdk-lib/aws-ec2';
import { Cluster } from 'aws-cdk-lib/aws-ecs';
import { EventBus } from 'aws-cdk-lib/aws-events';
import { ManagedPolicy, PermissionsBoundary, PolicyStatement, User } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { Queue } from 'aws-cdk-lib/aws-sqs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Resource, Template } from '../../deploy/cloudformation.ts';
import { templateOf } from '../../deploy/template.ts';
import { byParameters, CODE, comparable } from '../../test/deploy/forms.ts';
import type * as built from '../ecs-drain.ts';
import type { EcsDrainProps } from '../props.ts';
import { BUILT } from './built.ts';

/** The construct as it is published, and what serverless.yml deploys for the same params. */

const { EcsDrain }: typeof built = await import(join(BUILT, 'ecs-drain.mjs'));

const WEB = { clusters: ['prod'], autoScalingGroups: ['web'] } satisfies EcsDrainProps;

function synthesized(props: EcsDrainProps): Template {
  const stack = new Stack(new App({ analyticsReporting: false }), 'Drains');
  new EcsDrain(stack, 'Drain', props);
  return Synthesized.fromStack(stack).toJSON() as Template;
}

/** The resources without the place of the function's code. */
function withoutCode({ Resources }: Pick<Template, 'Resources'>): Template['Resources'] {
  const { DrainLambdaFunction: lambda, ...others } = Resources;
  const { Code: _, ...Properties } = lambda?.Properties ?? {};
  return { ...others, DrainLambdaFunction: { ...lambda, Properties } as Resource };
}

describe('the resources', () => {
  const seconds = (min: number, max: number) => fc.integer({ min, max });
  const draws = fc.record(
    {
      stage: fc.constantFrom('try', 'blue-green'),
      groups: fc.constantFrom(['web'], ['web', 'workers@batch'], ['a,b@c d'.replace(/[,@]/g, '\\$&'), 'größe']),
      createLifecycleHooks: fc.boolean(),
      deadline: seconds(3_700, 7_200),
      functionTimeout: seconds(61, 900),
      waiting: fc.constantFrom('park' as const, 'watch' as const),
      stopStragglers: fc.constantFrom('none' as const, 'standalone' as const, 'all' as const),
      superviseManagedDraining: fc.boolean(),
      spotInterruptions: fc.boolean(),
      rebalanceRecommendations: fc.boolean(),
      sweep: seconds(1, 60),
      stuckFraction: fc.constantFrom(0.25, 1),
      tags: fc.constantFrom<Readonly<Record<string, string>>>({ team: 'web' }, { team: 'web', 'cost-center': '42' }),
      rolePath: fc.constantFrom('/', '/teams/web/'),
      logRetention: fc.constantFrom(RetentionDays.ONE_DAY, RetentionDays.TEN_YEARS),
    },
    { requiredKeys: ['groups', 'stage'] },
  );

  type Drawn = typeof draws extends fc.Arbitrary<infer T> ? T : never;

  /** The properties and the params that mean the same. */
  function saidTwice({
    groups,
    stage,
    deadline,
    functionTimeout,
    sweep,
    ...same
  }: Omit<Drawn, 'groups'> & { readonly groups: readonly string[] }) {
    const props: EcsDrainProps = {
      clusters: ['prod', 'staging'],
      autoScalingGroups: groups,
      stage,
      ...same,
      ...(deadline !== undefined && { deadline: Duration.seconds(deadline) }),
      ...(functionTimeout !== undefined && { functionTimeout: Duration.seconds(functionTimeout) }),
      ...(sweep !== undefined && { sweep: Duration.minutes(sweep) }),
    };
    const { tags, logRetention, ...others } = same;
    const pairs = tags && Object.entries(tags).map((tag) => tag.join('='));
    const params = {
      cluster: 'prod,staging',
      autoScalingGroups: groups.join(','),
      deadlineSeconds: deadline,
      functionTimeoutSeconds: functionTimeout,
      sweepMinutes: sweep,
      logRetentionDays: logRetention,
      tags: pairs?.join(','),
      ...others,
    };
    return { props, params };
  }

  it('are those of serverless.yml for the same params, under the same logical ids', () => {
    fc.assert(
      fc.property(draws, (drawn) => {
        const { props, params } = saidTwice(drawn);
        const expected = templateOf(params, drawn.stage);
        const template = synthesized(props);
        expect(withoutCode(template)).toEqual(expected.Resources);
        expect(template.Outputs).toEqual(expected.Outputs);
      }),
      { numRuns: 15 },
    );
  });

  it('are those of the template that CloudFormation and Terraform deploy, for what it can say', () => {
    fc.assert(
      fc.property(draws, ({ tags: _, ...drawn }) => {
        const groups = drawn.groups.map((group) => group.replace(/[@,\\]/g, '-'));
        const { props, params } = saidTwice({ ...drawn, groups });
        const given = Object.entries(params).flatMap(([name, value]) =>
          value === undefined ? [] : [[name, `${value}`]],
        );
        const resources = byParameters(Object.fromEntries(given), drawn.stage);
        const lambda = resources['DrainLambdaFunction'];
        expect(lambda?.Properties['Code']).toEqual(CODE);
        expect(comparable(withoutCode(synthesized(props)))).toEqual(comparable(withoutCode({ Resources: resources })));
      }),
      { numRuns: 8 },
    );
  });

  it('have the code of the package, as an asset', () => {
    expect(synthesized(WEB).Resources['DrainLambdaFunction']?.Properties['Code']).toEqual({
      S3Bucket: { 'Fn::Sub': expect.stringContaining('cdk-') },
      S3Key: expect.stringMatching(/^[0-9a-f]{64}\.zip$/),
    });
  });
});

describe('what is given as constructs', () => {
  const app = () => new App({ analyticsReporting: false });

  const IN_IRELAND = { env: { region: 'eu-west-1' } };

  function vpcIn(stack: Stack, id: string) {
    return Vpc.fromVpcAttributes(stack, id, {
      vpcId: 'vpc-0123456789abcdef0',
      availabilityZones: ['eu-west-1a'],
      privateSubnetIds: ['subnet-0123456789abcdef0'],
    });
  }

  function groupIn(stack: Stack, id: string): AutoScalingGroup {
    return new AutoScalingGroup(stack, id, {
      vpc: vpcIn(stack, `${id}Vpc`),
      instanceType: new InstanceType('t4g.small'),
      machineImage: MachineImage.genericLinux({ 'eu-west-1': 'ami-0123456789abcdef0' }),
    });
  }

  function resourcesOf(stack: Stack): Template['Resources'] {
    return Synthesized.fromStack(stack).toJSON()['Resources'];
  }

  it('groups and clusters are referred to wherever their names are', () => {
    const stack = new Stack(app(), 'Drains', IN_IRELAND);
    const cluster = new Cluster(stack, 'Cluster', { vpc: vpcIn(stack, 'Vpc') });
    const group = groupIn(stack, 'Web');
    new EcsDrain(stack, 'Drain', {
      clusters: [cluster],
      autoScalingGroups: [group, { group: groupIn(stack, 'Jobs'), cluster }, 'app-*'],
      createLifecycleHooks: [group],
    });
    const resources = resourcesOf(stack);
    const web = { Ref: stack.getLogicalId(group.node.defaultChild as CfnElement) };
    const prod = { Ref: stack.getLogicalId(cluster.node.defaultChild as CfnElement) };
    const jobs = expect.objectContaining({ Ref: expect.stringMatching(/^Jobs/) });

    expect(resources['DrainLambdaFunction']?.Properties['Environment']).toMatchObject({
      Variables: { CLUSTER: prod, AUTO_SCALING_GROUPS: { 'Fn::Join': ['', [web, ',', jobs, '@', prod, ',app-*']] } },
    });
    const rules = Object.values(resources).filter(({ Type }) => Type === 'AWS::Events::Rule');
    expect(rules.map(({ Properties }) => Properties['EventPattern'])).toContainEqual(
      expect.objectContaining({
        detail: expect.objectContaining({ AutoScalingGroupName: [web, jobs, { prefix: 'app-' }] }),
      }),
    );
    const [hook, ...others] = Object.values(resources).filter(({ Type }) => Type === 'AWS::AutoScaling::LifecycleHook');
    expect([hook?.Properties['AutoScalingGroupName'], others]).toEqual([web, []]);
    const role = JSON.stringify(resources['IamRoleLambdaExecution']);
    expect(role).toMatch(/autoScalingGroupName\/\$\{(Token\w+)\}",\{"\1":\{"Ref":"Web/);
    expect(role).toMatch(/cluster\/\$\{(Token\w+)\}",\{"\1":\{"Ref":"Cluster/);
    expect(JSON.stringify(resources)).not.toContain('token-');
  });

  it('a group of another stack is imported', () => {
    const all = app();
    const group = groupIn(new Stack(all, 'Groups', IN_IRELAND), 'Web');
    const stack = new Stack(all, 'Drains', IN_IRELAND);
    new EcsDrain(stack, 'Drain', { clusters: ['prod'], autoScalingGroups: [group] });
    const [hook] = Object.values(resourcesOf(stack)).filter(({ Type }) => Type === 'AWS::AutoScaling::LifecycleHook');
    expect(hook?.Properties['AutoScalingGroupName']).toEqual({ 'Fn::ImportValue': expect.stringContaining('Groups:') });
  });

  it('the hook of a group keeps its logical id when another group comes before it', () => {
    const hooksWith = (...ids: string[]) => {
      const stack = new Stack(app(), 'Drains', IN_IRELAND);
      new EcsDrain(stack, 'Drain', { clusters: ['prod'], autoScalingGroups: ids.map((id) => groupIn(stack, id)) });
      return Object.keys(resourcesOf(stack)).filter((id) => id.startsWith('LifecycleHook'));
    };
    const [web] = hooksWith('Web');
    expect(hooksWith('Jobs', 'Web')).toEqual([expect.not.stringContaining(String(web)), web]);
  });

  it('the name of an imported group is a name, whatever characters it has', () => {
    const stack = new Stack(app(), 'Drains');
    const group = AutoScalingGroup.fromAutoScalingGroupName(stack, 'Web', 'a,b@c*');
    new EcsDrain(stack, 'Drain', { clusters: ['prod'], autoScalingGroups: [group] });
    const [hook] = Object.values(resourcesOf(stack)).filter(({ Type }) => Type === 'AWS::AutoScaling::LifecycleHook');
    expect(hook?.Properties['AutoScalingGroupName']).toBe('a,b@c*');
  });

  it('topics, keys and policies are referred to by their ARNs', () => {
    const stack = new Stack(app(), 'Drains');
    const key = new Key(stack, 'Key');
    const topic = new Topic(stack, 'Topic');
    const boundary = new ManagedPolicy(stack, 'Boundary', {
      statements: [new PolicyStatement({ actions: ['*'], resources: ['*'] })],
    });
    new EcsDrain(stack, 'Drain', {
      ...WEB,
      alarmTopic: topic,
      logKmsKey: key,
      queueKmsKey: key,
      permissionsBoundary: boundary,
    });
    const resources = resourcesOf(stack);
    const keyArn = { 'Fn::GetAtt': [expect.stringMatching(/^Key/), 'Arn'] };
    const reference = (id: string) => ({ Ref: expect.stringMatching(new RegExp(`^${id}`)) });
    expect(resources['TimedOutAlarm']?.Properties['AlarmActions']).toEqual([reference('Topic')]);
    expect(resources['DrainLogGroup']?.Properties['KmsKeyId']).toEqual(keyArn);
    expect(resources['EventQueue']?.Properties['KmsMasterKeyId']).toEqual(keyArn);
    expect(resources['ParkingRole']?.Properties['PermissionsBoundary']).toEqual(reference('Boundary'));
  });

  it('subnets, security groups, queues and buses are referred to by their ids and ARNs', () => {
    const stack = new Stack(app(), 'Drains', IN_IRELAND);
    const vpc = new Vpc(stack, 'Vpc', { maxAzs: 1 });
    const queue = new Queue(stack, 'Letters');
    new EcsDrain(stack, 'Drain', {
      ...WEB,
      vpc,
      securityGroups: [new SecurityGroup(stack, 'Group', { vpc })],
      deadLetterQueue: queue,
      eventBus: new EventBus(stack, 'Bus'),
    });
    const resources = resourcesOf(stack);
    const letters = stack.getLogicalId(queue.node.defaultChild as CfnElement);
    expect(resources['DrainLambdaFunction']?.Properties['VpcConfig']).toEqual({
      SubnetIds: [{ Ref: expect.stringMatching(/^VpcPrivateSubnet1/) }],
      SecurityGroupIds: [{ 'Fn::GetAtt': [expect.stringMatching(/^Group/), 'GroupId'] }],
    });
    expect(resources['EventQueue']?.Properties['RedrivePolicy']).toMatchObject({
      deadLetterTargetArn: { 'Fn::GetAtt': [letters, 'Arn'] },
    });
    expect(JSON.stringify(resources['DeadLettersAlarm'])).toContain(`"Fn::GetAtt":["${letters}","QueueName"]`);
    expect(JSON.stringify(resources['EventBusRule'])).toMatch(/"Arn":\{"Fn::GetAtt":\["Bus\w+","Arn"\]\}/);
    expect(JSON.stringify(resources)).not.toContain('token-');
    expect(JSON.stringify(resources)).not.toContain('123456789012');
  });

  it("the CDK's own tags and boundaries reach the resources", () => {
    const stack = new Stack(app(), 'Drains');
    new EcsDrain(stack, 'Drain', WEB);
    const boundary = ManagedPolicy.fromManagedPolicyArn(stack, 'Boundary', 'arn:aws:iam::123456789012:policy/boundary');
    PermissionsBoundary.of(stack).apply(boundary);
    Tags.of(stack).add('team', 'web');
    expect(resourcesOf(stack)['IamRoleLambdaExecution']?.Properties['PermissionsBoundary']).toBe(
      boundary.managedPolicyArn,
    );
    expect(stack.tags.tagValues()).toEqual({ team: 'web' });
  });
});

describe('properties that cannot work', () => {
  it.each<[string, Partial<EcsDrainProps>]>([
    ['out of bounds', { heartbeatTimeout: Duration.seconds(29) }],
    ['of parts of a second', { deadline: Duration.millis(1_500) }],
    ['in conflict with each other', { dryRun: true }],
    ['two hooks to create', { lifecycleHook: ['a', 'b'] }],
    ['a role path without its slashes', { rolePath: 'teams' }],
  ])('%s are refused with the sentence of serverless package', (_, wrong) => {
    const params: Record<string, unknown> = {
      cluster: 'prod',
      autoScalingGroups: 'web',
      heartbeatTimeoutSeconds: wrong.heartbeatTimeout?.toSeconds(),
      deadlineSeconds: wrong.deadline?.toSeconds({ integral: false }),
      ...wrong,
    };
    for (const name of ['heartbeatTimeout', 'deadline']) delete params[name];
    const sentence = messageOf(() => templateOf(params, 'main'));
    expect(sentence.length).toBeGreaterThan(20);
    expect(messageOf(() => synthesized({ ...WEB, ...wrong }))).toBe(sentence);
  });

  const aList = 'expected a list, each';
  const aGroup = 'the name of a group or a pattern, or a construct that has autoScalingGroupName';
  it.each<[string, unknown, string]>([
    ['misspelled', { ...WEB, dedline: Duration.hours(1) }, 'There is no property dedline: did you mean deadline?'],
    [
      'named as params are',
      { ...WEB, deadlineSeconds: 60 },
      'There is no property deadlineSeconds: did you mean deadline?',
    ],
    ['like no other', { ...WEB, bucket: 'mine' }, 'There is no property bucket; there are stage, clusters, '],
    ['none', undefined, 'There are no properties: expected { clusters, autoScalingGroups }.'],
    ['no groups', { clusters: ['prod'] }, 'autoScalingGroups is missing: expected names, separated by commas.'],
    [
      'groups in one text',
      { ...WEB, autoScalingGroups: 'web web2' },
      `autoScalingGroups is "web web2": ${aList} ${aGroup}, or { group, cluster } with a construct and its cluster.`,
    ],
    ['a group that is undefined', { ...WEB, autoScalingGroups: [undefined] }, `autoScalingGroups is [null]: ${aList}`],
    ['a cluster without a list', { ...WEB, clusters: 'prod' }, `clusters is "prod": ${aList} the name of a cluster`],
    ['a number for a Duration', { ...WEB, deadline: 3_600 }, 'deadline is 3600: expected a Duration, such as '],
    [
      'an ARN for a construct',
      { ...WEB, alarmTopic: 'arn:aws:sns:eu-west-1:123456789012:alarms' },
      'alarmTopic is "arn:aws:sns:eu-west-1:123456789012:alarms": expected a construct that has topicArn, such as ',
    ],
    ['tags as a text', { ...WEB, tags: 'team=web' }, 'tags is "team=web": expected an object of texts'],
    ['an id for a VPC', { ...WEB, vpc: 'vpc-0123456789abcdef0' }, 'vpc is "vpc-0123456789abcdef0": expected a VPC'],
    ['subnets of no VPC', { ...WEB, vpcSubnets: {} }, 'vpcSubnets needs vpc: set vpc, or remove vpcSubnets.'],
    ['a text for a flag', { ...WEB, dryRun: 'yes' }, 'dryRun is "yes": expected one of true, false.'],
    ['an empty stage', { ...WEB, stage: '' }, 'stage is "": expected letters, digits and hyphens.'],
    ['a stage of a number', { ...WEB, stage: 1 }, 'stage is 1: expected a text.'],
  ])('%s, as JavaScript may give them, are refused in a sentence', (_, props, sentence) => {
    const message = messageOf(() => synthesized(props as EcsDrainProps));
    expect(message.slice(0, sentence.length)).toBe(sentence);
  });

  it('an ARN in place of a name is refused with the sentence of serverless package', () => {
    for (const [props, params] of [
      [
        { clusters: ['arn:aws:ecs:eu-west-1:123456789012:cluster/prod'] },
        { cluster: 'arn:aws:ecs:eu-west-1:123456789012:cluster/prod' },
      ],
      [{ autoScalingGroups: ['arn:aws:autoscaling:web'] }, { autoScalingGroups: 'arn:aws:autoscaling:web' }],
    ] as const) {
      const sentence = messageOf(() => templateOf({ cluster: 'prod', autoScalingGroups: 'web', ...params }, 'main'));
      expect(sentence).toContain('(not the ARN)');
      expect(messageOf(() => synthesized({ ...WEB, ...props }))).toBe(sentence);
    }
  });

  it('one group whose name has a space is warned of', () => {
    const stack = new Stack(new App({ analyticsReporting: false }), 'Drains');
    new EcsDrain(stack, 'Drain', { ...WEB, autoScalingGroups: ['web web2'] });
    const [warning, ...others] = Annotations.fromStack(stack).findWarning('*', Match.anyValue());
    expect(others).toEqual([]);
    expect(warning?.entry.data).toMatch(/^autoScalingGroups has one group of the name "web web2": /);
  });

  it('no cluster at all is refused', () => {
    expect(messageOf(() => synthesized({ autoScalingGroups: ['web'] }))).toBe(
      messageOf(() => templateOf({ autoScalingGroups: 'web' }, 'main')),
    );
  });

  function messageOf(make: () => unknown): string {
    try {
      make();
    } catch (error) {
      return (error as Error).message;
    }
    throw new Error('Nothing was refused.');
  }
});

describe('the members', () => {
  const stack = new Stack(new App({ analyticsReporting: false }), 'Drains');
  const drain = new EcsDrain(stack, 'Drain', WEB);

  it('metrics are those of the dashboard and the alarms', () => {
    const { namespace, metricName, dimensions, statistic } = drain.metricDrains('timed-out');
    expect({ namespace, metricName, dimensions, statistic }).toEqual({
      namespace: 'ECSDrain',
      metricName: 'Drains',
      dimensions: { service: 'ecs-drain-main', outcome: 'timed-out' },
      statistic: 'Sum',
    });
    const made = [
      drain.metricDrains('drained'),
      drain.metricDrainDuration('drained'),
      drain.metricDrainSlack(),
      drain.metricTasksKilledAtDeadline('timed-out'),
      drain.metricTasksUnaccounted(),
      drain.metricDeadlineUsed(),
      drain.metricStuckDrains(),
      drain.metricLostDrainsFound(),
    ].map(({ metricName: name }) => name);
    const page = readFileSync(resolve(import.meta.dirname, '../../docs/operations.md'), 'utf8');
    for (const name of made) expect(page).toContain(`| \`${name}\``);
    expect(drain.metric('StuckDrains', { period: Duration.minutes(1) }).period.toSeconds()).toBe(60);
  });

  it('an alarm is a member for each alarm of the template', () => {
    const { Resources } = Synthesized.fromStack(stack).toJSON() as Template;
    const ids = Object.keys(Resources).filter((id) => Resources[id]?.Type === 'AWS::CloudWatch::Alarm');
    const members = Object.values(drain.alarms).map((alarm) => stack.resolve(alarm.alarmArn)['Fn::GetAtt']);
    expect(members.toSorted()).toEqual(ids.map((id) => [id, 'Arn']).toSorted());
  });

  it('what is granted is what docs/operations.md says that the commands need', () => {
    const page = readFileSync(resolve(import.meta.dirname, '../../docs/operations.md'), 'utf8');
    const [, header = '', rows = ''] = /^\| permission \|(.*)\n\|[-|]+\n((?:\|.*\n)+)/m.exec(page) ?? [];
    const commands = header
      .split('|')
      .slice(0, -1)
      .map((cell) => cell.trim().replaceAll('`', ''));
    const needed = (isWanted: (command: string) => boolean) =>
      rows
        .trimEnd()
        .split('\n')
        .map((row) => row.split('|').slice(1))
        .filter((cells) => commands.some((command, i) => isWanted(command) && cells[i + 1]?.trim() === 'x'))
        .flatMap(([permission = '']) => /`([^`]+)`/.exec(permission)?.[1] ?? [])
        .toSorted();
    const granted = (grant: 'grantInspect' | 'grantOperate') => {
      const users = new Stack(new App({ analyticsReporting: false }), 'Users');
      new EcsDrain(users, 'Drain', WEB)[grant](new User(users, 'Operator'));
      const ofUser = { Properties: { Users: Match.anyValue() } };
      const [policy] = Object.values(Synthesized.fromStack(users).findResources('AWS::IAM::Policy', ofUser));
      const statements: { Action: string | string[] }[] = policy?.['Properties'].PolicyDocument.Statement;
      return [...new Set(statements.flatMap(({ Action }) => Action))].toSorted();
    };
    expect(commands).toEqual(expect.arrayContaining(['status', 'replay', 'release']));
    expect(granted('grantInspect')).toEqual(needed((command) => !/^(drain|extend|release|replay)$/.test(command)));
    expect(granted('grantOperate')).toEqual(needed(() => true));
  });

  it('an operator may let go the instances of the groups, and of no others', () => {
    const users = new Stack(new App({ analyticsReporting: false }), 'Users');
    new EcsDrain(users, 'Drain', {
      ...WEB,
      autoScalingGroups: ['web', 'app-*'],
      createLifecycleHooks: ['web'],
    }).grantOperate(new User(users, 'Operator'));
    const group = (name: string) => ({
      'Fn::Sub': `arn:\${AWS::Partition}:autoscaling:\${AWS::Region}:\${AWS::AccountId}:autoScalingGroup:*:autoScalingGroupName/${name}`,
    });
    Synthesized.fromStack(users).hasResourceProperties('AWS::IAM::Policy', {
      Users: Match.anyValue(),
      PolicyDocument: {
        Statement: Match.arrayWith([
          {
            Effect: 'Allow',
            Action: ['autoscaling:CompleteLifecycleAction', 'autoscaling:TerminateInstanceInAutoScalingGroup'],
            Resource: [group('web'), group('app-*')],
          },
        ]),
      },
    });
  });
});

it('is the same construct by require', () => {
  const required: typeof built = createRequire(import.meta.url)(join(BUILT, 'ecs-drain.cjs'));
  const stack = new Stack(new App({ analyticsReporting: false }), 'Drains');
  new required.EcsDrain(stack, 'Drain', WEB);
  expect(Synthesized.fromStack(stack).toJSON()).toEqual(synthesized(WEB));
});
