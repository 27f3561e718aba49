/** Options that a command would ignore because of another option: they are refused, because whoever typed them expects an effect. */

import type { Command } from 'commander';
import { UsageError } from '../terminal/command-line.ts';

/** The changes that `plan` rehearses, and the options of each. */
const OPTIONS_OF: Readonly<Record<string, readonly string[]>> = {
  'rolling-update': ['minInService', 'maxBatchSize', 'pause', 'signals'],
  'instance-refresh': ['minHealthyPercent', 'maxHealthyPercent', 'warmup'],
  'scale-in': ['count'],
  terminate: ['instance', 'decrement'],
};

export const CHANGES = Object.keys(OPTIONS_OF);

/** Before `plan` runs. */
export function refuseStrayOfPlan(command: Command): void {
  const { change } = command.opts<{ readonly change?: string }>();
  if (change === undefined) throw new UsageError(`Name a change with --change: ${CHANGES.join(', ')}.`);
  if (!CHANGES.includes(change)) return;
  for (const [kind, options] of Object.entries(OPTIONS_OF)) {
    if (kind === change) continue;
    const why = `is an option of --change ${kind}, and this is --change ${change}: leave it out, or name --change ${kind}.`;
    refuse(command, options, why);
  }
  refuseBesideSnapshot(command);
}

/** Before `doctor` runs. */
export function refuseStrayOfDoctor(command: Command): void {
  const { group, snapshot } = command.opts<{ readonly group?: string; readonly snapshot?: string }>();
  if (group === undefined && snapshot === undefined) {
    refuse(command, ['cluster'], 'is the cluster of a --group: name the group as well, or leave it out.');
  }
  refuseBesideSnapshot(command);
}

/** Before `compare` runs. */
export function refuseStrayOfCompare(command: Command): void {
  const { logGroup } = command.opts<{ readonly logGroup?: string }>();
  if (logGroup === undefined) return;
  refuse(command, ['function'], `names a log, and --log-group ${logGroup} is read instead: leave out one of the two.`);
}

/** A file says by itself which group, cluster and settings it is of. */
function refuseBesideSnapshot(command: Command): void {
  const { snapshot } = command.opts<{ readonly snapshot?: string }>();
  if (snapshot === undefined) return;
  const why = `is for reading from AWS, and --snapshot ${snapshot} is read instead: leave out one of the two.`;
  refuse(command, ['group', 'cluster', 'maxCalls', 'stage', 'function'], why);
}

/** @throws UsageError with the first of these options that was typed, its value, and what to do. */
function refuse(command: Command, names: readonly string[], why: string): void {
  for (let owner: Command | null = command; owner; owner = owner.parent) {
    for (const option of owner.options) {
      const name = option.attributeName();
      if (!names.includes(name) || owner.getOptionValueSource(name) !== 'cli') continue;
      const value: unknown = owner.getOptionValue(name);
      const text = typeof value === 'boolean' ? '' : ` ${[value].flat().join(' ')}`;
      throw new UsageError(`${option.long}${text} ${why}`);
    }
  }
}
