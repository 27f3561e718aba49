import { pageOf, wrapped } from '../terminal/layout.ts';
import { RegionClock } from './clock.ts';
import {
  commandNamed,
  delayFrom,
  drainerNamed,
  optionsOf,
  portFrom,
  run,
  scenarioNamed,
  seedFrom,
  speedFrom,
  UsageError,
} from './command-line.ts';
import { CHANNELS } from './drainers/external.ts';
import { type JudgeOptions, judge, VIRTUAL } from './judge.ts';
import { listenTo, untilStopped, welcome } from './listening.ts';
import { stage } from './rehearsal.ts';
import { BENCHMARKED, EXTERNAL } from './result.ts';
import { paceOf } from './sentences.ts';
import { footedView, linesView } from './view.ts';

/** `npm run region`: a running Region that the AWS CLI or any SDK can look into, and that judges a drain program outside. */

/** As they were typed. */
interface Options extends JudgeOptions {
  readonly drainer: string;
  readonly beginAfter?: string;
}

function optionsIn(args: readonly string[]): Options {
  const outside = `with --drainer ${EXTERNAL}:`;
  const command = commandNamed('region', 'Runs a model of an AWS Region that any client of AWS can look into.')
    .option('--port <number>', 'where it listens on 127.0.0.1; 0 is a free port', '0')
    .option('--scenario <name>', 'what happens to which cluster', 'rolling-update')
    .option('--drainer <name>', `who drains: ${[...BENCHMARKED, EXTERNAL].join(', ')}`, 'ecs-drain')
    .option('--seed <number>', 'the seed number', '1')
    .option('--speed <number>', `virtual seconds in a second; ${outside} or ${VIRTUAL}`, '1')
    .option('--begin-after <seconds>', 'how long to wait before anything happens')
    .option('--notify <channel>', `${outside} how the lifecycle events come: ${CHANNELS.join(', ')}`)
    .option('--heartbeat-timeout <seconds>', `${outside} the heartbeat timeout of the hook`)
    .option('--json', `${outside} print the result as one JSON object`)
    .option('--report <file>', `${outside} write a page of HTML that compares the drainers`);
  return optionsOf<Options>(command, args);
}

export async function serve(args: string[]): Promise<void> {
  const values = optionsIn(args);
  const { beginAfter: delay, ...judged } = values;
  if (values.drainer === EXTERNAL) {
    if (delay !== undefined) {
      throw new UsageError(
        `--begin-after is not for a drain program outside: leave it out, or leave out --drainer ${EXTERNAL}.`,
      );
    }
    return judge(judged);
  }
  const forJudge = { notify: '--notify', heartbeatTimeout: '--heartbeat-timeout', json: '--json', report: '--report' };
  for (const [name, option] of Object.entries(forJudge)) {
    if (name in values) throw onlyExternal(option);
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
  let foot = '';
  const view = process.stdout.isTTY
    ? footedView(process.stdout, () => foot)
    : linesView((text) => process.stdout.write(text));
  const { region, begin, close } = await stage(rehearsal, view.show);
  const { url, close: closeServer } = await listenTo(region, new RegionClock(region), port).catch((error: Error) => {
    close();
    throw error;
  });

  process.stdout.write(wrapped(welcome(url, paceOf(speed)), pageOf(process.stdout)));
  foot = `AWS_ENDPOINT_URL=${url}   Ctrl-C ends it`;
  const stopped = untilStopped();
  begin(afterSeconds);
  // The Region goes on when the scenario is over, until someone ends it.
  const goOn = () => region.time.after(60, goOn);
  goOn();
  await region.time.runUntil(stopped, speed);
  closeServer();
  close();
  view.end();
}

function onlyExternal(option: string): UsageError {
  return new UsageError(`${option} is for a drain program outside: add --drainer ${EXTERNAL}, or leave it out.`);
}

if (import.meta.main) await run(serve);
