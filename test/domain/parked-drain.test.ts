import { describe, expect, it } from 'vitest';
import type { Drain, Parked } from '../../src/domain/drain.ts';
import { PARKED_LATE_SECONDS } from '../../src/domain/policy.ts';
import { runDrain, wakeDrain } from '../../src/domain/run-drain.ts';
import { containerInstanceOf, drainOf, type FakeTask, fakeAws, HOOK, POLICY, START_MS, type World } from '../fakes.ts';

/** Schedules come as late as they may; stops wake drains. */
const parking = { lateSeconds: PARKED_LATE_SECONDS, wakeUps: true };
const deaf = { ...parking, wakeUps: false };

/** From a look at the instance to the next, if nothing wakes the drain. */
const LONGEST_SILENCE_SECONDS = 360 + PARKED_LATE_SECONDS;

const web: FakeTask = { id: 'web', deactivatesAtSeconds: 20, stopsAtSeconds: 335 };
const endless: FakeTask = { id: 'job', class: 'standalone', stopsAtSeconds: Infinity };

function parkedIn(world: World) {
  return fakeAws({ parking, ...world });
}

type FakeAws = ReturnType<typeof fakeAws>;

/** The names of the calls made by what is done. */
async function callsOf(aws: FakeAws, does: () => Promise<unknown>): Promise<string[]> {
  const before = aws.calls.length;
  await does();
  return aws.calls.slice(before).map(({ name }) => name);
}

const refusalsIn = (aws: FakeAws) =>
  aws.journal.flatMap(({ entry }) => (entry.kind === 'refused' ? [entry.doing] : []));

describe('a parked drain', () => {
  it('sets the instance to DRAINING, lists its tasks, and waits outside its invocation', async () => {
    const aws = parkedIn({ tasks: [web] });
    const result = await runDrain(drainOf(), POLICY, aws.ports(300));
    expect(aws.calls.map(({ name }) => name)).toEqual([
      'find',
      'setDraining',
      'heldInstances',
      'listTasks',
      'hookLimits',
      'park',
    ]);
    expect(aws.now()).toBe(0);
    expect(result).toMatchObject({
      kind: 'parked',
      untilMs: START_MS + 330_000,
      drain: { continuations: 1, parked: { awaitedTask: 'web', holdingTasks: [{ arn: 'web', cluster: 'prod' }] } },
    });
  });

  it('completes as soon as its last task has stopped', async () => {
    const aws = parkedIn({ tasks: [web] });
    expect(await aws.runToEnd()).toEqual({ kind: 'drained', lastTaskStoppedAtMs: START_MS + 335_000 });
    expect(aws.completion()?.atSeconds).toBeLessThanOrEqual(336);
    expect(aws.callsNamed('continueNow')).toEqual([]);
  });

  it.each<[string, (i: number) => Partial<FakeTask>]>([
    ['together', () => ({ stopsAtSeconds: 320 })],
    ['in the order in which ECS lists them', (i) => ({ stopsAtSeconds: 100 + 10 * i })],
    ['in the other order', (i) => ({ stopsAtSeconds: 200 - 10 * i })],
    ['the longest stop timeout last', (i) => ({ stopsAtSeconds: 100 + 10 * i, stopTimeoutSeconds: 30 + i })],
  ])('of ten tasks that stop %s costs at most 5 reads and 2 for each stop that it awaited', async (_, stops) => {
    const tasks = Array.from({ length: 10 }, (_, i) => ({ ...web, id: `web${i}`, ...stops(i) })) as FakeTask[];
    const aws = parkedIn({ tasks });
    expect((await aws.runToEnd()).kind).toBe('drained');
    const reads = ['find', 'refresh', 'listTasks', 'refreshTasks'].map((name) => aws.callsNamed(name).length);
    const awaited = new Set(aws.callsNamed('park').map(({ detail }) => detail));
    expect(reads.reduce((sum, count) => sum + count)).toBeLessThanOrEqual(5 + 2 * awaited.size);
    expect(aws.callsNamed('parkedOn').length).toBeLessThanOrEqual(tasks.length);
    const lastStopSeconds = Math.max(...tasks.map(({ stopsAtSeconds }) => stopsAtSeconds));
    expect(aws.completion()?.atSeconds).toBeLessThanOrEqual(lastStopSeconds + 1);
  });

  it('that is woken within seconds of its draining still waits for ECS’s lists: they may lack a task', async () => {
    const late = { ...web, id: 'late', listedAtSeconds: 9, stopsAtSeconds: 335 };
    const aws = parkedIn({ tasks: [{ id: 'job', stopsAtSeconds: 3 }, late] });
    await aws.runToEnd();
    expect(aws.completion()?.atSeconds).toBeGreaterThanOrEqual(335);
  });

  it('asks ECS nothing about the task whose stop woke it: one full look has the last word', async () => {
    const aws = parkedIn({ tasks: [web] });
    await runDrain(drainOf(), POLICY, aws.ports(300));
    const expected = ['parkedOn', 'find', 'refresh', 'listTasks', 'complete', 'release'];
    expect(await callsOf(aws, () => aws.goOn())).toEqual(expected);
  });

  it('asks ECS about the other tasks alone when one stop wakes it: its agent has just spoken', async () => {
    const aws = parkedIn({
      instances: [{ id: 'one', silences: [[330, 340]] }],
      tasks: [
        { ...web, stopTimeoutSeconds: 120 },
        { ...web, id: 'job', stopsAtSeconds: 900 },
      ],
    });
    await runDrain(drainOf(), POLICY, aws.ports(300));
    let woken: unknown;
    expect(
      await callsOf(aws, async () => {
        woken = await aws.goOn();
      }),
    ).toEqual(['parkedOn', 'refreshTasks', 'park']);
    expect(woken).toMatchObject({ kind: 'parked', drain: { agentSilence: undefined } });
  });

  it('that is gone when a task stops is awaited by nobody', async () => {
    const aws = parkedIn({ tasks: [web] });
    const { parkingPlaces, ...ports } = aws.ports(300);
    if (!parkingPlaces) throw new Error('There is nowhere to park.');
    const wakeUp = { containerInstanceArn: 'one', taskArn: 'web' };
    expect(await wakeDrain(wakeUp, POLICY, { ...ports, parkingPlaces })).toEqual({
      kind: 'not-awaited',
      reason: 'no drain is parked on its container instance',
    });
    expect(aws.calls.map(({ name }) => name)).toEqual(['parkedOn']);
  });

  it('is told as one whose tasks are not known, where they are not listed yet', async () => {
    const aws = parkedIn({ busy: true, tasks: [web] });
    const result = await runDrain(drainOf(), POLICY, aws.ports(300));
    expect(aws.announced.map(({ news }) => news)).toMatchObject([{ kind: 'started', holdingTasks: [] }]);
    expect(result.kind === 'parked' && result.drain.parked).toEqual({
      untilMs: START_MS + 90_000,
      containerInstances: [{ arn: containerInstanceOf().arn, cluster: 'prod' }],
      holdingTasks: [],
    });
    expect(result.kind === 'parked' && result.drain.closed?.sinceMs).toBe(START_MS);
  });

  it('is stuck for a reason that is not known, where they are not listed yet', async () => {
    const aws = parkedIn({ busy: true, tasks: [web] });
    const late = { startedAtMs: START_MS - 4_000_000, lastHeartbeatAtMs: START_MS };
    await runDrain(drainOf({ ...late, announced: 'started' }), POLICY, aws.ports(300));
    expect(aws.announced.map(({ news }) => news)).toMatchObject([
      { kind: 'stuck', holdingTasks: [], explanation: { blockers: [], unknown: ['The tasks were not listed yet.'] } },
    ]);
  });

  it('awaits no task where the instance has none, and is still registering', async () => {
    const aws = parkedIn({ instances: [{ id: 'one', status: 'REGISTERING' }] });
    const result = await runDrain(drainOf(), POLICY, aws.ports(300));
    expect(result).toMatchObject({ kind: 'parked', drain: { parked: { holdingTasks: [], awaitedTask: undefined } } });
  });

  it('does not wait outside its invocation for an Auto Scaling that cannot take its end', async () => {
    const aws = parkedIn({
      parking: deaf,
      tasks: [web],
      outages: [{ of: 'auto-scaling', span: [400, 420] }],
    });
    expect((await aws.runToEnd()).kind).toBe('drained');
    expect(aws.completion()?.atSeconds).toBeGreaterThanOrEqual(420);
    expect(aws.completion()?.atSeconds).toBeLessThanOrEqual(420 + POLICY.pollMaxSeconds);
    expect(aws.callsNamed('park')).toHaveLength(1);
  });

  it('does not do so either when there is news to tell before its end can be tried again', async () => {
    const aws = parkedIn({ tasks: [endless], outages: [{ of: 'auto-scaling', span: [890, 920] }] });
    const { kind } = await aws.runToEnd({ policy: { ...POLICY, deadlineSeconds: 900, stuckFraction: 1 } });
    expect(kind).toBe('timed-out');
    expect(aws.announced.map(({ news, atSeconds }) => [news.kind, atSeconds])).toContainEqual(['stuck', 900]);
    expect(aws.completion()?.atSeconds).toBeLessThanOrEqual(920 + POLICY.pollMaxSeconds);
  });

  it('is ended where drains are no longer parked', async () => {
    const aws = parkedIn({ parking: deaf, tasks: [] });
    const parked = { untilMs: START_MS, containerInstances: [], holdingTasks: [] };
    const ports = { ...aws.ports(300), parkingPlaces: undefined };
    const result = await runDrain(drainOf({ continuations: 1, parked }), POLICY, ports);
    expect(result).toMatchObject({ kind: 'finished', outcome: { kind: 'drained' } });
  });

  it('that has stopped its stragglers awaits the last of them', async () => {
    const tasks = [{ ...endless, stopTimeoutSeconds: 600 }];
    const aws = parkedIn({ tasks });
    await aws.runToEnd({ policy: { ...POLICY, stopStragglers: 'standalone' } });
    expect(aws.callsNamed('park')).toContainEqual({ name: 'park', atSeconds: 6_590, detail: 'job' });
  });

  it('cannot be, and beats its heart when that is due, where its instance was never seen', async () => {
    const aws = parkedIn({ tasks: [web], outages: [{ of: 'ecs-reads', span: [0, 5_000] }] });
    await runDrain(drainOf(), POLICY, aws.ports(10_000));
    expect(aws.callsNamed('recordHeartbeat')[0]?.atSeconds).toBe(1_800);
  });

  it('awaits no task twice, though ECS still shows it beside one that was listed late', async () => {
    const late = { id: 'late', listedAtSeconds: 5, stopsAtSeconds: 600, stopTimeoutSeconds: 10 };
    const aws = parkedIn({ tasks: [{ id: 'web', stopsAtSeconds: 335 }, late], lagSeconds: 6 });
    await runDrain(drainOf(), POLICY, aws.ports(300));
    expect(await aws.goOn()).toMatchObject({ kind: 'parked', drain: { parked: { awaitedTask: 'late' } } });
  });

  it('awaits the task that is least far in its life', async () => {
    const leaving = { ...web, id: 'leaving', deactivatesAtSeconds: 0, stopTimeoutSeconds: 120 };
    const aws = parkedIn({ tasks: [leaving, web] });
    await runDrain(drainOf(), POLICY, aws.ports(300));
    expect(aws.callsNamed('park')).toMatchObject([{ detail: 'web' }]);
  });

  it('awaits the task that is likely to stop last: its stop timeout is the longest', async () => {
    const tasks = [
      { ...web, id: 'a', stopTimeoutSeconds: 30 },
      { ...web, id: 'b', stopTimeoutSeconds: 120 },
    ];
    const aws = parkedIn({ tasks });
    await runDrain(drainOf(), POLICY, aws.ports(300));
    expect(aws.callsNamed('park')).toMatchObject([{ detail: 'b' }]);
  });

  it('pays one look-up for the stop of a task that it does not await', async () => {
    const aws = parkedIn({
      tasks: [
        { ...web, id: 'awaited', stopTimeoutSeconds: 120 },
        { ...web, id: 'other', stopsAtSeconds: 60 },
      ],
    });
    await runDrain(drainOf(), POLICY, aws.ports(300));
    expect(
      await callsOf(aws, async () => {
        expect(await aws.goOn()).toEqual({
          kind: 'not-awaited',
          reason: 'the drain of i-0123456789abcdef0 awaits awaited',
        });
      }),
    ).toEqual(['parkedOn']);
  });

  it('finds the end at a safety look when every wake-up is lost', async () => {
    const aws = parkedIn({ parking: deaf, tasks: [web] });
    expect((await aws.runToEnd()).kind).toBe('drained');
    expect(aws.completion()?.atSeconds).toBeGreaterThan(335);
    expect(aws.completion()?.atSeconds).toBeLessThanOrEqual(335 + LONGEST_SILENCE_SECONDS);
  });

  it('is watched after the last stop until ECS’s answers know of it too: no other event will come', async () => {
    const aws = parkedIn({ tasks: [web], lagSeconds: 6 });
    expect((await aws.runToEnd()).kind).toBe('drained');
    expect(aws.completion()?.atSeconds).toBeGreaterThanOrEqual(341);
    expect(aws.completion()?.atSeconds).toBeLessThanOrEqual(341 + 2 * POLICY.pollMinSeconds);
  });

  it('that cannot look is parked with what it knew, and looks again a minute or two later', async () => {
    const aws = parkedIn({ parking: deaf, tasks: [endless], outages: [{ of: 'ecs-reads', span: [300, 500] }] });
    await runDrain(drainOf(), POLICY, aws.ports(300));
    expect(await aws.goOn()).toMatchObject({ kind: 'parked', drain: { parked: { awaitedTask: 'job' } } });
    expect(await callsOf(aws, () => aws.goOn())).toEqual(['parkedOn', 'refresh', 'refreshTasks', 'park']);
    expect(aws.now()).toBe(330 + 90 + 2 * PARKED_LATE_SECONDS);
  });

  it('lists all tasks once more before it lets go: one may have been placed just before the draining', async () => {
    const aws = parkedIn({ tasks: [web, { id: 'late', listedAtSeconds: 5, stopsAtSeconds: 600 }] });
    expect((await aws.runToEnd()).kind).toBe('drained');
    expect(aws.completion()?.atSeconds).toBeGreaterThanOrEqual(600);
    expect(aws.completion()?.atSeconds).toBeLessThanOrEqual(601);
  });

  it('is kept by heartbeats, each in time though its schedule comes late', async () => {
    const hook = { ...HOOK, heartbeatTimeoutSeconds: 600 };
    const aws = parkedIn({ hook, tasks: [{ id: 'job', stopsAtSeconds: 7_000 }] });
    expect((await aws.runToEnd()).kind).toBe('drained');
    const beats = [0, ...aws.callsNamed('recordHeartbeat').map(({ atSeconds }) => atSeconds)];
    const gaps = beats.slice(1).map((second, i) => second - (beats[i] ?? 0));
    expect(Math.max(...gaps)).toBeLessThanOrEqual(300);
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(300 - 105);
  });

  it('ends at its deadline to the second, though its schedule comes late', async () => {
    const aws = parkedIn({ tasks: [web, endless] });
    expect(await aws.runToEnd()).toMatchObject({ kind: 'timed-out', killedTasks: [{ arn: 'job' }] });
    expect(aws.completion()).toEqual({ atSeconds: 7_200, result: 'CONTINUE' });
  });

  it('stops stragglers in time for their whole grace, once, and ends as they stop', async () => {
    const aws = parkedIn({ tasks: [{ ...endless, stopTimeoutSeconds: 120 }] });
    const outcome = await aws.runToEnd({ policy: { ...POLICY, stopStragglers: 'standalone' } });
    expect(outcome.kind).toBe('drained');
    expect(aws.callsNamed('stopTask')).toEqual([{ name: 'stopTask', atSeconds: 7_070, detail: 'job' }]);
  });

  it('gives a silent agent up after its grace since the look that noticed it', async () => {
    const aws = parkedIn({ instances: [{ id: 'one', silences: [[100, Infinity]] }], tasks: [endless] });
    expect(await aws.runToEnd()).toMatchObject({ kind: 'agent-lost', killedTasks: [{ arn: 'job' }] });
    expect(aws.completion()?.atSeconds).toBeGreaterThanOrEqual(100 + POLICY.agentGraceSeconds);
    expect(aws.completion()?.atSeconds).toBeLessThanOrEqual(100 + POLICY.agentGraceSeconds + LONGEST_SILENCE_SECONDS);
  });

  it('does not give up an agent that is heard at a look of its grace: one comes every two minutes', async () => {
    const silences = [
      [100, 900],
      [1_020, 1_820],
    ] as const;
    const aws = parkedIn({ instances: [{ id: 'one', silences }], tasks: [{ ...web, stopsAtSeconds: 2_500 }] });
    expect((await aws.runToEnd()).kind).toBe('drained');
  });

  it('sets an agent that registered anew to DRAINING at its next look, and not when the old one is given up', async () => {
    const aws = parkedIn({
      instances: [
        { id: 'one', silences: [[30, Infinity]] },
        { id: 'two', comesAtSeconds: 30 },
      ],
      tasks: [endless],
    });
    await aws.runToEnd();
    const [, again] = aws.callsNamed('setDraining');
    expect(again?.atSeconds).toBeLessThan(30 + LONGEST_SILENCE_SECONDS + 60);
  });

  it('waits outside its invocation again as soon as a heartbeat is taken that was refused', async () => {
    const undisturbed = parkedIn({ tasks: [endless] });
    await undisturbed.runToEnd();
    const [{ atSeconds } = { atSeconds: 0 }] = undisturbed.callsNamed('recordHeartbeat');
    const aws = parkedIn({ tasks: [endless], outages: [{ of: 'auto-scaling', span: [atSeconds, atSeconds + 60] }] });
    await aws.runToEnd();
    const beats = aws.callsNamed('recordHeartbeat').map((call) => call.atSeconds);
    const taken = beats.find((second) => second >= atSeconds + 60);
    expect(beats[0]).toBe(atSeconds);
    expect(aws.callsNamed('park').map((call) => call.atSeconds)).toContain(taken);
  });

  it('does not give up on an agent that lost its state and registered anew: tasks run there', async () => {
    const aws = parkedIn({
      instances: [
        { id: 'one', silences: [[30, Infinity]] },
        { id: 'two', comesAtSeconds: 30 },
      ],
      tasks: [endless, { id: 'anew', containerInstance: 'two', listedAtSeconds: 40, stopsAtSeconds: 3_000 }],
    });
    expect((await aws.runToEnd()).kind).toBe('agent-lost');
    expect(aws.completion()?.atSeconds).toBeGreaterThan(3_000);
  });

  it('whose action somebody else completed ends at its next heartbeat, and gives its place up', async () => {
    const aws = parkedIn({ completedAtSeconds: 100, tasks: [endless] });
    expect(await aws.runToEnd()).toMatchObject({ kind: 'already-completed', holdingTasks: [{ arn: 'job' }] });
    expect(aws.now()).toBeLessThanOrEqual(1_800);
    expect(aws.places()).toEqual([]);
  });
});

describe('the place of a drain', () => {
  it('is given up when it ends', async () => {
    const aws = parkedIn({ tasks: [web] });
    await aws.runToEnd();
    expect(aws.callsNamed('release')).toHaveLength(1);
    expect(aws.places()).toEqual([]);
  });

  it('is not asked for by a drain that had none', async () => {
    const aws = parkedIn({});
    expect((await aws.runToEnd()).kind).toBe('drained');
    expect(aws.calls.map(({ name }) => name)).not.toContain('release');
  });

  it.each([true, false])(
    'that cannot be given up is told, and costs the drain nothing (denied: %s)',
    async (denied) => {
      const aws = parkedIn({
        tasks: [web],
        outages: [{ of: 'scheduler', span: [336, Infinity], denied }],
        lagSeconds: 1,
      });
      expect((await aws.runToEnd()).kind).toBe('drained');
      expect(aws.completion()?.atSeconds).toBeLessThanOrEqual(340);
      expect(refusalsIn(aws)).toEqual(['release']);
    },
  );

  it('that was not given up lets the drain go on once more, and is then', async () => {
    const aws = parkedIn({ parking: deaf, tasks: [web] });
    await aws.runToEnd({ policy: POLICY });
    const stale = drainOf({
      continuations: 1,
      containerInstance: 'arn:aws:ecs:eu-west-1:123456789012:container-instance/prod/one',
      parked: { untilMs: START_MS, containerInstances: [], holdingTasks: [] },
    });
    const again = await runDrain(stale, POLICY, aws.ports(300));
    expect(again).toMatchObject({ kind: 'finished', outcome: { kind: 'already-completed' } });
    expect(aws.callsNamed('release')).toHaveLength(2);
  });

  it('that another delivery of the event has taken ends this one, which does nothing more', async () => {
    const aws = parkedIn({ tasks: [web] });
    await runDrain(drainOf(), POLICY, aws.ports(300));
    const [first] = aws.places();
    expect(await runDrain(drainOf(), POLICY, aws.ports(300))).toEqual({ kind: 'superseded' });
    expect(aws.calls.at(-1)?.name).toBe('park');
    expect(aws.journal.at(-1)?.entry).toEqual({ kind: 'superseded' });
    expect(aws.places()).toEqual([first]);
    expect(aws.callsNamed('continueNow')).toEqual([]);
    expect(refusalsIn(aws)).toEqual([]);
  });
});

describe('a place that is refused', () => {
  const long: FakeTask = { id: 'job', stopsAtSeconds: 2_400 };

  it.each([
    ['throttled', false],
    ['denied', true],
  ])('lets the drain wait in its invocations instead: %s', async (_, denied) => {
    const aws = parkedIn({ tasks: [long], outages: [{ of: 'scheduler', span: [0, Infinity], denied }] });
    expect((await aws.runToEnd({ invocationSeconds: 300 })).kind).toBe('drained');
    expect(aws.callsNamed('continueNow').length).toBeGreaterThanOrEqual(8);
    expect(aws.completion()?.atSeconds).toBeLessThanOrEqual(2_400 + POLICY.pollMaxSeconds);
    // Told once an invocation, or between two heartbeats, though each look asks for it again.
    const tellings = aws.callsNamed('continueNow').length + 1 + aws.callsNamed('recordHeartbeat').length;
    expect(refusalsIn(aws).filter((doing) => doing === 'park').length).toBeLessThanOrEqual(tellings);
    expect(aws.callsNamed('park').length).toBeGreaterThan(5 * tellings);
  });

  it('is asked for again at each look, and taken when it is given', async () => {
    const aws = parkedIn({ tasks: [long], outages: [{ of: 'scheduler', span: [0, 100] }] });
    const result = await runDrain(drainOf(), POLICY, aws.ports(300));
    expect(result).toMatchObject({ kind: 'parked', drain: { pollIntervalSeconds: POLICY.pollMinSeconds } });
    expect(new Set(refusalsIn(aws))).toEqual(new Set(['park']));
    expect(aws.now()).toBeGreaterThanOrEqual(100);
    expect(aws.now()).toBeLessThanOrEqual(100 + POLICY.pollMaxSeconds);
  });

  it('after it was given before: the drain goes on in the invocation that woke it', async () => {
    const aws = parkedIn({
      parking: deaf,
      tasks: [long],
      outages: [{ of: 'scheduler', span: [1, Infinity], denied: true }],
    });
    expect((await aws.runToEnd()).kind).toBe('drained');
    expect(aws.completion()?.atSeconds).toBeLessThanOrEqual(2_400 + POLICY.pollMaxSeconds);
  });

  it('leaves a wake-up unanswered, which its safety look makes good', async () => {
    const aws = parkedIn({ tasks: [web], outages: [{ of: 'scheduler', span: [330, 340] }] });
    await runDrain(drainOf(), POLICY, aws.ports(300));
    expect(await aws.goOn()).toEqual({ kind: 'unavailable', reason: 'parkedOn: throttled' });
    expect(await aws.goOn()).toMatchObject({ kind: 'finished', outcome: { kind: 'drained' } });
  });

  it('for a reason that does not pass fails the wake-up, so that Lambda tries it again', async () => {
    const aws = parkedIn({ tasks: [web], outages: [{ of: 'scheduler', span: [330, 340], denied: true }] });
    await runDrain(drainOf(), POLICY, aws.ports(300));
    await expect(aws.goOn()).rejects.toThrow('parkedOn: not authorized');
  });
});

describe('tasks just after the draining', () => {
  it('that are listed late are asked for without a search, once and with the last word where there are none', async () => {
    const aws = parkedIn({ busy: true, tasks: [{ id: 'web', stopsAtSeconds: 600 }] });
    await runDrain(drainOf(), POLICY, aws.ports(300));
    expect(await callsOf(aws, () => aws.goOn())).toEqual(['parkedOn', 'refresh', 'listTasks', 'park']);

    const done = parkedIn({ busy: true, parking: deaf, tasks: [{ id: 'web', stopsAtSeconds: 30 }] });
    await runDrain(drainOf(), POLICY, done.ports(300));
    const [, ...calls] = await callsOf(done, () => done.goOn());
    expect(calls).toEqual(['refresh', 'listTasks', 'find', 'refresh', 'listTasks', 'complete', 'release']);
  });

  it('are listed at once where ECS counts none, however busy it is', async () => {
    const aws = parkedIn({ busy: true, instances: [{ id: 'one', status: 'DRAINING' }], tasks: [] });
    expect(await runDrain(drainOf(), POLICY, aws.ports(300))).toMatchObject({ outcome: { kind: 'drained' } });
  });

  it('are not listed while ECS is busy as long as any registration has some', async () => {
    const instances = ['old', 'one'].map((id) => ({ id, status: 'DRAINING' }));
    const aws = parkedIn({ busy: true, instances, tasks: [{ ...web, containerInstance: 'one' }] });
    expect((await runDrain(drainOf(), POLICY, aws.ports(300))).kind).toBe('parked');
    expect(aws.callsNamed('listTasks')).toEqual([]);
  });

  it.each(['ACTIVE', 'DRAINING'])(
    'of an instance that was %s are listed a moment later in the same invocation where there is nowhere to park',
    async (status) => {
      const outages = [{ of: 'scheduler', span: [0, 9_999] }] as const;
      const aws = parkedIn({ busy: true, instances: [{ id: 'one', status }], tasks: [web], outages });
      expect((await aws.runToEnd()).kind).toBe('drained');
      const moment = aws.calls.filter(({ atSeconds }) => atSeconds > 0).slice(0, 2);
      expect(moment).toMatchObject([{ name: 'listTasks', atSeconds: POLICY.pollMinSeconds }, { name: 'park' }]);
    },
  );

  it('of which ECS lists none, though it counts some, are listed again a minute or two later', async () => {
    const aws = parkedIn({ tasks: [web] });
    const ports = aws.ports(300);
    const containerInstances = { ...ports.containerInstances, listTasks: async () => [] };
    const result = await runDrain(drainOf(), POLICY, { ...ports, containerInstances });
    expect(result).toMatchObject({
      kind: 'parked',
      untilMs: START_MS + 90_000,
      drain: { parked: { holdingTasks: [] } },
    });
    expect(aws.completion()).toBeUndefined();
    expect((await aws.goOn()).kind).toBe('parked');
    expect(aws.callsNamed('park').at(-1)?.detail).toBe('web');
  });

  it('of which ECS lists none, though it counts some, are not believed to have stopped by another delivery either', async () => {
    const aws = parkedIn({ instances: [{ id: 'one', status: 'DRAINING' }], tasks: [web] });
    const ports = aws.ports(300);
    let lists = 0;
    const listTasks = (...asked: Parameters<typeof ports.containerInstances.listTasks>) =>
      lists++ === 0 ? Promise.resolve([]) : ports.containerInstances.listTasks(...asked);
    const containerInstances = { ...ports.containerInstances, listTasks };
    expect((await runDrain(drainOf(), POLICY, { ...ports, containerInstances })).kind).toBe('parked');
    expect(aws.completion()).toBeUndefined();
    expect(aws.callsNamed('park').at(-1)?.detail).toBe('web');
  });

  it('are not listed while ECS is busy, and their stops are ignored until they are', async () => {
    const world = { busy: true, parking, tasks: [{ ...web, id: 'early', stopsAtSeconds: 30 }, web] };
    const aws = fakeAws(world);
    expect(await callsOf(aws, () => runDrain(drainOf(), POLICY, aws.ports(300)))).not.toContain('listTasks');
    expect(
      await callsOf(aws, async () => {
        expect(await aws.goOn()).toEqual({
          kind: 'not-awaited',
          reason: 'the tasks on i-0123456789abcdef0 are not listed yet, and ECS is busy',
        });
      }),
    ).toEqual(['parkedOn']);
    expect(await callsOf(aws, () => aws.goOn())).toContain('listTasks');
    expect(aws.now()).toBe(90 + PARKED_LATE_SECONDS);
    expect(aws.callsNamed('park').at(-1)?.detail).toBe('web');
  });

  it('that were not listed and stop while ECS is not busy are a reason to list them', async () => {
    const world = { busy: true, parking, tasks: [{ ...web, id: 'early', stopsAtSeconds: 30 }, web] };
    const aws = fakeAws(world);
    await runDrain(drainOf(), POLICY, aws.ports(300));
    world.busy = false;
    expect(await callsOf(aws, () => aws.goOn())).toContain('listTasks');
    expect(aws.now()).toBeLessThan(31);
  });

  it('of an instance that another drain of its fleet set to DRAINING are not listed either while ECS is busy', async () => {
    const aws = parkedIn({ busy: true, instances: [{ id: 'one', status: 'DRAINING' }], tasks: [web] });
    expect((await runDrain(drainOf(), POLICY, aws.ports(300))).kind).toBe('parked');
    expect(aws.callsNamed('listTasks')).toEqual([]);
    expect((await aws.goOn()).kind).toBe('parked');
    expect(aws.callsNamed('park').at(-1)?.detail).toBe('web');
    expect(await aws.goOn()).toMatchObject({ kind: 'finished', outcome: { kind: 'drained' } });
  });
});

describe('the place that a drain is parked on again', () => {
  it('counts a round, whether it was woken or its schedule has come', async () => {
    const aws = parkedIn({ tasks: [web, { ...web, id: 'job', stopsAtSeconds: 1_200, stopTimeoutSeconds: 10 }] });
    await runDrain(drainOf(), POLICY, aws.ports(300));
    const rounds: number[] = [];
    for (let i = 0; i < 3; i++) {
      const result = await aws.goOn();
      if ('drain' in result) rounds.push(result.drain.continuations);
    }
    expect(rounds).toEqual([2, 3, 4]);
    const woken = parkedIn({ tasks: [web, { ...web, id: 'job', stopsAtSeconds: 1_200 }] });
    const parked = await runDrain(drainOf(), POLICY, woken.ports(300));
    const kept = parked.kind === 'parked' ? parked.drain : drainOf();
    expect(await runDrain(kept, POLICY, woken.ports(300), 'web')).toMatchObject({ drain: { continuations: 2 } });
  });

  it('is its own when it was woken, and spent when its schedule has come', async () => {
    const aws = parkedIn({ tasks: [web, { ...web, id: 'job', stopsAtSeconds: 1_200, stopTimeoutSeconds: 10 }] });
    const places: string[] = [];
    const ports = () => {
      const given = aws.ports(300);
      const parkingPlaces = given.parkingPlaces && {
        ...given.parkingPlaces,
        park: async (_drain: Drain, _untilMs: number, place: 'new' | 'own' | 'spent') => {
          places.push(place);
          return 'parked' as const;
        },
      };
      return { ...given, parkingPlaces };
    };
    const first = await runDrain(drainOf(), POLICY, ports());
    if (first.kind !== 'parked') throw new Error(`It is ${first.kind}.`);
    await runDrain(first.drain, POLICY, ports(), 'web');
    const overdue = { ...first.drain, parked: { ...first.drain.parked, untilMs: START_MS } as Parked };
    await runDrain(overdue, POLICY, ports());
    expect(places).toEqual(['new', 'own', 'spent']);
  });
});
