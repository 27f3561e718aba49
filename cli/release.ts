import { hooksOf } from '../src/handlers/settings.ts';
import { type Aws, awsOf } from './aws.ts';
import { type Deployment, deploymentOf, hooksThat, sentenceOf, type Target } from './common.ts';
import { type DrainStatus, presentStatus, presentTaskCounts } from './drain-status.ts';
import { type InstanceState, readInstance } from './instance.ts';
import { askerOf, leaveNote, type NoteLeft } from './request.ts';
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
  const by = message === undefined ? undefined : await askerOf(deployment);
  session.print(sentenceOnTasks(drain));
  if (!(await hasConsent(`Let ${instanceId} go now?`, yes, session))) return 1;
  const { released, failure } = await complete(state, hooks, deployment, aws);
  // A note about a release that failed would be wrong. The request makes the function look at the drain, which has ended.
  const noted =
    by !== undefined && released.length > 0 ? await leaveNote(state, { by, message }, deployment) : undefined;
  return reportReleased(state, hooks, { released, failure, noted }, session);
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

interface Released {
  /** The hooks that were completed. */
  readonly released: readonly string[];
  readonly failure: string | undefined;
  readonly noted?: NoteLeft | undefined;
}

/** One hook after the other: what fails ends it. */
async function complete(
  { instanceId, place }: InstanceState,
  hooks: readonly string[],
  { target }: Deployment,
  aws: Aws,
): Promise<Released> {
  const autoScalingGroup = place?.autoScalingGroup ?? '';
  const released: string[] = [];
  for (const lifecycleHook of hooks) {
    try {
      const answer = await aws.lifecycleActions.complete({ autoScalingGroup, lifecycleHook, instanceId }, 'CONTINUE');
      if (answer === 'accepted') released.push(lifecycleHook);
    } catch (error) {
      return { released, failure: sentenceOf(error, target) };
    }
  }
  return { released, failure: undefined };
}

function reportReleased(
  state: InstanceState,
  hooks: readonly string[],
  { released, failure, noted }: Released,
  session: Session,
): number {
  const { instanceId } = state;
  const note = noted?.sentence === undefined ? '' : ` ${noted.sentence}`;
  if (failure !== undefined) {
    const done = released.length > 0 ? ` ${hooksThat(['was', 'were'], released)} completed before.` : '';
    return report(state, `${failure}${done}${note}`, session);
  }
  if (released.length === 0) {
    return report(
      state,
      `The drain of ${instanceId} has ended meanwhile: its lifecycle action was already completed.`,
      session,
    );
  }
  const others = (state.drains[0]?.terminatingHooks ?? []).filter((name) => !hooks.includes(name));
  const held =
    others.length > 0
      ? ` ${hooksThat(['may', 'may'], others)} hold it still: ${others.length === 1 ? 'it is' : 'they are'} not ours.`
      : '';
  const sentence = `${hooksThat(['lets', 'let'], released)} ${instanceId} go.${held}${note}`;
  const status = report(state, sentence, session, 'released');
  return noted?.note === 'lost' ? 1 : status;
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
