import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  inSentences,
  NO_CAUSE,
  presentExplanation,
  REMEDIES,
  REMEDY_WITHOUT_CAUSE,
  sentenceOnCause,
  sentenceOnOutcome,
} from '../../src/adapters/present-explanation.ts';
import type { Outcome } from '../../src/domain/drain.ts';
import { atMs, CAUSES } from '../adapters/cause-samples.ts';
import { holdingTask } from '../adapters/samples.ts';
import { deployed } from '../deploy/deployed.ts';
import { rowsUnder } from './tables.ts';

const pageOf = (path: string) => readFileSync(resolve(import.meta.dirname, '../..', path), 'utf8');

const capital = (sentence: string) => `${sentence.charAt(0).toUpperCase()}${sentence.slice(1)}`;
const causes = Object.values(CAUSES);

describe('docs/events.md', () => {
  const page = pageOf('docs/events.md');

  it('has the fields of each cause', () => {
    const rows = rowsUnder('| `cause` | with |', page).map(([kind, fields = '']) => [
      kind,
      [...fields.replace(/ \(.*?\)/, '').matchAll(/`(\w+)`/g)].map(([, name]) => name),
    ]);
    expect(rows).toEqual(causes.map(([cause, fields]) => [`\`${cause.kind}\``, Object.keys(fields)]));
  });

  it('shows an event as it is published', () => {
    const [, example = '{}'] = /```json\n(\{[\s\S]*?)```/.exec(page) ?? [];
    const { detail } = JSON.parse(example);
    const [blocker] = detail.blockers;
    const [task] = blocker.tasks;
    const [cause] = blocker.causes;
    const explanation = {
      atMs: Date.parse(detail.startedAt) + (Date.parse(detail.deadlineAt) - Date.parse(detail.startedAt)) / 2,
      blockers: [
        {
          ...{ cluster: blocker.cluster, group: blocker.group, class: blocker.class },
          tasks: [holdingTask({ arn: task.task, statusSinceMs: Date.parse(task.since) })],
          causes: [{ kind: cause.cause, startedBy: cause.startedBy }],
        },
      ],
      unknown: [],
    };
    expect(detail).toMatchObject({ why: inSentences(explanation), ...presentExplanation(explanation) });
  });
});

describe('docs/operations.md', () => {
  it('has the description of each alarm', () => {
    const alarms = Object.values(deployed({}).template.Resources).filter(
      ({ Type }) => Type === 'AWS::CloudWatch::Alarm',
    );
    const described = alarms.map(({ Properties }) => [
      String(Properties?.['AlarmName']).replace('ecs-drain-main-', ''),
      String(Properties?.['AlarmDescription']).replace(/ Runbook: .*$/, ''),
    ]);
    const rows = rowsUnder('| alarm | what its description says |', pageOf('docs/operations.md'));
    expect(rows.map(([name = '', description]) => [/`(.*)`/.exec(name)?.[1], description])).toEqual(described);
  });

  it('has the words of each cause, and what to do as the messages say it', () => {
    const rows = rowsUnder('| cause | in the message | what to do |', pageOf('docs/operations.md'));
    expect(rows.map(([kind, sentence]) => [kind, sentence])).toEqual([
      ...causes.map(([cause]) => [
        `\`${cause.kind}\``,
        sentenceOnCause(cause).replace(/ \(started by .*\)$/, ''), // which is there if AWS reports it
      ]),
      ['none', NO_CAUSE],
    ]);
    const remedies = [...causes.map(([{ kind }]) => REMEDIES[kind]), REMEDY_WITHOUT_CAUSE];
    for (const [index, [, , whatToDo = '']] of rows.entries()) {
      expect(whatToDo).toMatch(new RegExp(`^${capital(remedies[index] ?? '')}([.:] |$)`));
    }
  });
});

describe('docs/how-it-works.md', () => {
  const lastSeen = { atMs: atMs - 9_000, tasks: [], haveStopped: false };
  const deadlineAtMs = Date.parse('2026-03-01T11:00:00Z');
  const killedTasks = [holdingTask()];
  const outcomes: { readonly [K in Outcome['kind']]: Extract<Outcome, { kind: K }> } = {
    drained: { kind: 'drained', lastTaskStoppedAtMs: atMs },
    gone: { kind: 'gone', clusters: ['prod'], lastSeen: undefined },
    'timed-out': { kind: 'timed-out', result: 'CONTINUE', deadlineAtMs, killedTasks },
    'agent-lost': { kind: 'agent-lost', result: 'CONTINUE', disconnectedSinceMs: atMs, killedTasks },
    'already-completed': { kind: 'already-completed', lastSeen },
  };

  it('has the sentence of each outcome', () => {
    const rows = rowsUnder(
      '| outcome | what the log and the event say, for example | result for Auto Scaling |',
      pageOf('docs/how-it-works.md'),
    );
    expect(rows.map(([kind, sentence]) => [kind, sentence])).toEqual(
      Object.values(outcomes).map((outcome) => [`\`${outcome.kind}\``, sentenceOnOutcome(outcome, atMs)]),
    );
  });
});
