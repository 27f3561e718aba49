import { describe, expect, it } from 'vitest';
import { AwsError } from '../../sandbox/region/aws-error.ts';
import { deployedRegion, type World } from './deployed-region.ts';

const OPERATOR = 'arn:aws:iam::123456789012:user/local';

/** A Region in which the drain of the first instance has been parked for a while. */
async function draining(world: World = {}) {
  const all = await deployedRegion(world);
  const { region, instanceIds, pass } = all;
  const [first = '', second = ''] = instanceIds;
  region.autoScaling.terminateInstance(first);
  const told: { readonly detail: Record<string, unknown> }[] = [];
  const pattern = { 'detail-type': ['ECS Drain Finished'] };
  region.eventBridge.putRule({ name: 'finished', pattern, target: (event) => void told.push(event as never) });
  await pass(60);
  return { ...all, first, second, told };
}

const denying = (operation: string) => (call: { readonly operation: string }) =>
  call.operation === operation
    ? new AwsError('AccessDeniedException', `User: me is not authorized to perform: ${operation}`, 403)
    : undefined;

/** Someone else completes the action between a look and the call. */
const completed = ({ operation }: { readonly operation: string }) =>
  operation === 'CompleteLifecycleAction'
    ? new AwsError('ValidationError', 'No active Lifecycle Action found with instance ID i-00000000000000001', 400)
    : undefined;

describe('ecs-drain extend', () => {
  it('sets the deadline of one drain, counted from now, and says what it was', async () => {
    const { run, json, first, told, pass } = await draining();
    expect(await run('extend', first, '--deadline', '4h', '--message', 'migration')).toEqual({
      status: 0,
      stdout: `The drain of ${first} ends at 2026-01-01T04:06:00Z, in 4 h, at the latest (it was 2026-01-01T02:05:00Z).\n`,
      stderr: '',
    });
    expect((await json('status')).answer.drains).toMatchObject([
      { deadlineAt: '2026-01-01T04:06:00Z', notes: [{ by: OPERATOR, message: 'migration' }] },
    ]);
    expect((await run('explain', first)).stdout).toContain(
      '  operator    local set the deadline to 2026-01-01T04:06:00Z 0 s ago: migration\n',
    );
    expect(await json('extend', first, '--deadline', '90m', '--yes')).toMatchObject({
      status: 0,
      answer: { instanceId: first, deadlineAt: '2026-01-01T01:36:00Z', before: '2026-01-01T04:06:00Z' },
    });
    await pass(900);
    const notes = [
      { by: OPERATOR, message: 'migration', deadlineAt: expect.stringMatching(/^2026-01-01T04:06:00/) },
      { by: OPERATOR, deadlineAt: expect.stringMatching(/^2026-01-01T01:36:00/) },
    ];
    expect(told).toMatchObject([{ detail: { outcome: 'drained', notes } }]);
  });

  it('asks before it sets an earlier deadline, because tasks may be killed sooner', async () => {
    const { run, type, first, json } = await draining();
    expect(await run('extend', first, '--deadline', '30s')).toEqual({
      status: 2,
      stdout: '',
      stderr:
        'extend --deadline 30s, which is before the deadline now, asks before it acts, and no one can be asked here: add --yes to act without a question.\n',
    });
    const { status, stdout } = await type(['no'], 'extend', first, '--deadline', '30s');
    expect(stdout).toContain('are killed with it unless they stop before: 2 tasks: service:web DEACTIVATING (2).');
    expect(stdout).toContain('End its drain in 30s, if tasks are left? [y/N] Nothing was done.');
    expect(status).toBe(1);
    expect((await json('status')).answer.drains).toMatchObject([{ deadlineAt: '2026-01-01T02:05:00Z' }]);
  });

  it('ends a drain now, after naming the tasks that are killed', async () => {
    const { type, first, region, pass } = await draining();
    const { status, stdout } = await type(['yes'], 'extend', first, '--deadline', 'now');
    expect(stdout).toBe(
      `These tasks hold ${first}, and are killed with it: 2 tasks: service:web DEACTIVATING (2). End its drain now? [y/N] ` +
        `The drain of ${first} has ended: timed-out, with 2 tasks that had not stopped.\n`,
    );
    expect(status).toBe(0);
    await pass(120);
    expect(region.killedTasks).toHaveLength(2);
  });

  it.each<[string, World, string[], RegExp]>([
    [
      'a deadline beyond what the hook allows',
      { hooks: [{ heartbeatTimeoutSeconds: 60 }] },
      ['--deadline', '2h'],
      /^The hook ecs-drain does not hold i-\w+ for so long: choose 1 h 35 min \(--deadline 95m\) or less\.\n$/,
    ],
    [
      'a drain that waits in the queue',
      { params: { waiting: 'watch' } },
      ['--deadline', '2h'],
      /waits in the event queue \(waiting=watch\), where no one can reach it/,
    ],
  ])('refuses %s, and changes nothing', async (_, world, args, sentence) => {
    const { run, json, first } = await draining(world);
    const before = (await json('status')).answer.drains;
    const { status, stdout } = await run('extend', first, ...args);
    expect({ status, stdout }).toEqual({ status: 1, stdout: expect.stringMatching(sentence) });
    expect((await json('status')).answer.drains).toMatchObject(
      before.map(({ deadlineAt }: { deadlineAt: string }) => ({ deadlineAt })),
    );
  });

  it('says that the tasks are not known before it ends a drain of which ECS says nothing', async () => {
    const { type, first, fail } = await draining();
    fail(denying('ListContainerInstances'));
    const { stdout } = await type(['n'], 'extend', first, '--deadline', 'now');
    expect(stdout).toMatch(
      /^Which tasks hold i-\w+ is not known, and those that do are killed with it: Could not find .* End its drain now\? /,
    );
  });

  it('does not count as 0 what may have been killed with an instance that someone else let go', async () => {
    const { json, first, fail } = await draining();
    fail(completed);
    const { answer } = await json('extend', first, '--deadline', 'now', '--yes');
    expect(answer).toMatchObject({ outcome: 'already-completed' });
    expect(answer).not.toHaveProperty('killedTasks');
  });

  it('says that the schedule could not be read, and not that there is none', async () => {
    const { run, first, fail } = await draining();
    fail(denying('GetSchedule'));
    expect(await run('extend', first, '--deadline', '4h')).toMatchObject({
      status: 1,
      stdout: expect.stringMatching(/^Could not read the schedule i-\w+-\w+: .*not authorized/),
    });
  });

  it('refuses an instance that has no drain, or whose drain has ended meanwhile', async () => {
    const { run, first, second, pass } = await draining();
    const other = await run('extend', second, '--deadline', '4h');
    expect(other).toMatchObject({
      status: 1,
      stdout: expect.stringMatching(/has no drain whose deadline could be set: in the group web it is InService\./),
    });
    await pass(900);
    expect(await run('extend', first, '--deadline', '4h')).toMatchObject({
      status: 1,
      stdout: expect.stringContaining('has no drain whose deadline could be set: it is in no group.'),
    });
  });

  it('says which call is not permitted, and changes nothing', async () => {
    for (const operation of ['GetCallerIdentity', 'Invoke']) {
      const { run, json, first, fail } = await draining();
      fail(denying(operation));
      const { status, stderr } = await run('extend', first, '--deadline', '4h');
      expect({ status, stderr }).toEqual({
        status: 2,
        stderr: expect.stringContaining(`not authorized to perform: ${operation}`),
      });
      expect((await json('status')).answer.drains).toMatchObject([{ deadlineAt: '2026-01-01T02:05:00Z' }]);
    }
  });

  it.each([
    [['--deadline', 'tomorrow'], '--deadline tomorrow is not a time such as 90s, 45m, 2h or 1d.'],
    [['--deadline', '49h'], '--deadline 49h is longer than 48 h, for which Auto Scaling holds an instance at most.'],
    [
      ['--deadline', 'now'],
      'extend --deadline now asks before it acts, and no one can be asked here: add --yes to act without a question.',
    ],
    [[], "Required option '--deadline <time>' not specified. npx ecs-drain --help lists the commands."],
  ])('refuses %j before it asks AWS for anything', async (args, sentence) => {
    const { run, first, region } = await draining();
    const before = region.calls.length;
    expect(await run('extend', first, ...args)).toEqual({ status: 2, stdout: '', stderr: `${sentence}\n` });
    expect(region.calls.length).toBe(before);
  });
});

describe('ecs-drain release', () => {
  it('names the tasks that are killed, and completes the lifecycle action', async () => {
    const { type, first, region, pass, told } = await draining();
    const { status, stdout } = await type(['y'], 'release', first, '--message', 'host is broken');
    expect(status).toBe(0);
    expect(stdout).toBe(`These tasks hold ${first}, and are killed with it: 2 tasks
  service:web DEACTIVATING (2)
Let ${first} go now? [y/N] The hook ecs-drain lets ${first} go.
`);
    await pass(300);
    expect(region.killedTasks).toHaveLength(2);
    expect(told).toMatchObject([
      { detail: { outcome: 'already-completed', notes: [{ by: OPERATOR, message: 'host is broken' }] } },
    ]);
  });

  it.each(['ListContainerInstances', 'DescribeContainerInstances', 'ListTasks', 'DescribeTasks'])(
    'says that the tasks are not known where AWS denies %s, and lets the instance go if its operator wants',
    async (operation) => {
      const { type, first, fail, region } = await draining();
      fail(denying(operation));
      const { status, stdout } = await type(['n'], 'release', first);
      expect({ status, stdout }).toEqual({
        status: 1,
        stdout: expect.stringMatching(
          /^Which tasks hold i-\w+ is not known, and those that do are killed with it: Could not .*\nLet i-\w+ go now\? \[y\/N\] Nothing was done\.\n$/,
        ),
      });
      expect(region.autoScaling.completions).toEqual([]);
      expect(await type(['y'], 'release', first)).toMatchObject({ status: 0 });
    },
  );

  it('leaves a drain that wait waits for, though the instance is gone before the drain knows of it', async () => {
    const { run, json, first, pass } = await draining();
    await run('release', first, '--yes');
    await pass(20);
    const { status, answer } = await json('wait', first);
    expect({ status, answer }).toMatchObject({ status: 1, answer: { drains: [{ outcome: 'already-completed' }] } });
    // How many tasks were killed with it is not known.
    expect(answer.drains[0]).not.toHaveProperty('killedTasks');
  });

  it('needs no function where no note is left', async () => {
    const { json, first, fail } = await draining();
    fail(denying('Invoke'));
    expect(await json('release', first, '--yes')).toMatchObject({
      status: 0,
      answer: { instanceId: first, state: 'released' },
    });
  });

  it('releases nothing where the note cannot be left', async () => {
    const { run, first, fail, region } = await draining();
    fail(denying('Invoke'));
    const { status, stderr } = await run('release', first, '--yes', '--message', 'host is broken');
    expect({ status, stderr }).toEqual({
      status: 2,
      stderr: expect.stringContaining('not authorized to perform: Invoke'),
    });
    expect(region.autoScaling.completions).toEqual([]);
  });

  it('leaves no note about a release that failed', async () => {
    const { run, json, first, fail } = await draining();
    fail(denying('CompleteLifecycleAction'));
    expect(await run('release', first, '--yes', '--message', 'host is broken')).toMatchObject({
      status: 1,
      stdout: expect.stringMatching(/\nCould not complete .*CompleteLifecycleAction/),
    });
    expect((await json('status')).answer.drains[0]).not.toHaveProperty('notes');
  });

  it('never acts without a yes', async () => {
    const { run, type, first, region } = await draining();
    expect(await run('release', first)).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/^release asks before it acts/),
    });
    expect(await type([], 'release', first)).toMatchObject({
      status: 1,
      stdout: expect.stringMatching(/Nothing was done\.\n$/),
    });
    expect(region.autoScaling.completions).toEqual([]);
  });

  it('says that no hook of ours holds an instance, or that its drain has ended meanwhile', async () => {
    const { run, first, second, fail } = await draining();
    expect(await run('release', second, '--yes')).toMatchObject({
      status: 1,
      stdout: `No hook of ours holds ${second}: in the group web it is InService.\n`,
    });
    fail(completed);
    expect(await run('release', first, '--yes')).toMatchObject({
      status: 1,
      stdout: expect.stringMatching(/has ended meanwhile: its lifecycle action was already completed\.\n$/),
    });
  });

  it('completes all of our hooks, and names them', async () => {
    const { run, first } = await draining({
      params: { lifecycleHook: 'ecs-drain,second', createLifecycleHooks: false },
      hooks: [{}, { name: 'second' }, { name: 'backup' }],
      termination: ['ecs-drain', 'second'],
    });
    expect((await run('release', first, '--yes')).stdout).toMatch(
      /The hooks (ecs-drain and second|second and ecs-drain) let i-\w+ go\. The hook backup may hold it still: it is not ours\.\n$/,
    );
  });

  it('leaves an instance alone that only another hook holds', async () => {
    const { run, first, region } = await draining({ hooks: [{ name: 'backup' }] });
    expect(await run('release', first, '--yes')).toMatchObject({
      status: 1,
      stdout: `None of our hooks (ecs-drain) holds ${first}, but another's (backup): its owner has to let it go.\n`,
    });
    expect(region.autoScaling.completions).toEqual([]);
  });
});

describe('ecs-drain wait', () => {
  it('shows what holds the instance, and exits 0 when it is drained', async () => {
    const { run, first } = await draining();
    const { status, stdout } = await run('wait', first);
    expect(status).toBe(0);
    expect(stdout).toMatch(new RegExp(`^2026-01-01T00:06:00Z ${first}: 2 tasks: service:web DEACTIVATING \\(2\\)\n`));
    expect(stdout).toMatch(new RegExp(`Z ${first} drained in 5 min 3\\d s\\.\n$`));
    // A drain that has ended before is not waited for.
    expect(await run('wait', first)).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('drained in 5 min 3'),
    });
  });

  it("has the clock of AWS, where that runs faster than this machine's", async () => {
    const { run, first, region } = await draining({ speed: 30 });
    const { stdout } = await run('wait', first);
    const times = stdout.match(/^2026-01-01T00:\d\d:\d\dZ/gm) ?? [];
    const [begun = '', ended = ''] = [times[0], times.at(-1)];
    expect(begun).toBe('2026-01-01T00:06:00Z');
    // It looks again after five seconds of this machine, which are 150 of AWS.
    expect(Date.parse(ended)).toBeGreaterThan(Date.parse(begun) + 250_000);
    expect(Math.abs(Date.parse(ended) - region.time.nowMs())).toBeLessThan(2_000);
    const late = await draining({ speed: 30 });
    expect(await late.run('wait', late.first, '--timeout', '1m')).toMatchObject({ status: 3 });
    expect(late.region.time.nowMs()).toBeLessThan(Date.parse('2026-01-01T00:09:00Z'));
  });

  it('exits 1 after another outcome, and says why', async () => {
    const { run, json, first, told } = await draining();
    await run('extend', first, '--deadline', '60s', '--yes');
    const { status, answer } = await json('wait', first);
    expect({ status, answer }).toMatchObject({
      status: 1,
      answer: {
        drains: [
          {
            state: 'finished',
            outcome: 'timed-out',
            killedTasks: 2,
            sentence: expect.stringContaining('as timed-out with 2 tasks left: Timed out'),
          },
        ],
      },
    });
    expect(told).toHaveLength(1);
  });

  it('goes on after calls that AWS did not answer, and says so', async () => {
    const { run, first, fail } = await draining();
    let calls = 0;
    fail(({ operation }) =>
      operation === 'DescribeAutoScalingInstances' && ++calls > 3 && calls < 9
        ? new AwsError('ServiceUnavailable', 'down', 503)
        : undefined,
    );
    const { status, stdout } = await run('wait', first);
    expect({ status, stdout }).toEqual({
      status: 0,
      stdout: expect.stringMatching(
        /Z Could not find the groups of i-\w+: .*down\.\n(.*\n)*.* drained in 5 min 3\d s\.\n$/,
      ),
    });
  });

  it('exits 3 when the time is over, and leaves the drain alone', async () => {
    const { run, first, region } = await draining();
    const { status, stdout } = await run('wait', first, '--timeout', '30s');
    expect(status).toBe(3);
    expect(stdout).toContain(`The drain of ${first} is still in progress after 30 s.`);
    expect(region.autoScaling.completions).toEqual([]);
  });

  it('ends with our drain where another hook holds the instance for longer, whenever it is begun', async () => {
    const { run, first, region } = await draining({ hooks: [{}, { name: 'backup', heartbeatTimeoutSeconds: 2400 }] });
    for (let i = 0; i < 2; i += 1) {
      expect(await run('wait', first)).toMatchObject({
        status: 0,
        stdout: expect.stringContaining('drained in 5 min 3'),
      });
      expect(region.autoScaling.completions).toMatchObject([{ by: 'completion' }]);
    }
  });

  it.each<[string, World, RegExp]>([
    [
      'is of another group',
      { params: { autoScalingGroups: 'batch' } },
      /i-\w+ is in the group web, which is not among autoScalingGroups \(batch\): ecs-drain does not drain it\.\n$/,
    ],
    [
      'only another hook holds',
      { hooks: [{ name: 'backup' }] },
      /None of our hooks \(ecs-drain\) is on group web: another hook holds i-\w+ \(backup\)\.\n$/,
    ],
  ])('does not wait for an instance that %s', async (_, world, sentence) => {
    const { run, first } = await draining(world);
    expect(await run('wait', first)).toEqual({ status: 1, stdout: expect.stringMatching(sentence), stderr: '' });
  });

  it('says that the tasks are not known as long as ECS does not answer', async () => {
    const { run, first, fail } = await draining();
    fail(denying('ListContainerInstances'));
    const { stdout } = await run('wait', first, '--timeout', '10s');
    expect(stdout).toMatch(/^2026-01-01T00:06:00Z i-\w+: tasks not known\n/);
    expect(stdout).not.toContain('no tasks');
  });

  it('does not take an instance for one that is not draining where the schedules cannot be listed', async () => {
    const { run, second, fail } = await draining();
    fail(denying('ListSchedules'));
    const { status, stdout } = await run('wait', second);
    expect({ status, stdout }).toEqual({
      status: 1,
      stdout: expect.stringMatching(/How the drain of i-\w+ stands is not known: Could not list the schedules /),
    });
  });

  it('says that an instance is not draining', async () => {
    const { run, second } = await draining();
    const { status, stdout } = await run('wait', second);
    expect({ status, stdout }).toEqual({
      status: 1,
      stdout: expect.stringContaining(`${second} is not draining, and no drain of it has ended recently.`),
    });
  });
});
