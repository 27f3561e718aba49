import { describe, expect, it } from 'vitest';
import { logTest } from '../../../../sandbox/region/logs/filter-pattern.ts';

describe('facts 86 filter-patterns: a filter pattern of terms', () => {
  it.each([
    ['', 'anything', true],
    ['ERROR', 'an ERROR here', true],
    ['ERROR', 'an error here', false],
    ['ERROR Timeout', 'Timeout after ERROR', true],
    ['ERROR Timeout', 'ERROR', false],
    ['"timed out"', 'it timed out', true],
    ['"timed out"', 'it timed and out', false],
    [String.raw`"say \"no\""`, 'they say "no" today', true],
    ['ERROR -Exiting', 'ERROR', true],
    ['ERROR -Exiting', 'ERROR Exiting', false],
    ['ERROR -"not now"', 'ERROR not now', false],
    ['?ERROR ?WARN', 'WARN', true],
    ['?ERROR ?WARN', 'INFO', false],
    ['?ERROR WARN', 'WARN', true],
    ['Fehler für', 'ein Fehler für uns', true],
  ])('%s on “%s”: %s', (pattern, message, matches) => {
    expect(logTest(pattern)(message)).toBe(matches);
  });

  it.each([
    ['?Status: timeout', "Invalid character(s) in term ':'"],
    ['a.b', "Invalid character(s) in term '.'"],
    ['"open', `Invalid character(s) in term '"'`],
    ['[ip, user]', 'The local Region does not know filter patterns with space-delimited fields, [a, b].'],
    ['%ERR.*%', 'The local Region does not know filter patterns with regular expressions, %…%.'],
  ])('%s is refused', (pattern, message) => {
    expect(() => logTest(pattern)).toThrow(expect.objectContaining({ code: 'InvalidParameterException', message }));
  });
});

describe('facts 86 filter-patterns: a filter pattern of the properties of JSON', () => {
  const message = JSON.stringify({
    level: 'WARN',
    drain: { instanceId: 'i-0abc', tasks: [{ group: 'service:web' }, { group: 'job' }] },
    seconds: 30,
    code: '400',
    held: true,
    reason: null,
    'detail-type': 'x',
  });

  it.each([
    ['{ $.level = "WARN" }', true],
    ['{ $.level = WARN }', true],
    ['{$.level="WARN"}', true],
    ['{ $.level = "W*" }', true],
    ['{ $.level = "warn" }', false],
    ['{ $.level != "INFO" }', true],
    ['{ $.nothing != "INFO" }', false],
    ['{ $.drain.instanceId = i-0* }', true],
    ['{ $.drain.tasks[1].group = "job" }', true],
    ['{ $.drain.tasks[2].group = "job" }', false],
    ['{ $.detail-type = "x" }', true],
    ['{ $.seconds = 30 }', true],
    ['{ $.seconds = 30.0 }', true],
    ['{ $.seconds != 31 }', true],
    ['{ $.seconds > 29.5 }', true],
    ['{ $.seconds >= 31 }', false],
    ['{ $.seconds < 3e1 }', false],
    ['{ $.seconds <= 30 }', true],
    ['{ $.code >= 400 }', false],
    ['{ $.code = 400 }', true],
    ['{ $.held IS TRUE }', true],
    ['{ $.held IS FALSE }', false],
    ['{ $.reason IS NULL }', true],
    ['{ $.nothing IS NULL }', false],
    ['{ $.nothing NOT EXISTS }', true],
    ['{ $.level NOT EXISTS }', false],
    ['{ $.level = "INFO" || $.held IS TRUE && $.seconds = 30 }', true],
    ['{ ($.level = "WARN" || $.held IS FALSE) && $.seconds = 31 }', false],
    ['{ $.level = "WARN" || $.held IS FALSE && $.seconds = 31 }', true],
  ])('%s: %s', (pattern, matches) => {
    expect(logTest(pattern)(message)).toBe(matches);
  });

  it('matches no message that is not JSON, nor one that is no object', () => {
    expect(['WARN', '5', '"x"', 'null'].some(logTest('{ $.level NOT EXISTS }'))).toBe(false);
  });

  it.each([
    '{',
    '{ }',
    '{ $.a }',
    '{ $.a = }',
    '{ $.a == 1 }',
    '{ $.a = 1',
    '{ $.a = 1 } x',
    '{ $.a = "x }',
    '{ a = 1 }',
    '{ $."a-b" = 1 }',
    '{ $.a > x }',
    '{ $.a IS 5 }',
    '{ $.a NOT 5 }',
    '{ ($.a = 1 }',
    `{ ${'('.repeat(500)}`,
    '{ $.a = %x% }',
  ])('%s is refused', (pattern) => {
    expect(() => logTest(pattern)).toThrow(expect.objectContaining({ code: 'InvalidParameterException' }));
  });
});
