import { describe, expect, it } from 'vitest';
import { hookLimits, MANAGED_DRAINING_HOOK } from '../../src/domain/drain.ts';
import type { Policy } from '../../src/domain/policy.ts';
import { choiceConflictsIn, choicesBeyond, conflictsIn, interferenceOf } from '../../src/domain/policy-conflicts.ts';
import { HOOK, POLICY } from './samples.ts';

const conflicts = (policy: Partial<Policy>, functionTimeoutSeconds = 60, heartbeatTimeoutSeconds?: number) => {
  const hook = heartbeatTimeoutSeconds === undefined ? undefined : hookLimits(heartbeatTimeoutSeconds);
  return conflictsIn({ ...POLICY, ...policy }, { functionTimeoutSeconds, hook });
};

describe('settings work together', () => {
  it('as they are shipped, with our hook and with another’s', () => {
    expect(conflictsIn(POLICY, { functionTimeoutSeconds: 60, hook: HOOK })).toEqual([]);
    expect(conflictsIn(POLICY, { functionTimeoutSeconds: 60, hook: undefined })).toEqual([]);
  });

  it.each<[string, Partial<Policy>, number?, number?]>([
    ['the polls are equal', { pollMinSeconds: 20 }],
    ['the deadline is one poll', { deadlineSeconds: 2 }],
    [
      'a drain without schedules polls each second for 48 hours',
      { ...watching(2), pollMinSeconds: 1, pollMaxSeconds: 1, deadlineSeconds: 172_000 },
    ],
    ['an agent has longer than the drain', { deadlineSeconds: 172_000, agentGraceSeconds: 172_800 }],
    ['five seconds are left for a round beside the margin', {}, 25],
    ['a heartbeat that is due leaves just the time to hand over', { deadlineSeconds: 60 }, 60, 30],
    ['the deadline leaves just the reserve to the hook', { deadlineSeconds: 2_760 }, 60, 30],
    ['stragglers have a second before they are stopped', { stopStragglers: 'all', deadlineSeconds: 361 }],
    [
      'standalone stragglers have a second before they are stopped',
      { stopStragglers: 'standalone', deadlineSeconds: 61 },
    ],
  ])('where %s', (_, policy, functionTimeoutSeconds, heartbeatTimeoutSeconds) => {
    expect(conflicts(policy, functionTimeoutSeconds, heartbeatTimeoutSeconds)).toEqual([]);
  });
});

describe('what a hook chooses', () => {
  it('works within the policy of the stack', () => {
    const policy = { ...POLICY, stopStragglers: 'all' as const };
    const most = { deadlineSeconds: 7_200, stopStragglers: 'all', deregistrationDelaySeconds: 300 } as const;
    expect(choiceConflictsIn(most, policy)).toEqual([]);
    for (const choices of [most, { deadlineResult: 'ABANDON', stopStragglers: 'none' } as const, {}]) {
      expect([...choiceConflictsIn(choices, policy), ...choicesBeyond(choices, policy)]).toEqual([]);
    }
  });

  it('is bounded by it: a sentence for each choice beyond', () => {
    const beyond = { deadlineSeconds: 7_201, stopStragglers: 'standalone', deregistrationDelaySeconds: 301 } as const;
    expect(choiceConflictsIn(beyond, POLICY)).toEqual([]);
    expect(choicesBeyond(beyond, POLICY)).toEqual([
      "deadlineSeconds 7201 is above the stack's own deadlineSeconds 7200, which holds instead: lower it, or raise the setting and deploy again.",
      "deregistrationDelaySeconds 301 is above the stack's own deregistrationDelaySeconds 300, which holds instead: lower it, or raise the setting and deploy again.",
      "stopStragglers standalone would stop more than the stack's own stopStragglers none, which holds instead: choose that or less, or change the setting and deploy again.",
    ]);
  });

  it('does not work where tasks would be stopped at once', () => {
    expect(choiceConflictsIn({ deadlineSeconds: 340 }, { ...POLICY, stopStragglers: 'all' })).toEqual([
      expect.stringContaining('stopStragglers all would stop tasks at once'),
    ]);
  });
});

function watching(pollMaxSeconds: number): Partial<Policy> {
  return { waiting: 'watch', pollMaxSeconds };
}

describe('settings that cannot work together are refused with the arithmetic', () => {
  it.each<[string, Partial<Policy>, number, number | undefined, string]>([
    [
      'polls the wrong way round',
      { pollMinSeconds: 30 },
      60,
      undefined,
      'pollMinSeconds 30 is above pollMaxSeconds 20: lower the first or raise the second.',
    ],
    [
      'a deadline below one poll',
      { deadlineSeconds: 1 },
      60,
      undefined,
      'deadlineSeconds 1 is below one poll of pollMinSeconds 2: the drain would end before it looked twice; raise deadlineSeconds.',
    ],
    [
      'a margin above the function’s timeout',
      {},
      10,
      undefined,
      'functionTimeoutSeconds 10 - marginSeconds 20 = -10 s, less than the 5 s that a round of calls needs; lower marginSeconds or raise functionTimeoutSeconds.',
    ],
    [
      'a margin that leaves no time for a round',
      {},
      24,
      undefined,
      'functionTimeoutSeconds 24 - marginSeconds 20 = 4 s, less than the 5 s that a round of calls needs; lower marginSeconds or raise functionTimeoutSeconds.',
    ],
    [
      'a heartbeat interval above the hook’s timeout',
      { heartbeatFraction: 1.5 },
      60,
      3_600,
      'heartbeatFraction 1.5 is not below 1: heartbeatFraction 1.5 × heartbeatTimeoutSeconds 3600 = a heartbeat every 5400 s, and the hook times out after 3600 s; set it to 0.5, say.',
    ],
    [
      'a heartbeat no sooner than the timeout of any hook',
      { heartbeatFraction: 1 },
      60,
      undefined,
      'heartbeatFraction 1 is not below 1: every heartbeat would come after the timeout of its hook; set it to 0.5, say.',
    ],
    [
      'a heartbeat too late to be handed over',
      { heartbeatFraction: 0.51, deadlineSeconds: 60 },
      60,
      30,
      "heartbeatTimeoutSeconds 30 × (1 - heartbeatFraction 0.51) = 14.7 s from a heartbeat that is due to the hook's timeout, less than the 15 s that handing over may take; lower heartbeatFraction or raise heartbeatTimeoutSeconds.",
    ],
    [
      'a deadline above the hook’s global timeout',
      { deadlineSeconds: 2_761 },
      60,
      30,
      "deadlineSeconds 2761 is above the hook's global timeout 3000 s (the lesser of 48 hours and 100 × heartbeatTimeoutSeconds 30) - 240 s of reserve = 2760 s; lower deadlineSeconds or raise heartbeatTimeoutSeconds.",
    ],
    [
      'stragglers stopped as soon as the drain begins',
      { stopStragglers: 'all', deadlineSeconds: 360 },
      60,
      undefined,
      'stopStragglers all would stop tasks at once: deregistrationDelaySeconds 300 + containerStopTimeoutSeconds 30 + 30 s of reserve = 360 s, not below deadlineSeconds 360; raise deadlineSeconds.',
    ],
    [
      'standalone stragglers stopped as soon as the drain begins',
      { stopStragglers: 'standalone', deadlineSeconds: 60 },
      60,
      undefined,
      'stopStragglers standalone would stop tasks at once: deregistrationDelaySeconds 0 + containerStopTimeoutSeconds 30 + 30 s of reserve = 60 s, not below deadlineSeconds 60; raise deadlineSeconds.',
    ],
  ])('%s', (_, policy, functionTimeoutSeconds, heartbeatTimeoutSeconds, sentence) => {
    expect(conflicts(policy, functionTimeoutSeconds, heartbeatTimeoutSeconds)).toEqual([sentence]);
  });

  it('all of them at once', () => {
    expect(conflicts({ pollMinSeconds: 30, heartbeatFraction: 1 }, 10)).toHaveLength(3);
  });
});

describe('a hook of others', () => {
  const hook = { name: 'logs', limits: hookLimits(600), defaultResult: 'ABANDON' } as const;
  const said = (more: object, deadlineSeconds = 601) => interferenceOf({ ...hook, ...more }, ['ours'], deadlineSeconds);

  it('ends our wait if it times out first, and ABANDON is its result', () => {
    expect(said({})).toBe(
      'The hook logs, which is not ours, times out after 600 s without a heartbeat, and its default result ABANDON ends the wait of every hook: a drain may need up to 601 s.',
    );
    expect(said({ defaultResult: undefined })).toBeDefined();
    expect(said({}, 600)).toBeUndefined();
    expect(said({ defaultResult: 'CONTINUE' })).toBeUndefined();
    expect(said({ name: 'ours' })).toBeUndefined();
    expect(said({ name: MANAGED_DRAINING_HOOK })).toBeUndefined();
  });
});
