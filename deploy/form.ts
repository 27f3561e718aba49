/**
 * How a deployment is written down. The resources are defined once (rules.ts, function.ts, queues.ts, parking.ts,
 * watching.ts, hooks.ts), and each definition asks a form for whatever depends on the params. `filledForm` writes the values
 * of one deployment; the form in parameters.ts writes references to the parameters of a CloudFormation template.
 */

import { createHash } from 'node:crypto';
import type { GroupChoice } from '../src/domain/groups.ts';
import { clustersOf, hooksOf } from '../src/handlers/settings.ts';
import type { Resource, Resources } from './cloudformation.ts';
import { groupsWithHooks, type ParamName, type Params } from './params.ts';

/** What may hold of the params. */
export const CONDITIONS = {
  Parks: { param: 'waiting', is: 'park' },
  StopsStragglers: { param: 'stopStragglers', isNot: 'none' },
  Supervises: { param: 'superviseManagedDraining', is: 'true' },
  DryRun: { param: 'dryRun', is: 'true' },
  DrainsOnSpotInterruptions: { param: 'spotInterruptions', is: 'true' },
  DrainsOnRebalanceRecommendations: { param: 'rebalanceRecommendations', is: 'true' },
  SweepsEveryMinute: { param: 'sweepMinutes', is: '1' },
  CreatesHooks: { param: 'createLifecycleHooks', isNot: 'false' },
  HasAlarmTopic: { param: 'alarmTopicArn', isNot: 'none' },
  HasPermissionsBoundary: { param: 'permissionsBoundaryArn', isNot: 'none' },
  HasRoleNamePrefix: { param: 'roleNamePrefix', isNot: 'none' },
  HasRolePath: { param: 'rolePath', isNot: '/' },
  HasLogKey: { param: 'logKmsKeyArn', isNot: 'none' },
  HasQueueKey: { param: 'queueKmsKeyArn', isNot: 'none' },
  IsInVpc: { param: 'subnetIds', isNot: 'none' },
  CreatesDeadLetterQueue: { param: 'deadLetterQueueArn', is: 'none' },
  HasEventBus: { param: 'eventBusArn', isNot: 'none' },
} as const satisfies Readonly<
  Record<string, { readonly param: ParamName } & ({ readonly is: string } | { readonly isNot: string })>
>;

export type Condition = keyof typeof CONDITIONS;

export interface Form {
  /**
   * A text with `${Stage}`, params by their parameters' names (`${SweepMinutes}`), and what CloudFormation fills in. The
   * values are texts or intrinsic functions that stand for names of their own.
   */
  text(template: string, values?: Readonly<Record<string, unknown>>): unknown;
  /** What a param means: a text, a number, or a list of texts. */
  value(param: ParamName): unknown;
  /** The name of the resource whose ARN a param is. */
  nameIn(param: ParamName): unknown;
  /** A param as the function's environment has it. */
  variable(param: ParamName): unknown;
  /** One of two values. Undefined leaves out the property, or the item of a list. */
  choose(condition: Condition, yes: unknown, no?: unknown): unknown;
  /** Resources that exist only under a condition. */
  only(condition: Condition, resources: Resources): Resources;
  /** A text for each cluster, which stands in it as `${Cluster}`. */
  perCluster(template: string): unknown[];
  /** A text for each group or pattern, which stands in it as `${Group}`. */
  perGroup(template: string): unknown[];
  /** How EventBridge tests the name of a group, for each group or pattern. */
  groupTests(): unknown[];
  /** The names of the hooks whose actions have a drain. */
  hooks(): unknown;
  /** The name of the hook that is created. */
  createdHook(): unknown;
  /** A hook for each group that gets one, which is created when what it needs is there. */
  lifecycleHooks(needed: Resources, of: (group: unknown, DependsOn: readonly string[]) => Resource): Resources;
  /** The logical id of a rule that version 0.1.0 had. */
  firstRule(purpose: string, index: number): string;
  /** The tags of every resource that can have some. */
  tags(): readonly { readonly Key: string; readonly Value: string }[];
}

/** `ecs-drain-STAGE`, for `text`: how the names of a deployment begin. */
export const DEPLOYMENT = `ecs-drain-\${Stage}`;

/** The parameter of a template for a param. */
export function parameterOf(param: string): string {
  return param.charAt(0).toUpperCase() + param.slice(1);
}

/** The form with the values of one deployment. */
export function filledForm({ texts, settings }: Params, stage: string): Form {
  const names: Readonly<Record<string, unknown>> = {
    Stage: stage,
    ...Object.fromEntries(Object.entries(texts).map(([name, text]) => [parameterOf(name), text])),
  };
  const text: Form['text'] = (template, values = {}) => {
    const filled = template.replace(/\$\{(\w+)\}/g, (whole, name) => inText(values[name] ?? names[name]) ?? whole);
    return filled.includes('${') ? { 'Fn::Sub': filled } : filled;
  };
  const holds = (condition: Condition) => {
    const { param, ...test } = CONDITIONS[condition];
    return 'is' in test ? texts[param] === test.is : texts[param] !== test.isNot;
  };
  return {
    text,
    value: (param) => settings[param],
    nameIn: (param) => texts[param].split(':').at(-1),
    variable: (param) => texts[param],
    choose: (condition, yes, no) => (holds(condition) ? yes : no),
    only: (condition, resources) => (holds(condition) ? resources : {}),
    perCluster: (template) => clustersOf(settings).map((cluster) => text(template, { Cluster: cluster })),
    perGroup: (template) =>
      settings.autoScalingGroups.map(({ parts }) => text(template, { Group: parts.map(inIamResource).join('*') })),
    groupTests: () => settings.autoScalingGroups.map(groupTest),
    hooks: () =>
      hooksOf({
        lifecycleHooks: settings.lifecycleHook,
        superviseManagedDraining: settings.superviseManagedDraining === 'true',
      }),
    createdHook: () => settings.lifecycleHook[0],
    lifecycleHooks: (needed, of) =>
      Object.fromEntries(
        groupsWithHooks(settings).map(({ text: group }) => [hookId(group), of(group, Object.keys(needed))]),
      ),
    firstRule: (_, index) => firstRuleId(stage, index),
    tags: () => settings.tags.map(([Key, Value]) => ({ Key, Value })),
  };
}

/** How a value stands within the text of `Fn::Sub`. */
function inText(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return value === undefined ? undefined : String(value);
  const [operand] = Object.values(value);
  return `\${${[operand].flat().join('.')}}`;
}

/** A part of a name as IAM reads it in a resource (facts 94 literal-wildcards). `Fn::Sub` turns `${!*}` into `${*}`. */
function inIamResource(part: string): string {
  return part.replace(/[*?]|\$(?=\{)/g, (special) => `\${!${special}}`);
}

/** How EventBridge tests the name of a group (facts 92 pattern-wildcards). */
function groupTest({ parts }: GroupChoice): unknown {
  const [first = '', second] = parts;
  if (second === undefined) return first;
  if (parts.length === 2 && second === '') return { prefix: first };
  if (parts.length === 2 && first === '') return { suffix: second };
  return { wildcard: parts.map((part) => part.replace(/[*\\]/g, '\\$&')).join('*') };
}

/** A logical id has letters and digits only. A group keeps its own, whatever its place in the list. */
function hookId(group: string): string {
  const digest = createHash('sha256').update(group).digest('hex').slice(0, 8);
  return `LifecycleHook${group.replace(/[^A-Za-z0-9]/g, '').slice(0, 200)}${digest}`;
}

/**
 * The ids under which the Serverless Framework created the rules of version 0.1.0. CloudFormation cannot create a rule
 * under the name of another one in the stack, so an upgrade has to change these rules in place.
 */
function firstRuleId(stage: string, index: number): string {
  const id = `ecs-drain-${stage}-drain-rule-${index}`.replace(/[^A-Za-z0-9]/g, '');
  return `${id.charAt(0).toUpperCase()}${id.slice(1)}EventBridgeRule`;
}
