import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MOST_CONTINUATIONS } from '../../src/domain/policy.ts';
import { IS_EXHAUSTIVE } from '../exhaustive/extent.ts';
import { DEADLINE_SECONDS, EVENT_SOURCE } from './environment.ts';
import { type ENVIRONMENT, type HostileWorld, inHostileWorld, misdeedsIn, scheduleOf } from './hostile-world.ts';

/**
 * Who may put events on the bus can write a continuation of their own, or send an old one again. Only the function and its
 * schedules can send to the queue: test/deploy/template.test.ts.
 */

const RUNS = IS_EXHAUSTIVE ? 25 : 10;

type Whose = keyof HostileWorld['arns'];

/** What a forged continuation claims, before the world says what that is. */
interface Claims {
  /** 4 stands for all before it, and 8 for one that is still to come. */
  readonly version: 4 | 5 | 7 | 8;
  readonly group: string;
  readonly hook: string;
  readonly instance: Whose;
  readonly token: 'true' | 'false';
  readonly notice: 'spot-interruption' | 'rebalance-recommendation' | undefined;
  /** Seconds after the hold; the epoch where it is undefined. */
  readonly started: number | undefined;
  readonly lastHeartbeat: number | undefined;
  readonly limits: { readonly heartbeatTimeoutSeconds: number; readonly globalTimeoutSeconds: number } | undefined;
  readonly silentSince: number | undefined;
  readonly heartbeats: number;
  readonly continuations: number;
  readonly announced: 'started' | 'stuck' | undefined;
  readonly containerInstance: Whose | undefined;
  readonly cluster: string | undefined;
  /** Seconds after the hold, when the instance took no more tasks. */
  readonly closed: number | undefined;
  readonly known: { readonly instances: readonly Whose[]; readonly tasks: readonly Whose[] } | undefined;
  readonly emptied: boolean;
  readonly staysInGroup: boolean;
  /** The deadline that an operator is said to have set. */
  readonly deadline: number | undefined;
  /** Whose schedule holds its state. */
  readonly parked: Whose | undefined;
}

const whose = fc.constantFrom<Whose>('held', 'held', 'free', 'foreign', 'secret');
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const second = maybe(fc.constantFrom(-100_000, -DEADLINE_SECONDS, -1_000, -10, 0, 10));

const claims: fc.Arbitrary<Claims> = fc.record({
  version: fc.constantFrom(7, 7, 7, 5, 4, 8),
  staysInGroup: fc.boolean(),
  group: fc.constantFrom('web', 'web', 'web', 'workers', 'others'),
  hook: fc.constantFrom('ecs-drain', 'ecs-drain', 'ecs-drain', 'backup'),
  instance: whose,
  token: fc.constantFrom('true', 'false'),
  notice: fc.constant(undefined),
  started: second,
  lastHeartbeat: second,
  limits: maybe(
    fc.record({
      heartbeatTimeoutSeconds: fc.constantFrom(30, 600, 7_200),
      globalTimeoutSeconds: fc.constantFrom(1, 30, 600, 172_800),
    }),
  ),
  silentSince: maybe(fc.constantFrom(-100_000, -1_000, 0)),
  heartbeats: fc.constantFrom(0, 1, 1e9),
  continuations: fc.constantFrom(0, 1, 5, MOST_CONTINUATIONS - 1, MOST_CONTINUATIONS),
  announced: fc.constantFrom(undefined, 'started', 'stuck'),
  containerInstance: maybe(whose),
  cluster: fc.constantFrom(undefined, 'prod', 'secret'),
  closed: maybe(fc.constantFrom(-100_000, -20, 0)),
  known: maybe(fc.record({ instances: fc.array(whose, { maxLength: 3 }), tasks: fc.array(whose, { maxLength: 3 }) })),
  emptied: fc.boolean(),
  deadline: second,
  parked: maybe(whose),
});

const OURS = { Source: EVENT_SOURCE, DetailType: 'ECS Drain Continuation' };

/** The continuation event, as PutEvents takes it. */
function entryOf(claimed: Claims, { arns, heldSinceMs, held, others, token, region }: HostileWorld) {
  const at = (seconds: number | undefined) => (seconds === undefined ? 0 : heldSinceMs + seconds * 1000);
  const ids = { held, ...others };
  const clusterOf = (one: Whose) => (one === 'secret' ? 'secret' : 'prod');
  const located = (of: 'instance' | 'task') => (one: Whose) => ({ arn: arns[one][of], cluster: clusterOf(one) });
  const { version, instance, notice, known, parked } = claimed;
  const instanceId = ids[instance];
  const given = claimed.token === 'true' ? token : '87654321-4321-4321-4321-210987654321';
  const nowMs = region.time.nowMs();
  const containerInstance = claimed.containerInstance && arns[claimed.containerInstance].instance;
  const action = { autoScalingGroup: claimed.group, lifecycleHook: claimed.hook, instanceId, token: given };
  const common = {
    namedCluster: claimed.cluster,
    cluster: claimed.cluster,
    startedAtMs: at(claimed.started),
    continuations: claimed.continuations,
    pollIntervalSeconds: 2,
    announced: claimed.announced,
    agentSilence:
      claimed.silentSince !== undefined ? { sinceMs: at(claimed.silentSince), seenLastAtMs: nowMs } : undefined,
    closed:
      claimed.closed !== undefined && containerInstance !== undefined
        ? { sinceMs: at(claimed.closed), containerInstances: [containerInstance], silent: [] }
        : undefined,
  };
  const ofHold = {
    lastHeartbeatAtMs: at(claimed.lastHeartbeat),
    hook: claimed.limits,
    heartbeats: claimed.heartbeats,
  };
  const containerInstances = (known?.instances ?? []).map(located('instance'));
  const holding = (known?.tasks ?? []).map(located('task'));
  const ofVersion4 = {
    ...common,
    ...ofHold,
    action: notice ? { notice, instanceId, token: given } : action,
    containerInstance,
    parked: known && { untilMs: nowMs, containerInstances, holdingTasks: holding },
  };
  const ofVersion7 = {
    ...common,
    ...(notice
      ? { kind: 'notice', notice: { kind: notice, instanceId, token: given } }
      : { kind: 'held', action, ...ofHold, ...(claimed.staysInGroup && { staysInGroup: true }) }),
    known: known && { containerInstances, tasks: { holding, listedAtMs: nowMs } },
    emptiedAtMs: claimed.emptied ? nowMs : undefined,
    operator: operatorOf(claimed, at),
    parked: parked && { schedule: scheduleOf(ids[parked]), untilMs: nowMs, firesAtMs: nowMs },
  };
  const drain = version === 4 ? ofVersion4 : ofVersion7;
  return {
    ...OURS,
    Detail: JSON.stringify({ version, drain }),
  };
}

function operatorOf({ version, deadline }: Claims, at: (seconds: number) => number) {
  if (version === 5 || deadline === undefined) return undefined;
  const by = 'arn:aws:iam::123456789012:user/nobody';
  return { deadlineAtMs: at(deadline), notes: [{ atMs: at(deadline), by, deadlineAtMs: at(deadline) }] };
}

const world = fc.record({
  waiting: fc.constantFrom('park', 'park', 'watch'),
  stopStragglers: fc.constantFrom('none', 'all'),
  heartbeatTimeoutSeconds: fc.constantFrom(120, 3_600),
  /** When the agent of the held instance is silent, as it may be now and then. */
  silent: maybe(fc.constantFrom(30, 300)),
  taskSeconds: fc.constantFrom(200, 900, 1_500, 100_000),
});

const attacks = fc.array(fc.record({ afterSeconds: fc.constantFrom(0, 1, 20, 200, 700), forged: maybe(claims) }), {
  minLength: 1,
  maxLength: 3,
});

describe('a continuation that someone has forged or sent again', () => {
  it('ends no drain early and touches nothing that Auto Scaling does not hold for us', async () => {
    await fc.assert(
      fc.asyncProperty(world, attacks, ({ waiting, stopStragglers, heartbeatTimeoutSeconds, ...more }, all) => {
        const environment: Partial<typeof ENVIRONMENT> = {
          WAITING: waiting,
          STOP_STRAGGLERS: stopStragglers,
          HEARTBEAT_TIMEOUT_SECONDS: String(heartbeatTimeoutSeconds),
        };
        const { taskSeconds, silent } = more;
        return inHostileWorld({ environment, taskSeconds, heartbeatTimeoutSeconds, rules: true }, async (played) => {
          const { region, held, continuations } = played;
          // A watching drain has no one else to remember since when an agent is silent: docs/threat-model.md.
          if (silent !== undefined && waiting === 'park') {
            region.time.after(silent, () => region.ecs.setAgentConnected(held, false));
            region.time.after(silent + 60, () => region.ecs.setAgentConnected(held, true));
          }
          for (const { afterSeconds, forged } of all) {
            await played.seconds(afterSeconds);
            // Without claims, the newest genuine one comes again, over the bus.
            const Detail = forged ? undefined : continuations.at(-1);
            if (forged) region.ask('events', 'PutEvents', { Entries: [entryOf(forged, played)] });
            else if (Detail) region.ask('events', 'PutEvents', { Entries: [{ ...OURS, Detail }] });
          }
          await played.settle();
          expect(misdeedsIn(played, ['held'])).toEqual([]);
          expect(region.autoScaling.completions.map(({ instanceId, by }) => [instanceId, by])).toEqual([
            [held, 'completion'],
          ]);
          expect(region.killedTasks.length).toBe(taskSeconds > DEADLINE_SECONDS && stopStragglers === 'none' ? 1 : 0);
        });
      }),
      { numRuns: RUNS },
    );
  });

  it('of a notice of EC2 completes nothing and stays in our clusters', async () => {
    const onNotice = fc
      .tuple(claims, fc.constantFrom('spot-interruption' as const, 'rebalance-recommendation' as const))
      .map(([claimed, notice]) => ({ ...claimed, notice }));
    await fc.assert(
      fc.asyncProperty(onNotice, (claimed) =>
        inHostileWorld({ taskSeconds: 900, rules: true }, async (played) => {
          await played.seconds(20);
          played.region.ask('events', 'PutEvents', { Entries: [entryOf(claimed, played)] });
          await played.settle();
          // Nothing can be asked about a notice: docs/threat-model.md says what that leaves open.
          expect(misdeedsIn(played, ['held', 'free', 'foreign'])).toEqual([]);
          expect(played.region.killedTasks).toEqual([]);
        }),
      ),
      { numRuns: RUNS },
    );
  });
});
