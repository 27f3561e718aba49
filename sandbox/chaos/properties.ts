import type { Held, Played, Work } from './play.ts';
import { type Outage, parksAlways, RETRIED_SECONDS, type Settings, STOPS_THE_FUNCTION, type World } from './world.ts';

/** Something that holds of every world that was played. */
export interface Property {
  readonly name: string;
  /** A sentence for each time that it does not hold. */
  readonly breaches: (played: Played) => string[];
}

export const PROPERTIES: readonly Property[] = [
  {
    name: 'we let no instance go before its tasks have STOPPED, its deadline has passed or its agent’s grace',
    breaches: early,
  },
  {
    name: 'we complete every lifecycle action before Auto Scaling decides by timeout, but for outages',
    breaches: late,
  },
  { name: 'a drain has one place to wait and one live chain, and copies of it end when it parks', breaches: crowded },
  { name: 'nothing goes on after an outcome', breaches: restless },
  { name: 'calls are bounded by tasks, time and faults', breaches: busy },
];

// --- No task is killed early ------------------------------------------------------------------------------------------

/** The time of an event has no fraction of a second: a drain may count from a second before the hold. */
const CLOCK_SECONDS = 1;
/** The longest invocation: settings that were replaced are in force for so long. */
const LONGEST_INVOCATION_SECONDS = 300;
/** Kept free before the end that the hook puts to it. */
const COMPLETION_RESERVE_SECONDS = 240;

function early({ held, world }: Played): string[] {
  return held.flatMap(({ instanceId, since, until = 0, endedBy, victims }) => {
    if (endedBy !== 'completion') return [];
    const inForce = settingsAt(world, until);
    const deadline = since + Math.min(...inForce.map(({ deadlineSeconds }) => deadlineSeconds), hookAllows(world));
    const grace = Math.min(...inForce.map(({ agentGraceSeconds }) => agentGraceSeconds));
    return victims
      .filter(({ silentSince = Infinity }) => until < deadline - CLOCK_SECONDS && until < silentSince + grace)
      .map(
        ({ group, status }) =>
          `${instanceId} was let go at ${until} s with a task of ${group} ${status}: its deadline was ${deadline} s.`,
      );
  });
}

/** All settings that an invocation may go by at that second. */
function settingsAt({ settings, releases }: World, second: number): Omit<Settings, 'heartbeatTimeoutSeconds'>[] {
  const inOrder = [{ atSecond: 0, settings }, ...releases.toSorted((a, b) => a.atSecond - b.atSecond)];
  return inOrder
    .filter(({ atSecond }, i) => {
      const replacedAt = inOrder[i + 1]?.atSecond ?? Infinity;
      return atSecond <= second && second <= replacedAt + LONGEST_INVOCATION_SECONDS;
    })
    .map(({ settings }) => settings);
}

function hookAllows({ settings }: World): number {
  return Math.min(172_800, 100 * settings.heartbeatTimeoutSeconds) - COMPLETION_RESERVE_SECONDS;
}

// --- None is left to the hook's timeout -------------------------------------------------------------------------------

/** Lambda tries again after one minute and two more (facts 7), a schedule comes a minute late (facts 10). */
const RECOVERY_SECONDS = 60 + 120 + 60 + 15;
/** After that the chain is lost. A sweep takes a drain for lost so long after it was parked at most, comes by the minute, and parks it. */
const FINDING_SECONDS = 360 + 75 + 180 + 60 + 65;

function late({ held, world, deliveries }: Played): string[] {
  return held.flatMap(({ instanceId, since, until, endedBy, beats }) => {
    if (until === undefined) return [`${instanceId}, held since ${since} s, was never let go.`];
    if (endedBy !== 'timeout') return [];
    const findingSeconds = FINDING_SECONDS + RECOVERY_SECONDS + world.deliveries.delaySeconds;
    // What was lost was found until then; what goes on by itself does so beyond.
    for (const end of [until, Math.min(until, givenUpAt(since, world))]) {
      if (hasTrouble(world, end - recoverySeconds(world), end)) return [];
      if (deliveries.lostAt.some((second) => second >= end - findingSeconds && second <= end)) return [];
    }
    return [`${instanceId}, held since ${since} s, timed out at ${until} s, after the heartbeat at ${beats.at(-1)} s.`];
  });
}

/** A drain that is lost again and again is looked for so long: until it would have ended and been found, and a heartbeat's time more. */
function givenUpAt(since: number, world: World): number {
  const { heartbeatTimeoutSeconds } = world.settings;
  const deadlines = [world.settings, ...world.releases.map(({ settings }) => settings)].map(
    (each) => each.deadlineSeconds,
  );
  const lostSeconds = Math.min(360, heartbeatTimeoutSeconds / 2) + 75 + 180;
  return since + Math.min(...deadlines, hookAllows(world)) + lostSeconds + heartbeatTimeoutSeconds;
}

/** How long after the last fault everything is as it was: what EventBridge could not deliver it tries ever more seldom. */
function recoverySeconds({ outages, deliveries }: World): number {
  const breaks = outages.some(
    ({ what, forSeconds }) => STOPS_THE_FUNCTION.includes(what) && forSeconds > RETRIED_SECONDS,
  );
  const refused = outages.filter(({ what }) => what === 'deliveries are refused').map(({ forSeconds }) => forSeconds);
  return RECOVERY_SECONDS + (breaks ? FINDING_SECONDS : 0) + deliveries.delaySeconds + Math.max(0, ...refused);
}

/** Calls that are slow keep nobody from completing. */
function hasTrouble({ outages }: World, from: number, until: number): boolean {
  return outages.some((outage) => outage.what !== 'calls are slow' && overlapSeconds(outage, from, until) > 0);
}

function overlapSeconds({ fromSecond, forSeconds }: Outage, from: number, until: number): number {
  return Math.max(0, Math.min(until, fromSecond + forSeconds) - Math.max(from, fromSecond));
}

// --- One chain --------------------------------------------------------------------------------------------------------

/**
 * How long copies of a parked drain may run side by side: what falls due within this they wait for, rather than park (75 + 30
 * s), and then for a last look.
 */
const SIDE_BY_SIDE_SECONDS = 75 + 30 + 30;
/** An agent that is heard again just before its grace is over: the next that falls due may be as near. */
const HEARD_AGAIN_SECONDS = 75 + 30;
/** From a straggler's stop to the deadline: 60 s of deregistration, the longest stop timeout, and the reserve. */
const STRAGGLING_SECONDS = 60 + 120 + 10;

function crowded(played: Played): string[] {
  const { held, works, world } = played;
  return held.flatMap((action) => {
    // Beside one that waits for something due a schedule may come, and a wake-up for each task whose stop may be the last:
    // which one is awaited is not known before the tasks are listed. Every other copy has its cause.
    const most = (world.waiting === 'park' ? 2 + Math.max(1, action.tasks) : 1) + copiesIn(played);
    const own = worksOf(action, works);
    if (action.places > 1) return [`${action.instanceId} had ${action.places} places to wait at once.`];
    const crowd = crowdOf(own);
    if (crowd > most) return [`${action.instanceId} had ${crowd} invocations at once, for ${most} causes.`];
    // What is handed over by an event has no place of its own: a copy of the event is another chain, until the drain ends.
    if (!parksAlways(world) || own.some(({ result }) => result === 'handed-over')) return [];
    const stragglers = settingsAt(world, action.until ?? Infinity).some(
      ({ stopStragglers }) => stopStragglers !== 'none',
    );
    const sharedSeconds = longestSharedSeconds(own, world);
    const isHeardAgain = world.silences.some(
      ({ atSecond, forSeconds }) =>
        atSecond + forSeconds > action.since && atSecond + forSeconds < (action.until ?? Infinity),
    );
    const heardAgain = isHeardAgain ? HEARD_AGAIN_SECONDS : 0;
    if (sharedSeconds <= SIDE_BY_SIDE_SECONDS + heardAgain + (stragglers ? STRAGGLING_SECONDS : 0)) return [];
    return [`${action.instanceId} had invocations side by side for ${Math.round(sharedSeconds)} s.`];
  });
}

/** How often something was done once more than it was told: by EventBridge, by Lambda, or by the SDK that heard no answer. */
function copiesIn({ world, works, deliveries, calls }: Played): number {
  const failures = works.filter(({ result }) => result === 'failed').length;
  const unheard = calls.filter(
    ({ operation, failedWith }) => operation === 'PutEvents' && failedWith !== undefined,
  ).length;
  return deliveries.duplicated + failures + unheard + mistakenSweeps(world);
}

/**
 * How often a sweep may take a drain for lost that is alive: where drains watch, one whose instance is ACTIVE, for it registered
 * anew, or the drain could not come to setting it to DRAINING; and one that has no place, for its heartbeats are due too often
 * to park, or the Scheduler refused.
 */
function mistakenSweeps(world: World): number {
  if (world.waiting === 'watch') {
    const untold = world.outages.filter(({ what }) => what.startsWith('ECS') || what === 'deliveries are refused');
    return world.registrations.length + untold.reduce((sum, { forSeconds }) => sum + 1 + Math.ceil(forSeconds / 60), 0);
  }
  const neverParks = !parksAlways(world) || world.outages.some(({ what }) => what.startsWith('Scheduler'));
  return neverParks ? 3 : 0;
}

function crowdOf(works: readonly Work[]): number {
  return Math.max(0, ...works.map(({ from }) => works.filter((each) => each.from <= from && from < each.until).length));
}

function worksOf({ instanceId }: Held, works: readonly Work[]): readonly Work[] {
  return works
    .filter(({ about, result }) => about === instanceId && result !== 'ignored')
    .toSorted((a, b) => a.from - b.from);
}

/** The longest stretch in which a later invocation ran beside an earlier one, without the time of outages. */
function longestSharedSeconds(works: readonly Work[], { outages }: World): number {
  let longest = 0;
  let busyUntil = Number.NEGATIVE_INFINITY;
  let shared = { from: Number.NEGATIVE_INFINITY, until: Number.NEGATIVE_INFINITY };
  for (const { from, until } of works) {
    const sharedUntil = Math.min(busyUntil, until);
    if (sharedUntil > from) {
      shared =
        from <= shared.until
          ? { from: shared.from, until: Math.max(shared.until, sharedUntil) }
          : { from, until: sharedUntil };
      const troubled = outages.reduce((sum, outage) => sum + overlapSeconds(outage, shared.from, shared.until), 0);
      longest = Math.max(longest, shared.until - shared.from - troubled);
    }
    busyUntil = Math.max(busyUntil, until);
  }
  return longest;
}

// --- The end is the end -----------------------------------------------------------------------------------------------

function restless({ held, works, world, schedulesLeft }: Played): string[] {
  const breaches = schedulesLeft.map((name) => `The schedule ${name} is still to come when all is over.`);
  for (const action of held) {
    const { instanceId, until = Infinity } = action;
    const after = worksOf(action, works).filter(
      ({ from, result }) => from > until && ['parked', 'handed-over'].includes(result),
    );
    for (const { from, result, until: end } of after) {
      if (world.outages.some((outage) => overlapSeconds(outage, from, end) > 0)) continue;
      breaches.push(
        `${instanceId} was let go at ${until} s, and its drain was ${result} by the invocation of ${from} s.`,
      );
    }
  }
  return breaches;
}

// --- Calls ------------------------------------------------------------------------------------------------------------

/** One look in so many seconds, of at most so many calls: the dearest is at an agent that is silent, in two clusters. */
const LOOK_SECONDS = 20;
const CALLS = {
  perDrain: 50,
  perLook: 6,
  perTask: 12,
  perCopy: 12,
  perStoppedTask: 1,
  perRefusal: 6,
  perSweep: 1,
  perRefusedSweep: 3,
  perSuspect: 8,
};

function busy(played: Played): string[] {
  const most = mostCalls(played);
  const { calls } = played;
  return calls.length > most ? [`The function made ${calls.length} calls, more than ${Math.round(most)}.`] : [];
}

/** So many calls may a world cost. */
export function mostCalls(played: Played): number {
  const { held, works, world, stoppedTasks, seconds } = played;
  const troubledSeconds = world.outages.reduce((sum, { forSeconds }) => sum + forSeconds, 0);
  const drains = held.map((action) => {
    const { since, until = since, tasks } = action;
    const chains = Math.max(1, crowdOf(worksOf(action, works)));
    const looks = CALLS.perLook * (until - since) + CALLS.perRefusal * troubledSeconds;
    const sweeps = (CALLS.perSuspect * (until - since)) / 60;
    return CALLS.perDrain + CALLS.perTask * tasks + (chains * looks) / LOOK_SECONDS + sweeps;
  });
  return (
    drains.reduce((sum, each) => sum + each, 0) +
    CALLS.perStoppedTask * stoppedTasks +
    CALLS.perCopy * copiesIn(played) +
    (CALLS.perSweep * seconds) / 60 +
    CALLS.perRefusedSweep * (troubledSeconds / 60 + world.outages.length)
  );
}
