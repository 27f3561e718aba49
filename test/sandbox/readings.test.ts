import { describe, expect, it } from 'vitest';
import { type Faults, NO_FAULTS } from '../../sandbox/region/faults.ts';
import type { Region } from '../../sandbox/region/region.ts';
import type { WireCall } from '../../sandbox/region/wire/wire.ts';
import { rehearse } from '../../sandbox/rehearsal.ts';
import { CLUSTER, GROUP, SCENARIOS, type Scenario } from '../../sandbox/scenarios.ts';

const play = (scenario: keyof typeof SCENARIOS, changes: Partial<Scenario>, faults: Partial<Faults> = {}) =>
  rehearse({
    scenario,
    drainer: 'ecs-drain',
    seed: 1,
    variant: { ...SCENARIOS[scenario], faults: () => ({ ...NO_FAULTS, ...faults }), ...changes },
  });

const outcomesOf = ({ drains }: Awaited<ReturnType<typeof play>>) => drains.map(({ outcome }) => outcome);

describe('ecs-drain holds however one reads the documentation of AWS', () => {
  it.each([true, false])(
    'facts 61 draining-twice: each event comes twice, so an instance is set to DRAINING again, which is done: %s',
    async (repeatedDrainingIsDone) => {
      let updates = 0;
      const failing = ({ operation }: WireCall) => {
        if (operation === 'UpdateContainerInstancesState') updates += 1;
        return undefined;
      };
      const result = await play('scale-in', {}, { duplicatedEvents: 1, repeatedDrainingIsDone, failing });
      expect(updates).toBeGreaterThan(2); // more than once for each of the two instances
      expect(outcomesOf(result)).toEqual(['drained', 'drained']);
      expect(result.tasksKilled).toBe(0);
    },
  );

  it.each([true, false])('facts 12 draining-rules: daemons leave at once: %s', async (daemonsLeaveAtOnce) => {
    const result = await play('scale-in', {}, { daemonsLeaveAtOnce });
    expect(outcomesOf(result)).toEqual(['drained', 'drained']);
    expect(result.tasksKilled).toBe(0);
    const stops = result.events.flatMap((event) =>
      event.kind === 'task' && event.status === 'STOPPED' ? event.group : [],
    );
    expect(stops.indexOf('service:log-router') < stops.indexOf('service:web')).toBe(daemonsLeaveAtOnce);
  });
});

describe('who acts on what explain says in the scenario stuck', () => {
  const ask = (region: Region, operation: string, input: object) =>
    region.ask('ecs', operation, { cluster: CLUSTER, ...input }) as Record<string, string[]>;

  /** What an operator does after a while: each is what the log and explain name as the cause of a task that stays. */
  const ACTIONS = {
    'raise maximumPercent of web': (region: Region) =>
      ask(region, 'UpdateService', { service: 'web', deploymentConfiguration: { maximumPercent: 200 } }),
    'let an instance launch, for room': (region: Region) => region.autoScaling.setDesiredCapacity(GROUP, 2),
    'switch the protection of search off': (region: Region) => {
      const tasks = ask(region, 'ListTasks', { serviceName: 'search' })['taskArns'] ?? [];
      ask(region, 'UpdateTaskProtection', { tasks, protectionEnabled: false });
    },
    'stop the report': (region: Region) => {
      for (const task of ask(region, 'ListTasks', { family: 'report' })['taskArns'] ?? [])
        ask(region, 'StopTask', { task });
    },
  };
  type Action = keyof typeof ACTIONS;
  const EVERY_ACTION = Object.keys(ACTIONS) as Action[];

  const playWith = (actions: readonly Action[]) =>
    play(
      'stuck',
      {
        begin: (region) => {
          SCENARIOS.stuck.begin(region);
          region.time.after(300, () => {
            for (const action of actions) ACTIONS[action](region);
          });
        },
      },
      { protectionHoldsDraining: true },
    );

  it('frees the instance long before the deadline', async () => {
    const result = await playWith(EVERY_ACTION);
    expect(outcomesOf(result)).toEqual(['drained']);
    expect(result.tasksKilled).toBe(0);
    expect(result.drains[0]?.seconds).toBeLessThan(SCENARIOS.stuck.params.deadlineSeconds / 2);
  });

  it.each([
    ['raise maximumPercent of web', ['service:web', 'service:web']],
    ['switch the protection of search off', ['service:search']],
    ['stop the report', ['family:report']],
  ] as const)('who does not %s loses those tasks at the deadline', async (forgotten, groups) => {
    const result = await playWith(EVERY_ACTION.filter((action) => action !== forgotten));
    expect(outcomesOf(result)).toEqual(['timed-out']);
    const killed = result.events.flatMap((event) => (event.kind === 'task' && event.killed ? event.group : []));
    expect(killed.filter((group) => group !== 'service:log-router')).toEqual(groups);
  });
});
