import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { daysFrom, run, seedFrom } from '../sandbox/command-line.ts';
import { figure } from './figures.ts';
import { type Counts, type Soak, type Spread, soaked } from './soaked.ts';
import { type FigureTable, inMarkdown, inTerminal } from './tables.ts';

/** `npm run soak`: a month of a large cluster, with this service and with no one who drains. */

const USAGE = `npm run soak -- [--days N] [--seed S] [--json] [--write]
--days N   how many days to play, 1 to 366 (default 30)
--seed S   the seed number: the same one gives the same month (default 1)
--json     print all figures as one JSON object, and nothing else
--write    write the tables into docs/soak.md`;

const INSTANCES = 200;

export async function soak(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      days: { type: 'string', default: '30' },
      seed: { type: 'string', default: '1' },
      json: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
    },
  });
  const span = { instances: INSTANCES, days: daysFrom(values.days), seed: seedFrom(values.seed) };
  if (values.write) await refuseUnwritable();
  const undrained = await soaked({ ...span, drainer: 'none' });
  const drained = await soaked({ ...span, drainer: 'ecs-drain' }, tellDays);
  const tables = tablesOf(drained, undrained);
  console.log(values.json ? JSON.stringify({ drained, undrained }) : tables.map(inTerminal).join('\n'));
  if (values.write) await write(tables);
}

function tellDays(hour: number): void {
  if (hour % 24 === 0) console.error(`Day ${hour / 24} is over`);
}

function tablesOf(drained: Soak, undrained: Soak): FigureTable[] {
  const both = (what: string, of: (soak: Soak) => number): string[] => [
    what,
    figure(of(drained)),
    figure(of(undrained)),
  ];
  const { days, instances, seed, outcomes, noticeOutcomes, drainSeconds, slackSeconds, billed } = drained;
  const months = days / 30;
  return [
    {
      title: `${figure(days)} days of ${figure(instances)} instances, seed ${seed}`,
      head: ['', 'ecs-drain', 'no one drains'],
      rows: [
        both('instances terminated', ({ instancesTerminated }) => instancesTerminated),
        both('tasks that stopped', ({ tasksStopped }) => tasksStopped),
        both('tasks killed before a deadline', ({ tasksKilled }) => tasksKilled.early),
        both('tasks killed at a deadline', ({ tasksKilled }) => tasksKilled.atDeadline),
        both('requests lost', ({ requestsLost }) => requestsLost),
        both('Spot interruptions', ({ spot }) => spot.interruptions),
        both('tasks on those instances when EC2 warned', ({ spot }) => spot.tasksAtNotice),
        both('tasks that EC2 killed two minutes later', ({ tasksKilled }) => tasksKilled.bySpot),
        ['share of them that got out in time', shareSaved(drained), shareSaved(undrained)],
      ],
    },
    {
      title: 'Drains',
      head: ['', 'how many'],
      rows: [
        ['lifecycle actions', figure(drained.held)],
        ...rowsOf(outcomes, 'ended: '),
        ['left to the hook’s timeout', figure(drained.leftToTimeout)],
        ['taken by EC2 while they were held', figure(drained.takenWhileHeld)],
        ...rowsOf(noticeOutcomes, 'on a notice of EC2, ended: '),
        ['seconds from hold to completion: p50, p99, max', spread(drainSeconds)],
        ['seconds from the last task’s stop to completion: p50, p99, max', spread(slackSeconds)],
        ...rowsOf(drained.leftBehind, 'left behind at the end: '),
      ],
    },
    {
      title: 'What it cost',
      head: ['', 'in all', 'a drain'],
      rows: [
        perDrain('billed seconds', drained.billedSeconds, drained),
        perDrain('AWS calls', sum(drained.calls), drained),
        perDrain('of them refused', drained.refusedCalls, drained),
        perDrain('invocations', drained.invocations, drained),
        ...Object.entries(drained.messages).map(([kind, count]) => perDrain(`messages: ${kind}`, count, drained)),
        ['failed invocations', figure(drained.failedInvocations), ''],
        ['throttled invocations', figure(drained.throttledInvocations), ''],
        ['most executions at once', figure(drained.peakConcurrency), ''],
        ['dollars', dollars(drained.dollars), dollars(drained.dollars / drained.held)],
        ['dollars a month of 30 days', dollars(drained.dollars / months), ''],
        ['of them for events and schedules', dollars((billed.customEvents + billed.schedules) / 1e6 / months), ''],
      ],
    },
    { title: 'What went wrong meanwhile', head: ['', 'how often'], rows: rowsOf(drained.faults) },
    {
      title: 'AWS calls by kind',
      head: ['', 'in all', 'a drain'],
      rows: Object.entries(drained.calls)
        .toSorted()
        .map(([kind, count]) => perDrain(kind, count, drained)),
    },
  ];
}

/** Of the tasks that had not stopped when EC2 warned of taking their instance. */
function shareSaved({ spot, tasksKilled }: Soak): string {
  if (spot.tasksAtNotice === 0) return '–';
  return `${figure(100 * (1 - tasksKilled.bySpot / spot.tasksAtNotice))} %`;
}

function rowsOf(counts: Counts, before = ''): string[][] {
  return Object.entries(counts).map(([what, count]) => [`${before}${words(what)}`, figure(count)]);
}

/** `deadLetters` as words. */
function words(name: string): string {
  return name.replace(/[a-z][A-Z]/g, ([before, after]) => `${before} ${after?.toLowerCase()}`);
}

function perDrain(what: string, count: number, { held }: Soak): string[] {
  return [what, figure(count), figure(count / held)];
}

function spread({ p50, p99, max }: Spread): string {
  return [p50, p99, max].map(figure).join(', ');
}

function dollars(amount: number): string {
  return `$${amount.toFixed(amount < 0.1 ? 6 : 2)}`;
}

function sum(counts: Counts): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}

const PAGE = join(resolve(import.meta.dirname, '../docs'), 'soak.md');
/** What stands between these in docs/soak.md is written by this command. */
const WRITTEN = /(<!-- npm run soak -- --write -->\n)[\s\S]*(<!-- end -->)/;

/** Before the month, not after it. */
async function refuseUnwritable(): Promise<void> {
  if (WRITTEN.test(await readFile(PAGE, 'utf8'))) return;
  throw new Error(`${PAGE} has no place for the tables: they stand between two comments, ${WRITTEN.source}.`);
}

async function write(tables: readonly FigureTable[]): Promise<void> {
  const text = await readFile(PAGE, 'utf8');
  const written = tables.map(inMarkdown).join('\n\n');
  await writeFile(
    PAGE,
    text.replace(WRITTEN, (_, from, to) => `${from}\n${written}\n\n${to}`),
  );
  console.error(`Written: ${PAGE}`);
}

if (import.meta.main) await run(soak, USAGE);
