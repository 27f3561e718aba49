import { book } from './drainers/book.ts';
import { cdk } from './drainers/cdk.ts';
import type { Install, Installed, Work } from './drainers/drainer.ts';
import { ecsDrain } from './drainers/ecs-drain.ts';
import { getsocial } from './drainers/getsocial.ts';
import { managedDraining } from './drainers/managed-draining.ts';
import { none } from './drainers/none.ts';
import { widdix } from './drainers/widdix.ts';
import { captureLogs } from './logs.ts';
import type { Completion } from './region/auto-scaling/model.ts';
import { sampleByTheMinute } from './region/cloudwatch/metrics.ts';
import { createRegion, type Region } from './region/region.ts';
import { playGlobals } from './region/time/globals.ts';
import { currentFiber } from './region/time/virtual-time.ts';
import type { TraceEvent } from './region/trace.ts';
import type { Benchmarked, Drainer, DrainResult, DrillEvent, DrillResult, Judged } from './result.ts';
import { SCENARIOS, type Scenario, type ScenarioName } from './scenarios.ts';

/** What to rehearse. */
export interface Rehearsal<D extends Benchmarked | Judged = Drainer> {
  readonly scenario: ScenarioName | 'world';
  readonly drainer: D;
  readonly seed: number;
  /** A variant of the scenario, to be played instead of it; a world of the chaos is nothing else. */
  readonly variant?: Scenario;
  /** How the drainer is installed, where that is not the usual way; one outside has no usual way. */
  readonly install?: Install;
  /** Hears of everything as it happens, and before it of what was there when the drill began. */
  readonly onEvent?: OnEvent;
  /** Virtual seconds in one real second; as fast as the machine can if undefined. */
  readonly speed?: number | undefined;
  /** Lets others into the Region before it is set going; what it returns shuts them out when all is over. */
  readonly open?: (region: Region) => Promise<() => void>;
  /** Ends it early. */
  readonly isEnough?: () => boolean;
  /** Whether it is over; by default, when nothing has happened for a while. */
  readonly isOver?: () => boolean;
}

const INSTALL: Readonly<Record<Benchmarked, Install>> = {
  'ecs-drain': ecsDrain,
  none,
  book,
  cdk,
  widdix,
  getsocial,
  'managed-draining': managedDraining,
};

function installOf(drainer: Benchmarked | Judged): Install {
  if (drainer === 'external') throw new Error('How a drainer outside is connected has to be said.');
  return INSTALL[drainer];
}

/** Hears of an event, whether it only says how things stood when the drill began, and when it was by the Region's clock. */
export type OnEvent = (event: DrillEvent, stood: boolean, atMs: number) => void;

/** When a drill begins by the Region's clock, so that its minutes are those that messages have. */
const START_MS = Date.UTC(2026, 0, 1);
/** What every service needs to come up before the drill begins. */
const SETTLING_SECONDS = 900;
/** The drill is over when nothing has happened for so long: a load balancer's deregistration passes in silence. */
const QUIET_SECONDS = 360;

/** A Region with its cluster running and its drainer installed, in which nothing has happened yet. */
export interface Stage {
  readonly region: Region;
  readonly installed: Installed;
  /** When the drill begins, in epoch milliseconds. */
  readonly startMs: number;
  /** Reports how things stand, runs the standalone tasks, and sets the scenario going: now, or so many seconds later. */
  begin(afterSeconds?: number): void;
  /** Gives the process its own clock and streams back. */
  close(): void;
}

/** Sets the stage for a scenario: every service runs, and whoever drains is deployed. */
export async function stage(
  {
    scenario: name,
    variant,
    drainer,
    seed,
    install = installOf(drainer),
  }: Pick<Rehearsal<Benchmarked | Judged>, 'scenario' | 'variant' | 'drainer' | 'seed' | 'install'>,
  onEvent: OnEvent,
): Promise<Stage> {
  const scenario = variant ?? scenarioNamed(name);
  const standing = new Map<string, TraceEvent>();
  let trace = (event: TraceEvent) => noteStanding(standing, event);
  const second = () => (region.time.nowMs() - START_MS) / 1000;
  const settlingSeconds = scenario.build ? 0 : SETTLING_SECONDS;
  const region: Region = createRegion({
    startMs: START_MS - settlingSeconds * 1000,
    seed,
    onTrace: (event) => trace(event),
    ...(scenario.faults && { faults: scenario.faults(second) }),
  });
  // What Lambda gives every function: where it is, and credentials.
  Object.assign(process.env, {
    AWS_REGION: 'eu-west-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
  });
  const stops = [playGlobals(region.time, region.random.fork('globals')), captureLogs(region.log)];
  const close = () => {
    for (const stop of stops) stop();
  };
  try {
    const { cluster } = scenario.group;
    const instanceIds = scenario.build?.(region) ?? built(region, scenario);
    region.time.after(settlingSeconds, () => {});
    await region.time.runUntil(() => region.time.nowMs() >= START_MS);
    const installed = await install(region, scenario);
    await scenario.before?.(region, instanceIds);
    const startMs = region.time.nowMs();
    const eventOf = ({ atMs, ...what }: TraceEvent) => ({ second: (atMs - startMs) / 1000, ...what }) as DrillEvent;
    const begin = (afterSeconds = 0) => {
      for (const event of standing.values()) onEvent(eventOf({ ...event, atMs: startMs }), true, startMs);
      // Who listens is no part of the function that runs: what it prints is not the function's log.
      trace = (event) => currentFiber.exit(() => onEvent(eventOf(event), false, event.atMs));
      for (const { on, ...job } of scenario.jobs) {
        region.ecs.runTask({ ...job, cluster, ec2InstanceId: instanceIds[on] ?? '' });
      }
      if (afterSeconds === 0) scenario.begin(region, instanceIds);
      else region.time.after(afterSeconds, () => scenario.begin(region, instanceIds));
    };
    return { region, installed, startMs, begin, close };
  } catch (error) {
    close();
    throw error;
  }
}

/** The cluster of a scenario, in which everything has yet to come up. */
function built(
  region: Region,
  { group, services, managedDraining = false, managedScaling }: Scenario,
): readonly string[] {
  region.ecs.createCluster(group.cluster);
  const instanceIds = region.autoScaling.createGroup(group, { running: true });
  if (managedDraining || managedScaling) {
    region.createCapacityProvider(group.name, group.name, { managedDraining, managedScaling });
  }
  for (const service of services) region.ecs.createService(service);
  return instanceIds;
}

function scenarioNamed(name: ScenarioName | 'world'): Scenario {
  if (name === 'world') throw new Error('A world has to be said.');
  return SCENARIOS[name];
}

/** Keeps the latest event of each instance and task, which says how they stand. */
function noteStanding(standing: Map<string, TraceEvent>, event: TraceEvent): void {
  const { kind } = event;
  if (kind === 'instance' || kind === 'container-instance') standing.set(`${kind} ${event.instanceId}`, event);
  if (kind === 'task') standing.set(`${kind} ${event.taskId}`, event);
}

/** Runs one drill in virtual time. The same rehearsal gives the same result, except for the seconds of the wall clock. */
export async function rehearse<D extends Benchmarked | Judged = Drainer>({
  onEvent,
  speed,
  open = async () => () => {},
  isEnough = () => false,
  isOver,
  ...rehearsal
}: Rehearsal<D>): Promise<DrillResult<D>> {
  const events: DrillEvent[] = [];
  let lastChange = 0;
  const { region, installed, startMs, begin, close } = await stage(rehearsal, (event, stood, atMs) => {
    if (!['log', 'invocation', 'event'].includes(event.kind)) lastChange = event.second;
    events.push(event);
    onEvent?.(event, stood, atMs);
  });
  let shut = () => {};
  try {
    shut = await open(region);
    const wallStartMs = performance.now();
    const second = () => (region.time.nowMs() - startMs) / 1000;
    const quiet = () => second() - lastChange > QUIET_SECONDS && region.autoScaling.pendingActions().length === 0;
    const { cluster } = (rehearsal.variant ?? scenarioNamed(rehearsal.scenario)).group;
    const series = sampleByTheMinute(region.time, () => region.ecs.reservation(cluster).memoryPercent);
    begin();
    await region.time.runUntil(() => (isOver ?? quiet)() || isEnough(), speed);

    const memory = series.map(({ minute, value }) => ({ minute, percent: Math.round(value * 10) / 10 }));
    return {
      scenario: rehearsal.scenario,
      seed: rehearsal.seed,
      drainer: rehearsal.drainer,
      instancesTerminated: region.terminated.size,
      tasksKilled: region.killedTasks.length,
      tasksCutOff: region.killedTasks.filter(({ fate }) => fate === 'cut off').length,
      tasksDelayedSigterm: region.killedTasks.filter(({ fate }) => fate === 'delayed SIGTERM').length,
      requestsLost: region.ecs.requestsLost(),
      memoryReservation: { min: Math.min(...memory.map(({ percent }) => percent)), series: memory },
      drains: drainsOf(region, installed, events, startMs, rehearsal.variant?.foreignHooks),
      events,
      virtualSeconds: second(),
      wallSeconds: (performance.now() - wallStartMs) / 1000,
    };
  } finally {
    shut();
    close();
  }
}

/**
 * What became of each drain, in the order of their ends: of lifecycle actions by what the Region kept, of notices of EC2 by the
 * drainer's log. The billed seconds and the calls of an invocation are shared evenly among the instances that it was about.
 */
export function drainsOf(
  region: Region,
  installed: Installed,
  events: readonly DrillEvent[],
  startMs: number,
  foreignHooks: readonly string[] = [],
): DrainResult[] {
  const lastStop = new Map<string, number>();
  const killed = new Set<string>();
  for (const event of events) {
    if (event.kind === 'task' && event.status === 'STOPPED') lastStop.set(event.instanceId, event.second);
    if (event.kind === 'task' && event.killed) killed.add(event.instanceId);
  }
  const { outcomes, notices } = endsIn(events);
  const works = Map.groupBy(worksOf(installed), ({ instanceId }) => instanceId);
  const callsOfFiber = Map.groupBy(region.calls, ({ fiber }) => fiber);
  const costOf = (own: readonly Work[], heartbeats: number) => ({
    billedSeconds: round(own.reduce((sum, { billedSeconds, share = 1 }) => sum + billedSeconds * share, 0)),
    apiCalls: round(own.reduce((sum, { fiber, share = 1 }) => sum + (callsOfFiber.get(fiber)?.length ?? 0) * share, 0)),
    heartbeats,
    continuations: Math.max(0, own.length - 1),
  });

  const onNotices = notices.map(({ endSecond, ...end }) => {
    const all = works.get(end.instanceId) ?? [];
    const own = all.filter(({ startedAtMs = 0 }) => startedAtMs < startMs + endSecond * 1000);
    // What began later was for a drain of the lifecycle action.
    works.set(
      end.instanceId,
      all.filter((work) => !own.includes(work)),
    );
    return { endSecond, drain: { ...end, ...costOf(own, 0) } };
  });
  const held = endsOfHolds(region, foreignHooks).map((completion: Completion) => {
    const { instanceId, by, result, atMs, heldSinceMs, heartbeats, hook } = completion;
    const idleSinceMs = Math.max(heldSinceMs, startMs + (lastStop.get(instanceId) ?? 0) * 1000);
    // The drainer notices later that another hook has ended its drain.
    const unreported = foreignHooks.includes(hook) ? 'already-completed' : undefined;
    const drain = {
      instanceId,
      hook,
      outcome: outcomes.get(instanceId) ?? unreported ?? (by === 'timeout' ? 'left to the hook’s timeout' : result),
      seconds: (atMs - heldSinceMs) / 1000,
      slackSeconds: killed.has(instanceId) ? 0 : Math.max(0, atMs - idleSinceMs) / 1000,
      ...costOf(works.get(instanceId) ?? [], heartbeats),
    };
    return { endSecond: (atMs - startMs) / 1000, drain };
  });
  return [...onNotices, ...held].toSorted((a, b) => a.endSecond - b.endSecond).map(({ drain }) => drain);
}

/** Of the holds by the hooks that drainers know; a hook of others that ends with ABANDON ends them too (facts 19 hook-results). */
function endsOfHolds({ autoScaling }: Region, foreignHooks: readonly string[]): readonly Completion[] {
  const { completions } = autoScaling;
  const isForeign = ({ hook }: Completion) => foreignHooks.includes(hook);
  const ended = new Set(completions.flatMap((each) => (isForeign(each) ? [] : each.instanceId)));
  return completions.filter((each) => !isForeign(each) || (each.result === 'ABANDON' && !ended.has(each.instanceId)));
}

/** What the drainer reports of a drain on a notice of EC2, and when. */
interface NoticeEnd extends Pick<DrainResult, 'instanceId' | 'outcome' | 'seconds' | 'slackSeconds'> {
  readonly notice: string;
  readonly endSecond: number;
}

/** How drains ended in the drainer's own words: those of lifecycle actions by instance, and each on a notice of EC2. */
function endsIn(events: readonly DrillEvent[]) {
  const outcomes = new Map<string, string>();
  const notices = new Map<unknown, NoticeEnd>();
  for (const event of events) {
    if (event.kind !== 'log' || typeof event.line['outcome'] !== 'string' || '_aws' in event.line) continue;
    const { drainId, outcome, notice, durationSeconds, slackSeconds = 0 } = event.line;
    const instanceId = String(event.line['instanceId']);
    // A second delivery that comes too late says so; it has ended nothing.
    if (typeof notice !== 'string') {
      if (outcome !== 'already-completed' || !outcomes.has(instanceId)) outcomes.set(instanceId, outcome);
    } else if (!notices.has(drainId)) {
      const seconds = Number(durationSeconds);
      notices.set(drainId, {
        instanceId,
        outcome,
        notice,
        seconds,
        slackSeconds: Number(slackSeconds),
        endSecond: event.second,
      });
    }
  }
  return { outcomes, notices: [...notices.values()] };
}

function worksOf({ lambda, instancesOf, works = () => [] }: Installed): Work[] {
  const invocations = lambda?.invocations ?? [];
  return [
    ...invocations.flatMap((invocation) => {
      const instances = instancesOf(invocation);
      const { fiber, billedSeconds, startedAtMs } = invocation;
      const share = 1 / instances.length;
      return instances.map((instanceId) => ({ instanceId, fiber, billedSeconds, startedAtMs, share }));
    }),
    ...works(),
  ];
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
