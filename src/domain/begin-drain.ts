/** How a drain of a lifecycle action begins, whether its event begins it or the sweep. Pure. */

import { type ActionDrain, type LifecycleAction, type LifecycleResult, newActionDrain } from './drain.ts';
import { choiceOf, type GroupChoice } from './groups.ts';
import type { Policy } from './policy.ts';

/** What a hook says about its drains in its metadata, as far as they begin with it. */
export interface HookMetadata {
  readonly cluster?: string | undefined;
  readonly deadlineResult?: LifecycleResult | undefined;
}

/** How Auto Scaling holds the instance. */
export interface Hold {
  readonly startedAtMs: number;
  readonly staysInGroup?: boolean | undefined;
}

/** What the settings say of every drain. */
interface Setting {
  readonly autoScalingGroups: readonly GroupChoice[];
  readonly policy: Policy;
}

export function beginDrain(
  action: LifecycleAction,
  { startedAtMs, staysInGroup }: Hold,
  { cluster, deadlineResult }: HookMetadata,
  { autoScalingGroups, policy }: Setting,
): ActionDrain {
  return newActionDrain(action, {
    startedAtMs,
    namedCluster: cluster ?? choiceOf(autoScalingGroups, action.autoScalingGroup)?.cluster,
    pollIntervalSeconds: policy.pollMinSeconds,
    ...(staysInGroup && { staysInGroup }),
    ...(deadlineResult === 'ABANDON' && { mayBeRetained: true }),
  });
}
