import { describe, expect, it } from 'vitest';
import {
  drainIdOf,
  hookLimits,
  instanceIdOf,
  isSameDrain,
  killsTasks,
  newHeldDrain,
  newNoticeDrain,
  unreachable,
} from '../../src/domain/drain.ts';
import { ACTION, drainOf, INSTANCE_ID, noticeDrainOf, START_MS } from './samples.ts';

describe('a new drain', () => {
  const beginning = { startedAtMs: START_MS, namedCluster: 'prod', pollIntervalSeconds: 2 };
  const state = {
    startedAtMs: START_MS,
    namedCluster: 'prod',
    cluster: 'prod',
    continuations: 0,
    pollIntervalSeconds: 2,
  };

  it('of a lifecycle action counts the heartbeat timeout from the hold', () => {
    const held = { kind: 'held', action: ACTION, lastHeartbeatAtMs: START_MS, heartbeats: 0 };
    expect(newHeldDrain(ACTION, beginning)).toEqual({ ...held, ...state });
  });

  it('on a notice has neither hook nor heartbeats', () => {
    const { notice } = noticeDrainOf();
    expect(newNoticeDrain(notice, beginning)).toEqual({ kind: 'notice', notice, ...state });
  });
});

describe('the limits of a hook', () => {
  it.each([
    [30, 3_000],
    [1_728, 172_800],
    [7_200, 172_800],
  ])('facts 18 hook-timeouts: a heartbeat timeout of %i s ends the wait after %i s', (timeoutSeconds, seconds) => {
    const limits = { heartbeatTimeoutSeconds: timeoutSeconds, globalTimeoutSeconds: seconds };
    expect(hookLimits(timeoutSeconds)).toEqual(limits);
  });
});

describe('whether two drains are the same', () => {
  const unnamed = drainOf({ action: { ...ACTION, token: undefined } });
  const other = (change: object) => drainOf({ action: { ...ACTION, token: undefined, ...change } });

  it.each([
    ['the same lifecycle action', drainOf(), drainOf({ heartbeats: 7 }), true],
    ['another action on the same instance', drainOf(), other({ token: 'two' }), false],
    ['an action whose event was lost, and the same', unnamed, drainOf(), true],
    ['an action, and the same whose event was lost', drainOf(), unnamed, true],
    ['another instance', unnamed, other({ instanceId: 'i-2' }), false],
    ['another group', unnamed, other({ autoScalingGroup: 'batch' }), false],
    ['another hook', unnamed, other({ lifecycleHook: 'another' }), false],
    ['the same notice', noticeDrainOf(), noticeDrainOf(), true],
    [
      'another notice of the same instance',
      noticeDrainOf(),
      noticeDrainOf(undefined, { notice: { token: 'two' } }),
      false,
    ],
    [
      'the same notice of another instance',
      noticeDrainOf(),
      noticeDrainOf(undefined, { notice: { instanceId: 'i-2' } }),
      false,
    ],
    ['a notice, and an action with its token', noticeDrainOf(), other({ token: noticeDrainOf().notice.token }), false],
    [
      'an action, and a notice with its token',
      drainOf(),
      noticeDrainOf(undefined, { notice: { token: ACTION.token ?? '' } }),
      false,
    ],
  ])('%s', (_, a, b, same) => {
    expect(isSameDrain(a, b)).toBe(same);
  });
});

describe('a drain', () => {
  it('has the token of its action or notice as its id, or its instance where the event that has it was lost', () => {
    expect(drainIdOf(drainOf())).toBe(ACTION.token);
    expect(drainIdOf(drainOf({ action: { ...ACTION, token: undefined } }))).toBe(INSTANCE_ID);
    expect(drainIdOf(noticeDrainOf())).toBe(noticeDrainOf().notice.token);
  });

  it('is about the instance of its action or notice', () => {
    expect(instanceIdOf(drainOf({ action: { ...ACTION, instanceId: 'i-2' } }))).toBe('i-2');
    expect(instanceIdOf(noticeDrainOf(undefined, { notice: { instanceId: 'i-3' } }))).toBe('i-3');
  });
});

describe('an outcome', () => {
  const ending = { result: 'CONTINUE', killedTasks: [] } as const;
  it.each([
    [{ kind: 'drained', lastTaskStoppedAtMs: undefined }, false],
    [{ kind: 'gone', clusters: [], lastSeen: undefined }, false],
    [{ kind: 'already-completed', lastSeen: undefined }, false],
    [{ kind: 'timed-out', deadlineAtMs: START_MS, ...ending }, true],
    [{ kind: 'agent-lost', disconnectedSinceMs: START_MS, ...ending }, true],
  ] as const)('lets tasks die or not: %o', (outcome, kills) => {
    expect(killsTasks(outcome)).toBe(kills);
  });
});

it('a case that no one thought of is an error that shows it', () => {
  expect(() => unreachable({ kind: 'new' } as never)).toThrow('Unhandled case: {"kind":"new"}');
});
