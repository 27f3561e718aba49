/** What operators ask of a drain under way: to keep a note, or to end by another deadline. */

import { isValue } from './by-cluster.ts';
import { type Drain, instanceIdOf } from './drain.ts';
import { type Result, type Work, workOn } from './evolve.ts';
import { continued } from './next-round.ts';
import { mergedRequests, type OperatorNote, type OperatorRequest, withNote } from './operator.ts';
import { deadlineAtMs, latestDeadlineAtMs, type Policy } from './policy.ts';
import { errorOf, type Ports, reasonOf } from './ports.ts';

/** The drain whose state the schedule holds, with what the operator asks; or why that is not possible. */
export async function loadRequest(request: OperatorRequest, policy: Policy, ports: Ports): Promise<Work | Result> {
  const { instanceId, schedule } = request;
  try {
    const drain = schedule === undefined ? undefined : await ports.schedules?.get(schedule);
    if (!drain || instanceIdOf(drain) !== instanceId) {
      const reason = `No schedule holds a drain of ${instanceId}: it has not begun, has just begun, or has ended.`;
      return { kind: 'refused', request, reason };
    }
    const nowMs = ports.clock.nowMs();
    const reason = whyNotPossible(drain, request, policy, nowMs);
    if (reason !== undefined) return { kind: 'refused', drain, request, reason };
    const note = noteOf(request, nowMs);
    const next = { ...drain, operator: withNote(drain.operator, note) };
    if (deadlineAtMs(next, policy) > deadlineAtMs(drain, policy)) {
      const unwritten = await whyNotWritten(next, request, ports);
      if (unwritten !== undefined) return { kind: 'refused', drain, request, reason: unwritten };
    }
    ports.telemetry.record(next, { kind: 'requested', note });
    return workOn(continued(next), { isScheduleRead: true });
  } catch (error) {
    const reason = `The schedule of the drain of ${instanceId} could not be read: ${reasonOf(error)}`;
    return { kind: 'refused', request, reason };
  }
}

/**
 * Writes the request into the schedule, and keeps the wait there. Whatever else continues the drain would end it at an earlier deadline
 * if it found no later one, so the operator must know when Scheduler refuses.
 */
async function whyNotWritten(
  drain: Drain,
  { instanceId, schedule = '' }: OperatorRequest,
  { schedules, clock }: Ports,
): Promise<string | undefined> {
  const { firesAtMs = clock.nowMs() } = drain.parked ?? {};
  // An update never deletes the state, also of one that has fired.
  const answer = await schedules?.put(drain, schedule, firesAtMs, 'pending').catch(errorOf);
  if (answer === 'parked') return undefined;
  // AWS may have written it, and the answer was lost.
  const stored = answer instanceof Error ? await schedules?.get(schedule).catch(errorOf) : undefined;
  if (isValue(stored) && mergedRequests(stored.operator, drain.operator) === stored.operator) return undefined;
  const reason = answer instanceof Error ? answer.message : 'another invocation has just written it';
  const keeps = stored instanceof Error ? 'may keep' : 'keeps';
  return `The drain of ${instanceId} ${keeps} its deadline, because its schedule could not be written. Ask again when EventBridge Scheduler answers: ${reason}`;
}

function whyNotPossible(
  drain: Drain,
  { deadlineSeconds }: OperatorRequest,
  policy: Policy,
  nowMs: number,
): string | undefined {
  if (deadlineSeconds === undefined) return undefined;
  const instanceId = instanceIdOf(drain);
  if (drain.kind === 'notice') {
    return `${instanceId} is drained on a ${drain.notice.kind} of EC2: nothing holds it, so its deadline cannot be moved.`;
  }
  if (drain.kind === 'supervised') {
    return `ECS managed draining drains ${instanceId}, and ecs-drain only watches: its deadline cannot be moved.`;
  }
  const latestMs = latestDeadlineAtMs(drain, policy);
  if (nowMs + deadlineSeconds * 1000 <= latestMs) return undefined;
  const seconds = Math.max(0, Math.floor((latestMs - nowMs) / 1000));
  return `The hook ${drain.action.lifecycleHook} does not hold ${instanceId} for so long: choose a deadline of ${seconds} s from now at most.`;
}

function noteOf({ by, message, deadlineSeconds }: OperatorRequest, nowMs: number): OperatorNote {
  return {
    atMs: nowMs,
    by,
    ...(message !== undefined && { message }),
    ...(deadlineSeconds !== undefined && { deadlineAtMs: nowMs + deadlineSeconds * 1000 }),
  };
}
