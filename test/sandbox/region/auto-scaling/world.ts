import { AutoScalingModel, type GroupSpec, type HookSpec } from '../../../../sandbox/region/auto-scaling/model.ts';
import type { BusEvent } from '../../../../sandbox/region/event-bridge/model.ts';
import { Random } from '../../../../sandbox/region/time/random.ts';
import { VirtualTime } from '../../../../sandbox/region/time/virtual-time.ts';

/** Instances are numbered as they are launched. */
export const idOf = (number: number): string => `i-${number.toString(16).padStart(17, '0')}`;
export const [A, B, C, D] = [1, 2, 3, 4].map(idOf) as [string, string, string, string];

export const GROUP: GroupSpec = {
  name: 'web',
  minSize: 0,
  maxSize: 10,
  desiredCapacity: 2,
  cluster: 'prod',
  memoryMiB: 4_096,
  cpuUnits: 2_048,
  launchSeconds: 100,
};

/** A model with one running group, `web`, and what is seen of it. */
export interface AutoScalingWorld {
  readonly model: AutoScalingModel;
  readonly time: VirtualTime;
  /** What the model did to EC2 instances and their agents, in order. */
  readonly effects: readonly string[];
  /** Lets time pass to an instant, in seconds since the start. */
  until(seconds: number): Promise<void>;
  /** The instances of the group by their ids. */
  states(): Readonly<Record<string, string>>;
  /** The states that an instance has gone through. */
  pathOf(instanceId: string): readonly string[];
  /** The events of a detail-type, or whose detail-type ends so. */
  events(detailType: string): readonly BusEvent[];
  hook(name: string, more?: Partial<HookSpec>): void;
  complete(hook: string, instanceId: string, result?: 'CONTINUE' | 'ABANDON'): void;
}

export function autoScalingWorld(group: Partial<GroupSpec> = {}): AutoScalingWorld {
  const time = new VirtualTime(0);
  const effects: string[] = [];
  const published: BusEvent[] = [];
  const path: [string, string][] = [];
  let ids = 0;
  const model = new AutoScalingModel({
    time,
    place: { region: 'eu-west-1', account: '123456789012', newId: () => `uuid-${++ids}` },
    random: new Random(1),
    trace: (event) => event.kind === 'instance' && path.push([event.instanceId, event.state]),
    publish: (event) => published.push(event),
    launched: (id) => effects.push(`launched ${id}`),
    terminate: (id) => effects.push(`terminated ${id}`),
    stopped: (id) => effects.push(`stopped ${id}`),
    restarted: (id, agent) => effects.push(`restarted ${id}, its agent ${agent}`),
  });
  model.createGroup({ ...GROUP, ...group }, { running: true });
  effects.length = 0;
  return {
    model,
    time,
    effects,
    until: async (seconds) => {
      let reached = false;
      time.after(seconds - time.nowMs() / 1000, () => {
        reached = true;
      });
      await time.runUntil(() => reached);
    },
    states: () => Object.fromEntries(model.instancesOf('web').map(({ instanceId, state }) => [instanceId, state])),
    pathOf: (instanceId) => path.flatMap(([id, state]) => (id === instanceId ? [state] : [])),
    events: (detailType) => published.filter((event) => event['detail-type'].endsWith(detailType)),
    hook: (name, more = {}) =>
      model.putLifecycleHook({
        name,
        group: 'web',
        heartbeatTimeoutSeconds: 600,
        defaultResult: 'CONTINUE',
        ...more,
      }),
    complete: (hook, instanceId, result = 'CONTINUE') =>
      model.completeAction({ group: 'web', hook, token: undefined, instanceId }, result),
  };
}
