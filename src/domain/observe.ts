/** Looks at the instances of many drains with shared calls, and sets them to DRAINING. */

import type { Decision } from './decide.ts';
import { instanceIdOf } from './drain.ts';
import type { Answer, Work } from './evolve.ts';
import { activeIn, type ContainerInstance, isLive, type Scope, type Seen, type TasksSeen } from './observation.ts';
import { describeKnown, describeUnreported, type Found, isInDoubt, search } from './observe-registrations.ts';
import { observeTasks, refreshTasks } from './observe-tasks.ts';
import { type Ports, reasonOf, Unavailable } from './ports.ts';
import { setDraining } from './set-draining.ts';

/** A drain whose instance is to be looked at. */
export interface Ask {
  readonly work: Work;
  readonly decision: Extract<Decision, { kind: 'set-draining' | 'look' }>;
}

/** The answer to each ask. */
export async function observe(
  asks: readonly Ask[],
  clusters: readonly string[],
  ports: Pick<Ports, 'containerInstances' | 'clock' | 'telemetry'>,
): Promise<Map<Work, Answer>> {
  const { containerInstances: ecs, clock } = ports;
  const worksWhere = (is: (ask: Ask) => unknown) => asks.filter(is).map(({ work }) => work);
  const toDrain = asks.flatMap(({ work, decision }) =>
    decision.kind === 'set-draining' ? [{ work, mark: decision.mark }] : [],
  );
  const toRefresh = worksWhere((ask) => scopeOf(ask)?.tasks === 'known' && ask.work.drain.known?.tasks);
  const refreshing = refreshTasks(toRefresh, ecs); // At the same time as the registrations.
  const described = await describeKnown(
    worksWhere((ask) => scopeOf(ask)?.registrations === 'known'),
    ecs,
  );
  const toSearch = worksWhere(
    (ask) => scopeOf(ask)?.registrations === 'search' || isInDoubt(described.get(ask.work), ask.work.drain),
  );
  const searching = { clusters, ecs, nowMs: clock.nowMs() };
  const [drained, searched] = await Promise.all([
    setDraining(toDrain, { ...searching, takesParts: true }, ports),
    search(toSearch, describeUnreported(toSearch, ecs), searching),
  ]);
  const found = new Map([...described, ...drained, ...searched]);
  const closed = asks.flatMap(({ work, decision }) => {
    const on = decision.kind === 'look' ? closedIn(found.get(work)) : [];
    return on.length > 0 ? [{ work, on }] : [];
  });
  const tasks = await observeTasks(closed, await refreshing, ecs, clock.nowMs());
  return new Map(asks.map((ask) => [ask.work, answerOf(ask, found.get(ask.work), tasks.get(ask.work), clusters)]));
}

/** The live registrations, if none of them takes tasks: only then are tasks worth a look. */
function closedIn(found: Found | undefined): readonly ContainerInstance[] {
  if (!found || 'error' in found) return [];
  const live = found.containerInstances.filter(isLive);
  return live.every(({ status }) => status !== 'ACTIVE') ? live : [];
}

function scopeOf({ decision }: Ask): Scope | undefined {
  return decision.kind === 'look' ? decision.scope : undefined;
}

function answerOf(
  { work, decision }: Ask,
  found: Found | undefined,
  tasks: TasksSeen | Error | undefined,
  clusters: readonly string[],
): Answer {
  if (!found || 'error' in found) return refusalOf(found?.error);
  if (tasks instanceof Error) return refusalOf(tasks);
  const containerInstances = found.containerInstances.filter(isLive);
  if (containerInstances.length === 0) return { kind: 'observed', observation: { kind: 'absent', clusters } };
  const seen: Seen = { kind: 'seen', containerInstances, tasks, searchedAtMs: found.searchedAtMs };
  const active = activeIn(seen);
  if (decision.kind === 'look' || active.length === 0) return { kind: 'observed', observation: seen };
  const arns = active.map(({ arn }) => arn).join(', ');
  return { kind: 'refused', reason: `ECS did not set ${arns} of ${instanceIdOf(work.drain)} to DRAINING.` };
}

function refusalOf(error: unknown): Answer {
  if (!(error instanceof Unavailable)) return { kind: 'failed', error };
  return { kind: 'refused', reason: reasonOf(error) };
}
