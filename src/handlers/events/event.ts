/** What all events have in common: their envelope, what reading one can lead to, and how one is rejected. */

import * as v from 'valibot';
import { sentenceOf, visible } from '../../adapters/schemas.ts';
import type { Arrival } from '../../domain/load.ts';

/** What EventBridge puts around every event. */
export interface Envelope {
  readonly id: string | undefined;
  readonly sentAtMs: number;
  readonly detail: Readonly<Record<string, unknown>>;
}

/** What an event asks for: work on a drain, a search for lost drains, or nothing. */
export type Received =
  | { readonly kind: 'arrival'; readonly arrival: Arrival; readonly warning?: string | undefined }
  | { readonly kind: 'sweep'; readonly scheduledAtMs: number }
  | { readonly kind: 'ignored'; readonly reason: string };

/** The event is meant for this function but cannot be handled, now or later. The message names the field and its value. */
export class RejectedEvent extends Error {
  override readonly name = 'RejectedEvent';

  constructor(sentence: string) {
    super(visible(sentence));
  }
}

/** How far the clocks of Lambda and of EventBridge may be apart. */
const CLOCK_SKEW_MS = 60_000;

/**
 * AWS sends no event from the future, and a drain that began there would have too late a deadline.
 * @throws RejectedEvent
 */
export function refuseFuture(instantMs: number, nowMs: number, sentence: string): void {
  if (instantMs > nowMs + CLOCK_SKEW_MS) throw new RejectedEvent(sentence);
}

export function ignored(reason: string): Received {
  return { kind: 'ignored', reason: visible(reason) };
}

/** Sent once to the target of a new hook, bare or in an envelope (facts 2 test-notification). */
export function isTestNotification(event: unknown): boolean {
  return v.is(v.looseObject({ Event: v.literal('autoscaling:TEST_NOTIFICATION') }), event);
}

/**
 * The input as the schema describes it; `field` is where the input was found in its event.
 * @throws RejectedEvent with a sentence that names each field that does not match.
 */
export function parsed<S extends v.GenericSchema>(schema: S, input: unknown, what: string, field?: string) {
  const result = v.safeParse(schema, input, { abortPipeEarly: true });
  if (!result.success) throw new RejectedEvent(`${what} cannot be understood: ${sentenceOf(result.issues, field)}`);
  return result.output;
}
