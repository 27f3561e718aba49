import { groupsSetting, packagedOnce } from '../drainers/ecs-drain.ts';
import { deploymentIn } from '../packaging.ts';
import type { Params } from '../scenarios.ts';
import type { Snapshot } from './snapshot.ts';

/** What the package of this repository deploys for the group, with these params: as a plan rehearses it. */
export async function deploymentFor({ group, cluster }: Snapshot, params: Params) {
  const named = { cluster: cluster.name, autoScalingGroups: groupsSetting(group.name) };
  const { environment, lambda, hooks } = deploymentIn(await packagedOnce({ ...named, ...params }));
  return { environment, timeoutSeconds: lambda.timeoutSeconds, hooks };
}
