import type { Logger } from '@aws-lambda-powertools/logger';
import { type Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import type { Decision } from '../domain/decision.ts';
import type { Explanation } from '../domain/diagnose.ts';
import {
  type Drain,
  drainIdOf,
  instanceIdOf,
  killsTasks,
  type LethalVerdict,
  type Outcome,
  unreachable,
} from '../domain/drain.ts';
import { type Observation, partlySeenIn } from '../domain/observation.ts';
import type { OperatorNote } from '../domain/operator.ts';
import type { Ending, Telemetry, TelemetryEntry } from '../domain/ports.ts';
import { presentNotes, presentReturn, presentTask } from './event-bridge.ts';
import {
  inSentences,
  presentExplanation,
  presentLastSeen,
  sentenceOnOutcome,
  tasksOf,
  timeInWords,
} from './present-explanation.ts';

/** Structured logs; the metrics of each drain while it goes on, and when it ends. */
export function powertoolsTelemetry(logger: Logger, metrics: Metrics): Telemetry {
  return {
    record(drain, entry) {
      if (entry.kind === 'looked') {
        publishLook(metrics, drain, entry.deadlineUsedPercent);
        return;
      }
      const { level, message, ...fields } = lineOf(drain, entry);
      // Of this line alone: an invocation works on many drains.
      logger[level](message, { ...drainKeys(drain), ...fields });
      if (entry.kind === 'found') publishFound(metrics);
      if (entry.kind === 'stuck') publishStuck(metrics, drain, entry.explanation);
      if (entry.kind === 'finished') {
        publishEnd(metrics, drain, entry.outcome, entry.finishedAtMs);
        publishUnaccounted(metrics, entry.outcome);
        const hasKilled = killsTasks(entry.outcome) && !entry.outcome.sparedTasks;
        if (entry.explanation && hasKilled) publishByCause(metrics, 'TasksKilledAtDeadline', entry.explanation);
      }
    },
    recordReturn(returned, unpublished) {
      const about = presentReturn(returned);
      if (unpublished !== undefined) {
        logger.warn('AWS did not publish that the instance has returned to service', { ...about, reason: unpublished });
        return;
      }
      logger.info('Returned to service: the instance stays, so ecs-drain has set it to ACTIVE again', about);
      metrics.addMetric('ReturnedToService', MetricUnit.Count, 1);
      metrics.publishStoredMetrics();
    },
  };
}

/** A log line: its level, a sentence for people, and what a query can filter by. */
interface Line {
  readonly level: 'info' | 'warn' | 'error';
  readonly message: string;
  readonly [field: string]: unknown;
}

/** The keys that every log line of a drain carries. */
export function drainKeys(drain: Drain) {
  return {
    drainId: drainIdOf(drain),
    instanceId: instanceIdOf(drain),
    ...(drain.kind === 'notice'
      ? { notice: drain.notice.kind }
      : { autoScalingGroup: drain.action.autoScalingGroup, lifecycleHook: drain.action.lifecycleHook }),
    ...(drain.kind === 'supervised' && { supervised: 'true' }),
    cluster: drain.cluster ?? 'unknown',
  };
}

function lineOf(drain: Drain, entry: Exclude<TelemetryEntry, { kind: 'looked' }>): Line {
  switch (entry.kind) {
    case 'decided':
      return decisionLine(drain, entry.decision, entry.observation);
    case 'refused':
      return {
        level: 'warn',
        message: `AWS did not do this: ${entry.doing}`,
        decision: entry.doing,
        reason: entry.reason,
      };
    case 'superseded':
      return { level: 'info', message: 'Another delivery of the same event has parked this drain, or has ended it' };
    case 'corrected':
      return {
        level: 'warn',
        message: 'The start in the event cannot be true: the drain counts from the start that Auto Scaling knows',
        claimedStart: new Date(entry.claimedStartAtMs).toISOString(),
      };
    case 'found':
      return {
        level: 'warn',
        message: `Nothing continued this drain because its ${entry.lost} was lost: it continues now`,
        lost: entry.lost,
      };
    case 'managed-draining':
      return {
        level: 'warn',
        message:
          'ECS managed draining holds the instances of this group as well: turn it off on the capacity provider, or remove the group from autoScalingGroups',
      };
    case 'stuck': {
      const deadlineAt = new Date(entry.deadlineAtMs).toISOString();
      return {
        level: 'warn',
        message: `Stuck: the tasks may hold the instance until the deadline, ${timeInWords(entry.deadlineAtMs)}. ${inSentences(entry.explanation)}`,
        deadlineAt,
        ...presentExplanation(entry.explanation),
      };
    }
    case 'requested':
      return requestLine(entry.note);
    case 'finished':
      return outcomeLine(drain, entry);
    default:
      return unreachable(entry);
  }
}

function requestLine({ by, message, deadlineAtMs }: OperatorNote): Line {
  const deadlineAt = deadlineAtMs === undefined ? undefined : new Date(deadlineAtMs).toISOString();
  return {
    level: 'warn',
    message:
      deadlineAtMs === undefined
        ? 'An operator has left a note'
        : `An operator has set the deadline to ${timeInWords(deadlineAtMs)}`,
    operator: by,
    note: message,
    ...(deadlineAt && { deadlineAt }),
  };
}

function decisionLine({ kind }: Drain, decision: Decision, observation: Observation | undefined): Line {
  const fields = { decision: decision.kind, observation: observation?.kind };
  const sentence = sentenceOn(decision, kind);
  const holdingTasks = partlySeenIn(observation)?.tasks?.holding.map(presentTask);
  if (observation?.kind === 'unavailable') {
    const again = 'ECS or Auto Scaling did not answer: trying again later';
    const message = decision.kind === 'stop-tasks' ? `${sentence}. ${again}` : again;
    return { level: 'warn', message, ...fields, reason: observation.reason, ...(holdingTasks && { holdingTasks }) };
  }
  if (!holdingTasks) return { level: 'info', message: sentence, ...fields };
  const message = `${sentence}; holding tasks: ${holdingTasks.length}`;
  return { level: 'info', message, ...fields, holdingTasks };
}

function sentenceOn(decision: Decision, drainKind: Drain['kind']): string {
  switch (decision.kind) {
    case 'complete':
      // Nothing holds the instance of a notice.
      return `${drainKind === 'notice' ? 'Ending the drain' : 'Completing the lifecycle action'}: ${decision.verdict.kind}`;
    case 'finish':
      return 'The drain of ECS managed draining has ended';
    case 'set-draining':
      return 'Setting the container instance to DRAINING';
    case 'look':
      return 'Looking at the container instance and its tasks';
    case 'read-hook':
      return 'Reading how long the lifecycle hook holds the instance';
    case 'verify-start':
      return 'Comparing the start of the drain with the one that Auto Scaling knows';
    case 'stop-tasks':
      return `Stopping ${tasksOf(decision.tasks.length)} ahead of the deadline, early enough for the stop timeout`;
    case 'announce':
      return decision.event === 'stuck'
        ? 'Publishing that the drain is stuck'
        : `Waiting, until ${timeInWords(decision.deadlineAtMs)} at the latest`;
    case 'heartbeat':
      return 'Recording a heartbeat';
    case 'hand-over':
      return 'Handing over to the next invocation';
    case 'leave':
      return 'Leaving the event on its queue, which brings it again: nothing can be sent there now';
    case 'park':
      return `Parking until ${timeInWords(decision.untilMs)} at the latest`;
    default:
      return unreachable(decision);
  }
}

function outcomeLine(drain: Drain, { outcome, finishedAtMs, explanation }: Ending): Line {
  const ending = {
    outcome: outcome.kind,
    durationSeconds: secondsBetween(drain.startedAtMs, finishedAtMs),
    continuations: drain.continuations,
    heartbeats: heartbeatsOf(drain),
    slackSeconds: slackSeconds(drain, outcome, finishedAtMs),
    ...presentNotes(drain),
  };
  const because = explanation ? `. ${inSentences(explanation, 'without advice')}` : '';
  const message = `${sentenceOnOutcome(outcome, finishedAtMs, drain.kind)}${because}`;
  const why = explanation && presentExplanation(explanation);
  switch (outcome.kind) {
    case 'drained':
      return { level: 'info', message, ...ending };
    case 'gone':
      return { level: 'warn', message, ...ending, ...presentLastSeen(outcome.lastSeen) };
    case 'timed-out':
      return {
        level: outcome.sparedTasks ? 'warn' : 'error',
        message,
        ...ending,
        deadlineAt: new Date(outcome.deadlineAtMs).toISOString(),
        ...presentTasksLeft(outcome),
        ...why,
      };
    case 'agent-lost':
      return {
        level: outcome.sparedTasks ? 'warn' : 'error',
        message,
        ...ending,
        agentDisconnectedSince: new Date(outcome.disconnectedSinceMs).toISOString(),
        ...presentTasksLeft(outcome),
        ...why,
      };
    case 'already-completed':
      return {
        level: countUnaccounted(outcome) > 0 ? 'warn' : 'info',
        message,
        ...ending,
        ...presentLastSeen(outcome.lastSeen),
      };
    default:
      return unreachable(outcome);
  }
}

/** `holdingTasks` are those that run on. */
function presentTasksLeft({ killedTasks, sparedTasks }: LethalVerdict) {
  return {
    killedTasks: killedTasks.map(presentTask),
    ...(sparedTasks && { holdingTasks: sparedTasks.map(presentTask) }),
  };
}

/** How many tasks held the instance when some were seen last, if the drain does not know what became of them. */
function countUnaccounted(outcome: Outcome): number {
  const isKnown = outcome.kind !== 'gone' && outcome.kind !== 'already-completed';
  return isKnown ? 0 : (outcome.lastSeen?.tasks.length ?? 0);
}

function heartbeatsOf(drain: Drain): number {
  return drain.kind === 'held' ? drain.heartbeats : 0;
}

/** An EMF line for a look. The keys of the drain are not dimensions but fields, by which queries of the log can count drains. */
function publishLook(metrics: Metrics, drain: Drain, deadlineUsedPercent: number): void {
  for (const [key, value] of Object.entries(drainKeys(drain))) metrics.addMetadata(key, value);
  metrics.addMetric('DeadlineUsed', MetricUnit.Percent, deadlineUsedPercent);
  metrics.publishStoredMetrics();
}

/** An EMF line for an alarm, which watches one series: of all outcomes, and only where there is something to report. */
function publishUnaccounted(metrics: Metrics, outcome: Outcome): void {
  const count = countUnaccounted(outcome);
  if (count === 0) return;
  metrics.addMetric('TasksUnaccounted', MetricUnit.Count, count);
  metrics.publishStoredMetrics();
}

/** An EMF line for a drain that was lost. */
function publishFound(metrics: Metrics): void {
  metrics.addMetric('LostDrainsFound', MetricUnit.Count, 1);
  metrics.publishStoredMetrics();
}

/** An EMF line for a drain that is stuck, as for a look, and one for each cause. */
function publishStuck(metrics: Metrics, drain: Drain, explanation: Explanation): void {
  for (const [key, value] of Object.entries(drainKeys(drain))) metrics.addMetadata(key, value);
  metrics.addMetric('StuckDrains', MetricUnit.Count, 1);
  metrics.publishStoredMetrics();
  publishByCause(metrics, 'BlockingTasks', explanation);
}

/** A task counts for each of its causes. Only the cause distinguishes the series, so there are a dozen at most. */
function publishByCause(metrics: Metrics, metric: string, { blockers }: Explanation): void {
  const counts = new Map<string, number>();
  for (const { causes, tasks } of blockers) {
    for (const cause of causes.length > 0 ? causes.map(({ kind }) => kind) : ['unknown']) {
      counts.set(cause, (counts.get(cause) ?? 0) + tasks.length);
    }
  }
  for (const [cause, count] of counts) {
    metrics.addDimensions({ cause });
    metrics.addMetric(metric, MetricUnit.Count, count);
    metrics.publishStoredMetrics();
  }
}

/**
 * Two EMF lines a drain: by outcome alone, because an alarm cannot search for the groups (facts 34 alarm-limits), and by
 * cluster and group too. Published at once: Powertools' middleware would warn after each invocation that ends none.
 */
function publishEnd(metrics: Metrics, drain: Drain, outcome: Outcome, finishedAtMs: number): void {
  const group = {
    cluster: drain.cluster ?? 'unknown',
    group: drain.kind === 'notice' ? drain.notice.kind : drain.action.autoScalingGroup,
  };
  for (const where of [{}, group]) {
    metrics.addDimensions({ ...where, outcome: outcome.kind });
    addEnd(metrics, drain, outcome, finishedAtMs);
    // Nothing holds the instance of a notice, so its slack costs nothing: only the series of notices has it.
    if (where === group || drain.kind === 'held') addSlack(metrics, drain, outcome, finishedAtMs);
    metrics.publishStoredMetrics();
  }
}

function addEnd(metrics: Metrics, drain: Drain, outcome: Outcome, finishedAtMs: number): void {
  metrics.addMetric('Drains', MetricUnit.Count, 1);
  metrics.addMetric('DrainDuration', MetricUnit.Seconds, secondsBetween(drain.startedAtMs, finishedAtMs));
  metrics.addMetric('Continuations', MetricUnit.Count, drain.continuations);
  metrics.addMetric('Heartbeats', MetricUnit.Count, heartbeatsOf(drain));
  // Where someone else let the instance go, no one has counted: that is not 0.
  if (killsTasks(outcome)) metrics.addMetric('TasksKilledAtDeadline', MetricUnit.Count, outcome.killedTasks.length);
  if (outcome.kind === 'drained') metrics.addMetric('TasksKilledAtDeadline', MetricUnit.Count, 0);
}

function addSlack(metrics: Metrics, drain: Drain, outcome: Outcome, finishedAtMs: number): void {
  const slack = slackSeconds(drain, outcome, finishedAtMs);
  if (slack !== undefined) metrics.addMetric('DrainSlack', MetricUnit.Seconds, slack);
}

/** The slack of a drain that ended as drained, if it is known. Tasks that stopped before it began do not count. */
function slackSeconds(drain: Drain, outcome: Outcome, finishedAtMs: number): number | undefined {
  const { kind, startedAtMs, announced } = drain;
  if (outcome.kind !== 'drained' || kind === 'supervised') return undefined; // The slack of a supervised drain is ECS's.
  // It waited for tasks. An earlier round saw the last of them stop, and could not end the drain.
  if (outcome.lastTaskStoppedAtMs === undefined && announced) return undefined;
  return secondsBetween(Math.max(startedAtMs, outcome.lastTaskStoppedAtMs ?? startedAtMs), finishedAtMs);
}

function secondsBetween(fromMs: number, toMs: number): number {
  return Math.max(0, toMs - fromMs) / 1000;
}
