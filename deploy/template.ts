/** What the params come to in the CloudFormation template: the parts of serverless.yml that YAML cannot write. */

import { createHash } from 'node:crypto';
import * as v from 'valibot';
import { hookLimits } from '../src/domain/drain.ts';
import { conflictsIn } from '../src/domain/policy.ts';
import {
  checked,
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
    [v.picklist(['auto', 'none']), wholeNumber(10, 1_000)],
    'expected auto, none, or a whole number from 10 to 1000',
  ),
  createLifecycleHooks: oneOf('true', 'false'),
  hookDefaultResult: oneOf('CONTINUE', 'ABANDON'),
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
  readonly DependsOn: readonly string[];
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
  readonly stopStragglers: string;
  readonly groups: readonly string[];
  readonly hooks: readonly string[];
  readonly clusterArns: readonly Sub[];
  readonly containerInstanceArns: readonly Sub[];
  readonly taskArns: readonly Sub[];
  readonly serviceArns: readonly Sub[];
  readonly groupArns: readonly Sub[];
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
  const settings = checked(schema, texts);
  refuseConflicts(conflictsAmong(settings));

  const { cluster: clusters, autoScalingGroups: groups } = settings;
  const ecsArns = (resource: (cluster: string) => string) => clusters.map((cluster) => arn('ecs', resource(cluster)));
  return {
    environment: {
      ...Object.fromEntries(Object.keys(settingsEntries).map((name) => [variableOf(name), String(texts[name])])),
      ...(settings.waiting === 'park' && parkingEnvironment),
    },
    functionTimeoutSeconds: settings.functionTimeoutSeconds,
    reservedConcurrency: reservedConcurrencyOf(settings),
    waiting: settings.waiting,
    stopStragglers: settings.stopStragglers,
    groups,
    hooks: settings.lifecycleHook,
    clusterArns: ecsArns((cluster) => `cluster/${cluster}`),
    containerInstanceArns: ecsArns((cluster) => `container-instance/${cluster}/*`),
    taskArns: ecsArns((cluster) => `task/${cluster}/*`),
    serviceArns: ecsArns((cluster) => `service/${cluster}/*`),
    groupArns: groups.map((group) => arn('autoscaling', `autoScalingGroup:*:autoScalingGroupName/${group}`)),
    alarmActions: settings.alarmTopicArn === 'none' ? [] : [settings.alarmTopicArn],
    lifecycleHooks: createsHooks(settings) ? hookResources(settings, names.functionName) : {},
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

/** Parked drains need an execution for moments only: more at once would only be throttled by ECS (facts 17). */
const CONCURRENCY_TO_PARK = 50;

function reservedConcurrencyOf({ reservedConcurrency, waiting }: Settings): number | null {
  if (reservedConcurrency === 'none') return null;
  if (reservedConcurrency !== 'auto') return reservedConcurrency;
  return waiting === 'park' ? CONCURRENCY_TO_PARK : null;
}

function conflictsAmong(settings: Settings): string[] {
  const { cluster: clusters, lifecycleHook: hooks, heartbeatTimeoutSeconds, functionTimeoutSeconds } = settings;
  const policy = { ...settings, clusters };
  if (!createsHooks(settings)) return conflictsIn(policy, { functionTimeoutSeconds, hook: undefined });

  const hook = hookLimits(heartbeatTimeoutSeconds);
  const conflicts = conflictsIn(policy, { functionTimeoutSeconds, hook });
  if (hooks.length > 1) {
    conflicts.push(
      `lifecycleHook names ${hooks.length} hooks (${hooks.join(', ')}), and createLifecycleHooks gives each group one: name one, or set createLifecycleHooks to false if they are created elsewhere.`,
    );
  }
  return conflicts;
}

function createsHooks({ createLifecycleHooks }: Settings): boolean {
  return createLifecycleHooks === 'true';
}

function hookResources(settings: Settings, functionName: string): Record<string, Resource> {
  const resources = settings.autoScalingGroups.map((group): [string, Resource] => [
    hookId(group),
    {
      Type: 'AWS::AutoScaling::LifecycleHook',
      // Created last and deleted first: a hook without a rule that listens holds an instance until it times out.
      DependsOn: [
        ...[1, 2].flatMap((index) => ruleIds(functionName, index)),
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

function refuseUnknown(names: readonly string[]): void {
  const unknown = names.filter((name) => !paramNames.includes(name));
  if (unknown.length > 0) {
    throw new InvalidSettings(`There is no param ${unknown.join(', ')}; there are ${paramNames.join(', ')}.`);
  }
}

/** YAML reads 300 as a number and true as a boolean; the command line gives both as text. */
function textOf(value: unknown): unknown {
  if (value === null) return undefined;
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
