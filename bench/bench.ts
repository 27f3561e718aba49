import { fork } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { run } from '../sandbox/command-line.ts';
import { PRICES } from '../sandbox/prices.ts';
import { chartsOf } from './chart.ts';
import { type ColdStart, measureColdStart } from './cold-start.ts';
import { CONTESTANTS, type Contestant, LEGACY_CONTESTANTS, LONE_KINDS, type Trial, titleOf } from './contest.ts';
import {
  atMost,
  type Day,
  dayOf,
  drainGoals,
  drainingBoundSeconds,
  type Goal,
  type Run,
  type Summary,
  summaryOf,
} from './figures.ts';
import type { Job } from './run.ts';
import {
  callsTable,
  coldStartTable,
  contestTable,
  dayTable,
  drainingTable,
  type FigureTable,
  goalsTable,
  growthTable,
  inMarkdown,
  inTerminal,
  kilobytes,
} from './tables.ts';

/** `npm run bench`: ecs-drain beside the book's function and three rivals, on the same Region; and what a cold start costs. */

const USAGE = `npm run bench -- [--json] [--write]
--json   print all figures, each run of them, as one JSON object, and nothing else
--write  write the tables into docs/benchmark.md and the charts into docs/images`;

const DOCS = resolve(import.meta.dirname, '../docs');
/** A p99 needs a hundred drains, and a run of one instance has one. */
const LONE_RUNS = 100;
/** Growth shows with fewer runs. */
const GROWTH_RUNS = 20;
const TASKS = 10;
/** How many are terminated at once, and in how many runs, because chance decides which calls are throttled. */
const RUNS_OF_FLEET: ReadonlyMap<number, number> = new Map([
  [1, LONE_RUNS],
  [100, 10],
  [500, 3],
  [1_000, 2],
]);
const FLEETS = [...RUNS_OF_FLEET.keys()];
const GROWING_FLEETS = [1, 10, 100, 500];
const GROWING_TASKS = [5, 10, 20, 50];
const HARD_FLEET = { instances: 200, tasksAnInstance: TASKS };
const HARD_FLEET_RUNS = 2;

const lone = (kind: Trial['kind']): Trial => ({ kind, instances: 1, tasksAnInstance: TASKS });
const withTasks = (tasksAnInstance: number): Trial => ({ kind: '6 minutes', instances: 1, tasksAnInstance });
const fleetOf = (instances: number): Trial => ({ kind: 'at once', instances, tasksAnInstance: TASKS });

/** Every drainer runs these. AWS throttles no call of a single instance. */
const TRIALS = [...LONE_KINDS.map(lone), ...FLEETS.map(fleetOf)];
/** What is hard for a drain that parks, as no rival does. */
const STUCK = lone('stuck');
const UNPARKED: readonly Trial[] = [
  ...[30, 60, 120, 210].map((hookSeconds) => ({ ...HARD_FLEET, kind: 'short hooks' as const, hookSeconds })),
  { ...HARD_FLEET, kind: 'Scheduler down' },
];
const UNRELATED_STOPS: Trial = { kind: 'unrelated stops', instances: 0, tasksAnInstance: 0 };
const OWN_TRIALS = [STUCK, ...UNPARKED];
/** With waiting=watch there are no schedules, so these trials would show nothing new. */
const ownContestants = (trial: Trial) => (UNPARKED.includes(trial) ? OURS.slice(0, 1) : OURS);
const OURS = CONTESTANTS.filter(({ drainer }) => drainer === 'ecs-drain');
/** Those that make calls and are billed, so not ECS managed draining. */
const withFunction = CONTESTANTS.filter(({ drainer }) => drainer !== 'managed-draining');
const GROWTH_TRIALS = [...GROWING_TASKS.map(withTasks), ...GROWING_FLEETS.map(fleetOf)];

interface Figures {
  readonly node: string;
  readonly cores: number;
  readonly pricesInDollars: typeof PRICES;
  readonly goals: readonly Goal[];
  readonly coldStart: ColdStart;
  readonly summaries: readonly Summary[];
  readonly days: readonly Day[];
  readonly runs: readonly Run[];
}

async function bench(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      json: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
    },
  });
  if (values.write) await refuseUnwritable();
  const figures = await measured();
  const tables = tablesOf(figures);
  console.log(values.json ? JSON.stringify(figures) : tables.map(inTerminal).join('\n'));
  if (values.write) await write(figures, tables);
}

async function measured(): Promise<Figures> {
  console.error('Measuring the cold start');
  const coldStart = await measureColdStart(); // alone, because it measures real time
  const runs = await runsOf(jobs());
  const isDrain = ({ held }: Run) => held > 0;
  const summaries = [...Map.groupBy(runs.filter(isDrain), keyOf).values()].map(summaryOf);
  const days = runs.filter((run) => !isDrain(run)).map(dayOf);
  return {
    node: process.version,
    cores: availableParallelism(),
    pricesInDollars: PRICES,
    goals: [
      ...goalsOf(summaries, days),
      atMost('cold start: import and initialization, median', Math.round(coldStart.bundled.medianMs), 88, ' ms'),
      atMost('package, zipped', kilobytes(coldStart.zipBytes), 172, ' KB'),
    ],
    coldStart,
    summaries,
    days,
    runs,
  };
}

function goalsOf(summaries: readonly Summary[], days: readonly Day[]): Goal[] {
  const of = (trial: Trial) => summaryIn(summaries, trial, 'ecs-drain');
  const unrelatedStops = days.find(({ contestant }) => contestant === 'ecs-drain');
  if (!unrelatedStops) throw new Error('There is no run of a day without drains.');
  const ours = new Set(OURS.map(({ name }) => name));
  return drainGoals({
    sixMinutes: of(withTasks(TASKS)),
    halfAMinute: of(lone('30 seconds')),
    stuck: of(STUCK),
    fleets: [of(fleetOf(500)), of(fleetOf(1_000))],
    unparked: UNPARKED.map(of),
    unrelatedStops,
    all: summaries.filter(({ contestant }) => ours.has(contestant)),
  });
}

/** The longest first, so that no process is idle at the end. */
function jobs(): Job[] {
  const contest = TRIALS.flatMap((trial) =>
    contestantsOf(trial).map((contestant) => ({ contestant, trial, seeds: seedsOf(runsOfContest(trial)) })),
  );
  const known = new Set(TRIALS.map(titleOf));
  const growth = GROWTH_TRIALS.filter((trial) => !known.has(titleOf(trial))).flatMap((trial) =>
    OURS.map((contestant) => ({ contestant, trial, seeds: seedsOf(GROWTH_RUNS) })),
  );
  const own = [...OWN_TRIALS, UNRELATED_STOPS].flatMap((trial) =>
    ownContestants(trial).map((contestant) => ({ contestant, trial, seeds: seedsOf(runsOfOwn(trial)) })),
  );
  const all: Job[] = [...contest, ...growth, ...own];
  const isOurs = ({ contestant }: Job) => Number(contestant.drainer === 'ecs-drain');
  return all.toSorted((a, b) => b.trial.instances - a.trial.instances || isOurs(b) - isOurs(a));
}

function contestantsOf({ instances }: Trial): readonly Contestant[] {
  return instances === 1 ? CONTESTANTS : [...CONTESTANTS, ...LEGACY_CONTESTANTS];
}

function runsOfContest({ instances }: Trial): number {
  return RUNS_OF_FLEET.get(instances) ?? LONE_RUNS;
}

function runsOfOwn({ kind }: Trial): number {
  if (kind === 'unrelated stops') return 1;
  return kind === 'stuck' ? GROWTH_RUNS : HARD_FLEET_RUNS;
}

function seedsOf(runs: number): number[] {
  return Array.from({ length: runs }, (_, i) => i + 1);
}

/** A process for each job, two at a time where there are as many cores; the runs in the order of the jobs. */
async function runsOf(all: readonly Job[]): Promise<Run[]> {
  const runs: Run[][] = [];
  const left = [...all.entries()];
  const work = async () => {
    for (let next = left.shift(); next; next = left.shift()) {
      const [index, job] = next;
      const fromMs = performance.now();
      runs[index] = await ran(job);
      const seconds = ((performance.now() - fromMs) / 1000).toFixed(1);
      console.error(`${job.contestant.name}: ${titleOf(job.trial)}, ${job.seeds.length} × (${seconds} s)`);
    }
  };
  await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, work));
  return runs.flat();
}

function ran(job: Job): Promise<Run[]> {
  return new Promise((resolve, reject) => {
    const runs: Run[] = [];
    const script = join(import.meta.dirname, 'run.ts');
    const child = fork(script, [JSON.stringify(job)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    child.on('message', (message) => runs.push(message as Run));
    child.on('error', reject);
    child.on('exit', (code) => {
      if (code === 0 && runs.length === job.seeds.length) resolve(runs);
      else reject(new Error(`${job.contestant.name}: ${titleOf(job.trial)} failed; what it printed is above.`));
    });
  });
}

function keyOf({ trial, contestant }: Pick<Run, 'trial' | 'contestant'>): string {
  return `${contestant}: ${titleOf(trial)}`;
}

function summaryIn(summaries: readonly Summary[], trial: Trial, contestant: string): Summary {
  const key = keyOf({ trial, contestant });
  const found = summaries.find((summary) => keyOf(summary) === key);
  if (!found) throw new Error(`There is no run of ${key}.`);
  return found;
}

function tablesOf({ goals, coldStart, summaries, days }: Figures): FigureTable[] {
  const of = (trial: Trial, { name }: Contestant) => summaryIn(summaries, trial, name);
  const everybody = (trial: Trial) => contestantsOf(trial).map((contestant) => of(trial, contestant));
  const atDefaults = (trial: Trial) => CONTESTANTS.map((contestant) => of(trial, contestant));
  return [
    goalsTable(goals),
    ...TRIALS.map((trial) => contestTable(everybody(trial))),
    ...OWN_TRIALS.map((trial) => contestTable(ownContestants(trial).map((contestant) => of(trial, contestant)))),
    dayTable(days),
    drainingTable(
      FLEETS.map((instances) => atDefaults(fleetOf(instances))),
      FLEETS.map(drainingBoundSeconds),
    ),
    ...[withTasks(TASKS), fleetOf(500)].map((trial) => callsTable(withFunction.map((each) => of(trial, each)))),
    ...OURS.flatMap((contestant) => [
      growthTable(
        'tasks an instance',
        GROWING_TASKS.map((tasks) => of(withTasks(tasks), contestant)),
      ),
      growthTable(
        'instances at once',
        GROWING_FLEETS.map((instances) => of(fleetOf(instances), contestant)),
      ),
    ]),
    coldStartTable(coldStart),
  ];
}

/** What stands between these in docs/benchmark.md is written by this command. */
const WRITTEN = /(<!-- npm run bench -- --write -->\n)[\s\S]*(<!-- end -->)/;
const PAGE = join(DOCS, 'benchmark.md');

/** Before the runs, not after them. */
async function refuseUnwritable(): Promise<void> {
  if (WRITTEN.test(await readFile(PAGE, 'utf8'))) return;
  throw new Error(`${PAGE} has no place for the tables: they stand between two comments, ${WRITTEN.source}.`);
}

async function write({ summaries }: Figures, tables: readonly FigureTable[]): Promise<void> {
  const page = join(DOCS, 'benchmark.md');
  const text = await readFile(page, 'utf8');
  if (!WRITTEN.test(text)) throw new Error(`${page} has no place for the tables: ${WRITTEN.source}.`);
  const written = tables.map(inMarkdown).join('\n\n');
  await writeFile(
    page,
    text.replace(WRITTEN, (_, from, to) => `${from}\n${written}\n${to}`),
  );
  const everybody = (trial: Trial) => withFunction.map(({ name }) => summaryIn(summaries, trial, name));
  const charts = chartsOf(everybody(withTasks(TASKS)), everybody(fleetOf(500)));
  for (const [file, svg] of Object.entries(charts)) await writeFile(join(DOCS, 'images', file), svg);
  console.error(`Written: ${PAGE}, ${Object.keys(charts).join(', ')}`);
}

await run(bench, USAGE);
