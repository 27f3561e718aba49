import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import type { HookSpec } from '../../sandbox/region/auto-scaling/model.ts';
import type { BusEvent } from '../../sandbox/region/event-bridge/model.ts';
import { createRegion, type Region } from '../../sandbox/region/region.ts';
import { listen } from '../../sandbox/region/wire/http.ts';
import { type Emulator, start } from './ministack.ts';

/** Our Region in real time, as the part of AWS that no emulator plays, and what connects it with one. */

export const CLUSTER = 'prod';
/** The group that the deployment drains. */
export const OURS = 'web';
/** A group in the same cluster that it has nothing to do with. */
export const ANOTHERS = 'batch';

const SETTLING_SECONDS = 60;

/** Starts the Region, and an emulator that calls it for ECS and Auto Scaling, until `started` is disposed of. */
export async function startBoth(started: AsyncDisposableStack) {
  const { region, ours, anothers } = await settledRegion();
  started.defer(goOn(region));
  const { url: regionUrl, close } = await listen(region.answer);
  started.defer(close);
  const emulator = await start({ AWS_ENDPOINT_URL_ECS: regionUrl, AWS_ENDPOINT_URL_AUTO_SCALING: regionUrl });
  started.defer(emulator.stop);
  const forwarding = forwardEvents(region, emulator);
  started.defer(forwarding.end);
  return { region, ours, anothers, regionUrl, emulator, forwarding };
}

/** A Region where a service is up on two groups of five instances, and the instances of each group. */
async function settledRegion() {
  const region = createRegion({ startMs: Date.now() - SETTLING_SECONDS * 1000, seed: 1 });
  const { ecs, autoScaling, time } = region;
  ecs.createCluster(CLUSTER);
  const group = { cluster: CLUSTER, minSize: 0, maxSize: 6, desiredCapacity: 5, launchSeconds: 5 };
  const [ours, anothers] = [OURS, ANOTHERS].map((name) =>
    autoScaling.createGroup({ ...group, name, memoryMiB: 7_680, cpuUnits: 2_048 }, { running: true }),
  );
  ecs.createService({
    cluster: CLUSTER,
    name: 'todobackend',
    strategy: 'REPLICA',
    desiredCount: 12,
    minimumHealthyPercent: 100,
    maximumPercent: 200,
    memoryMiB: 512,
    cpuUnits: 128,
    startSeconds: 2,
    stopTimeoutSeconds: 30,
    stopsAfterSeconds: 2,
  });
  let settled = false;
  time.after(SETTLING_SECONDS, () => {
    settled = true;
  });
  await time.runUntil(() => settled);
  return { region, ours: ours ?? [], anothers: anothers ?? [] };
}

/** Lets the Region go on by the wall clock; returns how to end it. */
function goOn({ time }: Region): () => Promise<void> {
  let ended = false;
  const tick = () => time.after(1, tick);
  tick();
  const running = time.runUntil(() => ended, 1);
  return () => {
    ended = true;
    return running;
  };
}

/** The way of events from the Region's bus to the emulator's. */
export interface Forwarding {
  /** From now on, events of this type about this EC2 instance are lost. Resolves to the first of them. */
  lose(detailType: string, ec2InstanceId: string): Promise<BusEvent>;
  end(): void;
}

/** Puts all that the Region puts on its own bus on the emulator's. */
function forwardEvents({ eventBridge }: Region, { env }: Emulator): Forwarding {
  const client = new EventBridgeClient(clientOptions(env, env.AWS_ENDPOINT_URL));
  const lost = new Map<string, (event: BusEvent) => void>();
  let ended = false;
  const forward = async (event: BusEvent) => {
    const { source, resources, detail, 'detail-type': type } = event;
    const lose = lost.get(`${type} ${ec2InstanceIdIn(detail)}`);
    if (lose) {
      lose(event);
      return;
    }
    const entry = { Source: source, DetailType: type, Resources: [...resources], Detail: JSON.stringify(detail) };
    const { Entries: [taken] = [] } = await client.send(new PutEventsCommand({ Entries: [entry] }));
    if (taken?.ErrorCode) throw new Error(`The emulator refuses ${type} of ${source}: ${taken.ErrorCode}.`);
  };
  eventBridge.putRule({
    name: 'forward',
    pattern: { source: [{ exists: true }] },
    target: (event) => {
      if (ended) return;
      forward(event as BusEvent).catch((error) => {
        if (!ended) throw error;
      });
    },
  });
  return {
    lose: (detailType, ec2InstanceId) => new Promise((resolve) => lost.set(`${detailType} ${ec2InstanceId}`, resolve)),
    end: () => {
      ended = true;
      client.destroy();
    },
  };
}

/** Auto Scaling and ECS write it differently. */
function ec2InstanceIdIn(detail: unknown): unknown {
  const { EC2InstanceId, ec2InstanceId } = detail as Readonly<Record<string, unknown>>;
  return EC2InstanceId ?? ec2InstanceId;
}

/** How the SDK's clients find the emulator, or the Region. */
export function clientOptions(env: Emulator['env'], endpoint: string) {
  const credentials = { accessKeyId: env.AWS_ACCESS_KEY_ID, secretAccessKey: env.AWS_SECRET_ACCESS_KEY };
  return { endpoint, region: env.AWS_REGION, credentials };
}

/** Puts the hooks that the stack created on our group in the Region; the other group has the same, by someone else. */
export async function bringHooks({ autoScaling }: Region, emulator: Emulator): Promise<void> {
  const hook = '{name: LifecycleHookName, heartbeatTimeoutSeconds: HeartbeatTimeout, defaultResult: DefaultResult}';
  const [hooks = []] = await emulator.ask<Omit<HookSpec, 'group'>[]>([
    ['autoscaling', 'describe_lifecycle_hooks', { AutoScalingGroupName: OURS }, `LifecycleHooks[].${hook}`],
  ]);
  for (const group of [OURS, ANOTHERS]) for (const hook of hooks) autoScaling.putLifecycleHook({ ...hook, group });
}
