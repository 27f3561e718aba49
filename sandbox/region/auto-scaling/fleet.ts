import type { InstanceState } from '../trace.ts';
import { Activities } from './activities.ts';
import { type Hold, LifecycleActions } from './lifecycle-actions.ts';
import type { AutoScalingOptions, Group, Instance } from './state.ts';
import type { LifecycleResult, Member, ScalingProcess, Transition } from './views.ts';

/** From the start of a stopped instance until its agent is there, give or take a tenth. */
const WARM_START_SECONDS = 30;
const DETACH_SECONDS = 5;

/** What must not be suspended for an instance that EC2 has ended to be noticed and replaced (user guide, suspend processes). */
const REPLACING: readonly ScalingProcess[] = ['HealthCheck', 'ReplaceUnhealthy', 'Terminate'];

const IN_GROUP = 'AutoScalingGroup';

/** Under this name the agent registers the Availability Zone of its instance. */
const ZONE = 'ecs.availability-zone';

/** The instances of all groups: how each goes from state to state, and how a group keeps its capacity. */
export class Fleet {
  readonly #options: AutoScalingOptions;
  readonly instances = new Map<string, Instance>();
  readonly activities: Activities;
  readonly lifecycle: LifecycleActions;

  constructor(options: AutoScalingOptions) {
    this.#options = options;
    this.activities = new Activities(options);
    this.lifecycle = new LifecycleActions(options, this.instances, this.#released.bind(this));
  }

  /** Fills a new group and its warm pool: everything is in service, or warm, at once. */
  populate(group: Group): void {
    const {
      desiredCapacity,
      warmPool,
      warmPoolSize = poolTarget(group),
      members = Array.from({ length: desiredCapacity }, () => undefined),
    } = group.spec;
    const served = members.map((member) => this.#newInstance(group, group.active, member));
    for (const instance of served) {
      this.#register(instance);
      this.#enterService(instance);
    }
    for (let missing = warmPoolSize; missing > 0; missing--) {
      const instance = this.#newInstance(group, group.pool);
      this.#become(instance, `Warmed:${warmPool?.poolState ?? 'Stopped'}`);
    }
  }

  /** Launches what is missing and scales in what is too much, as far as neither is suspended. */
  keepCapacity(group: Group): void {
    const wanted = () => group.desiredCapacity + group.rebalancing.size + group.surge;
    if (!group.suspended.has('Launch')) while (group.active.size < wanted()) this.launch(group);
    if (!group.suspended.has('Terminate')) while (group.active.size > wanted() && this.#scaleIn(group));
    this.#keepPool(group);
  }

  /** The instance leaves its group through its hooks; an abandoned launch and a retained instance do so too. */
  terminate(instance: Instance, cause: Cause): void {
    this.#startTerminating(instance, cause);
    this.#hold(instance, 'terminating', { destination: 'EC2' });
  }

  /** EC2 has ended the instance, and no hook was asked (facts 21 when-hooks-run). */
  lose(instance: Instance): void {
    const { group, instanceId } = instance;
    if (REPLACING.some((process) => group.suspended.has(process)) && !group.leaving.has(instanceId)) {
      instance.healthy = false;
      this.#options.terminate(instanceId);
      return;
    }
    if (!group.leaving.has(instanceId)) {
      this.#startTerminating(instance, {
        response: 'an EC2 health check indicating it has been terminated or stopped.',
      });
    }
    this.#end(instance);
  }

  /** Every instance of the group ends, and no hook is asked (facts 103 group-deletion). What is being detached runs on. */
  endAll(group: Group): void {
    const leaving = [...group.leaving.values()].filter(({ state }) => state !== 'Detaching');
    for (const instance of [...group.active.values(), ...group.pool.values(), ...leaving]) {
      if (!leaving.includes(instance)) this.#startTerminating(instance, { response: 'the deletion of its group.' });
      this.#end(instance);
    }
  }

  /** Replaces the instances that EC2 terminated while the processes that replace them were suspended. */
  replaceUnhealthy(group: Group): void {
    if (REPLACING.some((process) => group.suspended.has(process))) return;
    const lost = [...group.active.values(), ...group.pool.values()].filter(({ healthy }) => !healthy);
    for (const instance of lost) this.lose(instance);
  }

  /** The instance runs on outside the group; no hook is asked. */
  detach(instance: Instance, why: string): void {
    const { group, instanceId } = instance;
    this.#leave(instance);
    group.leaving.set(instanceId, instance);
    this.activities.start(instance, {
      kind: 'detach',
      description: `Detaching EC2 instance: ${instanceId}`,
      why: `instance ${instanceId} was detached in response to ${why}`,
      origin: IN_GROUP,
      destination: 'EC2',
    });
    this.#become(instance, 'Detaching');
    this.#options.time.after(DETACH_SECONDS, () => {
      if (instance.state !== 'Detaching') return;
      group.leaving.delete(instanceId);
      this.#become(instance, 'Detached');
    });
  }

  /** An instance that runs outside of the group joins it, through the hooks on launch. */
  attach(instance: Instance): void {
    const { group, instanceId } = instance;
    group.active.set(instanceId, instance);
    this.activities.start(instance, {
      kind: 'attach',
      description: `Attaching an existing EC2 instance: ${instanceId}`,
      why: 'an instance was attached in response to a user request.',
      origin: 'EC2',
      destination: IN_GROUP,
    });
    this.#become(instance, 'Pending');
    this.#hold(instance, 'launching', { destination: IN_GROUP });
  }

  /**
   * Facts 45 root-volume-replacement: the instance keeps its place in the group; its hooks are asked first, and again
   * when it has booted.
   */
  replaceRootVolume(instance: Instance): void {
    const { instanceId } = instance;
    this.activities.start(instance, {
      kind: 'replaceRootVolume',
      description: `Replacing root volume of EC2 instance: ${instanceId}`,
      why: `the root volume of instance ${instanceId} was replaced in response to an instance refresh.`,
      origin: IN_GROUP,
      destination: IN_GROUP,
    });
    this.#become(instance, 'ReplacingRootVolume');
    this.#hold(instance, 'terminating', { destination: IN_GROUP, action: 'ReplaceRootVolume' });
  }

  /** Capacity Rebalancing: a replacement is launched first, and the instance leaves when that is in service. */
  rebalance(instance: Instance): void {
    const { group } = instance;
    if (!group.active.has(instance.instanceId) || [...group.rebalancing.values()].includes(instance)) return;
    group.rebalancing.set(this.launch(group).instanceId, instance);
  }

  // --- Launching ----------------------------------------------------------------------------------------------------

  /** Launches an instance, from the warm pool if one is ready there; the caller sees to it that the group wants one more. */
  launch(group: Group): Instance {
    const warm = group.pool.values().find(({ state, healthy }) => isWarm(state) && healthy);
    const instance = warm ?? this.#newInstance(group, group.active);
    const { instanceId } = instance;
    if (warm) {
      group.pool.delete(instanceId);
      group.active.set(instanceId, instance);
    }
    const size = group.active.size;
    this.activities.start(instance, {
      kind: 'launch',
      description: `Launching a new EC2 instance${warm ? ' from warm pool' : ''}: ${instanceId}`,
      why: `an instance was started in response to a difference between desired and actual capacity, increasing the capacity from ${size - 1} to ${size}.`,
      origin: warm ? 'WarmPool' : 'EC2',
      destination: IN_GROUP,
    });
    this.#become(instance, 'Pending');
    this.#whenBooted(instance, warm ? WARM_START_SECONDS : group.spec.launchSeconds, () => {
      this.#register(instance);
      this.#hold(instance, 'launching', { destination: IN_GROUP, ...(warm && { origin: 'WarmPool' }) });
    });
    return instance;
  }

  /** Calls back when the instance is up, unless something else has happened to it. */
  #whenBooted(instance: Instance, seconds: number, goOn: () => void): void {
    const { state, activity } = instance;
    const bootMs = Math.round(seconds * 1000 * this.#options.random.between(0.9, 1.1));
    this.#options.time.after(bootMs / 1000, () => {
      if (instance.state === state && instance.activity === activity) goOn();
    });
  }

  #newInstance(group: Group, into: Map<string, Instance>, member?: Member): Instance {
    const instance: Instance = {
      instanceId: member?.instanceId ?? this.#newId(),
      group,
      state: 'Pending',
      launchedAtMs: this.#options.time.nowMs(),
      inServiceAtMs: undefined,
      healthy: true,
      protectedFromScaleIn: member?.protectedFromScaleIn ?? false,
      actions: new Map(),
      activity: undefined,
      registered: false,
      zone: member?.attributes[ZONE] ?? emptiestZone(group),
      member,
    };
    this.instances.set(instance.instanceId, instance);
    into.set(instance.instanceId, instance);
    return instance;
  }

  /** The next one that no instance has, or had. */
  #newId(): string {
    for (let number = this.instances.size + 1; ; number++) {
      const id = `i-${number.toString(16).padStart(17, '0')}`;
      if (!this.instances.has(id)) return id;
    }
  }

  #register(instance: Instance): void {
    const { instanceId, group, registered, zone, member } = instance;
    instance.registered = true;
    if (registered) this.#options.restarted(instanceId, 'reconnects');
    else {
      const { attributes } = { ...group.spec, ...member };
      const ofZone = group.spec.zoneAttributes?.[zone ?? ''];
      const inZone = zone !== undefined && { attributes: { ...ofZone, ...attributes, [ZONE]: zone } };
      this.#options.launched(instanceId, { ...group.spec, ...member, ...inZone });
    }
  }

  #enterService(instance: Instance): void {
    const { group, instanceId } = instance;
    instance.inServiceAtMs = this.#options.time.nowMs();
    instance.protectedFromScaleIn ||= group.spec.newInstancesProtected ?? false;
    this.#become(instance, 'InService');
    const replaced = group.rebalancing.get(instanceId);
    if (!replaced) return;
    group.rebalancing.delete(instanceId);
    this.terminate(replaced, { response: 'an EC2 instance rebalance recommendation.' });
  }

  // --- Terminating --------------------------------------------------------------------------------------------------

  /** The oldest leaves first. Returns whether one could. */
  #scaleIn(group: Group): boolean {
    const oldest = group.active.values().find(({ protectedFromScaleIn }) => !protectedFromScaleIn);
    const size = group.active.size;
    const response = `a difference between desired and actual capacity, shrinking the capacity from ${size} to ${size - 1}.`;
    if (oldest) {
      if (group.spec.warmPool?.reuseOnScaleIn && poolSize(group) < poolTarget(group)) {
        this.#returnToPool(oldest, response);
      } else this.terminate(oldest, { response, selected: true });
    } else if (group.unreachable !== group.desiredCapacity) {
      group.unreachable = group.desiredCapacity;
      this.activities.noteImpossible(
        group,
        'Could not scale to desired capacity because all remaining instances are protected from scale-in.',
        `no instance could be taken out of service in response to ${response}`,
      );
    }
    return oldest !== undefined;
  }

  /** It no longer counts towards the desired capacity, even while a hook holds it. */
  #startTerminating(instance: Instance, { response, selected = false }: Cause): void {
    const { instanceId, group } = instance;
    const origin = instance.state.startsWith('Warmed:') ? 'WarmPool' : IN_GROUP;
    this.#leave(instance);
    group.leaving.set(instanceId, instance);
    const at = `${new Date(this.#options.time.nowMs()).toISOString().slice(0, 19)}Z`;
    const why = selected
      ? `an instance was taken out of service in response to ${response}  At ${at} instance ${instanceId} was selected for termination.`
      : `instance ${instanceId} was taken out of service in response to ${response}`;
    this.activities.start(instance, {
      kind: 'terminate',
      description: `Terminating EC2 instance: ${instanceId}`,
      why,
      origin,
      destination: 'EC2',
    });
    this.#become(instance, origin === 'WarmPool' ? 'Warmed:Terminating' : 'Terminating');
  }

  #end(instance: Instance): void {
    this.lifecycle.drop(instance);
    instance.group.leaving.delete(instance.instanceId);
    if (instance.healthy) this.#options.terminate(instance.instanceId);
    this.#become(instance, instance.state.startsWith('Warmed:') ? 'Warmed:Terminated' : 'Terminated');
  }

  /** It has no place in the group any more, and no hook waits for it. */
  #leave(instance: Instance): void {
    const { group, instanceId } = instance;
    this.lifecycle.drop(instance);
    for (const place of [group.active, group.pool, group.leaving, group.rebalancing]) place.delete(instanceId);
    for (const [newcomer, replaced] of group.rebalancing) {
      if (replaced === instance) group.rebalancing.delete(newcomer);
    }
  }

  // --- The warm pool ------------------------------------------------------------------------------------------------

  #keepPool(group: Group): void {
    if (!group.suspended.has('Launch')) {
      while (poolSize(group) < poolTarget(group)) this.#launchIntoPool(group);
    }
    if (group.suspended.has('Terminate')) return;
    for (let surplus = poolSize(group) - poolTarget(group); surplus > 0; surplus--) {
      const oldest = group.pool.values().find(({ state }) => isWarm(state));
      if (!oldest) return;
      this.terminate(oldest, { response: 'a difference between desired and actual capacity of the warm pool.' });
    }
  }

  #launchIntoPool(group: Group): void {
    const instance = this.#newInstance(group, group.pool);
    this.activities.start(instance, {
      kind: 'launch',
      description: `Launching a new EC2 instance into warm pool: ${instance.instanceId}`,
      why: 'an instance was started in response to a difference between desired and actual capacity of the warm pool.',
      origin: 'EC2',
      destination: 'WarmPool',
    });
    this.#become(instance, 'Warmed:Pending');
    this.#whenBooted(instance, group.spec.launchSeconds, () =>
      this.#hold(instance, 'launching', { destination: 'WarmPool' }),
    );
  }

  /** The hooks on termination are asked; then the instance is stopped, and its tasks end with it. */
  #returnToPool(instance: Instance, response: string): void {
    const { group, instanceId } = instance;
    this.#leave(instance);
    group.pool.set(instanceId, instance);
    this.activities.start(instance, {
      kind: 'terminate',
      description: `Terminating EC2 instance into warm pool: ${instanceId}`,
      why: `instance ${instanceId} was returned to the warm pool in response to ${response}`,
      origin: IN_GROUP,
      destination: 'WarmPool',
    });
    this.#become(instance, 'Warmed:Pending');
    this.#hold(instance, 'terminating', { destination: 'WarmPool' });
  }

  #settle(instance: Instance): void {
    const { instanceId, group, registered } = instance;
    const state = group.spec.warmPool?.poolState ?? 'Stopped';
    if (state === 'Stopped' && registered) this.#options.stopped(instanceId);
    this.#become(instance, `Warmed:${state}`);
    this.#keepPool(group);
  }

  // --- Root volumes -------------------------------------------------------------------------------------------------

  #swapRootVolume(instance: Instance): void {
    const { instanceId, group } = instance;
    const { agentDataSurvives, launchSeconds } = group.spec;
    if (instance.state === 'ReplacingRootVolume') this.#become(instance, 'ReplacingRootVolume:Proceed');
    this.#options.stopped(instanceId);
    this.#whenBooted(instance, launchSeconds, () => {
      this.#become(instance, 'RootVolumeReplaced');
      this.#options.restarted(instanceId, agentDataSurvives ? 'reconnects' : 'registers');
      this.#become(instance, 'Pending');
      const hold = { origin: IN_GROUP, destination: IN_GROUP, action: 'ReplaceRootVolume' } as const;
      this.#hold(instance, 'launching', hold);
    });
  }

  // --- Hooks --------------------------------------------------------------------------------------------------------

  /** The instance waits for its hooks, or goes on at once if it has none. */
  #hold(
    instance: Instance,
    transition: Transition,
    {
      origin = transition === 'launching' ? 'EC2' : originOf(instance),
      ...to
    }: Omit<Hold, 'transition' | 'origin'> & {
      readonly origin?: Hold['origin'];
    },
  ): void {
    if (!this.lifecycle.isHeldBy(instance.group, transition)) {
      this.#proceed(instance);
      return;
    }
    this.#become(instance, `${instance.state}:Wait` as InstanceState);
    this.lifecycle.hold(instance, { transition, origin, ...to });
  }

  /**
   * No hook holds the instance any more. Facts 19 hook-results, 46 instance-lifecycle-policy: what an ABANDON does
   * depends on where it was going.
   */
  #released(instance: Instance, result: LifecycleResult): void {
    const { group, inServiceAtMs } = instance;
    const passage = passageOf(instance);
    const isLaunch = passage === 'Pending' || (passage === 'Warmed:Pending' && inServiceAtMs === undefined);
    if (result === 'ABANDON' && isLaunch) {
      this.terminate(instance, { response: 'a launch that a lifecycle hook abandoned.' });
      this.keepCapacity(group);
      return;
    }
    if (result === 'ABANDON' && group.spec.retainOnAbandon && passage !== 'ReplacingRootVolume') {
      this.#become(instance, `${passage}:Retained` as InstanceState);
      this.#keepPool(group);
      return;
    }
    this.#become(instance, `${passage}:Proceed` as InstanceState);
    this.#proceed(instance);
  }

  #proceed(instance: Instance): void {
    const passage = passageOf(instance);
    if (passage === 'Pending') this.#enterService(instance);
    else if (passage === 'Warmed:Pending') this.#settle(instance);
    else if (passage === 'ReplacingRootVolume') this.#swapRootVolume(instance);
    else this.#end(instance);
  }

  #become(instance: Instance, state: InstanceState): void {
    instance.state = state;
    this.activities.follow(instance);
    this.#options.trace({ kind: 'instance', instanceId: instance.instanceId, group: instance.group.spec.name, state });
  }
}

/** Why an instance is taken out of service, in AWS's words: a request names the instance, and scaling selects one. */
interface Cause {
  readonly response: string;
  readonly selected?: boolean;
}

/** Where the instance is going, whether it waits or proceeds. */
function passageOf({ state }: Instance): string {
  return state.replace(/:(Wait|Proceed)$/, '');
}

/** Auto Scaling launches into the zone that has the fewest (user guide, balance across Availability Zones). */
function emptiestZone({ spec: { zones = [] }, active }: Group): string | undefined {
  const crowd = (zone: string) => active.values().reduce((sum, each) => sum + Number(each.zone === zone), 0);
  return zones.toSorted((a, b) => crowd(a) - crowd(b))[0];
}

function originOf({ state }: Instance): 'WarmPool' | 'AutoScalingGroup' {
  return state === 'Warmed:Terminating' ? 'WarmPool' : IN_GROUP;
}

function isWarm(state: InstanceState): boolean {
  return state === 'Warmed:Stopped' || state === 'Warmed:Running';
}

/** How many instances the pool has that the group can have back. */
function poolSize({ pool }: Group): number {
  return pool.values().reduce((size, { state }) => size + (state.endsWith(':Retained') ? 0 : 1), 0);
}

/** As many as the group may still need at once (user guide, warm pools). */
export function poolTarget({
  spec: { warmPool, maxSize },
  desiredCapacity,
}: Pick<Group, 'spec' | 'desiredCapacity'>): number {
  if (!warmPool) return 0;
  return Math.max(warmPool.minSize, (warmPool.maxGroupPreparedCapacity ?? maxSize) - desiredCapacity);
}
