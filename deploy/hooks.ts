/** The lifecycle hooks that hold an instance of each group. */

import type { Resources } from './cloudformation.ts';
import type { Form } from './form.ts';

/**
 * The hooks are created last and deleted first: a hook without a function that listens holds instances until it times out.
 * @param needed what a drain needs to begin and to go on.
 */
export function hookResources(form: Form, needed: Resources): Resources {
  return form.lifecycleHooks(needed, (group, DependsOn) => ({
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
