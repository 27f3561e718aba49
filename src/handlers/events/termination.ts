import * as v from 'valibot';
import { hookMetadata } from '../../adapters/hook-metadata.ts';
import { instanceId, jsonIn, name, shown, token } from '../../adapters/schemas.ts';
import { beginDrain, type HookMetadata } from '../../domain/begin-drain.ts';
import { choiceConflictsIn, choicesBeyond } from '../../domain/policy-conflicts.ts';
import type { Settings } from '../settings.ts';
import { type Envelope, ignored, isTestNotification, parsed, type Received, RejectedEvent } from './event.ts';
import { whyNotOurs } from './ours.ts';

const TERMINATING = 'autoscaling:EC2_INSTANCE_TERMINATING';
const REPLACE_ROOT_VOLUME = 'ReplaceRootVolume';

/** The detail of a terminate lifecycle action (facts 1 terminate-event). */
const termination = v.looseObject({
  LifecycleActionToken: token,
  AutoScalingGroupName: name('the name of an Auto Scaling group'),
  LifecycleHookName: name('the name of a lifecycle hook'),
  EC2InstanceId: instanceId,
  LifecycleTransition: name('a lifecycle transition'),
  NotificationMetadata: v.optional(v.string('expected text')),
  Destination: v.optional(v.string('expected EC2, AutoScalingGroup or WarmPool')),
  /** `ReplaceRootVolume` (facts 45 root-volume-replacement). */
  Action: v.optional(v.string('expected an action')),
});

/** EC2 Instance-terminate Lifecycle Action: begins a drain. */
export function receiveTermination({ detail, sentAtMs: startedAtMs }: Envelope, settings: Settings): Received {
  if (isTestNotification(detail)) return ignored('it is the test notification of a new lifecycle hook');
  const event = parsed(termination, detail, 'The lifecycle event', 'detail');
  const action = {
    autoScalingGroup: event.AutoScalingGroupName,
    lifecycleHook: event.LifecycleHookName,
    instanceId: event.EC2InstanceId,
    token: event.LifecycleActionToken,
  };
  if (event.LifecycleTransition !== TERMINATING) {
    return ignored(`the transition is ${event.LifecycleTransition}, not ${TERMINATING}`);
  }
  if (event.Destination === 'WarmPool') return ignored('the instance returns to its warm pool');
  const { warning, ...metadata } = readMetadata(event.NotificationMetadata, action.lifecycleHook, settings);
  const staysInGroup = event.Destination === 'AutoScalingGroup' || event.Action === REPLACE_ROOT_VOLUME;
  const drain = beginDrain(action, { startedAtMs, staysInGroup }, metadata, settings);
  const notOurs = whyNotOurs(drain, settings);
  return notOurs ? ignored(notOurs) : { kind: 'arrival', arrival: { kind: 'drain', drain }, warning };
}

/** The metadata of another hook may be anything, so it is not read. */
function readMetadata(metadata: string | undefined, hook: string, settings: Settings): Metadata {
  return settings.lifecycleHooks.includes(hook) ? metadataIn(metadata, hook, settings) : {};
}

/** What a hook says about its drains in its metadata. */
interface Metadata extends HookMetadata {
  /** What of it is ignored. */
  readonly warning?: string;
}

/**
 * The cluster that the hook's metadata names, if it names one. Metadata is free text and may be meant for another program, so
 * text that is not JSON only leads to a warning. So does a choice beyond the settings, because these may have been lowered since.
 * The choices themselves are read with the hook's limits.
 * @throws RejectedEvent if it is JSON but not an object, names a cluster that the settings do not have, or cannot work.
 */
export function metadataIn(metadata: string | undefined, hook: string, { policy }: Settings): Metadata {
  const what = `The NotificationMetadata of hook ${hook}`;
  const value = jsonIn(metadata);
  if (value === undefined) {
    if (metadata === undefined || metadata.trim() === '') return {};
    return { warning: `${what} is ignored: it is ${shown(metadata)}, not JSON such as {"cluster": "prod"}.` };
  }
  const { cluster, ...choices } = parsed(hookMetadata, value, what);
  if (cluster !== undefined && !policy.clusters.includes(cluster)) {
    throw new RejectedEvent(
      `${what} names the cluster ${cluster}, and the setting cluster allows only ${policy.clusters.join(', ')}: add it there and deploy again.`,
    );
  }
  const conflicts = choiceConflictsIn(choices, policy);
  if (conflicts.length > 0) throw new RejectedEvent(`${what} cannot be used: ${conflicts.join(' ')}`);
  const beyond = choicesBeyond(choices, policy);
  const { deadlineResult } = choices;
  return { cluster, deadlineResult, ...(beyond.length > 0 && { warning: `${what}: ${beyond.join(' ')}` }) };
}
