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
