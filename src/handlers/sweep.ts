import type { Logger } from '@aws-lambda-powertools/logger';
import type { LifecycleHook } from '../domain/drain.ts';
import type { Arrival } from '../domain/load.ts';
import { findLostDrains, lastingFailureIn } from '../domain/lost-drains.ts';
import { type Ports, reasonOf, Unavailable } from '../domain/ports.ts';
import { returnToService } from '../domain/return-to-service.ts';
import { RejectedEvent } from './events/event.ts';
import { metadataIn } from './events/termination.ts';
import type { Settings } from './settings.ts';

/**
 * The drains that nothing continues. One minute later the next sweep looks again, so AWS's not answering is no error.
 * @throws what has to be fixed before any of the held instances can be looked at.
 */
export async function lostDrains(
  settings: Settings,
  ports: Ports,
  logger: Logger,
  attended: ReadonlySet<string>,
): Promise<Arrival[]> {
  const readMetadata = ({ name, notificationMetadata }: LifecycleHook) => {
    try {
      return metadataIn(notificationMetadata, name, settings);
    } catch (error) {
      if (!(error instanceof RejectedEvent)) throw error;
      logger.warn(`The sweep skips the instances that hook ${name} holds: ${error.message}`);
      return undefined;
    }
  };
  try {
    const swept = await findLostDrains({ ...settings, readMetadata, attended }, settings.policy, ports);
    const failure = lastingFailureIn(swept);
    if (failure && swept.found.length === 0) throw failure;
    if (failure) logger.error('The sweep could not look at every held instance', { error: failure as Error });
    for (const error of swept.failures) if (error instanceof Unavailable) warnOf(error, logger);
    return swept.found.map((work) => ({ kind: 'lost', work }));
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error;
    warnOf(error, logger);
    return [];
  }
}

function warnOf({ message }: Unavailable, logger: Logger): void {
  logger.warn(`The next sweep looks for lost drains again: ${message}`);
}

/** Gives back the instances that stay in service. What fails is logged: the next sweep tries again. */
export async function giveBack({ policy }: Settings, ports: Ports, logger: Logger): Promise<void> {
  const { failures } = await returnToService(policy, ports);
  for (const error of failures) {
    if (error instanceof Unavailable) {
      logger.warn(`The next sweep looks again for instances to return to service: ${error.message}`);
    } else logger.error(`An instance could not be returned to service: ${reasonOf(error)}`, { error: error as Error });
  }
}
