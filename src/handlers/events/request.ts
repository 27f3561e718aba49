import * as v from 'valibot';
import { operatorArn, operatorMessage, scheduleName } from '../../adapters/continuation.ts';
import { instanceId, numberBetween, record } from '../../adapters/schemas.ts';
import { parsed, type Received } from './event.ts';

/** Auto Scaling holds no instance for longer (facts 18 hook-timeouts). */
export const LONGEST_DEADLINE_SECONDS = 172_800;

const operatorRequest = record({
  request: record({
    instanceId,
    schedule: v.optional(scheduleName()),
    by: operatorArn,
    message: v.optional(operatorMessage),
    deadlineSeconds: v.optional(numberBetween(0, LONGEST_DEADLINE_SECONDS, 'seconds')),
  }),
});

/** What an operator asks of a drain, with the commands. */
export function receiveRequest(event: unknown): Received {
  const { request } = parsed(operatorRequest, event, 'The request of an operator');
  return { kind: 'arrival', arrival: { kind: 'request', request } };
}
