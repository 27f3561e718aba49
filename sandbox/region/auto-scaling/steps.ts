import type { VirtualTime } from '../time/virtual-time.ts';

export type Time = Pick<VirtualTime, 'nowMs' | 'after'>;

/** Something that replaces or removes instances, on its way. */
export interface Deployment {
  /** It has done, or given up, all it set out to do; what it terminated has gone. */
  readonly ended: boolean;
}

/** What a deployment waits for before it goes on. */
export type Condition = () => boolean;

/** CloudFormation and Auto Scaling look now and then, too. */
const LOOK_EVERY_SECONDS = 5;

/** Goes through the steps of a deployment, from one condition to the next. */
export function carryOut(time: Time, steps: () => Generator<Condition, void>): Deployment {
  const deployment = { ended: false };
  const walk = steps();
  const look = (condition: Condition) => {
    let next = condition;
    while (next()) {
      const step = walk.next();
      if (step.done) {
        deployment.ended = true;
        return;
      }
      next = step.value;
    }
    time.after(LOOK_EVERY_SECONDS, () => look(next));
  };
  look(() => true);
  return deployment;
}

export function passed(time: Time, seconds: number): Condition {
  const endMs = time.nowMs() + seconds * 1000;
  return () => time.nowMs() >= endMs;
}

export function batchesOf<T>(all: readonly T[], size: number): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.slice(i * size, (i + 1) * size));
}
