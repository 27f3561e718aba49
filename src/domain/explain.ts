/** Explains why tasks still hold the instances of drains that are stuck, or that end while they do. */

import { type Diagnostics, diagnose, type Explanation, NO_DIAGNOSTICS } from './diagnose.ts';
import type { Work } from './evolve.ts';
import { partlySeenIn } from './observation.ts';
import { deadlineAtMs, type Policy } from './policy.ts';
import { type Ports, reasonOf } from './ports.ts';
import { holdingIn } from './stragglers.ts';

type Explained = Pick<Work, 'drain' | 'observation'>;

/** Why tasks still hold the instances. ECS is asked for more than the tasks only here, once for all of them. */
export async function explain<W extends Explained>(
  works: readonly W[],
  policy: Policy,
  { containerInstances, clock }: Ports,
): Promise<Map<W, Explanation>> {
  const nowMs = clock.nowMs();
  const holding = works.flatMap(({ observation }) => holdingIn(observation));
  const diagnostics =
    holding.length === 0
      ? NO_DIAGNOSTICS
      : await containerInstances
          .diagnose(holding)
          .catch((error) => ({ ...NO_DIAGNOSTICS, unknown: [reasonOf(error)] }));
  return new Map(works.map((work) => [work, explanationOf(work, diagnostics, policy, nowMs)]));
}

const REGISTERING = 'The instance is still registering.';
const NOT_COMPLETED =
  'No task holds the instance: ECS managed draining has not completed its lifecycle hook, or has not set the instance to DRAINING.';

function explanationOf(
  { drain, observation }: Explained,
  diagnostics: Diagnostics,
  policy: Policy,
  nowMs: number,
): Explanation {
  const unknown = (reason: string) => ({ atMs: nowMs, blockers: [], unknown: [reason] });
  const seen = partlySeenIn(observation);
  const refusals = observation?.kind === 'unavailable' ? [observation.reason] : [];
  if (!seen?.tasks) return unknown(refusals[0] ?? 'The tasks were not listed yet.');
  const { holding } = seen.tasks;
  if (holding.length === 0) return unknown(drain.kind === 'supervised' ? NOT_COMPLETED : REGISTERING);
  return diagnose(holding, {
    diagnostics: { ...diagnostics, unknown: [...diagnostics.unknown, ...refusals] },
    containerInstances: seen.containerInstances,
    agentSilence: drain.agentSilence,
    startedAtMs: drain.startedAtMs,
    deadlineAtMs: deadlineAtMs(drain, policy),
    nowMs,
  });
}
