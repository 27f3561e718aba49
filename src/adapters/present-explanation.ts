/**
 * Explanations and outcomes as data for rules and queries, and as sentences for people. Logs, events, commands, plans and the
 * tables of docs/events.md, docs/operations.md and docs/how-it-works.md have their sentences from here.
 */

import type { Blocker, Cause, CauseKind, Explanation } from '../domain/diagnose.ts';
import { type Drain, type LethalVerdict, type Outcome, unreachable } from '../domain/drain.ts';
import type { LastSeen } from '../domain/observation.ts';
import { duration } from './duration.ts';

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

/** Whether the sentences say what to do: the tasks of a drain that has ended are no more. */
export type Advice = 'with advice' | 'without advice';

/**
 * The explanation in words: its first blockers, and what is not known. It has no straight double quotes, because the input
 * transformer of an EventBridge rule does not escape them.
 */
export function inSentences({ atMs, blockers, unknown }: Explanation, advice: Advice = 'with advice'): string {
  const known = blockers.slice(0, MAX_SENTENCES).map((blocker) => `${sentenceOnBlocker(blocker, atMs, advice)}.`);
  const more = blockers.length > MAX_SENTENCES ? [`And ${blockers.length - MAX_SENTENCES} more.`] : [];
  return [...known, ...more, ...(unknown.length > 0 ? [`Not everything is known. ${unknown.map(cut).join(' ')}`] : [])]
    .join(' ')
    .replaceAll('"', "'");
}

/** `2 tasks of service:web, RUNNING for 31 min: scale-in protection is on. What to do: wait until …`, without a full stop. */
export function sentenceOnBlocker(
  { group, tasks, causes }: Blocker,
  atMs: number,
  advice: Advice = 'with advice',
): string {
  const statuses = Map.groupBy(tasks, ({ lastStatus }) => lastStatus);
  const where = [...statuses].map(([status, members]) => {
    const sinceMs = Math.min(...members.map(({ statusSinceMs }) => statusSinceMs ?? Number.POSITIVE_INFINITY));
    const age = sinceMs === Number.POSITIVE_INFINITY ? '' : ` for ${span(atMs - sinceMs)}`;
    return statuses.size > 1 ? `${members.length} ${status}${age}` : `${status}${age}`;
  });
  const why = causes.map((cause) => sentenceOnCause(cause, atMs)).join('; ') || NO_CAUSE;
  const what = `${tasksOf(tasks.length)} of ${group}, ${where.join(', ')}: ${why}`;
  if (advice === 'without advice') return what;
  const remedies = causes.length > 0 ? new Set(causes.map(remedyFor)) : [REMEDY_WITHOUT_CAUSE];
  return `${what}. What to do: ${[...remedies].join('; ')}`;
}

/**
 * How a drain ended, in the words of the log and of the event on the bus, without a full stop. On a notice nothing is completed:
 * EC2 takes the instance, or leaves it, whatever we do.
 */
export function sentenceOnOutcome(outcome: Outcome, atMs: number, kind: Drain['kind'] = 'held'): string {
  const result = (verdict: string) => (kind === 'notice' ? '' : ` (result ${verdict})`);
  switch (outcome.kind) {
    case 'drained':
      return 'Drained: every task has stopped';
    case 'gone':
      return `Gone: the instance has no live registration in ${outcome.clusters.join(', ')}; ${sentenceOnLastSeen(outcome.lastSeen, atMs)}${outcome.lastSeen ? '' : '. If a cluster should have one, check the setting cluster for its name'}`;
    case 'timed-out':
      return `Timed out: ${tasksOf(countLeft(outcome))} had not stopped at the deadline, ${timeInWords(outcome.deadlineAtMs)}${result(outcome.result)}${spared(outcome)}`;
    case 'agent-lost':
      return `Agent lost: the ECS agent of the instance has been disconnected since ${timeInWords(outcome.disconnectedSinceMs)}, and ${tasksOf(countLeft(outcome))} may not have stopped${result(outcome.result)}${spared(outcome)}`;
    case 'already-completed':
      return `Already completed: someone else completed the lifecycle action, its hook timed out, or the hook or its group was deleted; ${sentenceOnLastSeen(outcome.lastSeen, atMs)}`;
    default:
      return unreachable(outcome);
  }
}

function countLeft({ killedTasks, sparedTasks = killedTasks }: LethalVerdict): number {
  return sparedTasks.length;
}

function spared({ sparedTasks }: LethalVerdict): string {
  return sparedTasks ? '. Nothing was killed: EC2 has recommended to rebalance the instance, and has not taken it' : '';
}

/** What is known of the tasks of a drain that ended because someone else let the instance go. */
export function sentenceOnLastSeen(lastSeen: LastSeen | undefined, atMs: number): string {
  if (!lastSeen) return 'it is not known whether tasks were on the instance';
  const age = span(atMs - lastSeen.atMs);
  const { tasks, haveStopped } = lastSeen;
  if (tasks.length === 0) return `no task held the instance when it was seen last, ${age} ago`;
  return haveStopped
    ? `${tasksOf(tasks.length)} held the instance ${age} ago and ${tasks.length === 1 ? 'has' : 'have'} stopped since; it is not known whether before the instance was let go`
    : `${tasksOf(tasks.length)} held the instance when it was seen last, ${age} ago; it is not known whether ${tasks.length === 1 ? 'it' : 'they'} had stopped`;
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

/** Of a group whose instances return to a warm pool. */
export const WARM_POOL_REUSE = {
  what: 'Instances of the group return to its warm pool: one that does waits until the hook times out.',
  fix: 'Remove the group from autoScalingGroups, or turn the reuse of instances on scale-in off.',
};

/** Of a group whose instances ECS drains by itself: with a hook of ours as well, or with nothing that watches. */
export const MANAGED_DRAINING = {
  besideOurs: {
    what: 'ECS managed draining holds the instances of the group as well.',
    fix: 'Turn it off on the capacity provider; or delete our hook from the group and set superviseManagedDraining=true, to supervise it.',
  },
  unwatched: {
    what: 'ECS managed draining drains the instances of the group, for up to 48 hours each, and nothing reports it.',
    fix: 'Deploy with superviseManagedDraining=true.',
  },
};

/** Where AWS reports no cause. */
export const NO_CAUSE = 'AWS reports no cause';
export const REMEDY_WITHOUT_CAUSE = 'check the events of the service and the health of its tasks';

/** What to do about each cause. */
export const REMEDIES: Readonly<Record<CauseKind, string>> = {
  'agent-silent': 'check the ECS agent on the instance',
  standalone: 'wait until the job finishes, or stop it',
  starting: 'wait, or find out why the task does not start',
  'cannot-replace': 'lower minimumHealthyPercent or raise maximumPercent',
  'no-room': 'add an instance, or free resources on the others',
  'replacements-fail': 'check the stopped tasks and the health checks of the service',
  'service-event': 'read the event, because it may name the cause',
  protected: 'wait until the protection ends, or turn it off',
  deployment: 'wait, or find out why the deployment does not complete',
  'daemon-last': 'wait until the tasks of the other services have stopped',
  deregistering: 'wait until the deregistration delay is over',
  stopping: 'wait for the stop timeout of the task',
  'stop-timeout': 'lower the stop timeout of the task, or raise deadlineSeconds',
};

/** What gives a task room, by what the closest instance lacks (facts 38 service-events). */
const WAYS_TO_ROOM: readonly (readonly [RegExp, string])[] = [
  [/using a port/, 'free its static port on another instance, or add an instance'],
  [/constraint|missing an attribute/, 'add an instance that its placement constraints allow, or loosen them'],
  [/RESOURCE:GPU/, 'add an instance with a GPU, or free one'],
  [/RESOURCE:ENI/, 'add an instance with a network interface for it, or free one'],
];

/** What to do about this one. */
export function remedyFor({ kind, message = '' }: { readonly kind: CauseKind; readonly message?: string }): string {
  // The name of the service comes first, and may read like a phrase.
  const said = message.replace(/^\(service [^)]*\)/, '');
  const way = kind === 'no-room' ? WAYS_TO_ROOM.find(([phrase]) => phrase.test(said)) : undefined;
  return way?.[1] ?? REMEDIES[kind];
}

/** A cause, without a full stop; without `nowMs` no instants, because those of a rehearsal mean nothing. */
export function sentenceOnCause(cause: Cause, nowMs?: number): string {
  switch (cause.kind) {
    case 'agent-silent':
      return cause.sinceMs === undefined || nowMs === undefined
        ? 'the ECS agent of the instance is disconnected'
        : `the ECS agent of the instance has been disconnected since ${timeInWords(cause.sinceMs)}`;
    case 'standalone':
      return `draining does not stop standalone tasks${cause.startedBy === undefined ? '' : ` (started by ${cause.startedBy})`}`;
    case 'starting':
      return 'startup has not finished';
    case 'cannot-replace':
      return `the service cannot be drained: with ${tasksOf(cause.desiredCount)}, minimumHealthyPercent ${cause.minimumHealthyPercent} prevents stopping one first and maximumPercent ${cause.maximumPercent} prevents starting one first`;
    case 'no-room':
      return `ECS finds no room for a replacement${reported(cause, nowMs)}`;
    case 'replacements-fail':
      return `replacements fail to start or to become healthy${reported(cause, nowMs)}`;
    case 'service-event':
      return `the service has an event that ecs-drain does not understand${reported(cause, nowMs)}`;
    case 'protected':
      return cause.untilMs === undefined || nowMs === undefined
        ? 'scale-in protection is on'
        : `scale-in protection is on until ${timeInWords(cause.untilMs)}`;
    case 'deployment': {
      const since = nowMs === undefined ? '' : ` (begun at ${timeInWords(cause.sinceMs)})`;
      return cause.state === 'FAILED'
        ? `the deployment of the service has failed${since}`
        : `a deployment of the service is in progress${since}`;
    }
    case 'daemon-last':
      return "ECS stops daemon tasks after the other services' tasks on the instance";
    case 'deregistering':
      return 'deregistration from the load balancer has not finished';
    case 'stopping':
      return 'ECS is stopping the containers, and they have not ended';
    case 'stop-timeout':
      return `the stop timeout of ${cause.stopTimeoutSeconds} s ends after the deadline`;
    default:
      return unreachable(cause);
  }
}

/** What ECS said of a service, and how long ago. */
function reported({ atMs, message }: { readonly atMs: number; readonly message: string }, nowMs?: number): string {
  return nowMs === undefined ? '' : ` (reported ${span(nowMs - atMs)} ago: ${quoted(message)})`;
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

function span(ms: number): string {
  return duration(Math.max(0, Math.round(ms / 1000)));
}

/** A message of AWS without its reference to the AWS documentation. */
function quoted(message: string): string {
  return `“${cut(message.replace(/ For more information, see .*$/, '').replace(/\.$/, ''))}”`;
}

function cut(message: string): string {
  return message.length > MAX_QUOTED_CHARACTERS ? `${message.slice(0, MAX_QUOTED_CHARACTERS)}…` : message;
}

/** `2026-03-01T11:00:00Z`: in a sentence milliseconds say nothing. */
export function timeInWords(instantMs: number): string {
  return isoTime(instantMs).replace(/\.\d+Z$/, 'Z');
}

function isoTime(instantMs: number): string {
  return new Date(instantMs).toISOString();
}
