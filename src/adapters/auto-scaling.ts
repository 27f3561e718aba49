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

/** Lifecycle actions as Auto Scaling has them. */
export function autoScalingLifecycleActions(client: AutoScalingClient, signal: AbortSignal): LifecycleActions {
  const sending = { abortSignal: signal };

  return {
    async hookLimits({ autoScalingGroup, lifecycleHook }) {
      const { LifecycleHooks: hooks } = await awsCall(`describe hook ${lifecycleHook} of ${autoScalingGroup}`, () =>
        client.send(
          new DescribeLifecycleHooksCommand({
            AutoScalingGroupName: autoScalingGroup,
            LifecycleHookNames: [lifecycleHook],
          }),
          sending,
        ),
      );
      const heartbeatTimeoutSeconds = hooks?.[0]?.HeartbeatTimeout;
      if (heartbeatTimeoutSeconds === undefined) {
        throw new Error(
          `Auto Scaling has no hook ${lifecycleHook} on group ${autoScalingGroup}, though it sent its event: somebody deleted the hook. Deploy again to create it.`,
        );
      }
      const limits = hookLimits(heartbeatTimeoutSeconds);
      return { ...limits, globalTimeoutSeconds: hooks?.[0]?.GlobalTimeout ?? limits.globalTimeoutSeconds };
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
