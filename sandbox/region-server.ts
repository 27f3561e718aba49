import { parseArgs } from 'node:util';
import { RegionClock } from './clock.ts';
import {
  delayFrom,
  drainerNamed,
  portFrom,
  run,
  SCENARIO_LINES,
  scenarioNamed,
  seedFrom,
  speedFrom,
  UsageError,
} from './command-line.ts';
import { CHANNELS } from './drainers/external.ts';
import { judge, VIRTUAL } from './judge.ts';
import { listenTo, untilStopped, welcome } from './listening.ts';
import { stage } from './rehearsal.ts';
import { DRAINERS, EXTERNAL } from './result.ts';
import { plainView } from './view.ts';

/** `npm run region`: a running Region that the AWS CLI or any SDK can look into, and that judges a drain program outside. */

const USAGE = `npm run region -- [--port N] [--scenario NAME] [--drainer ${DRAINERS.join('|')}] [--seed N] [--speed X] [--begin-after SECONDS]
npm run region -- --drainer ${EXTERNAL} [--notify ${CHANNELS.join('|')}] [--heartbeat-timeout N] [--speed X|${VIRTUAL}]
                  [--port N] [--scenario NAME] [--seed N] [--json] [--report FILE]
scenarios:
${SCENARIO_LINES}`;

export async function serve(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      port: { type: 'string', default: '0' },
      scenario: { type: 'string', default: 'rolling-update' },
      drainer: { type: 'string', default: 'ecs-drain' },
      seed: { type: 'string', default: '1' },
      speed: { type: 'string', default: '1' },
      'begin-after': { type: 'string' },
      notify: { type: 'string' },
      'heartbeat-timeout': { type: 'string' },
      json: { type: 'boolean' },
      report: { type: 'string' },
    },
  });
  const { 'begin-after': delay, ...judged } = values;
  if (values.drainer === EXTERNAL) {
    if (delay !== undefined) {
      throw new UsageError(
        `--begin-after is not for a drain program outside: leave it out, or leave out --drainer ${EXTERNAL}.`,
      );
    }
    return judge(judged);
  }
  for (const option of ['notify', 'heartbeat-timeout', 'json', 'report'] as const) {
    if (values[option] !== undefined) throw onlyExternal(`--${option}`);
  }
  if (values.speed === VIRTUAL) throw onlyExternal(`--speed ${VIRTUAL}`);
  const port = portFrom(values.port);
  const speed = speedFrom(values.speed);
  const afterSeconds = delay === undefined ? 0 : delayFrom(delay);
  const rehearsal = {
    scenario: scenarioNamed(values.scenario),
    drainer: drainerNamed(values.drainer),
    seed: seedFrom(values.seed),
  };
  const write = (text: string) => process.stdout.write(text);
  const { region, begin, close } = await stage(rehearsal, plainView(write).show);
  const { url, close: closeServer } = await listenTo(region, new RegionClock(region), port).catch((error: Error) => {
    close();
    throw error;
  });

  write(welcome(url, `${speed} virtual seconds a second`));
  const stopped = untilStopped();
  begin(afterSeconds);
  // The Region goes on when the scenario is over, until someone ends it.
  const goOn = () => region.time.after(60, goOn);
  goOn();
  await region.time.runUntil(stopped, speed);
  closeServer();
  close();
}

function onlyExternal(option: string): UsageError {
  return new UsageError(`${option} is for a drain program outside: add --drainer ${EXTERNAL}, or leave it out.`);
}

if (import.meta.main) await run(serve, USAGE);
