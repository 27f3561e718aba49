import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEADLINE_SECONDS, EVENT_SOURCE } from './environment.ts';
import { type ENVIRONMENT, type HostileWorld, inHostileWorld, misdeedsIn } from './hostile-world.ts';

/** Who may put events on the bus can write a continuation of their own, or send an old one again. */

type Whose = keyof HostileWorld['arns'];

/** What a forged continuation claims, before the world says what that is. */
interface Claims {
  readonly version: 1 | 2 | 3;
  readonly group: string;
  readonly hook: string;
  readonly instance: Whose;
  readonly token: 'true' | 'false';
  readonly notice: 'spot-interruption' | 'rebalance-recommendation' | undefined;
  /** Seconds after the hold; the epoch where it is undefined. */
  readonly started: number | undefined;
  readonly beaten: number | undefined;
  readonly limits: { readonly heartbeatTimeoutSeconds: number; readonly globalTimeoutSeconds: number } | undefined;
  readonly silentSince: number | undefined;
  readonly heartbeats: number;
  readonly continuations: number;
  readonly announced: 'started' | 'stuck' | undefined;
  readonly containerInstance: Whose | undefined;
  readonly cluster: string | undefined;
  readonly parked:
    | { readonly instances: readonly Whose[]; readonly tasks: readonly Whose[]; readonly awaited: Whose | undefined }
    | undefined;
}

const whose = fc.constantFrom<Whose>('held', 'held', 'free', 'foreign', 'secret');
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const second = maybe(fc.constantFrom(-100_000, -DEADLINE_SECONDS, -1_000, -10, 0, 10));

const claims: fc.Arbitrary<Claims> = fc.record({
  version: fc.constantFrom(2, 2, 2, 1, 3),
  group: fc.constantFrom('web', 'web', 'web', 'workers', 'others'),
  hook: fc.constantFrom('ecs-drain', 'ecs-drain', 'ecs-drain', 'backup'),
  instance: whose,
  token: fc.constantFrom('true', 'false'),
  notice: fc.constant(undefined),
  started: second,
  beaten: second,
  limits: maybe(
    fc.record({
      heartbeatTimeoutSeconds: fc.constantFrom(30, 600, 7_200),
      globalTimeoutSeconds: fc.constantFrom(1, 30, 600, 172_800),
    }),
  ),
  silentSince: maybe(fc.constantFrom(-100_000, -1_000, 0)),
  heartbeats: fc.constantFrom(0, 1, 1e9),
  continuations: fc.constantFrom(0, 1, 5, 1_999, 2_000),
  announced: fc.constantFrom(undefined, 'started', 'stuck'),
  containerInstance: maybe(whose),
  cluster: fc.constantFrom(undefined, 'prod', 'secret'),
  parked: maybe(
    fc.record({
      instances: fc.array(whose, { maxLength: 3 }),
      tasks: fc.array(whose, { maxLength: 3 }),
      awaited: maybe(whose),
    }),
  ),
});

/** The continuation event, as PutEvents takes it. */
function entryOf(claimed: Claims, { arns, heldSinceMs, held, others, token, region }: HostileWorld) {
  const at = (seconds: number | undefined) => (seconds === undefined ? 0 : heldSinceMs + seconds * 1000);
  const ids = { held, ...others };
  const clusterOf = (one: Whose) => (one === 'secret' ? 'secret' : 'prod');
  const located = (of: 'instance' | 'task') => (one: Whose) => ({ arn: arns[one][of], cluster: clusterOf(one) });
  const { instance, notice, containerInstance, parked } = claimed;
  const instanceId = ids[instance];
  const given = claimed.token === 'true' ? token : '87654321-4321-4321-4321-210987654321';
  const nowMs = region.time.nowMs();
  const drain = {
    action: notice
      ? { notice, instanceId, token: given }
      : { autoScalingGroup: claimed.group, lifecycleHook: claimed.hook, instanceId, token: given },
    namedCluster: claimed.cluster,
    cluster: claimed.cluster,
    containerInstance: containerInstance && arns[containerInstance].instance,
    startedAtMs: at(claimed.started),
    lastHeartbeatAtMs: at(claimed.beaten),
    hook: claimed.limits,
    heartbeats: claimed.heartbeats,
    continuations: claimed.continuations,
    pollIntervalSeconds: 2,
    announced: claimed.announced,
    agentSilence:
      claimed.silentSince !== undefined ? { sinceMs: at(claimed.silentSince), seenLastAtMs: nowMs } : undefined,
    parked: parked && {
      untilMs: nowMs,
      containerInstances: parked.instances.map(located('instance')),
      holdingTasks: parked.tasks.map(located('task')),
      awaitedTask: parked.awaited && arns[parked.awaited].task,
    },
  };
  return {
    Source: EVENT_SOURCE,
    DetailType: 'ECS Drain Continuation',
    Detail: JSON.stringify({ version: claimed.version, drain }),
  };
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

describe('a continuation that somebody has forged or sent again', () => {
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
          const { region, lambda, held, events } = played;
          // A watching drain has nobody else to remember since when an agent is silent: docs/threat-model.md.
          if (silent !== undefined && waiting === 'park') {
            region.time.after(silent, () => region.ecs.setAgentConnected(held, false));
            region.time.after(silent + 60, () => region.ecs.setAgentConnected(held, true));
          }
          for (const { afterSeconds, forged } of all) {
            await played.seconds(afterSeconds);
            // Without claims, the newest genuine one comes again.
            const ours = events.filter((event) => (event as { source: string }).source === EVENT_SOURCE);
            if (forged) region.ask('events', 'PutEvents', { Entries: [entryOf(forged, played)] });
            else if (ours.length > 0) lambda.invokeAsync(ours.at(-1));
          }
          await played.settle();
          expect(misdeedsIn(played, ['held'])).toEqual([]);
          expect(region.autoScaling.completions.map(({ instanceId, by }) => [instanceId, by])).toEqual([
            [held, 'completion'],
          ]);
          expect(region.killedTasks.length).toBe(taskSeconds > DEADLINE_SECONDS && stopStragglers === 'none' ? 1 : 0);
        });
      }),
      { numRuns: 25 },
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
      { numRuns: 25 },
    );
  });
});
