import { beforeEach, describe, expect, it } from 'vitest';
import { roleFor } from '../../../sandbox/region/iam/api.ts';
import { createRegion, type Region } from '../../../sandbox/region/region.ts';
import { START_MS } from '../start.ts';

let region: Region;
beforeEach(() => {
  region = createRegion({ startMs: START_MS, seed: 1 });
  region.ecs.createCluster('prod');
  region.createQueue({ name: 'work', visibilityTimeoutSeconds: 30, maxReceiveCount: 3 });
  region.roles.set('drain', roleFor('lambda.amazonaws.com', [{ Effect: 'Allow', Action: '*', Resource: '*' }]));
});

const simulated = (PolicySourceArn: string) => () =>
  region.ask('iam', 'SimulatePrincipalPolicy', { PolicySourceArn, ActionNames: ['ecs:ListTasks'] });

describe('what belongs to another account or partition is not taken for ours', () => {
  it.each([
    'arn:aws:iam::999999999999:role/drain',
    'arn:aws-cn:iam::123456789012:role/drain',
    'arn:aws:iam::123456789012:role/other/drain',
  ])('the role %s', (arn) => {
    expect(simulated('arn:aws:iam::123456789012:role/drain')).not.toThrow();
    expect(simulated(arn)).toThrow('cannot be found');
    expect(region.roles.permits(arn, 'lambda.amazonaws.com', {})).toBe(false);
  });

  it.each(['cluster', 'task', 'container-instance', 'service', 'task-definition', 'capacity-provider'])(
    'facts 57 foreign-arns: a %s of ECS',
    (type) => {
      const ask: Record<string, (arn: string) => () => object> = {
        cluster: (cluster) => () => region.ask('ecs', 'ListTasks', { cluster }),
        task: (task) => () => region.ask('ecs', 'StopTask', { cluster: 'prod', task }),
        'container-instance': (containerInstance) => () =>
          region.ask('ecs', 'ListTasks', { cluster: 'prod', containerInstance }),
        service: (service) => () => region.ask('ecs', 'UpdateService', { cluster: 'prod', service }),
        'task-definition': (taskDefinition) => () => region.ask('ecs', 'DescribeTaskDefinition', { taskDefinition }),
        'capacity-provider': (provider) => () =>
          region.ask('ecs', 'DescribeCapacityProviders', { capacityProviders: [provider] }),
      };
      const name = type === 'cluster' || type === 'task-definition' || type === 'capacity-provider' ? 'prod' : 'prod/a';
      const arn = `arn:aws-cn:ecs:eu-west-1:123456789012:${type}/${name}`;
      expect(ask[type]?.(arn)).toThrow(`Invalid identifier: ${arn} is not an ARN of the partition aws`);
    },
  );

  it.each([
    ['lambda', 'GetFunction', { FunctionName: 'arn:aws-cn:lambda:eu-west-1:123456789012:function:drain' }],
    [
      'logs',
      'FilterLogEvents',
      { logGroupIdentifier: 'arn:aws-cn:logs:eu-west-1:123456789012:log-group:/aws/lambda/drain' },
    ],
    ['sns', 'Publish', { TopicArn: 'arn:aws-cn:sns:eu-west-1:123456789012:work', Message: 'x' }],
    ['sns', 'ListSubscriptionsByTopic', { TopicArn: 'arn:aws-cn:sns:eu-west-1:123456789012:work' }],
    ['events', 'ListRules', { EventBusName: 'arn:aws-cn:events:eu-west-1:123456789012:event-bus/default' }],
  ] as const)('an ARN of another partition in %s %s', (service, operation, input) => {
    region.deploy({ name: 'drain', timeoutSeconds: 3, load: () => async () => {} });
    region.createTopic('work');
    expect(() => region.ask(service, operation, input)).toThrow();
    const ours = JSON.parse(JSON.stringify(input).replace('arn:aws-cn:', 'arn:aws:'));
    expect(() => region.ask(service, operation, ours)).not.toThrow();
  });

  it('a queue', () => {
    const url = (account: string) => `https://sqs.eu-west-1.amazonaws.com/${account}/work`;
    const received = (QueueUrl: string) => () => region.ask('sqs', 'ReceiveMessage', { QueueUrl });
    expect(received(url('123456789012'))).not.toThrow();
    expect(received(url('999999999999'))).toThrow('does not exist');
    const asked = { QueueName: 'work', QueueOwnerAWSAccountId: '999999999999' };
    expect(() => region.ask('sqs', 'GetQueueUrl', asked)).toThrow('does not exist');
  });

  it.each(['us-east-1:123456789012', 'eu-west-1:999999999999'])('a log group of %s', (owner) => {
    region.deploy({ name: 'drain', timeoutSeconds: 3, load: () => async () => {} });
    const logGroupIdentifier = `arn:aws:logs:${owner}:log-group:/aws/lambda/drain`;
    expect(() => region.ask('logs', 'FilterLogEvents', { logGroupIdentifier })).toThrow('does not exist');
  });
});

describe('a filter of ECS', () => {
  const list = (filter: string) => () => region.ask('ecs', 'ListContainerInstances', { cluster: 'prod', filter });

  it('that is nested or chained beyond all measure is refused, and does not exhaust the Region', () => {
    expect(list(`${'('.repeat(20_000)}agentConnected == true${')'.repeat(20_000)}`)).toThrow('4096 characters at most');
    expect(list(`agentConnected == true${' or agentConnected == true'.repeat(20_000)}`)).toThrow(
      '4096 characters at most',
    );
    for (const open of ['(', 'not (']) {
      const nested = (levels: number) => `${open.repeat(levels)}agentConnected == true${')'.repeat(levels)}`;
      expect(list(nested(500))).toThrow('100 levels deep at most');
      expect(list(nested(49))).not.toThrow();
    }
    expect(list(`${'not '.repeat(900)}agentConnected == true`)).toThrow('100 levels deep at most');
  });

  it('takes a hundred instances', () => {
    const ids = Array.from({ length: 100 }, (_, i) => `i-${String(i).padStart(17, '0')}`);
    expect(list(`ec2InstanceId in [${ids.join(', ')}]`)).not.toThrow();
  });
});
