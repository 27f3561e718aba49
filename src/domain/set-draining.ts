/** Sets the instances of many drains to DRAINING. Those that may stay in service are marked as ours first. */

import { instanceIdOf } from './drain.ts';
import type { Work } from './evolve.ts';
import type { Trigger } from './mark.ts';
import { type Found, type Resolve, type Searching, search } from './observe-registrations.ts';
import { type Ports, reasonOf, Unavailable } from './ports.ts';

/** A drain whose instance must be set to DRAINING, and what its mark names; undefined if it needs none. */
export interface ToDrain {
  readonly work: Work;
  readonly mark: Trigger | undefined;
}

/** The registrations of each drain's instance, and what they are now. */
export async function setDraining(
  toDrain: readonly ToDrain[],
  searching: Searching,
  ports: Pick<Ports, 'containerInstances' | 'clock' | 'telemetry'>,
): Promise<Map<Work, Found>> {
  const found = [...Map.groupBy(toDrain, ({ mark }) => mark)].map(([trigger, alike]) => {
    const works = alike.map(({ work }) => work);
    const resolve = trigger ? markAndDrain(trigger, works, ports) : ports.containerInstances.setDraining;
    return search(works, resolve, searching);
  });
  return new Map((await Promise.all(found)).flatMap((each) => [...each]));
}

/**
 * Only what is ACTIVE is marked: someone else has set the others to DRAINING, and they stay theirs. The mark comes first,
 * because an instance that is DRAINING without it would never be given back.
 */
function markAndDrain(
  trigger: Trigger,
  works: readonly Work[],
  { containerInstances: ecs, clock, telemetry }: Pick<Ports, 'containerInstances' | 'clock' | 'telemetry'>,
): Resolve {
  return async (cluster, arns) => {
    const described = await ecs.describe(cluster, arns);
    const taking = described.filter(({ status }) => status === 'ACTIVE');
    const active = taking.map(({ arn }) => arn);
    if (active.length === 0) return { found: described };
    try {
      await ecs.mark(cluster, active, { trigger, atMs: clock.nowMs() });
    } catch (error) {
      if (error instanceof Unavailable) throw error;
      // A role that may not mark must not keep tasks from being drained.
      for (const { drain } of works) {
        if (!taking.some(({ ec2InstanceId }) => ec2InstanceId === instanceIdOf(drain))) continue;
        telemetry.record(drain, { kind: 'refused', doing: 'mark', reason: reasonOf(error) });
      }
    }
    const { found, error } = await ecs.setDraining(cluster, active);
    return { found: [...described.filter(({ arn }) => !active.includes(arn)), ...found], error };
  };
}
