import { readFile } from 'node:fs/promises';
import { pageOf, wrapped } from '../terminal/layout.ts';
import { scenarioOf, type World, worldFrom } from './chaos/world.ts';
import {
  commandNamed,
  drainerNamed,
  optionsOf,
  run,
  scenarioNamed,
  seedFrom,
  speedFrom,
  UsageError,
} from './command-line.ts';
import { refuseUnwritable, writeReport } from './comparison.ts';
import { rehearse } from './rehearsal.ts';
import { BENCHMARKED, type Benchmarked, DRAINERS, type Drainer, type DrillResult } from './result.ts';
import { SCENARIOS, type ScenarioName } from './scenarios.ts';
import { linesView, liveView, NO_VIEW, summaryOf, titleOf } from './view.ts';

/** `npm run drill`: rehearse the termination of instances on the local Region, and see what becomes of their tasks. */

/** Virtual seconds in a second, where someone watches. */
const WATCHED_SPEED = 120;

interface Options {
  readonly scenario?: ScenarioName;
  readonly world?: string;
  readonly drainer: Benchmarked;
  readonly seed?: number;
  readonly speed?: number;
  readonly verbose?: true;
  readonly json?: true;
  readonly report?: string;
}

function optionsIn(args: readonly string[]): Options {
  const command = commandNamed('drill', 'Rehearses the termination of instances of an ECS cluster on a model of AWS.')
    .option('--scenario <name>', 'what happens to which cluster (default: rolling-update)', scenarioNamed)
    .option('--world <file>', 'a world that npm run chaos has printed, or a file with it, in place of a scenario')
    .option('--drainer <name>', `who drains: ${BENCHMARKED.join(', ')}`, drainerNamed, 'ecs-drain')
    .option('--seed <number>', 'the seed number: the same gives the same drill (default: 1, or the world’s)', seedFrom)
    .option('--speed <number>', `virtual seconds in a second (default: ${WATCHED_SPEED} in a terminal)`, speedFrom)
    .option('--verbose', 'print a line for each thing that happens')
    .option('--json', 'print the result as one JSON object, and nothing else')
    .option('--report <file>', 'write a page of HTML that compares the drainers');
  return optionsOf<Options>(command, args);
}

export async function drill(args: string[]): Promise<void> {
  const { drainer, json = false, report, verbose = false, speed: typedSpeed, ...options } = optionsIn(args);
  const world = options.world === undefined ? undefined : await worldIn(options.world);
  if (world && options.scenario !== undefined) {
    throw new UsageError(
      `--scenario ${options.scenario} cannot be played together with a --world: leave out one of them.`,
    );
  }
  const scenario = world ? ('world' as const) : (options.scenario ?? 'rolling-update');
  const variant = world && scenarioOf(world);
  const rehearsal = { scenario, ...(variant && { variant }), drainer, seed: options.seed ?? world?.seed ?? 1 };
  if (report !== undefined) {
    if (!isCompared(drainer)) {
      throw new UsageError(
        `--report compares ${DRAINERS.join(', ')}: leave it out for ${drainer}, or name one of them.`,
      );
    }
    await refuseUnwritable(report);
  }
  const watched = process.stdout.isTTY && !json && !verbose;
  const speed = typedSpeed ?? (watched ? WATCHED_SPEED : undefined);

  const write = (text: string) => process.stdout.write(text);
  const description = (variant ?? SCENARIOS[scenario as ScenarioName]).description;
  const title = titleOf({ ...rehearsal, description, speed });
  if (!json && !watched) write(`${wrapped(title, pageOf(process.stdout))}\n\n`);
  const view = watched
    ? liveView(process.stdout, speed ?? WATCHED_SPEED, title)
    : verbose && !json
      ? linesView(write, pageOf(process.stdout))
      : NO_VIEW;
  const result = await rehearse({ ...rehearsal, speed, onEvent: view.show }).finally(view.end);
  write(
    json
      ? `${JSON.stringify(result)}\n`
      : `${watched || verbose ? '\n' : ''}${summaryOf(result, pageOf(process.stdout))}\n`,
  );

  if (report === undefined || !isCompared(drainer)) return;
  await writeReport(report, result as DrillResult<Drainer>, rehearsal);
  if (!json) write(`The report is in ${report}.\n`);
}

function isCompared(drainer: Benchmarked): drainer is Drainer {
  return (DRAINERS as readonly string[]).includes(drainer);
}

/** What `npm run chaos` has printed, or a file with it. */
async function worldIn(value: string): Promise<World> {
  try {
    return worldFrom(JSON.parse(value.startsWith('{') ? value : await readFile(value, 'utf8')));
  } catch (error) {
    throw new UsageError(`--world ${value} cannot be played: ${error instanceof Error ? error.message : error}`);
  }
}

if (import.meta.main) await run(drill);
