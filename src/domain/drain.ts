/**
 * The vocabulary: what a drain is, what ECS says about it, and how it can end.
 * Instants are epoch milliseconds (`…AtMs`), durations carry their unit in the name.
 */

/** The Auto Scaling group's pending decision on one instance. */
export interface LifecycleAction {
  readonly autoScalingGroup: string;
  readonly lifecycleHook: string;
  readonly instanceId: string;
  /** One for each lifecycle action; only its event tells it, so it is undefined where the event was lost. */
  readonly token?: string | undefined;
}

/** EC2's word that it may take an instance, whatever Auto Scaling does: there is nothing to hold and nothing to complete. */
export interface Notice {
  readonly notice: NoticeKind;
  readonly instanceId: string;
  /** The id of the event. */
  readonly token: string;
}

/**
 * A Spot interruption comes two minutes after its warning; a rebalance recommendation only says that one is likelier
 * (facts 6 ec2-notices).
 */
export type NoticeKind = 'spot-interruption' | 'rebalance-recommendation';

/** What completing a lifecycle action tells Auto Scaling; on termination both terminate (facts 19 hook-results). */
export type LifecycleResult = 'CONTINUE' | 'ABANDON';

/** How long Auto Scaling holds the instance for us (facts 18 hook-timeouts). */
export interface HookLimits {
  /** Time to the next heartbeat before Auto Scaling decides without us, 30 to 7200. */
  readonly heartbeatTimeoutSeconds: number;
  /** Time after which it decides regardless of heartbeats: the lesser of 48 hours and 100 heartbeat timeouts. */
  readonly globalTimeoutSeconds: number;
  /**
   * ECS's managed draining has a hook of its own on the group, and holds each instance as well
   * (facts 22 managed-draining-hook).
   */
  readonly managedDraining?: boolean | undefined;
}

/** A lifecycle hook of a group. */
export interface LifecycleHook {
  readonly name: string;
  readonly limits: HookLimits;
  /** Free text of whoever created it. */
  readonly notificationMetadata?: string | undefined;
}

const MAX_HEARTBEAT_TIMEOUTS = 100;
const MAX_WAIT_SECONDS = 48 * 60 * 60;

/** The limits of a hook with this heartbeat timeout (facts 18 hook-timeouts). */
export function hookLimits(heartbeatTimeoutSeconds: number): HookLimits {
  const globalTimeoutSeconds = Math.min(MAX_WAIT_SECONDS, MAX_HEARTBEAT_TIMEOUTS * heartbeatTimeoutSeconds);
  return { heartbeatTimeoutSeconds, globalTimeoutSeconds };
}

/**
 * Our work on one lifecycle action, or on a notice. All of it travels in a continuation, so nothing in it says what is on the instance:
 * that is asked of ECS again.
 */
export interface Drain {
  readonly action: LifecycleAction | Notice;
  /** The cluster that the hook's notification metadata names: searched before the others. */
  readonly namedCluster?: string | undefined;
  /** Where the instance was found last; for reports only, never for a decision. */
  readonly cluster?: string | undefined;
  /** The ARN of the first registration that was found: what the drain's parking place is named after. */
  readonly containerInstance?: string | undefined;
  /** When Auto Scaling began to hold the instance, or EC2 gave notice. */
  readonly startedAtMs: number;
  /** Undefined until it matters: a drain with nothing to wait for never asks. */
  readonly hook?: HookLimits | undefined;
  /** The last restart of the heartbeat timeout; the hold itself is the first. */
  readonly lastHeartbeatAtMs: number;
  readonly heartbeats: number;
  /** How often it was handed over to a further invocation. */
  readonly continuations: number;
  /** Time to the next look while nothing changes. */
  readonly pollIntervalSeconds: number;
  readonly agentSilence?: AgentSilence | undefined;
  /** Undefined as long as a registration may take tasks, or nobody has looked. */
  readonly closed?: Closed | undefined;
  /** What the bus was told last of its course; undefined as long as there was nothing to wait for. */
  readonly announced?: 'started' | 'stuck' | undefined;
  /** Undefined if it was never parked. */
  readonly parked?: Parked | undefined;
}

/** What a parked drain knew when it was parked: where to look first when it goes on. Its end is never decided by it. */
export interface Parked {
  /** When its schedule was to come. */
  readonly untilMs: number;
  readonly containerInstances: readonly Located[];
  /** Empty where they were not listed yet. */
  readonly holdingTasks: readonly Located[];
  /** The one whose stop wakes the drain; any, where it is undefined. */
  readonly awaitedTask?: string | undefined;
}

/**
 * Registrations that were seen to take no tasks, and since when: what ECS placed just before may not be listed yet
 * (facts 23 eventual-consistency).
 */
export interface Closed {
  readonly sinceMs: number;
  /** Their ARNs. */
  readonly containerInstances: readonly string[];
  /** Those of them whose agent is silent: it may have registered anew, which ECS may not list yet either. */
  readonly silent: readonly string[];
}

/** What it takes to ask ECS about something. */
export interface Located {
  readonly arn: string;
  readonly cluster: string;
}

/** The silence of every agent that could tell of the holding tasks: seen again and again from one instant to another. */
export interface AgentSilence {
  readonly sinceMs: number;
  readonly seenLastAtMs: number;
  /** The ARNs of the registrations whose agents are silent; undefined if an older version of the function wrote it. */
  readonly containerInstances?: readonly string[] | undefined;
}

/**
 * One registration of the EC2 instance in a cluster; an agent that re-registered leaves several
 * (facts 14 instance-lookup).
 */
export interface ContainerInstance extends Located {
  /** ECS's word: REGISTERING, ACTIVE, DRAINING, DEREGISTERING, INACTIVE or REGISTRATION_FAILED. */
  readonly status: string;
  readonly agentConnected: boolean;
  /** Tasks that are to run: there may be none of them and others still hold the instance (facts 13 counting-trap). */
  readonly countedTasks: number;
}

/** A registration, and the EC2 instance that it is of. */
export interface Registration extends ContainerInstance {
  readonly ec2InstanceId: string;
}

/** An instance that a terminating hook of its group holds: ours, or another's. */
export interface HeldInstance {
  readonly autoScalingGroup: string;
  readonly instanceId: string;
}

/** Who started a task: a replica service, a daemon service, or somebody with RunTask. */
export type TaskClass = 'service' | 'daemon' | 'standalone';

/** A task that was on the instance and has not stopped: the instance must not go while there is one. */
export interface HoldingTask extends Located {
  readonly kind: 'holding';
  readonly containerInstanceArn: string;
  readonly class: TaskClass;
  /** Whose it is, for people: `service:web`, or what RunTask was given. */
  readonly group: string;
  readonly lastStatus: string;
  /** Somebody has asked ECS to stop it already. */
  readonly stopRequested: boolean;
  /** SIGTERM to SIGKILL, the longest of its containers; undefined where nobody asked for it. */
  readonly stopTimeoutSeconds: number | undefined;
  /** Since when it is where it is, as near as ECS tells: of one that is leaving, since it was told to. */
  readonly statusSinceMs?: number | undefined;
  /** A deployment's id, or what RunTask was given. */
  readonly startedBy?: string | undefined;
}

/** A task that was on the instance and has stopped. */
export interface StoppedTask {
  readonly kind: 'stopped';
  readonly arn: string;
  readonly stoppedAtMs: number | undefined;
}

export type Task = HoldingTask | StoppedTask;

/**
 * Whether a task with this `lastStatus` still runs on the instance. Neither the running count nor the desired status
 * tells: a task that is DEACTIVATING, STOPPING or DEPROVISIONING has left both and still serves requests
 * (facts 13 counting-trap).
 */
export function holdsInstance(lastStatus: string): boolean {
  return lastStatus !== 'STOPPED' && lastStatus !== 'DELETED';
}

/** What ECS says now. */
export type Observation =
  /** AWS could not be asked; nothing may be concluded. */
  | { readonly kind: 'unavailable'; readonly reason: string }
  /** It is registered; its state was not asked, for a new drain sets it to DRAINING in any case. */
  | { readonly kind: 'listed'; readonly containerInstances: readonly Located[] }
  /** No cluster that may be looked in has a live registration of the instance. */
  | { readonly kind: 'absent'; readonly clusters: readonly string[] }
  /** Some registrations take tasks still; there is no use in counting tasks before that ends. */
  | { readonly kind: 'active'; readonly containerInstances: readonly ContainerInstance[] }
  /** It was just set to DRAINING, and has tasks that ECS has yet to move: there is no use in listing them yet. */
  | { readonly kind: 'leaving'; readonly containerInstances: readonly ContainerInstance[] }
  /** None takes tasks now. */
  | {
      readonly kind: 'draining';
      /** One is still registering: it can be drained only when it has become ACTIVE, and may have tasks by then. */
      readonly registering: boolean;
      readonly containerInstances: readonly ContainerInstance[];
      readonly holdingTasks: readonly HoldingTask[];
      /** When the last of the stopped ones stopped. */
      readonly lastTaskStoppedAtMs: number | undefined;
      /**
       * When the look began, where it searched every cluster for registrations and listed all their tasks; undefined where it
       * asked only for what was known.
       */
      readonly scannedAtMs?: number | undefined;
    };

/** The observation of an instance that is draining. */
export type DrainingObservation = Extract<Observation, { kind: 'draining' }>;

/** How we end a drain. */
export type Verdict =
  | { readonly kind: 'drained'; readonly lastTaskStoppedAtMs: number | undefined }
  | { readonly kind: 'gone'; readonly clusters: readonly string[] }
  | {
      readonly kind: 'timed-out';
      readonly deadlineAtMs: number;
      readonly result: LifecycleResult;
      readonly killedTasks: readonly HoldingTask[];
    }
  | {
      readonly kind: 'agent-lost';
      readonly disconnectedSinceMs: number;
      readonly result: LifecycleResult;
      readonly killedTasks: readonly HoldingTask[];
    };

/** How a drain ended: by our verdict, or because the action was no longer pending when we spoke. */
export type Outcome = Verdict | { readonly kind: 'already-completed'; readonly holdingTasks: readonly HoldingTask[] };

/** A drain that begins now, with the first heartbeat timeout running since `startedAtMs`. */
export function newDrain(
  action: LifecycleAction | Notice,
  startedAtMs: number,
  namedCluster: string | undefined,
  pollIntervalSeconds: number,
): Drain {
  return {
    action,
    namedCluster,
    cluster: namedCluster,
    startedAtMs,
    lastHeartbeatAtMs: startedAtMs,
    heartbeats: 0,
    continuations: 0,
    pollIntervalSeconds,
  };
}

/** The drain's id, for people: the token of its action, or its instance where that is not known. */
export function drainIdOf({ action }: Drain): string {
  return action.token ?? action.instanceId;
}

/** Whether both are drains of the same lifecycle action, or on the same notice. */
export function isSameDrain({ action: a }: Drain, { action: b }: Drain): boolean {
  if ('notice' in a || 'notice' in b) return a.token === b.token;
  const isSameHold =
    a.instanceId === b.instanceId && a.autoScalingGroup === b.autoScalingGroup && a.lifecycleHook === b.lifecycleHook;
  // A group may hold an instance again that went back to its warm pool.
  return isSameHold && (a.token === b.token || a.token === undefined || b.token === undefined);
}

/** What the registrations and their tasks amount to; as long as one is ACTIVE the tasks do not matter. */
export function observationOf(
  containerInstances: readonly ContainerInstance[],
  searchedClusters: readonly string[],
  tasks: readonly Task[],
): Observation {
  const live = containerInstances.filter(({ status }) => ['REGISTERING', 'ACTIVE', 'DRAINING'].includes(status));
  if (live.length === 0) return { kind: 'absent', clusters: searchedClusters };
  if (live.some(({ status }) => status === 'ACTIVE')) return { kind: 'active', containerInstances: live };
  const stopTimesMs = tasks.flatMap((task) => (task.kind === 'stopped' ? (task.stoppedAtMs ?? []) : []));
  return {
    kind: 'draining',
    registering: live.some(({ status }) => status === 'REGISTERING'),
    containerInstances: live,
    holdingTasks: tasks.filter((task) => task.kind === 'holding'),
    lastTaskStoppedAtMs: stopTimesMs.length > 0 ? Math.max(...stopTimesMs) : undefined,
  };
}

/**
 * The drain with what the observation says of its agents: silent since now, still silent, or heard again. Agents flap
 * in normal operation (facts 15 agent-connection): silence that nobody looked at for longer than `maxGapSeconds` begins
 * anew, and so does that of another agent. A registration without holding tasks has nothing to tell.
 */
export function withAgents(drain: Drain, observation: Observation, nowMs: number, maxGapSeconds: number): Drain {
  if (observation.kind !== 'draining') return drain;
  const holders = new Set(observation.holdingTasks.map((task) => task.containerInstanceArn));
  const tellers = observation.containerInstances.filter(({ arn }) => holders.has(arn));
  const silent = tellers.length > 0 && tellers.every(({ agentConnected }) => !agentConnected);
  if (!silent) return { ...drain, agentSilence: undefined };
  const containerInstances = tellers.map(({ arn }) => arn);
  const { sinceMs = nowMs, seenLastAtMs = nowMs, containerInstances: known = [] } = drain.agentSilence ?? {};
  const unbroken =
    nowMs - seenLastAtMs <= maxGapSeconds * 1000 && containerInstances.every((arn) => known.includes(arn));
  const agentSilence = { sinceMs: unbroken ? sinceMs : nowMs, seenLastAtMs: nowMs, containerInstances };
  return { ...drain, agentSilence };
}

/**
 * The registrations that take no tasks, with what the observation says of them. One that takes tasks, or that was not seen
 * before, begins it anew: it may have been given a task a moment ago. So does an agent that has just fallen silent.
 */
export function closedIn(observation: Observation, before: Closed | undefined, nowMs: number): Closed | undefined {
  switch (observation.kind) {
    case 'unavailable':
      return before;
    case 'leaving':
    case 'draining': {
      const now = closedSince(nowMs, observation.containerInstances);
      if (!before) return now;
      const isKnown = now.containerInstances.every((arn) => before.containerInstances.includes(arn));
      return isKnown && now.silent.every((arn) => before.silent.includes(arn))
        ? { ...now, sinceMs: before.sinceMs }
        : now;
    }
    case 'listed':
    case 'active':
    case 'absent':
      return undefined;
    default:
      return unreachable(observation);
  }
}

/** The registrations, which take no tasks from that instant on. */
export function closedSince(sinceMs: number, containerInstances: readonly ContainerInstance[]): Closed {
  const arnsOf = (those: readonly ContainerInstance[]) => those.map(({ arn }) => arn);
  const silent = containerInstances.filter(({ agentConnected }) => !agentConnected);
  return { sinceMs, containerInstances: arnsOf(containerInstances), silent: arnsOf(silent) };
}

/**
 * How far a task is in its life, as ECS names the stages (facts 13 counting-trap): the one that is least far is likely
 * to stop last.
 */
const STAGES = ['PROVISIONING', 'PENDING', 'ACTIVATING', 'RUNNING', 'DEACTIVATING', 'STOPPING', 'DEPROVISIONING'];

/** Whether it has yet to become RUNNING. */
export function hasYetToStart({ lastStatus }: HoldingTask): boolean {
  return STAGES.slice(0, STAGES.indexOf('RUNNING')).includes(lastStatus);
}

/** Whether it runs no longer: its load balancer lets go of it, or its containers end. */
export function isLeaving({ lastStatus }: HoldingTask): boolean {
  return STAGES.indexOf(lastStatus) > STAGES.indexOf('RUNNING');
}

/** Whether its containers were told to stop, or have: it is a matter of its stop timeout now. */
export function isEnding({ lastStatus }: HoldingTask): boolean {
  return STAGES.indexOf(lastStatus) >= STAGES.indexOf('STOPPING');
}

/** The task that is likely to stop last: the least far in its life, then the one with the longest stop timeout. */
export function lastToStop(tasks: readonly HoldingTask[]): HoldingTask | undefined {
  const stage = ({ lastStatus }: HoldingTask) => STAGES.indexOf(lastStatus);
  const timeout = ({ stopTimeoutSeconds = 0 }: HoldingTask) => stopTimeoutSeconds;
  return tasks.toSorted((a, b) => stage(a) - stage(b) || timeout(b) - timeout(a))[0];
}

/** Tells the compiler that every case was handled. */
export function unreachable(value: never): never {
  throw new Error(`Unhandled case: ${JSON.stringify(value)}`);
}
