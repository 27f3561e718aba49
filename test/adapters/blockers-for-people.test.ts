import { describe, expect, it } from 'vitest';
import {
  explanationForPeople,
  inSentences,
  sentenceOnBlocker,
  sentenceOnCause,
} from '../../src/adapters/blockers-for-people.ts';
import type { Blocker, Cause, CauseKind } from '../../src/domain/blockers.ts';
import { CLUSTER, holdingTask, taskArn } from './samples.ts';

const atMs = Date.parse('2026-03-01T10:00:00Z');
const minutesAgo = (minutes: number) => atMs - minutes * 60_000;

/** One of each, what a rule finds in an event of it, and what a person reads. */
const causes: { readonly [K in CauseKind]: readonly [Extract<Cause, { kind: K }>, fields: object, sentence: string] } =
  {
    'agent-silent': [
      { kind: 'agent-silent', sinceMs: minutesAgo(20) },
      { since: '2026-03-01T09:40:00.000Z' },
      'the ECS agent of the instance is not connected, since 2026-03-01T09:40:00.000Z',
    ],
    standalone: [
      { kind: 'standalone', startedBy: 'nightly' },
      { startedBy: 'nightly' },
      'it is no service’s: draining leaves it alone until it ends or somebody stops it (started by nightly)',
    ],
    starting: [{ kind: 'starting' }, {}, 'it has not started yet'],
    'cannot-replace': [
      { kind: 'cannot-replace', desiredCount: 4, minimumHealthyPercent: 100, maximumPercent: 100 },
      { desiredCount: 4, minimumHealthyPercent: 100, maximumPercent: 100 },
      'its service can never be drained, for of 4 tasks its minimumHealthyPercent of 100 lets none stop first and its maximumPercent of 100 lets none start first: change one of them',
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
      'ECS found no place for a task of its service, 12 min ago: “(service web) was unable to place a task”',
    ],
    'replacements-fail': [
      { kind: 'replacements-fail', atMs: minutesAgo(1), message: '(service web) is unhealthy in (target-group web)' },
      { at: '2026-03-01T09:59:00.000Z', message: '(service web) is unhealthy in (target-group web)' },
      'tasks of its service do not stay or do not get healthy, 60 s ago: “(service web) is unhealthy in (target-group web)”',
    ],
    protected: [
      { kind: 'protected', untilMs: atMs },
      { until: '2026-03-01T10:00:00.000Z' },
      'its scale-in protection is on until 2026-03-01T10:00:00.000Z',
    ],
    deployment: [
      { kind: 'deployment', state: 'IN_PROGRESS', sinceMs: minutesAgo(5) },
      { state: 'IN_PROGRESS', since: '2026-03-01T09:55:00.000Z' },
      'its service is being deployed, since 2026-03-01T09:55:00.000Z',
    ],
    'daemon-last': [
      { kind: 'daemon-last' },
      {},
      'ECS stops a daemon only after the other services’ tasks on the instance',
    ],
    deregistering: [{ kind: 'deregistering' }, {}, 'its load balancer is deregistering it'],
    stopping: [{ kind: 'stopping' }, {}, 'it was told to stop and has not come to its end'],
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

describe('a cause', () => {
  it.each(Object.values(causes))('is a sentence for people: %o', (cause, _, sentence) => {
    expect(sentenceOnCause(cause, atMs).replaceAll("'", '’')).toBe(sentence);
  });

  it.each(Object.values(causes))('is data for rules: %o', (cause, fields) => {
    const told = explanationForPeople({ atMs, blockers: [blockerOf({ causes: [cause] })], unknown: [] });
    expect(told.blockers[0]?.causes).toEqual([{ cause: cause.kind, ...fields }]);
  });

  it('says no more than is known', () => {
    expect(sentenceOnCause({ kind: 'agent-silent', sinceMs: undefined }, atMs)).toMatch(/is not connected$/);
    expect(sentenceOnCause({ kind: 'standalone', startedBy: undefined }, atMs)).toMatch(/somebody stops it$/);
    expect(sentenceOnCause({ kind: 'protected', untilMs: undefined }, atMs)).toMatch(/protection is on$/);
  });

  it('tells a deployment that failed from one under way', () => {
    const cause = { kind: 'deployment', state: 'FAILED', sinceMs: minutesAgo(5) } as const;
    expect(sentenceOnCause(cause, atMs)).toBe(
      'the deployment of its service, begun 2026-03-01T09:55:00.000Z, has failed',
    );
  });
});

describe('an explanation in words', () => {
  it('has no straight double quotes, whatever AWS says: an input transformer may not escape them', () => {
    const message = '(service web) was unable to place a task. The closest one encountered error "AGENT".';
    const blockers = [blockerOf({ causes: [{ kind: 'no-room', message, atMs }] })];
    expect(inSentences({ atMs, blockers, unknown: ['Could not ask: "why"'] })).toBe(
      "1 task of service:web, RUNNING for 31 min: ECS found no place for a task of its service, 0 s ago: “(service web) was unable to place a task. The closest one encountered error 'AGENT'”. Not known: Could not ask: 'why'",
    );
  });
});

describe('a blocker', () => {
  it('is which tasks, in which status since when', () => {
    const tasks = [
      holdingTask({ statusSinceMs: minutesAgo(31) }),
      holdingTask({ arn: taskArn(2), lastStatus: 'STOPPING', statusSinceMs: undefined }),
    ];
    expect(explanationForPeople({ atMs, blockers: [blockerOf({ tasks })], unknown: [] })).toEqual({
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
      '2 tasks of service:web, 1 RUNNING for 31 min, 1 STOPPING: AWS tells no cause',
    );
  });

  it.each([
    [0.5, 'RUNNING for 30 s'],
    [1.99, 'RUNNING for 119 s'],
    [2, 'RUNNING for 2 min'],
    [119, 'RUNNING for 119 min'],
    [125, 'RUNNING for 2 h 5 min'],
    [-1, 'RUNNING for 0 s'],
  ])('tells for how long its tasks have been there: %f min', (minutes, words) => {
    const tasks = [holdingTask({ statusSinceMs: minutesAgo(minutes) })];
    expect(sentenceOnBlocker(blockerOf({ tasks }), atMs)).toBe(`1 task of service:web, ${words}: AWS tells no cause`);
  });

  it('tells the longest of several, and every cause', () => {
    const tasks = [30, 31, 29].map((minutes, i) =>
      holdingTask({ arn: taskArn(i), statusSinceMs: minutesAgo(minutes) }),
    );
    const both: Cause[] = [{ kind: 'starting' }, { kind: 'stopping' }];
    expect(sentenceOnBlocker(blockerOf({ tasks, causes: both }), atMs)).toBe(
      '3 tasks of service:web, RUNNING for 31 min: it has not started yet; it was told to stop and has not come to its end',
    );
  });
});
