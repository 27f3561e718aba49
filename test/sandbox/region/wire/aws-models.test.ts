import { beforeAll, describe, expect, it } from 'vitest';
import { roleFor } from '../../../../sandbox/region/iam/api.ts';
import { createRegion, type Region } from '../../../../sandbox/region/region.ts';
import { MODELS, type ServiceName } from '../../../../sandbox/region/wire/models.ts';
import { matching, violationsOf } from '../../../../sandbox/region/wire/shapes.ts';
import { START_MS } from '../../start.ts';

/** A Region in the middle of things: a drain going on, a daemon, a job, something of each kind to describe. */
let region: Region;
let inputs: Partial<Record<ServiceName, Record<string, object>>>;

beforeAll(async () => {
  region = createRegion({ startMs: START_MS, seed: 1 });
  const cluster = 'prod';
  const task = { cluster, memoryMiB: 256, cpuUnits: 64, stopTimeoutSeconds: 30 };
  const service = { ...task, desiredCount: 4, minimumHealthyPercent: 100, maximumPercent: 200, startSeconds: 10 };
  const loadBalancer = { deregistrationDelaySeconds: 300, requestsPerSecond: 10 };
  region.ecs.createCluster(cluster);
  const [instanceId = ''] = region.autoScaling.createGroup(
    {
      name: 'web',
      minSize: 0,
      maxSize: 5,
      desiredCapacity: 3,
      cluster,
      memoryMiB: 4_096,
      cpuUnits: 2_048,
      launchSeconds: 60,
      tags: { team: 'payments' },
    },
    { running: true },
  );
  region.autoScaling.putLifecycleHook({
    name: 'ecs-drain',
    group: 'web',
    heartbeatTimeoutSeconds: 300,
    defaultResult: 'CONTINUE',
    notificationMetadata: '{"cluster":"prod"}',
  });
  region.ecs.createService({ ...service, name: 'web', strategy: 'REPLICA', loadBalancer });
  region.ecs.createService({ ...service, name: 'logs', strategy: 'DAEMON' });
  region.ecs.createService({ ...service, name: 'huge', strategy: 'REPLICA', memoryMiB: 100_000 });
  region.ecs.runTask({ ...task, name: 'job', ec2InstanceId: instanceId, runsForSeconds: 10_000 });
  region.time.after(300, () => region.autoScaling.terminateInstance(instanceId));
  await region.time.runUntil(() => region.time.nowMs() >= START_MS + 300_000);

  const ask = (name: string, input: object) => region.ask('ecs', name, input) as Record<string, string[]>;
  const containerInstances = ask('ListContainerInstances', { cluster })['containerInstanceArns'] ?? [];
  const tasks = ask('ListTasks', { cluster })['taskArns'] ?? [];
  const action = { AutoScalingGroupName: 'web', LifecycleHookName: 'ecs-drain', InstanceId: instanceId };
  const schedule = {
    Name: 'a',
    GroupName: 'drains',
    ScheduleExpression: 'at(2026-02-01T00:00:00)',
    FlexibleTimeWindow: { Mode: 'OFF' },
    Target: {
      Arn: 'arn:aws:events:eu-west-1:123456789012:event-bus/default',
      RoleArn: 'arn:aws:iam::123456789012:role/scheduler',
      EventBridgeParameters: { Source: 'ecs-drain.main', DetailType: 'ECS Drain Continuation' },
      Input: '{}',
    },
  };
  const address = { id: 'a', arn: 'arn:aws:lambda:eu-west-1:123456789012:function:drain' };
  region.eventBridge.putRule({ name: 'rule', pattern: { source: ['none'] }, target: () => {}, address });
  const deadLetters = region.createQueue({ name: 'dead-letters', visibilityTimeoutSeconds: 30, maxReceiveCount: 3 });
  deadLetters.send('{}', 0, { ERROR_CODE: 'NO_PERMISSIONS' });
  const drain = region.deploy({
    name: 'drain',
    timeoutSeconds: 300,
    reservedConcurrency: 5,
    environment: { CLUSTER: cluster },
    onFailure: { arn: 'arn:aws:sqs:eu-west-1:123456789012:dead-letters', send: () => {} },
    load: () => async () => region.log({ a: 1 }),
  });
  drain.invokeAsync({});
  const work = region.createQueue({ name: 'work', visibilityTimeoutSeconds: 300, maxReceiveCount: 3 });
  region.mapQueue(work, drain, { batchSize: 1, windowSeconds: 0, reportsItemFailures: false });
  region.roles.set('drain', roleFor('lambda.amazonaws.com', [{ Effect: 'Allow', Action: 'ecs:*', Resource: '*' }]));
  region.roles.set('scheduler', roleFor('scheduler.amazonaws.com'));
  region.time.after(1, () => {});
  await region.time.runUntil(() => drain.invocations.length === 1);
  for (const name of ['a', 'b']) deadLetters.send(name);
  region.createTopic('topic');
  const TargetGroupArn = 'arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/web/0000000000000001';
  const logGroupName = '/aws/lambda/drain';
  const TopicArn = 'arn:aws:sns:eu-west-1:123456789012:topic';
  const queue = { QueueUrl: 'https://sqs.eu-west-1.amazonaws.com/123456789012/dead-letters' };
  const [serving, another] = region.autoScaling.instancesOf('web').map(({ instanceId: id }) => id);
  const web = { AutoScalingGroupName: 'web' };
  const mark = { name: 'our.mark', targetType: 'container-instance', targetId: containerInstances[0] };
  inputs = {
    // Before the instances go.
    elbv2: {
      DescribeTargetGroupAttributes: { TargetGroupArn },
      DescribeTargetGroups: { Names: ['web'] },
      DescribeTargetHealth: { TargetGroupArn },
    },
    ecs: {
      ListClusters: {},
      DescribeClusters: { clusters: [cluster, 'none'] },
      ListContainerInstances: { cluster, filter: `ec2InstanceId == ${instanceId}`, maxResults: 10 },
      DescribeContainerInstances: { cluster, containerInstances: [...containerInstances, 'none'] },
      UpdateContainerInstancesState: {
        cluster,
        containerInstances: containerInstances.slice(0, 1),
        status: 'DRAINING',
      },
      ListTasks: { cluster, containerInstance: containerInstances[0], desiredStatus: 'RUNNING' },
      DescribeTasks: { cluster, tasks: [...tasks, 'none'] },
      ListServices: { cluster },
      DescribeServices: { cluster, services: ['web', 'logs', 'huge', 'none'] },
      DescribeTaskDefinition: { taskDefinition: 'web:1' },
      UpdateTaskProtection: { cluster, tasks: tasks.slice(0, 2), protectionEnabled: true, expiresInMinutes: 30 },
      GetTaskProtection: { cluster, tasks: tasks.slice(0, 2) },
      StopTask: { cluster, task: tasks[0], reason: 'because' },
      UpdateService: {
        cluster,
        service: 'web',
        desiredCount: 3,
        deploymentConfiguration: { minimumHealthyPercent: 50, maximumPercent: 150 },
        forceNewDeployment: true,
      },
      RunTask: { cluster, taskDefinition: 'job', count: 2 },
      DescribeCapacityProviders: { capacityProviders: ['FARGATE', 'none'] },
      PutAttributes: { cluster, attributes: [{ ...mark, value: 'v 1:2' }] },
      DeleteAttributes: { cluster, attributes: [mark] },
      DeregisterContainerInstance: { cluster, containerInstance: containerInstances[0], force: true },
      DeleteService: { cluster, service: 'huge', force: true },
    },
    autoscaling: {
      DescribeAutoScalingGroups: { AutoScalingGroupNames: ['web'] },
      DescribeAutoScalingInstances: {},
      DescribeLifecycleHooks: { AutoScalingGroupName: 'web' },
      DescribeScalingActivities: { AutoScalingGroupName: 'web' },
      RecordLifecycleActionHeartbeat: action,
      CompleteLifecycleAction: { ...action, LifecycleActionResult: 'CONTINUE' },
      SetDesiredCapacity: { ...web, DesiredCapacity: 4 },
      UpdateAutoScalingGroup: { ...web, MaxSize: 6, CapacityRebalance: true },
      SuspendProcesses: { ...web, ScalingProcesses: ['AZRebalance'] },
      ResumeProcesses: web,
      SetInstanceProtection: { ...web, InstanceIds: [serving], ProtectedFromScaleIn: true },
      TerminateInstanceInAutoScalingGroup: { InstanceId: serving, ShouldDecrementDesiredCapacity: true },
      DetachInstances: { ...web, InstanceIds: [another], ShouldDecrementDesiredCapacity: true },
      AttachInstances: { ...web, InstanceIds: [] },
      StartInstanceRefresh: { ...web, Preferences: { MinHealthyPercentage: 50 } },
      DescribeInstanceRefreshes: web,
      CancelInstanceRefresh: web,
      DescribeTags: {},
      PutWarmPool: { ...web, MinSize: 1 },
      DescribeWarmPool: web,
      PutLifecycleHook: {
        ...web,
        LifecycleHookName: 'warm-up',
        LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING',
      },
      DeleteLifecycleHook: { ...web, LifecycleHookName: 'warm-up' },
      DeleteAutoScalingGroup: { ...web, ForceDelete: true },
    },
    events: {
      PutEvents: { Entries: [{ Source: 'a', DetailType: 'b', Detail: '{}', Resources: [] }] },
      DescribeRule: { Name: 'rule' },
      ListRules: { NamePrefix: 'r', Limit: 1 },
      ListTargetsByRule: { Rule: 'rule' },
    },
    scheduler: {
      CreateScheduleGroup: { Name: 'drains' },
      GetScheduleGroup: { Name: 'drains' },
      CreateSchedule: schedule,
      UpdateSchedule: { ...schedule, Description: 'later', ScheduleExpression: 'at(2026-03-01T00:00:00)' },
      GetSchedule: { Name: 'a', GroupName: 'drains' },
      ListScheduleGroups: { NamePrefix: 'd' },
      ListSchedules: { GroupName: 'drains', NamePrefix: 'a', State: 'ENABLED', MaxResults: 10 },
      DeleteSchedule: { Name: 'a', GroupName: 'drains' },
      DeleteScheduleGroup: { Name: 'drains' },
    },
    lambda: {
      GetFunction: { FunctionName: 'drain' },
      GetFunctionConcurrency: { FunctionName: 'drain' },
      ListFunctions: { MaxItems: 10 },
      ListEventSourceMappings: { FunctionName: 'drain' },
      GetFunctionConfiguration: { FunctionName: 'drain' },
      GetFunctionEventInvokeConfig: { FunctionName: 'drain' },
      GetFunctionRecursionConfig: { FunctionName: 'drain' },
      Invoke: { FunctionName: 'drain', InvocationType: 'Event', Payload: '{}' },
    },
    sqs: {
      GetQueueUrl: { QueueName: 'dead-letters' },
      GetQueueAttributes: { ...queue, AttributeNames: ['All'] },
      ReceiveMessage: {
        ...queue,
        MaxNumberOfMessages: 10,
        VisibilityTimeout: 30,
        MessageAttributeNames: ['All'],
        MessageSystemAttributeNames: ['All'],
      },
      ChangeMessageVisibility: { ...queue, ReceiptHandle: 'dead-letters-1/1', VisibilityTimeout: 10 },
      DeleteMessage: { ...queue, ReceiptHandle: 'dead-letters-1/1' },
      ChangeMessageVisibilityBatch: {
        ...queue,
        Entries: [{ Id: 'a', ReceiptHandle: 'dead-letters-2/1', VisibilityTimeout: 10 }],
      },
      DeleteMessageBatch: {
        ...queue,
        Entries: ['dead-letters-2/1', 'none'].map((ReceiptHandle, i) => ({ Id: `${i}`, ReceiptHandle })),
      },
      ListQueues: { MaxResults: 1 },
      SendMessage: {
        ...queue,
        MessageBody: 'x',
        MessageAttributes: { a: { DataType: 'String', StringValue: 'b' } },
      },
      SendMessageBatch: { ...queue, Entries: [{ Id: 'a', MessageBody: 'x' }] },
      PurgeQueue: queue,
    },
    sns: {
      ListTopics: {},
      Subscribe: { TopicArn, Protocol: 'sqs', Endpoint: 'arn:aws:sqs:eu-west-1:123456789012:dead-letters' },
      ListSubscriptionsByTopic: { TopicArn },
      Publish: { TopicArn, Message: 'x' },
      Unsubscribe: { SubscriptionArn: 'none' },
    },
    ec2: {
      DescribeInstances: { Filters: [{ Name: 'instance-state-name', Values: ['running'] }], MaxResults: 5 },
      DescribeInstanceAttribute: { InstanceId: serving, Attribute: 'userData' },
      TerminateInstances: { InstanceIds: [serving] },
    },
    sts: { GetCallerIdentity: {} },
    logs: {
      DescribeLogGroups: { logGroupNamePrefix: '/aws' },
      DescribeLogStreams: { logGroupName },
      FilterLogEvents: { logGroupName, filterPattern: '{ $.a = 1 }' },
      GetLogEvents: { logGroupName, logStreamName: '2026/01/01/[$LATEST]00000000000000000000000000000001' },
    },
    cloudwatch: {
      ListMetrics: { Namespace: 'AWS/Lambda' },
      GetMetricData: {
        StartTime: new Date(START_MS),
        EndTime: new Date(START_MS + 3_600_000),
        MetricDataQueries: [
          {
            Id: 'a',
            MetricStat: {
              Metric: {
                Namespace: 'AWS/Lambda',
                MetricName: 'Errors',
                Dimensions: [{ Name: 'FunctionName', Value: 'drain' }],
              },
              Period: 60,
              Stat: 'Sum',
            },
          },
        ],
      },
    },
    iam: {
      SimulatePrincipalPolicy: {
        PolicySourceArn: 'arn:aws:iam::123456789012:role/drain',
        ActionNames: ['ecs:ListTasks'],
        ResourceArns: ['a', 'b'],
        ContextEntries: [{ ContextKeyName: 'ecs:cluster', ContextKeyType: 'string', ContextKeyValues: ['prod'] }],
      },
    },
  };
});

describe('every operation of the local Region', () => {
  it('is one that these tests call', () => {
    for (const [name, { operations }] of region.services) {
      expect(Object.keys(operations).toSorted()).toEqual(Object.keys(inputs[name] ?? {}).toSorted());
    }
  });

  it('takes what AWS’s own models have, and gives only what they have, of the types they have', () => {
    for (const [service, asked] of Object.entries(inputs) as [ServiceName, Record<string, object>][]) {
      for (const [operation, input] of Object.entries(asked)) {
        const output = region.ask(service, operation, input);
        const shape = MODELS[service].operations[operation]?.output;
        expect(shape === undefined ? [] : violationsOf(MODELS[service], shape, output, false)).toEqual([]);
        const empty = Object.values(output).flat().length === 0;
        const answersNothing =
          /^(Record|Complete|Set|Attach|Delete(?!Service|Attributes|.*Batch)|ChangeMessageVisibility$|UpdateAuto|Suspend|Resume|PutWarm|PutLife|Purge|Unsubscribe)/.test(
            operation,
          );
        expect([operation, empty]).toEqual([operation, answersNothing]);
      }
    }
  });
});

describe('AWS’s own models', () => {
  it('have no pattern that this machine cannot read', () => {
    for (const { shapes } of Object.values(MODELS)) {
      for (const { pattern } of Object.values(shapes)) if (pattern !== undefined) matching(pattern);
    }
  });
});

describe('the check against AWS’s models', () => {
  const asked = (service: ServiceName, shape: string, input: unknown) =>
    violationsOf(MODELS[service], shape, input).map(({ kind, path }) => `${kind}: ${path}`);

  it('finds a member that AWS does not have, and a value of another type, in answers too', () => {
    const inTasks = (...tasks: object[]) => violationsOf(MODELS.ecs, 'DescribeTasksResponse', { tasks }, false);
    expect(inTasks({ taskArm: 'x' })).toMatchObject([{ kind: 'unknown', path: 'tasks.1.member.taskArm' }]);
    expect(inTasks({ stoppedAt: 5, taskArn: new Date(), containers: {} }).map(({ sentence }) => sentence)).toEqual([
      "NUMBER_VALUE can not be converted to a Timestamp (at 'tasks.1.member.stoppedAt')",
      "Start of structure or map found where not expected (at 'tasks.1.member.taskArn')",
      "Expected list or null (at 'tasks.1.member.containers')",
    ]);
  });

  it('finds what is missing, no value of an enum, too long or short, out of bounds, of another pattern', () => {
    expect(asked('ecs', 'StopTaskRequest', {})).toEqual(['required: task']);
    expect(asked('ecs', 'ListTasksRequest', { desiredStatus: 'running' })).toEqual(['enum: desiredStatus']);
    const entries = Array.from({ length: 11 }, () => ({}));
    expect(asked('events', 'PutEventsRequest', { Entries: entries })).toContain('length: entries');
    expect(asked('scheduler', 'ListSchedulesInput', { MaxResults: 101 })).toEqual(['range: maxResults']);
    expect(asked('scheduler', 'GetScheduleInput', { Name: 'a b' })).toEqual(['pattern: name']);
    expect(asked('ecs', 'DescribeTasksRequest', { tasks: ['a', null] })).toEqual(['type: tasks.2.member']);
  });

  it('asks of an answer its shape only', () => {
    expect(violationsOf(MODELS.ecs, 'ListTasksRequest', { desiredStatus: 'running' }, false)).toEqual([]);
  });
});
