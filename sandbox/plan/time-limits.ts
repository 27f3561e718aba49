import { duration } from '../../src/adapters/duration.ts';
import type { Params } from '../scenarios.ts';
import { hangsInStarting, hangsInStopping } from './build.ts';
import { type Change, launches } from './change.ts';
import { presentNeed } from './drain-time.ts';
import type { ServiceEstimates } from './estimates.ts';
import { policiesOf } from './hooks.ts';
import { leavingIn, othersThatMayLeave } from './leaving.ts';
import type { Given, Limit } from './plan.ts';
import { type Snapshot, serviceOf } from './snapshot.ts';

/** Times that may be longer than those of a rehearsal. */

/** A rehearsal plays each time with 10 % more or less. */
const CHANCE = 1.1;

/** Standalone tasks on instances that may leave, of which the plan does not know when they end. */
export function* endlessTasks(snapshot: Snapshot, change: Change, given: Given): Generator<Limit> {
  const { cluster, takenAtMs } = snapshot;
  const mayLeave = new Set([...leavingIn(snapshot, change), ...othersThatMayLeave(snapshot, change)]);
  const jobs = cluster.tasks.filter(
    (task) => serviceOf(task) === undefined && task.desiredStatus !== 'STOPPED' && mayLeave.has(task.ec2InstanceId),
  );
  const past: string[] = [];
  const unknown: string[] = [];
  let assumed = '';
  for (const [group, tasks] of Map.groupBy(jobs, (task) => task.group)) {
    const runs = given.estimates.standalone.get(group);
    if (!runs) continue;
    const ran = Math.max(...tasks.map(({ startedAtMs = takenAtMs }) => (takenAtMs - startedAtMs) / 1000));
    if (ran >= runs.seconds * (runs.assumed ? 1 : CHANCE)) {
      past.push(
        `${group} has run for ${duration(ran)}, and ${duration(runs.seconds)} ${runs.assumed ? 'is assumed' : `is ${runs.source}`}`,
      );
    } else if (runs.assumed) {
      unknown.push(group);
      assumed = duration(runs.seconds);
    }
  }
  const { otherwise, isRisk } = ifTheyRunLonger(snapshot, given);
  if (past.length > 0) {
    yield {
      what: `Standalone tasks run for an unknown time: ${past.join('; ')}.`,
      effect: `The plan has them end after the same time once more. ${otherwise} Wait until they have ended, or give with --assume how long they run in all.`,
      ...isRisk,
    };
  }
  if (unknown.length > 0) {
    yield {
      what: `The standalone tasks of ${unknown.join(', ')} run for an unknown time.`,
      effect: `The plan assumes ${assumed} in all. ${otherwise} Give with --assume how long they run.`,
      ...isRisk,
    };
  }
}

function ifTheyRunLonger(snapshot: Snapshot, { params }: Given) {
  const stops = policiesOf(snapshot, params).every(({ stopStragglers }) => stopStragglers !== 'none');
  return stops
    ? { otherwise: 'If they run longer, the drain stops them before its deadline.', isRisk: {} }
    : {
        otherwise: 'If they run longer, drains get stuck, because draining does not stop standalone tasks.',
        isRisk: { isRisk: true } as const,
      };
}

/** What has taken so long before that a drain would have no time for it, although it has for the median that the plan takes. */
export function* slowerThanPlanned(snapshot: Snapshot, change: Change, given: Given): Generator<Limit> {
  const { cluster, takenAtMs } = snapshot;
  const { services, standalone } = given.estimates;
  const deadlineSeconds = deadlineIn(snapshot, given.params);
  const mayLeave = new Set([...leavingIn(snapshot, change), ...othersThatMayLeave(snapshot, change)]);
  for (const [group, tasks] of Map.groupBy(cluster.tasks, (task) => task.group)) {
    const there = tasks.filter(({ ec2InstanceId }) => mayLeave.has(ec2InstanceId));
    const job = standalone.get(group);
    const ran = there.map(({ startedAtMs = takenAtMs }) => (takenAtMs - startedAtMs) / 1000);
    const leftSeconds = (job?.longestSeconds ?? 0) - Math.min(...ran);
    if (job && there.length > 0 && leftSeconds >= deadlineSeconds) {
      const { otherwise, isRisk } = ifTheyRunLonger(snapshot, given);
      yield {
        what: `Standalone tasks of ${group} have run for up to ${duration(job.longestSeconds ?? 0)}.`,
        effect: `The plan has each run for ${duration(job.seconds)}, ${job.source}. ${otherwise}`,
        ...isRisk,
      };
    }
    const service = services.get(serviceOf({ group }) ?? '');
    if (service && there.length > 0) yield* slowService(group, service, deadlineSeconds);
  }
  const { longestSeconds = 0, seconds, source } = given.estimates.launch;
  if (launches(change) && longestSeconds >= deadlineSeconds) {
    yield {
      what: `Instances of the group have taken up to ${duration(longestSeconds)} to launch.`,
      effect: `The plan has each take ${duration(seconds)}, ${source}. If one takes as long again, drains that need its room get stuck.`,
      isRisk: true,
    };
  }
}

function* slowService(group: string, times: ServiceEstimates, deadlineSeconds: number): Generator<Limit> {
  const { start, stop, deregistration, stopTimeout } = times;
  const leaves = deregistration?.seconds ?? 0;
  if (leaves + stopTimeout.seconds >= deadlineSeconds && leaves + stop.seconds < deadlineSeconds) {
    yield {
      what: `Of ${group}, ${presentNeed(leaves, stopTimeout.seconds)}, and a drain has ${deadlineSeconds} s to its deadline.`,
      effect: `The plan has each stop within ${duration(stop.seconds)}, ${stop.source}. One that takes its whole stop timeout is killed.`,
      isRisk: true,
    };
  }
  const rest = leaves + stopTimeout.seconds;
  if (!start.longestSeconds || start.longestSeconds + rest < deadlineSeconds || start.seconds + rest >= deadlineSeconds)
    return;
  yield {
    what: `Tasks of ${group} have taken up to ${duration(start.longestSeconds)} to start.`,
    effect: `The plan has each take ${duration(start.seconds)}, ${start.source}. If one takes as long again, drains get stuck.`,
    isRisk: true,
  };
}

export function deadlineIn(snapshot: Snapshot, params: Params): number {
  return Math.min(...policiesOf(snapshot, params).map((policy) => policy.deadlineSeconds));
}

/** Tasks on their way up or down for longer than usual. */
export function* overdueTasks(snapshot: Snapshot, { estimates }: Given): Generator<Limit> {
  const { cluster, takenAtMs } = snapshot;
  const since = (atMs: number) => duration((takenAtMs - atMs) / 1000);
  for (const task of cluster.tasks) {
    const { id, group, createdAtMs, stoppingAtMs = takenAtMs } = task;
    if (hangsInStopping(task, snapshot, estimates)) {
      yield {
        what: `The task ${id} (${group}) has been stopping for ${since(stoppingAtMs)}, longer than its deregistration and its stop timeout allow.`,
        effect: 'The plan has it never stop, so that it holds its instance until the deadline.',
      };
    }
    if (hangsInStarting(task, snapshot, estimates)) {
      yield {
        what: `The task ${id} (${group}) has been starting for ${since(createdAtMs)}, longer than other tasks of the service.`,
        effect:
          'The plan has it run at once. If it does not, the service has fewer tasks, and drains take longer or get stuck.',
        isRisk: true,
      };
    }
  }
}
