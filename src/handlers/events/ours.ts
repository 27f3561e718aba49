import { type Drain, MANAGED_DRAINING_HOOK } from '../../domain/drain.ts';
import { choiceOf } from '../../domain/groups.ts';
import type { Settings } from '../settings.ts';

/**
 * Why the drain is not ours; undefined if it is. Other hooks send the same events, for example the one of ECS managed draining
 * (facts 22 managed-draining-hook), and their owners complete them.
 */
export function whyNotOurs(drain: Drain, settings: Settings): string | undefined {
  const { autoScalingGroups, lifecycleHooks, superviseManagedDraining, notices } = settings;
  if (drain.kind === 'notice') {
    return notices.includes(drain.notice.kind) ? undefined : `no ${drain.notice.kind} is acted on here`;
  }
  const { autoScalingGroup, lifecycleHook } = drain.action;
  if (!choiceOf(autoScalingGroups, autoScalingGroup)) {
    return `the group ${autoScalingGroup} is not among autoScalingGroups`;
  }
  if (drain.kind === 'supervised') {
    // A continuation may claim to supervise a hook of ours, whose drains would then end without their heartbeats.
    if (lifecycleHook !== MANAGED_DRAINING_HOOK) return `the hook ${lifecycleHook} is not that of ECS managed draining`;
    return superviseManagedDraining
      ? undefined
      : `ECS completes the hook ${lifecycleHook} itself (superviseManagedDraining)`;
  }
  return lifecycleHooks.includes(lifecycleHook) ? undefined : `the hook ${lifecycleHook} is not ours (lifecycleHook)`;
}

/** Why no drain waits for ECS events of this cluster; undefined if one may. */
export function whyNotAwaited(cluster: string, { scheduler, policy }: Settings): string | undefined {
  if (!scheduler) return 'no drain waits for events here (waiting)';
  return policy.clusters.includes(cluster) ? undefined : `the cluster ${cluster} is not among ours (cluster)`;
}
