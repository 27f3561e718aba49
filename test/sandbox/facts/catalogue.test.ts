import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { factsIn, withTable } from '../../../sandbox/facts/catalogue.ts';
import type { Experiment } from '../../../sandbox/facts/experiment.ts';
import { EXPERIMENTS } from '../../../sandbox/facts/experiments/all.ts';
import type { Result } from '../../../sandbox/facts/run.ts';
import { pageOfFacts } from '../../../sandbox/facts.ts';

const PAGE_FILE = join(import.meta.dirname, '../../../docs/aws-facts.md');
const EMULATORS_PAGE = join(import.meta.dirname, '../../../docs/facts-elsewhere.md');

const PAGE = `# Facts

1. **One.** It is so, \`filter: [a, b, c, d]\`.
   [API reference, Thing]
2. Two, for 2. a reason [see](else.md). [a repository, \`file.json\`]
3. Three.

## More

40. Forty. [user guide, things;
    a report] And more [of the model itself].
<!-- written by \`npm run facts -- --docs\` -->
what stood here
<!-- end of what is written by \`npm run facts -- --docs\` -->
The end.
`;

const experiment = (title: string, facts: number[], open?: true): Experiment => ({
  title,
  facts,
  ...(open && { open }),
  needs: [],
  minutes: 1,
  cents: 0,
  cleansUp: 'changes nothing',
  run: async () => ({ saw: 'it', agrees: true }),
});
const result = (title: string, facts: number[], verdict: Result['verdict']): Result => ({
  title,
  facts,
  verdict,
  saw: 'it',
});

describe('the page of facts', () => {
  it('has the table that npm run facts -- --docs writes', async () => {
    expect(await readFile(PAGE_FILE, 'utf8')).toBe(await pageOfFacts());
  });

  it('has every fact that an experiment observes', async () => {
    const numbers = factsIn(await readFile(PAGE_FILE, 'utf8')).map(({ number }) => number);
    expect(EXPERIMENTS.flatMap(({ facts }) => facts).filter((fact) => !numbers.includes(fact))).toEqual([]);
  });

  it('has an experiment about each fact, or the reason why there is none', async () => {
    expect(await readFile(PAGE_FILE, 'utf8')).not.toContain('| none yet |');
  });

  it('and the page of emulators have every experiment, in the same order', async () => {
    const rows = (await readFile(EMULATORS_PAGE, 'utf8')).split('\n').filter((line) => /^\| \d/.test(line));
    const expected = EXPERIMENTS.map(({ facts, title }) => `| ${facts.join(', ')} | ${title} |`);
    expect(rows.map((row, index) => row.slice(0, expected[index]?.length))).toEqual(expected);
  });

  it('names the sources of a fact in brackets, which neither code nor links are', () => {
    expect(factsIn(PAGE)).toEqual([
      { number: 1, source: 'API reference, Thing' },
      { number: 2, source: 'a repository, `file.json`' },
      { number: 3, source: undefined },
      { number: 40, source: 'user guide, things; a report; of the model itself' },
    ]);
  });

  it('says of each fact its source, its experiments, and how they ended on the local Region and on AWS', () => {
    const experiments = [experiment('A.', [1]), experiment('B?', [1, 40], true)];
    const local = [result('A.', [1], 'agrees'), result('B?', [1, 40], 'open')];
    const reports = [
      { where: 'AWS, eu-west-1', date: '2026-11-30T10:00:00.000Z', results: [result('A.', [1], 'disagrees')] },
      { where: 'AWS, eu-west-1', date: '2026-12-02T10:00:00.000Z', results: [result('A.', [1], 'agrees')] },
    ];
    const rows = withTable(PAGE, experiments, local, reports)
      .split('\n')
      .filter((line) => /^\| \d/.test(line));
    expect(rows).toEqual([
      '| 1 | API reference, Thing | A.<br>*B?* | 1 agrees, 1 open | agrees (AWS, eu-west-1, 2026-12-02) |',
      '| 2 | a repository, `file.json` | none yet |  |  |',
      '| 3 | not named | none: a loss or a disorder cannot be provoked |  |  |',
      '| 40 | user guide, things; a report; of the model itself | *B?* | open | not yet |',
    ]);
  });

  it('keeps all that stands around the table, and written twice is the same', () => {
    const once = withTable(PAGE, [], [], []);
    expect(once.startsWith(PAGE.slice(0, PAGE.indexOf('what stood')))).toBe(true);
    expect(once.endsWith('-->\nThe end.\n')).toBe(true);
    expect(once).not.toContain('what stood here');
    expect(withTable(once, [], [], [])).toBe(once);
  });

  it('without the lines around its table is refused', () => {
    expect(() => withTable('1. One.', [], [], [])).toThrow('The page lacks the lines');
  });
});
