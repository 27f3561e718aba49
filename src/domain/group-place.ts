/** Where Auto Scaling has an instance, and in which state of its life. */

export interface GroupPlace {
  readonly autoScalingGroup: string;
  readonly lifecycleState: string;
}

/**
 * The states in which a terminating hook holds an instance that is in its group: to terminate it, or to replace its root
 * volume (facts 45 root-volume-replacement).
 */
export const REPLACING_ROOT_VOLUME = 'ReplacingRootVolume:Wait';
const HELD_STATES: readonly string[] = ['Terminating:Wait', REPLACING_ROOT_VOLUME];

/** Whether a terminating hook holds the instance. */
export function isHeld({ lifecycleState }: Pick<GroupPlace, 'lifecycleState'>): boolean {
  return HELD_STATES.includes(lifecycleState);
}
