import type { HookSpec } from '../region/auto-scaling/model.ts';
import type { Region } from '../region/region.ts';

/** What Auto Scaling sends to the notification target of a hook, as far as drainers read it. */
export interface Notification {
  readonly Service: 'AWS Auto Scaling';
  readonly Time: string;
  readonly LifecycleTransition: string;
  readonly LifecycleActionToken: string;
  readonly LifecycleHookName: string;
  readonly AutoScalingGroupName: string;
  readonly EC2InstanceId: string;
}

/**
 * A lifecycle hook with a notification target of SNS or SQS, as hooks had before EventBridge. Its notifications go by way
 * of the event bus, so that the faults of that strike them too.
 */
export function putNotifyingHook(region: Region, hook: HookSpec, notify: (notification: Notification) => void): void {
  region.autoScaling.putLifecycleHook(hook);
  region.eventBridge.putRule({
    name: `the notification target of ${hook.name}`,
    pattern: { source: ['aws.autoscaling'], detail: { LifecycleHookName: [hook.name] } },
    target: (event) => {
      const { time, detail } = event as { time: string; detail: Omit<Notification, 'Service' | 'Time'> };
      notify({ Service: 'AWS Auto Scaling', Time: time, ...detail });
    },
  });
}
