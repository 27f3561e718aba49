import type {
  ActivitiesType,
  Activity,
  ActivityType,
  AutoScalingGroup,
  AutoScalingGroupNamesType,
  AutoScalingGroupsType,
  AutoScalingInstanceDetails,
  AutoScalingInstancesType,
  CompleteLifecycleActionAnswer,
  CompleteLifecycleActionType,
  DescribeAutoScalingInstancesType,
  DescribeLifecycleHooksAnswer,
  DescribeLifecycleHooksType,
  DescribeScalingActivitiesType,
  Instance,
  LifecycleHook,
  LifecycleState,
  RecordLifecycleActionHeartbeatAnswer,
  RecordLifecycleActionHeartbeatType,
  ScalingActivityStatusCode,
  SetDesiredCapacityType,
  TerminateInstanceInAutoScalingGroupType,
} from '@aws-sdk/client-auto-scaling';
import { awsTransition, transitionOf } from './auto-scaling/lifecycle-actions.ts';
import {
  type ActionName,
  type AutoScalingModel,
  type GroupView,
  globalTimeoutSeconds,
  type HookSpec,
  type InstanceView,
  type LifecycleResult,
  type ScalingActivity,
} from './auto-scaling.ts';
import { AwsError } from './aws-error.ts';
import type { Service } from './service.ts';

/** How many items a page has: by default, and at most (API reference, MaxRecords). */
const GROUPS_PER_PAGE = { default: 50, max: 100 };
const INSTANCES_PER_PAGE = { default: 50, max: 50 };
const ACTIVITIES_PER_PAGE = { default: 100, max: 100 };

/** Auto Scaling's API over the model. */
export function autoScalingService(model: AutoScalingModel): Service {
  return { name: 'autoscaling', operations: operationsOf(model) };
}

function operationsOf(model: AutoScalingModel): Service['operations'] {
  return {
    DescribeAutoScalingGroups: (input: AutoScalingGroupNamesType): AutoScalingGroupsType => {
      refuse(input, 'Filters');
      const names = input.AutoScalingGroupNames;
      const found = model.groups().filter(({ name }) => !names?.length || names.includes(name));
      const { items, NextToken } = page(found, input, GROUPS_PER_PAGE);
      const withInstances = input.IncludeInstances ?? true;
      return {
        AutoScalingGroups: items.map((group) => describedGroup(group, withInstances ? instancesOf(group.name) : [])),
        ...NextToken,
      };
    },

    DescribeAutoScalingInstances: (input: DescribeAutoScalingInstancesType): AutoScalingInstancesType => {
      const zones = new Map(model.groups().map(({ name, availabilityZone }) => [name, availabilityZone]));
      const wanted = input.InstanceIds?.length
        ? input.InstanceIds.flatMap(existing)
        : [...zones.keys()].flatMap(instancesOf);
      const { items, NextToken } = page(wanted, input, INSTANCES_PER_PAGE);
      const AutoScalingInstances = items.map((instance) => ({
        ...describedInstance(instance, zones.get(instance.group) ?? ''),
        AutoScalingGroupName: instance.group,
        HealthStatus: instance.healthy ? 'HEALTHY' : 'UNHEALTHY',
      }));
      return { AutoScalingInstances: AutoScalingInstances satisfies AutoScalingInstanceDetails[], ...NextToken };
    },

    DescribeLifecycleHooks: (input: DescribeLifecycleHooksType): DescribeLifecycleHooksAnswer => {
      const names = input.LifecycleHookNames;
      const hooks = model.hooksOf(input.AutoScalingGroupName ?? '');
      return { LifecycleHooks: hooks.filter(({ name }) => !names?.length || names.includes(name)).map(describedHook) };
    },

    DescribeScalingActivities: (input: DescribeScalingActivitiesType): ActivitiesType => {
      refuse(input, 'Filters');
      const { ActivityIds: ids, AutoScalingGroupName: name } = input;
      const found = (name === undefined ? model.groups() : [model.group(name)])
        .flatMap((group) => model.activitiesOf(group.name).map((activity) => ({ activity, arn: group.arn })))
        .filter(({ activity }) => !ids?.length || ids.includes(activity.id));
      const { items, NextToken } = page(found, input, ACTIVITIES_PER_PAGE);
      return { Activities: items.map(({ activity, arn }) => describedActivity(activity, arn)), ...NextToken };
    },

    RecordLifecycleActionHeartbeat: (
      input: RecordLifecycleActionHeartbeatType,
    ): RecordLifecycleActionHeartbeatAnswer => {
      model.recordHeartbeat(actionName(input));
      return {};
    },

    CompleteLifecycleAction: (input: CompleteLifecycleActionType): CompleteLifecycleActionAnswer => {
      model.completeAction(actionName(input), lifecycleResult(input.LifecycleActionResult ?? ''));
      return {};
    },

    TerminateInstanceInAutoScalingGroup: (input: TerminateInstanceInAutoScalingGroupType): ActivityType => {
      refuse(input, 'InstanceIds');
      const { InstanceId: instanceId = '', ShouldDecrementDesiredCapacity: decrementDesiredCapacity = false } = input;
      model.terminateInstance(instanceId, { decrementDesiredCapacity });
      const activity = model.lastActivityOf(instanceId);
      return activity ? { Activity: describedActivity(activity, model.group(activity.group).arn) } : {};
    },

    SetDesiredCapacity: (input: SetDesiredCapacityType): object => {
      model.setDesiredCapacity(input.AutoScalingGroupName ?? '', input.DesiredCapacity ?? 0);
      return {};
    },
  };

  function existing(instanceId: string): readonly InstanceView[] {
    const instance = model.instance(instanceId);
    return instance && instance.state !== 'Terminated' ? [instance] : [];
  }

  function instancesOf(group: string): readonly InstanceView[] {
    return model.instancesOf(group);
  }
}

// --- What is answered -----------------------------------------------------------------------------------------------

function describedGroup(group: GroupView, instances: readonly InstanceView[]): AutoScalingGroup {
  return {
    AutoScalingGroupName: group.name,
    AutoScalingGroupARN: group.arn,
    MinSize: group.minSize,
    MaxSize: group.maxSize,
    DesiredCapacity: group.desiredCapacity,
    DefaultCooldown: 300,
    AvailabilityZones: [group.availabilityZone],
    HealthCheckType: 'EC2',
    HealthCheckGracePeriod: 0,
    Instances: instances.map((instance) => describedInstance(instance, group.availabilityZone)),
    CreatedTime: new Date(group.createdAtMs),
    TerminationPolicies: ['OldestInstance'],
    NewInstancesProtectedFromScaleIn: false,
  };
}

function describedInstance(instance: InstanceView, AvailabilityZone: string) {
  const { instanceId, state, healthy, protectedFromScaleIn } = instance;
  return {
    InstanceId: instanceId,
    AvailabilityZone,
    LifecycleState: state satisfies LifecycleState,
    HealthStatus: healthy ? 'Healthy' : 'Unhealthy',
    ProtectedFromScaleIn: protectedFromScaleIn,
  } satisfies Instance;
}

function describedHook(hook: HookSpec): LifecycleHook {
  return {
    LifecycleHookName: hook.name,
    AutoScalingGroupName: hook.group,
    LifecycleTransition: awsTransition(transitionOf(hook)),
    HeartbeatTimeout: hook.heartbeatTimeoutSeconds,
    GlobalTimeout: globalTimeoutSeconds(hook),
    DefaultResult: hook.defaultResult,
    ...(hook.notificationMetadata !== undefined && { NotificationMetadata: hook.notificationMetadata }),
  };
}

function describedActivity(activity: ScalingActivity, AutoScalingGroupARN: string): Activity {
  return {
    ActivityId: activity.id,
    AutoScalingGroupName: activity.group,
    AutoScalingGroupARN,
    Description: activity.description,
    Cause: activity.cause,
    StartTime: new Date(activity.startedAtMs),
    ...(activity.endedAtMs !== undefined && { EndTime: new Date(activity.endedAtMs) }),
    // Facts 42: AWS answers a status that its own model does not list.
    StatusCode: activity.status as ScalingActivityStatusCode,
    Progress: activity.progress,
    Details: activity.details,
  };
}

/** A page of what was found; its token is the place of the next one. */
function page<T>(
  all: readonly T[],
  input: { readonly NextToken?: string | undefined; readonly MaxRecords?: number | undefined },
  limits: { readonly default: number; readonly max: number },
): { readonly items: readonly T[]; readonly NextToken: { readonly NextToken?: string } } {
  const size = input.MaxRecords ?? limits.default;
  if (size < 1 || size > limits.max) throw invalid(`MaxRecords must be between 1 and ${limits.max}`);
  const start = Number(input.NextToken ?? 0);
  if (!Number.isInteger(start) || start < 0)
    throw new AwsError('InvalidNextToken', 'The NextToken value is not valid.');
  const end = start + size;
  return { items: all.slice(start, end), NextToken: end < all.length ? { NextToken: String(end) } : {} };
}

// --- What is asked --------------------------------------------------------------------------------------------------

function actionName(input: RecordLifecycleActionHeartbeatType): ActionName {
  const { LifecycleActionToken: token, InstanceId: instanceId } = input;
  if (token === undefined && instanceId === undefined) {
    throw invalid('Either LifecycleActionToken or InstanceId must be specified');
  }
  return { group: input.AutoScalingGroupName ?? '', hook: input.LifecycleHookName ?? '', token, instanceId };
}

function lifecycleResult(result: string): LifecycleResult {
  if (result === 'CONTINUE' || result === 'ABANDON') return result;
  throw invalid(`Invalid lifecycle action result: ${result}`);
}

/** A parameter that is not known here is an error: to pass over it would answer another question. */
function refuse<K extends string>(input: { readonly [P in K]?: unknown }, name: K): void {
  if (input[name] !== undefined) throw invalid(`The local Region does not know ${name}.`);
}

function invalid(message: string): AwsError {
  return new AwsError('ValidationError', message);
}
