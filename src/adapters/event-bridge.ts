import { type EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import type { Drain } from '../domain/drain.ts';
import { type Continuations, Unavailable } from '../domain/ports.ts';
import { awsCall } from './aws-call.ts';

export const CONTINUATION_DETAIL_TYPE = 'ECS Drain Continuation';

/** Raise it with every change of `Drain` that an older function could not read. */
export const CONTINUATION_VERSION = 2;

/** The `detail` of a continuation event, as JSON. */
export function continuationDetail(drain: Drain): string {
  return JSON.stringify({ version: CONTINUATION_VERSION, drain });
}

/** Continues drains through events on the default bus; `source` tells this deployment's events from another's. */
export function eventBridgeContinuations(client: EventBridgeClient, source: string): Continuations {
  return {
    async continueNow(drain) {
      const what = `put the continuation of ${drain.action.instanceId} on the bus`;
      const answer = await awsCall(what, () =>
        client.send(
          new PutEventsCommand({
            Entries: [{ Source: source, DetailType: CONTINUATION_DETAIL_TYPE, Detail: continuationDetail(drain) }],
          }),
        ),
      );
      // A refused entry is answered with 200 (facts 7).
      if (answer.FailedEntryCount) {
        const { ErrorCode, ErrorMessage } = answer.Entries?.[0] ?? {};
        const sentence = `Could not ${what}: ${ErrorCode}: ${ErrorMessage}`;
        throw /throttl|internal/i.test(ErrorCode ?? '') ? new Unavailable(sentence) : new Error(sentence);
      }
    },
  };
}
