import type { Trace } from '../trace.ts';
import type { AutoScalingModel } from './model.ts';
import { batchesOf, type Condition, carryOut, type Deployment, passed, type Time } from './steps.ts';
import { isActive } from './views.ts';

export interface RollingUpdatePolicy {
  readonly minInstancesInService: number;
  readonly maxBatchSize: number;
  readonly pauseTimeSeconds: number;
  readonly waitForSignals: boolean;
}

/** From the registration of an instance until its cfn-signal. */
export const SIGNAL_SECONDS = 5;

/** Makes a group smaller: the oldest instances go, and nothing replaces them. */
export function scaleIn(model: AutoScalingModel, group: string, count: number): Deployment {
  const before = model.group(group).desiredCapacity;
  const oldest = activeIn(model, group).slice(0, count);
  model.setDesiredCapacity(group, before - count);
  return {
    get ended() {
      return oldest.every((id) => isTerminated(model, id));
    },
  };
}

/**
 * Replaces every instance as CloudFormation's AutoScalingRollingUpdate does (template reference, UpdatePolicy). The order
 * is that of its stack events, from "Rolling update initiated" to "Successfully terminated instance(s)". The group is raised
 * to MinInstancesInService and one batch if it has fewer. Then, batch by batch, old instances are terminated while their
 * replacements launch. The next batch waits until the old ones are gone and the new ones have signaled, or the pause is over. The last batch gets only the replacements that the original capacity needs. Signals that do not
 * come within the pause time fail the update; the rollback that CloudFormation would start is not played.
 */
export function rollingUpdate(
  model: AutoScalingModel,
  time: Time,
  group: string,
  policy: RollingUpdatePolicy,
  trace: Trace,
): Deployment {
  const { maxSize, desiredCapacity } = model.group(group);
  const { minInstancesInService, maxBatchSize } = policy;
  const old = activeIn(model, group);
  const batchSize = Math.min(maxBatchSize, old.length, maxSize - minInstancesInService);
  if (minInstancesInService >= maxSize || maxBatchSize < 1) {
    throw new Error(
      `MinInstancesInService (${minInstancesInService}) must be less than the group's MaxSize (${maxSize}), and MaxBatchSize (${maxBatchSize}) at least 1.`,
    );
  }
  const say = (message: string) => trace({ kind: 'deployment', group, message });

  return carryOut(time, function* () {
    const newcomers = newcomersTo(model, group);
    say(
      `Rolling update initiated. Terminating ${old.length} obsolete instance(s) in batches of ${batchSize}, while keeping at least ${minInstancesInService} instance(s) in service.`,
    );

    const temporaryCapacity = minInstancesInService + batchSize;
    if (temporaryCapacity > desiredCapacity) {
      say(`Temporarily setting autoscaling group DesiredCapacity to ${temporaryCapacity}.`);
      model.setDesiredCapacity(group, temporaryCapacity);
      if (!(yield* settled(newcomers()))) return;
    }

    let gone = 0;
    for (const batch of batchesOf(old, batchSize)) {
      gone += batch.length;
      const isLast = gone === old.length;
      say(`Terminating instance(s) [${batch.join(', ')}].`);
      for (const id of stillActive(model, batch)) {
        const isSurplus = isLast && model.group(group).desiredCapacity > desiredCapacity;
        model.terminateInstance(id, { decrementDesiredCapacity: isSurplus });
      }
      yield () => batch.every((id) => isTerminated(model, id));
      say(
        `Successfully terminated instance(s) [${batch.join(', ')}] (Progress ${Math.round((100 * gone) / old.length)}%).`,
      );
      if (!(yield* settled(newcomers()))) return;
    }

    // After a last batch that was smaller than the others, surplus instances are left.
    if (model.group(group).desiredCapacity !== desiredCapacity) model.setDesiredCapacity(group, desiredCapacity);
    yield () => model.instancesOf(group).every(({ state }) => isActive(state));
    say(`Rolling update complete: ${old.length} instance(s) replaced.`);
  });

  /** Waits for the signals of new instances, or pauses; returns whether the update goes on. */
  function* settled(added: readonly string[]): Generator<Condition, boolean> {
    if (added.length === 0) return true;
    if (!policy.waitForSignals) {
      yield () => added.every((id) => isTerminated(model, id) || isReady(model, time, id, 0));
      yield passed(time, policy.pauseTimeSeconds);
      return true;
    }
    const hasSignalled = (id: string) => isReady(model, time, id, SIGNAL_SECONDS);
    const isTimeOver = passed(time, policy.pauseTimeSeconds);
    yield () => added.every(hasSignalled) || isTimeOver();
    const missing = added.filter((id) => !hasSignalled(id));
    if (missing.length > 0) {
      say(`Rolling update failed: Failed to receive ${missing.length} resource signal(s) for the current batch.`);
    }
    return missing.length === 0;
  }
}

function activeIn(model: AutoScalingModel, group: string): readonly string[] {
  return model
    .instancesOf(group)
    .filter(({ state }) => isActive(state))
    .map(({ instanceId }) => instanceId);
}

/** Each call returns the active instances that have come to the group since the one before. */
function newcomersTo(model: AutoScalingModel, group: string): () => readonly string[] {
  const known = new Set(activeIn(model, group));
  return () => {
    const added = activeIn(model, group).filter((id) => !known.has(id));
    for (const id of added) known.add(id);
    return added;
  };
}

function stillActive(model: AutoScalingModel, ids: readonly string[]): readonly string[] {
  return ids.filter((id) => isActive(model.instance(id)?.state));
}

function isTerminated(model: AutoScalingModel, id: string): boolean {
  return model.instance(id)?.state === 'Terminated';
}

/** InService, for some time already. */
function isReady(model: AutoScalingModel, time: Time, id: string, seconds: number): boolean {
  const { state, inServiceAtMs = Number.POSITIVE_INFINITY } = model.instance(id) ?? {};
  return state === 'InService' && time.nowMs() - inServiceAtMs >= seconds * 1000;
}
