import { describe, expect, it } from 'vitest';
import { hookLimits } from '../../src/domain/drain.ts';
import { mergedRequests, type OperatorRequest, withNote } from '../../src/domain/operator.ts';
import { type Ports, Unavailable } from '../../src/domain/ports.ts';
import { type FakeTask, fakeAws, type World } from '../fakes.ts';
import { ACTION, at, drainOf, HOOK, INSTANCE_ID, noticeDrainOf, POLICY, supervisedDrainOf } from './samples.ts';

const BY = 'arn:aws:iam::123456789012:user/ann';
const LONG: FakeTask = { id: 'long', stopsAtSeconds: 100_000 };

/** A drain that has been parked for a while: its instance has a task, which runs for a day unless it is said. */
async function parkedWorld(world: World = {}, policy = POLICY) {
  const aws = fakeAws({ tasks: [LONG], ...world });
  for (const drain of aws.heldDrains()) aws.send(() => ({ kind: 'drain', drain }), at(0));
  await aws.round([], { policy });
  await aws.waitUntil(100);
  const [schedule = ''] = aws.schedules.keys();
  const ask = (request: Partial<OperatorRequest> = {}) =>
    aws.round([{ kind: 'request', request: { instanceId: INSTANCE_ID, schedule, by: BY, ...request } }]);
  const stored = () => aws.schedules.get(schedule)?.drain;
  return { aws, schedule, ask, stored };
}

describe('a deadline that an operator sets', () => {
  it('replaces that of the policy, and may be later', async () => {
    const { aws, ask, stored } = await parkedWorld();
    expect(await ask({ deadlineSeconds: 14_000 })).toMatchObject([{ kind: 'parked' }]);
    expect(stored()?.operator).toEqual({
      deadlineAtMs: at(14_100),
      notes: [{ atMs: at(100), by: BY, deadlineAtMs: at(14_100) }],
    });
    await aws.run(() => aws.finished().length > 0);
    expect(aws.finished()).toMatchObject([
      { atSeconds: 14_100, outcome: { kind: 'timed-out', deadlineAtMs: at(14_100), killedTasks: [{}] } },
    ]);
  });

  it('or sooner, or now', async () => {
    const sooner = await parkedWorld();
    await sooner.ask({ deadlineSeconds: 400 });
    await sooner.aws.run(() => sooner.aws.finished().length > 0);
    expect(sooner.aws.finished()).toMatchObject([{ atSeconds: 500, outcome: { kind: 'timed-out' } }]);

    const now = await parkedWorld({}, { ...POLICY, deadlineResult: 'ABANDON' });
    expect(await now.ask({ deadlineSeconds: 0 })).toMatchObject([
      { kind: 'finished', outcome: { kind: 'timed-out', result: 'ABANDON', killedTasks: [{}] } },
    ]);
    expect(now.aws.completion()).toMatchObject({ result: 'ABANDON' });
    expect(now.aws.secondsOf('get')).toEqual([100]);
  });

  it.each(['is alive', 'is swept as well'])(
    'is refused while Scheduler does not write it, where the drain %s',
    async (how) => {
      const fault: World['fault'] = ({ name, atSeconds }) =>
        name === 'put' && atSeconds > 100 && atSeconds < 5_000 ? new Unavailable('throttled') : undefined;
      const { aws, ask } = await parkedWorld({ events: 'none', fault });
      if (how !== 'is alive') aws.sweepEvery(60);
      await aws.waitUntil(3_000);
      const reason = `The drain of ${INSTANCE_ID} keeps its deadline, because its schedule could not be written. Ask again when EventBridge Scheduler answers: throttled`;
      expect(await ask({ deadlineSeconds: 7_200 })).toMatchObject([{ kind: 'refused', reason }]);
      expect(aws.telemetry.filter(({ entry }) => entry.kind === 'requested')).toEqual([]);
      // What can only end the drain sooner needs no schedule.
      expect(await ask({ deadlineSeconds: 4_000 })).toMatchObject([{ kind: 'parked' }]);
      expect(await ask({ message: 'wait for Bob' })).toMatchObject([{ kind: 'parked' }]);
      await aws.waitUntil(5_100);
      await ask({ deadlineSeconds: 5_100 });
      await aws.run(() => aws.completion() !== undefined);
      expect(aws.completion()?.atSeconds).toBeGreaterThanOrEqual(10_200);
    },
  );

  it.each([
    ['is kept where Scheduler writes it and its answer is lost', false, [{ kind: 'parked' }]],
    [
      'may be kept where Scheduler does not say it either',
      true,
      [{ kind: 'refused', reason: expect.stringContaining(' may keep its deadline, because ') }],
    ],
  ])('%s', async (_, isUnread, answers) => {
    const { aws, schedule } = await parkedWorld();
    await aws.waitUntil(500);
    const deaf = (own: Ports): Ports => {
      const schedules = own.schedules as NonNullable<Ports['schedules']>;
      let puts = 0;
      const unheard = async () => Promise.reject(new Unavailable('not heard'));
      return {
        ...own,
        schedules: {
          ...schedules,
          put: async (...args) => {
            const answer = await schedules.put(...args);
            return puts++ === 0 ? unheard() : answer;
          },
          get: (name) => (isUnread && puts > 0 ? unheard() : schedules.get(name)),
        },
      };
    };
    const request = { instanceId: INSTANCE_ID, schedule, by: BY, deadlineSeconds: 9_000 };
    expect(await aws.round([{ kind: 'request', request }], { ports: deaf })).toMatchObject(answers);
    await aws.run(() => aws.completion() !== undefined);
    expect(aws.completion()?.atSeconds).toBeGreaterThanOrEqual(9_500);
  });

  it('is kept where Scheduler writes it, and refuses the wait after that', async () => {
    let puts = 0;
    const fault: World['fault'] = ({ name, atSeconds }) =>
      name === 'put' && atSeconds >= 3_000 && puts++ > 0 ? new Unavailable('throttled') : undefined;
    const { aws, ask } = await parkedWorld({ events: 'none', fault });
    await aws.waitUntil(3_000);
    aws.sweepEvery(60);
    expect(await ask({ deadlineSeconds: 7_200 })).toMatchObject([{ kind: 'parked' }]);
    await aws.run(() => aws.completion() !== undefined);
    expect(aws.completion()?.atSeconds).toBeGreaterThanOrEqual(10_200);
  });

  it('does not delay the end of a drain whose tasks have stopped', async () => {
    const { aws, ask } = await parkedWorld({ tasks: [{ id: 'short', stopsAtSeconds: 900 }] });
    await ask({ deadlineSeconds: 20_000 });
    await aws.run(() => aws.finished().length > 0);
    expect(aws.finished()[0]).toMatchObject({ outcome: { kind: 'drained' } });
  });

  it('has stragglers stopped ahead of it, instead of ahead of the policy’s', async () => {
    const { aws, ask } = await parkedWorld({}, { ...POLICY, stopStragglers: 'all' });
    await ask({ deadlineSeconds: 14_000 });
    await aws.run(() => aws.finished().length > 0);
    expect(aws.secondsOf('stopTask')).toEqual([14_100 - 300 - 30 - 20]);
  });

  it('is at most what the hook allows, less the time that the end takes', async () => {
    const hook = hookLimits(100); // 10,000 s in all, and 240 s for the end
    const { ask, stored } = await parkedWorld({ hook });
    expect(await ask({ deadlineSeconds: 9_661 })).toMatchObject([
      {
        kind: 'refused',
        reason: `The hook ecs-drain does not hold ${INSTANCE_ID} for so long: choose a deadline of 9660 s from now at most.`,
      },
    ]);
    expect(stored()?.operator).toBeUndefined();
    expect(await ask({ deadlineSeconds: 9_660 })).toMatchObject([{ kind: 'parked' }]);
  });

  it.each([
    [
      'on a notice',
      noticeDrainOf(),
      `${INSTANCE_ID} is drained on a spot-interruption of EC2: nothing holds it, so its deadline cannot be moved.`,
    ],
    [
      'of ECS managed draining',
      supervisedDrainOf(),
      `ECS managed draining drains ${INSTANCE_ID}, and ecs-drain only watches: its deadline cannot be moved.`,
    ],
  ])('is refused for a drain %s', async (_, drain, reason) => {
    const aws = fakeAws();
    const parked = { ...drain, parked: { schedule: 'one', untilMs: at(60), firesAtMs: at(60) } };
    aws.schedules.set('one', { drain: parked, firesAtMs: at(60), writtenAtMs: at(0), hasFired: true });
    const request = { instanceId: INSTANCE_ID, schedule: 'one', by: BY, deadlineSeconds: 600 };
    expect(await aws.round([{ kind: 'request', request }])).toMatchObject([{ kind: 'refused', reason }]);
    expect(aws.calls.map(({ name }) => name)).toEqual(['get']);
  });
});

describe('what an operator asks', () => {
  it('is recorded, and kept for the end of the drain', async () => {
    const { aws, ask } = await parkedWorld({ tasks: [{ id: 'short', stopsAtSeconds: 900 }] });
    await ask({ message: 'wait for Bob' });
    await ask({ message: 'Bob is ill', deadlineSeconds: 9_000 });
    await aws.run(() => aws.finished().length > 0);
    const notes = [
      { atMs: at(100), by: BY, message: 'wait for Bob' },
      { atMs: at(100), by: BY, message: 'Bob is ill', deadlineAtMs: at(9_100) },
    ];
    const recorded = aws.telemetry.flatMap(({ entry }) => (entry.kind === 'requested' ? [entry.note] : []));
    expect(recorded).toEqual(notes);
    expect(aws.finished()[0]).toMatchObject({ drain: { operator: { deadlineAtMs: at(9_100), notes } } });
  });

  it('is refused where no schedule holds the drain, or that of another instance, or it cannot be read', async () => {
    const { aws, ask } = await parkedWorld();
    const reason = `No schedule holds a drain of ${INSTANCE_ID}: it has not begun, has just begun, or has ended.`;
    expect(await ask({ schedule: undefined })).toMatchObject([{ kind: 'refused', reason }]);
    expect(await ask({ schedule: 'another' })).toMatchObject([{ kind: 'refused', reason }]);
    expect(await ask({ instanceId: 'i-00000000000000001' })).toMatchObject([{ kind: 'refused' }]);
    const silent = fakeAws({ fault: () => new Unavailable('throttled') });
    const request = { instanceId: INSTANCE_ID, schedule: 'one', by: BY };
    expect(await silent.round([{ kind: 'request', request }])).toMatchObject([
      { kind: 'refused', reason: `The schedule of the drain of ${INSTANCE_ID} could not be read: throttled` },
    ]);
    expect(aws.completion()).toBeUndefined();
  });

  it('survives a round that has begun before it and writes its own state after it', async () => {
    const { aws, ask, schedule, stored } = await parkedWorld();
    const before = stored();
    if (!before?.parked) throw new Error('The drain is parked.');
    await ask({ deadlineSeconds: 14_000 });
    const { firesAtMs = 0, ...entry } = aws.schedules.get(schedule) ?? {};
    // What the other round writes knows nothing of the request, and waits for longer.
    const parked = { ...before.parked, untilMs: firesAtMs + 300_000, firesAtMs: firesAtMs + 300_000 };
    aws.schedules.set(schedule, {
      writtenAtMs: at(100),
      hasFired: false,
      ...entry,
      firesAtMs: parked.firesAtMs,
      drain: { ...before, parked },
    });
    await aws.waitUntil(200);
    expect(stored()?.operator?.deadlineAtMs).toBe(at(14_100));
    await aws.run(() => aws.finished().length > 0);
    expect(aws.finished()).toMatchObject([{ atSeconds: 14_100 }]);
  });

  it.each([60, 90, 120, 150, 200, 300])(
    'costs no drain its end if the invocation that takes it dies, after whichever call: a hook of %i s',
    async (heartbeatTimeoutSeconds) => {
      const world = {
        tasks: [{ id: 'short', stopsAtSeconds: 900 }],
        hook: { ...HOOK, heartbeatTimeoutSeconds },
        random: [0.3, 0.7, 0.1, 0.9, 0.5],
      };
      const whole = await parkedWorld(world);
      const before = whole.aws.calls.length;
      await whole.ask({ deadlineSeconds: 3_000 });
      for (let crash = before + 1; crash <= whole.aws.calls.length; crash += 1) {
        const { aws, ask } = await parkedWorld({ ...world, crashes: [crash] });
        await ask({ deadlineSeconds: 3_000 });
        await aws.run();
        expect([crash, ...aws.completions()]).toMatchObject([crash, { holding: [] }]);
      }
    },
  );

  it('survives a message that was sent before it', async () => {
    const { ask, stored, aws } = await parkedWorld();
    const before = stored();
    if (!before?.parked) throw new Error('The drain is parked.');
    await ask({ deadlineSeconds: 14_000 });
    const message = { ...before, parked: { ...before.parked, untilMs: at(100_000) } };
    await aws.round([{ kind: 'continuation', drain: message, isTrusted: true }]);
    expect(stored()?.operator?.deadlineAtMs).toBe(at(14_100));
  });

  it('survives another request at the same time, and keeps the deadline that only one of them sets', async () => {
    const aws = fakeAws({ tasks: [{ id: 'web', stopsAtSeconds: 9_000 }], callSeconds: 0.3 });
    const asked = { instanceId: INSTANCE_ID, schedule: `${INSTANCE_ID}-ecs-drain`, by: BY };
    aws.send(() => ({ kind: 'request', request: { ...asked, deadlineSeconds: 10_000 } }), at(3_000));
    aws.send(() => ({ kind: 'request', request: { ...asked, message: 'web is slow' } }), at(3_000.2));
    expect(await aws.runToEnd()).toMatchObject([{ kind: 'drained' }]);
    expect(aws.completion()).toMatchObject({ holding: [] });
    expect(aws.finished()[0]?.drain.operator?.notes).toHaveLength(2);
  });

  it('cannot be claimed by a continuation from the bus', async () => {
    const { aws, stored } = await parkedWorld();
    const operator = withNote(undefined, { atMs: at(90), by: BY, deadlineAtMs: at(95) });
    const claimed = { ...drainOf({ action: ACTION }), operator };
    for (const drain of [claimed, { ...claimed, parked: stored()?.parked }]) {
      await aws.round([{ kind: 'continuation', drain, isTrusted: false }]);
    }
    expect(aws.completion()).toBeUndefined();
    expect(stored()?.operator).toBeUndefined();
  });
});

describe('a copy of the event of a drain whose deadline was moved', () => {
  it('neither ends it at the deadline of the policy, nor stops its tasks ahead of that', async () => {
    // Each wait draws a turn of its own.
    const random = Array.from({ length: 997 }, (_, i) => i / 997);
    const { aws, ask } = await parkedWorld({ random }, { ...POLICY, stopStragglers: 'all' });
    await ask({ deadlineSeconds: 14_000 });
    const [drain = drainOf()] = aws.heldDrains();
    for (const seconds of [7_000, 7_300]) {
      await aws.waitUntil(seconds);
      await aws.round([{ kind: 'drain', drain }]);
    }
    await aws.waitUntil(7_500);
    expect(aws.secondsOf('stopTask')).toEqual([]);
    expect(aws.completion()).toBeUndefined();
  });

  it('ends it at the deadline of the policy where its schedule may not be read: no answer will come', async () => {
    const { aws, ask } = await parkedWorld({ outages: [{ of: 'scheduler', span: [7_000, 8_000], denied: true }] });
    await ask({ deadlineSeconds: 14_000 });
    await aws.waitUntil(7_300);
    const [drain = drainOf()] = aws.heldDrains();
    await aws.round([{ kind: 'drain', drain }]);
    await aws.waitUntil(7_500);
    expect(aws.finished()).toMatchObject([{ outcome: { kind: 'timed-out', deadlineAtMs: at(7_200) } }]);
  });
});

describe('a deadline that an operator has moved while Scheduler does not answer', () => {
  const random = Array.from({ length: 997 }, (_, i) => i / 997);
  const job: FakeTask = { ...LONG, stopsAtSeconds: 3_000, class: 'standalone' };

  it.each(['none', 'standalone'] as const)(
    'holds for the message that was sent before it: nothing is killed, nor stopped early (stragglers: %s)',
    async (stopStragglers) => {
      const policy = { ...POLICY, deadlineSeconds: 1_800, stopStragglers };
      // The message for the old deadline, or for the stop ahead of it.
      const [from, to] = stopStragglers === 'none' ? [1_799, 1_802] : [1_739, 1_755];
      const world: World = { tasks: [job], random, outages: [{ of: 'scheduler', span: [from, to] }] };
      const { aws, ask, stored } = await parkedWorld(world, policy);
      await aws.waitUntil(1_600);
      await ask({ deadlineSeconds: 1_900 });
      await aws.run(() => aws.completion() !== undefined);
      expect(aws.refusals()).toContainEqual({ doing: 'load', reason: 'get: throttled' });
      expect(aws.completion()).toMatchObject({ atSeconds: 3_000.5, holding: [] });
      expect(aws.secondsOf('stopTask')).toEqual([]);
      expect(stored()).toBeUndefined();
    },
  );

  it.each<[string, World['outages']]>([
    ['nor the queue takes messages', [{ of: 'queue', span: [1_500, 2_600] }]],
    ['and the queue works', []],
  ])('holds for a drain that goes on through the bus, though it is not said there: %s', async (_, outages = []) => {
    const policy = { ...POLICY, deadlineSeconds: 1_800 };
    const outage = { of: 'scheduler', span: [1_500, 2_600] } as const;
    const { aws, ask } = await parkedWorld({ tasks: [LONG], random, outages: [outage, ...outages] }, policy);
    await aws.waitUntil(1_000);
    await ask({ deadlineSeconds: 2_600 });
    await aws.run(() => aws.finished().length > 0);
    expect(aws.finished()).toMatchObject([{ outcome: { kind: 'timed-out', deadlineAtMs: at(3_600) } }]);
    expect(aws.completion()?.atSeconds).toBeLessThan(3_600 + POLICY.pollMaxSeconds);
  });

  it('holds no drain for more than 15 minutes, and costs no straggler its stop', async () => {
    const policy = { ...POLICY, deadlineSeconds: 1_800, stopStragglers: 'standalone' as const };
    const outages: World['outages'] = [{ of: 'scheduler', span: [1_000, 20_000] }];
    const ends = async (task: FakeTask) => {
      const { aws } = await parkedWorld({ tasks: [task], random, outages }, policy);
      await aws.run(() => aws.finished().length > 0);
      return { stops: aws.secondsOf('stopTask'), atSeconds: aws.completion()?.atSeconds ?? 0, ends: aws.finished() };
    };
    const stopped = await ends({ ...job, stopTimeoutSeconds: 20 });
    expect(stopped).toMatchObject({ stops: [expect.any(Number)], ends: [{ outcome: { kind: 'drained' } }] });
    expect(stopped.stops[0]).toBeLessThan(1_770 + POLICY.pollMaxSeconds);
    const service = await ends({ ...job, class: 'service' });
    expect(service).toMatchObject({ stops: [], ends: [{ outcome: { kind: 'timed-out' } }] });
    expect(service.atSeconds).toBeGreaterThanOrEqual(2_700);
    expect(service.atSeconds).toBeLessThan(2_700 + POLICY.pollMaxSeconds + 1);
  });
});

describe('the requests of a drain', () => {
  it('are ten: the one that has set the deadline, however many came after it, and the latest', () => {
    const first = withNote(undefined, { atMs: 0, by: BY, deadlineAtMs: 99 });
    let requests = first;
    for (let atMs = 1; atMs <= 12; atMs += 1) requests = withNote(requests, { atMs, by: BY });
    expect(requests.deadlineAtMs).toBe(99);
    expect(requests.notes.map(({ atMs }) => atMs)).toEqual([0, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    expect(mergedRequests(first, requests)).toBe(requests);
  });

  it('are those of both copies, by time, and the copy itself that knows them all', () => {
    const older = withNote(undefined, { atMs: 1, by: BY });
    const newer = withNote(older, { atMs: 2, by: BY });
    expect(mergedRequests(older, newer)).toBe(newer);
    expect(mergedRequests(newer, older)).toBe(newer);
    expect(mergedRequests(newer, { ...newer })).toBe(newer);
    expect(mergedRequests(undefined, older)).toBe(older);
    expect(mergedRequests(older, undefined)).toBe(older);
    expect(mergedRequests(undefined, undefined)).toBeUndefined();
    const other = withNote(older, { atMs: 1.5, by: BY, deadlineAtMs: 99 });
    const both = { deadlineAtMs: 99, notes: [...other.notes, ...newer.notes.slice(1)] };
    expect(mergedRequests(newer, other)).toEqual(both);
    expect(mergedRequests(other, newer)).toEqual(both);
  });

  it('have the deadline of the latest that has set one, whichever copy has it', () => {
    const sooner = withNote(undefined, { atMs: 1, by: BY, deadlineAtMs: 50 });
    const later = withNote(withNote(undefined, { atMs: 2, by: BY, deadlineAtMs: 99 }), { atMs: 3, by: BY });
    const last = withNote(sooner, { atMs: 4, by: BY });
    expect(mergedRequests(last, later)?.deadlineAtMs).toBe(99);
    expect(mergedRequests(later, last)?.deadlineAtMs).toBe(99);
  });
});
