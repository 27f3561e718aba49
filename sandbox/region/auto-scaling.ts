import type {
  CompleteLifecycleActionType,
  DescribeLifecycleHooksAnswer,
  DescribeLifecycleHooksType,
  RecordLifecycleActionHeartbeatType,
} from '@aws-sdk/client-auto-scaling';
import { AwsError } from './aws-error.ts';
import type { BusEvent } from './event-bridge.ts';
import type { Place } from './place.ts';
import type { VirtualTime } from './virtual-time.ts';

/** A lifecycle hook on the termination of a group's instances. */
export interface HookSpec {
  readonly name: string;
  readonly group: string;
  readonly heartbeatTimeoutSeconds: number;
  readonly defaultResult: 'CONTINUE' | 'ABANDON';
  readonly notificationMetadata?: string;
}

/** What a terminating instance waits for. */
interface Action {
  readonly hook: HookSpec;
  readonly instanceId: string;
  readonly token: string;
  readonly heldSinceMs: number;
  timesOutAtMs: number;
}

/** How a lifecycle action ended. */
export interface Completion {
  readonly instanceId: string;
  readonly result: string;
  readonly by: 'us' | 'the hook’s timeout';
  readonly atMs: number;
}

/** Facts 18. */
const MAX_HEARTBEAT_TIMEOUTS = 100;
const MAX_WAIT_SECONDS = 48 * 60 * 60;

/** What this model needs of the rest of the Region. */
interface Surroundings {
  readonly place: Place;
  readonly publish: (event: BusEvent) => void;
  readonly terminate: (instanceId: string) => void;
  readonly tell: (what: string) => void;
}

/** Auto Scaling in virtual time: termination held by lifecycle hooks. */
export class AutoScalingModel {
  readonly #time: VirtualTime;
  readonly #around: Surroundings;
  readonly #hooks: HookSpec[] = [];
  readonly #actions: Action[] = [];
  /** Every action that ended, in order. */
  readonly completions: Completion[] = [];

  constructor(time: VirtualTime, around: Surroundings) {
    this.#time = time;
    this.#around = around;
  }

  putLifecycleHook(hook: HookSpec): void {
    this.#hooks.push(hook);
  }

  /** Terminates an instance of the group: held in Terminating:Wait by its hooks, if there are any. */
  terminateInstance(group: string, instanceId: string): void {
    const hooks = this.#hooks.filter((hook) => hook.group === group);
    if (hooks.length === 0) {
      this.#around.tell(`${instanceId} of ${group} is Terminating: no hook holds it`);
      this.#around.terminate(instanceId);
    }
    for (const hook of hooks) {
      const token = this.#around.place.newId();
      const heldSinceMs = this.#time.nowMs();
      const action = { hook, instanceId, token, heldSinceMs, timesOutAtMs: 0 };
      this.#actions.push(action);
      this.#around.tell(`${instanceId} of ${group} is Terminating:Wait, held by the hook ${hook.name}`);
      this.#restartTimeout(action);
      this.#around.publish(this.#eventOf(action));
    }
  }

  /** Facts 1, field by field. */
  #eventOf({ hook, instanceId, token }: Action): BusEvent {
    const { region, account } = this.#around.place;
    return {
      source: 'aws.autoscaling',
      'detail-type': 'EC2 Instance-terminate Lifecycle Action',
      resources: [
        `arn:aws:autoscaling:${region}:${account}:autoScalingGroup:00000000-0000-4000-8000-000000000000:autoScalingGroupName/${hook.group}`,
      ],
      detail: {
        LifecycleActionToken: token,
        AutoScalingGroupName: hook.group,
        LifecycleHookName: hook.name,
        EC2InstanceId: instanceId,
        LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
        ...(hook.notificationMetadata !== undefined && { NotificationMetadata: hook.notificationMetadata }),
        Origin: 'AutoScalingGroup',
        Destination: 'EC2',
      },
    };
  }

  #restartTimeout(action: Action): void {
    const { hook, heldSinceMs } = action;
    const globalEndMs = heldSinceMs + globalTimeoutSeconds(hook) * 1000;
    const timesOutAtMs = Math.min(this.#time.nowMs() + hook.heartbeatTimeoutSeconds * 1000, globalEndMs);
    action.timesOutAtMs = timesOutAtMs;
    this.#time.after((timesOutAtMs - this.#time.nowMs()) / 1000, () => {
      if (this.#actions.includes(action) && action.timesOutAtMs === timesOutAtMs) {
        this.#complete(action, hook.defaultResult, 'the hook’s timeout');
      }
    });
  }

  #complete(action: Action, result: string, by: Completion['by']): void {
    const { instanceId } = action;
    this.#actions.splice(this.#actions.indexOf(action), 1);
    this.completions.push({ instanceId, result, by, atMs: this.#time.nowMs() });
    this.#around.tell(`the lifecycle action of ${instanceId} is completed with ${result} by ${by}`);
    // Facts 19: CONTINUE lets the other hooks finish, ABANDON stops them.
    if (result === 'ABANDON') {
      for (const other of this.#actions.filter((each) => each.instanceId === instanceId)) {
        this.#actions.splice(this.#actions.indexOf(other), 1);
      }
    }
    if (!this.#actions.some((each) => each.instanceId === instanceId)) this.#around.terminate(instanceId);
  }

  /** The operations of the Auto Scaling API that this model answers, by name. */
  readonly operations = {
    DescribeLifecycleHooks: (input: DescribeLifecycleHooksType): DescribeLifecycleHooksAnswer => ({
      LifecycleHooks: this.#hooks
        .filter(({ group, name }) => {
          const wanted = input.LifecycleHookNames ?? [];
          return group === input.AutoScalingGroupName && (wanted.length === 0 || wanted.includes(name));
        })
        .map((hook) => ({
          LifecycleHookName: hook.name,
          AutoScalingGroupName: hook.group,
          LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
          HeartbeatTimeout: hook.heartbeatTimeoutSeconds,
          GlobalTimeout: globalTimeoutSeconds(hook),
          DefaultResult: hook.defaultResult,
          ...(hook.notificationMetadata !== undefined && { NotificationMetadata: hook.notificationMetadata }),
        })),
    }),

    RecordLifecycleActionHeartbeat: (input: RecordLifecycleActionHeartbeatType): object => {
      const action = this.#pending(input);
      this.#around.tell(`${action.instanceId} is held for ${action.hook.heartbeatTimeoutSeconds} s more: heartbeat`);
      this.#restartTimeout(action);
      return {};
    },

    CompleteLifecycleAction: (input: CompleteLifecycleActionType): object => {
      const result = input.LifecycleActionResult;
      if (result !== 'CONTINUE' && result !== 'ABANDON') {
        throw new AwsError('ValidationError', `Invalid lifecycle action result: ${result}`);
      }
      this.#complete(this.#pending(input), result, 'us');
      return {};
    },
  };

  /** @throws AwsError as Auto Scaling words it when there is no such action any more (facts 20). */
  #pending(input: RecordLifecycleActionHeartbeatType): Action {
    const action = this.#actions.find(
      ({ hook, instanceId, token }) =>
        hook.group === input.AutoScalingGroupName &&
        hook.name === input.LifecycleHookName &&
        (input.LifecycleActionToken === undefined || token === input.LifecycleActionToken) &&
        (input.InstanceId === undefined || instanceId === input.InstanceId),
    );
    if (action) return action;
    const named = input.LifecycleActionToken
      ? `token ${input.LifecycleActionToken}`
      : `instance ID ${input.InstanceId}`;
    throw new AwsError('ValidationError', `No active Lifecycle Action found with ${named}`);
  }
}

function globalTimeoutSeconds({ heartbeatTimeoutSeconds }: HookSpec): number {
  return Math.min(MAX_WAIT_SECONDS, MAX_HEARTBEAT_TIMEOUTS * heartbeatTimeoutSeconds);
}
