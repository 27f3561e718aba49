import * as v from 'valibot';
import { CONTINUATION_DETAIL_TYPE } from '../../adapters/continuation.ts';
import { instanceId, name, token } from '../../adapters/schemas.ts';
import type { DrainSubject } from '../../domain/ports.ts';

/** What of an event names its drain; what cannot be read is left out. */
const maybe = <S extends v.GenericSchema>(schema: S) => v.fallback(v.optional(schema), undefined);

const termination = v.looseObject({
  EC2InstanceId: maybe(instanceId),
  AutoScalingGroupName: maybe(name('a group')),
  LifecycleHookName: maybe(name('a hook')),
  LifecycleActionToken: maybe(token),
});
const notice = v.looseObject({ 'instance-id': maybe(instanceId) });
const subject = { instanceId: maybe(instanceId), token: maybe(name('a token')) };
const continuation = v.looseObject({
  drain: v.looseObject({
    action: maybe(
      v.looseObject({ ...subject, autoScalingGroup: maybe(name('a group')), lifecycleHook: maybe(name('a hook')) }),
    ),
    notice: maybe(v.looseObject(subject)),
  }),
});

const READERS: Readonly<Record<string, (detail: unknown) => DrainSubject>> = {
  'EC2 Instance-terminate Lifecycle Action': ofTermination,
  'EC2 Spot Instance Interruption Warning': ofNotice,
  'EC2 Instance Rebalance Recommendation': ofNotice,
  [CONTINUATION_DETAIL_TYPE]: ofContinuation,
};

/** The drain that a message of the queue is about, as far as it can be read; undefined if it is about none, as a wake-up is. */
export function drainSubjectOf(message: unknown): DrainSubject | undefined {
  if (v.is(continuation, message)) return ofContinuation(message);
  if (!v.is(v.looseObject({ 'detail-type': v.string() }), message)) return undefined;
  const { 'detail-type': detailType, detail } = message;
  return Object.hasOwn(READERS, detailType) ? READERS[detailType]?.(detail) : undefined;
}

function ofTermination(detail: unknown): DrainSubject {
  const read = v.safeParse(termination, detail);
  if (!read.success) return {};
  const { EC2InstanceId, AutoScalingGroupName, LifecycleHookName, LifecycleActionToken } = read.output;
  return {
    instanceId: EC2InstanceId,
    autoScalingGroup: AutoScalingGroupName,
    lifecycleHook: LifecycleHookName,
    drainId: LifecycleActionToken,
  };
}

function ofNotice(detail: unknown): DrainSubject {
  const read = v.safeParse(notice, detail);
  return read.success ? { instanceId: read.output['instance-id'] } : {};
}

function ofContinuation(detail: unknown): DrainSubject {
  const read = v.safeParse(continuation, detail);
  if (!read.success) return {};
  const { action, notice: ofEc2 } = read.output.drain;
  const { token: drainId, ...where } = action ?? { ...ofEc2 };
  const { instanceId, autoScalingGroup, lifecycleHook } = where as DrainSubject;
  return { instanceId, autoScalingGroup, lifecycleHook, drainId };
}
