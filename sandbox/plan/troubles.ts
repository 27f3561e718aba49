import type { Params } from '../scenarios.ts';
import { hostsInService } from './build.ts';
import { hookTroublesOf } from './hooks.ts';
import type { Snapshot } from './snapshot.ts';

/** What is wrong with a group before anything changes it. The rehearsals have it, and the verdict names it. */
export interface Trouble {
  /** A sentence, as is the fix. */
  readonly what: string;
  readonly fix: string;
}

/**
 * What is wrong with the group and its hooks, in sentences.
 * @throws BadSnapshot if the settings cannot work
 */
export function troublesOf(snapshot: Snapshot, params: Params): string[] {
  return [...hookTroublesOf(snapshot, params), ...groupTroubles(snapshot).map(({ what, fix }) => `${what} ${fix}`)];
}

export function groupTroubles(snapshot: Snapshot): Trouble[] {
  return [...agentTroubles(snapshot)];
}

function* agentTroubles(snapshot: Snapshot): Generator<Trouble> {
  for (const { ec2InstanceId } of hostsInService(snapshot).filter(({ agentConnected }) => !agentConnected)) {
    yield {
      what: `The agent of ${ec2InstanceId} is disconnected: ECS starts and stops no task there, so a drain of it ends as agent-lost.`,
      fix: 'Check the ECS agent on the instance.',
    };
  }
}
