import { type EventBridgeClient, ListRulesCommand, type Rule } from '@aws-sdk/client-eventbridge';
import { awsCall } from '../src/adapters/aws-call.ts';
import { choiceOf, type GroupChoice, groupNamed, isPattern } from '../src/domain/groups.ts';
import { type Deployment, hooksNamed } from './common.ts';
import type { Finding } from './finding.ts';

/** What the rule `ecs-drain-STAGE-termination` of a deployment takes, as deploy/rules.ts writes it. */
interface Taken {
  readonly AutoScalingGroupName?: readonly unknown[];
  readonly LifecycleHookName?: readonly unknown[];
}

/** Other deployments of the account and Region that drain the same groups: an upgrade that named another stage leaves one. */
export async function otherStageFindings(deployment: Deployment, eventBridge: EventBridgeClient): Promise<Finding[]> {
  const { functionName, settings } = deployment;
  const ours = functionName.replace(/drain$/, 'termination');
  const rules = (await terminationRules(eventBridge)).filter(({ Name }) => Name !== ours);
  return rules.flatMap(({ Name: name = '', EventPattern: pattern = '{}' }): Finding[] => {
    const taken: Taken = JSON.parse(pattern).detail ?? {};
    const hooks = settings.lifecycleHooks.filter((hook) => taken.LifecycleHookName?.includes(hook));
    const choices = (taken.AutoScalingGroupName ?? []).flatMap(choiceIn);
    const groups = settings.autoScalingGroups.filter((choice) => isAmong(choices, choice));
    if (hooks.length === 0 || groups.length === 0) return [];
    const stage = name.slice('ecs-drain-'.length, -'-termination'.length);
    const shared = groups.map(({ text }) => text).join(', ');
    const what = `the deployment of stage ${stage} drains ${shared} by ${hooksNamed(hooks)}, too: each drain is done twice, unless it is a dry run.`;
    return [
      { level: 'warning', where: `rule ${name}`, what, fix: `Remove stage ${stage}, or take the groups out of one.` },
    ];
  });
}

async function terminationRules(eventBridge: EventBridgeClient): Promise<Rule[]> {
  const found: Rule[] = [];
  let NextToken: string | undefined;
  do {
    const page = await awsCall('list the rules whose names begin with ecs-drain-', () =>
      eventBridge.send(new ListRulesCommand({ NamePrefix: 'ecs-drain-', ...(NextToken && { NextToken }) })),
    );
    found.push(...(page.Rules ?? []));
    NextToken = page.NextToken;
  } while (NextToken !== undefined);
  return found.filter(({ Name = '' }) => Name.endsWith('-termination'));
}

/** How EventBridge tests the name of a group, as a choice of groups (facts 92 pattern-wildcards). */
function choiceIn(test: unknown): GroupChoice[] {
  if (typeof test === 'string') return [groupNamed(test)];
  const { prefix, suffix, wildcard } = test as Readonly<Record<string, string | undefined>>;
  const parts = wildcard?.split(/(?<!\\)\*/).map((part) => part.replace(/\\(.)/g, '$1'));
  const found = parts ?? (prefix !== undefined ? [prefix, ''] : suffix !== undefined ? ['', suffix] : undefined);
  return found ? [{ text: found.join('*'), parts: found, cluster: undefined }] : [];
}

function isAmong(choices: readonly GroupChoice[], { text, parts }: GroupChoice): boolean {
  const pattern = parts.join('*');
  return parts.length > 1
    ? choices.some((choice) => isPattern(choice) && choice.parts.join('*') === pattern)
    : choiceOf(choices, text) !== undefined;
}
