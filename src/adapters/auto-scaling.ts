import {
  type AutoScalingClient,
  CompleteLifecycleActionCommand,
  DescribeAutoScalingGroupsCommand,
  DescribeLifecycleHooksCommand,
  RecordLifecycleActionHeartbeatCommand,
} from '@aws-sdk/client-auto-scaling';
import { hookLimits, type LifecycleAction } from '../domain/drain.ts';
import type { ActionAnswer, LifecycleActions } from '../domain/ports.ts';
import { awsCall } from './aws-call.ts';

/** The hook that ECS completes itself (facts 22). */
export const MANAGED_DRAINING_HOOK = 'ecs-managed-draining-termination-hook';

/** Lifecycle actions as Auto Scaling has them. */
export function autoScalingLifecycleActions(client: AutoScalingClient, signal: AbortSignal): LifecycleActions {
  const sending = { abortSignal: signal };

  return {
    async hookLimits({ autoScalingGroup, lifecycleHook }) {
      const { LifecycleHooks: hooks = [] } = await awsCall(`describe the hooks of ${autoScalingGroup}`, () =>
        client.send(new DescribeLifecycleHooksCommand({ AutoScalingGroupName: autoScalingGroup }), sending),
      );
      const ours = hooks.find(({ LifecycleHookName: name }) => name === lifecycleHook);
      if (ours?.HeartbeatTimeout === undefined) {
        throw new Error(
          `Auto Scaling has no hook ${lifecycleHook} on group ${autoScalingGroup}, though it sent its event: somebody deleted the hook. Deploy again to create it.`,
        );
      }
      const limits = hookLimits(ours.HeartbeatTimeout);
      return {
        ...limits,
        globalTimeoutSeconds: ours.GlobalTimeout ?? limits.globalTimeoutSeconds,
        ...(hooks.some(({ LifecycleHookName: name }) => name === MANAGED_DRAINING_HOOK) && { managedDraining: true }),
      };
    },

    async heldInstances(autoScalingGroup) {
      const { AutoScalingGroups: groups } = await awsCall(`describe group ${autoScalingGroup}`, () =>
        client.send(new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: [autoScalingGroup] }), sending),
      );
      const [{ Instances: instances = [], WarmPoolConfiguration: warmPool } = {}] = groups ?? [];
      if (warmPool) return [];
      return instances.flatMap(({ InstanceId: id, LifecycleState: state }) =>
        state === 'Terminating:Wait' && id !== undefined ? id : [],
      );
    },

    recordHeartbeat: (action) =>
      awsCall(`record a heartbeat for ${action.instanceId}`, () =>
        answerTo(client.send(new RecordLifecycleActionHeartbeatCommand(naming(action)), sending)),
      ),

    complete: (action, result) =>
      awsCall(`complete the lifecycle action of ${action.instanceId} with ${result}`, () =>
        answerTo(
          client.send(
            new CompleteLifecycleActionCommand({ ...naming(action), LifecycleActionResult: result }),
            sending,
          ),
        ),
      ),
  };
}

function naming(action: LifecycleAction) {
  return {
    AutoScalingGroupName: action.autoScalingGroup,
    LifecycleHookName: action.lifecycleHook,
    InstanceId: action.instanceId,
    LifecycleActionToken: action.token,
  };
}

/** Tells the one ValidationError that means success from those that mean a mistake (facts 20). */
async function answerTo(sent: Promise<unknown>): Promise<ActionAnswer> {
  try {
    await sent;
    return 'accepted';
  } catch (error) {
    if (
      error instanceof Error &&
      error.name === 'ValidationError' &&
      /no active lifecycle action/i.test(error.message)
    ) {
      return 'already-completed';
    }
    throw error;
  }
}
