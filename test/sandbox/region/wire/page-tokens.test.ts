import { ECSClient, ListContainerInstancesCommand, ListTasksCommand } from '@aws-sdk/client-ecs';
import { describe, expect, it } from 'vitest';
import { MODELS, type ServiceName } from '../../../../sandbox/region/wire/models.ts';
import { withPageTokens } from '../../../../sandbox/region/wire/page-tokens.ts';
import { clientOf, regionOfTest } from '../clients.ts';

/** The operations of the Region that have pages, and the members that have their tokens: asked, and answered. */
const PAGED: readonly (readonly [ServiceName, string, string, string])[] = [
  ['autoscaling', 'DescribeAutoScalingGroups', 'NextToken', 'NextToken'],
  ['autoscaling', 'DescribeAutoScalingInstances', 'NextToken', 'NextToken'],
  ['autoscaling', 'DescribeInstanceRefreshes', 'NextToken', 'NextToken'],
  ['autoscaling', 'DescribeScalingActivities', 'NextToken', 'NextToken'],
  ['autoscaling', 'DescribeTags', 'NextToken', 'NextToken'],
  ['autoscaling', 'DescribeWarmPool', 'NextToken', 'NextToken'],
  ['cloudwatch', 'GetMetricData', 'NextToken', 'NextToken'],
  ['cloudwatch', 'ListMetrics', 'NextToken', 'NextToken'],
  ['ec2', 'DescribeInstances', 'NextToken', 'NextToken'],
  ['ecs', 'DescribeCapacityProviders', 'nextToken', 'nextToken'],
  ['ecs', 'ListAttributes', 'nextToken', 'nextToken'],
  ['ecs', 'ListClusters', 'nextToken', 'nextToken'],
  ['ecs', 'ListContainerInstances', 'nextToken', 'nextToken'],
  ['ecs', 'ListServices', 'nextToken', 'nextToken'],
  ['ecs', 'ListTasks', 'nextToken', 'nextToken'],
  ['elbv2', 'DescribeTargetGroups', 'Marker', 'NextMarker'],
  ['events', 'ListRules', 'NextToken', 'NextToken'],
  ['events', 'ListTargetsByRule', 'NextToken', 'NextToken'],
  ['iam', 'SimulatePrincipalPolicy', 'Marker', 'Marker'],
  ['lambda', 'ListEventSourceMappings', 'Marker', 'NextMarker'],
  ['lambda', 'ListFunctions', 'Marker', 'NextMarker'],
  ['logs', 'DescribeLogGroups', 'nextToken', 'nextToken'],
  ['logs', 'DescribeLogStreams', 'nextToken', 'nextToken'],
  ['logs', 'FilterLogEvents', 'nextToken', 'nextToken'],
  ['scheduler', 'ListScheduleGroups', 'NextToken', 'NextToken'],
  ['scheduler', 'ListSchedules', 'NextToken', 'NextToken'],
  ['sns', 'ListSubscriptionsByTopic', 'NextToken', 'NextToken'],
  ['sns', 'ListTopics', 'NextToken', 'NextToken'],
  ['sqs', 'ListQueues', 'NextToken', 'NextToken'],
];

describe('the token of a page', () => {
  it('belongs to one of these operations', () => {
    const withTokens = Object.entries(MODELS).flatMap(([service, { operations, shapes }]) =>
      Object.entries(operations).flatMap(([operation, { input = '' }]) => {
        const tokens = Object.keys(shapes[input]?.members ?? {}).filter((name) => /^(nextToken|Marker)$/i.test(name));
        return tokens.map((token) => [service, operation, token]);
      }),
    );
    const known = PAGED.map(([service, operation, asked]) => [service, operation, asked]);
    // GetLogEvents has tokens for both directions, which AWS gives with every answer.
    expect(withTokens.toSorted()).toEqual([...known, ['logs', 'GetLogEvents', 'nextToken']].toSorted());
  });

  it.each(PAGED)('of %s %s is good for the same request only', async (service, operation, asked, answered) => {
    const answer = (input: object, named = operation) => {
      const seen = { input: {} as Readonly<Record<string, unknown>> };
      const output = withPageTokens(service, named, { Filter: ['a'], ...input }, (opened) => {
        seen.input = opened;
        return { [answered]: 'position 100' };
      }) as Readonly<Record<string, string>>;
      return { token: output[answered] ?? '', position: seen.input[asked] };
    };
    const { token, position } = answer({});
    expect([position, token]).toEqual([undefined, expect.not.stringContaining('position')]);
    expect(answer({ [asked]: token }).position).toBe('position 100');
    expect(answer({ [asked]: token, MaxResults: 7, Limit: 7, MaxRecords: 7, PageSize: 7 }).position).toBe(
      'position 100',
    );

    const [, other = ''] = PAGED.find(([of, each]) => of === service && each !== operation) ?? [];
    for (const refused of [
      () => answer({ [asked]: token, Filter: ['b'] }),
      () => answer({ [asked]: token, Another: 'filter' }),
      () => answer({ [asked]: `${token}=` }),
      () => answer({ [asked]: 'position 100' }),
      () => answer({ [asked]: '' }),
      ...(other === '' ? [] : [() => answer({ [asked]: token }, other)]),
    ]) {
      expect(refused).toThrow(/(token|marker|pagination)/i);
    }
  });

  it('facts 58 invalid-token: is refused by ECS for another operation, another cluster and another filter', async () => {
    const region = regionOfTest();
    for (const cluster of ['prod', 'test']) {
      region.ecs.createCluster(cluster);
      for (const id of ['a', 'b', 'c']) {
        region.ecs.registerInstance({
          cluster,
          ec2InstanceId: `i-${cluster}-${id}`,
          memoryMiB: 1_024,
          cpuUnits: 1_024,
        });
      }
    }
    const ecs = new ECSClient(clientOf(region));
    const list = (input: object) => ecs.send(new ListContainerInstancesCommand({ cluster: 'prod', ...input }));
    const { nextToken } = await list({ maxResults: 1, status: 'ACTIVE' });
    expect((await list({ nextToken, status: 'ACTIVE' })).containerInstanceArns).toHaveLength(2);
    const refusal = { name: 'InvalidParameterException', message: `Invalid token ${nextToken}` };
    await expect(list({ nextToken })).rejects.toMatchObject(refusal);
    await expect(list({ nextToken, status: 'ACTIVE', cluster: 'test' })).rejects.toMatchObject(refusal);
    await expect(ecs.send(new ListTasksCommand({ cluster: 'prod', nextToken }))).rejects.toMatchObject(refusal);
  });
});
