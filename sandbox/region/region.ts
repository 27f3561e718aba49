import { AutoScalingModel } from './auto-scaling.ts';
import { EcsModel } from './ecs.ts';
import { EventBridgeModel } from './event-bridge.ts';
import { type FunctionSpec, LambdaModel } from './lambda.ts';
import type { Place } from './place.ts';
import { VirtualTime } from './virtual-time.ts';
import { listen, type WireCall } from './wire.ts';

/** Something that happened, for people. */
export interface Happening {
  readonly atMs: number;
  readonly where: 'ec2' | 'ecs' | 'autoscaling' | 'eventbridge' | 'lambda';
  readonly what: string;
}

/** A task whose instance was terminated before it had stopped. */
export type KilledTask = ReturnType<EcsModel['terminateInstance']>[number];

/** A small AWS Region in this process: one cluster, the groups and hooks around it, a bus, and one function. */
export interface Region {
  readonly time: VirtualTime;
  readonly ecs: EcsModel;
  readonly autoScaling: AutoScalingModel;
  readonly eventBridge: EventBridgeModel;
  /** Where SDK clients reach it: the value for AWS_ENDPOINT_URL. */
  readonly url: string;
  readonly calls: readonly WireCall[];
  readonly killedTasks: readonly KilledTask[];
  readonly terminated: ReadonlySet<string>;
  deploy(spec: FunctionSpec): LambdaModel;
  close(): void;
}

/** Starts a Region on a free port of 127.0.0.1. */
export async function startRegion(options: {
  readonly cluster: string;
  readonly startMs: number;
  readonly onHappening: (happening: Happening) => void;
}): Promise<Region> {
  const time = new VirtualTime(options.startMs);
  let ids = 0;
  const place: Place = {
    region: 'eu-west-1',
    account: '123456789012',
    newId: () => `00000000-0000-4000-8000-${(++ids).toString(16).padStart(12, '0')}`,
  };
  const teller = (where: Happening['where']) => (what: string) =>
    options.onHappening({ atMs: time.nowMs(), where, what });

  const calls: WireCall[] = [];
  const killedTasks: KilledTask[] = [];
  const terminated = new Set<string>();
  const ecs = new EcsModel(time, place, options.cluster, teller('ecs'));
  const eventBridge = new EventBridgeModel(time, place, teller('eventbridge'));
  const autoScaling = new AutoScalingModel(time, {
    place,
    publish: (event) => eventBridge.publish(event),
    tell: teller('autoscaling'),
    terminate: (instanceId) => {
      terminated.add(instanceId);
      killedTasks.push(...ecs.terminateInstance(instanceId));
      teller('ec2')(`${instanceId} is terminated`);
    },
  });
  const services = { ecs: ecs.operations, events: eventBridge.operations, autoScaling: autoScaling.operations };
  const { url, close } = await listen(services, (call) => calls.push(call));

  return {
    time,
    ecs,
    autoScaling,
    eventBridge,
    url,
    calls,
    killedTasks,
    terminated,
    deploy: (spec) => new LambdaModel(time, place, spec, teller('lambda')),
    close,
  };
}
