import { describe, expect, it } from 'vitest';
import { decide, type Situation } from '../../src/domain/decide.ts';
import type { Drain, DrainingObservation, HoldingTask, NoticeKind } from '../../src/domain/drain.ts';
import { drainOf as anyDrainOf, containerInstanceOf, HOOK, holdingTaskOf, POLICY, START_MS } from '../fakes.ts';

const at = (seconds: number) => START_MS + seconds * 1000;

const draining = (...holdingTasks: HoldingTask[]): DrainingObservation => ({
  kind: 'draining',
  registering: false,
  containerInstances: [containerInstanceOf()],
  holdingTasks,
  lastTaskStoppedAtMs: undefined,
});

/** Its registrations take no tasks, and have not for long. */
const CLOSED = { sinceMs: at(-60), containerInstances: [containerInstanceOf().arn], silent: [] };

/** The same, after a look that began then and went through everything. */
const scanned = (seconds: number, ...holdingTasks: HoldingTask[]) => ({
  ...draining(...holdingTasks),
  scannedAtMs: at(seconds),
});

/** A drain of which there is no news. */
const drainOf = (overrides: Partial<Drain> = {}) => anyDrainOf({ announced: 'stuck', closed: CLOSED, ...overrides });

/** A drain that waits for one task, its hook known, with the whole invocation ahead. */
function situation(overrides: Partial<Situation> = {}): Situation {
  const nowMs = overrides.nowMs ?? at(10);
  return {
    drain: drainOf({ hook: HOOK }),
    observation: draining(holdingTaskOf()),
    policy: POLICY,
    mayPark: false,
    random: 0.5,
    nowMs,
    invocationEndsAtMs: nowMs + 300_000,
    ...overrides,
  };
}

describe('an instance that no cluster has', () => {
  it('is gone, and Auto Scaling may go on', () => {
    const observation = { kind: 'absent', clusters: ['prod', 'batch'] } as const;
    expect(decide(situation({ observation }))).toEqual({
      kind: 'complete',
      verdict: { kind: 'gone', clusters: ['prod', 'batch'] },
    });
  });
});

describe('an instance that still takes tasks', () => {
  it('is set to DRAINING, only those registrations that are not yet', () => {
    const taking = containerInstanceOf({ arn: 'new', status: 'ACTIVE' });
    const observation = { kind: 'active', containerInstances: [containerInstanceOf(), taking] } as const;
    expect(decide(situation({ observation }))).toEqual({ kind: 'set-draining', containerInstances: [taking] });
  });

  it('is set to DRAINING even past the deadline, so that its tasks are counted before they are killed', () => {
    const observation = { kind: 'active', containerInstances: [containerInstanceOf({ status: 'ACTIVE' })] } as const;
    const drain = drainOf({ hook: HOOK, lastHeartbeatAtMs: at(8_000) });
    expect(decide(situation({ drain, observation, nowMs: at(9_000) })).kind).toBe('set-draining');
  });

  it('is kept by a heartbeat that is due before it is set to DRAINING', () => {
    const observation = { kind: 'active', containerInstances: [containerInstanceOf({ status: 'ACTIVE' })] } as const;
    expect(decide(situation({ observation, nowMs: at(1_800) }))).toEqual({ kind: 'heartbeat' });
  });

  it('is looked at again later while its agent is registering, and is not drained though it has no task', () => {
    const observation = { ...draining(), registering: true };
    expect(decide(situation({ observation }))).toEqual({ kind: 'watch', untilMs: at(12) });
  });

  it('times out if it never gets beyond registering', () => {
    const observation = { ...draining(), registering: true };
    const decision = decide(situation({ observation, nowMs: at(7_200) }));
    expect(decision).toMatchObject({ kind: 'complete', verdict: { kind: 'timed-out', killedTasks: [] } });
  });
});

describe('a draining instance without a holding task', () => {
  it('is drained, whether or not the hook was ever read', () => {
    const verdict = { kind: 'drained', lastTaskStoppedAtMs: undefined };
    expect(decide(situation({ observation: scanned(10) }))).toEqual({ kind: 'complete', verdict });
    expect(decide(situation({ observation: scanned(10), drain: drainOf() }))).toEqual({ kind: 'complete', verdict });
  });

  it('is not drained before everything was looked through, which is done at once', () => {
    expect(decide(situation({ observation: draining() }))).toEqual({ kind: 'watch', untilMs: at(10) });
  });

  it('is not drained by a look that began less than 10 s after it took no more tasks: a list may lack one', () => {
    const closed = { ...CLOSED, sinceMs: at(2) };
    const drain = drainOf({ hook: HOOK, closed });
    const early = situation({ drain, observation: { ...scanned(0), scannedAtMs: at(12) - 1 }, nowMs: at(13) });
    expect(decide(early)).toEqual({ kind: 'watch', untilMs: at(13) });
    expect(decide({ ...early, nowMs: at(5) })).toEqual({ kind: 'watch', untilMs: at(12) });
    expect(decide({ ...early, observation: scanned(12) })).toMatchObject({ verdict: { kind: 'drained' } });
  });

  it('is not waited for beyond the invocation or a heartbeat', () => {
    const closed = { ...CLOSED, sinceMs: at(2) };
    const waiting = situation({ drain: drainOf({ hook: HOOK, closed }), observation: scanned(3), nowMs: at(4) });
    expect(decide({ ...waiting, invocationEndsAtMs: at(5) })).toEqual({ kind: 'hand-over' });
    const drain = drainOf({ hook: HOOK, closed, lastHeartbeatAtMs: at(10 - 1_800) });
    expect(decide({ ...waiting, drain })).toEqual({ kind: 'watch', untilMs: at(6) });
  });

  it('is drained, not timed out, when the deadline has passed as well', () => {
    const decision = decide(situation({ observation: scanned(7_200), nowMs: at(7_200) }));
    expect(decision).toMatchObject({ verdict: { kind: 'drained' } });
  });
});

describe('the hook', () => {
  it('is read once there is something to wait for', () => {
    expect(decide(situation({ drain: drainOf() }))).toEqual({ kind: 'read-hook' });
  });

  it('is read before anything is waited for in an outage, for heartbeats depend on it', () => {
    const observation = { kind: 'unavailable', reason: 'throttled' } as const;
    expect(decide(situation({ drain: drainOf(), observation }))).toEqual({ kind: 'read-hook' });
  });
});

describe('the deadline', () => {
  it.each(['CONTINUE', 'ABANDON'] as const)('completes with the result of the policy: %s', (deadlineResult) => {
    const policy = { ...POLICY, deadlineResult };
    expect(decide(situation({ policy, nowMs: at(7_200) }))).toEqual({
      kind: 'complete',
      verdict: {
        kind: 'timed-out',
        deadlineAtMs: at(7_200),
        result: deadlineResult,
        killedTasks: [holdingTaskOf()],
      },
    });
  });

  it('has not come a millisecond before', () => {
    const drain = drainOf({ hook: HOOK, lastHeartbeatAtMs: at(7_000) });
    expect(decide(situation({ drain, nowMs: at(7_200) - 1 })).kind).toBe('watch');
  });

  it('is brought forward so that the hook does not decide first: four minutes before its global timeout', () => {
    const hook = { heartbeatTimeoutSeconds: 30, globalTimeoutSeconds: 3_000 };
    const drain = drainOf({ hook, lastHeartbeatAtMs: at(2_750) });
    expect(decide(situation({ drain, nowMs: at(2_760) - 1 })).kind).toBe('watch');
    expect(decide(situation({ drain, nowMs: at(2_760) }))).toMatchObject({ verdict: { kind: 'timed-out' } });
  });

  it('never lets go of an instance that cannot be observed', () => {
    const observation = { kind: 'unavailable', reason: 'throttled' } as const;
    const drain = drainOf({ hook: HOOK, lastHeartbeatAtMs: at(7_200) });
    expect(decide(situation({ drain, observation, nowMs: at(7_300) })).kind).toBe('watch');
  });
});

describe('a silent agent', () => {
  const drain = drainOf({ hook: HOOK, agentSilence: { sinceMs: at(100), seenLastAtMs: at(990) } });

  it('is given the whole grace of the policy', () => {
    expect(decide(situation({ drain, nowMs: at(1_000) - 1 })).kind).toBe('watch');
  });

  it('is lost after it, and the tasks it had are named', () => {
    expect(decide(situation({ drain, nowMs: at(1_000) }))).toEqual({
      kind: 'complete',
      verdict: {
        kind: 'agent-lost',
        disconnectedSinceMs: at(100),
        result: 'CONTINUE',
        killedTasks: [holdingTaskOf()],
      },
    });
  });
});

describe('stragglers', () => {
  const service = holdingTaskOf({ arn: 'service', class: 'service', stopTimeoutSeconds: 120 });
  const daemon = holdingTaskOf({ arn: 'daemon', class: 'daemon', stopTimeoutSeconds: 30 });
  const job = holdingTaskOf({ arn: 'job', class: 'standalone', stopTimeoutSeconds: 60 });
  const stoppedAt = (seconds: number, stopStragglers: 'none' | 'standalone' | 'all') =>
    decide(
      situation({
        drain: drainOf({ hook: HOOK, lastHeartbeatAtMs: at(seconds - 1) }),
        observation: draining(service, daemon, job),
        policy: { ...POLICY, stopStragglers },
        nowMs: at(seconds),
      }),
    );

  it('are left alone unless the policy names them', () => {
    expect(stoppedAt(7_199, 'none').kind).toBe('watch');
  });

  it('get their stop timeout and ten seconds more before the deadline', () => {
    expect(stoppedAt(7_130 - 0.001, 'standalone').kind).toBe('watch');
    expect(stoppedAt(7_130, 'standalone')).toEqual({ kind: 'stop-tasks', tasks: [job] });
  });

  it('of a daemon get their stop timeout and no deregistration delay', () => {
    const decided = decide(
      situation({
        drain: drainOf({ hook: HOOK, lastHeartbeatAtMs: at(7_100) }),
        observation: draining(daemon),
        policy: { ...POLICY, stopStragglers: 'all' },
        nowMs: at(7_159),
      }),
    );
    expect(decided.kind).toBe('watch');
  });

  it('of a service get the deregistration delay of their load balancer as well', () => {
    expect(stoppedAt(6_770 - 0.001, 'all').kind).toBe('watch');
    expect(stoppedAt(6_770, 'all')).toEqual({ kind: 'stop-tasks', tasks: [service] });
    expect(stoppedAt(7_160, 'all')).toEqual({ kind: 'stop-tasks', tasks: [service, daemon, job] });
  });

  it('are never told twice', () => {
    const told = { ...job, stopRequested: true };
    const policy = { ...POLICY, stopStragglers: 'all' } as const;
    const drain = drainOf({ hook: HOOK, lastHeartbeatAtMs: at(7_100) });
    expect(decide(situation({ drain, policy, observation: draining(told), nowMs: at(7_199) })).kind).toBe('watch');
  });
});

describe('a heartbeat', () => {
  it('is recorded when half of the hook’s timeout has passed since the last', () => {
    expect(decide(situation({ nowMs: at(1_800) - 1 })).kind).toBe('watch');
    expect(decide(situation({ nowMs: at(1_800) }))).toEqual({ kind: 'heartbeat' });
  });

  it('is recorded also while nothing can be observed', () => {
    const observation = { kind: 'unavailable', reason: 'throttled' } as const;
    expect(decide(situation({ observation, nowMs: at(1_800) }))).toEqual({ kind: 'heartbeat' });
  });
});

describe('a heartbeat that falls due on the way to the next invocation', () => {
  const handingOver = (lastHeartbeatAt: number) =>
    decide(
      situation({
        drain: drainOf({ hook: { ...HOOK, heartbeatTimeoutSeconds: 60 }, lastHeartbeatAtMs: at(lastHeartbeatAt) }),
        nowMs: at(1_000),
        invocationEndsAtMs: at(1_010),
      }),
    ).kind;

  it('is recorded before it', () => {
    expect(handingOver(985)).toBe('heartbeat');
    expect(handingOver(985.001)).toBe('hand-over');
  });

  it('is recorded once, however short the hook’s timeout is', () => {
    const hook = { heartbeatTimeoutSeconds: 30, globalTimeoutSeconds: 3_000 };
    const drain = drainOf({ hook, lastHeartbeatAtMs: at(999) });
    const soon = situation({ drain, nowMs: at(1_000), invocationEndsAtMs: at(1_010) });
    expect(decide({ ...soon, policy: { ...POLICY, heartbeatFraction: 0.25 } }).kind).toBe('hand-over');
  });
});

describe('a hook that Auto Scaling does not describe', () => {
  it('is assumed to be the policy’s, for deadline and heartbeats alike', () => {
    const policy = { ...POLICY, heartbeatTimeoutSeconds: 60 };
    const unread = { drain: drainOf(), policy, hookRefused: true };
    expect(decide(situation({ ...unread, nowMs: at(29.999) })).kind).toBe('watch');
    expect(decide(situation({ ...unread, nowMs: at(30) }))).toEqual({ kind: 'heartbeat' });
    expect(decide(situation({ ...unread, nowMs: at(5_760) }))).toMatchObject({ verdict: { kind: 'timed-out' } });
  });
});

describe('the next look', () => {
  const drain = drainOf({ hook: HOOK, pollIntervalSeconds: 20 });
  it.each([
    ['one poll interval away', {}, at(10), at(30)],
    ['no later than the deadline', { lastHeartbeatAtMs: at(7_000) }, at(7_190), at(7_200)],
    ['no later than the heartbeat', {}, at(1_790), at(1_800)],
    [
      'no later than the end of the agent’s grace',
      { agentSilence: { sinceMs: at(0), seenLastAtMs: at(880) } },
      at(890),
      at(900),
    ],
  ])('is %s', (_, change, nowMs, untilMs) => {
    expect(decide(situation({ drain: { ...drain, ...change }, nowMs }))).toEqual({ kind: 'watch', untilMs });
  });

  it('is no later than the moment to stop a straggler', () => {
    const policy = { ...POLICY, stopStragglers: 'all' } as const;
    const observation = draining(holdingTaskOf({ class: 'standalone', stopTimeoutSeconds: 30 }));
    const late = { ...drain, lastHeartbeatAtMs: at(7_000) };
    expect(decide(situation({ drain: late, policy, observation, nowMs: at(7_150) }))).toEqual({
      kind: 'watch',
      untilMs: at(7_160),
    });
  });

  it('is in this invocation when it falls on the last instant before the margin, however near', () => {
    const late = situation({
      drain: { ...drain, lastHeartbeatAtMs: at(7_000) },
      nowMs: at(7_199),
      invocationEndsAtMs: at(7_200 + POLICY.marginSeconds),
    });
    expect(decide(late)).toEqual({ kind: 'watch', untilMs: at(7_200) });
  });

  it.each([
    ['at the end of the invocation less its margin, if it would come later', 35, 'watch', 25],
    ['there still when that leaves time for one shortest poll', 22, 'watch', 12],
    ['in the next invocation when it leaves less', 21.999, 'hand-over', undefined],
    ['in the next invocation when the margin has begun', 5, 'hand-over', undefined],
  ])('is %s', (_, leftSeconds, kind, untilSeconds) => {
    const decision = decide(situation({ drain, invocationEndsAtMs: at(10 + leftSeconds) }));
    expect(decision.kind).toBe(kind);
    if (decision.kind === 'watch') expect(decision.untilMs).toBe(at(untilSeconds ?? Number.NaN));
  });
});

describe('the next look of many drains together', () => {
  const looks = (observation: Situation['observation']) =>
    [0, 0.5, 0.75].map((random) => {
      const drain = drainOf({ hook: HOOK, pollIntervalSeconds: 20 });
      const decision = decide(situation({ drain, observation, random, nowMs: at(10) }));
      return decision.kind === 'watch' && (decision.untilMs - at(10)) / 1000;
    });

  it('is spread by half an interval to either side where AWS throttles them together', () => {
    expect(looks({ kind: 'unavailable', reason: 'throttled' })).toEqual([10, 20, 25]);
  });

  it('is not spread where AWS answers', () => {
    expect(looks(draining(holdingTaskOf()))).toEqual([20, 20, 20]);
  });
});

describe('news of a drain', () => {
  const half = 3_600;

  it('is that it has begun to wait, as soon as it does, and until when', () => {
    const drain = anyDrainOf({ hook: HOOK });
    expect(decide(situation({ drain }))).toEqual({ kind: 'announce', news: 'started', deadlineAtMs: at(7_200) });
  });

  it('is none where nothing holds the instance: the end comes at once', () => {
    const drain = anyDrainOf({ hook: HOOK, closed: CLOSED });
    expect(decide(situation({ drain, observation: scanned(10) })).kind).toBe('complete');
  });

  it('is that it is stuck, once, after the policy’s share of the time to the deadline', () => {
    const drain = anyDrainOf({ hook: HOOK, announced: 'started', lastHeartbeatAtMs: at(half - 60) });
    expect(decide(situation({ drain, nowMs: at(half) - 1 })).kind).toBe('watch');
    expect(decide(situation({ drain, nowMs: at(half) }))).toMatchObject({ kind: 'announce', news: 'stuck' });
    const told = situation({ drain: { ...drain, announced: 'stuck' }, nowMs: at(half) });
    expect(decide(told)).toEqual({ kind: 'watch', untilMs: at(half + POLICY.pollMinSeconds) });
  });

  it('is not slept through, and never delays a heartbeat', () => {
    const drain = anyDrainOf({ hook: HOOK, announced: 'started', lastHeartbeatAtMs: at(half - 60) });
    const soon = situation({ drain, nowMs: at(half - 1) });
    expect(decide(soon)).toEqual({ kind: 'watch', untilMs: at(half) });
    const due = { ...drain, lastHeartbeatAtMs: at(half - 1_800) };
    expect(decide(situation({ drain: due, nowMs: at(half) })).kind).toBe('heartbeat');
  });
});

describe('a drain on a notice of EC2', () => {
  const notice = (kind: NoticeKind) =>
    drainOf({ action: { notice: kind, instanceId: 'i-0123456789abcdef0', token: 'event' }, hook: undefined });

  it('reads no hook and beats no heart: nothing is held', () => {
    const decision = decide(situation({ drain: notice('rebalance-recommendation'), nowMs: at(7_000) }));
    expect(decision.kind).toBe('watch');
  });

  it('ends two minutes after the warning of a Spot interruption', () => {
    const drain = notice('spot-interruption');
    expect(decide(situation({ drain, nowMs: at(120) - 1 })).kind).toBe('watch');
    expect(decide(situation({ drain, nowMs: at(120) }))).toMatchObject({ verdict: { kind: 'timed-out' } });
  });

  it('ends at the policy’s deadline after a recommendation to rebalance', () => {
    const drain = notice('rebalance-recommendation');
    expect(decide(situation({ drain, nowMs: at(7_200) }))).toMatchObject({ verdict: { kind: 'timed-out' } });
  });
});

describe('parking', () => {
  const MINUTES = 60;
  const web = holdingTaskOf({ arn: 'web' });
  const job = holdingTaskOf({ arn: 'job', class: 'standalone', stopTimeoutSeconds: 60 });
  const stopping = holdingTaskOf({ arn: 'stopping', lastStatus: 'STOPPING' });
  const deprovisioning = holdingTaskOf({ arn: 'deprovisioning', lastStatus: 'DEPROVISIONING' });
  const stopStragglers = { ...POLICY, stopStragglers: 'standalone' } as const;
  /** The last heartbeat was at this second, and no other is near. */
  const beatenAt = (seconds: number) => drainOf({ hook: HOOK, lastHeartbeatAtMs: at(seconds) });
  const silentSince = (seconds: number, seenLast: number) =>
    drainOf({ hook: HOOK, agentSilence: { sinceMs: at(seconds), seenLastAtMs: at(seenLast) } });
  const shortlyHeld = drainOf({
    hook: { heartbeatTimeoutSeconds: 3_000, globalTimeoutSeconds: 3_000 },
    lastHeartbeatAtMs: at(2_599),
  });
  const leaving = { kind: 'leaving', containerInstances: [containerInstanceOf()] } as const;
  const unavailable = { kind: 'unavailable', reason: 'throttled' } as const;
  const parkedBefore = drainOf({ hook: HOOK, parked: { untilMs: START_MS, containerInstances: [], holdingTasks: [] } });
  const parkable = (overrides: Partial<Situation> = {}) => situation({ mayPark: true, ...overrides });

  describe('a drain whose next useful moment is far', () => {
    it.each<[string, number, number, Partial<Situation>]>([
      ['the safety look, after 5 minutes', 10, 10 + 5 * MINUTES, { random: 0 }],
      ['the safety look, spread over the minute after them', 10, 10 + 5.5 * MINUTES, { random: 0.5 }],
      ['the heartbeat that is due at 1800 s', 1_500, 1_725, {}],
      ['the moment to stop a straggler, 7130 s', 6_900, 7_055, { observation: draining(job), policy: stopStragglers }],
      ['the end of the agent’s grace at 900 s', 790, 825, { drain: silentSince(0, 750) }],
      ['the deadline at 7200 s', 7_000, 7_125, {}],
      ['the deadline that the hook’s global timeout allows', 2_600, 2_685, { drain: shortlyHeld }],
    ])('is parked until %s, less 75 s for a schedule that comes late', (_, now, until, overrides) => {
      const drain = beatenAt(now > 1_800 ? now - 1 : 0);
      expect(decide(parkable({ drain, nowMs: at(now), ...overrides }))).toEqual({ kind: 'park', untilMs: at(until) });
    });

    it('is parked rather than handed over, however little is left of the invocation', () => {
      const leaving = { nowMs: at(10), invocationEndsAtMs: at(11) };
      expect(decide(situation(leaving)).kind).toBe('hand-over');
      expect(decide(parkable(leaving)).kind).toBe('park');
    });

    it('is watched where there is nowhere to park, or it was refused just now', () => {
      expect(decide(parkable({ mayPark: false }))).toEqual({ kind: 'watch', untilMs: at(12) });
    });
  });

  describe('a drain whose next useful moment is near', () => {
    it.each<[string, number, Partial<Situation>]>([
      ['the deadline', 7_200, {}],
      ['the moment to stop a straggler', 7_130, { observation: draining(job), policy: stopStragglers }],
      ['the end of the agent’s grace', 6_900, { drain: { ...beatenAt(6_700), ...silentSince(6_000, 6_750) } }],
    ])(
      'is watched from 105 s before %s on: less than half a minute of parking is not worth its calls',
      (_, due, more) => {
        const last = { lastHeartbeatAtMs: at(due - 200) };
        const near = (nowMs: number) => {
          const overridden = parkable({ drain: beatenAt(0), nowMs, ...more });
          return decide({ ...overridden, drain: { ...overridden.drain, ...last } });
        };
        expect(near(at(due - 105))).toEqual({ kind: 'park', untilMs: at(due - 75) });
        expect(near(at(due - 105) + 1)).toEqual({ kind: 'watch', untilMs: at(due - 103) + 1 });
      },
    );
  });

  describe('a heartbeat', () => {
    it('that would fall due while the drain is parked is recorded before, once', () => {
      expect(decide(parkable({ nowMs: at(1_695) - 1 }))).toEqual({ kind: 'park', untilMs: at(1_725) });
      expect(decide(parkable({ nowMs: at(1_695) }))).toEqual({ kind: 'heartbeat' });
      const beaten = { drain: beatenAt(1_695), nowMs: at(1_695) };
      expect(decide(parkable(beaten))).toEqual({ kind: 'park', untilMs: at(1_695 + 5.5 * MINUTES) });
    });

    it('comes early also for what is watched until then, such as a drain near its deadline', () => {
      const drain = beatenAt(5_400 - 20);
      expect(decide(parkable({ drain, nowMs: at(7_110) }))).toEqual({ kind: 'heartbeat' });
    });

    it.each([30, 60, 200, 208])(
      'of a hook of %i s comes when it is due, and the drain is watched: parking takes longer',
      (heartbeatTimeoutSeconds) => {
        const hook = { ...HOOK, heartbeatTimeoutSeconds };
        const drain = drainOf({ hook, lastHeartbeatAtMs: at(100) });
        const dueMs = at(100 + heartbeatTimeoutSeconds / 2);
        expect(decide(parkable({ drain, nowMs: at(100) }))).toEqual({ kind: 'watch', untilMs: at(102) });
        expect(decide(parkable({ drain, nowMs: dueMs - 1 })).kind).toBe('watch');
        expect(decide(parkable({ drain, nowMs: dueMs }))).toEqual({ kind: 'heartbeat' });
      },
    );
  });

  it('of half a minute is just worth it between two heartbeats, which come when they are due', () => {
    const drain = drainOf({ hook: { ...HOOK, heartbeatTimeoutSeconds: 210 }, lastHeartbeatAtMs: at(100) });
    expect(decide(parkable({ drain, nowMs: at(100) }))).toEqual({ kind: 'park', untilMs: at(130) });
    expect(decide(parkable({ drain, nowMs: at(205) }))).toEqual({ kind: 'heartbeat' });
  });

  describe('what is looked at', () => {
    it.each<[string, number, Partial<Situation>]>([
      [
        'closely, after 45 s, when only tasks are left that have been told to stop',
        45,
        { observation: draining(stopping, deprovisioning) },
      ],
      ['closely while an agent is silent: it sends no event', 45, { drain: silentSince(5, 10) }],
      [
        'closely while an instance is registering: it may be given tasks',
        45,
        { observation: { ...draining(web), registering: true } },
      ],
      [
        'closely while an instance without tasks is registering',
        45,
        { observation: { ...draining(), registering: true } },
      ],
      ['for safety when one of several has still to be told to stop', 330, { observation: draining(stopping, web) }],
      ['for its tasks, after 60 to 120 s, when they were not listed yet', 90, { observation: leaving }],
      ['after 60 to 120 s when ECS did not answer', 90, { observation: unavailable, drain: parkedBefore }],
    ])('is looked at %s', (_, seconds, overrides) => {
      expect(decide(parkable({ nowMs: at(10), ...overrides }))).toEqual({ kind: 'park', untilMs: at(10 + seconds) });
    });

    it('many drains together is spread by chance: the listing over a minute, the safety look over another', () => {
      const parkedFor = (random: number, overrides: Partial<Situation>) => {
        const decision = decide(parkable({ nowMs: at(0), random, ...overrides }));
        return decision.kind === 'park' ? (decision.untilMs - at(0)) / 1000 : decision.kind;
      };
      expect([0, 0.25, 0.75].map((random) => parkedFor(random, { observation: leaving }))).toEqual([60, 75, 105]);
      expect([0, 0.25, 0.75].map((random) => parkedFor(random, {}))).toEqual([300, 315, 345]);
    });
  });

  describe('a drain woken by the stop of a task', () => {
    it('is watched while ECS still shows that task, and it alone: its event will not come again', () => {
      const woken = { stoppedTask: web.arn, observation: draining(web) };
      expect(decide(parkable(woken))).toEqual({ kind: 'watch', untilMs: at(12) });
      expect(decide(parkable({ ...woken, observation: draining({ ...web, lastStatus: 'DEPROVISIONING' }) })).kind).toBe(
        'watch',
      );
    });

    it.each([
      [8, 'watch'],
      [8.1, 'park'],
    ])(
      'waits for an ECS that does not answer while its polls come at most every 8 s: at %d s it is to %s',
      (s, kind) => {
        const drain = { ...parkedBefore, pollIntervalSeconds: s };
        const woken = { stoppedTask: web.arn, observation: unavailable };
        expect(decide(parkable({ ...woken, drain })).kind).toBe(kind);
      },
    );

    it('is parked again while another task is left', () => {
      const woken = { stoppedTask: web.arn, observation: draining(web, job) };
      expect(decide(parkable(woken))).toMatchObject({ kind: 'park' });
    });
  });

  describe('an instance that may be given tasks', () => {
    it.each<[string, Partial<Situation>, string]>([
      [
        'was only found',
        { observation: { kind: 'listed', containerInstances: [containerInstanceOf()] } },
        'set-draining',
      ],
      [
        'is ACTIVE',
        { observation: { kind: 'active', containerInstances: [containerInstanceOf({ status: 'ACTIVE' })] } },
        'set-draining',
      ],
      ['was never seen at all', { observation: unavailable }, 'watch'],
    ])('is never parked: one that %s', (_, overrides, kind) => {
      expect(decide(parkable(overrides)).kind).toBe(kind);
      expect(decide(parkable({ ...overrides, nowMs: at(1_695) })).kind).not.toBe('park');
      expect(decide(parkable({ ...overrides, nowMs: at(1_800) })).kind).toBe('heartbeat');
    });
  });
});
