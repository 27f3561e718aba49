import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { run, seedFrom, worldsFrom } from '../../sandbox/command-line.ts';
import { percentile } from '../../sandbox/prices.ts';
import {
  deploymentCase,
  interfacesCase,
  managedDrainingCase,
  managedScalingCase,
  placementCase,
  scenarioCases,
  worldCases,
} from './cases.ts';
import { type Errors, errorsOf, prove } from './prove.ts';

/** `npm run bench:plan`: plans scenarios and worlds, plays them, and writes how far the plans were off into docs/plan.md. */

const USAGE = 'npm run bench:plan -- [--worlds N] [--seed N]';
const PAGE = join(resolve(import.meta.dirname, '../../docs'), 'plan.md');
const TRIALS = 5;
/** What a duration may be beyond what was planned. */
const TOLERANCE = 0.1;
const BEGIN = '<!-- npm run bench:plan -->';
const END = '<!-- end -->';

async function proof(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: { worlds: { type: 'string', default: '300' }, seed: { type: 'string', default: '7' } },
  });
  const [worlds, seed] = [worldsFrom(values.worlds), seedFrom(values.seed)];
  const sets = {
    scenarios: [
      ...scenarioCases(1),
      placementCase(1),
      interfacesCase(1),
      managedScalingCase(1),
      managedDrainingCase(1),
      deploymentCase(1),
    ],
    'worlds of the chaos': worldCases(worlds, seed),
  };
  const rows: string[] = [];
  for (const [name, cases] of Object.entries(sets)) {
    const errors: Errors[] = [];
    for (const each of cases) {
      const found = errorsOf(await prove(each, TRIALS));
      errors.push(found);
      for (const difference of [...found.outcomes, ...found.killed]) console.log(`${each.name}: ${difference}`);
      if (Math.max(found.whole, ...found.drains) > TOLERANCE) {
        console.log(
          `${each.name}: ${found.whole.toFixed(2)}, drains ${found.drains.map((it) => it.toFixed(2)).join(' ')}`,
        );
      }
    }
    rows.push(rowOf(name, errors));
  }
  const table = [
    '| played | drains | different outcomes | different numbers of kills | drains within 10 % | 95 % of the drains | worst drain | whole changes within 10 % | worst whole change |',
    '|---|---|---|---|---|---|---|---|---|',
    ...rows,
  ].join('\n');
  console.log(table);
  const page = await readFile(PAGE, 'utf8');
  const [head = '', rest = ''] = page.split(BEGIN);
  await writeFile(PAGE, `${head}${BEGIN}\n${table}\n${END}${rest.split(END)[1] ?? ''}`);
}

function rowOf(name: string, errors: readonly Errors[]): string {
  const drains = errors.flatMap((each) => each.drains);
  const wholes = errors.map(({ whole }) => whole);
  const within = (values: readonly number[]) =>
    `${values.filter((value) => value <= TOLERANCE).length} of ${values.length}`;
  const cells = [
    `${errors.length} ${name}`,
    drains.length,
    errors.flatMap(({ outcomes }) => outcomes).length,
    errors.flatMap(({ killed }) => killed).length,
    within(drains),
    percent(percentile(drains, 95)),
    percent(Math.max(...drains)),
    within(wholes),
    percent(Math.max(...wholes)),
  ];
  return `| ${cells.join(' | ')} |`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

if (import.meta.main) await run(proof, USAGE);
