import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { RejectedEvent } from '../../src/handlers/events.ts';
import { START_MS } from '../fakes.ts';
import { EVENT_SOURCE } from './environment.ts';
import { type HostileWorld, inHostileWorld, misdeedsIn } from './hostile-world.ts';

type Json = Record<string, unknown>;
type Path = readonly string[];

const REMOVED = Symbol('removed');
const MEGABYTE = 'x'.repeat(1_000_000);

/** One genuine event of each kind that may come, of the instance that is held. The world is the same each time, so they fit it. */
let genuine: Readonly<Record<string, Json>>;
/** What names something real that it must not reach, or reaches for what is not there. */
let names: readonly string[];

const KINDS = [
  'termination',
  'termination with metadata',
  'continuation',
  'continuation of version 1',
  'continuation of a newer version',
  'continuation of a notice',
  'Spot interruption',
  'rebalance recommendation',
  'task state change',
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

function genuineEvents({ events, held }: HostileWorld): Record<(typeof KINDS)[number], Json> {
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
  const continuation = first('ECS Drain Continuation');
  const { drain } = continuation['detail'] as { drain: Json };
  const { parked: _, containerInstance: __, announced: ___, ...old } = drain;
  const stopped = first('ECS Task State Change', ({ detail }) => (detail as Json)['lastStatus'] === 'STOPPED');
  const notice = (detailType: string): Json => ({
    ...termination,
    source: 'aws.ec2',
    'detail-type': detailType,
    detail: { 'instance-id': held, 'instance-action': 'terminate' },
  });
  const action = { notice: 'spot-interruption', instanceId: held, token: '12345678-1234-1234-1234-123456789012' };
  return {
    termination,
    'termination with metadata': with_(termination, { NotificationMetadata: '{"cluster":"prod"}' }),
    continuation,
    'continuation of version 1': with_(continuation, { version: 1, drain: old }),
    'continuation of a newer version': with_(continuation, { version: 3, drain: { ...drain, moods: [] } }),
    'continuation of a notice': with_(continuation, { drain: { ...old, action } }),
    'Spot interruption': notice('EC2 Spot Instance Interruption Warning'),
    'rebalance recommendation': notice('EC2 Instance Rebalance Recommendation'),
    'task state change': stopped,
    'test notification': { ...(termination['detail'] as Json), Event: 'autoscaling:TEST_NOTIFICATION' },
    'SNS envelope': {
      Records: [{ EventSource: 'aws:sns', Sns: { Type: 'Notification', Message: JSON.stringify(termination) } }],
    },
    'scheduled event': { ...termination, source: 'aws.events', 'detail-type': 'Scheduled Event', detail: {} },
  };
}

/** Where the fields of a value are, at any depth. */
function pathsIn(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([key, inner]) => pathsIn(inner, [...path, key]))];
}

/** A copy with the field at the path set, or removed; also `__proto__` becomes a field of its own, as JSON.parse makes it. */
function changed(value: unknown, [key, ...rest]: Path, to: unknown): unknown {
  if (key === undefined) return to === REMOVED ? undefined : to;
  if (Array.isArray(value)) return value.map((item, i) => (String(i) === key ? changed(item, rest, to) : item));
  const fields = (typeof value === 'object' ? (value ?? {}) : {}) as Json; // a text's characters are no fields
  const others = Object.entries(fields).filter(([name]) => name !== key);
  if (rest.length === 0 && to === REMOVED) return Object.fromEntries(others);
  const inner = changed(Object.hasOwn(fields, key) ? fields[key] : undefined, rest, to);
  return Object.fromEntries([...others, [key, inner]]);
}

const nested = (depth: number) => JSON.parse(`${'{"a":['.repeat(depth)}${']}'.repeat(depth)}`);

const hostileText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
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
    'x'.repeat(64_000),
    MEGABYTE,
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
  MEGABYTE,
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

/** Invokes the function with the event alone, as whoever may do that can, and lets all happen that comes of it. */
async function invokedWith(event: unknown, world: HostileWorld): Promise<string> {
  const { lambda } = world;
  lambda.invokeAsync(event);
  await world.settle();
  const [first] = lambda.invocations;
  if (first?.error === undefined) return String((first?.result as Json | undefined)?.['kind']);
  return world.errors[0] instanceof RejectedEvent ? 'rejected' : 'failed';
}

describe('an event that somebody has meddled with', () => {
  it('is ignored, or rejected in a sentence, or drains what is ours: nothing else is changed', async () => {
    const seen = new Set<string>();
    await fc.assert(
      fc.asyncProperty(mutated, (event) =>
        inHostileWorld({}, async (world) => {
          const result = await invokedWith(event, world);
          seen.add(result);
          expect(misdeedsIn(world, ['held', 'free', 'foreign'])).toEqual([]);
          expect(world.logs.filter(({ message }) => message === 'forged')).toEqual([]);
          if (['ignored', 'rejected'].includes(result)) expect(world.mutations).toEqual([]);
        }),
      ),
      { numRuns: 300 },
    );
    expect([...seen]).toEqual(expect.arrayContaining(['ignored', 'rejected', 'parked']));
  });

  it.each(KINDS)('writes neither long lines nor long sentences for a megabyte in any field: %s', async (kind) => {
    const event = genuine[kind];
    for (const path of pathsIn(event)) {
      await inHostileWorld({}, async (world) => {
        await invokedWith(changed(event, path, MEGABYTE), world);
        expect(misdeedsIn(world, ['held'])).toEqual([]);
      });
    }
  });

  it.each(KINDS)('pollutes no prototype with keys that reach for it: %s', async (kind) => {
    const event = genuine[kind];
    for (const path of pathsIn(event)) {
      await inHostileWorld({}, async (world) => {
        const poisoned = ['__proto__', 'constructor', 'prototype'].reduce<unknown>(
          (before, key) => changed(before, [...path, key], POISON),
          event,
        );
        await invokedWith(poisoned, world);
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
  ])('keeps what is rejected, after it was tried three times: %s', (_, event) =>
    inHostileWorld({}, async (world) => {
      expect(await invokedWith(event, world)).toBe('rejected');
      expect(world.lambda.invocations).toHaveLength(3);
      expect(world.lambda.deadLetters).toEqual([event]);
      expect(world.mutations).toEqual([]);
    }),
  );

  it.each<[string, (event: Readonly<Record<string, Json>>) => unknown]>([
    ['the test notification of a hook', (all) => all['test notification']],
    ['a task that only has started', (all) => changed(all['task state change'], ['detail', 'lastStatus'], 'RUNNING')],
    ["another group's termination", (all) => changed(all['termination'], ['detail', 'AutoScalingGroupName'], 'others')],
    ['an event of nobody', (all) => changed(all['termination'], ['source'], 'nobody')],
  ])('gets nothing of what is ignored: %s', (_, eventOf) =>
    inHostileWorld({}, async (world) => {
      expect(await invokedWith(eventOf(genuine), world)).toBe('ignored');
      expect(world.lambda.invocations).toHaveLength(1);
      expect(world.lambda.deadLetters).toEqual([]);
      expect(world.mutations).toEqual([]);
    }),
  );
});
