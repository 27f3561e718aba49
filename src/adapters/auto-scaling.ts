import {
  type AutoScalingClient,
  type AutoScalingGroup,
  type LifecycleHook as AutoScalingHook,
  CompleteLifecycleActionCommand,
  DescribeAutoScalingInstancesCommand,
  DescribeLifecycleHooksCommand,
  paginateDescribeAutoScalingGroups,
  paginateDescribeScalingActivities,
  RecordLifecycleActionHeartbeatCommand,
} from '@aws-sdk/client-auto-scaling';
import { batches } from '../domain/by-cluster.ts';
import { hookLimits, type LifecycleAction, type LifecycleHook } from '../domain/drain.ts';
import { type GroupPlace, isHeld, REPLACING_ROOT_VOLUME } from '../domain/group-place.ts';
import { choiceOf, type GroupChoice, isPattern } from '../domain/groups.ts';
import type { ActionAnswer, LifecycleActions } from '../domain/ports.ts';
import { awsCall } from './aws-call.ts';
import { choicesIn } from './hook-metadata.ts';

/** How many groups one call takes by name (W9 of the field: 50 names without `MaxRecords` are refused). */
const GROUPS_BATCH = 50;

/** The most that one call takes (Auto Scaling API reference, DescribeAutoScalingInstances). */
const INSTANCES_BATCH = 50;

/** Lifecycle actions as Auto Scaling has them. */
export function autoScalingLifecycleActions(client: AutoScalingClient, signal: AbortSignal): LifecycleActions {
  const sending = { abortSignal: signal };

  return {
    async hooksOf(autoScalingGroup) {
      const { LifecycleHooks: hooks = [] } = await awsCall(`describe the hooks of ${autoScalingGroup}`, () =>
        client.send(new DescribeLifecycleHooksCommand({ AutoScalingGroupName: autoScalingGroup }), sending),
      );
      return hooks.flatMap(toHook);
    },

    async heldInstances(autoScalingGroups) {
      const groups = await describeGroups(client, autoScalingGroups, signal);
      return groups.flatMap(({ name: autoScalingGroup, returnsToWarmPool, instances }) =>
        (returnsToWarmPool ? [] : instances.filter(isHeld)).map(({ instanceId, lifecycleState }) => ({
          autoScalingGroup,
          instanceId,
          ...(lifecycleState === REPLACING_ROOT_VOLUME && { staysInGroup: true as const }),
        })),
      );
    },

    placesOf: (instanceIds) =>
      awsCall(`find the groups of ${instanceIds.join(', ')}`, async () => {
        const places = new Map<string, GroupPlace>();
        for (const InstanceIds of batches(instanceIds, INSTANCES_BATCH)) {
          const { AutoScalingInstances: instances = [] } = await client.send(
            new DescribeAutoScalingInstancesCommand({ InstanceIds }),
            sending,
          );
          for (const { InstanceId = '', AutoScalingGroupName = '', LifecycleState = '' } of instances) {
            places.set(InstanceId, { autoScalingGroup: AutoScalingGroupName, lifecycleState: LifecycleState });
          }
        }
        return places;
      }),

    terminatingSinceMs: (autoScalingGroup) =>
      awsCall(`describe the scaling activities of ${autoScalingGroup}`, async () => {
        const since = new Map<string, number>();
        const input = { AutoScalingGroupName: autoScalingGroup };
        const pages = paginateDescribeScalingActivities({ client, pageSize: 100 }, input, sending);
        try {
          for await (const { Activities: activities = [] } of pages) {
            for (const { Description: description = '', StartTime: startedAt, EndTime: endedAt } of activities) {
              // Those in progress come first (facts 42 scaling-activities).
              if (endedAt !== undefined) return since;
              const [, instanceId] = HELD_ACTIVITY.exec(description) ?? [];
              if (instanceId !== undefined && startedAt) since.set(instanceId, startedAt.getTime());
            }
          }
        } catch (error) {
          if (!waitsNoLonger(error)) throw error; // A deleted group terminates nothing.
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

/** An Auto Scaling group and the instances in it. */
export interface Group {
  readonly name: string;
  /** Whether an instance that the group scales in may return to its warm pool instead of being terminated. */
  readonly returnsToWarmPool: boolean;
  readonly instances: readonly GroupInstance[];
}

/** An instance of a group, and the state of its life that Auto Scaling reports. */
export interface GroupInstance {
  readonly instanceId: string;
  readonly lifecycleState: string;
}

/** The chosen groups that exist. Auto Scaling takes no wildcards (facts 93 group-names), so a pattern makes us read every group. */
export async function describeGroups(
  client: AutoScalingClient,
  choices: readonly GroupChoice[],
  abortSignal: AbortSignal,
): Promise<Group[]> {
  const describe = (what: string, input: { AutoScalingGroupNames?: string[] }) =>
    awsCall(`describe ${what}`, async () => {
      const pages = paginateDescribeAutoScalingGroups({ client, pageSize: 100 }, input, { abortSignal });
      return (await Array.fromAsync(pages)).flatMap((page) => page.AutoScalingGroups ?? []).map(toGroup);
    });
  if (choices.some(isPattern)) {
    const groups = await describe('all Auto Scaling groups', {});
    return groups.filter(({ name }) => choiceOf(choices, name));
  }
  const names = choices.map(({ text }) => text);
  const described = batches(names, GROUPS_BATCH).map((AutoScalingGroupNames) =>
    describe(`the groups ${AutoScalingGroupNames.join(', ')}`, { AutoScalingGroupNames }),
  );
  return (await Promise.all(described)).flat();
}

/** The activity of what a terminating hook may hold. The words about a root volume are unverified (facts 45 root-volume-replacement). */
const HELD_ACTIVITY = /^(?:Terminating|Replacing\b.*) EC2 instance: (i-\w+)/i;

function toGroup({ AutoScalingGroupName: name = '', WarmPoolConfiguration, Instances }: AutoScalingGroup): Group {
  return {
    name,
    returnsToWarmPool: WarmPoolConfiguration?.InstanceReusePolicy?.ReuseOnScaleIn ?? false,
    instances: (Instances ?? []).map(({ InstanceId, LifecycleState }) => ({
      instanceId: InstanceId ?? '',
      lifecycleState: LifecycleState ?? '',
    })),
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

function toHook(hook: AutoScalingHook): LifecycleHook[] {
  const { LifecycleHookName: name = '', HeartbeatTimeout, GlobalTimeout, DefaultResult, NotificationMetadata } = hook;
  if (HeartbeatTimeout === undefined || hook.LifecycleTransition === 'autoscaling:EC2_INSTANCE_LAUNCHING') return [];
  const limits = hookLimits(HeartbeatTimeout);
  const globalTimeoutSeconds = GlobalTimeout ?? limits.globalTimeoutSeconds;
  const choices = choicesIn(NotificationMetadata);
  const defaultResult = DefaultResult === 'CONTINUE' ? 'CONTINUE' : 'ABANDON'; // facts 18 hook-timeouts
  return [
    {
      name,
      limits: { ...limits, globalTimeoutSeconds, ...(choices && { choices }) },
      defaultResult,
      notificationMetadata: NotificationMetadata,
    },
  ];
}

/** The validation errors that mean that no one waits for us any more; all others mean a mistake (facts 20 no-active-action). */
const NOBODY_WAITS = /no active lifecycle action|no lifecycle hook found|AutoScalingGroup name not found/i;

async function answerTo(sent: Promise<unknown>): Promise<ActionAnswer> {
  try {
    await sent;
    return 'accepted';
  } catch (error) {
    if (waitsNoLonger(error)) return 'already-completed';
    throw error;
  }
}

function waitsNoLonger(error: unknown): boolean {
  return error instanceof Error && error.name === 'ValidationError' && NOBODY_WAITS.test(error.message);
}
