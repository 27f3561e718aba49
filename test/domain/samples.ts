/** A drain that waits, and what ECS says of its instance: the usual case, from which each test says where it differs. */

import type {
  Drain,
  HeldDrain,
  HookLimits,
  LifecycleAction,
  Notice,
  NoticeDrain,
  NoticeKind,
  SupervisedDrain,
} from '../../src/domain/drain.ts';
import {
  hookLimits,
  MANAGED_DRAINING_HOOK,
  newActionDrain,
  newHeldDrain,
  newNoticeDrain,
} from '../../src/domain/drain.ts';
import type { ContainerInstance, HoldingTask, Seen, StoppedTask } from '../../src/domain/observation.ts';
import type { Policy } from '../../src/domain/policy.ts';

/** An instant for tests to count from: 2026-01-01T00:00:00Z. */
export const START_MS = Date.UTC(2026, 0, 1);

/** So many seconds after it, in epoch milliseconds. */
export const at = (seconds: number): number => START_MS + seconds * 1000;

export const INSTANCE_ID = 'i-0123456789abcdef0';

export const ACTION: LifecycleAction = {
  autoScalingGroup: 'web',
  lifecycleHook: 'ecs-drain',
  instanceId: INSTANCE_ID,
  token: '87654321-4321-4321-4321-210987654321',
};

export const HOOK: HookLimits = hookLimits(3_600);

/** The settings as they are shipped. */
export const POLICY: Policy = {
  clusters: ['prod'],
  waiting: 'park',
  deadlineSeconds: 7_200,
  deadlineResult: 'CONTINUE',
  managedDrainingDeadline: 'none',
  stuckFraction: 0.5,
  stopStragglers: 'none',
  deregistrationDelaySeconds: 300,
  containerStopTimeoutSeconds: 30,
  agentGraceSeconds: 900,
  heartbeatTimeoutSeconds: 3_600,
  heartbeatFraction: 0.5,
  pollMinSeconds: 2,
  pollMaxSeconds: 20,
  marginSeconds: 20,
};

const BEGINNING = { startedAtMs: START_MS, pollIntervalSeconds: POLICY.pollMinSeconds };

/** A round in which nothing is refused, out of time or special in another way. */
export const UNDISTURBED = {
  refused: new Set<never>(),
  isStartVerified: false,
  isScheduleRead: true,
  isHookStale: false,
  isWoken: false,
  isFleet: false,
  isOutOfTime: false,
  comesAgainAtMs: undefined,
  wasLeft: false,
} as const;

/** A new drain of a lifecycle action. */
export function drainOf(overrides: Partial<HeldDrain> = {}): HeldDrain {
  return { ...newHeldDrain(ACTION, BEGINNING), ...overrides };
}

/** A new drain of ECS managed draining, which is only supervised. */
export function supervisedDrainOf(overrides: Partial<SupervisedDrain> = {}): SupervisedDrain {
  const drain = newActionDrain({ ...ACTION, lifecycleHook: MANAGED_DRAINING_HOOK }, BEGINNING);
  if (drain.kind !== 'supervised') throw new Error('A drain on ECS’s own hook is a supervised one.');
  return { ...drain, ...overrides };
}

/** A new drain on a notice of EC2. */
export function noticeDrainOf(
  kind: NoticeKind = 'spot-interruption',
  overrides: Partial<Omit<NoticeDrain, 'notice'>> & { readonly notice?: Partial<Notice> } = {},
): NoticeDrain {
  const { notice, ...state } = overrides;
  const token = '12345678-1234-1234-1234-123456789012';
  return { ...newNoticeDrain({ kind, instanceId: INSTANCE_ID, token, ...notice }, BEGINNING), ...state };
}

/** A registration that is DRAINING, with one task. */
export function containerInstanceOf(overrides: Partial<ContainerInstance> = {}): ContainerInstance {
  return {
    arn: 'arn:aws:ecs:eu-west-1:123456789012:container-instance/prod/one',
    cluster: 'prod',
    ec2InstanceId: INSTANCE_ID,
    status: 'DRAINING',
    agentConnected: true,
    countedTasks: 1,
    isEmpty: false,
    ...overrides,
  };
}

/** A task of a service, RUNNING on that registration. */
export function holdingTaskOf(overrides: Partial<HoldingTask> = {}): HoldingTask {
  return {
    kind: 'holding',
    arn: 'arn:aws:ecs:eu-west-1:123456789012:task/prod/a',
    cluster: 'prod',
    containerInstanceArn: containerInstanceOf().arn,
    class: 'service',
    group: 'service:web',
    lastStatus: 'RUNNING',
    stopRequested: false,
    stopTimeoutSeconds: 30,
    ...overrides,
  };
}

/** The same task after its end. */
export function stoppedTaskOf(overrides: Partial<StoppedTask> = {}): StoppedTask {
  const { arn, containerInstanceArn } = holdingTaskOf();
  return { kind: 'stopped', arn, containerInstanceArn, stoppedAtMs: START_MS, ...overrides };
}

/** What ECS says of that registration with these tasks: they were listed at `START_MS`, and no cluster was searched. */
export function seenOf(
  holding: readonly HoldingTask[] = [holdingTaskOf()],
  overrides: Partial<Omit<Seen, 'kind'>> = {},
): Seen {
  return {
    kind: 'seen',
    containerInstances: [containerInstanceOf()],
    tasks: { holding, lastStoppedAtMs: undefined, listedAtMs: START_MS },
    searchedAtMs: undefined,
    ...overrides,
  };
}

/** What the drain knows after it has seen that. */
export function knownOf(
  { containerInstances, tasks }: Seen = seenOf(),
  seenAtMs = START_MS,
): NonNullable<Drain['known']> {
  const refs = (those: readonly { readonly arn: string; readonly cluster: string }[]) =>
    those.map(({ arn, cluster }) => ({ arn, cluster }));
  return {
    containerInstances: refs(containerInstances),
    tasks: tasks && { holding: refs(tasks.holding), listedAtMs: tasks.listedAtMs, seenAtMs },
  };
}
