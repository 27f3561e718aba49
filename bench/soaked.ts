import { dollarsFor, percentile, type Quantities } from '../sandbox/prices.ts';
import type { Call } from '../sandbox/region/region.ts';
import { stage } from '../sandbox/rehearsal.ts';
import type { DrillEvent } from '../sandbox/result.ts';
import { messagesOf, sqsRequestsFor } from './messages.ts';
import { month, type Span, type Warned } from './month.ts';

/** One soak: the month played, and what came of it. */

export interface Soak extends Span {
  readonly seed: number;
  readonly drainer: 'ecs-drain' | 'none';
  readonly instancesTerminated: number;
  /** Lifecycle actions: a drain each. */
  readonly held: number;
  /** How our drains of lifecycle actions ended, and those on notices of EC2; each once, however often its event came. */
  readonly outcomes: Counts;
  readonly noticeOutcomes: Counts;
  /** Actions that we did not complete: the hook timed out, or EC2 took the Spot instance while it was held. */
  readonly leftToTimeout: number;
  readonly takenWhileHeld: number;
  readonly tasksStopped: number;
  readonly tasksKilled: {
    /** By no one's deadline: there must be none. */
    readonly early: number;
    /** Those that had not stopped at the deadline, or whose agent was lost. */
    readonly atDeadline: number;
    /** By EC2, two minutes after its notice. */
    readonly bySpot: number;
  };
  readonly spot: { readonly interruptions: number; readonly tasksAtNotice: number };
  readonly requestsLost: number;
  readonly drainSeconds: Spread;
  /** From the stop of the last task to the completion, of drains that ended so. */
  readonly slackSeconds: Spread;
  readonly invocations: number;
  /** What the function was brought, in batches: events by their detail types, and continuations. */
  readonly messages: Counts;
  readonly failedInvocations: number;
  readonly throttledInvocations: number;
  readonly peakConcurrency: number;
  readonly billedSeconds: number;
  readonly calls: Counts;
  readonly refusedCalls: number;
  readonly billed: Quantities;
  readonly dollars: number;
  /** What went wrong, as often as it did. */
  readonly faults: Counts;
  /** What was left at the end. Anything here was forgotten. */
  readonly leftBehind: {
    readonly lifecycleActions: number;
    readonly schedules: number;
    readonly deadLetters: number;
    readonly drainingInstances: number;
  };
  readonly wallSeconds: number;
}

export type Counts = Readonly<Record<string, number>>;

export interface Spread {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

const HOUR_SECONDS = 3_600;
/** After the last day nothing new begins; a drain lasts two hours at most, and a dead letter takes as long. */
const AFTERMATH_HOURS = 5;

/** Plays it. `onHour` hears of each hour that has passed. */
export async function soaked(
  { seed, drainer, ...span }: Span & Pick<Soak, 'seed' | 'drainer'>,
  onHour: (hour: number) => void = () => {},
): Promise<Soak> {
  const warned: Warned[] = [];
  const [messages, calls, faults] = [new Counter(), new Counter(), new Counter()];
  const outcomes = new Map<string, string>();
  const noticeOutcomes = new Map<string, string>();
  const heldSince = new Map<string, number>();
  const lastStop = new Map<string, number>();
  const drainSeconds: number[] = [];
  const slackOf = new Map<string, number>();
  let [held, tasksStopped, invocations, customEvents, sqsRequests] = [0, 0, 0, 0, 0];
  let [failedInvocations, billedSeconds, refusedCalls, throttledInvocations] = [0, 0, 0, 0];

  const hear = (event: DrillEvent) => {
    switch (event.kind) {
      case 'event':
        if (event.fate) faults.add(`events ${event.fate}`);
        return;
      case 'invocation':
        if (event.what === 'throttled') throttledInvocations += 1;
        return;
      case 'log':
        noteOutcome(event.line, outcomes, noticeOutcomes);
        return;
      case 'task':
        if (event.status !== 'STOPPED') return;
        tasksStopped += 1;
        lastStop.set(event.instanceId, event.second);
        return;
      case 'container-instance':
        if (!event.agentConnected && event.status !== 'INACTIVE') faults.add('agents silent');
        return;
      case 'instance':
        if (event.state === 'Terminated') lastStop.delete(event.instanceId);
        return;
      case 'lifecycle': {
        const { instanceId, what, second } = event;
        if (what === 'held') {
          held += 1;
          heldSince.set(instanceId, second);
        }
        if (what !== 'completed') return;
        const since = heldSince.get(instanceId) ?? second;
        drainSeconds.push(second - since);
        slackOf.set(instanceId, second - Math.max(since, lastStop.get(instanceId) ?? since));
        heldSince.delete(instanceId);
      }
    }
  };

  const wallStartMs = performance.now();
  const variant = month(span, (each) => warned.push(each));
  const { region, installed, startMs, begin, close } = await stage(
    { scenario: 'fleet', variant, drainer, seed },
    (event, stood) => {
      if (!stood) hear(event);
    },
  );
  try {
    const { lambda } = installed;
    const takeRecords = () => {
      const made = region.takeRecords().calls;
      const countOf = (kind: string) => made.filter((call) => kindOf(call) === kind && !call.failedWith).length;
      const brought = (lambda?.invocations ?? []).flatMap(messagesOf);
      sqsRequests += sqsRequestsFor(brought, {
        schedules: 0, // They are counted at the end.
        sends: countOf('sqs SendMessage') + countOf('sqs SendMessageBatch'),
        deletions: countOf('sqs DeleteMessageBatch'),
      });
      for (const { kind } of brought) messages.add(kind);
      for (const call of made.filter(({ fiber }) => fiber)) {
        calls.add(kindOf(call));
        if (call.failedWith !== undefined) refusedCalls += 1;
        if (call.failedWith !== undefined) faults.add(`calls refused with ${call.failedWith}`);
      }
      for (const invocation of lambda?.invocations.splice(0) ?? []) {
        invocations += 1;
        billedSeconds += invocation.billedSeconds;
        if (invocation.error !== undefined) failedInvocations += 1;
        if (invocation.error?.includes('killed')) faults.add('invocations killed');
      }
    };
    takeRecords();
    const pattern = { source: [{ 'anything-but': { prefix: 'aws.' } }] };
    const target = () => {
      customEvents += 1;
    };
    region.eventBridge.putRule({ name: 'billed', pattern, target });
    begin();
    const hours = span.days * 24 + AFTERMATH_HOURS;
    for (let hour = 1; hour <= hours; hour++) {
      const untilMs = startMs + hour * HOUR_SECONDS * 1000;
      region.time.after((untilMs - region.time.nowMs()) / 1000, () => {});
      await region.time.runUntil(() => region.time.nowMs() >= untilMs);
      takeRecords();
      onHour(hour);
    }

    const { interrupted, completions } = region.autoScaling;
    const taken = warned.filter(({ instanceId }) => interrupted.has(instanceId));
    const killedOf = (isSo: (instanceId: string) => boolean) =>
      region.killedTasks.filter(({ ec2InstanceId }) => isSo(ec2InstanceId)).length;
    const isOver = (id: string) => ['timed-out', 'agent-lost'].includes(outcomes.get(id) ?? '');
    const schedules = region.scheduler.firings;
    const billed: Quantities = {
      requests: invocations,
      gbSeconds: (billedSeconds * (lambda?.memoryMb ?? 0)) / 1024,
      customEvents,
      schedules,
      sqsRequests: sqsRequests + schedules,
      snsPublishes: 0,
    };
    return {
      ...span,
      seed,
      drainer,
      instancesTerminated: region.terminated.size,
      held,
      outcomes: countsOf(outcomes.values()),
      noticeOutcomes: countsOf(noticeOutcomes.values()),
      leftToTimeout: completions.filter(({ by }) => by === 'timeout').length,
      takenWhileHeld: held - completions.length - region.autoScaling.pendingActions().length,
      tasksStopped,
      tasksKilled: {
        early: killedOf((id) => !interrupted.has(id) && !isOver(id)),
        atDeadline: killedOf((id) => !interrupted.has(id) && isOver(id)),
        bySpot: killedOf((id) => interrupted.has(id)),
      },
      spot: { interruptions: taken.length, tasksAtNotice: taken.reduce((sum, { tasks }) => sum + tasks, 0) },
      requestsLost: region.ecs.requestsLost(),
      drainSeconds: spreadOf(drainSeconds),
      slackSeconds: spreadOf([...slackOf].flatMap(([id, slack]) => (outcomes.get(id) === 'drained' ? [slack] : []))),
      invocations,
      messages: messages.counts,
      failedInvocations,
      throttledInvocations,
      peakConcurrency: lambda?.peakConcurrency ?? 0,
      billedSeconds,
      calls: calls.counts,
      refusedCalls,
      billed,
      dollars: dollarsFor(billed),
      faults: faults.counts,
      leftBehind: {
        lifecycleActions: region.autoScaling.pendingActions().length,
        schedules: region.scheduler.operations.ListSchedules({}).Schedules?.length ?? 0,
        deadLetters: installed.deadLetters?.() ?? 0,
        // ECS keeps the registration of an instance that was terminated while its agent was silent (facts 15 agent-connection).
        drainingInstances: [...region.ecs.clusters.values()].flatMap(({ registered }) =>
          [...registered].filter(
            ({ status, ec2InstanceId }) => status === 'DRAINING' && !region.terminated.has(ec2InstanceId),
          ),
        ).length,
      },
      wallSeconds: (performance.now() - wallStartMs) / 1000,
    };
  } finally {
    close();
  }
}

/** As the function reports it. The result of a second delivery of an event is not an outcome of the drain. */
function noteOutcome(
  line: Readonly<Record<string, unknown>>,
  outcomes: Map<string, string>,
  noticeOutcomes: Map<string, string>,
): void {
  const { outcome, instanceId, _aws, notice } = line;
  if (typeof outcome !== 'string' || _aws !== undefined) return;
  const all = notice === undefined ? outcomes : noticeOutcomes;
  const before = all.get(String(instanceId));
  if (before === undefined || before === 'already-completed') all.set(String(instanceId), outcome);
}

function kindOf({ service, operation }: Call): string {
  return `${service} ${operation}`;
}

function countsOf(values: Iterable<string>): Counts {
  const counter = new Counter();
  for (const value of values) counter.add(value);
  return counter.counts;
}

function spreadOf(values: readonly number[]): Spread {
  return { p50: percentile(values, 50), p99: percentile(values, 99), max: percentile(values, 100) };
}

/** How often each thing was. */
class Counter {
  readonly counts: Record<string, number> = {};

  add(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }
}
