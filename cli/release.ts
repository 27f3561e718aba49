import { hooksOf } from '../src/handlers/settings.ts';
import { type Aws, awsOf } from './aws.ts';
import { type Deployment, deploymentOf, sentenceOf, type Target } from './common.ts';
import { type DrainStatus, presentStatus, presentTaskCounts } from './drain-status.ts';
import { type InstanceState, readInstance, scheduleOf } from './instance.ts';
import { ask, callerOf, checkMayAsk } from './request.ts';
import { hasConsent, refuseWithoutConsent, type Session } from './session.ts';
import { checkMessage, instanceIdsIn } from './typed.ts';

/** What is typed after `ecs-drain release INSTANCE`. */
export interface ReleaseOptions {
  readonly message?: string;
  readonly yes?: boolean;
}

/** `ecs-drain release INSTANCE`: completes its lifecycle action now, whatever runs there. */
export async function release(
  typed: string,
  { message, yes = false }: ReleaseOptions,
  target: Target,
  session: Session,
): Promise<number> {
  const [instanceId = ''] = instanceIdsIn([typed]);
  checkMessage(message);
  refuseWithoutConsent('release', yes, session);
  const deployment = await deploymentOf(target);
  const aws = awsOf(deployment);
  const state = await readInstance(instanceId, deployment, aws);
  const hooks = hooksHolding(state, deployment);
  const [drain] = state.drains;
  if (!drain || hooks.length === 0) return report(state, whyNotHeld(state, deployment), session);
  if (message !== undefined) await checkMayAsk(deployment);
  session.print(sentenceOnTasks(drain));
  if (!(await hasConsent(`Let ${instanceId} go now?`, yes, session))) return 1;
  if (message !== undefined) await leaveNote(state, message, deployment);
  return complete(state, hooks, deployment, aws, session);
}

/** Where ECS does not answer, the instance can be let go all the same: its operator decides. */
function sentenceOnTasks({ instanceId, holdingTasks: tasks, failures }: DrainStatus): string {
  if (!tasks) {
    return `Which tasks hold ${instanceId} is not known, and those that do are killed with it: ${failures.join(' ')}`;
  }
  if (tasks.length === 0) return `No task holds ${instanceId}.`;
  return `These tasks hold ${instanceId}, and are killed with it: ${presentTaskCounts(tasks).replaceAll('\n', '\n  ')}`;
}

/** The hooks that we may complete: those of its drains, or ours on its group. */
function hooksHolding({ drains }: InstanceState, { settings }: Deployment): string[] {
  const ofDrains = drains.flatMap(({ drain }) =>
    drain && drain.kind !== 'notice' ? [drain.action.lifecycleHook] : [],
  );
  if (ofDrains.length > 0) return ofDrains;
  return (drains[0]?.terminatingHooks ?? []).filter((name) => hooksOf(settings).includes(name));
}

function whyNotHeld({ instanceId, place, drains }: InstanceState, { settings }: Deployment): string {
  const [drain] = drains;
  if (drain?.notice)
    return `${instanceId} is drained on a ${drain.notice} of EC2: nothing holds it, so there is nothing to release.`;
  if (drain) {
    return `None of our hooks (${hooksOf(settings).join(', ')}) holds ${instanceId}, but another's (${drain.terminatingHooks.join(', ')}): its owner has to let it go.`;
  }
  const where = place ? `in the group ${place.autoScalingGroup} it is ${place.lifecycleState}` : 'it is in no group';
  return `No hook of ours holds ${instanceId}: ${where}.`;
}

/** Before the action is completed, because the drain may end at once then. */
async function leaveNote(state: InstanceState, message: string, deployment: Deployment): Promise<void> {
  const { instanceId, drains } = state;
  const by = await callerOf(deployment);
  const schedules = drains.flatMap((drain) => scheduleOf(state, drain) ?? []);
  // Without a schedule the function only logs the note.
  for (const schedule of schedules.length > 0 ? schedules : [undefined]) {
    await ask({ instanceId, by, message, ...(schedule !== undefined && { schedule }) }, deployment);
  }
}

async function complete(
  state: InstanceState,
  hooks: readonly string[],
  { target }: Deployment,
  aws: Aws,
  session: Session,
): Promise<number> {
  const { instanceId, place } = state;
  const autoScalingGroup = place?.autoScalingGroup ?? '';
  const released: string[] = [];
  for (const lifecycleHook of hooks) {
    try {
      const answer = await aws.lifecycleActions.complete({ autoScalingGroup, lifecycleHook, instanceId }, 'CONTINUE');
      if (answer === 'accepted') released.push(lifecycleHook);
    } catch (error) {
      const done = released.length > 0 ? ` The hook ${released.join(', ')} was completed before.` : '';
      return report(state, `${sentenceOf(error, target)}${done}`, session);
    }
  }
  if (released.length === 0) {
    return report(
      state,
      `The drain of ${instanceId} has ended meanwhile: its lifecycle action was already completed.`,
      session,
    );
  }
  const others = (state.drains[0]?.terminatingHooks ?? []).filter((name) => !hooks.includes(name));
  const held = others.length > 0 ? ` The hook ${others.join(', ')}, which is not ours, may hold it still.` : '';
  return report(state, `The hook ${released.join(', ')} lets ${instanceId} go.${held}`, session, 'released');
}

function report(
  { instanceId, drains: [drain] }: InstanceState,
  sentence: string,
  { print, printJson }: Session,
  state: 'refused' | 'released' = 'refused',
): number {
  printJson({ ...(drain ? presentStatus(drain) : { instanceId }), state, sentence });
  print(sentence);
  return state === 'released' ? 0 : 1;
}
