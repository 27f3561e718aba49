/** The use case: observe, decide, act, until the drain ends or the invocation does. */

import { type Decision, decide, type Situation, watchOrHandOver } from './decide.ts';
import {
  type ContainerInstance,
  type Drain,
  type DrainingObservation,
  type Observation,
  type Outcome,
  observationOf,
  unreachable,
  type Verdict,
  withAgents,
} from './drain.ts';
import { MAX_CONTINUATIONS, maxSilenceGapSeconds, nextPollIntervalSeconds, type Policy } from './policy.ts';
import { type Journal, type Ports, Unavailable } from './ports.ts';

/** How one invocation's part of a drain ended. */
export type DrainResult =
  | { readonly kind: 'finished'; readonly outcome: Outcome }
  | { readonly kind: 'handed-over'; readonly drain: Drain };

/** How the next observation is made. */
type Look = (drain: Drain) => Promise<Observation>;

/** What an action leads to: the end, or another round. */
type Step = { readonly result: DrainResult } | { readonly drain: Drain; readonly look: Look };

/**
 * Runs the drain until it has an outcome or was handed over. Starting it twice, or again after a crash, is harmless:
 * of what is on the instance it believes only what ECS says now.
 * @throws whatever a port throws that is not `Unavailable`, and any failure to hand over.
 */
export async function runDrain(drain: Drain, policy: Policy, ports: Ports): Promise<DrainResult> {
  const toldOnce = { ...ports, journal: tellingChanges(ports.journal) };
  const looks = looksThrough(ports, policy);
  let state: { drain: Drain; look: Look } = { drain, look: looks.full };
  let lastSeen: DrainingObservation | undefined;

  for (;;) {
    const observation = await observed(state.look, state.drain);
    const nowMs = ports.clock.nowMs();
    const seen = located(withAgents(state.drain, observation, nowMs, maxSilenceGapSeconds(policy)), observation);
    const situation = { drain: seen, observation, policy, nowMs, invocationEndsAtMs: ports.invocation.endsAtMs };
    const decision = decide(situation);
    toldOnce.journal.record(seen, { kind: 'decided', decision, observation });

    const draining = observation.kind === 'draining' ? observation : undefined;
    const changed = draining && lastSeen ? taskStates(draining) !== taskStates(lastSeen) : false;
    lastSeen = draining ?? lastSeen;

    const step = await attempted(decision, { ...situation, changed, lastSeen }, toldOnce, looks);
    if ('result' in step) return step.result;
    state = step;
  }
}

/** Tells only what differs from the last of its kind: not each look, nor each time that AWS refuses the same. */
function tellingChanges(journal: Journal): Journal {
  let decided: string | undefined;
  let refused: string | undefined;
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
        case 'refused':
          if (entry.doing === refused) return;
          refused = entry.doing;
          break;
        case 'finished':
          break;
        default:
          unreachable(entry);
      }
      journal.record(drain, entry);
    },
  };
}

type Looks = ReturnType<typeof looksThrough>;

/** The three ways to look, from the dearest to the cheapest. */
function looksThrough({ containerInstances: ecs }: Ports, policy: Policy) {
  const search = async (clusters: readonly string[], instanceId: string) =>
    (await Promise.all(clusters.map((cluster) => ecs.find(cluster, instanceId)))).flat();

  /** Finds the instance in every cluster it may be in, and lists its tasks once it takes no more. */
  const full: Look = async ({ namedCluster, action }) => {
    const named = policy.clusters.filter((cluster) => cluster === namedCluster);
    const others = policy.clusters.filter((cluster) => cluster !== namedCluster);
    const inNamed = await search(named, action.instanceId);
    const found = observationOf(inNamed, policy.clusters, []);
    const standing =
      found.kind === 'absent' ? observationOf(await search(others, action.instanceId), policy.clusters, []) : found;
    return standing.kind === 'draining' ? tasksOn(standing.containerInstances)() : standing;
  };

  /** Lists the tasks of registrations that ECS has just described. */
  const tasksOn = (containerInstances: readonly ContainerInstance[]) => async (): Promise<Observation> =>
    observationOf(containerInstances, policy.clusters, await ecs.listTasks(containerInstances));

  /**
   * Asks only after the tasks seen last: a DRAINING instance is given no new ones. When none of them is left, a full
   * look has the last word, for ECS may have placed a task just before it heard of the draining.
   */
  const again =
    ({ containerInstances, holdingTasks }: DrainingObservation): Look =>
    async (drain) => {
      const [instancesNow, tasksNow] = await Promise.all([
        ecs.refresh(containerInstances),
        ecs.refreshTasks(holdingTasks),
      ]);
      const observation = observationOf(instancesNow, policy.clusters, tasksNow);
      return observation.kind === 'draining' && observation.holdingTasks.length > 0 ? observation : full(drain);
    };

  return { full, tasksOn, again };
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
  /** The holding tasks are others, or elsewhere in their lives, than at the look before. */
  readonly changed: boolean;
  /** The last observation of the instance that could be made while it was draining. */
  readonly lastSeen: DrainingObservation | undefined;
};

/**
 * Does what was decided. Where AWS cannot do it now, does what can be decided without it: ECS may be down for hours, and
 * the hook is kept all the same.
 */
async function attempted(decision: Decision, turn: Turn, ports: Ports, looks: Looks): Promise<Step> {
  try {
    return await act(decision, turn, ports, looks);
  } catch (error) {
    if (!(error instanceof Unavailable) || decision.kind === 'hand-over') throw error;
    ports.journal.record(turn.drain, { kind: 'refused', doing: decision.kind, reason: error.message });
    if (decision.kind === 'read-hook') {
      const assuming = { ...turn, hookRefused: true };
      return attempted(decide(assuming), assuming, ports, looks);
    }
    const blind: Turn = { ...turn, observation: { kind: 'unavailable', reason: error.message }, changed: false };
    return attempted(decision.kind === 'heartbeat' ? watchOrHandOver(blind) : decide(blind), blind, ports, looks);
  }
}

async function act(decision: Decision, turn: Turn, ports: Ports, looks: Looks): Promise<Step> {
  const { drain, observation, policy } = turn;
  const { containerInstances: ecs, lifecycleActions, continuations, clock } = ports;
  /** The same observation again: AWS was told something, and nothing it says of the instance is older for it. */
  const unchanged: Look = async () => observation;

  switch (decision.kind) {
    case 'complete': {
      const answer = await lifecycleActions.complete(drain.action, resultOf(decision.verdict));
      return answer === 'accepted' ? finish(drain, decision.verdict, ports) : overtaken(turn, ports);
    }
    case 'set-draining': {
      const others = observation.kind === 'active' ? observation.containerInstances : [];
      const untouched = others.filter((other) => !decision.containerInstances.includes(other));
      const drained = await ecs.setDraining(decision.containerInstances);
      // ECS's lists lag behind its changes (facts 23): a task placed just before may not be in them yet.
      const soon = { ...turn, drain: { ...drain, pollIntervalSeconds: policy.pollMinSeconds } };
      const step = await act(watchOrHandOver(soon), soon, ports, looks);
      return 'result' in step ? step : { ...step, look: looks.tasksOn([...untouched, ...drained]) };
    }
    case 'read-hook':
      return { drain: { ...drain, hook: await lifecycleActions.hookLimits(drain.action) }, look: unchanged };
    case 'stop-tasks': {
      const reason = `ecs-drain: ${drain.action.instanceId} is terminating and its drain is near its deadline`;
      const refusals = (await Promise.allSettled(decision.tasks.map((task) => ecs.stopTask(task, reason)))).filter(
        ({ status }) => status === 'rejected',
      );
      // One task that cannot be stopped must not cost the others their grace, nor the drain its end.
      for (const { reason: why } of refusals as PromiseRejectedResult[]) {
        ports.journal.record(drain, { kind: 'refused', doing: 'stop-tasks', reason: String(why) });
      }
      return { drain, look: async () => withStopRequested(observation, decision.tasks) };
    }
    case 'heartbeat': {
      if ((await lifecycleActions.recordHeartbeat(drain.action)) === 'already-completed') {
        return overtaken(turn, ports);
      }
      const beaten = { ...drain, lastHeartbeatAtMs: turn.nowMs, heartbeats: drain.heartbeats + 1 };
      return { drain: beaten, look: unchanged };
    }
    case 'watch': {
      const pollIntervalSeconds = nextPollIntervalSeconds(drain.pollIntervalSeconds, turn.changed, policy);
      await clock.sleepUntil(decision.untilMs);
      const look = observation.kind === 'draining' ? looks.again(observation) : looks.full;
      return { drain: { ...drain, pollIntervalSeconds }, look };
    }
    case 'hand-over': {
      const next = { ...drain, continuations: drain.continuations + 1 };
      if (next.continuations > MAX_CONTINUATIONS) {
        throw new Error(
          `The drain of ${drain.action.instanceId} was handed over ${MAX_CONTINUATIONS} times, the cap: something sends it round without waiting. Its hook now runs into its own timeout; complete the lifecycle action by hand or send the event again.`,
        );
      }
      await continuations.continueNow(next);
      return { result: { kind: 'handed-over', drain: next } };
    }
    default:
      return unreachable(decision);
  }
}

function finish(drain: Drain, outcome: Outcome, { journal, clock }: Ports): Step {
  journal.record(drain, { kind: 'finished', outcome, finishedAtMs: clock.nowMs() });
  return { result: { kind: 'finished', outcome } };
}

/**
 * Somebody completed the action before us: another delivery of the same event, an operator, or the hook's timeout. The
 * tasks seen last tell what that cost, for the instance may be gone by now.
 */
function overtaken({ drain, lastSeen }: Turn, ports: Ports): Step {
  return finish(drain, { kind: 'already-completed', holdingTasks: lastSeen?.holdingTasks ?? [] }, ports);
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
  const found = 'containerInstances' in observation ? observation.containerInstances[0]?.cluster : undefined;
  return found === undefined ? drain : { ...drain, cluster: found };
}

/** The holding tasks and how far each has come; undefined where the observation does not tell. */
function taskStates(observation: Observation): string | undefined {
  if (observation.kind !== 'draining') return undefined;
  return observation.holdingTasks
    .map(({ arn, lastStatus }) => `${arn} ${lastStatus}`)
    .sort()
    .join();
}
