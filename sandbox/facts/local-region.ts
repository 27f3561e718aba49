import { CreateScheduleGroupCommand } from '@aws-sdk/client-scheduler';
import type { ServiceSpec } from '../region/ecs/specs.ts';
import { NO_FAULTS } from '../region/faults.ts';
import { roleFor } from '../region/iam/api.ts';
import { createRegion, type Region } from '../region/region.ts';
import { playGlobals } from '../region/time/globals.ts';
import { currentFiber } from '../region/time/virtual-time.ts';
import { UNSIGNED } from '../region/wire/transport.ts';
import { clientsWith } from './clients.ts';
import type { Clients, Experiment, Resources } from './experiment.ts';
import { type Place, type Result, run } from './run.ts';

const EPOCH_MS = Date.UTC(2026, 0, 1);
const CLUSTER = 'facts';
const GROUP = 'facts';
const HOOK = 'facts';
const SCHEDULES = 'facts';
const TOPIC = 'facts';
const HEARTBEAT_TIMEOUT_SECONDS = 120;
const DEREGISTRATION_DELAY_SECONDS = 30;

/**
 * Makes the experiments on a local Region of their own, in virtual time, through AWS's own clients. A test may wrap the clients:
 * what they answer then is not what the Region says. Or it may have the Region at fault.
 */
export async function runOnLocalRegion(
  experiments: readonly Experiment[],
  wrapped: (clients: Clients) => Clients = (clients) => clients,
  faults = NO_FAULTS,
): Promise<readonly Result[]> {
  const region = createRegion({ startMs: EPOCH_MS, seed: 1, faults });
  const endGlobals = playGlobals(region.time, region.random.fork('globals'));
  const outcome = Promise.withResolvers<readonly Result[]>();
  let over = false;
  try {
    const place = placeIn(region, resourcesIn(region), wrapped);
    region.time.start(async () => {
      await place.scheduler.send(new CreateScheduleGroupCommand({ Name: SCHEDULES }));
      await run(experiments, place).then(outcome.resolve, outcome.reject);
      over = true;
    });
    await region.time.runUntil(() => over);
  } finally {
    endGlobals();
  }
  return outcome.promise;
}

function placeIn(region: Region, resources: Resources, wrapped: (clients: Clients) => Clients): Place {
  const clients = clientsWith({
    region: 'eu-west-1',
    requestHandler: region.transport,
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    signer: UNSIGNED,
  });
  return {
    ...wrapped(clients),
    resources,
    now: () => region.time.nowMs(),
    sleepUntil: async (instantMs) => currentFiber.getStore()?.waitUntil(instantMs),
    longestWaitSeconds: Number.POSITIVE_INFINITY,
    longestRestSeconds: Number.POSITIVE_INFINITY,
  };
}

/** Builds in the Region what the stack creates in an account. */
function resourcesIn(region: Region): Resources {
  const { account, region: name } = { account: '123456789012', region: 'eu-west-1' };
  region.ecs.createCluster(CLUSTER);
  const instanceIds = region.autoScaling.createGroup(
    {
      name: GROUP,
      minSize: 0,
      maxSize: 6,
      desiredCapacity: 3,
      cluster: CLUSTER,
      memoryMiB: 1_900,
      cpuUnits: 2_048,
      launchSeconds: 60,
    },
    { running: true },
  );
  region.autoScaling.putLifecycleHook({
    name: HOOK,
    group: GROUP,
    heartbeatTimeoutSeconds: HEARTBEAT_TIMEOUT_SECONDS,
    defaultResult: 'CONTINUE',
  });
  region.roles.set(
    'facts-scheduler',
    roleFor('scheduler.amazonaws.com', [{ Effect: 'Allow', Action: 'events:PutEvents', Resource: '*' }]),
  );
  for (const service of SERVICES) region.ecs.createService(service);
  const queue = region.createQueue({ name: 'facts-messages', visibilityTimeoutSeconds: 30, maxReceiveCount: 100 });
  return {
    cluster: {
      name: CLUSTER,
      services: { web: 'web', slow: 'slow', fixed: 'fixed', daemon: 'daemon', large: 'large' },
      job: 'web',
      largeJob: 'large',
    },
    group: {
      name: GROUP,
      hook: HOOK,
      heartbeatTimeoutSeconds: HEARTBEAT_TIMEOUT_SECONDS,
      interruptSpot: async () => {
        const [first] = region.autoScaling.instancesOf(GROUP).filter(({ state }) => state === 'InService');
        region.autoScaling.interruptSpotInstance(first?.instanceId ?? instanceIds[0] ?? '');
      },
    },
    events: { queueUrl: queueOfEvents(region, account) },
    schedules: {
      group: SCHEDULES,
      busArn: `arn:aws:events:${name}:${account}:event-bus/default`,
      roleArn: `arn:aws:iam::${account}:role/facts-scheduler`,
    },
    function: failingFunction(region, account),
    echo: echoFunction(region),
    loadBalancer: { service: 'balanced', deregistrationDelaySeconds: DEREGISTRATION_DELAY_SECONDS },
    queue: { url: `https://sqs.${name}.amazonaws.com/${account}/facts-messages`, arn: queue.arn },
    topic: { arn: region.createTopic(TOPIC).arn },
  };
}

const service = (name: string, more: Partial<ServiceSpec>): ServiceSpec => ({
  cluster: CLUSTER,
  name,
  strategy: 'REPLICA',
  desiredCount: 1,
  minimumHealthyPercent: 100,
  maximumPercent: 200,
  memoryMiB: 64,
  cpuUnits: 32,
  startSeconds: 5,
  stopTimeoutSeconds: 30,
  stopsAfterSeconds: 30,
  ...more,
});

const SERVICES = [
  service('web', { desiredCount: 2 }),
  service('slow', { minimumHealthyPercent: 0, stopTimeoutSeconds: 60, stopsAfterSeconds: 60 }),
  service('fixed', { minimumHealthyPercent: 50, maximumPercent: 100 }),
  service('daemon', { strategy: 'DAEMON', minimumHealthyPercent: 0, maximumPercent: 100 }),
  service('large', { desiredCount: 0, memoryMiB: 1_000_000 }),
  service('balanced', {
    desiredCount: 0,
    startSeconds: 30,
    loadBalancer: { deregistrationDelaySeconds: DEREGISTRATION_DELAY_SECONDS, requestsPerSecond: 1 },
  }),
];

/** A queue behind a rule for every event that an experiment looks at, and behind one with a rate. */
function queueOfEvents(region: Region, account: string): string {
  const queue = region.createQueue({ name: 'facts-events', visibilityTimeoutSeconds: 30, maxReceiveCount: 100 });
  const target = (event: unknown) => queue.send(JSON.stringify(event));
  const pattern = { source: ['aws.ecs', 'aws.autoscaling', 'aws.ec2', 'facts'] };
  region.eventBridge.putRule({ name: 'facts-events', pattern, target });
  region.eventBridge.putScheduledRule({ name: 'facts-clock', everySeconds: 60, target });
  return `https://sqs.eu-west-1.amazonaws.com/${account}/facts-events`;
}

function failingFunction(region: Region, account: string): Resources['function'] {
  const queue = region.createQueue({ name: 'facts-failures', visibilityTimeoutSeconds: 30, maxReceiveCount: 100 });
  region.deploy({
    name: 'facts-failing',
    timeoutSeconds: 10,
    load: () => async () => {
      throw new Error('facts');
    },
    onFailure: {
      arn: `arn:aws:sqs:eu-west-1:${account}:facts-failures`,
      send: (record) => queue.send(JSON.stringify(record)),
    },
  });
  return {
    name: 'facts-failing',
    queueUrl: `https://sqs.eu-west-1.amazonaws.com/${account}/facts-failures`,
  };
}

function echoFunction(region: Region): Resources['echo'] {
  const name = 'facts-echo';
  region.deploy({
    name,
    timeoutSeconds: 10,
    load: () => async (event) => {
      const { lines = [] } = event as { readonly lines?: readonly string[] };
      for (const line of lines) region.log({ message: line }, line);
      return event;
    },
  });
  return { name, logGroup: `/aws/lambda/${name}` };
}
