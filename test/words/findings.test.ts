import { describe, expect, it } from 'vitest';
import { BANNED, findings, MAXIMUM_WORDS } from './findings.ts';

const rulesIn = (path: string, text: string) => findings(path, text).map(({ rule, line }) => `${line} ${rule}`);

describe('the style check', () => {
  it('finds nothing in plain English', () => {
    expect(
      findings('a.md', '# A page\n\nThe service cannot be drained, because `maximumPercent` prevents it.'),
    ).toEqual([]);
  });

  it.each([
    'The instance stays, for it has a task.',
    'The instance stays, for a stuck task of it is running.',
    'The log tells which task it is.',
    'Nobody drains it.',
    'It belongs to somebody else.',
    'This change mends the alarm.',
    'The drain begins anew.',
    'A recent call failed lately.',
    'No data, which is well.',
    'The instance is held for good.',
    'All but for two tasks have stopped.',
    'The owner of whom it speaks is unknown.',
    'The tasks are to stop.',
    'Some of them do not.',
  ])('bans “%s”', (sentence) => {
    expect(rulesIn('a.md', sentence)).toEqual(['1 banned']);
  });

  it('bans “param” in pages, and not in comments', () => {
    expect(rulesIn('a.md', 'Every param has a default.')).toEqual(['1 banned']);
    expect(rulesIn('a.md', 'Give it as `--param` on the command line.')).toEqual([]);
    expect(rulesIn('a.ts', '/** Every param has a default. */')).toEqual([]);
  });

  it('allows what resembles a banned phrase', () => {
    const page = 'It waits, for example for a task. It is a rule for instances that are held. It is to the left.';
    expect(findings('a.md', page)).toEqual([]);
    expect(BANNED.length).toBeGreaterThan(10);
  });

  it('counts the words of a sentence, and code as one word', () => {
    const sentence = (words: number) => `A${' long and'.repeat((words - 2) / 2)} \`some code here\`.`;
    expect(rulesIn('a.md', `${sentence(MAXIMUM_WORDS - 1)} ${sentence(MAXIMUM_WORDS - 1)}`)).toEqual([]);
    expect(rulesIn('a.md', `A title.\n\n${sentence(MAXIMUM_WORDS + 1)}`)).toEqual(['3 length']);
  });

  it('finds misspelled and repeated words, and neither in code and names', () => {
    expect(rulesIn('a.md', 'The instence stops on on time.')).toEqual(['1 spelling', '1 repeated']);
    expect(rulesIn('a.md', 'RunTask starts `instence` on ECS.')).toEqual([]);
  });

  it('limits the share of passive sentences in a page, not in a short one', () => {
    const page = (passive: number, active: number) =>
      `${'The task is stopped. '.repeat(passive)}${'The task stops. '.repeat(active)}`;
    expect(rulesIn('a.md', page(6, 14))).toEqual(['1 passive']);
    expect(rulesIn('a.md', page(5, 15))).toEqual([]);
    expect(rulesIn('a.md', page(5, 5))).toEqual([]);
  });

  it('reads comments, strings, templates and test titles of a program, and no code', () => {
    const program = [
      "import other from 'tell me nobody here';",
      '/** Nobody reads it.',
      ' * @throws lately */',
      `const nobody = \`The task \${task} tells nothing\`;`,
      "it('says of the task nobody asked for', () => {});",
      "const name = 'nobody';",
      '// Two lines that tell',
      '// one sentence.',
    ].join('\n');
    expect(rulesIn('a.ts', program)).toEqual(['2 banned', '2 banned', '7 banned', '4 banned', '5 banned']);
  });

  it('reads comments and descriptions of a template', () => {
    const template =
      '# Nobody here.\nA:\n  Type: nobody\n  AlarmDescription: >-\n    The alarm is\n    raised anew.\n  B: nobody\n';
    expect(rulesIn('a.yml', template)).toEqual(['1 banned', '4 banned']);
  });
});
