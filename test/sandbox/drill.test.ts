import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { stripVTControlCharacters } from 'node:util';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { chaos } from '../../sandbox/chaos.ts';
import { failureOf, seedOfCommit } from '../../sandbox/command-line.ts';
import { drill } from '../../sandbox/drill.ts';
import { serve } from '../../sandbox/region-server.ts';
import type { DrillResult } from '../../sandbox/result.ts';
import { CALM } from '../chaos/samples.ts';
import { registered } from './clock-client.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

/** Runs a command of the sandbox as `npm run` does; its exit status, and what it printed. */
function command(script: string, ...args: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  return new Promise((done) => {
    execFile(
      process.execPath,
      [join(ROOT, 'sandbox', script), ...args],
      { maxBuffer: 1e9 },
      (error, stdout, stderr) => {
        done({ status: error ? Number(error.code) : 0, stdout, stderr });
      },
    );
  });
}

/** What the command prints, run in this process: a process of its own takes a second to load what is loaded here. */
async function printedBy(run: (args: string[]) => Promise<void>, ...args: string[]): Promise<string> {
  let printed = '';
  const written = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += text;
    return true;
  });
  const logged = vi.spyOn(console, 'log').mockImplementation((line) => {
    printed += `${line}\n`;
  });
  try {
    await run(args);
    return printed;
  } finally {
    written.mockRestore();
    logged.mockRestore();
  }
}

/** What the command would end with, had it been called. */
async function expectRefusal(refused: Promise<void>, sentence: string): Promise<void> {
  const failure = await refused.then(
    () => undefined,
    (error: unknown) => failureOf(error),
  );
  expect(failure).toMatchObject({ status: 2, complaint: expect.stringContaining(sentence) });
}

async function emptyFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ecs-drain-empty-'));
  ends.push(() => rm(folder, { recursive: true }));
  return folder;
}

describe('npm run drill', () => {
  it('prints one object with --json', async () => {
    const result: DrillResult = JSON.parse(await printedBy(drill, '--scenario', 'book', '--json', '--seed', '7'));
    expect(result).toMatchObject({ scenario: 'book', seed: 7, drainer: 'ecs-drain', tasksKilled: 0 });
    expect(result.drains).toMatchObject([{ outcome: 'drained', heartbeats: 0 }]);
  });

  it('prints a title and what came of it where no one watches', async () => {
    const printed = await printedBy(drill, '--scenario', 'book', '--drainer', 'book');
    expect(printed.split('\n').slice(0, 3)).toEqual([
      'book: the book’s: the one instance of a cluster is replaced by a CloudFormation rolling update',
      'drainer book, seed number 1, as fast as this machine can; Ctrl-C stops it',
      '',
    ]);
    expect(printed).toMatch(
      /instance +outcome +took +slack.*\d min \d+ s +[\d.]+ s .*\nslack +of this after the last task had stopped/s,
    );
    expect(printed).not.toContain('KILLED');
    expect(printed.split('\n').length).toBeLessThan(24);
  });

  it('says why tasks stayed, in the words of explain', async () => {
    const printed = await printedBy(drill, '--scenario', 'stuck');
    expect(printed).toMatch(/^i-00000000000000001 after 15 min: Stuck: the tasks may hold the instance/m);
    expect(printed).toMatch(/^- 2 tasks of service:web, RUNNING for 30 min: the service cannot be drained/m);
    expect(printed).toMatch(/^- 1 task of family:report, RUNNING .*: draining does not stop standalone tasks/m);
    expect(printed).not.toContain('Timed out');
    expect(await printedBy(drill, '--scenario', 'book')).not.toContain('Why tasks stayed');
  });

  it('prints a line for each thing that happens with --verbose, by the clock of the Region that messages have', async () => {
    const printed = await printedBy(drill, '--scenario', 'stuck', '--verbose');
    const [, clock = ''] = /^(\d\d:\d\d:\d\d) .*Timed out: /m.exec(stripVTControlCharacters(printed)) ?? [];
    const [, deadline = ''] = /may hold the instance until the deadline, 2026-01-01T(\S{8})/.exec(printed) ?? [];
    // The drill begins at midnight, so its minutes are those of the clock.
    expect(deadline).toBe('00:30:00');
    expect(clock).toMatch(/^00:30:/);
  });

  it('plays the rivals as well', async () => {
    const printed = await printedBy(drill, '--scenario', 'book', '--drainer', 'cdk', '--json');
    expect(JSON.parse(printed)).toMatchObject({ drainer: 'cdk', instancesTerminated: 1 });
  });

  it('explains its options with -h', async () => {
    const printed = await command('drill.ts', '-h');
    expect(printed).toMatchObject({ status: 0, stderr: '' });
    expect(printed.stdout).toMatch(/--verbose +print a line.*Scenarios:\n +book /s);
  });

  it('says what happened to the tasks without a drain', async () => {
    const printed = await printedBy(drill, '--scenario', 'book', '--drainer', 'none', '--verbose');
    expect(printed).toContain('KILLED');
    expect(printed).toMatch(
      /book, seed number 1, without a drain: 1 instance terminated, 2 tasks killed \(0 cut off, 2 with a delayed SIGTERM\)/,
    );
  });

  it('writes a report that compares the drainers', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'ecs-drain-report-'));
    ends.push(() => rm(folder, { recursive: true }));
    const report = join(folder, 'drill.html');
    await printedBy(drill, '--scenario', 'book', '--report', report);
    const page = await readFile(report, 'utf8');
    for (const drainer of ['ecs-drain', 'none', 'book']) expect(page).toContain(drainer);
  });

  it('plays a world of the chaos, by its own seed number', async () => {
    const world = JSON.stringify({ ...CALM, seed: 9 });
    const printed = await printedBy(drill, '--world', world, '--drainer', 'none', '--json');
    expect(JSON.parse(printed)).toMatchObject({ scenario: 'world', seed: 9, instancesTerminated: 1, tasksKilled: 1 });
  });

  it('ends in silence when whoever reads has had enough', async () => {
    const child = spawn(process.execPath, [join(ROOT, 'sandbox/drill.ts'), '--drainer', 'none', '--verbose']);
    child.stdout.once('data', () => child.stdout.destroy());
    const [complaints, [status]] = await Promise.all([text(child.stderr), once(child, 'exit')]);
    expect({ status, complaints }).toEqual({ status: 0, complaints: '' });
  });

  it.each([
    [['--scenario', 'coffee'], 'There is no scenario coffee; there are book, rolling-update,'],
    [['--drainer', 'hope'], 'There is no drainer hope; there are ecs-drain, none, book, cdk,'],
    [['--drainer', 'cdk', '--report', 'a.html'], '--report compares ecs-drain, none, book: leave it out for cdk'],
    [['--seed', '1', '--seed', '2'], '--seed is repeated: name it once.'],
    [['--drainer', 'external'], 'A drain program outside cannot be run here: npm run region -- --drainer external'],
    [['--seed', 'x'], '--seed x is not a whole number from 0 to 999999999.'],
    [['--seed', '1.5'], '--seed 1.5 is not a whole number'],
    [['--speed', '0'], '--speed 0 is not a number of virtual seconds in a second, such as 60.'],
    [['--report', '/nowhere/at/all.html'], '--report /nowhere/at/all.html cannot be written: ENOENT'],
    [['--world', '/nowhere.json'], '--world /nowhere.json cannot be played: ENOENT'],
    [['--world', '{"seed":'], '--world {"seed": cannot be played: '],
    [['--world', '{"seed":-1}'], 'seed is -1: expected a seed number from 0 to 999999999; waiting is missing'],
    [
      ['--world', JSON.stringify(CALM), '--scenario', 'book'],
      '--scenario book cannot be played together with a --world',
    ],
    [['--fast'], "Unknown option '--fast'"],
    [['rolling-update'], 'Too many arguments. Expected 0 arguments but got 1'],
  ])('refuses %j in a sentence, with exit status 2', (args, sentence) => expectRefusal(drill(args), sentence));

  it('says what it refuses on stderr, and nothing else anywhere', async () => {
    const stderr = '--seed x is not a whole number from 0 to 999999999.\n';
    expect(await command('drill.ts', '--seed', 'x')).toEqual({ status: 2, stdout: '', stderr });
  });
});

describe('npm run chaos', () => {
  it('explores worlds of its own for every commit, and says by which seed number they are played again', async () => {
    const folder = await emptyFolder();
    const git = (...args: string[]) => execFileSync('git', args, { cwd: folder, encoding: 'utf8', stdio: 'pipe' });
    git('init');
    const seeds = ['one', 'two'].map((message) => {
      git('-c', 'user.name=n', '-c', 'user.email=e', 'commit', '--allow-empty', '--message', message);
      return seedOfCommit(folder);
    });
    expect(seeds[1]).toBe(Number.parseInt(git('rev-parse', 'HEAD').slice(0, 8), 16) % 1_000_000_000);
    expect(seeds[0]).not.toBe(seeds[1]);
    const printed = await printedBy(chaos, '--worlds', '1', '--seed', 'commit');
    expect(printed).toMatch(new RegExp(`^seed number ${seedOfCommit(ROOT)}\n`));
  });

  it('refuses to explore a commit where there is none, in a sentence', async () => {
    const folder = await emptyFolder();
    const refusal = `--seed commit is not known, because git names no commit of ${folder} (fatal: `;
    await expectRefusal((async () => void seedOfCommit(folder))(), refusal);
  });

  it('plays worlds, and prints how many, what went wrong in them, and what held', async () => {
    const printed = await printedBy(chaos, '--worlds', '3', '--seed', '2');
    expect(printed).toMatch(/^seed number 2\n +3 worlds\n +\d+ drains\n +\d+ invocations\n +\d+ calls\n/);
    expect(printed).toContain('outages: ECS throttles');
    expect(printed).toContain('In each of them:\n  we let no instance go before');
  });

  it.each([
    [['--worlds', 'many'], '--worlds many is not a whole number from 1 to 10000000.'],
    [['--worlds', '0'], '--worlds 0 is not a whole number from 1 to 10000000.'],
    [['--worlds=-5'], '--worlds -5 is not a whole number from 1 to 10000000.'],
    [['--worlds', '1.5'], '--worlds 1.5 is not a whole number'],
    [['--seed', 'x'], '--seed x is not a whole number from 0 to 999999999.'],
    [['--world', '5'], "Unknown option '--world'"],
    [['5'], "Unexpected argument '5'"],
  ])('refuses %j in a sentence, with exit status 2', (args, sentence) => expectRefusal(chaos(args), sentence));

  it('says how it is called where it is called with what it does not know', async () => {
    const { status, stdout, stderr } = await command('chaos.ts', '--world', '5');
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(/^Unknown option '--world'.*\nnpm run chaos -- /);
  });
});

describe('npm run region', () => {
  it('refuses a port that is in use, in a sentence, with exit status 2', async () => {
    const other = createServer();
    await new Promise<void>((listening) => other.listen(0, '127.0.0.1', listening));
    ends.push(() => other.close());
    const { port } = other.address() as { port: number };
    const { status, stderr } = await command('region-server.ts', '--port', String(port), '--drainer', 'none');
    expect(status).toBe(2);
    expect(stderr).toBe(`Port ${port} is in use: name another with --port, or leave it out for a free one.\n`);
  });

  it.each([
    [['--port', '70000'], '--port 70000 is not a whole number from 0 to 65535.'],
    [['--drainer', 'external', '--port', '70000'], '--port 70000 is not a whole number'],
    [['--drainer', 'external', '--notify', 'pigeon'], 'There is no --notify pigeon; there are events, sns, sqs.'],
    [
      ['--drainer', 'external', '--heartbeat-timeout', '10'],
      '--heartbeat-timeout 10 is not a whole number from 30 to 7200.',
    ],
    [['--drainer', 'external', '--speed', 'fast'], '--speed fast is not a number'],
    [['--drainer', 'external', '--report', '/nowhere/at/all.html'], '--report /nowhere/at/all.html cannot be written'],
    [['--notify', 'sqs'], '--notify is for a drain program outside: add --drainer external, or leave it out.'],
    [['--json'], '--json is for a drain program outside'],
    [['--begin-after', 'noon'], '--begin-after noon is not a whole number from 0 to 86400.'],
    [['--begin-after', '9', '--drainer', 'external'], '--begin-after is not for a drain program outside'],
    [['--speed', 'virtual'], '--speed virtual is for a drain program outside'],
  ])('refuses %j in a sentence, with exit status 2', (args, sentence) => expectRefusal(serve(args), sentence));

  it('ends when npm is ended, which does not pass the signal on', async () => {
    const npm = spawn('npm', ['run', 'region', '--', '--drainer', 'none'], { cwd: ROOT });
    let printed = '';
    npm.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      printed += chunk;
    });
    const [, url = ''] = await vi.waitUntil(() => /AWS_ENDPOINT_URL=(http:\S+)/.exec(printed), { timeout: 200_000 });
    expect((await fetch(`${url}/_clock`)).status).toBe(200);
    npm.kill();
    await vi.waitUntil(
      () =>
        fetch(`${url}/_clock`).then(
          () => false,
          () => true,
        ),
      { timeout: 200_000, interval: 500 },
    );
  });

  it('prints what came of a scenario that a program outside has drained, and writes the report', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'ecs-drain-judge-'));
    ends.push(() => rm(folder, { recursive: true }));
    const report = join(folder, 'judged.html');
    const args = ['--drainer', 'external', '--scenario', 'book', '--speed', 'virtual', '--json', '--report', report];
    const child = spawn(process.execPath, [join(ROOT, 'sandbox/region-server.ts'), ...args]);
    ends.push(() => child.kill());
    const printed = text(child.stdout);
    const url = await new Promise<string>((listens) => {
      let told = '';
      child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
        told += chunk;
        const [found] = /http:[^, ]+(?=, in the virtual time of its clients)/.exec(told) ?? [];
        if (found !== undefined) listens(found);
      });
    });
    (await registered(url)).end(); // It drains nothing.
    const result: DrillResult = JSON.parse(await printed);
    expect(result).toMatchObject({ scenario: 'book', drainer: 'external', tasksKilled: 2 });
    expect(result.drains).toMatchObject([{ outcome: 'left to the hook’s timeout', seconds: 900 }]);
    const page = await readFile(report, 'utf8');
    for (const told of ['With your drain program', 'npm run region -- --scenario book --drainer external']) {
      expect(page).toContain(told);
    }
  });
});
