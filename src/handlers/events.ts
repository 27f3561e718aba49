import * as v from 'valibot';
import { CONTINUATION_DETAIL_TYPE, CONTINUATION_VERSION } from '../adapters/event-bridge.ts';
import { type Drain, type LifecycleAction, type NoticeKind, newDrain } from '../domain/drain.ts';
import { MAX_CONTINUATIONS } from '../domain/policy.ts';
import type { WakeUp } from '../domain/run-drain.ts';
import { sentenceOf, shown, visible } from './sentence.ts';
import { clusterName, type Settings } from './settings.ts';

/** What an event asks of us: a drain to start, one to go on with, one that may be parked, to look for lost ones, or nothing. */
export type Received =
  | { readonly kind: 'drain'; readonly drain: Drain; readonly warning?: string }
  | { readonly kind: 'continuation'; readonly drain: Drain; readonly warning?: string }
  | { readonly kind: 'sweep'; readonly scheduledAtMs: number }
  | { readonly kind: 'wake-up'; readonly wakeUp: WakeUp }
  | { readonly kind: 'ignored'; readonly reason: string };

/** An event that should have been ours and cannot be understood; the message names the field and the value. */
export class RejectedEvent extends Error {
  override readonly name = 'RejectedEvent';

  constructor(sentence: string) {
    super(visible(sentence));
  }
}

const TERMINATION_SOURCE = 'aws.autoscaling';
const TERMINATION_DETAIL_TYPE = 'EC2 Instance-terminate Lifecycle Action';
const TERMINATING = 'autoscaling:EC2_INSTANCE_TERMINATING';

const NOTICE_SOURCE = 'aws.ec2';
const NOTICES: Readonly<Record<string, NoticeKind>> = {
  'EC2 Spot Instance Interruption Warning': 'spot-interruption',
  'EC2 Instance Rebalance Recommendation': 'rebalance-recommendation',
};

const SCHEDULE_SOURCE = 'aws.events';
const SCHEDULE_DETAIL_TYPE = 'Scheduled Event';

const TASK_SOURCE = 'aws.ecs';
const TASK_DETAIL_TYPE = 'ECS Task State Change';

/** How far the clocks of Lambda and of EventBridge may be apart. */
export const CLOCK_SKEW_MS = 60_000;

const name = (what: string) =>
  v.pipe(
    v.string(`expected ${what}`),
    v.minLength(1, `expected ${what}`),
    v.maxLength(255, `expected ${what}, 255 characters at most`),
  );

const instanceId = matching(/^i-([0-9a-f]{8}|[0-9a-f]{17})$/, 'an EC2 instance id such as i-0123456789abcdef0');
const token = matching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i, 'a lifecycle action token of 36 characters');
const count = v.pipe(v.number('expected a count'), v.integer('expected a count'), v.minValue(0, 'expected a count'));
const instantMs = between(0, 8.64e15, 'epoch milliseconds');

const TIME_EXPECTED = 'expected an ISO 8601 time';

/** What EventBridge puts around every event; AWS may add fields, so unknown ones are let through. */
const envelope = v.looseObject(
  {
    source: name('the source of an EventBridge event'),
    'detail-type': name('the detail-type of an EventBridge event'),
    account: matching(/^\d{12}$/, 'an AWS account id of 12 digits'),
    time: v.pipe(
      v.string(TIME_EXPECTED),
      v.isoTimestamp(TIME_EXPECTED),
      v.check((time) => Date.parse(time) >= 0, TIME_EXPECTED),
    ),
    detail: v.looseObject({}, 'expected an object'),
  },
  'expected an EventBridge event',
);

/** The detail of a terminate lifecycle action (facts 1 terminate-event). */
const terminationDetail = v.looseObject({
  LifecycleActionToken: token,
  AutoScalingGroupName: name('the name of an Auto Scaling group'),
  LifecycleHookName: name('the name of a lifecycle hook'),
  EC2InstanceId: instanceId,
  LifecycleTransition: name('a lifecycle transition'),
  NotificationMetadata: v.optional(v.string('expected text')),
  Destination: v.optional(v.string('expected EC2, AutoScalingGroup or WarmPool')),
});

/** Both of EC2's notices, as far as they matter here (facts 6 ec2-notices). */
const noticeEvent = v.looseObject({
  id: name('the id of an EventBridge event'),
  detail: v.looseObject({ 'instance-id': instanceId }),
});

/** ECS names its clusters with up to 255 letters, digits, hyphens and underscores, its tasks and instances with an id. */
const arn = (type: string, resource: RegExp, what: string) =>
  matching(new RegExp(`^arn:[\\w-]{1,20}:ecs:[\\w-]{1,30}:\\d{12}:${type}/${resource.source}$`), `the ARN of ${what}`);
const inCluster = /([\w-]{1,255}\/)?[\w-]{1,64}/; // without its cluster, as they were in the short format of old
const clusterArn = arn('cluster', /[\w-]{1,255}/, 'a cluster');
const taskArn = arn('task', inCluster, 'a task');
const containerInstanceArn = arn('container-instance', inCluster, 'a container instance');

/** The detail of a task's change of state, as far as it matters here (facts 4 task-event). */
const taskDetail = v.looseObject({
  clusterArn,
  taskArn,
  lastStatus: name('a task status'),
  containerInstanceArn: v.optional(containerInstanceArn),
});

const located = (arn: typeof taskArn) => object({ arn, cluster: clusterName });

const ofLifecycleAction = object({
  autoScalingGroup: name('the name of an Auto Scaling group'),
  lifecycleHook: name('the name of a lifecycle hook'),
  instanceId,
  token: v.optional(token),
});

const ofNotice = object({
  notice: v.picklist(Object.values(NOTICES), `expected one of ${Object.values(NOTICES).join(', ')}`),
  instanceId,
  token: name('the id of an event'),
});

/** The part of a continuation that every version has, and from which a drain can begin anew. */
const drainBasis = {
  action: v.lazy((action) => (v.is(v.looseObject({ notice: v.unknown() }), action) ? ofNotice : ofLifecycleAction)),
  startedAtMs: instantMs,
  continuations: v.pipe(
    count,
    v.maxValue(MAX_CONTINUATIONS, `expected ${MAX_CONTINUATIONS} at most: something sends the drain round in a loop`),
  ),
};

const VERSION_EXPECTED = `expected version 1 to ${CONTINUATION_VERSION}, which this function speaks`;

/** The detail of our own continuation, of this version or of an older one: nothing in it that we did not write. */
const continuationDetail = object({
  version: v.picklist([1, 2, 3, CONTINUATION_VERSION], VERSION_EXPECTED),
  drain: object({
    ...drainBasis,
    namedCluster: v.optional(clusterName),
    cluster: v.optional(clusterName),
    containerInstance: v.optional(containerInstanceArn),
    announced: v.optional(v.picklist(['started', 'stuck'], 'expected started or stuck')),
    hook: v.optional(
      object({
        heartbeatTimeoutSeconds: between(30, 7_200, 'seconds'),
        globalTimeoutSeconds: between(1, 172_800, 'seconds'),
        managedDraining: v.optional(v.boolean('expected true or false')),
      }),
    ),
    lastHeartbeatAtMs: instantMs,
    heartbeats: count,
    pollIntervalSeconds: between(0, 300, 'seconds'),
    agentSilence: v.optional(
      object({
        sinceMs: instantMs,
        seenLastAtMs: instantMs,
        containerInstances: v.optional(v.array(containerInstanceArn, 'expected a list')),
      }),
    ),
    closed: v.optional(
      object({
        sinceMs: instantMs,
        containerInstances: v.array(containerInstanceArn, 'expected a list'),
        silent: v.array(containerInstanceArn, 'expected a list'),
      }),
    ),
    parked: v.optional(
      object({
        untilMs: instantMs,
        containerInstances: v.array(located(containerInstanceArn), 'expected a list'),
        holdingTasks: v.array(located(taskArn), 'expected a list'),
        awaitedTask: v.optional(taskArn),
      }),
    ),
  }),
});

/** What can be understood of a continuation that a version of the future wrote, before the deployment was rolled back. */
const continuationBasis = v.looseObject({
  version: v.pipe(count, v.gtValue(CONTINUATION_VERSION, VERSION_EXPECTED)),
  drain: v.looseObject(drainBasis, 'expected an object'),
});

/**
 * Reads an event of EventBridge.
 * @throws RejectedEvent if it is malformed; not being ours is no error.
 */
export function receive(event: unknown, settings: Settings): Received {
  if (isTestNotification(event)) return ignored('it is the test notification of a new lifecycle hook');
  const { source, 'detail-type': detailType, time, detail } = parsed(envelope, event, 'The event');

  if (source === TERMINATION_SOURCE && detailType === TERMINATION_DETAIL_TYPE) {
    if (isTestNotification(detail)) return ignored('it is the test notification of a new lifecycle hook');
    return receiveTermination(detail, Date.parse(time), settings);
  }
  if (source === settings.eventSource && detailType === CONTINUATION_DETAIL_TYPE) {
    return receiveContinuation(detail, Date.parse(time), settings);
  }
  const notice = source === NOTICE_SOURCE && Object.hasOwn(NOTICES, detailType) ? NOTICES[detailType] : undefined;
  if (notice) return receiveNotice(notice, event, Date.parse(time), settings);
  if (source === SCHEDULE_SOURCE && detailType === SCHEDULE_DETAIL_TYPE) {
    // It would find again and again what it only drains as if.
    return settings.dryRun
      ? ignored('a dry run looks for no lost drains')
      : { kind: 'sweep', scheduledAtMs: Date.parse(time) };
  }
  if (source === TASK_SOURCE && detailType === TASK_DETAIL_TYPE) return receiveTask(detail, settings);
  return ignored(`nobody here waits for ${detailType} from ${source}`);
}

function receiveTermination(detail: unknown, startedAtMs: number, settings: Settings): Received {
  const termination = parsed(terminationDetail, detail, 'The lifecycle event', 'detail');
  const action = {
    autoScalingGroup: termination.AutoScalingGroupName,
    lifecycleHook: termination.LifecycleHookName,
    instanceId: termination.EC2InstanceId,
    token: termination.LifecycleActionToken,
  };
  if (termination.LifecycleTransition !== TERMINATING) {
    return ignored(`the transition is ${termination.LifecycleTransition}, not ${TERMINATING}`);
  }
  if (termination.Destination === 'WarmPool') return ignored('the instance returns to its warm pool');
  const notOurs = whyNotOurs(action, settings);
  if (notOurs) return ignored(notOurs);

  const { cluster, warning } = clusterIn(termination.NotificationMetadata, action.lifecycleHook, settings);
  const namedCluster = cluster ?? settings.clusterOfGroup.get(action.autoScalingGroup);
  const drain = newDrain(action, startedAtMs, namedCluster, settings.policy.pollMinSeconds);
  return { kind: 'drain', drain, ...(warning !== undefined && { warning }) };
}

function receiveContinuation(detail: unknown, sentAtMs: number, settings: Settings): Received {
  const { drain, warning } = drainIn(detail, settings);
  for (const field of ['startedAtMs', 'lastHeartbeatAtMs'] as const) {
    if (drain[field] <= sentAtMs + CLOCK_SKEW_MS) continue;
    throw new RejectedEvent(`The continuation event cannot be understood: detail.drain.${field} is after it was sent.`);
  }
  return { kind: 'continuation', drain, ...(warning !== undefined && { warning }) };
}

/**
 * The drain that a continuation carries, on the bus or in a schedule.
 * @throws RejectedEvent if it cannot be understood, or is of a group or hook that is not ours any more.
 */
export function drainIn(detail: unknown, settings: Settings): { readonly drain: Drain; readonly warning?: string } {
  const read = v.is(continuationBasis, detail)
    ? begunAnew(detail, settings)
    : { drain: parsed(continuationDetail, detail, 'The continuation event', 'detail').drain };
  const { action } = read.drain;
  const notOurs = whyNotOurs(action, settings);
  // It is our own event: somebody's drain ends here, and must not end in silence.
  if (notOurs) throw new RejectedEvent(`The drain of ${action.instanceId} cannot go on: ${notOurs} any more.`);
  return read;
}

/** ECS and Auto Scaling know the rest: a drain is told what it is about and since when, and looks for itself. */
function begunAnew({ version, drain }: v.InferOutput<typeof continuationBasis>, { policy }: Settings) {
  const { action, startedAtMs, continuations } = drain;
  return {
    drain: { ...newDrain(action, startedAtMs, undefined, policy.pollMinSeconds), continuations },
    warning: `The continuation is of version ${version}, which this function does not speak: the drain begins anew with what it says of the lifecycle action.`,
  };
}

function receiveNotice(
  notice: NoticeKind,
  event: unknown,
  startedAtMs: number,
  { notices, policy }: Settings,
): Received {
  if (!notices.includes(notice)) return ignored(`no ${notice} is acted on here`);
  const { id: token, detail } = parsed(noticeEvent, event, 'The notice of EC2');
  const { 'instance-id': instanceId } = detail;
  const action = { notice, instanceId, token };
  return { kind: 'drain', drain: newDrain(action, startedAtMs, undefined, policy.pollMinSeconds) };
}

function receiveTask(detail: unknown, { policy, parking }: Settings): Received {
  if (!parking) return ignored('no drain is ever parked here (waiting)');
  const task = parsed(taskDetail, detail, 'The task event', 'detail');
  const cluster = task.clusterArn.split('/').at(-1) ?? '';
  if (task.lastStatus !== 'STOPPED') return ignored(`the task is ${task.lastStatus}, not STOPPED`);
  if (!policy.clusters.includes(cluster)) return ignored(`the cluster ${cluster} is not among ours (cluster)`);
  if (task.containerInstanceArn === undefined) return ignored('the task was not on a container instance');
  return { kind: 'wake-up', wakeUp: { containerInstanceArn: task.containerInstanceArn, taskArn: task.taskArn } };
}

/**
 * Hooks of others send the same events, ECS's managed draining among them (facts 22 managed-draining-hook); theirs are
 * not ours to complete.
 */
function whyNotOurs(
  action: Drain['action'],
  { autoScalingGroups, lifecycleHooks, notices }: Settings,
): string | undefined {
  if ('notice' in action) return notices.includes(action.notice) ? undefined : `no ${action.notice} is acted on here`;
  return whyNotHeldByUs(action, autoScalingGroups, lifecycleHooks);
}

function whyNotHeldByUs(
  { autoScalingGroup, lifecycleHook }: LifecycleAction,
  groups: readonly string[],
  hooks: readonly string[],
): string | undefined {
  if (!groups.includes(autoScalingGroup)) return `the group ${autoScalingGroup} is not among autoScalingGroups`;
  if (!hooks.includes(lifecycleHook)) return `the hook ${lifecycleHook} is not ours (lifecycleHook)`;
  return undefined;
}

/**
 * The cluster that the hook's metadata names, if it names one. Metadata is free text, and may be for somebody else: what
 * is not JSON is no reason to let the instance go undrained.
 */
export function clusterIn(
  metadata: string | undefined,
  hook: string,
  { policy }: Settings,
): { readonly cluster?: string | undefined; readonly warning?: string } {
  const what = `The NotificationMetadata of hook ${hook}`;
  const value = jsonIn(metadata);
  if (value === undefined) {
    if (metadata === undefined || metadata.trim() === '') return {};
    return { warning: `${what} is ignored: it is ${shown(metadata)}, not JSON such as {"cluster": "prod"}.` };
  }
  const expected = 'expected a JSON object such as {"cluster": "prod"}';
  const schema = v.pipe(
    v.unknown(),
    v.check((given) => !Array.isArray(given), expected),
    v.looseObject({ cluster: v.optional(clusterName) }, expected),
  );
  const { cluster } = parsed(schema, value, what);
  if (cluster !== undefined && !policy.clusters.includes(cluster)) {
    throw new RejectedEvent(
      `${what} names the cluster ${cluster}, and the setting cluster allows only ${policy.clusters.join(', ')}: add it there and deploy again.`,
    );
  }
  return { cluster };
}

function jsonIn(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

function parsed<S extends v.GenericSchema>(schema: S, input: unknown, what: string, prefix?: string) {
  const result = v.safeParse(schema, input, { abortPipeEarly: true });
  if (!result.success) throw new RejectedEvent(`${what} cannot be understood: ${sentenceOf(result.issues, prefix)}`);
  return result.output;
}

/** Sent once to the target of a new hook, bare or in an envelope (facts 2 test-notification). */
function isTestNotification(event: unknown): boolean {
  return v.is(v.looseObject({ Event: v.literal('autoscaling:TEST_NOTIFICATION') }), event);
}

function ignored(reason: string): Received {
  return { kind: 'ignored', reason: visible(reason) };
}

function object<const E extends v.ObjectEntries>(entries: E) {
  return v.strictObject(entries, 'expected an object');
}

function between(min: number, max: number, unit: string) {
  const message = `expected ${unit} from ${min} to ${max}`;
  return v.pipe(v.number(message), v.minValue(min, message), v.maxValue(max, message));
}

function matching(pattern: RegExp, expected: string) {
  const message = `expected ${expected}`;
  return v.pipe(v.string(message), v.regex(pattern, message));
}
