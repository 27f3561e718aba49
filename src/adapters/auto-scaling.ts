import {
  type AutoScalingClient,
  CompleteLifecycleActionCommand,
  DescribeLifecycleHooksCommand,
  paginateDescribeAutoScalingGroups,
  paginateDescribeScalingActivities,
  RecordLifecycleActionHeartbeatCommand,
} from '@aws-sdk/client-auto-scaling';
import { hookLimits, type LifecycleAction } from '../domain/drain.ts';
import type { ActionAnswer, LifecycleActions } from '../domain/ports.ts';
import { awsCall } from './aws-call.ts';

/** The hook that ECS completes itself (facts 22 managed-draining-hook). */
export const MANAGED_DRAINING_HOOK = 'ecs-managed-draining-termination-hook';

/** Lifecycle actions as Auto Scaling has them. */
export function autoScalingLifecycleActions(client: AutoScalingClient, signal: AbortSignal): LifecycleActions {
  const sending = { abortSignal: signal };

  const hooksOf = async (autoScalingGroup: string) => {
    const { LifecycleHooks: hooks = [] } = await awsCall(`describe the hooks of ${autoScalingGroup}`, () =>
      client.send(new DescribeLifecycleHooksCommand({ AutoScalingGroupName: autoScalingGroup }), sending),
    );
    return hooks.flatMap(({ LifecycleHookName: name = '', HeartbeatTimeout, GlobalTimeout, NotificationMetadata }) => {
      if (HeartbeatTimeout === undefined) return [];
      const limits = hookLimits(HeartbeatTimeout);
      const globalTimeoutSeconds = GlobalTimeout ?? limits.globalTimeoutSeconds;
      return { name, limits: { ...limits, globalTimeoutSeconds }, notificationMetadata: NotificationMetadata };
    });
  };

  return {
    async hookLimits({ autoScalingGroup, lifecycleHook }) {
      const hooks = await hooksOf(autoScalingGroup);
      const ours = hooks.find(({ name }) => name === lifecycleHook);
      if (!ours) {
        throw new Error(
          `Auto Scaling has no hook ${lifecycleHook} on group ${autoScalingGroup}, though it sent its event: somebody deleted the hook. Deploy again to create it.`,
        );
      }
      return {
        ...ours.limits,
        ...(hooks.some(({ name }) => name === MANAGED_DRAINING_HOOK) && { managedDraining: true }),
      };
    },

    hooksOf,

    async heldInstances(autoScalingGroups) {
      const groups = await awsCall(`describe group ${autoScalingGroups.join(', ')}`, async () => {
        const input = { AutoScalingGroupNames: [...autoScalingGroups] };
        const pages = paginateDescribeAutoScalingGroups({ client, pageSize: 100 }, input, sending);
        return (await Array.fromAsync(pages)).flatMap((page) => page.AutoScalingGroups ?? []);
      });
      return groups.flatMap(
        ({ AutoScalingGroupName: group = '', Instances: instances, WarmPoolConfiguration: warmPool }) =>
          (warmPool ? [] : (instances ?? [])).flatMap(({ InstanceId: instanceId, LifecycleState: state }) =>
            state === 'Terminating:Wait' && instanceId !== undefined ? { autoScalingGroup: group, instanceId } : [],
          ),
      );
    },

    terminatingSinceMs: (autoScalingGroup) =>
      awsCall(`describe the scaling activities of ${autoScalingGroup}`, async () => {
        const since = new Map<string, number>();
        const input = { AutoScalingGroupName: autoScalingGroup };
        const pages = paginateDescribeScalingActivities({ client, pageSize: 100 }, input, sending);
        for await (const { Activities: activities = [] } of pages) {
          for (const { Description: description = '', StartTime: startedAt, EndTime: endedAt } of activities) {
            // Those in progress come first (facts 42 scaling-activities).
            if (endedAt !== undefined) return since;
            const [instanceId] = /^Terminating EC2 instance: (i-\w+)/.exec(description)?.slice(1) ?? [];
            if (instanceId !== undefined && startedAt) since.set(instanceId, startedAt.getTime());
          }
        }
        return since;
      }),

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
    LifecycleActionToken: action.token, // where it is not known, the instance's id is enough
  };
}

/** Tells the one ValidationError that means success from those that mean a mistake (facts 20 no-active-action). */
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
