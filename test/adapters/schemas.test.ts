import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import {
  clusterName,
  count,
  instanceId,
  instantMs,
  matching,
  name,
  numberBetween,
  record,
  sentenceOf,
  shown,
  token,
  visible,
} from '../../src/adapters/schemas.ts';

/** What is wrong with the input; undefined if nothing is. */
function sentenceOn(schema: v.GenericSchema, input: unknown, prefix?: string): string | undefined {
  const result = v.safeParse(schema, input, { abortPipeEarly: true });
  return result.success ? undefined : sentenceOf(result.issues, prefix);
}

describe('a sentence about what does not match a schema', () => {
  const drain = record({ heartbeats: count, action: record({ instanceId }) });
  const fine = { heartbeats: 1, action: { instanceId: 'i-1234abcd' } };

  it.each<[unknown, string]>([
    [{ ...fine, heartbeats: 'two' }, 'detail.heartbeats is "two": expected a count.'],
    [
      { ...fine, action: { instanceId: 5 } },
      'detail.action.instanceId is 5: expected an EC2 instance id such as i-0123456789abcdef0.',
    ],
    [{ action: fine.action }, 'detail.heartbeats is missing.'],
    [{ ...fine, action: undefined }, 'detail.action is missing: expected an object.'],
    [{ ...fine, extra: 7 }, 'detail.extra is not a field that is known here.'],
    [
      { heartbeats: -1, action: null },
      'detail.heartbeats is -1: expected a count; detail.action is null: expected an object.',
    ],
    ['text', 'detail is "text": expected an object.'],
  ])('names each field, its value and what was expected: %j', (input, sentence) => {
    expect(sentenceOn(drain, input, 'detail')).toBe(sentence);
  });

  it('names no place where none is known', () => {
    expect(sentenceOn(drain, { ...fine, heartbeats: 0.5 })).toBe('heartbeats is 0.5: expected a count.');
    expect(sentenceOn(drain, 'text')).toBe('it is "text": expected an object.');
  });

  it('names five fields, and says how many more there are', () => {
    const many = (length: number) =>
      record(Object.fromEntries(Array.from({ length }, (_, i) => [`f${i}`, count])) as Record<string, typeof count>);
    const inputs = (length: number) => Object.fromEntries(Array.from({ length }, (_, i) => [`f${i}`, -1]));
    expect(sentenceOn(many(5), inputs(5))).toMatch(/; f4 is -1: expected a count\.$/);
    expect(sentenceOn(many(7), inputs(7))).toMatch(/; f4 is -1: expected a count; and 2 more\.$/);
  });

  it('stays short, however long a value or the name of a field is', () => {
    const long = 'x'.repeat(200_000);
    expect(sentenceOn(drain, { ...fine, heartbeats: long })).toBe(
      `heartbeats is "${'x'.repeat(79)}…: expected a count.`,
    );
    expect(sentenceOn(drain, { ...fine, [long]: 1 })).toBe(`${'x'.repeat(80)}… is not a field that is known here.`);
  });
});

describe('a value in a sentence', () => {
  it.each<[unknown, string]>([
    ['text', '"text"'],
    [{ a: [1] }, '{"a":[1]}'],
    [null, 'null'],
    [undefined, 'undefined'],
    [1.5, '1.5'],
    [Number.POSITIVE_INFINITY, 'Infinity'],
    ['x'.repeat(78), `"${'x'.repeat(78)}"`],
    ['x'.repeat(79), `"${'x'.repeat(79)}…`],
  ])('is shown as JSON has it, as far as JSON has a word for it: %s', (value, words) => {
    expect(shown(value)).toBe(words);
  });

  it('is shown without its inner parts where it is too deep for JSON', () => {
    let deep: unknown = [];
    for (let i = 0; i < 50_000; i++) deep = [deep];
    expect(shown(deep)).toBe('[ [Array] ]');
  });
});

it('text that is made visible has line breaks, escape sequences, half characters and what is none written out, and nothing else', () => {
  expect(visible('a\nb\u001B[31m\u2028c\u202Ed\uD800e\u2029')).toBe(
    'a\\u{a}b\\u{1b}[31m\\u{2028}c\\u{202e}d\\u{d800}e\\u{2029}',
  );
  expect(visible('a\uFFFE\uFFFF\uFDD0\u{1FFFF}')).toBe('a\\u{fffe}\\u{ffff}\\u{fdd0}\\u{1ffff}'); // SQS refuses them.
  expect(visible('Größe: 5 “é” 😀')).toBe('Größe: 5 “é” 😀');
});

it.each<[string, v.GenericSchema, readonly unknown[], readonly unknown[]]>([
  ['a cluster', clusterName, ['prod', 'My_Cluster-2', 'x'.repeat(255)], ['', 'a b', 'x'.repeat(256), 'a/b', 5]],
  [
    'an instance',
    instanceId,
    ['i-1234abcd', 'i-0123456789abcdef0'],
    ['i-1234abc', 'i-0123456789abcdef', 'i-0123456789abcdef01', 'i-1234ABCD', 'xi-1234abcd', 'web', 5],
  ],
  [
    'a token',
    token,
    ['87654321-4321-4321-4321-210987654321', 'ABCDEF01-4321-4321-4321-210987654321'],
    [
      '',
      '87654321-4321-4321-210987654321',
      '87654321-4321-4321-4321-2109876543210',
      'x7654321-4321-4321-4321-210987654321',
    ],
  ],
  ['a count', count, [0, 1], [-1, 0.5, '1', Number.NaN]],
  ['an instant', instantMs, [0, 8.64e15], [-1, 8.65e15, '2026-03-01T09:00:00Z']],
  ['a number', numberBetween(2, 3, 'seconds'), [2, 2.5, 3], [1.99, 3.01, '2', Number.NaN]],
  ['a name', name('a name'), ['x', 'My Workers/2', 'x'.repeat(255)], ['', 'x'.repeat(256), 5]],
  ['a pattern', matching(/^a+$/, 'as'), ['a', 'aa'], ['', 'b', 5]],
])('%s has its form and no other', (_, schema, right, wrong) => {
  for (const input of right) expect(sentenceOn(schema, input)).toBeUndefined();
  for (const input of wrong) expect(sentenceOn(schema, input)).toMatch(/^it is .*: expected /);
});

it.each<[v.GenericSchema, unknown, string]>([
  [name('the name of a group'), '', 'expected the name of a group.'],
  [name('the name of a group'), 'x'.repeat(256), 'expected the name of a group, 255 characters at most.'],
  [numberBetween(2, 3, 'seconds'), 4, 'expected seconds from 2 to 3.'],
  [instantMs, -1, 'expected epoch milliseconds from 0 to 8640000000000000.'],
  [clusterName, 'a b', 'expected the name (not the ARN) of an ECS cluster.'],
  [token, '', 'expected a lifecycle action token of 36 characters.'],
  [record({}), 5, 'expected an object.'],
])('says what is expected instead', (schema, input, words) => {
  expect(sentenceOn(schema, input)?.endsWith(words)).toBe(true);
});
