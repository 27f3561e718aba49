import type { DescribeServicesResponse, UpdateServiceResponse } from '@aws-sdk/client-ecs';
import { describe, expect, it } from 'vitest';
import type { CircuitBreaker, ServiceSpec } from '../../../../sandbox/region/ecs/specs.ts';
import type { Region } from '../../../../sandbox/region/region.ts';
import { pass, regionOfTest } from '../clients.ts';

const ROLLBACK: CircuitBreaker = {
  rollback: true,
  resetOnHealthyTask: true,
  threshold: { type: 'BOUNDED_PERCENT', value: 50 },
};

const WEB: ServiceSpec = {
  cluster: 'prod',
  name: 'web',
  strategy: 'REPLICA',
  desiredCount: 2,
  minimumHealthyPercent: 100,
  maximumPercent: 200,
  memoryMiB: 100,
  cpuUnits: 100,
  startSeconds: 10,
  stopTimeoutSeconds: 10,
  circuitBreaker: ROLLBACK,
};

/** Tasks of the deployment before the newest. */
const OLD = ['a', 'b'].map((id) => ({
  ec2InstanceId: `i-0000000000000000${id}`,
  phase: 'running' as const,
  deployment: 1,
}));

/** Two instances; a service that has run for some time; and a task definition `broken`, whose tasks never run. */
async function clusterWith(spec: Partial<ServiceSpec> = {}): Promise<Region> {
  const region = regionOfTest();
  const { ecs } = region;
  ecs.createCluster('prod');
  for (const id of ['a', 'b']) {
    ecs.registerInstance({
      cluster: 'prod',
      ec2InstanceId: `i-0000000000000000${id}`,
      memoryMiB: 8_000,
      cpuUnits: 8_000,
    });
  }
  const web = { ...WEB, ...spec };
  ecs.createService(web);
  ecs.createService({ ...web, name: 'broken', desiredCount: 0, startFails: true });
  await pass(region, 60);
  return region;
}

const deploy = (region: Region, taskDefinition: string, more = {}) =>
  region.ask('ecs', 'UpdateService', {
    cluster: 'prod',
    service: 'web',
    taskDefinition,
    ...more,
  }) as UpdateServiceResponse;

function described(region: Region, name = 'web') {
  const answer = region.ask('ecs', 'DescribeServices', { cluster: 'prod', services: [name] });
  const [service] = (answer as DescribeServicesResponse).services ?? [];
  if (!service) throw new Error('There is no such service.');
  return service;
}

/** The newest first. */
const statesOf = (region: Region) => described(region).deployments?.map(({ rolloutState }) => rolloutState);
const messagesOf = (region: Region) => described(region).events?.map(({ message = '' }) => message) ?? [];
const drain = (region: Region, id: string) => {
  const [instance] = region.ecs.registrationsOf(id);
  if (instance) region.ecs.setInstanceStatus(instance, 'DRAINING');
};

describe('the deployment circuit breaker (facts 102 circuit-breaker)', () => {
  it('fails a deployment after three tasks that never run, and goes back to the one before with its id', async () => {
    const region = await clusterWith();
    const events: unknown[] = [];
    const pattern = { source: ['aws.ecs'], 'detail-type': ['ECS Deployment State Change'] };
    region.eventBridge.putRule({
      name: 'all',
      pattern,
      target: (event) => events.push((event as { detail: unknown }).detail),
    });
    const before = described(region).deployments?.[0]?.id;
    const failed = deploy(region, 'broken:1').service?.deployments?.[0]?.id;
    await pass(region, 20);
    // Two at once have failed; the next two wait.
    expect(described(region).deployments?.[0]).toMatchObject({ failedTasks: 2, rolloutState: 'IN_PROGRESS' });
    await pass(region, 11);
    expect(described(region).deployments).toMatchObject([
      {
        id: before,
        status: 'PRIMARY',
        rolloutState: 'IN_PROGRESS',
        rolloutStateReason: `ECS deployment circuit breaker: rolling back to deploymentId ${before}.`,
      },
      {
        id: failed,
        status: 'ACTIVE',
        rolloutState: 'FAILED',
        failedTasks: 3,
        rolloutStateReason: 'ECS deployment circuit breaker: tasks failed to start.',
      },
    ]);
    expect(messagesOf(region)).toEqual(
      expect.arrayContaining([
        `(service web) (deployment ${failed}) deployment failed: tasks failed to start.`,
        `(service web) rolling back to deployment ${before}.`,
      ]),
    );
    await pass(region, 60);
    expect(described(region)).toMatchObject({
      runningCount: 2,
      deployments: [{ id: before, rolloutState: 'COMPLETED' }],
    });
    expect(events).toMatchObject([
      { eventType: 'INFO', eventName: 'SERVICE_DEPLOYMENT_IN_PROGRESS', deploymentId: failed },
      { eventType: 'ERROR', eventName: 'SERVICE_DEPLOYMENT_FAILED', deploymentId: failed },
      { eventType: 'INFO', eventName: 'SERVICE_DEPLOYMENT_IN_PROGRESS', deploymentId: before },
      { eventType: 'INFO', eventName: 'SERVICE_DEPLOYMENT_COMPLETED', deploymentId: before },
    ]);
  });

  it.each<[string, CircuitBreaker['threshold'], number, number]>([
    ['half of the desired count, rounded up', { type: 'BOUNDED_PERCENT', value: 50 }, 9, 5],
    ['three at least', { type: 'BOUNDED_PERCENT', value: 50 }, 1, 3],
    ['200 at most', { type: 'BOUNDED_PERCENT', value: 50 }, 500, 200],
    ['a share without bounds', { type: 'UNBOUNDED_PERCENT', value: 50 }, 2, 1],
    ['a number', { type: 'COUNT', value: 4 }, 100, 4],
  ])('fails it after %s', async (_, threshold, desiredCount, fails) => {
    const size = { memoryMiB: 1, cpuUnits: 1 };
    const region = await clusterWith({
      ...size,
      desiredCount,
      circuitBreaker: { ...ROLLBACK, rollback: false, threshold },
    });
    deploy(region, 'broken:1');
    await pass(region, 3_600);
    expect(described(region).deployments?.[0]).toMatchObject({ rolloutState: 'FAILED', failedTasks: fails });
  });

  it('without a rollback starts nothing more, so that a drain gets stuck; with one, the drain goes on', async () => {
    const runningOn = (region: Region) => region.ecs.accountOf('i-0000000000000000a').holding;
    const [stalled, back] = [
      await clusterWith({ circuitBreaker: { ...ROLLBACK, rollback: false } }),
      await clusterWith({ circuitBreaker: ROLLBACK }),
    ];
    for (const region of [stalled, back]) {
      deploy(region, 'broken:1');
      drain(region, 'i-0000000000000000a');
      await pass(region, 600);
    }
    expect([runningOn(stalled), statesOf(stalled)]).toEqual([1, ['FAILED', 'COMPLETED']]);
    expect([runningOn(back), statesOf(back)]).toEqual([0, ['COMPLETED']]);
  });

  it('stops no task of the earlier deployment once the newer one has failed, though the minimum would allow it', async () => {
    const circuitBreaker = { ...ROLLBACK, rollback: false };
    const region = await clusterWith({ desiredCount: 4, minimumHealthyPercent: 50, circuitBreaker });
    deploy(region, 'broken:1');
    await pass(region, 600);
    expect(described(region)).toMatchObject({ runningCount: 2, deployments: [{ rolloutState: 'FAILED' }, {}] });
    region.ask('ecs', 'UpdateService', {
      cluster: 'prod',
      service: 'web',
      deploymentConfiguration: { minimumHealthyPercent: 0 },
    });
    await pass(region, 600);
    expect(described(region).runningCount).toBe(2);
  });

  it('counts a task that finds no room as one that failed', async () => {
    const region = await clusterWith();
    region.ecs.createService({ ...WEB, name: 'huge', desiredCount: 0, memoryMiB: 100_000 });
    deploy(region, 'huge:1');
    await pass(region, 150);
    expect(statesOf(region)).toEqual(['IN_PROGRESS', 'COMPLETED']);
    await pass(region, 200);
    expect(statesOf(region)).toEqual(['COMPLETED']);
  });

  it('counts neither tasks that are stopped on a DRAINING instance nor those of no deployment', async () => {
    const region = await clusterWith({ startSeconds: 100 });
    await pass(region, 200);
    deploy(region, 'web:1', { forceNewDeployment: true });
    await pass(region, 50);
    drain(region, 'i-0000000000000000a');
    expect(described(region).deployments?.[0]).toMatchObject({ failedTasks: 0 });
    await pass(region, 600);
    expect(statesOf(region)).toEqual(['COMPLETED']);

    // A replacement that fails outside of a deployment is tried again, later and later.
    const broken = await clusterWith({ startFails: true });
    await pass(broken, 3_600);
    expect(described(broken)).toMatchObject({
      runningCount: 0,
      deployments: [{ rolloutState: 'COMPLETED', failedTasks: 0 }],
    });
    expect(messagesOf(broken)).toContain('(service web) is unable to consistently start tasks successfully.');
    const { tasks } = broken.ecs.clusters.get('prod')?.services.get('web') ?? { tasks: new Set() };
    expect(tasks.size).toBeLessThan(24);
    expect(tasks.size).toBeGreaterThan(10);
  });

  it('is reset by a task that runs, unless resetOnHealthyTask is false', async () => {
    const failedAfter = async (resetOnHealthyTask: boolean) => {
      const region = await clusterWith();
      const later = { name: 'later', desiredCount: 4, circuitBreaker: { ...ROLLBACK, resetOnHealthyTask } };
      region.ecs.createService({ ...WEB, ...later }, OLD, [
        { rolloutState: 'IN_PROGRESS', failedTasks: 2 },
        { rolloutState: 'COMPLETED', failedTasks: 0 },
      ]);
      await pass(region, 11);
      return described(region, 'later').deployments?.map(({ failedTasks }) => failedTasks);
    };
    expect([await failedAfter(true), await failedAfter(false)]).toEqual([
      [0, 0],
      [2, 0],
    ]);
  });

  it('goes on with a deployment that is under way from the start, of tasks of another size', async () => {
    const region = await clusterWith();
    const later = { ...WEB, name: 'later', memoryMiB: 300, startFails: true };
    region.ecs.createService(
      later,
      [...OLD, { ec2InstanceId: 'i-0000000000000000b', phase: 'running' }],
      [
        { rolloutState: 'IN_PROGRESS', failedTasks: 1 },
        { rolloutState: 'COMPLETED', failedTasks: 0, memoryMiB: 100, startFails: false },
      ],
    );
    expect(described(region, 'later')).toMatchObject({
      taskDefinition: expect.stringMatching(/later:2$/),
      runningCount: 3,
    });
    await pass(region, 600);
    expect(described(region, 'later')).toMatchObject({
      taskDefinition: expect.stringMatching(/later:1$/),
      runningCount: 2,
      deployments: [{ rolloutState: 'COMPLETED' }],
    });
  });

  it('is switched on and off by UpdateService, and shown by DescribeServices', async () => {
    const region = await clusterWith();
    const set = (deploymentCircuitBreaker: object) =>
      region.ask('ecs', 'UpdateService', {
        cluster: 'prod',
        service: 'web',
        deploymentConfiguration: { deploymentCircuitBreaker },
      });
    const breakerOf = () => described(region).deploymentConfiguration?.deploymentCircuitBreaker;
    expect(breakerOf()).toEqual({
      enable: true,
      rollback: true,
      resetOnHealthyTask: true,
      thresholdConfiguration: { type: 'BOUNDED_PERCENT', value: 50 },
    });
    set({
      enable: true,
      rollback: false,
      resetOnHealthyTask: false,
      thresholdConfiguration: { type: 'COUNT', value: 7 },
    });
    expect(breakerOf()).toMatchObject({
      rollback: false,
      resetOnHealthyTask: false,
      thresholdConfiguration: { value: 7 },
    });
    set({ enable: false, rollback: false });
    expect(breakerOf()).toBeUndefined();
    deploy(region, 'broken:1');
    await pass(region, 3_600);
    expect(statesOf(region)).toEqual(['IN_PROGRESS', 'COMPLETED']);
    expect(() =>
      set({ enable: true, rollback: true, thresholdConfiguration: { type: 'BOUNDED_PERCENT', value: 101 } }),
    ).toThrow('The value of thresholdConfiguration must be at least 1 and at most 100.');
  });
});
