import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Decision, Situation } from '../../src/domain/decision.ts';
import { MANAGED_DRAINING_HOOK, type SupervisedDrain } from '../../src/domain/drain.ts';
import type { Observation } from '../../src/domain/observation.ts';
import { supervise } from '../../src/domain/supervise.ts';
import { type FakeTask, fakeAws, type World } from '../fakes.ts';
import { anySupervision } from './any-situation.ts';
import {
  at,
  containerInstanceOf,
  HOOK,
  holdingTaskOf,
  INSTANCE_ID,
  knownOf,
  POLICY,
  seenOf,
  supervisedDrainOf,
  UNDISTURBED,
} from './samples.ts';

type Supervision = Situation<SupervisedDrain>;

const HOURS = 3_600;
const NEVER: FakeTask = { id: 'stays', stopsAtSeconds: Number.POSITIVE_INFINITY };
const ENDING = { ...POLICY, managedDrainingDeadline: 'ABANDON' } as const;

/** ECS drains the instance, and completes its hook when it learns that no task is left. */
function drainedByEcs({ endsAtSeconds = Number.POSITIVE_INFINITY, ...world }: World & { endsAtSeconds?: number } = {}) {
  return fakeAws({
    instances: [{ id: 'one', status: 'DRAINING', goneAtSeconds: endsAtSeconds }],
    holds: [{ instanceId: INSTANCE_ID, lifecycleHook: MANAGED_DRAINING_HOOK, completedAtSeconds: endsAtSeconds }],
    hooks: [{ name: MANAGED_DRAINING_HOOK }],
    hook: HOOK,
    ...world,
  });
}

const eventsOf = ({ published }: ReturnType<typeof fakeAws>) => published.map(({ event: { kind } }) => kind);
const changesOf = (aws: ReturnType<typeof fakeAws>) =>
  aws.calls.filter(({ name }) => ['setDraining', 'recordHeartbeat', 'complete', 'stopTask'].includes(name));

describe('a drain of ECS managed draining', () => {
  it('is supervised to its end: its start and its end are published, and nothing of ECS or Auto Scaling is changed', async () => {
    const aws = drainedByEcs({ tasks: [{ id: 'a', stopsAtSeconds: 600 }], endsAtSeconds: 630 });
    const [outcome] = await aws.runToEnd({ policy: ENDING });
    expect(outcome).toEqual({ kind: 'drained', lastTaskStoppedAtMs: undefined });
    expect(eventsOf(aws)).toEqual(['started', 'finished']);
    expect(changesOf(aws)).toEqual([]);
    expect(aws.now()).toBeLessThan(700);
  });

  it('is reported as stuck with its tasks at half of deadlineSeconds, and only supervised for the 48 hours that ECS takes', async () => {
    const aws = drainedByEcs({ tasks: [NEVER], endsAtSeconds: 48 * HOURS });
    await aws.runToEnd();
    expect(aws.published.map(({ event: { kind }, atSeconds }) => [kind, Math.round(atSeconds)])).toEqual([
      ['started', 0],
      ['stuck', 3_600],
      ['finished', expect.any(Number)],
    ]);
    const [, stuck] = aws.published;
    expect(stuck?.event).toMatchObject({ explanation: { blockers: [{ tasks: [{ arn: 'stays' }] }] } });
    expect(changesOf(aws)).toEqual([]);
  });

  it('costs three calls in half an hour while it hangs', async () => {
    const aws = drainedByEcs({ tasks: [NEVER] });
    await aws.round();
    await aws.waitUntil(12 * HOURS);
    const before = aws.calls.length;
    await aws.waitUntil(36 * HOURS);
    expect((aws.calls.length - before) / 48).toBeLessThan(5.5);
  });

  it('is completed at the deadline with the result that managedDrainingDeadline names, and never before', async () => {
    const aws = drainedByEcs({ tasks: [NEVER] });
    const [outcome] = await aws.runToEnd({ policy: ENDING });
    expect(outcome).toMatchObject({ kind: 'timed-out', result: 'ABANDON', killedTasks: [{ arn: 'stays' }] });
    expect(aws.completion()?.atSeconds).toBeGreaterThanOrEqual(POLICY.deadlineSeconds);
    expect(aws.completion()?.atSeconds).toBeLessThan(POLICY.deadlineSeconds + 90);
    expect(eventsOf(aws)).toEqual(['started', 'stuck', 'finished']);
  });

  it('is left to ECS if AWS denies completing its hook (facts 56 managed-hook-ownership): reported once, and not tried again', async () => {
    const fault = ({ name }: { name: string }) =>
      name === 'complete' ? new Error('AccessDenied: not yours') : undefined;
    const aws = drainedByEcs({ tasks: [NEVER], endsAtSeconds: 6 * HOURS, fault });
    await aws.runToEnd({ policy: ENDING });
    expect(aws.callsNamed('complete')).toHaveLength(1);
    expect(aws.refusals()).toEqual([{ doing: 'complete', reason: 'AccessDenied: not yours' }]);
    expect(aws.deadLetters).toEqual([]);
    expect(eventsOf(aws)).toEqual(['started', 'stuck', 'finished']);
  });

  it('is completed at its deadline though Auto Scaling throttles it for some minutes', async () => {
    const outages = [{ of: 'auto-scaling', span: [7_100, 7_500] }] as const;
    const aws = drainedByEcs({ tasks: [NEVER], outages });
    await aws.runToEnd({ policy: ENDING });
    expect(aws.completion()?.atSeconds).toBeGreaterThanOrEqual(7_500);
    expect(aws.completion()?.atSeconds).toBeLessThan(7_900);
  });

  it('stops stragglers ahead of a deadline that ends it, and of no other', async () => {
    const stopping = { ...ENDING, stopStragglers: 'all', deregistrationDelaySeconds: 60 } as const;
    const aws = drainedByEcs({ tasks: [NEVER], endsAtSeconds: 7_300 });
    await aws.runToEnd({ policy: stopping });
    expect(aws.secondsOf('stopTask')).toEqual([expect.closeTo(7_100, -2)]);
    const left = drainedByEcs({ tasks: [NEVER], endsAtSeconds: 3 * HOURS });
    await left.runToEnd({ policy: { ...stopping, managedDrainingDeadline: 'none' } });
    expect(changesOf(left)).toEqual([]);
  });

  it('tries a stop again within seconds that ECS has throttled', async () => {
    const policy = { ...ENDING, stopStragglers: 'standalone' } as const;
    const aws = drainedByEcs({
      tasks: [{ ...NEVER, class: 'standalone', stopTimeoutSeconds: 90 }],
      outages: [{ of: 'ecs-changes', span: [7_000, 7_095] }],
    });
    await aws.runToEnd({ policy });
    const stops = aws.secondsOf('stopTask');
    expect(stops.length).toBeGreaterThan(1);
    expect(stops.at(-1)).toBeLessThanOrEqual(7_105);
  });

  it('stops stragglers in time though ECS does not answer for six seconds just when it should', async () => {
    const job: FakeTask = { ...NEVER, class: 'standalone', stopTimeoutSeconds: 120 };
    const aws = drainedByEcs({ tasks: [job], random: [0.9], outages: [{ of: 'ecs-reads', span: [2_266, 2_272] }] });
    const policy = { ...ENDING, deadlineSeconds: 2_400, stopStragglers: 'standalone' } as const;
    expect(await aws.runToEnd({ policy })).toMatchObject([{ kind: 'drained' }]);
    expect(aws.secondsOf('stopTask')[0]).toBeLessThan(2_278);
  });

  it('stops stragglers and ends on time, however late schedules come', async () => {
    const policy = { ...ENDING, stopStragglers: 'standalone' } as const;
    const aws = drainedByEcs({ tasks: [{ ...NEVER, class: 'standalone', stopTimeoutSeconds: 90 }], lateSeconds: 60 });
    await aws.runToEnd({ policy });
    const dueAtSeconds = POLICY.deadlineSeconds - 90 - 10;
    const [stoppedAtSeconds = 0] = aws.secondsOf('stopTask');
    expect(stoppedAtSeconds).toBeGreaterThanOrEqual(dueAtSeconds - 20);
    expect(stoppedAtSeconds).toBeLessThan(dueAtSeconds + 10);
    expect(aws.completion()?.atSeconds).toBeLessThan(POLICY.deadlineSeconds + 10);
  });

  it('has drained where ECS ends it as soon as its last task has stopped, and all that was known is the first look', async () => {
    const aws = drainedByEcs({ tasks: [{ id: 'a', stopsAtSeconds: 60 }], endsAtSeconds: 61 });
    expect(await aws.runToEnd()).toMatchObject([{ kind: 'drained' }]);
  });

  it('has drained where ECS completes its hook at the moment when we would', async () => {
    const hold = { instanceId: INSTANCE_ID, lifecycleHook: MANAGED_DRAINING_HOOK };
    const aws = drainedByEcs({
      tasks: [{ id: 'a', stopsAtSeconds: 100 }],
      holds: [{ ...hold, completedAtSeconds: POLICY.deadlineSeconds }],
    });
    expect(await aws.runToEnd({ policy: ENDING })).toMatchObject([{ kind: 'drained' }]);
  });

  it('reports the tasks seen last when their instance goes because ECS gave up', async () => {
    const aws = drainedByEcs({ tasks: [NEVER], endsAtSeconds: 48 * HOURS });
    const [outcome] = await aws.runToEnd();
    expect(outcome?.kind).toBe('already-completed');
  });

  it('is completed at the deadline as a drained one where no task is left and ECS does not complete it', async () => {
    const aws = drainedByEcs({ tasks: [{ id: 'a', stopsAtSeconds: 100 }] });
    expect(await aws.runToEnd({ policy: ENDING })).toMatchObject([{ kind: 'drained' }]);
    expect(aws.completion()).toMatchObject({ result: 'CONTINUE', holding: [] });
    expect(aws.completion()?.atSeconds).toBeGreaterThanOrEqual(POLICY.deadlineSeconds);
  });

  it('ends where the instance is back in service: none of its new tasks is stopped, and nothing is stuck', async () => {
    const aws = drainedByEcs({
      instances: [{ id: 'one', status: 'DRAINING', activeSpans: [[600, Infinity]] }],
      holds: [{ instanceId: INSTANCE_ID, lifecycleHook: MANAGED_DRAINING_HOOK, completedAtSeconds: 590 }],
      tasks: [
        { id: 'a', stopsAtSeconds: 500 },
        { ...NEVER, listedAtSeconds: 700 },
      ],
    });
    const policy = { ...ENDING, stopStragglers: 'all' } as const;
    expect(await aws.runToEnd({ policy })).toEqual([{ kind: 'already-completed', lastSeen: undefined }]);
    expect(changesOf(aws)).toEqual([]);
    expect(eventsOf(aws)).toEqual(['started', 'finished']);
  });

  it('stops no task of an instance that takes tasks, though Auto Scaling may hold it', async () => {
    const aws = drainedByEcs({ instances: [{ id: 'one' }], tasks: [NEVER] });
    await aws.runToEnd({ policy: { ...ENDING, stopStragglers: 'all' } });
    expect(aws.callsNamed('stopTask')).toEqual([]);
  });

  it('is given the 48 hours of ECS where its hook cannot be read', async () => {
    const fault = ({ name }: { name: string }) => (name === 'hooksOf' ? new Error('AccessDenied') : undefined);
    const aws = drainedByEcs({ tasks: [NEVER], endsAtSeconds: 6 * HOURS, fault });
    await aws.runToEnd({ policy: { ...POLICY, heartbeatTimeoutSeconds: 60 } });
    expect(aws.published[0]?.event).toMatchObject({ kind: 'started', deadlineAtMs: at(48 * HOURS) });
  });

  it('ends after the 48 hours though the instance stays in its cluster', async () => {
    const aws = drainedByEcs({ tasks: [NEVER] });
    const [outcome] = await aws.runToEnd();
    expect(outcome).toMatchObject({ kind: 'already-completed', lastSeen: { tasks: [{ arn: 'stays' }] } });
    expect(aws.now()).toBeLessThan(49.5 * HOURS);
  });

  it('ends where ECS does not say what became of its tasks, such as where their cluster is deleted', async () => {
    const fault = ({ name, atSeconds }: { name: string; atSeconds: number }) =>
      name === 'describeTasks' && atSeconds > 3_000 ? new Error('ClusterNotFoundException') : undefined;
    const aws = drainedByEcs({ tasks: [NEVER], endsAtSeconds: 3_000, fault });
    const [outcome] = await aws.runToEnd();
    expect(outcome).toMatchObject({ kind: 'already-completed', lastSeen: { tasks: [{ arn: 'stays' }] } });
    expect(aws.deadLetters).toEqual([]);
  });

  it('is not woken again by an event about an empty instance that it knows of', async () => {
    const aws = drainedByEcs({ tasks: [{ id: 'a', stopsAtSeconds: 100 }], endsAtSeconds: 400 });
    await aws.round();
    await aws.waitUntil(110);
    const before = aws.calls.length;
    const reported = aws.containerInstance('one');
    const wakeUp = { kind: 'wake-up', containerInstance: reported, reported, sentAtMs: at(110) } as const;
    expect(await aws.round([wakeUp])).toEqual([]);
    expect(aws.calls.slice(before).map(({ name }) => name)).toEqual(['parkedOn']);
  });

  it('is reported as stuck where ECS does not complete its hook though no task is left', async () => {
    const aws = drainedByEcs({ tasks: [{ id: 'a', stopsAtSeconds: 100 }], endsAtSeconds: 27 * HOURS });
    const [outcome] = await aws.runToEnd();
    expect(outcome?.kind).toBe('drained');
    const stuck = aws.published.flatMap(({ event }) => (event.kind === 'stuck' ? [event.explanation.unknown] : []));
    expect(stuck).toEqual([[expect.stringContaining('has not completed its lifecycle hook')]]);
  });

  it('is reported as stuck where ECS never sets the instance to DRAINING', async () => {
    const aws = drainedByEcs({
      instances: [{ id: 'one', status: 'ACTIVE', goneAtSeconds: 3 * HOURS }],
      tasks: [NEVER],
    });
    await aws.runToEnd();
    expect(eventsOf(aws)).toEqual(['started', 'stuck', 'finished']);
    expect(changesOf(aws)).toEqual([]);
  });

  it('begins with its look some time later where many begin together', async () => {
    const ids = Array.from({ length: 12 }, (_, i) => `i-${String(i).padStart(17, '0')}`);
    const aws = drainedByEcs({
      instances: ids.map((ec2InstanceId, i) => ({ id: `ci${i}`, ec2InstanceId, status: 'DRAINING' })),
      holds: ids.map((instanceId) => ({ instanceId, lifecycleHook: MANAGED_DRAINING_HOOK })),
    });
    const results = await aws.round();
    expect(new Set(results.map(({ kind }) => kind))).toEqual(new Set(['parked']));
    expect(aws.calls.map(({ name }) => name)).toEqual(['continueAt']);
    await aws.waitUntil(140);
    expect(aws.published.filter(({ event }) => event.kind === 'started')).toHaveLength(12);
  });

  it('has ended where the group has no such hook any more', async () => {
    const aws = drainedByEcs({ tasks: [NEVER], hooks: [] });
    const [outcome] = await aws.runToEnd();
    expect(outcome).toMatchObject({ kind: 'already-completed', lastSeen: { tasks: [{ arn: 'stays' }] } });
  });

  it('of an instance that is in none of the clusters is gone', async () => {
    const aws = drainedByEcs({ instances: [] });
    expect(await aws.runToEnd()).toEqual([{ kind: 'gone', clusters: ['prod'] }]);
  });

  it('waits on the queue where there are no schedules, a quarter of an hour at most', async () => {
    const aws = drainedByEcs({ tasks: [NEVER], endsAtSeconds: 5 * HOURS });
    await aws.runToEnd({ policy: { ...POLICY, waiting: 'watch' } });
    expect(aws.callsNamed('continueAt').length).toBeLessThan(30);
    expect(eventsOf(aws)).toEqual(['started', 'stuck', 'finished']);
  });

  it('is found by the sweep if its event was lost, and is not found again while it is parked', async () => {
    const aws = drainedByEcs({ tasks: [NEVER], endsAtSeconds: 12 * HOURS });
    await aws.waitUntil(300);
    aws.sweepEvery(60);
    await aws.waitUntil(10 * HOURS);
    expect(aws.telemetry.filter(({ entry }) => entry.kind === 'found')).toMatchObject([
      { drain: { kind: 'supervised' }, entry: { lost: 'event' } },
    ]);
    await aws.run();
    expect(eventsOf(aws)).toEqual(['started', 'stuck', 'finished']);
    expect(changesOf(aws)).toEqual([]);
  });

  it('is found by the sweep only where no other hook may hold the instance', async () => {
    const aws = drainedByEcs({ tasks: [NEVER], hooks: [{ name: MANAGED_DRAINING_HOOK }, { name: 'another' }] });
    await aws.waitUntil(300);
    expect((await aws.sweep()).found).toEqual([]);
  });

  it.each([
    ['', false],
    [', in a group that may return it to a warm pool', true],
  ])(
    'goes on from a continuation of the bus only while Auto Scaling holds the instance, without a heartbeat%s',
    async (_, returnsToWarmPool) => {
      const aws = drainedByEcs({ tasks: [NEVER], endsAtSeconds: 1_000, returnsToWarmPool });
      const [drain] = aws.heldDrains();
      if (!drain) throw new Error('Something is held.');
      const arrival = { kind: 'continuation', drain, isTrusted: false } as const;
      expect(await aws.round([arrival])).toMatchObject([{ kind: 'parked' }]);
      await aws.waitUntil(1_100);
      aws.schedules.clear();
      expect(await aws.round([arrival])).toMatchObject([{ kind: 'finished', outcome: { kind: 'already-completed' } }]);
      expect(changesOf(aws)).toEqual([]);
    },
  );

  it('is never set to DRAINING or given a heartbeat, and never completed before a deadline with a result', () => {
    fc.assert(
      fc.property(anySupervision, (situation) => {
        const decision = supervise(situation);
        expect(['set-draining', 'heartbeat']).not.toContain(decision.kind);
        if (decision.kind !== 'complete' && decision.kind !== 'stop-tasks') return;
        expect(situation.policy.managedDrainingDeadline).not.toBe('none');
        expect(situation.drain.isCompletionDenied).not.toBe(true);
        if (decision.kind === 'stop-tasks') return;
        if (decision.verdict.kind !== 'drained')
          expect(decision.verdict).toMatchObject({
            kind: 'timed-out',
            result: situation.policy.managedDrainingDeadline,
          });
        expect(situation.nowMs).toBeGreaterThanOrEqual(situation.drain.startedAtMs + 60_000);
      }),
    );
  });
});

describe('a decision about a drain of ECS managed draining', () => {
  const given: fc.Arbitrary<Supervision> = anySupervision.map((situation) => ({
    ...situation,
    isOutOfTime: false,
    refused: new Set(),
    isStartVerified: false,
  }));
  const decisions = (situations: fc.Arbitrary<Supervision>, check: (decision: Decision, given: Supervision) => void) =>
    fc.assert(
      fc.property(situations, (situation) => {
        check(supervise(situation), situation);
      }),
    );
  const withDrain = (situation: Supervision, changes: Partial<SupervisedDrain>): Supervision => ({
    ...situation,
    drain: { ...situation.drain, ...changes },
  });
  const held = seenOf([holdingTaskOf()]);
  const closedAt = (seconds: number) => ({ sinceMs: at(seconds), containerInstances: [], silent: [] });

  it('hands over at the end of the invocation, whatever else is due', () => {
    const outOfTime = anySupervision.map((situation) => ({ ...situation, isOutOfTime: true }));
    decisions(outOfTime, (decision) => expect(decision).toEqual({ kind: 'hand-over' }));
  });

  it('never waits on a queue that has refused the message', () => {
    decisions(
      given.map((situation) => ({ ...situation, refused: new Set(['queue' as const]) })),
      (decision) => {
        const due = ['verify-start', 'stop-tasks', 'complete'];
        expect(['park', 'leave', 'hand-over', 'heartbeat', ...due]).toContain(decision.kind);
        if (decision.kind === 'park') expect(decision.on).toBe('schedule');
      },
    );
  });

  it('stops tasks before a wait that the outage of the queue may make too long, and ends at the deadline all the same', () => {
    const deadlineMs = at(POLICY.deadlineSeconds);
    const policy = { ...ENDING, stopStragglers: 'standalone' } as const;
    const job = holdingTaskOf({ class: 'standalone', stopTimeoutSeconds: 60 });
    const drain = supervisedDrainOf({ hook: HOOK, closed: closedAt(0) });
    const refused = new Set(['queue', 'park'] as const);
    const seen = {
      ...UNDISTURBED,
      drain,
      policy,
      refused,
      isStartVerified: true,
      random: 0,
    };
    const deciding = (nowMs: number, observation: Observation = seenOf([job])) =>
      supervise({ ...seen, nowMs, observation }).kind;
    const latestStopMs = deadlineMs - (60 + 10) * 1000;
    expect(deciding(latestStopMs - 106_000)).not.toBe('stop-tasks');
    expect(deciding(latestStopMs - 105_000)).toBe('stop-tasks');
    expect(deciding(deadlineMs)).toBe('complete');
    const partly = { kind: 'unavailable', reason: 'throttled', partial: seenOf([job]) } as const;
    expect(deciding(latestStopMs - 105_000, partly)).toBe('stop-tasks');
    expect(deciding(deadlineMs, partly)).not.toBe('complete');
  });

  it('reports a drain as stuck with the known tasks, though ECS refuses to list the others', () => {
    const [situation] = fc.sample(given, 1) as [Supervision];
    const atSecond = (seconds: number, partial?: typeof held) => {
      const observation = { kind: 'unavailable', reason: 'throttled', partial } as const;
      const drain = { hook: HOOK, startedAtMs: at(0), announced: 'started' } as const;
      return supervise(withDrain({ ...situation, observation, nowMs: at(seconds), policy: POLICY }, drain)).kind;
    };
    expect([atSecond(3_599, held), atSecond(3_600, held)]).toEqual(['park', 'announce']);
    expect(atSecond(3_600)).toBe('park');
  });

  it('searches and lists first, and for one of many only some time later', () => {
    const first = given.map((situation) =>
      withDrain(
        { ...situation, observation: undefined, policy: { ...situation.policy, stopStragglers: 'none' } },
        { known: undefined },
      ),
    );
    decisions(first, (decision, { isFleet }) =>
      expect(decision).toEqual(
        isFleet
          ? { kind: 'park', on: 'queue', untilMs: expect.any(Number) }
          : { kind: 'look', scope: { registrations: 'search', tasks: 'list' } },
      ),
    );
  });

  it('describes once more the tasks that held an instance which has left its cluster', () => {
    const left = { kind: 'absent', clusters: ['prod'] } as const;
    const listed = knownOf(
      seenOf([holdingTaskOf()], {
        tasks: { holding: [holdingTaskOf()], lastStoppedAtMs: undefined, listedAtMs: at(100) },
      }),
    );
    const [situation] = fc.sample(given, 1) as [Supervision];
    const last = withDrain({ ...situation, observation: left }, { known: listed, closed: closedAt(50) });
    expect(supervise(last)).toEqual({ kind: 'look', scope: { registrations: 'known', tasks: 'known' } });
    const early = withDrain(last, { closed: closedAt(95) });
    expect(supervise(early)).toEqual({ kind: 'finish', ending: 'already-completed' });
    expect(supervise(withDrain(last, { known: undefined }))).toEqual({
      kind: 'finish',
      ending: { kind: 'gone', clusters: ['prod'] },
    });
  });

  it('stops the known tasks ahead of the deadline though ECS refuses to list the others, and does not end it', () => {
    const [situation] = fc.sample(given, 1) as [Supervision];
    const policy = { ...POLICY, managedDrainingDeadline: 'CONTINUE', stopStragglers: 'all' } as const;
    const atSecond = (seconds: number, status: 'ACTIVE' | 'DRAINING', stopRequested = false) => {
      const tasks = [holdingTaskOf({ stopRequested })];
      const partial = seenOf(tasks, { containerInstances: [containerInstanceOf({ status })] });
      const observation = { kind: 'unavailable', reason: 'throttled', partial } as const;
      const now = { observation, nowMs: at(seconds), policy, isStartVerified: true };
      const drain = { hook: HOOK, startedAtMs: at(0), announced: 'stuck', isCompletionDenied: undefined } as const;
      return supervise(withDrain({ ...situation, ...now }, drain)).kind;
    };
    expect(atSecond(7_100, 'DRAINING')).toBe('stop-tasks');
    expect(atSecond(7_100, 'ACTIVE')).toBe('park');
    expect(atSecond(7_300, 'DRAINING', true)).toBe('park');
  });

  it('ends it half an hour after its hook must have ended it, and not a second before', () => {
    const hook = { ...HOOK, globalTimeoutSeconds: 3_600 };
    const [situation] = fc.sample(given, 1) as [Supervision];
    const atSecond = (seconds: number) =>
      supervise(
        withDrain(
          { ...situation, observation: held, nowMs: at(seconds), policy: POLICY, isStartVerified: true },
          { hook, startedAtMs: at(0), announced: 'stuck' },
        ),
      ).kind;
    expect([atSecond(5_399), atSecond(5_400)]).toEqual(['park', 'finish']);
  });

  it('asks Auto Scaling once about an instance that still takes tasks ten minutes after its start', () => {
    const [situation] = fc.sample(given, 1) as [Supervision];
    const taking = seenOf([holdingTaskOf()], { containerInstances: [containerInstanceOf({ status: 'ACTIVE' })] });
    const atSecond = (seconds: number, changes: Partial<Supervision> = {}) =>
      supervise(
        withDrain(
          { ...situation, observation: taking, nowMs: at(seconds), policy: POLICY, ...changes },
          { hook: HOOK, startedAtMs: at(0), announced: 'stuck' },
        ),
      ).kind;
    expect([atSecond(599), atSecond(600)]).toEqual(['park', 'verify-start']);
    expect(atSecond(600, { isStartVerified: true })).toBe('park');
    expect(atSecond(600, { refused: new Set(['verify-start']) })).toBe('park');
  });

  it('asks Auto Scaling about an instance that has been empty for longer than ECS takes to complete its hook', () => {
    const [situation] = fc.sample(given, 1) as [Supervision];
    const atSecond = (seconds: number, agentConnected = true, changes: Partial<Supervision> = {}) =>
      supervise(
        withDrain(
          {
            ...situation,
            observation: seenOf([], { containerInstances: [containerInstanceOf({ agentConnected })] }),
            nowMs: at(seconds),
            policy: POLICY,
            ...changes,
          },
          { hook: HOOK, startedAtMs: at(0), announced: 'started', emptySinceMs: at(400) },
        ),
      ).kind;
    expect([atSecond(699), atSecond(700)]).toEqual(['park', 'verify-start']);
    // Without an agent it may be what a terminated instance has left behind (facts 15 agent-connection).
    expect([atSecond(401, false), atSecond(699, false)]).toEqual(['verify-start', 'verify-start']);
    expect(atSecond(401, false, { isStartVerified: true })).toBe('park');
  });
});
