/** What the params come to in the CloudFormation template: the parts of serverless.yml that YAML cannot write. */

import { createHash } from 'node:crypto';
import * as v from 'valibot';
import { hookLimits } from '../src/domain/drain.ts';
import { conflictsIn } from '../src/domain/policy.ts';
import {
  checked,
  clustersOf,
  InvalidSettings,
  oneOf,
  type parkingEntries,
  refuseConflicts,
  settingsEntries,
  variableOf,
  wholeNumber,
} from '../src/handlers/settings.ts';

/** The function's own settings, and those that only the deployment needs. */
const entries = {
  ...settingsEntries,
  reservedConcurrency: v.union(
    [v.picklist(['auto', 'none']), wholeNumber(10, 1_000, 'auto, none, or a whole number')],
    'expected auto, none, or a whole number from 10 to 1000',
  ),
  createLifecycleHooks: v.union(
    [v.picklist(['true', 'false']), settingsEntries.autoScalingGroups],
    'expected true, false, or the names of the groups to create a hook for',
  ),
  hookDefaultResult: oneOf('CONTINUE', 'ABANDON'),
  sweepMinutes: wholeNumber(1, 60, 'a whole number of minutes'),
  logLevel: oneOf('DEBUG', 'INFO', 'WARN', 'ERROR'),
  alarmTopicArn: v.pipe(
    v.string(),
    v.regex(
      // A FIFO topic, NAME.fifo, wants a message group with each message, which an alarm does not give (unverified).
      /^(none|arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[\w-]{1,256})$/,
      'expected none, or the ARN of a standard SNS topic, such as arn:aws:sns:eu-west-1:123456789012:alarms',
    ),
  ),
};

const schema = v.object(entries);

type Settings = v.InferOutput<typeof schema>;

/** The params that serverless.yml knows: the event source is not one, for the stage decides it. */
export const paramNames = Object.keys(entries).filter((name) => name !== 'eventSource');

/** A text in which CloudFormation fills in `${AWS::…}`. */
interface Sub {
  readonly 'Fn::Sub': string;
}

interface Resource {
  readonly Type: string;
  readonly DependsOn?: readonly string[];
  readonly Properties: Readonly<Record<string, unknown>>;
}

/** A value that CloudFormation fills in. */
type Intrinsic = Sub | { readonly 'Fn::GetAtt': readonly [string, string] } | { readonly Ref: string };

/** What serverless.yml reads as `${self:custom.deployment.…}`. */
export interface Deployment {
  readonly environment: Readonly<Record<string, string | Intrinsic>>;
  readonly functionTimeoutSeconds: number;
  /** Null where the function takes what the account has left. */
  readonly reservedConcurrency: number | null;
  readonly waiting: 'park' | 'watch';
  /** As EventBridge writes it. */
  readonly sweepRate: string;
  readonly stopStragglers: string;
  readonly groups: readonly string[];
  readonly hooks: readonly string[];
  readonly clusterArns: readonly Sub[];
  readonly containerInstanceArns: readonly Sub[];
  readonly taskArns: readonly Sub[];
  readonly serviceArns: readonly Sub[];
  readonly groupArns: readonly Sub[];
  /** What only some deployments have, by logical id: rules for EC2's notices, the guard of a dry run. */
  readonly options: Readonly<Record<string, Resource>>;
  /** Whom an alarm tells. */
  readonly alarmActions: readonly string[];
  /** The hook resources by logical id; none where they are managed elsewhere. */
  readonly lifecycleHooks: Readonly<Record<string, Resource>>;
}

/** The names that the service and its stage make, not the user. */
export interface Names {
  readonly eventSource: string;
  readonly functionName: string;
}

/**
 * The deployment that the params ask for. A param is text from the command line, or text, number or boolean from YAML.
 * @throws InvalidSettings with a sentence for each param that is missing, unknown, out of bounds or in conflict.
 */
export function deploymentOf(params: Readonly<Record<string, unknown>>, names: Names): Deployment {
  refuseUnknown(Object.keys(params));
  const given: Record<string, unknown> = { ...params, eventSource: names.eventSource };
  const texts = Object.fromEntries(Object.keys(entries).map((name) => [name, textOf(given[name])]));
  // Where every group has its own cluster there is none for all of them.
  texts['cluster'] ??= clustersIn(texts['autoScalingGroups']);
  const settings = checked(schema, texts);
  refuseConflicts(conflictsAmong(settings));

  const clusters = clustersOf(settings);
  const groups = settings.autoScalingGroups.map(({ name }) => name);
  const ecsArns = (resource: (cluster: string) => string) => clusters.map((cluster) => arn('ecs', resource(cluster)));
  return {
    environment: {
      ...Object.fromEntries(Object.keys(settingsEntries).map((name) => [variableOf(name), String(texts[name])])),
      POWERTOOLS_METRICS_NAMESPACE: settings.dryRun === 'true' ? 'ECSDrainDryRun' : 'ECSDrain',
      ...(settings.waiting === 'park' && parkingEnvironment),
    },
    functionTimeoutSeconds: settings.functionTimeoutSeconds,
    reservedConcurrency: reservedConcurrencyOf(settings),
    waiting: settings.waiting,
    sweepRate: `rate(${settings.sweepMinutes} ${settings.sweepMinutes === 1 ? 'minute' : 'minutes'})`,
    stopStragglers: settings.stopStragglers,
    groups,
    hooks: settings.lifecycleHook,
    clusterArns: ecsArns((cluster) => `cluster/${cluster}`),
    containerInstanceArns: ecsArns((cluster) => `container-instance/${cluster}/*`),
    taskArns: ecsArns((cluster) => `task/${cluster}/*`),
    serviceArns: ecsArns((cluster) => `service/${cluster}/*`),
    groupArns: groups.map((group) => arn('autoscaling', `autoScalingGroup:*:autoScalingGroupName/${group}`)),
    alarmActions: settings.alarmTopicArn === 'none' ? [] : [settings.alarmTopicArn],
    options: {
      ...(settings.spotInterruptions === 'true' && noticeRule('SpotInterruption', names)),
      ...(settings.rebalanceRecommendations === 'true' && noticeRule('RebalanceRecommendation', names)),
      ...(settings.dryRun === 'true' && dryRunGuard),
    },
    lifecycleHooks: hookResources(settings, names.functionName),
  };
}

/** What deploy/parking.yml makes, for the function to use. */
const parkingEnvironment = Object.fromEntries(
  Object.entries({
    scheduleGroup: { Ref: 'ScheduleGroup' },
    scheduleRoleArn: { 'Fn::GetAtt': ['ParkingRole', 'Arn'] },
    eventBusArn: arn('events', 'event-bus/default'),
    deadLetterQueueArn: { 'Fn::GetAtt': ['DeadLetterQueue', 'Arn'] },
  } satisfies Record<keyof typeof parkingEntries, Intrinsic>).map(([name, value]) => [variableOf(name), value]),
);

/**
 * Parked drains need an execution for moments only: more at once would only be throttled by ECS
 * (facts 17 ecs-throttling).
 */
const CONCURRENCY_TO_PARK = 50;

function reservedConcurrencyOf({ reservedConcurrency, waiting }: Settings): number | null {
  if (reservedConcurrency === 'none') return null;
  if (reservedConcurrency !== 'auto') return reservedConcurrency;
  return waiting === 'park' ? CONCURRENCY_TO_PARK : null;
}

function conflictsAmong(settings: Settings): string[] {
  const { lifecycleHook: hooks, heartbeatTimeoutSeconds, functionTimeoutSeconds } = settings;
  const policy = { ...settings, clusters: clustersOf(settings) };
  const withHooks = groupsWithHooks(settings);
  const hook = withHooks.length > 0 ? hookLimits(heartbeatTimeoutSeconds) : undefined;
  const conflicts = [...conflictsIn(policy, { functionTimeoutSeconds, hook }), ...sizesBeyondLimits(settings)];
  if (!hook) return conflicts;

  const groups = settings.autoScalingGroups.map(({ name }) => name);
  const unknown = withHooks.filter((group) => !groups.includes(group));
  if (unknown.length > 0) {
    conflicts.push(
      `createLifecycleHooks names ${unknown.join(', ')}, which autoScalingGroups (${groups.join(', ')}) does not have: mend one of them.`,
    );
  }
  if (settings.dryRun === 'true') {
    conflicts.push(
      `dryRun completes nothing, and createLifecycleHooks ${settings.createLifecycleHooks === 'true' ? 'true ' : ''}would hold every instance for heartbeatTimeoutSeconds ${heartbeatTimeoutSeconds} s: set createLifecycleHooks to false, and lifecycleHook to the hook of whoever drains the groups now.`,
    );
  }
  if (hooks.length > 1) {
    conflicts.push(
      `lifecycleHook names ${hooks.length} hooks (${hooks.join(', ')}), and createLifecycleHooks gives each group one: name one, or set createLifecycleHooks to false if they are created elsewhere.`,
    );
  }
  return conflicts;
}

/** The groups whose hook is the stack's. */
function groupsWithHooks({ createLifecycleHooks, autoScalingGroups }: Settings): string[] {
  if (createLifecycleHooks === 'false') return [];
  return (createLifecycleHooks === 'true' ? autoScalingGroups : createLifecycleHooks).map(({ name }) => name);
}

function hookResources(settings: Settings, functionName: string): Record<string, Resource> {
  const resources = groupsWithHooks(settings).map((group): [string, Resource] => [
    hookId(group),
    {
      Type: 'AWS::AutoScaling::LifecycleHook',
      // Created last and deleted first: a hook without a rule that listens holds an instance until it times out.
      DependsOn: [
        ...[1, 2, 3].flatMap((index) => ruleIds(functionName, index)),
        ...(settings.waiting === 'park' ? ['ParkingPolicy', 'WakeUpRule', 'WakeUpPermission'] : []),
      ],
      Properties: {
        AutoScalingGroupName: group,
        LifecycleHookName: settings.lifecycleHook[0],
        LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
        HeartbeatTimeout: settings.heartbeatTimeoutSeconds,
        DefaultResult: settings.hookDefaultResult,
      },
    },
  ]);
  return Object.fromEntries(resources);
}

const NOTICES = {
  // News older than the notice itself is none.
  SpotInterruption: {
    name: 'spot-interruption',
    detailType: 'EC2 Spot Instance Interruption Warning',
    maximumAgeSeconds: 120,
  },
  RebalanceRecommendation: {
    name: 'rebalance-recommendation',
    detailType: 'EC2 Instance Rebalance Recommendation',
    maximumAgeSeconds: 600,
  },
} as const;

/** The rule for a notice of EC2 (facts 6 ec2-notices), and its permission to invoke the function. */
function noticeRule(id: keyof typeof NOTICES, { functionName }: Names): Record<string, Resource> {
  const { name, detailType, maximumAgeSeconds } = NOTICES[id];
  const Arn = { 'Fn::GetAtt': ['DrainLambdaFunction', 'Arn'] };
  return {
    [`${id}Rule`]: {
      Type: 'AWS::Events::Rule',
      Properties: {
        Name: functionName.replace(/drain$/, name),
        Description: `${detailType}: the instance may be one of ours`,
        EventPattern: { source: ['aws.ec2'], 'detail-type': [detailType], account: [{ Ref: 'AWS::AccountId' }] },
        Targets: [
          {
            Id: 'drain',
            Arn,
            RetryPolicy: { MaximumEventAgeInSeconds: maximumAgeSeconds, MaximumRetryAttempts: 185 },
          },
        ],
      },
    },
    [`${id}Permission`]: {
      Type: 'AWS::Lambda::Permission',
      Properties: {
        FunctionName: Arn,
        Action: 'lambda:InvokeFunction',
        Principal: 'events.amazonaws.com',
        SourceArn: { 'Fn::GetAtt': [`${id}Rule`, 'Arn'] },
      },
    },
  };
}

/** A dry run changes nothing, and IAM sees to it. */
const dryRunGuard: Record<string, Resource> = {
  DryRunGuard: {
    Type: 'AWS::IAM::Policy',
    Properties: {
      PolicyName: 'dry-run',
      Roles: [{ Ref: 'IamRoleLambdaExecution' }],
      PolicyDocument: {
        Version: '2012-10-17',
        Statement: [
          {
            Effect: 'Deny',
            Action: [
              'ecs:UpdateContainerInstancesState',
              'ecs:StopTask',
              'autoscaling:CompleteLifecycleAction',
              'autoscaling:RecordLifecycleActionHeartbeat',
            ],
            Resource: '*',
          },
        ],
      },
    },
  },
};

/** What CloudFormation would refuse only after it has begun: EventBridge's and Lambda's quotas, and IAM's. */
const LARGEST_PATTERN_CHARACTERS = 2_048;
const LARGEST_ENVIRONMENT_BYTES = 4_096;
const LARGEST_ROLE_CHARACTERS = 10_240;
/** What the rest of each takes, and an ARN without its name, with room to spare. */
const OTHERS = { pattern: 400, environment: 1_500, role: 3_000 };
const ARN_CHARACTERS = 105;

function sizesBeyondLimits({ autoScalingGroups, lifecycleHook, ...settings }: Settings): string[] {
  const groups = autoScalingGroups.map(({ name }) => name);
  const clusters = clustersOf({ ...settings, autoScalingGroups });
  const sizes = [
    ["the rule's pattern", JSON.stringify([groups, lifecycleHook]).length + OTHERS.pattern, LARGEST_PATTERN_CHARACTERS],
    [
      "the function's environment",
      [...groups, ...clusters].join().length + OTHERS.environment,
      LARGEST_ENVIRONMENT_BYTES,
    ],
    [
      "the role's policy",
      [...groups, ...clusters.flatMap((cluster) => Array(6).fill(cluster))].join().length +
        ARN_CHARACTERS * (groups.length + 6 * clusters.length) +
        OTHERS.role,
      LARGEST_ROLE_CHARACTERS,
    ],
  ] as const;
  return sizes
    .filter(([, size, largest]) => size > largest)
    .map(
      ([what, size, largest]) =>
        `autoScalingGroups has ${groups.length} groups: with them ${what} is about ${size} characters long, and AWS takes ${largest}; deploy some of them as another stage.`,
    );
}

/** The clusters that the groups name, if each names one. */
function clustersIn(groups: unknown): string | undefined {
  const clusters = typeof groups === 'string' ? groups.split(',').map((group) => group.split('@')[1]) : [undefined];
  return clusters.includes(undefined) ? undefined : clusters.join(',');
}

function refuseUnknown(names: readonly string[]): void {
  const unknown = names.filter((name) => !paramNames.includes(name));
  if (unknown.length > 0) {
    throw new InvalidSettings(`There is no param ${unknown.join(', ')}; there are ${paramNames.join(', ')}.`);
  }
}

/** YAML reads 300 as a number, true as a boolean, and has lists; the command line gives all of them as text. */
function textOf(value: unknown): unknown {
  if (value === null) return undefined;
  if (Array.isArray(value)) return value.join(',');
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : value;
}

function arn(service: string, resource: string): Sub {
  return { 'Fn::Sub': `arn:\${AWS::Partition}:${service}:\${AWS::Region}:\${AWS::AccountId}:${resource}` };
}

/** The same for a group in every deployment, whatever its place in the list; a logical id has letters and digits only. */
function hookId(group: string): string {
  const digest = createHash('sha256').update(group).digest('hex').slice(0, 8);
  return `LifecycleHook${group.replace(/[^A-Za-z0-9]/g, '').slice(0, 200)}${digest}`;
}

/** The framework's names for a rule of the function and for the rule's permission to invoke it. */
function ruleIds(functionName: string, index: number): string[] {
  const rule = `${functionName}-rule-${index}`.replace(/[^A-Za-z0-9]/g, '');
  return [`${rule.charAt(0).toUpperCase()}${rule.slice(1)}EventBridgeRule`, `DrainEventBridgeLambdaPermission${index}`];
}
