/** What ECS says about a drain's instance, and how much each observation covers. */

/** What a call to ECS needs to name a container instance or a task. */
export interface EcsRef {
  readonly arn: string;
  readonly cluster: string;
}

/** The statuses of a container instance (ECS API reference, ContainerInstance). */
export const CONTAINER_INSTANCE_STATUSES = [
  'REGISTERING',
  'REGISTRATION_FAILED',
  'ACTIVE',
  'DRAINING',
  'DEREGISTERING',
  'INACTIVE',
] as const;

/** `UNKNOWN` is a status that ECS has introduced since: the registration may have tasks, but is given none. */
export type ContainerInstanceStatus = (typeof CONTAINER_INSTANCE_STATUSES)[number] | 'UNKNOWN';

/**
 * One registration of an EC2 instance in a cluster; an agent that registered again leaves several
 * (facts 14 instance-lookup).
 */
export interface ContainerInstance extends EcsRef {
  readonly ec2InstanceId: string;
  readonly status: ContainerInstanceStatus;
  readonly agentConnected: boolean;
  /** Undefined where ECS does not say, as in an event. */
  readonly registeredAtMs?: number | undefined;
  /** Tasks whose desired status is RUNNING. At 0, others may still hold the instance (facts 13 counting-trap). */
  readonly countedTasks: number;
  /** Whether all that the instance registered is free again: a sign of no task, never a proof (facts 91 freed-resources). */
  readonly isEmpty: boolean;
}

/**
 * Who started a task: a service, a daemon service (known only where the services were read), or a call to RunTask.
 */
export type TaskClass = 'service' | 'daemon' | 'standalone';

/** The statuses of a task that has not stopped, in the order of its life (facts 13 counting-trap). */
export const STAGES = [
  'PROVISIONING',
  'PENDING',
  'ACTIVATING',
  'RUNNING',
  'DEACTIVATING',
  'STOPPING',
  'DEPROVISIONING',
] as const;

/** `UNKNOWN` is a status that ECS has introduced since: the task has not stopped. */
export type HoldingStatus = (typeof STAGES)[number] | 'UNKNOWN';

/** A task that was on the instance and has not stopped: the instance must not be terminated while there is one. */
export interface HoldingTask extends EcsRef {
  readonly kind: 'holding';
  readonly containerInstanceArn: string;
  readonly class: TaskClass;
  /** `service:web`, or the group that RunTask was given. */
  readonly group: string;
  readonly lastStatus: HoldingStatus;
  /** Whether ECS was asked to stop it. */
  readonly stopRequested: boolean;
  /** Undefined where stop timeouts are not read: see the setting `stopStragglers`. */
  readonly stopTimeoutSeconds?: number | undefined;
  /** When the task entered `lastStatus` (epoch ms, approximate). */
  readonly statusSinceMs?: number | undefined;
  readonly startedBy?: string | undefined;
}

/** A task that has stopped and that ECS still lists. */
export interface StoppedTask {
  readonly kind: 'stopped';
  readonly arn: string;
  readonly containerInstanceArn: string;
  readonly stoppedAtMs: number | undefined;
  /** It ended because its EC2 instance did. */
  readonly isLostWithHost?: boolean | undefined;
}

export type Task = HoldingTask | StoppedTask;

/** Which part of ECS is asked: a known registration is described, a search finds new ones; the same for tasks. */
export interface Scope {
  readonly registrations: 'known' | 'search';
  readonly tasks: 'known' | 'list';
}

/** What ECS says now. */
export type Observation =
  /** ECS could not be asked. Where it only refused to list further tasks, `partial` has those that are known to hold the instance. */
  | { readonly kind: 'unavailable'; readonly reason: string; readonly partial?: Seen | undefined }
  /** No configured cluster has a live registration of the instance. */
  | {
      readonly kind: 'absent';
      readonly clusters: readonly string[];
      /** The known tasks as they are now; undefined where none were described. */
      readonly tasks?: TasksSeen | undefined;
    }
  | Seen;

/** The live registrations of the instance, and what is on them. */
export interface Seen {
  readonly kind: 'seen';
  /** At least one. */
  readonly containerInstances: readonly ContainerInstance[];
  /** Undefined while a registration takes tasks, or before they were listed. */
  readonly tasks: TasksSeen | undefined;
  /** When a search of every cluster for registrations began; undefined where only known ones were described. */
  readonly searchedAtMs: number | undefined;
}

/** The tasks of all registrations of a `Seen`. */
export interface TasksSeen {
  readonly holding: readonly HoldingTask[];
  /** When the latest of the stopped tasks stopped. */
  readonly lastStoppedAtMs: number | undefined;
  /** When the listing began that the tasks come from; they may have been described again since. */
  readonly listedAtMs: number;
  /** How many of the known tasks ended with their EC2 instance, or are forgotten by ECS: whether they stopped is not known. */
  readonly lost?: number | undefined;
}

/** The registrations and tasks of an observation: where the next one looks. */
export interface Known {
  readonly containerInstances: readonly EcsRef[];
  /** Undefined before the tasks were listed. */
  readonly tasks?:
    | (Pick<TasksSeen, 'listedAtMs'> & {
        readonly holding: readonly EcsRef[];
        /** When they were seen last; undefined if version 5 of the function wrote it. */
        readonly seenAtMs?: number | undefined;
      })
    | undefined;
}

/** The tasks that held the instance when some were seen last. What became of them is not known unless `haveStopped`. */
export interface LastSeen {
  readonly tasks: readonly EcsRef[];
  readonly atMs: number;
  /** Whether a later look saw that they had stopped: by themselves, or because the instance was terminated. */
  readonly haveStopped: boolean;
}

/**
 * Registrations that take no tasks, and since when. ECS may not list yet what it placed just before
 * (facts 23 eventual-consistency).
 */
export interface Closed {
  readonly sinceMs: number;
  /** ARNs of the registrations, except for those that are still registering. */
  readonly containerInstances: readonly string[];
  /** Those whose agent is disconnected: it may have registered again, which ECS may not list yet either. */
  readonly silent: readonly string[];
}

/** The silence of every agent that could report on the holding tasks, seen in look after look. */
export interface AgentSilence {
  readonly sinceMs: number;
  readonly seenLastAtMs: number;
  /** ARNs of the registrations; undefined if version 1 of the function wrote it. */
  readonly containerInstances?: readonly string[] | undefined;
}

/**
 * Whether a task with this `lastStatus` still holds the instance. A task that is DEACTIVATING, STOPPING or
 * DEPROVISIONING has left every count and still serves requests (facts 13 counting-trap).
 */
export function holdsInstance(lastStatus: string): boolean {
  return lastStatus !== 'STOPPED' && lastStatus !== 'DELETED';
}

const DEAD: readonly ContainerInstanceStatus[] = ['REGISTRATION_FAILED', 'DEREGISTERING', 'INACTIVE'];

/** Whether the registration counts: the others have left their cluster or never joined it. */
export function isLive({ status }: Pick<ContainerInstance, 'status'>): boolean {
  return !DEAD.includes(status);
}

/** What ECS says of the instance, where there may be further tasks as well. */
export function partlySeenIn(observation: Observation | undefined): Seen | undefined {
  if (observation?.kind === 'unavailable') return observation.partial;
  return observation?.kind === 'seen' ? observation : undefined;
}

/** The registrations that ECS may still place tasks on. */
export function activeIn({ containerInstances }: Seen): readonly ContainerInstance[] {
  return containerInstances.filter(({ status }) => status === 'ACTIVE');
}

/** Whether no task holds memory of the instance: a sign that none is there, also of those that no one has listed. */
export function isAllFree({ containerInstances }: Seen): boolean {
  return containerInstances.every(({ isEmpty }) => isEmpty);
}

/** Whether this very look has listed the tasks, on what it had searched for. */
export function isListedWithSearch({ tasks, searchedAtMs }: Seen): boolean {
  return tasks !== undefined && searchedAtMs !== undefined && tasks.listedAtMs >= searchedAtMs;
}

/** Whether a registration is about to become ACTIVE: it can be drained only then, and may have tasks by then. */
export function isRegistering({ containerInstances }: Seen): boolean {
  return containerInstances.some(({ status }) => status === 'REGISTERING');
}

/** Whether the task has yet to become RUNNING. */
export function hasYetToStart({ lastStatus }: HoldingTask): boolean {
  return lastStatus !== 'UNKNOWN' && STAGES.indexOf(lastStatus) < STAGES.indexOf('RUNNING');
}

/** Whether the task has left RUNNING: its load balancer deregisters it, or its containers end. */
export function isLeaving({ lastStatus }: HoldingTask): boolean {
  return lastStatus !== 'UNKNOWN' && STAGES.indexOf(lastStatus) > STAGES.indexOf('RUNNING');
}

/** Whether the task's containers are stopping, or have stopped. */
export function isEnding({ lastStatus }: HoldingTask): boolean {
  return lastStatus !== 'UNKNOWN' && STAGES.indexOf(lastStatus) >= STAGES.indexOf('STOPPING');
}

/** The holding tasks and their statuses as one text, to compare observations by. */
export function fingerprintOf(observation: Observation | undefined): string | undefined {
  return partlySeenIn(observation)
    ?.tasks?.holding.map(({ arn, lastStatus }) => `${arn} ${lastStatus}`)
    .sort()
    .join();
}

/**
 * Since when the registrations take no tasks. A registration that takes tasks, that was not seen before, that was still
 * registering or whose agent has just disconnected starts the time again: ECS may have placed a task a moment ago.
 */
export function closedIn(observation: Observation, before: Closed | undefined, nowMs: number): Closed | undefined {
  if (observation.kind === 'unavailable') return before;
  if (observation.kind === 'absent' || activeIn(observation).length > 0) return undefined;
  const registered = observation.containerInstances.filter(({ status }) => status !== 'REGISTERING');
  const containerInstances = registered.map(({ arn }) => arn);
  const silent = observation.containerInstances.filter((each) => !each.agentConnected).map(({ arn }) => arn);
  const isUnchanged =
    before &&
    containerInstances.every((arn) => before.containerInstances.includes(arn)) &&
    silent.every((arn) => before.silent.includes(arn));
  return { sinceMs: isUnchanged ? before.sinceMs : nowMs, containerInstances, silent };
}

/** Whether no agent is connected: what a terminated instance leaves behind is like that (facts 15 agent-connection). */
export function isWithoutAgent({ containerInstances }: Seen): boolean {
  return containerInstances.every(({ agentConnected }) => !agentConnected);
}

/**
 * The silence of the agents after this observation. Agents disconnect in normal operation (facts 15 agent-connection): a
 * silence that no one observed for longer than `maxGapSeconds` starts again, and so does that of another agent. Only agents
 * of registrations with holding tasks count.
 */
export function agentSilenceIn(
  observation: Observation,
  before: AgentSilence | undefined,
  nowMs: number,
  maxGapSeconds: number,
): AgentSilence | undefined {
  const { tasks, containerInstances = [] } = partlySeenIn(observation) ?? {};
  if (!tasks) return before;
  const holders = new Set(tasks.holding.map(({ containerInstanceArn }) => containerInstanceArn));
  const hosts = containerInstances.filter(({ arn }) => holders.has(arn));
  if (hosts.length === 0 || hosts.some(({ agentConnected }) => agentConnected)) return undefined;
  const arns = hosts.map(({ arn }) => arn);
  const isUnbroken =
    before !== undefined &&
    nowMs - before.seenLastAtMs <= maxGapSeconds * 1000 &&
    arns.every((arn) => (before.containerInstances ?? []).includes(arn));
  return { sinceMs: isUnbroken ? before.sinceMs : nowMs, seenLastAtMs: nowMs, containerInstances: arns };
}

/**
 * The registrations and tasks to look at next; tasks that were not listed this time stay as they were known. The registration
 * that was known first stays the first, because it names the drain's schedule: copies of an event have to meet there.
 */
export function knownFrom({ containerInstances, tasks }: Seen, before: Known | undefined, nowMs: number): Known {
  const refs = (those: readonly EcsRef[]) => those.map(({ arn, cluster }) => ({ arn, cluster }));
  const first = before?.containerInstances[0]?.arn;
  return {
    containerInstances: refs(containerInstances.toSorted((a, b) => Number(b.arn === first) - Number(a.arn === first))),
    tasks: tasks ? { holding: refs(tasks.holding), listedAtMs: tasks.listedAtMs, seenAtMs: nowMs } : before?.tasks,
  };
}

/** The tasks that an earlier round saw last. */
export function lastSeenIn(known: Known | undefined): LastSeen | undefined {
  const { holding: tasks, seenAtMs: atMs } = known?.tasks ?? {};
  return tasks && atMs !== undefined ? { tasks, atMs, haveStopped: false } : undefined;
}

/** The tasks seen last after this observation: a look that sees none left keeps those that it no longer sees. */
export function lastSeenAfter({ tasks }: Seen, before: LastSeen | undefined, nowMs: number): LastSeen | undefined {
  if (!tasks) return before;
  const isEmptied = tasks.holding.length === 0 && before !== undefined && before.tasks.length > 0;
  return isEmptied ? { ...before, haveStopped: true } : { tasks: tasks.holding, atMs: nowMs, haveStopped: false };
}
