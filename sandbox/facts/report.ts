import Table from 'cli-table3';
import type { Result, Verdict } from './run.ts';

/** What came of the experiments in one place at one time, as JSON. */
export interface FactsReport {
  readonly where: string;
  /** ISO 8601. */
  readonly date: string;
  readonly results: readonly Result[];
}

/** The results as a table of facts, observations and verdicts. */
export function tableOf(results: readonly Result[]): string {
  const table = new Table({
    head: ['facts', 'experiment', 'observation', 'verdict'],
    colWidths: [8, 46, 46, 16],
    wordWrap: true,
    style: { head: [], border: [] },
  });
  for (const { facts, title, saw, verdict, leftBehind = [] } of results) {
    const left = leftBehind.map((sentence) => `\nLeft behind: ${sentence}`).join('');
    table.push([facts.join(', '), title, saw + left, verdict]);
  }
  return table.toString();
}

/** How many experiments ended how, as a sentence. */
export function summaryOf(results: readonly Result[]): string {
  const counts = Map.groupBy(results, ({ verdict }) => verdict);
  const count = (verdict: Verdict, word: string = verdict) => `${counts.get(verdict)?.length ?? 0} ${word}`;
  const experiments = results.length === 1 ? '1 experiment' : `${results.length} experiments`;
  return `${experiments}: ${count('agrees', 'agree')}, ${count('disagrees', 'disagree')}, ${count('failed')}, ${count('open')}, ${count('not observable')}.`;
}

/** Whether a fact and the world disagree, or an experiment says nothing because it broke off. */
export function isRefuted(results: readonly Result[]): boolean {
  return results.some(({ verdict }) => verdict === 'disagrees' || verdict === 'failed');
}

/** What several emulators of AWS make of the facts, as a page in Markdown. */
export function comparisonOf(
  columns: readonly (readonly [name: string | undefined, results: readonly Result[]])[],
): string {
  const names = columns.map(([name]) => name);
  const [[, first = []] = []] = columns;
  const said = (results: readonly Result[], title: string): string => {
    const result = results.find((each) => each.title === title);
    if (!result) return '';
    return `${VERDICTS[result.verdict]}: ${result.saw}`.replaceAll('|', '\\|').replaceAll(/\s+/g, ' ');
  };
  const rows = first.map(({ facts, title }) => {
    const cells = [
      facts.join(', '),
      title.replaceAll('|', '\\|'),
      ...columns.map(([, results]) => said(results, title)),
    ];
    return `| ${cells.join(' | ')} |`;
  });
  return `# The facts elsewhere

This page shows where emulators of AWS differ from [the facts](aws-facts.md), by the same experiments. \`npm run facts:elsewhere -- -u\` writes it;
\`npm run facts -- --endpoint-url URL\` asks another emulator. The local Region agrees with all facts (\`npm run facts\`). The experiments run
in real time on an emulator. An experiment is *not observable* there if the emulator needs more than 75 s, or lacks a resource.

${columns.map(([name, results]) => `- **${name}**: ${summaryOf(results)}`).join('\n')}

| facts | experiment | ${names.join(' | ')} |
|---|---|${names.map(() => '---|').join('')}
${rows.join('\n')}
`;
}

const VERDICTS: Readonly<Record<Verdict, string>> = {
  agrees: 'agrees',
  disagrees: '**disagrees**',
  open: '*open*',
  failed: '**breaks off**',
  'not observable': 'not observable',
};
