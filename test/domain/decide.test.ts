import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decide } from '../../src/domain/decide.ts';
import type { Decision, DecisionKind, Situation } from '../../src/domain/decision.ts';
import { hookLimits, isOnlyRecommended, type NoticeKind } from '../../src/domain/drain.ts';
import type { ContainerInstanceStatus, HoldingTask, Observation } from '../../src/domain/observation.ts';
import {
  agentLostAtMs,
  deadlineAtMs,
  heartbeatDueAtMs,
  hookTimesOutAtMs,
  type Policy,
  policyOf,
  SCHEDULE_LATE_SECONDS,
  settledAtMs,
  wholeSecond,
} from '../../src/domain/policy.ts';
import { holdingIn, stopDueAtMs } from '../../src/domain/stragglers.ts';
import { anySituation } from './any-situation.ts';
import {
  at,
  containerInstanceOf,
  HOOK,
  holdingTaskOf,
  knownOf,
  drainOf as newDrainOf,
  noticeDrainOf,
  POLICY,
  seenOf,
  UNDISTURBED,
} from './samples.ts';

const WATCH: Policy = { ...POLICY, waiting: 'watch' };
const THROTTLED: Observation = { kind: 'unavailable', reason: 'throttled' };

/** What a drain has that has been at it for a while: ECS's lists have settled since the second -50. */
const UNDER_WAY = {
  announced: 'stuck',
  closed: { sinceMs: at(-60), containerInstances: [containerInstanceOf().arn], silent: [] },
  known: knownOf(),
} as const;

const drainOf = (overrides: Parameters<typeof newDrainOf>[0] = {}) =>
  newDrainOf({ hook: HOOK, ...UNDER_WAY, ...overrides });

/** The last heartbeat was at this second, so that no other is near. */
const beatenAt = (seconds: number) => drainOf({ lastHeartbeatAtMs: at(seconds) });

/** At second 10, a drain that waits for one task of a service. */
function situation(overrides: Partial<Situation> = {}): Situation {
  return {
    drain: drainOf(),
    observation: seenOf(),
    ...UNDISTURBED,
    policy: POLICY,
    nowMs: at(10),
    random: 0.5,
    ...overrides,
  };
}

const refused = (...kinds: (DecisionKind | 'queue')[]) => new Set(kinds);
const parkUntil = (seconds: number, on: 'schedule' | 'queue' | 'both') => ({ kind: 'park', untilMs: at(seconds), on });
const look = (registrations: 'known' | 'search', tasks: 'known' | 'list') =>
  ({ kind: 'look', scope: { registrations, tasks } }) as const;

/** An instance of which no task is left, by a list and a search of these seconds. */
const emptied = (listedAt = 0, searchedAt?: number, isEmpty = true) =>
  seenOf([], {
    containerInstances: [containerInstanceOf({ countedTasks: 0, isEmpty })],
    tasks: { holding: [], lastStoppedAtMs: at(-5), listedAtMs: at(listedAt) },
    searchedAtMs: searchedAt === undefined ? undefined : at(searchedAt),
  });

const unlisted = (...statuses: ContainerInstanceStatus[]) =>
  seenOf([], { containerInstances: statuses.map((status) => containerInstanceOf({ status })), tasks: undefined });

describe('the work of an invocation', () => {
  it('is handed over when its time is up, whatever is left to do', () => {
    expect(decide(situation({ isOutOfTime: true, observation: emptied(0, 0) }))).toEqual({ kind: 'hand-over' });
  });

  it('waits on a schedule alone where the queue refuses, though that may be late', () => {
    expect(decide(situation({ refused: refused('queue') }))).toEqual(parkUntil(40, 'schedule'));
  });

  it.each<[string, Partial<Situation>]>([
    ['the operator wants none', { policy: WATCH }],
    ['Scheduler refuses as well', { refused: refused('queue', 'park') }],
    [
      'its hook, which is not read, may be too short for one',
      { drain: drainOf({ hook: undefined }), refused: refused('queue', 'read-hook') },
    ],
    ['its hook is too short for one', { drain: drainOf({ hook: hookLimits(104), lastHeartbeatAtMs: at(10) }) }],
    [
      'a heartbeat that its hook needs first is refused',
      { drain: drainOf({ hook: hookLimits(120), lastHeartbeatAtMs: at(-10) }), refused: refused('queue', 'heartbeat') },
    ],
  ])('is handed over through the bus where the queue refuses and a schedule is of no use: %s', (_, overrides) => {
    expect(decide(situation({ refused: refused('queue'), ...overrides }))).toEqual({ kind: 'hand-over' });
  });

  it('keeps its hook with a heartbeat first where the schedule would fire after the hook has timed out', () => {
    const drain = drainOf({ hook: hookLimits(120), lastHeartbeatAtMs: at(115 - 120) });
    expect(decide(situation({ drain, refused: refused('queue') })).kind).toBe('park');
    const late = { ...drain, lastHeartbeatAtMs: drain.lastHeartbeatAtMs - 1 };
    expect(decide(situation({ drain: late, refused: refused('queue') }))).toEqual({ kind: 'heartbeat' });
  });

  it('records no heartbeat right after one: it would be too early again after each slow call', () => {
    const drain = drainOf({ hook: hookLimits(105), lastHeartbeatAtMs: at(5) });
    expect(decide(situation({ drain, refused: refused('queue') }))).toEqual({ kind: 'hand-over' });
  });
});

describe('a round begins', () => {
  const begin = (drain: Situation['drain'], isWoken = false) =>
    decide(situation({ drain, isWoken, observation: undefined }));
  const known = (listedAt: number) =>
    knownOf(seenOf([], { tasks: { holding: [], lastStoppedAtMs: undefined, listedAtMs: at(listedAt) } }));

  it('with setting the instance to DRAINING, where nothing is known of it', () => {
    expect(begin(drainOf({ known: undefined }))).toEqual({ kind: 'set-draining' });
  });

  it('with the registrations and tasks that are known', () => {
    expect(begin(drainOf())).toEqual(look('known', 'known'));
  });

  it('with a list of the tasks, where none was made since ECS’s lists have settled', () => {
    expect(begin(drainOf({ known: knownOf(unlisted('DRAINING')) }))).toEqual(look('known', 'list'));
    expect(begin(drainOf({ known: known(-50.001) }))).toEqual(look('known', 'list'));
    expect(begin(drainOf({ known: known(-50) }))).toEqual(look('known', 'known'));
  });

  it('with a search, where an event has called the instance empty: it may end at once', () => {
    expect(begin(drainOf(), true)).toEqual(look('search', 'known'));
  });
});

describe('an instance that no cluster has', () => {
  it('is gone, and Auto Scaling may go on', () => {
    const observation = { kind: 'absent', clusters: ['prod', 'batch'] } as const;
    const verdict = { kind: 'gone', clusters: ['prod', 'batch'] };
    expect(decide(situation({ observation }))).toEqual({ kind: 'complete', verdict });
  });
});

describe('an instance that may be given tasks', () => {
  const active = unlisted('DRAINING', 'ACTIVE');

  it('is set to DRAINING, past the deadline too: its tasks are counted before they are killed', () => {
    expect(decide(situation({ observation: active }))).toEqual({ kind: 'set-draining' });
    const late = { drain: beatenAt(8_000), nowMs: at(9_000), isStartVerified: true };
    expect(decide(situation({ ...late, observation: active }))).toEqual({ kind: 'set-draining' });
  });

  it('is kept by a heartbeat that is due before, once Auto Scaling takes it', () => {
    const due = situation({ observation: active, nowMs: at(1_800) });
    expect(decide(due)).toEqual({ kind: 'heartbeat' });
    expect(decide({ ...due, nowMs: at(1_800) - 1 })).toEqual({ kind: 'set-draining' });
    expect(decide({ ...due, refused: refused('heartbeat') })).toEqual({ kind: 'set-draining' });
  });

  it('is not drained while its agent is registering, though it has no task', () => {
    const containerInstances = [containerInstanceOf({ status: 'REGISTERING' })];
    const observation = { ...emptied(0, 0), containerInstances };
    expect(decide(situation({ observation }))).toEqual(parkUntil(55, 'schedule'));
    expect(decide(situation({ observation: unlisted('REGISTERING') }))).toEqual(parkUntil(12, 'both'));
    const late = situation({ observation, nowMs: at(7_200), isStartVerified: true });
    expect(decide(late)).toMatchObject({ verdict: { kind: 'timed-out', killedTasks: [] } });
  });
});

describe('an instance without a holding task', () => {
  const drained = { kind: 'complete', verdict: { kind: 'drained', lastTaskStoppedAtMs: at(-5) } };
  /** It takes no tasks since the second 2, so ECS's lists settle at 12. */
  const closed = { ...UNDER_WAY.closed, sinceMs: at(2) };
  const unsettled = (overrides: Partial<Situation> = {}) =>
    situation({ drain: drainOf({ closed }), observation: emptied(4, 4), nowMs: at(5), ...overrides });

  it('is drained once its tasks were listed and its registrations searched, whether or not the hook was read', () => {
    expect(decide(situation({ observation: emptied(0, 0) }))).toEqual(drained);
    expect(decide(situation({ observation: emptied(0, 0), drain: drainOf({ hook: undefined }) }))).toEqual(drained);
  });

  it('is searched first where only known registrations were described', () => {
    expect(decide(situation({ observation: emptied(0) }))).toEqual(look('search', 'known'));
  });

  it('is believed to be empty only by a list and a search that began when ECS’s lists had settled', () => {
    const late = (listedAt: number, searchedAt: number) =>
      decide(unsettled({ nowMs: at(13), observation: emptied(listedAt, searchedAt) }));
    expect(late(11.999, 12)).toEqual(look('search', 'list'));
    expect(late(12, 11.999)).toEqual(look('search', 'known'));
    expect(late(12, 12)).toEqual(drained);
  });

  it('has its tasks listed again where memory is still in use: it may have been ACTIVE for a while, unseen', () => {
    expect(decide(situation({ observation: emptied(0, undefined, false) }))).toEqual(look('search', 'list'));
    expect(decide(situation({ observation: emptied(0, 9, false) }))).toEqual(look('search', 'list'));
    expect(decide(situation({ observation: emptied(9, 9, false) }))).toEqual(drained);
  });

  it('has its hook read before they settle, where one of the shortest would need a heartbeat first', () => {
    const late = { ...closed, sinceMs: at(7) };
    const unread = (since: typeof closed) => decide(unsettled({ drain: drainOf({ closed: since, hook: undefined }) }));
    expect(unread(closed)).toEqual(parkUntil(12, 'queue'));
    expect(unread(late)).toEqual({ kind: 'read-hook' });
  });

  it('is not said to have killed none at its deadline before they settle, though the queue refuses the wait', () => {
    const atDeadline = (sinceSeconds: number) =>
      decide(
        unsettled({
          drain: drainOf({ closed: { ...closed, sinceMs: at(sinceSeconds) }, lastHeartbeatAtMs: at(7_190) }),
          observation: emptied(7_201, 7_201),
          nowMs: at(7_202),
          refused: refused('queue'),
          isStartVerified: true,
        }),
      ).kind;
    expect(atDeadline(7_200)).toBe('park');
    expect(atDeadline(7_190)).toBe('complete');
  });

  it('is looked at again on time when they settle', () => {
    expect(decide(unsettled())).toEqual(parkUntil(12, 'queue'));
    expect(decide(unsettled({ observation: unlisted('DRAINING') }))).toEqual(parkUntil(12, 'queue'));
    expect(decide(unsettled({ nowMs: at(12) }))).toEqual(look('search', 'list'));
  });

  it('is not waited for beyond what falls due before', () => {
    const drain = drainOf({ closed, lastHeartbeatAtMs: at(7 - 1_800) });
    expect(decide(unsettled({ drain }))).toEqual(parkUntil(7, 'queue'));
    expect(decide(unsettled({ drain, nowMs: at(7) }))).toEqual({ kind: 'heartbeat' });
    expect(decide(unsettled({ drain, nowMs: at(7), refused: refused('heartbeat') }))).toEqual(parkUntil(12, 'queue'));
    expect(decide(unsettled({ policy: { ...POLICY, deadlineSeconds: 8 } }))).toEqual(parkUntil(8, 'queue'));
  });

  it('is not waited for after a message that came again, if it stays in its group and its action is over: a heartbeat shows that', () => {
    const drain = drainOf({ closed, staysInGroup: true, lastHeartbeatAtMs: at(-6) });
    expect(decide(unsettled({ drain }))).toEqual({ kind: 'heartbeat' });
    expect(decide(unsettled({ drain: { ...drain, lastHeartbeatAtMs: at(5) } }))).toEqual(parkUntil(12, 'queue'));
  });

  it('facts 15 agent-connection: is not waited for if it may be terminated, because no agent is connected: a heartbeat shows that', () => {
    const [silent, connected] = [containerInstanceOf({ agentConnected: false }), containerInstanceOf()];
    const seen = (...containerInstances: (typeof silent)[]) =>
      unsettled({
        drain: drainOf({ closed, lastHeartbeatAtMs: at(-6), heartbeats: 1 }),
        observation: { ...seenOf([]), containerInstances },
      });
    expect(decide(seen(silent, silent))).toEqual({ kind: 'heartbeat' });
    expect(decide(seen(silent, connected))).toEqual(parkUntil(12, 'queue'));
    expect(decide({ ...seen(silent), drain: drainOf({ closed, lastHeartbeatAtMs: at(5), heartbeats: 1 }) })).toEqual(
      parkUntil(12, 'queue'),
    );
    expect(decide({ ...seen(silent), refused: refused('heartbeat') })).toEqual(parkUntil(12, 'queue'));
    // At its start nothing but the event says that it is held.
    const fresh = drainOf({ closed, lastHeartbeatAtMs: at(5), heartbeats: 0 });
    expect(decide({ ...seen(silent), drain: fresh })).toEqual({ kind: 'heartbeat' });
    expect(decide({ ...seen(connected), drain: fresh })).toEqual(parkUntil(12, 'queue'));
  });

  it('has its tasks listed, where they were not yet', () => {
    expect(decide(situation({ observation: unlisted('DRAINING') }))).toEqual(look('known', 'list'));
  });

  it('is drained, not timed out, when the deadline has passed as well', () => {
    const late = { nowMs: at(7_200), observation: emptied(7_200, 7_200), isStartVerified: true };
    expect(decide(situation(late))).toEqual(drained);
  });
});

describe('one of many drains that begin together', () => {
  const fleet = (overrides: Partial<Situation> = {}) =>
    decide(situation({ isFleet: true, observation: unlisted('DRAINING'), ...overrides }));

  it('has its tasks listed later, after 15 to 135 s spread by chance', () => {
    expect(fleet({ random: 0 })).toEqual(parkUntil(25, 'both'));
    expect(fleet({ random: 0.5 })).toEqual(parkUntil(85, 'both'));
    expect(fleet({ policy: WATCH })).toEqual(parkUntil(12, 'queue'));
  });

  it('has them listed by half of the time in which a task with 120 s to stop may wait for that, or at once', () => {
    const policy = { ...POLICY, deadlineSeconds: 190, stopStragglers: 'standalone' as const };
    expect([0, 0.5, 0.999].map((random) => fleet({ policy, random }))).toEqual(
      [25, 30, 35].map((seconds) => parkUntil(seconds, 'both')),
    );
    expect(fleet({ policy: { ...policy, deadlineSeconds: 160 } })).toEqual(look('known', 'list'));
    const spot = noticeDrainOf('spot-interruption', UNDER_WAY);
    expect(fleet({ drain: spot, policy: { ...POLICY, stopStragglers: 'all' } })).toEqual(look('known', 'list'));
    expect(fleet({ drain: spot }).kind).toBe('park');
  });

  it('reads its hook and reports that it waits before that', () => {
    expect(fleet({ drain: drainOf({ hook: undefined }) })).toEqual({ kind: 'read-hook' });
    expect(fleet({ drain: drainOf({ announced: undefined }) }).kind).toBe('announce');
  });

  it('ends like any other once its tasks are listed', () => {
    expect(fleet({ observation: emptied(0, 0) }).kind).toBe('complete');
  });
});

describe('the hook', () => {
  const drain = drainOf({ hook: undefined });

  it('is read once there is something to wait for, in an outage of ECS too: heartbeats depend on it', () => {
    expect(decide(situation({ drain }))).toEqual({ kind: 'read-hook' });
    expect(decide(situation({ drain, observation: THROTTLED }))).toEqual({ kind: 'read-hook' });
  });

  it('is assumed to be the policy’s while Auto Scaling does not describe it, and its timeout the shortest', () => {
    const unread = { drain, policy: { ...WATCH, heartbeatTimeoutSeconds: 60 }, refused: refused('read-hook') };
    expect(decide(situation({ ...unread, nowMs: at(14.999) })).kind).toBe('park');
    expect(decide(situation({ ...unread, nowMs: at(15) }))).toEqual({ kind: 'heartbeat' });
    const late = situation({ ...unread, nowMs: at(5_760), isStartVerified: true });
    expect(decide(late)).toMatchObject({ verdict: { kind: 'timed-out' } });
  });

  it('is read again when one of the shortest would need a heartbeat, and not parked for minutes before', () => {
    const unread = { drain, refused: refused('read-hook'), nowMs: at(1) };
    expect(decide(situation(unread))).toEqual(parkUntil(15, 'both'));
  });

  it('is read again after each heartbeat: someone may have edited it', () => {
    const beaten = { drain: { ...drain, hook: HOOK }, isHookStale: true };
    expect(decide(situation(beaten))).toEqual({ kind: 'read-hook' });
    expect(decide(situation({ ...beaten, refused: refused('read-hook') })).kind).toBe('park');
  });
});

describe('the deadline', () => {
  const late = (overrides: Partial<Situation> = {}) =>
    situation({ drain: beatenAt(7_100), nowMs: at(7_200), isStartVerified: true, ...overrides });

  it.each(['CONTINUE', 'ABANDON'] as const)('completes with the result of the policy: %s', (result) => {
    const verdict = { kind: 'timed-out', deadlineAtMs: at(7_200), result, killedTasks: [holdingTaskOf()] };
    expect(decide(late({ policy: { ...POLICY, deadlineResult: result } }))).toEqual({ kind: 'complete', verdict });
  });

  it('has not come a millisecond before', () => {
    expect(decide(late({ nowMs: at(7_200) - 1 })).kind).toBe('park');
  });

  it('kills no task before Auto Scaling has confirmed the start that an event gave', () => {
    expect(decide(late({ isStartVerified: false }))).toEqual({ kind: 'verify-start' });
  });

  it('kills no task that was not listed', () => {
    expect(decide(late({ isFleet: true, observation: unlisted('DRAINING') }))).toEqual(look('search', 'list'));
  });

  it('comes four minutes before the global timeout of the hook', () => {
    const drain = drainOf({ hook: hookLimits(30), lastHeartbeatAtMs: at(2_750) });
    expect(decide(late({ drain, nowMs: at(2_760) - 1 })).kind).toBe('park');
    expect(decide(late({ drain, nowMs: at(2_760) }))).toMatchObject({ verdict: { kind: 'timed-out' } });
  });

  it('never lets go of an instance that cannot be observed, or whose further tasks cannot be listed', () => {
    expect(decide(late({ observation: THROTTLED, nowMs: at(7_300) })).kind).toBe('park');
    expect(decide(late({ observation: { ...THROTTLED, partial: seenOf() }, nowMs: at(7_300) })).kind).toBe('park');
  });
});

describe('a deadline that an operator may have moved, by a schedule that was not read', () => {
  const job = holdingTaskOf({ class: 'standalone', stopTimeoutSeconds: 60 });
  const unread = (overrides: Partial<Situation> = {}) =>
    situation({ drain: beatenAt(7_100), nowMs: at(7_200), isScheduleRead: false, ...overrides });
  const stopping = { policy: { ...POLICY, stopStragglers: 'all' as const }, observation: seenOf([job]) };
  const verified = { isStartVerified: true, refused: refused('verify-start') };

  it('is asked for before tasks are killed, and before they are stopped', () => {
    expect(decide(unread())).toEqual({ kind: 'verify-start' });
    expect(decide(unread({ ...stopping, nowMs: at(7_110) }))).toEqual({ kind: 'verify-start' });
    expect(decide(unread({ ...stopping, nowMs: at(7_110) - 1 })).kind).toBe('park');
  });

  it('kills no task without an answer: the drain asks again within seconds', () => {
    expect(decide(unread(verified))).toEqual(parkUntil(7_202, 'both'));
    expect(decide(unread({ ...verified, refused: refused('verify-start', 'queue') }))).toMatchObject({
      kind: 'park',
      on: 'schedule',
    });
  });

  it('is waited for as long as tasks still get their whole grace: they are stopped then, with or without an answer', () => {
    expect(decide(unread({ ...verified, ...stopping, nowMs: at(7_130) - 1 }))).toEqual(parkUntil(7_131, 'both'));
    expect(decide(unread({ ...verified, ...stopping, nowMs: at(7_130) }))).toMatchObject({ kind: 'stop-tasks' });
  });

  it('costs no task its stop: what the drain did not stop in time, such as in an outage of the queue, is stopped late', () => {
    const late = { ...verified, ...stopping, nowMs: at(7_300) };
    expect(decide(unread(late))).toMatchObject({ kind: 'stop-tasks' });
    expect(decide(unread({ ...late, refused: refused('verify-start', 'stop-tasks') })).kind).toBe('park');
  });

  it('is not asked for again in a round in which Auto Scaling does not answer: tasks are stopped, and none is killed', () => {
    const silent = { refused: refused('verify-start') };
    expect(decide(unread({ ...silent, ...stopping, nowMs: at(7_130) }))).toMatchObject({ kind: 'stop-tasks' });
    expect(decide(unread(silent)).kind).toBe('park');
  });

  it('is waited for no longer than 15 minutes, nor for longer than the hook allows', () => {
    const timedOut = { verdict: { kind: 'timed-out' } };
    expect(decide(unread({ ...verified, nowMs: at(8_100) - 1 })).kind).toBe('park');
    expect(decide(unread({ ...verified, nowMs: at(8_100) }))).toMatchObject(timedOut);
    const drain = drainOf({ hook: hookLimits(75), lastHeartbeatAtMs: at(7_259) }); // 7,500 s in all
    expect(decide(unread({ ...verified, drain, nowMs: at(7_260) - 1 })).kind).toBe('park');
    expect(decide(unread({ ...verified, drain, nowMs: at(7_260) }))).toMatchObject(timedOut);
  });

  it('keeps no drain whose agent is lost', () => {
    const silence = { sinceMs: at(100), seenLastAtMs: at(990), containerInstances: [containerInstanceOf().arn] };
    const observation = seenOf([holdingTaskOf()], { searchedAtMs: at(1_000) });
    const lost = { drain: drainOf({ agentSilence: silence }), observation, nowMs: at(1_000) };
    expect(decide(unread({ ...verified, ...lost }))).toMatchObject({ verdict: { kind: 'agent-lost' } });
  });

  it('is the policy’s where there is no schedule that an operator could have written', () => {
    const timedOut = { kind: 'complete', verdict: { kind: 'timed-out', deadlineAtMs: at(7_200) } };
    expect(decide(unread({ ...verified, policy: WATCH }))).toMatchObject(timedOut);
    const notice = noticeDrainOf('rebalance-recommendation', UNDER_WAY);
    expect(decide(unread({ drain: notice }))).toMatchObject(timedOut);
  });
});

describe('a silent agent', () => {
  const silence = { sinceMs: at(100), seenLastAtMs: at(990), containerInstances: [containerInstanceOf().arn] };
  const silent = (overrides: Partial<Situation> = {}) =>
    decide(situation({ drain: drainOf({ agentSilence: silence }), nowMs: at(1_000), ...overrides }));

  it('is given the whole grace of the policy', () => {
    expect(silent({ nowMs: at(1_000) - 1 }).kind).toBe('park');
  });

  it('is lost after it: Auto Scaling confirms the start, a search finds nothing new, and the tasks are named', () => {
    expect(silent()).toEqual({ kind: 'verify-start' });
    expect(silent({ isStartVerified: true })).toEqual(look('search', 'list'));
    const searched = { isStartVerified: true, observation: seenOf([holdingTaskOf()], { searchedAtMs: at(1_000) }) };
    const ending = { result: 'CONTINUE', killedTasks: [holdingTaskOf()] };
    const verdict = { kind: 'agent-lost', disconnectedSinceMs: at(100), ...ending };
    expect(silent(searched)).toEqual({ kind: 'complete', verdict });
  });

  it('is not lost before a new registration would be listed', () => {
    const closed = { ...UNDER_WAY.closed, sinceMs: at(995) };
    const drain = drainOf({ agentSilence: silence, closed });
    expect(silent({ drain, nowMs: at(1_004) }).kind).toBe('park');
    expect(silent({ drain, nowMs: at(1_005) })).toEqual({ kind: 'verify-start' });
  });
});

describe('stragglers', () => {
  const service = holdingTaskOf({ arn: 'service', class: 'service', stopTimeoutSeconds: 120 });
  const daemon = holdingTaskOf({ arn: 'daemon', class: 'daemon', stopTimeoutSeconds: 30 });
  const job = holdingTaskOf({ arn: 'job', class: 'standalone', stopTimeoutSeconds: 60 });
  const decidedAt = (seconds: number, stopStragglers: Policy['stopStragglers'], tasks = [service, daemon, job]) =>
    decide(
      situation({
        drain: { ...beatenAt(seconds - 1), parked: { schedule: 'one', untilMs: at(seconds), firesAtMs: at(seconds) } },
        observation: seenOf(tasks),
        policy: { ...POLICY, stopStragglers },
        nowMs: at(seconds),
      }),
    );

  it('are left alone unless the policy names them', () => {
    expect(decidedAt(7_199, 'none').kind).toBe('park');
  });

  it('are stopped though ECS refuses to list what else is there, even where the queue takes no message', () => {
    const partly = (changes: Partial<Situation>) =>
      decide(
        situation({
          drain: beatenAt(7_109),
          observation: { ...THROTTLED, partial: seenOf([service, job]) },
          refused: refused('look'),
          policy: { ...POLICY, stopStragglers: 'standalone' },
          nowMs: at(7_110),
          ...changes,
        }),
      );
    expect(partly({})).toEqual({ kind: 'stop-tasks', tasks: [job] });
    expect(partly({ refused: refused('look', 'queue') })).toEqual({ kind: 'stop-tasks', tasks: [job] });
    // As before any stop, the schedule may have a later deadline.
    expect(partly({ isScheduleRead: false })).toEqual({ kind: 'verify-start' });
    // Before that is due, the look is tried again within seconds.
    expect(partly({ drain: beatenAt(7_099), nowMs: at(7_100), random: 0 })).toEqual(parkUntil(7_101, 'both'));
  });

  it('get their stop timeout and ten to thirty seconds more before the deadline', () => {
    expect(decidedAt(7_110 - 0.001, 'standalone').kind).toBe('park');
    expect(decidedAt(7_110, 'standalone')).toEqual({ kind: 'stop-tasks', tasks: [job] });
  });

  it('of many drains with one deadline are stopped over twenty seconds, because ECS would throttle the calls', () => {
    const drain = beatenAt(7_000);
    const policy = { ...POLICY, stopStragglers: 'standalone' as const };
    const waits = (random: number) =>
      decide(situation({ drain, observation: seenOf([job]), policy, nowMs: at(7_050), random }));
    expect([0, 0.25, 0.99].map(waits)).toEqual([7_110, 7_115, 7_130].map((seconds) => parkUntil(seconds, 'both')));
  });

  it('of a service, but not of a daemon, get the deregistration delay of their load balancer as well', () => {
    expect(decidedAt(6_750 - 0.001, 'all').kind).toBe('park');
    expect(decidedAt(6_750, 'all')).toEqual({ kind: 'stop-tasks', tasks: [service] });
    expect(decidedAt(7_139, 'all', [daemon]).kind).toBe('park');
    expect(decidedAt(7_140, 'all')).toEqual({ kind: 'stop-tasks', tasks: [service, daemon, job] });
  });

  it('are never asked to stop twice', () => {
    expect(decidedAt(7_199, 'all', [{ ...job, stopRequested: true }]).kind).toBe('park');
  });

  it('are stopped before a wait without the queue, which may last 105 s, if they would lose their grace in it', () => {
    const policy = { ...POLICY, stopStragglers: 'standalone' as const };
    const unsent = (seconds: number, observation: Observation = seenOf([job])) =>
      decide(situation({ drain: beatenAt(7_000), observation, policy, nowMs: at(seconds), refused: refused('queue') }));
    expect(unsent(7_025 - 0.001)).toMatchObject({ kind: 'park', on: 'schedule' });
    expect(unsent(7_025)).toEqual({ kind: 'stop-tasks', tasks: [job] });
    // A task that was not listed yet may have a stop timeout of 120 s.
    expect(unsent(6_960, unlisted('DRAINING'))).toMatchObject({ kind: 'park', on: 'schedule' });
    expect(unsent(6_966, unlisted('DRAINING'))).toEqual(look('known', 'list'));
  });

  it('that ECS has not stopped are tried again within seconds, not by all drains at the same time, until the deadline', () => {
    const drain = drainOf({ pollIntervalSeconds: 10, lastHeartbeatAtMs: at(7_100) });
    const refusedAt = (seconds: number, random: number) =>
      decide(
        situation({
          drain,
          observation: seenOf([job]),
          policy: { ...POLICY, stopStragglers: 'standalone' },
          nowMs: at(seconds),
          refused: refused('stop-tasks'),
          random,
        }),
      );
    expect([0, 0.5, 0.9].map((random) => refusedAt(7_140, random))).toEqual(
      [7_145, 7_150, 7_154].map((seconds) => parkUntil(seconds, 'both')),
    );
    expect([0, 0.5, 0.9].map((random) => refusedAt(7_112, random))).toEqual(
      [7_115, 7_118, 7_121].map((seconds) => parkUntil(seconds, 'both')),
    );
    expect(refusedAt(7_195, 0.9)).toEqual(parkUntil(7_200, 'both'));
    expect(refusedAt(7_200, 0.9)).toEqual({ kind: 'verify-start' });
  });
});

describe('a heartbeat', () => {
  it('is recorded when half of the hook’s timeout has passed since the last, also while ECS does not answer', () => {
    for (const observation of [seenOf(), THROTTLED]) {
      const due = situation({ policy: WATCH, observation, nowMs: at(1_800) });
      expect(decide({ ...due, nowMs: at(1_800) - 1 }).kind).toBe('park');
      expect(decide(due)).toEqual({ kind: 'heartbeat' });
    }
  });

  it('that Auto Scaling refuses is tried again after a poll', () => {
    const due = situation({ nowMs: at(1_800), refused: refused('heartbeat') });
    expect(decide(due)).toEqual(parkUntil(1_802, 'both'));
  });

  it('that would fall due during a wait on a schedule is recorded before, once', () => {
    expect(decide(situation({ nowMs: at(1_695) - 1 })).kind).toBe('park');
    expect(decide(situation({ nowMs: at(1_695) }))).toEqual({ kind: 'heartbeat' });
    expect(decide(situation({ nowMs: at(1_695), drain: beatenAt(1_695) })).kind).toBe('park');
  });

  it.each([
    ['the operator wants none', { policy: WATCH }],
    ['the instance was never found', { drain: drainOf({ known: undefined }) }],
    ['Scheduler refuses them', { refused: refused('park') }],
  ])('comes no earlier where no schedule is used: %s', (_, overrides) => {
    expect(decide(situation({ nowMs: at(1_695), ...overrides })).kind).toBe('park');
    expect(decide(situation({ nowMs: at(1_800), ...overrides })).kind).toBe('heartbeat');
  });

  it.each([30, 60, 210])('of a hook of %i s comes when it is due: a schedule takes longer', (timeoutSeconds) => {
    const drain = drainOf({ hook: hookLimits(timeoutSeconds), lastHeartbeatAtMs: at(100) });
    const dueMs = at(100 + timeoutSeconds / 2);
    expect(decide(situation({ drain, nowMs: at(100) }))).toEqual({ kind: 'park', untilMs: dueMs, on: 'both' });
    expect(decide(situation({ drain, nowMs: dueMs - 1 })).kind).toBe('park');
    expect(decide(situation({ drain, nowMs: dueMs }))).toEqual({ kind: 'heartbeat' });
  });

  it.each([
    [212, 53],
    [420, 105],
    [422, 106],
  ])(
    'of a hook of %i s comes so early that a schedule fits between, but not within %i s',
    (timeoutSeconds, seconds) => {
      const drain = drainOf({ hook: hookLimits(timeoutSeconds), lastHeartbeatAtMs: at(100) });
      expect(decide(situation({ drain, nowMs: at(100 + seconds) - 1 })).kind).toBe('park');
      expect(decide(situation({ drain, nowMs: at(100 + seconds) }))).toEqual({ kind: 'heartbeat' });
    },
  );

  it.each([0, 0.5, 0.999])(
    'that Auto Scaling refuses is tried again before half of the time of a short hook has passed (%f)',
    (random) => {
      const drain = drainOf({ hook: hookLimits(30), lastHeartbeatAtMs: at(100), pollIntervalSeconds: 20 });
      const again = (seconds: number) => {
        const decision = decide(situation({ drain, nowMs: at(seconds), refused: refused('heartbeat'), random }));
        return decision.kind === 'park' ? (decision.untilMs - at(0)) / 1000 : Number.NaN;
      };
      const [first, second] = [again(115), again(122.5)];
      expect([first >= 116, first <= 123]).toEqual([true, true]);
      expect([second >= 123, second <= 127]).toEqual([true, true]);
      expect(again(131)).toBeGreaterThan(139);
    },
  );
});

describe('an event on the bus', () => {
  it('says that the drain has begun to wait, and until when', () => {
    const event = { kind: 'announce', event: 'started', deadlineAtMs: at(7_200) };
    expect(decide(situation({ drain: drainOf({ announced: undefined }) }))).toEqual(event);
  });

  it('is not published where nothing holds the instance, because the drain ends at once', () => {
    const drain = drainOf({ announced: undefined });
    expect(decide(situation({ drain, observation: emptied(0, 0) })).kind).toBe('complete');
  });

  it('says that it is stuck, once, after the policy’s share of the time to the deadline', () => {
    const drain = drainOf({ announced: 'started', lastHeartbeatAtMs: at(3_500) });
    const event = { kind: 'announce', event: 'stuck', deadlineAtMs: at(7_200) };
    expect(decide(situation({ drain, nowMs: at(3_600) - 1 })).kind).toBe('park');
    expect(decide(situation({ drain, nowMs: at(3_600) }))).toEqual(event);
    expect(decide(situation({ drain: beatenAt(3_500), nowMs: at(3_600) })).kind).toBe('park');
  });

  it('never delays a heartbeat', () => {
    const drain = drainOf({ announced: 'started', lastHeartbeatAtMs: at(1_800) });
    expect(decide(situation({ drain, nowMs: at(3_600) })).kind).toBe('heartbeat');
  });
});

describe('a drain on a notice of EC2', () => {
  const notice = (kind: 'spot-interruption' | 'rebalance-recommendation') => noticeDrainOf(kind, UNDER_WAY);

  it('reads no hook and records no heartbeat: nothing is held', () => {
    const waiting = situation({ drain: notice('rebalance-recommendation'), nowMs: at(1_800) });
    expect(decide(waiting)).toEqual(parkUntil(2_310, 'schedule'));
  });

  it('ends five seconds before EC2 takes a Spot instance: Auto Scaling has no start to confirm', () => {
    const drain = notice('spot-interruption');
    expect(decide(situation({ drain }))).toEqual(parkUntil(58, 'both'));
    expect(decide(situation({ drain, nowMs: at(115) - 1 })).kind).toBe('park');
    expect(decide(situation({ drain, nowMs: at(115) }))).toMatchObject({ verdict: { kind: 'timed-out' } });
  });

  it('ends at the policy’s deadline after a recommendation to rebalance', () => {
    const drain = notice('rebalance-recommendation');
    expect(decide(situation({ drain, nowMs: at(7_200) - 1 })).kind).toBe('park');
    const verdict = { kind: 'timed-out', killedTasks: [], sparedTasks: [holdingTaskOf()] };
    expect(decide(situation({ drain, nowMs: at(7_200) }))).toMatchObject({ verdict });
  });

  it('is reported with the tasks of a lost agent after a recommendation too: EC2 may have taken the instance', () => {
    const agentSilence = { sinceMs: at(0), seenLastAtMs: at(1_000), containerInstances: [] };
    const drain = { ...notice('rebalance-recommendation'), agentSilence };
    const observation = seenOf([holdingTaskOf()], { searchedAtMs: at(1_000) });
    const verdict = { kind: 'agent-lost', killedTasks: [holdingTaskOf()] };
    expect(decide(situation({ drain, observation, nowMs: at(1_000) }))).toMatchObject({ verdict });
  });

  it('stops no task ahead of the deadline of a recommendation, which kills none', () => {
    const policy = { ...POLICY, stopStragglers: 'all' as const };
    const near = (kind: NoticeKind, seconds: number) =>
      decide(situation({ drain: notice(kind), policy, nowMs: at(seconds) })).kind;
    expect(near('spot-interruption', 110)).toBe('stop-tasks');
    expect(near('rebalance-recommendation', 7_195)).toBe('park');
  });
});

describe('a wait', () => {
  const job = holdingTaskOf({ class: 'standalone', stopTimeoutSeconds: 60 });
  const stopping = holdingTaskOf({ arn: 'stopping', lastStatus: 'STOPPING' });
  const standalone = { ...POLICY, stopStragglers: 'standalone' } as const;
  const silentSince = (seconds: number, lastHeartbeat = 0) =>
    drainOf({
      lastHeartbeatAtMs: at(lastHeartbeat),
      agentSilence: { sinceMs: at(seconds), seenLastAtMs: at(seconds), containerInstances: [] },
    });

  it('for ECS’s event is on a schedule, with a look in case it is lost after 8 to 9 minutes, spread by chance', () => {
    expect(decide(situation({ random: 0 }))).toEqual(parkUntil(490, 'schedule'));
    expect(decide(situation({ random: 0.5 }))).toEqual(parkUntil(520, 'schedule'));
  });

  it.each<[string, Partial<Situation>]>([
    [
      'only tasks are left that end',
      { observation: seenOf([stopping, { ...stopping, lastStatus: 'DEPROVISIONING' }]) },
    ],
    ['an agent is silent', { drain: silentSince(5) }],
    [
      'a registration is still coming',
      { observation: { ...seenOf(), containerInstances: [containerInstanceOf({ status: 'REGISTERING' })] } },
    ],
  ])('is 45 s on a schedule while what happens next may send no event: %s', (_, overrides) => {
    expect(decide(situation({ ...overrides, random: 0.9 }))).toEqual(parkUntil(55, 'schedule'));
  });

  it('is long as long as ECS has not begun to stop one of several tasks', () => {
    expect(decide(situation({ observation: seenOf([stopping, job]) }))).toEqual(parkUntil(520, 'schedule'));
  });

  it.each<[string, number, Partial<Situation>]>([
    ['that the drain is stuck', 3_600, {}],
    ['that the drain is near its deadline', 5_760, {}],
  ])('on a schedule ends with the report %s, if that is half a minute away at least', (_, due, overrides) => {
    const ahead = (seconds: number) =>
      decide(situation({ drain: beatenAt(due - 300), nowMs: at(due - seconds), ...overrides }));
    expect(ahead(200)).toEqual(parkUntil(due, 'schedule'));
    expect(ahead(30)).toEqual(parkUntil(due, 'schedule'));
    expect(ahead(29.999)).toEqual(parkUntil(due, 'both'));
    expect(ahead(0)).toEqual(parkUntil(due + 510, 'schedule'));
  });

  it.each<[string, number, number, Partial<Situation>]>([
    ['the deadline', 7_200, 510, {}],
    ['the moment to stop a straggler', 7_120, 510, { observation: seenOf([job]), policy: standalone }],
    ['the end of the agent’s grace', 6_900, 45, { drain: silentSince(6_000, 6_300) }],
    ['a heartbeat', 1_800, 510, { drain: beatenAt(0) }],
  ])('until %s is on the queue: a schedule is 75 s late at worst', (_, due, lookSeconds, overrides) => {
    const ahead = (seconds: number) =>
      decide(situation({ drain: beatenAt(due - 900), nowMs: at(due - seconds), ...overrides }));
    const lastSeconds = lookSeconds + SCHEDULE_LATE_SECONDS;
    expect(ahead(lastSeconds)).toEqual(parkUntil(due - SCHEDULE_LATE_SECONDS, 'schedule'));
    expect(ahead(lastSeconds - 1)).toEqual(parkUntil(due - SCHEDULE_LATE_SECONDS + 1, 'both'));
  });

  it('on the queue ends with what falls due first', () => {
    const near = (overrides: Partial<Situation>) => decide(situation({ nowMs: at(7_100), ...overrides }));
    expect(near({ drain: beatenAt(7_050) })).toEqual(parkUntil(7_200, 'both'));
    const straggler = { observation: seenOf([job, holdingTaskOf()]), policy: standalone };
    expect(near({ drain: beatenAt(7_050), ...straggler })).toEqual(parkUntil(7_120, 'both'));
    expect(near({ drain: silentSince(6_220, 7_050) })).toEqual(parkUntil(7_120, 'both'));
  });

  it('ends in a whole second, as schedules and delays do, and no earlier', () => {
    expect(decide(situation({ policy: WATCH, nowMs: at(10) + 1 }))).toEqual(parkUntil(13, 'queue'));
  });

  it('is one poll interval on the queue, where the operator wants no schedules', () => {
    const drain = drainOf({ pollIntervalSeconds: 20, lastHeartbeatAtMs: at(3_500) });
    expect(decide(situation({ drain, policy: WATCH }))).toEqual(parkUntil(30, 'queue'));
    expect(decide(situation({ drain, policy: WATCH, nowMs: at(3_590) }))).toEqual(parkUntil(3_600, 'queue'));
  });

  it.each<DecisionKind>(['set-draining', 'heartbeat', 'verify-start', 'stop-tasks', 'complete'])(
    'is one poll interval after AWS has refused what cannot wait: %s',
    (kind) => {
      expect(decide(situation({ refused: refused(kind) }))).toEqual(parkUntil(12, 'both'));
      expect(decide(situation({ refused: refused(kind), observation: THROTTLED }))).toEqual(parkUntil(12, 'both'));
    },
  );

  it('is one poll interval on the queue alone, where Scheduler refuses', () => {
    expect(decide(situation({ refused: refused('park') }))).toEqual(parkUntil(12, 'queue'));
  });

  it('is no shorter after AWS has refused what can wait', () => {
    expect(decide(situation({ refused: refused('announce') }))).toEqual(parkUntil(520, 'schedule'));
  });
});

describe('a wait for an ECS that does not answer', () => {
  const unanswered = (drain: Situation['drain'], random = 0.5) =>
    decide(situation({ drain, random, observation: THROTTLED, refused: refused('look') }));

  it('is a poll interval, half of it shorter or longer by chance, with a schedule in case the message is lost', () => {
    const drain = drainOf({ pollIntervalSeconds: 16 });
    const open = drainOf({ closed: undefined, known: undefined, pollIntervalSeconds: 16 });
    for (const [each, on] of [[drain, 'both'] as const, [open, 'queue'] as const]) {
      expect([0, 0.5, 0.75].map((random) => unanswered(each, random))).toEqual([
        parkUntil(18, on),
        parkUntil(26, on),
        parkUntil(30, on),
      ]);
    }
  });

  it('is 15 to 135 s after the longest poll interval, because many drains may be refused together', () => {
    const drain = drainOf({ pollIntervalSeconds: 20 });
    expect([0, 0.5].map((random) => unanswered(drain, random))).toEqual([parkUntil(25, 'both'), parkUntil(85, 'both')]);
    expect(unanswered({ ...drain, closed: undefined })).toEqual(parkUntil(30, 'both'));
  });

  it('comes before the silence of an agent counts no more, and is spread as far as that allows', () => {
    const silentSince = (seenLast: number, random: number) => {
      const agentSilence = { sinceMs: at(-900), seenLastAtMs: at(seenLast), containerInstances: [] };
      return unanswered(drainOf({ pollIntervalSeconds: 20, agentSilence }), random);
    };
    // It breaks 150 s after it was seen last.
    expect([0, 0.999].map((random) => silentSince(-60, random))).toEqual([
      parkUntil(25, 'both'),
      parkUntil(50, 'both'),
    ]);
    expect([0, 0.999].map((random) => silentSince(-122, random))).toEqual([
      parkUntil(13, 'both'),
      parkUntil(19, 'both'),
    ]);
    // Then nothing is lost any more.
    expect(silentSince(-140, 0.5)).toEqual(parkUntil(85, 'both'));
  });

  it('is 15 to 135 s for one of many drains that begin together, once its instance takes no tasks', () => {
    const fleet = (drain: Situation['drain'], random: number) =>
      decide(situation({ drain, random, observation: THROTTLED, refused: refused('look'), isFleet: true }));
    expect(fleet(drainOf(), 0)).toEqual(parkUntil(25, 'both'));
    expect(fleet(drainOf(), 0.5)).toEqual(parkUntil(85, 'both'));
    expect(fleet(drainOf({ closed: undefined }), 0.5)).toEqual(parkUntil(12, 'both'));
    expect(fleet(drainOf({ emptiedAtMs: at(9) }), 0.5)).toEqual(parkUntil(12, 'both'));
  });

  it('leaves half of the time until a task with 120 s would have to be stopped', () => {
    const policy = { ...POLICY, stopStragglers: 'standalone' as const };
    const near = (seconds: number, random: number) =>
      decide(
        situation({
          drain: { ...beatenAt(7_000), pollIntervalSeconds: 16 },
          observation: THROTTLED,
          policy,
          nowMs: at(seconds),
          random,
        }),
      );
    expect([0, 0.5, 0.999].map((random) => near(7_040, random))).toEqual(
      [7_045, 7_050, 7_055].map((seconds) => parkUntil(seconds, 'both')),
    );
    // Later a task may still have its grace if its stop timeout is shorter.
    expect(near(7_071, 0.5)).toEqual(parkUntil(7_087, 'both'));
  });

  it('leaves half of the time until a known task must be stopped, though one with 120 s would be too late', () => {
    const job = holdingTaskOf({ class: 'standalone', stopTimeoutSeconds: 30 });
    const again = (seconds: number, random: number) =>
      decide(
        situation({
          drain: { ...beatenAt(7_000), pollIntervalSeconds: 16 },
          observation: { ...THROTTLED, partial: seenOf([job]) },
          refused: refused('look', 'stop-tasks'),
          policy: { ...POLICY, stopStragglers: 'standalone' },
          nowMs: at(seconds),
          random,
        }),
      );
    expect([0, 0.5, 0.999].map((random) => again(7_142, random))).toEqual(
      [7_145, 7_148, 7_151].map((seconds) => parkUntil(seconds, 'both')),
    );
  });
});

describe('an instance that an event has just called empty', () => {
  const ending = holdingTaskOf({ lastStatus: 'DEPROVISIONING' });
  const woken = (emptiedAt: number, ...tasks: HoldingTask[]) =>
    decide(situation({ drain: drainOf({ emptiedAtMs: at(emptiedAt) }), observation: seenOf(tasks) }));

  it('is polled for a minute while ECS still shows tasks that end', () => {
    expect(woken(10 - 59.999, ending)).toEqual(parkUntil(12, 'both'));
    expect(woken(10 - 60, ending)).toEqual(parkUntil(55, 'schedule'));
  });

  it('is left to the next event while another task runs', () => {
    expect(woken(9, ending, holdingTaskOf())).toEqual(parkUntil(520, 'schedule'));
  });
});

describe('any decision', () => {
  const always = (check: (given: Situation, decision: Decision) => void) =>
    fc.assert(
      fc.property(anySituation, (given) => {
        check(given, decide(given));
      }),
      { numRuns: 2_000 },
    );

  it('is the same in the same situation', () => {
    always((given, decision) => expect(decide({ ...given })).toEqual(decision));
  });

  it('to complete is for an instance that nothing holds, past the deadline, or past the grace of its agent', () => {
    always((given, decision) => {
      if (decision.kind !== 'complete' || given.observation?.kind === 'absent') return;
      const { drain, observation, policy, nowMs, isStartVerified } = given;
      if (observation?.kind !== 'seen' || !observation.tasks) throw new Error('Its tasks were never listed.');
      expect(observation.containerInstances.some(({ status }) => status === 'ACTIVE')).toBe(false);
      const searchedAtMs = observation.searchedAtMs ?? Number.NEGATIVE_INFINITY;
      const { verdict } = decision;
      if (verdict.kind === 'drained') {
        expect(observation.tasks.holding).toEqual([]);
        expect(Math.min(searchedAtMs, observation.tasks.listedAtMs)).toBeGreaterThanOrEqual(settledAtMs(drain.closed));
        return;
      }
      expect(drain.kind === 'notice' || isStartVerified).toBe(true);
      const { holding } = observation.tasks;
      const isSpared = verdict.kind === 'timed-out' && isOnlyRecommended(drain);
      const left = isSpared ? { killedTasks: [], sparedTasks: holding } : { killedTasks: holding };
      expect(verdict).toMatchObject({ result: policy.deadlineResult, ...left });
      if (verdict.kind === 'timed-out') return expect(nowMs).toBeGreaterThanOrEqual(deadlineAtMs(drain, policy));
      expect(searchedAtMs).not.toBe(Number.NEGATIVE_INFINITY);
      const lostMs = drain.agentSilence ? agentLostAtMs(drain.agentSilence, drain.closed, policy) : Number.NaN;
      expect(nowMs).toBeGreaterThanOrEqual(lostMs);
    });
  });

  it('to park ends in the future, within what SQS can delay, and misses nothing that falls due', () => {
    always((given, decision) => {
      if (decision.kind !== 'park') return;
      const { drain, observation, policy, nowMs } = given;
      expect(decision.untilMs % 1000).toBe(0);
      expect(decision.untilMs).toBeGreaterThan(nowMs);
      expect(decision.untilMs).toBeLessThanOrEqual(nowMs + 900_000);
      const deadlineMs = deadlineAtMs(drain, policy);
      const holding = holdingIn(observation);
      const due = [
        deadlineMs,
        heartbeatDueAtMs(drain, policy),
        drain.agentSilence ? agentLostAtMs(drain.agentSilence, drain.closed, policy) : Number.POSITIVE_INFINITY,
        ...holding.map((each) => stopDueAtMs(each, deadlineMs, policyOf(drain, policy), given.random)),
      ];
      const lateMs = decision.on === 'schedule' ? SCHEDULE_LATE_SECONDS * 1000 : 0;
      // Without the queue a drain may be late by a schedule's minute, but not for its hook.
      const mustKeep = given.refused.has('queue') ? [hookTimesOutAtMs(drain, policy, given.nowMs)] : due;
      for (const dueMs of mustKeep.filter((each) => each > nowMs)) {
        expect(decision.untilMs + lateMs).toBeLessThanOrEqual(wholeSecond(dueMs));
      }
    });
  });

  it('uses a schedule only where the operator wants it, ECS events can find it and Scheduler takes it', () => {
    always(({ policy, drain, refused: refusals }, decision) => {
      if (decision.kind !== 'park' || decision.on === 'queue') return;
      expect([policy.waiting, drain.known !== undefined, refusals.has('park')]).toEqual(['park', true, false]);
    });
  });

  it('about an instance that may be given tasks closes it, after a heartbeat at most', () => {
    always(({ observation: latest, isOutOfTime, refused: refusals }, decision) => {
      if (latest?.kind !== 'seen' || isOutOfTime || refusals.has('queue')) return;
      if (!latest.containerInstances.some(({ status }) => status === 'ACTIVE')) return;
      expect(['set-draining', 'heartbeat']).toContain(decision.kind);
    });
  });

  it('repeats neither a heartbeat nor a reading of the hook that Auto Scaling has refused in this round', () => {
    always(({ refused: refusals }, { kind }) => {
      if (kind === 'heartbeat' || kind === 'read-hook') expect(refusals.has(kind)).toBe(false);
    });
  });
});
