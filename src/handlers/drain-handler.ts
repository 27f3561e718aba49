import { Logger } from '@aws-lambda-powertools/logger';
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import { Metrics } from '@aws-lambda-powertools/metrics';
import { AutoScalingClient } from '@aws-sdk/client-auto-scaling';
import { ECSClient, type ECSClientConfig } from '@aws-sdk/client-ecs';
import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import { SchedulerClient } from '@aws-sdk/client-scheduler';
import { SQSClient } from '@aws-sdk/client-sqs';
import middy from '@middy/core';
import type { Context, SQSBatchResponse } from 'aws-lambda';
import { autoScalingLifecycleActions } from '../adapters/auto-scaling.ts';
import { HAND_OVER_BOUNDS, SDK_BOUNDS } from '../adapters/aws-call.ts';
import { dryContainerInstances, dryLifecycleActions } from '../adapters/dry-run.ts';
import { ecsContainerInstances } from '../adapters/ecs.ts';
import { eventBridgeContinuations, eventBridgePublisher } from '../adapters/event-bridge.ts';
import { powertoolsTelemetry } from '../adapters/powertools-telemetry.ts';
import { queueContinuations, queueMessages } from '../adapters/queue.ts';
import { drainSchedules } from '../adapters/scheduler.ts';
import { abortAfter, systemClock } from '../adapters/system-clock.ts';
import type { Result } from '../domain/evolve.ts';
import type { Clock, Ports } from '../domain/ports.ts';
import { handleBatch, isBatch } from './batch.ts';
import { receiveDirect } from './events/receive.ts';
import { handleMessages, type Invocation } from './messages.ts';
import { hooksOf, type Settings, settingsFrom } from './settings.ts';

/** The result of an event that was given to the function directly. */
export type HandlerResult = Result | { readonly kind: 'swept' | 'ignored'; readonly reason: string };

/** What a rehearsal replaces; nothing else of the handler differs there. */
export interface Seams {
  readonly clock?: Clock;
  /** How the SDK's clients sign requests and send them; the SDK's own configuration says where AWS is. */
  readonly sdk?: Pick<ECSClientConfig, 'requestHandler' | 'signer'>;
  /** Called with what became of each drain in a round. */
  readonly onResult?: Invocation['onResult'];
}

/**
 * Builds the Lambda handler with everything that lasts as long as its container.
 * @throws InvalidSettings if the environment cannot be used.
 */
export function createDrainHandler(env: Readonly<Record<string, string | undefined>>, seams: Seams = {}) {
  const settings = settingsFrom(env);
  const logger = new Logger();
  if (settings.dryRun) logger.appendPersistentKeys({ dryRun: true });
  const clients = clientsFor(seams);
  const portsOf = portsFor(settings, clients, logger, seams.clock ?? systemClock);
  const send = queueMessages(clients.sqs, settings);
  const { onResult = () => {} } = seams;

  const handle = async (event: unknown, context: Context): Promise<HandlerResult | SQSBatchResponse> => {
    const invocation = { ports: portsOf(context), settings, logger, onResult };
    return isBatch(event) ? handleBatch(event, invocation, send) : handleEvent(event, invocation);
  };
  // Lambda's own timeout ends the invocation; the domain hands over well before it.
  return middy({ timeoutEarlyInMillis: 0 })
    .use(injectLambdaContext(logger, { resetKeys: true }))
    .use({ onError: ({ error }) => logger.error('The invocation failed; its events come again', { error }) })
    .handler(handle);
}

function clientsFor({ sdk }: Seams) {
  const configuration = { ...SDK_BOUNDS, ...sdk };
  return {
    ecs: new ECSClient(configuration),
    autoScaling: new AutoScalingClient(configuration),
    scheduler: new SchedulerClient(configuration),
    eventBridge: new EventBridgeClient({ ...HAND_OVER_BOUNDS, ...sdk }),
    sqs: new SQSClient({ ...HAND_OVER_BOUNDS, ...sdk }),
  };
}

function portsFor(settings: Settings, clients: ReturnType<typeof clientsFor>, logger: Logger, clock: Clock) {
  const { policy, dryRun, eventSource, eventQueueUrl, scheduler, notices } = settings;
  const containerInstances = ecsContainerInstances(clients.ecs, {
    readStopTimeouts: policy.stopStragglers !== 'none',
    containerStopTimeoutSeconds: policy.containerStopTimeoutSeconds,
    onAssumption: (sentence) => logger.warn(sentence),
    markName: eventSource,
  });
  const schedules =
    scheduler &&
    drainSchedules({
      client: clients.scheduler,
      settings: scheduler,
      clock,
      lifecycleHooks: hooksOf(settings),
      notices,
    });
  const continueAt = queueContinuations(clients.sqs, eventQueueUrl, clock);
  const continueNow = eventBridgeContinuations(clients.eventBridge, eventSource);
  const events = eventBridgePublisher(clients.eventBridge, eventSource, dryRun);
  const telemetry = powertoolsTelemetry(logger, new Metrics());

  return (context: Context): Ports => {
    const remainingMs = context.getRemainingTimeInMillis();
    // The first half of the margin is for a last call that comes late; the second must be left to hand over.
    const signal = abortAfter(remainingMs - (policy.marginSeconds * 1000) / 2);
    const { recordHeartbeat } = autoScalingLifecycleActions(clients.autoScaling, signal);
    const until = (ended: AbortSignal) => {
      const ecs = containerInstances(ended);
      const actions = { ...autoScalingLifecycleActions(clients.autoScaling, ended), recordHeartbeat };
      return {
        containerInstances: dryRun ? dryContainerInstances(ecs) : ecs,
        lifecycleActions: dryRun ? dryLifecycleActions(actions) : actions,
        schedules: schedules?.(ended),
      };
    };
    return {
      ...until(signal),
      until: (endsAtMs) => until(AbortSignal.any([signal, abortAfter(endsAtMs - clock.nowMs())])),
      continuations: { continueNow, continueAt: continueAt(signal) },
      events,
      clock,
      random: Math.random,
      invocation: { endsAtMs: clock.nowMs() + remainingMs },
      telemetry,
    };
  };
}

/**
 * An event that was given to the function directly, by hand or in a test.
 * @throws what the event is rejected with, or fails with.
 */
async function handleEvent(event: unknown, invocation: Invocation): Promise<HandlerResult> {
  const read = () => receiveDirect(event, invocation.settings);
  const [handled] = await handleMessages([{ read }], invocation);
  switch (handled?.kind) {
    case 'rejected':
    case 'failed':
    case 'sweep-failed':
      throw handled.error;
    case 'swept':
      return { kind: 'swept', reason: `${handled.results.length} lost drains continue` };
    case 'handled':
      return handled.results[0] ?? { kind: 'ignored', reason: 'no drain waits for it' };
    default:
      return handled ?? { kind: 'ignored', reason: 'there was no event' };
  }
}
