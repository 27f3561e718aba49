import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decide } from '../../src/domain/decide.ts';
import type { Observation } from '../../src/domain/drain.ts';
import {
  conflictsIn,
  deadlineAtMs,
  heartbeatDueAtMs,
  PARKED_LATE_SECONDS,
  type Policy,
} from '../../src/domain/policy.ts';
import {
  type ApiGroup,
  containerInstanceOf,
  drainOf,
  type FakeTask,
  fakeAws,
  HOOK,
  holdingTaskOf,
  START_MS,
  type World,
} from '../fakes.ts';

const seconds = (max: number) => fc.integer({ min: 0, max });
const span = (max: number) =>
  fc.tuple(seconds(max), seconds(2_000)).map(([from, length]): [number, number] => [from, from + length]);

const task: fc.Arbitrary<Omit<FakeTask, 'id'>> = fc.record({
  stopsAtSeconds: fc.oneof(seconds(9_000), fc.constant(Infinity)),
  deactivatesAtSeconds: seconds(9_000),
  class: fc.constantFrom('service', 'daemon', 'standalone'),
  stopTimeoutSeconds: fc.integer({ min: 2, max: 120 }),
});

const hook = fc.integer({ min: 30, max: 7_200 }).map((heartbeatTimeoutSeconds) => ({
  heartbeatTimeoutSeconds,
  globalTimeoutSeconds: Math.min(172_800, 100 * heartbeatTimeoutSeconds),
}));

const outagesOf = (...groups: ApiGroup[]) =>
  fc.array(fc.record({ of: fc.constantFrom(...groups), span: span(9_000) }), { maxLength: 4 });

/** With or without parking places; their schedules come as late as they may, and stops wake drains or are all lost. */
const world = (outages: ReturnType<typeof outagesOf>): fc.Arbitrary<World> =>
  fc.record({
    instances: fc
      .array(
        fc.record({
          status: fc.constantFrom('ACTIVE', 'DRAINING', 'REGISTERING'),
          activeAtSeconds: seconds(600),
          silences: fc.array(span(9_000), { maxLength: 3 }),
        }),
        { minLength: 1, maxLength: 2 },
      )
      // The tasks are on the first, so it has registered.
      .map((instances) =>
        instances.map((each, i) => {
          const status = i === 0 && each.status === 'REGISTERING' ? 'ACTIVE' : each.status;
          return { ...each, status, id: `ci${i}` };
        }),
      ),
    tasks: fc
      .array(task, { maxLength: 6 })
      .map((tasks) => tasks.map((each, i) => ({ ...each, id: `task${i}`, containerInstance: 'ci0' }))),
    hook,
    outages,
    parking: fc.option(fc.record({ lateSeconds: seconds(PARKED_LATE_SECONDS), wakeUps: fc.boolean() }), {
      nil: undefined,
    }),
  });

/** Any policy that the service would accept. */
const policy: fc.Arbitrary<Policy> = fc
  .record({
    clusters: fc.constant(['prod']),
    deadlineSeconds: fc.integer({ min: 60, max: 9_000 }),
    deadlineResult: fc.constantFrom('CONTINUE', 'ABANDON'),
    stuckFraction: fc.constantFrom(0.1, 0.5, 1),
    stopStragglers: fc.constantFrom('none', 'standalone', 'all'),
    deregistrationDelaySeconds: seconds(300),
    agentGraceSeconds: fc.integer({ min: 60, max: 3_600 }),
    heartbeatTimeoutSeconds: fc.constant(3_600),
    heartbeatFraction: fc.constantFrom(0.25, 0.5, 0.9),
    pollMinSeconds: fc.integer({ min: 1, max: 10 }),
    pollMaxSeconds: fc.integer({ min: 10, max: 60 }),
    marginSeconds: fc.integer({ min: 5, max: 30 }),
  })
  .filter((candidate) => conflictsIn(candidate, { functionTimeoutSeconds: 60, hook: undefined }).length === 0);

const invocationSeconds = fc.integer({ min: 60, max: 900 });

describe('whatever the tasks, the agents, the policy and the outages are', () => {
  it('a drain ends, and never before its deadline while a task holds the instance', async () => {
    await fc.assert(
      fc.asyncProperty(
        world(outagesOf('ecs-reads', 'ecs-changes', 'auto-scaling', 'scheduler')),
        policy,
        invocationSeconds,
        async (chosenWorld, chosenPolicy, invocation) => {
          const aws = fakeAws(chosenWorld);
          const outcome = await aws.runToEnd({ policy: chosenPolicy, invocationSeconds: invocation });
          const held = aws.holding();
          const completion = aws.completion();
          switch (outcome.kind) {
            case 'drained':
              expect(held).toEqual([]);
              expect(completion?.result).toBe('CONTINUE');
              break;
            case 'timed-out':
              expect(outcome.killedTasks.map(({ arn }) => arn)).toEqual(held);
              expect(START_MS + (completion?.atSeconds ?? 0) * 1000).toBeGreaterThanOrEqual(outcome.deadlineAtMs);
              expect(completion?.result).toBe(chosenPolicy.deadlineResult);
              break;
            case 'agent-lost': {
              // By the world's own word: at no look of the grace was the agent heard, and looks were never far apart.
              const from = aws.now() - chosenPolicy.agentGraceSeconds;
              const looks = aws.callsNamed('refresh').filter(({ atSeconds }) => atSeconds >= from);
              const [holder] = chosenWorld.instances ?? [];
              for (const { atSeconds } of looks) {
                expect(holder?.silences?.some(([begin, end]) => atSeconds >= begin && atSeconds < end)).toBe(true);
              }
              expect(completion?.result).toBe(chosenPolicy.deadlineResult);
              break;
            }
            case 'already-completed':
              expect(completion).toBeUndefined();
              break;
            case 'gone':
              throw new Error('The instance was there all the time.');
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  it('an old continuation that comes again, as after a crash, ends no drain early either', async () => {
    await fc.assert(
      fc.asyncProperty(
        world(outagesOf('ecs-reads', 'ecs-changes', 'scheduler')),
        policy,
        fc.array(fc.nat({ max: 3 }), { minLength: 1, maxLength: 10 }),
        async (chosenWorld, chosenPolicy, ages) => {
          const aws = fakeAws(chosenWorld);
          let invocations = 0;
          const outcome = await aws.runToEnd({
            policy: chosenPolicy,
            invocationSeconds: 120,
            pick: (continuations) => {
              const age = ages[invocations++ % ages.length] ?? 0;
              return continuations.at(Math.max(-continuations.length, -1 - age));
            },
          });
          const completion = aws.completion();
          if (outcome.kind === 'drained') expect(aws.holding()).toEqual([]);
          if (outcome.kind === 'timed-out') {
            expect(START_MS + (completion?.atSeconds ?? 0) * 1000).toBeGreaterThanOrEqual(outcome.deadlineAtMs);
          }
          if (outcome.kind === 'agent-lost') {
            expect(aws.now()).toBeGreaterThanOrEqual(chosenPolicy.agentGraceSeconds);
          }
          expect(outcome.kind).not.toBe('gone');
        },
      ),
      { numRuns: 200 },
    );
  });

  it('heartbeats are never later than due, and the hook never decides before we do, while Auto Scaling answers', async () => {
    await fc.assert(
      fc.asyncProperty(
        world(outagesOf('ecs-reads', 'ecs-changes', 'scheduler')),
        policy,
        invocationSeconds,
        async (chosenWorld, chosenPolicy, invocation) => {
          const outages = (chosenWorld.outages ?? []).map(({ span: [from, to] }) => [from, to]);
          const aws = fakeAws(chosenWorld);
          const timeoutSeconds = chosenWorld.hook?.heartbeatTimeoutSeconds ?? Number.NaN;
          const assuming = { ...chosenPolicy, heartbeatTimeoutSeconds: timeoutSeconds };
          const outcome = await aws.runToEnd({ policy: assuming, invocationSeconds: invocation });
          const dueSeconds = timeoutSeconds * chosenPolicy.heartbeatFraction;
          const beats = [0, ...aws.callsNamed('recordHeartbeat').map(({ atSeconds }) => atSeconds), aws.now()];
          beats.slice(1).forEach((beat, i) => {
            expect(beat - (beats[i] ?? 0)).toBeLessThanOrEqual(dueSeconds + 1e-9);
          });
          // The one case where the hook goes first: nothing could be seen of the instance until its global timeout.
          if (outcome.kind === 'already-completed') {
            const globalTimeoutSeconds = chosenWorld.hook?.globalTimeoutSeconds ?? Number.NaN;
            expect(outages.some(([, to = 0]) => to >= globalTimeoutSeconds - 180)).toBe(true);
          }
        },
      ),
      { numRuns: 150 },
    );
  });

  it('the number of calls is bounded by the time and the tasks', async () => {
    await fc.assert(
      fc.asyncProperty(
        world(fc.constant([])),
        policy,
        invocationSeconds,
        async (chosenWorld, chosenPolicy, invocation) => {
          const aws = fakeAws(chosenWorld);
          await aws.runToEnd({ policy: chosenPolicy, invocationSeconds: invocation });
          const changes = 2 * (chosenWorld.tasks?.length ?? 0) + 6 * 3 + 2;
          const looks = aws.now() / chosenPolicy.pollMaxSeconds + 20 * changes;
          const beats = aws.callsNamed('recordHeartbeat').length;
          const handOvers = aws.callsNamed('continueNow').length;
          expect(aws.calls.length).toBeLessThanOrEqual(5 * (looks + beats + 2 * handOvers + 5));
        },
      ),
      { numRuns: 200 },
    );
  });
});

/** Which deliveries come a second time, and how long after the first: at once, or hours later. */
const again = fc.array(fc.record({ nth: fc.nat({ max: 30 }), afterSeconds: fc.oneof(seconds(120), seconds(9_000)) }), {
  minLength: 1,
  maxLength: 5,
});

const alwaysParking = (outages: ReturnType<typeof outagesOf>) =>
  fc
    .tuple(world(outages), fc.record({ lateSeconds: seconds(PARKED_LATE_SECONDS), wakeUps: fc.boolean() }))
    .map(([chosenWorld, parking]) => ({ ...chosenWorld, parking }));

describe('whatever is delivered twice: a termination, a continuation, a schedule’s event or a wake-up', () => {
  it('the drain has one schedule at most at any time, ends once, and leaves no schedule behind', async () => {
    await fc.assert(
      fc.asyncProperty(
        alwaysParking(outagesOf('ecs-reads', 'ecs-changes')),
        policy,
        invocationSeconds,
        again,
        async (chosenWorld, chosenPolicy, invocation, chosenAgain) => {
          const aws = fakeAws(chosenWorld);
          let holding: string[] | undefined;
          const results = await aws.runAll({
            policy: chosenPolicy,
            invocationSeconds: invocation,
            again: chosenAgain,
            onMoment: () => {
              expect(aws.places().length).toBeLessThanOrEqual(1);
              if (aws.completion()) holding ??= aws.holding();
            },
          });
          const outcomes = results.flatMap((result) => (result.kind === 'finished' ? [result.outcome.kind] : []));
          const ours = outcomes.filter((outcome) => outcome !== 'already-completed');
          expect(outcomes.length).toBeGreaterThanOrEqual(1);
          expect(ours).toHaveLength(aws.completion() ? 1 : 0);
          if (ours[0] === 'drained') expect(holding).toEqual([]);
          expect(ours).not.toContain('gone');
          expect(aws.places()).toEqual([]);
        },
      ),
      { numRuns: 150 },
    );
  });

  it('costs one more invocation each, and no second chain, where heartbeats are far apart', async () => {
    await fc.assert(
      fc.asyncProperty(alwaysParking(fc.constant([])), again, async (chosenWorld, chosenAgain) => {
        // An agent's silence, or a late registration, lasts as long as the looks happen to see it.
        const calm = { ...chosenWorld, hook: HOOK, instances: [{ id: 'ci0' }] };
        const once = fakeAws(calm);
        const resultsOnce = await once.runAll();
        const twice = fakeAws(calm);
        const resultsTwice = await twice.runAll({ again: chosenAgain });
        expect(twice.callsNamed('continueNow')).toEqual([]);
        // A look before the time puts the next one off, so the others come a few more times or fewer.
        const more = resultsTwice.length - resultsOnce.length;
        expect(more).toBeLessThanOrEqual(3 * chosenAgain.length);
        expect(twice.calls.length).toBeLessThanOrEqual(once.calls.length + 40 * chosenAgain.length);
        expect(twice.completion()?.atSeconds).toBeLessThanOrEqual((once.completion()?.atSeconds ?? 0) + 435);
      }),
      { numRuns: 150 },
    );
  });
});

const anyObservation: fc.Arbitrary<Observation> = fc.oneof(
  fc.constant<Observation>({ kind: 'unavailable', reason: 'throttled' }),
  fc.constant<Observation>({ kind: 'listed', containerInstances: [containerInstanceOf()] }),
  fc.constant<Observation>({ kind: 'leaving', containerInstances: [containerInstanceOf()] }),
  fc.constant<Observation>({ kind: 'active', containerInstances: [containerInstanceOf({ status: 'ACTIVE' })] }),
  fc.array(fc.constantFrom('service', 'daemon', 'standalone'), { maxLength: 5 }).map(
    (classes): Observation => ({
      kind: 'draining',
      registering: classes.length === 4,
      containerInstances: [containerInstanceOf()],
      holdingTasks: classes.map((each, i) => holdingTaskOf({ arn: `task${i}`, class: each })),
      lastTaskStoppedAtMs: undefined,
    }),
  ),
);

describe('any single decision', () => {
  it('lets go only of an instance that nothing holds, or at the deadline, or of a lost agent', () => {
    fc.assert(
      fc.property(
        anyObservation,
        policy,
        hook,
        seconds(20_000),
        fc.option(seconds(20_000), { nil: undefined }),
        fc.boolean(),
        (observation, chosenPolicy, limits, nowSeconds, silentSince, mayPark) => {
          const nowMs = START_MS + nowSeconds * 1000;
          const drain = drainOf({
            hook: limits,
            agentSilence:
              silentSince === undefined
                ? undefined
                : { sinceMs: START_MS + silentSince * 1000, seenLastAtMs: START_MS + silentSince * 1000 },
          });
          const decision = decide({
            drain,
            observation,
            policy: chosenPolicy,
            nowMs,
            invocationEndsAtMs: nowMs + 60_000,
            mayPark,
            random: 0.5,
          });
          if (decision.kind !== 'complete') return;
          expect(observation.kind).toBe('draining');
          const nothingHolds = observation.kind === 'draining' && observation.holdingTasks.length === 0;
          const overdue = nowMs >= deadlineAtMs(drain, limits, chosenPolicy);
          const lost = silentSince !== undefined && nowSeconds - silentSince >= chosenPolicy.agentGraceSeconds;
          expect(nothingHolds || overdue || lost).toBe(true);
        },
      ),
    );
  });

  it('to wait ends in the future, in time, and sleeps through nothing that falls due', () => {
    fc.assert(
      fc.property(
        anyObservation,
        policy,
        hook,
        seconds(20_000),
        seconds(900),
        fc.integer({ min: 1, max: 60 }),
        fc.boolean(),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (observation, chosenPolicy, limits, nowSeconds, leftSeconds, pollIntervalSeconds, mayPark, random) => {
          const nowMs = START_MS + nowSeconds * 1000;
          const drain = drainOf({ hook: limits, lastHeartbeatAtMs: nowMs - 1000, pollIntervalSeconds });
          const invocationEndsAtMs = nowMs + leftSeconds * 1000;
          const policy = chosenPolicy;
          const decision = decide({ drain, observation, policy, nowMs, invocationEndsAtMs, mayPark, random });
          if (decision.kind !== 'watch' && decision.kind !== 'park') return;
          // A parked drain may go on so much later than it asked for.
          const lateMs = decision.kind === 'park' ? PARKED_LATE_SECONDS * 1000 : 0;
          const longestSeconds = decision.kind === 'park' ? 360 : pollIntervalSeconds * 1.5;
          expect(decision.untilMs).toBeGreaterThan(nowMs);
          expect(decision.untilMs).toBeLessThanOrEqual(nowMs + longestSeconds * 1000);
          if (decision.kind === 'watch') {
            expect(decision.untilMs).toBeLessThanOrEqual(invocationEndsAtMs - policy.marginSeconds * 1000);
          }
          for (const dueMs of [deadlineAtMs(drain, limits, policy), heartbeatDueAtMs(drain, limits, policy)]) {
            if (dueMs > nowMs) expect(decision.untilMs + lateMs).toBeLessThanOrEqual(dueMs);
          }
        },
      ),
    );
  });

  it('to park is made only where there is a place, and never of an instance that may be given tasks', () => {
    fc.assert(
      fc.property(
        anyObservation,
        policy,
        hook,
        seconds(9_000),
        fc.boolean(),
        (observation, policy, limits, at, mayPark) => {
          const nowMs = START_MS + at * 1000;
          const drain = drainOf({ hook: limits, lastHeartbeatAtMs: nowMs });
          const decision = decide({
            drain,
            observation,
            policy,
            nowMs,
            invocationEndsAtMs: nowMs + 60_000,
            mayPark,
            random: 0.5,
          });
          if (decision.kind !== 'park') return;
          expect(mayPark).toBe(true);
          expect(['draining', 'leaving']).toContain(observation.kind);
        },
      ),
    );
  });
});
