import { beforeEach, describe, expect, it } from 'vitest';
import { EcsModel, type EcsOptions } from '../../../../sandbox/region/ecs/model.ts';
import type { ServiceSpec, StandaloneTaskSpec } from '../../../../sandbox/region/ecs/specs.ts';
import type { BusEvent } from '../../../../sandbox/region/event-bridge/model.ts';
import { NO_FAULTS } from '../../../../sandbox/region/faults.ts';
import { Random } from '../../../../sandbox/region/time/random.ts';
import { VirtualTime } from '../../../../sandbox/region/time/virtual-time.ts';
import type { UntimedTraceEvent } from '../../../../sandbox/region/trace.ts';
import { START_MS } from '../../start.ts';

const CLUSTER = 'prod';
const [A, B, C] = ['i-0aaaaaaaaaaaaaaaa', 'i-0bbbbbbbbbbbbbbbb', 'i-0cccccccccccccccc'] as const;
const TEN_DAYS = 864_000;

let time: VirtualTime;
let ecs: EcsModel;
let traced: (UntimedTraceEvent & { at: number })[];
let events: BusEvent[];
/** Called at every change of a task. */
let onTask: () => void;

beforeEach(() => {
  time = new VirtualTime(START_MS);
  traced = [];
  events = [];
  onTask = () => {};
  ecs = newModel();
});

function newModel(seed = 1, readings: EcsOptions['readings'] = NO_FAULTS): EcsModel {
  let uuids = 0;
  const options: EcsOptions = {
    time,
    place: { region: 'eu-west-1', account: '123456789012', newId: () => `uuid-${++uuids}` },
    random: new Random(seed),
    trace: (item) => {
      traced.push({ ...item, at: now() });
      if (item.kind === 'task') onTask();
    },
    publish: (event) => events.push(event),
    readings,
  };
  const model = new EcsModel(options);
  model.createCluster(CLUSTER);
  return model;
}

const now = () => (time.nowMs() - START_MS) / 1000;

async function until(seconds: number) {
  time.after(seconds - now(), () => {});
  await time.runUntil(() => now() >= seconds);
}

function register(...ec2InstanceIds: string[]) {
  for (const ec2InstanceId of ec2InstanceIds) {
    ecs.registerInstance({ cluster: CLUSTER, ec2InstanceId, memoryMiB: 4_096, cpuUnits: 2_048 });
  }
}

function service(spec: Partial<ServiceSpec> = {}): ServiceSpec {
  return {
    cluster: CLUSTER,
    name: 'web',
    strategy: 'REPLICA',
    desiredCount: 2,
    minimumHealthyPercent: 100,
    maximumPercent: 200,
    memoryMiB: 512,
    cpuUnits: 256,
    startSeconds: 20,
    stopTimeoutSeconds: 30,
    ...spec,
  };
}

function job(spec: Partial<StandaloneTaskSpec> = {}): StandaloneTaskSpec {
  const usual = { cluster: CLUSTER, name: 'job', memoryMiB: 512, cpuUnits: 256, stopTimeoutSeconds: 30 };
  return { ...usual, runsForSeconds: TEN_DAYS, ...spec };
}

const daemon = (spec: Partial<ServiceSpec> = {}) => service({ name: 'logs', strategy: 'DAEMON', ...spec });
const behindLoadBalancer = { loadBalancer: { deregistrationDelaySeconds: 300, requestsPerSecond: 100 } };

function instance(ec2InstanceId: string) {
  const newest = ecs.registrationsOf(ec2InstanceId).at(-1);
  if (!newest) throw new Error(`${ec2InstanceId} is not registered`);
  return newest;
}

const drain = (ec2InstanceId: string) => ecs.setInstanceStatus(instance(ec2InstanceId), 'DRAINING');

/** The tasks on an instance that have not stopped, such as `web RUNNING`. */
function on(ec2InstanceId: string) {
  const registrations = ecs.registrationsOf(ec2InstanceId);
  const tasks = registrations.flatMap(({ holding }) => [...holding]);
  return tasks.map(({ definition, lastStatus }) => `${definition.family} ${lastStatus}`);
}

function webService() {
  const web = ecs.clusters.get(CLUSTER)?.services.get('web');
  if (!web) throw new Error('there is no web');
  return web;
}

const tracedOf = (kind: UntimedTraceEvent['kind']) => traced.filter((item) => item.kind === kind);
const messages = () => traced.flatMap((item) => (item.kind === 'service' ? item.message : []));
const detailsOf = (detailType: string) =>
  events.filter((event) => event['detail-type'] === detailType).map(({ detail }) => detail as Record<string, unknown>);
const taskEvents = () => detailsOf('ECS Task State Change');
const instanceEvents = () => detailsOf('ECS Container Instance State Change');

/** What the tasks on an instance went through. */
const statusesOn = (id: string) =>
  traced.flatMap((item) => (item.kind === 'task' && item.instanceId === id ? item.status : []));

/** From the start to the end of each status of the only task, in whole seconds. */
function durations() {
  const stages = traced.flatMap((item) => (item.kind === 'task' ? { status: item.status, at: item.at } : []));
  return stages.map(({ status, at }, i) => `${status} ${Math.round((stages[i + 1]?.at ?? at) - at)}`);
}

describe('the lifecycle of a task', () => {
  it('facts 13 counting-trap: passes every status on its way, deregistered from the load balancer for as long as that takes', async () => {
    register(A);
    ecs.createService(service({ desiredCount: 1, startSeconds: 100, ...behindLoadBalancer }));
    await until(1_000);
    ecs.updateService(CLUSTER, 'web', { desiredCount: 0 });
    await until(2_000);
    const total = traced.findLast((item) => item.kind === 'task' && item.status === 'RUNNING')?.at ?? 0;
    expect(durations().map((line) => line.split(' ')[0])).toEqual([
      'PROVISIONING',
      'PENDING',
      'ACTIVATING',
      'RUNNING',
      'DEACTIVATING',
      'STOPPING',
      'DEPROVISIONING',
      'STOPPED',
    ]);
    expect(total).toBeGreaterThanOrEqual(90);
    expect(total).toBeLessThan(112);
    expect(durations().slice(4)).toEqual(['DEACTIVATING 300', 'STOPPING 10', 'DEPROVISIONING 2', 'STOPPED 0']);
  });

  it('facts 13 counting-trap: knows no ACTIVATING and no DEACTIVATING without a load balancer', async () => {
    register(A);
    ecs.runTask(job({ runsForSeconds: 600 }));
    await until(1_000);
    expect(durations()).toEqual([
      expect.stringMatching('PROVISIONING'),
      expect.stringMatching('PENDING'),
      'RUNNING 600',
      'STOPPING 0',
      'DEPROVISIONING 2',
      'STOPPED 0',
    ]);
  });

  it.each([
    { what: 'by default well before SIGKILL', spec: {}, stopping: 'STOPPING 10' },
    { what: 'as soon as it can', spec: { stopsAfterSeconds: 25 }, stopping: 'STOPPING 25' },
    {
      what: 'at the latest by SIGKILL',
      spec: { stopsAfterSeconds: Number.POSITIVE_INFINITY },
      stopping: 'STOPPING 30',
    },
  ])('facts 13 counting-trap: ends after SIGTERM $what', async ({ spec, stopping }) => {
    register(A);
    ecs.createService(service({ desiredCount: 1, ...spec }));
    await until(100);
    ecs.updateService(CLUSTER, 'web', { desiredCount: 0 });
    await until(200);
    expect(durations()).toContain(stopping);
    expect(on(A)).toEqual([]);
  });

  it('may hang forever: not even SIGKILL ends it', async () => {
    register(A);
    ecs.createService(service({ desiredCount: 1, neverStops: true }));
    await until(100);
    ecs.updateService(CLUSTER, 'web', { desiredCount: 0 });
    await until(TEN_DAYS);
    expect(on(A)).toEqual(['web STOPPING']);
  });

  it('facts 13 counting-trap: is listed for about an hour after it stopped, and then forgotten', async () => {
    register(A);
    ecs.runTask(job({ runsForSeconds: 10 }));
    await until(3_600);
    expect(instance(A).tasks.size).toBe(1);
    await until(3_700);
    expect([instance(A).tasks.size, ecs.clusters.get(CLUSTER)?.tasks.size]).toEqual([0, 0]);
  });

  it('facts 13 counting-trap: a task that leaves is in no count long before it has left', async () => {
    register(A, B);
    ecs.createService(service(behindLoadBalancer));
    await until(30);
    expect(ecs.accountOf(A)).toEqual({ counted: 1, holding: 1 });
    drain(A);
    await until(60);
    expect(on(A)).toEqual(['web DEACTIVATING']);
    expect(ecs.accountOf(A)).toEqual({ counted: 0, holding: 1 });
    await until(400);
    expect(ecs.accountOf(A)).toEqual({ counted: 0, holding: 0 });
    expect(ecs.accountOf(B)).toEqual({ counted: 2, holding: 2 });
  });
});

describe('placement', () => {
  it('spreads the tasks of a service over the instances', async () => {
    register(A, B, C);
    ecs.createService(service({ desiredCount: 7 }));
    await until(2);
    expect([A, B, C].map((id) => on(id).length)).toEqual([3, 2, 2]);
  });

  it('takes the instance with the most memory free among those with equally many', async () => {
    register(A, B);
    ecs.runTask(job({ ec2InstanceId: A }));
    ecs.createService(service({ desiredCount: 1 }));
    ecs.runTask(job({ memoryMiB: 1_024 }));
    await until(2);
    expect([on(A).length, on(B).length]).toEqual([2, 1]);
  });

  it('looks at the tasks of the service first: two do not share an instance because it has more memory free', async () => {
    register(A, B);
    ecs.runTask(job({ ec2InstanceId: A, memoryMiB: 3_072 }));
    ecs.createService(service());
    await until(2);
    expect([on(A).length, on(B).length]).toEqual([2, 1]);
  });

  it('fills an instance to its memory and CPU, and says once that there is no more room', async () => {
    register(A);
    ecs.createService(service({ desiredCount: 20, cpuUnits: 1_024 }));
    await until(1_000);
    expect(on(A)).toHaveLength(2);
    register(B); // room for two more, and then none again: the same episode
    await until(2_000);
    expect(on(B)).toHaveLength(2);
    const eldest = ecs.registrationsOf(A)[0]?.id;
    const message = `(service web) was unable to place a task because no container instance met all of its requirements. The closest matching (container-instance ${eldest}) has insufficient CPU units available. For more information, see the Troubleshooting section of the Amazon ECS Developer Guide.`;
    expect(messages()).toEqual([message]);
    expect(webService().events).toMatchObject([{ message, createdAtMs: START_MS + 1_000 }]);
  });

  it('facts 38 service-events: says so again when it has been steady and comes to that again', async () => {
    ecs.createService(service());
    await until(10);
    register(A);
    await until(100);
    expect(on(A)).toEqual(['web RUNNING', 'web RUNNING']);
    ecs.terminateInstance(A);
    await until(200);
    const unable =
      '(service web) was unable to place a task because no container instance met all of its requirements.';
    expect(messages()).toEqual([unable, '(service web) has reached a steady state.', unable]);
  });

  it('uses the room that a stopped task leaves', async () => {
    register(A);
    ecs.runTask(job({ memoryMiB: 4_096, runsForSeconds: 300 }));
    ecs.createService(service());
    await until(290);
    expect(on(A)).toEqual(['job RUNNING']);
    await until(400);
    expect(on(A)).toEqual(['web RUNNING', 'web RUNNING']);
  });

  it('puts nothing on an instance that is DRAINING or whose agent is disconnected', async () => {
    register(A, B);
    drain(A);
    ecs.setAgentConnected(B, false);
    ecs.createService(service());
    await until(100);
    expect([...on(A), ...on(B)]).toEqual([]);
    ecs.setAgentConnected(B, true);
    await until(200);
    expect(on(B)).toEqual(['web RUNNING', 'web RUNNING']);
  });

  it('refuses a standalone task that has no room, as a clear error', () => {
    register(A);
    expect(() => ecs.runTask(job({ memoryMiB: 5_000 }))).toThrow(
      'No container instance of cluster prod has room for the task job.',
    );
  });

  it('scales a service in where it has most tasks', async () => {
    register(A);
    ecs.createService(service());
    await until(100);
    register(B);
    ecs.updateService(CLUSTER, 'web', { desiredCount: 3 });
    await until(200);
    expect([on(A).length, on(B).length]).toEqual([2, 1]);
    ecs.updateService(CLUSTER, 'web', { desiredCount: 2 });
    await until(300);
    expect([on(A), on(B)]).toEqual([['web RUNNING'], ['web RUNNING']]);
  });

  it('stops what does not run yet before what runs', async () => {
    register(A);
    ecs.createService(service({ startSeconds: 100 }));
    await until(200);
    register(B);
    ecs.updateService(CLUSTER, 'web', { desiredCount: 3 });
    await until(250);
    ecs.updateService(CLUSTER, 'web', { desiredCount: 2 });
    await until(400);
    expect([on(A), on(B)]).toEqual([['web RUNNING', 'web RUNNING'], []]);
  });

  it('facts 16 protection-scope, 39 task-protection: protection keeps tasks from scaling in, not from draining', async () => {
    register(A, B);
    ecs.createService(service({ protectedFromScaleIn: true }));
    await until(100);
    ecs.updateService(CLUSTER, 'web', { desiredCount: 1 });
    await until(200);
    expect([on(A), on(B)]).toEqual([['web RUNNING'], ['web RUNNING']]);
    drain(A);
    await until(300);
    expect([on(A), on(B)]).toEqual([[], ['web RUNNING']]);
  });
});

describe('draining', () => {
  /** Four RUNNING tasks, two of them on A, which is then set to DRAINING; ends after ten minutes, or when asked. */
  async function drainHalf(spec: Partial<ServiceSpec>, endsAt = 700) {
    register(A, B);
    ecs.createService(service({ desiredCount: 4, ...spec }));
    await until(100);
    const seen = { fewestRunning: 4, mostHolding: 4 };
    onTask = () => {
      seen.fewestRunning = Math.min(seen.fewestRunning, webService().tally.running);
      seen.mostHolding = Math.max(seen.mostHolding, webService().holding);
    };
    drain(A);
    await until(endsAt);
    return { ...seen, onA: on(A), onB: on(B) };
  }

  it('facts 12 draining-rules: with a minimum of 100 % a replacement must be RUNNING before a task is stopped', async () => {
    expect(await drainHalf({}, 110)).toMatchObject({
      onA: ['web RUNNING', 'web RUNNING'],
      onB: ['web RUNNING', 'web RUNNING', 'web PENDING', 'web PENDING'],
    });
    await until(700);
    expect([on(A), on(B)]).toEqual([[], Array(4).fill('web RUNNING')]);
  });

  it('facts 12 draining-rules: with a minimum of 50 % two of four are stopped before two are started', async () => {
    expect(await drainHalf({ minimumHealthyPercent: 50 }, 102)).toMatchObject({
      onA: ['web STOPPING', 'web STOPPING'],
    });
  });

  it('facts 12 draining-rules: with a maximum of 100 % nothing starts until something has stopped', async () => {
    const half = { minimumHealthyPercent: 50, maximumPercent: 100, ...behindLoadBalancer };
    expect(await drainHalf(half, 410)).toMatchObject({
      onA: ['web STOPPING', 'web STOPPING'],
      onB: ['web RUNNING', 'web RUNNING'],
    });
    await until(700);
    expect([on(A), on(B)]).toEqual([[], Array(4).fill('web RUNNING')]);
  });

  it('facts 12 draining-rules: with minimum = maximum = 100 % it can never end', async () => {
    expect(await drainHalf({ maximumPercent: 100 }, TEN_DAYS)).toMatchObject({
      onA: ['web RUNNING', 'web RUNNING'],
      onB: ['web RUNNING', 'web RUNNING'],
    });
  });

  it.each([
    { minimumHealthyPercent: 100, maximumPercent: 200, fewestRunning: 4, mostHolding: 6 },
    { minimumHealthyPercent: 100, maximumPercent: 125, fewestRunning: 4, mostHolding: 5 },
    { minimumHealthyPercent: 75, maximumPercent: 100, fewestRunning: 3, mostHolding: 4 },
    { minimumHealthyPercent: 51, maximumPercent: 149, fewestRunning: 3, mostHolding: 5 }, // rounded up, rounded down
    { minimumHealthyPercent: 0, maximumPercent: 100, fewestRunning: 2, mostHolding: 4 },
  ])(
    'facts 12 draining-rules: keeps $fewestRunning of 4 RUNNING and at most $mostHolding in all at $minimumHealthyPercent % and $maximumPercent %',
    async ({ fewestRunning, mostHolding, ...percents }) => {
      const onB = Array(4).fill('web RUNNING');
      expect(await drainHalf(percents)).toEqual({ fewestRunning, mostHolding, onA: [], onB });
    },
  );

  it('facts 37 undrainable-services: a service of one task cannot drain at 50 % and 150 %, because both are rounded to one', async () => {
    register(A, B);
    ecs.createService(service({ desiredCount: 1, minimumHealthyPercent: 50, maximumPercent: 150 }));
    await until(100);
    drain(A);
    await until(TEN_DAYS);
    expect([on(A), on(B)]).toEqual([['web RUNNING'], []]);
  });

  it('facts 12 draining-rules, 38 service-events: without room for the replacements the tasks stay, and the service says why', async () => {
    register(A);
    ecs.createService(service());
    await until(100);
    drain(A);
    await until(TEN_DAYS);
    expect(on(A)).toEqual(['web RUNNING', 'web RUNNING']);
    expect(messages()).toHaveLength(1);
    register(B);
    await until(TEN_DAYS + 100);
    expect([on(A), on(B)]).toEqual([[], ['web RUNNING', 'web RUNNING']]);
  });

  it('facts 12 draining-rules: PENDING tasks of services are stopped at once, and placed elsewhere', async () => {
    register(A, B);
    ecs.createService(service({ startSeconds: 100 }));
    await until(50);
    drain(A);
    expect(on(A)).toEqual(['web DEPROVISIONING']);
    await until(65);
    expect([on(A), on(B)]).toEqual([[], ['web PENDING', 'web PENDING']]);
    await until(500);
    expect(statusesOn(A)).toEqual(['PROVISIONING', 'PENDING', 'DEPROVISIONING', 'STOPPED']);
  });

  it('facts 12 draining-rules: standalone tasks are left alone, PENDING or RUNNING', async () => {
    register(A);
    ecs.runTask(job({ runsForSeconds: 5_000 }));
    await until(10);
    ecs.runTask(job({ runsForSeconds: 5_000 }));
    drain(A);
    await until(5_000);
    expect(on(A)).toEqual(['job RUNNING', 'job RUNNING']);
    await until(5_100);
    expect(on(A)).toEqual([]);
  });

  it('facts 12 draining-rules: a daemon stops when the last replica task has stopped, even if there are standalone tasks', async () => {
    register(A, B);
    ecs.createService(service(behindLoadBalancer));
    ecs.createService(daemon());
    ecs.runTask(job({ ec2InstanceId: A }));
    await until(100);
    drain(A);
    await until(430);
    expect(on(A)).toEqual(['logs RUNNING', 'job RUNNING', 'web STOPPING']);
    await until(440);
    expect(on(A)).toEqual(['logs STOPPING', 'job RUNNING']);
    await until(500);
    expect([on(A), on(B)]).toEqual([['job RUNNING'], ['logs RUNNING', 'web RUNNING', 'web RUNNING']]);
  });

  it('facts 12 draining-rules: an instance stays DRAINING until it is set back, and takes tasks again then', async () => {
    register(A, B);
    ecs.createService(service({ desiredCount: 4, cpuUnits: 128 }));
    ecs.createService(daemon());
    await until(100);
    drain(A);
    await until(1_000);
    expect(instance(A).status).toBe('DRAINING');
    ecs.setInstanceStatus(instance(A), 'ACTIVE');
    ecs.updateService(CLUSTER, 'web', { desiredCount: 8 });
    await until(1_100);
    expect(on(A)).toEqual(['logs RUNNING', ...Array(4).fill('web RUNNING')]);
  });

  it('stops the replacements, not the tasks, when it is called off before those are RUNNING', async () => {
    register(A, B);
    ecs.createService(service({ startSeconds: 100 }));
    await until(200);
    drain(A);
    await until(250);
    ecs.setInstanceStatus(instance(A), 'ACTIVE');
    await until(400);
    expect([on(A), on(B)]).toEqual([['web RUNNING'], ['web RUNNING']]);
  });
});

describe('an update of a service', () => {
  const deployments = () => detailsOf('ECS Deployment State Change').map(({ eventName }) => eventName);
  const startedBy = (id: string) =>
    ecs.registrationsOf(id).flatMap(({ holding }) => [...holding].map((t) => t.startedBy));

  it('of its percentages ends a drain that could not, and is no deployment', async () => {
    register(A, B);
    ecs.createService(service({ desiredCount: 4, maximumPercent: 100 }));
    await until(100);
    drain(A);
    await until(1_000);
    expect(on(A)).toEqual(['web RUNNING', 'web RUNNING']);
    ecs.updateService(CLUSTER, 'web', { maximumPercent: 150 });
    await until(1_100);
    expect([on(A), on(B)]).toEqual([[], Array(4).fill('web RUNNING')]);
    expect(deployments()).toEqual([]);
  });

  it('of its minimum stops tasks of the DRAINING instance first', async () => {
    register(A, B);
    ecs.createService(service({ desiredCount: 4, maximumPercent: 100 }));
    await until(100);
    drain(A);
    ecs.updateService(CLUSTER, 'web', { minimumHealthyPercent: 50 });
    await until(102);
    expect(on(A)).toEqual(['web STOPPING', 'web STOPPING']);
  });

  it('that forces a deployment replaces every task within its percentages, and says so', async () => {
    register(A, B);
    ecs.createService(service({ desiredCount: 4, maximumPercent: 150 }));
    await until(100);
    const [before] = webService().deployments;
    const seen = { fewestRunning: 4, mostHolding: 4 };
    onTask = () => {
      seen.fewestRunning = Math.min(seen.fewestRunning, webService().tally.running);
      seen.mostHolding = Math.max(seen.mostHolding, webService().holding);
    };
    ecs.updateService(CLUSTER, 'web', { forceNewDeployment: true });
    await until(102);
    expect(webService().deployments).toMatchObject([{ rolloutState: 'IN_PROGRESS' }, before]);
    await until(500);
    const [after, ...others] = webService().deployments;
    expect([after.rolloutState, others]).toEqual(['COMPLETED', []]);
    expect(seen).toEqual({ fewestRunning: 4, mostHolding: 6 });
    expect([...startedBy(A), ...startedBy(B)]).toEqual(Array(4).fill(after.id));
    expect(after.id).not.toBe(before.id);
    expect(deployments()).toEqual(['SERVICE_DEPLOYMENT_IN_PROGRESS', 'SERVICE_DEPLOYMENT_COMPLETED']);
    expect(events.find((event) => event['detail-type'] === 'ECS Deployment State Change')).toMatchObject({
      resources: [webService().arn],
      detail: { eventType: 'INFO', deploymentId: after.id, reason: `ECS deployment ${after.id} in progress.` },
    });
  });

  it('that forces a deployment stops what does not run yet at once', async () => {
    register(A);
    ecs.createService(service({ startSeconds: 100 }));
    await until(50);
    ecs.updateService(CLUSTER, 'web', { forceNewDeployment: true });
    expect(on(A)).toEqual(['web DEPROVISIONING', 'web DEPROVISIONING']);
    await until(500);
    expect(on(A)).toEqual(['web RUNNING', 'web RUNNING']);
  });

  it('facts 16 protection-scope, 39 task-protection: a deployment spares protected tasks until their protection is switched off, and it stays off', async () => {
    register(A, B);
    ecs.createService(service({ protectedFromScaleIn: true }));
    await until(100);
    const old = [A, B].flatMap((id) => [...instance(id).holding]);
    ecs.updateService(CLUSTER, 'web', { forceNewDeployment: true });
    await until(1_000);
    expect(old.map(({ lastStatus }) => lastStatus)).toEqual(['RUNNING', 'RUNNING']);
    expect(webService().deployments[0].rolloutState).toBe('IN_PROGRESS');
    for (const task of old) ecs.setTaskProtection(task, false);
    expect(old.map((task) => ecs.protectedUntilMs(task))).toEqual([undefined, undefined]);
    await until(1_100);
    expect(old.map(({ lastStatus }) => lastStatus)).toEqual(['STOPPED', 'STOPPED']);
    expect(webService().deployments).toMatchObject([{ rolloutState: 'COMPLETED' }]);
  });

  it('facts 39 task-protection: scales in as soon as a protection that was given has ended by itself', async () => {
    register(A);
    ecs.createService(service({ desiredCount: 1 }));
    await until(100);
    const [task] = instance(A).holding;
    if (task) ecs.setTaskProtection(task, true, 60);
    ecs.updateService(CLUSTER, 'web', { desiredCount: 0 });
    await until(159);
    expect(on(A)).toEqual(['web RUNNING']);
    await until(200);
    expect(on(A)).toEqual([]);
  });

  it('keeps a drain going in the middle of a deployment, and the old tasks outdated when it is called off', async () => {
    register(A, B);
    ecs.createService(service({ desiredCount: 4, startSeconds: 100 }));
    await until(200);
    ecs.updateService(CLUSTER, 'web', { forceNewDeployment: true });
    drain(A);
    await until(250);
    ecs.setInstanceStatus(instance(A), 'ACTIVE');
    await until(1_000);
    expect(webService().deployments).toMatchObject([{ rolloutState: 'COMPLETED' }]);
    expect([...startedBy(A), ...startedBy(B)]).toEqual(Array(4).fill(webService().deployments[0].id));
  });

  it.each([
    { minimumHealthyPercent: 0, atOnce: ['logs STOPPING', 'logs STOPPING'] },
    { minimumHealthyPercent: 50, atOnce: ['logs STOPPING', 'logs RUNNING'] },
  ])('rolls a daemon over, at $minimumHealthyPercent %', async ({ minimumHealthyPercent, atOnce }) => {
    register(A, B);
    ecs.createService(daemon({ minimumHealthyPercent, maximumPercent: 100 }));
    await until(100);
    ecs.updateService(CLUSTER, 'logs', { forceNewDeployment: true });
    await until(102);
    expect([...on(A), ...on(B)]).toEqual(atOnce);
    await until(1_000);
    const logs = ecs.clusters.get(CLUSTER)?.services.get('logs');
    expect([on(A), on(B)]).toEqual([['logs RUNNING'], ['logs RUNNING']]);
    expect([...startedBy(A), ...startedBy(B)]).toEqual(Array(2).fill(logs?.deployments[0].id));
    expect(logs?.deployments).toMatchObject([{ rolloutState: 'COMPLETED' }]);
  });

  it('that deletes it stops all its tasks permanently; INACTIVE, it may be created again', async () => {
    register(A);
    ecs.createService(service({ protectedFromScaleIn: true }));
    ecs.createService(daemon());
    await until(100);
    ecs.deleteService(CLUSTER, 'web');
    ecs.deleteService(CLUSTER, 'logs');
    expect(webService().status).toBe('DRAINING');
    await until(200);
    expect([on(A), webService().status]).toEqual([[], 'INACTIVE']);
    expect(ecs.clusters.get(CLUSTER)?.services.get('logs')?.status).toBe('INACTIVE');
    register(B);
    await until(300);
    expect(on(B)).toEqual([]);
    ecs.createService(service());
    await until(400);
    expect(webService().status).toBe('ACTIVE');
    expect(webService().tally.running).toBe(2);
  });
});

describe('what AWS leaves open', () => {
  it('facts 39 task-protection, read the other way: a protected task stays on a DRAINING instance until it is protected no longer', async () => {
    ecs = newModel(1, { protectionHoldsDraining: true, daemonsLeaveAtOnce: false });
    register(A, B);
    ecs.createService(service({ protectedFromScaleIn: true }));
    await until(100);
    drain(A);
    await until(1_000);
    expect(on(A)).toEqual(['web RUNNING']);
    for (const task of instance(A).holding) ecs.setTaskProtection(task, false);
    await until(1_100);
    expect(on(A)).toEqual([]);
  });

  it('facts 12 draining-rules, read the other way: a daemon stops together with the replicas', async () => {
    ecs = newModel(1, { protectionHoldsDraining: false, daemonsLeaveAtOnce: true });
    register(A, B);
    ecs.createService(service(behindLoadBalancer));
    ecs.createService(daemon());
    await until(100);
    drain(A);
    await until(200);
    expect(on(A)).toEqual(['web DEACTIVATING']);
  });
});

describe('daemons', () => {
  it('run once on every instance, also on those that come later, and have room before replicas do', async () => {
    register(A);
    ecs.createService(service({ desiredCount: 8, memoryMiB: 1_024 }));
    await until(10);
    ecs.createService(daemon());
    register(B);
    await until(100);
    expect(on(A)).toEqual(Array(4).fill('web RUNNING')); // it was full
    expect(on(B)).toEqual(['logs RUNNING', ...Array(3).fill('web RUNNING')]);
  });

  it('wait for the agent of an instance, which is no want of room', async () => {
    register(A);
    ecs.setAgentConnected(A, false);
    ecs.createService(daemon());
    await until(100);
    expect([on(A), messages()]).toEqual([[], []]);
    ecs.setAgentConnected(A, true);
    await until(200);
    expect(on(A)).toEqual(['logs RUNNING']);
  });

  it('come back when they are stopped, one at a time', async () => {
    register(A);
    ecs.createService(daemon());
    await until(100);
    const [task] = instance(A).holding;
    if (task) ecs.stopTask(task, 'why not');
    await until(105);
    expect(on(A)).toEqual(['logs STOPPING']);
    await until(200);
    expect(on(A)).toEqual(['logs RUNNING']);
  });
});

describe('agents', () => {
  it('facts 15 agent-connection: while one is disconnected its tasks do not change for ECS; on reconnect it catches up', async () => {
    register(A);
    ecs.runTask(job({ runsForSeconds: 100 }));
    await until(50);
    ecs.setAgentConnected(A, false);
    await until(500);
    expect(on(A)).toEqual(['job RUNNING']);
    expect(ecs.accountOf(A)).toEqual({ counted: 1, holding: 1 });
    ecs.setAgentConnected(A, true);
    await until(510);
    expect(on(A)).toEqual([]);
  });

  it('facts 15 agent-connection: a task that starts meanwhile is RUNNING for ECS as soon as the agent reports it', async () => {
    register(A);
    ecs.createService(service({ desiredCount: 1, startSeconds: 100 }));
    await until(20);
    ecs.setAgentConnected(A, false);
    await until(300);
    expect(on(A)).toEqual(['web PENDING']);
    ecs.setAgentConnected(A, true);
    expect(on(A)).toEqual(['web RUNNING']);
  });

  it('facts 15 agent-connection: the order to stop waits for the agent, the end of a task that was stopping only for its report', async () => {
    register(A, B);
    ecs.createService(service({ stopsAfterSeconds: 20, maximumPercent: 400 }));
    await until(100);
    drain(A);
    await until(130);
    expect(on(A)).toEqual(['web STOPPING']);
    ecs.setAgentConnected(A, false);
    drain(B);
    register(C);
    ecs.setAgentConnected(B, false);
    await until(1_000);
    expect([on(A), on(B)]).toEqual([['web STOPPING'], ['web RUNNING', 'web RUNNING']]);
    ecs.setAgentConnected(A, true);
    ecs.setAgentConnected(B, true);
    expect([on(A), on(B)]).toEqual([['web DEPROVISIONING'], ['web STOPPING', 'web STOPPING']]);
  });

  it('facts 14 instance-lookup: one that registers again leaves its old ARN behind, ACTIVE and disconnected, with its tasks', async () => {
    register(A);
    ecs.createService(service());
    await until(100);
    const [old] = ecs.registrationsOf(A);
    const arn = ecs.reRegisterAgent(A);
    await until(200);
    expect(ecs.registrationsOf(A).map(({ arn }) => arn)).toEqual([old?.arn, arn]);
    expect(old).toMatchObject({ status: 'ACTIVE', agentConnected: false });
    expect([old?.holding.size, instance(A).holding.size]).toEqual([2, 0]);
    ecs.setAgentConnected(A, false);
    expect(ecs.registrationsOf(A).map(({ agentConnected }) => agentConnected)).toEqual([false, false]);
    ecs.setAgentConnected(A, true);
    expect(ecs.terminateInstance(A)).toHaveLength(2);
    expect(ecs.registrationsOf(A).map(({ status }) => status)).toEqual(['ACTIVE', 'INACTIVE']);
  });
});

describe('termination', () => {
  it('facts 15 agent-connection: deregisters the instance and kills what had not stopped; services replace it elsewhere', async () => {
    register(A, B);
    ecs.createService(service());
    await until(100);
    const [task] = instance(A).holding;
    expect(ecs.terminateInstance(A)).toEqual([
      { arn: task?.arn, group: 'service:web', lastStatus: 'RUNNING', ec2InstanceId: A, fate: 'delayed SIGTERM' },
    ]);
    expect([instance(A).status, instance(A).agentConnected, on(A)]).toEqual(['INACTIVE', false, []]);
    expect(tracedOf('task').filter((item) => 'killed' in item)).toEqual([
      {
        at: 100,
        kind: 'task',
        taskId: task?.id,
        instanceId: A,
        group: 'service:web',
        status: 'STOPPED',
        reason: `Host EC2 (instance ${A}) terminated.`,
        killed: true,
        fate: 'delayed SIGTERM',
      },
    ]);
    await until(200);
    expect(on(B)).toEqual(['web RUNNING', 'web RUNNING']);
    expect(ecs.terminateInstance(A)).toEqual([]);
  });

  it('facts 15 agent-connection: an instance whose agent is disconnected stays registered when it is terminated, and takes nothing more', async () => {
    register(A);
    ecs.createService(service());
    ecs.createService(service({ name: 'watch', strategy: 'DAEMON' }));
    await until(100);
    ecs.setAgentConnected(A, false);
    expect(ecs.terminateInstance(A)).toHaveLength(3);
    ecs.setAgentConnected(A, true); // Nothing is there to connect.
    await until(200);
    expect(instance(A)).toMatchObject({ status: 'ACTIVE', agentConnected: false });
    expect([instance(A).holding.size, on(A)]).toEqual([0, []]);
    register(B);
    await until(300);
    expect(on(B)).toEqual(['watch RUNNING', 'web RUNNING', 'web RUNNING']);
    expect(ecs.terminateInstance(A)).toEqual([]);
  });

  it('kills a task in the middle of its lifecycle permanently', async () => {
    register(A);
    ecs.createService(service({ desiredCount: 1, ...behindLoadBalancer }));
    await until(100);
    ecs.updateService(CLUSTER, 'web', { desiredCount: 0 });
    await until(200);
    expect(ecs.terminateInstance(A)).toMatchObject([{ lastStatus: 'DEACTIVATING' }]);
    await until(1_000);
    expect(statusesOn(A).slice(-3)).toEqual(['RUNNING', 'DEACTIVATING', 'STOPPED']);
  });

  /** The fate of a task that stops by itself so many seconds after SIGTERM, whose host is terminated at 200 s. */
  const fateOf = async (stopsAfterSeconds: number, before: () => void = () => {}, spec: Partial<ServiceSpec> = {}) => {
    register(A);
    ecs.createService(service({ desiredCount: 1, stopTimeoutSeconds: 120, stopsAfterSeconds, ...spec }));
    time.after(180, before);
    await until(200);
    return ecs.terminateInstance(A).map(({ lastStatus, fate }) => `${lastStatus}: ${fate}`);
  };
  const scaleToZero = () => ecs.updateService(CLUSTER, 'web', { desiredCount: 0 }); // 19 s later it is STOPPING for 18 s or more

  it.each([
    { stopsAfterSeconds: 10, fate: 'RUNNING: delayed SIGTERM' },
    { stopsAfterSeconds: 11, fate: 'RUNNING: cut off' },
  ])(
    'facts 64 termination-time: a task that needs $stopsAfterSeconds s after SIGTERM is $fate',
    async ({ stopsAfterSeconds, fate }) => {
      expect(await fateOf(stopsAfterSeconds)).toEqual([fate]);
    },
  );

  it.each([
    { stopsAfterSeconds: 28, fate: 'STOPPING: unharmed' },
    { stopsAfterSeconds: 40, fate: 'STOPPING: cut off' },
  ])(
    'facts 64 termination-time: a task that ECS has stopped in time is $fate if it needs $stopsAfterSeconds s',
    async ({ stopsAfterSeconds, fate }) => {
      expect(await fateOf(stopsAfterSeconds, scaleToZero)).toEqual([fate]);
    },
  );

  it('facts 64 termination-time: a task that not even SIGKILL ends is cut off', async () => {
    expect(await fateOf(5, scaleToZero, { neverStops: true })).toEqual(['STOPPING: cut off']);
  });

  it('facts 64 termination-time: a task whose load balancer deregisters it gets a delayed SIGTERM, however long ago ECS began to stop it', async () => {
    expect(await fateOf(10, scaleToZero, behindLoadBalancer)).toEqual(['DEACTIVATING: delayed SIGTERM']);
  });

  it('facts 64 termination-time: a task without a container that runs is unharmed', async () => {
    expect(await fateOf(60, () => {}, { startSeconds: 1_000 })).toEqual(['PENDING: unharmed']);
    register(B);
    ecs.runTask(job({ name: 'short', ec2InstanceId: B, runsForSeconds: 10 }));
    await until(210);
    ecs.setAgentConnected(B, false); // so ECS does not hear of its end
    await until(300);
    const short = ecs.terminateInstance(B).find(({ group }) => group === 'family:short');
    expect(short).toMatchObject({ lastStatus: 'RUNNING', fate: 'unharmed' });
  });

  it('facts 64 termination-time: a task with a delayed SIGTERM serves until it has ended', async () => {
    register(A);
    ecs.createService(service({ desiredCount: 1, stopsAfterSeconds: 10, ...behindLoadBalancer }));
    await until(100);
    ecs.terminateInstance(A);
    await until(110);
    expect(ecs.requestsLost()).toBe(0);
    await until(115);
    expect(ecs.requestsLost()).toBe(5 * 100);
  });

  it('loses requests of tasks that serve or still drain, and none after a whole drain', async () => {
    register(A, B);
    ecs.createService(service({ ...behindLoadBalancer, stopsAfterSeconds: 25 }));
    await until(100);
    drain(A);
    await until(600);
    ecs.terminateInstance(A);
    expect(ecs.requestsLost()).toBe(0);
    register(C);
    drain(B);
    await until(700);
    ecs.terminateInstance(B); // two targets that had 250 and 333 requests in flight, about a quarter into their delay
    await until(711); // the shutdown has cut them off
    expect(ecs.requestsLost()).toBeGreaterThan(0.7 * 583);
    expect(ecs.requestsLost()).toBeLessThan(0.8 * 583);
  });
});

describe('reservation', () => {
  it('facts 25 reservation-metrics: is what tasks that have started and not stopped reserve, of what registered instances have', async () => {
    expect(ecs.reservation(CLUSTER)).toEqual({ memoryPercent: 0, cpuPercent: 0 });
    register(A, B);
    ecs.createService(service({ memoryMiB: 1_024, cpuUnits: 1_024, ...behindLoadBalancer }));
    await until(2); // both are placed, and start
    expect(ecs.reservation(CLUSTER)).toEqual({ memoryPercent: 0, cpuPercent: 0 });
    await until(100);
    expect(ecs.reservation(CLUSTER)).toEqual({ memoryPercent: 25, cpuPercent: 50 });
    ecs.updateService(CLUSTER, 'web', { desiredCount: 1 });
    await until(200); // one is DEACTIVATING
    expect(ecs.reservation(CLUSTER)).toEqual({ memoryPercent: 25, cpuPercent: 50 });
    await until(500);
    expect(ecs.reservation(CLUSTER)).toEqual({ memoryPercent: 12.5, cpuPercent: 25 });
    ecs.terminateInstance(B);
    ecs.terminateInstance(B); // has no more to lose
    expect(ecs.reservation(CLUSTER)).toEqual({ memoryPercent: 25, cpuPercent: 50 });
    ecs.terminateInstance(A);
    expect(ecs.reservation(CLUSTER)).toEqual({ memoryPercent: 0, cpuPercent: 0 });
  });
});

describe('events', () => {
  it('facts 4 task-event: every change of a task’s lastStatus is an event that looks like the task, its version rising', async () => {
    register(A);
    ecs.createService(service({ desiredCount: 1, ...behindLoadBalancer }));
    await until(100);
    ecs.updateService(CLUSTER, 'web', { desiredCount: 0 });
    await until(500);
    const statuses = tracedOf('task').map((item) => ('status' in item ? item.status : ''));
    expect(statuses).toHaveLength(8);
    expect(taskEvents().map(({ lastStatus }) => lastStatus)).toEqual(statuses);
    expect(taskEvents().map(({ version }) => version)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(events.find((event) => event['detail-type'] === 'ECS Task State Change')).toMatchObject({
      source: 'aws.ecs',
      resources: [expect.stringMatching(/^arn:aws:ecs:eu-west-1:123456789012:task\/prod\/[0-9a-f]{32}$/)],
    });
    expect(taskEvents().at(-1)).toMatchObject({
      taskArn: expect.stringMatching(/task\/prod\//),
      clusterArn: 'arn:aws:ecs:eu-west-1:123456789012:cluster/prod',
      containerInstanceArn: instance(A).arn,
      group: 'service:web',
      startedBy: expect.stringMatching(/^ecs-svc\/\d{19}$/),
      lastStatus: 'STOPPED',
      desiredStatus: 'STOPPED',
      stopCode: 'ServiceSchedulerInitiated',
      stoppedReason: expect.stringContaining('Scaling activity initiated by'),
      createdAt: '2026-01-01T00:00:01.000Z',
      stoppingAt: '2026-01-01T00:01:41.000Z',
      stoppedAt: '2026-01-01T00:06:53.000Z',
    });
  });

  it('facts 5 container-instance-event: a container instance’s event comes when tasks start or stop, on (dis)connection and (de)registration', async () => {
    const since = () => instanceEvents().length;
    register(A);
    expect(instanceEvents()).toMatchObject([
      {
        ec2InstanceId: A,
        status: 'ACTIVE',
        agentConnected: true,
        version: 1,
        registeredAt: '2026-01-01T00:00:00.000Z',
      },
    ]);
    ecs.runTask(job());
    expect(since()).toBe(2);
    await until(100);
    expect(since()).toBe(2);
    const [task] = instance(A).holding;
    if (task) ecs.stopTask(task, 'enough');
    expect(since()).toBe(3);
    await until(200);
    expect(since()).toBe(4);
    ecs.setAgentConnected(A, false);
    ecs.setAgentConnected(A, false);
    expect(since()).toBe(5);
    ecs.setAgentConnected(A, true);
    ecs.runTask(job());
    ecs.terminateInstance(A);
    expect(instanceEvents().map(({ version }) => version)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(instanceEvents().at(-1)).toMatchObject({ status: 'INACTIVE', agentConnected: false });
  });

  it('facts 5 container-instance-event: setting DRAINING is no event, though it is traced', async () => {
    register(A);
    drain(A);
    await until(100);
    expect(events).toHaveLength(1);
    expect(instance(A).version).toBe(1);
    expect(tracedOf('container-instance').at(-1)).toEqual({
      at: 0,
      kind: 'container-instance',
      instanceId: A,
      status: 'DRAINING',
      agentConnected: true,
    });
  });
});

describe('clusters', () => {
  it('have nothing to do with each other', async () => {
    ecs.createCluster('test');
    ecs.registerInstance({ cluster: 'test', ec2InstanceId: B, memoryMiB: 4_096, cpuUnits: 2_048 });
    ecs.createService(service());
    await until(100);
    expect(on(B)).toEqual([]);
    expect(ecs.reservation('test').memoryPercent).toBe(0);
    register(A);
    await until(200);
    expect([on(A), on(B)]).toEqual([['web RUNNING', 'web RUNNING'], []]);
    ecs.createService(service({ cluster: 'test', stopTimeoutSeconds: 60 }));
    await until(300);
    expect(on(B)).toEqual(['web RUNNING', 'web RUNNING']);
    expect(ecs.revisionsOf('web').map(({ stopTimeoutSeconds }) => stopTimeoutSeconds)).toEqual([30, 60]);
  });
});

/** Drains `count` instances at once to as many new ones: ten tasks each, of two services and a daemon. */
async function fleet(count: number, seed = 1): Promise<string> {
  time = new VirtualTime(START_MS);
  traced = [];
  events = [];
  ecs = newModel(seed);
  const olds = Array.from({ length: count }, (_, i) => `i-old${i}`);
  const desiredCount = Math.floor(4.5 * count);
  register(...olds);
  ecs.createService(daemon({ memoryMiB: 128, cpuUnits: 128 }));
  for (const name of ['web', 'api']) {
    ecs.createService(service({ name, memoryMiB: 256, cpuUnits: 128, desiredCount, ...behindLoadBalancer }));
  }
  await until(100);
  register(...olds.map((id) => id.replace('old', 'new')));
  for (const id of olds) drain(id);
  await until(1_000);
  for (const id of olds) expect(ecs.terminateInstance(id)).toEqual([]);
  await until(10_000);
  return JSON.stringify({ traced, events });
}

/** How many items of sets and maps, in which the model keeps everything, are walked through: cost without a clock. */
async function itemsWalked(work: () => Promise<unknown>): Promise<number> {
  const iterators = [new Set().values(), new Map().values()].map((iterator) => Object.getPrototypeOf(iterator));
  const originals = iterators.map(({ next }) => next);
  let walked = 0;
  for (const [i, iterator] of iterators.entries()) {
    iterator.next = function next() {
      walked += 1;
      return originals[i].call(this);
    };
  }
  await work().finally(() => {
    for (const [i, iterator] of iterators.entries()) iterator.next = originals[i];
  });
  return walked;
}

describe('the model', () => {
  it('is the same in every run with one seed number, and another with another', async () => {
    const first = await fleet(5);
    expect(await fleet(5)).toBe(first);
    expect(await fleet(5, 2)).not.toBe(first);
  });

  it('costs in proportion to its instances and tasks', async () => {
    const small = await itemsWalked(() => fleet(20));
    const large = await itemsWalked(() => fleet(80));
    expect(small).toBeGreaterThan(1_000);
    expect(large / small).toBeLessThan(4.5);
  });
});
