import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type {
  DeleteAttributesResponse,
  DeleteServiceResponse,
  DeregisterContainerInstanceResponse,
  DescribeCapacityProvidersResponse,
  DescribeClustersResponse,
  DescribeContainerInstancesResponse,
  DescribeServicesResponse,
  DescribeTaskDefinitionResponse,
  DescribeTasksResponse,
  GetTaskProtectionResponse,
  PutAttributesResponse,
  RunTaskResponse,
  StopTaskResponse,
  UpdateContainerInstancesStateResponse,
  UpdateServiceResponse,
  UpdateTaskProtectionResponse,
} from '@aws-sdk/client-ecs';
import { beforeEach, describe, expect, it } from 'vitest';
import { ecsService } from '../../../../sandbox/region/ecs/api.ts';
import { EcsModel } from '../../../../sandbox/region/ecs/model.ts';
import type { ServiceSpec } from '../../../../sandbox/region/ecs/specs.ts';
import { type Faults, NO_FAULTS } from '../../../../sandbox/region/faults.ts';
import { Random } from '../../../../sandbox/region/time/random.ts';
import { VirtualTime } from '../../../../sandbox/region/time/virtual-time.ts';
import { MODELS } from '../../../../sandbox/region/wire/models.ts';
import { callOperation } from '../../../../sandbox/region/wire/wire.ts';
import { START_MS } from '../../start.ts';

const cluster = 'prod';
const [A, B] = ['i-0aaaaaaaaaaaaaaaa', 'i-0bbbbbbbbbbbbbbbb'] as const;
const ARN = 'arn:aws:ecs:eu-west-1:123456789012';

let time: VirtualTime;
let ecs: EcsModel;
let arnOfA: string;
let faults: Faults;

beforeEach(() => {
  time = new VirtualTime(START_MS);
  let uuids = 0;
  ecs = new EcsModel({
    time,
    place: { region: 'eu-west-1', account: '123456789012', newId: () => `uuid-${++uuids}` },
    random: new Random(1),
    trace: () => {},
    publish: () => {},
  });
  faults = NO_FAULTS;
  ecs.createCluster(cluster);
  arnOfA = ecs.registerInstance({ cluster, ec2InstanceId: A, memoryMiB: 4_096, cpuUnits: 2_048 });
});

const now = () => (time.nowMs() - START_MS) / 1000;

async function until(seconds: number) {
  time.after(seconds - now(), () => {});
  await time.runUntil(() => now() >= seconds);
}

/** What AWS answers; the caller knows the type of the answer. */
function ask<Answer extends object>(operation: string, input: object = {}): Answer {
  const usual = Object.hasOwn(MODELS.ecs.shapes[`${operation}Request`]?.members ?? {}, 'cluster') ? { cluster } : {};
  return callOperation(ecsService(ecs, faults), operation, { ...usual, ...input }) as Answer;
}

/** The arrays of strings that the List operations answer. */
function list(operation: string, input: object = {}): string[] {
  return Object.values(ask<Record<string, string[]>>(operation, input))[0] ?? [];
}

function pages(operation: string, input: object): string[][] {
  const all: string[][] = [];
  let nextToken: string | undefined;
  do {
    const answer: { nextToken?: string } = ask(operation, { ...input, ...(nextToken && { nextToken }) });
    nextToken = answer.nextToken;
    all.push(Object.values(answer).flatMap((value) => (Array.isArray(value) ? value : [])));
  } while (nextToken !== undefined);
  return all;
}

function service(spec: Partial<ServiceSpec> = {}): ServiceSpec {
  return {
    cluster,
    name: 'web',
    strategy: 'REPLICA',
    desiredCount: 2,
    minimumHealthyPercent: 100,
    maximumPercent: 200,
    memoryMiB: 512,
    cpuUnits: 256,
    startSeconds: 20,
    stopTimeoutSeconds: 45,
    ...spec,
  };
}

const job = { cluster, name: 'job', memoryMiB: 512, cpuUnits: 256, runsForSeconds: 1_000, stopTimeoutSeconds: 30 };
const behindLoadBalancer = { loadBalancer: { deregistrationDelaySeconds: 300, requestsPerSecond: 100 } };

function register(ec2InstanceId: string, inCluster = cluster) {
  return ecs.registerInstance({ cluster: inCluster, ec2InstanceId, memoryMiB: 4_096, cpuUnits: 2_048 });
}

const update = (containerInstances: string[], status: string) =>
  ask<UpdateContainerInstancesStateResponse>('UpdateContainerInstancesState', { containerInstances, status });

describe('clusters in the ECS API', () => {
  it('are listed and described with what is in them', async () => {
    ecs.createCluster('empty');
    ecs.createService(service());
    await until(100);
    ecs.runTask(job);
    expect(list('ListClusters')).toEqual([`${ARN}:cluster/empty`, `${ARN}:cluster/prod`]);
    const answer = ask<DescribeClustersResponse>('DescribeClusters', { clusters: ['prod', 'empty', 'nope'] });
    expect(answer.clusters).toMatchObject([
      {
        clusterName: 'prod',
        clusterArn: `${ARN}:cluster/prod`,
        status: 'ACTIVE',
        registeredContainerInstancesCount: 1,
        runningTasksCount: 2,
        pendingTasksCount: 1,
        activeServicesCount: 1,
      },
      { clusterName: 'empty', registeredContainerInstancesCount: 0, runningTasksCount: 0 },
    ]);
    expect(answer.failures).toEqual([{ arn: `${ARN}:cluster/nope`, reason: 'MISSING' }]);
  });

  it('are named by name or ARN, default when unnamed, and not found as AWS says it', () => {
    expect(list('ListContainerInstances', { cluster: `${ARN}:cluster/prod` })).toEqual([arnOfA]);
    const notFound = expect.objectContaining({ code: 'ClusterNotFoundException', message: 'Cluster not found.' });
    expect(() => ask('ListTasks', { cluster: 'nope' })).toThrow(notFound);
    expect(() => ask('ListTasks', { cluster: undefined })).toThrow(notFound);
    ecs.createCluster('default');
    expect(list('ListTasks', { cluster: undefined })).toEqual([]);
  });
});

describe('ARNs in the ECS API', () => {
  /** An ARN like the task's or another's, of somewhere or something else. */
  const elsewhere = (arn: string, part: string, by: string) => arn.replace(part, by);

  it('facts 57 foreign-arns: of another Region are refused, and stop no task of this one', async () => {
    ecs.runTask(job);
    await until(100);
    const [task = ''] = list('ListTasks');
    expect(() => ask('StopTask', { task: elsewhere(task, 'eu-west-1', 'us-east-1') })).toThrow(
      expect.objectContaining({ code: 'InvalidParameterException', message: 'Invalid Region in ARN' }),
    );
    expect(() => ask('StopTask', { task, cluster: `${ARN}:cluster/prod`.replace('eu-west-1', 'us-east-1') })).toThrow(
      'Invalid Region in ARN',
    );
    expect(list('ListTasks')).toEqual([task]);
  });

  it('facts 57 foreign-arns: of another account are refused, and stop no task of this one', async () => {
    ecs.runTask(job);
    await until(100);
    const [task = ''] = list('ListTasks');
    expect(() => ask('StopTask', { task: elsewhere(task, '123456789012', '210987654321') })).toThrow(
      expect.objectContaining({ code: 'InvalidParameterException' }),
    );
    expect(list('ListTasks')).toEqual([task]);
  });

  it.each([
    ['a cluster', 'ListTasks', 'cluster', 'service/prod'],
    ['a task', 'StopTask', 'task', 'service/prod/web'],
    ['a container instance', 'ListTasks', 'containerInstance', 'task/prod/0123'],
    ['a service', 'ListTasks', 'serviceName', 'cluster/web'],
    ['a task definition', 'DescribeTaskDefinition', 'taskDefinition', 'service/web'],
  ])('facts 57 foreign-arns: of another kind are refused in the place of %s', (_, operation, field, resource) => {
    ecs.createService(service());
    expect(() => ask(operation, { [field]: `${ARN}:${resource}` })).toThrow(
      expect.objectContaining({
        code: 'InvalidParameterException',
        message: `Invalid identifier: Unexpected resource type ${resource.split('/')[0]}`,
      }),
    );
    expect(() => ask(operation, { [field]: 'arn:aws:ec2:eu-west-1:123456789012:instance/i-1' })).toThrow(
      expect.objectContaining({ code: 'InvalidParameterException' }),
    );
  });

  it('are refused in a list as they are alone', () => {
    const foreign = arnOfA.replace('eu-west-1', 'us-east-1');
    expect(() => update([arnOfA, foreign], 'DRAINING')).toThrow('Invalid Region in ARN');
    expect(list('ListContainerInstances', { status: 'ACTIVE' })).toEqual([arnOfA]);
    expect(() => ask('DescribeClusters', { clusters: [`${ARN}:cluster/prod`.replace('eu-west', 'us-west')] })).toThrow(
      'Invalid Region in ARN',
    );
  });

  it('of the old format, without a cluster, are taken', () => {
    const old = arnOfA.replace('/prod/', '/');
    expect(list('ListTasks', { containerInstance: old })).toEqual([]);
    expect(update([old], 'DRAINING').containerInstances).toMatchObject([{ containerInstanceArn: arnOfA }]);
  });
});

describe('container instances in the ECS API', () => {
  it('facts 14 instance-lookup: the filter on the EC2 id finds one instance, in this cluster only', () => {
    ecs.createCluster('test');
    const arnOfB = register(B);
    register(A, 'test');
    expect(list('ListContainerInstances')).toEqual([arnOfA, arnOfB]);
    expect(list('ListContainerInstances', { filter: `ec2InstanceId == ${B}` })).toEqual([arnOfB]);
    expect(list('ListContainerInstances', { filter: `ec2InstanceId==${A}` })).toEqual([arnOfA]);
    expect(list('ListContainerInstances', { filter: `ec2InstanceId == '${B}'` })).toEqual([arnOfB]);
    expect(list('ListContainerInstances', { filter: 'ec2InstanceId == i-nope' })).toEqual([]);
  });

  it('facts 14 instance-lookup: one EC2 instance can have more than one ARN', () => {
    const again = ecs.reRegisterAgent(A);
    const filter = `ec2InstanceId == ${A}`;
    expect(list('ListContainerInstances', { filter })).toEqual([arnOfA, again]);
    expect(list('ListContainerInstances', { filter: `${filter} and agentConnected == true` })).toEqual([again]);
    expect(list('ListContainerInstances', { filter: 'agentConnected==false' })).toEqual([arnOfA]);
  });

  it('facts 59 cluster-query-operators: take the cluster query language, and refuse what is none', () => {
    const arnOfB = register(B);
    ecs.setAgentConnected(B, false);
    const filter = `ec2InstanceId in [${A}, ${B}] and (agentConnected != true or runningTasksCount > 0)`;
    expect(list('ListContainerInstances', { filter })).toEqual([arnOfB]);
    expect(() => ask('ListContainerInstances', { filter: 'color == blue' })).toThrow(
      expect.objectContaining({ code: 'InvalidParameterException', message: 'Invalid filter: color == blue' }),
    );
  });

  it('facts 14 instance-lookup: an INACTIVE one is never listed, with a filter or without', () => {
    ecs.terminateInstance(A);
    const filter = `ec2InstanceId == ${A}`;
    expect(list('ListContainerInstances')).toEqual([]);
    expect(list('ListContainerInstances', { filter })).toEqual([]);
    for (const more of [{}, { filter }]) {
      expect(() => ask('ListContainerInstances', { status: 'INACTIVE', ...more })).toThrow(
        'Container instance status should be one of [ACTIVE, DRAINING].',
      );
    }
  });

  it('facts 23 eventual-consistency: are listed late when lists lag, and described at once', async () => {
    faults = { ...NO_FAULTS, listLagSeconds: 5 };
    await until(100);
    const arnOfB = register(B);
    const filter = `ec2InstanceId == ${B}`;
    expect(list('ListContainerInstances')).toEqual([arnOfA]);
    expect(list('ListContainerInstances', { filter })).toEqual([]);
    const described = ask<DescribeContainerInstancesResponse>('DescribeContainerInstances', {
      containerInstances: [arnOfB],
    });
    expect(described.containerInstances).toHaveLength(1);
    await until(105);
    expect(list('ListContainerInstances')).toEqual([arnOfA, arnOfB]);
    expect(list('ListContainerInstances', { filter })).toEqual([arnOfB]);
  });

  it('facts 14 instance-lookup: without a status every state is listed except INACTIVE', () => {
    const arnOfB = register(B);
    update([arnOfA], 'DRAINING');
    expect(list('ListContainerInstances')).toEqual([arnOfA, arnOfB]);
    expect(list('ListContainerInstances', { status: 'DRAINING' })).toEqual([arnOfA]);
    expect(list('ListContainerInstances', { status: 'ACTIVE' })).toEqual([arnOfB]);
    ecs.terminateInstance(A);
    expect(list('ListContainerInstances')).toEqual([arnOfB]);
    expect(list('ListContainerInstances', { filter: `ec2InstanceId == ${A}` })).toEqual([]);
    const answer = ask<DescribeContainerInstancesResponse>('DescribeContainerInstances', {
      containerInstances: [arnOfA],
    });
    expect(answer.containerInstances).toMatchObject([{ status: 'INACTIVE', agentConnected: false }]);
  });

  it('facts 14 instance-lookup: at most 100 are on a page', () => {
    for (let i = 0; i < 249; i++) register(`i-${i}`);
    expect(pages('ListContainerInstances', {}).map((page) => page.length)).toEqual([100, 100, 50]);
    expect(pages('ListContainerInstances', { maxResults: 90 }).map((page) => page.length)).toEqual([90, 90, 70]);
    expect(new Set(pages('ListContainerInstances', {}).flat()).size).toBe(250);
    const invalid = expect.objectContaining({ code: 'InvalidParameterException' });
    expect(() => ask('ListContainerInstances', { maxResults: 101 })).toThrow(invalid);
    expect(() => ask('ListContainerInstances', { maxResults: 0 })).toThrow(invalid);
    expect(() => ask('ListContainerInstances', { nextToken: 'nonsense' })).toThrow(
      expect.objectContaining({ code: 'InvalidParameterException', message: 'Invalid token nonsense' }),
    );
  });

  it('go on after the last page’s last item, whatever came and went since', () => {
    for (let i = 0; i < 150; i++) register(`i-${i}`);
    const first = ask<{ containerInstanceArns: string[]; nextToken?: string }>('ListContainerInstances');
    const onFirst = ({ arn }: { arn: string }) => first.containerInstanceArns.includes(arn);
    const ids = Array.from({ length: 150 }, (_, i) => `i-${i}`).filter((id) => ecs.registrationsOf(id).some(onFirst));
    for (const id of ids.slice(0, 50)) ecs.terminateInstance(id);
    expect(list('ListContainerInstances', { nextToken: first.nextToken })).toHaveLength(51);
  });

  it('are described with what they have, what is left of it, and what ECS counts on them', async () => {
    ecs.createService(service());
    await until(100);
    ecs.runTask(job);
    const answer = ask<DescribeContainerInstancesResponse>('DescribeContainerInstances', {
      containerInstances: [arnOfA],
    });
    expect(answer).toMatchObject({
      containerInstances: [
        {
          containerInstanceArn: arnOfA,
          ec2InstanceId: A,
          status: 'ACTIVE',
          agentConnected: true,
          version: 4, // registered, and three tasks started
          runningTasksCount: 2,
          pendingTasksCount: 1,
          registeredAt: new Date(START_MS),
          registeredResources: [
            { name: 'CPU', type: 'INTEGER', integerValue: 2_048 },
            { name: 'MEMORY', type: 'INTEGER', integerValue: 4_096 },
          ],
          remainingResources: [
            { name: 'CPU', type: 'INTEGER', integerValue: 2_048 - 3 * 256 },
            { name: 'MEMORY', type: 'INTEGER', integerValue: 4_096 - 3 * 512 },
          ],
        },
      ],
      failures: [],
    });
  });

  it('facts 13 counting-trap: leaving tasks are not in runningTasksCount, nor in pendingTasksCount', async () => {
    ecs.createService(service(behindLoadBalancer));
    await until(100);
    register(B);
    update([arnOfA], 'DRAINING');
    await until(200);
    const answer = ask<DescribeContainerInstancesResponse>('DescribeContainerInstances', {
      containerInstances: [arnOfA],
    });
    expect(answer.containerInstances).toMatchObject([{ runningTasksCount: 0, pendingTasksCount: 0 }]);
    expect(list('ListTasks', { containerInstance: arnOfA })).toEqual([]);
    const tasks = list('ListTasks', { containerInstance: arnOfA, desiredStatus: 'STOPPED' });
    expect(ask<DescribeTasksResponse>('DescribeTasks', { tasks }).tasks).toMatchObject([
      { lastStatus: 'DEACTIVATING', desiredStatus: 'STOPPED' },
      { lastStatus: 'DEACTIVATING', desiredStatus: 'STOPPED' },
    ]);
  });

  it('facts 11 set-draining: only ACTIVE ones become DRAINING; the rest are failures inside an answer of 200', () => {
    const arnOfB = register(B);
    const gone = register('i-gone');
    ecs.terminateInstance('i-gone');
    update([arnOfA], 'DRAINING');
    expect(update([arnOfA, arnOfB, gone, 'nope'], 'DRAINING')).toMatchObject({
      containerInstances: [{ containerInstanceArn: arnOfB, status: 'DRAINING' }],
      failures: [
        { arn: `${ARN}:container-instance/prod/nope`, reason: 'MISSING' },
        { arn: arnOfA, reason: 'DRAINING' },
        { arn: gone, reason: 'INACTIVE' },
      ],
    });
  });

  it('facts 61 draining-twice, read the other way: DRAINING a DRAINING one is done, and changes nothing', () => {
    faults = { ...NO_FAULTS, repeatedDrainingIsDone: true };
    update([arnOfA], 'DRAINING');
    expect(update([arnOfA], 'DRAINING')).toMatchObject({
      containerInstances: [{ containerInstanceArn: arnOfA, status: 'DRAINING' }],
      failures: [],
    });
    ecs.terminateInstance(A);
    expect(update([arnOfA], 'DRAINING').failures).toEqual([{ arn: arnOfA, reason: 'INACTIVE' }]);
  });

  it('facts 12 draining-rules: go back from DRAINING to ACTIVE, and to nothing else', () => {
    update([arnOfA], 'DRAINING');
    expect(update([arnOfA], 'ACTIVE').containerInstances).toMatchObject([{ status: 'ACTIVE' }]);
    expect(update([arnOfA], 'ACTIVE').failures).toEqual([{ arn: arnOfA, reason: 'ACTIVE' }]);
    expect(() => update([arnOfA], 'REGISTERING')).toThrow(
      'Container instance status should be one of [ACTIVE, DRAINING].',
    );
  });

  it('facts 11 set-draining, 14 instance-lookup: are updated by ten and described by a hundred at most', () => {
    const ids = (count: number) => Array.from({ length: count }, (_, i) => `nope-${i}`);
    expect(update(ids(10), 'DRAINING').failures).toHaveLength(10);
    expect(() => update(ids(11), 'DRAINING')).toThrow('at most 10');
    const of = (containerInstances: string[]) =>
      ask<DescribeContainerInstancesResponse>('DescribeContainerInstances', { containerInstances });
    expect(of(ids(100)).failures).toHaveLength(100);
    expect(() => of(ids(101))).toThrow('at most 100');
    expect(() => of([])).toThrow('cannot be empty');
  });

  it('are refused under the ARN of another cluster', () => {
    ecs.createCluster('test');
    expect(() => ask('DescribeContainerInstances', { cluster: 'test', containerInstances: [arnOfA] })).toThrow(
      'Identifier is for cluster prod. Your cluster is test',
    );
  });
});

describe('tasks in the ECS API', () => {
  it.each([
    [{ startedBy: 'nightly', family: 'web' }, 'cannot specify startedBy with other arguments'],
    [{ startedBy: 'nightly', serviceName: 'web' }, 'cannot specify startedBy with other arguments'],
    [{ startedBy: 'nightly', containerInstance: 'a' }, 'cannot specify startedBy with other arguments'],
    [{ startedBy: 'nightly', launchType: 'EC2' }, 'cannot specify startedBy with other arguments'],
    [{ family: 'web', serviceName: 'web' }, 'cannot specify both family and serviceName'],
  ])('are not listed by %j together', (filters, message) => {
    expect(() => ask('ListTasks', filters)).toThrow(
      expect.objectContaining({ code: 'InvalidParameterException', message }),
    );
  });

  it('facts 13 counting-trap: are listed by desired status, RUNNING unless asked, by instance, service, family and starter', async () => {
    ecs.createService(service());
    ecs.createService(service({ name: 'api', desiredCount: 1 }));
    ecs.runTask({ ...job, startedBy: 'nightly' });
    await until(100);
    register(B);
    ecs.runTask({ ...job, ec2InstanceId: B, name: 'other' });
    expect(list('ListTasks')).toHaveLength(5);
    expect(list('ListTasks', { desiredStatus: 'STOPPED' })).toEqual([]);
    expect(list('ListTasks', { desiredStatus: 'PENDING' })).toEqual([]);
    expect(list('ListTasks', { serviceName: 'web' })).toHaveLength(2);
    expect(list('ListTasks', { serviceName: `${ARN}:service/prod/api` })).toHaveLength(1);
    expect(list('ListTasks', { containerInstance: arnOfA })).toHaveLength(4);
    expect(list('ListTasks', { containerInstance: arnOfA, serviceName: 'web' })).toHaveLength(2);
    expect(list('ListTasks', { containerInstance: arnOfA.split('/').at(-1), family: 'web' })).toHaveLength(2);
    expect(list('ListTasks', { family: 'other' })).toHaveLength(1);
    expect(list('ListTasks', { startedBy: 'nightly' })).toHaveLength(1);
    expect(list('ListTasks', { launchType: 'FARGATE' })).toEqual([]);
    expect(list('ListTasks', { startedBy: 'nightly', desiredStatus: 'RUNNING' })).toHaveLength(1);
    expect(() => ask('ListTasks', { serviceName: 'nope' })).toThrow(
      expect.objectContaining({ code: 'ServiceNotFoundException', message: 'Service not found.' }),
    );
    expect(() => ask('ListTasks', { containerInstance: 'nope' })).toThrow(
      expect.objectContaining({ code: 'InvalidParameterException' }),
    );
  });

  it('facts 13 counting-trap: stay listed and described for about an hour after they stopped', async () => {
    ecs.runTask({ ...job, runsForSeconds: 10 });
    const tasks = list('ListTasks');
    await until(3_600);
    expect(list('ListTasks', { desiredStatus: 'STOPPED', containerInstance: arnOfA })).toEqual(tasks);
    await until(3_700);
    expect(list('ListTasks', { desiredStatus: 'STOPPED', containerInstance: arnOfA })).toEqual([]);
    expect(ask<DescribeTasksResponse>('DescribeTasks', { tasks }).failures).toEqual([
      { arn: tasks[0], reason: 'MISSING' },
    ]);
  });

  it('are listed page by page', () => {
    for (let i = 0; i < 20; i++) register(`i-${i}`);
    for (let i = 0; i < 150; i++) ecs.runTask({ ...job, memoryMiB: 128, cpuUnits: 64 });
    expect(pages('ListTasks', {}).map((page) => page.length)).toEqual([100, 50]);
  });

  it('are described as they run and as they stopped', async () => {
    ecs.runTask({ ...job, startedBy: 'nightly', runsForSeconds: 600 });
    await until(100);
    const tasks = list('ListTasks');
    const running = ask<DescribeTasksResponse>('DescribeTasks', { tasks }).tasks?.[0];
    expect(running).toEqual({
      taskArn: tasks[0],
      clusterArn: `${ARN}:cluster/prod`,
      containerInstanceArn: arnOfA,
      taskDefinitionArn: `${ARN}:task-definition/job:1`,
      group: 'family:job',
      startedBy: 'nightly',
      launchType: 'EC2',
      lastStatus: 'RUNNING',
      desiredStatus: 'RUNNING',
      cpu: '256',
      memory: '512',
      containers: [{ taskArn: tasks[0], name: 'job', lastStatus: 'RUNNING', cpu: '256', memory: '512' }],
      version: 3,
      createdAt: new Date(START_MS),
      startedAt: expect.any(Date),
    });
    await until(700);
    expect(ask<DescribeTasksResponse>('DescribeTasks', { tasks }).tasks).toMatchObject([
      {
        lastStatus: 'STOPPED',
        desiredStatus: 'STOPPED',
        stopCode: 'EssentialContainerExited',
        stoppedReason: 'Essential container in task exited',
        containers: [{ lastStatus: 'STOPPED' }],
        stoppingAt: new Date((running?.startedAt?.getTime() ?? 0) + 600_000),
        executionStoppedAt: new Date((running?.startedAt?.getTime() ?? 0) + 600_000),
        stoppedAt: new Date((running?.startedAt?.getTime() ?? 0) + 602_000),
      },
    ]);
  });

  it('are stopped with their grace, once, and a service replaces its own', async () => {
    ecs.createService(service({ desiredCount: 1, stopsAfterSeconds: 40 }));
    await until(100);
    const [task] = list('ListTasks');
    const answer = ask<StopTaskResponse>('StopTask', { task, reason: 'because' });
    expect(answer.task).toMatchObject({
      taskArn: task,
      lastStatus: 'STOPPING',
      desiredStatus: 'STOPPED',
      stopCode: 'UserInitiated',
      stoppedReason: 'because',
    });
    await until(120);
    expect(ask<StopTaskResponse>('StopTask', { task }).task).toMatchObject({ stoppedReason: 'because' });
    await until(200);
    expect(ask<DescribeTasksResponse>('DescribeTasks', { tasks: [task] }).tasks).toMatchObject([
      { lastStatus: 'STOPPED', stoppedAt: new Date(START_MS + 142_000) },
    ]);
    expect(list('ListTasks', { serviceName: 'web' })).toHaveLength(1);
    expect(() => ask('StopTask', { task: 'nope' })).toThrow(
      expect.objectContaining({
        code: 'InvalidParameterException',
        message: 'The referenced task was not found.',
      }),
    );
  });

  it('facts 39 task-protection: say whether they are protected from scaling in', async () => {
    ecs.createService(service({ desiredCount: 1, protectedFromScaleIn: true }));
    ecs.createService(service({ name: 'api', desiredCount: 1 }));
    ecs.runTask(job);
    await until(100);
    const taskOf = (family: string) => list('ListTasks', { family })[0];
    const tasks = [taskOf('web'), taskOf('api'), taskOf('job')];
    expect(ask<GetTaskProtectionResponse>('GetTaskProtection', { tasks })).toEqual({
      protectedTasks: [
        { taskArn: tasks[0], protectionEnabled: true, expirationDate: new Date(START_MS + 7_300_000) },
        { taskArn: tasks[1], protectionEnabled: false },
      ],
      failures: [{ arn: tasks[2], reason: 'TASK_NOT_VALID' }],
    });
  });

  it('facts 39 task-protection: can be protected from scaling in for a while, one by one', async () => {
    ecs.createService(service({ desiredCount: 2 }));
    ecs.runTask(job);
    await until(100);
    const [older, newer] = list('ListTasks', { serviceName: 'web' });
    const [standalone] = list('ListTasks', { family: 'job' });
    const protect = (changes: object) => ask<UpdateTaskProtectionResponse>('UpdateTaskProtection', changes);
    const expirationDate = new Date(START_MS + 100_000 + 600_000);
    expect(protect({ tasks: [newer, standalone], protectionEnabled: true, expiresInMinutes: 10 })).toEqual({
      protectedTasks: [{ taskArn: newer, protectionEnabled: true, expirationDate }],
      failures: [{ arn: standalone, reason: 'TASK_NOT_VALID' }],
    });
    ecs.updateService('prod', 'web', { desiredCount: 1 });
    await until(200);
    expect(list('ListTasks', { serviceName: 'web' })).toEqual([newer]);
    ecs.updateService('prod', 'web', { desiredCount: 0 });
    await until(300);
    expect(list('ListTasks', { serviceName: 'web' })).toEqual([newer]);
    expect(protect({ tasks: [newer], protectionEnabled: false }).protectedTasks).toEqual([
      { taskArn: newer, protectionEnabled: false },
    ]);
    expect(older).not.toBe(newer);
    expect(() => protect({ tasks: [newer], protectionEnabled: true, expiresInMinutes: 2_881 })).toThrow(
      'expiresInMinutes must be between 1 and 2880.',
    );
  });

  it('facts 39 task-protection: are no longer protected once that is switched off, however they ask for it', async () => {
    ecs.createService(service({ desiredCount: 1, protectedFromScaleIn: true }));
    await until(100);
    const tasks = list('ListTasks', { serviceName: 'web' });
    ask('UpdateTaskProtection', { tasks, protectionEnabled: false });
    await until(200);
    expect(ask<GetTaskProtectionResponse>('GetTaskProtection', { tasks }).protectedTasks).toEqual([
      { taskArn: tasks[0], protectionEnabled: false },
    ]);
    ask('UpdateTaskProtection', { tasks, protectionEnabled: true });
    expect(ask<GetTaskProtectionResponse>('GetTaskProtection', { tasks }).protectedTasks).toMatchObject([
      { protectionEnabled: true },
    ]);
  });

  it('facts 39 task-protection: are unprotected when the time is over', async () => {
    ecs.createService(service({ desiredCount: 1 }));
    await until(100);
    const tasks = list('ListTasks', { serviceName: 'web' });
    ask('UpdateTaskProtection', { tasks, protectionEnabled: true, expiresInMinutes: 1 });
    await until(161);
    expect(ask<GetTaskProtectionResponse>('GetTaskProtection', { tasks }).protectedTasks).toEqual([
      { taskArn: tasks[0], protectionEnabled: false },
    ]);
  });
});

describe('RunTask', () => {
  const run = (input: object) => ask<RunTaskResponse>('RunTask', { taskDefinition: 'job', ...input });

  beforeEach(() => ecs.runTask({ ...job, memoryMiB: 2_048, runsForSeconds: 50 })); // its definition is job:1

  it('places tasks where most memory is free, and they do what their definition says', async () => {
    const arnOfB = register(B);
    const { tasks = [], failures } = run({ count: 3, startedBy: 'me' });
    expect(failures).toEqual([]);
    expect(tasks.map(({ containerInstanceArn }) => containerInstanceArn)).toEqual([arnOfB, arnOfA, arnOfB]);
    expect(tasks[0]).toMatchObject({
      taskDefinitionArn: `${ARN}:task-definition/job:1`,
      group: 'family:job',
      startedBy: 'me',
      lastStatus: 'PROVISIONING',
    });
    await until(100);
    expect(list('ListTasks')).toEqual([]);
    expect(list('ListTasks', { desiredStatus: 'STOPPED', startedBy: 'me' })).toHaveLength(3);
  });

  it('facts 62 run-task: starts what fits, and says of each instance why it takes no more', () => {
    const arnOfB = ecs.registerInstance({ cluster, ec2InstanceId: B, memoryMiB: 8_192, cpuUnits: 128 });
    const silent = register('i-silent');
    ecs.setAgentConnected('i-silent', false);
    update([register('i-draining')], 'DRAINING');
    expect(run({ count: 2 })).toMatchObject({
      tasks: [{ containerInstanceArn: arnOfA }],
      failures: [
        { arn: arnOfA, reason: 'RESOURCE:MEMORY' },
        { arn: arnOfB, reason: 'RESOURCE:CPU' },
        { arn: silent, reason: 'AGENT' },
      ],
    });
  });

  it('facts 62 run-task: runs a request with the same client token once, and refuses another request with it', () => {
    const service = ecsService(ecs);
    const runOnce = (input: object) => callOperation(service, 'RunTask', { cluster, taskDefinition: 'job', ...input });
    const once = runOnce({ clientToken: 'a' }) as RunTaskResponse;
    expect((runOnce({ clientToken: 'a' }) as RunTaskResponse).tasks).toEqual(once.tasks);
    expect(list('ListTasks')).toHaveLength(2); // and the one from before
    expect(() => runOnce({ clientToken: 'a', count: 2 })).toThrow(
      expect.objectContaining({ code: 'ConflictException' }),
    );
  });

  it('facts 62 run-task: keeps a client token with its request when nothing was placed, and tries that again', () => {
    const service = ecsService(ecs);
    const runOnce = (input: object) =>
      callOperation(service, 'RunTask', {
        cluster,
        taskDefinition: 'job',
        clientToken: 'a',
        ...input,
      }) as RunTaskResponse;
    update([arnOfA], 'DRAINING');
    const full = ecs.registerInstance({ cluster, ec2InstanceId: B, memoryMiB: 128, cpuUnits: 128 });
    expect(runOnce({})).toMatchObject({ tasks: [], failures: [{ arn: full }] });
    expect(() => runOnce({ count: 2 })).toThrow(expect.objectContaining({ code: 'ConflictException' }));
    update([arnOfA], 'ACTIVE');
    expect(runOnce({}).tasks).toHaveLength(1);
  });

  it('facts 62 run-task: a client token is of one cluster', () => {
    ecs.createCluster('test');
    register(B, 'test');
    const service = ecsService(ecs);
    const runIn = (name: string) =>
      callOperation(service, 'RunTask', { cluster: name, taskDefinition: 'job', clientToken: 'a' }) as RunTaskResponse;
    expect(runIn(cluster).tasks).toHaveLength(1);
    expect(runIn('test').tasks).toHaveLength(1);
  });

  it.each([
    [{ startedBy: 'a'.repeat(129) }, 'startedBy longer than 128.'],
    [{ clientToken: 'a'.repeat(65) }, 'clientToken longer than 64.'],
    [{ clientToken: 'a b' }, 'clientToken has to consist of the ASCII characters 33 to 126.'],
    [{ clientToken: '' }, 'clientToken has to consist of the ASCII characters 33 to 126.'],
    [{ group: 'a'.repeat(256) }, 'group longer than 255.'],
    [{ group: 'service:web' }, 'group must not begin with service: or family:, as service:web does.'],
    [{ group: 'family:job' }, 'group must not begin with service: or family:, as family:job does.'],
  ])('facts 62 run-task: refuses %j', (input, message) => {
    expect(() => run(input)).toThrow(expect.objectContaining({ code: 'InvalidParameterException', message }));
  });

  it('facts 62 run-task: takes members of the greatest length', () => {
    const longest = { startedBy: 'a'.repeat(128), clientToken: '~'.repeat(64), group: 'a'.repeat(255) };
    expect(run(longest).tasks).toMatchObject([{ startedBy: longest.startedBy, group: longest.group }]);
  });

  it('obeys placement constraints', () => {
    const arnOfB = register(B);
    const placed = (placementConstraints: object[], more: object = {}) => {
      const { tasks = [], failures = [] } = run({ placementConstraints, ...more });
      return [tasks.map(({ containerInstanceArn }) => containerInstanceArn), failures.map(({ reason }) => reason)];
    };
    expect(placed([{ type: 'memberOf', expression: `ec2InstanceId == ${A}` }])).toEqual([[arnOfA], []]);
    expect(placed([{ type: 'memberOf', expression: 'attribute:gpu exists' }])).toEqual([
      [],
      Array(2).fill('MemberOf placement constraint unsatisfied.'),
    ]);
    expect(placed([{ type: 'distinctInstance' }], { group: 'pair', count: 2 })[0]).toEqual([arnOfB]);
  });

  it('facts 62 run-task: is refused without a definition or an instance, and for what the Region cannot do', () => {
    expect(() => run({ taskDefinition: 'nope' })).toThrow(
      expect.objectContaining({ code: 'ClientException', message: 'TaskDefinition not found.' }),
    );
    expect(() => run({ count: 11 })).toThrow('count must be between 1 and 10.');
    expect(() => run({ launchType: 'FARGATE' })).toThrow('The local Region runs tasks on EC2, not on FARGATE.');
    expect(() => run({ enableExecuteCommand: true })).toThrow(
      'The local Region cannot run a task with enableExecuteCommand.',
    );
    ecs.terminateInstance(A);
    expect(() => run({})).toThrow(
      expect.objectContaining({
        code: 'InvalidParameterException',
        message: 'No Container Instances were found in your cluster.',
      }),
    );
  });
});

describe('the attributes of a container instance', () => {
  const put = (name: string, value?: string, targetId = arnOfA) =>
    ask<PutAttributesResponse>('PutAttributes', { attributes: [{ name, value, targetId }] });
  const remove = (name: string) =>
    ask<DeleteAttributesResponse>('DeleteAttributes', { attributes: [{ name, targetId: arnOfA }] });
  const found = (filter: string) => list('ListContainerInstances', { filter });
  const described = (arn = arnOfA) =>
    ask<DescribeContainerInstancesResponse>('DescribeContainerInstances', { containerInstances: [arn] })
      .containerInstances?.[0]?.attributes;

  it('facts 96 container-instance-attributes: are put, found, described, replaced and deleted', () => {
    expect(found('attribute:our.mark exists')).toEqual([]);
    expect(put('our.mark', 'one 2026-01-01T00:00:00Z').attributes).toHaveLength(1);
    expect(found('attribute:our.mark exists and agentConnected == true')).toEqual([arnOfA]);
    put('our.mark', 'two');
    expect(described()).toEqual([{ name: 'our.mark', value: 'two' }]);
    expect(remove('our.mark').attributes).toHaveLength(1);
    expect(remove('our.mark').attributes).toEqual([]);
    expect(found('attribute:our.mark exists')).toEqual([]);
  });

  it('are of one registration: an agent that registers again brings only its own', () => {
    const own = { cluster, ec2InstanceId: B, memoryMiB: 4_096, cpuUnits: 2_048, attributes: { stack: 'prod' } };
    const old = ecs.registerInstance(own);
    put('our.mark', 'x', old);
    const again = ecs.reRegisterAgent(B);
    expect(described(again)).toEqual([{ name: 'stack', value: 'prod' }]);
    expect(found('attribute:our.mark exists')).toEqual([old]);
    expect(found('attribute:our.mark exists and agentConnected == true')).toEqual([]);
  });

  it.each([
    ['a name with a space', () => put('our mark'), 'Invalid attribute name: our mark'],
    ['a value with a bracket', () => put('our.mark', '[x]'), 'Invalid attribute value: [x]'],
    [
      'an instance that is not there',
      () => put('our.mark', 'x', `${ARN}:container-instance/prod/none`),
      'was not found',
    ],
    ['a short id without its type', () => put('our.mark', 'x', 'none'), 'has to be container-instance'],
    [
      'an eleventh attribute',
      () => Array.from({ length: 11 }, (_, i) => put(`mark-${i}`)),
      'would have more than 10 attributes',
    ],
    [
      'eleven in one call',
      () => {
        const attributes = Array.from({ length: 11 }, () => ({ name: 'our.mark', targetId: arnOfA }));
        ask('PutAttributes', { attributes });
      },
      'Attributes can have at most 10 items.',
    ],
    ['no attribute', () => ask('DeleteAttributes', { attributes: [] }), 'Attributes cannot be empty.'],
  ])('are refused for %s', (_, request, words) => {
    expect(request).toThrow(words);
  });
});

describe('DeregisterContainerInstance', () => {
  const deregister = (input: object) =>
    ask<DeregisterContainerInstanceResponse>('DeregisterContainerInstance', { containerInstance: arnOfA, ...input });

  it('facts 62 run-task: is refused while tasks run, unless it is forced; ECS then forgets them and replaces those of services', async () => {
    ecs.createService(service(behindLoadBalancer));
    await until(100);
    const arnOfB = register(B);
    const tasks = list('ListTasks');
    expect(() => deregister({})).toThrow(
      expect.objectContaining({
        code: 'InvalidParameterException',
        message: 'Found running tasks on the instance.',
      }),
    );
    expect(deregister({ force: true }).containerInstance).toMatchObject({ status: 'INACTIVE', runningTasksCount: 0 });
    expect(ask<DescribeTasksResponse>('DescribeTasks', { tasks }).tasks).toMatchObject(
      Array(2).fill({
        lastStatus: 'STOPPED',
        stopCode: 'UserInitiated',
        stoppedReason: 'Container instance deregistration forced by user',
      }),
    );
    await until(200);
    expect(list('ListTasks', { containerInstance: arnOfB })).toHaveLength(2);
    expect(list('ListContainerInstances')).toEqual([arnOfB]);
    expect(ecs.terminateInstance(A)).toEqual([]);
    expect(() => deregister({ force: true })).toThrow('The referenced container instance was not found.');
  });

  it('is done where no task runs', () => {
    expect(deregister({}).containerInstance).toMatchObject({ status: 'INACTIVE', agentConnected: false });
  });
});

describe('DescribeCapacityProviders', () => {
  const describe = (input: object = {}) => ask<DescribeCapacityProvidersResponse>('DescribeCapacityProviders', input);
  const names = (input: object = {}) => describe(input).capacityProviders?.map(({ name }) => name);

  it('facts 63 fargate-providers: has Fargate’s in every account, and those of Auto Scaling groups', () => {
    const autoScalingGroupArn =
      'arn:aws:autoscaling:eu-west-1:123456789012:autoScalingGroup:1:autoScalingGroupName/web';
    ecs.createCapacityProvider('web', autoScalingGroupArn);
    expect(names()).toEqual(['FARGATE', 'FARGATE_SPOT', 'web']);
    expect(describe({ capacityProviders: [`${ARN}:capacity-provider/web`, 'nope'] })).toMatchObject({
      capacityProviders: [{ name: 'web', status: 'ACTIVE', autoScalingGroupProvider: { autoScalingGroupArn } }],
      failures: [{ arn: `${ARN}:capacity-provider/nope`, reason: 'MISSING' }],
    });
    for (let i = 0; i < 10; i++) ecs.createCapacityProvider(`p${i}`, autoScalingGroupArn);
    expect(pages('DescribeCapacityProviders', {}).map((page) => page.length)).toEqual([10, 3]);
  });
});

describe('services in the ECS API', () => {
  it('are listed by ten, and by strategy', () => {
    for (let i = 0; i < 12; i++) ecs.createService(service({ name: `web-${i}`, desiredCount: 0 }));
    ecs.createService(service({ name: 'logs', strategy: 'DAEMON' }));
    expect(pages('ListServices', {}).map((page) => page.length)).toEqual([10, 3]);
    expect(list('ListServices', { schedulingStrategy: 'DAEMON' })).toEqual([`${ARN}:service/prod/logs`]);
  });

  it('are described with their counts, bounds and messages', async () => {
    update([register(B)], 'DRAINING');
    ecs.createService(service({ desiredCount: 9, maximumPercent: 150, ...behindLoadBalancer }));
    ecs.createService(service({ name: 'logs', strategy: 'DAEMON', desiredCount: 0 }));
    await until(100);
    const services = ['web', `${ARN}:service/prod/logs`, 'nope'];
    const answer = ask<DescribeServicesResponse>('DescribeServices', { services });
    expect(answer.services).toMatchObject([
      {
        serviceName: 'web',
        serviceArn: `${ARN}:service/prod/web`,
        clusterArn: `${ARN}:cluster/prod`,
        status: 'ACTIVE',
        schedulingStrategy: 'REPLICA',
        desiredCount: 9,
        runningCount: 7,
        pendingCount: 0,
        taskDefinition: `${ARN}:task-definition/web:1`,
        deploymentConfiguration: { minimumHealthyPercent: 100, maximumPercent: 150 },
        loadBalancers: [{ containerName: 'web' }],
        events: [{ message: expect.stringContaining('unable to place a task'), createdAt: new Date(START_MS + 1_000) }],
      },
      {
        serviceName: 'logs',
        schedulingStrategy: 'DAEMON',
        desiredCount: 1,
        runningCount: 1,
        loadBalancers: [],
        events: [],
      },
    ]);
    expect(answer.failures).toEqual([{ arn: `${ARN}:service/prod/nope`, reason: 'MISSING' }]);
    expect(() => ask('DescribeServices', { services: Array(11).fill('web') })).toThrow('at most 10');
  });

  it('facts 60 update-service: are updated: count, percentages, deployment', async () => {
    ecs.createService(service());
    await until(100);
    const changed = ask<UpdateServiceResponse>('UpdateService', {
      service: `${ARN}:service/prod/web`,
      desiredCount: 3,
      deploymentConfiguration: { minimumHealthyPercent: 50 },
    });
    expect(changed.service).toMatchObject({
      desiredCount: 3,
      runningCount: 2,
      deploymentConfiguration: { minimumHealthyPercent: 50, maximumPercent: 200 },
      deployments: [{ status: 'PRIMARY', rolloutState: 'COMPLETED' }],
    });
    await until(200);
    const deployed = ask<UpdateServiceResponse>('UpdateService', { service: 'web', forceNewDeployment: true });
    expect(deployed.service?.deployments).toMatchObject([
      { status: 'PRIMARY', rolloutState: 'IN_PROGRESS', desiredCount: 3, runningCount: 0, pendingCount: 0 },
      { status: 'ACTIVE', desiredCount: 3, runningCount: 3 },
    ]);
    await until(400);
    const described = ask<DescribeServicesResponse>('DescribeServices', { services: ['web'] });
    expect(described.services).toMatchObject([
      { runningCount: 3, deployments: [{ status: 'PRIMARY', rolloutState: 'COMPLETED', runningCount: 3 }] },
    ]);
  });

  it('facts 60 update-service: are deployed with another task definition, of which there must be one', async () => {
    ecs.createService(service());
    ecs.createService(service({ name: 'api' }));
    await until(100);
    const updated = ask<UpdateServiceResponse>('UpdateService', { service: 'web', taskDefinition: 'api:1' });
    expect(updated.service).toMatchObject({
      taskDefinition: `${ARN}:task-definition/api:1`,
      deployments: [{ rolloutState: 'IN_PROGRESS' }, { taskDefinition: `${ARN}:task-definition/web:1` }],
    });
    await until(400);
    expect(list('ListTasks', { serviceName: 'web' })).toHaveLength(2);
    expect(list('ListTasks', { family: 'web' })).toEqual([]);
    expect(() => ask('UpdateService', { service: 'web', taskDefinition: 'api:7' })).toThrow(
      expect.objectContaining({ code: 'ClientException', message: 'TaskDefinition not found.' }),
    );
  });

  it('facts 60 update-service: are refused what ECS does not do, and what the Region cannot', () => {
    ecs.createService(service());
    ecs.createService(service({ name: 'logs', strategy: 'DAEMON' }));
    const refusal = (code: string, message: string) => expect.objectContaining({ code, message });
    expect(() => ask('UpdateService', { service: 'nope', desiredCount: 1 })).toThrow(
      refusal('ServiceNotFoundException', 'Service not found.'),
    );
    expect(() => ask('UpdateService', { service: 'logs', desiredCount: 1 })).toThrow(
      'The daemon scheduling strategy does not support a desired count for services.',
    );
    expect(() => ask('UpdateService', { service: 'web', platformVersion: '1.4.0' })).toThrow(
      refusal('InvalidParameterException', 'The local Region cannot change platformVersion of a service.'),
    );
    expect(() => ask('UpdateService', { service: 'web', availabilityZoneRebalancing: 'ENABLED' })).toThrow(
      'The local Region has one Availability Zone',
    );
    ask('UpdateService', { service: 'logs', deploymentConfiguration: { minimumHealthyPercent: 50 } });
  });

  it('facts 60 update-service: are refused a negative desired count', () => {
    ecs.createService(service());
    expect(() => ask('UpdateService', { service: 'web', desiredCount: -1 })).toThrow(
      'desiredCount must be greater than or equal to 0.',
    );
  });

  it.each([
    [{ minimumHealthyPercent: -1 }, 'minimumHealthyPercent must be at least 0'],
    [{ minimumHealthyPercent: 101 }, 'minimumHealthyPercent must be at most 100'],
    [{ minimumHealthyPercent: 0, maximumPercent: 0 }, 'maximumPercent must be at least 100'],
    [{ minimumHealthyPercent: 50, maximumPercent: 40 }, 'maximumPercent must be at least 100'],
    [{ maximumPercent: 99 }, 'maximumPercent must be at least 100'],
    [{ maximumPercent: -100 }, 'maximumPercent must be at least 100'],
    [
      { maximumPercent: 100 },
      'Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block deployments.',
    ],
  ])('facts 105 deployment-percents: are refused %j', (deploymentConfiguration, message) => {
    ecs.createService(service());
    expect(() => ask('UpdateService', { service: 'web', deploymentConfiguration })).toThrow(
      expect.objectContaining({ code: 'InvalidParameterException', message }),
    );
    expect(ask<DescribeServicesResponse>('DescribeServices', { services: ['web'] }).services).toMatchObject([
      { desiredCount: 2, deploymentConfiguration: { minimumHealthyPercent: 100, maximumPercent: 200 } },
    ]);
  });

  it.each([
    { minimumHealthyPercent: 0, maximumPercent: 100 },
    { minimumHealthyPercent: 99, maximumPercent: 100 },
    { minimumHealthyPercent: 100, maximumPercent: 101 },
    { minimumHealthyPercent: 50, maximumPercent: 400 },
  ])('facts 105 deployment-percents: take %j', (deploymentConfiguration) => {
    ecs.createService(service());
    const { service: updated } = ask<UpdateServiceResponse>('UpdateService', {
      service: 'web',
      deploymentConfiguration,
    });
    expect(updated?.deploymentConfiguration).toMatchObject(deploymentConfiguration);
  });

  it('take the percentages of docs/verify-on-aws.md, of which the first let no task go and the second do', async () => {
    const page = await readFile(join(import.meta.dirname, '../../../../docs/verify-on-aws.md'), 'utf8');
    const commands = [...page.matchAll(/update-service .*maximumPercent=(\d+),minimumHealthyPercent=(\d+)(.*)/g)];
    expect(commands).toHaveLength(2);
    register(B);
    const [first = '', second = ''] = list('ListContainerInstances');
    ecs.createService(service());
    await until(100);
    const holding = () => [first, second].map((containerInstance) => list('ListTasks', { containerInstance }).length);
    expect(holding()).toEqual([1, 1]);
    const change = async ([, maximum, minimum, rest]: readonly string[]) => {
      ask('UpdateService', {
        service: 'web',
        deploymentConfiguration: { maximumPercent: Number(maximum), minimumHealthyPercent: Number(minimum) },
        ...(rest?.includes('--availability-zone-rebalancing DISABLED') && { availabilityZoneRebalancing: 'DISABLED' }),
      });
    };
    await change(commands[0] ?? []);
    update([first], 'DRAINING');
    await until(1_000);
    expect(holding()).toEqual([1, 1]);
    await change(commands[1] ?? []);
    await until(2_000);
    expect(holding()).toEqual([0, 2]);
  });

  it('facts 60 update-service: are deleted when they are scaled to 0, or by force; INACTIVE ones are described and not updated', async () => {
    ecs.createService(service());
    await until(100);
    expect(() => ask('DeleteService', { service: 'web' })).toThrow(
      'The service cannot be stopped while it is scaled above 0.',
    );
    expect(ask<DeleteServiceResponse>('DeleteService', { service: 'web', force: true }).service?.status).toBe(
      'DRAINING',
    );
    await until(200);
    const described = ask<DescribeServicesResponse>('DescribeServices', { services: ['web'] });
    expect(described.services).toMatchObject([{ status: 'INACTIVE', desiredCount: 0, runningCount: 0 }]);
    expect(list('ListServices')).toEqual([]);
    expect(ask<DescribeClustersResponse>('DescribeClusters', { clusters: ['prod'] }).clusters).toMatchObject([
      { activeServicesCount: 0 },
    ]);
    expect(() => ask('UpdateService', { service: 'web', desiredCount: 1 })).toThrow(
      expect.objectContaining({ code: 'ServiceNotActiveException', message: 'Service was not ACTIVE.' }),
    );
  });

  it('have task definitions with the grace that their containers get', () => {
    ecs.createService(service());
    ecs.createService(service({ name: 'api', stopTimeoutSeconds: 10 }));
    const definition = (taskDefinition: string) =>
      ask<DescribeTaskDefinitionResponse>('DescribeTaskDefinition', { taskDefinition }).taskDefinition;
    expect(definition(`${ARN}:task-definition/web:1`)).toMatchObject({
      taskDefinitionArn: `${ARN}:task-definition/web:1`,
      family: 'web',
      revision: 1,
      containerDefinitions: [{ name: 'web', stopTimeout: 45, memory: 512, cpu: 256, essential: true }],
    });
    expect(definition('api')?.containerDefinitions).toMatchObject([{ stopTimeout: 10 }]);
    const unknown = expect.objectContaining({
      code: 'ClientException',
      message: 'Unable to describe task definition.',
    });
    expect(() => definition('web:2')).toThrow(unknown);
    expect(() => definition('nope')).toThrow(unknown);
  });
});
