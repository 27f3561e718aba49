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

  it('has the limits of the function: those that are set', () => {
    const invokeConfig = { Type: 'AWS::Lambda::EventInvokeConfig', Properties: { MaximumEventAgeInSeconds: 7_200 } };
    const { lambda } = deploymentOf({ ReservedConcurrentExecutions: 50 }, { invokeConfig });
    expect(lambda).toMatchObject({ reservedConcurrency: 50, maximumEventAgeSeconds: 7_200 });
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
        deadLettered: true,
      },
    ]);
  });

  it('has the schedule groups, by name', () => {
    const group = { Type: 'AWS::Scheduler::ScheduleGroup', Properties: { Name: 'ecs-drain-dev' } };
    expect(deploymentOf({}, { group }).scheduleGroups).toEqual(['ecs-drain-dev']);
  });

  it('has no reserved concurrency and no schedules where drains are watched', async () => {
    const watching = ['--param=cluster=prod', '--param=autoScalingGroups=web', '--param=waiting=watch'];
    const { lambda, scheduleGroups } = deploymentIn(await packaged({ args: watching }));
    expect(lambda).not.toHaveProperty('reservedConcurrency');
    expect(scheduleGroups).toEqual([]);
  });
});
