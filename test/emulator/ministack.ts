import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { vi } from 'vitest';

/** MiniStack, an emulator of AWS: its CloudFormation deploys, its EventBridge has rules, its Lambda runs Node. */

const REPOSITORY = resolve(import.meta.dirname, '../..');
const venvOf = (name: string) => join(REPOSITORY, 'node_modules/.cache', name);
const PYTHON = join(venvOf('ministack'), 'bin/python');
/** A first installation downloads some 20 MB. */
const COMMAND_TIMEOUT_MS = 240_000;

const ACCOUNT = '123456789012';
const AWS_REGION = 'eu-west-1';

/** The folder of the commands of a virtual environment that `installed` made. */
export function commandsOf(name: string): string {
  return join(venvOf(name), 'bin');
}

/** A question to AWS in the names of botocore; the answer is what the JMESPath selects. */
export type Question = readonly [service: string, operation: string, input: object, jmesPath: string];

/** An emulator that runs. */
export interface Emulator {
  /** Where a command finds it, and nothing of the real AWS. */
  readonly env: Readonly<
    Record<'AWS_ENDPOINT_URL' | 'AWS_REGION' | 'AWS_ACCESS_KEY_ID' | 'AWS_SECRET_ACCESS_KEY', string>
  >;
  /** Answers each question; T is what their paths select. */
  ask<T>(questions: readonly Question[]): Promise<T[]>;
  /** What it has printed. */
  log(): string;
  /** Ends it and the functions that it runs, and deletes what they left on the disk. */
  stop(): Promise<void>;
}

/** Installs the pinned emulator in a virtual environment, unless it is there. Returns why it cannot, if so. */
export function install(): Promise<string | undefined> {
  return installed('ministack', 'requirements.txt');
}

/** The same of whatever emulator's requirements stand beside this file. */
export async function installed(name: string, requirementsFile: string): Promise<string | undefined> {
  const isNew = await run('python3', ['-c', 'import sys; print(sys.version_info >= (3, 10))']).catch(() => '');
  if (isNew.trim() !== 'True') return 'there is no python3 of version 3.10 or later';
  try {
    await run('python3', ['-m', 'venv', venvOf(name)]);
  } catch (error) {
    if (!/ensurepip|No module named venv/.test(String(error))) throw error;
    return 'python3 cannot create virtual environments (Debian: apt-get install python3-venv)';
  }
  try {
    const requirements = join(import.meta.dirname, requirementsFile);
    await run(join(venvOf(name), 'bin/python'), [
      '-m',
      'pip',
      'install',
      '--retries',
      '2',
      '--requirement',
      requirements,
    ]);
  } catch (error) {
    // An index that can be reached names the versions that it does have.
    if (!/from versions: none/.test(String(error))) throw error;
    return 'PyPI cannot be reached';
  }
  return undefined;
}

/**
 * Starts it on a free port of 127.0.0.1. Its functions get this environment too, which no deployment knows of. Where `asItIs`, none
 * of the gaps are bridged that emulator.py bridges.
 */
export async function start(
  functionEnvironment: Readonly<Record<string, string>>,
  { asItIs = false }: { readonly asItIs?: boolean } = {},
): Promise<Emulator> {
  const folder = await mkdtemp(join(tmpdir(), 'ecs-drain-emulator-'));
  const port = await freePort();
  // Its functions run on the first Node of the path: on this one.
  const PATH = [dirname(process.execPath), process.env['PATH']].join(delimiter);
  const shell = { PATH, HOME: folder, TMPDIR: folder };
  const child = spawn(PYTHON, [join(import.meta.dirname, 'emulator.py'), ...(asItIs ? ['--as-it-is'] : [])], {
    detached: true, // in a process group with its functions, which ends as one
    env: {
      ...shell,
      ...functionEnvironment,
      BIND_HOST: '127.0.0.1',
      GATEWAY_PORT: String(port),
      MINISTACK_HOST: '127.0.0.1',
      MINISTACK_REGION: AWS_REGION,
      MINISTACK_ACCOUNT_ID: ACCOUNT,
    },
  });
  const ended = once(child, 'close');
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      printed += chunk;
    });
  }
  const stop = async () => {
    child.stdin.end();
    await ended;
    await rm(folder, { recursive: true, force: true });
  };

  const url = `http://127.0.0.1:${port}`;
  try {
    await vi.waitFor(() => fetch(`${url}/_ministack/health`), { timeout: 30_000, interval: 100 });
  } catch (error) {
    await stop();
    throw new Error(`MiniStack does not answer on ${url}:\n${printed}`, { cause: error });
  }
  const env = {
    ...shell,
    AWS_ENDPOINT_URL: url,
    AWS_REGION,
    AWS_DEFAULT_REGION: AWS_REGION,
    AWS_ACCESS_KEY_ID: ACCOUNT,
    AWS_SECRET_ACCESS_KEY: 'local',
  };
  return {
    env,
    ask: async (questions) => {
      const asking = spawn(PYTHON, [join(import.meta.dirname, 'aws.py')], { env });
      asking.stdin.end(JSON.stringify(questions));
      const [answers, complaints] = await Promise.all([text(asking.stdout), text(asking.stderr)]);
      if (answers === '') throw new Error(complaints);
      return JSON.parse(answers);
    },
    log: () => printed,
    stop,
  };
}

/** Runs a command, in this repository by default; returns what it printed. */
export async function run(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>> = process.env,
  cwd = REPOSITORY,
): Promise<string> {
  const options = { cwd, env, timeout: COMMAND_TIMEOUT_MS };
  const { stdout } = await promisify(execFile)(command, args, options).catch((error) => {
    throw new Error(`${error.message}\n${error.stdout}${error.stderr}`);
  });
  return stdout;
}

/** A port of 127.0.0.1 that no one listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
