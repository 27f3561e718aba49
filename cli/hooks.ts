/** What the terminating hooks of a group mean for its drains. */

import { type LifecycleHook, MANAGED_DRAINING_HOOK } from '../src/domain/drain.ts';
import { RejectedEvent } from '../src/handlers/events/event.ts';
import { metadataIn } from '../src/handlers/events/termination.ts';
import type { Settings } from '../src/handlers/settings.ts';

/** Why the events of a hook of ours will be rejected, or what of its metadata will be ignored: the words of the function. */
export function metadataTrouble(
  { name, notificationMetadata }: LifecycleHook,
  settings: Settings,
): { readonly level: 'error' | 'warning'; readonly what: string } | undefined {
  try {
    const { warning } = metadataIn(notificationMetadata, name, settings);
    return warning === undefined ? undefined : { level: 'warning', what: warning };
  } catch (error) {
    if (!(error instanceof RejectedEvent)) throw error;
    return { level: 'error', what: `${error.message} Its events are rejected, so nothing drains its instances.` };
  }
}

/**
 * How a hook that is not ours may end the wait of ours: ABANDON stops the other hooks (facts 19 hook-results). ECS's own hook is
 * a matter of its own.
 */
export function interferenceOf(
  { name, limits, defaultResult }: LifecycleHook,
  { lifecycleHooks }: Pick<Settings, 'lifecycleHooks'>,
  deadlineSeconds: number,
): string | undefined {
  if (lifecycleHooks.includes(name) || name === MANAGED_DRAINING_HOOK || defaultResult === 'CONTINUE') return undefined;
  const { heartbeatTimeoutSeconds: timeoutSeconds } = limits;
  if (timeoutSeconds >= deadlineSeconds) return undefined;
  return `The hook ${name}, which is not ours, times out after ${timeoutSeconds} s without a heartbeat, and its default result ABANDON ends the wait of every hook: a drain may need up to ${deadlineSeconds} s.`;
}
