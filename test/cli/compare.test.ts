import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { START_MS } from '../fakes.ts';
import { type Deployed, deployedRegion, run } from './deployed-region.ts';

async function fileWith(plan: object | string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ecs-drain-compare-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const path = join(folder, 'plan.json');
  await writeFile(path, typeof plan === 'string' ? plan : JSON.stringify(plan));
  return path;
}

/** Such a plan for one instance, of a snapshot that was taken so many seconds after the Region began. */
function aPlan(instanceId: string, p50: number, p95: number, outcome = 'drained', takenAtSecond = 0) {
  return {
    group: 'web',
    cluster: 'prod',
    takenAt: new Date(START_MS + takenAtSecond * 1000).toISOString(),
    drains: [{ instanceId, seconds: { p50, p95 }, outcomes: { [outcome]: 20 } }],
    killed: { withDrain: { tasks: 0 } },
  };
}

interface Kept {
  readonly detail: { readonly instanceId?: string };
}

/** A rule that writes the events of ecs-drain into a log group, as that of examples/central-bus does. */
function keepEvents({ region }: Deployed, asSent: (event: Kept) => Kept = (event) => event): string {
  const load = () => async (event: unknown) => {
    process.stdout.write(`${JSON.stringify(asSent(event as Kept))}\n`);
  };
  const keeper = region.deploy({ name: 'keeper', timeoutSeconds: 60, load });
  const pattern = { source: [{ prefix: 'ecs-drain.' }] };
  region.eventBridge.putRule({ name: 'keep', pattern, target: (event: unknown) => keeper.invokeAsync(event) });
  return '/aws/lambda/keeper';
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
    expect(stdout).toMatch(/^As planned: 1 drain of the group web with its outcome and within 10 % of its time\.\n/);
    expect(stdout).toMatch(/│ instance +│ planned +│ actual +│ off by │/);
    expect(stdout).toMatch(/│ drained, 5 min 30 s to 5 min 50 s │ drained, 5 min 3\d s │/);

    const far = await run('compare', await fileWith(aPlan(first, 100, 110)));
    expect(far.status).toBe(1);
    expect(far.stdout).toMatch(/^Not as planned: 1 drain ended with another outcome or after another time\.\n/);

    const other = await run('compare', await fileWith(aPlan(first, 330, 350, 'timed-out')));
    expect(other.status).toBe(1);

    const open = await run('compare', await fileWith(aPlan(second, 330, 350)));
    expect(open.status).toBe(1);
    expect(open.stdout).toMatch(
      /^Not as planned: 1 drain of the plan has not ended, or has not begun; 1 drain was not in the plan\.\n/,
    );
    expect(open.stdout).toContain('no drain');
    expect(open.stdout).toMatch(/\nTasks killed: 0; planned: 0 at most\.\n$/);
  });

  it('is not as planned where more tasks were killed than planned, though each drain ended as planned', async () => {
    const { region, instanceIds, pass, run, json } = await deployedRegion({
      params: { deadlineSeconds: '600' },
      services: [{ name: 'web', maximumPercent: 100 }],
    });
    const [first = ''] = instanceIds;
    region.autoScaling.terminateInstance(first);
    await pass(900);
    const plan = aPlan(first, 600, 620, 'timed-out');
    const { status, answer } = await json('compare', await fileWith(plan));
    expect({ status, answer }).toMatchObject({ status: 1, answer: { asPlanned: false } });
    const { stdout } = await run('compare', await fileWith(plan));
    expect(stdout).toMatch(/^Not as planned: 2 tasks were killed, and the plan had 0 at most\.\n/);
    const expected = { ...plan, killed: { withDrain: { tasks: 2 } } };
    expect(await run('compare', await fileWith(expected))).toMatchObject({ status: 0 });
  });

  it('counts no drain that ended before the snapshot was taken, nor one of another instance that had begun', async () => {
    const { region, instanceIds, pass, run } = await deployedRegion();
    const [first = '', second = ''] = instanceIds;
    region.autoScaling.terminateInstance(first);
    const minutesLater = (region.time.nowMs() - START_MS) / 1000 + 120;
    await pass(900);
    const none = { ...aPlan(second, 1, 1, 'drained', minutesLater), drains: [] };
    expect((await run('compare', await fileWith(none))).stdout).toMatch(
      /^As planned: no instance of the group web was drained\.\n/,
    );
    const hourLater = { ...aPlan(first, 330, 350, 'drained', 3_600) };
    const { stdout } = await run('compare', await fileWith(hourLater));
    expect(stdout).toMatch(/^Not as planned: 1 drain of the plan has not ended, or has not begun\.\n/);
  });

  it('reads the events about the ends of drains where a rule writes them into a log group', async () => {
    const deployed = await deployedRegion();
    const { region, instanceIds, pass, run } = deployed;
    const [first = ''] = instanceIds;
    const logGroup = keepEvents(deployed);
    region.autoScaling.terminateInstance(first);
    await pass(900);
    const exact = await fileWith(aPlan(first, 330, 350));
    const before = region.calls.length;
    const { status, stdout } = await run('compare', exact, '--log-group', logGroup);
    expect(stdout).toMatch(/^As planned: 1 drain of the group web with .*\n/);
    expect(stdout).toMatch(/│ drained, 5 min 30 s to 5 min 50 s │ drained, 5 min 3\d s │/);
    expect(status).toBe(0);
    expect(region.calls.slice(before).map(({ operation }) => operation)).toEqual(['FilterLogEvents']);

    const other = await run('compare', exact, '--log-group', logGroup, '--stage', 'prod');
    expect(other.stdout).toMatch(/^Not as planned: 1 drain of the plan has not ended, or has not begun\.\n/);
    const elsewhere = await run('compare', exact, '--log-group', '/aws/events/nowhere');
    expect(elsewhere.stderr).toMatch(
      /^Could not read the log group \/aws\/events\/nowhere: ResourceNotFoundException: .*\.$/m,
    );
    expect(elsewhere.status).toBe(2);
  });

  it('leaves out what other accounts have written about a group of the same name', async () => {
    const deployed = await deployedRegion();
    const { region, instanceIds, pass, run } = deployed;
    const [first = '', second = ''] = instanceIds;
    const logGroup = keepEvents(deployed, (event) =>
      event.detail.instanceId === second ? { ...event, account: '210987654321' } : event,
    );
    region.autoScaling.terminateInstance(first);
    await pass(900);
    region.autoScaling.terminateInstance(second);
    await pass(900);
    const { stdout } = await run('compare', await fileWith(aPlan(first, 330, 350)), '--log-group', logGroup);
    expect(stdout).toMatch(/^As planned: 1 drain of the group web/);
  });

  it('leaves out drains that ended before the time that is asked for', async () => {
    const { region, instanceIds, pass, run } = await deployedRegion();
    const [first = ''] = instanceIds;
    region.autoScaling.terminateInstance(first);
    await pass(3_600);
    const path = await fileWith(aPlan(first, 330, 350));
    expect((await run('compare', path)).stdout).toMatch(/^As planned/);
    const { stdout } = await run('compare', path, '--since', '30m');
    expect(stdout).toMatch(
      /^Not as planned: 1 drain of the plan has not ended within the last 30m \(--since\), or has not begun\.\n/,
    );
    expect(stdout).toContain('│ not ended ');
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
    [
      'a plan without the time of its snapshot',
      JSON.stringify({ ...aPlan('i-1', 1, 2), takenAt: 'noon' }),
      [],
      /is not a plan: takenAt is "noon": expected a time\. Write it with/,
    ],
    [
      'a function beside a log group',
      JSON.stringify(aPlan('i-1', 1, 2)),
      ['--function', 'drainer', '--log-group', '/aws/events/ecs-drain'],
      /^--function drainer names a log, and --log-group \/aws\/events\/ecs-drain is read instead: leave out one of the two\.$/,
    ],
  ])('refuses %s in a sentence, with exit status 2', async (_, text, args, sentence) => {
    const path = text.startsWith('/') ? text : await fileWith(text);
    const { status, stderr, stdout } = await run('compare', path, ...args);
    expect(stderr.trim()).toMatch(sentence);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  });
});
