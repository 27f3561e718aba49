import { GetFunctionConfigurationCommand, type LambdaClient } from '@aws-sdk/client-lambda';
import * as v from 'valibot';
import type { Snapshot } from '../../sandbox/plan/snapshot.ts';
import { choiceOf } from '../../src/domain/groups.ts';
import { clustersOf, settingsEntries, variableOf } from '../../src/handlers/settings.ts';
import { hasCode } from '../common.ts';
import type { Reader } from './reader.ts';

const scopeEntries = { cluster: settingsEntries.cluster, autoScalingGroups: settingsEntries.autoScalingGroups };

/** What names the deployment itself, which a rehearsal names itself. */
const OWN = new Set(['cluster', 'autoScalingGroups', 'eventSource']);

/** The settings that the deployed function drains with; undefined if there is no such function. */
export async function readDeployedSettings(
  lambda: LambdaClient,
  functionName: string,
  { group, cluster }: { readonly group: string; readonly cluster: string },
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
  const scope = v.safeParse(v.object(scopeEntries), {
    cluster: variables[variableOf('cluster')],
    autoScalingGroups: variables[variableOf('autoScalingGroups')],
  });
  const drainsGroup =
    scope.success &&
    choiceOf(scope.output.autoScalingGroups, group) !== undefined &&
    clustersOf(scope.output).includes(cluster);
  return { function: nameOfFunction(functionName), params: Object.fromEntries(params), drainsGroup };
}

/** Lambda takes an ARN, whole or in part, where a name is asked for. */
function nameOfFunction(typed: string): string {
  return /(?:^|:)function:([^:]+)/.exec(typed)?.[1] ?? typed;
}
