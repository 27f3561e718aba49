import * as v from 'valibot';
import { MANAGED_DRAINING_HOOK } from '../adapters/auto-scaling.ts';
import type { SchedulerPlace } from '../adapters/scheduler.ts';
import type { NoticeKind } from '../domain/drain.ts';
import { conflictsIn, type Policy } from '../domain/policy.ts';
import type { Territory } from '../domain/sweep.ts';
import { sentenceOf } from './sentence.ts';

/** What the operator set, as the handler uses it: the events of other groups and hooks are somebody else's. */
export interface Settings extends Omit<Territory, 'readMetadata'> {
  readonly policy: Policy;
  /** The notices of EC2 on which we drain as well. */
  readonly notices: readonly NoticeKind[];
  /** Whether AWS is only looked at. */
  readonly dryRun: boolean;
  /** The `source` of our own events: another deployment in the same account has another. */
  readonly eventSource: string;
  /** Where drains are parked; undefined if they wait within their invocations. */
  readonly parking: SchedulerPlace | undefined;
}

/** Settings that cannot be used; the message names each, its value and how to mend it. */
export class InvalidSettings extends Error {
  override readonly name = 'InvalidSettings';
}

/** ECS: up to 255 letters, digits, hyphens and underscores. */
export const clusterName = text(/^[\w-]{1,255}$/, 'the name (not the ARN) of an ECS cluster');

/**
 * Auto Scaling: up to 255 printable characters; a comma would end it in our lists, a colon or `*` would widen an ARN, `${`
 * would be CloudFormation's, and an `@` separates the group from its cluster.
 */
const group = v.pipe(
  text(
    /^(?!.*\$\{)[^,:*?@]{1,255}(@[\w-]{1,255})?$/,
    'the name (not the ARN) of an Auto Scaling group, or group@cluster',
  ),
  v.transform((text) => {
    const [name = '', cluster] = text.split('@');
    return { name, cluster };
  }),
);

/** Auto Scaling: up to 255 letters, digits, hyphens, underscores and slashes. */
const hookName = v.pipe(
  text(/^[\w/-]{1,255}$/, 'the name of a lifecycle hook'),
  v.notValue(
    MANAGED_DRAINING_HOOK,
    'expected a hook of ours: this one ECS completes itself (facts 22 managed-draining-hook)',
  ),
);

/** Every setting the running function needs, under the name that `serverless.yml` gives it; all arrive as text. */
export const settingsEntries = {
  cluster: listOf(clusterName),
  autoScalingGroups: v.pipe(
    listOf(group),
    v.check((groups) => new Set(groups.map(({ name }) => name)).size === groups.length, 'expected each group once'),
  ),
  lifecycleHook: listOf(hookName),
  deadlineSeconds: seconds(1, 172_800),
  deadlineResult: oneOf('CONTINUE', 'ABANDON'),
  stuckFraction: decimal(0.05, 1),
  stopStragglers: oneOf('none', 'standalone', 'all'),
  deregistrationDelaySeconds: seconds(0, 3_600),
  agentGraceSeconds: seconds(60, 172_800),
  heartbeatTimeoutSeconds: seconds(30, 7_200),
  heartbeatFraction: decimal(0.1, 10),
  waiting: oneOf('park', 'watch'),
  spotInterruptions: oneOf('true', 'false'),
  rebalanceRecommendations: oneOf('true', 'false'),
  dryRun: oneOf('true', 'false'),
  pollMinSeconds: seconds(1, 60),
  pollMaxSeconds: seconds(1, 300),
  // Half of it has to hold three attempts at PutEvents: see HAND_OVER_BOUNDS.
  marginSeconds: seconds(20, 120),
  functionTimeoutSeconds: seconds(1, 900),
  eventSource: text(/^(?!aws\.)[\w./-]{1,256}$/, 'an event source that does not begin with aws.'),
};

const setByTheDeployment = text(/./, 'what the deployment sets');

/** What the deployment adds where drains are parked: no choice of the user's. */
export const parkingEntries = {
  scheduleGroup: setByTheDeployment,
  scheduleRoleArn: setByTheDeployment,
  eventBusArn: setByTheDeployment,
  deadLetterQueueArn: setByTheDeployment,
};

/** The settings of the running function, from its environment: `deadlineSeconds` is in `DEADLINE_SECONDS`. */
export function settingsFrom(env: Readonly<Record<string, string | undefined>>): Settings {
  const given = (entries: object) =>
    Object.fromEntries(Object.keys(entries).map((name) => [name, env[variableOf(name)]]));
  const parsed = checked(v.object(settingsEntries), given(settingsEntries));
  const policy: Policy = { ...parsed, clusters: clustersOf(parsed) };
  refuseConflicts(conflictsIn(policy, { functionTimeoutSeconds: parsed.functionTimeoutSeconds, hook: undefined }));
  return {
    policy,
    autoScalingGroups: parsed.autoScalingGroups.map(({ name }) => name),
    clusterOfGroup: new Map(
      parsed.autoScalingGroups.flatMap(({ name, cluster }) => (cluster ? [[name, cluster]] : [])),
    ),
    lifecycleHooks: parsed.lifecycleHook,
    notices: [
      ...(parsed.spotInterruptions === 'true' ? (['spot-interruption'] as const) : []),
      ...(parsed.rebalanceRecommendations === 'true' ? (['rebalance-recommendation'] as const) : []),
    ],
    dryRun: parsed.dryRun === 'true',
    eventSource: parsed.eventSource,
    parking:
      parsed.waiting === 'park'
        ? { ...checked(v.object(parkingEntries), given(parkingEntries)), eventSource: parsed.eventSource }
        : undefined,
  };
}

/** Every cluster that an instance may be in: those for all groups, and those of single ones. */
export function clustersOf(settings: {
  readonly cluster: readonly string[];
  readonly autoScalingGroups: readonly { readonly cluster: string | undefined }[];
}): string[] {
  return [...new Set([...settings.cluster, ...settings.autoScalingGroups.flatMap(({ cluster }) => cluster ?? [])])];
}

/** The environment variable that carries a setting. */
export function variableOf(setting: string): string {
  return setting.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
}

/** @throws InvalidSettings with a sentence for each setting that is missing, unknown or out of bounds. */
export function checked<S extends v.GenericSchema>(schema: S, given: unknown): v.InferOutput<S> {
  const result = v.safeParse(schema, given, { abortPipeEarly: true });
  if (!result.success) throw new InvalidSettings(sentenceOf(result.issues));
  return result.output;
}

/** @throws InvalidSettings if there is any conflict. */
export function refuseConflicts(conflicts: readonly string[]): void {
  if (conflicts.length > 0) throw new InvalidSettings(conflicts.join(' '));
}

function text(pattern: RegExp, expected: string) {
  const message = `expected ${expected}`;
  return v.pipe(v.string(message), v.regex(pattern, message));
}

function listOf<S extends v.GenericSchema<string, unknown>>(name: S) {
  // A name given twice would be searched, set and counted twice.
  const split = v.transform((list: string) => [...new Set(list.split(',').map((item) => item.trim()))]);
  return v.pipe(v.string('expected names, separated by commas'), split, v.array(name));
}

export function oneOf<const T extends readonly string[]>(...choices: T) {
  return v.picklist(choices, `expected one of ${choices.join(', ')}`);
}

function seconds(min: number, max: number) {
  return wholeNumber(min, max, 'a whole number of seconds');
}

/** A whole number that arrives as text; `what` is what the sentence calls it. */
export function wholeNumber(min: number, max: number, what = 'a whole number') {
  return number(/^\d+$/, `${what} from ${min} to ${max}`, min, max);
}

function decimal(min: number, max: number) {
  return number(/^\d+(\.\d+)?$/, `a number from ${min} to ${max}`, min, max);
}

function number(pattern: RegExp, expected: string, min: number, max: number) {
  const message = `expected ${expected}`;
  return v.pipe(text(pattern, expected), v.transform(Number), v.minValue(min, message), v.maxValue(max, message));
}
