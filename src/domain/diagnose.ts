/** Explains why tasks still hold an instance, as far as AWS reports the causes. Pure. */

import {
  type AgentSilence,
  type ContainerInstance,
  type HoldingTask,
  hasYetToStart,
  isEnding,
  isLeaving,
  type TaskClass,
} from './observation.ts';
import { type Meaning, meaningOf } from './service-events.ts';

/** Why a task still holds the instance. A task may have several causes; they are not ranked. */
export type Cause =
  /**
   * The agent of its container instance is disconnected, so ECS can neither stop the task nor learn that it has stopped
   * (facts 15 agent-connection).
   */
  | { readonly kind: 'agent-silent'; readonly sinceMs: number | undefined }
  /** RunTask started it and no service owns it, so draining does not stop it (facts 12 draining-rules). */
  | { readonly kind: 'standalone'; readonly startedBy: string | undefined }
  /** It is not RUNNING yet. */
  | { readonly kind: 'starting' }
  /** The service's percentages allow neither stopping a task first nor starting one first (facts 37 undrainable-services). */
  | {
      readonly kind: 'cannot-replace';
      readonly desiredCount: number;
      readonly minimumHealthyPercent: number;
      readonly maximumPercent: number;
    }
  /** ECS found no room for a replacement (facts 38 service-events). */
  | { readonly kind: 'no-room'; readonly message: string; readonly atMs: number }
  /** Replacements fail to start or to become healthy (facts 38 service-events). */
  | { readonly kind: 'replacements-fail'; readonly message: string; readonly atMs: number }
  /** ECS reported about the service what no phrase known here says (facts 38 service-events). */
  | { readonly kind: 'service-event'; readonly message: string; readonly atMs: number }
  /** Scale-in protection is on; AWS does not document whether draining honors it (facts 39 task-protection). */
  | { readonly kind: 'protected'; readonly untilMs: number | undefined }
  /** The service is being deployed at the same time, or its deployment has failed. */
  | { readonly kind: 'deployment'; readonly state: 'IN_PROGRESS' | 'FAILED'; readonly sinceMs: number }
  /** ECS stops daemon tasks after the tasks of other services (facts 12 draining-rules). */
  | { readonly kind: 'daemon-last' }
  /** The load balancer is deregistering it. */
  | { readonly kind: 'deregistering' }
  /** ECS is stopping it, and its containers have not ended. */
  | { readonly kind: 'stopping' }
  /** Its containers may take longer to stop than the time left to the deadline, even if ECS began to stop them now. */
  | { readonly kind: 'stop-timeout'; readonly stopTimeoutSeconds: number };

export type CauseKind = Cause['kind'];

/** Tasks of one service, or of one RunTask group, that hold the instance for the same causes. */
export interface Blocker {
  readonly cluster: string;
  /** `service:web`, or the group that RunTask was given. */
  readonly group: string;
  readonly class: TaskClass;
  readonly tasks: readonly HoldingTask[];
  /** Empty where AWS reports none. */
  readonly causes: readonly Cause[];
}

/** The state of a service that may explain why its tasks are not replaced. */
export interface Service {
  readonly cluster: string;
  readonly name: string;
  readonly isDaemon: boolean;
  readonly desiredCount: number;
  readonly minimumHealthyPercent: number;
  readonly maximumPercent: number;
  /** The latest hundred at most. */
  readonly events: readonly ServiceEvent[];
  /** The newest deployment; undefined if it has completed, or if ECS does not deploy the service. */
  readonly deployment: { readonly state: 'IN_PROGRESS' | 'FAILED'; readonly sinceMs: number } | undefined;
}

export interface ServiceEvent {
  readonly atMs: number;
  readonly message: string;
}

/** What was read from ECS only to explain. */
export interface Diagnostics {
  readonly services: readonly Service[];
  /** Until when scale-in protection is on (epoch ms), by task ARN; undefined where ECS does not say until when. */
  readonly protectedTasks: ReadonlyMap<string, number | undefined>;
  /** What could not be read, and why: a sentence each. Causes that depend on it are missing. */
  readonly unknown: readonly string[];
}

export const NO_DIAGNOSTICS: Diagnostics = { services: [], protectedTasks: new Map(), unknown: [] };

/** What an explanation depends on, apart from the tasks. */
export interface DiagnosisInput {
  readonly diagnostics: Diagnostics;
  /** The registrations that the tasks run on. */
  readonly containerInstances: readonly ContainerInstance[];
  /** The silence of their agents, if all of them are disconnected. */
  readonly agentSilence?: AgentSilence | undefined;
  /** When the drain began. */
  readonly startedAtMs: number;
  readonly deadlineAtMs: number;
  readonly nowMs: number;
}

/** Why tasks hold the instance of a drain that is stuck, or that ends before they have stopped. */
export interface Explanation {
  readonly atMs: number;
  readonly blockers: readonly Blocker[];
  /** As in `Diagnostics`. */
  readonly unknown: readonly string[];
}

const STOP_TIMEOUTS_UNREAD = 'Stop timeouts are read only where stopStragglers is on.';

/** The explanation of why these tasks hold their instance. */
export function diagnose(tasks: readonly HoldingTask[], input: DiagnosisInput): Explanation {
  const { nowMs, diagnostics } = input;
  const unread = tasks.some((task) => task.stopTimeoutSeconds === undefined && wasToldToStop(task));
  const unknown = unread ? [...diagnostics.unknown, STOP_TIMEOUTS_UNREAD] : diagnostics.unknown;
  return { atMs: nowMs, blockers: blockersOf(tasks, input), unknown };
}

/** The tasks grouped by what they wait for: each in exactly one blocker, and daemon tasks that only wait for others last. */
export function blockersOf(given: readonly HoldingTask[], input: DiagnosisInput): Blocker[] {
  const tasks = given.map((task) => classified(task, input.diagnostics));
  const explained = tasks.map((task) => ({ task, causes: causesOf(task, tasks, input) }));
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

/** The task, as a daemon's where its service is one: only an explanation reads services. */
function classified(task: HoldingTask, diagnostics: Diagnostics): HoldingTask {
  return task.class === 'service' && serviceOf(task, diagnostics)?.isDaemon ? { ...task, class: 'daemon' } : task;
}

function serviceOf({ cluster, group }: HoldingTask, { services }: Diagnostics): Service | undefined {
  return services.find((service) => service.cluster === cluster && group === `service:${service.name}`);
}

function onlyWaits({ causes }: Blocker): boolean {
  return causes.some(({ kind }) => kind === 'daemon-last');
}

function causesOf(task: HoldingTask, tasks: readonly HoldingTask[], input: DiagnosisInput): Cause[] {
  return [...agentCause(task, input), ...courseOf(task, tasks, input), ...timeoutCause(task, input)];
}

function agentCause(
  { containerInstanceArn }: HoldingTask,
  { containerInstances, agentSilence }: DiagnosisInput,
): Cause[] {
  const host = containerInstances.find(({ arn }) => arn === containerInstanceArn);
  return host && !host.agentConnected ? [{ kind: 'agent-silent', sinceMs: agentSilence?.sinceMs }] : [];
}

/** The causes that follow from the task's status and class. */
function courseOf(task: HoldingTask, tasks: readonly HoldingTask[], input: DiagnosisInput): Cause[] {
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
      return [...replacementCauses(task, input), ...starting];
    default:
      return task.class satisfies never;
  }
}

/** What prevents ECS from replacing a service's task. */
function replacementCauses(task: HoldingTask, { diagnostics, startedAtMs, nowMs }: DiagnosisInput): Cause[] {
  const service = serviceOf(task, diagnostics);
  const protection: Cause[] = diagnostics.protectedTasks.has(task.arn)
    ? [{ kind: 'protected', untilMs: diagnostics.protectedTasks.get(task.arn) }]
    : [];
  return service ? [...obstaclesOf(service, startedAtMs, nowMs), ...protection] : protection;
}

/** What prevents ECS from replacing any task of the service, in a drain that began then. */
export function obstaclesOf(service: Service, startedAtMs: number, nowMs: number): Cause[] {
  const { events, deployment } = service;
  const room = standing(events, 'no-room', startedAtMs, nowMs);
  const failure = standing(events, 'replacements-fail', startedAtMs, nowMs);
  const unknown = newest(events, 'unknown');
  return [
    ...(canReplace(service) ? [] : [cannotReplace(service)]),
    ...(room ? [{ kind: 'no-room', ...room } as const] : []),
    ...(failure ? [{ kind: 'replacements-fail', ...failure } as const] : []),
    ...(unknown && unknown.atMs >= startedAtMs ? [{ kind: 'service-event', ...unknown } as const] : []),
    ...(deployment ? [{ kind: 'deployment', ...deployment } as const] : []),
  ];
}

/**
 * Whether draining can replace tasks of the service: ECS rounds the minimum up and the maximum down
 * (facts 37 undrainable-services). A service with a desired count of 0 can always lose a task.
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

/** ECS repeats an event only once its cause is gone or six hours have passed (facts 38 service-events). */
const REPEATED_AFTER_MS = 6 * 60 * 60 * 1000;

/**
 * The newest event that means so, if it came since the drain began or still holds. It is over once the service has been steady
 * again, or once ECS would have repeated it.
 */
function standing(
  events: readonly ServiceEvent[],
  meaning: Meaning,
  startedAtMs: number,
  nowMs: number,
): ServiceEvent | undefined {
  const event = newest(events, meaning);
  if (!event) return undefined;
  const wasSteadySince = (newest(events, 'steady')?.atMs ?? Number.NEGATIVE_INFINITY) > event.atMs;
  const stillHolds = !wasSteadySince && event.atMs > nowMs - REPEATED_AFTER_MS;
  return event.atMs >= startedAtMs || stillHolds ? event : undefined;
}

function newest(events: readonly ServiceEvent[], meaning: Meaning): ServiceEvent | undefined {
  return events.filter(({ message }) => meaningOf(message) === meaning).toSorted((a, b) => b.atMs - a.atMs)[0];
}

function wasToldToStop(task: HoldingTask): boolean {
  return task.stopRequested || isLeaving(task);
}

/**
 * The stop timeout of a task runs from when ECS began to stop it, or from a later time that ECS does not report. A task that
 * no one stops before the deadline is late whatever its timeout is, so the timeout is no cause.
 */
function timeoutCause(task: HoldingTask, { nowMs, deadlineAtMs }: DiagnosisInput): Cause[] {
  const { lastStatus, stopTimeoutSeconds } = task;
  if (stopTimeoutSeconds === undefined || lastStatus === 'DEPROVISIONING') return []; // Its containers have ended.
  const toldAtMs = wasToldToStop(task) ? (task.statusSinceMs ?? nowMs) : nowMs;
  const isLate = toldAtMs + stopTimeoutSeconds * 1000 > deadlineAtMs && toldAtMs < deadlineAtMs;
  return isLate ? [{ kind: 'stop-timeout', stopTimeoutSeconds }] : [];
}
