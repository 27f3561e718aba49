/** How the drains of instances stand: what `status` and `explain` report. */

import { presentNotes, presentTask } from '../src/adapters/event-bridge.ts';
import {
  type ActionDrain,
  type Drain,
  drainIdOf,
  instanceIdOf,
  type LifecycleHook,
  type NoticeDrain,
  type NoticeKind,
  newActionDrain,
  type SupervisedDrain,
} from '../src/domain/drain.ts';
import type { ContainerInstance, HoldingTask } from '../src/domain/observation.ts';
import {
  deadlineAtMs,
  heartbeatDueAtMs,
  limitsOf,
  managedResult,
  type Policy,
  SCHEDULE_LATE_SECONDS,
} from '../src/domain/policy.ts';
import { interferenceOf } from '../src/domain/policy-conflicts.ts';
import { hooksOf } from '../src/handlers/settings.ts';
import type { Aws } from './aws.ts';
import { between, counted, type Deployment, dueAt, isoTime, relativeTo } from './common.ts';
import {
  type Holding,
  type HoldingGroup,
  isParkedOn,
  type ParkedDrain,
  type ParkedDrains,
  type Registrations,
  readHoldingTasks,
} from './drain-reads.ts';
import { metadataTrouble } from './hooks.ts';

/** How the drain of one instance stands; undefined is what is not known. */
export interface DrainStatus {
  readonly instanceId: string;
  /** Undefined where nothing is held: EC2 gave notice that it may take the instance. */
  readonly autoScalingGroup: string | undefined;
  readonly notice: NoticeKind | undefined;
  /** Whether ECS managed draining drains it, and ecs-drain only supervises. */
  readonly supervised: boolean;
  /** Undefined where several hooks may hold it. */
  readonly lifecycleHook: string | undefined;
  /** The terminating hooks of the group. */
  readonly terminatingHooks: readonly string[];
  readonly containerInstances: readonly ContainerInstance[];
  readonly holdingTasks: readonly HoldingTask[] | undefined;
  /** Since when Auto Scaling holds it, or when EC2 gave notice. */
  readonly sinceMs: number | undefined;
  readonly deadlineAtMs: number | undefined;
  /** The drain that is parked on a schedule. */
  readonly drain: Drain | undefined;
  readonly nextLookAtMs: number | undefined;
  readonly heartbeat:
    | { readonly lastAtMs: number; readonly dueAtMs: number; readonly timesOutAtMs: number; readonly count: number }
    | undefined;
  /** What does not fit into a table: a sentence each. */
  readonly remarks: readonly string[];
  /** What AWS did not answer: a sentence each. */
  readonly failures: readonly string[];
}

// --- The drain of a held instance -------------------------------------------------------------------------------------

/** The drains of an instance that the group holds: one for each that is parked, or one of which no more is known. */
export async function heldStatuses(
  instanceId: string,
  group: HoldingGroup,
  registrations: Registrations,
  parked: ParkedDrains,
  deployment: Deployment,
  aws: Aws,
): Promise<DrainStatus[]> {
  const containerInstances = registrations.of(instanceId);
  const holding = await readHoldingTasks(instanceId, registrations, deployment, aws);
  const own = parked.all.filter((each) => isParkedOn(instanceId, each));
  const drains = parked.all.flatMap(({ drain }) => (isDrainOf(drain, instanceId, group.name) ? drain : []));
  const isKnown = parked.failure === undefined && own.every(({ unreadable, failure }) => !unreadable && !failure);
  const seen = { instanceId, group, registrations, containerInstances, ...holding, own, isKnown };
  return (drains.length > 0 ? drains : [undefined]).map((drain) => heldStatus(drain, seen, deployment));
}

function isDrainOf(drain: Drain | undefined, instanceId: string, group: string): drain is ActionDrain {
  return (
    drain !== undefined &&
    drain.kind !== 'notice' &&
    drain.action.instanceId === instanceId &&
    drain.action.autoScalingGroup === group
  );
}

/** What was read of a held instance. */
interface SeenInstance extends Holding {
  readonly instanceId: string;
  readonly group: HoldingGroup;
  readonly registrations: Registrations;
  readonly containerInstances: readonly ContainerInstance[];
  /** What is on its schedules. */
  readonly own: readonly ParkedDrain[];
  /** Whether all of them could be read. */
  readonly isKnown: boolean;
}

function heldStatus(parked: ActionDrain | undefined, seen: SeenInstance, { settings, nowMs }: Deployment): DrainStatus {
  const { instanceId, group, registrations, containerInstances, holdingTasks, failures, own, isKnown } = seen;
  const { policy } = settings;
  const terminatingHooks = group.hooks.map(({ name }) => name);
  const hook = group.hooks.find(({ name }) =>
    parked ? name === parked.action.lifecycleHook : hooksOf(settings).includes(name),
  );
  const mayBeAnothers = !parked && terminatingHooks.length > 1;
  const lifecycleHook = parked?.action.lifecycleHook ?? (mayBeAnothers ? undefined : terminatingHooks[0]);
  const sinceMs = parked?.startedAtMs ?? group.sinceMs.get(instanceId);
  const drain = parked ?? assumedDrain(instanceId, group.name, lifecycleHook, sinceMs);
  // A parked drain goes by its hook as it has read it, until it reads it again.
  const limited = drain && hook && { ...drain, hook: drain.hook ?? hook.limits };
  // Where no task is left, the hook that still holds it is probably not ours.
  const hasDeadline = !mayBeAnothers || holdingTasks?.length !== 0;
  return {
    instanceId,
    autoScalingGroup: group.name,
    notice: undefined,
    supervised: limited?.kind === 'supervised',
    lifecycleHook,
    terminatingHooks,
    containerInstances,
    holdingTasks,
    sinceMs,
    deadlineAtMs: hasDeadline && limited ? deadlineAtMs(limited, policy) : undefined,
    drain: parked,
    nextLookAtMs: parked?.parked?.untilMs,
    heartbeat:
      parked?.kind === 'held' && limited
        ? {
            lastAtMs: parked.lastHeartbeatAtMs,
            dueAtMs: heartbeatDueAtMs(limited, policy),
            timesOutAtMs: parked.lastHeartbeatAtMs + limitsOf(limited, policy).heartbeatTimeoutSeconds * 1000,
            count: parked.heartbeats,
          }
        : undefined,
    remarks: [
      ...own.flatMap(({ unreadable }) => (unreadable ? `${unreadable} The sweep starts the drain again.` : [])),
      ...hookRemarks(seen, hook, mayBeAnothers, settings),
      ...(parked || !isKnown || !hook ? [] : [notParkedRemark(group, mayBeAnothers, settings)]),
      ...latenessRemarks(parked, nowMs()),
      ...(limited?.kind === 'supervised' ? [supervisionRemark(limited, policy)] : []),
      ...(containerInstances.length === 0 && registrations.searched.length > 0
        ? [`ECS has no live registration of it in ${registrations.searched.join(', ')}.`]
        : []),
      ...(settings.dryRun ? [DRY_RUN] : []),
    ],
    failures: [...failures, ...own.flatMap(({ failure }) => failure ?? [])],
  };
}

/** The state of a drain that has not begun yet. */
function assumedDrain(instanceId: string, autoScalingGroup: string, hook: string | undefined, sinceMs?: number) {
  if (sinceMs === undefined) return undefined;
  const action = { autoScalingGroup, lifecycleHook: hook ?? '', instanceId };
  return newActionDrain(action, { startedAtMs: sinceMs, pollIntervalSeconds: 0 });
}

function supervisionRemark(drain: SupervisedDrain, policy: Policy): string {
  const result = managedResult(drain, policy);
  const denied = drain.isCompletionDenied ? 'AWS denied completing its hook' : 'managedDrainingDeadline is none';
  const end =
    result === 'none'
      ? `the deadline is that of Auto Scaling, because ${denied}`
      : `at the deadline ecs-drain completes its hook with ${result}`;
  return `ECS managed draining drains it, and ecs-drain supervises: ${end}.`;
}

const DRY_RUN = 'The function is in a dry run: it changes nothing.';

function hookRemarks(
  { group, isKnown }: SeenInstance,
  hook: LifecycleHook | undefined,
  mayBeAnothers: boolean,
  settings: Deployment['settings'],
): string[] {
  const { deadlineSeconds } = settings.policy;
  if (!hook) {
    const ours = hooksOf(settings).join(', ');
    return [`None of our hooks (${ours}) is on group ${group.name}: another hook holds the instance.`];
  }
  // The metadata of ECS's own hook is not read.
  const trouble = settings.lifecycleHooks.includes(hook.name) ? metadataTrouble(hook, settings) : undefined;
  const interferences = group.hooks.flatMap(
    (other) => interferenceOf(other, settings.lifecycleHooks, deadlineSeconds) ?? [],
  );
  const troubles = [...(trouble ? [trouble.what] : []), ...interferences];
  const names = group.hooks.map(({ name }) => name).join(', ');
  return [
    ...(mayBeAnothers && isKnown ? [`One of the group's terminating hooks holds it (${names}).`] : []),
    ...troubles,
  ];
}

function notParkedRemark(
  { returnsToWarmPool }: HoldingGroup,
  mayBeAnothers: boolean,
  { scheduler }: Deployment['settings'],
): string {
  if (returnsToWarmPool) return 'The instance may be on its way to the warm pool of its group: then it is not drained.';
  if (!scheduler) return 'Its drain waits in the event queue, which does not show when the next look is due.';
  const mayBe = mayBeAnothers ? 'is being worked on, or has ended' : 'or is being worked on';
  return `No schedule holds its drain: the drain has yet to begin, waits in the event queue, ${mayBe}.`;
}

function latenessRemarks(drain: Drain | undefined, nowMs: number): string[] {
  if (!drain?.parked) return [];
  const overdueMs = nowMs - drain.parked.firesAtMs - SCHEDULE_LATE_SECONDS * 1000;
  if (overdueMs <= 0) return [];
  return [
    `Its drain should have continued ${between(0, overdueMs)} ago: its continuation may be lost. The sweep looks for it.`,
  ];
}

// --- The drain on a notice --------------------------------------------------------------------------------------------

/** How a drain on a notice stands. */
export async function noticeStatus(
  drain: NoticeDrain,
  registrations: Registrations,
  deployment: Deployment,
  aws: Aws,
): Promise<DrainStatus> {
  const { settings, nowMs } = deployment;
  const instanceId = instanceIdOf(drain);
  return {
    instanceId,
    autoScalingGroup: undefined,
    notice: drain.notice.kind,
    supervised: false,
    lifecycleHook: undefined,
    terminatingHooks: [],
    containerInstances: registrations.of(instanceId),
    ...(await readHoldingTasks(instanceId, registrations, deployment, aws)),
    sinceMs: drain.startedAtMs,
    deadlineAtMs: deadlineAtMs(drain, settings.policy),
    drain,
    nextLookAtMs: drain.parked?.untilMs,
    heartbeat: undefined,
    remarks: [...latenessRemarks(drain, nowMs()), ...(settings.dryRun ? [DRY_RUN] : [])],
  };
}

// --- Presenting -------------------------------------------------------------------------------------------------------

/** The status for programs: instants as ISO 8601, what is not known left out. */
export function presentStatus(status: DrainStatus) {
  const { drain, heartbeat, sinceMs, nextLookAtMs, ...rest } = status;
  const time = (instantMs: number | undefined) => (instantMs === undefined ? undefined : isoTime(instantMs));
  return {
    drainId: drain && drainIdOf(drain),
    instanceId: rest.instanceId,
    autoScalingGroup: rest.autoScalingGroup,
    notice: rest.notice,
    supervised: rest.supervised || undefined,
    lifecycleHook: rest.lifecycleHook,
    terminatingHooks: rest.terminatingHooks,
    since: time(sinceMs),
    deadlineAt: time(rest.deadlineAtMs),
    parked: drain !== undefined,
    stuck: isStuck(status) || undefined,
    nextLookAt: time(nextLookAtMs),
    heartbeat: heartbeat && {
      count: heartbeat.count,
      lastAt: isoTime(heartbeat.lastAtMs),
      dueAt: isoTime(heartbeat.dueAtMs),
      timesOutAt: isoTime(heartbeat.timesOutAtMs),
    },
    containerInstances: rest.containerInstances.map(({ arn, cluster, status, agentConnected }) => ({
      arn,
      cluster,
      status,
      agentConnected,
    })),
    holdingTasks: rest.holdingTasks?.map(presentTask),
    ...(drain && presentNotes(drain)),
    remarks: rest.remarks,
    failures: rest.failures,
  };
}

/** Whether half of its time is over, and it was reported as stuck. */
export function isStuck({ drain }: DrainStatus): boolean {
  return drain?.announced === 'stuck';
}

/** `group web`, `on a spot-interruption`; with its hook where the instance has a drain for another hook as well. */
export function whereOf(
  { instanceId, autoScalingGroup, notice, lifecycleHook }: DrainStatus,
  all: readonly DrainStatus[],
) {
  const isOne = all.filter((each) => each.instanceId === instanceId).length === 1;
  const hook = isOne || lifecycleHook === undefined ? '' : `, hook ${lifecycleHook}`;
  return notice ? `on a ${notice}` : `group ${autoScalingGroup}${hook}`;
}

/** What stands in place of the time of the next heartbeat. */
export function noHeartbeat({ notice, supervised }: DrainStatus): string {
  if (supervised) return 'none: ECS keeps its own hook open';
  return notice ? 'none: nothing is held' : 'not known';
}

/** Whether another hook may hold the instance: then the deadline of ours says nothing. */
export function hasDoubtfulDeadline({ notice, lifecycleHook, deadlineAtMs }: DrainStatus): boolean {
  return notice === undefined && lifecycleHook === undefined && deadlineAtMs !== undefined;
}

/** `2026-01-01T00:05:00Z` and `in 4 min`; `not known`. */
export function instant(instantMs: number | undefined, nowMs: number, separator: string): string {
  return instantMs === undefined ? 'not known' : `${isoTime(instantMs)}${separator}${relativeTo(nowMs, instantMs)}`;
}

/** The same of something that may be late: `now`, once its time has come. */
export function dueInstant(instantMs: number | undefined, nowMs: number, separator: string): string {
  return instantMs === undefined ? 'not known' : `${isoTime(instantMs)}${separator}${dueAt(nowMs, instantMs)}`;
}

/** `3 tasks` and, a line each, `service:web RUNNING (2)`; `not known`. */
export function presentTaskCounts(tasks: readonly HoldingTask[] | undefined): string {
  if (!tasks) return 'not known';
  const alike = Map.groupBy(tasks, ({ group, lastStatus }) => `${group} ${lastStatus}`);
  const lines = [...alike].map(([what, members]) => (members.length > 1 ? `${what} (${members.length})` : what));
  return [tasks.length === 0 ? 'no tasks' : counted(tasks.length, 'task'), ...lines].join('\n');
}

/** The same in one line: `2 tasks: service:web STOPPING, service:web RUNNING`. */
export function presentTasksInLine(tasks: readonly HoldingTask[] | undefined): string {
  if (!tasks) return 'tasks not known';
  return presentTaskCounts(tasks).replace('\n', ': ').replaceAll('\n', ', ');
}
