import { describe, expect, it } from 'vitest';
import { type Drain, type HeldDrain, type HookLimits, hookLimits } from '../../src/domain/drain.ts';
import type { Arrival } from '../../src/domain/load.ts';
import { HAND_OVER_SECONDS, LISTS_SETTLE_SECONDS, SCHEDULE_LATE_SECONDS } from '../../src/domain/policy.ts';
import { type Ports, Unavailable } from '../../src/domain/ports.ts';
import { type Call, type FakeInstance, type FakeTask, fakeAws, type World } from '../fakes.ts';
import {
  ACTION,
  at,
  containerInstanceOf,
  drainOf,
  HOOK,
  INSTANCE_ID,
  knownOf,
  noticeDrainOf,
  POLICY,
} from './samples.ts';

const WATCH = { ...POLICY, waiting: 'watch' } as const;
const WAITS = [
  ['parked', POLICY],
  ['polling', WATCH],
] as const;
const SCHEDULE = `${INSTANCE_ID}-ecs-drain`;
/** From a look at a parked drain to the next, if no event wakes it and its schedule is late. */
const LONGEST_SILENCE_SECONDS = 540 + SCHEDULE_LATE_SECONDS;

const web: FakeTask = { id: 'web', deactivatesAtSeconds: 20, stopsAtSeconds: 335 };
const endless: FakeTask = { id: 'job', class: 'standalone', stopsAtSeconds: Infinity };
const draining: FakeInstance = { id: 'one', status: 'DRAINING' };
/** It has taken no tasks for so long that ECS’s lists have settled. */
const CLOSED = { sinceMs: at(-60), containerInstances: [containerInstanceOf().arn], silent: [] };

type Aws = ReturnType<typeof fakeAws>;

const callsOf = (aws: Aws) => aws.invocations.map(({ calls }) => calls);
const entriesOf = (aws: Aws) => aws.telemetry.map(({ entry }) => entry);
const kindsOf = (aws: Aws) => aws.invocations.map(({ results }) => results.map(({ kind }) => kind));
const begin = (drain: Drain = drainOf()): Arrival => ({ kind: 'drain', drain });

function fleetOf(count: number, task: Partial<FakeTask> = {}) {
  const numbers = Array.from({ length: count }, (_, i) => i);
  return {
    instances: numbers.map((i): FakeInstance => ({ id: `ci${i}`, ec2InstanceId: `i-${i}` })),
    tasks: numbers.map((i): FakeTask => ({ id: `task${i}`, on: `ci${i}`, stopsAtSeconds: 300 + (i % 5), ...task })),
  };
}

describe('a drain', () => {
  it('of an instance without tasks asks for nothing that it does not need', async () => {
    const aws = fakeAws();
    expect(await aws.runToEnd()).toEqual([{ kind: 'drained', lastTaskStoppedAtMs: undefined }]);
    expect(callsOf(aws)).toEqual([
      ['list', 'setDraining', 'continueAt'],
      ['describe', 'listTasks', 'list', 'describe', 'complete', 'publish'],
    ]);
    expect(aws.completion()).toEqual({ atSeconds: LISTS_SETTLE_SECONDS, result: 'CONTINUE', holding: [] });
  });

  it('waits on its schedule, and completes as its instance becomes empty', async () => {
    const aws = fakeAws({ tasks: [web] });
    expect(await aws.runToEnd()).toEqual([{ kind: 'drained', lastTaskStoppedAtMs: at(335) }]);
    expect(callsOf(aws)).toEqual([
      ['list', 'setDraining', 'continueAt'],
      ['describe', 'listTasks', 'describeTasks', 'hooksOf', 'publish', 'put'],
      ['parkedOn', 'describeTasks', 'list', 'complete', 'delete', 'publish'],
    ]);
    expect(aws.completion()?.atSeconds).toBeLessThan(336);
    expect(aws.schedules.size).toBe(0);
  });

  it.each(WAITS)('waits for tasks that have left the running count and still serve: %s', async (_, policy) => {
    const aws = fakeAws({ tasks: [web, { ...web, id: 'other', stopsAtSeconds: 200 }] });
    expect(await aws.runToEnd({ policy })).toEqual([{ kind: 'drained', lastTaskStoppedAtMs: at(335) }]);
    expect(aws.completion()).toMatchObject({ holding: [] });
    expect(aws.completion()?.atSeconds).toBeLessThanOrEqual(335 + POLICY.pollMaxSeconds);
  });

  it.each([1, 2.5, 9.9])('waits for a task that ECS lists only %f s after the draining', async (listedAtSeconds) => {
    for (const status of ['ACTIVE', 'DRAINING'] as const) {
      for (const early of [[], [{ id: 'early', stopsAtSeconds: 3 }]]) {
        const late = { ...web, id: 'late', listedAtSeconds, stopsAtSeconds: 100 };
        const aws = fakeAws({ instances: [{ id: 'one', status }], tasks: [...early, late] });
        await aws.runToEnd();
        expect(aws.completion()).toMatchObject({ atSeconds: 100.5, holding: [] });
      }
    }
  });

  it.each([
    ['still counts', Infinity],
    ['counts no more: it is on its way out', 335],
  ])(
    'waits for a task that came while an operator had the instance ACTIVE, unseen, and that ECS %s',
    async (_, seconds) => {
      const late = { id: 'late', listedAtSeconds: 101, deactivatesAtSeconds: seconds, stopsAtSeconds: 600 };
      const aws = fakeAws({ instances: [{ id: 'one', activeSpans: [[100, 110]] }], tasks: [web, late] });
      expect(await aws.runToEnd()).toEqual([{ kind: 'drained', lastTaskStoppedAtMs: at(600) }]);
      expect(aws.completion()?.holding).toEqual([]);
    },
  );

  it.each(['before', 'now'])('waits for the tasks of every registration: of the one drained %s', async (on) => {
    const instances = [{ id: 'before', status: 'DRAINING' as const }, { id: 'now' }];
    const aws = fakeAws({ instances, tasks: [{ ...web, on }] });
    expect(await aws.runToEnd()).toMatchObject([{ kind: 'drained' }]);
    expect(aws.completion()?.holding).toEqual([]);
  });

  it.each(WAITS)('waits until an instance has registered, then drains it: %s', async (_, policy) => {
    const registering: FakeInstance = { id: 'one', status: 'REGISTERING', activeAtSeconds: 50 };
    const aws = fakeAws({ instances: [registering], tasks: [{ ...web, listedAtSeconds: 50 }] });
    expect(await aws.runToEnd({ policy })).toMatchObject([{ kind: 'drained' }]);
    expect(aws.secondsOf('setDraining').at(-1)).toBeGreaterThanOrEqual(50);
    expect(aws.completion()?.holding).toEqual([]);
  });

  it('waits for tasks that came between two looks, as its instance registered and another drain closed it', async () => {
    for (let noticeAtSeconds = 52; noticeAtSeconds < 160; noticeAtSeconds += 3) {
      const registering: FakeInstance = { id: 'one', status: 'REGISTERING', activeAtSeconds: noticeAtSeconds - 2 };
      const task = { ...web, listedAtSeconds: noticeAtSeconds - 1, deactivatesAtSeconds: noticeAtSeconds + 1 };
      const aws = fakeAws({ instances: [registering], tasks: [task], events: 'none' });
      for (const drain of aws.heldDrains()) aws.send(() => begin(drain), at(0));
      aws.send(() => begin(noticeDrainOf('rebalance-recommendation')), at(noticeAtSeconds));
      await aws.run();
      expect([noticeAtSeconds, aws.completion()]).toMatchObject([noticeAtSeconds, { holding: [] }]);
    }
  });

  it('drains a registration that comes late, and waits for the tasks of both', async () => {
    const instances = [
      { ...draining, silences: [[60, 9_999]] as const },
      { id: 'late', comesAtSeconds: 69 },
    ];
    const tasks = [web, { ...web, id: 'job', on: 'late', listedAtSeconds: 70, stopsAtSeconds: 2_000 }];
    const aws = fakeAws({ instances, tasks });
    expect(await aws.runToEnd()).toEqual([{ kind: 'drained', lastTaskStoppedAtMs: at(2_000) }]);
    expect(aws.completion()?.holding).toEqual([]);
  });

  it('tries again where ECS does not set a registration to DRAINING', async () => {
    let refusals = 2;
    const ports = (own: Ports): Ports => {
      const { describe, setDraining } = own.containerInstances;
      const change: typeof setDraining = async (...given) =>
        refusals-- > 0 ? { found: await describe(...given) } : setDraining(...given);
      return { ...own, containerInstances: { ...own.containerInstances, setDraining: change } };
    };
    const aws = fakeAws({ tasks: [web] });
    expect(await aws.runToEnd({ ports })).toMatchObject([{ kind: 'drained' }]);
    expect(aws.refusals()[0]).toMatchObject({ doing: 'set-draining' });
    expect(aws.secondsOf('setDraining')[0]).toBeLessThanOrEqual(10);
  });

  it('ends even if every event is lost and its schedule is late', async () => {
    const aws = fakeAws({ tasks: [web], events: 'none', lateSeconds: 60 });
    expect(await aws.runToEnd()).toEqual([{ kind: 'drained', lastTaskStoppedAtMs: at(335) }]);
    expect(aws.completion()?.atSeconds).toBeLessThanOrEqual(335 + LONGEST_SILENCE_SECONDS);
  });

  it('is woken by the event about a task where the one about the instance is lost', async () => {
    const aws = fakeAws({ tasks: [web], events: 'task-stops' });
    await aws.runToEnd();
    expect(aws.completion()?.atSeconds).toBe(335.5);
  });

  it('looks again within seconds where ECS’s answers are older than the event that woke it', async () => {
    const aws = fakeAws({ tasks: [web], lagSeconds: 6 });
    expect(await aws.runToEnd()).toMatchObject([{ kind: 'drained' }]);
    expect(aws.completion()?.atSeconds).toBeGreaterThanOrEqual(341);
    expect(aws.completion()?.atSeconds).toBeLessThanOrEqual(341 + 2 * POLICY.pollMinSeconds);
  });

  it('with ten tasks that stop at different times makes one call for each stop', async () => {
    const tasks = Array.from({ length: 10 }, (_, i) => ({ ...web, id: `web${i}`, stopsAtSeconds: 300 - 10 * i }));
    const aws = fakeAws({ tasks });
    expect(await aws.runToEnd()).toMatchObject([{ kind: 'drained' }]);
    expect(aws.calls.length).toBeLessThanOrEqual(14 + tasks.length);
  });

  it('looks more rarely while nothing changes, and often again when something has', async () => {
    const tasks = [web, { ...web, id: 'late', stopsAtSeconds: 600 }];
    const aws = fakeAws({ tasks });
    await aws.runToEnd({ policy: WATCH });
    const looks = aws.secondsOf('describeTasks');
    const gapAfter = (seconds: number) => {
      const i = looks.findIndex((look) => look >= seconds);
      return (looks[i + 1] ?? 0) - (looks[i] ?? 0);
    };
    expect(gapAfter(300)).toBe(POLICY.pollMaxSeconds);
    expect(gapAfter(335)).toBeLessThanOrEqual(2 * POLICY.pollMinSeconds);
  });
});

describe('many drains', () => {
  it.each([3, 150])('of a cluster share the calls that AWS has for many: %i drains', async (count) => {
    const aws = fakeAws(fleetOf(count, { stopsAtSeconds: 300 }));
    const outcomes = await aws.runToEnd();
    expect(outcomes).toEqual(Array(count).fill({ kind: 'drained', lastTaskStoppedAtMs: at(300) }));
    expect(aws.completions().flatMap((each) => each?.holding)).toEqual([]);
    const each = ['listTasks', 'put', 'parkedOn', 'complete', 'delete', 'get'];
    for (const name of ['parkedOn', 'complete', 'delete']) expect(aws.callsNamed(name)).toHaveLength(count);
    if (count > 3) return; // A fleet's first listings are spread over a minute and a half.
    const shared = aws.calls.filter(({ name }) => !each.includes(name)).map(({ name }) => name);
    expect(shared).toEqual([
      ...['list', 'setDraining', 'continueAt'],
      ...['describe', 'describeTasks', 'hooksOf', 'publish'],
      ...['describeTasks', 'list', 'publish'],
    ]);
  });

  it('of a fleet wait for their first listing, spread over time, without a listing by anyone else', async () => {
    const aws = fakeAws({ ...fleetOf(150), random: [0.25] });
    const results = await aws.round();
    expect(aws.callsNamed('listTasks')).toEqual([]);
    expect(results).toMatchObject(Array(150).fill({ kind: 'parked', untilMs: at(45) }));
    expect(aws.published).toMatchObject(Array(150).fill({ event: { kind: 'started', holdingTasks: undefined } }));
    const shared = aws.calls.filter(({ name }) => name !== 'put').map(({ name }) => name);
    expect(shared).toEqual(['list', 'list', 'setDraining', 'setDraining', 'hooksOf', 'publish', 'continueAt']);
  });

  it.each([
    ['of lifecycle actions', 120, { deadlineSeconds: 180, stopStragglers: 'standalone' }],
    ['of Spot interruptions', 90, { stopStragglers: 'all' }],
  ] as const)(
    'of a fleet %s list their tasks in time to stop them with their whole grace',
    async (what, stopTimeoutSeconds, choices) => {
      const fleet = fleetOf(11, { ...endless, stopTimeoutSeconds });
      const isSpot = what === 'of Spot interruptions';
      const aws = fakeAws({ ...fleet, ...(isSpot && { holds: [] }), random: [0.9] });
      const warned = fleet.instances.map(({ ec2InstanceId = '' }) =>
        noticeDrainOf('spot-interruption', { notice: { instanceId: ec2InstanceId, token: ec2InstanceId } }),
      );
      const outcomes = await aws.runToEnd({ ...(isSpot && { drains: warned }), policy: { ...POLICY, ...choices } });
      expect(outcomes.map((outcome) => outcome?.kind)).toEqual(Array(11).fill('drained'));
    },
  );

  it.each(['listTasks', 'recordHeartbeat', 'complete', 'put'])(
    'are none the worse for one of them for which %s is denied',
    async (call) => {
      const fault: World['fault'] = ({ name, args: [of] }) =>
        name === call && JSON.stringify(of).match(/ci1\b|ci1-|i-1"/) ? new Error('not authorized') : undefined;
      const aws = fakeAws({ ...fleetOf(3, { stopsAtSeconds: 2_500 }), fault });
      const begun = aws.heldDrains();
      await aws.runToEnd({ drains: begun.filter((_, i) => i !== 1) });
      const together = fakeAws({ ...fleetOf(3, { stopsAtSeconds: 2_500 }), fault });
      together.send(() => begin(begun[0]), at(0));
      together.send(() => begin(begun[1]), at(0));
      together.send(() => begin(begun[2]), at(0));
      await together.run();
      const others = [0, 2].map((i) => together.completions()[i]);
      expect(others).toMatchObject([{ holding: [] }, { holding: [] }]);
      expect(others.map((each) => each?.atSeconds)).toEqual([0, 2].map((i) => aws.completions()[i]?.atSeconds));
      // A schedule that is denied is only a reason to wait on the queue.
      expect(together.deadLetters.length > 0).toBe(call !== 'put');
      if (call === 'listTasks' || call === 'complete') expect(together.completions()[1]).toBeUndefined();
    },
  );

  it.each<[string, number, number, World['outages']]>([
    ['whose hook is too short for a schedule (30 s)', 30, 30, []],
    ['whose hook is too short for a schedule (210 s)', 80, 210, []],
    ['that Scheduler does not let park for 25 minutes', 40, 600, [{ of: 'scheduler', span: [0, 1_500] }]],
  ])(
    'hold no execution while they wait, and none is starved: those %s',
    async (_, count, timeoutSeconds, outages = []) => {
      const aws = fakeAws({
        ...fleetOf(count, { stopsAtSeconds: 320 }),
        hook: hookLimits(timeoutSeconds),
        outages,
        callSeconds: 0.05,
      });
      let longestMs = 0;
      const timed = (ports: Ports): Ports => {
        const sinceMs = ports.clock.nowMs();
        const nowMs = () => {
          longestMs = Math.max(longestMs, ports.clock.nowMs() - sinceMs);
          return ports.clock.nowMs();
        };
        return { ...ports, clock: { nowMs } };
      };
      const outcomes = await aws.runToEnd({ ports: timed });
      expect(new Set(outcomes.map((outcome) => outcome?.kind))).toEqual(new Set(['drained']));
      for (const completion of aws.completions()) expect(completion?.holding).toEqual([]);
      expect(longestMs).toBeLessThan(10_000);
    },
  );

  it('drain in the clusters that answer while a configured one does not exist', async () => {
    const aws = fakeAws({ tasks: [web], missingClusters: ['batch'] });
    const policy = { ...POLICY, clusters: ['batch', 'prod'] };
    expect(await aws.runToEnd({ policy })).toMatchObject([{ kind: 'drained' }]);
    expect(aws.refusals()).toEqual([]);
    expect(await fakeAws({ instances: [], missingClusters: ['batch'] }).runToEnd({ policy })).toEqual([
      { kind: 'gone', clusters: ['batch', 'prod'] },
    ]);
  });

  it('of two hooks on one instance each have their schedule, and complete their own action', async () => {
    const holds = ['ecs-drain', 'another'].map((lifecycleHook) => ({ instanceId: INSTANCE_ID, lifecycleHook }));
    const hooks = holds.map(({ lifecycleHook: name }) => ({ name }));
    const aws = fakeAws({ tasks: [web], holds, hooks });
    const ended = aws.runToEnd();
    expect(await ended).toMatchObject([{ kind: 'drained' }, { kind: 'drained' }]);
    expect(aws.completions()).toMatchObject([{ atSeconds: 335.5 }, { atSeconds: 335.5 }]);
    expect(aws.callsNamed('put').map(({ args }) => args)).toEqual([
      [SCHEDULE, 'absent'],
      [`${INSTANCE_ID}-another`, 'absent'],
    ]);
    expect(aws.schedules.size).toBe(0);
  });
});

describe('the deadline', () => {
  it.each(WAITS)(
    'ends the drain to the second, by name of every task that still holds the instance: %s',
    async (_, waits) => {
      const aws = fakeAws({ tasks: [web, endless], lateSeconds: 60 });
      const policy = { ...waits, deadlineResult: 'ABANDON' } as const;
      expect(await aws.runToEnd({ policy })).toMatchObject([{ kind: 'timed-out', killedTasks: [{ arn: 'job' }] }]);
      expect(aws.completion()).toEqual({ atSeconds: 7_200, result: 'ABANDON', holding: ['job'] });
    },
  );

  it.each(WAITS)('is preceded by a stop of the stragglers in time for their grace, once: %s', async (_, waits) => {
    const aws = fakeAws({ tasks: [{ ...endless, stopTimeoutSeconds: 120 }], lateSeconds: 60 });
    expect(await aws.runToEnd({ policy: { ...waits, stopStragglers: 'standalone' } })).toMatchObject([
      { kind: 'drained' },
    ]);
    expect(aws.secondsOf('stopTask')).toEqual([7_060]);
  });

  it('is preceded by a second stop of the stragglers that ECS has throttled, still in time for their grace', async () => {
    const tasks = [0, 1].map((i) => ({ ...endless, id: `job${i}`, stopTimeoutSeconds: 30 }));
    const fault: World['fault'] = ({ name, args: [id], atSeconds }) =>
      name === 'stopTask' && id === 'job1' && atSeconds < 7_155 ? new Unavailable('throttled') : undefined;
    const aws = fakeAws({ tasks, fault });
    expect(await aws.runToEnd({ policy: { ...POLICY, stopStragglers: 'standalone' } })).toMatchObject([
      { kind: 'drained' },
    ]);
    const stopsOf = (id: string) =>
      aws
        .callsNamed('stopTask')
        .filter(({ args }) => args[0] === id)
        .map(({ atSeconds }) => atSeconds);
    expect(stopsOf('job0')).toEqual([7_150]);
    const stops = stopsOf('job1');
    expect(stops[0]).toBe(7_150);
    expect(stops.at(-1)).toBeLessThanOrEqual(7_160);
    expect(aws.refusals()).toContainEqual({ doing: 'stop-tasks', reason: 'throttled' });
  });

  it('is the one that the hook chooses for its group, with the result and the stragglers that it chooses', async () => {
    const choices = { deadlineSeconds: 900, deadlineResult: 'ABANDON', stopStragglers: 'none' } as const;
    const aws = fakeAws({ tasks: [endless], hooks: [{ limits: { ...HOOK, choices } }] });
    const policy = { ...POLICY, stopStragglers: 'standalone' } as const;
    expect(await aws.runToEnd({ policy })).toMatchObject([{ kind: 'timed-out', killedTasks: [{ arn: 'job' }] }]);
    expect(aws.completion()).toEqual({ atSeconds: 900, result: 'ABANDON', holding: ['job'] });
    expect(aws.secondsOf('stopTask')).toEqual([]);
  });

  it('kills nothing before Auto Scaling has confirmed since when it holds the instance', async () => {
    const aws = fakeAws({ tasks: [endless] });
    const startedAtMs = at(-100_000);
    const [outcome] = await aws.runToEnd({ drains: [drainOf({ startedAtMs })] });
    expect(outcome).toMatchObject({ kind: 'timed-out', deadlineAtMs: at(7_200) });
    expect(aws.completion()?.atSeconds).toBe(7_200);
    expect(entriesOf(aws)).toContainEqual({ kind: 'corrected', claimedStartAtMs: startedAtMs });
  });

  it('of an event that came late still counts the tasks that it kills', async () => {
    const aws = fakeAws({ tasks: [endless] });
    await aws.waitUntil(3_000);
    const policy = { ...POLICY, deadlineSeconds: 600 };
    expect(await aws.runToEnd({ policy })).toMatchObject([{ kind: 'timed-out', killedTasks: [{ arn: 'job' }] }]);
    expect(aws.secondsOf('setDraining')).toEqual([3_000]);
    expect(aws.secondsOf('listTasks')[0]).toBeGreaterThanOrEqual(3_000);
  });
});

describe('an agent', () => {
  const tenths = [0, 0.6, 0.2, 0.8, 0.4, 0.1, 0.7, 0.3, 0.9, 0.5];
  const silent = (...silences: [number, number][]): FakeInstance[] => [{ ...draining, silences }];

  it.each(WAITS)('that stays silent is given up after its grace, right after a search: %s', async (_, policy) => {
    const aws = fakeAws({ instances: silent([100, Infinity]), tasks: [endless], lateSeconds: 60 });
    expect(await aws.runToEnd({ policy })).toMatchObject([{ kind: 'agent-lost', killedTasks: [{ arn: 'job' }] }]);
    const latest = policy === POLICY ? 1_000 + LONGEST_SILENCE_SECONDS : 1_000 + POLICY.pollMaxSeconds;
    expect(aws.completion()?.atSeconds).toBeGreaterThanOrEqual(1_000);
    expect(aws.completion()?.atSeconds).toBeLessThanOrEqual(latest);
    const calls = aws.invocations.at(-1)?.calls ?? [];
    const end = calls.indexOf('complete');
    expect(calls.slice(end - 5, end)).toEqual(['terminatingSinceMs', 'list', 'describe', 'listTasks', 'describeTasks']);
  });

  it.each(WAITS)('may fall silent now and then, as in normal operation: %s', async (_, policy) => {
    const aws = fakeAws({ instances: silent([0, 800], [900, 1_700]), tasks: [{ ...web, stopsAtSeconds: 2_500 }] });
    expect(await aws.runToEnd({ policy })).toMatchObject([{ kind: 'drained' }]);
  });

  it('is not given up for two short silences with no one looking in between', async () => {
    const aws = fakeAws({
      instances: silent([100, 125], [1_140, 1_200]),
      tasks: [{ ...web, stopsAtSeconds: 2_000 }],
      outages: [{ of: 'ecs-reads', span: [125, 1_150] }],
    });
    expect(await aws.runToEnd({ policy: WATCH })).toMatchObject([{ kind: 'drained' }]);
  });

  it.each([60, 70])(
    'that stays silent is given up after its grace though ECS does not answer for %i s',
    async (outage) => {
      for (const draw of tenths) {
        const aws = fakeAws({
          random: tenths.map((each) => (each + draw) % 1),
          instances: silent([200, Infinity]),
          tasks: [endless],
          outages: [{ of: 'ecs-reads', span: [1_300, 1_300 + outage] }],
        });
        expect(await aws.runToEnd()).toMatchObject([{ kind: 'agent-lost' }]);
        expect(aws.completion()?.atSeconds).toBeLessThan(1_500);
      }
    },
  );

  it('that registered again is not given up: tasks run there', async () => {
    const instances = [...silent([30, Infinity]), { id: 'two', comesAtSeconds: 30 }];
    const again = { ...web, id: 'again', on: 'two', listedAtSeconds: 40, stopsAtSeconds: 3_000 };
    const aws = fakeAws({ instances, tasks: [endless, again] });
    expect(await aws.runToEnd()).toMatchObject([{ kind: 'agent-lost', killedTasks: [{ arn: 'job' }] }]);
    expect(aws.completion()).toMatchObject({ holding: ['job'] });
    expect(aws.completion()?.atSeconds).toBeGreaterThan(3_000);
    expect(aws.secondsOf('setDraining')[1]).toBeLessThan(30 + LONGEST_SILENCE_SECONDS);
  });

  it('that is heard again while Auto Scaling is asked is not given up', async () => {
    const instance = { ...draining, silences: [[0, Infinity]] as [number, number][] };
    const aws = fakeAws({
      instances: [instance],
      tasks: [{ ...web, stopsAtSeconds: 2_000 }],
      fault: ({ name }) => {
        if (name === 'terminatingSinceMs') instance.silences = [];
        return undefined;
      },
    });
    expect(await aws.runToEnd()).toMatchObject([{ kind: 'drained' }]);
    expect(aws.secondsOf('terminatingSinceMs')).toHaveLength(1);
  });
});

describe('an outage', () => {
  it.each<[string, NonNullable<World['outages']>[number]['of'], [number, number], number]>([
    ['ECS’s reads from the first call on', 'ecs-reads', [0, 1_000], 1_000],
    ['ECS’s changes', 'ecs-changes', [0, 1_000], 1_000],
    ['ECS’s reads as the last task stops', 'ecs-reads', [330, 1_000], 1_000],
    ['Auto Scaling as the last task stops', 'auto-scaling', [330, 1_000], 1_000],
    ['the Scheduler', 'scheduler', [0, 1_000], 335],
    ['the Scheduler after the drain has parked', 'scheduler', [100, 1_000], 335],
    ['the queue', 'queue', [0, 200], 335],
    ['the bus', 'bus', [0, 1_000], 335],
  ])('of %s delays the end and nothing else', async (_, of, span, overSeconds) => {
    for (const [, policy] of WAITS) {
      const hook = { heartbeatTimeoutSeconds: 120, globalTimeoutSeconds: 12_000 };
      const aws = fakeAws({ tasks: [web], hook, outages: [{ of, span }] });
      const assuming = { ...policy, heartbeatTimeoutSeconds: 120 };
      expect(await aws.runToEnd({ policy: assuming })).toMatchObject(
        of === 'auto-scaling' ? [{ kind: 'already-completed' }] : [{ kind: 'drained' }],
      );
      expect(aws.completion()?.holding ?? []).toEqual([]);
      const endsAt = aws.finished()[0]?.atSeconds ?? Infinity;
      expect(endsAt).toBeLessThanOrEqual(overSeconds + LONGEST_SILENCE_SECONDS);
      expect(aws.calls.length).toBeLessThan(3_000);
    }
  });

  it('of ECS past the deadline ends nothing that cannot be seen', async () => {
    const aws = fakeAws({
      tasks: [{ ...web, stopsAtSeconds: 7_500 }],
      outages: [{ of: 'ecs-reads', span: [7_000, 8_000] }],
    });
    expect(await aws.runToEnd()).toMatchObject([{ kind: 'drained' }]);
    expect(aws.completion()?.atSeconds).toBeGreaterThanOrEqual(8_000);
  });

  it('of Auto Scaling when a heartbeat is due is tried again within seconds, and reported once a round', async () => {
    const aws = fakeAws({ tasks: [endless], outages: [{ of: 'auto-scaling', span: [1_700, 1_850] }] });
    await aws.runToEnd({ policy: WATCH });
    const beats = aws.secondsOf('recordHeartbeat');
    const [accepted = Infinity] = beats.filter((second) => second >= 1_850);
    expect(accepted).toBeLessThanOrEqual(1_850 + POLICY.pollMaxSeconds);
    expect(beats.filter((second) => second < 1_850).length).toBeGreaterThan(1);
    for (const refusal of aws.refusals())
      expect(refusal).toEqual({ doing: 'heartbeat', reason: 'recordHeartbeat: throttled' });
  });

  it('of the Scheduler lets the drain wait on the queue, and park again afterwards', async () => {
    const aws = fakeAws({
      tasks: [{ ...web, stopsAtSeconds: 900 }],
      outages: [{ of: 'scheduler', span: [0, 100], denied: true }],
    });
    await aws.runToEnd();
    expect(new Set(aws.refusals().map(({ doing }) => doing))).toEqual(new Set(['park']));
    expect(aws.completion()?.atSeconds).toBe(900.5);
  });

  it('of the queue lets the drain wait on its schedule, late as it may be', async () => {
    const aws = fakeAws({ tasks: [web], outages: [{ of: 'queue', span: [0, 60] }] });
    const results = await aws.round();
    expect(callsOf(aws)).toEqual([['list', 'setDraining', 'continueAt', 'hooksOf', 'put']]);
    expect(results).toMatchObject([{ kind: 'parked', untilMs: at(30) }]);
    expect(aws.refusals()).toEqual([{ doing: 'park', reason: 'continueAt: throttled' }]);
  });

  it('of the queue for six seconds costs no task of a Spot instance its grace', async () => {
    const job: FakeTask = { ...endless, stopTimeoutSeconds: 90 };
    const aws = fakeAws({ holds: [], tasks: [job], outages: [{ of: 'queue', span: [0, 6] }], lateSeconds: 60 });
    const policy = { ...POLICY, stopStragglers: 'all' } as const;
    expect(await aws.runToEnd({ drains: [noticeDrainOf()], policy })).toMatchObject([{ kind: 'drained' }]);
    expect(aws.calls.length).toBeLessThan(25);
  });

  it('of the queue after its schedule was written lets the drain wait on that schedule, and no hook times out', async () => {
    for (const heartbeatTimeoutSeconds of [215, 240, 250, 270]) {
      const hook = hookLimits(heartbeatTimeoutSeconds);
      const outages = [{ of: 'queue' as const, span: [LISTS_SETTLE_SECONDS, 60] as const }];
      const aws = fakeAws({ tasks: [web], hook, outages, lateSeconds: 60 });
      expect([hook, await aws.runToEnd()]).toEqual([hook, [{ kind: 'drained', lastTaskStoppedAtMs: at(335) }]]);
      expect(aws.completion()?.holding).toEqual([]);
      expect(entriesOf(aws)).not.toContainEqual({ kind: 'superseded' });
    }
  });

  it('of the queue lets a drain without a schedule go on through the bus', async () => {
    const aws = fakeAws({ tasks: [web], outages: [{ of: 'queue', span: [0, 60] }] });
    expect(await aws.round(undefined, { policy: WATCH })).toMatchObject([{ kind: 'handed-over' }]);
    expect(callsOf(aws)).toEqual([['list', 'setDraining', 'continueAt', 'hooksOf', 'continueNow']]);
  });

  it.each([60, 300, 1_200])(
    'of the queue, polling for %i s, brings a message again once a minute instead of handing over',
    async (seconds) => {
      const outages = [{ of: 'queue' as const, span: [1, seconds] as const }];
      const aws = fakeAws({ tasks: [{ ...web, stopsAtSeconds: seconds - 30 }], outages });
      expect(await aws.runToEnd({ policy: WATCH })).toMatchObject([{ kind: 'drained' }]);
      expect(aws.completion()?.holding).toEqual([]);
      expect(aws.deadLetters).toEqual([]);
      // Two of three messages are left; the third is handed over, before the redrive policy takes it.
      expect(aws.invocations.length).toBeLessThanOrEqual((seconds / 60) * 1.5 + 8);
    },
  );

  it.each([30, 60, 90, 120])(
    'of the queue, polling with a hook of %i s, lets no hook time out',
    async (timeoutSeconds) => {
      const outages = [{ of: 'queue' as const, span: [1, 300] as const }];
      const aws = fakeAws({ tasks: [web], outages, hook: hookLimits(timeoutSeconds) });
      expect(await aws.runToEnd({ policy: WATCH })).toMatchObject([{ kind: 'drained' }]);
      expect(aws.completion()?.holding).toEqual([]);
    },
  );

  it('of Auto Scaling for half an hour loses no drain that was handed over on the bus', async () => {
    const outages = [{ of: 'auto-scaling' as const, span: [1, 1_800] as const }];
    const aws = fakeAws({ tasks: [web], outages });
    await aws.round([], { policy: WATCH });
    const [claimed] = aws.heldDrains() as [HeldDrain];
    aws.send(() => ({ kind: 'continuation', drain: claimed, isTrusted: false }), at(2));
    await aws.run(() => aws.finished().length > 0);
    expect(aws.finished()).toMatchObject([{ outcome: { kind: 'drained' } }]);
    expect(aws.completion()?.holding).toEqual([]);
    expect(aws.deadLetters).toEqual([]);
  });

  it('that leaves no way to go on leaves the event, which comes again', async () => {
    const down = (['queue', 'bus', 'scheduler'] as const).map((of) => ({ of, span: [0, 30] as const }));
    const aws = fakeAws({ tasks: [web], outages: down });
    expect(await aws.runToEnd()).toMatchObject([{ kind: 'drained' }]);
    expect(kindsOf(aws)[0]).toEqual(['left']);
    expect(aws.invocations[1]?.atSeconds).toBe(60);
  });

  it.each([
    [90, 'park'],
    [600, 'watch'],
  ] as const)('of the queue outlasts no deadline, and makes no storm: a hook of %i s, %s', async (seconds, waiting) => {
    const aws = fakeAws({ tasks: [endless], hook: hookLimits(seconds), outages: [{ of: 'queue', span: [0, 9_999] }] });
    const policy = { ...POLICY, waiting, deadlineSeconds: 600 };
    expect(await aws.runToEnd({ policy })).toMatchObject([{ kind: 'timed-out', killedTasks: [{}] }]);
    expect(aws.completion()?.atSeconds).toBeLessThan(600 + 2 * 60);
    expect(aws.calls.length).toBeLessThan(600);
  });
});

describe('an event that an instance is empty, while ECS refuses all reads for some seconds', () => {
  it.each([4, 6, 10])('wakes its drain though it comes %i s late, and the refusal is recorded', async (seconds) => {
    const aws = fakeAws({
      events: 'none',
      tasks: [{ ...web, deactivatesAtSeconds: 60, stopsAtSeconds: 100 }],
      outages: [{ of: 'ecs-reads', span: [103, 115] }],
    });
    const reported = containerInstanceOf({ countedTasks: 0, isEmpty: true });
    const wakeUp = { kind: 'wake-up', containerInstance: reported, sentAtMs: at(101) } as const;
    aws.send(() => ({ ...wakeUp, reported }), at(101 + seconds));
    // The event about the stop of the task finds ECS down as well.
    aws.send(() => ({ ...wakeUp, reported: undefined }), at(112));
    await aws.runToEnd();
    expect(aws.completion()).toMatchObject({ holding: [] });
    expect(aws.completion()?.atSeconds).toBeLessThan(120);
    expect(aws.refusals()).toContainEqual(expect.objectContaining({ doing: 'look' }));
  });
});

describe('a single refusal', () => {
  const job = (stopTimeoutSeconds: number): FakeTask => ({ ...endless, stopTimeoutSeconds });
  /** Refuses the first call of that name after that second. */
  const refuseOnce = (refused: string, afterSeconds = 0): NonNullable<World['fault']> => {
    let isRefused = false;
    return ({ name, atSeconds }) => {
      if (isRefused || name !== refused || atSeconds < afterSeconds) return undefined;
      isRefused = true;
      return new Unavailable('Rate exceeded');
    };
  };

  it.each([
    [30, {}],
    [40, {}],
    [120, { pollMaxSeconds: 60 }],
    [240, { pollMaxSeconds: 300 }],
  ])('of a heartbeat loses no hook of %i s (%o)', async (seconds, changes) => {
    const tasks = [{ ...web, stopsAtSeconds: 2_000 }];
    const aws = fakeAws({ hook: hookLimits(seconds), tasks, fault: refuseOnce('recordHeartbeat', 900) });
    await aws.runToEnd({ policy: { ...POLICY, ...changes, heartbeatTimeoutSeconds: seconds } });
    expect(aws.completion()).toMatchObject({ holding: [] });
  });

  it('of a stop costs no task its grace where the hook is short', async () => {
    const policy = { ...POLICY, deadlineSeconds: 2_400, stopStragglers: 'all', heartbeatTimeoutSeconds: 60 } as const;
    const fault = refuseOnce('stopTask', 2_259);
    const aws = fakeAws({ tasks: [job(120)], hook: hookLimits(60), lateSeconds: 30, callSeconds: 0.05, fault });
    expect(await aws.runToEnd({ policy })).toMatchObject([{ kind: 'drained' }]);
  });

  it('of the look at which tasks must be stopped costs none its grace', async () => {
    const aws = fakeAws({ tasks: [job(120)], random: [0.9], fault: refuseOnce('describe', 2_240) });
    const policy = { ...POLICY, deadlineSeconds: 2_400, stopStragglers: 'standalone' } as const;
    expect(await aws.runToEnd({ policy })).toMatchObject([{ kind: 'drained' }]);
  });

  it('of the first list costs no task of a Spot instance its grace', async () => {
    const aws = fakeAws({ holds: [], tasks: [job(90)], random: [0.95], fault: refuseOnce('listTasks') });
    const policy = { ...POLICY, stopStragglers: 'all' } as const;
    expect(await aws.runToEnd({ drains: [noticeDrainOf()], policy })).toMatchObject([{ kind: 'drained' }]);
  });

  it('of the first list keeps an empty instance for seconds', async () => {
    const aws = fakeAws({ random: [0.95], fault: refuseOnce('listTasks') });
    await aws.runToEnd();
    expect(aws.completion()?.atSeconds).toBeLessThan(20);
  });

  it('of a look does not give a silent agent its grace again', async () => {
    const instances: FakeInstance[] = [{ id: 'one', silences: [[100, Infinity]] }];
    const silent: World = { instances, tasks: [endless], random: [0.95], lateSeconds: 10 };
    const [calm, refused] = [fakeAws(silent), fakeAws({ ...silent, fault: refuseOnce('describe', 800) })];
    for (const aws of [calm, refused]) await aws.runToEnd();
    expect(Math.abs((refused.completion()?.atSeconds ?? 0) - (calm.completion()?.atSeconds ?? 0))).toBeLessThan(60);
  });
});

describe('a hook', () => {
  const job: FakeTask = { ...endless, stopsAtSeconds: 2_500 };

  it.each([
    [120, 20],
    [300, 60],
    [300, 200],
  ])('of %i s is kept though Auto Scaling does not describe it for %i s', async (hookSeconds, seconds) => {
    const fault: World['fault'] = ({ name, atSeconds }) =>
      name === 'hooksOf' && atSeconds < seconds ? new Unavailable('throttled') : undefined;
    const aws = fakeAws({ tasks: [job], hook: hookLimits(hookSeconds), fault });
    expect(await aws.runToEnd()).toMatchObject([{ kind: 'drained' }]);
    expect(aws.completion()).toMatchObject({ holding: [] });
  });

  it.each([
    [212, 0.6],
    [220, 3],
  ])('of %i s gets no heartbeat after the other where Auto Scaling takes %f s a call', async (seconds, slow) => {
    const aws = fakeAws({
      hook: hookLimits(seconds),
      tasks: [{ ...web, stopsAtSeconds: 400 }],
      callSeconds: (of) => (of === 'auto-scaling' ? slow : 0.05),
    });
    await aws.runToEnd({ policy: { ...POLICY, heartbeatTimeoutSeconds: seconds } });
    expect(aws.secondsOf('recordHeartbeat').length).toBeLessThan(8);
    expect(aws.deadLetters).toEqual([]);
    expect(aws.completion()).toMatchObject({ holding: [] });
  });

  it('that is made shorter while it holds is kept, if AWS counts each heartbeat by what it is then', async () => {
    const edited: { aws?: Aws } = {};
    const beats = () => edited.aws?.secondsOf('recordHeartbeat') ?? [];
    const limits = (isEdited: () => boolean): HookLimits => ({
      get heartbeatTimeoutSeconds() {
        return isEdited() ? 300 : 3_600;
      },
      globalTimeoutSeconds: 172_800,
    });
    const hook = limits(() => beats().some((seconds) => seconds > 100 && seconds < (edited.aws?.now() ?? 0)));
    const asRead = limits(() => (edited.aws?.now() ?? 0) > 100);
    const aws = fakeAws({
      tasks: [job],
      hook,
      hooks: [
        {
          get limits() {
            return { ...asRead };
          },
        },
      ],
    });
    edited.aws = aws;
    expect(await aws.runToEnd()).toMatchObject([{ kind: 'drained' }]);
    expect(aws.completion()).toMatchObject({ holding: [] });
  });

  it('that holds the instance no more is asked before an event that comes late sets an instance to DRAINING', async () => {
    const aws = fakeAws({ holds: [] });
    await aws.waitUntil(86_400);
    expect(await aws.round([begin()])).toMatchObject([{ kind: 'finished', outcome: { kind: 'already-completed' } }]);
    expect(aws.callsNamed('setDraining')).toEqual([]);
  });
});

describe('a registration that is known', () => {
  const job: FakeTask = { ...endless, stopsAtSeconds: 2_500 };
  const silent: FakeInstance = { id: 'one', cluster: 'prod', silences: [[500, 560]] };

  it('holds the instance though ECS leaves it out of one list', async () => {
    const aws = fakeAws({ instances: [silent], tasks: [job] });
    const ports = (own: Ports): Ports => {
      const { list } = own.containerInstances;
      const withGap: typeof list = async (...args) => {
        const arns = await list(...args);
        return aws.now() > 500 && aws.now() < 560 ? [] : arns;
      };
      return { ...own, containerInstances: { ...own.containerInstances, list: withGap } };
    };
    expect(await aws.runToEnd({ ports })).toMatchObject([{ kind: 'drained' }]);
    expect(aws.completion()).toMatchObject({ holding: [] });
  });

  it('is not gone though ECS leaves it out of the list when it must be set to DRAINING again', async () => {
    const aws = fakeAws({ instances: [{ id: 'one', activeSpans: [[100, 400]] }], tasks: [job], events: 'none' });
    let gaps = 0;
    const ports = (own: Ports): Ports => {
      const { list } = own.containerInstances;
      const withGap: typeof list = async (...args) => {
        const arns = await list(...args);
        if (aws.now() > 100) gaps += 1;
        return gaps === 1 ? [] : arns;
      };
      return { ...own, containerInstances: { ...own.containerInstances, list: withGap } };
    };
    aws.send(() => begin(), at(0));
    await aws.round([], { ports });
    await aws.waitUntil(200);
    const [schedule] = aws.schedules.keys();
    const request = { instanceId: INSTANCE_ID, schedule, by: 'arn:aws:iam::123456789012:user/ann' };
    await aws.round([{ kind: 'request', request }], { ports });
    await aws.run();
    expect(gaps).toBeGreaterThan(0);
    expect(aws.completion()).toMatchObject({ holding: [] });
  });

  it('is described again where an event about it comes late', async () => {
    const fresh: FakeTask = { ...job, id: 'new', listedAtSeconds: 160 };
    const instance: FakeInstance = { id: 'one', activeSpans: [[155, 100_000]] };
    const aws = fakeAws({ instances: [instance], tasks: [{ ...web, stopsAtSeconds: 150 }, fresh], events: 'none' });
    aws.send(() => begin(), at(0));
    await aws.round([]);
    const reported = containerInstanceOf({ status: 'DRAINING', countedTasks: 0, isEmpty: true });
    const containerInstance = { arn: reported.arn, cluster: 'prod' };
    aws.send(() => ({ kind: 'wake-up', containerInstance, reported, sentAtMs: at(150.5) }), at(200));
    await aws.run();
    expect(aws.completion()).toMatchObject({ holding: [] });
  });

  it('is described again where someone had set it to ACTIVE in the seconds since the event', async () => {
    const fresh: FakeTask = { ...job, id: 'new', listedAtSeconds: 403, stopsAtSeconds: 2_000 };
    const instance: FakeInstance = { id: 'one', activeSpans: [[402, 410]] };
    const aws = fakeAws({ instances: [instance], tasks: [{ ...web, stopsAtSeconds: 400 }, fresh], events: 'none' });
    const reported = containerInstanceOf({ status: 'DRAINING', countedTasks: 0, isEmpty: true });
    const containerInstance = { arn: reported.arn, cluster: 'prod' };
    aws.send(() => ({ kind: 'wake-up', containerInstance, reported, sentAtMs: at(401) }), at(425));
    await aws.runToEnd();
    expect(aws.completion()).toMatchObject({ holding: [] });
  });
});

describe('a drain that has ended', () => {
  it.each([
    [30, 120],
    [1_600, 3_600],
  ])(
    'at %i s is reported once, though Scheduler fails when a message comes later: a hook of %i s',
    async (stop, hook) => {
      const world = {
        tasks: [{ id: 'web', stopsAtSeconds: stop }],
        instances: [{ id: 'one', goneAtSeconds: stop + 20 }],
      };
      const policy = { ...POLICY, deadlineSeconds: 1_800 };
      const ended = async (outages: World['outages']) => {
        const aws = fakeAws({ ...world, hook: hookLimits(hook), outages: outages ?? [] });
        for (const drain of aws.heldDrains()) aws.send(() => begin(drain), at(0));
        await aws.round([], { policy });
        await aws.run();
        return aws;
      };
      const calm = await ended([]);
      const lastSeconds = Math.max(...calm.secondsOf('get'));
      expect(lastSeconds).toBeGreaterThan(stop + 20);
      const aws = await ended([{ of: 'scheduler', span: [lastSeconds - 1, lastSeconds + 2] }]);
      expect(aws.refusals()).toContainEqual({ doing: 'load', reason: 'get: throttled' });
      expect(aws.telemetry.flatMap(({ entry }) => (entry.kind === 'finished' ? [entry.outcome.kind] : []))).toEqual([
        'drained',
      ]);
    },
  );

  it('by someone else is reported when its schedule fires, where it could not be read before', async () => {
    const hook = hookLimits(120);
    const outage = { of: 'scheduler', span: [55, 75] } as const;
    const holds = [{ instanceId: INSTANCE_ID, completedAtSeconds: 50 }];
    const aws = fakeAws({
      tasks: [endless],
      hook,
      holds,
      outages: [outage],
      instances: [{ id: 'one', goneAtSeconds: 55 }],
    });
    for (const drain of aws.heldDrains()) aws.send(() => begin(drain), at(0));
    await aws.run();
    expect(aws.finished()).toMatchObject([{ outcome: { kind: 'already-completed', lastSeen: { tasks: [{}] } } }]);
    expect(aws.finished()[0]?.atSeconds).toBeGreaterThan(75);
  });
});

describe('calls that hang', () => {
  it.each(
    (['ecs-reads', 'ecs-changes', 'scheduler', 'diagnostics'] as const).flatMap((hanging) =>
      WAITS.flatMap(([name, policy]) =>
        [30, 60, 120].map((timeoutSeconds) => [hanging, name, timeoutSeconds, policy] as const),
      ),
    ),
  )('17 s each (%s), in a drain that is %s, outlast no hook of %i s', async (hanging, _, timeoutSeconds, policy) => {
    const aws = fakeAws({
      tasks: [web],
      hook: hookLimits(timeoutSeconds),
      callSeconds: (of, seconds) => (of === hanging && seconds < 300 ? 17 : 0.1),
      outages: [{ of: hanging, span: [0, 317] }],
    });
    expect(await aws.runToEnd({ policy: { ...policy, stuckFraction: 0.01 } })).toMatchObject([{ kind: 'drained' }]);
    expect(aws.completion()?.holding).toEqual([]);
  });

  it('are bounded by the hook alone, and go on where the hook has time', async () => {
    const aws = fakeAws({ instances: [draining], tasks: [web], callSeconds: (of) => (of === 'ecs-reads' ? 17 : 0) });
    await aws.round([begin(drainOf({ hook: HOOK, known: knownOf(), closed: CLOSED }))]);
    expect(aws.refusals()).toEqual([]);
  });
});

describe('an invocation whose time runs out', () => {
  it('hands its drains over to the next before its margin, together', async () => {
    const aws = fakeAws({ ...fleetOf(3), callSeconds: 9 });
    const results = await aws.round(undefined, { invocationSeconds: 38 });
    expect(results.map(({ kind }) => kind)).toEqual(['handed-over', 'handed-over', 'handed-over']);
    expect(callsOf(aws)).toEqual([['list', 'setDraining', 'continueNow']]);
    await aws.next();
    expect(new Set(aws.invocations[1]?.calls.slice(0, 3))).toEqual(new Set(['get']));
  });

  it('begins nothing where only its margin is left', async () => {
    const aws = fakeAws();
    await aws.round(undefined, { invocationSeconds: POLICY.marginSeconds });
    expect(callsOf(aws)).toEqual([['continueNow']]);
    const more = fakeAws();
    await more.round(undefined, { invocationSeconds: POLICY.marginSeconds + 0.001 });
    expect(callsOf(more)[0]?.[0]).toBe('list');
  });

  it.each([
    ['throttled', false],
    ['denied', true],
  ])('fails where handing over is %s', async (_, isDenied) => {
    const aws = fakeAws({ outages: [{ of: 'bus', span: [0, 1], denied: isDenied }] });
    const reason = `continueNow: ${isDenied ? 'not authorized' : 'throttled'}`;
    const results = await aws.round(undefined, { invocationSeconds: 1 });
    expect(results).toMatchObject([{ kind: 'failed', error: { message: reason } }]);
  });

  it.each([
    ['in its margin without asking why tasks died', POLICY.marginSeconds + 4.5, false],
    ['before, and why tasks died', 60, true],
  ])('reports an end that came %s', async (_, invocationSeconds, isExplained) => {
    const aws = fakeAws({ instances: [draining], tasks: [endless], callSeconds: 1 });
    const { containerInstances } = knownOf();
    const policy = { ...POLICY, deadlineSeconds: 1 };
    const [{ action }] = aws.heldDrains() as [HeldDrain];
    const due = drainOf({ action, known: { containerInstances }, hook: HOOK, closed: CLOSED });
    await aws.round([begin(due)], { invocationSeconds, policy });
    expect(aws.published).toMatchObject([{ event: { kind: 'finished', outcome: { killedTasks: [{ arn: 'job' }] } } }]);
    expect(aws.callsNamed('diagnose')).toHaveLength(isExplained ? 1 : 0);
  });

  it('loses nothing on the way, as often as it happens', async () => {
    const aws = fakeAws({ tasks: [web], callSeconds: 1 });
    expect(await aws.runToEnd({ invocationSeconds: POLICY.marginSeconds + HAND_OVER_SECONDS })).toMatchObject([
      { kind: 'drained' },
    ]);
    expect(aws.completion()?.holding).toEqual([]);
  });
});

describe('an invocation that crashes', () => {
  const worlds: World[] = [
    { tasks: [web] },
    {
      tasks: [web, { ...endless, stopsAtSeconds: 2_500 }],
      lateSeconds: 60,
      hook: { ...HOOK, heartbeatTimeoutSeconds: 1_200 },
    },
    { ...fleetOf(3) },
    ...[150, 200, 300].map((heartbeatTimeoutSeconds) => ({
      tasks: [{ ...endless, stopsAtSeconds: 900 }],
      hook: { ...HOOK, heartbeatTimeoutSeconds },
    })),
  ];

  it.each(worlds.map((world, i) => [i, world] as const))(
    'costs no drain its end and no task its life, after whichever call: world %i',
    async (_, world) => {
      const whole = fakeAws(world);
      await whole.runToEnd();
      for (let crash = 1; crash <= whole.calls.length; crash += 1) {
        const aws = fakeAws({ ...world, crashes: [crash] });
        aws.sweepEvery(60);
        for (const drain of aws.heldDrains()) aws.send(() => begin(drain), at(0));
        await aws.run();
        for (const completion of aws.completions()) expect([crash, completion]).toMatchObject([crash, { holding: [] }]);
        expect([crash, aws.schedules.size, aws.deadLetters.length]).toEqual([crash, 0, 0]);
      }
    },
  );
});

describe('a task that comes while someone has the instance ACTIVE, beside one that stays', () => {
  const tasks: FakeTask[] = [
    { id: 'web', stopsAtSeconds: Infinity, stopTimeoutSeconds: 60 },
    { id: 'late', listedAtSeconds: 101, stopsAtSeconds: Infinity, stopTimeoutSeconds: 60 },
  ];
  const world: World = { instances: [{ id: 'one', activeSpans: [[100, 110]] }], tasks };

  it('is stopped ahead of the deadline like the other', async () => {
    const aws = fakeAws(world);
    const [outcome] = await aws.runToEnd({ policy: { ...POLICY, stopStragglers: 'all', deadlineSeconds: 2_400 } });
    expect(aws.callsNamed('stopTask').map(({ args }) => args[0])).toEqual(['web', 'late']);
    expect(outcome).toMatchObject({ kind: 'drained' });
  });

  it('is reported among those that are killed', async () => {
    const [outcome] = await fakeAws(world).runToEnd({ policy: { ...POLICY, deadlineSeconds: 2_400 } });
    expect(outcome).toMatchObject({ kind: 'timed-out', killedTasks: [{ arn: 'web' }, { arn: 'late' }] });
  });
});

describe('while ECS refuses to list tasks', () => {
  const refusing = (from: number, until: number) => (call: Call) =>
    call.name === 'listTasks' && from <= call.atSeconds && call.atSeconds < until
      ? new Unavailable('throttled')
      : undefined;

  it('those that are known are stopped, though ECS counts one more', async () => {
    const aws = fakeAws({
      instances: [{ id: 'one', activeSpans: [[300, 330]] }],
      tasks: [
        { id: 'job', class: 'standalone', stopsAtSeconds: Infinity },
        { id: 'late', class: 'standalone', stopsAtSeconds: Infinity, listedAtSeconds: 310 },
      ],
      fault: refusing(400, 2_000),
    });
    await aws.runToEnd({ policy: { ...POLICY, stopStragglers: 'standalone', deadlineSeconds: 1_800 } });
    expect(aws.callsNamed('stopTask').map(({ args }) => args[0])).toEqual(['job']);
  });

  /** A task comes that no one has listed, and the look at 475 s finds it. */
  const unlisted = async (fault: (call: Call) => Error | undefined, stopStragglers: 'none' | 'all') => {
    const aws = fakeAws({
      instances: [{ id: 'one', activeSpans: [[100, 110]] }],
      tasks: [
        { id: 'job', class: 'standalone', stopsAtSeconds: Infinity, stopTimeoutSeconds: 30 },
        { id: 'late', stopsAtSeconds: Infinity, listedAtSeconds: 101, stopTimeoutSeconds: 30 },
      ],
      fault,
    });
    const policy = { ...POLICY, stopStragglers, deadlineSeconds: 950, deregistrationDelaySeconds: 300 };
    const [outcome] = await aws.runToEnd({ policy });
    return { aws, outcome };
  };

  it('one of which ECS counts more than the drain knows is listed soon after, and the refusal is recorded', async () => {
    let refusals = 0;
    const once = (call: Call) =>
      refusing(150, Infinity)(call) && ++refusals === 1 ? new Unavailable('busy') : undefined;
    const { aws } = await unlisted(once, 'all');
    expect(aws.refusals()).toEqual([{ doing: 'look', reason: 'busy' }]);
    const [, refusedAt = 0, again = 0] = aws.secondsOf('listTasks');
    expect(again - refusedAt).toBeLessThan(5);
    // The service's task gets its deregistration delay and its stop timeout.
    const late = aws.callsNamed('stopTask').find(({ args }) => args[0] === 'late');
    expect(late?.atSeconds).toBeLessThanOrEqual(950 - 300 - 30 - 10);
  });

  it('none is killed at the deadline that the report leaves out', async () => {
    const { aws, outcome } = await unlisted(refusing(150, 1_500), 'none');
    expect(outcome).toMatchObject({ kind: 'timed-out', killedTasks: [{ arn: 'job' }, { arn: 'late' }] });
    expect(aws.completion()?.holding).toEqual(['job', 'late']);
    expect(aws.completion()?.atSeconds).toBeGreaterThanOrEqual(1_500);
  });

  it('many drains soon ask rarely, as they do where they begin', async () => {
    const numbers = Array.from({ length: 40 }, (_, i) => i);
    const aws = fakeAws({
      random: numbers.map((i) => i / 40),
      instances: numbers.map((i) => ({ id: `one${i}`, ec2InstanceId: `i-${i}` })),
      tasks: numbers.map((i) => ({ id: `web${i}`, on: `one${i}`, stopsAtSeconds: 3_000 })),
      fault: refusing(0, 900),
    });
    for (const drain of aws.heldDrains()) aws.send(() => ({ kind: 'drain', drain }), at(0));
    await aws.round([]);
    await aws.waitUntil(900);
    const lists = aws.secondsOf('listTasks').filter((second) => second >= 300);
    // A drain asks every 75 s on average; with polls it would be every 20 s.
    expect(lists.length).toBeLessThan((40 * 600) / 50);
    expect(lists.length).toBeGreaterThan((40 * 600) / 150);
  });
});

describe('an event that comes again after a crash', () => {
  it('keeps a short hook open though the schedule cannot be read then, and is left to come once more', async () => {
    const policy = { ...POLICY, heartbeatTimeoutSeconds: 150 };
    const world: World = {
      tasks: [{ ...endless, stopsAtSeconds: 2_000 }],
      hook: { ...HOOK, heartbeatTimeoutSeconds: 150 },
      lateSeconds: 30,
    };
    const whole = fakeAws(world);
    await whole.runToEnd({ policy });
    let reads = 0;
    const aws = fakeAws({
      ...world,
      crashes: [whole.calls.findIndex(({ name }) => name === 'put') + 1],
      fault: ({ name }) => (name === 'get' && ++reads === 1 ? new Unavailable('throttled') : undefined),
    });
    expect(await aws.runToEnd({ policy })).toMatchObject([{ kind: 'drained' }]);
    expect(aws.invocations.flatMap(({ results }) => results.map(({ kind }) => kind))).toContain('left');
    expect(aws.completion()).toMatchObject({ holding: [] });
  });
});

describe('copies of a message', () => {
  it('in one batch are one drain, and each has its result', async () => {
    const aws = fakeAws({ instances: [draining], tasks: [web] });
    const results = await aws.round([begin(), begin()]);
    expect(results).toMatchObject([{ kind: 'parked' }, { kind: 'parked' }]);
    expect(callsOf(aws)).toEqual([['list', 'setDraining', 'continueAt']]);
  });

  it('go on with the later of two actions that hold the instance one after the other, whichever comes first', async () => {
    const earlier = drainOf({ action: { ...ACTION, token: 'earlier' }, startedAtMs: at(-3_000) });
    for (const arrivals of [
      [{ kind: 'drain', drain: earlier } as const, begin()],
      [begin(), { kind: 'drain', drain: earlier } as const],
    ]) {
      const aws = fakeAws({ instances: [draining], tasks: [web] });
      const [result] = await aws.round(arrivals);
      expect(result?.drain).toMatchObject({ action: { token: ACTION.token }, startedAtMs: at(0) });
    }
  });

  it('go on from the state that was parked, whichever comes first', async () => {
    for (const isFirst of [true, false]) {
      const aws = fakeAws({ instances: [draining], tasks: [web] });
      const parked = { schedule: SCHEDULE, untilMs: at(0), firesAtMs: at(0) };
      const drain = drainOf({ known: knownOf(), hook: HOOK, announced: 'started', heartbeats: 5, parked });
      aws.schedules.set(SCHEDULE, { drain, firesAtMs: at(0), writtenAtMs: at(0), hasFired: true });
      const continuation: Arrival = { kind: 'continuation', drain, isTrusted: true };
      const results = await aws.round(isFirst ? [continuation, begin()] : [begin(), continuation]);
      expect(results).toMatchObject([{ drain: { heartbeats: 5 } }, { drain: { heartbeats: 5 } }]);
    }
  });

  it('go on from the state that was read where a schedule answered one of them only, whichever comes first', async () => {
    const parked = { schedule: SCHEDULE, untilMs: at(0), firesAtMs: at(0), turn: 0.5 };
    const drain = drainOf({ known: knownOf(), hook: HOOK, announced: 'started', closed: CLOSED, parked });
    const stored = { ...drain, announced: 'stuck' } as const;
    for (const isFirst of [true, false]) {
      let reads = 0;
      const fault: World['fault'] = ({ name }) =>
        name === 'get' && reads++ === 0 ? new Unavailable('throttled') : undefined;
      const aws = fakeAws({ instances: [draining], tasks: [web], fault });
      aws.schedules.set(SCHEDULE, { drain: stored, firesAtMs: at(0), writtenAtMs: at(0), hasFired: true });
      const reported = { ...aws.containerInstance('one'), isEmpty: true };
      const wakeUp: Arrival = { kind: 'wake-up', containerInstance: reported, reported, sentAtMs: at(0) };
      const continuation: Arrival = { kind: 'continuation', drain, isTrusted: true };
      const results = await aws.round(isFirst ? [wakeUp, continuation] : [continuation, wakeUp]);
      expect(results).toMatchObject([{ drain: { announced: 'stuck' } }, { drain: { announced: 'stuck' } }]);
    }
  });

  it('go on from the one that its messages continue, and not only the next sweep, whichever comes first', async () => {
    const once = drainOf({ known: knownOf(), hook: HOOK, announced: 'stuck', isOnce: true });
    const { isOnce: _, ...alive } = once;
    for (const drains of [
      [once, alive],
      [alive, once],
    ]) {
      const aws = fakeAws({ instances: [draining], tasks: [web] });
      const results = await aws.round(drains.map((drain) => ({ kind: 'continuation', drain, isTrusted: true })));
      expect(results).toMatchObject([{ kind: 'parked' }, { kind: 'parked' }]);
      expect(results[0]?.drain?.isOnce).toBeUndefined();
    }
  });

  it.each(WAITS)('never go on from what a claim over the bus says, whichever comes first: %s', async (_, policy) => {
    const known = { known: knownOf(), heartbeats: 3, announced: 'started' as const };
    const claimed = drainOf({ startedAtMs: at(900), continuations: 19_000, heartbeats: 99 });
    const forged: Arrival = { kind: 'continuation', drain: claimed, isTrusted: false };
    const continuation = { kind: 'continuation', drain: drainOf(known), isTrusted: true } as const;
    for (const genuine of [{ kind: 'drain', drain: drainOf() } as const, continuation]) {
      for (const arrivals of [
        [genuine, forged],
        [forged, genuine],
      ]) {
        const aws = fakeAws({ instances: [draining], tasks: [web] });
        const [result] = await aws.round(arrivals, { policy });
        expect(result?.drain).toMatchObject({ startedAtMs: at(0), heartbeats: genuine.drain.heartbeats });
        expect(result?.drain?.continuations).toBeLessThan(10);
      }
    }
  });

  it('of an event and of a wake-up are woken together', async () => {
    const aws = fakeAws({ instances: [draining] });
    const drain = drainOf({
      known: { containerInstances: knownOf().containerInstances, tasks: { holding: [], listedAtMs: at(-20) } },
      closed: CLOSED,
      parked: { schedule: SCHEDULE, untilMs: at(60), firesAtMs: at(60) },
    });
    aws.schedules.set(SCHEDULE, { drain, firesAtMs: at(60), writtenAtMs: at(0), hasFired: false });
    const reported = aws.containerInstance('one');
    const wakeUp: Arrival = { kind: 'wake-up', containerInstance: reported, reported, sentAtMs: at(0) };
    const continuation: Arrival = { kind: 'continuation', drain, isTrusted: true };
    for (const arrivals of [
      [wakeUp, continuation],
      [continuation, wakeUp],
    ]) {
      const copy = fakeAws({ instances: [draining] });
      copy.schedules.set(SCHEDULE, { drain, firesAtMs: at(60), writtenAtMs: at(0), hasFired: false });
      expect(await copy.round(arrivals)).toMatchObject([{ kind: 'finished' }, { kind: 'finished' }]);
      // The event has just described the registration: only a search is left to do.
      expect(copy.calls.map(({ name }) => name)).not.toContain('describe');
      expect(copy.callsNamed('complete')).toHaveLength(1);
    }
  });

  it('that come when it is another’s turn end with a line in the log', async () => {
    const aws = fakeAws({ instances: [draining], tasks: [web] });
    const drain = (seconds: number) =>
      drainOf({ known: knownOf(), parked: { schedule: SCHEDULE, untilMs: at(seconds), firesAtMs: at(seconds) } });
    aws.schedules.set(SCHEDULE, { drain: drain(60), firesAtMs: at(60), writtenAtMs: at(0), hasFired: false });
    const copy: Arrival = { kind: 'continuation', drain: drain(30), isTrusted: true };
    expect(await aws.round([copy])).toMatchObject([{ kind: 'superseded' }]);
    expect(entriesOf(aws)).toEqual([{ kind: 'superseded' }]);
  });

  it('wake a drain that an earlier version has parked, once it has parked under its own name', async () => {
    const parked = { schedule: 'one', untilMs: at(60), firesAtMs: at(60) };
    const drain = drainOf({ known: knownOf(), closed: CLOSED, hook: HOOK, announced: 'started', parked });
    const aws = fakeAws({ instances: [draining], tasks: [{ id: 'web', stopsAtSeconds: 400 }] });
    aws.schedules.set('one', { drain, firesAtMs: at(60), writtenAtMs: at(0), hasFired: true });
    aws.send(() => ({ kind: 'continuation', drain, isTrusted: true }), at(60));
    await aws.run(() => aws.schedules.has(SCHEDULE));
    expect([...aws.schedules.keys()]).toEqual([SCHEDULE]);
    await aws.run(() => aws.finished().length > 0);
    expect(aws.completions()[0]?.atSeconds).toBeLessThan(401);
    expect(aws.schedules.size).toBe(0);
  });

  it('that come later find the drain parked, or its action completed', async () => {
    const aws = fakeAws({
      tasks: [web],
      again: [
        { nth: 0, afterSeconds: 30 },
        { nth: 2, afterSeconds: 400 },
      ],
    });
    await aws.runToEnd();
    await aws.run();
    expect(
      kindsOf(aws)
        .flat()
        .filter((kind) => kind === 'superseded'),
    ).not.toEqual([]);
    expect(entriesOf(aws)).toContainEqual({ kind: 'superseded' });
    const endings = aws.published.flatMap(({ event }) => (event.kind === 'finished' ? [event.outcome.kind] : []));
    expect(endings.filter((kind) => kind !== 'already-completed')).toEqual(['drained']);
    expect(aws.schedules.size).toBe(0);
    expect(await aws.runToEnd()).toMatchObject([{ kind: 'already-completed' }]);
  });
});

describe('an action that someone else completed', () => {
  it('ends the drain at its next heartbeat, by name of the tasks seen last', async () => {
    const aws = fakeAws({ tasks: [endless], holds: [{ instanceId: INSTANCE_ID, completedAtSeconds: 100 }] });
    const lastSeen = { tasks: [{ arn: 'job' }], haveStopped: false };
    expect(await aws.runToEnd()).toMatchObject([{ kind: 'already-completed', lastSeen }]);
    expect(aws.finished()[0]?.atSeconds).toBeLessThanOrEqual(1_800);
    expect(aws.schedules.size).toBe(0);
  });

  it('is also how a drain ends whose hook was deleted', async () => {
    const aws = fakeAws({ tasks: [web], hooks: [] });
    expect(await aws.runToEnd()).toMatchObject([{ kind: 'already-completed', lastSeen: { tasks: [{ arn: 'web' }] } }]);
  });

  it('is reported like any other end where a claim about it comes over the bus', async () => {
    const aws = fakeAws({ holds: [] });
    const drain = drainOf({ continuations: 3 });
    await aws.round([{ kind: 'continuation', drain, isTrusted: false }]);
    expect(callsOf(aws)).toEqual([['get', 'recordHeartbeat', 'publish']]);
    const ending = { kind: 'finished', outcome: { kind: 'already-completed', lastSeen: undefined } };
    expect(entriesOf(aws)).toMatchObject([ending]);
    expect(aws.published).toMatchObject([{ event: ending }]);
  });
});

describe('a notice', () => {
  const notice = noticeDrainOf();
  const askedOfAutoScaling = (aws: Aws) =>
    aws.calls.filter(({ name }) => ['hooksOf', 'terminatingSinceMs', 'recordHeartbeat', 'complete'].includes(name));

  it('for an instance that is in none of the clusters is not ours, and nothing is reported', async () => {
    const aws = fakeAws({ instances: [] });
    expect(await aws.round([{ ...begin(notice), receives: 1 }])).toEqual([{ kind: 'not-ours', drain: notice }]);
    expect([aws.published, askedOfAutoScaling(aws)]).toEqual([[], []]);
  });

  it.each([
    ['as its last task stops', web.id, { ...web, stopsAtSeconds: 60 }, { kind: 'drained' }],
    ['just before EC2 takes the instance', endless.id, endless, { kind: 'timed-out', deadlineAtMs: at(115) }],
  ])('ends %s, and asks nothing of Auto Scaling', async (_, _id, task, outcome) => {
    const aws = fakeAws({ tasks: [task] });
    expect(await aws.runToEnd({ drains: [notice] })).toMatchObject([outcome]);
    expect(aws.published.at(-1)).toMatchObject({ event: { kind: 'finished', outcome } });
    expect(askedOfAutoScaling(aws)).toEqual([]);
  });

  it.each(WAITS)(
    'for an instance that went while it was drained is over, and was one of ours: %s',
    async (_, policy) => {
      const aws = fakeAws({ instances: [{ id: 'one', goneAtSeconds: 30 }], tasks: [endless] });
      const rebalance = noticeDrainOf('rebalance-recommendation');
      expect(await aws.runToEnd({ drains: [rebalance], policy })).toMatchObject([
        { kind: 'gone', clusters: ['prod'], lastSeen: { tasks: [{ arn: 'job' }], haveStopped: false } },
      ]);
    },
  );
});

describe('a warning of a Spot interruption', () => {
  const policy = { ...POLICY, stopStragglers: 'all' as const };
  const job: FakeTask = { ...endless, stopTimeoutSeconds: 60 };
  const recommendation = noticeDrainOf('rebalance-recommendation', { notice: { token: 'recommended' } });

  it.each([
    [0, 3],
    [0, 0],
    [0, 60],
    [3, 0],
  ])(
    'at %i s keeps its drain, and the tasks their stop timeout, beside a recommendation at %i s',
    async (warned, recommended) => {
      const aws = fakeAws({ instances: [{ id: 'one', goneAtSeconds: warned + 125 }], tasks: [job], holds: [] });
      await aws.round([], { policy });
      aws.send(() => begin({ ...noticeDrainOf(), startedAtMs: at(warned) }), at(warned));
      aws.send(() => begin({ ...recommendation, startedAtMs: at(recommended) }), at(recommended));
      await aws.run();
      expect(aws.secondsOf('stopTask')).toEqual([warned + 35]);
      const ends = aws.published.flatMap(({ drain, event }) =>
        event.kind === 'finished' && drain.kind === 'notice' ? [drain.notice.kind] : [],
      );
      expect(ends.toSorted()).toEqual(['rebalance-recommendation', 'spot-interruption']);
      expect([...aws.schedules]).toEqual([]);
    },
  );

  it('goes on where version 0.2.0 has parked its drain, under the name that it has now', async () => {
    const tasks = [{ ...web, stopsAtSeconds: 100 }];
    const before = fakeAws({ tasks, holds: [], events: 'none' });
    await before.round([begin(noticeDrainOf())]);
    await before.waitUntil(20);
    const [stored] = before.schedules.values();
    if (!stored) throw new Error('It has no schedule.');
    const schedule = `${INSTANCE_ID}-notice`;
    const drain = { ...stored.drain, parked: { schedule, untilMs: at(30), firesAtMs: at(30) } };
    const aws = fakeAws({ instances: [draining], tasks, holds: [], events: 'none' });
    aws.schedules.set(schedule, { ...stored, drain });
    aws.send(() => ({ kind: 'continuation', drain, isTrusted: true }), at(30));
    await aws.waitUntil(40);
    expect([...aws.schedules.keys()]).toEqual([`${INSTANCE_ID}-spot-interruption`]);
    await aws.run();
    expect(aws.finished()).toMatchObject([{ outcome: { kind: 'drained' } }]);
    expect([...aws.schedules]).toEqual([]);
  });
});

describe('an event that was replayed, which nothing brings again', () => {
  const job: FakeTask = { ...endless, stopsAtSeconds: 900 };

  it('is of an earlier hold, and leaves the schedule of the present one', async () => {
    const aws = fakeAws({ tasks: [endless], events: 'none', random: [0.3, 0.7, 0.1, 0.9, 0.5] });
    const [drain = drainOf()] = aws.heldDrains();
    aws.send(() => begin(drain), at(0));
    await aws.round([]);
    await aws.waitUntil(60);
    const [schedule] = aws.schedules.keys();
    const earlier = drainOf({ action: { ...ACTION, token: 'earlier' }, startedAtMs: at(-86_400) });
    const ports = (own: Ports): Ports => {
      const { recordHeartbeat } = own.lifecycleActions;
      const ofHold: typeof recordHeartbeat = async (action) =>
        action.token === 'earlier' ? 'already-completed' : recordHeartbeat(action);
      return { ...own, lifecycleActions: { ...own.lifecycleActions, recordHeartbeat: ofHold } };
    };
    expect(await aws.round([begin(earlier)], { ports })).toMatchObject([{ kind: 'finished' }]);
    expect([...aws.schedules.keys()]).toEqual([schedule]);
  });

  it('loses no hook of 60 s, after whichever call its invocation dies', async () => {
    let hasCrashed = true;
    let crash = 0;
    while (hasCrashed) {
      crash += 1;
      const crashes: number[] = [];
      const aws = fakeAws({ tasks: [job], hook: hookLimits(60), crashes, random: [0.1, 0.2, 0.3, 0.4, 0.6] });
      for (const drain of aws.heldDrains()) aws.send(() => begin(drain), at(0));
      await aws.waitUntil(25);
      const [stored] = aws.schedules.values();
      if (!stored) throw new Error('It has no schedule.');
      crashes.push(aws.calls.length + crash);
      await aws.round([{ kind: 'continuation', drain: stored.drain, isTrusted: true }]);
      hasCrashed = aws.invocations.at(-1)?.crashed === true;
      if (hasCrashed) await aws.run(() => aws.completion() !== undefined);
      if (hasCrashed) expect([crash, aws.completion()]).toMatchObject([crash, { holding: [] }]);
    }
    expect(crash).toBeGreaterThan(4);
  });

  it('is not left for a queue that does not have it', async () => {
    const policy = { ...POLICY, waiting: 'watch' as const };
    const aws = fakeAws({ tasks: [job], hook: hookLimits(600), outages: [{ of: 'queue', span: [0, 60] }] });
    expect(await aws.round([begin()], { policy })).toMatchObject([{ kind: 'handed-over' }]);
    await aws.run(() => aws.completion() !== undefined);
    expect(aws.completion()).toMatchObject({ holding: [] });
  });

  it.each([1, 12])('is reported once, though a message comes after the end: %i drains', async (count) => {
    const aws = fakeAws({ ...fleetOf(count, { stopsAtSeconds: 40 }), random: [0.3, 0.5, 0.7, 0.9] });
    await aws.round();
    await aws.run();
    const endings = aws.published.flatMap(({ event }) => (event.kind === 'finished' ? [event.outcome.kind] : []));
    expect(endings).toEqual(Array(count).fill('drained'));
    expect(aws.schedules.size).toBe(0);
  });

  it('leaves no schedule behind where its drain ends by the message that was sent first', async () => {
    const aws = fakeAws({ tasks: [{ ...job, stopsAtSeconds: 12 }], events: 'none' });
    await aws.round(aws.heldDrains().map((drain) => begin(drain)));
    await aws.run();
    expect(aws.finished()).toMatchObject([{ outcome: { kind: 'drained' } }]);
    expect([...aws.schedules]).toEqual([]);
  });
});

describe('the bus', () => {
  it('hears that a drain has begun to wait, that it is stuck and why, and how it ended and why', async () => {
    const aws = fakeAws({ tasks: [endless], lateSeconds: 0 });
    await aws.runToEnd();
    const holdingTasks = [{ arn: 'job' }];
    const explanation = { blockers: [{ tasks: holdingTasks }] };
    expect(aws.published).toMatchObject([
      { event: { kind: 'started', deadlineAtMs: at(7_200), holdingTasks } },
      { event: { kind: 'stuck', deadlineAtMs: at(7_200), holdingTasks, explanation } },
      { event: { kind: 'finished', outcome: { kind: 'timed-out' }, finishedAtMs: at(7_200), explanation } },
    ]);
    const [, stuck, finished] = aws.published;
    expect(stuck?.atSeconds).toBeGreaterThanOrEqual(3_600);
    expect(stuck?.atSeconds).toBeLessThanOrEqual(3_600 + 15);
    expect(entriesOf(aws).filter(({ kind }) => kind === 'stuck' || kind === 'finished')).toMatchObject([
      { explanation },
      finished?.event ?? {},
    ]);
    expect(aws.callsNamed('diagnose')).toHaveLength(2);
    expect(aws.invocations.at(-1)?.calls.slice(-4)).toEqual(['complete', 'diagnose', 'delete', 'publish']);
  });

  it('hears no explanation of a drain that ends well', async () => {
    const aws = fakeAws({ tasks: [web] });
    await aws.runToEnd();
    expect(aws.published.at(-1)?.event).toEqual({
      kind: 'finished',
      outcome: { kind: 'drained', lastTaskStoppedAtMs: at(335) },
      finishedAtMs: at(335.5),
    });
    expect(aws.callsNamed('diagnose')).toEqual([]);
  });

  it('hears of all endings of a round in one call', async () => {
    const aws = fakeAws(fleetOf(3, { stopsAtSeconds: 100 }));
    await aws.runToEnd();
    expect(aws.callsNamed('publish')).toHaveLength(2);
    expect(aws.published).toHaveLength(6);
  });
});

describe('the schedule of a drain that has ended', () => {
  it.each([true, false])('that cannot be deleted is recorded, and does no harm (denied: %s)', async (denied) => {
    const aws = fakeAws({
      tasks: [web],
      fault: ({ name }) => (name === 'delete' ? (denied ? new Error('no') : new Unavailable('no')) : undefined),
    });
    expect(await aws.runToEnd()).toMatchObject([{ kind: 'drained' }]);
    expect(aws.refusals()).toEqual([{ doing: 'delete-schedule', reason: 'no' }]);
    await aws.run(); // It fires once more.
    expect(aws.callsNamed('complete').length).toBeLessThanOrEqual(2);
  });

  it('is deleted though Scheduler has refused to write it again since it fired', async () => {
    const aws = fakeAws({
      // Waits of different turns.
      random: [0, 0.6, 0.2, 0.8, 0.4],
      events: 'none',
      tasks: [{ ...web, stopsAtSeconds: 1_500 }],
      fault: ({ name, atSeconds }) => (name === 'put' && atSeconds >= 400 ? new Unavailable('throttled') : undefined),
    });
    expect(await aws.runToEnd()).toMatchObject([{ kind: 'drained' }]);
    expect(aws.schedules.size).toBe(0);
  });
});

describe('the telemetry', () => {
  it('has one entry for each change of a round, not one for each look', async () => {
    const aws = fakeAws({ tasks: [web] });
    await aws.runToEnd();
    const kinds = entriesOf(aws).map((entry) => (entry.kind === 'decided' ? entry.decision.kind : entry.kind));
    expect(kinds).toEqual([
      ...['set-draining', 'park', 'looked'],
      ...['read-hook', 'looked', 'announce', 'park'],
      ...['complete', 'looked', 'finished'],
    ]);
  });

  it('says how much of the time to its deadline a drain has used', async () => {
    const aws = fakeAws({ tasks: [endless] });
    const policy = { ...POLICY, deadlineSeconds: 1_000 };
    await aws.runToEnd({ policy });
    const looks = aws.telemetry.flatMap(({ entry, atSeconds }) =>
      entry.kind === 'looked' ? [{ atSeconds, percent: entry.deadlineUsedPercent }] : [],
    );
    for (const { atSeconds, percent } of looks) expect(percent).toBeCloseTo(atSeconds / 10);
    expect(looks.map(({ percent }) => Math.round(percent))).toContain(80);
    // An alarm looks back ten minutes.
    const gaps = looks.slice(1).map(({ atSeconds }, i) => atSeconds - (looks[i]?.atSeconds ?? 0));
    expect(Math.max(...gaps)).toBeLessThanOrEqual(540);
  });

  it('records a refusal once, however often it occurs in a round, and one of each kind', async () => {
    const aws = fakeAws({
      instances: [draining],
      tasks: [endless],
      outages: [
        { of: 'auto-scaling', span: [0, 999] },
        { of: 'scheduler', span: [0, 999] },
      ],
    });
    await aws.round();
    await aws.next();
    expect(aws.refusals().map(({ doing }) => doing)).toEqual(['read-hook', 'park']);
  });

  it('says that a drain goes in circles, which fails', async () => {
    const aws = fakeAws({ instances: [draining], tasks: [endless] });
    const policy = { ...POLICY, heartbeatFraction: 0 };
    const [result] = await aws.round([begin(drainOf({ action: { ...ACTION, token: undefined } }))], { policy });
    expect(result).toMatchObject({
      kind: 'failed',
      error: { message: `The drain of ${INSTANCE_ID} goes in circles: 40 steps in one round.` },
    });
  });
});
