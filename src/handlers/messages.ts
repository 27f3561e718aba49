/** Handles the events of one invocation in one round. */

import type { Logger } from '@aws-lambda-powertools/logger';
import { drainKeys } from '../adapters/powertools-telemetry.ts';
import { instanceIdOf, unreachable } from '../domain/drain.ts';
import type { Result } from '../domain/evolve.ts';
import type { Arrival } from '../domain/load.ts';
import type { Ports } from '../domain/ports.ts';
import { runRound } from '../domain/round.ts';
import { type Received, RejectedEvent, refuseFuture } from './events/event.ts';
import type { Settings } from './settings.ts';
import { giveBack, lostDrains } from './sweep.ts';

/** What one invocation works with. */
export interface Invocation {
  readonly ports: Ports;
  readonly settings: Settings;
  readonly logger: Logger;
  /** Called with what became of each drain. */
  readonly onResult: (instanceId: string, kind: Result['kind']) => void;
}

/** An event to handle. */
export interface Message {
  /** Its id on the queue; undefined for an event that was given to the function directly. */
  readonly id?: string;
  /** How often the queue has brought it; undefined if it was given to the function directly. */
  readonly receives?: number | undefined;
  /** @throws RejectedEvent if it cannot be handled. */
  readonly read: () => Received;
}

/** The result of an event. */
export type Handled =
  | { readonly kind: 'ignored'; readonly reason: string }
  | { readonly kind: 'rejected'; readonly error: RejectedEvent }
  | { readonly kind: 'failed'; readonly error: unknown }
  | { readonly kind: 'sweep-failed'; readonly error: unknown }
  /** None for a wake-up that no drain waited for. */
  | { readonly kind: 'handled' | 'swept'; readonly results: readonly Result[] };

/** What an event asks for, or what came of it already. */
type Request =
  | Extract<Handled, { kind: 'ignored' | 'rejected' | 'failed' }>
  | { readonly kind: 'arrival'; readonly arrival: Arrival }
  | { readonly kind: 'sweep' };

const FAILED = 'An event could not be handled; it comes again';

/** A sweep that comes so late is skipped, because a newer one has come. */
const SWEEP_STALE_MS = 120_000;

/**
 * The result of each event, in the order of the events.
 * @throws never: one event that fails does not concern the others.
 */
export async function handleMessages(messages: readonly Message[], invocation: Invocation): Promise<Handled[]> {
  const { settings, ports } = invocation;
  const requests = messages.map((message) => requestIn(message, invocation));
  const arrivals = requests.flatMap((request) => (request.kind === 'arrival' ? [request.arrival] : []));
  // A sweep asks AWS first, and the other events must not wait for that: it has a round of its own.
  const isSwept = requests.some(({ kind }) => kind === 'sweep');
  const [results, swept] = await Promise.all([
    runRound(arrivals, settings.policy, ports),
    isSwept ? sweep(invocation, instancesOf(arrivals)) : undefined,
  ]);
  return requests.map((request, i): Handled => {
    const messageId = messages[i]?.id;
    if (request.kind === 'sweep') return reported(['swept', 'sweep-failed'], swept, messageId, invocation);
    if (request.kind !== 'arrival') return request;
    return reported(['handled', 'failed'], results.get(request.arrival) ?? [], messageId, invocation);
  });
}

/** @throws never: what fails is a result. */
async function sweep(
  { settings, ports, logger }: Invocation,
  attended: ReadonlySet<string>,
): Promise<readonly Result[]> {
  const returning = giveBack(settings, ports, logger);
  try {
    const results = await runRound(await lostDrains(settings, ports, logger, attended), settings.policy, ports);
    return [...results.values()].flat();
  } catch (error) {
    return [{ kind: 'failed', error }];
  } finally {
    await returning;
  }
}

/** The EC2 ids of the instances that these events are about. */
function instancesOf(arrivals: readonly Arrival[]): ReadonlySet<string> {
  return new Set(
    arrivals.flatMap((arrival) => {
      switch (arrival.kind) {
        case 'drain':
        case 'continuation':
          return instanceIdOf(arrival.drain);
        case 'lost':
          return instanceIdOf(arrival.work.drain);
        case 'wake-up':
          return arrival.reported?.ec2InstanceId ?? [];
        case 'request':
          return arrival.request.instanceId;
        default:
          return unreachable(arrival);
      }
    }),
  );
}

function reported(
  [kind, kindOfFailure]: ['handled', 'failed'] | ['swept', 'sweep-failed'],
  results: readonly Result[] = [],
  messageId: string | undefined,
  invocation: Invocation,
): Handled {
  for (const result of results) report(result, messageId, invocation);
  const failure = results.find((result) => result.kind === 'failed');
  return failure?.kind === 'failed' ? { kind: kindOfFailure, error: failure.error } : { kind, results };
}

function requestIn({ id: messageId, receives, read }: Message, invocation: Invocation): Request {
  const { logger, ports } = invocation;
  const nowMs = ports.clock.nowMs();
  try {
    const received = read();
    switch (received.kind) {
      case 'ignored':
        return ignored(received.reason, invocation);
      case 'arrival':
        refuseFutureStart(received.arrival, nowMs);
        if (received.warning !== undefined) logger.warn(received.warning, { messageId });
        return { kind: 'arrival', arrival: { ...heldByNow(received.arrival, nowMs), receives } };
      case 'sweep':
        if (nowMs - received.scheduledAtMs > SWEEP_STALE_MS) return ignored('a newer sweep has come', invocation);
        return { kind: 'sweep' };
      default:
        return received satisfies never;
    }
  } catch (error) {
    if (error instanceof RejectedEvent) {
      logger.error(error.message, { messageId });
      return { kind: 'rejected', error };
    }
    logger.error(FAILED, { error: error as Error, messageId });
    return { kind: 'failed', error };
  }
}

function ignored(reason: string, { logger }: Invocation): Request {
  logger.info(`Ignored: ${reason}`);
  return { kind: 'ignored', reason };
}

/** @throws RejectedEvent if it begins a drain in the future. */
function refuseFutureStart(arrival: Arrival, nowMs: number): void {
  if (arrival.kind !== 'drain' && arrival.kind !== 'continuation') return;
  const { startedAtMs } = arrival.drain;
  const time = new Date(startedAtMs).toISOString();
  const sentence = `The event cannot be understood: the drain starts at ${time}, which is in the future.`;
  refuseFuture(startedAtMs, nowMs, sentence);
}

/** Where the clock of the event is ahead, the hook's timeout runs since now at the latest: a short one would not outlast that. */
function heldByNow(arrival: Arrival, nowMs: number): Arrival {
  if (arrival.kind !== 'drain' || arrival.drain.kind !== 'held') return arrival;
  const { drain } = arrival;
  return { ...arrival, drain: { ...drain, lastHeartbeatAtMs: Math.min(drain.lastHeartbeatAtMs, nowMs) } };
}

/** Logs what telemetry does not: results that no decision led to. */
function report(result: Result, messageId: string | undefined, { logger, onResult }: Invocation): void {
  const { kind, drain } = result;
  const keys = { messageId, ...(drain && drainKeys(drain)) };
  if (drain) onResult(instanceIdOf(drain), kind);
  switch (kind) {
    case 'not-ours':
      logger.info(`Ignored: ${instanceIdOf(result.drain)} is in none of our clusters`, keys);
      break;
    case 'unconfirmed':
      logger.warn(
        `Ignored: the continuation of a notice for ${instanceIdOf(result.drain)} has no schedule, so nothing confirms it`,
        keys,
      );
      break;
    case 'failed':
      logger.error(drain ? 'A drain failed; its event comes again' : FAILED, { error: result.error as Error, ...keys });
      break;
    case 'refused': {
      const { by: operator, message: note, instanceId } = result.request;
      logger.warn(`Refused what an operator asks: ${result.reason}`, { instanceId, ...keys, operator, note });
      break;
    }
    case 'finished':
    case 'parked':
    case 'handed-over':
    case 'left':
    case 'superseded':
      break;
    default:
      result satisfies never;
  }
}
