/** Only with `eventBusArn`: a rule that sends what the deployment reports to a bus for all accounts and Regions. */

import { arn, arnOf, type Resources } from './cloudformation.ts';
import { DEPLOYMENT, type Form } from './form.ts';
import { EVENT_SOURCE } from './rules.ts';

/** What `src/adapters/event-bridge.ts` publishes. */
export const OUTCOME_EVENTS = [
  'ECS Drain Started',
  'ECS Drain Stuck',
  'ECS Drain Finished',
  'ECS Drain Failed',
  'ECS Drain Returned',
];

const RULE_NAME = `${DEPLOYMENT}-outcomes`;

export function eventBusResources(form: Form): Resources {
  return form.only('HasEventBus', {
    EventBusRole: {
      Type: 'AWS::IAM::Role',
      Properties: {
        RoleName: form.choose('HasRoleNamePrefix', form.text(`\${RoleNamePrefix}${DEPLOYMENT}-\${AWS::Region}-bus`)),
        AssumeRolePolicyDocument: {
          Version: '2012-10-17',
          Statement: [
            {
              Effect: 'Allow',
              Principal: { Service: 'events.amazonaws.com' },
              Action: 'sts:AssumeRole',
              Condition: {
                StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } },
                ArnEquals: { 'aws:SourceArn': form.text(arn('events', `rule/${RULE_NAME}`)) },
              },
            },
          ],
        },
        Policies: [
          {
            PolicyName: 'outcomes',
            PolicyDocument: {
              Version: '2012-10-17',
              Statement: [{ Effect: 'Allow', Action: ['events:PutEvents'], Resource: form.value('eventBusArn') }],
            },
          },
        ],
      },
    },
    EventBusRule: {
      Type: 'AWS::Events::Rule',
      Properties: {
        Name: form.text(RULE_NAME),
        Description: 'Sends what the drains report to the bus for all accounts and Regions',
        EventPattern: {
          source: [form.text(EVENT_SOURCE)],
          'detail-type': OUTCOME_EVENTS,
          account: [{ Ref: 'AWS::AccountId' }],
        },
        Targets: [{ Id: 'bus', Arn: form.value('eventBusArn'), RoleArn: arnOf('EventBusRole') }],
      },
    },
  });
}
