import { describe, expect, it } from 'vitest';
import { NO_FACTS } from '../../src/domain/blockers.ts';
import { LISTS_SETTLE_SECONDS, MAX_CONTINUATIONS } from '../../src/domain/policy.ts';
import { type News, Unavailable } from '../../src/domain/ports.ts';
import { runDrain } from '../../src/domain/run-drain.ts';
import { drainOf, type FakeInstance, fakeAws, HOOK, POLICY, START_MS } from '../fakes.ts';

type Aws = ReturnType<typeof fakeAws>;

const refusalsIn = ({ journal }: Aws) =>
  journal.flatMap(({ entry: { kind, ...refused } }) => (kind === 'refused' ? [refused] : []));

const whenCalled = (aws: Aws, name: string) => aws.callsNamed(name).map(({ atSeconds }) => atSeconds);

describe('a drain', () => {
  it('of an instance whose tasks are gone asks for nothing it does not need', async () => {
    const aws = fakeAws({});
    expect(await aws.runToEnd()).toEqual({ kind: 'drained', lastTaskStoppedAtMs: undefined });
    const looking = ['find', 'refresh', 'listTasks'];
    expect(aws.calls.map(({ name }) => name)).toEqual(['find', 'setDraining', ...looking, 'complete']);
    expect(aws.completion()).toEqual({ atSeconds: LISTS_SETTLE_SECONDS, result: 'CONTINUE' });
  });

  it('waits for tasks that have left the running count and still serve', async () => {
    const aws = fakeAws({ tasks: [{ id: 'web', deactivatesAtSeconds: 5, stopsAtSeconds: 335 }] });
    expect(await aws.runToEnd()).toEqual({ kind: 'drained', lastTaskStoppedAtMs: START_MS + 335_000 });
    expect(aws.completion()?.atSeconds).toBeGreaterThanOrEqual(335);
    expect(aws.completion()?.atSeconds).toBeLessThanOrEqual(335 + POLICY.pollMaxSeconds);
  });

  it('does not take an instance for drained because it is DRAINING already', async () => {
    const aws = fakeAws({ instances: [{ id: 'one', status: 'DRAINING' }], tasks: [{ id: 'web', stopsAtSeconds: 60 }] });
    expect((await aws.runToEnd()).kind).toBe('drained');
    expect(aws.completion()?.atSeconds).toBeGreaterThanOrEqual(60);
  });

  it('asks only after the tasks it saw last, and lists them all once more before it lets go', async () => {
    const aws = fakeAws({ tasks: [{ id: 'web', stopsAtSeconds: 60 }] });
    await aws.runToEnd();
    expect(aws.callsNamed('listTasks')).toHaveLength(2);
    expect(aws.callsNamed('listTasks').at(-1)?.atSeconds).toBe(aws.completion()?.atSeconds);
  });

  it('waits for a task that was placed just before the draining and listed only later', async () => {
    const aws = fakeAws({
      tasks: [
        { id: 'early', stopsAtSeconds: 30 },
        { id: 'late', listedAtSeconds: 5, stopsAtSeconds: 100 },
      ],
    });
    await aws.runToEnd();
    expect(aws.completion()?.atSeconds).toBeGreaterThanOrEqual(100);
  });

  it('does not believe the first list after the draining: a task placed just before it may come late', async () => {
    const aws = fakeAws({ tasks: [{ id: 'late', listedAtSeconds: 1, stopsAtSeconds: 100 }] });
    await aws.runToEnd();
    expect(aws.completion()?.atSeconds).toBeGreaterThanOrEqual(100);
  });

  it('waits for the tasks of every registration, those drained before and those drained now', async () => {
    for (const containerInstance of ['before', 'now']) {
      const aws = fakeAws({
        instances: [{ id: 'before', status: 'DRAINING' }, { id: 'now' }],
        tasks: [{ id: 'web', containerInstance, stopsAtSeconds: 40 }],
      });
      expect((await aws.runToEnd()).kind).toBe('drained');
      expect(aws.completion()?.atSeconds).toBeGreaterThanOrEqual(40);
    }
  });

  it('drains every registration that the agent left', async () => {
    const aws = fakeAws({
      instances: [{ id: 'old', silences: [[0, Infinity]] }, { id: 'new' }],
      tasks: [{ id: 'web', containerInstance: 'new', stopsAtSeconds: 40 }],
    });
    expect((await aws.runToEnd()).kind).toBe('drained');
    expect(aws.callsNamed('setDraining')[0]?.detail).toHaveLength(2);
  });

  it('waits until an instance has registered, then drains it', async () => {
    const aws = fakeAws({ instances: [{ id: 'one', status: 'REGISTERING', activeAtSeconds: 50 }] });
    expect((await aws.runToEnd()).kind).toBe('drained');
    expect(aws.callsNamed('setDraining').at(-1)?.atSeconds).toBeGreaterThanOrEqual(50);
  });

  it('that meets a registration late sets it alone to DRAINING, and waits for the tasks of both', async () => {
    const aws = fakeAws({
      instances: [
        { id: 'before', status: 'DRAINING' },
        { id: 'late', status: 'REGISTERING', activeAtSeconds: 50 },
      ],
      tasks: [{ id: 'web', containerInstance: 'before', stopsAtSeconds: 200 }],
      heldInstances: ['i-00000000000000001'],
    });
    expect((await aws.runToEnd()).kind).toBe('drained');
    expect(aws.completion()?.atSeconds).toBeGreaterThanOrEqual(200);
    const [, late, ...more] = aws.callsNamed('setDraining').map(({ detail }) => detail);
    expect(late).toMatchObject([{ arn: expect.stringMatching('late$') }]);
    expect(more).toEqual([]);
    // Its fleet was set to DRAINING long ago, if there is one.
    expect(aws.callsNamed('heldInstances')).toEqual([]);
  });

  it('tries again where ECS does not set a registration that it calls ACTIVE', async () => {
    const aws = fakeAws({ instances: [{ id: 'one', status: 'REGISTERING', activeAtSeconds: 10 }] });
    const ports = aws.ports(300);
    let refusals = 2;
    const setDraining: typeof ports.containerInstances.setDraining = async (containerInstances) => {
      const answer = await ports.containerInstances.setDraining(containerInstances);
      return aws.now() >= 10 && refusals-- > 0 ? { draining: [], refusal: 'it did not follow' } : answer;
    };
    const result = await runDrain(drainOf(), POLICY, {
      ...ports,
      containerInstances: { ...ports.containerInstances, setDraining },
    });
    expect(result).toMatchObject({ outcome: { kind: 'drained' } });
    expect(refusalsIn(aws)).toEqual([{ doing: 'set-draining', reason: 'it did not follow' }]);
  });

  it('of an instance that is DRAINING already waits as long for ECS’s lists, for it may be so since now', async () => {
    const aws = fakeAws({ instances: [{ id: 'one', status: 'DRAINING' }] });
    await aws.runToEnd();
    const looking = ['refresh', 'listTasks'];
    expect(aws.calls.map(({ name }) => name)).toEqual([
      ...['find', 'setDraining', ...looking, 'find', ...looking],
      'complete',
    ]);
    expect(aws.completion()?.atSeconds).toBe(LISTS_SETTLE_SECONDS);
  });

  it.each([1, 2.5, 9.9])('waits for a task that ECS lists only %f s after the draining', async (listedAtSeconds) => {
    for (const status of ['ACTIVE', 'DRAINING']) {
      const aws = fakeAws({
        instances: [{ id: 'one', status }],
        tasks: [{ id: 'late', listedAtSeconds, stopsAtSeconds: 100 }],
      });
      await aws.runToEnd();
      expect(aws.completion()?.atSeconds).toBeGreaterThanOrEqual(100);
    }
  });

  it('waits for a registration that is listed late where its agent has fallen silent: it may have registered anew', async () => {
    const aws = fakeAws({
      instances: [
        { id: 'old', silences: [[60, Infinity]] },
        { id: 'new', comesAtSeconds: 69 },
      ],
      tasks: [
        { id: 'web', containerInstance: 'old', stopsAtSeconds: 60 },
        { id: 'job', containerInstance: 'new', listedAtSeconds: 70, stopsAtSeconds: 200 },
      ],
    });
    await aws.runToEnd();
    expect(aws.completion()?.atSeconds).toBeGreaterThanOrEqual(200);
  });

  it('waits for what is placed on a registration that comes just after the draining, and is listed late', async () => {
    const aws = fakeAws({
      instances: [
        { id: 'old', silences: [[1, Infinity]] },
        { id: 'new', comesAtSeconds: 1 },
      ],
      tasks: [{ id: 'web', containerInstance: 'new', listedAtSeconds: 15, stopsAtSeconds: 100 }],
    });
    await aws.runToEnd();
    expect(aws.completion()?.atSeconds).toBeGreaterThanOrEqual(100);
  });

  it.each([0, 1])(
    'waits while ECS lists a registration that it does not describe, after %i hand-overs',
    async (continuations) => {
      const instances = ['old', 'new'].map((id) => ({ id, status: 'DRAINING' }));
      const aws = fakeAws({ instances, tasks: [{ id: 'web', containerInstance: 'new', stopsAtSeconds: 100 }] });
      const ports = aws.ports(10_000);
      const refresh: typeof ports.containerInstances.refresh = async (known) =>
        (await ports.containerInstances.refresh(known)).slice(0, aws.now() < 50 ? 1 : 2);
      const refreshing = { ...ports, containerInstances: { ...ports.containerInstances, refresh } };
      const result = await runDrain(drainOf({ continuations }), POLICY, refreshing);
      expect(result).toMatchObject({ outcome: { kind: 'drained', lastTaskStoppedAtMs: START_MS + 100_000 } });
      expect(aws.journal.flatMap(({ entry }) => ('observation' in entry ? [entry.observation] : []))).toContainEqual({
        kind: 'unavailable',
        reason: 'ECS lists 2 registrations and describes 1 of them.',
      });
    },
  );
});

describe('the looks at an instance that is watched', () => {
  const tasks = [
    { id: 'early', stopsAtSeconds: 100 },
    { id: 'late', stopsAtSeconds: 400 },
  ];

  it('grow rarer while nothing changes, and are frequent again when something has', async () => {
    const aws = fakeAws({ tasks });
    await aws.runToEnd({ invocationSeconds: 10_000 });
    const looks = whenCalled(aws, 'refreshTasks');
    const gaps = looks.slice(1).map((second, i) => second - (looks[i] ?? 0));
    const firstAfterTheStop = looks.findIndex((second) => second >= 100);
    expect(gaps[firstAfterTheStop - 1]).toBe(POLICY.pollMaxSeconds);
    expect(gaps[firstAfterTheStop]).toBe(POLICY.pollMinSeconds);
  });

  it('do not take another order of the tasks for a change', async () => {
    const aws = fakeAws({ tasks: tasks.map(({ id }) => ({ id, stopsAtSeconds: 200 })) });
    const ports = aws.ports(10_000);
    let looks = 0;
    const refreshTasks: typeof ports.containerInstances.refreshTasks = async (known) => {
      const seen = await ports.containerInstances.refreshTasks(known);
      looks += 1;
      return looks % 2 === 0 ? seen : seen.toReversed();
    };
    await runDrain(drainOf(), POLICY, {
      ...ports,
      containerInstances: { ...ports.containerInstances, refreshTasks },
    });
    const watched = aws.journal.filter(({ entry }) => entry.kind === 'decided' && entry.decision.kind === 'watch');
    expect(watched).toHaveLength(1);
    expect(looks).toBeLessThan(25);
  });

  it('go on where they were after one that failed', async () => {
    const aws = fakeAws({ tasks, outages: [{ of: 'ecs-reads', span: [50, 80] }] });
    await aws.runToEnd({ invocationSeconds: 10_000 });
    const during = aws.calls.filter(({ atSeconds }) => atSeconds > 80 && atSeconds < 400).map(({ name }) => name);
    expect(new Set(during)).toEqual(new Set(['refresh', 'refreshTasks']));
  });
});

describe('clusters', () => {
  const policy = { ...POLICY, clusters: ['prod', 'batch', 'edge'] };

  it('are all searched before the instance is called gone', async () => {
    const aws = fakeAws({ instances: [] });
    expect(await aws.runToEnd({ policy })).toEqual({ kind: 'gone', clusters: ['prod', 'batch', 'edge'] });
    expect(aws.callsNamed('find').map(({ detail }) => detail)).toEqual(['prod', 'batch', 'edge']);
  });

  it('are not searched beyond the one that the hook names if the instance is there', async () => {
    const aws = fakeAws({ instances: [{ id: 'one', cluster: 'batch' }] });
    await aws.runToEnd({ policy, drain: drainOf({ namedCluster: 'batch' }) });
    expect(new Set(aws.callsNamed('find').map(({ detail }) => detail))).toEqual(new Set(['batch']));
  });

  it('are searched beyond the one that the hook names if it is not', async () => {
    const aws = fakeAws({ instances: [{ id: 'one', cluster: 'edge' }] });
    expect((await aws.runToEnd({ policy, drain: drainOf({ namedCluster: 'batch' }) })).kind).toBe('drained');
    expect(aws.callsNamed('find').map(({ detail }) => detail)).toEqual([
      ...['batch', 'prod', 'edge'],
      ...['batch', 'prod', 'edge'],
    ]);
  });

  it.each([0, 1])(
    'are searched beyond one that is only taking leave of the instance, after %i hand-overs',
    async (continuations) => {
      const aws = fakeAws({
        instances: [
          { id: 'left', cluster: 'batch', status: 'DEREGISTERING' },
          { id: 'live', cluster: 'edge' },
        ],
        tasks: [{ id: 'web', containerInstance: 'live', stopsAtSeconds: 40 }],
      });
      const drain = drainOf({ namedCluster: 'batch', continuations });
      expect((await aws.runToEnd({ policy, drain })).kind).toBe('drained');
      expect(aws.completion()?.atSeconds).toBeGreaterThanOrEqual(40);
    },
  );

  it('that have the instance are told to the journal', async () => {
    const aws = fakeAws({ instances: [{ id: 'one', cluster: 'edge' }] });
    await aws.runToEnd({ policy });
    expect(aws.journal.at(-1)?.drain.cluster).toBe('edge');
  });
});

describe('a drain longer than the invocation', () => {
  it('is handed over before the margin, as often as it takes, and loses nothing on the way', async () => {
    const aws = fakeAws({ tasks: [{ id: 'job', stopsAtSeconds: 2_400 }] });
    expect((await aws.runToEnd({ invocationSeconds: 300 })).kind).toBe('drained');
    const handOvers = aws.callsNamed('continueNow').map(({ atSeconds }) => atSeconds);
    expect(handOvers).toEqual([280, 560, 840, 1_120, 1_400, 1_680, 1_960, 2_240]);
    expect(aws.journal.at(-1)?.drain).toMatchObject({ continuations: 8, heartbeats: 8, startedAtMs: START_MS });
  });

  it('ends though each invocation looks for less than the 10 s in which ECS’s lists settle', async () => {
    const aws = fakeAws({ tasks: [{ id: 'job', stopsAtSeconds: 60 }] });
    expect((await aws.runToEnd({ invocationSeconds: 26 })).kind).toBe('drained');
    expect(aws.completion()?.atSeconds).toBeLessThan(90);
  });

  it('is handed over as often as the cap allows', async () => {
    const aws = fakeAws({ tasks: [{ id: 'job', stopsAtSeconds: Infinity }] });
    const result = await runDrain(drainOf({ continuations: MAX_CONTINUATIONS - 1 }), POLICY, aws.ports(300));
    expect(result).toMatchObject({ kind: 'handed-over', drain: { continuations: MAX_CONTINUATIONS } });
  });

  it('is not handed over beyond the cap, and says so', async () => {
    const aws = fakeAws({ tasks: [{ id: 'job', stopsAtSeconds: Infinity }] });
    const drain = drainOf({ continuations: MAX_CONTINUATIONS });
    await expect(runDrain(drain, POLICY, aws.ports(300))).rejects.toThrow(/handed over 2000 times, the cap/);
    expect(aws.callsNamed('continueNow')).toEqual([]);
    expect(aws.completion()).toBeUndefined();
  });

  it.each([
    ['refused', new Error('PutEvents was refused')],
    ['throttled', new Unavailable('PutEvents was refused')],
  ])('fails loudly when handing over is %s, so that Lambda tries the event again', async (_, error) => {
    const aws = fakeAws({ tasks: [{ id: 'job', stopsAtSeconds: Infinity }] });
    const ports = aws.ports(300);
    const continuations = {
      continueNow: async () => {
        throw error;
      },
    };
    await expect(runDrain(drainOf(), POLICY, { ...ports, continuations })).rejects.toThrow('PutEvents was refused');
  });
});

describe('the deadline', () => {
  it('ends the drain on time, by name of every task that still held the instance', async () => {
    const aws = fakeAws({
      tasks: [
        { id: 'web', stopsAtSeconds: 100 },
        { id: 'job', class: 'standalone', stopsAtSeconds: Infinity },
      ],
    });
    const policy = { ...POLICY, deadlineResult: 'ABANDON' } as const;
    expect(await aws.runToEnd({ policy })).toMatchObject({ kind: 'timed-out', killedTasks: [{ arn: 'job' }] });
    expect(aws.completion()).toEqual({ atSeconds: 7_200, result: 'ABANDON' });
  });

  it('stops the stragglers that the policy names, in time for their whole grace, and once', async () => {
    const aws = fakeAws({
      tasks: [{ id: 'job', class: 'standalone', stopsAtSeconds: Infinity, stopTimeoutSeconds: 120 }],
    });
    const outcome = await aws.runToEnd({ policy: { ...POLICY, stopStragglers: 'standalone' } });
    expect(outcome.kind).toBe('drained');
    expect(aws.callsNamed('stopTask')).toEqual([{ name: 'stopTask', atSeconds: 7_070, detail: 'job' }]);
  });

  it('tells whoever looks at a straggler why it was stopped', async () => {
    const aws = fakeAws({ tasks: [{ id: 'job', class: 'standalone', stopsAtSeconds: Infinity }] });
    const ports = aws.ports(10_000);
    const reasons: string[] = [];
    const stopTask: typeof ports.containerInstances.stopTask = async (task, reason) => {
      reasons.push(reason);
      await ports.containerInstances.stopTask(task, reason);
    };
    const stopping = { ...ports, containerInstances: { ...ports.containerInstances, stopTask } };
    await runDrain(drainOf(), { ...POLICY, stopStragglers: 'all' }, stopping);
    expect(reasons).toEqual(['ecs-drain: i-0123456789abcdef0 is terminating and its drain is near its deadline']);
  });

  it('of an event that came too late still counts the tasks before it kills them', async () => {
    const aws = fakeAws({ tasks: [{ id: 'job', stopsAtSeconds: Infinity }] });
    const drain = drainOf({ startedAtMs: START_MS - 9_000_000, lastHeartbeatAtMs: START_MS });
    expect(await aws.runToEnd({ drain })).toMatchObject({ kind: 'timed-out', killedTasks: [{ arn: 'job' }] });
    expect(aws.callsNamed('setDraining')).toHaveLength(1);
  });
});

describe('the bus', () => {
  const tasks = [{ id: 'web', stopsAtSeconds: Infinity }];
  const deadlineAtMs = START_MS + 7_200_000;

  it('is told that a drain has begun to wait, that it is stuck, and how it ended', async () => {
    const aws = fakeAws({ tasks });
    await aws.runToEnd({ policy: { ...POLICY, deadlineResult: 'ABANDON' } });
    expect(aws.announced).toMatchObject([
      { atSeconds: 2, news: { kind: 'started', deadlineAtMs, holdingTasks: [{ arn: 'web' }] } },
      { atSeconds: 3_600, news: { kind: 'stuck', deadlineAtMs, holdingTasks: [{ arn: 'web' }] } },
      {
        atSeconds: 7_200,
        news: { kind: 'finished', outcome: { kind: 'timed-out', result: 'ABANDON' }, finishedAtMs: deadlineAtMs },
      },
    ]);
  });

  it('is told of a drain that begins before its tasks are listed, without them', async () => {
    const aws = fakeAws({ tasks, outages: [{ of: 'ecs-reads', span: [0, 5] }] });
    await aws.runToEnd();
    expect(aws.announced[0]?.news).toEqual({ kind: 'started', deadlineAtMs, holdingTasks: [] });
  });

  it('is told only the end of a drain that has nothing to wait for', async () => {
    const aws = fakeAws({});
    await aws.runToEnd();
    expect(aws.announced.map(({ news }) => news)).toEqual([
      {
        kind: 'finished',
        outcome: { kind: 'drained', lastTaskStoppedAtMs: undefined },
        finishedAtMs: START_MS + 1_000 * LISTS_SETTLE_SECONDS,
      },
    ]);
  });

  it('that takes nothing costs the drain nothing, and the journal says so', async () => {
    const aws = fakeAws({ tasks: [{ id: 'web', stopsAtSeconds: 100 }] });
    const announce = async () => {
      throw new Error('not authorized');
    };
    const result = await runDrain(drainOf(), POLICY, { ...aws.ports(10_000), announcements: { announce } });
    expect(result).toMatchObject({ outcome: { kind: 'drained' } });
    expect(refusalsIn(aws)).toContainEqual({ doing: 'announce', reason: 'not authorized' });
  });
});

describe('why it is stuck', () => {
  const service = {
    cluster: 'prod',
    name: 'web',
    desiredCount: 1,
    minimumHealthyPercent: 100,
    maximumPercent: 100,
    events: [],
    deployment: undefined,
  };
  const facts = { ...NO_FACTS, services: [service] };
  const tasks = [{ id: 'web', stopsAtSeconds: Infinity }];
  const causes = [{ kind: 'cannot-replace', desiredCount: 1, minimumHealthyPercent: 100, maximumPercent: 100 }];
  const news = ({ announced }: ReturnType<typeof fakeAws>, wanted: News['kind']) =>
    announced.find(({ news: { kind } }) => kind === wanted)?.news;

  it('is told to the bus and to the journal when it is, and again when it lets tasks die', async () => {
    const aws = fakeAws({ tasks, facts });
    await aws.runToEnd();
    const explanation = { blockers: [{ group: 'service:web', tasks: [{ arn: 'web' }], causes }], unknown: [] };
    for (const kind of ['stuck', 'finished'] as const) {
      expect(news(aws, kind)).toMatchObject({ explanation });
      expect(aws.journal.map(({ entry }) => entry).filter((entry) => entry.kind === kind)).toMatchObject([
        { explanation },
      ]);
    }
  });

  it('is asked of ECS then and at no other time, and at the end only when that is over', async () => {
    const aws = fakeAws({ tasks, facts });
    await aws.runToEnd();
    expect(aws.callsNamed('factsAbout')).toEqual([
      { name: 'factsAbout', atSeconds: 3_600, detail: ['web'] },
      { name: 'factsAbout', atSeconds: 7_200, detail: ['web'] },
    ]);
    expect(aws.calls.slice(-2).map(({ name }) => name)).toEqual(['complete', 'factsAbout']);
  });

  it('is asked of no drain that ends well in time', async () => {
    const aws = fakeAws({ tasks: [{ id: 'web', stopsAtSeconds: 3_000 }], facts });
    await aws.runToEnd();
    expect(aws.callsNamed('factsAbout')).toEqual([]);
    expect(news(aws, 'finished')).not.toHaveProperty('explanation');
  });

  it('says since when the agent is silent, at the end of a drain that gave up on it', async () => {
    const aws = fakeAws({ instances: [{ id: 'one', silences: [[100, 20_000]] }], tasks, facts });
    await aws.runToEnd();
    const finished = news(aws, 'finished');
    const sinceMs =
      finished?.kind === 'finished' && finished.outcome.kind === 'agent-lost' && finished.outcome.disconnectedSinceMs;
    expect(finished).toMatchObject({
      explanation: { blockers: [{ causes: [{ kind: 'agent-silent', sinceMs }, ...causes] }] },
    });
  });

  it.each([false, true])(
    'says what is known where ECS does not answer, and that it did not: denied: %s',
    async (denied) => {
      const aws = fakeAws({ tasks, facts, outages: [{ of: 'ecs-facts', span: [0, 10_000], denied }] });
      await aws.runToEnd();
      const explanation = {
        blockers: [{ group: 'service:web', tasks: [{ arn: 'web' }], causes: [] }],
        unknown: [`factsAbout: ${denied ? 'not authorized' : 'throttled'}`],
      };
      expect(news(aws, 'stuck')).toMatchObject({ explanation });
      expect(news(aws, 'finished')).toMatchObject({ explanation });
      expect(aws.completion()).toEqual({ atSeconds: 7_200, result: 'CONTINUE' });
    },
  );

  it('says that an instance which never comes to register is what it waits for', async () => {
    const aws = fakeAws({ instances: [{ id: 'one', status: 'REGISTERING' }] });
    await aws.runToEnd();
    const unknown = ['The instance is still registering.'];
    expect(news(aws, 'stuck')).toMatchObject({ explanation: { blockers: [], unknown } });
    expect(aws.callsNamed('factsAbout')).toEqual([]);
  });

  it('says why nothing is known where the tasks cannot be seen', async () => {
    const aws = fakeAws({ tasks, facts, outages: [{ of: 'ecs-reads', span: [3_000, 6_000] }] });
    await aws.runToEnd();
    expect(news(aws, 'stuck')).toMatchObject({
      holdingTasks: [],
      explanation: { blockers: [], unknown: [expect.stringContaining('throttled')] },
    });
  });
});

describe('agents', () => {
  it('may flap as they do in normal operation', async () => {
    const aws = fakeAws({
      instances: [
        {
          id: 'one',
          silences: [
            [0, 800],
            [900, 1_700],
          ],
        },
      ],
      tasks: [{ id: 'web', stopsAtSeconds: 2_000 }],
    });
    expect((await aws.runToEnd()).kind).toBe('drained');
  });

  it('are not given up before all tasks were listed anew: one may be at work under another registration', async () => {
    const aws = fakeAws({
      instances: [{ id: 'old', silences: [[0, Infinity]] }, { id: 'new' }],
      tasks: [
        { id: 'web', containerInstance: 'old', stopsAtSeconds: 10_000 },
        { id: 'job', containerInstance: 'new', listedAtSeconds: 5, stopsAtSeconds: 3_000 },
      ],
    });
    expect((await aws.runToEnd({ invocationSeconds: 10_000 })).kind).toBe('agent-lost');
    expect(aws.completion()?.atSeconds).toBeGreaterThan(3_000);
  });

  it.each<[string, FakeInstance[]]>([
    ['is heard again', [{ id: 'old', silences: [[0, 900.5]] }]],
    [
      'has registered anew, though ECS lists no task there yet',
      [
        { id: 'old', silences: [[0, Infinity]] },
        { id: 'new', comesAtSeconds: 900.5 },
      ],
    ],
  ])('are looked for once more just before they are given up: one that %s is not', async (_, instances) => {
    const tasks = [
      { id: 'web', containerInstance: 'old', stopsAtSeconds: 5_000 },
      { id: 'job', containerInstance: 'new', listedAtSeconds: 905, stopsAtSeconds: 3_000 },
    ];
    const aws = fakeAws({ instances, tasks: instances.length > 1 ? tasks : tasks.slice(0, 1) });
    const ports = aws.ports(10_000);
    const terminatingSinceMs: typeof ports.lifecycleActions.terminatingSinceMs = async (group) => {
      const since = await ports.lifecycleActions.terminatingSinceMs(group);
      await ports.clock.sleepUntil(ports.clock.nowMs() + 1_000); // Auto Scaling is slow to answer.
      return since;
    };
    const slow = { ...ports, lifecycleActions: { ...ports.lifecycleActions, terminatingSinceMs } };
    await runDrain(drainOf(), POLICY, slow);
    expect(aws.completion()?.atSeconds).toBeGreaterThan(3_000);
  });

  it('are given up right after a look through everything', async () => {
    const aws = fakeAws({
      instances: [{ id: 'one', silences: [[0, Infinity]] }],
      tasks: [{ id: 'web', stopsAtSeconds: Infinity }],
    });
    expect((await aws.runToEnd()).kind).toBe('agent-lost');
    const names = aws.calls.map(({ name }) => name);
    const completed = names.indexOf('complete');
    expect(names.slice(completed - 4, completed)).toEqual(['terminatingSinceMs', 'find', 'refresh', 'listTasks']);
  });

  it('are not given up for two short silences with nobody looking in between', async () => {
    const aws = fakeAws({
      instances: [
        {
          id: 'one',
          silences: [
            [100, 125],
            [1_140, 1_200],
          ],
        },
      ],
      tasks: [{ id: 'web', stopsAtSeconds: 2_000 }],
      outages: [{ of: 'ecs-reads', span: [125, 1_150] }],
    });
    expect((await aws.runToEnd()).kind).toBe('drained');
  });

  it('are not given up on the word of an old continuation', async () => {
    const aws = fakeAws({
      instances: [{ id: 'one', status: 'DRAINING', silences: [[0, 30]] }],
      tasks: [{ id: 'web', stopsAtSeconds: 200 }],
    });
    const agentSilence = { sinceMs: START_MS - 1_000_000, seenLastAtMs: START_MS - 500_000 };
    expect((await aws.runToEnd({ drain: drainOf({ agentSilence }) })).kind).toBe('drained');
  });

  it('are given up after the grace, across invocations', async () => {
    const aws = fakeAws({
      instances: [{ id: 'one', silences: [[100, Infinity]] }],
      tasks: [{ id: 'web', stopsAtSeconds: Infinity }],
    });
    const outcome = await aws.runToEnd();
    expect(outcome).toMatchObject({ kind: 'agent-lost', killedTasks: [{ arn: 'web' }] });
    expect(aws.completion()?.atSeconds).toBeGreaterThanOrEqual(1_000);
    expect(aws.completion()?.atSeconds).toBeLessThanOrEqual(1_000 + POLICY.pollMaxSeconds);
  });
});

describe('before tasks are to die, Auto Scaling is asked since when it holds the instance', () => {
  const early = START_MS - 100_000;

  it('for the deadline, which then counts from its hold', async () => {
    const aws = fakeAws({ tasks: [{ id: 'job', stopsAtSeconds: Infinity }] });
    const result = await runDrain(drainOf({ startedAtMs: early }), POLICY, aws.ports(10_000));
    expect(result).toMatchObject({ outcome: { kind: 'timed-out', deadlineAtMs: START_MS + 7_200_000 } });
    expect(aws.journal.map(({ entry }) => entry)).toContainEqual({ kind: 'corrected', claimedStartAtMs: early });
    expect(aws.callsNamed('terminatingSinceMs')[0]?.detail).toBe('web');
  });

  it('for an agent that is silent, which then has its whole grace again', async () => {
    const instances = [{ id: 'one', silences: [[0, Infinity]] as const }];
    const aws = fakeAws({ instances, tasks: [{ id: 'job', stopsAtSeconds: Infinity }] });
    const result = await runDrain(drainOf({ startedAtMs: early }), POLICY, aws.ports(10_000));
    expect(result).toMatchObject({ outcome: { kind: 'agent-lost' } });
    expect(whenCalled(aws, 'terminatingSinceMs')).toHaveLength(2);
    expect(aws.completion()?.atSeconds).toBeGreaterThanOrEqual(2 * POLICY.agentGraceSeconds);
  });
});

describe('an action that somebody else completed', () => {
  it('while the instance went as well cost no task that was ever seen', async () => {
    const aws = fakeAws({ instances: [], completedAtSeconds: 0 });
    expect(await aws.runToEnd()).toEqual({ kind: 'already-completed', holdingTasks: [] });
  });

  it('is a success when the tasks had stopped', async () => {
    const aws = fakeAws({ completedAtSeconds: 0 });
    expect(await aws.runToEnd()).toEqual({ kind: 'already-completed', holdingTasks: [] });
  });

  it('is noticed when the drain is handed over, and the tasks it cost are named', async () => {
    const aws = fakeAws({ completedAtSeconds: 100, tasks: [{ id: 'web', stopsAtSeconds: Infinity }] });
    const outcome = await aws.runToEnd();
    expect(outcome).toMatchObject({ kind: 'already-completed', holdingTasks: [{ arn: 'web' }] });
    expect(aws.now()).toBe(280);
  });

  it('names the tasks seen last when the instance is gone already', async () => {
    const aws = fakeAws({
      instances: [{ id: 'one', goneAtSeconds: 160 }],
      completedAtSeconds: 100,
      tasks: [{ id: 'web', stopsAtSeconds: Infinity }],
    });
    expect(await aws.runToEnd()).toMatchObject({ kind: 'already-completed', holdingTasks: [{ arn: 'web' }] });
    expect(aws.now()).toBeLessThan(200);
  });

  it('is the second of two deliveries of one event', async () => {
    const aws = fakeAws({ tasks: [{ id: 'web', stopsAtSeconds: 60 }] });
    expect((await aws.runToEnd()).kind).toBe('drained');
    expect((await aws.runToEnd()).kind).toBe('already-completed');
  });
});

describe('an outage', () => {
  it('of ECS is waited out at the pace of the policy, never taken for an answer', async () => {
    const aws = fakeAws({
      tasks: [{ id: 'web', stopsAtSeconds: 100 }],
      outages: [{ of: 'ecs-reads', span: [50, 1_000] }],
    });
    expect((await aws.runToEnd()).kind).toBe('drained');
    expect(aws.completion()?.atSeconds).toBeGreaterThanOrEqual(1_000);
    expect(aws.calls.filter(({ atSeconds }) => atSeconds > 100 && atSeconds < 1_000).length).toBeLessThan(200);
  });

  it('of ECS from the first call on loses nothing, and the hook is kept by heartbeats', async () => {
    const aws = fakeAws({
      hook: { heartbeatTimeoutSeconds: 60, globalTimeoutSeconds: 6_000 },
      tasks: [{ id: 'web', stopsAtSeconds: 100 }],
      outages: [{ of: 'ecs-reads', span: [0, 1_000] }],
    });
    expect((await aws.runToEnd()).kind).toBe('drained');
    expect(aws.callsNamed('recordHeartbeat').length).toBeGreaterThan(30);
  });

  it('of the ECS changes alone keeps the hook by heartbeats until the instance can be set to DRAINING', async () => {
    const aws = fakeAws({
      hook: { heartbeatTimeoutSeconds: 60, globalTimeoutSeconds: 6_000 },
      tasks: [{ id: 'web', stopsAtSeconds: 2_000 }],
      outages: [{ of: 'ecs-changes', span: [0, 1_000] }],
    });
    expect((await aws.runToEnd()).kind).toBe('drained');
    expect(aws.completion()?.atSeconds).toBeGreaterThanOrEqual(2_000);
  });

  it('past the deadline does not let go of what it cannot see', async () => {
    const aws = fakeAws({
      tasks: [{ id: 'web', stopsAtSeconds: 7_500 }],
      outages: [{ of: 'ecs-reads', span: [7_000, 8_000] }],
    });
    expect((await aws.runToEnd()).kind).toBe('drained');
    expect(aws.completion()?.atSeconds).toBeGreaterThanOrEqual(8_000);
  });

  it('of Auto Scaling delays the completion and nothing else', async () => {
    const aws = fakeAws({
      tasks: [{ id: 'web', stopsAtSeconds: 30 }],
      outages: [{ of: 'auto-scaling', span: [30, 500] }],
    });
    expect((await aws.runToEnd()).kind).toBe('drained');
    expect(aws.completion()?.atSeconds).toBeGreaterThanOrEqual(500);
    expect(aws.completion()?.atSeconds).toBeLessThanOrEqual(500 + POLICY.pollMaxSeconds);
  });

  it('of Auto Scaling is waited out at the pace of the policy as well', async () => {
    const aws = fakeAws({
      tasks: [{ id: 'web', stopsAtSeconds: 30 }],
      outages: [{ of: 'auto-scaling', span: [30, 500] }],
    });
    await aws.runToEnd({ invocationSeconds: 10_000 });
    expect(aws.callsNamed('complete').length).toBeLessThan(40);
  });

  it('of Auto Scaling when a heartbeat is due is tried again with each look, and costs nothing else', async () => {
    const aws = fakeAws({
      tasks: [{ id: 'web', stopsAtSeconds: 2_500 }],
      outages: [{ of: 'auto-scaling', span: [1_700, 2_000] }],
    });
    expect((await aws.runToEnd({ invocationSeconds: 10_000 })).kind).toBe('drained');
    const beats = whenCalled(aws, 'recordHeartbeat');
    expect(beats[0]).toBe(1_800);
    expect(beats.at(-1)).toBeGreaterThanOrEqual(2_000);
    expect(beats.at(-1)).toBeLessThanOrEqual(2_000 + POLICY.pollMaxSeconds);
    expect(beats.length).toBeLessThan(30);
    expect(refusalsIn(aws)).toEqual([{ doing: 'heartbeat', reason: 'recordHeartbeat: throttled' }]);
  });

  it('is told to the journal once, not at every look', async () => {
    const aws = fakeAws({
      tasks: [{ id: 'web', stopsAtSeconds: 200 }],
      outages: [{ of: 'ecs-reads', span: [50, 150] }],
    });
    await aws.runToEnd();
    const told = aws.journal.filter(
      ({ entry }) => entry.kind === 'decided' && entry.observation.kind === 'unavailable',
    );
    expect(told).toHaveLength(1);
  });

  it('of Auto Scaling’s descriptions alone: heartbeats go by what the policy assumes of the hook', async () => {
    const aws = fakeAws({
      hook: { heartbeatTimeoutSeconds: 60, globalTimeoutSeconds: 6_000 },
      tasks: [{ id: 'web', stopsAtSeconds: 1_000 }],
    });
    const ports = aws.ports;
    const unread = (invocationSeconds: number) => {
      const each = ports(invocationSeconds);
      const hookLimits = async () => {
        throw new Unavailable('Rate exceeded');
      };
      return { ...each, lifecycleActions: { ...each.lifecycleActions, hookLimits } };
    };
    const policy = { ...POLICY, heartbeatTimeoutSeconds: 60 };
    const outcome = await runDrain(drainOf(), policy, unread(100_000));
    expect(outcome).toMatchObject({ kind: 'finished', outcome: { kind: 'drained' } });
    expect(aws.callsNamed('recordHeartbeat').length).toBeGreaterThan(30);
  });

  it('past which Auto Scaling refuses the same again and again is told once', async () => {
    const aws = fakeAws({
      tasks: [{ id: 'web', stopsAtSeconds: 30 }],
      outages: [{ of: 'auto-scaling', span: [30, 1_200] }],
    });
    await aws.runToEnd({ invocationSeconds: 100_000 });
    const refusals = aws.journal.filter(({ entry }) => entry.kind === 'refused');
    expect(refusals.map(({ entry }) => entry.kind === 'refused' && entry.doing)).toEqual(['complete']);
  });

  it.each(['find', 'setDraining', 'listTasks', 'hookLimits', 'recordHeartbeat', 'complete'] as const)(
    'is not what a mistake is: one in %s ends the invocation at once',
    async (name) => {
      const aws = fakeAws({ tasks: name === 'complete' ? [] : [{ id: 'web', stopsAtSeconds: Infinity }] });
      const ports = aws.ports(100_000);
      const refuse = async () => {
        throw new Error('not authorized');
      };
      const refusing = {
        ...ports,
        containerInstances: {
          ...ports.containerInstances,
          ...(name in ports.containerInstances && { [name]: refuse }),
        },
        lifecycleActions: { ...ports.lifecycleActions, ...(name in ports.lifecycleActions && { [name]: refuse }) },
      };
      await expect(runDrain(drainOf(), POLICY, refusing)).rejects.toThrow('not authorized');
      expect(aws.completion()).toBeUndefined();
    },
  );

  it('of StopTask for one straggler costs the others nothing', async () => {
    const aws = fakeAws({
      tasks: ['a', 'b', 'c'].map((id) => ({ id, class: 'standalone', stopsAtSeconds: Infinity }) as const),
    });
    const ports = aws.ports(100_000);
    const stopTask: typeof ports.containerInstances.stopTask = async (task, reason) => {
      if (task.arn === 'b') throw new Error('not authorized');
      await ports.containerInstances.stopTask(task, reason);
    };
    const policy = { ...POLICY, stopStragglers: 'all' } as const;
    const refusing = { ...ports, containerInstances: { ...ports.containerInstances, stopTask } };
    const result = await runDrain(drainOf(), policy, refusing);
    expect(result).toMatchObject({ outcome: { kind: 'timed-out', killedTasks: [{ arn: 'b' }] } });
    const refusals = refusalsIn(aws);
    expect(refusals.length).toBeGreaterThan(0);
    for (const refusal of refusals) expect(refusal).toEqual({ doing: 'stop-tasks', reason: 'not authorized' });
  });
});

describe('an instance that could not be looked at before the hook was read', () => {
  it.each([
    ['parked', { lateSeconds: 0, wakeUps: true }],
    ['watched', undefined],
  ])('is looked at again within seconds of the end of the outage, in the same invocation: %s', async (_, parking) => {
    const aws = fakeAws({
      parking,
      tasks: [{ id: 'web', stopsAtSeconds: 100 }],
      outages: [{ of: 'ecs-reads', span: [0, 5] }],
    });
    await runDrain(drainOf(), POLICY, aws.ports(100_000));
    const looks = aws.callsNamed('find').map(({ atSeconds }) => atSeconds);
    expect(looks.length).toBeGreaterThanOrEqual(2);
    expect(looks.at(1)).toBeLessThanOrEqual(1.5 * POLICY.pollMinSeconds);
    expect(aws.callsNamed('setDraining')[0]?.atSeconds).toBeLessThanOrEqual(15);
  });
});

describe('the others of its group', () => {
  const OTHERS = ['i-00000000000000001', 'i-00000000000000002'];
  const heldInstances = [drainOf().action.instanceId, ...OTHERS];
  const tasks = [{ id: 'web', stopsAtSeconds: 60 }];
  const parking = { lateSeconds: 0, wakeUps: true };

  it('are left to themselves where no drain is parked: a sweep knows by what they take that their event was lost', async () => {
    const aws = fakeAws({ heldInstances, tasks });
    await aws.runToEnd();
    expect(aws.callsNamed('heldInstances')).toEqual([]);
  });

  it('that Auto Scaling holds as well are set to DRAINING with it', async () => {
    const aws = fakeAws({ parking, heldInstances, tasks });
    expect((await aws.runToEnd()).kind).toBe('drained');
    expect(aws.callsNamed('findActive').map(({ detail }) => new Set(detail as string[]))).toEqual([new Set(OTHERS)]);
    const [own, others, ...more] = aws.callsNamed('setDraining').map(({ detail }) => detail as unknown[]);
    expect([own?.length, others?.length, more]).toEqual([1, 2, []]);
  });

  it('are those of its own group', async () => {
    const aws = fakeAws({ parking, heldInstances, tasks });
    await aws.runToEnd();
    expect(aws.callsNamed('heldInstances').map(({ detail }) => detail)).toEqual([['web']]);
  });

  it.each([
    [0, ['a', 'b', 'c', 'd']],
    [0.5, ['c', 'd', 'a', 'b']],
    [0.99, ['d', 'a', 'b', 'c']],
  ])('come in another order for each drain: by chance %d, %j', async (random, order) => {
    const aws = fakeAws({ parking, heldInstances: ['a', 'b', 'c', 'd'], tasks });
    await runDrain(drainOf(), POLICY, { ...aws.ports(300), random: () => random });
    expect(aws.callsNamed('findActive')[0]?.detail).toEqual(order);
  });

  it('are a hundred at most', async () => {
    const aws = fakeAws({ parking, heldInstances: Array.from({ length: 150 }, (_, i) => `i-${i}`), tasks });
    await aws.runToEnd();
    expect(aws.callsNamed('findActive')[0]?.detail).toHaveLength(100);
  });

  it('are left alone where none of them takes tasks', async () => {
    const aws = fakeAws({ parking, heldInstances, tasks });
    const ports = aws.ports(300);
    const containerInstances = { ...ports.containerInstances, findActive: async () => [] };
    await runDrain(drainOf(), POLICY, { ...ports, containerInstances });
    expect(aws.callsNamed('setDraining')).toHaveLength(1);
  });

  it('are asked after when any registration has tasks', async () => {
    const aws = fakeAws({ parking, heldInstances, instances: [{ id: 'old' }, { id: 'one' }], tasks });
    await aws.runToEnd();
    expect(aws.callsNamed('findActive')).toHaveLength(1);
  });

  it('are not asked after where Auto Scaling holds none of them', async () => {
    const aws = fakeAws({ parking, heldInstances: [drainOf().action.instanceId], tasks });
    await aws.runToEnd();
    expect(aws.callsNamed('findActive')).toEqual([]);
    expect(aws.callsNamed('setDraining')).toHaveLength(1);
  });

  it('are left to their own drains once this one goes on', async () => {
    const aws = fakeAws({ parking, heldInstances, tasks: [{ id: 'web', stopsAtSeconds: 1_000 }] });
    await aws.runToEnd({ invocationSeconds: 300 });
    expect(aws.callsNamed('park').length).toBeGreaterThan(1);
    expect(aws.callsNamed('heldInstances')).toHaveLength(1);
  });

  it.each([
    ['Auto Scaling does not tell which', 'heldInstances', new Unavailable('Rate exceeded')],
    ['the function may not ask for them', 'heldInstances', new Error('not authorized')],
    ['ECS does not find them', 'findActive', new Unavailable('Rate exceeded')],
    ['ECS does not find them, for good', 'findActive', new Error('not authorized')],
    ['ECS does not set them', 'setDraining', new Unavailable('Rate exceeded')],
  ])('cost this drain nothing when %s', async (_, name, error) => {
    const aws = fakeAws({ parking, heldInstances, tasks });
    const ports = aws.ports(100_000);
    let first = true;
    const refuse = async () => {
      throw error;
    };
    const setDraining: typeof ports.containerInstances.setDraining = async (containerInstances) => {
      if (!first) throw error;
      first = false;
      return ports.containerInstances.setDraining(containerInstances);
    };
    const result = await runDrain(drainOf(), POLICY, {
      ...ports,
      containerInstances: {
        ...ports.containerInstances,
        ...(name === 'findActive' && { findActive: refuse }),
        ...(name === 'setDraining' && { setDraining }),
      },
      lifecycleActions: { ...ports.lifecycleActions, ...(name === 'heldInstances' && { heldInstances: refuse }) },
    });
    expect(result).toMatchObject({ kind: 'parked', drain: { parked: { awaitedTask: 'web' } } });
    expect(aws.journal.flatMap(({ entry }) => (entry.kind === 'refused' ? [entry] : []))).toEqual([
      { kind: 'refused', doing: 'set-draining', reason: error.message },
    ]);
  });
});

describe('the journal', () => {
  it('has one entry for each change, not one for each look', async () => {
    const aws = fakeAws({
      tasks: [
        { id: 'a', deactivatesAtSeconds: 20, stopsAtSeconds: 90 },
        { id: 'b', stopsAtSeconds: 120 },
      ],
    });
    await aws.runToEnd();
    const told = aws.journal
      .filter(({ entry }) => entry.kind !== 'looked')
      .map(({ entry }) => (entry.kind === 'decided' ? entry.decision.kind : entry.kind));
    expect(told).toEqual(['set-draining', 'read-hook', 'announce', 'watch', 'watch', 'watch', 'complete', 'finished']);
    expect(aws.callsNamed('refreshTasks').length).toBeGreaterThan(6);
  });

  /** When a sign of life was told, and how much of the time to the deadline had passed. */
  const signsOfLife = ({ journal }: ReturnType<typeof fakeAws>) =>
    journal.flatMap(({ entry, atSeconds }) =>
      entry.kind === 'looked' ? [{ atSeconds, percent: entry.deadlineUsedPercent }] : [],
    );

  it('has a sign of life for each minute in which the drain is watched, up to its deadline', async () => {
    const aws = fakeAws({ tasks: [{ id: 'stuck', stopsAtSeconds: 20_000 }] });
    await aws.runToEnd({ policy: { ...POLICY, deadlineSeconds: 1_000, stopStragglers: 'none' } });
    const told = signsOfLife(aws);
    for (const { atSeconds, percent } of told) expect(percent).toBeCloseTo(atSeconds / 10);
    const [first, ...later] = told.map(({ atSeconds }) => atSeconds);
    expect(first).toBe(0);
    expect(told.at(-1)?.percent).toBeGreaterThan(90);
    // Each invocation begins with one of its own.
    expect(later.length).toBeGreaterThanOrEqual(10);
    expect(later.length).toBeLessThan(20);
  });

  it('has a sign of life of a parked drain at least every eight minutes, for an alarm looks back ten', async () => {
    const aws = fakeAws({
      tasks: [{ id: 'stuck', stopsAtSeconds: 20_000 }],
      parking: { lateSeconds: 60, wakeUps: true },
    });
    await aws.runToEnd({ policy: { ...POLICY, deadlineSeconds: 7_000, stopStragglers: 'none' } });
    const told = signsOfLife(aws).map(({ atSeconds }) => atSeconds);
    const gaps = told.slice(1).map((atSeconds, i) => atSeconds - (told[i] ?? 0));
    expect(Math.max(...gaps)).toBeGreaterThan(300);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(480);
  });

  it('has a sign of life at each full minute, where looks come then', async () => {
    const aws = fakeAws({ tasks: [{ id: 'web', stopsAtSeconds: 250 }] });
    const policy = { ...POLICY, pollMinSeconds: 20 };
    await aws.runToEnd({ policy, invocationSeconds: 10_000 });
    expect(signsOfLife(aws).map(({ atSeconds }) => atSeconds)).toEqual([0, 60, 120, 180, 240]);
  });

  it('has a word of ECS’s managed draining, where the group has its hook', async () => {
    const aws = fakeAws({ hook: { ...HOOK, managedDraining: true }, tasks: [{ id: 'web', stopsAtSeconds: 100 }] });
    await aws.runToEnd({ invocationSeconds: 10_000 });
    const told = aws.journal.filter(({ entry }) => entry.kind === 'managed-draining');
    expect(told).toMatchObject([{ entry: { kind: 'managed-draining' } }]);
  });

  it('has signs of life while AWS cannot be asked', async () => {
    const aws = fakeAws({
      tasks: [{ id: 'web', stopsAtSeconds: 30 }],
      outages: [{ of: 'ecs-reads', span: [10, 7_100] }],
    });
    await aws.runToEnd();
    expect(signsOfLife(aws).filter(({ percent }) => percent >= 80 && percent < 98).length).toBeGreaterThan(10);
  });
});

describe('heartbeats', () => {
  it('come at half of the hook’s timeout, to the second', async () => {
    const aws = fakeAws({
      tasks: [{ id: 'job', stopsAtSeconds: 7_000 }],
      hook: { ...HOOK, heartbeatTimeoutSeconds: 600 },
    });
    await aws.runToEnd({ invocationSeconds: 7_200 });
    const beats = aws.callsNamed('recordHeartbeat').map(({ atSeconds }) => atSeconds);
    expect(beats).toEqual(Array.from({ length: 23 }, (_, i) => (i + 1) * 300));
    expect(aws.journal.at(-1)?.drain.heartbeats).toBe(23);
  });
});
