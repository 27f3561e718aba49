import { existsSync, globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { factsIn } from '../../sandbox/facts/catalogue.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const FILES = [
  '{src,sandbox,cli,deploy,test,bench,docs,examples}/**/*.{ts,js,mjs,cjs,py,md,yml,yaml,json}',
  '*.{ts,md,yml,yaml,cjs}',
  '.ci/run',
];

/** The facts call each other by number; this file has citations that are wrong on purpose. */
const EXCEPT = ['docs/aws-facts.md', 'test/docs/facts.test.ts'];

/** Names have two words at least: so a citation ends where ordinary words begin. */
const NAME = '[a-z0-9]+(?:-[a-z0-9]+)+';
/** Between two words of a citation, which may be on two lines of a comment. */
const GAP = String.raw`(?:[ \t]+|[ \t]*\r?\n[ \t]*(?:\*|//|#|>)?[ \t]+)`;
const ITEM = String.raw`\d+(?:${GAP}${NAME})?`;
const JOINT = `(?:,${GAP}(?:(?:and|or)${GAP})?|${GAP}(?:and|or|to)${GAP})`;
const CITATION = new RegExp(String.raw`\b[Ff]acts${GAP}${ITEM}(?:${JOINT}${ITEM})*`, 'g');
const CITED = new RegExp(
  String.raw`(?<to>\bto${GAP})?\b(?<number>\d+)(?:${GAP}(?<name>${NAME}))?(?=(?<nextTo>${GAP}to${GAP}\d)?)`,
  'g',
);

const page = readFileSync(resolve(ROOT, 'docs/aws-facts.md'), 'utf8');
/** The facts of docs/aws-facts.md: how often each number and each name is given. */
const facts = [...page.matchAll(/^(\d+)\. (.*)/gm)].map(([, number = '', text = '']) => ({
  number: Number(number),
  name: new RegExp(`^\\*\\*(${NAME})\\.\\*\\* `).exec(text)?.[1],
}));
const nameOf = new Map(facts.map(({ number, name }) => [number, name]));

/** What is wrong with the citations of a text, as sentences. */
function wrongCitations(text: string, file: string): string[] {
  return [...text.matchAll(CITATION)].flatMap(({ 0: citation, index }) => {
    const where = `${file}:${text.slice(0, index).split('\n').length}`;
    return [...citation.matchAll(CITED)].flatMap(({ groups: { to, number, name, nextTo } = {} }) => {
      const right = nameOf.get(Number(number));
      if (right === undefined) return [`${where} cites facts ${number}, which docs/aws-facts.md does not have.`];
      const isEndOfRange = to !== undefined || nextTo !== undefined;
      if (name === right || (name === undefined && isEndOfRange)) return [];
      return [`${where} cites facts ${number}${name ? ` ${name}` : ''}: the fact is called ${right}.`];
    });
  });
}

describe('the facts of docs/aws-facts.md', () => {
  it('have a number and a name each, which no other has', () => {
    expect(facts.length).toBeGreaterThanOrEqual(44);
    expect(facts.filter(({ name }) => name === undefined)).toEqual([]);
    expect(new Set(facts.map(({ number }) => number)).size).toBe(facts.length);
    expect(new Set(facts.map(({ name }) => name)).size).toBe(facts.length);
  });

  it('name their source in brackets, each of them', () => {
    const entries = factsIn(page);
    expect(entries.map(({ number }) => number)).toEqual(facts.map(({ number }) => number));
    expect(entries.filter(({ source }) => source === undefined)).toEqual([]);
  });
});

describe('what AWS added recently', () => {
  /** Those from 45 root-volume-replacement to 56 managed-hook-ownership. */
  const consequences = [...page.matchAll(/^(\d+)\. [\s\S]*?(?=^\d+\. )/gm)]
    .filter(([, number]) => Number(number) >= 45 && Number(number) <= 56)
    .map(([entry]) => entry.split('*Consequence:* ')[1] ?? '');

  it('names its consequence, in files that there are', () => {
    expect(consequences).toHaveLength(12);
    for (const consequence of consequences) expect(consequence).not.toBe('');
    const files = consequences.flatMap((text) =>
      [...text.matchAll(/`([\w/.-]+\.(?:ts|md))`/g)].map(([, file = '']) => file),
    );
    expect(files.length).toBeGreaterThan(8);
    expect(files.filter((file) => !existsSync(resolve(ROOT, file)))).toEqual([]);
  });
});

/** The Region has neither, so it cannot show what follows from them: the documents say it. */
describe('what follows from a fact for an operator', () => {
  it.each([
    [
      'facts 47 operator-managed-groups',
      'operations.md',
      'Dead letters',
      '`Operator` in `describe-auto-scaling-groups`',
    ],
    ['facts 50 paused-deployments', 'operations.md', 'Why a drain is stuck', 'aws ecs continue-service-deployment'],
    ['facts 55 durable-functions', 'decisions/0018-durable-functions-weighed.md', '18. Drains park', '**Weighed.**'],
  ])('%s: is in docs/%s', (_, file, heading, words) => {
    const sections = readFileSync(resolve(ROOT, 'docs', file), 'utf8').split(/^#+ /m);
    const about = sections.filter((section) => section.startsWith(heading));
    expect(about).toHaveLength(1);
    expect(about[0]).toContain(words);
  });
});

describe('a citation', () => {
  const found = (citation: string) => wrongCitations(`Facts are cited so: facts${citation}`, 'file');

  it.each([
    ' 13 counting-trap',
    ' 17 ecs-throttling, 20 no-active-action and 13 counting-trap',
    ' 11 to 17',
    ' 10 one-time-schedules, 27 to 30',
    ' 7 event-retries has the same limits',
    '\n * 13 counting-trap',
    ' 13\n   // counting-trap',
  ])('is right by number and name, or by the numbers of a range: facts%s', (citation) => {
    expect(found(citation)).toEqual([]);
  });

  it.each([
    [' 13', ['file:1 cites facts 13: the fact is called counting-trap.']],
    [' 13, the counting trap', ['file:1 cites facts 13: the fact is called counting-trap.']],
    [' 13 ecs-throttling', ['file:1 cites facts 13 ecs-throttling: the fact is called counting-trap.']],
    [' 17 ecs-throttling, 20', ['file:1 cites facts 20: the fact is called no-active-action.']],
    [' 17 ecs-throttling\n * and 20', ['file:1 cites facts 20: the fact is called no-active-action.']],
    [' 999 counting-trap', ['file:1 cites facts 999, which docs/aws-facts.md does not have.']],
    [' 11 to 999', ['file:1 cites facts 999, which docs/aws-facts.md does not have.']],
  ])('is wrong if the name does not go with the number, or if there is no such fact: facts%s', (citation, wrong) => {
    expect(found(citation)).toEqual(wrong);
  });

  it('is right everywhere in the repository', () => {
    const files = FILES.flatMap((pattern) => globSync(pattern, { cwd: ROOT, exclude: ['**/node_modules'] })).filter(
      (file) => !EXCEPT.includes(file),
    );
    const texts = files.map((file) => [file, readFileSync(resolve(ROOT, file), 'utf8')] as const);
    expect(texts.flatMap(([, text]) => text.match(CITATION) ?? []).length).toBeGreaterThan(150);
    expect(texts.flatMap(([file, text]) => wrongCitations(text, file))).toEqual([]);
  });
});
