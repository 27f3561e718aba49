import * as v from 'valibot';
import type { SchedulerSettings } from '../adapters/scheduler.ts';
import { clusterName, sentenceOf } from '../adapters/schemas.ts';
import { MANAGED_DRAINING_HOOK, type NoticeKind } from '../domain/drain.ts';
import type { SweepScope } from '../domain/lost-drains.ts';
import type { Policy } from '../domain/policy.ts';
import { conflictsIn } from '../domain/policy-conflicts.ts';
import { group, itemsIn } from './groups-setting.ts';

/** What the operator set, as the handlers use it. Events of other groups and hooks are ignored. */
export interface Settings extends Omit<SweepScope, 'readMetadata' | 'attended'> {
  readonly policy: Policy;
  /** The notices of EC2 that begin a drain. */
  readonly notices: readonly NoticeKind[];
  /** Whether AWS is only read from. */
  readonly dryRun: boolean;
  /** The `source` of our own events; each deployment in an account has its own. */
  readonly eventSource: string;
  /** The queue that the function reads, where drains that are due soon wait. */
  readonly eventQueueUrl: string;
  /** Where rejected events are sent. */
  readonly deadLetterQueueUrl: string;
  /** The schedules that parked drains wait on; undefined with `waiting: watch`. */
  readonly scheduler: SchedulerSettings | undefined;
}

/** Settings that cannot be used; the message names each, its value and what is expected. */
export class InvalidSettings extends Error {
  override readonly name = 'InvalidSettings';
}

/** Auto Scaling allows up to 255 letters, digits, hyphens, underscores and slashes. */
const hookName = v.pipe(
  text(/^[\w/-]{1,255}$/, 'the name of a lifecycle hook'),
  v.notValue(
    MANAGED_DRAINING_HOOK,
    'expected a hook of ours: this one ECS completes itself (facts 22 managed-draining-hook); superviseManagedDraining supervises it',
  ),
);

/** The choices of the operator that the running function needs, under their names in `serverless.yml`. All arrive as text. */
export const settingsEntries = {
  cluster: listOf(clusterName),
  autoScalingGroups: v.pipe(
    v.string('expected names, separated by commas'),
    v.transform(itemsIn),
    v.array(group),
    v.rawCheck(({ dataset, addIssue }) => {
      const { typed, value: groups } = dataset;
      if (!typed || new Set(groups.map(({ parts }) => JSON.stringify(parts))).size === groups.length) return;
      const input = groups.map(({ text, cluster }) => (cluster === undefined ? text : `${text}@${cluster}`)).join(',');
      addIssue({ message: 'expected each group once', input });
    }),
  ),
  lifecycleHook: listOf(hookName),
  deadlineSeconds: seconds(1, 172_800),
  deadlineResult: oneOf('CONTINUE', 'ABANDON'),
  superviseManagedDraining: oneOf('true', 'false'),
  managedDrainingDeadline: oneOf('none', 'CONTINUE', 'ABANDON'),
  stuckFraction: decimal(0.05, 1),
  stopStragglers: oneOf('none', 'standalone', 'all'),
  deregistrationDelaySeconds: seconds(0, 3_600),
  containerStopTimeoutSeconds: seconds(1, 86_400),
  agentGraceSeconds: seconds(60, 172_800),
  heartbeatTimeoutSeconds: seconds(30, 7_200),
  heartbeatFraction: decimal(0.1, 10),
  waiting: oneOf('park', 'watch'),
  spotInterruptions: oneOf('true', 'false'),
  rebalanceRecommendations: oneOf('true', 'false'),
  dryRun: oneOf('true', 'false'),
  pollMinSeconds: seconds(1, 60),
  pollMaxSeconds: seconds(1, 300),
  // Three attempts at PutEvents must fit into half of it: see HAND_OVER_BOUNDS.
  marginSeconds: seconds(20, 120),
  functionTimeoutSeconds: seconds(25, 900),
  eventSource: text(/^(?!aws\.)[\w./-]{1,256}$/, 'an event source that does not begin with aws.'),
};

const setByTheDeployment = text(/./, 'what the deployment sets');

/** What every deployment adds by itself. */
export const queueEntries = {
  eventQueueUrl: setByTheDeployment,
  deadLetterQueueUrl: setByTheDeployment,
};

/** What it adds with `waiting: park`. */
export const parkingEntries = {
  scheduleGroup: setByTheDeployment,
  scheduleRoleArn: setByTheDeployment,
  eventQueueArn: setByTheDeployment,
  deadLetterQueueArn: setByTheDeployment,
};

/**
 * The settings of the running function, from its environment: `deadlineSeconds` is in `DEADLINE_SECONDS`.
 * @throws InvalidSettings
 */
export function settingsFrom(env: Readonly<Record<string, string | undefined>>): Settings {
  const given = (entries: object) =>
    Object.fromEntries(Object.keys(entries).map((name) => [name, env[variableOf(name)]]));
  const parsed = checked(v.object(settingsEntries), given(settingsEntries));
  const policy: Policy = { ...parsed, clusters: clustersOf(parsed) };
  refuseConflicts(conflictsIn(policy, { functionTimeoutSeconds: parsed.functionTimeoutSeconds, hook: undefined }));
  return {
    policy,
    autoScalingGroups: parsed.autoScalingGroups,
    lifecycleHooks: parsed.lifecycleHook,
    superviseManagedDraining: parsed.superviseManagedDraining === 'true',
    notices: [
      ...(parsed.spotInterruptions === 'true' ? (['spot-interruption'] as const) : []),
      ...(parsed.rebalanceRecommendations === 'true' ? (['rebalance-recommendation'] as const) : []),
    ],
    dryRun: parsed.dryRun === 'true',
    eventSource: parsed.eventSource,
    ...checked(v.object(queueEntries), given(queueEntries)),
    scheduler: parsed.waiting === 'park' ? checked(v.object(parkingEntries), given(parkingEntries)) : undefined,
  };
}

/** Every hook whose actions have a drain: those that we complete, and that of ECS managed draining where we supervise it. */
export function hooksOf({
  lifecycleHooks,
  superviseManagedDraining,
}: Pick<Settings, 'lifecycleHooks' | 'superviseManagedDraining'>): readonly string[] {
  return superviseManagedDraining ? [...lifecycleHooks, MANAGED_DRAINING_HOOK] : lifecycleHooks;
}

/** Every cluster that an instance may be in: those for all groups, and those of single groups. */
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
  // A cluster that is named twice would be searched twice.
  const split = v.transform((list: string) => [...new Set(list.split(',').map((item) => item.trim()))]);
  return v.pipe(v.string('expected names, separated by commas'), split, v.array(name));
}

export function oneOf<const T extends readonly string[]>(...choices: T) {
  return v.picklist(choices, `expected one of ${choices.join(', ')}`);
}

function seconds(min: number, max: number) {
  return wholeNumber(min, max, 'a whole number of seconds');
}

/** A whole number that arrives as text; `what` is how the sentence of a rejection begins. */
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
