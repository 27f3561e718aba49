import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { App, type CfnElement, CfnParameter, Duration, Stack, Tags } from 'aws-cdk-lib';
import { Annotations, Match, Template as Synthesized } from 'aws-cdk-lib/assertions';
import { AutoScalingGroup } from 'aws-cdk-lib/aws-autoscaling';
import { InstanceType, MachineImage, SecurityGroup, Vpc } from 'aws-cdk-lib/aws-ec2';
import { Cluster } from 'aws-cdk-lib/aws-ecs';
import { EventBus } from 'aws-cdk-lib/aws-events';
import { ManagedPolicy, PermissionsBoundary, PolicyStatement, User } from 'aws-cdk-lib/aws-iam';
import { Alias, Key } from 'aws-cdk-lib/aws-kms';
import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { Queue } from 'aws-cdk-lib/aws-sqs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Resource, Template } from '../../deploy/cloudformation.ts';
import { limitsExceeded } from '../../deploy/limits.ts';
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

  it('a token within a text is a part of a pattern or of a name', () => {
    const stack = new Stack(app(), 'Drains');
    const name = new CfnParameter(stack, 'Name').valueAsString;
    new EcsDrain(stack, 'Drain', {
      clusters: ['prod', `prod-${stack.region}`],
      autoScalingGroups: [`web-${stack.region}-*`, `${name}@batch`],
      createLifecycleHooks: [`${name}@batch`],
    });
    const resources = resourcesOf(stack);
    const region = { Ref: 'AWS::Region' };
    const parameter = { Ref: 'Name' };
    const join = (...parts: unknown[]) => ({ 'Fn::Join': ['', parts] });

    expect(resources['DrainLambdaFunction']?.Properties['Environment']).toMatchObject({
      Variables: {
        CLUSTER: join('prod,prod-', region),
        AUTO_SCALING_GROUPS: join('web-', region, '-*,', parameter, '@batch'),
      },
    });
    const rules = Object.values(resources).filter(({ Type }) => Type === 'AWS::Events::Rule');
    expect(rules.map(({ Properties }) => Properties['EventPattern'])).toContainEqual(
      expect.objectContaining({
        detail: expect.objectContaining({ AutoScalingGroupName: [{ prefix: join('web-', region, '-') }, parameter] }),
      }),
    );
    const hooks = Object.values(resources).filter(({ Type }) => Type === 'AWS::AutoScaling::LifecycleHook');
    expect(hooks.map(({ Properties }) => Properties['AutoScalingGroupName'])).toEqual([parameter]);
    const role = JSON.stringify(resources['IamRoleLambdaExecution']);
    expect(role).toMatch(/autoScalingGroupName\/web-\$\{(Token\w+)\}-\*",\{"\1":\{"Ref":"AWS::Region"\}/);
    expect(role).toMatch(/autoScalingGroupName\/\$\{(Token\w+)\}",\{"\1":\{"Ref":"Name"\}/);
    expect(role).toMatch(/cluster\/batch"/);
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

  it('an ARN with tokens is referred to as it is, however much of it is known', () => {
    const stack = new Stack(app(), 'Drains');
    new EcsDrain(stack, 'Drain', {
      ...WEB,
      eventBus: EventBus.fromEventBusName(stack, 'Bus', 'central'),
      permissionsBoundary: ManagedPolicy.fromAwsManagedPolicyName('PowerUserAccess'),
      deadLetterQueue: Queue.fromQueueArn(stack, 'Letters', stack.formatArn({ service: 'sqs', resource: 'letters' })),
    });
    const resources = resourcesOf(stack);
    expect(JSON.stringify(resources['EventBusRule']?.Properties['Targets'])).toContain(':event-bus/central"]]}');
    expect(resources['ParkingRole']?.Properties['PermissionsBoundary']).toEqual({
      'Fn::Join': ['', ['arn:', { Ref: 'AWS::Partition' }, ':iam::aws:policy/PowerUserAccess']],
    });
    expect(JSON.stringify(resources['EventQueue']?.Properties['RedrivePolicy'])).toContain(':letters"]]}');
    expect(JSON.stringify(resources['DeadLettersAlarm'])).toContain('"Value":"letters"');
    expect(JSON.stringify(resources)).not.toContain('token-');
    expect(JSON.stringify(resources)).not.toContain('123456789012');
  });

  const ofDefaultBus = (stack: Stack) => EventBus.fromEventBusName(stack, 'Bus', 'default');
  const ofAlias = (stack: Stack) =>
    new Alias(stack, 'Alias', { aliasName: 'alias/logs', targetKey: new Key(stack, 'K') });
  it.each<[string, (stack: Stack) => Partial<EcsDrainProps>, RegExp]>([
    [
      'the default bus',
      (stack) => ({ eventBus: ofDefaultBus(stack) }),
      /^eventBusArn is "arn:\$\{Token\[.*:event-bus\/default": expected none, or the ARN of an event bus that is no default one/,
    ],
    [
      'the alias of a key',
      (stack) => ({ logKmsKey: ofAlias(stack) }),
      /^logKmsKeyArn is .*: expected none, or the ARN of a KMS key \(not of an alias\)/,
    ],
    [
      'a FIFO topic',
      (stack) => ({ alarmTopic: new Topic(stack, 'Topic', { fifo: true }) }),
      /^alarmTopic is a FIFO one: expected a standard one\.$/,
    ],
    [
      'a FIFO queue',
      (stack) => ({ deadLetterQueue: new Queue(stack, 'Letters', { fifo: true }) }),
      /^deadLetterQueue is a FIFO one: expected a standard one\.$/,
    ],
    [
      'a list that only CloudFormation knows',
      (stack) => ({ autoScalingGroups: new CfnParameter(stack, 'Groups', { type: 'CommaDelimitedList' }).valueAsList }),
      /^autoScalingGroups is a list that only CloudFormation knows: expected a list, each /,
    ],
    [
      'a hook for a group of a token that is not drained',
      (stack) => ({ createLifecycleHooks: [new CfnParameter(stack, 'Name').valueAsString] }),
      /^createLifecycleHooks names \$\{Token\[.*, which autoScalingGroups \(web\) does not have/,
    ],
  ])('%s is refused', (_, wrong, sentence) => {
    const stack = new Stack(app(), 'Drains');
    expect(() => new EcsDrain(stack, 'Drain', { ...WEB, ...wrong(stack) })).toThrow(sentence);
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
    ['a tag with a comma', { ...WEB, tags: { team: 'a, b=c' } }, 'tags is {"team":"a, b=c"}: expected an object'],
    ['a tag whose key has =', { ...WEB, tags: { 'a=b': 'c' } }, 'tags is {"a=b":"c"}: expected an object'],
    ['a tag with a space at the end', { ...WEB, tags: { a: 'b ' } }, 'tags is {"a":"b "}: expected an object'],
    ['a tag of AWS', { ...WEB, tags: { 'aws:a': 'b' } }, 'tags is {"aws:a":"b"}: expected an object'],
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

  const groups = (count: number, length: number) =>
    Array.from({ length: count }, (_, i) => `group-${i}-`.padEnd(length, 'x'));
  it.each<[string, Partial<EcsDrainProps>, RegExp]>([
    [
      'a stage of 60 characters',
      { stage: 's'.repeat(60) },
      /has \d+ characters, and AWS allows 64 .*: choose a shorter/,
    ],
    [
      'a stage that is too long after its prefix',
      { stage: 'production', roleNamePrefix: 'platform-engineering-team-' },
      /the name platform-engineering-team-\S+ has 67 characters, and AWS allows 64 .*: choose a shorter stage or role/,
    ],
    ['300 groups', { autoScalingGroups: groups(300, 20) }, /the environment has \d+ bytes.*: name fewer groups/],
    ['20 groups with long names', { autoScalingGroups: groups(20, 90) }, /the event pattern has \d+ characters/],
    [
      '60 tags',
      { tags: Object.fromEntries(groups(60, 10).map((key) => [key, 'x'])) },
      /the list of tags has 60 entries/,
    ],
  ])('%s, which AWS would refuse, is refused with the sentence of serverless package', (_, wrong, sentence) => {
    const stack = new Stack(new App({ analyticsReporting: false }), 'Drains', { env: { region: 'eu-west-1' } });
    const message = messageOf(() => new EcsDrain(stack, 'Drain', { ...WEB, ...wrong }));
    expect(message).toMatch(sentence);
    const { stage = 'main', tags = {}, ...others } = wrong;
    const params = { cluster: 'prod', autoScalingGroups: 'web', ...others };
    const pairs = Object.entries(tags).map((tag) => tag.join('='));
    const template = templateOf(pairs.length > 0 ? { ...params, tags: pairs } : params, stage);
    expect(message).toBe(limitsExceeded(template, { stackName: 'Drains', region: 'eu-west-1' }).join('\n'));
  });

  it('a stack without a Region is checked as one of us-east-1, where the CDK deploys it', () => {
    const stage = 's'.repeat(29); // with us-east-1 in its name the role has 64 characters
    const sizeIn = (region: string) =>
      limitsExceeded(templateOf({ cluster: 'prod', autoScalingGroups: 'web' }, stage), { stackName: 'Drains', region });
    expect([sizeIn('us-east-1'), sizeIn('ap-southeast-1')]).toEqual([[], expect.arrayContaining([expect.any(String)])]);
    expect(synthesized({ ...WEB, stage }).Resources).toHaveProperty('DrainLambdaFunction');
  });

  it('no tags at all are no mistake', () => {
    expect(synthesized({ ...WEB, tags: {} })).toEqual(synthesized(WEB));
  });

  it('a second construct in a stack is refused in a sentence', () => {
    const all = new App({ analyticsReporting: false });
    const stack = new Stack(all, 'Drains');
    new EcsDrain(stack, 'Drain', WEB);
    expect(messageOf(() => new EcsDrain(stack, 'Second', { ...WEB, stage: 'two' }))).toBe(
      'Stack Drains has the construct Drains/Drain already, and Drains/Second would have the same logical ids: create it in a stack of its own, with another stage.',
    );
    expect(() => new EcsDrain(new Stack(stack, 'Inner'), 'Drain', { ...WEB, stage: 'two' })).not.toThrow();
    expect(() => new EcsDrain(new Stack(all, 'Other'), 'Drain', { ...WEB, stage: 'three' })).not.toThrow();
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
