import type { AutoScalingModel, PendingAction } from '../auto-scaling/model.ts';
import type { EventBridgeModel } from '../event-bridge/model.ts';
import type { VirtualTime } from '../time/virtual-time.ts';
import type { EcsModel } from './model.ts';

export interface ManagedDrainingOptions {
  readonly time: Pick<VirtualTime, 'nowMs' | 'after'>;
  readonly ecs: EcsModel;
  readonly autoScaling: AutoScalingModel;
  readonly eventBridge: Pick<EventBridgeModel, 'putRule'>;
}

/** Facts 22 managed-draining-hook, 95 managed-hook-values. */
const HOOK = 'ecs-managed-draining-termination-hook';
const HEARTBEAT_TIMEOUT_SECONDS = 3_600;

/** How often ECS looks at an instance, and which share of the hook's timeout it lets pass between heartbeats: assumed. */
const LOOK_SECONDS = 30;
const HEARTBEAT_FRACTION = 0.5;

/**
 * ECS managed draining. ECS puts a hook of its own on the group of a capacity provider, and listens to its events by a managed
 * rule. It sets the instance to DRAINING and waits until its tasks have STOPPED. Meanwhile it heartbeats for as long as Auto
 * Scaling lets it (48 hours). Then it completes its hook (facts 22 managed-draining-hook, 52 managed-draining-scope).
 */
export class ManagedDraining {
  readonly #options: ManagedDrainingOptions;
  readonly #groups = new Set<string>();
  readonly #watched = new Set<string>();

  constructor(options: ManagedDrainingOptions) {
    this.#options = options;
  }

  /** What a capacity provider with managed draining does to its group. */
  enable(group: string): void {
    if (this.#groups.has(group)) return;
    const { autoScaling, eventBridge } = this.#options;
    autoScaling.putLifecycleHook({
      name: HOOK,
      group,
      heartbeatTimeoutSeconds: HEARTBEAT_TIMEOUT_SECONDS,
      defaultResult: 'CONTINUE',
    });
    if (this.#groups.size === 0) {
      eventBridge.putRule({
        name: 'ecs-managed-draining-terminations',
        pattern: {
          source: ['aws.autoscaling'],
          'detail-type': ['EC2 Instance-terminate Lifecycle Action'],
          detail: { LifecycleHookName: [HOOK] },
        },
        target: (event) => this.#begin((event as { detail: { EC2InstanceId: string } }).detail.EC2InstanceId),
      });
      eventBridge.putRule({
        name: 'ecs-managed-draining-interruptions',
        pattern: { source: ['aws.ec2'], 'detail-type': ['EC2 Spot Instance Interruption Warning'] },
        target: (event) => {
          const instanceId = (event as { detail: { 'instance-id': string } }).detail['instance-id'];
          if (this.#groups.has(autoScaling.instance(instanceId)?.group ?? '')) this.#setDraining(instanceId);
        },
      });
    }
    this.#groups.add(group);
  }

  #begin(instanceId: string): void {
    const action = this.#pending(instanceId);
    if (!action) return;
    this.#setDraining(instanceId);
    if (this.#watched.has(action.token)) return; // The event comes at least once.
    this.#watched.add(action.token);
    this.#watch(action, this.#options.time.nowMs());
  }

  /** Looks until its action is over: completed by whomever, or timed out. */
  #watch({ token, instanceId, hook }: PendingAction, lastHeartbeatAtMs: number): void {
    const { time, ecs, autoScaling } = this.#options;
    time.after(LOOK_SECONDS, () => {
      const action = this.#pending(instanceId);
      if (action?.token !== token) return;
      const name = { group: hook.group, hook: hook.name, token, instanceId };
      if (ecs.accountOf(instanceId).holding === 0) {
        autoScaling.completeAction(name, 'CONTINUE');
        return;
      }
      const isDue = time.nowMs() - lastHeartbeatAtMs >= hook.heartbeatTimeoutSeconds * HEARTBEAT_FRACTION * 1000;
      if (isDue) autoScaling.recordHeartbeat(name);
      this.#watch(action, isDue ? time.nowMs() : lastHeartbeatAtMs);
    });
  }

  #setDraining(instanceId: string): void {
    const { ecs } = this.#options;
    for (const registration of ecs.registrationsOf(instanceId)) {
      if (registration.status === 'ACTIVE') ecs.setInstanceStatus(registration, 'DRAINING');
    }
  }

  #pending(instanceId: string): PendingAction | undefined {
    return this.#options.autoScaling
      .pendingActions()
      .find((action) => action.instanceId === instanceId && action.hook.name === HOOK);
  }
}
