import { Command, CommanderError, type Help } from 'commander';
import { type Output, sentenceOf, type Target, UsageError } from './common.ts';

/** What a command writes to: the process's own streams, or a test's. */
export interface Streams {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
}

/** A command: prints what it found, and returns its exit status. */
type Action = (target: Target, output: Output) => Promise<number>;

interface GlobalOptions extends Target {
  readonly json: boolean;
}

/**
 * Runs a command line. Its exit status: 0, 1 for a failure, 2 for a mistake in what was typed; both are told in a sentence
 * on the standard error.
 */
export async function main(args: readonly string[], { stdout, stderr }: Streams): Promise<number> {
  let status = 0;
  const run = async (command: Command, action: Action) => {
    const { json, ...target } = command.optsWithGlobals<GlobalOptions>();
    const output: Output = {
      print: (text) => void (json || stdout.write(`${text}\n`)),
      printJson: (value) => void (json && stdout.write(`${JSON.stringify(value, undefined, 2)}\n`)),
    };
    try {
      status = await action(target, output);
    } catch (error) {
      if (error instanceof UsageError) throw error;
      throw new Error(sentenceOf(error, target), { cause: error });
    }
  };
  try {
    await program({ stdout, stderr }, run).parseAsync(args, { from: 'user' });
    return status;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return error instanceof UsageError ? 2 : 1;
  }
}

/** What can be typed. Each command is loaded when it is run: the clients of AWS's services take their time. */
function program({ stdout, stderr }: Streams, run: (command: Command, action: Action) => Promise<void>): Command {
  const whole = new Command('ecs-drain')
    .configureOutput({
      writeOut: (text) => void stdout.write(text),
      writeErr: (text) => void stderr.write(text),
      outputError: (text, write) => write(sentenceOn(text)),
    })
    .description('Looks after the drains of one deployment of ecs-drain.')
    .option('--stage <name>', 'the stage that was deployed', 'dev')
    .option('--function <name>', 'the function that drains, if it is not ecs-drain-STAGE-drain')
    .option('--region <name>', "AWS's Region, if not that of the environment or the profile")
    .option('--profile <name>', 'the profile of ~/.aws to use')
    .option('--endpoint-url <url>', 'where AWS is, such as the URL that npm run region prints')
    .option('--json', 'print one JSON object instead of text', false)
    .configureHelp({ showGlobalOptions: true } satisfies Partial<Help>)
    .exitOverride();

  whole
    .command('status')
    .description('what is draining: since when, what holds it, when it is looked at next, when its deadline falls')
    .action((_, command) => run(command, async (...to) => (await import('./status.ts')).status(...to)));

  whole
    .command('explain')
    .argument('<instance>', 'the id of an EC2 instance')
    .description('the same of one instance, with what blocks it and why')
    .action((instanceId, _, command) =>
      run(command, async (...to) => (await import('./explain.ts')).explain(instanceId, ...to)),
    );

  whole
    .command('doctor')
    .description(
      'what will be in the way of the next drain; its exit status is 1 if there is an error, or what it could not check',
    )
    .action((_, command) => run(command, async (...to) => (await import('./doctor.ts')).doctor(...to)));

  whole
    .command('replay')
    .argument('[file]', 'an event, or a message of the dead-letter queue, as JSON')
    .option('--dead-letter', 'all that is in the dead-letter queue')
    .option('--yes', 'send it; without this, only what would be sent is told')
    .description('send an event to the function again')
    .action((file, options, command) =>
      run(command, async (...to) => (await import('./replay.ts')).replay(file, options, ...to)),
    );

  return whole;
}

/** Commander's complaint as a sentence, with where to look. */
function sentenceOn(complaint: string): string {
  const words = complaint
    .replace(/^error: /, '')
    .trim()
    .replace(/\s*\n\s*/g, '. ');
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}${words.endsWith('.') ? '' : '.'} npx ecs-drain --help lists what there is.\n`;
}
