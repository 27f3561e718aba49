import {
  DescribeTargetGroupsCommand,
  DescribeTargetHealthCommand,
  ElasticLoadBalancingV2Client,
} from '@aws-sdk/client-elastic-load-balancing-v2';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Region } from '../../../../sandbox/region/region.ts';
import { clientOf, pass, regionOfTest } from '../clients.ts';

const TargetGroupArn = 'arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/web/0000000000000001';
const A = 'i-0aaaaaaaaaaaaaaaa';

let region: Region;
let elb: ElasticLoadBalancingV2Client;
beforeEach(() => {
  region = regionOfTest();
  elb = new ElasticLoadBalancingV2Client(clientOf(region));
  const { ecs } = region;
  ecs.createCluster('prod');
  ecs.registerInstance({ cluster: 'prod', ec2InstanceId: A, memoryMiB: 4_096, cpuUnits: 2_048 });
  const service = {
    cluster: 'prod',
    strategy: 'REPLICA' as const,
    desiredCount: 2,
    minimumHealthyPercent: 0,
    maximumPercent: 100,
    memoryMiB: 512,
    cpuUnits: 128,
    startSeconds: 20,
    stopTimeoutSeconds: 30,
  };
  ecs.createService({
    ...service,
    name: 'web',
    loadBalancer: { deregistrationDelaySeconds: 300, requestsPerSecond: 10 },
  });
  ecs.createService({ ...service, name: 'plain' });
});

const health = async (input: object = {}) => {
  const answer = await elb.send(new DescribeTargetHealthCommand({ TargetGroupArn, ...input }));
  return answer.TargetHealthDescriptions ?? [];
};
const states = async () => (await health()).map(({ TargetHealth }) => TargetHealth?.State);

describe('the targets of a service', () => {
  it('facts 13 counting-trap: are initial, healthy and draining as their tasks start, run and leave', async () => {
    await pass(region, 3);
    expect(await states()).toEqual([]);
    await pass(region, 14);
    expect(await states()).toEqual(['initial', 'initial']);
    await pass(region, 13);
    const [target, other] = await health();
    expect(target).toMatchObject({ Target: { Id: A, Port: expect.any(Number) }, TargetHealth: { State: 'healthy' } });
    expect(other?.Target?.Port).not.toBe(target?.Target?.Port);

    const { containerInstanceArns = [] } = region.ask('ecs', 'ListContainerInstances', { cluster: 'prod' }) as {
      containerInstanceArns?: string[];
    };
    const draining = { cluster: 'prod', containerInstances: containerInstanceArns, status: 'DRAINING' };
    region.ask('ecs', 'UpdateContainerInstancesState', draining);
    await pass(region, 30);
    expect((await health()).map(({ TargetHealth }) => TargetHealth)).toEqual(
      [1, 2].map(() => ({
        State: 'draining',
        Reason: 'Target.DeregistrationInProgress',
        Description: 'Target deregistration is in progress',
      })),
    );
    await pass(region, 300);
    expect(await states()).toEqual([]);
  });

  it('are unused where they are not registered', async () => {
    await pass(region, 60);
    expect(await health({ Targets: [{ Id: 'i-0bbbbbbbbbbbbbbbb' }] })).toMatchObject([
      { TargetHealth: { State: 'unused', Reason: 'Target.NotRegistered' } },
    ]);
    const [target] = await health();
    expect(await health({ Targets: [target?.Target] })).toEqual([target]);
    expect(await health({ Targets: [{ Id: A }] })).toHaveLength(2);
  });
});

describe('target groups', () => {
  it('are those of the services behind a load balancer, by ARN or by name', async () => {
    const groups = async (input: object) =>
      (await elb.send(new DescribeTargetGroupsCommand(input))).TargetGroups?.map((group) => group.TargetGroupArn);
    expect(await groups({})).toEqual([TargetGroupArn]);
    expect(await groups({ Names: ['web'] })).toEqual([TargetGroupArn]);
    expect(await groups({ TargetGroupArns: [TargetGroupArn] })).toEqual([TargetGroupArn]);
    for (const input of [{ Names: ['plain'] }, { TargetGroupArns: [TargetGroupArn.replace('web', 'plain')] }]) {
      await expect(groups(input)).rejects.toMatchObject({ name: 'TargetGroupNotFoundException' });
    }
    await expect(groups({ LoadBalancerArn: 'none' })).rejects.toMatchObject({ name: 'LoadBalancerNotFoundException' });
    await expect(groups({ Marker: 'none' })).rejects.toThrow('The Marker is invalid');
  });
});
