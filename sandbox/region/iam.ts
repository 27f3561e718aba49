import type {
  ContextEntry,
  EvaluationResult,
  SimulatePolicyResponse,
  SimulatePrincipalPolicyRequest,
} from '@aws-sdk/client-iam';
import { AwsError } from './aws-error.ts';
import type { Operations } from './wire.ts';

type OneOrMore = string | readonly string[];

/** A statement of a role's policies; every resource and value as text, with `*` and `?` for what may be there. */
export interface Statement {
  readonly Effect: string;
  readonly Action: OneOrMore;
  readonly Resource: OneOrMore;
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, OneOrMore>>>>;
}

type Decision = 'allowed' | 'explicitDeny' | 'implicitDeny';

/** The operations of the IAM API that the model answers, over the roles' statements by the roles' names. */
export function iamOperations(roles: ReadonlyMap<string, readonly Statement[]>): Operations {
  return {
    /** IAM user guide, "Policy evaluation logic": denied unless allowed, and whatever allows it, a denial counts. */
    SimulatePrincipalPolicy: (input: SimulatePrincipalPolicyRequest): SimulatePolicyResponse => {
      const role = input.PolicySourceArn?.split('/').at(-1) ?? '';
      const statements = roles.get(role);
      if (!statements) throw new AwsError('NoSuchEntity', `The role with name ${role} cannot be found.`, 404);
      const context = new Map((input.ContextEntries ?? []).map((entry) => [entry.ContextKeyName, entry]));
      const resources = input.ResourceArns?.length ? input.ResourceArns : ['*'];
      const EvaluationResults = (input.ActionNames ?? []).map((action): EvaluationResult => {
        const decided = resources.map((resource) => ({ resource, decision: decide(action, resource, context) }));
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

      function decide(
        action: string,
        resource: string,
        known: ReadonlyMap<string | undefined, ContextEntry>,
      ): Decision {
        const effects = (statements ?? [])
          .filter(({ Action, Resource }) => matchesAny(Action, action) && matchesAny(Resource, resource))
          .filter(({ Condition }) => holds(Condition, known))
          .map(({ Effect }) => Effect);
        if (effects.includes('Deny')) return 'explicitDeny';
        return effects.includes('Allow') ? 'allowed' : 'implicitDeny';
      }
    },
  };
}

/** Every key must be known and have one of the values; of a key that is not known none of ours is true. */
function holds(condition: Statement['Condition'], known: ReadonlyMap<string | undefined, ContextEntry>): boolean {
  const tests = Object.values(condition ?? {}).flatMap((operands) => Object.entries(operands));
  return tests.every(([key, wanted]) => known.get(key)?.ContextKeyValues?.some((value) => matchesAny(wanted, value)));
}

function matchesAny(patterns: OneOrMore, text: string): boolean {
  return [patterns].flat().some((pattern) => {
    const escaped = pattern.replace(/[.+^${}()|[\]\\]/g, '\\$&');
    return new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`).test(text);
  });
}
