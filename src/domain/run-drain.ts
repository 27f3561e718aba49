/** The use case: observe, decide, act, until the drain ends or the invocation does. */

import { type Explanation, explanationOf, NO_FACTS } from './blockers.ts';
import { type Decision, decide, hookOf, type Situation, waitingFor } from './decide.ts';
import {
  type ContainerInstance,
  closedIn,
  closedSince,
  type Drain,
  type DrainingObservation,
  hookLimits,
  isSameDrain,
  type LifecycleAction,
  type Located,
  lastToStop,
  type Observation,
  type Outcome,
  observationOf,
  type Parked,
  unreachable,
  type Verdict,
  withAgents,
} from './drain.ts';
import {
  deadlineAtMs,
  deadlineUsedPercent,
  LISTS_SETTLE_SECONDS,
  longerPollIntervalSeconds,
  MAX_CONTINUATIONS,
  maxSilenceGapSeconds,
  type Policy,
  parksBetweenHeartbeats,
  pollIntervalWithin,
  stuckAtMs,
} from './policy.ts';
import { type Ending, type Journal, type News, type ParkingPlaces, type Ports, Unavailable } from './ports.ts';

/** How one invocation's part of a drain ended. */
export type DrainResult =
  | { readonly kind: 'finished'; readonly outcome: Outcome }
  | { readonly kind: 'handed-over'; readonly drain: Drain }
  | { readonly kind: 'parked'; readonly drain: Drain; readonly untilMs: number }
  /** Another delivery of the same event has this drain, and goes on with it. */
  | { readonly kind: 'superseded' }
  /** A notice for an instance that is in none of the clusters. */
  | { readonly kind: 'not-ours' }
  /** A continuation of a notice that left nothing at its place: nobody can confirm it, and nothing is held for it. */
  | { readonly kind: 'unconfirmed' };

/** A wake-up that continues no drain, and why: a drain that awaited it, if one did, looks for itself before long. */
export interface NotContinued {
  readonly kind: 'not-awaited' | 'unavailable';
  readonly reason: string;
}

/** ECS's word that a task has stopped. */
export interface WakeUp {
  readonly containerInstanceArn: string;
  readonly taskArn: string;
}

/** How the next observation is made. */
type Look = (drain: Drain) => Promise<Observation>;

/** The drain between two decisions. */
interface State {
  readonly drain: Drain;
  readonly look: Look;
  /** What is known without looking: AWS was told something, and what it said of the instance is no older for that. */
  readonly observation?: Observation;
  /** What is to be done at once could not be done: it is not put off by parking. */
  readonly staying?: boolean;
  /** A verdict that kills tasks was checked against Auto Scaling's own start just before this look, which confirms it or not. */
  readonly confirming?: boolean;
}

/** What an action leads to: the end, or another round. */
type Step = { readonly result: DrainResult } | State;

/**
 * Continues the drain that is parked on the container instance, if it awaits this task. For every other stop in the
 * cluster that is one look-up and nothing more.
 * @throws as `runDrain` does.
 */
export async function wakeDrain(
  { containerInstanceArn, taskArn }: WakeUp,
  policy: Policy,
  ports: Ports & { readonly parkingPlaces: ParkingPlaces },
): Promise<DrainResult | NotContinued> {
  let drain: Drain | undefined;
  try {
    drain = await ports.parkingPlaces.parkedOn(containerInstanceArn);
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error;
    return { kind: 'unavailable', reason: error.message };
  }
  if (!drain) return { kind: 'not-awaited', reason: 'no drain is parked on its container instance' };
  const awaitedTask = drain.parked?.awaitedTask;
  if (awaitedTask !== undefined && awaitedTask !== taskArn) {
    return { kind: 'not-awaited', reason: `the drain of ${drain.action.instanceId} awaits ${awaitedTask}` };
  }
  if (awaitedTask === undefined && ports.containerInstances.isBusy()) {
    const { instanceId } = drain.action;
    return { kind: 'not-awaited', reason: `the tasks on ${instanceId} are not listed yet, and ECS is busy` };
  }
  return runDrain(drain, policy, ports, taskArn);
}

/**
 * Goes on with the drain of a continuation. Whoever may put events on the bus can write one, so it is not believed: what
 * the drain left at its place is, for only the function writes there; without a place, only what Auto Scaling confirms.
 * @throws as `runDrain` does.
 */
export async function continueDrain(event: Drain, policy: Policy, ports: Ports): Promise<DrainResult> {
  const claimed = { ...event, pollIntervalSeconds: pollIntervalWithin(policy, event.pollIntervalSeconds) };
  const kept = await keptOf(claimed, ports);
  if (!kept && 'notice' in claimed.action && ports.parkingPlaces) return { kind: 'unconfirmed' };
  const drain = kept ?? (await confirmedInTime(claimed, policy, ports));
  if (drain === 'not in time') {
    const next = continued(claimed);
    await ports.continuations.continueNow(next);
    return { kind: 'handed-over', drain: next };
  }
  if (drain) return runDrain({ ...drain, announced: announcedOf(drain, claimed, policy, ports) }, policy, ports);
  const seen = await observed(looksThrough(ports, policy).full, claimed);
  const holdingTasks = seen.kind === 'draining' ? seen.holdingTasks : [];
  const outcome = { kind: 'already-completed', holdingTasks } as const;
  const placeless = { ...claimed, parked: undefined }; // The place that it names may be another drain's.
  return (await finish(placeless, { outcome, finishedAtMs: ports.clock.nowMs() }, ports)).result;
}

/** The drain as it left itself at its place; undefined if there is none, or none that can be read now. */
async function keptOf(claimed: Drain, { parkingPlaces, journal }: Ports): Promise<Drain | undefined> {
  const { action, containerInstance } = claimed;
  if (!parkingPlaces || containerInstance === undefined) return undefined;
  try {
    const on = 'notice' in action ? 'notice' : 'lifecycle-action';
    const kept = await parkingPlaces.parkedOn(containerInstance, on);
    if (!kept || !isSameDrain(kept, claimed)) return undefined;
    return { ...kept, pollIntervalSeconds: claimed.pollIntervalSeconds };
  } catch (error) {
    journal.record(claimed, { kind: 'refused', doing: 'park', reason: reasonOf(error) });
    return undefined;
  }
}

/** What the bus was told already, as far as it can be true: a claim must not keep it from being told that a drain is stuck. */
function announcedOf(drain: Drain, { announced }: Drain, policy: Policy, { clock }: Ports): Drain['announced'] {
  if (announced !== 'stuck') return drain.announced ?? announced;
  return clock.nowMs() >= stuckAtMs(drain, hookOf({ drain, policy }), policy) ? 'stuck' : 'started';
}

/** What Auto Scaling confirms, as soon as it can tell: until then nothing is touched, for nobody may hold the instance. */
async function confirmedInTime(
  claimed: Drain,
  policy: Policy,
  ports: Ports,
): Promise<Drain | 'not in time' | undefined> {
  const { clock, invocation, random } = ports;
  const journal = tellingChanges(ports.journal);
  const windowEndsAtMs = invocation.endsAtMs - policy.marginSeconds * 1000;
  let { pollIntervalSeconds } = claimed;
  for (;;) {
    try {
      return await confirmed({ ...claimed, pollIntervalSeconds }, policy, ports);
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      journal.record(claimed, { kind: 'refused', doing: 'heartbeat', reason: error.message });
    }
    const nextMs = clock.nowMs() + Math.round(pollIntervalSeconds * (0.5 + random()) * 1000);
    const wakesAtMs = Math.min(nextMs, windowEndsAtMs);
    if (wakesAtMs > clock.nowMs()) await clock.sleepUntil(wakesAtMs);
    if (nextMs > windowEndsAtMs) return 'not in time';
    pollIntervalSeconds = longerPollIntervalSeconds(pollIntervalSeconds, policy);
  }
}

/**
 * What Auto Scaling confirms of the drain; undefined if it waits for no such action.
 * @throws Unavailable if it does not tell.
 */
async function confirmed(claimed: Drain, policy: Policy, ports: Ports): Promise<Drain | undefined> {
  // Where drains are never parked nobody else remembers it; it still takes an agent that is silent now.
  const assumed = hookLimits(policy.heartbeatTimeoutSeconds);
  const isRemembered = ports.parkingPlaces && parksBetweenHeartbeats(assumed, policy);
  const bare = {
    ...claimed,
    hook: undefined,
    parked: undefined,
    containerInstance: undefined,
    ...(isRemembered && { agentSilence: undefined, closed: undefined }),
  };
  if ('notice' in claimed.action) return bare;
  // It tells whether the action is pending; and then it does not matter when the last one was.
  if ((await ports.lifecycleActions.recordHeartbeat(claimed.action)) === 'already-completed') return undefined;
  const beaten = { ...bare, lastHeartbeatAtMs: ports.clock.nowMs(), heartbeats: bare.heartbeats + 1 };
  return (await withActualStart(beaten, ports)) ?? beaten;
}

/** An event may come from a clock that is ahead... */
const START_TOO_EARLY_SECONDS = 60;
/** ...and a load balancer of the group may deregister the instance before its hook holds it, for an hour at most. */
const START_TOO_LATE_SECONDS = 3_600;

/** The drain with the start that Auto Scaling tells, where the two cannot both be true. */
async function withActualStart(drain: Drain, { lifecycleActions, journal }: Ports): Promise<Drain | undefined> {
  const { autoScalingGroup, instanceId } = lifecycleActionOf(drain);
  const startedAtMs = (await lifecycleActions.terminatingSinceMs(autoScalingGroup)).get(instanceId);
  if (startedAtMs === undefined) return undefined;
  const laterBySeconds = (drain.startedAtMs - startedAtMs) / 1000;
  if (laterBySeconds >= -START_TOO_EARLY_SECONDS && laterBySeconds <= START_TOO_LATE_SECONDS) return undefined;
  journal.record(drain, { kind: 'corrected', claimedStartAtMs: drain.startedAtMs });
  return { ...drain, startedAtMs, agentSilence: undefined };
}

/**
 * Runs the drain until it has an outcome, was handed over or is parked. Starting it twice, or again after a crash, is
 * harmless: of what is on the instance it believes only what ECS says now.
 * @param stoppedTask the task whose stop woke it, if one did
 * @throws whatever a port throws that is not `Unavailable`, and any failure to hand over.
 */
export async function runDrain(drain: Drain, policy: Policy, ports: Ports, stoppedTask?: string): Promise<DrainResult> {
  const toldOnce = { ...ports, journal: tellingChanges(ports.journal) };
  const looks = looksThrough(ports, policy);
  let state: State = { drain, look: firstLookAt(drain, looks, stoppedTask) };
  let lastSeen: DrainingObservation | undefined;

  for (;;) {
    const observation = state.observation ?? (await observed(state.look, state.drain));
    const nowMs = ports.clock.nowMs();
    const draining = observation.kind === 'draining' ? observation : undefined;
    const changed = draining && lastSeen ? taskStates(draining) !== taskStates(lastSeen) : false;
    lastSeen = draining ?? lastSeen;
    const closed = closedIn(observation, state.drain.closed, nowMs);
    const pollIntervalSeconds = changed ? policy.pollMinSeconds : state.drain.pollIntervalSeconds;
    const polling = { ...state.drain, pollIntervalSeconds, closed };
    const seen = located(withAgents(polling, observation, nowMs, maxSilenceGapSeconds(policy)), observation);
    const situation = {
      drain: seen,
      mayPark: ports.parkingPlaces !== undefined && seen.containerInstance !== undefined && !state.staying,
      stoppedTask,
      observation,
      policy,
      nowMs,
      invocationEndsAtMs: ports.invocation.endsAtMs,
      random: ports.random(),
    };
    const decision = decide(situation);
    toldOnce.journal.record(seen, { kind: 'decided', decision, observation });
    const usedPercent = deadlineUsedPercent(seen, hookOf(situation), policy, nowMs);
    toldOnce.journal.record(seen, { kind: 'looked', atMs: nowMs, deadlineUsedPercent: usedPercent });

    const turn = { ...situation, look: state.look, lastSeen, confirming: state.confirming === true };
    const step = await attempted(decision, turn, toldOnce, looks);
    if ('result' in step) return step.result;
    state = step;
  }
}

/** Signs of life are for metrics, which are kept by the minute. */
const SIGN_OF_LIFE_MS = 60_000;

/** Tells only what differs from the last of its kind: not each look, nor each time that AWS refuses the same. */
function tellingChanges(journal: Journal): Journal {
  let decided: string | undefined;
  let refused: string | undefined;
  let lookedAtMs = Number.NEGATIVE_INFINITY;
  return {
    record(drain, entry) {
      switch (entry.kind) {
        case 'decided': {
          // The instant of the next look is no news: only what is done, and about what.
          const gist = [entry.decision.kind, entry.observation.kind, taskStates(entry.observation)].join();
          if (gist === decided) return;
          decided = gist;
          refused = undefined;
          break;
        }
        case 'looked':
          if (entry.atMs < lookedAtMs + SIGN_OF_LIFE_MS) return;
          lookedAtMs = entry.atMs;
          break;
        case 'refused':
          if (entry.doing === refused) return;
          refused = entry.doing;
          break;
        case 'finished':
        case 'stuck':
        case 'superseded':
        case 'managed-draining':
        case 'corrected':
        case 'found':
          break;
        default:
          unreachable(entry);
      }
      journal.record(drain, entry);
    },
  };
}

type Looks = ReturnType<typeof looksThrough>;

/** The ways to look, from the dearest to the cheapest. */
function looksThrough({ containerInstances: ecs, parkingPlaces, clock }: Ports, policy: Policy) {
  const listed = async ({ action }: Drain, clusters: readonly string[]) =>
    (await Promise.all(clusters.map((cluster) => ecs.find(cluster, action.instanceId)))).flat();

  /** The cluster that the hook names is enough where the instance is there. */
  const searches = ({ namedCluster }: Drain) => [
    policy.clusters.filter((cluster) => cluster === namedCluster),
    policy.clusters.filter((cluster) => cluster !== namedCluster),
  ];

  /** Only finds it: all that a new drain needs to set it to DRAINING. */
  const finding: Look = async (drain) => {
    for (const clusters of searches(drain)) {
      const containerInstances = await listed(drain, clusters);
      if (containerInstances.length > 0) return { kind: 'listed', containerInstances };
    }
    return { kind: 'absent', clusters: policy.clusters };
  };

  /** Finds the instance in every cluster it may be in, and lists its tasks once it takes no more. */
  const full: Look = async (drain) => {
    const scannedAtMs = clock.nowMs();
    for (const clusters of searches(drain)) {
      const found = await listed(drain, clusters);
      if (found.length === 0) continue;
      const described = await ecs.refresh(found);
      if (described.length < found.length) {
        throw new Unavailable(`ECS lists ${found.length} registrations and describes ${described.length} of them.`);
      }
      const seen = await settled(drain, described);
      if (seen.kind !== 'absent') return seen.kind === 'draining' ? { ...seen, scannedAtMs } : seen;
    }
    return { kind: 'absent', clusters: policy.clusters };
  };

  /** The same of registrations that are known, unless that leaves a doubt. */
  const standing =
    (containerInstances: readonly Located[]): Look =>
    async (drain) => {
      const described = await ecs.refresh(containerInstances);
      if (described.length < containerInstances.length) return full(drain);
      const seen = await settled(drain, described);
      return seen.kind === 'absent' ? full(drain) : seen;
    };

  const settled = async (drain: Drain, described: readonly ContainerInstance[]): Promise<Observation> => {
    const seen = observationOf(described, policy.clusters, []);
    if (seen.kind !== 'draining') return seen;
    // Another drain of its fleet was faster.
    const isLeaving = drain.continuations === 0 && described.some(({ countedTasks }) => countedTasks > 0);
    if (isLeaving && parkingPlaces && ecs.isBusy()) return { kind: 'leaving', containerInstances: described };
    const withTasks = await tasksOn(seen.containerInstances)();
    const isEmpty = withTasks.kind === 'draining' && withTasks.holdingTasks.length === 0;
    if (isEmpty && seen.containerInstances.some(({ countedTasks }) => countedTasks > 0)) {
      throw new Unavailable(
        'ECS counts tasks on the instance and lists none: its lists lag behind (facts 23 eventual-consistency).',
      );
    }
    return withTasks;
  };

  /** Lists the tasks of registrations that ECS has just described. */
  const tasksOn = (containerInstances: readonly ContainerInstance[]) => async (): Promise<Observation> =>
    observationOf(containerInstances, policy.clusters, await ecs.listTasks(containerInstances));

  /**
   * Lists the tasks just after the draining. An empty list is not believed: ECS's lists lag behind its changes
   * (facts 23 eventual-consistency).
   */
  const early = (containerInstances: readonly ContainerInstance[]) => async (): Promise<Observation> => {
    const seen = await tasksOn(containerInstances)();
    const isEmpty = seen.kind === 'draining' && seen.holdingTasks.length === 0;
    return isEmpty ? { kind: 'leaving', containerInstances } : seen;
  };

  /**
   * Asks only after the tasks seen last: a DRAINING instance is given no new ones. When none of them is left, a full
   * look has the last word, for ECS may have placed a task just before it heard of the draining.
   */
  const again =
    (containerInstances: readonly Located[], holdingTasks: readonly Located[], describe = ecs.refresh): Look =>
    async (drain) => {
      if (holdingTasks.length === 0) return full(drain);
      const [instancesNow, tasksNow] = await Promise.all([
        describe(containerInstances),
        ecs.refreshTasks(holdingTasks),
      ]);
      const observation = observationOf(instancesNow, policy.clusters, tasksNow);
      const isWorthMore = observation.kind !== 'draining' || observation.holdingTasks.length === 0;
      return isWorthMore || (await hasRegisteredAnew(drain, instancesNow)) ? full(drain) : observation;
    };

  /**
   * An agent that is silent may have lost its state, and take tasks under another registration
   * (facts 14 instance-lookup).
   */
  const hasRegisteredAnew = async (drain: Drain, known: readonly ContainerInstance[]): Promise<boolean> => {
    if (known.every(({ agentConnected }) => agentConnected)) return false;
    const found = await listed(drain, [...new Set(known.map(({ cluster }) => cluster))]);
    return found.some(({ arn }) => known.every((each) => each.arn !== arn));
  };

  /** The same just after the agent told of a stop: it is there, and a DRAINING instance stays so. */
  const woken = (containerInstances: readonly Located[], holdingTasks: readonly Located[]): Look => {
    const spoken = { status: 'DRAINING', agentConnected: true, countedTasks: 0 };
    return again(containerInstances, holdingTasks, async (known) => known.map((each) => ({ ...each, ...spoken })));
  };

  /** Lists the tasks of a drain that was parked before they were. */
  const late =
    (containerInstances: readonly Located[]): Look =>
    async (drain) => {
      const seen = await standing(containerInstances)(drain);
      return seen.kind === 'draining' && seen.holdingTasks.length > 0 ? seen : full(drain);
    };

  return { full, standing, finding, tasksOn, early, late, again, woken };
}

/** Goes by what the drain knew when it was parked; for the task whose stop woke it there is no need to ask. */
function firstLookAt({ continuations, parked }: Drain, looks: Looks, stoppedTask: string | undefined): Look {
  if (continuations === 0) return looks.finding;
  if (!parked) return looks.full;
  if (parked.holdingTasks.length === 0) return looks.late(parked.containerInstances);
  const others = parked.holdingTasks.filter(({ arn }) => arn !== stoppedTask);
  return stoppedTask === undefined
    ? looks.again(parked.containerInstances, others)
    : looks.woken(parked.containerInstances, others);
}

async function observed(look: Look, drain: Drain): Promise<Observation> {
  try {
    return await look(drain);
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error;
    return { kind: 'unavailable', reason: error.message };
  }
}

/** A situation, and what this invocation saw before it. */
type Turn = Situation & {
  readonly look: Look;
  /** The last observation of the instance that could be made while it was draining. */
  readonly lastSeen: DrainingObservation | undefined;
  readonly confirming: boolean;
};

/**
 * Does what was decided. Where AWS cannot do it now, does what can be decided without it: ECS may be down for hours, and
 * the hook is kept all the same.
 */
async function attempted(decision: Decision, turn: Turn, ports: Ports, looks: Looks): Promise<Step> {
  try {
    return await act(decision, turn, ports, looks);
  } catch (error) {
    if (decision.kind === 'park') {
      // Whatever the reason: without a place to wait the drain goes on as it would in a Region that has none.
      ports.journal.record(turn.drain, { kind: 'refused', doing: 'park', reason: reasonOf(error) });
      const staying = { ...turn, mayPark: false };
      return attempted(waitingFor(staying), staying, ports, looks);
    }
    if (!(error instanceof Unavailable) || decision.kind === 'hand-over') throw error;
    ports.journal.record(turn.drain, { kind: 'refused', doing: decision.kind, reason: error.message });
    if (decision.kind === 'read-hook') {
      const assuming = { ...turn, hookRefused: true };
      return attempted(decide(assuming), assuming, ports, looks);
    }
    const blind: Turn = { ...turn, observation: { kind: 'unavailable', reason: error.message }, mayPark: false };
    const next = decision.kind === 'heartbeat' ? waitingFor(blind) : decide(blind);
    const step = await attempted(next, blind, ports, looks);
    return 'result' in step || !step.observation ? step : { ...step, staying: true };
  }
}

async function act(decision: Decision, turn: Turn, ports: Ports, looks: Looks): Promise<Step> {
  const { drain, observation, policy, look } = turn;
  const { containerInstances: ecs, lifecycleActions, continuations, clock } = ports;

  switch (decision.kind) {
    case 'complete': {
      const { verdict } = decision;
      if ('notice' in drain.action) {
        const isForeign = verdict.kind === 'gone' && drain.continuations === 0;
        return isForeign ? { result: { kind: 'not-ours' } } : concluded(turn, verdict, ports);
      }
      if (isLethal(verdict) && !turn.confirming) {
        // Tasks are to die for an instant that an event gave.
        const corrected = await withActualStart(drain, ports);
        // The agent may be heard again, or have registered anew and run tasks: nothing comes between that look and the end.
        if (verdict.kind === 'agent-lost') return { drain: corrected ?? drain, look: looks.full, confirming: true };
        if (corrected) return { drain: corrected, look, observation };
      }
      const answer = await lifecycleActions.complete(drain.action, resultOf(verdict));
      return answer === 'accepted' ? concluded(turn, verdict, ports) : overtaken(turn, ports);
    }
    case 'set-draining': {
      const others = observation.kind === 'active' ? observation.containerInstances : [];
      const untouched = others.filter((other) => !decision.containerInstances.includes(other));
      const { draining, refusal } = await ecs.setDraining(decision.containerInstances);
      if (refusal !== undefined) {
        // It was not known to be ACTIVE.
        if (observation.kind === 'listed') return { drain, look: looks.standing(observation.containerInstances) };
        throw new Unavailable(refusal);
      }
      const drained = [...untouched, ...draining];
      const nowMs = clock.nowMs();
      const closing = { ...drain, closed: closedSince(nowMs, drained) };
      const hasTasks = drained.some(({ countedTasks }) => countedTasks > 0);
      // Where drains are not parked, an instance that takes tasks still is all that shows the sweep a lost event.
      if (hasTasks && observation.kind === 'listed' && ports.parkingPlaces) await drainNeighbours(turn, ports);
      // What ECS has to move first takes its time: which tasks those are is good to know, and can wait.
      if (turn.mayPark && hasTasks) {
        if (!ecs.isBusy()) return { drain: closing, look: looks.early(drained) };
        const leaving = { kind: 'leaving', containerInstances: drained } as const;
        return { drain: closing, look: looks.tasksOn(drained), observation: leaving };
      }
      // ECS's lists lag behind its changes (facts 23 eventual-consistency): a task placed just before may not be in
      // them yet.
      const pollIntervalSeconds = hasTasks ? policy.pollMinSeconds : LISTS_SETTLE_SECONDS;
      const soon = { ...turn, nowMs, drain: { ...closing, pollIntervalSeconds } };
      const step = await act(waitingFor(soon), soon, ports, looks);
      return 'result' in step ? step : { ...step, look: hasTasks ? looks.tasksOn(drained) : looks.full };
    }
    case 'read-hook': {
      const hook = await lifecycleActions.hookLimits(lifecycleActionOf(drain));
      if (hook.managedDraining) ports.journal.record(drain, { kind: 'managed-draining' });
      return { drain: { ...drain, hook }, look, observation };
    }
    case 'announce': {
      const { news: kind, deadlineAtMs } = decision;
      const holdingTasks = observation.kind === 'draining' ? observation.holdingTasks : [];
      if (kind === 'stuck') {
        const explanation = await explained(turn, ports);
        ports.journal.record(drain, { kind, deadlineAtMs, explanation });
        await told(drain, { kind, deadlineAtMs, holdingTasks, explanation }, ports);
      } else await told(drain, { kind, deadlineAtMs, holdingTasks }, ports);
      return { drain: { ...drain, announced: kind }, look, observation };
    }
    case 'stop-tasks': {
      const reason = `ecs-drain: ${drain.action.instanceId} is terminating and its drain is near its deadline`;
      const refusals = (await Promise.allSettled(decision.tasks.map((task) => ecs.stopTask(task, reason)))).filter(
        ({ status }) => status === 'rejected',
      );
      // One task that cannot be stopped must not cost the others their grace, nor the drain its end.
      for (const { reason: why } of refusals as PromiseRejectedResult[]) {
        ports.journal.record(drain, { kind: 'refused', doing: 'stop-tasks', reason: reasonOf(why) });
      }
      return { drain, look, observation: withStopRequested(observation, decision.tasks) };
    }
    case 'heartbeat': {
      if ((await lifecycleActions.recordHeartbeat(lifecycleActionOf(drain))) === 'already-completed') {
        return overtaken(turn, ports);
      }
      const beaten = { ...drain, lastHeartbeatAtMs: turn.nowMs, heartbeats: drain.heartbeats + 1 };
      return { drain: beaten, look, observation };
    }
    case 'watch': {
      const pollIntervalSeconds = longerPollIntervalSeconds(drain.pollIntervalSeconds, policy);
      await clock.sleepUntil(decision.untilMs);
      return { drain: { ...drain, pollIntervalSeconds }, look: nextLookAfter(turn, looks) };
    }
    case 'hand-over': {
      const next = continued(drain);
      await continuations.continueNow(next);
      return { result: { kind: 'handed-over', drain: next } };
    }
    case 'park': {
      const { untilMs } = decision;
      const pollIntervalSeconds = policy.pollMinSeconds;
      const place = placeOf(turn);
      // Where it has never been it counts anew: how often it was handed over until then may be a forged event's claim.
      const counted =
        place === 'new' ? { ...drain, continuations: 1 } : isRepeated(turn, place) ? drain : continued(drain);
      const next = { ...counted, pollIntervalSeconds, parked: parkedAs(turn, untilMs) };
      const answer = await ports.parkingPlaces?.park(next, untilMs, place);
      switch (answer) {
        case 'parked':
          return { result: { kind: 'parked', drain: next, untilMs } };
        case 'taken':
          ports.journal.record(drain, { kind: 'superseded' });
          return { result: { kind: 'superseded' } };
        case undefined:
          throw new Error('There is nowhere to park.');
        default:
          return unreachable(answer);
      }
    }
    default:
      return unreachable(decision);
  }
}

/** How many others one drain asks after: a page of what ECS lists. Many drains, each beginning elsewhere, reach all. */
const NEIGHBOURS = 100;

/**
 * Sets others of the group that Auto Scaling holds to DRAINING, all in three or four calls. When ECS throttles, a fleet is
 * going: each of its drains would wait for its turn, while ECS moves the tasks of the first to instances that go as well.
 */
async function drainNeighbours({ drain, random }: Turn, ports: Ports): Promise<void> {
  const { action, cluster } = drain;
  if ('notice' in action) return;
  try {
    const held = (await ports.lifecycleActions.heldInstances([action.autoScalingGroup]))
      .map(({ instanceId }) => instanceId)
      .filter((instanceId) => instanceId !== action.instanceId);
    const asked = fromThere(held, random).slice(0, NEIGHBOURS);
    if (asked.length === 0 || cluster === undefined) return;
    const active = await ports.containerInstances.findActive(cluster, asked);
    if (active.length === 0) return;
    await ports.containerInstances.setDraining(fromThere(active, random));
  } catch (error) {
    // Each of them has a drain of its own, which does the same in its turn.
    ports.journal.record(drain, { kind: 'refused', doing: 'set-draining', reason: reasonOf(error) });
  }
}

/** The items in a circle, beginning somewhere. */
function fromThere<T>(items: readonly T[], random: number): T[] {
  const from = Math.floor(random * items.length);
  return [...items.slice(from), ...items.slice(0, from)];
}

function nextLookAfter({ observation, look }: Turn, looks: Looks): Look {
  switch (observation.kind) {
    case 'draining':
      return looks.again(observation.containerInstances, observation.holdingTasks);
    case 'leaving':
      return looks.tasksOn(observation.containerInstances);
    case 'unavailable':
      return look;
    case 'listed':
    case 'active':
    case 'absent':
      return looks.full;
    default:
      return unreachable(observation);
  }
}

/** @throws Error beyond the cap. */
function continued(drain: Drain): Drain {
  const next = { ...drain, continuations: drain.continuations + 1 };
  if (next.continuations <= MAX_CONTINUATIONS) return next;
  throw new Error(
    `The drain of ${drain.action.instanceId} was handed over ${MAX_CONTINUATIONS} times, the cap: something sends it round without waiting. Its hook now runs into its own timeout; complete the lifecycle action by hand or send the event again.`,
  );
}

function placeOf({ drain, nowMs }: Turn): 'new' | 'own' | 'spent' {
  if (!drain.parked) return 'new';
  return drain.parked.untilMs <= nowMs ? 'spent' : 'own';
}

/** Whether neither its schedule nor a task's stop made it go on: whoever repeats its continuation must not use up its rounds. */
function isRepeated({ stoppedTask }: Turn, place: ReturnType<typeof placeOf>): boolean {
  return place === 'own' && stoppedTask === undefined;
}

/** What is worth knowing when the drain goes on: what was seen, or else what was known before. */
function parkedAs({ drain, observation, stoppedTask }: Turn, untilMs: number): Parked {
  const located = ({ arn, cluster }: Located) => ({ arn, cluster });
  switch (observation.kind) {
    case 'draining': {
      const { containerInstances, holdingTasks } = observation;
      const awaitedTask = lastToStop(holdingTasks.filter(({ arn }) => arn !== stoppedTask))?.arn;
      return {
        untilMs,
        containerInstances: containerInstances.map(located),
        holdingTasks: holdingTasks.map(located),
        awaitedTask,
      };
    }
    case 'leaving':
      return {
        untilMs,
        containerInstances: observation.containerInstances.map(located),
        holdingTasks: [],
      };
    case 'unavailable':
    case 'listed':
    case 'active':
    case 'absent':
      return { ...(drain.parked ?? { containerInstances: [], holdingTasks: [] }), untilMs };
    default:
      return unreachable(observation);
  }
}

/** Nobody's instance is held because nobody could be told. */
async function told(drain: Drain, news: News, { announcements, journal }: Ports): Promise<void> {
  await announcements.announce(drain, news).catch((error: unknown) => {
    journal.record(drain, { kind: 'refused', doing: 'announce', reason: reasonOf(error) });
  });
}

/** @throws Error if it is on a notice: what is decided only of a lifecycle action was decided of it. */
function lifecycleActionOf({ action }: Drain): LifecycleAction {
  if ('notice' in action)
    throw new Error(`Nothing is held of ${action.instanceId}: the drain is on a ${action.notice}.`);
  return action;
}

/** Why the tasks stay: ECS is asked for more than the tasks only here, once a drain is stuck or has let tasks die. */
async function explained({ drain, observation, policy, nowMs }: Turn, ports: Ports): Promise<Explanation> {
  if (observation.kind !== 'draining') {
    const reason = observation.kind === 'unavailable' ? observation.reason : 'The tasks were not listed yet.';
    return { atMs: nowMs, blockers: [], unknown: [reason] };
  }
  const { containerInstances, holdingTasks } = observation;
  if (holdingTasks.length === 0) return { atMs: nowMs, blockers: [], unknown: ['The instance is still registering.'] };
  const facts = await ports.containerInstances
    .factsAbout(holdingTasks)
    .catch((error: unknown) => ({ ...NO_FACTS, unknown: [reasonOf(error)] }));
  return explanationOf(holdingTasks, {
    facts,
    containerInstances,
    agentSilence: drain.agentSilence,
    startedAtMs: drain.startedAtMs,
    deadlineAtMs: deadlineAtMs(drain, hookOf({ drain, policy }), policy),
    nowMs,
  });
}

function isLethal({ kind }: Verdict): boolean {
  return kind === 'timed-out' || kind === 'agent-lost';
}

/** What was decided has been done: an explanation of the tasks that die for it delays nothing but the news. */
async function concluded(turn: Turn, outcome: Verdict, ports: Ports): Promise<Step> {
  const ending = { outcome, finishedAtMs: ports.clock.nowMs() };
  return finish(
    turn.drain,
    isLethal(outcome) ? { ...ending, explanation: await explained(turn, ports) } : ending,
    ports,
  );
}

async function finish(drain: Drain, ending: Ending, ports: Ports): Promise<{ readonly result: DrainResult }> {
  const { journal, parkingPlaces } = ports;
  journal.record(drain, { kind: 'finished', ...ending });
  await told(drain, { kind: 'finished', ...ending }, ports);
  if (drain.parked) {
    // A schedule that stays wakes a drain that is over, which is harmless.
    await parkingPlaces?.release(drain).catch((error: unknown) => {
      journal.record(drain, { kind: 'refused', doing: 'release', reason: reasonOf(error) });
    });
  }
  return { result: { kind: 'finished', outcome: ending.outcome } };
}

/**
 * Somebody completed the action before us: another delivery of the same event, an operator, or the hook's timeout. The
 * tasks seen last tell what that cost, for the instance may be gone by now.
 */
function overtaken({ drain, lastSeen }: Turn, ports: Ports): Promise<Step> {
  const outcome = { kind: 'already-completed', holdingTasks: lastSeen?.holdingTasks ?? [] } as const;
  return finish(drain, { outcome, finishedAtMs: ports.clock.nowMs() }, ports);
}

function resultOf(verdict: Verdict) {
  switch (verdict.kind) {
    case 'drained':
    case 'gone':
      return 'CONTINUE';
    case 'timed-out':
    case 'agent-lost':
      return verdict.result;
    default:
      return unreachable(verdict);
  }
}

/** ECS may take a moment to show that a stop was asked for; asking again would not hurry it. */
function withStopRequested(observation: Observation, asked: Extract<Decision, { kind: 'stop-tasks' }>['tasks']) {
  if (observation.kind !== 'draining') return observation;
  const arns = new Set(asked.map(({ arn }) => arn));
  const holdingTasks = observation.holdingTasks.map((task) =>
    arns.has(task.arn) ? { ...task, stopRequested: true } : task,
  );
  return { ...observation, holdingTasks };
}

function located(drain: Drain, observation: Observation): Drain {
  const found = 'containerInstances' in observation ? observation.containerInstances[0] : undefined;
  if (!found) return drain;
  return { ...drain, cluster: found.cluster, containerInstance: drain.containerInstance ?? found.arn };
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The holding tasks and how far each has come; undefined where the observation does not tell. */
function taskStates(observation: Observation): string | undefined {
  if (observation.kind !== 'draining') return undefined;
  return observation.holdingTasks
    .map(({ arn, lastStatus }) => `${arn} ${lastStatus}`)
    .sort()
    .join();
}
