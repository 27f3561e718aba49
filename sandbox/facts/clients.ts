import { AutoScalingClient, type AutoScalingClientConfig } from '@aws-sdk/client-auto-scaling';
import { CloudWatchClient } from '@aws-sdk/client-cloudwatch';
import { CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs';
import { EC2Client } from '@aws-sdk/client-ec2';
import { ECSClient } from '@aws-sdk/client-ecs';
import { ElasticLoadBalancingV2Client } from '@aws-sdk/client-elastic-load-balancing-v2';
import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import { LambdaClient } from '@aws-sdk/client-lambda';
import { SchedulerClient } from '@aws-sdk/client-scheduler';
import { SNSClient } from '@aws-sdk/client-sns';
import { SQSClient } from '@aws-sdk/client-sqs';
import type { Clients } from './experiment.ts';

/** What every client of AWS takes: a Region, and where it is not AWS itself, how to reach it. */
export type ClientConfig = Pick<
  AutoScalingClientConfig,
  'region' | 'requestHandler' | 'credentials' | 'signer' | 'endpoint' | 'maxAttempts'
>;

/** The clients of an experiment. */
export function clientsWith(config: ClientConfig): Clients {
  return {
    ecs: new ECSClient(config),
    ecsWithoutRetries: new ECSClient({ ...config, maxAttempts: 1 }),
    autoScaling: new AutoScalingClient(config),
    cloudWatch: new CloudWatchClient(config),
    ec2: new EC2Client(config),
    elasticLoadBalancing: new ElasticLoadBalancingV2Client(config),
    events: new EventBridgeClient(config),
    lambda: new LambdaClient(config),
    logs: new CloudWatchLogsClient(config),
    scheduler: new SchedulerClient(config),
    sns: new SNSClient(config),
    sqs: new SQSClient(config),
  };
}
