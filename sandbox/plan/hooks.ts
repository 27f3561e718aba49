import { DEFAULT_STAGE, PARAMS, paramsOf } from '../../deploy/params.ts';
import { duration } from '../../src/adapters/duration.ts';
import { choicesIn, isRejected } from '../../src/adapters/hook-metadata.ts';
import { hookLimits, MANAGED_DRAINING_HOOK, newHeldDrain } from '../../src/domain/drain.ts';
import { deadlineAtMs, type Policy, policyOf, policyWith } from '../../src/domain/policy.ts';
import { conflictsIn, interferenceOf } from '../../src/domain/policy-conflicts.ts';
import { clustersOf, InvalidSettings } from '../../src/handlers/settings.ts';
import { groupsSetting } from '../drainers/ecs-drain.ts';
import type { HookSpec } from '../region/auto-scaling/model.ts';
import type { Params } from '../scenarios.ts';
import type { Estimate } from './estimates.ts';
import { BadSnapshot, type Snapshot } from './snapshot.ts';

/**
 * What holds the instances in a rehearsal: the hooks of ecs-drain that the group has, else the one that the stack creates; and beside
 * them the hooks of others.
 */

export type SnapshotHook = NonNullable<Snapshot['group']['hooks']>[number];

/** The names of the hooks that are ours. */
export function hookNamesIn(params: Params): string[] {
  return String(params['lifecycleHook'] ?? PARAMS.lifecycleHook.default)
    .split(',')
    .map((name) => name.trim());
}

/** The names of the hooks that ecs-drain drains for: its own, and that of ECS where it watches managed draining. */
export function drainedHooksIn(params: Params): string[] {
  const watched = params['superviseManagedDraining'] === 'true' ? [MANAGED_DRAINING_HOOK] : [];
  return [...hookNamesIn(params), ...watched];
}

/** Those of the group that are ours, and hold an instance that leaves. */
function ownHooksIn({ hooks = [] }: Snapshot['group'], params: Params): SnapshotHook[] {
  const ours = hookNamesIn(params);
  return hooks.filter(({ name, transition }) => transition === 'terminating' && ours.includes(name));
}

/** Those of others: an instance that leaves waits for them as well. */
function foreignHooksIn({ hooks = [] }: Snapshot['group'], params: Params): SnapshotHook[] {
  const known = [...hookNamesIn(params), MANAGED_DRAINING_HOOK];
  return hooks.filter(({ name, transition }) => transition === 'terminating' && !known.includes(name));
}

/** Where ecs-drain watches managed draining, the group has the hook of ECS alone. */
function watchedHookIn({ hooks = [] }: Snapshot['group'], params: Params): SnapshotHook | undefined {
  if (params['superviseManagedDraining'] !== 'true') return undefined;
  return hooks.find(({ name }) => name === MANAGED_DRAINING_HOOK);
}

/** Whether ECS drains the instances, and no hook of ours does: ecs-drain only watches it then (docs/decisions/0024). */
export function isDrainedByEcs({ group }: Pick<Snapshot, 'group'>, params: Params): boolean {
  return (
    (group.hooks ?? []).some(({ name }) => name === MANAGED_DRAINING_HOOK) && ownHooksIn(group, params).length === 0
  );
}

/**
 * The params that a rehearsal deploys with. The stack creates a hook only where the group has none yet, and ECS does not drain. A dry run
 * is rehearsed as what comes after it, because a function that changes nothing has nothing to plan.
 */
export function rehearsedParams({ group }: Pick<Snapshot, 'group'>, params: Params): Params {
  const rehearsed = {
    ...params,
    ...(params['dryRun'] === 'true' && { dryRun: 'false' }),
    ...(isDrainedByEcs({ group }, params) && { superviseManagedDraining: 'true' }),
  };
  return { ...rehearsed, ...(isHeld(group, rehearsed) && { createLifecycleHooks: 'false' }) };
}

function isHeld(group: Snapshot['group'], params: Params): boolean {
  return ownHooksIn(group, params).length > 0 || watchedHookIn(group, params) !== undefined;
}

/** The hooks of ours that the group has from the start. */
export function hookSpecsOf({ group }: Pick<Snapshot, 'group'>, params: Params): HookSpec[] {
  return ownHooksIn(group, params).map((hook) => toSpec(hook, group.name));
}

/** The hooks of others that the group has. Who completes them is not known, so nothing does. */
export function foreignHookSpecsOf({ group }: Pick<Snapshot, 'group'>, params: Params): HookSpec[] {
  return foreignHooksIn(group, params).map((hook) => toSpec(hook, group.name));
}

function toSpec(hook: SnapshotHook, group: string): HookSpec {
  const { name, heartbeatTimeoutSeconds, defaultResult } = hook;
  const notificationMetadata = metadataOf(hook);
  const metadata = notificationMetadata !== undefined && { notificationMetadata };
  return { name, group, heartbeatTimeoutSeconds, defaultResult, ...metadata };
}

/** The notification metadata of a hook, of which a snapshot has the choices as text. */
export function metadataOf({ settings, rejected }: SnapshotHook): string | undefined {
  if (rejected) return '[]'; // As any other JSON that is no object with choices.
  if (!settings) return undefined;
  const typed = ([name, value]: [string, string]) => [name, /^\d+$/.test(value) ? Number(value) : value];
  return JSON.stringify(Object.fromEntries(Object.entries(settings).map(typed)));
}

/** How long an instance is held without a heartbeat, and by which hook. */
export function hookTimesOf({ group }: Snapshot, params: Params): (Estimate & { readonly what: string })[] {
  const what = (name: string) => `hold of an instance by the hook ${name} without a heartbeat`;
  const end = (seconds: number, result: string) =>
    `, for ${duration(hookLimits(seconds).globalTimeoutSeconds)} at most; then ${result}`;
  const own = ownHooksIn(group, params);
  const watched = watchedHookIn(group, params);
  const times = own.map((hook) => {
    const { name, heartbeatTimeoutSeconds: seconds, defaultResult, settings = {} } = hook;
    const chosen = Object.entries(settings).map(([setting, value]) => `, and it sets ${setting}=${value}`);
    return {
      what: what(name),
      seconds,
      source: `the group's own hook${end(seconds, defaultResult)}${chosen.join('')}`,
    };
  });
  if (watched) {
    const source = 'the hook of ECS managed draining, which ecs-drain watches';
    times.push({ what: what(watched.name), seconds: watched.heartbeatTimeoutSeconds, source });
  }
  const foreign = foreignHooksIn(group, params).map(({ name, heartbeatTimeoutSeconds: seconds, defaultResult }) => {
    const source = `the hook is not of ecs-drain, and nothing completes it in the plan; then ${defaultResult}`;
    return { what: `hold of an instance by the hook ${name}`, seconds, source, assumed: true };
  });
  if (times.length > 0) return [...times.map((time) => ({ ...time, assumed: false })), ...foreign];
  const { name = '', seconds, result } = createdHook(params);
  const why = group.hooks ? 'the group has no hook of ecs-drain yet' : 'the hooks of the group are not known';
  const source = `the hook that createLifecycleHooks creates, because ${why}${end(seconds, result)}`;
  return [{ what: what(name), seconds, source, assumed: group.hooks === undefined }, ...foreign];
}

function createdHook(params: Params) {
  const [name] = hookNamesIn(params);
  const seconds = Number(params['heartbeatTimeoutSeconds'] ?? PARAMS.heartbeatTimeoutSeconds.default);
  return { name, seconds, result: String(params['hookDefaultResult'] ?? PARAMS.hookDefaultResult.default) };
}

/**
 * How drains of the group go, by each hook of ecs-drain that holds its instances, with the deadline that the hook leaves them.
 * @throws BadSnapshot if the settings cannot work
 */
export function policiesOf(
  { group, cluster }: Snapshot,
  params: Params,
): Pick<Policy, 'deadlineSeconds' | 'stopStragglers'>[] {
  const { settings } = deployedWith(params, group.name, cluster.name);
  const policy = { ...settings, clusters: clustersOf(settings) };
  const { name = '', seconds } = createdHook(params);
  const own = ownHooksIn(group, params);
  const hooks = own.length > 0 ? own : [{ name, heartbeatTimeoutSeconds: seconds }];
  return hooks.map((hook) => {
    const choices = 'transition' in hook ? choicesIn(metadataOf(hook)) : undefined;
    const action = { autoScalingGroup: group.name, lifecycleHook: hook.name, instanceId: '' };
    const limits = { ...hookLimits(hook.heartbeatTimeoutSeconds), choices };
    const drain = { ...newHeldDrain(action, { startedAtMs: 0, pollIntervalSeconds: 0 }), hook: limits };
    const { stopStragglers } = policyOf(drain, policy);
    return { stopStragglers, deadlineSeconds: deadlineAtMs(drain, policy) / 1000 };
  });
}

/**
 * How long a drain has, by each hook of ecs-drain.
 * @throws BadSnapshot if the settings cannot work
 */
export function deadlineTimesOf(snapshot: Snapshot, params: Params): (Estimate & { readonly what: string })[] {
  if (isDrainedByEcs(snapshot, params)) return [];
  const setting = Number(params['deadlineSeconds'] ?? PARAMS.deadlineSeconds.default);
  const own = ownHooksIn(snapshot.group, params);
  return policiesOf(snapshot, params).map(({ deadlineSeconds }, i) => {
    const { name, settings } = own[i] ?? {};
    const source =
      settings?.['deadlineSeconds'] !== undefined && deadlineSeconds < setting
        ? 'its hook chooses that'
        : `deadlineSeconds=${setting}${deadlineSeconds < setting ? ', and its hook holds no longer' : ''}`;
    const by = own.length > 1 ? ` by the hook ${name}` : '';
    return { what: `deadline of a drain${by}`, seconds: deadlineSeconds, source, assumed: false };
  });
}

/** What has to be done before the change, because it goes as rehearsed only then. */
export interface Prerequisite {
  readonly kind: 'deploy' | 'group' | 'dry-run' | 'setting' | 'hook';
  /** An instruction. */
  readonly first: string;
  readonly because: string;
}

/** Whether there is no function. Where it could not be read, one may be deployed, and a missing hook is still missing. */
export function isUndeployed({ drain, unknown }: Pick<Snapshot, 'drain' | 'unknown'>): boolean {
  return !drain && !unknown.some(({ call }) => call === 'lambda:GetFunctionConfiguration');
}

/** `params` are those of the deployment, before `rehearsedParams`. */
export function prerequisitesOf(snapshot: Snapshot, params: Params): Prerequisite[] {
  return [...prerequisites(snapshot, params)];
}

function* prerequisites(snapshot: Snapshot, params: Params): Generator<Prerequisite> {
  const { drain, group, cluster } = snapshot;
  const isOfEcs = isDrainedByEcs(snapshot, params);
  const isUnheld = group.hooks !== undefined && !isHeld(group, params) && !isOfEcs;
  const nothingHolds = `no hook of ecs-drain holds the instances of the group ${group.name}`;
  const isToDeploy = isUndeployed(snapshot) && !isOfEcs;
  const tried = triedSettings(snapshot, params);
  if (isToDeploy) {
    const because = `no function of it was found${isUnheld ? `, and ${nothingHolds}` : ''}`;
    const settings = tried.length > 0 ? ` with ${tried.map(({ typed }) => typed).join(' and ')}` : '';
    yield { kind: 'deploy', first: `deploy ecs-drain for the group ${group.name}${settings}`, because };
  }
  if (drain?.drainsGroup === false && !isOfEcs) {
    const first = `add the group ${group.name} to autoScalingGroups and ${cluster.name} to cluster, and deploy again`;
    yield { kind: 'group', first, because: `${drain.function} does not drain this group in this cluster` };
  }
  if ([params, drain?.params].some((each) => each?.['dryRun'] === 'true') && !isOfEcs) {
    const meanwhile = 'each instance is held until its hook times out or something else completes it';
    const because = `a dry run changes nothing${isUnheld ? '' : `: ${meanwhile}`}`;
    yield { kind: 'dry-run', first: 'deploy with dryRun=false', because };
  }
  if (tried.length > 0 && !isToDeploy) {
    const now = tried.map(({ deployed }) => deployed).join(' and ');
    const because = drain ? `${drain.function} has ${now}` : 'the settings of the deployed function are not known';
    yield { kind: 'setting', first: `deploy with ${tried.map(({ typed }) => typed).join(' and ')}`, because };
  }
  if (isUnheld && !isToDeploy) {
    const first = `create the hook ${hookNamesIn(params)[0]} (createLifecycleHooks=true does, or whoever manages the group)`;
    yield { kind: 'hook', first, because: nothingHolds };
  }
}

export function defaultOf(setting: string) {
  return PARAMS[setting as keyof typeof PARAMS]?.default;
}

/** The settings of a plan that the deployed function does not have. */
function triedSettings({ drain }: Snapshot, params: Params) {
  return Object.entries(params).flatMap(([name, value]) => {
    const deployed = drain?.params[name] ?? defaultOf(name);
    if (name === 'dryRun' || String(value) === String(deployed)) return [];
    return { typed: `${name}=${value}`, deployed: `${name}=${deployed}` };
  });
}

/**
 * What is wrong with the hooks of the group, in the words of the function.
 * @throws BadSnapshot if the settings cannot work
 */
export function hookTroublesOf({ group, cluster }: Snapshot, params: Params): string[] {
  const { settings } = deployedWith(params, group.name, cluster.name);
  const policy = { ...settings, clusters: clustersOf(settings) };
  const interferences = foreignHooksIn(group, params).flatMap((hook) => {
    const limits = hookLimits(hook.heartbeatTimeoutSeconds);
    return interferenceOf({ ...hook, limits }, hookNamesIn(params), settings.deadlineSeconds) ?? [];
  });
  const ours = ownHooksIn(group, params).flatMap((hook) => {
    const { name, heartbeatTimeoutSeconds } = hook;
    if (isRejected(metadataOf(hook))) {
      return `The notification metadata of the hook ${name} cannot be used: its events are rejected, and nothing drains its instances. Put the hook with metadata such as {"deadlineSeconds": 900}, or with none.`;
    }
    const { functionTimeoutSeconds } = settings;
    const limits = { functionTimeoutSeconds, hook: hookLimits(heartbeatTimeoutSeconds) };
    const chosen = policyWith(choicesIn(metadataOf(hook)), policy);
    return conflictsIn(chosen, limits).map((conflict) => `The hook ${name}: ${conflict}`);
  });
  return [...ours, ...interferences];
}

/** What the hooks of a group may choose for its drains. */
const CHOSEN = ['deadlineSeconds', 'deadlineResult', 'stopStragglers', 'deregistrationDelaySeconds'] as const;

/** Why the setting changes nothing in a rehearsal with these params: the hooks of the group decide; undefined if it may change something. */
export function overruled(name: string, snapshot: Snapshot, params: Params): string | undefined {
  const { group, cluster, drain } = snapshot;
  const own = ownHooksIn(group, params);
  const [hook = watchedHookIn(group, params)] = own;
  if (hook && name === 'heartbeatTimeoutSeconds') {
    return `it is for hooks that the stack creates, and the group ${group.name} has the hook ${hook.name}, of ${duration(hook.heartbeatTimeoutSeconds)}`;
  }
  const choice = CHOSEN.find((each) => each === name);
  if (!choice || own.length === 0) return undefined;
  const [typed, deployed] = [params, drain?.params ?? {}].map((each) => {
    const { settings } = deployedWith(rehearsedParams(snapshot, each), group.name, cluster.name);
    return { ...settings, clusters: clustersOf(settings) };
  });
  const isChosen = own.every((each) => {
    const choices = choicesIn(metadataOf(each));
    if (choices?.[choice] === undefined || !typed || !deployed) return false;
    return policyWith(choices, typed)[choice] === policyWith(choices, deployed)[choice];
  });
  if (!isChosen) return undefined;
  return own.map((each) => `the hook ${each.name} chooses ${choice}=${each.settings?.[choice]}`).join(', and ');
}

/** @throws BadSnapshot if the settings cannot work */
export function deployedWith(params: Params, group: string, cluster: string) {
  try {
    return paramsOf({ cluster, autoScalingGroups: groupsSetting(group), ...params }, DEFAULT_STAGE);
  } catch (error) {
    if (!(error instanceof InvalidSettings)) throw error;
    throw new BadSnapshot(`The settings cannot work: ${error.message}`, { cause: error });
  }
}
