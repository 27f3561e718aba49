import { VirtualTime } from '../sandbox/region/time/virtual-time.ts';
import { type Diagnostics, NO_DIAGNOSTICS } from '../src/domain/diagnose.ts';
import {
  type Drain,
  type HookLimits,
  instanceIdOf,
  isSameDrain,
  type LifecycleAction,
  type LifecycleHook,
  type LifecycleResult,
  MANAGED_DRAINING_HOOK,
  type Outcome,
} from '../src/domain/drain.ts';
import type { Result } from '../src/domain/evolve.ts';
import { choiceOf, groupNamed } from '../src/domain/groups.ts';
import type { Arrival } from '../src/domain/load.ts';
import { findLostDrains, type SweepScope, type Swept } from '../src/domain/lost-drains.ts';
import type { Mark, Returned } from '../src/domain/mark.ts';
import type { ContainerInstance, ContainerInstanceStatus, HoldingTask, Task } from '../src/domain/observation.ts';
import type { Policy } from '../src/domain/policy.ts';
import {
  ClusterMissing,
  type DrainEvent,
  errorOf,
  type Ports,
  type TelemetryEntry,
  Unavailable,
} from '../src/domain/ports.ts';
import { type ReturnSweep, returnToService } from '../src/domain/return-to-service.ts';
import { runRound } from '../src/domain/round.ts';
import {
  containerInstanceOf,
  drainOf,
  HOOK,
  holdingTaskOf,
  INSTANCE_ID,
  POLICY,
  START_MS,
  supervisedDrainOf,
} from './domain/samples.ts';

export { START_MS };

/** A task in the fake world: it holds its instance until `stopsAtSeconds` after the start. */
export interface FakeTask {
  readonly id: string;
  readonly stopsAtSeconds: number;
  /** When ECS begins to list it; 0 by default. */
  readonly listedAtSeconds?: number;
  /** When it leaves the running count for DEACTIVATING; never by default. */
  readonly deactivatesAtSeconds?: number;
  readonly class?: HoldingTask['class'];
  readonly stopTimeoutSeconds?: number;
  /** Its registration; the first by default. */
  readonly on?: string;
}

/** A registration in the fake world. */
export interface FakeInstance {
  readonly id: string;
  readonly ec2InstanceId?: string;
  readonly cluster?: string;
  readonly status?: ContainerInstanceStatus;
  /** When a REGISTERING one becomes ACTIVE. */
  readonly activeAtSeconds?: number;
  /** When ECS begins to list it; 0 by default. */
  readonly comesAtSeconds?: number;
  readonly goneAtSeconds?: number;
  /** Spans of seconds in which an operator has it ACTIVE, and sets it to DRAINING at their end. */
  readonly activeSpans?: readonly (readonly [number, number])[];
  /** Our mark on it, from before. */
  readonly mark?: Mark;
  /** Spans of seconds in which its agent is silent. */
  readonly silences?: readonly (readonly [number, number])[];
}

/** What Auto Scaling holds. */
export interface FakeHold {
  readonly instanceId: string;
  readonly autoScalingGroup?: string;
  readonly lifecycleHook?: string;
  /** When someone else completes the action. */
  readonly completedAtSeconds?: number;
}

/** What fails together. */
export type ApiGroup = 'ecs-reads' | 'ecs-changes' | 'diagnostics' | 'auto-scaling' | 'scheduler' | 'queue' | 'bus';

/** The fake world; all instants in seconds after the start. */
export interface World {
  readonly instances?: readonly FakeInstance[];
  readonly tasks?: readonly FakeTask[];
  readonly hook?: HookLimits;
  /** The terminating hooks of every group: `ecs-drain` by default. */
  readonly hooks?: readonly Partial<LifecycleHook>[];
  /** One hold of `ecs-drain` for each EC2 instance by default. */
  readonly holds?: readonly FakeHold[];
  readonly missingClusters?: readonly string[];
  /** The lifecycle state of an instance that nothing holds: InService by default; undefined if it is in no group. */
  readonly lifecycleState?: (instanceId: string, seconds: number) => string | undefined;
  /** Whether instances that the groups scale in may return to a warm pool: such groups hold nothing for us. */
  readonly returnsToWarmPool?: boolean;
  /** Spans in which a port throws Unavailable; another error, if it is denied. */
  readonly outages?: readonly { readonly of: ApiGroup; readonly span: readonly [number, number]; denied?: boolean }[];
  /** An error for single calls. */
  readonly fault?: (call: Call) => Error | undefined;
  /** The invocation ends without a trace after these calls, counted from 1. */
  readonly crashes?: readonly number[];
  /** How old ECS's answers about tasks are. */
  readonly lagSeconds?: number;
  readonly callSeconds?: number | ((of: ApiGroup, atSeconds: number) => number);
  readonly diagnostics?: Diagnostics;
  /** How late a schedule fires. */
  readonly lateSeconds?: number;
  /** Which ECS events arrive. */
  readonly events?: 'all' | 'task-stops' | 'none';
  /** Deliveries that come a second time, so many seconds after the first. */
  readonly again?: readonly { readonly nth: number; readonly afterSeconds: number }[];
  /** What is drawn, over and over. */
  readonly random?: readonly number[];
}

/** One call of a port. */
export interface Call {
  readonly name: string;
  readonly args: readonly unknown[];
  readonly atSeconds: number;
}

/** One batch of the queue, and what its round came to. */
export interface Invocation {
  readonly atSeconds: number;
  readonly calls: string[];
  readonly results: Result[];
  crashed: boolean;
}

interface Message {
  readonly arrivals: (ports: Ports) => Arrival[] | Promise<Arrival[]>;
  receives: number;
}

interface FakeSchedule {
  readonly drain: Drain;
  readonly firesAtMs: number;
  readonly writtenAtMs: number;
  hasFired: boolean;
}

/** A run that calls ports more often than this never ends. */
const MOST_CALLS = 100_000;

const BUS_SECONDS = 0.5;
const VISIBILITY_SECONDS = 60;
const MAX_RECEIVES = 5;

/** What the sweep of tests looks at. */
export const SCOPE: SweepScope = {
  autoScalingGroups: [groupNamed('web'), groupNamed('batch')],
  lifecycleHooks: ['ecs-drain', 'another-of-ours'],
  superviseManagedDraining: true,
  readMetadata: () => ({}),
  attended: new Set(),
};

interface Options {
  readonly policy?: Policy;
  readonly invocationSeconds?: number;
  /** The ports of the round in place of the fakes. */
  readonly ports?: (ports: Ports) => Ports;
}

/**
 * A small AWS in virtual time: ECS, Auto Scaling, EventBridge, its Scheduler and the queue. Time passes between invocations.
 * Hooks time out as the real ones do; the test judges what that does to the tasks.
 */
export function fakeAws(world: World = {}) {
  const { instances = [{ id: 'one' }], tasks = [], hook = HOOK, lagSeconds = 0, events = 'all' } = world;
  const time = new VirtualTime(START_MS);
  const now = () => (time.nowMs() - START_MS) / 1000;
  const within = ([from, to]: readonly [number, number]) => now() >= from && now() < to;

  const calls: Call[] = [];
  const invocations: Invocation[] = [];
  const published: { drain: Drain; event: DrainEvent; atSeconds: number }[] = [];
  const telemetry: { drain: Drain; entry: TelemetryEntry; atSeconds: number }[] = [];
  const deadLetters: Message[] = [];

  const returns: { returned: Returned; unpublished?: string | undefined; atSeconds: number }[] = [];
  const publishedReturns: Returned[] = [];

  // ECS
  const marks = new Map(instances.flatMap(({ id, mark }) => (mark ? [[id, mark] as const] : [])));
  const draining = new Set(instances.filter(({ status }) => status === 'DRAINING').map(({ id }) => id));
  const stopAskedAtSeconds = new Map<string, number>();
  const arnOf = (id: string) => containerInstanceOf().arn.replace('one', id);
  const clusterOf = ({ cluster = 'prod' }: FakeInstance) => cluster;
  const ec2Of = ({ ec2InstanceId = INSTANCE_ID }: FakeInstance) => ec2InstanceId;
  const hostOf = ({ on = instances[0]?.id }: FakeTask) => on ?? '';
  const registered = () =>
    instances.filter(({ comesAtSeconds = 0, goneAtSeconds = Infinity }) => within([comesAtSeconds, goneAtSeconds]));
  const stopsAt = (task: FakeTask) => {
    const asked = stopAskedAtSeconds.get(task.id) ?? Infinity;
    return Math.min(task.stopsAtSeconds, asked + (task.stopTimeoutSeconds ?? 30));
  };
  const isLeaving = (task: FakeTask, seconds: number) =>
    seconds >= (task.deactivatesAtSeconds ?? Infinity) || stopAskedAtSeconds.has(task.id);
  const statusOf = (instance: FakeInstance): ContainerInstanceStatus => {
    if (instance.activeSpans?.some(within)) return 'ACTIVE';
    if (draining.has(instance.id) || instance.activeSpans?.some(([, end]) => now() >= end)) return 'DRAINING';
    if (instance.status === 'DRAINING') return 'ACTIVE';
    const isActive = instance.status === 'REGISTERING' && now() >= (instance.activeAtSeconds ?? Infinity);
    return isActive ? 'ACTIVE' : (instance.status ?? 'ACTIVE');
  };
  const listed = () => tasks.filter(({ listedAtSeconds = 0 }) => now() >= listedAtSeconds);
  const described = (instance: FakeInstance, seconds = now() - lagSeconds): ContainerInstance => ({
    arn: arnOf(instance.id),
    cluster: clusterOf(instance),
    ec2InstanceId: ec2Of(instance),
    status: statusOf(instance),
    registeredAtMs: START_MS + (instance.comesAtSeconds ?? 0) * 1000,
    agentConnected: !(instance.silences ?? []).some(within),
    countedTasks: listed().filter(
      (task) => hostOf(task) === instance.id && seconds < stopsAt(task) && !isLeaving(task, seconds),
    ).length,
    isEmpty: tasks.every((task) => hostOf(task) !== instance.id || seconds >= stopsAt(task)),
  });
  const seen = (task: FakeTask): Task => {
    const seconds = now() - lagSeconds;
    const containerInstanceArn = arnOf(hostOf(task));
    if (seconds >= stopsAt(task)) {
      return { kind: 'stopped', arn: task.id, containerInstanceArn, stoppedAtMs: START_MS + stopsAt(task) * 1000 };
    }
    return holdingTaskOf({
      arn: task.id,
      cluster: clusterOf(instances.find(({ id }) => id === hostOf(task)) ?? { id: '' }),
      containerInstanceArn,
      class: task.class ?? 'service',
      lastStatus: !isLeaving(task, seconds) ? 'RUNNING' : seconds < stopsAt(task) - 10 ? 'DEACTIVATING' : 'STOPPING',
      stopRequested: isLeaving(task, seconds),
      stopTimeoutSeconds: task.stopTimeoutSeconds ?? 30,
    });
  };
  const holdingOn = (instanceId: string) =>
    tasks.filter((task) => {
      const host = instances.find(({ id }) => id === hostOf(task));
      return host && ec2Of(host) === instanceId && now() < stopsAt(task);
    });

  // Auto Scaling
  const ids = [...new Set(instances.map(ec2Of))];
  const holds = (world.holds ?? (ids.length > 0 ? ids : [INSTANCE_ID]).map((instanceId) => ({ instanceId }))).map(
    ({ autoScalingGroup = 'web', lifecycleHook = 'ecs-drain', ...rest }: FakeHold) => ({
      ...rest,
      autoScalingGroup,
      lifecycleHook,
      token: `token of ${rest.instanceId} on ${lifecycleHook}`,
      heldSinceSeconds: 0,
      completion: undefined as undefined | { atSeconds: number; result: LifecycleResult; holding: readonly string[] },
    }),
  );
  type Hold = (typeof holds)[number];
  const isPending = ({ completion, completedAtSeconds = Infinity, heldSinceSeconds, lifecycleHook }: Hold) => {
    // ECS keeps its own hook open.
    const unbeatenSeconds = lifecycleHook === MANAGED_DRAINING_HOOK ? Infinity : hook.heartbeatTimeoutSeconds;
    const endsAtSeconds = Math.min(heldSinceSeconds + unbeatenSeconds, hook.globalTimeoutSeconds);
    return !completion && now() < Math.min(completedAtSeconds, endsAtSeconds);
  };
  const holdOf = (action: LifecycleAction) =>
    holds.find(
      (hold) =>
        hold.instanceId === action.instanceId &&
        hold.autoScalingGroup === action.autoScalingGroup &&
        hold.lifecycleHook === action.lifecycleHook &&
        isPending(hold),
    );

  // EventBridge and the queue
  const schedules = new Map<string, FakeSchedule>();
  let batch: Message[] = [];
  let options: Options = {};
  let deliveries = 0;
  const send = (message: Message, atMs: number) => {
    const again = (world.again ?? []).filter(({ nth }) => nth === deliveries);
    deliveries += 1;
    for (const seconds of [0, ...again.map(({ afterSeconds }) => afterSeconds)]) {
      time.schedule(atMs + seconds * 1000, 0, () => {
        batch.push(message);
        if (batch.length === 1) time.after(0, invoke);
      });
    }
  };
  const sendArrival = (arrival: () => Arrival, atMs: number) =>
    send({ arrivals: () => [arrival()], receives: 0 }, atMs);
  const continuation = (drain: Drain, isTrusted: boolean) => {
    const carried = overTheWire(drain);
    return (): Arrival => ({ kind: 'continuation', drain: carried, isTrusted });
  };
  const fire = (name: string, firesAtMs: number, schedule: FakeSchedule) => {
    schedules.set(name, schedule);
    time.schedule(firesAtMs + (world.lateSeconds ?? 0) * 1000, 0, () => {
      if (schedules.get(name) !== schedule) return;
      schedule.hasFired = true;
      sendArrival(continuation(schedule.drain, true), time.nowMs());
    });
  };
  const announceStop = (task: FakeTask) => {
    const atSeconds = stopsAt(task);
    if (events === 'none' || atSeconds === Infinity) return;
    time.schedule(START_MS + (atSeconds + BUS_SECONDS) * 1000, 0, () => {
      const instance = registered().find(({ id }) => id === hostOf(task));
      // Only drains that are parked are woken.
      if (!instance || stopsAt(task) !== atSeconds || options.policy?.waiting === 'watch') return;
      const reported = described(instance, now());
      const containerInstance = { arn: reported.arn, cluster: reported.cluster };
      const sentAtMs = time.nowMs();
      sendArrival(() => ({ kind: 'wake-up', containerInstance, reported: undefined, sentAtMs }), time.nowMs());
      if (events === 'task-stops' || reported.status !== 'DRAINING' || reported.countedTasks > 0) return;
      sendArrival(() => ({ kind: 'wake-up', containerInstance, reported, sentAtMs }), time.nowMs());
    });
  };

  type Fiber = ReturnType<VirtualTime['start']>;

  /** The ports of one invocation. */
  function portsOf(invocation: Invocation, fiber: () => Fiber | undefined, endsAtMs = Infinity): Ports {
    const { policy = POLICY, invocationSeconds = 60 } = options;
    const called = async (name: string, of: ApiGroup, ...args: readonly unknown[]) => {
      if (invocation.crashed) throw new Unavailable('The invocation has crashed.');
      const { callSeconds = 0 } = world;
      const lengthMs = (typeof callSeconds === 'number' ? callSeconds : callSeconds(of, now())) * 1000;
      const answeredAtMs = time.nowMs() + lengthMs;
      if (lengthMs > 0) await fiber()?.waitUntil(Math.max(time.nowMs(), Math.min(answeredAtMs, endsAtMs)));
      const call = { name, args, atSeconds: now() };
      calls.push(call);
      invocation.calls.push(name);
      if (world.crashes?.includes(calls.length)) invocation.crashed = true;
      if (answeredAtMs > endsAtMs) throw new Unavailable(`${name}: aborted`);
      const outage = outages().find((each) => each.of === of && within(each.span));
      if (outage?.denied) throw new Error(`${name}: not authorized`);
      if (outage) throw new Unavailable(`${name}: throttled`);
      const fault = world.fault?.(call);
      if (fault) throw fault;
    };
    const inCluster = (cluster: string) => {
      if (world.missingClusters?.includes(cluster)) throw new ClusterMissing(`There is no cluster ${cluster}.`);
      return registered().filter((instance) => clusterOf(instance) === cluster);
    };
    const among = (cluster: string, arns: readonly string[]) =>
      inCluster(cluster).filter(({ id }) => arns.includes(arnOf(id)));
    return {
      containerInstances: {
        async list(cluster, ec2InstanceIds) {
          await called('list', 'ecs-reads', cluster, ec2InstanceIds);
          const own = inCluster(cluster).filter((instance) => ec2InstanceIds.includes(ec2Of(instance)));
          return own.map(({ id }) => arnOf(id));
        },
        async describe(cluster, arns) {
          await called('describe', 'ecs-reads', cluster, arns);
          return among(cluster, arns).map((instance) => described(instance));
        },
        async setDraining(cluster, arns) {
          await called('setDraining', 'ecs-changes', cluster, arns);
          const own = among(cluster, arns);
          // Facts 11 set-draining: only ACTIVE ones become DRAINING.
          for (const instance of own) if (statusOf(instance) === 'ACTIVE') draining.add(instance.id);
          return { found: own.map((instance) => described(instance)) };
        },
        async mark(cluster, arns, mark) {
          await called('mark', 'ecs-changes', cluster, arns, mark);
          for (const { id } of among(cluster, arns)) marks.set(id, mark);
        },
        async marked(cluster) {
          await called('marked', 'ecs-reads', cluster);
          return inCluster(cluster).flatMap((instance) => {
            const mark = marks.get(instance.id);
            const found = described(instance);
            return mark && found.agentConnected ? [{ ...found, mark }] : [];
          });
        },
        async unmark(cluster, arns) {
          await called('unmark', 'ecs-changes', cluster, arns);
          for (const { id } of among(cluster, arns)) marks.delete(id);
        },
        async setActive(cluster, arns) {
          await called('setActive', 'ecs-changes', cluster, arns);
          const own = among(cluster, arns).filter((instance) => statusOf(instance) === 'DRAINING');
          for (const { id } of own) draining.delete(id);
          return own.map(({ id }) => arnOf(id));
        },
        async listTasks({ arn, cluster }) {
          await called('listTasks', 'ecs-reads', arn);
          inCluster(cluster);
          const own = listed().filter((task) => arnOf(hostOf(task)) === arn);
          const stops = (task: FakeTask) => now() >= stopsAt(task) || isLeaving(task, now());
          return {
            running: own.filter((task) => !stops(task)).map(({ id }) => id),
            stopped: own.filter(stops).map(({ id }) => id),
          };
        },
        async describeTasks(cluster, arns) {
          await called('describeTasks', 'ecs-reads', cluster, arns);
          inCluster(cluster);
          return listed()
            .filter(({ id }) => arns.includes(id))
            .map(seen);
        },
        async diagnose(holding) {
          const arns = holding.map(({ arn }) => arn);
          await called('diagnose', 'diagnostics', arns);
          return world.diagnostics ?? NO_DIAGNOSTICS;
        },
        async stopTask({ arn }, reason) {
          await called('stopTask', 'ecs-changes', arn, reason);
          stopAskedAtSeconds.set(arn, stopAskedAtSeconds.get(arn) ?? now());
          for (const task of tasks) if (task.id === arn) announceStop(task);
        },
      },
      lifecycleActions: {
        async hooksOf(group) {
          await called('hooksOf', 'auto-scaling', group);
          return (world.hooks ?? [{}]).map((each) => ({ name: 'ecs-drain', limits: hook, ...each }));
        },
        async heldInstances(groups) {
          await called('heldInstances', 'auto-scaling', groups);
          if (world.returnsToWarmPool) return [];
          const own = holds.filter((hold) => choiceOf(groups, hold.autoScalingGroup) && isPending(hold));
          const byInstance = new Map(own.map((hold) => [hold.instanceId, hold]));
          return [...byInstance.values()].map(({ autoScalingGroup, instanceId }) => ({ autoScalingGroup, instanceId }));
        },
        async placesOf(instanceIds) {
          await called('placesOf', 'auto-scaling', instanceIds);
          const places = instanceIds.map((id) => {
            const isHeld = holds.some((hold) => hold.instanceId === id && isPending(hold));
            const free = world.lifecycleState ? world.lifecycleState(id, now()) : 'InService';
            const lifecycleState = isHeld ? 'Terminating:Wait' : free;
            return lifecycleState === undefined ? [] : [[id, { autoScalingGroup: 'web', lifecycleState }] as const];
          });
          return new Map(places.flat());
        },
        async terminatingSinceMs(group) {
          await called('terminatingSinceMs', 'auto-scaling', group);
          const own = holds.filter((hold) => hold.autoScalingGroup === group && isPending(hold));
          return new Map(own.map(({ instanceId }) => [instanceId, START_MS]));
        },
        async recordHeartbeat(action) {
          await called('recordHeartbeat', 'auto-scaling', action);
          const hold = holdOf(action);
          if (hold) hold.heldSinceSeconds = now();
          return hold ? 'accepted' : 'already-completed';
        },
        async complete(action, result) {
          await called('complete', 'auto-scaling', action, result);
          const hold = holdOf(action);
          const holding = holdingOn(action.instanceId).map(({ id }) => id);
          if (hold) hold.completion = { atSeconds: now(), result, holding };
          return hold ? 'accepted' : 'already-completed';
        },
      },
      continuations: {
        async continueNow(drains) {
          await called('continueNow', 'bus', drains);
          for (const drain of drains) sendArrival(continuation(drain, false), time.nowMs() + BUS_SECONDS * 1000);
          return drains.map(() => undefined);
        },
        async continueAt(waits) {
          await called('continueAt', 'queue', waits);
          for (const { drain, atMs } of waits) sendArrival(continuation(drain, true), atMs);
          return waits.map(() => undefined);
        },
      },
      events: {
        async publish(given) {
          await called('publish', 'bus', given);
          published.push(...given.map((each) => ({ ...each, atSeconds: now() })));
          return given.map(() => undefined);
        },
        async publishDeadLetters(given) {
          await called('publishDeadLetters', 'bus', given);
          return given.map(() => undefined);
        },
        async publishReturns(given) {
          await called('publishReturns', 'bus', given);
          publishedReturns.push(...given);
          return given.map(() => undefined);
        },
      },
      schedules:
        policy.waiting === 'watch'
          ? undefined
          : {
              nameOf: scheduleName,
              earlierNamesOf: ({ action }, arn) => [`${arn.split('/').at(-1)}-${action.lifecycleHook}`],
              async put(drain, name, firesAtMs, before) {
                await called('put', 'scheduler', name, before);
                const there = schedules.get(name);
                const isPending = there && (there.drain.parked?.firesAtMs ?? 0) > time.nowMs();
                if (before === 'absent' && isPending && isSameDrain(there.drain, drain)) return 'taken';
                const schedule = {
                  drain: overTheWire(drain),
                  firesAtMs,
                  writtenAtMs: time.nowMs(),
                  hasFired: before === 'pending' && there?.hasFired === true,
                };
                // Facts 36 schedule-update: one that has fired may not fire again.
                if (schedule.hasFired) schedules.set(name, schedule);
                else fire(name, firesAtMs, schedule);
                return 'parked';
              },
              async get(name) {
                await called('get', 'scheduler', name);
                return schedules.get(name)?.drain;
              },
              async parkedOn(instanceId) {
                try {
                  await called('parkedOn', 'scheduler', instanceId);
                } catch (error) {
                  return [errorOf(error)];
                }
                return [...schedules]
                  .filter(([name]) => name.startsWith(`${instanceId}-`))
                  .map(([, { drain }]) => drain);
              },
              async writtenAtMs() {
                await called('writtenAtMs', 'scheduler');
                return new Map([...schedules].map(([name, { writtenAtMs }]) => [name, writtenAtMs]));
              },
              async delete(name) {
                await called('delete', 'scheduler', name);
                schedules.delete(name);
              },
            },
      until: (boundMs) => {
        const bounded = portsOf(invocation, fiber, boundMs);
        const { containerInstances, lifecycleActions, schedules } = options.ports?.(bounded) ?? bounded;
        return { containerInstances, lifecycleActions, schedules };
      },
      clock: { nowMs: () => time.nowMs() },
      random: () => random[drawn++ % random.length] ?? 0.5,
      invocation: { endsAtMs: time.nowMs() + invocationSeconds * 1000 },
      telemetry: {
        record(drain, entry) {
          if (!invocation.crashed) telemetry.push({ drain, entry, atSeconds: now() });
        },
        recordReturn(returned, unpublished) {
          returns.push({ returned, unpublished, atSeconds: now() });
        },
      },
    };
  }

  const outages = () => world.outages ?? [];
  const { random = [0.5] } = world;
  let drawn = 0;

  /** Begins something with the ports of an invocation of its own. */
  function start(work: (ports: Ports, invocation: Invocation) => Promise<void>): void {
    const invocation: Invocation = { atSeconds: now(), calls: [], results: [], crashed: false };
    const fiber = time.start(async () => {
      await Promise.resolve();
      const own = portsOf(invocation, () => fiber);
      await work(options.ports?.(own) ?? own, invocation);
      if (invocation.crashed) invocation.results.length = 0;
      invocations.push(invocation);
    });
  }

  async function inInvocation<T>(work: (ports: Ports, invocation: Invocation) => Promise<T>): Promise<T> {
    let end: { readonly value: T } | { readonly error: unknown } | undefined;
    start(async (...given) => {
      end = await work(...given).then(
        (value) => ({ value }),
        (error) => ({ error }),
      );
    });
    await time.runUntil(() => end !== undefined);
    if (end && 'value' in end) return end.value;
    throw end?.error;
  }

  function invoke(): void {
    const messages = batch;
    const { policy = POLICY } = options;
    batch = [];
    start(async (ports, invocation) => {
      const sources = new Map<Arrival, Message>();
      for (const message of messages) {
        const receives = message.receives + 1;
        for (const arrival of await message.arrivals(ports)) sources.set({ ...arrival, receives }, message);
      }
      const results = await runRound([...sources.keys()], policy, ports);
      invocation.results.push(...[...results.values()].flat());
      const isFailed = (arrival: Arrival) =>
        results.get(arrival)?.some(({ kind }) => kind === 'failed' || kind === 'left');
      const failed = [...sources].filter(([arrival]) => isFailed(arrival)).map(([, message]) => message);
      const isLeft = (arrival: Arrival) => results.get(arrival)?.every(({ kind }) => kind === 'left');
      const left = new Set([...sources].filter(([arrival]) => isLeft(arrival)).map(([, message]) => message));
      for (const message of new Set(invocation.crashed ? messages : failed)) comeAgain(message, left.has(message));
    });
  }

  function comeAgain(message: Message, isLeft: boolean): void {
    if (Number.isNaN(message.receives)) return; // The next sweep is a message of its own.
    message.receives += 1;
    if (message.receives >= MAX_RECEIVES && !isLeft) deadLetters.push(message);
    else send(message, time.nowMs() + VISIBILITY_SECONDS * 1000);
  }

  /** Lets time pass until then, or until nothing is left to happen. */
  async function run(until: () => boolean = () => false): Promise<void> {
    await time.runUntil(() => {
      if (calls.length > MOST_CALLS) throw new Error('The drains go round and round.');
      return until();
    });
  }

  const finished = () =>
    invocations.flatMap(({ results, atSeconds }) =>
      results.flatMap((result) => (result.kind === 'finished' ? [{ ...result, atSeconds }] : [])),
    );

  const heldDrains = (): Drain[] =>
    holds.map(({ autoScalingGroup, lifecycleHook, instanceId, token }) => {
      const action = { autoScalingGroup, lifecycleHook, instanceId, token };
      return lifecycleHook === MANAGED_DRAINING_HOOK ? supervisedDrainOf({ action }) : drainOf({ action });
    });

  for (const task of tasks) announceStop(task);

  return {
    calls,
    invocations,
    published,
    telemetry,
    returns,
    publishedReturns,
    marks,
    deadLetters,
    schedules,
    now,
    run,
    finished,
    heldDrains,
    inInvocation,
    send: sendArrival,
    containerInstance: (id: string) => described(instances.find((each) => each.id === id) ?? { id }),
    callsNamed: (name: string) => calls.filter((call) => call.name === name),
    /** When a port was called. */
    secondsOf: (name: string) => calls.filter((call) => call.name === name).map(({ atSeconds }) => atSeconds),
    completions: () => holds.map(({ completion }) => completion),
    completion: () => holds[0]?.completion,
    /** The ids of the tasks that hold the instance now. */
    holding: (instanceId = INSTANCE_ID) => holdingOn(instanceId).map(({ id }) => id),
    /** What AWS refused, as the telemetry has it. */
    refusals: () =>
      telemetry.flatMap(({ entry }) =>
        entry.kind === 'refused' ? [{ doing: entry.doing, reason: entry.reason }] : [],
      ),

    /** Lets time pass until that second. */
    async waitUntil(seconds: number) {
      let isThere = false;
      time.schedule(START_MS + seconds * 1000, 0, () => {
        isThere = true;
      });
      await run(() => isThere);
    },

    /** One round on these arrivals, now; without arrivals the terminations of all that Auto Scaling holds. */
    async round(
      arrivals: readonly Arrival[] = heldDrains().map((drain) => ({ kind: 'drain', drain })),
      given: Options = {},
    ): Promise<readonly Result[]> {
      options = { ...options, ...given };
      return inInvocation(async (ports, invocation) => {
        const results = [...(await runRound(arrivals, options.policy ?? POLICY, ports)).values()].flat();
        invocation.results.push(...results);
        return results;
      });
    },

    /** Lets time pass until the next invocation has ended. */
    async next(): Promise<Invocation> {
      const before = invocations.length;
      await run(() => invocations.length > before);
      const invocation = invocations[before];
      if (!invocation) throw new Error('Nothing is left that would continue a drain.');
      return invocation;
    },

    /** Sends the terminations of all that Auto Scaling holds, or other drains, and runs until each has ended. */
    async runToEnd({ drains = heldDrains(), ...given }: Options & { readonly drains?: readonly Drain[] } = {}) {
      options = { ...options, ...given };
      const before = finished().length;
      for (const drain of drains) sendArrival(() => ({ kind: 'drain', drain }), time.nowMs());
      const ended = () =>
        new Set(
          finished()
            .slice(before)
            .map(({ drain }) => idOf(drain)),
        );
      await run(() => drains.every((drain) => ended().has(idOf(drain))));
      const outcomes = finished().slice(before);
      return drains.map(
        (drain): Outcome | undefined => outcomes.find((each) => idOf(each.drain) === idOf(drain))?.outcome,
      );
    },

    /** Looks for lost drains now; `isContinued` lets the next invocation continue what was found. */
    async sweep(given: Options & { readonly scope?: SweepScope; readonly isContinued?: boolean } = {}): Promise<Swept> {
      const { scope = SCOPE, isContinued = false, ...others } = given;
      options = { ...options, ...others };
      const swept = await inInvocation((ports) => findLostDrains(scope, options.policy ?? POLICY, ports));
      if (isContinued) for (const work of swept.found) sendArrival(() => ({ kind: 'lost', work }), time.nowMs());
      return swept;
    },

    /** Looks now for instances that stay in service. */
    async giveBack(given: Options = {}): Promise<ReturnSweep> {
      options = { ...options, ...given };
      return inInvocation((ports) => returnToService(options.policy ?? POLICY, ports));
    },

    /** Sweeps at every such interval until nothing is held any more. */
    sweepEvery(seconds: number) {
      time.after(seconds, () => {
        if (!holds.some(isPending)) return;
        const { policy = POLICY } = options;
        const arrivals = async (ports: Ports): Promise<Arrival[]> => {
          const { found } = await findLostDrains(SCOPE, policy, ports).catch(() => ({ found: [] }));
          return found.map((work) => ({ kind: 'lost', work }));
        };
        send({ arrivals, receives: Number.NaN }, time.nowMs());
        this.sweepEvery(seconds);
      });
    },
  };
}

/** A drain's identity in tests. */
function idOf(drain: Drain): string {
  return `${instanceIdOf(drain)} ${drain.kind === 'notice' ? drain.notice.kind : drain.action.lifecycleHook}`;
}

function scheduleName(drain: Drain): string {
  return `${instanceIdOf(drain)}-${drain.kind === 'notice' ? drain.notice.kind : drain.action.lifecycleHook}`;
}

/** What crosses the bus or the queue, or waits in a schedule, is JSON. */
function overTheWire(drain: Drain): Drain {
  return JSON.parse(JSON.stringify(drain));
}
