import { ECSClient, type Task as EcsTask } from '@aws-sdk/client-ecs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { ecsContainerInstances } from '../../src/adapters/ecs.ts';
import type { HoldingTask } from '../../src/domain/observation.ts';
import { CLUSTER, holdingTask, recordedService, recordedTask, taskArn, taskDefinitionArn } from './samples.ts';
import { type AwsEndpoint, accessDenied, aws, fault, hang, type Script, throttled, type Wire } from './wire.ts';

/** The adapter of a warm container that stops stragglers, for one invocation after the other. */
function invocationsAt({ config }: AwsEndpoint, containerStopTimeoutSeconds = 30) {
  return ecsContainerInstances(new ECSClient(config), {
    readStopTimeouts: true,
    containerStopTimeoutSeconds,
    markName: 'ecs-drain.test',
  });
}

const neverAborted = new AbortController().signal;

/** What a warm container reports of what it assumes, over invocations that each describe a task. */
async function assumptionsWith(script: Script, invocations = 1): Promise<string[]> {
  const sentences: string[] = [];
  const { config } = await aws(script);
  const onAssumption = (sentence: string) => sentences.push(sentence);
  const ecs = ecsContainerInstances(new ECSClient(config), {
    readStopTimeouts: true,
    containerStopTimeoutSeconds: 30,
    markName: 'ecs-drain.test',
    onAssumption,
  });
  for (let i = 0; i < invocations; i++) await ecs(neverAborted).describeTasks(CLUSTER, [taskArn()]);
  return sentences;
}

function ecsAt(endpoint: AwsEndpoint, signal = neverAborted) {
  return invocationsAt(endpoint)(signal);
}

function range(length: number) {
  return Array.from({ length }, (_, i) => i + 1);
}

/** ECS with these tasks, all of replica services, whose containers have the usual stop timeout. */
function ecsWith(...tasks: readonly Wire<EcsTask>[]) {
  return {
    DescribeTasks: { tasks, failures: [] },
    DescribeServices: ({ services = [] }) => ({ services: services.map((name) => recordedService(name)) }),
    DescribeTaskDefinition: { taskDefinition: { containerDefinitions: [{ name: 'app' }] } },
  } satisfies Script;
}

describe('the class of a task', () => {
  it('distinguishes services, daemons and standalone tasks', async () => {
    const endpoint = await aws({
      ...ecsWith(
        recordedTask({ group: 'service:web' }),
        recordedTask({ group: 'service:log-router' }),
        recordedTask({ group: 'family:migrate', startedBy: 'deploy' }),
      ),
      DescribeServices: {
        // ECS keeps to no order.
        services: [recordedService('log-router', { schedulingStrategy: 'DAEMON' }), recordedService('web')],
        failures: [],
      },
    });
    const tasks = (await ecsAt(endpoint).describeTasks(CLUSTER, [taskArn()])) as readonly HoldingTask[];
    expect(tasks.map((task) => [task.group, task.class])).toEqual([
      ['service:web', 'service'],
      ['service:log-router', 'daemon'],
      ['family:migrate', 'standalone'],
    ]);
    expect(endpoint.inputsOf('DescribeServices')).toEqual([{ cluster: CLUSTER, services: ['web', 'log-router'] }]);
  });

  it.each<[string, NonNullable<Script['DescribeServices']>]>([
    ['was deleted', { services: [], failures: [{ arn: 'web', reason: 'MISSING' }] }],
    ['is left out of the answer', {}],
    ['may not be read', accessDenied('ecs:DescribeServices')],
    ['is throttled', throttled],
  ])('is `service` where its service %s', async (_, answer) => {
    const endpoint = await aws({ ...ecsWith(recordedTask()), DescribeServices: answer });
    expect(await ecsAt(endpoint).describeTasks(CLUSTER, [taskArn()])).toMatchObject([
      { class: 'service', stopTimeoutSeconds: 30 },
    ]);
  });

  it('is reported once in a warm container where it is assumed', async () => {
    const script = { ...ecsWith(recordedTask()), DescribeServices: fault('InvalidParameterException', 'Not now.') };
    expect(await assumptionsWith(script, 3)).toEqual([
      `Could not describe the services web of cluster ${CLUSTER}: InvalidParameterException: Not now. Until it is known, every service counts as a replica service.`,
    ]);
  });

  it('is read for ten services at a time, and for each service once in a warm container', async () => {
    const tasks = range(12).map((n) => recordedTask({ taskArn: taskArn(n), group: `service:web-${n}` }));
    const endpoint = await aws(ecsWith(...tasks, ...tasks));
    const invocations = invocationsAt(endpoint);
    await invocations(neverAborted).describeTasks(CLUSTER, [taskArn()]);
    await invocations(neverAborted).describeTasks(CLUSTER, [taskArn()]);
    expect(endpoint.inputsOf('DescribeServices')).toEqual([
      { cluster: CLUSTER, services: range(10).map((n) => `web-${n}`) },
      { cluster: CLUSTER, services: ['web-11', 'web-12'] },
    ]);
  });

  it('is asked for again after ECS did not answer', async () => {
    const daemon = { services: [recordedService('web', { schedulingStrategy: 'DAEMON' })] };
    const mistake = fault('InvalidParameterException', 'Not now.');
    const endpoint = await aws({ ...ecsWith(recordedTask()), DescribeServices: [mistake, daemon] });
    const ecs = ecsAt(endpoint);
    expect(await ecs.describeTasks(CLUSTER, [taskArn()])).toMatchObject([{ class: 'service' }]);
    expect(await ecs.describeTasks(CLUSTER, [taskArn()])).toMatchObject([{ class: 'daemon' }]);
  });

  it('is not confused by two clusters with services of one name', async () => {
    const endpoint = await aws({
      ...ecsWith(recordedTask()),
      DescribeServices: ({ cluster }) => ({
        services: [recordedService('web', { schedulingStrategy: cluster === 'staging' ? 'DAEMON' : 'REPLICA' })],
      }),
    });
    const ecs = ecsAt(endpoint);
    expect(await ecs.describeTasks(CLUSTER, [taskArn()])).toMatchObject([{ class: 'service' }]);
    expect(await ecs.describeTasks('staging', [taskArn()])).toMatchObject([{ class: 'daemon' }]);
  });

  it('is not read of tasks that have stopped, nor is their stop timeout', async () => {
    const endpoint = await aws(ecsWith(recordedTask({ lastStatus: 'STOPPED', desiredStatus: 'STOPPED' })));
    await ecsAt(endpoint).describeTasks(CLUSTER, [taskArn()]);
    expect(endpoint.actions).toEqual(['DescribeTasks']);
  });
});

describe('the stop timeout of a task', () => {
  /** A task definition whose containers have these stop timeouts. */
  const definition = (...stopTimeouts: readonly (number | undefined)[]) => ({
    taskDefinition: {
      taskDefinitionArn: taskDefinitionArn('web'),
      containerDefinitions: stopTimeouts.map((stopTimeout, i) => ({
        name: `container-${i}`,
        ...(stopTimeout !== undefined && { stopTimeout }),
      })),
    },
  });

  it.each([
    ['the longest of its containers', [20, 120, 60], 120],
    ['30 seconds where a container names none', [5, undefined], 30],
    ['less than 30 seconds where every container says so', [5, 2], 5],
    ['none where it has no containers', [], 0],
  ])('is %s', async (_, stopTimeouts, stopTimeoutSeconds) => {
    const endpoint = await aws({ ...ecsWith(recordedTask()), DescribeTaskDefinition: definition(...stopTimeouts) });
    expect(await ecsAt(endpoint).describeTasks(CLUSTER, [taskArn()])).toMatchObject([{ stopTimeoutSeconds }]);
  });

  it.each<[string, number, object[]]>([
    [
      'the sum of a chain of three, each of which depends on the next',
      360,
      [
        { name: 'app', stopTimeout: 120, dependsOn: [{ containerName: 'proxy', condition: 'HEALTHY' }] },
        { name: 'proxy', stopTimeout: 120, dependsOn: [{ containerName: 'logs', condition: 'START' }] },
        { name: 'logs', stopTimeout: 120 },
      ],
    ],
    [
      'the longest chain of two',
      150,
      [
        { name: 'app', stopTimeout: 120, dependsOn: [{ containerName: 'logs', condition: 'START' }] },
        { name: 'proxy', stopTimeout: 10, dependsOn: [{ containerName: 'logs', condition: 'START' }] },
        { name: 'logs' },
      ],
    ],
    [
      'without those that had to end before others began',
      120,
      [
        {
          name: 'app',
          stopTimeout: 120,
          dependsOn: [
            { containerName: 'migrate', condition: 'SUCCESS' },
            { containerName: 'warm', condition: 'COMPLETE' },
          ],
        },
        { name: 'migrate', stopTimeout: 60 },
        { name: 'warm', stopTimeout: 60 },
      ],
    ],
    [
      'the same for links and volumes',
      90,
      [
        { name: 'app', links: ['db:database'] },
        { name: 'db', volumesFrom: [{ sourceContainer: 'data' }] },
        { name: 'data' },
      ],
    ],
    [
      'an end, even of a circle',
      60,
      [
        { name: 'a', dependsOn: [{ containerName: 'b' }] },
        { name: 'b', dependsOn: [{ containerName: 'a' }, { containerName: 'missing' }] },
      ],
    ],
  ])('is that of containers which are stopped one after another: %s', async (_, stopTimeoutSeconds, containers) => {
    const DescribeTaskDefinition = { taskDefinition: { containerDefinitions: containers } };
    const endpoint = await aws({ ...ecsWith(recordedTask()), DescribeTaskDefinition });
    expect(await ecsAt(endpoint).describeTasks(CLUSTER, [taskArn()])).toMatchObject([{ stopTimeoutSeconds }]);
  });

  it('is what the agents are set to where a container names none', async () => {
    const endpoint = await aws({ ...ecsWith(recordedTask()), DescribeTaskDefinition: definition(20, undefined) });
    const ecs = invocationsAt(endpoint, 600)(neverAborted);
    expect(await ecs.describeTasks(CLUSTER, [taskArn()])).toMatchObject([{ stopTimeoutSeconds: 600 }]);
  });

  it('is read once for each task definition in a warm container', async () => {
    const endpoint = await aws(ecsWith(recordedTask(), recordedTask({ taskArn: taskArn(2) })));
    const invocations = invocationsAt(endpoint);
    for (const _ of range(2)) await invocations(neverAborted).describeTasks(CLUSTER, [taskArn()]);
    expect(endpoint.inputsOf('DescribeTaskDefinition')).toEqual([{ taskDefinition: taskDefinitionArn('web') }]);
  });

  it.each<[string, Wire<EcsTask>, NonNullable<Script['DescribeTaskDefinition']>, number | undefined]>([
    ['may not be read', recordedTask(), accessDenied('ecs:DescribeTaskDefinition'), undefined],
    ['is throttled', recordedTask(), throttled, undefined],
    ['is left out of the answer', recordedTask(), {}, 0],
  ])('is not known, and holds nothing up, where its task definition %s', async (_, task, answer, seconds) => {
    const endpoint = await aws({ ...ecsWith(task), DescribeTaskDefinition: answer });
    expect(await ecsAt(endpoint).describeTasks(CLUSTER, [taskArn()])).toEqual([
      holdingTask({ stopTimeoutSeconds: seconds }),
    ]);
  });

  it('is reported once in a warm container where it is assumed', async () => {
    const script = { ...ecsWith(recordedTask()), DescribeTaskDefinition: accessDenied('ecs:DescribeTaskDefinition') };
    expect(await assumptionsWith(script, 3)).toEqual([
      expect.stringMatching(
        /^Could not describe the task definition .*: AccessDeniedException: .* Until it is known, stop timeouts count as 30 s\.$/,
      ),
    ]);
  });

  it('is not asked for where the task names no task definition', async () => {
    const { taskDefinitionArn: _, ...task } = recordedTask();
    const endpoint = await aws(ecsWith(task));
    expect(await ecsAt(endpoint).describeTasks(CLUSTER, [taskArn()])).toEqual([holdingTask()]);
    expect(endpoint.actions).not.toContain('DescribeTaskDefinition');
  });
});

describe('the diagnosis of why tasks stay', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  const none: Script = {
    DescribeServices: ({ services = [] }) => ({
      services: services.map((name) => recordedService(name)),
      failures: [],
    }),
    GetTaskProtection: { protectedTasks: [], failures: [] },
  };
  const taskOf = (n: number, changes: Partial<HoldingTask> = {}) => holdingTask({ arn: taskArn(n), ...changes });

  it('reads how a service is configured, its events and its deployment', async () => {
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
    expect(await ecsAt(endpoint).diagnose([holdingTask()])).toEqual({
      services: [
        {
          cluster: CLUSTER,
          name: 'web',
          isDaemon: false,
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
    const services = (['FAILED', 'COMPLETED'] as const).map((rolloutState) =>
      recordedService('web', { deployments: [{ status: 'PRIMARY', rolloutState, createdAt: 1772355700 }] }),
    );
    const endpoint = await aws({ ...none, DescribeServices: { services } });
    expect((await ecsAt(endpoint).diagnose([holdingTask()])).services).toMatchObject([
      { deployment: { state: 'FAILED', sinceMs: 1772355700000 } },
      { deployment: undefined },
    ]);
  });

  it.each([
    ['REPLICA', { isDaemon: false, minimumHealthyPercent: 100, maximumPercent: 200 }],
    ['DAEMON', { isDaemon: true, minimumHealthyPercent: 0, maximumPercent: 100 }],
  ] as const)('assumes what ECS assumes where a service says nothing: %s', async (schedulingStrategy, assumed) => {
    const services = [recordedService('web', { schedulingStrategy })];
    const { services: read } = await ecsAt(await aws({ ...none, DescribeServices: { services } })).diagnose([
      holdingTask(),
    ]);
    expect(read).toMatchObject([{ ...assumed, deployment: undefined }]);
  });

  it('reads which tasks are protected, and until when; tasks that cannot be protected are not', async () => {
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
    expect(await ecsAt(endpoint).diagnose(range(3).map((n) => taskOf(n)))).toMatchObject({
      protectedTasks: new Map([[taskArn(1), 1772359200000]]),
      unknown: [],
    });
  });

  it('takes what an answer leaves out for unset', async () => {
    const nothing = { services: [], protectedTasks: new Map(), unknown: [] };
    const left = await aws({ DescribeServices: {}, GetTaskProtection: {} });
    expect(await ecsAt(left).diagnose([holdingTask()])).toEqual(nothing);
    const bare = await aws({
      DescribeServices: {
        services: [{}, { events: [{}], deployments: [{ status: 'PRIMARY', rolloutState: 'FAILED' }] }],
      },
      GetTaskProtection: { protectedTasks: [{}, { protectionEnabled: true }] },
    });
    const service = { cluster: CLUSTER, name: '', desiredCount: 0, events: [], deployment: undefined };
    expect(await ecsAt(bare).diagnose([holdingTask()])).toMatchObject({
      services: [
        service,
        { ...service, events: [{ atMs: 0, message: '' }], deployment: { state: 'FAILED', sinceMs: 0 } },
      ],
      protectedTasks: new Map([['', undefined]]),
    });
  });

  it('asks in as few calls as possible, each cluster about its own tasks, and nothing about standalone ones', async () => {
    const endpoint = await aws(none);
    const many = range(120).map((n) => taskOf(n, { group: `service:s${n % 12}` }));
    const daemon = taskOf(121, { class: 'daemon', group: 'service:logs', cluster: 'staging' });
    const job = taskOf(122, { class: 'standalone', group: 'family:job', cluster: 'batch' });
    const { services } = await ecsAt(endpoint).diagnose([...many, daemon, job]);
    expect(services).toHaveLength(13);
    const described = endpoint.inputsOf('DescribeServices');
    expect(described.map(({ cluster, services: names }) => [cluster, names?.length]).toSorted()).toEqual([
      [CLUSTER, 10],
      [CLUSTER, 2],
      ['staging', 1],
    ]);
    const asked = endpoint.inputsOf('GetTaskProtection');
    expect(asked.map(({ cluster, tasks }) => [cluster, tasks?.length]).toSorted()).toEqual([
      [CLUSTER, 100],
      [CLUSTER, 20],
      ['staging', 1],
    ]);
  });

  it('asks nothing where all tasks are standalone', async () => {
    const endpoint = await aws({});
    expect(await ecsAt(endpoint).diagnose([taskOf(1, { class: 'standalone', group: 'family:job' })])).toEqual({
      services: [],
      protectedTasks: new Map(),
      unknown: [],
    });
    expect(endpoint.actions).toEqual([]);
  });

  it('says which services ECS failed, and passes over one that is gone', async () => {
    const failed = (reason: string) => ({ ...none, DescribeServices: { failures: [{ arn: 'web', reason }] } });
    const tasks = ['web', 'api'].map((name, i) => taskOf(i, { group: `service:${name}` }));
    expect((await ecsAt(await aws(failed('BROKEN'))).diagnose(tasks)).unknown).toEqual([
      `Could not describe the services web, api of cluster ${CLUSTER}: ECS failed web with BROKEN.`,
    ]);
    expect((await ecsAt(await aws(failed('MISSING'))).diagnose(tasks)).unknown).toEqual([]);
  });

  it('says for which tasks ECS failed to say whether they are protected', async () => {
    const failures = [{ arn: taskArn(1), reason: 'ACCESS_LOST' }];
    const { unknown } = await ecsAt(await aws({ ...none, GetTaskProtection: { failures } })).diagnose([taskOf(1)]);
    expect(unknown).toEqual([
      `Could not ask for the scale-in protection of 1 tasks of cluster ${CLUSTER}: ECS failed ${taskArn(1)} with ACCESS_LOST.`,
    ]);
  });

  it.each([
    ['GetTaskProtection', { services: [{ name: 'web' }] }],
    ['DescribeServices', { services: [] }],
  ] as const)('says what it may not read, and reports the rest: %s', async (action, rest) => {
    const endpoint = await aws({ ...none, [action]: accessDenied(`ecs:${action}`) });
    expect(await ecsAt(endpoint).diagnose([holdingTask()])).toMatchObject({
      ...rest,
      unknown: [expect.stringContaining(`is not authorized to perform: ecs:${action}`)],
    });
  });

  it.each([
    ['GetTaskProtection', 'Could not ask for the scale-in protection of 1 tasks'],
    ['DescribeServices', `Could not describe the services web of cluster ${CLUSTER}`],
  ] as const)('ends with the invocation, and says what ECS had not answered by then: %s', async (action, sentence) => {
    const outOfTime = new AbortController();
    const answer = () => {
      setImmediate(() => outOfTime.abort());
      return hang;
    };
    const endpoint = await aws({ ...none, [action]: answer });
    const { unknown } = await ecsAt(endpoint, outOfTime.signal).diagnose([holdingTask()]);
    expect(unknown).toContainEqual(expect.stringContaining(sentence));
    expect(endpoint.actions.filter((sent) => sent === action)).toHaveLength(1);
  });

  it('waits for five seconds at most', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    let hasAsked: () => void = () => {};
    const asked = new Promise<void>((resolve) => {
      hasAsked = resolve;
    });
    const answer = () => {
      hasAsked();
      return hang;
    };
    const endpoint = await aws({ ...none, DescribeServices: answer });
    const slow = { ...endpoint, config: { ...endpoint.config, requestHandler: {} as never } };
    let diagnosis: unknown;
    const pending = ecsAt(slow)
      .diagnose([holdingTask()])
      .then((read) => {
        diagnosis = read;
      });
    await asked;
    await vi.advanceTimersByTimeAsync(4_999);
    expect(diagnosis).toBeUndefined();
    await vi.advanceTimersByTimeAsync(1);
    await pending;
    expect(diagnosis).toMatchObject({ services: [], unknown: [expect.stringContaining('AbortError')] });
  });
});
