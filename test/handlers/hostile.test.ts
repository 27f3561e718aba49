import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { CONTINUATION_VERSION } from '../../src/adapters/continuation.ts';
import { anyCodePoint } from '../any-text.ts';
import { casesOf, IS_EXHAUSTIVE } from '../exhaustive/extent.ts';
import { EVENT_SOURCE, START_MS } from './environment.ts';
import { type HostileWorld, inHostileWorld, misdeedsIn } from './hostile-world.ts';
import { deadLettersIn } from './installed.ts';
import { changed, pathsIn, REMOVED } from './mutations.ts';

type Json = Record<string, unknown>;

/** Twice in an event, it is still less than SQS takes. */
const HALF_A_MEGABYTE = 'x'.repeat(500_000);
/** Longer than any line that is written. */
const LONG = 'x'.repeat(64_000);

/** One genuine event of each kind that may come, of the instance that is held. The world is the same each time, so they fit it. */
let genuine: Readonly<Record<string, Json>>;
/** What names something real that it must not reach, or reaches for what is not there. */
let names: readonly string[];

const KINDS = [
  'termination',
  'termination with metadata',
  'continuation',
  'continuation of version 4',
  'continuation of a later version',
  'continuation of a notice',
  'Spot interruption',
  'rebalance recommendation',
  'task state change',
  'container instance state change',
  'test notification',
  'SNS envelope',
  'scheduled event',
] as const;

beforeAll(async () => {
  genuine = await inHostileWorld({ rules: true }, async (world) => {
    await world.settle();
    return genuineEvents(world);
  });
  names = await inHostileWorld({}, async ({ arns, others, held, token }) => [
    ...Object.values(arns).flatMap(({ instance, task }) => [instance, task]),
    ...Object.values(others),
    held,
    token,
    ...['web', 'workers', 'others', 'secrets', 'ecs-drain', 'backup', 'ecs-managed-draining-termination-hook'],
    ...['prod', 'secret', '{"cluster":"secret"}', '{"cluster":"prod","__proto__":{"polluted":true}}', '{"cluster":5}'],
    'arn:aws:ecs:eu-west-1:210987654321:container-instance/prod/00000000000000000000000000000001',
    'arn:aws:ecs:eu-west-1:123456789012:container-instance/prod/../../schedules/default',
    'STOPPED',
    'WarmPool',
    EVENT_SOURCE,
  ]);
  expect(Object.keys(genuine)).toEqual(KINDS);
});

function genuineEvents({ events, mutations, held, arns }: HostileWorld): Record<(typeof KINDS)[number], Json> {
  const first = (detailType: string, more: (event: Json) => boolean = () => true) => {
    const found = (events as Json[]).find((event) => event['detail-type'] === detailType && more(event));
    if (!found) throw new Error(`The world sent no ${detailType}.`);
    return found;
  };
  const with_ = (event: Json, detail: Json): Json => ({
    ...event,
    detail: { ...(event['detail'] as Json), ...detail },
  });
  const termination = first('EC2 Instance-terminate Lifecycle Action');
  const input = mutations.find(
    ({ operation }) => operation === 'UpdateSchedule' || operation === 'CreateSchedule',
  )?.input;
  const detail = JSON.parse(input.Target.Input) as { drain: Json };
  const overTheBus = { source: EVENT_SOURCE, 'detail-type': 'ECS Drain Continuation' };
  const continuation: Json = { ...termination, ...overTheBus, detail };
  const { kind: _, known: __, parked: ___, action, hook, lastHeartbeatAtMs, heartbeats, ...common } = detail.drain;
  const ofHold = { hook, lastHeartbeatAtMs, heartbeats };
  const containerInstance = arns.held.instance;
  const parked = {
    untilMs: START_MS + 60_000,
    containerInstances: [{ arn: containerInstance, cluster: 'prod' }],
    holdingTasks: [{ arn: arns.held.task, cluster: 'prod' }],
    awaitedTask: arns.held.task,
  };
  const version4 = { version: 4, drain: { ...common, ...ofHold, action, containerInstance, parked } };
  const { continuations, startedAtMs } = common;
  const later = { version: CONTINUATION_VERSION + 1, drain: { action, continuations, startedAtMs, moods: [] } };
  const stopped = first('ECS Task State Change');
  const emptied = first('ECS Container Instance State Change');
  const notice = (detailType: string): Json => ({
    ...termination,
    source: 'aws.ec2',
    'detail-type': detailType,
    detail: { 'instance-id': held, 'instance-action': 'terminate' },
  });
  const ofNotice = { kind: 'spot-interruption', instanceId: held, token: '12345678-1234-1234-1234-123456789012' };
  return {
    termination,
    'termination with metadata': with_(termination, { NotificationMetadata: '{"cluster":"prod"}' }),
    continuation,
    'continuation of version 4': with_(continuation, version4),
    'continuation of a later version': with_(continuation, later),
    'continuation of a notice': with_(continuation, { drain: { ...common, kind: 'notice', notice: ofNotice } }),
    'Spot interruption': notice('EC2 Spot Instance Interruption Warning'),
    'rebalance recommendation': notice('EC2 Instance Rebalance Recommendation'),
    'task state change': stopped,
    'container instance state change': emptied,
    'test notification': { ...(termination['detail'] as Json), Event: 'autoscaling:TEST_NOTIFICATION' },
    'SNS envelope': {
      Records: [{ EventSource: 'aws:sns', Sns: { Type: 'Notification', Message: JSON.stringify(termination) } }],
    },
    'scheduled event': { ...termination, source: 'aws.events', 'detail-type': 'Scheduled Event', detail: {} },
  };
}

const nested = (depth: number) => JSON.parse(`${'{"a":['.repeat(depth)}${']}'.repeat(depth)}`);

const hostileText = fc.oneof(
  fc.string({ unit: anyCodePoint, maxLength: 40 }),
  fc.constantFrom(
    '',
    ' ',
    '\n{"level":"ERROR","message":"forged"}\n',
    '\r\nEND RequestId',
    '\u0000',
    '\u202Etxet',
    '\u2028',
    '\uD800',
    '\uDFFF\uD800',
    '\u001B[31mred',
    '👩‍👩‍👧‍👦'.repeat(100),
    '../../../default',

    'x'.repeat(256),
    LONG,
    HALF_A_MEGABYTE,
  ),
);
const hostileNumber = fc.oneof(
  fc.constantFrom(0, -0, -1, 0.5, 1.5, 1e21, -1e308, Number.MAX_SAFE_INTEGER + 1, 8.64e15, 9e15, Infinity, Number.NaN),
  fc.double(),
  fc.integer({ min: START_MS - 7_200_000, max: START_MS + 7_200_000 }),
);
const POISON = JSON.parse('{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},"polluted":1}');
const hostileValue = fc.oneof(
  hostileText,
  hostileNumber,
  fc.jsonValue(),
  fc.constantFrom<unknown>(
    REMOVED,
    null,
    true,
    [],
    {},
    [[]],
    POISON,
    [POISON],
    nested(100),
    Array.from({ length: 5_000 }, () => ({ arn: 'arn', cluster: 'prod' })),
    { Event: 'autoscaling:TEST_NOTIFICATION' },
  ),
);

/** Something of the same sort, which may pass for genuine. */
function alike(value: unknown, n: number): unknown {
  const from = (choices: readonly unknown[]) => choices[n % choices.length];
  if (typeof value === 'number') {
    return from(
      value > START_MS / 2 ? [0, START_MS - 1e7, START_MS + 2e4, START_MS + 1e6] : [0, 1, 2, 30, 2_000, 7_200],
    );
  }
  if (typeof value !== 'string') return value;
  const times = ['1970-01-01T00:00:00Z', '2025-12-31T22:00:00Z', '2026-01-01T03:00:00Z'];
  return from(/^\d{4}-\d\d-\d\dT/.test(value) ? times : names);
}

const hostileKey = fc.constantFrom(
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'extra',
  '',
  'a.b',
  'x\ny',
  HALF_A_MEGABYTE,
);

/** A genuine event of some kind with some changes: a field otherwise, wrapped, doubled or removed, or one that is new. */
const mutated = fc
  .record({
    kind: fc.constantFrom(...KINDS),
    changes: fc.array(
      fc.record({
        where: fc.nat(),
        newKey: fc.option(hostileKey, { nil: undefined, freq: 4 }),
        how: fc.constantFrom('set', 'set', 'alike', 'alike', 'list', 'nest', 'twice'),
        value: hostileValue,
        n: fc.nat(),
      }),
      { maxLength: 3 },
    ),
  })
  .map(({ kind, changes }) =>
    changes.reduce<unknown>((event, { where, newKey, how, value, n }) => {
      const paths = pathsIn(event);
      const path = paths[where % paths.length] ?? [];
      if (newKey !== undefined) return changed(event, [...path, newKey], value);
      const now = path.reduce<unknown>((inner, key) => Object(inner)[key], event);
      const to = { set: value, list: [now], nest: { value: now }, twice: [now, now], alike: alike(now, n) }[how];
      return changed(event, path, to);
    }, genuine[kind]),
  );

/** No queue has a message that is larger (facts 81 sqs-messages): a mutation may repeat a long text many times. */
const isTaken = (event: unknown) => Buffer.byteLength(JSON.stringify(event) ?? '') <= 1_000_000;

/** Brings the function this message alone, and lets all happen that comes of it. */
async function broughtTo(world: HostileWorld, message: unknown): Promise<string> {
  const { service, logs } = world;
  // SQS has no message without a body.
  service.queue.send(JSON.stringify(message) ?? 'undefined');
  await world.settle();
  const [first] = service.results;
  if (first) return first.kind;
  if (logs.some((line) => String(line['message']).startsWith('Ignored: '))) return 'ignored';
  const rejections = logs.filter(({ level }) => level === 'ERROR');
  if (rejections.length === 0) return 'nothing';
  return rejections.every((line) => !line['error']) ? 'rejected' : 'failed';
}

/** What a rejected event changes: the dead-letter queue has it, and the bus an event about it if it is of a drain. */
const DEAD_LETTER = [['SendMessage'], ['SendMessage', 'PutEvents']];

const operationsIn = ({ mutations }: HostileWorld) => mutations.map(({ operation }) => operation);

describe('an event that someone has meddled with', () => {
  it('is ignored, or rejected in a sentence, or drains what is ours: nothing else is changed', async () => {
    const seen = new Set<string>();
    await fc.assert(
      fc.asyncProperty(mutated.filter(isTaken), (event) =>
        inHostileWorld({}, async (world) => {
          const result = await broughtTo(world, event);
          seen.add(result);
          expect(misdeedsIn(world, ['held', 'free', 'foreign'])).toEqual([]);
          expect(world.logs.filter(({ message }) => message === 'forged')).toEqual([]);
          if (result === 'ignored' || result === 'nothing') expect(world.mutations).toEqual([]);
          if (result === 'rejected') expect(DEAD_LETTER).toContainEqual(operationsIn(world));
        }),
      ),
      { numRuns: IS_EXHAUSTIVE ? 300 : 150 },
    );
    expect([...seen]).toEqual(expect.arrayContaining(['ignored', 'rejected', 'parked']));
  });

  it.each(KINDS)('writes neither long lines nor long sentences for a long text in any field: %s', async (kind) => {
    const event = genuine[kind];
    for (const [i, path] of casesOf([...pathsIn(event).entries()], 4)) {
      await inHostileWorld({}, async (world) => {
        // The first field is the whole event. Half a megabyte takes its time, and what it is cut to does not depend on the rest.
        await broughtTo(world, changed(event, path, i < 2 ? HALF_A_MEGABYTE : LONG));
        expect(misdeedsIn(world, ['held'])).toEqual([]);
      });
    }
  });

  it.each(KINDS)('pollutes no prototype with keys that reach for it: %s', async (kind) => {
    const event = genuine[kind];
    for (const path of casesOf(pathsIn(event), 4)) {
      await inHostileWorld({}, async (world) => {
        const poisoned = ['__proto__', 'constructor', 'prototype'].reduce<unknown>(
          (before, key) => changed(before, [...path, key], POISON),
          event,
        );
        await broughtTo(world, poisoned);
        expect(misdeedsIn(world, ['held'])).toEqual([]);
      });
    }
  });
});

describe('the dead-letter queue', () => {
  it.each<[string, unknown]>([
    ['text', 'drain it, please'],
    ['nothing', null],
    ['a list of events', [{}]],
    ['a message of SNS', { Records: [{ EventSource: 'aws:sns', Sns: { Message: '{}' } }] }],
  ])('keeps what is rejected, as it came, at once: %s', (_, event) =>
    inHostileWorld({}, async (world) => {
      expect(await broughtTo(world, event)).toBe('rejected');
      expect(world.service.lambda.invocations).toHaveLength(1);
      expect(deadLettersIn(world.service)).toMatchObject([{ body: JSON.stringify(event), code: 'RejectedEvent' }]);
      expect(DEAD_LETTER).toContainEqual(operationsIn(world));
    }),
  );

  it.each<[string, (event: Readonly<Record<string, Json>>) => unknown]>([
    ['the test notification of a hook', (all) => all['test notification']],
    ['a task that only has started', (all) => changed(all['task state change'], ['detail', 'lastStatus'], 'RUNNING')],
    ["another group's termination", (all) => changed(all['termination'], ['detail', 'AutoScalingGroupName'], 'others')],
    ['an event of no one', (all) => changed(all['termination'], ['source'], 'missing')],
  ])('gets nothing of what is ignored: %s', (_, eventOf) =>
    inHostileWorld({}, async (world) => {
      expect(await broughtTo(world, eventOf(genuine))).toBe('ignored');
      expect(world.service.lambda.invocations).toHaveLength(1);
      expect(deadLettersIn(world.service)).toEqual([]);
      expect(world.mutations).toEqual([]);
    }),
  );
});
