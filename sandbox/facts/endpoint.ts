import { setTimeout as sleep } from 'node:timers/promises';
import {
  CreateAutoScalingGroupCommand,
  CreateLaunchConfigurationCommand,
  DescribeAutoScalingGroupsCommand,
  PutLifecycleHookCommand,
} from '@aws-sdk/client-auto-scaling';
import {
  CreateClusterCommand,
  CreateServiceCommand,
  type CreateServiceCommandInput,
  RegisterContainerInstanceCommand,
  RegisterTaskDefinitionCommand,
} from '@aws-sdk/client-ecs';
import { PutRuleCommand, PutTargetsCommand } from '@aws-sdk/client-eventbridge';
import { CreateRoleCommand, IAMClient } from '@aws-sdk/client-iam';
import { CreateFunctionCommand, PutFunctionEventInvokeConfigCommand } from '@aws-sdk/client-lambda';
import { CreateScheduleGroupCommand } from '@aws-sdk/client-scheduler';
import { CreateTopicCommand } from '@aws-sdk/client-sns';
import { CreateQueueCommand, GetQueueAttributesCommand } from '@aws-sdk/client-sqs';
import { strToU8, zipSync } from 'fflate';
import { type ClientConfig, clientsWith } from './clients.ts';
import type { Clients, Experiment, Need, Resources } from './experiment.ts';
import { isMissingOperation } from './experiments/look.ts';
import { type Result, run } from './run.ts';

/** Emulators are asked in real time: a schedule comes within its minute, and an instance is there at once or never. */
const LONGEST_WAIT_SECONDS = 75;
const LONGEST_REST_SECONDS = 4;
const HEARTBEAT_TIMEOUT_SECONDS = 40;
const NAME = 'facts';
const INSTANCES = 3;
const IMAGE = 'public.ecr.aws/docker/library/busybox:stable';
/** As the stack has them. */
const FAILING = "exports.handler = async () => { throw new Error('facts'); };";
const ECHO = `exports.handler = async (event) => {
  for (const line of event.lines ?? []) process.stdout.write(line + '\\n');
  return event;
};`;

/** Makes the experiments on what answers at a URL as AWS would: an emulator, in which their resources are created first. */
export async function runOnEndpoint(
  experiments: readonly Experiment[],
  url: string,
  onResult?: (result: Result) => void,
): Promise<readonly Result[]> {
  const config: ClientConfig = {
    region: 'eu-west-1',
    endpoint: url,
    credentials: { accessKeyId: '123456789012', secretAccessKey: 'local' },
    maxAttempts: 1,
  };
  const clients = clientsWith(config);
  const { resources, absent } = await created(clients, new IAMClient(config));
  const place = {
    ...clients,
    resources,
    absent,
    now: () => Date.now(),
    sleepUntil: (instantMs: number) => sleep(Math.max(0, instantMs - Date.now())),
    longestWaitSeconds: LONGEST_WAIT_SECONDS,
    longestRestSeconds: LONGEST_REST_SECONDS,
  };
  return run(experiments, place, onResult);
}

/** Creates what there can be, and says of the rest why there is none. */
async function created(
  clients: Clients,
  iam: IAMClient,
): Promise<{ readonly resources: Partial<Resources>; readonly absent: Partial<Record<Need, string>> }> {
  const resources: { -readonly [K in Need]?: Resources[K] } = {};
  const absent: Partial<Record<Need, string>> = { loadBalancer: 'the tasks of an emulator register at none' };
  const attempt = async <K extends Need>(need: K, create: () => Promise<Resources[K]>) => {
    try {
      Object.assign(resources, { [need]: await create() });
    } catch (error) {
      const { name, message } = error as Error;
      absent[need] = `${name}: ${message}`;
    }
  };
  await attempt('group', () => createGroup(clients));
  await attempt('cluster', () => createCluster(clients));
  await attempt('events', () => createEvents(clients));
  await attempt('schedules', () => createSchedules(clients, iam));
  await attempt('function', () => createFailingFunction(clients, iam));
  await attempt('echo', () => createEchoFunction(clients, iam));
  await attempt('queue', () => createQueue(clients, 'facts-messages'));
  await attempt('topic', () => createTopic(clients));
  return { resources, absent };
}

async function createGroup({ autoScaling }: Clients): Promise<Resources['group']> {
  await autoScaling.send(
    new CreateLaunchConfigurationCommand({
      LaunchConfigurationName: NAME,
      ImageId: 'ami-12c6146b',
      InstanceType: 't3.small',
    }),
  );
  await autoScaling.send(
    new CreateAutoScalingGroupCommand({
      AutoScalingGroupName: NAME,
      LaunchConfigurationName: NAME,
      MinSize: 0,
      MaxSize: 2 * INSTANCES,
      DesiredCapacity: INSTANCES,
      AvailabilityZones: ['eu-west-1a'],
    }),
  );
  await autoScaling.send(
    new PutLifecycleHookCommand({
      AutoScalingGroupName: NAME,
      LifecycleHookName: NAME,
      LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
      HeartbeatTimeout: HEARTBEAT_TIMEOUT_SECONDS,
      DefaultResult: 'CONTINUE',
    }),
  );
  return { name: NAME, hook: NAME, heartbeatTimeoutSeconds: HEARTBEAT_TIMEOUT_SECONDS };
}

async function createCluster(clients: Clients): Promise<Resources['cluster']> {
  const { ecs } = clients;
  await ecs.send(new CreateClusterCommand({ clusterName: NAME }));
  await registerInstances(clients);
  const define = (family: string, more: { readonly stopTimeout?: number; readonly memory?: number }) =>
    ecs.send(
      new RegisterTaskDefinitionCommand({
        family,
        requiresCompatibilities: ['EC2'],
        containerDefinitions: [
          { name: 'main', image: IMAGE, command: ['sleep', '86400'], cpu: 32, memory: 32, essential: true, ...more },
        ],
      }),
    );
  await define('web', {});
  await define('slow', { stopTimeout: 60 });
  await define('large', { memory: 30_000 });
  const serve = (serviceName: string, more: Partial<CreateServiceCommandInput>) =>
    ecs.send(
      new CreateServiceCommand({ cluster: NAME, serviceName, taskDefinition: 'web', launchType: 'EC2', ...more }),
    );
  const between = (minimumHealthyPercent: number, maximumPercent: number) => ({
    deploymentConfiguration: { minimumHealthyPercent, maximumPercent },
  });
  await serve('web', { desiredCount: 2, ...between(100, 200) });
  await serve('slow', { desiredCount: 1, taskDefinition: 'slow', ...between(0, 200) });
  await serve('fixed', { desiredCount: 1, ...between(50, 100) });
  await serve('daemon', { schedulingStrategy: 'DAEMON', ...between(0, 100) });
  await serve('large', { desiredCount: 0, taskDefinition: 'large', ...between(100, 200) });
  const services = { web: 'web', slow: 'slow', fixed: 'fixed', daemon: 'daemon', large: 'large' };
  return { name: NAME, services, job: 'web', largeJob: 'large' };
}

/** An emulator may have clusters without container instances. */
async function registerInstances(clients: Clients): Promise<void> {
  for (const instanceId of await instanceIds(clients)) {
    const instanceIdentityDocument = JSON.stringify({ instanceId, region: 'eu-west-1', accountId: '123456789012' });
    const registering = clients.ecs.send(
      new RegisterContainerInstanceCommand({ cluster: NAME, instanceIdentityDocument }),
    );
    await registering.catch((error) => {
      if (!isMissingOperation(error)) throw error;
    });
  }
}

/** Those of the group, or made-up ones: to ECS an instance is what its agent says. */
async function instanceIds({ autoScaling }: Clients): Promise<readonly string[]> {
  const { AutoScalingGroups: [group] = [] } = await autoScaling.send(
    new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: [NAME] }),
  );
  const ids = (group?.Instances ?? []).flatMap(({ InstanceId }) => InstanceId ?? []);
  return ids.length > 0 ? ids : Array.from({ length: INSTANCES }, (_, i) => `i-0000000000000000${i + 1}`);
}

async function createQueue({ sqs }: Clients, QueueName: string): Promise<Resources['queue']> {
  const { QueueUrl: url = '' } = await sqs.send(new CreateQueueCommand({ QueueName }));
  const asked = new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ['QueueArn'] });
  const { Attributes: { QueueArn: arn = '' } = {} } = await sqs.send(asked);
  return { url, arn };
}

async function createEvents(clients: Clients): Promise<Resources['events']> {
  const { url, arn } = await createQueue(clients, 'facts-events');
  const EventPattern = JSON.stringify({ source: ['aws.ecs', 'aws.autoscaling', 'aws.ec2', 'facts'] });
  for (const [Name, when] of [
    ['facts-events', { EventPattern }],
    ['facts-clock', { ScheduleExpression: 'rate(1 minute)' }],
  ] as const) {
    await clients.events.send(new PutRuleCommand({ Name, ...when }));
    await clients.events.send(new PutTargetsCommand({ Rule: Name, Targets: [{ Id: 'queue', Arn: arn }] }));
  }
  return { queueUrl: url };
}

async function createTopic({ sns }: Clients): Promise<Resources['topic']> {
  const { TopicArn: arn = '' } = await sns.send(new CreateTopicCommand({ Name: NAME }));
  return { arn };
}

async function createRole(iam: IAMClient, RoleName: string, service: string): Promise<string> {
  const Statement = [{ Effect: 'Allow', Principal: { Service: `${service}.amazonaws.com` }, Action: 'sts:AssumeRole' }];
  const AssumeRolePolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement });
  const { Role } = await iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument }));
  return Role?.Arn ?? '';
}

async function createSchedules({ scheduler }: Clients, iam: IAMClient): Promise<Resources['schedules']> {
  const roleArn = await createRole(iam, 'facts-scheduler', 'scheduler');
  await scheduler.send(new CreateScheduleGroupCommand({ Name: NAME }));
  return { group: NAME, busArn: 'arn:aws:events:eu-west-1:123456789012:event-bus/default', roleArn };
}

async function createFunction({ lambda }: Clients, iam: IAMClient, FunctionName: string, code: string): Promise<void> {
  await lambda.send(
    new CreateFunctionCommand({
      FunctionName,
      Role: await createRole(iam, FunctionName, 'lambda'),
      Runtime: 'nodejs24.x',
      Handler: 'index.handler',
      Code: { ZipFile: zipSync({ 'index.js': strToU8(code) }) },
    }),
  );
}

async function createFailingFunction(clients: Clients, iam: IAMClient): Promise<Resources['function']> {
  const { url, arn } = await createQueue(clients, 'facts-failures');
  const FunctionName = 'facts-failing';
  await createFunction(clients, iam, FunctionName, FAILING);
  const DestinationConfig = { OnFailure: { Destination: arn } };
  await clients.lambda.send(new PutFunctionEventInvokeConfigCommand({ FunctionName, DestinationConfig }));
  return { name: FunctionName, queueUrl: url };
}

async function createEchoFunction(clients: Clients, iam: IAMClient): Promise<Resources['echo']> {
  const name = 'facts-echo';
  await createFunction(clients, iam, name, ECHO);
  return { name, logGroup: `/aws/lambda/${name}` };
}
