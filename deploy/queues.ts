/**
 * How events reach the function: the rules and schedules send them to the event queue, and Lambda takes them from it in
 * batches. What fails five times, and what the function rejects, the function sends to the dead-letter queue.
 */

import { arnOf, type Resources } from './cloudformation.ts';
import type { Form } from './form.ts';
import { ruleArns } from './rules.ts';

export function queueResources(form: Form): Resources {
  return {
    EventQueue: {
      Type: 'AWS::SQS::Queue',
      Properties: {
        SqsManagedSseEnabled: true,
        // A crashed invocation is retried when this time is over, so keep it short. Lambda accepts nothing below the
        // function's timeout (facts 89 queue-reading).
        VisibilityTimeout: form.value('functionTimeoutSeconds'),
        // The most that SQS allows. The function moves what fails five times by itself, so that what it only leaves on the
        // queue, while nothing can be sent anywhere, may come again as often as an outage needs.
        RedrivePolicy: { deadLetterTargetArn: deadLetterQueue(form).arn, maxReceiveCount: 1_000 },
      },
    },
    EventQueuePolicy: queuePolicy('EventQueue', [
      onlyRules(
        'EventQueue',
        ruleArns(form, ({ queue }) => queue === 'EventQueue'),
      ),
      // The function trusts a continuation that arrives without EventBridge's envelope. Without this statement every
      // principal of the account with sqs:SendMessage on all queues could forge one.
      {
        Sid: 'OnlyOurRoles',
        Effect: 'Deny',
        Principal: '*',
        Action: 'sqs:SendMessage',
        Resource: arnOf('EventQueue'),
        Condition: {
          ArnNotEquals: {
            'aws:PrincipalArn': [arnOf('IamRoleLambdaExecution'), form.choose('Parks', arnOf('ParkingRole'))],
          },
          Bool: { 'aws:PrincipalIsAWSService': 'false' },
        },
      },
    ]),
    ...form.only('CreatesDeadLetterQueue', deadLetterResources(form)),
  };
}

/** The dead-letter queue: of the stack, or one that is there. `Ref` is the URL of a queue. */
export function deadLetterQueue(form: Form) {
  const created = (yes: unknown, no: unknown) => form.choose('CreatesDeadLetterQueue', yes, no);
  const name = form.nameIn('deadLetterQueueArn');
  const url = `https://sqs.\${AWS::Region}.\${AWS::URLSuffix}/\${AWS::AccountId}/\${Name}`;
  return {
    arn: created(arnOf('DeadLetterQueue'), form.value('deadLetterQueueArn')),
    url: created({ Ref: 'DeadLetterQueue' }, form.text(url, { Name: name })),
    name: created({ 'Fn::GetAtt': ['DeadLetterQueue', 'QueueName'] }, name),
  };
}

function deadLetterResources(form: Form): Resources {
  return {
    DeadLetterQueue: {
      Type: 'AWS::SQS::Queue',
      Properties: {
        SqsManagedSseEnabled: true,
        MessageRetentionPeriod: 1_209_600, // 14 days, the maximum: someone has to look at the messages
      },
    },
    DeadLetterQueuePolicy: queuePolicy('DeadLetterQueue', [
      onlyRules(
        'DeadLetterQueue',
        ruleArns(form, ({ deadLettered }) => deadLettered),
      ),
    ]),
  };
}

/** The policy of a queue: these statements, and nothing that is not encrypted on its way. */
export function queuePolicy(queue: string, statements: readonly object[]): Resources[string] {
  return {
    Type: 'AWS::SQS::QueuePolicy',
    Properties: {
      Queues: [{ Ref: queue }],
      PolicyDocument: {
        Version: '2012-10-17',
        Statement: [
          ...statements,
          {
            Sid: 'OnlyOverTls',
            Effect: 'Deny',
            Principal: '*',
            Action: 'sqs:*',
            Resource: arnOf(queue),
            Condition: { Bool: { 'aws:SecureTransport': 'false' } },
          },
        ],
      },
    },
  };
}

/** Lets EventBridge send what these rules take. */
export function onlyRules(queue: string, rules: readonly unknown[]): object {
  return {
    Sid: 'OnlyOurRules',
    Effect: 'Allow',
    Principal: { Service: 'events.amazonaws.com' },
    Action: 'sqs:SendMessage',
    Resource: arnOf(queue),
    Condition: { ArnEquals: { 'aws:SourceArn': rules } },
  };
}
