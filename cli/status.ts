import {
  AutoScalingClient,
  DescribeLifecycleHooksCommand,
  type LifecycleHook,
  paginateDescribeAutoScalingGroups,
} from '@aws-sdk/client-auto-scaling';
import { ECSClient, paginateListContainerInstances } from '@aws-sdk/client-ecs';
import { SchedulerClient } from '@aws-sdk/client-scheduler';
import Table from 'cli-table3';
import { autoScalingLifecycleActions } from '../src/adapters/auto-scaling.ts';
import { awsCall } from '../src/adapters/aws-call.ts';
import { ecsContainerInstances } from '../src/adapters/ecs.ts';
import { taskForPeople } from '../src/adapters/event-bridge.ts';
import { schedulerParkingPlaces } from '../src/adapters/scheduler.ts';
import { systemClock } from '../src/adapters/system-clock.ts';
import {
  type ContainerInstance,
  type Drain,
  type HoldingTask,
  hookLimits,
  type Located,
  type NoticeKind,
  newDrain,
} from '../src/domain/drain.ts';
import { deadlineAtMs, heartbeatDueAtMs, PARKED_LATE_SECONDS } from '../src/domain/policy.ts';
import type { ContainerInstances, LifecycleActions, ParkingPlaces } from '../src/domain/ports.ts';
import { drainIn, RejectedEvent } from '../src/handlers/events.ts';
import {
  counted,
  type Deployment,
  deploymentOf,
  duration,
  httpStatusOf,
  isoTime,
  NEVER,
  type Output,
  relativeTo,
  sentenceOf,
  type Target,
  untilSilent,
} from './common.ts';

/** `ecs-drain status`: every instance that the configured groups hold on our hook. */
export async function status(target: Target, { print, printJson }: Output): Promise<number> {
  const deployment = await deploymentOf(target);
  const aws = awsOf(deployment);
  const { autoScalingGroups } = deployment.settings;
  const groups = await groupsOf(aws, autoScalingGroups);
  const missingGroups = autoScalingGroups.filter((name) => groups.every((group) => group.name !== name));
  const drains: DrainStatus[] = [];
  for (const group of groups) {
    const held = group.instances.filter(({ lifecycleState }) => lifecycleState === HELD);
    for (const { instanceId } of held) drains.push(await statusOf(instanceId, group, deployment, aws));
  }
  const remarks: string[] = [];
  const failures: string[] = [];
  if (deployment.settings.notices.length > 0) {
    for (const cluster of deployment.settings.policy.clusters) {
      const { onNotice, others, failure } = await drainingIn(cluster, drains, deployment, aws);
      drains.push(...onNotice);
      if (failure !== undefined) failures.push(failure);
      if (others.length === 0) continue;
      remarks.push(
        `In ${cluster} no group holds, and no drain is parked on, ${counted(others.length, 'container instance')} that ${others.length === 1 ? 'is' : 'are'} DRAINING (${others.join(', ')}): a drain is at work this minute, or somebody else drains.`,
      );
    }
  }
  const nowMs = deployment.nowMs();
  printJson({
    function: deployment.functionName,
    at: isoTime(nowMs),
    missingGroups,
    remarks,
    failures,
    drains: drains.map(statusForPrograms),
  });
  for (const name of missingGroups)
    print(`Auto Scaling has no group ${name}: mend its name in autoScalingGroups, and deploy again.`);
  if (drains.length > 0) {
    const table = new Table({
      head: ['instance', 'held since', 'what holds it', 'next look', 'deadline', 'heartbeat'],
      style: { head: [], border: [], compact: true },
    });
    table.push(...drains.map((drain) => rowOf(drain, nowMs)));
    print(`${table}`);
    for (const { instanceId, remarks, failures } of drains) {
      for (const sentence of [...remarks, ...failures]) print(`${instanceId}: ${sentence}`);
    }
  } else if (groups.length > 0 && remarks.length + failures.length === 0) {
    print(`Nothing is draining: Auto Scaling holds no instance of ${groups.map(({ name }) => name).join(', ')}.`);
  }
  for (const sentence of [...remarks, ...failures]) print(sentence);
  const isWhole = missingGroups.length + failures.length === 0 && drains.every((drain) => drain.failures.length === 0);
  return isWhole ? 0 : 1;
}

/** The state of an instance that a terminating hook holds. */
export const HELD = 'Terminating:Wait';

/** What the commands ask of AWS about instances. */
export interface Aws {
  readonly autoScaling: AutoScalingClient;
  readonly ecs: ECSClient;
  readonly lifecycleActions: Pick<LifecycleActions, 'terminatingSinceMs'>;
  readonly containerInstances: ContainerInstances;
  /** Undefined where drains wait within their invocations. */
  readonly parkingPlaces: Pick<ParkingPlaces, 'parkedOn'> | undefined;
}

/** Task definitions are read only for who asks for their stop timeouts. */
export function awsOf({ config, settings, nowMs }: Deployment, readStopTimeouts = false): Aws {
  const { parking } = settings;
  const autoScaling = new AutoScalingClient(config);
  const ecs = new ECSClient(config);
  const containerInstances = ecsContainerInstances(ecs, { readStopTimeouts })(NEVER);
  const parkingPlaces =
    parking &&
    schedulerParkingPlaces({
      client: new SchedulerClient(config),
      place: parking,
      clock: { ...systemClock, nowMs },
      read: (detail) => drainIn(detail, settings).drain,
    })(NEVER);
  return {
    autoScaling,
    ecs,
    lifecycleActions: autoScalingLifecycleActions(autoScaling, NEVER),
    containerInstances: { ...containerInstances, find: untilSilent(containerInstances.find) },
    parkingPlaces: parkingPlaces && { parkedOn: untilSilent(parkingPlaces.parkedOn) },
  };
}

/** A group as Auto Scaling has it. */
export interface Group {
  readonly name: string;
  readonly arn: string;
  readonly warmPool: boolean;
  readonly instances: readonly { readonly instanceId: string; readonly lifecycleState: string }[];
}

/** Those of the groups that there are. */
export async function groupsOf({ autoScaling }: Pick<Aws, 'autoScaling'>, names: readonly string[]): Promise<Group[]> {
  const groups = await awsCall(`describe the groups ${names.join(', ')}`, async () => {
    const pages = paginateDescribeAutoScalingGroups({ client: autoScaling }, { AutoScalingGroupNames: [...names] });
    return (await Array.fromAsync(pages)).flatMap((page) => page.AutoScalingGroups ?? []);
  });
  return groups.map((group) => ({
    name: group.AutoScalingGroupName ?? '',
    arn: group.AutoScalingGroupARN ?? '',
    warmPool: group.WarmPoolConfiguration !== undefined,
    instances: (group.Instances ?? []).map(({ InstanceId = '', LifecycleState = '' }) => ({
      instanceId: InstanceId,
      lifecycleState: LifecycleState,
    })),
  }));
}

export async function hooksOf({ autoScaling }: Pick<Aws, 'autoScaling'>, group: string): Promise<LifecycleHook[]> {
  const { LifecycleHooks: hooks = [] } = await awsCall(`describe the hooks of group ${group}`, () =>
    autoScaling.send(new DescribeLifecycleHooksCommand({ AutoScalingGroupName: group })),
  );
  return hooks;
}

/** How the drain of one instance stands; undefined is what nobody tells. */
export interface DrainStatus {
  readonly instanceId: string;
  /** Undefined where nothing is held: EC2 gave notice that it may take the instance. */
  readonly autoScalingGroup: string | undefined;
  readonly notice?: NoticeKind;
  /** Undefined where several may. */
  readonly lifecycleHook: string | undefined;
  /** The group's terminating hooks, of which any may hold it where no drain of ours is seen. */
  readonly terminatingHooks: readonly string[];
  readonly containerInstances: readonly ContainerInstance[];
  readonly holdingTasks: readonly HoldingTask[];
  /** Since when Auto Scaling holds it. */
  readonly sinceMs: number | undefined;
  readonly deadlineAtMs: number | undefined;
  /** The drain as it is parked. */
  readonly drain: Drain | undefined;
  readonly nextLookAtMs: number | undefined;
  readonly heartbeat:
    | { readonly lastAtMs: number; readonly dueAtMs: number; readonly timesOutAtMs: number; readonly count: number }
    | undefined;
  /** What does not fit into a table: a sentence each. */
  readonly remarks: readonly string[];
  /** What AWS did not tell: a sentence each. */
  readonly failures: readonly string[];
}

export async function statusOf(
  instanceId: string,
  group: Pick<Group, 'name' | 'warmPool'>,
  deployment: Deployment,
  aws: Aws,
): Promise<DrainStatus> {
  const { settings, nowMs } = deployment;
  const remarks: string[] = [];
  const { registrations: containerInstances, searched, failures } = await registrationsOf(instanceId, deployment, aws);
  const tasks = await aws.containerInstances.listTasks(containerInstances);
  const { parked, unreadable, failure } = await parkedDrain(containerInstances, deployment, aws);
  if (unreadable !== undefined) remarks.push(`what is parked for it cannot be read, and does not go on: ${unreadable}`);
  const hooks = (await hooksOf(aws, group.name)).filter(
    ({ LifecycleTransition: transition }) => transition === 'autoscaling:EC2_INSTANCE_TERMINATING',
  );
  const action = parked && !('notice' in parked.action) ? parked.action : undefined;
  const hook = hooks.find(({ LifecycleHookName: name = '' }) =>
    action ? name === action.lifecycleHook : settings.lifecycleHooks.includes(name),
  );
  const limits = hook?.HeartbeatTimeout === undefined ? undefined : hookLimits(hook.HeartbeatTimeout);
  const sinceMs = parked?.startedAtMs ?? (await aws.lifecycleActions.terminatingSinceMs(group.name)).get(instanceId);

  const terminatingHooks = hooks.flatMap(({ LifecycleHookName: name }) => name ?? []);
  const mayBeAnothers = !action && terminatingHooks.length > 1;
  const lifecycleHook = action?.lifecycleHook ?? (mayBeAnothers ? undefined : terminatingHooks[0]);
  const lifecycleAction = { autoScalingGroup: group.name, lifecycleHook: lifecycleHook ?? '', instanceId };
  const drain = parked ?? (sinceMs === undefined ? undefined : newDrain(lifecycleAction, sinceMs, undefined, 0));
  const inForce = limits && { ...limits, globalTimeoutSeconds: hook?.GlobalTimeout ?? limits.globalTimeoutSeconds };

  if (!hook)
    remarks.push(
      `none of our hooks (${settings.lifecycleHooks.join(', ')}) is on group ${group.name}: another holds it.`,
    );
  else if (!parked && unreadable === undefined && failure === undefined && settings.parking) {
    remarks.push(
      group.warmPool
        ? 'its group has a warm pool, so it may only return there, and is not drained.'
        : `no drain is parked for it: one is at work this minute, ${mayBeAnothers ? 'has yet to begin, or is over' : 'or has yet to begin'}.`,
    );
  }
  if (hook && mayBeAnothers)
    remarks.push(`it is held on one of its group's terminating hooks (${terminatingHooks.join(', ')}).`);
  if (!settings.parking)
    remarks.push('its drain waits within its invocations: when it looks next is not seen from here.');
  remarks.push(...lateness(parked, nowMs()));
  if (containerInstances.length === 0 && searched.length > 0) {
    remarks.push(`ECS has no live registration of it in ${searched.join(', ')}.`);
  }
  if (settings.dryRun) remarks.push(DRY_RUN);

  const holdingTasks = tasks.filter((task) => task.kind === 'holding');
  // Where no task is left, the hook that still holds it is hardly ours.
  const hasDeadline = !mayBeAnothers || holdingTasks.length > 0;

  return {
    instanceId,
    autoScalingGroup: group.name,
    lifecycleHook,
    terminatingHooks,
    containerInstances,
    holdingTasks,
    sinceMs,
    deadlineAtMs: hasDeadline && drain && inForce ? deadlineAtMs(drain, inForce, settings.policy) : undefined,
    drain: parked,
    nextLookAtMs: parked?.parked?.untilMs,
    heartbeat: parked &&
      inForce && {
        lastAtMs: parked.lastHeartbeatAtMs,
        dueAtMs: heartbeatDueAtMs(parked, inForce, settings.policy),
        timesOutAtMs: parked.lastHeartbeatAtMs + inForce.heartbeatTimeoutSeconds * 1000,
        count: parked.heartbeats,
      },
    remarks,
    failures: failure === undefined ? failures : [...failures, failure],
  };
}

const DRY_RUN = 'the function is in a dry run: it only watches.';

function lateness(drain: Drain | undefined, nowMs: number): string[] {
  const overdueMs = drain?.parked ? nowMs - drain.parked.untilMs - PARKED_LATE_SECONDS * 1000 : 0;
  return overdueMs > 0
    ? [`its drain should have gone on ${duration(overdueMs)} ago: its continuation may be lost.`]
    : [];
}

/** The drains on a notice that are parked in a cluster, and the ids of container instances that others drain. */
async function drainingIn(
  cluster: string,
  known: readonly DrainStatus[],
  deployment: Deployment,
  aws: Aws,
): Promise<{ readonly onNotice: DrainStatus[]; readonly others: string[]; readonly failure?: string }> {
  let draining: string[];
  try {
    draining = await awsCall(`list the container instances of cluster ${cluster} that are DRAINING`, async () => {
      const pages = paginateListContainerInstances({ client: aws.ecs, pageSize: 100 }, { cluster, status: 'DRAINING' });
      return (await Array.fromAsync(pages)).flatMap((page) => page.containerInstanceArns ?? []);
    });
  } catch (error) {
    return { onNotice: [], others: [], failure: sentenceOf(error, deployment.target) };
  }
  const told = new Set(known.flatMap(({ containerInstances }) => containerInstances.map(({ arn }) => arn)));
  const onNotice: DrainStatus[] = [];
  const others: string[] = [];
  for (const arn of draining.filter((each) => !told.has(each))) {
    const { parked, failure } = await parkedDrain([{ arn }], deployment, aws, 'notice');
    if (failure !== undefined) return { onNotice, others, failure };
    const drain = parked && (await noticeStatusOf(parked, deployment, aws));
    if (drain) onNotice.push(drain);
    else others.push(arn.split('/').at(-1) ?? arn);
  }
  return { onNotice, others };
}

/** How a drain on a notice stands; undefined of a drain that is on none. */
export async function noticeStatusOf(drain: Drain, deployment: Deployment, aws: Aws): Promise<DrainStatus | undefined> {
  const { settings, nowMs } = deployment;
  const { action } = drain;
  if (!('notice' in action)) return undefined;
  const { registrations: containerInstances, failures } = await registrationsOf(action.instanceId, deployment, aws);
  const tasks = await aws.containerInstances.listTasks(containerInstances);
  return {
    instanceId: action.instanceId,
    autoScalingGroup: undefined,
    notice: action.notice,
    lifecycleHook: undefined,
    terminatingHooks: [],
    containerInstances,
    holdingTasks: tasks.filter((task) => task.kind === 'holding'),
    sinceMs: drain.startedAtMs,
    deadlineAtMs: deadlineAtMs(drain, hookLimits(settings.policy.heartbeatTimeoutSeconds), settings.policy),
    drain,
    nextLookAtMs: drain.parked?.untilMs,
    heartbeat: undefined,
    remarks: [...lateness(drain, nowMs()), ...(settings.dryRun ? [DRY_RUN] : [])],
    failures,
  };
}

/** The live registrations of the instance in the configured clusters, as far as they can be searched. */
export async function registrationsOf(
  instanceId: string,
  { settings, target }: Deployment,
  { containerInstances }: Pick<Aws, 'containerInstances'>,
): Promise<{
  readonly registrations: readonly ContainerInstance[];
  readonly searched: readonly string[];
  readonly failures: readonly string[];
}> {
  const found: Located[] = [];
  const searched: string[] = [];
  const failures: string[] = [];
  for (const cluster of settings.policy.clusters) {
    try {
      found.push(...(await containerInstances.find(cluster, instanceId)));
      searched.push(cluster);
    } catch (error) {
      failures.push(sentenceOf(error, target));
    }
  }
  const described = found.length > 0 ? await containerInstances.refresh(found) : [];
  return { registrations: described.filter(({ status }) => status !== 'INACTIVE'), searched, failures };
}

/** The drain that is parked on one of them, or why that cannot be told. */
export async function parkedDrain(
  containerInstances: readonly Pick<ContainerInstance, 'arn'>[],
  { target }: Deployment,
  { parkingPlaces }: Aws,
  on: 'lifecycle-action' | 'notice' = 'lifecycle-action',
): Promise<{ readonly parked?: Drain; readonly unreadable?: string; readonly failure?: string }> {
  for (const { arn } of containerInstances) {
    try {
      const parked = await parkingPlaces?.parkedOn(arn, on);
      if (parked) return { parked };
    } catch (error) {
      const { cause } = error as Error;
      // The SDK throws a SyntaxError as well, where what answers is not AWS.
      const isOfSchedule = cause instanceof SyntaxError && httpStatusOf(cause) === undefined;
      if (cause instanceof RejectedEvent || isOfSchedule) return { unreadable: cause.message };
      return { failure: sentenceOf(error, target) };
    }
  }
  return {};
}

// --- What is told -----------------------------------------------------------------------------------------------------

/** The same for programs: instants as ISO 8601, what is not known left out. */
export function statusForPrograms(status: DrainStatus) {
  const { drain, heartbeat, sinceMs, nextLookAtMs, ...rest } = status;
  const time = (instantMs: number | undefined) => (instantMs === undefined ? undefined : isoTime(instantMs));
  return {
    drainId: drain?.action.token,
    instanceId: rest.instanceId,
    autoScalingGroup: rest.autoScalingGroup,
    notice: rest.notice,
    lifecycleHook: rest.lifecycleHook,
    terminatingHooks: rest.terminatingHooks,
    since: time(sinceMs),
    deadlineAt: time(rest.deadlineAtMs),
    parked: drain !== undefined,
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
    holdingTasks: rest.holdingTasks.map(taskForPeople),
    remarks: rest.remarks,
    failures: rest.failures,
  };
}

function rowOf(drain: DrainStatus, nowMs: number): string[] {
  const { instanceId, autoScalingGroup, notice, containerInstances, sinceMs, nextLookAtMs, heartbeat } = drain;
  const registered = containerInstances.map(
    ({ cluster, status, agentConnected }) => `${cluster}: ${status}${agentConnected ? '' : ', agent silent'}`,
  );
  return [
    [instanceId, notice ? `on a ${notice}` : `group ${autoScalingGroup}`, ...registered].join('\n'),
    at(sinceMs, nowMs),
    tasksInWords(drain.holdingTasks),
    at(nextLookAtMs, nowMs),
    at(drain.deadlineAtMs, nowMs) + (hasDoubtfulDeadline(drain) ? '\nif our hook holds it' : ''),
    heartbeat === undefined
      ? notKnown(drain)
      : `due ${relativeTo(nowMs, heartbeat.dueAtMs)}\ntimes out ${relativeTo(nowMs, heartbeat.timesOutAtMs)}`,
  ];
}

/** What there is instead of a heartbeat that is due. */
export function notKnown({ notice }: DrainStatus): string {
  return notice ? 'none: nothing is held' : 'not known';
}

/** Our hook may be through with it, and its deadline with it. */
export function hasDoubtfulDeadline({ notice, lifecycleHook, deadlineAtMs }: DrainStatus): boolean {
  return notice === undefined && lifecycleHook === undefined && deadlineAtMs !== undefined;
}

function at(instantMs: number | undefined, nowMs: number): string {
  return instantMs === undefined ? 'not known' : `${isoTime(instantMs)}\n${relativeTo(nowMs, instantMs)}`;
}

/** `3 tasks` and, a line each, `service:web RUNNING (2)`. */
export function tasksInWords(tasks: readonly HoldingTask[]): string {
  const alike = Map.groupBy(tasks, ({ group, lastStatus }) => `${group} ${lastStatus}`);
  const lines = [...alike].map(([what, members]) => (members.length > 1 ? `${what} (${members.length})` : what));
  return [tasks.length === 0 ? 'no tasks' : counted(tasks.length, 'task'), ...lines].join('\n');
}
