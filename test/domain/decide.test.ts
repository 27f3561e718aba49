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

/** A drain of which there is no news. */
const drainOf = (overrides: Partial<Drain> = {}) => anyDrainOf({ announced: 'stuck', ...overrides });

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
    expect(decide(situation({ observation: draining() }))).toEqual({ kind: 'complete', verdict });
    expect(decide(situation({ observation: draining(), drain: drainOf() }))).toEqual({ kind: 'complete', verdict });
  });

  it('is drained, not timed out, when the deadline has passed as well', () => {
    const decision = decide(situation({ observation: draining(), nowMs: at(7_200) }));
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

describe('news of a drain', () => {
  const half = 3_600;

  it('is that it has begun to wait, as soon as it does, and until when', () => {
    const drain = anyDrainOf({ hook: HOOK });
    expect(decide(situation({ drain }))).toEqual({ kind: 'announce', news: 'started', deadlineAtMs: at(7_200) });
  });

  it('is none where nothing holds the instance: the end comes at once', () => {
    const drain = anyDrainOf({ hook: HOOK });
    expect(decide(situation({ drain, observation: draining() })).kind).toBe('complete');
  });

  it('is that it is stuck, once, after the policy’s share of the time to the deadline', () => {
    const drain = anyDrainOf({ hook: HOOK, announced: 'started', lastHeartbeatAtMs: at(half - 60) });
    expect(decide(situation({ drain, nowMs: at(half) - 1 })).kind).toBe('watch');
    expect(decide(situation({ drain, nowMs: at(half) }))).toMatchObject({ kind: 'announce', news: 'stuck' });
    expect(decide(situation({ drain: { ...drain, announced: 'stuck' }, nowMs: at(half) })).kind).toBe('watch');
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
