import type { CloudFormationClient } from '@aws-sdk/client-cloudformation';
import type { Account } from '../../../sandbox/facts/account.ts';
import type { Clients } from '../../../sandbox/facts/experiment.ts';
import { TEMPLATE } from '../../../sandbox/facts/stack.ts';

/** Every output that the template has. */
export const OUTPUTS = [...TEMPLATE.slice(TEMPLATE.indexOf('\nOutputs:')).matchAll(/^ {2}(\w+):$/gm)].map(
  ([, name = '']) => ({
    OutputKey: name,
    OutputValue: `the ${name}`,
  }),
);

/** An account whose CloudFormation answers at once, with the calls that it gets. */
export function fakeAccount(answers: Readonly<Record<string, () => object>> = {}) {
  const calls: string[] = [];
  const scheduled: Record<string, unknown>[] = [];
  const cancelled = new AbortController();
  let deleted = false;
  const answered: Readonly<Record<string, () => object>> = {
    CreateStackCommand: () => ({ StackId: 'arn:stack' }),
    DescribeStacksCommand: () => ({
      Stacks: [{ StackStatus: deleted ? 'DELETE_COMPLETE' : 'CREATE_COMPLETE', Outputs: OUTPUTS }],
    }),
    DeleteStackCommand: () => {
      deleted = true;
      return {};
    },
    ...answers,
  };
  const send = async ({
    constructor: { name },
    input,
  }: {
    constructor: { name: string };
    input: { StackName?: string };
  }) => {
    if (!name.startsWith('Describe')) calls.push(`${name} ${input.StackName}`);
    return answered[name]?.() ?? {};
  };
  const scheduler = {
    send: async ({ input }: { input: Record<string, unknown> }) => scheduled.push(input),
  };
  const account: Account = {
    region: 'eu-west-1',
    clients: { scheduler } as unknown as Clients,
    cloudFormation: { send } as unknown as CloudFormationClient,
    signal: cancelled.signal,
    now: () => Date.UTC(2026, 10, 28, 12),
    sleepUntil: async () => {},
    say: () => {},
  };
  return { account, calls, scheduled, cancelled };
}
