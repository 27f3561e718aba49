/** What AWS allows of the resources of a template: the lengths of names, sizes and counts. */

import { filledIn, type Place, type Template } from './cloudformation.ts';

/** What AWS allows of one thing in a resource of a type. */
export interface Limit {
  /** What is limited, as a sentence says it. */
  readonly what: string;
  /** Where it is in the properties of the resource. `*` stands for each item of a list. */
  readonly path: string;
  readonly unit: 'characters' | 'bytes' | 'entries';
  readonly most: number;
  /** Where AWS says so. */
  readonly source: string;
  /** What to change. */
  readonly fix: string;
}

const SHORTER_STAGE = 'choose a shorter stage';
const FEWER_GROUPS =
  'name fewer groups or clusters, use a pattern such as web-*, or deploy some of the groups as another stage';
const FEWER_TAGS = 'set fewer or shorter tags';
const SHORTER_TEXT = 'shorten it in serverless.yml or in deploy/';

const IAM = 'IAM user guide, IAM and STS quotas';
const LAMBDA = 'Lambda developer guide, Lambda quotas';
const LAMBDA_API = 'Lambda API reference, CreateFunction';
const SQS = 'SQS developer guide, policy quotas';
const EVENTS = 'EventBridge API reference, PutRule and PutTargets';
const EVENTS_QUOTAS = 'EventBridge user guide, quotas';
const SCHEDULER = 'EventBridge Scheduler API reference, CreateScheduleGroup';
const ALARM = 'CloudWatch API reference, PutMetricAlarm';
const DASHBOARD = 'CloudWatch API reference, PutDashboard';
const AUTO_SCALING = 'Auto Scaling API reference, PutLifecycleHook';
const LOGS = 'CloudWatch Logs API reference, CreateLogGroup';
const S3 = 'S3 user guide, bucket naming rules, bucket policies';
const CLOUDFORMATION = 'CloudFormation user guide, quotas';

const name = (path: string, most: number, source: string, fix = SHORTER_STAGE): Limit => ({
  what: 'the name',
  path,
  unit: 'characters',
  most,
  source,
  fix,
});

const description = (path: string, most: number, source: string): Limit => ({
  what: 'the description',
  path,
  unit: 'characters',
  most,
  source,
  fix: SHORTER_TEXT,
});

const tags = (source: string): Limit[] => [
  { what: 'the list of tags', path: 'Tags', unit: 'entries', most: 50, source, fix: FEWER_TAGS },
  { what: 'the key of a tag', path: 'Tags.*.Key', unit: 'characters', most: 128, source, fix: FEWER_TAGS },
  { what: 'the value of a tag', path: 'Tags.*.Value', unit: 'characters', most: 256, source, fix: FEWER_TAGS },
];

/** The quota for the inline policies of a role, which other resources may put on it. */
const INLINE_POLICIES: Limit = {
  what: 'the sum of the inline policies',
  path: 'Policies',
  unit: 'characters',
  most: 10_240,
  source: IAM,
  fix: FEWER_GROUPS,
};

/** By type of resource. A type without limits of its own has an empty list: a test finds a type that is missing. */
export const LIMITS: Readonly<Record<string, readonly Limit[]>> = {
  'AWS::IAM::Role': [
    name('RoleName', 64, IAM, 'choose a shorter stage or roleNamePrefix'),
    { ...name('Path', 512, IAM, 'choose a shorter rolePath'), what: 'the path' },
    {
      what: 'the trust policy',
      path: 'AssumeRolePolicyDocument',
      unit: 'characters',
      most: 2_048,
      source: IAM,
      fix: SHORTER_TEXT,
    },
    name('Policies.*.PolicyName', 128, IAM),
    INLINE_POLICIES,
    ...tags(IAM),
  ],
  'AWS::IAM::Policy': [name('PolicyName', 128, IAM)],
  'AWS::Lambda::Function': [
    name('FunctionName', 64, LAMBDA_API),
    description('Description', 256, LAMBDA_API),
    {
      what: 'the environment',
      path: 'Environment.Variables',
      unit: 'bytes',
      most: 4_096,
      source: LAMBDA,
      fix: FEWER_GROUPS,
    },
    ...tags(LAMBDA_API),
  ],
  'AWS::Lambda::EventSourceMapping': tags('Lambda API reference, CreateEventSourceMapping'),
  'AWS::SQS::Queue': [name('QueueName', 80, 'SQS API reference, CreateQueue'), ...tags('SQS developer guide, tags')],
  'AWS::SQS::QueuePolicy': [
    { what: 'the policy', path: 'PolicyDocument', unit: 'bytes', most: 8_192, source: SQS, fix: SHORTER_TEXT },
    {
      what: 'the list of statements',
      path: 'PolicyDocument.Statement',
      unit: 'entries',
      most: 20,
      source: SQS,
      fix: SHORTER_TEXT,
    },
  ],
  'AWS::Events::Rule': [
    name('Name', 64, EVENTS),
    description('Description', 512, EVENTS),
    {
      what: 'the event pattern',
      path: 'EventPattern',
      unit: 'characters',
      most: 2_048,
      source: EVENTS_QUOTAS,
      fix: FEWER_GROUPS,
    },
    {
      what: 'the list of targets',
      path: 'Targets',
      unit: 'entries',
      most: 5,
      source: EVENTS_QUOTAS,
      fix: SHORTER_TEXT,
    },
    { ...name('Targets.*.Id', 64, EVENTS), what: 'the id of a target' },
    ...tags(EVENTS),
  ],
  'AWS::Scheduler::ScheduleGroup': [name('Name', 64, SCHEDULER), ...tags(SCHEDULER)],
  'AWS::CloudWatch::Alarm': [
    name('AlarmName', 255, ALARM),
    description('AlarmDescription', 1_024, ALARM),
    { what: 'the list of actions', path: 'AlarmActions', unit: 'entries', most: 5, source: ALARM, fix: SHORTER_TEXT },
    ...tags(ALARM),
  ],
  'AWS::CloudWatch::Dashboard': [name('DashboardName', 255, DASHBOARD), ...tags(DASHBOARD)],
  'AWS::AutoScaling::LifecycleHook': [
    name('LifecycleHookName', 255, AUTO_SCALING, 'choose a shorter lifecycleHook'),
    name('AutoScalingGroupName', 255, AUTO_SCALING, 'fix the name in autoScalingGroups'),
    {
      what: 'the notification metadata',
      path: 'NotificationMetadata',
      unit: 'characters',
      most: 4_000,
      source: AUTO_SCALING,
      fix: SHORTER_TEXT,
    },
  ],
  'AWS::Logs::LogGroup': [name('LogGroupName', 512, LOGS), ...tags(LOGS)],
  'AWS::S3::Bucket': [name('BucketName', 63, S3), ...tags('S3 API reference, PutBucketTagging')],
  'AWS::S3::BucketPolicy': [
    { what: 'the policy', path: 'PolicyDocument', unit: 'bytes', most: 20_480, source: S3, fix: SHORTER_TEXT },
  ],
};

/** Of the template as a whole. */
const TEMPLATE_LIMITS: readonly Limit[] = [
  {
    what: 'the template',
    path: '',
    unit: 'bytes',
    most: 1_000_000,
    source: CLOUDFORMATION,
    fix: FEWER_GROUPS,
  },
  {
    what: 'the list of resources',
    path: 'Resources',
    unit: 'entries',
    most: 500,
    source: CLOUDFORMATION,
    fix: `${FEWER_GROUPS}, or create the hooks elsewhere (createLifecycleHooks=false)`,
  },
  {
    what: 'the list of outputs',
    path: 'Outputs',
    unit: 'entries',
    most: 200,
    source: CLOUDFORMATION,
    fix: SHORTER_TEXT,
  },
];

const LONGEST_STACK_NAME: Limit = {
  what: 'the name',
  path: '',
  unit: 'characters',
  most: 128,
  source: 'CloudFormation API reference, CreateStack',
  fix: SHORTER_STAGE,
};

/** A sentence for each thing in the template that is larger than AWS allows. CloudFormation notices in the middle of a deployment. */
export function limitsExceeded(template: Template, place: Place): string[] {
  const filled = filledIn(template, template, place) as Template;
  return [
    ...sentencesOn(`stack ${place.stackName}`, place.stackName, [LONGEST_STACK_NAME]),
    ...sentencesOn(`stack ${place.stackName}`, template, TEMPLATE_LIMITS),
    ...Object.entries(filled.Resources).flatMap(([id, { Type }]) =>
      sentencesOn(`${Type} ${id}`, withAttachedPolicies(id, template, filled), LIMITS[Type] ?? []),
    ),
  ];
}

/** A policy that a resource of its own puts on a role counts as an inline policy of the role. */
function withAttachedPolicies(id: string, template: Template, filled: Template): unknown {
  const { Type, Properties = {} } = filled.Resources[id] ?? {};
  if (Type !== 'AWS::IAM::Role') return Properties;
  const attached = Object.entries(template.Resources).filter(
    ([, other]) => other.Type === 'AWS::IAM::Policy' && valuesAt(other.Properties, ['Roles', '*', 'Ref']).includes(id),
  );
  const policies = attached.map(([policyId]) => filled.Resources[policyId]?.Properties);
  return { ...Properties, Policies: [...listIn(Properties['Policies']), ...policies] };
}

function sentencesOn(where: string, value: unknown, limits: readonly Limit[]): string[] {
  return limits.flatMap((limit) =>
    valuesAt(value, limit.path === '' ? [] : limit.path.split('.')).flatMap((found) => {
      const size = sizeOf(found, limit);
      if (size <= limit.most) return [];
      const shown = typeof found === 'string' && found.length <= 128 ? ` ${found}` : '';
      return `${where}: ${limit.what}${shown} has ${size} ${limit.unit}, and AWS allows ${limit.most} (${limit.source}): ${limit.fix}.`;
    }),
  );
}

function valuesAt(value: unknown, [step, ...rest]: readonly string[]): unknown[] {
  if (value === undefined) return [];
  if (step === undefined) return [value];
  if (step === '*') return listIn(value).flatMap((item) => valuesAt(item, rest));
  return valuesAt((value as Readonly<Record<string, unknown>>)[step], rest);
}

function listIn(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

/** Only CloudFormation knows some names exactly, so a size may be some bytes less. */
function sizeOf(value: unknown, limit: Limit): number {
  if (limit.unit === 'entries') return Object.keys(value as object).length;
  // IAM counts the documents and no white space.
  if (limit === INLINE_POLICIES) {
    const documents = valuesAt(value, ['*', 'PolicyDocument']);
    return documents.reduce((sum: number, document) => sum + JSON.stringify(document).length, 0);
  }
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return limit.unit === 'bytes' ? Buffer.byteLength(text) : text.length;
}
