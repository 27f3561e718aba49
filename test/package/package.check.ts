import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import xterm from '@xterm/headless';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');
const { folder, files, unpackedBytes } = inject('installed');
const PACKAGE = join(folder, 'node_modules/ecs-drain');
const LEAVING = 'i-00000000000000001';
const STAYING = 'i-00000000000000002';

/** What `replay` sends. */
const SWEEP = {
  source: 'ecs-drain.main',
  'detail-type': 'ECS Drain Sweep',
  account: '123456789012',
  time: '2026-01-01T00:20:00Z',
  detail: {},
};

/** What a command runs with: nothing of this repository. */
const BARE = { HOME: folder, PATH: process.env['PATH'] ?? '' };

/** A Region with a drain that is stuck, in a process of its own as `npm run region` starts it. */
async function startRegion() {
  const options = ['--scenario', 'stuck', '--speed', '10'];
  const region = spawn(process.execPath, [join(ROOT, 'sandbox/region-server.ts'), ...options], { stdio: 'pipe' });
  const url = await new Promise<string>((listens, fails) => {
    let printed = '';
    region.stdout.setEncoding('utf8').on('data', (text: string) => {
      printed += text;
      const [, found] = /AWS_ENDPOINT_URL=(http:\S+)/.exec(printed) ?? [];
      if (found !== undefined) listens(found);
    });
    region.once('exit', () => fails(new Error(`The Region has ended: ${printed}`)));
  });
  const environment = {
    ...BARE,
    AWS_ENDPOINT_URL: url,
    AWS_REGION: 'eu-west-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
  };
  const end = async () => {
    region.kill();
    await once(region, 'exit');
  };
  return { environment, end };
}

describe('the package', () => {
  it('has the commands and the licenses of all that is bundled, needs no other package, and stays small', async () => {
    const { version, dependencies, bin } = JSON.parse(await readFile(join(PACKAGE, 'package.json'), 'utf8'));
    expect({ dependencies, bin }).toEqual({ dependencies: undefined, bin: { 'ecs-drain': 'dist/ecs-drain.mjs' } });
    expect(files).toEqual(expect.arrayContaining(['LICENSE', 'README.md', 'dist/ecs-drain.mjs', 'dist/ecs-drain.zip']));
    expect(files.filter((file) => !/^(dist\/|LICENSE$|README\.md$|package\.json$)/.test(file))).toEqual([]);
    expect(unpackedBytes).toBeLessThan(8e6);
    const licenses = await readFile(join(PACKAGE, 'dist/THIRD-PARTY-LICENSES'), 'utf8');
    for (const name of ['@aws-sdk/client-ecs', '@smithy/core', 'commander', 'echarts', 'core-js', 'valibot']) {
      expect(licenses).toMatch(new RegExp(`^${name} \\d.*\\((MIT|Apache-2.0)\\)$`, 'm'));
    }
    expect(version).toMatch(/^\d+\.\d+\.\d+$/);
  });

  it('is found by npx, which needs no clone and no network', async () => {
    const options = { cwd: folder, env: BARE };
    const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
    const { stdout } = await promisify(execFile)('npx', ['--offline', 'ecs-drain', '--version'], options);
    expect(stdout).toBe(`${version}\n`);
  });
});

/** What an operator may do one after the other, and what shows that each command did its work. */
const RUNS: readonly (readonly [args: string[], status: number, told: RegExp])[] = [
  [['status'], 0, /i-00000000000000001/],
  [['explain', LEAVING], 0, /the service cannot be drained: with 4 tasks/],
  [['compare', 'plan.json'], 0, /web/],
  [['doctor'], 1, /service web of cluster prod/],
  [['snapshot', '--group', 'web', '--out', 'web.json'], 0, /web\.json/],
  [
    ['plan', '--snapshot', 'web.json', '--change', 'terminate', '--instance', STAYING, '--trials', '1'],
    1,
    /gets stuck/,
  ],
  [['extend', LEAVING, '--deadline', '1h', '--message', 'the report has to end'], 0, /ends at .*, at the latest/],
  [['wait', LEAVING, '--timeout', '1s'], 3, /i-00000000000000001/],
  [['drain', STAYING, '--yes'], 0, /Auto Scaling terminates i-00000000000000002\./],
  [['logs', LEAVING], 0, /Stuck|DRAINING|tasks/],
  [['history'], 0, /since 20\d\d-/],
  [['release', LEAVING, '--yes'], 0, /i-00000000000000001/],
  [['replay', 'event.json'], 0, /1 event would be sent to ecs-drain-main-drain/],
  [['replay', '--dead-letter'], 0, /The dead-letter queue .* is empty/],
  [['completion', 'bash'], 0, /complete .* ecs-drain/],
  [['complete', '--', 'exp'], 0, /^explain\t/],
];

describe.each(inject('nodes'))('on Node %s', (_, node) => {
  let region: Awaited<ReturnType<typeof startRegion>>;

  beforeAll(async () => {
    region = await startRegion();
    const takenAt = new Date().toISOString();
    const plan = { group: 'web', cluster: 'prod', takenAt, drains: [], killed: { withDrain: { tasks: 0 } } };
    await writeFile(join(folder, 'event.json'), JSON.stringify(SWEEP));
    await writeFile(join(folder, 'plan.json'), JSON.stringify(plan));
  });
  afterAll(() => region.end());

  function run(...args: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
    return new Promise((done) => {
      const options = { cwd: folder, env: region.environment, maxBuffer: 1e8 };
      execFile(node, [join(PACKAGE, 'dist/ecs-drain.mjs'), ...args], options, (error, stdout, stderr) =>
        done({ status: error ? Number(error.code) : 0, stdout, stderr }),
      );
    });
  }

  it('each command does its work on the local Region', async () => {
    for (const [args, status, told] of RUNS) {
      const result = await run(...args);
      expect({ args, ...result }).toMatchObject({ args, status, stdout: expect.stringMatching(told), stderr: '' });
    }
  });

  it('each command explains itself with -h', async () => {
    const { stdout: help } = await run('-h');
    const commands = [...(help.split('Commands:')[1] ?? '').matchAll(/^ {2}(\w+)/gm)].map(([, name = '']) => name);
    expect(commands.filter((command) => !RUNS.some(([[name]]) => name === command))).toEqual(['help']);
    for (const command of commands) expect(await run(command, '-h')).toMatchObject({ status: 0, stderr: '' });
  });
});

const COLUMNS = 80;
const ROWS = 24;

/** Runs a line of a shell in a terminal of its own, which `script` makes. What is typed is sent when it has asked. */
async function runInTerminal(
  line: string,
  env: NodeJS.ProcessEnv,
  typed?: { readonly after: RegExp; readonly text: string },
) {
  const command = `stty cols ${COLUMNS} rows ${ROWS}; ${line}`;
  const child = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
    cwd: folder,
    env: { ...env, TERM: 'xterm-256color', SHELL: '/bin/sh' },
  });
  let output = '';
  let isTyped = typed === undefined;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    if (isTyped || !typed?.after.test(output)) return;
    isTyped = true;
    child.stdin.write(typed.text);
  });
  const [status] = (await once(child, 'close')) as [number];
  return { status, output };
}

/** What a terminal has after this, and the lines that it had to break; an address is left whole for whoever clicks it. */
async function screenOf(output: string) {
  const terminal = new xterm.Terminal({ cols: COLUMNS, rows: ROWS, allowProposedApi: true });
  await new Promise<void>((written) => terminal.write(output, written));
  const { active } = terminal.buffer;
  const lines = Array.from({ length: active.length }, (_, row) => active.getLine(row));
  terminal.dispose();
  return {
    text: lines
      .map((line) => line?.translateToString(true).trim())
      .join(' ')
      .trim(),
    broken: lines
      .flatMap((line) => (line?.isWrapped ? line.translateToString(true) : []))
      .filter((rest) => /\s/.test(rest)),
  };
}

/** A session as a new user has it, in its order. */
const SESSION: readonly (readonly [
  args: string,
  status: number,
  told: RegExp,
  typed?: { after: RegExp; text: string },
])[] = [
  ['doctor', 1, /service web of cluster prod/],
  [`drain ${STAYING}`, 0, /Auto Scaling terminates i-00000000000000002\./, { after: /\[y\/N\] /, text: 'y\n' }],
  ['status --watch', 130, /every 5 s; Ctrl-C ends it/, { after: /Ctrl-C ends it/, text: '\u0003' }],
  [`explain ${LEAVING}`, 0, /is draining: the group web holds it/],
  [`extend ${LEAVING} --deadline 1h --message 'the report has to end'`, 0, /at the latest/],
  [`wait ${LEAVING} --timeout 5s`, 3, /is still in progress after 5 s/],
  ['history', 0, /since 20\d\d-/],
  [`logs ${LEAVING}`, 0, /DRAINING/],
];

describe.skipIf(spawnSync('script', ['--version']).status !== 0)(`in a terminal of ${COLUMNS} x ${ROWS}`, () => {
  it('each command fits, and asks where it has to', async () => {
    const region = await startRegion();
    try {
      for (const [args, status, told, typed] of SESSION) {
        const line = `exec ${process.execPath} ${join(PACKAGE, 'dist/ecs-drain.mjs')} ${args}`;
        const ran = await runInTerminal(line, region.environment, typed);
        const { text, broken } = await screenOf(ran.output);
        expect({ args, status: ran.status, text, broken }).toEqual({
          args,
          status,
          text: expect.stringMatching(told),
          broken: [],
        });
      }
    } finally {
      await region.end();
    }
  });
});
