import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { deployedRegion, run } from './deployed-region.ts';

async function fileWith(plan: object | string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ecs-drain-compare-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const path = join(folder, 'plan.json');
  await writeFile(path, typeof plan === 'string' ? plan : JSON.stringify(plan));
  return path;
}

/** Such a plan for one instance. */
function aPlan(instanceId: string, p50: number, p95: number, outcome = 'drained') {
  return {
    group: 'web',
    drains: [{ instanceId, seconds: { p50, p95 }, outcomes: { [outcome]: 20 } }],
    killed: { withDrain: { tasks: 0 } },
  };
}

describe('ecs-drain compare', () => {
  it('sets what came beside what was planned, from the log of the function', async () => {
    const { region, instanceIds, pass, run, json } = await deployedRegion();
    const [first = '', second = ''] = instanceIds;
    region.autoScaling.terminateInstance(first);
    await pass(900);
    const exact = await fileWith(aPlan(first, 330, 350));
    const { status, answer } = await json('compare', exact);
    expect(answer).toMatchObject({
      asPlanned: true,
      drains: [{ instanceId: first, came: { outcome: 'drained', killedTasks: 0 } }],
    });
    expect(status).toBe(0);
    const { stdout } = await run('compare', exact);
    expect(stdout).toMatch(
      /^As planned: 1 drain of the group web, each with its outcome and within 10 % of its time\.\n/,
    );
    expect(stdout).toMatch(/│ drained, 5 min 30 s to 5 min 50 s │ drained, 5 min 3\d s │/);

    const far = await run('compare', await fileWith(aPlan(first, 100, 110)));
    expect(far.status).toBe(1);
    expect(far.stdout).toMatch(/^Not as planned\.\n/);

    const other = await run('compare', await fileWith(aPlan(first, 330, 350, 'timed-out')));
    expect(other.status).toBe(1);

    const open = await run('compare', await fileWith(aPlan(second, 330, 350)));
    expect(open.status).toBe(1);
    expect(open.stdout).toMatch(/^Not as planned, or not over: 1 drain of the plan has not ended\.\n/);
    expect(open.stdout).toContain('no drain');
  });

  it('leaves out drains that ended before the time that is asked for', async () => {
    const { region, instanceIds, pass, run } = await deployedRegion();
    const [first = ''] = instanceIds;
    region.autoScaling.terminateInstance(first);
    await pass(3_600);
    const path = await fileWith(aPlan(first, 330, 350));
    expect((await run('compare', path, '--since', '30m')).stdout).toContain('not ended');
    expect((await run('compare', path, '--since', '2h')).stdout).toMatch(/^As planned/);
  });

  it.each([
    ['a file that is not there', '/nowhere.json', [], /^\/nowhere\.json cannot be read/],
    ['a file that is cut off', '{"group"', [], /is not whole JSON\. Write it with npx ecs-drain plan/],
    ['something else', '{"group": 3}', [], /is not a plan: group is 3: expected the name of a group/],
    [
      'a time that is none',
      JSON.stringify(aPlan('i-1', 1, 2)),
      ['--since', 'noon'],
      /^--since noon is not a time such as 90s, 45m, 2h or 1d\.$/,
    ],
  ])('refuses %s in a sentence, with exit status 2', async (_, text, args, sentence) => {
    const path = text.startsWith('/') ? text : await fileWith(text);
    const { status, stderr, stdout } = await run('compare', path, ...args);
    expect(stderr.trim()).toMatch(sentence);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  });
});
