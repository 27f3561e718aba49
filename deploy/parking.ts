/**
 * Only with `waiting: park`: where the schedules of parked drains live, the permissions to use them, and the queue of
 * stopped tasks.
 */

import { arn, arnOf, type Resources } from './cloudformation.ts';
import { DEPLOYMENT, type Form } from './form.ts';
import { deadLetterQueue, onlyRules, queuePolicy } from './queues.ts';
import { EVENT_SOURCE, ruleArns } from './rules.ts';

export function parkingResources(form: Form): Resources {
  return form.only('Parks', {
    // Deleting the group deletes the drains that are parked in it.
    ScheduleGroup: { Type: 'AWS::Scheduler::ScheduleGroup', Properties: { Name: form.text(DEPLOYMENT) } },
    ParkingRole: parkingRole(form),
    ParkingPolicy: parkingPolicy(form),
    // The slow lane: the stop of a task is a hint, in case the event about its container instance does not come
    // (docs/decisions/0021). Hints wait ten seconds for each other, so that one call to ECS answers all of them.
    TaskStopQueue: {
      Type: 'AWS::SQS::Queue',
      Properties: {
        SqsManagedSseEnabled: true,
        VisibilityTimeout: form.value('functionTimeoutSeconds'),
        MessageRetentionPeriod: 600, // by then the drain has looked for itself
      },
    },
    TaskStopQueuePolicy: queuePolicy('TaskStopQueue', [
      onlyRules(
        'TaskStopQueue',
        ruleArns(form, ({ queue }) => queue === 'TaskStopQueue'),
      ),
      // The function would trust a continuation here as well.
      {
        Sid: 'OnlyServices',
        Effect: 'Deny',
        Principal: '*',
        Action: 'sqs:SendMessage',
        Resource: arnOf('TaskStopQueue'),
        Condition: { Bool: { 'aws:PrincipalIsAWSService': 'false' } },
      },
    ]),
    TaskStopMapping: {
      Type: 'AWS::Lambda::EventSourceMapping',
      DependsOn: ['ParkingPolicy'],
      Properties: {
        EventSourceArn: arnOf('TaskStopQueue'),
        FunctionName: arnOf('DrainLambdaFunction'),
        BatchSize: 500,
        MaximumBatchingWindowInSeconds: 10,
        FunctionResponseTypes: ['ReportBatchItemFailures'],
        ScalingConfig: { MaximumConcurrency: 2 },
      },
    },
  });
}

/** EventBridge Scheduler assumes it to send a continuation to the event queue. */
function parkingRole(form: Form): Resources[string] {
  return {
    Type: 'AWS::IAM::Role',
    Properties: {
      RoleName: form.choose('HasRoleNamePrefix', form.text(`\${RoleNamePrefix}${DEPLOYMENT}-\${AWS::Region}-parking`)),
      AssumeRolePolicyDocument: {
        Version: '2012-10-17',
        Statement: [
          {
            Effect: 'Allow',
            Principal: { Service: 'scheduler.amazonaws.com' },
            Action: 'sts:AssumeRole',
            Condition: {
              StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } },
              ArnEquals: { 'aws:SourceArn': arnOf('ScheduleGroup') },
            },
          },
        ],
      },
      Policies: [
        {
          PolicyName: 'continue',
          PolicyDocument: {
            Version: '2012-10-17',
            Statement: [
              {
                Effect: 'Allow',
                Action: ['sqs:SendMessage'],
                Resource: [arnOf('EventQueue'), deadLetterQueue(form).arn],
              },
            ],
          },
        },
        // A schedule that version 0.1.0 created puts its continuation on the event bus, at most a few minutes after the
        // upgrade. Without this policy it would fail, and the drain would wait for the sweep.
        {
          PolicyName: 'continue-drains-of-0.1.0',
          PolicyDocument: {
            Version: '2012-10-17',
            Statement: [
              {
                Effect: 'Allow',
                Action: ['events:PutEvents'],
                Resource: form.text(arn('events', 'event-bus/default')),
                Condition: {
                  StringEquals: {
                    'events:source': form.text(EVENT_SOURCE),
                    'events:detail-type': 'ECS Drain Continuation',
                  },
                },
              },
            ],
          },
        },
      ],
    },
  };
}

/** What the function itself needs to park a drain. */
function parkingPolicy(form: Form): Resources[string] {
  return {
    Type: 'AWS::IAM::Policy',
    Properties: {
      PolicyName: 'parking',
      Roles: [{ Ref: 'IamRoleLambdaExecution' }],
      PolicyDocument: {
        Version: '2012-10-17',
        Statement: [
          {
            Effect: 'Allow',
            Action: [
              'scheduler:CreateSchedule',
              'scheduler:UpdateSchedule',
              'scheduler:GetSchedule',
              'scheduler:DeleteSchedule',
            ],
            Resource: form.text(arn('scheduler', `schedule/${DEPLOYMENT}/*`)),
          },
          // IAM supports no narrower resource for this action.
          { Effect: 'Allow', Action: ['scheduler:ListSchedules'], Resource: '*' },
          {
            Effect: 'Allow',
            Action: ['iam:PassRole'],
            Resource: arnOf('ParkingRole'),
            Condition: { StringEquals: { 'iam:PassedToService': 'scheduler.amazonaws.com' } },
          },
          {
            Effect: 'Allow',
            Action: ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes'],
            Resource: arnOf('TaskStopQueue'),
          },
        ],
      },
    },
  };
}
