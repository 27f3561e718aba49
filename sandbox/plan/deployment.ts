import { type Build, groupsSetting, packagedOnce } from '../drainers/ecs-drain.ts';
import { deploymentIn } from '../packaging.ts';
import type { Params } from '../scenarios.ts';
import { deployedWith } from './hooks.ts';
import type { Snapshot } from './snapshot.ts';

/**
 * What the package of this repository deploys for the group, with these params: as a plan rehearses it.
 * @throws BadSnapshot if the settings cannot work; `serverless package` would say more than the sentence.
 */
export async function deploymentFor({ group, cluster }: Snapshot, params: Params) {
  deployedWith(params, group.name, cluster.name);
  const named = { cluster: cluster.name, autoScalingGroups: groupsSetting(group.name) };
  const { environment, lambda, hooks } = deploymentIn(await packagedOnce({ ...named, ...params }));
  return { environment, timeoutSeconds: lambda.timeoutSeconds, hooks };
}

const SWEEP_SECONDS = 900;

/**
 * The same with a sweep every 15 minutes at most. No event is lost in a rehearsal, so a sweep finds nothing. With a sweep every
 * minute, most of the time of a plan would go into sweeps where an instance is held for two days.
 */
export function sweepingRarely(build: Build): Build {
  return async (params) => {
    const { deployment, createDrainHandler } = await build(params);
    const scheduledRules = deployment.scheduledRules.map(({ everySeconds, ...rule }) => ({
      ...rule,
      everySeconds: Math.max(everySeconds, SWEEP_SECONDS),
    }));
    return { deployment: { ...deployment, scheduledRules }, createDrainHandler };
  };
}
