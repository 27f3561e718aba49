import {
  NO_CAUSE,
  REMEDIES,
  REMEDY_WITHOUT_CAUSE,
  remedyFor,
  sentenceOnCause,
} from '../../src/adapters/present-explanation.ts';
import type { Cause, CauseKind } from '../../src/domain/diagnose.ts';
import { kindsIn } from './build.ts';
import { type Change, launches } from './change.ts';
import { presentNeed, TOO_SHORT_REMEDY } from './drain-time.ts';
import type { Estimates } from './estimates.ts';
import { leavingIn, othersThatMayLeave } from './leaving.ts';
import type { Findings, Limit, Obstacle } from './plan.ts';
import { type Snapshot, serviceOf } from './snapshot.ts';
import { deadlineIn } from './time-limits.ts';
import { type Blocking, hasFailed, killedIn } from './trial.ts';
import { MOST_NAMED, presentMayBeKilled } from './verdict.ts';

/** What gets stuck in the rehearsals, why, and what to do about it. */

/** Those that something can be done about first; daemons only wait for the others. */
export function obstaclesIn({ snapshot, params, estimates, withDrain }: Findings): Obstacle[] {
  const deadlineSeconds = deadlineIn(snapshot, params);
  const blocking = withDrain.flatMap(({ seed, blocking: all }) =>
    all.map((each) => ({ ...each, seed, lack: lackOfTime(each, estimates, deadlineSeconds) })),
  );
  const alike = Map.groupBy(blocking, ({ group, causes, lack }) =>
    JSON.stringify([group, lack ?? causes.map(({ cause }) => cause)]),
  );
  const known = new Set(snapshot.cluster.services.map(({ name }) => name));
  const isUnknown = (group: string) => serviceOf({ group }) !== undefined && !known.has(serviceOf({ group }) ?? '');
  const explained = new Set(blocking.flatMap(({ group, causes }) => (causes.length > 0 ? group : [])));
  return [...alike.values()]
    .filter(([first]) => first?.lack !== undefined || first?.causes.length || !explained.has(first?.group ?? ''))
    .map((each): Obstacle => {
      const { group = '', causes = [], lack } = each.at(-1) ?? {};
      const fixes =
        lack !== undefined
          ? [TOO_SHORT_REMEDY]
          : isUnknown(group)
            ? ['Take the snapshot again; if the service has been deleted, stop its tasks.']
            : causes.map((cause) => fixFor(cause, group, snapshot));
      return {
        group,
        instances: [...new Set(each.map(({ instanceId }) => instanceId))],
        trials: new Set(each.map(({ seed }) => seed)).size,
        kinds: causes.map(({ cause }) => cause),
        causes: lack !== undefined ? [lack] : isUnknown(group) ? [NOT_IN_SNAPSHOT] : causes.map(sentenceOn),
        fix: fixes.length > 0 ? [...new Set(fixes)].join(' ') : sentence(REMEDY_WITHOUT_CAUSE),
      };
    })
    .toSorted((a, b) => Number(a.kinds.includes('daemon-last')) - Number(b.kinds.includes('daemon-last')));
}

const NOT_IN_SNAPSHOT = 'the snapshot does not have the service, so nothing replaces its tasks in the plan';

/** What only takes its time. */
const ON_ITS_WAY: readonly string[] = ['starting', 'deregistering', 'stopping', 'stop-timeout'] satisfies CauseKind[];

/** That a drain may end before a task has had the time to leave; undefined if it has the time, or something else is in the way. */
function lackOfTime({ group, causes }: Blocking, { services }: Estimates, deadlineSeconds: number): string | undefined {
  const times = services.get(serviceOf({ group }) ?? '');
  if (!times || !causes.every(({ cause }) => ON_ITS_WAY.includes(cause))) return undefined;
  const [deregistration, stop] = [times.deregistration?.seconds ?? 0, times.stopTimeout.seconds];
  const start = Math.round(times.start.seconds);
  const deadline = `a drain has ${deadlineSeconds} s to its deadline`;
  if (deregistration + stop >= deadlineSeconds) return `${presentNeed(deregistration, stop)}, and ${deadline}`;
  if (start + deregistration + stop < deadlineSeconds) return undefined;
  return `${presentNeed(deregistration, stop, start)}, and ${deadline}`;
}

/** That the change gets stuck if Auto Scaling chooses other instances than the plan. */
export function* harderChoices(findings: Findings): Generator<Limit> {
  const planned = new Set(leavingIn(findings.snapshot, findings.change));
  const failing = findings.others.filter(hasFailed);
  const drains = failing.flatMap((other) => other.drains.filter(({ instanceId }) => !planned.has(instanceId)));
  const first = failing[0]?.drains.map(({ instanceId }) => instanceId) ?? [];
  if (drains.length === 0) return;
  const ids = [...new Set(drains.map(({ instanceId }) => instanceId))];
  const few = ids.length > MOST_NAMED ? `one of ${ids.length} instances` : ids.join(' or ');
  const which = first.length > 1 ? `${first.join(' and ')}${failing.length > 1 ? ', for example,' : ''}` : few;
  const outcomes = new Set(drains.map(({ outcome }) => outcome));
  if (outcomes.size > 1) outcomes.delete('drained');
  const killed = Math.max(...failing.map(killedIn));
  const why = obstaclesIn({ ...findings, withDrain: failing })
    .filter(({ instances }) => instances.some((id) => ids.includes(id)))
    .map(({ group, causes }) => `${group} there: ${causes.join('; ') || NO_CAUSE}.`);
  yield {
    what: `If the scale-in takes ${which} instead, a drain may end as ${[...outcomes].join(' or ')}, and ${presentMayBeKilled(killed)}.`,
    effect: `${why.join(' ')} --change terminate --decrement --instance ${first.join(' ')} plans that.`.trim(),
    isRisk: true,
  };
}

/** That there are more kinds of instances to launch than rehearsals. */
export function* unplayedKinds({ snapshot, change, withDrain }: Findings): Generator<Limit> {
  const kinds = kindsIn(snapshot).length;
  if (withDrain.length >= kinds || !launches(change)) return;
  yield {
    what: `The group has ${kinds} kinds of instances, and the plan launches ${withDrain.length} of them.`,
    effect: `On one of the others tasks may find no room, and drains get stuck: --trials ${kinds} rehearses each.`,
    isRisk: true,
  };
}

/** What ECS reported of services on instances that may leave when the snapshot was taken, and no rehearsal has met. */
export function* unseenObstacles(snapshot: Snapshot, change: Change, stuck: readonly Obstacle[]): Generator<Limit> {
  const { services, tasks } = snapshot.cluster;
  const mayLeave = new Set([...leavingIn(snapshot, change), ...othersThatMayLeave(snapshot, change)]);
  const groups = new Set(tasks.flatMap(({ group, ec2InstanceId }) => (mayLeave.has(ec2InstanceId) ? group : [])));
  for (const { name, obstacles = [], deployments } of services.filter(({ name }) => groups.has(`service:${name}`))) {
    const met = new Set(stuck.flatMap(({ group, kinds }) => (group === `service:${name}` ? kinds : [])));
    // A deployment that has not ended is played.
    if (deployments.some(({ state }) => state !== 'COMPLETED')) met.add('deployment');
    for (const cause of obstacles.filter((each) => !met.has(each))) {
      yield {
        what: `The snapshot says of the service ${name}: ${sentenceOn({ cause })}.`,
        effect: 'No rehearsal meets that, so the cluster has what the plan does not know, and drains may get stuck.',
        isRisk: true,
      };
    }
  }
}

export type LoggedCause = { readonly cause: string } & Readonly<Record<string, unknown>>;

/** In the words of `explain`, without the instants of a rehearsal. */
export function sentenceOn(logged: LoggedCause): string {
  return sentenceOnCause({ ...logged, kind: logged.cause } as unknown as Cause);
}

/** What `explain` says to do, with the command where there is one. */
function fixFor({ cause, message }: LoggedCause, group: string, { cluster }: Snapshot): string {
  const kind = cause as CauseKind;
  // The Region says of a lack of instances of a capacity provider, too, that constraints are in the way.
  const isBound = hasConstraints(group, cluster) || !/constraint/.test(String(message));
  const remedy = remedyFor({ kind, message: isBound ? String(message) : '' });
  // To run fewer tasks frees memory and CPU, and little else.
  const isUsual = remedy === REMEDIES[kind];
  const command = isUsual ? commandFor(kind, cluster.name, group.replace(/^service:/, '')) : undefined;
  return sentence(command === undefined ? remedy : `${remedy} (aws ecs ${command})`);
}

function hasConstraints(group: string, { services, taskDefinitions }: Snapshot['cluster']): boolean {
  const service = services.find(({ name }) => name === serviceOf({ group }));
  const definition = taskDefinitions.find(({ name }) => name === service?.taskDefinition);
  return [service, definition].some((each) => (each?.placementConstraints.length ?? 0) > 0);
}

function commandFor(cause: CauseKind, cluster: string, service: string): string | undefined {
  const update = `update-service --cluster ${cluster} --service ${service}`;
  switch (cause) {
    case 'cannot-replace':
      return `${update} --deployment-configuration maximumPercent=200,minimumHealthyPercent=100`;
    case 'no-room':
      return `${update} --desired-count N`;
    case 'replacements-fail':
    case 'deployment':
      return `describe-services --cluster ${cluster} --services ${service}`;
    case 'standalone':
      return `stop-task --cluster ${cluster} --task ID`;
    default:
      return undefined;
  }
}

function sentence(words: string): string {
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}.`;
}
