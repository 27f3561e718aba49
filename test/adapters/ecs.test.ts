import { ECSClient, type Task as EcsTask } from '@aws-sdk/client-ecs';
import { describe, expect, it } from 'vitest';
import { ecsContainerInstances } from '../../src/adapters/ecs.ts';
import type { HoldingTask, Registration, Task } from '../../src/domain/drain.ts';
import { type ContainerInstances, Unavailable } from '../../src/domain/ports.ts';
import {
  CLUSTER,
  containerInstanceArn,
  holdingTask,
  INSTANCE_ID,
  recordedInstance,
  recordedService,
  recordedTask,
  taskArn,
  taskDefinitionArn,
} from './samples.ts';
import { type AwsEndpoint, accessDenied, aws, fault, hang, type Script, throttled, type Wire } from './wire.ts';

/** The adapter of one invocation, talking to the endpoint through the real SDK client. */
function ecsAt({ config }: AwsEndpoint, { readStopTimeouts = false, signal = new AbortController().signal } = {}) {
  return ecsContainerInstances(new ECSClient(config), { readStopTimeouts })(signal);
}

/** A registration as the domain knows it. */
function registration(n = 1, changes: Partial<Registration> = {}): Registration {
  return {
    arn: containerInstanceArn(n),
    cluster: CLUSTER,
    status: 'ACTIVE',
    agentConnected: true,
    ec2InstanceId: INSTANCE_ID,
    countedTasks: 2,
    ...changes,
  };
}

/** ECS with these tasks on the instance: it lists each by its desired status and describes what it is asked for. */
function ecsWith(tasks: readonly Wire<EcsTask>[]) {
  return {
    ListTasks: ({ desiredStatus }) => ({
      taskArns: tasks.filter((task) => task.desiredStatus === desiredStatus).map(({ taskArn = '' }) => taskArn),
    }),
    DescribeTasks: ({ tasks: asked = [] }) => ({
      tasks: tasks.filter(({ taskArn = '' }) => asked.includes(taskArn)),
      failures: [],
    }),
    DescribeServices: ({ services = [] }) => ({
      services: services.map((name) => recordedService(name)),
      failures: [],
    }),
  } satisfies Script;
}

function range(length: number) {
  return Array.from({ length }, (_, i) => i + 1);
}

function arnsOf(items: readonly { readonly arn: string }[]) {
  return items.map(({ arn }) => arn);
}

describe('finding an EC2 instance', () => {
  it('asks for it by its id, in one call, and describes nothing', async () => {
    const endpoint = await aws({ ListContainerInstances: { containerInstanceArns: [containerInstanceArn()] } });
    expect(await ecsAt(endpoint).find(CLUSTER, INSTANCE_ID)).toEqual([
      { arn: containerInstanceArn(), cluster: CLUSTER },
    ]);
    expect(endpoint.inputsOf('ListContainerInstances')).toEqual([
      { cluster: CLUSTER, filter: `ec2InstanceId == ${INSTANCE_ID}`, maxResults: 100 },
    ]);
    expect(endpoint.actions).toEqual(['ListContainerInstances']);
  });

  it('finds nothing where there is nothing', async () => {
    const endpoint = await aws({ ListContainerInstances: { containerInstanceArns: [] } });
    expect(await ecsAt(endpoint).find(CLUSTER, INSTANCE_ID)).toEqual([]);
  });

  it('finds every registration that an agent left behind, on every page', async () => {
    const arns = range(150).map((n) => containerInstanceArn(n));
    const endpoint = await aws({
      ListContainerInstances: [
        { containerInstanceArns: arns.slice(0, 100), nextToken: 'page-2' },
        { containerInstanceArns: arns.slice(100) },
      ],
    });
    expect(arnsOf(await ecsAt(endpoint).find(CLUSTER, INSTANCE_ID))).toEqual(arns);
    expect(endpoint.inputsOf('ListContainerInstances').map(({ nextToken }) => nextToken)).toEqual([
      undefined,
      'page-2',
    ]);
  });
});

describe('a registration', () => {
  it('counts the tasks that are to run, those included that have yet to start', async () => {
    const endpoint = await aws({
      DescribeContainerInstances: {
        containerInstances: [recordedInstance({ runningTasksCount: 2, pendingTasksCount: 3 })],
      },
    });
    expect(await ecsAt(endpoint).refresh([registration()])).toEqual([registration(1, { countedTasks: 5 })]);
  });
});

describe('an answer of ECS that leaves something out', () => {
  it('is an answer of none where it is the list', async () => {
    const endpoint = await aws({
      ListContainerInstances: {},
      DescribeContainerInstances: {},
      UpdateContainerInstancesState: {},
      ListTasks: {},
      DescribeTasks: {},
    });
    const ecs = ecsAt(endpoint);
    expect(await ecs.find(CLUSTER, INSTANCE_ID)).toEqual([]);
    expect(await ecs.findActive(CLUSTER, [INSTANCE_ID])).toEqual([]);
    expect(await ecs.refresh([registration()])).toEqual([]);
    expect(await ecs.listTasks([registration()])).toEqual([]);
    expect(await ecs.refreshTasks([holdingTask()])).toEqual([]);
    expect(await ecs.setDraining([registration()])).toEqual({
      draining: [],
      refusal: `Could not set ${containerInstanceArn()} to DRAINING: ${containerInstanceArn()} did not follow.`,
    });
  });

  it('leaves whose a task is at what is usual, and how long it takes to stop open', async () => {
    const endpoint = await aws({ ...ecsWith([recordedTask()]), DescribeServices: {} });
    expect(await ecsAt(endpoint).listTasks([registration()])).toMatchObject([{ class: 'service' }]);
    const { taskDefinitionArn: _, ...undefinedTask } = recordedTask();
    const asked = await aws(ecsWith([undefinedTask]));
    expect(await ecsAt(asked, { readStopTimeouts: true }).listTasks([registration()])).toMatchObject([
      { stopTimeoutSeconds: undefined },
    ]);
    expect(asked.actions).not.toContain('DescribeTaskDefinition');
  });

  it('is taken for the worst where it is what matters: a task holds its instance, an agent is silent', async () => {
    const endpoint = await aws({
      DescribeContainerInstances: { containerInstances: [{}] },
      DescribeTasks: { tasks: [{}] },
    });
    expect(await ecsAt(endpoint).refresh([registration()])).toEqual([
      { arn: '', cluster: CLUSTER, ec2InstanceId: '', status: '', agentConnected: false, countedTasks: 0 },
    ]);
    expect(await ecsAt(endpoint).refreshTasks([holdingTask()])).toEqual([
      holdingTask({
        arn: '',
        containerInstanceArn: '',
        class: 'standalone',
        group: 'no group',
        lastStatus: '',
        statusSinceMs: undefined,
        startedBy: undefined,
      }),
    ]);
  });

  it('tells no facts', async () => {
    const none = { services: [], protectedTasks: new Map(), unknown: [] };
    expect(await ecsAt(await aws({ DescribeServices: {}, GetTaskProtection: {} })).factsAbout([holdingTask()])).toEqual(
      none,
    );
    const bare = await aws({
      DescribeServices: {
        services: [{}, { events: [{}], deployments: [{ status: 'PRIMARY', rolloutState: 'FAILED' }] }],
      },
      GetTaskProtection: { protectedTasks: [{}, { protectionEnabled: true }] },
    });
    const service = {
      cluster: CLUSTER,
      name: '',
      desiredCount: 0,
      minimumHealthyPercent: 100,
      maximumPercent: 200,
      events: [],
      deployment: undefined,
    };
    expect(await ecsAt(bare).factsAbout([holdingTask()])).toEqual({
      services: [
        service,
        { ...service, events: [{ atMs: 0, message: '' }], deployment: { state: 'FAILED', sinceMs: 0 } },
      ],
      protectedTasks: new Map([['', undefined]]),
      unknown: [],
    });
  });

  it('is told of as far as it goes where it is a failure', async () => {
    const endpoint = await aws({ DescribeContainerInstances: { failures: [{ reason: 'INACTIVE' }] } });
    await expect(ecsAt(endpoint).refresh([registration()])).rejects.toThrow(/: ECS failed unnamed with INACTIVE\.$/);
  });
});

describe('looking at registrations again', () => {
  it('asks each cluster for its own', async () => {
    const endpoint = await aws({
      DescribeContainerInstances: ({ containerInstances = [] }) => ({
        containerInstances: containerInstances.map((arn) =>
          recordedInstance({ containerInstanceArn: arn, status: 'DRAINING' }),
        ),
      }),
    });
    const inProd = registration(1);
    const inStaging = registration(2, { cluster: 'staging', arn: containerInstanceArn(2, 'staging') });
    expect(await ecsAt(endpoint).refresh([inProd, inStaging])).toEqual([
      { ...inProd, status: 'DRAINING' },
      { ...inStaging, status: 'DRAINING' },
    ]);
    expect(endpoint.inputsOf('DescribeContainerInstances')).toEqual([
      { cluster: CLUSTER, containerInstances: [inProd.arn] },
      { cluster: 'staging', containerInstances: [inStaging.arn] },
    ]);
  });

  it('leaves out one that ECS has forgotten', async () => {
    const endpoint = await aws({
      DescribeContainerInstances: {
        containerInstances: [recordedInstance()],
        failures: [{ arn: containerInstanceArn(2), reason: 'MISSING' }],
      },
    });
    expect(await ecsAt(endpoint).refresh([registration(1), registration(2)])).toEqual([registration(1)]);
  });
});

describe('setting instances to DRAINING', () => {
  it('sets ten at a time, and returns them as ECS has them now', async () => {
    const endpoint = await aws({
      UpdateContainerInstancesState: ({ containerInstances = [], status = 'ACTIVE' }) => ({
        containerInstances: containerInstances.map((arn) => recordedInstance({ containerInstanceArn: arn, status })),
        failures: [],
      }),
    });
    const instances = range(12).map((n) => registration(n));
    expect(await ecsAt(endpoint).setDraining(instances)).toEqual({
      draining: instances.map((instance) => ({ ...instance, status: 'DRAINING' })),
      refusal: undefined,
    });
    expect(endpoint.inputsOf('UpdateContainerInstancesState')).toEqual([
      { cluster: CLUSTER, containerInstances: arnsOf(instances.slice(0, 10)), status: 'DRAINING' },
      { cluster: CLUSTER, containerInstances: arnsOf(instances.slice(10)), status: 'DRAINING' },
    ]);
  });

  it.each([
    ['they are ACTIVE still', [recordedInstance()], []],
    ['it misses them', [], [{ arn: containerInstanceArn(), reason: 'MISSING' }]],
    ['nothing of them', [], []],
    ['somebody was faster', [], [{ arn: containerInstanceArn(), reason: 'DRAINING' }]],
  ])('does not believe an answer that says %s', async (_, containerInstances, failures) => {
    const endpoint = await aws({ UpdateContainerInstancesState: { containerInstances, failures } });
    const { draining, refusal } = await ecsAt(endpoint).setDraining([registration()]);
    expect(draining).toEqual([]);
    expect(refusal).toContain(containerInstanceArn());
  });

  it.each(['InvalidParameterException', 'ClientException'])(
    'takes the answer that they are not ACTIVE for a refusal, not for a failure: %s',
    async (code) => {
      const endpoint = await aws({
        UpdateContainerInstancesState: fault(code, 'The container instance is not ACTIVE.'),
      });
      const { draining, refusal } = await ecsAt(endpoint).setDraining([registration()]);
      expect(draining).toEqual([]);
      expect(refusal).toContain('The container instance is not ACTIVE.');
    },
  );

  it('tells of all that did not follow, cluster by cluster, and of what ECS says of each', async () => {
    const endpoint = await aws({
      UpdateContainerInstancesState: ({ containerInstances = [] }) => ({
        failures: containerInstances.map((arn) => ({ arn, reason: 'DRAINING' })),
      }),
    });
    const arns = [containerInstanceArn(1), containerInstanceArn(2), containerInstanceArn(1, 'staging')] as const;
    const instances = arns.map((arn) =>
      registration(1, { arn, cluster: arn.includes('staging') ? 'staging' : CLUSTER }),
    );
    const [a, b, c] = arns;
    expect((await ecsAt(endpoint).setDraining(instances)).refusal).toBe(
      `Could not set ${a}, ${b} to DRAINING: ${a}, ${b} did not follow. ${a} DRAINING, ${b} DRAINING Could not set ${c} to DRAINING: ${c} did not follow. ${c} DRAINING`,
    );
  });

  it('tells those that followed from those that did not', async () => {
    const endpoint = await aws({
      UpdateContainerInstancesState: {
        containerInstances: [recordedInstance({ status: 'DRAINING' })],
        failures: [{ arn: containerInstanceArn(2), reason: 'DRAINING' }],
      },
    });
    const { draining, refusal } = await ecsAt(endpoint).setDraining([registration(1), registration(2)]);
    expect(arnsOf(draining)).toEqual([containerInstanceArn(1)]);
    expect(refusal).toContain(containerInstanceArn(2));
    expect(refusal).not.toContain(`${containerInstanceArn(1)} did not`);
  });
});

describe('finding those that take tasks among many instances', () => {
  it('asks for all of them in one call', async () => {
    const endpoint = await aws({ ListContainerInstances: { containerInstanceArns: [containerInstanceArn(2)] } });
    const ids = ['i-0123456789abcdef0', 'i-0123456789abcdef1'];
    expect(await ecsAt(endpoint).findActive(CLUSTER, ids)).toEqual([
      { arn: containerInstanceArn(2), cluster: CLUSTER },
    ]);
    expect(endpoint.inputsOf('ListContainerInstances')).toEqual([
      {
        cluster: CLUSTER,
        filter: 'ec2InstanceId in [i-0123456789abcdef0, i-0123456789abcdef1]',
        status: 'ACTIVE',
        maxResults: 100,
      },
    ]);
  });
});

describe('finding out which registrations EC2 instances have', () => {
  it('asks for a hundred at a time, whatever their status, and describes them', async () => {
    const endpoint = await aws({
      ListContainerInstances: [
        { containerInstanceArns: [containerInstanceArn(1)] },
        { containerInstanceArns: [containerInstanceArn(2)] },
      ],
      DescribeContainerInstances: [
        { containerInstances: [recordedInstance()], failures: [] },
        {
          containerInstances: [
            recordedInstance({
              containerInstanceArn: containerInstanceArn(2),
              ec2InstanceId: 'i-0123456789abcdef1',
            }),
          ],
          failures: [],
        },
      ],
    });
    const ids = Array.from({ length: 101 }, (_, i) => `i-${String(i).padStart(17, '0')}`);
    expect(await ecsAt(endpoint).registrations(CLUSTER, ids)).toMatchObject([
      { arn: containerInstanceArn(1), cluster: CLUSTER, ec2InstanceId: INSTANCE_ID, status: 'ACTIVE' },
      { arn: containerInstanceArn(2), cluster: CLUSTER, ec2InstanceId: 'i-0123456789abcdef1' },
    ]);
    const asked = endpoint.inputsOf('ListContainerInstances');
    expect(asked).toEqual([
      { cluster: CLUSTER, filter: `ec2InstanceId in [${ids.slice(0, 100).join(', ')}]`, maxResults: 100 },
      { cluster: CLUSTER, filter: `ec2InstanceId in [${ids[100]}]`, maxResults: 100 },
    ]);
  });

  it('describes nothing where ECS lists nothing', async () => {
    const endpoint = await aws({ ListContainerInstances: { containerInstanceArns: [] } });
    expect(await ecsAt(endpoint).registrations(CLUSTER, [INSTANCE_ID])).toEqual([]);
  });
});

describe('whether ECS is busy', () => {
  const fromNowOn = new AbortController().signal;

  it('is told for a while by a call that had to be tried again, to every later invocation', async () => {
    const endpoint = await aws({ ListContainerInstances: [throttled, { containerInstanceArns: [] }] });
    const invocations = ecsContainerInstances(new ECSClient(endpoint.config), { readStopTimeouts: false });
    expect(invocations(fromNowOn).isBusy()).toBe(false);
    await invocations(fromNowOn).find(CLUSTER, INSTANCE_ID);
    expect(invocations(fromNowOn).isBusy()).toBe(true);
  });

  it('is told by a call that failed for good as well', async () => {
    const endpoint = await aws({ ListContainerInstances: throttled });
    const ecs = ecsAt(endpoint);
    await expect(ecs.find(CLUSTER, INSTANCE_ID)).rejects.toThrow(Unavailable);
    expect(ecs.isBusy()).toBe(true);
  });

  it('is not told by calls that succeed', async () => {
    const ecs = ecsAt(await aws({ ListContainerInstances: { containerInstanceArns: [] } }));
    await ecs.find(CLUSTER, INSTANCE_ID);
    expect(ecs.isBusy()).toBe(false);
  });
});

describe('listing the tasks on an instance', () => {
  it('asks each registration for both desired statuses', async () => {
    const endpoint = await aws(ecsWith([]));
    expect(await ecsAt(endpoint).listTasks([registration(1), registration(2)])).toEqual([]);
    expect(endpoint.inputsOf('ListTasks')).toEqual(
      [1, 2].flatMap((n) =>
        ['RUNNING', 'STOPPED'].map((desiredStatus) => ({
          cluster: CLUSTER,
          containerInstance: containerInstanceArn(n),
          desiredStatus,
          maxResults: 100,
        })),
      ),
    );
    expect(endpoint.actions).not.toContain('DescribeTasks');
  });

  it.each(['PROVISIONING', 'PENDING', 'ACTIVATING', 'RUNNING', 'DEACTIVATING', 'STOPPING', 'DEPROVISIONING'])(
    'counts a task as holding that was told to stop and is %s',
    async (lastStatus) => {
      const endpoint = await aws(ecsWith([recordedTask({ lastStatus, desiredStatus: 'STOPPED' })]));
      expect(await ecsAt(endpoint).listTasks([registration()])).toEqual([
        holdingTask({ lastStatus, stopRequested: true }),
      ]);
    },
  );

  it('tells a task that nobody has told to stop', async () => {
    const endpoint = await aws(ecsWith([recordedTask()]));
    expect(await ecsAt(endpoint).listTasks([registration()])).toEqual([holdingTask({ stopRequested: false })]);
  });

  it.each(['STOPPED', 'DELETED'])('counts a task as stopped that is %s, and knows since when', async (lastStatus) => {
    const endpoint = await aws(
      ecsWith([
        recordedTask({
          lastStatus,
          desiredStatus: 'STOPPED',
          stopCode: 'ServiceSchedulerInitiated',
          stoppedReason: 'Scaling activity initiated by deployment ecs-svc/1234567890123456789',
          stoppingAt: 1772355900.5,
          stoppedAt: 1772355931.25,
        }),
      ]),
    );
    expect(await ecsAt(endpoint).listTasks([registration()])).toEqual([
      { kind: 'stopped', arn: taskArn(), stoppedAtMs: 1772355931250 },
    ]);
  });

  it('does not miss a task that is told to stop while it lists', async () => {
    let toldToStop = false;
    const endpoint = await aws({
      ...ecsWith([recordedTask({ lastStatus: 'DEACTIVATING', desiredStatus: 'STOPPED' })]),
      ListTasks: ({ desiredStatus, nextToken }) => {
        if (desiredStatus === 'STOPPED') return { taskArns: toldToStop ? [taskArn()] : [] };
        // The task is on the second page, and leaves the list between the two.
        toldToStop = nextToken !== undefined;
        return toldToStop ? { taskArns: [] } : { taskArns: [], nextToken: 'page-2' };
      },
    });
    expect(arnsOf(await ecsAt(endpoint).listTasks([registration()]))).toEqual([taskArn()]);
  });

  it('counts a task once that is in both lists', async () => {
    const endpoint = await aws({ ...ecsWith([recordedTask()]), ListTasks: { taskArns: [taskArn()] } });
    expect(await ecsAt(endpoint).listTasks([registration()])).toEqual([holdingTask()]);
  });

  it('follows the pages of both lists, and describes a hundred at a time', async () => {
    const tasks = range(250).map((n) =>
      recordedTask({ taskArn: taskArn(n), desiredStatus: n <= 120 ? 'RUNNING' : 'STOPPED' }),
    );
    const { ListTasks: list, ...rest } = ecsWith(tasks);
    const endpoint = await aws({
      ...rest,
      ListTasks: (input) => {
        const { taskArns } = list(input);
        return input.nextToken
          ? { taskArns: taskArns.slice(100) }
          : { taskArns: taskArns.slice(0, 100), nextToken: `${input.desiredStatus}-2` };
      },
    });
    const listed = await ecsAt(endpoint).listTasks([registration()]);
    expect(arnsOf(listed)).toEqual(tasks.map((task) => task.taskArn));
    expect(endpoint.inputsOf('ListTasks').map(({ nextToken }) => nextToken)).toEqual([
      undefined,
      'RUNNING-2',
      undefined,
      'STOPPED-2',
    ]);
    expect(endpoint.inputsOf('DescribeTasks').map(({ tasks: asked }) => asked?.length)).toEqual([100, 100, 50]);
  });

  it.each([
    ['says that it misses it', [{ arn: taskArn(2), reason: 'MISSING' }]],
    ['says nothing of it', []],
  ])('does not take a task for stopped that ECS lists, but, asked for it, %s', async (_, failures) => {
    const endpoint = await aws({
      ...ecsWith([recordedTask()]),
      ListTasks: { taskArns: [taskArn(1), taskArn(2), taskArn(3)] },
      DescribeTasks: { tasks: [recordedTask()], failures },
    });
    const listed = ecsAt(endpoint).listTasks([registration()]);
    await expect(listed).rejects.toThrow(Unavailable);
    await expect(listed).rejects.toThrow(`ECS lists ${taskArn(2)}, ${taskArn(3)} but does not describe them.`);
  });
});

describe('a task that was to stop', () => {
  it('has stopped when ECS lists it and then forgets it', async () => {
    const endpoint = await aws({
      ...ecsWith([recordedTask()]),
      ListTasks: ({ desiredStatus }) => ({ taskArns: [desiredStatus === 'RUNNING' ? taskArn(1) : taskArn(2)] }),
      DescribeTasks: { tasks: [recordedTask()], failures: [{ arn: taskArn(2), reason: 'MISSING' }] },
    });
    const listed = await ecsAt(endpoint).listTasks([registration()]);
    expect(listed).toMatchObject([{ kind: 'holding', arn: taskArn(1) }]);
  });
});

describe('whose a task is', () => {
  it('tells services, daemons and standalone tasks apart', async () => {
    const endpoint = await aws({
      ...ecsWith([
        recordedTask({ taskArn: taskArn(1), group: 'service:web' }),
        recordedTask({ taskArn: taskArn(2), group: 'service:log-router' }),
        recordedTask({ taskArn: taskArn(3), group: 'family:migrate', startedBy: 'deploy' }),
      ]),
      DescribeServices: {
        // ECS keeps to no order.
        services: [recordedService('log-router', { schedulingStrategy: 'DAEMON' }), recordedService('web')],
        failures: [],
      },
    });
    const tasks = (await ecsAt(endpoint).listTasks([registration()])) as readonly HoldingTask[];
    expect(tasks.map((task) => [task.group, task.class])).toEqual([
      ['service:web', 'service'],
      ['service:log-router', 'daemon'],
      ['family:migrate', 'standalone'],
    ]);
  });

  it('takes a task without a group for standalone', async () => {
    const { group: _, ...ungrouped } = recordedTask();
    const endpoint = await aws(ecsWith([ungrouped]));
    expect(await ecsAt(endpoint).listTasks([registration()])).toEqual([
      holdingTask({ class: 'standalone', group: 'no group' }),
    ]);
    expect(endpoint.actions).not.toContain('DescribeServices');
  });

  it('takes a task for a service’s though the service was deleted meanwhile', async () => {
    const endpoint = await aws({
      ...ecsWith([recordedTask({ desiredStatus: 'STOPPED' })]),
      DescribeServices: {
        services: [],
        failures: [{ arn: 'arn:aws:ecs:eu-west-1:123456789012:service/prod/web', reason: 'MISSING' }],
      },
    });
    expect(await ecsAt(endpoint).listTasks([registration()])).toMatchObject([{ class: 'service' }]);
  });

  it('asks for ten services at a time, and for each once in an invocation', async () => {
    const endpoint = await aws(
      ecsWith(range(12).map((n) => recordedTask({ taskArn: taskArn(n), group: `service:web-${n}` }))),
    );
    const ecs = ecsAt(endpoint);
    const tasks = await ecs.listTasks([registration()]);
    await ecs.listTasks([registration()]);
    await ecs.refreshTasks(tasks as readonly HoldingTask[]);
    expect(endpoint.inputsOf('DescribeServices')).toEqual([
      { cluster: CLUSTER, services: range(10).map((n) => `web-${n}`) },
      { cluster: CLUSTER, services: ['web-11', 'web-12'] },
    ]);
  });

  it('is not confused by two clusters with services of one name', async () => {
    const other = { arn: containerInstanceArn(1, 'staging'), cluster: 'staging' };
    const endpoint = await aws({
      ...ecsWith([recordedTask()]),
      DescribeServices: ({ cluster }) => ({
        services: [recordedService('web', { schedulingStrategy: cluster === 'staging' ? 'DAEMON' : 'REPLICA' })],
      }),
    });
    const tasks = await ecsAt(endpoint).listTasks([registration(), registration(1, other)]);
    expect(tasks).toMatchObject([{ class: 'service' }, { class: 'daemon' }]);
  });

  it('does not ask for the services of tasks that have stopped', async () => {
    const endpoint = await aws(ecsWith([recordedTask({ lastStatus: 'STOPPED', desiredStatus: 'STOPPED' })]));
    await ecsAt(endpoint).listTasks([registration()]);
    expect(endpoint.actions).toEqual(['ListTasks', 'ListTasks', 'DescribeTasks']);
  });
});

describe('how long a task takes to stop', () => {
  /** A task definition whose containers have these stop timeouts. */
  function withStopTimeouts(...stopTimeouts: (number | undefined)[]): Script {
    return {
      ...ecsWith([recordedTask(), recordedTask({ taskArn: taskArn(2) })]),
      DescribeTaskDefinition: ({ taskDefinition = '' }) => ({
        taskDefinition: {
          taskDefinitionArn: taskDefinition,
          family: 'web',
          revision: 7,
          status: 'ACTIVE',
          containerDefinitions: stopTimeouts.map((stopTimeout, i) => ({
            name: `container-${i}`,
            image: 'web:1',
            essential: i === 0,
            ...(stopTimeout === undefined ? {} : { stopTimeout }),
          })),
        },
        tags: [],
      }),
    };
  }

  it.each([
    ['the longest of its containers', [20, 120, 60], 120],
    ['30 seconds where a container names none', [5, undefined], 30],
    ['less than 30 seconds where every container says so', [5, 2], 5],
  ])('is %s', async (_, stopTimeouts, stopTimeoutSeconds) => {
    const endpoint = await aws(withStopTimeouts(...stopTimeouts));
    const tasks = await ecsAt(endpoint, { readStopTimeouts: true }).listTasks([registration()]);
    expect(tasks).toMatchObject([{ stopTimeoutSeconds }, { stopTimeoutSeconds }]);
  });

  it('is asked for once for each task definition in an invocation', async () => {
    const endpoint = await aws(withStopTimeouts(90));
    const ecs = ecsAt(endpoint, { readStopTimeouts: true });
    await ecs.listTasks([registration()]);
    await ecs.listTasks([registration()]);
    expect(endpoint.inputsOf('DescribeTaskDefinition')).toEqual([{ taskDefinition: taskDefinitionArn('web') }]);
  });

  it('is not asked for where nobody wants to know', async () => {
    const endpoint = await aws(withStopTimeouts(90));
    const tasks = await ecsAt(endpoint, { readStopTimeouts: false }).listTasks([registration()]);
    expect(tasks).toMatchObject([{ stopTimeoutSeconds: undefined }, { stopTimeoutSeconds: undefined }]);
    expect(endpoint.actions).not.toContain('DescribeTaskDefinition');
  });

  it('is not asked for a task that has stopped', async () => {
    const endpoint = await aws(ecsWith([recordedTask({ lastStatus: 'STOPPED', desiredStatus: 'STOPPED' })]));
    await ecsAt(endpoint, { readStopTimeouts: true }).listTasks([registration()]);
    expect(endpoint.actions).not.toContain('DescribeTaskDefinition');
  });
});

describe('looking at tasks again', () => {
  it('asks only for them, each in its cluster', async () => {
    const endpoint = await aws(
      ecsWith([
        recordedTask({ lastStatus: 'STOPPED', desiredStatus: 'STOPPED', stoppedAt: 1772355931.25 }),
        recordedTask({ taskArn: taskArn(2, 'staging'), group: 'family:migrate' }),
      ]),
    );
    const standalone = holdingTask({
      arn: taskArn(2, 'staging'),
      cluster: 'staging',
      class: 'standalone',
      group: 'family:migrate',
    });
    expect(await ecsAt(endpoint).refreshTasks([holdingTask(), standalone])).toEqual([
      { kind: 'stopped', arn: taskArn(), stoppedAtMs: 1772355931250 },
      standalone,
    ]);
    expect(endpoint.inputsOf('DescribeTasks')).toEqual([
      { cluster: CLUSTER, tasks: [taskArn()] },
      { cluster: 'staging', tasks: [taskArn(2, 'staging')] },
    ]);
  });

  it('leaves out one that ECS has forgotten', async () => {
    const endpoint = await aws({
      DescribeTasks: { tasks: [], failures: [{ arn: taskArn(), reason: 'MISSING' }] },
    });
    expect(await ecsAt(endpoint).refreshTasks([holdingTask()])).toEqual([]);
  });

  it('asks nothing when there is none', async () => {
    const endpoint = await aws({});
    expect(await ecsAt(endpoint).refreshTasks([])).toEqual([]);
    expect(endpoint.actions).toEqual([]);
  });
});

describe('stopping a task', () => {
  it('tells ECS why', async () => {
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

describe('since when a task is where it is', () => {
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
    ['STOPPING', { stoppingAt: instants.stoppingAt }, instants.stoppingAt],
    ['STOPPING', instants, instants.stoppingAt],
    ['DEPROVISIONING', instants, instants.executionStoppedAt],
    ['RUNNING', { startedAt: undefined, createdAt: undefined }, undefined],
  ])('is the last that ECS tells of it: %s', async (lastStatus, changes, seconds) => {
    const endpoint = await aws(ecsWith([recordedTask({ lastStatus, ...changes } as Partial<Wire<EcsTask>>)]));
    expect(await ecsAt(endpoint).listTasks([registration()])).toMatchObject([
      { statusSinceMs: seconds === undefined ? undefined : seconds * 1000 },
    ]);
  });
});

describe('asking why tasks stay', () => {
  const none: Script = {
    DescribeServices: ({ services = [] }) => ({
      services: services.map((name) => recordedService(name)),
      failures: [],
    }),
    GetTaskProtection: { protectedTasks: [], failures: [] },
  };
  const taskOf = (n: number, changes: Partial<HoldingTask> = {}) => holdingTask({ arn: taskArn(n), ...changes });

  it('reads what a service is configured with, what it said, and its deployment', async () => {
    const message =
      '(service web) was unable to place a task because no container instance met all of its requirements.';
    const endpoint = await aws({
      ...none,
      DescribeServices: {
        services: [
          recordedService('web', {
            deploymentConfiguration: { minimumHealthyPercent: 100, maximumPercent: 150 },
            events: [{ id: 'one', createdAt: 1772355800.25, message }],
            deployments: [
              { status: 'ACTIVE', rolloutState: 'COMPLETED', createdAt: 1772355000 },
              { status: 'PRIMARY', rolloutState: 'IN_PROGRESS', createdAt: 1772355700 },
            ],
          }),
        ],
      },
    });
    expect(await ecsAt(endpoint).factsAbout([holdingTask()])).toEqual({
      services: [
        {
          cluster: CLUSTER,
          name: 'web',
          desiredCount: 2,
          minimumHealthyPercent: 100,
          maximumPercent: 150,
          events: [{ atMs: 1772355800250, message }],
          deployment: { state: 'IN_PROGRESS', sinceMs: 1772355700000 },
        },
      ],
      protectedTasks: new Map(),
      unknown: [],
    });
  });

  it('reads a deployment that has failed, and takes one that is over for none', async () => {
    const deployments = (rolloutState: 'FAILED' | 'COMPLETED') => [
      { status: 'PRIMARY', rolloutState, createdAt: 1772355700 },
    ];
    const endpoint = await aws({
      ...none,
      DescribeServices: {
        services: (['FAILED', 'COMPLETED'] as const).map((state) =>
          recordedService('web', { deployments: deployments(state) }),
        ),
      },
    });
    expect((await ecsAt(endpoint).factsAbout([holdingTask()])).services).toMatchObject([
      { deployment: { state: 'FAILED', sinceMs: 1772355700000 } },
      { deployment: undefined },
    ]);
  });

  it('says which services it was not told of, and passes over one that is gone', async () => {
    const failed = (reason: string) => ({ DescribeServices: { failures: [{ arn: 'web', reason }] } });
    const tasks = ['web', 'api'].map((name, i) => taskOf(i, { group: `service:${name}` }));
    const broken = await ecsAt(await aws({ ...none, ...failed('BROKEN') })).factsAbout(tasks);
    expect(broken.unknown).toEqual([
      `Could not describe the services web, api of cluster ${CLUSTER}: ECS failed web with BROKEN.`,
    ]);
    const gone = await ecsAt(await aws({ ...none, ...failed('MISSING') })).factsAbout(tasks);
    expect(gone.unknown).toEqual([]);
  });

  it.each([
    ['REPLICA', 100, 200],
    ['DAEMON', 0, 100],
  ] as const)('assumes what ECS assumes where a service says nothing: %s', async (schedulingStrategy, min, max) => {
    const endpoint = await aws({
      ...none,
      DescribeServices: { services: [recordedService('web', { schedulingStrategy })] },
    });
    const { services } = await ecsAt(endpoint).factsAbout([holdingTask()]);
    expect(services).toMatchObject([{ minimumHealthyPercent: min, maximumPercent: max, deployment: undefined }]);
  });

  it('reads which tasks are protected, and until when', async () => {
    const endpoint = await aws({
      ...none,
      GetTaskProtection: {
        protectedTasks: [
          { taskArn: taskArn(1), protectionEnabled: true, expirationDate: 1772359200 },
          { taskArn: taskArn(2), protectionEnabled: false },
        ],
        failures: [{ arn: taskArn(3), reason: 'TASK_NOT_VALID' }],
      },
    });
    const { protectedTasks, unknown } = await ecsAt(endpoint).factsAbout([1, 2, 3].map((n) => taskOf(n)));
    expect(protectedTasks).toEqual(new Map([[taskArn(1), 1772359200000]]));
    expect(unknown).toEqual([]);
  });

  it('says of which tasks ECS does not tell whether they are protected', async () => {
    const failures = [{ arn: taskArn(1), reason: 'ACCESS_LOST' }];
    const endpoint = await aws({ ...none, GetTaskProtection: { protectedTasks: [], failures } });
    const { unknown } = await ecsAt(endpoint).factsAbout([taskOf(1)]);
    expect(unknown).toEqual([expect.stringContaining(`ECS failed ${taskArn(1)} with ACCESS_LOST`)]);
  });

  it('asks in as few calls as it takes, each cluster for its own, and nothing about tasks of no service', async () => {
    const endpoint = await aws(none);
    const many = range(120).map((n) => taskOf(n, { group: `service:s${n % 12}` }));
    const daemon = taskOf(121, { class: 'daemon', group: 'service:logs', cluster: 'staging' });
    const job = taskOf(122, { class: 'standalone', group: 'family:job', cluster: 'batch' });
    const { services } = await ecsAt(endpoint).factsAbout([...many, daemon, job]);
    expect(services).toHaveLength(13);
    const described = endpoint
      .inputsOf('DescribeServices')
      .map(({ cluster, services: names }) => [cluster, names?.length]);
    expect(described.toSorted()).toEqual([
      [CLUSTER, 10],
      [CLUSTER, 2],
      ['staging', 1],
    ]);
    const asked = endpoint.inputsOf('GetTaskProtection').map(({ cluster, tasks }) => [cluster, tasks?.length]);
    expect(asked.toSorted()).toEqual([
      [CLUSTER, 100],
      [CLUSTER, 20],
    ]);
  });

  it('asks nothing where all tasks are of no service', async () => {
    const endpoint = await aws({});
    const facts = await ecsAt(endpoint).factsAbout([taskOf(1, { class: 'standalone', group: 'family:job' })]);
    expect(facts).toEqual({ services: [], protectedTasks: new Map(), unknown: [] });
    expect(endpoint.actions).toEqual([]);
  });

  it.each([
    ['GetTaskProtection', { services: [{ name: 'web' }] }],
    ['DescribeServices', { services: [] }],
  ] as const)('says what it may not read, and tells the rest: %s', async (action, rest) => {
    const endpoint = await aws({ ...none, [action]: accessDenied(`ecs:${action}`) });
    const facts = await ecsAt(endpoint).factsAbout([holdingTask()]);
    expect(facts).toMatchObject(rest);
    expect(facts.unknown).toEqual([expect.stringContaining(`is not authorized to perform: ecs:${action}`)]);
  });

  it.each([
    ['GetTaskProtection', 'Could not ask for the scale-in protection of 1 tasks'],
    ['DescribeServices', `Could not describe the services web of cluster ${CLUSTER}`],
  ] as const)('says what it was not told in time: %s', async (action, sentence) => {
    const outOfTime = new AbortController();
    const answer = () => {
      setImmediate(() => outOfTime.abort());
      return hang;
    };
    const endpoint = await aws({ ...none, [action]: answer });
    const facts = await ecsAt(endpoint, { signal: outOfTime.signal }).factsAbout([holdingTask()]);
    expect(facts.unknown).toContainEqual(expect.stringContaining(sentence));
    expect(endpoint.actions.filter((sent) => sent === action)).toHaveLength(1);
  });
});

/**
 * The actions of ECS that the adapter sends, each with a request that comes to it after the others have succeeded, and
 * what it says that it could not do.
 */
const calls: [keyof Script, (ecs: ContainerInstances) => Promise<unknown>, what: string][] = [
  ['ListContainerInstances', (ecs) => ecs.find(CLUSTER, INSTANCE_ID), `find ${INSTANCE_ID} in cluster prod`],
  [
    'ListContainerInstances',
    (ecs) => ecs.findActive(CLUSTER, [INSTANCE_ID, 'i-2']),
    'find 2 instances in cluster prod',
  ],
  [
    'DescribeContainerInstances',
    (ecs) => ecs.refresh([registration()]),
    'describe 1 container instances of cluster prod',
  ],
  [
    'UpdateContainerInstancesState',
    (ecs) => ecs.setDraining([registration()]),
    `set ${containerInstanceArn()} to DRAINING`,
  ],
  ['ListTasks', (ecs) => ecs.listTasks([registration()]), `list the RUNNING tasks on ${containerInstanceArn()}`],
  ['DescribeTasks', (ecs) => ecs.listTasks([registration()]), 'describe 2 tasks of cluster prod'],
  ['DescribeServices', (ecs) => ecs.listTasks([registration()]), 'describe the services web, api of cluster prod'],
  [
    'DescribeTaskDefinition',
    (ecs) => ecs.listTasks([registration()]),
    `describe the task definition ${taskDefinitionArn('web')}`,
  ],
  ['StopTask', (ecs) => ecs.stopTask(holdingTask(), 'why'), `stop task ${taskArn()}`],
];

describe('each call of ECS', () => {
  /** ECS in which every other call succeeds. */
  const working: Script = {
    ...ecsWith([recordedTask(), recordedTask({ taskArn: taskArn(2), group: 'service:api' })]),
    ListContainerInstances: { containerInstanceArns: [containerInstanceArn()] },
    DescribeTaskDefinition: { taskDefinition: { containerDefinitions: [{ name: 'app' }] } },
  };

  it.each(calls)('is tried again, then unavailable, when throttled: %s', async (action, request) => {
    const endpoint = await aws({ ...working, [action]: throttled });
    await expect(request(ecsAt(endpoint, { readStopTimeouts: true }))).rejects.toThrow(Unavailable);
    expect(endpoint.actions.filter((sent) => sent === action)).toHaveLength(4);
  });

  it.each(calls)('says what it tried, and which permission it lacks: %s', async (action, request, what) => {
    const endpoint = await aws({ ...working, [action]: accessDenied(`ecs:${action}`) });
    const asked = request(ecsAt(endpoint, { readStopTimeouts: true }));
    await expect(asked).rejects.toThrow(`Could not ${what}: AccessDeniedException: `);
    await expect(asked).rejects.toThrow(`is not authorized to perform: ecs:${action}`);
    await expect(asked).rejects.not.toThrow(Unavailable);
  });

  it.each(calls)('ends when the time for looking is up: %s', async (action, request) => {
    const outOfTime = new AbortController();
    const answer = () => {
      setImmediate(() => outOfTime.abort());
      return hang;
    };
    const endpoint = await aws({ ...working, [action]: answer });
    const asked = request(ecsAt(endpoint, { readStopTimeouts: true, signal: outOfTime.signal }));
    await expect(asked).rejects.toThrow(Unavailable);
    expect(endpoint.actions.filter((sent) => sent === action)).toHaveLength(1);
  });

  it('names the settings when there is no such cluster', async () => {
    const endpoint = await aws({ ListContainerInstances: fault('ClusterNotFoundException', 'Cluster not found.') });
    await expect(ecsAt(endpoint).find('pord', INSTANCE_ID)).rejects.toThrow(
      `Could not find ${INSTANCE_ID} in cluster pord: ClusterNotFoundException: Cluster not found. Mend the setting \`cluster\``,
    );
  });

  it.each([
    ['DescribeContainerInstances', (ecs: ContainerInstances) => ecs.refresh([registration()])],
    ['DescribeTasks', (ecs: ContainerInstances) => ecs.refreshTasks([holdingTask()])],
    ['DescribeServices', (ecs: ContainerInstances) => ecs.listTasks([registration()])],
  ] as const)('reads the failures in a 200, and fails on any but MISSING: %s', async (action, request) => {
    const failures = [{ arn: containerInstanceArn(), reason: 'INACTIVE', detail: 'It left the cluster.' }];
    const endpoint = await aws({ ...working, [action]: { failures } });
    const asked = request(ecsAt(endpoint)) as Promise<readonly (Task | Registration)[]>;
    await expect(asked).rejects.toThrow(`ECS failed ${containerInstanceArn()} with INACTIVE. It left the cluster.`);
    await expect(asked).rejects.not.toThrow(Unavailable);
  });
});
