import { describe, expect, it } from 'vitest';
import {
  inSentences,
  presentExplanation,
  sentenceOnBlocker,
  sentenceOnCause,
} from '../../src/adapters/present-explanation.ts';
import type { Blocker, Cause } from '../../src/domain/diagnose.ts';
import { atMs, CAUSES, minutesAgo } from './cause-samples.ts';
import { CLUSTER, holdingTask, taskArn } from './samples.ts';

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
    expect(inSentences(explanationWith(6))).toMatch(/: startup has not finished\. What to do: .*\. And 1 more\.$/);
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
    expect(inSentences(explanationWith(0, ['This.', 'That.']))).toBe('Not everything is known. This. That.');
  });
});

describe('a cause', () => {
  it.each(Object.values(CAUSES))('is a sentence for people: %o', (cause, _, sentence) => {
    expect(sentenceOnCause(cause, atMs).replaceAll("'", '’')).toBe(sentence);
  });

  it.each(Object.values(CAUSES))('is data for rules: %o', (cause, fields) => {
    const shown = presentExplanation({ atMs, blockers: [blockerOf({ causes: [cause] })], unknown: [] });
    expect(shown.blockers[0]?.causes).toEqual([{ cause: cause.kind, ...fields }]);
  });

  it('says no more than is known', () => {
    expect(sentenceOnCause({ kind: 'agent-silent', sinceMs: undefined }, atMs)).toMatch(/is disconnected$/);
    expect(sentenceOnCause({ kind: 'standalone', startedBy: undefined }, atMs)).toMatch(/standalone tasks$/);
    expect(sentenceOnCause({ kind: 'protected', untilMs: undefined }, atMs)).toMatch(/protection is on$/);
  });

  it('has no instants without the present one, as in a rehearsal', () => {
    const undated = Object.values(CAUSES).map(([cause]) => sentenceOnCause(cause));
    expect(undated.filter((sentence) => /\d{4}-|ago|“/.test(sentence))).toEqual([]);
    expect(undated).toContain('ECS finds no room for a replacement');
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
      'the deployment of the service has failed (begun at 2026-03-01T09:55:00Z)',
    );
  });
});

describe('an explanation in words', () => {
  it('has no straight double quotes, because an input transformer does not escape them', () => {
    const message = '(service web) was unable to place a task. The closest one encountered error "AGENT".';
    const blockers = [blockerOf({ causes: [{ kind: 'no-room', message, atMs }] })];
    expect(inSentences({ atMs, blockers, unknown: ['Could not ask: "why"'] })).toBe(
      "1 task of service:web, RUNNING for 31 min: ECS finds no room for a replacement (reported 0 s ago: “(service web) was unable to place a task. The closest one encountered error 'AGENT'”). What to do: add an instance, or free resources on the others. Not everything is known. Could not ask: 'why'",
    );
  });
});

describe('the advice on room for a task', () => {
  it.each([
    ['constraint-solver', 'has insufficient memory available', 'add an instance, or free resources on the others'],
    [
      'web',
      'is already using a port required by your task',
      'free its static port on another instance, or add an instance',
    ],
  ])('goes by what the closest instance lacks, whatever the name of the service: %s', (name, lack, remedy) => {
    const message = `(service ${name}) was unable to place a task because no container instance met all of its requirements. The closest matching (container-instance 0501) ${lack}.`;
    const blockers = [blockerOf({ causes: [{ kind: 'no-room', message, atMs }] })];
    expect(inSentences({ atMs, blockers, unknown: [] })).toContain(`What to do: ${remedy}`);
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
      '2 tasks of service:web, 1 RUNNING for 31 min, 1 STOPPING: AWS reports no cause. What to do: check the events of the service and the health of its tasks',
    );
  });

  it.each([
    [0.5, 'RUNNING for 30 s'],
    [1.99, 'RUNNING for 1 min 59 s'],
    [2, 'RUNNING for 2 min'],
    [119, 'RUNNING for 1 h 59 min'],
    [120, 'RUNNING for 2 h'],
    [125, 'RUNNING for 2 h 5 min'],
    [-1, 'RUNNING for 0 s'],
  ])('says how long its tasks have been in their status: %f min', (minutes, words) => {
    const tasks = [holdingTask({ statusSinceMs: minutesAgo(minutes) })];
    expect(sentenceOnBlocker(blockerOf({ tasks }), atMs)).toContain(
      `1 task of service:web, ${words}: AWS reports no cause`,
    );
  });

  it('names the longest time of several tasks, every cause, and what to do about each', () => {
    const tasks = [30, 31, 29].map((minutes, i) =>
      holdingTask({ arn: taskArn(i), statusSinceMs: minutesAgo(minutes) }),
    );
    const both: Cause[] = [{ kind: 'starting' }, { kind: 'stopping' }];
    expect(sentenceOnBlocker(blockerOf({ tasks, causes: both }), atMs)).toBe(
      '3 tasks of service:web, RUNNING for 31 min: startup has not finished; ECS is stopping the containers, and they have not ended. What to do: wait, or find out why the task does not start; wait for the stop timeout of the task',
    );
  });
});
