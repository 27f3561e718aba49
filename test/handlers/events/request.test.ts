import { describe, expect, it } from 'vitest';
import { receiveDirect, receiveMessage } from '../../../src/handlers/events/receive.ts';
import { eventBridgeEvent, INSTANCE_ID, type Json, rejectionOf, settings } from './samples.ts';

const REQUEST = {
  instanceId: INSTANCE_ID,
  schedule: '00000000000000000000000000000001-0123abcd',
  by: 'arn:aws:sts::123456789012:assumed-role/ops/ann@example.com',
  message: 'wait for Bob',
  deadlineSeconds: 14_400,
};

const asked = (changes: Json = {}) => ({ request: { ...REQUEST, ...changes } });

describe('what an operator asks', () => {
  it('is read from what was given to the function directly', () => {
    expect(receiveDirect(asked(), settings)).toEqual({
      kind: 'arrival',
      arrival: { kind: 'request', request: REQUEST },
    });
    const { instanceId, by } = REQUEST;
    expect(receiveDirect({ request: { instanceId, by } }, settings)).toMatchObject({ arrival: { kind: 'request' } });
  });

  it('is nothing that the queue or the bus could bring: who may write there could forge it', () => {
    expect(rejectionOf(() => receiveMessage(asked(), settings))).toContain('source is missing');
    const envelope = { source: settings.eventSource, 'detail-type': 'ECS Drain Request' };
    const reason = `nothing here handles ECS Drain Request from ${settings.eventSource}`;
    expect(receiveMessage(eventBridgeEvent(envelope, asked()), settings)).toEqual({ kind: 'ignored', reason });
  });

  it.each<[string, Json]>([
    ['instanceId', { instanceId: 'web-1' }],
    ['by', { by: 'somebody' }],
    ['by', { by: undefined }],
    ['schedule', { schedule: 'a/b' }],
    ['deadlineSeconds', { deadlineSeconds: -1 }],
    ['deadlineSeconds', { deadlineSeconds: 172_801 }],
    ['message', { message: '' }],
    ['message', { message: 'x'.repeat(257) }],
    ['message', { message: 'red \u001b[31malert' }],
    ['message', { message: 'one\ntwo' }],
    ['message', { message: 'left \u202eto right' }],
    ['more', { more: true }],
  ])('is rejected with a bad %s: %j', (field, changes) => {
    expect(rejectionOf(() => receiveDirect(asked(changes), settings))).toContain(`request.${field} is `);
  });
});
