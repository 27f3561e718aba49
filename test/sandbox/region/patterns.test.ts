import { describe, expect, it } from 'vitest';
import { regularExpression, wildcards } from '../../../sandbox/region/patterns.ts';

describe('a pattern that a caller sends', () => {
  it('matches the whole text', () => {
    expect(regularExpression('i-0+1')?.('i-00001')).toBe(true);
    expect(regularExpression('i-0+')?.('i-00001')).toBe(false);
    expect(regularExpression('(')).toBeUndefined();
  });

  it('has wildcards, and nothing else that is special', () => {
    expect(wildcards('web-*.c?')('web-1.small.c5')).toBe(true);
    expect(wildcards('web-*.c?')('web-1xc5')).toBe(false);
    expect(wildcards('a?', { single: false })('ab')).toBe(false);
    expect(wildcards('*')('a\nb')).toBe(true);
  });

  it('facts 94 literal-wildcards: has the characters of its wildcards too, as each service writes them', () => {
    const literal = /\$\{([*?$])\}/;
    expect(wildcards('a$'.concat('{*}b*'), { literal })('a*bc')).toBe(true);
    expect(wildcards('a$'.concat('{*}b*'), { literal })('axbc')).toBe(false);
    expect(wildcards('a\\*b*\\\\', { single: false, literal: /\\([*\\])/ })('a*bc?\\')).toBe(true);
    expect(wildcards('a\\*b', { single: false, literal: /\\([*\\])/ })('axb')).toBe(false);
  });

  it('takes no longer for being wicked', () => {
    const zeros = `i-${'0'.repeat(5_000)}`;
    expect(regularExpression(`i-${'0*'.repeat(30)}x`)?.(zeros)).toBe(false);
    expect(regularExpression('i-(0+)+x')?.(zeros)).toBe(false);
    expect(wildcards(`${'*0'.repeat(40)}x`)(zeros)).toBe(false);
  });
});
