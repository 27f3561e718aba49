import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { UpdateScheduleInput } from '@aws-sdk/client-scheduler';
import { describe, expect, it, onTestFinished } from 'vitest';
import { AwsError } from '../../sandbox/region/aws-error.ts';
import { roleFor } from '../../sandbox/region/iam/api.ts';
import { SDK_BOUNDS } from '../../src/adapters/aws-call.ts';
import { deployedRegion, FUNCTION, run, WAKE_UPS, type World } from './deployed-region.ts';

/** Drains when EC2 takes a Spot instance, too. */
const ON_NOTICE: World = {
  params: { spotInterruptions: true },
  rules: ['continuation', ...WAKE_UPS, 'spot-interruption'],
};
const STARTED = '2026-01-01T00:05:00Z';

describe('ecs-drain status', () => {
  it('says in a sentence that nothing is draining', async () => {
    const { run, json } = await deployedRegion();
    expect(await run('status')).toEqual({
      status: 0,
      stdout: 'Nothing is draining: Auto Scaling holds no instance of web.\n',
      stderr: '',
    });
    expect((await json('status')).answer).toEqual({
      function: FUNCTION,
      at: STARTED,
      missingGroups: [],
      queue: { waiting: 0, received: 0, delayed: 0 },
      remarks: [],
      failures: [],
      drains: [],
    });
  });

  it('names a group that Auto Scaling does not have, instead of saying that nothing of it is held', async () => {
    const { region, instanceIds, pass, json, run } = await deployedRegion({ params: { autoScalingGroups: 'webb' } });
    region.autoScaling.terminateInstance(instanceIds[0] ?? '');
    await pass(60);
    expect(await run('status')).toEqual({
      status: 1,
      stdout: 'Auto Scaling has no group webb: fix it in autoScalingGroups, and deploy again.\n',
      stderr: '',
    });
    expect(await json('status')).toMatchObject({ status: 1, answer: { missingGroups: ['webb'], drains: [] } });
  });

  it('shows the drains of groups that a pattern chooses, as explain does', async () => {
    const params = { autoScalingGroups: 'w*b', createLifecycleHooks: false };
    const { region, instanceIds, pass, json } = await deployedRegion({ params });
    const [instanceId = ''] = instanceIds;
    region.autoScaling.terminateInstance(instanceId);
    await pass(100);
    expect(await json('status')).toMatchObject({
      status: 0,
      answer: { missingGroups: [], drains: [{ instanceId, autoScalingGroup: 'web', parked: true }] },
    });
    expect(await json('explain', instanceId)).toMatchObject({ answer: { autoScalingGroup: 'web', state: 'draining' } });
  });

  it('shows a parked drain since when, what holds it, when it is looked at, its deadline and its heartbeat', async () => {
    const { region, instanceIds, pass, json, run } = await deployedRegion();
    region.autoScaling.terminateInstance(instanceIds[0] ?? '');
    await pass(100);
    const { status, answer } = await json('status');
    expect(status).toBe(0);
    expect(answer.drains).toMatchObject([
      {
        instanceId: instanceIds[0],
        autoScalingGroup: 'web',
        lifecycleHook: 'ecs-drain',
        since: STARTED,
        deadlineAt: '2026-01-01T02:05:00Z',
        parked: true,
        heartbeat: { count: 0, lastAt: STARTED, dueAt: '2026-01-01T00:35:00Z', timesOutAt: '2026-01-01T01:05:00Z' },
        containerInstances: [{ cluster: 'prod', status: 'DRAINING', agentConnected: true }],
        holdingTasks: [
          { group: 'service:web', class: 'service' },
          { group: 'service:web', class: 'service' },
        ],
        remarks: [],
      },
    ]);
    const nextLookSeconds = (Date.parse(answer.drains[0].nextLookAt) - region.time.nowMs()) / 1000;
    expect(nextLookSeconds).toBeGreaterThan(0);
    expect(nextLookSeconds).toBeLessThan(540);

    const { stdout } = await run('status');
    for (const words of [
      instanceIds[0],
      'group web',
      'prod: DRAINING',
      '2 tasks',
      'service:web',
      '1 min 40 s ago',
      'in 1 h 58 min',
    ]) {
      expect(stdout).toContain(words);
    }
  });

  it('shows what waits in the event queue', async () => {
    const { region, instanceIds, events, pass, json, run } = await deployedRegion({ mapping: null });
    region.autoScaling.terminateInstance(instanceIds[0] ?? '');
    events.send('{}', 60);
    await pass(1);
    const waiting = events.counts.visible;
    expect(waiting).toBeGreaterThan(0);
    events.receive(1, 30);
    const queue = { waiting: waiting - 1, received: 1, delayed: 1 };
    expect((await json('status')).answer).toMatchObject({ queue });
    expect((await run('status')).stdout).toContain(
      `The event queue has about ${queue.waiting} messages waiting, 1 with the function, and 1 delayed`,
    );
  });

  it('shows all else where SQS does not answer', async () => {
    const { region, instanceIds, pass, json, fail } = await deployedRegion();
    region.autoScaling.terminateInstance(instanceIds[0] ?? '');
    await pass(60);
    fail(({ service }) => (service === 'sqs' ? new AwsError('AccessDenied', 'not authorized', 403) : undefined));
    const { status, answer } = await json('status');
    expect(status).toBe(1);
    expect(answer).toMatchObject({ drains: [{ parked: true, failures: [] }] });
    expect(answer).not.toHaveProperty('queue');
    expect(answer.failures).toEqual([expect.stringContaining('Could not read the attributes of the queue events')]);
  });

  it('finds all instances that are held with one search', async () => {
    const { region, instanceIds, pass, json } = await deployedRegion({ instances: 3 });
    for (const instanceId of instanceIds) region.autoScaling.terminateInstance(instanceId);
    await pass(60);
    const before = region.calls.length;
    const { answer } = await json('status');
    expect(answer.drains.map(({ parked }: { parked: boolean }) => parked)).toEqual([true, true, true]);
    const asked = region.calls.slice(before).map(({ operation }) => operation);
    const made = (operation: string) => asked.filter((each) => each === operation).length;
    expect([made('DescribeContainerInstances'), made('DescribeLifecycleHooks')]).toEqual([1, 1]);
    expect(made('ListContainerInstances')).toBe(2); // the second for instances that stay in service
  });

  it('shows the drain for each of our hooks that hold one instance; explain and history name the hooks', async () => {
    const names = ['ecs-drain', 'fourth', 'second', 'third'];
    const { region, instanceIds, pass, json, run } = await deployedRegion({
      params: { lifecycleHook: names.join(','), createLifecycleHooks: false },
      hooks: [{}, { name: 'second' }, { name: 'third' }, { name: 'fourth' }],
      termination: names,
    });
    const [first = ''] = instanceIds;
    region.autoScaling.terminateInstance(first);
    await pass(60);
    const hooksOf = (drains: readonly { readonly lifecycleHook: string }[]) =>
      drains.map(({ lifecycleHook }) => lifecycleHook).toSorted();
    expect(hooksOf((await json('status')).answer.drains)).toEqual(names);
    const { stdout } = await run('status');
    for (const hook of names) expect(stdout).toMatch(new RegExp(`│ group web, hook ${hook} +│`));
    const { remarks } = (await json('explain', first)).answer;
    expect(remarks).toEqual([expect.stringMatching(/^It has a drain for the hooks \S+, \S+ and \S+ as well\.$/)]);

    await pass(600);
    expect(hooksOf((await json('history')).answer.drains)).toEqual(names);
    const past = (await run('history')).stdout;
    for (const hook of names) expect(past).toMatch(new RegExp(`│ group web, hook ${hook} +│`));
  });

  it('shows the deadline that the drain keeps, though someone has edited its hook since', async () => {
    const { region, instanceIds, pass, json } = await deployedRegion({
      hooks: [{ notificationMetadata: '{"deadlineSeconds": 900}' }],
    });
    region.autoScaling.terminateInstance(instanceIds[0] ?? '');
    await pass(120);
    const hook = {
      name: 'ecs-drain',
      group: 'web',
      heartbeatTimeoutSeconds: 3_600,
      defaultResult: 'CONTINUE',
    } as const;
    region.autoScaling.putLifecycleHook({ ...hook, notificationMetadata: '{"deadlineSeconds": 7000}' });
    expect((await json('status')).answer).toMatchObject({ drains: [{ deadlineAt: '2026-01-01T00:20:00Z' }] });
  });

  it('notes a drain that is parked though its lifecycle action was completed', async () => {
    const { region, instanceIds, pass, json } = await deployedRegion({ rules: ['termination'] });
    const [first = ''] = instanceIds;
    region.autoScaling.terminateInstance(first);
    await pass(60);
    await region.ask('autoscaling', 'CompleteLifecycleAction', {
      AutoScalingGroupName: 'web',
      LifecycleHookName: 'ecs-drain',
      InstanceId: first,
      LifecycleActionResult: 'CONTINUE',
    });
    await pass(10);
    const { status, answer } = await json('status');
    expect(status).toBe(0);
    expect(answer.drains).toEqual([]);
    expect(answer.remarks).toEqual([
      expect.stringMatching(
        `^Auto Scaling does not hold ${first} any more, and its drain is parked: it ends at its next look; \\d tasks held the instance when it was seen last, .* ago; it is not known whether they had stopped\\.$`,
      ),
    ]);
  });

  it('shows an instance that is held and has no drain, since when by the group’s activities', async () => {
    const { region, instanceIds, pass, json } = await deployedRegion({ rules: [] });
    region.autoScaling.terminateInstance(instanceIds[0] ?? '');
    await pass(60);
    const { answer } = await json('status');
    expect(answer.drains).toMatchObject([
      {
        parked: false,
        since: STARTED,
        deadlineAt: '2026-01-01T02:05:00Z',
        containerInstances: [{ status: 'ACTIVE' }],
        remarks: [expect.stringContaining('No schedule holds its drain')],
      },
    ]);
    expect(answer.drains[0]).not.toHaveProperty('heartbeat');
  });

  it('shows a drain on a notice of EC2, which no group holds', async () => {
    const { region, instanceIds, pass, json, run } = await deployedRegion(ON_NOTICE);
    region.autoScaling.interruptSpotInstance(instanceIds[0] ?? '');
    await pass(30);
    const { status, answer } = await json('status');
    expect(status).toBe(0);
    expect(answer.drains).toMatchObject([
      {
        instanceId: instanceIds[0],
        notice: 'spot-interruption',
        since: STARTED,
        deadlineAt: '2026-01-01T00:06:55Z',
        parked: true,
        containerInstances: [{ status: 'DRAINING' }],
        holdingTasks: [{ group: 'service:web' }, { group: 'service:web' }],
        remarks: [],
      },
    ]);
    expect(answer.drains[0]).not.toHaveProperty('autoScalingGroup');
    const { stdout } = await run('status');
    for (const words of ['on a spot-interruption', 'none: nothing is held']) expect(stdout).toContain(words);
    for (const words of ['Nothing is draining', 'if our hook holds it']) expect(stdout).not.toContain(words);
  });

  it('notes container instances that are DRAINING and that it knows no drain of', async () => {
    const { region, instanceIds, pass, json, run } = await deployedRegion({ ...ON_NOTICE, rules: [] });
    for (const registration of region.ecs.registrationsOf(instanceIds[0] ?? '')) {
      region.ecs.setInstanceStatus(registration, 'DRAINING');
    }
    await pass(1);
    expect((await json('status')).answer).toMatchObject({
      drains: [],
      remarks: [expect.stringMatching(/^In prod 1 container instance is DRAINING \(\w+\), and neither held/)],
    });
    const { stdout } = await run('status');
    expect(stdout).toContain('1 container instance is DRAINING');
    expect(stdout).not.toContain('Nothing is draining');
  });

  it('facts 15 agent-connection: says of what is left of a terminated instance that its agent is disconnected', async () => {
    const { region, instanceIds, pass, json } = await deployedRegion(ON_NOTICE);
    const [id = ''] = instanceIds;
    region.autoScaling.interruptSpotInstance(id);
    await pass(60);
    region.ecs.setAgentConnected(id, false);
    await pass(3_600);
    expect(region.terminated).toContain(id);
    expect(region.ecs.registrationsOf(id)).toMatchObject([{ status: 'DRAINING', agentConnected: false }]);
    expect([...region.scheduler.pending()]).toEqual([]);
    const { status, answer } = await json('status');
    expect([status, answer.drains]).toEqual([0, []]);
    expect(answer.remarks).toEqual([
      expect.stringMatching(
        /^In prod 1 container instance is DRAINING \(\w+\), .* its agent is disconnected\. ECS keeps/,
      ),
    ]);
  });

  it('shows an instance that waits for the replacement of its root volume, and afterwards that it is given back', async () => {
    const { region, instanceIds, pass, json, run } = await deployedRegion({
      rules: ['termination', 'continuation', ...WAKE_UPS], // no sweep: nothing gives it back
      instances: 1,
      services: [],
      agentDataSurvives: true,
    });
    const [first = ''] = instanceIds;
    region.autoScaling.startInstanceRefresh('web', { minHealthyPercentage: 90 }, 'ReplaceRootVolume');
    await pass(5);
    expect((await json('status')).answer.drains).toMatchObject([
      { instanceId: first, autoScalingGroup: 'web', lifecycleHook: 'ecs-drain', since: '2026-01-01T00:05:00Z' },
    ]);
    expect((await run('explain', first)).stdout).toContain(`${first} is draining: the group web holds it`);
    await pass(600);
    const given = /ecs-drain has set it to DRAINING and marked it: the sweep sets it to ACTIVE/;
    expect((await run('explain', first)).stdout).toMatch(given);
    expect((await json('status')).answer).toMatchObject({ drains: [], remarks: [expect.stringMatching(given)] });
  });

  it('takes no notice, for instances that are given back, of a cluster that does not exist', async () => {
    const { json } = await deployedRegion({ params: { cluster: 'prod,retired' } });
    expect((await json('status')).answer).toMatchObject({ drains: [], failures: [] });
  });

  it('notes that a drain should have continued, when its schedule came and nothing followed', async () => {
    const { region, instanceIds, pass, json } = await deployedRegion({
      rules: ['termination'],
      services: [{ name: 'web', maximumPercent: 100 }],
    });
    region.autoScaling.terminateInstance(instanceIds[0] ?? '');
    await pass(60);
    region.roles.set('parking', roleFor('scheduler.amazonaws.com'));
    await pass(900);
    const [drain] = (await json('status')).answer.drains;
    expect(drain.remarks).toEqual([expect.stringMatching(/^Its drain should have continued \d min \d+ s ago/)]);
  });

  it('notes that another hook holds the instance where none of ours is on the group', async () => {
    const { region, instanceIds, pass, json } = await deployedRegion({ hooks: [{ name: 'another' }] });
    region.autoScaling.terminateInstance(instanceIds[0] ?? '');
    await pass(60);
    const [drain] = (await json('status')).answer.drains;
    expect(drain.remarks).toEqual(['None of our hooks (ecs-drain) is on group web: another hook holds the instance.']);
    expect(drain).not.toHaveProperty('deadlineAt');
  });

  it('notes what cannot be seen of drains that wait in the queue', async () => {
    const { region, instanceIds, pass, json } = await deployedRegion({ params: { waiting: 'watch' } });
    region.autoScaling.terminateInstance(instanceIds[0] ?? '');
    await pass(60);
    const [drain] = (await json('status')).answer.drains;
    expect(drain).toMatchObject({ since: STARTED, parked: false, containerInstances: [{ status: 'DRAINING' }] });
    expect(drain.remarks).toEqual([expect.stringContaining('waits in the event queue')]);
  });

  it.each(['ListContainerInstances', 'ListTasks'])(
    'does not say that no task holds an instance where AWS denies %s, nor does explain',
    async (operation) => {
      const { region, instanceIds, pass, json, run, fail } = await deployedRegion();
      const [first = ''] = instanceIds;
      region.autoScaling.terminateInstance(first);
      await pass(60);
      fail((call) => (call.operation === operation ? new AwsError('AccessDeniedException', 'no', 403) : undefined));
      const { status, answer } = await json('status');
      expect(status).toBe(1);
      expect(answer.drains).toMatchObject([{ failures: [expect.stringMatching(/^Could not /)] }]);
      expect(answer.drains[0]).not.toHaveProperty('holdingTasks');
      expect((await run('status')).stdout).toMatch(/│ not known +│/);
      const explained = await run('explain', first);
      expect(explained).toMatchObject({
        status: 1,
        stdout: expect.stringMatching(/\n\nWhich tasks hold it is not known\.\n$/),
      });
    },
  );

  it('shows what it can of a drain whose schedule it may not read', async () => {
    const { region, instanceIds, pass, json, run, fail } = await deployedRegion();
    region.autoScaling.terminateInstance(instanceIds[0] ?? '');
    await pass(60);
    fail(({ operation }) =>
      operation === 'GetSchedule' ? new AwsError('AccessDeniedException', 'not authorized', 403) : undefined,
    );
    const { status, answer } = await json('status');
    expect(status).toBe(1);
    expect(answer.drains).toMatchObject([
      {
        instanceId: instanceIds[0],
        since: STARTED,
        deadlineAt: '2026-01-01T02:05:00Z',
        parked: false,
        holdingTasks: [{ group: 'service:web' }, { group: 'service:web' }],
        remarks: [],
        failures: [
          expect.stringMatching(
            /^Could not read the schedule i-\w+-\w+: not authorized\. The commands need these permissions: https:/,
          ),
        ],
      },
    ]);
    expect((await run('status')).stdout).toContain(`${instanceIds[0]}: Could not read the schedule`);
    expect(await run('explain', instanceIds[0] ?? '')).toMatchObject({
      status: 1,
      stdout: expect.stringContaining('  not known   Could not read the schedule'),
    });
  });

  it('does not take the page of a proxy for a schedule that cannot be read', async () => {
    const { region, instanceIds, pass, url } = await deployedRegion();
    region.autoScaling.terminateInstance(instanceIds[0] ?? '');
    await pass(60);
    const proxy = createServer((incoming, answer) => {
      if (incoming.url?.startsWith('/schedules/')) return answer.writeHead(403).end('<html>Blocked</html>');
      const { method, headers } = incoming;
      return incoming.pipe(
        request(`${url}${incoming.url}`, { method, headers }, (passedOn) => {
          answer.writeHead(passedOn.statusCode ?? 500, passedOn.headers);
          passedOn.pipe(answer);
        }),
      );
    });
    await new Promise<void>((listening) => proxy.listen(0, '127.0.0.1', listening));
    onTestFinished(() => void proxy.close());
    const { port } = proxy.address() as AddressInfo;
    const { status, stdout } = await run('status', '--json', '--endpoint-url', `http://127.0.0.1:${port}`);
    expect(status).toBe(1);
    expect(JSON.parse(stdout).drains).toMatchObject([
      { remarks: [], failures: [expect.stringContaining('does not answer as AWS does (HTTP 403)')] },
    ]);
  });

  it('shows what it can where one of the clusters does not exist', async () => {
    const { region, instanceIds, pass, json } = await deployedRegion({ params: { cluster: 'gone,prod' } });
    region.autoScaling.terminateInstance(instanceIds[0] ?? '');
    await pass(60);
    const { status, answer } = await json('status');
    expect(status).toBe(1);
    expect(answer.drains).toMatchObject([
      {
        instanceId: instanceIds[0],
        containerInstances: [{ cluster: 'prod' }],
        failures: [expect.stringContaining('cluster gone')],
      },
    ]);
    expect(await json('explain', instanceIds[1] ?? '')).toMatchObject({
      status: 1,
      answer: { sentence: expect.stringContaining('In ECS it is ACTIVE'), failures: [expect.stringContaining('gone')] },
    });
  });

  it('waits only once for what does not answer', async () => {
    const { region, instanceIds, pass, json, fail } = await deployedRegion();
    for (const instanceId of instanceIds) region.autoScaling.terminateInstance(instanceId);
    await pass(60);
    let asked = 0;
    fail(({ operation }) => {
      if (operation !== 'GetSchedule') return undefined;
      asked += 1;
      return new AwsError('ServiceUnavailable', 'It will never answer', 503);
    });
    const { status, answer } = await json('status');
    expect(status).toBe(1);
    expect(answer.drains).toHaveLength(2);
    expect(asked).toBe(SDK_BOUNDS.maxAttempts);
  });

  it('notes that what is parked cannot be read', async () => {
    const { region, instanceIds, pass, json } = await deployedRegion();
    region.autoScaling.terminateInstance(instanceIds[0] ?? '');
    await pass(60);
    const { ListSchedules, GetSchedule, UpdateSchedule } = region.scheduler.operations;
    const [{ Name = '' } = {}] = ListSchedules({ GroupName: 'ecs-drain-main' }).Schedules ?? [];
    const { Target, ScheduleExpression, FlexibleTimeWindow } = GetSchedule({ GroupName: 'ecs-drain-main', Name });
    const target = { ...Target, Input: '{"version": 1}' } as UpdateScheduleInput['Target'];
    UpdateSchedule({ GroupName: 'ecs-drain-main', Name, ScheduleExpression, FlexibleTimeWindow, Target: target });
    const [drain] = (await json('status')).answer.drains;
    expect(drain).toMatchObject({ parked: false, since: STARTED });
    expect(drain.remarks).toEqual([
      expect.stringMatching(
        /^The schedule i-\w+-\w+ cannot be understood: .*drain is missing.*The sweep starts the drain again/,
      ),
    ]);
  });
});
