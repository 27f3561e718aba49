import { describe, expect, it } from 'vitest';
import { describeInstance } from '../../../../sandbox/region/ecs/describe.ts';
import { sharesOf } from '../../../../sandbox/region/ecs/placement.ts';
import type { InstanceSpec, Placement, ServiceSpec } from '../../../../sandbox/region/ecs/specs.ts';
import { pass, regionOfTest } from '../clients.ts';

const SMALL = { memoryMiB: 1_000, cpuUnits: 100 };

/** Four instances in two zones, and a service; how many of its tasks run on each instance. */
async function placed(service: Partial<ServiceSpec>, placement?: Partial<Placement>, host: Partial<InstanceSpec> = {}) {
  const region = regionOfTest();
  const { ecs } = region;
  ecs.createCluster('prod');
  const zones = ['a', 'a', 'a', 'b'];
  const ids = zones.map((zone, i) => {
    const ec2InstanceId = `i-0000000000000000${i}`;
    const attributes = { 'ecs.availability-zone': zone, 'ecs.instance-type': i === 0 ? 'm5.large' : 'c5.large' };
    ecs.registerInstance({
      cluster: 'prod',
      ec2InstanceId,
      memoryMiB: 4_000,
      cpuUnits: 4_000,
      attributes,
      ...host,
    });
    return ec2InstanceId;
  });
  ecs.createService({
    ...SMALL,
    cluster: 'prod',
    name: 'web',
    strategy: 'REPLICA',
    desiredCount: 4,
    minimumHealthyPercent: 100,
    maximumPercent: 200,
    startSeconds: 10,
    stopTimeoutSeconds: 10,
    ...(placement && {
      placement: { constraints: [], strategies: [{ type: 'spread', field: 'instanceId' }], ...placement },
    }),
    ...service,
  });
  await pass(region, 60);
  const [events = []] = [
    ecs.clusters
      .get('prod')
      ?.services.get('web')
      ?.events.map(({ message }) => message),
  ];
  return { region, ids, counts: ids.map((id) => ecs.accountOf(id).holding), events };
}

describe('a capacity provider strategy', () => {
  const shares = (
    capacityProviders: readonly (readonly [base: number, weight: number])[],
    count: number,
    ...has: readonly number[]
  ) => {
    const named = capacityProviders.map(([base, weight], i) => ({ name: `p${i}`, base, weight }));
    const tasks = new Map(has.map((each, i) => [`p${i}`, each]));
    const found = sharesOf({ ...SERVICE, capacityProviders: named }, count, () => tasks);
    return named.map(({ name }) => found.get(name) ?? 0);
  };
  const SERVICE = { cluster: 'prod', name: 'web', strategy: 'REPLICA', desiredCount: 0, ...SMALL } as ServiceSpec;

  it.each<[string, Parameters<typeof shares>, number[]]>([
    [
      'gives a capacity provider its base first',
      [
        [
          [2, 1],
          [0, 1],
        ],
        2,
      ],
      [2, 0],
    ],
    [
      'shares the others by weight',
      [
        [
          [2, 1],
          [0, 3],
        ],
        10,
      ],
      [4, 6],
    ],
    [
      'counts the tasks that are there',
      [
        [
          [0, 1],
          [0, 1],
        ],
        2,
        2,
        0,
      ],
      [0, 2],
    ],
    [
      'gives nothing without a weight beyond the base',
      [
        [
          [1, 0],
          [0, 1],
        ],
        4,
      ],
      [1, 3],
    ],
    [
      'gives nothing where no capacity provider has a weight',
      [
        [
          [0, 0],
          [0, 0],
        ],
        4,
      ],
      [0, 0],
    ],
  ])('%s', (_, asked, expected) => {
    expect(shares(...asked)).toEqual(expected);
  });

  it('says any instance where a service has none', () => {
    expect([...sharesOf(SERVICE, 3, () => new Map())]).toEqual([[undefined, 3]]);
  });
});

describe('the placement of services', () => {
  it('spreads tasks over instances where nothing else is said', async () => {
    expect((await placed({})).counts).toEqual([1, 1, 1, 1]);
  });

  it('spreads tasks over zones first, then over instances', async () => {
    const strategies = ['attribute:ecs.availability-zone', 'instanceId'].map((field) => ({ type: 'spread', field }));
    const { counts } = await placed({ desiredCount: 6 }, { strategies });
    expect(counts).toEqual([1, 1, 1, 3]);
  });

  it('fills one instance after the other with binpack', async () => {
    const strategies = [{ type: 'binpack', field: 'memory' }];
    expect((await placed({ desiredCount: 5 }, { strategies })).counts.toSorted()).toEqual([0, 0, 1, 4]);
  });

  it('puts no more tasks with a network interface of their own on an instance than it takes (facts 100 task-interfaces)', async () => {
    const strategies = [{ type: 'binpack', field: 'memory' }];
    const awsvpc = await placed({ networkMode: 'awsvpc', desiredCount: 9 }, { strategies }, { taskInterfaces: 2 });
    expect(awsvpc.counts).toEqual([2, 2, 2, 2]);
    expect(awsvpc.events[0]).toContain('encountered error "RESOURCE:ENI".');
    const bridge = await placed({ desiredCount: 9 }, { strategies }, { taskInterfaces: 2 });
    expect(bridge.counts.toSorted()).toEqual([0, 1, 4, 4]);
  });

  it('puts each task on an instance of its own with distinctInstance, and says where there is none', async () => {
    const constraints = [{ type: 'distinctInstance' }];
    const { counts, events } = await placed({ desiredCount: 5 }, { constraints });
    expect(counts).toEqual([1, 1, 1, 1]);
    expect(events[0]).toMatch(/was unable to place a task .* does not satisfy the task's placement constraints\./);
  });

  it('keeps to the instances that memberOf names, replicas and daemons', async () => {
    const constraints = [{ type: 'memberOf', expression: 'attribute:ecs.instance-type == c5.large' }];
    expect((await placed({}, { constraints })).counts[0]).toBe(0);
    const daemons = await placed({ strategy: 'DAEMON', desiredCount: 0 }, { constraints });
    expect(daemons.counts).toEqual([0, 1, 1, 1]);
    expect(daemons.events).toEqual([]);
  });

  it('has one task at most with a static port on an instance, also while the old one stops', async () => {
    const { region, ids, counts, events } = await placed({
      desiredCount: 5,
      hostPorts: [8_080],
      stopTimeoutSeconds: 90,
    });
    expect(counts).toEqual([1, 1, 1, 1]);
    expect(events[0]).toMatch(/is already using a port required by your task\./);
    const [task] = region.ecs.clusters.get('prod')?.tasks.values() ?? [];
    if (task) region.ecs.stopTask(task, 'to free its port');
    await pass(region, 20);
    expect(ids.map((id) => region.ecs.accountOf(id).holding)).toEqual([1, 1, 1, 1]);
    await pass(region, 60);
    expect(region.ecs.clusters.get('prod')?.tally).toEqual({ running: 4, pending: 0 });
  });

  it('keeps the ports of its agent from tasks, and describes which ports are in use', async () => {
    const { region, ids, counts } = await placed({ desiredCount: 4, hostPorts: [8_080] }, undefined, { ports: [22] });
    expect(counts).toEqual([1, 1, 1, 1]);
    const [instance] = region.ecs.registrationsOf(ids[0] ?? '');
    const ports = { name: 'PORTS', type: 'STRINGSET' };
    expect(instance && describeInstance(instance)).toMatchObject({
      registeredResources: [{ name: 'CPU' }, { name: 'MEMORY' }, { ...ports, stringSetValue: ['22'] }],
      remainingResources: [{ name: 'CPU' }, { name: 'MEMORY' }, { ...ports, stringSetValue: ['22', '8080'] }],
    });
    expect((await placed({ desiredCount: 4, hostPorts: [22] }, undefined, { ports: [22] })).counts).toEqual([
      0, 0, 0, 0,
    ]);
  });

  it('gives each GPU to one task (facts 62 run-task)', async () => {
    const { region, ids, counts, events } = await placed({ desiredCount: 9, gpus: 1 }, undefined, { gpus: 2 });
    expect(counts).toEqual([2, 2, 2, 2]);
    expect(events[0]).toMatch(/encountered error "RESOURCE:GPU"\./);
    const described = await region.ask('ecs', 'RunTask', { cluster: 'prod', taskDefinition: 'web' });
    expect(described).toMatchObject({ tasks: [], failures: ids.map(() => ({ reason: 'RESOURCE:GPU' })) });
    const [instance] = region.ecs.registrationsOf(ids[0] ?? '');
    const resources = { name: 'GPU', type: 'STRINGSET', stringSetValue: ['GPU-1', 'GPU-2'] };
    expect(instance && describeInstance(instance)).toMatchObject({
      registeredResources: [{ name: 'CPU' }, { name: 'MEMORY' }, resources],
      remainingResources: [{ name: 'CPU' }, { name: 'MEMORY' }, { ...resources, stringSetValue: [] }],
    });
    expect(await region.ask('ecs', 'DescribeTaskDefinition', { taskDefinition: 'web' })).toMatchObject({
      taskDefinition: { containerDefinitions: [{ resourceRequirements: [{ type: 'GPU', value: '1' }] }] },
    });
  });

  it('has one standalone task at most with a static port on an instance', async () => {
    const { region, ids } = await placed({ desiredCount: 0 });
    const job = { ...SMALL, cluster: 'prod', name: 'report', runsForSeconds: 600, stopTimeoutSeconds: 30 };
    for (const _ of ids) region.ecs.runTask({ ...job, hostPorts: [9_100] });
    expect(ids.map((id) => region.ecs.accountOf(id).holding)).toEqual([1, 1, 1, 1]);
    expect(() => region.ecs.runTask({ ...job, hostPorts: [9_100] })).toThrow('has room for the task report');
    const refused = await region.ask('ecs', 'RunTask', { cluster: 'prod', taskDefinition: 'report' });
    expect(refused).toMatchObject({ tasks: [], failures: ids.map(() => ({ reason: 'RESOURCE:PORTS' })) });
    region.ecs.runTask({ ...job, hostPorts: [9_101] });
    expect(region.ecs.revisionsOf('report').map(({ hostPorts }) => hostPorts)).toEqual([[9_100], [9_101]]);
  });

  it('is described as it was given', async () => {
    const constraints = [{ type: 'memberOf', expression: 'attribute:x exists' }];
    const strategies = [{ type: 'binpack', field: 'cpu' }];
    const { region } = await placed({ hostPorts: [8_080] }, { constraints, strategies });
    const described = await region.ask('ecs', 'DescribeServices', { cluster: 'prod', services: ['web'] });
    expect(described).toMatchObject({
      services: [{ placementConstraints: constraints, placementStrategy: strategies }],
    });
    const { taskDefinition } = (await region.ask('ecs', 'DescribeTaskDefinition', { taskDefinition: 'web' })) as {
      taskDefinition: { containerDefinitions: unknown[] };
    };
    expect(taskDefinition.containerDefinitions).toMatchObject([{ portMappings: [{ hostPort: 8_080 }] }]);
  });
});

describe('tasks and instances that are there from the start', () => {
  it('are where they are said to be, in their phase', async () => {
    const region = regionOfTest();
    const { ecs, autoScaling } = region;
    ecs.createCluster('prod');
    const member = { memoryMiB: 8_000, cpuUnits: 8_000, attributes: { 'ecs.availability-zone': 'b' } };
    const [first, second] = ['i-00000000000000001', 'i-00000000000000002'];
    autoScaling.createGroup(
      {
        name: 'web',
        cluster: 'prod',
        minSize: 0,
        maxSize: 4,
        desiredCapacity: 1,
        ...SMALL,
        launchSeconds: 10,
        zones: ['a', 'b'],
        members: [{ ...member, instanceId: second, protectedFromScaleIn: true }],
      },
      { running: true },
    );
    const service = {
      ...SMALL,
      cluster: 'prod',
      name: 'web',
      desiredCount: 2,
      startSeconds: 10,
      stopTimeoutSeconds: 30,
    };
    ecs.createService({ ...service, strategy: 'REPLICA', minimumHealthyPercent: 100, maximumPercent: 200 }, [
      { ec2InstanceId: second, phase: 'running' },
      { ec2InstanceId: second, phase: 'starting' },
      { ec2InstanceId: second, phase: 'stopping' },
    ]);
    const job = { ...SMALL, cluster: 'prod', name: 'report', runsForSeconds: 60, stopTimeoutSeconds: 30 };
    ecs.standTask(job, 'family:report', { ec2InstanceId: second, phase: 'running' });
    const statuses = () => [...(ecs.clusters.get('prod')?.tasks.values() ?? [])].map(({ lastStatus }) => lastStatus);
    expect(statuses().toSorted()).toEqual(['PROVISIONING', 'RUNNING', 'RUNNING', 'STOPPING']);
    await pass(region, 90);
    expect(statuses().toSorted()).toEqual(['RUNNING', 'RUNNING', 'STOPPED', 'STOPPED']);

    autoScaling.setDesiredCapacity('web', 2);
    await pass(region, 60);
    expect(autoScaling.instancesOf('web').map(({ instanceId }) => instanceId)).toEqual([second, 'i-00000000000000003']);
    expect(first).not.toBe(second);
    const [registration] = ecs.registrationsOf('i-00000000000000003');
    expect(registration?.attributes.get('ecs.availability-zone'), 'the emptier zone').toBe('a');
    expect(registration?.capacity).toEqual(SMALL);
    autoScaling.setDesiredCapacity('web', 1);
    expect(autoScaling.instance(second)?.state, 'it is protected').toBe('InService');
  });

  describe('that are on their way up or down', () => {
    const SERVICE: ServiceSpec = {
      ...SMALL,
      cluster: 'prod',
      name: 'web',
      strategy: 'REPLICA',
      desiredCount: 0,
      minimumHealthyPercent: 0,
      maximumPercent: 100,
      startSeconds: 100,
      stopTimeoutSeconds: 30,
      stopsAfterSeconds: 10,
      loadBalancer: { deregistrationDelaySeconds: 100, requestsPerSecond: 1 },
    };
    /** When the task reaches each status from now on, in seconds. */
    const routeOf = async (phase: 'starting' | 'stopping', lastStatus: string, seconds: number) => {
      const reached: [status: string, second: number][] = [];
      const region = regionOfTest({
        onTrace: (event) => {
          if (event.kind === 'task') reached.push([event.status, Math.round((event.atMs - startMs) / 1000)]);
        },
      });
      const startMs = region.time.nowMs();
      const { ecs } = region;
      ecs.createCluster('prod');
      const ec2InstanceId = 'i-00000000000000001';
      ecs.registerInstance({ cluster: 'prod', ec2InstanceId, memoryMiB: 8_000, cpuUnits: 8_000 });
      const desiredCount = phase === 'starting' ? 1 : 0;
      ecs.createService({ ...SERVICE, desiredCount }, [{ ec2InstanceId, phase, progress: { lastStatus, seconds } }]);
      const [task] = ecs.clusters.get('prod')?.tasks.values() ?? [];
      await pass(region, 200);
      return { reached: new Map(reached), stoppingSeconds: ((task?.stoppingAtMs ?? startMs) - startMs) / 1000 };
    };

    it.each<[string, number, number, number]>([
      ['RUNNING', 0, 100, 112],
      ['DEACTIVATING', 40, 60, 72],
      ['DEACTIVATING', 400, 0, 12],
      ['STOPPING', 104, 0, 8],
      // It stops more slowly than others: SIGKILL comes after its stop timeout.
      ['STOPPING', 120, 0, 12],
      ['STOPPING', 900, 0, 2],
      ['DEPROVISIONING', 111, 0, 1],
    ])('stop as %s, %i s after they were asked to, with SIGTERM in %i s and STOPPED in %i s', async (...row) => {
      const [lastStatus, seconds, sigtermAt, stoppedAt] = row;
      const { reached, stoppingSeconds } = await routeOf('stopping', lastStatus, seconds);
      expect([reached.get('STOPPING'), reached.get('STOPPED')]).toEqual([sigtermAt, stoppedAt]);
      expect(stoppingSeconds + seconds).toBe(0);
    });

    it('start in what is left of their time', async () => {
      const runsAt = async (lastStatus: string, seconds: number) =>
        (await routeOf('starting', lastStatus, seconds)).reached.get('RUNNING') ?? Number.NaN;
      // 100 s, give or take a tenth.
      expect(await runsAt('PROVISIONING', 0)).toBeGreaterThan(88);
      const [pending, activating] = [await runsAt('PENDING', 60), await runsAt('ACTIVATING', 80)];
      expect(pending).toBeGreaterThan(28);
      expect(pending).toBeLessThan(52);
      expect(activating).toBeGreaterThan(8);
      expect(activating).toBeLessThan(32);
      expect(await runsAt('PENDING', 500)).toBeLessThan(34);
    });
  });
});
