/** `ecs-drain doctor --group` and `doctor --snapshot`: judges a group from its snapshot, with or without a deployed stack. */

import { blueprintOf, membersOf } from '../sandbox/plan/build.ts';
import { concluded } from '../sandbox/plan/conclude.ts';
import { deploymentFor } from '../sandbox/plan/deployment.ts';
import { estimatesOf } from '../sandbox/plan/estimates.ts';
import {
  isUndeployed,
  metadataOf,
  type Prerequisite,
  prerequisitesOf,
  rehearsedParams,
} from '../sandbox/plan/hooks.ts';
import { limitsOf } from '../sandbox/plan/limits.ts';
import { sentenceOn } from '../sandbox/plan/obstacles.ts';
import type { Plan } from '../sandbox/plan/plan.ts';
import { playAll } from '../sandbox/plan/play-all.ts';
import { BadSnapshot, type Snapshot, type SnapshotService, serviceOf } from '../sandbox/plan/snapshot.ts';
import { groupTroubles } from '../sandbox/plan/troubles.ts';
import { presentStopped } from '../sandbox/plan/verdict.ts';
import { choicesIn } from '../src/adapters/hook-metadata.ts';
import { NO_CAUSE } from '../src/adapters/present-explanation.ts';
import { hookLimits, type LifecycleHook, MANAGED_DRAINING_HOOK } from '../src/domain/drain.ts';
import { settingsFrom } from '../src/handlers/settings.ts';
import type { ClusterService, Providers } from './cluster.ts';
import { counted, duration, type Output, type Target, UsageError } from './common.ts';
import { type DoctorOptions, hookFindings, reportFindings, timeOf } from './doctor.ts';
import type { Finding } from './finding.ts';
import { type SnapshotSource, snapshotFor } from './plan.ts';
import { type Ask, fixFor, mayRunOnOurs, serviceFindings } from './services.ts';
import { presentUnknown } from './snapshot.ts';

/** Nothing is judged by how many requests come. */
const REQUEST_RATES = 'cloudwatch:GetMetricData';

/** A rehearsal for each kind of new instance says whether there is room. A plan says how much else may differ. */
const MOST_REHEARSALS = 10;

export async function doctorGroup(
  { verbose, ...source }: SnapshotSource & DoctorOptions,
  target: Target,
  output: Output,
): Promise<number> {
  try {
    const snapshot = await snapshotFor(source, target);
    return reportFindings(await findingsOn(snapshot, target), { group: snapshot.group.name }, output, verbose);
  } catch (error) {
    if (error instanceof BadSnapshot) throw new UsageError(error.message, { cause: error });
    throw error;
  }
}

async function findingsOn(snapshot: Snapshot, target: Target): Promise<Finding[]> {
  const { group, takenAtMs } = snapshot;
  const { environment, timeoutSeconds, hooks: created } = await deploymentFor(snapshot, paramsIn(snapshot));
  // Whether something watches ECS is judged as it is, not as it is rehearsed.
  const superviseManagedDraining = snapshot.drain?.params['superviseManagedDraining'] === 'true';
  const settings = { ...settingsFrom(environment), superviseManagedDraining };
  const hooks = hooksOf(snapshot, settings.lifecycleHooks, created);
  const ours = hooks.filter(({ name }) => settings.lifecycleHooks.includes(name));
  const times = ours.map((hook) => timeOf(hook, { settings }));
  const time = {
    deadlineSeconds: Math.min(settings.policy.deadlineSeconds, ...times.map(({ deadlineSeconds }) => deadlineSeconds)),
    heartbeatSeconds: Math.min(...times.map(({ heartbeatSeconds }) => heartbeatSeconds)),
  };
  const where = `group ${group.name}`;
  const judge = { settings, target, nowMs: () => takenAtMs };
  const services = snapshot.cluster.services
    .map((service) => [service, toClusterService(service, snapshot.cluster)] as const)
    .filter(([, service]) => mayRunOnOurs(service, providersIn(snapshot), settings));
  const onServices = services.map(async ([service, described]) => {
    const found = await serviceFindings(described, time, judge, answersIn(snapshot));
    const reported = reportedFindings(service, snapshot.cluster.name);
    return [...found.filter(({ level }) => reported.length === 0 || level !== 'ok'), ...reported];
  });
  return [
    stackFinding(snapshot, where),
    ...prerequisitesOf(snapshot, snapshot.drain?.params ?? {}).flatMap(
      (each) => prerequisiteFinding(each, where) ?? [],
    ),
    ...presentUnknown(snapshot.unknown.filter(({ call }) => call !== REQUEST_RATES)).map(
      (what) => ({ level: 'unchecked', where, what }) as const,
    ),
    ...groupTroubles(snapshot).map((trouble) => ({ where, ...trouble })),
    ...hookFindings(group.name, hooks, ours, { settings, timeoutSeconds }),
    ...(await Promise.all(onServices)).flat(),
    ...(await rehearsalFindings(snapshot)),
  ];
}

function paramsIn(snapshot: Snapshot) {
  return rehearsedParams(snapshot, snapshot.drain?.params ?? {});
}

/** That nothing is deployed yet is no finding here, and that a hook is missing is one of the checks of the hooks. */
function prerequisiteFinding({ kind, first, because }: Prerequisite, where: string): Finding | undefined {
  if (kind === 'deploy' || kind === 'setting' || kind === 'hook') return undefined;
  return {
    level: kind === 'dry-run' ? 'warning' : 'error',
    where,
    what: `${because}.`,
    fix: `${first.charAt(0).toUpperCase()}${first.slice(1)}.`,
  };
}

function stackFinding({ drain }: Snapshot, where: string): Finding {
  const what = drain
    ? `it is judged with the settings of ${drain.function}.`
    : 'no deployed ecs-drain was found: it is judged with the default settings.';
  return { level: 'note', where, what };
}

// --- The snapshot, as the checks of a deployed stack see it -----------------------------------------------------------

/** The terminating hooks of the group; with those that a deployment creates, where there is none yet or the hooks are not known. */
function hooksOf(
  snapshot: Snapshot,
  ourNames: readonly string[],
  created: readonly { readonly name: string; readonly heartbeatTimeoutSeconds: number }[],
): LifecycleHook[] {
  const { hooks } = snapshot.group;
  const there = (hooks ?? []).filter(({ transition }) => transition === 'terminating');
  const isMissing = !there.some(({ name }) => ourNames.includes(name) || name === MANAGED_DRAINING_HOOK);
  const isToCome = !hooks || (isUndeployed(snapshot) && isMissing);
  const missing = isToCome ? created : [];
  return [
    ...there.map((hook) => {
      const { name, heartbeatTimeoutSeconds, defaultResult } = hook;
      const notificationMetadata = metadataOf(hook);
      const choices = choicesIn(notificationMetadata);
      return { name, defaultResult, notificationMetadata, limits: { ...hookLimits(heartbeatTimeoutSeconds), choices } };
    }),
    ...missing.map(({ name, heartbeatTimeoutSeconds }) => ({ name, limits: hookLimits(heartbeatTimeoutSeconds) })),
  ];
}

function toClusterService(service: SnapshotService, { name: cluster, tasks }: Snapshot['cluster']): ClusterService {
  const { name, strategy, desiredCount, minimumHealthyPercent, maximumPercent } = service;
  const { taskDefinition, targetGroups, otherLoadBalancers, capacityProviders } = service;
  return {
    cluster,
    name,
    isDaemon: strategy === 'DAEMON',
    desiredCount,
    runningCount: tasks.filter((task) => serviceOf(task) === name && task.lastStatus === 'RUNNING').length,
    minimumHealthyPercent,
    maximumPercent,
    events: [],
    deployment: undefined, // Both are among the obstacles.
    taskDefinition,
    loadBalancing: { targetGroups, unread: otherLoadBalancers },
    placement: capacityProviders.length > 0 ? capacityProviders.map(({ name }) => name) : 'any-instance',
  };
}

function providersIn({ cluster }: Snapshot): Providers {
  return new Map(cluster.capacityProviders.map(({ name, autoScalingGroup }) => [name, autoScalingGroup]));
}

/** What the checks would ask AWS. */
function answersIn({ cluster }: Snapshot): Ask {
  return {
    stopTimeoutSeconds: async (taskDefinition) => {
      const found = cluster.taskDefinitions.find(({ name }) => name === taskDefinition);
      if (!found) throw new Error(`The snapshot lacks the task definition ${taskDefinition}.`);
      return found.stopTimeoutSeconds;
    },
    delaySeconds: async (names) => {
      const delays = names.map((name) => {
        const found = cluster.targetGroups.find((each) => each.name === name);
        if (found?.deregistrationDelaySeconds !== undefined) return found.deregistrationDelaySeconds;
        throw new Error(`The snapshot lacks the deregistration delay of the target group ${name}.`);
      });
      return Math.max(0, ...delays);
    },
    protection: async ({ name }) => {
      const { protectedTasks = 0 } = cluster.services.find((each) => each.name === name) ?? {};
      return Array.from({ length: protectedTasks }, () => undefined);
    },
  };
}

/** What ECS reported of the service when the snapshot was taken, in the words of a plan. */
function reportedFindings({ name, obstacles = [] }: SnapshotService, cluster: string): Finding[] {
  return obstacles.map((cause) => ({
    level: 'warning',
    where: `service ${name} of cluster ${cluster}`,
    what: `${sentenceOn({ cause })}.`,
    fix: fixFor({ kind: cause }),
  }));
}

// --- One rehearsal ----------------------------------------------------------------------------------------------------

/** What the checks of the services say already, and what only follows from other causes. */
const SAID = ['cannot-replace', 'replacements-fail', 'protected', 'daemon-last'];

/** What a plan says of the termination of the fullest instance, and what no plan of this group models. */
async function rehearsalFindings(snapshot: Snapshot): Promise<Finding[]> {
  const fullest = fullestOf(snapshot);
  if (fullest === undefined) {
    const { group, cluster } = snapshot;
    const what = `no instance is InService, and ACTIVE or DRAINING, in the cluster ${cluster.name}: there is nothing to drain.`;
    return [{ level: 'warning', where: `group ${group.name}`, what }];
  }
  const change = { kind: 'terminate', instanceIds: [fullest], shrinks: false } as const;
  const params = paramsIn(snapshot);
  const estimates = estimatesOf(snapshot);
  const blueprint = blueprintOf(snapshot, estimates, params);
  const seeds = blueprint.kinds.slice(0, MOST_REHEARSALS).map((_, i) => i + 1);
  const played = await playAll({ blueprint, change, others: [], params, seeds });
  const plan = concluded({
    snapshot,
    change,
    params,
    estimates,
    limits: [],
    prerequisites: [],
    troubles: [],
    ...played,
  });
  const limits = limitsOf({ ...snapshot, unknown: [] }, change, { estimates, params });
  const where = `rehearsal of ${fullest}, the fullest instance`;
  const stuck = plan.stuck.filter(({ kinds }) => !kinds.some((kind) => SAID.includes(kind)));
  return [
    outcomeFinding(plan, where),
    ...stuck.map(({ group, causes, fix }): Finding => {
      // A drain that ends as drained all the same takes long, and no more.
      const level = plan.drainsAll ? 'warning' : 'error';
      return { level, where, what: `${group}: ${causes.join('; ') || NO_CAUSE}.`, fix };
    }),
    ...limits.map(({ what, effect, isRisk }): Finding => {
      return { level: isRisk ? 'unchecked' : 'warning', where, what: `not modeled: ${what} ${effect}` };
    }),
  ];
}

function outcomeFinding(plan: Plan, where: string): Finding {
  const { drains, killed, drainsAll } = plan;
  const [drain] = drains;
  const { tasks } = killed.withDrain;
  if (!drain || !drainsAll) {
    const outcome = Object.keys(drain?.outcomes ?? {}).find((each) => each !== 'drained') ?? 'not drained';
    const kills = tasks === 0 ? 'no task is killed' : `${counted(tasks, 'task')} may be killed`;
    return { level: 'error', where, what: `it ends as ${outcome}, and ${kills}.` };
  }
  const what = `it drains in ${duration(drain.seconds.p50)}, and waits longest for: ${drain.bound}.`;
  const stops = presentStopped(plan);
  if (stops !== undefined) {
    return { level: 'warning', where, what: `${what} T${stops.slice(1)}.` };
  }
  if (drain.bound !== 'room for replacements') return { level: 'ok', where, what };
  const fix = 'Keep room for the tasks of one instance, or let the group launch before it terminates.';
  return { level: 'warning', where, what: `${what} Without a new instance it gets stuck.`, fix };
}

/** The one whose tasks have the most memory. */
function fullestOf(snapshot: Snapshot): string | undefined {
  const used = new Map(membersOf(snapshot).map(({ instanceId }) => [instanceId, 0]));
  for (const { ec2InstanceId, memoryMiB } of snapshot.cluster.tasks) {
    const before = used.get(ec2InstanceId);
    if (before !== undefined) used.set(ec2InstanceId, before + memoryMiB);
  }
  return [...used].toSorted(([, a], [, b]) => b - a)[0]?.[0];
}
