import { describe, expect, it } from 'vitest';
import type { Situation } from '../../src/domain/decision.ts';
import { type Drain, hookLimits } from '../../src/domain/drain.ts';
import { deadlineAtMs, HAND_OVER_SECONDS } from '../../src/domain/policy.ts';
import { handOver, withoutQueue } from '../../src/domain/wait.ts';
import { at, drainOf, knownOf, noticeDrainOf, POLICY, seenOf, UNDISTURBED } from './samples.ts';

const LEAVE = { kind: 'leave' };
const HAND_OVER = { kind: 'hand-over' };
const HEARTBEAT = { kind: 'heartbeat' };
/** One that has waited on a schedule. */
const PARKED_NOTICE: Drain = {
  ...noticeDrainOf(),
  parked: { schedule: 'one', untilMs: at(0), firesAtMs: at(0), turn: 0 },
};

/** At second 10, a drain whose hook holds for an hour, where there are no schedules. */
function situation(overrides: Partial<Situation<Drain>> = {}): Situation<Drain> {
  return {
    drain: drainOf({ hook: hookLimits(3_600), lastHeartbeatAtMs: at(-100) }),
    observation: seenOf(),
    ...UNDISTURBED,
    comesAgainAtMs: at(60),
    policy: { ...POLICY, waiting: 'watch' },
    nowMs: at(10),
    random: 0.5,
    ...overrides,
  };
}

const heldOn = (hookSeconds: number, beatenAt: number) =>
  drainOf({ hook: hookLimits(hookSeconds), lastHeartbeatAtMs: at(beatenAt) });

describe('a drain that is handed over', () => {
  it('goes through the bus', () => {
    expect(handOver(situation())).toEqual(HAND_OVER);
    expect(handOver(situation({ comesAgainAtMs: undefined, refused: new Set(['hand-over']) }))).toEqual(HAND_OVER);
  });

  it('stays in its message where the bus refuses, after a heartbeat that gives its hook the time', () => {
    const refusing = (lastHeartbeatAt: number, ...more: 'heartbeat'[]) =>
      handOver(situation({ drain: heldOn(3_600, lastHeartbeatAt), refused: new Set(['hand-over', ...more]) }));
    expect([0, 1].map((second) => refusing(second))).toEqual([HEARTBEAT, LEAVE]);
    expect(refusing(0, 'heartbeat')).toEqual(LEAVE);
    expect(handOver(situation({ drain: PARKED_NOTICE, refused: new Set(['hand-over']) }))).toEqual(LEAVE);
  });

  it('stays on the queue if it is on a notice and has no schedule, because nothing would confirm what the bus brings', () => {
    const drain = noticeDrainOf();
    expect(handOver(situation({ drain }))).toEqual({ kind: 'park', untilMs: at(11), on: 'queue' });
    expect(handOver(situation({ drain, refused: new Set(['queue']) }))).toEqual(LEAVE);
    expect(handOver(situation({ drain, refused: new Set(['queue']), comesAgainAtMs: undefined }))).toEqual(HAND_OVER);
    expect(handOver(situation({ drain: PARKED_NOTICE }))).toEqual(HAND_OVER);
  });
});

describe('where the queue takes no messages, a drain', () => {
  const refused = new Set(['queue'] as const);
  const waiting = (overrides: Partial<Situation<Drain>>) => withoutQueue(situation({ refused, ...overrides }));

  it('waits on a schedule rather than for its message', () => {
    const drain = drainOf({ hook: hookLimits(3_600), known: knownOf() });
    expect(waiting({ drain, policy: POLICY })).toEqual({ kind: 'park', untilMs: at(40), on: 'schedule' });
  });

  it('waits for its message to come again, and not twice in a row unless the bus refuses too', () => {
    expect(waiting({})).toEqual(LEAVE);
    expect(waiting({ comesAgainAtMs: undefined })).toEqual(HAND_OVER);
    expect(waiting({ wasLeft: true })).toEqual(HAND_OVER);
    expect(waiting({ wasLeft: true, refused: new Set(['queue', 'hand-over']) })).toEqual(LEAVE);
  });

  it('waits no longer than its hook holds, after a heartbeat if that is long enough', () => {
    const untilSeconds = 60 + HAND_OVER_SECONDS;
    expect(waiting({ drain: heldOn(120, untilSeconds - 120) })).toEqual(LEAVE);
    expect(waiting({ drain: heldOn(120, untilSeconds - 121) })).toEqual(HEARTBEAT);
    expect(waiting({ drain: heldOn(untilSeconds - 10, -20) })).toEqual(HEARTBEAT);
    expect(waiting({ drain: heldOn(untilSeconds - 11, -20) })).toEqual(HAND_OVER);
  });

  it('waits no longer than until its deadline, if it is on a notice', () => {
    const drain = PARKED_NOTICE;
    const latestMs = deadlineAtMs(drain, POLICY) - HAND_OVER_SECONDS * 1000;
    expect(waiting({ drain, comesAgainAtMs: latestMs })).toEqual(LEAVE);
    expect(waiting({ drain, comesAgainAtMs: latestMs + 1 })).toEqual(HAND_OVER);
  });
});
