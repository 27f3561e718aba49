import { describe, expect, it } from 'vitest';
import {
  inSentences,
  presentExplanation,
  sentenceOnBlocker,
  sentenceOnCause,
} from '../../src/adapters/present-explanation.ts';
import type { Blocker, Cause, CauseKind } from '../../src/domain/diagnose.ts';
import { CLUSTER, holdingTask, taskArn } from './samples.ts';

const atMs = Date.parse('2026-03-01T10:00:00Z');
const minutesAgo = (minutes: number) => atMs - minutes * 60_000;

/** One of each, what a rule finds in an event of it, and what a person reads. */
const causes: { readonly [K in CauseKind]: readonly [Extract<Cause, { kind: K }>, fields: object, sentence: string] } =
  {
    'agent-silent': [
      { kind: 'agent-silent', sinceMs: minutesAgo(20) },
      { since: '2026-03-01T09:40:00.000Z' },
      'the ECS agent of the instance has been disconnected since 2026-03-01T09:40:00.000Z',
    ],
    standalone: [
      { kind: 'standalone', startedBy: 'nightly' },
      { startedBy: 'nightly' },
      'draining does not stop standalone tasks: it has to finish or be stopped (started by nightly)',
    ],
    starting: [{ kind: 'starting' }, {}, 'it has not started yet'],
    'cannot-replace': [
      { kind: 'cannot-replace', desiredCount: 4, minimumHealthyPercent: 100, maximumPercent: 100 },
      { desiredCount: 4, minimumHealthyPercent: 100, maximumPercent: 100 },
      'the service cannot be drained: with 4 tasks, minimumHealthyPercent 100 prevents stopping one first and maximumPercent 100 prevents starting one first (change one of them)',
    ],
    'no-room': [
      {
        kind: 'no-room',
        atMs: minutesAgo(12),
        message: '(service web) was unable to place a task. For more information, see the Troubleshooting section.',
      },
      {
        at: '2026-03-01T09:48:00.000Z',
        message: '(service web) was unable to place a task. For more information, see the Troubleshooting section.',
      },
      'ECS found no room for a replacement 12 min ago: “(service web) was unable to place a task”',
    ],
    'replacements-fail': [
      { kind: 'replacements-fail', atMs: minutesAgo(1), message: '(service web) is unhealthy in (target-group web)' },
      { at: '2026-03-01T09:59:00.000Z', message: '(service web) is unhealthy in (target-group web)' },
      'replacements fail to start or to become healthy, as ECS reported 60 s ago: “(service web) is unhealthy in (target-group web)”',
    ],
    'service-event': [
      { kind: 'service-event', atMs: minutesAgo(3), message: '(service web) waits for the moon.' },
      { at: '2026-03-01T09:57:00.000Z', message: '(service web) waits for the moon.' },
      'ECS reported 3 min ago, in words that ecs-drain does not know: “(service web) waits for the moon”',
    ],
    protected: [
      { kind: 'protected', untilMs: atMs },
      { until: '2026-03-01T10:00:00.000Z' },
      'scale-in protection is on until 2026-03-01T10:00:00.000Z',
    ],
    deployment: [
      { kind: 'deployment', state: 'IN_PROGRESS', sinceMs: minutesAgo(5) },
      { state: 'IN_PROGRESS', since: '2026-03-01T09:55:00.000Z' },
      'a deployment of the service has been in progress since 2026-03-01T09:55:00.000Z',
    ],
    'daemon-last': [
      { kind: 'daemon-last' },
      {},
      'ECS stops daemon tasks after the other services’ tasks on the instance',
    ],
    deregistering: [{ kind: 'deregistering' }, {}, 'the load balancer is deregistering it'],
    stopping: [{ kind: 'stopping' }, {}, 'ECS is stopping it, and it has not stopped yet'],
    'stop-timeout': [
      { kind: 'stop-timeout', stopTimeoutSeconds: 900 },
      { stopTimeoutSeconds: 900 },
      'its stop timeout of 900 s ends after the deadline',
    ],
  };

const blockerOf = (overrides: Partial<Blocker> = {}): Blocker => ({
  cluster: CLUSTER,
  group: 'service:web',
  class: 'service',
  tasks: [holdingTask({ statusSinceMs: minutesAgo(31) })],
  causes: [],
  ...overrides,
});

const explanationWith = (blockerCount: number, unknown: readonly string[] = []) => ({
  atMs,
  blockers: Array.from({ length: blockerCount }, () => blockerOf({ causes: [{ kind: 'starting' }] })),
  unknown,
});

describe('a long explanation', () => {
  it('shows rules fifty blockers, and how many more there are', () => {
    expect(presentExplanation(explanationWith(50))).not.toHaveProperty('moreBlockers');
    expect(presentExplanation(explanationWith(51))).toMatchObject({ moreBlockers: 1 });
  });

  it('shows people five sentences, and how many more there are', () => {
    expect(inSentences(explanationWith(5))).not.toContain('more');
    expect(inSentences(explanationWith(6))).toMatch(/ it has not started yet\. And 1 more\.$/);
  });

  it('quotes 400 characters of AWS’s words', () => {
    const shown = presentExplanation(explanationWith(0, ['x'.repeat(400), 'x'.repeat(401)]));
    expect(shown.unknown).toEqual(['x'.repeat(400), `${'x'.repeat(400)}…`]);
    const cause: Cause = { kind: 'no-room', atMs, message: 'x'.repeat(401) };
    const { blockers } = presentExplanation({ atMs, blockers: [blockerOf({ causes: [cause] })], unknown: [] });
    expect(blockers[0]?.causes).toMatchObject([{ message: `${'x'.repeat(400)}…` }]);
    expect(sentenceOnCause(cause, atMs)).toContain(`“${'x'.repeat(400)}…”`);
  });

  it('names everything that is not known, one after the other', () => {
    expect(inSentences(explanationWith(0, ['This.', 'That.']))).toBe('Not known: This. That.');
  });
});

describe('a cause', () => {
  it.each(Object.values(causes))('is a sentence for people: %o', (cause, _, sentence) => {
    expect(sentenceOnCause(cause, atMs).replaceAll("'", '’')).toBe(sentence);
  });

  it.each(Object.values(causes))('is data for rules: %o', (cause, fields) => {
    const shown = presentExplanation({ atMs, blockers: [blockerOf({ causes: [cause] })], unknown: [] });
    expect(shown.blockers[0]?.causes).toEqual([{ cause: cause.kind, ...fields }]);
  });

  it('says no more than is known', () => {
    expect(sentenceOnCause({ kind: 'agent-silent', sinceMs: undefined }, atMs)).toMatch(/is disconnected$/);
    expect(sentenceOnCause({ kind: 'standalone', startedBy: undefined }, atMs)).toMatch(/has to finish or be stopped$/);
    expect(sentenceOnCause({ kind: 'protected', untilMs: undefined }, atMs)).toMatch(/protection is on$/);
  });

  it.each<Cause>([
    { kind: 'agent-silent', sinceMs: undefined },
    { kind: 'protected', untilMs: undefined },
  ])('has no field for what is not known: %o', (cause) => {
    const shown = presentExplanation({ atMs, blockers: [blockerOf({ causes: [cause] })], unknown: [] });
    expect(shown.blockers[0]?.causes).toEqual([{ cause: cause.kind }]);
  });

  it('distinguishes a deployment that has failed from one in progress', () => {
    const cause = { kind: 'deployment', state: 'FAILED', sinceMs: minutesAgo(5) } as const;
    expect(sentenceOnCause(cause, atMs)).toBe(
      'the deployment of the service that began at 2026-03-01T09:55:00.000Z has failed',
    );
  });
});

describe('an explanation in words', () => {
  it('has no straight double quotes, because an input transformer does not escape them', () => {
    const message = '(service web) was unable to place a task. The closest one encountered error "AGENT".';
    const blockers = [blockerOf({ causes: [{ kind: 'no-room', message, atMs }] })];
    expect(inSentences({ atMs, blockers, unknown: ['Could not ask: "why"'] })).toBe(
      "1 task of service:web, RUNNING for 31 min: ECS found no room for a replacement 0 s ago: “(service web) was unable to place a task. The closest one encountered error 'AGENT'”. Not known: Could not ask: 'why'",
    );
  });
});

describe('a blocker', () => {
  it('lists its tasks with their status and since when they are in it', () => {
    const tasks = [
      holdingTask({ statusSinceMs: minutesAgo(31) }),
      holdingTask({ arn: taskArn(2), lastStatus: 'STOPPING', statusSinceMs: undefined }),
    ];
    expect(presentExplanation({ atMs, blockers: [blockerOf({ tasks })], unknown: [] })).toEqual({
      blockers: [
        {
          cluster: CLUSTER,
          group: 'service:web',
          class: 'service',
          tasks: [
            { task: taskArn(1).split('/').at(-1), lastStatus: 'RUNNING', since: '2026-03-01T09:29:00.000Z' },
            { task: taskArn(2).split('/').at(-1), lastStatus: 'STOPPING', since: undefined },
          ],
          causes: [],
        },
      ],
    });
    expect(sentenceOnBlocker(blockerOf({ tasks }), atMs)).toBe(
      '2 tasks of service:web, 1 RUNNING for 31 min, 1 STOPPING: AWS reports no cause',
    );
  });

  it.each([
    [0.5, 'RUNNING for 30 s'],
    [1.99, 'RUNNING for 119 s'],
    [2, 'RUNNING for 2 min'],
    [119, 'RUNNING for 119 min'],
    [120, 'RUNNING for 2 h 0 min'],
    [125, 'RUNNING for 2 h 5 min'],
    [-1, 'RUNNING for 0 s'],
  ])('says how long its tasks have been in their status: %f min', (minutes, words) => {
    const tasks = [holdingTask({ statusSinceMs: minutesAgo(minutes) })];
    expect(sentenceOnBlocker(blockerOf({ tasks }), atMs)).toBe(`1 task of service:web, ${words}: AWS reports no cause`);
  });

  it('names the longest time of several tasks, and every cause', () => {
    const tasks = [30, 31, 29].map((minutes, i) =>
      holdingTask({ arn: taskArn(i), statusSinceMs: minutesAgo(minutes) }),
    );
    const both: Cause[] = [{ kind: 'starting' }, { kind: 'stopping' }];
    expect(sentenceOnBlocker(blockerOf({ tasks, causes: both }), atMs)).toBe(
      '3 tasks of service:web, RUNNING for 31 min: it has not started yet; ECS is stopping it, and it has not stopped yet',
    );
  });
});
