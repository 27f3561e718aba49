import { expect, it } from 'vitest';
import { receive } from '../../../src/handlers/events/receive.ts';
import { eventBridgeEvent, SENT_AT_MS, settings } from './samples.ts';

const scheduled = eventBridgeEvent({ source: 'aws.events', 'detail-type': 'Scheduled Event' }, {});

it('a scheduled event asks for a search for lost drains', () => {
  expect(receive(scheduled, settings)).toEqual({ kind: 'sweep', scheduledAtMs: SENT_AT_MS });
});

it('a dry run ignores it, because it would find the same instances each time', () => {
  expect(receive(scheduled, { ...settings, dryRun: true })).toEqual({
    kind: 'ignored',
    reason: 'a dry run looks for no lost drains',
  });
});
