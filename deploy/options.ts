/** What an account asks of every resource that can have it: tags, a permissions boundary, a path, keys, a log retention. */

import type { Resource, Resources } from './cloudformation.ts';
import type { Form } from './form.ts';

/** The types of resource that have tags, as a list of `Key` and `Value` (CloudFormation template reference). */
export const TAGGED: readonly string[] = [
  'AWS::CloudWatch::Alarm',
  'AWS::CloudWatch::Dashboard',
  'AWS::Events::Rule',
  'AWS::IAM::Role',
  'AWS::Lambda::EventSourceMapping',
  'AWS::Lambda::Function',
  'AWS::Logs::LogGroup',
  'AWS::S3::Bucket',
  'AWS::SQS::Queue',
  'AWS::Scheduler::ScheduleGroup',
];

/** The resources with the options on each that can have them. */
export function withOptions(resources: Resources, form: Form): Resources {
  return Object.fromEntries(
    Object.entries(resources).map(([id, resource]) => {
      const Properties = { ...resource.Properties, ...propertiesOf(resource, form) };
      return [id, { ...resource, Properties: Object.fromEntries(Object.entries(Properties).filter(isSet)) }];
    }),
  );
}

function isSet([, value]: [string, unknown]): boolean {
  return value !== undefined;
}

/** What the options set; undefined removes a property. */
function propertiesOf({ Type, Properties }: Resource, form: Form): Record<string, unknown> {
  return { ...ofType(Type, Properties, form), ...(TAGGED.includes(Type) && tagsOf(Properties['Tags'], form)) };
}

function ofType(type: string, properties: Resource['Properties'], form: Form): Record<string, unknown> {
  switch (type) {
    case 'AWS::IAM::Role':
      return {
        PermissionsBoundary: form.choose('HasPermissionsBoundary', form.value('permissionsBoundaryArn')),
        // To CloudFormation a path that is new is another path, even the default: it would replace the role.
        Path: form.choose('HasRolePath', form.value('rolePath'), properties['Path']),
      };
    case 'AWS::Logs::LogGroup':
      return {
        RetentionInDays: form.value('logRetentionDays'),
        KmsKeyId: form.choose('HasLogKey', form.value('logKmsKeyArn')),
      };
    case 'AWS::SQS::Queue':
      // SQS takes one of the two.
      return {
        SqsManagedSseEnabled: form.choose('HasQueueKey', undefined, properties['SqsManagedSseEnabled']),
        KmsMasterKeyId: form.choose('HasQueueKey', form.value('queueKmsKeyArn')),
      };
    default:
      return {};
  }
}

function tagsOf(given: unknown, form: Form): Record<string, unknown> {
  const added = form.tags();
  return added.length === 0 ? {} : { Tags: [...(Array.isArray(given) ? given : []), ...added] };
}
