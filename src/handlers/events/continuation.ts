import { decode } from '../../adapters/continuation.ts';
import { type Drain, instanceIdOf } from '../../domain/drain.ts';
import type { Settings } from '../settings.ts';
import { type Envelope, type Received, RejectedEvent, refuseFuture } from './event.ts';
import { whyNotOurs } from './ours.ts';

/** ECS Drain Continuation: our own event. It came over the bus, where others may have put it, so it is not trusted. */
export function receiveContinuation({ detail, sentAtMs }: Envelope, settings: Settings): Received {
  const { drain, warning } = drainIn(detail, 'detail', settings);
  const isLater = (field: string) =>
    `The continuation event cannot be understood: detail.drain.${field} is after it was sent.`;
  refuseFuture(drain.startedAtMs, sentAtMs, isLater('startedAtMs'));
  if (drain.kind === 'held') refuseFuture(drain.lastHeartbeatAtMs, sentAtMs, isLater('lastHeartbeatAtMs'));
  return { kind: 'arrival', arrival: { kind: 'continuation', drain, isTrusted: false }, warning };
}

/** A continuation from the queue. Only the function and its schedules can send one there, so it is trusted. */
export function receiveBareContinuation(message: unknown, settings: Settings): Received {
  const { drain, warning } = drainIn(message, 'message', settings);
  return { kind: 'arrival', arrival: { kind: 'continuation', drain, isTrusted: true }, warning };
}

/** @throws RejectedEvent if it cannot be understood, or the settings no longer cover its group, hook or notice. */
function drainIn(
  continuation: unknown,
  field: string,
  settings: Settings,
): { readonly drain: Drain; readonly warning?: string } {
  const decoded = decode(continuation, field);
  if (decoded.kind === 'unreadable') {
    throw new RejectedEvent(`The continuation event cannot be understood: ${decoded.reason}`);
  }
  // This drain was ours and ends here, so it is rejected instead of ignored.
  const notOurs = whyNotOurs(decoded.drain, settings);
  if (notOurs) {
    throw new RejectedEvent(`The drain of ${instanceIdOf(decoded.drain)} cannot continue: ${notOurs} any more.`);
  }
  if (decoded.kind === 'drain') return { drain: decoded.drain };
  const warning = `The continuation is of version ${decoded.version}, which this function cannot read: the drain starts again with what it says of the lifecycle action.`;
  return { drain: decoded.drain, warning };
}
