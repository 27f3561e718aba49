/** The lifecycle hooks that hold an instance of each group. */

import type { Resources } from './cloudformation.ts';
import type { Form } from './form.ts';

/**
 * The hooks are created last and deleted first: a hook without a function that listens holds instances until it times out.
 * @param DependsOn what a drain needs.
 */
export function hookResources(form: Form, DependsOn: readonly string[]): Resources {
  return form.lifecycleHooks((group) => ({
    Type: 'AWS::AutoScaling::LifecycleHook',
    DependsOn,
    Properties: {
      AutoScalingGroupName: group,
      LifecycleHookName: form.createdHook(),
      LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
      HeartbeatTimeout: form.value('heartbeatTimeoutSeconds'),
      DefaultResult: form.value('hookDefaultResult'),
    },
  }));
}
