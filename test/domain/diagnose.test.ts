import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  blockersOf,
  type Cause,
  canReplace,
  type DiagnosisInput,
  type Diagnostics,
  diagnose,
  NO_DIAGNOSTICS,
  type Service,
  type ServiceEvent,
} from '../../src/domain/diagnose.ts';
import type { HoldingTask } from '../../src/domain/observation.ts';
import { containerInstanceOf, holdingTaskOf, START_MS } from './samples.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const nowMs = START_MS + HOUR;
const deadlineAtMs = START_MS + 2 * HOUR;

function serviceOf(overrides: Partial<Service> = {}): Service {
  return {
    cluster: 'prod',
    name: 'web',
    isDaemon: false,
    desiredCount: 4,
    minimumHealthyPercent: 100,
    maximumPercent: 200,
    events: [],
    deployment: undefined,
    ...overrides,
  };
}

function inputWith(diagnostics: Partial<Diagnostics> = {}, overrides: Partial<DiagnosisInput> = {}): DiagnosisInput {
  return {
    diagnostics: { ...NO_DIAGNOSTICS, services: [serviceOf()], ...diagnostics },
    containerInstances: [containerInstanceOf()],
    startedAtMs: START_MS,
    deadlineAtMs,
    nowMs,
    ...overrides,
  };
}

/** The causes of one task that is alone on its instance. */
function causesOf(task: Partial<HoldingTask>, input = inputWith()): readonly Cause[] {
  const [blocker, ...others] = blockersOf([holdingTaskOf(task)], input);
  expect(others).toEqual([]);
  return blocker?.causes ?? [];
}

const withEvents = (...events: ServiceEvent[]) => inputWith({ services: [serviceOf({ events })] });

describe('a service that can never be drained', () => {
  it.each([
    // The developer guide's own examples: facts 37 undrainable-services.
    [4, 100, 100, false],
    [4, 50, 100, true],
    [4, 100, 200, true],
    [2, 75, 100, false],
    [3, 100, 125, false],
    [4, 100, 125, true],
    [1, 50, 100, false],
    [1, 0, 100, true],
    [1, 100, 199, false],
    [1, 100, 200, true],
    [0, 100, 100, true],
  ])('of %i tasks, with a minimum of %i % and a maximum of %i %: can be drained: %s', (desiredCount, min, max, can) => {
    expect(canReplace({ desiredCount, minimumHealthyPercent: min, maximumPercent: max })).toBe(can);
  });

  it('is reported with its configuration', () => {
    const service = serviceOf({ maximumPercent: 100 });
    expect(causesOf({}, inputWith({ services: [service] }))).toEqual([
      { kind: 'cannot-replace', desiredCount: 4, minimumHealthyPercent: 100, maximumPercent: 100 },
    ]);
  });

  it('is no cause of another service’s task, nor of one of the same name in another cluster', () => {
    const input = inputWith({ services: [serviceOf({ maximumPercent: 100 })] });
    expect(causesOf({ group: 'service:api' }, input)).toEqual([]);
    expect(causesOf({ cluster: 'staging' }, input)).toEqual([]);
  });

  it('is no cause of a task that is leaving already', () => {
    const input = inputWith({ services: [serviceOf({ maximumPercent: 100 })] });
    expect(causesOf({ lastStatus: 'DEACTIVATING', stopRequested: true }, input)).toEqual([{ kind: 'deregistering' }]);
  });
});

describe('what ECS reports of a service in words that are not known', () => {
  const at = (ms: number, message: string): ServiceEvent => ({ atMs: ms, message });

  it('is quoted, the newest since the drain began; what is known to be no cause is not', () => {
    const [older, newer] = [START_MS + MINUTE, START_MS + 2 * MINUTE];
    const events = [
      at(older, 'waits for the moon'),
      at(newer, 'waits for the sun'),
      at(nowMs, 'has started 1 tasks: …'),
    ];
    expect(causesOf({}, withEvents(...events))).toEqual([
      { kind: 'service-event', message: 'waits for the sun', atMs: newer },
    ]);
    expect(causesOf({}, withEvents(at(START_MS - 1, 'waits for the moon')))).toEqual([]);
  });

  it('stands beside the causes that are known', () => {
    const events = [
      at(nowMs, 'waits for the moon'),
      at(nowMs, '(service web) (task 1) failed container health checks.'),
    ];
    expect(causesOf({}, withEvents(...events))).toMatchObject([
      { kind: 'replacements-fail' },
      { kind: 'service-event' },
    ]);
  });
});

describe('a replacement that finds no room', () => {
  const message =
    '(service web) was unable to place a task because no container instance met all of its requirements. The closest matching (container-instance 0123) has insufficient memory available.';
  const steady = '(service web) has reached a steady state.';
  const at = (ms: number, text = message): ServiceEvent => ({ atMs: ms, message: text });

  it('is reported in ECS’s words, the newest of them', () => {
    const newest = START_MS + 20 * MINUTE;
    expect(causesOf({}, withEvents(at(newest), at(START_MS + MINUTE)))).toEqual([
      { kind: 'no-room', message, atMs: newest },
    ]);
    expect(causesOf({}, withEvents(at(START_MS + MINUTE), at(newest)))).toMatchObject([{ atMs: newest }]);
  });

  it('is no cause if it was before the drain began, and the service was steady since', () => {
    expect(causesOf({}, withEvents(at(START_MS - MINUTE, steady), at(START_MS - 2 * MINUTE)))).toEqual([]);
  });

  it('is still a cause if it was before the drain began and is not over: ECS does not repeat it for six hours', () => {
    const before = START_MS - 2 * MINUTE;
    expect(causesOf({}, withEvents(at(before), at(before - MINUTE, steady)))).toMatchObject([{ kind: 'no-room' }]);
    expect(causesOf({}, withEvents(at(nowMs - 6 * HOUR)))).toEqual([]);
    expect(causesOf({}, withEvents(at(nowMs - 6 * HOUR + 1)))).toMatchObject([{ kind: 'no-room' }]);
  });

  it('is a cause if it was since the drain began, though the service was steady since', () => {
    for (const atMs of [START_MS, START_MS + MINUTE]) {
      expect(causesOf({}, withEvents(at(nowMs, steady), at(atMs)))).toMatchObject([{ kind: 'no-room', atMs }]);
    }
    expect(causesOf({}, withEvents(at(nowMs, steady), at(START_MS - 1)))).toEqual([]);
  });

  it('is not over where the service was steady at the same instant', () => {
    expect(causesOf({}, withEvents(at(START_MS - 1, steady), at(START_MS - 1)))).toMatchObject([{ kind: 'no-room' }]);
  });

  it.each([
    '(service web) was unable to reach steady state. Reason: No Container Instances were found in your capacity provider.',
    "(service web) was unable to place a task. Reason: You've reached the limit on the number of tasks you can run concurrently.",
  ])('is recognized in other words: %s', (words) => {
    expect(causesOf({}, withEvents(at(nowMs, words)))).toMatchObject([{ kind: 'no-room', message: words }]);
  });
});

describe('a replacement that fails', () => {
  it.each([
    '(service web) is unable to consistently start tasks successfully. For more information, see the Troubleshooting section.',
    '(service web) (port 8080) is unhealthy in (target-group arn:aws:elasticloadbalancing:…) due to (reason Health checks failed).',
  ])('is reported in ECS’s words, if that was since the drain began or is not over: %s', (message) => {
    const atMs = START_MS + MINUTE;
    expect(causesOf({}, withEvents({ atMs, message }))).toEqual([{ kind: 'replacements-fail', message, atMs }]);
    expect(causesOf({}, withEvents({ atMs: START_MS, message }))).toHaveLength(1);
    const before = { atMs: START_MS - 2, message };
    expect(causesOf({}, withEvents(before))).toHaveLength(1);
    const steady = { atMs: START_MS - 1, message: '(service web) has reached a steady state.' };
    expect(causesOf({}, withEvents(steady, before))).toEqual([]);
    expect(causesOf({}, withEvents({ atMs: nowMs - 6 * HOUR, message }))).toEqual([]);
  });

  it('is not reported for the usual events', () => {
    const usual = [
      'has started 1 tasks: (task 0123).',
      'has begun draining connections on 1 tasks.',
      'registered 1 targets',
    ];
    expect(
      causesOf({}, withEvents(...usual.map((what) => ({ atMs: nowMs, message: `(service web) ${what}` })))),
    ).toEqual([]);
  });
});

describe('other causes', () => {
  it('are scale-in protection, and until when', () => {
    const protectedTasks = new Map([[holdingTaskOf().arn, deadlineAtMs]]);
    expect(causesOf({}, inputWith({ protectedTasks }))).toEqual([{ kind: 'protected', untilMs: deadlineAtMs }]);
    expect(causesOf({ arn: 'another' }, inputWith({ protectedTasks }))).toEqual([]);
  });

  it('are reported of a service that ECS has forgotten, as far as they are known', () => {
    const protectedTasks = new Map([[holdingTaskOf().arn, undefined]]);
    expect(causesOf({}, inputWith({ services: [], protectedTasks }))).toEqual([
      { kind: 'protected', untilMs: undefined },
    ]);
  });

  it.each(['IN_PROGRESS', 'FAILED'] as const)('are a deployment of the service: %s', (state) => {
    const deployment = { state, sinceMs: START_MS };
    expect(causesOf({}, inputWith({ services: [serviceOf({ deployment })] }))).toEqual([
      { kind: 'deployment', ...deployment },
    ]);
  });

  it('are that no service owns a task, and who started it', () => {
    const job = { class: 'standalone', group: 'family:report', startedBy: 'nightly' } as const;
    expect(causesOf(job)).toEqual([{ kind: 'standalone', startedBy: 'nightly' }]);
    expect(causesOf({ ...job, startedBy: undefined, lastStatus: 'PENDING' })).toEqual([
      { kind: 'standalone', startedBy: undefined },
      { kind: 'starting' },
    ]);
  });

  it('are that the agent of the task’s own container instance is silent, and since when', () => {
    const silent = containerInstanceOf({ agentConnected: false });
    const other = containerInstanceOf({ arn: 'another' });
    const agentSilence = { sinceMs: START_MS + MINUTE, seenLastAtMs: nowMs };
    const input = inputWith({}, { containerInstances: [other, silent], agentSilence });
    expect(causesOf({}, input)).toEqual([{ kind: 'agent-silent', sinceMs: START_MS + MINUTE }]);
    expect(causesOf({ containerInstanceArn: 'another' }, input)).toEqual([]);
  });

  it('are that a daemon waits for the replicas, as long as there are any', () => {
    const daemon = holdingTaskOf({ arn: 'logs', class: 'daemon', group: 'service:logs' });
    expect(blockersOf([daemon, holdingTaskOf()], inputWith())).toMatchObject([
      { group: 'service:web', causes: [] },
      { group: 'service:logs', causes: [{ kind: 'daemon-last' }] },
    ]);
    expect(blockersOf([daemon], inputWith())).toMatchObject([{ group: 'service:logs', causes: [] }]);
    const starting = holdingTaskOf({ lastStatus: 'PENDING' });
    expect(blockersOf([daemon, starting], inputWith())).toMatchObject([
      { group: 'service:web', causes: [{ kind: 'starting' }] },
      { group: 'service:logs' },
    ]);
  });

  it('know a daemon by its service, because ECS does not say it of the task', () => {
    const logs = holdingTaskOf({ arn: 'logs', group: 'service:logs' });
    const services = [serviceOf(), serviceOf({ name: 'logs', isDaemon: true, maximumPercent: 100 })];
    expect(blockersOf([logs, holdingTaskOf()], inputWith({ services }))).toMatchObject([
      { group: 'service:web', class: 'service', causes: [] },
      { group: 'service:logs', class: 'daemon', causes: [{ kind: 'daemon-last' }] },
    ]);
    expect(causesOf({ group: 'service:logs', class: 'standalone' }, inputWith({ services }))).toMatchObject([
      { kind: 'standalone' },
    ]);
  });

  it.each([
    ['RUNNING', true, 'stopping'],
    ['DEACTIVATING', true, 'deregistering'],
    ['STOPPING', true, 'stopping'],
    ['DEPROVISIONING', true, 'stopping'],
    ['PROVISIONING', false, 'starting'],
    ['ACTIVATING', false, 'starting'],
  ] as const)('follow from the status of the task: %s', (lastStatus, stopRequested, kind) => {
    expect(causesOf({ lastStatus, stopRequested })).toEqual([{ kind }]);
  });
});

describe('a stop timeout that is longer than what is left', () => {
  const long = { stopTimeoutSeconds: 3_601 };
  const told = { lastStatus: 'STOPPING', stopRequested: true } as const;
  const isLate = { kind: 'stop-timeout', stopTimeoutSeconds: 3_601 };

  it('is a cause for a task that runs: not even stopping it now would help', () => {
    expect(causesOf(long)).toEqual([isLate]);
    expect(causesOf({ stopTimeoutSeconds: 3_600 })).toEqual([]);
    expect(causesOf({ ...long, statusSinceMs: START_MS })).toEqual([isLate]);
  });

  it('counts from when ECS began to stop the task', () => {
    expect(causesOf({ ...told, ...long, statusSinceMs: nowMs - 2_000 })).toEqual([{ kind: 'stopping' }]);
    expect(causesOf({ ...told, ...long, statusSinceMs: nowMs })).toEqual([{ kind: 'stopping' }, isLate]);
    const leaving = {
      ...long,
      lastStatus: 'DEACTIVATING',
      stopRequested: false,
      statusSinceMs: nowMs - 2_000,
    } as const;
    expect(causesOf(leaving)).toEqual([{ kind: 'deregistering' }]);
  });

  it('is not known where no one read it, which is reported for a task that ECS has begun to stop', () => {
    const unread = holdingTaskOf({ ...told, stopTimeoutSeconds: undefined });
    expect(diagnose([unread], inputWith())).toMatchObject({
      blockers: [{ causes: [{ kind: 'stopping' }] }],
      unknown: ['Stop timeouts are read only where stopStragglers is on.'],
    });
    const running = holdingTaskOf({ stopTimeoutSeconds: undefined });
    expect(diagnose([running], inputWith()).unknown).toEqual([]);
    expect(diagnose([running, unread], inputWith()).unknown).toHaveLength(1);
    expect(diagnose([holdingTaskOf(told)], inputWith()).unknown).toEqual([]);
  });

  it('is no cause for a task whose containers have ended', () => {
    expect(causesOf({ ...told, ...long, lastStatus: 'DEPROVISIONING' })).toEqual([{ kind: 'stopping' }]);
  });

  it('is no cause at the deadline for a task that no one has asked to stop, and still one for another', () => {
    const atTheDeadline = inputWith({}, { nowMs: deadlineAtMs });
    expect(causesOf(long, atTheDeadline)).toEqual([]);
    expect(causesOf({ ...told, ...long, statusSinceMs: nowMs }, atTheDeadline)).toContainEqual(isLate);
  });
});

describe('blockers', () => {
  it('are the tasks of a service that hold the instance for the same causes', () => {
    const tasks = ['a', 'b', 'c'].map((arn) => holdingTaskOf({ arn }));
    const protectedTasks = new Map([['b', deadlineAtMs]]);
    const blockers = blockersOf(tasks, inputWith({ protectedTasks }));
    expect(blockers.map((blocker) => blocker.tasks.map(({ arn }) => arn))).toEqual([['a', 'c'], ['b']]);
  });

  const someTask: fc.Arbitrary<Partial<HoldingTask>> = fc.record({
    cluster: fc.constantFrom('prod', 'staging'),
    group: fc.constantFrom('service:web', 'service:logs', 'family:job'),
    class: fc.constantFrom('service', 'daemon', 'standalone'),
    containerInstanceArn: fc.constantFrom('one', 'two'),
    lastStatus: fc.constantFrom('PENDING', 'RUNNING', 'DEACTIVATING', 'STOPPING', 'DEPROVISIONING', 'UNKNOWN'),
    stopRequested: fc.boolean(),
    stopTimeoutSeconds: fc.integer({ min: 0, max: 10_000 }),
    statusSinceMs: fc.option(fc.integer({ min: START_MS - HOUR, max: nowMs }), { nil: undefined }),
    startedBy: fc.option(fc.string(), { nil: undefined }),
  });
  const someTasks = fc
    .array(someTask, { maxLength: 12 })
    .map((tasks) => tasks.map((task, i) => holdingTaskOf({ ...task, arn: `task-${i}` })));
  const someInput: fc.Arbitrary<DiagnosisInput> = fc.record({
    diagnostics: fc.record({
      services: fc.array(
        fc.record({
          cluster: fc.constantFrom('prod', 'staging'),
          name: fc.constantFrom('web', 'logs'),
          isDaemon: fc.boolean(),
          desiredCount: fc.nat(5),
          minimumHealthyPercent: fc.integer({ min: 0, max: 200 }),
          maximumPercent: fc.integer({ min: 0, max: 200 }),
          events: fc.array(
            fc.record({
              atMs: fc.integer({ min: START_MS - 8 * HOUR, max: nowMs }),
              message: fc.constantFrom(
                'was unable to place a task',
                'is unhealthy in',
                'has reached a steady state',
                '',
              ),
            }),
          ),
          deployment: fc.constantFrom(undefined, { state: 'IN_PROGRESS', sinceMs: START_MS } as const),
        }),
        { maxLength: 4 },
      ),
      protectedTasks: fc
        .array(fc.tuple(fc.constantFrom('task-0', 'task-1'), fc.constantFrom(undefined, deadlineAtMs)))
        .map((entries) => new Map(entries)),
      unknown: fc.array(fc.string(), { maxLength: 2 }),
    }),
    containerInstances: fc
      .tuple(fc.boolean(), fc.boolean())
      .map(([one, two]) => [
        containerInstanceOf({ arn: 'one', agentConnected: one }),
        containerInstanceOf({ arn: 'two', agentConnected: two }),
      ]),
    startedAtMs: fc.constant(START_MS),
    deadlineAtMs: fc.constantFrom(deadlineAtMs, nowMs, nowMs - 1),
    nowMs: fc.constant(nowMs),
  });

  it('have every task exactly once, each with the others of its group that share its causes', () => {
    fc.assert(
      fc.property(someTasks, someInput, (tasks, input) => {
        const { blockers } = diagnose(tasks, input);
        const told = blockers.flatMap((blocker) => blocker.tasks);
        expect(told).toHaveLength(tasks.length);
        expect(new Set(told.map(({ arn }) => arn))).toEqual(new Set(tasks.map(({ arn }) => arn)));
        const keys = blockers.map(({ cluster, group, causes }) => JSON.stringify([cluster, group, causes]));
        expect(new Set(keys).size).toBe(keys.length);
        for (const { cluster, group, tasks: members } of blockers) {
          for (const task of members) expect([task.cluster, task.group]).toEqual([cluster, group]);
        }
      }),
    );
  });

  it('name no cause twice, and no cause of a service for a task that no service owns or that is leaving', () => {
    const ofServices = ['cannot-replace', 'no-room', 'replacements-fail', 'service-event', 'protected', 'deployment'];
    fc.assert(
      fc.property(someTasks, someInput, (tasks, input) => {
        for (const { causes, tasks: members } of blockersOf(tasks, input)) {
          const kinds = causes.map(({ kind }) => kind);
          expect(new Set(kinds).size).toBe(kinds.length);
          if (!kinds.some((kind) => ofServices.includes(kind))) continue;
          expect(members.filter((task) => task.class !== 'service' || task.stopRequested)).toEqual([]);
        }
      }),
    );
  });

  it('lose only what ECS did not report: the causes that the tasks themselves show are the same', () => {
    const fromDiagnostics = [
      'cannot-replace',
      'no-room',
      'replacements-fail',
      'service-event',
      'protected',
      'deployment',
      'daemon-last',
    ];
    const shown = (tasks: readonly HoldingTask[], input: DiagnosisInput) =>
      new Map(
        blockersOf(tasks, input).flatMap(({ tasks: members, causes }) =>
          members.map(({ arn }) => [arn, causes.filter(({ kind }) => !fromDiagnostics.includes(kind))]),
        ),
      );
    fc.assert(
      fc.property(someTasks, someInput, (tasks, input) => {
        expect(shown(tasks, { ...input, diagnostics: NO_DIAGNOSTICS })).toEqual(shown(tasks, input));
      }),
    );
  });
});
