import { Logger } from '@aws-lambda-powertools/logger';
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import { Metrics } from '@aws-lambda-powertools/metrics';
import { AutoScalingClient } from '@aws-sdk/client-auto-scaling';
import { ECSClient, type ECSClientConfig } from '@aws-sdk/client-ecs';
import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import { SchedulerClient } from '@aws-sdk/client-scheduler';
import middy from '@middy/core';
import type { Context } from 'aws-lambda';
import { autoScalingLifecycleActions } from '../adapters/auto-scaling.ts';
import { HAND_OVER_BOUNDS, SDK_BOUNDS } from '../adapters/aws-call.ts';
import { dryContainerInstances, dryLifecycleActions } from '../adapters/dry-run.ts';
import { ecsContainerInstances } from '../adapters/ecs.ts';
import { eventBridgeAnnouncements, eventBridgeContinuations } from '../adapters/event-bridge.ts';
import { drainKeys, powertoolsJournal } from '../adapters/powertools-journal.ts';
import { schedulerParkingPlaces } from '../adapters/scheduler.ts';
import { abortAfter, systemClock } from '../adapters/system-clock.ts';
import { type LifecycleHook, unreachable } from '../domain/drain.ts';
import { type Clock, type Ports, Unavailable } from '../domain/ports.ts';
import { continueDrain, type DrainResult, runDrain, type WakeUp, wakeDrain } from '../domain/run-drain.ts';
import { type SweepResult, sweep } from '../domain/sweep.ts';
import { CLOCK_SKEW_MS, clusterIn, drainIn, type Received, RejectedEvent, receive } from './events.ts';
import { settingsFrom } from './settings.ts';

/** What an invocation came to. */
export type HandlerResult = DrainResult | SweepResult | { readonly kind: 'ignored'; readonly reason: string };

/** What a fleet's events have kept in Lambda's queue for longer others have done since. */
const SWEEP_STALE_MS = 120_000;

/** An event that is about one drain. */
type ToDrain = Extract<Received, { kind: 'drain' | 'continuation' }>;

/** What a rehearsal may put in place of the machine's own: nothing else of the handler differs there. */
export interface Seams {
  readonly clock?: Clock;
  /** How the SDK's clients sign requests, and how these reach AWS; where AWS is, the SDK's own configuration says. */
  readonly sdk?: Pick<ECSClientConfig, 'requestHandler' | 'signer'>;
}

/**
 * Builds the Lambda handler with all that lasts as long as its container.
 * @throws InvalidSettings if the environment cannot be used.
 */
export function createDrainHandler(
  env: Readonly<Record<string, string | undefined>>,
  { clock = systemClock, sdk }: Seams = {},
) {
  const settings = settingsFrom(env);
  const logger = new Logger();
  if (settings.dryRun) logger.appendPersistentKeys({ dryRun: true });
  const journal = powertoolsJournal(logger, new Metrics());
  const configuration = { ...SDK_BOUNDS, ...sdk };
  const containerInstances = ecsContainerInstances(new ECSClient(configuration), {
    readStopTimeouts: settings.policy.stopStragglers !== 'none',
  });
  const autoScaling = new AutoScalingClient(configuration);
  const eventBridge = new EventBridgeClient({ ...HAND_OVER_BOUNDS, ...sdk });
  const continuations = eventBridgeContinuations(eventBridge, settings.eventSource);
  const announcements = eventBridgeAnnouncements(eventBridge, settings.eventSource, settings.dryRun);
  const parkingPlaces =
    settings.parking &&
    schedulerParkingPlaces({
      client: new SchedulerClient(configuration),
      place: settings.parking,
      clock,
      read: (detail) => drainIn(detail, settings).drain,
    });

  const portsOf = (context: Context): Ports => {
    const remainingMs = context.getRemainingTimeInMillis();
    // The first half of the margin is for a last look that comes late; the second must be left to hand over.
    const signal = abortAfter(remainingMs - (settings.policy.marginSeconds * 1000) / 2);
    const ecs = containerInstances(signal);
    const lifecycleActions = autoScalingLifecycleActions(autoScaling, signal);
    return {
      containerInstances: settings.dryRun ? dryContainerInstances(ecs) : ecs,
      lifecycleActions: settings.dryRun ? dryLifecycleActions(lifecycleActions) : lifecycleActions,
      continuations,
      announcements,
      parkingPlaces: parkingPlaces?.(signal),
      clock,
      random: Math.random,
      invocation: { endsAtMs: clock.nowMs() + remainingMs },
      journal,
    };
  };

  const handle = async (event: unknown, context: Context): Promise<HandlerResult> => {
    const received = receive(event, settings);
    switch (received.kind) {
      case 'drain':
      case 'continuation':
        logger.appendKeys(drainKeys(received.drain));
        if (received.drain.startedAtMs > clock.nowMs() + CLOCK_SKEW_MS) {
          throw new RejectedEvent(
            `The event cannot be understood: time is ${new Date(received.drain.startedAtMs).toISOString()}, which is to come.`,
          );
        }
        if (received.warning !== undefined) logger.warn(received.warning);
        return drainNow(received, portsOf(context));
      case 'sweep':
        return clock.nowMs() - received.scheduledAtMs > SWEEP_STALE_MS
          ? { kind: 'ignored', reason: 'a newer sweep has come' }
          : sweepNow(portsOf(context));
      case 'wake-up':
        return wake(received.wakeUp, portsOf(context));
      case 'ignored':
        logger.info(`Ignored: ${received.reason}`);
        return received;
      default:
        return unreachable(received);
    }
  };

  const drainNow = async ({ kind, drain }: ToDrain, ports: Ports): Promise<HandlerResult> => {
    const run = kind === 'continuation' ? continueDrain : runDrain;
    const result = await run(drain, settings.policy, ports);
    if (result.kind === 'not-ours') logger.info(`Ignored: ${drain.action.instanceId} is in none of our clusters`);
    if (result.kind === 'unconfirmed')
      logger.warn('Ignored: a continuation of a notice that left nothing at its place');
    return result;
  };

  const readMetadata = ({ name, notificationMetadata }: LifecycleHook) => {
    try {
      return clusterIn(notificationMetadata, name, settings);
    } catch (error) {
      if (!(error instanceof RejectedEvent)) throw error;
      logger.warn(`Held instances are left alone: ${error.message}`);
      return undefined;
    }
  };

  const sweepNow = async (ports: Ports): Promise<HandlerResult> => {
    try {
      return await sweep({ ...settings, readMetadata }, settings.policy, ports);
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      logger.warn(`Looking for lost drains again in the next sweep: ${error.message}`);
      return { kind: 'ignored', reason: error.message };
    }
  };

  const wake = async (wakeUp: WakeUp, { parkingPlaces: places, ...ports }: Ports): Promise<HandlerResult> => {
    if (!places) return { kind: 'ignored', reason: 'there are no parking places' };
    const result = await wakeDrain(wakeUp, settings.policy, { ...ports, parkingPlaces: places });
    switch (result.kind) {
      case 'not-awaited':
        // Most stops in a cluster are no news: a line for each would cost more than it tells.
        logger.debug(`Ignored: ${result.reason}`, { ...wakeUp });
        return { kind: 'ignored', reason: result.reason };
      case 'unavailable':
        logger.warn(`Ignored, though a parked drain may have awaited it: ${result.reason}`, { ...wakeUp });
        return { kind: 'ignored', reason: result.reason };
      default:
        return result;
    }
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
