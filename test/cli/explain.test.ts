import { describe, expect, it } from 'vitest';
import { deployedRegion, WAKE_UPS } from './deployed-region.ts';

describe('ecs-drain explain', () => {
  it('names what blocks a drain, and why', async () => {
    const { region, instanceIds, pass, run, json } = await deployedRegion({
      services: [{ name: 'web', maximumPercent: 100 }],
    });
    const [first = ''] = instanceIds;
    const job = { cluster: 'prod', name: 'import', memoryMiB: 64, cpuUnits: 16, stopTimeoutSeconds: 30 };
    region.ecs.runTask({ ...job, ec2InstanceId: first, runsForSeconds: 10_000, startedBy: 'cron' });
    await pass(60);
    region.autoScaling.terminateInstance(first);
    await pass(120);

    const { status, stdout } = await run('explain', first);
    expect(status).toBe(0);
    expect(stdout).toContain(`${first} is draining: the group web holds it on the hook ecs-drain.`);
    expect(stdout).toContain('3 tasks hold it:');
    expect(stdout).toMatch(/2 tasks of service:web, RUNNING for \d+ min \d+ s: the service cannot be drained/);
    expect(stdout).toMatch(/1 task of family:import, RUNNING.*started by cron/);

    const { answer } = await json('explain', first);
    expect(answer).toMatchObject({ state: 'draining', instanceId: first, parked: true });
    const causes = answer.blockers.map(({ group, causes }: { group: string; causes: { cause: string }[] }) => [
      group,
      causes.map(({ cause }) => cause),
    ]);
    expect(new Map(causes)).toEqual(
      new Map([
        ['service:web', ['cannot-replace']],
        ['family:import', ['standalone']],
      ]),
    );
  });

  it('does not say that our hook holds an instance when another may, and gives it no deadline when no task does', async () => {
    const { region, instanceIds, pass, run, json } = await deployedRegion({ hooks: [{}, { name: 'other' }] });
    const [first = ''] = instanceIds;
    region.autoScaling.terminateInstance(first);
    await pass(1_200);
    expect(region.autoScaling.pendingActions()).toMatchObject([{ instanceId: first, hook: { name: 'other' } }]);

    const { stdout } = await run('explain', first);
    expect(stdout).toContain(
      `${first} is draining: the group web holds it on one of its terminating hooks (ecs-drain, other).`,
    );
    expect(stdout).toMatch(/deadline +not known\n/);
    expect(stdout).toContain('No task holds it.');
    const { answer } = await json('explain', first);
    expect(answer).toMatchObject({ terminatingHooks: ['ecs-drain', 'other'] });
    expect(answer).not.toHaveProperty('lifecycleHook');
    expect(answer).not.toHaveProperty('deadlineAt');
    const [drain] = (await json('status')).answer.drains;
    expect(drain).not.toHaveProperty('deadlineAt');
    expect(drain.remarks).toContain("One of the group's terminating hooks holds it (ecs-drain, other).");
  });

  it('marks the deadline of an instance with tasks that another hook may hold, and names the hook of a parked drain', async () => {
    const hooks = [{}, { name: 'other' }];
    const lost = await deployedRegion({ hooks, rules: [] });
    lost.region.autoScaling.terminateInstance(lost.instanceIds[0] ?? '');
    await lost.pass(60);
    expect((await lost.run('explain', lost.instanceIds[0] ?? '')).stdout).toMatch(
      /deadline .*, in 1 h 59 min, if our hook holds it\n/,
    );
    expect((await lost.run('status')).stdout).toContain('if our hook holds it');

    const parked = await deployedRegion({ hooks });
    parked.region.autoScaling.terminateInstance(parked.instanceIds[0] ?? '');
    await parked.pass(60);
    const { stdout } = await parked.run('explain', parked.instanceIds[0] ?? '');
    expect(stdout).toContain('holds it on the hook ecs-drain.');
    expect(stdout).toMatch(/deadline .*, in 1 h 59 min\n/);
  });

  it('explains a drain on a notice of EC2', async () => {
    const { region, instanceIds, pass, run, json } = await deployedRegion({
      params: { spotInterruptions: true },
      rules: ['continuation', ...WAKE_UPS, 'spot-interruption'],
    });
    const [first = ''] = instanceIds;
    region.autoScaling.interruptSpotInstance(first);
    await pass(30);
    const { stdout } = await run('explain', first);
    expect(stdout).toContain(`${first} is draining on a spot-interruption of EC2: nothing holds it.`);
    expect(stdout).toContain('2 tasks hold it:');
    expect(stdout).toMatch(/deadline .*, in 1 min 25 s\n/);
    expect(await json('explain', first)).toMatchObject({
      status: 0,
      answer: { state: 'draining', notice: 'spot-interruption', parked: true },
    });
  });

  it('explains the drain on a Spot interruption first where EC2 has recommended to rebalance the instance as well', async () => {
    const { region, instanceIds, pass, json } = await deployedRegion({
      params: { spotInterruptions: true, rebalanceRecommendations: true },
      rules: ['continuation', ...WAKE_UPS, 'spot-interruption', 'rebalance-recommendation'],
    });
    const [first = ''] = instanceIds;
    region.autoScaling.interruptSpotInstance(first);
    await pass(5);
    region.autoScaling.recommendRebalance(first);
    await pass(25);
    const { answer } = await json('explain', first);
    expect(answer).toMatchObject({ notice: 'spot-interruption', parked: true });
    expect(answer.remarks).toContain('It has a drain on a rebalance-recommendation of EC2 as well.');
  });

  it('never says that an instance is not draining that ECS says is', async () => {
    const { region, instanceIds, json } = await deployedRegion();
    const [first = ''] = instanceIds;
    for (const registration of region.ecs.registrationsOf(first)) {
      region.ecs.setInstanceStatus(registration, 'DRAINING');
    }
    expect((await json('explain', first)).answer).toEqual({
      instanceId: first,
      state: 'draining in ECS only',
      sentence: `${first} is not held by Auto Scaling: in the group web it is InService. In ECS it is DRAINING in prod with 2 tasks. Its drain is being worked on, has ended, or someone else drains it.`,
      failures: [],
    });
  });

  it('says of an instance that is not draining how it is', async () => {
    const { instanceIds, json } = await deployedRegion();
    const { status, answer } = await json('explain', instanceIds[0] ?? '');
    expect(status).toBe(0);
    expect(answer).toEqual({
      instanceId: instanceIds[0],
      state: 'not draining',
      sentence: `${instanceIds[0]} is not draining: in the group web it is InService. In ECS it is ACTIVE in prod with 2 tasks.`,
      failures: [],
    });
  });

  it('says of an instance of another group that it is none of ours', async () => {
    const { region, run } = await deployedRegion();
    const spec = { name: 'batch', cluster: 'prod', minSize: 0, maxSize: 1, desiredCapacity: 1 };
    const [other = ''] = region.autoScaling.createGroup(
      { ...spec, memoryMiB: 512, cpuUnits: 256, launchSeconds: 5 },
      { running: true },
    );
    const { status, stdout } = await run('explain', other);
    expect(status).toBe(0);
    expect(stdout).toContain('is in the group batch, which is not among autoScalingGroups (web)');
  });

  it('says of an instance in no group that nothing holds it', async () => {
    const { region, run } = await deployedRegion();
    const alone = 'i-0123456789abcdef0';
    region.ecs.registerInstance({ cluster: 'prod', ec2InstanceId: alone, memoryMiB: 512, cpuUnits: 256 });
    expect((await run('explain', alone)).stdout).toContain('is in no Auto Scaling group, so nothing holds it');
  });

  it('fails with a sentence for an instance that no one knows', async () => {
    const { run, json } = await deployedRegion();
    const { status, stdout } = await run('explain', 'i-0123456789abcdef0');
    expect(status).toBe(1);
    expect(stdout).toBe(
      'Neither Auto Scaling nor ECS (prod) knows i-0123456789abcdef0: it is gone, or of another account or Region. To see what its drain did: npx ecs-drain logs i-0123456789abcdef0. To see how drains have ended: npx ecs-drain history.\n',
    );
    expect((await json('explain', 'i-0123456789abcdef0')).answer).toMatchObject({ state: 'unknown' });
  });

  it('says at once that a drain is stuck, as status does', async () => {
    const { region, instanceIds, pass, run, json } = await deployedRegion({
      services: [{ name: 'web', maximumPercent: 100 }],
    });
    const [first = ''] = instanceIds;
    region.autoScaling.terminateInstance(first);
    await pass(120);
    expect((await run('status')).stdout).not.toContain('stuck');
    expect((await json('status')).answer.drains[0]).not.toHaveProperty('stuck');
    await pass(3_700);
    expect((await run('explain', first)).stdout).toContain(`${first} is draining and stuck: the group web holds it`);
    expect((await run('status')).stdout).toMatch(/│ stuck +│/);
    expect((await json('status')).answer.drains).toMatchObject([{ instanceId: first, stuck: true }]);
  });
});
