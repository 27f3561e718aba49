import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { scenarioOf, type World, worldFrom } from './chaos/world.ts';
import { drainerNamed, run, SCENARIO_LINES, scenarioNamed, seedFrom, speedFrom, UsageError } from './command-line.ts';
import { refuseUnwritable, writeReport } from './comparison.ts';
import { rehearse } from './rehearsal.ts';
import { DRAINERS } from './result.ts';
import { liveView, plainView, summaryOf } from './view.ts';

/** `npm run drill`: rehearse the termination of instances on the local Region, and see what becomes of their tasks. */

const USAGE = `npm run drill -- [--scenario NAME | --world FILE|JSON] [--drainer ${DRAINERS.join('|')}] [--seed N] [--speed X] [--json] [--report FILE]
scenarios:
${SCENARIO_LINES}`;

/** Virtual seconds in a second, where someone watches. */
const WATCHED_SPEED = 120;

export async function drill(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      scenario: { type: 'string' },
      world: { type: 'string' },
      drainer: { type: 'string', default: 'ecs-drain' },
      seed: { type: 'string' },
      speed: { type: 'string' },
      json: { type: 'boolean', default: false },
      report: { type: 'string' },
    },
  });
  const { json, report } = values;
  const world = values.world === undefined ? undefined : await worldIn(values.world);
  if (world && values.scenario !== undefined) {
    throw new UsageError(
      `--scenario ${values.scenario} cannot be played together with a --world: leave out one of them.`,
    );
  }
  const rehearsal = {
    ...(world
      ? { scenario: 'world' as const, variant: scenarioOf(world) }
      : { scenario: scenarioNamed(values.scenario ?? 'rolling-update') }),
    drainer: drainerNamed(values.drainer),
    seed: values.seed === undefined ? (world?.seed ?? 1) : seedFrom(values.seed),
  };
  const watched = process.stdout.isTTY && !json;
  const speed = values.speed === undefined ? undefined : speedFrom(values.speed);
  if (report !== undefined) await refuseUnwritable(report);

  const write = (text: string) => process.stdout.write(text);
  const view = watched ? liveView(process.stdout, speed ?? WATCHED_SPEED) : plainView(json ? () => {} : write);
  const result = await rehearse({
    ...rehearsal,
    speed: speed ?? (watched ? WATCHED_SPEED : undefined),
    onEvent: view.show,
  }).finally(view.end);
  write(json ? `${JSON.stringify(result)}\n` : `\n${summaryOf(result)}\n`);

  if (report === undefined) return;
  await writeReport(report, result, rehearsal);
  if (!json) write(`The report is in ${report}.\n`);
}

/** What `npm run chaos` has printed, or a file with it. */
async function worldIn(value: string): Promise<World> {
  try {
    return worldFrom(JSON.parse(value.startsWith('{') ? value : await readFile(value, 'utf8')));
  } catch (error) {
    throw new UsageError(`--world ${value} cannot be played: ${error instanceof Error ? error.message : error}`);
  }
}

if (import.meta.main) await run(drill, USAGE);
