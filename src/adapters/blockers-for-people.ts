/** Explanations as logs and events show them: data for rules and queries, and sentences for people. */

import type { Blocker, Cause, Explanation } from '../domain/blockers.ts';
import { unreachable } from '../domain/drain.ts';

/** Events and log lines have a limit; so many different blockers nobody reads. */
const MAX_BLOCKERS = 50;
const MAX_SENTENCES = 5;
const MAX_QUOTED_CHARACTERS = 400;

/** What is told of an explanation, the first so many of its blockers. */
export function explanationForPeople({ blockers, unknown }: Explanation) {
  return {
    blockers: blockers.slice(0, MAX_BLOCKERS).map(blockerForPeople),
    ...(blockers.length > MAX_BLOCKERS && { moreBlockers: blockers.length - MAX_BLOCKERS }),
    ...(unknown.length > 0 && { unknown: unknown.map(cut) }),
  };
}

/** A blocker: which tasks, in which status since when, and why. */
export function blockerForPeople({ cluster, group, class: taskClass, tasks, causes }: Blocker) {
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
 * The first blockers in words, and what is not known: what a person reads first. Without straight double quotes, which a
 * rule's input transformer may put unescaped into a text of its own.
 */
export function inSentences({ atMs, blockers, unknown }: Explanation): string {
  const known = blockers.slice(0, MAX_SENTENCES).map((blocker) => `${sentenceOnBlocker(blocker, atMs)}.`);
  const more = blockers.length > MAX_SENTENCES ? [`And ${blockers.length - MAX_SENTENCES} more.`] : [];
  return [...known, ...more, ...(unknown.length > 0 ? [`Not known: ${unknown.map(cut).join(' ')}`] : [])]
    .join(' ')
    .replaceAll('"', "'");
}

/** `2 tasks of service:web, RUNNING for 31 min: ECS found no room …; scale-in protection is on …`. */
export function sentenceOnBlocker({ group, tasks, causes }: Blocker, atMs: number): string {
  const statuses = Map.groupBy(tasks, ({ lastStatus }) => lastStatus);
  const where = [...statuses].map(([status, members]) => {
    const sinceMs = Math.min(...members.map(({ statusSinceMs }) => statusSinceMs ?? Number.POSITIVE_INFINITY));
    const age = sinceMs === Number.POSITIVE_INFINITY ? '' : ` for ${span(atMs - sinceMs)}`;
    return statuses.size > 1 ? `${members.length} ${status}${age}` : `${status}${age}`;
  });
  const why = causes.map((cause) => sentenceOnCause(cause, atMs)).join('; ') || 'AWS tells no cause';
  return `${tasks.length} ${tasks.length === 1 ? 'task' : 'tasks'} of ${group}, ${where.join(', ')}: ${why}`;
}

/** A cause at an instant, without a full stop. */
export function sentenceOnCause(cause: Cause, atMs: number): string {
  switch (cause.kind) {
    case 'agent-silent':
      return `the ECS agent of the instance is not connected${cause.sinceMs === undefined ? '' : `, since ${isoTime(cause.sinceMs)}`}`;
    case 'standalone':
      return `it is no service's: draining leaves it alone until it ends or somebody stops it${cause.startedBy === undefined ? '' : ` (started by ${cause.startedBy})`}`;
    case 'starting':
      return 'it has not started yet';
    case 'cannot-replace':
      return `its service can never be drained, for of ${cause.desiredCount} tasks its minimumHealthyPercent of ${cause.minimumHealthyPercent} lets none stop first and its maximumPercent of ${cause.maximumPercent} lets none start first: change one of them`;
    case 'no-room':
      return `ECS found no place for a task of its service, ${span(atMs - cause.atMs)} ago: ${quoted(cause.message)}`;
    case 'replacements-fail':
      return `tasks of its service do not stay or do not get healthy, ${span(atMs - cause.atMs)} ago: ${quoted(cause.message)}`;
    case 'protected':
      return `its scale-in protection is on${cause.untilMs === undefined ? '' : ` until ${isoTime(cause.untilMs)}`}`;
    case 'deployment':
      return cause.state === 'FAILED'
        ? `the deployment of its service, begun ${isoTime(cause.sinceMs)}, has failed`
        : `its service is being deployed, since ${isoTime(cause.sinceMs)}`;
    case 'daemon-last':
      return "ECS stops a daemon only after the other services' tasks on the instance";
    case 'deregistering':
      return 'its load balancer is deregistering it';
    case 'stopping':
      return 'it was told to stop and has not come to its end';
    case 'stop-timeout':
      return `its stop timeout of ${cause.stopTimeoutSeconds} s ends after the deadline`;
    default:
      return unreachable(cause);
  }
}

/** What a rule or a query may want of a cause, without reading its sentence. */
function fieldsOf(cause: Cause): Readonly<Record<string, unknown>> {
  switch (cause.kind) {
    case 'agent-silent':
      return cause.sinceMs === undefined ? {} : { since: isoTime(cause.sinceMs) };
    case 'standalone':
      return { startedBy: cause.startedBy };
    case 'no-room':
    case 'replacements-fail':
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

/** `45 s`, `31 min`, `2 h 5 min`. */
function span(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** AWS's words without its reference to its own guide. */
function quoted(message: string): string {
  return `“${cut(message.replace(/ For more information, see .*$/, '').replace(/\.$/, ''))}”`;
}

function cut(message: string): string {
  return message.length > MAX_QUOTED_CHARACTERS ? `${message.slice(0, MAX_QUOTED_CHARACTERS)}…` : message;
}

function isoTime(instantMs: number): string {
  return new Date(instantMs).toISOString();
}
