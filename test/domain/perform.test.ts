import { describe, expect, it } from 'vitest';
import type { Decision } from '../../src/domain/decision.ts';
import { NO_DIAGNOSTICS } from '../../src/domain/diagnose.ts';
import { type Drain, hookLimits, instanceIdOf, MANAGED_DRAINING_HOOK } from '../../src/domain/drain.ts';
import { type Answer, type Work, workOn } from '../../src/domain/evolve.ts';
import { explain } from '../../src/domain/explain.ts';
import { perform } from '../../src/domain/perform.ts';
import { type Ports, Unavailable } from '../../src/domain/ports.ts';
import { fakeAws, type World } from '../fakes.ts';
import {
  ACTION,
  at,
  containerInstanceOf,
  drainOf,
  HOOK,
  holdingTaskOf,
  INSTANCE_ID,
  knownOf,
  noticeDrainOf,
  POLICY,
  seenOf,
} from './samples.ts';

const ids = [INSTANCE_ID, 'i-00000000000000001', 'i-00000000000000002'] as const;
const [first, second, third] = ids.map((instanceId) => drainOf({ action: { ...ACTION, instanceId } })) as [
  Drain,
  Drain,
  Drain,
];
const inBatch = drainOf({ action: { ...ACTION, autoScalingGroup: 'batch' } });
const notice = noticeDrainOf();
const held = { holds: ids.map((instanceId) => ({ instanceId })) };

type Aws = ReturnType<typeof fakeAws>;
type Steps = readonly (readonly [Drain, Decision, Partial<Work>?])[];

/** The answers, in the order of the steps. */
async function performed(
  aws: Aws,
  given: Steps,
  { policy = POLICY, ports = (own: Ports) => own }: { policy?: typeof POLICY; ports?: (own: Ports) => Ports } = {},
): Promise<(Answer | undefined)[]> {
  const steps = given.map(([drain, decision, work]) => ({
    work: { ...workOn(drain), receives: 1, ...work },
    decision,
  }));
  const answers = await aws.inInvocation((own) => perform(steps, policy, ports(own)));
  return steps.map(({ work }) => answers.get(work));
}

const namesOf = (aws: Aws) => aws.calls.map(({ name }) => name);

/** A call that fails for one instance. */
const failingFor =
  (drain: Drain, error: Error): NonNullable<World['fault']> =>
  ({ args: [action] }) =>
    (action as typeof ACTION).instanceId === instanceIdOf(drain) ? error : undefined;

const denied = new Error('not authorized');
const throttled = new Unavailable('throttled');

describe('a round of different decisions', () => {
  it('carries out all of them, and answers each', async () => {
    const aws = fakeAws({ ...held, instances: [{ id: 'one' }] });
    const answers = await performed(aws, [
      [first, { kind: 'set-draining' }],
      [second, { kind: 'heartbeat' }],
      [third, { kind: 'hand-over' }],
      [notice, { kind: 'look', scope: { registrations: 'search', tasks: 'list' } }],
    ]);
    expect(answers).toMatchObject([
      { kind: 'observed', observation: { kind: 'seen' } },
      { kind: 'accepted' },
      { kind: 'handed-over' },
      { kind: 'observed', observation: { kind: 'seen' } },
    ]);
  });

  it('asks for nothing that none of them needs', async () => {
    const aws = fakeAws();
    await performed(aws, [[first, { kind: 'heartbeat' }]]);
    expect(namesOf(aws)).toEqual(['recordHeartbeat']);
  });
});

describe('heartbeats and completions', () => {
  const accepted = { kind: 'accepted', askedAtMs: at(0) };
  const drained = { kind: 'complete', verdict: { kind: 'drained', lastTaskStoppedAtMs: undefined } } as const;

  it.each<[string, Decision]>([
    ['heartbeat', { kind: 'heartbeat' }],
    ['completion', drained],
  ])('a %s that fails costs the other drains nothing', async (_, decision) => {
    for (const [error, answer] of [
      [throttled, { kind: 'refused', reason: 'throttled' }],
      [denied, { kind: 'failed', error: denied }],
    ] as const) {
      const aws = fakeAws({ ...held, fault: failingFor(second, error) });
      const steps = [first, second, third].map((drain) => [drain, decision] as const);
      expect(await performed(aws, steps)).toEqual([accepted, answer, accepted]);
    }
  });

  it.each<[string, Decision]>([
    ['heartbeat', { kind: 'heartbeat' }],
    ['completion', drained],
  ])('a %s says that someone else has completed the action', async (_, decision) => {
    const aws = fakeAws({ holds: [{ instanceId: INSTANCE_ID, completedAtSeconds: 0 }] });
    expect(await performed(aws, [[first, decision]])).toEqual([{ kind: 'already-completed' }]);
  });

  it.each<[string, Decision]>([
    ['heartbeat', { kind: 'heartbeat' }],
    ['completion', drained],
  ])(
    'a %s shows by the schedule of the drain whether another delivery has ended and reported it',
    async (_, decision) => {
      const parked = drainOf({ parked: { schedule: 'its-own', untilMs: at(0), firesAtMs: at(0) } });
      const without = (own: Ports): Ports => ({ ...own, schedules: undefined });
      const unread: World['fault'] = ({ name }) => (name === 'get' ? throttled : undefined);
      expect(await performed(fakeAws({ holds: [] }), [[parked, decision]])).toEqual([{ kind: 'taken' }]);
      const itself = { kind: 'already-completed' };
      expect(await performed(fakeAws({ holds: [], fault: unread }), [[parked, decision]])).toEqual([itself]);
      expect(await performed(fakeAws({ holds: [] }), [[parked, decision]], { ports: without })).toEqual([itself]);
      // The schedule brings the drain again, unless another delivery has ended it and deleted that.
      const pending = drainOf({ parked: { schedule: 'its-own', untilMs: at(0), firesAtMs: at(1) } });
      const silent = fakeAws({ holds: [], fault: unread });
      expect(await performed(silent, [[pending, decision]])).toEqual([{ kind: 'taken' }]);
      const aws = fakeAws({ holds: [] });
      aws.schedules.set('its-own', { drain: parked, firesAtMs: at(0), writtenAtMs: at(0), hasFired: true });
      expect(await performed(aws, [[parked, decision]])).toEqual([itself]);
    },
  );

  it('counts from when it was asked for: the timeout of the hook may run since then', async () => {
    const answers = await performed(fakeAws({ callSeconds: 5 }), [[first, { kind: 'heartbeat' }]]);
    expect(answers).toEqual([accepted]);
  });

  it('asks nothing of Auto Scaling for a notice', async () => {
    const aws = fakeAws();
    const steps: Steps = [
      [notice, { kind: 'heartbeat' }],
      [notice, drained],
      [notice, { kind: 'read-hook' }],
      [notice, { kind: 'verify-start' }],
    ];
    expect(await performed(aws, steps)).toEqual([accepted, accepted, undefined, undefined]);
    expect(aws.calls).toEqual([]);
  });

  const ending = { result: 'ABANDON', killedTasks: [] } as const;
  it.each<[Extract<Decision, { kind: 'complete' }>['verdict'], string]>([
    [{ kind: 'drained', lastTaskStoppedAtMs: undefined }, 'CONTINUE'],
    [{ kind: 'gone', clusters: [] }, 'CONTINUE'],
    [{ kind: 'timed-out', deadlineAtMs: 0, ...ending }, 'ABANDON'],
    [{ kind: 'agent-lost', disconnectedSinceMs: 0, ...ending }, 'ABANDON'],
  ])('completes with the result of the verdict: %j', async (verdict, result) => {
    const aws = fakeAws();
    await performed(aws, [[first, { kind: 'complete', verdict }]]);
    expect(aws.completion()).toMatchObject({ result });
  });
});

describe('stopping stragglers', () => {
  const tasks = ['a', 'b', 'c'].map((arn) => holdingTaskOf({ arn }));

  it.each([denied, throttled])(
    'gives the reason that the task shows; a refused stop does not affect the others: %s',
    async (error) => {
      const aws = fakeAws({ fault: ({ args: [arn] }) => (arn === 'b' ? error : undefined) });
      const stopped = tasks.filter(({ arn }) => arn !== 'b');
      expect(await performed(aws, [[first, { kind: 'stop-tasks', tasks }]])).toEqual([
        { kind: 'refused', reason: error.message, stopped },
      ]);
      const reason = `ecs-drain: the drain of ${INSTANCE_ID} is near its deadline`;
      expect(aws.calls.map(({ args }) => args)).toEqual(['a', 'b', 'c'].map((arn) => [arn, reason]));
    },
  );

  it('is done where ECS takes every stop', async () => {
    expect(await performed(fakeAws(), [[first, { kind: 'stop-tasks', tasks }]])).toEqual([{ kind: 'done' }]);
  });
});

describe('what Auto Scaling knows of a group', () => {
  it('is read once for all of its drains', async () => {
    const aws = fakeAws({ ...held, hooks: [{ name: 'another', limits: hookLimits(60) }, {}] });
    const steps = [first, second, inBatch].flatMap((drain) => [
      [drain, { kind: 'read-hook' }] as const,
      [drain, { kind: 'verify-start' }] as const,
    ]);
    const [hook, start] = [
      { kind: 'hook', limits: HOOK },
      { kind: 'start', startedAtMs: at(0) },
    ];
    expect(await performed(aws, steps)).toEqual([hook, start, hook, start, hook, { ...start, startedAtMs: undefined }]);
    expect(aws.calls.map(({ name, args }) => [name, ...args])).toEqual([
      ['hooksOf', 'web'],
      ['hooksOf', 'batch'],
      ['terminatingSinceMs', 'web'],
      ['terminatingSinceMs', 'batch'],
      ...[first, second, inBatch].map((drain) => ['get', `${instanceIdOf(drain)}-ecs-drain`]),
    ]);
  });

  it('affects no drain of another group where it cannot be read', async () => {
    for (const [error, refusal] of [
      [throttled, { kind: 'refused', reason: 'throttled' }],
      [denied, { kind: 'failed', error: denied }],
    ] as const) {
      const aws = fakeAws({ fault: ({ args: [group] }) => (group === 'web' ? error : undefined) });
      const steps = [first, second, inBatch].map((drain) => [drain, { kind: 'verify-start' }] as const);
      expect(await performed(aws, steps)).toEqual([refusal, refusal, { kind: 'start', startedAtMs: undefined }]);
    }
  });

  describe('comes with what operators ask, which the schedule of the drain says', () => {
    const schedule = `${INSTANCE_ID}-ecs-drain`;
    const operator = { deadlineAtMs: at(9_000), notes: [{ atMs: at(1), by: 'ann' }] };
    const waitOf = (firesAtSeconds: number, turn: number) => ({
      schedule,
      untilMs: at(firesAtSeconds),
      firesAtMs: at(firesAtSeconds),
      turn,
    });
    const verifiedWith = async (drain: Drain, stored: Drain | undefined, work: Partial<Work> = {}, world?: World) => {
      const aws = fakeAws(world);
      if (stored) aws.schedules.set(schedule, { drain: stored, firesAtMs: at(0), writtenAtMs: at(0), hasFired: true });
      await aws.waitUntil(60);
      const [answer] = await performed(aws, [[drain, { kind: 'verify-start' }, work]]);
      return { answer, calls: namesOf(aws) };
    };
    const own = drainOf({ parked: waitOf(60, 0.5) });
    const start = { kind: 'start', startedAtMs: at(0) };

    it.each<[string, Drain, Drain]>([
      ['its wait', own, { ...own, operator }],
      [
        'a wait that AWS did not confirm',
        drainOf({ unconfirmedTurn: 0.5 }),
        drainOf({ parked: waitOf(90, 0.5), operator }),
      ],
      ['a wait of its own from before, of which it has lost the turn', drainOf(), { ...own, operator }],
    ])('where that has %s', async (_, drain, stored) => {
      expect(await verifiedWith(drain, stored)).toMatchObject({ answer: { ...start, operator } });
    });

    it('unless it knows of a later request than the other delivery that continues it', async () => {
      const stored = drainOf({ parked: waitOf(90, 0.7) });
      expect(await verifiedWith({ ...own, operator }, stored)).toMatchObject({ answer: { ...start, operator } });
    });

    it('unless the message comes again: the delivery that wrote the schedule may have crashed', async () => {
      const stored = drainOf({ parked: waitOf(90, 0.7), operator });
      expect(await verifiedWith(own, stored, { receives: 1 })).toMatchObject({ answer: { kind: 'taken' } });
      expect(await verifiedWith(own, stored, { receives: 2 })).toMatchObject({ answer: { ...start, operator } });
    });

    it('unless it was read in this round', async () => {
      const { answer, calls } = await verifiedWith(own, { ...own, operator }, { isScheduleRead: true });
      expect(answer).toEqual({ ...start, operator: undefined });
      expect(calls).toEqual(['terminatingSinceMs']);
    });

    it.each<[string, Drain, Drain]>([
      ['later than its own', own, drainOf({ parked: waitOf(90, 0.7) })],
      ['of another turn', own, drainOf({ parked: waitOf(60, 0.7) })],
      ['of which it knows nothing', drainOf(), drainOf({ parked: waitOf(90, 0.7) })],
    ])('or ends the drain where another delivery has written a wait %s', async (_, drain, stored) => {
      expect(await verifiedWith(drain, stored)).toMatchObject({ answer: { kind: 'taken' } });
    });

    it('as far as it can be read: it is asked again only where Scheduler may answer later', async () => {
      const failing = (error: Error): World => ({ fault: ({ name }) => (name === 'get' ? error : undefined) });
      const unread = await verifiedWith(own, undefined, {}, failing(throttled));
      expect(unread.answer).toEqual({ ...start, operator: 'unread' });
      const another = drainOf({ action: { ...ACTION, token: 'another' }, operator, parked: waitOf(90, 0.7) });
      for (const never of [
        await verifiedWith(own, undefined, {}, failing(denied)),
        await verifiedWith(own, undefined),
        await verifiedWith(own, another),
      ]) {
        expect(never.answer).toEqual({ ...start, operator: undefined });
      }
    });
  });

  it('waits for a hook that Auto Scaling does not describe now, and assumes it where the read is denied', async () => {
    const hookRead = async (error: Error) => {
      const aws = fakeAws({ fault: ({ args: [group] }) => (group === 'web' ? error : undefined) });
      const unread = [first, second, inBatch].map((drain) => ({ ...drain, hook: undefined }));
      const steps = unread.map((drain) => [drain, { kind: 'read-hook' }] as const);
      return { answers: await performed(aws, steps), refusals: aws.refusals() };
    };
    const described = { kind: 'hook', limits: HOOK };
    const refused = { kind: 'refused', reason: 'throttled' };
    expect(await hookRead(throttled)).toEqual({ answers: [refused, refused, described], refusals: [] });
    const assumed = { kind: 'hook', limits: hookLimits(POLICY.heartbeatTimeoutSeconds) };
    const refusal = { doing: 'read-hook', reason: denied.message };
    expect(await hookRead(denied)).toEqual({ answers: [assumed, assumed, described], refusals: [refusal, refusal] });
  });

  it('reports that the hook has been deleted', async () => {
    const aws = fakeAws({ hooks: [{ name: 'another' }] });
    expect(await performed(aws, [[first, { kind: 'read-hook' }]])).toEqual([{ kind: 'hook', limits: undefined }]);
    expect(aws.telemetry).toEqual([]);
  });

  it('reports that ECS managed draining holds the instances as well', async () => {
    const aws = fakeAws({ hooks: [{}, { name: MANAGED_DRAINING_HOOK }] });
    const steps = [first, second].map((drain) => [drain, { kind: 'read-hook' }] as const);
    const answer = { kind: 'hook', limits: { ...HOOK, managedDraining: true } };
    expect(await performed(aws, steps)).toEqual([answer, answer]);
    expect(aws.telemetry).toMatchObject([
      { drain: first, entry: { kind: 'managed-draining' } },
      { drain: second, entry: { kind: 'managed-draining' } },
    ]);
  });
});

describe('announcements', () => {
  const started = { kind: 'announce', event: 'started', deadlineAtMs: at(7_200) } as const;
  const stuck = { ...started, event: 'stuck' } as const;
  const observation = seenOf();
  const done = { kind: 'done' };

  it('of all drains are published in one call', async () => {
    const aws = fakeAws();
    const steps: Steps = [
      [first, started, { observation }],
      [second, started, { observation: { kind: 'unavailable', reason: 'throttled' } }],
      [third, started, { observation: seenOf([], { tasks: undefined }) }],
      [notice, stuck, { observation }],
    ];
    expect(await performed(aws, steps)).toEqual([done, done, done, done]);
    expect(aws.callsNamed('publish')).toHaveLength(1);
    const holdingTasks = [holdingTaskOf()];
    const explanation = { blockers: [{ group: 'service:web', tasks: holdingTasks }], unknown: [] };
    expect(aws.published).toMatchObject([
      { drain: first, event: { kind: 'started', deadlineAtMs: at(7_200), holdingTasks } },
      { drain: second, event: { kind: 'started', holdingTasks: undefined } },
      { drain: third, event: { kind: 'started', holdingTasks: undefined } },
      { drain: notice, event: { kind: 'stuck', deadlineAtMs: at(7_200), holdingTasks, explanation } },
    ]);
    expect(aws.telemetry).toMatchObject([
      { drain: notice, entry: { kind: 'stuck', deadlineAtMs: at(7_200), explanation } },
    ]);
  });

  it('that the bus does not take are recorded, and fail no drain', async () => {
    const steps = [first, second].map((drain) => [drain, started] as const);
    const aws = fakeAws({ outages: [{ of: 'bus', span: [0, 1], denied: true }] });
    expect(await performed(aws, steps)).toEqual([done, done]);
    const refusal = { doing: 'announce', reason: 'publish: not authorized' };
    expect(aws.refusals()).toEqual([refusal, refusal]);

    const partly = fakeAws();
    const publish = async () => [undefined, new Error('too large')];
    const ports = (own: Ports) => ({ ...own, events: { ...own.events, publish } });
    expect(await performed(partly, steps, { ports })).toEqual([done, done]);
    expect(partly.telemetry).toMatchObject([{ drain: second, entry: { doing: 'announce', reason: 'too large' } }]);
  });
});

describe('an explanation', () => {
  const explained = async (aws: Aws, given: Partial<Work>) => {
    const work = { ...workOn(drainOf()), ...given };
    return (await aws.inInvocation((ports) => explain([work], POLICY, ports))).get(work);
  };
  const unknown = (reason: string) => ({ atMs: at(0), blockers: [], unknown: [reason] });

  it.each([
    ['what ECS did not answer', { kind: 'unavailable', reason: 'throttled' } as const, 'throttled'],
    ['that nothing was listed yet', seenOf([], { tasks: undefined }), 'The tasks were not listed yet.'],
    ['that nothing was observed', undefined, 'The tasks were not listed yet.'],
    ['that the instance is still registering', seenOf([]), 'The instance is still registering.'],
  ])('says %s, and asks ECS nothing', async (_, observation, reason) => {
    const aws = fakeAws();
    expect(await explained(aws, { observation })).toEqual(unknown(reason));
    expect(aws.calls).toEqual([]);
  });

  it('says what ECS knows of the holding tasks', async () => {
    const service = {
      cluster: 'prod',
      name: 'web',
      isDaemon: false,
      desiredCount: 1,
      minimumHealthyPercent: 100,
      maximumPercent: 100,
    };
    const diagnostics = { ...NO_DIAGNOSTICS, services: [{ ...service, events: [], deployment: undefined }] };
    const aws = fakeAws({ diagnostics });
    const agentSilence = { sinceMs: at(-10), seenLastAtMs: at(0) };
    const observation = seenOf([holdingTaskOf()], {
      containerInstances: [containerInstanceOf({ agentConnected: false })],
    });
    const explanation = await explained(aws, { observation, drain: drainOf({ agentSilence }) });
    expect(explanation).toMatchObject({
      atMs: at(0),
      blockers: [{ causes: [{ kind: 'agent-silent', sinceMs: at(-10) }, { kind: 'cannot-replace' }] }],
      unknown: [],
    });
    expect(aws.calls.map(({ args }) => args)).toEqual([[[holdingTaskOf().arn]]]);
  });

  it('says why the known tasks hold the instance where ECS refuses to list the others, and that it does', async () => {
    const observation = { kind: 'unavailable', reason: 'throttled', partial: seenOf() } as const;
    expect(await explained(fakeAws(), { observation })).toMatchObject({
      blockers: [{ tasks: [{ arn: holdingTaskOf().arn }] }],
      unknown: ['throttled'],
    });
  });

  it('asks ECS once for the tasks of all drains, and gives each its own', async () => {
    const observations = ['a', 'b'].map((arn) => seenOf([holdingTaskOf({ arn })]));
    const works = [...observations, seenOf([])].map((observation) => ({ ...workOn(drainOf()), observation }));
    const aws = fakeAws();
    const explanations = await aws.inInvocation((ports) => explain(works, POLICY, ports));
    expect(works.map((work) => explanations.get(work))).toMatchObject([
      { blockers: [{ tasks: [{ arn: 'a' }] }] },
      { blockers: [{ tasks: [{ arn: 'b' }] }] },
      unknown('The instance is still registering.'),
    ]);
    expect(aws.calls.map(({ args }) => args)).toEqual([[['a', 'b']]]);
  });

  it('says what is known, and that ECS did not answer more', async () => {
    const aws = fakeAws({ outages: [{ of: 'diagnostics', span: [0, 1] }] });
    expect(await explained(aws, { observation: seenOf() })).toMatchObject({
      blockers: [{ group: 'service:web' }],
      unknown: ['diagnose: throttled'],
    });
  });
});

describe('parking', () => {
  const known = knownOf();
  const drain = drainOf({ known });
  const until = (on: 'schedule' | 'queue' | 'both'): Decision => ({ kind: 'park', untilMs: at(60), on });
  const schedule = `${INSTANCE_ID}-ecs-drain`;
  const parked = (firesAtSeconds: number) => ({ schedule, untilMs: at(60), firesAtMs: at(firesAtSeconds), turn: 0.5 });

  it.each([
    ['schedule', ['put'], parked(60)],
    ['queue', ['continueAt'], undefined],
    ['both', ['put', 'continueAt'], parked(180)],
  ] as const)('on %s writes the state into the schedule before it sends the message', async (on, calls, place) => {
    const aws = fakeAws();
    const [answer] = await performed(aws, [[drain, until(on)]]);
    expect(namesOf(aws)).toEqual(calls);
    expect(answer).toMatchObject({
      kind: 'parked',
      drain: { ...drain, pollIntervalSeconds: 2 },
    });
    expect(answer?.kind === 'parked' && answer.drain.parked).toEqual(place);
    const scheduled = aws.schedules.get(schedule);
    expect(scheduled && [scheduled.firesAtMs, scheduled.drain.parked]).toEqual(place && [place.firesAtMs, place]);
    const sent = { drain: answer?.kind === 'parked' && answer.drain, atMs: at(60) };
    expect(aws.callsNamed('continueAt').map(({ args }) => args)).toMatchObject(on === 'schedule' ? [] : [[[sent]]]);
  });

  describe('where nothing brings the event again', () => {
    const direct = { receives: undefined };

    it('sends the message before it writes the state, and the message says of the wait what the schedule will', async () => {
      const aws = fakeAws();
      await performed(aws, [[drain, until('both'), direct]]);
      expect(namesOf(aws)).toEqual(['continueAt', 'put']);
      const [[wait] = []] = aws.callsNamed('continueAt').map(({ args: [waits] }) => waits as { drain: Drain }[]);
      expect(wait?.drain.parked).toEqual(parked(180));
      expect(aws.schedules.get(schedule)?.drain).toEqual(wait?.drain);
    });

    it('writes the state first for a drain that was woken: the queue brings its wake-up again', async () => {
      const aws = fakeAws();
      await performed(aws, [[drain, until('both'), { ...direct, isWoken: true }]]);
      expect(namesOf(aws)).toEqual(['put', 'continueAt']);
    });

    it('writes nothing where the queue does not take the message', async () => {
      const aws = fakeAws({ outages: [{ of: 'queue', span: [0, 1] }] });
      expect(await performed(aws, [[drain, until('both'), direct]])).toMatchObject([{ kind: 'queue-refused', drain }]);
      expect(namesOf(aws)).toEqual(['continueAt']);
    });
  });

  it('sends the messages of all drains together', async () => {
    const aws = fakeAws();
    await performed(aws, [
      [first, until('queue')],
      [{ ...second, known }, until('both')],
      [notice, until('queue')],
    ]);
    expect(aws.callsNamed('continueAt').map(({ args: [waits] }) => (waits as unknown[]).length)).toEqual([3]);
  });

  it.each([
    ['absent', undefined],
    ['pending', parked(20.001)],
    ['fired', parked(20)],
  ])('says whether the schedule is there and will not fire before the call arrives: %s', async (before, place) => {
    const aws = fakeAws();
    await performed(aws, [[drainOf({ known, ...(place && { parked: place }) }), until('schedule')]]);
    expect(aws.callsNamed('put').map(({ args }) => args)).toEqual([[schedule, before]]);
  });

  describe('from a schedule that an earlier version has named otherwise', () => {
    const earlier = drainOf({ known, parked: { ...parked(60), schedule: 'one' } });
    const storing = (world?: World) => {
      const aws = fakeAws(world);
      aws.schedules.set('one', { drain: earlier, firesAtMs: at(60), writtenAtMs: at(0), hasFired: false });
      return aws;
    };

    it('moves to its own, and is never without one', async () => {
      const aws = storing();
      const answers = await performed(aws, [[earlier, until('schedule')]]);
      expect(answers).toMatchObject([{ kind: 'parked', drain: { parked: parked(60) } }]);
      expect(aws.calls.map(({ name, args }) => [name, args[0]])).toEqual([
        ['put', schedule],
        ['delete', 'one'],
      ]);
      expect([...aws.schedules.keys()]).toEqual([schedule]);
    });

    it('keeps it where its own cannot be written', async () => {
      const aws = storing({ fault: ({ name }) => (name === 'put' ? throttled : undefined) });
      expect(await performed(aws, [[earlier, until('schedule')]])).toMatchObject([{ kind: 'refused' }]);
      expect([...aws.schedules.keys()]).toEqual(['one']);
    });

    it('moves though the earlier one cannot be deleted', async () => {
      const aws = storing({ fault: ({ name }) => (name === 'delete' ? denied : undefined) });
      expect(await performed(aws, [[earlier, until('schedule')]])).toMatchObject([{ kind: 'parked' }]);
      expect(aws.refusals()).toMatchObject([{ doing: 'delete-schedule' }]);
    });

    it('ends where another delivery has moved the drain, and leaves one schedule', async () => {
      const aws = storing();
      await performed(aws, [[drain, until('schedule')]]);
      expect(await performed(aws, [[earlier, until('schedule')]])).toEqual([{ kind: 'taken' }]);
      expect([...aws.schedules.keys()]).toEqual([schedule]);
    });
  });

  it('ends a drain that another delivery has parked', async () => {
    const aws = fakeAws();
    await performed(aws, [[drain, until('schedule')]]);
    expect(await performed(aws, [[drain, until('both')]])).toEqual([{ kind: 'taken' }]);
    expect(aws.callsNamed('continueAt')).toEqual([]);
  });

  it('is refused without a schedule, for whatever reason, and sends no message for that drain', async () => {
    for (const error of [throttled, denied]) {
      const aws = fakeAws({
        fault: ({ name, args: [schedule] }) =>
          name === 'put' && schedule === `${INSTANCE_ID}-ecs-drain` ? error : undefined,
      });
      const answers = await performed(aws, [
        [drain, until('both')],
        [{ ...second, known }, until('both')],
      ]);
      expect(answers).toMatchObject([{ kind: 'refused', reason: error.message }, { kind: 'parked' }]);
      expect(aws.callsNamed('continueAt').map(({ args: [waits] }) => (waits as unknown[]).length)).toEqual([1]);
    }
  });

  it('is refused by the queue for the drains that it does not take', async () => {
    const down = fakeAws({ outages: [{ of: 'queue', span: [0, 1] }] });
    const steps = [first, second].map((each) => [each, until('queue')] as const);
    const refusal = { kind: 'queue-refused', reason: 'continueAt: throttled' };
    expect(await performed(down, steps)).toMatchObject([refusal, refusal]);
    const continueAt = async () => [undefined, denied];
    const ports = (own: Ports) => ({ ...own, continuations: { ...own.continuations, continueAt } });
    expect(await performed(fakeAws(), steps, { ports })).toMatchObject([
      { kind: 'parked' },
      { kind: 'queue-refused', reason: 'not authorized' },
    ]);
  });

  it('keeps the schedule that was written before the queue refused', async () => {
    const aws = fakeAws({ outages: [{ of: 'queue', span: [0, 1] }] });
    const kept = { schedule, untilMs: at(60) };
    expect(await performed(aws, [[drain, until('both')]])).toMatchObject([
      { kind: 'queue-refused', drain: { parked: kept } },
    ]);
  });

  it('uses the queue alone where there are no schedules', async () => {
    const watching = fakeAws();
    const ports = (own: Ports) => ({ ...own, schedules: undefined });
    const [answer] = await performed(watching, [[drain, until('both')]], { ports });
    expect(answer?.kind === 'parked' && answer.drain.parked).toBeUndefined();
    expect(namesOf(watching)).toEqual(['continueAt']);
  });
});

describe('handing over', () => {
  const steps: Steps = [first, second, third].map((drain) => [drain, { kind: 'hand-over' }] as const);

  it('is one call for all drains, and answers each', async () => {
    const aws = fakeAws();
    const continueNow: Ports['continuations']['continueNow'] = async (drains) => {
      expect(drains).toEqual([first, second, third]);
      return [undefined, throttled, denied];
    };
    const ports = (own: Ports) => ({ ...own, continuations: { ...own.continuations, continueNow } });
    expect(await performed(aws, steps, { ports })).toEqual([
      { kind: 'handed-over' },
      { kind: 'refused', reason: 'throttled' },
      { kind: 'failed', error: denied },
    ]);
  });

  it('sends nothing of a drain that only the next sweep continues', async () => {
    const aws = fakeAws();
    expect(await performed(aws, [[drainOf({ isOnce: true }), { kind: 'hand-over' }]])).toEqual([
      { kind: 'handed-over' },
    ]);
    expect(aws.calls).toEqual([]);
  });

  it('that the bus refuses altogether is refused for each', async () => {
    const aws = fakeAws({ outages: [{ of: 'bus', span: [0, 1] }] });
    const refused = { kind: 'refused', reason: 'continueNow: throttled' };
    expect(await performed(aws, steps)).toEqual([refused, refused, refused]);
  });
});
