import fc from 'fast-check';
import { scenarioOf, type World, worlds } from '../../sandbox/chaos/world.ts';
import type { Change } from '../../sandbox/plan/change.ts';
import type { Region } from '../../sandbox/region/region.ts';
import { group, logRouter, replicas, SCENARIOS, type Scenario, type ScenarioName } from '../../sandbox/scenarios.ts';
import type { Case } from './prove.ts';

/** What plans are proved with: the scenarios of the drill, and worlds of the chaos without faults. */

const rolling = (minInService: number, pauseSeconds: number): Change => ({
  kind: 'rolling-update',
  minInService,
  maxBatchSize: 1,
  pauseSeconds,
  waitsForSignals: true,
});
const terminateFirst = ([first = '']: readonly string[]): Change => ({
  kind: 'terminate',
  instanceIds: [first],
  shrinks: false,
});

/** The change of each scenario that is one that a plan can make. */
const CHANGES: Partial<Record<ScenarioName, (instanceIds: readonly string[]) => Change>> = {
  book: () => rolling(1, 900),
  'rolling-update': () => rolling(6, 300),
  'scale-in': () => ({ kind: 'scale-in', count: 2 }),
  'instance-refresh': () => ({
    kind: 'instance-refresh',
    minHealthyPercent: 66,
    maxHealthyPercent: 100,
    warmupSeconds: 60,
  }),
  'long-drain': terminateFirst,
  stuck: () => ({ kind: 'scale-in', count: 1 }),
  standalone: terminateFirst,
  retained: terminateFirst,
  'warm-pool': () => ({ kind: 'scale-in', count: 1 }),
};

export function scenarioCases(seed: number): Case[] {
  return Object.entries(CHANGES).map(([name, change]) => {
    const scenario: Scenario = SCENARIOS[name as ScenarioName];
    return { name, scenario, change, seed };
  });
}

/** Services that cannot be anywhere, and a group in two zones. */
export function placementCase(seed: number): Case {
  const spread = (field: string) => ({ type: 'spread', field });
  const bySpread = [spread('attribute:ecs.availability-zone'), spread('instanceId')];
  const inZone = { type: 'memberOf', expression: 'attribute:ecs.availability-zone in [eu-west-1a]' };
  const scenario: Scenario = {
    description: 'a group in two zones, with services that are placed in every way',
    group: { ...group(6), zones: ['eu-west-1a', 'eu-west-1b'] },
    services: [
      replicas('web', 4, { hostPorts: [8_080], maximumPercent: 150 }),
      replicas('api', 6, { placement: { constraints: [], strategies: bySpread } }),
      replicas('batch', 5, { placement: { constraints: [], strategies: [{ type: 'binpack', field: 'memory' }] } }),
      replicas('cache', 3, { placement: { constraints: [{ type: 'distinctInstance' }], strategies: [] } }),
      replicas('local', 2, { placement: { constraints: [inZone], strategies: bySpread } }),
      logRouter,
    ],
    jobs: [],
    params: {},
    begin: () => {},
  };
  return { name: 'placement', scenario, change: () => rolling(6, 300), seed };
}

/** Tasks with network interfaces of their own, of which the instances that stay have just enough. */
export function interfacesCase(seed: number): Case {
  const scenario: Scenario = {
    description: 'a group whose instances have more memory than network interfaces',
    group: { ...group(3), attributes: { 'ecs.instance-type': 'm5.large' }, taskInterfaces: 2 },
    services: [replicas('mesh', 4, { networkMode: 'awsvpc', maximumPercent: 125 }), replicas('web', 3), logRouter],
    jobs: [],
    params: {},
    begin: () => {},
  };
  return { name: 'interfaces', scenario, change: () => ({ kind: 'scale-in', count: 1 }), seed };
}

/** A scale-in that leaves too little room, which ECS managed scaling takes back. */
export function managedScalingCase(seed: number): Case {
  const ofGroup = { capacityProvider: 'web' };
  const scenario: Scenario = {
    description: 'a group that ECS scales, with no room to spare',
    group: { ...group(2), ...ofGroup, name: 'web' },
    managedScaling: { minimumStep: 1, maximumStep: 10 },
    services: [
      replicas('api', 4, { memoryMiB: 3_500, capacityProviders: [{ name: 'web', base: 0, weight: 1 }] }),
      logRouter,
    ],
    jobs: [],
    params: {},
    begin: () => {},
  };
  return { name: 'managed-scaling', scenario, change: () => ({ kind: 'scale-in', count: 1 }), seed };
}

/** ECS holds each instance as well, by a hook of its own. */
export function managedDrainingCase(seed: number): Case {
  // ECS looks every 30 s whether the instance is empty: that chance does not decide by a whole look, no drain ends close to one.
  const loadBalancer = { deregistrationDelaySeconds: 315, requestsPerSecond: 50 };
  const scenario: Scenario = {
    description: 'a group with the hook of ecs-drain beside that of ECS managed draining',
    group: group(3),
    managedDraining: true,
    services: [replicas('web', 4, { loadBalancer }), logRouter],
    jobs: [],
    params: {},
    begin: () => {},
  };
  return { name: 'managed-draining', scenario, change: () => rolling(3, 300), seed };
}

/** A deployment whose tasks fail, and which its circuit breaker rolls back while the instance drains. */
export function deploymentCase(seed: number): Case {
  const circuitBreaker = {
    rollback: true,
    resetOnHealthyTask: true,
    threshold: { type: 'BOUNDED_PERCENT', value: 100 },
  } as const;
  const loadBalancer = { deregistrationDelaySeconds: 300, requestsPerSecond: 50 };
  const scenario: Scenario = {
    description: 'a group in the middle of a deployment that fails',
    group: group(3),
    services: [
      replicas('api', 6, { circuitBreaker, maximumPercent: 150, loadBalancer }),
      replicas('broken', 0, { startFails: true, memoryMiB: 512 }),
      logRouter,
    ],
    jobs: [],
    params: {},
    begin: () => {},
  };
  const begin = ({ ecs }: Region) => {
    const [definition] = ecs.revisionsOf('broken');
    ecs.updateService(scenario.group.cluster, 'api', { definition });
  };
  return { name: 'deployment', scenario, change: terminateFirst, seed, past: { begin, seconds: 60 } };
}

/** A group in which something is amiss when its snapshot is taken. */
export function troubledCases(seed: number): Case[] {
  const scenario: Scenario = {
    description: 'a group of three instances',
    group: group(3),
    services: [replicas('web', 3), replicas('api', 6), logRouter],
    jobs: [],
    params: {},
    begin: () => {},
  };
  const { name } = scenario.group;
  const putHook = (heartbeatTimeoutSeconds: number, defaultResult: 'CONTINUE' | 'ABANDON') => {
    return ({ autoScaling }: Region) =>
      autoScaling.putLifecycleHook({ name: 'logs', group: name, heartbeatTimeoutSeconds, defaultResult });
  };
  const troubled = (what: string, begin: (region: Region) => void, more: Partial<Case> = {}): Case => {
    return { name: what, scenario, change: terminateFirst, seed, past: { begin, seconds: 60 }, ...more };
  };
  const hooked = { scenario: { ...scenario, foreignHooks: ['logs'] } };
  const silence =
    (on: number) =>
    ({ autoScaling, ecs }: Region) =>
      ecs.setAgentConnected(autoScaling.instancesOf(name)[on]?.instanceId ?? '', false);
  return [
    troubled('a silent agent', silence(0)),
    troubled('a silent agent elsewhere', silence(1)),
    troubled(
      'an instance that is DRAINING by hand',
      ({ autoScaling, ecs }) => {
        const [registration] = ecs.registrationsOf(autoScaling.instancesOf(name)[1]?.instanceId ?? '');
        if (registration) ecs.setInstanceStatus(registration, 'DRAINING');
      },
      { change: () => rolling(3, 300) },
    ),
    troubled('a group that launches nothing', ({ autoScaling }) => autoScaling.suspendProcesses(name, ['Launch'])),
    troubled('another hook with ABANDON', putHook(30, 'ABANDON'), hooked),
    troubled('another hook with CONTINUE', putHook(1_200, 'CONTINUE'), hooked),
  ];
}

/** Worlds in which nothing goes wrong, by a seed number. */
export function worldCases(count: number, seed: number): Case[] {
  return fc.sample(worlds('park').map(withoutFaults), { numRuns: count, seed }).map((world, i) => {
    const { jobs, ...scenario } = scenarioOf(world);
    return {
      name: `world ${i + 1}`,
      scenario: { ...scenario, jobs: jobsOf(world) },
      change: changeOf(world, i),
      seed: world.seed,
    };
  });
}

const NO_FAULTS: Partial<World> = {
  searchesEmptyCluster: false,
  losses: [],
  registrations: [],
  silences: [],
  outages: [],
  deliveries: { lostTerminations: 0, lostOthers: 0, duplicated: 0, delayed: 0, delaySeconds: 0, repeatedMessages: 0 },
  listLagSeconds: 0,
  readsOtherwise: false,
  releases: [],
  clusterVanishesAtSecond: undefined,
  hookDeletedAtSecond: undefined,
  groupDeletedAtSecond: undefined,
  movesToSecondCluster: undefined,
  leftInSecondCluster: undefined,
  staying: undefined,
  drainedByHand: undefined,
};

function withoutFaults(world: World): World {
  const services = world.services.filter(({ stopping }) => stopping !== 'never');
  return { ...world, ...NO_FAULTS, services };
}

function jobsOf({ jobs, instances }: World): Scenario['jobs'] {
  return jobs.map(({ on, atSecond: _, ...job }, i) => ({
    ...job,
    on: on % instances,
    name: `job-${i + 1}`,
    memoryMiB: 256,
    cpuUnits: 64,
    // One that ends while the snapshot is taken says nothing about the plan.
    runsForSeconds: job.runsForSeconds + 120,
  }));
}

/** Every kind of change in turn. */
function changeOf({ instances, terminations }: World, i: number): Case['change'] {
  const kinds: Case['change'][] = [
    (ids) => {
      const instanceIds = [...new Set(terminations.map(({ on }) => ids[on % ids.length] ?? ''))];
      return { kind: 'terminate', instanceIds, shrinks: terminations[0]?.shrinks ?? false };
    },
    () => rolling(instances, 900),
    () => ({ kind: 'scale-in', count: 1 }),
    () => ({ kind: 'instance-refresh', minHealthyPercent: 50, maxHealthyPercent: 100, warmupSeconds: 30 }),
    () => ({ kind: 'instance-refresh', minHealthyPercent: 100, maxHealthyPercent: 150, warmupSeconds: 30 }),
  ];
  return kinds[i % kinds.length] ?? (() => rolling(instances, 900));
}
