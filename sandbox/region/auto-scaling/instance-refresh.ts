import { AwsError } from '../aws-error.ts';
import type { Fleet } from './fleet.ts';
import { type AutoScalingOptions, type Group, type Instance, invalid } from './state.ts';
import { batchesOf, type Condition, carryOut, passed } from './steps.ts';
import { isActive, isGone, type RefreshPreferences, type RefreshView, type ScalingProcess } from './views.ts';

type Refresh = { -readonly [K in keyof RefreshView]: RefreshView[K] } & {
  readonly of: Group;
  /** CancelInstanceRefresh asked not to wait for transitions in progress. */
  hurried: boolean;
};

/** How long a refresh waits for instances that are protected from scale-in (API reference, RefreshPreferences). */
const PROTECTED_WAIT_SECONDS = 3_600;

/** A refresh stands still while one of these is suspended (user guide, suspend processes). */
export const NEEDED: readonly ScalingProcess[] = ['Launch', 'Terminate', 'InstanceRefresh'];

/** The instance refreshes of all groups. */
export class InstanceRefreshes {
  readonly #options: AutoScalingOptions;
  readonly #fleet: Fleet;
  readonly #refreshes: Refresh[] = [];

  constructor(options: AutoScalingOptions, fleet: Fleet) {
    this.#options = options;
    this.#fleet = fleet;
  }

  /** Begins to replace every instance of a group, or its root volume. Returns the id of the refresh. */
  start(
    group: Group,
    strategy: RefreshView['strategy'],
    preferences: Partial<RefreshPreferences>,
    desiredConfiguration?: object,
  ): string {
    const { name, warmPool, healthCheckGraceSeconds = 0 } = group.spec;
    const { defaultInstanceWarmupSeconds = healthCheckGraceSeconds } = group.spec; // Facts 66 instance-refresh.
    const { minHealthyPercentage = 90, maxHealthyPercentage = 100 } = preferences;
    refusePercentages(preferences);
    if (this.#active(group)) {
      const message = 'An Instance Refresh is already in progress and blocks the execution of this Instance Refresh.';
      throw new AwsError('InstanceRefreshInProgress', message);
    }
    if (strategy === 'ReplaceRootVolume' && warmPool) {
      throw invalid(`The group ${name} has a warm pool: its instances cannot have their root volumes replaced.`);
    }
    const refresh: Refresh = {
      id: this.#options.place.newId(),
      group: name,
      of: group,
      strategy,
      preferences: {
        minHealthyPercentage,
        maxHealthyPercentage,
        instanceWarmupSeconds: preferences.instanceWarmupSeconds ?? defaultInstanceWarmupSeconds,
        protectedInstances: preferences.protectedInstances ?? 'Wait',
      },
      desiredConfiguration,
      status: 'Pending',
      statusReason: undefined,
      startedAtMs: this.#options.time.nowMs(),
      endedAtMs: undefined,
      instancesToUpdate: group.active.size,
      percentageComplete: 0,
      ended: false,
      hurried: false,
    };
    this.#refreshes.push(refresh);
    this.#options.time.after(0, () => carryOut(this.#options.time, () => this.#run(refresh)));
    return refresh.id;
  }

  /** @throws AwsError if the group has no refresh that can be cancelled. */
  cancel(group: Group, waitForTransitioningInstances: boolean): string {
    const refresh = this.#active(group);
    if (!refresh) {
      throw new AwsError(
        'ActiveInstanceRefreshNotFound',
        `No in progress, baking, pending, or cancelling Instance Refresh found for Auto Scaling group ${group.spec.name}.`,
      );
    }
    refresh.status = 'Cancelling';
    refresh.hurried ||= !waitForTransitioningInstances;
    return refresh.id;
  }

  /** The newest first. */
  of(group: Group): readonly RefreshView[] {
    return this.#refreshes.filter((refresh) => refresh.of === group).toReversed();
  }

  #active(group: Group): Refresh | undefined {
    return this.#refreshes.find((refresh) => refresh.of === group && !refresh.ended);
  }

  /**
   * Replaces every instance in batches that leave the minimum healthy percentage, rounded up, in service, but of one
   * instance at least. Where MaxHealthyPercentage is 100, or omitted, Auto Scaling "terminates an instance and launches its
   * replacement simultaneously", with a minimum of 100 % too (API reference, RefreshPreferences). Above it, new instances
   * are "provisioned first", as many as it allows, rounded down, and one at least (user guide, instance maintenance
   * policies). It "waits before moving on" until a new instance has been InService for the warmup; it does not wait for
   * hooks to let go of the old one until its end.
   */
  *#run(refresh: Refresh): Generator<Condition, void> {
    const { of: group, strategy, preferences } = refresh;
    const old = this.#toUpdate(refresh);
    const { desiredCapacity } = group;
    const extra = extraInstances(desiredCapacity, preferences);
    const healthy = Math.ceil((desiredCapacity * preferences.minHealthyPercentage) / 100);
    const batchSize = Math.max(1, desiredCapacity - healthy + extra);
    const [name, done] =
      strategy === 'Rolling' ? ['instance refresh', 'replaced'] : ['root volume replacement', 'updated'];
    if (refresh.status === 'Pending') {
      refresh.status = 'InProgress';
      this.#publish(refresh, 'Started');
      this.#say(refresh, `${name} started: ${old.length} instance(s) in batches of ${batchSize}`);
    }
    for (const batch of batchesOf(old, batchSize)) {
      if (!(yield* this.#mayReplace(refresh, batch))) break;
      if (extra > 0 && !(yield* this.#launchFirst(refresh, Math.min(extra, batch.length)))) break;
      const updated = this.#replace(refresh, batch);
      yield () => refresh.hurried || updated().every((each) => hasLeft(each) || this.#isReady(each, preferences));
      refresh.instancesToUpdate -= batch.length;
      refresh.percentageComplete = Math.floor((100 * (old.length - refresh.instancesToUpdate)) / old.length);
    }
    yield () => refresh.hurried || old.every((each) => hasLeft(each) || isActive(each.state));
    this.#finish(refresh, `${name} successful: ${old.length} instance(s) ${done}`);
  }

  /** The instances that the refresh is for; `Ignore` leaves protected ones out. */
  #toUpdate(refresh: Refresh): readonly Instance[] {
    const { of: group, preferences } = refresh;
    const instances = [...group.active.values()].filter(
      ({ state, protectedFromScaleIn }) =>
        canBeReplaced(state, refresh) && !(protectedFromScaleIn && preferences.protectedInstances === 'Ignore'),
    );
    refresh.instancesToUpdate = instances.length;
    return instances;
  }

  /** Waits until nothing prevents the next batch. Returns whether the refresh goes on. */
  *#mayReplace(refresh: Refresh, batch: readonly Instance[]): Generator<Condition, boolean> {
    const { of: group, preferences } = refresh;
    const isCancelled = () => refresh.status === 'Cancelling';
    const isSuspended = () => NEEDED.some((process) => group.suspended.has(process));
    if (isSuspended()) yield () => isCancelled() || !isSuspended();
    if (preferences.protectedInstances === 'Wait') {
      const isProtected = () => batch.some((each) => each.protectedFromScaleIn && isActive(each.state));
      const isTimeOver = passed(this.#options.time, PROTECTED_WAIT_SECONDS);
      if (isProtected()) yield () => isCancelled() || !isProtected() || isTimeOver();
      if (isProtected() && !isCancelled()) {
        refresh.status = 'Failed';
        refresh.statusReason = 'Instances stayed protected from scale-in for an hour.';
      }
    }
    return refresh.status === 'InProgress';
  }

  /** Launches instances beyond the desired capacity, and waits until they are ready. Returns whether the refresh goes on. */
  *#launchFirst(refresh: Refresh, count: number): Generator<Condition, boolean> {
    const { of: group, preferences } = refresh;
    const known = new Set(group.active.values());
    group.surge = count;
    this.#fleet.keepCapacity(group);
    const added = [...group.active.values()].filter((each) => !known.has(each));
    yield () => refresh.hurried || added.every((each) => hasLeft(each) || this.#isReady(each, preferences));
    return refresh.status !== 'Cancelling';
  }

  /** Replaces a batch. Returns how to find what has to be in service, and warm, before the next one. */
  #replace(refresh: Refresh, batch: readonly Instance[]): () => readonly Instance[] {
    const { of: group, strategy } = refresh;
    const active = batch.filter(({ state }) => canBeReplaced(state, refresh));
    if (strategy === 'ReplaceRootVolume') {
      for (const instance of active) this.#fleet.replaceRootVolume(instance);
      return () => active;
    }
    const known = new Set(group.active.values());
    for (const instance of active) {
      this.#fleet.terminate(instance, { response: 'an instance refresh.', selected: true });
      group.surge = Math.max(0, group.surge - 1);
      this.#fleet.keepCapacity(group);
    }
    this.#endSurge(group);
    const added = [...group.active.values()].filter((each) => isActive(each.state) && !known.has(each));
    return () => added;
  }

  /** What was launched beyond the desired capacity and replaces nothing leaves again. */
  #endSurge(group: Group): void {
    if (group.surge === 0) return;
    group.surge = 0;
    this.#fleet.keepCapacity(group);
  }

  /** InService and still warming up. */
  #isReady({ state, inServiceAtMs = Number.POSITIVE_INFINITY }: Instance, preferences: RefreshPreferences): boolean {
    const { instanceWarmupSeconds } = preferences;
    return state === 'InService' && this.#options.time.nowMs() - inServiceAtMs >= instanceWarmupSeconds * 1000;
  }

  #finish(refresh: Refresh, success: string): void {
    this.#endSurge(refresh.of);
    if (refresh.status === 'Cancelling') {
      refresh.status = 'Cancelled';
      refresh.statusReason = 'Cancelled due to user request.';
    } else if (refresh.status === 'InProgress') {
      Object.assign(refresh, { status: 'Successful', instancesToUpdate: 0, percentageComplete: 100 });
    }
    refresh.endedAtMs = this.#options.time.nowMs();
    refresh.ended = true;
    const { status, statusReason } = refresh;
    this.#publish(refresh, status === 'Successful' ? 'Succeeded' : status);
    const because = status === 'Failed' && statusReason ? `: ${statusReason}` : '';
    this.#say(refresh, status === 'Successful' ? success : `instance refresh ${status.toLowerCase()}${because}`);
  }

  #publish({ of: group, id }: Refresh, what: string): void {
    this.#options.publish({
      source: 'aws.autoscaling',
      'detail-type': `EC2 Auto Scaling Instance Refresh ${what}`,
      resources: [group.arn],
      detail: { InstanceRefreshId: id, AutoScalingGroupName: group.spec.name },
    });
  }

  #say({ group }: Refresh, message: string): void {
    this.#options.trace({ kind: 'deployment', group, message });
  }
}

/** @throws AwsError if no refresh can keep to them (API reference, RefreshPreferences). */
function refusePercentages({ minHealthyPercentage, maxHealthyPercentage = 100 }: Partial<RefreshPreferences>): void {
  const min = minHealthyPercentage ?? 90;
  if (!(min >= 0 && min <= 100)) {
    throw invalid(`The minimum healthy percentage is ${min}; it has to be from 0 to 100.`);
  }
  if (!(maxHealthyPercentage >= 100 && maxHealthyPercentage <= 200)) {
    throw invalid(`The maximum healthy percentage is ${maxHealthyPercentage}; it has to be from 100 to 200.`);
  }
  if (maxHealthyPercentage === 100) return;
  if (minHealthyPercentage === undefined) {
    throw invalid('A maximum healthy percentage needs a minimum healthy percentage.');
  }
  if (maxHealthyPercentage - min > 100) {
    throw invalid('The maximum healthy percentage is more than 100 above the minimum healthy percentage.');
  }
}

/** How many instances a refresh may have beyond the desired capacity. */
function extraInstances(desiredCapacity: number, { maxHealthyPercentage }: RefreshPreferences): number {
  if (maxHealthyPercentage <= 100) return 0;
  return Math.max(1, Math.floor((desiredCapacity * maxHealthyPercentage) / 100) - desiredCapacity);
}

/** An instance that has not booted yet has no root volume to replace. */
function canBeReplaced(state: Instance['state'], { strategy }: Refresh): boolean {
  return strategy === 'ReplaceRootVolume' ? state === 'InService' : isActive(state);
}

/** It has left what a refresh is about. */
function hasLeft(instance: Instance): boolean {
  return isGone(instance) || instance.state === 'Terminating:Retained';
}
