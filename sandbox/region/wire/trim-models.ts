import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { Member, ServiceModel, ServiceName, Shape } from './models.ts';

/**
 * Writes `models/*.json`: AWS's own models of the operations that the Region may answer, without their documentation.
 *
 *     npm run models -- DATA_FOLDER
 *
 * DATA_FOLDER is `botocore/data` of the PyPI package botocore. There, AWS publishes its models with every constraint. The schemas
 * in the SDK's packages have no enums, lengths, patterns or bounds. Those schemas complete the codes and statuses of errors.
 */

/** What the Region answers, or is about to; every other operation of these services is known by its name alone. */
const OPERATIONS: Readonly<Record<ServiceName, readonly string[]>> = {
  autoscaling: [
    'AttachInstances',
    'CancelInstanceRefresh',
    'CompleteLifecycleAction',
    'DeleteAutoScalingGroup',
    'DeleteLifecycleHook',
    'DescribeAutoScalingGroups',
    'DescribeAutoScalingInstances',
    'DescribeInstanceRefreshes',
    'DescribeLifecycleHooks',
    'DescribeScalingActivities',
    'DescribeTags',
    'DescribeWarmPool',
    'DetachInstances',
    'EnterStandby',
    'ExitStandby',
    'PutLifecycleHook',
    'PutWarmPool',
    'RecordLifecycleActionHeartbeat',
    'ResumeProcesses',
    'RollbackInstanceRefresh',
    'SetDesiredCapacity',
    'SetInstanceHealth',
    'SetInstanceProtection',
    'StartInstanceRefresh',
    'SuspendProcesses',
    'TerminateInstanceInAutoScalingGroup',
    'UpdateAutoScalingGroup',
  ],
  cloudwatch: ['GetMetricData', 'GetMetricStatistics', 'ListMetrics', 'PutMetricData'],
  ec2: ['DescribeInstanceAttribute', 'DescribeInstances', 'TerminateInstances'],
  ecs: [
    'DeleteAttributes',
    'DeleteService',
    'DeregisterContainerInstance',
    'DescribeCapacityProviders',
    'DescribeClusters',
    'DescribeContainerInstances',
    'DescribeServices',
    'DescribeTaskDefinition',
    'DescribeTasks',
    'GetTaskProtection',
    'ListAttributes',
    'ListClusters',
    'ListContainerInstances',
    'ListServices',
    'ListTagsForResource',
    'ListTasks',
    'PutAttributes',
    'RunTask',
    'StartTask',
    'StopTask',
    'UpdateContainerInstancesState',
    'UpdateService',
    'UpdateTaskProtection',
  ],
  elbv2: ['DescribeTargetGroupAttributes', 'DescribeTargetGroups', 'DescribeTargetHealth'],
  events: ['DescribeRule', 'ListRules', 'ListTargetsByRule', 'PutEvents'],
  iam: ['GetRole', 'SimulatePrincipalPolicy'],
  lambda: [
    'GetFunction',
    'GetFunctionConcurrency',
    'GetFunctionConfiguration',
    'GetFunctionEventInvokeConfig',
    'GetFunctionRecursionConfig',
    'Invoke',
    'ListEventSourceMappings',
    'ListFunctions',
  ],
  logs: ['DescribeLogGroups', 'DescribeLogStreams', 'FilterLogEvents', 'GetLogEvents'],
  scheduler: [
    'CreateSchedule',
    'CreateScheduleGroup',
    'DeleteSchedule',
    'DeleteScheduleGroup',
    'GetSchedule',
    'GetScheduleGroup',
    'ListScheduleGroups',
    'ListSchedules',
    'UpdateSchedule',
  ],
  sns: ['ListSubscriptionsByTopic', 'ListTopics', 'Publish', 'Subscribe', 'Unsubscribe'],
  sqs: [
    'ChangeMessageVisibility',
    'ChangeMessageVisibilityBatch',
    'DeleteMessage',
    'DeleteMessageBatch',
    'GetQueueAttributes',
    'GetQueueUrl',
    'ListQueues',
    'PurgeQueue',
    'ReceiveMessage',
    'SendMessage',
    'SendMessageBatch',
  ],
  sts: ['GetCallerIdentity'],
};

/** The folder of each model: the version of its API. */
const VERSIONS: Readonly<Record<ServiceName, string>> = {
  autoscaling: '2011-01-01',
  cloudwatch: '2010-08-01',
  ec2: '2016-11-15',
  ecs: '2014-11-13',
  elbv2: '2015-12-01',
  events: '2015-10-07',
  iam: '2010-05-08',
  lambda: '2015-03-31',
  logs: '2014-03-28',
  scheduler: '2021-06-30',
  sns: '2010-03-31',
  sqs: '2012-11-05',
  sts: '2011-06-15',
};

/** The SDK's packages with schemas that say more of errors. */
const SCHEMAS: Partial<Record<ServiceName, () => Promise<object>>> = {
  autoscaling: () => import('@aws-sdk/client-auto-scaling'),
  ecs: () => import('@aws-sdk/client-ecs'),
  elbv2: () => import('@aws-sdk/client-elastic-load-balancing-v2'),
  events: () => import('@aws-sdk/client-eventbridge'),
  iam: () => import('@aws-sdk/client-iam'),
  lambda: () => import('@aws-sdk/client-lambda'),
  scheduler: () => import('@aws-sdk/client-scheduler'),
  sqs: () => import('@aws-sdk/client-sqs'),
};

/** Where AWS takes another shape than its model has, by service, structure and member (facts 78 receive-attributes). */
const CORRECTED: Partial<Record<ServiceName, Readonly<Record<string, Readonly<Record<string, string>>>>>> = {
  sqs: { ReceiveMessageRequest: { AttributeNames: 'MessageSystemAttributeList' } },
};

interface Published {
  readonly metadata: Record<string, unknown>;
  readonly operations: Record<string, PublishedOperation>;
  readonly shapes: Record<string, Shape & { exception?: boolean; fault?: boolean; error?: PublishedError }>;
}
interface PublishedOperation {
  readonly http: { readonly method: string; readonly requestUri: string; readonly responseCode?: number };
  readonly input?: { readonly shape: string };
  readonly output?: { readonly shape: string; readonly resultWrapper?: string };
  readonly errors?: readonly { readonly shape: string }[];
}
interface PublishedError {
  readonly code?: string;
  readonly httpStatusCode?: number;
}

/** What of a shape, and of a member of it, decides how it is read, checked and written. */
const KEPT_OF_SHAPE = ['type', 'required', 'enum', 'min', 'max', 'pattern', 'flattened', 'payload', 'timestampFormat'];
const KEPT_OF_MEMBER = ['shape', 'location', 'locationName', 'queryName', 'timestampFormat', 'streaming'];

/** One service's model, as small as the Region needs it. */
export async function trimmed(data: string, service: ServiceName): Promise<ServiceModel> {
  const folder = join(data, service, VERSIONS[service]);
  const published = JSON.parse(gunzipSync(readFileSync(join(folder, 'service-2.json.gz'))).toString()) as Published;
  const { metadata, operations, shapes } = published;
  const used: Record<string, Shape> = {};
  const use = (name: string | undefined): void => {
    const shape = name === undefined ? undefined : shapes[name];
    if (name === undefined || !shape || used[name]) return;
    const corrected = correctedShape(shape, CORRECTED[service]?.[name]);
    used[name] = trimmedShape(corrected);
    for (const member of membersOf(corrected)) use(member.shape);
  };
  const known = OPERATIONS[service].map((name) => {
    const operation = operations[name];
    if (!operation) throw new Error(`AWS has no operation ${name} in ${service}.`);
    const { http, input, output } = operation;
    use(input?.shape);
    use(output?.shape);
    return [name, { http, input: input?.shape, output: output?.shape, wrapper: output?.resultWrapper }] as const;
  });
  const others = Object.entries(operations).filter(([name]) => !OPERATIONS[service].includes(name));
  return {
    ...picked(metadata, [
      'protocol',
      'protocols',
      'jsonVersion',
      'targetPrefix',
      'apiVersion',
      'xmlNamespace',
      'serviceId',
    ]),
    queryCompatible: metadata['awsQueryCompatible'] !== undefined,
    errors: { ...errorsOf(published), ...(await errorsInSchemas(service)) },
    otherOperations: others.map(([name]) => name),
    ...(metadata['protocol'] === 'rest-json' && { otherPaths: Object.fromEntries(others.map(pathOf)) }),
    operations: Object.fromEntries(known),
    shapes: sorted(used),
  } as unknown as ServiceModel;
}

/** By its path an operation is known that the Region does not have. */
function pathOf([name, { http }]: readonly [string, PublishedOperation]) {
  return [name, { method: http.method, requestUri: http.requestUri }] as const;
}

/** By the shape's name: the code on the wire, and the HTTP status, where AWS says them. */
function errorsOf({ shapes }: Published): ServiceModel['errors'] {
  const entries = Object.entries(shapes)
    .filter(([, { exception }]) => exception)
    .map(([name, { error = {}, fault }]) => {
      const status = error.httpStatusCode ?? (fault ? 500 : 400);
      return [name, { status, ...(error.code !== undefined && error.code !== name && { code: error.code }) }] as const;
    });
  return sorted(Object.fromEntries(entries));
}

/** An error as an SDK package describes it. */
type ErrorSchema = readonly [kind: number, namespace: string, name: string, traits: ErrorTraits | number];
interface ErrorTraits {
  readonly awsQueryError?: readonly [code: string, status: number];
  readonly httpError?: number;
}
/** The kind of schema that an error is. */
const ERROR = -3;

async function errorsInSchemas(service: ServiceName): Promise<ServiceModel['errors']> {
  const exported = Object.values((await SCHEMAS[service]?.()) ?? {}) as unknown[];
  const schemas = exported.filter((each): each is ErrorSchema => Array.isArray(each) && each[0] === ERROR);
  const entries = schemas.flatMap(([, , name, traits]) => {
    if (typeof traits === 'number' || (!traits.httpError && !traits.awsQueryError)) return [];
    const [code, queryStatus] = traits.awsQueryError ?? [];
    const status = traits.httpError ?? queryStatus ?? 400;
    return [[name, { status, ...(code !== undefined && code !== name && { code }) }] as const];
  });
  return sorted(Object.fromEntries(entries));
}

function correctedShape(shape: Shape, corrections: Readonly<Record<string, string>> = {}): Shape {
  if (!shape.members) return shape;
  const corrected = Object.entries(shape.members).map(([name, member]) => {
    return [name, corrections[name] === undefined ? member : { ...member, shape: corrections[name] }] as const;
  });
  return { ...shape, members: Object.fromEntries(corrected) };
}

function trimmedShape(shape: Shape): Shape {
  const { members, member, key, value } = shape;
  return {
    ...picked(shape, KEPT_OF_SHAPE),
    ...(members && { members: mapped(members, trimmedMember) }),
    ...(member && { member: trimmedMember(member) }),
    ...(key && { key: trimmedMember(key) }),
    ...(value && { value: trimmedMember(value) }),
  } as Shape;
}

function trimmedMember(member: Member): Member {
  return picked(member, KEPT_OF_MEMBER) as unknown as Member;
}

function membersOf({ members = {}, member, key, value }: Shape): Member[] {
  return [...Object.values(members), member, key, value].filter((each) => each !== undefined);
}

function picked(from: object, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(from).filter(([name]) => names.includes(name)));
}

function mapped<T, U>(from: Readonly<Record<string, T>>, change: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(from).map(([name, value]) => [name, change(value)]));
}

function sorted<T>(from: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(from).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** A line for each operation, error and shape, so that a difference can be read. */
export function textOf(model: ServiceModel): string {
  const { errors, operations, shapes, otherOperations, ...head } = model;
  const lines = (entries: object) =>
    `{\n${Object.entries(entries)
      .map(([name, value]) => `    ${JSON.stringify(name)}: ${JSON.stringify(value)}`)
      .join(',\n')}\n  }`;
  const parts = [
    ...Object.entries(head).map(([name, value]) => `  ${JSON.stringify(name)}: ${JSON.stringify(value)}`),
    `  "errors": ${lines(errors)}`,
    `  "operations": ${lines(operations)}`,
    `  "shapes": ${lines(shapes)}`,
    `  "otherOperations": ${JSON.stringify(otherOperations)}`,
  ];
  return `{\n${parts.join(',\n')}\n}\n`;
}

export const SERVICES = Object.keys(VERSIONS) as ServiceName[];

if (import.meta.main) {
  const [data] = process.argv.slice(2);
  if (data === undefined) throw new Error('Name the folder of the models: npm run models -- …/botocore/data');
  for (const service of SERVICES) {
    writeFileSync(new URL(`models/${service}.json`, import.meta.url), textOf(await trimmed(data, service)));
  }
}
