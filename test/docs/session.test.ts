import { Readable } from 'node:stream';
import xterm from '@xterm/headless';
import { expect, it } from 'vitest';
import { deployedRegion } from '../cli/deployed-region.ts';

/** The page is written again by `npm test -- test/docs/session -u`. */
const PAGE = '../../docs/session.md';

const COLUMNS = 80;
const ROWS = 24;

/** This may be longer than a terminal is high: a line for each thing that happened. */
const LISTS = ['logs'];

/** What stands in a terminal of 80 x 24 after a command, and above it what a user can scroll back to. */
async function screenAfter(command: string, output: string) {
  const terminal = new xterm.Terminal({ cols: COLUMNS, rows: ROWS, convertEol: true, allowProposedApi: true });
  await new Promise<void>((written) => terminal.write(`$ ${command}\n${output}`, written));
  const { active } = terminal.buffer;
  const lines = Array.from({ length: active.length }, (_, row) => active.getLine(row));
  terminal.dispose();
  return {
    text: lines
      .map((line) => line?.translateToString(true))
      .join('\n')
      .trimEnd(),
    /** The lines that the terminal had to break. */
    broken: lines.filter((line) => line?.isWrapped).map((line) => line?.translateToString(true)),
  };
}

it('a session in a terminal of 80 x 24 is as docs/session.md shows it, and every command fits', async () => {
  const { instanceIds, pass, runIn, interrupt } = await deployedRegion();
  const [instanceId = ''] = instanceIds;
  const shown: Record<string, string> = {};

  const show = async (run: (...args: string[]) => ReturnType<typeof runIn>, ...args: string[]) => {
    const { status, stdout, stderr } = await run(...args);
    expect({ args, status, stderr }).toEqual({ args, status: 0, stderr: '' });
    const [name = ''] = args;
    const command = ['npx ecs-drain', ...args.map((arg) => (arg.includes(' ') ? `"${arg}"` : arg))].join(' ');
    const { text, broken } = await screenAfter(command, stdout);
    expect({ name, broken }).toEqual({ name, broken: [] });
    if (!LISTS.includes(name)) expect(text.split('\n').length, name).toBeLessThanOrEqual(ROWS);
    shown[name] = `\`\`\`text\n${text}\n\`\`\``;
    await pass(10); // The user reads.
  };
  const inTerminal = (...args: string[]) => runIn({ columns: COLUMNS }, ...args);
  /** A terminal shows what is typed. */
  const withYes = async (...args: string[]) => {
    const stdin = Object.assign(Readable.from(['y\n']), { isTTY: true });
    const { stdout, ...ended } = await runIn({ columns: COLUMNS, stdin }, ...args);
    return { ...ended, stdout: stdout.replace('[y/N] ', '[y/N] y\n') };
  };
  const untilInterrupted = (...args: string[]) => interrupt(6, true, ...args);

  await show(inTerminal, 'doctor');
  await show(withYes, 'drain', instanceId);
  await show(untilInterrupted, 'status', '--watch');
  await show(inTerminal, 'explain', instanceId);
  await show(inTerminal, 'extend', instanceId, '--deadline', '4h', '--message', 'new kernel');
  await show(inTerminal, 'wait', instanceId);
  await show(inTerminal, 'history');
  await show(inTerminal, 'logs', instanceId);

  await expect(pageWith(shown)).toMatchFileSnapshot(PAGE);
});

function pageWith(shown: Readonly<Record<string, string>>): string {
  return `# A session

This is what the [commands](operations.md#the-commands) print in a terminal of 80 columns and 24 lines, from the first look to the
log of a drain. A test runs them and writes this page, so it shows what the commands print today.

It was recorded on the [local Region](rehearsal.md#looking-into-a-running-region): the cluster \`prod\`, the Auto Scaling group \`web\` of two
instances, and the service \`web\` of four tasks behind a load balancer. To do the same, start a Region with \`npm run region\` and
export the variables that it prints. On an AWS account the commands are the same.

Is everything ready for a drain? \`doctor\` checks it. It prints what is wrong, with what to do about it, and \`--verbose\` lists the checks that passed as well.

${shown['doctor']}

Have Auto Scaling terminate an instance. \`drain\` shows what runs there, and asks first.

${shown['drain']}

Follow the drain. In a terminal the screen is redrawn every 5 seconds; this is the screen when Ctrl-C ended it.

${shown['status']}

Why does it take so long? \`explain\` says what each task waits for.

${shown['explain']}

Give this drain more time, and leave a note for your colleagues.

${shown['extend']}

Wait until the instance is drained. A script can do the same, because the exit status says how the drain ended.

${shown['wait']}

See how the drains of the last 24 hours ended.

${shown['history']}

Read what the function did, in order.

${shown['logs']}
`;
}
