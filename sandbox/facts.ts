import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { CloudFormationClient } from '@aws-sdk/client-cloudformation';
import { run, UsageError } from './command-line.ts';
import { refuseUnwritable } from './comparison.ts';
import { type Account, listingOf, runOnAccount } from './facts/account.ts';
import { withTable } from './facts/catalogue.ts';
import { clientsWith } from './facts/clients.ts';
import { runOnEndpoint } from './facts/endpoint.ts';
import type { Experiment } from './facts/experiment.ts';
import { EXPERIMENTS } from './facts/experiments/all.ts';
import { runOnLocalRegion } from './facts/local-region.ts';
import { type FactsReport, isRefuted, summaryOf, tableOf } from './facts/report.ts';
import type { Result } from './facts/run.ts';

/** `npm run facts`: every fact about AWS that can be observed, as an experiment. */

const USAGE = `npm run facts -- [--fact N]… [--report FILE]                  on the local Region
npm run facts -- --docs                                            writes the table of docs/aws-facts.md
npm run facts -- --endpoint-url URL [--fact N]… [--report FILE]   on an emulator of AWS
npm run facts -- --aws --region R [--yes] [--disturb] [--fact N]… [--report FILE]
                                                              on the AWS account whose credentials the environment has
  --yes      makes the experiments; without it, says what they would create, for how long and for how much
  --disturb  makes those too that others in the account feel`;

/** Runs the command; a test gives it another account. */
export async function facts(args: string[], accountOf = accountIn): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      aws: { type: 'boolean', default: false },
      region: { type: 'string' },
      docs: { type: 'boolean', default: false },
      'endpoint-url': { type: 'string' },
      yes: { type: 'boolean', default: false },
      disturb: { type: 'boolean', default: false },
      fact: { type: 'string', multiple: true },
      report: { type: 'string' },
    },
  });
  if (values.docs) {
    const other = args.find((arg) => arg.startsWith('--') && arg !== '--docs');
    if (other !== undefined) throw new UsageError(`--docs writes the whole table: leave out ${other}.`);
    return writeDocs();
  }
  const chosen = experimentsAbout(values.fact ?? []);
  if (!values.aws) {
    const forAws = (['region', 'yes', 'disturb'] as const).find((option) => values[option]);
    if (forAws) throw new UsageError(`--${forAws} is for experiments on AWS: add --aws, or leave it out.`);
    if (values.report !== undefined) await refuseUnwritable(values.report);
    const url = values['endpoint-url'];
    if (url === undefined) return tell('the local Region', await runOnLocalRegion(chosen), values.report);
    return tell(url, await runOnEndpoint(chosen, url), values.report);
  }
  if (values['endpoint-url'] !== undefined) {
    throw new UsageError('--endpoint-url leads to an emulator and --aws to AWS: leave out one of them.');
  }
  const region = values.region ?? process.env['AWS_REGION'];
  if (!region) throw new UsageError('Say in which Region of AWS: --region eu-west-1, for example.');
  const experiments = chosen.filter(({ disturbs }) => values.disturb || !disturbs);
  const report = values.report ?? `facts-${region}-${new Date().toISOString().slice(0, 10)}.json`;
  if (values.yes) await refuseUnwritable(report);
  console.log(listingOf(experiments, region));
  if (values.yes) return onAccount(experiments, accountOf(region), report);
  console.log('\nNothing is created without --yes.');
}

/** Makes the experiments on AWS, and prints and records each that was made, whatever becomes of the rest. */
async function onAccount(experiments: readonly Experiment[], account: Account, report: string): Promise<void> {
  const results: Result[] = [];
  const onResult = (result: Result) => {
    results.push(result);
    console.log(`${result.verdict}: facts ${result.facts.join(', ')}: ${result.title} ${result.saw}`);
  };
  try {
    await runOnAccount(experiments, account, onResult);
  } finally {
    if (results.length > 0) await tell(`AWS, ${account.region}`, results, report);
  }
}

/** The account of the environment's credentials. Ctrl-C cancels the experiments, and the stack is deleted all the same. */
function accountIn(region: string): Account {
  const cancelled = new AbortController();
  const say = (sentence: string) => console.log(sentence);
  const cancel = () => {
    say(cancelled.signal.aborted ? 'The stack is being deleted: wait, or it costs money.' : 'Cancelled.');
    cancelled.abort();
  };
  process.on('SIGINT', cancel);
  process.on('SIGTERM', cancel);
  const { signal } = cancelled;
  return {
    region,
    clients: clientsWith({ region }),
    cloudFormation: new CloudFormationClient({ region }),
    signal,
    now: () => Date.now(),
    sleepUntil: (instantMs) => sleep(Math.max(0, instantMs - Date.now()), undefined, { signal }),
    say,
  };
}

const PAGE = join(import.meta.dirname, '../docs/aws-facts.md');
/** Reports of runs on AWS, as someone has committed them. */
const REPORTS = join(import.meta.dirname, '../docs/facts');

/** The page of facts as it should be: with the table of what was observed where. */
export async function pageOfFacts(): Promise<string> {
  const files = await readdir(REPORTS).catch(() => []);
  const reports = await Promise.all(files.map(async (file) => JSON.parse(await readFile(join(REPORTS, file), 'utf8'))));
  return withTable(await readFile(PAGE, 'utf8'), EXPERIMENTS, await runOnLocalRegion(EXPERIMENTS), reports);
}

async function writeDocs(): Promise<void> {
  await writeFile(PAGE, await pageOfFacts());
}

function experimentsAbout(facts: readonly string[]): readonly Experiment[] {
  if (facts.length === 0) return EXPERIMENTS;
  const observed = new Set(EXPERIMENTS.flatMap((each) => each.facts).map(String));
  const unknown = facts.filter((fact) => !observed.has(fact));
  if (unknown.length > 0) {
    throw new UsageError(`No experiment observes fact ${unknown.join(', ')}. docs/aws-facts.md lists those that do.`);
  }
  return EXPERIMENTS.filter((each) => each.facts.some((fact) => facts.includes(String(fact))));
}

async function tell(where: string, results: readonly Result[], file: string | undefined): Promise<void> {
  console.log(`${tableOf(results)}\n${summaryOf(results)}`);
  if (isRefuted(results)) process.exitCode = 1;
  if (file === undefined) return;
  const report: FactsReport = { where, date: new Date().toISOString(), results };
  await writeFile(file, `${JSON.stringify(report, undefined, 2)}\n`);
  console.log(`The report is in ${file}.`);
}

if (import.meta.main) await run((args) => facts(args), USAGE);
