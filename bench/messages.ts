import type { Invocation } from '../sandbox/region/lambda/model.ts';

/** What an invocation was given: the messages of a queue, or a single event. */

export interface Message {
  /** The detail type of an event; a continuation that was sent to the queue has none. */
  readonly kind: string;
  /** Whether a rule of EventBridge brought it. */
  readonly isEvent: boolean;
  /** Whether it was received before, and was not deleted. */
  readonly isRepeated: boolean;
}

/** What makes a sweep: the event of a scheduled rule. */
export const SWEEP = 'Scheduled Event';

export function messagesOf({ event }: Pick<Invocation, 'event'>): Message[] {
  const { Records } = event as { readonly Records?: readonly Record[] };
  return Records?.map(messageIn) ?? [messageOf(event)];
}

/** A record of a batch of SQS; one of SNS has no body. */
interface Record {
  readonly body?: string;
  readonly attributes?: { readonly ApproximateReceiveCount: string };
}

function messageIn({ body = '{}', attributes }: Record): Message {
  return messageOf(JSON.parse(body), attributes !== undefined && attributes.ApproximateReceiveCount !== '1');
}

function messageOf(message: unknown, isRepeated = false): Message {
  const { 'detail-type': detailType } = message as { readonly 'detail-type'?: string };
  return { kind: detailType ?? 'continuation', isEvent: detailType !== undefined, isRepeated };
}

/**
 * The requests of SQS that AWS bills for messages: each is sent, received and deleted. At worst each is received alone; what a
 * poll of an empty queue costs is left out.
 */
export function sqsRequestsFor(
  messages: readonly Message[],
  { schedules, sends, deletions }: { readonly schedules: number; readonly sends: number; readonly deletions: number },
): number {
  const broughtByRules = messages.filter(({ isEvent, isRepeated }) => isEvent && !isRepeated);
  return broughtByRules.length + schedules + sends + messages.length + deletions;
}
