import { latestDeadlineAtMs } from '../src/domain/policy.ts';
import { LONGEST_DEADLINE_SECONDS } from '../src/handlers/events/request.ts';
import { type Aws, awsOf } from './aws.ts';
import {
  counted,
  type Deployment,
  deploymentOf,
  duration,
  isoTime,
  relativeTo,
  type Target,
  UsageError,
} from './common.ts';
import { type DrainStatus, presentStatus, presentTasksInLine } from './drain-status.ts';
import { killedIn } from './ended-drains.ts';
import { type InstanceState, readInstance, scheduleOf } from './instance.ts';
import { type Answer, ask, callerOf } from './request.ts';
import { hasConsent, refuseWithoutConsent, type Session } from './session.ts';
import { checkMessage, instanceIdsIn, secondsIn } from './typed.ts';

/** What is typed after `ecs-drain extend INSTANCE`. */
export interface ExtendOptions {
  readonly deadline: string;
  readonly message?: string;
  readonly yes?: boolean;
}

/** `ecs-drain extend INSTANCE --deadline TIME`: sets the deadline of one drain, counted from now. */
export async function extend(typed: string, options: ExtendOptions, target: Target, session: Session): Promise<number> {
  const [instanceId = ''] = instanceIdsIn([typed]);
  const { message, yes = false } = options;
  checkMessage(message);
  const deadlineSeconds = deadlineSecondsIn(options.deadline);
  if (deadlineSeconds === 0) refuseWithoutConsent('extend --deadline now', yes, session);
  const deployment = await deploymentOf(target);
  const aws = awsOf(deployment);
  const state = await readInstance(instanceId, deployment, aws);
  const reason = whyNotExtendable(state, deployment) ?? whyTooLate(deadlineSeconds, state, deployment);
  if (reason !== undefined) return refused(reason, instanceId, session);
  if (isSooner(deadlineSeconds, state, deployment)) {
    refuseWithoutConsent(`extend --deadline ${options.deadline}, which is before the deadline now,`, yes, session);
    if (!(await hasConsent(questionOn(state, options.deadline), yes, session))) return 1;
  }
  const by = await callerOf(deployment);
  const requests = state.drains
    .flatMap((drain) => scheduleOf(state, drain) ?? [])
    .map((schedule) => {
      return { instanceId, schedule, by, deadlineSeconds, ...(message !== undefined && { message }) };
    });
  for (const request of requests) {
    const answer = await ask(request, deployment);
    if (answer.kind === 'refused')
      return refused(answer.reason ?? 'The function does not say why.', instanceId, session);
    if (answer.kind === 'finished') return ended(answer, instanceId, session);
  }
  return confirmed(state, deployment, aws, session);
}

function deadlineSecondsIn(typed: string): number {
  const seconds = typed === 'now' ? 0 : secondsIn('--deadline', typed);
  if (seconds <= LONGEST_DEADLINE_SECONDS) return seconds;
  throw new UsageError(`--deadline ${typed} is longer than 48 h, for which Auto Scaling holds an instance at most.`);
}

/** Why the deadline cannot be set; the function may know further reasons. */
function whyNotExtendable({ instanceId, place, parked, drains }: InstanceState, { settings }: Deployment) {
  if (parked.failure !== undefined) return parked.failure;
  if (drains.length === 0) {
    const where = place ? `in the group ${place.autoScalingGroup} it is ${place.lifecycleState}` : 'it is in no group';
    return `${instanceId} has no drain whose deadline could be set: ${where}. npx ecs-drain explain ${instanceId} says more.`;
  }
  if (!settings.scheduler) {
    return `The drain of ${instanceId} waits in the event queue (waiting=watch), where no one can reach it: its deadline cannot be set.`;
  }
  const unread = parked.all.flatMap(({ failure, unreadable }) => failure ?? unreadable ?? []);
  if (drains.every(({ drain }) => drain === undefined)) {
    if (unread.length > 0) return unread.join(' ');
    return `No schedule holds the drain of ${instanceId} yet: it has just begun, or is being worked on. Try again in half a minute.`;
  }
  return undefined;
}

/** The function refuses it too, but knows only seconds. */
function whyTooLate(deadlineSeconds: number, { instanceId, drains }: InstanceState, deployment: Deployment) {
  for (const { drain } of drains) {
    if (drain?.kind !== 'held') continue;
    const seconds = (latestDeadlineAtMs(drain, deployment.settings.policy) - deployment.nowMs()) / 1000;
    const minutes = Math.floor(seconds / 60);
    if (deadlineSeconds <= seconds || minutes < 1) continue;
    return `The hook ${drain.action.lifecycleHook} does not hold ${instanceId} for so long: choose ${duration(minutes * 60)} (--deadline ${minutes}m) or less.`;
  }
  return undefined;
}

/** Whether tasks that stay would be killed sooner than now. */
function isSooner(deadlineSeconds: number, { drains }: InstanceState, deployment: Deployment): boolean {
  const nextMs = deployment.nowMs() + deadlineSeconds * 1000;
  return drains.some(({ deadlineAtMs }) => deadlineAtMs !== undefined && nextMs < deadlineAtMs);
}

function questionOn({ instanceId, drains }: InstanceState, typed: string): string {
  const when = typed === 'now' ? 'now' : `in ${typed}, if tasks are left`;
  const unless = typed === 'now' ? '' : ' unless they stop before';
  const [drain] = drains;
  const tasks = drain?.holdingTasks;
  if (!tasks) {
    return `Which tasks hold ${instanceId} is not known, and those that do are killed with it${unless}: ${drain?.failures.join(' ')} End its drain ${when}?`;
  }
  if (tasks.length === 0) return `No task holds ${instanceId}. End its drain ${when}?`;
  return `These tasks hold ${instanceId}, and are killed with it${unless}: ${presentTasksInLine(tasks)}. End its drain ${when}?`;
}

function refused(sentence: string, instanceId: string, { print, printJson }: Session): number {
  printJson({ instanceId, state: 'refused', sentence });
  print(sentence);
  return 1;
}

function ended({ outcome }: Answer, instanceId: string, { print, printJson }: Session): number {
  const killed = outcome && killedIn({ outcome: outcome.kind, killedTasks: outcome.killedTasks });
  const tasks = killed ? `, with ${counted(killed, 'task')} that had not stopped` : '';
  printJson({ instanceId, state: 'finished', outcome: outcome?.kind, killedTasks: killed });
  print(`The drain of ${instanceId} has ended: ${outcome?.kind}${tasks}.`);
  return 0;
}

/** Reads the drain again: what its schedule says now is what holds. */
async function confirmed(before: InstanceState, deployment: Deployment, aws: Aws, session: Session): Promise<number> {
  const { instanceId } = before;
  const { drains } = await readInstance(instanceId, deployment, aws);
  const set = drains.find(({ drain }) => drain?.operator?.deadlineAtMs !== undefined);
  if (!set) {
    const sentence = `The function has taken the deadline of ${instanceId}, and its drain goes on or has ended: npx ecs-drain explain ${instanceId} says more.`;
    return refused(sentence, instanceId, session);
  }
  session.printJson({ ...presentStatus(set), state: 'draining', before: deadlineOf(before.drains[0]) });
  const was = deadlineOf(before.drains[0]);
  const deadline = `${deadlineOf(set)}, ${relativeTo(deployment.nowMs(), set.deadlineAtMs ?? 0)}`;
  session.print(`The drain of ${instanceId} ends at ${deadline}, at the latest${was ? ` (it was ${was})` : ''}.`);
  return 0;
}

function deadlineOf(drain: DrainStatus | undefined): string | undefined {
  return drain?.deadlineAtMs === undefined ? undefined : isoTime(drain.deadlineAtMs);
}
