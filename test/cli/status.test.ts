import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { UpdateScheduleInput } from '@aws-sdk/client-scheduler';
import { describe, expect, it, onTestFinished } from 'vitest';
import { AwsError } from '../../sandbox/region/aws-error.ts';
import { SDK_BOUNDS } from '../../src/adapters/aws-call.ts';
import { deployedRegion, FUNCTION, run, type World } from './deployed-region.ts';

/** Drains when EC2 takes a Spot instance, too. */
const ON_NOTICE: World = {
  params: { spotInterruptions: true },
  rules: ['continuation', 'wake-up', 'spot-interruption'],
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
      stdout: 'Auto Scaling has no group webb: mend its name in autoScalingGroups, and deploy again.\n',
      stderr: '',
    });
    expect(await json('status')).toMatchObject({ status: 1, answer: { missingGroups: ['webb'], drains: [] } });
  });

  it('tells of a parked drain since when, what holds it, when it is looked at, its deadline and its heartbeat', async () => {
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
    expect(nextLookSeconds).toBeLessThan(360);

    const { stdout } = await run('status');
    for (const words of [
      instanceIds[0],
      'group web',
      'prod: DRAINING',
      '2 tasks',
      'service:web',
      '100 s ago',
      'in 118 min',
    ]) {
      expect(stdout).toContain(words);
    }
  });

  it('tells of an instance that is held and has no drain, since when by the group’s activities', async () => {
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
        remarks: [expect.stringContaining('no drain is parked for it')],
      },
    ]);
    expect(answer.drains[0]).not.toHaveProperty('heartbeat');
  });

  it('tells of a drain on a notice of EC2, which no group holds', async () => {
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
        deadlineAt: '2026-01-01T00:07:00Z',
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
      remarks: [expect.stringMatching(/^In prod no group holds.* 1 container instance that is DRAINING \(\w+\)/)],
    });
    const { stdout } = await run('status');
    expect(stdout).toContain('1 container instance that is DRAINING');
    expect(stdout).not.toContain('Nothing is draining');
  });

  it('notes that a drain should have gone on, when its schedule came and nothing followed', async () => {
    const { region, instanceIds, pass, json } = await deployedRegion({
      rules: ['termination'],
      services: [{ name: 'web', maximumPercent: 100 }],
    });
    region.autoScaling.terminateInstance(instanceIds[0] ?? '');
    await pass(900);
    const [drain] = (await json('status')).answer.drains;
    expect(drain.remarks).toEqual([expect.stringMatching(/^its drain should have gone on \d+ min ago/)]);
  });

  it('notes that another hook holds the instance where none of ours is on the group', async () => {
    const { region, instanceIds, pass, json } = await deployedRegion({ hooks: [{ name: 'another' }] });
    region.autoScaling.terminateInstance(instanceIds[0] ?? '');
    await pass(60);
    const [drain] = (await json('status')).answer.drains;
    expect(drain.remarks).toEqual(['none of our hooks (ecs-drain) is on group web: another holds it.']);
    expect(drain).not.toHaveProperty('deadlineAt');
  });

  it('notes what cannot be seen of drains that wait within their invocations', async () => {
    const { region, instanceIds, pass, json } = await deployedRegion({ params: { waiting: 'watch' } });
    region.autoScaling.terminateInstance(instanceIds[0] ?? '');
    await pass(60);
    const [drain] = (await json('status')).answer.drains;
    expect(drain).toMatchObject({ since: STARTED, parked: false, containerInstances: [{ status: 'DRAINING' }] });
    expect(drain.remarks).toEqual([expect.stringContaining('waits within its invocations')]);
  });

  it('tells what it can of a drain whose schedule it may not read', async () => {
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
        failures: [expect.stringMatching(/^Could not look for a drain .*: not authorized\. docs\/operations\.md/)],
      },
    ]);
    expect((await run('status')).stdout).toContain(`${instanceIds[0]}: Could not look for a drain`);
    expect(await run('explain', instanceIds[0] ?? '')).toMatchObject({
      status: 1,
      stdout: expect.stringContaining('  not known   Could not look for a drain'),
    });
  });

  it('does not take the page of a proxy for a schedule that cannot be read', async () => {
    const { region, instanceIds, pass, url } = await deployedRegion();
    region.autoScaling.terminateInstance(instanceIds[0] ?? '');
    await pass(60);
    const proxy = createServer((incoming, answer) => {
      if (incoming.url?.startsWith('/schedules')) return answer.writeHead(403).end('<html>Blocked</html>');
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

  it('tells what it can where one of the clusters does not exist', async () => {
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
    const [{ Name = '' } = {}] = ListSchedules({ GroupName: 'ecs-drain-dev' }).Schedules ?? [];
    const { Target, ScheduleExpression, FlexibleTimeWindow } = GetSchedule({ GroupName: 'ecs-drain-dev', Name });
    const target = { ...Target, Input: '{"version": 1}' } as UpdateScheduleInput['Target'];
    UpdateSchedule({ GroupName: 'ecs-drain-dev', Name, ScheduleExpression, FlexibleTimeWindow, Target: target });
    const [drain] = (await json('status')).answer.drains;
    expect(drain).toMatchObject({ parked: false, since: STARTED });
    expect(drain.remarks).toEqual([expect.stringMatching(/^what is parked for it cannot be read, .*drain is missing/)]);
  });
});
