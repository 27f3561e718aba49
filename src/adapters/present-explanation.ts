/** Explanations and outcomes as logs, events and commands show them: data for rules and queries, and sentences for people. */

import type { Blocker, Cause, Explanation } from '../domain/diagnose.ts';
import { type Outcome, unreachable } from '../domain/drain.ts';
import type { LastSeen } from '../domain/observation.ts';

/** Events and log lines have a size limit, and a reader has a limit too. */
const MAX_BLOCKERS = 50;
const MAX_SENTENCES = 5;
const MAX_QUOTED_CHARACTERS = 400;

/** The explanation as data: its first blockers, and how many more there are. */
export function presentExplanation({ blockers, unknown }: Explanation) {
  return {
    blockers: blockers.slice(0, MAX_BLOCKERS).map(presentBlocker),
    ...(blockers.length > MAX_BLOCKERS && { moreBlockers: blockers.length - MAX_BLOCKERS }),
    ...(unknown.length > 0 && { unknown: unknown.map(cut) }),
  };
}

/** A blocker: which tasks, in which status since when, and why. */
export function presentBlocker({ cluster, group, class: taskClass, tasks, causes }: Blocker) {
  return {
    cluster,
    group,
    class: taskClass,
    tasks: tasks.map(({ arn, lastStatus, statusSinceMs }) => ({
      task: arn.split('/').at(-1),
      lastStatus,
      since: statusSinceMs === undefined ? undefined : isoTime(statusSinceMs),
    })),
    causes: causes.map((cause) => ({ cause: cause.kind, ...fieldsOf(cause) })),
  };
}

/**
 * The explanation in words: its first blockers, and what is not known. It has no straight double quotes, because the input
 * transformer of an EventBridge rule does not escape them.
 */
export function inSentences({ atMs, blockers, unknown }: Explanation): string {
  const known = blockers.slice(0, MAX_SENTENCES).map((blocker) => `${sentenceOnBlocker(blocker, atMs)}.`);
  const more = blockers.length > MAX_SENTENCES ? [`And ${blockers.length - MAX_SENTENCES} more.`] : [];
  return [...known, ...more, ...(unknown.length > 0 ? [`Not known: ${unknown.map(cut).join(' ')}`] : [])]
    .join(' ')
    .replaceAll('"', "'");
}

/** `2 tasks of service:web, RUNNING for 31 min: ECS found no room for a replacement …; scale-in protection is on …`. */
export function sentenceOnBlocker({ group, tasks, causes }: Blocker, atMs: number): string {
  const statuses = Map.groupBy(tasks, ({ lastStatus }) => lastStatus);
  const where = [...statuses].map(([status, members]) => {
    const sinceMs = Math.min(...members.map(({ statusSinceMs }) => statusSinceMs ?? Number.POSITIVE_INFINITY));
    const age = sinceMs === Number.POSITIVE_INFINITY ? '' : ` for ${span(atMs - sinceMs)}`;
    return statuses.size > 1 ? `${members.length} ${status}${age}` : `${status}${age}`;
  });
  const why = causes.map((cause) => sentenceOnCause(cause, atMs)).join('; ') || 'AWS reports no cause';
  return `${tasksOf(tasks.length)} of ${group}, ${where.join(', ')}: ${why}`;
}

/** How a drain ended, in the words of the log and of the event on the bus, without a full stop. */
export function sentenceOnOutcome(outcome: Outcome, atMs: number): string {
  switch (outcome.kind) {
    case 'drained':
      return 'Drained: every task has stopped';
    case 'gone':
      return `Gone: none of the clusters ${outcome.clusters.join(', ')} has a live registration of the instance; ${sentenceOnLastSeen(outcome.lastSeen, atMs)}${outcome.lastSeen ? '' : '. If a cluster should have one, check the setting cluster for its name'}`;
    case 'timed-out':
      return `Timed out: completed with ${outcome.result} at the deadline, ${isoTime(outcome.deadlineAtMs)}, while ${tasksOf(outcome.killedTasks.length)} had not stopped`;
    case 'agent-lost':
      return `Agent lost: completed with ${outcome.result} because the ECS agent has been silent since ${isoTime(outcome.disconnectedSinceMs)}, while ${tasksOf(outcome.killedTasks.length)} may not have stopped`;
    case 'already-completed':
      return `Already completed: someone else completed the lifecycle action, or its hook timed out; ${sentenceOnLastSeen(outcome.lastSeen, atMs)}`;
    default:
      return unreachable(outcome);
  }
}

/** What is known of the tasks of a drain that ended because someone else let the instance go. */
export function sentenceOnLastSeen(lastSeen: LastSeen | undefined, atMs: number): string {
  if (!lastSeen) return 'whether tasks were on the instance is not known';
  const age = span(atMs - lastSeen.atMs);
  const { tasks, haveStopped } = lastSeen;
  if (tasks.length === 0) return `no task held the instance when it was seen last, ${age} ago`;
  return haveStopped
    ? `${tasksOf(tasks.length)} held the instance ${age} ago and stopped since: whether before it was let go is not known`
    : `${tasksOf(tasks.length)} held the instance when it was seen last, ${age} ago: whether ${tasks.length === 1 ? 'it' : 'they'} had stopped is not known`;
}

/** The same as data; left out where nothing is known. */
export function presentLastSeen(lastSeen: LastSeen | undefined) {
  return (
    lastSeen && {
      lastSeenAt: isoTime(lastSeen.atMs),
      lastSeenTasks: lastSeen.tasks.map(({ arn, cluster }) => ({ task: arn.split('/').at(-1), cluster })),
    }
  );
}

/** A cause at an instant, without a full stop. */
export function sentenceOnCause(cause: Cause, atMs: number): string {
  switch (cause.kind) {
    case 'agent-silent':
      return cause.sinceMs === undefined
        ? 'the ECS agent of the instance is disconnected'
        : `the ECS agent of the instance has been disconnected since ${isoTime(cause.sinceMs)}`;
    case 'standalone':
      return `draining does not stop standalone tasks: it has to finish or be stopped${cause.startedBy === undefined ? '' : ` (started by ${cause.startedBy})`}`;
    case 'starting':
      return 'it has not started yet';
    case 'cannot-replace':
      return `the service cannot be drained: with ${tasksOf(cause.desiredCount)}, minimumHealthyPercent ${cause.minimumHealthyPercent} prevents stopping one first and maximumPercent ${cause.maximumPercent} prevents starting one first (change one of them)`;
    case 'no-room':
      return `ECS found no room for a replacement ${span(atMs - cause.atMs)} ago: ${quoted(cause.message)}`;
    case 'replacements-fail':
      return `replacements fail to start or to become healthy, as ECS reported ${span(atMs - cause.atMs)} ago: ${quoted(cause.message)}`;
    case 'service-event':
      return `ECS reported ${span(atMs - cause.atMs)} ago, in words that ecs-drain does not know: ${quoted(cause.message)}`;
    case 'protected':
      return `scale-in protection is on${cause.untilMs === undefined ? '' : ` until ${isoTime(cause.untilMs)}`}`;
    case 'deployment':
      return cause.state === 'FAILED'
        ? `the deployment of the service that began at ${isoTime(cause.sinceMs)} has failed`
        : `a deployment of the service has been in progress since ${isoTime(cause.sinceMs)}`;
    case 'daemon-last':
      return "ECS stops daemon tasks after the other services' tasks on the instance";
    case 'deregistering':
      return 'the load balancer is deregistering it';
    case 'stopping':
      return 'ECS is stopping it, and it has not stopped yet';
    case 'stop-timeout':
      return `its stop timeout of ${cause.stopTimeoutSeconds} s ends after the deadline`;
    default:
      return unreachable(cause);
  }
}

/** The fields of a cause that a rule or a query may compare. */
function fieldsOf(cause: Cause): Readonly<Record<string, unknown>> {
  switch (cause.kind) {
    case 'agent-silent':
      return cause.sinceMs === undefined ? {} : { since: isoTime(cause.sinceMs) };
    case 'standalone':
      return { startedBy: cause.startedBy };
    case 'no-room':
    case 'replacements-fail':
    case 'service-event':
      return { at: isoTime(cause.atMs), message: cut(cause.message) };
    case 'protected':
      return cause.untilMs === undefined ? {} : { until: isoTime(cause.untilMs) };
    case 'deployment':
      return { state: cause.state, since: isoTime(cause.sinceMs) };
    case 'stop-timeout':
      return { stopTimeoutSeconds: cause.stopTimeoutSeconds };
    case 'cannot-replace': {
      const { kind: _, ...configuration } = cause;
      return configuration;
    }
    case 'starting':
    case 'daemon-last':
    case 'deregistering':
    case 'stopping':
      return {};
    default:
      return unreachable(cause);
  }
}

/** `1 task`, `2 tasks`. */
export function tasksOf(count: number): string {
  return `${count} ${count === 1 ? 'task' : 'tasks'}`;
}

/** `45 s`, `31 min`, `2 h 5 min`. */
function span(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** A message of AWS without its reference to the AWS documentation. */
function quoted(message: string): string {
  return `“${cut(message.replace(/ For more information, see .*$/, '').replace(/\.$/, ''))}”`;
}

function cut(message: string): string {
  return message.length > MAX_QUOTED_CHARACTERS ? `${message.slice(0, MAX_QUOTED_CHARACTERS)}…` : message;
}

function isoTime(instantMs: number): string {
  return new Date(instantMs).toISOString();
}
