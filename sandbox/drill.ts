import { open, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { drainerNamed, run, SCENARIO_LINES, scenarioNamed, seedFrom, speedFrom, UsageError } from './command-line.ts';
import { rehearse } from './rehearsal.ts';
import { DRAINERS, type DrillResult } from './result.ts';
import { liveView, plainView, summaryOf } from './view.ts';

/** `npm run drill`: rehearse the termination of instances on the local Region, and see what becomes of their tasks. */

const USAGE = `npm run drill -- [--scenario NAME] [--drainer ${DRAINERS.join('|')}] [--seed N] [--speed X] [--json] [--report FILE]
scenarios:
${SCENARIO_LINES}`;

/** Virtual seconds in a second, where somebody watches. */
const WATCHED_SPEED = 120;

async function drill(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      scenario: { type: 'string', default: 'rolling-update' },
      drainer: { type: 'string', default: 'ecs-drain' },
      seed: { type: 'string', default: '1' },
      speed: { type: 'string' },
      json: { type: 'boolean', default: false },
      report: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return;
  }
  const { json, report } = values;
  const rehearsal = {
    scenario: scenarioNamed(values.scenario),
    drainer: drainerNamed(values.drainer),
    seed: seedFrom(values.seed),
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
  const runs: DrillResult[] = [result];
  for (const drainer of DRAINERS) {
    if (drainer !== rehearsal.drainer) runs.push(await rehearse({ ...rehearsal, drainer }));
  }
  const { reportOf } = await import('./report.ts'); // the charting library takes a second to load
  await writeFile(report, reportOf(runs));
  if (!json) write(`The report is in ${report}.\n`);
}

/** Before the drill, not after it. */
async function refuseUnwritable(path: string): Promise<void> {
  try {
    await (await open(path, 'a')).close();
  } catch (error) {
    throw new UsageError(`--report ${path} cannot be written: ${error instanceof Error ? error.message : error}.`);
  }
}

await run(drill, USAGE);
