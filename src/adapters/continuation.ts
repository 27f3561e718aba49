/** The continuation: how a drain travels between invocations. Every version that was ever written can be read. */

import * as v from 'valibot';
import { type Beginning, type Drain, type NoticeKind, newActionDrain, newNoticeDrain } from '../domain/drain.ts';
import { MOST_CONTINUATIONS } from '../domain/policy.ts';
import { choicesEntries } from './hook-metadata.ts';
import {
  clusterName,
  containerInstanceArn,
  count,
  instanceId,
  instantMs,
  matching,
  name,
  numberBetween,
  record,
  sentenceOf,
  taskArn,
  token,
  visible,
} from './schemas.ts';

export const CONTINUATION_DETAIL_TYPE = 'ECS Drain Continuation';

/** Raise it with every change of `Drain` that an older function could not read. */
export const CONTINUATION_VERSION = 8;

/** What reading a continuation leads to. */
export type Decoded =
  | { readonly kind: 'drain'; readonly drain: Drain }
  /** A later version wrote it, before the deployment was rolled back: the drain starts again from what can be understood. */
  | { readonly kind: 'restart'; readonly drain: Drain; readonly version: number }
  /** `reason` names the fields and what was expected. */
  | { readonly kind: 'unreadable'; readonly reason: string };

/** The continuation as JSON: the detail of an event on the bus, or the body of a message on the queue. */
export function encode(drain: Drain): string {
  return JSON.stringify({ version: CONTINUATION_VERSION, drain });
}

/** Reads a continuation; `field` is where in its event it was found, for the reason. */
export function decode(continuation: unknown, field: string): Decoded {
  const later = v.safeParse(laterContinuation, continuation);
  if (later.success) {
    const { version, drain } = later.output;
    return { kind: 'restart', version, drain: { ...begun(drain), continuations: drain.continuations } };
  }
  const result = v.safeParse(anyContinuation, continuation, { abortPipeEarly: true });
  if (!result.success) return { kind: 'unreadable', reason: sentenceOf(result.issues, field) };
  const { output } = result;
  return { kind: 'drain', drain: 'kind' in output.drain ? output.drain : fromVersion4(output.drain) };
}

const NOTICE_KINDS = ['spot-interruption', 'rebalance-recommendation'] as const satisfies readonly NoticeKind[];
const noticeKind = v.picklist(NOTICE_KINDS, `expected one of ${NOTICE_KINDS.join(', ')}`);

const refTo = (arn: typeof taskArn) => record({ arn, cluster: clusterName });
const listOf = <S extends v.GenericSchema>(item: S) => v.array(item, 'expected a list');

const lifecycleAction = record({
  autoScalingGroup: name('the name of an Auto Scaling group'),
  lifecycleHook: name('the name of a lifecycle hook'),
  instanceId,
  token: v.optional(token),
});

const notice = record({ kind: noticeKind, instanceId, token: name('the id of an event') });

const continuations = v.pipe(
  count,
  v.maxValue(MOST_CONTINUATIONS, `expected ${MOST_CONTINUATIONS} at most: something continues the drain in a loop`),
);

const hookLimits = {
  heartbeatTimeoutSeconds: numberBetween(30, 7_200, 'seconds'),
  globalTimeoutSeconds: numberBetween(1, 172_800, 'seconds'),
  managedDraining: v.optional(v.boolean('expected true or false')),
};

const hook = record({ ...hookLimits, choices: v.optional(record(choicesEntries)) });

const agentSilence = record({
  sinceMs: instantMs,
  seenLastAtMs: instantMs,
  containerInstances: v.optional(listOf(containerInstanceArn)),
});

const closed = record({
  sinceMs: instantMs,
  containerInstances: listOf(containerInstanceArn),
  silent: listOf(containerInstanceArn),
});

/** What is the same in all versions. */
const common = {
  namedCluster: v.optional(clusterName),
  cluster: v.optional(clusterName),
  startedAtMs: instantMs,
  continuations,
  pollIntervalSeconds: numberBetween(0, 300, 'seconds'),
  agentSilence: v.optional(agentSilence),
  closed: v.optional(closed),
  announced: v.optional(v.picklist(['started', 'stuck'], 'expected started or stuck')),
};

const held = { hook: v.optional(hook), lastHeartbeatAtMs: instantMs, heartbeats: count };

const known = record({
  containerInstances: listOf(refTo(containerInstanceArn)),
  tasks: v.optional(
    record({
      holding: listOf(refTo(taskArn)),
      listedAtMs: instantMs,
      seenAtMs: v.optional(instantMs), // not in version 5
    }),
  ),
});

/** The longest message of an operator. */
export const LONGEST_MESSAGE = 256;

const MESSAGE_EXPECTED = `expected a text of 1 to ${LONGEST_MESSAGE} characters, without control characters`;

/** The note of an operator about a drain. It has no control characters, because it is shown in terminals. */
export const operatorMessage = v.pipe(
  v.string(MESSAGE_EXPECTED),
  v.minLength(1, MESSAGE_EXPECTED),
  v.maxLength(LONGEST_MESSAGE, MESSAGE_EXPECTED),
  v.check((text) => visible(text) === text, MESSAGE_EXPECTED),
);

/** IAM: a user, a role that someone has assumed, or the account itself. */
export const operatorArn = matching(
  /^arn:[\w-]{1,20}:(iam|sts)::\d{12}:[\w+=,.@:/-]{1,512}$/,
  'the ARN of an operator',
);

const operator = record({
  deadlineAtMs: v.optional(instantMs),
  notes: listOf(
    record({
      atMs: instantMs,
      by: operatorArn,
      message: v.optional(operatorMessage),
      deadlineAtMs: v.optional(instantMs),
    }),
  ),
});

const turn = numberBetween(0, 1, 'a number');

const state = {
  ...common,
  known: v.optional(known),
  emptiedAtMs: v.optional(instantMs),
  parked: v.optional(
    record({
      schedule: scheduleName(),
      untilMs: instantMs,
      firesAtMs: instantMs,
      turn: v.optional(turn), // not in versions 5 to 7
    }),
  ),
  unconfirmedTurn: v.optional(turn), // not in versions 5 to 7
  isOnce: v.optional(v.literal(true, 'expected true')), // not in versions 5 to 7
  operator: v.optional(operator), // not in versions 5 and 6
};

const heldDrain = record({
  ...state,
  ...held,
  kind: v.literal('held'),
  action: lifecycleAction,
  staysInGroup: v.optional(v.literal(true, 'expected true')), // not in version 5
  mayBeRetained: v.optional(v.literal(true, 'expected true')), // not in versions 5 and 6
});
const noticeDrain = record({ ...state, kind: v.literal('notice'), notice });
const supervisedDrain = record({
  ...state,
  kind: v.literal('supervised'),
  action: lifecycleAction,
  hook: v.optional(hook),
  emptySinceMs: v.optional(instantMs),
  isCompletionDenied: v.optional(v.boolean('expected true or false')),
});

const drain = v.variant(
  'kind',
  [heldDrain, supervisedDrain, noticeDrain],
  'expected a drain of kind held, supervised or notice',
);

/** No version supervised ECS managed draining yet. */
const drainOfVersion5 = v.variant('kind', [heldDrain, noticeDrain], 'expected a drain of kind held or notice');

/** The action of versions 1 to 4, which a notice is as well. */
const earlierNotice = record({ notice: noticeKind, instanceId, token: name('the id of an event') });
const earlierAction = v.lazy((action) =>
  v.is(v.looseObject({ notice: v.unknown() }), action) ? earlierNotice : lifecycleAction,
);

const drainOfVersion4 = record({
  ...common,
  ...held,
  hook: v.optional(record(hookLimits)),
  action: earlierAction,
  containerInstance: v.optional(containerInstanceArn),
  agentDisconnectedSinceMs: v.optional(instantMs), // before `agentSilence`
  parked: v.optional(
    record({
      untilMs: v.optional(instantMs, 0), // undefined in version 2: it is due
      containerInstances: listOf(refTo(containerInstanceArn)),
      holdingTasks: listOf(refTo(taskArn)),
      awaitedTask: v.optional(taskArn),
      closedSinceMs: v.optional(instantMs), // before `closed`
    }),
  ),
});

const VERSION_EXPECTED = `expected version 1 to ${CONTINUATION_VERSION}, which this function can read`;

/** Nothing in it that no version of ours has written. */
const anyContinuation = v.variant(
  'version',
  [
    record({ version: v.picklist([6, 7, CONTINUATION_VERSION]), drain }),
    record({ version: v.literal(5), drain: drainOfVersion5 }),
    record({ version: v.picklist([1, 2, 3, 4]), drain: drainOfVersion4 }),
  ],
  VERSION_EXPECTED,
);

const beginning = { startedAtMs: instantMs, continuations };
const whetherStaying = v.fallback(v.optional(v.literal(true)), undefined);

/** The part of a continuation of a later version from which a drain can start again; the rest is left out. */
const laterContinuation = v.object({
  version: v.pipe(count, v.gtValue(CONTINUATION_VERSION)),
  drain: v.union([
    v.object({
      ...beginning,
      action: v.object(lifecycleAction.entries),
      staysInGroup: whetherStaying,
      mayBeRetained: whetherStaying,
    }),
    v.object({ ...beginning, notice: v.object(notice.entries) }),
  ]),
});

/** The drain begins with the shortest interval that any policy allows: the first look changes it. */
function begun({ startedAtMs, ...drain }: v.InferOutput<typeof laterContinuation>['drain']): Drain {
  const start: Beginning = { startedAtMs, pollIntervalSeconds: 1 };
  if ('notice' in drain) return newNoticeDrain(drain.notice, start);
  const { staysInGroup, mayBeRetained } = drain;
  return newActionDrain(drain.action, { ...start, staysInGroup, mayBeRetained });
}

/** A schedule of versions 1 to 4 was named after the container instance alone. */
function fromVersion4({
  action,
  containerInstance,
  agentDisconnectedSinceMs: _,
  parked,
  hook,
  lastHeartbeatAtMs,
  heartbeats,
  ...state
}: v.InferOutput<typeof drainOfVersion4>): Drain {
  const refs = parked?.containerInstances ?? [];
  const isNotice = 'notice' in action;
  const schedule = `${containerInstance?.split('/').at(-1)}${isNotice ? '-notice' : ''}`;
  const shared = {
    ...state,
    ...(refs.length > 0 && { known: { containerInstances: refs } }),
    ...(parked && containerInstance && { parked: { schedule, untilMs: parked.untilMs, firesAtMs: parked.untilMs } }),
  };
  if (!isNotice) return { kind: 'held', action, ...shared, hook, lastHeartbeatAtMs, heartbeats };
  const { notice: kind, instanceId, token } = action;
  return { kind: 'notice', notice: { kind, instanceId, token }, ...shared };
}

/** EventBridge Scheduler: 1 to 64 letters, digits and `-_.` (facts 27 scheduler-api). */
export function scheduleName() {
  return v.pipe(
    v.string('expected the name of a schedule'),
    v.regex(/^[\w.-]{1,64}$/, 'expected the name of a schedule'),
  );
}
