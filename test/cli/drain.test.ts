import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { AwsError } from '../../sandbox/region/aws-error.ts';
import { deployedRegion, type World } from './deployed-region.ts';

/** What would change something in the Region. */
const CHANGING = /^(TerminateInstance|CompleteLifecycleAction|Invoke$)/;

async function deployed(world: World = {}) {
  const all = await deployedRegion(world);
  const before = all.region.calls.length;
  const changes = () =>
    all.region.calls
      .slice(before)
      .filter(({ fiber, operation }) => fiber === undefined && CHANGING.test(operation))
      .map(({ operation }) => operation);
  const [first = '', second = ''] = all.instanceIds;
  return { ...all, first, second, changes };
}

/** AWS denies this call. */
const denying = (operation: string) => (call: { readonly operation: string }) =>
  call.operation === operation
    ? new AwsError('AccessDeniedException', `User: me is not authorized to perform: ${operation}`, 403)
    : undefined;

describe('ecs-drain drain', () => {
  it('shows what it would do, asks, and has Auto Scaling terminate the instance', async () => {
    const { type, first, region, pass, changes } = await deployed();
    const { status, stdout } = await type(['y'], 'drain', first);
    expect(status).toBe(0);
    expect(stdout).toBe(`${first} is in the group web and the cluster prod, with 2 tasks
  service:web RUNNING (2)
  The hook ecs-drain holds it until its tasks have stopped. The group launches another in its place.
Terminate 1 instance? [y/N] Auto Scaling terminates ${first}.
To wait for the drains: npx ecs-drain wait ${first}
`);
    expect(changes()).toEqual(['TerminateInstanceInAutoScalingGroup']);
    await pass(900);
    expect(region.killedTasks).toEqual([]);
    expect(region.autoScaling.completions).toMatchObject([{ instanceId: first, by: 'completion' }]);
  });

  it.each([['n'], [''], ['yeah'], []])('does nothing where the answer is not yes: %j', async (...lines) => {
    const { type, first, changes } = await deployed();
    const { status, stdout } = await type(lines, 'drain', first);
    expect(status).toBe(1);
    expect(stdout).toMatch(/Terminate 1 instance\? \[y\/N\] Nothing was done\.\n$/);
    expect(changes()).toEqual([]);
  });

  it('refuses without a terminal, and with --json, unless --yes is given', async () => {
    const { run, type, first, region } = await deployed();
    const before = region.calls.length;
    const sentence = 'drain asks before it acts, and no one can be asked here: add --yes to act without a question.\n';
    expect(await run('drain', first)).toEqual({ status: 2, stdout: '', stderr: sentence });
    expect(await type(['y'], 'drain', first, '--json')).toEqual({ status: 2, stdout: '', stderr: sentence });
    expect(region.calls.length).toBe(before);
  });

  it('waits for the drain where that is asked for, and lets the group get smaller', async () => {
    const { json, first, region, pass } = await deployed({ instances: 3 });
    const { status, answer } = await json('drain', first, '--yes', '--wait', '--decrement');
    expect(status).toBe(0);
    expect(answer).toMatchObject({
      function: 'ecs-drain-main-drain',
      instances: [{ instanceId: first, state: 'terminating', autoScalingGroup: 'web', lifecycleHook: 'ecs-drain' }],
      drains: [{ instanceId: first, state: 'finished', outcome: 'drained', killedTasks: 0 }],
    });
    await pass(300);
    expect(region.autoScaling.group('web').desiredCapacity).toBe(2);
  });

  it('knows the end of a drain that was over while it left the note', async () => {
    const { run, first } = await deployed({ services: [] });
    const { status, stdout } = await run('drain', first, '--yes', '--message', 'new kernel', '--wait');
    expect({ status, stdout }).toEqual({ status: 0, stdout: expect.stringMatching(/drained in [\d.]+ s\.\n$/) });
  });

  it('drains an instance though another of the clusters does not exist, as the function does', async () => {
    const { run, first } = await deployed({ params: { cluster: 'prod,retired' } });
    expect(await run('drain', first, '--yes')).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/with 2 tasks\n(.*\n)+ {2}.*retired.*not found.*\nAuto Scaling terminates i-/i),
    });
  });

  it('does not say how to wait where it waits', async () => {
    const { run, first } = await deployed();
    const { stdout } = await run('drain', first, '--yes', '--wait');
    expect(stdout).not.toContain('To wait');
    expect(stdout).toContain(`${first} drained in 5 min`);
  });

  it('leaves a note that the event about the end has', async () => {
    const { run, first, region, pass } = await deployed();
    const told: unknown[] = [];
    const pattern = { 'detail-type': ['ECS Drain Finished'] };
    region.eventBridge.putRule({ name: 'finished', pattern, target: (event) => void told.push(event) });
    expect((await run('drain', first, '--yes', '--message', 'new kernel')).status).toBe(0);
    await pass(900);
    const notes = [{ by: 'arn:aws:iam::123456789012:user/local', message: 'new kernel' }];
    expect(told).toMatchObject([{ detail: { outcome: 'drained', notes } }]);
  });

  it.each<[string, World, RegExp]>([
    [
      'has no hook of ours',
      { hooks: [{ name: 'backup' }] },
      /has no terminating hook of ours \(ecs-drain\): nothing would hold/,
    ],
    [
      'is of another group',
      { params: { autoScalingGroups: 'batch' } },
      /is in the group web, which is not among autoScalingGroups/,
    ],
    [
      'is drained by nothing, in a dry run',
      { params: { dryRun: true, createLifecycleHooks: false } },
      /^The function is in a dry run: nothing would drain i-/,
    ],
    [
      'has a hook whose events are rejected',
      { hooks: [{ notificationMetadata: '{"cluster": "payments"}' }] },
      /names the cluster payments.*so nothing drains its instances/,
    ],
  ])('refuses an instance that %s', async (_, world, sentence) => {
    const { run, json, first, changes } = await deployed(world);
    const { status, stdout } = await run('drain', first, '--yes');
    expect(status).toBe(1);
    expect(stdout).toMatch(sentence);
    expect(await json('drain', first, '--yes')).toMatchObject({
      status: 1,
      answer: { instances: [{ state: 'refused' }] },
    });
    expect(changes()).toEqual([]);
  });

  it('reports what it terminated though the log cannot be read, and that the end is not known', async () => {
    const { json, first, fail } = await deployed();
    fail(denying('FilterLogEvents'));
    const { status, answer } = await json('drain', first, '--yes', '--wait');
    expect({ status, answer }).toMatchObject({
      status: 1,
      answer: {
        instances: [{ state: 'terminating' }],
        drains: [
          {
            state: 'not known',
            sentence: expect.stringMatching(
              /^No drain of i-\w+ goes on, and how it ended is not known: Could not read /,
            ),
          },
        ],
      },
    });
  });

  it('reports what it terminated though the note is lost', async () => {
    const { json, first, fail } = await deployed();
    let calls = 0;
    fail((call) => (call.operation === 'Invoke' && ++calls > 1 ? denying('Invoke')(call) : undefined));
    const { status, answer } = await json('drain', first, '--yes', '--message', 'new kernel');
    expect({ status, answer }).toMatchObject({
      status: 1,
      answer: {
        instances: [{ state: 'terminating' }],
        notes: [
          {
            instanceId: first,
            note: 'lost',
            sentence: expect.stringMatching(/^The note on .* was not left: .*Invoke/),
          },
        ],
      },
    });
  });

  it.each<[string, World, string | undefined, RegExp]>([
    ['drains wait in the event queue', { params: { waiting: 'watch' } }, undefined, /Drains wait in the event queue/],
    ['the schedules cannot be listed', {}, 'ListSchedules', /Could not list the schedules .*not authorized/],
  ])('says that the note is in the log alone where %s', async (_, world, denied, reason) => {
    const { run, first, fail, region } = await deployed(world);
    if (denied !== undefined) fail(denying(denied));
    const beforeMs = region.time.nowMs();
    const { status, stdout } = await run('drain', first, '--yes', '--message', 'new kernel');
    expect({ status, stdout }).toEqual({ status: 0, stdout: expect.stringMatching(reason) });
    expect(stdout).toMatch(/^The note on i-\w+ is in the log alone, and not in the event about the end: /m);
    expect(region.time.nowMs() - beforeMs).toBeLessThan(10_000);
    expect((await run('logs', first)).stdout).toContain(': new kernel');
  });

  it('leaves a note with a drain whose schedule it may not read', async () => {
    const { run, json, first, fail } = await deployed();
    let asked = 0;
    fail((call) => {
      if (call.operation === 'Invoke') asked += 1;
      // The function may read it: the first call was the dry run.
      return asked < 2 ? denying('GetSchedule')(call) : undefined;
    });
    expect(await run('drain', first, '--yes', '--message', 'new kernel')).toMatchObject({
      status: 0,
      stdout: expect.not.stringContaining('The note'),
    });
    expect((await json('status')).answer.drains).toMatchObject([{ notes: [{ message: 'new kernel' }] }]);
  });

  it('terminates none of them where the group cannot get so much smaller', async () => {
    const { run, first, second, region, changes } = await deployed();
    region.autoScaling.updateGroup('web', { minSize: 1 });
    expect(await run('drain', first, second, '--decrement', '--yes')).toEqual({
      status: 1,
      stdout: `The group web cannot get smaller by 2: its desired capacity is 2, and its minimum size 1. Lower the minimum size, or leave out --decrement.
${first}, ${second} are left alone.
`,
      stderr: '',
    });
    expect(changes()).toEqual([]);
    expect((await run('drain', first, '--decrement', '--yes')).status).toBe(0);
  });

  it('says that the group launches no other instance while that is suspended', async () => {
    const { type, first, region } = await deployed();
    region.autoScaling.suspendProcesses('web', ['Launch']);
    expect((await type(['n'], 'drain', first)).stdout).toContain(
      'The group launches none in its place, because its process Launch is suspended.',
    );
  });

  it('looks again after the yes: the hook may be gone', async () => {
    const { runIn, first, region, changes } = await deployed();
    const typed = async function* () {
      region.autoScaling.deleteLifecycleHook('web', 'ecs-drain');
      yield 'y\n';
    };
    const stdin = Object.assign(Readable.from(typed()), { isTTY: true });
    const { status, stdout } = await runIn({ columns: 1_000, stdin }, 'drain', first);
    expect({ status, stdout }).toEqual({
      status: 1,
      stdout: expect.stringMatching(/Terminate 1 instance\? \[y\/N\] The group web has no terminating hook of ours/),
    });
    expect(changes()).toEqual([]);
  });

  it('leaves all of them alone where one cannot be drained', async () => {
    const { run, first, second, region, changes } = await deployed();
    region.autoScaling.terminateInstance(first);
    const { status, stdout } = await run('drain', second, first, 'i-0123456789abcdef0', '--yes');
    expect(status).toBe(1);
    expect(
      stdout,
    ).toBe(`${first} is Terminating:Wait in the group web, not InService. npx ecs-drain explain ${first} says more.
i-0123456789abcdef0 is in no Auto Scaling group of this account and Region: nothing would hold it.
${second}, ${first}, i-0123456789abcdef0 are left alone.
`);
    expect(changes()).toEqual([]);
  });

  it('says which instances were terminated before a call was denied', async () => {
    const { json, first, second, fail } = await deployed();
    let calls = 0;
    fail((call) => (call.operation.startsWith('Terminate') && ++calls > 1 ? denying(call.operation)(call) : undefined));
    const { status, answer } = await json('drain', first, second, '--yes');
    expect(status).toBe(1);
    expect(answer).toMatchObject({
      instances: [{ state: 'terminating' }, { state: 'left alone' }],
      failure: expect.stringMatching(/^Could not terminate i-.*not authorized/),
    });
  });

  it('terminates nothing where it may not leave the note', async () => {
    const { run, first, fail, changes } = await deployed();
    fail(denying('Invoke'));
    const { status, stderr } = await run('drain', first, '--yes', '--message', 'new kernel');
    expect(status).toBe(2);
    expect(stderr).toMatch(/^Could not try whether you may invoke ecs-drain-main-drain: .*not authorized/);
    expect(changes()).toEqual(['Invoke']);
  });

  it.each([
    [
      ['--message', 'x'.repeat(257)],
      '--message takes 1 to 256 characters, without line breaks and control characters.',
    ],
    [
      ['--message', 'red \u001b[31malert'],
      '--message takes 1 to 256 characters, without line breaks and control characters.',
    ],
    [['--timeout', '1h'], '--timeout is how long --wait waits: add --wait, or leave out --timeout.'],
    [['--wait', '--timeout', 'soon'], '--timeout soon is not a time such as 90s, 45m, 2h or 1d.'],
    [['web-1'], 'web-1 is not the id of an EC2 instance, such as i-0123456789abcdef0.'],
  ])('refuses %j before it asks AWS for anything', async (args, sentence) => {
    const { run, first, region } = await deployed();
    const before = region.calls.length;
    expect(await run('drain', first, '--yes', ...args)).toEqual({ status: 2, stdout: '', stderr: `${sentence}\n` });
    expect(region.calls.length).toBe(before);
  });
});
