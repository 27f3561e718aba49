import type { Group } from '../src/adapters/auto-scaling.ts';
import { sentenceOnLastSeen } from '../src/adapters/present-explanation.ts';
import { instanceIdOf } from '../src/domain/drain.ts';
import { isHeld } from '../src/domain/group-place.ts';
import { choiceOf, choicesWithout, type GroupChoice, groupNamed } from '../src/domain/groups.ts';
import { lastSeenIn } from '../src/domain/observation.ts';
import { tableOf } from '../terminal/layout.ts';
import { type Aws, awsOf, type QueueState, queueStateOf, sqsOf } from './aws.ts';
import { otherDrainingIn } from './cluster.ts';
import {
  counted,
  type Deployment,
  deploymentOf,
  dueAt,
  isoTime,
  type Output,
  relativeTo,
  sentenceOf,
  type Target,
} from './common.ts';
import {
  GIVEN_BACK,
  type ParkedDrain,
  readHoldingGroup,
  readParkedDrains,
  readRegistrations,
  readStaying,
} from './drain-reads.ts';
import {
  type DrainStatus,
  dueInstant,
  hasDoubtfulDeadline,
  heldStatuses,
  instant,
  isStuck,
  noHeartbeat,
  noticeStatus,
  presentStatus,
  presentTaskCounts,
  whereOf,
} from './drain-status.ts';
import { type Found, inPlace, lookEverywhere, type Place, placesIn, presentPlace, throwIfAlone } from './places.ts';
import type { Session } from './session.ts';
import { instanceIdsIn } from './typed.ts';
import { watch } from './watching.ts';

/** What was found in one place. */
interface Whole {
  readonly deployment: Deployment;
  readonly drains: DrainStatus[];
  readonly missingGroups: readonly string[];
  readonly groups: readonly string[];
  /** The only instance that is asked for. */
  readonly instance: string | undefined;
  /** Undefined if SQS did not answer. */
  readonly queue: QueueState | undefined;
  readonly remarks: string[];
  readonly failures: string[];
}

/** What is typed after `ecs-drain status`. */
export interface StatusOptions {
  readonly group?: string;
  readonly instance?: string;
  readonly watch?: boolean;
}

/** `ecs-drain status`: every instance that the groups hold or that is drained on a notice, and what waits in the queue. */
export async function status(options: StatusOptions, target: Target, session: Session): Promise<number> {
  if (options.instance !== undefined) instanceIdsIn([options.instance]);
  const places = placesIn(target);
  const look = lookWith(options);
  const read = () => lookEverywhere(places, look);
  if (options.watch) return watch(read, report, session);
  const all = await read();
  throwIfAlone(all);
  report(all, session);
  return all.every(isComplete) ? 0 : 1;
}

/** Looks in a place as often as it is asked to, and reads the configuration of the function there once. */
function lookWith(options: StatusOptions): (place: Place) => Promise<Whole> {
  const connections = new Map<Place, { readonly deployment: Deployment; readonly aws: Aws }>();
  return async (place) => {
    let connection = connections.get(place);
    if (!connection) {
      const deployment = await deploymentOf(place.target);
      connection = { deployment, aws: awsOf(deployment) };
      connections.set(place, connection);
    }
    return readWhole(options, connection.deployment, connection.aws);
  };
}

function isComplete({ answer }: Found<Whole>): boolean {
  if (!answer) return false;
  const { missingGroups, failures, drains } = answer;
  return missingGroups.length + failures.length === 0 && drains.every((each) => each.failures.length === 0);
}

/** The groups to look at: all of the deployment, or the one that is asked for. */
function choicesOf({ group }: StatusOptions, { settings }: Deployment): readonly GroupChoice[] {
  const { autoScalingGroups: all } = settings;
  if (group === undefined) return all;
  if (choiceOf(all, group)) return [groupNamed(group)];
  throw new Error(`The group ${group} is not among autoScalingGroups (${all.map(({ text }) => text).join(', ')}).`);
}

async function readWhole(options: StatusOptions, deployment: Deployment, aws: Aws): Promise<Whole> {
  const { settings, target } = deployment;
  const choices = choicesOf(options, deployment);
  const isWanted = (instanceId: string) => options.instance === undefined || options.instance === instanceId;
  const isWhole = options.group === undefined && options.instance === undefined;
  const groups = await aws.groups(choices);
  const names = groups.map(({ name }) => name);
  const parked = await readParkedDrains(deployment, aws);
  const whole: Whole = {
    deployment,
    drains: [],
    missingGroups: choicesWithout(names, choices).map(({ text }) => text),
    groups: names,
    instance: options.instance,
    queue: undefined,
    remarks: [],
    failures: parked.failure === undefined ? [] : [parked.failure],
  };
  const holding = groups
    .map((group) => ({ group, held: heldIn(group).filter(isWanted) }))
    .filter(({ held }) => held.length > 0);
  const heldIds = holding.flatMap(({ held }) => held);
  const onNotice = parked.all.flatMap(({ drain }) => (drain?.kind === 'notice' ? drain : []));
  // A drain on a notice is of no group.
  const notices = options.group === undefined ? onNotice.filter((drain) => isWanted(instanceIdOf(drain))) : [];
  const registrations = await readRegistrations([...heldIds, ...notices.map(instanceIdOf)], deployment, aws);
  for (const { group, held } of holding) {
    const holder = await readHoldingGroup(group, aws);
    for (const instanceId of held) {
      whole.drains.push(...(await heldStatuses(instanceId, holder, registrations, parked, deployment, aws)));
    }
  }
  for (const drain of notices) whole.drains.push(await noticeStatus(drain, registrations, deployment, aws));
  if (isWhole) {
    whole.remarks.push(...leftoverRemarks(parked.all, heldIds, deployment.nowMs()));
    await noteStaying(whole, deployment, aws);
    if (settings.notices.length > 0) await noteOthers(whole, deployment, aws);
  }
  try {
    return { ...whole, queue: await queueStateOf(sqsOf(deployment), settings.eventQueueUrl) };
  } catch (error) {
    whole.failures.push(sentenceOf(error, target));
    return whole;
  }
}

function heldIn({ instances }: Group): string[] {
  return instances.filter(isHeld).map(({ instanceId }) => instanceId);
}

/** Drains whose lifecycle action someone else completed are parked until their next look. */
function leftoverRemarks(parked: readonly ParkedDrain[], heldIds: readonly string[], nowMs: number): string[] {
  return parked.flatMap(({ drain }) => {
    if (!drain || drain.kind === 'notice' || heldIds.includes(drain.action.instanceId)) return [];
    const { instanceId } = drain.action;
    return `Auto Scaling does not hold ${instanceId} any more, and its drain is parked: it ends at its next look; ${sentenceOnLastSeen(lastSeenIn(drain.known), nowMs)}.`;
  });
}

/** Instances that are given back when they are in service: until then they are DRAINING, and no drain is known of them. */
async function noteStaying(whole: Whole, { settings, target }: Deployment, aws: Aws): Promise<void> {
  const known = new Set(whole.drains.map(({ instanceId }) => instanceId));
  for (const cluster of settings.policy.clusters) {
    try {
      const staying = await readStaying(cluster, aws);
      for (const { ec2InstanceId } of staying.filter((each) => !known.has(each.ec2InstanceId))) {
        whole.remarks.push(`${ec2InstanceId} is DRAINING in ${cluster}, and no drain of it is known. ${GIVEN_BACK}`);
      }
    } catch (error) {
      whole.failures.push(sentenceOf(error, target));
    }
  }
}

/** Container instances that are DRAINING though no drain is known: a drain on a notice may be at its beginning. */
async function noteOthers(whole: Whole, { settings, target }: Deployment, { ecs }: Aws): Promise<void> {
  const known = new Set(whole.drains.flatMap(({ containerInstances }) => containerInstances.map(({ arn }) => arn)));
  for (const cluster of settings.policy.clusters) {
    try {
      const others = Map.groupBy(await otherDrainingIn(ecs, cluster, known), ({ agentConnected }) => agentConnected);
      for (const [connected, instances] of others) {
        const why = connected
          ? 'a drain is being worked on, or someone else drains.'
          : `${instances.length === 1 ? 'its agent is' : 'their agents are'} disconnected. ECS keeps the registration of an instance that was terminated like that until someone deregisters it.`;
        const ids = instances.map(({ arn }) => arn.split('/').at(-1)).join(', ');
        whole.remarks.push(
          `In ${cluster} ${counted(instances.length, 'container instance')} ${instances.length === 1 ? 'is' : 'are'} DRAINING (${ids}), and neither held by a group nor parked: ${why}`,
        );
      }
    } catch (error) {
      whole.failures.push(sentenceOf(error, target));
    }
  }
}

function report(all: readonly Found<Whole>[], { print, printJson, page }: Output): void {
  const answered = all.flatMap(({ place, answer }) => (answer ? { place, ...answer } : []));
  const [first] = answered;
  const sentencesIn = (kind: 'remarks' | 'failures' | 'missingGroups') =>
    answered.flatMap((whole) => whole[kind].map((text) => inPlace(whole.place, text)));
  const unanswered = all.flatMap(({ place, failure }) => (failure === undefined ? [] : inPlace(place, failure)));
  printJson({
    function: first?.deployment.functionName,
    at: first && isoTime(first.deployment.nowMs()),
    missingGroups: sentencesIn('missingGroups'),
    queue: sumOf(answered.flatMap(({ queue }) => queue ?? [])),
    remarks: sentencesIn('remarks'),
    failures: [...sentencesIn('failures'), ...unanswered],
    drains: answered.flatMap(({ place, deployment, drains }) =>
      drains.map((drain) => ({ ...presentPlace(place, deployment), ...presentStatus(drain) })),
    ),
  });
  const rows = answered.flatMap(({ place, deployment, drains }) => {
    const nowMs = deployment.nowMs();
    return drains.map((drain) => rowOf(drain, drains, place, nowMs));
  });
  if (rows.length > 0) {
    const labels = Object.keys(all[0]?.place.labels ?? {});
    const head = ['instance', ...labels, 'held since', 'tasks that hold it', 'next look', 'deadline', 'heartbeat'];
    print(tableOf(head, rows, page));
  }
  for (const { place, ...whole } of answered) for (const sentence of sentencesOn(whole, place)) print(sentence);
  for (const sentence of unanswered) print(sentence);
}

/** What does not fit into the table. */
function sentencesOn(whole: Omit<Whole, 'deployment'>, place: Place): string[] {
  const { drains, missingGroups, groups, queue, remarks, failures } = whole;
  const isQuiet = drains.length === 0 && groups.length > 0 && remarks.length + failures.length === 0;
  const sentences = [
    ...missingGroups.map((name) => `Auto Scaling has no group ${name}: fix it in autoScalingGroups, and deploy again.`),
    ...(isQuiet ? [sentenceOnNone(whole)] : []),
    ...remarks,
    ...failures,
    ...(queue && queue.waiting + queue.received + queue.delayed > 0 ? [sentenceOn(queue)] : []),
  ];
  const onDrains = drains.flatMap((drain) =>
    [...drain.remarks, ...drain.failures].map((sentence) => inPlace(place, `${drain.instanceId}: ${sentence}`, ' ')),
  );
  return [...onDrains, ...sentences.map((sentence) => inPlace(place, sentence))];
}

/** The messages of the queues together; undefined if SQS did not answer. */
function sumOf(queues: readonly QueueState[]) {
  if (queues.length === 0) return undefined;
  const sum = (kind: 'waiting' | 'received' | 'delayed') => queues.reduce((total, queue) => total + queue[kind], 0);
  return { waiting: sum('waiting'), received: sum('received'), delayed: sum('delayed') };
}

function sentenceOnNone({ groups, instance }: Pick<Whole, 'groups' | 'instance'>): string {
  return instance === undefined
    ? `Nothing is draining: Auto Scaling holds no instance of ${groups.join(', ')}.`
    : `Auto Scaling does not hold ${instance} in ${groups.join(', ')}: npx ecs-drain explain ${instance} says more.`;
}

/** SQS counts approximately. */
function sentenceOn({ waiting, received, delayed }: QueueState): string {
  return `The event queue has about ${counted(waiting, 'message')} waiting, ${received} with the function, and ${delayed} delayed (drains that are looked at again within 15 minutes).`;
}

function rowOf(drain: DrainStatus, all: readonly DrainStatus[], { labels }: Place, nowMs: number): string[] {
  const { instanceId, containerInstances, heartbeat } = drain;
  const at = (instantMs: number | undefined) => instant(instantMs, nowMs, '\n');
  const registered = containerInstances.map(
    ({ cluster, status, agentConnected }) => `${cluster}: ${status}${agentConnected ? '' : ', agent disconnected'}`,
  );
  return [
    [instanceId, whereOf(drain, all), ...(isStuck(drain) ? ['stuck'] : []), ...registered].join('\n'),
    ...Object.values(labels),
    at(drain.sinceMs),
    presentTaskCounts(drain.holdingTasks),
    dueInstant(drain.nextLookAtMs, nowMs, '\n'),
    at(drain.deadlineAtMs) + (hasDoubtfulDeadline(drain) ? '\nif our hook holds it' : ''),
    heartbeat === undefined
      ? noHeartbeat(drain)
      : `due ${dueAt(nowMs, heartbeat.dueAtMs)}\ntimes out ${relativeTo(nowMs, heartbeat.timesOutAtMs)}`,
  ];
}
