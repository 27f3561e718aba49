import { describe, expect, it } from 'vitest';
import { hookLimits } from '../../src/domain/drain.ts';
import {
  conflictsIn,
  longerPollIntervalSeconds,
  lostAtMs,
  maxSilenceGapSeconds,
  type Policy,
  pollIntervalWithin,
} from '../../src/domain/policy.ts';
import { HOOK, POLICY } from '../fakes.ts';

const conflicts = (policy: Partial<Policy>, functionTimeoutSeconds = 300, heartbeatTimeoutSeconds?: number) =>
  conflictsIn(
    { ...POLICY, ...policy },
    {
      functionTimeoutSeconds,
      hook:
        heartbeatTimeoutSeconds === undefined
          ? undefined
          : { heartbeatTimeoutSeconds, globalTimeoutSeconds: Math.min(172_800, heartbeatTimeoutSeconds * 100) },
    },
  );

describe('settings that work together', () => {
  it('are the ones we ship, with our hook and with another’s', () => {
    expect(conflictsIn(POLICY, { functionTimeoutSeconds: 300, hook: HOOK })).toEqual([]);
    expect(conflictsIn(POLICY, { functionTimeoutSeconds: 300, hook: undefined })).toEqual([]);
  });

  it.each([
    ['one poll fits exactly beside the margin', { pollMinSeconds: 10 }, 30],
    ['the deadline is one poll', { deadlineSeconds: 2, stopStragglers: 'none' as const }, 300],
  ])('are those where %s', (_, policy, functionTimeoutSeconds) => {
    expect(conflicts(policy, functionTimeoutSeconds)).toEqual([]);
  });

  it('include a deadline that leaves just the reserve to the hook', () => {
    expect(conflicts({ deadlineSeconds: 2_760 }, 300, 30)).toEqual([]);
  });
});

describe('settings that cannot work together are refused with the arithmetic', () => {
  it.each<[string, Partial<Policy>, number, number | undefined, RegExp]>([
    [
      'polls the wrong way round',
      { pollMinSeconds: 30 },
      300,
      undefined,
      /pollMinSeconds 30 is above pollMaxSeconds 20/,
    ],
    [
      'a deadline below one poll',
      { deadlineSeconds: 1 },
      300,
      undefined,
      /deadlineSeconds 1 is below one poll of pollMinSeconds 2/,
    ],
    [
      'a margin above the function’s timeout',
      {},
      10,
      undefined,
      /functionTimeoutSeconds 10 - marginSeconds 20 = -10 s/,
    ],
    ['a margin that leaves no poll', {}, 21, undefined, /functionTimeoutSeconds 21 - marginSeconds 20 = 1 s/],
    [
      'more continuations than the cap',
      { deadlineSeconds: 172_800 },
      100,
      undefined,
      /172800 \/ \(functionTimeoutSeconds 100 - marginSeconds 20\) = 2160 continuations, above the cap of 2000/,
    ],
    [
      'a heartbeat interval above the hook’s timeout',
      { heartbeatFraction: 1.5 },
      300,
      3_600,
      /1\.5 × heartbeatTimeoutSeconds 3600 = a heartbeat every 5400 s, and the hook times out after 3600 s/,
    ],
    [
      'a heartbeat too late to be handed over',
      { heartbeatFraction: 0.51, deadlineSeconds: 60 },
      300,
      30,
      /heartbeatTimeoutSeconds 30 × \(1 - heartbeatFraction 0\.51\) = 14\.7 s .* less than the 15 s that handing over may take/,
    ],
    [
      'a heartbeat no sooner than the timeout of any hook',
      { heartbeatFraction: 1 },
      300,
      undefined,
      /heartbeatFraction 1 is not below 1: every heartbeat would come after the timeout of its hook; set it to 0\.5/,
    ],
    [
      'a deadline above the hook’s global timeout',
      { deadlineSeconds: 2_761 },
      300,
      30,
      /deadlineSeconds 2761 is above the hook's global timeout 3000 s .* - 240 s of reserve = 2760 s/,
    ],
    [
      'stragglers stopped as soon as the drain begins',
      { stopStragglers: 'all', deadlineSeconds: 340 },
      300,
      undefined,
      /deregistrationDelaySeconds 300 \+ the default stop timeout 30 \+ 10 s of reserve = 340 s, not below deadlineSeconds 340/,
    ],
    [
      'standalone stragglers stopped as soon as the drain begins',
      { stopStragglers: 'standalone', deadlineSeconds: 40 },
      300,
      undefined,
      /= 40 s, not below deadlineSeconds 40/,
    ],
  ])('%s', (_, policy, functionTimeoutSeconds, heartbeatTimeoutSeconds, sentence) => {
    const found = conflicts(policy, functionTimeoutSeconds, heartbeatTimeoutSeconds);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(sentence);
  });
});

describe('bounds that just hold', () => {
  it('are equal polls, and as many continuations as the cap', () => {
    expect(conflicts({ pollMinSeconds: 20 })).toEqual([]);
    expect(conflicts({ deadlineSeconds: 160_000 }, 100)).toEqual([]);
  });

  it('are stragglers that have one second before they are stopped', () => {
    expect(conflicts({ stopStragglers: 'all', deadlineSeconds: 341 })).toEqual([]);
    expect(conflicts({ stopStragglers: 'standalone', deadlineSeconds: 41 })).toEqual([]);
  });
});

describe('a parked drain has lost what would have continued it', () => {
  it('after its longest look, the schedule’s minute and the way, and Lambda’s attempts: 615 seconds', () => {
    expect(lostAtMs(1_000, HOOK, POLICY)).toBe(1_000 + (360 + 75 + 180) * 1000);
  });

  it('sooner where its heartbeats come sooner', () => {
    expect(lostAtMs(0, hookLimits(300), { ...POLICY, heartbeatFraction: 0.5 })).toBe((150 + 75 + 180) * 1000);
  });
});

describe('the silence of an agent is one', () => {
  it('as long as it is looked at every two polls and a minute, and from one close look to the next', () => {
    expect(maxSilenceGapSeconds({ ...POLICY, pollMaxSeconds: 300 })).toBe(660);
    expect(maxSilenceGapSeconds({ ...POLICY, pollMaxSeconds: 5 })).toBe(45 + 75 + 30);
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
