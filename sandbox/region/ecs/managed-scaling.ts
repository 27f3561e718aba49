import type { AutoScalingModel } from '../auto-scaling/model.ts';
import type { VirtualTime } from '../time/virtual-time.ts';
import type { EcsModel } from './model.ts';
import type { ScalingSteps } from './specs.ts';
import type { Resources } from './views.ts';

export interface ManagedScalingOptions {
  readonly time: Pick<VirtualTime, 'after' | 'toBackground'>;
  readonly ecs: EcsModel;
  readonly autoScaling: AutoScalingModel;
}

/** The metric has a value each minute, and the alarm waits for one of them. */
const LOOK_SECONDS = 60;

/**
 * The half of ECS managed scaling that a drain may wait for: where tasks of its services find no room, a capacity provider
 * gives its group as many instances as they need (facts 101 managed-scaling). It takes none away.
 */
export class ManagedScaling {
  readonly #options: ManagedScalingOptions;

  constructor(options: ManagedScalingOptions) {
    this.#options = options;
  }

  enable(provider: string, group: string, steps: ScalingSteps): void {
    const { time } = this.#options;
    const look = () => {
      this.#scaleOut(provider, group, steps);
      time.toBackground(time.after(LOOK_SECONDS, look));
    };
    time.toBackground(time.after(LOOK_SECONDS, look));
  }

  #scaleOut(provider: string, name: string, { minimumStep, maximumStep }: ScalingSteps): void {
    const { ecs, autoScaling } = this.#options;
    const group = autoScaling.group(name);
    const coming = autoScaling.instancesOf(name).filter(({ state }) => state.startsWith('Pending')).length;
    const missing = instancesFor(ecs.unplacedOf(group.cluster, provider), group) - coming;
    if (missing <= 0) return;
    const step = Math.min(maximumStep, Math.max(minimumStep, missing));
    const desiredCapacity = Math.min(group.maxSize, group.desiredCapacity + step);
    if (desiredCapacity > group.desiredCapacity) autoScaling.setDesiredCapacity(name, desiredCapacity);
  }
}

/** How many empty instances have room for the tasks, one service after the other. */
function instancesFor(unplaced: readonly (Resources & { readonly count: number })[], size: Resources): number {
  return unplaced.reduce((sum, { count, memoryMiB, cpuUnits }) => {
    const onOne = Math.min(size.memoryMiB / Math.max(1, memoryMiB), size.cpuUnits / Math.max(1, cpuUnits));
    return sum + (onOne < 1 ? 0 : Math.ceil(count / Math.floor(onOne)));
  }, 0);
}
