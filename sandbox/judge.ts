import { pageOf, wrapped } from '../terminal/layout.ts';
import { RegionClock } from './clock.ts';
import { heartbeatTimeoutFrom, oneOf, portFrom, scenarioNamed, seedFrom, speedFrom } from './command-line.ts';
import { refuseUnwritable, writeReport } from './comparison.ts';
import { CHANNELS, external, LIFECYCLE_EVENTS } from './drainers/external.ts';
import { listenTo, untilStopped, welcome } from './listening.ts';
import { rehearse } from './rehearsal.ts';
import { EXTERNAL } from './result.ts';
import { SCENARIOS, type Scenario } from './scenarios.ts';
import { paceOf } from './sentences.ts';
import { linesView, NO_VIEW, summaryOf } from './view.ts';

/** `npm run region -- --drainer external`: a drain program outside drains a scenario, and is judged as the others are. */

/** What was typed. */
export interface JudgeOptions {
  readonly port: string;
  readonly scenario: string;
  readonly seed: string;
  readonly speed: string;
  readonly notify?: string;
  readonly heartbeatTimeout?: string;
  readonly json?: boolean;
  readonly report?: string;
}

/** A speed: time passes only while the clients of the clock wait. */
export const VIRTUAL = 'virtual';
/** As the book's hook has it. */
const HEARTBEAT_TIMEOUT_SECONDS = 900;

export async function judge(options: JudgeOptions): Promise<void> {
  const { json = false, report } = options;
  const rehearsal = { scenario: scenarioNamed(options.scenario), seed: seedFrom(options.seed) };
  const port = portFrom(options.port);
  const isVirtual = options.speed === VIRTUAL;
  const speed = isVirtual ? undefined : speedFrom(options.speed);
  const hook = {
    channel: oneOf('--notify', options.notify ?? 'events', CHANNELS),
    heartbeatTimeoutSeconds: heartbeatTimeoutOf(options.heartbeatTimeout, SCENARIOS[rehearsal.scenario]),
  };
  if (report !== undefined) await refuseUnwritable(report);

  const stream = json ? process.stderr : process.stdout;
  const print = (text: string) => stream.write(wrapped(text, pageOf(stream)));
  const view = json ? NO_VIEW : linesView(print);
  let clock: RegionClock | undefined;
  const result = await rehearse<typeof EXTERNAL>({
    ...rehearsal,
    drainer: EXTERNAL,
    speed,
    install: external({ ...hook, works: () => clock?.works() ?? [] }),
    onEvent: view.show,
    isEnough: untilStopped(),
    open: async (region) => {
      clock = new RegionClock(region);
      const { url, close } = await listenTo(region, clock, port);
      print(welcome(url, speed === undefined ? 'in the virtual time of its clients' : paceOf(speed)));
      print(whereEventsAre(url, isVirtual));
      if (isVirtual) await clock.firstClient();
      return close;
    },
  });
  process.stdout.write(json ? `${JSON.stringify(result)}\n` : `\n${summaryOf(result, pageOf(process.stdout))}\n`);
  if (report === undefined) return;
  await writeReport(report, result, rehearsal);
  print(`The report is in ${report}.\n`);
}

function heartbeatTimeoutOf(value: string | undefined, { params }: Scenario): number {
  if (value !== undefined) return heartbeatTimeoutFrom(value);
  return Number(params['heartbeatTimeoutSeconds'] ?? HEARTBEAT_TIMEOUT_SECONDS);
}

function whereEventsAre(url: string, isVirtual: boolean): string {
  const waiting = isVirtual ? '\nThe scenario begins when the first client has registered with the clock.\n' : '';
  return `The lifecycle events wait in a queue, ${url}/123456789012/${LIFECYCLE_EVENTS}, and the clock is at ${url}/_clock.
When the scenario is over, what came of it is printed here.
${waiting}
`;
}
