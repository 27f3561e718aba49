import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import { describe, expect, it } from 'vitest';
import { eventBridgeAnnouncements, eventBridgeContinuations } from '../../src/adapters/event-bridge.ts';
import type { Blocker, Explanation } from '../../src/domain/blockers.ts';
import { type Drain, newDrain, type Outcome } from '../../src/domain/drain.ts';
import { type News, Unavailable } from '../../src/domain/ports.ts';
import { CLUSTER, drain, holdingTask, INSTANCE_ID } from './samples.ts';
import { type AwsEndpoint, accessDenied, aws, badGateway, fault, reset, throttled } from './wire.ts';

const SOURCE = 'ecs-drain.blue';
const accepted = { FailedEntryCount: 0, Entries: [{ EventId: '11710aed-b79e-4468-a20b-bb3c0c3b4860' }] };

/** Hands the drain over through the real SDK client. */
function handOver({ config }: AwsEndpoint, handedOver: Drain) {
  return eventBridgeContinuations(new EventBridgeClient(config), SOURCE).continueNow(handedOver);
}

describe('handing a drain over', () => {
  it('puts one event on the default bus: ours, with the version and the whole drain', async () => {
    const endpoint = await aws({ PutEvents: accepted });
    await handOver(endpoint, drain);
    const [input] = endpoint.inputsOf('PutEvents');
    expect(input).toEqual({
      Entries: [{ Source: SOURCE, DetailType: 'ECS Drain Continuation', Detail: expect.any(String) }],
    });
    expect(JSON.parse(input?.Entries?.[0]?.Detail ?? '')).toEqual({ version: 4, drain });
  });

  it('loses nothing of a drain that knows little yet', async () => {
    const endpoint = await aws({ PutEvents: accepted });
    const young = newDrain(drain.action, drain.startedAtMs, undefined, 5);
    await handOver(endpoint, young);
    const detail = JSON.parse(endpoint.inputsOf('PutEvents')[0]?.Entries?.[0]?.Detail ?? '');
    expect(detail.drain).toEqual(young);
  });

  it('notices an entry that was refused in a 200', async () => {
    const refused = { ErrorCode: 'InternalFailure', ErrorMessage: 'Unexpected failure.' };
    const endpoint = await aws({ PutEvents: { FailedEntryCount: 1, Entries: [refused] } });
    await expect(handOver(endpoint, drain)).rejects.toThrow(
      `Could not put the continuation of ${INSTANCE_ID} on the bus: InternalFailure: Unexpected failure.`,
    );
  });

  it.each([
    ['nothing of it', {}],
    ['not why', { Entries: [{}] }],
  ])('notices an entry that was refused in a 200 which says %s', async (_, answer) => {
    const endpoint = await aws({ PutEvents: { FailedEntryCount: 1, ...answer } });
    const handedOver = handOver(endpoint, drain);
    await expect(handedOver).rejects.toThrow(`Could not put the continuation of ${INSTANCE_ID} on the bus`);
    await expect(handedOver).rejects.not.toThrow(Unavailable);
  });

  it.each([
    ['InternalFailure', true],
    ['ThrottlingException', true],
    ['NotAuthorizedForSourceException', false],
    ['MalformedDetail', false],
  ])('tells an entry that may be taken later from one that never will: %s', async (ErrorCode, later) => {
    const endpoint = await aws({ PutEvents: { FailedEntryCount: 1, Entries: [{ ErrorCode, ErrorMessage: '…' }] } });
    const error = await handOver(endpoint, drain).catch((each: unknown) => each);
    expect(error instanceof Unavailable).toBe(later);
  });

  it.each([
    ['throttled', throttled],
    ['an error inside the service', fault('InternalException', 'This exception occurs due to unexpected causes.', 500)],
    ['a gateway without a service', badGateway],
    ['a connection that breaks', reset],
  ])('is tried again, then unavailable: %s', async (_, answer) => {
    const endpoint = await aws({ PutEvents: answer });
    await expect(handOver(endpoint, drain)).rejects.toThrow(Unavailable);
    expect(endpoint.actions).toHaveLength(4);
  });

  it('says which permission it lacks', async () => {
    const endpoint = await aws({ PutEvents: accessDenied('events:PutEvents') });
    const handedOver = handOver(endpoint, drain);
    await expect(handedOver).rejects.toThrow('is not authorized to perform: events:PutEvents');
    await expect(handedOver).rejects.not.toThrow(Unavailable);
  });
});

describe('news of a drain', () => {
  /** Tells the news through the real SDK client; what it put on the bus. */
  async function put(news: News, { about = drain, dryRun = false }: { about?: Drain; dryRun?: boolean } = {}) {
    const endpoint = await aws({ PutEvents: accepted });
    await eventBridgeAnnouncements(new EventBridgeClient(endpoint.config), SOURCE, dryRun).announce(about, news);
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
    '1 task of service:web, RUNNING for 40 min: its scale-in protection is on until 2026-03-01T11:00:00.000Z.';
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

  it.each<[News, string, object]>([
    [{ kind: 'started', deadlineAtMs, holdingTasks }, 'ECS Drain Started', {}],
    [{ kind: 'stuck', deadlineAtMs, holdingTasks, explanation }, 'ECS Drain Stuck', { why, blockers }],
  ])('says whose drain it is, since when, until when, and what holds the instance: $kind', async (news, type, more) => {
    expect(await put(news)).toEqual({
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
  });

  it('says why tasks held the instance to the end', async () => {
    const outcome: Outcome = { kind: 'timed-out', deadlineAtMs, result: 'CONTINUE', killedTasks: holdingTasks };
    expect((await put({ kind: 'finished', outcome, finishedAtMs, explanation })).detail).toMatchObject({
      why,
      blockers,
    });
  });

  it('says what ECS did not tell, and leaves out what nobody would read', async () => {
    const [blocker] = explanation.blockers;
    const many = Array.from({ length: 60 }, () => blocker as Blocker);
    const vast = { ...explanation, blockers: many, unknown: [`Could not ask: ${'x'.repeat(10_000)}`] };
    const { detail } = await put({ kind: 'stuck', deadlineAtMs, holdingTasks, explanation: vast });
    expect(detail.blockers).toHaveLength(50);
    expect(detail.moreBlockers).toBe(10);
    expect(detail.why.length).toBeLessThan(2_000);
    expect(detail.unknown[0]).toMatch(/^Could not ask: x+…$/);
    expect(detail.unknown[0].length).toBeLessThan(500);
  });

  it.each<[Outcome, string, readonly object[]]>([
    [{ kind: 'drained', lastTaskStoppedAtMs: undefined }, 'every task has stopped', []],
    [{ kind: 'gone', clusters: ['prod', 'batch'] }, 'no live registration in prod, batch', []],
    [
      { kind: 'timed-out', deadlineAtMs, result: 'CONTINUE', killedTasks: [holdingTask()] },
      'tasks still held the instance at the deadline, 2026-03-01T11:00:00.000Z',
      [shown],
    ],
    [
      { kind: 'agent-lost', disconnectedSinceMs: deadlineAtMs, result: 'ABANDON', killedTasks: [holdingTask()] },
      "the instance's ECS agent has been silent since 2026-03-01T11:00:00.000Z",
      [shown],
    ],
    [
      { kind: 'already-completed', holdingTasks: [holdingTask()] },
      'the lifecycle action was completed by somebody else, or the hook timed out',
      [shown],
    ],
  ])('says how it ended, why, and what had not stopped: $kind', async (outcome, reason, holdingTasks) => {
    const { detailType, detail } = await put({ kind: 'finished', outcome, finishedAtMs });
    expect(detailType).toBe('ECS Drain Finished');
    expect(detail).toMatchObject({
      outcome: outcome.kind,
      reason,
      holdingTasks,
      finishedAt: '2026-03-01T09:06:40.000Z',
      durationSeconds: 400,
      continuations: 1,
      heartbeats: 2,
    });
  });

  it('of a notice has no group and no hook, and tells what the notice was', async () => {
    const action = { notice: 'spot-interruption', instanceId: INSTANCE_ID, token: 'an-event' } as const;
    const about = newDrain(action, drain.startedAtMs, undefined, 2);
    const { detail } = await put({ kind: 'started', deadlineAtMs, holdingTasks: [] }, { about });
    expect(detail).toMatchObject({ trigger: 'spot-interruption', drainId: 'an-event', instanceId: INSTANCE_ID });
    expect(Object.keys(detail)).not.toContain('autoScalingGroup');
  });

  it('of a task tells since when it is where it is only if ECS did', async () => {
    const holdingTasks = [holdingTask({ statusSinceMs: undefined })];
    const { detail } = await put({ kind: 'started', deadlineAtMs, holdingTasks });
    expect(detail.holdingTasks).toEqual([{ ...shown, since: undefined }]);
  });

  it('that the bus does not take says what it was', async () => {
    const { config } = await aws({ PutEvents: { FailedEntryCount: 1, Entries: [{ ErrorCode: 'MalformedDetail' }] } });
    const announcements = eventBridgeAnnouncements(new EventBridgeClient(config), SOURCE, false);
    await expect(announcements.announce(drain, { kind: 'started', deadlineAtMs, holdingTasks })).rejects.toThrow(
      `Could not tell the bus that the drain of ${INSTANCE_ID} is started: MalformedDetail`,
    );
  });

  it('of a dry run says that nothing was done', async () => {
    const news: News = { kind: 'started', deadlineAtMs, holdingTasks: [] };
    expect((await put(news, { dryRun: true })).detail).toMatchObject({ dryRun: true });
    expect((await put(news)).detail).not.toHaveProperty('dryRun');
  });
});
