import type { Held, Played } from './play.ts';
import { faultsEndAt, type Outage, parksAlways, type World } from './world.ts';

/** What calls are made for, and how often it happened. */
type Causes = Readonly<Record<keyof typeof COST, number>>;

/** Calls that a world may cost for each of its causes. How they were found is in docs/decisions/0014-chaos.md. */
const COST = {
  /** A sweep a minute asks what is held... */
  minutes: 1.2,
  /** ...three times more where Auto Scaling refuses, for every call is tried four times. */
  minutesOfRefusedSweeps: 3,
  drains: 6,
  /** The second cluster is searched as well. */
  drainsInTwoClusters: 5,
  tasks: 15,
  /** A stop in the cluster wakes whoever is parked, if anybody is. */
  stops: 1,
  /** Sweeps look at what is held for long. */
  heldMinutes: 5,
  parkedMinutes: 7,
  /** Of each chain: where drains watch, a copy of an event is one. */
  watchedLooks: 3,
  handOvers: 9,
  heartbeats: 2,
  /** Each look searches for further registrations. */
  looksAtSilence: 6,
  registrations: 6,
  /** What falls due soon is waited for with open eyes, and what dies for it is explained. */
  deadlines: 20,
  copies: 16,
  lostEvents: 8,
  /** A drain that a sweep has found knows no tasks yet: each that stops wakes it, and near its deadline each stays to watch. */
  tasksOfWhatWasFound: 20,
  failures: 20,
  /** What is refused is tried again soon at first, each time after a fresh look, and then ever more seldom. */
  outagesMet: 15,
  minutesWithoutEcs: 56,
  minutesWithoutAutoScaling: 40,
  /** A copy that cannot tell that all is over, or that has nothing left to wait for, parks nowhere. */
  minutesOfCopiesWithoutAutoScaling: 20,
  minutesWithoutScheduler: 25,
  minutesOfOtherOutages: 2,
};

/** How much more than its reference a world may cost. The dearest world of the seed numbers 1 to 5, 1,000 each, costs 1.12 times its own. */
const MARGIN = 1.3;

/** So many calls may a world cost. */
export function mostCalls(played: Played): number {
  return MARGIN * referenceCost(played);
}

/** The calls that what happened in the world accounts for. */
function referenceCost(played: Played): number {
  const causes = causesOf(played);
  return Object.entries(COST).reduce((sum, [cause, calls]) => sum + calls * causes[cause as keyof Causes], 0);
}

/** What happened in the world that calls are made for, as far as the service does not decide about it itself. */
function causesOf(played: Played): Causes {
  const { world, held, works, deliveries, stoppedTasks, seconds } = played;
  const { waiting, settings, releases, searchesEmptyCluster, outages } = world;
  const everySettings = [settings, ...releases.map((release) => release.settings)];
  const functionTimeoutSeconds = Math.min(...everySettings.map((each) => each.functionTimeoutSeconds));
  const pollMaxSeconds = Math.min(...everySettings.map((each) => each.pollMaxSeconds));
  const isParked = parksAlways(world);
  const looksASecond = isParked ? 1 / 60 : 1 / pollMaxSeconds + LOOKS_BEFORE_THE_LONGEST_POLL / functionTimeoutSeconds;
  const copies = deliveries.duplicated + continuationsPutTwice(played);
  const chains = isParked ? 1 : 1 + copies;
  const heldSeconds = held.map(({ since, until = seconds }) => until - since);
  const allSeconds = heldSeconds.reduce((sum, each) => sum + each, 0);
  const earliestDeadlineSeconds = Math.min(...everySettings.map((each) => each.deadlineSeconds));
  const sumOfHeld = (of: (action: Held) => number) => held.reduce((sum, action) => sum + of(action), 0);
  const minutesWithout = (...kinds: readonly string[]) =>
    sumOfHeld(({ since, until = seconds }) => minutesOf(world, kinds, since, until + LOOKED_FOR_SECONDS));
  const others = outages.map(({ what }) => what).filter((what) => !/^(ECS|Auto Scaling|Scheduler)/.test(what));
  return {
    minutes: seconds / 60,
    minutesOfRefusedSweeps: minutesOf(world, AUTO_SCALING, 0, seconds),
    drains: held.length,
    drainsInTwoClusters: searchesEmptyCluster ? held.length : 0,
    tasks: sumOfHeld(({ tasks }) => tasks),
    stops: waiting === 'park' ? stoppedTasks : 0,
    heldMinutes: allSeconds / 60,
    parkedMinutes: isParked ? allSeconds / 60 : 0,
    watchedLooks: isParked ? 0 : chains * allSeconds * looksASecond,
    handOvers: isParked ? 0 : (chains * allSeconds) / functionTimeoutSeconds,
    heartbeats: (chains * allSeconds) / (settings.heartbeatTimeoutSeconds / 2),
    looksAtSilence: chains * looksASecond * sumOfHeld((action) => silentSeconds(world, action, seconds)),
    registrations: held.length * world.registrations.filter(({ atSecond }) => atSecond < faultsEndAt(world)).length,
    deadlines: heldSeconds.filter((each) => each > earliestDeadlineSeconds - STRAGGLING_SECONDS).length,
    copies,
    lostEvents: deliveries.lostAt.length,
    tasksOfWhatWasFound: isParked && deliveries.lostAt.length > 0 ? sumOfHeld(({ tasks }) => tasks) : 0,
    failures: works.filter(({ result }) => result === 'failed').length,
    outagesMet: sumOfHeld(({ since, until = seconds }) => outagesMetBy(world, since, until)),
    minutesWithoutEcs: minutesWithout(...ECS),
    minutesWithoutAutoScaling: minutesWithout(...AUTO_SCALING),
    minutesOfCopiesWithoutAutoScaling: copies * minutesWithout(...AUTO_SCALING),
    minutesWithoutScheduler: minutesWithout(...SCHEDULER),
    minutesOfOtherOutages: minutesWithout(...new Set(others)),
  };
}

const ECS = ['ECS throttles', 'ECS is down'];
const AUTO_SCALING = ['Auto Scaling throttles', 'Auto Scaling is down'];
const SCHEDULER = ['Scheduler throttles', 'Scheduler is down'];

/** Each invocation polls ever more seldom, from two seconds on. */
const LOOKS_BEFORE_THE_LONGEST_POLL = 7;

/** From a straggler's stop to the deadline. */
const STRAGGLING_SECONDS = 190;

/** Copies of what has ended may still look. */
const LOOKED_FOR_SECONDS = 60;

/** How long outages of these kinds lasted between the two instants. */
function minutesOf(world: World, kinds: readonly string[], from: number, until: number): number {
  const overlap = ({ fromSecond, forSeconds }: Outage) =>
    Math.max(0, Math.min(until, fromSecond + forSeconds, faultsEndAt(world)) - Math.max(from, fromSecond));
  const matching = world.outages.filter(({ what }) => kinds.includes(what));
  return matching.reduce((sum, outage) => sum + overlap(outage), 0) / 60;
}

/** How often a continuation was put on the bus once more, because the answer that it was there already had been lost. */
function continuationsPutTwice({ calls, continuedAtMs }: Played): number {
  const unanswered = calls.filter(({ operation, failedWith }) => operation === 'PutEvents' && failedWith !== undefined);
  return unanswered.filter(({ atMs }) => continuedAtMs.has(atMs)).length;
}

/** How many outages of AWS's APIs there were between the two instants. */
function outagesMetBy(world: World, from: number, until: number): number {
  const kinds = [...ECS, ...AUTO_SCALING, ...SCHEDULER];
  return world.outages.filter((outage) => minutesOf({ ...world, outages: [outage] }, kinds, from, until) > 0).length;
}

/** How long an agent was silent at most: one that registers anew leaves a registration whose agent is, for good. */
function silentSeconds(world: World, { since, until = Infinity }: Held, seconds: number): number {
  const faultsEnd = faultsEndAt(world);
  const spans = [
    ...world.silences.map(({ atSecond, forSeconds }) => ({
      from: atSecond,
      to: forSeconds === null ? Infinity : Math.min(atSecond + forSeconds, faultsEnd),
    })),
    ...world.registrations.map(({ atSecond }) => ({ from: atSecond, to: Infinity })),
  ].filter(({ from }) => from < faultsEnd);
  const lengths = spans.map(({ from, to }) => Math.min(to, until, seconds) - Math.max(from, since));
  return Math.max(0, ...lengths);
}
