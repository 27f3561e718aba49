/**
 * The vocabulary: what a drain is, and how it can end.
 * Instants are epoch milliseconds (`…AtMs`), durations carry their unit in the name.
 */

import type { AgentSilence, Closed, HoldingTask, Known, LastSeen } from './observation.ts';
import type { OperatorRequests } from './operator.ts';

/** The Auto Scaling group's pending decision on one instance. Group, hook, instance and token are a held drain's identity. */
export interface LifecycleAction {
  readonly autoScalingGroup: string;
  readonly lifecycleHook: string;
  readonly instanceId: string;
  /** Unique for each lifecycle action. Only the event carries it, so it is undefined where the event was lost. */
  readonly token?: string | undefined;
}

/**
 * EC2 announces that it may take an instance regardless of Auto Scaling: nothing is held and nothing is completed
 * (facts 6 ec2-notices).
 */
export interface Notice {
  readonly kind: NoticeKind;
  readonly instanceId: string;
  /** The id of the event. */
  readonly token: string;
}

/**
 * A Spot interruption follows two minutes after its warning. A rebalance recommendation only says that an interruption
 * has become more likely.
 */
export type NoticeKind = 'spot-interruption' | 'rebalance-recommendation';

/** The result of a lifecycle action. On termination both results terminate the instance (facts 19 hook-results). */
export type LifecycleResult = 'CONTINUE' | 'ABANDON';

/** How long Auto Scaling holds the instance (facts 18 hook-timeouts). */
export interface HookLimits {
  /** Time until Auto Scaling decides unless a heartbeat comes first, 30 to 7200. */
  readonly heartbeatTimeoutSeconds: number;
  /** Time after which Auto Scaling decides regardless of heartbeats. */
  readonly globalTimeoutSeconds: number;
  /**
   * ECS managed draining has a hook of its own on the group and holds each instance as well
   * (facts 22 managed-draining-hook).
   */
  readonly managedDraining?: boolean | undefined;
  /** Undefined if it chooses nothing. */
  readonly choices?: HookChoices | undefined;
}

/** What the notification metadata of a hook chooses for the drains of its group, within the policy of the stack. */
export interface HookChoices {
  readonly deadlineSeconds?: number | undefined;
  readonly deadlineResult?: LifecycleResult | undefined;
  readonly stopStragglers?: Stragglers | undefined;
  readonly deregistrationDelaySeconds?: number | undefined;
}

/** Which tasks are stopped ahead of the deadline, the fewest first. */
export const STRAGGLERS = ['none', 'standalone', 'all'] as const;
export type Stragglers = (typeof STRAGGLERS)[number];

/** A lifecycle hook of a group. */
export interface LifecycleHook {
  readonly name: string;
  readonly limits: HookLimits;
  /** The result if the hook times out; undefined where it is not known. */
  readonly defaultResult?: LifecycleResult | undefined;
  /** Free text from whoever created the hook. */
  readonly notificationMetadata?: string | undefined;
}

const MAX_HEARTBEAT_TIMEOUTS = 100;
const MAX_WAIT_SECONDS = 48 * 60 * 60;

/** The limits of a hook with this heartbeat timeout (facts 18 hook-timeouts). */
export function hookLimits(heartbeatTimeoutSeconds: number): HookLimits {
  const globalTimeoutSeconds = Math.min(MAX_WAIT_SECONDS, MAX_HEARTBEAT_TIMEOUTS * heartbeatTimeoutSeconds);
  return { heartbeatTimeoutSeconds, globalTimeoutSeconds };
}

/** ECS managed draining adds a hook of its own to the group (facts 22 managed-draining-hook). */
export const MANAGED_DRAINING_HOOK = 'ecs-managed-draining-termination-hook';

/** Our work on one lifecycle action or notice, from the first event to its outcome. It travels in continuations. */
export type Drain = HeldDrain | SupervisedDrain | NoticeDrain;

/** What every drain has. */
interface DrainState {
  /** The cluster that the hook's notification metadata or the settings name: searched before the others. */
  readonly namedCluster?: string | undefined;
  /** The cluster where the instance was found last; for reports. */
  readonly cluster?: string | undefined;
  /** When Auto Scaling began to hold the instance, or EC2 gave notice. */
  readonly startedAtMs: number;
  /** How often a later invocation continued it. */
  readonly continuations: number;
  /** Time to the next look while nothing changes and nothing else wakes it. */
  readonly pollIntervalSeconds: number;
  readonly agentSilence?: AgentSilence | undefined;
  /** Undefined while a registration may take tasks, or before the first look. */
  readonly closed?: Closed | undefined;
  /** The latest event that was published about it; undefined while there was nothing to wait for. */
  readonly announced?: 'started' | 'stuck' | undefined;
  /** What was on the instance when it was observed last: where to look next, never a reason to end the drain. */
  readonly known?: Known | undefined;
  /** When an ECS event said that the instance has become empty; ECS's answers may be older for some seconds. */
  readonly emptiedAtMs?: number | undefined;
  /** Undefined as long as no schedule holds its state. */
  readonly parked?: Parked | undefined;
  /** The turn of a wait which AWS may have written into the schedule, although it did not confirm it. */
  readonly unconfirmedTurn?: number | undefined;
  /** Whether only the next sweep continues it: see `once.ts`. */
  readonly isOnce?: true | undefined;
  /** Undefined as long as no operator has asked for anything. */
  readonly operator?: OperatorRequests | undefined;
}

/** A drain of a lifecycle action: Auto Scaling holds the instance until we complete the action or a timeout passes. */
export interface HeldDrain extends DrainState {
  readonly kind: 'held';
  readonly action: LifecycleAction;
  /** Auto Scaling does not terminate the instance but replaces its root volume (facts 45 root-volume-replacement). */
  readonly staysInGroup?: true | undefined;
  /** The hook chooses ABANDON for the deadline: the group may retain the instance (facts 46 instance-lifecycle-policy). */
  readonly mayBeRetained?: true | undefined;
  /** Undefined until there is something to wait for. */
  readonly hook?: HookLimits | undefined;
  /** When the heartbeat timeout was started last; the hold itself starts it first. */
  readonly lastHeartbeatAtMs: number;
  readonly heartbeats: number;
}

/**
 * A drain of ECS managed draining, which we only watch: ECS sets the instance to DRAINING, keeps its own hook open and
 * completes it.
 */
export interface SupervisedDrain extends DrainState {
  readonly kind: 'supervised';
  readonly action: LifecycleAction;
  /** Undefined before the first look. */
  readonly hook?: HookLimits | undefined;
  /** Since when no task has been seen on the DRAINING instance: ECS should complete its hook soon. */
  readonly emptySinceMs?: number | undefined;
  /** AWS denied completing the hook at the deadline: ECS alone ends the drain. */
  readonly isCompletionDenied?: boolean | undefined;
}

/** A drain of a lifecycle action, by ecs-drain or by ECS. */
export type ActionDrain = HeldDrain | SupervisedDrain;

/** A drain on a notice of EC2. */
export interface NoticeDrain extends DrainState {
  readonly kind: 'notice';
  readonly notice: Notice;
}

/** The schedule that holds the drain's state. */
export interface Parked {
  readonly schedule: string;
  /** When the drain is due again unless an event wakes it before. */
  readonly untilMs: number;
  /** When the schedule fires: then, or later where it is only the net under a message on the queue. */
  readonly firesAtMs: number;
  /** Drawn for each wait: of two chains that wait until the same second, the one that wrote the schedule last goes on. */
  readonly turn?: number | undefined;
}

/** Whether another delivery of the drain has written its wait over that of this one. */
export function isWrittenSince(stored: Drain, drain: Drain): boolean {
  if (!stored.parked || !drain.parked || isOwnWait(stored, drain)) return false;
  const { untilMs, turn } = drain.parked;
  return stored.parked.untilMs > untilMs || (stored.parked.untilMs === untilMs && stored.parked.turn !== turn);
}

/** Whether another delivery of the drain continues it: it has written a later wait, or one that this delivery knows nothing of. */
export function isContinuedElsewhere(stored: Drain, drain: Drain, nowMs: number): boolean {
  if (drain.parked) return isWrittenSince(stored, drain);
  return !isOwnWait(stored, drain) && (stored.parked?.firesAtMs ?? 0) > nowMs;
}

/** Whether the stored wait is one that this delivery has tried to write. */
export function isOwnWait({ parked }: Drain, { unconfirmedTurn }: Drain): boolean {
  return parked?.turn !== undefined && parked.turn === unconfirmedTurn;
}

/** How we end a drain. */
export type Verdict =
  | { readonly kind: 'drained'; readonly lastTaskStoppedAtMs: number | undefined }
  | { readonly kind: 'gone'; readonly clusters: readonly string[] }
  | LethalVerdict;

/** A verdict that lets an instance go with tasks on it. */
export type LethalVerdict =
  | ({ readonly kind: 'timed-out'; readonly deadlineAtMs: number } & TasksLeft)
  | ({ readonly kind: 'agent-lost'; readonly disconnectedSinceMs: number } & TasksLeft);

/** The tasks that had not stopped, and the result for Auto Scaling. */
interface TasksLeft {
  readonly result: LifecycleResult;
  readonly killedTasks: readonly HoldingTask[];
  /** They run on: EC2 has only recommended to rebalance their instance. */
  readonly sparedTasks?: readonly HoldingTask[];
}

/** How a drain ended: by our verdict, or because the action was no longer pending. */
export type Outcome =
  | Exclude<Verdict, { readonly kind: 'gone' }>
  | (Extract<Verdict, { readonly kind: 'gone' }> & EndNotSeen)
  | ({ readonly kind: 'already-completed' } & EndNotSeen);

/** Someone else let the instance go, and tasks may have been on it. */
interface EndNotSeen {
  /** Undefined if its tasks were never observed, so nothing is known of them. */
  readonly lastSeen: LastSeen | undefined;
}

/** What every new drain starts with. */
export interface Beginning {
  readonly startedAtMs: number;
  readonly namedCluster?: string | undefined;
  readonly pollIntervalSeconds: number;
}

type NewHeldDrain = Beginning & Pick<HeldDrain, 'staysInGroup' | 'mayBeRetained'>;

/** A new drain of a lifecycle action; its first heartbeat timeout runs since `startedAtMs`. */
export function newHeldDrain(
  action: LifecycleAction,
  { staysInGroup, mayBeRetained, ...beginning }: NewHeldDrain,
): HeldDrain {
  const state = { ...newState(beginning), lastHeartbeatAtMs: beginning.startedAtMs, heartbeats: 0 };
  const staying = { ...(staysInGroup && { staysInGroup }), ...(mayBeRetained && { mayBeRetained }) };
  return { kind: 'held', action, ...staying, ...state };
}

/** A new drain of a lifecycle action: the hook says who drains. */
export function newActionDrain(action: LifecycleAction, beginning: NewHeldDrain): ActionDrain {
  if (action.lifecycleHook !== MANAGED_DRAINING_HOOK) return newHeldDrain(action, beginning);
  return { kind: 'supervised', action, ...newState(beginning) };
}

/** A new drain on a notice. */
export function newNoticeDrain(notice: Notice, beginning: Beginning): NoticeDrain {
  return { kind: 'notice', notice, ...newState(beginning) };
}

function newState({ startedAtMs, namedCluster, pollIntervalSeconds }: Beginning): DrainState {
  return { namedCluster, cluster: namedCluster, startedAtMs, continuations: 0, pollIntervalSeconds };
}

/** The EC2 instance that the drain is about. */
export function instanceIdOf(drain: Drain): string {
  return drain.kind === 'notice' ? drain.notice.instanceId : drain.action.instanceId;
}

/** The drain's id in logs and events: the token of its action or notice, or the instance where the token is unknown. */
export function drainIdOf(drain: Drain): string {
  return drain.kind === 'notice' ? drain.notice.token : (drain.action.token ?? drain.action.instanceId);
}

/** Whether both are drains of the same lifecycle action, or on the same notice. */
export function isSameDrain(a: Drain, b: Drain): boolean {
  if (a.kind === 'notice' || b.kind === 'notice') {
    return a.kind === b.kind && drainIdOf(a) === drainIdOf(b) && instanceIdOf(a) === instanceIdOf(b);
  }
  const [one, other] = [a.action, b.action];
  const isSameHold =
    one.instanceId === other.instanceId &&
    one.autoScalingGroup === other.autoScalingGroup &&
    one.lifecycleHook === other.lifecycleHook;
  // A group may hold an instance again that went back to its warm pool: then the tokens differ.
  return isSameHold && (one.token === other.token || one.token === undefined || other.token === undefined);
}

/** One text for each lifecycle action or notice: two arrivals of one drain are one work. */
export function keyOf(drain: Drain): string {
  if (drain.kind === 'notice') return JSON.stringify([drain.notice.token, instanceIdOf(drain)]);
  const { autoScalingGroup, lifecycleHook, instanceId } = drain.action;
  return JSON.stringify([autoScalingGroup, lifecycleHook, instanceId]);
}

/** Whether EC2 only recommends to rebalance the instance: nothing takes it when the drain ends. */
export function isOnlyRecommended(drain: Drain): boolean {
  return drain.kind === 'notice' && drain.notice.kind === 'rebalance-recommendation';
}

/** Whether the verdict lets the instance go although tasks had not stopped. */
export function killsTasks(verdict: Outcome): verdict is LethalVerdict {
  return verdict.kind === 'timed-out' || verdict.kind === 'agent-lost';
}

/** Lets the compiler check that every case is handled. */
export function unreachable(value: never): never {
  throw new Error(`Unhandled case: ${JSON.stringify(value)}`);
}
