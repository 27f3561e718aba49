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

  it('refuses a group of another deployment, and what is no instance', async () => {
    const { run } = await draining();
    expect(await run('status', '--group', 'batch')).toMatchObject({
      status: 1,
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
