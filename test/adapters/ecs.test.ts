import { ECSClient, type Task as EcsTask } from '@aws-sdk/client-ecs';
import { describe, expect, it } from 'vitest';
import { ecsContainerInstances, toContainerInstance } from '../../src/adapters/ecs.ts';
import { type HoldingTask, STAGES } from '../../src/domain/observation.ts';
import { ClusterMissing, type ContainerInstances, Unavailable } from '../../src/domain/ports.ts';
import {
  CLUSTER,
  containerInstance,
  containerInstanceArn,
  holdingTask,
  INSTANCE_ID,
  recordedInstance,
  recordedTask,
  taskArn,
} from './samples.ts';
import { type AwsEndpoint, accessDenied, aws, fault, hang, type Script, throttled, type Wire } from './wire.ts';

/** The adapter of one invocation, talking to the endpoint through the real SDK client. */
function ecsAt({ config }: AwsEndpoint, signal = new AbortController().signal) {
  return ecsContainerInstances(new ECSClient(config), {
    readStopTimeouts: false,
    containerStopTimeoutSeconds: 30,
    markName: 'ecs-drain.test',
  })(signal);
}

function range(length: number) {
  return Array.from({ length }, (_, i) => i + 1);
}

function arnsOf(items: readonly { readonly arn: string }[]) {
  return items.map(({ arn }) => arn);
}

/** DescribeContainerInstances that knows every registration it is asked for, with this status. */
const describing = (status: string): Script => ({
  DescribeContainerInstances: ({ containerInstances = [] }) => ({
    containerInstances: containerInstances.map((arn) => recordedInstance({ containerInstanceArn: arn, status })),
    failures: [],
  }),
});

describe('listing the registrations of EC2 instances', () => {
  it('asks for one instance by its id, and describes nothing', async () => {
    const endpoint = await aws({ ListContainerInstances: { containerInstanceArns: [containerInstanceArn()] } });
    expect(await ecsAt(endpoint).list(CLUSTER, [INSTANCE_ID])).toEqual([containerInstanceArn()]);
    expect(endpoint.inputsOf('ListContainerInstances')).toEqual([
      { cluster: CLUSTER, filter: `ec2InstanceId == ${INSTANCE_ID}`, maxResults: 100 },
    ]);
    expect(endpoint.actions).toEqual(['ListContainerInstances']);
  });

  it('asks for many instances in one call for each hundred', async () => {
    const endpoint = await aws({
      ListContainerInstances: [
        { containerInstanceArns: [containerInstanceArn(1)] },
        { containerInstanceArns: [containerInstanceArn(2)] },
      ],
    });
    const ids = range(102).map((n) => `i-${String(n).padStart(17, '0')}`);
    expect(await ecsAt(endpoint).list(CLUSTER, ids)).toEqual([containerInstanceArn(1), containerInstanceArn(2)]);
    expect(endpoint.inputsOf('ListContainerInstances').map(({ filter }) => filter)).toEqual([
      `ec2InstanceId in [${ids.slice(0, 100).join(', ')}]`,
      `ec2InstanceId in [${ids.slice(100).join(', ')}]`,
    ]);
  });

  it('finds every registration that an agent left behind, on every page', async () => {
    const arns = range(150).map((n) => containerInstanceArn(n));
    const endpoint = await aws({
      ListContainerInstances: [
        { containerInstanceArns: arns.slice(0, 100), nextToken: 'page-2' },
        { containerInstanceArns: arns.slice(100) },
      ],
    });
    expect(await ecsAt(endpoint).list(CLUSTER, [INSTANCE_ID])).toEqual(arns);
    expect(endpoint.inputsOf('ListContainerInstances').map(({ nextToken }) => nextToken)).toEqual([
      undefined,
      'page-2',
    ]);
  });

  it.each([{ containerInstanceArns: [] }, {}])('finds nothing where ECS lists nothing: %j', async (answer) => {
    expect(await ecsAt(await aws({ ListContainerInstances: answer })).list(CLUSTER, [INSTANCE_ID])).toEqual([]);
  });
});

describe('describing registrations', () => {
  it('asks for a hundred at a time, and returns all of them', async () => {
    const endpoint = await aws(describing('DRAINING'));
    const arns = range(150).map((n) => containerInstanceArn(n));
    expect(arnsOf(await ecsAt(endpoint).describe(CLUSTER, arns))).toEqual(arns);
    expect(endpoint.inputsOf('DescribeContainerInstances')).toEqual([
      { cluster: CLUSTER, containerInstances: arns.slice(0, 100) },
      { cluster: CLUSTER, containerInstances: arns.slice(100) },
    ]);
  });

  it('asks nothing about none', async () => {
    const endpoint = await aws({});
    expect(await ecsAt(endpoint).describe(CLUSTER, [])).toEqual([]);
    expect(endpoint.actions).toEqual([]);
  });

  it('leaves out a registration that ECS has forgotten', async () => {
    const endpoint = await aws({
      DescribeContainerInstances: {
        containerInstances: [recordedInstance()],
        failures: [{ arn: containerInstanceArn(2), reason: 'MISSING' }],
      },
    });
    const arns = [containerInstanceArn(1), containerInstanceArn(2)];
    expect(await ecsAt(endpoint).describe(CLUSTER, arns)).toEqual([containerInstance(1)]);
  });

  it('takes an answer that is left out for none', async () => {
    const endpoint = await aws({ DescribeContainerInstances: {} });
    expect(await ecsAt(endpoint).describe(CLUSTER, [containerInstanceArn()])).toEqual([]);
  });
});

describe('a registration', () => {
  const memory = (registered?: number, remaining?: number) => ({
    registeredResources: registered === undefined ? [] : [{ name: 'MEMORY', integerValue: registered }],
    remainingResources: remaining === undefined ? [] : [{ name: 'MEMORY', integerValue: remaining }],
  });
  const seen = (changes: object) => toContainerInstance(CLUSTER, recordedInstance(changes) as object);

  it('counts the tasks with desired status RUNNING, including those that have yet to start', () => {
    expect(seen({ runningTasksCount: 2, pendingTasksCount: 3 })).toEqual(
      containerInstance(1, { countedTasks: 5, registeredAtMs: undefined }),
    );
  });

  it.each([
    ['no task is counted and all of its memory is free', true, { ...memory(7687, 7687) }],
    ['its counts are left out and all of its memory is free', true, { runningTasksCount: undefined, ...memory(1, 1) }],
    ['some of its memory is in use', false, memory(7687, 7175)],
    ['a task is running', false, { runningTasksCount: 1, ...memory(7687, 7687) }],
    ['a task is pending', false, { pendingTasksCount: 1, ...memory(7687, 7687) }],
    ['its memory is unknown', false, memory()],
    ['its remaining memory is unknown', false, memory(7687)],
    ['its resources are left out', false, { registeredResources: undefined, remainingResources: undefined }],
  ])('looks empty only if no task is counted and nothing is in use: where %s, %s', (_, isEmpty, changes) => {
    const none = { runningTasksCount: 0, pendingTasksCount: 0 };
    expect(seen({ ...none, ...changes }).isEmpty).toBe(isEmpty);
  });

  it('reads only its memory: other resources may be reserved by no one', () => {
    const resources = (cpu: number) => [
      { name: 'CPU', integerValue: cpu },
      { name: 'MEMORY', integerValue: 512 },
    ];
    const changes = { registeredResources: resources(1024), remainingResources: resources(512) };
    expect(seen({ runningTasksCount: 0, pendingTasksCount: 0, ...changes }).isEmpty).toBe(true);
  });

  it('whose fields are left out is assumed to be disconnected and not empty', () => {
    expect(toContainerInstance(CLUSTER, {})).toEqual({
      arn: '',
      cluster: CLUSTER,
      ec2InstanceId: '',
      status: 'UNKNOWN',
      agentConnected: false,
      countedTasks: 0,
      isEmpty: false,
    });
  });
});

describe('setting registrations to DRAINING', () => {
  /** Sets what is ACTIVE to DRAINING; the registrations that it is asked about are `described`. */
  const updating = (described = 'DRAINING'): Script => ({
    ...describing(described),
    UpdateContainerInstancesState: ({ containerInstances = [], status = 'ACTIVE' }) => ({
      containerInstances: containerInstances.map((arn) => recordedInstance({ containerInstanceArn: arn, status })),
      failures: [],
    }),
  });

  it('sets ten at a time, and returns them as ECS has them now', async () => {
    const endpoint = await aws(updating());
    const arns = range(12).map((n) => containerInstanceArn(n));
    expect(await ecsAt(endpoint).setDraining(CLUSTER, arns)).toEqual({
      found: range(12).map((n) => containerInstance(n, { status: 'DRAINING' })),
    });
    expect(endpoint.inputsOf('UpdateContainerInstancesState')).toEqual([
      { cluster: CLUSTER, containerInstances: arns.slice(0, 10), status: 'DRAINING' },
      { cluster: CLUSTER, containerInstances: arns.slice(10), status: 'DRAINING' },
    ]);
    expect(endpoint.actions).not.toContain('DescribeContainerInstances');
  });

  it.each(['UpdateContainerInstancesState', 'DescribeContainerInstances'])(
    'leaves out what a throttled %s was about, and says so: what was answered counts',
    async (action) => {
      const endpoint = await aws({
        ...updating(),
        DescribeContainerInstances: throttled,
        UpdateContainerInstancesState: ({ containerInstances = [] }) => {
          if (action === 'UpdateContainerInstancesState' && containerInstances.length === 2) return throttled;
          const others = containerInstances.length === 2 ? [] : containerInstances;
          return {
            containerInstances: others.map((arn) =>
              recordedInstance({ containerInstanceArn: arn, status: 'DRAINING' }),
            ),
          };
        },
      });
      const arns = range(12).map((n) => containerInstanceArn(n));
      const { found, error } = await ecsAt(endpoint).setDraining(CLUSTER, arns);
      expect(arnsOf(found)).toEqual(arns.slice(0, 10));
      const isUpdate = action === 'UpdateContainerInstancesState';
      const attempted = `${isUpdate ? 'set' : 'describe'} 2 container instances of cluster ${CLUSTER}${isUpdate ? ' to DRAINING' : ''}`;
      expect(error).toBeInstanceOf(Unavailable);
      expect(error?.message).toBe(`Could not ${attempted}: ThrottlingException: Rate exceeded`);
    },
  );

  it.each([
    ['they are still ACTIVE', [recordedInstance()], []],
    ['they are missing', [], [{ arn: containerInstanceArn(), reason: 'MISSING' }]],
    ['nothing about them', undefined, undefined],
    ['they are DRAINING already', [], [{ arn: containerInstanceArn(), reason: 'DRAINING' }]],
  ])('describes those of which the answer says that %s', async (_, containerInstances, failures) => {
    const answer = { ...(containerInstances && { containerInstances }), ...(failures && { failures }) };
    const endpoint = await aws({ ...describing('REGISTERING'), UpdateContainerInstancesState: answer });
    expect(await ecsAt(endpoint).setDraining(CLUSTER, [containerInstanceArn()])).toEqual({
      found: [containerInstance(1, { status: 'REGISTERING' })],
    });
  });

  it.each(['InvalidParameterException', 'ClientException'])(
    'describes a batch that ECS refuses with %s, and sets the others',
    async (code) => {
      const refused = fault(code, 'The container instance is not ACTIVE.');
      const set = range(2).map((n) =>
        recordedInstance({ containerInstanceArn: containerInstanceArn(n + 10), status: 'DRAINING' }),
      );
      const endpoint = await aws({
        ...describing('DRAINING'),
        UpdateContainerInstancesState: ({ containerInstances = [] }) =>
          containerInstances.length === 10 ? refused : { containerInstances: set },
      });
      const arns = range(12).map((n) => containerInstanceArn(n));
      const { found } = await ecsAt(endpoint).setDraining(CLUSTER, arns);
      expect(arnsOf(found).toSorted()).toEqual(arns);
      expect(endpoint.inputsOf('DescribeContainerInstances')).toEqual([
        { cluster: CLUSTER, containerInstances: arns.slice(0, 10) },
      ]);
    },
  );
});

describe('setting registrations to DRAINING of which ECS refuses one', () => {
  it.each([
    ['with the whole call', true],
    ['alone', false],
  ])('%s, sets the others', async (_, isWhole) => {
    const [old = '', ...fresh] = range(3).map((n) => containerInstanceArn(n));
    const draining = new Set([old]);
    const described = (arns: readonly string[] = []) =>
      arns.map((arn) =>
        recordedInstance({ containerInstanceArn: arn, status: draining.has(arn) ? 'DRAINING' : 'ACTIVE' }),
      );
    const endpoint = await aws({
      DescribeContainerInstances: ({ containerInstances }) => ({ containerInstances: described(containerInstances) }),
      UpdateContainerInstancesState: ({ containerInstances = [] }) => {
        if (isWhole && containerInstances.includes(old)) return fault('ClientException', 'It is not ACTIVE.');
        const accepted = containerInstances.filter((arn) => arn !== old);
        for (const arn of accepted) draining.add(arn);
        return { containerInstances: described(accepted), failures: [{ arn: old, reason: 'DRAINING' }] };
      },
    });
    const { found: set } = await ecsAt(endpoint).setDraining(CLUSTER, [old, ...fresh]);
    expect(arnsOf(set).toSorted()).toEqual([old, ...fresh]);
    expect(set.map(({ status }) => status)).toEqual(['DRAINING', 'DRAINING', 'DRAINING']);
    expect(endpoint.inputsOf('UpdateContainerInstancesState')).toHaveLength(isWhole ? 2 : 1);
  });
});

it('a registration that ECS refused is known, though ECS throttles the call without it', async () => {
  const [old = '', fresh = ''] = range(2).map((n) => containerInstanceArn(n));
  const endpoint = await aws({
    DescribeContainerInstances: {
      containerInstances: [
        recordedInstance({ containerInstanceArn: old, status: 'DRAINING' }),
        recordedInstance({ containerInstanceArn: fresh, status: 'ACTIVE' }),
      ],
    },
    UpdateContainerInstancesState: ({ containerInstances = [] }) =>
      containerInstances.includes(old) ? fault('ClientException', 'It is not ACTIVE.') : throttled,
  });
  const { found, error } = await ecsAt(endpoint).setDraining(CLUSTER, [old, fresh]);
  expect(arnsOf(found)).toEqual([old]);
  expect(error).toBeInstanceOf(Unavailable);
});

describe('listing the tasks on a registration', () => {
  /** ListTasks with these tasks of each desired status, a hundred on a page. */
  const listing = (running: readonly string[], stopped: readonly string[]): Script => ({
    ListTasks: ({ desiredStatus, nextToken }) => {
      const arns = desiredStatus === 'RUNNING' ? running : stopped;
      if (nextToken) return { taskArns: arns.slice(100) };
      return { taskArns: arns.slice(0, 100), ...(arns.length > 100 && { nextToken: `${desiredStatus}-2` }) };
    },
  });

  it('asks for both desired statuses, first for RUNNING', async () => {
    const endpoint = await aws(listing([taskArn(1)], [taskArn(2)]));
    expect(await ecsAt(endpoint).listTasks(containerInstance())).toEqual({
      running: [taskArn(1)],
      stopped: [taskArn(2)],
    });
    expect(endpoint.inputsOf('ListTasks')).toEqual(
      ['RUNNING', 'STOPPED'].map((desiredStatus) => ({
        cluster: CLUSTER,
        containerInstance: containerInstanceArn(),
        desiredStatus,
        maxResults: 100,
      })),
    );
  });

  it('asks for both also where ECS counts no task: the count may be newer than the lists', async () => {
    const endpoint = await aws(listing([taskArn(1)], []));
    expect(await ecsAt(endpoint).listTasks(containerInstance(1, { countedTasks: 0 }))).toEqual({
      running: [taskArn(1)],
      stopped: [],
    });
  });

  it('follows the pages of both lists', async () => {
    const [running, stopped] = [range(120).map((n) => taskArn(n)), range(130).map((n) => taskArn(n + 200))];
    const endpoint = await aws(listing(running, stopped));
    expect(await ecsAt(endpoint).listTasks(containerInstance())).toEqual({ running, stopped });
    expect(endpoint.inputsOf('ListTasks').map(({ nextToken }) => nextToken)).toEqual([
      undefined,
      'RUNNING-2',
      undefined,
      'STOPPED-2',
    ]);
  });

  it('does not miss a task that ECS begins to stop between two pages', async () => {
    let toldToStop = false;
    const endpoint = await aws({
      ListTasks: ({ desiredStatus, nextToken }) => {
        if (desiredStatus === 'STOPPED') return { taskArns: toldToStop ? [taskArn()] : [] };
        // The task is on the second page, and leaves the list between the two.
        toldToStop = nextToken !== undefined;
        return toldToStop ? { taskArns: [] } : { taskArns: [], nextToken: 'page-2' };
      },
    });
    expect(await ecsAt(endpoint).listTasks(containerInstance())).toEqual({ running: [], stopped: [taskArn()] });
  });

  it('lists a task once that is in both lists, among those with desired status STOPPED', async () => {
    const endpoint = await aws(listing([taskArn(1), taskArn(2)], [taskArn(2)]));
    expect(await ecsAt(endpoint).listTasks(containerInstance())).toEqual({
      running: [taskArn(1)],
      stopped: [taskArn(2)],
    });
  });

  it('takes lists that are left out for empty', async () => {
    const endpoint = await aws({ ListTasks: {} });
    expect(await ecsAt(endpoint).listTasks(containerInstance())).toEqual({ running: [], stopped: [] });
  });
});

describe('describing tasks', () => {
  /** The tasks as the domain gets them when ECS describes them so. */
  async function described(...tasks: readonly Wire<EcsTask>[]) {
    const endpoint = await aws({ DescribeTasks: { tasks, failures: [] } });
    return ecsAt(endpoint).describeTasks(
      CLUSTER,
      tasks.map((task) => task.taskArn ?? ''),
    );
  }

  it('asks for a hundred at a time, and nothing about none', async () => {
    const endpoint = await aws({
      DescribeTasks: ({ tasks = [] }) => ({ tasks: tasks.map((arn) => recordedTask({ taskArn: arn })), failures: [] }),
    });
    const arns = range(150).map((n) => taskArn(n));
    expect(arnsOf(await ecsAt(endpoint).describeTasks(CLUSTER, arns))).toEqual(arns);
    expect(await ecsAt(endpoint).describeTasks(CLUSTER, [])).toEqual([]);
    expect(endpoint.inputsOf('DescribeTasks')).toEqual([
      { cluster: CLUSTER, tasks: arns.slice(0, 100) },
      { cluster: CLUSTER, tasks: arns.slice(100) },
    ]);
  });

  it('asks for nothing else where no task is stopped ahead of the deadline', async () => {
    const endpoint = await aws({ DescribeTasks: { tasks: [recordedTask()] } });
    expect(await ecsAt(endpoint).describeTasks(CLUSTER, [taskArn()])).toEqual([holdingTask()]);
    expect(endpoint.actions).toEqual(['DescribeTasks']);
  });

  it.each([...STAGES, 'UNKNOWN'] as const)(
    'counts a task as holding that ECS has begun to stop and that is %s',
    async (lastStatus) => {
      expect(await described(recordedTask({ lastStatus, desiredStatus: 'STOPPED' }))).toEqual([
        holdingTask({ lastStatus, stopRequested: true }),
      ]);
    },
  );

  it.each(['STOPPED', 'DELETED'])('counts a task as stopped that is %s, and says since when', async (lastStatus) => {
    const stopped = recordedTask({ lastStatus, desiredStatus: 'STOPPED', stoppedAt: 1772355931.25 });
    const { stoppedAt: _, ...unknown } = stopped;
    const task = { kind: 'stopped', arn: taskArn(), containerInstanceArn: containerInstanceArn() };
    expect(await described(stopped, unknown)).toEqual([
      { ...task, stoppedAtMs: 1772355931250 },
      { ...task, stoppedAtMs: undefined },
    ]);
  });

  it.each(['terminated', 'stopped'])(
    'says of a task that its EC2 instance took it along (facts 99 lost-with-host): %s',
    async (how) => {
      const stoppedReason = `Host EC2 (instance i-0123456789abcdef0) ${how}.`;
      const lost = recordedTask({ lastStatus: 'STOPPED', desiredStatus: 'STOPPED', stoppedReason });
      const stopped = recordedTask({
        lastStatus: 'STOPPED',
        desiredStatus: 'STOPPED',
        stoppedReason: 'Scaling activity',
      });
      expect(await described(lost, stopped)).toMatchObject([{ isLostWithHost: true }, { kind: 'stopped' }]);
      expect((await described(stopped))[0]).not.toHaveProperty('isLostWithHost');
    },
  );

  it('leaves out a task that ECS has forgotten', async () => {
    const endpoint = await aws({ DescribeTasks: { failures: [{ arn: taskArn(), reason: 'MISSING' }] } });
    expect(await ecsAt(endpoint).describeTasks(CLUSTER, [taskArn()])).toEqual([]);
  });

  it('distinguishes tasks of services from standalone ones by their group', async () => {
    const { group: _, ...ungrouped } = recordedTask();
    const tasks = await described(recordedTask(), recordedTask({ group: 'family:migrate' }), ungrouped);
    expect((tasks as readonly HoldingTask[]).map((task) => [task.group, task.class])).toEqual([
      ['service:web', 'service'],
      ['family:migrate', 'standalone'],
      ['no group', 'standalone'],
    ]);
  });

  it('takes a status of an instance or a task that ECS may introduce for one that is not known, and not for an end', async () => {
    expect(await described(recordedTask({ lastStatus: 'HIBERNATING' }))).toEqual([
      holdingTask({ lastStatus: 'UNKNOWN' }),
    ]);
    expect(toContainerInstance(CLUSTER, { status: 'QUARANTINED' })).toMatchObject({ status: 'UNKNOWN' });
  });

  it('assumes that a task about which ECS says nothing holds the instance', async () => {
    expect(await described({})).toEqual([
      holdingTask({
        arn: '',
        containerInstanceArn: '',
        class: 'standalone',
        group: 'no group',
        lastStatus: 'UNKNOWN',
        statusSinceMs: undefined,
        startedBy: undefined,
      }),
    ]);
  });

  const instants = {
    createdAt: 1772355600,
    startedAt: 1772355700,
    stoppingAt: 1772355800,
    executionStoppedAt: 1772355900,
  };
  it.each<[string, Partial<Wire<EcsTask>>, number | undefined]>([
    ['PENDING', { startedAt: undefined, createdAt: instants.createdAt }, instants.createdAt],
    ['RUNNING', { startedAt: instants.startedAt }, instants.startedAt],
    ['DEACTIVATING', { stoppingAt: instants.stoppingAt }, instants.stoppingAt],
    ['STOPPING', instants, instants.stoppingAt],
    ['DEPROVISIONING', instants, instants.executionStoppedAt],
    ['RUNNING', { startedAt: undefined, createdAt: undefined }, undefined],
  ])('says since when the task is %s: %j', async (lastStatus, changes, seconds) => {
    expect(await described(recordedTask({ lastStatus, ...changes } as Partial<Wire<EcsTask>>))).toMatchObject([
      { statusSinceMs: seconds === undefined ? undefined : seconds * 1000 },
    ]);
  });
});

describe('stopping a task', () => {
  it('gives ECS a reason', async () => {
    const endpoint = await aws({ StopTask: { task: recordedTask({ desiredStatus: 'STOPPED' }) } });
    await ecsAt(endpoint).stopTask(holdingTask(), 'its instance is terminating');
    expect(endpoint.inputsOf('StopTask')).toEqual([
      { cluster: CLUSTER, task: taskArn(), reason: 'its instance is terminating' },
    ]);
  });

  it('is done when the task is gone already', async () => {
    const endpoint = await aws({
      StopTask: fault('InvalidParameterException', 'The referenced task was not found.'),
    });
    await expect(ecsAt(endpoint).stopTask(holdingTask(), 'why')).resolves.toBeUndefined();
  });

  it('fails when ECS has another objection', async () => {
    const endpoint = await aws({
      StopTask: fault('InvalidParameterException', 'The referenced cluster was inactive.'),
    });
    await expect(ecsAt(endpoint).stopTask(holdingTask(), 'why')).rejects.toThrow(
      `Could not stop task ${taskArn()}: InvalidParameterException: The referenced cluster was inactive.`,
    );
  });
});

/** The actions of ECS that the adapter sends, each with a request for it, and what its errors say was attempted. */
const calls: [keyof Script, (ecs: ContainerInstances) => Promise<unknown>, attempted: string][] = [
  ['ListContainerInstances', (ecs) => ecs.list(CLUSTER, [INSTANCE_ID]), `find ${INSTANCE_ID} in cluster prod`],
  ['ListContainerInstances', (ecs) => ecs.list(CLUSTER, [INSTANCE_ID, 'i-2']), 'find 2 instances in cluster prod'],
  [
    'DescribeContainerInstances',
    (ecs) => ecs.describe(CLUSTER, [containerInstanceArn()]),
    'describe 1 container instances of cluster prod',
  ],
  [
    'UpdateContainerInstancesState',
    (ecs) => ecs.setDraining(CLUSTER, [containerInstanceArn(1), containerInstanceArn(2)]),
    'set 2 container instances of cluster prod to DRAINING',
  ],
  ['ListTasks', (ecs) => ecs.listTasks(containerInstance()), `list the RUNNING tasks on ${containerInstanceArn()}`],
  ['DescribeTasks', (ecs) => ecs.describeTasks(CLUSTER, [taskArn()]), 'describe 1 tasks of cluster prod'],
  ['StopTask', (ecs) => ecs.stopTask(holdingTask(), 'why'), `stop task ${taskArn()}`],
];

describe('each call of ECS', () => {
  it.each(calls)('is tried again, then unavailable, when throttled: %s', async (action, request) => {
    const endpoint = await aws({ [action]: throttled });
    await expect(request(ecsAt(endpoint))).rejects.toThrow(Unavailable);
    expect(endpoint.actions).toEqual(Array(4).fill(action));
  });

  it.each(calls)('says what was attempted, and which permission is missing: %s', async (action, request, attempted) => {
    const endpoint = await aws({ [action]: accessDenied(`ecs:${action}`) });
    const asked = request(ecsAt(endpoint));
    await expect(asked).rejects.toThrow(`Could not ${attempted}: AccessDeniedException: `);
    await expect(asked).rejects.toThrow(`is not authorized to perform: ecs:${action}`);
    await expect(asked).rejects.toMatchObject({ name: 'AwsCallFailed', attempted, code: 'AccessDeniedException' });
  });

  it.each(calls)('ends when the time for looking is up: %s', async (action, request) => {
    const outOfTime = new AbortController();
    const answer = () => {
      setImmediate(() => outOfTime.abort());
      return hang;
    };
    const endpoint = await aws({ [action]: answer });
    await expect(request(ecsAt(endpoint, outOfTime.signal))).rejects.toThrow(Unavailable);
    expect(endpoint.actions).toEqual([action]);
  });

  it.each(calls.slice(0, 4))('says that the account has no such cluster: %s', async (action, request) => {
    const endpoint = await aws({ [action]: fault('ClusterNotFoundException', 'Cluster not found.') });
    const asked = request(ecsAt(endpoint));
    await expect(asked).rejects.toBeInstanceOf(ClusterMissing);
    await expect(asked).rejects.toMatchObject({
      name: 'ClusterMissing',
      message: expect.stringMatching(/: ClusterNotFoundException: Cluster not found\. Correct the setting `cluster`/),
      cause: expect.objectContaining({ code: 'ClusterNotFoundException' }),
    });
  });

  it.each([
    ['DescribeContainerInstances', (ecs: ContainerInstances) => ecs.describe(CLUSTER, [containerInstanceArn()])],
    ['DescribeTasks', (ecs: ContainerInstances) => ecs.describeTasks(CLUSTER, [taskArn()])],
  ] as const)('reads the failures in a 200, and fails on any but MISSING: %s', async (action, request) => {
    const failures = [
      { arn: containerInstanceArn(2), reason: 'MISSING' },
      { arn: containerInstanceArn(), reason: 'INACTIVE', detail: 'It left the cluster.' },
    ];
    const asked = request(ecsAt(await aws({ [action]: { failures } })));
    await expect(asked).rejects.toThrow(`: ECS failed ${containerInstanceArn()} with INACTIVE. It left the cluster.`);
    await expect(asked).rejects.not.toThrow(Unavailable);
    const unnamed = request(ecsAt(await aws({ [action]: { failures: [{ reason: 'INACTIVE' }] } })));
    await expect(unnamed).rejects.toThrow(/^Could not describe 1 .*: ECS failed unnamed with INACTIVE\.$/);
  });
});
