/**
 * Sets instances to ACTIVE again that we had set to DRAINING and that stay in service. Auto Scaling has replaced their root
 * volume or has put a retained instance back, or EC2 has not taken them after its notice (docs/decisions/0023).
 */

import { batches, isValue } from './by-cluster.ts';
import type { Drain } from './drain.ts';
import type { GroupPlace } from './group-place.ts';
import type { Mark, MarkedInstance, Returned } from './mark.ts';
import type { EcsRef } from './observation.ts';
import { deadlineAtMs, ON_THE_WAY_SECONDS, type Policy, SCHEDULE_LATE_SECONDS } from './policy.ts';
import { ClusterMissing, type Ports, reasonOf } from './ports.ts';

/** What a search for instances to return came to. */
export interface ReturnSweep {
  readonly returned: readonly Returned[];
  /** What kept some of the marked instances from being looked at or returned. */
  readonly failures: readonly unknown[];
}

/** What one call takes (facts 11 set-draining, 96 container-instance-attributes). */
const STATES_AT_ONCE = 10;

/** Auto Scaling may still answer InService for an instance whose event has just come. */
const STATE_SETTLES_SECONDS = 60;

/**
 * How long after a notice an instance is left to be replaced or taken. Capacity Rebalancing launches the replacement first,
 * which takes minutes (facts 71 capacity-rebalancing); what no one has replaced by then has to serve.
 */
const REPLACEMENT_SECONDS = 900;

/** Whether the drain that set the mark has ended and the instance is in service. */
export function isInService({ mark, status }: MarkedInstance, place: GroupPlace | undefined): boolean {
  if (status !== 'DRAINING') return false;
  // No one terminates an instance without a group; one that was detached after its lifecycle action is a person's.
  if (!place) return mark.trigger !== 'lifecycle-action';
  return place.lifecycleState === 'InService';
}

/** When an instance that is in service may be returned at the earliest. */
export function returnDueAtMs({ trigger, atMs }: Mark, { waiting, deadlineSeconds }: Policy): number {
  if (trigger === 'lifecycle-action') return atMs + STATE_SETTLES_SECONDS * 1000;
  // Without schedules only the deadline shows that the drain has ended.
  const seconds = waiting === 'park' ? REPLACEMENT_SECONDS : Math.max(REPLACEMENT_SECONDS, deadlineSeconds);
  return atMs + seconds * 1000;
}

/**
 * A mark on a registration that takes tasks: an invocation crashed before it set DRAINING or after it had set ACTIVE, or
 * someone has set the instance to ACTIVE. It goes, so that a later DRAINING of a person's is not taken for ours.
 */
function isLeftOver({ mark, status }: MarkedInstance, nowMs: number): boolean {
  return status === 'ACTIVE' && nowMs >= mark.atMs + ON_THE_WAY_SECONDS * 1000;
}

/**
 * One call for each cluster where no registration has our mark.
 * @throws never: what fails for one instance or cluster is among the failures.
 */
export async function returnToService(policy: Policy, ports: Ports): Promise<ReturnSweep> {
  const { containerInstances: ecs, lifecycleActions, clock } = ports;
  const failures: unknown[] = [];
  const apart = <T>(task: Promise<T>): Promise<T | undefined> =>
    task.catch((error) => {
      failures.push(error);
      return undefined;
    });
  const found = await Promise.all(policy.clusters.map((cluster) => apart(markedIn(cluster, ports))));
  const marked = found.flatMap((each) => each ?? []);
  const nowMs = clock.nowMs();
  await inEachCluster(
    marked.filter((each) => isLeftOver(each, nowMs)),
    (cluster, arns) => apart(ecs.unmark(cluster, arns)),
  );

  const due = marked.filter(({ mark, status }) => status === 'DRAINING' && nowMs >= returnDueAtMs(mark, policy));
  const places = due.length > 0 ? await apart(lifecycleActions.placesOf(idsOf(due))) : undefined;
  if (!places) return { returned: [], failures };
  const inService = due.filter((each) => isInService(each, places.get(each.ec2InstanceId)));
  const haveEnded = await Promise.all(inService.map((each) => apart(hasEnded(each, policy, ports))));
  const idle = inService.filter((_, i) => haveEnded[i]);
  // Auto Scaling may have begun to terminate one since: what is set to ACTIVE then is given tasks that die.
  const now = idle.length > 0 ? await apart(lifecycleActions.placesOf(idsOf(idle))) : undefined;
  const ended = now ? idle.filter((each) => isInService(each, now.get(each.ec2InstanceId))) : [];

  const active = new Set<string>();
  await inEachCluster(ended, async (cluster, arns) => {
    // What fails for some must not keep the others from being reported.
    for (const some of batches(arns, STATES_AT_ONCE)) {
      const set = await apart(ecs.setActive(cluster, some));
      for (const arn of set ?? []) active.add(arn);
      // The mark goes last: an invocation that crashes in between leaves one that the next sweep finds.
      if (set && set.length > 0) await apart(ecs.unmark(cluster, set));
    }
  });
  const returned = ended
    .filter(({ arn }) => active.has(arn))
    .map((each) => returnedFrom(each, places.get(each.ec2InstanceId), clock.nowMs()));
  await report(returned, ports);
  return { returned, failures };
}

function idsOf(instances: readonly MarkedInstance[]): string[] {
  return [...new Set(instances.map(({ ec2InstanceId }) => ec2InstanceId))];
}

async function markedIn(
  cluster: string,
  { containerInstances }: Pick<Ports, 'containerInstances'>,
): Promise<readonly MarkedInstance[]> {
  try {
    return await containerInstances.marked(cluster);
  } catch (error) {
    if (error instanceof ClusterMissing) return [];
    throw error;
  }
}

/**
 * A lifecycle action whose instance is in service is over, but EC2 may have given notice of the instance since: a drain goes on for
 * as long as it has a schedule.
 */
async function hasEnded(
  { ec2InstanceId, mark }: MarkedInstance,
  policy: Policy,
  { schedules, clock }: Ports,
): Promise<boolean> {
  const parked = (await schedules?.parkedOn(ec2InstanceId)) ?? [];
  const error = parked.find((each) => each instanceof Error);
  // What cannot be read may be a drain that goes on.
  if (error) throw error;
  const others = parked.filter(isValue).filter(({ kind }) => kind === 'notice' || mark.trigger !== 'lifecycle-action');
  return others.every((drain) => clock.nowMs() >= surelyEndedAtMs(drain, policy));
}

/** A drain that was lost leaves its schedule, which must not keep the instance DRAINING forever. */
function surelyEndedAtMs(drain: Drain, policy: Policy): number {
  const lastMs = Math.max(deadlineAtMs(drain, policy), drain.parked?.firesAtMs ?? 0);
  return lastMs + (SCHEDULE_LATE_SECONDS + ON_THE_WAY_SECONDS) * 1000;
}

async function inEachCluster(
  instances: readonly EcsRef[],
  act: (cluster: string, arns: readonly string[]) => Promise<unknown>,
): Promise<void> {
  const clusters = Map.groupBy(instances, ({ cluster }) => cluster);
  await Promise.all(
    [...clusters].map(([cluster, own]) =>
      act(
        cluster,
        own.map(({ arn }) => arn),
      ),
    ),
  );
}

function returnedFrom(
  { arn, cluster, ec2InstanceId: instanceId, mark }: MarkedInstance,
  place: GroupPlace | undefined,
  returnedAtMs: number,
): Returned {
  const { trigger, atMs: drainingSinceMs } = mark;
  const autoScalingGroup = place?.autoScalingGroup;
  return { instanceId, containerInstance: { arn, cluster }, autoScalingGroup, trigger, drainingSinceMs, returnedAtMs };
}

/** Best effort: a failed publish is recorded, and the instance stays in service. */
async function report(returned: readonly Returned[], { events, telemetry }: Ports): Promise<void> {
  if (returned.length === 0) return;
  for (const each of returned) telemetry.recordReturn(each);
  const failures = await events.publishReturns(returned).catch((error) => returned.map((): Error => error));
  for (const [i, each] of returned.entries()) {
    const failure = failures[i];
    if (failure) telemetry.recordReturn(each, reasonOf(failure));
  }
}
