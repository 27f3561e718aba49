/** The function, its role, its log group, and how Lambda takes events from the event queue. */

import { type parkingEntries, type queueEntries, variableOf } from '../src/handlers/settings.ts';
import { arn, arnOf, type Resources } from './cloudformation.ts';
import { DEPLOYMENT, type Form } from './form.ts';
import { isOfTheFunction, paramNames } from './params.ts';
import { deadLetterQueue } from './queues.ts';
import { CLUSTER_ARN, EVENT_SOURCE } from './rules.ts';

/** The logical ids are those that the Serverless Framework gives, so that a stack that it deployed can be upgraded. */
export const FUNCTION = 'DrainLambdaFunction';
export const FUNCTION_ROLE = 'IamRoleLambdaExecution';
export const EVENT_SOURCE_MAPPING = 'DrainEventSourceMappingSQSEventQueue';
const LOG_GROUP = 'DrainLogGroup';

const FUNCTION_ROLE_NAME = `${DEPLOYMENT}-\${AWS::Region}-lambdaRole`;
const LOG_GROUP_NAME = `/aws/lambda/${DEPLOYMENT}-drain`;

export function functionResources(form: Form): Resources {
  return {
    [LOG_GROUP]: { Type: 'AWS::Logs::LogGroup', Properties: { LogGroupName: form.text(LOG_GROUP_NAME) } },
    [FUNCTION_ROLE]: functionRole(form),
    [FUNCTION]: {
      Type: 'AWS::Lambda::Function',
      DependsOn: [LOG_GROUP],
      // Where the code is, each way to deploy says for itself.
      Properties: {
        Handler: 'src/handlers/lambda.handler',
        Runtime: 'nodejs24.x',
        Architectures: ['arm64'],
        FunctionName: form.text(`${DEPLOYMENT}-drain`),
        Description: 'Drains ECS container instances before EC2 Auto Scaling terminates them',
        // CPU grows with memory: less slows the start, and a round mostly waits for AWS's answers.
        MemorySize: 256,
        Timeout: form.value('functionTimeoutSeconds'),
        Environment: { Variables: environmentOf(form) },
        Role: arnOf(FUNCTION_ROLE),
        VpcConfig: form.choose('IsInVpc', {
          SubnetIds: form.value('subnetIds'),
          SecurityGroupIds: form.value('securityGroupIds'),
        }),
        // A drain that waits sends its continuation back to the queue, again and again. Lambda would take that for a
        // runaway loop and drop the message (facts 90 loops-allowed). The function bounds the continuations of a drain.
        RecursiveLoop: 'Allow',
      },
    },
    [EVENT_SOURCE_MAPPING]: {
      Type: 'AWS::Lambda::EventSourceMapping',
      DependsOn: [FUNCTION_ROLE],
      Properties: {
        // One invocation works on many drains with shared calls to AWS: wait a second for more events.
        BatchSize: 500,
        MaximumBatchingWindowInSeconds: 1,
        EventSourceArn: arnOf('EventQueue'),
        FunctionName: arnOf(FUNCTION),
        Enabled: true,
        FunctionResponseTypes: ['ReportBatchItemFailures'], // only the events that failed come again
        // Executions are bounded here, and none are reserved (facts 89 queue-reading).
        ScalingConfig: { MaximumConcurrency: form.value('maximumConcurrency') },
      },
    },
    ...form.only('DryRun', { DryRunGuard: dryRunGuard }),
    ...form.only('HasQueueKey', { QueueKeyPolicy: queueKeyPolicy(form) }),
  };
}

/** Every setting, under the name by which the function reads it. */
function environmentOf(form: Form): Readonly<Record<string, unknown>> {
  const settings = paramNames.filter(isOfTheFunction).map((name) => [name, form.variable(name)]);
  const parking = Object.entries(parkingReferences(form)).map(([name, value]) => [name, form.choose('Parks', value)]);
  const variables: Readonly<Record<string, unknown>> = {
    ...Object.fromEntries(settings),
    eventSource: form.text(EVENT_SOURCE),
    ...queueReferences(form),
    ...Object.fromEntries(parking),
  };
  return {
    POWERTOOLS_SERVICE_NAME: form.text(DEPLOYMENT),
    POWERTOOLS_LOG_LEVEL: form.variable('logLevel'),
    POWERTOOLS_METRICS_NAMESPACE: form.choose('DryRun', 'ECSDrainDryRun', 'ECSDrain'),
    ...Object.fromEntries(Object.entries(variables).map(([name, value]) => [variableOf(name), value])),
  };
}

/** The queues of queues.ts. `Ref` is the URL of a queue. */
function queueReferences(form: Form) {
  return {
    eventQueueUrl: { Ref: 'EventQueue' },
    deadLetterQueueUrl: deadLetterQueue(form).url,
  } satisfies Record<keyof typeof queueEntries, unknown>;
}

/** What the function needs to create schedules: see parking.ts. */
function parkingReferences(form: Form) {
  return {
    scheduleGroup: { Ref: 'ScheduleGroup' },
    scheduleRoleArn: arnOf('ParkingRole'),
    eventQueueArn: arnOf('EventQueue'),
    deadLetterQueueArn: deadLetterQueue(form).arn,
  } satisfies Record<keyof typeof parkingEntries, unknown>;
}

function functionRole(form: Form): Resources[string] {
  return {
    Type: 'AWS::IAM::Role',
    Properties: {
      RoleName: form.choose(
        'HasRoleNamePrefix',
        form.text(`\${RoleNamePrefix}${FUNCTION_ROLE_NAME}`),
        form.text(FUNCTION_ROLE_NAME),
      ),
      Path: '/',
      AssumeRolePolicyDocument: {
        Version: '2012-10-17',
        Statement: [{ Effect: 'Allow', Principal: { Service: ['lambda.amazonaws.com'] }, Action: ['sts:AssumeRole'] }],
      },
      Policies: [
        {
          PolicyName: form.text(`${DEPLOYMENT}-lambda`),
          PolicyDocument: {
            Version: '2012-10-17',
            Statement: [...forLambda(form), ...forEcs(form), ...forDrains(form)],
          },
        },
      ],
    },
  };
}

/** Lambda itself uses these with the function's role. */
function forLambda(form: Form): unknown[] {
  const logs = arn('logs', `log-group:${LOG_GROUP_NAME}:*`);
  return [
    {
      Effect: 'Allow',
      Action: ['logs:CreateLogStream', 'logs:CreateLogGroup', 'logs:TagResource'],
      Resource: [form.text(logs)],
    },
    { Effect: 'Allow', Action: ['logs:PutLogEvents'], Resource: [form.text(logs)] },
    {
      Effect: 'Allow',
      Action: ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes'],
      Resource: [arnOf('EventQueue')],
    },
    ...forVpc(form),
  ];
}

/** Lambda connects the function with the VPC; the function's own code must not (Lambda developer guide, VPC). */
function forVpc(form: Form): unknown[] {
  const Action = [
    'ec2:AssignPrivateIpAddresses',
    'ec2:CreateNetworkInterface',
    'ec2:DeleteNetworkInterface',
    'ec2:DescribeNetworkInterfaces',
    'ec2:DescribeSubnets',
    'ec2:UnassignPrivateIpAddresses',
  ];
  const byCode = {
    ArnEquals: { 'lambda:SourceFunctionArn': form.text(arn('lambda', `function:${DEPLOYMENT}-drain`)) },
  };
  return [
    form.choose('IsInVpc', { Effect: 'Allow', Action, Resource: '*' }),
    form.choose('IsInVpc', { Effect: 'Deny', Action, Resource: '*', Condition: byCode }),
  ];
}

function forEcs(form: Form): object[] {
  const clusters = form.perCluster(CLUSTER_ARN);
  const ofClusters = (type: string) => form.perCluster(arn('ecs', `${type}/\${Cluster}/*`));
  const Condition = { ArnEquals: { 'ecs:cluster': clusters } };
  return [
    { Effect: 'Allow', Action: ['ecs:ListContainerInstances'], Resource: clusters },
    {
      Effect: 'Allow',
      Action: [
        'ecs:DescribeContainerInstances',
        'ecs:UpdateContainerInstancesState',
        'ecs:PutAttributes', // marks what was set to DRAINING and may stay in service...
        'ecs:DeleteAttributes', // ...until it is ACTIVE again
        'ecs:ListTasks',
      ],
      Resource: ofClusters('container-instance'),
      Condition,
    },
    {
      Effect: 'Allow',
      Action: ['ecs:DescribeTasks', 'ecs:GetTaskProtection', form.choose('StopsStragglers', 'ecs:StopTask')],
      Resource: ofClusters('task'),
      Condition,
    },
    { Effect: 'Allow', Action: ['ecs:DescribeServices'], Resource: ofClusters('service'), Condition },
  ];
}

function forDrains(form: Form): object[] {
  return [
    {
      Effect: 'Allow',
      Action: ['autoscaling:CompleteLifecycleAction', 'autoscaling:RecordLifecycleActionHeartbeat'],
      Resource: form.perGroup(arn('autoscaling', `autoScalingGroup:*:autoScalingGroupName/\${Group}`)),
    },
    {
      Effect: 'Allow',
      Action: ['events:PutEvents'],
      Resource: form.text(arn('events', 'event-bus/default')),
      Condition: {
        StringEquals: {
          'events:source': form.text(EVENT_SOURCE),
          'events:detail-type': [
            'ECS Drain Continuation',
            'ECS Drain Started',
            'ECS Drain Stuck',
            'ECS Drain Finished',
            'ECS Drain Failed',
            'ECS Drain Returned',
          ],
        },
      },
    },
    // Continuations with a delay; events that are rejected.
    { Effect: 'Allow', Action: ['sqs:SendMessage'], Resource: [arnOf('EventQueue'), deadLetterQueue(form).arn] },
    {
      Effect: 'Allow', // IAM supports no narrower resource for these actions
      Action: [
        'autoscaling:DescribeAutoScalingGroups',
        'autoscaling:DescribeAutoScalingInstances',
        'autoscaling:DescribeLifecycleHooks',
        'autoscaling:DescribeScalingActivities',
        form.choose('StopsStragglers', 'ecs:DescribeTaskDefinition'), // the stop timeouts
      ],
      Resource: '*',
    },
  ];
}

/** IAM denies a dry run every change. */
const dryRunGuard: Resources[string] = {
  Type: 'AWS::IAM::Policy',
  Properties: {
    PolicyName: 'dry-run',
    Roles: [{ Ref: FUNCTION_ROLE }],
    PolicyDocument: {
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Deny',
          Action: [
            'ecs:UpdateContainerInstancesState',
            'ecs:PutAttributes',
            'ecs:DeleteAttributes',
            'ecs:StopTask',
            'autoscaling:CompleteLifecycleAction',
            'autoscaling:RecordLifecycleActionHeartbeat',
          ],
          Resource: '*',
        },
      ],
    },
  },
};

/** What sends to an encrypted queue, or reads it, needs its key. EventBridge's own right is in the policy of the key. */
function queueKeyPolicy(form: Form): Resources[string] {
  return {
    Type: 'AWS::IAM::Policy',
    Properties: {
      PolicyName: 'queue-key',
      Roles: [{ Ref: FUNCTION_ROLE }, form.choose('Parks', { Ref: 'ParkingRole' })],
      PolicyDocument: {
        Version: '2012-10-17',
        Statement: [
          {
            Effect: 'Allow',
            Action: ['kms:Decrypt', 'kms:GenerateDataKey'],
            Resource: form.value('queueKmsKeyArn'),
          },
        ],
      },
    },
  };
}
