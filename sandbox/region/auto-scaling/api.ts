import type {
  ActivitiesType,
  AutoScalingGroupNamesType,
  AutoScalingGroupsType,
  AutoScalingInstanceDetails,
  AutoScalingInstancesType,
  CompleteLifecycleActionAnswer,
  CompleteLifecycleActionType,
  DescribeAutoScalingInstancesType,
  DescribeInstanceRefreshesAnswer,
  DescribeInstanceRefreshesType,
  DescribeLifecycleHooksAnswer,
  DescribeLifecycleHooksType,
  DescribeScalingActivitiesType,
  DescribeTagsType,
  DescribeWarmPoolAnswer,
  DescribeWarmPoolType,
  RecordLifecycleActionHeartbeatAnswer,
  RecordLifecycleActionHeartbeatType,
  TagsType,
} from '@aws-sdk/client-auto-scaling';
import type { Operations, Service } from '../service.ts';
import {
  describedActivity,
  describedGroup,
  describedHook,
  describedInstance,
  describedRefresh,
  describedTags,
  describedWarmPool,
  page,
} from './describe.ts';
import { activityFilter, groupFilter, tagFilter } from './filters.ts';
import type { AutoScalingModel } from './model.ts';
import { lifecycleResult, operatorOperations } from './operator-api.ts';
import { invalid } from './state.ts';
import { type ActionName, type InstanceView, isGone } from './views.ts';

/** How many items a page has: by default, and at most (API reference, MaxRecords). */
const GROUPS_PER_PAGE = { default: 50, max: 100 };
const INSTANCES_PER_PAGE = { default: 50, max: 50 };
const ACTIVITIES_PER_PAGE = { default: 100, max: 100 };

/** Auto Scaling's API over the model. */
export function autoScalingService(model: AutoScalingModel): Service {
  return {
    name: 'autoscaling',
    operations: { ...describeOperations(model), ...lifecycleOperations(model), ...operatorOperations(model) },
  };
}

/**
 * A call takes as many names of groups as a page has items, 50 or MaxRecords, and 50 ids of instances (Auto Scaling API reference,
 * DescribeAutoScalingGroups, DescribeAutoScalingInstances).
 */
function refuseMoreThan(most: number, member: string, values: readonly string[] = []): void {
  if (values.length > most) throw invalid(`The number of ${member} may not be greater than ${most}`);
}

function describeOperations(model: AutoScalingModel): Operations {
  const instancesOf = (group: string) => [...model.instancesOf(group), ...model.warmPoolOf(group)];
  return {
    DescribeAutoScalingGroups: (input: AutoScalingGroupNamesType): AutoScalingGroupsType => {
      const names = input.AutoScalingGroupNames;
      refuseMoreThan(input.MaxRecords ?? GROUPS_PER_PAGE.default, 'AutoScalingGroupNames', names);
      const keeps = groupFilter(input.Filters);
      const found = model
        .groups()
        .filter((group) => (!names?.length || names.includes(group.name)) && keeps(describedTags(group)));
      const { items, NextToken } = page(found, input, GROUPS_PER_PAGE);
      const withInstances = input.IncludeInstances ?? true;
      return {
        AutoScalingGroups: items.map((group) =>
          describedGroup(group, withInstances ? model.instancesOf(group.name) : []),
        ),
        ...NextToken,
      };
    },

    DescribeAutoScalingInstances: (input: DescribeAutoScalingInstancesType): AutoScalingInstancesType => {
      refuseMoreThan(INSTANCES_PER_PAGE.max, 'InstanceIds', input.InstanceIds);
      const zones = new Map(model.groups().map(({ name, availabilityZone }) => [name, availabilityZone]));
      const wanted = input.InstanceIds?.length
        ? input.InstanceIds.flatMap((id) => existing(model, id))
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
      const { ActivityIds: ids, AutoScalingGroupName: name } = input;
      const keeps = activityFilter(input.Filters, name);
      const found = (name === undefined ? model.groups() : [model.group(name)])
        .flatMap((group) => model.activitiesOf(group.name).map((activity) => ({ activity, arn: group.arn })))
        .filter(({ activity }) => (!ids?.length || ids.includes(activity.id)) && keeps(activity));
      const { items, NextToken } = page(found, input, ACTIVITIES_PER_PAGE);
      return { Activities: items.map(({ activity, arn }) => describedActivity(activity, arn)), ...NextToken };
    },

    DescribeInstanceRefreshes: (input: DescribeInstanceRefreshesType): DescribeInstanceRefreshesAnswer => {
      const ids = input.InstanceRefreshIds;
      const found = model
        .refreshesOf(input.AutoScalingGroupName ?? '')
        .filter(({ id }) => !ids?.length || ids.includes(id));
      const { items, NextToken } = page(found, input, GROUPS_PER_PAGE);
      return { InstanceRefreshes: items.map(describedRefresh), ...NextToken };
    },

    DescribeTags: (input: DescribeTagsType): TagsType => {
      const found = model.groups().flatMap(describedTags).filter(tagFilter(input.Filters));
      const { items, NextToken } = page(found, input, GROUPS_PER_PAGE);
      return { Tags: [...items], ...NextToken };
    },

    DescribeWarmPool: (input: DescribeWarmPoolType): DescribeWarmPoolAnswer => {
      const { name, availabilityZone, warmPool } = model.group(input.AutoScalingGroupName ?? '');
      const { items, NextToken } = page(model.warmPoolOf(name), input, INSTANCES_PER_PAGE);
      return {
        ...(warmPool && { WarmPoolConfiguration: describedWarmPool(warmPool) }),
        Instances: items.map((instance) => describedInstance(instance, availabilityZone)),
        ...NextToken,
      };
    },
  };
}

function lifecycleOperations(model: AutoScalingModel): Operations {
  return {
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
  };
}

function existing(model: AutoScalingModel, instanceId: string): readonly InstanceView[] {
  const instance = model.instance(instanceId);
  return instance && !isGone(instance) ? [instance] : [];
}

function actionName(input: RecordLifecycleActionHeartbeatType): ActionName {
  const { LifecycleActionToken: token, InstanceId: instanceId } = input;
  if (token === undefined && instanceId === undefined) {
    throw invalid('Either LifecycleActionToken or InstanceId must be specified');
  }
  return { group: input.AutoScalingGroupName ?? '', hook: input.LifecycleHookName ?? '', token, instanceId };
}
