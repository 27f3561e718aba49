/** Which settings and hooks cannot work together: found when the service is packaged, and when the function starts. */

import { type HookChoices, type HookLimits, type LifecycleHook, MANAGED_DRAINING_HOOK } from './drain.ts';
import { COMPLETION_RESERVE_SECONDS, HAND_OVER_SECONDS, type Policy, policyWith, stopsMore } from './policy.ts';
import { STOP_RESERVE_SECONDS, STOP_SPREAD_SECONDS } from './stragglers.ts';

/** What a policy has to work with: the invocation, and the hook where the deployment creates it. */
export interface Limits {
  readonly functionTimeoutSeconds: number;
  readonly hook: HookLimits | undefined;
}

/** A sentence for each pair of settings that cannot work together, with the arithmetic; an empty list if all can. */
export function conflictsIn(policy: Policy, limits: Limits): string[] {
  return [
    ...pollConflicts(policy),
    ...invocationConflicts(policy, limits),
    ...heartbeatConflicts(policy, limits),
    ...deadlineConflicts(policy, limits),
    ...stragglerConflicts(policy),
  ];
}

/** A sentence for each choice of a hook that cannot work, within the bounds of the stack's policy. */
export function choiceConflictsIn(choices: HookChoices, policy: Policy): string[] {
  const chosen = policyWith(choices, policy);
  return [...pollConflicts(chosen), ...stragglerConflicts(chosen)];
}

/** A sentence for each choice of a hook that the stack's policy does not allow: its own value holds instead. */
export function choicesBeyond(choices: HookChoices, policy: Policy): string[] {
  return [...beyond(choices, policy)];
}

function* beyond(choices: HookChoices, policy: Policy): Generator<string> {
  for (const name of ['deadlineSeconds', 'deregistrationDelaySeconds'] as const) {
    if ((choices[name] ?? 0) > policy[name]) {
      yield `${name} ${choices[name]} is above the stack's own ${name} ${policy[name]}, which holds instead: lower it, or raise the setting and deploy again.`;
    }
  }
  if (stopsMore(choices.stopStragglers ?? 'none', policy.stopStragglers)) {
    yield `stopStragglers ${choices.stopStragglers} would stop more than the stack's own stopStragglers ${policy.stopStragglers}, which holds instead: choose that or less, or change the setting and deploy again.`;
  }
}

function* pollConflicts({ pollMinSeconds, pollMaxSeconds, deadlineSeconds }: Policy): Generator<string> {
  if (pollMinSeconds > pollMaxSeconds) {
    yield `pollMinSeconds ${pollMinSeconds} is above pollMaxSeconds ${pollMaxSeconds}: lower the first or raise the second.`;
  }
  if (deadlineSeconds < pollMinSeconds) {
    yield `deadlineSeconds ${deadlineSeconds} is below one poll of pollMinSeconds ${pollMinSeconds}: the drain would end before it looked twice; raise deadlineSeconds.`;
  }
}

/** A round of calls needs some seconds before the margin begins. */
const ROUND_SECONDS = 5;

function* invocationConflicts({ marginSeconds }: Policy, { functionTimeoutSeconds }: Limits): Generator<string> {
  const roundSeconds = functionTimeoutSeconds - marginSeconds;
  if (roundSeconds < ROUND_SECONDS) {
    yield `functionTimeoutSeconds ${functionTimeoutSeconds} - marginSeconds ${marginSeconds} = ${roundSeconds} s, less than the ${ROUND_SECONDS} s that a round of calls needs; lower marginSeconds or raise functionTimeoutSeconds.`;
  }
}

function* heartbeatConflicts({ heartbeatFraction }: Policy, { hook }: Limits): Generator<string> {
  if (heartbeatFraction >= 1) {
    const effect = hook
      ? `heartbeatFraction ${heartbeatFraction} × heartbeatTimeoutSeconds ${hook.heartbeatTimeoutSeconds} = a heartbeat every ${heartbeatFraction * hook.heartbeatTimeoutSeconds} s, and the hook times out after ${hook.heartbeatTimeoutSeconds} s`
      : 'every heartbeat would come after the timeout of its hook';
    yield `heartbeatFraction ${heartbeatFraction} is not below 1: ${effect}; set it to 0.5, say.`;
  } else if (hook) {
    const slackSeconds = Math.round(hook.heartbeatTimeoutSeconds * (1 - heartbeatFraction) * 10) / 10;
    if (slackSeconds < HAND_OVER_SECONDS) {
      yield `heartbeatTimeoutSeconds ${hook.heartbeatTimeoutSeconds} × (1 - heartbeatFraction ${heartbeatFraction}) = ${slackSeconds} s from a heartbeat that is due to the hook's timeout, less than the ${HAND_OVER_SECONDS} s that handing over may take; lower heartbeatFraction or raise heartbeatTimeoutSeconds.`;
    }
  }
}

function* deadlineConflicts({ deadlineSeconds }: Policy, { hook }: Limits): Generator<string> {
  if (!hook) return;
  const allowedSeconds = hook.globalTimeoutSeconds - COMPLETION_RESERVE_SECONDS;
  if (deadlineSeconds > allowedSeconds) {
    yield `deadlineSeconds ${deadlineSeconds} is above the hook's global timeout ${hook.globalTimeoutSeconds} s (the lesser of 48 hours and 100 × heartbeatTimeoutSeconds ${hook.heartbeatTimeoutSeconds}) - ${COMPLETION_RESERVE_SECONDS} s of reserve = ${allowedSeconds} s; lower deadlineSeconds or raise heartbeatTimeoutSeconds.`;
  }
}

function* stragglerConflicts({
  stopStragglers,
  deregistrationDelaySeconds,
  containerStopTimeoutSeconds,
  deadlineSeconds,
}: Policy): Generator<string> {
  if (stopStragglers === 'none') return;
  const delaySeconds = stopStragglers === 'all' ? deregistrationDelaySeconds : 0;
  const reserveSeconds = STOP_RESERVE_SECONDS + STOP_SPREAD_SECONDS;
  const graceSeconds = delaySeconds + containerStopTimeoutSeconds + reserveSeconds;
  if (graceSeconds >= deadlineSeconds) {
    yield `stopStragglers ${stopStragglers} would stop tasks at once: deregistrationDelaySeconds ${delaySeconds} + containerStopTimeoutSeconds ${containerStopTimeoutSeconds} + ${reserveSeconds} s of reserve = ${graceSeconds} s, not below deadlineSeconds ${deadlineSeconds}; raise deadlineSeconds.`;
  }
}

/**
 * How a hook that is not ours may end the wait of ours: ABANDON stops the other hooks (facts 19 hook-results). ECS's own hook is
 * a matter of its own.
 */
export function interferenceOf(
  { name, limits, defaultResult }: LifecycleHook,
  ourHooks: readonly string[],
  deadlineSeconds: number,
): string | undefined {
  if (ourHooks.includes(name) || name === MANAGED_DRAINING_HOOK || defaultResult === 'CONTINUE') return undefined;
  const { heartbeatTimeoutSeconds: timeoutSeconds } = limits;
  if (timeoutSeconds >= deadlineSeconds) return undefined;
  return `The hook ${name}, which is not ours, times out after ${timeoutSeconds} s without a heartbeat, and its default result ABANDON ends the wait of every hook: a drain may need up to ${deadlineSeconds} s.`;
}
