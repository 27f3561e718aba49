/** The params of a deployment: what each is, what it may be, what it is by default, and what cannot work together. */

import { closest, distance } from 'fastest-levenshtein';
import * as v from 'valibot';
import { hookLimits } from '../src/domain/drain.ts';
import { choiceOf, type GroupChoice, isPattern } from '../src/domain/groups.ts';
import { conflictsIn } from '../src/domain/policy-conflicts.ts';
import {
  checked,
  clustersOf,
  InvalidSettings,
  oneOf,
  refuseConflicts,
  settingsEntries,
  wholeNumber,
} from '../src/handlers/settings.ts';

/** How many days CloudWatch Logs can keep logs [CloudWatch Logs API reference, PutRetentionPolicy]. */
const RETENTIONS = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1_096, 1_827, 2_192, 2_557, 2_922, 3_288, 3_653,
];

/** `key=value`, in the characters that every service takes in tags. */
export const TAG = /^(?!aws:)[\p{L}\p{N}\p{Z}_.:/+@-]{1,128}=[\p{L}\p{N}\p{Z}_.:/=+@-]{0,256}$/u;

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
  roleNamePrefix: v.pipe(
    v.string('expected how the names of roles begin'),
    v.regex(/^[\w+=,.@-]{1,32}$/, 'expected none, or how the names of roles begin, such as team-web-'),
  ),
  rolePath: v.pipe(
    v.string('expected the path of a role'),
    v.regex(/^\/([!-.0-~]+\/)*$/, 'expected / or the path of a role, such as /teams/web/'),
  ),
  tags: v.pipe(
    v.string('expected tags'),
    v.transform((text) => (text === 'none' ? [] : text.split(',').map((tag) => tag.trim()))),
    v.array(tag()),
    v.rawCheck(({ dataset: { typed, value: tags }, addIssue }) => {
      if (!typed || new Set(tags.map(([key]) => key)).size === tags.length) return;
      addIssue({ message: 'expected each key once', input: tags.map((tag) => tag.join('=')).join(',') });
    }),
  ),
  logRetentionDays: v.pipe(
    v.string('expected a number of days'),
    v.picklist(RETENTIONS.map(String), `expected one of ${RETENTIONS.join(', ')}`),
    v.transform(Number),
  ),
  logKmsKeyArn: kmsKeyArnOrNone(),
  queueKmsKeyArn: kmsKeyArnOrNone(),
  subnetIds: idsOrNone('subnet'),
  securityGroupIds: idsOrNone('sg'),
  deadLetterQueueArn: arnOrNone(
    /sqs:[a-z0-9-]+:\d{12}:[\w-]{1,80}/,
    'a standard queue in the account and Region of the stack, such as arn:aws:sqs:eu-west-1:123456789012:dead-letters',
  ),
  // A default bus of the same account would send each event to itself.
  eventBusArn: arnOrNone(
    /events:[a-z0-9-]+:\d{12}:event-bus\/(?!default$)[\w.-]{1,256}/,
    'an event bus that is no default one, such as arn:aws:events:eu-west-1:123456789012:event-bus/central',
  ),
};

function tag() {
  const expected = 'expected none, or key=value, separated by commas, with a key that does not begin with aws:';
  return v.pipe(
    v.string(expected),
    v.regex(TAG, expected),
    v.transform((text): [string, string] => [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)]),
  );
}

function arnOrNone(resource: RegExp, what: string) {
  const expected = `expected none, or the ARN of ${what}`;
  return v.pipe(v.string(expected), v.regex(new RegExp(`^(none|arn:aws[a-z-]*:${resource.source})$`), expected));
}

/** The ids of resources of EC2. */
function idsOrNone(kind: string) {
  const expected = `expected none, or ids such as ${kind}-0a1b2c3d4e5f60718, separated by commas`;
  return v.pipe(
    v.string(expected),
    v.transform((text) => (text === 'none' ? [] : text.split(',').map((id) => id.trim()))),
    v.array(v.pipe(v.string(expected), v.regex(new RegExp(`^${kind}-([0-9a-f]{8}|[0-9a-f]{17})$`), expected))),
  );
}

/** A key's alias would do for SQS and CloudWatch, but a policy of IAM needs the key. */
function kmsKeyArnOrNone() {
  const example = 'arn:aws:kms:eu-west-1:123456789012:key/11112222-3333-4444-5555-666677778888';
  return arnOrNone(/kms:[a-z0-9-]+:\d{12}:key\/[\w-]{1,64}/, `a KMS key (not of an alias), such as ${example}`);
}

const schema = v.object(entries);

export type Settings = v.InferOutput<typeof schema>;

/** The stage decides the event source, so that is not a param. */
export type ParamName = Exclude<keyof typeof entries, 'eventSource'>;

/** What each param is by default, as text, and what it is. serverless.yml shows the same. */
export const PARAMS: Readonly<
  Record<ParamName, { readonly default: string | undefined; readonly description: string }>
> = {
  cluster: {
    default: undefined,
    description:
      'the ECS clusters an instance may be in, separated by commas; required unless each group names its own',
  },
  autoScalingGroups: {
    default: undefined,
    description: 'required: the Auto Scaling groups to drain, a list or separated by commas: web, workers@batch, app-*',
  },
  lifecycleHook: {
    default: 'ecs-drain',
    description: 'the name of the terminating hook; several, separated by commas, if created elsewhere',
  },
  createLifecycleHooks: {
    default: 'true',
    description: 'false if the hooks are managed elsewhere; or the groups that get one',
  },
  heartbeatTimeoutSeconds: {
    default: '3600',
    description: 'how long a created hook holds an instance without a heartbeat, 30 to 7200',
  },
  hookDefaultResult: {
    default: 'CONTINUE',
    description: 'the result of a created hook that times out: CONTINUE or ABANDON',
  },
  deadlineSeconds: { default: '7200', description: 'the longest a drain may take' },
  deadlineResult: {
    default: 'CONTINUE',
    description: 'the result if tasks are left at the deadline: CONTINUE or ABANDON',
  },
  superviseManagedDraining: {
    default: 'false',
    description: 'true: supervise drains of ECS managed draining, and report them',
  },
  managedDrainingDeadline: {
    default: 'none',
    description: 'what ends such a drain at the deadline: none (ECS, in 48 hours at most), CONTINUE or ABANDON',
  },
  stuckFraction: {
    default: '0.5',
    description: 'the share of the time to the deadline after which a waiting drain is reported as stuck',
  },
  stopStragglers: {
    default: 'none',
    description: 'which tasks are stopped ahead of the deadline: none, standalone or all',
  },
  deregistrationDelaySeconds: {
    default: '300',
    description: 'of the load balancers; added to the stop timeout of a straggling service task',
  },
  containerStopTimeoutSeconds: {
    default: '30',
    description: 'ECS_CONTAINER_STOP_TIMEOUT of your agents: counts where a container has no stopTimeout',
  },
  agentGraceSeconds: {
    default: '900',
    description: 'how long the ECS agent may be disconnected before the drain gives up on it',
  },
  heartbeatFraction: {
    default: '0.5',
    description: "when a heartbeat is due, as a share of the hook's heartbeat timeout",
  },
  waiting: {
    default: 'park',
    description: 'how a drain waits: park (a schedule, and a wake-up by ECS events) or watch (messages with a delay)',
  },
  maximumConcurrency: {
    default: '5',
    description: 'how many executions of the function may run at once, 2 to 1000; none are reserved',
  },
  pollMinSeconds: {
    default: '2',
    description: 'the interval between two looks at the tasks while something changes...',
  },
  pollMaxSeconds: { default: '20', description: '...and the longest interval while nothing does' },
  marginSeconds: { default: '20', description: 'kept free at the end of an invocation to hand over what is left' },
  functionTimeoutSeconds: {
    default: '60',
    description: 'the longest invocation, 25 to 900; a crashed one is retried when this time is over',
  },
  spotInterruptions: {
    default: 'false',
    description: 'true: also drain on the two-minute warning of a Spot interruption',
  },
  rebalanceRecommendations: { default: 'false', description: 'true: also drain when EC2 recommends to rebalance' },
  dryRun: { default: 'false', description: 'true: observe, decide, log and measure, but change nothing' },
  logLevel: { default: 'INFO', description: 'DEBUG, INFO, WARN or ERROR' },
  sweepMinutes: { default: '1', description: 'how often to look for drains whose event was lost, 1 to 60' },
  alarmTopicArn: {
    default: 'none',
    description: 'the SNS topic, of the same account and Region, that the alarms notify; none: they notify no one',
  },
  permissionsBoundaryArn: {
    default: 'none',
    description: 'the ARN of the policy that bounds every role; none: no boundary',
  },
  roleNamePrefix: {
    default: 'none',
    description: 'how the name of every role begins, such as team-web-; none: as the stack names them',
  },
  rolePath: { default: '/', description: 'the path of every role, such as /teams/web/' },
  tags: {
    default: 'none',
    description: 'the tags of the stack and of each resource that can have tags: team=web, cost-center=42',
  },
  logRetentionDays: { default: '7', description: 'how long CloudWatch keeps the logs' },
  logKmsKeyArn: {
    default: 'none',
    description: 'the ARN of the KMS key that encrypts the logs; none: a key of CloudWatch Logs',
  },
  queueKmsKeyArn: {
    default: 'none',
    description: 'the ARN of the KMS key that encrypts the queues; none: a key of SQS',
  },
  subnetIds: {
    default: 'none',
    description: 'the subnets of the function, separated by commas; none: it is in no VPC of yours',
  },
  securityGroupIds: { default: 'none', description: 'the security groups of the function there, separated by commas' },
  deadLetterQueueArn: {
    default: 'none',
    description: 'the ARN of a dead-letter queue of yours; none: the stack has its own',
  },
  eventBusArn: {
    default: 'none',
    description: 'the ARN of an event bus, of any account, that gets the outcome events as well; none: no such bus',
  },
};

export const paramNames = Object.keys(PARAMS) as ParamName[];

/** Whether a param is a setting of the running function, which reads it from its environment. */
export function isOfTheFunction(name: ParamName): boolean {
  return name in settingsEntries;
}

/** What the schema of a param says: its values, or the pattern of its text, or its bounds. */
export interface Constraints {
  readonly options?: readonly string[];
  readonly pattern?: string;
  readonly min?: number;
  readonly max?: number;
  /** How the sentence of a refusal ends: what was expected. */
  readonly expected?: string;
}

/** The fields of a schema's step that state a constraint. */
interface Step {
  readonly type: string;
  readonly options?: readonly string[];
  readonly requirement?: unknown;
  readonly message?: unknown;
}

/** The constraints of a param, for a form that states them by itself. */
export function constraintsOf(name: ParamName): Constraints {
  const { pipe = [entries[name]] } = entries[name] as { readonly pipe?: readonly object[] };
  const found: { -readonly [name in keyof Constraints]: Constraints[name] } = {};
  for (const step of pipe as readonly Step[]) {
    if (step.type === 'picklist' && step.options) found.options = step.options;
    if (step.type === 'regex') found.pattern = (step.requirement as RegExp).source;
    if (step.type === 'min_value') found.min = Number(step.requirement);
    if (step.type === 'max_value') found.max = Number(step.requirement);
    if (typeof step.message === 'string') found.expected = step.message;
  }
  return found;
}

/** The params of a deployment as they were given, as text, and what they mean. */
export interface Params {
  readonly texts: Readonly<Record<ParamName, string>>;
  readonly settings: Settings;
}

/**
 * Checks the params that are given, and takes the default of every other param. A param is text from the command line, or
 * text, number, boolean or list from YAML and code.
 * @throws InvalidSettings with a sentence for each param that is missing, unknown, out of bounds or in conflict.
 */
export function paramsOf(given: Readonly<Record<string, unknown>>, stage: string): Params {
  if (!STAGE.test(stage)) {
    throw new InvalidSettings(`stage is ${JSON.stringify(stage)}: expected letters, digits and hyphens.`);
  }
  refuseUnknown(Object.keys(given));
  const texts = Object.fromEntries(paramNames.map((name) => [name, textOf(given[name]) ?? PARAMS[name].default]));
  // If every group names its own cluster, `cluster` may be left out.
  texts['cluster'] ??= clustersIn(texts['autoScalingGroups']);
  const settings = checked(schema, { ...texts, eventSource: eventSourceOf(stage) });
  refuseConflicts(conflictsAmong(settings));
  return { texts: texts as Params['texts'], settings };
}

/** The stage if none is named, in every way to deploy. The commands assume the same. */
export const DEFAULT_STAGE = 'main';

/** The stage is part of names; limits.ts checks how long these become. */
const STAGE = /^[a-zA-Z0-9-]+$/;

/** Distinguishes the events of this deployment from another's. */
export function eventSourceOf(stage: string): string {
  return `ecs-drain.${stage}`;
}

function conflictsAmong(settings: Settings): string[] {
  return [...vpcConflicts(settings), ...drainConflicts(settings)];
}

function vpcConflicts({ subnetIds, securityGroupIds }: Settings): string[] {
  if (subnetIds.length > 0 === securityGroupIds.length > 0) return [];
  const [there, missing] = subnetIds.length > 0 ? ['subnetIds', 'securityGroupIds'] : ['securityGroupIds', 'subnetIds'];
  return [`${there} needs ${missing}, because Lambda takes both or neither: set ${missing}, or remove ${there}.`];
}

function drainConflicts(settings: Settings): string[] {
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
      `createLifecycleHooks cannot create a hook for ${textsOf(patterns)}, because CloudFormation has to know the name of the group. Set it to false, or to the names of groups, and create the other hooks where the groups are created.`,
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
export function groupsWithHooks({ createLifecycleHooks, autoScalingGroups }: Settings): readonly GroupChoice[] {
  if (createLifecycleHooks === 'false') return [];
  return createLifecycleHooks === 'true' ? autoScalingGroups : createLifecycleHooks;
}

function textsOf(choices: readonly GroupChoice[]): string {
  return choices.map(({ text }) => text).join(', ');
}

/** The clusters that the groups name, if each names one. */
function clustersIn(groups: unknown): string | undefined {
  const parsed = v.safeParse(settingsEntries.autoScalingGroups, groups);
  const clusters = parsed.success ? parsed.output.map(({ cluster }) => cluster) : [undefined];
  return clusters.includes(undefined) ? undefined : [...new Set(clusters)].join(',');
}

/** Names that are not settings, or are no longer, and what to do instead. */
const NO_PARAMS: Readonly<Record<string, string>> = {
  stage: 'There is no setting stage: the stage is an option of its own, --stage.',
  region: 'There is no setting region: the Region is an option of its own, --region.',
  reservedConcurrency:
    'There is no setting reservedConcurrency any more, because the function no longer needs executions of its own: events wait in a queue. Remove it. To bound how many executions run at once, set maximumConcurrency (2 to 1000, default 5).',
};

function refuseUnknown(names: readonly string[]): void {
  const explained = names.flatMap((name) => NO_PARAMS[name] ?? []);
  if (explained.length > 0) throw new InvalidSettings(explained.join(' '));
  const unknown = names.filter((name) => !Object.hasOwn(PARAMS, name));
  if (unknown.length > 0) {
    throw new InvalidSettings(unknown.map((name) => sentenceOnUnknown('setting', name, paramNames)).join(' '));
  }
}

/** How many characters may differ for a name to count as misspelled. */
const MOST_TYPOS = 3;

/** There is no setting, or property, of this name: the nearest of those that there are, or all of them. */
export function sentenceOnUnknown(kind: 'setting' | 'property', name: string, names: readonly string[]): string {
  const nearest = closest(name, names);
  if (distance(name.toLowerCase(), nearest.toLowerCase()) <= MOST_TYPOS) {
    return `There is no ${kind} ${name}: did you mean ${nearest}?`;
  }
  return `There is no ${kind} ${name}; there are ${names.join(', ')}.`;
}

/** A sentence for each value that may work but is probably a mistake. */
export function warningsIn({ settings }: Params): string[] {
  return settings.autoScalingGroups.flatMap(({ text }) => {
    const words = text.split(' ');
    if (words.length < 2) return [];
    return `autoScalingGroups has one group of the name "${text}": if these are ${words.length} groups, separate them by commas, ${words.join(',')}.`;
  });
}

/** A param as text: YAML has numbers, booleans and lists, and the command line gives all of them as text. */
function textOf(value: unknown): unknown {
  if (value === null) return undefined;
  if (Array.isArray(value)) return value.join(',');
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : value;
}
