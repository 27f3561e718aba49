import type { SQSRecord } from 'aws-lambda';
import { CONTINUATION_DETAIL_TYPE } from '../../src/adapters/continuation.ts';
import { type Drain, instanceIdOf, MANAGED_DRAINING_HOOK } from '../../src/domain/drain.ts';
import type { OperatorRequest } from '../../src/domain/operator.ts';
import { createDrainHandler } from '../../src/handlers/drain-handler.ts';
import { variableOf } from '../../src/handlers/settings.ts';
import type { Installed } from '../drainers/drainer.ts';
import { type Build, installedFrom, packagedOnce } from '../drainers/ecs-drain.ts';
import { type Deployment, deploymentIn } from '../packaging.ts';
import type { Invocation } from '../region/lambda/model.ts';
import type { Call, Region } from '../region/region.ts';
import { stage } from '../rehearsal.ts';
import type { DrillEvent } from '../result.ts';
import { CLUSTER, GROUP, type Params } from '../scenarios.ts';
import { drainedByHandIn, scenarioOf, type World } from './world.ts';

/** A task that had not stopped when its instance was let go. */
export interface Victim {
  readonly group: string;
  readonly status: string;
  readonly placedAt: number;
  /** When the registration was made that it is on. */
  readonly registeredAt: number;
  /** Since when its agent had been silent, except for moments, and when ECS heard it again; undefined if it never did. */
  readonly silence: { readonly since: number; readonly heardAt: number | undefined } | undefined;
}

/** One lifecycle action, from the hold to its end. Instants are seconds of the drill. */
export interface Held {
  readonly instanceId: string;
  readonly since: number;
  /** When it began, and each heartbeat. */
  readonly beats: number[];
  until: number | undefined;
  /** Us, Auto Scaling's own decision, EC2 or a termination, which took the instance, or someone who deleted the hook or the group. */
  endedBy: 'completion' | 'timeout' | 'loss' | 'deletion' | undefined;
  victims: readonly Victim[];
  /** Since when nothing has held it; undefined while a task does. */
  emptySince: number | undefined;
  /**
   * When the last look at it began before the invocation that completed the action did so: when ECS was asked for all the
   * registrations of its instance. Undefined if it did not look.
   */
  lookedAt: number | undefined;
  /** What its drain said when it ended, and each further delivery of it. */
  readonly outcomes: string[];
  /** How many tasks it reported as seen last, where it does not know what became of them. */
  lastSeenTasks: number | undefined;
  /** Tasks that were ever on the instance. */
  tasks: number;
  /** The most schedules that waited for it at the same time. */
  places: number;
}

/** What the function did for one drain in one invocation. */
export interface Work {
  readonly from: number;
  readonly until: number;
  readonly about: string | undefined;
  /** `parked`, `finished`, …; `failed` too if the invocation died; `nothing` where it says nothing of the drain. */
  readonly result: string;
}

/** What an operator asked of a drain. */
export interface Asked {
  readonly instanceId: string;
  /** When the invocation began that took the request. */
  readonly from: number;
  /** The deadline, counted from then; undefined if there is only a note. */
  readonly deadlineSeconds: number | undefined;
  /** Whether the function answered that the drain has it; it may have it otherwise too. */
  readonly isDone: boolean;
}

/** A registration of an instance that is InService. */
export interface Serving {
  readonly instanceId: string;
  readonly status: string;
  readonly agentConnected: boolean;
  readonly drainedByHand: boolean;
}

/** All that is known of a world that was played. */
export interface Played {
  readonly world: World;
  readonly held: readonly Held[];
  readonly works: readonly Work[];
  readonly asked: readonly Asked[];
  /** The function's own. */
  readonly calls: readonly Call[];
  /** When it asked Auto Scaling to complete an action. */
  readonly completionsAt: readonly number[];
  readonly failedCalls: number;
  /** Awaits of the function: places where it may die. */
  readonly stoppedTasks: number;
  /** Tasks that stopped on instances that nothing held, and that a person had set to DRAINING. */
  readonly tasksDrainedByHand: number;
  /** When events were lost, and how many befell what else; a message that was deleted and came again is a duplicate. */
  readonly deliveries: {
    readonly lostAt: readonly number[];
    /** Copies of events, and messages that came again. */
    readonly duplicatedAt: readonly number[];
    readonly delayed: number;
  };
  /** How many continuations reached the bus or the queue, by the whole epoch millisecond. */
  readonly continuedAtMs: ReadonlyMap<number, number>;
  /** Names of the schedules that are still to come when all is over. */
  readonly schedulesLeft: readonly string[];
  /** The registrations of instances that are InService when all is over. */
  readonly serving: readonly Serving[];
  readonly seconds: number;
}

/** An agent that is heard for less than this may not have been seen: no one looks all the time. */
const HEARD_SECONDS = 240;
/** How long nothing may be held before a world is over: late deliveries and Lambda's retries come in that time. */
const AFTERMATH_SECONDS = 300;
export const LONGEST_WORLD_SECONDS = 6_000;

/** Plays a world, with the function from its source; `build` puts another in its place. */
export async function play(world: World, build: Build = fromSource): Promise<Played> {
  const { region, installed, begin, close } = await stage(
    {
      scenario: 'world',
      variant: scenarioOf(world),
      drainer: 'ecs-drain',
      seed: world.seed,
      install: installedFrom(build),
    },
    (event) => witness.see(event),
  );
  const witness = witnessOf(region);
  try {
    const callsBefore = region.calls.length;
    const startMs = region.time.nowMs();
    const second = () => (region.time.nowMs() - startMs) / 1000;
    const isBusy = () =>
      region.autoScaling.pendingActions().length > 0 ||
      region.scheduler.pending().size > 0 ||
      isRebooting(region) ||
      servingIn(region).some(isOwed);
    const begun = [...world.terminations, world.staying, world.drainedByHand];
    let busyAt = Math.max(...begun.map((each) => each?.atSecond ?? 0));
    begin();
    await region.time.runUntil(() => {
      if (isBusy()) busyAt = Math.max(busyAt, second());
      witness.countPlaces();
      return second() > busyAt + AFTERMATH_SECONDS || second() > LONGEST_WORLD_SECONDS;
    });
    const calls = region.calls.slice(callsBefore).filter(({ fiber }) => fiber !== undefined);
    const { held, deliveries, continuedAtMs, stoppedTasks, tasksDrainedByHand } = witness.told;
    const invocations = installed.lambda?.invocations ?? [];
    deliveries.duplicatedAt.push(...repeatsIn(invocations, startMs));
    for (const atMs of sentContinuations(invocations)) countUp(continuedAtMs, atMs);
    const clusters = world.searchesEmptyCluster ? 2 : 1;
    const { hookDeletedAtSecond, groupDeletedAtSecond } = world;
    for (const action of held) {
      if (action.until === undefined) continue;
      if ([hookDeletedAtSecond, groupDeletedAtSecond].includes(action.until)) action.endedBy = 'deletion';
    }
    for (const action of held) action.lookedAt = lookBefore(action, calls, clusters, startMs);
    return {
      world,
      held,
      deliveries,
      continuedAtMs,
      stoppedTasks,
      tasksDrainedByHand,
      works: invocations.flatMap((each) => worksOf(each, installed, startMs)),
      asked: invocations.flatMap((each) => askedIn(each, startMs)),
      calls,
      completionsAt: calls.flatMap(({ operation, atMs }) =>
        operation === 'CompleteLifecycleAction' ? [(atMs - startMs) / 1000] : [],
      ),
      failedCalls: calls.filter(({ failedWith }) => failedWith !== undefined).length,
      schedulesLeft: [...region.scheduler.pending().keys()],
      serving: servingIn(region),
      seconds: second(),
    };
  } finally {
    close();
  }
}

function instancesIn(autoScaling: Region['autoScaling']) {
  return autoScaling.hasGroup(GROUP) ? autoScaling.instancesOf(GROUP) : [];
}

/** Whether an instance is on its way back to service. */
function isRebooting({ autoScaling }: Region): boolean {
  return instancesIn(autoScaling).some(({ state }) => /^(ReplacingRootVolume|RootVolumeReplaced)/.test(state));
}

function servingIn(region: Region): Serving[] {
  const byHand = drainedByHandIn(region);
  const inService = instancesIn(region.autoScaling).filter(({ state }) => state === 'InService');
  return inService.flatMap(({ instanceId }) =>
    region.ecs
      .registrationsOf(instanceId)
      .map(({ id, status, agentConnected }) => ({ instanceId, status, agentConnected, drainedByHand: byHand.has(id) })),
  );
}

function isDrainedByHand(region: Region, instanceId: string): boolean {
  const byHand = drainedByHandIn(region);
  return region.ecs.registrationsOf(instanceId).some(({ id }) => byHand.has(id));
}

/** Whether it serves nothing though it could, and no person wanted that. */
export function isOwed({ status, agentConnected, drainedByHand }: Serving): boolean {
  return status === 'DRAINING' && agentConnected && !drainedByHand;
}

/** When the look began that the completing invocation went by. */
function lookBefore({ endedBy, until }: Held, calls: readonly Call[], clusters: number, startMs: number) {
  if (endedBy !== 'completion') return undefined;
  const secondOf = ({ atMs }: Call) => (atMs - startMs) / 1000;
  const completing = calls.findIndex(
    (call) => call.operation === 'CompleteLifecycleAction' && secondOf(call) === until,
  );
  const { fiber } = calls[completing] ?? {};
  const searches = calls
    .slice(0, completing)
    .filter((call) => call.fiber === fiber && call.operation === 'ListContainerInstances' && !call.failedWith);
  const first = searches.at(-clusters); // It searches them side by side.
  return first && secondOf(first);
}

/** What an invocation did for each of its drains; for none, where it had none, such as most sweeps. */
function worksOf({ startedAtMs, ...invocation }: Invocation, installed: Installed, startMs: number): Work[] {
  const { fiber, billedSeconds, error } = invocation;
  const from = (startedAtMs - startMs) / 1000;
  const until = from + billedSeconds;
  const results = installed.resultsOf?.(fiber);
  const instances = installed.instancesOf(invocation);
  return (instances.length > 0 ? instances : [undefined]).map((about) => {
    const result = results?.get(about ?? '') ?? 'nothing';
    return { from, until, about, result: error === undefined ? result : 'failed' };
  });
}

function askedIn({ event, result, error, startedAtMs }: Invocation, startMs: number): Asked[] {
  const { request } = event as { readonly request?: OperatorRequest };
  if (!request) return [];
  const { instanceId, deadlineSeconds } = request;
  const isDone = error === undefined && (result as { readonly kind: string }).kind !== 'refused';
  return [{ instanceId, from: (startedAtMs - startMs) / 1000, deadlineSeconds, isDone }];
}

/** At which seconds a message came again that an invocation had dealt with. */
function repeatsIn(invocations: readonly Invocation[], startMs: number): number[] {
  const done = new Set<string>();
  const repeats: number[] = [];
  for (const { event, result, error, startedAtMs } of invocations) {
    const { Records = [] } = event as { readonly Records?: readonly { readonly messageId: string }[] };
    const failures = (result as { readonly batchItemFailures?: readonly { itemIdentifier: string }[] } | undefined)
      ?.batchItemFailures;
    const failed = new Set(failures?.map(({ itemIdentifier }) => itemIdentifier));
    for (const { messageId } of Records) {
      if (done.has(messageId)) repeats.push((startedAtMs - startMs) / 1000);
      if (error === undefined && !failed.has(messageId)) done.add(messageId);
    }
  }
  return repeats;
}

/** When the continuations were sent that the function or a schedule put on the queue itself: they have no envelope. */
function sentContinuations(invocations: readonly Invocation[]): number[] {
  const records = invocations.flatMap(
    ({ event }) => (event as { readonly Records?: readonly SQSRecord[] }).Records ?? [],
  );
  const messages = new Map(records.map((record) => [record.messageId, record]));
  return [...messages.values()]
    .filter(({ body }) => 'drain' in JSON.parse(body))
    .map(({ attributes }) => Number(attributes.SentTimestamp));
}

function countUp(counts: Map<number, number>, atMs: number): void {
  const wholeMs = Math.floor(atMs);
  counts.set(wholeMs, (counts.get(wholeMs) ?? 0) + 1);
}

/** Sees what happens at the moment it does: the Region reports a completion before it takes the instance. */
function witnessOf(region: Region) {
  const held: Held[] = [];
  const holding = new Map<string, Held>();
  const silences = new Map<string, { since: number; heardAt: number | undefined }>();
  const deliveries = { lostAt: [] as number[], duplicatedAt: [] as number[], delayed: 0 };
  const continuedAtMs = new Map<number, number>();
  const tasksOf = new Map<string, Set<string>>();
  let stoppedTasks = 0;
  let tasksDrainedByHand = 0;

  const end = (instanceId: string, endedBy: Held['endedBy'], second: number) => {
    const action = holding.get(instanceId);
    if (!action) return;
    holding.delete(instanceId);
    action.until = second;
    action.endedBy = endedBy;
    action.tasks = tasksOf.get(instanceId)?.size ?? 0;
    const secondOf = (atMs: number) => second - (region.time.nowMs() - atMs) / 1000;
    action.victims = region.ecs.registrationsOf(instanceId).flatMap(({ id, holding: tasks, registeredAtMs }) =>
      [...tasks].map(({ group, lastStatus: status, createdAtMs }) => ({
        group,
        status,
        placedAt: secondOf(createdAtMs),
        registeredAt: secondOf(registeredAtMs),
        silence: silences.get(id),
      })),
    );
  };
  const noteEmptiness = (instanceId: string, second: number) => {
    const action = holding.get(instanceId);
    if (!action) return;
    const isEmpty = region.ecs
      .registrationsOf(instanceId)
      .every(({ holding: tasks }) => [...tasks].every(({ lastStatus }) => lastStatus === 'STOPPED'));
    action.emptySince = isEmpty ? (action.emptySince ?? second) : undefined;
  };
  const noteAgents = (instanceId: string, second: number) => {
    for (const { id, agentConnected } of region.ecs.registrationsOf(instanceId)) {
      const known = silences.get(id);
      if (!agentConnected) {
        const goesOn = known && (known.heardAt === undefined || second - known.heardAt < HEARD_SECONDS);
        silences.set(id, { since: goesOn ? known.since : second, heardAt: undefined });
      } else if (known && known.heardAt === undefined) silences.set(id, { ...known, heardAt: second });
    }
  };

  const see = (event: DrillEvent) => {
    const { second } = event;
    switch (event.kind) {
      case 'lifecycle': {
        const { instanceId, what } = event;
        if (what === 'held') {
          const action: Held = {
            instanceId,
            since: second,
            beats: [second],
            until: undefined,
            endedBy: undefined,
            victims: [],
            emptySince: undefined,
            lookedAt: undefined,
            outcomes: [],
            lastSeenTasks: undefined,
            tasks: 0,
            places: 0,
          };
          held.push(action);
          holding.set(instanceId, action);
          noteEmptiness(instanceId, second);
        } else if (what === 'heartbeat') holding.get(instanceId)?.beats.push(second);
        else end(instanceId, what === 'completed' ? 'completion' : 'timeout', second);
        return;
      }
      case 'instance':
        if (event.state === 'Terminated') end(event.instanceId, 'loss', second);
        return;
      case 'container-instance':
        noteAgents(event.instanceId, second);
        return;
      case 'task': {
        const tasks = tasksOf.get(event.instanceId) ?? new Set();
        tasksOf.set(event.instanceId, tasks.add(event.taskId));
        if (event.status === 'STOPPED') {
          stoppedTasks += 1;
          if (!holding.has(event.instanceId) && isDrainedByHand(region, event.instanceId)) tasksDrainedByHand += 1;
        }
        noteEmptiness(event.instanceId, second);
        return;
      }
      case 'event':
        if (event.fate === 'lost') deliveries.lostAt.push(second);
        else if (event.fate === 'duplicated') deliveries.duplicatedAt.push(second);
        else if (event.fate) deliveries[event.fate] += 1;
        if (event.detailType === CONTINUATION_DETAIL_TYPE && event.fate !== 'lost')
          countUp(continuedAtMs, region.time.nowMs());
        return;
      case 'log': {
        const { outcome, instanceId, lastSeenTasks } = event.line;
        if (typeof outcome !== 'string' || '_aws' in event.line) return;
        const action = held.findLast((each) => each.instanceId === instanceId);
        if (!action) return;
        action.outcomes.push(outcome);
        if (Array.isArray(lastSeenTasks)) action.lastSeenTasks = lastSeenTasks.length;
        return;
      }
    }
  };
  /** Whose drain a schedule continues, by its input: most schedules are there for many looks. */
  const instanceOf = new Map<string, string>();
  const instanceIn = (input: string) => {
    const known = instanceOf.get(input);
    if (known !== undefined) return known;
    const { drain }: { readonly drain: Drain } = JSON.parse(input);
    instanceOf.set(input, instanceIdOf(drain));
    return instanceIdOf(drain);
  };
  const countPlaces = () => {
    if (holding.size === 0) return;
    const instances = [...region.scheduler.pending().values()].map(instanceIn);
    for (const [instanceId, action] of holding) {
      const own = instances.filter((each) => each === instanceId);
      action.places = Math.max(action.places, own.length);
    }
  };
  return {
    see,
    countPlaces,
    get told() {
      return { held, deliveries, continuedAtMs, stoppedTasks, tasksDrainedByHand };
    },
  };
}

/** The rules and the rest of a package, which is made once, with the code as it is here and the settings of the world. */
export const fromSource: Build = async ({ waiting = 'park', ...params }) => {
  const packaged = await packagedFor(waiting, params['rebalanceRecommendations'] === 'true');
  const deployment = inClusters(asWatching(packaged, params), params);
  const environment = { ...deployment.environment };
  for (const [name, value] of Object.entries(params)) environment[variableOf(name)] = String(value);
  const { heartbeatTimeoutSeconds, functionTimeoutSeconds } = params;
  const timeoutSeconds = Number(functionTimeoutSeconds ?? deployment.lambda.timeoutSeconds);
  return {
    createDrainHandler,
    deployment: {
      ...deployment,
      environment,
      lambda: { ...deployment.lambda, timeoutSeconds },
      // As the template has it, of the one queue that is read.
      queues: deployment.queues.map((queue) =>
        deployment.mappings.some(({ queueArn }) => queueArn === queue.arn)
          ? { ...queue, visibilityTimeoutSeconds: timeoutSeconds }
          : queue,
      ),
      hooks: deployment.hooks.map((hook) => ({
        ...hook,
        heartbeatTimeoutSeconds: Number(heartbeatTimeoutSeconds ?? hook.heartbeatTimeoutSeconds),
      })),
    },
  };
};

/** The package that watches ECS managed draining differs in its hooks: it creates none, and hears of ECS's own as well. */
function asWatching(deployment: Deployment, { superviseManagedDraining }: Params): Deployment {
  if (superviseManagedDraining !== 'true') return deployment;
  const rules = deployment.rules.map((rule) => {
    const { detail } = rule.pattern as { readonly detail?: { readonly LifecycleHookName?: readonly string[] } };
    if (!detail?.LifecycleHookName) return rule;
    const LifecycleHookName = [...detail.LifecycleHookName, MANAGED_DRAINING_HOOK];
    return { ...rule, pattern: { ...rule.pattern, detail: { ...detail, LifecycleHookName } } };
  });
  return { ...deployment, rules, hooks: [] };
}

/** The package hears of every cluster that the world has, though it was made for one. */
function inClusters(deployment: Deployment, { cluster = CLUSTER }: Params): Deployment {
  const rules = deployment.rules.map((rule) => {
    const { detail } = rule.pattern as { readonly detail?: { readonly clusterArn?: readonly string[] } };
    if (!detail?.clusterArn) return rule;
    const names = String(cluster).split(',');
    const clusterArn = names.flatMap((name) => detail.clusterArn?.map((arn) => arn.replace(/[^/]+$/, name)) ?? []);
    return { ...rule, pattern: { ...rule.pattern, detail: { ...detail, clusterArn } } };
  });
  return { ...deployment, rules };
}

/** What does not say how a drain waits parks it, and is the package of most scenarios. */
async function packagedFor(waiting: string | number, hasNotices: boolean) {
  const other = {
    ...(waiting !== 'park' && { waiting }),
    ...(hasNotices && { rebalanceRecommendations: 'true' }), // for its rule
  };
  return deploymentIn(await packagedOnce({ cluster: CLUSTER, autoScalingGroups: GROUP, ...other }));
}
