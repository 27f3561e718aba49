import { describe, expect, it } from 'vitest';
import { deploymentIn, packaged, type Resource } from '../../sandbox/packaging.ts';

/** A package of a function and of what else a test has. */
function deploymentOf(properties: object, others: Readonly<Record<string, Resource>> = {}) {
  const lambda = {
    FunctionName: 'drain',
    Timeout: 300,
    Environment: { Variables: { CLUSTER: 'prod' } },
    ...properties,
  };
  const resources = { Drain: { Type: 'AWS::Lambda::Function', Properties: lambda }, ...others };
  return deploymentIn({ resources });
}

describe('what the local Region plays of a package', () => {
  it('is the function with no more than the template says of it', () => {
    expect(deploymentOf({})).toEqual({
      lambda: { name: 'drain', timeoutSeconds: 300 },
      environment: { CLUSTER: 'prod' },
      rules: [],
      hooks: [],
      scheduledRules: [],
      queues: [],
      mappings: [],
      scheduleGroups: [],
      roles: new Map(),
      role: '',
    });
  });

  it('has what the policies of the function’s role say, and those that others hang on it', () => {
    const statement = (Action: string) => ({ Effect: 'Allow', Action: [Action], Resource: '*' });
    const document = (Action: string) => ({ PolicyDocument: { Statement: [statement(Action)] } });
    const others = {
      Role: { Type: 'AWS::IAM::Role', Properties: { Policies: [document('ecs:ListTasks')] } },
      More: { Type: 'AWS::IAM::Policy', Properties: { Roles: ['Role'], ...document('ecs:StopTask') } },
      Anothers: { Type: 'AWS::IAM::Policy', Properties: { Roles: ['Other'], ...document('ecs:RunTask') } },
    };
    const { role, roles } = deploymentOf({ Role: 'Role.Arn' }, others);
    expect(role).toBe('Role');
    expect(roles.get('Role')?.statements).toEqual([statement('ecs:ListTasks'), statement('ecs:StopTask')]);
  });

  it('has the runtime and the handler of the function', () => {
    const { lambda } = deploymentOf({ Runtime: 'nodejs24.x', Handler: 'src/index.handler' });
    expect(lambda).toMatchObject({ runtime: 'nodejs24.x', handler: 'src/index.handler' });
  });

  it('has the rules, with the retry policy of their target or with EventBridge’s own', () => {
    const rule = (Name: string, target: object) => ({
      Type: 'AWS::Events::Rule',
      Properties: { Name, EventPattern: { source: [Name] }, Targets: [{ Id: 'target', Arn: 'Drain.Arn', ...target }] },
    });
    const RetryPolicy = { MaximumEventAgeInSeconds: 7_200, MaximumRetryAttempts: 3 };
    const dead = rule('dead', { DeadLetterConfig: { Arn: 'Queue.Arn' } });
    const Queue = { Type: 'AWS::SQS::Queue', Properties: {} };
    const address = { id: 'target', arn: 'arn:aws:lambda:eu-west-1:123456789012:function:drain' };
    expect(deploymentOf({}, { a: rule('a', { RetryPolicy }), b: rule('b', {}), dead, Queue }).rules).toEqual([
      {
        name: 'a',
        address,
        pattern: { source: ['a'] },
        retryPolicy: { maximumEventAgeSeconds: 7_200, maximumRetryAttempts: 3 },
      },
      { name: 'b', address, pattern: { source: ['b'] } },
      {
        name: 'dead',
        address: { ...address, deadLetterArn: 'arn:aws:sqs:eu-west-1:123456789012:Queue' },
        pattern: { source: ['dead'] },
      },
    ]);
  });

  it('has the queues: what hides a message for how long, and where it goes that was received too often', () => {
    const Properties = {
      VisibilityTimeout: 60,
      RedrivePolicy: { deadLetterTargetArn: 'Dead.Arn', maxReceiveCount: 5 },
    };
    const others = {
      Events: { Type: 'AWS::SQS::Queue', Properties },
      Dead: { Type: 'AWS::SQS::Queue', Properties: { QueueName: 'dead-letters' } },
    };
    const deadLetterArn = 'arn:aws:sqs:eu-west-1:123456789012:dead-letters';
    const arn = 'arn:aws:sqs:eu-west-1:123456789012:Events';
    expect(deploymentOf({}, others).queues).toEqual([
      { name: 'Events', arn, visibilityTimeoutSeconds: 60, maxReceiveCount: 5, deadLetterArn },
      { name: 'dead-letters', arn: deadLetterArn, visibilityTimeoutSeconds: 30, maxReceiveCount: Infinity },
    ]);
  });

  it('has how Lambda reads a queue: as the template says, or by Lambda’s own defaults', () => {
    const mapping = (properties: object) => ({
      Type: 'AWS::Lambda::EventSourceMapping',
      Properties: { EventSourceArn: 'Events.Arn', ...properties },
    });
    const others = {
      Events: { Type: 'AWS::SQS::Queue', Properties: {} },
      set: mapping({
        BatchSize: 500,
        MaximumBatchingWindowInSeconds: 1,
        FunctionResponseTypes: ['ReportBatchItemFailures'],
        ScalingConfig: { MaximumConcurrency: 5 },
      }),
      unset: mapping({}),
    };
    const queueArn = 'arn:aws:sqs:eu-west-1:123456789012:Events';
    expect(deploymentOf({}, others).mappings).toEqual([
      { queueArn, spec: { batchSize: 500, windowSeconds: 1, maximumConcurrency: 5, reportsItemFailures: true } },
      { queueArn, spec: { batchSize: 10, windowSeconds: 0, reportsItemFailures: false } },
    ]);
  });

  it('has whether the function may invoke itself again and again', () => {
    expect(deploymentOf({ RecursiveLoop: 'Allow' }).lambda).toMatchObject({ recursiveLoop: 'Allow' });
  });

  it('has the schedule groups, by name', () => {
    const group = { Type: 'AWS::Scheduler::ScheduleGroup', Properties: { Name: 'ecs-drain-main' } };
    expect(deploymentOf({}, { group }).scheduleGroups).toEqual(['ecs-drain-main']);
  });

  it('has no schedule groups where drains do not park', async () => {
    const watching = ['--param=cluster=prod', '--param=autoScalingGroups=web', '--param=waiting=watch'];
    expect(deploymentIn(await packaged({ args: watching })).scheduleGroups).toEqual([]);
  });
});
