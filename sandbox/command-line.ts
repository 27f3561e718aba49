import { execFileSync } from 'node:child_process';
import { Command, CommanderError } from 'commander';
import { refuseRepeated, sentenceOnComplaint, UsageError } from '../terminal/command-line.ts';
import { pageOf, wrapped } from '../terminal/layout.ts';
import { BENCHMARKED, type Benchmarked, EXTERNAL } from './result.ts';
import { SCENARIOS, type ScenarioName } from './scenarios.ts';

export { UsageError };

const LONGEST_NAME = Math.max(...Object.keys(SCENARIOS).map((name) => name.length));

/** The scenarios, one line each. */
const SCENARIO_LINES = Object.entries(SCENARIOS)
  .map(([name, { description }]) => `  ${name.padEnd(LONGEST_NAME)}  ${description}`)
  .join('\n');

export function scenarioNamed(value: string): ScenarioName {
  return oneOf('scenario', value, Object.keys(SCENARIOS) as ScenarioName[]);
}

/** A drainer that can be rehearsed in this process. */
export function drainerNamed(value: string): Benchmarked {
  if (value === EXTERNAL) {
    throw new UsageError(
      'A drain program outside cannot be run here: npm run region -- --drainer external lets it in.',
    );
  }
  return oneOf('drainer', value, BENCHMARKED);
}

const LARGEST_SEED = 999_999_999;

export function seedFrom(value: string): number {
  return wholeNumber('seed', value, LARGEST_SEED);
}

/** The seed number that the commit of a working copy has of its own, so that every commit explores other worlds. */
export function seedOfCommit(folder: string): number {
  try {
    const command = ['git', ['rev-parse', 'HEAD']] as const;
    const commit = execFileSync(...command, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
    return Number.parseInt(commit.slice(0, 8), 16) % (LARGEST_SEED + 1);
  } catch (error) {
    const { stderr, message } = error as Error & { readonly stderr?: string };
    throw new UsageError(
      `--seed commit is not known, because git names no commit of ${folder} (${stderr?.trim() || message}): name a seed number instead.`,
    );
  }
}

/** How many worlds to play. */
export function worldsFrom(value: string): number {
  return wholeNumber('worlds', value, 10_000_000, 1);
}

export function portFrom(value: string): number {
  return wholeNumber('port', value, 65_535);
}

/** How long to wait before a scenario is set going. */
export function delayFrom(value: string): number {
  return wholeNumber('begin-after', value, 86_400);
}

export function daysFrom(value: string): number {
  return wholeNumber('days', value, 366, 1);
}

/** Of a hook, in seconds (facts 18 hook-timeouts). */
export function heartbeatTimeoutFrom(value: string): number {
  return wholeNumber('heartbeat-timeout', value, 7_200, 30);
}

/** Virtual seconds in a second of the wall clock. */
export function speedFrom(value: string): number {
  const speed = Number(value);
  if (speed > 0 && speed <= 1e6) return speed;
  throw new UsageError(`--speed ${value} is not a number of virtual seconds in a second, such as 60.`);
}

/** A command of npm with its options, which `-h` explains. */
export function commandNamed(script: string, description: string): Command {
  return new Command(`npm run ${script} --`)
    .description(description)
    .helpOption('-h, --help', 'print this')
    .addHelpText('after', () => wrapped(`\nScenarios:\n${SCENARIO_LINES}`, pageOf(process.stdout)))
    .configureOutput({ writeOut: (text) => void process.stdout.write(text), outputError: () => {} })
    .exitOverride();
}

/** What was typed, each option once. */
export function optionsOf<T extends object>(command: Command, args: readonly string[]): T {
  refuseRepeated(command);
  return command.parse(args, { from: 'user' }).opts<T>();
}

/**
 * Runs a command, or prints its usage where that is asked for and the command does not print it itself. A failure becomes a
 * sentence, with exit status 2 for a mistake in what was typed, else 1.
 */
export async function run(command: (args: string[]) => Promise<void>, usage?: string): Promise<void> {
  // Whoever reads has had enough, as `head` has.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit();
  });
  const args = process.argv.slice(2);
  if (usage !== undefined && (args.includes('--help') || args.includes('-h'))) {
    console.log(usage);
    return;
  }
  try {
    await command(args);
  } catch (error) {
    const { status, complaint } = failureOf(error, usage);
    if (status !== 0) process.stderr.write(`${complaint}\n`);
    process.exitCode = status;
  }
}

/** How a command ends that has thrown this. */
export function failureOf(error: unknown, usage = ''): { readonly status: 0 | 1 | 2; readonly complaint: string } {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof CommanderError) {
    return {
      status: error.exitCode === 0 ? 0 : 2,
      complaint: sentenceOnComplaint(message, '--help lists the options.'),
    };
  }
  const misparsed = (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
  if (misparsed) return { status: 2, complaint: `${message}\n${usage}` };
  return { status: error instanceof UsageError ? 2 : 1, complaint: message };
}

export function oneOf<T extends string>(option: string, value: string, known: readonly T[]): T {
  const found = known.find((each) => each === value);
  if (found !== undefined) return found;
  throw new UsageError(`There is no ${option} ${value}; there are ${known.join(', ')}.`);
}

function wholeNumber(option: string, value: string, max: number, min = 0): number {
  if (/^\d+$/.test(value) && Number(value) >= min && Number(value) <= max) return Number(value);
  throw new UsageError(`--${option} ${value} is not a whole number from ${min} to ${max}.`);
}
