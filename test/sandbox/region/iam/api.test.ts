import { describe, expect, it } from 'vitest';
import { iamService, roleFor, type Statement } from '../../../../sandbox/region/iam/api.ts';
import { callOperation } from '../../../../sandbox/region/wire/wire.ts';

const ROLE = 'arn:aws:iam::123456789012:role/drain';
const IN_PROD: Statement = {
  Effect: 'Allow',
  Action: ['ecs:ListTasks', 'ecs:Describe*'],
  Resource: 'arn:aws:ecs:eu-west-1:123456789012:container-instance/prod/*',
  Condition: { ArnEquals: { 'ecs:cluster': 'arn:aws:ecs:eu-west-1:123456789012:cluster/prod' } },
};
const DENIED: Statement = { Effect: 'Deny', Action: 'ecs:DescribeTasks', Resource: '*' };

function decision(
  action: string,
  cluster: string,
  context: Record<string, string> = { 'ecs:cluster': `cluster/${cluster}` },
) {
  const answer = callOperation(
    iamService(new Map([['drain', roleFor('ecs-tasks.amazonaws.com', [IN_PROD, DENIED])]])),
    'SimulatePrincipalPolicy',
    {
      PolicySourceArn: ROLE,
      ActionNames: [action],
      ResourceArns: [`arn:aws:ecs:eu-west-1:123456789012:container-instance/${cluster}/1`],
      ContextEntries: Object.entries(context).map(([ContextKeyName, value]) => ({
        ContextKeyName,
        ContextKeyValues: [`arn:aws:ecs:eu-west-1:123456789012:${value}`],
      })),
    },
  ) as { EvaluationResults: { EvalDecision: string }[] };
  return answer.EvaluationResults.map(({ EvalDecision }) => EvalDecision);
}

describe('SimulatePrincipalPolicy', () => {
  it('allows what a statement allows, by its wildcards', () => {
    expect(decision('ecs:ListTasks', 'prod')).toEqual(['allowed']);
    expect(decision('ecs:DescribeContainerInstances', 'prod')).toEqual(['allowed']);
  });

  it('denies what none allows: another action, another resource, a condition that is not met or not known', () => {
    expect(decision('ecs:StopTask', 'prod')).toEqual(['implicitDeny']);
    expect(decision('ecs:ListTasks', 'batch')).toEqual(['implicitDeny']);
    expect(decision('ecs:ListTasks', 'prod', { 'ecs:cluster': 'cluster/batch' })).toEqual(['implicitDeny']);
    expect(decision('ecs:ListTasks', 'prod', {})).toEqual(['implicitDeny']);
  });

  it('denies what one denies, whatever else allows it', () => {
    expect(decision('ecs:DescribeTasks', 'prod')).toEqual(['explicitDeny']);
  });

  it('answers for each of several resources', () => {
    const iam = iamService(
      new Map([['drain', roleFor('ecs-tasks.amazonaws.com', [{ Effect: 'Allow', Action: 'a:b', Resource: 'one' }])]]),
    );
    const asked = { PolicySourceArn: ROLE, ActionNames: ['a:b'], ResourceArns: ['one', 'two'] };
    expect(callOperation(iam, 'SimulatePrincipalPolicy', asked)).toMatchObject({
      EvaluationResults: [
        {
          EvalDecision: 'implicitDeny',
          ResourceSpecificResults: [
            { EvalResourceName: 'one', EvalResourceDecision: 'allowed' },
            { EvalResourceName: 'two', EvalResourceDecision: 'implicitDeny' },
          ],
        },
      ],
    });
  });

  it('knows only the roles that there are', () => {
    const asked = { PolicySourceArn: ROLE, ActionNames: ['a:b'] };
    expect(() => callOperation(iamService(new Map()), 'SimulatePrincipalPolicy', asked)).toThrow('cannot be found');
  });
});
