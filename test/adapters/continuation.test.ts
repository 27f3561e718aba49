import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decode, encode } from '../../src/adapters/continuation.ts';
import {
  type Drain,
  type HeldDrain,
  hookLimits,
  MANAGED_DRAINING_HOOK,
  newActionDrain,
  newHeldDrain,
  newNoticeDrain,
  STRAGGLERS,
} from '../../src/domain/drain.ts';
import { CLUSTER, containerInstanceArn, drain, INSTANCE_ID, noticeDrain, taskArn } from './samples.ts';

type Json = Record<string, unknown>;

const at = (time: string) => Date.parse(`2026-03-01T${time}Z`);

/** What the function reads of what it has written. */
const written = (each: Drain) => decode(JSON.parse(encode(each)), 'detail');

/** The same value without one key. */
function without(value: object, key: string): Json {
  return Object.fromEntries(Object.entries(value).filter(([name]) => name !== key));
}

/** Why it cannot be read. */
function reasonOf(continuation: unknown): string {
  const decoded = decode(continuation, 'detail');
  return decoded.kind === 'unreadable' ? decoded.reason : `not unreadable: ${JSON.stringify(decoded)}`;
}

describe('a continuation', () => {
  it('carries the version and the whole drain', () => {
    expect(JSON.parse(encode(drain))).toEqual({ version: 8, drain });
    expect(JSON.parse(encode(noticeDrain))).toEqual({ version: 8, drain: noticeDrain });
  });

  it.each<[string, Drain]>([
    ['with all that it can carry', drain],
    ['on a notice', { ...noticeDrain, known: drain.known, parked: drain.parked, closed: drain.closed }],
    ['that has just begun', newHeldDrain(drain.action, { startedAtMs: drain.startedAtMs, pollIntervalSeconds: 2 })],
    ['whose tasks were not listed yet', { ...drain, known: { containerInstances: [] } }],
    [
      'that was found without its event, and so without its token',
      { ...drain, action: { ...drain.action, token: undefined } },
    ],
    ['that has used all of its continuations', { ...drain, continuations: 192_800 }],
    ['whose instance stays in its group', { ...drain, staysInGroup: true }],
    ['whose instance may be retained', { ...drain, mayBeRetained: true }],
    ['that only the next sweep continues', { ...drain, isOnce: true }],
    [
      'whose deadline an operator has set',
      {
        ...drain,
        operator: {
          deadlineAtMs: at('12:00:00'),
          notes: [
            { atMs: at('09:30:00'), by: 'arn:aws:iam::123456789012:user/ann', message: 'Ümlaut 🙂: "wait"' },
            {
              atMs: at('09:40:00'),
              by: 'arn:aws:sts::123456789012:assumed-role/ops/bob@example.com',
              deadlineAtMs: at('12:00:00'),
            },
          ],
        },
      },
    ],
  ])('is read as it was written, of a drain %s', (_, each) => {
    expect(written(each)).toEqual({ kind: 'drain', drain: each });
  });

  const instantMs = fc.double({ min: 0, max: Date.UTC(2100, 0), noNaN: true });
  const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
  const clusterName = fc.stringMatching(/^[A-Za-z0-9_-]{1,255}$/);
  const instanceId = fc.stringMatching(/^i-([0-9a-f]{8}|[0-9a-f]{17})$/);
  const arn = fc.constantFrom(
    containerInstanceArn(1),
    containerInstanceArn(2, 'staging'),
    'arn:aws-us-gov:ecs:us-gov-west-1:123456789012:container-instance/4c8ac2a4-1e9a-4e0e-b3a5-1d2f5f3f9a11',
  );
  const state = {
    namedCluster: maybe(clusterName),
    cluster: maybe(clusterName),
    startedAtMs: instantMs,
    continuations: fc.integer({ min: 0, max: 192_800 }),
    pollIntervalSeconds: fc.double({ min: 0, max: 300, noNaN: true }),
    agentSilence: maybe(
      fc.record({ sinceMs: instantMs, seenLastAtMs: instantMs, containerInstances: maybe(fc.array(arn)) }),
    ),
    closed: maybe(fc.record({ sinceMs: instantMs, containerInstances: fc.array(arn), silent: fc.array(arn) })),
    announced: maybe(fc.constantFrom('started' as const, 'stuck' as const)),
    known: maybe(
      fc.record({
        containerInstances: fc.array(fc.record({ arn, cluster: clusterName })),
        tasks: maybe(
          fc.record({
            holding: fc.array(fc.record({ arn: fc.constant(taskArn()), cluster: clusterName })),
            listedAtMs: instantMs,
          }),
        ),
      }),
    ),
    emptiedAtMs: maybe(instantMs),
    parked: maybe(
      fc.record({ schedule: fc.stringMatching(/^[\w.-]{1,64}$/), untilMs: instantMs, firesAtMs: instantMs }),
    ),
  };
  const drains: fc.Arbitrary<Drain> = fc.oneof(
    fc.record({
      ...state,
      kind: fc.constant('held' as const),
      action: fc.record({
        autoScalingGroup: fc.string({ minLength: 1, maxLength: 255 }),
        lifecycleHook: fc.string({ minLength: 1, maxLength: 255 }),
        instanceId,
        token: maybe(fc.uuid()),
      }),
      hook: maybe(
        fc.record({
          heartbeatTimeoutSeconds: fc.integer({ min: 30, max: 7_200 }),
          globalTimeoutSeconds: fc.integer({ min: 3_000, max: 172_800 }),
          managedDraining: maybe(fc.boolean()),
          choices: maybe(
            fc.record({
              deadlineSeconds: maybe(fc.integer({ min: 1, max: 172_800 })),
              deadlineResult: maybe(fc.constantFrom('CONTINUE' as const, 'ABANDON' as const)),
              stopStragglers: maybe(fc.constantFrom(...STRAGGLERS)),
              deregistrationDelaySeconds: maybe(fc.integer({ min: 0, max: 3_600 })),
            }),
          ),
        }),
      ),
      lastHeartbeatAtMs: instantMs,
      heartbeats: fc.nat(),
    }),
    fc.record({
      ...state,
      kind: fc.constant('supervised' as const),
      action: fc.record({
        autoScalingGroup: fc.string({ minLength: 1, maxLength: 255 }),
        lifecycleHook: fc.constant(MANAGED_DRAINING_HOOK),
        instanceId,
        token: maybe(fc.uuid()),
      }),
      hook: maybe(fc.constant(hookLimits(3_600))),
      emptySinceMs: maybe(instantMs),
      isCompletionDenied: maybe(fc.boolean()),
    }),
    fc.record({
      ...state,
      kind: fc.constant('notice' as const),
      notice: fc.record({
        kind: fc.constantFrom('spot-interruption' as const, 'rebalance-recommendation' as const),
        instanceId,
        token: fc.uuid(),
      }),
    }),
  );

  it('is read as it was written, whatever the drain', () => {
    fc.assert(
      fc.property(drains, (each) => {
        expect(written(each)).toEqual({ kind: 'drain', drain: each });
      }),
    );
  });
});

describe('a continuation of an earlier version', () => {
  /** What every version has written of a drain under way. */
  const always = {
    action: {
      autoScalingGroup: 'web',
      lifecycleHook: 'ecs-drain',
      instanceId: INSTANCE_ID,
      token: '87654321-4321-4321-4321-210987654321',
    },
    namedCluster: CLUSTER,
    cluster: CLUSTER,
    startedAtMs: at('09:00:00'),
    hook: { heartbeatTimeoutSeconds: 300, globalTimeoutSeconds: 30_000 },
    lastHeartbeatAtMs: at('09:05:00'),
    heartbeats: 2,
    continuations: 1,
    pollIntervalSeconds: 7.5,
  };
  const silence = { sinceMs: at('09:06:00'), seenLastAtMs: at('09:06:00') };
  const containerInstance = containerInstanceArn();
  const refs = {
    containerInstances: [{ arn: containerInstance, cluster: CLUSTER }],
    holdingTasks: [{ arn: taskArn(), cluster: CLUSTER }],
    awaitedTask: taskArn(),
  };
  const parked = { untilMs: at('09:12:00'), ...refs };
  const closed = { sinceMs: at('09:00:05'), containerInstances: [containerInstance], silent: [] };
  const notice = {
    notice: 'spot-interruption',
    instanceId: INSTANCE_ID,
    token: '12345678-1234-1234-1234-123456789012',
  };
  const unparked: HeldDrain = { kind: 'held', ...always };
  const known = { containerInstances: refs.containerInstances };
  const schedule = '00000000000000000000000000000001';
  const wait = { schedule, untilMs: at('09:12:00'), firesAtMs: at('09:12:00') };

  it.each<[string, number, object, Drain]>([
    ['the first', 1, { ...always, agentDisconnectedSinceMs: at('09:06:00') }, unparked],
    [
      'one with the silence of an agent',
      1,
      { ...always, agentSilence: silence },
      { ...unparked, agentSilence: silence },
    ],
    [
      'one that parks, before it said until when',
      2,
      { ...always, containerInstance, agentSilence: silence, parked: refs },
      { ...unparked, agentSilence: silence, known, parked: { schedule, untilMs: 0, firesAtMs: 0 } },
    ],
    ['one that parks', 2, { ...always, containerInstance, parked }, { ...unparked, known, parked: wait }],
    [
      'one with announcements',
      3,
      { ...always, containerInstance, announced: 'started', hook: { ...always.hook, managedDraining: true }, parked },
      { ...unparked, announced: 'started', hook: { ...always.hook, managedDraining: true }, known, parked: wait },
    ],
    [
      'one with settling in its place',
      4,
      { ...always, containerInstance, parked: { ...parked, closedSinceMs: at('09:00:05') } },
      { ...unparked, known, parked: wait },
    ],
    [
      '0.1.0, parked',
      4,
      {
        ...always,
        containerInstance,
        agentSilence: { ...silence, containerInstances: [containerInstance] },
        closed,
        announced: 'stuck',
        parked,
      },
      {
        ...unparked,
        agentSilence: { ...silence, containerInstances: [containerInstance] },
        closed,
        announced: 'stuck',
        known,
        parked: wait,
      },
    ],
    ['one that does not say where it is parked', 4, { ...always, parked }, { ...unparked, known }],
    ['0.1.0, handed over', 4, { ...always, containerInstance, closed }, { ...unparked, closed }],
    [
      '0.1.0, parked before its tasks were listed',
      4,
      { ...always, containerInstance, parked: { untilMs: at('09:12:00'), containerInstances: [], holdingTasks: [] } },
      { ...unparked, parked: wait },
    ],
    [
      '0.1.0, found without its event',
      4,
      { ...always, action: without(always.action, 'token') },
      { ...unparked, action: { ...drain.action, token: undefined } },
    ],
  ])('goes on: %s (version %i)', (_, version, old, now) => {
    const decoded = decode(JSON.parse(JSON.stringify({ version, drain: old })), 'detail');
    expect(decoded).toEqual({ kind: 'drain', drain: now });
    expect(written(now)).toEqual(decoded);
  });

  it('goes on as it is where version 5 wrote it, which did not say when the tasks were seen', () => {
    const { seenAtMs: _, ...tasks } = drain.known?.tasks ?? { holding: [], listedAtMs: 0 };
    const before = { ...drain, known: { containerInstances: drain.known?.containerInstances ?? [], tasks } };
    expect(decode({ version: 5, drain: before }, 'detail')).toEqual({ kind: 'drain', drain: before });
  });

  it('goes on unchanged from version 7, whose waits had no turn', () => {
    for (const each of [drain, noticeDrain]) {
      const { turn: _, ...parked } = drain.parked ?? { schedule: 'one', untilMs: 0, firesAtMs: 0 };
      const before = { ...each, parked };
      expect(decode({ version: 7, drain: before }, 'detail')).toEqual({ kind: 'drain', drain: before });
    }
  });

  it('goes on unchanged from version 6, which knew no requests of operators', () => {
    const { hook: _, heartbeats: __, lastHeartbeatAtMs: ___, ...state } = drain;
    const supervised: Drain = { ...state, kind: 'supervised', emptySinceMs: drain.startedAtMs };
    for (const each of [drain, noticeDrain, supervised]) {
      const { operator: _, ...before } = each;
      const detail = JSON.parse(JSON.stringify({ version: 6, drain: before }));
      expect(decode(detail, 'detail')).toEqual({ kind: 'drain', drain: before });
    }
  });

  it('goes on unchanged from version 5, which knew no drain of ECS managed draining', () => {
    for (const each of [drain, noticeDrain]) {
      expect(decode(JSON.parse(JSON.stringify({ version: 5, drain: each })), 'detail')).toEqual({
        kind: 'drain',
        drain: each,
      });
    }
    expect(reasonOf({ version: 5, drain: { ...drain, kind: 'supervised' } })).toBe(
      'detail.drain.kind is "supervised": expected a drain of kind held or notice.',
    );
  });

  it('with the last part of a container instance’s ARN for the name of its schedule, as 0.1.0 had it', () => {
    const old = 'arn:aws:ecs:eu-west-1:123456789012:container-instance/f9cc75bb-0c94-46b9-bf6d-49d320bc1551';
    const detail = { version: 4, drain: { ...always, containerInstance: old, parked } };
    expect(decode(detail, 'detail')).toMatchObject({
      drain: { parked: { schedule: 'f9cc75bb-0c94-46b9-bf6d-49d320bc1551' } },
    });
  });

  it.each([3, 4])('goes on as a drain on a notice, which has no hook and no heartbeats: version %i', (version) => {
    const detail = { version, drain: { ...always, action: notice, containerInstance, parked } };
    const decoded = decode(detail, 'detail');
    const { action: _, hook: __, lastHeartbeatAtMs: ___, heartbeats: ____, ...state } = always;
    expect(decoded).toEqual({
      kind: 'drain',
      drain: {
        kind: 'notice',
        notice: noticeDrain.notice,
        ...state,
        known,
        parked: { ...wait, schedule: `${schedule}-notice` },
      },
    });
  });

  it.each([
    [
      'nothing that it did not write',
      { ...always, kind: 'held' },
      'detail.drain.kind is not a field that is known here.',
    ],
    [
      'no action of another kind',
      { ...always, action: { ...notice, notice: 'rain' } },
      'detail.drain.action.notice is "rain": expected one of spot-interruption, rebalance-recommendation.',
    ],
    [
      'no part of a notice alone',
      { ...always, action: without(notice, 'token') },
      'detail.drain.action.token is missing',
    ],
    [
      'no task for an instance',
      { ...always, containerInstance: taskArn() },
      'expected the ARN of a container instance',
    ],
    [
      'no instance for a task',
      { ...always, parked: { ...parked, awaitedTask: 'web' } },
      'detail.drain.parked.awaitedTask is "web": expected the ARN of a task.',
    ],
  ])('may carry %s', (_, old, reason) => {
    for (const version of [1, 2, 3, 4]) expect(reasonOf({ version, drain: old })).toContain(reason);
  });
});

describe('a continuation of a later version', () => {
  const { action, startedAtMs } = drain;
  const beginning = { startedAtMs, pollIntervalSeconds: 1 };

  it('starts the drain again, with what can be understood of it and nothing else', () => {
    const later = {
      version: 9,
      drain: { kind: 'held', action: { ...action, mood: 'new' }, startedAtMs, continuations: 7, parked: 'otherwise' },
      more: true,
    };
    const decoded = decode(later, 'detail');
    const restarted = { ...newHeldDrain(action, beginning), continuations: 7 };
    expect(decoded).toEqual({ kind: 'restart', version: 9, drain: restarted });
    expect(written(restarted)).toEqual({ kind: 'drain', drain: restarted });
  });

  it('starts the drain of an instance again that may stay: it still needs its mark', () => {
    const staying = { staysInGroup: true, mayBeRetained: true } as const;
    const later = { version: 9, drain: { kind: 'held', action, startedAtMs, continuations: 0, ...staying } };
    expect(decode(later, 'detail')).toMatchObject({ drain: staying });
  });

  it('starts a drain of ECS managed draining again, by the name of its hook', () => {
    const ofEcs = { ...action, lifecycleHook: MANAGED_DRAINING_HOOK };
    const later = { version: 9, drain: { kind: 'otherwise', action: ofEcs, startedAtMs, continuations: 0 } };
    expect(decode(later, 'detail')).toEqual({ kind: 'restart', version: 9, drain: newActionDrain(ofEcs, beginning) });
  });

  it('starts a drain on a notice again', () => {
    const later = {
      version: 99,
      drain: { notice: { ...noticeDrain.notice, mood: 'new' }, startedAtMs, continuations: 0 },
    };
    expect(decode(later, 'detail')).toEqual({
      kind: 'restart',
      version: 99,
      drain: newNoticeDrain(noticeDrain.notice, beginning),
    });
  });

  it.each([
    ['neither action nor notice', { startedAtMs, continuations: 7 }],
    ['an action that is something else', { action: 'web', startedAtMs, continuations: 7 }],
    ['a notice of an unknown kind', { notice: { ...noticeDrain.notice, kind: 'rain' }, startedAtMs, continuations: 7 }],
    ['no start', { action, continuations: 7 }],
    ['too many continuations', { action, startedAtMs, continuations: 192_801 }],
  ])('is unreadable with %s', (_, later) => {
    expect(reasonOf({ version: 9, drain: later })).toBe(
      'detail.version is 9: expected version 1 to 8, which this function can read.',
    );
  });
});

describe('a continuation that cannot be read', () => {
  const held = (changes: Json) => ({ version: 8, drain: { ...drain, ...changes } });

  it.each([0, '1', null, 5.5, -1])('is of a version that never was: %j', (version) => {
    expect(reasonOf({ ...held({}), version })).toBe(
      `detail.version is ${JSON.stringify(version)}: expected version 1 to 8, which this function can read.`,
    );
  });

  it('is of no version', () => {
    expect(reasonOf({ drain })).toContain('detail.version is missing');
  });

  it.each([['later'], [null], [undefined], [5]])('is no object: %j', (continuation) => {
    expect(reasonOf(continuation)).toMatch(/^detail is (missing|"later"|null|5): expected version 1 to 8/);
  });

  it.each([
    ['held', { drain }],
    ['notice', { drain: noticeDrain }],
  ])('is of another kind than %s', (_, { drain: each }) => {
    const reason = /^detail\.drain\.kind is .*expected a drain of kind held, supervised or notice\.$/;
    expect(reasonOf({ version: 8, drain: { ...each, kind: 'rain' } })).toMatch(reason);
    expect(reasonOf({ version: 8, drain: without(each, 'kind') })).toContain('detail.drain.kind is missing');
  });

  it('came too often: something continues the drain in a loop', () => {
    expect(reasonOf(held({ continuations: 192_801 }))).toBe(
      'detail.drain.continuations is 192801: expected 192800 at most: something continues the drain in a loop.',
    );
  });

  const missing = (value: object, path: string, wrap: (changed: Json) => Json, fields: readonly string[]) =>
    fields.map((field): [string, Json] => [`${path}.${field}`, wrap(without(value, field))]);
  it.each([
    ...missing(drain, 'drain', (each) => each, [
      'action',
      'startedAtMs',
      'lastHeartbeatAtMs',
      'heartbeats',
      'continuations',
      'pollIntervalSeconds',
    ]),
    ...missing(noticeDrain, 'drain', (each) => each, ['notice', 'startedAtMs']),
    ...missing(noticeDrain.notice, 'drain.notice', (notice) => ({ ...noticeDrain, notice }), [
      'kind',
      'instanceId',
      'token',
    ]),
    ...missing(drain.action, 'drain.action', (action) => ({ ...drain, action }), [
      'autoScalingGroup',
      'lifecycleHook',
      'instanceId',
    ]),
    ...missing(drain.hook ?? {}, 'drain.hook', (hook) => ({ ...drain, hook }), [
      'heartbeatTimeoutSeconds',
      'globalTimeoutSeconds',
    ]),
    ...missing(drain.closed ?? {}, 'drain.closed', (closed) => ({ ...drain, closed }), [
      'sinceMs',
      'containerInstances',
      'silent',
    ]),
    ...missing(drain.known ?? {}, 'drain.known', (known) => ({ ...drain, known }), ['containerInstances']),
    ...missing(drain.parked ?? {}, 'drain.parked', (parked) => ({ ...drain, parked }), [
      'schedule',
      'untilMs',
      'firesAtMs',
    ]),
  ])('lacks a field, which is named: %s', (field, each) => {
    expect(reasonOf({ version: 8, drain: each })).toContain(`detail.${field} is missing`);
  });

  it.each<[string, unknown, Json]>([
    ...(
      [
        ['action', 'instanceId', 'web-1', 'expected an EC2 instance id such as i-0123456789abcdef0'],
        ['action', 'token', '', 'expected a lifecycle action token of 36 characters'],
        ['action', 'autoScalingGroup', '', 'expected the name of an Auto Scaling group'],
        ['action', 'lifecycleHook', 5, 'expected the name of a lifecycle hook'],
        ['hook', 'heartbeatTimeoutSeconds', 29, 'expected seconds from 30 to 7200'],
        ['hook', 'heartbeatTimeoutSeconds', 7201, 'expected seconds from 30 to 7200'],
        ['hook', 'globalTimeoutSeconds', 172801, 'expected seconds from 1 to 172800'],
        ['hook', 'globalTimeoutSeconds', 0.5, 'expected seconds from 1 to 172800'],
        ['hook', 'managedDraining', 'yes', 'expected true or false'],
        ['hook', 'choices', 5, 'expected an object'],
        ['agentSilence', 'sinceMs', -1, 'expected epoch milliseconds from 0 to 8640000000000000'],
        ['agentSilence', 'seenLastAtMs', 'now', 'expected epoch milliseconds from 0 to 8640000000000000'],
        ['agentSilence', 'containerInstances', 'all', 'expected a list'],
        ['closed', 'silent', {}, 'expected a list'],
        ['known', 'containerInstances', null, 'expected a list'],
        ['parked', 'schedule', 'a schedule', 'expected the name of a schedule'],
        ['parked', 'schedule', 'x'.repeat(65), 'expected the name of a schedule'],
        ['parked', 'schedule', 5, 'expected the name of a schedule'],
        ['parked', 'firesAtMs', null, 'expected epoch milliseconds from 0 to 8640000000000000'],
      ] as const
    ).map(([part, field, value, expected]): [string, unknown, Json] => [
      `${part}.${field}`,
      `${JSON.stringify(value)}: ${expected}`,
      { [part]: { ...drain[part], [field]: value } },
    ]),
    ...Object.entries({
      startedAtMs: [['2026-03-01T09:00:00Z', -1, 9e15, null], 'expected epoch milliseconds from 0 to 8640000000000000'],
      lastHeartbeatAtMs: [[-1, '1'], 'expected epoch milliseconds from 0 to 8640000000000000'],
      emptiedAtMs: [['1'], 'expected epoch milliseconds from 0 to 8640000000000000'],
      heartbeats: [[-1, 1.5, -1.5, '2', null], 'expected a count'],
      continuations: [[-1, 0.5, '1'], 'expected a count'],
      pollIntervalSeconds: [[-1, 301, '5', null], 'expected seconds from 0 to 300'],
      agentSilence: [['now', null], 'expected an object'],
      announced: [['finished'], 'expected started or stuck'],
      cluster: [
        ['', 'arn:aws:ecs:eu-west-1:123456789012:cluster/prod', 5],
        'expected the name (not the ARN) of an ECS cluster',
      ],
      namedCluster: [['a b', null], 'expected the name (not the ARN) of an ECS cluster'],
      action: [[INSTANCE_ID], 'expected an object'],
    } as const).flatMap(([field, [values, expected]]) =>
      values.map((value): [string, unknown, Json] => [
        field,
        `${JSON.stringify(value)}: ${expected}`,
        { [field]: value },
      ]),
    ),
  ])('has a value that cannot be, which is named with its field: %s is %s', (field, words, changes) => {
    expect(reasonOf(held(changes))).toBe(`detail.drain.${field} is ${words}.`);
  });

  it('names what a notice lacks', () => {
    const notice = (changes: Json) => ({
      version: 8,
      drain: { ...noticeDrain, notice: { ...noticeDrain.notice, ...changes } },
    });
    expect(reasonOf(notice({ token: '' }))).toBe('detail.drain.notice.token is "": expected the id of an event.');
    expect(reasonOf(notice({ kind: 'rain' }))).toBe(
      'detail.drain.notice.kind is "rain": expected one of spot-interruption, rebalance-recommendation.',
    );
  });

  const withRegistration = (arn: string) => held({ known: { containerInstances: [{ arn, cluster: CLUSTER }] } });
  const prefix = 'arn:aws:ecs:eu-west-1:123456789012:container-instance';

  it.each([
    taskArn(),
    'arn:aws:ec2:eu-west-1:123456789012:container-instance/prod/1',
    'arn:aws:ecs:eu-west-1:12345678901:container-instance/prod/1',
    `${prefix}/prod/web/1`,
    `${prefix}/${'x'.repeat(256)}/1`,
    `${prefix}/prod/${'x'.repeat(65)}`,
    `x${prefix}/prod/1`,
  ])('names what is no container instance: %s', (arn) => {
    expect(reasonOf(withRegistration(arn))).toMatch(
      /^detail\.drain\.known\.containerInstances\.0\.arn is .*: expected the ARN of a container instance\.$/,
    );
  });

  it.each([
    `${prefix}/prod/4c8ac2a41e9a4e0eb3a51d2f5f3f9a11`,
    `${prefix}/${'x'.repeat(255)}/${'x'.repeat(64)}`,
    'arn:aws-us-gov:ecs:us-gov-west-1:123456789012:container-instance/4c8ac2a4-1e9a-4e0e-b3a5-1d2f5f3f9a11',
  ])('does not take a container instance for something else: %s', (arn) => {
    expect(decode(withRegistration(arn), 'detail')).toMatchObject({ kind: 'drain' });
  });

  it.each<[string, Json]>([
    ['detail.extra', { ...held({}), extra: 7 }],
    ['detail.drain.extra', held({ extra: 7 })],
    ['detail.drain.action.extra', held({ action: { ...drain.action, extra: 7 } })],
    ['detail.drain.hook.extra', held({ hook: { ...drain.hook, extra: 7 } })],
    ['detail.drain.parked.extra', held({ parked: { ...drain.parked, extra: 7 } })],
    ['detail.drain.heartbeats', { version: 8, drain: { ...noticeDrain, heartbeats: 1 } }],
  ])('carries something that no version has written: %s', (field, continuation) => {
    expect(reasonOf(continuation)).toBe(`${field} is not a field that is known here.`);
  });

  it.each(['drain', 'action', 'hook'])('has keys that reach for the prototype: in its %s', (part) => {
    const poison = '"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},';
    const text = JSON.stringify(held({})).replace(`"${part}":{`, `"${part}":{${poison}`);
    expect(reasonOf(JSON.parse(text))).toContain('is not a field that is known here');
    expect(Reflect.get({}, 'polluted')).toBeUndefined();
  });
});
