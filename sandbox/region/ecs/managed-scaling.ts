import type { AutoScalingModel } from '../auto-scaling/model.ts';
import type { VirtualTime } from '../time/virtual-time.ts';
import type { EcsModel } from './model.ts';
import type { ScalingSettings } from './specs.ts';
import type { Resources } from './views.ts';

export interface ManagedScalingOptions {
  readonly time: Pick<VirtualTime, 'after' | 'toBackground'>;
  readonly ecs: EcsModel;
  readonly autoScaling: AutoScalingModel;
}

/** The metric has a value each minute. */
const LOOK_SECONDS = 60;
/** Scale-in waits for so many low values in a row. */
const LOW_VALUES = 15;

/**
 * ECS managed scaling (facts 101 managed-scaling). Where tasks find no room, a capacity provider adds the instances that they
 * need. Where instances have been without tasks for a quarter of an hour, it lowers the desired capacity of its group.
 */
export class ManagedScaling {
  readonly #options: ManagedScalingOptions;

  constructor(options: ManagedScalingOptions) {
    this.#options = options;
  }

  enable(provider: string, group: string, settings: ScalingSettings): void {
    const { time, autoScaling } = this.#options;
    let lowValues = 0;
    const look = () => {
      if (!autoScaling.hasGroup(group)) return;
      const demand = this.#demandOf(provider, group, settings);
      lowValues = demand.running > demand.wanted && !demand.waiting ? lowValues + 1 : 0;
      if (demand.wanted > demand.running) this.#scaleOut(group, demand, settings);
      if (lowValues >= LOW_VALUES) this.#scaleIn(group, demand, settings);
      time.toBackground(time.after(LOOK_SECONDS, look));
    };
    time.toBackground(time.after(LOOK_SECONDS, look));
  }

  #demandOf(provider: string, name: string, { targetPercent = 100 }: ScalingSettings): Demand {
    const { ecs, autoScaling } = this.#options;
    const instances = autoScaling.instancesOf(name);
    const coming = instances.filter(({ state }) => state.startsWith('Pending')).length;
    const serving = instances.filter(({ state }) => state === 'InService').map(({ instanceId }) => instanceId);
    const [used, empty] = [serving.filter((id) => hasTasks(ecs, id)), serving.filter((id) => !hasTasks(ecs, id))];
    const group = autoScaling.group(name);
    const missing = instancesFor(ecs.unplacedOf(group.cluster, provider), group);
    // While tasks wait for room, an instance without tasks is none that they fit on.
    const needed = missing > 0 ? serving.length + missing : used.length;
    const wanted = Math.ceil((100 * needed) / targetPercent);
    return { running: serving.length + coming, wanted, waiting: missing > 0 || coming > 0, used, empty };
  }

  #scaleOut(name: string, { running, wanted }: Demand, { minimumStep, maximumStep }: ScalingSettings): void {
    const { autoScaling } = this.#options;
    const group = autoScaling.group(name);
    const step = Math.min(maximumStep, Math.max(minimumStep, wanted - running));
    const desiredCapacity = Math.min(group.maxSize, group.desiredCapacity + step);
    if (desiredCapacity > group.desiredCapacity) autoScaling.setDesiredCapacity(name, desiredCapacity);
  }

  /** By half of the group at most, each minute. Without protection the group may take an instance that has tasks. */
  #scaleIn(name: string, { wanted, used, empty }: Demand, { protectsTasks }: ScalingSettings): void {
    const { autoScaling } = this.#options;
    const { minSize, desiredCapacity } = autoScaling.group(name);
    const lowest = desiredCapacity - Math.max(1, Math.floor(desiredCapacity / 2));
    const next = Math.max(minSize, wanted, lowest);
    if (next >= desiredCapacity) return;
    if (protectsTasks) {
      autoScaling.setInstanceProtection(name, used, true);
      autoScaling.setInstanceProtection(name, empty, false);
    }
    autoScaling.setDesiredCapacity(name, next);
  }
}

/** How many instances there are, and how many there should be. */
interface Demand {
  readonly running: number;
  readonly wanted: number;
  /** Whether tasks wait for room, or instances are on their way. */
  readonly waiting: boolean;
  /** The instances in service, with and without tasks. */
  readonly used: readonly string[];
  readonly empty: readonly string[];
}

/** Daemons do not count: every instance has them. */
function hasTasks(ecs: EcsModel, instanceId: string): boolean {
  const tasks = ecs.registrationsOf(instanceId).flatMap(({ holding }) => [...holding]);
  return tasks.some(({ service }) => service?.spec.strategy !== 'DAEMON');
}

/** How many empty instances have room for the tasks, one service after the other. */
function instancesFor(unplaced: readonly (Resources & { readonly count: number })[], size: Resources): number {
  return unplaced.reduce((sum, { count, memoryMiB, cpuUnits }) => {
    const onOne = Math.min(size.memoryMiB / Math.max(1, memoryMiB), size.cpuUnits / Math.max(1, cpuUnits));
    return sum + (onOne < 1 ? 0 : Math.ceil(count / Math.floor(onOne)));
  }, 0);
}
