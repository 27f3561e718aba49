import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FAULTS, RATES } from '../../bench/month.ts';
import { BURST, PER_SECOND } from '../../cli/snapshot/reader.ts';
import { MOST_CALLS } from '../../cli/snapshot.ts';
import { constraintsOf, PARAMS, type ParamName, paramNames } from '../../deploy/params.ts';
import { PRICES } from '../../sandbox/prices.ts';
import { NEAR_DEADLINE } from '../../src/domain/policy.ts';
import { deployed } from '../deploy/deployed.ts';
import { rowsUnder } from './tables.ts';

const read = (path: string) => readFileSync(resolve(import.meta.dirname, '../..', path), 'utf8');
/** A page as one line, because a sentence may be broken anywhere. */
const wordsOf = (path: string) =>
  read(path)
    .replace(/^[#>] /gm, '')
    .replace(/\s+/g, ' ');
const numberIn = (cell = '') => Number(/[\d.,]+/.exec(cell)?.[0].replaceAll(',', ''));
const WORDS = ['no', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten'];

interface Statement {
  readonly Effect: string;
  readonly Action: string | readonly string[];
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>;
}

interface Policy {
  readonly PolicyDocument: { readonly Statement: readonly Statement[] };
}

const benchmark = read('docs/benchmark.md');

/** A cell of the benchmark, by its table, its row and its column. */
function measured(title: string, row: string, column: string): number {
  const [, section = ''] = benchmark.split(`\n### ${title}`);
  const head = section.split('\n').find((line) => line.startsWith('|')) ?? '';
  const index = head
    .slice(1, -1)
    .split('|')
    .findIndex((cell) => cell.trim() === column);
  const cells = rowsUnder(head, section).find(([first]) => first === row);
  return numberIn(cells?.[index]);
}

describe('what documents repeat of the benchmark', () => {
  const lone = Math.round(measured('A drain of 6 minutes, 10 tasks\n', 'ecs-drain', 'AWS calls'));
  const most = measured('Figures to reach', '6-minute drain: AWS calls, most', 'seen');
  const slack = measured('A drain of 6 minutes, 10 tasks\n', 'ecs-drain', 'slack p50 s').toFixed(1);
  const slackOfFleet = measured('500 instances at once', 'ecs-drain', 'slack p50 s').toFixed(1);
  const draining = Math.round(measured('Seconds until the last instance is DRAINING', 'ecs-drain', '500'));
  const ofFleet = Math.round(measured('500 instances at once', 'ecs-drain', 'AWS calls'));

  it.each([
    ['docs/decisions/0003-what-a-look-costs.md', `A drain of six minutes with ten tasks makes ${lone} calls`],
    ['CHANGELOG.md', `A drain of six minutes makes ${lone} calls on average and ${most} at most`],
    ['docs/decisions/0003-what-a-look-costs.md', `of 500 at once each makes ${ofFleet}`],
    ['docs/decisions/0021-one-queue-and-a-slow-lane.md', `instead of ${lone}, because`],
    [
      'CHANGELOG.md',
      `Of 500 instances at once, all are DRAINING in about ${draining} s, and each waits about ${slackOfFleet} s`,
    ],
    ['docs/decisions/0021-one-queue-and-a-slow-lane.md', `${slack} s at the median of a 6-minute drain`],
    ['docs/benchmark.md', `Its CPU time is ${measured('Cold start', 'the package', 'median ms of CPU')} ms`],
    ['docs/benchmark.md', `the package has ${measured('Figures to reach', 'package, zipped', 'seen')} KB zipped`],
  ])('is what its tables say: %s, %s', (page, sentence) => {
    expect(wordsOf(page)).toContain(sentence);
  });
});

describe('what documents say about the deployment', () => {
  const { Resources } = deployed({}).template;
  const count = (type: string) => Object.values(Resources).filter(({ Type }) => Type === type).length;
  const alarms = WORDS[count('AWS::CloudWatch::Alarm')];
  const queues = WORDS[count('AWS::SQS::Queue')];
  const sweeps = (30 * 24 * 60) / Number(PARAMS.sweepMinutes.default);
  const polls = (5 * 30 * 24 * 3_600) / 20; // five pollers, which wait 20 s each (facts 89 queue-reading)
  const pollDollars = (polls * PRICES.sqsRequests).toFixed(2);

  it.each([
    ['README.md', `a Lambda function, ${queues} queues`],
    ['docs/deployment.md', `${queues} queues and their policies`],
    ['docs/operations.md', `There are ${alarms}, named`],
    ['docs/operations.md', `${alarms} alarms, $0.10 a month each`],
    ['serverless.yml', `${alarms} alarms and a dashboard`],
    ['deploy/watching.ts', `${alarms} alarms and a dashboard`],
    [
      'docs/operations.md',
      `about ${(Math.round(polls / 1e4) * 1e4).toLocaleString('en')} requests a month, $${pollDollars}`,
    ],
    [
      'docs/decisions/0021-one-queue-and-a-slow-lane.md',
      `about $${(2 * polls * PRICES.sqsRequests).toFixed(2)} a month`,
    ],
    ['docs/soak.md', `an invocation a minute, ${sweeps.toLocaleString('en')} a month`],
    ['docs/operations.md', `A drain has used ${100 * NEAR_DEADLINE} % of its \`deadlineSeconds\``],
    ['README.md', `${Number(PARAMS.deadlineSeconds.default) / 3_600} hours by default`],
  ])('is what is deployed: %s, %s', (page, sentence) => {
    expect(wordsOf(page)).toContain(sentence);
  });

  it('has about the price that README.md says', () => {
    const monthly = count('AWS::CloudWatch::Alarm') * 0.1 + Number(pollDollars) + 0.02;
    expect(Math.round(monthly)).toBe(1);
    expect(wordsOf('README.md')).toContain('about a dollar a month');
  });
});

describe('the table of permissions in docs/deployment.md', () => {
  const { Resources } = deployed({
    stopStragglers: 'all',
    queueKmsKeyArn: 'arn:aws:kms:eu-west-1:123456789012:key/11112222-3333-4444-5555-666677778888',
    subnetIds: 'subnet-0123456789abcdef0',
    securityGroupIds: 'sg-0123456789abcdef0',
  }).template;
  const statements: readonly Statement[] = Object.values(Resources)
    .filter(({ Type }) => Type === 'AWS::IAM::Role' || Type === 'AWS::IAM::Policy')
    .flatMap(
      ({ Type, Properties }) =>
        (Type === 'AWS::IAM::Role' ? Properties?.['Policies'] : Properties) as Policy | Policy[],
    )
    .flatMap(({ PolicyDocument }) => PolicyDocument.Statement)
    .filter(({ Effect }) => Effect === 'Allow');
  const rows = rowsUnder('| actions | on | why |', read('docs/deployment.md'));

  it('has every action that the roles allow, with all settings that add some', () => {
    const allowed = [...new Set(statements.flatMap(({ Action }) => Action))];
    const ofTheVpc = allowed.filter((action) => action.startsWith('ec2:') && action !== 'ec2:CreateNetworkInterface');
    const listed = rows.flatMap(([actions = '']) => actions.match(/(?<=`)\w+:\w+(?=`)/g) ?? []);
    expect(listed.toSorted()).toEqual(allowed.filter((action) => !ofTheVpc.includes(action)).toSorted());
    expect(rows.at(-1)?.[0]).toContain(`and ${WORDS[ofTheVpc.length]} more`);
  });

  it('has the number of our detail-types', () => {
    const [count] = statements.flatMap(({ Action, Condition }) =>
      [Action].flat().includes('events:PutEvents')
        ? (Condition?.['StringEquals']?.['events:detail-type']?.length ?? [])
        : [],
    );
    expect(rows.find(([actions]) => actions === '`events:PutEvents`')?.[1]).toContain(
      `our ${WORDS[count ?? 0]} detail-types`,
    );
  });
});

describe('the table in docs/settings.md', () => {
  const split = (cell = '') => cell.replaceAll('`', '').split(', ');
  const rows = rowsUnder('| setting | default | what it is |', read('docs/settings.md'));
  const settings = rows.flatMap(([names, defaults, text = '']) =>
    split(names).map((name, index) => ({
      name: name as ParamName,
      standard: split(defaults)[index] ?? split(defaults)[0],
      bounds: /\((\d+) to (\d+)\)/.exec(text)?.slice(1).map(Number),
    })),
  );

  it('has every param with its default', () => {
    expect(settings.map(({ name }) => name).toSorted()).toEqual(paramNames.toSorted());
    for (const { name, standard } of settings)
      expect([name, standard]).toEqual([name, PARAMS[name].default ?? 'required']);
  });

  it('has the bounds of each param that it gives bounds for', () => {
    const bounded = settings.filter(({ bounds }) => bounds);
    expect(bounded.length).toBeGreaterThan(3);
    for (const { name, bounds } of bounded) {
      const { min, max } = constraintsOf(name);
      expect([name, bounds]).toEqual([name, [min, max]]);
    }
  });
});

it('README.md, docs/operations.md and docs/accounts.md have the version of the package', () => {
  const { version } = JSON.parse(read('package.json'));
  expect(wordsOf('README.md')).toContain(`Version ${version}, `);
  expect(wordsOf('README.md')).toContain(`npm install ../ecs-drain/ecs-drain-${version}.tgz`);
  expect(wordsOf('docs/operations.md')).toContain(`npm install --global ./ecs-drain-${version}.tgz`);
  expect(wordsOf('docs/accounts.md')).toContain(`ParameterValue=ecs-drain/${version}.zip`);
});

describe('what docs/soak.md says about its month', () => {
  const page = wordsOf('docs/soak.md');
  const inAThousand = (rate: number) => `${1_000 * rate} in 1,000`;

  it.each([
    `is lost | ${inAThousand(FAULTS.lostEvents)} |`,
    `late | ${inAThousand(FAULTS.duplicatedEvents)} each |`,
    `at once | ${inAThousand(FAULTS.refusedDeliveries)} |`,
    `refuse | ${inAThousand(FAULTS.throttles)} |`,
    `HTTP 500 | ${10_000 * FAULTS.serverErrors} in 10,000 |`,
    `an invocation crashes | at ${Math.round(100_000 * FAULTS.crashes)} of 100,000 awaits |`,
    `5 to 60 s, ${RATES.agentFlapsAnInstanceADay} times a day`,
    `EC2 takes each once in ${RATES.spotLifeDays} days`,
    `| ${200 * RATES.jobsAnInstanceADay} tasks of 2 to 30 minutes a day`,
  ])('is what is played: %s', (sentence) => {
    expect(page).toContain(sentence);
  });
});

describe('what docs/plan.md says about the calls of a snapshot', () => {
  it('is what it makes', () => {
    const page = wordsOf('docs/plan.md');
    expect(page).toContain(`A snapshot makes ${MOST_CALLS} calls at most, or as many as`);
    expect(page).toContain(`It paces itself to ${BURST} calls at once and ${PER_SECOND} a second`);
  });
});

describe('the scores in docs/mutation.md', () => {
  const page = read('docs/mutation.md');
  const scores = rowsUnder('| | mutants | killed | never end | survived | not reached | score |', page);

  it('follow from the counts beside them, and all from its parts', () => {
    const counts = scores.map((cells) => cells.slice(1, 6).map(numberIn));
    for (const [row, [mutants = 0, killed = 0, endless = 0, survived = 0, unreached = 0]] of counts.entries()) {
      expect(killed + endless + survived + unreached).toBe(mutants);
      expect(scores[row]?.[6]).toBe(`${((100 * (killed + endless)) / mutants).toFixed(1)} %`);
    }
    const [domain = [], adapters = [], all] = counts;
    expect(domain.map((value, column) => value + (adapters[column] ?? 0))).toEqual(all);
  });

  it('are above the score below which the command fails, and the files listed below theirs', () => {
    const fails = numberIn(/\bbreak: (\d+)/.exec(read('test/mutation/stryker.config.js'))?.[1]);
    expect(wordsOf('docs/mutation.md')).toContain(`The command fails below ${fails} %.`);
    expect(numberIn(scores.at(-1)?.[6])).toBeGreaterThan(fails);
    const below = numberIn(/files are below (\d+) %/.exec(page)?.[1]);
    const files = rowsUnder('| file | score | what survives |', page).map(([, score]) => numberIn(score));
    expect(files.length).toBeGreaterThan(0);
    expect(Math.max(...files)).toBeLessThan(below);
  });
});
