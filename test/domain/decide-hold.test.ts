import { describe, expect, it } from 'vitest';
import { decideOnHold, decideUnwritten, type HoldDecision, type HoldSituation } from '../../src/domain/decide-hold.ts';
import { deadlineAtMs, givenUpAtMs, lostAtMs } from '../../src/domain/policy.ts';
import { at, containerInstanceOf, drainOf, HOOK, POLICY, supervisedDrainOf } from './samples.ts';

const ours = { name: 'ecs-drain', limits: HOOK, notificationMetadata: undefined };
const active = containerInstanceOf({ status: 'ACTIVE', registeredAtMs: at(-86_400) });
const draining = { ...active, status: 'DRAINING' } as const;
const watch = { ...POLICY, waiting: 'watch' } as const;
const nowMs = at(1_000);
const justNow = nowMs - 1_000;
const longAgo = nowMs - (lostAtMs(nowMs, HOOK, POLICY) - nowMs);
const stopping = { ...POLICY, stopStragglers: 'standalone' } as const;
const deadlineMs = deadlineAtMs(drainOf({ hook: HOOK }), POLICY);
/** Of a task that has 120 s, with 10 s of reserve. */
const latestStopMs = deadlineMs - (120 + 10) * 1000;
const twoSweepsMs = 120_000;
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
    ['resume', 'that takes tasks and whose schedule is too old', { writtenAtMs: longAgo }],
    ['resume', 'that still takes tasks', {}],
    ['resume', 'that no cluster knows', { registrations: [] }],
  ])('decides to %s one %s', (decision, _, overrides) => {
    const usual = { drain: drainOf(), hook: ours, isOnlyHook: true, registrations: [active], writtenAtMs: undefined };
    expect(decideOnHold({ ...usual, policy: POLICY, nowMs, ...overrides })).toBe(decision);
  });
});

describe('while Scheduler refuses its schedule, the sweep', () => {
  const empty = { ...draining, isEmpty: true };
  it.each<['leave' | 'once', string, Partial<HoldSituation>]>([
    ['leave', 'may be alive', {}],
    ['once', 'only has to end: its instance is empty', { registrations: [empty] }],
    ['leave', 'is not empty on each registration', { registrations: [draining, empty] }],
    ['leave', 'ECS ends', { drain: supervisedDrainOf({ hook: HOOK }), registrations: [empty] }],
    ['once', 'may have to stop a task', { policy: stopping, nowMs: latestStopMs - twoSweepsMs }],
    ['leave', 'may have to later', { policy: stopping, nowMs: latestStopMs - twoSweepsMs - 1 }],
    ['once', 'has its deadline', { nowMs: deadlineMs - twoSweepsMs }],
    ['leave', 'has it later', { nowMs: deadlineMs - twoSweepsMs - 1 }],
    ['once', 'is past its deadline', { nowMs: deadlineMs + 1 }],
  ])('decides to %s a drain that %s', (decision, _, overrides) => {
    const usual = { drain: drainOf(), hook: ours, isOnlyHook: true, registrations: [draining], writtenAtMs: undefined };
    expect(decideUnwritten({ ...usual, policy: POLICY, nowMs, ...overrides })).toBe(decision);
  });
});
