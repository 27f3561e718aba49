/**
 * The deployment as a template of its own for CloudFormation, with a parameter for each param: what differs between two
 * deployments is a reference, a condition, or a loop of AWS::LanguageExtensions.
 */

import { MANAGED_DRAINING_HOOK } from '../src/domain/drain.ts';
import type { Resource, Resources } from './cloudformation.ts';
import { CONDITIONS, type Condition, type Form, parameterOf } from './form.ts';
import { constraintsOf, DEFAULT_STAGE, PARAMS, type ParamName, paramNames } from './params.ts';
import { templateIn, withCode } from './template.ts';

/** CloudFormation puts the tags of a stack on its resources by itself; rules cannot depend on a queue's policy under a condition. */
const WITHOUT_PARAMETER: readonly ParamName[] = ['tags', 'deadLetterQueueArn'];

/** How many clusters and groups there may be: CloudFormation has no function that makes a list of a list. */
export const MOST_CLUSTERS = 5;
export const MOST_GROUPS = 20;

const STAGE_PARAMETER = {
  Type: 'String',
  Default: DEFAULT_STAGE,
  AllowedPattern: '^[a-zA-Z0-9-]{1,32}$',
  Description: 'Distinguishes this deployment from others in the account: every name begins with ecs-drain-STAGE',
  ConstraintDescription: 'expected letters, digits and hyphens, 32 at most',
};

/** CloudFormation trims the items of a list, and tests each by the pattern. */
const LISTS: Partial<Readonly<Record<ParamName, { readonly AllowedPattern: string; readonly expected: string }>>> = {
  cluster: {
    AllowedPattern: '^[a-zA-Z0-9_-]{1,255}$',
    expected: `expected the names (not the ARNs) of ECS clusters, ${MOST_CLUSTERS} at most`,
  },
  autoScalingGroups: {
    AllowedPattern: '^(?!$|.*\\*\\*)[^:@?$\\\\*]*(\\*[^:@?$\\\\*]*){0,2}$',
    expected: `expected the names (not the ARNs) of Auto Scaling groups or patterns such as web-*, ${MOST_GROUPS} at most, without : @ ? $ and backslashes`,
  },
  subnetIds: { AllowedPattern: '^(none|subnet-[0-9a-f]{8,17})$', expected: 'expected none, or the ids of subnets' },
  securityGroupIds: {
    AllowedPattern: '^(none|sg-[0-9a-f]{8,17})$',
    expected: 'expected none, or the ids of security groups',
  },
  lifecycleHook: { AllowedPattern: '^[\\w/-]{1,255}$', expected: 'expected the names of lifecycle hooks' },
};

/** What a parameter is where a param says more. */
const DESCRIPTIONS: Partial<Readonly<Record<ParamName, string>>> = {
  cluster: `the ECS clusters an instance may be in, separated by commas, ${MOST_CLUSTERS} at most`,
  autoScalingGroups: `the Auto Scaling groups to drain, separated by commas, ${MOST_GROUPS} at most; web-* is every group whose name begins with web-`,
  createLifecycleHooks: 'false if the hooks are managed elsewhere; required with a pattern such as web-*',
};

/** What the hooks wait for. */
const HOOKS_READY = 'HooksReady';

const NO_VALUE = { Ref: 'AWS::NoValue' };

/** The template; `Code` is the path of the zip, which `aws cloudformation package` uploads, or its place in S3. */
export function parameterizedTemplate(Code: unknown, description: string): object {
  const { Resources, Outputs } = withCode(templateIn(parameterizedForm), Code);
  return {
    AWSTemplateFormatVersion: '2010-09-09',
    Transform: 'AWS::LanguageExtensions',
    Description: description,
    Parameters: parameters(),
    Rules: RULES,
    Conditions: conditions(),
    Resources,
    Outputs,
  };
}

/** Whether the form has a parameter for a param. */
export function hasParameter(param: ParamName): boolean {
  return !WITHOUT_PARAMETER.includes(param);
}

function parameters(): object {
  const ofParams = paramNames.filter(hasParameter).map((name) => [parameterOf(name), parameter(name)]);
  return { Stage: STAGE_PARAMETER, ...Object.fromEntries(ofParams) };
}

function parameter(name: ParamName): object {
  const { default: Default, description } = PARAMS[name];
  const { expected } = LISTS[name] ?? constraintsOf(name);
  return {
    ...typeOf(name),
    ...(Default !== undefined && { Default }),
    Description: DESCRIPTIONS[name] ?? description,
    ...(expected !== undefined && { ConstraintDescription: expected }),
  };
}

/** What the param's schema allows, as far as a parameter can say it. */
function typeOf(name: ParamName): object {
  const { AllowedPattern } = LISTS[name] ?? {};
  if (AllowedPattern !== undefined) return { Type: 'CommaDelimitedList', AllowedPattern };
  // A list of groups cannot become a list of resources under a condition.
  if (name === 'createLifecycleHooks') return { Type: 'String', AllowedValues: ['true', 'false'] };
  const { options, pattern, min, max } = constraintsOf(name);
  if (options) return { Type: 'String', AllowedValues: options };
  if (min !== undefined && max !== undefined) return { Type: 'Number', MinValue: min, MaxValue: max };
  return { Type: 'String', ...(pattern && { AllowedPattern: pattern }) };
}

/** What excludes each other, as far as a rule can say it: it knows neither sums nor the number of items of a list. */
const RULES = {
  DryRunCreatesNoHooks: {
    RuleCondition: { 'Fn::Equals': [{ Ref: 'DryRun' }, 'true'] },
    Assertions: [
      {
        Assert: { 'Fn::Equals': [{ Ref: 'CreateLifecycleHooks' }, 'false'] },
        AssertDescription:
          'dryRun completes nothing, and createLifecycleHooks true would hold every instance for heartbeatTimeoutSeconds: set createLifecycleHooks to false, and lifecycleHook to the hook that drains the groups now.',
      },
    ],
  },
  VpcHasSubnetsAndSecurityGroups: {
    Assertions: [
      {
        Assert: {
          'Fn::Or': [
            { 'Fn::And': [isNone('SubnetIds'), isNone('SecurityGroupIds')] },
            { 'Fn::And': [{ 'Fn::Not': [hasNone('SubnetIds')] }, { 'Fn::Not': [hasNone('SecurityGroupIds')] }] },
          ],
        },
        AssertDescription:
          'subnetIds and securityGroupIds need each other, because Lambda takes both or neither: set both, or none.',
      },
    ],
  },
};

function isNone(list: string): object {
  return { 'Fn::EachMemberEquals': [{ Ref: list }, 'none'] };
}

/** `none` beside ids is neither a list of ids nor none. */
function hasNone(list: string): object {
  return { 'Fn::Contains': [{ Ref: list }, 'none'] };
}

function conditions(): object {
  const open = Object.entries(CONDITIONS).filter(([, { param }]) => hasParameter(param));
  const ofParams = open.map(([name, { param, ...test }]) => {
    // A rule has refused `none` beside other items.
    const first = LISTS[param] ? { 'Fn::Select': [0, { Ref: parameterOf(param) }] } : { Ref: parameterOf(param) };
    const equals = (value: string) => ({ 'Fn::Equals': [first, value] });
    return [name, 'is' in test ? equals(test.is) : { 'Fn::Not': [equals(test.isNot)] }];
  });
  const there = (list: keyof typeof MOST, index: number) => [
    conditionOf(list, index),
    { 'Fn::Not': [{ 'Fn::Equals': [item(list, index), ''] }] },
  ];
  const isPattern = (index: number) => [
    patternConditionOf(index),
    {
      'Fn::Not': [
        {
          'Fn::Equals': [
            { 'Fn::Join': ['', { 'Fn::Split': ['*', item('AutoScalingGroups', index)] }] },
            item('AutoScalingGroups', index),
          ],
        },
      ],
    },
  ];
  return Object.fromEntries([
    ...ofParams,
    ...lists.flatMap((list) => [...indices(list).slice(1), MOST[list]].map((index) => there(list, index))),
    ...indices('AutoScalingGroups').map(isPattern),
  ]);
}

const MOST = { Cluster: MOST_CLUSTERS, AutoScalingGroups: MOST_GROUPS } as const;

const lists = Object.keys(MOST) as (keyof typeof MOST)[];

function indices(list: keyof typeof MOST): number[] {
  return [...Array(MOST[list]).keys()];
}

function conditionOf(list: keyof typeof MOST, index: number): string {
  return `Has${list === 'Cluster' ? 'Cluster' : 'Group'}${index + 1}`;
}

function patternConditionOf(index: number): string {
  return `Group${index + 1}IsPattern`;
}

/** An item of a list, or an empty text beyond its end: `Fn::Select` refuses what is not there, even where it is not used. */
function item(list: keyof typeof MOST, index: number): object {
  if (index === 0) return { 'Fn::Select': [0, { Ref: list }] };
  const padding = ','.repeat(MOST[list]);
  const padded = { 'Fn::Join': ['', [{ 'Fn::Join': [',', { Ref: list }] }, padding]] };
  return { 'Fn::Select': [index, { 'Fn::Split': [',', padded] }] };
}

/** What `of` makes of each item that is there. */
function each(list: keyof typeof MOST, of: (item: object, index: number) => unknown): unknown[] {
  return indices(list).map((index) => {
    const made = of(item(list, index), index);
    return index === 0 ? made : { 'Fn::If': [conditionOf(list, index), made, NO_VALUE] };
  });
}

/**
 * The resources of a statement. A rule cannot count the items of a list, and the items that the template does not read would get a hook
 * and no drain. IAM refuses the role where a resource is no ARN, and names the resource [IAM API reference, CreateRole, MalformedPolicyDocument].
 */
function eachResource(list: keyof typeof MOST, of: (item: object) => unknown): unknown[] {
  const noArn = sub(`${list} (more than ${MOST[list]} names: \${Item})`, { Item: item(list, MOST[list]) });
  return [...each(list, of), { 'Fn::If': [conditionOf(list, MOST[list]), noArn, NO_VALUE] }];
}

function sub(template: string, values: Readonly<Record<string, unknown>> = {}): unknown {
  if (!template.includes('${')) return template;
  return { 'Fn::Sub': Object.keys(values).length === 0 ? template : [template, values] };
}

const parameterizedForm: Form = {
  text: sub,
  value: (param) => (hasParameter(param) ? { Ref: parameterOf(param) } : PARAMS[param].default),
  nameIn: (param) => PARAMS[param].default,
  variable: (param) => (LISTS[param] ? joined(parameterOf(param)) : { Ref: parameterOf(param) }),
  choose: (condition, yes, no) => {
    if (decided(condition) !== undefined) return decided(condition) ? yes : no;
    return yes === undefined && no === undefined
      ? undefined
      : { 'Fn::If': [condition, yes ?? NO_VALUE, no ?? NO_VALUE] };
  },
  only: (condition, resources) => {
    if (decided(condition) !== undefined) return decided(condition) ? resources : {};
    return Object.fromEntries(
      Object.entries(resources).map(([id, resource]) => [
        id,
        { ...(chosen(condition, resource) as Resource), Condition: condition },
      ]),
    );
  },
  perCluster: (template) => eachResource('Cluster', (Cluster) => sub(template, { Cluster })),
  perGroup: (template) => eachResource('AutoScalingGroups', (Group) => sub(template, { Group })),
  groupTests: () =>
    each('AutoScalingGroups', (group, index) => ({
      'Fn::If': [patternConditionOf(index), { wildcard: group }, group],
    })),
  hooks: () => ({
    'Fn::If': [
      'Supervises' satisfies Condition,
      { 'Fn::Split': [',', { 'Fn::Join': [',', [joined('LifecycleHook'), MANAGED_DRAINING_HOOK]] }] },
      { Ref: 'LifecycleHook' },
    ],
  }),
  // Auto Scaling refuses the name if there are several.
  createdHook: () => joined('LifecycleHook'),
  lifecycleHooks: (needed, of) => {
    const [always, sometimes] = [false, true].map((isSometimes) =>
      Object.keys(needed).filter((id) => (needed[id]?.Condition !== undefined) === isSometimes),
    ) as [string[], string[]];
    const hook = { ...of({ Ref: 'Group' }, [...always, HOOKS_READY]), Condition: 'CreatesHooks' satisfies Condition };
    return {
      // `DependsOn` takes no condition, but a reference does: the hooks wait for this, and this for what there is.
      [HOOKS_READY]: {
        Type: 'AWS::CloudFormation::WaitConditionHandle',
        Condition: 'CreatesHooks' satisfies Condition,
        Metadata: {
          After: sometimes.map((id) => ({ 'Fn::If': [needed[id]?.Condition, { Ref: id }, NO_VALUE] })),
        },
        Properties: {},
      },
      'Fn::ForEach::LifecycleHooks': ['Group', { Ref: 'AutoScalingGroups' }, { 'LifecycleHook&{Group}': hook }],
    } as unknown as Resources;
  },
  firstRule: (purpose) => `${purpose.charAt(0).toUpperCase()}${purpose.slice(1)}Rule`,
  tags: () => [],
};

/** Whether a condition holds whose param has no parameter; undefined if a parameter decides. */
function decided(condition: Condition): boolean | undefined {
  const { param, ...test } = CONDITIONS[condition];
  if (hasParameter(param)) return undefined;
  return 'is' in test ? PARAMS[param].default === test.is : PARAMS[param].default !== test.isNot;
}

/** The value where the condition holds: its choices are made. */
function chosen(condition: Condition, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => chosen(condition, item));
  if (typeof value !== 'object' || value === null) return value;
  const { 'Fn::If': choice } = value as { readonly 'Fn::If'?: readonly unknown[] };
  if (choice?.[0] === condition) return chosen(condition, choice[1]);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, chosen(condition, item)]));
}

function joined(list: string): object {
  return { 'Fn::Join': [',', { Ref: list }] };
}
