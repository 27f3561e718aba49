import { describe, expect, it } from 'vitest';
import { decideOnHold, type HoldDecision, type HoldSituation } from '../../src/domain/decide-hold.ts';
import { deadlineAtMs, givenUpAtMs, lostAtMs } from '../../src/domain/policy.ts';
import { at, containerInstanceOf, drainOf, HOOK, POLICY, supervisedDrainOf } from './samples.ts';

const ours = { name: 'ecs-drain', limits: HOOK, notificationMetadata: undefined };
const active = containerInstanceOf({ status: 'ACTIVE', registeredAtMs: at(-86_400) });
const draining = { ...active, status: 'DRAINING' } as const;
const watch = { ...POLICY, waiting: 'watch' } as const;
const nowMs = at(1_000);
const justNow = nowMs - 1_000;
const longAgo = nowMs - (lostAtMs(nowMs, HOOK, POLICY) - nowMs);
const outlivedAtMs = lostAtMs(deadlineAtMs(drainOf({ hook: HOOK }), POLICY), HOOK, POLICY);
const stopping = { ...POLICY, stopStragglers: 'standalone' } as const;
/** Two sweeps before the latest stop of a task that has 120 s, with 10 s of reserve. */
const neededAtMs = deadlineAtMs(drainOf({ hook: HOOK }), POLICY) - (120 + 10 + 120) * 1000;
const isGivenUp = givenUpAtMs(drainOf({ hook: HOOK }), POLICY);

describe('of an instance that a hook holds, the sweep', () => {
  it.each<[HoldDecision, string, Partial<HoldSituation>]>([
    ['leave', 'whose schedule was written recently', { writtenAtMs: justNow }],
    ['leave', 'that takes no tasks, where drains poll', { policy: watch, registrations: [draining] }],
    ['leave', 'that ECS drains, where drains poll', { policy: watch, drain: supervisedDrainOf() }],
    ['leave', 'that ECS’s hook or another one holds', { drain: supervisedDrainOf(), isOnlyHook: false }],
    ['leave', 'that ECS’s hook holds in no cluster', { drain: supervisedDrainOf(), registrations: [] }],
    ['give-up', 'that was rescued for long enough', { nowMs: isGivenUp }],
    ['resume', 'that was not yet', { nowMs: isGivenUp - 1 }],
    ['send', 'that still takes tasks, where drains poll', { policy: watch }],
    ['write-schedule', 'that takes no tasks and has no schedule', { registrations: [draining] }],
    [
      'write-schedule',
      'of which only a new registration takes tasks',
      {
        registrations: [draining, { ...active, registeredAtMs: justNow }],
      },
    ],
    [
      'write-schedule',
      'that takes no tasks and whose schedule is too old',
      { writtenAtMs: longAgo, registrations: [draining] },
    ],
    [
      'resume',
      'that takes no tasks, and whose drain would have ended by its deadline if anything continued it',
      { writtenAtMs: longAgo, registrations: [draining], nowMs: outlivedAtMs },
    ],
    [
      'write-schedule',
      'that takes no tasks, right before',
      { writtenAtMs: longAgo, registrations: [draining], nowMs: outlivedAtMs - 1 },
    ],
    [
      'resume',
      'that is empty, and whose schedule is too old',
      { writtenAtMs: longAgo, registrations: [{ ...draining, isEmpty: true }] },
    ],
    [
      'resume',
      'of which a task may have to be stopped soon',
      { writtenAtMs: longAgo, registrations: [draining], policy: stopping, nowMs: neededAtMs },
    ],
    [
      'write-schedule',
      'of which one may have to be a moment later',
      { writtenAtMs: longAgo, registrations: [draining], policy: stopping, nowMs: neededAtMs - 1 },
    ],
    ['resume', 'that takes tasks and whose schedule is too old', { writtenAtMs: longAgo }],
    ['resume', 'that still takes tasks', {}],
    ['resume', 'that no cluster knows', { registrations: [] }],
  ])('decides to %s one %s', (decision, _, overrides) => {
    const usual = { drain: drainOf(), hook: ours, isOnlyHook: true, registrations: [active], writtenAtMs: undefined };
    expect(decideOnHold({ ...usual, policy: POLICY, nowMs, ...overrides })).toBe(decision);
  });
});
