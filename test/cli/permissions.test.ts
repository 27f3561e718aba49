import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { deployedRegion, permissionOf, type World } from './deployed-region.ts';

const COMMANDS = ['status', 'explain', 'doctor', 'replay'] as const;

/** The permissions of each command in docs/operations.md. */
async function documented(): Promise<Map<string, string[]>> {
  const page = await readFile(join(resolve(import.meta.dirname, '../..'), 'docs/operations.md'), 'utf8');
  const [, table = ''] = page.split('| permission |');
  const rows = table
    .split('\n\n')[0]
    ?.split('\n')
    .slice(2)
    .map((line) => line.split('|').map((cell) => cell.trim()));
  return new Map(
    COMMANDS.map((command, i) => [
      command,
      (rows ?? [])
        .flatMap(([, name = '', ...marks]) => (marks[i] === 'x' ? (name.split('`')[1] ?? []) : []))
        .toSorted(),
    ]),
  );
}

/** What a command asks of AWS in the middle of a drain, with a message in the dead-letter queue. */
async function askedBy(world: World, ...commands: ((instanceId: string) => string[])[]): Promise<Set<string>> {
  const { region, deadLetters, instanceIds, pass, run } = await deployedRegion(world);
  const [first = ''] = instanceIds;
  region.autoScaling.terminateInstance(first);
  deadLetters.send(
    '{"source": "aws.events", "detail-type": "Scheduled Event", "account": "123456789012", "time": "2026-01-01T00:00:00Z", "detail": {}}',
  );
  await pass(60);
  const before = region.calls.length;
  for (const command of commands) await run(...command(first));
  // The function's own calls are not the command's, nor Lambda's deletions from the event queue.
  const calls = region.calls
    .slice(before)
    .filter(({ fiber, operation }) => fiber === undefined && operation !== 'DeleteMessageBatch');
  return new Set(calls.map(permissionOf));
}

describe('the permissions in docs/operations.md', () => {
  it.each([
    ['status', [() => ['status']]],
    ['explain', [(instanceId: string) => ['explain', instanceId]]],
    ['doctor', [() => ['doctor']]],
    [
      'replay',
      [
        () => ['replay', '--dead-letter'],
        () => ['replay', '--dead-letter', '--yes'],
        () => ['replay', '--dead-letter'],
      ],
    ],
  ])('are all that %s needs, and no others', async (command, runs) => {
    // Lambda's own reads of the event queue would hide what replay asks of the other queue.
    const world: World = command === 'replay' ? { mapping: null } : {};
    const asked = [await askedBy(world, ...runs), await askedBy({ ...world, params: { waiting: 'watch' } }, ...runs)];
    // No service of this Region is placed by a capacity provider: test/cli/services.test.ts has some.
    const more = command === 'doctor' ? ['ecs:DescribeCapacityProviders'] : [];
    const all = new Set([...more, ...asked.flatMap((each) => [...each])]);
    expect([...all].toSorted()).toEqual((await documented()).get(command));
  });
});
