import { describe, expect, it } from 'vitest';
import { fromSource } from '../../sandbox/chaos/play.ts';
import { installedFrom } from '../../sandbox/drainers/ecs-drain.ts';
import { rehearse } from '../../sandbox/rehearsal.ts';
import type { DrillResult } from '../../sandbox/result.ts';
import { SCENARIOS } from '../../sandbox/scenarios.ts';

const HOOK = 'ecs-managed-draining-termination-hook';
const HOURS = 3_600;
const install = installedFrom(fromSource);

/** The lines of the function's log that say how a drain goes on. */
const toldIn = ({ events }: DrillResult) =>
  events.flatMap((event) => (event.kind === 'log' && event.line['level'] ? [event.line] : []));

const endsIn = ({ events }: DrillResult) =>
  events.flatMap((event) => (event.kind === 'lifecycle' && event.result ? [event] : []));

describe('the scenario managed-draining', () => {
  it('facts 98 managed-draining-hangs: ECS alone holds the instance for 48 hours, and notifies no one', async () => {
    const result = await rehearse({ scenario: 'managed-draining', drainer: 'none', seed: 1 });
    expect(result.drains).toMatchObject([{ seconds: 48 * HOURS }]);
    expect(result.tasksKilled).toBe(2);
    expect(toldIn(result)).toEqual([]);
  });

  it('supervised by ecs-drain the drain is explained, and ends at the deadline that managedDrainingDeadline gives it', async () => {
    const result = await rehearse({ scenario: 'managed-draining', drainer: 'ecs-drain', seed: 1, install });
    const stuck = toldIn(result).filter(({ message }) => String(message).startsWith('Stuck'));
    expect(stuck).toMatchObject([
      {
        supervised: 'true',
        lifecycleHook: HOOK,
        blockers: [
          { group: 'service:search', causes: [{ cause: 'cannot-replace' }] },
          { group: 'service:log-router', causes: [{ cause: 'daemon-last' }] },
        ],
      },
    ]);
    expect(endsIn(result)).toMatchObject([{ hook: HOOK, what: 'completed', result: 'CONTINUE' }]);
    const [drain] = result.drains;
    expect(drain).toMatchObject({ outcome: 'timed-out' });
    expect(drain?.seconds).toBeGreaterThanOrEqual(2 * HOURS);
    expect(drain?.seconds).toBeLessThan(2 * HOURS + 90);
  });

  it('supervised by ecs-drain a drain that ends by itself is reported as drained, soon after ECS has completed it', async () => {
    const { services, ...scenario } = SCENARIOS['managed-draining'];
    const drains = services.filter(({ name }) => name !== 'search');
    const result = await rehearse({
      scenario: 'managed-draining',
      variant: { ...scenario, services: drains },
      drainer: 'ecs-drain',
      seed: 1,
      install,
    });
    expect(result.tasksKilled).toBe(0);
    expect(result.drains).toMatchObject([{ outcome: 'drained', heartbeats: 0 }]);
    expect(result.drains[0]?.apiCalls).toBeLessThan(34);
    const [end] = endsIn(result);
    const told = result.events.find((event) => event.kind === 'log' && event.line['outcome'] === 'drained');
    expect((told?.second ?? 0) - (end?.second ?? 0)).toBeLessThan(110);
  });
});
