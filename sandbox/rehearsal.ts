import type { Install, Installed } from './drainers/drainer.ts';
import { ecsDrain } from './drainers/ecs-drain.ts';
import { none } from './drainers/none.ts';
import { seed as book } from './drainers/seed.ts';
import { captureLogs } from './logs.ts';
import type { Completion } from './region/auto-scaling.ts';
import { sampleByTheMinute } from './region/cloudwatch.ts';
import { playGlobals } from './region/globals.ts';
import type { Happening } from './region/happenings.ts';
import { createRegion, type Region } from './region/region.ts';
import type { Drainer, DrainResult, DrillEvent, DrillResult } from './result.ts';
import { CLUSTER, SCENARIOS, type Scenario, type ScenarioName } from './scenarios.ts';

/** What to rehearse. */
export interface Rehearsal {
  readonly scenario: ScenarioName;
  readonly drainer: Drainer;
  readonly seed: number;
  /** Hears of everything as it happens. */
  readonly onEvent?: (event: DrillEvent) => void;
  /** Virtual seconds in one real second; as fast as the machine can if undefined. */
  readonly speed?: number | undefined;
}

const INSTALL: Readonly<Record<Drainer, Install>> = { 'ecs-drain': ecsDrain, none, seed: book };

const EPOCH_MS = Date.UTC(2026, 0, 1);
/** What every service needs to come up before the drill begins. */
const SETTLING_SECONDS = 900;
/** The drill is over when nothing has happened for so long. */
const QUIET_SECONDS = 900;

/** A Region with its cluster running and its drainer installed, in which nothing has happened yet. */
export interface Stage {
  readonly region: Region;
  readonly installed: Installed;
  /** Sets the scenario going. */
  begin(): void;
  /** Gives the process its own clock and streams back. */
  close(): void;
}

/** Sets the stage for a scenario: every service runs, and whoever drains is deployed. */
export async function stage(
  { scenario: name, drainer, seed }: Pick<Rehearsal, 'scenario' | 'drainer' | 'seed'>,
  onHappening: (happening: Happening) => void,
): Promise<Stage> {
  const scenario: Scenario = SCENARIOS[name];
  const region = createRegion({ startMs: EPOCH_MS, seed, onHappening });
  // What Lambda gives every function: where it is, and credentials.
  Object.assign(process.env, {
    AWS_REGION: 'eu-west-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
  });
  const stops = [
    playGlobals(region.time, region.random.fork('globals')),
    captureLogs((line) => region.tell({ kind: 'log', line })),
  ];
  const close = () => {
    for (const stop of stops) stop();
  };
  try {
    region.ecs.createCluster(CLUSTER);
    const instanceIds = region.autoScaling.createGroup(scenario.group, { running: true });
    for (const service of scenario.services) region.ecs.createService(service);
    region.time.after(SETTLING_SECONDS, () => {});
    await region.time.runUntil(() => region.time.nowMs() >= EPOCH_MS + SETTLING_SECONDS * 1000);
    const installed = await INSTALL[drainer](region, scenario);
    const begin = () => {
      for (const { on, ...job } of scenario.jobs) {
        region.ecs.runTask({ ...job, cluster: CLUSTER, ec2InstanceId: instanceIds[on] ?? '' });
      }
      scenario.begin(region, instanceIds);
    };
    return { region, installed, begin, close };
  } catch (error) {
    close();
    throw error;
  }
}

/** Runs one drill in virtual time. The same rehearsal gives the same result, but for the seconds of the wall clock. */
export async function rehearse({ scenario, drainer, seed, onEvent, speed }: Rehearsal): Promise<DrillResult> {
  const events: DrillEvent[] = [];
  let startMs = Number.POSITIVE_INFINITY;
  let lastChangeMs = 0;

  const onHappening = ({ atMs, ...what }: Happening) => {
    if (atMs < startMs) return;
    if (!['log', 'invocation', 'event'].includes(what.kind)) lastChangeMs = atMs;
    const event = { second: (atMs - startMs) / 1000, ...what } as DrillEvent;
    events.push(event);
    onEvent?.(event);
  };
  const { region, installed, begin, close } = await stage({ scenario, drainer, seed }, onHappening);
  try {
    const wallStartMs = performance.now();
    startMs = region.time.nowMs();
    lastChangeMs = startMs;
    const quiet = () =>
      region.autoScaling.pendingActions().length === 0 && region.time.nowMs() - lastChangeMs > QUIET_SECONDS * 1000;
    const series = sampleByTheMinute(region.time, () => region.ecs.reservation(CLUSTER).memoryPercent);
    begin();
    await region.time.runUntil(quiet, speed);

    const memory = series.map(({ minute, value }) => ({ minute, percent: Math.round(value * 10) / 10 }));
    return {
      scenario,
      seed,
      drainer,
      instancesTerminated: region.terminated.size,
      tasksKilled: region.killedTasks.length,
      requestsLost: region.ecs.requestsLost(),
      memoryReservation: { min: Math.min(...memory.map(({ percent }) => percent)), series: memory },
      drains: drainsOf(region, installed, events, startMs),
      events,
      virtualSeconds: (region.time.nowMs() - startMs) / 1000,
      wallSeconds: (performance.now() - wallStartMs) / 1000,
    };
  } finally {
    close();
  }
}

function drainsOf(
  region: Region,
  { lambda, instanceOf }: Installed,
  events: readonly DrillEvent[],
  startMs: number,
): DrainResult[] {
  const lastStop = new Map<string, number>();
  const killed = new Set<string>();
  const outcomes = new Map<string, string>();
  for (const event of events) {
    if (event.kind === 'task' && event.status === 'STOPPED') lastStop.set(event.instanceId, event.second);
    if (event.kind === 'task' && event.killed) killed.add(event.instanceId);
    if (event.kind === 'log' && typeof event.line['outcome'] === 'string' && !('_aws' in event.line)) {
      outcomes.set(String(event.line['instanceId']), event.line['outcome']);
    }
  }
  const invocations = Map.groupBy(lambda?.invocations ?? [], ({ event }) => instanceOf(event));
  const callsOfStrand = Map.groupBy(region.calls, ({ strand }) => strand);

  return region.autoScaling.completions.map((completion: Completion) => {
    const { instanceId, by, result, atMs, heldSinceMs, heartbeats } = completion;
    const own = invocations.get(instanceId) ?? [];
    const idleSinceMs = Math.max(heldSinceMs, startMs + (lastStop.get(instanceId) ?? 0) * 1000);
    return {
      instanceId,
      outcome: outcomes.get(instanceId) ?? (by === 'timeout' ? 'left to the hook’s timeout' : result),
      seconds: (atMs - heldSinceMs) / 1000,
      slackSeconds: killed.has(instanceId) ? 0 : Math.max(0, atMs - idleSinceMs) / 1000,
      billedSeconds: round(own.reduce((sum, { billedSeconds }) => sum + billedSeconds, 0)),
      apiCalls: own.reduce((sum, { strand }) => sum + (callsOfStrand.get(strand)?.length ?? 0), 0),
      heartbeats,
      continuations: Math.max(0, own.length - 1),
    };
  });
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
