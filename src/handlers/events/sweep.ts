import type { Settings } from '../settings.ts';
import { type Envelope, ignored, type Received } from './event.ts';

/** Scheduled Event: asks for a search for lost drains. */
export function receiveSweep({ sentAtMs }: Envelope, { dryRun }: Settings): Received {
  // A dry run completes nothing, so every sweep would find the same instances again.
  return dryRun ? ignored('a dry run looks for no lost drains') : { kind: 'sweep', scheduledAtMs: sentAtMs };
}
