import { DescribeAutoScalingInstancesCommand } from '@aws-sdk/client-auto-scaling';
import { awsCall } from '../src/adapters/aws-call.ts';
import { explanationForPeople, sentenceOnBlocker } from '../src/adapters/blockers-for-people.ts';
import { type Explanation, explanationOf } from '../src/domain/blockers.ts';
import type { ContainerInstance } from '../src/domain/drain.ts';
import {
  counted,
  type Deployment,
  deploymentOf,
  isoTime,
  type Output,
  relativeTo,
  type Target,
  UsageError,
} from './common.ts';
import {
  type Aws,
  awsOf,
  type DrainStatus,
  groupsOf,
  HELD,
  hasDoubtfulDeadline,
  noticeStatusOf,
  notKnown,
  parkedDrain,
  registrationsOf,
  statusForPrograms,
  statusOf,
} from './status.ts';

/** `ecs-drain explain INSTANCE`: how its drain stands, and what blocks it and why. */
export async function explain(instanceId: string, target: Target, { print, printJson }: Output): Promise<number> {
  if (!/^i-([0-9a-f]{8}|[0-9a-f]{17})$/.test(instanceId)) {
    throw new UsageError(`${instanceId} is not the id of an EC2 instance, such as i-0123456789abcdef0.`);
  }
  const deployment = await deploymentOf(target);
  const aws = awsOf(deployment, true);
  const [group, lifecycleState] = await placeOf(instanceId, aws);
  if (group === undefined || lifecycleState !== HELD || !deployment.settings.autoScalingGroups.includes(group)) {
    const { registrations, searched, failures } = await registrationsOf(instanceId, deployment, aws);
    const { parked, failure } =
      deployment.settings.notices.length > 0 ? await parkedDrain(registrations, deployment, aws, 'notice') : {};
    const drain = parked && (await noticeStatusOf(parked, deployment, aws));
    if (drain) return told(drain, deployment, aws, { print, printJson });
    const isKnown = group !== undefined || registrations.length > 0;
    const sentence = isKnown
      ? notHeld(instanceId, group, lifecycleState, registrations, searched, deployment)
      : `Neither Auto Scaling nor ECS (${searched.join(', ') || 'in no cluster that answers'}) knows ${instanceId}: it is gone, or of another account or Region.`;
    const state = registrations.some(isDraining) ? 'draining in ECS only' : isKnown ? 'not draining' : 'unknown';
    const untold = failure === undefined ? failures : [...failures, failure];
    printJson({ instanceId, state, sentence, failures: untold });
    for (const line of [sentence, ...untold]) print(line);
    return isKnown && untold.length === 0 ? 0 : 1;
  }

  const [described = { name: group, warmPool: false }] = await groupsOf(aws, [group]);
  return told(await statusOf(instanceId, described, deployment, aws), deployment, aws, { print, printJson });
}

async function told(
  drain: DrainStatus,
  deployment: Deployment,
  aws: Aws,
  { print, printJson }: Output,
): Promise<number> {
  const explanation = await explanationOn(drain, deployment, aws);
  printJson({ ...statusForPrograms(drain), state: 'draining', ...explanationForPeople(explanation) });
  for (const line of linesOn(drain, explanation)) print(line);
  return drain.failures.length > 0 ? 1 : 0;
}

/** The instance's group and where it is in its life; undefined if it is in none. */
async function placeOf(instanceId: string, { autoScaling }: Aws): Promise<[string?, string?]> {
  const { AutoScalingInstances: [instance] = [] } = await awsCall(`ask Auto Scaling for ${instanceId}`, () =>
    autoScaling.send(new DescribeAutoScalingInstancesCommand({ InstanceIds: [instanceId] })),
  );
  return instance?.AutoScalingGroupName === undefined
    ? []
    : [instance.AutoScalingGroupName, instance.LifecycleState ?? ''];
}

function isDraining({ status }: ContainerInstance): boolean {
  return status === 'DRAINING';
}

function notHeld(
  instanceId: string,
  group: string | undefined,
  lifecycleState: string | undefined,
  registrations: readonly ContainerInstance[],
  searched: readonly string[],
  { settings }: Deployment,
): string {
  const registered =
    registrations
      .map(({ cluster, status, countedTasks }) => `${status} in ${cluster} with ${counted(countedTasks, 'task')}`)
      .join(', ') || `not registered in ${searched.join(', ') || 'any cluster that answers'}`;
  const inEcs = `In ECS it is ${registered}.`;
  if (group === undefined) return `${instanceId} is in no Auto Scaling group, so nothing holds it. ${inEcs}`;
  const groups = settings.autoScalingGroups;
  if (!groups.includes(group)) {
    return `${instanceId} is in the group ${group}, which is not among autoScalingGroups (${groups.join(', ')}): ecs-drain does not drain it. ${inEcs}`;
  }
  if (registrations.some(isDraining)) {
    return `${instanceId} is not held by Auto Scaling: in the group ${group} it is ${lifecycleState}. ${inEcs} Its drain is at work this minute, is over, or is somebody else's.`;
  }
  return `${instanceId} is not draining: in the group ${group} it is ${lifecycleState}. ${inEcs}`;
}

/** What AWS does not tell of the drain's course counts as if it began now, or as if it had all the time. */
async function explanationOn(drain: DrainStatus, { nowMs }: Deployment, aws: Aws): Promise<Explanation> {
  const facts = await aws.containerInstances.factsAbout(drain.holdingTasks);
  return explanationOf(drain.holdingTasks, {
    facts,
    containerInstances: drain.containerInstances,
    agentSilence: drain.drain?.agentSilence,
    startedAtMs: drain.sinceMs ?? nowMs(),
    deadlineAtMs: drain.deadlineAtMs ?? Number.POSITIVE_INFINITY,
    nowMs: nowMs(),
  });
}

function linesOn(drain: DrainStatus, explanation: Explanation): string[] {
  const { instanceId, autoScalingGroup, notice, lifecycleHook, terminatingHooks, containerInstances, heartbeat } =
    drain;
  const { atMs: nowMs, blockers, unknown } = explanation;
  const at = (instantMs: number | undefined) =>
    instantMs === undefined ? 'not known' : `${isoTime(instantMs)}, ${relativeTo(nowMs, instantMs)}`;
  const onOne = terminatingHooks.length > 0 ? ` on one of its terminating hooks (${terminatingHooks.join(', ')})` : '';
  const registered = containerInstances.map(
    ({ cluster, status, agentConnected }) =>
      `${status} in ${cluster}, agent ${agentConnected ? 'connected' : 'silent'}`,
  );
  return [
    notice
      ? `${instanceId} is draining on a ${notice} of EC2: nothing holds it.`
      : `${instanceId} is draining: the group ${autoScalingGroup} holds it${lifecycleHook ? ` on the hook ${lifecycleHook}` : onOne}.`,
    `  in ECS      ${registered.join('; ') || 'not registered'}`,
    `  ${notice ? 'since     ' : 'held since'}  ${at(drain.sinceMs)}`,
    `  next look   ${at(drain.nextLookAtMs)}`,
    `  deadline    ${at(drain.deadlineAtMs)}${hasDoubtfulDeadline(drain) ? ', if our hook holds it' : ''}`,
    `  heartbeat   ${heartbeat === undefined ? notKnown(drain) : `due ${at(heartbeat.dueAtMs)}; the hook times out ${at(heartbeat.timesOutAtMs)}`}`,
    ...drain.remarks.map((remark) => `  note        ${remark}`),
    ...drain.failures.map((sentence) => `  not known   ${sentence}`),
    '',
    blockers.length === 0
      ? 'No task holds it.'
      : `${counted(drain.holdingTasks.length, 'task')} hold${drain.holdingTasks.length === 1 ? 's' : ''} it:`,
    ...blockers.map((blocker) => `  ${sentenceOnBlocker(blocker, nowMs)}.`),
    ...unknown.map((sentence) => `  not known: ${sentence}`),
  ];
}
