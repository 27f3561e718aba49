import { GetFunctionConfigurationCommand, type LambdaClient } from '@aws-sdk/client-lambda';
import type { Snapshot } from '../../sandbox/plan/snapshot.ts';
import { settingsEntries, variableOf } from '../../src/handlers/settings.ts';
import { hasCode } from '../common.ts';
import type { Reader } from './reader.ts';

/** What names the deployment itself, which a rehearsal names itself. */
const OWN = new Set(['cluster', 'autoScalingGroups', 'eventSource']);

/** The settings that the deployed function drains with; undefined if there is no such function. */
export async function readDeployedSettings(
  lambda: LambdaClient,
  functionName: string,
  reader: Reader,
): Promise<Snapshot['drain']> {
  const missing = `the settings of the deployed function ${functionName}`;
  const answer = await reader.tryTo('lambda:GetFunctionConfiguration', missing, () =>
    reader
      .read(`read the configuration of ${functionName}`, () =>
        lambda.send(new GetFunctionConfigurationCommand({ FunctionName: functionName })),
      )
      .catch((error) => {
        if (hasCode('ResourceNotFoundException', error)) return undefined;
        throw error;
      }),
  );
  const variables = answer?.Environment?.Variables;
  if (!variables) return undefined;
  const params = Object.keys(settingsEntries).flatMap((name) => {
    const value = variables[variableOf(name)];
    return value === undefined || OWN.has(name) ? [] : [[name, value] as const];
  });
  return { function: functionName, params: Object.fromEntries(params) };
}
