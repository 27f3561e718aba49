import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { deployedRegion, permissionOf, type World } from './deployed-region.ts';

/** The permissions of each command in docs/operations.md. */
async function documented(): Promise<Map<string, string[]>> {
  const page = await readFile(join(resolve(import.meta.dirname, '../..'), 'docs/operations.md'), 'utf8');
  const [, table = ''] = page.split('| permission |');
  const [head = '', , ...lines] = table.split('\n\n')[0]?.split('\n') ?? [];
  const cellsIn = (line: string) => line.split('|').map((cell) => cell.trim());
  const commands = cellsIn(head).flatMap((cell) => cell.split('`')[1] ?? []);
  const rows = lines.map(cellsIn);
  return new Map(
    commands.map((command, i) => [
      command,
      rows.flatMap(([, name = '', ...marks]) => (marks[i] === 'x' ? (name.split('`')[1] ?? []) : [])).toSorted(),
    ]),
  );
}

/** The permissions of snapshot in docs/plan.md, which plan --group has too. */
async function documentedOfPlan(): Promise<string[]> {
  const page = await readFile(join(resolve(import.meta.dirname, '../..'), 'docs/plan.md'), 'utf8');
  const [, table = ''] = page.split('| permission | for |');
  return [...(table.split('\n\n')[0] ?? '').matchAll(/^\| `(\S+)` \|/gm)].map(([, name = '']) => name);
}

/** What commands are typed about: an instance that drains, and one that is in service. */
interface Instances {
  readonly draining: string;
  readonly inService: string;
}

/** What a command asks of AWS in the middle of a drain, with a message in the dead-letter queue. */
async function askedBy(world: World, ...commands: ((instances: Instances) => string[])[]): Promise<Set<string>> {
  const { region, deadLetters, instanceIds, pass, run } = await deployedRegion(world);
  const [draining = '', inService = ''] = instanceIds;
  region.autoScaling.terminateInstance(draining);
  deadLetters.send(
    '{"source": "aws.events", "detail-type": "Scheduled Event", "account": "123456789012", "time": "2026-01-01T00:00:00Z", "detail": {}}',
  );
  await pass(60);
  const before = region.calls.length;
  for (const command of commands) await run(...command({ draining, inService }));
  // The function's own calls are not the command's, nor what Lambda asks of the queues that it reads.
  const ofLambda = world.mapping === null ? [] : ['ReceiveMessage', 'DeleteMessageBatch'];
  const calls = region.calls
    .slice(before)
    .filter(({ fiber, operation }) => fiber === undefined && !ofLambda.includes(operation));
  return new Set(calls.map(permissionOf));
}

const NOTE = ['--yes', '--message', 'a note'];

describe('the permissions in docs/operations.md', () => {
  it.each<[string, ((instances: Instances) => string[])[]]>([
    ['status', [() => ['status']]],
    ['explain', [({ draining }) => ['explain', draining]]],
    ['doctor', [() => ['doctor']]],
    [
      'replay',
      [
        () => ['replay', '--dead-letter'],
        () => ['replay', '--dead-letter', '--yes'],
        () => ['replay', '--dead-letter'],
      ],
    ],
    ['drain', [({ inService }) => ['drain', inService, ...NOTE, '--wait']]],
    ['wait', [({ draining }) => ['wait', draining]]],
    ['extend', [({ draining }) => ['extend', draining, '--deadline', '3h', ...NOTE]]],
    ['history', [() => ['history']]],
    ['logs', [({ draining }) => ['logs', draining]]],
    ['release', [({ draining }) => ['release', draining, ...NOTE]]],
  ])('are all that %s needs, and no others', async (command, runs) => {
    // Lambda's own reads of the event queue would hide what replay asks of the other queue.
    const world: World = command === 'replay' ? { mapping: null } : {};
    const asked = [await askedBy(world, ...runs)];
    if (command !== 'drain') {
      asked.push(await askedBy({ ...world, params: { waiting: 'watch' } }, ...runs));
    }
    // No service of this Region is placed by a capacity provider: test/cli/services.test.ts has some.
    const more = command === 'doctor' ? ['ecs:DescribeCapacityProviders'] : [];
    const all = new Set([...more, ...asked.flatMap((each) => [...each])]);
    expect([...all].toSorted()).toEqual((await documented()).get(command));
  });

  it('are simulated by doctor for whoever runs it, with the commands that need each, unless it asks for them itself', async () => {
    const { region, json } = await deployedRegion();
    region.roles.set('user/local', { statements: [], trust: [] });
    const { answer } = await json('doctor');
    const warnings = answer.findings.map(({ what }: { readonly what: string }) => what);
    const needs = await documented();
    const plan = await documentedOfPlan();
    expect(plan.length).toBeGreaterThan(10);
    const asked = new Set(needs.get('doctor'));
    const all = [...needs, ['snapshot', plan], ['plan', plan], ['compare', ['logs:FilterLogEvents']]] as const;
    for (const [command, permissions] of all) {
      for (const permission of permissions.filter((each) => !asked.has(each))) {
        const named = new RegExp(`\\b${command}\\b.* will not work for you: ${permission} is not allowed`);
        expect(warnings, `${command} ${permission}`).toContainEqual(expect.stringMatching(named));
      }
    }
  });
});
