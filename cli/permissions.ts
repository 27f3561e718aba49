/** What an operator or a role is allowed, as far as IAM can simulate it. */

import { type ContextEntry, IAMClient, paginateSimulatePrincipalPolicy } from '@aws-sdk/client-iam';
import { awsCall } from '../src/adapters/aws-call.ts';
import { queueNameIn } from './aws.ts';
import { type Deployment, documentAt } from './common.ts';
import type { Finding } from './finding.ts';
import { callerOf } from './request.ts';

/** What must be allowed: actions on resources, with the condition keys of the request. */
export interface Need {
  readonly actions: readonly string[];
  readonly resources: readonly string[];
  readonly context?: Readonly<Record<string, string>>;
}

export interface Simulated {
  readonly simulated: number;
  readonly denied: readonly { readonly action: string; readonly resources: readonly string[] }[];
}

/** Which of the needs are not met; `who` is what the sentence calls the principal. */
export async function simulate(
  principalArn: string,
  needs: readonly Need[],
  who: string,
  { config }: Pick<Deployment, 'config'>,
): Promise<Simulated> {
  const iam = new IAMClient(config);
  const denied: { action: string; resources: readonly string[] }[] = [];
  let simulated = 0;
  for (const { actions, resources, context } of needs) {
    const results = await awsCall(`simulate what ${who} may do`, async () => {
      const input = {
        PolicySourceArn: principalArn,
        ActionNames: [...actions],
        ResourceArns: [...resources],
        ...(context && { ContextEntries: Object.entries(context).map(contextEntry) }),
      };
      const pages = await Array.fromAsync(paginateSimulatePrincipalPolicy({ client: iam }, input));
      return pages.flatMap((page) => page.EvaluationResults ?? []);
    });
    for (const { EvalActionName: action = '', EvalDecision, ResourceSpecificResults: each = [] } of results) {
      simulated += 1;
      const refused = each.flatMap(({ EvalResourceDecision: decision, EvalResourceName: name = '' }) =>
        decision === 'allowed' ? [] : name,
      );
      if (each.length > 0 ? refused.length === 0 : EvalDecision === 'allowed') continue;
      denied.push({ action, resources: refused.length > 0 ? refused : resources });
    }
  }
  return { simulated, denied };
}

function contextEntry([ContextKeyName, value]: [string, string]): ContextEntry {
  return { ContextKeyName, ContextKeyType: 'string', ContextKeyValues: [value] };
}

/** What the commands need that the doctor does not ask for itself, and the commands that need it. */
function operatorNeeds({ functionArn, functionName, settings }: Deployment): (Need & { readonly commands: string })[] {
  const [, partition, , region, account] = functionArn.split(':');
  const arn = (service: string, resource: string) => `arn:${partition}:${service}:${region}:${account}:${resource}`;
  const groups = settings.autoScalingGroups.map(({ parts }) =>
    arn('autoscaling', `autoScalingGroup:any:autoScalingGroupName/${parts.join('any')}`),
  );
  const deadLetters = ['ReceiveMessage', 'ChangeMessageVisibility', 'DeleteMessage'].map((name) => `sqs:${name}`);
  return [
    { commands: 'drain', actions: ['autoscaling:TerminateInstanceInAutoScalingGroup'], resources: groups },
    { commands: 'release', actions: ['autoscaling:CompleteLifecycleAction'], resources: groups },
    {
      commands: 'extend, replay --yes, drain --message and release --message',
      actions: ['lambda:InvokeFunction'],
      resources: [functionArn],
    },
    {
      commands: 'wait, drain --wait, history, logs and compare',
      actions: ['logs:FilterLogEvents'],
      resources: [arn('logs', `log-group:/aws/lambda/${functionName}:*`)],
    },
    {
      commands: 'replay --dead-letter',
      actions: deadLetters,
      resources: [arn('sqs', queueNameIn(settings.deadLetterQueueUrl))],
    },
    {
      commands: 'explain, drain, wait, extend and release',
      actions: ['autoscaling:DescribeAutoScalingInstances'],
      resources: ['*'],
    },
    {
      commands: 'status, explain, drain, wait, extend, release, snapshot and plan --group',
      actions: ['autoscaling:DescribeScalingActivities'],
      resources: ['*'],
    },
    {
      commands: 'snapshot and plan --group',
      actions: ['ecs:ListClusters', 'elasticloadbalancing:DescribeTargetGroups', 'cloudwatch:GetMetricData'],
      resources: ['*'],
    },
    ...(settings.scheduler
      ? [
          {
            commands: 'status, explain, drain, wait, extend and release',
            actions: ['scheduler:ListSchedules'],
            resources: ['*'],
          },
          {
            commands: 'status, explain, drain, wait, extend and release',
            actions: ['scheduler:GetSchedule'],
            resources: [arn('scheduler', `schedule/${settings.scheduler.scheduleGroup}/any`)],
          },
        ]
      : []),
  ];
}

/** Which commands whoever runs this one may not use. */
export async function operatorFindings(where: string, deployment: Deployment): Promise<Finding[]> {
  const caller = await callerOf(deployment);
  if (caller.endsWith(':root')) return [{ level: 'ok', where, what: 'you are the root user of the account.' }];
  const findings: Finding[] = [];
  let count = 0;
  for (const { commands, ...need } of operatorNeeds(deployment)) {
    const { simulated, denied } = await simulate(principalOf(caller), [need], 'you', deployment);
    count += simulated;
    for (const { action, resources } of denied) {
      const what = `${commands} will not work for you: ${action} is not allowed on ${resources.join(', ')}.`;
      findings.push({
        level: 'warning',
        where,
        what,
        fix: `What each command needs: ${documentAt('operations.md#permissions')}`,
      });
    }
  }
  if (findings.length > 0) return findings;
  return [{ level: 'ok', where, what: `you are allowed all ${count} actions that were simulated.` }];
}

/** IAM simulates for the role, not for its session. Where the role has a path, which a session does not say, IAM finds none. */
function principalOf(caller: string): string {
  return caller.replace(/^arn:([\w-]+):sts::(\d+):assumed-role\/([^/]+)\/.*$/, 'arn:$1:iam::$2:role/$3');
}
