import { describe, expect, it } from 'vitest';
import { CONTINUATION_VERSION } from '../../../src/adapters/continuation.ts';
import { newHeldDrain } from '../../../src/domain/drain.ts';
import { receive, receiveMessage } from '../../../src/handlers/events/receive.ts';
import {
  bareContinuation,
  continuation,
  drain,
  INSTANCE_ID,
  rejectionOf,
  SENT_AT_MS,
  settings,
  withNotices,
} from './samples.ts';

const NOTICE = {
  kind: 'notice',
  notice: { kind: 'spot-interruption', instanceId: INSTANCE_ID, token: 'an-event' },
  startedAtMs: SENT_AT_MS,
  continuations: 0,
  pollIntervalSeconds: 2,
} as const;

describe('a continuation that came over the bus', () => {
  it('carries a drain that is not trusted, because others may put events there', () => {
    expect(receive(continuation(), settings)).toEqual({
      kind: 'arrival',
      arrival: { kind: 'continuation', drain, isTrusted: false },
    });
  });

  it('is untrusted as a message of the queue too', () => {
    expect(receiveMessage(continuation(), settings)).toMatchObject({ arrival: { isTrusted: false } });
  });

  it.each(['startedAtMs', 'lastHeartbeatAtMs'])('is rejected if %s is after it was sent', (field) => {
    const skewed = { [field]: SENT_AT_MS + 60_000 };
    expect(receive(continuation(skewed), settings)).toMatchObject({ arrival: { drain: skewed } });
    expect(rejectionOf(continuation({ [field]: SENT_AT_MS + 60_001 }))).toBe(
      `The continuation event cannot be understood: detail.drain.${field} is after it was sent.`,
    );
  });

  it('names the field that cannot be understood', () => {
    expect(rejectionOf(continuation({ heartbeats: -1 }))).toBe(
      'The continuation event cannot be understood: detail.drain.heartbeats is -1: expected a count.',
    );
  });

  it('is rejected if it claims to watch a hook of ours as if ECS drained there, over the bus and from the queue', () => {
    const { hook: _, lastHeartbeatAtMs: __, heartbeats: ___, ...state } = drain;
    const claimed = { version: CONTINUATION_VERSION, drain: { ...state, kind: 'supervised' } };
    const watching = { ...settings, superviseManagedDraining: true };
    const sentence = `The drain of ${INSTANCE_ID} cannot continue: the hook ecs-drain is not that of ECS managed draining any more.`;
    expect(rejectionOf(() => receive({ ...continuation(), detail: claimed }, watching))).toBe(sentence);
    expect(rejectionOf(() => receiveMessage(claimed, watching))).toBe(sentence);
  });

  it('is ignored if it is of another deployment', () => {
    expect(receive(continuation({}, {}, { source: 'ecs-drain.green' }), settings)).toEqual({
      kind: 'ignored',
      reason: 'nothing here handles ECS Drain Continuation from ecs-drain.green',
    });
  });
});

describe('a continuation from the queue itself', () => {
  const received = (changes = {}, more = {}) => receiveMessage(bareContinuation(changes, more), settings);

  it('carries a drain that is trusted, because only the function and its schedules send it', () => {
    expect(received()).toEqual({ kind: 'arrival', arrival: { kind: 'continuation', drain, isTrusted: true } });
  });

  it('is no event that may be given to the function directly', () => {
    expect(rejectionOf(bareContinuation())).toContain('The event cannot be understood: source is missing');
  });

  it('names the field that cannot be understood', () => {
    expect(rejectionOf(() => received({ heartbeats: -1 }))).toBe(
      'The continuation event cannot be understood: message.drain.heartbeats is -1: expected a count.',
    );
  });

  it('is rejected, and does not end in silence, if the settings lost its group, its hook or its notice', () => {
    const { action } = drain;
    expect(rejectionOf(() => received({ action: { ...action, autoScalingGroup: 'db' } }))).toBe(
      `The drain of ${INSTANCE_ID} cannot continue: the group db is not among autoScalingGroups any more.`,
    );
    expect(rejectionOf(() => received({ action: { ...action, lifecycleHook: 'other' } }))).toBe(
      `The drain of ${INSTANCE_ID} cannot continue: the hook other is not ours (lifecycleHook) any more.`,
    );
    const ofNotice = { version: CONTINUATION_VERSION, drain: NOTICE };
    expect(receiveMessage(ofNotice, withNotices)).toMatchObject({ arrival: { drain: NOTICE, isTrusted: true } });
    expect(rejectionOf(() => receiveMessage(ofNotice, settings))).toBe(
      `The drain of ${INSTANCE_ID} cannot continue: no spot-interruption is acted on here any more.`,
    );
  });

  it('of a later version starts the drain again with a warning', () => {
    const version = CONTINUATION_VERSION + 1;
    const { action, startedAtMs, continuations } = drain;
    expect(receiveMessage({ version, drain: { action, startedAtMs, continuations, moods: [] } }, settings)).toEqual({
      kind: 'arrival',
      arrival: {
        kind: 'continuation',
        drain: { ...newHeldDrain(action, { startedAtMs, pollIntervalSeconds: 1 }), continuations },
        isTrusted: true,
      },
      warning: `The continuation is of version ${version}, which this function cannot read: the drain starts again with what it says of the lifecycle action.`,
    });
  });
});
