import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import { describe, expect, it } from 'vitest';
import { eventBridgeContinuations, eventBridgePublisher } from '../../src/adapters/event-bridge.ts';
import type { Blocker, Explanation } from '../../src/domain/diagnose.ts';
import type { Drain, HeldDrain, Outcome } from '../../src/domain/drain.ts';
import type { Returned } from '../../src/domain/mark.ts';
import { type DrainEvent, Unavailable } from '../../src/domain/ports.ts';
import {
  CLUSTER,
  containerInstanceArn,
  drain,
  holdingTask,
  INSTANCE_ID,
  noticeDrain,
  supervisedDrain,
} from './samples.ts';
import { type AwsEndpoint, accessDenied, aws, badGateway, fault, reset, type Script, throttled } from './wire.ts';

const SOURCE = 'ecs-drain.blue';

/** PutEvents that takes every entry but the nth ones, which it answers so. */
function taking(refused: Readonly<Record<number, object>> = {}): Script {
  return {
    PutEvents: ({ Entries: entries = [] }) => ({
      FailedEntryCount: Object.keys(refused).length,
      Entries: entries.map((_, i) => refused[i] ?? { EventId: `event-${i}` }),
    }),
  };
}

/** Hands the drains over through the real SDK client. */
function handOver({ config }: AwsEndpoint, ...drains: readonly Drain[]) {
  return eventBridgeContinuations(new EventBridgeClient(config), SOURCE)(drains);
}

const drainOfInstance = (n: number): HeldDrain => ({
  ...drain,
  action: { ...drain.action, instanceId: `i-${String(n).padStart(17, '0')}` },
});

describe('handing drains over', () => {
  it('puts an event for each on the default bus: ours, with the version and the whole drain', async () => {
    const endpoint = await aws(taking());
    expect(await handOver(endpoint, drain, noticeDrain)).toEqual([undefined, undefined]);
    const [{ Entries = [] } = {}] = endpoint.inputsOf('PutEvents');
    expect(Entries).toEqual(
      Array(2).fill({ Source: SOURCE, DetailType: 'ECS Drain Continuation', Detail: expect.any(String) }),
    );
    expect(Entries.map(({ Detail = '' }) => JSON.parse(Detail))).toEqual([
      { version: 8, drain },
      { version: 8, drain: noticeDrain },
    ]);
  });

  it('puts ten in a call', async () => {
    const endpoint = await aws(taking());
    const drains = Array.from({ length: 25 }, (_, n) => drainOfInstance(n));
    expect(await handOver(endpoint, ...drains)).toEqual(Array(25).fill(undefined));
    expect(endpoint.inputsOf('PutEvents').map(({ Entries }) => Entries?.length)).toEqual([10, 10, 5]);
  });

  it('asks nothing where there is none', async () => {
    const endpoint = await aws({});
    expect(await handOver(endpoint)).toEqual([]);
    expect(endpoint.actions).toEqual([]);
  });

  it.each([
    ['InternalFailure', true],
    ['ThrottlingException', true],
    ['NotAuthorizedForSourceException', false],
    ['MalformedDetail', false],
  ])('notices an entry that is refused in a 200, and whether it may be taken later: %s', async (ErrorCode, later) => {
    const refused = { ErrorCode, ErrorMessage: 'Unexpected.' };
    const endpoint = await aws({
      PutEvents: ({ Entries = [] }) => ({
        Entries: Entries.map(({ Detail }) => (Detail?.includes('i-00000000000000002') ? refused : { EventId: '1' })),
      }),
    });
    const [first, second, third] = await handOver(endpoint, drain, drainOfInstance(2), noticeDrain);
    expect([first, third]).toEqual([undefined, undefined]);
    expect(second?.message).toBe(
      `Could not put the continuation of i-00000000000000002 on the bus: ${ErrorCode}: Unexpected.`,
    );
    expect(second instanceof Unavailable).toBe(later);
  });

  it.each([
    ['nothing about it', {}],
    ['not why', { Entries: [{}] }],
  ])('notices an entry that is refused in a 200 which says %s', async (_, answer) => {
    const endpoint = await aws({ PutEvents: { FailedEntryCount: 1, ...answer } });
    const [failure] = await handOver(endpoint, drain);
    expect(failure?.message).toBe(
      `Could not put the continuation of ${INSTANCE_ID} on the bus: unknown error: EventBridge does not say why`,
    );
    expect(failure).not.toBeInstanceOf(Unavailable);
  });

  it.each([
    ['throttled', throttled],
    ['an error inside the service', fault('InternalException', 'This exception occurs due to unexpected causes.', 500)],
    ['a gateway without a service', badGateway],
    ['a connection that breaks', reset],
  ])('is tried again, then unavailable for all of them: %s', async (_, answer) => {
    const endpoint = await aws({ PutEvents: answer });
    expect(await handOver(endpoint, drain, noticeDrain)).toEqual([expect.any(Unavailable), expect.any(Unavailable)]);
    expect(endpoint.actions).toHaveLength(4);
  });

  it.each(['ThrottlingException', 'InternalException', 'InternalFailure'])(
    'is tried again where the answer refuses one entry for now (%s), and alone',
    async (ErrorCode) => {
      const taken = (n: number) => Array.from({ length: n }, () => ({ EventId: '1' }));
      const endpoint = await aws({
        PutEvents: [
          { FailedEntryCount: 1, Entries: [...taken(1), { ErrorCode, ErrorMessage: 'Later.' }, ...taken(1)] },
          { FailedEntryCount: 1, Entries: [{ ErrorCode, ErrorMessage: 'Later.' }] },
          { Entries: taken(1) },
        ],
      });
      const drains = [1, 2, 3].map((n) => drainOfInstance(n));
      expect(await handOver(endpoint, ...drains)).toEqual([undefined, undefined, undefined]);
      const sent = endpoint
        .inputsOf('PutEvents')
        .map(({ Entries = [] }) => Entries.map(({ Detail = '' }) => JSON.parse(Detail).drain));
      expect(sent).toEqual([drains, [drains[1]], [drains[1]]]);
    },
  );

  it('fails for one batch alone', async () => {
    const endpoint = await aws({
      PutEvents: ({ Entries: entries = [] }) =>
        entries.length < 10 ? throttled : { Entries: entries.map(() => ({ EventId: '1' })) },
    });
    const failures = await handOver(endpoint, ...Array.from({ length: 11 }, (_, n) => drainOfInstance(n)));
    expect(failures).toEqual([...Array(10).fill(undefined), expect.any(Unavailable)]);
  });

  it('says which permission is missing', async () => {
    const endpoint = await aws({ PutEvents: accessDenied('events:PutEvents') });
    const [failure] = await handOver(endpoint, drain);
    expect(failure?.message).toContain('is not authorized to perform: events:PutEvents');
    expect(failure).not.toBeInstanceOf(Unavailable);
  });
});

describe('an event about a drain', () => {
  /** Publishes the event through the real SDK client; what is on the bus then. */
  async function published(event: DrainEvent, { about = drain as Drain, dryRun = false } = {}) {
    const endpoint = await aws(taking());
    const publisher = eventBridgePublisher(new EventBridgeClient(endpoint.config), SOURCE, dryRun);
    expect(await publisher.publish([{ drain: about, event }])).toEqual([undefined]);
    const [entry] = endpoint.inputsOf('PutEvents')[0]?.Entries ?? [];
    return { source: entry?.Source, detailType: entry?.DetailType, detail: JSON.parse(entry?.Detail ?? '') };
  }

  const deadlineAtMs = Date.parse('2026-03-01T11:00:00Z');
  const finishedAtMs = Date.parse('2026-03-01T09:06:40Z');
  const shown = {
    task: holdingTask().arn.split('/').at(-1),
    class: 'service',
    group: 'service:web',
    lastStatus: 'RUNNING',
    since: '2026-03-01T09:01:45.900Z',
    stopRequested: false,
  };
  const explanation: Explanation = {
    atMs: Date.parse('2026-03-01T09:41:45.900Z'),
    blockers: [
      {
        cluster: CLUSTER,
        group: 'service:web',
        class: 'service',
        tasks: [holdingTask()],
        causes: [{ kind: 'protected', untilMs: deadlineAtMs }],
      },
    ],
    unknown: [],
  };
  const why =
    '1 task of service:web, RUNNING for 40 min: scale-in protection is on until 2026-03-01T11:00:00Z. What to do: wait until the protection ends, or turn it off.';
  const blockers = [
    {
      cluster: CLUSTER,
      group: 'service:web',
      class: 'service',
      tasks: [{ task: shown.task, lastStatus: 'RUNNING', since: shown.since }],
      causes: [{ cause: 'protected', until: '2026-03-01T11:00:00.000Z' }],
    },
  ];

  const holdingTasks = [holdingTask()];

  it.each<[DrainEvent, string, object]>([
    [{ kind: 'started', deadlineAtMs, holdingTasks }, 'ECS Drain Started', {}],
    [{ kind: 'stuck', deadlineAtMs, holdingTasks, explanation }, 'ECS Drain Stuck', { why, blockers }],
  ])(
    'says whose drain it is, since when, until when, and what holds the instance: $kind',
    async (event, type, more) => {
      expect(await published(event)).toEqual({
        source: SOURCE,
        detailType: type,
        detail: {
          version: 1,
          drainId: drain.action.token,
          instanceId: INSTANCE_ID,
          trigger: 'lifecycle-action',
          autoScalingGroup: 'web',
          lifecycleHook: 'ecs-drain',
          cluster: CLUSTER,
          startedAt: '2026-03-01T09:00:00.000Z',
          deadlineAt: '2026-03-01T11:00:00.000Z',
          holdingTasks: [shown],
          ...more,
        },
      });
    },
  );

  it('says why tasks held the instance to the end', async () => {
    const outcome: Outcome = { kind: 'timed-out', deadlineAtMs, result: 'CONTINUE', killedTasks: holdingTasks };
    expect((await published({ kind: 'finished', outcome, finishedAtMs, explanation })).detail).toMatchObject({
      // Not what to do about a task that was killed since.
      why: why.replace(/ What to do: .*$/, ''),
      blockers,
    });
  });

  it('says what ECS did not report, and leaves out what is too much to read', async () => {
    const [blocker] = explanation.blockers;
    const many = Array.from({ length: 60 }, () => blocker as Blocker);
    const vast = { ...explanation, blockers: many, unknown: [`Could not ask: ${'x'.repeat(10_000)}`] };
    const { detail } = await published({ kind: 'stuck', deadlineAtMs, holdingTasks, explanation: vast });
    expect(detail.blockers).toHaveLength(50);
    expect(detail.moreBlockers).toBe(10);
    expect(detail.why.length).toBeLessThan(2_000);
    expect(detail.unknown[0]).toMatch(/^Could not ask: x+…$/);
    expect(detail.unknown[0].length).toBeLessThan(500);
  });

  const lastSeen = { tasks: [holdingTask()], atMs: finishedAtMs - 5_000, haveStopped: false };
  const left = {
    lastSeenAt: '2026-03-01T09:06:35.000Z',
    lastSeenTasks: [{ task: shown.task, cluster: 'prod' }],
  };

  it.each<[Outcome, string, object]>([
    [{ kind: 'drained', lastTaskStoppedAtMs: undefined }, 'Drained: every task has stopped', { holdingTasks: [] }],
    [
      { kind: 'gone', clusters: ['prod', 'batch'], lastSeen },
      'Gone: the instance has no live registration in prod, batch; 1 task held the instance when it was seen last, 5 s ago; it is not known whether it had stopped',
      left,
    ],
    [
      { kind: 'timed-out', deadlineAtMs, result: 'CONTINUE', killedTasks: [holdingTask()] },
      'Timed out: 1 task had not stopped at the deadline, 2026-03-01T11:00:00Z (result CONTINUE)',
      { holdingTasks: [shown] },
    ],
    [
      { kind: 'timed-out', deadlineAtMs, result: 'CONTINUE', killedTasks: [], sparedTasks: [holdingTask()] },
      'Timed out: 1 task had not stopped at the deadline, 2026-03-01T11:00:00Z (result CONTINUE). Nothing was killed: EC2 has recommended to rebalance the instance, and has not taken it',
      { holdingTasks: [shown] },
    ],
    [
      { kind: 'agent-lost', disconnectedSinceMs: deadlineAtMs, result: 'ABANDON', killedTasks: [holdingTask()] },
      'Agent lost: the ECS agent of the instance has been disconnected since 2026-03-01T11:00:00Z, and 1 task may not have stopped (result ABANDON)',
      { holdingTasks: [shown] },
    ],
    [
      { kind: 'already-completed', lastSeen },
      'Already completed: someone else completed the lifecycle action, its hook timed out, or the hook or its group was deleted; 1 task held the instance when it was seen last, 5 s ago; it is not known whether it had stopped',
      left,
    ],
  ])('says how it ended, why, and what had not stopped or was seen last: $kind', async (outcome, reason, tasks) => {
    const { detailType, detail } = await published({ kind: 'finished', outcome, finishedAtMs });
    expect(detailType).toBe('ECS Drain Finished');
    expect(detail).toMatchObject({
      outcome: outcome.kind,
      reason,
      ...tasks,
      finishedAt: '2026-03-01T09:06:40.000Z',
      durationSeconds: 400,
      continuations: 1,
      heartbeats: 2,
    });
    expect('holdingTasks' in detail).toBe('holdingTasks' in tasks);
  });

  it('says that ECS drains, and that we only watch', async () => {
    const started = { kind: 'started', deadlineAtMs, holdingTasks: [] } as const;
    const { detail } = await published(started, { about: supervisedDrain });
    const { autoScalingGroup, lifecycleHook } = supervisedDrain.action;
    expect(detail).toMatchObject({ trigger: 'managed-draining', autoScalingGroup, lifecycleHook });
  });

  it('is about a notice, which has no group, no hook and no heartbeats', async () => {
    const started = { kind: 'started', deadlineAtMs, holdingTasks: [] } as const;
    const { detail } = await published(started, { about: noticeDrain });
    expect(detail).toMatchObject({
      trigger: 'spot-interruption',
      drainId: noticeDrain.notice.token,
      instanceId: INSTANCE_ID,
    });
    expect(Object.keys(detail)).not.toContain('autoScalingGroup');
    const outcome = { kind: 'drained', lastTaskStoppedAtMs: undefined } as const;
    const finished = await published({ kind: 'finished', outcome, finishedAtMs }, { about: noticeDrain });
    expect(finished.detail).toMatchObject({ heartbeats: 0, continuations: 0 });
  });

  it('has no duration below zero, whatever the clocks of two machines say', async () => {
    const about = { ...drain, startedAtMs: finishedAtMs + 1 };
    const outcome = { kind: 'drained', lastTaskStoppedAtMs: undefined } as const;
    const { detail } = await published({ kind: 'finished', outcome, finishedAtMs }, { about });
    expect(detail.durationSeconds).toBe(0);
  });

  it('leaves out since when a task is in its status, and the tasks, where they are not known', async () => {
    const [since, ...others] = [holdingTask({ statusSinceMs: undefined }), holdingTask()];
    const { detail } = await published({ kind: 'started', deadlineAtMs, holdingTasks: [since, ...others] });
    expect(detail.holdingTasks).toEqual([{ ...shown, since: undefined }, shown]);
    const unlisted = await published({ kind: 'started', deadlineAtMs, holdingTasks: undefined });
    expect(unlisted.detail).not.toHaveProperty('holdingTasks');
    const outcome = { kind: 'already-completed', lastSeen: undefined } as const;
    const never = await published({ kind: 'finished', outcome, finishedAtMs });
    expect(Object.keys(never.detail)).not.toEqual(
      expect.arrayContaining(['holdingTasks', 'lastSeenTasks', 'lastSeenAt']),
    );
    expect(never.detail.reason).toContain('it is not known whether tasks were on the instance');
  });

  it('shares its call with those of other drains, and each failure is its own', async () => {
    const endpoint = await aws(taking({ 1: { ErrorCode: 'MalformedDetail', ErrorMessage: 'No.' } }));
    const { publish } = eventBridgePublisher(new EventBridgeClient(endpoint.config), SOURCE, false);
    const started = { kind: 'started', deadlineAtMs, holdingTasks } as const;
    const stuck = { kind: 'stuck', deadlineAtMs, holdingTasks, explanation } as const;
    const failures = await publish([
      { drain, event: started },
      { drain: drainOfInstance(2), event: started },
      { drain: drainOfInstance(3), event: stuck },
    ]);
    expect(failures.map((failure) => failure?.message)).toEqual([
      undefined,
      'Could not publish that the drain of i-00000000000000002 has started: MalformedDetail: No.',
      undefined,
    ]);
    expect(endpoint.actions).toEqual(['PutEvents']);
  });

  it('says in its failure that a drain has got stuck', async () => {
    const endpoint = await aws({ PutEvents: throttled });
    const { publish } = eventBridgePublisher(new EventBridgeClient(endpoint.config), SOURCE, false);
    const [failure] = await publish([{ drain, event: { kind: 'stuck', deadlineAtMs, holdingTasks, explanation } }]);
    expect(failure?.message).toContain(`Could not publish that the drain of ${INSTANCE_ID} has got stuck: Throttling`);
  });

  it('says in a dry run that nothing was done', async () => {
    const event: DrainEvent = { kind: 'started', deadlineAtMs, holdingTasks: [] };
    expect((await published(event, { dryRun: true })).detail).toMatchObject({ dryRun: true });
    expect((await published(event)).detail).not.toHaveProperty('dryRun');
  });
});

describe('an event of a drain that could not be handled', () => {
  it('is an event on the bus, with what is known of the drain and a reason that no terminal acts on', async () => {
    const endpoint = await aws({ PutEvents: { Entries: [{ EventId: 'a' }, { ErrorCode: 'X', ErrorMessage: 'no' }] } });
    const { publishDeadLetters } = eventBridgePublisher(new EventBridgeClient(endpoint.config), SOURCE, true);
    const failed = { messageId: 'one', failedAtMs: Date.parse('2026-03-01T09:00:00Z') };
    const failures = await publishDeadLetters([
      { ...failed, instanceId: INSTANCE_ID, reason: 'red \u001b[31malert' },
      { ...failed, reason: 'x'.repeat(5_000) },
    ]);
    expect(failures).toMatchObject([
      undefined,
      { message: 'Could not publish that an event of the drain of an unknown instance could not be handled: X: no' },
    ]);
    const [{ Entries = [] } = {}] = endpoint.inputsOf('PutEvents');
    expect(Entries.map(({ DetailType }) => DetailType)).toEqual(Array(2).fill('ECS Drain Failed'));
    const common = { version: 1, messageId: 'one', failedAt: '2026-03-01T09:00:00.000Z', dryRun: true };
    expect(Entries.map(({ Detail = '' }) => JSON.parse(Detail))).toEqual([
      { ...common, instanceId: INSTANCE_ID, reason: 'red \\u{1b}[31malert' },
      { ...common, reason: 'x'.repeat(2_000) },
    ]);
  });
});

describe('an instance that has returned to service', () => {
  const returned = (n: number, autoScalingGroup?: string): Returned => ({
    instanceId: INSTANCE_ID,
    containerInstance: { arn: containerInstanceArn(n), cluster: CLUSTER },
    autoScalingGroup,
    trigger: 'rebalance-recommendation',
    drainingSinceMs: Date.parse('2026-03-01T09:00:00Z'),
    returnedAtMs: Date.parse('2026-03-01T09:16:00Z'),
  });

  it('is an event on the bus: which, why it was drained, and since when', async () => {
    const endpoint = await aws({ PutEvents: { Entries: [{ EventId: 'a' }, { ErrorCode: 'X', ErrorMessage: 'no' }] } });
    const { publishReturns } = eventBridgePublisher(new EventBridgeClient(endpoint.config), SOURCE, false);
    const failures = await publishReturns([returned(1, 'web'), returned(2)]);
    expect(failures).toMatchObject([
      undefined,
      { message: `Could not publish that ${INSTANCE_ID} has returned to service: X: no` },
    ]);
    const [{ Entries = [] } = {}] = endpoint.inputsOf('PutEvents');
    expect(Entries.map(({ Source, DetailType }) => [Source, DetailType])).toEqual(
      Array(2).fill([SOURCE, 'ECS Drain Returned']),
    );
    expect(Entries.map(({ Detail = '' }) => JSON.parse(Detail))).toEqual([
      {
        version: 1,
        instanceId: INSTANCE_ID,
        trigger: 'rebalance-recommendation',
        autoScalingGroup: 'web',
        cluster: CLUSTER,
        containerInstance: containerInstanceArn(1).split('/').at(-1),
        drainingSince: '2026-03-01T09:00:00.000Z',
        returnedAt: '2026-03-01T09:16:00.000Z',
      },
      expect.not.objectContaining({ autoScalingGroup: expect.anything() }),
    ]);
  });
});
