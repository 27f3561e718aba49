/** What the terminating hooks of a group mean for its drains. */

import type { LifecycleHook } from '../src/domain/drain.ts';
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
