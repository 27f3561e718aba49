import type {
  ActivityType,
  AttachInstancesQuery,
  CancelInstanceRefreshAnswer,
  CancelInstanceRefreshType,
  DeleteAutoScalingGroupType,
  DeleteLifecycleHookType,
  DetachInstancesAnswer,
  DetachInstancesQuery,
  PutLifecycleHookType,
  PutWarmPoolType,
  ScalingProcessQuery,
  SetDesiredCapacityType,
  SetInstanceProtectionQuery,
  StartInstanceRefreshAnswer,
  StartInstanceRefreshType,
  TerminateInstanceInAutoScalingGroupType,
  UpdateAutoScalingGroupType,
} from '@aws-sdk/client-auto-scaling';
import { AwsError } from '../aws-error.ts';
import type { Operations } from '../service.ts';
import { describedActivity } from './describe.ts';
import { awsTransition } from './lifecycle-actions.ts';
import type { AutoScalingModel } from './model.ts';
import { invalid } from './state.ts';
import type { HookSpec, LifecycleResult, RefreshPreferences, Transition } from './views.ts';

/** Of a hook that is created without them (API reference, PutLifecycleHook). */
const HOOK_DEFAULTS = { heartbeatTimeoutSeconds: 3_600, defaultResult: 'ABANDON' } as const;
const MAX_PROTECTED_AT_ONCE = 50;
const TRANSITIONS: readonly Transition[] = ['launching', 'terminating'];

/** What operators do to groups and their instances. */
export function operatorOperations(model: AutoScalingModel): Operations {
  return {
    PutLifecycleHook: (input: PutLifecycleHookType): object => {
      refuse(input, 'RoleARN', 'NotificationTargetARN');
      model.putLifecycleHook(hookOf(input, model.hooksOf(input.AutoScalingGroupName ?? '')));
      return {};
    },

    DeleteAutoScalingGroup: (input: DeleteAutoScalingGroupType): object => {
      model.deleteGroup(input.AutoScalingGroupName ?? '', { force: input.ForceDelete ?? false });
      return {};
    },

    DeleteLifecycleHook: (input: DeleteLifecycleHookType): object => {
      model.deleteLifecycleHook(input.AutoScalingGroupName ?? '', input.LifecycleHookName ?? '');
      return {};
    },

    UpdateAutoScalingGroup: (input: UpdateAutoScalingGroupType): object => {
      updateGroup(model, input);
      return {};
    },

    SetDesiredCapacity: (input: SetDesiredCapacityType): object => {
      model.setDesiredCapacity(input.AutoScalingGroupName ?? '', input.DesiredCapacity ?? 0);
      return {};
    },

    TerminateInstanceInAutoScalingGroup: (input: TerminateInstanceInAutoScalingGroupType): ActivityType => {
      refuse(input, 'InstanceIds');
      const { InstanceId: instanceId = '', ShouldDecrementDesiredCapacity: decrementDesiredCapacity = false } = input;
      model.terminateInstance(instanceId, { decrementDesiredCapacity });
      const activity = model.lastActivityOf(instanceId);
      return activity ? { Activity: describedActivity(activity, model.group(activity.group).arn) } : {};
    },

    AttachInstances: (input: AttachInstancesQuery): object => {
      model.attachInstances(input.AutoScalingGroupName ?? '', input.InstanceIds ?? []);
      return {};
    },

    DetachInstances: (input: DetachInstancesQuery): DetachInstancesAnswer => {
      const { AutoScalingGroupName: group = '', InstanceIds: ids = [], ShouldDecrementDesiredCapacity = false } = input;
      const activities = model.detachInstances(group, ids, ShouldDecrementDesiredCapacity);
      return { Activities: activities.map((activity) => describedActivity(activity, model.group(group).arn)) };
    },

    SetInstanceProtection: (input: SetInstanceProtectionQuery): object => {
      const { AutoScalingGroupName: group = '', InstanceIds: ids = [], ProtectedFromScaleIn = false } = input;
      if (ids.length > MAX_PROTECTED_AT_ONCE) {
        throw new AwsError(
          'LimitExceeded',
          `There are ${ids.length} InstanceIds; ${MAX_PROTECTED_AT_ONCE} are allowed.`,
        );
      }
      model.setInstanceProtection(group, ids, ProtectedFromScaleIn);
      return {};
    },

    SuspendProcesses: (input: ScalingProcessQuery): object => {
      model.suspendProcesses(input.AutoScalingGroupName ?? '', input.ScalingProcesses ?? []);
      return {};
    },

    ResumeProcesses: (input: ScalingProcessQuery): object => {
      model.resumeProcesses(input.AutoScalingGroupName ?? '', input.ScalingProcesses ?? []);
      return {};
    },

    StartInstanceRefresh: (input: StartInstanceRefreshType): StartInstanceRefreshAnswer => {
      const { AutoScalingGroupName: group = '', Strategy = 'Rolling', DesiredConfiguration } = input;
      if (Strategy === 'Rolling') refuse(input, 'DesiredConfiguration');
      else if (!DesiredConfiguration?.MixedInstancesPolicy) {
        throw invalid(
          "The request isn't valid. The DesiredConfiguration parameter must be specified when using ReplaceRootVolume. Add the DesiredConfiguration parameter and try again.",
        );
      }
      const preferences = preferencesOf(input);
      return { InstanceRefreshId: model.startInstanceRefresh(group, preferences, Strategy, DesiredConfiguration) };
    },

    CancelInstanceRefresh: (input: CancelInstanceRefreshType): CancelInstanceRefreshAnswer => {
      const { AutoScalingGroupName: group = '', WaitForTransitioningInstances } = input;
      return { InstanceRefreshId: model.cancelInstanceRefresh(group, WaitForTransitioningInstances) };
    },

    PutWarmPool: (input: PutWarmPoolType): object => {
      const {
        AutoScalingGroupName: group = '',
        MinSize,
        MaxGroupPreparedCapacity,
        PoolState,
        InstanceReusePolicy,
      } = input;
      const { warmPool } = model.group(group);
      const poolState = PoolState ?? warmPool?.poolState ?? 'Stopped';
      if (poolState === 'Hibernated') throw invalid('The local Region does not know the PoolState Hibernated.');
      // -1 removes the limit (API reference, PutWarmPool).
      const prepared = MaxGroupPreparedCapacity ?? warmPool?.maxGroupPreparedCapacity ?? -1;
      model.putWarmPool(group, {
        minSize: MinSize ?? warmPool?.minSize ?? 0,
        ...(prepared !== -1 && { maxGroupPreparedCapacity: prepared }),
        poolState: poolState === 'Running' ? 'Running' : 'Stopped',
        reuseOnScaleIn: InstanceReusePolicy?.ReuseOnScaleIn ?? warmPool?.reuseOnScaleIn ?? false,
      });
      return {};
    },
  };
}

/** A hook as it is put: what is left out stays as it was, and has AWS's defaults in a new hook. */
function hookOf(input: PutLifecycleHookType, hooks: readonly HookSpec[]): HookSpec {
  const { LifecycleHookName: name = '', AutoScalingGroupName: group = '', LifecycleTransition, DefaultResult } = input;
  const existing = hooks.find((hook) => hook.name === name);
  const transition =
    LifecycleTransition === undefined
      ? (existing?.transition ?? (existing && 'terminating'))
      : TRANSITIONS.find((each) => awsTransition(each) === LifecycleTransition);
  if (transition === undefined) {
    const known = TRANSITIONS.map(awsTransition).join(' or ');
    throw invalid(
      `The LifecycleTransition of the hook ${name} has to be ${known}, not ${LifecycleTransition ?? 'nothing'}.`,
    );
  }
  const metadata = input.NotificationMetadata ?? existing?.notificationMetadata;
  return {
    name,
    group,
    transition,
    heartbeatTimeoutSeconds:
      input.HeartbeatTimeout ?? existing?.heartbeatTimeoutSeconds ?? HOOK_DEFAULTS.heartbeatTimeoutSeconds,
    defaultResult:
      DefaultResult === undefined
        ? (existing?.defaultResult ?? HOOK_DEFAULTS.defaultResult)
        : lifecycleResult(DefaultResult),
    ...(metadata !== undefined && { notificationMetadata: metadata }),
    ...(existing?.notificationTarget && { notificationTarget: existing.notificationTarget }),
  };
}

function updateGroup(model: AutoScalingModel, input: UpdateAutoScalingGroupType): void {
  const {
    AutoScalingGroupName: name = '',
    MinSize: minSize,
    MaxSize: maxSize,
    DesiredCapacity: desiredCapacity,
    CapacityRebalance: capacityRebalance,
    NewInstancesProtectedFromScaleIn: newInstancesProtected,
    DefaultInstanceWarmup: defaultInstanceWarmupSeconds,
    HealthCheckGracePeriod: healthCheckGraceSeconds,
    InstanceLifecyclePolicy: policy,
    ...others
  } = input;
  refuse(others, ...(Object.keys(others) as (keyof typeof others)[]));
  const abandoned = policy?.RetentionTriggers?.TerminateHookAbandon;
  const changes = {
    minSize,
    maxSize,
    desiredCapacity,
    capacityRebalance,
    newInstancesProtected,
    defaultInstanceWarmupSeconds,
    healthCheckGraceSeconds,
    retainOnAbandon: abandoned === undefined ? undefined : abandoned === 'retain',
  };
  model.updateGroup(name, Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined)));
}

function preferencesOf({ Preferences = {} }: StartInstanceRefreshType): Partial<RefreshPreferences> {
  const { MinHealthyPercentage, MaxHealthyPercentage, InstanceWarmup, ScaleInProtectedInstances, ...others } =
    Preferences;
  refuse(others, ...(Object.keys(others) as (keyof typeof others)[]));
  return {
    ...(MinHealthyPercentage !== undefined && { minHealthyPercentage: MinHealthyPercentage }),
    ...(MaxHealthyPercentage !== undefined && { maxHealthyPercentage: MaxHealthyPercentage }),
    ...(InstanceWarmup !== undefined && { instanceWarmupSeconds: InstanceWarmup }),
    ...(ScaleInProtectedInstances !== undefined && { protectedInstances: ScaleInProtectedInstances }),
  };
}

export function lifecycleResult(result: string): LifecycleResult {
  if (result === 'CONTINUE' || result === 'ABANDON') return result;
  throw invalid(`Invalid lifecycle action result: ${result}`);
}

/** A parameter that is not known here is an error: to pass over it would answer another question. */
function refuse<K extends string>(input: { readonly [P in K]?: unknown }, ...names: K[]): void {
  const unknown = names.find((name) => input[name] !== undefined);
  if (unknown !== undefined) throw invalid(`The local Region does not know ${unknown}.`);
}
