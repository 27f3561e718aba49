/** What the properties of decide and evolve hold for. */

import fc from 'fast-check';
import type { DecisionKind, Situation } from '../../src/domain/decision.ts';
import { hookLimits, type SupervisedDrain } from '../../src/domain/drain.ts';
import type { ContainerInstanceStatus, HoldingTask, Observation, Seen } from '../../src/domain/observation.ts';
import type { Policy } from '../../src/domain/policy.ts';
import {
  at,
  containerInstanceOf,
  drainOf,
  holdingTaskOf,
  knownOf,
  noticeDrainOf,
  POLICY,
  seenOf,
  supervisedDrainOf,
} from './samples.ts';

export const seconds = (min: number, max: number) => fc.integer({ min, max });
export const sometimes = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });

/** In seconds after the start. */
export const NOW = 9_000;

/** In the past, often the last seconds of it. */
const instant = fc.oneof(seconds(0, NOW), seconds(NOW - 15, NOW)).map(at);

/** Tasks of any class in any status. */
export const anyTasks = fc.array(
  fc
    .record({
      arn: fc.constantFrom('a', 'b', 'c'),
      class: fc.constantFrom('service', 'daemon', 'standalone'),
      lastStatus: fc.constantFrom('PENDING', 'RUNNING', 'DEACTIVATING', 'STOPPING', 'DEPROVISIONING', 'NEW'),
      stopRequested: fc.boolean(),
      stopTimeoutSeconds: sometimes(seconds(0, 300)),
    })
    .map((each) => holdingTaskOf(each as Partial<HoldingTask>)),
  { maxLength: 3 },
);

const seen: fc.Arbitrary<Seen> = fc
  .record({
    statuses: fc.array(fc.constantFrom('ACTIVE', 'DRAINING', 'DRAINING', 'REGISTERING'), {
      minLength: 1,
      maxLength: 2,
    }),
    holding: sometimes(anyTasks),
    listedAtMs: instant,
    searchedAtMs: sometimes(instant),
  })
  .map(({ statuses, holding, listedAtMs, searchedAtMs }) =>
    seenOf([], {
      containerInstances: statuses.map((status) => containerInstanceOf({ status: status as ContainerInstanceStatus })),
      tasks: holding && { holding, lastStoppedAtMs: undefined, listedAtMs },
      searchedAtMs,
    }),
  );

const observation: fc.Arbitrary<Observation | undefined> = fc.oneof(
  { weight: 6, arbitrary: seen },
  { weight: 1, arbitrary: fc.constant<Observation>({ kind: 'unavailable', reason: 'throttled' }) },
  {
    weight: 1,
    arbitrary: seen.map((partial): Observation => ({ kind: 'unavailable', reason: 'throttled', partial })),
  },
  { weight: 1, arbitrary: fc.constant(undefined) },
  { weight: 1, arbitrary: fc.constant<Observation>({ kind: 'absent', clusters: ['prod'] }) },
);

const state = fc.record({
  startedAtMs: instant,
  announced: fc.constantFrom(undefined, 'started' as const, 'stuck' as const),
  pollIntervalSeconds: seconds(1, 300),
  known: fc.constantFrom(undefined, knownOf(), knownOf(seenOf([], { tasks: undefined }))),
  closed: instant.map((sinceMs) => ({ sinceMs, containerInstances: [containerInstanceOf().arn], silent: [] })),
  emptiedAtMs: sometimes(instant),
  agentSilence: sometimes(instant.map((sinceMs) => ({ sinceMs, seenLastAtMs: sinceMs, containerInstances: [] }))),
});

const drain = fc.oneof(
  fc
    .tuple(state, sometimes(seconds(30, 7_200).map(hookLimits)), instant)
    .map(([common, hook, lastHeartbeatAtMs]) => drainOf({ ...common, hook, lastHeartbeatAtMs })),
  fc
    .tuple(state, fc.constantFrom('spot-interruption' as const, 'rebalance-recommendation' as const))
    .map(([common, kind]) => noticeDrainOf(kind, common)),
);

const supervisedDrain: fc.Arbitrary<SupervisedDrain> = fc
  .tuple(
    state,
    sometimes(seconds(30, 7_200).map(hookLimits)),
    fc.record({ emptySinceMs: sometimes(instant), isCompletionDenied: sometimes(fc.constant(true)) }),
  )
  .map(([common, hook, own]) => supervisedDrainOf({ ...common, hook, ...own }));

const policy: fc.Arbitrary<Policy> = fc
  .record({
    waiting: fc.constantFrom('park', 'watch'),
    deadlineSeconds: seconds(60, 9_000),
    deadlineResult: fc.constantFrom('CONTINUE', 'ABANDON'),
    managedDrainingDeadline: fc.constantFrom('none', 'CONTINUE', 'ABANDON'),
    stopStragglers: fc.constantFrom('none', 'standalone', 'all'),
    agentGraceSeconds: seconds(60, 3_600),
    heartbeatFraction: fc.constantFrom(0.25, 0.5, 0.9),
    stuckFraction: fc.constantFrom(0.1, 0.5, 1),
  })
  .map((chosen) => ({ ...POLICY, ...(chosen as Partial<Policy>) }));

const around = {
  observation,
  refused: fc
    .subarray<DecisionKind | 'queue'>(['heartbeat', 'read-hook', 'set-draining', 'look', 'complete', 'park', 'queue'])
    .map((kinds) => new Set(kinds)),
  isStartVerified: fc.boolean(),
  isScheduleRead: fc.boolean(),
  isHookStale: fc.boolean(),
  isWoken: fc.boolean(),
  isFleet: fc.boolean(),
  isOutOfTime: fc.constantFrom(false, false, false, true),
  comesAgainAtMs: sometimes(seconds(NOW, NOW + 60).map(at)),
  wasLeft: fc.boolean(),
  policy,
  nowMs: fc.nat(999).map((ms) => at(NOW) + ms),
  random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
};

/** Any drain of ours at `NOW`, whatever was observed and refused before; unlikely ones too. */
export const anySituation: fc.Arbitrary<Situation> = fc.record({ drain, ...around });

/** The same of a drain of ECS's own. */
export const anySupervision: fc.Arbitrary<Situation<SupervisedDrain>> = fc.record({
  drain: supervisedDrain,
  ...around,
  isHookStale: fc.constant(false),
});
