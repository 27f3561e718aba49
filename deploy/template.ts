/** Turns the params into the parts of the CloudFormation template that serverless.yml cannot write. */

import { createHash } from 'node:crypto';
import * as v from 'valibot';
import { hookLimits } from '../src/domain/drain.ts';
import { choiceOf, type GroupChoice, isPattern } from '../src/domain/groups.ts';
import { conflictsIn } from '../src/domain/policy-conflicts.ts';
import {
  checked,
  clustersOf,
  hooksOf,
  InvalidSettings,
  oneOf,
  type parkingEntries,
  type queueEntries,
  refuseConflicts,
  settingsEntries,
  variableOf,
  wholeNumber,
} from '../src/handlers/settings.ts';
import { arn, arnOf, type Intrinsic, type Resources, type Sub } from './cloudformation.ts';
import type { ResourceOptions } from './options.ts';
import { ruleArns, ruleResources, rulesOf } from './rules.ts';

/** How many days CloudWatch Logs can keep logs [CloudWatch Logs API reference, PutRetentionPolicy]. */
const RETENTIONS = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1_096, 1_827, 2_192, 2_557, 2_922, 3_288, 3_653,
];

/** The function's own settings, and those that only the deployment needs. */
const entries = {
  ...settingsEntries,
  // What an event source mapping takes (facts 89 queue-reading).
  maximumConcurrency: wholeNumber(2, 1_000),
  createLifecycleHooks: v.union(
    [v.picklist(['true', 'false']), settingsEntries.autoScalingGroups],
    'expected true, false, or the names of the groups to create a hook for',
  ),
  hookDefaultResult: oneOf('CONTINUE', 'ABANDON'),
  sweepMinutes: wholeNumber(1, 60, 'a whole number of minutes'),
  logLevel: oneOf('DEBUG', 'INFO', 'WARN', 'ERROR'),
  // A FIFO topic, NAME.fifo, needs a message group with each message, which an alarm does not send (unverified).
  alarmTopicArn: arnOrNone(
    /sns:[a-z0-9-]+:\d{12}:[\w-]{1,256}/,
    'a standard SNS topic, such as arn:aws:sns:eu-west-1:123456789012:alarms',
  ),
  permissionsBoundaryArn: arnOrNone(
    /iam::(\d{12}|aws):policy\/[\w+=,.@/-]{1,512}/,
    'an IAM policy, such as arn:aws:iam::123456789012:policy/boundary',
  ),
  rolePath: v.pipe(
    v.string('expected the path of a role'),
    v.regex(/^\/([!-.0-~]+\/)*$/, 'expected / or the path of a role, such as /teams/web/'),
  ),
  tags: v.pipe(
    v.string('expected tags'),
    v.transform((text) => (text === 'none' ? [] : text.split(',').map((tag) => tag.trim()))),
    v.array(tag()),
    v.check((tags) => new Set(tags.map(([key]) => key)).size === tags.length, 'expected each key once'),
  ),
  logRetentionDays: v.pipe(
    v.string('expected a number of days'),
    v.picklist(RETENTIONS.map(String), `expected one of ${RETENTIONS.join(', ')}`),
    v.transform(Number),
  ),
  logKmsKeyArn: kmsKeyArnOrNone(),
  queueKmsKeyArn: kmsKeyArnOrNone(),
};

/** `key=value`, in the characters that every service takes in tags. */
function tag() {
  const expected = 'expected none, or key=value, separated by commas, with a key that does not begin with aws:';
  return v.pipe(
    v.string(expected),
    v.regex(/^(?!aws:)[\p{L}\p{N}\p{Z}_.:/+@-]{1,128}=[\p{L}\p{N}\p{Z}_.:/=+@-]{0,256}$/u, expected),
    v.transform((text): [string, string] => [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)]),
  );
}

function arnOrNone(resource: RegExp, what: string) {
  const expected = `expected none, or the ARN of ${what}`;
  return v.pipe(v.string(expected), v.regex(new RegExp(`^(none|arn:aws[a-z-]*:${resource.source})$`), expected));
}

/** A key's alias would do for SQS and CloudWatch, but a policy of IAM needs the key. */
function kmsKeyArnOrNone() {
  const example = 'arn:aws:kms:eu-west-1:123456789012:key/11112222-3333-4444-5555-666677778888';
  return arnOrNone(/kms:[a-z0-9-]+:\d{12}:key\/[\w-]{1,64}/, `a KMS key (not of an alias), such as ${example}`);
}

function unlessNone(value: string): string | undefined {
  return value === 'none' ? undefined : value;
}

const schema = v.object(entries);

type Settings = v.InferOutput<typeof schema>;

/** The params of serverless.yml. The stage decides the event source, so that is not one of them. */
export const paramNames = Object.keys(entries).filter((name) => name !== 'eventSource');

/** What serverless.yml reads as `${self:custom.deployment.…}`. */
export interface Deployment {
  readonly environment: Readonly<Record<string, string | Intrinsic>>;
  readonly functionTimeoutSeconds: number;
  readonly maximumConcurrency: number;
  readonly waiting: 'park' | 'watch';
  readonly stopStragglers: string;
  readonly clusterArns: readonly Sub[];
  readonly containerInstanceArns: readonly Sub[];
  readonly taskArns: readonly Sub[];
  readonly serviceArns: readonly Sub[];
  readonly groupArns: readonly Sub[];
  /** The EventBridge rules, by logical id. */
  readonly rules: Resources;
  /** The rules that may send to the event queue. */
  readonly ruleArns: readonly Sub[];
  /** The same of the rules whose events take the slow lane. */
  readonly taskStopRuleArns: readonly Sub[];
  /** The rules that may send to the dead-letter queue. */
  readonly deadLetteredRuleArns: readonly Sub[];
  /** The roles that may send to the event queue. */
  readonly senderRoleArns: readonly Intrinsic[];
  /** Resources that only some deployments have, by logical id: the guard of a dry run, the right to use a key. */
  readonly options: Resources;
  /** What the plugin sets on every resource that can have it. */
  readonly resourceOptions: ResourceOptions;
  /** The ARNs that an alarm notifies. */
  readonly alarmActions: readonly string[];
  /** The hooks, by logical id; none if they are managed elsewhere. */
  readonly lifecycleHooks: Resources;
}

/** The names that follow from the service and its stage. */
export interface Names {
  readonly eventSource: string;
  readonly functionName: string;
}

/**
 * The deployment that the params ask for. A param is text from the command line, or text, number, boolean or list from
 * YAML.
 * @throws InvalidSettings with a sentence for each param that is missing, unknown, out of bounds or in conflict.
 */
export function deploymentOf(params: Readonly<Record<string, unknown>>, names: Names): Deployment {
  refuseUnknown(Object.keys(params));
  const given: Record<string, unknown> = { ...params, eventSource: names.eventSource };
  const texts = Object.fromEntries(Object.keys(entries).map((name) => [name, textOf(given[name])]));
  // If every group names its own cluster, `cluster` may be left out.
  texts['cluster'] ??= clustersIn(texts['autoScalingGroups']);
  const settings = checked(schema, texts);

  const environment = environmentOf(settings, texts);
  const arns = arnsOf(settings);
  const rules = rulesOf({
    ...names,
    groups: settings.autoScalingGroups,
    hooks: hooksOf({
      lifecycleHooks: settings.lifecycleHook,
      superviseManagedDraining: settings.superviseManagedDraining === 'true',
    }),
    clusterArns: arns.clusterArns,
    sweepMinutes: settings.sweepMinutes,
    waiting: settings.waiting,
    spotInterruptions: settings.spotInterruptions === 'true',
    rebalanceRecommendations: settings.rebalanceRecommendations === 'true',
  });
  refuseConflicts(conflictsAmong(settings));

  const parks = settings.waiting === 'park';
  const options = {
    ...(settings.dryRun === 'true' && dryRunGuard),
    ...(settings.queueKmsKeyArn !== 'none' && queueKeyPolicy(settings.queueKmsKeyArn, parks)),
  };
  return {
    environment,
    functionTimeoutSeconds: settings.functionTimeoutSeconds,
    maximumConcurrency: settings.maximumConcurrency,
    waiting: settings.waiting,
    stopStragglers: settings.stopStragglers,
    ...arns,
    rules: ruleResources(rules),
    ruleArns: ruleArns(rules.filter(({ queue }) => queue === 'EventQueue')),
    taskStopRuleArns: ruleArns(rules.filter(({ queue }) => queue === 'TaskStopQueue')),
    deadLetteredRuleArns: ruleArns(rules.filter(({ deadLettered }) => deadLettered)),
    senderRoleArns: [FUNCTION_ROLE, ...(parks ? ['ParkingRole'] : [])].map(arnOf),
    alarmActions: settings.alarmTopicArn === 'none' ? [] : [settings.alarmTopicArn],
    options,
    resourceOptions: resourceOptionsOf(settings),
    lifecycleHooks: hookResources(settings, [
      ...rules.map(({ logicalId }) => logicalId),
      'EventQueuePolicy',
      EVENT_SOURCE_MAPPING,
      ...(parks ? ['ParkingPolicy', 'TaskStopQueuePolicy', 'TaskStopMapping'] : []),
      ...Object.keys(options),
    ]),
  };
}

/** The framework's logical ids. */
const FUNCTION_ROLE = 'IamRoleLambdaExecution';
const EVENT_SOURCE_MAPPING = 'DrainEventSourceMappingSQSEventQueue';

/** The environment of the function, from the params as text. */
function environmentOf(settings: Settings, texts: Readonly<Record<string, unknown>>): Deployment['environment'] {
  const given = Object.fromEntries(Object.keys(settingsEntries).map((name) => [name, String(texts[name])]));
  const all: Readonly<Record<string, string | Intrinsic>> = {
    ...given,
    ...queueReferences,
    ...(settings.waiting === 'park' && parkingReferences),
  };
  return {
    ...Object.fromEntries(Object.entries(all).map(([name, value]) => [variableOf(name), value])),
    POWERTOOLS_METRICS_NAMESPACE: settings.dryRun === 'true' ? 'ECSDrainDryRun' : 'ECSDrain',
  };
}

/** The queues of deploy/queues.yml. `Ref` is the URL of a queue. */
const queueReferences = {
  eventQueueUrl: { Ref: 'EventQueue' },
  deadLetterQueueUrl: { Ref: 'DeadLetterQueue' },
} satisfies Record<keyof typeof queueEntries, Intrinsic>;

/** What the function needs to create schedules: see deploy/parking.yml. */
const parkingReferences = {
  scheduleGroup: { Ref: 'ScheduleGroup' },
  scheduleRoleArn: arnOf('ParkingRole'),
  eventQueueArn: arnOf('EventQueue'),
  deadLetterQueueArn: arnOf('DeadLetterQueue'),
} satisfies Record<keyof typeof parkingEntries, Intrinsic>;

/** The resources of others that the function may use. */
function arnsOf(settings: Settings) {
  const clusters = clustersOf(settings);
  const ecsArns = (resource: (cluster: string) => string) => clusters.map((cluster) => arn('ecs', resource(cluster)));
  return {
    clusterArns: ecsArns((cluster) => `cluster/${cluster}`),
    containerInstanceArns: ecsArns((cluster) => `container-instance/${cluster}/*`),
    taskArns: ecsArns((cluster) => `task/${cluster}/*`),
    serviceArns: ecsArns((cluster) => `service/${cluster}/*`),
    groupArns: settings.autoScalingGroups.map(({ parts }) =>
      arn('autoscaling', `autoScalingGroup:*:autoScalingGroupName/${parts.map(inIamResource).join('*')}`),
    ),
  };
}

/** A part of a name as IAM reads it in a resource (facts 94 literal-wildcards). `Fn::Sub` turns `${!*}` into `${*}`. */
function inIamResource(part: string): string {
  return part.replace(/[*?]|\$(?=\{)/g, (special) => `\${!${special}}`);
}

function conflictsAmong(settings: Settings): string[] {
  const { lifecycleHook: hooks, heartbeatTimeoutSeconds, functionTimeoutSeconds } = settings;
  const policy = { ...settings, clusters: clustersOf(settings) };
  const withHooks = groupsWithHooks(settings);
  const hook = withHooks.length > 0 ? hookLimits(heartbeatTimeoutSeconds) : undefined;
  const conflicts = [...conflictsIn(policy, { functionTimeoutSeconds, hook })];
  if (!hook) return conflicts;

  const groups = textsOf(settings.autoScalingGroups);
  const unknown = withHooks.filter(
    (choice) => !isPattern(choice) && !choiceOf(settings.autoScalingGroups, choice.text),
  );
  if (unknown.length > 0) {
    conflicts.push(
      `createLifecycleHooks names ${textsOf(unknown)}, which autoScalingGroups (${groups}) does not have: fix one of them.`,
    );
  }
  const patterns = withHooks.filter(isPattern);
  if (patterns.length > 0) {
    conflicts.push(
      `createLifecycleHooks cannot create a hook for ${textsOf(patterns)}, because CloudFormation has to know the name of the group: set it to false, or to the names of groups, and create the other hooks where the groups are created.`,
    );
  }
  if (settings.dryRun === 'true') {
    conflicts.push(
      `dryRun completes nothing, and createLifecycleHooks ${settings.createLifecycleHooks === 'true' ? 'true ' : ''}would hold every instance for heartbeatTimeoutSeconds ${heartbeatTimeoutSeconds} s: set createLifecycleHooks to false, and lifecycleHook to the hook that drains the groups now.`,
    );
  }
  if (hooks.length > 1) {
    conflicts.push(
      `lifecycleHook names ${hooks.length} hooks (${hooks.join(', ')}), and createLifecycleHooks gives each group one: name one, or set createLifecycleHooks to false if they are created elsewhere.`,
    );
  }
  return conflicts;
}

/** The groups for which the stack creates a hook. */
function groupsWithHooks({ createLifecycleHooks, autoScalingGroups }: Settings): readonly GroupChoice[] {
  if (createLifecycleHooks === 'false') return [];
  return createLifecycleHooks === 'true' ? autoScalingGroups : createLifecycleHooks;
}

function textsOf(choices: readonly GroupChoice[]): string {
  return choices.map(({ text }) => text).join(', ');
}

/** The hooks are created last and deleted first: a hook without a function that listens holds instances until it times out. */
function hookResources(settings: Settings, DependsOn: readonly string[]): Resources {
  return Object.fromEntries(
    groupsWithHooks(settings).map(({ text: group }) => [
      hookId(group),
      {
        Type: 'AWS::AutoScaling::LifecycleHook',
        DependsOn,
        Properties: {
          AutoScalingGroupName: group,
          LifecycleHookName: settings.lifecycleHook[0],
          LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
          HeartbeatTimeout: settings.heartbeatTimeoutSeconds,
          DefaultResult: settings.hookDefaultResult,
        },
      },
    ]),
  );
}

/** IAM denies a dry run every change. */
const dryRunGuard: Resources = {
  DryRunGuard: {
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
  },
};

/** What sends to an encrypted queue, or reads it, needs its key. EventBridge's own right is in the policy of the key. */
function queueKeyPolicy(keyArn: string, parks: boolean): Resources {
  return {
    QueueKeyPolicy: {
      Type: 'AWS::IAM::Policy',
      Properties: {
        PolicyName: 'queue-key',
        Roles: [FUNCTION_ROLE, ...(parks ? ['ParkingRole'] : [])].map((role) => ({ Ref: role })),
        PolicyDocument: {
          Version: '2012-10-17',
          Statement: [{ Effect: 'Allow', Action: ['kms:Decrypt', 'kms:GenerateDataKey'], Resource: keyArn }],
        },
      },
    },
  };
}

function resourceOptionsOf(settings: Settings): ResourceOptions {
  return {
    permissionsBoundaryArn: unlessNone(settings.permissionsBoundaryArn),
    rolePath: settings.rolePath,
    tags: Object.fromEntries(settings.tags),
    logRetentionDays: settings.logRetentionDays,
    logKmsKeyArn: unlessNone(settings.logKmsKeyArn),
    queueKmsKeyArn: unlessNone(settings.queueKmsKeyArn),
  };
}

/** The clusters that the groups name, if each names one. */
function clustersIn(groups: unknown): string | undefined {
  const parsed = v.safeParse(settingsEntries.autoScalingGroups, groups);
  const clusters = parsed.success ? parsed.output.map(({ cluster }) => cluster) : [undefined];
  return clusters.includes(undefined) ? undefined : [...new Set(clusters)].join(',');
}

/** Params of earlier versions, and what to do instead. */
const REMOVED_PARAMS: Readonly<Record<string, string>> = {
  reservedConcurrency:
    'There is no param reservedConcurrency any more, because the function no longer needs executions of its own: events wait in a queue. Remove the param. To bound how many executions run at once, set maximumConcurrency (2 to 1000, default 5).',
};

function refuseUnknown(names: readonly string[]): void {
  const removed = names.flatMap((name) => REMOVED_PARAMS[name] ?? []);
  if (removed.length > 0) throw new InvalidSettings(removed.join(' '));
  const unknown = names.filter((name) => !paramNames.includes(name));
  if (unknown.length > 0) {
    throw new InvalidSettings(`There is no param ${unknown.join(', ')}; there are ${paramNames.join(', ')}.`);
  }
}

/** A param as text: YAML has numbers, booleans and lists, and the command line gives all of them as text. */
function textOf(value: unknown): unknown {
  if (value === null) return undefined;
  if (Array.isArray(value)) return value.join(',');
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : value;
}

/** A logical id has letters and digits only. A group keeps its own, whatever its place in the list. */
function hookId(group: string): string {
  const digest = createHash('sha256').update(group).digest('hex').slice(0, 8);
  return `LifecycleHook${group.replace(/[^A-Za-z0-9]/g, '').slice(0, 200)}${digest}`;
}
