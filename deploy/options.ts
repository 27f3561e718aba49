/** What an account asks of every resource that can have it: tags, a permissions boundary, a path, keys, a log retention. */

import type { Resource, Template } from './cloudformation.ts';

export interface ResourceOptions {
  /** The ARN of the policy that bounds every role. */
  readonly permissionsBoundaryArn: string | undefined;
  readonly rolePath: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly logRetentionDays: number;
  /** The ARN of the KMS key of the log groups. */
  readonly logKmsKeyArn: string | undefined;
  /** The ARN of the KMS key of the queues; without one SQS encrypts them with a key of its own. */
  readonly queueKmsKeyArn: string | undefined;
}

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

/** The template with the options on every resource that can have them. */
export function withOptions<T extends Template>(template: T, options: ResourceOptions): T {
  const Resources = Object.fromEntries(
    Object.entries(template.Resources).map(([id, resource]) => {
      const Properties = { ...resource.Properties, ...propertiesOf(resource, options) };
      return [id, { ...resource, Properties: Object.fromEntries(Object.entries(Properties).filter(isSet)) }];
    }),
  );
  return { ...template, Resources };
}

function isSet([, value]: [string, unknown]): boolean {
  return value !== undefined;
}

/** What the options set; undefined removes a property. */
function propertiesOf({ Type, Properties }: Resource, options: ResourceOptions): Record<string, unknown> {
  return { ...ofType(Type, options), ...(TAGGED.includes(Type) && tagsOf(Properties['Tags'], options)) };
}

function ofType(type: string, options: ResourceOptions): Record<string, unknown> {
  switch (type) {
    case 'AWS::IAM::Role':
      return {
        PermissionsBoundary: options.permissionsBoundaryArn,
        // To CloudFormation a path that is new is another path, even the default: it would replace the role.
        ...(options.rolePath !== '/' && { Path: options.rolePath }),
      };
    case 'AWS::Logs::LogGroup':
      return { RetentionInDays: options.logRetentionDays, KmsKeyId: options.logKmsKeyArn };
    case 'AWS::SQS::Queue':
      // SQS takes one of the two.
      return options.queueKmsKeyArn === undefined
        ? {}
        : { SqsManagedSseEnabled: undefined, KmsMasterKeyId: options.queueKmsKeyArn };
    default:
      return {};
  }
}

function tagsOf(given: unknown, { tags }: ResourceOptions): Record<string, unknown> {
  const added = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
  return added.length === 0 ? {} : { Tags: [...(Array.isArray(given) ? given : []), ...added] };
}
