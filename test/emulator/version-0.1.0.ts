import { ECSClient, UpdateContainerInstancesStateCommand } from '@aws-sdk/client-ecs';
import type { Region } from '../../sandbox/region/region.ts';
import type { Emulator } from './ministack.ts';
import { CLUSTER, clientOptions, type Forwarding, OURS } from './region.ts';

/** What version 0.1.0 leaves behind when it is replaced while it drains. It wrote continuations of version 4. */

const TERMINATION = 'EC2 Instance-terminate Lifecycle Action';

export interface Surroundings {
  readonly region: Region;
  /** Where the Region answers. */
  readonly regionUrl: string;
  readonly forwarding: Forwarding;
  readonly emulator: Emulator;
}

/** Has an instance terminated whose drain version 0.1.0 has begun; returns the drain as its continuations carry it. */
export async function begunBefore(instanceId: string, { region, regionUrl, forwarding, emulator }: Surroundings) {
  const termination = forwarding.lose(TERMINATION, instanceId);
  region.autoScaling.terminateInstance(instanceId);
  const { LifecycleActionToken: token } = (await termination).detail as Readonly<Record<string, unknown>>;

  const [registration] = region.ecs.registrationsOf(instanceId);
  const containerInstance = registration?.arn ?? '';
  const ecs = new ECSClient(clientOptions(emulator.env, regionUrl));
  await ecs.send(
    new UpdateContainerInstancesStateCommand({
      cluster: CLUSTER,
      containerInstances: [containerInstance],
      status: 'DRAINING',
    }),
  );
  ecs.destroy();
  const nowMs = region.time.nowMs();
  return {
    action: { autoScalingGroup: OURS, lifecycleHook: 'ecs-drain', instanceId, token },
    cluster: CLUSTER,
    containerInstance,
    startedAtMs: nowMs,
    hook: { heartbeatTimeoutSeconds: 3_600, globalTimeoutSeconds: 172_800 },
    lastHeartbeatAtMs: nowMs,
    heartbeats: 0,
    continuations: 3,
    pollIntervalSeconds: 2,
    closed: { sinceMs: nowMs, containerInstances: [containerInstance], silent: [] },
    announced: 'started',
  };
}

type Begun = Awaited<ReturnType<typeof begunBefore>>;

/** The event by which it handed the drain over to its next invocation. */
export function handOverOf(drain: Begun, { EVENT_SOURCE }: Readonly<Record<string, string>>) {
  return {
    Source: EVENT_SOURCE,
    DetailType: 'ECS Drain Continuation',
    Detail: JSON.stringify({ version: 4, drain }),
  };
}

/**
 * The schedule by which it parked the drain: named after the container instance alone, with the bus for its target. The rest
 * is as in the environment of the function.
 */
export function scheduleOf(
  drain: Begun,
  untilMs: number,
  holdingTasks: readonly string[],
  { EVENT_SOURCE, SCHEDULE_GROUP, SCHEDULE_ROLE_ARN, DEAD_LETTER_QUEUE_ARN }: Readonly<Record<string, string>>,
) {
  const located = (arn: string) => ({ arn, cluster: CLUSTER });
  const parked = {
    untilMs,
    containerInstances: [located(drain.containerInstance)],
    holdingTasks: holdingTasks.map(located),
    awaitedTask: holdingTasks[0],
  };
  return {
    GroupName: SCHEDULE_GROUP,
    Name: drain.containerInstance.split('/').at(-1) ?? '',
    ScheduleExpression: `at(${new Date(untilMs).toISOString().slice(0, 19)})`,
    FlexibleTimeWindow: { Mode: 'OFF' },
    ActionAfterCompletion: 'NONE',
    Target: {
      Arn: 'arn:aws:events:eu-west-1:123456789012:event-bus/default',
      RoleArn: SCHEDULE_ROLE_ARN,
      EventBridgeParameters: { Source: EVENT_SOURCE, DetailType: 'ECS Drain Continuation' },
      Input: JSON.stringify({ version: 4, drain: { ...drain, parked } }),
      DeadLetterConfig: { Arn: DEAD_LETTER_QUEUE_ARN },
    },
  };
}
