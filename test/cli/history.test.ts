import { describe, expect, it } from 'vitest';
import { AwsError } from '../../sandbox/region/aws-error.ts';
import { deployedRegion, logEnds } from './deployed-region.ts';

/** A Region in which one drain ended well, and the deadline ended another. */
async function afterTwoDrains() {
  const all = await deployedRegion({ instances: 3 });
  const { region, instanceIds, pass, run } = all;
  const [first = '', second = ''] = instanceIds;
  region.autoScaling.terminateInstance(first);
  await pass(500);
  region.autoScaling.terminateInstance(second);
  await pass(60);
  await run('extend', second, '--deadline', 'now', '--yes', '--message', 'host is broken');
  return { ...all, first, second };
}

describe('ecs-drain history', () => {
  it('shows the drains that have ended, the latest first, with outcome, duration, slack, killed tasks and reasons', async () => {
    const { run, json, first, second } = await afterTwoDrains();
    const { status, stdout } = await run('history');
    expect(status).toBe(0);
    const rows = stdout.split('\n').filter((line) => line.startsWith('│'));
    const cells = rows.map((row) =>
      row
        .split('│')
        .map((cell) => cell.trim())
        .slice(1, -1),
    );
    expect(cells).toEqual([
      ['instance', 'ended', 'outcome', 'slack', 'killed'],
      [second, '2026-01-01T00:14:20Z', 'timed-out', '-', '2'],
      ['group web', '0 s ago', 'in 1 min', '', ''],
      [
        first,
        expect.stringMatching(/^2026-01-01T00:1\d:\d\dZ$/),
        'drained',
        expect.stringMatching(/^\d(\.\d)? s$/),
        '0',
      ],
      ['group web', expect.stringMatching(/^\d min \d+ s ago$/), expect.stringMatching(/^in \d min \d+ s$/), '', ''],
    ]);
    // Not what to do about a task that was killed since.
    expect(stdout).toMatch(
      new RegExp(
        `^${second}: Timed out: 2 tasks had not stopped at the deadline, .*\\.\n  - 2 tasks of service:web, [^.]*\\.(\n  - .*)?\n${second}: note`,
        'm',
      ),
    );
    expect((await run('logs', second)).stdout).toMatch(
      / ERROR Timed out: .*\.\n {2}- 2 tasks of service:web, [^.]*\.\n/,
    );
    expect(stdout).toContain(`\n${second}: note of local: host is broken\n`);
    expect(stdout).toMatch(/2 drains since 2025-12-31T00:14:20Z: 1 drained, 1 timed-out; tasks killed: 2\.\n$/);
    expect(await json('history', '--since', '1h')).toMatchObject({
      status: 0,
      answer: {
        function: 'ecs-drain-main-drain',
        isCut: false,
        drains: [
          { instanceId: second, outcome: 'timed-out', killedTasks: 2, reason: expect.stringMatching(/^Timed out/) },
          { instanceId: first, outcome: 'drained', killedTasks: 0, slackSeconds: 1.7 },
        ],
      },
    });
    expect((await json('history', '--since', '2m')).answer.drains).toHaveLength(1);
  });

  it('does not count as 0 the tasks of which it is not known whether they were killed', async () => {
    const { run, json, second, pass, instanceIds, region } = await afterTwoDrains();
    const [, , third = ''] = instanceIds;
    await pass(120);
    region.autoScaling.terminateInstance(third);
    await pass(60);
    await run('release', third, '--yes');
    await pass(700);
    const seen = region.killedTasks.length - 2;
    expect(seen).toBeGreaterThan(0);
    const { stdout } = await run('history');
    expect(stdout).toMatch(new RegExp(`│ ${third} .* already-completed │ - +│ not known +│\n.*│ ${seen} last seen +│`));
    expect(stdout).toContain(`tasks killed: 2 in 2 drains, not known of 1 drain (${seen} last seen).\n`);
    const { drains } = (await json('history')).answer;
    expect(drains[0]).toMatchObject({ instanceId: third, lastSeenTasks: seen });
    expect(drains[0]).not.toHaveProperty('killedTasks');
    expect(drains[1]).toMatchObject({ instanceId: second, killedTasks: 2 });
  });

  it('fits into a narrow terminal, as logs does', async () => {
    const { runIn, first } = await afterTwoDrains();
    for (const args of [['history'], ['logs', first]]) {
      const { stdout } = await runIn({ columns: 50 }, ...args);
      expect(stdout).toContain(args[0] === 'history' ? '  killed   2\n' : 'Z Setting the');
      expect(Math.max(...stdout.split('\n').map(({ length }) => length))).toBeLessThanOrEqual(50);
    }
  });

  it('reads the whole log where more time is asked for than CloudWatch reads from the end', async () => {
    const { run, first, second } = await afterTwoDrains();
    const { status, stdout } = await run('history', '--since', '800d');
    expect({ status, stdout }).toEqual({
      status: 0,
      stdout: expect.stringMatching(new RegExp(`${second}(.*\n)+.*${first}`)),
    });
    expect(await run('logs', first, '--since', '800d')).toMatchObject({ status: 0 });
  });

  it('says that no drain has ended, and since when it has looked', async () => {
    const { run } = await deployedRegion();
    expect(await run('history', '--since', '1h')).toEqual({
      status: 0,
      stdout: 'No drain has ended since 2025-12-31T23:05:00Z, as far as the log goes back.\n',
      stderr: '',
    });
    expect(await run('history', '--since', 'yesterday')).toMatchObject({ status: 2 });
  });

  it('shows the latest drains of many, and says that there are more', async () => {
    const deployed = await deployedRegion();
    const { run, json } = deployed;
    await logEnds(deployed, 501);
    const { answer } = await json('history', '--function', 'busy');
    expect(answer).toMatchObject({ isCut: true });
    expect(answer.drains).toHaveLength(500);
    expect(answer.drains.at(-1).instanceId).toBe('i-00000000000000001');
    const { stdout } = await run('history', '--function', 'busy');
    expect(stdout).toMatch(/The log has more: these are the latest, since 2026-/);
  });
});

describe('ecs-drain logs', () => {
  it('shows the lines about one drain, of all invocations, in order', async () => {
    const { run, json, first, second } = await afterTwoDrains();
    const { status, stdout } = await run('logs', first);
    expect(status).toBe(0);
    const lines = stdout.trimEnd().split('\n');
    expect(lines[0]).toMatch(/^2026-01-01T00:05:0\dZ Setting the container instance to DRAINING$/);
    expect(lines.at(-1)).toMatch(/Z Drained: every task has stopped$/);
    expect(lines).toEqual(lines.toSorted((a, b) => (a.slice(0, 20) < b.slice(0, 20) ? -1 : 0)));
    expect((await run('logs', second)).stdout).toContain(
      'WARN An operator has set the deadline to 2026-01-01T00:14:20',
    );
    const { answer } = await json('logs', first, '--since', '1h');
    expect(answer.lines).toHaveLength(lines.length);
    expect(answer.lines.at(-1)).toMatchObject({ level: 'INFO', outcome: 'drained', instanceId: first });
  });

  it('goes on until the drain has ended', async () => {
    const { region, instanceIds, pass, run } = await deployedRegion();
    const [first = ''] = instanceIds;
    region.autoScaling.terminateInstance(first);
    await pass(30);
    const { status, stdout } = await run('logs', first, '--follow');
    expect(status).toBe(0);
    expect(stdout).toMatch(/Drained: every task has stopped\n$/);
    const lines = stdout.trimEnd().split('\n');
    expect(new Set(lines).size).toBe(lines.length);
  });

  it('ends though a line follows the end of the drain', async () => {
    const { region, instanceIds, pass, run } = await deployedRegion();
    const [first = ''] = instanceIds;
    region.autoScaling.terminateInstance(first);
    await pass(330);
    await run('extend', first, '--deadline', '3h');
    await pass(200);
    const { stdout } = await run('logs', first);
    expect(stdout).not.toMatch(/Drained: every task has stopped\n$/);
    expect(await run('logs', first, '--follow')).toMatchObject({ status: 0, stdout });
  });

  it('goes on after calls that AWS did not answer, and misses no line', async () => {
    const { region, instanceIds, pass, run, fail } = await deployedRegion({ speed: 20 });
    const [first = ''] = instanceIds;
    region.autoScaling.terminateInstance(first);
    await pass(60);
    let calls = 0;
    fail(({ operation }) =>
      operation === 'FilterLogEvents' && ++calls > 1 && calls < 7
        ? new AwsError('ServiceUnavailable', 'down', 503)
        : undefined,
    );
    const { status, stdout } = await run('logs', first, '--follow');
    expect(status).toBe(0);
    const isFailure = (line: string) => line.includes('Could not read the log group');
    const lines = stdout.trimEnd().split('\n');
    expect(lines.filter(isFailure)).toHaveLength(1);
    const { stdout: whole } = await run('logs', first);
    expect(lines.filter((line) => !isFailure(line)).toSorted()).toEqual(whole.trimEnd().split('\n').toSorted());
  });

  it('says that there is no line', async () => {
    const { run, instanceIds } = await deployedRegion();
    const { status, stdout } = await run('logs', instanceIds[0] ?? '');
    expect(status).toBe(1);
    expect(stdout).toMatch(
      /^The log has no line about i-\w+ in the last 48 h: check the id; its event may not have been delivered/,
    );
    expect(await run('logs', 'web-1')).toMatchObject({ status: 2 });
  });
});
