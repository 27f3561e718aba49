import tab from '@bomb.sh/tab/commander';
import { Command, CommanderError, type Help } from 'commander';
import packageJson from '../package.json' with { type: 'json' };
import { reasonOf } from '../src/domain/ports.ts';
import { refuseRepeated, sentenceOnComplaint, UsageError } from '../terminal/command-line.ts';
import { pageOf, wrapped } from '../terminal/layout.ts';
import { documentAt, sentenceOf, type Target } from './common.ts';
import { type Session, type Streams, sessionOn } from './session.ts';
import { refuseStrayOfCompare, refuseStrayOfDoctor, refuseStrayOfPlan } from './stray-options.ts';

/** A command: prints what it found, and returns the exit status. */
type Action = (target: Target, session: Session) => Promise<number>;

interface GlobalOptions extends Target {
  readonly json?: true;
}

/** A command that has no answer: a mistake was typed or is in a file, or AWS refused or did not answer. */
const NO_ANSWER = 2;

/**
 * Runs a command line. What the exit statuses mean is in docs/operations.md. Without an answer, a sentence on standard error says
 * what to do.
 */
export async function main(args: readonly string[], streams: Streams): Promise<number> {
  const { stderr } = streams;
  let status = 0;
  const run = async (command: Command, action: Action) => {
    const { json = false, ...target } = command.optsWithGlobals<GlobalOptions>();
    try {
      status = await action(target, sessionOn(streams, json));
    } catch (error) {
      if (error instanceof UsageError) throw error;
      throw new Error(sentenceOf(error, target), { cause: error });
    }
  };
  try {
    await program(streams, run).parseAsync(args, { from: 'user' });
    return status;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : NO_ANSWER;
    stderr.write(`${wrapped(reasonOf(error), pageOf(stderr))}\n`);
    return NO_ANSWER;
  }
}

/** The commands and their options. A command is loaded only when it runs, because the AWS clients take long to load. */
function program({ stdout, stderr }: Streams, run: (command: Command, action: Action) => Promise<void>): Command {
  const whole = new Command('ecs-drain')
    .configureOutput({
      writeOut: (text) => void stdout.write(text),
      writeErr: (text) => void stderr.write(text),
      outputError: (text, write) => {
        const sentence = sentenceOnComplaint(text, 'npx ecs-drain --help lists the commands.');
        write(`${wrapped(sentence, pageOf(stderr))}\n`);
      },
    })
    .description('Shows, checks and repairs the drains of one deployment of ecs-drain, and plans changes of a group.')
    .version(packageJson.version, '--version', 'print the version')
    .option('--stage <name>', 'the stage that was deployed', 'main')
    .option('--function <name>', 'the function that drains, if it is not ecs-drain-STAGE-drain')
    .option(
      '--region <name>',
      "AWS's Region, if not that of the environment or the profile; status and history take a list: eu-west-1,us-east-1",
    )
    .option('--profile <name>', 'the profile of ~/.aws to use; status and history take a list: web,data')
    .option('--endpoint-url <url>', 'where AWS is, such as the URL that npm run region prints')
    .option('--json', 'print one JSON object instead of text; --watch and --follow print one for each change')
    .configureHelp({ showGlobalOptions: true } satisfies Partial<Help>)
    .exitOverride();

  whole
    .command('status')
    .description(
      'show what is draining: since when, which tasks hold it, its next look and its deadline; and what waits in the queue',
    )
    .option('--group <name>', 'only the drains of this Auto Scaling group')
    .option('--instance <id>', 'only the drain of this EC2 instance')
    .option('--watch', 'look again every 5 s and show what has changed, until Ctrl-C')
    .action((options, command) => run(command, async (...to) => (await import('./status.ts')).status(options, ...to)));

  whole
    .command('explain')
    .argument('<instance>', 'the id of an EC2 instance')
    .description('show how the drain of one instance stands, what blocks it and why, and what to do')
    .action((instanceId, _, command) =>
      run(command, async (...to) => (await import('./explain.ts')).explain(instanceId, ...to)),
    );

  whole
    .command('drain')
    .argument('<instance...>', 'the ids of EC2 instances that are InService in a group of the deployment')
    .option('--decrement', 'the group gets smaller: it launches no other instance in its place')
    .option('--wait', 'wait until the drains have ended, as wait does')
    .option('--timeout <time>', 'with --wait: how long to wait, such as 90s, 30m or 2h (default: 30m)')
    .option('--message <text>', 'a note for the log and the event about the end')
    .option('--yes', 'do not ask')
    .description(
      'have Auto Scaling terminate instances, after showing what runs there: the hook holds each until its tasks have stopped',
    )
    .action((instanceIds, options, command) =>
      run(command, async (...to) => (await import('./drain.ts')).drain(instanceIds, options, ...to)),
    );

  whole
    .command('wait')
    .argument('<instance...>', 'the ids of EC2 instances')
    .option('--timeout <time>', 'how long to wait, such as 90s, 30m or 2h (default: 30m)')
    .description(
      'wait until the drains have ended; the exit status is 0 if all are drained, 1 after another outcome, and 3 after the timeout',
    )
    .action((instanceIds, options, command) =>
      run(command, async (...to) => (await import('./wait.ts')).wait(instanceIds, options, ...to)),
    );

  whole
    .command('extend')
    .argument('<instance>', 'the id of an EC2 instance')
    .requiredOption('--deadline <time>', 'counted from now, such as 90s, 45m or 4h; or now, which ends the drain')
    .option('--message <text>', 'a note for the log and the event about the end')
    .option('--yes', 'do not ask before an earlier deadline')
    .description('set the deadline of one drain, within what its hook allows')
    .action((instanceId, options, command) =>
      run(command, async (...to) => (await import('./extend.ts')).extend(instanceId, options, ...to)),
    );

  whole
    .command('release')
    .argument('<instance>', 'the id of an EC2 instance')
    .option('--message <text>', 'a note for the log and the event about the end')
    .option('--yes', 'do not ask')
    .description('let an instance go now, after naming the tasks that are killed with it')
    .action((instanceId, options, command) =>
      run(command, async (...to) => (await import('./release.ts')).release(instanceId, options, ...to)),
    );

  whole
    .command('history')
    .option('--since <time>', 'how long ago a drain may have ended, such as 45m, 24h or 7d', '24h')
    .description('show the drains that have ended, the latest first: outcome, duration, tasks killed and why')
    .action((options, command) =>
      run(command, async (...to) => (await import('./history.ts')).history(options, ...to)),
    );

  whole
    .command('logs')
    .argument('<instance>', 'the id of an EC2 instance')
    .option('--follow', 'go on until the drain has ended')
    .option('--since <time>', 'how far to go back, such as 45m, 24h or 7d', '48h')
    .description('show the lines of the log about the drain of one instance, of all invocations, in order')
    .action((instanceId, options, command) =>
      run(command, async (...to) => (await import('./logs.ts')).logs(instanceId, options, ...to)),
    );

  whole
    .command('doctor')
    .option('--group <name>', 'judge this Auto Scaling group, with or without a deployed stack')
    .option('--snapshot <file>', 'the same, from a file that snapshot wrote')
    .option('--cluster <name>', 'its cluster, if the group is in more than one or there are many clusters')
    .option('--verbose', 'list the checks that passed, too')
    .description(
      'find what would prevent the next drain; the exit status is 0 without an error, 1 with one, and 3 if AWS did not answer a check',
    )
    .hook('preAction', refuseStrayOfDoctor)
    .action((options, command) =>
      run(command, async (...to) =>
        options.group === undefined && options.snapshot === undefined
          ? (await import('./doctor.ts')).doctor(options, ...to)
          : (await import('./doctor-group.ts')).doctorGroup(options, ...to),
      ),
    );

  whole
    .command('replay')
    .argument('[file]', 'a file with an event or a message of the dead-letter queue, as JSON')
    .option('--dead-letter', 'all messages of the dead-letter queue')
    .option('--yes', 'send it; without this option, only show what would be sent')
    .description('send an event to the function again')
    .action((file, options, command) =>
      run(command, async (...to) => (await import('./replay.ts')).replay(file, options, ...to)),
    );

  whole
    .command('snapshot')
    .requiredOption('--group <name>', 'the Auto Scaling group')
    .option('--cluster <name>', 'its cluster, if the group is in more than one or there are many clusters')
    .option('--out <file>', 'the file to write, if not GROUP.json')
    .option('--anonymise', 'replace the account number wherever a name has it')
    .option('--images', 'write down the names of container images, too')
    .option('--max-calls <number>', 'how many calls to make at most; what is left out is listed', '120')
    .description('write the group, its cluster and what runs there into a file, for plan; nothing has to be deployed')
    .action((options, command) =>
      run(command, async (...to) => (await import('./snapshot.ts')).snapshot(options, ...to)),
    );

  whole
    .command('plan')
    .option('--group <name>', 'the Auto Scaling group, to be read now')
    .option('--snapshot <file>', 'or a file that snapshot wrote')
    .option('--cluster <name>', 'its cluster, if the group is in more than one or there are many clusters')
    .option('--change <kind>', 'rolling-update, instance-refresh, scale-in or terminate')
    .option(
      '--min-in-service <number>',
      'rolling-update: MinInstancesInService; by default as many as are desired, or one less than the maximum size',
    )
    .option('--max-batch-size <number>', 'rolling-update: MaxBatchSize', '1')
    .option('--pause <time>', 'rolling-update: PauseTime', 'PT5M')
    .option('--no-signals', 'rolling-update: it pauses instead of waiting for signals')
    .option(
      '--min-healthy-percent <number>',
      'instance-refresh: MinHealthyPercentage; by default that of the group, or 90',
    )
    .option(
      '--max-healthy-percent <number>',
      'instance-refresh: MaxHealthyPercentage; by default that of the group, or 100',
    )
    .option('--warmup <time>', 'instance-refresh: InstanceWarmup, if not the default of the group')
    .option('--count <number>', 'scale-in: by how many instances', '1')
    .option('--instance <id...>', 'terminate: these instances')
    .option('--decrement', 'terminate: the group gets smaller')
    .option('--param <name=value...>', 'settings of the deployment')
    .option('--assume <file>', 'times to assume instead of those of the snapshot')
    .option('--report <file>', 'write a page of HTML about it')
    .option('--trials <number>', 'how often to rehearse', '20')
    .option('--seed <number>', 'the seed number of the first rehearsal', '1')
    .option('--max-calls <number>', 'how many calls the snapshot may make', '120')
    .description(
      'rehearse a change of the group: how long it takes, what is killed, what gets stuck; nothing is changed',
    )
    .hook('preAction', refuseStrayOfPlan)
    .action((options, command) => run(command, async (...to) => (await import('./plan.ts')).plan(options, ...to)));

  whole
    .command('compare')
    .argument('<plan>', 'a file with what plan printed with --json')
    .option(
      '--since <time>',
      'how long ago a drain may have ended, such as 45m, 2h or 1d; by default since the snapshot of the plan',
    )
    .option(
      '--log-group <name>',
      'read the events ECS Drain Finished in this log group of CloudWatch Logs, not the log of the function',
    )
    .hook('preAction', refuseStrayOfCompare)
    .description('compare a plan with what happened since; the exit status is 0 if it happened as planned')
    .action((file, options, command) =>
      run(command, async (...to) => (await import('./compare.ts')).compare(file, options, ...to)),
    );

  addCompletion(whole);
  for (const command of [whole, ...whole.commands]) refuseRepeated(command);
  return whole;
}

/** `ecs-drain completion bash|zsh|fish|powershell`, from the commands above. */
function addCompletion(whole: Command): void {
  const { commands, options } = tab(whole, { completionCommandName: 'completion' });
  for (const command of commands.values()) {
    for (const [name, option] of options) if (!command.options.has(name)) command.options.set(name, option);
  }
  whole.commands
    .find((command) => command.name() === 'completion')
    ?.description(
      `print a script that makes the shell complete commands and options. Where to put it: ${documentAt('operations.md#the-commands')}`,
    )
    .hook('preAction', (command) => {
      const { json } = command.optsWithGlobals<GlobalOptions>();
      if (json) throw new UsageError('completion prints a script for a shell: leave out --json.');
    });
}
