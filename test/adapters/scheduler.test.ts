import { Readable } from 'node:stream';
import { type CreateScheduleInput, SchedulerClient, type SchedulerClientConfig } from '@aws-sdk/client-scheduler';
import { ConfiguredRetryStrategy } from '@smithy/core/retry';
import { HttpResponse } from '@smithy/core/transport';
import { beforeEach, describe, expect, it } from 'vitest';
import { AwsError } from '../../sandbox/region/aws-error.ts';
import { NO_FAULTS } from '../../sandbox/region/faults.ts';
import { roleFor } from '../../sandbox/region/iam/api.ts';
import { createRegion, type Region } from '../../sandbox/region/region.ts';
import type { WireCall } from '../../sandbox/region/wire/wire.ts';
import { SDK_BOUNDS } from '../../src/adapters/aws-call.ts';
import { drainSchedules, type SchedulerSettings } from '../../src/adapters/scheduler.ts';
import type { Drain, HeldDrain, NoticeDrain, NoticeKind } from '../../src/domain/drain.ts';
import { type DrainSchedules, Unavailable } from '../../src/domain/ports.ts';
import { CLUSTER, containerInstanceArn, drain as drainUnderWay, INSTANCE_ID, noticeDrain, taskArn } from './samples.ts';

const START_MS = Date.UTC(2026, 0, 1);
const LATER_MS = START_MS + 330_000;
const SETTINGS: SchedulerSettings = {
  scheduleGroup: 'ecs-drain-blue',
  scheduleRoleArn: 'arn:aws:iam::123456789012:role/parking',
  eventQueueArn: 'arn:aws:sqs:eu-west-1:123456789012:events',
  deadLetterQueueArn: 'arn:aws:sqs:eu-west-1:123456789012:dead-letters',
};
const BUS_ARN = 'arn:aws:events:eu-west-1:123456789012:event-bus/default';

/** The id of the EC2 instance, and the beginning of the SHA-256 of `ecs-drain`. */
const NAME = `${INSTANCE_ID}-c90eb692`;
const NOTICE_NAME = `${INSTANCE_ID}-spot-interruption`;
const NOTICES: readonly NoticeKind[] = ['spot-interruption', 'rebalance-recommendation'];

/** The drain as it is parked: its state says where, and when its schedule fires. */
const drain: HeldDrain = { ...drainUnderWay, parked: { schedule: NAME, untilMs: LATER_MS, firesAtMs: LATER_MS } };

/** EC2 has also recommended to rebalance the instance. */
const recommended: NoticeDrain = {
  ...noticeDrain,
  notice: { ...noticeDrain.notice, kind: 'rebalance-recommendation', token: '00000000-1111-2222-3333-444444444444' },
};

let region: Region;
/** What Scheduler refuses. */
let failing: (call: WireCall) => AwsError | undefined;
let queue: ReturnType<Region['createQueue']>;
let onTheBus: unknown[];
let schedules: DrainSchedules;

beforeEach(() => {
  failing = () => undefined;
  region = createRegion({ startMs: START_MS, seed: 1, faults: { ...NO_FAULTS, failing: (call) => failing(call) } });
  const anything = { Effect: 'Allow', Action: '*', Resource: '*' };
  region.roles.set('parking', roleFor('scheduler.amazonaws.com', [anything]));
  queue = region.createQueue({ name: 'events', visibilityTimeoutSeconds: 60, maxReceiveCount: 5 });
  onTheBus = [];
  const pattern = { source: ['ecs-drain.blue'] };
  region.eventBridge.putRule({ name: 'continuation', pattern, target: (event) => onTheBus.push(event) });
  region.scheduler.operations.CreateScheduleGroup({ Name: SETTINGS.scheduleGroup });
  schedules = schedulesThrough({ requestHandler: region.transport });
});

function schedulesThrough(
  config: SchedulerClientConfig,
  { signal = new AbortController().signal, notices = NOTICES, nowMs = () => region.time.nowMs() } = {},
): DrainSchedules {
  const client = new SchedulerClient({
    ...SDK_BOUNDS,
    region: 'eu-west-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    retryStrategy: new ConfiguredRetryStrategy(SDK_BOUNDS.maxAttempts, () => 1),
    ...config,
  });
  const clock = { nowMs };
  const lifecycleHooks = ['ecs-drain', 'other'];
  return drainSchedules({ client, settings: SETTINGS, clock, lifecycleHooks, notices })(signal);
}

const { scheduleGroup: GroupName } = SETTINGS;
const stored = (Name = NAME) => region.scheduler.operations.GetSchedule({ GroupName, Name });
const names = () => region.scheduler.operations.ListSchedules({ GroupName }).Schedules?.map(({ Name }) => Name);
const operations = () => region.calls.map(({ operation }) => operation);
const settle = () => region.time.runUntil(() => false);
/** What the schedules have sent to the queue since. */
const delivered = () =>
  queue.receive(10).map(({ body, receiptHandle }) => {
    queue.delete(receiptHandle);
    return JSON.parse(body);
  });

/** Lets so much time pass. */
async function pass(seconds: number): Promise<void> {
  const untilMs = region.time.nowMs() + seconds * 1000;
  region.time.after(seconds, () => {});
  await region.time.runUntil(() => region.time.nowMs() >= untilMs);
}

/** A schedule that another version of the function, or someone else, has left there. */
function leave(input: unknown, Name = NAME, target: object = { Arn: SETTINGS.eventQueueArn }): void {
  const Target = { RoleArn: SETTINGS.scheduleRoleArn, Input: JSON.stringify(input), ...target };
  const ScheduleExpression = 'at(2026-01-01T00:05:30)';
  const schedule = { GroupName, Name, ScheduleExpression, FlexibleTimeWindow: { Mode: 'OFF' }, Target };
  region.scheduler.operations.CreateSchedule(schedule as CreateScheduleInput);
}

describe('a drain that parks', () => {
  it('is a one-time schedule in the group of the deployment, which sends the bare continuation to the queue', async () => {
    expect(await schedules.put(drain, NAME, LATER_MS - 211, 'absent')).toBe('parked');
    expect(operations()).toEqual(['CreateSchedule']);
    const { Target: { Input = '', ...target } = {}, ...schedule } = stored();
    expect(schedule).toMatchObject({
      Name: NAME,
      GroupName: 'ecs-drain-blue',
      ScheduleExpression: 'at(2026-01-01T00:05:30)',
      ScheduleExpressionTimezone: 'UTC',
      FlexibleTimeWindow: { Mode: 'OFF' },
      ActionAfterCompletion: 'NONE',
      State: 'ENABLED',
    });
    expect(target).toMatchObject({
      Arn: SETTINGS.eventQueueArn,
      RoleArn: SETTINGS.scheduleRoleArn,
      DeadLetterConfig: { Arn: SETTINGS.deadLetterQueueArn },
    });
    expect(JSON.parse(Input)).toEqual({ version: 8, drain });
    await settle();
    expect(delivered()).toEqual([{ version: 8, drain }]);
    expect(region.time.nowMs()).toBeGreaterThanOrEqual(LATER_MS);
  });

  it('names its schedule after the EC2 instance and the hook or the notice, whatever registration the instance has', () => {
    const other = { ...drain, action: { ...drain.action, lifecycleHook: 'other' } };
    const known = { containerInstances: [{ arn: containerInstanceArn(7), cluster: CLUSTER }] };
    expect(schedules.nameOf(drain)).toBe(`${INSTANCE_ID}-c90eb692`);
    expect(schedules.nameOf({ ...drain, known })).toBe(`${INSTANCE_ID}-c90eb692`);
    expect(schedules.nameOf(other)).toBe(`${INSTANCE_ID}-d9298a10`);
    expect(schedules.nameOf(noticeDrain)).toBe(`${INSTANCE_ID}-spot-interruption`);
    expect(schedules.nameOf(recommended)).toBe(`${INSTANCE_ID}-rebalance-recommendation`);
  });

  it('has a name that Scheduler takes, however long that of its hook is', async () => {
    const long = { ...drain, action: { ...drain.action, lifecycleHook: 'any hook/'.repeat(28) } };
    expect(await schedules.put(long, schedules.nameOf(long), LATER_MS, 'absent')).toBe('parked');
  });

  it.each([
    ['a new one', 'absent'],
    ['one that is still to fire', 'pending'],
    ['one that should be there', 'pending'],
    ['one that has fired', 'fired'],
    ['one of an earlier drain', 'absent'],
  ] as const)(
    'of %s is never written for the past: whatever came before, the clock is read with it',
    async (what, before) => {
      if (what === 'one that is still to fire') await schedules.put(drain, NAME, LATER_MS, 'absent');
      if (what === 'one of an earlier drain')
        await schedules.put(
          { ...drain, action: { ...drain.action, instanceId: 'i-00000000' } },
          NAME,
          LATER_MS,
          'absent',
        );
      let nowMs = LATER_MS - 10_000;
      const slow = schedulesThrough({ requestHandler: region.transport }, { nowMs: () => (nowMs += 6_500) });
      expect(await slow.put(drain, NAME, LATER_MS, before)).toBe('parked');
      const aheadMs = Date.parse(`${stored().ScheduleExpression?.slice(3, -1)}Z`) - nowMs;
      expect(aheadMs).toBeGreaterThanOrEqual(20_000);
      expect(aheadMs).toBeLessThan(21_000);
    },
  );

  it('again before its schedule has fired changes the time and the state in one call', async () => {
    await schedules.put(drain, NAME, LATER_MS, 'absent');
    const next = { ...drain, continuations: 2, heartbeats: 3 };
    expect(await schedules.put(next, NAME, LATER_MS + 60_000, 'pending')).toBe('parked');
    expect(operations()).toEqual(['CreateSchedule', 'UpdateSchedule']);
    expect(stored()).toMatchObject({ ScheduleExpression: 'at(2026-01-01T00:06:30)', ActionAfterCompletion: 'NONE' });
    await settle();
    expect(delivered()).toEqual([{ version: 8, drain: next }]);
  });

  it('creates a schedule where the one that should be pending is gone', async () => {
    expect(await schedules.put(drain, NAME, LATER_MS, 'pending')).toBe('parked');
    expect(operations()).toEqual(['UpdateSchedule', 'CreateSchedule']);
    await settle();
    expect(delivered()).toHaveLength(1);
  });
});

describe('a new drain whose schedule is there already', () => {
  /** The drain as another delivery has parked it. */
  const ofAnother = (changes: Partial<HeldDrain>): Drain => ({
    ...drain,
    ...changes,
    parked: { schedule: NAME, untilMs: LATER_MS, firesAtMs: LATER_MS, turn: 0.75 },
  });

  it('is taken if the same drain waits there: nothing is changed', async () => {
    await schedules.put(ofAnother({ heartbeats: 9 }), NAME, LATER_MS, 'absent');
    const before = stored();
    expect(await schedules.put(drain, NAME, LATER_MS + 60_000, 'absent')).toBe('taken');
    expect(operations()).toEqual(['CreateSchedule', 'CreateSchedule', 'GetSchedule']);
    expect(stored()).toEqual(before);
  });

  it('is its own if it has the same turn, because the answer to an earlier call was lost', async () => {
    const own = { ...drain, parked: { schedule: NAME, untilMs: LATER_MS, firesAtMs: LATER_MS, turn: 0.25 } };
    await schedules.put({ ...own, heartbeats: 9 }, NAME, LATER_MS, 'absent');
    expect(await schedules.put(own, NAME, LATER_MS + 60_000, 'absent')).toBe('parked');
    expect(operations().slice(1)).toEqual(['CreateSchedule', 'GetSchedule', 'UpdateSchedule']);
    expect(await schedules.get(NAME)).toEqual(own);
  });

  it('is taken if it was found without its event, and so without its token', async () => {
    const { token: _, ...action } = drain.action;
    await schedules.put(ofAnother({ action }), NAME, LATER_MS, 'absent');
    expect(await schedules.put(drain, NAME, LATER_MS, 'absent')).toBe('taken');
  });

  it.each([
    [329, 'taken'],
    [330, 'parked'],
  ])(
    'takes the schedule over once it has fired, because that continuation is on its way or lost: %i s',
    async (seconds, answer) => {
      await schedules.put(drain, NAME, LATER_MS, 'absent');
      await pass(seconds);
      const again = { ...drain, heartbeats: 9 };
      expect(await schedules.put(again, NAME, LATER_MS + 600_000, 'absent')).toBe(answer);
      expect(await schedules.get(NAME)).toMatchObject({ heartbeats: answer === 'parked' ? 9 : 2 });
    },
  );

  it('takes the schedule over if it is of another lifecycle action, which is over', async () => {
    const token = '00000000-4321-4321-4321-210987654321';
    await schedules.put({ ...drain, action: { ...drain.action, token } }, NAME, LATER_MS, 'absent');
    expect(await schedules.put(drain, NAME, LATER_MS, 'absent')).toBe('parked');
    await settle();
    expect(delivered()).toEqual([{ version: 8, drain }]);
  });

  it.each<[string, unknown]>([
    ['cannot be understood, because nothing could continue by it', { n: 1 }],
    ['does not say when it fires', { version: 8, drain: { ...drain, parked: undefined } }],
  ])('takes the schedule over if its state %s', async (_, state) => {
    leave(state);
    expect(await schedules.put(drain, NAME, LATER_MS, 'absent')).toBe('parked');
    expect(await schedules.get(NAME)).toEqual(drain);
  });

  it('parks where the schedule is deleted meanwhile', async () => {
    await schedules.put(drain, NAME, LATER_MS, 'absent');
    failing = ({ operation }) => {
      if (operation === 'GetSchedule') region.scheduler.operations.DeleteSchedule({ GroupName, Name: NAME });
      return undefined;
    };
    expect(await schedules.put(drain, NAME, LATER_MS, 'absent')).toBe('parked');
  });

  it('waits if Scheduler does not say whose schedule it is', async () => {
    await schedules.put(drain, NAME, LATER_MS, 'absent');
    failing = ({ operation }) =>
      operation === 'GetSchedule' ? new AwsError('ThrottlingException', 'Rate exceeded', 429) : undefined;
    await expect(schedules.put(drain, NAME, LATER_MS, 'absent')).rejects.toThrow(Unavailable);
    expect(operations()).not.toContain('DeleteSchedule');
  });
});

describe('a drain whose schedule has fired', () => {
  it('gets a new one, because an update may not let it fire again', async () => {
    await schedules.put(drain, NAME, LATER_MS, 'absent');
    await settle();
    expect(delivered()).toHaveLength(1);
    const callsBefore = region.calls.length;
    expect(await schedules.put(drain, NAME, region.time.nowMs() + 300_000, 'fired')).toBe('parked');
    expect(operations().slice(callsBefore)).toEqual(['DeleteSchedule', 'CreateSchedule']);
    await settle();
    expect(delivered()).toHaveLength(1);
  });

  it('is taken if another delivery creates the new one first', async () => {
    await schedules.put(drain, NAME, LATER_MS, 'absent');
    await settle();
    failing = ({ operation }) => {
      if (operation === 'CreateSchedule' && names()?.length === 0) leave({ version: 8, drain });
      return undefined;
    };
    expect(await schedules.put(drain, NAME, region.time.nowMs() + 300_000, 'fired')).toBe('taken');
    expect(names()).toEqual([NAME]);
  });

  it('gets a new one also where an invocation crashed after it had deleted the old one', async () => {
    expect(await schedules.put(drain, NAME, LATER_MS, 'fired')).toBe('parked');
    expect(names()).toEqual([NAME]);
  });
});

describe('the drains that are parked on an instance', () => {
  const other: HeldDrain = { ...drain, action: { ...drain.action, lifecycleHook: 'other' } };
  const park = async (...drains: readonly Parameters<DrainSchedules['put']>[0][]) => {
    for (const each of drains) {
      await schedules.put(each, schedules.nameOf(each), LATER_MS, 'absent');
    }
  };

  it('are found whole, of every hook and on notices', async () => {
    await park(drain, other, noticeDrain, recommended);
    const ofNotices = NOTICES.map((kind) => `${INSTANCE_ID}-${kind}`);
    expect(names()?.toSorted()).toEqual([NAME, `${INSTANCE_ID}-d9298a10`, ...ofNotices].toSorted());
    const callsBefore = region.calls.length;
    expect(await schedules.parkedOn(INSTANCE_ID)).toEqual([drain, other, noticeDrain, recommended]);
    expect(operations().slice(callsBefore)).toEqual(Array(5).fill('GetSchedule'));
  });

  it('are found under the name that version 0.2.0 gave to the drains on all notices', async () => {
    await schedules.put(recommended, `${INSTANCE_ID}-notice`, LATER_MS, 'absent');
    expect(await schedules.parkedOn(INSTANCE_ID)).toEqual([recommended]);
  });

  it('are not looked for on notices where there are none', async () => {
    await park(drain, noticeDrain);
    const withoutNotices = schedulesThrough({ requestHandler: region.transport }, { notices: [] });
    const callsBefore = region.calls.length;
    expect(await withoutNotices.parkedOn(INSTANCE_ID)).toEqual([drain]);
    expect(operations().slice(callsBefore)).toEqual(Array(2).fill('GetSchedule'));
  });

  it('are none where nothing waits', async () => {
    await park(drain);
    expect(await schedules.parkedOn('i-0123456789abcdef1')).toEqual([]);
  });

  it('are still found after the schedule has fired, until it is deleted', async () => {
    await park(drain);
    await settle();
    expect(await schedules.parkedOn(INSTANCE_ID)).toEqual([drain]);
    await schedules.delete(NAME);
    expect(await schedules.parkedOn(INSTANCE_ID)).toEqual([]);
  });
});

describe('the state in a schedule', () => {
  it('is read with one call', async () => {
    await schedules.put(drain, NAME, LATER_MS, 'absent');
    const callsBefore = region.calls.length;
    expect(await schedules.get(NAME)).toEqual(drain);
    expect(await schedules.get(NOTICE_NAME)).toBeUndefined();
    expect(operations().slice(callsBefore)).toEqual(['GetSchedule', 'GetSchedule']);
  });

  it('starts the drain again if a later version wrote it', async () => {
    const { action, startedAtMs } = drain;
    leave({ version: 9, drain: { action, startedAtMs, continuations: 7, parked: 'otherwise' } });
    const found = await schedules.get(NAME);
    expect(found).toMatchObject({ kind: 'held', action, startedAtMs, continuations: 7, heartbeats: 0 });
    expect(found?.parked).toBeUndefined();
  });

  it('that cannot be understood is an error that names the schedule and the field', async () => {
    leave({ version: 8, drain: { ...drain, heartbeats: 'many' } });
    const sentence = `The schedule ${NAME} cannot be understood: Target.Input.drain.heartbeats is "many": expected a count.`;
    await expect(schedules.get(NAME)).rejects.toThrow(
      `Could not read the schedule ${NAME}: UnreadableSchedule: ${sentence}`,
    );
  });

  it('that cannot be understood, or is refused, is an error beside the other drains of the instance', async () => {
    leave({ version: 8, drain: { ...drain, heartbeats: 'many' } });
    await schedules.put(noticeDrain, NOTICE_NAME, LATER_MS, 'absent');
    const [unreadable, ...others] = await schedules.parkedOn(INSTANCE_ID);
    const sentence = `Could not look for drains that are parked on ${INSTANCE_ID}: `;
    expect((unreadable as Error).message).toMatch(`${sentence}UnreadableSchedule: The schedule ${NAME} `);
    expect(others).toEqual([noticeDrain]);
    failing = ({ operation }) =>
      operation === 'GetSchedule' ? new AwsError('ThrottlingException', 'Rate exceeded', 429) : undefined;
    const refused = await schedules.parkedOn(INSTANCE_ID);
    expect(refused).toEqual(Array(5).fill(expect.any(Unavailable)));
    expect((refused[0] as Error).message).toBe(`${sentence}ThrottlingException: Rate exceeded`);
  });

  it.each<[string, object]>([
    ['not JSON', { Target: { Arn: BUS_ARN, RoleArn: SETTINGS.scheduleRoleArn, Input: 'drain it, please' } }],
    ['left out', { Target: { Arn: BUS_ARN, RoleArn: SETTINGS.scheduleRoleArn } }],
    ['left out with its target', {}],
  ])('that is %s is such an error', async (_, answer) => {
    const body = Buffer.from(JSON.stringify({ Name: NAME, ...answer }));
    const requestHandler = {
      handle: async () => ({ response: new HttpResponse({ statusCode: 200, body: Readable.from([body]) }) }),
    };
    await expect(schedulesThrough({ requestHandler }).get(NAME)).rejects.toThrow(
      `The schedule ${NAME} cannot be understood: Target.Input is missing`,
    );
  });
});

describe('a schedule that version 0.1.0 created', () => {
  const OLD_NAME = '00000000000000000000000000000001';
  const { action, startedAtMs, hook, lastHeartbeatAtMs, heartbeats, continuations, pollIntervalSeconds } = drain;
  const detail = {
    version: 4,
    drain: {
      ...{ action, startedAtMs, hook, lastHeartbeatAtMs, heartbeats, continuations, pollIntervalSeconds },
      containerInstance: containerInstanceArn(),
      parked: {
        untilMs: LATER_MS,
        containerInstances: [{ arn: containerInstanceArn(), cluster: CLUSTER }],
        holdingTasks: [{ arn: taskArn(), cluster: CLUSTER }],
        awaitedTask: taskArn(),
      },
    },
  };

  beforeEach(() => {
    const EventBridgeParameters = { Source: 'ecs-drain.blue', DetailType: 'ECS Drain Continuation' };
    leave(detail, OLD_NAME, { Arn: BUS_ARN, EventBridgeParameters });
  });

  it('puts its continuation on the bus, and holds the state that this version can read', async () => {
    await settle();
    expect(onTheBus).toMatchObject([{ 'detail-type': 'ECS Drain Continuation', detail }]);
    expect(await schedules.get(OLD_NAME)).toMatchObject({
      kind: 'held',
      action,
      parked: { schedule: OLD_NAME, untilMs: LATER_MS, firesAtMs: LATER_MS },
    });
  });

  it('is found by a registration of its instance, as one of a later version that was named after the registration and the hook', () => {
    expect(schedules.earlierNamesOf(drain, containerInstanceArn())).toEqual([`${OLD_NAME}-c90eb692`, OLD_NAME]);
    // The ARN of before 2018, without the cluster, and its id with hyphens.
    const id = 'f9cc75bb-0c94-46b9-bf6d-49d320bc1551';
    const arn = `arn:aws:ecs:eu-west-1:123456789012:container-instance/${id}`;
    expect(schedules.earlierNamesOf(drain, arn)).toEqual([`${id}-c90eb692`, id]);
  });
});

describe('when schedules were written', () => {
  it('is read of all schedules of this deployment in one call', async () => {
    region.scheduler.operations.CreateScheduleGroup({ Name: 'ecs-drain-green' });
    await schedules.put(drain, NAME, LATER_MS, 'absent');
    await schedules.put(noticeDrain, NOTICE_NAME, LATER_MS, 'absent');
    const { Name: _, GroupName: __, ...schedule } = stored();
    const others = { ...schedule, GroupName: 'ecs-drain-green', Name: 'another' };
    region.scheduler.operations.CreateSchedule(others as CreateScheduleInput);
    const callsBefore = region.calls.length;
    const writtenAtMs = await schedules.writtenAtMs();
    expect(operations().slice(callsBefore)).toEqual(['ListSchedules']);
    expect([...writtenAtMs.keys()].toSorted()).toEqual([NAME, NOTICE_NAME]);
    expect(writtenAtMs.get(NAME)).toBeCloseTo(region.time.nowMs(), -3);
  });

  it('is when they were written last', async () => {
    await schedules.put(drain, NAME, LATER_MS, 'absent');
    const before = (await schedules.writtenAtMs()).get(NAME) ?? Infinity;
    await pass(60);
    await schedules.put(drain, NAME, LATER_MS + 3_600_000, 'pending');
    expect((await schedules.writtenAtMs()).get(NAME)).toBeGreaterThan(before);
  });

  it('is read on every page, and not of a schedule that lacks its name or its date', async () => {
    const pages = [
      {
        Schedules: [{ Name: 'a-notice', LastModificationDate: 1_767_225_600 }, { Name: 'b-notice' }],
        NextToken: 'more',
      },
      {
        Schedules: [{ LastModificationDate: 1_767_225_600 }, { Name: 'c-notice', LastModificationDate: 1_767_225_601 }],
      },
      {},
    ];
    const answering = (answers: readonly object[]) => {
      const left = [...answers];
      const handle = async () => {
        const body = Readable.from([Buffer.from(JSON.stringify(left.shift()))]);
        return { response: new HttpResponse({ statusCode: 200, body }) };
      };
      return schedulesThrough({ requestHandler: { handle } });
    };
    expect([...(await answering(pages).writtenAtMs())]).toEqual([
      ['a-notice', START_MS],
      ['c-notice', START_MS + 1_000],
    ]);
    expect((await answering([{}]).writtenAtMs()).size).toBe(0);
  });
});

describe('a schedule that is deleted', () => {
  it('does not fire', async () => {
    await schedules.put(drain, NAME, LATER_MS, 'absent');
    await schedules.delete(NAME);
    expect(names()).toEqual([]);
    await settle();
    expect(delivered()).toEqual([]);
  });

  it('may be gone already', async () => {
    await schedules.delete(NAME);
    expect(operations()).toEqual(['DeleteSchedule']);
  });
});

describe('what EventBridge Scheduler refuses', () => {
  const uses: Record<string, [use: () => Promise<unknown>, sentence: string]> = {
    CreateSchedule: [
      () => schedules.put(drain, NAME, LATER_MS, 'absent'),
      `Could not park the drain of ${INSTANCE_ID}: `,
    ],
    UpdateSchedule: [
      () => schedules.put(drain, NAME, LATER_MS, 'pending'),
      `Could not park the drain of ${INSTANCE_ID}: `,
    ],
    GetSchedule: [() => schedules.get(NAME), `Could not read the schedule ${NAME}: `],
    ListSchedules: [() => schedules.writtenAtMs(), 'Could not list the schedules of ecs-drain-blue: '],
    DeleteSchedule: [() => schedules.delete(NAME), `Could not delete the schedule ${NAME}: `],
  };
  const refusing = (operation: string, error: AwsError) => {
    failing = (call) => (call.operation === operation ? error : undefined);
  };

  it.each(Object.keys(uses))('%s that is throttled is tried again, then unavailable', async (operation) => {
    const [use, sentence] = uses[operation] ?? [];
    refusing(operation, new AwsError('ThrottlingException', 'Rate exceeded', 429));
    const error = await use?.().catch((each: unknown) => each);
    expect(error).toBeInstanceOf(Unavailable);
    expect((error as Error).message).toBe(`${sentence}ThrottlingException: Rate exceeded`);
    expect(operations()).toEqual(Array(4).fill(operation));
  });

  it.each(Object.keys(uses))('%s that is denied is an error with what to do, at once', async (operation) => {
    const [use, sentence] = uses[operation] ?? [];
    const words = `User: arn:aws:sts::123456789012:assumed-role/ecs-drain/ecs-drain is not authorized to perform: scheduler:${operation}`;
    refusing(operation, new AwsError('AccessDeniedException', words, 403));
    const error = await use?.().catch((each: unknown) => each);
    expect(error).not.toBeInstanceOf(Unavailable);
    expect((error as Error).message).toBe(
      `${sentence}AccessDeniedException: ${words}. Grant the function's role this action on this resource; serverless.yml lists what it needs.`,
    );
    expect(operations()).toEqual([operation]);
  });

  it('names a schedule group that does not exist, where drains park', async () => {
    region.scheduler.operations.DeleteScheduleGroup({ Name: GroupName });
    for (const before of ['absent', 'pending', 'fired'] as const) {
      await expect(schedules.put(drain, NAME, LATER_MS, before)).rejects.toThrow(
        /Schedule group ecs-drain-blue does not exist/,
      );
    }
    expect(await schedules.parkedOn(INSTANCE_ID)).toEqual([]);
    await schedules.delete(NAME);
  });
});

it('the end of an invocation ends each call that has not been answered', async () => {
  const ended = schedulesThrough({ requestHandler: region.transport }, { signal: AbortSignal.abort() });
  const asked = [
    ...(['absent', 'pending', 'fired'] as const).map((before) => ended.put(drain, NAME, LATER_MS, before)),
    ended.get(NAME),
    ended.writtenAtMs(),
    ended.delete(NAME),
  ];
  for (const answer of await Promise.allSettled(asked)) {
    expect(answer).toMatchObject({ status: 'rejected', reason: expect.any(Unavailable) });
  }
  expect(await ended.parkedOn(INSTANCE_ID)).toEqual(Array(5).fill(expect.any(Unavailable)));
});
