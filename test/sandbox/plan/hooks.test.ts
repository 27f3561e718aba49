import { describe, expect, it } from 'vitest';
import { fromSourceForGroup } from '../../../bench/plan/prove.ts';
import { installedFrom } from '../../../sandbox/drainers/ecs-drain.ts';
import { blueprintOf } from '../../../sandbox/plan/build.ts';
import type { Change } from '../../../sandbox/plan/change.ts';
import { concluded } from '../../../sandbox/plan/conclude.ts';
import { estimatesOf } from '../../../sandbox/plan/estimates.ts';
import {
  hookSpecsOf,
  hookTroublesOf,
  overruled,
  prerequisitesOf,
  rehearsedParams,
  type SnapshotHook,
} from '../../../sandbox/plan/hooks.ts';
import type { Plan } from '../../../sandbox/plan/plan.ts';
import type { Snapshot } from '../../../sandbox/plan/snapshot.ts';
import { play } from '../../../sandbox/plan/trial.ts';
import { troublesOf } from '../../../sandbox/plan/troubles.ts';
import type { DrillEvent, DrillResult } from '../../../sandbox/result.ts';
import { aSnapshot, type Changes, DEPLOYED, HOOK, INSTANCES } from './samples.ts';

const change: Change = { kind: 'terminate', instanceIds: [INSTANCES[0]], shrinks: false };
const install = installedFrom(fromSourceForGroup);
const ECS_HOOK: SnapshotHook = { ...HOOK, name: 'ecs-managed-draining-termination-hook' };

/** A plan of one trial, and which hooks held the instance in it, and for how long. */
async function planOf(changes: Changes): Promise<Plan & { readonly heldBy: readonly string[] }> {
  const snapshot = aSnapshot(changes);
  const given = snapshot.drain?.params ?? {};
  const params = rehearsedParams(snapshot, given);
  const estimates = estimatesOf(snapshot);
  const trial = { blueprint: blueprintOf(snapshot, estimates, params), change, params, seed: 1 };
  let events: readonly DrillEvent[] = [];
  const onDrill = (drill: DrillResult) => {
    events = drill.events;
  };
  const plan = concluded({
    snapshot,
    change,
    params,
    estimates,
    limits: [],
    prerequisites: prerequisitesOf(snapshot, given),
    troubles: troublesOf(snapshot, params),
    withDrain: [await play({ ...trial, install, onDrill })],
    withoutDrain: [await play({ ...trial, install: undefined })],
    others: [],
  });
  const heldBy = events.flatMap((each) => (each.kind === 'lifecycle' && each.what === 'held' ? each.hook : []));
  return { ...plan, heldBy };
}

const holds = ({ times }: Plan) => times.filter(({ what }) => what.startsWith('hold of an instance'));

describe('the hook that a plan rehearses', () => {
  const stuck = { maximumPercent: 100 };

  it('is that of the group, with its own timeout, result and settings', async () => {
    const hook: SnapshotHook = { ...HOOK, heartbeatTimeoutSeconds: 300, settings: { deadlineSeconds: '600' } };
    const plan = await planOf({ group: { hooks: [hook] }, service: stuck });
    expect(plan.drains).toMatchObject([{ outcomes: { 'timed-out': 1 } }]);
    expect(plan.drains[0]?.seconds.p50).toBeGreaterThan(595);
    expect(plan.drains[0]?.seconds.p50).toBeLessThan(630);
    expect(plan.heldBy).toEqual(['ecs-drain']);
    expect(holds(plan)).toEqual([
      {
        what: 'hold of an instance by the hook ecs-drain without a heartbeat',
        seconds: 300,
        source: "the group's own hook, for 8 h 20 min at most; then CONTINUE, and it sets deadlineSeconds=600",
        assumed: false,
      },
    ]);
  });

  it('keeps to the settings of the stack where it asks for more, as the function does', async () => {
    const hook: SnapshotHook = { ...HOOK, settings: { deadlineSeconds: '3600' } };
    const drain = { ...DEPLOYED, params: { deadlineSeconds: '600' } };
    const plan = await planOf({ group: { hooks: [hook] }, service: stuck, drain });
    expect(plan.drains[0]?.seconds.p50).toBeLessThan(630);
  });

  it('is each of ours that the group has, whatever it is called, and not one of the launch', () => {
    const hooks = ['first', 'second', 'third'].map((name): SnapshotHook => ({ ...HOOK, name }));
    const launching: SnapshotHook = { ...HOOK, name: 'first', transition: 'launching' };
    const params = { lifecycleHook: 'first, second' };
    const snapshot = aSnapshot({ group: { hooks: [...hooks, launching] } });
    expect(hookSpecsOf(snapshot, params).map(({ name }) => name)).toEqual(['first', 'second']);
    expect(rehearsedParams(snapshot, params)).toEqual({ ...params, createLifecycleHooks: 'false' });
  });

  it('is that of ECS alone where ecs-drain watches managed draining', async () => {
    const drain = { ...DEPLOYED, params: { superviseManagedDraining: 'true' } };
    const provider = { name: 'p', managedScaling: false, managedTerminationProtection: false, managedDraining: true };
    const cluster = { capacityProviders: [{ ...provider, autoScalingGroup: 'web' }] };
    const plan = await planOf({ group: { hooks: [ECS_HOOK] }, drain, cluster });
    expect(plan).toMatchObject({ go: true, prerequisites: [], heldBy: [ECS_HOOK.name] });
    expect(holds(plan)).toMatchObject([{ source: 'the hook of ECS managed draining, which ecs-drain watches' }]);
    expect(plan.troubles).toEqual([]);
    // Where nothing watches it, or nothing is deployed, it drains all the same.
    for (const deployed of [DEPLOYED, undefined]) {
      const unwatched = await planOf({ group: { hooks: [ECS_HOOK] }, cluster, drain: deployed });
      expect(unwatched).toMatchObject({ go: true, prerequisites: [], heldBy: [ECS_HOOK.name] });
      expect(unwatched.troubles).toEqual([
        'ECS managed draining drains the instances of the group, for up to 48 hours each, and nothing reports it. Deploy with superviseManagedDraining=true.',
      ]);
    }
  });

  it('has no drain of what ECS scales in after the change', async () => {
    const provider = { name: 'p', managedScaling: true, managedTerminationProtection: false, managedDraining: true };
    const instances = aSnapshot().cluster.instances.map((each) => ({ ...each, capacityProvider: 'p' }));
    const cluster = { instances, capacityProviders: [{ ...provider, autoScalingGroup: 'web' }] };
    const drain = { ...DEPLOYED, params: { superviseManagedDraining: 'true' } };
    const { drains, heldBy } = await planOf({ group: { hooks: [ECS_HOOK] }, drain, cluster });
    expect(drains.map(({ instanceId }) => instanceId)).toEqual([INSTANCES[0]]);
    expect(heldBy).toHaveLength(2);
  });

  it('has one drain for an instance that several hooks hold, with its calls once', async () => {
    const provider = { name: 'p', managedScaling: false, managedTerminationProtection: false, managedDraining: true };
    const cluster = { capacityProviders: [{ ...provider, autoScalingGroup: 'web' }] };
    const alone = await planOf({});
    const besides = await planOf({ group: { hooks: [HOOK, ECS_HOOK] }, cluster });
    expect(besides.heldBy).toHaveLength(2);
    expect(besides.verdict).toContain('ECS managed draining holds the instances of the group as well. Turn it off');
    expect(besides).toMatchObject({ drains: [{ outcomes: { drained: 1 } }] });
    expect(Math.abs(besides.calls.p50 - alone.calls.p50)).toBeLessThan(5);
    const two = { ...DEPLOYED, params: { lifecycleHook: 'first,second' } };
    const hooks = ['first', 'second'].map((name): SnapshotHook => ({ ...HOOK, name }));
    const both = await planOf({ group: { hooks }, drain: two });
    expect(both.heldBy.toSorted()).toEqual(['first', 'second']);
    expect(both).toMatchObject({ go: true, drains: [{ outcomes: { drained: 1 } }] });
  });

  it('is the one that the stack creates where the group has none, and the verdict says what to do first', async () => {
    const plan = await planOf({ group: { hooks: [] } });
    expect(plan).toMatchObject({ go: false, drainsAll: true, heldBy: ['ecs-drain'] });
    expect(plan.verdict).toMatch(
      /^Do not go ahead yet: first create the hook ecs-drain \(createLifecycleHooks=true does, or whoever manages the group\), because no hook of ecs-drain holds the instances of the group web\. Then the termination of \S+ drains its instance in the one rehearsal; it takes .* without a drain, 2 would be\./,
    );
    expect(holds(plan)).toMatchObject([
      {
        seconds: 3_600,
        source:
          'the hook that createLifecycleHooks creates, because the group has no hook of ecs-drain yet, for 48 h at most; then CONTINUE',
        assumed: false,
      },
    ]);
  });

  describe('beside one of others', () => {
    const other = (more: Partial<SnapshotHook>) => ({ group: { hooks: [HOOK, { ...HOOK, name: 'logs', ...more }] } });

    it('ends when that one ends the wait of all, and the verdict says why', async () => {
      const plan = await planOf(other({ heartbeatTimeoutSeconds: 120, defaultResult: 'ABANDON' }));
      expect(plan).toMatchObject({
        go: false,
        drains: [{ instanceId: INSTANCES[0], outcomes: { 'already-completed': 1 }, seconds: { p50: 120 } }],
        killed: { withDrain: { tasks: 2 } },
        heldBy: ['ecs-drain', 'logs'],
      });
      expect(plan.verdict).toContain(
        'The hook logs, which is not ours, times out after 120 s without a heartbeat, and its default result ABANDON ends the wait of every hook',
      );
    });

    it('drains no later, and the change waits for both, with and without a drain', async () => {
      const plan = await planOf(other({ heartbeatTimeoutSeconds: 3_600 }));
      expect(plan).toMatchObject({
        go: true,
        troubles: [],
        drains: [{ outcomes: { drained: 1 } }],
        seconds: { p50: 3_600 },
        killed: { withDrain: { tasks: 0 } },
      });
      expect(plan.drains[0]?.seconds.p95).toBeLessThan(215);
      expect(holds(plan)).toMatchObject([
        { what: expect.stringContaining('ecs-drain'), assumed: false },
        {
          what: 'hold of an instance by the hook logs',
          seconds: 3_600,
          source: 'the hook is not of ecs-drain, and nothing completes it in the plan; then CONTINUE',
          assumed: true,
        },
      ]);
    });
  });

  it('is assumed where the hooks of the group are not known', async () => {
    const plan = await planOf({ group: { hooks: undefined } });
    expect(plan).toMatchObject({ go: true, prerequisites: [] });
    expect(holds(plan)).toMatchObject([
      { source: expect.stringContaining('the hooks of the group are not known'), assumed: true },
    ]);
  });

  it('is said to be wrong in the verdict where its timeout or its metadata cannot work', async () => {
    const short: SnapshotHook = { ...HOOK, heartbeatTimeoutSeconds: 30 };
    const plan = await planOf({ group: { hooks: [short] } });
    expect(plan.verdict).toContain(
      "The hook ecs-drain: deadlineSeconds 7200 is above the hook's global timeout 3000 s",
    );
    expect(() => hookTroublesOf(aSnapshot(), { heartbeatFraction: 'often' })).toThrow(
      /^The settings cannot work: heartbeatFraction is "often": expected /,
    );
    const rejected: SnapshotHook = { ...HOOK, rejected: true, heartbeatTimeoutSeconds: 60 };
    const held = await planOf({ group: { hooks: [rejected] } });
    expect(held).toMatchObject({ go: false, drains: [{ outcomes: { 'left to the hook’s timeout': 1 } }] });
    expect(held.verdict).toContain('The notification metadata of the hook ecs-drain cannot be used:');
    // Someone has edited the file.
    const edited: SnapshotHook = { ...HOOK, settings: { deadlineSeconds: 'soon' } };
    expect(hookTroublesOf(aSnapshot({ group: { hooks: [edited] } }), {})).toEqual([
      expect.stringMatching(/^The notification metadata of the hook ecs-drain cannot be used: /),
    ]);
  });
});

describe('a setting that someone has typed', () => {
  const CHOOSING: SnapshotHook = { ...HOOK, settings: { deadlineSeconds: '120', stopStragglers: 'none' } };
  const why = (typed: Record<string, string>, changes: Changes, deployed = {}) => {
    const snapshot = aSnapshot({ ...changes, drain: { ...DEPLOYED, params: deployed } });
    const [name = ''] = Object.keys(typed);
    return overruled(name, snapshot, { ...deployed, ...typed });
  };

  it('changes nothing where it is of a hook that is not created', () => {
    const timeout = { heartbeatTimeoutSeconds: '600' };
    expect(why(timeout, {})).toBe(
      'it is for hooks that the stack creates, and the group web has the hook ecs-drain, of 1 h',
    );
    expect(why(timeout, { group: { hooks: [] } })).toBeUndefined();
    const watched = { superviseManagedDraining: 'true' };
    expect(why(timeout, { group: { hooks: [ECS_HOOK] } }, watched)).toContain(`has the hook ${ECS_HOOK.name}, of 1 h`);
  });

  it('changes nothing where each hook chooses something stricter', () => {
    const deadline = (seconds: number) => ({ deadlineSeconds: String(seconds) });
    const group = { hooks: [CHOOSING] };
    expect(why(deadline(3_600), { group })).toBe('the hook ecs-drain chooses deadlineSeconds=120');
    expect(why({ stopStragglers: 'all' }, { group })).toBe('the hook ecs-drain chooses stopStragglers=none');
    expect(why(deadline(60), { group }), 'what is stricter still').toBeUndefined();
    expect(why(deadline(3_600), {}), 'without a choice').toBeUndefined();
    expect(why({ deadlineResult: 'ABANDON' }, { group }), 'another choice').toBeUndefined();
    expect(why({ agentGraceSeconds: '60' }, { group }), 'what no hook chooses').toBeUndefined();
    const hooks = [CHOOSING, { ...HOOK, name: 'second' }];
    expect(why(deadline(3_600), { group: { hooks } }, { lifecycleHook: 'ecs-drain,second' })).toBeUndefined();
  });
});

describe('what has to be done before the change', () => {
  const kinds = (changes: Changes, typed = {}) => {
    const snapshot = aSnapshot(changes);
    return prerequisitesOf(snapshot, { ...snapshot.drain?.params, ...typed }).map(({ kind }) => kind);
  };
  const DRY = { ...DEPLOYED, params: { dryRun: 'true' } };

  it('is nothing where ecs-drain drains the group', () => {
    expect(kinds({})).toEqual([]);
  });

  it('has the settings that the plan tries and the function lacks', () => {
    const firsts = (drain: Changes['drain'], typed: Record<string, string>, unknown: Snapshot['unknown'] = []) =>
      prerequisitesOf(aSnapshot({ drain, unknown }), { ...drain?.params, ...typed });
    const deployed = { ...DEPLOYED, params: { deadlineSeconds: '1800' } };
    expect(firsts(deployed, { deadlineSeconds: '7200', stopStragglers: 'all' })).toEqual([
      {
        kind: 'setting',
        first: 'deploy with deadlineSeconds=7200 and stopStragglers=all',
        because: 'ecs-drain-main-drain has deadlineSeconds=1800 and stopStragglers=none',
      },
    ]);
    expect(firsts(deployed, { deadlineSeconds: '1800', stopStragglers: 'none' })).toEqual([]);
    expect(firsts(undefined, { deadlineSeconds: '600' })).toMatchObject([
      { kind: 'deploy', first: 'deploy ecs-drain for the group web with deadlineSeconds=600' },
    ]);
    const unknown = [{ call: 'lambda:GetFunctionConfiguration', why: 'AccessDenied', missing: 'the settings' }];
    expect(firsts(undefined, { deadlineSeconds: '600' }, unknown)).toMatchObject([
      { kind: 'setting', because: 'the settings of the deployed function are not known' },
    ]);
  });

  it('begins with the deployment where no function was found, unless it could not be read', () => {
    expect(kinds({ drain: undefined })).toEqual(['deploy']);
    const unknown = [{ call: 'lambda:GetFunctionConfiguration', why: 'AccessDenied', missing: 'the settings' }];
    expect(kinds({ drain: undefined, unknown })).toEqual([]);
    // A function that may be there drains nothing that no hook holds.
    expect(kinds({ drain: undefined, unknown, group: { hooks: [] } })).toEqual(['hook']);
    const [first] = prerequisitesOf(aSnapshot({ drain: undefined, group: { hooks: [] } }), {});
    expect(first).toEqual({
      kind: 'deploy',
      first: 'deploy ecs-drain for the group web',
      because: 'no function of it was found, and no hook of ecs-drain holds the instances of the group web',
    });
  });

  it('names the group where the deployed function drains others', () => {
    expect(kinds({ drain: { ...DEPLOYED, drainsGroup: false } })).toEqual(['group']);
  });

  it('ends a dry run, whether it is deployed or typed, even if --param ends it for the plan', () => {
    expect(kinds({ drain: DRY })).toEqual(['dry-run']);
    expect(kinds({}, { dryRun: 'true' })).toEqual(['dry-run']);
    expect(kinds({ drain: DRY }, { dryRun: 'false' })).toEqual(['dry-run']);
  });

  it('is in the verdict of a dry run, which is planned as what comes after it', async () => {
    const plan = await planOf({ drain: DRY });
    expect(plan).toMatchObject({ go: false, drainsAll: true, params: { dryRun: 'false' } });
    expect(plan.verdict).toMatch(
      /^Do not go ahead yet: first deploy with dryRun=false, because a dry run changes nothing: each instance is held until its hook times out or something else completes it\. Then /,
    );
    // Without a hook yet, which the deployment refuses to create for a dry run.
    expect(await planOf({ drain: DRY, group: { hooks: [] } })).toMatchObject({ go: false, drainsAll: true });
  });

  it('does not hide that a drain gets stuck even then', async () => {
    const drain = { ...DRY, params: { ...DRY.params, deadlineSeconds: '600' } };
    const { verdict } = await planOf({ drain, service: { maximumPercent: 100 } });
    expect(verdict).toContain('Even then, during the termination of');
  });
});
