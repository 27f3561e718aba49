import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { instanceIdOf } from '../../../src/domain/drain.ts';
import { choiceOf } from '../../../src/domain/groups.ts';
import { RejectedEvent } from '../../../src/handlers/events/event.ts';
import { receive, receiveMessage } from '../../../src/handlers/events/receive.ts';
import { changed, pathsIn, REMOVED } from '../mutations.ts';
import {
  bareContinuation,
  continuation,
  drain,
  eventBridgeEvent,
  instanceChange,
  type Json,
  notice,
  rejectionOf,
  settings,
  taskStop,
  termination,
  terminationDetail,
  withNotices,
  without,
} from './samples.ts';

describe('an event that nothing here handles', () => {
  it.each<[string, Json, string]>([
    ['another detail-type', { 'detail-type': 'EC2 Instance-launch Lifecycle Action' }, 'aws.autoscaling'],
    ['another source', { source: 'aws.rds' }, 'aws.rds'],
    ['a termination in our own name', { source: settings.eventSource }, settings.eventSource],
    ['a source that all objects have', { source: 'constructor' }, 'constructor'],
    ['a detail-type that all objects have', { 'detail-type': 'toString' }, 'aws.autoscaling'],
  ])('is ignored with a reason: %s', (_, envelope, source) => {
    const detailType = envelope['detail-type'] ?? 'EC2 Instance-terminate Lifecycle Action';
    expect(receive(termination({}, envelope), settings)).toEqual({
      kind: 'ignored',
      reason: `nothing here handles ${detailType} from ${source}`,
    });
  });

  it('is ignored if it is the test notification of a hook, without an envelope', () => {
    const notification = { Service: 'AWS Auto Scaling', Event: 'autoscaling:TEST_NOTIFICATION' };
    expect(receive(notification, settings)).toEqual({
      kind: 'ignored',
      reason: 'it is the test notification of a new lifecycle hook',
    });
  });
});

describe('an event that cannot be understood', () => {
  it.each<[unknown, string]>([
    ['not JSON', 'it is "not JSON"'],
    [null, 'it is null'],
    [42, 'it is 42'],
    [undefined, 'it is missing'],
  ])('is rejected: %j', (event, words) => {
    expect(rejectionOf(() => receive(event, settings))).toBe(
      `The event cannot be understood: ${words}: expected an EventBridge event.`,
    );
  });

  it('is rejected with every field that it lacks', () => {
    for (const field of ['source', 'detail-type', 'account', 'time', 'detail']) {
      expect(rejectionOf({})).toContain(`${field} is missing`);
      expect(rejectionOf(without(termination(), field))).toContain(`${field} is missing`);
    }
  });

  it.each<[string, unknown, string]>([
    ['account', '12345678901', 'an AWS account id of 12 digits'],
    ['account', 123456789012, 'an AWS account id of 12 digits'],
    ['account', 'arn:aws:iam::123456789012:root', 'an AWS account id of 12 digits'],
    ['time', 'yesterday', 'an ISO 8601 time'],
    ['time', '2026-13-01T09:00:00Z', 'an ISO 8601 time'],
    ['time', '1969-12-31T23:59:59Z', 'an ISO 8601 time'],
    ['time', 1772355600, 'an ISO 8601 time'],
    ['source', 7, 'the source of an EventBridge event'],
    ['detail-type', '', 'the detail-type of an EventBridge event'],
    ['id', '', 'the id of an EventBridge event'],
  ])('is rejected with the field, its value and what is expected: %s %j', (field, value, expected) => {
    expect(rejectionOf(termination({}, { [field]: value }))).toContain(
      `The event cannot be understood: ${field} is ${JSON.stringify(value)}: expected ${expected}`,
    );
  });

  it.each(['text', 5, null])('is rejected if its detail is not an object: %j', (detail) => {
    expect(rejectionOf(eventBridgeEvent({}, detail))).toContain(
      `detail is ${JSON.stringify(detail)}: expected an object`,
    );
  });

  it.each([{ version: '5', drain: {} }, { version: 5, drain: 'ours' }, { version: 5 }])(
    'is rejected on the queue too unless it looks like a continuation: %j',
    (message) => {
      expect(rejectionOf(() => receiveMessage(message, settings))).toContain(
        'The event cannot be understood: source is missing',
      );
    },
  );
});

describe('the sentence of a rejection', () => {
  const huge = 'x'.repeat(200_000);
  const withMetadata = (NotificationMetadata: unknown) => termination({ NotificationMetadata });

  it.each<[string, unknown]>([
    ['text in place of an event', huge],
    ['a field of the envelope', termination({}, { account: huge })],
    ['a field of the detail', termination({ EC2InstanceId: { nested: [huge] } })],
    ['a cluster in metadata', withMetadata(JSON.stringify({ cluster: huge }))],
    ['a field of a continuation', continuation({ heartbeats: huge })],
    ['the name of a field', continuation({ [huge]: 1 })],
    ['many fields', continuation(Object.fromEntries(Object.keys(without(drain, 'kind')).map((key) => [key, huge])))],
  ])('stays short whatever it quotes: %s', (_, event) => {
    const rejection = rejectionOf(() => receive(event, settings));
    expect(rejection).toContain('cannot be understood');
    expect(rejection).toContain('…');
    expect(rejection.length).toBeLessThan(1_500);
  });

  it('writes out what cannot be seen, and so does a reason to ignore', () => {
    expect(rejectionOf(continuation({ 'a\nb\u202Ec\uD800': 1 }))).toContain(
      'detail.drain.a\\u{a}b\\u{202e}c\\u{d800} is not',
    );
    expect(receive(termination({ LifecycleTransition: 'a\u001B[31m\u2028b' }), settings)).toEqual({
      kind: 'ignored',
      reason: 'the transition is a\\u{1b}[31m\\u{2028}b, not autoscaling:EC2_INSTANCE_TERMINATING',
    });
  });

  it('can quote the deepest nesting', () => {
    const deep = JSON.parse('['.repeat(50_000) + ']'.repeat(50_000));
    expect(() =>
      receive({ ...termination(), detail: { ...terminationDetail, EC2InstanceId: deep } }, settings),
    ).toThrow(RejectedEvent);
  });
});

describe('keys that reach for the prototype', () => {
  const poison = '"__proto__":{"polluted":true,"cluster":"staging"},"constructor":{"prototype":{"polluted":true}}';

  /** The event with the keys at the beginning of the object under `field`; JSON.parse makes them the object's own. */
  function poisoned(event: unknown, field?: string) {
    const before = field ? `"${field}":{` : '{';
    return JSON.parse(JSON.stringify(event).replace(before, `${before}${poison},`));
  }

  it.each<[string, unknown, unknown]>([
    ['the envelope of a termination', poisoned(termination()), termination()],
    ['its detail', poisoned(termination(), 'detail'), termination()],
    ['its metadata', termination({ NotificationMetadata: `{${poison}}` }), termination()],
    ['the envelope of a continuation', poisoned(continuation()), continuation()],
    ['its detail', poisoned(continuation(), 'detail'), continuation()],
  ])('do nothing in %s', (_, event, clean) => {
    expect(receive(event, settings)).toEqual(receive(clean, settings));
    expect(Reflect.get({}, 'polluted')).toBeUndefined();
  });

  it.each(['drain', 'action', 'hook'])('are rejected in the %s of a continuation', (part) => {
    for (const message of [continuation(), bareContinuation()]) {
      const read = () => receiveMessage(poisoned(message, part), settings);
      expect(rejectionOf(read)).toContain('The continuation event cannot be understood');
    }
    expect(Reflect.get({}, 'polluted')).toBeUndefined();
  });

  it('do not stand in for fields that are missing', () => {
    const detail = JSON.parse(`{"__proto__":${JSON.stringify(terminationDetail)}}`);
    expect(rejectionOf({ ...termination(), detail })).toContain('detail.EC2InstanceId is missing');
  });
});

describe('whatever comes', () => {
  /** One of our events, changed in a place or two. */
  const ours = fc.constantFrom<Json>(
    termination({ NotificationMetadata: '{"cluster":"prod"}' }),
    continuation(),
    bareContinuation(),
    taskStop(),
    instanceChange(),
    notice('EC2 Spot Instance Interruption Warning'),
    eventBridgeEvent({ source: 'aws.events', 'detail-type': 'Scheduled Event' }, {}),
  );
  const almostOurs = ours.chain((event) => {
    const path = fc.oneof(
      fc.constantFrom(...pathsIn(event)),
      fc.tuple(fc.constantFrom(...pathsIn(event)), fc.string()).map(([parent, key]) => [...parent, key]),
    );
    const value = fc.oneof(
      fc.jsonValue(),
      fc.constantFrom(REMOVED, 0, -1, 1e308, '', 'x'.repeat(1_000), { Event: 'autoscaling:TEST_NOTIFICATION' }),
    );
    return fc
      .array(fc.tuple(path, value), { minLength: 1, maxLength: 2 })
      .map((changes) => changes.reduce<unknown>((before, [at, to]) => changed(before, at, to), event));
  });

  it('is work on what is ours, a sweep, ignored, or rejected in a sentence: nothing else', () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(fc.oneof({ weight: 1, arbitrary: fc.jsonValue() }, { weight: 9, arbitrary: almostOurs }), (event) => {
        try {
          const received = receiveMessage(event, withNotices);
          if (received.kind !== 'arrival') {
            seen.add(received.kind);
            return;
          }
          const { arrival } = received;
          seen.add(arrival.kind);
          if (arrival.kind === 'wake-up') {
            expect(arrival.containerInstance.arn).toMatch(/^arn:/);
            expect(settings.policy.clusters).toContain(arrival.containerInstance.cluster);
          }
          if (arrival.kind !== 'drain' && arrival.kind !== 'continuation') return;
          expect(instanceIdOf(arrival.drain)).toMatch(/^i-[0-9a-f]+$/);
          if (arrival.drain.kind === 'notice') return;
          expect(choiceOf(settings.autoScalingGroups, arrival.drain.action.autoScalingGroup)).toBeDefined();
          expect(settings.lifecycleHooks).toContain(arrival.drain.action.lifecycleHook);
        } catch (error) {
          seen.add('rejected');
          expect(error).toBeInstanceOf(RejectedEvent);
          expect((error as RejectedEvent).message).toMatch(/^The /);
        }
      }),
      { numRuns: 2_000 },
    );
    expect([...seen].toSorted()).toEqual(['continuation', 'drain', 'ignored', 'rejected', 'sweep', 'wake-up']);
  });
});
