import { currentFiber, type Scheduled, VirtualTime } from '../sandbox/region/time/virtual-time.ts';
import { type Facts, NO_FACTS } from '../src/domain/blockers.ts';
import type {
  ContainerInstance,
  Drain,
  HoldingTask,
  HookLimits,
  LifecycleHook,
  LifecycleResult,
  Task,
} from '../src/domain/drain.ts';
import { isSameDrain, newDrain } from '../src/domain/drain.ts';
import type { Policy } from '../src/domain/policy.ts';
import { type ActionAnswer, type JournalEntry, type News, type Ports, Unavailable } from '../src/domain/ports.ts';
import {
  continueDrain,
  type DrainResult,
  type NotContinued,
  runDrain,
  type WakeUp,
  wakeDrain,
} from '../src/domain/run-drain.ts';

/** An instant for tests to count from: 2026-01-01T00:00:00Z. */
export const START_MS = Date.UTC(2026, 0, 1);

const ACTION = {
  autoScalingGroup: 'web',
  lifecycleHook: 'ecs-drain',
  instanceId: 'i-0123456789abcdef0',
  token: '87654321-4321-4321-4321-210987654321',
} as const;

export const HOOK: HookLimits = { heartbeatTimeoutSeconds: 3_600, globalTimeoutSeconds: 172_800 };

export const POLICY: Policy = {
  clusters: ['prod'],
  deadlineSeconds: 7_200,
  deadlineResult: 'CONTINUE',
  stuckFraction: 0.5,
  stopStragglers: 'none',
  deregistrationDelaySeconds: 300,
  agentGraceSeconds: 900,
  heartbeatTimeoutSeconds: 3_600,
  heartbeatFraction: 0.5,
  pollMinSeconds: 2,
  pollMaxSeconds: 20,
  marginSeconds: 20,
};

export function drainOf(overrides: Partial<Drain> = {}): Drain {
  return { ...newDrain(ACTION, START_MS, undefined, POLICY.pollMinSeconds), ...overrides };
}

export function containerInstanceOf(overrides: Partial<ContainerInstance> = {}): ContainerInstance {
  return {
    arn: 'arn:aws:ecs:eu-west-1:123456789012:container-instance/prod/one',
    cluster: 'prod',
    status: 'DRAINING',
    agentConnected: true,
    countedTasks: 1,
    ...overrides,
  };
}

export function holdingTaskOf(overrides: Partial<HoldingTask> = {}): HoldingTask {
  return {
    kind: 'holding',
    arn: 'arn:aws:ecs:eu-west-1:123456789012:task/prod/a',
    cluster: 'prod',
    containerInstanceArn: containerInstanceOf().arn,
    class: 'service',
    group: 'service:web',
    lastStatus: 'RUNNING',
    stopRequested: false,
    stopTimeoutSeconds: 30,
    ...overrides,
  };
}

/** A task in the fake world: holding until `stopsAtSeconds` after the start; never stopping if that is Infinity. */
export interface FakeTask {
  readonly id: string;
  readonly stopsAtSeconds: number;
  /** When ECS begins to list it; 0 unless told. */
  readonly listedAtSeconds?: number;
  /** When it leaves the running count for DEACTIVATING; never, unless told. */
  readonly deactivatesAtSeconds?: number;
  readonly class?: HoldingTask['class'];
  readonly stopTimeoutSeconds?: number;
  readonly containerInstance?: string;
}

/** A registration in the fake world. */
export interface FakeInstance {
  readonly id: string;
  readonly cluster?: string;
  readonly status?: string;
  /** When a REGISTERING one becomes ACTIVE. */
  readonly activeAtSeconds?: number;
  /** When it is registered; before the start, unless told. */
  readonly comesAtSeconds?: number;
  /** When it is deregistered. */
  readonly goneAtSeconds?: number;
  /** Spans of seconds in which its agent is silent. */
  readonly silences?: readonly (readonly [number, number])[];
}

/** What fails together: ECS throttles its reads and its changes apart (facts 17 ecs-throttling). */
export type ApiGroup = 'ecs-reads' | 'ecs-facts' | 'ecs-changes' | 'auto-scaling' | 'scheduler';

/** What the fake world is like; all instants in seconds after the start. */
export interface World {
  readonly instances?: readonly FakeInstance[];
  readonly tasks?: readonly FakeTask[];
  readonly hook?: HookLimits;
  /** What else Auto Scaling says of the group's two hooks: ours, and another of ours. */
  readonly hooks?: Partial<LifecycleHook>;
  /** Spans of seconds in which a port throws Unavailable; another error, if it is denied. */
  readonly outages?: readonly { readonly of: ApiGroup; readonly span: readonly [number, number]; denied?: boolean }[];
  /** How old what ECS says of tasks is. */
  readonly lagSeconds?: number;
  /** What else Auto Scaling holds in the group. */
  readonly heldInstances?: readonly string[];
  /** ECS throttled others lately. */
  readonly busy?: boolean;
  /** What ECS tells of why tasks stay; nothing, unless told. */
  readonly facts?: Facts;
  /** When somebody else completes the action. */
  readonly completedAtSeconds?: number;
  /** Where drains are parked: how late a schedule comes, and whether the stop of a task wakes them. Nowhere, unless told. */
  readonly parking?: { readonly lateSeconds: number; readonly wakeUps: boolean } | undefined;
}

/** How often no drain of a test calls its ports: one that does would never end. */
const MOST_STEPS = 100_000;

/** From a task's stop to the wake-up that it causes. */
const WAKE_UP_SECONDS = 0.5;

/** From the end of one invocation to the begin of the next that it was handed over to. */
const ON_THE_BUS_SECONDS = 0.5;

/** What EventBridge brings. */
type Delivery =
  | { readonly kind: 'drain' | 'continuation'; readonly drain: Drain }
  | { readonly kind: 'wake-up'; readonly wakeUp: WakeUp };

/** One call of a port, and when. */
export interface Call {
  readonly name: string;
  readonly atSeconds: number;
  readonly detail?: unknown;
}

/**
 * Fake ports of one drain: ECS, Auto Scaling and EventBridge Scheduler in virtual time. Time passes only while the drain
 * sleeps or is parked. The hook times out as the real one does; the test judges what that does to the tasks.
 */
export function fakeAws(world: World) {
  const { instances = [{ id: 'one' }], tasks = [], hook = HOOK, outages = [] } = world;
  const calls: Call[] = [];
  const announced: { news: News; atSeconds: number }[] = [];
  const journal: { drain: Drain; entry: JournalEntry; atSeconds: number }[] = [];
  const draining = new Set(instances.filter(({ status }) => status === 'DRAINING').map(({ id }) => id));
  const stopAskedAtSeconds = new Map<string, number>();
  const time = new VirtualTime(START_MS);
  let heldSinceSeconds = 0;
  let completion: { atSeconds: number; result: LifecycleResult } | undefined;
  let handedOver: { readonly drain: Drain; readonly delivery: Scheduled } | undefined;
  const woken = new Set<string>();
  /** By what is drained for, and container instance; one whose time has come stays until it is released, as schedules do. */
  const places = new Map<
    string,
    { readonly drain: Drain; readonly untilMs: number; readonly parkedAtMs: number; hasCome: boolean }
  >();
  const placeOf = ({ action, containerInstance }: Drain) =>
    `${'notice' in action ? 'notice' : 'lifecycle-action'} ${containerInstance}`;
  /** Takes what EventBridge brings. */
  let deliver: (delivery: Delivery) => void = () => {};

  const now = () => (time.nowMs() - START_MS) / 1000;
  const within = ([from, to]: readonly [number, number]) => now() >= from && now() < to;
  let steps = 0;
  const goesOn = () => {
    steps += 1;
    if (steps > MOST_STEPS) throw new Error('The drain goes round and round.');
  };
  const called = (name: string, of: ApiGroup, detail?: unknown) => {
    calls.push({ name, atSeconds: now(), detail });
    goesOn();
    const outage = outages.find((each) => each.of === of && within(each.span));
    if (outage?.denied) throw new Error(`${name}: not authorized`);
    if (outage) throw new Unavailable(`${name}: throttled`);
  };

  const arnOf = (id: string) => `arn:aws:ecs:eu-west-1:123456789012:container-instance/prod/${id}`;
  const clusterOf = ({ cluster = 'prod' }: FakeInstance) => cluster;
  const described = (instance: FakeInstance): ContainerInstance => ({
    arn: arnOf(instance.id),
    cluster: clusterOf(instance),
    status: draining.has(instance.id)
      ? 'DRAINING'
      : instance.status === 'REGISTERING' && now() >= (instance.activeAtSeconds ?? Infinity)
        ? 'ACTIVE'
        : (instance.status ?? 'ACTIVE'),
    agentConnected: !(instance.silences ?? []).some(within),
    countedTasks: listed().filter(
      (task) =>
        (task.containerInstance ?? instances[0]?.id) === instance.id &&
        told() < Math.min(stopsAt(task), task.deactivatesAtSeconds ?? Infinity),
    ).length,
  });
  const registered = () =>
    instances.filter(
      ({ comesAtSeconds = 0, goneAtSeconds = Infinity }) => now() >= comesAtSeconds && now() < goneAtSeconds,
    );

  const stopsAt = (task: FakeTask) => {
    const asked = stopAskedAtSeconds.get(task.id);
    return Math.min(task.stopsAtSeconds, asked === undefined ? Infinity : asked + (task.stopTimeoutSeconds ?? 30));
  };
  const holds = (task: FakeTask) => now() < stopsAt(task);
  /** The instant of which ECS speaks. */
  const told = () => now() - (world.lagSeconds ?? 0);
  const listed = () => tasks.filter(({ listedAtSeconds = 0 }) => now() >= listedAtSeconds);
  const seen = (task: FakeTask): Task => {
    const leaving = told() >= (task.deactivatesAtSeconds ?? Infinity);
    if (told() >= stopsAt(task)) return { kind: 'stopped', arn: task.id, stoppedAtMs: START_MS + stopsAt(task) * 1000 };
    return holdingTaskOf({
      arn: task.id,
      containerInstanceArn: arnOf(task.containerInstance ?? instances[0]?.id ?? 'one'),
      class: task.class ?? 'service',
      lastStatus: leaving ? 'DEACTIVATING' : 'RUNNING',
      stopRequested: leaving || stopAskedAtSeconds.has(task.id),
      stopTimeoutSeconds: task.stopTimeoutSeconds ?? 30,
    });
  };

  const pending = (): boolean =>
    completion === undefined &&
    now() < (world.completedAtSeconds ?? Infinity) &&
    now() < Math.min(heldSinceSeconds + hook.heartbeatTimeoutSeconds, hook.globalTimeoutSeconds);
  const answer = (accept: () => void): ActionAnswer => {
    if (!pending()) return 'already-completed';
    accept();
    return 'accepted';
  };

  const lateMs = (world.parking?.lateSeconds ?? 0) * 1000;
  const wakeUpOf = (task: FakeTask): WakeUp => ({
    containerInstanceArn: arnOf(task.containerInstance ?? instances[0]?.id ?? 'one'),
    taskArn: task.id,
  });
  /** ECS tells of a task's stop, when it comes. */
  const stopComes = (task: FakeTask) => {
    const atSeconds = stopsAt(task);
    if (!world.parking?.wakeUps || atSeconds === Infinity) return;
    time.schedule(START_MS + (atSeconds + WAKE_UP_SECONDS) * 1000, 0, () => {
      if (!woken.has(task.id)) deliver({ kind: 'wake-up', wakeUp: wakeUpOf(task) });
      woken.add(task.id);
    });
  };

  /** The ports of one invocation of so many seconds. */
  const ports = (invocationSeconds: number): Ports => ({
    containerInstances: {
      async find(cluster) {
        called('find', 'ecs-reads', cluster);
        return registered()
          .filter((instance) => clusterOf(instance) === cluster)
          .map(({ id }) => ({ arn: arnOf(id), cluster }));
      },
      async refresh(containerInstances) {
        called('refresh', 'ecs-reads');
        return registered()
          .filter(({ id }) => containerInstances.some(({ arn }) => arn === arnOf(id)))
          .map(described);
      },
      async registrations(cluster, ec2InstanceIds) {
        called('registrations', 'ecs-reads', ec2InstanceIds);
        if (!ec2InstanceIds.includes(ACTION.instanceId)) return [];
        return registered()
          .filter((instance) => clusterOf(instance) === cluster)
          .map((instance) => ({ ...described(instance), ec2InstanceId: ACTION.instanceId }));
      },
      async setDraining(containerInstances) {
        called('setDraining', 'ecs-changes', containerInstances);
        const asked = registered().filter(({ id }) => containerInstances.some(({ arn }) => arn === arnOf(id)));
        const active = asked.filter((instance) => described(instance).status === 'ACTIVE');
        for (const { id } of active) draining.add(id);
        // Facts 11 set-draining: only ACTIVE ones become DRAINING.
        const refusal = active.length < containerInstances.length ? 'some are not ACTIVE' : undefined;
        return { draining: active.map(described), refusal };
      },
      async findActive(cluster, ec2InstanceIds) {
        called('findActive', 'ecs-reads', ec2InstanceIds);
        return ec2InstanceIds.map((id) => ({ arn: arnOf(id), cluster }));
      },
      async listTasks(containerInstances) {
        called('listTasks', 'ecs-reads');
        const arns = new Set(containerInstances.map(({ arn }) => arn));
        return listed()
          .filter(({ containerInstance = instances[0]?.id ?? '' }) => arns.has(arnOf(containerInstance)))
          .map(seen);
      },
      async refreshTasks(holding) {
        called('refreshTasks', 'ecs-reads');
        return listed()
          .filter(({ id }) => holding.some(({ arn }) => arn === id))
          .map(seen);
      },
      async factsAbout(tasks) {
        called(
          'factsAbout',
          'ecs-facts',
          tasks.map(({ arn }) => arn),
        );
        return world.facts ?? NO_FACTS;
      },
      async stopTask({ arn }) {
        called('stopTask', 'ecs-changes', arn);
        stopAskedAtSeconds.set(arn, now());
        for (const task of tasks) if (task.id === arn) stopComes(task);
      },
      isBusy: () => world.busy ?? false,
    },
    lifecycleActions: {
      async hookLimits() {
        called('hookLimits', 'auto-scaling');
        return hook;
      },
      async hooksOf() {
        called('hooksOf', 'auto-scaling');
        return ['another-of-ours', ACTION.lifecycleHook].map((name) => ({ name, limits: hook, ...world.hooks }));
      },
      async heldInstances(autoScalingGroups) {
        called('heldInstances', 'auto-scaling', autoScalingGroups);
        const { autoScalingGroup } = ACTION;
        return (world.heldInstances ?? []).map((instanceId) => ({ autoScalingGroup, instanceId }));
      },
      async terminatingSinceMs(autoScalingGroup) {
        called('terminatingSinceMs', 'auto-scaling', autoScalingGroup);
        return new Map(pending() ? [[ACTION.instanceId, START_MS]] : []);
      },
      async recordHeartbeat(action) {
        called('recordHeartbeat', 'auto-scaling');
        if (action.lifecycleHook !== ACTION.lifecycleHook) return 'already-completed';
        return answer(() => {
          heldSinceSeconds = now();
        });
      },
      async complete(_action, result) {
        called('complete', 'auto-scaling', result);
        return answer(() => {
          completion = { atSeconds: now(), result };
        });
      },
    },
    continuations: {
      async continueNow(drain) {
        calls.push({ name: 'continueNow', atSeconds: now() });
        const carried = overTheWire(drain);
        const delivery = time.after(ON_THE_BUS_SECONDS, () => deliver({ kind: 'continuation', drain: carried }));
        handedOver = { drain: carried, delivery };
      },
    },
    announcements: {
      async announce(_drain, news) {
        announced.push({ news, atSeconds: now() });
      },
    },
    parkingPlaces: world.parking && {
      async park(drain, untilMs, place) {
        called('park', 'scheduler', drain.parked?.awaitedTask);
        const name = placeOf(drain);
        const there = places.get(name);
        const waits = there && there.untilMs > time.nowMs() && isSameDrain(there.drain, drain);
        if (place === 'new' && waits) return 'taken';
        const parked = { drain: overTheWire(drain), untilMs, parkedAtMs: time.nowMs(), hasCome: false };
        places.set(name, parked);
        time.schedule(untilMs + lateMs, 0, () => {
          if (places.get(name) !== parked) return;
          parked.hasCome = true;
          deliver({ kind: 'continuation', drain: parked.drain });
        });
        return 'parked';
      },
      async parkedOn(containerInstanceArn, on = 'lifecycle-action') {
        called('parkedOn', 'scheduler', containerInstanceArn);
        return places.get(`${on} ${containerInstanceArn}`)?.drain;
      },
      async parkedAtMs() {
        called('parkedAtMs', 'scheduler');
        return (containerInstanceArn) => places.get(`lifecycle-action ${containerInstanceArn}`)?.parkedAtMs;
      },
      async release(drain) {
        called('release', 'scheduler');
        places.delete(placeOf(drain));
      },
    },
    random: () => 0.5,
    clock: {
      nowMs: () => {
        goesOn();
        return time.nowMs();
      },
      async sleepUntil(instantMs) {
        if (instantMs <= time.nowMs()) throw new Error('The drain would look again without waiting.');
        const fiber = currentFiber.getStore();
        if (fiber) return fiber.waitUntil(instantMs);
        time.schedule(instantMs, 0, () => {});
        await time.runUntil(() => time.nowMs() >= instantMs);
      },
    },
    invocation: { endsAtMs: time.nowMs() + invocationSeconds * 1000 },
    journal: {
      record: (drain, entry) => {
        goesOn();
        journal.push({ drain, entry, atSeconds: now() });
      },
    },
  });

  for (const task of tasks) stopComes(task);

  async function invoke(delivery: Delivery, policy: Policy, invocationSeconds: number) {
    if ('drain' in delivery) {
      const run = delivery.kind === 'continuation' ? continueDrain : runDrain;
      return run(delivery.drain, policy, ports(invocationSeconds));
    }
    const { parkingPlaces, ...others } = ports(invocationSeconds);
    if (!parkingPlaces) throw new Error('There is nowhere to park.');
    return wakeDrain(delivery.wakeUp, policy, { ...others, parkingPlaces });
  }

  /** Lets time pass until EventBridge brings something, and invokes the function with it. */
  async function goOn(policy = POLICY, invocationSeconds = 300): Promise<DrainResult | NotContinued> {
    let brought: Delivery | undefined;
    deliver = (delivery) => {
      brought ??= delivery;
    };
    await time.runUntil(() => brought !== undefined);
    deliver = () => {};
    if (!brought) throw new Error('No drain is parked.');
    return invoke(brought, policy, invocationSeconds);
  }

  return {
    calls,
    journal,
    announced,
    ports,
    now,
    goOn,
    /** Ids of the tasks that hold the instance now. */
    holding: () => tasks.filter(holds).map(({ id }) => id),
    completion: () => completion,
    callsNamed: (name: string) => calls.filter((call) => call.name === name),

    /**
     * Runs the drain through as many invocations as it takes. `pick` chooses the continuation that the next one gets: the
     * newest, unless told that an older one comes again.
     */
    async runToEnd({
      policy = POLICY,
      drain = drainOf(),
      invocationSeconds = 300,
      pick = (continuations: readonly Drain[]) => continuations.at(-1),
    } = {}) {
      const continuations = [drain];
      let result: DrainResult | NotContinued = await runDrain(drain, policy, ports(invocationSeconds));
      for (;;) {
        switch (result.kind) {
          case 'finished':
            return result.outcome;
          case 'handed-over':
            if (!handedOver) throw new Error('The drain says that it was handed over, and no continuation was sent.');
            time.cancel(handedOver.delivery); // It is delivered here, or an older one in its place.
            continuations.push(handedOver.drain);
            result = await continueDrain(pick(continuations) ?? drain, policy, ports(invocationSeconds));
            break;
          case 'parked':
          case 'not-awaited':
          case 'unavailable':
            result = await goOn(policy, invocationSeconds);
            break;
          default:
            throw new Error(`The drain went on nowhere: it is ${result.kind}.`);
        }
      }
    },

    /** The drains that wait on places, those included whose time has come. */
    places: () => [...places.values()],

    /**
     * Delivers the drain's event and all that follows, to invocations that run side by side, until nothing is left to
     * happen. `again` delivers the nth delivery a second time, so many seconds later.
     */
    async runAll({
      policy = POLICY,
      drain = drainOf(),
      invocationSeconds = 300,
      again = [] as readonly { readonly nth: number; readonly afterSeconds: number }[],
      onMoment = () => {},
    } = {}) {
      const results: (DrainResult | NotContinued)[] = [];
      const failures: unknown[] = [];
      let deliveries = 0;
      const start = (delivery: Delivery) => {
        time.start(() =>
          invoke(delivery, policy, invocationSeconds).then(
            (result) => void results.push(result),
            (error) => void failures.push(error),
          ),
        );
      };
      deliver = (delivery) => {
        for (const { nth, afterSeconds } of again) {
          if (nth === deliveries) time.after(afterSeconds, () => start(delivery));
        }
        deliveries += 1;
        start(delivery);
      };
      deliver({ kind: 'drain', drain });
      await time.runUntil(() => {
        onMoment();
        return failures.length > 0;
      });
      if (failures.length > 0) throw failures[0];
      return results;
    },
  };
}

/** What crosses the bus, or waits in a schedule, is JSON. */
function overTheWire(drain: Drain): Drain {
  return JSON.parse(JSON.stringify(drain));
}
