import type { Install } from '../drainers/drainer.ts';
import { dollarsFor } from '../prices.ts';
import type { ServiceView } from '../region/ecs/views.ts';
import type { Region } from '../region/region.ts';
import type { Fate } from '../region/trace.ts';
import { rehearse } from '../rehearsal.ts';
import type { Drainer, DrainResult, DrillEvent, DrillResult } from '../result.ts';
import type { Params, Scenario } from '../scenarios.ts';
import { type Blueprint, build } from './build.ts';
import { begin, type Change, isEndless } from './change.ts';
import { drainedHooksIn } from './hooks.ts';

/** One change, played once. */
export interface Trial {
  readonly blueprint: Blueprint;
  readonly change: Change;
  /** Of the deployment. */
  readonly params: Params;
  readonly seed: number;
  /** Who drains. Undefined: without a drain. */
  readonly install: Install | undefined;
  /** Receives the full record of the rehearsal, for a report. */
  readonly onDrill?: ((drill: DrillResult<Drainer>) => void) | undefined;
}

/** What the end of a drain waited for, longest. */
export type Bound =
  | 'load balancer deregistration'
  | 'tasks that stop slowly'
  | 'start of replacements'
  | 'room for replacements'
  | 'standalone tasks'
  | 'its deadline'
  | 'nothing';

export interface PlannedDrain {
  readonly instanceId: string;
  readonly outcome: string;
  /** From the hold to its completion. */
  readonly seconds: number;
  readonly bound: Bound;
  readonly calls: number;
}

/** What held an instance when its drain was stuck, or ended with tasks on it. */
export interface Blocking {
  readonly instanceId: string;
  readonly group: string;
  readonly causes: readonly { readonly cause: string }[];
}

export interface TrialResult {
  readonly seed: number;
  /** From the beginning of the change until all that leaves is gone and all that comes is in service. */
  readonly seconds: number;
  /** Whether the change came to its end. */
  readonly ended: boolean;
  /** Why the change did not succeed, in the words of who carries it out. */
  readonly failure: string | undefined;
  readonly drains: readonly PlannedDrain[];
  readonly killed: Readonly<Record<Fate, number>>;
  /** How many tasks of each group ecs-drain itself stopped ahead of a deadline, because of `stopStragglers`. */
  readonly stoppedOf: Readonly<Record<string, number>>;
  /** The groups of the tasks that were killed. */
  readonly killedOf: Readonly<Record<string, number>>;
  readonly requestsLost: number;
  /** By service. */
  readonly fewestRunning: Readonly<Record<string, number>>;
  readonly lowestReservationPercent: number;
  readonly blocking: readonly Blocking[];
  readonly calls: number;
  readonly dollars: number;
}

/** No hook holds an instance for longer than two days (facts 18 hook-timeouts): what takes longer than this never ends. */
const LONGEST_SECONDS = 14 * 86_400;
/**
 * The first number of a xoroshiro128+ grows with its seed. With the seed numbers 1, 2, 3 … of a plan, every rehearsal would launch its
 * first instance within the same tenth of a second. Multiples of the golden ratio are spread over all seeds.
 */
const FAR_APART = 0x9e3779b1;
/** A load balancer notices a dead target within so long. */
const AFTERMATH_SECONDS = 30;
/** What ECS drains by itself is looked at every 35 minutes at least (src/domain/policy.ts), and only then reported as over. */
const SUPERVISED_AFTERMATH_SECONDS = 2_400;

/** Builds the cluster and plays the change. The same trial gives the same result. */
export function play({ blueprint, change, params, ...trial }: Trial): Promise<TrialResult> {
  const group = groupFor(blueprint, trial.seed);
  const managedDraining = blueprint.provider?.managedDraining ?? false;
  // Without a drain only the hooks of others hold an instance.
  const hooks = trial.install ? blueprint.hooks : [];
  const built = (region: Region) => build(region, { ...blueprint, group, hooks });
  const foreignHooks = blueprint.foreignHooks.map(({ name }) => name);
  const scenario = { group, services: [], jobs: [], params, managedDraining, foreignHooks, build: built };
  return playChange(scenario, change, trial);
}

/**
 * The group as one rehearsal has it. The rehearsals take turns by their seed numbers: new instances are of one kind after the other, and
 * where several zones have the fewest instances, the first one goes into one after the other.
 */
function groupFor({ group, kinds }: Blueprint, seed: number): Blueprint['group'] {
  const turn = seed - 1;
  const { zones = [] } = group;
  const first = Math.floor(turn / kinds.length) % zones.length;
  const rotated = [...zones.slice(first), ...zones.slice(0, first)];
  return { ...group, ...kinds.at(turn % kinds.length), ...(zones.length > 0 && { zones: rotated }) };
}

/** Plays a change of a scenario, in place of what sets it going. */
export async function playChange(
  scenario: Omit<Scenario, 'begin' | 'description'>,
  change: Change,
  { seed, install, onDrill }: Pick<Trial, 'seed' | 'install' | 'onDrill'>,
): Promise<TrialResult> {
  let region: Region | undefined;
  let isDone = () => false;
  let endless = false;
  let endedAtMs: number | undefined;
  let startMs = 0;
  const variant: Scenario = {
    ...scenario,
    description: 'a plan',
    begin: (there) => {
      region = there;
      startMs = there.time.nowMs();
      isDone = begin(change, there, scenario.group.name);
      endless = isEndless(change, there, scenario.group.name);
    },
  };
  const aftermathSeconds = scenario.managedDraining ? SUPERVISED_AFTERMATH_SECONDS : AFTERMATH_SECONDS;
  const isOver = () => {
    if (endless) return true;
    const nowMs = region?.time.nowMs() ?? 0;
    if (endedAtMs === undefined && isDone()) {
      endedAtMs = nowMs;
      region?.time.after(aftermathSeconds, () => {}); // something has to happen then
    }
    const pastMs = nowMs - (endedAtMs ?? nowMs);
    return pastMs >= aftermathSeconds * 1000 || nowMs - startMs > LONGEST_SECONDS * 1000;
  };
  const rehearsed = await rehearse({
    scenario: 'world',
    variant,
    drainer: install ? 'ecs-drain' : 'none',
    seed: Math.imul(seed, FAR_APART),
    ...(install && { install }),
    isOver,
  });
  const result = { ...rehearsed, seed };
  onDrill?.(result);
  if (!region) throw new Error('The change did not begin.');
  // A hook of others is among them where it has ended the drain.
  const hooks = [...drainedHooksIn(scenario.params), ...(scenario.foreignHooks ?? [])];
  const seconds = endedAtMs === undefined ? undefined : (endedAtMs - startMs) / 1000;
  const later = heldAfter(seconds, result.events);
  const drains = drainsOfOurs(result.drains, hooks).filter(({ instanceId }) => !later.has(instanceId));
  return toTrialResult({ ...result, drains }, region, seconds);
}

/** The instances that leave only after the change has ended, because ECS or Auto Scaling scales the group in. */
function heldAfter(seconds = Number.POSITIVE_INFINITY, events: readonly DrillEvent[]): ReadonlySet<string> {
  const holds = events.flatMap((event) => (event.kind === 'lifecycle' && event.what === 'held' ? event : []));
  return new Set(holds.flatMap(({ instanceId, second }) => (second > seconds ? instanceId : [])));
}

/**
 * Those of the hooks that ecs-drain drains for. Where several of these hold an instance, the drain of the one that lets go last says how
 * long the instance is held, and it has the calls for all of them.
 */
function drainsOfOurs(drains: readonly DrainResult[], hooks: readonly string[]): DrainResult[] {
  const ours = drains.filter(({ hook }) => hook === undefined || hooks.includes(hook));
  const last = new Map(ours.map(({ instanceId, hook }) => [instanceId, hook]));
  return ours.filter(({ instanceId, hook }) => hook === last.get(instanceId));
}

function toTrialResult(result: DrillResult, region: Region, seconds: number | undefined): TrialResult {
  const { events, drains, requestsLost, memoryReservation } = result;
  const lacks = events.filter((event) => event.kind === 'service' && /unable to place/.test(event.message));
  const byInstance = Map.groupBy(events.filter(isTask), ({ instanceId }) => instanceId);
  const held = new Map(
    events.flatMap((event) =>
      event.kind === 'lifecycle' && event.what === 'held' ? [[event.instanceId, event.second] as const] : [],
    ),
  );
  const daemons = new Set(region.ecs.clusters.values().flatMap(({ services }) => daemonsIn(services.values())));
  const failure = events.findLast((event) => event.kind === 'deployment' && /failed/i.test(event.message));
  const killed = { 'cut off': 0, 'delayed SIGTERM': 0, unharmed: 0 };
  const killedOf: Record<string, number> = {};
  for (const { fate, group } of region.killedTasks) {
    killed[fate] += 1;
    killedOf[group] = (killedOf[group] ?? 0) + 1;
  }
  return {
    seed: result.seed,
    seconds: seconds ?? Math.max(LONGEST_SECONDS, result.virtualSeconds),
    ended: seconds !== undefined,
    failure: failure?.kind === 'deployment' ? failure.message : undefined,
    drains: drains.map(({ instanceId, outcome, seconds, apiCalls }) => ({
      instanceId,
      outcome,
      seconds,
      bound:
        outcome === 'drained'
          ? boundOf(byInstance.get(instanceId) ?? [], held.get(instanceId), lacks, daemons)
          : 'its deadline',
      calls: apiCalls,
    })),
    killed,
    stoppedOf: stoppedIn(events.filter(isTask)),
    killedOf,
    requestsLost,
    fewestRunning: fewestRunningIn(events),
    lowestReservationPercent: memoryReservation.min,
    blocking: blockingIn(events),
    calls: Math.round(drains.reduce((sum, { apiCalls }) => sum + apiCalls, 0)),
    dollars: dollarsOf(result, region),
  };
}

/** The groups of the tasks of daemons. */
function* daemonsIn(services: Iterable<ServiceView>): Generator<string> {
  for (const { spec } of services) if (spec.strategy === 'DAEMON') yield `service:${spec.name}`;
}

type TaskEvent = Extract<DrillEvent, { kind: 'task' }>;

function isTask(event: DrillEvent): event is TaskEvent {
  return event.kind === 'task';
}

/** The reason that ecs-drain gives with StopTask (src/domain/perform.ts). */
function isStoppedByDrain({ reason = '' }: TaskEvent): boolean {
  return reason.startsWith('ecs-drain: the drain of ');
}

/** Of each group; tasks whose instance went before they had stopped count as killed instead. */
function stoppedIn(events: readonly TaskEvent[]): Record<string, number> {
  const stopped = events.filter((event) => event.status === 'STOPPED' && !event.killed && isStoppedByDrain(event));
  return countsOf(stopped.map(({ group }) => group));
}

// --- What a drain waited for ------------------------------------------------------------------------------------------

/** By the task that stopped last. Daemons are left out, because they wait for the others. */
function boundOf(
  tasks: readonly TaskEvent[],
  held: number | undefined,
  lacks: readonly DrillEvent[],
  daemons: ReadonlySet<string>,
): Bound {
  const stops = tasks.filter(({ status }) => status === 'STOPPED').toSorted((a, b) => b.second - a.second);
  const last = stops.find(({ group }) => !daemons.has(group)) ?? stops[0];
  if (!last) return 'nothing';
  const at = (status: string) => tasks.find((event) => event.taskId === last.taskId && event.status === status)?.second;
  const stoppingAt = at('STOPPING') ?? last.second;
  const leavingAt = at('DEACTIVATING') ?? stoppingAt;
  const heldAt = held ?? leavingAt;
  const waited = leavingAt - heldAt;
  const parts: [Bound, number][] = [
    ['load balancer deregistration', stoppingAt - leavingAt],
    ['tasks that stop slowly', last.second - stoppingAt],
    [waitOf(last, heldAt, leavingAt, lacks), waited],
  ];
  return parts.toSorted(([, a], [, b]) => b - a)[0]?.[0] ?? 'nothing';
}

function waitOf(last: TaskEvent, from: number, until: number, lacks: readonly DrillEvent[]): Bound {
  if (isStoppedByDrain(last)) return 'its deadline';
  const { group } = last;
  if (!group.startsWith('service:')) return 'standalone tasks';
  const service = group.slice('service:'.length);
  const lackedRoom = lacks.some(
    (event) => event.kind === 'service' && event.service === service && event.second >= from && event.second <= until,
  );
  return lackedRoom ? 'room for replacements' : 'start of replacements';
}

/** From the function's own log. */
function blockingIn(events: readonly DrillEvent[]): Blocking[] {
  return events.flatMap((event) => {
    if (event.kind !== 'log') return [];
    const { blockers, instanceId } = event.line as {
      readonly blockers?: readonly Omit<Blocking, 'instanceId'>[];
      readonly instanceId?: string;
    };
    if (!Array.isArray(blockers) || instanceId === undefined) return [];
    return blockers.map(({ group, causes }) => ({ instanceId, group, causes }));
  });
}

/** How many tasks are killed in all. */
export function killedIn({ killed }: TrialResult): number {
  return killed['cut off'] + killed['delayed SIGTERM'] + killed.unharmed;
}

/** Whether a drain did not end as drained, or a task was killed. */
export function hasFailed(result: TrialResult): boolean {
  return killedIn(result) > 0 || result.drains.some(({ outcome }) => outcome !== 'drained');
}

export function sumOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

/** How often each value is there. */
export function countsOf(values: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1;
  return counts;
}

// --- Figures ----------------------------------------------------------------------------------------------------------

function fewestRunningIn(events: readonly DrillEvent[]): Record<string, number> {
  const running = new Map<string, Set<string>>();
  const fewest: Record<string, number> = {};
  for (const { group, taskId, status, second } of events.filter(isTask)) {
    if (!group.startsWith('service:')) continue;
    const name = group.slice('service:'.length);
    const tasks = running.get(name) ?? new Set();
    running.set(name, tasks);
    if (status === 'RUNNING') tasks.add(taskId);
    else tasks.delete(taskId);
    // The trace reports the state at the beginning task by task.
    fewest[name] = second <= 0 ? tasks.size : Math.min(fewest[name] ?? tasks.size, tasks.size);
  }
  return fewest;
}

/** What the drains cost; the polling of idle queues is left out. */
function dollarsOf({ drains, events }: DrillResult, region: Region): number {
  const made = (operation: string) => region.calls.filter((call) => call.operation === operation).length;
  const invocations = events.filter((event) => event.kind === 'invocation' && event.what === 'started').length;
  const memoryGb = 0.25;
  return dollarsFor({
    requests: invocations,
    gbSeconds: drains.reduce((sum, { billedSeconds }) => sum + billedSeconds, 0) * memoryGb,
    customEvents: made('PutEvents'),
    schedules: region.scheduler.firings,
    sqsRequests: made('SendMessage') + made('SendMessageBatch') + 2 * invocations,
    snsPublishes: 0,
  });
}
