import type { Held, Played } from './play.ts';
import { faultsEndAt, type Outage, type World } from './world.ts';

/** What calls are made for, and how often it happened. */
type Causes = Readonly<Record<keyof typeof COST, number>>;

/** Calls that a world may cost for each of its causes. How they were found is in docs/decisions/0014-chaos.md. */
const COST = {
  /** A sweep a minute asks what is held, and in each cluster what may be given back. */
  minutes: 3,
  minutesInTwoClusters: 1,
  drains: 9,
  /** Of what may stay in service: its mark, and that a sweep looks whether it is in service again. */
  stayingMinutes: 3,
  /** The second cluster is searched as well, by the copies too. */
  drainsInTwoClusters: 8,
  /** Of an instance whose agent has moved to the second cluster, every look asks about two registrations and their tasks. */
  drainsOfMoved: 12,
  /**
   * Where drains are parked, a stop wakes them; where they watch, polls are frequent again after it. A stop on an instance that a
   * person drains is looked into as well: its drain could be ours.
   */
  tasks: 4,
  /** Where tasks are stopped ahead of the deadline, a list of them asks for their stop timeouts as well, in copies too. */
  drainsThatStop: 4,
  /** Each is a look, and another one a minute later. */
  asked: 20,
  /** Sweeps look at what is held for long, and so does the drain itself. */
  heldMinutes: 11,
  heartbeats: 4,
  /** Of drains that watch. */
  polls: 2.2,
  /** A copy of an event begins a drain again, or goes on beside it... */
  copies: 12,
  /** ...until the drain ends, where drains watch: one that only polls has no place that says whose turn it is. */
  pollsOfCopies: 12,
  /** A call whose answer is lost is made again; for puts, the copy counts. */
  lostAnswers: 1,
  /** A look searches for further registrations, and comes more often. */
  silentMinutes: 13,
  /** While calls are slow, rounds overlap, and what wakes the drain meanwhile looks as well. */
  slowMinutes: 16,
  /** What is refused is tried again within seconds at first, and every call is made four times. */
  minutesWithoutEcs: 35,
  /** A sweep's list in each cluster as well. */
  sweptMinutesWithoutEcs: 4,
  /** A hook that is not read may be one of the shortest, so what is refused is tried again within ten seconds or so. */
  minutesWithoutAutoScaling: 19,
  /** A drain that could end tries to, after a look each time. */
  minutesToEndWithoutAutoScaling: 40,
  /** So does a drain whose action is over, which only Auto Scaling can say: the hook timed out, or an event came once more. */
  minutesOverWithoutAutoScaling: 12,
  /** A parked drain waits on the queue instead. */
  minutesWithoutScheduler: 39,
  /** So do copies of its messages: nothing says whose turn it is. */
  minutesOfCopiesWithoutScheduler: 20,
  /** A drain that watches leaves its message on the queue then, and begins its look again once a minute. */
  watchedMinutesWithoutSqs: 40,
  /** The copies do so as well, from the moment that they are made. */
  watchedMinutesOfCopiesWithoutSqs: 20,
  /** One whose hook would time out before the message comes again is handed over instead, one look after the other. */
  handedOverMinutesWithoutSqs: 215,
};

/** How much more than its reference a world may cost: what worlds have cost that the reference was not fitted to. */
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
  const { world, held, works, asked, calls, deliveries, tasksDrainedByHand, seconds } = played;
  const { waiting, settings, releases, searchesEmptyCluster, staying } = world;
  const everySettings = [settings, ...releases.map((release) => release.settings)];
  const pollSeconds = Math.min(...everySettings.map(({ pollMaxSeconds }) => pollMaxSeconds));
  const sumOfHeld = (of: (action: Held) => number) => held.reduce((sum, action) => sum + of(action), 0);
  // A drain on a recommendation is held by nothing, and goes on until its deadline at most.
  const isNotice = staying?.what === 'a rebalance recommendation';
  const noticeSeconds = isNotice ? Math.max(0, seconds - staying.atSecond) : 0;
  // A watched drain learns at its next look that ECS has completed the hook.
  const noticingSeconds = world.managedDraining ? LOOKED_FOR_SECONDS : 0;
  const heldSeconds = sumOfHeld(({ since, until = seconds }) => until - since + noticingSeconds) + noticeSeconds;
  const heldMinutesWithout = (...kinds: readonly Outage['what'][]) =>
    sumOfHeld(({ since, until = seconds }) => minutesOf(world, kinds, since, until + LOOKED_FOR_SECONDS));
  // What fails comes again, and may have been continued before.
  const failures = works.filter(({ result }) => result === 'failed').length;
  const deadlineSeconds = Math.min(...everySettings.map((each) => each.deadlineSeconds));
  // Where drains poll, copies of the event that came before the end go on beside it, and each learns of the end at its next look.
  const chainsOver = waiting === 'watch' ? 1 + deliveries.duplicatedAt.length : 1;
  const minutesOverOf = ({ until = seconds }: Held) => chainsOver * minutesSilentAfter(world, until);
  // Of an empty instance that EC2 has taken, or whose hook is gone, the drain goes on to say that it may end.
  const isToEndWhenOver = ({ endedBy, until = seconds, emptySince = Infinity }: Held) =>
    endedBy !== 'completion' && emptySince <= until;
  const minutesToEnd = (action: Held) => {
    const { since, until = seconds, emptySince = Infinity } = action;
    const minutesBefore = minutesOf(world, AUTO_SCALING, Math.min(emptySince, since + deadlineSeconds), until);
    return minutesBefore + (isToEndWhenOver(action) ? minutesOverOf(action) : 0);
  };
  const minutesOver = [
    ...held.filter((action) => !isToEndWhenOver(action)).map(minutesOverOf),
    ...deliveries.duplicatedAt
      .filter((at) => held.some(({ until = seconds }) => until <= at))
      .map((at) => minutesSilentAfter(world, at)),
  ];
  const minutesOfCopies = ({ since, until = seconds }: Held) =>
    deliveries.duplicatedAt
      .filter((at) => since <= at && at <= until)
      .reduce((sum, at) => sum + minutesOf(world, SCHEDULER, at, until), 0);
  // Of a drain that watches a sweep knows only that the instance takes no tasks, as it does again on a new registration.
  const registrations = newRegistrations(world).filter(({ atSecond }) => atSecond < faultsEndAt(world));
  const foundAlive = waiting === 'watch' ? registrations.length : 0;
  const copies = deliveries.duplicatedAt.length + continuationsPutTwice(played) + failures + foundAlive;
  const pollingMinutesWithoutSqs = waiting === 'watch' ? heldMinutesWithout('SQS is down') : 0;
  const comeAgainSeconds = Math.max(...everySettings.map(({ functionTimeoutSeconds }) => functionTimeoutSeconds)) + 15;
  const watchedMinutesWithoutSqs = settings.heartbeatTimeoutSeconds >= comeAgainSeconds ? pollingMinutesWithoutSqs : 0;
  const polls = waiting === 'watch' ? heldSeconds / pollSeconds : 0;
  return {
    minutes: seconds / 60,
    minutesInTwoClusters: searchesEmptyCluster ? seconds / 60 : 0,
    drains: held.length + (isNotice ? 1 : 0),
    stayingMinutes: staying ? ((isNotice ? 1 : world.instances) * seconds) / 60 : 0,
    drainsInTwoClusters: searchesEmptyCluster ? held.length + copies : 0,
    drainsOfMoved: searchesEmptyCluster && world.movesToSecondCluster ? 1 : 0,
    drainsThatStop: everySettings.some(({ stopStragglers }) => stopStragglers !== 'none') ? held.length + copies : 0,
    asked: asked.length,
    tasks: sumOfHeld(({ tasks }) => tasks) + tasksDrainedByHand,
    heldMinutes: heldSeconds / 60,
    heartbeats: heldSeconds / (settings.heartbeatTimeoutSeconds / 2),
    polls,
    copies,
    pollsOfCopies: polls * copies,
    lostAnswers: calls.filter(({ operation, failedWith }) => failedWith === ANSWER_LOST && !PUTS.has(operation)).length,
    silentMinutes: sumOfHeld((action) => silentSeconds(world, action, seconds)) / 60,
    slowMinutes: heldMinutesWithout('calls are slow'),
    minutesWithoutEcs: heldMinutesWithout(...ECS),
    sweptMinutesWithoutEcs: minutesOf(world, ECS, 0, seconds) * (searchesEmptyCluster ? 2 : 1),
    minutesWithoutAutoScaling: minutesOf(world, AUTO_SCALING, 0, seconds),
    minutesToEndWithoutAutoScaling: sumOfHeld(minutesToEnd),
    minutesOverWithoutAutoScaling: minutesOver.reduce((sum, each) => sum + each, 0),
    minutesWithoutScheduler: waiting === 'park' ? heldMinutesWithout(...SCHEDULER) : 0,
    minutesOfCopiesWithoutScheduler: waiting === 'park' ? sumOfHeld(minutesOfCopies) : 0,
    watchedMinutesWithoutSqs,
    watchedMinutesOfCopiesWithoutSqs: copies * watchedMinutesWithoutSqs,
    handedOverMinutesWithoutSqs: (1 + copies) * (pollingMinutesWithoutSqs - watchedMinutesWithoutSqs),
  };
}

const ECS: readonly Outage['what'][] = ['ECS throttles', 'ECS is down'];
const SCHEDULER: readonly Outage['what'][] = ['Scheduler throttles', 'Scheduler is down', 'schedules are denied'];
const AUTO_SCALING: readonly Outage['what'][] = ['Auto Scaling throttles', 'Auto Scaling is down'];

/** How long Auto Scaling is down from this second or the next look on. */
function minutesSilentAfter(world: World, second: number): number {
  const ends = world.outages
    .filter(({ what }) => AUTO_SCALING.includes(what))
    .filter(({ fromSecond: from, forSeconds }) => from <= second + LOOKED_FOR_SECONDS && second < from + forSeconds)
    .map(({ fromSecond, forSeconds }) => fromSecond + forSeconds);
  return minutesOf(world, AUTO_SCALING, second, Math.max(second, ...ends));
}

/** Copies of what has ended may still look. */
const LOOKED_FOR_SECONDS = 60;

/** How long outages of these kinds lasted between the two instants. */
function minutesOf(world: World, kinds: readonly Outage['what'][], from: number, until: number): number {
  const overlap = ({ fromSecond, forSeconds }: Outage) =>
    Math.max(0, Math.min(until, fromSecond + forSeconds, faultsEndAt(world)) - Math.max(from, fromSecond));
  const matching = world.outages.filter(({ what }) => kinds.includes(what));
  return matching.reduce((sum, outage) => sum + overlap(outage), 0) / 60;
}

/** How often a continuation was put on the bus or the queue once more, because the answer that it was there already had been lost. */
function continuationsPutTwice({ calls, continuedAtMs }: Played): number {
  const unanswered = calls.filter(({ operation, failedWith }) => PUTS.has(operation) && failedWith !== undefined);
  return unanswered.reduce((sum, { atMs }) => sum + (continuedAtMs.get(Math.floor(atMs)) ?? 0), 0);
}

/** What a call fails with whose answer is lost; a service that is down or throttles gives others. */
const ANSWER_LOST = 'InternalFailure';

const PUTS: ReadonlySet<string> = new Set(['PutEvents', 'SendMessageBatch']);

/** When agents registered again, with the same cluster or another. */
function newRegistrations({ registrations, searchesEmptyCluster, movesToSecondCluster }: World) {
  return searchesEmptyCluster && movesToSecondCluster ? [...registrations, movesToSecondCluster] : registrations;
}

/** Whether a registration without an agent is there from the start. */
function hasLeft({ searchesEmptyCluster, leftInSecondCluster }: World): boolean {
  return searchesEmptyCluster && leftInSecondCluster !== undefined;
}

/** How long an agent was silent at most: one that registers again leaves a registration whose agent is, permanently. */
function silentSeconds(world: World, { since, until = Infinity }: Held, seconds: number): number {
  const faultsEnd = faultsEndAt(world);
  const spans = [
    ...world.silences.map(({ atSecond, forSeconds }) => ({
      from: atSecond,
      to: forSeconds === null ? Infinity : Math.min(atSecond + forSeconds, faultsEnd),
    })),
    ...newRegistrations(world).map(({ atSecond }) => ({ from: atSecond, to: Infinity })),
  ].filter(({ from }) => from < faultsEnd);
  if (hasLeft(world)) spans.push({ from: 0, to: Infinity });
  const lengths = spans.map(({ from, to }) => Math.min(to, until, seconds) - Math.max(from, since));
  return Math.max(0, ...lengths);
}
