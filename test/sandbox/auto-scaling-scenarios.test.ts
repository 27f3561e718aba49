import { describe, expect, it } from 'vitest';
import { fromSource } from '../../sandbox/chaos/play.ts';
import type { Install } from '../../sandbox/drainers/drainer.ts';
import { installedFrom } from '../../sandbox/drainers/ecs-drain.ts';
import { NO_FAULTS } from '../../sandbox/region/faults.ts';
import type { Region } from '../../sandbox/region/region.ts';
import type { InstanceState } from '../../sandbox/region/trace.ts';
import { rehearse, stage } from '../../sandbox/rehearsal.ts';
import type { Drainer, DrillEvent } from '../../sandbox/result.ts';
import { GROUP, SCENARIOS, type Scenario } from '../../sandbox/scenarios.ts';
import { summaryOf } from '../../sandbox/view.ts';
import { fatesOf, tasksOf } from './tasks.ts';

/** What becomes of each, and what ecs-drain makes of it; `docs/rehearsal.md` says the same in a row each. */

const [A, B, C, D] = [1, 2, 3, 4].map((n) => `i-${String(n).padStart(17, '0')}`) as [string, string, string, string];

interface Played {
  readonly region: Region;
  readonly events: readonly DrillEvent[];
  /** The states that an instance goes through. */
  pathOf(instanceId: string): readonly InstanceState[];
  /** The outcomes that ecs-drain has published, by instance. */
  readonly outcomes: ReadonlyMap<string, string>;
  /** The instances that ecs-drain has reported as returned to service, in order. */
  readonly returned: readonly string[];
  /** Of each registration of an instance with ECS, the oldest first: its status, and whether its agent is there. */
  registrationsOf(instanceId: string): readonly string[];
}

/** With settings that change nothing but the function's environment and its hook: they need no package of their own. */
const FROM_SOURCE = installedFrom(fromSource);

/** Plays a scenario for so many seconds. */
async function play(
  variant: Scenario,
  seconds: number,
  { drainer = 'ecs-drain', install }: { drainer?: Drainer; install?: Install } = {},
): Promise<Played> {
  const events: DrillEvent[] = [];
  const staged = { scenario: 'world', variant, drainer, seed: 1, ...(install && { install }) } as const;
  const { region, startMs, begin, close } = await stage(staged, (event) => {
    events.push(event);
  });
  try {
    begin();
    region.time.after(seconds, () => {});
    await region.time.runUntil(() => region.time.nowMs() >= startMs + seconds * 1000);
  } finally {
    close();
  }
  return {
    region,
    events,
    pathOf: (id) =>
      events.flatMap((event) => (event.kind === 'instance' && event.instanceId === id ? [event.state] : [])),
    outcomes: new Map(
      events.flatMap((event) => {
        if (event.kind !== 'log' || '_aws' in event.line || event.line['outcome'] === undefined) return [];
        return [[String(event.line['instanceId']), String(event.line['outcome'])] as const];
      }),
    ),
    returned: events.flatMap((event) =>
      event.kind === 'log' && !('_aws' in event.line) && event.line['returnedAt'] !== undefined
        ? String(event.line['instanceId'])
        : [],
    ),
    registrationsOf: (id) =>
      region.ecs
        .registrationsOf(id)
        .map(({ status, agentConnected }) => `${status}${agentConnected ? '' : ', disconnected'}`),
  };
}

/** How many tasks an instance runs at the end. */
const runningOn = ({ region }: Played, id: string) => region.ecs.accountOf(id).counted;

/** The seconds from the stop of a drain's last task to its end, as the metric of a group or a kind of notice has them. */
const slackOf = ({ events }: Played, group: string) =>
  events.flatMap((event) =>
    event.kind === 'log' && event.line['group'] === group ? [event.line['DrainSlack'] as number | undefined] : [],
  );

describe('spot-interruption', () => {
  it('moves what can leave within two minutes, and the rest is killed where it stands', async () => {
    const played = await play(SCENARIOS['spot-interruption'], 300);
    expect(played.pathOf(A)).toEqual(['InService', 'Terminating', 'Terminated']);
    expect([...played.region.autoScaling.interrupted]).toEqual([A]);
    expect(fatesOf(played)).toEqual(['DEACTIVATING']);
    expect(tasksOf(played, ({ killed }) => killed === true)).toMatchObject([{ group: 'service:api' }]);
    expect(played.outcomes).toEqual(new Map([[A, 'timed-out']])); // which reports the task
  });

  it('without the notice kills all that runs there', async () => {
    const played = await play({ ...SCENARIOS['spot-interruption'], params: {} }, 300);
    expect(fatesOf(played)).toEqual(['RUNNING', 'RUNNING', 'RUNNING']);
    expect(played.outcomes.size).toBe(0);
  });
});

describe('the list of drains', () => {
  it('has a drain on a notice of EC2 with its outcome, apart from that of the lifecycle action', async () => {
    const { drains } = await rehearse({ scenario: 'rebalance', drainer: 'ecs-drain', seed: 1 });
    const notice = 'rebalance-recommendation';
    expect(drains).toMatchObject([
      { instanceId: A, notice, outcome: 'drained', heartbeats: 0 },
      { instanceId: A, outcome: 'drained' },
      { instanceId: B, notice, outcome: 'drained', heartbeats: 0 },
    ]);
    expect(drains[1]).not.toHaveProperty('notice');
    for (const { seconds, slackSeconds, apiCalls, billedSeconds } of drains) {
      expect(seconds).toBeGreaterThanOrEqual(slackSeconds);
      expect(apiCalls).toBeGreaterThan(5);
      expect(apiCalls).toBeLessThan(25); // each has its own calls, and not those of the other
      expect(billedSeconds).toBeGreaterThan(0);
    }
  });

  it('has the outcome of a Spot instance that EC2 takes, and the summary shows it', async () => {
    const result = await rehearse({ scenario: 'spot-interruption', drainer: 'ecs-drain', seed: 1 });
    expect(result.drains).toMatchObject([{ notice: 'spot-interruption', outcome: 'timed-out', slackSeconds: 0 }]);
    expect(result.drains[0]?.seconds).toBeCloseTo(117, 0);
    expect(summaryOf(result, { columns: 120, hasColor: false })).toMatch(
      /^i-0{16}1 +timed-out, on a spot-interruption +1 min 57 s/m,
    );
  });
});

describe('rebalance', () => {
  it('drains both, and each is woken by the stop of its last task; with Capacity Rebalancing the instance is replaced, without it stays InService and is ACTIVE again', async () => {
    const played = await play(SCENARIOS.rebalance, 1_600);
    expect(fatesOf(played)).toEqual([]);
    expect(played.outcomes.get(A)).toBe('drained');
    expect(played.outcomes.get(B)).toBe('drained');
    expect(played.pathOf(A)).toEqual([
      'InService',
      'Terminating',
      'Terminating:Wait',
      'Terminating:Proceed',
      'Terminated',
    ]);
    expect(played.pathOf(D)).toEqual(['Pending', 'InService']);
    expect(played.pathOf(B)).toEqual(['InService']);
    expect(played.registrationsOf(B)).toEqual(['ACTIVE']);
    expect(played.returned).toEqual([B]);
    expect(slackOf(played, 'rebalance-recommendation')).toEqual([expect.closeTo(1.5, 0), expect.closeTo(1.5, 0)]);
  });
});

describe('root-volume', () => {
  const SECONDS = 900;

  it('drains each instance before it is rebooted; its agent registers again, and tasks come back', async () => {
    const played = await play(SCENARIOS['root-volume'], SECONDS);
    for (const id of [A, B, C]) {
      expect(played.pathOf(id)).toEqual([
        'InService',
        'ReplacingRootVolume',
        'ReplacingRootVolume:Wait',
        'ReplacingRootVolume:Proceed',
        'RootVolumeReplaced',
        'Pending',
        'InService',
      ]);
      expect(played.outcomes.get(id)).toBe('drained');
      expect(played.registrationsOf(id)).toEqual(['DRAINING, disconnected', 'ACTIVE']);
    }
    expect(fatesOf(played)).toEqual([]);
    expect(played.region.terminated.size).toBe(0);
    expect(played.returned).toEqual([]); // the old registration is not the instance's any more
    expect(runningOn(played, A)).toBeGreaterThan(0);
  });

  it('sets an instance to ACTIVE again whose agent keeps its registration', async () => {
    const { group, ...rest } = SCENARIOS['root-volume'];
    const played = await play({ ...rest, group: { ...group, agentDataSurvives: true } }, SECONDS);
    for (const id of [A, B, C]) {
      expect(played.pathOf(id).at(-1)).toBe('InService');
      expect(played.registrationsOf(id)).toEqual(['ACTIVE']);
    }
    expect(played.returned).toEqual([A, B, C]);
    expect(fatesOf(played)).toEqual([]);
    expect(runningOn(played, A)).toBeGreaterThan(0);
  });

  it('is found by the sweep where its event is lost, and returned', async () => {
    const { group, ...rest } = SCENARIOS['root-volume'];
    const faults: NonNullable<Scenario['faults']> = () => ({ ...NO_FAULTS, lostEvents: 1 });
    const played = await play({ ...rest, group: { ...group, agentDataSurvives: true }, faults }, 600);
    expect(played.outcomes.get(A)).toBe('drained');
    expect(played.returned).toEqual([A]);
    expect(fatesOf(played)).toEqual([]);
  });

  it('leaves alone what a person has set to DRAINING', async () => {
    const { group, begin, ...rest } = SCENARIOS['root-volume'];
    const played = await play(
      {
        ...rest,
        group: { ...group, agentDataSurvives: true },
        begin: (region) => {
          for (const instance of region.ecs.registrationsOf(A)) region.ecs.setInstanceStatus(instance, 'DRAINING');
          begin(region);
        },
      },
      SECONDS,
    );
    expect(played.pathOf(A).at(-1)).toBe('InService');
    expect(played.registrationsOf(A)).toEqual(['DRAINING']);
    expect(played.returned).toEqual([B, C]);
  });

  it('without a drain kills every task there is', async () => {
    const played = await play(SCENARIOS['root-volume'], SECONDS, { drainer: 'none' });
    expect(fatesOf(played).length).toBeGreaterThanOrEqual(6);
    expect(new Set(fatesOf(played))).toEqual(new Set(['RUNNING']));
  });
});

describe('retained', () => {
  it('keeps the instance and the job, which ecs-drain reports as killed, and leaves it DRAINING', async () => {
    const played = await play(SCENARIOS.retained, 2_000, { install: FROM_SOURCE });
    expect(played.pathOf(A)).toEqual(['InService', 'Terminating', 'Terminating:Wait', 'Terminating:Retained']);
    expect(played.outcomes.get(A)).toBe('timed-out');
    const told = played.events.find((event) => event.kind === 'log' && event.line['killedTasks'] !== undefined);
    expect(told).toMatchObject({ line: { killedTasks: [{ lastStatus: 'RUNNING' }] } });
    expect(fatesOf(played)).toEqual([]);
    const [job] = tasksOf(played, ({ group, status }) => group === 'family:import' && status === 'STOPPED');
    expect(job?.reason).toBe('Essential container in task exited');
    expect(played.registrationsOf(A)).toEqual(['DRAINING']);
    expect(played.region.autoScaling.instancesOf(GROUP).map(({ state }) => state)).toEqual([
      'InService',
      'InService',
      'Terminating:Retained',
    ]);
  });

  it('sets the instance to ACTIVE again when someone has put it back in service', async () => {
    const { begin, group, ...rest } = SCENARIOS.retained;
    const played = await play(
      {
        ...rest,
        group: { ...group, maxSize: 4 },
        begin: (region, ids) => {
          begin(region, ids);
          region.time.after(1_650, () => region.autoScaling.detachInstances(GROUP, [A], false));
          region.time.after(1_700, () => region.autoScaling.attachInstances(GROUP, [A]));
        },
      },
      1_900,
    );
    expect(played.pathOf(A).slice(-5)).toEqual([
      'Terminating:Retained',
      'Detaching',
      'Detached',
      'Pending',
      'InService',
    ]);
    expect(played.registrationsOf(A)).toEqual(['ACTIVE']);
    expect(played.returned).toEqual([A]);
  });
});

describe('warm-pool', () => {
  it('ignores an instance that returns to its pool: the hook times out, and the stop kills its tasks', async () => {
    const played = await play(SCENARIOS['warm-pool'], 900, { install: FROM_SOURCE });
    expect(played.pathOf(A)).toEqual([
      'InService',
      'Warmed:Pending',
      'Warmed:Pending:Wait',
      'Warmed:Pending:Proceed',
      'Warmed:Stopped',
    ]);
    expect(played.region.autoScaling.completions).toMatchObject([{ instanceId: A, by: 'timeout' }]);
    expect(fatesOf(played)).toEqual(['RUNNING', 'RUNNING']);
    expect(played.outcomes.size).toBe(0);
    expect(played.registrationsOf(A)).toEqual(['ACTIVE, disconnected']);
  });

  it('without reuse drains what is scaled in, as in any group', async () => {
    const { group, ...rest } = SCENARIOS['warm-pool'];
    const warmPool = { ...group.warmPool, reuseOnScaleIn: false };
    const played = await play({ ...rest, group: { ...group, warmPool } }, 900, { install: FROM_SOURCE });
    expect(played.outcomes.get(A)).toBe('drained');
    expect(played.pathOf(A).at(-1)).toBe('Terminated');
    expect(fatesOf(played)).toEqual([]);
  });

  it('without reuse is found by the sweep when the event is lost, and drained', async () => {
    const { group, ...rest } = SCENARIOS['warm-pool'];
    const warmPool = { ...group.warmPool, reuseOnScaleIn: false };
    const faults: NonNullable<Scenario['faults']> = () => ({ ...NO_FAULTS, lostEvents: 1 });
    const played = await play({ ...rest, group: { ...group, warmPool }, faults }, 900, { install: FROM_SOURCE });
    expect(played.region.autoScaling.completions).toMatchObject([{ instanceId: A, by: 'completion' }]);
    expect(played.outcomes.get(A)).toBe('drained');
    expect(fatesOf(played)).toEqual([]);
  });

  it('is left to its hook when the event is lost and the instance returns: the sweep cannot know where it goes', async () => {
    const faults: NonNullable<Scenario['faults']> = () => ({ ...NO_FAULTS, lostEvents: 1 });
    const played = await play({ ...SCENARIOS['warm-pool'], faults }, 900, { install: FROM_SOURCE });
    expect(played.region.autoScaling.completions).toMatchObject([{ instanceId: A, by: 'timeout' }]);
    expect(played.outcomes.size).toBe(0);
  });
});
