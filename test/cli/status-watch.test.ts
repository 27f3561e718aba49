import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import { AwsError } from '../../sandbox/region/aws-error.ts';
import { deployedRegion } from './deployed-region.ts';

/** Its drains end 100 s after the first look. */
async function draining() {
  const loadBalancer = { deregistrationDelaySeconds: 120, requestsPerSecond: 10 };
  const all = await deployedRegion({ instances: 3, services: [{ name: 'web', loadBalancer }] });
  const [first = '', second = ''] = all.instanceIds;
  for (const instanceId of [first, second]) all.region.autoScaling.terminateInstance(instanceId);
  await all.pass(60);
  return { ...all, first, second };
}

describe('ecs-drain status of a part', () => {
  it('shows the drains of one group, or of one instance', async () => {
    const { json, first } = await draining();
    expect((await json('status', '--group', 'web')).answer.drains).toHaveLength(2);
    const { status, answer } = await json('status', '--instance', first);
    expect(status).toBe(0);
    expect(answer.drains).toMatchObject([{ instanceId: first }]);
  });

  it('does not say of a group that it holds nothing where another instance was asked for', async () => {
    const { run } = await draining();
    expect(await run('status', '--instance', 'i-00000000000000003')).toEqual({
      status: 0,
      stdout:
        'Auto Scaling does not hold i-00000000000000003 in web: npx ecs-drain explain i-00000000000000003 says more.\n',
      stderr: '',
    });
  });

  it('refuses a group of another deployment, and what is no instance', async () => {
    const { run } = await draining();
    expect(await run('status', '--group', 'batch')).toMatchObject({
      status: 2,
      stderr: 'The group batch is not among autoScalingGroups (web).\n',
    });
    expect(await run('status', '--instance', 'web-1')).toMatchObject({ status: 2 });
  });
});

describe('ecs-drain status --watch', () => {
  it('prints a line for each change where it is not in a terminal', async () => {
    const { interrupt, first, second } = await draining();
    const { status, stdout } = await interrupt(30, false, 'status', '--watch');
    expect(status).toBe(0);
    const lines = stdout.trimEnd().split('\n');
    expect(lines[0]).toMatch(
      new RegExp(
        `^2026-01-01T00:06:00Z ${first}, group web: \\d tasks?: service:web .*; deadline 2026-01-01T02:05:00Z$`,
      ),
    );
    for (const id of [first, second])
      expect(lines.filter((line) => line.endsWith(`${id} drains no more`))).toHaveLength(1);
    expect(lines.length).toBeLessThan(10);
  });

  it('redraws the whole in a terminal', async () => {
    const { interrupt, second } = await draining();
    const { stdout } = await interrupt(2, true, 'status', '--watch');
    expect(stdout).toContain('2026-01-01T00:06:00Z, every 5 s; Ctrl-C ends it');
    expect(stdout).toContain('2026-01-01T00:06:05Z, every 5 s; Ctrl-C ends it');
    expect(stdout).toContain(second);
    expect(stdout).toContain('\u001b['); // to the beginning of what it replaces
  });

  it('shows the whole in a terminal that is high enough', async () => {
    const { interruptIn } = await draining();
    expect((await interruptIn({ columns: 80, rows: 60 }, 1, 'status', '--watch')).stdout).not.toContain('too low');
  });

  it.each([
    [24, 2],
    [12, 2],
    [5, 2],
    [4, 0],
  ])('says in a terminal of %d lines what does not fit', async (rows, drains) => {
    const { interruptIn, first, second } = await draining();
    const { stdout } = await interruptIn({ columns: 80, rows }, 1, 'status', '--watch');
    const screen = stripVTControlCharacters(stdout).trimEnd();
    expect(screen.split('\n').length).toBeLessThan(rows);
    expect(screen).toMatch(/2026-01-01T00:06:00Z, every 5 s; Ctrl-C ends it$/);
    for (const [i, id] of [first, second].entries()) expect(screen.includes(`${id}, group web: `)).toBe(i < drains);
    const hidden = 2 - drains;
    if (hidden > 0)
      expect(screen).toContain(`and ${hidden} more drain${hidden > 1 ? 's' : ''}: --group and --instance`);
    expect(screen).toContain('This terminal is too low for the whole: npx ecs-drain status shows it.');
  });

  it('shows what AWS does not answer, and goes on', async () => {
    const { interrupt, fail, region, second } = await draining();
    const fromMs = region.time.nowMs() + 4_000;
    fail(({ service, operation }) => {
      const isNow = region.time.nowMs() >= fromMs && region.time.nowMs() < fromMs + 5_000;
      if (!isNow || service !== 'autoscaling' || operation !== 'DescribeAutoScalingGroups') return undefined;
      return new AwsError('AccessDenied', 'not authorized', 403);
    });
    const { status, stdout } = await interrupt(30, false, 'status', '--watch');
    expect(status).toBe(0);
    expect(stdout).toMatch(/^2026-01-01T00:06:05Z Could not describe .*not authorized/m);
    expect(stdout).toMatch(new RegExp(`${second} drains no more$`, 'm'));
  });
});
