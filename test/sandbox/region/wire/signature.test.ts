import { AutoScalingClient, DescribeAutoScalingGroupsCommand } from '@aws-sdk/client-auto-scaling';
import { CloudWatchClient, ListMetricsCommand } from '@aws-sdk/client-cloudwatch';
import { CloudWatchLogsClient, DescribeLogGroupsCommand } from '@aws-sdk/client-cloudwatch-logs';
import { DescribeInstancesCommand, EC2Client } from '@aws-sdk/client-ec2';
import { ECSClient, ListClustersCommand } from '@aws-sdk/client-ecs';
import { DescribeTargetGroupsCommand, ElasticLoadBalancingV2Client } from '@aws-sdk/client-elastic-load-balancing-v2';
import { EventBridgeClient, ListRulesCommand } from '@aws-sdk/client-eventbridge';
import { IAMClient, SimulatePrincipalPolicyCommand } from '@aws-sdk/client-iam';
import { LambdaClient, ListFunctionsCommand } from '@aws-sdk/client-lambda';
import { ListSchedulesCommand, SchedulerClient } from '@aws-sdk/client-scheduler';
import { ListTopicsCommand, SNSClient } from '@aws-sdk/client-sns';
import { ListQueuesCommand, SQSClient } from '@aws-sdk/client-sqs';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { describe, expect, it } from 'vitest';
import { textOf, type WireRequest } from '../../../../sandbox/region/wire/message.ts';
import { UNSIGNED } from '../../../../sandbox/region/wire/transport.ts';
import { clientOf, regionOfTest } from '../clients.ts';

type Options = ReturnType<typeof clientOf>;

const regional: readonly [name: string, ask: (options: Options) => Promise<unknown>, code: string, status: number][] = [
  ['Auto Scaling', (o) => new AutoScalingClient(o).send(new DescribeAutoScalingGroupsCommand({})), 'Does', 403],
  ['CloudWatch', (o) => new CloudWatchClient(o).send(new ListMetricsCommand({})), 'Invalid', 400],
  ['CloudWatch Logs', (o) => new CloudWatchLogsClient(o).send(new DescribeLogGroupsCommand({})), 'Invalid', 400],
  ['EC2', (o) => new EC2Client(o).send(new DescribeInstancesCommand({})), 'AuthFailure', 401],
  ['ECS', (o) => new ECSClient(o).send(new ListClustersCommand({})), 'Invalid', 400],
  ['ELB', (o) => new ElasticLoadBalancingV2Client(o).send(new DescribeTargetGroupsCommand({})), 'Does', 403],
  ['EventBridge', (o) => new EventBridgeClient(o).send(new ListRulesCommand({})), 'Invalid', 400],
  ['Lambda', (o) => new LambdaClient(o).send(new ListFunctionsCommand({})), 'Invalid', 403],
  ['Scheduler', (o) => new SchedulerClient(o).send(new ListSchedulesCommand({})), 'Invalid', 403],
  ['SNS', (o) => new SNSClient(o).send(new ListTopicsCommand({})), 'Does', 403],
  ['SQS', (o) => new SQSClient(o).send(new ListQueuesCommand({})), 'Invalid', 400],
];
const CODES: Readonly<Record<string, string>> = { Does: 'SignatureDoesNotMatch', Invalid: 'InvalidSignatureException' };

const [PolicySourceArn, ActionNames] = ['arn:aws:iam::123456789012:user/local', ['ecs:ListTasks']];
const global: readonly [name: string, ask: (options: Options) => Promise<unknown>][] = [
  ['IAM', (o) => new IAMClient(o).send(new SimulatePrincipalPolicyCommand({ PolicySourceArn, ActionNames }))],
  ['STS', (o) => new STSClient(o).send(new GetCallerIdentityCommand({}))],
];

const answered = expect.objectContaining({ $metadata: expect.objectContaining({ httpStatusCode: 200 }) });

describe('facts 104 credential-scope: a signature of another Region', () => {
  it.each(regional)('is refused by %s, as AWS does', async (_, ask, code, status) => {
    const options = clientOf(regionOfTest());
    expect(await ask(options)).toEqual(answered);
    await expect(ask({ ...options, region: 'us-east-1' })).rejects.toMatchObject({
      name: CODES[code] ?? code,
      $metadata: { httpStatusCode: status },
      message:
        code === 'AuthFailure'
          ? 'AWS was not able to validate the provided access credentials'
          : "Credential should be scoped to a valid region, not 'us-east-1'.",
    });
  });

  it.each(global)('is taken by %s if it is of us-east-1, which signs for its global endpoint', async (_, ask) => {
    const options = clientOf(regionOfTest());
    expect(await ask(options)).toEqual(answered);
    expect(await ask({ ...options, region: 'us-east-1' })).toEqual(answered);
  });

  it('of a third Region is refused by STS', async () => {
    const sts = new STSClient({ ...clientOf(regionOfTest()), region: 'eu-central-1' });
    await expect(sts.send(new GetCallerIdentityCommand({}))).rejects.toThrow("valid region, not 'eu-central-1'");
  });

  it('is not looked for where a request is not signed', async () => {
    const options = { ...clientOf(regionOfTest()), signer: UNSIGNED, region: 'us-east-1' };
    expect(await new ECSClient(options).send(new ListClustersCommand({}))).toEqual(answered);
  });
});

describe('the scope of a signature', () => {
  const ask = async (more: Partial<WireRequest>) => {
    const { status, body } = await regionOfTest().answer({
      method: 'POST',
      path: '/',
      query: new URLSearchParams(),
      headers: {},
      body: '',
      ...more,
    });
    return [status, textOf(body)];
  };
  const TARGET = 'AmazonEC2ContainerServiceV20141113.ListClusters';
  const askECS = (scope: string) =>
    ask({
      headers: { 'x-amz-target': TARGET, authorization: `AWS4-HMAC-SHA256 Credential=${scope}, Signature=0` },
      body: '{}',
    });

  it('has to be of the service, too', async () => {
    expect(await askECS('local/20260101/eu-west-1/ecs/aws4_request')).toEqual([200, '{"clusterArns":[]}']);
    expect(await askECS('local/20260101/eu-west-1/sqs/aws4_request')).toEqual([
      400,
      `{"__type":"InvalidSignatureException","message":"Credential should be scoped to correct service: 'ecs'."}`,
    ]);
  });

  it('is refused for all that is wrong with it', async () => {
    const [, body] = await askECS('local/20260101/us-east-1/sqs/aws4_request');
    expect(body).toContain(
      "Credential should be scoped to a valid region, not 'us-east-1'. Credential should be scoped to correct service: 'ecs'.",
    );
  });

  it('is read in the address of a request that is signed there', async () => {
    const query = new URLSearchParams({
      'X-Amz-Credential': 'local/20260101/us-east-1/autoscaling/aws4_request',
    });
    const body = 'Action=DescribeAutoScalingGroups&Version=2011-01-01';
    expect(await ask({ query, body })).toEqual([403, expect.stringContaining('<Code>SignatureDoesNotMatch</Code>')]);
  });
});
