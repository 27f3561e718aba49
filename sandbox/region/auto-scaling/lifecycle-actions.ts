import { AwsError } from '../aws-error.ts';
import { type Action, type AutoScalingOptions, type Group, type Instance, invalid } from './state.ts';
import type {
  ActionName,
  Completion,
  HookSpec,
  LifecycleResult,
  PendingAction,
  Transition,
  Whereabouts,
} from './views.ts';

/** What holds an instance, and what the event says of it. */
export interface Hold {
  readonly transition: Transition;
  readonly origin: Whereabouts;
  readonly destination: Whereabouts;
  /** Facts 45 root-volume-replacement. */
  readonly action?: 'ReplaceRootVolume';
}

/** Facts 18 hook-timeouts. */
const MAX_HEARTBEAT_TIMEOUTS = 100;
const MAX_WAIT_SECONDS = 48 * 60 * 60;
/** In one group (API reference, PutLifecycleHook). */
const MAX_HOOKS = 50;

const DETAIL_TYPE: Readonly<Record<Transition, string>> = {
  launching: 'EC2 Instance-launch Lifecycle Action',
  terminating: 'EC2 Instance-terminate Lifecycle Action',
};

/** The hooks of the groups, and what they hold. */
export class LifecycleActions {
  readonly #options: AutoScalingOptions;
  readonly #instances: ReadonlyMap<string, Instance>;
  readonly #released: (instance: Instance, result: LifecycleResult) => void;
  readonly #byToken = new Map<string, Action>();
  readonly #completions: Completion[] = [];

  /** `released` hears of an instance that nothing holds any more, and with which result. */
  constructor(
    options: AutoScalingOptions,
    instances: ReadonlyMap<string, Instance>,
    released: (instance: Instance, result: LifecycleResult) => void,
  ) {
    this.#options = options;
    this.#instances = instances;
    this.#released = released;
  }

  putHook(group: Group, hook: HookSpec): void {
    if (!group.hooks.has(hook.name) && group.hooks.size >= MAX_HOOKS) {
      throw new AwsError('LimitExceeded', `The group ${hook.group} has ${MAX_HOOKS} lifecycle hooks already.`);
    }
    group.hooks.set(hook.name, hook);
  }

  /**
   * What it still holds is completed first: ABANDON for launching, CONTINUE for terminating instances
   * (facts 24 delete-hook).
   */
  deleteHook(group: Group, name: string): void {
    const hook = group.hooks.get(name);
    if (!hook) throw hookNotFound(group.spec.name, name);
    group.hooks.delete(name);
    const result = transitionOf(hook) === 'launching' ? 'ABANDON' : 'CONTINUE';
    for (const action of [...this.#byToken.values()]) {
      if (action.instance.group === group && action.hook.name === name) this.#end(action, result, 'completion');
    }
  }

  isHeldBy(group: Group, transition: Transition): boolean {
    return this.#hooksFor(group, transition).length > 0;
  }

  /** Facts 21 when-hooks-run: the hooks hold the instance side by side, each with a token and an event of its own. */
  hold(instance: Instance, hold: Hold): void {
    const actions = this.#hooksFor(instance.group, hold.transition).map((hook) => this.#newAction(instance, hook));
    for (const action of actions) this.#publish(action, hold);
  }

  /** The instance is no longer waited for: its actions end without a result. */
  drop(instance: Instance): void {
    for (const action of [...instance.actions.values()]) this.#forget(action);
  }

  /** @throws AwsError as Auto Scaling words it when there is no such action any more (facts 20 no-active-action). */
  recordHeartbeat(group: Group, name: ActionName): void {
    const action = this.#pending(group, name);
    action.heartbeats += 1;
    const { instanceId, hook } = action;
    this.#options.trace({ kind: 'lifecycle', instanceId, hook: hook.name, what: 'heartbeat' });
    this.#restartTimeout(action);
  }

  /** @throws AwsError as Auto Scaling words it when there is no such action any more (facts 20 no-active-action). */
  complete(group: Group, name: ActionName, result: LifecycleResult): void {
    this.#end(this.#pending(group, name), result, 'completion');
  }

  get completions(): readonly Completion[] {
    return this.#completions;
  }

  pending(): readonly PendingAction[] {
    return [...this.#byToken.values()].map(({ instance: _, ...action }) => action);
  }

  #hooksFor({ hooks }: Group, transition: Transition): readonly HookSpec[] {
    return [...hooks.values()].filter((hook) => transitionOf(hook) === transition);
  }

  #newAction(instance: Instance, hook: HookSpec): Action {
    const { instanceId } = instance;
    const token = this.#options.place.newId();
    const heldSinceMs = this.#options.time.nowMs();
    const action: Action = { token, hook, instance, instanceId, heldSinceMs, timesOutAtMs: heldSinceMs, heartbeats: 0 };
    this.#byToken.set(token, action);
    instance.actions.set(hook.name, action);
    this.#options.trace({ kind: 'lifecycle', instanceId, hook: hook.name, what: 'held' });
    this.#restartTimeout(action);
    return action;
  }

  /** Facts 1 terminate-event, field by field. */
  #publish({ hook, instance, token }: Action, { transition, origin, destination, action }: Hold): void {
    this.#options.publish({
      source: 'aws.autoscaling',
      'detail-type': DETAIL_TYPE[transition],
      resources: [instance.group.arn],
      detail: {
        LifecycleActionToken: token,
        AutoScalingGroupName: hook.group,
        LifecycleHookName: hook.name,
        EC2InstanceId: instance.instanceId,
        LifecycleTransition: awsTransition(transition),
        ...(hook.notificationMetadata !== undefined && { NotificationMetadata: hook.notificationMetadata }),
        Origin: origin,
        Destination: destination,
        ...(action && { Action: action }),
      },
    });
  }

  /** Facts 18 hook-timeouts: a heartbeat restarts the timeout, but the whole wait has an end of its own. */
  #restartTimeout(action: Action): void {
    const { hook, heldSinceMs, token } = action;
    const nowMs = this.#options.time.nowMs();
    const globalEndMs = heldSinceMs + globalTimeoutSeconds(hook) * 1000;
    const timesOutAtMs = Math.min(nowMs + hook.heartbeatTimeoutSeconds * 1000, globalEndMs);
    action.timesOutAtMs = timesOutAtMs;
    this.#options.time.after((timesOutAtMs - nowMs) / 1000, () => {
      const overtaken = !this.#byToken.has(token) || action.timesOutAtMs !== timesOutAtMs;
      if (!overtaken) this.#end(action, hook.defaultResult, 'timeout');
    });
  }

  /** Facts 19 hook-results: CONTINUE lets the other hooks finish, ABANDON stops them. */
  #end(action: Action, result: LifecycleResult, by: Completion['by']): void {
    const { instance, instanceId, hook, heldSinceMs, heartbeats } = action;
    const atMs = this.#options.time.nowMs();
    this.#forget(action);
    this.#completions.push({ instanceId, hook: hook.name, result, by, atMs, heldSinceMs, heartbeats });
    const what = by === 'timeout' ? 'timed out' : 'completed';
    this.#options.trace({ kind: 'lifecycle', instanceId, hook: hook.name, what, result });
    if (result === 'ABANDON') this.drop(instance);
    if (instance.actions.size === 0) this.#released(instance, result);
  }

  #forget({ token, hook, instance }: Action): void {
    this.#byToken.delete(token);
    instance.actions.delete(hook.name);
  }

  #pending(group: Group, { hook, token, instanceId }: ActionName): Action {
    const name = group.spec.name;
    if (!group.hooks.has(hook)) throw hookNotFound(name, hook);
    const action =
      token !== undefined ? this.#byToken.get(token) : this.#instances.get(instanceId ?? '')?.actions.get(hook);
    const isMeant =
      action?.hook.group === name &&
      action.hook.name === hook &&
      (instanceId === undefined || action.instanceId === instanceId);
    if (action && isMeant) return action;
    const named = token !== undefined ? `token ${token}` : `instance ID ${instanceId}`;
    throw invalid(`No active Lifecycle Action found with ${named}`);
  }
}

/** How long a hook can hold an instance regardless of heartbeats (facts 18 hook-timeouts). */
export function globalTimeoutSeconds({ heartbeatTimeoutSeconds }: HookSpec): number {
  return Math.min(MAX_WAIT_SECONDS, MAX_HEARTBEAT_TIMEOUTS * heartbeatTimeoutSeconds);
}

export function transitionOf({ transition = 'terminating' }: HookSpec): Transition {
  return transition;
}

/** As AWS names it. */
export function awsTransition(transition: Transition): string {
  return `autoscaling:EC2_INSTANCE_${transition.toUpperCase()}`;
}

function hookNotFound(group: string, name: string): AwsError {
  return invalid(`No Lifecycle Hook found with name '${name}' for group '${group}'`);
}
