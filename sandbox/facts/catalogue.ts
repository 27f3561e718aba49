import type { Experiment } from './experiment.ts';
import type { FactsReport } from './report.ts';
import type { Result, Verdict } from './run.ts';

/** A fact as `docs/aws-facts.md` has it. */
export interface Fact {
  readonly number: number;
  /** What stands in brackets; undefined where nothing does. */
  readonly source: string | undefined;
}

/** Why there is no experiment about a fact. */
const UNOBSERVED: Readonly<Record<number, string>> = {
  3: 'a loss or a disorder cannot be provoked',
  6: 'see 21, which waits for the warning',
  8: 'it takes a loop of invocations, which costs money without a bound',
  9: 'a limit of the account',
  16: 'see 39',
  22: 'it takes a capacity provider with managed draining',
  25: 'CloudWatch has a cluster’s reservation by the minute only, which says little of an instant',
  28: 'the limits are too high to be reached at little cost',
  31: 'it takes an account whose executions are used up for hours',
  33: 'reserving what others of the account need would disturb them',
  34: 'what an alarm may watch, CloudFormation refuses at the deployment',
  35: 'a queue has to be silent for six hours',
  45: 'it takes an instance refresh that replaces root volumes',
  46: 'an instance that is retained outlives the stack',
  47: 'it takes a group that another AWS service manages',
  50: 'it takes a deployment that pauses, whose length a person decides',
  52: 'it takes a capacity provider with managed draining',
  53: 'reserving what others of the account need would disturb them',
  55: 'an alternative, and no behavior that the service relies on',
  56: 'it takes a capacity provider with managed draining',
  64: 'what a container hears in a shutdown is seen on the instance only, which is gone then',
  67: 'it takes a warm pool, which would change what every other experiment terminates',
  70: 'an instance that is detached outlives the stack',
  71: 'it takes a rebalance recommendation, which cannot be ordered alone',
  77: 'it is about a client, and not about AWS',
  89: 'it takes thousands of messages before the readers that Lambda adds can be distinguished',
  90: 'it takes a loop of invocations, which costs money without a bound',
  92: 'the check of the rules asks the matcher that EventBridge runs',
  93: 'a group with such a name is in the way of other programs',
  94: 'the policy simulator says what a policy allows, and costs no experiment',
  95: 'it takes a capacity provider with managed draining',
  97: 'it takes an instance that was detached, which outlives the stack',
  98: 'it takes 48 hours of an instance',
  99: 'an instance that is terminated would take the tasks of other experiments along',
  100: 'it takes a VPC with free addresses and an account setting',
  101: 'it takes a capacity provider with managed scaling',
  104: 'clients of the SDKs sign for the Region that they ask',
  106: 'it takes a role that Auto Scaling may assume',
  107: 'clients of the SDKs write the numbers of lists themselves',
  108: 'what a scale-in takes by the default policy may be chance',
  109: 'the types of a group differ in price',
};

const BEGIN = '<!-- written by `npm run facts -- --docs` -->';
const END = '<!-- end of what is written by `npm run facts -- --docs` -->';

/** The facts of the page, in order. */
export function factsIn(page: string): readonly Fact[] {
  const entries = [...page.matchAll(/^(\d+)\. ([\s\S]*?)(?=^\d+\. |^#|^<!--|^\||(?![\s\S]))/gm)];
  return entries.map(([, number = '', text = '']) => {
    // What is bracketed in code is no source.
    const plain = text.replaceAll(/`[^`]*`/g, (code) => code.replaceAll(/[[\]]/g, ''));
    const sources = [...plain.matchAll(/\[([^\][]{8,})\](?!\()/g)];
    const source = sources.map(([, each = '']) => each.replaceAll(/\s+/g, ' ')).join('; ');
    return { number: Number(number), source: source === '' ? undefined : source };
  });
}

/**
 * The page with its table written again: of each fact its source, its experiments, and whether the local Region and AWS were
 * seen to agree.
 */
export function withTable(
  page: string,
  experiments: readonly Experiment[],
  local: readonly Result[],
  reports: readonly FactsReport[],
): string {
  const [before, rest] = page.split(BEGIN);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined) throw new Error(`The page lacks the lines ${BEGIN} and ${END}.`);
  const rows = factsIn(before + after).map(({ number, source }) => {
    const own = experiments.filter(({ facts }) => facts.includes(number));
    const titles = own.map(({ title, open }) => (open ? `*${title}*` : title).replaceAll('|', '\\|'));
    const reason = UNOBSERVED[number];
    const cells = [
      String(number),
      source ?? 'not named',
      titles.length > 0 ? titles.join('<br>') : reason ? `none: ${reason}` : 'none yet',
      own.length > 0 ? verdictsOf(number, local) : '',
      own.length > 0 ? verdictsOnAws(number, reports) : '',
    ];
    return `| ${cells.join(' | ')} |`;
  });
  const head = [
    '| fact | source | experiments (open questions in italics) | local Region | AWS |',
    '|---|---|---|---|---|',
  ];
  return [before + BEGIN, '', ...head, ...rows, '', END + after].join('\n');
}

/** How the experiments about a fact ended, those of one kind counted. */
function verdictsOf(fact: number, results: readonly Result[]): string {
  const own = results.filter(({ facts }) => facts.includes(fact));
  const kinds = Map.groupBy(own, ({ verdict }): Verdict => verdict);
  const said = [...kinds].map(([verdict, { length }]) => (kinds.size > 1 ? `${length} ${verdict}` : verdict));
  return said.join(', ') || 'not yet';
}

/** By the latest report that has the fact. */
function verdictsOnAws(fact: number, reports: readonly FactsReport[]): string {
  const latest = reports
    .filter(({ results }) => results.some(({ facts }) => facts.includes(fact)))
    .toSorted((a, b) => (a.date < b.date ? 1 : -1))[0];
  return latest ? `${verdictsOf(fact, latest.results)} (${latest.where}, ${latest.date.slice(0, 10)})` : 'not yet';
}
