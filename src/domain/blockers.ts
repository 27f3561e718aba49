/** Why a drain goes on: what holds the instance, and the cause where AWS tells it. Pure. */

import {
  type AgentSilence,
  type ContainerInstance,
  type HoldingTask,
  hasYetToStart,
  isEnding,
  isLeaving,
  type TaskClass,
} from './drain.ts';

/** Why a task stays. A task may have several; which of them weighs most only a person can tell. */
export type Cause =
  /**
   * The agent of its container instance is not connected: ECS can tell it nothing, and hears nothing of it
   * (facts 15 agent-connection).
   */
  | { readonly kind: 'agent-silent'; readonly sinceMs: number | undefined }
  /** Started by hand or by a schedule, for no service: draining leaves it alone (facts 12 draining-rules). */
  | { readonly kind: 'standalone'; readonly startedBy: string | undefined }
  /** It has yet to become RUNNING. */
  | { readonly kind: 'starting' }
  /** The service may neither stop a task first nor start another first (facts 37 undrainable-services). */
  | {
      readonly kind: 'cannot-replace';
      readonly desiredCount: number;
      readonly minimumHealthyPercent: number;
      readonly maximumPercent: number;
    }
  /** ECS found no room for a replacement (facts 38 service-events). */
  | { readonly kind: 'no-room'; readonly message: string; readonly atMs: number }
  /** Replacements start, and do not stay or do not get healthy (facts 38 service-events). */
  | { readonly kind: 'replacements-fail'; readonly message: string; readonly atMs: number }
  /** Scale-in protection is on; that draining honours it AWS does not say (facts 39 task-protection). */
  | { readonly kind: 'protected'; readonly untilMs: number | undefined }
  /** The service is being deployed at the same time, or its deployment has failed. */
  | { readonly kind: 'deployment'; readonly state: 'IN_PROGRESS' | 'FAILED'; readonly sinceMs: number }
  /** A daemon's turn comes after the replicas' (facts 12 draining-rules). */
  | { readonly kind: 'daemon-last' }
  /** Its load balancer still sends it what it has begun. */
  | { readonly kind: 'deregistering' }
  /** It was told to stop, and its containers have not ended. */
  | { readonly kind: 'stopping' }
  /** Its containers may take longer to end than the drain has left; of one that is not told yet, even if it were now. */
  | { readonly kind: 'stop-timeout'; readonly stopTimeoutSeconds: number };

export type CauseKind = Cause['kind'];

/** Tasks of one service, or of one group of RunTask, that stay for the same causes. */
export interface Blocker {
  readonly cluster: string;
  /** `service:web`, or what RunTask was given. */
  readonly group: string;
  readonly class: TaskClass;
  readonly tasks: readonly HoldingTask[];
  /** None, where AWS tells none. */
  readonly causes: readonly Cause[];
}

/** What ECS says of a service, as far as it may be a cause. */
export interface Service {
  readonly cluster: string;
  readonly name: string;
  readonly desiredCount: number;
  readonly minimumHealthyPercent: number;
  readonly maximumPercent: number;
  /** The last hundred or less. */
  readonly events: readonly ServiceEvent[];
  /** Of the newest deployment; undefined where it is over, or the service is not deployed by ECS. */
  readonly deployment: { readonly state: 'IN_PROGRESS' | 'FAILED'; readonly sinceMs: number } | undefined;
}

export interface ServiceEvent {
  readonly atMs: number;
  readonly message: string;
}

/** What ECS was asked for the sake of an explanation alone. */
export interface Facts {
  readonly services: readonly Service[];
  /** The tasks with scale-in protection, by ARN, and until when. */
  readonly protectedTasks: ReadonlyMap<string, number | undefined>;
  /** What ECS did not tell, and why: a sentence each. Causes that depend on it are missing. */
  readonly unknown: readonly string[];
}

export const NO_FACTS: Facts = { services: [], protectedTasks: new Map(), unknown: [] };

/** What an explanation depends on, beside the tasks. */
export interface Circumstances {
  readonly facts: Facts;
  /** The registrations that the tasks are on, for their agents. */
  readonly containerInstances: readonly ContainerInstance[];
  /** Since when all of their agents were seen silent. */
  readonly agentSilence?: AgentSilence | undefined;
  /** When the drain began. */
  readonly startedAtMs: number;
  readonly deadlineAtMs: number;
  readonly nowMs: number;
}

/** What is told of a drain that is stuck, or that ends while tasks hold the instance. */
export interface Explanation {
  readonly atMs: number;
  readonly blockers: readonly Blocker[];
  /** As in `Facts`. */
  readonly unknown: readonly string[];
}

const STOP_TIMEOUTS_UNREAD = 'Stop timeouts are read only where stopStragglers is on.';

/** The explanation, from what ECS said. */
export function explanationOf(tasks: readonly HoldingTask[], circumstances: Circumstances): Explanation {
  const { nowMs, facts } = circumstances;
  const unread = tasks.some((task) => task.stopTimeoutSeconds === undefined && isTold(task));
  const unknown = unread ? [...facts.unknown, STOP_TIMEOUTS_UNREAD] : facts.unknown;
  return { atMs: nowMs, blockers: blockersOf(tasks, circumstances), unknown };
}

/** What holds the instance: each task in exactly one blocker, those that only wait for others last. */
export function blockersOf(tasks: readonly HoldingTask[], circumstances: Circumstances): Blocker[] {
  const explained = tasks.map((task) => ({ task, causes: causesOf(task, tasks, circumstances) }));
  const alike = Map.groupBy(explained, ({ task: { cluster, group }, causes }) =>
    JSON.stringify([cluster, group, causes]),
  );
  const blockers = [...alike.values()].flatMap((members) => {
    const [first] = members;
    if (!first) return [];
    const { cluster, group, class: taskClass } = first.task;
    return [{ cluster, group, class: taskClass, tasks: members.map(({ task }) => task), causes: first.causes }];
  });
  return blockers.toSorted((a, b) => Number(onlyWaits(a)) - Number(onlyWaits(b)));
}

function onlyWaits({ causes }: Blocker): boolean {
  return causes.some(({ kind }) => kind === 'daemon-last');
}

function causesOf(task: HoldingTask, tasks: readonly HoldingTask[], circumstances: Circumstances): Cause[] {
  return [
    ...agentCause(task, circumstances),
    ...courseOf(task, tasks, circumstances),
    ...timeoutCause(task, circumstances),
  ];
}

function agentCause(
  { containerInstanceArn }: HoldingTask,
  { containerInstances, agentSilence }: Circumstances,
): Cause[] {
  const host = containerInstances.find(({ arn }) => arn === containerInstanceArn);
  return host && !host.agentConnected ? [{ kind: 'agent-silent', sinceMs: agentSilence?.sinceMs }] : [];
}

/** What the stage of its life and its class amount to. */
function courseOf(task: HoldingTask, tasks: readonly HoldingTask[], circumstances: Circumstances): Cause[] {
  if (isEnding(task)) return [{ kind: 'stopping' }];
  if (isLeaving(task)) return [{ kind: 'deregistering' }];
  if (task.stopRequested) return [{ kind: 'stopping' }];
  const starting: Cause[] = hasYetToStart(task) ? [{ kind: 'starting' }] : [];
  switch (task.class) {
    case 'standalone':
      return [{ kind: 'standalone', startedBy: task.startedBy }, ...starting];
    case 'daemon':
      return tasks.some((other) => other.class === 'service') ? [{ kind: 'daemon-last' }, ...starting] : starting;
    case 'service':
      return [...replacementCauses(task, circumstances), ...starting];
    default:
      return task.class satisfies never;
  }
}

/** What keeps ECS from replacing a service's task that is to run. */
function replacementCauses(task: HoldingTask, { facts, startedAtMs, nowMs }: Circumstances): Cause[] {
  const service = facts.services.find(
    ({ cluster, name }) => cluster === task.cluster && task.group === `service:${name}`,
  );
  const protection: Cause[] = facts.protectedTasks.has(task.arn)
    ? [{ kind: 'protected', untilMs: facts.protectedTasks.get(task.arn) }]
    : [];
  if (!service) return protection;
  const { deployment } = service;
  return [
    ...(canReplace(service) ? [] : [cannotReplace(service)]),
    ...placementCause(service.events, startedAtMs, nowMs),
    ...failureCause(service.events, startedAtMs),
    ...protection,
    ...(deployment ? [{ kind: 'deployment', ...deployment } as const] : []),
  ];
}

/**
 * Facts 37 undrainable-services: the minimum is rounded up, the maximum down. What is to have no tasks at all can
 * always lose one.
 */
export function canReplace(
  service: Pick<Service, 'desiredCount' | 'minimumHealthyPercent' | 'maximumPercent'>,
): boolean {
  const { desiredCount, minimumHealthyPercent, maximumPercent } = service;
  const mayStop = Math.ceil((desiredCount * minimumHealthyPercent) / 100) < desiredCount;
  const mayStart = Math.floor((desiredCount * maximumPercent) / 100) > desiredCount;
  return desiredCount === 0 || mayStop || mayStart;
}

function cannotReplace({ desiredCount, minimumHealthyPercent, maximumPercent }: Service): Cause {
  return { kind: 'cannot-replace', desiredCount, minimumHealthyPercent, maximumPercent };
}

const CANNOT_PLACE = /\bwas unable to place a task\b|No Container Instances were found in your capacity provider/i;
const CANNOT_STAY = /\bis unable to consistently start tasks successfully\b|\bis unhealthy in\b/i;
const IS_STEADY = /\bhas reached a steady state\b/i;

/** ECS does not repeat an event until its cause is gone or six hours have passed (facts 38 service-events). */
const REPEATED_AFTER_MS = 6 * 60 * 60 * 1000;

/**
 * The newest word that a task found no place: since the drain began, or one from before that is not over. It is over when
 * the service was steady since, or when ECS would have said it again.
 */
function placementCause(events: readonly ServiceEvent[], startedAtMs: number, nowMs: number): Cause[] {
  const event = newest(events, CANNOT_PLACE);
  if (!event) return [];
  const wasSteadySince = (newest(events, IS_STEADY)?.atMs ?? Number.NEGATIVE_INFINITY) > event.atMs;
  const goesOn = !wasSteadySince && event.atMs > nowMs - REPEATED_AFTER_MS;
  return event.atMs >= startedAtMs || goesOn ? [{ kind: 'no-room', ...event }] : [];
}

function failureCause(events: readonly ServiceEvent[], startedAtMs: number): Cause[] {
  const event = newest(events, CANNOT_STAY);
  return event && event.atMs >= startedAtMs ? [{ kind: 'replacements-fail', ...event }] : [];
}

function newest(events: readonly ServiceEvent[], about: RegExp): ServiceEvent | undefined {
  return events.filter(({ message }) => about.test(message)).toSorted((a, b) => b.atMs - a.atMs)[0];
}

function isTold(task: HoldingTask): boolean {
  return task.stopRequested || isLeaving(task);
}

/**
 * A task that was told to stop has its timeout from then on, or from later: ECS does not tell when SIGTERM came. After the
 * deadline every task that runs is late, which says nothing of its timeout.
 */
function timeoutCause(task: HoldingTask, { nowMs, deadlineAtMs }: Circumstances): Cause[] {
  const { lastStatus, stopTimeoutSeconds } = task;
  if (stopTimeoutSeconds === undefined || lastStatus === 'DEPROVISIONING') return []; // Its containers have ended.
  const toldAtMs = isTold(task) ? (task.statusSinceMs ?? nowMs) : nowMs;
  const isLate = toldAtMs + stopTimeoutSeconds * 1000 > deadlineAtMs && toldAtMs < deadlineAtMs;
  return isLate ? [{ kind: 'stop-timeout', stopTimeoutSeconds }] : [];
}
