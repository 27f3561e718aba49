import type {
  Activity,
  AutoScalingGroup,
  Instance,
  InstanceRefresh,
  LifecycleHook,
  LifecycleState,
  ScalingActivityStatusCode,
  TagDescription,
  WarmPoolConfiguration,
} from '@aws-sdk/client-auto-scaling';
import { pageOf } from '../pages.ts';
import { awsTransition, globalTimeoutSeconds, transitionOf } from './lifecycle-actions.ts';
import { invalid } from './state.ts';
import type { GroupView, HookSpec, InstanceView, RefreshView, ScalingActivity, WarmPoolSpec } from './views.ts';

/** The model's things as AWS describes them in its answers. */

export function describedGroup(group: GroupView, instances: readonly InstanceView[]): AutoScalingGroup {
  return {
    AutoScalingGroupName: group.name,
    AutoScalingGroupARN: group.arn,
    MinSize: group.minSize,
    MaxSize: group.maxSize,
    DesiredCapacity: group.desiredCapacity,
    DefaultCooldown: 300,
    AvailabilityZones: [...(group.zones ?? [group.availabilityZone])],
    LoadBalancerNames: [],
    TargetGroupARNs: [],
    HealthCheckType: 'EC2',
    HealthCheckGracePeriod: group.healthCheckGraceSeconds ?? 0,
    Instances: instances.map((instance) => describedInstance(instance, group.availabilityZone)),
    CreatedTime: new Date(group.createdAtMs),
    SuspendedProcesses: [...group.suspended].map(([ProcessName, sinceMs]) => ({
      ProcessName,
      SuspensionReason: `User suspended at ${new Date(sinceMs).toISOString().slice(0, 19)}Z`,
    })),
    EnabledMetrics: [],
    Tags: describedTags(group),
    TerminationPolicies: ['OldestInstance'],
    NewInstancesProtectedFromScaleIn: group.newInstancesProtected ?? false,
    TrafficSources: [],
    ...(group.capacityRebalance !== undefined && { CapacityRebalance: group.capacityRebalance }),
    ...(group.defaultInstanceWarmupSeconds !== undefined && {
      DefaultInstanceWarmup: group.defaultInstanceWarmupSeconds,
    }),
    InstanceLifecyclePolicy: {
      RetentionTriggers: { TerminateHookAbandon: group.retainOnAbandon ? 'retain' : 'terminate' },
    },
    ...(group.isDeleted && { Status: 'Delete in progress' }),
    ...(group.warmPool && {
      WarmPoolConfiguration: describedWarmPool(group.warmPool),
      WarmPoolSize: group.warmPoolSize,
    }),
  };
}

export function describedTags({ name, tags = {} }: GroupView): TagDescription[] {
  return Object.entries(tags).map(([Key, Value]) => ({
    ResourceId: name,
    ResourceType: 'auto-scaling-group',
    Key,
    Value,
    PropagateAtLaunch: false,
  }));
}

export function describedWarmPool(warmPool: WarmPoolSpec): WarmPoolConfiguration {
  const { minSize, maxGroupPreparedCapacity, poolState, reuseOnScaleIn } = warmPool;
  return {
    MinSize: minSize,
    ...(maxGroupPreparedCapacity !== undefined && { MaxGroupPreparedCapacity: maxGroupPreparedCapacity }),
    PoolState: poolState,
    InstanceReusePolicy: { ReuseOnScaleIn: reuseOnScaleIn },
  };
}

export function describedInstance(instance: InstanceView, AvailabilityZone: string) {
  const { instanceId, state, healthy, protectedFromScaleIn } = instance;
  return {
    InstanceId: instanceId,
    AvailabilityZone,
    LifecycleState: state satisfies LifecycleState,
    HealthStatus: healthy ? 'Healthy' : 'Unhealthy',
    ProtectedFromScaleIn: protectedFromScaleIn,
  } satisfies Instance;
}

export function describedHook(hook: HookSpec): LifecycleHook {
  return {
    LifecycleHookName: hook.name,
    AutoScalingGroupName: hook.group,
    LifecycleTransition: awsTransition(transitionOf(hook)),
    HeartbeatTimeout: hook.heartbeatTimeoutSeconds,
    GlobalTimeout: globalTimeoutSeconds(hook),
    DefaultResult: hook.defaultResult,
    ...(hook.notificationMetadata !== undefined && { NotificationMetadata: hook.notificationMetadata }),
    ...(hook.notificationTarget && {
      NotificationTargetARN: hook.notificationTarget.arn,
      RoleARN: hook.notificationTarget.roleArn,
    }),
  };
}

export function describedActivity(activity: ScalingActivity, AutoScalingGroupARN: string): Activity {
  return {
    ActivityId: activity.id,
    AutoScalingGroupName: activity.group,
    AutoScalingGroupARN,
    Description: activity.description,
    Cause: activity.cause,
    StartTime: new Date(activity.startedAtMs),
    ...(activity.endedAtMs !== undefined && { EndTime: new Date(activity.endedAtMs) }),
    // Facts 42 scaling-activities: AWS answers a status that its own model does not list.
    StatusCode: activity.status as ScalingActivityStatusCode,
    Progress: activity.progress,
    Details: activity.details,
  };
}

export function describedRefresh(refresh: RefreshView): InstanceRefresh {
  const { preferences, status, statusReason, endedAtMs } = refresh;
  return {
    InstanceRefreshId: refresh.id,
    AutoScalingGroupName: refresh.group,
    Strategy: refresh.strategy,
    Status: status,
    ...(statusReason !== undefined && { StatusReason: statusReason }),
    ...(status !== 'Pending' && { StartTime: new Date(refresh.startedAtMs) }),
    ...(endedAtMs !== undefined && { EndTime: new Date(endedAtMs) }),
    PercentageComplete: refresh.percentageComplete,
    InstancesToUpdate: refresh.instancesToUpdate,
    Preferences: {
      MinHealthyPercentage: preferences.minHealthyPercentage,
      ...(preferences.maxHealthyPercentage > 100 && { MaxHealthyPercentage: preferences.maxHealthyPercentage }),
      InstanceWarmup: preferences.instanceWarmupSeconds,
      ScaleInProtectedInstances: preferences.protectedInstances,
      SkipMatching: false,
      AutoRollback: false,
    },
    ...(refresh.desiredConfiguration && { DesiredConfiguration: refresh.desiredConfiguration }),
  };
}

interface Paged {
  readonly NextToken?: string | undefined;
  readonly MaxRecords?: number | undefined;
}

/** A page of what was found. */
export function page<T>(
  all: readonly T[],
  { NextToken: token, MaxRecords }: Paged,
  limits: { readonly default: number; readonly max: number },
): { readonly items: readonly T[]; readonly NextToken: { readonly NextToken?: string } } {
  const size = MaxRecords ?? limits.default;
  if (size < 1 || size > limits.max) throw invalid(`MaxRecords must be between 1 and ${limits.max}`);
  const { items, next } = pageOf(all, { size, token });
  return { items, NextToken: next === undefined ? {} : { NextToken: next } };
}
