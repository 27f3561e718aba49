import { presentExplanation, sentenceOnBlocker } from '../src/adapters/present-explanation.ts';
import { diagnose, type Explanation } from '../src/domain/diagnose.ts';
import { choiceOf } from '../src/domain/groups.ts';
import type { ContainerInstance, HoldingTask } from '../src/domain/observation.ts';
import type { OperatorNote } from '../src/domain/operator.ts';
import { type Aws, awsOf } from './aws.ts';
import {
  counted,
  type Deployment,
  deploymentOf,
  hooksNamed,
  isoTime,
  type Output,
  operatorName,
  relativeTo,
  type Target,
} from './common.ts';
import { GIVEN_BACK, type Registrations, readStaying } from './drain-reads.ts';
import {
  type DrainStatus,
  dueInstant,
  hasDoubtfulDeadline,
  instant,
  isStuck,
  noHeartbeat,
  presentStatus,
} from './drain-status.ts';
import { readInstance } from './instance.ts';
import { instanceIdsIn } from './typed.ts';

/** Where Auto Scaling has an instance; undefined if it is in no group. */
type Place = Awaited<ReturnType<Aws['groupOf']>>;

/** `ecs-drain explain INSTANCE`: how its drain stands, and what blocks it and why. */
export async function explain(typed: string, target: Target, output: Output): Promise<number> {
  const [instanceId = ''] = instanceIdsIn([typed]);
  const deployment = await deploymentOf(target);
  const aws = awsOf(deployment, true);
  const { place, registrations, parked, drains } = await readInstance(instanceId, deployment, aws);
  const failures = parked.failure === undefined ? [] : [parked.failure];
  if (drains.length > 0) return reportDrains(drains, failures, deployment, aws, output);
  const unread = parked.all.flatMap(({ failure, unreadable }) => failure ?? unreadable ?? []);
  const drainingIn = new Set(
    registrations
      .of(instanceId)
      .filter(isDraining)
      .map(({ cluster }) => cluster),
  );
  const staying = (await Promise.all([...drainingIn].map((cluster) => readStaying(cluster, aws)))).flat();
  const isMarked = staying.some(({ ec2InstanceId }) => ec2InstanceId === instanceId);
  return reportNotHeld({ instanceId, place, registrations, isMarked }, [...failures, ...unread], deployment, output);
}

/** An instance that two of our hooks hold has two drains; what blocks one blocks the other. */
async function reportDrains(
  [drain, ...others]: readonly DrainStatus[],
  moreFailures: readonly string[],
  deployment: Deployment,
  aws: Aws,
  { print, printJson }: Output,
): Promise<number> {
  if (!drain) throw new Error('An instance that is held has a status.');
  const otherHooks = others.flatMap(({ lifecycleHook }) => lifecycleHook ?? []);
  const otherNotices = others.flatMap(({ notice }) => notice ?? []).join(', ');
  const complete: DrainStatus = {
    ...drain,
    remarks: [
      ...drain.remarks,
      ...(otherHooks.length > 0 ? [`It has a drain for ${hooksNamed(otherHooks)} as well.`] : []),
      ...(otherNotices ? [`It has a drain on a ${otherNotices} of EC2 as well.`] : []),
    ],
    failures: [...drain.failures, ...moreFailures],
  };
  const explanation = await explanationOf(complete, deployment, aws);
  printJson({ ...presentStatus(complete), state: 'draining', ...(explanation && presentExplanation(explanation)) });
  for (const line of linesOn(complete, explanation, deployment.nowMs())) print(line);
  return complete.failures.length > 0 ? 1 : 0;
}

/** A start that is not known counts as now, and a deadline that is not known as never. Tasks that are not known have no causes. */
async function explanationOf(drain: DrainStatus, { nowMs }: Deployment, aws: Aws): Promise<Explanation | undefined> {
  const { holdingTasks } = drain;
  if (!holdingTasks) return undefined;
  return diagnose(holdingTasks, {
    diagnostics: await aws.containerInstances.diagnose(holdingTasks),
    containerInstances: drain.containerInstances,
    agentSilence: drain.drain?.agentSilence,
    startedAtMs: drain.sinceMs ?? nowMs(),
    deadlineAtMs: drain.deadlineAtMs ?? Number.POSITIVE_INFINITY,
    nowMs: nowMs(),
  });
}

function linesOn(drain: DrainStatus, explanation: Explanation | undefined, nowMs: number): string[] {
  const { instanceId, autoScalingGroup, notice, lifecycleHook, terminatingHooks, containerInstances, heartbeat } =
    drain;
  const at = (instantMs: number | undefined) => instant(instantMs, nowMs, ', ');
  const onOne = terminatingHooks.length > 0 ? ` on one of its terminating hooks (${terminatingHooks.join(', ')})` : '';
  const stuck = isStuck(drain) ? ' and stuck' : '';
  const registered = containerInstances.map(
    ({ cluster, status, agentConnected }) =>
      `${status} in ${cluster}, agent ${agentConnected ? 'connected' : 'disconnected'}`,
  );
  return [
    notice
      ? `${instanceId} is draining${stuck} on a ${notice} of EC2: nothing holds it.`
      : `${instanceId} is draining${stuck}: the group ${autoScalingGroup} holds it${lifecycleHook ? ` on the hook ${lifecycleHook}` : onOne}.`,
    `  in ECS      ${registered.join('; ') || 'not registered'}`,
    `  ${notice ? 'since     ' : 'held since'}  ${at(drain.sinceMs)}`,
    `  next look   ${dueInstant(drain.nextLookAtMs, nowMs, ', ')}`,
    `  deadline    ${at(drain.deadlineAtMs)}${hasDoubtfulDeadline(drain) ? ', if our hook holds it' : ''}`,
    ...(drain.drain?.operator?.notes ?? []).map((note) => `  operator    ${sentenceOnNote(note, nowMs)}`),
    `  heartbeat   ${heartbeat === undefined ? noHeartbeat(drain) : `due ${dueInstant(heartbeat.dueAtMs, nowMs, ', ')}; the hook times out ${at(heartbeat.timesOutAtMs)}`}`,
    ...drain.remarks.map((remark) => `  note        ${remark}`),
    ...drain.failures.map((sentence) => `  not known   ${sentence}`),
    '',
    ...(explanation ? linesOnTasks(drain.holdingTasks ?? [], explanation) : ['Which tasks hold it is not known.']),
  ];
}

function linesOnTasks({ length: count }: readonly HoldingTask[], { atMs, blockers, unknown }: Explanation): string[] {
  return [
    count === 0 ? 'No task holds it.' : `${counted(count, 'task')} hold${count === 1 ? 's' : ''} it:`,
    ...blockers.map((blocker) => `  ${sentenceOnBlocker(blocker, atMs)}.`),
    ...unknown.map((sentence) => `  Not everything is known. ${sentence}`),
  ];
}

/** `local set the deadline 50 s ago: new kernel`. */
function sentenceOnNote({ by, atMs, message, deadlineAtMs }: OperatorNote, nowMs: number): string {
  const what = deadlineAtMs === undefined ? 'left a note' : `set the deadline to ${isoTime(deadlineAtMs)}`;
  return `${operatorName(by)} ${what} ${relativeTo(Math.max(nowMs, atMs), atMs)}${message === undefined ? '' : `: ${message}`}`;
}

/** An instance that no terminating hook holds. */
interface NotHeld {
  readonly instanceId: string;
  readonly place: Place;
  readonly registrations: Registrations;
  /** Whether we have set it to DRAINING and it may stay in service. */
  readonly isMarked: boolean;
}

function reportNotHeld(
  notHeld: NotHeld,
  moreFailures: readonly string[],
  deployment: Deployment,
  { print, printJson }: Output,
): number {
  const { instanceId, place, registrations } = notHeld;
  const registered = registrations.of(instanceId);
  const isKnown = place !== undefined || registered.length > 0;
  const sentence = isKnown
    ? notHeldSentence(notHeld, deployment)
    : `Neither Auto Scaling nor ECS (${registrations.searched.join(', ') || 'in no cluster that answers'}) knows ${instanceId}: it is gone, or of another account or Region. ${endedSentence(instanceId)}`;
  const state = registered.some(isDraining) ? 'draining in ECS only' : isKnown ? 'not draining' : 'unknown';
  const failures = [...registrations.failures, ...moreFailures];
  printJson({ instanceId, state, sentence, failures });
  for (const line of [sentence, ...failures]) print(line);
  return isKnown && failures.length === 0 ? 0 : 1;
}

function endedSentence(instanceId: string): string {
  return `To see what its drain did: npx ecs-drain logs ${instanceId}. To see how drains have ended: npx ecs-drain history.`;
}

function notHeldSentence({ instanceId, place, registrations, isMarked }: NotHeld, { settings }: Deployment): string {
  const registered = registrations.of(instanceId);
  const places = registered
    .map(({ cluster, status, countedTasks }) => `${status} in ${cluster} with ${counted(countedTasks, 'task')}`)
    .join(', ');
  const inEcs = `In ECS it is ${places || `not registered in ${registrations.searched.join(', ') || 'any cluster that answers'}`}.`;
  const givenBack = isMarked ? ` ${GIVEN_BACK}` : '';
  if (!place)
    return `${instanceId} is in no Auto Scaling group, so nothing holds it. ${inEcs}${givenBack} ${endedSentence(instanceId)}`;
  const { autoScalingGroup: group, lifecycleState } = place;
  const choices = settings.autoScalingGroups;
  if (!choiceOf(choices, group)) {
    return `${instanceId} is in the group ${group}, which is not among autoScalingGroups (${choices.map(({ text }) => text).join(', ')}): ecs-drain does not drain it. ${inEcs}${givenBack}`;
  }
  if (registered.some(isDraining)) {
    return `${instanceId} is not held by Auto Scaling: in the group ${group} it is ${lifecycleState}. ${inEcs}${givenBack || ' Its drain is being worked on, has ended, or someone else drains it.'}`;
  }
  return `${instanceId} is not draining: in the group ${group} it is ${lifecycleState}. ${inEcs}`;
}

function isDraining({ status }: ContainerInstance): boolean {
  return status === 'DRAINING';
}
