/** Carries out what was decided for many drains, with shared calls. AWS's answers also show whether another delivery has the drain. */

import type { Decision, DecisionKind } from './decision.ts';
import type { Explanation } from './diagnose.ts';
import {
  type ActionDrain,
  type Drain,
  instanceIdOf,
  isContinuedElsewhere,
  isSameDrain,
  type LifecycleResult,
  MANAGED_DRAINING_HOOK,
  type Verdict,
} from './drain.ts';
import type { Answer, Start, Work } from './evolve.ts';
import { explain } from './explain.ts';
import { partlySeenIn } from './observation.ts';
import { type Ask, observe } from './observe.ts';
import { mergedRequests } from './operator.ts';
import { limitsOf, type Policy } from './policy.ts';
import { type DrainEvent, errorOf, type Failure, type Ports, reasonOf, Unavailable } from './ports.ts';
import { storedOf } from './stored-drain.ts';
import { waiting, writeSchedule } from './write-schedule.ts';

/** What was decided for a drain. */
export interface Step<D extends Decision = Decision> {
  readonly work: Work;
  readonly decision: D;
}

type StepOf<K extends DecisionKind> = Step<Extract<Decision, { kind: K }>>;

/** The answer to each step. A failure of one drain is that drain's answer and never another's. */
export async function perform(steps: readonly Step[], policy: Policy, ports: Ports): Promise<Map<Work, Answer>> {
  const asks = steps.filter(isAsk);
  const answers = await Promise.all([
    asks.length > 0 ? observe(asks, policy.clusters, ports) : new Map(),
    eachApart(ofKind(steps, 'heartbeat'), ({ work: { drain } }) => recordHeartbeat(drain, ports)),
    eachApart(ofKind(steps, 'complete'), ({ work: { drain }, decision }) => complete(drain, decision.verdict, ports)),
    eachApart(ofKind(steps, 'finish'), async () => ({ kind: 'done' })),
    eachApart(ofKind(steps, 'stop-tasks'), (step) => stopTasks(step, ports)),
    byGroup(ofKind(steps, 'read-hook'), (drains, group) =>
      readHooks(drains, group, ports).catch((error) => assumedHooks(error, drains, policy, ports)),
    ),
    verifyStarts(ofKind(steps, 'verify-start'), ports),
    announce(ofKind(steps, 'announce'), policy, ports),
    park(ofKind(steps, 'park'), policy, ports),
    putContinuations(ofKind(steps, 'hand-over'), ports),
    ofKind(steps, 'leave').map(({ work }) => [work, { kind: 'left' }] as const),
  ]);
  return new Map(answers.flatMap((each) => [...each]));
}

function ofKind<K extends DecisionKind>(steps: readonly Step[], kind: K): StepOf<K>[] {
  return steps.filter((step): step is StepOf<K> => step.decision.kind === kind);
}

function isAsk(step: Step): step is Ask {
  return step.decision.kind === 'look' || step.decision.kind === 'set-draining';
}

/** The answer that an error amounts to. */
function answerTo(error: unknown): Answer {
  return error instanceof Unavailable ? { kind: 'refused', reason: error.message } : { kind: 'failed', error };
}

async function eachApart<S extends Step>(
  steps: readonly S[],
  answer: (step: S) => Promise<Answer>,
): Promise<Map<Work, Answer>> {
  const answers = steps.map(async (step) => [step.work, await answer(step).catch(answerTo)] as const);
  return new Map(await Promise.all(answers));
}

async function recordHeartbeat(drain: Drain, ports: Ports): Promise<Answer> {
  const askedAtMs = ports.clock.nowMs();
  if (drain.kind !== 'held') return { kind: 'accepted', askedAtMs };
  const answer = await ports.lifecycleActions.recordHeartbeat(drain.action);
  return answer === 'accepted' ? { kind: answer, askedAtMs } : afterTheEnd(drain, ports);
}

async function complete(drain: Drain, verdict: Verdict, ports: Ports): Promise<Answer> {
  const askedAtMs = ports.clock.nowMs();
  if (drain.kind === 'notice') return { kind: 'accepted', askedAtMs };
  try {
    const answer = await ports.lifecycleActions.complete(drain.action, resultOf(verdict));
    return answer === 'accepted' ? { kind: answer, askedAtMs } : afterTheEnd(drain, ports);
  } catch (error) {
    if (drain.kind === 'held' || error instanceof Unavailable) throw error;
    return { kind: 'denied', reason: reasonOf(error) };
  }
}

/**
 * A drain whose schedule is gone was ended by another delivery of the same event, which has reported it. One whose schedule cannot
 * be read comes again when that fires, if it is still there.
 */
async function afterTheEnd({ parked }: Drain, { schedules, clock }: Ports): Promise<Answer> {
  if (!parked || !schedules) return { kind: 'already-completed' };
  const stored = await schedules.get(parked.schedule).catch(errorOf);
  const isReported = stored instanceof Error ? parked.firesAtMs > clock.nowMs() : stored === undefined;
  return { kind: isReported ? 'taken' : 'already-completed' };
}

function resultOf(verdict: Verdict): LifecycleResult {
  return verdict.kind === 'timed-out' || verdict.kind === 'agent-lost' ? verdict.result : 'CONTINUE';
}

async function stopTasks({ work: { drain }, decision }: StepOf<'stop-tasks'>, ports: Ports): Promise<Answer> {
  const reason = `ecs-drain: the drain of ${instanceIdOf(drain)} is near its deadline`;
  const answers = await Promise.allSettled(
    decision.tasks.map((task) => ports.containerInstances.stopTask(task, reason)),
  );
  // One task that cannot be stopped must not cost the others their grace, nor the drain its end.
  const failure = answers.find((each) => each.status === 'rejected');
  if (!failure) return { kind: 'done' };
  const stopped = decision.tasks.filter((_, i) => answers[i]?.status === 'fulfilled');
  return { kind: 'refused', reason: reasonOf(failure.reason), stopped };
}

/** Asks once for each Auto Scaling group. */
async function byGroup(
  steps: readonly Step[],
  ask: (drains: readonly ActionDrain[], autoScalingGroup: string) => Promise<(drain: ActionDrain) => Answer>,
): Promise<Map<Work, Answer>> {
  const held = steps.flatMap(({ work }) => (work.drain.kind === 'notice' ? [] : [{ work, drain: work.drain }]));
  const groups = [...Map.groupBy(held, ({ drain }) => drain.action.autoScalingGroup)];
  const answers = groups.map(async ([group, members]) => {
    const answerFor = await ask(
      members.map(({ drain }) => drain),
      group,
    ).catch((error) => () => answerTo(error));
    return members.map(({ work, drain }) => [work, answerFor(drain)] as const);
  });
  return new Map((await Promise.all(answers)).flat());
}

async function readHooks(drains: readonly ActionDrain[], group: string, { lifecycleActions, telemetry }: Ports) {
  const hooks = await lifecycleActions.hooksOf(group);
  const managedDraining = hooks.some(({ name }) => name === MANAGED_DRAINING_HOOK);
  const held = drains.filter(({ kind }) => kind === 'held');
  if (managedDraining) for (const drain of held) telemetry.record(drain, { kind: 'managed-draining' });
  return ({ kind, action }: ActionDrain): Answer => {
    const limits = hooks.find(({ name }) => name === action.lifecycleHook)?.limits;
    return {
      kind: 'hook',
      limits: limits && (managedDraining && kind === 'held' ? { ...limits, managedDraining } : limits),
    };
  };
}

/** Hooks only say how long to wait. If reading them is denied, drains go on with what the policy assumes. */
function assumedHooks(error: unknown, drains: readonly ActionDrain[], policy: Policy, { telemetry }: Ports) {
  if (error instanceof Unavailable) throw error;
  for (const drain of drains) telemetry.record(drain, { kind: 'refused', doing: 'read-hook', reason: reasonOf(error) });
  return (drain: ActionDrain): Answer => ({ kind: 'hook', limits: limitsOf(drain, policy) });
}

/** Asks Auto Scaling since when it holds the instances, and Scheduler what operators ask of their drains. */
async function verifyStarts(steps: readonly StepOf<'verify-start'>[], ports: Ports): Promise<Map<Work, Answer>> {
  const [starts, requests] = await Promise.all([
    byGroup(steps, async (_, group) => {
      const since = await ports.lifecycleActions.terminatingSinceMs(group);
      return ({ action, operator }) => ({ kind: 'start', startedAtMs: since.get(action.instanceId), operator });
    }),
    Promise.all(steps.map(async ({ work }) => [work, await readRequests(work, ports)] as const)),
  ]);
  for (const [work, operator] of requests) {
    const start = starts.get(work);
    if (operator === 'taken') starts.set(work, { kind: 'taken' });
    else if (start?.kind === 'start') starts.set(work, { ...start, operator });
  }
  return starts;
}

/** What operators ask of a drain. Only its schedule knows of a request since it was written, or since it was copied. */
async function readRequests(
  { drain, isScheduleRead, receives = 1 }: Work,
  ports: Ports,
): Promise<Start['operator'] | 'taken'> {
  if (drain.kind !== 'held' || isScheduleRead || !ports.schedules) return drain.operator;
  const stored = await storedOf(drain, ports);
  if (stored instanceof Unavailable) return 'unread';
  // What can never be read keeps no drain from its end.
  if (!stored || stored instanceof Error || !isSameDrain(stored, drain)) return drain.operator;
  const operator = mergedRequests(stored.operator, drain.operator);
  // A round that knew nothing of a request has written the schedule after it.
  const isMissing = operator !== stored.operator;
  // A message that comes again may be all that is left of the delivery that wrote the schedule.
  const isElsewhere = receives <= 1 && isContinuedElsewhere(stored, drain, ports.clock.nowMs());
  return isElsewhere && !isMissing ? 'taken' : operator;
}

/** Best effort: what the bus does not take is recorded and never fails the drain. */
async function announce(
  steps: readonly StepOf<'announce'>[],
  policy: Policy,
  ports: Ports,
): Promise<Map<Work, Answer>> {
  const stuck = steps.filter(({ decision }) => decision.event === 'stuck').map(({ work }) => work);
  const explanations = await explain(stuck, policy, ports);
  const events = steps.map(({ work, decision: { deadlineAtMs } }) => ({
    drain: work.drain,
    event: eventOf(work, deadlineAtMs, explanations.get(work)),
  }));
  for (const { drain, event } of events) {
    if (event.kind !== 'stuck') continue;
    const { kind, deadlineAtMs, explanation } = event;
    ports.telemetry.record(drain, { kind, deadlineAtMs, explanation });
  }
  await publishBestEffort(events, ports);
  return new Map(steps.map(({ work }) => [work, { kind: 'done' }]));
}

function eventOf({ observation }: Work, deadlineAtMs: number, explanation: Explanation | undefined) {
  const holdingTasks = partlySeenIn(observation)?.tasks?.holding;
  const event = { deadlineAtMs, holdingTasks };
  return explanation ? ({ kind: 'stuck', ...event, explanation } as const) : ({ kind: 'started', ...event } as const);
}

/** Publishes the events; a failure is recorded. */
export async function publishBestEffort(
  events: readonly { readonly drain: Drain; readonly event: DrainEvent }[],
  { events: publisher, telemetry }: Ports,
): Promise<void> {
  if (events.length === 0) return;
  const failures = await publisher.publish(events).catch((error: Error): Failure[] => events.map(() => error));
  for (const [i, { drain }] of events.entries()) {
    const failure = failures[i];
    if (failure) telemetry.record(drain, { kind: 'refused', doing: 'announce', reason: failure.message });
  }
}

/** A drain that parks, and its state while it waits. */
interface Wait extends StepOf<'park'> {
  readonly next: Drain;
}

/** Writes the state into the drain's schedule, where it has one, and sends the message, which is only an alarm clock for it. */
async function park(steps: readonly StepOf<'park'>[], policy: Policy, ports: Ports): Promise<Map<Work, Answer>> {
  const waits = steps.map((step) => ({ ...step, next: waiting(step.work.drain, step.decision, policy, ports) }));
  const unsent = await sendWaits(waits.filter(isSentFirst), ({ work }) => work.drain, ports);
  const written = await eachApart(
    waits.filter(({ work }) => !unsent.has(work)),
    async ({ work, next, decision }) => {
      const answer = await writeSchedule(work.drain, next, decision, ports);
      return answer.kind === 'taken' ? takenOrLeft(work) : answer;
    },
  );
  const isParked = ({ work }: Wait) => written.get(work)?.kind === 'parked';
  const sentLast = waits.filter((wait) => isParked(wait) && wait.decision.on !== 'schedule' && !isSentFirst(wait));
  return new Map([...unsent, ...written, ...(await sendWaits(sentLast, ({ next }) => next, ports))]);
}

/** What has parked the drain may be an invocation that died: its message comes once more, and goes on from the schedule. */
function takenOrLeft({ receives = 1, isScheduleRead }: Work): Answer {
  return { kind: receives > 1 && !isScheduleRead ? 'left' : 'taken' };
}

/**
 * No message comes again for an operator's request, a replayed event or a drain that the sweep has found. If its invocation dies, the
 * schedule alone may be too late for a short hook. So the message is on its way before the schedule has the wait.
 */
function isSentFirst({ work: { receives, isWoken }, decision }: StepOf<'park'>): boolean {
  return receives === undefined && !isWoken && decision.on !== 'schedule';
}

/** @returns the drains whose messages the queue did not take, with the state that they then have. */
async function sendWaits(
  waits: readonly Wait[],
  unsent: (wait: Wait) => Drain,
  { continuations }: Ports,
): Promise<Map<Work, Answer>> {
  const messages = waits.map(({ next, decision }) => ({ drain: next, atMs: decision.untilMs }));
  const failures = await failuresOf(messages, continuations.continueAt);
  const refused = waits.flatMap((wait, i): [Work, Answer][] => {
    const failure = failures[i];
    return failure ? [[wait.work, { kind: 'queue-refused', drain: unsent(wait), reason: failure.message }]] : [];
  });
  return new Map(refused);
}

/** The next sweep continues what is worked on for one round, without a message. */
async function putContinuations(steps: readonly StepOf<'hand-over'>[], ports: Ports): Promise<Map<Work, Answer>> {
  const sent = steps.filter(({ work }) => !work.drain.isOnce);
  const failures = await failuresOf(
    sent.map(({ work }) => work.drain),
    ports.continuations.continueNow,
  );
  const failed = new Map(sent.map(({ work }, i) => [work, failures[i]]));
  return new Map(
    steps.map(({ work }) => [work, failed.get(work) ? answerTo(failed.get(work)) : ({ kind: 'handed-over' } as const)]),
  );
}

async function failuresOf<T>(
  items: readonly T[],
  call: (items: readonly T[]) => Promise<readonly Failure[]>,
): Promise<readonly Failure[]> {
  if (items.length === 0) return [];
  return call(items).catch((error: Error) => items.map(() => error));
}
