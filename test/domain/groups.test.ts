import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { choiceOf, choicesWithout, type GroupChoice, groupNamed } from '../../src/domain/groups.ts';

function pattern(text: string, cluster?: string): GroupChoice {
  return { text, parts: text.split('*'), cluster };
}

describe('a group', () => {
  it('is chosen by its name before any pattern, and by an earlier pattern before a later one', () => {
    const choices = [pattern('web-*', 'a'), pattern('*-spot', 'b'), groupNamed('web-1', 'c')];
    expect(choiceOf(choices, 'web-1')?.cluster).toBe('c');
    expect(choiceOf(choices, 'web-2-spot')?.cluster).toBe('a');
    expect(choiceOf(choices, 'db-spot')?.cluster).toBe('b');
    expect(choiceOf(choices, 'db')).toBeUndefined();
  });

  it('is chosen by a name in which a wildcard is only a character (facts 93 group-names)', () => {
    expect(choiceOf([groupNamed('web*')], 'web*')).toBeDefined();
    expect(choiceOf([groupNamed('web*')], 'web-1')).toBeUndefined();
  });

  it('is chosen by what a regular expression of the pattern matches', () => {
    const text = (alphabet: string) => fc.string({ unit: fc.constantFrom(...alphabet), maxLength: 8 });
    fc.assert(
      fc.property(text('ab*'), text('ab'), (given, name) => {
        const expected = new RegExp(`^${given.replaceAll('*', '.*')}$`).test(name);
        fc.pre(given.includes('*'));
        expect(choiceOf([pattern(given)], name) !== undefined).toBe(expected);
      }),
    );
  });

  it('leaves the choices that choose none', () => {
    const choices = [groupNamed('web'), groupNamed('db'), pattern('web*'), pattern('db*')];
    expect(choicesWithout(['web', 'web-1'], choices).map(({ text }) => text)).toEqual(['db', 'db*']);
  });
});
