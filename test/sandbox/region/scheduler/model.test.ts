import {
  CreateScheduleCommand,
  CreateScheduleGroupCommand,
  type CreateScheduleInput,
  DeleteScheduleCommand,
  DeleteScheduleGroupCommand,
  GetScheduleCommand,
  GetScheduleGroupCommand,
  ListSchedulesCommand,
  paginateListSchedules,
  SchedulerClient,
  type Target,
  UpdateScheduleCommand,
} from '@aws-sdk/client-scheduler';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { roleFor } from '../../../../sandbox/region/iam/api.ts';
import { createRegion, type Region } from '../../../../sandbox/region/region.ts';
import { listen } from '../../../../sandbox/region/wire/http.ts';
import { anyCodePoint } from '../../../any-text.ts';
import { START_MS } from '../../start.ts';

const BUS_ARN = 'arn:aws:events:eu-west-1:123456789012:event-bus/default';
const NOON = Date.UTC(2026, 0, 1, 12);
const AT_NOON = 'at(2026-01-01T12:00:00)';
const AT_ONE = 'at(2026-01-01T13:00:00)';
const ROLE_ARN = 'arn:aws:iam::123456789012:role/scheduler';
const LAMBDA_ROLE_ARN = 'arn:aws:iam::123456789012:role/lambda';
const TARGET: Target = {
  Arn: BUS_ARN,
  RoleArn: ROLE_ARN,
  EventBridgeParameters: { Source: 'ecs-drain.main', DetailType: 'ECS Drain Continuation' },
  Input: '{"n":1}',
};

let region: Region;
let client: SchedulerClient;
let delivered: { readonly event: unknown; readonly atMs: number }[];
let ends: (() => void)[];

beforeEach(() => {
  start();
  ends = [];
});
afterEach(() => {
  for (const end of ends) end();
});

function start(seed = 1) {
  region = createRegion({ startMs: START_MS, seed });
  region.roles.set('lambda', roleFor('lambda.amazonaws.com'));
  region.roles.set('scheduler', roleFor('scheduler.amazonaws.com', [{ Effect: 'Allow', Action: '*', Resource: '*' }]));
  client = clientWith({ requestHandler: region.transport });
  delivered = [];
  region.eventBridge.putRule({
    name: 'continuation',
    pattern: { source: ['ecs-drain.main'] },
    target: (event) => delivered.push({ event, atMs: region.time.nowMs() }),
  });
}

function clientWith(config: object): SchedulerClient {
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
  return new SchedulerClient({ region: 'eu-west-1', credentials, maxAttempts: 1, ...config });
}

function schedule(over: Partial<CreateScheduleInput> = {}): CreateScheduleInput {
  return {
    Name: 'drain-1',
    ScheduleExpression: AT_NOON,
    FlexibleTimeWindow: { Mode: 'OFF' },
    Target: TARGET,
    ...over,
  };
}

const create = (over: Partial<CreateScheduleInput> = {}) => client.send(new CreateScheduleCommand(schedule(over)));
const update = (over: Partial<CreateScheduleInput> = {}) => client.send(new UpdateScheduleCommand(schedule(over)));
const get = (Name = 'drain-1') => client.send(new GetScheduleCommand({ Name }));
const remove = (Name = 'drain-1') => client.send(new DeleteScheduleCommand({ Name }));
const createGroup = (Name: string) => client.send(new CreateScheduleGroupCommand({ Name }));
const names = async (input = {}) => {
  const { Schedules = [] } = await client.send(new ListSchedulesCommand(input));
  return Schedules.map(({ Name }) => Name);
};

const settle = () => region.time.runUntil(() => false);
/** Lets time pass up to an instant. */
async function passUntil(instantMs: number): Promise<void> {
  region.time.after((instantMs - region.time.nowMs()) / 1000, () => {});
  await region.time.runUntil(() => region.time.nowMs() >= instantMs);
}

const refusal = (name: string, httpStatusCode: number, message: string | RegExp) => ({
  name,
  message: typeof message === 'string' ? message : expect.stringMatching(message),
  $metadata: { httpStatusCode },
});
const missing = (what: string) => refusal('ResourceNotFoundException', 404, `${what} does not exist.`);

describe('a one-time schedule', () => {
  it('puts its event on the bus, once', async () => {
    const { ScheduleArn } = await create();
    await settle();
    expect(ScheduleArn).toBe('arn:aws:scheduler:eu-west-1:123456789012:schedule/default/drain-1');
    expect(delivered.map(({ event }) => event)).toMatchObject([
      {
        source: 'ecs-drain.main',
        'detail-type': 'ECS Drain Continuation',
        account: '123456789012',
        resources: [ScheduleArn],
        detail: { n: 1 },
      },
    ]);
  });

  it('facts 10 one-time-schedules: fires within the minute that begins at its time, by chance', async () => {
    const late: number[] = [];
    for (let seed = 0; seed < 50; seed++) {
      start(seed);
      await create();
      await settle();
      late.push(...delivered.map(({ atMs }) => (atMs - NOON) / 1000));
    }
    expect(late).toHaveLength(50);
    expect(Math.min(...late)).toBeGreaterThan(0.3);
    expect(Math.min(...late)).toBeLessThan(15);
    expect(Math.max(...late)).toBeGreaterThan(45);
    expect(Math.max(...late)).toBeLessThan(60.7); // the bus takes its time too
  });

  it('does not fire while it is DISABLED, nor after it was deleted', async () => {
    await create({ State: 'DISABLED' });
    await create({ Name: 'drain-2' });
    await remove('drain-2');
    await settle();
    expect(delivered).toEqual([]);
  });

  it('facts 29 past-schedule: is accepted with a time that has passed, and then never fires', async () => {
    await create({ ScheduleExpression: 'at(2025-12-31T23:59:59)' });
    await settle();
    expect(delivered).toEqual([]);
    expect(await get()).toMatchObject({ State: 'ENABLED' });
  });
});

describe('the role of a schedule', () => {
  const allowing = (detailType: string) => [
    {
      Effect: 'Allow',
      Action: ['events:PutEvents'],
      Resource: BUS_ARN,
      Condition: { StringEquals: { 'events:source': 'ecs-drain.main', 'events:detail-type': detailType } },
    },
  ];

  it.each([
    ['ECS Drain Continuation', 1],
    ['Another', 0],
  ])('has to allow the event that it puts on the bus: %s', async (detailType, count) => {
    region.roles.set('scheduler', roleFor('scheduler.amazonaws.com', allowing(detailType)));
    await create();
    await settle();
    expect(delivered).toHaveLength(count);
  });

  it('may be assumed for one group alone', async () => {
    const { statements, trust } = roleFor('scheduler.amazonaws.com', allowing('ECS Drain Continuation'));
    const ours = 'arn:aws:scheduler:eu-west-1:123456789012:schedule-group/ours';
    const [statement] = trust;
    if (!statement) throw new Error('The role trusts no one.');
    const Condition = { ArnEquals: { 'aws:SourceArn': ours } };
    region.roles.set('scheduler', { statements, trust: [{ ...statement, Condition }] });
    await createGroup('ours');
    await createGroup('others');
    await create({ GroupName: 'ours' });
    await expect(create({ GroupName: 'others' })).rejects.toThrow(/to assume the role/);
  });
});

describe('a schedule whose target is a queue', () => {
  const QUEUE_ARN = 'arn:aws:sqs:eu-west-1:123456789012:events';
  const toQueue = (Input = '{"n":1}') => ({ Target: { Arn: QUEUE_ARN, RoleArn: ROLE_ARN, Input } });
  const createQueue = () =>
    region.createQueue({ name: 'events', visibilityTimeoutSeconds: 30, maxReceiveCount: Number.POSITIVE_INFINITY });
  const bodiesIn = (queue: ReturnType<typeof createQueue>) => queue.receive(10).map(({ body }) => body);

  it.each(['{"n":1}', 'no JSON at all'])('sends its input as the body of a message: %s', async (input) => {
    const queue = createQueue();
    await create(toQueue(input));
    expect(region.scheduler.pending()).toEqual(new Map([['drain-1', input]]));
    await settle();
    expect(bodiesIn(queue)).toEqual([input]);
    expect(delivered).toEqual([]);
  });

  it('sends nothing where the role may not send to that queue', async () => {
    const queue = createQueue();
    const statement = { Effect: 'Allow', Action: 'sqs:SendMessage', Resource: `${QUEUE_ARN}-2` };
    region.roles.set('scheduler', roleFor('scheduler.amazonaws.com', [statement]));
    await create(toQueue());
    await settle();
    expect(bodiesIn(queue)).toEqual([]);
  });

  it('is created before its queue, and sends nothing as long as that is not there', async () => {
    await create(toQueue());
    await settle();
    expect(bodiesIn(createQueue())).toEqual([]);
  });
});

describe('after its firing a schedule', () => {
  it('stays, completed, until it is deleted', async () => {
    await create();
    await passUntil(NOON + 86_400_000);
    expect(await get()).toMatchObject({ State: 'ENABLED', ActionAfterCompletion: 'NONE' });
    await remove();
    await expect(get()).rejects.toMatchObject(missing('Schedule drain-1'));
  });

  it('facts 30 schedule-deletion: is deleted a while later, if that is its action after completion', async () => {
    await create({ ActionAfterCompletion: 'DELETE' });
    await region.time.runUntil(() => delivered.length === 1);
    await expect(create()).rejects.toMatchObject({ name: 'ConflictException' });
    await passUntil(region.time.nowMs() + 60_000);
    await expect(get()).rejects.toMatchObject(missing('Schedule drain-1'));
  });

  it('is deleted with what was set meanwhile, which then does not fire', async () => {
    await create({ ActionAfterCompletion: 'DELETE' });
    await region.time.runUntil(() => delivered.length === 1);
    await update({ ScheduleExpression: AT_ONE });
    await settle();
    expect(delivered).toHaveLength(1);
    await expect(get()).rejects.toMatchObject(missing('Schedule drain-1'));
  });

  it('is not deleted in the shape of another that was created under its name', async () => {
    await create({ ActionAfterCompletion: 'DELETE' });
    await region.time.runUntil(() => delivered.length === 1);
    await remove();
    await create({ ScheduleExpression: AT_ONE });
    await settle();
    expect(delivered).toHaveLength(2);
    expect(await get()).toMatchObject({ ScheduleExpression: AT_ONE });
  });
});

describe('UpdateSchedule', () => {
  it('sets a new time, and the old one passes', async () => {
    await create();
    await update({ ScheduleExpression: AT_ONE, Target: { ...TARGET, Input: '{"n":2}' } });
    await settle();
    expect(delivered).toMatchObject([{ event: { detail: { n: 2 } } }]);
    expect(delivered[0]?.atMs).toBeGreaterThan(NOON + 3_600_000);
  });

  it('arms a schedule again that has fired', async () => {
    await create();
    await region.time.runUntil(() => delivered.length === 1);
    await update({ ScheduleExpression: AT_ONE });
    await settle();
    expect(delivered).toHaveLength(2);
  });

  it('facts 27 scheduler-api: sets what it leaves out to AWS’s defaults', async () => {
    await create({ State: 'DISABLED', Description: 'first', ActionAfterCompletion: 'DELETE' });
    await passUntil(START_MS + 1_000);
    await update();
    const found = await get();
    expect(found).toMatchObject({
      State: 'ENABLED',
      ActionAfterCompletion: 'NONE',
      CreationDate: new Date(START_MS),
      LastModificationDate: new Date(START_MS + 1_000),
    });
    expect(found.Description).toBeUndefined();
  });

  it('needs a schedule that exists', async () => {
    await expect(update()).rejects.toMatchObject(missing('Schedule drain-1'));
  });
});

describe('GetSchedule', () => {
  it('shows all that was set, and AWS’s defaults', async () => {
    await create({ Description: 'drain', StartDate: new Date(NOON) });
    expect(await get()).toMatchObject({
      Arn: 'arn:aws:scheduler:eu-west-1:123456789012:schedule/default/drain-1',
      Name: 'drain-1',
      GroupName: 'default',
      ScheduleExpression: AT_NOON,
      ScheduleExpressionTimezone: 'UTC',
      FlexibleTimeWindow: { Mode: 'OFF' },
      State: 'ENABLED',
      Description: 'drain',
      Target: { ...TARGET, RetryPolicy: { MaximumEventAgeInSeconds: 86_400, MaximumRetryAttempts: 185 } },
    });
  });
});

describe('names', () => {
  it('are unique in their group', async () => {
    await create();
    await expect(create()).rejects.toMatchObject(refusal('ConflictException', 409, 'Schedule drain-1 already exists.'));
    await createGroup('drains');
    await create({ GroupName: 'drains' });
    await expect(createGroup('drains')).rejects.toMatchObject({ name: 'ConflictException' });
  });

  it('of what does not exist are answered with 404', async () => {
    await expect(get()).rejects.toMatchObject(missing('Schedule drain-1'));
    await expect(remove()).rejects.toMatchObject(missing('Schedule drain-1'));
    await expect(create({ GroupName: 'none' })).rejects.toMatchObject(missing('Schedule group none'));
    await expect(names({ GroupName: 'none' })).rejects.toMatchObject(missing('Schedule group none'));
    await expect(client.send(new DeleteScheduleGroupCommand({ Name: 'none' }))).rejects.toMatchObject(
      missing('Schedule group none'),
    );
  });

  it('have 1 to 64 of certain characters: every name is stored unchanged or refused', async () => {
    const anyName = fc.oneof(
      fc.string({ unit: anyCodePoint, minLength: 1, maxLength: 66 }),
      fc.stringMatching(/^[0-9a-zA-Z_.-]{60,66}$/),
    );
    await fc.assert(
      fc.asyncProperty(anyName, async (name) => {
        const well = /^[0-9a-zA-Z\-_.]{1,64}$/.test(name);
        const outcome = await create({ Name: name }).then(
          () => 'created',
          (error) => error.name,
        );
        expect(outcome).toBe(well ? 'created' : 'ValidationException');
        const { ListSchedules, DeleteSchedule } = region.scheduler.operations;
        expect(ListSchedules({}).Schedules?.map(({ Name }) => Name)).toEqual(well ? [name] : []);
        if (well) DeleteSchedule({ Name: name });
      }),
      { numRuns: 30 },
    );
  });
});

describe('groups', () => {
  it('hold schedules, and take them along when they are deleted', async () => {
    const { ScheduleGroupArn } = await createGroup('drains');
    await create({ GroupName: 'drains' });
    expect(await client.send(new GetScheduleGroupCommand({ Name: 'drains' }))).toMatchObject({
      Arn: ScheduleGroupArn,
      Name: 'drains',
      State: 'ACTIVE',
      CreationDate: new Date(START_MS),
    });
    await client.send(new DeleteScheduleGroupCommand({ Name: 'drains' }));
    await settle();
    expect(delivered).toEqual([]);
    await createGroup('drains');
    expect(await names({ GroupName: 'drains' })).toEqual([]);
  });

  it('cannot all be deleted: the default group stays', async () => {
    const Name = 'default';
    await expect(client.send(new DeleteScheduleGroupCommand({ Name }))).rejects.toMatchObject({
      name: 'ValidationException',
    });
    await create();
  });
});

describe('ListSchedules', () => {
  it('filters by group, by prefix and by state', async () => {
    await createGroup('drains');
    await create({ Name: 'a-1' });
    await create({ Name: 'b-1', State: 'DISABLED' });
    await create({ Name: 'a-2', GroupName: 'drains' });
    expect(await names()).toEqual(['a-1', 'b-1', 'a-2']);
    expect(await names({ GroupName: 'drains' })).toEqual(['a-2']);
    expect(await names({ NamePrefix: 'a-' })).toEqual(['a-1', 'a-2']);
    expect(await names({ State: 'DISABLED' })).toEqual(['b-1']);
    await expect(names({ State: 'TIRED' })).rejects.toMatchObject({ name: 'ValidationException' });
  });

  it('gives the target’s ARN, and no more of the target', async () => {
    await create();
    const { Schedules } = await client.send(new ListSchedulesCommand({}));
    expect(Schedules).toMatchObject([{ Name: 'drain-1', GroupName: 'default', State: 'ENABLED' }]);
    expect(Schedules?.[0]?.Target).toEqual({ Arn: BUS_ARN });
  });

  it('gives every schedule once, page by page, though one goes meanwhile', async () => {
    const all = Array.from({ length: 25 }, (_, i) => `drain-${String(i).padStart(2, '0')}`);
    for (const Name of all) await create({ Name });
    const found: (string | undefined)[] = [];
    for await (const { Schedules = [] } of paginateListSchedules({ client, pageSize: 10 }, {})) {
      found.push(...Schedules.map(({ Name }) => Name));
      if (found.length === 10) await remove(found.at(-1));
    }
    expect(found).toEqual(all);
  });

  it('refuses a token that it has not given', async () => {
    await expect(names({ NextToken: 'none' })).rejects.toThrow('Invalid NextToken.');
  });

  it('gives a hundred a page', async () => {
    for (let n = 0; n < 101; n++) await create({ Name: `drain-${n}` });
    const answer = await client.send(new ListSchedulesCommand({}));
    expect([answer.Schedules?.length, typeof answer.NextToken]).toEqual([100, 'string']);
  });
});

describe('what cannot be scheduled', () => {
  it.each([
    'at(2026-01-01T12:00:00Z)',
    'at(2026-01-01)',
    'at(2026-02-30T00:00:00)',
    'at(2026-01-01T25:00:00)',
    ' at(2026-01-01T12:00:00)',
    'at()',
    'tomorrow',
  ])('as AWS says it: %s', async (expression) => {
    const words = refusal('ValidationException', 400, `Invalid Schedule Expression ${expression}.`);
    await expect(create({ ScheduleExpression: expression })).rejects.toMatchObject(words);
    expect(await names()).toEqual([]);
  });

  const target = (over: Partial<Target>) => ({ Target: { ...TARGET, ...over } });
  const event = (Source: string, DetailType = 'Test') => target({ EventBridgeParameters: { Source, DetailType } });
  it.each<[string, object, RegExp]>([
    ['a rate', { ScheduleExpression: 'rate(5 minutes)' }, /does not know schedule expression rate\(5 minutes\)/],
    ['another time zone', { ScheduleExpressionTimezone: 'Europe/Zurich' }, /does not know time zone Europe\/Zurich/],
    ['no expression', { ScheduleExpression: undefined }, /Value null at 'scheduleExpression'/],
    ['no time window', { FlexibleTimeWindow: undefined }, /Value null at 'flexibleTimeWindow'/],
    ['an end before its start', { StartDate: new Date(NOON), EndDate: new Date(NOON - 1) }, /EndDate must come after/],
    ['a flexible window', { FlexibleTimeWindow: { Mode: 'FLEXIBLE' } }, /does not know flexible time windows/],
    ['another state', { State: 'TIRED' }, /Value 'TIRED' at 'state'.*\[ENABLED, DISABLED\]/],
    ['another action', { ActionAfterCompletion: 'KEEP' }, /Value 'KEEP' at 'actionAfterCompletion'/],
    ['no target', { Target: undefined }, /Value null at 'target'/],
    ['a target without role', target({ RoleArn: undefined }), /Value null at 'target.roleArn'/],
    ['a role that is no ARN', target({ RoleArn: 'nope' }), /Value 'nope' at 'target.roleArn'/],
    [
      'a role that is not there',
      target({ RoleArn: `${ROLE_ARN}-2` }),
      /must allow AWS EventBridge Scheduler to assume/,
    ],
    [
      'a role of another service',
      target({ RoleArn: LAMBDA_ROLE_ARN }),
      /must allow AWS EventBridge Scheduler to assume/,
    ],
    ['a FIFO queue', target({ Arn: 'arn:aws:sqs:eu-west-1:123456789012:events.fifo' }), /does not know target arn:/],
    ['a queue of another Region', target({ Arn: 'arn:aws:sqs:us-east-1:123456789012:events' }), /does not know target/],
    ['another target', target({ Arn: `${BUS_ARN}-2` }), /does not know target arn:.*default-2/],
    [
      'a target without its parameters',
      target({ EventBridgeParameters: undefined }),
      /EventBridgeParameters are missing/,
    ],
    ['the source of an AWS service', event('aws.ecs'), /'target.eventBridgeParameters.source'/],
    ['an endless detail type', event('me', 'x'.repeat(129)), /less than or equal to 128/],
    ['no input', target({ Input: undefined }), /does not know schedules without Input/],
    ['an input that is not JSON', target({ Input: '{' }), /not well-formed JSON/],
    ['an input that is no object', target({ Input: '[]' }), /not a JSON object/],
    ['too large an input', target({ Input: `{"x":"${'é'.repeat(131_072)}"}` }), /262152 bytes, more than 262144/],
    ['too short a life', target({ RetryPolicy: { MaximumEventAgeInSeconds: 59 } }), /greater than or equal to 60/],
    ['too many attempts', target({ RetryPolicy: { MaximumRetryAttempts: 186 } }), /less than or equal to 185/],
  ])('%s', async (_, over, message) => {
    await expect(create(over)).rejects.toMatchObject(refusal('ValidationException', 400, message));
    expect(await names()).toEqual([]);
  });

  it('leaves a schedule as it was', async () => {
    await create();
    await expect(update({ ScheduleExpression: 'tomorrow' })).rejects.toMatchObject({ name: 'ValidationException' });
    await settle();
    expect(delivered).toHaveLength(1);
  });
});

describe('over HTTP', () => {
  it('the same client does the same', async () => {
    const { url: endpoint, close } = await listen(region.answer);
    client = clientWith({ endpoint });
    ends.push(close, () => client.destroy());
    await createGroup('drains');
    await create({ GroupName: 'drains', Target: { ...TARGET, Input: '{"text":"é ü"}' } });
    await create({ Name: 'drain-2', StartDate: new Date(NOON) });
    expect(await client.send(new GetScheduleCommand({ Name: 'drain-1', GroupName: 'drains' }))).toMatchObject({
      GroupName: 'drains',
      CreationDate: new Date(START_MS),
    });
    expect(await names({ NamePrefix: 'drain-', MaxResults: 1 })).toEqual(['drain-2']);
    await expect(create({ GroupName: 'drains' })).rejects.toMatchObject(
      refusal('ConflictException', 409, 'Schedule drain-1 already exists.'),
    );
    await expect(get()).rejects.toMatchObject(missing('Schedule drain-1'));
    await remove('drain-2');
    await settle();
    expect(delivered).toMatchObject([{ event: { detail: { text: 'é ü' } } }]);
  });
});
