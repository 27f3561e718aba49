import type { Experiment } from '../experiment.ts';
import { countingTrap } from './counting-trap.ts';
import { draining } from './draining.ts';
import { events } from './events.ts';
import { freedResources } from './freed-resources.ts';
import { groups } from './groups.ts';
import { hooks } from './hooks.ts';
import { instances } from './instances.ts';
import { lags } from './lags.ts';
import { lambda } from './lambda.ts';
import { lists } from './lists.ts';
import { logs } from './logs.ts';
import { metrics } from './metrics.ts';
import { protection } from './protection.ts';
import { queues } from './queues.ts';
import { scheduler } from './scheduler.ts';
import { services } from './services.ts';
import { targets } from './targets.ts';
import { topics } from './topics.ts';

/** Every experiment: the open questions first, which no one has answered yet; what disturbs others last. */
export const EXPERIMENTS: readonly Experiment[] = [
  ...draining,
  ...lags,
  ...countingTrap,
  ...freedResources,
  ...lists,
  ...protection,
  ...services,
  ...targets,
  ...hooks,
  ...groups,
  ...instances,
  ...events,
  ...scheduler,
  ...lambda,
  ...logs,
  ...metrics,
  ...queues,
  ...topics,
].sort((a, b) => rank(a) - rank(b));

function rank({ open, disturbs }: Experiment): number {
  return disturbs ? 2 : open ? 0 : 1;
}
