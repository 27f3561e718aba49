/** The use case: one round of work on many drains. Load, observe, decide, perform, evolve, until each has a result. */

import { decide } from './decide.ts';
import type { Decision } from './decision.ts';
import { instanceIdOf, isSameDrain, keyOf, killsTasks } from './drain.ts';
import { type Answer, evolve, type Result, type Work } from './evolve.ts';
import { explain } from './explain.ts';
import { heldOpen } from './held-open.ts';
import { type Arrival, type Loaded, load } from './load.ts';
import { fingerprintOf } from './observation.ts';
import { decideOnce } from './once.ts';
import { mergedRequests } from './operator.ts';
import { perform, publishBestEffort, type Step } from './perform.ts';
import { deadlineUsedPercent, LEFT_AT_FIRST, type Policy } from './policy.ts';
import type { Ending, Ports, Telemetry } from './ports.ts';
import { supervise } from './supervise.ts';
import { deleteSchedule } from './write-schedule.ts';

/** No drain takes more steps in a round; more would mean that it goes in circles. */
const MOST_STEPS = 40;

/** The results of each arrival: none for a wake-up that no one awaits. */
export type RoundResult = ReadonlyMap<Arrival, readonly Result[]>;

/**
 * Works on every drain that the arrivals are about. Doing so twice, or again after a crash, is harmless: what ends a drain
 * is only what ECS and Auto Scaling say now.
 * @throws never: what fails is the result of the drain that it fails for.
 */
export async function runRound(arrivals: readonly Arrival[], policy: Policy, given: Ports): Promise<RoundResult> {
  const ports = { ...given, telemetry: onlyChanges(given.telemetry) };
  const loaded = await load(arrivals, policy, ports);
  const works = mergedWorks(worksIn(loaded));
  const results = new Map<string, Result>();
  // Drains that go on never wait for the report about those that have ended.
  const reports = [
    recordEndings(
      [...loaded.values()].flat().flatMap((each) => asFinished(each)),
      policy,
      ports,
    ),
  ];
  for (const each of [...loaded.values()].flat()) {
    if (!isWork(each) && each.kind === 'superseded') ports.telemetry.record(each.drain, { kind: 'superseded' });
  }

  for (let active = [...works.values()]; active.length > 0; ) {
    const steps = active.map((work): Step => ({ work, decision: decision(work, policy, ports) }));
    for (const { work, decision } of steps) recordDecision(work, decision, policy, ports);
    const drains = active.map(({ drain }) => drain);
    const answers = await perform(steps, policy, heldOpen(drains, policy, ports));
    const evolved = steps.map((step) => ({ step, next: nextOf(step, answers.get(step.work), policy, ports) }));
    for (const { step, next } of evolved) if (!isWork(next)) results.set(keyOf(step.work.drain), next);
    const finished = evolved.flatMap(({ step, next }) => asFinished(next, step.work));
    reports.push(recordEndings(finished, policy, ports));
    active = evolved.flatMap(({ next }) => (isWork(next) ? [next] : []));
  }
  await Promise.all(reports);
  return resultsOf(loaded, results);
}

function decision(work: Work, policy: Policy, ports: Ports): Decision {
  const { clock, random, invocation } = ports;
  const { drain } = work;
  const comesAgainAtMs = work.receives === undefined || drain.isOnce ? undefined : invocation.endsAtMs;
  const wasLeft = work.receives !== undefined && work.receives > LEFT_AT_FIRST;
  const now = { nowMs: clock.nowMs(), isOutOfTime: isOutOfTime(policy, ports), random: random() };
  const situation = { ...work, ...now, policy, comesAgainAtMs, wasLeft };
  const decideWithout = (...kinds: ('park' | 'queue')[]) => {
    const given = { ...situation, refused: new Set([...work.refused, ...kinds]) };
    return drain.kind === 'supervised' ? supervise({ ...given, drain }) : decide({ ...given, drain });
  };
  return drain.isOnce ? decideOnce(situation, decideWithout) : decideWithout();
}

/** Whether only the margin is left, which is for handing over. */
function isOutOfTime({ marginSeconds }: Policy, { clock, invocation }: Ports): boolean {
  return clock.nowMs() >= invocation.endsAtMs - marginSeconds * 1000;
}

function nextOf({ work, decision }: Step, answer: Answer | undefined, policy: Policy, ports: Ports): Work | Result {
  const { drain } = work;
  if (!answer || work.steps >= MOST_STEPS) {
    const error = new Error(`The drain of ${instanceIdOf(drain)} goes in circles: ${MOST_STEPS} steps in one round.`);
    return { kind: 'failed', drain, error };
  }
  if (answer.kind === 'refused' || answer.kind === 'queue-refused' || answer.kind === 'denied') {
    ports.telemetry.record(drain, { kind: 'refused', doing: decision.kind, reason: answer.reason });
  }
  const next = evolve(work, decision, answer, policy, ports.clock.nowMs());
  if (!isWork(next)) {
    if (next.kind === 'superseded') ports.telemetry.record(drain, { kind: 'superseded' });
    return next;
  }
  if (next.drain.startedAtMs !== drain.startedAtMs) {
    ports.telemetry.record(next.drain, { kind: 'corrected', claimedStartAtMs: drain.startedAtMs });
  }
  return { ...next, steps: work.steps + 1 };
}

function isWork(next: Work | Result): next is Work {
  return 'steps' in next;
}

function worksIn(loaded: Loaded): Work[] {
  return [...loaded.values()].flat().filter(isWork);
}

/** One work for each drain, by its key. What was parked before knows the most, and a claim from the bus the least. */
function mergedWorks(works: readonly Work[]): Map<string, Work> {
  const merged = new Map<string, Work>();
  for (const work of works) {
    const key = keyOf(work.drain);
    const other = merged.get(key);
    merged.set(key, other ? mergedWork(work, other) : work);
  }
  return merged;
}

function mergedWork(one: Work, other: Work): Work {
  const best = knowsMore(other, one) ? other : one;
  const reported = [...one.reported, ...other.reported];
  const receives = Math.max(one.receives ?? 0, other.receives ?? 0) || undefined;
  const areSame = isSameDrain(one.drain, other.drain);
  const operator = areSame ? mergedRequests(one.drain.operator, other.drain.operator) : best.drain.operator;
  const drain = { ...best.drain, operator };
  return { ...best, drain, reported, isWoken: one.isWoken || other.isWoken, receives };
}

function knowsMore(one: Work, other: Work): boolean {
  if (one.isClaimed !== other.isClaimed) return other.isClaimed;
  // An instance that stayed may be held once more: the earlier action is over.
  if (!isSameDrain(one.drain, other.drain)) return one.drain.startedAtMs > other.drain.startedAtMs;
  if (one.drain.isOnce !== other.drain.isOnce) return other.drain.isOnce === true;
  if (one.isScheduleRead !== other.isScheduleRead) return one.isScheduleRead;
  return one.drain.parked !== undefined && other.drain.parked === undefined;
}

function resultsOf(loaded: Loaded, results: ReadonlyMap<string, Result>): RoundResult {
  const ofEach = [...loaded].map(([arrival, each]) => {
    const own = each.flatMap((one) => (isWork(one) ? (results.get(keyOf(one.drain)) ?? []) : [one]));
    return [arrival, own] as const;
  });
  return new Map(ofEach);
}

interface Finished {
  readonly work: Pick<Work, 'drain' | 'observation'>;
  readonly outcome: Ending['outcome'];
}

function asFinished(next: Work | Result, work?: Work): Finished[] {
  if (isWork(next) || next.kind !== 'finished') return [];
  return [{ work: { drain: next.drain, observation: work?.observation }, outcome: next.outcome }];
}

/** Reports how drains ended, and deletes their schedules. Explaining why tasks die delays nothing but the report. */
async function recordEndings(finished: readonly Finished[], policy: Policy, ports: Ports): Promise<void> {
  if (finished.length === 0) return;
  const finishedAtMs = ports.clock.nowMs();
  const killing = finished.filter(({ outcome }) => killsTasks(outcome)).map(({ work }) => work);
  // An invocation that dies here would leave the end unreported, so in its margin it makes no call that it can do without.
  const explanations = isOutOfTime(policy, ports) ? new Map() : await explain(killing, policy, ports);
  const endings = finished.map(({ work, outcome }) => {
    const ending: Ending = { outcome, finishedAtMs, explanation: explanations.get(work) };
    ports.telemetry.record(work.drain, { kind: 'finished', ...ending });
    return { drain: work.drain, event: { kind: 'finished', ...ending } as const };
  });
  const deleted = finished.map(({ work: { drain } }) => deleteSchedule(drain, ports));
  await publishBestEffort(endings, ports);
  await Promise.all(deleted);
}

function recordDecision(work: Work, decision: Decision, policy: Policy, { telemetry, clock }: Ports): void {
  const { drain, observation } = work;
  if (decision.kind === 'look' || decision.kind === 'verify-start') return;
  if (decision.kind === 'hand-over' && drain.isOnce) return;
  telemetry.record(drain, { kind: 'decided', decision, observation });
  if (!observation) return;
  telemetry.record(drain, { kind: 'looked', deadlineUsedPercent: deadlineUsedPercent(drain, policy, clock.nowMs()) });
}

/** Records only what differs from the last entry of its kind about the same drain: not each look, nor each refusal. */
function onlyChanges(telemetry: Telemetry): Telemetry {
  const last = new Map<string, { decided?: string; refused?: string; hasLooked?: boolean }>();
  return {
    ...telemetry,
    record(drain, entry) {
      const key = keyOf(drain);
      const before = last.get(key) ?? {};
      if (entry.kind === 'decided') {
        const decided = [entry.decision.kind, entry.observation?.kind, fingerprintOf(entry.observation)].join();
        if (decided === before.decided) return;
        last.set(key, { ...before, decided });
      }
      if (entry.kind === 'refused') {
        if (entry.doing === before.refused) return;
        last.set(key, { ...before, refused: entry.doing });
      }
      if (entry.kind === 'looked') {
        if (before.hasLooked) return;
        last.set(key, { ...before, hasLooked: true });
      }
      telemetry.record(drain, entry);
    },
  };
}
