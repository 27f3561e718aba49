import { mostCalls } from './cost.ts';
import type { Held, Played, Victim, Work } from './play.ts';
import { faultsEndAt, parksAlways, type Settings, type World } from './world.ts';

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
    name: 'we complete every lifecycle action, once faults have ended, and soon after nothing keeps it',
    breaches: late,
  },
  {
    name: 'a drain has one place to wait and one live chain, and copies of it end when it parks',
    breaches: hasConcurrentChains,
  },
  { name: 'nothing goes on after an outcome', breaches: continuesAfterEnd },
  { name: 'calls are bounded by what happened in the world', breaches: exceedsCallBudget },
];

// --- Safety: no task is killed early ------------------------------------------------------------------------------------

/** The time of an event has no fraction of a second: a drain may count from a second before the hold. */
const CLOCK_SECONDS = 1;
/** The longest invocation: settings that were replaced are in force for so long. */
const LONGEST_INVOCATION_SECONDS = 300;
/** Kept free before the end that the hook puts to it. */
const COMPLETION_RESERVE_SECONDS = 240;
/** From the begin of the last look to the completion: five calls, each as slow as calls get, and tried again. */
const LONGEST_LOOK_SECONDS = 60;

function early({ held, world }: Played): string[] {
  return held.flatMap(({ instanceId, since, until = 0, endedBy, victims, lookedAt = 0 }) => {
    if (endedBy !== 'completion') return [];
    const inForce = settingsAt(world, until);
    const deadline = since + Math.min(...inForce.map(({ deadlineSeconds }) => deadlineSeconds), hookAllows(world));
    if (until >= deadline - CLOCK_SECONDS) return [];
    const grace = Math.min(...inForce.map(({ agentGraceSeconds }) => agentGraceSeconds));
    // What came after the last look began, that look may not have seen: a task that was placed, an agent that was heard; nor a
    // registration that was not listed yet.
    const seenUntil = Math.max(lookedAt, until - LONGEST_LOOK_SECONDS);
    return victims
      .filter((victim) => {
        const { silence } = victim;
        const isSilent = silence && (silence.heardAt === undefined || silence.heardAt >= seenUntil);
        return visibleAt(victim, world) < seenUntil && !(isSilent && until >= silence.since + grace);
      })
      .map(
        ({ group, status, placedAt }) =>
          `${instanceId} was let go at ${until} s with a task of ${group} ${status}, placed at ${placedAt} s: its deadline was ${deadline} s, and the last look began at ${lookedAt} s.`,
      );
  });
}

/** When a look could see the task: ECS lists a new registration late, until faults have ended. */
function visibleAt({ placedAt, registeredAt }: Victim, world: World): number {
  const listedAt = Math.min(registeredAt + world.listLagSeconds, Math.max(registeredAt, faultsEndAt(world)));
  return Math.max(placedAt, listedAt);
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

// --- Liveness: once the faults have ended, every hold ends by us --------------------------------------------------------

/**
 * Nothing is demanded of the time before the faults have ended. A hold that begins afterwards is never left to its timeout; one
 * that began before is not, once there was time to recover. Each ends soon after nothing keeps it any more: no fault, and no
 * task or else the deadline.
 */
function late({ held, world }: Played): string[] {
  const faultsEnd = faultsEndAt(world);
  return held.flatMap(({ instanceId, since, until, endedBy, emptySince = Infinity, beats }) => {
    const holding = `${instanceId}, held since ${since} s,`;
    if (until === undefined) return [`${holding} was never let go.`];
    if (endedBy === 'loss') return [];
    if (endedBy === 'timeout') {
      if (since < faultsEnd && until <= faultsEnd + recoverySeconds(world)) return [];
      return [
        `${holding} timed out at ${until} s, after the heartbeat at ${beats.at(-1)} s: faults ended at ${faultsEnd} s.`,
      ];
    }
    const freeAt = Math.max(faultsEnd, Math.min(emptySince, since + latestDeadlineSeconds(world)));
    const most = since < faultsEnd ? recoverySeconds(world) : noticingSeconds(world);
    if (until <= freeAt + most) return [];
    return [`${holding} was let go at ${until} s, though nothing kept it since ${freeAt} s.`];
  });
}

function latestDeadlineSeconds({ settings, releases }: World): number {
  return Math.max(...[settings, ...releases.map((release) => release.settings)].map((each) => each.deadlineSeconds));
}

/** A schedule comes up to a minute late (facts 10 one-time-schedules), and has a quarter of a minute to go. */
const SCHEDULE_LATE_SECONDS = 60 + 15;
/** Lambda tries a failed event again after one minute and after two more (facts 7 event-retries). */
const LAMBDA_RETRIES_SECONDS = 60 + 120;

/**
 * How long a drain may take to notice that nothing keeps its instance: a parked one gives a sign of life every 360 s, or at half its
 * heartbeat timeout, if it is not woken; others look more often.
 */
export function noticingSeconds({ settings }: World): number {
  return Math.min(360, settings.heartbeatTimeoutSeconds / 2) + SCHEDULE_LATE_SECONDS + LONGEST_LOOK_SECONDS;
}

/**
 * How long after the last fault every hold has somebody again who goes on with it and has looked at it. Either what the last
 * fault stopped comes again by itself: by Lambda's retries, before which an invocation may have run to its timeout, and by
 * EventBridge, which waits up to twice as long as the target has refused, for its waits double. Or the chain is lost, and a
 * sweep finds it: when it should have been heard of, Lambda's retries included, in the next minute. It parks the drain 5 s ahead.
 */
export function recoverySeconds(world: World): number {
  const refused = world.outages.map(({ what, forSeconds }) => (what === 'deliveries are refused' ? forSeconds : 0));
  const comesAgain = LAMBDA_RETRIES_SECONDS + LONGEST_INVOCATION_SECONDS + 2 * Math.max(0, ...refused);
  const isFound = noticingSeconds(world) + LAMBDA_RETRIES_SECONDS + 60 + 5 + SCHEDULE_LATE_SECONDS;
  return LONGEST_LOOK_SECONDS + (world.waiting === 'park' ? Math.max(isFound, comesAgain) : comesAgain);
}

// --- One chain --------------------------------------------------------------------------------------------------------

/**
 * How long invocations of a parked drain may run side by side: what falls due within 105 s they wait for, rather than park, a
 * straggler that was stopped for as long as it may take (190 s), and then for a last look.
 */
const SIDE_BY_SIDE_SECONDS = 105 + 190 + 30;

function hasConcurrentChains({ held, works, world }: Played): string[] {
  const faultsEnd = faultsEndAt(world);
  return held.flatMap((action) => {
    const { instanceId, since, tasks, places } = action;
    if (places > 1) return [`${instanceId} had ${places} places to wait at once.`];
    const own = worksOf(action, works);
    if (since >= faultsEnd) {
      // Beside one that waits for something due a schedule may come, and a wake-up for each task whose stop may be the last.
      const most = world.waiting === 'park' ? 2 + Math.max(1, tasks) : 1;
      const concurrent = mostConcurrent(own);
      if (concurrent > most) return [`${instanceId} had ${concurrent} invocations at once, more than ${most}.`];
    }
    // What is handed over by an event has no place of its own: a copy of the event is another chain, until the drain ends.
    if (!parksAlways(world) || own.some(({ result }) => result === 'handed-over')) return [];
    const sharedSeconds = longestSharedSeconds(own, Math.max(since, faultsEnd));
    if (sharedSeconds <= SIDE_BY_SIDE_SECONDS) return [];
    return [`${instanceId} had invocations side by side for ${Math.round(sharedSeconds)} s.`];
  });
}

function mostConcurrent(works: readonly Work[]): number {
  return Math.max(0, ...works.map(({ from }) => works.filter((each) => each.from <= from && from < each.until).length));
}

function worksOf({ instanceId }: Held, works: readonly Work[]): readonly Work[] {
  return works
    .filter(({ about, result }) => about === instanceId && result !== 'ignored')
    .toSorted((a, b) => a.from - b.from);
}

/** The longest stretch from that second on in which a later invocation ran beside an earlier one. */
function longestSharedSeconds(works: readonly Work[], second: number): number {
  let longest = 0;
  let busyUntil = second;
  let shared = { from: second, until: second };
  for (const { from, until } of works) {
    const sharedFrom = Math.max(from, second);
    const sharedUntil = Math.min(busyUntil, until);
    if (sharedUntil > sharedFrom) {
      const goesOn = sharedFrom <= shared.until;
      shared = { from: goesOn ? shared.from : sharedFrom, until: Math.max(shared.until, sharedUntil) };
      longest = Math.max(longest, shared.until - shared.from);
    }
    busyUntil = Math.max(busyUntil, until);
  }
  return longest;
}

// --- The end is the end -----------------------------------------------------------------------------------------------

function continuesAfterEnd({ held, works, world, schedulesLeft }: Played): string[] {
  const breaches = schedulesLeft.map((name) => `The schedule ${name} is still to come when all is over.`);
  for (const action of held) {
    const { instanceId, until = Infinity } = action;
    const over = Math.max(until, faultsEndAt(world));
    for (const { from, result } of worksOf(action, works)) {
      if (from <= over || !['parked', 'handed-over'].includes(result)) continue;
      breaches.push(
        `${instanceId} was let go at ${until} s, and its drain was ${result} by the invocation of ${from} s.`,
      );
    }
  }
  return breaches;
}

// --- Calls ------------------------------------------------------------------------------------------------------------

function exceedsCallBudget(played: Played): string[] {
  const most = mostCalls(played);
  const { calls } = played;
  return calls.length > most ? [`The function made ${calls.length} calls, more than ${Math.round(most)}.`] : [];
}
