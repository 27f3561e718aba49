import { describe, expect, it } from 'vitest';
import { hookLimits } from '../../src/domain/drain.ts';
import {
  agentLostAtMs,
  deadlineAtMs,
  deadlineUsedPercent,
  givenUpAtMs,
  heartbeatDueAtMs,
  isJustEmptied,
  limitsOf,
  longerPollIntervalSeconds,
  lostAtMs,
  maxSilenceGapSeconds,
  nearDeadlineAtMs,
  parkedLookAtMs,
  policyOf,
  pollIntervalWithin,
  settledAtMs,
  stuckAtMs,
  wholeSecond,
} from '../../src/domain/policy.ts';
import { stopDueAtMs } from '../../src/domain/stragglers.ts';
import { at, drainOf, HOOK, holdingTaskOf, noticeDrainOf, POLICY } from './samples.ts';

const closed = { sinceMs: at(0), containerInstances: [], silent: [] };

describe('the hook', () => {
  it('is assumed to be the policy’s while Auto Scaling has not described it, and for a notice', () => {
    const policy = { ...POLICY, heartbeatTimeoutSeconds: 60 };
    expect(limitsOf(drainOf({ hook: HOOK }), policy)).toEqual(HOOK);
    expect(limitsOf(drainOf(), policy)).toEqual(hookLimits(60));
    expect(limitsOf(noticeDrainOf(), policy)).toEqual(hookLimits(60));
  });

  it('is due a heartbeat after its fraction of the timeout; a notice never is', () => {
    const drain = drainOf({ hook: hookLimits(100), lastHeartbeatAtMs: at(7) });
    expect(heartbeatDueAtMs(drain, { ...POLICY, heartbeatFraction: 0.25 })).toBe(at(32));
    expect(heartbeatDueAtMs(noticeDrainOf(), POLICY)).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('what the hook chooses', () => {
  const policy = { ...POLICY, stopStragglers: 'standalone' as const };
  const choices = {
    deadlineSeconds: 900,
    deadlineResult: 'ABANDON',
    stopStragglers: 'none',
    deregistrationDelaySeconds: 60,
  } as const;

  it('is the policy of the drain, and of a drain alone whose hook chooses', () => {
    expect(policyOf(drainOf({ hook: { ...HOOK, choices } }), policy)).toEqual({ ...policy, ...choices });
    expect(policyOf(drainOf({ hook: { ...HOOK, choices: { deadlineSeconds: 900 } } }), policy)).toEqual({
      ...policy,
      deadlineSeconds: 900,
    });
    for (const drain of [drainOf({ hook: HOOK }), drainOf(), noticeDrainOf()]) {
      expect(policyOf(drain, policy)).toEqual(policy);
    }
  });

  it('is never more than the stack allows, which may have been lowered since', () => {
    const more = { deadlineSeconds: 9_000, stopStragglers: 'all', deregistrationDelaySeconds: 600 } as const;
    expect(policyOf(drainOf({ hook: { ...HOOK, choices: more } }), policy)).toEqual(policy);
  });

  it('brings the deadline forward', () => {
    expect(deadlineAtMs(drainOf({ hook: { ...HOOK, choices } }), policy)).toBe(at(900));
  });
});

describe('the deadline', () => {
  it('is the policy’s, or four minutes before the hook’s global timeout where that is earlier', () => {
    expect(deadlineAtMs(drainOf({ hook: HOOK }), POLICY)).toBe(at(7_200));
    expect(deadlineAtMs(drainOf({ hook: hookLimits(30) }), POLICY)).toBe(at(2_760));
  });

  it('is five seconds before EC2 takes a Spot instance, so that what is lost is reported, and the policy’s after a recommendation', () => {
    expect(deadlineAtMs(noticeDrainOf('spot-interruption'), POLICY)).toBe(at(115));
    expect(deadlineAtMs(noticeDrainOf('spot-interruption'), { ...POLICY, deadlineSeconds: 60 })).toBe(at(60));
    expect(deadlineAtMs(noticeDrainOf('rebalance-recommendation'), { ...POLICY, deadlineSeconds: 172_800 })).toBe(
      at(172_800),
    );
  });

  it('has been used up in per cent, beyond 100 where AWS keeps the drain from ending', () => {
    const used = (seconds: number) => deadlineUsedPercent(drainOf({ startedAtMs: at(100) }), POLICY, at(seconds));
    expect([0, 100, 1_900, 7_300, 9_100].map(used)).toEqual([0, 0, 25, 100, 125]);
  });

  it('is near after 80 % of the time, and the drain stuck after the policy’s fraction of it', () => {
    const drain = drainOf({ startedAtMs: at(100) });
    expect(nearDeadlineAtMs(drain, POLICY)).toBe(at(5_860));
    expect(stuckAtMs(drain, { ...POLICY, stuckFraction: 0.25 })).toBe(at(1_900));
  });
});

describe('a task that is stopped ahead of the deadline', () => {
  const dueBefore = (stopStragglers: 'none' | 'standalone' | 'all', task: Parameters<typeof holdingTaskOf>[0]) =>
    (at(7_200) - stopDueAtMs(holdingTaskOf(task), at(7_200), { ...POLICY, stopStragglers }, 0.75)) / 1000;

  it('is stopped so early that it has its stop timeout and ten to thirty seconds, and a service’s its deregistration delay', () => {
    expect(dueBefore('all', { class: 'service', stopTimeoutSeconds: 120 })).toBe(435);
    expect(dueBefore('all', { class: 'daemon', stopTimeoutSeconds: 120 })).toBe(135);
    expect(dueBefore('standalone', { class: 'standalone', stopTimeoutSeconds: 120 })).toBe(135);
    expect(dueBefore('all', { class: 'standalone', stopTimeoutSeconds: undefined })).toBe(45);
  });

  it('is never stopped if the policy leaves it alone, or ECS was asked already', () => {
    expect(dueBefore('none', { class: 'standalone' })).toBe(Number.NEGATIVE_INFINITY);
    expect(dueBefore('standalone', { class: 'service' })).toBe(Number.NEGATIVE_INFINITY);
    expect(dueBefore('all', { stopRequested: true })).toBe(Number.NEGATIVE_INFINITY);
  });
});

describe('ECS’s lists', () => {
  it('have settled ten seconds after the instance takes no more tasks, and never before it does', () => {
    expect(settledAtMs(closed)).toBe(at(10));
    expect(settledAtMs(undefined)).toBe(Number.POSITIVE_INFINITY);
  });

  it('may be behind an event that calls the instance empty for a minute', () => {
    const emptied = drainOf({ emptiedAtMs: at(5) });
    expect(isJustEmptied(emptied, at(65) - 1)).toBe(true);
    expect(isJustEmptied(emptied, at(65))).toBe(false);
    expect(isJustEmptied(drainOf(), at(5))).toBe(false);
  });
});

describe('a silent agent', () => {
  const silence = { sinceMs: at(0), seenLastAtMs: at(0), containerInstances: [] };

  it('is lost after the policy’s grace, and not before ECS’s lists have settled', () => {
    expect(agentLostAtMs(silence, closed, POLICY)).toBe(at(900));
    expect(agentLostAtMs(silence, { ...closed, sinceMs: at(895) }, POLICY)).toBe(at(905));
    expect(agentLostAtMs(silence, undefined, POLICY)).toBe(Number.POSITIVE_INFINITY);
  });

  it('is silent as long as it is observed every two polls and a minute, and from one close look to the next', () => {
    expect(maxSilenceGapSeconds({ ...POLICY, pollMaxSeconds: 300 })).toBe(660);
    expect(maxSilenceGapSeconds({ ...POLICY, pollMaxSeconds: 5 })).toBe(45 + 75 + 30);
  });
});

describe('a drain that nothing continues', () => {
  it('is lost after its longest wait, the reserve for a lost message, the schedule’s minute and the attempts after a crash', () => {
    expect(lostAtMs(at(1), HOOK, POLICY)).toBe(at(1 + 540 + 120 + 75 + 180));
  });

  it('is lost sooner where its heartbeats come sooner', () => {
    expect(lostAtMs(at(0), hookLimits(300), POLICY)).toBe(at(150 + 120 + 75 + 180));
  });

  it('is given up a heartbeat timeout after its deadline would have been found missed', () => {
    const drain = drainOf({ hook: hookLimits(300) });
    expect(givenUpAtMs(drain, POLICY)).toBe(at(7_200 + 150 + 120 + 75 + 180 + 300));
  });
});

describe('a look at a parked drain', () => {
  it.each([
    ['listing', 15, 75],
    ['closely', 45, 45],
    ['safely', 480, 510],
  ] as const)('is for %s from %i s on, spread by chance', (look, first, middle) => {
    expect(parkedLookAtMs(look, at(1), 0)).toBe(at(1 + first));
    expect(parkedLookAtMs(look, at(1), 0.5)).toBe(at(1 + middle));
  });

  it('is spread no further than there is time for that', () => {
    expect([0, 0.5].map((random) => parkedLookAtMs('listing', at(1), random, at(36)))).toEqual([at(16), at(26)]);
    expect(parkedLookAtMs('listing', at(1), 0.5, at(2))).toBe(at(16));
    expect(parkedLookAtMs('listing', at(1), 0.5, at(500))).toBe(at(76));
  });

  it('is in whole milliseconds', () => {
    expect(parkedLookAtMs('listing', at(0), 0.123_456_7)).toBe(at(0) + 29_815);
  });
});

describe('the poll interval', () => {
  it('grows by half while nothing changes, up to the longest', () => {
    const intervals = [2];
    for (let i = 0; i < 8; i++) intervals.push(longerPollIntervalSeconds(intervals.at(-1) ?? 0, POLICY));
    expect(intervals).toEqual([2, 3, 4.5, 6.75, 10.125, 15.1875, 20, 20, 20]);
  });

  it('stays within the bounds of the policy, whatever a continuation brought', () => {
    expect([0, 2, 7, 20, 300].map((seconds) => pollIntervalWithin(POLICY, seconds))).toEqual([2, 2, 7, 20, 20]);
  });
});

it('a whole second is never earlier than the instant', () => {
  expect([0, 1, 999, 1_000].map((ms) => wholeSecond(at(3) + ms))).toEqual([at(3), at(4), at(4), at(4)]);
});
