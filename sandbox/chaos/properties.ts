import { mostCalls } from './cost.ts';
import { type Asked, type Held, isOwed, LONGEST_WORLD_SECONDS, type Played, type Victim, type Work } from './play.ts';
import { faultsEndAt, type Settings, type World } from './world.ts';

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
  { name: 'what may be stopped ahead of a deadline is not killed at it without that', breaches: killsUnasked },
  {
    name: 'we complete every lifecycle action, once faults have ended, and soon after nothing keeps it',
    breaches: late,
  },
  {
    name: 'a drain has one place to wait and one live chain, and copies of it end when it parks',
    breaches: hasConcurrentChains,
  },
  {
    name: 'a drain of ECS’s own is reported, and never set to DRAINING, kept open or completed before its deadline by us',
    breaches: meddles,
  },
  { name: 'nothing goes on after an outcome', breaches: continuesAfterEnd },
  { name: 'what ends is reported, and nothing fails once faults have ended', breaches: failsOrIsSilent },
  { name: 'what stays in service takes tasks again, except for what a person has drained', breaches: leavesDraining },
  { name: 'calls are bounded by what happened in the world', breaches: exceedsCallBudget },
];

// --- Safety: no task is killed early ------------------------------------------------------------------------------------

/** The time of an event has no fraction of a second: a drain may count from a second before the hold. */
const CLOCK_SECONDS = 1;
/** Kept free before the end that the hook puts to it. */
const COMPLETION_RESERVE_SECONDS = 240;
/** From the beginning of the last look to the completion: five calls, each as slow as calls get, and tried again. */
const LONGEST_LOOK_SECONDS = 60;

function early({ held, world, asked }: Played): string[] {
  return held.flatMap((action) => {
    const { instanceId, since, until = 0, endedBy, victims, lookedAt = 0 } = action;
    if (endedBy !== 'completion') return [];
    const inForce = settingsAt(world, until);
    const wanted = since + Math.min(...inForce.map(({ deadlineSeconds }) => deadlineSeconds), hookAllows(world));
    const deadline = Math.min(...deadlinesOf(action, wanted, asked, world));
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

/** The deadlines that a drain may go by: the settings', unless the function has confirmed another to an operator. */
function deadlinesOf(
  { instanceId, since, until = Infinity }: Held,
  wanted: number,
  asked: readonly Asked[],
  world: World,
) {
  const own = asked.filter((each) => each.instanceId === instanceId && since <= each.from && each.from <= until);
  return own.reduce(
    (deadlines, { from, deadlineSeconds, isDone }) => {
      if (deadlineSeconds === undefined) return deadlines;
      const isKept = isDone && !isForgetful(world);
      return [...(isKept ? [] : deadlines), from + deadlineSeconds];
    },
    [wanted],
  );
}

/** Whether a drain may begin again: what an operator asked is only in continuations, and this version cannot read those of the next. */
function isForgetful({ releases }: World): boolean {
  return releases.some(({ continuations }) => continuations === 'of a newer version');
}

/** When a look could see the task: ECS lists a new registration late, until faults have ended. */
function visibleAt({ placedAt, registeredAt }: Victim, world: World): number {
  const listedAt = Math.min(registeredAt + world.listLagSeconds, Math.max(registeredAt, faultsEndAt(world)));
  return Math.max(placedAt, listedAt);
}

/** All settings that an invocation may go by at that second: the last invocation with those that were replaced may still run. */
function settingsAt({ settings, releases }: World, second: number): LaterSettings[] {
  const inOrder = [{ atSecond: 0, settings }, ...releases.toSorted((a, b) => a.atSecond - b.atSecond)];
  return inOrder
    .filter(({ atSecond, settings }, i) => {
      const replacedAt = inOrder[i + 1]?.atSecond ?? Infinity;
      return atSecond <= second && second <= replacedAt + settings.functionTimeoutSeconds;
    })
    .map(({ settings }) => settings);
}

type LaterSettings = Omit<Settings, 'heartbeatTimeoutSeconds'>;

function hookAllows({ settings }: World): number {
  return Math.min(172_800, 100 * settings.heartbeatTimeoutSeconds) - COMPLETION_RESERVE_SECONDS;
}

/** So long before a deadline stragglers are known, at most: what is placed or heard since may be too late. */
const STRAGGLERS_SECONDS = 300;
/** Those of a task that no one has asked to stop. */
const UNASKED: ReadonlySet<string> = new Set(['PROVISIONING', 'PENDING', 'ACTIVATING', 'RUNNING']);

/** In the second phase, and where no release or operator has changed which tasks are stopped, or when. */
function killsUnasked({ held, world, asked }: Played): string[] {
  const { settings, releases, managedDraining } = world;
  if (settings.stopStragglers === 'none' || managedDraining || releases.length > 0) return [];
  const mayBeStopped = ({ group }: Victim) => settings.stopStragglers === 'all' || !group.startsWith('service:');
  return held.flatMap(({ instanceId, since, until = 0, endedBy, outcomes, victims }) => {
    const knownAt = until - STRAGGLERS_SECONDS;
    const isMoved = asked.some((each) => each.instanceId === instanceId);
    const isOurs = endedBy === 'completion' && outcomes[0] === 'timed-out' && !isMoved;
    if (!isOurs || Math.max(since, faultsEndAt(world)) > knownAt) return [];
    return victims
      .filter((each) => mayBeStopped(each) && UNASKED.has(each.status) && each.placedAt < knownAt && !each.silence)
      .map(
        ({ group }) =>
          `A task of ${group} was killed with ${instanceId} at ${until} s, and no one had asked it to stop.`,
      );
  });
}

// --- Liveness: once the faults have ended, every hold ends by us --------------------------------------------------------

/**
 * Nothing is demanded of the time before the faults have ended. A hold that begins afterwards is never left to its timeout; one
 * that began before is not, once there was time to recover. Each ends soon after nothing keeps it any more: no fault, and no
 * task or else the deadline.
 */
function late({ held, world, asked }: Played): string[] {
  if (world.managedDraining) return []; // ECS completes them, or hangs.
  const faultsEnd = faultsEndAt(world);
  return held.flatMap((action) => {
    const { instanceId, since, until, endedBy, emptySince = Infinity, beats } = action;
    const holding = `${instanceId}, held since ${since} s,`;
    if (until === undefined) return [`${holding} was never let go.`];
    if (endedBy === 'loss' || endedBy === 'deletion') return [];
    if (endedBy === 'timeout') {
      if (since < faultsEnd && until <= faultsEnd + recoverySeconds(world)) return [];
      return [
        `${holding} timed out at ${until} s, after the heartbeat at ${beats.at(-1)} s: faults ended at ${faultsEnd} s.`,
      ];
    }
    const deadline = Math.max(...deadlinesOf(action, since + latestDeadlineSeconds(world), asked, world));
    const freeAt = Math.max(faultsEnd, Math.min(emptySince, deadline));
    const noticing = noticingSeconds(world) + restartsBetween(world, since, until) * SETTLING_SECONDS;
    const most = since < faultsEnd ? recoverySeconds(world) : noticing;
    if (until <= freeAt + most) return [];
    return [`${holding} was let go at ${until} s, though nothing kept it since ${freeAt} s.`];
  });
}

/** How often a drain begins again because the version before wrote a continuation that the one deployed then cannot read. */
function restartsBetween({ releases }: World, since: number, until: number): number {
  const inTurn = releases.toSorted((one, other) => one.atSecond - other.atSecond);
  return inTurn.filter(
    ({ atSecond }, i) => inTurn[i - 1]?.continuations === 'of a newer version' && since < atSecond && atSecond < until,
  ).length;
}

function latestDeadlineSeconds(world: World): number {
  return longestOf(world, 'deadlineSeconds');
}

/** The longest of those that any deployment of the world sets. */
function longestOf(
  { settings, releases }: World,
  name: 'deadlineSeconds' | 'functionTimeoutSeconds' | 'pollMaxSeconds',
): number {
  return Math.max(...[settings, ...releases.map((release) => release.settings)].map((each) => each[name]));
}

/** From an event to the end of the round that works on it: the bus, the window of the queue, a cold start, two looks. */
const ROUND_SECONDS = 5;
/** Hints wait for each other for so long, and ECS's lists settle for so long after DRAINING. */
const HINTS_SECONDS = 10;
const SETTLING_SECONDS = 11;

/** A schedule comes up to a minute late (facts 10 one-time-schedules), and has a quarter of a minute to go. */
const SCHEDULE_LATE_SECONDS = 60 + 15;
/** The schedule of a drain that waits on the queue is so much later: it is for a message that is lost. */
const SAFETY_NET_SECONDS = 120;

/**
 * How long a drain that began in the second phase may take to notice that nothing keeps its instance. A parked one is woken by
 * the event about its last task; one that watches polls. Neither can end before ECS's lists have settled.
 */
export function noticingSeconds(world: World): number {
  const pollSeconds = world.waiting === 'park' ? HINTS_SECONDS : longestOf(world, 'pollMaxSeconds');
  return pollSeconds + SETTLING_SECONDS + ROUND_SECONDS + afterCrashSeconds(world);
}

/**
 * The one fault that a second phase may have: the message of the invocation that dies comes again when its visibility timeout is
 * over, which is the function's timeout.
 */
function afterCrashSeconds(world: World): number {
  return world.crashAtAwait === undefined ? 0 : longestOf(world, 'functionTimeoutSeconds');
}

/** A parked drain whose wake-ups are lost looks by itself after so long, or at half its heartbeat timeout. */
const SIGN_OF_LIFE_SECONDS = 540;
/** A sweep leaves a hold alone before its event, or a continuation, had so long to arrive; and it comes every minute. */
const SWEPT_SECONDS = 180 + 60;

/**
 * How long after the last fault a drain works on every hold again and has looked at it. What the last fault stopped may come
 * again by itself, from the queue when its visibility timeout ends, which is the function's timeout. Or it comes from
 * EventBridge, whose waits double, so that one lasts up to twice as long as the target has refused. If its event is lost, or
 * given up after it has failed five times, a sweep finds it. Of a parked drain the sweep knows only when its schedule was
 * written, and waits for longer than any wait takes.
 */
export function recoverySeconds(world: World): number {
  const comesAgain = comesAgainSeconds(world);
  const longestWait = Math.min(SIGN_OF_LIFE_SECONDS, world.settings.heartbeatTimeoutSeconds / 2);
  const parked = world.waiting === 'park' ? longestWait + SAFETY_NET_SECONDS + SCHEDULE_LATE_SECONDS : 0;
  return noticingSeconds(world) + Math.max(comesAgain, parked + SWEPT_SECONDS);
}

/** How long after the last fault a message comes again that failed because of it. */
function comesAgainSeconds(world: World): number {
  const refused = world.outages.map(({ what, forSeconds }) => (what === 'deliveries are refused' ? forSeconds : 0));
  return longestOf(world, 'functionTimeoutSeconds') + 2 * Math.max(0, ...refused);
}

// --- Watched drains -----------------------------------------------------------------------------------------------------

/** What only who drains may do. */
const DRAINS = ['UpdateContainerInstancesState', 'RecordLifecycleActionHeartbeat'];

function meddles({ world, calls, completionsAt, held, seconds }: Played): string[] {
  const { managedDraining } = world;
  if (!managedDraining) return [];
  const meddling = calls.filter(({ operation }) => DRAINS.includes(operation)).map(({ operation }) => operation);
  const starts = held.map(({ since }) => since);
  const deadline = (second: number) =>
    Math.min(...starts) + Math.min(...settingsAt(world, second).map(({ deadlineSeconds }) => deadlineSeconds));
  const early = completionsAt.filter(
    (second) => managedDraining === 'none' || second < deadline(second) - CLOCK_SECONDS,
  );
  const isTold = ({ since, until, outcomes }: Held) =>
    since < faultsEndAt(world) || until === undefined || seconds > LONGEST_WORLD_SECONDS || outcomes.length > 0;
  return [
    ...meddling.map((operation) => `The function called ${operation} though ECS drains.`),
    ...early.map((second) => `The function completed ECS's hook at ${second} s.`),
    ...held
      .filter((each) => !isTold(each))
      .map(({ instanceId }) => `The end of the drain of ${instanceId} was never reported.`),
  ];
}

// --- One chain --------------------------------------------------------------------------------------------------------

/** Nothing waits within an invocation: two run side by side for as long as a round takes, were its calls slow until just now. */
const SIDE_BY_SIDE_SECONDS = 10;

/** A continuation, the event about the empty instance, and the hints, which have a queue of their own. */
const MOST_INVOCATIONS = { park: 3, watch: 1 };

function hasConcurrentChains({ held, works, world }: Played): string[] {
  const faultsEnd = faultsEndAt(world);
  return held.flatMap((action) => {
    const { instanceId, since, places } = action;
    if (places > 1) return [`${instanceId} had ${places} places to wait at once.`];
    const own = worksOf(action, works, held);
    if (since >= faultsEnd) {
      // What fails comes again, and may have been continued before.
      const most = MOST_INVOCATIONS[world.waiting] + own.filter(({ result }) => result === 'failed').length;
      // ECS reports an empty instance once for each of its tasks: an invocation that finds nothing to do is no further chain.
      const concurrent = mostConcurrent(own.filter(({ result }) => result !== 'nothing'));
      if (concurrent > most) return [`${instanceId} had ${concurrent} invocations at once, more than ${most}.`];
    }
    // A drain that only polls has no place of its own: a copy of its message is another chain, until the drain ends.
    if (world.waiting === 'watch') return [];
    const sharedSeconds = longestSharedSeconds(own, Math.max(since, faultsEnd));
    if (sharedSeconds <= SIDE_BY_SIDE_SECONDS) return [];
    return [`${instanceId} had invocations side by side for ${Math.round(sharedSeconds)} s.`];
  });
}

function mostConcurrent(works: readonly Work[]): number {
  return Math.max(0, ...works.map(({ from }) => works.filter((each) => each.from <= from && from < each.until).length));
}

/** An instance that stays in service may be held again: what comes then is about the next hold. */
function worksOf({ instanceId, since }: Held, works: readonly Work[], held: readonly Held[]): readonly Work[] {
  const nextSince = Math.min(
    ...held.filter((other) => other.instanceId === instanceId && other.since > since).map((other) => other.since),
  );
  return works
    .filter(
      ({ about, result, from }) => about === instanceId && result !== 'ignored' && from >= since && from < nextSince,
    )
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

/**
 * An instance that stays, or whose group or hook was deleted, is still there after its outcome, and for so long a heartbeat before
 * it proves the action pending.
 */
const VERIFIED_SECONDS = 10;

function continuesAfterEnd({ held, works, world, schedulesLeft, seconds }: Played): string[] {
  // A watched drain may go on for 48 hours.
  const isCutOff = world.managedDraining !== undefined && seconds > LONGEST_WORLD_SECONDS;
  const breaches = (isCutOff ? [] : schedulesLeft).map(
    (name) => `The schedule ${name} is still to come when all is over.`,
  );
  const mayLeaveRegistrations = world.managedDraining !== undefined || world.silences.length > 0;
  for (const action of held) {
    const { instanceId, until = Infinity, endedBy } = action;
    const isStillThere = world.staying?.what === 'root volumes' || endedBy === 'deletion';
    const mayBeBelieved = isStillThere ? VERIFIED_SECONDS : 0;
    const over = Math.max(until + mayBeBelieved, faultsEndAt(world));
    const own = worksOf(action, works, held);
    for (const { from, result } of own) {
      if (from <= over || !['parked', 'handed-over'].includes(result)) continue;
      if (mayLeaveRegistrations && finishesOnceSettled(from, own)) continue;
      breaches.push(
        `${instanceId} was let go at ${until} s, and its drain was ${result} by the invocation of ${from} s.`,
      );
    }
  }
  return breaches;
}

/**
 * A copy of an event begins a watched drain again, and copies of a drain that polls go on beside it. If the terminated instance
 * has left a registration behind, as one does whose agent is silent, a drain does not say that no task is left before ECS's lists
 * have settled.
 */
function finishesOnceSettled(second: number, works: readonly Work[]): boolean {
  const settledAt = second + SETTLING_SECONDS + ROUND_SECONDS;
  return works.some(({ from, result }) => result === 'finished' && second < from && from <= settledAt);
}

// --- Reports ----------------------------------------------------------------------------------------------------------

/** A failure in the second phase would come again until it is a dead letter. The one that is ordered is no surprise. */
function failsOrIsSilent({ world, held, works, seconds }: Played): string[] {
  if (world.crashAtAwait !== undefined) return [];
  const faultsEnd = faultsEndAt(world);
  const failures = works.filter(({ result, from }) => result === 'failed' && from > faultsEnd);
  // Its event may be lost while there are faults, but a drain that has a schedule goes on. A world may be over before it does.
  const isLongEnough = seconds >= faultsEnd + comesAgainSeconds(world) + ROUND_SECONDS;
  const isKnown = ({ since, places }: Held) => since >= faultsEnd || (places > 0 && isLongEnough);
  const silent = held.filter((each) => isKnown(each) && each.until !== undefined && each.outcomes.length === 0);
  return [
    ...failures.map(({ from, about = 'no drain' }) => `The invocation of ${from} s, about ${about}, failed.`),
    ...(seconds > LONGEST_WORLD_SECONDS ? [] : silent).map(
      ({ instanceId, until }) =>
        `The drain of ${instanceId}, which ended at ${until} s, was never reported to have ended.`,
    ),
  ];
}

// --- What stays -------------------------------------------------------------------------------------------------------

function leavesDraining({ serving }: Played): string[] {
  return serving.flatMap((each) => {
    const { instanceId, status, drainedByHand } = each;
    if (isOwed(each)) return [`${instanceId} is InService and DRAINING when all is over.`];
    return drainedByHand && status === 'ACTIVE' ? [`${instanceId} is ACTIVE, which a person has drained.`] : [];
  });
}

// --- Calls ------------------------------------------------------------------------------------------------------------

function exceedsCallBudget(played: Played): string[] {
  const most = mostCalls(played);
  const { calls } = played;
  return calls.length > most ? [`The function made ${calls.length} calls, more than ${Math.round(most)}.`] : [];
}
