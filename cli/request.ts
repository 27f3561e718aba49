/** What an operator asks the function to do with a drain: it is given to the function directly (docs/decisions/0026). */

import { InvokeCommand } from '@aws-sdk/client-lambda';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import * as v from 'valibot';
import { awsCall } from '../src/adapters/aws-call.ts';
import { jsonIn } from '../src/adapters/schemas.ts';
import type { OperatorRequest } from '../src/domain/evolve.ts';
import type { Deployment } from './common.ts';

/** The ARN of whoever runs the command. */
export function callerOf({ config }: Pick<Deployment, 'config'>): Promise<string> {
  return awsCall('find out who you are', async () => {
    const { Arn = '' } = await new STSClient(config).send(new GetCallerIdentityCommand({}));
    return Arn;
  });
}

/** Asks Lambda whether the function could be invoked, before anything is done that cannot be undone. */
export async function checkMayAsk({ functionName, lambda }: Deployment): Promise<void> {
  await awsCall(`try whether you may invoke ${functionName}`, () =>
    lambda.send(new InvokeCommand({ FunctionName: functionName, InvocationType: 'DryRun' })),
  );
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
