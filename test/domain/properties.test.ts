import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Drain, hookLimits } from '../../src/domain/drain.ts';
import { COMPLETION_RESERVE_SECONDS, type Policy } from '../../src/domain/policy.ts';
import { conflictsIn } from '../../src/domain/policy-conflicts.ts';
import { IS_EXHAUSTIVE } from '../exhaustive/extent.ts';
import { type ApiGroup, type FakeTask, fakeAws, type World } from '../fakes.ts';
import { at, containerInstanceOf, drainOf, HOOK, INSTANCE_ID, knownOf, POLICY } from './samples.ts';

const seconds = (max: number) => fc.integer({ min: 0, max });
const span = (max: number) =>
  fc.tuple(seconds(max), seconds(1_000)).map(([from, length]): [number, number] => [from, from + length]);

const task: fc.Arbitrary<Omit<FakeTask, 'id'>> = fc.record({
  stopsAtSeconds: fc.oneof(seconds(4_000), fc.constant(Infinity)),
  deactivatesAtSeconds: seconds(4_000),
  class: fc.constantFrom('service', 'daemon', 'standalone'),
  stopTimeoutSeconds: fc.integer({ min: 2, max: 120 }),
});

const outagesOf = (...groups: ApiGroup[]) =>
  fc.array(fc.record({ of: fc.constantFrom(...groups), span: span(4_000) }), { maxLength: 4 });

/** One to three instances, each with one or two registrations; its tasks are on the first of these. */
const world = (outages: ReturnType<typeof outagesOf>): fc.Arbitrary<World> =>
  fc
    .record({
      fleet: fc.array(
        fc.record({
          registrations: fc.array(
            fc.record({
              status: fc.constantFrom('ACTIVE' as const, 'DRAINING' as const, 'REGISTERING' as const),
              activeAtSeconds: seconds(600),
              silences: fc.array(span(4_000), { maxLength: 3 }),
            }),
            { minLength: 1, maxLength: 2 },
          ),
          tasks: fc.array(task, { maxLength: 4 }),
        }),
        { minLength: 1, maxLength: 3 },
      ),
      hook: fc.integer({ min: 60, max: 7_200 }).map(hookLimits),
      outages,
      lateSeconds: seconds(60),
      lagSeconds: seconds(5),
      events: fc.constantFrom('all', 'task-stops', 'none'),
      random: fc.array(fc.double({ min: 0, max: 0.999, noNaN: true }), { minLength: 1, maxLength: 7 }),
    })
    .map(({ fleet, ...rest }) => ({
      ...rest,
      instances: fleet.flatMap(({ registrations }, i) =>
        registrations.map((each, j) => {
          // It has tasks, so it has registered.
          const status = j === 0 && each.status === 'REGISTERING' ? 'ACTIVE' : each.status;
          return { ...each, status, id: `ci${i}-${j}`, ec2InstanceId: `i-${i}` };
        }),
      ),
      tasks: fleet.flatMap(({ tasks }, i) =>
        tasks.map((each, j) => ({ ...each, id: `task${i}-${j}`, on: `ci${i}-0` })),
      ),
    }));

/** Any policy that the service would accept. */
const policy: fc.Arbitrary<Policy> = fc
  .record({
    clusters: fc.constant(['prod']),
    waiting: fc.constantFrom('park', 'watch'),
    deadlineSeconds: fc.integer({ min: 60, max: 4_000 }),
    deadlineResult: fc.constantFrom('CONTINUE', 'ABANDON'),
    managedDrainingDeadline: fc.constant('none'),
    stuckFraction: fc.constantFrom(0.1, 0.5, 1),
    stopStragglers: fc.constantFrom('none', 'standalone', 'all'),
    containerStopTimeoutSeconds: fc.constantFrom(30, 45),
    deregistrationDelaySeconds: seconds(300),
    agentGraceSeconds: fc.integer({ min: 60, max: 3_600 }),
    heartbeatTimeoutSeconds: fc.constant(60),
    heartbeatFraction: fc.constantFrom(0.25, 0.5, 0.9),
    pollMinSeconds: fc.integer({ min: 1, max: 10 }),
    pollMaxSeconds: fc.integer({ min: 10, max: 60 }),
    marginSeconds: fc.integer({ min: 5, max: 30 }),
  })
  .filter((candidate) => conflictsIn(candidate, { functionTimeoutSeconds: 60, hook: undefined }).length === 0);

type Aws = ReturnType<typeof fakeAws>;

/** No instance was let go with a task on it before the deadline or the agent's grace; every drain has ended. */
function expectSafeEnds(aws: Aws, policy: Policy): void {
  const endings = aws.published.flatMap(({ drain, event }) => (event.kind === 'finished' ? [{ drain, ...event }] : []));
  for (const [i, begun] of aws.heldDrains().entries()) {
    const completion = aws.completions()[i];
    const own = endings.filter(({ drain }) => isOf(drain, begun)).map(({ outcome }) => outcome);
    const [outcome, ...more] = own.filter(({ kind }) => kind !== 'already-completed');
    expect(more).toEqual([]);
    expect(outcome?.kind).not.toBe('gone');
    // An invocation that crashed has no outcome; a hook times out where AWS does not answer for so long.
    if (!outcome && completion && completion.holding.length > 0) {
      expect(completion.atSeconds).toBeGreaterThanOrEqual(Math.min(policy.deadlineSeconds, policy.agentGraceSeconds));
    }
    if (outcome?.kind === 'drained') expect(completion).toMatchObject({ result: 'CONTINUE', holding: [] });
    if (outcome?.kind === 'timed-out') {
      expect(at(completion?.atSeconds ?? 0)).toBeGreaterThanOrEqual(outcome.deadlineAtMs);
      expect(outcome.deadlineAtMs).toBeLessThanOrEqual(at(policy.deadlineSeconds));
      expect(outcome.killedTasks.map(({ arn }) => arn)).toEqual(
        expect.arrayContaining([...(completion?.holding ?? [])]),
      );
      expect(completion?.result).toBe(policy.deadlineResult);
    }
    if (outcome?.kind === 'agent-lost') {
      const graceMs = at(completion?.atSeconds ?? 0) - outcome.disconnectedSinceMs;
      expect(graceMs).toBeGreaterThanOrEqual(policy.agentGraceSeconds * 1000);
      expect(completion?.result).toBe(policy.deadlineResult);
    }
  }
}

const isOf = (drain: Drain, begun: Drain) =>
  drain.kind === 'held' && begun.kind === 'held' && drain.action.instanceId === begun.action.instanceId;

const runs = { numRuns: IS_EXHAUSTIVE ? 50 : 20 };

describe('whatever the tasks, the agents, the policy and the outages are', () => {
  it('every drain ends, and none before its deadline or its agent’s grace while a task holds the instance', async () => {
    const anyWorld = world(outagesOf('ecs-reads', 'ecs-changes', 'auto-scaling', 'scheduler', 'bus'));
    await fc.assert(
      fc.asyncProperty(anyWorld, policy, async (chosenWorld, chosenPolicy) => {
        const aws = fakeAws(chosenWorld);
        aws.sweepEvery(60);
        await aws.runToEnd({ policy: chosenPolicy });
        expectSafeEnds(aws, chosenPolicy);
      }),
      runs,
    );
  });

  it('every hook is kept until we decide, while Auto Scaling answers and the settings suit the hook', async () => {
    const anyWorld = world(outagesOf('ecs-reads', 'ecs-changes', 'scheduler'));
    await fc.assert(
      fc.asyncProperty(anyWorld, policy, async (chosenWorld, chosenPolicy) => {
        const aws = fakeAws(chosenWorld);
        const { hook = HOOK } = chosenWorld;
        const { heartbeatTimeoutSeconds, globalTimeoutSeconds } = hook;
        const policy = { ...chosenPolicy, heartbeatTimeoutSeconds };
        fc.pre(conflictsIn(policy, { functionTimeoutSeconds: 60, hook }).length === 0);
        await aws.runToEnd({ policy });
        const isHidden = (chosenWorld.outages ?? []).some(
          ({ span: [, to] }) => to >= globalTimeoutSeconds - COMPLETION_RESERVE_SECONDS,
        );
        // The one case where the hook goes first: ECS could not be asked until its global timeout.
        if (!isHidden) for (const completion of aws.completions()) expect(completion).toBeDefined();
      }),
      runs,
    );
  });

  it('a drain that is not disturbed makes calls for its looks and heartbeats alone', async () => {
    await fc.assert(
      fc.asyncProperty(world(fc.constant([])), policy, async (chosenWorld, chosenPolicy) => {
        const aws = fakeAws(chosenWorld);
        await aws.runToEnd({ policy: chosenPolicy });
        const drains = aws.heldDrains().length;
        const tasks = chosenWorld.tasks?.length ?? 0;
        const spells = (chosenWorld.instances ?? []).reduce((sum, { silences = [] }) => sum + silences.length + 2, 0);
        const beats = aws.callsNamed('recordHeartbeat').length;
        const polls = chosenPolicy.waiting === 'watch' ? drains * (aws.now() / chosenPolicy.pollMaxSeconds) : 0;
        const looks = polls + (drains * aws.now()) / 45 + 10 * (drains + tasks + spells);
        expect(aws.calls.length).toBeLessThanOrEqual(6 * (looks + 2 * beats));
      }),
      runs,
    );
  });
});

describe('whatever is delivered twice, and whenever an invocation crashes', () => {
  const again = fc.array(
    fc.record({ nth: fc.nat({ max: 30 }), afterSeconds: fc.oneof(seconds(120), seconds(4_000)) }),
    { maxLength: 5 },
  );
  const crashes = fc.array(fc.integer({ min: 1, max: 80 }), { maxLength: 3 });

  it('every drain has one schedule at most, ends once, and leaves no schedule behind', async () => {
    await fc.assert(
      fc.asyncProperty(
        world(fc.constant([])),
        policy,
        again,
        crashes,
        async (chosenWorld, chosenPolicy, copies, dead) => {
          const aws = fakeAws({ ...chosenWorld, again: copies, crashes: dead });
          aws.sweepEvery(60);
          await aws.runToEnd({ policy: chosenPolicy });
          await aws.run(() => {
            expect(aws.schedules.size).toBeLessThanOrEqual(aws.heldDrains().length);
            return false;
          });
          expectSafeEnds(aws, chosenPolicy);
          expect([...aws.schedules.keys()]).toEqual([]);
          expect(aws.deadLetters).toEqual([]);
        },
      ),
      runs,
    );
  });

  it('copies start no second chain: they cost a few calls each', async () => {
    await fc.assert(
      fc.asyncProperty(world(fc.constant([])), again, async (chosenWorld, copies) => {
        const calm = { ...chosenWorld, hook: hookLimits(3_600), instances: [{ id: 'ci0-0', ec2InstanceId: 'i-0' }] };
        const once = fakeAws(calm);
        await once.runToEnd();
        await once.run();
        const twice = fakeAws({ ...calm, again: copies });
        await twice.runToEnd();
        await twice.run();
        expect(twice.calls.length).toBeLessThanOrEqual(once.calls.length + 60 * copies.length);
        expect(twice.completion()?.atSeconds).toBeLessThanOrEqual((once.completion()?.atSeconds ?? 0) + 600);
      }),
      runs,
    );
  });
});

it('no claim of a continuation ends a drain before its deadline while a task runs', async () => {
  const instantMs = fc.integer({ min: 0, max: at(11_000) });
  const refs = fc.constantFrom([], knownOf().containerInstances, [
    { arn: `${containerInstanceOf().arn}-forged`, cluster: 'prod' },
  ]);
  const claims: fc.Arbitrary<Partial<Drain>> = fc.record(
    {
      startedAtMs: instantMs,
      lastHeartbeatAtMs: instantMs,
      heartbeats: fc.nat(),
      continuations: fc.nat(1_900),
      pollIntervalSeconds: fc.integer({ min: 0, max: 300 }),
      cluster: fc.constantFrom('prod', 'other'),
      namedCluster: fc.constantFrom('prod', 'other'),
      announced: fc.constantFrom('started' as const, 'stuck' as const),
      emptiedAtMs: instantMs,
      hook: fc.record({
        heartbeatTimeoutSeconds: fc.integer({ min: 30, max: 7_200 }),
        globalTimeoutSeconds: fc.integer({ min: 1, max: 172_800 }),
      }),
      agentSilence: fc.record({ sinceMs: instantMs, seenLastAtMs: instantMs }),
      closed: fc.record({
        sinceMs: instantMs,
        containerInstances: fc.constant([containerInstanceOf().arn]),
        silent: fc.constant([]),
      }),
      known: fc.record({
        containerInstances: refs,
        tasks: fc.record({ holding: fc.constantFrom([], [{ arn: 'forged', cluster: 'prod' }]), listedAtMs: instantMs }),
      }),
      parked: fc.record({
        schedule: fc.constantFrom(`${INSTANCE_ID}-ecs-drain`, 'forged'),
        untilMs: instantMs,
        firesAtMs: instantMs,
      }),
    },
    { requiredKeys: [] },
  );
  await fc.assert(
    fc.asyncProperty(claims, fc.constantFrom('park', 'watch'), fc.boolean(), async (claimed, waiting, wasParked) => {
      const aws = fakeAws({ tasks: [{ id: 'job', stopsAtSeconds: Infinity }], events: 'none' });
      const policy = { ...POLICY, waiting, stopStragglers: 'all' } as const;
      if (wasParked) {
        await aws.round(undefined, { policy });
        await aws.next();
      }
      await aws.waitUntil(1_000);
      const drain = { ...drainOf({ continuations: 1 }), ...claimed } as Drain;
      await aws.round([{ kind: 'continuation', drain, isTrusted: false }], { policy });
      await aws.waitUntil(3_000);
      expect(aws.completion()).toBeUndefined();
      expect(aws.callsNamed('stopTask')).toEqual([]);
    }),
    { numRuns: IS_EXHAUSTIVE ? 100 : 40 },
  );
});
