import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decide } from '../../src/domain/decide.ts';
import type { Decision } from '../../src/domain/decision.ts';
import { type Drain, hookLimits, isSameDrain } from '../../src/domain/drain.ts';
import {
  type Answer,
  correctedStart,
  evolve,
  type Result,
  type Work,
  withHeartbeat,
  workOn,
} from '../../src/domain/evolve.ts';
import { continued, excessOf, withPark } from '../../src/domain/next-round.ts';
import type { HoldingTask, LastSeen, Observation } from '../../src/domain/observation.ts';
import { supervise } from '../../src/domain/supervise.ts';
import { anySituation, anySupervision, anyTasks, NOW, sometimes } from './any-situation.ts';
import {
  at,
  containerInstanceOf,
  drainOf,
  HOOK,
  holdingTaskOf,
  INSTANCE_ID,
  knownOf,
  noticeDrainOf,
  POLICY,
  seenOf,
  supervisedDrainOf,
} from './samples.ts';

const NOW_MS = at(60);
const LOOK: Decision = { kind: 'look', scope: { registrations: 'known', tasks: 'known' } };
const PARK: Decision = { kind: 'park', untilMs: at(90), on: 'queue' };
const GONE: Decision = { kind: 'complete', verdict: { kind: 'gone', clusters: ['prod'] } };

const SEEN_NOW: LastSeen = { tasks: [holdingTaskOf()], atMs: NOW_MS, haveStopped: false };
const SEEN_BEFORE: LastSeen = { tasks: [{ arn: 'before', cluster: 'prod' }], atMs: at(1), haveStopped: false };

const workOf = (drain: Drain = drainOf(), overrides: Partial<Work> = {}): Work => ({
  ...workOn(drain),
  observation: seenOf(),
  ...overrides,
});

const next = (work: Work, decision: Decision, answer: Answer) => evolve(work, decision, answer, POLICY, NOW_MS);
const observed = (work: Work, observation: Observation) => next(work, LOOK, { kind: 'observed', observation });

describe('the work on a drain', () => {
  it('begins with what is known of it, and nothing observed', () => {
    expect(workOn(drainOf())).toEqual({
      drain: drainOf(),
      isClaimed: false,
      observation: undefined,
      lastSeen: undefined,
      refused: new Set(),
      isStartVerified: false,
      isScheduleRead: false,
      isHookStale: false,
      reported: [],
      isWoken: false,
      isFleet: false,
      steps: 0,
    });
  });

  it('knows whether an event woke the drain, what that reported, and whether many begin together', () => {
    const reported = [containerInstanceOf()];
    expect(workOn(drainOf(), { reported, isWoken: true })).toMatchObject({ reported, isWoken: true, isFleet: false });
    expect(workOn(drainOf(), { isFleet: true })).toMatchObject({ isWoken: false, isFleet: true });
  });
});

describe('a continued drain', () => {
  it('counts how often it was, and remembers when an event called its instance empty', () => {
    expect(continued(drainOf({ continuations: 2, emptiedAtMs: at(1) }))).toMatchObject({
      continuations: 3,
      emptiedAtMs: at(1),
    });
    expect(continued(drainOf({ emptiedAtMs: at(1) }), at(2))).toMatchObject({ continuations: 1, emptiedAtMs: at(2) });
  });

  it('fails when it was continued far more often than once a second, with a sentence that says what to do', () => {
    expect(excessOf(drainOf({ continuations: 20_060 }), at(60))).toBeUndefined();
    expect(excessOf(drainOf({ continuations: 20_061 }), at(60))).toBe(
      `The drain of ${INSTANCE_ID} was continued 20061 times in 60 s, above the cap of one a second and 20000 more: something continues it without waiting. Its hook now runs into its own timeout; complete the lifecycle action by hand or send the event again.`,
    );
  });
});

describe('a parked drain', () => {
  const parked = (on: 'schedule' | 'queue' | 'both', schedule?: string) =>
    withPark(drainOf({ pollIntervalSeconds: 8 }), { kind: 'park', untilMs: at(90), on }, schedule, POLICY, 0.5, at(82));

  it('on a schedule knows which and until when, and polls quickly after it', () => {
    const state = { schedule: 'one', untilMs: at(90), firesAtMs: at(90), turn: 0.5 };
    expect(parked('schedule', 'one')).toEqual(drainOf({ pollIntervalSeconds: 2, parked: state }));
  });

  it('on the queue polls more slowly from one wait to the next', () => {
    expect(parked('queue')).toEqual(drainOf({ pollIntervalSeconds: 12 }));
  });

  it('on the queue for longer than any poll polls quickly after that', () => {
    const intervalAfter = (seconds: number, waiting: 'park' | 'watch' = 'park', pollIntervalSeconds = 8) =>
      withPark(
        drainOf({ pollIntervalSeconds }),
        { kind: 'park', untilMs: at(90), on: 'both' },
        'one',
        { ...POLICY, waiting },
        0.5,
        at(90 - seconds),
      ).pollIntervalSeconds;
    expect([12, 13, 13.001, 60].map((seconds) => intervalAfter(seconds))).toEqual([12, 12, 2, 2]);
    expect(intervalAfter(60, 'watch')).toBe(12);
    // AWS has refused for a while.
    expect(intervalAfter(60, 'park', 20)).toBe(20);
  });

  it('on both has a schedule that fires two minutes later, in case the message is lost', () => {
    const state = { schedule: 'one', untilMs: at(90), firesAtMs: at(210), turn: 0.5 };
    expect(parked('both', 'one')).toEqual(drainOf({ pollIntervalSeconds: 12, parked: state }));
  });
});

describe('what AWS refuses', () => {
  const refusal = { kind: 'refused', reason: 'throttled' } as const;
  const unavailable = { kind: 'unavailable', reason: 'throttled' };

  it.each<Decision>([LOOK, GONE, { kind: 'set-draining' }])(
    'leaves nothing observed to decide by: $kind',
    (decision) => {
      const work = workOf(drainOf(), { refused: new Set(['heartbeat']) });
      const refused = new Set(['heartbeat', decision.kind]);
      expect(next(work, decision, refusal)).toEqual({ ...work, refused, observation: unavailable });
    },
  );

  it.each<Decision>([
    PARK,
    { kind: 'heartbeat' },
    { kind: 'read-hook' },
    { kind: 'announce', event: 'stuck', deadlineAtMs: at(1) },
    { kind: 'verify-start' },
    { kind: 'stop-tasks', tasks: [holdingTaskOf()] },
  ])('leaves the observation as good as it was, where it says nothing of the instance: $kind', (decision) => {
    const work = workOf();
    expect(next(work, decision, refusal)).toEqual({ ...work, refused: new Set([decision.kind]) });
  });

  it('leaves the stops that ECS has taken', () => {
    const [a, b] = [holdingTaskOf({ arn: 'a' }), holdingTaskOf({ arn: 'b' })];
    const work = workOf(drainOf(), { observation: seenOf([a, b]) });
    const observation = seenOf([{ ...a, stopRequested: true }, b]);
    expect(next(work, { kind: 'stop-tasks', tasks: [a, b] }, { ...refusal, stopped: [a] })).toEqual({
      ...work,
      refused: new Set(['stop-tasks']),
      observation,
    });
  });

  it('leaves what ECS said in part, and the stops of it', () => {
    const partial = seenOf([holdingTaskOf()]);
    const work = next(workOf(), LOOK, { ...refusal, partial }) as Work;
    expect(work.observation).toEqual({ ...unavailable, partial });
    const stopped = next(work, { kind: 'stop-tasks', tasks: [holdingTaskOf()] }, { kind: 'done' }) as Work;
    const observation = { ...unavailable, partial: seenOf([holdingTaskOf({ stopRequested: true })]) };
    expect(stopped.observation).toEqual(observation);
  });

  it('leaves the silence of the agents as ECS describes them, though it does not list the tasks', () => {
    const partial = seenOf([holdingTaskOf()], { containerInstances: [containerInstanceOf({ agentConnected: false })] });
    const silenceAfter = (answer: Answer) => (next(workOf(), LOOK, answer) as Work).drain.agentSilence;
    expect(silenceAfter({ ...refusal, partial })).toMatchObject({ sinceMs: NOW_MS, seenLastAtMs: NOW_MS });
    expect(silenceAfter(refusal)).toBeUndefined();
  });

  it('on the queue is remembered separately from the schedule', () => {
    const work = workOf(drainOf(), { refused: new Set(['park']) });
    const drain = drainOf({ parked: { schedule: 'one', untilMs: at(90), firesAtMs: at(210), turn: 0.5 } });
    const answer: Answer = { kind: 'queue-refused', drain, reason: 'down' };
    expect(next(work, PARK, answer)).toEqual({ ...work, drain, refused: new Set(['park', 'queue']) });
  });

  it('ends the work with a failure, where it is the hand-over: the event comes again', () => {
    const failed = { kind: 'failed', drain: drainOf(), error: new Error('throttled') };
    expect(next(workOf(), { kind: 'hand-over' }, refusal)).toEqual(failed);
  });
});

describe('what an observation changes', () => {
  it('is what is known: the registrations, the tasks, the cluster, and since when the instance is closed', () => {
    const work = workOf(drainOf(), { observation: undefined, reported: [containerInstanceOf()] });
    const closed = { sinceMs: NOW_MS, containerInstances: [containerInstanceOf().arn], silent: [] };
    expect(observed(work, seenOf())).toEqual({
      ...work,
      drain: { ...drainOf({ cluster: 'prod', known: knownOf(seenOf(), NOW_MS), closed }), agentSilence: undefined },
      observation: seenOf(),
      reported: [],
      lastSeen: SEEN_NOW,
    });
  });

  it('is nothing but the observation where the instance is absent, or ECS did not answer', () => {
    const closed = { sinceMs: at(1), containerInstances: [], silent: [] };
    const work = workOf(drainOf({ cluster: 'prod', known: knownOf(), closed }));
    const absent: Observation = { kind: 'absent', clusters: ['prod'] };
    expect(observed(work, absent)).toEqual({
      ...work,
      observation: absent,
      drain: { ...work.drain, closed: undefined },
    });
    const throttled: Observation = { kind: 'unavailable', reason: 'throttled' };
    expect(observed(work, throttled)).toEqual({ ...work, observation: throttled });
  });

  it.each<[string, Observation, LastSeen | undefined, LastSeen | undefined]>([
    ['those that hold the instance', seenOf(), SEEN_BEFORE, SEEN_NOW],
    ['as before, where they were not listed this time', seenOf([], { tasks: undefined }), SEEN_BEFORE, SEEN_BEFORE],
    ['as before, where the instance is absent', { kind: 'absent', clusters: ['prod'] }, SEEN_BEFORE, SEEN_BEFORE],
    ['as before, now stopped, where none is left', seenOf([]), SEEN_BEFORE, { ...SEEN_BEFORE, haveStopped: true }],
    ['none, where there never was one', seenOf([]), undefined, { tasks: [], atMs: NOW_MS, haveStopped: false }],
  ])('is which tasks were seen last, and when: %s', (_, observation, before, lastSeen) => {
    expect(observed(workOf(drainOf(), { lastSeen: before }), observation)).toMatchObject({ lastSeen });
  });

  it('counts the silence of an agent, if it was observed within 150 s', () => {
    const silent = seenOf([holdingTaskOf()], { containerInstances: [containerInstanceOf({ agentConnected: false })] });
    const seenLastAt = (seenLast: number) => {
      const containerInstances = [containerInstanceOf().arn];
      return workOf(drainOf({ agentSilence: { sinceMs: at(-200), seenLastAtMs: at(seenLast), containerInstances } }));
    };
    expect(observed(seenLastAt(-90), silent)).toMatchObject({
      drain: { agentSilence: { sinceMs: at(-200), seenLastAtMs: NOW_MS } },
    });
    expect(observed(seenLastAt(-90.001), silent)).toMatchObject({ drain: { agentSilence: { sinceMs: NOW_MS } } });
  });

  it.each([
    ['the number of tasks has changed', knownOf(seenOf([])), seenOf(), 2],
    ['as many tasks are left', knownOf(), seenOf(), 20],
    ['the tasks were not known', knownOf(seenOf([], { tasks: undefined })), seenOf(), 20],
    ['nothing was known', undefined, seenOf(), 20],
    ['the tasks were not listed', knownOf(), seenOf([], { tasks: undefined }), 20],
  ])('makes the polls quick only when something happens: %s', (_, known, observation, pollIntervalSeconds) => {
    const work = workOf(drainOf({ known, pollIntervalSeconds: 20 }));
    expect(observed(work, observation)).toMatchObject({ drain: { pollIntervalSeconds } });
  });
});

describe('the hook', () => {
  const read = (limits: typeof HOOK | undefined, work = workOf(drainOf(), { lastSeen: SEEN_BEFORE })) =>
    next(work, { kind: 'read-hook' }, { kind: 'hook', limits });

  it('is known once it was read', () => {
    expect(read(HOOK)).toMatchObject({ drain: { kind: 'held', hook: HOOK } });
  });

  it('does not exist for a notice', () => {
    expect(read(HOOK, workOf(noticeDrainOf()))).toEqual(workOf(noticeDrainOf()));
  });

  it('holds nothing any more where the group has no such hook', () => {
    const outcome = { kind: 'already-completed', lastSeen: SEEN_BEFORE };
    expect(read(undefined)).toEqual({ kind: 'finished', drain: drainOf(), outcome });
  });
});

describe('a hook that is read again after a heartbeat', () => {
  const hook = { ...HOOK, choices: { deadlineSeconds: 900 } };
  const work = { ...workOf(drainOf({ hook })), isHookStale: true };
  const read = (answer: Answer) => next(work, { kind: 'read-hook' }, answer);

  it('counts with its timeout alone: a drain under way keeps its deadline and its choices', () => {
    const edited = { heartbeatTimeoutSeconds: 60, globalTimeoutSeconds: 6_000, choices: {} };
    const kept = { ...hook, heartbeatTimeoutSeconds: 60 };
    expect(read({ kind: 'hook', limits: edited })).toMatchObject({ isHookStale: false, drain: { hook: kept } });
  });

  it('counts as one of the shortest where it cannot be read', () => {
    const assumed = { ...hook, heartbeatTimeoutSeconds: 30 };
    expect(read({ kind: 'refused', reason: 'throttled' })).toMatchObject({ drain: { hook: assumed } });
  });

  it('is there though a list leaves it out: it has just accepted the heartbeat', () => {
    expect(read({ kind: 'hook', limits: undefined })).toEqual({ ...work, isHookStale: false });
  });
});

describe('the start of a drain', () => {
  const silence = { sinceMs: at(0), seenLastAtMs: at(0), containerInstances: [] };
  const drain = drainOf({ startedAtMs: at(0), agentSilence: silence });
  const verified = (startedAtMs: number | undefined, observation: Observation = seenOf([], { searchedAtMs: at(1) })) =>
    next(workOf(drain, { observation }), { kind: 'verify-start' }, { kind: 'start', startedAtMs, operator: undefined });

  it('is verified once Auto Scaling has answered, and a search before that proves nothing any more', () => {
    const observation = seenOf([], { searchedAtMs: undefined });
    const known = { isStartVerified: true, isScheduleRead: true };
    expect(verified(at(0))).toEqual(workOf(drain, { observation, ...known }));
    const throttled: Observation = { kind: 'unavailable', reason: 'throttled' };
    expect(verified(undefined, throttled)).toEqual(workOf(drain, { observation: throttled, ...known }));
  });

  it('comes with what operators ask, and is verified though Scheduler does not say that', () => {
    const operator = { deadlineAtMs: at(900), notes: [] };
    const answer = (given: typeof operator | 'unread') =>
      next(workOf(drain), { kind: 'verify-start' }, { kind: 'start', startedAtMs: at(0), operator: given });
    expect(answer(operator)).toMatchObject({ drain: { operator }, isScheduleRead: true, refused: new Set() });
    const refused = new Set(['verify-start']);
    expect(answer('unread')).toMatchObject({ drain, isStartVerified: true, isScheduleRead: false, refused });
  });

  it('that Auto Scaling does not know any more is the end of a drain of ECS’s own whose instance was seen empty', () => {
    const closed = { sinceMs: at(0), containerInstances: [], silent: [] };
    const supervised = supervisedDrainOf({ closed });
    const answered = (observation: Observation) =>
      next(
        workOf(supervised, { observation }),
        { kind: 'verify-start' },
        { kind: 'start', startedAtMs: undefined, operator: undefined },
      );
    const seenAt = (listedAtMs: number, holding: HoldingTask[] = []) =>
      seenOf(holding, { tasks: { holding, lastStoppedAtMs: at(5), listedAtMs } });
    expect(answered(seenAt(at(10)))).toEqual({
      kind: 'finished',
      drain: supervised,
      outcome: { kind: 'drained', lastTaskStoppedAtMs: at(5) },
    });
    for (const proofless of [seenAt(at(10), [holdingTaskOf()]), seenAt(at(9))]) {
      expect(answered(proofless)).toMatchObject({ isStartVerified: true });
    }
  });

  it('is corrected where Auto Scaling knows one that cannot be the event’s, with what was counted from it', () => {
    const corrected = { startedAtMs: at(-7_200), agentSilence: undefined };
    expect(verified(at(-7_200))).toMatchObject({ drain: { ...drain, ...corrected } });
  });

  it.each([
    [-3_600, 'an hour later: a load balancer may deregister the instance before the hook holds it', true],
    [-3_600.001, 'more than an hour later', false],
    [60, 'a minute earlier: clocks differ', true],
    [60.001, 'more than a minute earlier', false],
  ])('is believed or not, where Auto Scaling knows one at %d s and the event’s is %s', (seconds, _, isBelieved) => {
    expect(correctedStart(drain, at(seconds)) === drain).toBe(isBelieved);
  });
});

describe('a heartbeat that Auto Scaling accepts', () => {
  it('is counted, and the timeout begins again when it was asked for: the answer may be late', () => {
    const afterHeartbeat = drainOf({ lastHeartbeatAtMs: at(58), heartbeats: 1 });
    expect(next(workOf(), { kind: 'heartbeat' }, { kind: 'accepted', askedAtMs: at(58) })).toEqual({
      ...workOf(afterHeartbeat),
      isHookStale: true,
    });
  });

  it('is not counted for a notice', () => {
    expect(withHeartbeat(noticeDrainOf(), NOW_MS)).toEqual(noticeDrainOf());
  });
});

describe('the end of a drain', () => {
  const accepted = (drain: Drain, decision = GONE) =>
    next(workOf(drain), decision, { kind: 'accepted', askedAtMs: NOW_MS });

  it('has the verdict as its outcome', () => {
    const verdict = { kind: 'drained', lastTaskStoppedAtMs: at(5) } as const;
    const finished = { kind: 'finished', drain: drainOf(), outcome: verdict };
    expect(accepted(drainOf(), { kind: 'complete', verdict })).toEqual(finished);
    expect(accepted(drainOf())).toMatchObject({ kind: 'finished', outcome: { kind: 'gone' } });
  });

  it('is none where a notice is about an instance that was never in our clusters', () => {
    expect(accepted(noticeDrainOf())).toEqual({ kind: 'not-ours', drain: noticeDrainOf() });
    // A state that came over the bus is dropped, except for the cluster in which the drain had set it to DRAINING.
    const found = noticeDrainOf(undefined, { cluster: 'prod' });
    expect(accepted(found)).toMatchObject({ kind: 'finished', outcome: { kind: 'gone' } });
    const verdict = { kind: 'drained', lastTaskStoppedAtMs: undefined } as const;
    expect(accepted(noticeDrainOf(), { kind: 'complete', verdict })).toMatchObject({ kind: 'finished' });
  });

  it('reports the tasks seen last, of this round or an earlier one, where someone else has let the instance go', () => {
    const work = workOf(drainOf(), { lastSeen: SEEN_BEFORE });
    const outcome = { kind: 'already-completed', lastSeen: SEEN_BEFORE };
    expect(next(work, GONE, { kind: 'already-completed' })).toEqual({ kind: 'finished', drain: drainOf(), outcome });
    const gone = { kind: 'gone', clusters: ['prod'], lastSeen: SEEN_BEFORE };
    expect(next(work, GONE, { kind: 'accepted', askedAtMs: NOW_MS })).toMatchObject({ outcome: gone });
    const known = knownOf(seenOf(), at(5));
    expect(workOn(drainOf({ known })).lastSeen).toEqual({
      tasks: known.tasks?.holding,
      atMs: at(5),
      haveStopped: false,
    });
  });
});

describe('what was done', () => {
  const done = (work: Work, decision: Decision) => next(work, decision, { kind: 'done' });

  it('is remembered of an event on the bus', () => {
    const decision: Decision = { kind: 'announce', event: 'stuck', deadlineAtMs: at(1) };
    expect(done(workOf(), decision)).toEqual(workOf(drainOf({ announced: 'stuck' })));
  });

  it('is remembered of tasks that ECS was asked to stop: it may show it later', () => {
    const [a, b] = [holdingTaskOf({ arn: 'a' }), holdingTaskOf({ arn: 'b' })];
    const work = workOf(drainOf(), { observation: seenOf([a, b]) });
    const observation = seenOf([a, { ...b, stopRequested: true }]);
    expect(done(work, { kind: 'stop-tasks', tasks: [b] })).toEqual({ ...work, observation });
  });

  it('changes nothing where no tasks were observed', () => {
    for (const observation of [undefined, seenOf([], { tasks: undefined })]) {
      const work = workOf(drainOf(), { observation });
      expect(done(work, { kind: 'stop-tasks', tasks: [] })).toEqual(work);
    }
    expect(done(workOf(), { kind: 'set-draining' })).toEqual(workOf());
  });
});

describe('the work ends', () => {
  const drain = drainOf();
  it.each<[string, Answer, Result]>([
    [
      'with an error that someone has to fix',
      { kind: 'failed', error: 'denied' },
      { kind: 'failed', drain, error: 'denied' },
    ],
    ['where another delivery has the drain', { kind: 'taken' }, { kind: 'superseded', drain }],
    ['where the next invocation has it', { kind: 'handed-over' }, { kind: 'handed-over', drain }],
    [
      'where it is parked, as it was written',
      { kind: 'parked', drain: { ...drain, continuations: 3 } },
      { kind: 'parked', drain: { ...drain, continuations: 3 }, untilMs: at(90) },
    ],
  ])('%s', (_, answer, result) => {
    expect(next(workOf(), PARK, answer)).toEqual(result);
  });
});

describe('whatever AWS answers', () => {
  /** One of the answers that perform may give to the decision, at that instant. */
  function answerTo(decision: Decision, { drain }: Work, nowMs: number, draw: fc.GeneratorValue): Answer {
    const refused: Answer = { kind: 'refused', reason: 'throttled' };
    const one = (...answers: readonly Answer[]) => draw(() => fc.constantFrom(...answers));
    switch (decision.kind) {
      case 'set-draining':
        return one(refused, observedAs(seenOf([], { tasks: undefined })), observedAs({ kind: 'absent', clusters: [] }));
      case 'look': {
        const { scope } = decision;
        const listedAtMs = scope.tasks === 'list' ? nowMs : (drain.known?.tasks?.listedAtMs ?? nowMs);
        const tasks = { holding: draw(() => anyTasks), lastStoppedAtMs: undefined, listedAtMs };
        const searchedAtMs = scope.registrations === 'search' ? nowMs : undefined;
        return one(
          refused,
          observedAs(seenOf([], { tasks, searchedAtMs })),
          observedAs({ kind: 'absent', clusters: [] }),
        );
      }
      case 'read-hook':
        return one(refused, { kind: 'hook', limits: undefined }, { kind: 'hook', limits: hookLimits(30) });
      case 'verify-start':
        return one(refused, {
          kind: 'start',
          startedAtMs: draw(() => sometimes(fc.constantFrom(at(0), nowMs))),
          operator: draw(() => sometimes(fc.constant('unread' as const))),
        });
      case 'heartbeat':
        return one(refused, { kind: 'accepted', askedAtMs: nowMs }, { kind: 'already-completed' });
      case 'complete': {
        const ends: Answer[] = [{ kind: 'accepted', askedAtMs: nowMs }, { kind: 'already-completed' }];
        return one(
          refused,
          ...ends,
          ...(drain.kind === 'supervised' ? [{ kind: 'denied', reason: 'no' } as const] : []),
        );
      }
      case 'announce':
      case 'stop-tasks':
      case 'finish':
        return { kind: 'done' };
      case 'park':
        return one(
          refused,
          { kind: 'queue-refused', drain, reason: 'down' },
          { kind: 'taken' },
          { kind: 'parked', drain },
        );
      case 'leave':
        return { kind: 'left' };
      case 'hand-over':
        return one(refused, { kind: 'handed-over' });
    }
  }

  const observedAs = (observation: Observation): Answer => ({ kind: 'observed', observation });

  it('every decision has an evolution, and the work on a drain ends within 15 steps', () => {
    fc.assert(
      fc.property(
        fc.oneof(anySituation, anySupervision),
        fc.gen(),
        ({ drain, observation, policy, random, ...rest }, draw) => {
          const nowMs = at(NOW);
          let work: Work = { ...workOn(drain), observation, isFleet: rest.isFleet, isWoken: rest.isWoken };
          for (let steps = 0; steps < 15; steps++) {
            const { drain: next } = work;
            const now = { nowMs, random, isOutOfTime: false, comesAgainAtMs: undefined, wasLeft: false };
            const situation = { ...work, policy, ...now };
            const decision =
              next.kind === 'supervised'
                ? supervise({ ...situation, drain: next })
                : decide({ ...situation, drain: next });
            const evolved = evolve(work, decision, answerTo(decision, work, nowMs, draw), policy, nowMs);
            if (evolved.drain) expect(isSameDrain(evolved.drain, drain)).toBe(true);
            if (!('steps' in evolved)) {
              if (evolved.kind === 'finished')
                expect([
                  'complete',
                  'finish',
                  'heartbeat',
                  'read-hook',
                  ...(next.kind === 'supervised' ? ['verify-start'] : []),
                ]).toContain(decision.kind);
              return;
            }
            work = evolved;
          }
          throw new Error('The work does not end.');
        },
      ),
      { numRuns: 1_000 },
    );
  });
});
