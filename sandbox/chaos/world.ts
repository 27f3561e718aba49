import type { ListFunctionsResponse } from '@aws-sdk/client-lambda';
import fc from 'fast-check';
import * as v from 'valibot';
import { CONTINUATION_VERSION } from '../../src/adapters/continuation.ts';
import { sentenceOf } from '../../src/adapters/schemas.ts';
import { type Drain, instanceIdOf, MANAGED_DRAINING_HOOK } from '../../src/domain/drain.ts';
import { AwsError } from '../region/aws-error.ts';
import { type Faults, NO_FAULTS } from '../region/faults.ts';
import type { Region } from '../region/region.ts';
import { Random } from '../region/time/random.ts';
import { CLUSTER, GROUP, group, type Params, replicas, type Scenario } from '../scenarios.ts';

const seconds = (max = 1e6) => between(0, max, 'seconds');
const on = between(0, 1_000, 'the place of an instance in its group', true);
const strike = { on, atSecond: seconds() };

/** What ecs-drain is deployed with, under the names of its params: all that a later release may set again. */
const laterSettings = {
  deadlineSeconds: between(1, 172_800, 'whole seconds', true),
  stopStragglers: oneOf('none', 'standalone', 'all'),
  agentGraceSeconds: between(60, 172_800, 'whole seconds', true),
  functionTimeoutSeconds: between(60, 900, 'whole seconds', true),
  pollMaxSeconds: between(2, 300, 'whole seconds', true),
};

export const OUTAGES = [
  'ECS throttles',
  'ECS is down',
  'Auto Scaling throttles',
  'Auto Scaling is down',
  'EventBridge is down',
  'Scheduler throttles',
  'Scheduler is down',
  'SQS is down',
  'answers are lost',
  'calls are slow',
  'invocations crash',
  'containers fail to start',
  'deliveries are refused',
  'reads that only explain are denied',
  'schedules are denied',
] as const;

const service = object({
  strategy: oneOf('REPLICA', 'DAEMON'),
  desiredCount: between(0, 100, 'a count', true),
  /** minimumHealthyPercent and maximumPercent. */
  percents: v.tuple([between(0, 200, 'percent'), between(0, 200, 'percent')]),
  startSeconds: seconds(),
  stopTimeoutSeconds: seconds(),
  stopping: oneOf('on SIGTERM', 'on SIGKILL', 'never'),
  deregistrationDelaySeconds: v.nullable(seconds()),
});
const job = object({ ...strike, runsForSeconds: seconds(), stopTimeoutSeconds: seconds() });
const outage = object({ what: oneOf(...OUTAGES), fromSecond: seconds(), forSeconds: seconds() });
const release = object({
  atSecond: seconds(),
  settings: object(laterSettings),
  continuations: oneOf('of this version', 'of an older version', 'of a newer version'),
});
const probability = between(0, 1, 'a probability');

/**
 * All that a run of a Region depends on, as plain JSON: the drill plays it from a file. Instants are seconds since it was set
 * going; `on` is an instance by its place in the group, counted round.
 */
const world = object({
  seed: between(0, 999_999_999, 'a seed number', true),
  waiting: oneOf('park', 'watch'),
  instances: between(1, 100, 'a count', true),
  /** Whether a second cluster, which is empty, has to be searched as well. */
  searchesEmptyCluster: v.boolean('expected true or false'),
  settings: object({ ...laterSettings, heartbeatTimeoutSeconds: between(30, 7_200, 'whole seconds', true) }),
  services: v.array(service),
  jobs: v.array(job),
  terminations: v.array(object({ ...strike, shrinks: v.boolean('expected true or false') })),
  /** EC2 takes an instance, whatever holds it. */
  losses: v.array(object(strike)),
  /** The agent loses its state and registers again. */
  registrations: v.array(object(strike)),
  /** The agent is not heard; never again, where it is null. */
  silences: v.array(object({ ...strike, forSeconds: v.nullable(seconds()) })),
  outages: v.array(outage),
  /** What befalls events, and messages of the queue, at any time. */
  deliveries: object({
    lostTerminations: probability,
    lostOthers: probability,
    duplicated: probability,
    delayed: probability,
    delaySeconds: seconds(),
    repeatedMessages: v.optional(probability),
  }),
  listLagSeconds: seconds(),
  /**
   * Whether AWS does what no one has verified by the other reading: of facts 12 draining-rules (daemons), 39
   * (protection) and 61.
   */
  readsOtherwise: v.optional(v.boolean('expected true or false'), false),
  releases: v.array(release),
  /** The second cluster is deleted. */
  clusterVanishesAtSecond: v.optional(seconds()),
  /** The hook is deleted, which lets go what it holds. */
  hookDeletedAtSecond: v.optional(seconds()),
  /** The group is deleted with force, and all its instances end at once. */
  groupDeletedAtSecond: v.optional(seconds()),
  /** The agent of an instance registers with the second cluster, and leaves its registration and its tasks behind. */
  movesToSecondCluster: v.optional(object(strike)),
  /** The agent of this instance was in the second cluster before: an empty registration without an agent is left there. */
  leftInSecondCluster: v.optional(on),
  /** ECS drains by itself, we watch, and this is `managedDrainingDeadline`. Where it is left out, we drain. */
  managedDraining: v.optional(oneOf('none', 'CONTINUE')),
  /**
   * What makes us drain instances that stay in service. An instance refresh replaces every root volume at once, and the agents
   * may keep their registrations. Or EC2 recommends to rebalance an instance, and nothing replaces it.
   */
  staying: v.optional(
    v.variant('what', [
      object({
        what: v.literal('root volumes'),
        atSecond: seconds(),
        keepsRegistrations: v.boolean('expected true or false'),
      }),
      object({ what: v.literal('a rebalance recommendation'), ...strike }),
    ]),
  ),
  /** A person sets the registration of an instance to DRAINING, if it is ACTIVE and has no mark of ours. */
  drainedByHand: v.optional(object(strike)),
  /** An operator's request about the drain of the instance, if it is parked. It sets a deadline, or leaves a note where that is null. */
  operator: v.optional(object({ ...strike, deadlineSeconds: v.nullable(seconds()) })),
  /**
   * The second phase: from here on nothing goes wrong any more. Outages end, events come once and in time, lists lag no longer,
   * agents are heard again and lose no state. Without it, what goes wrong goes on.
   */
  faultsEndAtSecond: v.optional(seconds()),
  /** The invocation dies that comes to this await, of all that there are: counted from 1. */
  crashAtAwait: v.optional(between(1, 1e9, 'a count', true)),
});

export type World = v.InferOutput<typeof world>;
export type Settings = World['settings'];
export type Outage = World['outages'][number];
type Strike = World['losses'][number];

/** When the second phase begins; never, where it is not said. */
export function faultsEndAt({ faultsEndAtSecond = Infinity }: World): number {
  return faultsEndAtSecond;
}

/** @throws Error with a sentence that names the field and the value. */
export function worldFrom(json: unknown): World {
  const result = v.safeParse(world, json, { abortPipeEarly: true });
  if (!result.success) throw new Error(`The world cannot be understood: ${sentenceOf(result.issues)}`);
  return result.output;
}

function object<const E extends v.ObjectEntries>(entries: E) {
  return v.strictObject(entries, 'expected an object');
}

function oneOf<const T extends readonly string[]>(...choices: T) {
  return v.picklist(choices, `expected one of ${choices.join(', ')}`);
}

function between(min: number, max: number, what: string, whole = false) {
  const message = `expected ${what} from ${min} to ${max}`;
  const number = v.pipe(v.number(message), v.minValue(min, message), v.maxValue(max, message));
  return whole ? v.pipe(number, v.integer(message)) : number;
}

// --- Worlds to be played ----------------------------------------------------------------------------------------------

/** The world as the drill plays it. */
export function scenarioOf(world: World): Scenario {
  const { instances, waiting, settings, searchesEmptyCluster, releases, managedDraining } = world;
  return {
    description: 'a world of the chaos',
    group: { ...group(instances, instances), agentDataSurvives: keepsRegistrations(world) },
    managedDraining: managedDraining !== undefined,
    services: world.services.map((service, i) => serviceOf(service, `service-${i + 1}`)),
    jobs: [],
    params: {
      ...paramsOf(settings),
      ...(managedDraining && { superviseManagedDraining: 'true', managedDrainingDeadline: managedDraining }),
      waiting,
      rebalanceRecommendations: String(world.staying?.what === 'a rebalance recommendation'),
      cluster: searchesEmptyCluster ? `${EMPTY_CLUSTER},${CLUSTER}` : CLUSTER,
    },
    releases: releases.map(({ atSecond, settings, continuations }) => ({
      atSecond,
      params: paramsOf(settings),
      continuationVersion: CONTINUATION_VERSION + VERSION_STEP[continuations],
    })),
    faults: (second) => faultsOf(world, second),
    begin: (region, instanceIds) => begin(world, region, instanceIds),
  };
}

function keepsRegistrations({ staying }: World): boolean {
  return staying?.what === 'root volumes' && staying.keepsRegistrations;
}

const EMPTY_CLUSTER = 'empty';
/** The hook that every package makes. */
const HOOK_NAME = 'ecs-drain';
// Continuations of older versions are samples in test/adapters/continuation.test.ts: this code cannot write them.
const VERSION_STEP = { 'of an older version': 0, 'of this version': 0, 'of a newer version': 1 } as const;

/** The stragglers' grace must fit before any deadline here. */
const paramsOf = (settings: Partial<Settings>): Params => ({ ...settings, deregistrationDelaySeconds: 60 });

function serviceOf(
  { percents, stopping, deregistrationDelaySeconds, ...service }: World['services'][number],
  name: string,
) {
  const [minimumHealthyPercent, maximumPercent] = percents;
  return replicas(name, service.desiredCount, {
    ...service,
    minimumHealthyPercent,
    maximumPercent,
    memoryMiB: 512,
    cpuUnits: 128,
    ...(stopping === 'on SIGKILL' && { stopsAfterSeconds: service.stopTimeoutSeconds }),
    ...(stopping === 'never' && { neverStops: true }),
    ...(deregistrationDelaySeconds !== null && {
      loadBalancer: { deregistrationDelaySeconds, requestsPerSecond: 10 },
    }),
  });
}

function begin(world: World, region: Region, instanceIds: readonly string[]): void {
  const { ecs, autoScaling, time } = region;
  const strike = ({ on, atSecond }: Strike, what: (instanceId: string) => void) => {
    const instanceId = instanceIds[on % instanceIds.length] ?? '';
    time.after(atSecond, () => what(instanceId));
  };
  const isThere = (instanceId: string) => !region.terminated.has(instanceId);

  if (world.searchesEmptyCluster) ecs.createCluster(EMPTY_CLUSTER);
  world.jobs.forEach(({ on, atSecond, ...job }, i) => {
    const spec = { ...job, cluster: CLUSTER, name: `job-${i + 1}`, memoryMiB: 256, cpuUnits: 64 };
    strike({ on, atSecond }, (ec2InstanceId) => {
      if (isOpen(region, ec2InstanceId)) ecs.runTask({ ...spec, ec2InstanceId });
    });
  });
  for (const termination of world.terminations) {
    strike(termination, (instanceId) => {
      // What becomes of a pending action whose instance is terminated, such as one that waits for its root volume, AWS does not say.
      const isHeld = autoScaling.pendingActions().some((action) => action.instanceId === instanceId);
      if (isThere(instanceId) && !isHeld) terminate(region, instanceId, termination.shrinks);
    });
  }
  for (const loss of world.losses) {
    strike(loss, (instanceId) => {
      if (isThere(instanceId)) autoScaling.terminateInstance(instanceId, { skipHooks: true });
    });
  }
  beginDeletions(world, region);
  beginMoves(world, region, instanceIds, strike);
  beginStaying(world, region, strike);
  const { operator } = world;
  if (operator) strike(operator, (instanceId) => sendRequest(region, instanceId, operator.deadlineSeconds));
  const endsAt = faultsEndAt(world);
  const isInTime = ({ atSecond }: Strike) => atSecond < endsAt;
  for (const registration of world.registrations.filter(isInTime)) {
    strike(registration, (instanceId) => {
      if (isThere(instanceId)) ecs.reRegisterAgent(instanceId);
    });
  }
  for (const { on, atSecond, forSeconds } of world.silences.filter(isInTime)) {
    strike({ on, atSecond }, (instanceId) => ecs.setAgentConnected(instanceId, false));
    if (forSeconds === null) continue;
    const heardAt = Math.min(atSecond + forSeconds, endsAt);
    strike({ on, atSecond: heardAt }, (instanceId) => ecs.setAgentConnected(instanceId, true));
  }
}

function beginDeletions(world: World, { ecs, autoScaling, time }: Region): void {
  const { clusterVanishesAtSecond, hookDeletedAtSecond, groupDeletedAtSecond } = world;
  if (world.searchesEmptyCluster && clusterVanishesAtSecond !== undefined) {
    time.after(clusterVanishesAtSecond, () => {
      const isEmpty = ecs.clusters.get(EMPTY_CLUSTER)?.instances.size === 0;
      if (isEmpty) ecs.deleteCluster(EMPTY_CLUSTER); // ECS refuses to delete another.
    });
  }
  if (hookDeletedAtSecond !== undefined) {
    const hook = world.managedDraining ? MANAGED_DRAINING_HOOK : HOOK_NAME;
    time.after(hookDeletedAtSecond, () => {
      if (autoScaling.hasGroup(GROUP)) autoScaling.deleteLifecycleHook(GROUP, hook);
    });
  }
  if (groupDeletedAtSecond !== undefined) {
    time.after(groupDeletedAtSecond, () => autoScaling.deleteGroup(GROUP, { force: true }));
  }
}

function beginMoves(
  world: World,
  { ecs, terminated }: Region,
  instanceIds: readonly string[],
  strike: (at: Strike, what: (instanceId: string) => void) => void,
): void {
  const { searchesEmptyCluster, movesToSecondCluster, leftInSecondCluster } = world;
  if (!searchesEmptyCluster) return;
  if (leftInSecondCluster !== undefined) {
    ecs.leaveRegistration(instanceIds[leftInSecondCluster % instanceIds.length] ?? '', EMPTY_CLUSTER);
  }
  if (movesToSecondCluster && movesToSecondCluster.atSecond < faultsEndAt(world)) {
    strike(movesToSecondCluster, (instanceId) => {
      const isThere = !terminated.has(instanceId) && ecs.clusters.has(EMPTY_CLUSTER);
      if (isThere) ecs.reRegisterAgent(instanceId, EMPTY_CLUSTER);
    });
  }
}

/** The registrations that a person has set to DRAINING. */
const drainedByHand = new WeakMap<Region, Set<string>>();

/** The ids of the registrations that a person has set to DRAINING. */
export function drainedByHandIn(region: Region): ReadonlySet<string> {
  return drainedByHand.get(region) ?? new Set();
}

function beginStaying(
  { staying, drainedByHand: person, instances, terminations, losses }: World,
  region: Region,
  strike: (at: Strike, what: (instanceId: string) => void) => void,
): void {
  const { autoScaling, ecs, time } = region;
  if (staying?.what === 'root volumes') {
    time.after(staying.atSecond, () => {
      if (!autoScaling.hasGroup(GROUP)) return;
      autoScaling.startInstanceRefresh(GROUP, { minHealthyPercentage: 0 }, 'ReplaceRootVolume');
    });
  }
  // What is taken anyway does not stay.
  const isTaken = ({ on }: Strike) => [...terminations, ...losses].some((each) => (each.on - on) % instances === 0);
  if (staying?.what === 'a rebalance recommendation' && !isTaken(staying)) {
    strike(staying, (instanceId) => {
      if (autoScaling.hasGroup(GROUP)) autoScaling.recommendRebalance(instanceId);
    });
  }
  if (!person) return;
  strike(person, (instanceId) => {
    const newest = ecs.registrationsOf(instanceId).at(-1);
    if (newest?.status !== 'ACTIVE' || newest.attributes.size > 0) return;
    ecs.setInstanceStatus(newest, 'DRAINING');
    drainedByHand.set(region, new Set([...drainedByHandIn(region), newest.id]));
  });
}

/** Invokes the function with the request, as `ecs-drain extend` does. It needs the name of the drain's schedule. */
function sendRequest(region: Region, instanceId: string, deadlineSeconds: number | null): void {
  const drains = [...region.scheduler.pending()].map(([schedule, input]) => {
    const { drain }: { readonly drain: Drain } = JSON.parse(input);
    return { schedule, drain };
  });
  const schedule = drains.find(({ drain }) => instanceIdOf(drain) === instanceId)?.schedule;
  if (schedule === undefined) return;
  const { Functions = [] } = region.ask('lambda', 'ListFunctions', {}) as ListFunctionsResponse;
  const by = 'arn:aws:iam::123456789012:user/operator';
  const asked = deadlineSeconds === null ? { message: 'we look into it' } : { deadlineSeconds };
  const Payload = JSON.stringify({ request: { instanceId, schedule, by, ...asked } });
  region.ask('lambda', 'Invoke', { FunctionName: Functions[0]?.FunctionName, Payload });
}

/** Whether it has room for a job: ECS would refuse to place it elsewhere. */
function isOpen({ ecs }: Region, ec2InstanceId: string): boolean {
  const newest = ecs.registrationsOf(ec2InstanceId).at(-1);
  if (newest?.status !== 'ACTIVE' || !newest.agentConnected) return false;
  return newest.capacity.memoryMiB - newest.reserved.memoryMiB >= 256;
}

function terminate({ autoScaling }: Region, instanceId: string, shrinks: boolean): void {
  try {
    autoScaling.terminateInstance(instanceId, { decrementDesiredCapacity: shrinks });
  } catch (error) {
    if (!(error instanceof AwsError)) throw error; // the group cannot get smaller
  }
}

// --- What goes wrong in them ------------------------------------------------------------------------------------------

const DOWN = new AwsError('ServiceUnavailableException', 'The service is unavailable.', 503);

const DENIED = new AwsError('AccessDeniedException', 'User is not authorized to perform this operation.');
/** docs/aws-calls.md: no drain needs them. */
const EXPLAINING: ReadonlySet<string> = new Set(['DescribeServices', 'DescribeTaskDefinition', 'GetTaskProtection']);

const OUTAGE_OF_SERVICE: Partial<Record<Outage['what'], readonly [service: string, share: number, error: AwsError]>> = {
  'ECS throttles': ['ecs', 0.8, new AwsError('ThrottlingException', 'Rate exceeded')],
  'ECS is down': ['ecs', 1, DOWN],
  'Auto Scaling throttles': ['autoscaling', 0.8, new AwsError('Throttling', 'Rate exceeded')],
  'Auto Scaling is down': ['autoscaling', 1, DOWN],
  'EventBridge is down': ['events', 1, DOWN],
  'Scheduler throttles': ['scheduler', 0.8, new AwsError('ThrottlingException', 'Rate exceeded', 429)],
  'Scheduler is down': ['scheduler', 1, DOWN],
  // For who sends: Lambda goes on reading.
  'SQS is down': ['sqs', 1, DOWN],
};

function faultsOf(world: World, second: () => number): Faults {
  const { seed, outages, deliveries, crashAtAwait } = world;
  const endsAt = faultsEndAt(world);
  const random = new Random(seed).fork('outages');
  let awaits = 0;
  const isOn = ({ fromSecond, forSeconds }: Outage) =>
    fromSecond <= second() && second() < Math.min(fromSecond + forSeconds, endsAt);
  const has = (what: Outage['what']) => outages.some((each) => each.what === what && isOn(each));
  const during = (what: Outage['what'], value: number) => (has(what) ? value : 0);
  const meanwhile = (value: number) => (second() >= 0 && second() < endsAt ? value : 0);
  return {
    ...NO_FAULTS,
    get lostEvents() {
      return meanwhile(deliveries.lostTerminations);
    },
    get lostDurableEvents() {
      return meanwhile(deliveries.lostOthers);
    },
    get duplicatedEvents() {
      return meanwhile(deliveries.duplicated);
    },
    get delayedEvents() {
      return meanwhile(deliveries.delayed);
    },
    delaySeconds: deliveries.delaySeconds,
    get repeatedMessages() {
      return meanwhile(deliveries.repeatedMessages ?? 0);
    },
    protectionHoldsDraining: world.readsOtherwise,
    daemonsLeaveAtOnce: world.readsOtherwise,
    repeatedDrainingIsDone: world.readsOtherwise,
    get refusedDeliveries() {
      return during('deliveries are refused', 0.7);
    },
    get lostAnswers() {
      return during('answers are lost', 0.3);
    },
    get slownessSeconds() {
      return during('calls are slow', 3);
    },
    get listLagSeconds() {
      return meanwhile(world.listLagSeconds);
    },
    get crashes() {
      awaits += 1;
      return awaits === crashAtAwait ? 1 : during('invocations crash', 0.2);
    },
    get failedStarts() {
      return during('containers fail to start', 1);
    },
    failing: ({ service, operation }) => {
      if (has('reads that only explain are denied') && EXPLAINING.has(operation)) return DENIED;
      if (has('schedules are denied') && ['CreateSchedule', 'UpdateSchedule'].includes(operation)) return DENIED;
      for (const { what } of outages) {
        const [struck, share, error] = OUTAGE_OF_SERVICE[what] ?? [];
        if (struck === service && has(what) && random.chance(share ?? 0)) return error;
      }
      return undefined;
    },
  };
}

// --- Random worlds ----------------------------------------------------------------------------------------------------

const anyInstance = fc.nat(5);
const anySecond = (max: number) => fc.nat(max);
/** Once in so many times and one. */
const rarely = <T>(arbitrary: fc.Arbitrary<T>, weight: number) =>
  fc.oneof({ arbitrary: fc.constant(undefined), weight }, { arbitrary, weight: 1 });
const few = <T>(arbitrary: fc.Arbitrary<T>, maxLength = 2) => fc.array(arbitrary, { maxLength });

const anyLaterSettings = fc.record({
  deadlineSeconds: fc.integer({ min: 300, max: 1_200 }),
  stopStragglers: fc.constantFrom('none', 'none', 'standalone', 'all'),
  agentGraceSeconds: fc.constantFrom(60, 240, 600),
  functionTimeoutSeconds: fc.constantFrom(60, 60, 120),
  pollMaxSeconds: fc.constantFrom(60, 60, 20),
});

const anySettings: fc.Arbitrary<Settings> = fc
  .tuple(anyLaterSettings, fc.constantFrom(3_600, 1_800, 600, 600, 300, 300, 120))
  .map(([later, heartbeatTimeoutSeconds]) => ({ ...later, heartbeatTimeoutSeconds }));

export const anyService: fc.Arbitrary<World['services'][number]> = fc.record({
  strategy: fc.constantFrom('REPLICA', 'REPLICA', 'REPLICA', 'DAEMON'),
  desiredCount: fc.integer({ min: 0, max: 6 }),
  percents: fc.constantFrom<[number, number][]>([100, 200], [100, 150], [50, 100], [0, 100], [100, 101]),
  startSeconds: fc.integer({ min: 5, max: 60 }),
  stopTimeoutSeconds: fc.integer({ min: 2, max: 120 }),
  stopping: fc.constantFrom(
    'on SIGTERM',
    'on SIGTERM',
    'on SIGTERM',
    'on SIGTERM',
    'on SIGKILL',
    'on SIGKILL',
    'on SIGKILL',
    'never',
  ),
  deregistrationDelaySeconds: fc.constantFrom(null, null, 0, 30, 120, 300),
});

export const anyJob: fc.Arbitrary<World['jobs'][number]> = fc.record({
  on: anyInstance,
  // On a termination, more often than not: a task that is placed late.
  atSecond: fc.constantFrom(0, 0, 1, 2, 5, 30),
  runsForSeconds: fc.integer({ min: 10, max: 1_200 }),
  stopTimeoutSeconds: fc.integer({ min: 2, max: 120 }),
});

const LONGEST_OUTAGE_SECONDS = 400;
/** The second phase begins then, at the latest. */
const LAST_FAULT_SECOND = 600;
/** What keeps an invocation from being followed by the next... */
const BREAKS_CHAINS: readonly Outage['what'][] = [
  'invocations crash',
  'containers fail to start',
  'EventBridge is down',
  'SQS is down',
];
/** ...for no longer than this is made good by the queue, which brings again what failed. */
const RETRIED_SECONDS = 120;
/** These leave the message of a drain on the queue, however long they are and both at once, if its hook lasts so long. */
const LEAVES_MESSAGES: readonly Outage['what'][] = ['EventBridge is down', 'SQS is down'];
const HOOK_OF_THE_LEFT_SECONDS = 120 + 15;

const anyOutage: fc.Arbitrary<Outage> = fc.record({
  what: fc.constantFrom(...OUTAGES),
  fromSecond: anySecond(LAST_FAULT_SECOND),
  forSeconds: fc.integer({ min: 5, max: LONGEST_OUTAGE_SECONDS }),
});

/** Each by itself, or SQS and EventBridge together, so that nothing can be sent anywhere. */
const anyOutages: fc.Arbitrary<Outage[]> = fc.oneof(
  { arbitrary: few(anyOutage), weight: 9 },
  { arbitrary: anyOutage.map((outage) => LEAVES_MESSAGES.map((what) => ({ ...outage, what }))), weight: 1 },
);

const anyDeliveries: fc.Arbitrary<World['deliveries']> = fc.record({
  lostTerminations: fc.constantFrom(0, 0, 0.3, 1),
  lostOthers: fc.constantFrom(0, 0, 0.1, 0.3),
  duplicated: fc.constantFrom(0, 0.2, 1),
  delayed: fc.constantFrom(0, 0.3, 1),
  delaySeconds: fc.integer({ min: 0, max: 60 }),
  repeatedMessages: fc.constantFrom(0, 0, 0.1, 0.3),
});

const anyRelease: fc.Arbitrary<World['releases'][number]> = fc.record({
  atSecond: anySecond(900),
  settings: anyLaterSettings,
  continuations: fc.constantFrom('of this version', 'of an older version', 'of a newer version'),
});

const anyStaying: fc.Arbitrary<World['staying']> = fc.oneof(
  { arbitrary: fc.constant(undefined), weight: 6 },
  {
    arbitrary: fc.record({
      what: fc.constant('root volumes' as const),
      atSecond: fc.constantFrom(0, 30, 200),
      keepsRegistrations: fc.boolean(),
    }),
    weight: 2,
  },
  {
    arbitrary: fc.record({
      what: fc.constant('a rebalance recommendation' as const),
      on: anyInstance,
      atSecond: fc.constantFrom(0, 30, 200),
    }),
    weight: 1,
  },
);

/** More often than not just before a job is placed, or a moment after the draining. */
const anyMove = fc.record({ on: anyInstance, atSecond: fc.constantFrom(0, 1, 3, 4, 10, 60, 200) });

const anyRequest = fc.record({
  on: anyInstance,
  atSecond: fc.constantFrom(20, 40, 60, 90, 150, 300),
  deadlineSeconds: fc.constantFrom(null, 0, 60, 300, 900, 2_000),
});

/** Any world in which drains wait so. */
export function worlds(waiting: World['waiting']): fc.Arbitrary<World> {
  const termination = fc.record({ on: anyInstance, atSecond: fc.constantFrom(0, 0, 1, 20, 90), shrinks: fc.boolean() });
  const silence = fc.record({
    on: anyInstance,
    atSecond: anySecond(600),
    forSeconds: fc.option(fc.integer({ min: 5, max: 1_500 }), { freq: 4 }),
  });
  const faultsEnd = fc.oneof(
    { arbitrary: fc.constant(0), weight: 1 },
    { arbitrary: anySecond(90), weight: 1 }, // before the last termination
    { arbitrary: anySecond(LAST_FAULT_SECOND), weight: 4 },
  );
  return fc
    .record({
      seed: fc.nat(999_999),
      waiting: fc.constant(waiting),
      instances: fc.integer({ min: 1, max: 4 }),
      searchesEmptyCluster: fc.boolean(),
      settings: anySettings,
      services: few(anyService),
      jobs: few(anyJob),
      terminations: fc.array(termination, { minLength: 1, maxLength: 2 }),
      losses: few(fc.record({ on: anyInstance, atSecond: anySecond(600) }), 1),
      registrations: few(fc.record({ on: anyInstance, atSecond: anySecond(300) }), 1),
      silences: few(silence),
      outages: anyOutages,
      deliveries: anyDeliveries,
      listLagSeconds: fc.constantFrom(0, 0, 1, 1.5, 4, 10),
      readsOtherwise: fc.boolean(),
      releases: few(anyRelease),
      clusterVanishesAtSecond: rarely(anySecond(300), 2),
      hookDeletedAtSecond: rarely(anySecond(600), 12),
      staying: anyStaying,
      drainedByHand: fc.option(fc.record({ on: anyInstance, atSecond: fc.constantFrom(0, 10, 200) }), {
        nil: undefined,
        freq: 9,
      }),
      managedDraining: fc.constantFrom(undefined, undefined, undefined, undefined, undefined, 'none', 'CONTINUE'),
      faultsEndAtSecond: faultsEnd,
      groupDeletedAtSecond: rarely(anySecond(400), 14),
      movesToSecondCluster: rarely(anyMove, 6),
      leftInSecondCluster: rarely(anyInstance, 6),
      operator: rarely(anyRequest, 2),
    })
    .map(asksOfWhatIsHeld)
    .map(withoutMystery)
    .map(withFewCopies)
    .map(withoutLostChains);
}

/** Of a random instance there would seldom be a drain to ask for. */
function asksOfWhatIsHeld(world: World): World {
  const { operator, terminations } = world;
  return operator ? { ...world, operator: { ...operator, on: terminations[0]?.on ?? operator.on } } : world;
}

/**
 * With `waiting: watch` nothing shows the sweep that a watched drain is lost. Beside such a drain, calls about an instance
 * that stays would look like meddling.
 */
function withoutMystery(world: World): World {
  return world.waiting === 'park' && !world.staying ? world : { ...world, managedDraining: undefined };
}

/** A drain that watches has no schedule: each copy of an event would have copies in its turn. */
function withFewCopies(world: World): World {
  if (world.waiting === 'park') return world;
  const { deliveries } = world;
  return {
    ...world,
    deliveries: { ...deliveries, duplicated: Math.min(deliveries.duplicated, 0.1), repeatedMessages: 0 },
  };
}

/**
 * Nothing shows whether a drain that watches is alive, so the sweep finds only those whose instance still takes tasks. In a
 * world that watches no event is lost, and one outage at most breaks a chain; it ends before the queue has given up on the
 * message. Where nothing can be sent anywhere, nothing breaks: the message stays on the queue.
 */
function withoutLostChains(world: World): World {
  if (world.waiting === 'park') return world;
  const { deliveries, outages } = world;
  const areLeft = world.settings.heartbeatTimeoutSeconds >= HOOK_OF_THE_LEFT_SECONDS;
  const isBreak = ({ what }: Outage) => BREAKS_CHAINS.includes(what) && !(areLeft && LEAVES_MESSAGES.includes(what));
  const [first, ...further] = outages.filter(isBreak);
  return {
    ...world,
    drainedByHand: undefined, // it would hide a lost termination
    deliveries: {
      ...deliveries,
      lostOthers: 0,
      // So would an instance that is still DRAINING since its last hold.
      lostTerminations: world.staying ? 0 : deliveries.lostTerminations,
    },
    outages: outages
      .filter((outage) => !further.includes(outage))
      .map((outage) =>
        outage === first ? { ...outage, forSeconds: Math.min(outage.forSeconds, RETRIED_SECONDS) } : outage,
      ),
  };
}
