import { Logger } from '@aws-lambda-powertools/logger';
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import { Metrics } from '@aws-lambda-powertools/metrics';
import { AutoScalingClient } from '@aws-sdk/client-auto-scaling';
import { ECSClient, type ECSClientConfig } from '@aws-sdk/client-ecs';
import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import middy from '@middy/core';
import type { Context } from 'aws-lambda';
import { autoScalingLifecycleActions } from '../adapters/auto-scaling.ts';
import { HAND_OVER_BOUNDS, SDK_BOUNDS } from '../adapters/aws-call.ts';
import { ecsContainerInstances } from '../adapters/ecs.ts';
import { eventBridgeContinuations } from '../adapters/event-bridge.ts';
import { drainKeys, powertoolsJournal } from '../adapters/powertools-journal.ts';
import { abortAfter, systemClock } from '../adapters/system-clock.ts';
import type { Clock } from '../domain/ports.ts';
import { type DrainResult, runDrain } from '../domain/run-drain.ts';
import { receive } from './events.ts';
import { settingsFrom } from './settings.ts';

/** What an invocation came to. */
export type HandlerResult = DrainResult | { readonly kind: 'ignored'; readonly reason: string };

/** What a rehearsal may put in place of the machine's own: nothing else of the handler differs there. */
export interface Seams {
  readonly clock?: Clock;
  /** How requests reach AWS; where AWS is, the SDK's own configuration says. */
  readonly transport?: NonNullable<ECSClientConfig['requestHandler']>;
}

/**
 * Builds the Lambda handler with all that lasts as long as its container.
 * @throws InvalidSettings if the environment cannot be used.
 */
export function createDrainHandler(
  env: Readonly<Record<string, string | undefined>>,
  { clock = systemClock, transport }: Seams = {},
) {
  const settings = settingsFrom(env);
  const logger = new Logger();
  const journal = powertoolsJournal(logger, new Metrics());
  const configuration = { ...SDK_BOUNDS, ...(transport && { requestHandler: transport }) };
  const ecs = new ECSClient(configuration);
  const autoScaling = new AutoScalingClient(configuration);
  const handOver = { ...HAND_OVER_BOUNDS, ...(transport && { requestHandler: transport }) };
  const continuations = eventBridgeContinuations(new EventBridgeClient(handOver), settings.eventSource);

  const handle = async (event: unknown, context: Context): Promise<HandlerResult> => {
    const received = receive(event, settings);
    if (received.kind === 'ignored') {
      logger.info(`Ignored: ${received.reason}`);
      return received;
    }
    const { drain, warning } = received;
    logger.appendKeys(drainKeys(drain));
    if (warning !== undefined) logger.warn(warning);

    const remainingMs = context.getRemainingTimeInMillis();
    // The first half of the margin is for a last look that comes late; the second must be left to hand over.
    const signal = abortAfter(remainingMs - (settings.policy.marginSeconds * 1000) / 2);
    return runDrain(drain, settings.policy, {
      containerInstances: ecsContainerInstances(ecs, {
        signal,
        readStopTimeouts: settings.policy.stopStragglers !== 'none',
      }),
      lifecycleActions: autoScalingLifecycleActions(autoScaling, signal),
      continuations,
      clock,
      invocation: { endsAtMs: clock.nowMs() + remainingMs },
      journal,
    });
  };

  // Lambda's own timeout ends the invocation; the domain hands over well before it.
  return middy({ timeoutEarlyInMillis: 0 })
    .use(injectLambdaContext(logger, { resetKeys: true }))
    .use({
      onError: ({ error }) => {
        logger.error('The invocation failed; Lambda retries the event, then sends it to the dead-letter queue', {
          error,
        });
      },
    })
    .handler(handle);
}
