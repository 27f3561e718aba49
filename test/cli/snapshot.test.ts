import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AutoScalingClient } from '@aws-sdk/client-auto-scaling';
import { CloudWatchClient } from '@aws-sdk/client-cloudwatch';
import { ECSClient } from '@aws-sdk/client-ecs';
import { ElasticLoadBalancingV2Client } from '@aws-sdk/client-elastic-load-balancing-v2';
import { LambdaClient } from '@aws-sdk/client-lambda';
import { describe, expect, it, onTestFinished } from 'vitest';
import { readSnapshot } from '../../cli/snapshot/read.ts';
import { Reader } from '../../cli/snapshot/reader.ts';
import { takeSnapshot } from '../../cli/snapshot.ts';
import { type Snapshot, snapshotFrom } from '../../sandbox/plan/snapshot.ts';
import { AwsError } from '../../sandbox/region/aws-error.ts';
import { targetGroupArn } from '../../sandbox/region/ecs/describe.ts';
import { clientOf, inRegion, pass, regionOfTest, WEB } from '../sandbox/region/clients.ts';
import { type Deployed, deployedRegion, permissionOf, type World } from './deployed-region.ts';

/** Takes a snapshot with the command, over the wire. */
async function snapshotOf(world: World = {}, ...args: string[]) {
  const region = await deployedRegion(world);
  countRequests(region);
  const folder = await mkdtemp(join(tmpdir(), 'ecs-drain-snapshot-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, 'web.json');
  const take = async (...more: string[]) => {
    const ran = await region.run('snapshot', '--group', 'web', '--out', file, ...args, ...more);
    const text = await readFile(file, 'utf8').catch(() => '');
    return { ...ran, text, snapshot: text === '' ? undefined : snapshotFrom(text, 'web.json') };
  };
  return { ...region, take, file };
}

/** CloudWatch knows how many requests come to other target groups; the Region itself counts none. */
function countRequests({ region }: Pick<Deployed, 'region'>): void {
  const metric = { namespace: 'AWS/ApplicationELB', name: 'RequestCountPerTarget', unit: 'Count' };
  const dimensions = { TargetGroup: 'targetgroup/others/1' };
  region.measure({ ...metric, dimensions, value: 1, atMs: region.time.nowMs() });
}

function whole(snapshot: Snapshot | undefined): Snapshot {
  if (!snapshot) throw new Error('There is no snapshot.');
  return snapshot;
}

describe('ecs-drain snapshot', () => {
  it('writes down the group, its cluster and what runs there', async () => {
    const { take, instanceIds, file } = await snapshotOf();
    const { status, stdout, stderr, snapshot, text } = await take();
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toBe(
      `${file}: the group web in the cluster prod, with 2 instances, 1 service, 4 tasks (19 calls).\n`,
    );
    const { group, cluster, drain, unknown } = whole(snapshot);
    expect(unknown).toEqual([]);
    expect(group).toMatchObject({
      name: 'web',
      minSize: 0,
      maxSize: 4,
      desiredCapacity: 2,
      healthCheckGraceSeconds: 0,
      terminationPolicies: ['OldestInstance'],
      hooks: [{ name: 'ecs-drain', transition: 'terminating', heartbeatTimeoutSeconds: 3_600 }],
      instances: instanceIds.map((id) => ({ id, state: 'InService', protectedFromScaleIn: false })),
    });
    expect(cluster.instances).toMatchObject(
      instanceIds.map((ec2InstanceId) => ({ ec2InstanceId, status: 'ACTIVE', cpuUnits: 2_048, memoryMiB: 4_096 })),
    );
    expect(cluster.services).toMatchObject([
      { name: 'web', desiredCount: 4, minimumHealthyPercent: 100, targetGroups: ['web'], taskDefinition: 'web:1' },
    ]);
    expect(cluster.taskDefinitions).toMatchObject([{ name: 'web:1', stopTimeoutSeconds: 30, memoryMiB: 512 }]);
    expect(cluster.targetGroups).toMatchObject([{ name: 'web', deregistrationDelaySeconds: 300 }]);
    expect(cluster.tasks.map(({ group, lastStatus }) => [group, lastStatus])).toEqual(
      Array.from({ length: 4 }, () => ['service:web', 'RUNNING']),
    );
    expect(drain).toMatchObject({
      function: 'ecs-drain-main-drain',
      params: { deadlineSeconds: '7200' },
      drainsGroup: true,
    });
    expect(text, 'no ARN, and with it no account number').not.toMatch(/arn:aws|123456789012/);
  });

  it('has no ARN either where the function is named by one', async () => {
    const { take } = await snapshotOf();
    const arn = 'arn:aws:lambda:eu-west-1:123456789012:function:ecs-drain-main-drain';
    const { text, snapshot } = await take('--function', arn);
    expect(whole(snapshot).drain).toMatchObject({ function: 'ecs-drain-main-drain', drainsGroup: true });
    expect(text).not.toMatch(/arn:aws|123456789012/);
  });

  it('has no image and no environment variable, and images only when they are asked for', async () => {
    const { take } = await snapshotOf();
    expect((await take()).text).not.toMatch(/latest|environment/i);
    const { snapshot } = await take('--images');
    expect(whole(snapshot).cluster.taskDefinitions[0]?.images).toEqual(['web:latest']);
  });

  it('has of the attributes that AWS sets those that a constraint or a strategy names', async () => {
    const placement = {
      constraints: [{ type: 'memberOf', expression: 'attribute:ecs.ami-id exists and (attribute:disk == ssd)' }],
      strategies: [{ type: 'spread', field: 'attribute:ecs.subnet-id' }],
    } as const;
    const { region, take } = await snapshotOf({ services: [{ name: 'web', placement }] });
    const set = { 'ecs.ami-id': 'ami-1', 'ecs.subnet-id': 'subnet-1', 'ecs.vpc-id': 'vpc-1', disk: 'ssd' };
    for (const instance of region.ecs.clusters.get('prod')?.instances.values() ?? []) {
      region.ecs.putAttributes(instance, new Map(Object.entries(set)));
    }
    const named = { 'ecs.ami-id': 'ami-1', 'ecs.subnet-id': 'subnet-1', disk: 'ssd' };
    expect(whole((await take()).snapshot).cluster.instances.map(({ attributes }) => attributes)).toEqual([
      named,
      named,
    ]);
  });

  it('has the capacity provider of the group', async () => {
    const { region, take } = await snapshotOf();
    region.ecs.createCapacityProvider('of-web', region.autoScaling.group('web').arn);
    region.ecs.createCapacityProvider(
      'of-others',
      'arn:aws:autoscaling:eu-west-1:123456789012:autoScalingGroup:1:autoScalingGroupName/others',
    );
    const { snapshot } = await take();
    expect(whole(snapshot).cluster.capacityProviders).toEqual([
      {
        name: 'of-web',
        autoScalingGroup: 'web',
        managedScaling: false,
        managedTerminationProtection: false,
        managedDraining: false,
      },
    ]);
  });

  it('says how many requests come where CloudWatch knows it, and goes on where it is not permitted', async () => {
    const { region, take, fail } = await snapshotOf();
    const [targetGroup] = region.ecs.clusters.get('prod')?.services.values().map(targetGroupArn) ?? [];
    const dimensions = { TargetGroup: targetGroup?.split(':').at(-1) ?? '' };
    for (const minutes of [10, 20, 30, 70]) {
      const atMs = region.time.nowMs() - minutes * 60_000;
      const metric = { namespace: 'AWS/ApplicationELB', name: 'RequestCountPerTarget', unit: 'Count' };
      region.measure({ ...metric, dimensions, value: 600, atMs });
    }
    const { snapshot } = await take();
    expect(whole(snapshot).cluster.targetGroups).toMatchObject([{ requestsPerTargetPerSecond: 0.5 }]);
    fail(({ operation }) =>
      operation === 'GetMetricData' ? new AwsError('AccessDenied', 'Not authorized.') : undefined,
    );
    const denied = whole((await take()).snapshot);
    expect(denied.cluster.targetGroups[0]).not.toHaveProperty('requestsPerTargetPerSecond');
    expect(denied.unknown).toEqual([
      { call: 'cloudwatch:GetMetricData', why: 'AccessDenied', missing: 'how many requests come to 1 target group' },
    ]);
  });

  it('says how long tasks took that stopped recently', async () => {
    const { region, take, pass } = await snapshotOf();
    const [task] = region.ecs.clusters.get('prod')?.tasks.values() ?? [];
    if (task) region.ecs.stopTask(task, 'to see how long it takes');
    await pass(400);
    const { snapshot } = await take();
    expect(whole(snapshot).cluster.stoppedTasks).toMatchObject([{ group: 'service:web', taskDefinition: 'web:1' }]);
    expect(whole(snapshot).cluster.tasks).toHaveLength(4);
  });

  it('says how long a launch took, unless the agent has registered again long after it', async () => {
    const { region, take, pass } = await snapshotOf();
    const launched = region.autoScaling.launchInstance('web');
    await pass(120);
    const launchSeconds = async () => whole((await take()).snapshot).group.launchSeconds;
    expect(await launchSeconds()).toEqual([expect.closeTo(60, -1)]);
    for (const registration of region.ecs.registrationsOf(launched)) region.ecs.deregisterInstance(registration);
    await pass(4_000);
    const size = { memoryMiB: 4_096, cpuUnits: 2_048 };
    region.ecs.registerInstance({ cluster: 'prod', ec2InstanceId: launched, ...size });
    expect(await launchSeconds()).toEqual([]);
  });

  it('has tasks that are about to stop, because they hold their instance', async () => {
    const { region, instanceIds, take, pass } = await snapshotOf();
    region.autoScaling.terminateInstance(instanceIds[0] ?? '');
    await pass(60);
    const { snapshot } = await take();
    expect(whole(snapshot).cluster.tasks.map(({ lastStatus }) => lastStatus)).toContain('DEACTIVATING');
  });

  it('says that it leaves out stopped tasks, where there are more than it reads', async () => {
    const { region, take, pass } = await snapshotOf();
    const [instanceId = ''] = region.autoScaling.instancesOf('web').map((each) => each.instanceId);
    const job = { cluster: 'prod', name: 'job', memoryMiB: 1, cpuUnits: 1, runsForSeconds: 1, stopTimeoutSeconds: 1 };
    const run = (times: number) => {
      for (let i = 0; i < times; i++) region.ecs.runTask({ ...job, ec2InstanceId: instanceId });
    };
    run(200);
    await pass(300);
    const few = ['--max-calls', '28'];
    const enough = whole((await take(...few)).snapshot);
    expect(enough.cluster.stoppedTasks).toHaveLength(200);
    expect(enough.unknown).toEqual([]);
    run(1);
    await pass(300);
    const { snapshot, stdout } = await take(...few);
    expect(whole(snapshot).cluster.stoppedTasks).toHaveLength(200);
    expect(stdout).toContain(
      'Not known (ecs:ListTasks: the snapshot has read 200 of them, and --max-calls allows more): other tasks that are about to stop, ',
    );
    const { cluster, unknown } = whole((await take()).snapshot);
    expect(cluster.stoppedTasks).toHaveLength(201);
    expect(unknown).toEqual([]);
  });

  it('has a task once that begins to stop while it is read', async () => {
    const { region, take, fail } = await snapshotOf();
    const [task] = region.ecs.clusters.get('prod')?.tasks.values() ?? [];
    let listed = 0;
    fail(({ operation }) => {
      // Between the list of the running tasks and that of the stopping ones.
      if (operation === 'ListTasks' && ++listed === 2 && task) region.ecs.stopTask(task, 'while it is read');
      return undefined;
    });
    const { cluster } = whole((await take()).snapshot);
    const found = cluster.tasks.filter(({ id }) => task?.arn.endsWith(id));
    expect(found.map(({ desiredStatus }) => desiredStatus)).toEqual(['STOPPED']);
  });

  it('has what the hook chooses for the drains of its group', async () => {
    const notificationMetadata = '{"deadlineSeconds": 900, "note": "for somebody else"}';
    const { take } = await snapshotOf({ hooks: [{ notificationMetadata }] });
    const { snapshot, text } = await take();
    expect(whole(snapshot).group.hooks).toMatchObject([{ name: 'ecs-drain', settings: { deadlineSeconds: '900' } }]);
    expect(text).not.toContain('somebody');
    expect(whole(snapshot).group.hooks?.[0]).not.toHaveProperty('rejected');
  });

  it.each([
    ['of the wrong form', '{"deadlineSeconds": "soon"}', true],
    ['that is no object', '[]', true],
    ['of another program, which is no JSON', 'hello', undefined],
  ])('says whether the function rejects a hook with metadata %s', async (_, notificationMetadata, rejected) => {
    const { take } = await snapshotOf({ hooks: [{ notificationMetadata }] });
    expect(whole((await take()).snapshot).group.hooks?.[0]?.rejected).toBe(rejected);
  });

  it.each([
    ['another group', { autoScalingGroups: 'workers' }],
    ['another cluster', { cluster: 'test' }],
  ])('says that the deployed function drains %s only', async (_, params) => {
    const { take } = await snapshotOf({ params });
    expect(whole((await take()).snapshot).drain?.drainsGroup).toBe(false);
  });

  it('goes on without what AWS does not permit, and says what is missing', async () => {
    const { take, fail } = await snapshotOf();
    const denied = ['DescribeLifecycleHooks', 'DescribeTargetGroupAttributes', 'DescribeTaskDefinition'];
    fail(({ operation }) =>
      denied.includes(operation) ? new AwsError('AccessDeniedException', 'Not authorized.') : undefined,
    );
    const { status, stdout, snapshot } = await take();
    expect(status).toBe(0);
    expect(stdout).toContain(
      'Not known (autoscaling:DescribeLifecycleHooks: AccessDeniedException): the lifecycle hooks of the group.',
    );
    expect(stdout).toContain('the deregistration delay of the target group web.');
    const { unknown, group, cluster } = whole(snapshot);
    expect(unknown.map(({ call }) => call)).toEqual([
      'autoscaling:DescribeLifecycleHooks',
      'ecs:DescribeTaskDefinition',
      'elasticloadbalancing:DescribeTargetGroupAttributes',
    ]);
    expect(group.hooks).toBeUndefined();
    expect(cluster.taskDefinitions).toEqual([]);
  });

  it.each([
    ['snapshot', ['--out', '/nowhere/web.json']],
    ['plan', ['--change', 'scale-in']],
    ['doctor', []],
  ])('has no answer, and so exit status 2, where AWS does not permit what %s needs', async (command, options) => {
    const { run, fail } = await deployedRegion();
    fail(({ operation }) =>
      operation === 'DescribeServices' ? new AwsError('AccessDeniedException', 'Not authorized.', 403) : undefined,
    );
    const { status, stdout, stderr } = await run(command, '--group', 'web', ...options);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(
      /^Could not describe the services .*: Not authorized\. The commands need these permissions: /,
    );
  });

  it('reads a large cluster in 120 calls, paced below half of what ECS allows, and lists what it left out', async () => {
    const region = regionOfTest();
    const { ecs, autoScaling, time } = region;
    ecs.createCluster('prod');
    const size = {
      minSize: 0,
      maxSize: 200,
      desiredCapacity: 200,
      memoryMiB: 4_096,
      cpuUnits: 2_048,
      launchSeconds: 60,
    };
    autoScaling.createGroup({ ...size, name: 'web', cluster: 'prod' }, { running: true });
    for (let i = 0; i < 100; i++)
      ecs.createService({ ...WEB, name: `s-${i}`, desiredCount: 30, memoryMiB: 16, cpuUnits: 8 });
    await pass(region, 60);

    const client = clientOf(region);
    const clients = {
      autoScaling: new AutoScalingClient(client),
      ecs: new ECSClient(client),
      loadBalancing: new ElasticLoadBalancingV2Client(client),
      lambda: new LambdaClient(client),
      cloudWatch: new CloudWatchClient(client),
    };
    const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms)); // in virtual time
    const reader = new Reader(120, { nowMs: () => time.nowMs(), wait });
    const request = {
      group: 'web',
      cluster: 'prod',
      withImages: false,
      functionName: 'nobody',
      nowMs: () => time.nowMs(),
    };
    const { snapshot } = await inRegion(region, () => readSnapshot(clients, request, reader));
    expect(region.calls).toHaveLength(120);
    /** The most calls in any stretch of so many seconds. */
    const most = (seconds: number) =>
      Math.max(
        ...region.calls.map(
          ({ atMs }) => region.calls.filter((other) => other.atMs >= atMs && other.atMs < atMs + seconds * 1000).length,
        ),
      );
    expect(most(1), 'half of the burst').toBeLessThanOrEqual(50);
    expect(most(8), 'half of the burst and of the refill').toBeLessThanOrEqual(50 + 8 * 10);
    expect(snapshot.cluster.tasks).toHaveLength(3_000);
    expect(snapshot.cluster.taskDefinitions.length).toBeGreaterThan(15);
    expect(snapshot.cluster.targetGroups.filter((it) => it.deregistrationDelaySeconds).length).toBeGreaterThan(10);
    expect(snapshot.unknown[0]).toMatchObject({
      call: 'ecs:DescribeTaskDefinition',
      why: 'the snapshot may make 120 calls, and --max-calls allows more',
    });
  });

  it.each([
    [
      'a group that does not exist',
      ['--group', 'webb'],
      /^Auto Scaling has no group webb in this Region: correct --group/,
    ],
    [
      'a cluster that does not exist',
      ['--group', 'web', '--cluster', 'produ'],
      /^There is no cluster produ in this Region: correct --cluster, /,
    ],
    [
      'the ARN of a cluster',
      ['--group', 'web', '--cluster', 'arn:aws:ecs:eu-west-1:123456789012:cluster/prod'],
      /^--cluster arn:\S+ is an ARN: write the name, prod\.$/,
    ],
    [
      'a cluster that the group is not in',
      ['--group', 'web', '--cluster', 'other'],
      /^None of the 2 instances of the group web is registered in the cluster other: correct --cluster\.$/,
    ],
    [
      'a number of calls that is none',
      ['--group', 'web', '--max-calls', 'many'],
      /^--max-calls many is not a whole number/,
    ],
    ['no group', [], /Required option '--group <name>' not specified/],
    [
      'a file that cannot be written',
      ['--group', 'web', '--out', '/nowhere/web.json'],
      /^\/nowhere\/web\.json cannot be written/,
    ],
  ])('refuses %s in a sentence', async (_, args, sentence) => {
    const { region, run } = await deployedRegion();
    region.ecs.createCluster('other');
    const { status, stderr, stdout } = await run('snapshot', ...args);
    expect(stderr.trim()).toMatch(sentence);
    expect(stdout).toBe('');
    expect(status).toBe(2);
  });

  it('refuses a group without instances, and one whose instances are in no cluster or in two', async () => {
    const { region, instanceIds, run, pass } = await deployedRegion();
    const [first = '', second = ''] = instanceIds;
    region.ecs.createCluster('other');
    region.ecs.registerInstance({ cluster: 'other', ec2InstanceId: second, memoryMiB: 4_096, cpuUnits: 2_048 });
    expect((await run('snapshot', '--group', 'web')).stderr).toMatch(
      /are in 2 clusters \(other, prod\), and a plan is for one: name it with --cluster\./,
    );
    for (const id of [first, second]) {
      for (const registration of region.ecs.registrationsOf(id)) region.ecs.deregisterInstance(registration);
    }
    expect((await run('snapshot', '--group', 'web')).stderr).toMatch(
      /^No instance of the group web is registered in a cluster of this account and Region/,
    );
    region.autoScaling.updateGroup('web', { desiredCapacity: 0 });
    await pass(10_000);
    expect((await run('snapshot', '--group', 'web')).stderr).toMatch(
      /^The group web has no instance, because its desired capacity is 0: there is nothing to drain\.$/m,
    );
  });

  it('asks for the permissions in docs/plan.md, and no others', async () => {
    const { region, take } = await snapshotOf();
    const before = region.calls.length;
    await take();
    const asked = region.calls.slice(before).map(permissionOf);
    const page = await readFile(join(import.meta.dirname, '../../docs/plan.md'), 'utf8');
    const documented = [...page.matchAll(/^\| `(\w+:\w+)` \|/gm)].map(([, permission]) => permission);
    expect([...new Set(asked)].toSorted()).toEqual(documented.toSorted());
  });

  it('knows no settings where nothing is deployed', async () => {
    const { url, region } = await deployedRegion();
    countRequests({ region });
    const target = { stage: 'main', function: 'nobody', endpointUrl: url };
    const { snapshot } = await takeSnapshot({ group: 'web' }, target);
    expect(snapshot.drain).toBeUndefined();
    expect(snapshot.unknown).toEqual([]);
  });
});
