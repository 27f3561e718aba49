/** What an operator asks the function to do with a drain: it is given to the function directly (docs/decisions/0026). */

import { InvokeCommand } from '@aws-sdk/client-lambda';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import * as v from 'valibot';
import { awsCall } from '../src/adapters/aws-call.ts';
import { jsonIn } from '../src/adapters/schemas.ts';
import type { OperatorRequest } from '../src/domain/operator.ts';
import { type Deployment, sentenceOf } from './common.ts';
import { type InstanceState, schedulesOf } from './instance.ts';

/** The ARN of whoever runs the command. */
export function callerOf({ config }: Pick<Deployment, 'config'>): Promise<string> {
  return awsCall('find out who you are', async () => {
    const { Arn = '' } = await new STSClient(config).send(new GetCallerIdentityCommand({}));
    return Arn;
  });
}

/** Who asks, if Lambda would let them: found out before anything is done that cannot be undone. */
export async function askerOf(deployment: Deployment): Promise<string> {
  const { functionName, lambda } = deployment;
  await awsCall(`try whether you may invoke ${functionName}`, () =>
    lambda.send(new InvokeCommand({ FunctionName: functionName, InvocationType: 'DryRun' })),
  );
  return callerOf(deployment);
}

/** What the function answers. */
const answerSchema = v.looseObject({
  kind: v.string(),
  reason: v.optional(v.string()),
  outcome: v.optional(
    v.looseObject({ kind: v.string(), killedTasks: v.optional(v.array(v.looseObject({ group: v.string() }))) }),
  ),
});
export type Answer = v.InferOutput<typeof answerSchema>;

const thrownAnswer = v.looseObject({ errorMessage: v.string() });

/**
 * What came of the round in which the function took the request: `refused` with a reason, `finished` with an outcome, or the drain
 * goes on.
 * @throws if the function failed, or knows no requests.
 */
export async function ask(request: OperatorRequest, { functionName, lambda }: Deployment): Promise<Answer> {
  const payload = await awsCall(`invoke ${functionName}`, async () => {
    const Payload = JSON.stringify({ request });
    const answer = await lambda.send(new InvokeCommand({ FunctionName: functionName, Payload }));
    return jsonIn(answer.Payload?.transformToString());
  });
  if (v.is(answerSchema, payload)) return v.parse(answerSchema, payload);
  const what = v.is(thrownAnswer, payload) ? payload.errorMessage : 'it gives no answer that is known here.';
  throw new Error(
    `The function ${functionName} has not done it: ${what} If it is of an earlier version, deploy it again.`,
  );
}

/** What came of a note: whether the drain has it, or the log alone, or nothing; and why. */
export interface NoteLeft {
  readonly instanceId: string;
  readonly note: 'kept' | 'logged' | 'lost';
  readonly sentence?: string;
}

/** Leaves a note with the drains of the instance, or in the log where no schedule holds one. */
export async function leaveNote(
  state: InstanceState,
  request: Pick<OperatorRequest, 'by' | 'message'>,
  deployment: Deployment,
): Promise<NoteLeft> {
  const { instanceId } = state;
  const schedules = schedulesOf(state);
  try {
    const answers: Answer[] = [];
    for (const schedule of schedules) answers.push(await ask({ ...request, instanceId, schedule }, deployment));
    // Without a schedule the function only logs the note.
    if (schedules.length === 0) answers.push(await ask({ ...request, instanceId }, deployment));
    const refused = answers.find(({ kind }) => kind === 'refused');
    if (!refused) return { instanceId, note: 'kept' };
    const watches = 'Drains wait in the event queue (waiting=watch), where no one can reach them.';
    const reason = deployment.settings.scheduler ? (state.parked.failure ?? refused.reason ?? '') : watches;
    const sentence = `The note on ${instanceId} is in the log alone, and not in the event about the end: ${reason}`;
    return { instanceId, note: 'logged', sentence };
  } catch (error) {
    const sentence = `The note on ${instanceId} was not left: ${sentenceOf(error, deployment.target)}`;
    return { instanceId, note: 'lost', sentence };
  }
}
