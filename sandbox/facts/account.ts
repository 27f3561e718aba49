import {
  type CloudFormationClient,
  CreateStackCommand,
  DeleteStackCommand,
  DescribeStackEventsCommand,
  DescribeStacksCommand,
  waitUntilStackCreateComplete,
  waitUntilStackDeleteComplete,
} from '@aws-sdk/client-cloudformation';
import { CreateScheduleCommand, type SchedulerClient } from '@aws-sdk/client-scheduler';
import { duration } from '../../src/adapters/duration.ts';
import type { Clients, Experiment, Resources } from './experiment.ts';
import { type Result, run } from './run.ts';
import {
  resourcesFrom,
  resourceTypes,
  type SpotInterruption,
  STACK_CENTS_AN_HOUR,
  STACK_MINUTES,
  TEMPLATE,
} from './stack.ts';

/** Where experiments run on AWS, and how they are cancelled. */
export interface Account {
  readonly region: string;
  readonly clients: Clients;
  readonly cloudFormation: CloudFormationClient;
  /** In place of the stack's own, where CloudFormation knows less than AWS's. */
  readonly template?: string;
  readonly signal: AbortSignal;
  readonly now: () => number;
  readonly sleepUntil: (instantMs: number) => Promise<void>;
  /** Says what is done now. */
  readonly say: (sentence: string) => void;
}

/** How long CloudFormation may take for one of its two steps. */
const LONGEST_STEP_SECONDS = 30 * 60;

/** What the experiments would create in an account, for how long and for how much, in sentences. */
export function listingOf(experiments: readonly Experiment[], region: string): string {
  const types = resourceTypes();
  const minutes = STACK_MINUTES + experiments.reduce((sum, experiment) => sum + experiment.minutes, 0);
  const cents =
    Math.ceil((minutes / 60) * STACK_CENTS_AN_HOUR) + experiments.reduce((sum, each) => sum + each.cents, 0);
  const created = [...Map.groupBy(types, (type) => type)].map(([type, { length }]) => `  ${length} ${type}`).sort();
  const disturbing = experiments.flatMap(({ disturbs }) => disturbs ?? []);
  return [
    `In ${region}, a CloudFormation stack of its own with ${types.length} resources:`,
    ...created,
    `${experiments.length} experiments use it, one after the other:`,
    ...experiments.map(
      ({ facts, title, cleansUp }) => `  facts ${facts.join(', ')}: ${title} Afterwards: ${cleansUp}.`,
    ),
    `It is there for ${duration(60 * minutes)} at most and costs about $${(cents / 100).toFixed(2)}. Then it is deleted, whatever happens.`,
    ...disturbing.map((sentence) => `Note: ${sentence}.`),
  ].join('\n');
}

/**
 * Creates the stack, makes the experiments and deletes the stack, whatever happens meanwhile.
 * @throws Error if the stack cannot be created or deleted; the message says what is left.
 */
export async function runOnAccount(
  experiments: readonly Experiment[],
  account: Account,
  onResult?: (result: Result) => void,
): Promise<readonly Result[]> {
  const { cloudFormation, say } = account;
  const name = `ecs-drain-facts-${new Date(account.now()).toISOString().replace(/\D/g, '').slice(0, 14)}`;
  const { StackId = name } = await cloudFormation.send(
    new CreateStackCommand({
      StackName: name,
      TemplateBody: account.template ?? TEMPLATE,
      Capabilities: ['CAPABILITY_IAM'],
      OnFailure: 'DO_NOTHING', // what failed can be read until it is deleted below
      Tags: [{ Key: 'ecs-drain', Value: 'facts' }],
    }),
  );
  say(`The stack ${name} is being created: ${StackId}`);
  try {
    const resources = await created(StackId, account);
    say('The experiments begin.');
    return await run(experiments, { ...account.clients, ...placeOf(account), resources }, onResult);
  } finally {
    say(`The stack ${name} is being deleted.`);
    await deleteStack(StackId, name, account);
    say(`The stack ${name} is deleted.`);
  }
}

function placeOf({ signal, now, sleepUntil }: Account) {
  return {
    signal,
    now,
    sleepUntil,
    longestWaitSeconds: Number.POSITIVE_INFINITY,
    longestRestSeconds: Number.POSITIVE_INFINITY,
  };
}

async function created(StackName: string, account: Account): Promise<Resources> {
  const { cloudFormation: client, signal, clients } = account;
  try {
    await waitUntilStackCreateComplete(
      { client, maxWaitTime: LONGEST_STEP_SECONDS, abortSignal: signal },
      { StackName },
    );
  } catch (error) {
    if (signal.aborted) throw new Error('The run is cancelled.');
    throw new Error(
      `The stack cannot be created: ${(await failuresOf(client, StackName)) || (error as Error).message}`,
    );
  }
  const { Stacks: [stack] = [] } = await client.send(new DescribeStacksCommand({ StackName }));
  const outputs = new Map(
    (stack?.Outputs ?? []).map(({ OutputKey = '', OutputValue = '' }) => [OutputKey, OutputValue]),
  );
  return resourcesFrom(outputs, (interruption) =>
    startSpotInterruption(clients.scheduler, interruption, account.now()),
  );
}

/** Which resources could not be created, and why: the deletion of the stack takes that with it. */
async function failuresOf(client: CloudFormationClient, StackName: string): Promise<string> {
  const { StackEvents = [] } = await client.send(new DescribeStackEventsCommand({ StackName }));
  return StackEvents.filter(({ ResourceStatus }) => ResourceStatus === 'CREATE_FAILED')
    .map(({ LogicalResourceId, ResourceStatusReason }) => `${LogicalResourceId}: ${ResourceStatusReason}`)
    .reverse() // The first to fail comes first.
    .join('; ');
}

/** Scheduler calls AWS Fault Injection Service, a minute from now: a client of that service is not needed for one call. */
async function startSpotInterruption(
  scheduler: SchedulerClient,
  { roleArn, experimentTemplateId, scheduleGroup }: SpotInterruption,
  nowMs: number,
): Promise<void> {
  const at = new Date(nowMs + 60_000).toISOString().slice(0, 19);
  await scheduler.send(
    new CreateScheduleCommand({
      Name: `facts-spot-${Math.round(nowMs)}`,
      GroupName: scheduleGroup,
      ScheduleExpression: `at(${at})`,
      FlexibleTimeWindow: { Mode: 'OFF' },
      ActionAfterCompletion: 'DELETE',
      Target: {
        Arn: 'arn:aws:scheduler:::aws-sdk:fis:startExperiment',
        RoleArn: roleArn,
        Input: JSON.stringify({
          ClientToken: `facts-${Math.round(nowMs)}`,
          ExperimentTemplateId: experimentTemplateId,
        }),
      },
    }),
  );
}

/** A cancelled run deletes its stack too: nothing here listens to the signal. */
async function deleteStack(
  StackName: string,
  name: string,
  { cloudFormation: client, region }: Account,
): Promise<void> {
  try {
    await client.send(new DeleteStackCommand({ StackName }));
    await waitUntilStackDeleteComplete({ client, maxWaitTime: LONGEST_STEP_SECONDS }, { StackName });
  } catch (error) {
    throw new Error(
      `The stack ${name} in ${region} is not deleted, and its instances cost money. Delete it with: aws cloudformation delete-stack --region ${region} --stack-name ${name}\n${(error as Error).message}`,
    );
  }
}
