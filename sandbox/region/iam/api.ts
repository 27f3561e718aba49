import type { EvaluationResult, SimulatePolicyResponse, SimulatePrincipalPolicyRequest } from '@aws-sdk/client-iam';
import { AwsError } from '../aws-error.ts';
import { wildcards } from '../patterns.ts';
import type { Service } from '../service.ts';

type OneOrMore = string | readonly string[];

/** A statement of a policy; every resource and value as text, with `*` and `?` for what may be there. */
export interface Statement {
  readonly Effect: string;
  readonly Action: OneOrMore;
  readonly Resource?: OneOrMore;
  /** Of a trust policy. */
  readonly Principal?: { readonly Service?: OneOrMore };
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, OneOrMore>>>>;
}

/** A role: what it may do, and who may assume it. */
export interface Role {
  readonly statements: readonly Statement[];
  readonly trust: readonly Statement[];
}

/** A role that a service of AWS may assume on behalf of every resource. */
export function roleFor(service: string, statements: readonly Statement[] = []): Role {
  return { statements, trust: [{ Effect: 'Allow', Action: 'sts:AssumeRole', Principal: { Service: service } }] };
}

/** The values of the condition keys of one request. */
export type Context = Readonly<Record<string, readonly string[]>>;

type Decision = 'allowed' | 'explicitDeny' | 'implicitDeny';

/** The roles of the account, by name; and its users, which no one can assume. */
export class Roles extends Map<string, Role> {
  /** Whether a service may assume the role, and the role may do it then. */
  permits(arn: string, service: string, context: Context, action?: string, resource = '*'): boolean {
    const role = this.get(roleNameIn(arn) ?? '');
    const trusting = role?.trust.filter(({ Principal }) => matchesAny(Principal?.Service ?? [], service)) ?? [];
    if (!role || decide(trusting, 'sts:AssumeRole', undefined, context) !== 'allowed') return false;
    return action === undefined || decide(role.statements, action, resource, context) === 'allowed';
  }
}

/** Whose policies can be simulated: a role, or a user, whose name here begins with `user/`. */
function principalNameIn(arn: string): string | undefined {
  return roleNameIn(arn) ?? /^arn:aws:iam::123456789012:(user\/[\w+=,.@-]+)$/.exec(arn)?.[1];
}

/** The roles here are of one account, and have no path: any other ARN is another role's. */
function roleNameIn(arn: string): string | undefined {
  return /^arn:aws:iam::123456789012:role\/([\w+=,.@-]+)$/.exec(arn)?.[1];
}

/** IAM's API over the roles. */
export function iamService(roles: ReadonlyMap<string, Role>): Service {
  return { name: 'iam', operations: operationsOf(roles) };
}

function operationsOf(roles: ReadonlyMap<string, Role>): Service['operations'] {
  return {
    SimulatePrincipalPolicy: (input: SimulatePrincipalPolicyRequest): SimulatePolicyResponse => {
      const { PolicySourceArn: arn = '' } = input;
      const role = roles.get(principalNameIn(arn) ?? '');
      if (!role) throw new AwsError('NoSuchEntityException', `The role ${arn} cannot be found.`);
      const entries = (input.ContextEntries ?? []).map((entry) => [entry.ContextKeyName, entry.ContextKeyValues ?? []]);
      const context: Context = Object.fromEntries(entries);
      const resources = input.ResourceArns?.length ? input.ResourceArns : ['*'];
      const EvaluationResults = (input.ActionNames ?? []).map((action): EvaluationResult => {
        const decided = resources.map((resource) => ({
          resource,
          decision: decide(role.statements, action, resource, context),
        }));
        const decisions = decided.map(({ decision }) => decision);
        const worst = (['explicitDeny', 'implicitDeny'] as const).find((each) => decisions.includes(each));
        return {
          EvalActionName: action,
          EvalResourceName: resources.length === 1 ? resources[0] : '*',
          EvalDecision: worst ?? 'allowed',
          MatchedStatements: [],
          MissingContextValues: [],
          ...(resources.length > 1 && {
            ResourceSpecificResults: decided.map(({ resource, decision }) => ({
              EvalResourceName: resource,
              EvalResourceDecision: decision,
            })),
          }),
        };
      });
      return { EvaluationResults, IsTruncated: false };
    },
  };
}

/**
 * Denied unless allowed, and whatever allows it, a denial counts (IAM user guide, "Policy evaluation logic"). A trust policy has
 * no resources.
 */
function decide(
  statements: readonly Statement[],
  action: string,
  resource: string | undefined,
  context: Context,
): Decision {
  const effects = statements
    .filter(({ Action, Resource = [] }) => {
      return matchesAny(Action, action) && (resource === undefined || matchesAny(Resource, resource));
    })
    .filter(({ Condition }) => holds(Condition, context))
    .map(({ Effect }) => Effect);
  if (effects.includes('Deny')) return 'explicitDeny';
  return effects.includes('Allow') ? 'allowed' : 'implicitDeny';
}

/** Every key must be known and have one of the values; of a key that is not known none of ours is true. */
function holds(condition: Statement['Condition'], context: Context): boolean {
  const tests = Object.values(condition ?? {}).flatMap((operands) => Object.entries(operands));
  return tests.every(([key, wanted]) => context[key]?.some((value) => matchesAny(wanted, value)));
}

/** `${*}`, `${?}` and `${$}` are the characters themselves (IAM user guide, policy variables). */
const LITERAL = /\$\{([*?$])\}/;

function matchesAny(patterns: OneOrMore, text: string): boolean {
  return [patterns].flat().some((pattern) => wildcards(pattern, { literal: LITERAL })(text));
}
