import { Readable } from 'node:stream';
import {
  type CreateScheduleInput,
  SchedulerClient,
  type SchedulerClientConfig,
  type UpdateScheduleInput,
} from '@aws-sdk/client-scheduler';
import { ConfiguredRetryStrategy } from '@smithy/core/retry';
import { HttpResponse } from '@smithy/core/transport';
import { beforeEach, describe, expect, it } from 'vitest';
import { AwsError } from '../../sandbox/region/aws-error.ts';
import { NO_FAULTS } from '../../sandbox/region/faults.ts';
import { roleFor } from '../../sandbox/region/iam/api.ts';
import { createRegion, type Region } from '../../sandbox/region/region.ts';
import type { WireCall } from '../../sandbox/region/wire/wire.ts';
import { SDK_BOUNDS } from '../../src/adapters/aws-call.ts';
import { type SchedulerPlace, schedulerParkingPlaces } from '../../src/adapters/scheduler.ts';
import type { Drain, LifecycleAction } from '../../src/domain/drain.ts';
import { type ParkingPlaces, Unavailable } from '../../src/domain/ports.ts';
import { drainIn } from '../../src/handlers/events.ts';
import { POLICY, START_MS } from '../fakes.ts';
import { containerInstanceArn, drain, INSTANCE_ID } from './samples.ts';

const PLACE: SchedulerPlace = {
  scheduleGroup: 'ecs-drain-blue',
  scheduleRoleArn: 'arn:aws:iam::123456789012:role/parking',
  eventBusArn: 'arn:aws:events:eu-west-1:123456789012:event-bus/default',
  deadLetterQueueArn: 'arn:aws:sqs:eu-west-1:123456789012:dead-letters',
  eventSource: 'ecs-drain.blue',
};
const NAME = '00000000000000000000000000000001';
const LATER_MS = START_MS + 330_000;

const settings = {
  policy: POLICY,
  autoScalingGroups: ['web'],
  lifecycleHooks: ['ecs-drain'],
  clusterOfGroup: new Map(),
  notices: [],
  dryRun: false,
  eventSource: PLACE.eventSource,
  parking: PLACE,
};

let region: Region;
/** What Scheduler refuses. */
let failing: (call: WireCall) => AwsError | undefined;
let delivered: unknown[];
let places: ParkingPlaces;

beforeEach(() => {
  failing = () => undefined;
  delivered = [];
  region = createRegion({ startMs: START_MS, seed: 1, faults: { ...NO_FAULTS, failing: (call) => failing(call) } });
  const anything = { Effect: 'Allow', Action: '*', Resource: '*' };
  region.roles.set('parking', roleFor('scheduler.amazonaws.com', [anything]));
  const pattern = { source: [PLACE.eventSource] };
  region.eventBridge.putRule({ name: 'continuation', pattern, target: (event) => delivered.push(event) });
  region.scheduler.operations.CreateScheduleGroup({ Name: PLACE.scheduleGroup });
  places = placesThrough({ requestHandler: region.transport });
});

function placesThrough(config: SchedulerClientConfig, signal = new AbortController().signal): ParkingPlaces {
  const client = new SchedulerClient({
    ...SDK_BOUNDS,
    region: 'eu-west-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    retryStrategy: new ConfiguredRetryStrategy(SDK_BOUNDS.maxAttempts, () => 1),
    ...config,
  });
  const clock = { nowMs: () => region.time.nowMs(), sleepUntil: async () => {} };
  const read = (detail: unknown) => drainIn(detail, settings).drain;
  return schedulerParkingPlaces({ client, place: PLACE, clock, read })(signal);
}

const { scheduleGroup: GroupName } = PLACE;
const stored = (Name = NAME) => region.scheduler.operations.GetSchedule({ GroupName, Name });
const names = () => region.scheduler.operations.ListSchedules({ GroupName }).Schedules?.map(({ Name }) => Name);
const operations = () => region.calls.map(({ operation }) => operation);
const settle = () => region.time.runUntil(() => false);

/** Lets so much time pass. */
async function pass(seconds: number): Promise<void> {
  const untilMs = region.time.nowMs() + seconds * 1000;
  region.time.after(seconds, () => {});
  await region.time.runUntil(() => region.time.nowMs() >= untilMs);
}

/** Puts another payload into the schedule of the drain, as another deployment might. */
function leave(detail: unknown): void {
  const { Name, ScheduleExpression, FlexibleTimeWindow, Target } = stored();
  const update = { GroupName, Name, ScheduleExpression, FlexibleTimeWindow };
  region.scheduler.operations.UpdateSchedule({
    ...update,
    Target: { ...Target, Input: JSON.stringify(detail) },
  } as UpdateScheduleInput);
}

describe('a drain that parks', () => {
  it('is a one-time schedule of the deployment’s group, which puts the continuation on the bus', async () => {
    expect(await places.park(drain, LATER_MS + 789, 'new')).toBe('parked');
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
      Arn: PLACE.eventBusArn,
      RoleArn: PLACE.scheduleRoleArn,
      EventBridgeParameters: { Source: 'ecs-drain.blue', DetailType: 'ECS Drain Continuation' },
      DeadLetterConfig: { Arn: PLACE.deadLetterQueueArn },
    });
    expect(JSON.parse(Input)).toEqual({ version: 4, drain });
  });

  it('goes on with the same event as one that is handed over', async () => {
    await places.park(drain, LATER_MS, 'new');
    await settle();
    expect(delivered).toMatchObject([
      { source: 'ecs-drain.blue', 'detail-type': 'ECS Drain Continuation', detail: { version: 4, drain } },
    ]);
    expect(region.time.nowMs()).toBeGreaterThanOrEqual(LATER_MS);
  });

  it.each([
    [containerInstanceArn(10), '0000000000000000000000000000000a'],
    // The ARN of before 2018, without the cluster, and its id with hyphens.
    [
      'arn:aws:ecs:eu-west-1:123456789012:container-instance/f9cc75bb-0c94-46b9-bf6d-49d320bc1551',
      'f9cc75bb-0c94-46b9-bf6d-49d320bc1551',
    ],
  ])('has the last part of its container instance’s ARN for a name: %s', async (containerInstance, name) => {
    await places.park({ ...drain, containerInstance }, LATER_MS, 'new');
    expect(names()).toEqual([name]);
    expect(await places.parkedOn(containerInstance)).toMatchObject({ containerInstance });
  });

  it('again on its own place changes the time and what is carried, in one call', async () => {
    await places.park(drain, LATER_MS, 'new');
    const next: Drain = { ...drain, continuations: 2, heartbeats: 3 };
    expect(await places.park(next, LATER_MS + 60_000, 'own')).toBe('parked');
    expect(operations()).toEqual(['CreateSchedule', 'UpdateSchedule']);
    expect(stored()).toMatchObject({ ScheduleExpression: 'at(2026-01-01T00:06:30)', ActionAfterCompletion: 'NONE' });
    await settle();
    expect(delivered).toMatchObject([{ detail: { drain: { continuations: 2, heartbeats: 3 } } }]);
  });

  it('again after its schedule came is armed anew', async () => {
    await places.park(drain, LATER_MS, 'new');
    await pass(400);
    await places.park(drain, LATER_MS + 600_000, 'own');
    await settle();
    expect(delivered).toHaveLength(2);
  });

  it('on its own place that is gone gets a new one', async () => {
    expect(await places.park(drain, LATER_MS, 'own')).toBe('parked');
    expect(operations()).toEqual(['UpdateSchedule', 'CreateSchedule']);
    await settle();
    expect(delivered).toHaveLength(1);
  });
});

describe('a new place on which a schedule is already', () => {
  it('is taken if the same drain waits there: nothing is changed', async () => {
    await places.park({ ...drain, heartbeats: 9 }, LATER_MS, 'new');
    const before = stored();
    expect(await places.park(drain, LATER_MS + 60_000, 'new')).toBe('taken');
    expect(operations()).toEqual(['CreateSchedule', 'CreateSchedule', 'GetSchedule']);
    expect(stored()).toEqual(before);
  });

  it('is taken over if its time has come: that drain is on its way, or lost', async () => {
    await places.park(drain, LATER_MS, 'new');
    await pass(330);
    expect(await places.park({ ...drain, heartbeats: 9 }, LATER_MS + 600_000, 'new')).toBe('parked');
    expect(await places.parkedOn(containerInstanceArn())).toMatchObject({ heartbeats: 9 });
    expect(names()).toEqual([NAME]);
  });

  it('is taken over if another lifecycle action’s drain waits there: that action is over', async () => {
    const token = '00000000-4321-4321-4321-210987654321';
    await places.park({ ...drain, action: { ...drain.action, token } }, LATER_MS, 'new');
    expect(await places.park(drain, LATER_MS, 'new')).toBe('parked');
    expect((await places.parkedOn(containerInstanceArn()))?.action.token).toBe(drain.action.token);
    await settle();
    expect(delivered).toHaveLength(1);
  });

  it('is taken if the same drain waits there as another version of this function left it', async () => {
    await places.park(drain, LATER_MS, 'new');
    const { action, startedAtMs, continuations } = drain;
    leave({ version: 5, drain: { action, startedAtMs, continuations, moods: [] } });
    expect(await places.park(drain, LATER_MS, 'new')).toBe('taken');
  });

  it('is taken over if what waits there cannot be understood: it could not go on either', async () => {
    await places.park(drain, LATER_MS, 'new');
    leave({ n: 1 });
    expect(await places.park(drain, LATER_MS, 'new')).toBe('parked');
    expect(await places.parkedOn(containerInstanceArn())).toEqual(drain);
  });

  it('is taken if the same drain was found there without its event, and so without its token', async () => {
    const { token: _, ...action } = drain.action as LifecycleAction;
    await places.park({ ...drain, action }, LATER_MS, 'new');
    expect(await places.park(drain, LATER_MS, 'new')).toBe('taken');
  });

  it('that is given up meanwhile is free', async () => {
    await places.park(drain, LATER_MS, 'new');
    failing = ({ operation }) => {
      if (operation === 'GetSchedule') region.scheduler.operations.DeleteSchedule({ GroupName, Name: NAME });
      return undefined;
    };
    expect(await places.park(drain, LATER_MS, 'new')).toBe('parked');
  });
});

describe('a place whose schedule has come', () => {
  it('is made anew, for an update may not let it come again, and comes again', async () => {
    await places.park(drain, LATER_MS, 'new');
    await settle();
    expect(delivered).toHaveLength(1);
    const callsBefore = region.calls.length;
    const againMs = region.time.nowMs() + 300_000;
    expect(await places.park(drain, againMs, 'spent')).toBe('parked');
    expect(operations().slice(callsBefore)).toEqual(['DeleteSchedule', 'CreateSchedule']);
    await settle();
    expect(delivered).toHaveLength(2);
  });

  it('belongs to whoever makes it anew first', async () => {
    await places.park(drain, LATER_MS, 'new');
    await settle();
    const { GroupName, Name, ScheduleExpression, FlexibleTimeWindow, Target } = stored();
    const faster = { GroupName, Name, ScheduleExpression, FlexibleTimeWindow, Target } as CreateScheduleInput;
    failing = ({ operation }) => {
      if (operation === 'CreateSchedule') region.scheduler.operations.CreateSchedule(faster);
      return undefined;
    };
    expect(await places.park(drain, region.time.nowMs() + 300_000, 'spent')).toBe('taken');
    expect(names()).toEqual([NAME]);
  });

  it('is made anew also where an invocation died after it had deleted it', async () => {
    expect(await places.park(drain, LATER_MS, 'spent')).toBe('parked');
    expect(names()).toEqual([NAME]);
  });
});

describe('the place of a drain on a notice', () => {
  const noticed: Drain = {
    ...drain,
    action: { notice: 'spot-interruption', instanceId: INSTANCE_ID, token: 'an-event' },
  };
  it('is its own, beside that of a lifecycle action on the same container instance', async () => {
    expect(await places.park(drain, LATER_MS, 'new')).toBe('parked');
    expect(await places.park(noticed, LATER_MS, 'new')).toBe('parked');
    expect(names()).toEqual([NAME, `${NAME}-notice`]);
    expect(JSON.parse(stored(`${NAME}-notice`).Target?.Input ?? '')).toMatchObject({
      drain: { action: noticed.action },
    });
    expect(await places.parkedOn(containerInstanceArn())).toEqual(drain);
    await places.release(noticed);
    expect(names()).toEqual([NAME]);
    expect(await places.parkedOn(containerInstanceArn(), 'notice')).toBeUndefined();
  });
});

describe('when the places were taken', () => {
  it('is told of this deployment’s own', async () => {
    region.scheduler.operations.CreateScheduleGroup({ Name: 'ecs-drain-green' });
    await places.park(drain, LATER_MS, 'new');
    const { Name: _, GroupName: __, ...schedule } = stored();
    const others = { ...schedule, GroupName: 'ecs-drain-green', Name: '00000000000000000000000000000002' };
    region.scheduler.operations.CreateSchedule(others as CreateScheduleInput);
    const parkedAtMs = await places.parkedAtMs();
    expect(parkedAtMs(containerInstanceArn(1))).toBeDefined();
    expect(parkedAtMs(containerInstanceArn(2))).toBeUndefined();
  });

  it('is told of all of them by one call', async () => {
    const second = { ...drain, containerInstance: containerInstanceArn(2) };
    await places.park(drain, LATER_MS, 'new');
    await places.park(second, LATER_MS, 'new');
    const callsBefore = region.calls.length;
    const parkedAtMs = await places.parkedAtMs();
    expect(operations().slice(callsBefore)).toEqual(['ListSchedules']);
    expect([1, 2, 3].map((n) => parkedAtMs(containerInstanceArn(n)))).toEqual([
      expect.closeTo(region.time.nowMs(), -3),
      expect.closeTo(region.time.nowMs(), -3),
      undefined,
    ]);
  });

  it('is when they were taken last', async () => {
    await places.park(drain, LATER_MS, 'new');
    const before = (await places.parkedAtMs())(containerInstanceArn()) ?? Infinity;
    await settle();
    await places.park(drain, LATER_MS + 3_600_000, 'own');
    expect((await places.parkedAtMs())(containerInstanceArn())).toBeGreaterThan(before);
  });
});

describe('the drain that is parked on a container instance', () => {
  it('is found with one call, and whole', async () => {
    await places.park(drain, LATER_MS, 'new');
    const callsBefore = region.calls.length;
    expect(await places.parkedOn(containerInstanceArn())).toEqual(drain);
    expect(operations().slice(callsBefore)).toEqual(['GetSchedule']);
  });

  it('is none where nobody waits', async () => {
    expect(await places.parkedOn(containerInstanceArn(2))).toBeUndefined();
    expect(operations()).toEqual(['GetSchedule']);
  });

  it('is found after its schedule came, until it gives its place up', async () => {
    await places.park(drain, LATER_MS, 'new');
    await settle();
    expect(await places.parkedOn(containerInstanceArn())).toEqual(drain);
    await places.release(drain);
    expect(await places.parkedOn(containerInstanceArn())).toBeUndefined();
  });

  it('goes on as it is though version 1 wrote it', async () => {
    await places.park(drain, LATER_MS, 'new');
    const { parked: _, containerInstance: __, ...old } = drain;
    leave({ version: 1, drain: old });
    expect(await places.parkedOn(containerInstanceArn())).toEqual(old);
  });

  it('begins anew if a newer version wrote it', async () => {
    await places.park(drain, LATER_MS, 'new');
    const { action, startedAtMs } = drain;
    leave({ version: 5, drain: { action, startedAtMs, continuations: 7, parked: 'otherwise' } });
    const found = await places.parkedOn(containerInstanceArn());
    expect(found).toMatchObject({ action, startedAtMs, continuations: 7, heartbeats: 0 });
    expect(found?.parked).toBeUndefined();
  });

  it('of a group that is not ours any more is an error that says so', async () => {
    await places.park(drain, LATER_MS, 'new');
    leave({ version: 2, drain: { ...drain, action: { ...drain.action, autoScalingGroup: 'others' } } });
    await expect(places.parkedOn(containerInstanceArn())).rejects.toThrow(
      /The drain of i-0123456789abcdef0 cannot go on: the group others is not among autoScalingGroups any more/,
    );
  });

  it.each<[string, object]>([
    ['not JSON', { Target: { Arn: PLACE.eventBusArn, RoleArn: PLACE.scheduleRoleArn, Input: 'drain it, please' } }],
    ['nothing', { Target: { Arn: PLACE.eventBusArn, RoleArn: PLACE.scheduleRoleArn } }],
    ['no target', {}],
  ])('that carries %s is an error that names the container instance', async (_, answer) => {
    const body = Buffer.from(JSON.stringify({ Name: NAME, ...answer }));
    const requestHandler = {
      handle: async () => ({ response: new HttpResponse({ statusCode: 200, body: Readable.from([body]) }) }),
    };
    const garbled = placesThrough({ requestHandler });
    await expect(garbled.parkedOn(containerInstanceArn())).rejects.toThrow(
      `Could not look for a drain that is parked on ${containerInstanceArn()}: SyntaxError`,
    );
  });
});

describe('a place that is given up', () => {
  it('is deleted, and its event does not come', async () => {
    await places.park(drain, LATER_MS, 'new');
    await places.release(drain);
    expect(names()).toEqual([]);
    await settle();
    expect(delivered).toEqual([]);
  });

  it('may be gone already', async () => {
    await places.release(drain);
    expect(operations()).toEqual(['DeleteSchedule']);
  });
});

describe('what EventBridge Scheduler refuses', () => {
  const THROTTLED = new AwsError('ThrottlingException', 'Rate exceeded', 429);
  const uses: Record<string, [does: () => Promise<unknown>, sentence: string]> = {
    CreateSchedule: [() => places.park(drain, LATER_MS, 'new'), `Could not park the drain of ${INSTANCE_ID}: `],
    UpdateSchedule: [() => places.park(drain, LATER_MS, 'own'), `Could not park the drain of ${INSTANCE_ID}: `],
    GetSchedule: [
      () => places.parkedOn(containerInstanceArn()),
      `Could not look for a drain that is parked on ${containerInstanceArn()}: `,
    ],
    ListSchedules: [() => places.parkedAtMs(), 'Could not list the schedules of ecs-drain-blue: '],
    DeleteSchedule: [() => places.release(drain), `Could not delete the schedule of ${INSTANCE_ID}: `],
  };
  const refusing = (operation: string, error: AwsError) => {
    failing = (call) => (call.operation === operation ? error : undefined);
  };

  it.each(Object.keys(uses))('%s that is throttled is tried again, then unavailable', async (operation) => {
    const [does, sentence] = uses[operation] ?? [];
    refusing(operation, THROTTLED);
    const error = await does?.().catch((each: unknown) => each);
    expect(error).toBeInstanceOf(Unavailable);
    expect((error as Error).message).toBe(`${sentence}ThrottlingException: Rate exceeded`);
    expect(operations()).toEqual(Array(4).fill(operation));
  });

  it.each(Object.keys(uses))('%s is unavailable also when the service fails', async (operation) => {
    const [does] = uses[operation] ?? [];
    refusing(operation, new AwsError('InternalServerException', 'Unexpected error', 500));
    await expect(does?.()).rejects.toThrow(Unavailable);
  });

  it.each(Object.keys(uses))('%s that is denied is an error with what to mend, at once', async (operation) => {
    const [does, sentence] = uses[operation] ?? [];
    const words = `User: arn:aws:sts::123456789012:assumed-role/ecs-drain/ecs-drain is not authorized to perform: scheduler:${operation}`;
    refusing(operation, new AwsError('AccessDeniedException', words, 403));
    const error = await does?.().catch((each: unknown) => each);
    expect(error).not.toBeInstanceOf(Unavailable);
    expect((error as Error).message).toBe(
      `${sentence}AccessDeniedException: ${words}. Grant the function's role this action on this resource; serverless.yml lists what it needs.`,
    );
    expect(operations()).toEqual([operation]);
  });

  it('a schedule group that is not there is named', async () => {
    region.scheduler.operations.DeleteScheduleGroup({ Name: GroupName });
    await expect(places.park(drain, LATER_MS, 'new')).rejects.toThrow(/Schedule group ecs-drain-blue does not exist/);
    await expect(places.park(drain, LATER_MS, 'own')).rejects.toThrow(/Schedule group ecs-drain-blue does not exist/);
    expect(await places.parkedOn(containerInstanceArn())).toBeUndefined();
    await places.release(drain);
  });
});

describe('the end of an invocation', () => {
  it('ends a call that has not been answered: it may be made later', async () => {
    const ended = placesThrough({ requestHandler: region.transport }, AbortSignal.abort());
    await expect(ended.park(drain, LATER_MS, 'new')).rejects.toThrow(Unavailable);
    await expect(ended.parkedOn(containerInstanceArn())).rejects.toThrow(Unavailable);
    await expect(ended.release(drain)).rejects.toThrow(Unavailable);
  });
});
