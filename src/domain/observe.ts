/** Looks at the instances of many drains with shared calls, and sets them to DRAINING. */

import { isValue } from './by-cluster.ts';
import type { Decision } from './decision.ts';
import { type Drain, instanceIdOf } from './drain.ts';
import type { Answer, Work } from './evolve.ts';
import { activeIn, type ContainerInstance, isLive, type Scope, type Seen, type TasksSeen } from './observation.ts';
import {
  describeKnown,
  describeUnreported,
  type Found,
  isInDoubt,
  lacksKnown,
  search,
  withKnown,
} from './observe-registrations.ts';
import { observeTasks, refreshTasks } from './observe-tasks.ts';
import { type Ports, reasonOf, Unavailable } from './ports.ts';
import { setDraining } from './set-draining.ts';

/** A drain whose instance must be looked at. */
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
  const asked = new Map([...drained, ...searched]);
  const unlisted = await describeKnown(
    [...asked.keys()].filter((work) => !described.has(work) && lacksKnown(asked.get(work), work.drain)),
    ecs,
  );
  const confirmed = [...asked].map(
    ([work, own]) => [work, withKnown(own, described.get(work) ?? unlisted.get(work))] as const,
  );
  const found = new Map<Work, Found | undefined>([...described, ...confirmed]);
  const closed = asks.flatMap(({ work, decision }) => {
    const on = decision.kind === 'look' ? toListIn(found.get(work), work.drain) : [];
    return on.length > 0 ? [{ work, on }] : [];
  });
  const known = await refreshing;
  const tasks = await observeTasks(closed, known, ecs, clock.nowMs());
  // Where ECS refuses to list the tasks, those that are known still hold the instance.
  const works = closed.map(({ work }) => work);
  const refused = works.filter((work) => tasks.get(work) instanceof Unavailable && work.drain.known?.tasks);
  const late = await refreshTasks(
    refused.filter((work) => !known.has(work)),
    ecs,
  );
  const refreshed = new Map([...known, ...late]);
  return new Map(
    asks.map((ask) => {
      const { work } = ask;
      const seen = { found: found.get(work), tasks: tasks.get(work), refreshed: refreshed.get(work) };
      return [work, answerOf(ask, seen, clusters)];
    }),
  );
}

/**
 * The live registrations, if none of them takes tasks: only then is it worth listing tasks. Where ECS drains by itself, it
 * always is, because we do not close the instance.
 */
function toListIn(found: Found | undefined, { kind }: Drain): readonly ContainerInstance[] {
  if (!found || 'error' in found) return [];
  const live = found.containerInstances.filter(isLive);
  return kind === 'supervised' || live.every(({ status }) => status !== 'ACTIVE') ? live : [];
}

function scopeOf({ decision }: Ask): Scope | undefined {
  return decision.kind === 'look' ? decision.scope : undefined;
}

/** What ECS answered about one instance. */
interface Answers {
  readonly found: Found | undefined;
  readonly tasks: TasksSeen | Error | undefined;
  /** The tasks that were known, whether or not the instance still has a registration. */
  readonly refreshed: TasksSeen | Error | undefined;
}

function answerOf({ work, decision }: Ask, { found, tasks, refreshed }: Answers, clusters: readonly string[]): Answer {
  if (!found || 'error' in found) return refusalOf(found?.error);
  const containerInstances = found.containerInstances.filter(isLive);
  const { searchedAtMs } = found;
  if (tasks instanceof Error) {
    const areKnown = isValue(refreshed) && refreshed.holding.length > 0;
    return refusalOf(
      tasks,
      areKnown ? { kind: 'seen', containerInstances, tasks: refreshed, searchedAtMs } : undefined,
    );
  }
  if (containerInstances.length === 0) return absence(work, refreshed, clusters);
  const seen: Seen = { kind: 'seen', containerInstances, tasks, searchedAtMs };
  const active = activeIn(seen);
  if (decision.kind === 'look' || active.length === 0) return { kind: 'observed', observation: seen };
  const arns = active.map(({ arn }) => arn).join(', ');
  return { kind: 'refused', reason: `ECS did not set ${arns} of ${instanceIdOf(work.drain)} to DRAINING.` };
}

/** Only a supervised drain still needs to know what became of its tasks. */
function absence({ drain }: Work, tasks: TasksSeen | Error | undefined, clusters: readonly string[]): Answer {
  if (drain.kind !== 'supervised') return { kind: 'observed', observation: { kind: 'absent', clusters } };
  if (tasks instanceof Unavailable) return refusalOf(tasks);
  // If ECS cannot answer at all, as for a deleted cluster, what became of them is not known.
  const unknown = { holding: [], lastStoppedAtMs: undefined, listedAtMs: 0, lost: drain.known?.tasks?.holding.length };
  return {
    kind: 'observed',
    observation: { kind: 'absent', clusters, tasks: tasks instanceof Error ? unknown : tasks },
  };
}

function refusalOf(error: unknown, partial?: Seen): Answer {
  if (!(error instanceof Unavailable)) return { kind: 'failed', error };
  return { kind: 'refused', reason: reasonOf(error), partial };
}
